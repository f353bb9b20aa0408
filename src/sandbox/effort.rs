//! How long compiling a function can take, guessed before it is compiled: a compile cannot be stopped once it runs.
//!
//! Compiling typical code takes time in proportion to its bytes, but there are kilobytes of code that take minutes: thousands of
//! paths in one function, variables that change on many of them, and deeply nested loops cost their squares and products. The
//! guess was fitted to code made for this, and is right within a factor of four; one unit stands for about a microsecond of a
//! development build, a third of it in a release.

use wasmparser::{BinaryReaderError, BlockType, FunctionBody, Operator};

/// Bytes of a function beyond which the time for each byte has doubled.
const DOUBLES: u64 = 10_000;

/// What a function costs that does nothing.
const EMPTY: u64 = 45;

/// Values that a block with a type of its own may carry in and out, at most.
const WIDEST: u64 = 108;

/// Guesses the effort for one function with so many parameters at most, in units. Its length and the number of its variables must
/// be bounded already.
///
/// # Errors
/// When its code cannot be read.
pub(super) fn guess(body: &FunctionBody<'_>, parameters: usize) -> Result<u64, BinaryReaderError> {
    let bytes = body.as_bytes().len() as u64;
    let shape = Shape::of(body, parameters)?;
    // Values of a variable meet where paths do; variables that are set once meet seldom.
    let changing = shape.changed.min(10 * shape.changes / shape.changed.max(1));
    let meeting = shape
        .paths
        .saturating_mul(shape.changes)
        .saturating_mul(changing)
        / 250;
    // Whether or not the code sets any, the compiler keeps values of its own.
    let parting = shape.paths.saturating_mul(shape.paths) / 4;
    let looping = shape.loops.saturating_mul(shape.changed + 2);
    // Blocks that carry values on the stack are like variables that change wherever a path leads into or out of them.
    let carried = match shape.carrying {
        0 => 0,
        blocks => WIDEST.saturating_mul(blocks + shape.paths),
    };
    let carrying = carried.saturating_mul(carried) / 250;
    Ok(EMPTY
        .saturating_add(bytes + bytes * bytes / DOUBLES)
        .saturating_add(meeting)
        .saturating_add(parting)
        .saturating_add(looping)
        .saturating_add(carrying)
        .saturating_add(shape.blocks / 350))
}

/// What the effort depends on besides the length.
#[derive(Default)]
struct Shape {
    /// Places where paths part or meet.
    paths: u64,
    /// Times that variables are set.
    changes: u64,
    /// Variables that are set at all.
    changed: u64,
    /// Blocks that carry more than one value, or take any.
    carrying: u64,
    /// For each loop, how many it stands in, itself included; all together.
    loops: u64,
    /// The same for all blocks.
    blocks: u64,
}

impl Shape {
    fn of(body: &FunctionBody<'_>, parameters: usize) -> Result<Self, BinaryReaderError> {
        let mut shape = Self::default();
        let mut variables = parameters;
        for group in body.get_locals_reader()? {
            variables = variables.saturating_add(usize::try_from(group?.0).unwrap_or(0));
        }
        let mut set = vec![false; variables];
        // Whether each open block is a loop.
        let mut open: Vec<bool> = Vec::new();
        let mut loops = 0_u64;
        for operator in body.get_operators_reader()? {
            let operator = operator?;
            if let Operator::Block { blockty }
            | Operator::Loop { blockty }
            | Operator::If { blockty } = &operator
                && matches!(blockty, BlockType::FuncType(_))
            {
                shape.carrying += 1;
            }
            match operator {
                Operator::Block { .. } | Operator::If { .. } => {
                    shape.paths += 1;
                    open.push(false);
                    shape.blocks += open.len() as u64;
                }
                Operator::Loop { .. } => {
                    shape.paths += 1;
                    open.push(true);
                    loops += 1;
                    shape.blocks += open.len() as u64;
                    shape.loops += loops;
                }
                Operator::End => loops -= u64::from(open.pop() == Some(true)),
                // An indirect call asks first whether its table was filled.
                Operator::Else
                | Operator::BrIf { .. }
                | Operator::BrTable { .. }
                | Operator::CallIndirect { .. } => shape.paths += 1,
                Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                    shape.changes += 1;
                    let seen = usize::try_from(local_index).ok();
                    // One that does not exist is for the validator to refuse.
                    if let Some(seen) = seen.and_then(|index| set.get_mut(index))
                        && !std::mem::replace(seen, true)
                    {
                        shape.changed += 1;
                    }
                }
                _ => {}
            }
        }
        Ok(shape)
    }
}
