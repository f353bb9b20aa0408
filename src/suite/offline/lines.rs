//! Transcripts in JSON lines, of any length: one line is in memory at a time (`spec/transcripts.md`, section 7).

use std::collections::{BTreeMap, VecDeque};
use std::io::BufRead;

use serde_json::{Map, Value, json};

use super::read::{Manifests, holds_one, parsed};
use super::session::{Bench, Session, begin_with};
use super::{Conclusion, MEMBERS};
use crate::suite::target::{MOST_MARKS, marks};

/// Longest line, in bytes: a step with its result, and an observation that holds it again.
pub(super) const MOST_LINE: usize = 8 << 20;

/// How many of the last sessions of a stream are remembered, so that a second transcript of one is found.
const REMEMBERED: usize = 4_096;

/// What a line is.
#[derive(Debug, PartialEq)]
enum Line {
    /// The begin of a transcript, or a whole one.
    Head(Map<String, Value>, bool),
    /// An entry of an array.
    Entry(&'static str, Value),
    /// Further contracts.
    Contracts(Map<String, Value>),
    /// The end of a transcript.
    Tail(Map<String, Value>),
    /// None of these.
    Unknown,
}

impl Line {
    /// Tells lines apart by their members; `open`: whether a transcript was begun.
    fn of(mut members: Map<String, Value>, open: bool) -> Self {
        let has = |name: &str| members.contains_key(name);
        if holds_one(&members) {
            if let Some(Value::Object(inner)) = members.remove("transcript") {
                return Self::Head(inner, true);
            }
            return Self::Unknown;
        }
        let kind = [
            ("turn_number", "turns"),
            ("result", "steps"),
            ("asked_at", "interventions"),
            ("target", "side_effects"),
        ];
        if let Some((_, array)) = kind.into_iter().find(|(member, _)| has(member)) {
            return Self::Entry(array, Value::Object(members));
        }
        let arrays = ["turns", "steps", "interventions"];
        let is_whole = arrays.into_iter().any(has);
        if is_whole || !open || has("protocol_version") {
            return Self::Head(members, is_whole);
        }
        if has("status") || has("session_id") || has("closed_at") {
            return Self::Tail(members);
        }
        match members.remove("contracts") {
            Some(Value::Object(contracts)) if members.is_empty() => Self::Contracts(contracts),
            _ => Self::Unknown,
        }
    }
}

/// The sessions of a stream, one open at a time.
struct Stream<'s, 'j> {
    bench: Bench<'j>,
    manifests: &'s Manifests,
    /// The name of the file, under which a manifest may lie beside it.
    name: &'s str,
    each: &'s mut dyn FnMut(Conclusion),
    open: Option<Open<'j>>,
    ordinal: u64,
    /// Digests of the last transcripts by session.
    seen: BTreeMap<String, String>,
    order: VecDeque<String>,
}

struct Open<'j> {
    session: Session<'j>,
    note: Option<String>,
    is_whole: bool,
    has_tail: bool,
    /// Whether its begin is missing, so that nothing can be said of its entries.
    is_headless: bool,
}

/// Judges every transcript of a stream, and hands over each as soon as it has ended. `first`: what was read of it already.
///
/// # Errors
/// When it cannot be read on; what was whole before was handed over.
pub(super) fn judge(
    first: Option<Vec<u8>>,
    reader: &mut dyn BufRead,
    name: &str,
    manifests: &Manifests,
    bench: Bench<'_>,
    each: &mut dyn FnMut(Conclusion),
) -> Result<(), String> {
    let mut stream = Stream {
        bench,
        manifests,
        name,
        each,
        open: None,
        ordinal: 0,
        seen: BTreeMap::new(),
        order: VecDeque::new(),
    };
    let mut line = first.unwrap_or_default();
    let mut number = 1;
    let mut ready = !line.is_empty();
    let ended = loop {
        if !ready {
            match next(reader, &mut line) {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(why) => break Err(format!("line {number} {why}")),
            }
        }
        ready = false;
        if !line.trim_ascii().is_empty() {
            if marks(&line) > MOST_MARKS {
                let many = format!("line {number} has more than {MOST_MARKS} brackets and commas");
                break Err(many);
            }
            stream.line(number, &line);
        }
        number += 1;
    };
    stream.close();
    if stream.ordinal == 0 && ended.is_ok() {
        (stream.each)(Conclusion::none("is empty"));
    }
    ended
}

/// Reads a line without what ends it; false: there is none.
///
/// # Errors
/// When it is too long, or cannot be read.
pub(super) fn next(reader: &mut dyn BufRead, line: &mut Vec<u8>) -> Result<bool, String> {
    line.clear();
    loop {
        let part = match reader.fill_buf() {
            Ok(part) => part,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(format!("cannot be read: {error}")),
        };
        let end = part.iter().position(|byte| *byte == b'\n');
        let taken = end.unwrap_or(part.len());
        if line.len() + taken > MOST_LINE {
            return Err(format!("is longer than {MOST_LINE} bytes"));
        }
        line.extend(part.iter().take(taken));
        let is_last = part.is_empty();
        let used = taken + usize::from(end.is_some());
        reader.consume(used);
        if end.is_some() || is_last {
            return Ok(end.is_some() || !line.is_empty());
        }
    }
}

impl Stream<'_, '_> {
    fn line(&mut self, number: u64, line: &[u8]) {
        let members = match parsed(line) {
            Ok(Value::Object(members)) => members,
            Ok(_) => return self.wrong(number, MEMBERS, "is no object"),
            Err(why) => return self.wrong(number, MEMBERS, &format!("is not JSON: {why}")),
        };
        match Line::of(members, self.open.is_some()) {
            Line::Head(members, is_whole) => self.begin(members, is_whole, number),
            Line::Entry(array, entry) => self.entry(array, &entry, number),
            Line::Contracts(contracts) => {
                if let Some(open) = &mut self.open {
                    open.session.found.line = Some(number);
                    open.session.more_contracts(contracts);
                }
            }
            Line::Tail(tail) => self.tail(tail, number),
            Line::Unknown => {
                let why = "is neither a turn, a step, an intervention, an effect, contracts, nor the begin or the end of a transcript";
                self.wrong(number, MEMBERS, why);
            }
        }
    }

    fn begin(&mut self, members: Map<String, Value>, is_whole: bool, number: u64) {
        self.close();
        let (rules, wrong, note) = self.manifests.judge_by(self.name, &members);
        let line = if is_whole { None } else { Some(number) };
        let mut session = begin_with(members, rules, self.bench, line);
        session.found.line = Some(number);
        session.found.extend(wrong);
        self.open = Some(Open {
            session,
            note,
            is_whole,
            has_tail: false,
            is_headless: false,
        });
    }

    fn entry(&mut self, array: &'static str, entry: &Value, number: u64) {
        if self.open.is_none() {
            self.wrong(number, MEMBERS, "stands before the begin of its transcript");
        }
        let Some(open) = &mut self.open else { return };
        if open.is_headless {
            return;
        }
        open.session.found.line = Some(number);
        if open.is_whole || open.has_tail {
            let requirement = match array {
                "turns" => "TRN-004",
                "interventions" => "HUM-016",
                "steps" => "TRN-009",
                _ => "TRN-012",
            };
            return self.wrong(
                number,
                requirement,
                "stands after the end of its transcript",
            );
        }
        open.session.entry(array, entry);
    }

    fn tail(&mut self, tail: Map<String, Value>, number: u64) {
        let Some(open) = &mut self.open else { return };
        if open.is_headless {
            return;
        }
        open.session.found.line = Some(number);
        if open.is_whole || open.has_tail {
            return self.wrong(number, MEMBERS, "ends a transcript that has ended");
        }
        open.has_tail = true;
        open.session.tail(tail);
    }

    fn wrong(&mut self, number: u64, requirement: &str, why: &str) {
        if self.open.is_none() {
            self.begin(Map::new(), false, number);
            if let Some(open) = &mut self.open {
                open.is_headless = true;
                open.note = None;
            }
        }
        if let Some(open) = &mut self.open {
            open.session.found.line = Some(number);
            let expected = json!("a line as spec/transcripts.md says");
            let got = json!(format!("line {number}"));
            open.session
                .found
                .say(requirement, "", expected, Some(&got), why);
        }
    }

    /// Ends the open transcript and hands it over.
    fn close(&mut self) {
        let Some(mut open) = self.open.take() else {
            return;
        };
        let (id, digest) = open.session.identity();
        match self.seen.get(&id) {
            Some(before) if *before != digest => {
                open.session.found.line = None;
                let expected = json!("the same transcript as the one before in this stream");
                let got = json!("another transcript");
                let message = "is that of a session whose transcript was another before";
                let found = &mut open.session.found;
                found.say("SES-022", "/session_id", expected, Some(&got), message);
            }
            Some(_) => {}
            None if id.is_empty() || id.len() > 128 => {}
            None => {
                if self.order.len() >= REMEMBERED
                    && let Some(oldest) = self.order.pop_front()
                {
                    self.seen.remove(&oldest);
                }
                self.order.push_back(id.clone());
                self.seen.insert(id, digest);
            }
        }
        self.ordinal += 1;
        (self.each)(Conclusion {
            ordinal: self.ordinal,
            judged: open.session.finish(),
            note: open.note,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(line: Value, open: bool) -> String {
        let Value::Object(members) = line else {
            return String::new();
        };
        match Line::of(members, open) {
            Line::Head(_, whole) => format!("head {whole}"),
            Line::Entry(array, _) => array.to_owned(),
            Line::Contracts(_) => "contracts".to_owned(),
            Line::Tail(_) => "tail".to_owned(),
            Line::Unknown => "unknown".to_owned(),
        }
    }

    #[test]
    fn lines_are_told_apart_by_their_members() {
        for (line, expected) in [
            (
                json!({"protocol_version": "2.0", "session_id": "s"}),
                "head false",
            ),
            (json!({"protocol_version": "2.0", "steps": []}), "head true"),
            (json!({"transcript": {"session_id": "s"}}), "head true"),
            (
                json!({"session_id": "s", "status": "closed", "transcript": {"session_id": "s"}}),
                "head true",
            ),
            (json!({"turn_number": 1, "step_number": 1}), "turns"),
            (json!({"step_number": 1, "result": {}}), "steps"),
            (
                json!({"id": "q", "asked_at": "t", "step_number": 1}),
                "interventions",
            ),
            (
                json!({"kind": "http", "target": "t", "status": 200}),
                "side_effects",
            ),
            (json!({"contracts": {"sha256:0": "t"}}), "contracts"),
            (json!({"session_id": "s", "status": "active"}), "tail"),
            (json!({"what": 1}), "unknown"),
        ] {
            assert_eq!(kind(line.clone(), true), expected, "{line}");
        }
        assert_eq!(kind(json!({"session_id": "s"}), false), "head false");
    }

    #[test]
    fn a_line_is_read_whatever_its_end() {
        let mut reader = std::io::Cursor::new(b"one\n\ntwo".to_vec());
        let mut line = Vec::new();
        let mut lines = Vec::new();
        while next(&mut reader, &mut line).expect("read") {
            lines.push(String::from_utf8(line.clone()).expect("UTF-8"));
        }
        assert_eq!(lines, ["one", "", "two"]);
        let mut long = std::io::Cursor::new(vec![b'x'; MOST_LINE + 1]);
        let error = next(&mut long, &mut line).expect_err("too long");
        assert!(error.contains("longer"), "{error}");
    }
}
