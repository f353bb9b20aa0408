//! `oap-conform eval`: one expression or template over given roots, to see what it says before a plan does.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::failure::{Failure, read_file};
use super::harness;
use crate::expression::{Error, Expression, Roots, Template};
use crate::json::{self, Duplicates, Limits};
use crate::suite::report::text::one_line;
use crate::suite::verdict::ExitCode;

const AFTER_HELP: &str = "\
Exit codes: 0 a value or undefined, 1 the expression does not parse or has no value, 2 wrong usage.
The language is described in spec/expressions.md. Write -- before an expression that is
spelt like an option.

Examples:
  oap-conform eval 'state.lastResult.availableSlots.length > 0' --state state.json
  echo '{\"name\": \"Ada\"}' | oap-conform eval --template 'Dear {{ state.name | upper }},' --state -";

/// Most characters of an expression that are shown before and behind a caret.
const SHOWN: usize = 50;

/// Options of `eval`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Eval {
    /// The expression; with --template a text with {{ expressions }}
    #[arg(value_name = "EXPR", allow_hyphen_values = true)]
    text: String,
    /// JSON file with what `state` stands for, at most 1 MiB; - is the standard input
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// JSON file with what `input` stands for
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// JSON file with what `observation` stands for
    #[arg(long, value_name = "FILE")]
    observation: Option<PathBuf>,
    /// EXPR is a template
    #[arg(long)]
    template: bool,
    /// Print {"value": …}, {"undefined": [paths]} or {"error": {reason, offset, message}}
    #[arg(long)]
    json: bool,
}

/// What an evaluation came to.
enum Found {
    Value(Value, Vec<String>),
    Undefined(Vec<String>),
}

impl Eval {
    /// Prints the value, or why there is none.
    pub fn execute(self) -> Result<u8, Failure> {
        let files = [&self.state, &self.input, &self.observation];
        let from_stdin = files.iter().filter(|file| is_stdin(file.as_deref()));
        if from_stdin.count() > 1 {
            return Err(Failure::usage(
                "the standard input can be read once; give - for one root and files for the others",
            ));
        }
        let state = read(self.state.as_deref())?;
        let input = read(self.input.as_deref())?;
        let observation = read(self.observation.as_deref())?;
        let roots = Roots {
            state: state.as_ref(),
            input: input.as_ref(),
            observation: observation.as_ref(),
        };
        let found = if self.template {
            resolve(&self.text, &roots)
        } else {
            evaluate(&self.text, &roots)
        };
        self.print(found)
    }

    fn print(&self, found: Result<Found, Error>) -> Result<u8, Failure> {
        let code = match &found {
            Ok(_) => ExitCode::Conformant,
            Err(_) => ExitCode::Violation,
        };
        if self.json {
            let answer = match found {
                Ok(Found::Value(value, _)) => json!({ "value": value }),
                Ok(Found::Undefined(paths)) => json!({ "undefined": paths }),
                Err(error) => json!({"error": {
                    "reason": error.reason.as_str(),
                    "offset": error.offset,
                    "message": error.message,
                }}),
            };
            println!("{}", harness::pretty(&answer)?);
            return Ok(code.number());
        }
        match found {
            Ok(Found::Value(value, paths)) => {
                println!("{}", harness::pretty(&value)?);
                note(&paths);
            }
            Ok(Found::Undefined(paths)) => {
                println!("undefined");
                note(&paths);
            }
            Err(error) => {
                let place = error.start + error.offset;
                eprint!("{}", underlined(&self.text, place));
                eprintln!("error: {}: {}", error.reason, one_line(&error.message));
            }
        }
        Ok(code.number())
    }
}

fn evaluate(text: &str, roots: &Roots<'_>) -> Result<Found, Error> {
    let expression = Expression::parse(text)?;
    let outcome = expression.evaluate(roots)?;
    Ok(match outcome.value {
        Some(value) => Found::Value(value.into_owned(), outcome.undefined),
        None => Found::Undefined(outcome.undefined),
    })
}

fn resolve(text: &str, roots: &Roots<'_>) -> Result<Found, Error> {
    let value = Template::parse(text)?.resolve(roots)?;
    Ok(Found::Value(value, Vec::new()))
}

/// A misspelt name is undefined and no error: say which it was.
fn note(paths: &[String]) {
    if !paths.is_empty() {
        eprintln!("note: undefined: {}", one_line(&paths.join(", ")));
    }
}

fn is_stdin(file: Option<&Path>) -> bool {
    file == Some(Path::new("-"))
}

fn read(file: Option<&Path>) -> Result<Option<Value>, Failure> {
    let Some(path) = file else {
        return Ok(None);
    };
    let name = if is_stdin(file) {
        "the standard input".to_owned()
    } else {
        path.display().to_string()
    };
    let named = |error: String| Failure::usage(format!("{name}: {error}"));
    let bytes = if is_stdin(file) {
        let most = Limits::DOCUMENT.bytes as u64 + 1;
        let mut bytes = Vec::new();
        std::io::stdin()
            .take(most)
            .read_to_end(&mut bytes)
            .map_err(|error| named(error.to_string()))?;
        bytes
    } else {
        read_file(path)?
    };
    json::read(&bytes, &Limits::DOCUMENT, Duplicates::Refuse)
        .map(Some)
        .map_err(|error| named(error.to_string()))
}

/// The line of the text that holds a byte, as much of it as is of use, with a caret under that byte.
fn underlined(text: &str, place: usize) -> String {
    let place = text.floor_char_boundary(place);
    let (before, after) = text.split_at(place);
    let before = before.rsplit('\n').next().unwrap_or_default();
    let after = after.split('\n').next().unwrap_or_default();
    let skipped = before.chars().count().saturating_sub(SHOWN);
    let shown: Vec<char> = before.chars().skip(skipped).map(printable).collect();
    let mut line = String::from("  ");
    let mut caret = String::from("  ");
    if skipped > 0 {
        line.push('…');
        caret.push(' ');
    }
    line.extend(&shown);
    // A tab is as wide above as below.
    caret.extend(shown.iter().map(|c| if *c == '\t' { '\t' } else { ' ' }));
    line.extend(after.chars().take(SHOWN).map(printable));
    if after.chars().nth(SHOWN).is_some() {
        line.push('…');
    }
    // What looks like a command to a pipeline's runner must not begin its line.
    if line.trim_start().starts_with("::") {
        line.replace_range(..1, ">");
    }
    format!("{}\n{caret}^\n", line.trim_end())
}

/// A character that does nothing to a terminal.
fn printable(c: char) -> char {
    match c {
        '\t' => c,
        '\r' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_the_character() {
        assert_eq!(underlined("1 + foo", 4), "  1 + foo\n      ^\n");
        assert_eq!(underlined("1 +", 3), "  1 +\n     ^\n");
        assert_eq!(underlined("", 0), "\n  ^\n");
        // Characters, not bytes; a place inside one is its beginning.
        assert_eq!(underlined("'é' + x", 7), "  'é' + x\n        ^\n");
        assert_eq!(underlined("é", 1), "  é\n  ^\n");
        assert_eq!(underlined("1\n+\tfoo\n+ 2", 4), "  +\tfoo\n   \t^\n");
        assert_eq!(underlined("a\u{1b}b", 2), "  a\u{fffd}b\n    ^\n");
        assert_eq!(underlined("1", 99), "  1\n   ^\n");
    }

    #[test]
    fn a_long_expression_is_cut_around_the_place() {
        let text = format!("{}foo{}", "1+".repeat(500), "+1".repeat(500));
        let shown = underlined(&text, 1000);
        let (line, caret) = shown.split_once('\n').expect("two lines");
        assert_eq!(line.chars().count(), 2 + 1 + 50 + 50 + 1);
        assert_eq!(caret, format!("{}^\n", " ".repeat(53)));
        assert!(line.starts_with("  …1+") && line.ends_with('…'));
    }

    #[test]
    fn templates_keep_their_type() {
        let state = json!({"n": 3});
        let roots = Roots {
            state: Some(&state),
            ..Roots::default()
        };
        let number = resolve("{{ state.n }}", &roots);
        assert!(matches!(number, Ok(Found::Value(value, _)) if value == 3));
        let error = resolve("n is {{ state.m }}", &roots).err();
        assert_eq!(error.map(|error| error.start + error.offset), Some(8));
        let nothing = evaluate("state.m", &roots);
        assert!(matches!(nothing, Ok(Found::Undefined(paths)) if paths == ["state.m"]));
    }
}
