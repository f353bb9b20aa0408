//! Keywords that are a number to stay above or below.

use std::cmp::Ordering;

use serde_json::{Map, Number, Value};

use super::{Here, Walk, number};

/// On which side of the number values lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Above a least number.
    Above,
    /// Below a greatest number.
    Below,
}

/// A limit and whether it is itself refused.
pub(super) struct Limit<'v> {
    pub number: &'v Number,
    pub exclusive: bool,
    keyword: &'static str,
}

impl<'v> Walk<'v, '_> {
    /// Compares a keyword that counts something; a least count that anything has is as good as none.
    pub(super) fn count(&mut self, here: &Here<'v, '_>, keyword: &str, kind: &str, side: Side) {
        let read = |value: Option<&'v Value>| {
            let number = value.and_then(|value| match value {
                Value::Number(number) => Some(number),
                _ => None,
            });
            number.filter(|number| side == Side::Below || number::double(number) > 0.0)
        };
        let (old, new) = here.get(keyword);
        match (read(old), read(new)) {
            (None, None) => {}
            (None, Some(new)) => {
                let message = format!("{keyword} is {new}");
                self.tell(&format!("{kind}_added"), here, keyword, message);
            }
            (Some(old), None) => {
                let message = format!("{keyword} was {old}");
                self.tell(&format!("{kind}_removed"), here, keyword, message);
            }
            (Some(old), Some(new)) => {
                let way = match number::order(old, new) {
                    Ordering::Less => "raised",
                    Ordering::Greater => "lowered",
                    Ordering::Equal => return,
                };
                let message = format!("{keyword} was {old} and is {new}");
                self.tell(&format!("{kind}_{way}"), here, keyword, message);
            }
        }
    }

    /// Compares `minimum` or `maximum` with its exclusive form: the stricter of the two counts.
    pub(super) fn limit(&mut self, here: &Here<'v, '_>, side: Side) {
        let kind = match side {
            Side::Above => "minimum",
            Side::Below => "maximum",
        };
        match (limit_of(here.old, side), limit_of(here.new, side)) {
            (None, None) => {}
            (None, Some(new)) => {
                let message = format!("{} is {}", new.keyword, new.number);
                self.tell(&format!("{kind}_added"), here, new.keyword, message);
            }
            (Some(old), None) => {
                let message = format!("{} was {}", old.keyword, old.number);
                self.tell(&format!("{kind}_removed"), here, old.keyword, message);
            }
            (Some(old), Some(new)) => {
                let way = match number::order(old.number, new.number) {
                    Ordering::Less => "raised",
                    Ordering::Greater => "lowered",
                    Ordering::Equal => match (old.exclusive, new.exclusive) {
                        (false, true) => "made_exclusive",
                        (true, false) => "made_inclusive",
                        _ => return,
                    },
                };
                let told = |limit: &Limit<'_>| match limit.exclusive {
                    true => format!("{} (not itself)", limit.number),
                    false => limit.number.to_string(),
                };
                let message = format!("the {kind} was {} and is {}", told(&old), told(&new));
                let mut at = here.at.member(kind);
                at.old = crate::json::push(&here.at.old, old.keyword);
                at.new = crate::json::push(&here.at.new, new.keyword);
                let kind = format!("{kind}_{way}");
                self.tell_at(&kind, &at, here.steps, here.schemas, message);
            }
        }
    }
}

/// The stricter of both forms of a limit.
pub(super) fn limit_of(keywords: &Map<String, Value>, side: Side) -> Option<Limit<'_>> {
    let (inclusive, exclusive) = match side {
        Side::Above => ("minimum", "exclusiveMinimum"),
        Side::Below => ("maximum", "exclusiveMaximum"),
    };
    let number = |keyword: &str| match keywords.get(keyword) {
        Some(Value::Number(number)) => Some(number),
        _ => None,
    };
    // In draft 4 the exclusive form is a mark on the other.
    let marked = keywords.get(exclusive).and_then(Value::as_bool) == Some(true);
    let plain = number(inclusive).map(|number| Limit {
        number,
        exclusive: marked,
        keyword: inclusive,
    });
    let strict = number(exclusive).map(|number| Limit {
        number,
        exclusive: true,
        keyword: exclusive,
    });
    match (plain, strict) {
        (Some(plain), Some(strict)) => {
            let order = number::order(strict.number, plain.number);
            let looser = match side {
                Side::Above => Ordering::Less,
                Side::Below => Ordering::Greater,
            };
            Some(if order == looser { plain } else { strict })
        }
        (plain, strict) => plain.or(strict),
    }
}
