//! The object store: S3 as far as single objects go, path style, one bucket, where the first segment of a key is the token.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::journal::Auth;
use crate::script::Seed;
use crate::wire::{Answer, Incoming};

/// The one bucket; its objects' keys begin with a token.
pub(crate) const BUCKET: &str = "notes-bucket";

/// Objects kept for one token.
const MAX_OBJECTS: usize = 1_000;

/// Bytes of objects kept for one token.
const MAX_BYTES: usize = 32 << 20;

/// The time of every object: nothing here depends on the clock.
const MODIFIED: &str = "Wed, 01 Apr 2026 09:00:00 GMT";

/// What signed requests begin with.
const SIGNED: &str = "AWS4-HMAC-SHA256 ";

/// One token's objects, by key without the token.
#[derive(Debug, Clone, Default)]
pub(crate) struct Objects {
    objects: BTreeMap<String, Object>,
}

#[derive(Debug, Clone)]
struct Object {
    bytes: Vec<u8>,
    content_type: Option<String>,
}

impl Object {
    fn etag(&self) -> String {
        let mut hasher = DefaultHasher::new();
        (&self.bytes, &self.content_type).hash(&mut hasher);
        format!("\"{:016x}{:016x}\"", hasher.finish(), self.bytes.len())
    }

    fn shown(&self) -> Value {
        let mut shown = json!({"size": self.bytes.len(), "content_type": self.content_type});
        match std::str::from_utf8(&self.bytes) {
            Ok(text) => shown["text"] = json!(text),
            Err(_) => shown["base64"] = json!(STANDARD.encode(&self.bytes)),
        }
        shown
    }
}

/// `seed` of the object store.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ObjectsSeed {
    #[serde(default)]
    objects: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeededObject {
    text: Option<String>,
    base64: Option<String>,
    repeat: Option<Repeated>,
    content_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Repeated {
    text: String,
    times: usize,
}

impl SeededObject {
    fn bytes(self) -> Result<Vec<u8>, String> {
        match (self.text, self.base64, self.repeat) {
            (Some(text), None, None) => Ok(text.into_bytes()),
            (None, Some(base64), None) => STANDARD
                .decode(base64)
                .map_err(|error| format!("`base64` cannot be decoded: {error}")),
            (None, None, Some(Repeated { text, times })) => {
                if text.len().saturating_mul(times) > MAX_BYTES {
                    return Err(format!("`repeat` makes more than {MAX_BYTES} bytes"));
                }
                Ok(text.repeat(times).into_bytes())
            }
            _ => Err("an object has exactly one of `text`, `base64` and `repeat`".to_owned()),
        }
    }
}

impl Seed for Objects {
    type Raw = ObjectsSeed;

    fn grow(raw: ObjectsSeed) -> Result<Self, (String, String)> {
        let mut grown = Objects::default();
        for (key, value) in raw.objects {
            let at = |message: String| (format!("/objects/{key}"), message);
            if !value.is_object() {
                return Err(at("an object is written as `{text: …}`".to_owned()));
            }
            let seeded: SeededObject =
                serde_json::from_value(value).map_err(|error| at(error.to_string()))?;
            let content_type = seeded.content_type.clone();
            let bytes = seeded.bytes().map_err(at)?;
            if grown.is_full(&key, bytes.len()) {
                return Err(at("this store holds no more".to_owned()));
            }
            let object = Object {
                bytes,
                content_type,
            };
            grown.objects.insert(key, object);
        }
        Ok(grown)
    }
}

/// The token and the key of a call on the bucket, from its path as sent; the token is not looked at further.
pub(crate) fn locate(path: &str) -> Option<(&str, &str)> {
    let key = path.strip_prefix('/')?.strip_prefix(BUCKET)?;
    let key = key.strip_prefix('/')?;
    Some(key.split_at(key.find('/').unwrap_or(key.len())))
}

/// Whether a call is signed, and by the key of this name. The signature itself is not checked.
pub(crate) fn auth(incoming: &Incoming, key_id: &str) -> Auth {
    let [value] = incoming.authorization.as_slice() else {
        return match incoming.authorization.len() {
            0 => Auth::Missing,
            _ => Auth::Wrong,
        };
    };
    let part = |name: &str| {
        let parts = value.strip_prefix(SIGNED)?.split(',').map(str::trim);
        parts.into_iter().find_map(|part| part.strip_prefix(name))
    };
    let is_owner = part("Credential=")
        .and_then(|scope| scope.split('/').next())
        .is_some_and(|found| found == key_id);
    if is_owner && part("Signature=").is_some_and(|signature| !signature.is_empty()) {
        Auth::Ok
    } else {
        Auth::Wrong
    }
}

/// An answer in the store's error form.
pub(crate) fn error(status: u16, code: &str, message: &str) -> Answer {
    let mut body = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>");
    let _ = write!(
        body,
        "<Code>{code}</Code><Message>{}</Message>",
        escaped(message)
    );
    body.push_str("</Error>");
    Answer::bytes(status, "application/xml", body.into_bytes())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

impl Objects {
    /// The answer to a call on one object; `None` when the store has no such endpoint.
    pub(crate) fn answer(&mut self, incoming: &Incoming) -> Option<Answer> {
        let key = percent_decode_str(incoming.path.strip_prefix('/')?)
            .decode_utf8()
            .ok()?
            .into_owned();
        if key.is_empty() || incoming.query.iter().any(|(name, _)| name != "x-id") {
            return None;
        }
        Some(match incoming.method.as_str() {
            "PUT" if !incoming.headers.contains_key("x-amz-copy-source") => self.put(key, incoming),
            "GET" | "HEAD" => self.get(&key, incoming),
            "DELETE" => {
                self.objects.remove(&key);
                Answer::empty(204)
            }
            _ => return None,
        })
    }

    /// `{objects}`, by key: `size`, `content_type`, and `text` or, for what is no text, `base64`.
    pub(crate) fn state(&self) -> Value {
        let objects: Map<String, Value> = self
            .objects
            .iter()
            .map(|(key, object)| (key.clone(), object.shown()))
            .collect();
        json!({"objects": objects})
    }

    fn is_full(&self, key: &str, size: usize) -> bool {
        let others = self.objects.iter().filter(|(other, _)| *other != key);
        let (count, bytes) = others.fold((0, 0), |(count, bytes), (_, object)| {
            (count + 1, bytes + object.bytes.len())
        });
        count >= MAX_OBJECTS || bytes + size > MAX_BYTES
    }

    fn put(&mut self, key: String, incoming: &Incoming) -> Answer {
        let Some(bytes) = content(incoming) else {
            return error(400, "IncompleteBody", "the chunks of the body do not fit");
        };
        let header = |name: &str| incoming.headers.get(name);
        let held = self.objects.get(&key);
        let unmet = header("if-none-match").is_some_and(|tags| fits(tags, held))
            || header("if-match").is_some_and(|tags| !fits(tags, held));
        if unmet {
            return error(412, "PreconditionFailed", "a precondition does not hold");
        }
        if self.is_full(&key, bytes.len()) {
            return error(507, "InsufficientStorage", "this store holds no more");
        }
        let object = Object {
            bytes,
            content_type: header("content-type").cloned(),
        };
        let etag = object.etag();
        self.objects.insert(key, object);
        Answer::empty(200).with_header("etag", &etag)
    }

    fn get(&self, key: &str, incoming: &Incoming) -> Answer {
        let Some(object) = self.objects.get(key) else {
            return error(404, "NoSuchKey", "the specified key does not exist");
        };
        let header = |name: &str| incoming.headers.get(name);
        if header("if-match").is_some_and(|tags| !fits(tags, Some(object))) {
            return error(412, "PreconditionFailed", "a precondition does not hold");
        }
        if header("if-none-match").is_some_and(|tags| fits(tags, Some(object))) {
            return Answer::empty(304).with_header("etag", &object.etag());
        }
        let content_type = object.content_type.as_deref();
        let content_type = content_type.unwrap_or("binary/octet-stream");
        let answer = match header("range").map(|range| span(range, object.bytes.len())) {
            None => Answer::bytes(200, content_type, object.bytes.clone()),
            Some(Some((from, to))) => {
                let part = object.bytes.get(from..to).unwrap_or_default().to_vec();
                let range = format!("bytes {from}-{}/{}", to - 1, object.bytes.len());
                Answer::bytes(206, content_type, part).with_header("content-range", &range)
            }
            Some(None) => return error(416, "InvalidRange", "the range is not within the object"),
        };
        answer
            .with_header("etag", &object.etag())
            .with_header("last-modified", MODIFIED)
            .with_header("accept-ranges", "bytes")
    }
}

/// Whether one of the tags of a precondition is the object's.
fn fits(tags: &str, object: Option<&Object>) -> bool {
    object.is_some_and(|object| {
        let own = object.etag();
        let own = own.trim_matches('"');
        tags.split(',')
            .map(|tag| tag.trim().trim_matches('"'))
            .any(|tag| tag == "*" || tag == own)
    })
}

/// The bytes `from..to` that a range asks for, where it is one range with something in it.
fn span(range: &str, size: usize) -> Option<(usize, usize)> {
    let (from, to) = range.trim().strip_prefix("bytes=")?.split_once('-')?;
    let (from, to) = match (from.is_empty(), to.is_empty()) {
        (true, _) => (size.saturating_sub(to.parse().ok()?), size),
        (false, true) => (from.parse().ok()?, size),
        (false, false) => (
            from.parse().ok()?,
            to.parse::<usize>().ok()?.checked_add(1)?,
        ),
    };
    let to = to.min(size);
    (from < to).then_some((from, to))
}

/// The object within a body: as it is, or taken out of the chunks in which some clients of the store sign it.
fn content(incoming: &Incoming) -> Option<Vec<u8>> {
    let is_chunked = incoming
        .headers
        .get("x-amz-content-sha256")
        .is_some_and(|hash| hash.starts_with("STREAMING-"));
    if !is_chunked {
        return Some(incoming.body.clone());
    }
    let mut rest = incoming.body.as_slice();
    let mut content = Vec::new();
    loop {
        let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        let (head, tail) = (rest.get(..end)?, rest.get(end + 2..)?);
        let size = head.split(|&byte| byte == b';').next()?;
        let size = usize::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()?;
        if size == 0 {
            // What follows are checksums.
            return Some(content);
        }
        content.extend_from_slice(tail.get(..size)?);
        rest = tail.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Incoming {
        Incoming {
            method: method.to_owned(),
            path: path.to_owned(),
            query: Vec::new(),
            headers: headers
                .iter()
                .map(|&(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            authorization: Vec::new(),
            body: body.to_vec(),
        }
    }

    fn status(objects: &mut Objects, incoming: &Incoming) -> u16 {
        objects.answer(incoming).map_or(0, |answer| answer.status)
    }

    #[test]
    fn the_token_is_the_first_segment_of_a_key() {
        assert_eq!(locate("/notes-bucket/oapt1/a/b"), Some(("oapt1", "/a/b")));
        assert_eq!(locate("/notes-bucket/oapt1"), Some(("oapt1", "")));
        assert_eq!(locate("/notes-bucket-2/oapt1/a"), None);
        assert_eq!(locate("/t/oapt1/a"), None);
    }

    #[test]
    fn objects_come_back_as_they_went_in() {
        let mut objects = Objects::default();
        let put = call("PUT", "/a%20b/c", &[("content-type", "text/x")], b"\xff");
        assert_eq!(status(&mut objects, &put), 200);
        let got = objects
            .answer(&call("GET", "/a%20b/c", &[], b""))
            .expect("an endpoint");
        assert_eq!((got.status, got.body.as_slice()), (200, &b"\xff"[..]));
        assert_eq!(got.content_type.as_deref(), Some("text/x"));
        assert_eq!(
            objects.state(),
            json!({"objects": {"a b/c": {"size": 1, "content_type": "text/x", "base64": "/w=="}}})
        );
        assert_eq!(
            status(&mut objects, &call("DELETE", "/a%20b/c", &[], b"")),
            204
        );
        assert_eq!(
            status(&mut objects, &call("HEAD", "/a%20b/c", &[], b"")),
            404
        );
        assert_eq!(status(&mut objects, &call("POST", "/a", &[], b"")), 0);
    }

    #[test]
    fn preconditions_hold_or_refuse() {
        let mut objects = Objects::default();
        let create = call("PUT", "/a", &[("if-none-match", "*")], b"one");
        assert_eq!(status(&mut objects, &create), 200);
        assert_eq!(status(&mut objects, &create), 412);
        let etag = objects.objects["a"].etag();
        let update = call("PUT", "/a", &[("if-match", &etag)], b"two");
        assert_eq!(status(&mut objects, &update), 200);
        assert_eq!(status(&mut objects, &update), 412);
        let absent = call("PUT", "/b", &[("if-match", "*")], b"");
        assert_eq!(status(&mut objects, &absent), 412);
    }

    #[test]
    fn ranges_are_parts() {
        assert_eq!(span("bytes=0-1", 5), Some((0, 2)));
        assert_eq!(span("bytes=3-", 5), Some((3, 5)));
        assert_eq!(span("bytes=-2", 5), Some((3, 5)));
        assert_eq!(span("bytes=2-99", 5), Some((2, 5)));
        assert_eq!(span("bytes=5-", 5), None);
        assert_eq!(span("bytes=0-18446744073709551615", 5), None);
        assert_eq!(span("lines=0-1", 5), None);
    }

    #[test]
    fn signed_chunks_are_joined() {
        let headers = [("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")];
        let body =
            b"3;chunk-signature=ab\r\nabc\r\n2\r\nde\r\n0\r\nx-amz-checksum-crc32:AA==\r\n\r\n";
        let chunked = call("PUT", "/a", &headers, body);
        assert_eq!(content(&chunked).as_deref(), Some(&b"abcde"[..]));
        assert_eq!(content(&call("PUT", "/a", &headers, b"9\r\nabc")), None);
        assert_eq!(
            content(&call("PUT", "/a", &headers, b"ffffffffffffffff\r\nabc")),
            None
        );
    }

    #[test]
    fn a_signature_has_an_owner() {
        let signed = |value: &str| {
            let mut incoming = call("GET", "/a", &[], b"");
            incoming.authorization = vec![value.to_owned()];
            auth(&incoming, "KEY")
        };
        let good = "AWS4-HMAC-SHA256 Credential=KEY/20260401/eu/s3/aws4_request, SignedHeaders=host, Signature=ab";
        assert_eq!(signed(good), Auth::Ok);
        assert_eq!(signed(&good.replace("KEY", "KEY2")), Auth::Wrong);
        assert_eq!(signed(&good.replace("=ab", "=")), Auth::Wrong);
        assert_eq!(signed("Bearer KEY"), Auth::Wrong);
        assert_eq!(auth(&call("GET", "/a", &[], b""), "KEY"), Auth::Missing);
    }
}
