//! Which paths are taken, told from their text alone (`spec/storage.md`, section 4).

use crate::manifest::path_form;
use crate::runtime::error::{Code, ErrorObject};

/// Most bytes of a path.
pub const LONGEST_PATH: usize = 1024;

/// The refusal of a path. It depends on the path's text only, so it tells nothing of what is stored.
pub fn refused(message: &str) -> ErrorObject {
    ErrorObject::new(Code::PathRefused, message)
}

/// Refuses a path of no bytes, or of too many (4).
///
/// # Errors
/// `path_refused`.
pub fn check_length(path: &str) -> Result<(), ErrorObject> {
    if (1..=LONGEST_PATH).contains(&path.len()) {
        return Ok(());
    }
    Err(refused("write a path of 1 to 1024 bytes"))
}

/// Refuses segments that are empty, `.` or `..`; a `/` at either end makes an empty one (4.1).
///
/// # Errors
/// `path_refused`.
pub fn check_segments(path: &str) -> Result<(), ErrorObject> {
    if !path_form::is_names(path) {
        return Err(refused(
            "write names joined by single slashes, such as notes/a.txt: no slash at either end, and no name `.` or `..`",
        ));
    }
    Ok(())
}

/// Refuses characters that mean something to one system or another (4.1).
///
/// # Errors
/// `path_refused`.
pub fn check_characters(path: &str) -> Result<(), ErrorObject> {
    if path_form::has_marks(path) {
        return Err(refused(
            "leave backslashes, colons and control characters out of the path",
        ));
    }
    Ok(())
}

/// Refuses dots and slashes that are percent-encoded (4.2).
///
/// # Errors
/// `path_refused`.
pub fn check_encoded(path: &str) -> Result<(), ErrorObject> {
    let lower = path.to_ascii_lowercase();
    if ["%2e", "%2f", "%5c"]
        .iter()
        .any(|mark| lower.contains(mark))
    {
        return Err(refused(
            "write the path as it is: it is never decoded, and %2e, %2f and %5c are refused",
        ));
    }
    Ok(())
}

/// Refuses characters that some system would take for the dots and slashes they look like (4.3).
///
/// # Errors
/// `path_refused`.
pub fn check_look_alikes(path: &str) -> Result<(), ErrorObject> {
    if path_form::has_look_alikes(path) {
        return Err(refused(
            "write dots and slashes as plain characters: the path holds some that only look like them",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::files::parts::StorageParts as _;
    use crate::runtime::parts::Reference;
    use proptest::prelude::*;
    use unicode_normalization::UnicodeNormalization as _;

    fn refused(path: &str) -> bool {
        match Reference.check_path(path) {
            Ok(()) => false,
            Err(error) => {
                assert_eq!(error.code, Code::PathRefused);
                assert!(!error.retryable);
                true
            }
        }
    }

    #[test]
    fn plain_paths_are_taken_literally() {
        for path in [
            "a",
            "a.txt",
            "notes/2026/a b.txt",
            ".hidden",
            "...",
            "a..b/c.",
            "..a/b..",
            "~root",
            "-rf",
            "a%20b",
            "100%",
            "%252e%252e/x",
            "%2",
            "%2g",
            "$HOME/*?",
            "日本語/ファイル.txt",
            "e\u{301}",
            "\u{2026}",
            "division\u{2215}slash",
            "\u{ff1a}",
        ] {
            assert!(!refused(path), "{path}");
        }
        assert!(!refused(&"a".repeat(1024)));
    }

    #[test]
    fn each_way_out_is_refused() {
        let long = "a".repeat(1025);
        let wide = "é".repeat(513);
        for path in [
            // 4: length
            "",
            &long,
            &wide,
            // 4.1: segments
            "/",
            "/etc/passwd",
            "a/",
            "a//b",
            "//a",
            ".",
            "..",
            "./a",
            "a/.",
            "a/./b",
            "../a",
            "a/..",
            "a/../b",
            "a/../../etc/passwd",
            // 4.1: characters
            "a\\b",
            "..\\a",
            "C:",
            "C:/a",
            "file:///etc/passwd",
            "a:b",
            "a\u{0}",
            "a\u{0}.txt",
            "a\nb",
            "a\tb",
            "a\u{7f}",
            "a\u{85}b",
            // 4.2
            "%2e%2e/a",
            "%2E%2E/a",
            "%2e./a",
            "a%2fb",
            "a%2Fb",
            "..%2fa",
            "a%5cb",
            "a%5Cb",
            "a.%2etxt",
            // 4.3
            "\u{ff0e}\u{ff0e}/a",
            "\u{ff0e}./a",
            "a/\u{ff0e}",
            "\u{2024}\u{2024}/a",
            "\u{2025}/a",
            "a\u{ff0f}b",
            "a\u{ff3c}b",
            "a\u{fe68}b",
            "a/\u{2100}",
        ] {
            assert!(refused(path), "{path:?}");
        }
    }

    proptest! {
        /// What is taken has only plain names, however it is normalised.
        #[test]
        fn what_is_taken_never_climbs(path in "[a./\\\\:%2eEfF5cC\u{ff0e}\u{ff0f}\u{2024}\u{2025}é\u{0}]{0,12}") {
            if Reference.check_path(&path).is_ok() {
                let normal: String = path.nfkc().collect();
                for text in [path.as_str(), &normal] {
                    prop_assert!(!text.contains(['\\', '\0']));
                    prop_assert!(text.split('/').all(|name| !matches!(name, "" | "." | "..")));
                }
            }
        }

        #[test]
        fn any_text_is_survived(path in ".{0,64}") {
            let _ = Reference.check_path(&path);
        }
    }
}
