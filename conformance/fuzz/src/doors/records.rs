//! What the suite reads: cases, transcripts, target definitions, baselines and the lines of an adapter.

use std::io::Write as _;
use std::path::Path;

use oap_conform::requirement::Registry;
use oap_conform::suite::baseline::Baseline;
use oap_conform::suite::offline::{Sources, verify};
use oap_conform::suite::target::definition::Definition;
use oap_conform::suite::{Options, Verdict, load, target};

/// A case file: cases, or errors that stand on lines of the file.
pub fn case(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match load::read("fuzzed.yaml", text, Registry::embedded()) {
        Ok(cases) => assert!(cases.iter().all(|case| !case.requirements.is_empty())),
        Err(errors) => {
            assert!(!errors.is_empty(), "refused for nothing");
            let lines = text.lines().count().max(1) + 1;
            assert!(
                errors.iter().all(|error| (1..=lines).contains(&error.line)),
                "{errors:?} of {lines} lines"
            );
        }
    }
}

/// A file of transcripts: each is judged, and none that cannot be read passes.
pub fn transcript(bytes: &[u8]) {
    let mut file = tempfile::Builder::new()
        .suffix(".jsonl")
        .tempfile()
        .expect("a file");
    file.write_all(bytes).expect("written");
    let sources = Sources {
        paths: vec![file.path().to_owned()],
        by_shape: true,
        ..Sources::default()
    };
    let report = verify(&sources, &Options::default(), &()).expect("a report");
    assert!(!report.cases.is_empty(), "a file without a verdict");
    let empty = bytes.iter().all(u8::is_ascii_whitespace);
    assert!(
        !empty
            || report
                .cases
                .iter()
                .all(|case| case.verdict != Verdict::Pass),
        "an empty file passes"
    );
}

/// The definition of a target.
pub fn definition(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Err(why) = Definition::parse(text, Path::new("oap-target.toml"))
    {
        assert!(!why.is_empty());
    }
}

/// A baseline.
pub fn baseline(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Err(error) = Baseline::read("oap-baseline.toml", text)
    {
        assert!(!error.to_string().is_empty());
    }
}

/// What an adapter writes while three requests wait.
pub fn stdio(bytes: &[u8]) {
    let answered = target::stdio::overheard(bytes, 3);
    assert!(answered <= 3, "{answered} answers to three requests");
}
