//! How what the manifest's loader reports can be mended. Pointers lead into the document as given.

mod guards;
mod homes;
mod pieces;
mod schemas;

use serde_json::{Map, Value, json};

use crate::diagnostic::Violation;
use crate::json;
use crate::lint::Edit;
use crate::lint::near::nearest;
use crate::lint::rule::{Change, Rule};
use crate::lint::rules::expressions::mend;
use crate::lint::subject::Subject;
use crate::manifest::{self, Effect, Method};

pub(in crate::lint::rules) use guards::asks;

/// Longest number that was meant as a text, in bytes.
const LONGEST_NUMBER: usize = 32;

/// One finding that may be mended.
struct Case<'c, 'd> {
    subject: &'c Subject<'d>,
    /// Where it is.
    pointer: &'c str,
    message: &'c str,
    /// What is there.
    value: &'c Value,
}

/// What can be said of a finding besides what the loader says.
#[derive(Debug, Default)]
pub(in crate::lint::rules) struct Advice {
    /// In the place of the loader's words.
    pub(in crate::lint::rules) message: Option<String>,
    /// How it can be mended.
    pub(in crate::lint::rules) change: Option<Change>,
}

pub(super) fn advice(rule: &Rule, violation: &Violation, subject: &Subject<'_>) -> Advice {
    let found = subject.document().value().pointer(&violation.pointer);
    let case = found.map(|value| Case {
        subject,
        pointer: &violation.pointer,
        message: &violation.message,
        value,
    });
    let of_its_own = case.and_then(|case| match rule.id {
        "unknown_member" => case.unknown_member(),
        "invalid_schema" => schemas::type_advice(&case),
        "effect_without_approval" => case.explicitly_off(),
        _ => None,
    });
    of_its_own.unwrap_or_else(|| Advice {
        message: None,
        change: fix_for(rule, violation, subject),
    })
}

fn fix_for(rule: &Rule, violation: &Violation, subject: &Subject<'_>) -> Option<Change> {
    let case = Case {
        subject,
        pointer: &violation.pointer,
        message: &violation.message,
        value: subject.document().value().pointer(&violation.pointer)?,
    };
    match rule.id {
        "duplicate_key" => case.duplicate_key(),
        "mixed_spelling" => case.mixed_spelling(),
        "two_part_version" => {
            let version = format!("{}.0", case.text()?);
            case.replace(true, json!(version))
        }
        "invalid_version" => {
            let version = pieces::version(case.text()?)?;
            case.replace(false, json!(version))
        }
        "unsupported_protocol_version" => case.replace(false, json!("2.0")),
        "type" => case.wrong_type(),
        "required" => case.missing(),
        "enum" => case.word(),
        "minimum" | "maximum" => {
            let bound: u64 = case.message.split(' ').nth(1)?.parse().ok()?;
            case.replace(false, json!(bound))
        }
        "minProperties" | "not_a_read" | "forbidden_header" | "duplicate_header" => {
            case.remove(false)
        }
        "fallback_needs_approval" if case.value == "approval" => case.remove(false),
        "uniqueItems" => {
            let once = pieces::each_once(case.value.as_array()?);
            case.replace_as("name each once", true, Value::Array(once))
        }
        "unknown_action" => {
            let name = nearest(case.text()?, subject.action_names())?;
            case.replace(true, json!(name))
        }
        "invalid_pointer" => case.pointer_form(),
        "outside_environment" => case.below_environment(),
        "invalid_endpoint" => {
            let (before, _) = case.text()?.split_once('#')?;
            case.replace(false, json!(before))
        }
        "invalid_root" => {
            let root = pieces::root(case.text()?)?;
            case.replace(false, json!(root))
        }
        "invalid_rate_limit" => {
            let rate = pieces::rate(case.text()?)?;
            case.replace(true, json!(rate))
        }
        "effect_without_approval" => case.approval(),
        "invalid_schema" => schemas::fix(&case),
        "invalid_expression" => case.replace_as(
            "mend the slips",
            false,
            mend::conditional(case.text()?)?.into(),
        ),
        "invalid_template" => case.replace_as(
            "mend the slips",
            false,
            mend::template(case.text()?)?.into(),
        ),
        _ => None,
    }
}

impl<'c> Case<'c, '_> {
    fn text(&self) -> Option<&'c str> {
        self.value.as_str()
    }

    /// The name of the member or the index of the element.
    fn token(&self) -> Option<String> {
        json::pop(self.pointer).map(|(_, token)| token)
    }

    /// The object around the member.
    fn parent(&self) -> Option<(&'c str, &'c Map<String, Value>)> {
        let (parent, _) = json::pop(self.pointer)?;
        let value = self.subject.document().value().pointer(parent)?;
        Some((parent, value.as_object()?))
    }

    fn change(&self, title: String, safe: bool, steps: Vec<Edit>) -> Option<Change> {
        Some(Change { title, safe, steps })
    }

    /// Another value, which the title can name because it is short and the model's.
    fn replace(&self, safe: bool, value: Value) -> Option<Change> {
        self.replace_as(&format!("write {value} here"), safe, value)
    }

    fn replace_as(&self, title: &str, safe: bool, value: Value) -> Option<Change> {
        let pointer = self.pointer.to_owned();
        self.change(
            title.to_owned(),
            safe,
            vec![Edit::Replace { pointer, value }],
        )
    }

    fn remove(&self, safe: bool) -> Option<Change> {
        let title = format!("remove '{}'", self.token()?);
        let pointer = self.pointer.to_owned();
        self.change(title, safe, vec![Edit::Remove { pointer }])
    }

    /// Another name, when no other member has it.
    fn rename(&self, safe: bool, name: &str) -> Option<Change> {
        let (_, members) = self.parent()?;
        if members.contains_key(name) {
            return None;
        }
        let step = Edit::Rename {
            pointer: self.pointer.to_owned(),
            name: name.to_owned(),
        };
        self.change(
            format!("rename '{}' to '{name}'", self.token()?),
            safe,
            vec![step],
        )
    }

    fn duplicate_key(&self) -> Option<Change> {
        let named = self.subject.document().duplicates();
        if !named.iter().any(|twice| twice.pointer == self.pointer) {
            return self.remove(false);
        }
        let title = format!("keep the last '{}' only", self.token()?);
        let pointer = self.pointer.to_owned();
        self.change(title, false, vec![Edit::KeepLast { pointer }])
    }

    fn unknown_member(&self) -> Option<Advice> {
        let (parent, members) = self.parent()?;
        let token = self.token()?;
        let parent = self.subject.unified(parent);
        let known = manifest::known_members(self.subject.value(), &parent);
        let free = known
            .into_iter()
            .map(|name| self.subject.spelled(name))
            .filter(|name| !members.contains_key(*name));
        if let Some(name) = nearest(&token, free) {
            return Some(Advice {
                message: None,
                change: self.rename(true, name),
            });
        }
        homes::advice(self).or_else(|| {
            Some(Advice {
                message: None,
                change: self.rename(false, &format!("x-{token}")),
            })
        })
    }

    fn mixed_spelling(&self) -> Option<Change> {
        let token = self.token()?;
        if token == "@type" {
            return self.remove(false);
        }
        let right = if self.subject.is_json_ld() {
            self.subject.spelled(&token).to_owned()
        } else {
            json::pop(&self.subject.unified(self.pointer))?.1
        };
        (right != token).then(|| self.rename(true, &right))?
    }

    /// A value that says in a text what it should say in its own type, or the only element of a list without the list.
    fn wrong_type(&self) -> Option<Change> {
        if self.value.is_number() {
            return self.number_as_text();
        }
        let text = self.text()?;
        if self.message.contains("true or false") {
            let flag: bool = text.trim().to_ascii_lowercase().parse().ok()?;
            return self.replace(true, json!(flag));
        }
        if self.message.contains("a whole number") {
            let number: u64 = text.trim().parse().ok()?;
            return self.replace(true, json!(number));
        }
        if self.message.contains("an array") {
            return self.replace_as("put it into a list", false, json!([text]));
        }
        None
    }

    /// A number where a text belongs, as it is written: `1.0` of YAML is the version "1.0", and not "1".
    fn number_as_text(&self) -> Option<Change> {
        let wanted = ["a string", "a version", "the text"];
        if !wanted.iter().any(|what| self.message.contains(what)) {
            return None;
        }
        let document = self.subject.document();
        let span = document.span(self.pointer);
        let written = document.text().get(span.start..span.end)?;
        let is_number = written.starts_with(|c: char| c.is_ascii_digit() || c == '-')
            && written.len() <= LONGEST_NUMBER;
        is_number.then(|| self.replace(true, json!(written)))?
    }

    fn missing(&self) -> Option<Change> {
        let members = self.value.as_object()?;
        let name = self.message.split('"').nth(1)?;
        let (value, safe) = if name == "@type" {
            (json!("OpenAction:Action"), true)
        } else if name == self.subject.spelled("input_schema") {
            (json!({"type": "object"}), false)
        } else if name == self.subject.spelled("output_schema") {
            (json!({}), false)
        } else {
            return None;
        };
        // What is there under a name close to it is renamed instead.
        if members.keys().any(|other| nearest(other, [name]).is_some()) {
            return None;
        }
        let step = Edit::Insert {
            pointer: self.pointer.to_owned(),
            name: name.to_owned(),
            value,
        };
        self.change(format!("add '{name}'"), safe, vec![step])
    }

    /// A word that is none of the few, but close to one.
    fn word(&self) -> Option<Change> {
        let place = self.subject.unified(self.pointer);
        let (parent, member) = json::pop(&place)?;
        let words: Vec<&str> = match member.as_str() {
            "method" => Method::ALL.iter().map(|method| method.as_str()).collect(),
            "type" => manifest::action_types().collect(),
            "verification" => vec!["none", "approval"],
            _ if parent.ends_with("/effects") => {
                Effect::ALL.iter().map(|one| one.as_str()).collect()
            }
            _ => return self.type_term(&place),
        };
        let word = nearest(self.text()?, words)?;
        self.replace(true, json!(word))
    }

    fn type_term(&self, place: &str) -> Option<Change> {
        let (parent, member) = json::pop(place)?;
        if member != "@type" {
            return None;
        }
        let term = match parent.split('/').collect::<Vec<_>>().as_slice() {
            [""] => "OpenAction:Manifest",
            ["", "intents", _] => "OpenAction:Intent",
            _ => "OpenAction:Action",
        };
        self.replace(false, json!(term))
    }

    /// Pointers are often written as paths with dots, or without the first slash; as a source or as a target.
    fn pointer_form(&self) -> Option<Change> {
        if let Some(value) = self.text().filter(|text| pieces::is_no_pointer(text)) {
            return self.replace(false, json!(pieces::pointer(value)));
        }
        let token = self.token()?;
        if pieces::is_no_pointer(&token) {
            return self.rename(false, &pieces::pointer(&token));
        }
        None
    }

    fn below_environment(&self) -> Option<Change> {
        let below = |target: &str| {
            let rest = target.strip_prefix("/observation").unwrap_or(target);
            let rest = rest.strip_prefix("/environment").unwrap_or(rest);
            (rest.len() > 1).then(|| format!("/environment{rest}"))
        };
        let is_whole = json::pop(&self.subject.unified(self.pointer))?.1 == "result_path";
        if is_whole {
            return self.replace(false, json!(below(self.text()?)?));
        }
        self.rename(false, &below(&self.token()?)?)
    }

    /// What an effect is told that an author chose to ask nobody about.
    fn explicitly_off(&self) -> Option<Advice> {
        let access = self.access()?;
        let root = self.subject.document().value();
        let chosen = root.pointer(&json::push(&access, "verification"))?.as_str();
        let chosen = chosen.filter(|chosen| *chosen == "none")?;
        let effect = self.text()?;
        let message = format!(
            "the action has the effect '{effect}', and asking is explicitly off: 'verification' is '{chosen}'; let a person approve it: \"verification\": \"approval\""
        );
        Some(Advice {
            message: Some(message),
            change: self.approval(),
        })
    }

    /// Where the access control of an effect's action stands, there or not.
    fn access(&self) -> Option<String> {
        let (effects, _) = json::pop(self.pointer)?;
        let (action, _) = json::pop(effects)?;
        Some(json::push(action, self.subject.spelled("access_control")))
    }

    fn approval(&self) -> Option<Change> {
        let access_name = self.subject.spelled("access_control");
        let access = self.access()?;
        let (action, _) = json::pop(&access)?;
        let step = match self.subject.document().value().pointer(&access) {
            None => Edit::Insert {
                pointer: action.to_owned(),
                name: access_name.to_owned(),
                value: json!({"verification": "approval"}),
            },
            Some(Value::Object(members)) if members.contains_key("verification") => Edit::Replace {
                pointer: json::push(&access, "verification"),
                value: json!("approval"),
            },
            Some(Value::Object(_)) => Edit::Insert {
                pointer: access.clone(),
                name: "verification".to_owned(),
                value: json!("approval"),
            },
            Some(_) => return None,
        };
        self.change("demand a person's approval".to_owned(), false, vec![step])
    }
}
