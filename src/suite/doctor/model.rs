//! Whether the target asks the scripted model, and as it should.

use mock_services::{ModelWire, Service};

use super::talk::Doctor;
use super::visit::{Seen, Way, credential, told};

impl Doctor<'_, '_> {
    /// Whether services can be looked at.
    pub(super) fn model(&mut self, seen: &Seen<'_>) -> bool {
        const CHECK: &str = "model";
        if !self.subject.options.claims.model {
            self.diagnosis.skip(
                CHECK,
                "[inject] model is false: the target asks a model of its own, and what needs the scripted one is not observed",
            );
            if seen.way == Way::Workflow {
                return true;
            }
            self.diagnosis
                .skip_all(&["services", "tokens"], "the model is not scripted");
            return false;
        }
        let calls = seen.calls(Service::Model);
        let variable = |name: &str| self.subject.definition.inject.variable(name).to_owned();
        let wire = self.subject.definition.inject.model_wire;
        let url = self.subject.mocks.model_url_of(wire);
        let ask = format!("ask POST <base>{}, as spec/model.md says", wire.path());
        let Some(first) = calls.first() else {
            let (says, fix) = match seen.strays(Service::Model).first() {
                Some(stray) if stray.path.ends_with(wire.path()) => (
                    "the scripted model was asked, but its prompt shows neither the goal nor the observation: nobody can tell whose request it is".to_owned(),
                    "show the model the goal's description and the whole observation (spec/model.md, MOD-004 and MOD-005)".to_owned(),
                ),
                Some(stray) => (
                    format!("the scripted model was asked at {}, which it does not have", stray.path),
                    ask,
                ),
                None => {
                    let answered = seen.planned().map(told).unwrap_or_default();
                    (
                        format!("the scripted model was not asked: {answered}"),
                        self.redirect_fix(&variable("OPENAI_BASE_URL"), &url),
                    )
                }
            };
            self.diagnosis.wrong(CHECK, says, fix);
            if seen.way == Way::Workflow {
                return true;
            }
            self.diagnosis
                .skip_all(&["services", "tokens"], "the model proposed nothing");
            return false;
        };
        let asked_for = first.body.get("model").and_then(serde_json::Value::as_str);
        if let Some(how) = credential(first) {
            let key = variable("OPENAI_API_KEY");
            self.diagnosis.wrong(
                CHECK,
                format!("the scripted model was asked {how} the key in {key}"),
                match wire {
                    ModelWire::Anthropic => format!("send x-api-key and the value of {key}"),
                    _ => format!("send Authorization: Bearer and the value of {key}"),
                },
            );
        } else if let Some(why) = first.unmatched.as_ref().filter(|_| first.status >= 400) {
            self.diagnosis.wrong(
                CHECK,
                format!(
                    "the scripted model refused {} {}: {why}",
                    first.method, first.path
                ),
                ask,
            );
        } else if asked_for != Some("scripted-model") {
            let name = variable("OPENAI_MODEL");
            self.diagnosis.wrong(
                CHECK,
                format!(
                    "the scripted model was asked for '{}', not for 'scripted-model'",
                    asked_for.unwrap_or_default()
                ),
                format!("take the model's name from {name}"),
            );
        } else {
            self.diagnosis
                .ok(CHECK, "the scripted model was asked, with its key and name");
        }
        if seen.way == Way::Session && first.status >= 400 {
            self.diagnosis
                .skip_all(&["services", "tokens"], "the model proposed nothing");
            return false;
        }
        true
    }

    /// What mends a target that asks another model.
    fn redirect_fix(&self, variable: &str, url: &str) -> String {
        if self.subject.definition.start.is_some() {
            format!(
                "ask the model below the address in {variable}, here {url}, and keep no address of your own; if the target reads another variable, name it as model_url in [inject]"
            )
        } else {
            format!(
                "start the target with {variable}={url}, and keep that port with --model-listen; it reads its environment once, at its start"
            )
        }
    }
}
