//! A process that the harness started: in a group of its own, its output kept, always ended, with all that it started.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::sync::watch;

use super::family::{self, Kin};
use super::output::Tail;
use crate::suite::secrets::Secrets;
use crate::suite::signals::book::LogBook;

/// Time between two looks at processes that are to end.
const PAUSE: Duration = Duration::from_millis(10);

/// How long is tried to kill what does not end; nothing withstands it but a system that is stuck.
const KILL_PATIENCE: Duration = Duration::from_secs(3);

/// How long is waited for what an ended process wrote.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How a process is started.
#[derive(Debug, Clone)]
pub struct Launch {
    /// Program and arguments.
    pub words: Vec<String>,
    /// Working directory.
    pub cwd: PathBuf,
    /// Its whole environment.
    pub environment: BTreeMap<String, String>,
    /// What marks it and all that it starts; stands in the environment too.
    pub mark: String,
    /// How long it may take to end when it is asked to.
    pub stop_timeout: Duration,
    /// Whether the harness talks with it over standard input and output; else there is no input, and output is kept.
    pub piped: bool,
    /// What the lines of its standard output are read into too.
    pub stdout: Option<LogBook>,
    /// The same of its standard error.
    pub stderr: Option<LogBook>,
}

/// Both ends of a conversation.
#[derive(Debug)]
pub struct Pipes {
    /// What the process reads.
    pub stdin: ChildStdin,
    /// What the process writes.
    pub stdout: ChildStdout,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// In a way that the system does not tell.
    Unknown,
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => match signal {
                6 => f.write_str("signal 6, SIGABRT"),
                9 => f.write_str("signal 9, SIGKILL"),
                11 => f.write_str("signal 11, SIGSEGV"),
                15 => f.write_str("signal 15, SIGTERM"),
                _ => write!(f, "signal {signal}"),
            },
            Self::Unknown => f.write_str("nobody knows how"),
        }
    }
}

/// A process that was started; dropped, it is killed with all that it started.
#[derive(Debug)]
pub struct Process {
    id: u32,
    mark: String,
    stop_timeout: Duration,
    ended: watch::Receiver<Option<Exit>>,
    stdout: Tail,
    stderr: Tail,
    stopped: AtomicBool,
}

/// Every process of this program that was started here and is not stopped yet.
static STARTED: Mutex<BTreeMap<u32, Weak<Process>>> = Mutex::new(BTreeMap::new());

impl Process {
    /// Starts it.
    ///
    /// # Errors
    /// When there is no such program or folder, or the system does not let it, with what to do.
    pub fn start(launch: &Launch) -> Result<(Arc<Self>, Option<Pipes>), String> {
        let Some((program, arguments)) = launch.words.split_first() else {
            return Err("the command is empty; name a program".to_owned());
        };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(&launch.cwd)
            .env_clear()
            .envs(&launch.environment)
            .env(family::MARK, &launch.mark)
            .stdin(if launch.piped {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command
            .spawn()
            .map_err(|error| cannot_start(program, launch, &error))?;
        let id = child.id();
        let stdout = Tail::copied_to(launch.stdout.clone());
        let stderr = Tail::copied_to(launch.stderr.clone());
        let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        // Waited for first: whatever fails from here on, the drop of what was made ends it.
        let ended = wait_for(child).inspect_err(|_| family::signal_group(id, Signal::KILL))?;
        let process = Arc::new(Self {
            id,
            mark: launch.mark.clone(),
            stop_timeout: launch.stop_timeout,
            ended,
            stdout,
            stderr,
            stopped: AtomicBool::new(false),
        });
        started().insert(id, Arc::downgrade(&process));
        let mut pipes = None;
        match streams {
            (Some(stdin), Some(stdout), _) => pipes = Some(Pipes { stdin, stdout }),
            (None, Some(stream), _) => keep(&process.stdout, stream)?,
            _ => {}
        }
        if let Some(stream) = streams.2 {
            keep(&process.stderr, stream)?;
        }
        Ok((process, pipes))
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// How it ended, if it did.
    pub fn exit(&self) -> Option<Exit> {
        *self.ended.borrow()
    }

    /// Waits until it has ended.
    pub async fn ended(&self) -> Exit {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(exit) => exit.unwrap_or(Exit::Unknown),
            Err(_) => Exit::Unknown,
        }
    }

    /// What it wrote to standard output; empty where the harness talks with it there.
    pub fn stdout(&self) -> &Tail {
        &self.stdout
    }

    /// What it wrote to standard error.
    pub fn stderr(&self) -> &Tail {
        &self.stderr
    }

    /// The last lines that it wrote, without secrets: of standard error, or else of standard output.
    pub fn last_lines(&self, secrets: &Secrets) -> Vec<String> {
        const LINES: usize = 12;
        let lines = self.stderr.last_lines(LINES, secrets);
        if lines.is_empty() {
            return self.stdout.last_lines(LINES, secrets);
        }
        lines
    }

    /// [`Process::last_lines`], to be put below a message; may be empty.
    pub fn last_words(&self, secrets: &Secrets) -> String {
        let lines = self.last_lines(secrets);
        if lines.is_empty() {
            return String::new();
        }
        // Marked, so that no line of a target begins a command of a pipeline's runner.
        format!("; the last that it wrote:\n  | {}", lines.join("\n  | "))
    }

    /// Asks it to end, and kills it and all that it started when it takes longer than it may.
    pub async fn stop(&self) {
        if self.stopped.swap(true, Ordering::SeqCst) {
            return;
        }
        self.signal(Signal::TERM);
        let deadline = Instant::now() + self.stop_timeout;
        while Instant::now() < deadline && !self.living().is_empty() {
            tokio::time::sleep(PAUSE).await;
        }
        let deadline = Instant::now() + KILL_PATIENCE;
        // What forks all the time is met again and again until nothing is left.
        while Instant::now() < deadline && !self.living().is_empty() {
            self.signal(Signal::KILL);
            tokio::time::sleep(PAUSE).await;
        }
        let _ = tokio::time::timeout(KILL_PATIENCE, self.ended()).await;
        // Its last words may still be on their way. Somebody else may hold its ends of the pipes, and then they never end.
        let deadline = Instant::now() + LAST_WORDS;
        while Instant::now() < deadline && !(self.stdout.is_whole() && self.stderr.is_whole()) {
            tokio::time::sleep(PAUSE).await;
        }
        started().remove(&self.id);
    }

    /// Its processes that live, as far as they can be found.
    fn living(&self) -> Vec<u32> {
        let others: BTreeSet<u32> = started()
            .keys()
            .copied()
            .filter(|id| *id != self.id)
            .collect();
        // An orphan cannot be told from another target's while there is one; the last that ends takes them along.
        let orphans_are_ours = others.is_empty();
        let found = family::living(&Kin {
            root: self.exit().is_none().then_some(self.id),
            group: self.id,
            mark: &self.mark,
            orphans: orphans_are_ours,
            others: &others,
        });
        if found.is_empty() && !cfg!(target_os = "linux") && self.exit().is_none() {
            return vec![self.id];
        }
        found
    }

    fn signal(&self, signal: Signal) {
        if self.exit().is_none() {
            family::signal_group(self.id, signal);
        }
        for id in self.living() {
            family::signal(id, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.stopped.swap(true, Ordering::SeqCst) {
            return;
        }
        let deadline = Instant::now() + KILL_PATIENCE;
        while Instant::now() < deadline && (self.exit().is_none() || !self.living().is_empty()) {
            self.signal(Signal::KILL);
            std::thread::sleep(PAUSE);
        }
        started().remove(&self.id);
    }
}

/// Stops every process that was started here and still runs: for the end of a program, whatever its reason.
pub async fn stop_all() {
    let all: Vec<Arc<Process>> = started().values().filter_map(Weak::upgrade).collect();
    for process in all {
        process.stop().await;
    }
    // Orphans of targets that ended at the same time are nobody's.
    let deadline = Instant::now() + KILL_PATIENCE;
    loop {
        let left = family::orphans(&started().keys().copied().collect());
        if left.is_empty() || Instant::now() > deadline {
            return;
        }
        for id in left {
            family::signal(id, Signal::KILL);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn started() -> std::sync::MutexGuard<'static, BTreeMap<u32, Weak<Process>>> {
    STARTED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn cannot_start(program: &str, launch: &Launch, error: &std::io::Error) -> String {
    let folder = launch.cwd.display();
    if !launch.cwd.is_dir() {
        return format!("the command cannot be started: there is no folder {folder}");
    }
    if error.kind() == std::io::ErrorKind::NotFound {
        return format!(
            "the command cannot be started: there is no program '{program}' (looked for in PATH and from {folder})"
        );
    }
    format!("the command '{program}' cannot be started: {error}")
}

fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), String> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map(|_| ())
        .map_err(|error| format!("no thread can be started for the target: {error}"))
}

/// Reads a stream to its end for as long as anybody holds its other end, so that no target waits for a reader.
fn keep(tail: &Tail, stream: impl std::io::Read + Send + 'static) -> Result<(), String> {
    tail.opened();
    let tail = tail.clone();
    thread("target-output", move || tail.drain(stream))
}

fn wait_for(mut child: Child) -> Result<watch::Receiver<Option<Exit>>, String> {
    let (told, ended) = watch::channel(None);
    thread("target-wait", move || {
        let exit = match child.wait() {
            #[cfg(unix)]
            Ok(status) => {
                use std::os::unix::process::ExitStatusExt as _;
                match (status.code(), status.signal()) {
                    (Some(code), _) => Exit::Code(code),
                    (None, Some(signal)) => Exit::Signal(signal),
                    (None, None) => Exit::Unknown,
                }
            }
            #[cfg(not(unix))]
            Ok(status) => status.code().map_or(Exit::Unknown, Exit::Code),
            Err(_) => Exit::Unknown,
        };
        told.send_replace(Some(exit));
    })?;
    Ok(ended)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::io::{BufRead as _, BufReader};

    fn launch(script: &str, piped: bool) -> Launch {
        Launch {
            words: ["sh", "-c", script].map(str::to_owned).to_vec(),
            cwd: std::env::temp_dir(),
            environment: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
            mark: format!("test-{}-{:p}", std::process::id(), script),
            stop_timeout: Duration::from_millis(300),
            piped,
            stdout: None,
            stderr: None,
        }
    }

    fn is_there(id: u32) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    }

    #[tokio::test]
    async fn how_it_ended_and_what_it_wrote_is_known() {
        let launch = launch("echo out; echo err >&2; exit 7", false);
        let (process, pipes) = Process::start(&launch).expect("starts");
        assert!(pipes.is_none());
        assert_eq!(process.ended().await, Exit::Code(7));
        process.stop().await;
        let words = process.last_words(&Secrets::default());
        assert!(words.ends_with("\n  | err"), "{words}");
        assert_eq!(Exit::Signal(9).to_string(), "signal 9, SIGKILL");
    }

    #[tokio::test]
    async fn what_it_started_ends_with_it_wherever_it_went() {
        // A deaf one in its group, and one in a session of its own whose parent is gone.
        let script = "(trap '' TERM; echo deaf; exec sleep 600) & (setsid sleep 600 & echo $!); trap '' TERM; echo up; wait; wait";
        let launch = launch(script, true);
        let (process, pipes) = Process::start(&launch).expect("starts");
        let mut lines = BufReader::new(pipes.expect("pipes").stdout).lines();
        let mut told: Vec<String> = (0..3)
            .map(|_| lines.next().expect("a line").expect("UTF-8"))
            .collect();
        told.retain(|line| line.parse::<u32>().is_ok());
        let away: u32 = told.pop().expect("a number").parse().expect("a number");
        assert!(is_there(process.id()) && process.living().len() >= 2);
        process.stop().await;
        assert!(!is_there(process.id()) && !is_there(away));
        assert!(process.living().is_empty());
    }

    #[test]
    fn dropped_it_is_gone() {
        let launch = launch("echo up; sleep 600", true);
        let (process, pipes) = Process::start(&launch).expect("starts");
        let mut line = String::new();
        let pipes = pipes.expect("pipes");
        BufReader::new(pipes.stdout)
            .read_line(&mut line)
            .expect("a line");
        let id = process.id();
        drop(process);
        assert!(!is_there(id));
    }

    #[test]
    fn what_cannot_be_started_is_told() {
        let mut launch = launch("true", false);
        launch.words = vec!["no-such-program-here".to_owned()];
        let error = Process::start(&launch).expect_err("no program");
        assert!(
            error.contains("there is no program 'no-such-program-here'"),
            "{error}"
        );
        launch.cwd = PathBuf::from("/no/such/folder");
        let error = Process::start(&launch).expect_err("no folder");
        assert!(
            error.contains("there is no folder /no/such/folder"),
            "{error}"
        );
        launch.words.clear();
        assert!(Process::start(&launch).is_err());
    }
}
