//! What the text of a path or a root may hold (`spec/storage.md`, sections 1 and 4).

use unicode_normalization::UnicodeNormalization as _;

/// Whether a text is names joined by single slashes: no segment is empty, `.` or `..` (4.1).
pub fn is_names(text: &str) -> bool {
    let mut segments = text.split('/');
    !segments.any(|segment| matches!(segment, "" | "." | ".."))
}

/// Whether a text has a character that means something to one system or another (4.1).
pub fn has_marks(text: &str) -> bool {
    text.chars()
        .any(|c| matches!(c, '\\' | ':') || c.is_control())
}

/// Whether some system would take a character of the text for a dot or a slash that it only looks like (4.3).
pub fn has_look_alikes(text: &str) -> bool {
    if text.is_ascii() {
        return false;
    }
    let normal: String = text.nfkc().collect();
    let count = |text: &str, mark| text.matches(mark).count();
    let dots = |text: &str| {
        let segments = text.split('/');
        segments
            .filter(|segment| matches!(*segment, "." | ".."))
            .count()
    };
    let more = ['/', '\\']
        .iter()
        .any(|mark| count(&normal, *mark) > count(text, *mark));
    more || dots(&normal) > dots(text)
}
