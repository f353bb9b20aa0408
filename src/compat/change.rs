//! A change, and how changes are gathered.

use std::fmt;

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::kinds::{self, Kind};
use crate::json;
use crate::manifest::Unified;

/// Most changes one comparison tells; one more entry then says that others were left out.
const MOST_CHANGES: usize = 10_000;

/// Most bytes of their places and messages; a place can be as long as the document.
const MOST_BYTES: usize = 16 << 20;

/// How much a change asks of those who use the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Nobody's documents or programs notice: texts for people.
    Patch,
    /// Something new can be done, and all that was done before still can.
    Compatible,
    /// Something that worked may not work any more, or it cannot be shown that it does.
    Breaking,
}

impl Level {
    /// Its name as contract.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Patch => "patch",
            Self::Compatible => "compatible",
            Self::Breaking => "breaking",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which side of the contract a change is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// What a caller may send.
    Input,
    /// What a reader may get.
    Output,
    /// Where outputs go in the observation, and how a session goes on.
    State,
    /// Who may do it, how often, and with whose approval.
    Access,
    /// How the runtime carries it out: requests, code, files.
    Call,
    /// What the manifest offers at all, and what it says about it.
    Contract,
}

impl Direction {
    /// Its name as contract.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
            Self::State => "state",
            Self::Access => "access",
            Self::Call => "call",
            Self::Contract => "contract",
        }
    }
}

/// One change from an older manifest to a newer one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// What kind of change; one of [`kinds::KINDS`]. Contract.
    pub kind: &'static str,
    /// How much it asks.
    pub level: Level,
    /// Which side it is on.
    pub direction: Direction,
    /// Whether who looks after safety should see it: somebody may do more than before, or more is demanded.
    pub security: bool,
    /// The place by names: the same however actions and members are ordered.
    pub path: String,
    /// JSON Pointer into the older document as written, to the place or the nearest value around it.
    pub pointer_old: String,
    /// The same in the newer document.
    pub pointer_new: String,
    /// What changed, for people. Never quotes credentials.
    pub message: String,
    /// 16 hexadecimal digits that depend on kind and path only. Contract.
    pub fingerprint: String,
    /// For a breaking change of a schema, where one was found: an input that was accepted and no longer is, or an output that may
    /// come now and could not before. Both schemas were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counterexample: Option<Value>,
}

/// The same place in both snake_case forms, and its name by names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct At {
    pub old: String,
    pub new: String,
    pub path: String,
}

impl At {
    /// A member of both.
    pub fn member(&self, name: &str) -> Self {
        Self {
            old: json::push(&self.old, name),
            new: json::push(&self.new, name),
            path: json::push(&self.path, name),
        }
    }

    /// An element that has a name: its index in each, where it is there.
    pub fn element(&self, old: Option<usize>, new: Option<usize>, name: &str) -> Self {
        let pointer = |above: &str, index: Option<usize>| match index {
            Some(index) => format!("{above}/{index}"),
            None => above.to_owned(),
        };
        Self {
            old: pointer(&self.old, old),
            new: pointer(&self.new, new),
            path: json::push(&self.path, name),
        }
    }

    /// The same place, told apart from others that are called the same.
    pub fn called(&self, name: &str) -> Self {
        Self {
            path: json::push(&self.path, name),
            ..self.clone()
        }
    }
}

/// Gathers changes.
#[derive(Debug, Default)]
pub(super) struct Changes {
    list: Vec<Change>,
    cut: bool,
    /// How many say something about values.
    besides_words: usize,
    /// What places and messages take, in bytes.
    bytes: usize,
}

impl Changes {
    /// A change that is on one side only by its kind.
    pub fn add(&mut self, kind: &str, at: &At, message: impl Into<String>) {
        let kind = kinds::find(kind);
        let direction = kind.direction.unwrap_or(Direction::Contract);
        self.push(kind, direction, at, message.into());
    }

    /// A change of a schema; tells where it is in the list.
    pub fn add_to_schema(
        &mut self,
        kind: &str,
        direction: Direction,
        at: &At,
        message: impl Into<String>,
    ) -> Option<usize> {
        self.push(kinds::find(kind), direction, at, message.into())
    }

    /// Gives a change the value that shows it.
    pub fn show(&mut self, index: usize, value: Value) {
        if let Some(change) = self.list.get_mut(index) {
            change.counterexample = Some(value);
        }
    }

    /// The level of a change that was added.
    pub fn level(&self, index: usize) -> Level {
        self.list
            .get(index)
            .map_or(Level::Patch, |change| change.level)
    }

    /// Its kind, and the last name of its path.
    pub fn named(&self, index: usize) -> (&'static str, String) {
        let named = self.list.get(index).map(|change| {
            let last = json::pop(&change.path).map(|(_, last)| last);
            (change.kind, last.unwrap_or_default())
        });
        named.unwrap_or_default()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// How many there are that are more than words for people.
    pub fn besides_words(&self) -> usize {
        self.besides_words
    }

    fn push(
        &mut self,
        kind: &'static Kind,
        direction: Direction,
        at: &At,
        message: String,
    ) -> Option<usize> {
        self.besides_words += usize::from(!kinds::is_of_words(kind.id));
        if self.list.len() >= MOST_CHANGES || self.bytes >= MOST_BYTES {
            if !self.cut {
                self.cut = true;
                let cut = kinds::find("comparison_cut_short");
                let message = format!(
                    "more than {MOST_CHANGES} changes, or places too long to name; the others are left out"
                );
                let change = change(cut, Direction::Contract, &At::default(), message);
                self.list.push(change);
            }
            return None;
        }
        self.bytes += at.old.len() + at.new.len() + at.path.len() + message.len();
        self.list.push(change(kind, direction, at, message));
        Some(self.list.len() - 1)
    }

    /// All of them in order, with pointers into the documents as written.
    pub fn finish(self, old: &Unified, new: &Unified) -> Vec<Change> {
        let mut list = self.list;
        for change in &mut list {
            change.pointer_old = written(&change.pointer_old, old);
            change.pointer_new = written(&change.pointer_new, new);
        }
        list.sort_by(|one, other| {
            (other.level, &one.path, one.kind).cmp(&(one.level, &other.path, other.kind))
        });
        list
    }
}

fn change(kind: &'static Kind, direction: Direction, at: &At, message: String) -> Change {
    Change {
        kind: kind.id,
        level: kind.level(direction),
        direction,
        security: kind.security,
        path: at.path.clone(),
        pointer_old: at.old.clone(),
        pointer_new: at.new.clone(),
        message,
        fingerprint: fingerprint(kind.id, &at.path),
        counterexample: None,
    }
}

/// The pointer, or the longest beginning of it that leads to a value, in the document as written.
fn written(pointer: &str, form: &Unified) -> String {
    let mut pointer = pointer;
    while form.value.pointer(pointer).is_none() {
        pointer = json::pop(pointer).map_or("", |(above, _)| above);
        if pointer.is_empty() {
            break;
        }
    }
    form.original(pointer)
}

fn fingerprint(kind: &str, path: &str) -> String {
    let sum = Sha256::digest(format!("{kind}\n{path}").as_bytes());
    sum.iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
