//! The outcome as one page that needs nothing else: no file beside it, no network, no script.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::value::Serde;
use minijinja::{Environment, context};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::plot::{Axis, Line, plot};
use super::text::{HEADS, asked, cells, notes, ratio, slice, time};
use super::{ContenderReport, Outcome};
use crate::suite::report::text::one_line;

const TEMPLATE: &str = include_str!("bench.html");
const STYLE: &str = include_str!("bench.css");

#[derive(Serialize)]
struct Contender {
    name: String,
    notes: Vec<String>,
    slices: Vec<String>,
}

pub(super) fn render(outcome: &Outcome) -> Result<String, String> {
    let cannot = |error: minijinja::Error| format!("the report cannot be written as HTML: {error}");
    let mut environment = Environment::new();
    // By the ending of its name everything that is put in is escaped.
    environment
        .add_template("bench.html", TEMPLATE)
        .map_err(cannot)?;
    let digest = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    );
    let loaded: Vec<&ContenderReport> = outcome
        .contenders
        .iter()
        .filter(|one| one.skipped.is_none())
        .collect();
    let rows: Vec<Vec<String>> = loaded.iter().map(|one| cells(one).to_vec()).collect();
    let contenders: Vec<Contender> = outcome
        .contenders
        .iter()
        .map(|one| Contender {
            name: one_line(&one.name).into_owned(),
            notes: notes(one)
                .iter()
                .map(|note| one_line(note).into_owned())
                .collect(),
            slices: one.slices.iter().map(slice).collect(),
        })
        .collect();
    let comparisons: Vec<Vec<String>> = outcome
        .comparisons
        .iter()
        .map(|one| {
            vec![
                format!(
                    "{} beside {}",
                    one_line(&one.contender),
                    one_line(&one.base)
                ),
                ratio(one.p50),
                ratio(one.p99),
                ratio(one.throughput),
                one.knee
                    .map_or_else(|| "-".to_owned(), |knee| format!("{knee:.2}")),
            ]
        })
        .collect();
    let text = environment
        .get_template("bench.html")
        .and_then(|template| {
            template.render(context! {
                policy => policy,
                css => STYLE,
                asked => asked(outcome),
                command => one_line(&outcome.command),
                suite => outcome.suite.clone(),
                heads => Serde(HEADS),
                rows => Serde(rows),
                contenders => Serde(contenders),
                comparisons => Serde(comparisons),
                remarks => Serde(outcome.remarks.iter().map(|one| one_line(one)).collect::<Vec<_>>()),
                failures => Serde(outcome.failures.iter().map(|one| one_line(one)).collect::<Vec<_>>()),
                latency => latency(&loaded),
                throughput => throughput(&loaded),
            })
        })
        .map_err(cannot)?;
    Ok(text)
}

/// Latency against the share of answers that were no slower, each nine as wide as the one before; latency by powers of ten.
fn latency(loaded: &[&ContenderReport]) -> String {
    // What takes longer than all is shown where one in a hundred thousand would be.
    let nines = |quantile: f64| -(1.0 - quantile).max(1e-5).log10();
    let lines: Vec<Line<'_>> = loaded
        .iter()
        .map(|one| Line {
            name: &one.name,
            points: one
                .curve
                .iter()
                .map(|(quantile, micros)| (nines(*quantile), (*micros).max(1) as f64))
                .map(|(at, micros)| (at, micros.log10()))
                .collect(),
        })
        .collect();
    let all = || lines.iter().flat_map(|line| &line.points);
    let least = all()
        .map(|point| point.1.floor())
        .fold(f64::INFINITY, f64::min);
    let most = all()
        .map(|point| point.1.ceil())
        .fold(f64::NEG_INFINITY, f64::max);
    let (least, most) = if least.is_finite() && most > least {
        (least, most)
    } else {
        (2.0, 4.0)
    };
    let mut powers = Vec::new();
    let mut power = least;
    while power <= most {
        powers.push((power, time(10_f64.powf(power) as u64)));
        power += 1.0;
    }
    let across = Axis {
        name: "share of answers that took no longer",
        marks: [
            (0.0, "0"),
            (0.5, "50%"),
            (0.9, "90%"),
            (0.99, "99%"),
            (0.999, "99.9%"),
            (0.9999, "99.99%"),
            (1.0, "max"),
        ]
        .map(|(quantile, text)| (nines(quantile), text.to_owned()))
        .to_vec(),
        from: 0.0,
        to: 5.0,
    };
    let up = Axis {
        name: "latency",
        marks: powers,
        from: least,
        to: most,
    };
    plot("latency by percentile", &across, &up, &lines, false)
}

fn throughput(loaded: &[&ContenderReport]) -> String {
    let lines: Vec<Line<'_>> = loaded
        .iter()
        .map(|one| {
            let mut points = one.windows.clone();
            points.sort_by(|one, other| one.0.total_cmp(&other.0));
            Line {
                name: &one.name,
                points,
            }
        })
        .collect();
    let most = lines
        .iter()
        .flat_map(|line| &line.points)
        .map(|(due, right)| due.max(*right))
        .fold(0.0, f64::max);
    plot(
        "throughput against rate",
        &Axis::linear("arrivals due in a second", most),
        &Axis::linear("right answers in a second", most),
        &lines,
        true,
    )
}
