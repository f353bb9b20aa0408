//! Keywords for numbers and strings.

use serde_json::Value;

use super::bounds::Side;
use super::types::Types;
use super::{Here, Walk, number};
use crate::compat::shown;

impl<'v> Walk<'v, '_> {
    pub(super) fn numbers(&mut self, here: &Here<'v, '_>) {
        const KEYWORDS: [&str; 5] = [
            "minimum",
            "exclusiveMinimum",
            "maximum",
            "exclusiveMaximum",
            "multipleOf",
        ];
        if !self.matters(here, Types::NUMBER, &KEYWORDS) {
            return;
        }
        self.limit(here, Side::Above);
        self.limit(here, Side::Below);
        let keyword = "multipleOf";
        let read = |value: Option<&'v Value>| match value {
            Some(Value::Number(number)) => Some(number),
            _ => None,
        };
        let (old, new) = here.get(keyword);
        match (read(old), read(new)) {
            (None, None) => {}
            (None, Some(new)) => {
                let message = format!("numbers must be multiples of {new}");
                self.tell("multiple_of_added", here, keyword, message);
            }
            (Some(old), None) => {
                let message = format!("numbers need not be multiples of {old} any more");
                self.tell("multiple_of_removed", here, keyword, message);
            }
            (Some(old), Some(new)) => {
                let kind = match (number::is_multiple(new, old), number::is_multiple(old, new)) {
                    (true, true) => return,
                    (true, false) => "multiple_of_coarsened",
                    (false, true) => "multiple_of_refined",
                    (false, false) => "multiple_of_changed",
                };
                let message = format!("multipleOf was {old} and is {new}");
                self.tell(kind, here, keyword, message);
            }
        }
    }

    pub(super) fn strings(&mut self, here: &Here<'v, '_>) {
        const KEYWORDS: [&str; 4] = ["minLength", "maxLength", "pattern", "format"];
        if !self.matters(here, Types::STRING, &KEYWORDS) {
            return;
        }
        self.count(here, "minLength", "min_length", Side::Above);
        self.count(here, "maxLength", "max_length", Side::Below);
        for keyword in ["pattern", "format"] {
            if !here.differs(keyword) {
                continue;
            }
            let (kind, message) = match here.get(keyword) {
                (None, Some(new)) => ("added", format!("{keyword} is {}", shown(new))),
                (Some(old), None) => ("removed", format!("{keyword} was {}", shown(old))),
                (old, new) => {
                    let told = |value: Option<&Value>| value.map(shown).unwrap_or_default();
                    let message = format!("{keyword} was {} and is {}", told(old), told(new));
                    ("changed", message)
                }
            };
            self.tell(&format!("{keyword}_{kind}"), here, keyword, message);
        }
    }
}
