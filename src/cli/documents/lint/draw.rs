//! Findings for people: drawn on their lines, or a line each.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use crate::cli::failure::plural;
use crate::document::{Lines, Span};
use crate::lint::Severity;
use crate::suite::report::text::{RUNNER_COMMAND, one_line};

use super::report::{FileReport, Report, Shown};

/// Most findings of one file that are drawn.
const MOST_DRAWN: usize = 50;
/// Most characters of a line before the part that is meant.
const BEFORE: usize = 40;
/// Most characters of the part that is meant.
const MEANT: usize = 60;
/// Most characters behind it.
const BEHIND: usize = 40;
/// Where a line was cut.
const CUT: &str = "…";

/// A line of a text, or as much of it as there is room for, with the part that is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Excerpt {
    text: String,
    start: usize,
    end: usize,
}

impl Excerpt {
    /// The line in which a part of a text begins. What the part has in further lines is left out.
    pub fn of(text: &str, lines: &Lines, line: usize, span: Span) -> Self {
        let start = lines.start(line);
        let rest = text.get(start..).unwrap_or_default();
        let whole = rest.split('\n').next().unwrap_or_default();
        let whole = whole.strip_suffix('\r').unwrap_or(whole);
        let floor = |offset: usize| {
            let mut at = offset.saturating_sub(start).min(whole.len());
            while !whole.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let (from, to) = (floor(span.start), floor(span.end));
        let part = |from: usize, to: usize| whole.get(from..to.max(from)).unwrap_or_default();
        let before = shown(&last(part(0, from), BEFORE));
        let meant = shown(&first(part(from, to), MEANT));
        let behind = shown(&first(part(to.max(from), whole.len()), BEHIND));
        let mut text = format!("{before}{meant}{behind}");
        if text.contains(RUNNER_COMMAND) {
            // Parts that are harmless alone.
            text = text.replace(RUNNER_COMMAND, "##(");
        }
        let (start, end) = (before.len(), before.len() + meant.len());
        Self { text, start, end }
    }
}

/// Most characters of a secret that are shown, to tell which one it is.
const OF_SECRET: usize = 4;

/// A text with its secrets covered but for how they begin; every byte keeps its place.
pub(super) fn covered(text: &str, secrets: impl IntoIterator<Item = Span>) -> String {
    let mut secrets: Vec<Span> = secrets
        .into_iter()
        .map(|span| unquoted(text, span))
        .collect();
    secrets.sort();
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for span in secrets {
        let secret = text.get(span.start.max(from)..span.end).unwrap_or_default();
        if secret.is_empty() {
            continue;
        }
        let start = span.start.max(from);
        out.push_str(text.get(from..start).unwrap_or_default());
        let shown = (secret.chars().count() / 3).min(OF_SECRET);
        for (index, c) in secret.chars().enumerate() {
            match c {
                '\n' | '\r' => out.push(c),
                _ if index < shown => out.push(c),
                _ => out.extend(std::iter::repeat_n('*', c.len_utf8())),
            }
        }
        from = span.end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

/// What stands between the quotes, where a whole text is meant.
fn unquoted(text: &str, span: Span) -> Span {
    let written = text.get(span.start..span.end).unwrap_or_default();
    let quote = written.chars().next().filter(|c| matches!(c, '"' | '\''));
    match quote {
        Some(quote) if written.len() >= 2 && written.ends_with(quote) => {
            Span::new(span.start + 1, span.end - 1)
        }
        _ => span,
    }
}

/// Nothing in it moves a cursor or turns the reading direction; a tabulator is as wide as it looks.
fn shown(text: &str) -> String {
    one_line(&text.replace('\t', "    ")).into_owned()
}

fn first(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}{CUT}", text.get(..end).unwrap_or_default()),
    }
}

fn last(text: &str, most: usize) -> String {
    match text.char_indices().nth_back(most) {
        None => text.to_owned(),
        Some((at, c)) => {
            let rest = text.get(at + c.len_utf8()..).unwrap_or_default();
            format!("{CUT}{rest}")
        }
    }
}

/// Every finding drawn, and the summary.
pub(super) fn text(report: &Report, colour: bool) -> String {
    let mut out = String::new();
    for file in &report.files {
        for finding in file.findings.iter().take(MOST_DRAWN) {
            out.push_str(&drawn(file, finding, colour));
            out.push_str("\n\n");
        }
        let more = file.findings.len().saturating_sub(MOST_DRAWN) + file.left_out;
        if more > 0 {
            out.push_str(&format!(
                "{}: {} more; '--format short' shows up to 1000 of a file\n\n",
                one_line(&file.path),
                plural(more, "finding")
            ));
        }
    }
    out.push_str(&summary(report));
    out
}

/// One finding on its line.
pub(super) fn drawn(file: &FileReport, finding: &Shown, colour: bool) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let excerpt = &finding.excerpt;
    let mut group = level
        .primary_title(one_line(&finding.message))
        .id(finding.rule.id)
        .element(
            Snippet::source(excerpt.text.as_str())
                .line_start(finding.start.line)
                .annotation(AnnotationKind::Primary.span(excerpt.start..excerpt.end)),
        )
        .element(Level::NOTE.with_name("clause").message(finding.rule.clause));
    if let Some(fix) = &finding.fix {
        let how = if fix.safe { "--fix" } else { "--fix-unsafe" };
        group = group.element(Level::HELP.message(format!("{} ({how})", one_line(&fix.title))));
    }
    let renderer = if colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    // Excerpts are cut already; a cut by the width of lines would hide the part that is meant.
    let drawn = renderer.term_width(1_000).render(&[group]);
    // The place goes under the title: a snippet knows neither the column of a cut line nor one of escaped characters.
    let (title, rest) = drawn.split_once('\n').unwrap_or((&drawn, ""));
    let gutter = finding.start.line.to_string().len();
    let (blue, plain) = if colour {
        ("\u{1b}[1m\u{1b}[94m", "\u{1b}[0m")
    } else {
        ("", "")
    };
    format!(
        "{title}\n{:gutter$}{blue}-->{plain} {}:{}:{}\n{rest}",
        "",
        one_line(&file.path),
        finding.start.line,
        finding.start.column
    )
}

/// A line for each finding, and the summary.
pub(super) fn short(report: &Report) -> String {
    let mut out = String::new();
    for (file, finding) in report.findings() {
        out.push_str(&format!(
            "{}:{}:{}: {}[{}] {}\n",
            one_line(&file.path),
            finding.start.line,
            finding.start.column,
            finding.severity.name(),
            finding.rule.id,
            one_line(&finding.message)
        ));
    }
    out.push_str(&summary(report));
    out
}

/// What was looked at and found, with all denominators.
pub(super) fn summary(report: &Report) -> String {
    let files = report.files.iter().filter(|file| !file.is_config());
    let (files, found) = files.fold((0, 0), |(files, found), file| {
        (files + 1, found + usize::from(!file.findings.is_empty()))
    });
    let rules = plural(report.rules, "rule");
    let asked = match report.preset {
        Some(preset) => format!("{rules} of preset {preset}"),
        None => rules,
    };
    if files == 0 && report.unreadable.is_empty() {
        let nothing = "no documents found; name files, or a folder with manifests\n";
        return format!("{nothing}{}", unknown(report));
    }
    let mut out = format!("{} against {asked}: ", plural(files, "file"));
    let counts = [Severity::Error, Severity::Warning, Severity::Note]
        .map(|severity| plural(report.count(severity), severity.name()));
    if report.findings().next().is_none() {
        out.push_str("nothing found");
    } else {
        out.push_str(&format!(
            "{} in {}",
            counts.join(", "),
            plural(found, "file")
        ));
    }
    let sum = |of: fn(&FileReport) -> usize| report.files.iter().map(of).sum::<usize>();
    for (count, what) in [
        (sum(|file| file.left_out), "more not shown"),
        (sum(|file| file.accepted), "accepted"),
        (
            sum(|file| file.fixed.len()),
            if report.only_shown {
                "could be mended"
            } else {
                "mended"
            },
        ),
        (report.unreadable.len(), "unreadable"),
    ] {
        if count > 0 {
            out.push_str(&format!(", {count} {what}"));
        }
    }
    match report.score {
        Some(score) => out.push_str(&format!("; score {score}\n")),
        None => out.push_str("; no score, since no document was read\n"),
    }
    out.push_str(&unknown(report));
    out
}

/// Most files that are no documents and are named.
const MOST_UNKNOWN: usize = 3;

/// Which files were passed over: a manifest that is not known for one must not look like a manifest without findings.
fn unknown(report: &Report) -> String {
    let named: Vec<_> = report
        .unknown
        .iter()
        .take(MOST_UNKNOWN)
        .map(|name| one_line(name))
        .collect();
    if named.is_empty() {
        return String::new();
    }
    let (are, more) = match report.unknown.len() {
        1 => ("is no document", ""),
        count if count > MOST_UNKNOWN => ("are no documents", ", …"),
        _ => ("are no documents", ""),
    };
    let files = plural(report.unknown.len(), "file");
    format!(
        "{files} {are} of this protocol: {}{more}\n",
        named.join(", ")
    )
}

/// Why nothing can be said about a file.
pub(super) fn cannot(path: &str, why: &str) -> String {
    format!("cannot use {}: {}", one_line(path), one_line(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excerpt(text: &str, start: usize, end: usize) -> (String, String) {
        let lines = Lines::of(text);
        let line = lines.place(text, start).line;
        let excerpt = Excerpt::of(text, &lines, line, Span::new(start, end));
        let meant = excerpt.text[excerpt.start..excerpt.end].to_owned();
        (excerpt.text, meant)
    }

    #[test]
    fn the_part_that_is_meant_stays_whole() {
        assert_eq!(
            excerpt("a\nbcd\r\ne", 3, 4),
            ("bcd".to_owned(), "c".to_owned())
        );
        assert_eq!(
            excerpt("{\n\"a\": 1\n}", 0, 10),
            ("{".to_owned(), "{".to_owned())
        );
        assert_eq!(excerpt("", 0, 0), (String::new(), String::new()));
        let (text, meant) = excerpt("\tx\u{202e}\u{1b}[31m", 1, 6);
        assert_eq!(
            (text.as_str(), meant.as_str()),
            ("    x\\u{202e}\\u{1b}[31m", "x\\u{202e}\\u{1b}")
        );
    }

    #[test]
    fn secrets_are_covered_and_everything_keeps_its_place() {
        let text = "a: \"hunter2222\"\nb: sécrët-word\n";
        let all = covered(text, [Span::new(18, text.len() - 1), Span::new(3, 15)]);
        assert_eq!(all, "a: \"hun*******\"\nb: séc*********\n");
        assert_eq!(all.len(), text.len());
        // Places within each other, and such as are none.
        let odd = [
            Span::new(3, 15),
            Span::new(5, 8),
            Span::new(9, 5),
            Span::new(40, 90),
        ];
        assert_eq!(covered(text, odd).len(), text.len());
        assert_eq!(covered("", []), "");
    }

    #[test]
    fn long_lines_are_cut_around_it() {
        let line = format!("{}é{}", "a".repeat(500_000), "b".repeat(500_000));
        let (text, meant) = excerpt(&line, 500_000, 500_002);
        assert_eq!(meant, "é");
        assert_eq!(text, format!("…{}é{}…", "a".repeat(40), "b".repeat(40)));
    }
}
