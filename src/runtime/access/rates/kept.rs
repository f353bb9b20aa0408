//! A window as a ledger keeps it: times in microseconds, each as the gap to the one before.
//!
//! Times are rounded up, so that what was kept never admits a call earlier than memory would.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Calls, Window, after};

/// The longest window that was asked about, in seconds; then the calls.
#[derive(Serialize, Deserialize)]
struct Kept(i64, Vec<Gap>);

/// Microseconds since the end of the calls before, or since 1970.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Gap {
    /// To one call.
    One(i64),
    /// To the first of several, from it to the last, and how many.
    Several(i64, i64, u64),
}

impl Window {
    /// The window as a text.
    pub fn written(&self) -> String {
        let mut before = 0_i64;
        let gaps = self.calls.iter().map(|calls| {
            let (first, last) = (up(calls.first), up(calls.last));
            let gap = first.saturating_sub(before);
            before = last;
            match calls.count {
                1 if first == last => Gap::One(gap),
                count => Gap::Several(gap, last.saturating_sub(first), count),
            }
        });
        let kept = Kept(self.longest.as_secs(), gaps.collect());
        // Numbers can be written as JSON, so there is always a text.
        serde_json::to_string(&kept).unwrap_or_default()
    }

    /// The window of a text; `None` where it is none's.
    pub fn read(text: &str) -> Option<Self> {
        let Kept(longest, gaps) = serde_json::from_str(text).ok()?;
        let mut before = 0_i64;
        let mut calls = VecDeque::with_capacity(gaps.len());
        for gap in gaps {
            let (gap, span, count) = match gap {
                Gap::One(gap) => (gap, 0, 1),
                Gap::Several(gap, span, count) => (gap, span, count),
            };
            let first = before.checked_add(gap)?;
            let last = first.checked_add(span)?;
            before = last;
            calls.push_back(Calls {
                first: Timestamp::from_microsecond(first).ok()?,
                last: Timestamp::from_microsecond(last).ok()?,
                count,
            });
        }
        Some(Self {
            calls,
            longest: SignedDuration::from_secs(longest),
        })
    }

    /// When the last call has left every window that was asked about.
    pub fn over(&self) -> Timestamp {
        let last = self.calls.back();
        last.map_or(Timestamp::MIN, |calls| after(calls.last, self.longest))
    }
}

/// Microseconds since 1970, rounded up.
fn up(at: Timestamp) -> i64 {
    let whole = at.as_microsecond();
    let exact = Timestamp::from_microsecond(whole).is_ok_and(|floor| floor >= at);
    whole.saturating_add(i64::from(!exact))
}

#[cfg(test)]
mod tests {
    use super::super::super::super::parts::Reference;
    use super::super::super::AccessParts as _;
    use super::*;
    use crate::manifest::RateLimit;

    fn at(nanoseconds: i128) -> Timestamp {
        Timestamp::from_nanosecond(1_700_000_000_000_000_000 + nanoseconds).expect("a time")
    }

    #[test]
    fn a_window_is_read_as_it_was_written_and_admits_no_earlier() {
        let limits = ["3/min", "5000/hour"].map(|text| RateLimit::parse(text).expect("a rate"));
        let mut window = Window::default();
        for nanoseconds in [0, 1, 2_000_000_001] {
            let admitted = Reference.admit_call(&mut window, &limits, at(nanoseconds));
            assert_eq!(admitted, Ok(()));
        }
        let text = window.written();
        assert!(text.len() < 80, "{text}");
        let mut read = Window::read(&text).expect("a window");
        assert_eq!(read.written(), text);
        assert!(read.over() >= window.over());
        let minute = 60_000_000_000;
        for (nanoseconds, admitted) in [
            (3_000_000_000, false),
            (minute - 1, false),
            (minute, true),
            // The second was made a nanosecond after the first, and leaves a microsecond after it.
            (minute + 1, false),
            (minute + 1_000, true),
        ] {
            let done = Reference.admit_call(&mut read, &limits, at(nanoseconds));
            assert_eq!(done.is_ok(), admitted, "{nanoseconds}");
        }
    }

    #[test]
    fn a_thousand_calls_take_little_room() {
        let limits = [RateLimit::parse("1000/min").expect("a rate")];
        let mut window = Window::default();
        for call in 0..1000 {
            let admitted = Reference.admit_call(&mut window, &limits, at(call * 50_000_000));
            assert_eq!(admitted, Ok(()));
        }
        assert!(window.written().len() < 8_000);
    }

    #[test]
    fn other_texts_are_no_windows() {
        for text in [
            "",
            "[]",
            "[1]",
            "[1,[null]]",
            "[1,[[1,2]]]",
            "[1,[9223372036854775807,1]]",
            "{}",
        ] {
            assert!(Window::read(text).is_none(), "{text}");
        }
    }
}
