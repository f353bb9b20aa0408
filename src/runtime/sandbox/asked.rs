//! What a definition and a call ask for, and what a run's end means: pure functions, one for each rule of `spec/sandbox.md`.

use jiff::Timestamp;
use reqwest::Url;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Ceiling;
use crate::json;
use crate::manifest::RunCode;
use crate::requirement::Profile;
use crate::runtime::error::{Code, ErrorObject};
use crate::runtime::session::Call;
use crate::sandbox::{Failure, FailureCode, Language, Limits, Program, QueueKey};

/// Longest message of a failure, in bytes: the code's own exception can be as long as it likes. Interpreters cut theirs at twice
/// that, so that a secret on their border is not seen here.
pub const LONGEST_MESSAGE: usize = 1000;

/// Most bytes of `logs`.
pub const LONGEST_LOGS: usize = 64 * 1024;

/// What is kept of the output beyond that until it is redacted, lest a secret on the border be cut and pass unseen.
const BORDER: usize = 16 * 1024;

/// The profile of each language.
const PROFILES: [(Language, Profile); 3] = [
    (Language::Python, Profile::SandboxPython),
    (Language::JavaScript, Profile::SandboxJavascript),
    (Language::Wasm, Profile::SandboxWasm),
];

/// The code runtimes that these profiles offer.
pub fn runtimes(profiles: &[Profile]) -> Vec<&'static str> {
    let offered = PROFILES
        .iter()
        .filter(|(_, profile)| profiles.contains(profile));
    offered.map(|(language, _)| language.runtime()).collect()
}

/// The language that a `runtime` of a definition means, if these profiles offer it: `python3` is whatever minor version there is.
pub fn language(profiles: &[Profile], runtime: &str) -> Option<Language> {
    let means = |language: Language| {
        language.runtime() == runtime || (language == Language::Python && runtime == "python3")
    };
    let found = PROFILES
        .iter()
        .find(|(language, profile)| means(*language) && profiles.contains(profile));
    found.map(|(language, _)| *language)
}

/// What is run: the code as the manifest has it, with every `${VAR}` in it.
pub fn program(language: Language, code: &RunCode) -> Program {
    Program {
        language,
        code: code.code.as_str().into(),
        entrypoint: code.entrypoint.clone(),
    }
}

/// What a run may use: what the definition asks for, up to the ceiling.
pub fn limits(code: &RunCode, ceiling: &Ceiling) -> Limits {
    let asked = Ceiling::of(code.cpu_ms, code.memory_mib);
    let own = Limits::default();
    Limits {
        cpu: asked.cpu.min(ceiling.cpu),
        memory: asked.memory.min(ceiling.memory),
        logs: LONGEST_LOGS + BORDER,
        wall: own.wall.max(ceiling.cpu.saturating_mul(2)),
        ..own
    }
}

/// Whose turn a run takes. Sessions and single calls take turns within an action, actions within what one caller asks of one
/// manifest: however many calls run away, another action or manifest, and another caller, wait for one turn of them all.
pub fn queue_key(call: &Call) -> QueueKey {
    QueueKey::new([
        // A digest has no space in it, so that no name can imitate the border.
        format!("{} {}", call.digest, call.subject),
        call.action.name.clone(),
        call.session_id.clone(),
    ])
}

/// What the clock shows at the start, in nanoseconds since 1970.
pub fn clock_ns(start: Timestamp) -> u64 {
    let since = start.as_nanosecond().max(0);
    u64::try_from(since).unwrap_or(u64::MAX)
}

/// Where all chance of a run comes from: SHA-256 of code, canonical arguments and the seed's digits, joined.
pub fn seed(code: &str, arguments: &Value, seed: Option<u64>) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(code.as_bytes());
    hash.update(json::canonical(arguments).as_bytes());
    if let Some(seed) = seed {
        hash.update(seed.to_string().as_bytes());
    }
    hash.finalize().into()
}

/// Whether a grant covers a URL: its scheme is http or https, and one entry names exactly its host and port.
pub fn granted(network: &[String], to: &Url) -> bool {
    if !matches!(to.scheme(), "http" | "https") {
        return false;
    }
    let (Some(host), Some(port)) = (to.host_str(), to.port_or_known_default()) else {
        return false;
    };
    let wanted = format!("{host}:{port}");
    network
        .iter()
        .any(|entry| entry.eq_ignore_ascii_case(&wanted))
}

/// The error object of a failure. Only want of room may be tried again: else equal input gives an equal end.
pub fn failure(failure: &Failure, message: String) -> ErrorObject {
    let code = match failure.code {
        FailureCode::Error => Code::SandboxError,
        FailureCode::CpuLimit => Code::SandboxCpuLimit,
        FailureCode::MemoryLimit => Code::SandboxMemoryLimit,
        FailureCode::OutputLimit => Code::SandboxOutputLimit,
        FailureCode::NetworkDenied => Code::SandboxNetworkDenied,
        FailureCode::Cancelled => Code::SandboxCancelled,
        FailureCode::Busy => Code::CapacityExceeded,
    };
    ErrorObject::new(code, message)
}

/// The message of a failure: what the code said, never empty. It is redacted and cut where it is told.
pub fn message(failure: &Failure) -> String {
    if failure.message.trim().is_empty() {
        return "the code failed and said nothing".to_owned();
    }
    failure.message.clone()
}

/// The logs of a run, once they are redacted; none when nothing was written.
pub fn logs(logs: String) -> Option<String> {
    (!logs.is_empty()).then(|| cut(logs, LONGEST_LOGS))
}

/// A text of at most so many bytes, no character torn.
pub(super) fn cut(mut text: String, most: usize) -> String {
    text.truncate(text.floor_char_boundary(most));
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use serde_json::json;

    fn code(cpu_ms: u64, memory_mib: u64) -> RunCode {
        RunCode {
            runtime: "python3".to_owned(),
            code: "x".to_owned(),
            entrypoint: "generate".to_owned(),
            cpu_ms,
            memory_mib,
            network: Vec::new(),
        }
    }

    #[test]
    fn a_runtime_is_offered_with_its_profile_only() {
        let python = [Profile::Sandbox, Profile::SandboxPython];
        assert_eq!(runtimes(&python), ["python3.11"]);
        for named in ["python3", "python3.11"] {
            assert_eq!(language(&python, named), Some(Language::Python));
        }
        for other in ["python3.12", "python3.1", "javascript", "wasm", "Python3"] {
            assert_eq!(language(&python, other), None, "{other}");
        }
        assert_eq!(runtimes(&[Profile::Sandbox]), Vec::<&str>::new());
    }

    #[test]
    fn limits_are_lowered_and_raised_to_the_ceiling_only() {
        let standard = Ceiling::default();
        let both = |code: &RunCode, ceiling: &Ceiling| {
            let limits = limits(code, ceiling);
            (limits.cpu.as_millis(), limits.memory >> 20)
        };
        assert_eq!(both(&code(200, 64), &standard), (200, 64));
        assert_eq!(both(&code(50, 16), &standard), (50, 16));
        assert_eq!(both(&code(10_000, 4096), &standard), (200, 64));
        assert_eq!(both(&code(u64::MAX, u64::MAX), &standard), (200, 64));
        assert_eq!(both(&code(300, 96), &Ceiling::of(400, 128)), (300, 96));
        assert_eq!(both(&code(200, 64), &Ceiling::of(100, 32)), (100, 32));
        let slow = limits(&code(60_000, 1), &Ceiling::of(60_000, 1));
        assert!(slow.wall > Duration::from_secs(60));
    }

    #[test]
    fn chance_comes_from_code_arguments_and_seed_in_this_order() {
        // SHA-256 of the text `x{"a":1,"b":2}7`, and of the text without the digit.
        let expected: [u8; 32] = Sha256::digest(b"x{\"a\":1,\"b\":2}7").into();
        assert_eq!(seed("x", &json!({"b": 2, "a": 1}), Some(7)), expected);
        let expected: [u8; 32] = Sha256::digest(b"x{\"a\":1}").into();
        assert_eq!(seed("x", &json!({"a": 1.0}), None), expected);
    }

    #[test]
    fn clocks_begin_with_1970_at_the_earliest() {
        let time: Timestamp = "2026-03-28T14:32:10.007Z".parse().expect("a time");
        assert_eq!(clock_ns(time), 1_774_708_330_007_000_000);
        assert_eq!(clock_ns(Timestamp::MIN), 0);
        assert_eq!(clock_ns(Timestamp::MAX), u64::MAX);
    }

    #[test]
    fn a_grant_covers_exactly_its_host_and_port() {
        let network = ["api.example.com:443", "127.0.0.1:8080", "[::1]:80"].map(str::to_owned);
        let covered = |url: &str| granted(&network, &Url::parse(url).expect("a URL"));
        for fine in [
            "https://api.example.com/x?y",
            "https://API.example.com:443/",
            "http://api.example.com:443/",
            "http://127.0.0.1:8080/",
            "http://[::1]/",
        ] {
            assert!(covered(fine), "{fine}");
        }
        for other in [
            "http://api.example.com/",
            "https://api.example.com:8443/",
            "https://x.api.example.com/",
            "https://api.example.com.evil.test/",
            "https://api.example.com./",
            "http://127.0.0.1/",
            "http://localhost:8080/",
            "ftp://api.example.com:443/",
            "file:///etc/passwd",
            "data:text/plain,x",
        ] {
            assert!(!covered(other), "{other}");
        }
    }

    #[test]
    fn only_want_of_room_may_be_tried_again() {
        for (code, named, again) in [
            (FailureCode::Busy, Code::CapacityExceeded, true),
            (FailureCode::Error, Code::SandboxError, false),
            (FailureCode::CpuLimit, Code::SandboxCpuLimit, false),
            (FailureCode::Cancelled, Code::SandboxCancelled, false),
        ] {
            let told = failure(&Failure::new(code, "x"), "x".to_owned());
            assert_eq!((told.code, told.retryable), (named, again));
            assert_eq!(told.code.name(), code.name());
        }
    }

    #[test]
    fn messages_say_something_and_logs_are_bounded() {
        let mute = Failure::new(FailureCode::Error, " ");
        assert!(!message(&mute).trim().is_empty());
        assert_eq!(logs(String::new()), None);
        let kept = logs("é".repeat(LONGEST_LOGS)).expect("logs");
        assert_eq!(kept.len(), LONGEST_LOGS);
    }
}
