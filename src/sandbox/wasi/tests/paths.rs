//! Paths: they never leave, links, renaming.

use super::super::errno::Errno;
use super::run::{BOTH, CREATE, DIRECTORY, EXCLUSIVE, LIB, READ, Run, TMP, WRITE};

/// A file, a link and a directory.
const REGULAR: u8 = 4;
const LINK: u8 = 7;

fn tree() -> Run {
    let mut run = Run::new();
    run.mkdir(TMP, "d").expect("it succeeds");
    run.mkdir(TMP, "d/e").expect("it succeeds");
    run.make("d/e/f", b"deep");
    run.make("a", b"top");
    run
}

#[test]
fn no_path_leads_out() {
    let mut run = tree();
    for path in [
        "..",
        "../",
        "../tmp/a",
        "../lib",
        "d/../../a",
        "d/e/../../../a",
        "./../a",
        "/",
        "/a",
        "/tmp/a",
        "/etc/passwd",
        "//a",
    ] {
        assert_eq!(run.open(TMP, path, 0, READ), Err(Errno::Perm), "{path}");
        assert_eq!(run.stat(TMP, path).err(), Some(Errno::Perm), "{path}");
        assert_eq!(run.mkdir(TMP, path), Err(Errno::Perm), "{path}");
        assert_eq!(run.unlink(TMP, path), Err(Errno::Perm), "{path}");
        assert_eq!(run.rmdir(TMP, path), Err(Errno::Perm), "{path}");
        assert_eq!(run.rename("a", path), Err(Errno::Perm), "{path}");
        assert_eq!(run.rename(path, "b"), Err(Errno::Perm), "{path}");
        assert_eq!(run.link("a", path), Err(Errno::Perm), "{path}");
        assert_eq!(run.link(path, "b"), Err(Errno::Perm), "{path}");
        assert_eq!(run.symlink("a", path), Err(Errno::Perm), "{path}");
    }
    let inner = run.open(TMP, "d/e", 0, READ).expect("it succeeds");
    assert_eq!(run.open(inner, "../../a", 0, READ), Err(Errno::Perm));
    assert_eq!(run.open(inner, "..", 0, READ), Err(Errno::Perm));
    assert_eq!(run.names("."), ["d", "a"]);
}

#[test]
fn dots_and_slashes_are_walked() {
    let mut run = tree();
    for path in ["d/e/f", "./d//e/./f", "d/../d/e/../e/f", "d/e/../../d/e/f"] {
        assert_eq!(run.content(path).as_deref(), Ok("deep"), "{path}");
    }
    let above = run.stat(TMP, ".").expect("it succeeds").inode;
    assert_eq!(run.stat(TMP, "d/..").expect("it succeeds").inode, above);
    assert_eq!(
        run.stat(TMP, "d/e/../..").expect("it succeeds").inode,
        above
    );
    assert!(run.stat(TMP, "d/").is_ok());
    for (path, errno) in [
        ("", Errno::Noent),
        ("b", Errno::Noent),
        ("b/", Errno::Noent),
        ("b/c", Errno::Noent),
        ("b/..", Errno::Noent),
        ("a/", Errno::Notdir),
        ("a/.", Errno::Notdir),
        ("a/..", Errno::Notdir),
        ("a/b", Errno::Notdir),
    ] {
        assert_eq!(run.stat(TMP, path).err(), Some(errno), "{path:?}");
    }
    let file = run.open(TMP, "a", 0, READ).expect("it succeeds");
    assert_eq!(run.stat(file, "x").err(), Some(Errno::Notdir));
    assert_eq!(run.stat(1, "x").err(), Some(Errno::Notdir));
    assert_eq!(run.stat(99, "x").err(), Some(Errno::Badf));
}

#[test]
fn names_have_bounds() {
    let mut run = tree();
    let longest = "n".repeat(255);
    run.make(&longest, b"");
    assert_eq!(run.names("."), ["d", "a", &longest]);
    let longer = "n".repeat(256);
    assert_eq!(
        run.open(TMP, &longer, CREATE, BOTH),
        Err(Errno::Nametoolong)
    );
    assert_eq!(
        run.stat(TMP, &format!("{longer}/a")).err(),
        Some(Errno::Nametoolong)
    );
    assert!(run.stat(TMP, &format!("{}a", "./".repeat(2047))).is_ok());
    assert_eq!(
        run.stat(TMP, &format!("{}aa", "./".repeat(2048))).err(),
        Some(Errno::Nametoolong)
    );
    assert_eq!(run.mkdir(TMP, "a\0b"), Err(Errno::Inval));
    run.make("ключ 🔑", b"");
    let bytes = b"\xff\xfe";
    run.bytes[0x1000..0x1002].copy_from_slice(bytes);
    assert_eq!(
        run.call(|wasi, memory| wasi.path_create_directory(memory, TMP, 0x1000, 2)),
        Err(Errno::Ilseq)
    );
}

#[test]
fn links_are_followed_inside() {
    let mut run = tree();
    run.symlink("d/e", "s").expect("it succeeds");
    run.symlink("../../a", "d/e/up").expect("it succeeds");
    run.symlink("s/up", "t").expect("it succeeds");
    assert_eq!(run.content("s/f").as_deref(), Ok("deep"));
    assert_eq!(run.content("t").as_deref(), Ok("top"));
    assert_eq!(run.content("s/up").as_deref(), Ok("top"));
    assert_eq!(run.stat(TMP, "t").expect("it succeeds").kind, REGULAR);
    let link = run.lstat(TMP, "t").expect("it succeeds");
    assert_eq!((link.kind, link.size), (LINK, 4));
    assert_eq!(
        run.lstat(TMP, "s/").expect("it succeeds").kind,
        3,
        "a slash follows"
    );
    assert_eq!(run.stat(TMP, "t/").err(), Some(Errno::Notdir));
    assert_eq!(run.readlink("t", 100).as_deref(), Ok("s/up"));
    assert_eq!(run.readlink("t", 2).as_deref(), Ok("s/"));
    assert_eq!(run.readlink("a", 100), Err(Errno::Inval));
    assert_eq!(run.readlink("b", 100), Err(Errno::Noent));
    assert_eq!(
        run.open_with(TMP, 0, "t", 0, READ, 0),
        Err(Errno::Loop),
        "not to be followed"
    );
    assert_eq!(
        run.open_with(TMP, 0, "s", DIRECTORY, READ, 0),
        Err(Errno::Notdir)
    );
}

#[test]
fn links_lead_nowhere_else() {
    let mut run = tree();
    assert_eq!(run.symlink("/etc/passwd", "s"), Err(Errno::Perm));
    assert_eq!(run.symlink("/tmp/a", "s"), Err(Errno::Perm));
    assert_eq!(run.symlink("", "s"), Err(Errno::Noent));
    assert_eq!(run.symlink("a", "d"), Err(Errno::Exist));
    assert_eq!(run.symlink("a", "s/"), Err(Errno::Noent));
    run.symlink("../etc/passwd", "out").expect("it succeeds");
    assert_eq!(run.content("out"), Err(Errno::Perm));
    assert_eq!(run.open(TMP, "out", CREATE, WRITE), Err(Errno::Perm));
    run.symlink("../a", "d/up").expect("it succeeds");
    assert_eq!(run.content("d/up").as_deref(), Ok("top"));
    let inner = run.open(TMP, "d", 0, READ).expect("it succeeds");
    assert_eq!(
        run.open(inner, "up", 0, READ),
        Err(Errno::Perm),
        "from here it leads out"
    );
    run.rename("d/up", "up").expect("it succeeds");
    assert_eq!(run.content("up"), Err(Errno::Perm));
}

#[test]
fn a_chain_of_links_ends() {
    let mut run = tree();
    run.symlink("x", "x").expect("it succeeds");
    assert_eq!(run.content("x"), Err(Errno::Loop));
    run.symlink("z", "y").expect("it succeeds");
    run.symlink("y", "z").expect("it succeeds");
    assert_eq!(run.stat(TMP, "y/a").err(), Some(Errno::Loop));
    assert_eq!(run.stat(TMP, "x/").err(), Some(Errno::Loop));
    run.symlink("a", "l1").expect("it succeeds");
    for link in 2..=41 {
        run.symlink(&format!("l{}", link - 1), &format!("l{link}"))
            .expect("it succeeds");
    }
    assert_eq!(run.content("l40").as_deref(), Ok("top"));
    assert_eq!(run.content("l41"), Err(Errno::Loop));
    run.symlink(&"d/../".repeat(800), "long")
        .expect("it succeeds");
    let path = format!("{}a", "long/".repeat(40));
    assert_eq!(run.content(&path).as_deref(), Ok("top"));
}

#[test]
fn files_are_made_through_links_but_not_exclusively() {
    let mut run = tree();
    run.symlink("d/new", "s").expect("it succeeds");
    let flags = CREATE | EXCLUSIVE;
    assert_eq!(run.open(TMP, "s", flags, WRITE), Err(Errno::Exist));
    assert_eq!(run.mkdir(TMP, "s"), Err(Errno::Exist));
    run.make("s", b"made");
    assert_eq!(run.content("d/new").as_deref(), Ok("made"));
    run.unlink(TMP, "s").expect("it succeeds");
    assert_eq!(run.content("d/new").as_deref(), Ok("made"));
}

#[test]
fn targets_of_links_take_room() {
    let mut run = Run::small(10, 10);
    assert_eq!(run.symlink("12345678901", "s"), Err(Errno::Nospc));
    run.symlink("1234567890", "s").expect("it succeeds");
    let fd = run.open(TMP, "a", CREATE, BOTH).expect("it succeeds");
    assert_eq!(run.write(fd, b"x"), Err(Errno::Nospc));
    run.unlink(TMP, "s").expect("it succeeds");
    assert_eq!(run.write(fd, b"x"), Ok(1));
}

#[test]
fn a_file_may_have_several_names() {
    let mut run = tree();
    run.link("a", "d/b").expect("it succeeds");
    assert_eq!(run.stat(TMP, "a").expect("it succeeds").links, 2);
    assert_eq!(
        run.stat(TMP, "a").expect("it succeeds").inode,
        run.stat(TMP, "d/b").expect("it succeeds").inode
    );
    run.unlink(TMP, "a").expect("it succeeds");
    assert_eq!(run.content("d/b").as_deref(), Ok("top"));
    assert_eq!(run.stat(TMP, "d/b").expect("it succeeds").links, 1);
    assert_eq!(run.link("d", "x"), Err(Errno::Perm));
    assert_eq!(run.link("d/b", "d/e"), Err(Errno::Exist));
    assert_eq!(run.link("b", "x"), Err(Errno::Noent));
    assert_eq!(run.link("d/b", "x/"), Err(Errno::Noent));
    run.symlink("d/b", "s").expect("it succeeds");
    run.link("s", "t").expect("it succeeds");
    assert_eq!(run.lstat(TMP, "t").expect("it succeeds").kind, LINK);
    assert_eq!(run.rename("d/b", "d/b"), Ok(()));
}

#[test]
fn renaming_replaces_what_is_alike() {
    let mut run = tree();
    run.make("b", b"old");
    run.rename("a", "b").expect("it succeeds");
    assert_eq!(run.content("b").as_deref(), Ok("top"));
    assert_eq!(run.content("a"), Err(Errno::Noent));
    run.mkdir(TMP, "g").expect("it succeeds");
    for (old, new, errno) in [
        ("x", "y", Errno::Noent),
        ("b", "x/y", Errno::Noent),
        ("b", "g", Errno::Isdir),
        ("b", "b/x", Errno::Notdir),
        ("b/", "x", Errno::Notdir),
        ("b", "x/", Errno::Notdir),
        ("d", "b", Errno::Notdir),
        ("g", "d", Errno::Notempty),
        ("d", "d/x", Errno::Inval),
        ("d", "d/e/x", Errno::Inval),
        ("d", "d/e", Errno::Inval),
        (".", "x", Errno::Busy),
        ("d/..", "x", Errno::Busy),
        ("g", ".", Errno::Busy),
    ] {
        assert_eq!(run.rename(old, new), Err(errno), "{old} to {new}");
    }
    run.rename("d/", "g/").expect("it succeeds");
    assert_eq!(run.content("g/e/f").as_deref(), Ok("deep"));
    assert_eq!(run.names("."), ["b", "g"]);
    run.rename("g/e", "h").expect("it succeeds");
    assert_eq!(
        run.rename("g", "h/f"),
        Err(Errno::Notdir),
        "no longer below itself"
    );
    run.rename("g", "h/g").expect("it succeeds");
    assert_eq!(run.names("h"), ["f", "g"]);
    assert_eq!(run.rename_between(LIB, "x", TMP, "x"), Err(Errno::Noent));
}

#[test]
fn an_open_file_outlives_its_name() {
    let mut run = tree();
    let fd = run.open(TMP, "a", 0, BOTH).expect("it succeeds");
    run.rename("d/e/f", "a").expect("it succeeds");
    assert_eq!(run.read(fd, 9).expect("it succeeds"), b"top");
    run.write(fd, b"!").expect("it succeeds");
    assert_eq!(run.content("a").as_deref(), Ok("deep"));
    assert_eq!(run.fstat(fd).expect("it succeeds").links, 0);
}

#[test]
fn an_open_directory_outlives_its_name() {
    let mut run = tree();
    run.mkdir(TMP, "g").expect("it succeeds");
    let fd = run.open(TMP, "g", 0, READ).expect("it succeeds");
    run.rmdir(TMP, "g").expect("it succeeds");
    assert_eq!(run.open(fd, "x", CREATE, WRITE), Err(Errno::Noent));
    assert_eq!(run.mkdir(fd, "x"), Err(Errno::Noent));
    assert_eq!(run.rename_between(TMP, "a", fd, "x"), Err(Errno::Noent));
    assert_eq!(run.stat(fd, "x").err(), Some(Errno::Noent));
    assert_eq!(run.fstat(fd).expect("it succeeds").links, 0);
    let (dots, _) = run.readdir(fd, 0, 1000).expect("it succeeds");
    assert_eq!(dots.len(), 2);
    run.close(fd).expect("it succeeds");
}

#[test]
fn what_is_removed_has_to_be_of_its_kind() {
    let mut run = tree();
    run.symlink("d", "s").expect("it succeeds");
    for (path, errno) in [
        ("d", Errno::Isdir),
        (".", Errno::Isdir),
        ("a/", Errno::Notdir),
        ("x", Errno::Noent),
    ] {
        assert_eq!(run.unlink(TMP, path), Err(errno), "{path}");
    }
    for (path, errno) in [
        ("d", Errno::Notempty),
        ("a", Errno::Notdir),
        ("s", Errno::Notdir),
        ("x", Errno::Noent),
        (".", Errno::Busy),
        ("d/e/..", Errno::Busy),
    ] {
        assert_eq!(run.rmdir(TMP, path), Err(errno), "{path}");
    }
    run.unlink(TMP, "s").expect("it succeeds");
    run.unlink(TMP, "d/e/f").expect("it succeeds");
    run.rmdir(TMP, "d/e/").expect("it succeeds");
    run.rmdir(TMP, "d").expect("it succeeds");
    assert_eq!(run.names("."), ["a"]);
}
