//! What code calls the things of its language: imports, other names for them, and members taken out of objects.

/// Most other names that are followed, of one source.
const MOST_NAMES: usize = 32;

/// Most places of one name that are looked at more closely.
const MOST_PLACES: usize = 1000;

/// Farthest that the end of a list or of a text in quotes is looked for, in bytes.
const FAR: usize = 4096;

/// What holds the global names of JavaScript.
pub(super) const GLOBALS: [&str; 4] = ["globalThis", "self", "window", "global"];

/// A module that Python code imports.
#[derive(Debug, PartialEq)]
pub(super) struct Import<'c> {
    /// Where its name stands.
    pub(super) at: usize,
    /// Its name.
    pub(super) module: &'c str,
    /// What the code calls it.
    pub(super) alias: Option<&'c str>,
    /// What is taken out of it, with the places.
    pub(super) taken: Vec<(usize, &'c str)>,
}

pub(super) fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

/// Where a name stands by itself in a text, and not as a part of another one or as a member of something; of the object that holds the
/// global names it may be one.
pub(super) fn positions<'t>(text: &'t str, name: &'t str) -> impl Iterator<Item = usize> + 't {
    let bytes = text.as_bytes();
    let found = text.match_indices(name).map(|(at, _)| at);
    found.filter(move |&at| {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        let after = bytes.get(at + name.len());
        let is_member = before == Some(&b'.') && !is_global(text.get(..at).unwrap_or_default());
        before.is_none_or(|byte| !is_of_a_name(*byte))
            && !is_member
            && after.is_none_or(|byte| !is_of_a_name(*byte))
    })
}

/// Whether what is written before a name says that a global one is meant, as in `globalThis.fetch`.
pub(super) fn is_global(before: &str) -> bool {
    let Some(object) = before.strip_suffix('.') else {
        return false;
    };
    let object = object.strip_suffix('?').unwrap_or(object);
    GLOBALS.iter().any(|global| {
        object.strip_suffix(global).is_some_and(|rest| {
            rest.bytes()
                .last()
                .is_none_or(|byte| !is_of_a_name(byte) && byte != b'.')
        })
    })
}

/// What stands from a place on, but not for ever.
pub(super) fn near(text: &str, start: usize) -> &str {
    let mut end = text.len().min(start + FAR);
    while !text.is_char_boundary(end) {
        end += 1;
    }
    text.get(start..end).unwrap_or_default()
}

/// What stands before a place, but not from the beginning on.
pub(super) fn shortly_before(text: &str, end: usize) -> &str {
    let mut start = end.saturating_sub(FAR);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text.get(start..end).unwrap_or_default()
}

/// Where a part of a text begins in it.
fn offset(text: &str, part: &str) -> usize {
    // Every part that is asked for is a slice of the text.
    (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize)
}

/// The imports of Python code that has neither comments nor texts.
pub(super) fn imports(bare: &str) -> Vec<Import<'_>> {
    let mut imports = Vec::new();
    for statement in bare.split(['\n', ';']) {
        let trimmed = statement.trim_start();
        if let Some(rest) = trimmed.strip_prefix("from ") {
            let rest = rest.trim_start();
            let Some(module) = rest.split_whitespace().next() else {
                continue;
            };
            let after = rest.get(module.len()..).unwrap_or_default().trim_start();
            let Some(mut list) = after
                .strip_prefix("import")
                .filter(|list| list.starts_with([' ', '\t', '(', '*', '\\']))
            else {
                continue;
            };
            // A list in parentheses may go on for several lines.
            if list.trim_start().starts_with('(') {
                let start = offset(bare, list);
                let long = near(bare, start);
                list = long.split(')').next().unwrap_or(list);
            }
            let words = list
                .split([',', '('])
                .filter_map(|item| item.split_whitespace().next());
            imports.push(Import {
                at: offset(bare, module),
                module,
                alias: None,
                taken: words.map(|word| (offset(bare, word), word)).collect(),
            });
        } else if let Some(rest) = trimmed.strip_prefix("import ") {
            for part in rest.split(',') {
                let mut words = part.split_whitespace();
                let Some(module) = words.next() else {
                    continue;
                };
                let alias = words.next().filter(|word| *word == "as");
                imports.push(Import {
                    at: offset(bare, module),
                    module,
                    alias: alias.and_then(|_| words.next()),
                    taken: Vec::new(),
                });
            }
        }
    }
    imports
}

/// Other names that Python code uses for a dotted one: `o.environ` for `os.environ` where `os` is imported as `o`.
pub(super) fn aliased(imports: &[Import<'_>], name: &str) -> Vec<String> {
    let others = imports.iter().filter_map(|import| {
        let rest = name.strip_prefix(import.module)?.strip_prefix('.')?;
        if import.taken.iter().any(|(_, taken)| *taken == "*") {
            return Some(rest.to_owned());
        }
        Some(format!("{}.{rest}", import.alias?))
    });
    others.take(MOST_NAMES).collect()
}

/// The word that ends a text.
pub(super) fn last_word(text: &str) -> &str {
    let text = text.trim_end();
    let start = text
        .as_bytes()
        .iter()
        .rposition(|byte| !is_of_a_name(*byte));
    text.get(start.map_or(0, |start| start + 1)..)
        .unwrap_or_default()
}

/// Where JavaScript takes a member out of an object by another way than a dot: `const {env} = process`, `process['env']`, or through
/// another name for the object. Gives what is there, with its place.
pub(super) fn taken_out(
    bare: &str,
    spoken: &str,
    object: &str,
    member: &str,
) -> Option<(String, usize)> {
    let mut names = 0;
    for at in positions(bare, object).take(MOST_PLACES) {
        let after = bare.get(at + object.len()..).unwrap_or_default();
        if let Some((inner, _)) = bracketed(spoken, at + object.len())
            && inner == member
        {
            let end = offset(spoken, inner) + inner.len();
            let what = spoken.get(at..end).unwrap_or(object);
            return Some((what.to_owned(), at));
        }
        // What has a member of its own behind it is another object.
        if after.starts_with(['.', '(', '[']) {
            continue;
        }
        let before = shortly_before(bare, at);
        let before = GLOBALS
            .iter()
            .find_map(|global| before.strip_suffix('.')?.strip_suffix(global))
            .unwrap_or(before);
        let Some(left) = before.trim_end().strip_suffix('=') else {
            continue;
        };
        let left = left.trim_end();
        if let Some(inside) = left.strip_suffix('}') {
            let start = inside.rfind('{').map_or(0, |start| start + 1);
            let inside = inside.get(start..).unwrap_or_default();
            let wanted = inside.split(',').find_map(|item| {
                let name = item.split([':', '=']).next()?.trim();
                (name == member).then_some(name)
            });
            if let Some(name) = wanted {
                return Some((name.to_owned(), offset(bare, name)));
            }
            continue;
        }
        let alias = last_word(left);
        names += 1;
        if alias.is_empty() || alias == object || names > MOST_NAMES {
            continue;
        }
        let dotted = format!("{alias}.{member}");
        let at = positions(bare, &dotted).next();
        if let Some(at) = at {
            return Some((dotted, at));
        }
    }
    None
}

/// The text in quotes and brackets at a place, as in `['env']`, and where it ends.
fn bracketed(spoken: &str, at: usize) -> Option<(&str, usize)> {
    let rest = near(spoken, at);
    let inside = rest.strip_prefix("?.").unwrap_or(rest);
    let inside = inside.strip_prefix('[')?.trim_start();
    let quote = inside
        .chars()
        .next()
        .filter(|c| matches!(c, '"' | '\'' | '`'))?;
    let inside = inside.get(1..)?;
    let end = inside.find(quote)?;
    Some((inside.get(..end)?, at + end))
}

/// A global name of JavaScript that is taken out of the object that holds them.
pub(super) fn global(bare: &str, spoken: &str, name: &str) -> Option<(String, usize)> {
    GLOBALS
        .into_iter()
        .find_map(|object| taken_out(bare, spoken, object, name))
}

/// The modules that JavaScript names: those in quotes behind `require(`, `import(`, `import` and `from`. Code is read without its texts,
/// so that these words count only where they are code.
pub(super) fn modules<'c>(bare: &str, spoken: &'c str) -> Vec<(usize, &'c str)> {
    let mut modules = Vec::new();
    for word in ["require", "import", "from"] {
        for at in positions(bare, word) {
            let rest = near(spoken, at + word.len()).trim_start();
            let rest = rest.strip_prefix('(').unwrap_or(rest).trim_start();
            let Some(quote) = rest
                .chars()
                .next()
                .filter(|c| matches!(c, '"' | '\'' | '`'))
            else {
                continue;
            };
            let inside = rest.get(1..).unwrap_or_default();
            if let Some(name) = inside.find(quote).and_then(|end| inside.get(..end)) {
                modules.push((offset(spoken, name), name));
            }
        }
    }
    modules.sort_unstable();
    modules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_in_every_form() {
        let code = "import os as o, json\nfrom os import (\n  environ,\n  getenv as g\n)\nx = 1; import re\nfrom  http import client\nfrom x\n";
        let found = imports(code);
        let told: Vec<_> = found
            .iter()
            .map(|import| {
                let taken: Vec<&str> = import.taken.iter().map(|(_, name)| *name).collect();
                assert!(
                    code.get(import.at..)
                        .is_some_and(|rest| rest.starts_with(import.module))
                );
                (import.module, import.alias, taken)
            })
            .collect();
        assert_eq!(
            told,
            [
                ("os", Some("o"), vec![]),
                ("json", None, vec![]),
                ("os", None, vec!["environ", "getenv"]),
                ("re", None, vec![]),
                ("http", None, vec!["client"]),
            ]
        );
        assert_eq!(aliased(&found, "os.environ"), ["o.environ"]);
        let star = imports("from os import *");
        assert_eq!(aliased(&star, "os.environ"), ["environ"]);
    }

    #[test]
    fn members_are_taken_out_in_many_ways() {
        for (code, what) in [
            ("const {env} = process;", Some("env")),
            ("let { argv, env: e } = globalThis.process", Some("env")),
            ("process['env'].A", Some("process['env")),
            ("const p = process;\nreturn p.env.A", Some("p.env")),
            ("const {env} = processes", None),
            ("const {environment} = process", None),
            ("const p = process.pid; p.env", None),
            ("", None),
        ] {
            let found = taken_out(code, code, "process", "env");
            assert_eq!(
                found.as_ref().map(|(what, _)| what.as_str()),
                what,
                "{code}"
            );
            if let Some((what, at)) = found {
                assert!(code.get(at..).is_some_and(|rest| rest.starts_with(&what)));
            }
        }
        let found = global(
            "const {fetch} = globalThis",
            "const {fetch} = globalThis",
            "fetch",
        );
        assert_eq!(found, Some(("fetch".to_owned(), 7)));
    }

    #[test]
    fn modules_are_named_in_quotes() {
        let code = "const a = require('fs'); import('node:net'); import x from \"y\";";
        let found: Vec<&str> = modules(code, code)
            .into_iter()
            .map(|(_, name)| name)
            .collect();
        assert_eq!(found, ["fs", "node:net", "y"]);
    }

    #[test]
    fn globals_stand_by_themselves_or_in_their_object() {
        let at = |code: &'static str| positions(code, "fetch").next();
        assert_eq!(at("globalThis.fetch(x)"), Some(11));
        assert_eq!(at("globalThis?.fetch(x)"), Some(12));
        assert_eq!(at("fetch(x)"), Some(0));
        assert_eq!(at("my.fetch(x)"), None);
        assert_eq!(at("myself.fetch(x)"), None);
        assert_eq!(at("prefetch(x)"), None);
    }
}
