//! Entries of `state.history` (`spec/workflows.md`, 8.2).

use serde_json::{Map, Value, json};

/// What happened to a node, or to one attempt of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened {
    /// The action ran.
    Executed,
    /// The conditional was false.
    Skipped,
    /// It failed, or never ran because of a failure.
    Failed,
    /// It ran in another's place.
    Fallback,
    /// A person said no.
    Rejected,
}

impl Happened {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Happened::Executed => "executed",
            Happened::Skipped => "skipped",
            Happened::Failed => "failed",
            Happened::Fallback => "fallback",
            Happened::Rejected => "rejected",
        }
    }
}

/// One entry before it is written.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'e> {
    /// The action's name.
    pub action: &'e str,
    /// What happened.
    pub happened: Happened,
    /// The output, when there is one.
    pub result: Option<&'e Value>,
    /// The error object, when it failed or was rejected.
    pub error: Option<&'e Value>,
    /// The members that were filled in from `state.lastResult`.
    pub defaulted: &'e [String],
    /// The undefined paths that a false conditional read.
    pub undefined: &'e [String],
    /// The action in whose place it ran.
    pub fallback_of: Option<&'e str>,
    /// `{id, by}` of the question that was decided.
    pub approval: Option<&'e Value>,
    /// When, RFC 3339.
    pub at: &'e str,
}

/// The entry as it is appended; members that say nothing are left out.
pub fn entry(entry: &Entry<'_>) -> Value {
    let mut members = Map::new();
    let mut put = |name: &str, member: Option<Value>| {
        if let Some(member) = member {
            members.insert(name.to_owned(), member);
        }
    };
    let list = |names: &[String]| (!names.is_empty()).then(|| json!(names));
    put("action", Some(json!(entry.action)));
    put("status", Some(json!(entry.happened.name())));
    put("result", entry.result.cloned());
    put("error", entry.error.cloned());
    put("defaulted", list(entry.defaulted));
    put("undefined", list(entry.undefined));
    put("fallback_of", entry.fallback_of.map(Value::from));
    put("approval", entry.approval.cloned());
    put("at", Some(json!(entry.at)));
    Value::Object(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_says_what_there_is_to_say() {
        let bare = Entry {
            action: "a",
            happened: Happened::Skipped,
            result: None,
            error: None,
            defaulted: &[],
            undefined: &[],
            fallback_of: None,
            approval: None,
            at: "2026-03-28T14:00:00Z",
        };
        assert_eq!(
            entry(&bare),
            json!({"action": "a", "status": "skipped", "at": "2026-03-28T14:00:00Z"})
        );
        let paths = ["state.x".to_owned()];
        let filled = ["to".to_owned()];
        let approval = json!({"id": "q", "by": "u"});
        let full = Entry {
            happened: Happened::Fallback,
            result: Some(&Value::Null),
            defaulted: &filled,
            undefined: &paths,
            fallback_of: Some("b"),
            approval: Some(&approval),
            ..bare
        };
        assert_eq!(
            entry(&full),
            json!({"action": "a", "status": "fallback", "result": null, "defaulted": ["to"], "undefined": ["state.x"],
                   "fallback_of": "b", "approval": {"id": "q", "by": "u"}, "at": "2026-03-28T14:00:00Z"})
        );
    }
}
