//! How long compiling a function can take, guessed before it is compiled: a compile cannot be stopped once it runs.
//!
//! Compiling typical code takes time in proportion to its bytes, but there are kilobytes of code that take minutes: thousands of
//! paths in one function, variables that change on many of them, deeply nested loops, and tables of branches that meet others
//! cost their squares and products; a few instructions become calls out of the code, each as long as a hundred others. The guess
//! was fitted to code made for this, and is right within a factor of four; one unit stands for about a microsecond of a
//! development build, a third of it in a release. Where compiling takes more memory than time (four units for a KiB), it is that
//! which is guessed.

use wasmparser::{BinaryReaderError, BlockType, FunctionBody, Operator};

/// Bytes of a function beyond which the time for each byte has doubled.
const DOUBLES: u64 = 10_000;

/// What a function costs that does nothing.
const EMPTY: u64 = 45;

/// Values that a block with a type of its own may carry in and out, at most.
const WIDEST: u64 = 108;

/// The same for a branch out of a block, as far as a table's are concerned.
const WIDEST_RESULT: u64 = 8;

/// For each variable, what it costs that one more table leads to a place where paths meet, and one more entry of a table.
const JOIN: u64 = 60;
const ENTRY: u64 = 4;

/// What is known of a function before it is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Guess {
    /// The effort, in units, but for what follows.
    pub(super) units: u64,
    /// That for branch tables and for calls out of the code, in units: typical code has little of either.
    pub(super) knots: u64,
    /// Entries of all its branch tables.
    pub(super) entries: u64,
}

/// Guesses the effort for one function with so many parameters at most. Its length and the number of its variables must be
/// bounded already.
///
/// # Errors
/// When its code cannot be read.
pub(super) fn guess(
    body: &FunctionBody<'_>,
    parameters: usize,
) -> Result<Guess, BinaryReaderError> {
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
    // A table hands every variable to each place where its paths meet others, entry by entry.
    let values = shape.changed + 1 + if shape.carrying > 0 { WIDEST_RESULT } else { 0 };
    let switching = (JOIN * shape.joins + ENTRY * shape.entries).saturating_mul(values);
    let units = EMPTY
        .saturating_add(bytes + bytes * bytes / DOUBLES)
        .saturating_add(meeting)
        .saturating_add(parting)
        .saturating_add(looping)
        .saturating_add(carrying)
        .saturating_add(shape.blocks / 350);
    Ok(Guess {
        units,
        knots: switching.saturating_add(shape.calls_out),
        entries: shape.all_entries,
    })
}

/// What an instruction costs beyond its bytes because it becomes a call out of the code, in units.
fn call_out(operator: &Operator<'_>) -> u64 {
    match operator {
        Operator::TableCopy { .. } => 2000,
        Operator::TableInit { .. } => 1500,
        Operator::TableGrow { .. } => 1000,
        Operator::TableFill { .. } => 900,
        Operator::MemoryInit { .. } => 500,
        Operator::MemoryGrow { .. } | Operator::TableGet { .. } => 450,
        Operator::MemoryCopy { .. } | Operator::MemoryFill { .. } => 250,
        Operator::CallIndirect { .. } => 100,
        Operator::TableSet { .. }
        | Operator::RefFunc { .. }
        | Operator::DataDrop { .. }
        | Operator::ElemDrop { .. } => 30,
        _ => 0,
    }
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
    /// For each place where paths meet, the tables that lead there; all together.
    joins: u64,
    /// The same for the entries of those tables.
    entries: u64,
    /// Entries of all tables.
    all_entries: u64,
    /// What calls out of the code cost.
    calls_out: u64,
}

/// An open block, whose end, or beginning if it is a loop, can be branched to.
#[derive(Default)]
struct Open {
    is_loop: bool,
    /// Instructions that branch there.
    branches: u64,
    /// Those of them that are tables, and the entries that they have for it.
    tables: u64,
    entries: u64,
    /// The table that was counted last.
    last_table: u64,
}

impl Shape {
    fn of(body: &FunctionBody<'_>, parameters: usize) -> Result<Self, BinaryReaderError> {
        let mut shape = Self::default();
        let mut variables = parameters;
        for group in body.get_locals_reader()? {
            variables = variables.saturating_add(usize::try_from(group?.0).unwrap_or(0));
        }
        let mut set = vec![false; variables];
        // The function itself is the outermost block.
        let mut open = vec![Open::default()];
        let mut loops = 0_u64;
        let mut tables = 0_u64;
        // Whether what follows cannot be come to from above.
        let mut cut_off = false;
        for operator in body.get_operators_reader()? {
            let operator = operator?;
            shape.calls_out += call_out(&operator);
            if let Operator::Block { blockty }
            | Operator::Loop { blockty }
            | Operator::If { blockty } = &operator
                && matches!(blockty, BlockType::FuncType(_))
            {
                shape.carrying += 1;
            }
            match operator {
                Operator::Block { .. } | Operator::If { .. } | Operator::Loop { .. } => {
                    let is_loop = matches!(operator, Operator::Loop { .. });
                    shape.paths += 1;
                    shape.blocks += open.len() as u64;
                    open.push(Open {
                        is_loop,
                        // Past an `if` to its end, unless there is an `else`.
                        branches: u64::from(matches!(operator, Operator::If { .. })),
                        ..Open::default()
                    });
                    if is_loop {
                        loops += 1;
                        shape.loops += loops;
                    }
                }
                Operator::End => {
                    if let Some(ended) = open.pop() {
                        loops -= u64::from(ended.is_loop);
                        // The end of the function passes its results on only.
                        if !open.is_empty() {
                            shape.ended(&ended, cut_off);
                        }
                    }
                    cut_off = false;
                }
                // From above it the end is come to, if it is not cut off; past the `if`, what follows here.
                Operator::Else => {
                    shape.paths += 1;
                    if let Some(open) = open.last_mut().filter(|_| cut_off) {
                        open.branches = open.branches.saturating_sub(1);
                    }
                    cut_off = false;
                }
                Operator::Br { relative_depth } => {
                    branch(&mut open, relative_depth);
                    cut_off = true;
                }
                Operator::BrIf { relative_depth } => {
                    shape.paths += 1;
                    branch(&mut open, relative_depth);
                }
                Operator::BrTable { targets } => {
                    tables += 1;
                    shape.paths += 1;
                    let default = std::iter::once(Ok(targets.default()));
                    for depth in targets.targets().chain(default) {
                        shape.all_entries += 1;
                        let Some(target) = at(&mut open, depth?) else {
                            continue;
                        };
                        target.entries += 1;
                        if target.last_table != tables {
                            target.last_table = tables;
                            target.tables += 1;
                            target.branches += 1;
                        }
                    }
                    cut_off = true;
                }
                Operator::Return | Operator::Unreachable => cut_off = true,
                // Asks first whether its table was filled.
                Operator::CallIndirect { .. } => shape.paths += 1,
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

    /// A block was closed; what is above its end falls through unless it is cut off.
    fn ended(&mut self, block: &Open, cut_off: bool) {
        let falls_in = block.is_loop || !cut_off;
        // Where one instruction alone leads, nothing meets.
        if block.branches + u64::from(falls_in) > 1 {
            self.joins += block.tables;
            self.entries += block.entries;
        }
    }
}

/// The block that a branch of this depth leads to; one that does not exist is for the validator to refuse.
fn at(open: &mut [Open], depth: u32) -> Option<&mut Open> {
    let depth = usize::try_from(depth).ok()?;
    let place = open.len().checked_sub(depth.checked_add(1)?)?;
    open.get_mut(place)
}

fn branch(open: &mut [Open], depth: u32) {
    if let Some(target) = at(open, depth) {
        target.branches += 1;
    }
}

#[cfg(test)]
mod tests;
