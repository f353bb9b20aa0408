//! Mutants of `spec/plans.md`: readers that are too kind, and checks that are left out.

mod readers;

use std::sync::Arc;

use serde_json::{Value, json};

use super::Mutant;
use crate::diagnostic::Violation;
use crate::manifest::{Action, Kind, Mapping};
use crate::model::Message;
use crate::runtime::Parts;
use crate::runtime::error::ErrorObject;
use crate::runtime::parts::Author;
use crate::runtime::plan::{self, Scope};
use crate::runtime::session::status::{self, Event, Status};
use crate::runtime::{prompt, request};

/// All mutants of this section.
pub fn mutants() -> Vec<Mutant> {
    let mut all = readers::mutants();
    all.extend(names());
    all.extend(enforcement());
    all.extend(attempts());
    all
}

/// A mutant that finds actions in its own way where the reference finds none.
fn finder(
    name: &'static str,
    requirement: &'static str,
    behaviour: &'static str,
    find: fn(&Scope<'_>, &str) -> Option<Arc<Action>>,
) -> Mutant {
    struct Finder(fn(&Scope<'_>, &str) -> Option<Arc<Action>>);
    impl Parts for Finder {
        fn find_action(&self, scope: &Scope<'_>, name: &str) -> Option<Arc<Action>> {
            let exact = scope.manifest.action(name).cloned();
            exact
                .or_else(|| (self.0)(scope, name))
                .filter(|action| self.may_use_action(scope, action))
        }
    }
    Mutant::part(name, requirement, behaviour, Finder(find))
}

/// A mutant that allows actions in its own way.
fn door(
    name: &'static str,
    requirement: &'static str,
    behaviour: &'static str,
    allows: fn(&Scope<'_>, &Action) -> bool,
) -> Mutant {
    struct Door(fn(&Scope<'_>, &Action) -> bool);
    impl Parts for Door {
        fn may_use_action(&self, scope: &Scope<'_>, action: &Action) -> bool {
            (self.0)(scope, action)
        }
    }
    Mutant::part(name, requirement, behaviour, Door(allows))
}

fn names() -> Vec<Mutant> {
    vec![
        finder(
            "runs-another-action-instead",
            "PLN-010",
            "Carries out the first action of the manifest where a plan names one that is not declared.",
            |scope, _| scope.manifest.actions.first().cloned(),
        ),
        finder(
            "finds-names-in-longer-texts",
            "PLN-010",
            "Looks for a declared name anywhere in what the plan gives as one.",
            |scope, name| {
                let mut actions = scope.manifest.actions.iter();
                actions.find(|action| name.contains(&action.name)).cloned()
            },
        ),
        finder(
            "folds-case-and-trims",
            "PLN-011",
            "Compares names in lower case and without what stands around them.",
            |scope, name| {
                let folded = name.trim_matches(|c: char| c.is_whitespace() || c.is_control());
                scope.manifest.action(&folded.to_lowercase()).cloned()
            },
        ),
        finder(
            "compares-names-as-they-look",
            "PLN-011",
            "Normalises names: full width and Cyrillic letters become Latin, invisible ones vanish.",
            |scope, name| {
                let seen: String = name
                    .chars()
                    .filter(|c| !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'))
                    .map(|c| match c {
                        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
                        '\u{441}' => 'c',
                        other => other,
                    })
                    .collect();
                scope.manifest.action(&seen).cloned()
            },
        ),
        readers::reader(
            "compares-names-before-unescaping",
            "PLN-011",
            "Compares the name of an action as the reply spells it, escapes included.",
            |text| {
                let mut plan = plan::read_plan(text)?;
                if let plan::Wish::Act { action, .. } = &mut plan.wish
                    && !text.contains(&Value::from(action.as_str()).to_string())
                {
                    action.insert(0, '\\');
                }
                Ok(plan)
            },
        ),
        door(
            "ignores-the-intent",
            "PLN-012",
            "Lets a session use every action of its manifest whatever its intent.",
            plan::granted_by_flag,
        ),
        door(
            "ignores-feature-flags",
            "PLN-013",
            "Lets a session use actions behind flags that it does not carry.",
            plan::granted_by_intent,
        ),
        door(
            "folds-feature-flags",
            "PLN-013",
            "Compares feature flags in lower case and without white space.",
            |scope, action| {
                let carried = |flag: &String| {
                    scope
                        .flags
                        .iter()
                        .any(|own| own.trim().to_lowercase() == *flag)
                };
                plan::granted_by_intent(scope, action)
                    && action.feature_flag.as_ref().is_none_or(carried)
            },
        ),
    ]
}

/// A mutant that overlooks violations of arguments.
fn lenient(
    name: &'static str,
    requirement: &'static str,
    behaviour: &'static str,
    overlooks: fn(&Action, &Violation) -> bool,
) -> Mutant {
    struct Lenient(fn(&Action, &Violation) -> bool);
    impl Parts for Lenient {
        fn check_arguments(&self, action: &Action, args: &Value, _: Author) -> Vec<Violation> {
            let mut found = plan::check_arguments(action, args);
            found.retain(|violation| !(self.0)(action, violation));
            found
        }
    }
    Mutant::part(name, requirement, behaviour, Lenient(overlooks))
}

/// A mutant that changes arguments on their way to the service.
fn rewriter(
    name: &'static str,
    requirement: &'static str,
    behaviour: &'static str,
    rewrite: fn(&str) -> String,
) -> Mutant {
    struct Rewriter(fn(&str) -> String);
    impl Parts for Rewriter {
        fn request_value(&self, map: Option<&Mapping>, args: &Value) -> Value {
            let text = (self.0)(&args.to_string());
            request::mapped(map, &serde_json::from_str(&text).unwrap_or_default())
        }
    }
    Mutant::part(name, requirement, behaviour, Rewriter(rewrite))
}

fn enforcement() -> Vec<Mutant> {
    vec![
        lenient(
            "skips-input-validation",
            "PLN-014",
            "Executes actions with whatever arguments the model gives.",
            |_, _| true,
        ),
        lenient(
            "does-not-assert-formats-of-arguments",
            "PLN-014",
            "Takes `format` for a remark: any text is an e-mail address or a date.",
            |_, violation| violation.rule == "format",
        ),
        lenient(
            "checks-the-presence-of-arguments-only",
            "PLN-014",
            "Sees that required arguments are there and does not look at them.",
            |_, violation| violation.rule != "required",
        ),
        lenient(
            "takes-unknown-arguments",
            "PLN-014",
            "Lets arguments pass that the schema shuts out.",
            |_, violation| violation.rule == "additionalProperties",
        ),
        lenient(
            "asks-people-before-it-checks",
            "PLN-015",
            "Puts a question to a person whatever its arguments are.",
            |action, _| matches!(action.kind, Kind::HumanIntervention { .. }),
        ),
        Mutant::part(
            "refused-replies-leave-traces",
            "PLN-015",
            "Notes in the environment that replies were refused.",
            Traces,
        ),
        rewriter(
            "replaces-variables-in-arguments",
            "PLN-016",
            "Replaces references to variables in the arguments of a plan.",
            |text| {
                text.replace("${OAP_TEST_REGION}", "eu")
                    .replace("${CRM_TOKEN}", "the value")
            },
        ),
        rewriter(
            "computes-expressions-in-arguments",
            "PLN-016",
            "Computes what stands between double braces in the arguments of a plan.",
            |text| {
                text.replace("{{ 1 + 1 }}", "2")
                    .replace("{{ environment.secret_plan }}", "swordfish")
            },
        ),
    ]
}

struct Traces;

impl Parts for Traces {
    fn observation_without_step(&self, event: Event, observation: &Value) -> Option<Value> {
        let refused = matches!(
            event,
            Event::PlanRefusedThrice | Event::PlanRefusedThriceUnattended
        );
        refused.then(|| {
            let mut noted = observation.clone();
            noted["environment"]["refused"] = json!(3);
            noted
        })
    }
}

fn attempts() -> Vec<Mutant> {
    vec![
        Mutant::part(
            "gives-up-after-one-reply",
            "PLN-017",
            "Does not ask again after a refused reply.",
            Attempts(1),
        ),
        Mutant::part(
            "gives-up-after-two-replies",
            "PLN-017",
            "Asks once more after a refused reply and then gives up.",
            Attempts(2),
        ),
        Mutant::part(
            "asks-a-fourth-time",
            "PLN-020",
            "Asks the model a fourth time within one step call.",
            Attempts(4),
        ),
        Mutant::part(
            "forgets-refused-replies",
            "PLN-018",
            "Asks again with the first prompt, as if nothing had been refused.",
            Forgets,
        ),
        Mutant::part(
            "does-not-say-why",
            "PLN-018",
            "Tells the model that its reply was refused and not by which code.",
            Silent,
        ),
        Mutant::part(
            "does-not-say-where",
            "PLN-019",
            "Tells the model that its arguments are wrong and not which ones.",
            Vague,
        ),
        Mutant::part(
            "stays-active-after-three",
            "PLN-021",
            "Leaves a session active after three refused replies, for the next call to try again.",
            Untiring,
        ),
        Mutant::part(
            "fails-although-people-are-there",
            "PLN-021",
            "Ends a session after three refused replies without asking a person.",
            Lonely,
        ),
        Mutant::part(
            "attempts-last-for-the-session",
            "PLN-022",
            "Gives the model three refused replies for a whole session.",
            Thrifty,
        ),
        Mutant::part(
            "second-guesses-a-finish",
            "PLN-024",
            "Takes a finish for an opinion and keeps the session active.",
            Doubts,
        ),
    ]
}

struct Attempts(u32);

impl Parts for Attempts {
    fn attempts_allowed(&self) -> u32 {
        self.0
    }
}

struct Forgets;

impl Parts for Forgets {
    fn messages(
        &self,
        contract: &Arc<str>,
        question: &Arc<str>,
        _: &[(String, String)],
    ) -> Vec<Message> {
        prompt::messages(contract, question, &[])
    }
}

struct Silent;

impl Parts for Silent {
    fn refusal(&self, _: &ErrorObject) -> String {
        "That was not right; try again.".to_owned()
    }
}

struct Vague;

impl Parts for Vague {
    fn refusal(&self, error: &ErrorObject) -> String {
        format!("{}: try again.", error.code.name())
    }
}

struct Untiring;

impl Parts for Untiring {
    fn after_attempts(&self, _: bool) -> Event {
        Event::ModelFailed
    }
}

struct Lonely;

impl Parts for Lonely {
    fn after_attempts(&self, _: bool) -> Event {
        Event::PlanRefusedThriceUnattended
    }
}

struct Thrifty;

impl Parts for Thrifty {
    fn first_attempt(&self, refused: usize) -> u32 {
        u32::try_from(refused).unwrap_or(3) + 1
    }
}

struct Doubts;

impl Parts for Doubts {
    fn status_after(&self, status: Status, event: Event) -> Option<Status> {
        match event {
            Event::PlanFinished => Some(status),
            _ => status::after(status, event),
        }
    }
}
