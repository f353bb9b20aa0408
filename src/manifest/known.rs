//! Which members the specification defines where.

use serde_json::Value;

use super::{access, action, check, fallback, reads};

/// An object of the model.
#[derive(Clone, Copy)]
enum Place<'d> {
    Manifest,
    Action(&'d Value),
    Intent,
    Access,
    Limits,
    Cache,
    Batch,
    Node,
}

/// The members that the specification defines for the object at a pointer of the snake_case form, those of an action's type first;
/// none where the members are the author's own.
pub fn known_members(document: &Value, pointer: &str) -> Vec<&'static str> {
    let Some(place) = place(document, pointer) else {
        return Vec::new();
    };
    match place {
        Place::Manifest => check::KNOWN.to_vec(),
        Place::Action(action) => {
            let kind = action.get("type").and_then(Value::as_str);
            let own = action::TYPES.iter().find(|(name, _)| Some(*name) == kind);
            let own = own.map_or(&[][..], |(_, own)| own);
            [own, action::KNOWN].concat()
        }
        Place::Intent => check::KNOWN_OF_INTENT.to_vec(),
        Place::Access => access::KNOWN.to_vec(),
        Place::Limits => action::KNOWN_OF_LIMITS.to_vec(),
        Place::Cache => reads::KNOWN_OF_CACHE.to_vec(),
        Place::Batch => reads::KNOWN_OF_BATCH.to_vec(),
        Place::Node => fallback::KNOWN_OF_NODE.to_vec(),
    }
}

/// The types that an action can have.
pub fn action_types() -> impl Iterator<Item = &'static str> {
    action::TYPES.iter().map(|(name, _)| *name)
}

fn place<'d>(document: &'d Value, pointer: &str) -> Option<Place<'d>> {
    let mut place = Place::Manifest;
    let mut tokens = pointer.split('/').skip(1);
    while let Some(token) = tokens.next() {
        place = match (place, token) {
            (Place::Manifest, "actions") => {
                let index: usize = tokens.next()?.parse().ok()?;
                Place::Action(document.get("actions")?.get(index)?)
            }
            (Place::Manifest, "intents") => {
                tokens.next()?;
                Place::Intent
            }
            (Place::Action(_) | Place::Intent | Place::Node, "access_control") => Place::Access,
            (Place::Action(_) | Place::Node, "fallback_action") => Place::Node,
            (Place::Action(_), "limits") => Place::Limits,
            (Place::Action(_), "cache") => Place::Cache,
            (Place::Action(_), "batch") => Place::Batch,
            _ => return None,
        };
    }
    Some(place)
}

#[cfg(test)]
mod tests {
    use super::known_members;
    use serde_json::json;

    #[test]
    fn of_each_object_of_the_model() {
        let document = json!({"actions": [{"type": "run_code"}, {"type": "nonsense"}]});
        let has = |pointer: &str, name: &str| known_members(&document, pointer).contains(&name);
        assert!(has("", "protocol_version"));
        assert!(has("/actions/0", "entrypoint") && has("/actions/0", "name"));
        assert!(!has("/actions/1", "entrypoint") && has("/actions/1", "name"));
        assert!(has("/actions/0/limits", "cpu_ms"));
        assert!(has("/actions/0/access_control", "rate_limit"));
        assert!(has(
            "/actions/0/fallback_action/fallback_action/access_control",
            "verification"
        ));
        assert!(has("/intents/7", "actions"));
        assert!(has("/actions/0/cache", "ttl_s") && has("/actions/0/batch", "window_ms"));
    }

    #[test]
    fn of_nothing_else() {
        let document = json!({"actions": [{"input_schema": {"limits": {}}}]});
        for pointer in [
            "/actions",
            "/actions/1",
            "/actions/x",
            "/actions/0/input_schema",
            "/x",
            "x",
        ] {
            let known = known_members(&document, pointer);
            assert!(known.is_empty() || pointer == "x", "{pointer}: {known:?}");
        }
    }
}
