//! `oap-conform init`: the files that a newcomer needs, by options or by a few questions.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::failure::Failure;
use crate::suite::baseline;
use crate::suite::report::text::one_line;
use crate::suite::target::definition::{Definition, FILE_NAME};

/// Longest answer to a question, in bytes.
const MOST_ANSWER: u64 = 4096;

/// How often a question is asked.
const ATTEMPTS: usize = 3;

/// Where this program's repository is looked for by CI, until somebody says so.
const REPOSITORY: &str = "OWNER/oap-conform";

/// Largest source file that is looked into for a guess, in bytes.
const MOST_SOURCE: u64 = 256 * 1024;

const AFTER_HELP: &str = "\
In a terminal what is not given is asked for. Nothing that exists is replaced without --force, and
an oap-baseline.toml never is.

  oap-conform init --command 'uvicorn app:app --port ${port}'";

/// Options of `init`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Init {
    /// The command that starts the runtime, with ${port} for the port to listen on; quotes as in a shell
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["stdio", "url"])]
    command: Option<String>,
    /// The command that starts an adapter, for a runtime without HTTP (spec/stdio.md)
    #[arg(long, value_name = "COMMAND", conflicts_with = "url")]
    stdio: Option<String>,
    /// The base URL of a runtime that somebody else starts
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Which CI gets a file [default: github or gitlab, where this folder is of one of them, or none]
    #[arg(long, value_enum)]
    ci: Option<Ci>,
    /// The repository that CI takes oap-conform from
    #[arg(long, value_name = "OWNER/NAME", default_value = REPOSITORY, value_parser = repository)]
    repository: String,
    /// Replace the target's definition and the CI file where they exist
    #[arg(long)]
    force: bool,
}

/// A CI system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Ci {
    /// GitHub Actions: .github/workflows/oap-conform.yml
    Github,
    /// GitLab CI: .gitlab-ci.yml
    Gitlab,
    /// None
    None,
}

/// How the runtime is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Way {
    Command(String),
    Stdio(String),
    Url(String),
}

/// A file to be written.
struct Planned {
    path: PathBuf,
    text: String,
}

impl Init {
    /// Writes the files and says which.
    pub fn execute(self) -> Result<u8, Failure> {
        let asks = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        let way = match self.way() {
            Some(way) => way,
            None if asks => asked_way()?,
            None => {
                return Err(Failure::usage(
                    "say how the runtime is reached: --command 'uvicorn app:app --port ${port}', --stdio or --url; in a terminal you are asked",
                ));
            }
        };
        let ci = match self.ci {
            Some(ci) => ci,
            None if asks => asked_ci(likely_ci())?,
            None => likely_ci(),
        };
        let mut files = vec![Planned {
            path: FILE_NAME.into(),
            text: definition(&way)?,
        }];
        match ci {
            Ci::Github => files.push(Planned {
                path: ".github/workflows/oap-conform.yml".into(),
                text: github(&self.repository),
            }),
            Ci::Gitlab => files.push(Planned {
                path: ".gitlab-ci.yml".into(),
                text: gitlab(&self.repository),
            }),
            Ci::None => {}
        }
        self.refuse_existing(&files)?;
        for file in &files {
            write(file, self.force)?;
            println!("wrote {}", one_line(&file.path.to_string_lossy()));
        }
        let known = Planned {
            path: baseline::FILE_NAME.into(),
            text: BASELINE.to_owned(),
        };
        if known.path.exists() {
            println!("kept  {}: it exists", known.path.display());
        } else {
            write(&known, false)?;
            println!("wrote {}", known.path.display());
        }
        if ci != Ci::None && self.repository == REPOSITORY {
            println!("to do: put the owner of your oap-conform in place of OWNER in the CI file");
        }
        println!("next: oap-conform doctor");
        Ok(0)
    }

    fn way(&self) -> Option<Way> {
        let command = self.command.clone().map(Way::Command);
        command
            .or_else(|| self.stdio.clone().map(Way::Stdio))
            .or_else(|| self.url.clone().map(Way::Url))
    }

    /// Before anything is written, so that nothing is half done.
    fn refuse_existing(&self, files: &[Planned]) -> Result<(), Failure> {
        let there: Vec<String> = files
            .iter()
            .filter(|file| !self.force && file.path.symlink_metadata().is_ok())
            .map(|file| file.path.display().to_string())
            .collect();
        if there.is_empty() {
            return Ok(());
        }
        Err(Failure::usage(format!(
            "{} exists, and nothing was written; add --force to replace it, or --ci none to leave CI alone",
            there.join(" and ")
        )))
    }
}

fn repository(text: &str) -> Result<String, String> {
    let plain = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    if text.len() <= 200 && text.split('/').count() >= 2 && text.split('/').all(plain) {
        Ok(text.to_owned())
    } else {
        Err("write it as OWNER/NAME".to_owned())
    }
}

fn write(file: &Planned, replace: bool) -> Result<(), Failure> {
    let path = file.path.display();
    let cannot = |error: std::io::Error| Failure::usage(format!("cannot write {path}: {error}"));
    if let Some(folder) = file.path.parent() {
        std::fs::create_dir_all(folder).map_err(cannot)?;
    }
    let mut options = OpenOptions::new();
    options.write(true);
    if replace {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    options
        .open(&file.path)
        .and_then(|mut open| open.write_all(file.text.as_bytes()))
        .map_err(cannot)
}

const BASELINE: &str = "\
# Failures that are known and accepted for now: they still run, and the run ends with 0 if nothing else fails. This is no
# conformance. An entry that is not true any more makes the run fail, so that it is taken out.
#
# `oap-conform baseline init REPORT.json --reason 'not built yet'` writes entries such as
#
# [[expected]]
# case = \"REG-007-again\"
# check = \"step 1 (register) /status\"
# reason = \"registering twice is not built yet\"
# issue = \"https://example.com/issues/1\"
# expires = 2027-01-01
";

/// The definition, as short as it can be; it can be read.
fn definition(way: &Way) -> Result<String, Failure> {
    let text = |value: &str| toml::Value::from(value).to_string();
    let written = match way {
        Way::Command(command) => {
            let mut port = "";
            if !command.contains("${port}") {
                port = "# The runtime has to listen on the port in PORT; ${port} puts it into the command.\n";
            }
            format!(
                "# How oap-conform starts this runtime (spec/harness.md, section 10). PORT and ${{port}} are a free port; the addresses of\n\
                 # model and services and the tokens are in the environment, under the names of section 1.\n\
                 {port}[start]\ncommand = {}\nready = \"/healthz\"\nready_timeout_s = 10\n{CANNOT}",
                text(command)
            )
        }
        Way::Stdio(command) => format!(
            "# How oap-conform starts the adapter of this runtime (spec/stdio.md). The addresses of model and services and the tokens\n\
             # are in the environment, under the names of spec/harness.md, section 1.\n\
             [start]\nstdio = {}\nready_timeout_s = 10\n{CANNOT}",
            text(command)
        ),
        Way::Url(url) => format!(
            "# Where this runtime listens. It is started by hand, in the whole environment of spec/harness.md, section 1, with\n\
             #   OPENAI_BASE_URL=http://127.0.0.1:9100/v1 OPENAI_API_KEY=sk-test-model-key-0001 OPENAI_MODEL=scripted-model\n\
             #   OAP_TEST_PLUGIN_ORIGIN=http://127.0.0.1:9101 AWS_ENDPOINT_URL_S3=http://127.0.0.1:9102\n\
             [connect]\nbase_url = {}\n\n# So the mocks listen there.\n\
             [services]\nmodel_port = 9100\ncalendar_port = 9101\nobjects_port = 9102\n{CANNOT}",
            text(url)
        ),
    };
    Definition::parse(&written, Path::new(FILE_NAME)).map_err(Failure::usage)?;
    Ok(written)
}

const CANNOT: &str = "\n\
    # Where its log lines and metrics are, for the profile observability (spec/harness.md, section 12).\n\
    # [observe]\n# logs = \"oap.log\"\n# metrics = \"/metrics\"\n\n\
    # What this runtime is known not to do. It stays in the denominators, as not implemented.\n\
    # [[cannot.requirements]]\n# id = \"STP-001\"\n# reason = \"sessions come in the next release\"\n";

/// A workflow that judges the runtime with the composite action.
fn github(repository: &str) -> String {
    let mut steps = String::new();
    // Writing to a string cannot fail.
    let _ = match needs() {
        Some(Needs::Python(install)) => write!(
            steps,
            "      - uses: actions/setup-python@v5\n        with:\n          python-version: \"3.12\"\n      - run: {install}\n"
        ),
        Some(Needs::Node) => write!(
            steps,
            "      - uses: actions/setup-node@v4\n        with:\n          node-version: 22\n      - run: npm ci\n"
        ),
        None => writeln!(steps, "      # Install here what the runtime needs."),
    };
    format!(
        "# Judges the runtime that oap-target.toml describes.\nname: oap-conform\n\non:\n  push:\n  pull_request:\n\n\
         permissions:\n  contents: read\n\njobs:\n  conformance:\n    runs-on: ubuntu-latest\n    timeout-minutes: 30\n    steps:\n      \
         - uses: actions/checkout@v4\n{steps}      - uses: {repository}/.github/actions/conform@v{}\n        with:\n          \
         target: {FILE_NAME}\n      - if: always()\n        uses: actions/upload-artifact@v4\n        with:\n          \
         name: conformance-report\n          path: conformance-report\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// A pipeline that judges the runtime with the template.
fn gitlab(repository: &str) -> String {
    let install = match needs() {
        Some(Needs::Python(install)) => {
            // Debian keeps its own Python to itself unless told otherwise; the machine of a job is nobody's.
            format!(
                "apt-get update && apt-get install -y python3-pip && PIP_BREAK_SYSTEM_PACKAGES=1 {install}"
            )
        }
        Some(Needs::Node) => "apt-get update && apt-get install -y npm && npm ci".to_owned(),
        None => "echo 'install here what the runtime needs'".to_owned(),
    };
    format!(
        "# Judges the runtime that oap-target.toml describes.\ninclude:\n  - project: {repository}\n    ref: v{}\n    \
         file: .gitlab/oap-conform.yml\n\nconformance:\n  extends: .oap-conform\n  before_script:\n    \
         - !reference [.oap-conform-install, before_script]\n    - {install}\n  variables:\n    OAP_TARGET: {FILE_NAME}\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// What has to be installed before the runtime can be started.
enum Needs {
    Python(&'static str),
    Node,
}

fn needs() -> Option<Needs> {
    let there = |name: &str| Path::new(name).is_file();
    if there("requirements.txt") {
        Some(Needs::Python("pip install -r requirements.txt"))
    } else if there("pyproject.toml") {
        Some(Needs::Python("pip install ."))
    } else if there("package.json") {
        Some(Needs::Node)
    } else {
        None
    }
}

fn likely_ci() -> Ci {
    let there = |name: &str| Path::new(name).exists();
    if there(".gitlab-ci.yml") || there(".gitlab") {
        Ci::Gitlab
    } else if there(".github") {
        Ci::Github
    } else {
        Ci::None
    }
}

/// The command that the files here suggest.
fn likely_command() -> Option<String> {
    let there = |name: &str| Path::new(name).is_file();
    for module in ["app", "main"] {
        let source = std::fs::File::open(format!("{module}.py"));
        let mut text = String::new();
        let read = source.and_then(|file| file.take(MOST_SOURCE).read_to_string(&mut text));
        if read.is_ok() {
            return Some(if text.contains("FastAPI(") {
                format!("uvicorn {module}:app --port ${{port}}")
            } else {
                format!("python3 {module}.py")
            });
        }
    }
    if there("package.json") {
        return Some("npm start".to_owned());
    }
    there("go.mod").then(|| "go run .".to_owned())
}

fn asked_way() -> Result<Way, Failure> {
    let likely = likely_command();
    println!(
        "How is the runtime started? A command; the port to listen on is in PORT and ${{port}}."
    );
    if likely.is_none() {
        println!("Nothing, if it runs already.");
    }
    let command = ask("command", likely.as_deref().unwrap_or_default())?;
    if !command.is_empty() {
        return Ok(Way::Command(command));
    }
    println!("Where does it listen?");
    Ok(Way::Url(ask("base URL", "http://127.0.0.1:8080")?))
}

fn asked_ci(likely: Ci) -> Result<Ci, Failure> {
    let name = |ci: Ci| match ci {
        Ci::Github => "github",
        Ci::Gitlab => "gitlab",
        Ci::None => "none",
    };
    for _ in 0..ATTEMPTS {
        let answer = ask("CI: github, gitlab or none", name(likely))?;
        if let Ok(ci) = Ci::from_str(&answer, true) {
            return Ok(ci);
        }
        println!("'{answer}' is none of them.");
    }
    Err(Failure::usage(
        "no CI was chosen; give it with --ci github, gitlab or none",
    ))
}

/// One question; an empty answer is the default.
fn ask(question: &str, default: &str) -> Result<String, Failure> {
    let cannot =
        |error: std::io::Error| Failure::usage(format!("the answer cannot be read: {error}"));
    let shown = if default.is_empty() {
        String::new()
    } else {
        format!(" [{default}]")
    };
    print!("{question}{shown}: ");
    std::io::stdout().flush().map_err(cannot)?;
    let mut line = String::new();
    let read = std::io::stdin()
        .lock()
        .take(MOST_ANSWER)
        .read_line(&mut line)
        .map_err(cannot)?;
    if read == 0 {
        return Err(Failure::usage("there was no answer; nothing was written"));
    }
    let answer = line.trim();
    Ok(if answer.is_empty() { default } else { answer }.to_owned())
}
