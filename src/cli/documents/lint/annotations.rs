//! Findings as workflow commands of GitHub Actions, which shows them beside the lines.

use crate::lint::Severity;
use crate::suite::report::annotations::{data, property};
use crate::suite::report::text::one_line;

use super::draw;
use super::report::{FileReport, Report, Shown};

/// One workflow command a line, the worst first, because of each level only ten are shown; then the summary.
pub(super) fn render(report: &Report) -> String {
    let mut out = String::new();
    for severity in [Severity::Error, Severity::Warning, Severity::Note] {
        for (file, finding) in report.findings() {
            if finding.severity == severity {
                out.push_str(&line(file, finding));
                out.push('\n');
            }
        }
    }
    out.push_str(&draw::summary(report));
    out
}

fn line(file: &FileReport, finding: &Shown) -> String {
    let command = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    let (start, end) = (finding.start, finding.end);
    let mut text = format!(
        "{}\nclause: {}",
        one_line(&finding.message),
        finding.rule.clause
    );
    if let Some(fix) = &finding.fix {
        text.push_str(&format!("\nhelp: {}", one_line(&fix.title)));
    }
    // Columns are only understood where the range ends in the line it begins in.
    let columns = if start.line == end.line {
        format!(",col={},endColumn={}", start.column, end.column)
    } else {
        String::new()
    };
    format!(
        "::{command} file={},line={},endLine={}{columns},title={}::{}",
        property(&file.path),
        start.line,
        end.line,
        property(finding.rule.id),
        data(&text)
    )
}
