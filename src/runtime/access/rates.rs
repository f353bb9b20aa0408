//! How often a subject may call an action: sliding windows (`spec/access.md`, section 4).

mod kept;

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Mutex as TurnLock, MutexGuard as Turn};

use super::AccessParts;
use crate::manifest::RateLimit;

/// Up to this many calls a window remembers each one's time; beyond it, calls that are close together share one.
const EXACT: u32 = 1024;

/// Where calls share a time, the parts of a window that have one each.
const PARTS: i32 = 512;

/// The most times that one key remembers.
const MOST_PARTS: usize = 2048;

/// The most times that all keys remember together; beyond it every key remembers few, and lets nobody call earlier for it.
const MOST_HELD: usize = 4_000_000;

/// The times that a key is left with then.
const FEW_PARTS: usize = 32;

/// What is said to wait where there is no room for a further key; windows that end make room.
const FULL_SECONDS: u64 = 60;

/// How many keys can be counted in a ledger at the same time.
const TURNS: usize = 64;

/// The longest that a call can matter: the longest unit there is.
const LONGEST: SignedDuration = SignedDuration::from_hours(24);

/// What a count is kept for: every version of a manifest shares one (access.md 4.4).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RateKey {
    /// Who calls.
    pub subject: String,
    /// The manifest's name, without its version.
    pub manifest: String,
    /// The action's name.
    pub action: String,
}

/// Why a call that was wanted is not charged (access.md 4.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uncharged {
    /// Its conditional was false.
    Skipped,
    /// Its input, conditional or template was refused.
    Invalid,
    /// The limit refused it.
    Limited,
    /// Its result came from the idempotency store.
    Repeated,
}

/// The calls of one key that may still matter.
///
/// Up to 1024 calls a window are remembered one by one. Those of a higher limit are kept in parts, a five-hundredth of the
/// window long: calls of one part count as if all had been made with the last of them. So a call may have to wait up to one
/// part longer than it would need to, but never are more than N admitted in any window.
#[derive(Debug, Clone, Default)]
pub struct Window {
    /// Ordered by time.
    calls: VecDeque<Calls>,
    /// The longest window that was asked about.
    longest: SignedDuration,
}

/// Calls that count as if made with the last of them.
#[derive(Debug, Clone, Copy)]
struct Calls {
    first: Timestamp,
    last: Timestamp,
    count: u64,
}

impl Calls {
    fn joined(self, later: Self) -> Self {
        Self {
            first: self.first,
            last: later.last,
            count: self.count + later.count,
        }
    }
}

impl Window {
    /// Calls in the window of this length that ends now.
    pub fn used(&self, window: Duration, now: Timestamp) -> u64 {
        let start = before(now, span(window));
        let inside = self.calls.iter().rev();
        inside
            .take_while(|calls| calls.last > start)
            .map(|calls| calls.count)
            .sum()
    }

    /// Whole seconds, at least 1, until the limit admits one more call; `None` when it does now.
    pub fn wait(&self, limit: RateLimit, now: Timestamp) -> Option<u64> {
        let used = self.used(limit.window, now);
        // So many have to leave the window first.
        let mut leaving = (used + 1).checked_sub(u64::from(limit.count))?;
        let start = before(now, span(limit.window));
        let mut free = now;
        for calls in self.calls.iter().filter(|calls| calls.last > start) {
            if leaving == 0 {
                break;
            }
            free = after(calls.last, span(limit.window));
            leaving = leaving.saturating_sub(calls.count);
        }
        (free > now).then(|| seconds_until(free, now))
    }

    /// Remembers a call.
    pub fn note(&mut self, limits: &[RateLimit], now: Timestamp) {
        let now = self.not_before_last(now);
        self.reach(limits);
        self.forget_before(before(now, LONGEST));
        let part = limits.iter().map(part).min().unwrap_or_default();
        match self.calls.back_mut() {
            Some(last) if last.last == now || now.duration_since(last.first) < part => {
                last.last = now;
                last.count += 1;
            }
            _ => self.calls.push_back(Calls {
                first: now,
                last: now,
                count: 1,
            }),
        }
        if self.calls.len() > MOST_PARTS {
            self.forget_before(before(now, self.longest));
            self.shrink();
        }
    }

    /// Admits a call that every limit admits, and remembers it.
    ///
    /// # Errors
    /// Whole seconds, at least 1, until one more call is admitted.
    pub fn admit(&mut self, limits: &[RateLimit], now: Timestamp) -> Result<(), u64> {
        let now = self.not_before_last(now);
        self.reach(limits);
        let waits = limits.iter().filter_map(|limit| self.wait(*limit, now));
        if let Some(seconds) = waits.max() {
            return Err(seconds);
        }
        self.note(limits, now);
        Ok(())
    }

    /// A clock that was set back must not make room.
    fn not_before_last(&self, now: Timestamp) -> Timestamp {
        self.calls.back().map_or(now, |calls| calls.last.max(now))
    }

    /// Remembers calls for at least as long as these limits ask about them.
    fn reach(&mut self, limits: &[RateLimit]) {
        let spans = limits.iter().map(|limit| span(limit.window));
        self.longest = spans.fold(self.longest, SignedDuration::max);
    }

    fn forget_before(&mut self, oldest: Timestamp) {
        while self.calls.front().is_some_and(|calls| calls.last <= oldest) {
            self.calls.pop_front();
        }
    }

    /// Joins neighbours until so few times are left.
    fn coarsen(&mut self, parts: usize) {
        while self.calls.len() > parts.max(1) {
            let mut joined = VecDeque::with_capacity(self.calls.len().div_ceil(2));
            while let Some(earlier) = self.calls.pop_front() {
                joined.push_back(match self.calls.pop_front() {
                    Some(later) => earlier.joined(later),
                    None => earlier,
                });
            }
            self.calls = joined;
        }
    }

    /// Joins the two neighbours of the older half that are closest together: they count as if made with the later.
    fn shrink(&mut self) {
        while self.calls.len() > MOST_PARTS {
            let pairs = self.calls.iter().zip(self.calls.iter().skip(1));
            let spans = pairs.map(|(a, b)| b.last.duration_since(a.first));
            let older = spans.enumerate().take(MOST_PARTS / 2);
            let Some((at, _)) = older.min_by_key(|(_, span)| *span) else {
                return;
            };
            let Some(earlier) = self.calls.remove(at) else {
                return;
            };
            if let Some(later) = self.calls.get_mut(at) {
                *later = earlier.joined(*later);
            }
        }
    }
}

/// The counts of all keys, bounded in number and memory.
#[derive(Debug)]
pub struct Rates {
    book: Mutex<Book>,
    most: usize,
    /// Where the counts are kept in a ledger: keys that share a turn wait for each other.
    turns: [TurnLock<()>; TURNS],
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Book {
    windows: HashMap<RateKey, Window>,
    /// Times that all windows remember together.
    held: usize,
}

impl Rates {
    /// Room for so many keys.
    pub fn new(most: usize) -> Self {
        Self {
            book: Mutex::default(),
            most,
            turns: [const { TurnLock::const_new(()) }; TURNS],
            hasher: RandomState::new(),
        }
    }

    /// Held by who counts a call of this key elsewhere than here.
    pub async fn turn(&self, key: &RateKey) -> Option<Turn<'_, ()>> {
        let place = self.hasher.hash_one(key) % TURNS as u64;
        let turn = self.turns.get(usize::try_from(place).unwrap_or(0))?;
        Some(turn.lock().await)
    }

    /// Charges a call that is about to be executed, if every limit admits it; none of `limits`: it always is.
    ///
    /// # Errors
    /// Whole seconds, at least 1, until one more call is admitted. Where there is no room for a further key, a new one is
    /// refused rather than an old count forgotten, since forgetting would admit more than the limit.
    pub fn charge(
        &self,
        parts: &dyn AccessParts,
        key: RateKey,
        limits: &[RateLimit],
        now: Timestamp,
    ) -> Result<(), u64> {
        if limits.is_empty() {
            return Ok(());
        }
        self.book(now)
            .change(key, self.most, |window| {
                parts.admit_call(window, limits, now)
            })
            .unwrap_or(Err(FULL_SECONDS))
    }

    /// Told of a call that was wanted and not executed: nothing is charged (access.md 4.7).
    pub fn spare(
        &self,
        parts: &dyn AccessParts,
        key: RateKey,
        limits: &[RateLimit],
        why: Uncharged,
        now: Timestamp,
    ) {
        if !limits.is_empty() && parts.charges(why) {
            let mut book = self.book(now);
            book.change(key, self.most, |window| window.note(limits, now));
        }
    }

    /// The book, with room for one more time.
    fn book(&self, now: Timestamp) -> MutexGuard<'_, Book> {
        // A panic elsewhere leaves the book whole: nothing in here panics half way.
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        if book.held >= MOST_HELD {
            book.tidy(now);
        }
        if book.held >= MOST_HELD {
            book.coarsen(FEW_PARTS);
        }
        if book.windows.len() >= self.most {
            book.tidy(now);
        }
        book
    }
}

impl Book {
    /// Does something with the window of a key; `None` when it is a new one and there is no room.
    fn change<T>(
        &mut self,
        key: RateKey,
        most: usize,
        with: impl FnOnce(&mut Window) -> T,
    ) -> Option<T> {
        if self.windows.len() >= most && !self.windows.contains_key(&key) {
            return None;
        }
        let window = self.windows.entry(key).or_default();
        let before = window.calls.len();
        let done = with(window);
        self.held = (self.held + window.calls.len()).saturating_sub(before);
        Some(done)
    }

    /// Removes the counts whose calls left every window that was asked about.
    fn tidy(&mut self, now: Timestamp) {
        self.windows.retain(|_, window| {
            window.forget_before(before(now, window.longest));
            !window.calls.is_empty()
        });
        self.weigh();
    }

    fn coarsen(&mut self, parts: usize) {
        for window in self.windows.values_mut() {
            window.coarsen(parts);
        }
        self.weigh();
    }

    fn weigh(&mut self) {
        self.held = self.windows.values().map(|window| window.calls.len()).sum();
    }
}

/// How far calls may lie apart and still share a time.
fn part(limit: &RateLimit) -> SignedDuration {
    if limit.count <= EXACT {
        SignedDuration::ZERO
    } else {
        span(limit.window) / PARTS
    }
}

fn seconds_until(then: Timestamp, now: Timestamp) -> u64 {
    let wait = then.duration_since(now);
    let whole = u64::try_from(wait.as_secs()).unwrap_or(0);
    (whole + u64::from(wait.subsec_nanos() > 0)).max(1)
}

fn span(window: Duration) -> SignedDuration {
    SignedDuration::try_from(window).unwrap_or(LONGEST)
}

fn before(now: Timestamp, span: SignedDuration) -> Timestamp {
    now.checked_sub(span).unwrap_or(Timestamp::MIN)
}

fn after(now: Timestamp, span: SignedDuration) -> Timestamp {
    now.checked_add(span).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::super::parts::Reference;
    use super::*;
    use proptest::prelude::*;

    const START: Timestamp = Timestamp::UNIX_EPOCH;

    fn limit(text: &str) -> RateLimit {
        RateLimit::parse(text).expect("a rate")
    }

    fn at(milliseconds: i64) -> Timestamp {
        START + SignedDuration::from_millis(milliseconds)
    }

    #[test]
    fn a_window_slides() {
        let mut window = Window::default();
        let rate = [limit("2/min")];
        assert_eq!(window.admit(&rate, at(0)), Ok(()));
        assert_eq!(window.admit(&rate, at(50_000)), Ok(()));
        assert_eq!(window.admit(&rate, at(50_001)), Err(10));
        assert_eq!(window.admit(&rate, at(59_999)), Err(1));
        // The first has left, the second has not.
        assert_eq!(window.admit(&rate, at(60_000)), Ok(()));
        assert_eq!(window.admit(&rate, at(60_000)), Err(50));
    }

    #[test]
    fn a_lower_limit_of_one_call_sees_the_calls_of_the_others() {
        let mut window = Window::default();
        let both = [limit("10/min"), limit("2/hour")];
        assert_eq!(window.admit(&both[..1], at(0)), Ok(()));
        assert_eq!(window.admit(&both, at(1000)), Ok(()));
        assert_eq!(window.admit(&both, at(2000)), Err(3598));
        assert_eq!(window.admit(&both[..1], at(2000)), Ok(()));
    }

    #[test]
    fn a_clock_set_back_makes_no_room() {
        let mut window = Window::default();
        let rate = [limit("1/min")];
        assert_eq!(window.admit(&rate, at(100_000)), Ok(()));
        assert_eq!(window.admit(&rate, at(0)), Err(60));
    }

    #[test]
    fn huge_limits_take_little_room() {
        let mut window = Window::default();
        let rate = [limit("999999999/day")];
        for call in 0..100_000 {
            assert_eq!(window.admit(&rate, at(call * 800)), Ok(()));
        }
        assert!(window.calls.len() <= 1 + PARTS as usize);
        let mixed = [limit("1000/s"), limit("100000/day")];
        let mut window = Window::default();
        let mut admitted = 0;
        for call in 0..10_000 {
            admitted += u64::from(window.admit(&mixed, at(call * 20)).is_ok());
        }
        assert_eq!(admitted, 10_000);
        assert!(window.calls.len() <= MOST_PARTS);
    }

    #[test]
    fn what_is_remembered_coarsely_admits_no_more() {
        let mut window = Window::default();
        let rate = [limit("100/min")];
        for call in 0..100 {
            assert_eq!(window.admit(&rate, at(call * 500)), Ok(()));
        }
        window.coarsen(FEW_PARTS);
        assert!(window.calls.len() <= FEW_PARTS);
        assert_eq!(window.used(Duration::from_secs(60), at(50_000)), 100);
        assert!(window.admit(&rate, at(59_999)).is_err());
        assert_eq!(window.admit(&rate, at(63_000)), Ok(()));
    }

    #[test]
    fn keys_are_apart_and_bounded() {
        let rates = Rates::new(2);
        let rate = [limit("1/s")];
        let key = |subject: &str| RateKey {
            subject: subject.to_owned(),
            manifest: "m".to_owned(),
            action: "a".to_owned(),
        };
        let charge = |subject, when| rates.charge(&Reference, key(subject), &rate, at(when));
        assert_eq!((charge("a", 0), charge("b", 0)), (Ok(()), Ok(())));
        assert_eq!(charge("a", 0), Err(1));
        assert_eq!(
            charge("c", 0),
            Err(FULL_SECONDS),
            "no old count is forgotten"
        );
        assert_eq!(charge("c", 1000), Ok(()), "ended windows make room");
        assert_eq!(rates.charge(&Reference, key("d"), &[], at(0)), Ok(()));
    }

    proptest! {
        #[test]
        fn no_window_ever_holds_more(gaps in proptest::collection::vec(0_i64..900, 1..400), count in 1_u32..12) {
            let rate = RateLimit { count, window: Duration::from_secs(1) };
            let mut window = Window::default();
            let mut now = 0;
            let mut admitted: Vec<i64> = Vec::new();
            for gap in gaps {
                now += gap;
                let inside = admitted.iter().filter(|then| **then > now - 1000).count();
                let is_admitted = window.admit(&[rate], at(now)).is_ok();
                prop_assert_eq!(is_admitted, inside < count as usize);
                if is_admitted {
                    admitted.push(now);
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]

        #[test]
        fn not_even_in_parts(gaps in proptest::collection::vec(0_i64..30, 3000..4000)) {
            let rate = RateLimit { count: EXACT + 1, window: Duration::from_secs(10) };
            let mut window = Window::default();
            let mut now = 0;
            let mut admitted: VecDeque<i64> = VecDeque::new();
            for gap in gaps {
                now += gap / 3;
                while admitted.front().is_some_and(|then| *then <= now - 10_000) {
                    admitted.pop_front();
                }
                if window.admit(&[rate], at(now)).is_ok() {
                    admitted.push_back(now);
                }
                prop_assert!(admitted.len() <= rate.count as usize);
            }
        }
    }
}
