//! `oap-target.toml`: how a target is started and reached, what it is told, and what may be expected of it (`spec/harness.md`,
//! section 10; `spec/schemas/target.json`). Read strictly: what is not known is refused with its line and with what is allowed.

mod check;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mock_services::ModelWire;
use serde::Deserialize;

use crate::requirement::{Extension, Profile};

pub use check::check_variable;

/// The file that is read from the current folder where nothing else says what to judge.
pub const FILE_NAME: &str = "oap-target.toml";

/// Largest definition that is read, in bytes.
pub const MOST_BYTES: usize = 256 * 1024;

/// A target as its maker describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Definition {
    /// Its name, for people.
    pub name: Option<String>,
    /// How it is started; `None`: it listens already.
    pub start: Option<Start>,
    /// How it is reached.
    pub connect: Connect,
    /// How it gets manifests.
    pub manifest: Manifest,
    /// How it is told where model, services, folder and clock are.
    pub inject: Inject,
    /// Where it can be seen what it tells its operator.
    pub observe: Observe,
    /// What it can do, declared in place of `GET /capabilities`.
    pub capabilities: Declared,
    /// What the harness keeps to.
    pub limits: Limits,
    /// Where the mocks listen.
    pub services: Services,
    /// Secrets beyond those of the test environment, or in their place: the name that the target knows, and the variable of the
    /// harness that holds the value. A started target gets them in its environment; all are searched for and redacted.
    pub secrets: BTreeMap<String, String>,
    /// What it is known not to do; it stays in the denominators.
    pub cannot: Cannot,
}

/// How a target is started: by exactly one of `command` and `stdio`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// Program and arguments of a runtime that listens, with placeholders.
    #[serde(default)]
    pub command: Option<Words>,
    /// Program and arguments of an adapter that reads requests from its standard input (`spec/stdio.md`), with placeholders.
    #[serde(default)]
    pub stdio: Option<Words>,
    /// Working directory, from the folder of the definition; `None`: that folder.
    #[serde(default)]
    pub cwd: Option<PathBuf>,
    /// Environment besides that of the harness, with placeholders.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Variables of the harness' own environment that the target gets as they are.
    #[serde(default)]
    pub inherit: Vec<String>,
    /// The path that is asked until it answers below 500.
    #[serde(default = "healthz")]
    pub ready: String,
    /// How long it may take to be ready, in seconds.
    #[serde(default = "ten")]
    pub ready_timeout_s: u64,
    /// How long it may take to end when it is asked to, in seconds; then it is killed.
    #[serde(default = "two")]
    pub stop_timeout_s: u64,
}

impl Default for Start {
    fn default() -> Self {
        Self {
            command: None,
            stdio: None,
            cwd: None,
            env: BTreeMap::new(),
            inherit: Vec::new(),
            ready: healthz(),
            ready_timeout_s: ten(),
            stop_timeout_s: two(),
        }
    }
}

impl Start {
    /// How long it may take to be ready.
    pub fn ready_timeout(&self) -> Duration {
        Duration::from_secs(self.ready_timeout_s)
    }

    /// How long it may take to end when it is asked to.
    pub fn stop_timeout(&self) -> Duration {
        Duration::from_secs(self.stop_timeout_s)
    }

    /// Program and arguments, whichever kind it is.
    pub fn words(&self) -> &[String] {
        let words = self.command.as_ref().or(self.stdio.as_ref());
        words.map(|words| words.0.as_slice()).unwrap_or_default()
    }
}

fn healthz() -> String {
    "/healthz".to_owned()
}

const fn ten() -> u64 {
    10
}

const fn two() -> u64 {
    2
}

/// A program and its arguments: a list, or one text with the words and quotes of a shell, of which nothing else holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words(pub Vec<String>);

impl Words {
    /// The words of a text.
    ///
    /// # Errors
    /// When a quote is not closed, or there is no word.
    pub fn split(text: &str) -> Result<Self, String> {
        match shlex::split(text) {
            Some(words) if !words.is_empty() => Ok(Self(words)),
            Some(_) => Err("the command is empty; name a program".to_owned()),
            None => Err(format!("a quote in the command {text} is not closed")),
        }
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Words;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a program and its arguments, as a list of texts or as one text")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Words, E> {
                Words::split(text).map_err(E::custom)
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut list: A,
            ) -> Result<Words, A::Error> {
                let mut words = Vec::new();
                while let Some(word) = list.next_element::<String>()? {
                    words.push(word);
                }
                match words.first() {
                    Some(program) if !program.is_empty() => Ok(Words(words)),
                    _ => Err(serde::de::Error::custom(
                        "the command is empty; name a program",
                    )),
                }
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

/// How a target is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Connect {
    /// Where it listens; of a started target `http://127.0.0.1:${port}` unless given.
    pub base_url: Option<String>,
    /// Headers of every request, and the variables that their values come from.
    pub headers_env: BTreeMap<String, String>,
    /// Judge it although it is not on this machine's loopback.
    pub allow_destructive: bool,
}

/// How a target gets manifests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Manifest {
    /// The way.
    pub delivery: Delivery,
}

/// The ways of a manifest into a target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// Each case registers its own with `POST /manifests`.
    #[default]
    Register,
    /// The target is started with a file: `${manifest}`, also in `OAP_MANIFEST`.
    File,
    /// Not at all: what needs a manifest of its own is not implemented.
    None,
}

/// How a target is told where things are: names of environment variables where they are not those of `spec/harness.md`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Inject {
    /// Whether the target asks the scripted model; without it, it is judged as in production: what needs a script is not observed.
    pub model: Option<bool>,
    /// The wire in which the target asks the model; it decides which variables are meant below.
    pub model_wire: ModelWire,
    /// Whether the target is told to ask for replies as streams.
    pub model_stream: bool,
    /// In place of `OPENAI_BASE_URL`, or the variable of another wire.
    pub model_url: Option<String>,
    /// In place of `OPENAI_API_KEY`, or the variable of another wire.
    pub model_key: Option<String>,
    /// In place of `OPENAI_MODEL`, or the variable of another wire.
    pub model_name: Option<String>,
    /// In place of `OAP_MODEL_TIMEOUT_MS`.
    pub model_timeout_ms: Option<String>,
    /// In place of `OAP_TEST_PLUGIN_ORIGIN`.
    pub plugins: Option<String>,
    /// In place of `AWS_ENDPOINT_URL_S3`.
    pub objects: Option<String>,
    /// The variable that tells the base URL of the collector of traces, `OTEL_EXPORTER_OTLP_ENDPOINT` mostly; `None`: it is not told.
    pub otlp: Option<String>,
    /// In place of `OAP_TEST_FOLDER`.
    pub folder: Option<String>,
    /// Whether there is a folder that target and harness share, or which; a started target gets one unless this says `false`.
    pub files: Option<SharedFolder>,
    /// A clock that the harness can move.
    pub clock: Option<ClockDoor>,
}

impl Inject {
    /// Whether the target asks the scripted model.
    pub fn scripted_model(&self) -> bool {
        self.model.unwrap_or(true)
    }

    /// The variable for one that `spec/harness.md` names.
    pub fn variable<'n>(&'n self, name: &'n str) -> &'n str {
        // The page names those of the first wire.
        let of_wire = ModelWire::default()
            .variables()
            .into_iter()
            .zip(self.model_wire.variables())
            .find_map(|(first, own)| (first == name).then_some(own));
        let own = match name {
            "OPENAI_BASE_URL" => &self.model_url,
            "OPENAI_API_KEY" => &self.model_key,
            "OPENAI_MODEL" => &self.model_name,
            "OAP_MODEL_TIMEOUT_MS" => &self.model_timeout_ms,
            "OAP_TEST_PLUGIN_ORIGIN" => &self.plugins,
            "AWS_ENDPOINT_URL_S3" => &self.objects,
            "OTEL_EXPORTER_OTLP_ENDPOINT" => &self.otlp,
            "OAP_TEST_FOLDER" => &self.folder,
            _ => &None,
        };
        own.as_deref().or(of_wire).unwrap_or(name)
    }
}

/// Whether target and harness share a folder, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SharedFolder {
    /// One of the harness' own making, or none.
    Own(bool),
    /// This one, from the folder of the definition.
    At(PathBuf),
}

impl<'de> Deserialize<'de> for SharedFolder {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl serde::de::Visitor<'_> for Visitor {
            type Value = SharedFolder;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("true, false or the path of a folder")
            }

            fn visit_bool<E>(self, own: bool) -> Result<SharedFolder, E> {
                Ok(SharedFolder::Own(own))
            }

            fn visit_str<E>(self, path: &str) -> Result<SharedFolder, E> {
                Ok(SharedFolder::At(PathBuf::from(path)))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

/// Where the target's clock can be moved.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockDoor {
    /// Its base URL, with placeholders: `${clock_port}` is a free port.
    pub url: String,
}

/// Where it can be seen what a target tells its operator.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Observe {
    /// Where its log lines are; `None`: they are not read.
    pub logs: Option<Logs>,
    /// The path of its metrics; `None`: they are not read.
    pub metrics: Option<String>,
}

/// Where the log lines of a target are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum Logs {
    /// `stdout`.
    Stdout,
    /// `stderr`.
    Stderr,
    /// In this file, from the folder of the definition.
    File(PathBuf),
}

impl From<String> for Logs {
    fn from(text: String) -> Self {
        match text.as_str() {
            "stdout" => Self::Stdout,
            "stderr" => Self::Stderr,
            _ => Self::File(PathBuf::from(text)),
        }
    }
}

/// What a target says it can do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Declared {
    /// Its profiles; `None`: they are asked for.
    pub profiles: Option<BTreeSet<Profile>>,
    /// Its code runtimes.
    pub runtimes: Option<Vec<String>>,
    /// The schemes of roots that it offers.
    pub schemes: Option<Vec<String>>,
    /// The extensions of the draft that it offers.
    pub extensions: Option<BTreeSet<Extension>>,
}

/// What the harness keeps to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Longest wait for one answer, in milliseconds.
    pub request_ms: Option<u64>,
    /// Most cases at the same time.
    pub jobs: Option<u16>,
    /// How often a target that ended by itself is started again.
    pub restarts: Option<u32>,
}

/// Where the mocks listen, and under which name the target finds them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Services {
    /// The address they listen on; loopback unless given.
    pub bind: Option<std::net::IpAddr>,
    /// The host that the target is told; the address unless given.
    pub advertise: Option<String>,
    /// Port of the model, for a target that is started by somebody else; a free one unless given.
    pub model_port: Option<u16>,
    /// Port of the calendar.
    pub calendar_port: Option<u16>,
    /// Port of the object store.
    pub objects_port: Option<u16>,
    /// Port of the collector of traces; a target that is started by somebody else knows it only then.
    pub collector_port: Option<u16>,
}

/// What a target is known not to do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cannot {
    /// Requirements, with all their cases.
    pub requirements: Vec<Missing>,
    /// Single cases.
    pub cases: Vec<Missing>,
}

/// One thing that a target does not do.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Missing {
    /// Id of the requirement or the case.
    pub id: String,
    /// Why not, for people.
    pub reason: String,
}

impl Definition {
    /// The target that this command starts, everything else as it is by default.
    pub fn of_command(words: Words) -> Self {
        Self {
            start: Some(Start {
                command: Some(words),
                ..Start::default()
            }),
            ..Self::default()
        }
    }

    /// The target behind the adapter that this command starts, everything else as it is by default.
    pub fn of_stdio(words: Words) -> Self {
        Self {
            start: Some(Start {
                stdio: Some(words),
                ..Start::default()
            }),
            ..Self::default()
        }
    }

    /// Reads a definition; `path` is told in errors.
    ///
    /// # Errors
    /// What is wrong with it, with file and line where one is to blame, and what to do.
    pub fn parse(text: &str, path: &Path) -> Result<Self, String> {
        if text.len() > MOST_BYTES {
            return Err(format!(
                "{} is larger than {MOST_BYTES} bytes",
                path.display()
            ));
        }
        let definition: Self = toml::from_str(text).map_err(|error| {
            let line = error
                .span()
                .map(|span| text.get(..span.start).unwrap_or(text).matches('\n').count() + 1);
            let place = match line {
                Some(line) => format!("{}:{line}", path.display()),
                None => path.display().to_string(),
            };
            let message = error.message().replace("unknown field", "unknown member");
            format!("{place}: {}", message.replace('\n', " "))
        })?;
        definition
            .check()
            .map_err(|(member, reason)| format!("{}: {member}: {reason}", path.display()))?;
        Ok(definition)
    }

    /// Checks what was not read from a file; `origin` is told in errors.
    ///
    /// # Errors
    /// As [`Definition::parse`].
    pub fn check_as(&self, origin: &str) -> Result<(), String> {
        self.check()
            .map_err(|(member, reason)| format!("{origin}: {member}: {reason}"))
    }
}

#[cfg(test)]
mod tests;
