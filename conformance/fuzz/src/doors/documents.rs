//! Documents: JSON, YAML, manifests, what lints them and the language server that reads them from an editor.

use std::path::Path;

use oap_conform::document::edit::{self, Edit};
use oap_conform::document::{Document, Format, Limits as DocumentLimits, format};
use oap_conform::json::{self, Duplicates, Limits};
use oap_conform::lint::config::Config;
use oap_conform::lint::{DocumentKind, Preset, judge};
use oap_conform::lsp::{self, Server};
use oap_conform::manifest::{self, LoadError, MAX_VIOLATIONS};
use oap_conform::{compat, diagnostic::Violation};
use serde_json::{Value, json};

/// Strict JSON: the two readers agree, the canonical form is its own canonical form, and the digest survives it.
pub fn json(bytes: &[u8]) {
    let strict = json::read(bytes, &Limits::DOCUMENT, Duplicates::Refuse);
    let lenient = json::read(bytes, &Limits::DOCUMENT, Duplicates::KeepLast);
    match (&strict, &lenient) {
        (Ok(one), Ok(other)) => {
            assert_eq!(one, other, "the policy for doubled names changes a value")
        }
        (Err(error), _) if error.code == "duplicate_key" => {
            // What is wrong behind the doubled name is for the other policy to say.
            assert!(!error.pointer.is_empty(), "a doubled name stands somewhere");
        }
        (Err(one), Err(other)) => assert_eq!(one.code, other.code),
        (one, other) => panic!("the policy for doubled names decides: {one:?} and {other:?}"),
    }
    if let Err(error) = &strict {
        assert!(
            error.offset.is_none_or(|at| at <= bytes.len()),
            "{error:?} is beyond the text"
        );
    }
    if let Ok(value) = &strict {
        let canonical = json::canonical(value);
        let again = json::read(
            canonical.as_bytes(),
            &Limits {
                bytes: usize::MAX,
                ..Limits::DOCUMENT
            },
            Duplicates::Refuse,
        )
        .expect("canonical text is JSON");
        assert_eq!(
            json::canonical(&again),
            canonical,
            "canonical text has another canonical text"
        );
        assert_eq!(json::digest(&again), json::digest(value));
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let document = Document::read(text, Format::Json);
    if let (Ok(value), Ok(document)) = (&strict, &document) {
        assert_eq!(
            value,
            document.value(),
            "two readers of JSON read differently"
        );
        assert!(document.duplicates().is_empty());
    }
    let has_mark = text.starts_with('\u{feff}');
    if let (Err(error), Ok(document)) = (&strict, &document)
        && document.duplicates().is_empty()
        && !has_mark
        && bytes.len() <= Limits::DOCUMENT.bytes
    {
        panic!("one reader of JSON refuses ({error}) what the other reads");
    }
    if let Ok(document) = document {
        positions(&document);
    }
}

/// YAML: every place is within the text, and a formatted document says the same.
pub fn yaml(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match Document::read(text, Format::Yaml) {
        Ok(document) => {
            positions(&document);
            formatted(&document);
            edited(&document);
        }
        Err(error) => assert!(error.span.start <= text.len() && error.span.end <= text.len()),
    }
}

/// A manifest: a good one keeps its digest in every spelling, equals itself, and a bad one is told with bounded violations.
pub fn manifest(bytes: &[u8]) {
    let loaded = match manifest::read(bytes) {
        Ok(loaded) => loaded,
        Err(LoadError::Json(error)) => {
            assert!(!error.message.is_empty());
            return;
        }
        Err(LoadError::Invalid(violations)) => {
            assert!(!violations.is_empty(), "refused for nothing");
            assert!(violations.len() <= MAX_VIOLATIONS + 1);
            assert!(
                violations
                    .iter()
                    .all(|violation| !violation.message.is_empty())
            );
            return;
        }
    };
    let again = reloaded(&loaded.document);
    assert_eq!(
        again.digest, loaded.digest,
        "the snake_case form has another digest"
    );
    assert_eq!(
        again.document, loaded.document,
        "the snake_case form has another snake_case form"
    );
    if let Ok(linked) = manifest::to_json_ld(&loaded) {
        assert_eq!(
            reloaded(&linked).digest,
            loaded.digest,
            "the JSON-LD form has another digest"
        );
    }
    let text = loaded.document.to_string();
    let document = Document::read(text, Format::Json).expect("a value's text is JSON");
    let changes = compat::compare(&document, &document);
    assert!(
        changes.is_empty(),
        "a manifest differs from itself: {}",
        changes.len()
    );
}

fn reloaded(document: &Value) -> manifest::Manifest {
    manifest::load(document).unwrap_or_else(|violations| {
        let told: Vec<String> = violations.iter().map(Violation::to_string).collect();
        panic!("a good manifest spelled otherwise is refused: {told:?}")
    })
}

/// Linting: any document of any kind, as JSON or YAML; each finding points into the text.
pub fn lint(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(document) = Document::read(text, Format::guess(text)) else {
        return;
    };
    let config = Config::default();
    let kind = DocumentKind::guess(document.value());
    let judged = judge(
        &document,
        kind,
        &config.selection(Preset::Strict),
        &config,
        None,
    );
    for finding in &judged.findings {
        assert!(
            finding.span.start <= finding.span.end && finding.span.end <= text.len(),
            "{finding:?}"
        );
    }
}

/// The language server: messages as they come from an editor, or, when the bytes are none, as a document that is opened.
pub fn lsp(bytes: &[u8]) {
    let mut server = Server::new(Config::default(), Path::new("/work"));
    server.handle(&json!({"id": 0, "method": "initialize", "params": {"capabilities": {}}}));
    let mut input = bytes;
    let mut messages = 0;
    while let Ok(Some(message)) = lsp::wire::read(&mut input) {
        messages += 1;
        told(&mut server, &message);
    }
    if messages > 0 {
        return;
    }
    let text = String::from_utf8_lossy(bytes);
    let name = if Format::guess(&text) == Format::Json {
        "file:///work/a.json"
    } else {
        "file:///work/a.yaml"
    };
    let at = json!({"uri": name});
    told(
        &mut server,
        &json!({"method": "textDocument/didOpen",
        "params": {"textDocument": {"uri": name, "languageId": "json", "version": 1, "text": text}}}),
    );
    let lines = text.lines().count().min(4);
    for line in 0..=lines {
        let place = json!({"textDocument": at, "position": {"line": line, "character": line * 3}});
        for method in [
            "textDocument/hover",
            "textDocument/completion",
            "textDocument/definition",
        ] {
            told(
                &mut server,
                &json!({"id": line, "method": method, "params": place}),
            );
        }
    }
    told(
        &mut server,
        &json!({"id": "f", "method": "textDocument/formatting", "params": {"textDocument": at}}),
    );
    told(
        &mut server,
        &json!({"id": "s", "method": "textDocument/documentSymbol", "params": {"textDocument": at}}),
    );
}

fn told(server: &mut Server, message: &Value) {
    for answer in server.handle(message) {
        assert!(answer.is_object(), "{answer} is no message");
    }
}

/// Every node, and every byte looked up, lies within the text.
fn positions(document: &Document) {
    let length = document.text().len();
    let root = document.root().span;
    assert!(
        root.start <= root.end && root.end <= length,
        "{root:?} of {length}"
    );
    for offset in (0..=length).step_by(1 + length / 64) {
        let (pointer, _) = document.pointer_at(offset);
        let span = document.span(&pointer);
        assert!(
            span.start <= span.end && span.end <= length,
            "{pointer} at {span:?} of {length}"
        );
        let place = document.place(offset);
        assert!(
            place.line >= 1 && place.line <= document.lines().count() + 1,
            "{place:?}"
        );
    }
}

/// The formatted text says the same and is its own form.
fn formatted(document: &Document) {
    if !document.duplicates().is_empty() {
        return;
    }
    let once = format::text(document, None);
    // Aliases are written out and spaces come in, so what is at a limit may go beyond it.
    let Ok(again) = Document::read(once.as_str(), document.format()) else {
        assert!(
            document.text().len() > 4096,
            "a formatted document cannot be read:\n{once}"
        );
        return;
    };
    assert_eq!(
        again.value(),
        document.value(),
        "a formatted document says something else:\n{once}"
    );
    assert_eq!(
        format::text(&again, None),
        once,
        "a formatted document is formatted otherwise again"
    );
}

/// A member that is taken away is away, and nothing else is.
fn edited(document: &Document) {
    let Some(first) = document
        .value()
        .as_object()
        .and_then(|members| members.keys().next())
    else {
        return;
    };
    if !document.duplicates().is_empty() {
        return;
    }
    let pointer = json::push("", first);
    let Ok(after) = edit::apply(
        document,
        &[Edit::Remove { pointer }],
        &DocumentLimits::DOCUMENT,
    ) else {
        return;
    };
    let mut expected = document.value().clone();
    expected
        .as_object_mut()
        .and_then(|members| members.shift_remove(first));
    assert_eq!(
        after.value(),
        &expected,
        "taking {first:?} away did more:\n{}",
        after.text()
    );
}
