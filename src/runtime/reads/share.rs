//! How calls become one request, and its reply theirs again.

use serde_json::{Map, Value};

use crate::manifest::Action;
use crate::runtime::error::{Code, ErrorObject};
use crate::runtime::held_bytes;
use crate::runtime::session::transcript::SideEffect;

/// Most calls that are joined.
pub const MOST_CALLS: usize = 100;

/// Most elements that joined calls send.
pub const MOST_ELEMENTS: usize = 1000;

/// Most bytes of memory of joined arguments.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// The arguments of the first with the elements of both.
pub fn joined(member: &str, arguments: &Value, more: &Value) -> Value {
    let mut both = arguments.clone();
    let added = more.get(member).and_then(Value::as_array);
    if let (Some(Value::Array(elements)), Some(added)) = (both.get_mut(member), added) {
        elements.extend(added.iter().cloned());
    }
    both
}

/// Whether so many calls with these joined arguments may be one request.
pub fn may_join(action: &Action, member: &str, calls: usize, arguments: &Value) -> bool {
    calls <= MOST_CALLS
        && elements(member, arguments) <= MOST_ELEMENTS
        && held_bytes(arguments) <= MOST_BYTES
        && action.input.is_valid(arguments)
}

/// The elements that arguments bring.
pub fn elements(member: &str, arguments: &Value) -> usize {
    arguments
        .get(member)
        .and_then(Value::as_array)
        .map_or(0, Vec::len)
}

/// What each call gets of the reply, by the number of elements that it brought; a failure is everybody's.
pub fn shares(
    result_member: Option<&str>,
    elements: &[usize],
    outcome: Result<Value, ErrorObject>,
) -> Vec<Result<Value, ErrorObject>> {
    match outcome.and_then(|reply| array(result_member, reply, elements.iter().sum())) {
        Ok(results) => {
            let mut results = results.into_iter();
            let own = elements.iter().map(|count| {
                let own: Vec<Value> = results.by_ref().take(*count).collect();
                Ok(wrapped(result_member, Value::Array(own)))
            });
            own.collect()
        }
        Err(error) => vec![Err(error); elements.len()],
    }
}

/// The array of a reply that has one element for each that was sent.
fn array(
    result_member: Option<&str>,
    mut reply: Value,
    sent: usize,
) -> Result<Vec<Value>, ErrorObject> {
    let found = match result_member {
        Some(member) => reply.get_mut(member).map(Value::take),
        None => Some(reply),
    };
    match found {
        Some(Value::Array(results)) if results.len() == sent => Ok(results),
        _ => Err(ErrorObject::new(
            Code::InvalidResponse,
            "the service's reply does not have one element for each that was sent",
        )),
    }
}

fn wrapped(result_member: Option<&str>, own: Value) -> Value {
    match result_member {
        Some(member) => Value::Object(Map::from_iter([(member.to_owned(), own)])),
        None => own,
    }
}

/// The requests that were sent, as effects of a step.
pub fn effects(sent: &[SideEffect], step_number: u64) -> Vec<SideEffect> {
    let own = |effect: &SideEffect| SideEffect {
        step_number: Some(step_number),
        ..effect.clone()
    };
    sent.iter().map(own).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::fixture::action;
    use serde_json::json;

    fn codes(shares: &[Result<Value, ErrorObject>]) -> Vec<Option<Code>> {
        let code = |share: &Result<Value, ErrorObject>| share.as_ref().err().map(|e| e.code);
        shares.iter().map(code).collect()
    }

    #[test]
    fn each_gets_its_own_elements_and_nothing_else() {
        let reply = json!({"of": "all", "out": [1, 2, 3]});
        let found = shares(Some("out"), &[1, 0, 2], Ok(reply));
        let found: Vec<Value> = found
            .into_iter()
            .map(|share| share.expect("a share"))
            .collect();
        assert_eq!(
            found,
            [
                json!({"out": [1]}),
                json!({"out": []}),
                json!({"out": [2, 3]})
            ]
        );
        let found = shares(None, &[1, 1], Ok(json!(["a", "b"])));
        assert_eq!(found, [Ok(json!(["a"])), Ok(json!(["b"]))]);
    }

    #[test]
    fn a_reply_that_cannot_be_taken_apart_and_a_failure_are_everybodys() {
        for reply in [
            json!({"out": [1]}),
            json!({"out": [1, 2, 3]}),
            json!({"out": {"0": 1}}),
            json!({}),
            json!([1, 2]),
            json!(null),
        ] {
            let found = shares(Some("out"), &[1, 1], Ok(reply));
            assert_eq!(codes(&found), [Some(Code::InvalidResponse); 2]);
        }
        let failed = ErrorObject::new(Code::UpstreamStatus, "no");
        let found = shares(None, &[1, 1, 1], Err(failed));
        assert_eq!(codes(&found), [Some(Code::UpstreamStatus); 3]);
    }

    #[test]
    fn arrays_stand_one_behind_the_other_within_bounds() {
        let both = joined(
            "ids",
            &json!({"ids": [1], "n": 1}),
            &json!({"n": 1, "ids": [2, 3]}),
        );
        assert_eq!(both, json!({"ids": [1, 2, 3], "n": 1}));
        let schema = json!({"input_schema": {"properties": {"ids": {"maxItems": 3}}}});
        let action = action("probe", &schema);
        assert!(may_join(&action, "ids", 2, &both));
        assert!(!may_join(&action, "ids", MOST_CALLS + 1, &both));
        let four = joined("ids", &both, &json!({"ids": [4]}));
        assert!(!may_join(&action, "ids", 2, &four));
        let many = json!({"x": vec![0; MOST_ELEMENTS + 1]});
        assert!(!may_join(&action, "x", 2, &many));
    }
}
