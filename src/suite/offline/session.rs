//! One transcript judged entry by entry: what is kept in memory is the present observation and what later entries must fit to,
//! within fixed bounds (`spec/transcripts.md`, section 7).

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use super::answers::Answers;
use super::effects::Effects;
use super::errors;
use super::findings::Findings;
use super::head::Head;
use super::ledger::Ledger;
use super::people::Questions;
use super::rules::Rules;
use super::shapes::Shapes;
use super::steps::{REPLAY, Steps};
use super::times::latest;
use super::turns::Turns;
use super::{Judged, MEMBERS, SECRETS, SHOWN};
use crate::json;
use crate::schema;
use crate::suite::replay::Replay;
use crate::suite::secrets::Secrets;
use crate::suite::transcript::entries::Contracts;
use crate::suite::wire::{Finding, Wire};

/// The arrays of a transcript, in the order in which a whole one is judged, with the schema of their entries.
pub(super) const ARRAYS: [(&str, &str); 4] = [
    ("turns", "transcript#turn"),
    ("interventions", "transcript#intervention"),
    ("steps", "transcript#step"),
    ("side_effects", "transcript#sideEffect"),
];

/// Contracts that are remembered by name.
const MOST_CONTRACTS: usize = 4_096;

/// Contracts of one session that are held against the manifest: each is searched for every action.
const MOST_READ: usize = 64;

/// What judges.
#[derive(Debug, Clone, Copy)]
pub struct Bench<'j> {
    /// The wire as the spec describes it.
    pub wire: &'j Wire,
    /// The secrets that are known.
    pub secrets: &'j Secrets,
    /// What unknown secrets look like, where they are searched for.
    pub shapes: Option<&'j Shapes>,
}

/// A transcript of which more may come.
#[derive(Debug)]
pub(super) struct Session<'j> {
    bench: Bench<'j>,
    rules: Option<Arc<Rules>>,
    head: Head,
    contracts: Contracts,
    /// Contracts that were held against the manifest.
    read: usize,
    turns: Turns,
    questions: Questions,
    steps: Steps,
    effects: Effects,
    answers: Answers,
    ledger: Ledger,
    /// Whether its entries come in lines of their own, so that their arrays need not be there.
    in_lines: bool,
    /// What was found so far.
    pub found: Findings<'j>,
}

impl<'j> Session<'j> {
    /// Begins with all members that are no arrays of entries. `line`: where they stand in a stream.
    pub fn begin(
        members: Map<String, Value>,
        rules: Option<Arc<Rules>>,
        bench: Bench<'j>,
        line: Option<u64>,
    ) -> Self {
        let mut found = Findings::new(bench.secrets, bench.shapes);
        found.line = line;
        let head = Head::new(members);
        let mut steps = Steps::default();
        match Replay::begin(head.get("initial_observation"), rules.is_some()) {
            Ok(replay) => steps.replay = Some(replay),
            Err(difference) if rules.is_some() => found.push(Finding {
                requirement: REPLAY.to_owned(),
                difference: *difference,
            }),
            // The schema says it already.
            Err(_) => {}
        }
        if let Some(rules) = &rules {
            rules.creation(&head, &mut found);
        }
        let mut turns = Turns::default();
        turns.prompts.begin(head.get("initial_observation"));
        let mut session = Self {
            bench,
            rules,
            head,
            contracts: Contracts::default(),
            read: 0,
            turns,
            questions: Questions::default(),
            steps,
            effects: Effects::default(),
            answers: Answers::default(),
            ledger: Ledger::default(),
            in_lines: line.is_some(),
            found,
        };
        let own = session.head.members.get("contracts").cloned();
        if let Some(Value::Object(contracts)) = own {
            session.contracts(&contracts);
        }
        session
    }

    /// Takes in contracts, before the turns that refer to them.
    pub fn contracts(&mut self, contracts: &Map<String, Value>) {
        self.contracts.add(contracts);
        let room = MOST_READ.saturating_sub(self.read);
        self.read += contracts.len().min(room);
        if let Some(rules) = &self.rules {
            for (digest, contract) in contracts.iter().take(room) {
                let contract = contract.as_str().unwrap_or_default();
                rules.contract(digest, contract, &self.head, &mut self.found);
            }
        }
    }

    /// Takes in a line of contracts, which then belong to the transcript's own.
    pub fn more_contracts(&mut self, contracts: Map<String, Value>) {
        self.searched(&json!({"contracts": contracts}), "");
        self.contracts(&contracts);
        let own = self.head.members.entry("contracts").or_insert(json!({}));
        if let Value::Object(own) = own
            && own.len() < MOST_CONTRACTS
        {
            // Their texts were looked at; what is left to judge are the names.
            own.extend(contracts.into_iter().map(|(name, text)| {
                let text = if text.is_string() { json!("") } else { text };
                (name, text)
            }));
        }
    }

    /// Takes in the next entry of one of the [`ARRAYS`].
    pub fn entry(&mut self, array: &str, entry: &Value) {
        let rules = self.rules.as_deref();
        let Some((array, schema)) = ARRAYS.iter().find(|(name, _)| *name == array) else {
            return;
        };
        let index = match *array {
            "turns" => self.turns.count,
            "interventions" => self.questions.count,
            "steps" => self.steps.count,
            _ => self.effects.count,
        };
        let pointer = format!("/{array}/{index}");
        against(schema, entry, &pointer, &mut self.found);
        let (head, ledger, found) = (&self.head, &mut self.ledger, &mut self.found);
        match *array {
            "turns" => {
                self.turns
                    .take(entry, head, &self.contracts, ledger, rules, found);
                errors::of_turn(entry, &pointer, self.bench.wire, found);
            }
            "interventions" => {
                self.answers.question(index, entry);
                self.questions.take(entry, head, ledger, rules, found);
            }
            "steps" => {
                let wire = self.bench.wire;
                self.steps.take(entry, head, ledger, wire, rules, found);
                let replayed = self.steps.replay.as_ref().and_then(Replay::observation);
                self.turns.prompts.step(entry, replayed, found);
            }
            _ => {
                if entry.get("kind").and_then(Value::as_str) == Some("person") {
                    self.answers.effect(index, entry);
                }
                self.effects
                    .take(entry, head, ledger, self.bench.wire, rules, found);
            }
        }
        self.searched(entry, &pointer);
    }

    /// Takes in the last line of a stream.
    pub fn tail(&mut self, mut tail: Map<String, Value>) {
        for (array, _) in ARRAYS {
            if let Some(Value::Array(entries)) = tail.remove(array) {
                entries.iter().for_each(|entry| self.entry(array, entry));
            }
        }
        self.head.end(tail, &mut self.found);
    }

    /// The id of the session, and what tells this transcript from another of it.
    pub fn identity(&self) -> (String, String) {
        let members = &self.head.members;
        let counts = [
            self.turns.count,
            self.questions.count,
            self.steps.count,
            self.effects.count,
        ];
        let mark = json!({"members": members, "counts": counts});
        let id = super::head::session_id(members).to_owned();
        (id, json::digest(&mark))
    }

    /// Judges what can be judged of the whole only.
    pub fn finish(mut self) -> Judged {
        self.found.line = None;
        if self.is_cut() {
            // Of what is not there nothing can be said, and of what is there nothing that needs the rest.
            let expected = json!("a last line with status, closed_at, final_observation and usage");
            let message = "stops before its end";
            self.found.say(MEMBERS, "", expected, None, message);
        } else {
            self.whole();
        }
        self.judged()
    }

    /// What can be judged of the whole only.
    fn whole(&mut self) {
        self.members();
        let rules = self.rules.clone();
        let found = &mut self.found;
        self.head.check(found);
        found.extend(self.turns.usage.check(self.head.get("usage")));
        if let Some(replay) = self.steps.replay.take() {
            let differences = replay.end(self.head.get("final_observation"));
            found.extend(differences.into_iter().map(|difference| Finding {
                requirement: REPLAY.to_owned(),
                difference,
            }));
        }
        self.ledger.close(rules.as_deref(), found);
        self.questions
            .end(&self.turns, &self.head, rules.as_deref(), found);
        self.effects
            .end(self.steps.count, &self.questions.outcomes, found);
        self.turns.prompts.end(self.steps.count, found);
        std::mem::take(&mut self.answers).end(found);
        self.times();
        self.limit();
        self.end();
        if rules.is_some() {
            self.completion();
        }
    }

    /// Whether a stream ended, or went on to the next transcript, before this one said how it ended.
    fn is_cut(&self) -> bool {
        let ends = ["status", "closed_at", "final_observation"];
        self.in_lines && ends.iter().all(|member| self.head.get(member).is_none())
    }

    fn judged(self) -> Judged {
        let rules = &self.rules;
        let is_cut = self.is_cut();
        let some = |member: &str| match member {
            "turns" => self.turns.count > 0,
            _ => self.steps.count > 0,
        };
        let shown: Vec<&'static str> = SHOWN
            .iter()
            .filter(|(_, member)| member.is_none_or(some))
            .filter(|(id, _)| *id != REPLAY || rules.is_some())
            .filter(|(id, _)| *id == MEMBERS || !is_cut)
            .map(|(id, _)| *id)
            .collect();
        Judged {
            assertions: shown.len(),
            shown,
            has_questions: self.questions.count > 0,
            findings: self.found.all(),
        }
    }

    /// The members that are no entries, against the schema and the secrets.
    fn members(&mut self) {
        let mut members = std::mem::take(&mut self.head.members);
        if self.in_lines {
            for (array, _) in ARRAYS {
                members.entry(array).or_insert(json!([]));
            }
        }
        let whole = Value::Object(members);
        against("transcript", &whole, "", &mut self.found);
        self.searched(&whole, "");
        if let Value::Object(members) = whole {
            self.head.members = members;
        }
    }

    /// Looks for secrets in a value that stands at a place.
    fn searched(&mut self, value: &Value, pointer: &str) {
        for leak in self.bench.secrets.in_value(value) {
            let expected = json!({"$not": {"$has": format!("the value of {}", leak.name)}});
            let got = json!(format!("the value of {}, {}", leak.name, leak.encoding));
            let message = format!("lets the secret {} out", leak.name);
            let place = format!("{pointer}{}", leak.pointer);
            self.found
                .say(SECRETS, place, expected, Some(&got), &message);
        }
        let Some(shapes) = self.bench.shapes else {
            return;
        };
        let mut likenesses = Vec::new();
        shapes.in_value(value, pointer, &mut likenesses);
        for likeness in likenesses {
            let name = likeness.name;
            let expected = json!({"$not": {"$has": format!("something in the form of {name}")}});
            let got = json!(format!("something in the form of {name}"));
            let message = format!("holds what looks like {name}; if it is one, replace it");
            self.found
                .say(SECRETS, likeness.pointer, expected, Some(&got), &message);
        }
    }

    /// Nothing happens after the close.
    fn times(&mut self) {
        let closed = self.head.closed();
        let orders = [
            ("TRN-004", &self.turns.order),
            ("HUM-016", &self.questions.order),
            ("TRN-009", &self.steps.order),
            ("TRN-012", &self.effects.order),
        ];
        for (requirement, order) in orders {
            if let (Some((place, at)), Some(closed)) = (order.after(closed), closed) {
                let expected = json!(format!("at most {closed}, when the session was closed"));
                let got = json!(at.to_string());
                let message = "is after the session was closed";
                self.found
                    .say(requirement, place, expected, Some(&got), message);
            }
        }
        if let (Some((index, ended)), Some(closed)) = (self.steps.latest, closed)
            && ended > latest(closed)
        {
            let place = format!("/steps/{index}/duration_ms");
            let expected = json!(format!(
                "a result before {closed}, when the session was closed"
            ));
            let got = json!(ended.to_string());
            let message = "ends the step after the session was closed";
            self.found
                .say("TRN-009", place, expected, Some(&got), message);
        }
    }

    fn limit(&mut self) {
        let taken = self.steps.count;
        let most = self.head.max_steps;
        if let Some(most) = most.filter(|most| taken > *most) {
            self.found.say(
                "STP-011",
                "/steps",
                json!(format!("at most {most} steps")),
                Some(&json!(format!("{taken} steps"))),
                "are more than the session may take",
            );
        }
    }

    /// The status at the close follows from what came before it.
    fn end(&mut self) {
        let status = self.head.status();
        let finished = self.turns.finished || self.questions.finished;
        let waits = self.questions.waits;
        // Where nobody could be asked, a third refused reply that no question followed ends the session.
        let unasked = self.questions.of_refusals < self.turns.due;
        let given_up =
            self.questions.given_up || self.turns.row == super::turns::ATTEMPTS && unasked;
        let too_early = self
            .head
            .max_steps
            .is_some_and(|most| self.steps.count < most);
        let (requirement, expected, message) = match status {
            _ if finished && status != "completed" => (
                "PLN-024",
                "completed",
                "is another, though the session was finished",
            ),
            "completed" if !finished && !self.steps.succeeded => (
                "STP-009",
                "active",
                "is completed, though nothing finished the session and no action succeeded last",
            ),
            "awaiting_human" if !waits => (
                "HUM-016",
                "a question that was cancelled",
                "waits for a person, though no question was open at the close",
            ),
            "active" | "completed" | "max_steps_reached" | "failed" if waits => (
                "HUM-016",
                "awaiting_human",
                "does not wait for a person, though a question was open at the close",
            ),
            "max_steps_reached" if too_early => (
                "STP-013",
                "active",
                "is reached with fewer steps than the session may take",
            ),
            "expired" if self.was_busy() => (
                "TRN-003",
                "another status",
                "is expired, though something happened less than an hour before the close",
            ),
            "failed" if !given_up => (
                "PLN-021",
                "active",
                "is failed, though neither a person gave up nor a third reply was refused last",
            ),
            _ => return,
        };
        let got = self.head.get("status");
        let found = &mut self.found;
        found.say(requirement, "/status", json!(expected), got, message);
    }

    /// Whether the session was not left alone for the least time after which one expires (`spec/sessions.md`, 3.4).
    fn was_busy(&self) -> bool {
        let orders = [
            &self.turns.order,
            &self.questions.order,
            &self.steps.order,
            &self.effects.order,
        ];
        let latest = orders.iter().filter_map(|order| order.latest()).max();
        let latest = latest.max(self.head.started);
        latest
            .zip(self.head.closed())
            .is_some_and(|(latest, closed)| {
                latest.duration_until(closed) < SignedDuration::from_hours(1)
            })
    }

    /// An action that completes the goal does so at once, and no other does.
    fn completion(&mut self) {
        let completed = self.head.status() == "completed";
        let last = self.steps.count.checked_sub(1);
        let got = self.head.get("status");
        if self.steps.completed.is_some() && !(completed && self.steps.completed == last) {
            let message = "went on after an action that completes the goal had succeeded";
            let expected = json!("completed");
            self.found.say("STP-008", "/status", expected, got, message);
        }
        // A reply that is no plan may have been taken for a finish.
        let finished = self.turns.finished || self.turns.unread || self.questions.finished;
        // Where the last step is no success, that is told already.
        if completed && self.steps.succeeded && !self.steps.completes && !finished {
            let message = "is completed by an action that does not complete the goal";
            self.found
                .say("TRN-003", "/status", json!("active"), got, message);
        }
    }
}

/// A value that stands at a place against one of the protocol's own schemas.
fn against(name: &str, value: &Value, pointer: &str, found: &mut Findings<'_>) {
    let Some(schema) = schema::named(name) else {
        let message = "the schema of transcripts is missing";
        found.say(MEMBERS, pointer, json!("a schema"), None, message);
        return;
    };
    for violation in schema.violations(value) {
        let message = format!("{} ({})", violation.message, violation.rule);
        let got = value.pointer(&violation.pointer);
        let place = format!("{pointer}{}", violation.pointer);
        let expected = json!("as spec/schemas/transcript.json says");
        found.say(MEMBERS, place, expected, got, &message);
    }
}

/// Begins with a transcript, and takes in all entries that it has in arrays.
pub(super) fn begin_with<'j>(
    mut members: Map<String, Value>,
    rules: Option<Arc<Rules>>,
    bench: Bench<'j>,
    line: Option<u64>,
) -> Session<'j> {
    let arrays = ARRAYS.map(|(array, _)| {
        // What is no array is left where the schema finds it.
        let entries = members.get_mut(array).and_then(Value::as_array_mut);
        (array, entries.map(std::mem::take))
    });
    let mut session = Session::begin(members, rules, bench, line);
    for (array, entries) in arrays {
        for entry in entries.into_iter().flatten() {
            session.entry(array, &entry);
        }
    }
    session
}
