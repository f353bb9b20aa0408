//! Mutants of section 1: which roots are taken, and whose files are whose.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;
use unicode_normalization::UnicodeNormalization as _;

use crate::diagnostic::Violation;
use crate::manifest::{INVALID_ROOT, Kind};
use crate::mutants::Mutant;
use crate::mutants::documents::{Loaded, overlook, put, refusing};
use crate::runtime::Parts;
use crate::runtime::files::StorageParts;
use crate::runtime::files::root::{Root, RootRefusal, Scheme, check_allowed};

type Checked = Result<(), RootRefusal>;

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [schemes(), allowed(), memory(), forms()]
        .into_iter()
        .flatten()
        .collect()
}

fn schemes() -> Vec<Mutant> {
    vec![
        reading(
            "unknown-schemes-are-memory",
            "STO-001",
            "keeps files in memory where it does not know a root's scheme",
            |root| {
                let known = Scheme::ALL.into_iter();
                let mut known = known.map(|scheme| format!("{}:", scheme.name()));
                instead(!known.any(|known| root.starts_with(&known)))
            },
        ),
        swap_storage!(
            "memory-is-not-offered",
            "STO-001",
            "says that it offers roots in memory and refuses them",
            fn check_allowed(&self, root: &Root, allowed: &[Root]) -> Checked {
                offered(root, allowed, Scheme::Memory)
            }
        ),
        swap_storage!(
            "folders-are-not-offered",
            "STO-001",
            "says that it offers roots in folders and refuses them",
            fn check_allowed(&self, root: &Root, allowed: &[Root]) -> Checked {
                offered(root, allowed, Scheme::File)
            }
        ),
        swap_storage!(
            "buckets-are-not-offered",
            "STO-001",
            "says that it offers roots in buckets and refuses them",
            fn check_allowed(&self, root: &Root, allowed: &[Root]) -> Checked {
                offered(root, allowed, Scheme::S3)
            }
        ),
    ]
}

fn offered(root: &Root, allowed: &[Root], missing: Scheme) -> Checked {
    if root.scheme() == missing {
        return Err(REFUSED);
    }
    check_allowed(root, allowed)
}

const REFUSED: RootRefusal = RootRefusal {
    rule: "root_not_allowed",
    message: "roots of this scheme are refused",
};

fn allowed() -> Vec<Mutant> {
    vec![
        swap_storage!(
            "every-root-is-allowed",
            "STO-002",
            "accepts every root whose scheme it knows",
            fn check_allowed(&self, _: &Root, _: &[Root]) -> Checked {
                Ok(())
            }
        ),
        swap_storage!(
            "roots-by-their-beginning",
            "STO-002",
            "compares roots with the allowed ones letter by letter, so that longer names pass",
            fn check_allowed(&self, root: &Root, allowed: &[Root]) -> Checked {
                let begins = |prefix: &Root| {
                    let prefix = prefix.to_string();
                    root.to_string().starts_with(prefix.trim_end_matches('/'))
                };
                match allowed.iter().any(begins) {
                    true => Ok(()),
                    false => check_allowed(root, allowed),
                }
            }
        ),
        Mutant::part(
            "dots-in-roots-are-resolved-late",
            "STO-002",
            "compares a root with the allowed ones before it resolves the dots in it",
            Late,
        ),
    ]
}

/// Compares texts, and resolves dots afterwards.
struct Late;

impl StorageParts for Late {
    fn check_root(&self, text: &str, allowed: &[Root]) -> Result<Root, RootRefusal> {
        let is_below = |prefix: &Root| text.starts_with(&prefix.to_string());
        match allowed.iter().any(is_below) {
            true => without_dots(text).parse(),
            false => {
                let root: Root = text.parse()?;
                check_allowed(&root, allowed)?;
                Ok(root)
            }
        }
    }
}

impl Parts for Late {
    fn storage(&self) -> &dyn StorageParts {
        self
    }

    /// Leaves the form of roots to the storage, as they are written.
    fn read_manifest(&self, document: &Value) -> Loaded {
        let is_root = |violation: &Violation| violation.rule == INVALID_ROOT;
        let mut manifest = overlook(document, is_root, |document, violation| {
            put(document, &violation.pointer, "memory:notes/");
        })?;
        for action in &mut manifest.actions {
            let action = Arc::make_mut(action);
            if let Kind::ReadFile(root) | Kind::WriteFile(root) = &mut action.kind
                && let Some(Value::String(written)) = document.pointer(&root.pointer)
            {
                root.root.clone_from(written);
            }
        }
        Ok(manifest)
    }
}

/// A root of scheme `file:` without its dots, as a URL without them.
fn without_dots(text: &str) -> String {
    match text.parse::<reqwest::Url>() {
        Ok(url) => format!("file://{}", url.path()),
        Err(_) => text.to_owned(),
    }
}

/// A mutant that reads some texts as roots which are none: `meant` gives the root it takes them for.
fn reading(
    name: &'static str,
    requirement: &'static str,
    behaviour: &'static str,
    meant: fn(&str) -> Option<String>,
) -> Mutant {
    struct Reads(fn(&str) -> Option<String>);
    impl Reads {
        fn root(&self, document: &Value, violation: &Violation) -> Option<String> {
            let text = document.pointer(&violation.pointer)?.as_str()?;
            (self.0)(text).filter(|_| violation.rule == INVALID_ROOT)
        }
    }
    impl Parts for Reads {
        fn read_manifest(&self, document: &Value) -> Loaded {
            overlook(
                document,
                |violation| self.root(document, violation).is_some(),
                |mended, violation| {
                    if let Some(root) = self.root(document, violation) {
                        put(mended, &violation.pointer, root);
                    }
                },
            )
        }
    }
    Mutant::part(name, requirement, behaviour, Reads(meant))
}

/// Somewhere in memory in place of a root, where a mutant takes the root although it should not.
fn instead(taken: bool) -> Option<String> {
    taken.then(|| "memory:notes/".to_owned())
}

/// The names of a root, after the scheme with its slashes and any bucket.
fn names(root: &str) -> (&str, &str) {
    let begins = root.split_once("://").map_or_else(
        || root.find(':').map_or(0, |colon| colon + 1),
        |(scheme, rest)| scheme.len() + 3 + rest.find('/').map_or(rest.len(), |slash| slash + 1),
    );
    root.split_at(begins)
}

fn forms() -> Vec<Mutant> {
    vec![
        reading(
            "dots-in-roots-are-resolved",
            "STO-024",
            "resolves the dots in a root and goes on from there",
            |root| {
                let (before, names) = names(root);
                let mut kept = Vec::new();
                for name in names.split('/') {
                    match name {
                        ".." => drop(kept.pop()),
                        "." => {}
                        name => kept.push(name),
                    }
                }
                let plain = format!("{before}{}", kept.join("/"));
                Some(plain).filter(|plain| plain.parse::<Root>().is_ok())
            },
        ),
        reading(
            "slashes-in-roots-are-joined",
            "STO-024",
            "takes several slashes side by side in a root for one",
            |root| {
                let (scheme, rest) = root.split_once(':')?;
                let rest = match scheme {
                    "memory" => rest.trim_start_matches('/'),
                    _ => rest.strip_prefix("//")?,
                };
                let mut joined = rest.to_owned();
                while joined.contains("//") {
                    joined = joined.replace("//", "/");
                }
                instead(joined != rest || root.starts_with("memory:/"))
            },
        ),
        reading(
            "roots-are-decoded",
            "STO-024",
            "decodes the percent-encoding of a root",
            |root| instead(root.contains('%')),
        ),
        reading(
            "queries-of-roots-are-cut",
            "STO-024",
            "leaves the query and the fragment of a root out",
            |root| {
                let (plain, _) = root.split_once(['?', '#'])?;
                Some(plain.to_owned())
            },
        ),
        reading(
            "any-character-in-roots",
            "STO-024",
            "takes backslashes, colons and control characters for parts of a root's names",
            |root| {
                let (_, names) = names(root);
                instead(names.contains(|c: char| matches!(c, '\\' | ':') || c.is_control()))
            },
        ),
        reading(
            "look-alikes-in-roots",
            "STO-024",
            "takes characters for parts of a root's names that only look like dots and slashes",
            |root| instead(root.nfkc().collect::<String>() != root),
        ),
        reading(
            "hosts-in-roots",
            "STO-024",
            "reads over a host in a root of scheme file",
            |root| instead(root.starts_with("file:")),
        ),
        reading(
            "buckets-of-any-name",
            "STO-024",
            "leaves it to the store what a bucket is called",
            |root| instead(root.starts_with("s3:")),
        ),
        reading(
            "roots-of-any-length",
            "STO-024",
            "takes roots of any length",
            |root| instead(root.len() > 1024),
        ),
        refusing(
            "odd-names-in-roots-are-refused",
            "STO-024",
            "refuses a root with two dots anywhere, or with a blank or letters beyond ASCII",
            |manifest, _| {
                manifest.actions.iter().find_map(|action| {
                    let (Kind::ReadFile(root) | Kind::WriteFile(root)) = &action.kind else {
                        return None;
                    };
                    let odd = root.root.contains("..") || root.root.contains(' ');
                    (odd || !root.root.is_ascii())
                        .then(|| Violation::new(root.pointer.clone(), INVALID_ROOT, "odd"))
                })
            },
        ),
    ]
}

fn memory() -> Vec<Mutant> {
    vec![
        swap_storage!(
            "memory-is-everybodys",
            "STO-003",
            "keeps the files of all manifests in one place",
            fn memory_space(&self, _: &str) -> String {
                "all".to_owned()
            }
        ),
        Mutant::part(
            "memory-of-one-call",
            "STO-003",
            "forgets what it keeps in memory with each call",
            Forgetful(AtomicU64::new(0)),
        ),
    ]
}

/// Finds nothing where another call has written.
struct Forgetful(AtomicU64);

impl StorageParts for Forgetful {
    fn memory_space(&self, manifest: &str) -> String {
        format!("{manifest}/{}", self.0.fetch_add(1, Ordering::Relaxed))
    }
}

impl Parts for Forgetful {
    fn storage(&self) -> &dyn StorageParts {
        self
    }
}
