use super::{Document, Format, Place, Span};

fn json(text: &str) -> Document {
    Document::read(text, Format::Json).expect("reads")
}

fn yaml(text: &str) -> Document {
    Document::read(text, Format::Yaml).expect("reads")
}

fn slice(document: &Document, span: Span) -> &str {
    &document.text()[span.start..span.end]
}

#[test]
fn values_and_names_are_found_in_both_formats() {
    let documents = [
        json("{\n  \"ä/b\": [1, {\"c~\": \"d\"}],\n  \"last\": {}\n}"),
        yaml("# first\n\"ä/b\": [1, {\"c~\": \"d\"}] # more\nlast: {}\n"),
        yaml("ä/b:\n  - 1\n  # between\n  - c~: d\n\n# after\nlast: {}\n"),
    ];
    for document in &documents {
        assert_eq!(document.value()["ä/b"][1]["c~"], "d");
        let text = slice(document, document.span("/ä~1b/1/c~0"));
        assert_eq!(text.trim_matches('"'), "d");
        let name = slice(document, document.key_span("/ä~1b/1/c~0"));
        assert_eq!(name.trim_matches('"'), "c~");
        assert_eq!(slice(document, document.span("/ä~1b/0")), "1");
        assert_eq!(slice(document, document.span("/last/nothing/there")), "{}");
    }
    let block = &documents[2];
    assert_eq!(slice(block, block.span("/ä~1b/1")), "c~: d");
    assert_eq!(
        block.place(block.span("/ä~1b/1").start),
        Place { line: 4, column: 5 }
    );
}

#[test]
fn block_scalars_begin_at_their_indicator() {
    for text in ["a: |\n  b\n  c\n", "a: >-  # why\n  b\n  c\n\n\n"] {
        let document = yaml(text);
        let written = slice(&document, document.span("/a"));
        assert!(written.starts_with(['|', '>']), "{written}");
        assert!(written.ends_with('c'), "{written}");
    }
}

#[test]
fn columns_are_characters() {
    let document = json("{\"ääää\": 1, \"b\": 2}");
    let place = document.place(document.key_span("/b").start);
    assert_eq!(
        place,
        Place {
            line: 1,
            column: 13
        }
    );
}

#[test]
fn a_cursor_knows_where_it_is() {
    let document = json("{\"a\": [10, 20], \"b\": {\"c\": null}}");
    let at = |needle: &str| document.text().find(needle).expect("is there");
    assert_eq!(
        document.pointer_at(at("20") + 1),
        ("/a/1".to_owned(), false)
    );
    assert_eq!(document.pointer_at(at("c\"")), ("/b/c".to_owned(), true));
    assert_eq!(document.pointer_at(at("null")), ("/b/c".to_owned(), false));
    assert_eq!(document.pointer_at(0), (String::new(), false));
}

#[test]
fn a_name_that_stands_twice_is_told_with_both_places() {
    for document in [
        json("{\"a\": [{\"b\": 1, \"\\u0062\": 2}]}"),
        yaml("a:\n- b: 1\n  b: 2\n"),
        yaml("a:\n- b: 1\n  \"b\": 2\n"),
    ] {
        let [twice] = document.duplicates() else {
            panic!("{:?}", document.duplicates());
        };
        assert_eq!(twice.pointer, "/a/0/b");
        assert!(twice.first.start < twice.again.start);
        assert_eq!(document.value()["a"][0]["b"], 2);
    }
}

#[test]
fn what_the_strict_reader_refuses_is_refused() {
    for path in crate::embedded::list("fixtures/manifests/raw/") {
        let Some(text) = crate::embedded::text(&path) else {
            continue;
        };
        if !path.ends_with(".txt") {
            continue;
        }
        let limits = crate::json::Limits::DOCUMENT;
        let strict = crate::json::read(text.as_bytes(), &limits, crate::json::Duplicates::Refuse);
        let read = Document::read(text.as_ref(), Format::Json);
        match (strict, read) {
            (Ok(value), Ok(document)) => {
                assert_eq!(&value, document.value(), "{path}");
                assert!(document.duplicates().is_empty(), "{path}");
            }
            // Kept as a finding, like a member that is named twice.
            (Err(error), Ok(document)) if document.is_marked() => {
                assert_eq!(error.code, "malformed_json", "{path}");
                assert_eq!(document.span("").start, 3, "{path}");
            }
            (Err(error), Ok(document)) => {
                assert_eq!(error.code, "duplicate_key", "{path}");
                let first = document.duplicates().first().expect("a duplicate");
                assert_eq!(error.pointer, first.pointer, "{path}");
            }
            (Err(error), Err(told)) => assert_eq!(error.code, told.code, "{path}"),
            (Ok(_), Err(told)) => panic!("{path}: {told}"),
        }
    }
}

#[test]
fn what_is_broken_is_shown_where_it_breaks() {
    let cases = [
        (
            "{\"a\": 1,\n \"b\": tru}",
            Format::Json,
            "malformed_json",
            2,
        ),
        ("{\"a\": 1,\n\n}", Format::Json, "malformed_json", 3),
        ("a: 1\nb: [1, 2\nc: 3\n", Format::Yaml, "malformed_yaml", 3),
        ("a: 1\n--- \nb: 2\n", Format::Yaml, "malformed_yaml", 2),
        ("a: 1\n? [b]\n: 2\n", Format::Yaml, "malformed_yaml", 2),
        (
            "a: 1\nb: !!binary aGk=\n",
            Format::Yaml,
            "malformed_yaml",
            2,
        ),
    ];
    for (text, format, code, line) in cases {
        let error = Document::read(text, format).expect_err(text);
        assert_eq!(error.code, code, "{text}: {error}");
        let place = super::Lines::of(text).place(text, error.span.start);
        assert_eq!(place.line, line, "{text}: {error}");
    }
}

#[test]
fn bombs_are_small() {
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let error = Document::read(deep.as_str(), Format::Json).expect_err("deep");
    assert_eq!((error.code, error.span.start), ("too_deep", 64));
    // The YAML parser has its own bound for brackets, and stops before the reader's is asked.
    let error = Document::read(deep.as_str(), Format::Yaml).expect_err("deep");
    assert!(matches!(error.code, "too_deep" | "malformed_yaml"));
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..20 {
        let up = level - 1;
        let items = vec![format!("*a{up}"); 10].join(", ");
        laughs.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    let error = Document::read(laughs, Format::Yaml).expect_err("a bomb");
    assert_eq!(error.code, "too_large");
    let long = format!("{{\"a\": \"{}\"}}", "x".repeat(2 << 20));
    let error = Document::read(long, Format::Json).expect_err("large");
    assert_eq!(error.code, "too_large");
}

#[test]
fn the_format_is_known_by_name_and_by_looks() {
    use std::path::Path;
    assert_eq!(Format::of(Path::new("a.YML")), Format::Yaml);
    assert_eq!(Format::of(Path::new("a.json")), Format::Json);
    assert_eq!(Format::guess(" \n{\"a\": 1}"), Format::Json);
    assert_eq!(Format::guess("a: 1"), Format::Yaml);
}

#[test]
fn a_comment_behind_a_value_is_not_part_of_it() {
    let text = "a: \"x \\\" # y\"  # one\nb: 'it''s # y'  # two\n\"c\" : [1, 2]  # three\nd: {e: 1}  # four\n\
                f: |\n  text # y\n# five\ng: plain  # six\nh: >-\n  text\n\n# seven\ni: 1\n";
    let document = Document::read(text, Format::Yaml).expect("a document");
    for (pointer, written) in [
        ("/a", "\"x \\\" # y\""),
        ("/b", "'it''s # y'"),
        ("/c", "[1, 2]"),
        ("/d", "{e: 1}"),
        ("/f", "|\n  text # y"),
        ("/g", "plain"),
        ("/h", ">-\n  text"),
    ] {
        let span = document.span(pointer);
        assert_eq!(&text[span.start..span.end], written, "{pointer}");
    }
    let key = document.key_span("/c");
    assert_eq!(&text[key.start..key.end], "\"c\"");
}
