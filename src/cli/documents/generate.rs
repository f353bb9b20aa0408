//! `oap-conform generate`: documents of any size, for tests and measurements.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use super::written;
use crate::cli::failure::Failure;
use crate::document::Format;
use crate::manifest::generate::{self, MOST_ACTIONS, MOST_BYTES, Order};
use crate::suite::transcript::generate::{self as transcripts, MOST_OF_A_SESSION};

/// How many bytes an action has, about, where only the size of the whole is given.
const BYTES_OF_AN_ACTION: usize = 2_200;

/// How many actions there are where nothing is given.
const USUAL_ACTIONS: usize = 15;

/// Most files of one call.
const MOST_FILES: u32 = 10_000;

/// Most steps of generated transcripts.
const MOST_STEPS: u64 = 1_000_000_000;

/// Options of `generate`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Generate {
    #[command(subcommand)]
    what: What,
}

/// What is generated.
#[derive(Debug, Subcommand)]
enum What {
    /// Write a manifest as large as you like; the same options give the same bytes
    Manifest(Manifests),
    /// Write transcripts as JSON lines, as many steps as you like; 'verify' finds nothing wrong with them
    Transcript(Transcripts),
}

impl Generate {
    /// Writes what was asked for.
    pub fn execute(self) -> Result<u8, Failure> {
        match self.what {
            What::Manifest(manifests) => manifests.write(),
            What::Transcript(transcripts) => transcripts.write(),
        }
    }
}

const AFTER_HELP: &str = "\
Within the protocol's bounds (1 MiB, 1000 actions) what is written is valid; beyond them it is meant
for trying out what becomes of it.

  oap-conform generate manifest --actions 200 --bytes 500kB > large.json
  oap-conform generate manifest --bytes 33kB --count 200 --into manifests/";

/// Options of `generate manifest`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
struct Manifests {
    /// How many actions [default: as many as the size has room for, or 15]
    #[arg(long, value_name = "N", value_parser = actions)]
    actions: Option<usize>,
    /// About how many bytes, as 500000, 500kB or 2MiB [default: what the actions take]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    bytes: Option<usize>,
    /// Another seed gives another manifest
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    /// How it is written
    #[arg(long, value_enum, default_value = "json")]
    format: Written,
    /// How many manifests, each with the next seed; needs --into
    #[arg(long, value_name = "K", requires = "into", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_FILES)))]
    count: Option<u32>,
    /// The folder that they are written into, as manifest-0001.json and so on; it is made where it is not there
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
}

/// Options of `generate transcript`.
#[derive(Debug, Args)]
struct Transcripts {
    /// How many steps, in as many sessions as that takes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MOST_STEPS))]
    steps: u64,
    /// Most steps of one session
    #[arg(long, value_name = "N", default_value_t = MOST_OF_A_SESSION, value_parser = clap::value_parser!(u64).range(1..=MOST_OF_A_SESSION))]
    steps_per_session: u64,
    /// Another seed gives other transcripts
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
}

impl Transcripts {
    fn write(self) -> Result<u8, Failure> {
        let order = transcripts::Order {
            steps: self.steps,
            of_a_session: self.steps_per_session,
            seed: self.seed,
        };
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        match transcripts::write(&order, &mut out).and_then(|()| out.flush()) {
            // Who reads may have seen enough.
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::usage(
                format!("cannot write to standard output: {error}"),
            )),
            _ => Ok(0),
        }
    }
}

/// How a manifest is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Written {
    /// JSON, a line for each member
    Json,
    /// YAML in the block style
    Yaml,
}

impl Manifests {
    fn write(self) -> Result<u8, Failure> {
        let (format, ending) = match self.format {
            Written::Json => (Format::Json, "json"),
            Written::Yaml => (Format::Yaml, "yaml"),
        };
        let fitting = self
            .bytes
            .map(|bytes| (bytes / BYTES_OF_AN_ACTION).clamp(1, MOST_ACTIONS));
        let actions = self.actions.or(fitting).unwrap_or(USUAL_ACTIONS);
        let made = |seed| {
            let order = Order {
                actions,
                bytes: self.bytes,
                seed,
            };
            generate::text(&order, format)
        };
        let Some(folder) = &self.into else {
            let written = std::io::stdout().write_all(made(self.seed).as_bytes());
            return match written {
                // Who reads may have seen enough.
                Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(
                    Failure::usage(format!("cannot write to standard output: {error}")),
                ),
                _ => Ok(0),
            };
        };
        let cannot = |path: &Path, error: std::io::Error| {
            Failure::usage(format!("cannot write {}: {error}", path.display()))
        };
        std::fs::create_dir_all(folder).map_err(|error| cannot(folder, error))?;
        for number in 1..=self.count.unwrap_or(1) {
            let path = folder.join(format!("manifest-{number:04}.{ending}"));
            let seed = self.seed.wrapping_add(u64::from(number - 1));
            written::to(&path, &made(seed)).map_err(|error| cannot(&path, error))?;
        }
        Ok(0)
    }
}

fn actions(text: &str) -> Result<usize, String> {
    let number = text.parse().ok();
    let fits = number.filter(|number| (1..=MOST_ACTIONS).contains(number));
    fits.ok_or_else(|| format!("write a number from 1 to {MOST_ACTIONS}"))
}

/// A number of bytes, with kB, MB, KiB or MiB behind it or nothing.
fn size(text: &str) -> Result<usize, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = match unit {
        "" | "B" => Some(1),
        "kB" | "k" => Some(1000),
        "KiB" => Some(1 << 10),
        "MB" | "M" => Some(1_000_000),
        "MiB" => Some(1 << 20),
        _ => None,
    };
    let bytes = number.parse::<usize>().ok().zip(unit);
    let bytes = bytes.and_then(|(number, unit)| number.checked_mul(unit));
    bytes
        .filter(|bytes| (1..=MOST_BYTES).contains(bytes))
        .ok_or_else(|| "write a size up to 64 MiB, such as 33kB, 500000 or 2MiB".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{actions, size};

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("1", 1),
            ("33kB", 33_000),
            ("2MiB", 2 << 20),
            ("20MB", 20_000_000),
            ("64MiB", 64 << 20),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "0",
            "kB",
            "-1",
            "1.5MB",
            "1 kB",
            "65MiB",
            "99999999999999999999",
            "9999999999999999MiB",
            "1GB",
        ] {
            assert!(size(text).is_err(), "{text}");
        }
        assert_eq!(actions("10000"), Ok(10_000));
        assert!(actions("0").is_err());
    }
}
