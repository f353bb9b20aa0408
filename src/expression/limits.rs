//! The bounds of expressions and of their evaluation (`spec/expressions.md`, section 6), and the meter that holds an evaluation to them.

use super::error::{Fault, Reason};

/// Longest text of one expression, in bytes (EXP-027).
pub const TEXT: usize = 4096;

/// Deepest nesting of parentheses, brackets and prefix operators (EXP-027).
pub const LEVELS: usize = 64;

/// Most steps of one evaluation (EXP-028).
pub const STEPS: u32 = 10_000;

/// Longest text that `+`, `join` and `tojson` make, largest array that is a result, and largest resolved input, in bytes.
pub const MADE: usize = 1024 * 1024;

/// Most text that one evaluation may make, in bytes. Steps do not see how long a text is: without this bound, six
/// hundred `upper` over a text of 1 MiB would be six hundred steps and some seconds.
const WORK: usize = 16 * MADE;

/// Reading a text costs this much less than making one of the same length.
const READING: usize = 16;

/// Most steps that all templates of one value may take together.
const TEMPLATE_STEPS: u32 = 1_000_000;

/// Deepest value that is compared, printed or copied; JSON readers stop long before.
pub(super) const VALUE_LEVELS: usize = 256;

pub(super) const TOO_DEEP: Fault = Fault::new(
    Reason::Limit,
    "the value is nested too deep; read a part of it",
);

const TOO_MANY_STEPS: Fault = Fault::new(
    Reason::Limit,
    "the evaluation needs more than 10000 steps; read a smaller part of the state",
);

const TOO_MUCH_TEXT: Fault = Fault::new(
    Reason::Limit,
    "the evaluation handles too much text; read a smaller part of the state",
);

/// What an evaluation may still do.
#[derive(Debug, Clone)]
pub(super) struct Meter {
    steps: u32,
    work: usize,
}

impl Meter {
    pub(super) fn new() -> Self {
        Self {
            steps: STEPS,
            work: WORK,
        }
    }

    /// Counts one step.
    pub(super) fn step(&mut self) -> Result<(), Fault> {
        self.steps = self.steps.checked_sub(1).ok_or(TOO_MANY_STEPS)?;
        Ok(())
    }

    /// Refuses what would need `count` steps more than are left, before any of them is taken.
    pub(super) fn foresee(&self, count: usize) -> Result<(), Fault> {
        if u32::try_from(count).is_ok_and(|count| count <= self.steps) {
            Ok(())
        } else {
            Err(TOO_MANY_STEPS)
        }
    }

    /// Counts a text of so many bytes that is made.
    pub(super) fn made(&mut self, bytes: usize) -> Result<(), Fault> {
        self.work = self.work.checked_sub(bytes).ok_or(TOO_MUCH_TEXT)?;
        Ok(())
    }

    /// Counts a text of so many bytes that is searched or compared.
    pub(super) fn read(&mut self, bytes: usize) -> Result<(), Fault> {
        self.made(bytes / READING)
    }

    /// Steps taken so far.
    pub(super) fn steps_taken(&self) -> u32 {
        STEPS - self.steps
    }

    /// Text handled so far.
    fn work_done(&self) -> usize {
        WORK - self.work
    }
}

/// What the templates of one value may still do together.
#[derive(Debug)]
pub(super) struct Allowance {
    steps: u32,
    work: usize,
}

impl Allowance {
    pub(super) fn new() -> Self {
        Self {
            steps: TEMPLATE_STEPS,
            work: WORK,
        }
    }

    /// Counts a finished evaluation.
    pub(super) fn charge(&mut self, meter: &Meter) -> Result<(), Fault> {
        let spent = Fault::new(
            Reason::Limit,
            "the templates of one input need too many steps together; write fewer or smaller ones",
        );
        self.steps = self.steps.checked_sub(meter.steps_taken()).ok_or(spent)?;
        self.work = self.work.checked_sub(meter.work_done()).ok_or(spent)?;
        Ok(())
    }
}
