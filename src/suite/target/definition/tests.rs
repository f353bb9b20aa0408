use super::*;
use crate::schema;
use serde_json::Value;

const ALL: &str = r#"
name = "everything"

[start]
command = ["python3", "main.py", "--port=${port}"]
cwd = "server"
env = { MODEL = "${model_name}", LITERAL = "$${port}" }
inherit = ["VIRTUAL_ENV"]
ready = "/ready"
ready_timeout_s = 30
stop_timeout_s = 5

[connect]
base_url = "http://127.0.0.1:${port}/api"
headers_env = { Authorization = "MY_TOKEN" }
allow_destructive = false

[manifest]
delivery = "register"

[inject]
model = true
model_url = "LLM_URL"
files = false

[inject.clock]
url = "http://127.0.0.1:${clock_port}"

[capabilities]
profiles = ["core", "session"]
runtimes = ["wasm"]
schemes = ["memory"]
extensions = ["caching"]

[limits]
request_ms = 5000
jobs = 4
restarts = 1

[services]
bind = "0.0.0.0"
advertise = "host.docker.internal"
model_port = 9100

[secrets]
DATABASE_PASSWORD = "CI_DATABASE_PASSWORD"

[[cannot.requirements]]
id = "REG-007"
reason = "not before spring"

[[cannot.cases]]
id = "CAP-005-health-of-core"
reason = "see issue 12"
"#;

fn parse(text: &str) -> Result<Definition, String> {
    Definition::parse(text, Path::new("oap-target.toml"))
}

fn by_schema(text: &str) -> bool {
    let value: toml::Table = toml::from_str(text).expect("TOML");
    let value = serde_json::to_value(value).expect("JSON");
    let schema = schema::named("target").expect("the schema is there");
    schema.violations(&value).is_empty()
}

#[test]
fn every_member_is_read() {
    let all = parse(ALL).expect("a definition");
    let start = all.start.as_ref().expect("a start");
    assert_eq!(start.words().len(), 3);
    assert_eq!(start.ready_timeout(), Duration::from_secs(30));
    assert_eq!(all.inject.variable("OPENAI_BASE_URL"), "LLM_URL");
    assert_eq!(all.inject.variable("OPENAI_API_KEY"), "OPENAI_API_KEY");
    assert_eq!(all.inject.files, Some(SharedFolder::Own(false)));
    assert_eq!(all.cannot.cases[0].reason, "see issue 12");
    assert!(by_schema(ALL));
}

#[test]
fn the_schema_has_the_members_that_are_read() {
    let file = crate::embedded::text("spec/schemas/target.json").expect("it is there");
    let schema: Value = serde_json::from_str(&file).expect("JSON");
    // What is not known is refused with what is: these lists are the parser's.
    for (table, text) in [
        ("", "zz = 1".to_owned()),
        ("start", "[start]\nzz = 1".to_owned()),
        ("connect", "[connect]\nzz = 1".to_owned()),
        ("manifest", "[manifest]\nzz = 1".to_owned()),
        ("inject", "[inject]\nzz = 1".to_owned()),
        ("capabilities", "[capabilities]\nzz = 1".to_owned()),
        ("limits", "[limits]\nzz = 1".to_owned()),
        ("services", "[services]\nzz = 1".to_owned()),
        ("cannot", "[cannot]\nzz = 1".to_owned()),
    ] {
        let error = parse(&text).expect_err("an unknown member");
        let known: BTreeSet<&str> = error.split('`').skip(3).step_by(2).collect();
        let properties = match table {
            "" => &schema["properties"],
            table => &schema["properties"][table]["properties"],
        };
        let members = properties.as_object().expect("members");
        let members: BTreeSet<&str> = members.keys().map(String::as_str).collect();
        assert_eq!(members, known, "[{table}] {error}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let start = "[start]\ncommand = ['true']\n";
    for (text, says) in [
        (
            "[start]\ncommand = ['x']\nenviron = {}\n".to_owned(),
            "oap-target.toml:3: unknown member `environ`, expected one of `command`",
        ),
        (
            "[strat]\n".to_owned(),
            "oap-target.toml:1: unknown member `strat`, expected one of `name`, `start`",
        ),
        (
            "[start]\ncommand = []\n".to_owned(),
            "oap-target.toml:2: the command is empty",
        ),
        (
            "[start]\ncommand = \"python3 'main.py\"\n".to_owned(),
            "is not closed",
        ),
        (
            "[start]\ncommand = ['x', '${prot}']\n".to_owned(),
            "there is no placeholder ${prot}; there are port",
        ),
        (
            "[start]\nready = '/x'\n".to_owned(),
            "[start] command: is missing",
        ),
        (
            format!("{start}stdio = 'x'\n"),
            "[start] stdio: stands beside command",
        ),
        (
            format!("{start}ready = 'healthz'\n"),
            "[start] ready: is no path",
        ),
        (
            format!("{start}ready_timeout_s = 0\n"),
            "is not between 1 and 600",
        ),
        (
            format!("{start}env = {{'A B' = ''}}\n"),
            "[start] env.A B: 'A B' is no name",
        ),
        ("name = 'x'\n".to_owned(), "[connect] base_url: is missing"),
        (
            "[connect]\nbase_url = 'http://127.0.0.1:${port}'\n".to_owned(),
            "placeholders are for targets that are started",
        ),
        (
            "[connect]\nbase_url = 'http://127.0.0.1:1'\n[manifest]\ndelivery = 'file'\n"
                .to_owned(),
            "\"file\" needs a target that is started",
        ),
        (
            format!("{start}[manifest]\ndelivery = 'post'\n"),
            "oap-target.toml:4: unknown variant `post`, expected one of `register`",
        ),
        (
            format!("{start}[limits]\njobs = 1000\n"),
            "[limits] jobs: 1000 is not between 1 and 256",
        ),
        (
            format!("{start}[connect]\nheaders_env = {{Authorization = 'Bearer abc'}}\n"),
            "values come from the environment",
        ),
        (
            format!("{start}[[cannot.requirements]]\nid = 'REG-007'\n"),
            "missing field `reason`",
        ),
        (
            format!("{start}[[cannot.requirements]]\nid = 'REG-007'\nreason = ' '\n"),
            "REG-007 has no reason",
        ),
        ("[start\n".to_owned(), "oap-target.toml:1: "),
        (" ".repeat(MOST_BYTES + 1), "is larger than"),
    ] {
        let error = parse(&text).expect_err(says);
        assert!(error.contains(says), "{text}\n{error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn the_schema_refuses_what_the_parser_refuses() {
    for text in [
        "[start]\ncommand = []",
        "[start]\ncommand = 'x'\nstdio = 'x'",
        "[start]\nready = '/x'",
        "[start]\ncommand = 'x'\nready = 'x'",
        "[start]\ncommand = 'x'\nenviron = {}",
        "[start]\ncommand = 'x'\n[limits]\njobs = 0",
        "[start]\ncommand = 'x'\n[manifest]\ndelivery = 'post'",
        "[[cannot.requirements]]\nid = 'REG-007'\n[start]\ncommand = 'x'",
        "name = 'x'",
        "[connect]\nheaders_env = {}",
    ] {
        assert!(parse(text).is_err(), "{text}");
        assert!(!by_schema(text), "{text}");
    }
    for text in [
        "[start]\ncommand = 'python3 main.py'",
        "[start]\nstdio = ['node', 'adapter.mjs']",
        "[connect]\nbase_url = 'http://127.0.0.1:8080'",
    ] {
        assert_eq!(parse(text).map(|_| ()), Ok(()), "{text}");
        assert!(by_schema(text), "{text}");
    }
}
