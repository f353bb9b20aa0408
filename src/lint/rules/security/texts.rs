//! Every value of a document with the way to it.

use serde_json::{Map, Value};

use crate::json;

/// A step on the way to a value.
#[derive(Clone, Copy)]
enum Token<'v> {
    Name(&'v str),
    Index(usize),
}

/// Where a value stands; written out only where something is found.
pub(in crate::lint::rules) struct Place<'v, 't> {
    up: Option<&'t Place<'v, 't>>,
    token: Option<Token<'v>>,
    siblings: Option<&'v Map<String, Value>>,
}

impl<'v> Place<'v, '_> {
    /// The pointer to it.
    pub(in crate::lint::rules) fn pointer(&self) -> String {
        let up = self.up.map(Place::pointer).unwrap_or_default();
        match self.token {
            None => up,
            Some(Token::Name(name)) => json::push(&up, name),
            Some(Token::Index(index)) => json::push(&up, &index.to_string()),
        }
    }

    /// Its name, when it is a member and no element.
    pub(in crate::lint::rules) fn name(&self) -> Option<&'v str> {
        match self.token {
            Some(Token::Name(name)) => Some(name),
            _ => None,
        }
    }

    /// The members beside it, itself included, when it is a member.
    pub(in crate::lint::rules) fn siblings(&self) -> Option<&'v Map<String, Value>> {
        self.siblings
    }

    /// One of the names on the way, counted from the innermost, which is 0; elements are passed over.
    pub(in crate::lint::rules) fn nth_name(&self, n: usize) -> Option<&'v str> {
        match (self.name(), n, self.up) {
            (Some(name), 0, _) => Some(name),
            (Some(_), _, up) => up?.nth_name(n - 1),
            (None, _, up) => up?.nth_name(n),
        }
    }

    /// Whether one of the names on the way is among these.
    pub(in crate::lint::rules) fn is_under(&self, wanted: &[&str]) -> bool {
        self.name().is_some_and(|name| wanted.contains(&name))
            || self.up.is_some_and(|up| up.is_under(wanted))
    }
}

/// Visits every value, the outer before the inner. The depth is that of the document, which its reader has bounded.
pub(in crate::lint::rules) fn each<'v>(
    value: &'v Value,
    visit: &mut impl FnMut(&Place<'v, '_>, &'v Value),
) {
    let root = Place {
        up: None,
        token: None,
        siblings: None,
    };
    enter(&root, value, visit);
}

fn enter<'v>(
    place: &Place<'v, '_>,
    value: &'v Value,
    visit: &mut impl FnMut(&Place<'v, '_>, &'v Value),
) {
    visit(place, value);
    match value {
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                let place = Place {
                    up: Some(place),
                    token: Some(Token::Index(index)),
                    siblings: None,
                };
                enter(&place, element, visit);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                let place = Place {
                    up: Some(place),
                    token: Some(Token::Name(name)),
                    siblings: Some(members),
                };
                enter(&place, member, visit);
            }
        }
        _ => {}
    }
}
