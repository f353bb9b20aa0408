//! The command line: parse, dispatch, exit. One file a subcommand; the only place with doors to all rooms.

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

mod coverage;
mod eval;
mod failure;
mod harness;
mod list;
mod mock;
mod run;
mod sandbox;
mod selftest;
mod serve;

use failure::Failure;

const AFTER_HELP: &str = "\
Exit codes:
  0  conformant, or the command did what it was asked
  1  a requirement is violated, or a check of this command failed
  2  wrong usage, or a case or document that cannot be read
  3  the target cannot be reached, or never became ready
  4  incomplete: an applicable MUST was not observed
  5  the harness itself failed

Start with: oap-conform run";

/// Conformance suite, validator toolkit and reference interpreter of the Open-Action Protocol 2.0
#[derive(Debug, Parser)]
#[command(name = "oap-conform", version, after_help = AFTER_HELP, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Judge a runtime: the reference, or the one at --url
    Run(run::Run),
    /// Prove that every check can fail: null targets and mutants
    Selftest(selftest::Selftest),
    /// Show which requirements and mission rows are judged
    Coverage(coverage::CoverageCommand),
    /// List the cases
    List(list::List),
    /// Show one case: what it sends, what it expects, which clause it judges
    Show(list::Show),
    /// Explain one requirement: its clause, its cases, its mutants
    Explain(list::Explain),
    /// Evaluate an expression, or resolve a template, over a state
    Eval(eval::Eval),
    /// Run the reference interpreter
    Serve(serve::Serve),
    /// Show what runs code of manifests, and try it
    Sandbox(sandbox::SandboxCommand),
    /// Run the scripted model and the mock services on their own
    Mock(mock::Mock),
}

/// How a command prints its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs; the schema is in spec/schemas
    Json,
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::harness(format!("cannot start the async runtime: {error}")))
        .and_then(|runtime| {
            let done = runtime.block_on(dispatch(arguments.command));
            // What still runs belongs to nobody any more.
            runtime.shutdown_background();
            done
        });
    match done {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            eprintln!("error: {}", failure.message);
            ExitCode::from(failure.code)
        }
    }
}

async fn dispatch(command: Command) -> Result<u8, Failure> {
    match command {
        Command::Run(run) => run.execute().await,
        Command::Selftest(selftest) => selftest.execute().await,
        Command::Coverage(coverage) => coverage.execute(),
        Command::List(list) => list.execute(),
        Command::Show(show) => show.execute(),
        Command::Explain(explain) => explain.execute(),
        Command::Eval(eval) => eval.execute(),
        Command::Serve(serve) => serve.execute().await,
        Command::Sandbox(sandbox) => sandbox.execute(),
        Command::Mock(mock) => mock.execute().await,
    }
}
