//! Every form of the report: a small one against files checked by hand, and a hostile one against everything.

use serde_json::{Value, json};

use super::annotations;
use super::diff::{DiffFormat, diff, render as render_diff};
use super::{Format, Report, Style, read, render, render_json};
use crate::requirement::Registry;

const SMALL: &str = include_str!("tests/small.json");

fn registry() -> Registry {
    let mut registry = Registry::default();
    let entry = |id: &str, level: &str, profile: &str| {
        format!(
            "[[requirement]]\nid=\"{id}\"\nlevel=\"{level}\"\nprofile=\"{profile}\"\nquote=\"Sentence of {id}.\"\njudged=\"live\"\n"
        )
    };
    let mut text = String::new();
    let mut prose = String::new();
    for (id, level, profile) in [
        ("ACT-001", "MUST", "session"),
        ("ACT-002", "MUST", "session"),
        ("ACT-003", "SHOULD", "session"),
        ("ACT-004", "MUST", "session"),
        ("ACT-005", "MUST", "session"),
        ("ACT-006", "MUST", "session"),
        ("ACT-007", "MUST", "session"),
        ("ACT-008", "MUST", "human"),
    ] {
        text.push_str(&entry(id, level, profile));
        prose.push_str(&format!("Sentence of {id}.\n"));
    }
    registry.add_section("golden", &text, &prose);
    assert!(registry.problems().is_empty());
    registry
}

fn small() -> Report {
    read(SMALL.as_bytes()).expect("reads")
}

fn as_text(report: &Report, format: Format) -> String {
    render(report, &registry(), format, Style::default()).expect("renders")
}

#[test]
fn a_small_report_has_each_form_as_checked_by_hand() {
    let report = small();
    for (format, expected) in [
        (Format::Json, SMALL),
        (Format::Text, include_str!("tests/small.txt")),
        (Format::Junit, include_str!("tests/small.xml")),
        (Format::Sarif, include_str!("tests/small.sarif")),
        (Format::Tap, include_str!("tests/small.tap")),
        (Format::Markdown, include_str!("tests/small.md")),
        (Format::Badge, include_str!("tests/small-badge.json")),
        (Format::Outputs, include_str!("tests/small-outputs.txt")),
    ] {
        // The version of the suite is none of theirs.
        let text = as_text(&report, format).replace(env!("CARGO_PKG_VERSION"), "0.1.0");
        assert_eq!(text, expected, "{}", format.name());
    }
    let page = as_text(&report, Format::Html);
    let main = page
        .split_once("<header")
        .and_then(|(_, rest)| rest.split_once("<script>"))
        .map(|(main, _)| format!("<header{main}"))
        .expect("a page");
    assert_eq!(main, include_str!("tests/small.html"));
    assert_eq!(
        annotations::github(&report, &registry()),
        include_str!("tests/small-annotations.txt")
    );
}

/// A case that passed as far as it could be judged reads in no form like one that passed.
#[test]
fn what_passed_in_part_says_so_in_each_form() {
    let mut report = small();
    let passed = report
        .cases
        .iter_mut()
        .find(|case| case.verdict == crate::suite::verdict::Verdict::Pass);
    let passed = passed.expect("a case that passed");
    let why = "its manifest is not known; pass it with --manifest FILE";
    passed.reason = Some(why.to_owned());
    let (id, title) = (passed.id.clone(), passed.title.clone());
    let before = small();
    for format in [
        Format::Text,
        Format::Junit,
        Format::Sarif,
        Format::Tap,
        Format::Markdown,
        Format::Html,
    ] {
        let text = as_text(&report, format);
        let name = format.name();
        let about = |text: &str| text.matches(&title).count();
        assert!(text.contains("--manifest FILE"), "{name}: {text}");
        assert!(text.contains(&id), "{name}: {text}");
        // What its title promises nobody looked at.
        assert!(about(&text) <= about(&as_text(&before, format)), "{name}");
        assert!(
            !format!("{text} ").contains(&format!("{id}  {title}")),
            "{name}"
        );
    }
    for format in [Format::Text, Format::Tap, Format::Markdown] {
        let text = as_text(&report, format);
        assert!(text.contains("1 of them in part"), "{text}");
    }
    assert!(as_text(&report, Format::Junit).contains("passed-in-part"));
    let told = annotations::github(&report, &registry());
    assert!(told.contains("::notice ") && told.contains(why), "{told}");
}

/// A text with all that any of the forms could trip over.
const HOSTILE: &str = "</script><script>alert(1)</script>]]>--><img src=x onerror=alert(2)>{{7*7}}{% x %}\u{1b}[31mred\u{1b}]0;t\u{7}\u{0}\u{8}\u{9b}2J\u{202e}\u{2028}\u{ffff}🎉`code`\n::error::x\n  ...\n# SKIP\r\n##[set-output name=conformant]true\n\u{d7ff}%0A\\|**b**[a](javascript:x) &amp; ' \"";

fn hostile(cases: usize) -> Report {
    filled(cases, HOSTILE)
}

/// A report of so many cases with a text wherever a text can stand.
fn filled(cases: usize, text: &str) -> Report {
    let mut value: Value = serde_json::from_str(SMALL).expect("JSON");
    let template = value["cases"][1].clone();
    let list: Vec<Value> = (0..cases)
        .map(|index| {
            let mut case = template.clone();
            case["id"] = json!(format!("X\n::error::{index}{}", &HOSTILE[..60]));
            case["title"] = json!(text);
            case["file"] = json!(text);
            case["requirements"] = json!([text]);
            case["reason"] = json!(text);
            let verdicts = [
                "fail",
                "warn",
                "not_observed",
                "not_implemented",
                "not_applicable",
                "setup_failed",
            ];
            case["verdict"] = json!(verdicts[index % 6]);
            case["mismatches"][0]["where"] = json!(text);
            case["mismatches"][0]["pointer"] = json!(text);
            case["mismatches"][0]["expected"] = json!({text: text});
            case["mismatches"][0]["got"] = json!([text]);
            case["mismatches"][0]["message"] = json!(text);
            case["mismatches"][0]["cites"] = json!([text]);
            case
        })
        .collect();
    for (name, count) in value["totals"]["by_verdict"]
        .as_object_mut()
        .expect("counts")
    {
        let own = list
            .iter()
            .filter(|case| case["verdict"] == name.as_str())
            .count();
        *count = json!(own);
    }
    let mut exchanges = value["run"]["exchanges"]["ACT-002-bad-date"].clone();
    for part in ["request", "answer"] {
        exchanges["kept"][0][part]["body"] = json!(text);
        exchanges["kept"][0][part]["headers"] = json!([[text, text]]);
    }
    exchanges["kept"][0]["request"]["path"] = json!(text);
    exchanges["kept"][0]["request"]["method"] = json!(text);
    value["run"]["exchanges"] = json!({});
    value["run"]["exchanges"][list[0]["id"].as_str().expect("an id")] = exchanges;
    value["run"]["command"] = json!(text);
    value["run"]["suite"] = json!(text);
    value["run"]["started_at"] = json!(text);
    value["run"]["duration_ms"] = json!(1e12);
    value["run"]["target"]["base_url"] = json!(text);
    value["run"]["target"]["implementation"] = json!({text: text});
    value["baseline"]["problems"] = json!([{"kind": "stale", "check": text, "message": text}]);
    value["totals"]["cases"] = json!(list.len());
    value["cases"] = Value::Array(list);
    read(value.to_string().as_bytes()).expect("reads")
}

/// What may move a cursor or turn text round; line feeds are the renderer's own.
fn hidden(text: &str) -> Option<char> {
    text.chars().find(|c| {
        (c.is_control() && *c != '\n' && *c != '\t')
            || matches!(c, '\u{202e}' | '\u{2028}' | '\u{ffff}')
    })
}

#[test]
fn nothing_of_a_hostile_report_speaks_to_who_reads_it() {
    let report = hostile(12);
    for format in Format::ALL {
        let text = as_text(&report, format);
        assert!(!text.contains("##["), "{}", format.name());
        if matches!(format, Format::Json | Format::Sarif) {
            serde_json::from_str::<Value>(&text).expect("JSON");
            continue;
        }
        assert_eq!(hidden(&text), None, "{}", format.name());
        // A page is never what a pipeline reads, and shows bodies line by line.
        if format == Format::Html {
            continue;
        }
        for line in text.lines() {
            assert!(
                !line.trim_start().starts_with("::"),
                "{}: {line}",
                format.name()
            );
        }
    }
    let page = as_text(&report, Format::Html);
    assert_eq!(page.matches("<script").count(), 1);
    assert_eq!(page.matches("<img").count(), 0);
    let markdown = as_text(&report, Format::Markdown);
    assert!(!markdown.contains("<script") && !markdown.contains("<img"));
    // In <pre> nothing is Markdown.
    let outside: String = markdown
        .split("<pre>")
        .map(|part| part.split_once("</pre>").map_or(part, |(_, rest)| rest))
        .collect();
    assert!(!outside.contains("](") && !outside.contains("**b**"));
    let xml = as_text(&report, Format::Junit);
    assert!(!xml.contains("]]>") && !xml.contains("<script"));
    let commands = annotations::github(&report, &registry());
    // Two failures, and two each that were not observed or not set up.
    assert_eq!(commands.lines().count(), 6);
    for line in commands.lines() {
        assert!(
            line.starts_with("::error ") || line.starts_with("::warning "),
            "{line}"
        );
    }
}

#[test]
fn tap_stays_tap_whatever_stands_in_it() {
    let text = as_text(&hostile(12), Format::Tap);
    let points = text
        .lines()
        .filter(|line| line.starts_with("ok ") || line.starts_with("not ok "))
        .count();
    assert_eq!(points, 12);
    // A description that ends in `#` must not begin a directive.
    let skipped = text.lines().filter(|line| line.contains(" # SKIP")).count();
    assert_eq!(skipped, 2);
    let begun = text.lines().filter(|line| *line == "  ---").count();
    let ended = text.lines().filter(|line| *line == "  ...").count();
    assert_eq!(begun, ended);
}

#[test]
fn ten_thousand_cases_stay_within_bounds() {
    let report = filled(10_000, "<b>\u{1b}]]>");
    for format in Format::ALL {
        let text = as_text(&report, format);
        assert!(!text.is_empty(), "{}", format.name());
        if format == Format::Markdown {
            assert!(text.len() <= 1024 * 1024);
            assert!(text.contains("more that have no room here"));
        }
    }
    assert_eq!(
        annotations::github(&report, &registry()).lines().count(),
        10
    );
}

#[test]
fn a_report_that_is_none_is_refused_with_the_reason() {
    let changed = |pointer: &str, new: Value| {
        let mut value: Value = serde_json::from_str(SMALL).expect("JSON");
        *value.pointer_mut(pointer).expect(pointer) = new;
        read(value.to_string().as_bytes()).expect_err(pointer)
    };
    for (pointer, new, part) in [
        ("/totals/cases", json!(9), "totals.cases says 9"),
        (
            "/totals/by_verdict/pass",
            json!(2),
            "by_verdict.pass says 2",
        ),
        ("/totals/must/total", json!(usize::MAX), "totals.must.total"),
        (
            "/totals/must/passed",
            json!(usize::MAX),
            "totals.must.total",
        ),
        ("/verdict", json!("conformant"), "not everything passed"),
        ("/verdict", json!("incomplete"), "not that of its cases"),
        ("/cases/0/id", json!("ACT-002-bad-date"), "stands twice"),
        ("/run/duration_ms", json!(1e300), "no time"),
        ("/run/case_ms/ACT-001-one-call", json!(-1.0), "no time"),
        ("/cases/0/id", json!(""), "0 bytes"),
        ("/cases/0/id", json!("x".repeat(300)), "300 bytes"),
        ("/cases/0/verdict", json!("good"), "unknown variant"),
        ("/cases/0/profile", json!({"extra": 1}), "no report"),
        ("/run/selection/filter", json!(null), "no report"),
        (
            "/totals/by_verdict",
            json!({"passed": 1}),
            "unknown variant",
        ),
        (
            "/run/target",
            json!({"base_url": "", "profiles": [], "implementation": null, "key": 1}),
            "unknown field `key`",
        ),
    ] {
        let error = changed(pointer, new);
        assert!(error.contains(part), "{pointer}: {error}");
    }
    for bytes in [
        &b""[..],
        b"[]",
        b"{",
        b"\xff",
        b"null",
        SMALL.as_bytes().split_at(900).0,
    ] {
        assert!(read(bytes).expect_err("none").contains("no report"));
    }
    let deep = [b"{\"verdict\":".as_slice(), &[b'['; 100_000]].concat();
    assert!(read(&deep).is_err());
    assert!(
        read(&vec![b' '; super::MOST_BYTES + 1])
            .expect_err("large")
            .contains("bytes")
    );
    assert!(
        read(&vec![b'['; 9_000_000])
            .expect_err("dense")
            .contains("brackets")
    );
}

/// Why the small report is refused once it is changed.
fn refused(change: impl FnOnce(&mut Value)) -> String {
    let mut value: Value = serde_json::from_str(SMALL).expect("JSON");
    change(&mut value);
    read(value.to_string().as_bytes()).expect_err("is refused")
}

#[test]
fn totals_that_are_not_those_of_the_requirements_are_refused() {
    // The parts still give the total, so only the requirements themselves show it.
    for (name, failed) in [("must", 2), ("should", 0)] {
        let error = refused(|report| {
            report["totals"][name]["passed"] = json!(1);
            report["totals"][name]["failed"] = json!(failed);
        });
        let says = format!("totals.{name}.total and its parts are not those of its requirements");
        assert!(error.contains(&says), "{error}");
    }
}

#[test]
fn a_passed_case_with_mismatches_is_refused() {
    let error = refused(|report| {
        report["cases"][1]["verdict"] = json!("pass");
        report["totals"]["by_verdict"]["pass"] = json!(2);
        report["totals"]["by_verdict"]["fail"] = json!(1);
    });
    assert!(
        error.contains("ACT-002-bad-date passed and has mismatches"),
        "{error}"
    );
}

#[test]
fn conformant_although_no_case_passed_is_refused() {
    let nothing_passed = |report: &mut Value, verdict: &str| {
        report["verdict"] = json!(verdict);
        report["cases"] = json!([report["cases"][7]]);
        report["requirements"] = json!([report["requirements"][7]]);
        let none =
            json!({"passed": 0, "failed": 0, "not_observed": 0, "not_applicable": 0, "total": 0});
        report["totals"]["must"] = none.clone();
        report["totals"]["must"]["not_applicable"] = json!(1);
        report["totals"]["should"] = none;
        report["totals"]["cases"] = json!(1);
        report["totals"]["by_verdict"] = json!({"not_applicable": 1});
    };
    let error = refused(|report| {
        report["baseline"] = Value::Null;
        report["cases"][0]["expected"] = json!(true);
    });
    assert!(error.contains("there is no baseline"), "{error}");
    let error = refused(|report| nothing_passed(report, "conformant"));
    assert!(error.contains("not everything passed"), "{error}");
    let mut honest: Value = serde_json::from_str(SMALL).expect("JSON");
    nothing_passed(&mut honest, "incomplete");
    read(honest.to_string().as_bytes()).expect("reads");
}

#[test]
fn a_comparison_names_better_worse_new_and_gone() {
    let (before, mut after) = (small(), small());
    after.cases.retain(|case| case.id != "ACT-006-missing");
    let mut new = after.cases[0].clone();
    new.id = "ACT-009-new".into();
    after.cases.push(new);
    for case in &mut after.cases {
        match case.id.as_str() {
            "ACT-001-one-call" => case.verdict = crate::suite::Verdict::Fail,
            "ACT-003-created" => case.verdict = crate::suite::Verdict::Pass,
            "ACT-002-bad-date" => case.mismatches.truncate(1),
            "ACT-008-human" => case.verdict = crate::suite::Verdict::Pass,
            _ => {}
        }
    }
    let found = diff(&before, &after);
    let ids = |changes: &[super::diff::Change]| -> Vec<String> {
        changes.iter().map(|change| change.id.clone()).collect()
    };
    assert_eq!(ids(&found.cases.worse), ["ACT-001-one-call"]);
    assert_eq!(ids(&found.cases.better), ["ACT-003-created"]);
    assert_eq!(ids(&found.cases.other), ["ACT-002-bad-date"]);
    assert_eq!(ids(&found.cases.new), ["ACT-008-human", "ACT-009-new"]);
    assert_eq!(ids(&found.cases.gone), ["ACT-006-missing"]);
    assert_eq!(found.cases.same, 3);
    assert!(found.is_worse());
    let text = render_diff(&found, DiffFormat::Text).expect("text");
    assert!(
        text.contains("WORSE           case ACT-001-one-call: pass → fail\n"),
        "{text}"
    );
    let markdown = render_diff(&found, DiffFormat::Markdown).expect("Markdown");
    assert!(
        markdown.contains("| gone | case ACT-006-missing | not implemented → – |"),
        "{markdown}"
    );
    let nothing = diff(&before, &before);
    assert!(!nothing.is_worse());
    assert_eq!((nothing.cases.same, nothing.requirements.same), (8, 8));
    let back = diff(&after, &before);
    assert_eq!(ids(&back.cases.better), ["ACT-001-one-call"]);
}

#[test]
fn reports_and_comparisons_satisfy_their_schemas() {
    let (report, named) = (small(), crate::schema::named);
    let written: Value = serde_json::from_str(SMALL).expect("JSON");
    assert_eq!(named("report").expect("a schema").violations(&written), []);
    let text = render_diff(&diff(&report, &report), DiffFormat::Json).expect("JSON");
    let compared: Value = serde_json::from_str(&text).expect("JSON");
    let schema = named("report-diff").expect("a schema");
    assert_eq!(schema.violations(&compared), []);
}

#[test]
fn a_report_read_back_is_the_report() {
    assert_eq!(render_json(&small()).expect("JSON"), SMALL);
    let report = hostile(6);
    let again = read(render_json(&report).expect("JSON").as_bytes()).expect("reads");
    assert_eq!(again, report);
}
