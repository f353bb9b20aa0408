//! `oap-conform lsp`, spoken to over its standard input and output.
//!
//! A client that was written elsewhere speaks to it in `.ci/editor.py`; this one also says what no such client would.

use std::io::{BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use oap_conform::lsp::wire;
use serde_json::{Value, json};

const URI: &str = "file:///work/demo.json";

/// A server and the ends of its streams; it is ended with the test.
struct Editor {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Drop for Editor {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Editor {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_oap-conform"))
            .arg("lsp")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("piped"));
        Self {
            child,
            input,
            output,
        }
    }

    fn initialized(options: Value) -> Self {
        let mut editor = Self::start();
        let answer = editor.ask(
            "initialize",
            json!({"capabilities": {}, "initializationOptions": options}),
        );
        assert_eq!(answer["result"]["serverInfo"]["name"], "oap-conform");
        editor.tell("initialized", json!({}));
        editor
    }

    fn say(&mut self, message: &Value) {
        let input = self.input.as_mut().expect("open");
        wire::write(input, message).expect("written");
    }

    fn hear(&mut self) -> Value {
        wire::read(&mut self.output)
            .expect("read")
            .expect("a message")
    }

    fn tell(&mut self, method: &str, parameters: Value) {
        self.say(&json!({"jsonrpc": "2.0", "method": method, "params": parameters}));
    }

    fn ask(&mut self, method: &str, parameters: Value) -> Value {
        self.say(&json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": parameters}));
        let answer = self.hear();
        assert_eq!(answer["id"], 7, "{answer}");
        answer
    }

    /// Opens a text and answers its diagnostics.
    fn open(&mut self, text: &str) -> Vec<Value> {
        self.tell(
            "textDocument/didOpen",
            json!({"textDocument": {"uri": URI, "languageId": "json", "version": 1, "text": text}}),
        );
        self.diagnostics()
    }

    fn diagnostics(&mut self) -> Vec<Value> {
        let told = self.hear();
        assert_eq!(told["method"], "textDocument/publishDiagnostics", "{told}");
        assert_eq!(told["params"]["uri"], URI);
        told["params"]["diagnostics"]
            .as_array()
            .expect("a list")
            .clone()
    }

    fn place(line: u64, character: u64) -> Value {
        json!({"textDocument": {"uri": URI}, "position": {"line": line, "character": character}})
    }

    /// Ends it as the protocol wants, or by closing its input; answers the exit code and what it wrote to standard error.
    fn ended(mut self) -> (Option<i32>, String) {
        drop(self.input.take());
        let mut said = String::new();
        let stderr = self.child.stderr.as_mut().expect("piped");
        stderr.read_to_string(&mut said).expect("read");
        (self.child.wait().expect("ended").code(), said)
    }
}

const GOOD: &str = include_str!("../../fixtures/manifests/valid/meetbot.json");

fn manifest(intent: &str) -> String {
    format!(
        "{{\n  \"name\": \"demo\",\n  \"version\": \"1.0.0\",\n  \"description\": \"😀\", \"actions\": [\n    {{\"name\": \"look_up\", \"type\": \"human_intervention\", \
         \"prompt\": \"Which?\", \"input_schema\": {{\"type\": \"object\"}}, \"output_schema\": {{\"type\": \"object\"}}}}\n  ],\n  \
         \"intents\": [{{\"name\": \"find\", \"actions\": [\"{intent}\"]}}]\n}}\n"
    )
}

#[test]
fn a_good_manifest_has_no_error_and_a_broken_one_has() {
    let mut editor = Editor::initialized(json!({"preset": "spec"}));
    assert_eq!(editor.open(GOOD), Vec::<Value>::new());
    let diagnostics = editor.open(&manifest("look_upp"));
    let [one] = diagnostics.as_slice() else {
        panic!("{diagnostics:?}");
    };
    assert_eq!(one["severity"], 1);
    assert_eq!(one["range"]["start"]["line"], 6);
    // A text that does not read has its place too.
    editor.tell(
        "textDocument/didChange",
        json!({"textDocument": {"uri": URI, "version": 2}, "contentChanges": [{"text": "{\n  \"name\": }"}]}),
    );
    let diagnostics = editor.diagnostics();
    assert_eq!(diagnostics[0]["code"], "malformed_json");
    assert_eq!(diagnostics[0]["range"]["start"]["line"], 1);
    editor.tell(
        "textDocument/didClose",
        json!({"textDocument": {"uri": URI}}),
    );
    assert_eq!(editor.diagnostics(), Vec::<Value>::new());
    assert_eq!(editor.ask("shutdown", Value::Null)["result"], Value::Null);
    editor.tell("exit", Value::Null);
    assert_eq!(editor.ended().0, Some(0));
}

#[test]
fn columns_count_what_the_client_counts() {
    for (offered, bytes) in [
        (json!(["utf-16"]), false),
        (json!(["utf-8", "utf-16"]), true),
    ] {
        let mut editor = Editor::start();
        editor.ask(
            "initialize",
            json!({"capabilities": {"general": {"positionEncodings": offered}}, "initializationOptions": {"preset": "spec"}}),
        );
        let text = manifest("look_up").replace("\"actions\": [", "\"actions\" : 1, \"x-was\": [");
        let diagnostics = editor.open(&text);
        let start = &diagnostics[0]["range"]["start"];
        assert_eq!(start["line"], 3, "{diagnostics:?}");
        let line = text.lines().nth(3).expect("a line");
        let wide = line.find("1,").expect("is there") as u64;
        // The face before it has four bytes, and two units of UTF-16.
        let expected = if bytes { wide } else { wide - 2 };
        assert_eq!(start["character"], expected, "{diagnostics:?}");
    }
}

#[test]
fn hover_tells_what_a_member_is_for_and_its_clause() {
    let mut editor = Editor::initialized(json!({}));
    editor.open(&manifest("look_up"));
    let answer = editor.ask("textDocument/hover", Editor::place(2, 5));
    let told = answer["result"]["contents"]["value"]
        .as_str()
        .expect("a text");
    assert!(told.contains("semantic version"), "{told}");
    assert!(told.contains("MAN-003"), "{told}");
    let nothing = editor.ask("textDocument/hover", Editor::place(0, 0));
    assert_eq!(nothing["result"], Value::Null);
}

#[test]
fn what_is_proposed_fits_the_place() {
    let mut editor = Editor::initialized(json!({}));
    let text = manifest("");
    editor.open(&text);
    let labels = |answer: &Value| -> Vec<String> {
        let items = answer["result"]["items"].as_array().expect("a list");
        let labels = items
            .iter()
            .map(|item| item["label"].as_str().expect("a label"));
        labels.map(str::to_owned).collect()
    };
    let line = text.lines().nth(6).expect("a line");
    let inside = line.find("\"]").expect("is there") as u64;
    let names = editor.ask("textDocument/completion", Editor::place(6, inside));
    assert!(labels(&names).contains(&"look_up".to_owned()), "{names}");
    let members = editor.ask("textDocument/completion", Editor::place(3, 2));
    let members = labels(&members);
    assert!(
        members.contains(&"protocol_version".to_owned()),
        "{members:?}"
    );
    assert!(!members.contains(&"version".to_owned()), "{members:?}");
}

#[test]
fn a_change_mends_what_it_says() {
    let mut editor = Editor::initialized(json!({"preset": "spec"}));
    let text = manifest("look_upp");
    let diagnostics = editor.open(&text);
    let answer = editor.ask(
        "textDocument/codeAction",
        json!({"textDocument": {"uri": URI}, "range": diagnostics[0]["range"], "context": {"diagnostics": diagnostics}}),
    );
    let actions = answer["result"].as_array().expect("a list");
    let fix = actions
        .iter()
        .find(|action| action["kind"] == "quickfix")
        .expect("a change");
    let edit = &fix["edit"]["changes"][URI][0];
    assert_eq!(edit["newText"], "\"look_up\"", "{fix}");
    assert_eq!(edit["range"], diagnostics[0]["range"]);
    let only = editor.ask(
        "textDocument/codeAction",
        json!({"textDocument": {"uri": URI}, "range": diagnostics[0]["range"], "context": {"diagnostics": [], "only": ["refactor"]}}),
    );
    assert_eq!(only["result"], json!([]));
}

#[test]
fn what_no_client_says_harms_nothing() {
    let mut editor = Editor::start();
    assert_eq!(
        editor.ask("textDocument/hover", json!({}))["error"]["code"],
        -32002
    );
    editor.ask("initialize", Value::Null);
    assert_eq!(editor.ask("no/such", Value::Null)["error"]["code"], -32601);
    assert_eq!(
        editor.ask("textDocument/hover", Editor::place(0, 0))["error"]["code"],
        -32602
    );
    // Asked for once, and what was agreed stays.
    assert_eq!(
        editor.ask("initialize", Value::Null)["error"]["code"],
        -32600
    );
    // JSON-RPC knows lists of messages, this protocol does not.
    let batch = json!([{"jsonrpc": "2.0", "id": 8, "method": "shutdown"}]);
    for odd in [
        json!([]),
        batch,
        json!(1),
        json!({}),
        json!({"method": 3}),
        json!({"jsonrpc": "2.0", "id": 7}),
        json!({"jsonrpc": "2.0", "id": {}, "method": "shutdown"}),
    ] {
        editor.say(&odd);
        let answer = editor.hear();
        assert_eq!(answer["error"]["code"], -32600, "{odd}");
        let id = odd.get("id").filter(|id| id.is_number());
        assert_eq!(answer.get("id"), Some(id.unwrap_or(&Value::Null)), "{odd}");
    }
    for silent in [
        json!({"method": "textDocument/didOpen", "params": []}),
        json!({"jsonrpc": "2.0", "method": "no/such"}),
        json!({"jsonrpc": "2.0", "method": "$/no/such", "params": 1}),
        json!({"jsonrpc": "2.0", "id": 3, "result": null}),
    ] {
        editor.say(&silent);
    }
    let input = editor.input.as_mut().expect("open");
    input
        .write_all(b"Content-Length: 3\r\n\r\n{]}")
        .expect("written");
    let answer = editor.hear();
    assert_eq!(
        (&answer["id"], &answer["error"]["code"]),
        (&Value::Null, &json!(-32700))
    );
    let deep = format!("{}{}", "[".repeat(60_000), "]".repeat(60_000));
    assert_eq!(editor.open(&deep)[0]["code"], "too_deep");
    assert_eq!(editor.open(&"x".repeat(2 << 20))[0]["code"], "too_large");
    for (line, character) in [(9_999_999, 0), (0, 9_999_999)] {
        assert!(
            editor.ask("textDocument/completion", Editor::place(line, character))["result"]
                .is_object()
        );
    }
    // The client goes without a word.
    let (code, said) = editor.ended();
    assert_eq!((code, said.as_str()), (Some(1), ""));
}

#[test]
fn what_is_not_the_protocol_is_told() {
    for bytes in [
        "{}\n\n",
        "Content-Length: 99999999999\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
    ] {
        let mut editor = Editor::start();
        let input = editor.input.as_mut().expect("open");
        input.write_all(bytes.as_bytes()).expect("written");
        let answer = editor.hear();
        assert_eq!(answer["error"]["code"], -32600, "{bytes}");
        assert_eq!(answer["id"], Value::Null, "{bytes}");
        let (code, said) = editor.ended();
        assert_eq!(code, Some(2), "{bytes}: {said}");
        assert!(said.starts_with("error: standard input: "), "{said}");
    }
}
