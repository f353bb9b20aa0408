//! Reading and closing a session: what was told is there (`spec/sessions.md` sections 2 and 4, `spec/transcripts.md`).

use serde_json::{Value, json};

use super::calls::{Calls, unknown};
use super::session::Session;
use super::surprise::{Seen, Surprise, at};
use super::walk::State;
use crate::suite::matcher::absent;

impl Calls<'_> {
    /// `GET /sessions/{id}` or, `of_record`, its transcript.
    pub(super) fn read(
        &self,
        state: &mut State<'_>,
        seen: &Seen<'_>,
        id: &str,
        of_record: bool,
    ) -> Vec<Surprise> {
        if matches!(seen.answer.status, 401 | 403) && self.has_access {
            return Vec::new();
        }
        let Some(session) = state.sessions.get(id) else {
            return unknown(seen).into_iter().collect();
        };
        if self.has_access && seen.caller != Some(session.owner.as_str()) {
            let message = "is a session of somebody else";
            return seen
                .refused(&[(404, "session_not_found"), (401, "")], "ACC-010", message)
                .into_iter()
                .collect();
        }
        if session.lost {
            return Vec::new();
        }
        if of_record {
            return record(session, seen).into_iter().collect();
        }
        if session.status == "closed" {
            if seen.answer.status == 404 {
                return unknown(seen).into_iter().collect();
            }
            let message = "is not what a closed session reads as";
            return seen
                .wants("SES-012", "/body/status", Value::from("closed"), message)
                .into_iter()
                .collect();
        }
        if let Some(found) = seen.wants(
            "SES-012",
            "/status",
            Value::from(200),
            "is a session that can be read",
        ) {
            return vec![found];
        }
        let mut found = Vec::new();
        let message = "is not what the session was told to be";
        found.extend(seen.wants(
            "SES-012",
            "/body/status",
            Value::from(&*session.status),
            message,
        ));
        found.extend(seen.wants(
            "SES-012",
            "/body/steps_done",
            Value::from(session.steps),
            message,
        ));
        let shown = seen.body().get("observation").cloned().unwrap_or_default();
        found.extend(unlike(session, &shown, "/body/observation", seen));
        let question = seen
            .body()
            .pointer("/pending/id")
            .and_then(Value::as_str)
            .map(str::to_owned);
        let waits = session
            .pending
            .is_some()
            .then(|| session.asked.last().cloned())
            .flatten();
        if question != waits {
            let expected = waits.map_or_else(|| json!({"$absent": true}), Value::from);
            found.push(seen.surprise(
                "HUM-001",
                "/body/pending/id",
                expected,
                "is not the question that waits",
            ));
        }
        found
    }

    /// A close.
    pub(super) fn closed(&self, session: &mut Session, seen: &Seen<'_>) -> Vec<Surprise> {
        let body = seen.body();
        let transcript = body.get("transcript").cloned().unwrap_or_default();
        if session.status == "closed" {
            if seen.answer.status == 404 {
                return unknown(seen).into_iter().collect();
            }
            let kept = session.record.clone().unwrap_or_default();
            let message = "is neither a refusal nor the transcript of the first close";
            return seen
                .wants("SES-022", "/body/transcript", kept, message)
                .into_iter()
                .collect();
        }
        let was = std::mem::replace(&mut session.status, "closed".to_owned());
        session.pending = None;
        if let Some(found) = seen.wants(
            "SES-018",
            "/status",
            Value::from(200),
            "is a session that can be closed",
        ) {
            return vec![found];
        }
        let mut found = Vec::new();
        let count = |name: &str| transcript.get(name).and_then(Value::as_array).map(Vec::len);
        found.extend(seen.wants(
            "TRN-003",
            "/body/transcript/status",
            Value::from(was),
            "is not the status before the close",
        ));
        for (member, requirement, told) in [
            (
                "steps",
                "TRN-009",
                usize::try_from(session.steps).unwrap_or(usize::MAX),
            ),
            ("turns", "TRN-004", session.turns.len()),
            ("interventions", "HUM-016", session.asked.len()),
        ] {
            if count(member) != Some(told) {
                let message = format!("has not the {told} entries that were told");
                let pointer = format!("/body/transcript/{member}");
                let mut surprise =
                    seen.surprise(requirement, &pointer, Value::from(told), &message);
                surprise.got = count(member).map_or_else(absent, Value::from);
                surprise.expect = Some(at(&pointer, &Value::from(vec![json!({}); told.min(50)])))
                    .filter(|_| !seen.grouped);
                found.push(surprise);
            }
        }
        for (index, code) in session.turns.iter().enumerate() {
            let pointer = format!("/turns/{index}/refused");
            let first = transcript
                .pointer(&format!("{pointer}/0/errorCode"))
                .and_then(Value::as_str);
            let refused = transcript.pointer(&pointer).is_some_and(Value::is_array);
            if code.is_some_and(|code| first != Some(code)) || (code.is_none() && refused) {
                let message = format!("is not whether and why reply {} was refused", index + 1);
                let expected = code.map_or(Value::Null, Value::from);
                let mut surprise =
                    seen.surprise("TRN-005", "/body/transcript/turns", expected, &message);
                surprise.got = first.map_or(Value::Null, Value::from);
                surprise.expect = None;
                found.push(surprise);
            }
        }
        let last = transcript
            .get("final_observation")
            .cloned()
            .unwrap_or_default();
        found.extend(unlike(
            session,
            &last,
            "/body/transcript/final_observation",
            seen,
        ));
        session.record = Some(transcript);
        found
    }
}

/// A transcript that is read.
fn record(session: &Session, seen: &Seen<'_>) -> Option<Surprise> {
    if session.status != "closed" {
        return seen.refused(
            &[(409, "conflict")],
            "TRN-001",
            "is the transcript of a session that is open",
        );
    }
    let kept = session.record.clone()?;
    let message = "is not the transcript that the close answered";
    seen.wants("TRN-001", "/status", Value::from(200), message)
        .or_else(|| seen.wants("TRN-001", "/body", kept, message))
}

/// Where an observation is not the fold of the results that were told.
fn unlike(session: &Session, shown: &Value, at: &str, seen: &Seen<'_>) -> Option<Surprise> {
    let pointer = session.differs(shown)?;
    let requirement = match pointer {
        "/step" => "OBS-006",
        "/last_result" => "OBS-005",
        "/user_context" => "OBS-008",
        "/environment" => "OBS-009",
        _ => "OBS-003",
    };
    let own = session.observation.pointer(pointer).cloned();
    let expected = own.map_or_else(|| json!({"$absent": true}), |own| json!({"$exact": own}));
    let pointer = format!("{at}{pointer}");
    Some(seen.surprise(
        requirement,
        &pointer,
        expected,
        "is not the fold of the results that were told",
    ))
}
