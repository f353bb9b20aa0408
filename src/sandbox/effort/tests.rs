//! Code that compilers choke on, and code of compilers. Nothing is timed: what the guess says of the former was measured once.

use std::fmt::Write as _;

use wasmparser::{Parser, Payload};

use super::{Guess, guess};

use super::super::intake::{MOST_EFFORT, MOST_KNOTS};

/// The guess for the function of a module that has one.
fn of(wat: &str) -> Guess {
    let module = wat::parse_str(wat).expect("reads");
    let mut guesses = Parser::new(0).parse_all(&module).filter_map(|payload| {
        let Payload::CodeSectionEntry(body) = payload.expect("a section") else {
            return None;
        };
        Some(guess(&body, 100).expect("a guess"))
    });
    guesses.next().expect("a function")
}

/// How much of what a module may cost this costs, in hundredths.
fn share(wat: &str) -> u64 {
    let guess = of(wat);
    (100 * guess.units / MOST_EFFORT).max(100 * guess.knots / MOST_KNOTS)
}

/// Tables of so many entries each, over so many blocks, behind an `if` that sets all variables.
fn tables(tables: usize, entries: usize, blocks: usize, variables: usize) -> String {
    let mut body = format!("(param i32) (local {})", "i32 ".repeat(variables));
    body.push_str(&"block ".repeat(blocks));
    for _ in 0..tables {
        body.push_str("local.get 0 if ");
        for variable in 1..=variables {
            let _ = write!(body, "local.get 0 local.set {variable} ");
        }
        body.push_str("local.get 0 br_table ");
        for entry in 0..entries {
            // Out of the `if` and some blocks.
            let _ = write!(body, "{} ", 1 + entry % blocks);
        }
        body.push_str("1 end ");
    }
    body.push_str(&"end ".repeat(blocks));
    for variable in 1..=variables {
        let _ = write!(body, "local.get {variable} drop ");
    }
    format!("(module (func {body}))")
}

/// A `switch` as compilers make it: one table, a block for each case, which sets variables and goes to the end or back to the
/// beginning.
fn switch(cases: usize, variables: usize, again: bool) -> String {
    let mut body = format!("(param i32) (local {}) ", "i32 ".repeat(variables));
    body.push_str(if again { "block loop " } else { "block " });
    body.push_str(&"block ".repeat(cases));
    body.push_str("local.get 0 br_table ");
    for case in 0..cases {
        let _ = write!(body, "{case} ");
    }
    let _ = write!(body, "{} ", cases + usize::from(again));
    for case in 0..cases {
        let (one, other) = (1 + case % variables, 1 + (case * 7 + 3) % variables);
        let _ = write!(
            body,
            "end local.get {one} i32.const {case} i32.add local.set {other} local.get 0 i32.load local.set {one} br {} ",
            cases - 1 - case
        );
    }
    body.push_str(if again { "end end" } else { "end" });
    format!("(module (memory 1) (func {body}))")
}

/// A function that does nothing but this.
fn repeated(instructions: &str, times: usize) -> String {
    format!(
        "(module (memory 1) (table 1 funcref) (data \"x\") (elem func 0) (func (param i32) {}))",
        instructions.repeat(times)
    )
}

#[test]
fn tables_that_lead_to_where_others_lead_cost_their_products() {
    // Each took seconds and hundreds of MiB.
    for (many, entries, blocks, variables) in [
        (15, 1000, 64, 64),
        (6, 1000, 64, 256),
        (70, 60, 60, 64),
        (30, 1000, 2, 64),
        (3, 500, 500, 64),
    ] {
        let guess = share(&tables(many, entries, blocks, variables));
        assert!(
            guess > 100,
            "{many} {entries} {blocks} {variables}: {guess}"
        );
    }
    let few = share(&tables(2, 50, 10, 20));
    assert!(few < 5, "{few}");
}

#[test]
fn a_switch_of_a_compiler_costs_little() {
    for again in [false, true] {
        let guess = of(&switch(500, 40, again));
        assert_eq!(guess.entries, 501);
        assert!(share(&switch(500, 40, again)) < 20, "{guess:?}");
    }
}

#[test]
fn instructions_that_become_calls_out_cost_what_calls_do() {
    for (instructions, most) in [
        ("local.get 0 memory.grow drop ", 12_000),
        ("ref.null func local.get 0 table.grow drop ", 5_000),
        ("local.get 0 table.get drop ", 12_000),
        ("local.get 0 local.get 0 local.get 0 memory.copy ", 24_000),
        ("local.get 0 local.get 0 local.get 0 memory.fill ", 24_000),
        ("local.get 0 local.get 0 local.get 0 memory.init 0 ", 12_000),
        ("local.get 0 local.get 0 local.get 0 table.copy ", 2_500),
        ("local.get 0 ref.null func local.get 0 table.fill ", 6_000),
        ("local.get 0 local.get 0 local.get 0 table.init 0 ", 3_500),
        ("i32.const 0 local.get 0 call_indirect (param i32) ", 6_000),
    ] {
        let guess = share(&repeated(instructions, most));
        assert!(guess > 100, "{instructions}: {guess}");
        let few = share(&repeated(instructions, 100));
        assert!(few < 10, "{instructions}: {few}");
    }
}

#[test]
fn ends_that_one_table_alone_leads_to_are_no_joins() {
    let joins = |body: &str| of(&format!("(module (func (param i32) {body}))")).knots;
    let alone = joins("block block local.get 0 br_table 0 1 0 end unreachable end");
    let fallen_into = joins("block block local.get 0 br_table 0 1 0 end nop end");
    assert!(fallen_into > alone, "{alone} {fallen_into}");
    let past_an_if = joins("local.get 0 if local.get 0 br_table 0 0 end");
    let past_no_if = joins("local.get 0 if local.get 0 br_table 0 0 else unreachable end");
    assert!(past_an_if > past_no_if, "{past_an_if} {past_no_if}");
}
