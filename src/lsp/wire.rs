//! Messages of the Language Server Protocol on a byte stream: a header with the length, and JSON.

use std::io::{self, BufRead, Read, Write};

use serde_json::Value;

/// Longest message, in bytes; a document may be eight times as long in JSON escapes.
pub const MOST_BYTES: usize = 16 << 20;
/// Longest line of a header.
const MOST_HEADER_BYTES: u64 = 1024;
/// Most lines of a header.
const MOST_HEADER_LINES: usize = 16;

/// Reads one message; `None` at the end of the stream.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] when a message is not JSON; the next one can be read. [`io::ErrorKind::InvalidData`] when what comes
/// is no message; the stream cannot be understood any more. Else what reading fails with.
pub fn read(input: &mut impl BufRead) -> io::Result<Option<Value>> {
    let mut length = None;
    for line in 0.. {
        if line == MOST_HEADER_LINES {
            return Err(invalid("the header has too many lines"));
        }
        let mut header = Vec::new();
        input
            .by_ref()
            .take(MOST_HEADER_BYTES)
            .read_until(b'\n', &mut header)?;
        if header.is_empty() && line == 0 {
            return Ok(None);
        }
        if !header.ends_with(b"\n") {
            return Err(invalid("a line of the header does not end"));
        }
        let header = String::from_utf8_lossy(&header);
        let header = header.trim();
        if header.is_empty() {
            break;
        }
        if let Some((name, value)) = header.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            let value = value.trim().parse::<usize>();
            length = Some(value.map_err(|_| invalid("the content's length is no number"))?);
        }
    }
    let length = length.ok_or_else(|| invalid("the header does not tell the content's length"))?;
    if length > MOST_BYTES {
        return Err(invalid("the message is too long"));
    }
    let mut content = Vec::new();
    input.take(length as u64).read_to_end(&mut content)?;
    if content.len() < length {
        return Err(invalid("the message ends before its length"));
    }
    // Depth is bounded by the reader itself.
    serde_json::from_slice(&content).map(Some).map_err(|error| {
        let place = (error.line(), error.column());
        let why = format!(
            "the message is not JSON (line {}, column {})",
            place.0, place.1
        );
        io::Error::new(io::ErrorKind::InvalidInput, why)
    })
}

/// Writes one message.
///
/// # Errors
/// What writing fails with.
pub fn write(output: &mut impl Write, message: &Value) -> io::Result<()> {
    let content = message.to_string();
    write!(output, "Content-Length: {}\r\n\r\n{content}", content.len())?;
    output.flush()
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn framed(text: &str) -> io::Result<Option<Value>> {
        read(&mut text.as_bytes())
    }

    #[test]
    fn what_is_written_is_read() {
        let mut bytes = Vec::new();
        write(&mut bytes, &json!({"a": "ä"})).expect("written");
        write(&mut bytes, &json!(2)).expect("written");
        let mut input = bytes.as_slice();
        assert_eq!(read(&mut input).expect("read"), Some(json!({"a": "ä"})));
        assert_eq!(read(&mut input).expect("read"), Some(json!(2)));
        assert_eq!(read(&mut input).expect("read"), None);
    }

    #[test]
    fn headers_may_have_other_lines() {
        let text = "content-type: x\r\nCONTENT-LENGTH: 2\r\n\r\n{}";
        assert_eq!(framed(text).expect("read"), Some(json!({})));
    }

    #[test]
    fn what_is_no_message_is_refused_without_waiting_for_it() {
        let long = format!("{}\r\n\r\n", "x".repeat(5000));
        let many = "a: b\r\n".repeat(20);
        let texts = [
            "Content-Length: 99999999999999\r\n\r\n",
            "Content-Length: -1\r\n\r\n{}",
            "Content-Length: 10\r\n\r\n{}",
            "Other: 3\r\n\r\n{}",
            "Content-Length: 2",
            &long,
            &many,
        ];
        for text in texts {
            let error = framed(text).expect_err(text);
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{text}");
        }
        // Where the next message begins is known.
        let mut input = "Content-Length: 3\r\n\r\n{]}Content-Length: 2\r\n\r\n{}".as_bytes();
        let error = read(&mut input).expect_err("no JSON");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert_eq!(read(&mut input).expect("read"), Some(json!({})));
        let deep = "[".repeat(10_000);
        let text = format!("Content-Length: {}\r\n\r\n{deep}", deep.len());
        assert!(framed(&text).is_err());
    }
}
