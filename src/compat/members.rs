//! Members of objects that are in both documents, and those of the document itself.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value};

use super::change::{At, Changes};
use super::{action, equal, intent, quoted, shown};
use crate::json;
use crate::manifest::{self, known_members};

/// The same object in both documents.
pub(super) struct Pair<'v> {
    pub old: &'v Map<String, Value>,
    pub new: &'v Map<String, Value>,
    pub at: At,
}

/// What a member was and is.
pub(super) type Both<T> = (Option<T>, Option<T>);

impl<'v> Pair<'v> {
    /// Two objects; anything else that differs is told.
    pub fn of(old: &'v Value, new: &'v Value, at: At, changes: &mut Changes) -> Option<Self> {
        match (old, new) {
            (Value::Object(old), Value::Object(new)) => Some(Self { old, new, at }),
            _ => {
                unreadable(old, new, &at, changes);
                None
            }
        }
    }

    /// A member of both.
    pub fn get(&self, name: &str) -> Both<&'v Value> {
        (self.old.get(name), self.new.get(name))
    }

    /// The object under a member; one that is absent counts as empty.
    pub fn object(&self, name: &str, changes: &mut Changes) -> Option<Pair<'v>> {
        static NOTHING: Value = Value::Null;
        let at = self.at.member(name);
        let empty = empty();
        match self.get(name) {
            (None, None) => None,
            (Some(Value::Object(old)), None) => {
                nothing_in(old, "default_omitted", &at, changes);
                Some(Pair {
                    old,
                    new: empty,
                    at,
                })
            }
            (None, Some(Value::Object(new))) => {
                nothing_in(new, "default_written", &at, changes);
                Some(Pair {
                    old: empty,
                    new,
                    at,
                })
            }
            (old, new) => Pair::of(
                old.unwrap_or(&NOTHING),
                new.unwrap_or(&NOTHING),
                at,
                changes,
            ),
        }
    }

    /// The texts of a member, when they differ; what is no text and differs is told.
    pub fn texts(&self, name: &str, changes: &mut Changes) -> Option<Both<&'v str>> {
        self.differing(name, Value::as_str, changes)
    }

    /// What a member says, when that differs and can be read.
    pub fn differing<T>(
        &self,
        name: &str,
        read: impl Fn(&'v Value) -> Option<T>,
        changes: &mut Changes,
    ) -> Option<Both<T>> {
        let (old, new) = self.get(name);
        let same = match (old, new) {
            (None, None) => true,
            (Some(old), Some(new)) => equal(old, new),
            _ => false,
        };
        if same {
            return None;
        }
        let read_old = old.and_then(&read);
        let read_new = new.and_then(&read);
        if (old.is_some() && read_old.is_none()) || (new.is_some() && read_new.is_none()) {
            let message = format!("{} differs and cannot be read", quoted(name));
            changes.add("unreadable_changed", &self.at.member(name), message);
            return None;
        }
        Some((read_old, read_new))
    }

    /// The values of a member with a default, when they differ; one that is only written or left out is told.
    pub fn defaulted<T: PartialEq + Copy>(
        &self,
        name: &str,
        default: T,
        read: impl Fn(&'v Value) -> Option<T>,
        changes: &mut Changes,
    ) -> Option<(T, T)> {
        let (old, new) = self.differing(name, read, changes)?;
        let kind = match (old.is_some(), new.is_some()) {
            (true, false) => "default_omitted",
            _ => "default_written",
        };
        let (old, new) = (old.unwrap_or(default), new.unwrap_or(default));
        if old != new {
            return Some((old, new));
        }
        let message = format!("{} has its default value either way", quoted(name));
        changes.add(kind, &self.at.member(name), message);
        None
    }

    /// The members of two sets of texts that are in one of them only: gone, new.
    pub fn sets(
        &self,
        name: &str,
        changes: &mut Changes,
    ) -> Option<(BTreeSet<&'v str>, BTreeSet<&'v str>)> {
        let (old, new) = self.differing(name, texts_of, changes)?;
        let kind = match (&old, &new) {
            (None, Some(list)) if list.is_empty() => Some("default_written"),
            (Some(list), None) if list.is_empty() => Some("default_omitted"),
            _ => None,
        };
        if let Some(kind) = kind {
            let message = format!("{} is empty either way", quoted(name));
            changes.add(kind, &self.at.member(name), message);
        }
        let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
        let gone = old.difference(&new).copied().collect();
        let added = new.difference(&old).copied().collect();
        Some((gone, added))
    }

    /// Tells of a text for people.
    pub fn words(&self, name: &str, kind: &str, changes: &mut Changes) {
        if self.texts(name, changes).is_some() {
            let message = format!("the {} is another", name.replace('_', " "));
            changes.add(kind, &self.at.member(name), message);
        }
    }

    /// Tells of members that the specification does not define.
    pub fn unknown(&self, known: &[&str], changes: &mut Changes) {
        for (name, old) in self.old {
            if known.contains(&name.as_str()) {
                continue;
            }
            let kind = match self.new.get(name) {
                None => "unknown_member_removed",
                Some(new) if !equal(old, new) => "unknown_member_changed",
                Some(_) => continue,
            };
            let message = format!("{}, which the specification does not define", quoted(name));
            changes.add(kind, &self.at.member(name), message);
        }
        for name in self.new.keys() {
            if !known.contains(&name.as_str()) && !self.old.contains_key(name) {
                let message = format!("{}, which the specification does not define", quoted(name));
                changes.add("unknown_member_added", &self.at.member(name), message);
            }
        }
    }

    /// The same with what the specification defines at this place in either document.
    pub fn unknown_here(&self, old: &Value, new: &Value, changes: &mut Changes) {
        let mut known = known_members(old, &self.at.old);
        known.extend(known_members(new, &self.at.new));
        self.unknown(&known, changes);
    }
}

fn empty() -> &'static Map<String, Value> {
    static EMPTY: std::sync::OnceLock<Map<String, Value>> = std::sync::OnceLock::new();
    EMPTY.get_or_init(Map::new)
}

fn nothing_in(members: &Map<String, Value>, kind: &str, at: &At, changes: &mut Changes) {
    if members.is_empty() {
        changes.add(kind, at, "it is empty either way");
    }
}

/// The texts of an array that holds nothing else.
pub(super) fn texts_of(value: &Value) -> Option<BTreeSet<&str>> {
    value.as_array()?.iter().map(Value::as_str).collect()
}

/// Tells of values that cannot be compared any closer.
pub(super) fn unreadable(old: &Value, new: &Value, at: &At, changes: &mut Changes) {
    if !equal(old, new) {
        let message = "this is no part of a well-formed manifest, and it differs";
        changes.add("unreadable_changed", at, message);
    }
}

/// An element of `actions` or `intents`.
#[derive(Clone, Copy)]
pub(super) struct Element<'v> {
    pub index: usize,
    pub value: &'v Value,
}

/// The elements under a member by name. One without a name, or with the name of an earlier one, is told apart by a number.
pub(super) fn elements<'v>(
    members: &'v Map<String, Value>,
    name: &str,
) -> BTreeMap<String, Element<'v>> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let list = members.get(name).and_then(Value::as_array);
    let mut found = BTreeMap::new();
    for (index, value) in list.into_iter().flatten().enumerate() {
        let name = super::member(value, "name").and_then(Value::as_str);
        let name = name.unwrap_or_default();
        let count = seen.entry(name).or_default();
        *count += 1;
        let key = match (*count, name) {
            (1, name) if !name.is_empty() => name.to_owned(),
            // No name holds this character, so nothing else is called so.
            (count, name) => format!("{name}#{count}"),
        };
        found.insert(key, Element { index, value });
    }
    found
}

/// What became of the elements of two lists.
pub(super) struct Matched<'v> {
    pub both: Vec<(String, Element<'v>, Element<'v>)>,
    pub gone: Vec<(String, Element<'v>)>,
    pub added: Vec<(String, Element<'v>)>,
    /// The older name, the newer name.
    pub renamed: Vec<((String, Element<'v>), (String, Element<'v>))>,
}

/// Matches elements by name, and those left over by all else.
pub(super) fn matched<'v>(
    old: &BTreeMap<String, Element<'v>>,
    new: &BTreeMap<String, Element<'v>>,
) -> Matched<'v> {
    let mut found = Matched {
        both: Vec::new(),
        gone: Vec::new(),
        added: Vec::new(),
        renamed: Vec::new(),
    };
    for (name, element) in old {
        match new.get(name) {
            Some(newer) => found.both.push((name.clone(), *element, *newer)),
            None => found.gone.push((name.clone(), *element)),
        }
    }
    let left = new.iter().filter(|(name, _)| !old.contains_key(*name));
    found.added = left
        .map(|(name, element)| (name.clone(), *element))
        .collect();
    if found.gone.is_empty() || found.added.is_empty() {
        return found;
    }
    let mut by_content: HashMap<String, Vec<usize>> = HashMap::new();
    for (place, (_, element)) in found.gone.iter().enumerate() {
        by_content
            .entry(without_name(element.value))
            .or_default()
            .push(place);
    }
    let mut taken = BTreeSet::new();
    let added = std::mem::take(&mut found.added);
    for (name, element) in added {
        let alike = by_content.remove(&without_name(element.value));
        let alike = alike.filter(|places| places.len() == 1);
        match alike.and_then(|places| places.first().copied()) {
            Some(place) if taken.insert(place) => {
                if let Some(older) = found.gone.get(place) {
                    found.renamed.push((older.clone(), (name, element)));
                }
            }
            _ => found.added.push((name, element)),
        }
    }
    let mut place = 0;
    found.gone.retain(|_| {
        place += 1;
        !taken.contains(&(place - 1))
    });
    found
}

fn without_name(value: &Value) -> String {
    let mut value = value.clone();
    if let Value::Object(members) = &mut value {
        members.shift_remove("name");
    }
    json::canonical(&value)
}

const OF_LISTS: [&str; 2] = ["actions", "intents"];

/// Compares two documents.
pub(super) fn compare(old: &Value, new: &Value, changes: &mut Changes) {
    let Some(pair) = Pair::of(old, new, At::default(), changes) else {
        return;
    };
    if let Some((old, new)) = pair.texts("name", changes) {
        let name = |name: Option<&str>| quoted(name.unwrap_or_default());
        let message = format!("the name was {} and is {}", name(old), name(new));
        changes.add("manifest_name_changed", &pair.at.member("name"), message);
    }
    version(&pair, changes);
    pair.words("description", "manifest_description_changed", changes);
    protocol_version(&pair, changes);
    for name in OF_LISTS {
        match pair.get(name) {
            (None, None) => {}
            (Some(old), Some(new)) if old.is_array() && new.is_array() => {}
            (Some(old), Some(new)) => unreadable(old, new, &pair.at.member(name), changes),
            // A manifest may have no intents, and must have actions.
            (Some(Value::Array(list)), None) | (None, Some(Value::Array(list)))
                if name == "intents" || !list.is_empty() =>
            {
                if list.is_empty() {
                    let kind = match pair.old.contains_key(name) {
                        true => "default_omitted",
                        false => "default_written",
                    };
                    let message = format!("{} is empty either way", quoted(name));
                    changes.add(kind, &pair.at.member(name), message);
                }
            }
            (Some(lone), None) | (None, Some(lone)) => {
                unreadable(lone, &Value::Null, &pair.at.member(name), changes);
            }
        }
    }
    action::compare(&pair, old, new, changes);
    intent::compare(&pair, old, new, changes);
    pair.unknown_here(old, new, changes);
}

fn version(pair: &Pair<'_>, changes: &mut Changes) {
    let Some((old, new)) = pair.texts("version", changes) else {
        return;
    };
    let at = pair.at.member("version");
    let read = |text: Option<&str>| text.and_then(manifest::parse_version);
    let (kind, message) = match (read(old), read(new)) {
        (Some(old), Some(new)) if old < new => (
            "version_raised",
            format!("the version went from {old} to {new}"),
        ),
        (Some(old), Some(new)) if old > new => (
            "version_lowered",
            format!("the version went from {old} down to {new}"),
        ),
        (Some(version), Some(_)) => (
            "version_respelled",
            format!("the version is {version}, written in another way"),
        ),
        _ => (
            "unreadable_changed",
            "the version differs and cannot be read".to_owned(),
        ),
    };
    changes.add(kind, &at, message);
}

fn protocol_version(pair: &Pair<'_>, changes: &mut Changes) {
    let read = |value: &Value| -> Option<(u64, u64)> {
        let (major, minor) = value.as_str()?.split_once('.')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    let Some((old, new)) = pair.defaulted("protocol_version", (2, 0), read, changes) else {
        return;
    };
    let kind = match (old, new) {
        _ if old.0 != new.0 => "protocol_major_changed",
        _ if old < new => "protocol_version_raised",
        _ => "protocol_version_lowered",
    };
    let message = format!(
        "the version of the protocol went from {}.{} to {}.{}",
        old.0, old.1, new.0, new.1
    );
    changes.add(kind, &pair.at.member("protocol_version"), message);
}

/// The value of a member for a message.
pub(super) fn was_and_is(old: &Value, new: &Value) -> String {
    format!("was {} and is {}", shown(old), shown(new))
}
