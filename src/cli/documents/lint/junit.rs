//! Findings as JUnit XML: a suite a file, a test a finding, and one that passes where there is none.

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use crate::cli::failure::Failure;
use crate::lint::Severity;
use crate::suite::report::text::one_line;

use super::report::{FileReport, Report, Shown};

/// The report. Findings of `least` severity and worse are failures, others pass and are told; a file that cannot be read is an error.
pub(super) fn render(report: &Report, least: Option<Severity>) -> Result<String, Failure> {
    let mut out = quick_junit::Report::new("oap-conform lint");
    for file in &report.files {
        let name = one_line(&file.path);
        let mut suite = TestSuite::new(name.as_ref());
        if file.findings.is_empty() {
            let mut test = TestCase::new("lint", TestCaseStatus::success());
            test.set_classname(name.as_ref());
            suite.add_test_case(test);
        }
        for finding in &file.findings {
            suite.add_test_case(test(file, finding, least));
        }
        out.add_test_suite(suite);
    }
    for (path, why) in &report.unreadable {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message(one_line(why));
        let mut suite = TestSuite::new(one_line(path));
        suite.add_test_case(TestCase::new("read", status));
        out.add_test_suite(suite);
    }
    out.to_string()
        .map_err(|error| Failure::harness(format!("the report cannot be written as XML: {error}")))
}

fn test(file: &FileReport, finding: &Shown, least: Option<Severity>) -> TestCase {
    let path = one_line(&file.path);
    let at = format!("{path}:{}:{}", finding.start.line, finding.start.column);
    let message = one_line(&finding.message);
    let told = format!(
        "{at}: {}\nclause: {}\npointer: {}\n",
        message,
        finding.rule.clause,
        one_line(&finding.pointer)
    );
    let fails = least.is_some_and(|least| finding.severity >= least);
    let status = if fails {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        status
            .set_message(message.as_ref())
            .set_type(finding.severity.name())
            .set_description(told.as_str());
        status
    } else {
        TestCaseStatus::success()
    };
    let name = format!(
        "{} {}:{}",
        finding.rule.id, finding.start.line, finding.start.column
    );
    let mut test = TestCase::new(name, status);
    test.set_classname(path.as_ref());
    if !fails {
        test.set_system_out(told);
    }
    test.extra.insert("file".into(), path.as_ref().into());
    test.extra
        .insert("line".into(), finding.start.line.to_string().into());
    test
}
