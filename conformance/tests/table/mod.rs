//! Tables whose rows take a program's time each.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Judges every row, two at a time, and fails with all that is not as its row says.
pub fn each<R: Sync>(table: &[R], judged: impl Fn(&R) -> Option<String> + Sync) {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut problems = Vec::new();
        while let Some(row) = table.get(next.fetch_add(1, Ordering::Relaxed)) {
            problems.extend(judged(row));
        }
        problems
    };
    let problems: Vec<String> = std::thread::scope(|scope| {
        let workers = [scope.spawn(work), scope.spawn(work)];
        workers
            .into_iter()
            .flat_map(|worker| worker.join().expect("no panic"))
            .collect()
    });
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
}
