//! `lsp`: what `lint` finds, told to an editor while somebody writes.

use std::io::{self, BufReader};
use std::path::PathBuf;

use clap::Args;

use super::lint;
use crate::cli::failure::Failure;
use crate::lsp;

/// Arguments of `lsp`.
#[derive(Debug, Args)]
#[command(after_help = "\
The editor starts this command and speaks the Language Server Protocol 3.17 with it over standard input and output: diagnostics, \
hover with the clause, completion of members and action names, and changes that mend findings, for JSON and YAML.

The rules are those of 'lint', with its configuration: oap-lint.toml of the folder the editor starts this in, or --config. Where that \
says no preset, the editor chooses one by the initialization option
  {\"preset\": \"spec\" | \"recommended\" | \"strict\"}

Exit codes: 0 after 'shutdown' and 'exit', 1 when the editor goes without, 2 when what comes is not the protocol")]
pub struct Lsp {
    /// Configuration of the rules [default: ./oap-lint.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Accepted because many editors add it; there is no other way
    #[arg(long)]
    stdio: bool,
}

impl Lsp {
    /// Serves until the editor says `exit` or goes.
    pub async fn execute(self) -> Result<u8, Failure> {
        let Self { config, stdio: _ } = self;
        let (path, text) = lint::config_text(config.as_deref())?;
        let config = lint::read_config(&path, &text)?;
        let folder = std::env::current_dir().unwrap_or_default();
        let server = lsp::Server::new(config, &folder).with_loader(lint::told);
        let served = tokio::task::spawn_blocking(move || {
            // A handle that is not locked can be sent to the thread.
            let mut input = BufReader::new(io::stdin());
            let mut output = io::stdout();
            lsp::serve(server, &mut input, &mut output)
        });
        match served.await {
            Ok(Ok(code)) => Ok(code),
            Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => Err(Failure::usage(
                format!("standard input: {error}; an editor starts this command"),
            )),
            // The editor closed its end while it was being answered.
            Ok(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(1),
            Ok(Err(error)) => Err(Failure::harness(format!(
                "cannot talk to the editor: {error}"
            ))),
            Err(error) => Err(Failure::harness(format!("the server ended: {error}"))),
        }
    }
}
