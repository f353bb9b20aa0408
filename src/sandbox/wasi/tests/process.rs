//! Clocks, sleeping, chance, streams.

use sha2::{Digest, Sha256};

use super::super::Wasi;
use super::super::errno::Errno;
use super::run::{BOTH, CREATE, Run, START, TMP};
use crate::sandbox::Limits;

const OUT: u32 = 0;
const SUBSCRIPTIONS: u32 = 0x1000;
const EVENTS: u32 = 0x3000;

fn time(run: &mut Run, id: u32) -> Result<u64, Errno> {
    run.call(|wasi, memory| wasi.clock_time_get(memory, id, 1, OUT))?;
    Ok(run.u64(OUT))
}

/// A subscription to a clock.
fn clock(userdata: u64, id: u32, timeout: u64, flags: u16) -> Vec<u8> {
    let mut bytes = userdata.to_le_bytes().to_vec();
    bytes.extend([0; 8]);
    bytes.extend(u64::from(id).to_le_bytes());
    bytes.extend(timeout.to_le_bytes());
    bytes.extend([0; 8]);
    bytes.extend(u64::from(flags).to_le_bytes());
    bytes
}

/// A subscription to a descriptor.
fn descriptor(userdata: u64, tag: u8, fd: u32) -> Vec<u8> {
    let mut bytes = userdata.to_le_bytes().to_vec();
    bytes.extend(u64::from(tag).to_le_bytes());
    bytes.extend(u64::from(fd).to_le_bytes());
    bytes.resize(48, 0);
    bytes
}

/// Polls; gives user data, error, type and bytes of each event.
fn poll(run: &mut Run, subscriptions: &[Vec<u8>]) -> Result<Vec<(u64, u16, u8, u64)>, Errno> {
    let bytes = subscriptions.concat();
    let start = SUBSCRIPTIONS as usize;
    run.bytes[start..start + bytes.len()].copy_from_slice(&bytes);
    let count = u32::try_from(subscriptions.len()).expect("it fits");
    run.call(|wasi, memory| wasi.poll_oneoff(memory, SUBSCRIPTIONS, EVENTS, count, OUT))?;
    Ok((0..run.u32(OUT))
        .map(|index| {
            let at = EVENTS + index * 32;
            let errno = u16::try_from(run.u32(at + 8) & 0xffff).expect("it fits");
            (
                run.u64(at),
                errno,
                run.bytes[at as usize + 10],
                run.u64(at + 16),
            )
        })
        .collect())
}

#[test]
fn clocks_stand_still_until_the_code_sleeps() {
    let mut run = Run::new();
    for _ in 0..3 {
        assert_eq!(time(&mut run, 0), Ok(START));
        assert_eq!(time(&mut run, 1), Ok(0));
        assert_eq!(time(&mut run, 2), Ok(0));
        assert_eq!(time(&mut run, 3), Ok(0));
    }
    assert_eq!(time(&mut run, 4), Err(Errno::Inval));
    assert_eq!(
        poll(&mut run, &[clock(9, 1, 1500, 0)]),
        Ok(vec![(9, 0, 0, 0)])
    );
    assert_eq!(time(&mut run, 0), Ok(START + 1500));
    for id in 1..4 {
        assert_eq!(time(&mut run, id), Ok(1500));
        run.call(|wasi, memory| wasi.clock_res_get(memory, id, OUT))
            .expect("it succeeds");
        assert_eq!(run.u64(OUT), 1000);
    }
    assert_eq!(
        run.call(|wasi, memory| wasi.clock_res_get(memory, 4, OUT)),
        Err(Errno::Inval)
    );
}

#[test]
fn sleeping_until_a_time_is_sleeping_for_the_rest() {
    let mut run = Run::new();
    poll(&mut run, &[clock(0, 0, START + 10, 1)]).expect("it succeeds");
    assert_eq!(time(&mut run, 1), Ok(10));
    poll(&mut run, &[clock(0, 1, 25, 1)]).expect("it succeeds");
    assert_eq!(time(&mut run, 0), Ok(START + 25));
    poll(&mut run, &[clock(0, 0, START, 1)]).expect("it succeeds");
    assert_eq!(time(&mut run, 1), Ok(25), "that was before");
}

#[test]
fn the_first_of_several_clocks_ends_the_sleep() {
    let mut run = Run::new();
    let events = poll(
        &mut run,
        &[
            clock(1, 1, 300, 0),
            clock(2, 1, 200, 0),
            clock(3, 0, START + 200, 1),
            clock(4, 1, 201, 0),
        ],
    );
    assert_eq!(events, Ok(vec![(2, 0, 0, 0), (3, 0, 0, 0)]));
    assert_eq!(time(&mut run, 1), Ok(200));
}

#[test]
fn descriptors_are_ready_at_once() {
    let mut run = Run::new();
    let fd = run.open(TMP, "a", CREATE, BOTH).expect("it succeeds");
    run.write(fd, b"abcdef").expect("it succeeds");
    run.seek(fd, 2, 0).expect("it succeeds");
    let events = poll(
        &mut run,
        &[
            clock(1, 1, 500, 0),
            descriptor(2, 1, fd),
            descriptor(3, 2, fd),
            descriptor(4, 1, 0),
            descriptor(5, 2, 1),
            descriptor(6, 1, 99),
            clock(7, 9, 500, 0),
            clock(8, 1, 0, 0),
            clock(9, 1, 0, 2),
        ],
    );
    assert_eq!(
        events,
        Ok(vec![
            (2, 0, 1, 4),
            (3, 0, 2, 0),
            (4, 0, 1, 0),
            (5, 0, 2, 0),
            (6, 8, 1, 0),
            (7, 28, 0, 0),
            (8, 0, 0, 0),
            (9, 28, 0, 0),
        ])
    );
    assert_eq!(time(&mut run, 1), Ok(0), "nothing to sleep for");
}

#[test]
fn a_senseless_poll_is_refused() {
    let mut run = Run::new();
    assert_eq!(poll(&mut run, &[]), Err(Errno::Inval));
    assert_eq!(poll(&mut run, &[descriptor(0, 3, 0)]), Err(Errno::Inval));
    assert_eq!(
        run.call(|wasi, memory| wasi.poll_oneoff(memory, 0, 0, u32::MAX, OUT)),
        Err(Errno::Inval)
    );
    assert_eq!(
        run.call(|wasi, memory| wasi.poll_oneoff(memory, u32::MAX, 0, 1, OUT)),
        Err(Errno::Fault)
    );
}

#[test]
fn the_end_of_time_is_not_passed() {
    let mut run = Run::new();
    poll(&mut run, &[clock(0, 1, u64::MAX, 0)]).expect("it succeeds");
    poll(&mut run, &[clock(0, 1, u64::MAX, 0)]).expect("it succeeds");
    assert_eq!(time(&mut run, 0), Ok(u64::MAX));
    assert_eq!(time(&mut run, 1), Ok(u64::MAX));
}

#[test]
fn chance_is_a_stream_of_the_seed() {
    let seed = [7; 32];
    let block = |index: u64| {
        let mut hash = Sha256::new();
        hash.update(seed);
        hash.update(index.to_le_bytes());
        hash.finalize()
    };
    let stream: Vec<u8> = (0..4).flat_map(block).collect();
    let mut run = Run::new();
    let mut drawn = Vec::new();
    for len in [1, 0, 40, 7, 80] {
        run.call(|wasi, memory| wasi.random_get(memory, 0, len))
            .expect("it succeeds");
        drawn.extend_from_slice(&run.bytes[..len as usize]);
    }
    assert_eq!(drawn, stream[..128]);
}

#[test]
fn no_call_may_ask_for_endless_chance() {
    let mut wasi = Wasi::new(&Limits::default(), 0, [0; 32]);
    let mut bytes = vec![0; (1 << 20) + 1];
    let memory = &mut super::super::memory::Memory::new(&mut bytes);
    assert_eq!(wasi.random_get(memory, 0, (1 << 20) + 1), Err(Errno::Inval));
    assert_eq!(wasi.random_get(memory, 0, u32::MAX), Err(Errno::Fault));
    assert_eq!(wasi.random_get(memory, 0, 1 << 20), Ok(()));
}

#[test]
fn both_streams_are_kept_in_order() {
    let mut run = Run::new();
    run.write(1, b"out ").expect("it succeeds");
    run.write(2, b"err ").expect("it succeeds");
    run.write(1, b"again").expect("it succeeds");
    assert_eq!(run.write(0, b"x"), Err(Errno::Badf));
    assert_eq!(run.read(1, 1), Err(Errno::Badf));
    assert_eq!(run.read(0, 100).expect("it succeeds"), b"", "its end");
    assert_eq!(run.wasi.take_logs(), "out err again");
    assert_eq!(run.wasi.take_logs(), "");
}

fn logs_of(limit: usize, parts: &[&[u8]]) -> String {
    let mut run = Run::with(&Limits {
        logs: limit,
        ..Limits::default()
    });
    for part in parts {
        assert_eq!(
            run.write(1, part),
            Ok(u32::try_from(part.len()).expect("it fits"))
        );
    }
    run.wasi.take_logs()
}

#[test]
fn more_output_than_the_limit_is_taken_and_dropped() {
    assert_eq!(logs_of(5, &[b"hello"]), "hello");
    assert_eq!(logs_of(5, &[b"hel", b"lo!"]), "hello");
    assert_eq!(logs_of(5, &[b"hello", b"", b"more"]), "hello");
    assert_eq!(logs_of(0, &[b"x"]), "");
    assert_eq!(logs_of(4, &["äöü".as_bytes()]), "äö");
    assert_eq!(logs_of(5, &["äöü".as_bytes()]), "äö", "not half of it");
    assert_eq!(logs_of(5, &["äö".as_bytes(), b"\xc3"]), "äö");
}

#[test]
fn output_that_is_not_utf_8_is_replaced() {
    assert_eq!(logs_of(9, &[b"a\xffb"]), "a\u{fffd}b");
    assert_eq!(logs_of(9, &[b"a\xc3"]), "a\u{fffd}", "nothing was cut");
    assert_eq!(logs_of(4, &[b"\xff\xff\xff"]), "\u{fffd}");
    assert_eq!(logs_of(4, &[b"\xff\xff\xff\xff\xff"]), "\u{fffd}");
}

#[test]
fn there_are_no_arguments_signals_and_sockets() {
    let mut run = Run::new();
    run.bytes[..8].fill(0xaa);
    run.call(|wasi, memory| wasi.args_sizes_get(memory, 0, 4))
        .expect("it succeeds");
    assert_eq!(run.u64(0), 0);
    run.bytes[..8].fill(0xaa);
    run.call(|wasi, memory| wasi.environ_sizes_get(memory, 0, 4))
        .expect("it succeeds");
    assert_eq!(run.u64(0), 0);
    run.call(|wasi, memory| wasi.args_get(memory, 0, 0))
        .expect("it succeeds");
    run.call(|wasi, memory| wasi.environ_get(memory, 0, 0))
        .expect("it succeeds");
    run.call(|wasi, memory| wasi.sched_yield(memory))
        .expect("it succeeds");
    assert_eq!(
        run.call(|wasi, memory| wasi.proc_raise(memory, 6)),
        Err(Errno::Notsup)
    );
    for (fd, errno) in [(1, Errno::Notsup), (TMP, Errno::Notsup), (99, Errno::Badf)] {
        let calls = [
            run.call(|wasi, memory| wasi.sock_accept(memory, fd, 0, 0)),
            run.call(|wasi, memory| wasi.sock_recv(memory, fd, 0, 0, 0, 0, 0)),
            run.call(|wasi, memory| wasi.sock_send(memory, fd, 0, 0, 0, 0)),
            run.call(|wasi, memory| wasi.sock_shutdown(memory, fd, 0)),
        ];
        assert_eq!(calls, [Err(errno); 4]);
    }
}

#[test]
fn the_directories_of_the_start_have_names() {
    let mut run = Run::new();
    for (fd, name) in [(3, "/lib"), (4, "/tmp")] {
        run.call(|wasi, memory| wasi.fd_prestat_get(memory, fd, 0))
            .expect("it succeeds");
        assert_eq!((run.u32(0), run.u32(4)), (0, 4));
        run.call(|wasi, memory| wasi.fd_prestat_dir_name(memory, fd, 16, 4))
            .expect("it succeeds");
        assert_eq!(&run.bytes[16..20], name.as_bytes());
        assert_eq!(
            run.call(|wasi, memory| wasi.fd_prestat_dir_name(memory, fd, 16, 3)),
            Err(Errno::Nametoolong)
        );
    }
    let opened = run.open(TMP, ".", 0, 0).expect("it succeeds");
    for fd in [0, 1, 2, opened, 99] {
        assert_eq!(
            run.call(|wasi, memory| wasi.fd_prestat_get(memory, fd, 0)),
            Err(Errno::Badf)
        );
    }
}
