//! Inputs, contents and outputs of both actions (`spec/storage.md`, sections 2 and 3).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::runtime::error::{Code, ErrorObject};

/// Most bytes of a content type.
const LONGEST_TYPE: usize = 255;

/// How bytes stand in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As the text that they are.
    Utf8,
    /// In standard base64 with padding.
    Base64,
}

impl Encoding {
    /// The name in inputs and outputs.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Utf8 => "utf8",
            Encoding::Base64 => "base64",
        }
    }
}

/// What `read_file` is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadInput {
    /// Below the root; not yet checked.
    pub path: String,
    /// How the content is wanted.
    pub encoding: Encoding,
}

/// What `write_file` is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteInput {
    /// Below the root; not yet checked.
    pub path: String,
    /// What is to be stored, as it came.
    pub content: String,
    /// How `content` is to be read.
    pub encoding: Encoding,
    /// The media type that an object gets.
    pub content_type: Option<String>,
}

/// Reads the arguments of `read_file`; members beyond its own are left alone.
///
/// # Errors
/// `input_validation_failed`.
pub fn read_input(args: &Value) -> Result<ReadInput, ErrorObject> {
    Ok(ReadInput {
        path: required_text(args, "path")?,
        encoding: encoding(args)?,
    })
}

/// Reads the arguments of `write_file`; members beyond its own are left alone.
///
/// # Errors
/// `input_validation_failed`.
pub fn write_input(args: &Value) -> Result<WriteInput, ErrorObject> {
    let content_type = match args.get("content_type") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if is_media_type(text) => Some(text.clone()),
        Some(_) => {
            return Err(invalid(
                "write `content_type` as a media type, such as text/plain",
            ));
        }
    };
    Ok(WriteInput {
        path: required_text(args, "path")?,
        content: required_text(args, "content")?,
        encoding: encoding(args)?,
        content_type,
    })
}

fn required_text(args: &Value, name: &str) -> Result<String, ErrorObject> {
    let text = args.get(name).and_then(Value::as_str);
    text.map(str::to_owned)
        .ok_or_else(|| invalid(&format!("give `{name}` as a text")))
}

fn encoding(args: &Value) -> Result<Encoding, ErrorObject> {
    match args.get("encoding") {
        None | Some(Value::Null) => Ok(Encoding::Utf8),
        Some(Value::String(name)) if name == "utf8" => Ok(Encoding::Utf8),
        Some(Value::String(name)) if name == "base64" => Ok(Encoding::Base64),
        Some(_) => Err(invalid("write `encoding` as \"utf8\" or \"base64\"")),
    }
}

/// It becomes a header of a request, so it holds what headers can.
fn is_media_type(text: &str) -> bool {
    let printable = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    let parts = text.split_once('/');
    text.len() <= LONGEST_TYPE
        && text.bytes().all(printable)
        && text.trim() == text
        && parts.is_some_and(|(kind, rest)| !kind.is_empty() && !rest.is_empty())
}

fn invalid(message: &str) -> ErrorObject {
    ErrorObject::new(Code::InputValidationFailed, message)
}

/// The content of a file as the output has it (2.2, 2.4).
///
/// # Errors
/// `invalid_encoding` for bytes that are not UTF-8 when they are wanted so.
pub fn encode(bytes: Vec<u8>, encoding: Encoding) -> Result<String, ErrorObject> {
    match encoding {
        Encoding::Base64 => Ok(STANDARD.encode(&bytes)),
        Encoding::Utf8 => String::from_utf8(bytes).map_err(|_| {
            ErrorObject::new(
                Code::InvalidEncoding,
                "the file is not UTF-8; read it with the encoding \"base64\"",
            )
        }),
    }
}

/// The bytes that a content stands for (3.1, 3.4).
///
/// # Errors
/// `invalid_encoding` for a content that is not standard base64 with padding when it is said to be.
pub fn decode(content: String, encoding: Encoding) -> Result<Vec<u8>, ErrorObject> {
    match encoding {
        Encoding::Utf8 => Ok(content.into_bytes()),
        Encoding::Base64 => STANDARD.decode(content).map_err(|_| {
            ErrorObject::new(
                Code::InvalidEncoding,
                "the content is not base64 of the standard alphabet with padding, so nothing was written",
            )
        }),
    }
}

/// Refuses content that is larger than a file may be (3.4).
///
/// # Errors
/// `file_too_large`.
pub fn check_size(bytes: usize, limit: usize) -> Result<(), ErrorObject> {
    if bytes <= limit {
        return Ok(());
    }
    let message = format!(
        "the content has {bytes} bytes and a file may have {limit}, so nothing was written"
    );
    Err(ErrorObject::new(Code::FileTooLarge, message))
}

/// The output of `read_file` (2).
pub fn read_output(
    path: &str,
    content: String,
    encoding: Encoding,
    size: usize,
    etag: Option<String>,
) -> Value {
    let mut output =
        json!({"path": path, "content": content, "encoding": encoding.name(), "size": size});
    add_etag(&mut output, etag);
    output
}

/// The output of `write_file` (3).
pub fn write_output(path: &str, size: usize, created: bool, etag: Option<String>) -> Value {
    let mut output = json!({"path": path, "size": size, "created": created});
    add_etag(&mut output, etag);
    output
}

fn add_etag(output: &mut Value, etag: Option<String>) {
    if let Some(etag) = etag {
        output["etag"] = etag.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code<T>(outcome: Result<T, ErrorObject>) -> Option<Code> {
        outcome.err().map(|error| error.code)
    }

    #[test]
    fn inputs_have_their_shape() {
        let read = read_input(&json!({"path": "a", "more": 1})).expect("an input");
        assert_eq!((read.path.as_str(), read.encoding), ("a", Encoding::Utf8));
        let args = json!({"path": "a", "content": "", "encoding": "base64", "content_type": "text/plain; charset=utf-8"});
        let write = write_input(&args).expect("an input");
        assert_eq!(
            write.content_type.as_deref(),
            Some("text/plain; charset=utf-8")
        );
        for args in [
            json!({}),
            json!({"path": 1}),
            json!({"path": null}),
            json!({"path": "a", "encoding": "latin1"}),
            json!({"path": "a", "encoding": 1}),
            json!([]),
        ] {
            assert_eq!(
                code(read_input(&args)),
                Some(Code::InputValidationFailed),
                "{args}"
            );
        }
        for args in [
            json!({"path": "a"}),
            json!({"path": "a", "content": {}}),
            json!({"content": "x"}),
            json!({"path": "a", "content": "x", "content_type": "text/plain\r\nX: y"}),
            json!({"path": "a", "content": "x", "content_type": "plain"}),
            json!({"path": "a", "content": "x", "content_type": "/"}),
            json!({"path": "a", "content": "x", "content_type": 1}),
        ] {
            assert_eq!(
                code(write_input(&args)),
                Some(Code::InputValidationFailed),
                "{args}"
            );
        }
    }

    #[test]
    fn contents_come_back_as_they_went() {
        for bytes in [
            b"".as_slice(),
            b"text\0\r\n",
            b"\xff\x00\xfe",
            "\u{feff}é".as_bytes(),
        ] {
            let content = encode(bytes.to_vec(), Encoding::Base64).expect("base64");
            assert_eq!(decode(content, Encoding::Base64), Ok(bytes.to_vec()));
            match encode(bytes.to_vec(), Encoding::Utf8) {
                Ok(content) => assert_eq!(decode(content, Encoding::Utf8), Ok(bytes.to_vec())),
                Err(error) => assert_eq!((error.code, bytes[0]), (Code::InvalidEncoding, 0xff)),
            }
        }
        assert_eq!(
            encode(vec![0xfb, 0xff], Encoding::Base64),
            Ok("+/8=".to_owned())
        );
        for bad in ["+/8", "-_8=", "+/9=", "a b=", "YQ==\n", "%", "YQ=", "===="] {
            let decoded = decode(bad.to_owned(), Encoding::Base64);
            assert_eq!(code(decoded), Some(Code::InvalidEncoding), "{bad}");
        }
    }

    #[test]
    fn the_limit_itself_is_allowed() {
        assert_eq!(check_size(8, 8), Ok(()));
        assert_eq!(code(check_size(9, 8)), Some(Code::FileTooLarge));
    }
}
