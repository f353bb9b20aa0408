//! Tests of WASI: most call it as a module would, with a piece of memory; [`abi`] goes through modules.

mod abi;
mod directories;
mod files;
mod paths;
mod process;
mod properties;
mod run;
