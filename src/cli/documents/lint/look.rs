//! Files read and held against the rules, several at a time.

use std::collections::BTreeSet;
use std::io::{IsTerminal as _, Read as _};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::cli::failure::{Failure, read_bounded};
use crate::document::{Document, Format, Limits, Lines, ReadError, Span};
use crate::lint::config::Config;
use crate::lint::explain::unread;
use crate::lint::score::Score;
use crate::lint::toml_text::{self, TomlText};
use crate::lint::{
    DocumentKind, Finding, Judged, Preset, Selection, judge_with, named, secrets, secrets_in_text,
};

use super::draw::covered;
use super::files::{Source, ours, seems_ours};
use super::loaded;
use super::mend::{self, Mend};
use super::report::{FileReport, Fixed, Shown};

/// Files that are looked at before progress is told again.
const CHUNK: usize = 64;
/// From how many files on progress is told.
const MANY: usize = 200;
/// Stack of a thread that compiles schemas, in bytes.
const STACK: usize = 16 * 1024 * 1024;
/// Most findings of one call that are kept; the rest is only counted.
const MOST_KEPT: usize = 20_000;

/// What is asked of every file.
#[derive(Debug)]
pub(super) struct Ask {
    pub config: Config,
    pub selection: Selection,
    pub preset: Preset,
    /// Whether rules are named in place of a preset.
    pub chosen: bool,
    /// How many rules are asked.
    pub rules: usize,
    pub kind: Option<DocumentKind>,
    pub skip_unknown: bool,
    pub mend: Mend,
}

/// What came of one file.
#[derive(Debug)]
pub(super) struct Looked {
    pub report: FileReport,
    pub score: Score,
    /// Entries of the configuration that accepted a finding of it.
    pub used: BTreeSet<usize>,
    /// Why the mended text was not written, with the path.
    pub unwritten: Option<(String, String)>,
}

/// What came of all files.
#[derive(Debug, Default)]
pub(super) struct All {
    /// Of each document.
    pub looked: Vec<Looked>,
    /// Files about which nothing can be said.
    pub unreadable: Vec<Unreadable>,
    /// Files that look like no document of this protocol.
    pub unknown: Vec<String>,
}

/// A path, and why nothing can be said about it.
pub(super) type Unreadable = (String, String);

/// Looks at every file; the answers are in the files' order.
pub(super) fn all(files: &[Source], ask: &Ask) -> Result<All, Failure> {
    let tells = files.len() > MANY && std::io::stderr().is_terminal();
    let mut all = All::default();
    let mut kept = 0_usize;
    for (index, chunk) in files.chunks(CHUNK).enumerate() {
        if tells {
            super::complain(&format!("\r{} of {} files", index * CHUNK, files.len()));
        }
        for (file, answer) in chunk.iter().zip(together(chunk, ask)?) {
            match answer {
                Ok(Some(mut one)) => {
                    one.report.keep(MOST_KEPT.saturating_sub(kept));
                    kept += one.report.findings.len();
                    all.looked.push(one);
                }
                Ok(None) => all.unknown.push(file.name()),
                Err(why) => all.unreadable.push(why),
            }
        }
    }
    if tells {
        super::complain("\r\u{1b}[K");
    }
    Ok(all)
}

type Answer = Result<Option<Looked>, Unreadable>;

/// Looks at some files, as many at a time as there are processors.
fn together(files: &[Source], ask: &Ask) -> Result<Vec<Answer>, Failure> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(file) = files.get(index) else {
                return done;
            };
            done.push((index, look(file, ask)));
        }
    };
    let broke = |_| Failure::harness("a thread that looks at files broke off");
    let mut answers = std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for _ in 0..workers.min(files.len()) {
            let thread = std::thread::Builder::new()
                .stack_size(STACK)
                .spawn_scoped(scope, work);
            threads
                .push(thread.map_err(|error| {
                    Failure::harness(format!("cannot start a thread: {error}"))
                })?);
        }
        let mut answers = Vec::with_capacity(files.len());
        for thread in threads {
            answers.extend(thread.join().map_err(broke)?);
        }
        Ok::<_, Failure>(answers)
    })?;
    answers.sort_by_key(|(index, _)| *index);
    Ok(answers.into_iter().map(|(_, answer)| answer).collect())
}

/// Looks at one file; `None` when it is none of ours.
fn look(source: &Source, ask: &Ask) -> Answer {
    let name = source.name();
    let bytes = read(source).map_err(|why| (name.clone(), why))?;
    let picky = ask.skip_unknown || !(source.is_named() || source.is_ours_by_name());
    // What does not read could be anything, and may not pass for nothing; a large file is somebody else's data.
    let unread = |text: &str, error: &ReadError| {
        let is_strange = ask.skip_unknown || error.code == "too_large" && picky;
        (!is_strange || seems_ours(text))
            .then(|| broken(name.clone(), text, error))
            .transpose()
    };
    let text = match decoded(bytes) {
        Ok(text) => text,
        Err((text, error)) => return unread(&text, &error),
    };
    let is_toml = source.path().is_some_and(|path| {
        let ending = path.extension().and_then(|ending| ending.to_str());
        ending.is_some_and(|ending| ending.eq_ignore_ascii_case("toml"))
    });
    if is_toml {
        return match toml_text::read(&text) {
            Ok(read) => look_at_toml(name, &text, &read, picky, ask),
            Err(error) => unread(&text, &error),
        };
    }
    let format = match source.path() {
        Some(path) => Format::of(path),
        None => Format::guess(&text),
    };
    let document = match Document::read(text.as_str(), format) {
        Ok(document) => document,
        Err(error) => return unread(&text, &error),
    };
    let Some(kind) = kind_of(&document, picky, ask) else {
        return Ok(None);
    };
    let mended = ask
        .mend
        .safe
        .then(|| mend::mended(&document, kind, &name, ask));
    let mended = mended.filter(|mended| !mended.applied.is_empty());
    let mut unwritten = None;
    let mut diff = None;
    let mut applied = Vec::new();
    let mut left = &document;
    if let Some(mended) = &mended {
        applied = mended.applied.iter().map(Fixed::from).collect();
        if ask.mend.only_show {
            diff = Some(mend::difference(
                &name,
                document.text(),
                mended.document.text(),
            ));
        } else {
            let path = source.path().ok_or_else(|| (name.clone(), String::new()))?;
            match mend::write(path, document.text(), mended.document.text()) {
                Ok(()) => left = &mended.document,
                Err(why) => {
                    applied.clear();
                    unwritten = Some((name.clone(), why));
                }
            }
        }
    }
    let judged = judged(left, kind, &name, source.path().is_some(), ask);
    let findings = judged.findings.iter();
    let drawn = if judged.findings.is_empty() {
        String::new()
    } else {
        covered(left.text(), secrets(left).into_iter().map(|(_, span)| span))
    };
    let findings: Vec<Shown> = findings
        .map(|finding| Shown::new(finding, left.text(), &drawn, left.lines(), Some(left)))
        .collect();
    let score = Score::of(left.value(), &judged.findings).and_more(judged.left_out);
    Ok(Some(Looked {
        report: FileReport {
            path: name,
            kind: Some(kind.name()),
            score: score.number(),
            findings,
            left_out: judged.left_out,
            accepted: judged.ignored,
            fixed: applied,
            diff,
        },
        score,
        used: judged.used,
        unwritten,
    }))
}

/// Holds a document against the rules and against the loader of its kind; the name counts where it is that of a file.
fn judged(document: &Document, kind: DocumentKind, name: &str, is_file: bool, ask: &Ask) -> Judged {
    let file = Some(name).filter(|_| is_file);
    let told = loaded::told(document, kind, file, &ask.selection);
    judge_with(
        document,
        kind,
        &ask.selection,
        &ask.config,
        Some(name),
        Some(&told),
    )
}

fn kind_of(document: &Document, picky: bool, ask: &Ask) -> Option<DocumentKind> {
    match ask.kind {
        Some(kind) => Some(kind).filter(|_| !picky || ours(document.value()).is_some()),
        None if picky => ours(document.value()),
        None => Some(DocumentKind::guess(document.value())),
    }
}

fn read(source: &Source) -> Result<Vec<u8>, String> {
    let most = Limits::DOCUMENT.bytes as u64;
    match source.path() {
        Some(path) => read_bounded(path, most),
        None => {
            let mut bytes = Vec::new();
            std::io::stdin()
                .take(most + 1)
                .read_to_end(&mut bytes)
                .map(|_| bytes)
                .map_err(|error| error.to_string())
        }
    }
}

/// The bytes as text; of what is none, as much as can be shown, and what is wrong.
fn decoded(bytes: Vec<u8>) -> Result<String, (String, ReadError)> {
    let most = Limits::DOCUMENT.bytes;
    if bytes.len() > most {
        let text = String::from_utf8_lossy(bytes.get(..4096).unwrap_or_default()).into_owned();
        return Err((
            text,
            ReadError {
                code: "too_large",
                span: Span::default(),
                message: format!("it has more than {most} bytes, and no runtime takes more"),
            },
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        let at = error.utf8_error().valid_up_to();
        (text, ReadError::not_utf8(error.as_bytes(), at))
    })
}

/// A text that is no document, as its one finding.
fn broken(name: String, text: &str, error: &ReadError) -> Result<Looked, Unreadable> {
    let Some(finding) = unread(error) else {
        return Err((name, error.message.clone()));
    };
    let drawn = covered(text, secrets_in_text(text));
    let shown = Shown::new(&finding, text, &drawn, &Lines::of(text), None);
    let score = Score::unreadable();
    Ok(Looked {
        report: FileReport {
            path: name,
            kind: None,
            score: score.number(),
            findings: vec![shown],
            left_out: 0,
            accepted: 0,
            fixed: Vec::new(),
            diff: None,
        },
        score,
        used: BTreeSet::new(),
        unwritten: None,
    })
}

/// The definition of a target as people write it. It is judged as JSON, and the places are those of the text.
fn look_at_toml(name: String, text: &str, read: &TomlText<'_>, picky: bool, ask: &Ask) -> Answer {
    let document = &read.document;
    let Some(kind) = kind_of(document, picky, ask) else {
        return Ok(None);
    };
    let lines = Lines::of(text);
    let mut judged = judged(document, kind, &name, true, ask);
    let mut findings = Vec::with_capacity(judged.findings.len());
    let hidden = secrets(document).into_iter();
    let hidden = hidden.map(|(pointer, _)| read.span(&pointer));
    let drawn = covered(text, hidden.chain(secrets_in_text(text)));
    for finding in &mut judged.findings {
        finding.span = read.span(&finding.pointer);
        findings.push(Shown::new(finding, text, &drawn, &lines, None));
    }
    let score = Score::of(document.value(), &judged.findings).and_more(judged.left_out);
    Ok(Some(Looked {
        report: FileReport {
            path: name,
            kind: Some(kind.name()),
            score: score.number(),
            findings,
            left_out: judged.left_out,
            accepted: judged.ignored,
            fixed: Vec::new(),
            diff: None,
        },
        score,
        used: judged.used,
        unwritten: None,
    }))
}

/// Entries of the configuration that are about a file that was looked at, and accepted nothing. An entry about every file is only
/// judged when a `whole` folder was looked through.
pub(super) fn unused_entries(
    ask: &Ask,
    used: &BTreeSet<usize>,
    names: &[String],
    whole: bool,
) -> Vec<Finding> {
    let Some(rule) = named("unused_ignore").filter(|rule| ask.selection.has(rule)) else {
        return Vec::new();
    };
    let entries = ask.config.ignores.iter().enumerate();
    entries
        .filter(|(index, _)| !used.contains(index))
        .filter(|(_, entry)| named(&entry.rule).is_some_and(|rule| ask.selection.has(rule)))
        .filter(|(_, entry)| match &entry.file {
            None => whole,
            Some(_) => names.iter().any(|name| entry.is_about(Some(name))),
        })
        .map(|(_, entry)| Finding {
            rule,
            severity: ask.config.severity_of(rule),
            pointer: String::new(),
            span: entry.span,
            message: format!("'{}' finds nothing there; remove this ignore", entry.rule),
            change: None,
        })
        .collect()
}
