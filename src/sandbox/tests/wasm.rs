//! Modules of strangers: the convention, and breaches of it.

use serde_json::json;

use super::{FailureCode, done_after, failure, generate, job, module, result, run, text, wat};
use crate::sandbox::{Language, Program, Sandbox, Settings};

#[test]
fn the_arguments_go_in_and_the_result_comes_out() {
    // Gives back the text that it was given.
    let echo = generate(
        "(i64.or (i64.shl (i64.extend_i32_u (local.get $ptr)) (i64.const 32))
                 (i64.extend_i32_u (local.get $len)))",
    );
    let arguments = json!({"purpose": "Grüße", "n": [1, 2.5, u64::MAX]});
    let echoed = result(job(Language::Wasm, &wat(2, &echo), arguments.clone()));
    assert_eq!(echoed, arguments);
}

#[test]
fn base64_of_a_binary_is_code_as_well() {
    use base64::Engine as _;
    let binary = wat::parse_str(wat(2, &done_after(""))).expect("wat");
    let code = base64::engine::general_purpose::STANDARD.encode(binary);
    assert_eq!(result(job(Language::Wasm, &code, json!({}))), json!("done"));
}

#[test]
fn a_reactor_is_set_up_before_it_is_called() {
    let (segment, packed) = text("[true]");
    let body = format!(
        "(global $ready (mut i32) (i32.const 0))
         (func (export \"_initialize\") (global.set $ready (i32.const 1)))
         {segment}
         {}",
        generate(&format!(
            "(if (i32.eqz (global.get $ready)) (then unreachable)) {packed}"
        ))
    );
    assert_eq!(result(module(&body)), json!([true]));
}

#[test]
fn every_run_begins_anew() {
    // Counts its calls in memory and in a global.
    let (segment, packed) = text("\"1\"");
    let body = format!(
        "{segment} (global $calls (mut i32) (i32.const 48)) {}",
        generate(&format!(
            "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
             (if (i32.load8_u (i32.const 4096)) (then unreachable))
             (i32.store8 (i32.const 4096) (i32.const 1))
             (i32.store8 (i32.const 17) (global.get $calls))
             {packed}"
        ))
    );
    for _ in 0..5 {
        assert_eq!(result(module(&body)), json!("1"));
    }
}

#[test]
fn what_the_convention_wants_is_named() {
    for (code, names) in [
        ("(module)".to_owned(), "`memory`"),
        (
            "(module (memory (export \"memory\") 1))".to_owned(),
            "`oap_alloc`",
        ),
        (wat(1, ""), "`generate`"),
        (wat(1, "(func (export \"generate\"))"), "`generate`"),
        (
            wat(1, "(global (export \"generate\") i32 (i32.const 0))"),
            "`generate`",
        ),
        (
            "(module (memory (export \"memory\") 1) (func (export \"oap_alloc\")))".to_owned(),
            "`oap_alloc`",
        ),
        (
            "(module (func (export \"memory\")) (func (export \"oap_alloc\")))".to_owned(),
            "`memory`",
        ),
    ] {
        let (found, message) = failure(job(Language::Wasm, &code, json!({})));
        assert_eq!(found, FailureCode::Error, "{code}");
        assert!(message.contains(names), "{code}: {message}");
    }
}

#[test]
fn a_result_that_is_not_there_is_refused() {
    for (ptr, len) in [
        (0xffff_ffff_u64, 16_u64),
        (0, 0xffff_ffff),
        (0xffff_ffff, 0xffff_ffff),
        (0x8000_0000, 1),
        (2 * 65536, 1),
        (2 * 65536 - 1, 2),
        (0, 0x7fff_ffff),
    ] {
        let packed = ((ptr << 32) | len).cast_signed();
        let (code, message) = failure(module(&generate(&format!("(i64.const {packed})"))));
        assert_eq!(code, FailureCode::Error, "{ptr} {len}");
        assert!(message.contains("outside the memory"), "{message}");
    }
    // Nothing at the very end of the memory is there, but no JSON.
    let (code, message) = failure(module(&generate(&format!(
        "(i64.const {})",
        (2_u64 * 65536) << 32
    ))));
    assert_eq!(code, FailureCode::Error);
    assert!(message.contains("empty"), "{message}");
}

#[test]
fn an_allocator_is_not_believed() {
    for (body, reason) in [
        ("(i32.const -1)", "not there"),
        ("(i32.const 0x7fffffff)", "not there"),
        ("(i32.const 65535)", "not there"),
        ("unreachable", "unreachable"),
        ("(i32.load (i32.const -4))", "not there"),
    ] {
        let code = format!(
            "(module (memory (export \"memory\") 1)
               (func (export \"oap_alloc\") (param i32) (result i32) {body})
               {})",
            generate("(i64.const 0)")
        );
        let (code, message) = failure(job(Language::Wasm, &code, json!({})));
        assert_eq!(code, FailureCode::Error, "{body}");
        assert!(message.contains(reason), "{body}: {message}");
    }
}

#[test]
fn traps_are_told_in_words() {
    for (instructions, reason) in [
        ("unreachable", "unreachable"),
        ("(i64.load (i32.const 131072))", "not there"),
        ("(i64.div_s (i64.const 1) (i64.const 0))", "divided by zero"),
        (
            "(i64.div_s (i64.const 0x8000000000000000) (i64.const -1))",
            "too large",
        ),
        ("(i64.trunc_f64_s (f64.const nan))", "no integer"),
        ("(call_indirect (type $t) (i32.const 0))", "empty element"),
        (
            "(call_indirect (type $t) (i32.const 7))",
            "element of a table",
        ),
        ("(call_indirect (type $t) (i32.const 1))", "another type"),
    ] {
        let body = format!(
            "(type $t (func (result i64))) (table 2 2 funcref) (elem (i32.const 1) $alloc) {}",
            generate(instructions)
        );
        let (code, message) = failure(module(&body));
        assert_eq!(code, FailureCode::Error, "{instructions}");
        assert!(message.contains(reason), "{instructions}: {message}");
    }
}

#[test]
fn what_goes_wrong_before_the_call_is_the_run_s_failure() {
    let (code, message) = failure(module(
        "(func $boot unreachable) (start $boot) (func (export \"generate\") (param i32 i32) (result i64) (i64.const 0))",
    ));
    assert_eq!(code, FailureCode::Error);
    assert!(message.contains("unreachable"), "{message}");
    let (code, message) = failure(module(&format!(
        "(data (i32.const 131071) \"ab\") {}",
        generate("(i64.const 0)")
    )));
    assert_eq!(code, FailureCode::Error);
    assert!(message.contains("not there"), "{message}");
}

#[test]
fn ending_the_program_is_a_failure() {
    for (code, status) in [("0", "0"), ("3", "3")] {
        let body = format!(
            "(import \"wasi_snapshot_preview1\" \"proc_exit\" (func $exit (param i32)))
             {}",
            done_after(&format!("(call $exit (i32.const {code}))"))
        );
        let (code, message) = failure(module(&body));
        assert_eq!(code, FailureCode::Error);
        assert!(
            message.contains(&format!("exit code {status}")),
            "{message}"
        );
    }
}

/// A `generate` that writes `bytes` bytes of "x" to standard output, 4 KiB at a time.
fn writer(bytes: u32) -> String {
    format!(
        "(import \"wasi_snapshot_preview1\" \"fd_write\" (func $write (param i32 i32 i32 i32) (result i32)))
         {}",
        done_after(&format!(
            "(local $left i32)
             (memory.fill (i32.const 8192) (i32.const 120) (i32.const 4096))
             (i32.store (i32.const 32) (i32.const 8192)) (i32.store (i32.const 36) (i32.const 4096))
             (local.set $left (i32.const {}))
             (loop $more
               (drop (call $write (i32.const 1) (i32.const 32) (i32.const 1) (i32.const 40)))
               (br_if $more (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))",
            bytes / 4096
        ))
    )
}

#[test]
fn what_is_written_is_kept_up_to_the_limit() {
    let finished = run(module(&writer(8192)));
    assert_eq!(finished.outcome.expect("it succeeds"), json!("done"));
    assert_eq!(finished.logs, "x".repeat(8192));
    // SBX 7.6.
    let finished = run(module(&writer(1024 * 1024)));
    assert_eq!(finished.outcome.expect("it succeeds"), json!("done"));
    assert_eq!(finished.logs.len(), 64 * 1024);
}

#[test]
fn only_what_is_given_can_be_imported() {
    for (import, named) in [
        ("(import \"env\" \"f\" (func))", "env.f"),
        (
            "(import \"wasi_snapshot_preview1\" \"fork\" (func))",
            "fork",
        ),
        (
            "(import \"oap\" \"http\" (func (param i32 i32) (result i64)))",
            "oap.http",
        ),
    ] {
        let body = format!("{import}\n{}", done_after(""));
        let (code, message) = failure(module(&body));
        assert_eq!(code, FailureCode::Error);
        assert!(message.contains(named), "{message}");
    }
}

#[test]
fn checking_runs_nothing() {
    let sandbox = Sandbox::start(Settings::default());
    let check = |code: &str, networked| {
        let program = Program {
            language: Language::Wasm,
            code: code.into(),
            entrypoint: "generate".to_owned(),
        };
        let checked = sandbox.check(&program, networked);
        checked.map_err(|failure| failure.message)
    };
    // A start function that never ends, and no entry point.
    assert_eq!(
        check("(module (func $f (loop (br 0))) (start $f))", false),
        Ok(())
    );
    let http = "(module (import \"oap\" \"http\" (func (param i32 i32) (result i64))))";
    assert_eq!(check(http, true), Ok(()));
    assert!(check(http, false).is_err_and(|message| message.contains("oap.http")));
    for code in [
        "",
        "(module",
        "(module (func (result i32)))",
        "AGFzbQ==",
        "%%%",
    ] {
        assert!(check(code, false).is_err(), "{code}");
    }
}
