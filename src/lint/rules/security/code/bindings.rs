//! Names that code binds itself: what it calls by them is its own, and nothing of its language.

use super::Language;
use super::names::{GLOBALS, is_of_a_name, last_word, near, positions, shortly_before};

/// Most places of one name that are looked at.
const MOST_PLACES: usize = 1000;

/// Most brackets around a name that are looked at.
const MOST_LEVELS: usize = 8;

/// What stands before the parentheses of a statement, and not before those of parameters.
const STATEMENTS: [&str; 5] = ["if", "for", "while", "switch", "with"];

/// Whether code, without comments and texts, gives a name a meaning of its own anywhere.
pub(super) fn binds(bare: &str, name: &str, language: Language) -> bool {
    let mut places = positions(bare, name).take(MOST_PLACES);
    places.any(|at| match language {
        Language::JavaScript => in_javascript(bare, at, name),
        Language::Python => in_python(bare, at, name),
    })
}

/// Whether what stands here is the head of a method, as in `fetch(page) {`.
pub(super) fn is_method(bare: &str, at: usize, name: &str) -> bool {
    let after = at + name.len();
    let blanks = near(bare, after).len() - near(bare, after).trim_start().len();
    let open = after + blanks;
    bare.as_bytes().get(open) == Some(&b'(')
        && closing(bare, open)
            .is_some_and(|close| near(bare, close + 1).trim_start().starts_with('{'))
}

fn in_javascript(bare: &str, at: usize, name: &str) -> bool {
    let before = shortly_before(bare, at).trim_end();
    let after = near(bare, at + name.len()).trim_start();
    let word = last_word(before.trim_end_matches('*'));
    match word {
        "function" | "class" | "as" => return true,
        "import" => return !before.ends_with('*'),
        "const" | "let" | "var" => return assigned(after).is_none_or(|right| !is_global(right)),
        _ => {}
    }
    if after.starts_with("=>") {
        return true;
    }
    if let Some(right) = assigned(after) {
        return !is_global(right);
    }
    before.ends_with(['(', ',', '{', '[', ':'])
        && after.starts_with([',', '}', ']', ')'])
        && is_in_pattern(bare, at)
}

/// What is assigned, where an assignment follows.
fn assigned(after: &str) -> Option<&str> {
    let right = after.strip_prefix('=')?;
    (!right.starts_with(['=', '>'])).then(|| right.trim_start())
}

/// Whether the object that holds the global names is meant, which gives a name no meaning of its own.
fn is_global(right: &str) -> bool {
    GLOBALS.iter().any(|global| {
        let rest = right.strip_prefix(global);
        rest.is_some_and(|rest| !rest.bytes().next().is_some_and(is_of_a_name))
    })
}

/// Whether a place is in a list of parameters, or in what takes an object or an array apart.
fn is_in_pattern(bare: &str, at: usize) -> bool {
    let mut place = at;
    for _ in 0..MOST_LEVELS {
        let Some(open) = opening(bare, place) else {
            return false;
        };
        let Some(close) = closing(bare, open) else {
            return false;
        };
        let next = near(bare, close + 1).trim_start();
        if bare.as_bytes().get(open) == Some(&b'(') {
            let head = last_word(shortly_before(bare, open));
            let is_head = !head.is_empty() && !STATEMENTS.contains(&head);
            return next.starts_with("=>") || next.starts_with('{') && is_head;
        }
        if let Some(right) = assigned(next) {
            return !is_global(right);
        }
        if next.starts_with("of ") || next.starts_with("in ") {
            return true;
        }
        place = open;
    }
    false
}

/// The bracket that is open at a place.
fn opening(bare: &str, at: usize) -> Option<usize> {
    let before = shortly_before(bare, at);
    let start = at - before.len();
    let mut closed = 0_usize;
    for (index, byte) in before.bytes().enumerate().rev() {
        match byte {
            b')' | b']' | b'}' => closed += 1,
            b'(' | b'[' | b'{' if closed == 0 => return Some(start + index),
            b'(' | b'[' | b'{' => closed -= 1,
            _ => {}
        }
    }
    None
}

/// Where the bracket at a place is closed.
fn closing(bare: &str, open: usize) -> Option<usize> {
    let mut opened = 0_usize;
    for (index, byte) in near(bare, open).bytes().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => opened += 1,
            b')' | b']' | b'}' if opened <= 1 => return Some(open + index),
            b')' | b']' | b'}' => opened -= 1,
            _ => {}
        }
    }
    None
}

fn in_python(bare: &str, at: usize, name: &str) -> bool {
    const BLANKS: [char; 2] = [' ', '\t'];
    let before = shortly_before(bare, at).trim_end_matches(BLANKS);
    let after = near(bare, at + name.len()).trim_start_matches(BLANKS);
    if matches!(last_word(before), "def" | "class" | "as" | "for" | "lambda") {
        return true;
    }
    if after.starts_with(":=") {
        return true;
    }
    let is_assigned = assigned(after).is_some();
    let begins = before.is_empty() || before.ends_with(['\n', ';', ':']);
    if begins && (is_assigned || after.starts_with([':', ','])) {
        // `eval, x` alone is no assignment, and does nothing either.
        return true;
    }
    if before.ends_with(['(', ',', '*'])
        && (is_assigned || after.starts_with([',', ')', ':']))
        && opening(bare, at).is_some_and(|open| is_definition(bare, open))
    {
        return true;
    }
    let line = before.rsplit('\n').next().unwrap_or_default();
    let is_within = |word: &str, end: &str| {
        let rest = line
            .rfind(word)
            .and_then(|start| line.get(start + word.len()..));
        rest.is_some_and(|rest| !rest.contains(end))
    };
    before.ends_with([',', '('])
        && after.starts_with([',', ':', '=', 'i', ')'])
        && (is_within("lambda ", ":") || is_within("for ", " in "))
}

/// Whether the parentheses at a place are those of a function that is defined.
fn is_definition(bare: &str, open: usize) -> bool {
    let head = shortly_before(bare, open).trim_end();
    let name = last_word(head);
    let defined = head.strip_suffix(name).map(last_word);
    bare.as_bytes().get(open) == Some(&b'(') && defined == Some("def")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn javascript_binds_in_many_ways() {
        let binds = |code: &str| binds(code, "fetch", Language::JavaScript);
        for code in [
            "function fetch(x) { }",
            "async function* fetch() {}",
            "class fetch {}",
            "const fetch = store.get;",
            "let a, fetch = 1;",
            "var fetch;",
            "for (const fetch of all) {}",
            "for (const {fetch} of all) {}",
            "fetch => fetch(1)",
            "const go = async (a, fetch) => fetch(a)",
            "function generate({a, fetch}) { return fetch(a); }",
            "function generate({tools: {fetch}}) {}",
            "function (fetch) {}",
            "const o = { run(fetch) { fetch(1); } }",
            "const {fetch} = tools;",
            "const {get: fetch, b} = tools;",
            "[a, fetch] = tools;",
            "import fetch from 'x'",
            "import {get as fetch} from 'x'",
            "import * as fetch from 'x'",
            "try {} catch (fetch) {}",
        ] {
            assert!(binds(code), "{code}");
        }
        for code in [
            "fetch(1)",
            "const {fetch} = globalThis;",
            "const fetch = globalThis.fetch;",
            "const {fetch: get} = tools;",
            "run(fetch)",
            "run({fetch})",
            "if (a, fetch) { }",
            "const o = {fetch};",
            "const get = fetch;",
            "const get = (a = fetch) => a",
            "if (fetch == 1) {}",
            "store.fetch = 1",
            "class A { fetch(x) { return fetch(x); } }",
            "((((((((((fetch))))))))))",
            "fetch",
            "(fetch",
            "fetch)",
        ] {
            assert!(!binds(code), "{code}");
        }
        assert!(is_method("fetch (a, b) { }", 0, "fetch"));
        assert!(!is_method("fetch(a, b);", 0, "fetch"));
        assert!(!is_method("fetch(", 0, "fetch"));
    }

    #[test]
    fn python_binds_in_many_ways() {
        let binds = |code: &str| binds(code, "os", Language::Python);
        for code in [
            "def os(): pass",
            "class os: pass",
            "import tools as os",
            "os = 1",
            "a = 1; os = 2",
            "os: int = 1",
            "os, b = 1, 2",
            "if (os := 1): pass",
            "for os in x: pass",
            "for a, os in x: pass",
            "[1 for (a, os) in x]",
            "def f(a, os): pass",
            "def f(os=None, *, b): pass",
            "def f(*os): pass",
            "f = lambda a, os: 1",
            "with x as os: pass",
        ] {
            assert!(binds(code), "{code}");
        }
        for code in [
            "import os",
            "os.environ",
            "f(os)",
            "f(a, os)",
            "f(os=1)",
            "if os == 1: pass",
            "x = os",
            "a.os = 1",
            "",
        ] {
            assert!(!binds(code), "{code}");
        }
    }
}
