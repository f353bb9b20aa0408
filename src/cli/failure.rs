//! Why a command did not do what it was asked, with the exit code that says of which kind.

use std::path::Path;

use crate::suite::load::LoadError;
use crate::suite::verdict::{ExitCode, RunError};

/// Ends a command: one message for people, one code for programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// What to do about it.
    pub message: String,
    /// What the process ends with.
    pub code: u8,
}

impl Failure {
    /// Wrong usage, or a document that cannot be used.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ExitCode::Usage, message)
    }

    /// The harness itself is at fault.
    pub fn harness(message: impl Into<String>) -> Self {
        Self::new(ExitCode::Harness, message)
    }

    /// An address that cannot be listened on, or a target that does not answer.
    pub fn unreachable(message: impl Into<String>) -> Self {
        Self::new(ExitCode::Unreachable, message)
    }

    /// Case files that cannot be used, all of them.
    pub fn cases(errors: &[LoadError]) -> Self {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Self::usage(format!(
            "{} in the case files:\n{}",
            plural(errors.len(), "error"),
            lines.join("\n")
        ))
    }

    fn new(code: ExitCode, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: code.number(),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        Self {
            code: error.exit_code().number(),
            message: error.to_string(),
        }
    }
}

/// A count with its noun.
pub(super) fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Largest file the command line reads, in bytes.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// Reads a file that the user named.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let cannot =
        |reason: String| Failure::usage(format!("cannot read {}: {reason}", path.display()));
    let bytes = read_bounded(path, MOST_BYTES).map_err(cannot)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(cannot(format!("it is larger than {MOST_BYTES} bytes")));
    }
    Ok(bytes)
}

/// Reads at most `most` bytes of a file, and one more where there are more.
///
/// # Errors
/// Why it cannot be read, without its name.
pub(super) fn read_bounded(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    use std::io::Read as _;
    a_file(path)?;
    let read = || {
        let mut bytes = Vec::new();
        std::fs::File::open(path)?
            .take(most.saturating_add(1))
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|error: std::io::Error| error.to_string())
}

/// Refuses a folder, and a pipe in the file system, which could keep who opens it for ever. Those that a shell hands over are meant.
fn a_file(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::FileTypeExt as _;
    let handed = ["/dev/", "/proc/"]
        .iter()
        .any(|root| path.starts_with(root));
    match std::fs::metadata(path) {
        Ok(about) if about.file_type().is_fifo() && !handed => {
            Err("it is a pipe; name a file".to_owned())
        }
        Ok(about) if about.is_dir() => Err("it is a folder; name a file".to_owned()),
        _ => Ok(()),
    }
}
