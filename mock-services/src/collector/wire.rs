//! Spans as protobuf has them: as much of the encoding as `ExportTraceServiceRequest` needs, by field numbers of OTLP 1.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::Span;
use super::otlp::{MOST, Parts};

/// The body could not be read as protobuf.
const BROKEN: &str = "the body is no protobuf message";

/// What a field holds.
enum Field<'b> {
    Number(u64),
    Bytes(&'b [u8]),
}

/// The fields of one message, in order.
struct Fields<'b>(&'b [u8]);

impl<'b> Fields<'b> {
    fn next(&mut self) -> Result<Option<(u64, Field<'b>)>, String> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let field = match tag & 7 {
            0 => Field::Number(self.varint()?),
            1 => Field::Number(self.fixed(8)?),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| BROKEN)?;
                Field::Bytes(self.bytes(length)?)
            }
            5 => Field::Number(self.fixed(4)?),
            _ => return Err(BROKEN.to_owned()),
        };
        Ok(Some((tag >> 3, field)))
    }

    fn varint(&mut self) -> Result<u64, String> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes(1)?.first().ok_or(BROKEN)?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(BROKEN.to_owned())
    }

    fn fixed(&mut self, bytes: usize) -> Result<u64, String> {
        let bytes = self.bytes(bytes)?;
        Ok(bytes
            .iter()
            .rev()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn bytes(&mut self, length: usize) -> Result<&'b [u8], String> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(BROKEN)?;
        self.0 = rest;
        Ok(taken)
    }
}

/// The spans of an `ExportTraceServiceRequest`.
pub(super) fn from_protobuf(body: &[u8]) -> Result<Vec<Span>, String> {
    let mut spans = Vec::new();
    for resource in messages(body, 1)? {
        // The resource itself may hold texts that are none of the spans'.
        let around: String = messages(resource, 1)?
            .into_iter()
            .map(String::from_utf8_lossy)
            .collect();
        for scope in messages(resource, 2)? {
            for span in messages(scope, 2)? {
                if spans.len() == MOST {
                    return Err(format!("more than {MOST} spans in one request"));
                }
                let text = format!("{around}\n{}", String::from_utf8_lossy(span));
                spans.push(one(span)?.shown(text));
            }
        }
    }
    Ok(spans)
}

/// The messages in a field.
fn messages(message: &[u8], number: u64) -> Result<Vec<&[u8]>, String> {
    let mut found = Vec::new();
    let mut fields = Fields(message);
    while let Some((field, value)) = fields.next()? {
        if let (true, Field::Bytes(bytes)) = (field == number, value) {
            found.push(bytes);
        }
    }
    Ok(found)
}

fn one(span: &[u8]) -> Result<Parts, String> {
    let mut parts = Parts::default();
    let mut fields = Fields(span);
    while let Some((field, value)) = fields.next()? {
        match (field, value) {
            (1, Field::Bytes(id)) => parts.trace_id = id_of(id, 16)?,
            (2, Field::Bytes(id)) => parts.span_id = id_of(id, 8)?,
            (4, Field::Bytes(id)) if !id.is_empty() => parts.parent = id_of(id, 8)?,
            (5, Field::Bytes(name)) => parts.name = text(name),
            (6, Field::Number(kind)) => parts.kind = kind,
            (7, Field::Number(start)) => parts.start = start,
            (8, Field::Number(end)) => parts.end = end,
            (9, Field::Bytes(pair)) => parts.attributes.extend(attribute(pair)?),
            (15, Field::Bytes(status)) => {
                let mut fields = Fields(status);
                while let Some((field, value)) = fields.next()? {
                    match (field, value) {
                        (2, Field::Bytes(message)) => parts.message = text(message),
                        (3, Field::Number(code)) => parts.status = code,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    if parts.trace_id.is_empty() || parts.span_id.is_empty() {
        return Err("a span has no ids".to_owned());
    }
    Ok(parts)
}

fn attribute(pair: &[u8]) -> Result<Map<String, Value>, String> {
    let key = messages(pair, 1)?.first().copied().map(text);
    let mut found = Value::Null;
    for value in messages(pair, 2)? {
        let mut fields = Fields(value);
        while let Some((field, value)) = fields.next()? {
            found = match (field, value) {
                (1, Field::Bytes(bytes)) => Value::from(text(bytes)),
                (2, Field::Number(number)) => Value::from(number != 0),
                (3, Field::Number(number)) => Value::from(number.cast_signed()),
                (4, Field::Number(bits)) => Value::from(f64::from_bits(bits)),
                // Lists and maps are shown by their texts only.
                (_, Field::Bytes(bytes)) => Value::from(text(bytes)),
                _ => continue,
            };
        }
    }
    Ok(key.map(|key| (key, found)).into_iter().collect())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn id_of(bytes: &[u8], length: usize) -> Result<String, String> {
    if bytes.len() != length {
        return Err(format!("an id has not {length} bytes"));
    }
    let mut id = String::with_capacity(2 * length);
    for byte in bytes {
        // Writing to a text never fails.
        let _ = write!(id, "{byte:02x}");
    }
    Ok(id)
}
