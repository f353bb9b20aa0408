//! One document out of a manifest whose schemas, code and texts stand in files of their own.
//!
//! A manifest that is registered refers to nothing outside itself (`spec/schemas.md`, 3.2), so these files are an author's
//! affair, and joined before anybody else sees the manifest:
//!
//! - `"$ref": "slot.json#/$defs/day"` in a schema: the file becomes a definition of that schema, once, and the reference leads
//!   there; a schema that is nothing but `{"$ref": "slot.json"}` is replaced by the file,
//! - `"code": {"file": "agenda.py"}`, and so with `prompt` and `description`: the file's text, or a Wasm module in base64.
//!
//! Only files below the manifest's folder are read, wherever links lead; nothing is fetched; how much is read is bounded.

mod files;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value};

use super::vocabulary::Vocabulary;
use crate::diagnostic::Violation;
use crate::json;
use crate::schema::local_fragment;
use files::{Files, shown};

/// Most files that one manifest is joined from, each as often as it is joined.
pub const MOST_FILES: usize = 1000;

/// Most bytes of files that are joined, each as often as it is.
pub const MOST_BYTES: usize = 3 * 1024 * 1024;

/// Most files within one another.
const DEEPEST: usize = 16;

/// A manifest joined to one document.
#[derive(Debug, Clone, PartialEq)]
pub struct Bundle {
    /// The document, not yet checked as a manifest.
    pub document: Value,
    /// The files that are part of it now, relative to the manifest's folder, each once.
    pub files: Vec<PathBuf>,
}

/// Joins a manifest, in either spelling, with the files it names below `folder`.
///
/// # Errors
/// Every reference that cannot be followed, with its place in the document as given.
pub fn bundle(document: &Value, folder: &Path) -> Result<Bundle, Vec<Violation>> {
    let files = Files::below(folder).map_err(|error| {
        let message = format!("cannot read the folder {}: {error}", folder.display());
        vec![Violation::new("", "unreadable_file", message)]
    })?;
    let mut joiner = Joiner {
        files,
        found: Vec::new(),
    };
    let mut document = document.clone();
    joiner.manifest(&mut document);
    if !joiner.found.is_empty() {
        return Err(joiner.found);
    }
    Ok(Bundle {
        document,
        files: joiner.files.names(),
    })
}

/// Why a file cannot be joined: rule and message.
type Defect = (&'static str, String);

struct Joiner {
    files: Files,
    found: Vec<Violation>,
}

impl Joiner {
    fn refuse(&mut self, pointer: &str, (rule, message): Defect) {
        if self.found.len() < super::MAX_VIOLATIONS {
            self.found.push(Violation::new(pointer, rule, message));
        }
    }

    fn manifest(&mut self, document: &mut Value) {
        let Value::Object(members) = document else {
            return;
        };
        let known = Vocabulary::default();
        for (name, value) in members.iter_mut() {
            let place = json::push("", name);
            match (known.member(name).as_ref(), value) {
                ("description", value) => self.text(value, &place, false),
                ("actions", Value::Array(actions)) => {
                    for (index, action) in actions.iter_mut().enumerate() {
                        self.action(action, &json::push(&place, &index.to_string()));
                    }
                }
                ("intents", Value::Array(intents)) => {
                    for (index, intent) in intents.iter_mut().enumerate() {
                        let place = json::push(&place, &index.to_string());
                        if let Some(text) = intent.get_mut("description") {
                            self.text(text, &json::push(&place, "description"), false);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn action(&mut self, action: &mut Value, place: &str) {
        let Value::Object(members) = action else {
            return;
        };
        let is_wasm = members.get("runtime").is_some_and(|name| name == "wasm");
        let known = Vocabulary::default();
        for (name, value) in members.iter_mut() {
            let place = json::push(place, name);
            match known.member(name).as_ref() {
                "description" | "prompt" => self.text(value, &place, false),
                "code" => self.text(value, &place, is_wasm),
                "input_schema" | "inputSchema" | "output_schema" | "outputSchema" => {
                    self.schema(value, &place);
                }
                _ => {}
            }
        }
    }

    /// Puts a file's text in the place of `{"file": path}`.
    fn text(&mut self, value: &mut Value, place: &str, is_wasm: bool) {
        let Value::Object(members) = &*value else {
            return;
        };
        let Some(Value::String(name)) = members.get("file").filter(|_| members.len() == 1) else {
            let defect = "write a text, or {\"file\": \"…\"} and nothing else".to_owned();
            return self.refuse(place, ("type", defect));
        };
        let root = self.files.root().to_owned();
        let text = self.files.resolve(&root, name).and_then(|path| {
            let bytes = self.files.bytes_of(&path)?;
            if is_wasm && bytes.starts_with(b"\0asm") {
                return Ok(BASE64.encode(bytes));
            }
            let text = std::str::from_utf8(bytes).map_err(|error| {
                let message = format!("{name}: byte {} is not UTF-8", error.valid_up_to());
                ("invalid_utf8", message)
            })?;
            // Base64 ends with a line break in a file, and with none in a manifest.
            Ok(if is_wasm { text.trim() } else { text }.to_owned())
        });
        match text {
            Ok(text) => *value = Value::from(text),
            Err(defect) => self.refuse(&json::push(place, "file"), defect),
        }
    }

    /// Joins one schema with the files that it refers to.
    fn schema(&mut self, schema: &mut Value, place: &str) {
        let mut folder = self.files.root().to_owned();
        let mut within = Vec::new();
        while let Some(name) = only_reference(schema).map(str::to_owned) {
            let whole = self.files.resolve(&folder, &name).and_then(|path| {
                if within.contains(&path) || within.len() >= DEEPEST {
                    return Err(circle(&name));
                }
                Ok((self.files.document(&path)?, path))
            });
            match whole {
                Ok((document, path)) => {
                    *schema = document;
                    folder = path.parent().unwrap_or(self.files.root()).to_owned();
                    within.push(path);
                }
                Err(defect) => return self.refuse(&json::push(place, "$ref"), defect),
            }
        }
        let mut joined = Joined {
            dialect: dialect(schema),
            taken: definitions(schema),
            own: schema.clone(),
            names: BTreeMap::new(),
            added: Map::new(),
            within,
            file: None,
            folder,
        };
        self.references(schema, true, place, &mut joined);
        if joined.added.is_empty() {
            return;
        }
        let keyword = joined.keyword();
        if let Value::Object(members) = schema {
            let definitions = members
                .entry(keyword)
                .or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(definitions) = definitions {
                definitions.extend(joined.added);
            }
        }
    }

    /// Follows the references of a schema, or of a part of one. The depth is that of documents.
    fn references(&mut self, value: &mut Value, is_schema: bool, place: &str, joined: &mut Joined) {
        match value {
            Value::Array(elements) => {
                for (index, element) in elements.iter_mut().enumerate() {
                    let place = json::push(place, &index.to_string());
                    self.references(element, is_schema, &place, joined);
                }
            }
            Value::Object(members) => {
                if is_schema && joined.file.is_some() {
                    self.refuse_names(members, place);
                }
                for (name, member) in members.iter_mut() {
                    let below = json::push(place, name);
                    match (name.as_str(), &mut *member) {
                        // Values under these keywords are data.
                        ("const" | "enum" | "default" | "examples", _) if is_schema => {}
                        ("$ref", Value::String(target)) if is_schema => {
                            match self.target(target, joined) {
                                Ok(Some(local)) => *target = local,
                                Ok(None) => {}
                                Err(defect) => self.refuse(&below, defect),
                            }
                        }
                        // Names under these keywords are the author's.
                        (
                            "properties" | "patternProperties" | "dependentSchemas" | "$defs"
                            | "definitions" | "dependencies",
                            Value::Object(_),
                        ) if is_schema => {
                            self.references(member, false, &below, joined);
                        }
                        _ => self.references(member, true, &below, joined),
                    }
                }
            }
            _ => {}
        }
    }

    /// In a file that becomes a part of another, names for parts would have another meaning, or meet their like.
    fn refuse_names(&mut self, members: &Map<String, Value>, place: &str) {
        for name in [
            "$id",
            "$anchor",
            "$dynamicAnchor",
            "$recursiveAnchor",
            "$dynamicRef",
            "$recursiveRef",
        ] {
            if members.get(name).is_some_and(|value| !value.is_object()) {
                let message =
                    format!("leave \"{name}\" out of a file that is joined; refer by JSON pointer");
                self.refuse(place, ("named_part", message));
            }
        }
    }

    /// Where a reference leads once all is one document; none where it may stay as it is.
    fn target(&mut self, target: &str, joined: &mut Joined) -> Result<Option<String>, Defect> {
        if let Some(fragment) = local_fragment(&joined.own, target) {
            let Some(name) = &joined.file else {
                return Ok(None);
            };
            return joined.leads_to(name, fragment).map(Some);
        }
        if joined.knows_dialect(target) {
            return Ok(None);
        }
        let (path, fragment) = target.split_once('#').unwrap_or((target, ""));
        let folder = joined.folder.clone();
        let path = self.files.resolve(&folder, path)?;
        let name = self.embed(&path, joined)?;
        joined.leads_to(&name, fragment).map(Some)
    }

    /// Makes a file a definition of the schema, once; its name.
    fn embed(&mut self, path: &Path, joined: &mut Joined) -> Result<String, Defect> {
        if joined.within.iter().any(|open| open == path) || joined.within.len() >= DEEPEST {
            return Err(circle(&self.files.shown(path)));
        }
        if let Some(name) = joined.names.get(path) {
            return Ok(name.clone());
        }
        let mut document = self.files.document(path)?;
        let shown = self.files.shown(path);
        if let Some(named) =
            dialect(&document).filter(|named| Some(named) != joined.dialect.as_ref())
        {
            let by_default = joined.dialect.is_none() && named.contains("/2020-12/");
            if !by_default {
                let message = format!(
                    "{shown} is of another dialect than the schema it becomes a part of; give both the same \"$schema\""
                );
                return Err(("another_dialect", message));
            }
        }
        let name = joined.free_name(path);
        joined.names.insert(path.to_owned(), name.clone());
        let own = document.clone();
        if let Value::Object(members) = &mut document {
            // It is no document of its own any more.
            members.shift_remove("$schema");
            members.shift_remove("$id");
            if joined
                .dialect
                .as_deref()
                .is_some_and(|uri| uri.contains("draft-04"))
            {
                members.shift_remove("id");
            }
        }
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        let outer_own = std::mem::replace(&mut joined.own, own);
        let outer_folder = std::mem::replace(&mut joined.folder, folder);
        let outer_file = joined.file.replace(name.clone());
        joined.within.push(path.to_owned());
        let before = self.found.len();
        self.references(&mut document, true, "", joined);
        joined.within.pop();
        joined.file = outer_file;
        joined.folder = outer_folder;
        joined.own = outer_own;
        // What is wrong within a file is told where the file is named.
        let wrong = self.found.split_off(before.min(self.found.len()));
        if let Some(first) = wrong.into_iter().next() {
            let shown = self.files.shown(path);
            let message = match first.pointer.as_str() {
                "" => format!("in {shown}: {}", first.message),
                pointer => format!("in {shown} at {pointer}: {}", first.message),
            };
            return Err((rule_of(&first.rule), message));
        }
        joined.added.insert(name.clone(), document);
        Ok(name)
    }
}

/// A schema that files become a part of.
struct Joined {
    dialect: Option<String>,
    /// Names of definitions that are there.
    taken: BTreeSet<String>,
    /// The document whose references are followed at the moment.
    own: Value,
    names: BTreeMap<PathBuf, String>,
    added: Map<String, Value>,
    /// The files that are being joined, from the outside in.
    within: Vec<PathBuf>,
    /// The definition that the document of the moment becomes; none for the schema itself.
    file: Option<String>,
    /// The folder its references start from.
    folder: PathBuf,
}

impl Joined {
    /// Where definitions stand in this dialect.
    fn keyword(&self) -> &'static str {
        let old = ["draft-04", "draft-06", "draft-07"];
        let dialect = self.dialect.as_deref().unwrap_or_default();
        if old.iter().any(|draft| dialect.contains(draft)) {
            "definitions"
        } else {
            "$defs"
        }
    }

    fn leads_to(&self, name: &str, fragment: &str) -> Result<String, Defect> {
        if !fragment.is_empty() && !fragment.starts_with('/') {
            let message =
                "refer to a part of a file by JSON pointer, as in \"slot.json#/$defs/day\"";
            return Err(("named_part", message.to_owned()));
        }
        Ok(format!("#/{}/{name}{fragment}", self.keyword()))
    }

    /// Whether a reference leads to the schema of a dialect, which is known without a file.
    fn knows_dialect(&self, target: &str) -> bool {
        target.starts_with("http://json-schema.org/draft-")
            || target.starts_with("https://json-schema.org/draft/")
    }

    /// A name for a file's definition, made of the file's own.
    fn free_name(&mut self, path: &Path) -> String {
        let stem = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        let plain: String = stem
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || c == '_' || c == '-' {
                    c
                } else {
                    '_'
                }
            })
            .take(64)
            .collect();
        let plain = if plain.is_empty() {
            "file".to_owned()
        } else {
            plain
        };
        let mut name = plain.clone();
        let mut next = 2;
        while !self.taken.insert(name.clone()) {
            name = format!("{plain}_{next}");
            next += 1;
        }
        name
    }
}

/// The file that a schema consists of.
fn only_reference(schema: &Value) -> Option<&str> {
    let members = schema.as_object().filter(|members| members.len() == 1)?;
    let target = members.get("$ref")?.as_str()?;
    let whole = target.strip_suffix('#').unwrap_or(target);
    (!whole.is_empty() && !whole.contains('#') && !whole.contains("://")).then_some(whole)
}

fn dialect(schema: &Value) -> Option<String> {
    let named = schema.get("$schema").and_then(Value::as_str);
    named.map(|uri| uri.trim_end_matches('#').to_owned())
}

/// The names of a schema's definitions, under either keyword.
fn definitions(schema: &Value) -> BTreeSet<String> {
    ["$defs", "definitions"]
        .iter()
        .filter_map(|keyword| schema.get(keyword)?.as_object())
        .flat_map(|named| named.keys().cloned())
        .collect()
}

fn circle(name: &str) -> Defect {
    let message = format!(
        "{} leads back to itself, or through more than {DEEPEST} files; put what belongs together into one file",
        shown(name)
    );
    ("circular_files", message)
}

/// The rules of this module, which a file's finding is told under again.
fn rule_of(rule: &str) -> &'static str {
    const RULES: [&str; 10] = [
        "remote_ref",
        "unreadable_file",
        "circular_files",
        "another_dialect",
        "named_part",
        "duplicate_key",
        "too_large",
        "too_deep",
        "invalid_utf8",
        "malformed_yaml",
    ];
    RULES
        .into_iter()
        .find(|known| *known == rule)
        .unwrap_or("malformed_json")
}
