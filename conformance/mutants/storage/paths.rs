//! Mutants of section 4, as far as a path's text goes.

use unicode_normalization::UnicodeNormalization as _;

use crate::mutants::Mutant;
use crate::runtime::error::ErrorObject;
use crate::runtime::files::path;
use crate::runtime::files::root::{Root, RootRefusal};

type Checked = Result<(), ErrorObject>;

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [
        literal(),
        segments(),
        characters(),
        lengths(),
        encoded(),
        look_alikes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn refused() -> ErrorObject {
    path::refused("choose another path")
}

fn unless(refuses: bool) -> Checked {
    match refuses {
        true => Err(refused()),
        false => Ok(()),
    }
}

fn literal() -> Vec<Mutant> {
    vec![
        swap_storage!(
            "paths-are-decoded",
            "STO-005",
            "decodes the percent-encoding in a path",
            fn stored_path(&self, path: &str) -> String {
                percent_encoding::percent_decode_str(path)
                    .decode_utf8_lossy()
                    .into_owned()
            }
        ),
        swap_storage!(
            "paths-are-folded",
            "STO-005",
            "takes no notice of capitals in a path",
            fn stored_path(&self, path: &str) -> String {
                path.to_lowercase()
            }
        ),
        swap_storage!(
            "paths-are-normalised",
            "STO-005",
            "normalises the letters of a path",
            fn stored_path(&self, path: &str) -> String {
                path.nfkc().collect()
            }
        ),
        swap_storage!(
            "odd-names-are-refused",
            "STO-005",
            "refuses names that no rule forbids, such as hidden ones",
            fn check_path(&self, path: &str) -> Checked {
                let odd = |name: &str| name.starts_with(['.', '~', '-']) || name.contains('%');
                unless(path.split('/').any(odd))
            }
        ),
        swap_storage!(
            "roots-are-left-out",
            "STO-005",
            "keeps the files of all roots in memory together",
            fn read_root(&self, text: &str) -> Result<Root, RootRefusal> {
                let root: Root = text.parse()?;
                match text.starts_with("memory:") {
                    true => "memory:".parse(),
                    false => Ok(root),
                }
            }
        ),
    ]
}

fn segments() -> Vec<Mutant> {
    vec![
        swap_storage!(
            "dots-pass",
            "STO-017",
            "refuses empty segments only, and leaves dots to the store",
            fn check_segments(&self, path: &str) -> Checked {
                unless(path.split('/').any(str::is_empty))
            }
        ),
        swap_storage!(
            "only-leading-dots-are-refused",
            "STO-017",
            "looks for two dots at the beginning of a path only",
            fn check_segments(&self, path: &str) -> Checked {
                let is_empty = path.split('/').any(str::is_empty);
                unless(is_empty || path == ".." || path.starts_with("../"))
            }
        ),
        swap_storage!(
            "dots-are-resolved",
            "STO-017",
            "resolves dots within the root in place of refusing them",
            fn check_segments(&self, path: &str) -> Checked {
                unless(path.split('/').any(str::is_empty))
            },
            fn stored_path(&self, path: &str) -> String {
                resolved(path)
            }
        ),
        swap_storage!(
            "slashes-are-dropped",
            "STO-017",
            "leaves out slashes that are too many",
            fn check_segments(&self, path: &str) -> Checked {
                unless(path.split('/').any(|segment| matches!(segment, "." | "..")))
            },
            fn stored_path(&self, path: &str) -> String {
                let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
                names.join("/")
            }
        ),
    ]
}

/// A path without its dots; more of them than there are folders are dropped.
fn resolved(path: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/') {
        match name {
            "." => {}
            ".." => {
                names.pop();
            }
            name => names.push(name),
        }
    }
    names.join("/")
}

fn characters() -> Vec<Mutant> {
    vec![
        swap_storage!(
            "characters-pass",
            "STO-017",
            "takes backslashes, colons and control characters for letters",
            fn check_characters(&self, _: &str) -> Checked {
                Ok(())
            }
        ),
        swap_storage!(
            "only-zeros-are-refused",
            "STO-017",
            "refuses the one character that the system refuses",
            fn check_characters(&self, path: &str) -> Checked {
                unless(path.contains('\0'))
            }
        ),
    ]
}

fn lengths() -> Vec<Mutant> {
    vec![
        swap_storage!(
            "length-passes",
            "STO-017",
            "takes paths of any length",
            fn check_length(&self, _: &str) -> Checked {
                Ok(())
            }
        ),
        swap_storage!(
            "length-in-letters",
            "STO-017",
            "counts the letters of a path, not its bytes",
            fn check_length(&self, path: &str) -> Checked {
                unless(!(1..=path::LONGEST_PATH).contains(&path.chars().count()))
            }
        ),
        swap_storage!(
            "short-paths-only",
            "STO-017",
            "refuses paths of more than 255 bytes",
            fn check_length(&self, path: &str) -> Checked {
                unless(!(1..=255).contains(&path.len()))
            }
        ),
    ]
}

fn encoded() -> Vec<Mutant> {
    vec![
        swap_storage!(
            "encoded-marks-pass",
            "STO-018",
            "takes percent-encoded dots and slashes for letters",
            fn check_encoded(&self, _: &str) -> Checked {
                Ok(())
            }
        ),
        swap_storage!(
            "small-encoded-marks-only",
            "STO-018",
            "knows percent-encoding in small letters only",
            fn check_encoded(&self, path: &str) -> Checked {
                unless(["%2e", "%2f", "%5c"].iter().any(|mark| path.contains(mark)))
            }
        ),
        swap_storage!(
            "encoded-dots-only",
            "STO-018",
            "refuses encoded dots, and lets encoded slashes pass",
            fn check_encoded(&self, path: &str) -> Checked {
                unless(path.to_ascii_lowercase().contains("%2e"))
            }
        ),
    ]
}

fn look_alikes() -> Vec<Mutant> {
    vec![
        swap_storage!(
            "look-alikes-pass",
            "STO-019",
            "takes characters that normalise to dots and slashes for letters",
            fn check_look_alikes(&self, _: &str) -> Checked {
                Ok(())
            }
        ),
        swap_storage!(
            "only-wide-look-alikes",
            "STO-019",
            "knows the wide forms of dots and slashes only",
            fn check_look_alikes(&self, path: &str) -> Checked {
                let is_wide = |name: &str| matches!(name, "\u{ff0e}" | "\u{ff0e}\u{ff0e}");
                let slashes = path.contains(['\u{ff0f}', '\u{ff3c}']);
                unless(slashes || path.split('/').any(is_wide))
            }
        ),
        swap_storage!(
            "everything-beyond-ascii-is-refused",
            "STO-019",
            "refuses every letter beyond ASCII",
            fn check_look_alikes(&self, path: &str) -> Checked {
                unless(!path.is_ascii())
            }
        ),
    ]
}
