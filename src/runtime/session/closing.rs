//! The end of a session (`spec/sessions.md` section 4, `spec/transcripts.md`).

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::status::{Event, Status};
use super::transcript::Heading;
use super::{Effect, Session, not_found};
use crate::runtime::answer::Answer;
use crate::runtime::parts::Parts;
use crate::runtime::redact::Site;

impl Session {
    pub(super) fn close(&mut self, parts: &dyn Parts, now: Timestamp) -> Vec<Effect> {
        if self.status == Status::Closed {
            return Self::refuse(parts, &not_found());
        }
        let status = self.status;
        if parts.close_cancels() {
            self.cancel_question();
        }
        self.change(parts, Event::CloseCalled);
        let transcript = Arc::new(self.transcript(parts, status, now));
        vec![
            Effect::Archive(Arc::clone(&transcript)),
            Effect::Reply(Answer::ok(parts.close_answer(&self.id, &transcript))),
        ]
    }

    /// The transcript as of `now`, for a session whose status was `status` when it was asked for.
    pub fn transcript(&self, parts: &dyn Parts, status: Status, now: Timestamp) -> Value {
        let heading = Heading {
            session_id: self.id.clone(),
            manifest: self.manifest_reference(),
            goal: self.goal.clone(),
            status: status.name(),
            max_steps: self.max_steps,
            flags: self.given_flags.clone(),
            seed: self.seed,
            started_at: self.started_at.clone(),
            closed_at: parts.format_time(now),
            initial_observation: Arc::clone(&self.initial_observation),
            final_observation: Arc::clone(&self.observation),
        };
        let record = &self.record;
        let mut sections = Map::new();
        sections.insert(
            "turns".to_owned(),
            Value::Array(parts.transcript_turns(&record.turns)),
        );
        sections.insert(
            "steps".to_owned(),
            Value::Array(parts.transcript_steps(&record.steps)),
        );
        sections.insert(
            "interventions".to_owned(),
            Value::Array(parts.transcript_interventions(&record.interventions)),
        );
        sections.insert(
            "side_effects".to_owned(),
            Value::Array(parts.transcript_side_effects(&record.side_effects)),
        );
        sections.insert("usage".to_owned(), parts.transcript_usage(&record.turns));
        let contracts = record
            .contracts
            .iter()
            .map(|(digest, contract)| (digest.to_string(), Value::from(&**contract)));
        sections.insert("contracts".to_owned(), Value::Object(contracts.collect()));
        let transcript = parts.transcript(&heading, sections);
        parts.redact_value(Site::Transcript, &self.redactor, transcript)
    }
}
