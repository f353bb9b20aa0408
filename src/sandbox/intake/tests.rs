//! Modules that are taken, and others that are not.

use std::fmt::Write as _;

use super::*;
use crate::sandbox::guests;
use crate::sandbox::job::Language;

fn refused(code: &str) -> String {
    let start: String = code.chars().take(80).collect();
    read(code, false).expect_err(&start).message
}

fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

#[test]
fn text_and_base64_are_read() {
    let empty = b"\0asm\x01\0\0\0";
    for code in [
        "(module)",
        " \n\t(module)",
        ";; a comment\n(module)",
        "(; one (; in ;) another ;) ;; and a third\r\n ( module $name)",
        &base64(empty),
        "AGFz\nbQEA\r\nAAA=\n",
    ] {
        assert_eq!(
            read(code, false).expect(code).get(..8),
            Some(&empty[..]),
            "{code}"
        );
    }
}

#[test]
fn what_is_no_module_is_refused_with_what_it_is() {
    for (code, said) in [
        ("", "does not begin with '\\0asm'"),
        ("print('x')", "neither WAT"),
        ("(component)", "neither WAT"),
        ("(; never closed (module)", "neither WAT"),
        (";; only a comment", "neither WAT"),
        ("AGFzbQEAAAA", "neither WAT"),
        ("(module", "the WAT text cannot be read"),
        ("(modules)", "the WAT text cannot be read"),
        ("(module (func) extra)", "the WAT text cannot be read"),
        (&base64(b"hello"), "does not begin with '\\0asm'"),
        (&base64(b"\0asm\x0d\0\x01\0"), "is a component"),
        (&base64(b"\0asm\x02\0\0\0"), "does not begin with '\\0asm'"),
        (&base64(b"\0asm\x01\0\0\0\x0a"), "does not validate"),
    ] {
        let message = refused(code);
        assert!(message.contains(said), "{code}: {message}");
        assert!(!message.contains('\n'), "{message}");
    }
}

#[test]
fn what_does_not_validate_or_is_too_new_is_refused() {
    for code in [
        "(module (func (result i32)))",
        "(module (memory i64 1))",
        "(module (memory 1) (memory 1))",
        "(module (memory 1 1 shared))",
        "(module (func return_call 0))",
        "(module (type (struct)))",
        "(module (tag))",
        "(module (func (param externref)))",
        "(module (memory 1 (pagesize 1)))",
        "(module (func (param v128) (result v128) local.get 0 local.get 0 f32x4.relaxed_min))",
    ] {
        let message = refused(code);
        assert!(message.contains("does not validate"), "{code}: {message}");
    }
}

#[test]
fn what_compilers_emit_is_taken() {
    read(
        r#"(module
            (memory (export "memory") 1)
            (table 2 funcref)
            (global $sp (mut i32) (i32.const 1024))
            (global i32 (i32.add (i32.const 1) (i32.const 2)))
            (data "x")
            (func $two (result i32 i32) i32.const 1 i32.const 2)
            (func (export "run") (param i32 i32) (result i64)
                (memory.copy (i32.const 0) (i32.const 8) (i32.const 8))
                (drop (i32.trunc_sat_f64_s (f64.const 1e300)))
                (drop (i32.extend8_s (i32.const 255)))
                (drop (i8x16.splat (i32.const 1)))
                i64.const 0))"#,
        false,
    )
    .expect("taken");
}

#[test]
fn only_what_is_given_can_be_imported() {
    let import = |what: &str| format!("(module (import {what}))");
    for name in wasi::FUNCTIONS {
        let code = import(&format!("\"wasi_snapshot_preview1\" \"{name}\" (func)"));
        read(&code, false).expect(name);
    }
    for (what, said) in [
        ("\"env\" \"f\" (func)", "imports env.f; only"),
        ("\"wasi_snapshot_preview1\" \"sock_connect\" (func)", "only"),
        ("\"wasi_unstable\" \"fd_write\" (func)", "only"),
        (
            "\"wasi_snapshot_preview1\" \"fd_write\" (global i32)",
            "is no function",
        ),
        ("\"env\" \"memory\" (memory 1)", "is no function"),
        ("\"oap\" \"http\" (func)", "no network is granted"),
        ("\"oap\" \"https\" (func)", "only"),
        ("\"a\\0a\\n\" \"f\" (func)", "imports a  .f; only"),
    ] {
        let message = refused(&import(what));
        assert!(message.contains(said), "{what}: {message}");
    }
    let http = import("\"oap\" \"http\" (func (param i32 i32) (result i64))");
    read(&http, true).expect("granted");
}

#[test]
fn more_memory_than_there_can_be_is_a_limit() {
    read("(module (memory 16384))", false).expect("1 GiB is looked at when it runs");
    let failure = read("(module (memory 16385))", false).expect_err("refused");
    assert_eq!(failure.code, FailureCode::MemoryLimit);
    let failure = read("(module (memory 65536))", false).expect_err("refused");
    assert_eq!(failure.code, FailureCode::MemoryLimit);
}

#[test]
fn sizes_are_bounded() {
    let many = |what: &str, count: u32| format!("(module {})", what.repeat(count as usize));
    for (code, said) in [
        (many("(table 1 funcref)", 5), "5 tables"),
        (
            many("(table 100001 funcref)", 1),
            "begins with 100001 elements",
        ),
        (many("(func)", MOST_FUNCTIONS + 1), "20001 functions"),
        (
            many("(global i32 (i32.const 0))", MOST_ITEMS + 1),
            "10001 globals",
        ),
        (many("(data \"\")", MOST_ITEMS + 1), "10001 data segments"),
        (
            many("(elem func)", MOST_ITEMS + 1),
            "10001 element segments",
        ),
        (
            format!("(module (func (local {})))", "i32 ".repeat(5001)),
            "5001 variables",
        ),
        (
            format!("(module (func {}))", "nop ".repeat(MOST_FUNCTION)),
            "98304 are allowed",
        ),
        (
            many(
                &format!("(func {})", "v128.const i64x2 0 0 drop ".repeat(170)),
                1_400,
            ),
            "more than 4194304 bytes of code",
        ),
    ] {
        let message = refused(&code);
        assert!(message.contains(said), "{said}: {message}");
    }
}

#[test]
fn code_that_compilers_choke_on_is_refused_and_that_of_compilers_is_not() {
    let nested = |loops: usize, variables: usize| {
        let mut body = format!("(local {})", "i32 ".repeat(variables));
        body.push_str(&"loop ".repeat(loops));
        for variable in 0..variables {
            let _ = write!(body, "i32.const 1 local.set {variable} ");
        }
        body.push_str(&"i32.const 0 br_if 0 end ".repeat(loops));
        format!("(module (func {body}))")
    };
    let parting = |paths: usize, variables: usize| {
        let mut body = format!("(param i32) (local {})", "i32 ".repeat(variables));
        for path in 0..paths {
            let variable = 1 + path % variables;
            let _ = write!(body, "local.get 0 if i32.const 1 local.set {variable} end ");
        }
        format!("(module (func {body}))")
    };
    let long = "local.get 0 i32.const 3 i32.mul local.set 0 ".repeat(6_000);
    let many = format!(
        "(module {})",
        format!("(func (param i32) {long})").repeat(50)
    );
    let loops = format!("(module (func {}))", "loop end ".repeat(15_000));
    for code in [
        nested(5_000, 10),
        nested(1_000, 100),
        parting(7_000, 100),
        loops,
        many,
    ] {
        let message = refused(&code);
        assert!(message.contains("would take too long"), "{message}");
    }
    for code in [nested(20, 50), parting(300, 50)] {
        read(&code, false).expect("taken");
    }
    // The interpreter of JavaScript is a large module that a compiler made.
    let guest = guests::image(Language::JavaScript).expect("carried");
    let module = guest.module().expect("unpacks");
    check(&module, true).expect("taken");
}

#[test]
fn more_parameters_and_results_than_anybody_needs_are_refused() {
    let typed = |parameters: usize, results: usize| {
        format!(
            "(module (type (func (param {}) (result {}))))",
            "i32 ".repeat(parameters),
            "i32 ".repeat(results)
        )
    };
    read(&typed(100, 8), false).expect("taken");
    for code in [typed(101, 0), typed(0, 9)] {
        assert!(refused(&code).contains("parameters or 8 results"));
    }
}

#[test]
fn a_module_of_more_than_16_mib_is_refused_and_one_of_that_size_is_not() {
    // A custom section: its length takes four bytes, its name one.
    let module = |size: usize| {
        let mut bytes = b"\0asm\x01\0\0\0\0".to_vec();
        let length = size - bytes.len() - 4;
        for shift in [0, 7, 14] {
            bytes.push((length >> shift & 0x7f) as u8 | 0x80);
        }
        bytes.push((length >> 21) as u8);
        bytes.resize(size, 0);
        base64(&bytes)
    };
    read(&module(MOST_BYTES), false).expect("taken");
    assert!(refused(&module(MOST_BYTES + 1)).contains("more than 16777216 bytes"));
    assert!(refused(&"A".repeat(64 * 1024 * 1024)).contains("more than 16777216 bytes"));
    let text = format!("(module {})", " ".repeat(MOST_BYTES));
    assert!(refused(&text).contains("more than 16777216 bytes"));
}

#[test]
fn a_deep_text_is_refused() {
    let mut code = "(module (func ".to_owned();
    for _ in 0..100_000 {
        let _ = write!(code, "(block ");
    }
    assert!(refused(&code).contains("cannot be read"));
}

#[test]
fn what_was_cut_off_or_changed_anywhere_harms_nothing() {
    let module = wat::parse_str(
        r#"(module (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1 2) (table 3 funcref) (elem (i32.const 0) func 0 1) (data (i32.const 0) "abc")
            (global (mut i32) (i32.const 5)) (start 1)
            (func (local i32 i64) (block (loop (br_if 1 (local.get 0)) (br_table 0 1 (i32.const 1))))))"#,
    )
    .expect("reads");
    for length in 0..module.len() {
        let _ = check(&module[..length], false);
    }
    for place in 0..module.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut changed = module.clone();
            changed[place] = value;
            let _ = check(&changed, false);
        }
    }
}

#[test]
fn blocks_that_carry_many_values_cost_their_square() {
    let carrying = |blocks: usize| {
        let many = "i32 ".repeat(8);
        let kind = format!("(param {many}) (result {many})");
        let gets: String = (1..8)
            .chain([0])
            .map(|n| format!("local.get {n} "))
            .collect();
        let turn = "loop (type $turn) call $turn local.get 0 br_if 0 end ";
        format!(
            "(module (type $turn (func {kind})) (func $turn (type $turn) {gets}) (func (param i32) {} {} {}))",
            "local.get 0 ".repeat(8),
            turn.repeat(blocks),
            "drop ".repeat(8),
        )
    };
    // A compiler emits a few of them, if any.
    read(&carrying(20), false).expect("taken");
    assert!(refused(&carrying(2000)).contains("too long"));
}
