//! What was looked at, and what came of it.

use std::fmt::Write as _;

use serde::Serialize;

use crate::suite::secrets::Secrets;
use crate::suite::verdict::ExitCode;

/// Longest sentence that is shown, in characters; a target's own words may be part of it.
const LONGEST: usize = 600;

/// What came of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is as it has to be.
    Ok,
    /// It is not.
    Wrong,
    /// What comes before it is wrong, or the target has nothing of the kind.
    NotLookedAt,
}

impl State {
    /// Its name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Wrong => "wrong",
            Self::NotLookedAt => "not looked at",
        }
    }
}

/// One look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub check: &'static str,
    /// What came of it.
    pub state: State,
    /// One sentence.
    pub says: String,
    /// What to do, where it is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// The last lines that the target wrote, where they may say why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
}

/// All looks at one target, in order; no secret stands in any of them.
#[derive(Debug, Clone, Serialize)]
pub struct Diagnosis {
    /// What was looked at: an address, a command, or the file that should say it.
    pub target: String,
    /// Whether it came so far that it answers.
    pub ready: bool,
    /// The looks.
    pub checks: Vec<Check>,
    #[serde(skip)]
    secrets: Secrets,
}

impl Diagnosis {
    /// Nothing was looked at yet.
    pub fn new(target: impl Into<String>) -> Self {
        Self {
            target: target.into(),
            ready: false,
            checks: Vec::new(),
            secrets: Secrets::default(),
        }
    }

    /// From now on, these are shown nowhere.
    pub fn hide(&mut self, secrets: Secrets) {
        self.secrets = secrets;
    }

    /// It is as it has to be.
    pub fn ok(&mut self, check: &'static str, says: impl AsRef<str>) {
        self.note(check, State::Ok, says.as_ref(), None, Vec::new());
    }

    /// It is wrong, and this mends it.
    pub fn wrong(&mut self, check: &'static str, says: impl AsRef<str>, fix: impl AsRef<str>) {
        self.wrong_with(check, says, fix, Vec::new());
    }

    /// It is wrong, and the target's last words may say why.
    pub fn wrong_with(
        &mut self,
        check: &'static str,
        says: impl AsRef<str>,
        fix: impl AsRef<str>,
        log: Vec<String>,
    ) {
        let fix = Some(fix.as_ref());
        self.note(check, State::Wrong, says.as_ref(), fix, log);
    }

    /// It was not looked at, for this reason.
    pub fn skip(&mut self, check: &'static str, why: impl AsRef<str>) {
        self.note(check, State::NotLookedAt, why.as_ref(), None, Vec::new());
    }

    /// None of these was looked at.
    pub fn skip_all(&mut self, checks: &[&'static str], why: &str) {
        for check in checks {
            self.skip(check, why);
        }
    }

    /// How many looks came to this.
    pub fn count(&self, state: State) -> usize {
        self.checks
            .iter()
            .filter(|check| check.state == state)
            .count()
    }

    /// What a process ends with: nothing is wrong, something is, or the target does not even answer.
    pub fn exit_code(&self) -> ExitCode {
        match (self.ready, self.count(State::Wrong)) {
            (false, _) => ExitCode::Unreachable,
            (true, 0) => ExitCode::Conformant,
            (true, _) => ExitCode::Violation,
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut out = format!("{}\n\n", self.target);
        for check in &self.checks {
            row(&mut out, check.state.name(), check.check, &check.says);
            for line in &check.log {
                row(&mut out, "", "  it wrote", line);
            }
            if let Some(fix) = &check.fix {
                row(&mut out, "", "  to mend it", fix);
            }
        }
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "\n{} ok, {} wrong, {} not looked at",
            self.count(State::Ok),
            self.count(State::Wrong),
            self.count(State::NotLookedAt)
        );
        out
    }

    fn note(
        &mut self,
        check: &'static str,
        state: State,
        says: &str,
        fix: Option<&str>,
        log: Vec<String>,
    ) {
        let (says, fix) = (self.shown(says), fix.map(|fix| self.shown(fix)));
        self.checks.push(Check {
            check,
            state,
            says,
            fix,
            log,
        });
    }

    /// One line of bounded length without secrets, and without what a terminal would obey.
    fn shown(&self, text: &str) -> String {
        let text = self.secrets.redact_text(text);
        let plain: String = text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        match plain.char_indices().nth(LONGEST) {
            Some((at, _)) => format!("{}…", plain.get(..at).unwrap_or_default()),
            None => plain,
        }
    }
}

fn row(out: &mut String, first: &str, second: &str, rest: &str) {
    let _ = writeln!(out, "{first:<14} {second:<13} {rest}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_shown_that_should_not_be() {
        let mut diagnosis = Diagnosis::new("x");
        let token = "cal-tok+en/3f9a1c77==";
        diagnosis.hide(Secrets::new([("T".to_owned(), token.to_owned())]));
        let says = format!("it said {token}\n\u{1b}[31m{}", "y".repeat(2 * LONGEST));
        diagnosis.wrong("model", says, "mend it");
        let text = diagnosis.text();
        assert!(!text.contains(token) && !text.contains('\u{1b}'), "{text}");
        let check = diagnosis.checks.first().expect("one");
        assert!(check.says.starts_with("it said [REDACTED]  [31my"));
        assert_eq!(check.says.chars().count(), LONGEST + 1);
    }

    #[test]
    fn the_exit_code_says_how_far_it_came() {
        let mut diagnosis = Diagnosis::new("x");
        assert_eq!(diagnosis.exit_code().number(), 3);
        diagnosis.ready = true;
        diagnosis.ok("ready", "yes");
        diagnosis.skip_all(&["clock", "folder"], "there is none");
        assert_eq!(diagnosis.exit_code().number(), 0);
        diagnosis.wrong("model", "no", "yes");
        assert_eq!(diagnosis.exit_code().number(), 1);
        assert!(
            diagnosis
                .text()
                .ends_with("1 ok, 1 wrong, 2 not looked at\n")
        );
        diagnosis.ready = false;
        assert_eq!(diagnosis.exit_code().number(), 3);
    }
}
