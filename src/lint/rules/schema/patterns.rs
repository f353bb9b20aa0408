//! Regular expressions in schemas.

mod shape;

use serde_json::json;

use super::walk::{Sub, each};
use crate::lint::rule::Found;
use crate::lint::{Edit, Subject};

/// An expression and where it stands: the value of `pattern`, or a name under `patternProperties`.
struct Pattern<'v> {
    pointer: String,
    text: &'v str,
    is_name: bool,
}

fn each_pattern<'v>(subject: &'v Subject<'_>, mut visit: impl FnMut(Pattern<'v>)) {
    each(subject, |sub: &Sub<'v, '_>| {
        if let Some(text) = sub.text("pattern") {
            visit(Pattern {
                pointer: sub.pointer_of("pattern"),
                text,
                is_name: false,
            });
        }
        for name in sub
            .object("patternProperties")
            .into_iter()
            .flat_map(serde_json::Map::keys)
        {
            visit(Pattern {
                pointer: sub.pointer_in("patternProperties", name),
                text: name,
                is_name: true,
            });
        }
    });
}

impl Pattern<'_> {
    fn note<'f>(&self, found: &'f mut Found<'_>, message: String) -> crate::lint::Noted<'f> {
        if self.is_name {
            found.at_name(self.pointer.clone(), message)
        } else {
            found.at(self.pointer.clone(), message)
        }
    }

    fn rewrite(&self, text: String) -> Vec<Edit> {
        let pointer = self.pointer.clone();
        vec![if self.is_name {
            Edit::Rename {
                pointer,
                name: text,
            }
        } else {
            Edit::Replace {
                pointer,
                value: json!(text),
            }
        }]
    }
}

pub(super) fn unanchored_pattern(subject: &Subject<'_>, found: &mut Found<'_>) {
    each_pattern(subject, |pattern| {
        let text = pattern.text;
        let anchored = text.starts_with('^') || text.starts_with("(?:^") || text.starts_with("(^");
        let ended = text.ends_with('$') && !text.ends_with("\\$") || text.ends_with("$)");
        if anchored || ended || text.is_empty() {
            return;
        }
        let whole = if shape::has_choice(text) {
            format!("^(?:{text})$")
        } else {
            format!("^{text}$")
        };
        pattern
            .note(found, "this pattern matches anywhere within a text, so 'x' in front or behind passes; begin it with '^' and end it with '$'".to_owned())
            .fix_unsafe("anchor the pattern", pattern.rewrite(whole));
    });
}

pub(super) fn explosive_pattern(subject: &Subject<'_>, found: &mut Found<'_>) {
    each_pattern(subject, |pattern| {
        if let Some((start, end)) = shape::explosive(pattern.text) {
            let part: String = pattern
                .text
                .get(start..end)
                .unwrap_or_default()
                .chars()
                .take(40)
                .collect();
            let noted = pattern.note(
                found,
                format!("'{part}' repeats what repeats itself, so an engine that tries all ways takes time without end on a text that nearly matches; let each repetition begin with something of its own"),
            );
            if !pattern.is_name {
                let _ = noted.within(start, end);
            }
        }
    });
}

/// What other engines write, what it is called, and what ECMA-262 writes for it.
const FOREIGN: [(&str, &str, Option<&str>); 17] = [
    ("\\A", "the anchor", Some("^")),
    ("\\Z", "the anchor", Some("$")),
    ("\\z", "the anchor", Some("$")),
    ("(?P<", "the group", Some("(?<")),
    ("(?i)", "the flag", None),
    ("(?s)", "the flag", None),
    ("(?m)", "the flag", None),
    ("(?x)", "the flag", None),
    ("(?>", "the atomic group", None),
    ("(?#", "the comment", None),
    ("[[:", "the class", None),
    ("\\h", "the class", None),
    ("\\R", "the class", None),
    ("\\Q", "the quotation", None),
    ("*+", "the possessive repetition", None),
    ("++", "the possessive repetition", None),
    ("?+", "the possessive repetition", None),
];

pub(super) fn pattern_not_ecma(subject: &Subject<'_>, found: &mut Found<'_>) {
    each_pattern(subject, |pattern| {
        let marks = FOREIGN.map(|(mark, ..)| mark);
        let Some((at, mark)) = shape::first_mark(pattern.text, &marks) else {
            return;
        };
        let Some((_, what, ours)) = FOREIGN.iter().find(|(other, ..)| *other == mark) else {
            return;
        };
        let noted = pattern.note(
            found,
            format!("patterns are ECMA-262 expressions, which have not {what} '{mark}'; write it in their way"),
        );
        if let Some(ours) = ours {
            let (before, rest) = pattern.text.split_at(at);
            let after = rest.get(mark.len()..).unwrap_or_default();
            noted.fix(
                format!("write '{ours}' for '{mark}'"),
                pattern.rewrite(format!("{before}{ours}{after}")),
            );
        } else if !pattern.is_name {
            let _ = noted.within(at, at + mark.len());
        }
    });
}

/// What is in ECMA-262 and not in the engines that promise linear time.
const COSTLY: [(&str, &str); 8] = [
    ("(?=", "a look ahead"),
    ("(?!", "a look ahead"),
    ("(?<=", "a look behind"),
    ("(?<!", "a look behind"),
    ("\\k<", "a reference back"),
    ("\\p{", "a Unicode property"),
    ("\\P{", "a Unicode property"),
    ("\\1", "a reference back"),
];

pub(super) fn unportable_pattern(subject: &Subject<'_>, found: &mut Found<'_>) {
    each_pattern(subject, |pattern| {
        let marks = COSTLY.map(|(mark, _)| mark);
        let Some((at, mark)) = shape::first_mark(pattern.text, &marks) else {
            return;
        };
        let what = COSTLY
            .iter()
            .find(|(other, _)| *other == mark)
            .map_or("a construct", |(_, what)| what);
        let noted = pattern.note(
            found,
            format!("'{mark}' is {what}, which some engines do not have and others bound; say it without, as with 'not' or 'allOf' around two plain patterns"),
        );
        if !pattern.is_name {
            let _ = noted.within(at, at + mark.len());
        }
    });
}

#[cfg(test)]
mod tests {
    use super::shape::explosive;

    #[test]
    fn tells_explosive_expressions() {
        for text in [
            "^(a+)+$",
            "(a*)*",
            "^(\\w+)*$",
            "([a-z]+)+@",
            "(x+x+)+y",
            "^(([a-z])+.)+[A-Z]([a-z])+$",
            "(.*)*",
            "(a|a)*",
            "(\\w|\\d)+$",
            "^(\\s*\\w*)*$",
            "((ab*)?)*",
            "(?:[0-9]+){2,}x",
            "(a+b?)+",
            "^(?:a?){30}a{30}$",
            "^(?:[a-z]?){2,63}$",
            "(\\w*){20,}",
            "^(?:a|b?){16}$",
            "^([0-9]+){20}$",
        ] {
            assert!(explosive(text).is_some(), "{text}");
        }
    }

    #[test]
    fn leaves_others_alone() {
        for text in [
            "",
            "^[a-z]+$",
            "^[a-z]+(-[a-z]+)*$",
            "^([a-z]+,)+$",
            "(\\.[0-9]+)*",
            "^(\\d{3})+$",
            "(ab)+",
            "^(a|b)+$",
            "^(foo|bar)*$",
            "[(a+)+]",
            "\\(a+\\)+",
            "^([A-Z][a-z]+)+$",
            "^(/[^/]+)+$",
            "(a+){1,3}",
            "(?:a?){3}",
            "^(?:ab?){30}$",
            "^[a-z]{0,63}$",
            "^(?:[0-9a-f]{1,4}:){7}$",
            "^(?:[0-9a-f]{2}){32}$",
            "^(?:a{30}b?)$",
            "^(?:[a-z]+ )*[a-z]+$",
            "((((",
            "a{2,}",
            ")+",
        ] {
            assert!(explosive(text).is_none(), "{text}");
        }
    }
}
