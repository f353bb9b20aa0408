//! What rules can mend, shown or written.

use std::path::Path;

use crate::document::{Document, Limits};
use crate::lint::ignore::not_accepted;
use crate::lint::{DocumentKind, fix};
use crate::suite::report::text::one_line;

use super::super::written;
use super::look::Ask;

/// Lines around a change that are shown.
const CONTEXT: usize = 3;

/// What is mended, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mend {
    /// Changes that keep the meaning.
    pub safe: bool,
    /// Others too.
    pub also_unsafe: bool,
    /// The changes are shown, not made.
    pub only_show: bool,
}

impl Mend {
    /// Whether files are written.
    pub const fn writes(self) -> bool {
        self.safe && !self.only_show
    }
}

/// The document with all changes that its findings offer, less those that are accepted.
pub(super) fn mended(document: &Document, kind: DocumentKind, name: &str, ask: &Ask) -> fix::Fixed {
    let keep = not_accepted(&ask.config, Some(name));
    let limits = Limits::DOCUMENT;
    fix::apply(
        document,
        kind,
        &ask.selection,
        ask.mend.also_unsafe,
        &limits,
        keep,
    )
}

/// What changes between two texts of a file, as `patch` and `git apply` read it.
pub(super) fn difference(name: &str, before: &str, after: &str) -> String {
    let (old, new) = (header("a", name), header("b", name));
    // Lines that stand once lead the way; without them many changes cost the square of their number.
    similar::TextDiff::configure()
        .algorithm(similar::Algorithm::Patience)
        .diff_lines(before, after)
        .unified_diff()
        .context_radius(CONTEXT)
        .header(&old, &new)
        .to_string()
}

/// A name in the head of a difference; one that could end its line or move a cursor stands in quotes, as git writes it.
fn header(side: &str, name: &str) -> String {
    let plain = one_line(name);
    if plain == name && !name.contains(['"', '\\']) {
        return format!("{side}/{name}");
    }
    let mut quoted = format!("\"{side}/");
    for byte in name.bytes() {
        match byte {
            b'"' | b'\\' => quoted.extend(['\\', char::from(byte)]),
            b'\n' => quoted.push_str("\\n"),
            b'\t' => quoted.push_str("\\t"),
            b'\r' => quoted.push_str("\\r"),
            b' '..=b'~' => quoted.push(char::from(byte)),
            other => quoted.push_str(&format!("\\{other:03o}")),
        }
    }
    quoted.push('"');
    quoted
}

/// Puts a text in the place of a file at once; whoever reads sees the old or the new one. A link is not followed, and a file that
/// somebody else wrote meanwhile is left alone.
///
/// # Errors
/// Why it was not written; the file is then as it was.
pub(super) fn write(path: &Path, before: &str, after: &str) -> Result<(), String> {
    let told = |what: &str, error: &std::io::Error| format!("it is not mended: {what}: {error}");
    let about = path
        .symlink_metadata()
        .map_err(|error| told("cannot look at it", &error))?;
    if !about.is_file() {
        return Err("it is not mended: it is a link or no file; name the file itself".to_owned());
    }
    let now = std::fs::read(path).map_err(|error| told("cannot read it again", &error))?;
    if now != before.as_bytes() {
        return Err("it is not mended: somebody changed it meanwhile; start again".to_owned());
    }
    written::to(path, after).map_err(|error| told("cannot write it", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_keeps_its_mode() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.json");
        std::fs::write(&path, "old").expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("a mode");
        write(&path, "old", "new").expect("replaced");
        assert_eq!(std::fs::read_to_string(&path).expect("a text"), "new");
        let mode = path.metadata().expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        let names = std::fs::read_dir(folder.path()).expect("a folder").count();
        assert_eq!(names, 1, "nothing is left beside it");
    }

    #[test]
    fn links_and_changed_files_are_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.json");
        let link = folder.path().join("b.json");
        std::fs::write(&path, "old").expect("written");
        std::os::unix::fs::symlink(&path, &link).expect("a link");
        assert!(write(&link, "old", "new").is_err());
        assert!(write(&path, "older", "new").is_err());
        assert_eq!(std::fs::read_to_string(&path).expect("a text"), "old");
    }

    #[test]
    fn names_in_differences_end_no_line() {
        let text = difference("x\n+++ b/y\u{1b}[2J\u{202e}.json", "a\n", "b\n");
        let head: Vec<&str> = text.lines().take(3).collect();
        assert_eq!(
            head,
            [
                r#"--- "a/x\n+++ b/y\033[2J\342\200\256.json""#,
                r#"+++ "b/x\n+++ b/y\033[2J\342\200\256.json""#,
                "@@ -1 +1 @@"
            ]
        );
        assert!(difference("ä b.json", "a\n", "b\n").starts_with("--- a/ä b.json\n"));
    }

    #[test]
    fn differences_are_patches() {
        let text = difference("x.json", "a\nb\nc\n", "a\nB\nc\n");
        assert_eq!(
            text,
            "--- a/x.json\n+++ b/x.json\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"
        );
    }
}
