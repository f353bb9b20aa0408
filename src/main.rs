//! `oap-conform`: the command line. Everything it does is in the library.

use std::process::ExitCode;

// Documents are many small values: with this allocator a fifth of the time of `lint` is saved.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    oap_conform::cli::main()
}
