//! The files of a folder: transcripts, and the manifests that lie beside them.

use std::collections::BTreeMap;
use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};

use super::rules::Rules;
use super::session::{Bench, begin_with};
use super::{CREATION, Conclusion, STDIN, head, lines};
use crate::embedded;
use crate::json::{self, Duplicates, Limits};
use crate::suite::matcher::{Difference, absent};
use crate::suite::prepare::{snake_case, three_parts};
use crate::suite::target::{MOST_BODY, MOST_MARKS, marks};
use crate::suite::wire::Finding;

/// Most files of a folder that are looked at.
pub(super) const MOST_FILES: usize = 10_000;

/// How deep a transcript can be nested: an observation of 64 levels, and what is around it.
const DEPTH: usize = 100;

pub(super) const MANIFEST: &str = ".manifest.json";

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
        Ok(Manifests {
            beside,
            ..Manifests::default()
        })
    }

    fn bytes(&self, name: &str) -> Result<Vec<u8>, String> {
        whole(&self.path.join(name)).map_err(|why| format!("{name} {why}"))
    }
}

/// A file that can be read.
///
/// # Errors
/// When it cannot, or is none: a pipe for instance might never end. Those that a shell hands over are meant.
pub(super) fn file(path: &Path) -> Result<std::fs::File, String> {
    let cannot = |error: std::io::Error| format!("cannot be read: {error}");
    let handed = ["/dev/fd", "/proc/self/fd"]
        .iter()
        .any(|root| path.starts_with(root));
    let about = std::fs::metadata(path).map_err(cannot)?;
    if !about.is_file() && (about.is_dir() || !handed) {
        return Err("is no file".to_owned());
    }
    std::fs::File::open(path).map_err(cannot)
}

/// All bytes of a file.
pub(super) fn whole(path: &Path) -> Result<Vec<u8>, String> {
    rest(Vec::new(), &mut file(path)?)
}

/// All bytes that are left, after those that were read already.
fn rest(mut bytes: Vec<u8>, reader: &mut dyn Read) -> Result<Vec<u8>, String> {
    let most = u64::try_from(MOST_BODY).unwrap_or(u64::MAX);
    reader
        .take(most.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() > MOST_BODY {
        return Err(format!("is larger than {MOST_BODY} bytes"));
    }
    Ok(bytes)
}

/// Whether this is an answer that has a transcript, such as that of the close, and none itself (transcripts.md 7.2).
pub(super) fn holds_one(members: &Map<String, Value>) -> bool {
    let own = ["turns", "steps", "interventions", "protocol_version"];
    members.contains_key("transcript") && !own.into_iter().any(|name| members.contains_key(name))
}

/// Reads one transcript that is a document, alone or as the close answers it.
pub(super) fn document(bytes: &[u8]) -> Result<Map<String, Value>, Unread> {
    if marks(bytes) > MOST_MARKS {
        return Err(Unread::Aside(format!(
            "has more than {MOST_MARKS} brackets and commas"
        )));
    }
    match parsed(bytes) {
        Ok(Value::Object(mut answer)) if holds_one(&answer) => match answer.remove("transcript") {
            Some(Value::Object(members)) => Ok(members),
            _ => Err(Unread::Wrong("is no object".to_owned())),
        },
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(Unread::Wrong("is no object".to_owned())),
        Err(why) => Err(Unread::Wrong(format!("is not JSON: {why}"))),
    }
}

/// Judges the one transcript of a document.
///
/// # Errors
/// When nothing can be said of it.
pub(super) fn one(
    bytes: &[u8],
    name: &str,
    manifests: &Manifests,
    bench: Bench<'_>,
    each: &mut dyn FnMut(Conclusion),
) -> Result<(), String> {
    let members = match document(bytes) {
        Ok(members) => members,
        Err(Unread::Aside(why)) => return Err(why),
        Err(Unread::Wrong(why)) => {
            each(Conclusion::none(&why));
            return Ok(());
        }
    };
    let (rules, wrong, note) = manifests.judge_by(name, &members);
    let mut session = begin_with(members, rules, bench, None);
    session.found.extend(wrong);
    each(Conclusion {
        ordinal: 1,
        judged: session.finish(),
        note,
    });
    Ok(())
}

/// Judges what has no name that says whether it is a document or JSON lines: lines, if the first is a JSON value.
///
/// # Errors
/// As [`one`] and [`lines::judge`].
pub(super) fn sniffed(
    reader: &mut dyn BufRead,
    name: &str,
    manifests: &Manifests,
    bench: Bench<'_>,
    each: &mut dyn FnMut(Conclusion),
) -> Result<(), String> {
    let mut first = Vec::new();
    // A document in one line can be longer than a line of a stream.
    let Ok(_) = lines::next(reader, &mut first) else {
        return one(&rest(first, reader)?, name, manifests, bench, each);
    };
    if parsed(&first).is_ok() {
        return lines::judge(Some(first), reader, name, manifests, bench, each);
    }
    first.push(b'\n');
    one(&rest(first, reader)?, name, manifests, bench, each)
}

pub(super) fn is_lines(name: &str) -> bool {
    name.ends_with(".jsonl") || name.ends_with(".ndjson")
}

/// Reads one JSON value, as deep as a transcript can be.
pub(super) fn parsed(bytes: &[u8]) -> Result<Value, String> {
    let limits = Limits {
        bytes: MOST_BODY,
        depth: DEPTH,
    };
    json::read(bytes, &limits, Duplicates::KeepLast).map_err(|error| error.to_string())
}

/// The name under which a transcript's manifest lies beside it.
pub(super) fn manifest_name(transcript: &str) -> String {
    let stem = transcript
        .rsplit_once('.')
        .map_or(transcript, |(stem, _)| stem);
    format!("{stem}{MANIFEST}")
}

/// Manifests by the name of their file, and those that were named.
#[derive(Debug, Default)]
pub(super) struct Manifests {
    beside: BTreeMap<String, Known>,
    named: Vec<Known>,
    /// Whether manifests can be named on the command line.
    pub by_option: bool,
}

/// A manifest that may be that of a transcript.
#[derive(Debug)]
pub(super) struct Known {
    /// In snake_case form.
    document: Value,
    /// Its digest.
    digest: String,
    /// Made at first use: most manifests of a folder are those of no transcript.
    rules: OnceLock<Arc<Rules>>,
}

impl Known {
    pub fn new(document: &Value) -> Self {
        let document = snake_case(document);
        Self {
            digest: json::digest(&document),
            document,
            rules: OnceLock::new(),
        }
    }

    fn rules(&self) -> Arc<Rules> {
        let rules = self.rules.get_or_init(|| {
            let rules = Rules::new(self.document.clone());
            Arc::new(rules)
        });
        Arc::clone(rules)
    }

    /// Whether name and version are those that a transcript gives.
    fn is_named(&self, name: &str, version: &str) -> bool {
        let own = |member: &str| super::text(&self.document, member);
        own("name") == name && three_parts(own("version")) == version
    }
}

impl Manifests {
    /// With one that was named.
    pub(super) fn name(&mut self, known: Known) {
        self.named.push(known);
    }

    /// With one that lies beside transcripts, by the path of its file.
    pub(super) fn lay_beside(&mut self, path: String, known: Known) {
        self.beside.insert(path, known);
    }

    /// The manifest of a transcript, and whether it has the digest that the transcript names: the one of its digest, beside it, among
    /// those that were named, elsewhere in the folder or among the fixtures that this program carries; else one beside it or named that
    /// has the name and the version.
    fn of(&self, file: &str, members: &Map<String, Value>) -> Option<(&Known, bool)> {
        let (digest, name, version) = head::manifest(members);
        let own = self.beside.get(&manifest_name(file));
        let mut all = own
            .into_iter()
            .chain(&self.named)
            .chain(self.beside.values())
            .chain(fixtures());
        if let Some(known) = all.find(|known| known.digest == digest) {
            return Some((known, true));
        }
        let mut candidates = own.into_iter().chain(&self.named);
        let known = candidates.find(|known| known.is_named(name, version))?;
        Some((known, false))
    }

    /// What was not judged of a transcript whose manifest is unknown, and how it can be.
    fn unknown(&self, file: &str, members: &Map<String, Value>) -> String {
        let digest = head::manifest(members).0;
        // What has another form is a stranger's text.
        let is_digest = digest.strip_prefix("sha256:").is_some_and(|digits| {
            digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        });
        let named = if is_digest {
            format!(" ({digest})")
        } else {
            String::new()
        };
        let mut ways = Vec::new();
        if self.by_option {
            ways.push("pass it with --manifest FILE or its folder with --against DIR".to_owned());
        }
        if file != STDIN {
            ways.push(format!("put it beside as {}", manifest_name(file)));
        }
        format!(
            "its manifest{named} is not known, so no plan, output or effect was held against it and nothing was replayed; {}",
            ways.join(", or ")
        )
    }

    /// What a transcript is judged by, what is wrong with that already, and what to say where there is nothing.
    pub(super) fn judge_by(
        &self,
        file: &str,
        members: &Map<String, Value>,
    ) -> (Option<Arc<Rules>>, Option<Finding>, Option<String>) {
        let Some((known, same_digest)) = self.of(file, members) else {
            let note = self.unknown(file, members);
            return (None, None, Some(note));
        };
        let wrong = (!same_digest).then(|| Finding {
            requirement: CREATION.to_owned(),
            difference: Difference {
                pointer: "/manifest/digest".to_owned(),
                expected: Value::from(known.digest.as_str()),
                got: members
                    .get("manifest")
                    .and_then(|manifest| manifest.get("digest"))
                    .cloned()
                    .unwrap_or_else(absent),
                message: "is not the digest of the manifest that has its name and version"
                    .to_owned(),
            },
        });
        (Some(known.rules()), wrong, None)
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

    fn named(manifest: Value) -> Map<String, Value> {
        Map::from_iter([("manifest".to_owned(), manifest)])
    }

    fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, Folder) {
        let place = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            std::fs::write(place.path().join(name), text).expect("written");
        }
        let folder = Folder::list(place.path()).expect("listed");
        (place, folder)
    }

    #[test]
    fn transcripts_and_manifests_are_told_apart() {
        let (_place, folder) = folder(&[
            ("a.json", r#"{"session_id": "s"}"#),
            (
                "b.json",
                r#"{"session_id": "s", "status": "closed", "transcript": {"session_id": "s"}}"#,
            ),
            ("c.jsonl", "{}"),
            ("c.manifest.json", "{}"),
            ("notes.txt", "none"),
        ]);
        assert_eq!(folder.transcripts, ["a.json", "b.json", "c.jsonl"]);
        let read = |name: &str| document(&folder.bytes(name).expect("bytes")).expect("read");
        assert_eq!(read("a.json"), read("b.json"));
    }

    #[test]
    fn what_is_no_transcript_is_told() {
        for text in ["", "{", "[]", "5", r#"{"transcript": 5}"#] {
            let read = document(text.as_bytes());
            assert!(matches!(read, Err(Unread::Wrong(_))), "{text}");
        }
        let place = tempfile::tempdir().expect("a folder");
        assert!(file(&place.path().join("absent.json")).is_err());
        assert!(file(place.path()).is_err());
    }

    #[test]
    fn a_manifest_is_found_by_its_digest_and_by_its_place() {
        let manifest = json!({"name": "own", "version": "1.0", "actions": []});
        let (_place, folder) = folder(&[("x.manifest.json", &manifest.to_string())]);
        let manifests = folder.manifests().expect("read");
        let of = |name: &str, version: &str, digest: &str| {
            let record = named(json!({"name": "own", "version": version, "digest": digest}));
            manifests
                .of(name, &record)
                .map(|(_, same_digest)| same_digest)
        };
        let digest = json::digest(&manifest);
        assert_eq!(of("other.json", "1.0.0", &digest), Some(true));
        assert_eq!(of("x.json", "1.0.0", "sha256:0"), Some(false));
        assert_eq!(of("x.json", "2.0.0", "sha256:0"), None);
        assert_eq!(of("other.json", "1.0.0", "sha256:0"), None);
        let fixture = named(json!({"digest": fixtures()[0].digest}));
        assert!(manifests.of("x.json", &fixture).is_some());
    }
}
