//! `oap-conform fmt`: documents in good order, saying the same as before.

use std::path::PathBuf;

use clap::Args;

use super::given::{BOUNDS, Judged, Shown, Source, named_twice, sources, tell, worst};
use super::written;
use crate::cli::failure::Failure;
use crate::cli::output::show;
use crate::diagnostic::Violation;
use crate::document::{Document, Limits, format};
use crate::json;
use crate::manifest::layout;

const AFTER_HELP: &str = "\
Exit codes: 0 done, or all are in good order; 1 with --check one is not, or one cannot be put in order; 2 one cannot be read.

JSON is written anew: members of manifests and nodes in the order of the specification and unknown ones behind them, two \
spaces a level, arrays and objects on one line where that has at most 100 characters. Inside schemas, inputs and headers the \
author's order stays. Numbers, names and texts stay as they are written. \
YAML keeps its lines, their order and its comments: members are not put into another order there; only white space at line \
ends, repeated empty lines and Windows line ends go. \
What the document says is compared before anything is written; a document that would change is refused. With --write a link \
to a file of the same folder stays one; a link that leads out of its folder is refused.

The answer of --format json is described by spec/schemas/documents.json.

Examples:
  oap-conform fmt meetbot.json
  oap-conform fmt --write manifests/*.json
  oap-conform fmt --check manifests/*.json";

/// Options of `fmt`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct Fmt {
    /// JSON or YAML files; - is the standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write nothing; end with 1 if a file is not in good order
    #[arg(long, conflicts_with = "write")]
    check: bool,
    /// Put the files themselves in order
    #[arg(long)]
    write: bool,
    /// What is told of the files with --check and --write
    #[arg(long, value_enum, default_value = "text")]
    format: Shown,
}

impl Fmt {
    /// Puts documents in order.
    pub fn execute(self) -> Result<u8, Failure> {
        let sources = sources(&self.files)?;
        if !self.check && !self.write {
            return print(&sources, self.format);
        }
        let judged: Vec<Judged> = sources.iter().map(|source| self.one(source)).collect();
        tell(&judged, self.format)
    }

    fn one(&self, source: &Source) -> Judged {
        let (document, text) = match ordered(source) {
            Ok(ordered) => ordered,
            Err(judged) => return *judged,
        };
        let in_order = document.text() == text;
        let fine = |line: &str| Judged::new(source, &document, Vec::new()).saying(line);
        if in_order {
            return fine("in good order").with("changed", false);
        }
        if self.check {
            let violation = Violation::new("", "format", "run fmt --write on this file");
            return Judged::new(source, &document, vec![violation]).with("changed", false);
        }
        let Some(path) = source.file() else {
            show(&text);
            return fine("put in order").with("changed", true);
        };
        match written::over(path, &text) {
            Ok(()) => fine("put in order").with("changed", true),
            Err(error) => {
                let message = format!("cannot write the file: {error}");
                let violation = Violation::new("", "unwritable_file", message);
                Judged::new(source, &document, vec![violation]).with("changed", false)
            }
        }
    }
}

/// Prints one document in order.
fn print(sources: &[Source], shown: Shown) -> Result<u8, Failure> {
    let [source] = sources else {
        return Err(Failure::usage(
            "several files are put in order with --write, and looked at with --check",
        ));
    };
    if shown == Shown::Json {
        return Err(Failure::usage(
            "without --check and --write the document itself is printed; leave --format out",
        ));
    }
    match ordered(source) {
        Ok((_, text)) => {
            show(&text);
            Ok(0)
        }
        Err(judged) => {
            eprint!("{}", judged.complaints());
            Ok(worst(&[*judged]))
        }
    }
}

/// A document with its text in good order, which says the same.
fn ordered(source: &Source) -> Result<(Document, String), Box<Judged>> {
    let limits = BOUNDS;
    let document = source
        .read(&limits)
        .map_err(|unread| Box::new(Judged::unread(source, unread)))?;
    let twice = named_twice(&document);
    if !twice.is_empty() {
        return Err(Box::new(Judged::new(source, &document, twice)));
    }
    let text = format::text(&document, layout::shape_of(document.value()));
    let roomy = Limits {
        bytes: usize::MAX,
        ..limits
    };
    let again = Document::read_within(text.as_str(), document.format(), &roomy);
    let says_the_same = again.is_ok_and(|again| {
        again.value() == document.value()
            && json::digest(again.value()) == json::digest(document.value())
            && format::text(&again, layout::shape_of(again.value())) == text
    });
    if says_the_same {
        return Ok((document, text));
    }
    let message = "this would say something else in another layout, so it is left as it is";
    let violation = Violation::new("", "unsafe_layout", message);
    Err(Box::new(Judged::new(source, &document, vec![violation])))
}
