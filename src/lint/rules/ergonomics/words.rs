//! Names as words.

/// How the words of a name are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::lint::rules) enum Style {
    /// `book_room`
    Snake,
    /// `bookRoom`
    Camel,
    /// `BookRoom`
    Pascal,
    /// `book-room`
    Kebab,
    /// `BOOK_ROOM`
    Capitals,
}

impl Style {
    /// An example of it.
    pub(in crate::lint::rules) const fn example(self) -> &'static str {
        match self {
            Self::Snake => "snake_case",
            Self::Camel => "camelCase",
            Self::Pascal => "PascalCase",
            Self::Kebab => "kebab-case",
            Self::Capitals => "CAPITALS",
        }
    }
}

/// The words of a name in lower case: parted by what is no letter or digit, and where a capital follows a small letter.
pub(in crate::lint::rules) fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut small = false;
    for c in name.chars() {
        let parts = !c.is_alphanumeric();
        if (parts || (small && c.is_uppercase())) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if !parts {
            word.extend(c.to_lowercase());
        }
        small = c.is_lowercase() || c.is_ascii_digit();
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// How a name is written; none where it is a single word in small letters, or several ways at once.
pub(in crate::lint::rules) fn style(name: &str) -> Option<Style> {
    let has = |of: fn(char) -> bool| name.chars().any(of);
    let (under, dash) = (name.contains('_'), name.contains('-'));
    let (upper, lower) = (has(char::is_uppercase), has(char::is_lowercase));
    match (under, dash) {
        (true, false) if !upper => Some(Style::Snake),
        (true, false) if !lower => Some(Style::Capitals),
        (false, true) if !upper => Some(Style::Kebab),
        (false, false) if upper && lower => {
            let pascal = name.starts_with(char::is_uppercase);
            Some(if pascal { Style::Pascal } else { Style::Camel })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Style, style, words};

    #[test]
    fn names_have_words() {
        for name in [
            "book_meeting_room",
            "bookMeetingRoom",
            "BookMeeting-room",
            "BOOK_MEETING_ROOM",
        ] {
            assert_eq!(words(name), ["book", "meeting", "room"], "{name}");
        }
        assert_eq!(words("crm.v2:find"), ["crm", "v2", "find"]);
        assert!(words("__").is_empty());
    }

    #[test]
    fn names_have_a_style() {
        assert_eq!(style("book_room"), Some(Style::Snake));
        assert_eq!(style("bookRoom"), Some(Style::Camel));
        assert_eq!(style("BookRoom"), Some(Style::Pascal));
        assert_eq!(style("book-room"), Some(Style::Kebab));
        assert_eq!(style("BOOK_ROOM"), Some(Style::Capitals));
        for name in ["book", "", "Book_room", "a.b"] {
            assert_eq!(style(name), None, "{name}");
        }
    }
}
