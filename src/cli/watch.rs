//! `run --watch`: again whenever a file changes. By looking, not by asking the system: it works on every file system, also on those
//! of containers and networks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::Args;

use super::failure::{Failure, plural};
use super::harness;

/// How often the files are looked at.
const EVERY: Duration = Duration::from_millis(300);
/// Most files that are looked at.
const MOST_FILES: usize = 20_000;
/// Deepest folder that is looked into.
const MOST_DEPTH: usize = 32;
/// Folders that programs write into and people do not.
const SKIPPED: [&str; 4] = ["target", "node_modules", "__pycache__", "venv"];

/// Options of watching.
#[derive(Debug, Args)]
pub(super) struct Watch {
    /// Run again whenever the target's definition, the baseline, the folder of --cases or a --watch-path changes
    #[arg(long, conflicts_with_all = ["dry", "repeat"])]
    watch: bool,
    /// A file or folder to watch, such as the sources of the target; repeat for more
    #[arg(long, value_name = "PATH", requires = "watch")]
    watch_path: Vec<PathBuf>,
}

impl Watch {
    /// Whether the run is to be watched.
    pub fn is_on(&self) -> bool {
        self.watch
    }

    /// Runs `once`, and again after each change below `paths` or the paths that were given, until it is interrupted. What the
    /// run itself writes (`own`) is no change. Ends with what the last run ended with.
    ///
    /// # Errors
    /// When there is nothing to watch.
    pub async fn repeat(
        &self,
        paths: Vec<PathBuf>,
        own: &[PathBuf],
        mut once: impl AsyncFnMut() -> Result<u8, Failure>,
    ) -> Result<u8, Failure> {
        let mut paths = paths;
        paths.extend(self.watch_path.iter().cloned());
        if let Some(missing) = self.watch_path.iter().find(|path| !path.exists()) {
            let missing = missing.display();
            return Err(Failure::usage(format!(
                "there is no {missing} to watch; correct --watch-path"
            )));
        }
        if paths.is_empty() {
            return Err(Failure::usage(
                "there is nothing to watch; name the sources of the target with --watch-path",
            ));
        }
        // One listener for all the time: a signal between two others would fall on nobody.
        let mut stop = std::pin::pin!(harness::interrupted());
        loop {
            tokio::select! {
                biased;
                stopped = &mut stop => return stopped.and_then(|()| Err(Failure::harness(harness::INTERRUPTED))),
                () = std::future::ready(()) => {}
            }
            // Before the run, so that a change during it is seen.
            let before = Seen::of(&paths, own);
            let code = match once().await {
                Ok(code) => code,
                Err(failure) if failure.message == harness::INTERRUPTED => return Err(failure),
                // A target that does not start is what the next change may mend.
                Err(failure) => {
                    eprintln!("error: {}", failure.message);
                    failure.code
                }
            };
            let files = plural(before.files.len(), "file");
            eprintln!("exit code would be {code}; watching {files}, Ctrl-C ends");
            tokio::select! {
                () = changed(&paths, own, &before) => {}
                stopped = &mut stop => return stopped.map(|()| code),
            }
        }
    }
}

/// Waits until something is not as it was, and stays as it then is for a moment: editors save in several steps.
async fn changed(paths: &[PathBuf], own: &[PathBuf], before: &Seen) {
    let mut last = None;
    loop {
        let now = Seen::of(paths, own);
        if now == *before {
            last = None;
        } else if last.as_ref() == Some(&now) {
            return;
        } else {
            last = Some(now);
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// What was there: the time of the last change and the size of each file.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    files: BTreeMap<PathBuf, (Option<SystemTime>, u64)>,
}

impl Seen {
    fn of(paths: &[PathBuf], own: &[PathBuf]) -> Self {
        let mut seen = Self {
            files: BTreeMap::new(),
        };
        for path in paths {
            seen.look(path, own, 0);
        }
        seen
    }

    fn look(&mut self, path: &Path, own: &[PathBuf], depth: usize) {
        let is_own = own.iter().any(|own| path == own);
        if is_own || depth > MOST_DEPTH || self.files.len() >= MOST_FILES {
            return;
        }
        let Ok(about) = std::fs::metadata(path) else {
            return;
        };
        if !about.is_dir() {
            let state = (about.modified().ok(), about.len());
            self.files.insert(path.to_owned(), state);
            return;
        }
        let Ok(entries) = std::fs::read_dir(path) else {
            return;
        };
        for entry in entries.filter_map(Result::ok) {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            // A link may lead back to where it stands.
            let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            if !is_link && !name.starts_with('.') && !SKIPPED.contains(&name.as_ref()) {
                self.look(&entry.path(), own, depth + 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_seen_and_what_a_run_writes_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        for name in ["deep/inside", ".git", "target"] {
            std::fs::create_dir_all(at(name)).expect("made");
        }
        std::fs::write(at("deep/inside/main.py"), "1").expect("written");
        let paths = [folder.path().to_owned()];
        let own = [at("report.json")];
        let before = Seen::of(&paths, &own);
        assert_eq!(before.files.len(), 1);
        for name in [".git/index", "target/out", "report.json"] {
            std::fs::write(at(name), "x").expect("written");
        }
        assert_eq!(Seen::of(&paths, &own), before);
        std::fs::write(at("deep/inside/main.py"), "12").expect("written");
        assert_ne!(Seen::of(&paths, &own), before);
        std::fs::remove_file(at("deep/inside/main.py")).expect("removed");
        assert!(Seen::of(&paths, &own).files.is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_itself_ends_no_walk() {
        let folder = tempfile::tempdir().expect("a folder");
        std::os::unix::fs::symlink(folder.path(), folder.path().join("again")).expect("linked");
        let paths = [folder.path().to_owned()];
        assert!(Seen::of(&paths, &[]).files.is_empty());
    }
}
