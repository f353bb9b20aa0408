//! Which mutant is switched on, and which ones were reached.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// More than there are mutants.
const MOST: usize = 65_536;

struct Switch {
    /// `OAP_BLIND`; none by default.
    number: u32,
    /// The file that `OAP_BLIND_REACHED` names: the number of each mutant that is reached, once, one a line.
    reached: Option<File>,
}

static SWITCH: LazyLock<Switch> = LazyLock::new(|| Switch {
    number: std::env::var("OAP_BLIND")
        .ok()
        .and_then(|number| number.parse().ok())
        .unwrap_or(u32::MAX),
    reached: std::env::var_os("OAP_BLIND_REACHED")
        .and_then(|path| OpenOptions::new().append(true).create(true).open(path).ok()),
});

static SEEN: [AtomicBool; MOST] = [const { AtomicBool::new(false) }; MOST];

/// Whether a mutant is switched on.
pub fn on(number: u32) -> bool {
    let switch = &*SWITCH;
    if let Some(mut file) = switch.reached.as_ref()
        && let Some(seen) = SEEN.get(number as usize)
        && !seen.swap(true, Ordering::Relaxed)
    {
        let _ = file.write_all(format!("{number}\n").as_bytes());
    }
    number == switch.number
}
