//! The files of a folder: transcripts, and the manifests that lie beside them.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};

use crate::embedded;
use crate::json::{self, Duplicates, Limits};
use crate::suite::prepare::{snake_case, three_parts};
use crate::suite::target::{MOST_BODY, MOST_MARKS, marks};

/// Most files of a folder that are looked at.
const MOST_FILES: usize = 10_000;

/// How deep a transcript can be nested: an observation of 64 levels, and what is around it.
const DEPTH: usize = 100;

const MANIFEST: &str = ".manifest.json";

/// A folder of transcripts.
#[derive(Debug)]
pub(super) struct Folder {
    /// Where it is.
    pub path: PathBuf,
    /// The names of the transcripts, in order.
    pub transcripts: Vec<String>,
    manifests: Vec<String>,
}

/// Why a file is not read as a transcript.
#[derive(Debug)]
pub(super) enum Unread {
    /// Nothing can be said of it.
    Aside(String),
    /// It is none.
    Wrong(String),
}

impl Folder {
    /// Looks what is there, without going deeper.
    ///
    /// # Errors
    /// When it cannot be read, or holds too much.
    pub(super) fn list(path: &Path) -> Result<Self, String> {
        let cannot = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
        let mut folder = Self {
            path: path.to_owned(),
            transcripts: Vec::new(),
            manifests: Vec::new(),
        };
        for entry in std::fs::read_dir(path).map_err(cannot)? {
            let Ok(name) = entry.map_err(cannot)?.file_name().into_string() else {
                return Err(format!(
                    "{} has a file whose name is not UTF-8; rename it",
                    path.display()
                ));
            };
            if name.ends_with(MANIFEST) {
                folder.manifests.push(name);
            } else if name.ends_with(".json") || is_lines(&name) {
                folder.transcripts.push(name);
            }
            if folder.transcripts.len() + folder.manifests.len() > MOST_FILES {
                return Err(format!(
                    "{} holds more than {MOST_FILES} files; judge it in parts",
                    path.display()
                ));
            }
        }
        folder.transcripts.sort_unstable();
        folder.manifests.sort_unstable();
        Ok(folder)
    }

    /// Reads one transcript, in either of its two forms, alone or as the close answers it.
    pub(super) fn read(&self, name: &str) -> Result<Value, Unread> {
        let bytes = self.bytes(name).map_err(Unread::Aside)?;
        if marks(&bytes) > MOST_MARKS {
            return Err(Unread::Aside(format!(
                "{name} has more than {MOST_MARKS} brackets and commas"
            )));
        }
        let document = if is_lines(name) {
            from_lines(&bytes)
        } else {
            parsed(&bytes).map_err(|why| format!("is not JSON: {why}"))
        };
        let document = document.map_err(Unread::Wrong)?;
        match document {
            Value::Object(mut answer)
                if answer.contains_key("transcript") && !answer.contains_key("session_id") =>
            {
                Ok(answer.remove("transcript").unwrap_or_default())
            }
            other => Ok(other),
        }
    }

    /// The manifests that lie beside.
    ///
    /// # Errors
    /// When one is not JSON.
    pub(super) fn manifests(&self) -> Result<Manifests, String> {
        let mut beside = BTreeMap::new();
        for name in &self.manifests {
            let bytes = self.bytes(name)?;
            let document = json::read(&bytes, &Limits::DOCUMENT, Duplicates::Refuse)
                .map_err(|error| format!("{name} is no manifest: {error}"))?;
            beside.insert(name.clone(), Known::new(&document));
        }
        Ok(Manifests { beside })
    }

    fn bytes(&self, name: &str) -> Result<Vec<u8>, String> {
        let path = self.path.join(name);
        let cannot = |error: std::io::Error| format!("{name} cannot be read: {error}");
        // What is no file, a pipe for instance, might never end.
        if !std::fs::metadata(&path).map_err(cannot)?.is_file() {
            return Err(format!("{name} is no file"));
        }
        let mut bytes = Vec::new();
        let most = u64::try_from(MOST_BODY).unwrap_or(u64::MAX);
        std::fs::File::open(&path)
            .and_then(|file| file.take(most.saturating_add(1)).read_to_end(&mut bytes))
            .map_err(cannot)?;
        if bytes.len() > MOST_BODY {
            return Err(format!("{name} is larger than {MOST_BODY} bytes"));
        }
        Ok(bytes)
    }
}

fn is_lines(name: &str) -> bool {
    name.ends_with(".jsonl") || name.ends_with(".ndjson")
}

fn parsed(bytes: &[u8]) -> Result<Value, String> {
    let limits = Limits {
        bytes: MOST_BODY,
        depth: DEPTH,
    };
    json::read(bytes, &limits, Duplicates::KeepLast).map_err(|error| error.to_string())
}

/// A transcript in JSON lines: first all but its three arrays, then their entries.
fn from_lines(bytes: &[u8]) -> Result<Value, String> {
    let mut transcript: Option<Map<String, Value>> = None;
    let mut entries: [(&str, Vec<Value>); 3] = [
        ("turns", Vec::new()),
        ("steps", Vec::new()),
        ("interventions", Vec::new()),
    ];
    let lines = bytes.split(|byte| *byte == b'\n').enumerate();
    for (index, line) in lines.filter(|(_, line)| !line.trim_ascii().is_empty()) {
        let number = index + 1;
        let Value::Object(members) =
            parsed(line).map_err(|why| format!("line {number} is not JSON: {why}"))?
        else {
            return Err(format!("line {number} is no object"));
        };
        if transcript.is_none() {
            transcript = Some(members);
            continue;
        }
        let kind = if members.contains_key("turn_number") {
            0
        } else if members.contains_key("result") {
            1
        } else if members.contains_key("asked_at") {
            2
        } else {
            return Err(format!(
                "line {number} is neither a turn nor a step nor an intervention"
            ));
        };
        if let Some((_, of_kind)) = entries.get_mut(kind) {
            of_kind.push(Value::Object(members));
        }
    }
    let mut transcript = transcript.ok_or("is empty")?;
    for (name, of_kind) in entries {
        transcript.insert(name.to_owned(), Value::Array(of_kind));
    }
    Ok(Value::Object(transcript))
}

/// The name under which a transcript's manifest lies beside it.
pub(super) fn manifest_name(transcript: &str) -> String {
    let stem = transcript
        .rsplit_once('.')
        .map_or(transcript, |(stem, _)| stem);
    format!("{stem}{MANIFEST}")
}

/// Manifests by the name of their file.
#[derive(Debug)]
pub(super) struct Manifests {
    beside: BTreeMap<String, Known>,
}

/// A manifest that may be that of a transcript.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// In snake_case form.
    pub document: Arc<Value>,
    /// Its digest.
    pub digest: String,
    /// Whether that is the digest which the transcript names.
    pub same_digest: bool,
}

impl Known {
    fn new(document: &Value) -> Self {
        let document = snake_case(document);
        Self {
            digest: json::digest(&document),
            document: Arc::new(document),
            same_digest: true,
        }
    }

    /// Whether name and version are those that a transcript gives.
    fn is_named(&self, transcript: &Value) -> bool {
        let own = |member: &str| super::text(&self.document, member).to_owned();
        let given = |pointer: &str| {
            let given = transcript.pointer(pointer).and_then(Value::as_str);
            given.unwrap_or_default().to_owned()
        };
        own("name") == given("/manifest/name")
            && three_parts(&own("version")) == given("/manifest/version")
    }
}

impl Manifests {
    /// The manifest of a transcript: the one of its digest, beside it, elsewhere in the folder or among the fixtures that this program
    /// carries; else the one beside it, if it has the name and the version.
    pub(super) fn of(&self, file: &str, transcript: &Value) -> Option<Known> {
        let digest = transcript
            .pointer("/manifest/digest")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let of_digest = self
            .beside
            .values()
            .chain(fixtures())
            .find(|known| known.digest == digest);
        if let Some(known) = of_digest {
            return Some(known.clone());
        }
        let mut known = self.beside.get(&manifest_name(file))?.clone();
        known.same_digest = false;
        known.is_named(transcript).then_some(known)
    }
}

/// The manifests of the fixtures, which are those of many transcripts that people try first.
fn fixtures() -> &'static [Known] {
    static FIXTURES: OnceLock<Vec<Known>> = OnceLock::new();
    FIXTURES.get_or_init(|| {
        embedded::list("fixtures/manifests/valid/")
            .iter()
            .filter_map(|path| embedded::text(path))
            .filter_map(|text| {
                json::read(text.as_bytes(), &Limits::DOCUMENT, Duplicates::Refuse).ok()
            })
            .map(|document| Known::new(&document))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, Folder) {
        let place = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            std::fs::write(place.path().join(name), text).expect("written");
        }
        let folder = Folder::list(place.path()).expect("listed");
        (place, folder)
    }

    #[test]
    fn both_forms_are_read_alone_or_as_the_close_answers_them() {
        let lines = "{\"session_id\": \"s\"}\n{\"turn_number\": 1}\n{\"step_number\": 1, \"result\": {}}\n\n{\"asked_at\": \"t\", \"step_number\": 1}\n";
        let (_place, folder) = folder(&[
            ("a.json", r#"{"session_id": "s"}"#),
            ("b.json", r#"{"transcript": {"session_id": "s"}}"#),
            ("c.jsonl", lines),
            ("c.manifest.json", "{}"),
            ("notes.txt", "none"),
        ]);
        assert_eq!(folder.transcripts, ["a.json", "b.json", "c.jsonl"]);
        let read = |name: &str| folder.read(name).expect("read");
        assert_eq!(read("a.json"), read("b.json"));
        assert_eq!(
            read("c.jsonl"),
            json!({"session_id": "s", "turns": [{"turn_number": 1}], "steps": [{"step_number": 1, "result": {}}],
                "interventions": [{"asked_at": "t", "step_number": 1}]})
        );
    }

    #[test]
    fn what_is_no_transcript_is_told() {
        let (_place, folder) = folder(&[
            ("a.json", ""),
            ("b.json", "{"),
            ("c.jsonl", "\n\n"),
            ("d.jsonl", "{}\n{\"what\": 1}"),
            ("e.jsonl", "{}\n5"),
        ]);
        for name in &folder.transcripts {
            assert!(matches!(folder.read(name), Err(Unread::Wrong(_))), "{name}");
        }
        assert!(matches!(folder.read("absent.json"), Err(Unread::Aside(_))));
        std::fs::create_dir(folder.path.join("z.json")).expect("made");
        assert!(matches!(folder.read("z.json"), Err(Unread::Aside(_))));
    }

    #[test]
    fn a_manifest_is_found_by_its_digest_and_by_its_place() {
        let manifest = json!({"name": "own", "version": "1.0", "actions": []});
        let (_place, folder) = folder(&[("x.manifest.json", &manifest.to_string())]);
        let manifests = folder.manifests().expect("read");
        let of = |name: &str, version: &str, digest: &str| {
            let record = json!({"manifest": {"name": "own", "version": version, "digest": digest}});
            manifests.of(name, &record).map(|known| known.same_digest)
        };
        let digest = json::digest(&manifest);
        assert_eq!(of("other.json", "1.0.0", &digest), Some(true));
        assert_eq!(of("x.json", "1.0.0", "sha256:0"), Some(false));
        assert_eq!(of("x.json", "2.0.0", "sha256:0"), None);
        assert_eq!(of("other.json", "1.0.0", "sha256:0"), None);
        let fixture = json!({"manifest": {"digest": fixtures()[0].digest}});
        assert!(manifests.of("x.json", &fixture).is_some());
    }
}
