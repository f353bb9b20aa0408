//! Keywords for arrays.

use serde_json::{Map, Value};

use super::bounds::Side;
use super::types::Types;
use super::{ANYTHING, Here, Step, Walk, further, under};

const KEYWORDS: [&str; 10] = [
    "minItems",
    "maxItems",
    "uniqueItems",
    "prefixItems",
    "items",
    "additionalItems",
    "contains",
    "minContains",
    "maxContains",
    "unevaluatedItems",
];

/// The schemas of the first elements with the keyword that has them, and that of all others with its keyword.
struct Elements<'v> {
    first: &'v [Value],
    of_first: &'static str,
    rest: &'v Value,
    of_rest: &'static str,
}

const UNEVALUATED: &str = "unevaluatedItems";

impl<'v> Elements<'v> {
    fn of(keywords: &'v Map<String, Value>) -> Self {
        let closed = || match keywords.get(UNEVALUATED) {
            Some(rest) => (rest, UNEVALUATED),
            None => (&ANYTHING, "items"),
        };
        // Up to 2019-09 an array of schemas stands under `items`.
        if let Some(Value::Array(first)) = keywords.get("items") {
            let (rest, of_rest) = match keywords.get("additionalItems") {
                Some(rest) => (rest, "additionalItems"),
                None => closed(),
            };
            return Self {
                first,
                of_first: "items",
                rest,
                of_rest,
            };
        }
        let first = keywords.get("prefixItems").and_then(Value::as_array);
        let (rest, of_rest) = match keywords.get("items") {
            Some(rest) => (rest, "items"),
            None => closed(),
        };
        Self {
            first: first.map_or(&[], Vec::as_slice),
            of_first: "prefixItems",
            rest,
            of_rest,
        }
    }

    /// Whether a keyword other than `unevaluatedItems` judges the others, so that none is left for it.
    fn leaves_none(&self, keywords: &Map<String, Value>) -> bool {
        self.of_rest != UNEVALUATED && keywords.contains_key(self.of_rest)
    }
}

/// What became of `unevaluatedItems` or `unevaluatedProperties`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unevaluated {
    /// It is the same.
    Same,
    /// What no other keyword knows is refused now.
    Closed,
    /// It is not refused any more.
    Opened,
    /// It is judged by another schema.
    Other,
}

impl<'v> Walk<'v, '_> {
    pub(super) fn arrays(&mut self, here: &Here<'v, '_>) {
        if !self.matters(here, Types::ARRAY, &KEYWORDS) {
            return;
        }
        self.count(here, "minItems", "min_items", Side::Above);
        self.count(here, "maxItems", "max_items", Side::Below);
        let unique = |keywords: &Map<String, Value>| {
            keywords.get("uniqueItems").and_then(Value::as_bool) == Some(true)
        };
        match (unique(here.old), unique(here.new)) {
            (false, true) => {
                let message = "no element may stand twice";
                self.tell("unique_items_added", here, "uniqueItems", message);
            }
            (true, false) => {
                let message = "an element may stand twice";
                self.tell("unique_items_removed", here, "uniqueItems", message);
            }
            _ => {}
        }
        self.elements(here);
        self.contains(here);
    }

    fn elements(&mut self, here: &Here<'v, '_>) {
        let (old, new) = (Elements::of(here.old), Elements::of(here.new));
        let most = old.first.len().max(new.first.len());
        for index in 0..most {
            let (was, is) = (old.first.get(index), new.first.get(index));
            let mut at = here.at.member("prefixItems").called(&index.to_string());
            at.old = match was {
                Some(_) => format!("{}/{}/{index}", here.at.old, old.of_first),
                None => format!("{}/{}", here.at.old, old.of_rest),
            };
            at.new = match is {
                Some(_) => format!("{}/{}/{index}", here.at.new, new.of_first),
                None => format!("{}/{}", here.at.new, new.of_rest),
            };
            let (kind, message) = match (was, is) {
                (None, _) => ("prefix_item_added", "this element has a schema of its own"),
                (_, None) => (
                    "prefix_item_removed",
                    "this element has no schema of its own any more",
                ),
                _ => ("", ""),
            };
            if !kind.is_empty() {
                self.tell_at(kind, &at, here.steps, here.schemas, message);
            }
            let steps = further(here.steps, Step::Element(index));
            self.pair(was.unwrap_or(old.rest), is.unwrap_or(new.rest), &at, &steps);
        }
        let mut at = here.at.member("items");
        at.old = format!("{}/{}", here.at.old, old.of_rest);
        at.new = format!("{}/{}", here.at.new, new.of_rest);
        let steps = further(here.steps, Step::Element(most));
        if old.of_rest != UNEVALUATED && new.of_rest != UNEVALUATED {
            self.without_effect(here, UNEVALUATED);
            return self.pair(old.rest, new.rest, &at, &steps);
        }
        let one_leaves_none = old.leaves_none(here.old) || new.leaves_none(here.new);
        let message =
            "which elements are left for unevaluatedItems, or how they are judged, differs";
        match self.unevaluated(here, UNEVALUATED) {
            _ if one_leaves_none && here.applies_in_place() => {
                self.tell("schema_unproven", here, UNEVALUATED, message);
            }
            _ if one_leaves_none => self.pair(old.rest, new.rest, &at, &steps),
            Unevaluated::Same => {}
            Unevaluated::Closed => {
                let message = "what is not declared is refused";
                self.tell("unevaluated_items_closed", here, UNEVALUATED, message);
            }
            Unevaluated::Opened => {
                let message = "what is not declared is accepted";
                self.tell("unevaluated_items_opened", here, UNEVALUATED, message);
            }
            Unevaluated::Other if here.applies_in_place() => {
                self.tell("schema_unproven", here, UNEVALUATED, message);
            }
            Unevaluated::Other => self.pair(old.rest, new.rest, &at, &steps),
        }
    }

    fn contains(&mut self, here: &Here<'v, '_>) {
        let keyword = "contains";
        let (old, new) = match here.get(keyword) {
            (None, None) => return,
            (None, Some(_)) => {
                let message = "an array must hold a certain element";
                return self.tell("contains_added", here, keyword, message);
            }
            (Some(_), None) => {
                let message = "an array need not hold a certain element any more";
                return self.tell("contains_removed", here, keyword, message);
            }
            (Some(old), Some(new)) => (old, new),
        };
        let least = |keywords: &Map<String, Value>| match keywords.get("minContains") {
            Some(Value::Number(number)) => super::number::double(number),
            _ => 1.0,
        };
        let (was, is) = (least(here.old), least(here.new));
        if was != is {
            let kind = match is > was {
                true => "min_contains_raised",
                false => "min_contains_lowered",
            };
            let message = format!("minContains was {was} and is {is}");
            self.tell(kind, here, "minContains", message);
        }
        self.count(here, "maxContains", "max_contains", Side::Below);
        let most = here.old.contains_key("maxContains") || here.new.contains_key("maxContains");
        if !most {
            // The more elements count, the more arrays hold one.
            let at = here.at.member(keyword);
            self.pair(old, new, &at, &None);
        } else if !self.same(old, new) {
            let message = "which elements are counted differs, and they have a greatest number";
            self.tell("schema_unproven", here, keyword, message);
        }
    }

    /// What became of a keyword for what no other keyword knows, where no other takes its place.
    pub(super) fn unevaluated(&self, here: &Here<'v, '_>, keyword: &str) -> Unevaluated {
        let (old, new) = (under(here.old, keyword), under(here.new, keyword));
        match (old, new) {
            _ if self.same(old, new) => Unevaluated::Same,
            (_, Value::Bool(false)) => Unevaluated::Closed,
            (Value::Bool(false), _) => Unevaluated::Opened,
            _ => Unevaluated::Other,
        }
    }

    /// Tells of a keyword for what no other keyword knows, where another knows everything on both sides.
    pub(super) fn without_effect(&mut self, here: &Here<'v, '_>, keyword: &str) {
        if here.differs(keyword) {
            let message = format!("{keyword} differs, and other keywords leave nothing for it");
            self.tell("ineffective_keyword_changed", here, keyword, message);
        }
    }
}
