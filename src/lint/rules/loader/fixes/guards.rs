//! Names that speak of a safeguard: who wrote one relies on it, though no runtime reads it.

use serde_json::Value;

use super::Case;
use crate::json;
use crate::lint::rules::ergonomics::words::words;

/// Words that name a safeguard; a plural is the same word.
const GUARDS: [&str; 41] = [
    "acl",
    "allow",
    "allowed",
    "allowlist",
    "approval",
    "approve",
    "approver",
    "auth",
    "authenticate",
    "authentication",
    "authorization",
    "authorize",
    "authorized",
    "confirm",
    "confirmation",
    "denied",
    "deny",
    "denylist",
    "disallow",
    "disallowed",
    "forbid",
    "forbidden",
    "permission",
    "permitted",
    "privilege",
    "quota",
    "ratelimit",
    "readonly",
    "restricted",
    "restriction",
    "role",
    "sandbox",
    "sandboxed",
    "scope",
    "unauthorized",
    "verification",
    "verify",
    "whitelist",
    "blacklist",
    "blocklist",
    "safeguard",
];

/// Pairs of words that name one.
const PAIRS: [(&str, &str); 2] = [("rate", "limit"), ("read", "only")];

/// Words that tell of something done, which demand it only together with another, as in `must_be_verified`.
const DONE: [&str; 3] = ["approved", "confirmed", "verified"];

/// Words that make a name one of something that is told and demands nothing: `role_description`, `verified_by`.
const TELLING: [&str; 22] = [
    "at",
    "by",
    "comment",
    "date",
    "desc",
    "description",
    "display",
    "doc",
    "docs",
    "documentation",
    "example",
    "help",
    "hint",
    "info",
    "label",
    "last",
    "link",
    "note",
    "summary",
    "text",
    "title",
    "url",
];

/// Of the safeguards those that are a person's.
const ASKING: [&str; 7] = [
    "approval",
    "approve",
    "approved",
    "approver",
    "confirm",
    "confirmation",
    "confirmed",
];

/// Whether a name speaks of a safeguard.
pub(super) fn guards(name: &str) -> bool {
    let words = parted(name);
    if words.iter().any(|word| TELLING.contains(&word.as_str())) {
        return false;
    }
    let is_pair = |pair: &[String]| matches!(pair, [one, two] if PAIRS.contains(&(one.as_str(), two.as_str())));
    words.iter().any(|word| GUARDS.contains(&word.as_str()))
        || words.windows(2).any(is_pair)
        || is_demanded(&words)
}

/// Whether a name speaks of a person who is asked.
pub(in crate::lint::rules) fn asks(name: &str) -> bool {
    let words = parted(name);
    guards(name) && words.iter().any(|word| ASKING.contains(&word.as_str()))
}

fn is_demanded(words: &[String]) -> bool {
    words.len() > 1 && words.iter().any(|word| DONE.contains(&word.as_str()))
}

/// The words of a name, each in the singular; of one that is written in small letters alone the guard that ends it.
fn parted(name: &str) -> Vec<String> {
    let single = |word: String| match word.strip_suffix('s') {
        Some(one)
            if GUARDS.contains(&one)
                || PAIRS.iter().any(|pair| pair.1 == one)
                || TELLING.contains(&one) =>
        {
            one.to_owned()
        }
        _ => word,
    };
    let mut words: Vec<String> = words(name).into_iter().map(single).collect();
    if let [only] = words.as_slice() {
        // `requiresapproval`: long words end no other one by chance.
        let end = GUARDS
            .iter()
            .find(|guard| guard.len() >= 8 && only.ends_with(*guard));
        words.extend(
            end.filter(|end| *only != ***end)
                .map(|end| (*end).to_owned()),
        );
    }
    words
}

/// What the action around a place does that somebody should be asked about, as far as it says.
pub(super) fn harm(case: &Case<'_, '_>) -> Option<&'static str> {
    let root = case.subject.value();
    let mut place = case.subject.unified(json::pop(case.pointer)?.0);
    // The action itself, or what is one or two objects within it.
    let action = loop {
        let (around, _) = json::pop(&place)?;
        if around == "/actions" {
            break root.pointer(&place)?;
        }
        place = around.to_owned();
    };
    let effects = action.get("effects").and_then(Value::as_array);
    let has =
        |wanted: &str| effects.is_some_and(|effects| effects.iter().any(|effect| effect == wanted));
    let text = |name: &str| action.get(name).and_then(Value::as_str).unwrap_or_default();
    let named = crate::lint::rules::security::harm(text("name"), text("method"));
    match named {
        _ if has("cost") => Some("costs money"),
        _ if has("critical") => Some("does something critical"),
        named => named.map(|(what, _)| what),
    }
}

#[cfg(test)]
mod tests {
    use super::{asks, guards};

    #[test]
    fn whole_words_speak_of_a_safeguard() {
        for name in [
            "author",
            "authors",
            "authority",
            "allowance",
            "role_description",
            "verified_by",
            "verified",
            "approvedAt",
            "scopeNote",
            "authUrl",
            "authorUrl",
            "permissive",
            "microscope",
            "parole",
            "rate",
            "limits",
            "read",
            "",
            "description",
            "owner",
            "quotation",
            "sandboxes_info",
        ] {
            assert!(!guards(name), "{name}");
        }
        for name in [
            "roles",
            "required_role",
            "allowedHosts",
            "allow_list",
            "scopes",
            "rate_limits",
            "rateLimitPerMinute",
            "read-only",
            "ReadOnly",
            "authorization",
            "auth_required",
            "permissions",
            "sandbox",
            "daily_quota",
            "must_be_verified",
            "verification",
            "deny",
            "forbidden_paths",
            "requiresapproval",
        ] {
            assert!(guards(name), "{name}");
            assert!(!asks(name) || name == "requiresapproval", "{name}");
        }
        for name in [
            "requires_approval",
            "approvers",
            "confirm",
            "needsConfirmation",
            "must_be_approved",
            "humanApproval",
        ] {
            assert!(asks(name), "{name}");
        }
        assert!(!asks("approval_description"));
    }
}
