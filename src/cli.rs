//! The command line: parse, dispatch, exit. One file a subcommand; the only place with doors to all rooms.

use std::process::ExitCode;

use crate::suite::report::text::lines;
use clap::{Parser, Subcommand, ValueEnum};

mod baseline;
mod bench;
mod coverage;
mod diff;
mod doctor;
mod documents;
mod eval;
mod failure;
mod fuzz;
mod gate;
mod harness;
mod init;
mod list;
mod merge;
mod mock;
mod output;
mod report;
mod revision;
mod run;
mod sandbox;
mod selftest;
mod serve;
mod watch;

use failure::Failure;

const AFTER_HELP: &str = "\
Exit codes:
  0  conformant, or nothing failed but what the baseline expects, or the command did what it was asked
  1  a requirement is violated, a case is flaky, the baseline is out of date, or a check of this command failed
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
    /// Judge a runtime: yours, or the built-in reference
    Run(run::Run),
    /// Write the files that judging a runtime of your own takes
    Init(init::Init),
    /// Say why a target is not ready to be judged, and what to do
    Doctor(doctor::Doctor),
    /// Prove that every check can fail: null targets and mutants
    Selftest(selftest::Selftest),
    /// Try generated worlds on a runtime: manifests, models, services and clients that no case thought of
    Fuzz(fuzz::Fuzz),
    /// Load one runtime or several, and look at every answer: latency, throughput, processor time, memory
    Bench(bench::Bench),
    /// Show which requirements and mission rows are judged
    Coverage(coverage::CoverageCommand),
    /// Write a report that 'run' wrote as JSON in another form
    Report(report::ReportCommand),
    /// Compare two reports: what got better, worse, new, gone
    Diff(diff::DiffCommand),
    /// Join the reports of shards to one
    Merge(merge::MergeCommand),
    /// Write down failures that are known and accepted for now
    Baseline(baseline::BaselineCommand),
    /// Show what counted when a revision of the protocol was released, or freeze a new one
    Revision(revision::RevisionCommand),
    /// Hold manifests, plans, targets and cases against the rules, and mend what can be mended
    Lint(documents::lint::Lint),
    /// Serve an editor: diagnostics, hover, completion and changes for manifests, plans, targets and cases
    Lsp(documents::lsp::Lsp),
    /// Judge transcripts, without the runtime that they are of
    Verify(documents::verify::Verify),
    /// Say whether documents are what they should be: manifests, plans, messages
    Validate(documents::validate::Validate),
    /// Print the JSON Schema of a document or message
    Schema(documents::schema::SchemaCommand),
    /// Put documents in good order, saying the same as before
    Fmt(documents::fmt::Fmt),
    /// Join a manifest and the files it names to one document
    Bundle(documents::bundle::BundleCommand),
    /// Hold a plan against a manifest, without running it
    Compile(documents::compile::Compile),
    /// Write a manifest in the other spelling, or a plan as a node
    Convert(documents::convert::Convert),
    /// Write documents of any size, for tests and measurements
    Generate(documents::generate::Generate),
    /// List the cases
    List(list::List),
    /// Show one case: what it sends, what it expects, which clause it judges
    Show(list::Show),
    /// Explain a requirement, its clause, its cases, its mutants; or a rule of lint, with examples
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
    /// For programs; where there is a schema, it is in spec/schemas
    Json,
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        // What was typed is told again, and may be anything.
        Err(error) if error.use_stderr() => {
            eprint!("{}", lines(&error.render().to_string()));
            return u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
        }
        Err(error) => error.exit(),
    };
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
            eprintln!("error: {}", lines(&failure.message));
            ExitCode::from(failure.code)
        }
    }
}

async fn dispatch(command: Command) -> Result<u8, Failure> {
    match command {
        Command::Run(run) => run.execute().await,
        Command::Init(init) => init.execute(),
        Command::Doctor(doctor) => doctor.execute().await,
        Command::Selftest(selftest) => selftest.execute().await,
        Command::Fuzz(fuzz) => fuzz.execute().await,
        Command::Bench(bench) => bench.execute().await,
        Command::Coverage(coverage) => coverage.execute(),
        Command::Report(report) => report.execute(),
        Command::Diff(diff) => diff.execute(),
        Command::Merge(merge) => merge.execute(),
        Command::Baseline(baseline) => baseline.execute(),
        Command::Revision(revision) => revision.execute(),
        Command::Lint(lint) => lint.execute(),
        Command::Lsp(lsp) => lsp.execute().await,
        Command::Verify(verify) => verify.execute(),
        Command::Validate(validate) => validate.execute(),
        Command::Schema(schema) => schema.execute(),
        Command::Fmt(fmt) => fmt.execute(),
        Command::Bundle(bundle) => bundle.execute(),
        Command::Compile(compile) => compile.execute(),
        Command::Convert(convert) => convert.execute(),
        Command::Generate(generate) => generate.execute(),
        Command::List(list) => list.execute(),
        Command::Show(show) => show.execute(),
        Command::Explain(explain) => explain.execute(),
        Command::Eval(eval) => eval.execute(),
        Command::Serve(serve) => serve.execute().await,
        Command::Sandbox(sandbox) => sandbox.execute(),
        Command::Mock(mock) => mock.execute().await,
    }
}
