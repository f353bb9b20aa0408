//! Mutants of sections 2 and 3: what is read and written, and how much of it.

use std::sync::Mutex;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

use crate::mutants::{Mutant, held};
use crate::runtime::Parts;
use crate::runtime::error::{Code, ErrorObject};
use crate::runtime::files::StorageParts;
use crate::runtime::files::content::{self, Encoding};
use crate::selftest::FILE_BYTES;

type Told<T> = Result<T, ErrorObject>;

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [
        reads(),
        encodings(),
        limits(),
        writes(),
        bad_contents(),
        sizes(),
        mixed(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A content as it would be read, changed where it is text.
fn changed(bytes: Vec<u8>, encoding: Encoding, change: impl Fn(String) -> String) -> Told<String> {
    let content = content::encode(bytes, encoding)?;
    Ok(match encoding {
        Encoding::Utf8 => change(content),
        Encoding::Base64 => content,
    })
}

fn reads() -> Vec<Mutant> {
    vec![
        swap_storage!(
            "line-ends-become-one",
            "STO-005",
            "reads every line end as a line feed",
            fn encode_content(&self, bytes: Vec<u8>, encoding: Encoding) -> Told<String> {
                changed(bytes, encoding, |text| {
                    text.replace("\r\n", "\n").replace('\r', "\n")
                })
            }
        ),
        swap_storage!(
            "content-is-trimmed",
            "STO-005",
            "reads a file without blanks around it",
            fn encode_content(&self, bytes: Vec<u8>, encoding: Encoding) -> Told<String> {
                changed(bytes, encoding, |text| text.trim().to_owned())
            }
        ),
        swap_storage!(
            "sizes-in-characters",
            "STO-005",
            "counts the letters of a file that is read, not its bytes",
            fn read_output(
                &self,
                path: &str,
                content: String,
                encoding: Encoding,
                _: usize,
                etag: Option<String>,
            ) -> Value {
                let size = content.chars().count();
                content::read_output(path, content, encoding, size, etag)
            }
        ),
        swap_storage!(
            "paths-come-back-short",
            "STO-005",
            "tells the name of a file in place of its path",
            fn read_output(
                &self,
                path: &str,
                content: String,
                encoding: Encoding,
                size: usize,
                etag: Option<String>,
            ) -> Value {
                let name = path.rsplit('/').next().unwrap_or_default();
                content::read_output(name, content, encoding, size, etag)
            }
        ),
        swap_storage!(
            "encodings-are-not-told",
            "STO-005",
            "does not say in which encoding a file was read",
            fn read_output(
                &self,
                path: &str,
                content: String,
                encoding: Encoding,
                size: usize,
                etag: Option<String>,
            ) -> Value {
                let mut output = content::read_output(path, content, encoding, size, etag);
                if let Some(members) = output.as_object_mut() {
                    members.remove("encoding");
                }
                output
            }
        ),
    ]
}

fn encodings() -> Vec<Mutant> {
    vec![
        swap_storage!(
            "base64-without-padding",
            "STO-006",
            "leaves the padding of base64 out",
            fn encode_content(&self, bytes: Vec<u8>, encoding: Encoding) -> Told<String> {
                match encoding {
                    Encoding::Base64 => Ok(STANDARD_NO_PAD.encode(bytes)),
                    Encoding::Utf8 => content::encode(bytes, encoding),
                }
            }
        ),
        swap_storage!(
            "base64-for-urls",
            "STO-006",
            "reads bytes in the URL alphabet of base64",
            fn encode_content(&self, bytes: Vec<u8>, encoding: Encoding) -> Told<String> {
                match encoding {
                    Encoding::Base64 => Ok(URL_SAFE.encode(bytes)),
                    Encoding::Utf8 => content::encode(bytes, encoding),
                }
            }
        ),
        swap_storage!(
            "bad-bytes-are-replaced",
            "STO-008",
            "puts a question mark where bytes are no UTF-8",
            fn encode_content(&self, bytes: Vec<u8>, encoding: Encoding) -> Told<String> {
                match encoding {
                    Encoding::Utf8 => Ok(String::from_utf8_lossy(&bytes).into_owned()),
                    Encoding::Base64 => content::encode(bytes, encoding),
                }
            }
        ),
        swap_storage!(
            "bad-bytes-are-latin",
            "STO-008",
            "reads what is no UTF-8 as Latin-1",
            fn encode_content(&self, bytes: Vec<u8>, encoding: Encoding) -> Told<String> {
                let latin = || bytes.iter().copied().map(char::from).collect();
                match encoding {
                    Encoding::Utf8 => {
                        Ok(String::from_utf8(bytes.clone()).unwrap_or_else(|_| latin()))
                    }
                    Encoding::Base64 => content::encode(bytes, encoding),
                }
            }
        ),
    ]
}

fn limits() -> Vec<Mutant> {
    vec![
        swap_storage!(
            "one-byte-too-strict",
            "STO-009",
            "takes a file of exactly the limit for too large",
            fn read_limit(&self, configured: usize) -> usize {
                configured - 1
            }
        ),
        swap_storage!(
            "reads-without-limit",
            "STO-009",
            "reads files of ten times the limit",
            fn read_limit(&self, configured: usize) -> usize {
                configured * 10
            }
        ),
        swap_storage!(
            "long-files-are-cut",
            "STO-009",
            "reads the beginning of a file that is too large",
            fn read_limit(&self, configured: usize) -> usize {
                configured * 10
            },
            fn encode_content(&self, mut bytes: Vec<u8>, encoding: Encoding) -> Told<String> {
                bytes.truncate(FILE_BYTES);
                content::encode(bytes, encoding)
            }
        ),
        swap_storage!(
            "reads-count-letters",
            "STO-009",
            "holds the letters of a file against the limit, not its bytes",
            fn read_limit(&self, configured: usize) -> usize {
                configured * 4
            },
            fn encode_content(&self, bytes: Vec<u8>, encoding: Encoding) -> Told<String> {
                let letters = String::from_utf8_lossy(&bytes).chars().count();
                if letters > FILE_BYTES {
                    let message = "the file has too many letters";
                    return Err(ErrorObject::new(Code::FileTooLarge, message));
                }
                content::encode(bytes, encoding)
            }
        ),
        swap_storage!(
            "writes-without-limit",
            "STO-013",
            "writes content of any size",
            fn check_size(&self, _: usize, _: usize) -> Told<()> {
                Ok(())
            }
        ),
        swap_storage!(
            "long-content-is-cut",
            "STO-013",
            "writes the beginning of content that is too large",
            fn decode_content(&self, content: String, encoding: Encoding) -> Told<Vec<u8>> {
                let mut bytes = content::decode(content, encoding)?;
                bytes.truncate(FILE_BYTES);
                Ok(bytes)
            }
        ),
        swap_storage!(
            "writes-count-letters",
            "STO-013",
            "holds the letters of a content against the limit, not the bytes that they stand for",
            fn decode_content(&self, content: String, encoding: Encoding) -> Told<Vec<u8>> {
                content::check_size(content.chars().count(), FILE_BYTES)?;
                content::decode(content, encoding)
            },
            fn check_size(&self, _: usize, _: usize) -> Told<()> {
                Ok(())
            }
        ),
    ]
}

fn writes() -> Vec<Mutant> {
    vec![
        swap_storage!(
            "content-gets-a-line-end",
            "STO-010",
            "ends what it writes with a line end",
            fn decode_content(&self, content: String, encoding: Encoding) -> Told<Vec<u8>> {
                let mut bytes = content::decode(content, encoding)?;
                bytes.push(b'\n');
                Ok(bytes)
            }
        ),
        swap_storage!(
            "content-is-written-trimmed",
            "STO-010",
            "writes content without blanks around it",
            fn decode_content(&self, content: String, encoding: Encoding) -> Told<Vec<u8>> {
                content::decode(content.trim().to_owned(), encoding)
            }
        ),
        swap_storage!(
            "base64-is-not-decoded",
            "STO-010",
            "writes the text of base64 in place of the bytes",
            fn decode_content(&self, content: String, encoding: Encoding) -> Told<Vec<u8>> {
                content::decode(content.clone(), encoding)?;
                Ok(content.into_bytes())
            }
        ),
    ]
}

/// Base64 that takes what others refuse.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

fn bad_contents() -> Vec<Mutant> {
    vec![
        swap_storage!(
            "bad-base64-is-text",
            "STO-013",
            "writes what is no base64 as it came",
            fn decode_content(&self, content: String, encoding: Encoding) -> Told<Vec<u8>> {
                let decoded = content::decode(content.clone(), encoding);
                Ok(decoded.unwrap_or_else(|_| content.into_bytes()))
            }
        ),
        swap_storage!(
            "base64-is-read-leniently",
            "STO-013",
            "takes base64 without padding, with blanks in it and in the URL alphabet",
            fn decode_content(&self, content: String, encoding: Encoding) -> Told<Vec<u8>> {
                let plain = content.replace('-', "+").replace('_', "/");
                let plain: String = plain.chars().filter(|c| !c.is_whitespace()).collect();
                match (encoding, LENIENT.decode(plain)) {
                    (Encoding::Base64, Ok(bytes)) => Ok(bytes),
                    _ => content::decode(content, encoding),
                }
            }
        ),
    ]
}

fn sizes() -> Vec<Mutant> {
    vec![
        swap_storage!(
            "always-created",
            "STO-011",
            "says of each write that the file is new",
            fn created(&self, _: bool) -> bool {
                true
            }
        ),
        swap_storage!(
            "never-created",
            "STO-011",
            "says of no write that the file is new",
            fn created(&self, _: bool) -> bool {
                false
            }
        ),
        swap_storage!(
            "sizes-of-blocks",
            "STO-011",
            "tells the size that a file takes on a disk",
            fn write_output(
                &self,
                path: &str,
                size: usize,
                created: bool,
                etag: Option<String>,
            ) -> Value {
                content::write_output(path, size.next_multiple_of(512), created, etag)
            }
        ),
    ]
}

fn mixed() -> Vec<Mutant> {
    vec![Mutant::part(
        "contents-get-mixed",
        "STO-012",
        "begins a file with what another write brought shortly before",
        Mixing(Mutex::default()),
    )]
}

/// Shorter contents are left alone, so that other cases do not come in between.
const LEAST_MIXED: usize = 10_000;

/// Begins what is written with the first half of the write before.
#[derive(Default)]
struct Mixing(Mutex<Vec<u8>>);

impl StorageParts for Mixing {
    fn decode_content(&self, content: String, encoding: Encoding) -> Told<Vec<u8>> {
        let mut bytes = content::decode(content, encoding)?;
        if bytes.len() < LEAST_MIXED {
            return Ok(bytes);
        }
        let before = std::mem::replace(&mut *held(&self.0), bytes.clone());
        let half = bytes.len().min(before.len()) / 2;
        for (byte, old) in bytes.iter_mut().zip(before).take(half) {
            *byte = old;
        }
        Ok(bytes)
    }
}

impl Parts for Mixing {
    fn storage(&self) -> &dyn StorageParts {
        self
    }
}
