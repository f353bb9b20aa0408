//! Mutants of `spec/errors.md`: errors that say too little or too much, and requests that are let in.

use axum::http::{HeaderValue, Method};
use serde_json::{Map, Value, json};

use super::Mutant;
use super::proxy::{Request, Response, Tamper};
use crate::json::{self, Duplicates, Limits, ReadError};
use crate::model::ModelFailure;
use crate::runtime::error::{Code, ErrorObject};
use crate::runtime::{Answer, Parts, wire};

/// All mutants of this section.
pub fn mutants() -> Vec<Mutant> {
    let mut all = objects();
    all.extend(bodies());
    all.extend(paths());
    all
}

/// A mutant whose errors look otherwise, in answers or in results.
fn errors(
    name: &'static str,
    requirement: &'static str,
    behaviour: &'static str,
    (answers, results): (bool, bool),
    change: fn(&ErrorObject) -> Value,
) -> Mutant {
    struct Errors {
        answers: bool,
        results: bool,
        change: fn(&ErrorObject) -> Value,
    }
    impl Parts for Errors {
        fn error_answer(&self, error: &ErrorObject) -> Value {
            if self.answers {
                (self.change)(error)
            } else {
                error.to_value()
            }
        }
        fn error_object(&self, error: &ErrorObject) -> Value {
            if self.results {
                (self.change)(error)
            } else {
                error.to_value()
            }
        }
    }
    let part = Errors {
        answers,
        results,
        change,
    };
    Mutant::part(name, requirement, behaviour, part).rewriting()
}

const ANSWERS: (bool, bool) = (true, false);
const RESULTS: (bool, bool) = (false, true);

fn objects() -> Vec<Mutant> {
    vec![
        errors(
            "errors-are-sentences",
            "ERR-001",
            "Answers errors with a sentence instead of an object.",
            ANSWERS,
            |error| Value::from(error.message.clone()),
        ),
        errors(
            "errors-without-a-message",
            "ERR-002",
            "Leaves the message of an error empty.",
            ANSWERS,
            |error| with(error, "message", json!("")),
        ),
        errors(
            "results-fail-with-a-code-alone",
            "ERR-002",
            "Gives a failed result nothing but the code of its error.",
            RESULTS,
            |error| json!({"errorCode": error.code.name()}),
        ),
        Mutant::part(
            "every-error-is-a-400",
            "ERR-003",
            "Answers every error with 400.",
            Alike,
        )
        .rewriting(),
        errors(
            "nothing-is-worth-another-try",
            "ERR-004",
            "Says of every error that trying again is in vain.",
            RESULTS,
            |error| with(error, "retryable", json!(false)),
        ),
        errors(
            "everything-is-worth-another-try",
            "ERR-004",
            "Says of every error that trying again helps.",
            ANSWERS,
            |error| with(error, "retryable", json!(true)),
        ),
        errors(
            "answers-tell-their-source",
            "ERR-005",
            "Puts the place in its own source into the messages of its answers.",
            ANSWERS,
            |error| {
                with(
                    error,
                    "message",
                    json!(format!("{} (src/runtime/error.rs:41)", error.message)),
                )
            },
        ),
        errors(
            "results-tell-their-source",
            "ERR-005",
            "Puts the place in its own source into the messages of results.",
            RESULTS,
            |error| {
                with(
                    error,
                    "message",
                    json!(format!("{} (src/runtime/error.rs:41)", error.message)),
                )
            },
        ),
        errors(
            "does-not-say-which-member",
            "ERR-012",
            "Says that a request is wrong and not where.",
            ANSWERS,
            |error| ErrorObject::new(error.code, error.message.clone()).to_value(),
        ),
        Mutant::part(
            "keeps-the-time-to-itself",
            "ERR-018",
            "Does not say when to come again although the model has said so.",
            Timeless,
        ),
    ]
}

fn with(error: &ErrorObject, member: &str, value: Value) -> Value {
    let mut object = error.to_value();
    object[member] = value;
    object
}

struct Alike;

impl Parts for Alike {
    fn finish_answer(&self, _: &str, mut answer: Answer) -> Answer {
        if answer.status >= 400 {
            answer.status = 400;
        }
        answer
    }
}

struct Timeless;

impl Parts for Timeless {
    fn model_failure_answer(&self, failure: &ModelFailure) -> Answer {
        let mut answer = wire::model_failure_answer(failure);
        answer.headers.clear();
        answer
    }
}

/// A mutant that reads bodies which the reference refuses.
fn reader(
    name: &'static str,
    requirement: &'static str,
    behaviour: &'static str,
    read: fn(&[u8], ReadError) -> Result<Value, ReadError>,
) -> Mutant {
    struct Reader(fn(&[u8], ReadError) -> Result<Value, ReadError>);
    impl Parts for Reader {
        fn read_json(&self, bytes: &[u8]) -> Result<Value, ReadError> {
            json::read(bytes, &self.body_limits(), self.duplicate_keys())
                .or_else(|error| (self.0)(bytes, error))
        }
    }
    Mutant::part(name, requirement, behaviour, Reader(read))
}

fn bodies() -> Vec<Mutant> {
    vec![
        reader(
            "broken-json-is-an-empty-object",
            "ERR-006",
            "Takes a body that it cannot parse for an empty object.",
            |_, error| match error.code {
                "malformed_json" => Ok(Value::Object(Map::new())),
                _ => Err(error),
            },
        ),
        reader(
            "replaces-broken-characters",
            "ERR-007",
            "Reads a body that is not UTF-8 with other characters in the place of the broken ones.",
            |bytes, error| match error.code {
                "invalid_utf8" => {
                    let text = String::from_utf8_lossy(bytes);
                    json::read(text.as_bytes(), &Limits::DOCUMENT, Duplicates::Refuse)
                }
                _ => Err(error),
            },
        ),
        reader(
            "last-member-of-a-body-wins",
            "ERR-008",
            "Reads a member that stands twice in a body as its last one.",
            |bytes, error| match error.code {
                "duplicate_key" => json::read(bytes, &Limits::DOCUMENT, Duplicates::KeepLast),
                _ => Err(error),
            },
        ),
        Mutant::part(
            "reads-bodies-of-any-size",
            "ERR-009",
            "Reads bodies of more than 1 MiB.",
            Bounds(Limits {
                bytes: 64 << 20,
                depth: 64,
            }),
        ),
        Mutant::part(
            "reads-half-of-what-it-must",
            "ERR-009",
            "Refuses bodies of more than 512 KiB.",
            Bounds(Limits {
                bytes: 512 << 10,
                depth: 64,
            }),
        ),
        Mutant::part(
            "reads-bodies-of-any-depth",
            "ERR-010",
            "Reads bodies nested beyond 64 levels.",
            Bounds(Limits {
                bytes: 1 << 20,
                depth: usize::MAX,
            }),
        ),
        Mutant::part(
            "reads-any-media-type",
            "ERR-011",
            "Reads a body as JSON whatever it is announced as.",
            AnyType,
        ),
        Mutant::part(
            "wants-the-bare-media-type",
            "ERR-011",
            "Refuses application/json with a parameter or in capitals.",
            BareType,
        ),
        Mutant::part(
            "takes-any-json-for-an-object",
            "ERR-012",
            "Goes on with a body that is JSON and no object.",
            AnyShape,
        ),
        Mutant::part(
            "refuses-unknown-members",
            "ERR-013",
            "Refuses a body with members that it does not know.",
            Narrow,
        ),
        Mutant::proxy(
            "acts-before-it-reads",
            "ERR-014",
            "Carries a call on a session out before it looks at the body, and refuses it then.",
            Hasty,
        ),
    ]
}

struct Bounds(Limits);

impl Parts for Bounds {
    fn body_limits(&self) -> Limits {
        self.0
    }
}

struct AnyType;

impl Parts for AnyType {
    fn content_type_allowed(&self, _: Option<&str>) -> bool {
        true
    }
}

struct BareType;

impl Parts for BareType {
    fn content_type_allowed(&self, content_type: Option<&str>) -> bool {
        content_type == Some("application/json")
    }
}

struct AnyShape;

impl Parts for AnyShape {
    fn check_shape(&self, _: &Value) -> Result<(), ErrorObject> {
        Ok(())
    }
}

struct Narrow;

impl Parts for Narrow {
    fn check_shape(&self, value: &Value) -> Result<(), ErrorObject> {
        const KNOWN: [&str; 11] = [
            "goal",
            "observation",
            "max_steps",
            "manifest",
            "flags",
            "seed",
            "protocol_version",
            "protocolVersion",
            "requestId",
            "output",
            "decision",
        ];
        let strange = value
            .as_object()
            .is_some_and(|members| members.keys().any(|name| !KNOWN.contains(&name.as_str())));
        if strange {
            return Err(ErrorObject::new(
                Code::InvalidRequest,
                "the body has a member that nobody knows",
            ));
        }
        Ok(())
    }
}

/// The header by which a call that was mended is known again.
const MENDED: &str = "x-mended";

struct Hasty;

impl Tamper for Hasty {
    fn request(&self, request: &mut Request) {
        let call = request.is(Method::POST, "/sessions/*/step")
            || request.is(Method::POST, "/sessions/*/close");
        let typed = request
            .headers
            .get("content-type")
            .is_none_or(|kind| kind == "application/json");
        let object =
            serde_json::from_slice::<Value>(&request.body).is_ok_and(|body| body.is_object());
        if call && !request.body.is_empty() && !(typed && object) {
            request.body = "{}".into();
            let kind = if typed { "400" } else { "415" };
            request
                .headers
                .insert("content-type", HeaderValue::from_static("application/json"));
            request
                .headers
                .insert(MENDED, HeaderValue::from_static(kind));
        }
    }

    fn response(&self, request: &Request, response: &mut Response) {
        let Some(kind) = request.headers.get(MENDED) else {
            return;
        };
        let (status, code) = if kind == "415" {
            (415, "unsupported_media_type")
        } else {
            (400, "malformed_json")
        };
        response.status = status;
        response.body = json!({"errorCode": code, "message": "not like this", "retryable": false})
            .to_string()
            .into();
    }
}

fn paths() -> Vec<Mutant> {
    vec![
        Mutant::proxy(
            "every-path-is-healthy",
            "ERR-015",
            "Answers a path that it does not know as if its health had been asked for.",
            Healthy,
        ),
        Mutant::proxy(
            "looks-at-the-beginning-of-a-path",
            "ERR-015",
            "Takes a path that begins like a step call for a step call.",
            Prefix,
        ),
        Mutant::proxy(
            "any-method-will-do",
            "ERR-016",
            "Takes a method that a path does not have for the one that it has.",
            AnyMethod,
        ),
        Mutant::proxy(
            "hides-the-allowed-methods",
            "ERR-017",
            "Answers 405 without saying which methods there are.",
            Hides,
        )
        .rewriting(),
    ]
}

/// The calls of the protocol and their methods.
const CALLS: [(&str, &[Method]); 9] = [
    ("/healthz", &[Method::GET]),
    ("/capabilities", &[Method::GET]),
    ("/manifests", &[Method::GET, Method::POST]),
    ("/manifests/*", &[Method::GET, Method::DELETE]),
    ("/sessions", &[Method::POST]),
    ("/sessions/*", &[Method::GET]),
    ("/sessions/*/step", &[Method::POST]),
    ("/sessions/*/close", &[Method::POST]),
    ("/sessions/*/transcript", &[Method::GET]),
];

/// The methods of the call that a path stands for.
fn methods(request: &Request) -> Option<&'static [Method]> {
    let of_path = |pattern: &str| request.is(request.method.clone(), pattern);
    if of_path("/sessions/*/interventions/*") {
        return Some(&[Method::POST]);
    }
    CALLS
        .iter()
        .find(|(pattern, _)| of_path(pattern))
        .map(|(_, methods)| *methods)
}

struct Healthy;

impl Tamper for Healthy {
    fn request(&self, request: &mut Request) {
        if methods(request).is_none() {
            request.method = Method::GET;
            request.path = "/healthz".to_owned();
        }
    }
}

struct Prefix;

impl Tamper for Prefix {
    fn request(&self, request: &mut Request) {
        if methods(request).is_none()
            && let Some(at) = request.path.find("/step")
        {
            request.path.truncate(at + "/step".len());
        }
    }
}

struct AnyMethod;

impl Tamper for AnyMethod {
    fn request(&self, request: &mut Request) {
        if let Some(methods) = methods(request)
            && !methods.contains(&request.method)
            && let Some(method) = methods.last()
        {
            request.method = method.clone();
        }
    }
}

struct Hides;

impl Tamper for Hides {
    fn response(&self, _: &Request, response: &mut Response) {
        if response.status == 405 {
            response.headers.remove("allow");
        }
    }
}
