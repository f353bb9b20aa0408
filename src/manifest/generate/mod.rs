//! Manifests of any size for tests and measurements: the same for the same order, on every machine.
//!
//! What is made looks like what people write: a few parts of a business, for each an intent, calls of services with schemas of
//! different shapes, scopes, rates, approvals, conditionals and fallbacks, code, files, plugins and questions to people. Within the
//! bounds of `spec/manifests.md` it loads without a violation or a warning; an order beyond them gives a document that does not.

mod action;
mod chance;
mod shapes;
mod words;
mod yaml;

use serde_json::{Map, Value, json};

use crate::document::Format;

use action::Workshop;
use chance::Chance;
use words::{DOMAINS, Names};

/// Most actions of an order; a hundred times what a runtime takes.
pub const MOST_ACTIONS: usize = 100_000;

/// Most bytes of an order.
pub const MOST_BYTES: usize = 64 << 20;

/// What an action takes as compact JSON when nothing is said of the size.
const USUAL: usize = 1500;

/// Most actions of one part of a business that stand behind each other.
const MOST_TOGETHER: usize = 9;

/// How often the size is corrected.
const MOST_TRIES: usize = 6;

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// How many actions; at least one is made, and at most [`MOST_ACTIONS`].
    pub actions: usize,
    /// About how many bytes of text; absent: what as many actions usually take. Many actions in few bytes take more.
    pub bytes: Option<usize>,
    /// Another seed gives another manifest.
    pub seed: u64,
}

/// A manifest as text, as large as was ordered, within a few in a hundred where its actions allow that.
pub fn text(order: &Order, format: Format) -> String {
    let actions = order.actions.clamp(1, MOST_ACTIONS);
    let wanted = order.bytes.map(|bytes| bytes.min(MOST_BYTES));
    // Indentation and line breaks make the text about twice as long as compact JSON.
    let mut room = wanted.map_or(USUAL, |bytes| bytes / actions / 2);
    let mut best = written(&manifest(actions, room, order.seed), format);
    let Some(wanted) = wanted else {
        return best;
    };
    let mut length = best.len();
    for _ in 1..MOST_TRIES {
        let corrected = room.saturating_mul(wanted) / length.max(1);
        if length.abs_diff(wanted) * 100 < wanted * 2 || corrected == room {
            break;
        }
        room = corrected;
        let next = written(&manifest(actions, room, order.seed), format);
        length = next.len();
        if length.abs_diff(wanted) < best.len().abs_diff(wanted) {
            best = next;
        }
    }
    best
}

/// A manifest whose actions take about `room` bytes each, as compact JSON.
fn manifest(actions: usize, room: usize, seed: u64) -> Value {
    let mut chance = Chance::new(seed);
    let mut names = Names::default();
    let mut made: Vec<Value> = Vec::with_capacity(actions);
    let mut intents = Vec::new();
    let (mut owed, mut parts) = (0, 0);
    let first = chance.below(DOMAINS.len());
    while made.len() < actions {
        let Some(&domain) = DOMAINS.get((first + parts) % DOMAINS.len()) else {
            break;
        };
        let together = chance.between(3, MOST_TOGETHER).min(actions - made.len());
        let mut workshop = Workshop::new(&mut chance, &mut names, domain);
        let begun = made.len();
        for _ in 0..together {
            owed += room;
            let action = Value::Object(workshop.action(owed));
            owed = owed.saturating_sub(shapes::size(&action));
            made.push(action);
        }
        let listed = made.get(begun..).unwrap_or_default().iter();
        let listed: Vec<Value> = listed
            .filter_map(|action| action.get("name").cloned())
            .collect();
        if intents.len() < super::MAX_INTENTS {
            intents.push(intent(domain.0, parts / DOMAINS.len(), &listed));
        }
        parts += 1;
    }
    if let Some(Value::Object(last)) = made.last_mut() {
        last.insert("completes_goal".to_owned(), json!(true));
    }
    let version = format!(
        "{}.{}.{}",
        chance.between(1, 4),
        chance.below(20),
        chance.below(10)
    );
    json!({
        "name": format!("generated_{seed}"),
        "version": version,
        "description": "What an agent of a middle-sized company may do. Generated; nothing of it exists.",
        "protocol_version": "2.0",
        "actions": made,
        "intents": intents,
    })
}

fn intent(domain: &str, round: usize, actions: &[Value]) -> Value {
    let mut intent = Map::new();
    let name = if round == 0 {
        format!("handle_{domain}")
    } else {
        format!("handle_{domain}_team_{round}")
    };
    intent.insert("name".to_owned(), json!(name));
    intent.insert(
        "description".to_owned(),
        json!(format!("Whatever concerns {domain}, and nothing else.")),
    );
    intent.insert("actions".to_owned(), json!(actions));
    Value::Object(intent)
}

fn written(manifest: &Value, format: Format) -> String {
    match format {
        Format::Yaml => yaml::written(manifest),
        // A value that has no other keys than texts can always be written.
        Format::Json => serde_json::to_string_pretty(manifest).unwrap_or_default() + "\n",
    }
}

#[cfg(test)]
mod tests {
    use super::{Order, text};
    use crate::document::{Document, Format};
    use crate::json::{self, Duplicates, Limits};
    use crate::lint::{self, DocumentKind, Preset, Selection};
    use crate::manifest;

    fn order(actions: usize, bytes: usize, seed: u64) -> Order {
        Order {
            actions,
            bytes: Some(bytes),
            seed,
        }
    }

    #[test]
    fn what_is_made_loads_without_a_word() {
        for seed in 0..40 {
            let made = text(&order(15, 33_000, seed), Format::Json);
            let loaded = manifest::read(made.as_bytes()).expect("loads");
            assert_eq!(loaded.warnings(), [], "seed {seed}");
            assert_eq!(loaded.actions.len(), 15);
            assert!(
                made.len().abs_diff(33_000) < 2_000,
                "seed {seed}: {}",
                made.len()
            );
        }
    }

    #[test]
    fn nothing_that_is_recommended_is_missing() {
        let recommended = Selection::preset(Preset::Recommended);
        let orders = (0..40).map(|seed| order(15, 33_000, seed));
        for order in orders.chain([order(400, 1_000_000, 1), order(1000, 1_000_000, 1)]) {
            let document = Document::read(text(&order, Format::Json), Format::Json);
            let outcome = lint::check(
                &document.expect("reads"),
                DocumentKind::Manifest,
                &recommended,
            );
            let found: Vec<String> = outcome
                .findings
                .iter()
                .map(|one| format!("{} {}", one.rule.id, one.pointer))
                .collect();
            assert_eq!(found, [""; 0], "{order:?}");
        }
    }

    #[test]
    fn both_forms_say_the_same() {
        for seed in 0..10 {
            let json = text(
                &Order {
                    actions: 30,
                    bytes: None,
                    seed,
                },
                Format::Json,
            );
            let yaml = text(
                &Order {
                    actions: 30,
                    bytes: None,
                    seed,
                },
                Format::Yaml,
            );
            let read = Document::read(yaml, Format::Yaml).expect("reads");
            let value = json::read(json.as_bytes(), &Limits::DOCUMENT, Duplicates::Refuse);
            assert_eq!(read.value(), &value.expect("reads"), "seed {seed}");
        }
    }

    #[test]
    fn the_same_order_gives_the_same_text_and_another_seed_another() {
        let made = |seed| text(&order(12, 20_000, seed), Format::Json);
        assert_eq!(made(7), made(7));
        assert_ne!(made(7), made(8));
    }

    #[test]
    fn uses_every_member_of_the_model() {
        let made = text(&order(300, 900_000, 3), Format::Json);
        assert!(manifest::read(made.as_bytes()).is_ok());
        for member in [
            "invoke_api",
            "run_code",
            "read_file",
            "write_file",
            "human_intervention",
            "plugin",
            "conditional",
            "fallback_action",
            "access_control",
            "rate_limit",
            "verification",
            "feature_flag",
            "result_path",
            "request_map",
            "cache",
            "completes_goal",
            "$defs",
            "anyOf",
            "{{ input.",
        ] {
            assert!(made.contains(member), "{member}");
        }
    }

    #[test]
    fn the_bounds_of_the_protocol_can_be_reached_and_passed() {
        let most = text(&order(1000, 1_000_000, 1), Format::Json);
        assert!(manifest::read(most.as_bytes()).is_ok(), "{}", most.len());
        let more = text(&order(1100, 500_000, 1), Format::Json);
        assert!(manifest::read(more.as_bytes()).is_err());
        let few = text(&order(2, 300_000, 1), Format::Json);
        assert!(few.len() > 200_000, "{}", few.len());
        assert!(manifest::read(few.as_bytes()).is_ok());
    }
}
