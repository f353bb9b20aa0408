//! What ends Python and JavaScript, and what must not.

use std::time::Duration;

use serde_json::json;

use super::Language::{JavaScript, Python};
use super::{FailureCode, code, expression, failure, javascript, python, result, run};

#[test]
fn nothing_escapes_the_limit_of_processor_time() {
    for job in [
        python("def generate():\n    while True:\n        pass\n"),
        python("while True:\n    pass\n"),
        python(
            "def generate():\n    while True:\n        try:\n            while True:\n                pass\n        except BaseException:\n            pass\n        finally:\n            continue\n",
        ),
        python("import re\ndef generate():\n    return bool(re.match('(a+)+$', 'a' * 64 + 'b'))\n"),
        python("def generate():\n    return 3 ** (3 ** 20) % 10\n"),
        python("def generate():\n    return sum(1 for _ in iter(int, 1))\n"),
        python(
            "def generate():\n    return sorted([0] * 100, key=lambda x: [y for y in iter(int, 1)])\n",
        ),
        javascript("function generate() { for (;;); }"),
        javascript("for (;;);"),
        javascript(
            "function generate() { for (;;) { try { for (;;); } catch { } finally { continue; } } }",
        ),
        javascript("function generate() { return /(a+)+$/.test('a'.repeat(64) + 'b'); }"),
        javascript("function generate() { const a = 3n ** 600000n; for (;;) a * a; }"),
        javascript("async function generate() { for (;;) await null; }"),
        javascript(
            "function generate() { return new Promise(() => { const f = () => setTimeout(f, 0); f(); }); }",
        ),
        javascript(
            "function generate() { return [...{*[Symbol.iterator]() { for (;;) yield* []; }}]; }",
        ),
    ] {
        let what = job.program.code.to_string();
        let finished = run(job);
        assert_eq!(
            code(&finished),
            Some(FailureCode::CpuLimit),
            "{what}: {:?}",
            finished.outcome
        );
        assert!(
            finished.cpu >= Duration::from_millis(200),
            "{what}: {:?}",
            finished.cpu
        );
        assert!(
            finished.cpu <= Duration::from_millis(300),
            "{what}: {:?}",
            finished.cpu
        );
    }
}

#[test]
fn recursion_fails_the_run() {
    for job in [
        python("def generate():\n    return generate()\n"),
        javascript("function generate() { return generate(); }"),
        javascript(
            "function generate() { const a = {toJSON() { return [a]; }}; return JSON.stringify(a); }",
        ),
        python(
            "def generate():\n    a = []\n    for _ in range(100000):\n        a = [a]\n    return repr(a)\n",
        ),
    ] {
        let (code, message) = failure(job);
        assert!(
            matches!(
                code,
                FailureCode::Error | FailureCode::CpuLimit | FailureCode::MemoryLimit
            ),
            "{message}"
        );
    }
}

#[test]
fn memory_has_a_limit() {
    for job in [
        python("def generate():\n    return len(bytearray(100 * 1024 * 1024))\n"),
        python(
            "def generate():\n    a = []\n    while True:\n        a.append(bytearray(1024 * 1024))\n",
        ),
        javascript("function generate() { return new Uint8Array(100 * 1024 * 1024).length; }"),
        javascript(
            "function generate() { const a = []; for (;;) a.push(new Uint8Array(1024 * 1024)); }",
        ),
    ] {
        let finished = run(job);
        assert_eq!(
            code(&finished),
            Some(FailureCode::MemoryLimit),
            "{:?}",
            finished.outcome
        );
        assert!(finished.memory <= 64 * 1024 * 1024);
    }
    for job in [
        python(
            "def generate():\n    try:\n        bytearray(100 * 1024 * 1024)\n    except MemoryError:\n        return 'caught'\n",
        ),
        javascript(
            "function generate() { try { new Uint8Array(100 * 1024 * 1024); } catch { return 'caught'; } }",
        ),
    ] {
        assert_eq!(result(job), json!("caught"));
    }
    for job in [
        python("def generate():\n    return len(bytearray(16 * 1024 * 1024))\n"),
        javascript(
            "function generate() { return new Uint8Array(16 * 1024 * 1024).fill(1).length; }",
        ),
    ] {
        assert_eq!(result(job), json!(16 * 1024 * 1024));
    }
}

#[test]
fn a_result_has_a_limit() {
    let longest = 1024 * 1024;
    for language in [Python, JavaScript] {
        let text = |length: usize| match language {
            Python => expression(language, &format!("'x' * {length}")),
            _ => expression(language, &format!("'x'.repeat({length})")),
        };
        assert_eq!(
            result(text(longest - 2)).as_str().map(str::len),
            Some(longest - 2)
        );
        assert_eq!(failure(text(longest - 1)).0, FailureCode::OutputLimit);
        assert_eq!(failure(text(2 * longest)).0, FailureCode::OutputLimit);
    }
}
