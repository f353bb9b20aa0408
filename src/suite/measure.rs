//! What is measured from outside: thresholds by trying, and processor time by looking at the target's processes.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::target::Exchange;

/// The work that is tried first.
const FIRST: f64 = 1000.0;
/// Work beyond which no threshold is looked for.
const MOST: f64 = 1e12;
/// How close the two ends come between which a threshold lies.
const CLOSE: f64 = 1.05;

/// The processes of a target, as far as they can be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// This very process: the built-in reference.
    Own,
    /// A process of this machine and its descendants.
    Tree(u32),
}

impl Process {
    /// Processor time used so far.
    ///
    /// # Errors
    /// When there is no such process, or the system does not tell.
    pub fn used(self) -> Result<Duration, String> {
        match self {
            Self::Own => {
                let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
                Duration::try_from(used).map_err(|error| error.to_string())
            }
            Self::Tree(root) => tree(Path::new("/proc"), root),
        }
    }

    /// Memory that is resident now, in bytes; pages that processes of a tree share count in each.
    ///
    /// # Errors
    /// When there is no such process, or the system does not tell.
    pub fn resident(self) -> Result<u64, String> {
        let root = match self {
            Self::Own => std::process::id(),
            Self::Tree(root) => root,
        };
        let pages: u64 = family(Path::new("/proc"), root)?
            .iter()
            .map(|stat| stat.pages)
            .sum();
        Ok(pages.saturating_mul(rustix::param::page_size() as u64))
    }
}

/// Processor time of a process and its descendants, those that ended included.
fn tree(proc: &Path, root: u32) -> Result<Duration, String> {
    let ticks: u64 = family(proc, root)?.iter().map(|stat| stat.ticks).sum();
    let each = rustix::param::clock_ticks_per_second().max(1);
    Ok(Duration::from_secs_f64(ticks as f64 / each as f64))
}

/// A process and its descendants.
fn family(proc: &Path, root: u32) -> Result<Vec<Stat>, String> {
    let entries = std::fs::read_dir(proc).map_err(|error| format!("/proc: {error}"))?;
    let mut all: Vec<Stat> = entries
        .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("stat")).ok())
        .filter_map(|text| Stat::read(&text))
        .collect();
    let mut wanted = vec![root];
    let mut found = Vec::new();
    while let Some(id) = wanted.pop() {
        let (own, others): (Vec<Stat>, Vec<Stat>) = all.into_iter().partition(|stat| stat.id == id);
        found.extend(own);
        all = others;
        wanted.extend(
            all.iter()
                .filter(|stat| stat.parent == id)
                .map(|stat| stat.id),
        );
    }
    if found.iter().all(|stat| stat.id != root) {
        return Err(format!("there is no process {root}; name the target's"));
    }
    Ok(found)
}

/// What is needed of one line of `/proc/<pid>/stat`.
struct Stat {
    id: u32,
    parent: u32,
    ticks: u64,
    /// Resident pages.
    pages: u64,
}

impl Stat {
    fn read(text: &str) -> Option<Self> {
        // The name stands in brackets and may hold anything, also brackets.
        let (id, rest) = text.split_once(" (")?;
        let mut fields = rest.rsplit_once(')')?.1.split_ascii_whitespace();
        let parent = fields.nth(1)?.parse().ok()?;
        let number = |field: &str| field.parse::<u64>().ok();
        let ticks = fields.by_ref().skip(9).take(4).filter_map(number).sum();
        let pages = fields.nth(6).and_then(number).unwrap_or(0);
        Some(Self {
            id: id.parse().ok()?,
            parent,
            ticks,
            pages,
        })
    }
}

/// What came of one try.
pub enum Tried {
    /// It succeeded.
    Within,
    /// It ended with the code that is looked for.
    Beyond,
    /// Anything else.
    Other,
}

/// Does a given amount of work.
pub trait Attempt {
    /// Has an action do that much.
    fn attempt(&mut self, action: &str, work: u64) -> impl Future<Output = Tried> + Send;
}

/// What a call of one node came to.
pub fn tried(exchange: &Exchange, until: &str) -> Tried {
    let body = exchange.answer().and_then(super::target::Answer::json);
    let member = |pointer: &str| {
        body.as_ref()
            .and_then(|body| body.pointer(pointer)?.as_str())
    };
    match (member("/status"), member("/error/errorCode")) {
        (Some("completed"), _) => Tried::Within,
        (Some("failed"), Some(code)) if code == until => Tried::Beyond,
        _ => Tried::Other,
    }
}

/// The least work at which each action goes beyond its limit, within a twentieth; `None` as soon as a try comes to anything else.
///
/// What is returned is an answer as cases see it: `{work: {action: n}, ratios: {action: n / that of the first}, increases: {action: …}}`.
/// Increases are of the third action and those after it: what they do beyond the first, in what the second does beyond the first. What a
/// start costs falls out of them.
pub async fn thresholds(actions: &[String], search: &mut impl Attempt) -> Option<Value> {
    let (mut work, mut ratios, mut increases) = (Map::new(), Map::new(), Map::new());
    let (mut first, mut second) = (None, None);
    for action in actions {
        let (mut low, mut high) = (0.0, first.map_or(FIRST, |first: f64| first / 2.0));
        loop {
            match twice(search, action, high as u64).await {
                Tried::Within if high < MOST => {
                    low = high;
                    high *= if first.is_some() { 2.0 } else { 4.0 };
                }
                Tried::Beyond => break,
                _ => return None,
            }
        }
        // Without a work that succeeds there is no threshold: the action fails whatever it does.
        if low == 0.0 {
            return None;
        }
        while high / low > CLOSE {
            let middle = (low * high).sqrt();
            match twice(search, action, middle as u64).await {
                Tried::Within => low = middle,
                Tried::Beyond => high = middle,
                Tried::Other => return None,
            }
        }
        let base = *first.get_or_insert(high);
        work.insert(action.clone(), json!(high as u64));
        ratios.insert(action.clone(), hundredths(high / base));
        match second {
            Some(second) if second > base => {
                increases.insert(action.clone(), hundredths((high - base) / (second - base)));
            }
            None if ratios.len() == 2 => second = Some(high),
            _ => {}
        }
    }
    Some(json!({"work": work, "ratios": ratios, "increases": increases}))
}

fn hundredths(figure: f64) -> Value {
    json!((figure * 100.0).round() / 100.0)
}

/// One try, and where it went beyond a second: a machine that was busy elsewhere lets work seem longer than it is, never shorter.
async fn twice(search: &mut impl Attempt, action: &str, work: u64) -> Tried {
    match search.attempt(action, work).await {
        Tried::Beyond => search.attempt(action, work).await,
        tried => tried,
    }
}

/// The median; zero of nothing.
pub fn median(mut figures: Vec<Duration>) -> Duration {
    figures.sort_unstable();
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Limits<'l>(&'l [(&'l str, u64)]);

    impl Attempt for Limits<'_> {
        async fn attempt(&mut self, action: &str, work: u64) -> Tried {
            let limit = self.0.iter().find(|(name, _)| *name == action);
            if limit.is_some_and(|(_, limit)| work <= *limit) {
                Tried::Within
            } else {
                Tried::Beyond
            }
        }
    }

    async fn searched(limits: &[(&str, u64)]) -> Option<Value> {
        let names: Vec<String> = limits.iter().map(|(name, _)| (*name).to_owned()).collect();
        thresholds(&names, &mut Limits(limits)).await
    }

    #[tokio::test]
    async fn thresholds_are_found_and_compared_with_the_first() {
        let found = searched(&[("a", 70_000), ("b", 140_000), ("c", 280_000)])
            .await
            .expect("found");
        for (name, ratio) in [("a", 1.0), ("b", 2.0), ("c", 4.0)] {
            let got = found["ratios"][name].as_f64().expect("a number");
            assert!((got / ratio - 1.0).abs() < 0.15, "{name}: {got}");
        }
        let work = found["work"]["a"].as_f64().expect("a number");
        assert!((70_000.0..78_000.0).contains(&work), "{work}");
    }

    #[tokio::test]
    async fn increases_do_not_hold_what_a_start_costs() {
        let limits = [("a", 20_000), ("b", 70_000), ("c", 170_000), ("d", 70_000)];
        let found = searched(&limits).await.expect("found");
        for (name, wanted) in [("c", 3.0), ("d", 1.0)] {
            let got = found["increases"][name].as_f64().expect("a number");
            assert!((got / wanted - 1.0).abs() < 0.15, "{name}: {got}");
        }
        assert_eq!(found["increases"].as_object().map(Map::len), Some(2));
        let alike = searched(&[("a", 20_000), ("b", 20_000), ("c", 90_000)]).await;
        assert_eq!(alike.expect("found")["increases"], json!({}));
    }

    /// Every third try takes longer than its work does.
    struct Disturbed<'l>(Limits<'l>, usize);

    impl Attempt for Disturbed<'_> {
        async fn attempt(&mut self, action: &str, work: u64) -> Tried {
            self.1 += 1;
            let work = if self.1.is_multiple_of(3) {
                work * 2
            } else {
                work
            };
            self.0.attempt(action, work).await
        }
    }

    #[tokio::test]
    async fn a_machine_that_is_busy_now_and_then_moves_no_threshold() {
        let limits = [("a", 70_000), ("b", 140_000)];
        let names = ["a".to_owned(), "b".to_owned()];
        let mut search = Disturbed(Limits(&limits), 0);
        let found = thresholds(&names, &mut search).await.expect("found");
        let got = found["ratios"]["b"].as_f64().expect("a number");
        assert!((got / 2.0 - 1.0).abs() < 0.15, "{got}");
    }

    #[tokio::test]
    async fn what_always_fails_or_never_does_has_no_threshold() {
        assert_eq!(searched(&[("a", 0)]).await, None);
        assert_eq!(searched(&[("a", u64::MAX)]).await, None);
    }

    #[test]
    fn the_own_process_uses_time() {
        let before = Process::Own.used().expect("told");
        let mut sum = 0_u64;
        while Process::Own.used().expect("told") == before {
            sum = sum.wrapping_add(1);
        }
        assert!(Process::Own.used().expect("told") > before, "{sum}");
    }

    #[test]
    fn a_tree_is_the_process_and_all_below_it() {
        let proc = tempfile::tempdir().expect("a folder");
        for (id, parent, own, ended) in [
            (10, 1, 100, 0),
            (11, 10, 200, 50),
            (12, 11, 1, 0),
            (13, 1, 999, 0),
        ] {
            let folder = proc.path().join(id.to_string());
            std::fs::create_dir(&folder).expect("made");
            let line = format!(
                "{id} (a) b) S {parent} 0 0 0 0 0 0 0 0 0 {own} 0 {ended} 0 20 0 1 0 99 4096 7"
            );
            std::fs::write(folder.join("stat"), line).expect("written");
        }
        let each = rustix::param::clock_ticks_per_second() as f64;
        let used = tree(proc.path(), 10).expect("told").as_secs_f64();
        assert!((used - 351.0 / each).abs() < 1e-6, "{used}");
        assert!(tree(proc.path(), 77).is_err());
        let pages = family(proc.path(), 10).expect("told");
        assert_eq!(pages.iter().map(|stat| stat.pages).sum::<u64>(), 3 * 7);
    }

    #[test]
    fn the_median_is_the_middle() {
        let ms = Duration::from_millis;
        assert_eq!(median(vec![ms(9), ms(1), ms(5)]), ms(5));
        assert_eq!(median(Vec::new()), Duration::ZERO);
    }
}
