//! Rewrites a copy of the sources so that one binary holds all blind mutants; `OAP_BLIND=17` switches the seventeenth on.
//!
//! ```text
//! oap-conform-blind --from TREE --to COPY --list MUTANTS.json [--drop NUMBERS.json] PATH…
//! ```
//!
//! Each PATH is a file or a folder below TREE. What only tests see is left alone. The files are written below COPY, which holds the
//! rest of the tree already; TREE itself is only read. `--drop` names mutants that do not compile: they are left out, and all
//! others keep their numbers. README.md says what is changed and how it is measured.

mod files;
mod rewrite;
mod sites;
mod values;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};

use rewrite::Mutant;

/// What switches a mutant on and notes what was reached; a module of the copy.
const SWITCH: &str = include_str!("switch.rs");

fn main() -> ExitCode {
    match Arguments::read(std::env::args().skip(1)).and_then(|arguments| run(&arguments)) {
        Ok(count) => {
            println!("{count} mutants");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("oap-conform-blind: {message}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Default)]
struct Arguments {
    from: PathBuf,
    to: PathBuf,
    list: PathBuf,
    drop: Option<PathBuf>,
    paths: Vec<String>,
}

impl Arguments {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Self::default();
        while let Some(word) = words.next() {
            let mut path = || {
                words
                    .next()
                    .map(PathBuf::from)
                    .ok_or_else(|| format!("{word} needs a path"))
            };
            match word.as_str() {
                "--from" => arguments.from = path()?,
                "--to" => arguments.to = path()?,
                "--list" => arguments.list = path()?,
                "--drop" => arguments.drop = Some(path()?),
                _ => arguments.paths.push(word),
            }
        }
        let needed = [&arguments.from, &arguments.to, &arguments.list];
        if arguments.paths.is_empty() || needed.iter().any(|path| path.as_os_str().is_empty()) {
            return Err("name --from, --to, --list and at least one path".to_owned());
        }
        Ok(arguments)
    }
}

fn run(arguments: &Arguments) -> Result<usize, String> {
    let dropped = match &arguments.drop {
        Some(path) => numbers(path)?,
        None => BTreeSet::new(),
    };
    let mut number = 0;
    let mut list = Vec::new();
    for path in files::sources(&arguments.from, &arguments.paths)? {
        let source = read(&arguments.from.join(&path))?;
        let rewritten = rewrite::rewrite(&source, &mut number, &dropped)
            .map_err(|error| format!("{path}: {error}"))?;
        write(&arguments.to.join(&path), &rewritten.text)?;
        list.extend(rewritten.mutants.iter().map(|mutant| entry(&path, mutant)));
    }
    write(&arguments.to.join("src/blind.rs"), SWITCH)?;
    let library = read(&arguments.from.join("src/lib.rs"))?;
    let library = format!(
        "#![allow(warnings, arithmetic_overflow, unconditional_panic)]\n{library}\npub mod blind;\n"
    );
    write(&arguments.to.join("src/lib.rs"), &library)?;
    let count = list.len();
    write(&arguments.list, &format!("{:#}\n", Value::Array(list)))?;
    Ok(count)
}

fn entry(path: &str, mutant: &Mutant) -> Value {
    json!({
        "number": mutant.number,
        "file": path,
        "line": mutant.line,
        "function": mutant.function,
        "change": mutant.change,
        // Which of equal changes in this function it is: a name that outlives changes elsewhere in the file.
        "nth": mutant.nth,
        "mutated": [mutant.mutated.start, mutant.mutated.end],
        "site": [mutant.site.start, mutant.site.end],
    })
}

fn numbers(path: &Path) -> Result<BTreeSet<u32>, String> {
    let value: Value = serde_json::from_str(&read(path)?)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    let numbers = value.as_array().into_iter().flatten();
    Ok(numbers
        .filter_map(Value::as_u64)
        .filter_map(|number| u32::try_from(number).ok())
        .collect())
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Writes what is new only: an unchanged file keeps its time stamp, and nothing is built again for it.
fn write(path: &Path, text: &str) -> Result<(), String> {
    if std::fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
