//! Files: content, positions, access, quotas, times.

use super::super::errno::Errno;
use super::run::{BOTH, CREATE, DIRECTORY, EXCLUSIVE, LIB, READ, Run, START, TMP, TRUNCATE, WRITE};

#[test]
fn what_is_written_is_read() {
    let mut run = Run::new();
    let fd = run.open(TMP, "a", CREATE, BOTH).expect("it succeeds");
    assert_eq!(fd, 5, "the lowest free number");
    assert_eq!(run.write(fd, b"hello world"), Ok(11));
    assert_eq!(run.tell(fd), Ok(11));
    assert_eq!(run.read(fd, 10).expect("it succeeds"), b"");
    assert_eq!(run.seek(fd, -5, 1), Ok(6));
    assert_eq!(run.read(fd, 100).expect("it succeeds"), b"world");
    assert_eq!(run.pread(fd, 4, 0).expect("it succeeds"), b"hell");
    assert_eq!(run.pwrite(fd, b"J", 0), Ok(1));
    assert_eq!(run.tell(fd), Ok(11), "pread and pwrite move nothing");
    assert_eq!(run.content("a").expect("it succeeds"), "Jello world");
    assert_eq!(run.pread(fd, 4, u64::MAX).expect("it succeeds"), b"");
}

#[test]
fn positions_stay_within_bounds() {
    let mut run = Run::new();
    let fd = run.open(TMP, "a", CREATE, BOTH).expect("it succeeds");
    run.write(fd, b"abc").expect("it succeeds");
    assert_eq!(run.seek(fd, -1, 0), Err(Errno::Inval));
    assert_eq!(run.seek(fd, -4, 2), Err(Errno::Inval));
    assert_eq!(run.seek(fd, i64::MIN, 1), Err(Errno::Inval));
    assert_eq!(run.seek(fd, 0, 3), Err(Errno::Inval));
    assert_eq!(run.seek(fd, i64::MAX, 0), Ok(i64::MAX as u64));
    assert_eq!(run.seek(fd, 1, 1), Err(Errno::Overflow));
    assert_eq!(run.read(fd, 1).expect("it succeeds"), b"");
    assert_eq!(run.write(fd, b"x"), Err(Errno::Nospc));
    assert_eq!(run.pwrite(fd, b"x", u64::MAX), Err(Errno::Nospc));
    assert_eq!(run.seek(fd, -1, 2), Ok(2));
    assert_eq!(run.read(fd, 9).expect("it succeeds"), b"c");
}

#[test]
fn a_hole_is_zeros_and_counts() {
    let mut run = Run::small(10, 10);
    let fd = run.open(TMP, "a", CREATE, BOTH).expect("it succeeds");
    assert_eq!(run.seek(fd, 4, 0), Ok(4));
    assert_eq!(
        run.fstat(fd).expect("it succeeds").size,
        0,
        "seeking makes nothing"
    );
    assert_eq!(run.write(fd, b"xy"), Ok(2));
    assert_eq!(run.pread(fd, 10, 0).expect("it succeeds"), b"\0\0\0\0xy");
    let other = run.open(TMP, "b", CREATE, BOTH).expect("it succeeds");
    assert_eq!(
        run.write(other, b"12345"),
        Ok(4),
        "as much as there is room"
    );
    assert_eq!(run.write(other, b"5"), Err(Errno::Nospc));
    assert_eq!(run.pwrite(fd, b"ABCDEF", 0), Ok(6), "no room needed");
    assert_eq!(run.pwrite(fd, b"ABCDEFG", 3), Ok(3), "up to the end");
    assert_eq!(run.pwrite(fd, b"A", 10), Err(Errno::Nospc));
}

#[test]
fn room_comes_back() {
    let mut run = Run::small(10, 10);
    let fd = run.open(TMP, "a", CREATE, BOTH).expect("it succeeds");
    assert_eq!(run.resize(fd, 10), Ok(()));
    assert_eq!(run.resize(fd, 11), Err(Errno::Nospc));
    assert_eq!(run.resize(fd, u64::MAX), Err(Errno::Nospc));
    assert_eq!(run.fstat(fd).expect("it succeeds").size, 10);
    assert_eq!(run.resize(fd, 1), Ok(()));
    run.make("b", b"123456789");
    let again = run.open(TMP, "b", TRUNCATE, WRITE).expect("it succeeds");
    assert_eq!(run.fstat(again).expect("it succeeds").size, 0);
    run.unlink(TMP, "a").expect("it succeeds");
    assert_eq!(run.fstat(fd).expect("it succeeds").links, 0);
    assert_eq!(run.write(again, b"1234567890"), Ok(9), "a is still open");
    run.close(fd).expect("it succeeds");
    assert_eq!(run.write(again, b"0"), Ok(1));
}

#[test]
fn small_appends_make_a_large_file() {
    let mut run = Run::new();
    let fd = run
        .open_with(TMP, 1, "a", CREATE, BOTH, 1)
        .expect("it succeeds");
    let line: Vec<u8> = (0..100).collect();
    for _ in 0..5000 {
        assert_eq!(run.write(fd, &line), Ok(100));
    }
    assert_eq!(run.fstat(fd).expect("it succeeds").size, 500_000);
    assert_eq!(run.pread(fd, 100, 499_900).expect("it succeeds"), line);
}

#[test]
fn sixteen_mebibytes_and_a_thousand_files_are_the_most() {
    let mut run = Run::new();
    let fd = run.open(TMP, "big", CREATE, BOTH).expect("it succeeds");
    let block = vec![b'x'; 1 << 20];
    for _ in 0..16 {
        assert_eq!(run.write(fd, &block), Ok(1 << 20));
    }
    assert_eq!(run.write(fd, b"x"), Err(Errno::Nospc));
    for file in 1..1000 {
        run.make(&format!("f{file}"), b"");
    }
    assert_eq!(run.open(TMP, "one", CREATE, BOTH), Err(Errno::Nospc));
    assert_eq!(run.mkdir(TMP, "one"), Err(Errno::Nospc));
    assert_eq!(run.link("f1", "one"), Err(Errno::Nospc));
    assert_eq!(run.symlink("f1", "one"), Err(Errno::Nospc));
    run.unlink(TMP, "f1").expect("it succeeds");
    assert_eq!(run.mkdir(TMP, "one"), Ok(()));
    assert_eq!(run.rename("one", "two"), Ok(()), "needs no room");
}

#[test]
fn allocating_reserves_room() {
    let mut run = Run::small(10, 10);
    let fd = run.open(TMP, "a", CREATE, BOTH).expect("it succeeds");
    let mut allocate =
        |offset, len| run.call(|wasi, memory| wasi.fd_allocate(memory, fd, offset, len));
    assert_eq!(allocate(2, 4), Ok(()));
    assert_eq!(allocate(0, 2), Ok(()), "never shortens");
    assert_eq!(allocate(0, 0), Err(Errno::Inval));
    assert_eq!(allocate(u64::MAX, 2), Err(Errno::Fbig));
    assert_eq!(allocate(0, 11), Err(Errno::Nospc));
    assert_eq!(run.fstat(fd).expect("it succeeds").size, 6);
}

#[test]
fn appending_goes_to_the_end() {
    let mut run = Run::new();
    run.make("a", b"one");
    let append = run.open_with(TMP, 1, "a", 0, BOTH, 1).expect("it succeeds");
    let other = run.open(TMP, "a", 0, WRITE).expect("it succeeds");
    assert_eq!(run.write(append, b"two"), Ok(3));
    assert_eq!(run.seek(append, 0, 0), Ok(0));
    assert_eq!(run.read(append, 3).expect("it succeeds"), b"one");
    run.pwrite(other, b"!", 6).expect("it succeeds");
    assert_eq!(run.write(append, b"three"), Ok(5));
    assert_eq!(run.tell(append), Ok(12));
    assert_eq!(run.content("a").expect("it succeeds"), "onetwo!three");
    run.call(|wasi, memory| wasi.fd_fdstat_set_flags(memory, append, 0))
        .expect("it succeeds");
    run.seek(append, 0, 0).expect("it succeeds");
    run.write(append, b"ONE").expect("it succeeds");
    assert_eq!(run.content("a").expect("it succeeds"), "ONEtwo!three");
}

#[test]
fn access_is_what_was_asked_for() {
    let mut run = Run::new();
    run.make("a", b"abc");
    let reader = run.open(TMP, "a", 0, READ).expect("it succeeds");
    assert_eq!(run.write(reader, b"x"), Err(Errno::Badf));
    assert_eq!(run.pwrite(reader, b"x", 0), Err(Errno::Badf));
    assert_eq!(run.resize(reader, 0), Err(Errno::Badf));
    let writer = run.open(TMP, "a", 0, WRITE).expect("it succeeds");
    assert_eq!(run.read(writer, 1), Err(Errno::Badf));
    assert_eq!(run.pread(writer, 1, 0), Err(Errno::Badf));
    assert_eq!(run.write(99, b"x"), Err(Errno::Badf));
    assert_eq!(run.write(TMP, b"x"), Err(Errno::Badf));
    assert_eq!(run.content("a").expect("it succeeds"), "abc");
}

#[test]
fn making_and_truncating_follow_the_flags() {
    let mut run = Run::new();
    assert_eq!(run.open(TMP, "a", 0, READ), Err(Errno::Noent));
    let all = CREATE | EXCLUSIVE;
    assert!(run.open(TMP, "a", all, WRITE).is_ok());
    assert_eq!(run.open(TMP, "a", all, WRITE), Err(Errno::Exist));
    assert_eq!(run.open(TMP, "a", DIRECTORY, READ), Err(Errno::Notdir));
    assert_eq!(run.open(TMP, "b/", CREATE, WRITE), Err(Errno::Isdir));
    assert_eq!(
        run.open(TMP, "b", CREATE | DIRECTORY, READ),
        Err(Errno::Inval)
    );
    assert_eq!(run.open(TMP, "b", 16, READ), Err(Errno::Inval));
    assert_eq!(run.open_with(TMP, 1, "a", 0, READ, 32), Err(Errno::Inval));
    assert_eq!(run.open_with(TMP, 2, "a", 0, READ, 0), Err(Errno::Inval));
    run.mkdir(TMP, "d").expect("it succeeds");
    assert!(run.open(TMP, "d", 0, READ).is_ok());
    assert_eq!(run.open(TMP, "d", 0, WRITE), Err(Errno::Isdir));
    assert_eq!(run.open(TMP, "d", TRUNCATE, READ), Err(Errno::Isdir));
    assert_eq!(run.open(TMP, "d", CREATE, READ), Err(Errno::Isdir));
    assert_eq!(run.names("."), ["a", "d"]);
}

#[test]
fn nothing_can_be_made_in_lib() {
    let mut run = Run::new();
    run.make("a", b"");
    let refused = Err(Errno::Rofs);
    assert_eq!(run.open(LIB, "a", CREATE, WRITE), Err(Errno::Rofs));
    assert_eq!(run.open(LIB, "a", 0, READ), Err(Errno::Noent));
    assert_eq!(run.mkdir(LIB, "a"), refused);
    assert_eq!(run.unlink(LIB, "a"), refused);
    assert_eq!(run.rmdir(LIB, "."), refused);
    assert_eq!(run.rename_between(TMP, "a", LIB, "a"), refused);
    assert_eq!(
        run.call(|wasi, memory| wasi.fd_filestat_set_times(memory, LIB, 1, 1, 0b101)),
        refused
    );
    let again = run.open(LIB, ".", DIRECTORY, READ).expect("it succeeds");
    assert_eq!(run.mkdir(again, "a"), refused);
    assert_eq!(run.readdir(LIB, 2, 100).expect("it succeeds"), (vec![], 0));
}

#[test]
fn no_more_than_256_descriptors_are_open() {
    let mut run = Run::new();
    run.make("a", b"");
    for fd in 5..256 {
        assert_eq!(run.open(TMP, "a", 0, READ), Ok(fd));
    }
    assert_eq!(run.open(TMP, "b", CREATE, READ), Err(Errno::Mfile));
    run.close(77).expect("it succeeds");
    assert_eq!(run.open(TMP, "b", CREATE, READ), Ok(77));
    run.close(77).expect("it succeeds");
    assert_eq!(run.close(77), Err(Errno::Badf));
    assert_eq!(run.names("."), ["a", "b"]);
}

#[test]
fn a_descriptor_moves_over_another() {
    let mut run = Run::small(10, 10);
    run.make("a", b"abc");
    let fd = run.open(TMP, "a", 0, READ).expect("it succeeds");
    let gone = run.open(TMP, "b", CREATE, BOTH).expect("it succeeds");
    run.write(gone, b"1234567").expect("it succeeds");
    run.unlink(TMP, "b").expect("it succeeds");
    run.seek(fd, 1, 0).expect("it succeeds");
    let mut renumber = |from, to| run.call(|wasi, memory| wasi.fd_renumber(memory, from, to));
    assert_eq!(renumber(fd, 99), Err(Errno::Badf));
    assert_eq!(renumber(99, fd), Err(Errno::Badf));
    assert_eq!(renumber(fd, fd), Ok(()));
    assert_eq!(renumber(fd, gone), Ok(()));
    assert_eq!(run.read(gone, 9).expect("it succeeds"), b"bc");
    assert_eq!(run.read(fd, 9), Err(Errno::Badf));
    run.make("c", b"1234567");
}

#[test]
fn standard_output_can_become_a_file() {
    let mut run = Run::new();
    let fd = run.open(TMP, "log", CREATE, BOTH).expect("it succeeds");
    run.write(1, b"before ").expect("it succeeds");
    run.call(|wasi, memory| wasi.fd_renumber(memory, fd, 1))
        .expect("it succeeds");
    run.write(1, b"inside").expect("it succeeds");
    run.write(2, b"after").expect("it succeeds");
    assert_eq!(run.wasi.take_logs(), "before after");
    assert_eq!(run.content("log").expect("it succeeds"), "inside");
}

#[test]
fn times_are_those_of_the_virtual_clock() {
    let mut run = Run::new();
    run.make("a", b"");
    let stat = run.stat(TMP, "a").expect("it succeeds");
    assert_eq!(
        (stat.accessed, stat.modified, stat.changed),
        (START, START, START)
    );
    run.wasi.clock.sleep(5);
    let fd = run.open(TMP, "a", 0, BOTH).expect("it succeeds");
    run.write(fd, b"x").expect("it succeeds");
    let stat = run.fstat(fd).expect("it succeeds");
    assert_eq!((stat.accessed, stat.modified), (START, START + 5));

    run.wasi.clock.sleep(5);
    let mut set = |flags| {
        run.call(|wasi, memory| wasi.fd_filestat_set_times(memory, fd, 11, 22, flags))?;
        let stat = run.fstat(fd)?;
        assert_eq!(stat.changed, START + 10);
        Ok((stat.accessed, stat.modified))
    };
    assert_eq!(set(0b0000), Ok((START, START + 5)));
    assert_eq!(set(0b0101), Ok((11, 22)));
    assert_eq!(set(0b1010), Ok((START + 10, START + 10)));
    assert_eq!(set(0b0110), Ok((START + 10, 22)));
    assert_eq!(set(0b0011), Err(Errno::Inval));
    assert_eq!(set(0b1100), Err(Errno::Inval));
    assert_eq!(set(0b1_0000), Err(Errno::Inval));
}

#[test]
fn directories_and_streams_have_no_position_and_no_content() {
    let mut run = Run::new();
    let fd = run.open(TMP, ".", DIRECTORY, READ).expect("it succeeds");
    assert_eq!(run.seek(fd, 0, 0), Err(Errno::Isdir));
    assert_eq!(run.tell(fd), Err(Errno::Isdir));
    assert_eq!(run.pread(fd, 1, 0), Err(Errno::Isdir));
    assert_eq!(run.read(fd, 1), Err(Errno::Isdir));
    assert_eq!(run.write(fd, b"x"), Err(Errno::Badf));
    assert_eq!(run.resize(fd, 0), Err(Errno::Isdir));
    for stream in 0..3 {
        assert_eq!(run.seek(stream, 0, 1), Err(Errno::Spipe));
        assert_eq!(run.tell(stream), Err(Errno::Spipe));
        assert_eq!(run.pread(stream, 1, 0), Err(Errno::Spipe));
        assert_eq!(run.pwrite(stream, b"x", 0), Err(Errno::Spipe));
        assert_eq!(run.resize(stream, 0), Err(Errno::Inval));
        assert_eq!(run.fstat(stream).expect("it succeeds").kind, 2);
    }
}

#[test]
fn rights_are_told_and_can_only_be_given_up() {
    let mut run = Run::new();
    let fd = run
        .open(TMP, "a", CREATE, BOTH | 1 << 14)
        .expect("it succeeds");
    let mut rights = |fd| {
        run.call(|wasi, memory| wasi.fd_fdstat_get(memory, fd, 0))
            .expect("it succeeds");
        (run.bytes[0], run.u64(8), run.u64(16))
    };
    assert_eq!(rights(fd), (4, BOTH, 0), "a file has no fd_readdir");
    assert_eq!(rights(1).0, 2);
    let (kind, base, inheriting) = rights(TMP);
    assert_eq!(kind, 3);
    assert_eq!(base & BOTH, 0);
    assert_eq!(inheriting & BOTH, BOTH);
    assert_eq!(rights(LIB).2 & BOTH, READ);
    let mut set = |base| run.call(|wasi, memory| wasi.fd_fdstat_set_rights(memory, fd, base, 0));
    assert_eq!(set(BOTH | 1), Err(Errno::Notcapable));
    assert_eq!(set(READ), Ok(()));
    assert_eq!(set(BOTH), Err(Errno::Notcapable));
    assert_eq!(run.write(fd, b"x"), Err(Errno::Badf));
}

#[test]
fn syncing_and_advice_change_nothing() {
    let mut run = Run::new();
    let fd = run.open(TMP, "a", CREATE, BOTH).expect("it succeeds");
    run.call(|wasi, memory| wasi.fd_sync(memory, fd))
        .expect("it succeeds");
    run.call(|wasi, memory| wasi.fd_datasync(memory, fd))
        .expect("it succeeds");
    let mut advise = |fd, advice| run.call(|wasi, memory| wasi.fd_advise(memory, fd, 0, 9, advice));
    assert_eq!(advise(fd, 5), Ok(()));
    assert_eq!(advise(fd, 6), Err(Errno::Inval));
    assert_eq!(advise(1, 0), Err(Errno::Spipe));
    assert_eq!(advise(99, 0), Err(Errno::Badf));
}
