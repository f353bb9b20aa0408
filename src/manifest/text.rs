//! Text with `${VAR}` references, as `endpoint`, `auth` and header values may hold.
//!
//! Everywhere else in a manifest `${VAR}` is literal text and never reaches this module.

/// A text parsed into literal pieces and references.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    source: String,
    pieces: Vec<Piece>,
}

/// One piece of a [`Text`]; literals are never empty and never stand side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Characters that stand for themselves.
    Literal(String),
    /// The name between `${` and `}`.
    Variable(String),
}

impl Text {
    /// Parses `source`. A `$` that no `{` follows is literal; there is no escape for `${`.
    ///
    /// # Errors
    /// A sentence that says what is wrong: `${` without `}`, or a name that is not
    /// `[A-Za-z_][A-Za-z0-9_]*`.
    pub fn parse(source: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = source;
        while let Some(open) = rest.find("${") {
            let (literal, reference) = (&rest[..open], &rest[open + 2..]);
            let Some(close) = reference.find('}') else {
                return Err("close `${` with `}`".to_owned());
            };
            let name = &reference[..close];
            if !is_name(name) {
                return Err(format!(
                    "name a variable between `${{` and `}}` by letters, digits and `_`, not beginning with a digit: {name:?}"
                ));
            }
            if !literal.is_empty() {
                pieces.push(Piece::Literal(literal.to_owned()));
            }
            pieces.push(Piece::Variable(name.to_owned()));
            rest = &reference[close + 1..];
        }
        if !rest.is_empty() {
            pieces.push(Piece::Literal(rest.to_owned()));
        }
        Ok(Self {
            source: source.to_owned(),
            pieces,
        })
    }

    /// The text as the manifest writes it; safe to show, since it has names and no values.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The pieces in order.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The names referred to, in order, repeated as often as they stand there.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Variable(name) => Some(name.as_str()),
            Piece::Literal(_) => None,
        })
    }

    /// The text with every reference replaced by `placeholder`, for checks that need no values.
    pub fn with_placeholder(&self, placeholder: &str) -> String {
        self.pieces
            .iter()
            .map(|piece| match piece {
                Piece::Literal(text) => text.as_str(),
                Piece::Variable(_) => placeholder,
            })
            .collect()
    }
}

fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    let begins = bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_');
    begins && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::{Piece, Text};
    use proptest::prelude::*;

    fn literal(text: &str) -> Piece {
        Piece::Literal(text.to_owned())
    }

    fn variable(name: &str) -> Piece {
        Piece::Variable(name.to_owned())
    }

    #[test]
    fn finds_references_between_literals() {
        let text = Text::parse("Bearer ${A_1}:${_b}!").expect("parses");
        assert_eq!(
            text.pieces(),
            [
                literal("Bearer "),
                variable("A_1"),
                literal(":"),
                variable("_b"),
                literal("!")
            ]
        );
        assert_eq!(text.variables().collect::<Vec<_>>(), ["A_1", "_b"]);
        assert_eq!(text.with_placeholder("x"), "Bearer x:x!");
    }

    #[test]
    fn leaves_a_lone_dollar_alone() {
        for plain in ["", "$", "a$b", "$A", "$$", "}", "{A}", "$ {A}"] {
            let text = Text::parse(plain).expect("parses");
            assert_eq!(text.variables().count(), 0, "{plain}");
            assert_eq!(text.with_placeholder("x"), plain);
        }
        assert_eq!(
            Text::parse("$${A}").expect("parses").pieces(),
            [literal("$"), variable("A")]
        );
    }

    #[test]
    fn refuses_what_is_no_reference() {
        for wrong in [
            "${", "${A", "a ${A b", "${}", "${1A}", "${A-B}", "${A B}", "${${A}}", "${Ä}",
            "${A:-x}",
        ] {
            assert!(Text::parse(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn pieces_spell_the_source(source in "[a${}_ ]{0,24}") {
            if let Ok(text) = Text::parse(&source) {
                let spelled: String = text.pieces().iter().map(|piece| match piece {
                    Piece::Literal(text) => text.clone(),
                    Piece::Variable(name) => format!("${{{name}}}"),
                }).collect();
                prop_assert_eq!(spelled, source);
            }
        }
    }
}
