//! The text format of Prometheus, read strictly: what is wrong with a text, and what it counts.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::suite::target::Answer;

/// Most samples of a text.
const MOST: usize = 100_000;

/// The labels of a sample, by name.
type Labels = BTreeMap<String, String>;

/// A family of samples.
#[derive(Debug, Default)]
struct Family {
    kind: Option<String>,
    helped: bool,
    /// Whether another family's samples came after its own.
    closed: bool,
    samples: BTreeMap<(String, Labels), f64>,
}

/// One answer to `GET /metrics`.
#[derive(Debug)]
pub struct Text {
    /// The answer's text.
    pub text: String,
    status: u16,
    content_type: String,
    families: BTreeMap<String, Family>,
    problem: Option<String>,
}

impl Text {
    /// Reads an answer.
    pub fn of(answer: &Answer) -> Self {
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let mut families = BTreeMap::new();
        let problem = match std::str::from_utf8(&answer.body) {
            Ok(text) => read(text, &mut families).err(),
            Err(_) => Some("the text is not UTF-8".to_owned()),
        };
        Self {
            text,
            status: answer.status,
            content_type: answer.header("content-type").unwrap_or_default(),
            families,
            problem,
        }
    }

    /// `{status, content_type, problem, families: {NAME: {type, samples: [{name, labels, value}]}}}` with what was added since
    /// `before`; samples of which nothing was added are left out.
    pub fn since(&self, before: Option<&Text>) -> Value {
        let mut families = Map::new();
        for (name, family) in &self.families {
            let old = before.and_then(|before| before.families.get(name));
            let samples: Vec<Value> = family
                .samples
                .iter()
                .filter_map(|(key, value)| {
                    let old = old.and_then(|old| old.samples.get(key)).unwrap_or(&0.0);
                    let (sample, labels) = key;
                    let added = value - old;
                    (added != 0.0 || before.is_none())
                        .then(|| json!({"name": sample, "labels": labels, "value": added}))
                })
                .collect();
            let kind = family.kind.as_deref().unwrap_or("untyped");
            families.insert(name.clone(), json!({"type": kind, "samples": samples}));
        }
        json!({
            "status": self.status,
            "content_type": self.content_type,
            "problem": self.problem,
            "families": families,
        })
    }
}

fn read(text: &str, families: &mut BTreeMap<String, Family>) -> Result<(), String> {
    if !text.is_empty() && !text.ends_with('\n') {
        return Err("the last line does not end with a line feed".to_owned());
    }
    let mut current = String::new();
    let mut count = 0;
    for (index, line) in text.split_terminator('\n').enumerate() {
        let told = one(line, families, &mut current);
        told.map_err(|why| format!("line {}: {why}", index + 1))?;
        count += 1;
        if count > MOST {
            return Err(format!("more than {MOST} lines"));
        }
    }
    for (name, family) in families.iter() {
        if family.kind.as_deref() == Some("histogram") {
            histogram(name, family)?;
        }
    }
    Ok(())
}

fn one(
    line: &str,
    families: &mut BTreeMap<String, Family>,
    current: &mut String,
) -> Result<(), String> {
    if line.contains('\r') {
        return Err("a carriage return".to_owned());
    }
    if let Some(comment) = line.strip_prefix('#') {
        let mut words = comment.trim_start_matches([' ', '\t']).splitn(3, ' ');
        let (word, name) = (words.next().unwrap_or_default(), words.next());
        if !matches!(word, "HELP" | "TYPE") {
            return Ok(());
        }
        let name = name
            .filter(|name| is_name(name, true))
            .ok_or("no name of a metric")?;
        enter(name, families, current)?;
        let family = families.entry(name.to_owned()).or_default();
        if word == "HELP" {
            if std::mem::replace(&mut family.helped, true) {
                return Err(format!("a second HELP of {name}"));
            }
            return Ok(());
        }
        let kind = words.next().unwrap_or_default();
        let known = ["counter", "gauge", "histogram", "summary", "untyped"];
        if !known.contains(&kind) {
            return Err(format!("no type of a metric: {kind}"));
        }
        if !family.samples.is_empty() || family.kind.is_some() {
            return Err(format!(
                "TYPE of {name} is not before its samples, or there twice"
            ));
        }
        family.kind = Some(kind.to_owned());
        return Ok(());
    }
    if line.trim().is_empty() {
        return Ok(());
    }
    let (name, labels, value) = sample(line)?;
    let owner = ["_bucket", "_sum", "_count"]
        .iter()
        .filter_map(|suffix| name.strip_suffix(suffix))
        .find(|base| {
            let kind = families
                .get(*base)
                .and_then(|family| family.kind.as_deref());
            matches!(kind, Some("histogram" | "summary"))
        })
        .unwrap_or(&name)
        .to_owned();
    enter(&owner, families, current)?;
    let family = families.entry(owner).or_default();
    if family.kind.as_deref() == Some("counter") && (value < 0.0 || value.is_nan()) {
        return Err(format!("the counter {name} is below zero"));
    }
    if family
        .samples
        .insert((name.clone(), labels), value)
        .is_some()
    {
        return Err(format!("{name} is there twice with the same labels"));
    }
    Ok(())
}

/// All lines of a family stand together.
fn enter(
    name: &str,
    families: &mut BTreeMap<String, Family>,
    current: &mut String,
) -> Result<(), String> {
    if current != name {
        if let Some(last) = families.get_mut(current.as_str()) {
            last.closed = true;
        }
        if families.get(name).is_some_and(|family| family.closed) {
            return Err(format!("the lines of {name} do not stand together"));
        }
        name.clone_into(current);
    }
    Ok(())
}

/// A name of a metric or, without colons, of a label.
fn is_name(name: &str, colons: bool) -> bool {
    let plain = |c: char| c.is_ascii_alphabetic() || c == '_' || (colons && c == ':');
    let mut chars = name.chars();
    chars.next().is_some_and(plain) && chars.all(|c| plain(c) || c.is_ascii_digit())
}

fn sample(line: &str) -> Result<(String, Labels, f64), String> {
    let end = line.find(['{', ' ', '\t']).ok_or("no value")?;
    let (name, rest) = line.split_at(end);
    if !is_name(name, true) {
        return Err(format!("no name of a metric: {name}"));
    }
    let mut labels = Labels::new();
    let mut rest = rest.trim_start_matches([' ', '\t']);
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            rest = rest.trim_start_matches([' ', '\t']);
            if let Some(after) = rest.strip_prefix('}') {
                rest = after;
                break;
            }
            let (label, after) = rest.split_once('=').ok_or("a label without value")?;
            let label = label.trim();
            if !is_name(label, false) {
                return Err(format!("no name of a label: {label}"));
            }
            let after = after.trim_start_matches([' ', '\t']);
            let after = after.strip_prefix('"').ok_or("a value without quotes")?;
            let (value, after) = quoted(after)?;
            if labels.insert(label.to_owned(), value).is_some() {
                return Err(format!("the label {label} twice"));
            }
            rest = after.trim_start_matches([' ', '\t']);
            match rest.strip_prefix(',') {
                Some(after) => rest = after,
                None if rest.starts_with('}') => {}
                None => return Err("no comma between labels".to_owned()),
            }
        }
    }
    let mut words = rest.split([' ', '\t']).filter(|word| !word.is_empty());
    let value = words.next().ok_or("no value")?;
    let number = match value {
        "+Inf" | "Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        "NaN" => f64::NAN,
        _ if value.bytes().any(|byte| byte.is_ascii_digit()) => {
            value.parse().map_err(|_| format!("no number: {value}"))?
        }
        _ => return Err(format!("no number: {value}")),
    };
    if words
        .next()
        .is_some_and(|time| time.parse::<i64>().is_err())
        || words.next().is_some()
    {
        return Err("something after the value that is no time".to_owned());
    }
    Ok((name.to_owned(), labels, number))
}

/// The value of a label up to its closing quote, and what comes after.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, text.get(at + 1..).unwrap_or_default())),
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, c @ ('\\' | '"'))) => value.push(c),
                _ => return Err("an unknown escape in a label".to_owned()),
            },
            c => value.push(c),
        }
    }
    Err("a quote that is not closed".to_owned())
}

/// What one histogram has with the same labels.
#[derive(Default)]
struct Buckets {
    /// Bound and count of each.
    each: Vec<(f64, f64)>,
    count: Option<f64>,
    summed: bool,
}

/// Buckets grow, the last is `+Inf` and equals the count, and there is a sum.
fn histogram(name: &str, family: &Family) -> Result<(), String> {
    // A target's metrics grow with each action that it ever ran: each sample is looked at once.
    let mut sets: BTreeMap<Labels, Buckets> = BTreeMap::new();
    for ((sample, labels), value) in &family.samples {
        let mut labels = labels.clone();
        let bound = labels.remove("le");
        let part = sample.strip_prefix(name).unwrap_or_default();
        if bound.is_some() != (part == "_bucket") {
            return Err(format!("{sample}: le belongs to buckets, and they have it"));
        }
        let set = sets.entry(labels).or_default();
        match (part, bound.as_deref()) {
            (_, Some("+Inf")) => set.each.push((f64::INFINITY, *value)),
            (_, Some(bound)) => {
                let bound = bound.parse();
                let bound = bound.map_err(|_| format!("{name}: le is no number"))?;
                set.each.push((bound, *value));
            }
            ("_count", None) => set.count = Some(*value),
            ("_sum", None) => set.summed = true,
            _ => {}
        }
    }
    for mut set in sets.into_values() {
        let Some(count) = set.count.filter(|_| set.summed) else {
            return Err(format!("the histogram {name} has no count or no sum"));
        };
        set.each.sort_by(|a, b| a.0.total_cmp(&b.0));
        let grows = set
            .each
            .iter()
            .zip(set.each.iter().skip(1))
            .all(|(one, next)| one.1 <= next.1);
        let last = set.each.last();
        if !grows || last.is_none_or(|last| last.0 != f64::INFINITY || last.1 != count) {
            return Err(format!(
                "the buckets of {name} do not grow to +Inf and the count"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
# HELP a_total What it is.
# TYPE a_total counter
a_total{action=\"x\\n\\\"\\\\\",error_code=\"\"} 2
# TYPE h histogram
h_bucket{le=\"0.5\"} 1
h_bucket{le=\"+Inf\"} 2
h_sum 1.5e0
h_count 2
";

    fn text(text: &str) -> Text {
        Text::of(&Answer {
            status: 200,
            headers: Vec::new(),
            body: text.as_bytes().to_vec(),
        })
    }

    #[test]
    fn a_good_text_is_read_and_what_was_added_is_told() {
        let before = text(GOOD);
        assert_eq!(before.problem, None);
        let shown = before.since(None);
        let labels = &shown["families"]["a_total"]["samples"][0]["labels"];
        assert_eq!(labels["action"], "x\n\"\\");
        let after = text(&GOOD.replace("} 2\n# TYPE h", "} 5\n# TYPE h"));
        let shown = after.since(Some(&before));
        assert_eq!(shown["families"]["a_total"]["samples"][0]["value"], 3.0);
        assert_eq!(shown["families"]["h"]["samples"], json!([]));
    }

    #[test]
    fn what_prometheus_would_refuse_is_refused() {
        for (from, to) in [
            ("h_count 2\n", "h_count 2"),
            ("h_count 2", "h_count 3"),
            ("h_count 2", "h_count two"),
            ("le=\"+Inf\"} 2", "le=\"+Inf\"} 0"),
            ("h_sum 1.5e0\n", ""),
            ("counter", "count"),
            ("} 2\n# TYPE h", "} -2\n# TYPE h"),
            ("\\\\\"", "\\x\""),
            ("error_code", "action"),
            ("error_code", "error-code"),
            ("a_total{", "a-total{"),
            (
                "# TYPE h histogram\n",
                "# TYPE h histogram\na_total{action=\"y\"} 1\n",
            ),
            ("h_sum 1.5e0\n", "h_sum 1.5e0\nh_sum 1.5e0\n"),
            ("h_sum 1.5e0\n", "h_sum 1.5e0 now\n"),
            ("h_sum 1.5e0\n", "h_sum 1.5e0\r\n"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let bad = GOOD.replacen(from, to, 1);
            assert!(text(&bad).problem.is_some(), "{bad}");
        }
    }
}
