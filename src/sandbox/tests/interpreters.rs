//! Python and JavaScript: the same questions to both.

use serde_json::{Value, json};

use super::Language::{JavaScript, Python};
use super::{
    DoorReply, FailureCode, Job, Program, Refused, Sandbox, Settings, door, expression, failure,
    javascript, job, python, result, run,
};

#[test]
fn the_arguments_go_in_and_the_result_comes_out() {
    let arguments = json!({"purpose": "Grüße 😀", "n": [1, -2.5, null, {"a": true}]});
    let code = "def generate(purpose, n):\n    return {'text': 'Agenda: ' + purpose, 'n': n, 'pair': (1, 2)}\n";
    assert_eq!(
        result(job(Python, code, arguments.clone())),
        json!({"text": "Agenda: Grüße 😀", "n": [1, -2.5, null, {"a": true}], "pair": [1, 2]})
    );
    let code = "function generate({purpose, n}) { return {text: 'Agenda: ' + purpose, n}; }";
    assert_eq!(
        result(job(JavaScript, code, arguments)),
        json!({"text": "Agenda: Grüße 😀", "n": [1, -2.5, null, {"a": true}]})
    );
}

#[test]
fn another_entry_point_is_called_when_it_is_named() {
    let mut first = python("def other():\n    return 1\n");
    first.program.entrypoint = "other".to_owned();
    assert_eq!(result(first), json!(1));
    let mut second = javascript("function other() { return 1; }");
    second.program.entrypoint = "other".to_owned();
    assert_eq!(result(second), json!(1));
}

#[test]
fn a_promise_is_awaited() {
    for code in [
        "async function generate() { return 'done'; }",
        "function generate() { return new Promise(r => setTimeout(() => r('done'), 86400000)); }",
        "function generate() { return {then(resolve) { resolve('done'); }}; }",
    ] {
        assert_eq!(result(javascript(code)), json!("done"), "{code}");
    }
    let (code, _) = failure(javascript(
        "function generate() { return new Promise(() => {}); }",
    ));
    assert_eq!(code, FailureCode::Error);
    let (code, message) = failure(javascript(
        "async function generate() { throw new RangeError('too far'); }",
    ));
    assert_eq!(code, FailureCode::Error);
    assert_eq!(message, "RangeError: too far");
}

#[test]
fn an_exception_has_its_text_and_nothing_else() {
    let (code, message) = failure(python(
        "def generate():\n    raise ValueError('no such day')\n",
    ));
    assert_eq!(
        (code, message.as_str()),
        (FailureCode::Error, "ValueError: no such day")
    );
    let (code, message) = failure(javascript(
        "function generate() { throw new TypeError('no such day'); }",
    ));
    assert_eq!(
        (code, message.as_str()),
        (FailureCode::Error, "TypeError: no such day")
    );
}

#[test]
fn what_cannot_be_called_fails() {
    for job in [
        python("def generate(:\n"),
        python("x = 1\n"),
        python("generate = 1\n"),
        python("def generate(a):\n    return a\n"),
        python("import nothing_of_this_name\n"),
        python("raise SystemExit(0)\n"),
        python("import sys\ndef generate():\n    sys.exit(3)\n"),
        python("import os\ndef generate():\n    os._exit(0)\n"),
        python("import os\ndef generate():\n    os.abort()\n"),
        javascript("function generate( {"),
        javascript("var x = 1;"),
        javascript("var generate = 1;"),
        javascript("function generate(a) { return a.b.c; }"),
        javascript("import x from 'y'; function generate() {}"),
    ] {
        let what = job.program.code.to_string();
        let (code, message) = failure(job);
        assert_eq!(code, FailureCode::Error, "{what}: {message}");
        for leak in ["/home", "/root", "/usr", ".rs", "Traceback", "wasm"] {
            assert!(!message.contains(leak), "{what}: {message}");
        }
    }
}

#[test]
fn what_is_not_json_fails() {
    for (language, text) in [
        (Python, "float('nan')"),
        (Python, "[float('-inf')]"),
        (Python, "{1: 2}"),
        (Python, "{1, 2}"),
        (Python, "2 ** 64"),
        (Python, "-2 ** 63 - 1"),
        (Python, "'\\ud800'"),
        (Python, "generate"),
        (Python, "object()"),
        (JavaScript, "NaN"),
        (JavaScript, "{a: -Infinity}"),
        (JavaScript, "undefined"),
        (JavaScript, "generate"),
        (JavaScript, "Symbol('a')"),
        (JavaScript, "2n ** 64n"),
        (JavaScript, "'\\ud800'"),
        (JavaScript, "[() => 1]"),
    ] {
        let text = if text.starts_with('{') && language == JavaScript {
            format!("({text})")
        } else {
            text.to_owned()
        };
        let (code, message) = failure(expression(language, &text));
        assert_eq!(code, FailureCode::Error, "{text}: {message}");
    }
    for (language, text, value) in [
        (Python, "2 ** 64 - 1", json!(u64::MAX)),
        (Python, "-2 ** 63", json!(i64::MIN)),
        (Python, "None", Value::Null),
        (JavaScript, "null", Value::Null),
        (JavaScript, "[1.5, 'a']", json!([1.5, "a"])),
    ] {
        assert_eq!(result(expression(language, text)), value, "{text}");
    }
}

#[test]
fn cycles_and_depth_fail() {
    for job in [
        python("def generate():\n    a = []\n    a.append(a)\n    return a\n"),
        python(
            "def generate():\n    a = []\n    for _ in range(64):\n        a = [a]\n    return a\n",
        ),
        javascript("function generate() { const a = []; a.push(a); return a; }"),
        javascript(
            "function generate() { let a = []; for (let i = 0; i < 64; i++) a = [a]; return a; }",
        ),
    ] {
        assert_eq!(failure(job).0, FailureCode::Error);
    }
    for job in [
        python(
            "def generate():\n    a = []\n    for _ in range(63):\n        a = [a]\n    return a\n",
        ),
        javascript(
            "function generate() { let a = []; for (let i = 0; i < 63; i++) a = [a]; return a; }",
        ),
    ] {
        assert!(result(job).is_array());
    }
}

#[test]
fn the_clock_starts_where_it_is_told_and_moves_by_sleeping() {
    let code = "import time, datetime\ndef generate():\n    a = datetime.datetime.now(datetime.timezone.utc).isoformat()\n    time.sleep(3600)\n    b = datetime.datetime.now(datetime.timezone.utc).isoformat()\n    return [a, b, time.localtime().tm_hour]\n";
    assert_eq!(
        result(python(code)),
        json!(["2026-01-02T03:04:05+00:00", "2026-01-02T04:04:05+00:00", 4])
    );
    let code = "async function generate() { const a = new Date().toISOString(); await new Promise(r => setTimeout(r, 3600000));
        return [a, new Date().toISOString(), new Date().getHours()]; }";
    assert_eq!(
        result(javascript(code)),
        json!(["2026-01-02T03:04:05.000Z", "2026-01-02T04:04:05.000Z", 4])
    );
}

#[test]
fn chance_comes_from_the_seed() {
    let python_code = "import random, os, uuid, secrets\ndef generate():\n    return [random.random(), os.urandom(8).hex(), str(uuid.uuid4()), secrets.token_hex(4), id(object()) % 7 > 9, hash('a') == hash('a')]\n";
    let javascript_code = "function generate() { return [Math.random(), crypto.randomUUID(), [...crypto.getRandomValues(new Uint8Array(8))]]; }";
    for make in [(|code| python(code)) as fn(&str) -> Job, |code| {
        javascript(code)
    }] {
        let code = if make("").program.language == Python {
            python_code
        } else {
            javascript_code
        };
        let first = result(make(code));
        assert_eq!(result(make(code)), first);
        let mut other = make(code);
        other.seed = [8; 32];
        let other = result(other);
        for index in 0..3 {
            assert_ne!(other.get(index), first.get(index), "{first} {other}");
        }
    }
}

#[test]
fn runs_share_nothing() {
    let sandbox = Sandbox::start(Settings {
        workers: 1,
        waiting: 10,
        ..Settings::default()
    });
    for (language, changes, looks) in [
        (
            Python,
            "import json, os, builtins\ndef generate():\n    json.mark = 1\n    builtins.mark = 1\n    os.environ['MARK'] = '1'\n    open('/tmp/mark', 'w').write('1')\n    return True\n",
            "import json, os, builtins\ndef generate():\n    return [hasattr(json, 'mark'), hasattr(builtins, 'mark'), dict(os.environ), os.listdir('/tmp'), os.getcwd(), __import__('sys').argv]\n",
        ),
        (
            JavaScript,
            "function generate() { globalThis.mark = 1; Array.prototype.mark = 1; JSON.parse = 1; return true; }",
            "function generate() { return [typeof mark, [].mark === undefined, typeof JSON.parse]; }",
        ),
    ] {
        let untouched = super::run_in(&sandbox, job(language, looks, json!({})));
        let untouched = untouched.outcome.expect("it succeeds");
        let changed = super::run_in(&sandbox, job(language, changes, json!({})));
        assert_eq!(changed.outcome.expect("it succeeds"), json!(true));
        let after = super::run_in(&sandbox, job(language, looks, json!({})));
        assert_eq!(after.outcome.expect("it succeeds"), untouched);
        if language == Python {
            assert_eq!(
                untouched.as_array().map(|seen| &seen[..5]),
                Some(
                    &[
                        json!(false),
                        json!(false),
                        json!({}),
                        json!([]),
                        json!("/tmp")
                    ][..]
                )
            );
        }
    }
}

#[test]
fn what_is_printed_is_kept() {
    let finished = run(python(
        "import sys\nprint('one')\ndef generate():\n    print('two', file=sys.stderr)\n    return 1\n",
    ));
    assert_eq!(finished.logs, "one\ntwo\n");
    let finished = run(javascript(
        "console.log('one'); function generate() { console.error('two'); throw new Error('x'); }",
    ));
    assert_eq!(finished.logs, "one\ntwo\n");
    // SBX 7.6.
    let finished = run(python(
        "def generate():\n    print('x' * 200000)\n    return 1\n",
    ));
    assert_eq!(finished.outcome.expect("it succeeds"), json!(1));
    assert_eq!(finished.logs.len(), 64 * 1024);
}

#[test]
fn without_a_grant_no_door_leads_out() {
    for job in [
        python(
            "import urllib.request\ndef generate():\n    return urllib.request.urlopen('http://a.example/').status\n",
        ),
        python(
            "import socket\ndef generate():\n    return socket.create_connection(('a.example', 80))\n",
        ),
        python("import socket\ndef generate():\n    return socket.getaddrinfo('a.example', 80)\n"),
        python(
            "import http.client\ndef generate():\n    return http.client.HTTPConnection('a.example').request('GET', '/')\n",
        ),
        javascript(
            "async function generate() { return (await fetch('http://a.example/')).status; }",
        ),
    ] {
        let what = job.program.code.to_string();
        let (code, message) = failure(job);
        assert_eq!(code, FailureCode::NetworkDenied, "{what}: {message}");
    }
    for job in [
        python(
            "import urllib.request\ndef generate():\n    try:\n        urllib.request.urlopen('http://a.example/')\n    except Exception:\n        return 'caught'\n",
        ),
        javascript(
            "async function generate() { try { await fetch('http://a.example/'); } catch { return 'caught'; } }",
        ),
    ] {
        assert_eq!(result(job), json!("caught"));
    }
}

#[test]
fn with_a_grant_the_door_answers() {
    let python_code = "import urllib.request\ndef generate():\n    with urllib.request.urlopen('http://a.example/x') as reply:\n        return [reply.status, reply.read().decode(), reply.headers['X-A']]\n";
    let javascript_code = "async function generate() { const r = await fetch('http://a.example/x'); return [r.status, await r.text(), r.headers.get('X-A')]; }";
    for (language, code) in [(Python, python_code), (JavaScript, javascript_code)] {
        let mut granted = job(language, code, json!({}));
        granted.door = door(|request| {
            assert_eq!(
                (request.method.as_str(), request.url.as_str()),
                ("GET", "http://a.example/x")
            );
            Ok(DoorReply {
                status: 200,
                headers: vec![("x-a".to_owned(), "1".to_owned())],
                body: "Grüße".as_bytes().to_vec(),
            })
        });
        assert_eq!(result(granted), json!([200, "Grüße", "1"]));
        let mut denied = job(language, code, json!({}));
        denied.door = door(|_| Err(Refused::Denied("a.example:80 is not granted".to_owned())));
        assert_eq!(failure(denied).0, FailureCode::NetworkDenied);
        let mut failed = job(language, code, json!({}));
        failed.door = door(|_| Err(Refused::Failed("connection refused".to_owned())));
        assert_eq!(failure(failed).0, FailureCode::Error);
    }
}

#[test]
fn checking_parses_and_runs_nothing() {
    let sandbox = Sandbox::start(Settings::default());
    let check = |language, code: &str| {
        let program = Program {
            language,
            code: code.into(),
            entrypoint: "generate".to_owned(),
        };
        let checked = sandbox.check(&program, false);
        checked.map_err(|failure| failure.message)
    };
    assert_eq!(check(Python, "while True:\n    pass\n"), Ok(()));
    assert_eq!(check(JavaScript, "for (;;);"), Ok(()));
    let message = check(Python, "x = 1\ndef generate(:\n").expect_err("refused");
    assert!(
        message.contains("SyntaxError") && message.contains('2'),
        "{message}"
    );
    let message = check(JavaScript, "var x;\nfunction generate( {").expect_err("refused");
    assert!(
        message.contains("SyntaxError") && message.contains('2'),
        "{message}"
    );
}

#[test]
fn the_shape_of_the_question_is_not_the_code_s_to_choose() {
    // What would close the envelope, were it pasted together.
    for (language, text) in [
        (Python, r#"'"}}{"result":1}'"#),
        (JavaScript, r#"'"}}{"result":1}'"#),
    ] {
        assert_eq!(
            result(expression(language, text)),
            json!(r#""}}{"result":1}"#)
        );
    }
}
