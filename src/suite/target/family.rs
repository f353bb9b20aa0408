//! The processes of a target, wherever they went: those below it, in its group or session, those that carry the mark of the run in
//! their environment, and orphans that came to the harness because it takes them in.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{Pid, Signal, WaitOptions};

/// The variable that marks every process of a started target.
pub const MARK: &str = "OAP_RUN_ID";

/// Longest environment that is looked at, in bytes.
const MOST_ENVIRONMENT: u64 = 1 << 20;

static TAKES_IN: AtomicBool = AtomicBool::new(false);

/// Has orphans of targets come to this process, so that also those are found that left group, session and mark behind.
///
/// From then on this process may have no children but targets and what they start. Where the system has no such thing nothing
/// changes.
pub fn take_in_orphans() {
    #[cfg(target_os = "linux")]
    if rustix::process::set_child_subreaper(Some(rustix::process::getpid())).is_ok() {
        TAKES_IN.store(true, Ordering::Relaxed);
    }
}

/// One line of `/proc/<pid>/stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    id: u32,
    ended: bool,
    parent: u32,
    group: u32,
    session: u32,
}

impl Stat {
    fn read(text: &str) -> Option<Self> {
        // The name stands in brackets and may hold anything, also brackets.
        let (id, rest) = text.split_once(" (")?;
        let mut fields = rest.rsplit_once(')')?.1.split_ascii_whitespace();
        let ended = matches!(fields.next()?, "Z" | "X");
        let mut number = || fields.next()?.parse::<u32>().ok();
        Some(Self {
            id: id.parse().ok()?,
            ended,
            parent: number()?,
            group: number()?,
            session: number()?,
        })
    }
}

/// What a process belongs to a target by.
#[derive(Debug, Clone, Copy)]
pub struct Kin<'k> {
    /// The process that was started; its group has the same number. `None`: it ended, and its number may be another's.
    pub root: Option<u32>,
    /// Group and session, which outlive the process.
    pub group: u32,
    /// The value of [`MARK`].
    pub mark: &'k str,
    /// Whether orphans that were taken in are this target's.
    pub orphans: bool,
    /// Processes that this one started and that are not meant.
    pub others: &'k BTreeSet<u32>,
}

/// The living orphans that came to this process, and what is below them, but for `others`.
pub fn orphans(others: &BTreeSet<u32>) -> Vec<u32> {
    if !TAKES_IN.load(Ordering::Relaxed) {
        return Vec::new();
    }
    living(&Kin {
        root: None,
        // No process has this group, and none this mark.
        group: u32::MAX,
        mark: "\0",
        orphans: true,
        others,
    })
}

/// The living processes of a target.
pub fn living(kin: &Kin<'_>) -> Vec<u32> {
    living_in(Path::new("/proc"), std::process::id(), kin)
}

fn living_in(proc: &Path, own: u32, kin: &Kin<'_>) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir(proc) else {
        return Vec::new();
    };
    let all: Vec<Stat> = entries
        .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("stat")).ok())
        .filter_map(|text| Stat::read(&text))
        .collect();
    let takes_in = kin.orphans && TAKES_IN.load(Ordering::Relaxed);
    let mut found: BTreeSet<u32> = BTreeSet::new();
    for stat in &all {
        let adopted = takes_in && stat.parent == own && !kin.others.contains(&stat.id);
        // The first of them is waited for elsewhere.
        if adopted && stat.ended && stat.id != kin.group {
            reap(stat.id);
        }
        let near =
            kin.root == Some(stat.id) || stat.group == kin.group || stat.session == kin.group;
        if near || adopted || marked(proc, stat.id, kin.mark) {
            found.insert(stat.id);
        }
    }
    let mut below: Vec<u32> = found.iter().copied().collect();
    while let Some(parent) = below.pop() {
        for stat in all.iter().filter(|stat| stat.parent == parent) {
            if found.insert(stat.id) {
                below.push(stat.id);
            }
        }
    }
    all.iter()
        .filter(|stat| !stat.ended && stat.id != own && found.contains(&stat.id))
        .filter(|stat| !kin.others.contains(&stat.id))
        .map(|stat| stat.id)
        .collect()
}

fn marked(proc: &Path, id: u32, mark: &str) -> bool {
    use std::io::Read as _;
    let Ok(file) = std::fs::File::open(proc.join(id.to_string()).join("environ")) else {
        return false;
    };
    let mut bytes = Vec::new();
    if file.take(MOST_ENVIRONMENT).read_to_end(&mut bytes).is_err() {
        return false;
    }
    let wanted = format!("{MARK}={mark}");
    bytes
        .split(|byte| *byte == 0)
        .any(|entry| entry == wanted.as_bytes())
}

/// Takes note that an orphan has ended, so that nothing of it is left.
fn reap(id: u32) {
    if let Some(pid) = pid(id) {
        let _ = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG);
    }
}

fn pid(id: u32) -> Option<Pid> {
    i32::try_from(id).ok().and_then(Pid::from_raw)
}

/// Sends a signal to one process; that it is gone is no error.
pub fn signal(id: u32, signal: Signal) {
    if let Some(pid) = pid(id) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// Sends a signal to a group; that it is gone is no error.
pub fn signal_group(id: u32, signal: Signal) {
    if let Some(pid) = pid(id) {
        let _ = rustix::process::kill_process_group(pid, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kin_is_found_wherever_it_went() {
        let proc = tempfile::tempdir().expect("a folder");
        for (id, state, parent, group, session, mark) in [
            (10, "S", 1, 10, 5, "m"),
            (11, "S", 10, 10, 5, "m"),
            (12, "Z", 11, 10, 5, "m"),
            // Left the group, with its mark; its own child without one.
            (13, "S", 1, 13, 13, "m"),
            (14, "S", 13, 14, 14, ""),
            // A session of its own below the target, without a mark.
            (15, "S", 11, 15, 15, ""),
            // Strangers.
            (16, "S", 1, 16, 5, ""),
            (17, "S", 99, 17, 17, "other"),
        ] {
            let folder = proc.path().join(id.to_string());
            std::fs::create_dir(&folder).expect("made");
            let line = format!("{id} (a) b) {state} {parent} {group} {session} 0");
            std::fs::write(folder.join("stat"), line).expect("written");
            let environment = format!("PATH=/bin\0{MARK}={mark}\0");
            std::fs::write(folder.join("environ"), environment).expect("written");
        }
        let others = BTreeSet::new();
        let kin = Kin {
            root: Some(10),
            group: 10,
            mark: "m",
            orphans: true,
            others: &others,
        };
        let mut found = living_in(proc.path(), 1, &kin);
        found.sort_unstable();
        assert_eq!(found, [10, 11, 13, 14, 15]);
        assert!(living_in(Path::new("/nowhere"), 1, &kin).is_empty());
    }
}
