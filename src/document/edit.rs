//! Changes to a text that leave alone what they do not touch: white space, comments, the order of members, the way numbers are written.
//!
//! An [`Edit`] says what becomes of the document; [`apply`] finds which bytes of the text that takes, and takes no result that does
//! not read back as what was asked for.

mod splice;
mod values;

#[cfg(test)]
mod tests;

use std::fmt;

use serde_json::Value;

use super::{Document, Limits};

pub use splice::Splice;

/// One change of a document. Pointers lead into the document as it is before any change of the same go.
#[derive(Debug, Clone, PartialEq)]
pub enum Edit {
    /// The value at a pointer becomes another.
    Replace {
        /// Where.
        pointer: String,
        /// By what.
        value: Value,
    },
    /// A member gets another name; its place among the members stays.
    Rename {
        /// The member.
        pointer: String,
        /// Its new name.
        name: String,
    },
    /// A member or an element goes.
    Remove {
        /// The member or element.
        pointer: String,
    },
    /// Of a member that is named several times, all go but the last, which is the one that counts.
    KeepLast {
        /// The member.
        pointer: String,
    },
    /// An object gets one more member, its last.
    Insert {
        /// The object.
        pointer: String,
        /// The member's name.
        name: String,
        /// Its value.
        value: Value,
    },
    /// The byte order mark before JSON goes.
    DropMark {
        /// The root.
        pointer: String,
    },
}

impl Edit {
    /// The pointer, to lead it elsewhere.
    pub fn pointer_mut(&mut self) -> &mut String {
        match self {
            Self::Replace { pointer, .. }
            | Self::Rename { pointer, .. }
            | Self::Remove { pointer }
            | Self::KeepLast { pointer }
            | Self::DropMark { pointer }
            | Self::Insert { pointer, .. } => pointer,
        }
    }

    /// The pointer.
    pub fn pointer(&self) -> &str {
        match self {
            Self::Replace { pointer, .. }
            | Self::Rename { pointer, .. }
            | Self::Remove { pointer }
            | Self::KeepLast { pointer }
            | Self::DropMark { pointer }
            | Self::Insert { pointer, .. } => pointer,
        }
    }
}

/// Why a text cannot be changed so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EditError {
    /// A pointer leads nowhere, or into what an alias repeats.
    NoPlace(String),
    /// Two edits want the same bytes; one of them can be done first, and the other after it.
    Overlap,
    /// The text would not say what was asked for; it is left as it is.
    Unfaithful,
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPlace(pointer) => {
                write!(
                    f,
                    "nothing that can be changed stands at '{pointer}'; change it by hand"
                )
            }
            Self::Overlap => {
                f.write_str("two changes want the same place; make one after the other")
            }
            Self::Unfaithful => f.write_str(
                "the text is written in a way that cannot be changed safely; change it by hand",
            ),
        }
    }
}

impl std::error::Error for EditError {}

/// The document after some edits, read anew.
///
/// # Errors
/// An [`EditError`]; the document itself is never half changed.
pub fn apply(document: &Document, edits: &[Edit], limits: &Limits) -> Result<Document, EditError> {
    let mut splices = Vec::new();
    for edit in edits {
        splices.extend(splice::splices(document, edit)?);
    }
    let text = splice::spliced(document.text(), splices).ok_or(EditError::Overlap)?;
    let wanted = values::edited(document.value(), edits)?;
    let changed = Document::read_within(text, document.format(), limits)
        .map_err(|_| EditError::Unfaithful)?;
    if changed.value() == &wanted {
        Ok(changed)
    } else {
        Err(EditError::Unfaithful)
    }
}

/// The bytes that one edit takes, for those who show changes instead of making them.
///
/// # Errors
/// [`EditError::NoPlace`].
pub fn splices(document: &Document, edit: &Edit) -> Result<Vec<Splice>, EditError> {
    splice::splices(document, edit)
}
