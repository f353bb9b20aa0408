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
        for (name, value) in members {
            if name == "@vocab" {
                self.vocab = Some(
                    value
                        .as_str()
                        .and_then(|iri| self.expanded(iri, members, LONGEST_CHAIN)),
                );
                continue;
            }
            if name.starts_with('@') {
                continue;
            }
            let iri = definition(value).and_then(|iri| self.expanded(iri, members, LONGEST_CHAIN));
            if let Some(own) = protected(name) {
                if iri.as_deref() != Some(own.as_str()) {
                    found.push(Violation::new(
                        json::push(place, name),
                        "protected_term",
                        "choose another name; the published context defines this one",
                    ));
                }
                continue;
            }
            self.declared.insert(name, iri);
        }
    }

    /// The IRI of a value of a context, whose names may be declared further down in the same context; none where it can
    /// neither be a term nor become one, so that what is kept is short.
    fn expanded(&self, text: &str, members: &'d Map<String, Value>, left: usize) -> Option<String> {
        let (name, suffix) = match text.split_once(':') {
            Some((_, suffix)) if suffix.starts_with("//") => return relevant(text.to_owned()),
            Some((prefix, suffix)) => (prefix, suffix),
            None => (text, ""),
        };
        let same = members.get(name).and_then(definition);
        let base = match (same, left.checked_sub(1)) {
            (Some(iri), Some(left)) if iri != text => self.expanded(iri, members, left)?,
            _ => match self.declared_iri(name) {
                Some(iri) => iri.to_owned(),
                None => return relevant(text.to_owned()),
            },
        };
        relevant(base + suffix)
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
            Some(term) if MEMBERS.contains(&term.as_ref()) => term,
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
    (may_be || is || iri == "@type").then_some(iri)
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
            json!({"oa": "ob:", "ob": "oa:"}),
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
        // What the vocabulary does not know keeps its name.
        assert_eq!(
            member(json!({"oa": NAMESPACE}), "oa:input_schema"),
            "oa:input_schema"
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
