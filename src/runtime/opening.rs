//! What a client must send to open a session (`spec/sessions.md` section 1, `spec/observations.md` section 1).

use jiff::Timestamp;
use serde_json::Value;

use super::error::{Code, ErrorObject};
use super::parts::Parts;
use crate::diagnostic::Violation;
use crate::manifest::Manifest;

/// Steps of a session that names no limit.
pub const DEFAULT_MAX_STEPS: u64 = 10;

/// The highest limit of steps.
pub const HIGHEST_MAX_STEPS: u64 = 10_000;

/// The highest seed: integers beyond are not exact in every JSON reader.
const HIGHEST_SEED: u64 = (1 << 53) - 1;

/// Most flags of one session.
const MOST_FLAGS: usize = 1000;

/// A well-formed request for a session.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// The goal as given.
    pub goal: Value,
    /// The observation as given.
    pub observation: Value,
    /// The limit of steps.
    pub max_steps: u64,
    /// The reference of the manifest.
    pub manifest: Option<String>,
    /// The flags, if given.
    pub flags: Option<Vec<String>>,
    /// The seed, if given.
    pub seed: Option<u64>,
}

/// Reads the body of `POST /sessions`.
///
/// # Errors
/// `unsupported_protocol_version`, or `invalid_request` with every violation.
pub fn read(parts: &dyn Parts, body: &Value) -> Result<Wanted, ErrorObject> {
    let mut found = Vec::new();
    check_version_member(parts, body, &mut found)?;
    found.extend(parts.check_goal(body.get("goal")));
    found.extend(match body.get("observation") {
        Some(observation) => parts.check_observation(observation),
        None => vec![Violation::new("", "required", "`observation` is missing")],
    });
    let max_steps = parts
        .read_max_steps(body.get("max_steps"))
        .unwrap_or_else(|violation| {
            found.push(violation);
            0
        });
    let flags = parts
        .read_flags(body.get("flags"))
        .unwrap_or_else(|violation| {
            found.push(violation);
            None
        });
    let seed = body
        .get("seed")
        .map(|seed| seed.as_u64().filter(|seed| *seed <= HIGHEST_SEED));
    if seed == Some(None) {
        found.push(Violation::new(
            "/seed",
            "type",
            "`seed` is an integer from 0 to 2^53 - 1",
        ));
    }
    let manifest = body.get("manifest").map(Value::as_str);
    if manifest == Some(None) {
        found.push(Violation::new(
            "/manifest",
            "type",
            "`manifest` is a string: name@version, or a name",
        ));
    }
    if !found.is_empty() {
        return Err(
            ErrorObject::new(Code::InvalidRequest, "the body does not describe a session")
                .with_violations(&found),
        );
    }
    let given = |name: &str| body.get(name).cloned().unwrap_or_default();
    Ok(Wanted {
        goal: given("goal"),
        observation: given("observation"),
        max_steps,
        manifest: manifest.flatten().map(str::to_owned),
        flags,
        seed: seed.flatten(),
    })
}

fn check_version_member(
    parts: &dyn Parts,
    body: &Value,
    found: &mut Vec<Violation>,
) -> Result<(), ErrorObject> {
    for name in ["protocol_version", "protocolVersion"] {
        match body.get(name) {
            None => {}
            Some(Value::String(version)) if well_formed_version(version) => {
                parts.check_protocol_version(version)?
            }
            Some(_) => found.push(Violation::new(
                format!("/{name}"),
                "pattern",
                format!("`{name}` is like \"2.0\""),
            )),
        }
    }
    let (one, other) = (body.get("protocol_version"), body.get("protocolVersion"));
    if one.is_some() && other.is_some() && one != other {
        found.push(Violation::new(
            "/protocolVersion",
            "const",
            "`protocol_version` and `protocolVersion` differ; send one of them",
        ));
    }
    Ok(())
}

fn well_formed_version(version: &str) -> bool {
    let numbers: Vec<&str> = version.split('.').collect();
    let number = |part: &&str| {
        !part.is_empty() && part.len() <= 9 && part.bytes().all(|b| b.is_ascii_digit())
    };
    numbers.len() == 2 && numbers.iter().all(number)
}

/// Refuses another major version of the protocol.
///
/// # Errors
/// `unsupported_protocol_version`.
pub fn check_protocol_version(version: &str) -> Result<(), ErrorObject> {
    if version
        .split('.')
        .next()
        .and_then(|major| major.parse::<u64>().ok())
        == Some(2)
    {
        return Ok(());
    }
    Err(ErrorObject::new(
        Code::UnsupportedProtocolVersion,
        "this runtime speaks version 2.0 of the protocol",
    ))
}

/// What is wrong with a goal.
pub fn check_goal(goal: Option<&Value>) -> Vec<Violation> {
    let Some(goal) = goal else {
        return vec![Violation::new("", "required", "`goal` is missing")];
    };
    let Value::Object(members) = goal else {
        return vec![Violation::new("/goal", "type", "`goal` is an object")];
    };
    let mut found = Vec::new();
    match members.get("description") {
        None => found.push(Violation::new(
            "/goal",
            "required",
            "`description` is missing",
        )),
        Some(Value::String(text)) if text.is_empty() => {
            found.push(Violation::new(
                "/goal/description",
                "minLength",
                "`description` is empty",
            ));
        }
        Some(Value::String(_)) => {}
        Some(_) => found.push(Violation::new(
            "/goal/description",
            "type",
            "`description` is a string",
        )),
    }
    if members
        .get("intent")
        .is_some_and(|intent| !intent.is_string())
    {
        found.push(Violation::new(
            "/goal/intent",
            "type",
            "`intent` is a string",
        ));
    }
    found
}

/// What is wrong with an initial observation; pointers lead into the body.
pub fn check_observation(observation: &Value) -> Vec<Violation> {
    let at = "/observation";
    let Value::Object(members) = observation else {
        return vec![Violation::new(at, "type", "`observation` is an object")];
    };
    let mut found = Vec::new();
    match members.get("timestamp") {
        None => found.push(Violation::new(at, "required", "`timestamp` is missing")),
        Some(Value::String(time)) if is_date_time(time) => {}
        Some(Value::String(_)) => {
            found.push(Violation::new(
                "/observation/timestamp",
                "format",
                "`timestamp` is a date-time of RFC 3339",
            ));
        }
        Some(_) => found.push(Violation::new(
            "/observation/timestamp",
            "type",
            "`timestamp` is a string",
        )),
    }
    match members.get("user_context") {
        None => found.push(Violation::new(at, "required", "`user_context` is missing")),
        Some(context) => check_user_context(context, &mut found),
    }
    match members.get("environment") {
        None => found.push(Violation::new(at, "required", "`environment` is missing")),
        Some(Value::Object(_)) => {}
        Some(_) => found.push(Violation::new(
            "/observation/environment",
            "type",
            "`environment` is an object",
        )),
    }
    for own in ["last_result", "step"] {
        if members.contains_key(own) {
            let message = format!("`{own}` is set by the runtime; leave it out");
            found.push(Violation::new(
                format!("/observation/{own}"),
                "runtime_member",
                message,
            ));
        }
    }
    found
}

fn check_user_context(context: &Value, found: &mut Vec<Violation>) {
    let at = "/observation/user_context";
    let Value::Object(members) = context else {
        found.push(Violation::new(at, "type", "`user_context` is an object"));
        return;
    };
    match members.get("user_id") {
        None => found.push(Violation::new(at, "required", "`user_id` is missing")),
        Some(Value::String(id)) if !id.is_empty() => {}
        Some(_) => found.push(Violation::new(
            format!("{at}/user_id"),
            "type",
            "`user_id` is a string, not empty",
        )),
    }
    match members.get("preferences") {
        None => found.push(Violation::new(at, "required", "`preferences` is missing")),
        Some(Value::Object(_)) => {}
        Some(_) => found.push(Violation::new(
            format!("{at}/preferences"),
            "type",
            "`preferences` is an object",
        )),
    }
}

/// A date-time of RFC 3339: `jiff` reads more than that, so the form is looked at too.
fn is_date_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits = |range: std::ops::Range<usize>| {
        bytes
            .get(range)
            .is_some_and(|part| part.iter().all(u8::is_ascii_digit))
    };
    let mark =
        |index: usize, allowed: &[u8]| bytes.get(index).is_some_and(|byte| allowed.contains(byte));
    let form = digits(0..4)
        && mark(4, b"-")
        && digits(5..7)
        && mark(7, b"-")
        && digits(8..10)
        && mark(10, b"Tt ")
        && digits(11..13)
        && mark(13, b":")
        && digits(14..16)
        && mark(16, b":")
        && digits(17..19);
    let Some(zone) = bytes.get(19..).filter(|_| form) else {
        return false;
    };
    let fraction = match zone {
        [b'.', rest @ ..] => 1 + rest.iter().take_while(|byte| byte.is_ascii_digit()).count(),
        _ => 0,
    };
    let zone = zone.get(fraction..).unwrap_or_default();
    let zoned = match zone {
        [b'Z' | b'z'] => true,
        [b'+' | b'-', hours @ ..] => {
            matches!(hours, [a, b, b':', c, d] if [a, b, c, d].iter().all(|byte| byte.is_ascii_digit()))
        }
        _ => false,
    };
    zoned && fraction != 1 && (text.parse::<Timestamp>().is_ok() || is_leap_second(text))
}

/// RFC 3339 allows the second 60, which no clock of ours has.
fn is_leap_second(text: &str) -> bool {
    let minute = text.get(..17).unwrap_or_default();
    let rest = text.get(19..).unwrap_or_default();
    text.get(17..19) == Some("60") && format!("{minute}59{rest}").parse::<Timestamp>().is_ok()
}

/// The limit of steps.
///
/// # Errors
/// A violation for anything but an integer from 1 to 10000.
pub fn read_max_steps(given: Option<&Value>) -> Result<u64, Violation> {
    let Some(given) = given else {
        return Ok(DEFAULT_MAX_STEPS);
    };
    // 5.0 is an integer to JSON Schema, so it is one here.
    let integer = given.as_u64().or_else(|| match given.as_f64() {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole and in range"
        )]
        Some(number) if number.fract() == 0.0 && (1.0..=10_000.0).contains(&number) => {
            Some(number as u64)
        }
        _ => None,
    });
    integer
        .filter(|steps| (1..=HIGHEST_MAX_STEPS).contains(steps))
        .ok_or_else(|| {
            Violation::new(
                "/max_steps",
                "type",
                "`max_steps` is an integer from 1 to 10000",
            )
        })
}

/// The flags, if there are some.
///
/// # Errors
/// A violation for anything but an array of strings.
pub fn read_flags(given: Option<&Value>) -> Result<Option<Vec<String>>, Violation> {
    let Some(given) = given else {
        return Ok(None);
    };
    let elements = given
        .as_array()
        .filter(|elements| elements.len() <= MOST_FLAGS)
        .ok_or_else(|| {
            Violation::new(
                "/flags",
                "type",
                "`flags` is an array of at most 1000 strings",
            )
        })?;
    elements
        .iter()
        .enumerate()
        .map(|(index, flag)| {
            flag.as_str().map(str::to_owned).ok_or_else(|| {
                Violation::new(format!("/flags/{index}"), "type", "a flag is a string")
            })
        })
        .collect::<Result<Vec<_>, _>>()
        .map(Some)
}

/// Refuses a goal whose intent the manifest does not declare.
///
/// # Errors
/// `intent_not_found`.
pub fn check_intent(manifest: &Manifest, goal: &Value) -> Result<(), ErrorObject> {
    match goal.get("intent").and_then(Value::as_str) {
        Some(intent) if manifest.intent(intent).is_none() => Err(ErrorObject::new(
            Code::IntentNotFound,
            format!("the manifest `{}` has no such intent", manifest.name),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::parts::Reference;
    use super::*;
    use serde_json::json;

    fn body() -> Value {
        json!({"goal": {"description": "d"},
               "observation": {"timestamp": "2026-03-28T14:00:00Z", "user_context": {"user_id": "U", "preferences": {}}, "environment": {}}})
    }

    fn places(pointer: &str, value: Value) -> Vec<String> {
        let mut body = body();
        if let Some((parent, name)) = pointer.rsplit_once('/')
            && let Some(Value::Object(members)) = body.pointer_mut(parent)
        {
            members.insert(name.to_owned(), value);
        }
        match read(&Reference, &body) {
            Ok(_) => vec!["read".to_owned()],
            Err(error) if error.code == Code::InvalidRequest => error.details["violations"]
                .as_array()
                .map(|all| {
                    all.iter()
                        .filter_map(|v| v["pointer"].as_str().map(str::to_owned))
                        .collect()
                })
                .unwrap_or_default(),
            Err(error) => vec![error.code.name().to_owned()],
        }
    }

    #[test]
    fn defaults_and_optional_members() {
        let wanted = read(&Reference, &body()).expect("well-formed");
        assert_eq!(
            (wanted.max_steps, wanted.flags, wanted.seed, wanted.manifest),
            (10, None, None, None)
        );
        assert_eq!(places("/max_steps", json!(10000)), ["read"]);
        assert_eq!(places("/extra", json!(1)), ["read"]);
        assert_eq!(places("/protocolVersion", json!("2.7")), ["read"]);
    }

    #[test]
    fn every_member_is_checked_with_its_place() {
        for (pointer, value) in [
            ("/max_steps", json!(null)),
            ("/max_steps", json!(0)),
            ("/max_steps", json!(-1)),
            ("/max_steps", json!(1.5)),
            ("/max_steps", json!(10001)),
            ("/max_steps", json!("5")),
            ("/max_steps", json!(true)),
            ("/goal", json!("x")),
            ("/goal/description", json!("")),
            ("/goal/description", json!(1)),
            ("/goal/intent", json!(1)),
            ("/observation", json!([])),
            ("/observation/timestamp", json!("yesterday")),
            ("/observation/timestamp", json!("2026-03-28")),
            ("/observation/timestamp", json!("2026-03-28T14:00:00")),
            ("/observation/timestamp", json!("2026-13-28T14:00:00Z")),
            ("/observation/timestamp", json!(1)),
            ("/observation/user_context", json!(1)),
            ("/observation/user_context/user_id", json!("")),
            ("/observation/user_context/preferences", json!([])),
            ("/observation/environment", json!([])),
            ("/observation/last_result", json!(null)),
            ("/observation/step", json!(0)),
            ("/flags", json!("beta")),
            ("/seed", json!(-1)),
            ("/manifest", json!(1)),
            ("/protocol_version", json!(2)),
            ("/protocol_version", json!("two")),
        ] {
            assert_eq!(places(pointer, value.clone()), [pointer], "{value}");
        }
        assert_eq!(places("/flags", json!(["a", 1])), ["/flags/1"]);
        assert_eq!(
            places("/protocol_version", json!("3.0")),
            ["unsupported_protocol_version"]
        );
        let empty = read(&Reference, &json!({})).expect_err("refused");
        assert_eq!(
            empty.details["violations"].as_array().map(Vec::len),
            Some(2)
        );
    }

    #[test]
    fn date_times_are_those_of_rfc_3339() {
        for good in [
            "2026-03-28T14:00:00Z",
            "2026-03-28t14:00:00.123456789z",
            "2026-03-28T14:00:00-07:00",
            "2016-12-31T23:59:60Z",
        ] {
            assert!(is_date_time(good), "{good}");
        }
        for bad in [
            "2026-03-28T14:00:00.Z",
            "2026-03-28T14:00:00+0700",
            "20260328T140000Z",
            "2026-03-28T25:00:00Z",
            "é026-03-28T14:00:00Z",
            "",
        ] {
            assert!(!is_date_time(bad), "{bad}");
        }
    }
}
