//! Documents that nobody means well with, given to every command that reads documents: a clear answer, in bounded time and memory,
//! with bounded output. No panic, no backtrace, and never a document taken for good that could not be read.

#[path = "program/mod.rs"]
mod program;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use program::{finished, program, told};

/// What a command may have of memory that it writes to, in KiB: the system refuses it more.
const MOST_MEMORY_KIB: u32 = 256 * 1024;

/// Longest answer of one command about one document, in bytes.
const LONGEST_ANSWER: usize = 64 * 1024;

/// A manifest that is good, for commands that compare.
const GOOD: &str = r#"{"name": "good", "version": "1.0.0", "actions": [{"name": "look", "type": "invoke_api", "description": "Looks.",
  "input_schema": {"type": "object"}, "output_schema": {"type": "object"}, "endpoint": "https://api.example.com/look", "method": "GET"}]}"#;

/// The commands, with `FILE` where the document's name goes.
const COMMANDS: &[&[&str]] = &[
    &["lint", "FILE"],
    &["validate", "manifest", "FILE"],
    &["diff", "good.json", "FILE"],
    &["diff", "FILE", "good.json"],
    &["fmt", "--check", "FILE"],
    &["convert", "--to", "jsonld", "FILE"],
    &["convert", "--to", "snake", "FILE"],
];

/// What must be said of a document.
#[derive(Clone, Copy, PartialEq)]
enum Answer {
    /// It cannot be read: every command ends with 1 or 2.
    Unreadable,
    /// It can be read and is no manifest: who judges manifests says so, the others may do what they can.
    NoManifest,
}

/// A folder to be hostile in.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("good.json"), GOOD).expect("written");
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a document and gives it to every command.
    fn document(&self, name: &str, bytes: impl AsRef<[u8]>, answer: Answer) {
        fs::write(self.path().join(name), bytes).expect("written");
        self.file(name, answer);
    }

    /// Gives what stands under a name to every command.
    fn file(&self, name: &str, answer: Answer) {
        for command in COMMANDS {
            self.asked(command, name, answer);
        }
    }

    fn asked(&self, command: &[&str], name: &str, answer: Answer) {
        let arguments: Vec<&str> = command
            .iter()
            .map(|part| if *part == "FILE" { name } else { part })
            .collect();
        let output = finished(bounded(self.path(), &arguments).stdin(Stdio::null()));
        let judges = matches!(command, ["lint" | "validate", ..]);
        let codes: &[i32] = if judges || answer == Answer::Unreadable {
            &[1, 2]
        } else {
            &[0, 1, 2]
        };
        holds(&output, &arguments, codes);
    }
}

/// The program with so much memory and no more.
fn bounded(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command
        .current_dir(folder)
        .arg("-c")
        .arg(format!("ulimit -d {MOST_MEMORY_KIB} && exec \"$@\""))
        .arg("sh")
        .arg(program(folder).get_program())
        .args(arguments)
        .env("NO_COLOR", "1")
        .env("RUST_BACKTRACE", "1");
    command
}

/// One of these codes, a word about it, and nothing that a program says when it breaks.
fn holds(output: &Output, arguments: &[&str], codes: &[i32]) {
    let said = told(output);
    let shown: String = said.chars().take(2000).collect();
    let ended = output.status.code();
    assert!(
        ended.is_some_and(|code| codes.contains(&code)),
        "{arguments:?}: {}: {shown}",
        output.status
    );
    assert!(
        ended == Some(0) || !said.trim().is_empty(),
        "{arguments:?} says nothing"
    );
    for broken in [
        "panicked at",
        "stack backtrace",
        "RUST_BACKTRACE",
        "memory allocation",
    ] {
        assert!(!said.contains(broken), "{arguments:?}: {shown}");
    }
    // What was asked for is as long as the document; all else is for people.
    if ended != Some(0) {
        let length = said.len();
        assert!(
            length <= LONGEST_ANSWER,
            "{arguments:?}: {length} bytes: {shown}"
        );
    }
}

/// Bytes that look like nothing, the same each time.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| byte()).collect()
}

/// A manifest with so many actions as small as can be.
fn small_actions(count: usize) -> String {
    let action = r#","input_schema":{},"output_schema":{},"type":"plugin"}"#;
    let actions: Vec<String> = (0..count)
        .map(|index| format!("{{\"name\":\"a{index}\"{action}"))
        .collect();
    format!(
        "{{\"name\":\"many\",\"version\":\"1.0.0\",\"actions\":[{}]}}",
        actions.join(",")
    )
}

#[test]
fn too_large() {
    let place = Place::new();
    place.document("actions.json", small_actions(10_000), Answer::NoManifest);
    place.document("twenty.json", small_actions(300_000), Answer::Unreadable);
    let members: Vec<String> = (0..1_000_000)
        .map(|index| format!("\"k{index}\":0"))
        .collect();
    let million = format!("{{{}}}", members.join(","));
    place.document("million.json", &million, Answer::Unreadable);
    place.document("million.yaml", &million, Answer::Unreadable);
    let members = members.get(..70_000).expect("so many");
    let fewer = format!("{{{}}}", members.join(","));
    place.document("fewer.json", &fewer, Answer::NoManifest);
    place.document(
        "fewer.yaml",
        members.join("\n").replace(':', ": "),
        Answer::NoManifest,
    );
}

#[test]
fn too_deep() {
    let place = Place::new();
    let deep = 100_000;
    let arrays = "[".repeat(deep) + &"]".repeat(deep);
    place.document("arrays.json", &arrays, Answer::Unreadable);
    place.document("arrays.yaml", &arrays, Answer::Unreadable);
    let objects = "{\"a\":".repeat(deep) + "1" + &"}".repeat(deep);
    place.document("objects.json", &objects, Answer::Unreadable);
    place.document(
        "objects.yaml",
        "{a: ".repeat(deep) + "1" + &"}".repeat(deep),
        Answer::Unreadable,
    );
    place.document("open.json", "[".repeat(deep), Answer::Unreadable);
    place.document("open.yaml", "{? [".repeat(deep), Answer::Unreadable);
    place.document("dashes.yaml", "- ".repeat(deep) + "a", Answer::Unreadable);
    place.document(
        "questions.yaml",
        "? ".repeat(deep) + "a",
        Answer::Unreadable,
    );
    let schema = "{\"not\":".repeat(60) + "{}" + &"}".repeat(60);
    place.document(
        "schema.json",
        GOOD.replacen("{\"type\": \"object\"}", &schema, 1),
        Answer::NoManifest,
    );
}

#[test]
fn aliases() {
    let place = Place::new();
    let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..30 {
        let of = level - 1;
        let ten = vec![format!("*a{of}"); 10].join(", ");
        laughs.push_str(&format!("a{level}: &a{level} [{ten}]\n"));
    }
    place.document("laughs.yaml", laughs, Answer::Unreadable);
    let long = "x".repeat(500_000);
    let repeated = format!("a: &a {long}\nb: [{}]\n", "*a, ".repeat(100_000));
    place.document("quadratic.yaml", repeated, Answer::Unreadable);
    place.document("itself.yaml", "a: &a [*a]\n", Answer::Unreadable);
    place.document("unknown.yaml", "a: *nobody\n", Answer::Unreadable);
    let merged = "a: &a {b: 1}\n".to_owned() + &"<<: *a\n".repeat(1000);
    place.document("merged.yaml", merged, Answer::NoManifest);
    let anchors: String = (0..50_000)
        .map(|index| format!("- &a{index} 1\n"))
        .collect();
    place.document("anchors.yaml", anchors, Answer::NoManifest);
}

#[test]
fn no_text() {
    let place = Place::new();
    for ending in ["json", "yaml"] {
        let name = |of: &str| format!("{of}.{ending}");
        place.document(&name("noise"), noise(100_000), Answer::Unreadable);
        place.document(
            &name("utf8"),
            b"{\"name\": \"\xff\xfe\"}",
            Answer::Unreadable,
        );
        place.document(
            &name("overlong"),
            b"{\"name\": \"\xc0\xaf\"}",
            Answer::Unreadable,
        );
        let wide: Vec<u8> = GOOD.encode_utf16().flat_map(u16::to_le_bytes).collect();
        place.document(&name("utf16"), &wide, Answer::Unreadable);
        let marked = [&[0xff, 0xfe][..], &wide].concat();
        place.document(&name("utf16-marked"), marked, Answer::Unreadable);
        place.document(&name("zeros"), vec![0; 500_000], Answer::Unreadable);
        place.document(&name("empty"), "", Answer::Unreadable);
        place.document(
            &name("blanks"),
            " \n\t \n".repeat(10_000),
            Answer::Unreadable,
        );
        place.document(
            &name("surrogate"),
            "{\"name\": \"\\ud800\"}",
            Answer::Unreadable,
        );
        place.document(
            &name("quote"),
            format!("{{\"{}", "x".repeat(900_000)),
            Answer::Unreadable,
        );
    }
    // YAML may begin so, and JSON may not.
    place.document("marked.json", format!("\u{feff}{GOOD}"), Answer::Unreadable);
    place.document(
        "controls.json",
        "{\"a\": \"\u{1b}[31m\u{7}\"}",
        Answer::Unreadable,
    );
}

#[test]
fn nothing_of_a_document_moves_the_terminal() {
    let place = Place::new();
    let name = "\\u001b[2Jgone\\u0007\\u009b31m";
    let document = GOOD.replace("\"good\"", &format!("\"{name}\""));
    fs::write(
        place.path().join("escape.json"),
        document.replace("\"look\"", &format!("\"{name}\"")),
    )
    .expect("written");
    for command in [
        &["lint", "escape.json"][..],
        &["validate", "manifest", "escape.json"],
        &["diff", "good.json", "escape.json"],
    ] {
        let output = finished(&mut bounded(place.path(), command));
        let said = told(&output);
        assert!(
            !said.contains(['\u{1b}', '\u{7}', '\u{9b}']),
            "{command:?}: {said:?}"
        );
    }
}

#[test]
fn numbers_lines_and_names() {
    let place = Place::new();
    for ending in ["json", "yaml"] {
        let name = |of: &str| format!("{of}.{ending}");
        let wrong = |value: &str| GOOD.replace("\"1.0.0\"", value);
        place.document(
            &name("digits"),
            wrong(&"9".repeat(900_000)),
            Answer::NoManifest,
        );
        place.document(&name("exponent"), wrong("1e999999999"), Answer::NoManifest);
        place.document(
            &name("fraction"),
            wrong(&format!("0.{}1", "0".repeat(900_000))),
            Answer::NoManifest,
        );
        place.document(&name("small"), wrong("-1e-999999999"), Answer::NoManifest);
        let one_line = wrong("7").replace('\n', " ") + &" ".repeat(500_000);
        place.document(
            &name("line"),
            one_line.replacen("{", &format!("{{{}", " ".repeat(500_000)), 1),
            Answer::NoManifest,
        );
        let text = wrong(&format!("\"{}\"", "v".repeat(900_000)));
        place.document(&name("text"), text, Answer::NoManifest);
        let key = GOOD.replace(
            "\"type\": \"invoke_api\"",
            &format!("\"{}\": 1", "k".repeat(900_000)),
        );
        place.document(&name("key"), key, Answer::NoManifest);
        let same = format!("{{{}\"a\":1}}", "\"name\":1,".repeat(50_000));
        place.document(&name("same"), same, Answer::NoManifest);
        let unknown: String = (0..40_000)
            .map(|index| format!("\"odd_{index}\": 1, "))
            .collect();
        place.document(
            &name("unknown"),
            GOOD.replacen('{', &format!("{{{unknown}"), 1)
                .replace("\"1.0.0\"", "1"),
            Answer::NoManifest,
        );
    }
    let lines = GOOD.replace("\"1.0.0\"", "7") + &"\n".repeat(900_000);
    place.document("lines.json", lines, Answer::NoManifest);
}

#[test]
fn schemas_that_would_take_for_ever() {
    let place = Place::new();
    let with = |schema: &str| GOOD.replacen("{\"type\": \"object\"}", schema, 1);
    let links: Vec<String> = (0..40)
        .map(|index| format!("\"d{index}\":{{\"allOf\":[{{\"$ref\":\"#/$defs/d{0}\"}},{{\"$ref\":\"#/$defs/d{0}\"}}]}}", index + 1))
        .collect();
    let doubling = format!(
        "{{\"$ref\":\"#/$defs/d0\",\"$defs\":{{{},\"d40\":{{}}}}}}",
        links.join(",")
    );
    place.document("doubling.json", with(&doubling), Answer::NoManifest);
    place.document("itself.json", with("{\"$ref\":\"#\"}"), Answer::NoManifest);
    place.document("ring.json", with("{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"$ref\":\"#/$defs/b\"},\"b\":{\"$ref\":\"#/$defs/a\"}}}"), Answer::NoManifest);
    place.document("pattern.json", with("{\"type\":\"string\",\"pattern\":\"(((((a{1,1000}){1,1000}){1,1000}){1,1000}){1,1000})\"}"), Answer::NoManifest);
    let bomb = GOOD.replace(
        "\"method\"",
        &format!(
            "\"conditional\": \"{}1{}\", \"method\"",
            "(".repeat(2000),
            ")".repeat(2000)
        ),
    );
    place.document("expression.json", bomb, Answer::NoManifest);
}

#[test]
fn what_is_no_file() {
    let place = Place::new();
    let here = place.path();
    let made = Command::new("mkfifo").arg(here.join("pipe.json")).status();
    assert!(made.expect("mkfifo runs").success());
    place.file("pipe.json", Answer::Unreadable);
    for (from, to) in [
        ("one.json", "other.json"),
        ("other.json", "one.json"),
        ("dangling.json", "nowhere.json"),
    ] {
        std::os::unix::fs::symlink(to, here.join(from)).expect("linked");
    }
    place.file("one.json", Answer::Unreadable);
    place.file("dangling.json", Answer::Unreadable);
    place.file("nobody.json", Answer::Unreadable);
    place.file("good.json/below.json", Answer::Unreadable);
    place.file("/dev/zero", Answer::Unreadable);
    // Who reads this one is refused, whoever it is.
    place.file("/proc/self/mem", Answer::Unreadable);
    let long = "n".repeat(5000);
    place.file(&long, Answer::Unreadable);
    fs::create_dir(here.join("folder.json")).expect("made");
    for command in COMMANDS.iter().filter(|command| command[0] != "lint") {
        place.asked(command, "folder.json", Answer::Unreadable);
    }
}

#[test]
fn standard_input_without_end() {
    let place = Place::new();
    for command in COMMANDS {
        let arguments: Vec<&str> = command
            .iter()
            .map(|part| if *part == "FILE" { "-" } else { part })
            .collect();
        let endless = fs::File::open("/dev/zero").expect("opens");
        let output = finished(bounded(place.path(), &arguments).stdin(endless));
        holds(&output, &arguments, &[1, 2]);
    }
}

#[test]
fn a_folder_with_odd_things_is_linted_to_its_end() {
    let place = Place::new();
    let here = place.path();
    let folder = here.join("folder");
    fs::create_dir_all(folder.join("inner")).expect("made");
    fs::write(folder.join("good.json"), GOOD).expect("written");
    fs::write(folder.join("inner/noise.json"), noise(10_000)).expect("written");
    let cut = GOOD.trim_end_matches('}');
    fs::write(folder.join("inner/bad.json"), cut).expect("written");
    fs::write(folder.join("inner/large.json"), small_actions(30_000)).expect("written");
    std::os::unix::fs::symlink("..", folder.join("inner/up")).expect("linked");
    std::os::unix::fs::symlink("itself.json", folder.join("itself.json")).expect("linked");
    let made = Command::new("mkfifo")
        .arg(folder.join("pipe.json"))
        .status();
    assert!(made.expect("mkfifo runs").success());
    let output = finished(&mut bounded(here, &["lint", "folder"]));
    holds(&output, &["lint", "folder"], &[1, 2]);
    let said = told(&output);
    assert!(said.contains("bad.json"), "{said}");
}
