//! Who makes a call.

use std::collections::BTreeSet;
use std::sync::Arc;

/// The subject's name where no auth is configured; no token can collide with it, since there are none then.
pub const ANONYMOUS: &str = "anonymous";

/// The subject of one call with the scopes that the call's own token gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The subject: `sub` of a token, the name beside a table entry, or [`ANONYMOUS`].
    pub subject: String,
    /// What the subject may do. Ask through [`super::AccessParts::holds`], which is the rule.
    pub scopes: Arc<BTreeSet<String>>,
    /// Whether a token said so; false where no auth is configured.
    pub authenticated: bool,
}

impl Caller {
    /// Everybody, where no auth is configured, with the scopes that the operator grants to everybody.
    pub fn anonymous(scopes: BTreeSet<String>) -> Self {
        Self {
            subject: ANONYMOUS.to_owned(),
            scopes: Arc::new(scopes),
            authenticated: false,
        }
    }

    /// The holder of a valid token.
    pub fn known(subject: impl Into<String>, scopes: BTreeSet<String>) -> Self {
        Self {
            subject: subject.into(),
            scopes: Arc::new(scopes),
            authenticated: true,
        }
    }

    /// Whether the caller holds exactly this scope (access.md 3.1).
    pub fn holds(&self, scope: &str) -> bool {
        self.scopes.contains(scope)
    }

    /// Those of the needed scopes that the caller does not hold, in order, each once.
    pub fn missing<'s>(&self, needed: impl IntoIterator<Item = &'s String>) -> Vec<String> {
        let missing: BTreeSet<&String> = needed
            .into_iter()
            .filter(|scope| !self.holds(scope))
            .collect();
        missing.into_iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_whole_texts() {
        let scopes = ["email:send", "*"].map(str::to_owned).into();
        let caller = Caller::known("u", scopes);
        assert!(caller.holds("email:send") && caller.holds("*"));
        for other in ["email", "email:send:all", "Email:send", "email:*", ""] {
            assert!(!caller.holds(other), "{other}");
        }
        let needed = ["z", "email:send", "a", "z"].map(str::to_owned);
        assert_eq!(caller.missing(&needed), ["a", "z"]);
    }
}
