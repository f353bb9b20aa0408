//! The documents that a command is given, and what it found out about each.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde_json::{Map, Value, json};

use crate::cli::failure::{Failure, read_bounded};
use crate::cli::harness;
use crate::cli::output::show;
use crate::diagnostic::Violation;
use crate::document::{BYTE_ORDER_MARK, Document, Format, Limits, Place, ReadError};
use crate::suite::report::text::{cut, one_line};
use crate::suite::verdict::ExitCode;

/// Bounds of a document by the protocol, with no more values than 256 MiB of memory have room for in any work on them.
pub(super) const BOUNDS: Limits = Limits {
    values: 250_000,
    ..Limits::DOCUMENT
};

/// Most bytes of pointers and messages that are told of one document.
const MOST_TOLD: usize = 32 * 1024;

/// Longest pointer that is told.
const LONGEST_POINTER: usize = 4 * 1024;

/// How a command prints what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Shown {
    /// For people
    Text,
    /// For programs
    Json,
}

/// Where a document comes from: a file, or `-` for the standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source(PathBuf);

impl Source {
    /// Its name in messages.
    pub fn name(&self) -> String {
        if self.is_stdin() {
            "<stdin>".to_owned()
        } else {
            self.0.display().to_string()
        }
    }

    /// The file, where it is one.
    pub fn file(&self) -> Option<&Path> {
        (!self.is_stdin()).then_some(&self.0)
    }

    /// The folder it lies in; for the standard input the current one.
    pub fn folder(&self) -> PathBuf {
        match self.file().and_then(Path::parent) {
            Some(folder) if folder != Path::new("") => folder.to_owned(),
            _ => PathBuf::from("."),
        }
    }

    fn is_stdin(&self) -> bool {
        self.0 == Path::new("-")
    }

    /// Reads it within bounds, as what its name says; the standard input as what it looks like.
    pub fn read(&self, limits: &Limits) -> Result<Document, Unread> {
        let bytes = if self.is_stdin() {
            let mut bytes = Vec::new();
            std::io::stdin()
                .take(limits.bytes as u64 + 1)
                .read_to_end(&mut bytes)
                .map(|_| bytes)
                .map_err(|error| error.to_string())
        } else {
            read_bounded(&self.0, limits.bytes as u64)
        };
        let bytes = bytes.map_err(|error| Unread::new("unreadable_file", error))?;
        if bytes.len() > limits.bytes {
            let message = format!(
                "it has more than {} bytes, and no more are read",
                limits.bytes
            );
            return Err(Unread::new("too_large", message));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let error = ReadError::not_utf8(error.as_bytes(), at);
            Unread::new(error.code, error.message)
        })?;
        let format = match self.file() {
            Some(path) => Format::of(path),
            None => Format::guess(&text),
        };
        if format == Format::Json && text.starts_with(BYTE_ORDER_MARK) {
            let message = "a byte order mark stands before the text; save it without one";
            return Err(Unread::new("byte_order_mark", message));
        }
        if format == Format::Json && holds_more_values_than(&text, limits.values) {
            let message = format!(
                "it has more than {} values, and no more are read",
                limits.values
            );
            return Err(Unread::new("too_large", message));
        }
        Document::read_within(text.as_str(), format, limits).map_err(|error| Unread {
            rule: error.code.to_owned(),
            message: error.message,
            place: Some(crate::document::Lines::of(&text).place(&text, error.span.start)),
        })
    }
}

/// Whether a JSON text has more values than may be kept in memory; each takes some hundred times its least text there.
fn holds_more_values_than(text: &str, most: usize) -> bool {
    let (mut values, mut in_text, mut escaped) = (1_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b',' | b'[' | b'{' if !in_text => values += 1,
            _ => {}
        }
    }
    values > most
}

/// The sources that a command line names; the standard input can be read once.
pub(super) fn sources(paths: &[PathBuf]) -> Result<Vec<Source>, Failure> {
    let sources: Vec<Source> = paths.iter().cloned().map(Source).collect();
    if sources.iter().filter(|source| source.is_stdin()).count() > 1 {
        return Err(Failure::usage(
            "the standard input can be read once; give - once",
        ));
    }
    Ok(sources)
}

/// Why there is no document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unread {
    rule: String,
    message: String,
    place: Option<Place>,
}

impl Unread {
    fn new(rule: &str, message: impl Into<String>) -> Self {
        Self {
            rule: rule.to_owned(),
            message: message.into(),
            place: None,
        }
    }
}

/// A finding with its place in the text, where that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Placed {
    violation: Violation,
    place: Option<Place>,
}

/// What became of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Valid,
    Invalid,
    Unreadable,
}

impl Status {
    const fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::Unreadable => "unreadable",
        }
    }

    fn code(self) -> u8 {
        match self {
            Self::Valid => ExitCode::Conformant.number(),
            Self::Invalid => ExitCode::Violation.number(),
            Self::Unreadable => ExitCode::Usage.number(),
        }
    }
}

/// What a command found out about one document.
#[derive(Debug, Clone)]
pub(super) struct Judged {
    path: String,
    status: Status,
    violations: Vec<Placed>,
    warnings: Vec<Placed>,
    /// Facts for programs, under their names.
    facts: Map<String, Value>,
    /// One line for people, when there is nothing wrong.
    line: String,
}

impl Judged {
    /// A document with what is wrong with it; nothing: it is valid.
    pub fn new(source: &Source, document: &Document, violations: Vec<Violation>) -> Self {
        Self {
            path: source.name(),
            status: if violations.is_empty() {
                Status::Valid
            } else {
                Status::Invalid
            },
            violations: placed(document, violations),
            warnings: Vec::new(),
            facts: Map::new(),
            line: "valid".to_owned(),
        }
    }

    /// A document that could not be read.
    pub fn unread(source: &Source, unread: Unread) -> Self {
        Self {
            path: source.name(),
            status: Status::Unreadable,
            violations: vec![Placed {
                violation: Violation::new("", unread.rule, unread.message),
                place: unread.place,
            }],
            warnings: Vec::new(),
            facts: Map::new(),
            line: String::new(),
        }
    }

    /// The same with findings that refuse nothing.
    pub fn warned(mut self, document: &Document, warnings: &[Violation]) -> Self {
        self.warnings = placed(document, warnings.to_vec());
        self
    }

    /// The same with a fact for programs.
    pub fn with(mut self, name: &str, fact: impl Into<Value>) -> Self {
        self.facts.insert(name.to_owned(), fact.into());
        self
    }

    /// The same with another line for people.
    pub fn saying(mut self, line: impl Into<String>) -> Self {
        self.line = line.into();
        self
    }

    /// Whether nothing is wrong.
    pub fn is_valid(&self) -> bool {
        self.status == Status::Valid
    }

    /// The exit code for this document alone.
    pub fn code(&self) -> u8 {
        self.status.code()
    }

    /// What is wrong, for people: a line each.
    pub fn complaints(&self) -> String {
        let line = |placed: &Placed, kind: &str| {
            let place = match placed.place {
                Some(place) => format!(":{}:{}", place.line, place.column),
                None => String::new(),
            };
            let violation = &placed.violation;
            let at = match violation.pointer.as_str() {
                "" => String::new(),
                pointer => format!(" at {}", tame(pointer)),
            };
            let message = tame(&violation.message);
            format!(
                "{}{place}: {kind}: {message} [{}]{at}\n",
                one_line(&self.path),
                one_line(&violation.rule)
            )
        };
        let errors = self.violations.iter().map(|placed| line(placed, "error"));
        let warnings = self.warnings.iter().map(|placed| line(placed, "warning"));
        errors.chain(warnings).collect()
    }

    /// All of it, for people.
    pub fn text(&self) -> String {
        let mut text = self.complaints();
        if self.is_valid() {
            let (path, line) = (one_line(&self.path), one_line(&self.line));
            text.push_str(&format!("{path}: {line}\n"));
        }
        text
    }

    fn value(&self) -> Value {
        let mut members = Map::new();
        members.insert("path".to_owned(), Value::from(self.path.clone()));
        members.insert("status".to_owned(), Value::from(self.status.name()));
        members.extend(self.facts.clone());
        members.insert("violations".to_owned(), values(&self.violations));
        if !self.warnings.is_empty() {
            members.insert("warnings".to_owned(), values(&self.warnings));
        }
        Value::Object(members)
    }
}

/// Prints what was found and ends with the worst of it.
pub(super) fn tell(judged: &[Judged], shown: Shown) -> Result<u8, Failure> {
    match shown {
        Shown::Text => {
            let text: String = judged.iter().map(Judged::text).collect();
            show(&text);
        }
        Shown::Json => {
            let documents: Vec<Value> = judged.iter().map(Judged::value).collect();
            let text = harness::pretty(&json!({ "documents": documents }))?;
            show(&format!("{text}\n"));
        }
    }
    Ok(worst(judged))
}

/// The exit code for all of them: a document that cannot be read counts more than one that is wrong.
pub(super) fn worst(judged: &[Judged]) -> u8 {
    judged.iter().map(Judged::code).max().unwrap_or_default()
}

/// Members that are named twice, each told where it stands again.
pub(super) fn named_twice(document: &Document) -> Vec<Violation> {
    let mut told = BTreeSet::new();
    let twice = document.duplicates().iter();
    twice
        .filter(|twice| told.insert(twice.pointer.as_str()))
        .take(crate::manifest::MAX_VIOLATIONS)
        .map(|twice| {
            let first = document.place(twice.first.start);
            let message = format!(
                "name this member once; it stands in line {} too",
                first.line
            );
            Violation::new(twice.pointer.clone(), "duplicate_key", message)
        })
        .collect()
}

/// Findings with their places. What is told has an end, and a pointer that is too long to be read is left out.
fn placed(document: &Document, violations: Vec<Violation>) -> Vec<Placed> {
    let mut room = MOST_TOLD;
    let mut told: Vec<Placed> = Vec::new();
    let count = violations.len();
    for mut violation in violations {
        // A member that is named twice, or has a wrong name, is pointed at by its name.
        let span = match violation.rule.as_str() {
            "duplicate_key" | "mixed_spelling" | "unknown_member" | "additionalProperties" => {
                document.key_span(&violation.pointer)
            }
            _ => document.span(&violation.pointer),
        };
        let place = Some(document.place(span.start));
        if violation.pointer.len() > LONGEST_POINTER {
            violation.pointer = String::new();
        }
        let length = violation.pointer.len() + violation.message.len();
        let Some(left) = room.checked_sub(length) else {
            let message = format!(
                "{} more were left out; mend these first",
                count - told.len()
            );
            let violation = Violation::new("", "too_many_violations", message);
            told.push(Placed {
                violation,
                place: None,
            });
            break;
        };
        room = left;
        told.push(Placed { violation, place });
    }
    told
}

fn values(placed: &[Placed]) -> Value {
    let value = |placed: &Placed| {
        let violation = &placed.violation;
        let mut value = json!({
            "pointer": violation.pointer,
            "rule": violation.rule,
            "message": violation.message,
        });
        if let (Some(place), Some(members)) = (placed.place, value.as_object_mut()) {
            members.insert("line".to_owned(), place.line.into());
            members.insert("column".to_owned(), place.column.into());
        }
        value
    };
    placed.iter().map(value).collect()
}

/// A stranger's text that does nothing to a terminal or a pipeline, and is not too long to read.
fn tame(text: &str) -> String {
    const LONGEST: usize = 400;
    cut(one_line(text), LONGEST)
}
