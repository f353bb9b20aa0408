//! Whether the target reaches the services, and shows them the right token.

use mock_services::Service;

use super::talk::Doctor;
use super::visit::{Errand, Seen, credential};

impl Doctor<'_, '_> {
    /// The services and their tokens.
    pub(super) async fn services(&mut self, first: &Seen<'_>) {
        const ALL: [(Service, &str); 3] = [
            (Service::Calendar, "CALENDAR_TOKEN"),
            (Service::Email, "EMAIL_TOKEN"),
            (Service::Crm, "CRM_TOKEN"),
        ];
        let mut problems = Vec::new();
        let mut unreached = Vec::new();
        let mut reached = Vec::new();
        for (service, variable) in ALL {
            let later;
            let seen = if service == Service::Calendar {
                first
            } else {
                if self.silent {
                    break;
                }
                later = match self.run(&Errand::to(service)).await {
                    Ok(observed) => observed,
                    Err(reason) => {
                        unreached.push((service, reason, None));
                        continue;
                    }
                };
                &Seen {
                    observed: &later,
                    way: self.way,
                }
            };
            let code = seen.code();
            let calls = seen.calls(service);
            match (calls.first(), code.as_deref()) {
                (Some(call), _) => {
                    reached.push(service.name());
                    if let Some(how) = credential(call) {
                        problems.push(format!("the {service} was called {how} {variable}"));
                    }
                }
                (None, Some("missing_credential" | "invalid_credential")) => {
                    problems.push(format!("{variable} is not granted: {}", seen.fate()));
                }
                (None, code) => {
                    let fate = match seen.strays(service).first() {
                        Some(stray) => format!(
                            "it was called at {}, which is not the path of the endpoint",
                            stray.path
                        ),
                        None => seen.fate(),
                    };
                    unreached.push((service, fate, code.map(str::to_owned)));
                }
            }
        }
        match (unreached.first(), reached.is_empty()) {
            (Some((service, fate, code)), _) => self.diagnosis.wrong(
                "services",
                format!("the {service} was not reached: {fate}"),
                reach_fix(code.as_deref()),
            ),
            (None, false) => self
                .diagnosis
                .ok("services", format!("reached: {}", reached.join(", "))),
            (None, true) => self
                .diagnosis
                .skip("services", "no request was sent without its token"),
        }
        match problems.first() {
            Some(problem) => {
                let more = match problems.len() {
                    1 => String::new(),
                    count => format!(", and {} more of this kind", count - 1),
                };
                self.diagnosis
                    .wrong("tokens", format!("{problem}{more}"), self.token_fix());
            }
            None if reached.is_empty() => self.diagnosis.skip("tokens", "no service was reached"),
            None => self.diagnosis.ok(
                "tokens",
                format!("right where a service was reached: {}", reached.join(", ")),
            ),
        }
    }

    fn token_fix(&self) -> &'static str {
        if self.subject.definition.start.is_some() {
            "the three tokens are in the target's environment: grant CALENDAR_TOKEN, EMAIL_TOKEN and CRM_TOKEN to actions as secrets, and put them where `auth` says (spec/secrets.md)"
        } else {
            "start the target with CALENDAR_TOKEN, EMAIL_TOKEN and CRM_TOKEN as spec/harness.md has them, and grant them to actions as secrets (spec/secrets.md)"
        }
    }
}

/// What mends a service that was not reached.
fn reach_fix(code: Option<&str>) -> &'static str {
    match code {
        Some("address_refused") => {
            "allow the addresses 127.0.0.0/8 for a run, and no other private ones (spec/harness.md, section 1)"
        }
        Some("upstream_unreachable" | "upstream_timeout") => {
            "call the endpoint as the manifest has it, http and its port, without a proxy"
        }
        Some("input_validation_failed" | "undeclared_action" | "invalid_plan") => {
            "the model's reply is right by the manifest; see spec/plans.md for what is to be checked"
        }
        _ => {
            "execute the action that the model proposed: spec/actions.md says how `invoke_api` is called"
        }
    }
}
