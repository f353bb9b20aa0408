//! The JSON-LD vocabulary (`spec/workflows.md`, section 2): which names stand for its terms under the contexts of a document.
//!
//! The published context is known and always in force; inline contexts add prefixes and other names. Nothing is fetched.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::diagnostic::Violation;
use crate::json;

/// What all IRIs of the vocabulary begin with.
pub const NAMESPACE: &str = "https://open-action.example/2.0/vocab#";

/// The published context.
pub const CONTEXT: &str = "https://open-action.example/2.0/context.jsonld";

/// The prefix that the published context declares for [`NAMESPACE`].
const PREFIX: &str = "OpenAction";

/// The members that the published context defines, in the order of `spec/context.jsonld`.
pub const MEMBERS: [&str; 39] = [
    "name",
    "version",
    "description",
    "protocolVersion",
    "actions",
    "intents",
    "actionType",
    "inputSchema",
    "outputSchema",
    "endpoint",
    "method",
    "auth",
    "headers",
    "timeoutMs",
    "requestMap",
    "responseMap",
    "runtime",
    "code",
    "entrypoint",
    "limits",
    "cpuMs",
    "memoryMib",
    "network",
    "root",
    "prompt",
    "pluginReference",
    "accessControl",
    "requiredScopes",
    "rateLimit",
    "verification",
    "effects",
    "fallbackAction",
    "conditional",
    "resultPath",
    "completesGoal",
    "featureFlag",
    "input",
    "action",
    "requestId",
];

/// Longer than any term.
const LONGEST_TERM: usize = 64;

/// How long a chain of names that stand for each other may be.
const LONGEST_CHAIN: usize = 8;

/// Most things wrong with one context that are told.
const MOST_TOLD: usize = 100;

/// Keywords that stand for their contents, or put them elsewhere: what they hold would be part of the object, and is not read.
const HIDING: [&str; 7] = [
    "@nest",
    "@included",
    "@graph",
    "@reverse",
    "@set",
    "@list",
    "@value",
];

/// Whether a member by this name may hold members of the object around it, so that reading over it could drop a safeguard.
pub fn hides(name: &str) -> bool {
    HIDING.contains(&name)
}

/// The names that are in force at one place of a document.
#[derive(Debug, Default)]
pub struct Vocabulary<'d> {
    outer: Option<&'d Vocabulary<'d>>,
    /// What contexts of this very place declare: the IRI or keyword a name stands for, none where that can be no term.
    declared: BTreeMap<&'d str, Option<String>>,
    /// What `@vocab` puts before names without a colon, where it is declared.
    vocab: Option<Option<String>>,
}

impl<'d> Vocabulary<'d> {
    /// The names in force within an object that has this `@context`, and what is wrong with that.
    ///
    /// Pointers of violations lead into the context.
    pub fn within(&'d self, context: Option<&'d Value>) -> (Vocabulary<'d>, Vec<Violation>) {
        let mut inner = Vocabulary {
            outer: Some(self),
            ..Vocabulary::default()
        };
        let mut found = Vec::new();
        match context {
            None | Some(Value::String(_)) => {}
            Some(Value::Object(members)) => inner.declare_all(members, "", &mut found),
            Some(Value::Array(contexts)) => {
                for (index, context) in contexts.iter().enumerate() {
                    let place = format!("/{index}");
                    match context {
                        // Known, or of another: an IRI adds nothing that is not in force already.
                        Value::String(_) => {}
                        Value::Object(members) => inner.declare_all(members, &place, &mut found),
                        _ => found.push(Violation::new(
                            place,
                            "type",
                            "write an IRI or an object here; the published context cannot be taken back",
                        )),
                    }
                }
            }
            Some(_) => found.push(Violation::new(
                "",
                "type",
                "write a string, an object or an array here",
            )),
        }
        (inner, found)
    }

    fn declare_all(
        &mut self,
        members: &'d Map<String, Value>,
        place: &str,
        found: &mut Vec<Violation>,
    ) {
        let mut refuse = |name: &str, rule: &str, message: &str| {
            if found.len() < MOST_TOLD {
                found.push(Violation::new(json::push(place, name), rule, message));
            }
        };
        const TOO_LONG: &str = "let the name stand for an IRI itself; names that stand for each other go in a circle, or on for too long";
        // Names without a colon depend on it, wherever it stands.
        if let Some(value) = members.get("@vocab") {
            let base = value
                .as_str()
                .map(|iri| self.expanded(iri, members, LONGEST_CHAIN));
            match base.transpose() {
                Ok(base) => self.vocab = Some(base.flatten()),
                Err(Endless) => refuse("@vocab", "unsupported_context", TOO_LONG),
            }
        }
        for (name, value) in members {
            if name.starts_with('@') {
                continue;
            }
            let iri = definition(value).map(|iri| self.expanded(iri, members, LONGEST_CHAIN));
            let iri = match iri.transpose() {
                Ok(iri) => iri.flatten(),
                Err(Endless) => {
                    refuse(name, "unsupported_context", TOO_LONG);
                    continue;
                }
            };
            // What is not understood here would not be found there, and a safeguard with it.
            let hidden = iri.as_deref().is_some_and(hides) || reverses(value);
            if hidden || (iri.is_some() && !is_plain(value)) {
                refuse(
                    name,
                    "unsupported_context",
                    "let the name stand for an IRI and no more; contexts within a name, containers other than lists, and names for keywords that hold members are not read",
                );
                continue;
            }
            if let Some(own) = protected(name) {
                if iri.as_deref() != Some(own.as_str()) {
                    refuse(
                        name,
                        "protected_term",
                        "choose another name; the published context defines this one",
                    );
                }
                continue;
            }
            self.declared.insert(name, iri);
        }
    }

    /// The IRI of a value of a context, whose names may be declared further down in the same context; none where it can
    /// neither be a term nor become one, so that what is kept is short.
    fn expanded(
        &self,
        text: &str,
        members: &'d Map<String, Value>,
        left: usize,
    ) -> Result<Option<String>, Endless> {
        let (name, suffix) = match text.split_once(':') {
            Some((_, suffix)) if suffix.starts_with("//") => return Ok(relevant(text.to_owned())),
            Some((prefix, suffix)) => (prefix, Some(suffix)),
            None => (text, None),
        };
        // A published name stands for its term, whatever the context says of it besides.
        let same = members.get(name).filter(|_| protected(name).is_none());
        let base = match (same.and_then(definition), left.checked_sub(1), suffix) {
            (Some(iri), _, _) if iri == text => None,
            (Some(iri), Some(left), _) => match self.expanded(iri, members, left)? {
                Some(iri) => Some(iri),
                None => return Ok(None),
            },
            (Some(_), None, _) => return Err(Endless),
            (None, _, Some(_)) => self.declared_iri(name).map(str::to_owned),
            (None, _, None) => self.named_iri(name),
        };
        Ok(match base {
            Some(base) => relevant(base + suffix.unwrap_or_default()),
            None => relevant(text.to_owned()),
        })
    }

    /// The IRI that a name without a colon stands for: declared, of the published context, or by `@vocab`.
    fn named_iri(&self, name: &str) -> Option<String> {
        if let Some(iri) = self.declared_iri(name) {
            return Some(iri.to_owned());
        }
        let keyword = name.starts_with('@');
        let published = || MEMBERS.contains(&name).then_some(NAMESPACE);
        let base = published().or_else(|| self.vocab())?;
        (!keyword).then(|| format!("{base}{name}"))
    }

    /// The IRI or keyword that a name without a colon was declared for.
    fn declared_iri(&self, name: &str) -> Option<&str> {
        if name == PREFIX {
            return Some(NAMESPACE);
        }
        match self.declared.get(name) {
            Some(iri) => iri.as_deref(),
            None => self.outer.and_then(|outer| outer.declared_iri(name)),
        }
    }

    /// The term of the vocabulary that a text stands for, as an abbreviated name, an IRI or a declared name.
    fn term<'n>(&self, text: &'n str) -> Option<Cow<'n, str>> {
        if let Some(term) = text.strip_prefix(NAMESPACE) {
            return Some(Cow::Borrowed(term));
        }
        let Some((prefix, suffix)) = text.split_once(':') else {
            let term = self.declared_iri(text)?.strip_prefix(NAMESPACE)?;
            return (!term.is_empty()).then(|| Cow::Owned(term.to_owned()));
        };
        let rest = match self.declared_iri(prefix)? {
            NAMESPACE => return Some(Cow::Borrowed(suffix)),
            iri => format!("{iri}{suffix}"),
        };
        let term = rest.strip_prefix(NAMESPACE)?;
        Some(Cow::Owned(term.to_owned()))
    }

    /// A member's own name where another one stands for it: `oa:name` and the full IRI are `name`. Others stay.
    pub fn member<'n>(&self, name: &'n str) -> Cow<'n, str> {
        if MEMBERS.contains(&name) {
            return Cow::Borrowed(name);
        }
        if self.declared_iri(name) == Some("@type") {
            return Cow::Borrowed("@type");
        }
        match self.term(name) {
            Some(term) if MEMBERS.contains(&term.as_ref()) || is_snake(&term) => term,
            _ => Cow::Borrowed(name),
        }
    }

    /// The term that `@type` names: abbreviated, as a full IRI, or in an array of just one.
    pub fn type_term(&self, value: &Value) -> Option<String> {
        let name = match value {
            Value::String(name) => name,
            Value::Array(names) => match names.as_slice() {
                [Value::String(name)] => name,
                _ => return None,
            },
            _ => return None,
        };
        if let Some(term) = self.term(name) {
            return Some(term.into_owned());
        }
        let bare = !name.contains(':') && self.declared_iri(name).is_none();
        (bare && self.vocab() == Some(NAMESPACE)).then(|| name.clone())
    }

    fn vocab(&self) -> Option<&str> {
        match &self.vocab {
            Some(vocab) => vocab.as_deref(),
            None => self.outer.and_then(Vocabulary::vocab),
        }
    }
}

/// An IRI that is a term, or that a term begins with, or the keyword that another name may stand for.
fn relevant(iri: String) -> Option<String> {
    let may_be = NAMESPACE.starts_with(&iri) && !iri.is_empty();
    let is = iri
        .strip_prefix(NAMESPACE)
        .is_some_and(|term| term.len() <= LONGEST_TERM);
    (may_be || is || iri == "@type" || hides(&iri)).then_some(iri)
}

/// Names of a context that stand for each other in a circle, or on for too long.
struct Endless;

/// Whether a term is a member in its snake_case spelling, which the vocabulary does not have: it is refused, not read over.
fn is_snake(term: &str) -> bool {
    let mut camel = String::with_capacity(term.len());
    let mut parts = term.split('_');
    camel.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let mut rest = part.chars();
        camel.extend(rest.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(rest.as_str());
    }
    term.contains('_') && MEMBERS.contains(&camel.as_str())
}

/// Whether a definition says no more than what its name stands for, and how a value is to be taken that is read as it is.
fn is_plain(definition: &Value) -> bool {
    let Value::Object(members) = definition else {
        return true;
    };
    members.iter().all(|(name, value)| match name.as_str() {
        "@id" | "@prefix" | "@protected" | "@type" | "@language" => true,
        "@container" => matches!(value.as_str(), Some("@list" | "@set")),
        _ => !name.starts_with('@'),
    })
}

/// Whether a definition turns the relation around.
fn reverses(definition: &Value) -> bool {
    let members = definition.as_object();
    members.is_some_and(|members| members.contains_key("@reverse"))
}

/// What a name of a context is declared for; none for one that is taken back, or that says nothing.
fn definition(value: &Value) -> Option<&str> {
    match value {
        Value::String(iri) => Some(iri),
        Value::Object(members) => members.get("@id").and_then(Value::as_str),
        _ => None,
    }
}

/// The IRI that a name has by the published context, which no inline context may change.
fn protected(name: &str) -> Option<String> {
    if name == PREFIX {
        return Some(NAMESPACE.to_owned());
    }
    MEMBERS
        .contains(&name)
        .then(|| format!("{NAMESPACE}{name}"))
}

#[cfg(test)]
mod tests {
    use super::{CONTEXT, MEMBERS, NAMESPACE, Vocabulary};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    /// What `@type` and a member's name stand for within a context.
    fn read(context: &Value, kind: &Value, name: &str) -> (Option<String>, String) {
        let root = Vocabulary::default();
        let (vocabulary, found) = root.within(Some(context));
        assert_eq!(found, [], "{context}");
        (
            vocabulary.type_term(kind),
            vocabulary.member(name).into_owned(),
        )
    }

    fn kind(context: Value, kind: Value) -> Option<String> {
        read(&context, &kind, "").0
    }

    fn member(context: Value, name: &str) -> String {
        read(&context, &Value::Null, name).1
    }

    #[test]
    fn wfl_001_the_three_forms_of_a_type() {
        let full = format!("{NAMESPACE}Action");
        for form in [
            json!("OpenAction:Action"),
            json!(full),
            json!(["OpenAction:Action"]),
            json!([full]),
        ] {
            assert_eq!(
                kind(json!(CONTEXT), form.clone()).as_deref(),
                Some("Action"),
                "{form}"
            );
        }
        for form in [
            json!("Action"),
            json!("openaction:Action"),
            json!("oa:Action"),
            json!([]),
            json!(["OpenAction:Action", "OpenAction:Action"]),
            json!([["OpenAction:Action"]]),
            json!(1),
            json!({"@id": "OpenAction:Action"}),
        ] {
            assert_eq!(kind(json!(CONTEXT), form.clone()), None, "{form}");
        }
    }

    #[test]
    fn wfl_002_prefixes_of_inline_contexts() {
        for context in [
            json!({"oa": NAMESPACE}),
            json!({"oa": {"@id": NAMESPACE, "@prefix": true}}),
            json!({"oa": "OpenAction:"}),
            json!([CONTEXT, {"oa": NAMESPACE}]),
            json!([{"oa": "https://other.example/#"}, {"oa": NAMESPACE}]),
            json!({"base": "https://open-action.example/", "oa": "base:2.0/vocab#"}),
            json!({"oa": "base:2.0/vocab#", "base": "https://open-action.example/"}),
        ] {
            assert_eq!(
                kind(context.clone(), json!("oa:Action")).as_deref(),
                Some("Action"),
                "{context}"
            );
            assert_eq!(member(context.clone(), "oa:name"), "name", "{context}");
        }
        for context in [
            json!({"oa": "https://other.example/#"}),
            json!([{"oa": NAMESPACE}, {"oa": "https://other.example/#"}]),
            json!([{"oa": NAMESPACE}, {"oa": null}]),
            json!({"oa": "oa:"}),
            json!({"oa": 1}),
        ] {
            assert_eq!(kind(context.clone(), json!("oa:Action")), None, "{context}");
            assert_eq!(member(context.clone(), "oa:name"), "oa:name", "{context}");
        }
    }

    #[test]
    fn wfl_003_names_that_stand_for_terms() {
        assert_eq!(member(json!({}), "OpenAction:inputSchema"), "inputSchema");
        assert_eq!(member(json!({}), &format!("{NAMESPACE}name")), "name");
        assert_eq!(member(json!({"label": "OpenAction:name"}), "label"), "name");
        assert_eq!(member(json!({"kind": "@type"}), "kind"), "@type");
        assert_eq!(
            kind(json!({"Act": "OpenAction:Action"}), json!("Act")).as_deref(),
            Some("Action")
        );
        assert_eq!(
            kind(json!({"@vocab": NAMESPACE}), json!("Action")).as_deref(),
            Some("Action")
        );
        // A name of the published context stands for its term in definitions too.
        for context in [
            json!({"when": "conditional"}),
            json!({"when": {"@id": "conditional", "@protected": true}}),
            json!({"when": "conditional", "conditional": "OpenAction:conditional"}),
            json!({"when": "once", "once": "conditional"}),
        ] {
            assert_eq!(member(context.clone(), "when"), "conditional", "{context}");
        }
        let vocab = json!({"Act": "Action", "@vocab": NAMESPACE});
        assert_eq!(kind(vocab, json!("Act")).as_deref(), Some("Action"));
        assert_eq!(member(json!({}), "input:Schema"), "input:Schema");
        // What the vocabulary does not know keeps its name; the other spelling comes out as such, and is refused.
        assert_eq!(member(json!({"oa": NAMESPACE}), "oa:colour"), "oa:colour");
        assert_eq!(
            member(json!({"oa": NAMESPACE}), "oa:input_schema"),
            "input_schema"
        );
        assert_eq!(member(json!({}), "input_schema"), "input_schema");
    }

    #[test]
    fn wfl_004_iris_of_other_contexts_add_nothing() {
        for context in [
            json!("https://schema.org/"),
            json!(["https://schema.org/", CONTEXT]),
            json!("http://127.0.0.1:1/context.jsonld"),
        ] {
            assert_eq!(kind(context.clone(), json!("schema:Action")), None);
            assert_eq!(
                kind(context, json!("OpenAction:Action")).as_deref(),
                Some("Action")
            );
        }
    }

    #[test]
    fn inner_contexts_are_laid_over_outer_ones() {
        let root = Vocabulary::default();
        let (outer, inner) = (
            json!({"oa": NAMESPACE, "ob": NAMESPACE}),
            json!({"ob": null}),
        );
        let (outer, _) = root.within(Some(&outer));
        let (inner, _) = outer.within(Some(&inner));
        assert_eq!(inner.member("oa:name"), "name");
        assert_eq!(inner.member("ob:name"), "ob:name");
        assert_eq!(outer.member("ob:name"), "name");
    }

    #[test]
    fn what_would_be_read_over_is_refused() {
        let long: serde_json::Map<_, _> = (0..12)
            .map(|at| (format!("c{at}"), json!(format!("c{}", at + 1))))
            .chain([("c12".to_owned(), json!("conditional"))])
            .collect();
        let scoped = json!({"rs": "OpenAction:requiredScopes"});
        for (context, name) in [
            (json!({"oa": "ob:", "ob": "oa:"}), "oa"),
            (Value::Object(long), "c0"),
            (
                json!({"g": {"@id": "accessControl", "@context": scoped}}),
                "g",
            ),
            (
                json!({"Act": {"@id": "OpenAction:Action", "@context": scoped}}),
                "Act",
            ),
            (
                json!({"accessControl": {"@id": "accessControl", "@context": scoped}}),
                "accessControl",
            ),
            (
                json!({"g": {"@id": "accessControl", "@container": "@index"}}),
                "g",
            ),
            (json!({"g": {"@id": "conditional", "@nest": "n"}}), "g"),
            (json!({"n": "@nest"}), "n"),
            (json!({"n": {"@id": "@graph"}}), "n"),
            (json!({"n": "m", "m": "@included"}), "n"),
            (json!({"n": {"@reverse": "OpenAction:action"}}), "n"),
        ] {
            let root = Vocabulary::default();
            let (_, found) = root.within(Some(&context));
            let told = found.iter().any(|found| {
                found.rule == "unsupported_context" && found.pointer == format!("/{name}")
            });
            assert!(told, "{context}: {found:?}");
        }
        // What is no term may be defined as anybody likes.
        let foreign = json!({"x": {"@id": "https://other.example/x", "@context": {"y": "x:"}, "@container": "@index"},
                             "id": "@id", "list": {"@id": "OpenAction:actions", "@container": "@list"}});
        assert_eq!(member(foreign, "list"), "actions");
    }

    #[test]
    fn the_published_names_are_protected() {
        let refused = |context: Value| {
            let root = Vocabulary::default();
            let (_, found) = root.within(Some(&context));
            let rules = found.into_iter().map(|found| (found.pointer, found.rule));
            rules.collect::<Vec<_>>()
        };
        let told = |pointer: &str, rule: &str| vec![(pointer.to_owned(), rule.to_owned())];
        assert_eq!(
            refused(json!({"accessControl": "https://other.example/#x"})),
            told("/accessControl", "protected_term")
        );
        assert_eq!(
            refused(json!([CONTEXT, {"OpenAction": "https://other.example/#"}])),
            told("/1/OpenAction", "protected_term")
        );
        assert_eq!(
            refused(json!({"name": null})),
            told("/name", "protected_term")
        );
        assert_eq!(refused(json!([CONTEXT, null])), told("/1", "type"));
        assert_eq!(refused(json!(1)), told("", "type"));
        assert_eq!(
            refused(
                json!({"OpenAction": NAMESPACE, "name": "OpenAction:name", "@version": 1.1, "x": 1})
            ),
            []
        );
    }

    #[test]
    fn the_published_context_defines_the_same_names() {
        let text = crate::embedded::text("spec/context.jsonld").expect("is there");
        let document: Value = serde_json::from_str(&text).expect("JSON");
        let context = document["@context"].as_object().expect("an object");
        assert_eq!(context["OpenAction"], NAMESPACE);
        let names: Vec<&str> = context
            .iter()
            .filter(|(name, _)| !name.starts_with('@') && *name != "OpenAction")
            .map(|(name, value)| {
                let iri = value
                    .as_str()
                    .unwrap_or_else(|| value["@id"].as_str().expect("@id"));
                assert_eq!(iri, format!("OpenAction:{name}"));
                name.as_str()
            })
            .collect();
        assert_eq!(names, MEMBERS);
    }

    proptest! {
        #[test]
        fn no_context_panics_or_runs_on(
            names in prop::collection::vec(("[ab:@]{0,3}", "[ab:/#]{0,4}"), 0..8),
            name in "[ab:@]{0,5}",
        ) {
            let members = names.into_iter().map(|(name, iri)| (name, Value::from(iri))).collect();
            let context = Value::Object(members);
            let root = Vocabulary::default();
            let (vocabulary, _) = root.within(Some(&context));
            let _ = vocabulary.member(&name);
            let _ = vocabulary.type_term(&Value::from(name));
        }
    }
}
