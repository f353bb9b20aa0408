//! The log lines of a target, bounded: from a stream of its process, or from the file that it writes.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most bytes of a line; the rest of a longer one is left out.
const MOST_LINE: usize = 64 * 1024;

/// Most bytes of the lines that are kept; the oldest go first.
const MOST_BYTES: usize = 32 << 20;

/// Most bytes that are read of a file at a time.
const CHUNK: u64 = 4 << 20;

/// The lines; copies share them.
#[derive(Debug, Clone, Default)]
pub struct LogBook(Arc<Mutex<Book>>);

#[derive(Debug, Default)]
struct Book {
    lines: VecDeque<String>,
    bytes: usize,
    /// How many lines went at the front.
    gone: u64,
    /// What came of a line that has not ended yet.
    part: Vec<u8>,
    /// The file, and how far it was read.
    file: Option<(PathBuf, u64)>,
}

impl LogBook {
    /// The lines that a target will write to this file, which need not be there yet.
    pub fn of_file(path: PathBuf) -> Self {
        let end = std::fs::metadata(&path).map_or(0, |file| file.len());
        let book = Book {
            file: Some((path, end)),
            ..Book::default()
        };
        Self(Arc::new(Mutex::new(book)))
    }

    /// Takes in what came on a stream.
    pub fn push(&self, bytes: &[u8]) {
        self.book().push(bytes);
    }

    /// How many lines there were so far.
    pub fn end(&self) -> u64 {
        let mut book = self.book();
        book.refresh();
        book.gone.saturating_add(book.lines.len() as u64)
    }

    /// The lines after the first `from` that hold one of these texts, at most `most`.
    pub fn lines(&self, from: u64, marks: &[String], most: usize) -> Vec<String> {
        let mut book = self.book();
        book.refresh();
        let skipped = usize::try_from(from.saturating_sub(book.gone)).unwrap_or(usize::MAX);
        book.lines
            .iter()
            .skip(skipped)
            .filter(|line| marks.iter().any(|mark| line.contains(mark.as_str())))
            .take(most)
            .cloned()
            .collect()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn push(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = MOST_LINE.saturating_sub(self.part.len());
            let text = piece.strip_suffix(b"\n").unwrap_or(piece);
            self.part.extend(text.iter().take(room));
            if piece.ends_with(b"\n") {
                let line = String::from_utf8_lossy(&self.part).into_owned();
                self.part.clear();
                self.bytes = self.bytes.saturating_add(line.len());
                self.lines.push_back(line);
            }
        }
        while self.bytes > MOST_BYTES {
            let Some(line) = self.lines.pop_front() else {
                break;
            };
            self.bytes = self.bytes.saturating_sub(line.len());
            self.gone += 1;
        }
    }

    /// Reads what was added to the file; one that is not there yet has nothing.
    fn refresh(&mut self) {
        let Some((path, read)) = self.file.clone() else {
            return;
        };
        let Ok(mut file) = File::open(&path) else {
            return;
        };
        let mut bytes = Vec::new();
        let whole = file
            .seek(SeekFrom::Start(read))
            .and_then(|_| file.take(CHUNK).read_to_end(&mut bytes));
        if whole.is_ok() {
            let read = read.saturating_add(bytes.len() as u64);
            self.push(&bytes);
            self.file = Some((path, read));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_one_case_are_told_apart_and_bounded() {
        let book = LogBook::default();
        book.push(b"{\"a\":1}\nmine s1\npart");
        assert_eq!(book.end(), 2);
        book.push(b" of mine s1\nother\n");
        let marks = ["s1".to_owned()];
        assert_eq!(book.lines(0, &marks, 9), ["mine s1", "part of mine s1"]);
        assert_eq!(book.lines(2, &marks, 9), ["part of mine s1"]);
        let flood = [vec![b'x'; 2 * MOST_LINE], b"\n".to_vec()].concat();
        for _ in 0..600 {
            book.push(&flood);
        }
        assert!(book.book().bytes <= MOST_BYTES);
        assert!(book.lines(0, &marks, 9).is_empty());
    }

    #[test]
    fn a_file_is_read_from_where_it_ended() {
        let folder = crate::suite::files::Temporary::new().expect("a folder");
        let path = std::path::Path::new(folder.files().path()).join("log");
        std::fs::write(&path, "old s1\n").expect("writes");
        let book = LogBook::of_file(path.clone());
        let marks = ["s1".to_owned()];
        assert!(book.lines(0, &marks, 9).is_empty());
        std::fs::write(&path, "old s1\nnew s1\n").expect("writes");
        assert_eq!(book.lines(0, &marks, 9), ["new s1"]);
    }
}
