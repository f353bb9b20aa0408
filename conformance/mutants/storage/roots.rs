//! Mutants of section 1: which roots are taken, and whose files are whose.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::mutants::Mutant;
use crate::mutants::documents::{overlooking, put};
use crate::runtime::Parts;
use crate::runtime::files::StorageParts;
use crate::runtime::files::root::{Root, RootRefusal, Scheme, check_allowed};

type Checked = Result<(), RootRefusal>;

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [schemes(), allowed(), memory()]
        .into_iter()
        .flatten()
        .collect()
}

fn schemes() -> Vec<Mutant> {
    vec![
        overlooking(
            "unknown-schemes-are-memory",
            "STO-001",
            "keeps files in memory where it does not know a root's scheme",
            |violation| violation.pointer.ends_with("/root"),
            |document, violation| put(document, &violation.pointer, "memory:notes/"),
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
        swap_storage!(
            "dots-in-roots-are-resolved-late",
            "STO-002",
            "compares a root with the allowed ones before it resolves the dots in it",
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
        ),
    ]
}

/// A root of scheme `file:` without its dots, as a URL without them.
fn without_dots(text: &str) -> String {
    match text.parse::<reqwest::Url>() {
        Ok(url) => format!("file://{}", url.path()),
        Err(_) => text.to_owned(),
    }
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
