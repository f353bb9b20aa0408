//! A PostgreSQL of its own for a test: made in a folder of its own, reached by a socket there, and ended with the test.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::time::sleep;

/// A server, and the folder with all it keeps.
pub(crate) struct Server {
    programs: PathBuf,
    folder: TempDir,
    /// Who runs it, since it refuses to be run by root.
    user: Option<(u32, u32)>,
    watched: Option<Child>,
}

/// Ends the server when the test's end of the pipe closes, however the test ends.
const WATCH: &str =
    "exec 3<&0 </dev/null; \"$@\" 3<&- & echo $! > \"$0\"; cat <&3 >/dev/null; kill -9 $!; wait $!";

impl Server {
    /// A running server; `None` where PostgreSQL is not installed, and the test cannot be made.
    pub(crate) async fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            eprintln!("PostgreSQL is not installed here: not tested");
            return None;
        };
        let folder = tempfile::Builder::new()
            .prefix("oap-pg-")
            .tempdir_in("/tmp")
            .expect("a folder");
        let user = user();
        if let Some((uid, gid)) = user {
            std::os::unix::fs::chown(folder.path(), Some(uid), Some(gid)).expect("given away");
        }
        let mut server = Self {
            programs,
            folder,
            user,
            watched: None,
        };
        let made = server
            .command("initdb")
            .args([
                "-U",
                "oap",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C",
                "--no-sync",
                "-D",
            ])
            .arg(server.folder.path().join("data"))
            .output()
            .expect("initdb runs");
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        server.run().await;
        Some(server)
    }

    fn command(&self, program: &str) -> Command {
        self.as_user(Command::new(self.programs.join(program)))
    }

    fn as_user(&self, mut command: Command) -> Command {
        command.current_dir("/").env_clear().stdin(Stdio::null());
        command.env("PATH", "/usr/bin:/bin").process_group(0);
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!(
            "postgres://oap:secret-in-url@/postgres?host={}",
            self.folder.path().display()
        )
    }

    /// Starts it, and waits until it answers.
    pub(crate) async fn run(&mut self) {
        let folder = self.folder.path();
        let log = fs::File::create(folder.join("log")).expect("a log");
        let mut command = self.as_user(Command::new("sh"));
        command
            .args(["-c", WATCH])
            .arg(folder.join("pid"))
            .arg(self.programs.join("postgres"))
            .arg("-D")
            .arg(folder.join("data"))
            .arg("-k")
            .arg(folder)
            .args([
                "-c",
                "listen_addresses=",
                "-c",
                "fsync=off",
                "-c",
                "shared_buffers=16MB",
            ])
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log);
        self.watched = Some(command.spawn().expect("a shell"));
        for _ in 0..1_500 {
            let connected = tokio_postgres::connect(&self.url(), tokio_postgres::NoTls).await;
            if let Ok((client, connection)) = connected {
                let task = tokio::spawn(connection);
                let answered = client.batch_execute("SELECT 1").await.is_ok();
                task.abort();
                if answered {
                    return;
                }
            }
            sleep(Duration::from_millis(20)).await;
        }
        let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
        panic!("PostgreSQL does not start: {log}");
    }

    /// Its first process and all below it.
    fn pids(&self) -> Vec<Pid> {
        let first = fs::read_to_string(self.folder.path().join("pid")).unwrap_or_default();
        let first = first.trim();
        let children = fs::read_to_string(format!("/proc/{first}/task/{first}/children"));
        let pids = first.to_owned() + " " + &children.unwrap_or_default();
        pids.split_whitespace()
            .filter_map(|pid| Pid::from_raw(pid.parse().ok()?))
            .collect()
    }

    fn signal(&self, signal: Signal) -> Vec<Pid> {
        let pids = self.pids();
        for pid in &pids {
            let _ = kill_process(*pid, signal);
        }
        pids
    }

    /// Has it stand still, or go on.
    pub(crate) fn freeze(&self, frozen: bool) {
        self.signal(if frozen { Signal::STOP } else { Signal::CONT });
    }

    /// Kills all of it at once, and waits until it is gone.
    pub(crate) async fn kill(&mut self) {
        let pids = self.signal(Signal::KILL);
        if let Some(mut watched) = self.watched.take() {
            drop(watched.stdin.take());
            let _ = watched.wait();
        }
        while pids.iter().any(|pid| is_there(*pid)) {
            sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        if let Some(mut watched) = self.watched.take() {
            drop(watched.stdin.take());
            let _ = watched.wait();
        }
    }
}

/// Whether a process runs; one that only waits to be buried does not.
fn is_there(pid: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    status.is_ok_and(|status| !status.contains(") Z "))
}

/// The folder of PostgreSQL's programs: named, or where distributions put it.
fn programs() -> Option<PathBuf> {
    let named = std::env::var_os("OAP_POSTGRES_BIN").map(PathBuf::from);
    let distributed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let distributed = distributed
        .flatten()
        .map(|version| version.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path: Vec<_> = std::env::split_paths(&path).collect();
    let folders = named.into_iter().chain(distributed).chain(path);
    folders
        .into_iter()
        .find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
}

/// The user to run it as where root would: PostgreSQL's own, or nobody.
fn user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = fs::read_to_string(Path::new("/etc/passwd")).expect("the users");
    let found = ["postgres:", "nobody:"].iter().find_map(|name| {
        let line = users.lines().find(|line| line.starts_with(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    Some(found.expect("a user that is not root"))
}
