//! Folders with links, pipes and others at work in them.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::thread;

use rustix::fs::CWD;
use tempfile::TempDir;

use super::walk::walk;
use super::*;
use crate::runtime::parts::Reference;

/// A folder with a root in it, a secret beside the root, and files below it.
struct Ground {
    folder: TempDir,
}

impl Ground {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let ground = Self { folder };
        std::fs::create_dir_all(ground.at("root/deep")).expect("made");
        std::fs::create_dir(ground.at("outside")).expect("made");
        ground.lay("outside/secret.txt", "secret");
        ground.lay("root/a.txt", "old");
        ground.lay("root/deep/b.txt", "below");
        ground
    }

    fn at(&self, path: &str) -> std::path::PathBuf {
        self.folder.path().join(path)
    }

    fn lay(&self, path: &str, content: &str) {
        std::fs::write(self.at(path), content).expect("written");
    }

    fn link(&self, path: &str, target: impl AsRef<Path>) {
        symlink(target, self.at(path)).expect("linked");
    }

    fn text(&self, path: &str) -> String {
        std::fs::read_to_string(self.at(path)).expect("a text")
    }

    fn place(&self, path: &str) -> Place {
        self.place_below(
            &format!("file://{}/root/", self.folder.path().display()),
            path,
        )
    }

    /// A root of its own below the allowed folder.
    fn place_below(&self, root: &str, path: &str) -> Place {
        let allowed = format!("file://{}/", self.folder.path().display());
        let allowed: Root = allowed.parse().expect("a root");
        Place::of(&allowed, &root.parse().expect("a root"), path)
    }

    fn read(&self, path: &str) -> Result<String, Failure> {
        let found = read(&Reference, &self.place(path), 64)?;
        Ok(String::from_utf8(found.bytes).expect("a text"))
    }

    fn write(&self, path: &str, content: &str) -> Result<bool, Failure> {
        let wanted = AtomicBool::new(true);
        let stored = write(&Reference, &self.place(path), content.as_bytes(), &wanted)?;
        Ok(stored.created)
    }

    fn names(&self, path: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.at(path)).expect("a folder");
        let name = |entry: std::io::Result<std::fs::DirEntry>| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("a name")
        };
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    }
}

#[test]
fn files_are_read_and_written_below_the_root() {
    let ground = Ground::new();
    assert_eq!(ground.read("a.txt").as_deref(), Ok("old"));
    assert_eq!(ground.read("deep/b.txt").as_deref(), Ok("below"));
    assert_eq!(ground.write("a.txt", "new"), Ok(false));
    assert_eq!(ground.write("c.txt", ""), Ok(true));
    assert_eq!(ground.write("one/two/three.txt", "made"), Ok(true));
    assert_eq!(ground.write("one/two/four.txt", "beside"), Ok(true));
    assert_eq!(ground.text("root/a.txt"), "new");
    assert_eq!(ground.read("c.txt").as_deref(), Ok(""));
    assert_eq!(ground.text("root/one/two/three.txt"), "made");
    assert_eq!(ground.names("root/one/two"), ["four.txt", "three.txt"]);
    assert_eq!(ground.read("100%/x").err(), Some(Failure::NotFound));
    assert_eq!(ground.write("100%/~$HOME *?", "odd"), Ok(true));
    assert_eq!(ground.text("root/100%/~$HOME *?"), "odd");
}

#[test]
fn the_root_itself_is_made_and_may_be_the_allowed_folder() {
    let ground = Ground::new();
    let base = format!("file://{}", ground.folder.path().display());
    let wanted = AtomicBool::new(true);
    for (root, path, at) in [
        (format!("{base}/new/root"), "x/y.txt", "new/root/x/y.txt"),
        (base.clone(), "z.txt", "z.txt"),
        (base.clone(), "z/y.txt", "z/y.txt"),
    ] {
        let place = ground.place_below(&root, path);
        let missing = read(&Reference, &place, 9).err();
        assert_eq!(missing, Some(Failure::NotFound), "{root} {path}");
        let stored = write(&Reference, &place, b"1", &wanted).expect("stored");
        assert!(stored.created);
        assert_eq!(ground.text(at), "1");
    }
    let allowed: Root = format!("{base}/absent/").parse().expect("a root");
    let place = Place::of(&allowed, &allowed, "a.txt");
    assert_eq!(read(&Reference, &place, 9).err(), Some(Failure::NoPlace));
    let stored = write(&Reference, &place, b"", &wanted);
    assert_eq!(stored.err(), Some(Failure::NoPlace));
}

#[test]
fn what_is_no_file_is_not_found_at_once() {
    let ground = Ground::new();
    let pipe = ground.at("root/pipe");
    rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a pipe");
    let _socket =
        std::os::unix::net::UnixListener::bind(ground.at("root/socket")).expect("a socket");
    for path in ["none", "deep", "pipe", "socket", "a.txt/b", "deep/none/c"] {
        assert_eq!(ground.read(path), Err(Failure::NotFound), "{path}");
    }
    for path in ["deep", "pipe", "socket", "a.txt/b", "a.txt/b/c"] {
        assert_eq!(ground.write(path, "x"), Err(Failure::NotFound), "{path}");
    }
    assert_eq!(ground.names("root"), ["a.txt", "deep", "pipe", "socket"]);
    let long = "n".repeat(256);
    assert_eq!(ground.read(&long), Err(Failure::NotFound));
    assert_eq!(ground.write(&long, "x"), Err(Failure::LongName));
    assert_eq!(
        ground.write(&format!("{long}/x"), "x"),
        Err(Failure::LongName)
    );
}

#[test]
fn a_refused_write_leaves_no_folders() {
    let ground = Ground::new();
    let base = format!("file://{}", ground.folder.path().display());
    let long = "n".repeat(256);
    let place = ground.place_below(&format!("{base}/new/root/"), &format!("one/two/{long}"));
    let written = write(&Reference, &place, b"x", &AtomicBool::new(true));
    assert_eq!(written.err(), Some(Failure::LongName));
    for path in [format!("one/two/{long}"), format!("one/{long}/three")] {
        assert_eq!(ground.write(&path, "x"), Err(Failure::LongName), "{path}");
    }
    assert_eq!(ground.names("root"), ["a.txt", "deep"]);
    assert_eq!(ground.names("."), ["outside", "root"]);
}

#[test]
fn the_limit_holds_whatever_a_file_says_of_itself() {
    let ground = Ground::new();
    ground.lay("root/just", &"x".repeat(64));
    ground.lay("root/more", &"x".repeat(65));
    assert!(ground.read("just").is_ok());
    assert_eq!(ground.read("more"), Err(Failure::TooLarge(64)));
    // A file that states no size at all, and has one.
    let place = Place {
        folder: "/proc/self".to_owned(),
        path: "status".to_owned(),
        depth: 0,
    };
    let found = read(&Reference, &place, 64).err();
    assert_eq!(found, Some(Failure::TooLarge(64)));
}

#[test]
fn no_link_leads_out() {
    let ground = Ground::new();
    let outside = ground.at("outside");
    ground.link("root/file", "../outside/secret.txt");
    ground.link("root/absolute", outside.join("secret.txt"));
    ground.link("root/folder", "../outside");
    ground.link("root/whole", &outside);
    ground.link("root/dangling", "../outside/none.txt");
    ground.link("root/nowhere", "../nowhere/none.txt");
    ground.link("root/up", "..");
    ground.link("root/process", "/proc/self/cwd");
    ground.link("root/loop", "loop");
    ground.link("root/deep/far", "../../outside");
    ground.link("root/there-and-back", "../root/a.txt");
    for path in [
        "file",
        "absolute",
        "folder",
        "folder/secret.txt",
        "folder/none.txt",
        "whole/secret.txt",
        "dangling",
        "nowhere",
        "up",
        "up/outside/secret.txt",
        "up/root/a.txt",
        "process/Cargo.toml",
        "loop",
        "loop/x",
        "deep/far/secret.txt",
        "there-and-back",
    ] {
        assert_eq!(ground.read(path), Err(Failure::Link), "{path}");
        assert_eq!(
            ground.write(path, "broken in"),
            Err(Failure::Link),
            "{path}"
        );
        // The way without links says the same.
        let root = std::fs::File::open(ground.at("root")).expect("the root");
        let walked = walk(root.as_fd(), path, OFlags::RDONLY | OFlags::NONBLOCK);
        assert_eq!(walked.err(), Some(Failure::Link), "{path}");
    }
    assert_eq!(
        ground.write("folder/made/x", "broken in"),
        Err(Failure::Link)
    );
    assert_eq!(ground.text("outside/secret.txt"), "secret");
    assert_eq!(ground.names("outside"), ["secret.txt"]);
    assert_eq!(ground.text("root/a.txt"), "old");
}

#[test]
fn a_root_that_is_a_link_out_of_the_allowed_folder_is_refused() {
    let ground = Ground::new();
    let elsewhere = tempfile::tempdir().expect("a folder");
    std::fs::write(elsewhere.path().join("secret.txt"), "secret").expect("written");
    ground.link("away", elsewhere.path());
    let root = format!("file://{}/away/", ground.folder.path().display());
    let place = ground.place_below(&root, "secret.txt");
    assert_eq!(read(&Reference, &place, 64).err(), Some(Failure::Link));
    let wanted = AtomicBool::new(true);
    let written = write(&Reference, &place, b"broken in", &wanted);
    assert_eq!(written.err(), Some(Failure::Link));
}

#[test]
fn a_link_that_stays_inside_is_followed_to_folders_and_for_reading() {
    let ground = Ground::new();
    ground.link("root/inner", "deep");
    ground.link("root/deep/again", "../deep/b.txt");
    ground.link("root/empty", "none.txt");
    if cfg!(target_os = "linux") {
        assert_eq!(ground.read("inner/b.txt").as_deref(), Ok("below"));
        assert_eq!(ground.read("inner/again").as_deref(), Ok("below"));
        assert_eq!(ground.read("empty"), Err(Failure::NotFound));
        assert_eq!(ground.write("inner/c/d.txt", "x"), Ok(true));
        assert_eq!(ground.text("root/deep/c/d.txt"), "x");
    }
    assert_eq!(ground.write("inner/again", "x"), Err(Failure::Link));
    assert_eq!(ground.write("empty", "x"), Err(Failure::Link));
    assert_eq!(ground.text("root/deep/b.txt"), "below");
}

#[test]
fn without_links_the_walk_opens_the_same() {
    let ground = Ground::new();
    let root = std::fs::File::open(ground.at("root")).expect("the root");
    let opened = |path: &str| walk(root.as_fd(), path, OFlags::RDONLY).map(|_| ());
    assert_eq!(opened("a.txt"), Ok(()));
    assert_eq!(opened("deep/b.txt"), Ok(()));
    assert_eq!(opened("deep"), Ok(()));
    for path in ["none", "none/a", "a.txt/b", "deep/none"] {
        assert_eq!(opened(path), Err(Failure::NotFound), "{path}");
    }
}

#[test]
fn nobody_gets_out_while_a_folder_turns_into_a_link() {
    let ground = Ground::new();
    std::fs::create_dir(ground.at("root/turn")).expect("made");
    ground.lay("root/turn/secret.txt", "inside");
    ground.link("root/link", "../outside");
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let (turn, link) = (ground.at("root/turn"), ground.at("root/link"));
            while !over.load(Ordering::Relaxed) {
                #[cfg(target_os = "linux")]
                let _ = rustix::fs::renameat_with(
                    CWD,
                    &turn,
                    CWD,
                    &link,
                    rustix::fs::RenameFlags::EXCHANGE,
                );
                thread::yield_now();
            }
        });
        let mut inside = 0;
        for _ in 0..2_000 {
            match ground.read("turn/secret.txt") {
                Ok(text) => {
                    assert_ne!(text, "secret");
                    inside += 1;
                }
                Err(failure) => {
                    assert!(
                        matches!(failure, Failure::Link | Failure::Broken),
                        "{failure:?}"
                    );
                }
            }
        }
        for _ in 0..300 {
            let _ = ground.write("turn/secret.txt", "inside");
            let _ = ground.write("turn/new/more.txt", "inside");
        }
        over.store(true, Ordering::Relaxed);
        assert!(inside > 0, "the folder was never seen");
    });
    assert_eq!(ground.names("outside"), ["secret.txt"]);
    assert_eq!(ground.text("outside/secret.txt"), "secret");
}

#[test]
fn of_concurrent_writes_one_whole_content_remains_and_one_is_new() {
    let ground = Ground::new();
    let contents: Vec<String> = ('a'..='h')
        .map(|letter| letter.to_string().repeat(64))
        .collect();
    let whole = |text: &String| contents.contains(text);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = 0;
            while !over.load(Ordering::Relaxed) || seen == 0 {
                match ground.read("many/x.txt") {
                    Ok(text) => {
                        assert!(whole(&text), "{text}");
                        seen += 1;
                    }
                    Err(failure) => assert_eq!(failure, Failure::NotFound),
                }
            }
        });
        let writers: Vec<_> = contents
            .iter()
            .map(|content| {
                let ground = &ground;
                scope.spawn(move || {
                    let written = (0..20).map(|_| ground.write("many/x.txt", content));
                    written.filter(|created| *created == Ok(true)).count()
                })
            })
            .collect();
        let created: usize = writers
            .into_iter()
            .map(|writer| writer.join().expect("ends"))
            .sum();
        assert_eq!(created, 1);
        over.store(true, Ordering::Relaxed);
        reader.join().expect("ends");
    });
    assert!(whole(&ground.text("root/many/x.txt")));
    assert_eq!(ground.names("root/many"), ["x.txt"]);
}

#[test]
fn a_write_that_nobody_waits_for_does_not_happen() {
    let ground = Ground::new();
    let wanted = AtomicBool::new(false);
    for path in ["a.txt", "new.txt"] {
        let written = write(&Reference, &ground.place(path), b"late", &wanted);
        assert_eq!(written.err(), Some(Failure::Silent));
    }
    assert_eq!(ground.text("root/a.txt"), "old");
    assert_eq!(ground.names("root"), ["a.txt", "deep"]);
}

#[test]
fn a_crash_leaves_the_old_file_and_nothing_that_a_path_can_name() {
    let ground = Ground::new();
    let root = std::fs::File::open(ground.at("root")).expect("the root");
    let wanted = AtomicBool::new(true);
    let new = Replacement {
        folder: root.as_fd(),
        name: "a.txt",
        bytes: b"new",
        wanted: &wanted,
    };
    // The process ends after the content is written and before it has its name.
    std::mem::forget(
        Beside::write(&new, None)
            .map_err(|_| "failed")
            .expect("written"),
    );
    assert_eq!(ground.read("a.txt").as_deref(), Ok("old"));
    let names = ground.names("root");
    assert_eq!(names.len(), 3);
    assert!(Reference.check_path(&names[0]).is_err(), "{names:?}");
}

#[test]
fn the_rights_of_a_replaced_file_stay() {
    let ground = Ground::new();
    let path = ground.at("root/a.txt");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o604)).expect("set");
    assert_eq!(ground.write("a.txt", "new"), Ok(false));
    let status = std::fs::metadata(&path).expect("a status");
    assert_eq!(status.mode() & 0o777, 0o604);
}

#[test]
fn a_replaced_file_runs_as_nobody_else() {
    let ground = Ground::new();
    let path = ground.at("root/a.txt");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o7755)).expect("set");
    assert_eq!(ground.write("a.txt", "new"), Ok(false));
    let status = std::fs::metadata(&path).expect("a status");
    assert_eq!(status.mode() & 0o7777, 0o755);
}

#[test]
fn what_the_system_says_is_told_apart() {
    for (errno, expected) in [
        (Errno::NOSPC, Failure::Full),
        (Errno::DQUOT, Failure::Full),
        (Errno::ACCESS, Failure::KeyRefused),
        (Errno::ROFS, Failure::KeyRefused),
        (Errno::IO, Failure::Broken),
        (Errno::MFILE, Failure::Broken),
    ] {
        assert_eq!(failure(errno), expected);
    }
}
