//! Listings.

use super::super::errno::Errno;
use super::run::{READ, Run, TMP};

#[test]
fn entries_come_in_the_order_of_their_making() {
    let mut run = Run::new();
    run.make("z", b"");
    run.mkdir(TMP, "a").expect("it succeeds");
    run.symlink("z", "m").expect("it succeeds");
    let (entries, used) = run.readdir(TMP, 0, 1000).expect("it succeeds");
    let told: Vec<_> = entries
        .iter()
        .map(|(_, name, kind)| (name.as_str(), *kind))
        .collect();
    assert_eq!(told, [(".", 3), ("..", 3), ("z", 4), ("a", 3), ("m", 7)]);
    assert_eq!(used, 5 * 24 + 1 + 2 + 3);
}

#[test]
fn a_listing_goes_on_after_a_cookie() {
    let mut run = Run::new();
    for name in ["a", "b", "c"] {
        run.make(name, b"");
    }
    let (all, _) = run.readdir(TMP, 0, 1000).expect("it succeeds");
    for (index, (cookie, _, _)) in all.iter().enumerate() {
        let (rest, _) = run.readdir(TMP, *cookie, 1000).expect("it succeeds");
        assert_eq!(rest, all[index + 1..]);
    }
    assert_eq!(
        run.readdir(TMP, u64::MAX, 1000).expect("it succeeds"),
        (vec![], 0)
    );
}

#[test]
fn a_full_buffer_says_that_there_is_more() {
    let mut run = Run::new();
    run.make("abcdef", b"");
    for room in 0..100 {
        let (_, used) = run.readdir(TMP, 0, room).expect("it succeeds");
        assert_eq!(used, room.min(24 * 3 + 1 + 2 + 6));
    }
}

#[test]
fn removing_while_listing_skips_nothing() {
    let mut run = Run::new();
    for index in 0..50 {
        run.make(&format!("f{index}"), b"");
    }
    let mut cookie = 2;
    let mut removed = 0;
    loop {
        // Room for one entry and a part of the next.
        let (entries, _) = run.readdir(TMP, cookie, 40).expect("it succeeds");
        let Some((next, name, _)) = entries.into_iter().next() else {
            break;
        };
        run.unlink(TMP, &name).expect("it succeeds");
        cookie = next;
        removed += 1;
    }
    assert_eq!(removed, 50);
    assert_eq!(run.names("."), [""; 0]);
}

#[test]
fn a_renamed_entry_goes_to_the_end() {
    let mut run = Run::new();
    for name in ["a", "b", "c"] {
        run.make(name, b"");
    }
    run.rename("a", "b").expect("it succeeds");
    assert_eq!(run.names("."), ["c", "b"]);
}

#[test]
fn dots_have_the_numbers_of_their_directories() {
    let mut run = Run::new();
    run.mkdir(TMP, "a").expect("it succeeds");
    run.mkdir(TMP, "b").expect("it succeeds");
    run.rename("a", "b/a").expect("it succeeds");
    let fd = run.open(TMP, "b/a", 0, READ).expect("it succeeds");
    run.readdir(fd, 0, 1000).expect("it succeeds");
    let dot = run.u64(0x10000 + 8);
    let above = run.u64(0x10000 + 25 + 8);
    assert_eq!(dot, run.stat(TMP, "b/a").expect("it succeeds").inode);
    assert_eq!(above, run.stat(TMP, "b").expect("it succeeds").inode);
}

#[test]
fn a_removed_directory_below_a_removed_one_is_empty() {
    let mut run = Run::new();
    run.mkdir(TMP, "a").expect("it succeeds");
    run.mkdir(TMP, "a/b").expect("it succeeds");
    let fd = run.open(TMP, "a/b", 0, READ).expect("it succeeds");
    run.rmdir(TMP, "a/b").expect("it succeeds");
    run.rmdir(TMP, "a").expect("it succeeds");
    let (entries, _) = run.readdir(fd, 0, 1000).expect("it succeeds");
    let told: Vec<_> = entries
        .iter()
        .map(|(_, name, kind)| (name.as_str(), *kind))
        .collect();
    assert_eq!(told, [(".", 3), ("..", 3)]);
}

#[test]
fn only_directories_are_listed() {
    let mut run = Run::new();
    run.make("a", b"");
    let fd = run.open(TMP, "a", 0, READ).expect("it succeeds");
    assert_eq!(run.readdir(fd, 0, 100), Err(Errno::Notdir));
    assert_eq!(run.readdir(0, 0, 100), Err(Errno::Notdir));
    assert_eq!(run.readdir(99, 0, 100), Err(Errno::Badf));
}
