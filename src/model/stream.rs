//! A reply that comes as a stream of server-sent events: read bounded, joined, and never taken for whole before its end was seen
//! (`spec/model.md` 2.4).

use serde_json::Value;

use super::{LARGEST_ANSWER, LARGEST_STREAM, ModelFailure, ModelReply, Usage, answer};

/// An event of a stream; what the wires need of it stands in its data.
pub(super) struct Event {
    /// The lines of its data, joined.
    pub data: String,
}

impl Event {
    /// The data as JSON.
    pub fn json(&self) -> Result<Value, ModelFailure> {
        answer::json_in(self.data.as_bytes())
    }
}

/// A reply as far as it has come.
#[derive(Debug, Default)]
pub(super) struct SoFar {
    text: String,
    /// Why it ended, as far as that was said.
    pub finish_reason: Option<String>,
    /// Tokens, as far as they were told.
    pub usage: Option<Usage>,
    finished: bool,
    ended: bool,
}

impl SoFar {
    /// More of the text.
    pub fn add(&mut self, text: &str) -> Result<(), ModelFailure> {
        if self.text.len().saturating_add(text.len()) > LARGEST_ANSWER {
            return Err(too_large());
        }
        self.text.push_str(text);
        Ok(())
    }

    /// The reply is whole; a reason that was told before stays where this one tells none.
    pub fn finish(&mut self, reason: Option<String>) {
        self.finished = true;
        if reason.is_some() {
            self.finish_reason = reason;
        }
    }

    /// Nothing more comes that matters.
    pub fn end(&mut self) {
        self.ended = true;
    }
}

/// Takes an event of a wire.
type Take = fn(&mut SoFar, &Event) -> Result<(), ModelFailure>;

/// Reads a stream, in whatever pieces it comes.
pub struct StreamReader {
    take: Take,
    so_far: SoFar,
    /// The line that has not ended yet.
    line: Vec<u8>,
    /// The data of the event that has not ended yet.
    data: Option<String>,
    /// Whether the last byte was a carriage return, whose line feed belongs to it.
    returned: bool,
    lines: u64,
    bytes: usize,
}

impl StreamReader {
    pub(super) fn new(take: Take) -> Self {
        Self {
            take,
            so_far: SoFar::default(),
            line: Vec::new(),
            data: None,
            returned: false,
            lines: 0,
            bytes: 0,
        }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// More than [`LARGEST_STREAM`] bytes, an event that is not JSON, or one by which the model says that it failed.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), ModelFailure> {
        self.bytes = self.bytes.saturating_add(bytes.len());
        if self.bytes > LARGEST_STREAM {
            return Err(too_large());
        }
        let mut rest = bytes;
        while !self.is_done() && !rest.is_empty() {
            if std::mem::take(&mut self.returned) {
                rest = rest.strip_prefix(b"\n").unwrap_or(rest);
            }
            let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                self.line.extend_from_slice(rest);
                break;
            };
            let (line, after) = rest.split_at(end);
            self.line.extend_from_slice(line);
            self.returned = after.first() == Some(&b'\r');
            rest = after.get(1..).unwrap_or_default();
            self.line_ended()?;
        }
        Ok(())
    }

    /// Whether nothing more comes that matters, so that reading can end.
    pub fn is_done(&self) -> bool {
        self.so_far.ended
    }

    /// The reply, when the stream is over. Without the event that ends a reply it has broken off.
    ///
    /// # Errors
    /// The stream ended before the reply did.
    pub fn end(self) -> Result<ModelReply, ModelFailure> {
        if !self.so_far.finished {
            return Err(ModelFailure::new("the model broke off its answer"));
        }
        Ok(ModelReply {
            text: self.so_far.text,
            finish_reason: self.so_far.finish_reason,
            usage: self.so_far.usage,
        })
    }

    fn line_ended(&mut self) -> Result<(), ModelFailure> {
        let line = std::mem::take(&mut self.line);
        let line = match self.lines {
            0 => line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line),
            _ => &line,
        };
        self.lines = self.lines.saturating_add(1);
        if line.is_empty() {
            return match self.data.take().filter(|data| !data.trim().is_empty()) {
                Some(data) => (self.take)(&mut self.so_far, &Event { data }),
                None => Ok(()),
            };
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let (field, value) = line.split_at(colon.unwrap_or(line.len()));
        // Names of events are told in their data too; comments have an empty field.
        if field != b"data" {
            return Ok(());
        }
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        let text = String::from_utf8_lossy(value);
        match &mut self.data {
            Some(data) => {
                data.push('\n');
                data.push_str(&text);
            }
            None => self.data = Some(text.into_owned()),
        }
        Ok(())
    }
}

fn too_large() -> ModelFailure {
    ModelFailure::new("the model's answer is too large")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Wire;

    const WHOLE: &str = "\u{feff}: hello\r\nevent: x\r\nid: 7\r\ndata: {\"choices\":[{\"delta\":\r\ndata: {\"content\":\"a\u{e9}b\"}}]}\r\n\r\n\
        retry: 10\n\ndata\n\r\ndata:{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\r\rdata: [DONE]\n\n";

    #[test]
    fn a_stream_is_read_in_pieces_of_any_size() {
        for size in 1..WHOLE.len() {
            let mut reader = Wire::OpenAi.stream();
            for piece in WHOLE.as_bytes().chunks(size) {
                reader.push(piece).expect("a good stream");
            }
            assert!(reader.is_done(), "in pieces of {size}");
            let reply = reader.end().expect("a reply");
            assert_eq!(reply.text, "a\u{e9}b", "in pieces of {size}");
        }
    }

    #[test]
    fn a_stream_that_ends_anywhere_before_its_end_has_broken_off() {
        let finished = WHOLE.find("\r\rdata: [DONE]").expect("the end") + 2;
        for cut in 0..WHOLE.len() {
            let mut reader = Wire::OpenAi.stream();
            let pushed = reader.push(WHOLE.as_bytes().get(..cut).unwrap_or_default());
            let reply = pushed.and_then(|()| reader.end());
            assert_eq!(reply.is_ok(), cut >= finished, "cut at {cut}");
        }
    }

    #[test]
    fn endless_streams_end_here() {
        for wire in Wire::ALL {
            for piece in [
                ": waiting\n\n".to_owned(),
                "data: ".to_owned(),
                "x".repeat(1000),
                format!("data: {}\n", "[".repeat(4000)),
            ] {
                let mut reader = wire.stream();
                let mut pushed = 0;
                while reader.push(piece.as_bytes()).is_ok() {
                    pushed += piece.len();
                    assert!(pushed <= LARGEST_STREAM, "{wire}");
                }
            }
        }
        let mut reader = Wire::OpenAi.stream();
        let text = "x".repeat(64 * 1024);
        let event = format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n");
        let mut texts = 0;
        while reader.push(event.as_bytes()).is_ok() {
            texts += text.len();
            assert!(texts <= LARGEST_ANSWER);
        }
    }

    #[test]
    fn hostile_events_are_failures_and_never_a_panic() {
        for wire in Wire::ALL {
            for data in [
                "{",
                "nan",
                "\u{0}",
                "[[[[[[",
                "{\"choices\":[{\"delta\":",
                &"[".repeat(100_000),
            ] {
                let mut reader = wire.stream();
                let pushed = reader.push(format!("data: {data}\n\n").as_bytes());
                assert!(pushed.is_err(), "{wire}: {data:.20}");
            }
            // Odd types are no text, and no end either.
            for data in [
                "null",
                "7",
                "[]",
                "{\"type\":7,\"choices\":{\"0\":1},\"usage\":[]}",
                "{\"choices\":[null,{\"delta\":{\"content\":7},\"finish_reason\":{}}]}",
                "{\"type\":\"content_block_delta\",\"delta\":[]}",
                "{\"type\":\"content-delta\",\"delta\":\"x\"}",
            ] {
                let mut reader = wire.stream();
                reader
                    .push(format!("data: {data}\n\n").as_bytes())
                    .expect("an event that says nothing");
                assert!(reader.end().is_err(), "{wire}: {data}");
            }
            let mut reader = wire.stream();
            reader.push(b"data: \xff\xfe\n").expect("a line");
            assert!(reader.push(b"\n").is_err());
        }
    }
}
