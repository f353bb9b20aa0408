//! What a schema of single members cannot say of a definition. Each refusal is (member, reason).

use std::path::PathBuf;

use super::{Connect, Definition, Delivery, Logs, SharedFolder, Start};
use crate::suite::target::placeholders;

/// Most words of a command, and names of an environment.
const MOST_ENTRIES: usize = 1000;

impl Definition {
    /// Whether its members fit together.
    pub(super) fn check(&self) -> Result<(), (String, String)> {
        let wrong = |member: &str, reason: &str| Err((member.to_owned(), reason.to_owned()));
        if let Some(start) = &self.start {
            start.check()?;
            if start.stdio.is_some() && self.connect != Connect::default() {
                return wrong(
                    "[connect]",
                    "a target over stdio has no address; take it out",
                );
            }
        } else {
            if self.connect.base_url.is_none() {
                return wrong(
                    "[connect] base_url",
                    "is missing; give it, or say in [start] how the target is started",
                );
            }
            if self.manifest.delivery == Delivery::File {
                return wrong(
                    "[manifest] delivery",
                    "\"file\" needs a target that is started by [start]",
                );
            }
            if self.inject.files == Some(SharedFolder::Own(true)) {
                return wrong(
                    "[inject] files",
                    "a target that is not started here has to be told its folder; give the path",
                );
            }
        }
        let logs = self.observe.logs.as_ref();
        if self.start.is_none() && matches!(logs, Some(Logs::Stdout | Logs::Stderr)) {
            return wrong(
                "[observe] logs",
                "the streams of a target that is not started here cannot be read; give the path of a file",
            );
        }
        let pipes = self
            .start
            .as_ref()
            .is_some_and(|start| start.stdio.is_some());
        if pipes && logs == Some(&Logs::Stdout) {
            return wrong(
                "[observe] logs",
                "an adapter answers on its standard output; have it log to stderr or a file",
            );
        }
        if logs == Some(&Logs::File(PathBuf::new())) {
            return wrong("[observe] logs", "is empty; give stdout, stderr or a path");
        }
        if let Some(path) = &self.observe.metrics
            && !path.starts_with('/')
        {
            return wrong("[observe] metrics", "is no path; it begins with /");
        }
        let urls = [
            ("[connect] base_url", self.connect.base_url.as_deref()),
            (
                "[inject.clock] url",
                self.inject.clock.as_ref().map(|clock| clock.url.as_str()),
            ),
        ];
        for (member, url) in urls {
            let Some(url) = url else { continue };
            placeholders::check(url).map_err(|reason| (member.to_owned(), reason))?;
            if self.start.is_none() && url.contains("${") {
                return wrong(
                    member,
                    "placeholders are for targets that are started by [start]",
                );
            }
        }
        let range = |member: &str, value: Option<u64>, least: u64, most: u64| match value {
            Some(value) if !(least..=most).contains(&value) => Err((
                member.to_owned(),
                format!("{value} is not between {least} and {most}"),
            )),
            _ => Ok(()),
        };
        range("[limits] request_ms", self.limits.request_ms, 1, 600_000)?;
        range("[limits] jobs", self.limits.jobs.map(u64::from), 1, 256)?;
        range(
            "[limits] restarts",
            self.limits.restarts.map(u64::from),
            0,
            1000,
        )?;
        for (header, variable) in &self.connect.headers_env {
            check_header(header)
                .and_then(|()| check_variable(variable))
                .map_err(|reason| ("[connect] headers_env".to_owned(), reason))?;
        }
        for name in self.secrets.iter().flat_map(|(name, from)| [name, from]) {
            check_variable(name).map_err(|reason| ("[secrets]".to_owned(), reason))?;
        }
        for missing in self.cannot.requirements.iter().chain(&self.cannot.cases) {
            if missing.reason.trim().is_empty() {
                return wrong(
                    "[cannot]",
                    &format!("{} has no reason; say why", missing.id),
                );
            }
        }
        Ok(())
    }
}

impl Start {
    fn check(&self) -> Result<(), (String, String)> {
        let wrong =
            |member: &str, reason: &str| Err((format!("[start] {member}"), reason.to_owned()));
        match (&self.command, &self.stdio) {
            (None, None) => {
                return wrong("command", "is missing; name a program and its arguments");
            }
            (Some(_), Some(_)) => {
                return wrong("stdio", "stands beside command; take one of them out");
            }
            _ => {}
        }
        if self.words().len() > MOST_ENTRIES || self.env.len() > MOST_ENTRIES {
            return wrong("command", "has more than 1000 words, or env more names");
        }
        for word in self.words() {
            placeholders::check(word).map_err(|reason| ("[start] command".to_owned(), reason))?;
        }
        for (name, value) in &self.env {
            check_variable(name)
                .and_then(|()| placeholders::check(value))
                .map_err(|reason| (format!("[start] env.{name}"), reason))?;
        }
        for name in &self.inherit {
            check_variable(name).map_err(|reason| ("[start] inherit".to_owned(), reason))?;
        }
        if !self.ready.starts_with('/') || self.ready.chars().any(|c| c.is_control() || c == ' ') {
            return wrong("ready", "is no path; write it as \"/healthz\"");
        }
        for (member, seconds) in [
            ("ready_timeout_s", self.ready_timeout_s),
            ("stop_timeout_s", self.stop_timeout_s),
        ] {
            if !(1..=600).contains(&seconds) {
                return wrong(member, "is not between 1 and 600");
            }
        }
        Ok(())
    }
}

/// Whether a text can name an environment variable.
///
/// # Errors
/// When it cannot, saying so.
pub fn check_variable(name: &str) -> Result<(), String> {
    let mut chars = name.chars();
    let first = chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if first && chars.all(|c| c.is_ascii_alphanumeric() || c == '_') {
        Ok(())
    } else {
        Err(format!(
            "'{name}' is no name of an environment variable; values come from the environment"
        ))
    }
}

fn check_header(name: &str) -> Result<(), String> {
    reqwest::header::HeaderName::from_bytes(name.as_bytes())
        .map(|_| ())
        .map_err(|_| format!("'{name}' is no name of a header"))
}
