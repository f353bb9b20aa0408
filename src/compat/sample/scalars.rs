//! Numbers and texts that a schema may accept, or just not.

use serde_json::{Map, Number, Value};

use super::{LONGEST, count};
use crate::compat::pattern::guess;
use crate::compat::schema::number;
use crate::compat::schema::types::Types;

/// Texts of the formats that the protocol asserts, and of others.
const OF_FORMATS: [(&str, &str); 13] = [
    ("date-time", "2026-01-31T10:00:00Z"),
    ("date", "2026-01-31"),
    ("time", "10:00:00Z"),
    ("duration", "P1D"),
    ("email", "a@example.com"),
    ("hostname", "example.com"),
    ("ipv4", "192.0.2.1"),
    ("ipv6", "2001:db8::1"),
    ("uri", "https://example.com/"),
    ("uri-reference", "/a"),
    ("uuid", "123e4567-e89b-12d3-a456-426614174000"),
    ("json-pointer", "/a"),
    ("regex", "a"),
];

const TEXTS: [&str; 12] = [
    "a", "", "A", "0", "1", "abc", "ABC", "123", "a-b", "a_b", "abcdef", "a b",
];

/// Numbers at and around the bounds, those within them first.
pub(super) fn numbers(keywords: &Map<String, Value>, types: Types) -> Vec<Value> {
    let read = |keyword: &str| match keywords.get(keyword) {
        Some(Value::Number(number)) => Some(number.clone()),
        _ => None,
    };
    let least = [read("minimum"), read("exclusiveMinimum")];
    let most = [read("maximum"), read("exclusiveMaximum")];
    let multiple = read("multipleOf");
    let mut found: Vec<Number> = Vec::new();
    for border in least.iter().chain(&most).flatten() {
        match number::whole(border).and_then(|whole| i64::try_from(whole).ok()) {
            Some(whole) => {
                let near = [0, 1, -1]
                    .into_iter()
                    .filter_map(|step| whole.checked_add(step));
                found.extend(near.map(Number::from));
            }
            None => found.push(border.clone()),
        }
        if !types.within(Types::INTEGER) {
            let near = [0.5, -0.5].map(|step| number::double(border) + step);
            found.extend(near.into_iter().filter_map(Number::from_f64));
        }
    }
    found.extend([0, 1, -1, 2, 7].map(Number::from));
    if !types.within(Types::INTEGER) {
        found.extend(Number::from_f64(0.5));
    }
    if let Some(multiple) = &multiple {
        let start = least
            .iter()
            .flatten()
            .map(number::double)
            .fold(0.0, f64::max);
        let step = number::double(multiple);
        if step > 0.0 {
            let first = (start / step).ceil();
            for times in [first, first + 1.0, first + 2.0, first + 3.0] {
                let value = times * step;
                match value.fract() == 0.0 && value.abs() < 9e15 {
                    true => found.push(Number::from(value as i64)),
                    false => found.extend(Number::from_f64(value)),
                }
            }
        }
    }
    // Those within the bounds come first.
    let accepted = |value: &Number| {
        use std::cmp::Ordering::{Greater, Less};
        let order = |border: &Option<Number>| {
            let border = border.as_ref()?;
            Some(number::order(value, border))
        };
        order(&least[0]) != Some(Less)
            && !matches!(order(&least[1]), Some(order) if order != Greater)
            && order(&most[0]) != Some(Greater)
            && !matches!(order(&most[1]), Some(order) if order != Less)
            && multiple
                .as_ref()
                .is_none_or(|of| number::is_multiple(value, of))
    };
    let (mut good, bad): (Vec<Number>, Vec<Number>) = found.into_iter().partition(accepted);
    good.extend(bad);
    good.into_iter().map(Value::Number).collect()
}

/// Texts of the format, of the expression, and of lengths at and around the bounds.
pub(super) fn texts(keywords: &Map<String, Value>) -> Vec<String> {
    let least = count(keywords, "minLength");
    let most = match keywords.contains_key("maxLength") {
        true => count(keywords, "maxLength"),
        false => usize::MAX,
    };
    let mut found: Vec<String> = Vec::new();
    let format = keywords.get("format").and_then(Value::as_str);
    let of_format = OF_FORMATS.iter().filter(|(name, _)| Some(*name) == format);
    found.extend(of_format.map(|(_, text)| (*text).to_owned()));
    if let Some(pattern) = keywords.get("pattern").and_then(Value::as_str) {
        found.extend(guess(pattern));
    }
    let borders = [least, most, least.saturating_sub(1), least + 1];
    let borders = borders
        .into_iter()
        .chain([most.saturating_sub(1), most.saturating_add(1)]);
    let lengths = borders.filter(|length| *length > 0 && *length <= LONGEST);
    let built: Vec<String> = lengths.map(|length| "a".repeat(length)).collect();
    let fits = |text: &String| (least..=most).contains(&text.chars().count());
    let (good, bad): (Vec<String>, Vec<String>) = TEXTS
        .iter()
        .map(|text| (*text).to_owned())
        .chain(built)
        .partition(fits);
    found.extend(good);
    found.extend(bad);
    found.extend(OF_FORMATS.iter().map(|(_, text)| (*text).to_owned()));
    found
}
