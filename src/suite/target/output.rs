//! What a process wrote, bounded: the last of it is kept, and shown without secrets when something goes wrong.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use crate::suite::secrets::Secrets;
use crate::suite::signals::book::LogBook;

/// How much is kept of each stream, in bytes.
pub const MOST_KEPT: usize = 64 * 1024;

/// How much is read at a time.
const CHUNK: usize = 16 * 1024;

/// What is cut off beside the place where a longer text was cut, so that no half of a secret is left; longer than any secret.
const RAGGED: usize = 4 * 1024;

/// The end of what was written to a stream.
#[derive(Debug, Clone, Default)]
pub struct Tail {
    kept: Arc<Mutex<Kept>>,
    /// What gets everything too.
    copy: Option<LogBook>,
}

#[derive(Debug, Default)]
struct Kept {
    bytes: VecDeque<u8>,
    cut: bool,
    /// Streams that are being read into it.
    open: usize,
}

impl Tail {
    /// One whose bytes a book of log lines gets too.
    pub fn copied_to(copy: Option<LogBook>) -> Self {
        Self {
            copy,
            ..Self::default()
        }
    }

    /// Takes bytes in; what is too much at the front goes.
    pub fn push(&self, bytes: &[u8]) {
        if let Some(book) = &self.copy {
            book.push(bytes);
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes.extend(bytes);
        let over = kept.bytes.len().saturating_sub(MOST_KEPT);
        if over > 0 {
            kept.bytes.drain(..over);
            kept.cut = true;
        }
    }

    /// Reads a stream to its end, however much comes; [`Tail::opened`] was said before.
    pub fn drain(&self, mut stream: impl Read) {
        let mut chunk = vec![0; CHUNK];
        loop {
            match stream.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => self.push(chunk.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.open = kept.open.saturating_sub(1);
    }

    /// Says that a stream is about to be read into it.
    pub fn opened(&self) {
        self.kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .open += 1;
    }

    /// Whether all that was written to its streams is in it.
    pub fn is_whole(&self) -> bool {
        self.kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .open
            == 0
    }

    /// The text that is kept, without secrets.
    pub fn text(&self, secrets: &Secrets) -> String {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: Vec<u8> = kept.bytes.iter().copied().collect();
        let cut = kept.cut;
        drop(kept);
        // A secret that was cut in two is found no more: its second half must not show.
        let from = match bytes.iter().position(|byte| *byte == b'\n') {
            _ if !cut => 0,
            Some(line) if line < RAGGED => line + 1,
            _ => RAGGED.min(bytes.len()),
        };
        let text = String::from_utf8_lossy(bytes.get(from..).unwrap_or_default()).into_owned();
        let text: String = secrets
            .redact_text(&text)
            .chars()
            // What a terminal would obey is not for a report.
            .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
            .collect();
        text
    }

    /// Its last lines, at most `most`, each cut to a length that can be read.
    pub fn last_lines(&self, most: usize, secrets: &Secrets) -> Vec<String> {
        const LONGEST: usize = 300;
        let text = self.text(secrets);
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        let from = lines.len().saturating_sub(most);
        let cut = |line: &&str| match line.char_indices().nth(LONGEST) {
            Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
            None => (*line).to_owned(),
        };
        lines.iter().skip(from).map(cut).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "cal-tok+en/3f9a1c77==";

    fn secrets() -> Secrets {
        Secrets::new([("CALENDAR_TOKEN".to_owned(), SECRET.to_owned())])
    }

    #[test]
    fn the_end_is_kept_and_secrets_are_not_shown() {
        let tail = Tail::default();
        tail.drain(format!("a\n\u{1b}[31mtoken {SECRET}\nc\n").as_bytes());
        assert_eq!(tail.text(&secrets()), "a\n[31mtoken [REDACTED]\nc\n");
        assert_eq!(tail.last_lines(2, &secrets()).len(), 2);
        assert_eq!(
            Tail::default().last_lines(3, &secrets()),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_flood_is_bounded_and_no_half_of_a_secret_is_left() {
        for length in 0..SECRET.len() {
            let tail = Tail::default();
            let rest = MOST_KEPT - length;
            tail.push(format!("{SECRET}{}", "x".repeat(rest)).as_bytes());
            let text = tail.text(&secrets());
            assert!(text.len() <= MOST_KEPT && text.chars().all(|c| c == 'x'));
        }
        let tail = Tail::default();
        tail.drain(std::io::repeat(b'y').take(1 << 20));
        assert!(tail.text(&secrets()).len() <= MOST_KEPT);
        assert!(
            tail.last_lines(1, &secrets())
                .iter()
                .all(|line| line.len() < 400)
        );
    }
}
