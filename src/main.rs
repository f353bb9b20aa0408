//! `oap-conform`: the command line. Everything it does is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    oap_conform::cli::main()
}
