//! From the first answer to an action: capabilities, manifest, session, model, services, secrets, and what else was configured.

use std::sync::Arc;

use mock_services::{MockServices, Service};

use super::check::Diagnosis;
use super::visit::{Errand, Seen, Way, in_answer, named, told};
use crate::requirement::Profile;
use crate::schema;
use crate::suite::applicability::Capabilities;
use crate::suite::execute::{Bench, execute};
use crate::suite::observed::Observed;
use crate::suite::options::Options;
use crate::suite::order::token;
use crate::suite::secrets::Secrets;
use crate::suite::target::definition::{Definition, Delivery};
use crate::suite::target::{Exchange, HttpRequest, Target, discover};

/// What is looked at once there is a manifest.
const OF_AN_ACTION: [&str; 4] = ["session", "model", "services", "tokens"];

/// A target that is ready, and what it was told.
pub struct Subject<'s> {
    /// The target.
    pub target: Arc<dyn Target>,
    /// The model and the services that it should call.
    pub mocks: Arc<MockServices>,
    /// What its maker says of it.
    pub definition: &'s Definition,
    /// How it would be judged.
    pub options: &'s Options,
}

/// Talks with a target that is ready, and notes what is wrong with what it answers and does.
pub async fn talk(subject: &Subject<'_>, diagnosis: &mut Diagnosis) {
    let (capabilities, first) = capabilities(subject, diagnosis).await;
    let way = if capabilities.profiles.contains(&Profile::Session) {
        Way::Session
    } else if capabilities.profiles.contains(&Profile::Workflow) {
        Way::Workflow
    } else {
        Way::Neither
    };
    let mut doctor = Doctor {
        subject,
        diagnosis,
        secrets: Secrets::new(subject.options.secrets.iter().cloned()),
        leaks: Vec::new(),
        way,
        silent: false,
        keys: capabilities.profiles.contains(&Profile::Access),
        errands: 0,
    };
    doctor.look_for_secrets(&first);
    let taken = doctor.actions().await;
    doctor.secrets();
    doctor.clock().await;
    doctor.stores(taken, &capabilities).await;
}

/// What the target says it can do.
async fn capabilities(
    subject: &Subject<'_>,
    diagnosis: &mut Diagnosis,
) -> (Capabilities, Exchange) {
    const CHECK: &str = "capabilities";
    let time = subject.options.times.request;
    let claims = &subject.options.claims;
    let asked = HttpRequest::new("GET", "/capabilities");
    let exchange = subject.target.send(asked, time).await;
    let found = claims.over(discover(subject.target.as_ref(), time).await);
    let names: Vec<&str> = found.profiles.iter().map(|it| it.name()).collect();
    let names = names.join(", ");
    let problem = problem_of_capabilities(&exchange);
    match (problem, &claims.declared.profiles) {
        (None, None) => diagnosis.ok(
            CHECK,
            format!("GET /capabilities declares {names}; that is what will be judged"),
        ),
        (None, Some(_)) => diagnosis.ok(
            CHECK,
            format!("[capabilities] declares {names}; that is what will be judged"),
        ),
        (Some((says, _)), Some(_)) => diagnosis.ok(
            CHECK,
            format!("[capabilities] declares {names}; of itself {says}, which cases will find"),
        ),
        (Some((says, fix)), None) => diagnosis.wrong(CHECK, says, fix),
    }
    (found, exchange)
}

/// What is wrong with the answer, and what mends it.
fn problem_of_capabilities(exchange: &Exchange) -> Option<(String, &'static str)> {
    let members = "answer 200 with protocol_version, profiles, runtimes, limits and implementation (spec/capabilities.md, section 3)";
    let answer = match &exchange.outcome {
        Ok(answer) if answer.status == 200 => answer,
        _ => return Some((told(exchange), members)),
    };
    let Some(body) = answer.json() else {
        return Some((
            "the answer of GET /capabilities is not JSON".to_owned(),
            members,
        ));
    };
    let violations = schema::named("capabilities").map(|schema| schema.violations(&body))?;
    let first = violations.first()?;
    let place = if first.pointer.is_empty() {
        "the answer"
    } else {
        first.pointer.as_str()
    };
    let more = match violations.len() {
        1 => String::new(),
        count => format!(", and {} more", count - 1),
    };
    Some((
        format!(
            "the answer of GET /capabilities does not fit its schema: {place} {}{more}",
            first.message
        ),
        "write it as spec/schemas/capabilities.json says; section 3 of spec/capabilities.md has an example",
    ))
}

/// One talk.
pub(super) struct Doctor<'s, 'd> {
    pub(super) subject: &'s Subject<'s>,
    pub(super) diagnosis: &'d mut Diagnosis,
    secrets: Secrets,
    leaks: Vec<String>,
    pub(super) way: Way,
    /// Whether the target once gave no answer: then it is not asked for more.
    pub(super) silent: bool,
    /// Whether it asks who calls.
    keys: bool,
    errands: usize,
}

impl Doctor<'_, '_> {
    /// Remembers the secrets in an answer.
    fn look_for_secrets(&mut self, exchange: &Exchange) {
        let Some(answer) = exchange.answer() else {
            return;
        };
        let call = named(exchange);
        for leak in in_answer(answer, &self.secrets) {
            self.leaks.push(format!("the answer of {call}, {leak}"));
        }
    }

    /// Has an errand done.
    pub(super) async fn run(&mut self, errand: &Errand) -> Result<Observed, String> {
        let case = errand.case(self.way)?;
        let options = self.subject.options;
        let mut bench = Bench::new(
            Arc::clone(&self.subject.target),
            Arc::clone(&self.subject.mocks),
            options.times,
        );
        // One errand at a time: a call that does not say whose it is can only be this one's.
        bench.alone = true;
        bench.keys = self.keys.then(|| options.keys.clone());
        bench.files.clone_from(&options.files);
        bench.origins.folder = options.files.as_ref().map(|files| files.path().to_owned());
        self.errands += 1;
        let token = token(options.seed, self.errands, &case.id);
        let observed = execute(&case, &token, &bench).await;
        if let Some(reason) = &observed.harness {
            return Err(reason.clone());
        }
        let seen = Seen {
            observed: &observed,
            way: self.way,
        };
        self.silent |= seen.is_silent();
        self.leaks.extend(seen.leaks(&self.secrets));
        Ok(observed)
    }

    /// The manifest, and all that an action takes. Whether the manifest was taken.
    async fn actions(&mut self) -> bool {
        const CHECK: &str = "manifest";
        let manifest = &self.subject.definition.manifest;
        let reason = match manifest.delivery {
            Delivery::Register => None,
            Delivery::File => Some("the target is started with its manifest as a file"),
            Delivery::None => Some(
                "[manifest] delivery is \"none\": most cases need a manifest of their own and are not implemented",
            ),
        };
        if let Some(reason) = reason {
            self.diagnosis.skip(CHECK, reason);
            self.diagnosis
                .skip_all(&OF_AN_ACTION, "no manifest was registered");
            return false;
        }
        let observed = match self.run(&Errand::to(Service::Calendar)).await {
            Ok(observed) => observed,
            Err(reason) => {
                self.diagnosis.skip(CHECK, reason);
                self.diagnosis
                    .skip_all(&OF_AN_ACTION, "no manifest was registered");
                return false;
            }
        };
        let seen = Seen {
            observed: &observed,
            way: self.way,
        };
        if !self.manifest(&seen) {
            self.diagnosis
                .skip_all(&OF_AN_ACTION, "no manifest was taken");
            return false;
        }
        if self.way == Way::Neither {
            self.diagnosis.skip_all(
                &OF_AN_ACTION,
                "the target declares neither session nor workflow: it executes nothing",
            );
            return true;
        }
        if self.session(&seen) && self.model(&seen) {
            self.services(&seen).await;
        }
        true
    }

    /// Whether the manifest was taken, also with a wrong answer.
    fn manifest(&mut self, seen: &Seen<'_>) -> bool {
        const CHECK: &str = "manifest";
        let control = &seen.observed.control;
        let Some(exchange) = seen.registration() else {
            self.diagnosis.skip(CHECK, "nothing was registered");
            return false;
        };
        let Some(problem) = &control.problem else {
            self.diagnosis.ok(
                CHECK,
                "POST /manifests takes fixtures/manifests/valid/meetbot.json and answers name, version and digest",
            );
            return true;
        };
        let status = exchange.answer().map(|answer| answer.status);
        let fix = match status {
            Some(404 | 405 | 501) => {
                "take manifests at POST /manifests (spec/registration.md); it is what nearly every case begins with"
            }
            Some(401 | 403) => {
                "declare the profile access and take the harness' tokens (spec/harness.md, section 6), or ask for none"
            }
            Some(200 | 201) => {
                "answer the manifest's name, its version in three parts, and the digest (spec/registration.md, section 1; spec/manifests.md, section 4.3)"
            }
            Some(400..=499) => {
                "the manifest is well-formed (spec/manifests.md): its name ends in a token, and its endpoints lead to http://127.0.0.1; allow both"
            }
            _ => "see the target's log; POST /manifests asks neither model nor services",
        };
        let says = match status {
            Some(200 | 201) => problem.message.clone(),
            _ => told(exchange),
        };
        self.diagnosis.wrong(CHECK, says, fix);
        problem.soft
    }

    /// Whether there is a session, or none is needed.
    fn session(&mut self, seen: &Seen<'_>) -> bool {
        const CHECK: &str = "session";
        let Some(open) = seen.open() else {
            self.diagnosis
                .skip(CHECK, "the target does not declare session");
            return true;
        };
        if seen.has_session() {
            self.diagnosis.ok(CHECK, "POST /sessions opens a session");
            return true;
        }
        let good = open
            .answer()
            .is_some_and(|answer| (200..300).contains(&answer.status));
        let (says, fix) = if good {
            (
                "the answer of POST /sessions has no session_id".to_owned(),
                "answer 201 with session_id, status and manifest (spec/sessions.md)",
            )
        } else {
            (
                told(open),
                "take goal, observation, manifest and max_steps (spec/sessions.md), or do not declare session",
            )
        };
        self.diagnosis.wrong(CHECK, says, fix);
        self.diagnosis
            .skip_all(&["model", "services", "tokens"], "there is no session");
        false
    }

    fn secrets(&mut self) {
        const CHECK: &str = "secrets";
        match self.leaks.first() {
            None => self
                .diagnosis
                .ok(CHECK, "no known secret stands in an answer or a prompt"),
            Some(leak) => self.diagnosis.wrong(
                CHECK,
                format!("a secret stands in {leak}"),
                "redact values of secrets, in every encoding, before anything leaves (spec/secrets.md, section 2)",
            ),
        }
    }
}
