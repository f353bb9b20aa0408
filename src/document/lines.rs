//! Bytes of a text as lines and columns, and back.

/// A place for people: both numbers count from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

/// Where the lines of a text begin. A line ends with `\n`; a `\r` before it belongs to the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines(Vec<usize>);

impl Lines {
    /// Looks through a text once.
    pub fn of(text: &str) -> Self {
        let mut starts = vec![0];
        starts.extend(text.match_indices('\n').map(|(at, _)| at + 1));
        Self(starts)
    }

    /// How many lines there are; an empty text has one.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The byte a line begins with; lines count from 1, and a line past the end begins where the last one does.
    pub fn start(&self, line: usize) -> usize {
        let index = line.saturating_sub(1).min(self.0.len() - 1);
        self.0.get(index).copied().unwrap_or(0)
    }

    /// Line and column of a byte; past the end it is the end's place.
    pub fn place(&self, text: &str, offset: usize) -> Place {
        let mut offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.0.partition_point(|start| *start <= offset).max(1);
        let before = text.get(self.start(line)..offset).unwrap_or_default();
        Place {
            line,
            column: before.chars().count() + 1,
        }
    }
}
