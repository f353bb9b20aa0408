//! WASI preview 1 for one run, without a host behind it.
//!
//! Files are in memory, the clock moves only by sleeping, chance comes from a seed, and there is neither environment nor network: equal
//! calls get equal answers in any process (`spec/sandbox.md`, sections 2 and 5), and a path has nothing of the host to lead to.
//!
//! What a module hands over is checked before anything happens: a call that fails has changed nothing in the files. No single call
//! takes long, since a module cannot be stopped while it is in one.

mod abi;
mod clock;
mod descriptor_calls;
mod descriptors;
mod errno;
mod memory;
mod output;
mod path;
mod path_calls;
mod poll;
mod process_calls;
mod random;
mod stat;
mod tree;

#[cfg(test)]
mod tests;

use std::fmt;

pub(super) use abi::{FUNCTIONS, link};

use super::job::Limits;
use clock::Clock;
use descriptors::Descriptors;
use output::Output;
use random::Stream;
use tree::Tree;

/// What WASI keeps for one run.
pub(super) struct Wasi {
    tree: Tree,
    descriptors: Descriptors,
    clock: Clock,
    random: Stream,
    output: Output,
    exit: Option<u32>,
}

impl Wasi {
    /// The state at the start of a run: `/lib` at descriptor 3 and `/tmp` at 4, both empty, the clock at `clock_ns` nanoseconds since
    /// 1970.
    pub(super) fn new(limits: &Limits, clock_ns: u64, seed: [u8; 32]) -> Self {
        Self {
            tree: Tree::new(limits.file_bytes, limits.files, clock_ns),
            descriptors: Descriptors::preopened(),
            clock: Clock::starting_at(clock_ns),
            random: Stream::new(seed),
            output: Output::keeping(limits.logs),
            exit: None,
        }
    }

    /// Standard output and standard error in the order of writing, cut at the limit; what is not UTF-8 is replaced.
    pub(super) fn take_logs(&mut self) -> String {
        self.output.take()
    }

    /// The status that the code ended the program with, if it did.
    pub(super) fn exit_code(&self) -> Option<u32> {
        self.exit
    }
}

/// The error that `proc_exit` unwinds a module with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exit(pub(super) u32);

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the code ended the program with status {}", self.0)
    }
}

impl std::error::Error for Exit {}
