//! The options of `run` that say what is judged.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use mock_services::ModelWire;

use crate::cli::failure::{Failure, read_file};
use crate::suite::target::definition::{
    ClockDoor, Connect, Definition, FILE_NAME, SharedFolder, Words, check_variable,
};

/// What is judged, and how it is reached.
#[derive(Debug, Args)]
pub(in crate::cli) struct TargetChoice {
    /// Start this command and judge the runtime that then listens on the port in PORT; quotes as in a shell
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["url", "target", "mutant", "reference"])]
    command: Option<String>,
    /// Start this adapter and judge the runtime behind it, by JSON lines on its standard input and output (spec/stdio.md)
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["command", "url", "target", "mutant", "reference", "header_env"])]
    stdio: Option<String>,
    /// Judge the transcripts in this folder, *.json or *.jsonl, as far as they show; no runtime is started
    #[arg(long, value_name = "DIR", conflicts_with_all = ["command", "stdio", "url", "mutant", "reference", "header_env"])]
    transcripts: Option<PathBuf>,
    /// Judge the runtime that listens at this base URL
    #[arg(long, value_name = "URL", conflicts_with_all = ["target", "mutant", "reference"])]
    url: Option<String>,
    /// Judge the runtime that this file describes [default: oap-target.toml, where it is in this folder]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["mutant", "reference"])]
    target: Option<PathBuf>,
    /// Judge the built-in reference, also where there is an oap-target.toml
    #[arg(long)]
    reference: bool,
    /// Judge a deliberately broken target, to see a check fail; 'explain' names the mutants of a requirement
    #[arg(long, value_name = "NAME", conflicts_with = "reference")]
    mutant: Option<String>,
    /// Send this header with every request, its value taken from an environment variable; repeat for more
    #[arg(long, value_name = "HEADER=VARIABLE", value_parser = header, conflicts_with_all = ["mutant", "reference"])]
    header_env: Vec<(String, String)>,
    /// Format in which the model is asked: openai, anthropic or cohere [default: what the target's definition says, else openai]
    #[arg(long, value_name = "WIRE")]
    model_wire: Option<ModelWire>,
    /// Have the reference ask for replies as streams, or tell a runtime that is started to
    #[arg(long)]
    model_stream: bool,
    /// Where the scripted model listens, for a runtime at --url
    #[arg(long, value_name = "ADDR", requires = "url")]
    model_listen: Option<SocketAddr>,
    /// Where the calendar listens, which the plugins of a runtime at --url call
    #[arg(long, value_name = "ADDR", requires = "url")]
    calendar_listen: Option<SocketAddr>,
    /// Where the object store listens, for a runtime at --url; without it the cases about S3 do not apply
    #[arg(long, value_name = "ADDR", requires = "url")]
    objects_listen: Option<SocketAddr>,
    /// A folder that the runtime at --url sees under the same path and allows as a root; without it the cases about files do not apply
    #[arg(long, value_name = "DIR", requires = "url")]
    files: Option<PathBuf>,
    /// Where the clock of the runtime can be moved, with ${clock_port} for --command; without it the cases that move it do not apply
    #[arg(long, value_name = "URL", conflicts_with_all = ["target", "mutant", "reference"])]
    clock: Option<String>,
    /// Process of the runtime at --url, whose processor time is then measured; without it that limit is not observed
    #[arg(long, value_name = "PID", requires = "url")]
    pid: Option<u32>,
    /// Judge a runtime beyond loopback; the cases create, close and delete there
    #[arg(long, requires = "url")]
    allow_destructive: bool,
}

/// What was chosen.
#[derive(Debug)]
pub(in crate::cli) enum Chosen {
    /// The built-in reference.
    Reference(Asking),
    /// A broken one, by name.
    Mutant(String, Asking),
    /// Somebody's own.
    Own(Box<Own>),
}

/// How a built-in target asks the model.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::cli) struct Asking {
    /// The wire.
    pub wire: ModelWire,
    /// Whether replies are asked for as streams.
    pub stream: bool,
}

/// Somebody's own target.
#[derive(Debug)]
pub(in crate::cli) struct Own {
    /// What is known of it.
    pub definition: Definition,
    /// From where paths in the definition are found.
    pub folder: PathBuf,
    /// Where the mocks listen, where that was given by option.
    pub listen: Listen,
    /// Its process, where it was not started here and is known.
    pub pid: Option<u32>,
}

/// Addresses that were given by option.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::cli) struct Listen {
    /// Of the model.
    pub model: Option<SocketAddr>,
    /// Of the calendar.
    pub calendar: Option<SocketAddr>,
    /// Of the object store.
    pub objects: Option<SocketAddr>,
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, variable) = text
        .split_once('=')
        .ok_or("write it as HEADER=VARIABLE; the value comes from the environment")?;
    check_variable(variable)?;
    reqwest::header::HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| format!("'{name}' is no name of a header"))?;
    Ok((name.to_owned(), variable.to_owned()))
}

impl TargetChoice {
    /// Whether somebody's own target is judged, not a built-in one.
    pub fn is_stranger(&self) -> bool {
        self.command.is_some()
            || self.stdio.is_some()
            || self.url.is_some()
            || self.transcripts.is_some()
            || self.file().is_some()
    }

    /// Whether nothing says what is meant, so that it is the built-in reference.
    pub fn is_silent(&self) -> bool {
        !self.is_stranger() && !self.reference && self.mutant.is_none()
    }

    /// The folder of transcripts, where those are judged and no runtime.
    pub fn transcripts(&self) -> Option<&Path> {
        self.transcripts.as_deref()
    }

    /// The definition that is read.
    pub fn file(&self) -> Option<&Path> {
        let built_in = self.reference || self.mutant.is_some();
        let named = [&self.command, &self.stdio, &self.url];
        if built_in || named.iter().any(|named| named.is_some()) {
            return None;
        }
        let own = Path::new(FILE_NAME);
        match &self.target {
            Some(file) => Some(file),
            // One that cannot be read is refused where it is read: a dead link must not mean the reference.
            None => own.symlink_metadata().is_ok().then_some(own),
        }
    }

    /// Reads what is judged.
    pub fn chosen(&self) -> Result<Chosen, Failure> {
        let headers_env: BTreeMap<String, String> = self.header_env.iter().cloned().collect();
        let clock = self.clock.clone().map(|url| ClockDoor { url });
        let here = || PathBuf::from(".");
        if let Some(words) = &self.command {
            let words = Words::split(words).map_err(Failure::usage)?;
            let mut definition = Definition::of_command(words);
            definition.connect.headers_env = headers_env;
            definition.inject.clock = clock;
            self.tell(&mut definition);
            definition.check_as("--command").map_err(Failure::usage)?;
            return Ok(Chosen::own(definition, here()));
        }
        if let Some(words) = &self.stdio {
            let words = Words::split(words).map_err(Failure::usage)?;
            let mut definition = Definition::of_stdio(words);
            definition.inject.clock = clock;
            self.tell(&mut definition);
            definition.check_as("--stdio").map_err(Failure::usage)?;
            return Ok(Chosen::own(definition, here()));
        }
        if let Some(url) = &self.url {
            let mut definition = Definition {
                connect: Connect {
                    base_url: Some(url.clone()),
                    headers_env,
                    allow_destructive: self.allow_destructive,
                },
                ..Definition::default()
            };
            definition.inject.clock = clock;
            definition.inject.files = self.files.clone().map(SharedFolder::At);
            self.tell(&mut definition);
            return Ok(Chosen::Own(Box::new(Own {
                definition,
                folder: here(),
                listen: Listen {
                    model: self.model_listen,
                    calendar: self.calendar_listen,
                    objects: self.objects_listen,
                },
                pid: self.pid,
            })));
        }
        if let Some(file) = self.file() {
            let bytes = read_file(file)?;
            let text = String::from_utf8(bytes)
                .map_err(|_| Failure::usage(format!("{} is not UTF-8", file.display())))?;
            let mut definition = Definition::parse(&text, file).map_err(Failure::usage)?;
            definition.connect.headers_env.extend(headers_env);
            self.tell(&mut definition);
            let folder = match file.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
                _ => here(),
            };
            return Ok(Chosen::own(definition, folder));
        }
        if !self.header_env.is_empty() || self.clock.is_some() {
            return Err(Failure::usage(
                "--header-env and --clock are for a runtime of your own; name it with --command, --url or --target",
            ));
        }
        let asking = Asking {
            wire: self.model_wire.unwrap_or_default(),
            stream: self.model_stream,
        };
        Ok(match &self.mutant {
            Some(name) => Chosen::Mutant(name.clone(), asking),
            None => Chosen::Reference(asking),
        })
    }

    /// Puts into a definition how the model is asked, where that was said by option.
    fn tell(&self, definition: &mut Definition) {
        if let Some(wire) = self.model_wire {
            definition.inject.model_wire = wire;
        }
        definition.inject.model_stream |= self.model_stream;
    }

    /// These options again, for the command that repeats a run.
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut add = |flag: &str, value: Option<String>| {
            if let Some(value) = value {
                let quoted = shlex::try_quote(&value).map(|quoted| quoted.into_owned());
                words.push(format!("{flag} {}", quoted.unwrap_or(value)));
            }
        };
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let address = |address: Option<SocketAddr>| address.map(|address| address.to_string());
        add("--command", self.command.clone());
        add("--stdio", self.stdio.clone());
        add("--transcripts", path(&self.transcripts));
        add("--url", self.url.clone());
        add("--target", path(&self.target));
        for (name, variable) in &self.header_env {
            add("--header-env", Some(format!("{name}={variable}")));
        }
        add("--model-wire", self.model_wire.map(|wire| wire.to_string()));
        add("--model-listen", address(self.model_listen));
        add("--calendar-listen", address(self.calendar_listen));
        add("--objects-listen", address(self.objects_listen));
        add("--files", path(&self.files));
        add("--clock", self.clock.clone());
        add("--pid", self.pid.map(|pid| pid.to_string()));
        add("--mutant", self.mutant.clone());
        for (flag, given) in [
            ("--reference", self.reference),
            ("--model-stream", self.model_stream),
            ("--allow-destructive", self.allow_destructive),
        ] {
            if given {
                words.push(flag.to_owned());
            }
        }
        words
    }
}

impl Chosen {
    fn own(definition: Definition, folder: PathBuf) -> Self {
        Self::Own(Box::new(Own {
            definition,
            folder,
            listen: Listen::default(),
            pid: None,
        }))
    }
}
