//! The same request with the same key runs once (`spec/idempotency.md`).

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::sync::{oneshot, watch};

use super::answer::Answer;
use super::error::{Code, ErrorObject};
use super::held::held_bytes;
use super::parts::Parts;
use crate::json;

/// How long an answer is kept.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// What a key is valid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keyed<'a> {
    /// Who calls.
    pub subject: &'a str,
    /// The HTTP method.
    pub method: &'a str,
    /// The path.
    pub path: &'a str,
    /// The key.
    pub key: &'a str,
}

/// The scope of a key as one text.
pub fn scope(keyed: &Keyed<'_>) -> String {
    // A list as JSON, so that no part can imitate the border between two.
    Value::from(vec![keyed.subject, keyed.method, keyed.path, keyed.key]).to_string()
}

/// What two requests with the same key are compared by: the body without `requestId`, in canonical form.
pub fn fingerprint(body: &Value) -> String {
    match body {
        Value::Object(members) if members.contains_key("requestId") => {
            let mut rest = members.clone();
            rest.remove("requestId");
            json::digest(&Value::Object(rest))
        }
        other => json::digest(other),
    }
}

/// Whether an answer is final, so that it may be repeated: 2xx but 202, and 4xx that another try cannot change.
pub fn storable(answer: &Answer) -> bool {
    match answer.status {
        202 | 401 | 409 | 429 => false,
        200..=299 => true,
        400..=499 => answer.body.get("retryable") != Some(&Value::Bool(true)),
        _ => false,
    }
}

/// The key of a request: the header or `requestId`, which must not differ.
///
/// # Errors
/// `invalid_request` for two different keys, or one that is not 1 to 255 printable ASCII characters.
pub fn key(
    header: Option<&str>,
    body_member: Option<&Value>,
) -> Result<Option<String>, ErrorObject> {
    let refuse = |message: &str| Err(ErrorObject::new(Code::InvalidRequest, message));
    let member = match body_member {
        None => None,
        Some(Value::String(key)) => Some(key.as_str()),
        Some(_) => return refuse("`requestId` is a string"),
    };
    for key in [header, member].into_iter().flatten() {
        if key.is_empty()
            || key.len() > 255
            || !key.bytes().all(|byte| (0x20..0x7f).contains(&byte))
        {
            return refuse("an idempotency key is 1 to 255 printable ASCII characters");
        }
    }
    match (header, member) {
        (Some(header), Some(member)) if header != member => {
            refuse("Idempotency-Key and requestId differ; send one key")
        }
        (header, member) => Ok(header.or(member).map(str::to_owned)),
    }
}

/// The refusal of a known key with another body.
pub fn conflict() -> ErrorObject {
    ErrorObject::new(
        Code::IdempotencyConflict,
        "the idempotency key was used with another body; use a new key",
    )
}

/// Remembers answers by key; bounded in number, bytes and time.
#[derive(Debug)]
pub struct Idempotency {
    book: Arc<Mutex<Book>>,
    most_entries: usize,
    most_bytes: usize,
}

#[derive(Debug, Default)]
struct Book {
    entries: HashMap<String, Entry>,
    order: VecDeque<(String, u64)>,
    bytes: usize,
    serial: u64,
}

#[derive(Debug)]
struct Entry {
    fingerprint: String,
    serial: u64,
    at: Timestamp,
    state: State,
}

#[derive(Debug)]
enum State {
    Running(watch::Receiver<Option<Answer>>),
    Done(Answer, usize),
}

/// How to go on with a keyed request.
#[derive(Debug)]
pub enum Admission {
    /// Run it and hand the answer to the ticket.
    Run(Ticket),
    /// Repeat this answer.
    Repeat(Answer),
    /// The same request is running; its answer comes here, or the sender goes away.
    Wait(watch::Receiver<Option<Answer>>),
    /// The key was used with another body.
    Conflict,
}

/// The right to run a keyed request; dropped without an answer it frees the key.
#[derive(Debug)]
pub struct Ticket {
    book: Arc<Mutex<Book>>,
    scope: String,
    fingerprint: String,
    serial: u64,
    sender: watch::Sender<Option<Answer>>,
    most_entries: usize,
    most_bytes: usize,
    /// Let go of when the ticket is.
    hold: Option<Hold>,
}

/// What keeps a key from being run by another process; whoever renews it is told when this is dropped.
#[derive(Debug)]
pub struct Hold(#[expect(dead_code, reason = "its end is what is told")] oneshot::Sender<()>);

impl Hold {
    /// A hold, and whom its end is told.
    pub fn new(told: oneshot::Sender<()>) -> Self {
        Self(told)
    }
}

impl Idempotency {
    /// An empty memory with these bounds.
    pub fn new(most_entries: usize, most_bytes: usize) -> Self {
        Self {
            book: Arc::default(),
            most_entries,
            most_bytes,
        }
    }

    /// Decides how a request with this scope and fingerprint goes on.
    pub fn admit(&self, scope: String, fingerprint: String, now: Timestamp) -> Admission {
        let mut book = lock(&self.book);
        book.forget_before(now - KEPT);
        if let Some(entry) = book.entries.get(&scope) {
            if entry.fingerprint != fingerprint {
                return Admission::Conflict;
            }
            return match &entry.state {
                State::Running(receiver) => Admission::Wait(receiver.clone()),
                State::Done(answer, _) => Admission::Repeat(answer.clone()),
            };
        }
        let (sender, receiver) = watch::channel(None);
        book.serial += 1;
        let serial = book.serial;
        let entry = Entry {
            fingerprint: fingerprint.clone(),
            serial,
            at: now,
            state: State::Running(receiver),
        };
        book.entries.insert(scope.clone(), entry);
        Admission::Run(Ticket {
            book: Arc::clone(&self.book),
            scope,
            fingerprint,
            serial,
            sender,
            most_entries: self.most_entries,
            most_bytes: self.most_bytes,
            hold: None,
        })
    }
}

impl Ticket {
    /// Has the key stay with this process as long as the ticket lives.
    pub fn keep_hold(&mut self, hold: Hold) {
        self.hold = Some(hold);
    }

    /// What the key is valid for, and what requests with it are compared by.
    pub fn place(&self) -> (&str, &str) {
        (&self.scope, &self.fingerprint)
    }

    /// Hands the answer to everybody who waits, and keeps it if it is final.
    pub fn complete(self, parts: &dyn Parts, answer: &Answer) {
        if parts.storable(answer) {
            let mut book = lock(&self.book);
            let weight = held_bytes(&answer.body) + self.scope.len() * 2 + 512;
            if let Some(entry) = book
                .entries
                .get_mut(&self.scope)
                .filter(|entry| entry.serial == self.serial)
            {
                entry.state = State::Done(answer.clone(), weight);
                book.bytes += weight;
                book.order.push_back((self.scope.clone(), self.serial));
            }
            book.shrink(self.most_entries, self.most_bytes);
        }
        self.sender.send_replace(Some(answer.clone()));
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut book = lock(&self.book);
        let running = book.entries.get(&self.scope).is_some_and(|entry| {
            entry.serial == self.serial && matches!(entry.state, State::Running(_))
        });
        if running {
            book.entries.remove(&self.scope);
        }
    }
}

impl Book {
    fn forget_before(&mut self, oldest: Timestamp) {
        while let Some((scope, serial)) = self.order.front() {
            let current = self
                .entries
                .get(scope)
                .filter(|entry| entry.serial == *serial);
            if current.is_some_and(|entry| entry.at >= oldest) {
                return;
            }
            self.forget_first();
        }
    }

    fn shrink(&mut self, most_entries: usize, most_bytes: usize) {
        while self.order.len() > most_entries || self.bytes > most_bytes {
            if !self.forget_first() {
                return;
            }
        }
    }

    fn forget_first(&mut self) -> bool {
        let Some((scope, serial)) = self.order.pop_front() else {
            return false;
        };
        if self
            .entries
            .get(&scope)
            .is_some_and(|entry| entry.serial == serial)
            && let Some(Entry {
                state: State::Done(_, weight),
                ..
            }) = self.entries.remove(&scope)
        {
            self.bytes = self.bytes.saturating_sub(weight);
        }
        true
    }
}

/// A panic elsewhere leaves the book whole: nothing in here panics half way.
fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::parts::Reference;
    use super::*;
    use serde_json::json;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn admit(memory: &Idempotency, key: &str, body: &Value) -> Admission {
        memory.admit(key.to_owned(), fingerprint(body), NOW)
    }

    fn run(memory: &Idempotency, key: &str, answer: &Answer) {
        match admit(memory, key, &json!({})) {
            Admission::Run(ticket) => ticket.complete(&Reference, answer),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_final_answer_is_repeated_and_another_body_is_a_conflict() {
        let memory = Idempotency::new(10, 1 << 20);
        let answer = Answer::ok(json!({"a": 1}));
        run(&memory, "k", &answer);
        assert!(
            matches!(admit(&memory, "k", &json!({"requestId": "k"})), Admission::Repeat(again) if again == answer)
        );
        assert!(matches!(
            admit(&memory, "k", &json!({"x": 1})),
            Admission::Conflict
        ));
        assert!(matches!(
            admit(&memory, "other", &json!({})),
            Admission::Run(_)
        ));
    }

    #[test]
    fn what_is_not_final_is_shared_with_those_who_wait_and_forgotten() {
        let memory = Idempotency::new(10, 1 << 20);
        let Admission::Run(ticket) = admit(&memory, "k", &json!({})) else {
            panic!("runs")
        };
        let Admission::Wait(receiver) = admit(&memory, "k", &json!({})) else {
            panic!("waits")
        };
        let busy = Answer::new(503, json!({"retryable": true}));
        ticket.complete(&Reference, &busy);
        assert_eq!(*receiver.borrow(), Some(busy));
        assert!(matches!(admit(&memory, "k", &json!({})), Admission::Run(_)));
    }

    #[test]
    fn a_ticket_that_is_dropped_frees_its_key() {
        let memory = Idempotency::new(10, 1 << 20);
        drop(admit(&memory, "k", &json!({})));
        assert!(matches!(admit(&memory, "k", &json!({})), Admission::Run(_)));
    }

    #[test]
    fn which_answers_are_final() {
        let error =
            |status, retryable| storable(&Answer::new(status, json!({"retryable": retryable})));
        assert!(
            error(200, false)
                && error(201, false)
                && error(400, false)
                && error(404, false)
                && error(422, false)
        );
        for (status, retryable) in [
            (202, false),
            (401, false),
            (409, false),
            (429, false),
            (500, false),
            (503, true),
            (422, true),
        ] {
            assert!(!error(status, retryable), "{status}");
        }
    }

    #[test]
    fn the_oldest_go_first_and_all_go_after_a_day() {
        let memory = Idempotency::new(2, 1 << 20);
        for key in ["a", "b", "c"] {
            run(&memory, key, &Answer::ok(json!({})));
        }
        assert!(matches!(admit(&memory, "a", &json!({})), Admission::Run(_)));
        assert!(matches!(
            admit(&memory, "c", &json!({})),
            Admission::Repeat(_)
        ));
        let later = NOW + SignedDuration::from_hours(25);
        assert!(matches!(
            memory.admit("c".to_owned(), fingerprint(&json!({})), later),
            Admission::Run(_)
        ));
        let small = Idempotency::new(100, 1500);
        for key in ["a", "b", "c"] {
            run(&small, key, &Answer::ok(json!("x".repeat(300))));
        }
        assert!(matches!(admit(&small, "a", &json!({})), Admission::Run(_)));
        assert!(matches!(
            admit(&small, "c", &json!({})),
            Admission::Repeat(_)
        ));
    }

    #[test]
    fn keys_come_from_header_or_body_and_must_agree() {
        let found = |header, member: Value| {
            key(header, (!member.is_null()).then_some(&member)).map_err(|e| e.code)
        };
        assert_eq!(found(Some("a"), json!(null)), Ok(Some("a".to_owned())));
        assert_eq!(found(None, json!("b")), Ok(Some("b".to_owned())));
        assert_eq!(found(Some("a"), json!("a")), Ok(Some("a".to_owned())));
        assert_eq!(found(None, json!(null)), Ok(None));
        for (header, member) in [
            (Some("a"), json!("b")),
            (None, json!(1)),
            (None, json!("")),
            (Some("é"), json!(null)),
            (None, json!("x".repeat(256))),
        ] {
            assert_eq!(found(header, member), Err(Code::InvalidRequest));
        }
    }

    #[test]
    fn scopes_cannot_imitate_each_other() {
        let keyed = |path, key| {
            scope(&Keyed {
                subject: "",
                method: "POST",
                path,
                key,
            })
        };
        assert_ne!(keyed("/a", "b\",\"c"), keyed("/a\",\"b", "c"));
        assert_ne!(
            keyed("/sessions/1/step", "k"),
            keyed("/sessions/2/step", "k")
        );
    }
}
