//! Which targets are loaded, and what each is called.

use std::collections::BTreeSet;
use std::path::Path;

use clap::{Args as _, FromArgMatches as _};

use super::super::failure::Failure;
use super::super::run::target::TargetChoice;
use super::Bench;

/// Most contenders of one run.
const MOST_CONTENDERS: usize = 16;

/// One target and what it is called.
pub(super) struct Named {
    pub(super) name: String,
    pub(super) choice: TargetChoice,
}

impl Bench {
    /// All contenders, each with a name of its own.
    pub(super) fn named(&self) -> Result<Vec<Named>, Failure> {
        let mut named = Vec::new();
        for file in &self.targets {
            let words = ["--target".to_owned(), file.display().to_string()];
            named.push((name_of(file), choice(&words)?, false));
        }
        for command in &self.commands {
            let looks_like_a_file =
                |word: &&str| word.contains(['/', '.']) && !word.starts_with('-');
            let mut words = command.split_whitespace();
            let first = words.next().unwrap_or_default();
            let program = words.find(looks_like_a_file).unwrap_or(first);
            let name = Path::new(program).file_stem().unwrap_or_default();
            let words = ["--command".to_owned(), command.clone()];
            named.push((name.to_string_lossy().into_owned(), choice(&words)?, false));
        }
        if self.reference {
            named.push((
                "reference".to_owned(),
                choice(&["--reference".to_owned()])?,
                false,
            ));
        }
        for mutant in &self.mutants {
            let words = ["--mutant".to_owned(), mutant.clone()];
            named.push((mutant.clone(), choice(&words)?, false));
        }
        for text in &self.contenders {
            let wrong = || {
                Failure::usage(format!(
                    "'{text}' is no contender; write NAME=OPTIONS, such as 'mine=--url http://127.0.0.1:8080 --model-listen 127.0.0.1:9100'"
                ))
            };
            let (name, options) = text.split_once('=').ok_or_else(wrong)?;
            if name.is_empty() || name.starts_with('-') {
                return Err(wrong());
            }
            let words = shlex::split(options).ok_or_else(wrong)?;
            named.push((name.to_owned(), choice(&words)?, true));
        }
        if named.is_empty() {
            let choice = choice(&[])?;
            let name = choice
                .file()
                .map_or_else(|| "reference".to_owned(), name_of);
            named.push((name, choice, false));
        }
        if named.len() > MOST_CONTENDERS {
            return Err(Failure::usage(format!(
                "{} contenders are too many; take at most {MOST_CONTENDERS}",
                named.len()
            )));
        }
        unique(named)
    }
}

/// Options that say which target, read as `run` reads them.
fn choice(words: &[String]) -> Result<TargetChoice, Failure> {
    let command =
        TargetChoice::augment_args(clap::Command::new("--contender").no_binary_name(true));
    command
        .try_get_matches_from(words)
        .and_then(|matches| TargetChoice::from_arg_matches(&matches))
        .map_err(|error| Failure::usage(error.to_string().trim_start_matches("error: ").to_owned()))
}

/// What a definition's target is called: as its file, or where that is called as all are, as its folder.
fn name_of(file: &Path) -> String {
    let text =
        |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().into_owned());
    let stem = text(file.file_stem()).unwrap_or_default();
    if stem != "oap-target" {
        return stem;
    }
    text(file.parent().and_then(Path::file_name)).unwrap_or_else(|| "target".to_owned())
}

/// Gives each its own name: one that was made up gets a number, one that was given twice is refused.
fn unique(named: Vec<(String, TargetChoice, bool)>) -> Result<Vec<Named>, Failure> {
    let mut taken = BTreeSet::new();
    for (name, ..) in named.iter().filter(|(.., given)| *given) {
        if !taken.insert(name.clone()) {
            return Err(Failure::usage(format!(
                "two contenders have the name '{name}'; give each its own"
            )));
        }
    }
    Ok(named
        .into_iter()
        .map(|(name, choice, given)| {
            let mut own = name.clone();
            let mut number = 2;
            while !given && !taken.insert(own.clone()) {
                own = format!("{name}-{number}");
                number += 1;
            }
            Named { name: own, choice }
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::super::tests::parsed;
    use super::*;

    fn names(words: &[&str]) -> Result<Vec<String>, Failure> {
        let named = parsed(words).named()?;
        Ok(named.into_iter().map(|one| one.name).collect())
    }

    #[test]
    fn contenders_have_names_of_their_own() {
        let given = names(&[
            "--target",
            "a/javascript/oap-target.toml",
            "--target",
            "b/javascript/oap-target.toml",
            "--target",
            "py.toml",
            "--command",
            "python3 src/main.py",
            "--reference",
            "--mutant",
            "steps-count-twice",
            "--contender",
            "mine=--url http://127.0.0.1:1",
        ]);
        let expected = [
            "javascript",
            "javascript-2",
            "py",
            "main",
            "reference",
            "steps-count-twice",
            "mine",
        ];
        assert_eq!(given, Ok(expected.map(str::to_owned).to_vec()));
    }

    #[test]
    fn what_makes_no_contender_is_refused() {
        for words in [
            ["--contender=--url http://127.0.0.1:1"].as_slice(),
            &["--contender", "a=--nothing"],
            &["--contender", "a=--url 'x"],
            &[
                "--contender",
                "a=--reference",
                "--contender",
                "a=--reference",
            ],
        ] {
            assert!(names(words).is_err(), "{words:?}");
        }
    }
}
