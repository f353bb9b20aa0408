//! Whatever a module calls, in whatever order: no panic, no trap, no limit passed, and the same again for the same calls.

use proptest::prelude::*;
use proptest::sample::select;

use super::abi::{Guest, SIGNATURES};
use crate::sandbox::Limits;

/// Names at places that arguments often lead to, so that many calls find something.
const NAMES: &[(usize, &[u8])] = &[
    (64, b"a"),
    (72, b"b"),
    (80, b"d"),
    (88, b"d/a"),
    (96, b"d/../b"),
    (104, b"../a"),
    (112, b"s"),
    (120, b"s/a"),
    (128, b"."),
    (136, b"d/d"),
];

/// `iovec`s: of 16 bytes, of 300, and one that leads out.
const BUFFERS: &[(usize, u32, u32)] = &[(192, 1024, 16), (200, 2048, 300), (208, 65530, 99)];

const LIMITS: Limits = Limits {
    cpu: std::time::Duration::ZERO,
    memory: 0,
    output: 0,
    logs: 100,
    file_bytes: 2000,
    files: 6,
    wall: std::time::Duration::ZERO,
};

fn argument() -> impl Strategy<Value = i64> {
    prop_oneof![
        8 => 0..9i64,
        6 => select(NAMES.iter().map(|(at, _)| *at as i64).collect::<Vec<_>>()),
        3 => select(vec![192, 200, 208, 512, 1024, 2048]),
        2 => select(vec![0x42, 0x40, -1, i64::MIN, i64::MAX, 0xffff_ffff, 0x1_0000, 65_528]),
        1 => any::<i64>(),
    ]
}

fn calls() -> impl Strategy<Value = Vec<(&'static str, Vec<i64>)>> {
    let names: Vec<_> = SIGNATURES
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| *name != "proc_exit")
        .collect();
    let any_call = (select(names), prop::collection::vec(argument(), 9));
    let path = || {
        select(
            NAMES
                .iter()
                .map(|(at, bytes)| (*at as i64, bytes.len() as i64))
                .collect::<Vec<_>>(),
        )
    };
    // Calls that are mostly right, so that there is a tree to work on.
    let open = (path(), 0..16i64, 0..2i64).prop_map(|((at, len), oflags, append)| {
        (
            "path_open",
            vec![4, 1, at, len, oflags, 0x42, -1, append, 512],
        )
    });
    let write =
        (3..10i64, 192..=200i64).prop_map(|(fd, at)| ("fd_write", vec![fd, at & !7, 1, 512]));
    let two = (
        select(vec!["path_rename", "path_link", "path_symlink"]),
        path(),
        path(),
    )
        .prop_map(|(name, (at, len), (to, to_len))| {
            let arguments = match name {
                "path_rename" => vec![4, at, len, 4, to, to_len],
                "path_link" => vec![4, 0, at, len, 4, to, to_len],
                _ => vec![at, len, 4, to, to_len],
            };
            (name, arguments)
        });
    let one = (
        select(vec![
            "path_create_directory",
            "path_remove_directory",
            "path_unlink_file",
        ]),
        path(),
    )
        .prop_map(|(name, (at, len))| (name, vec![4, at, len]));
    let seek = (5..9i64, any::<i64>(), 0..3i64)
        .prop_map(|(fd, offset, whence)| ("fd_seek", vec![fd, offset % 3000, whence, 512]));
    let call = prop_oneof![4 => any_call, 3 => open, 3 => write, 3 => two, 3 => one, 1 => seek];
    prop::collection::vec(call, 1..60)
}

/// What came of the calls: every answer, the memory, the tree, the output.
fn play(guest: &mut Guest, calls: &[(&str, Vec<i64>)]) -> (Vec<u32>, Vec<u8>, String, String) {
    for (at, name) in NAMES {
        guest.memory()[*at..at + name.len()].copy_from_slice(name);
    }
    for (at, start, len) in BUFFERS {
        guest.memory()[*at..at + 4].copy_from_slice(&start.to_le_bytes());
        guest.memory()[at + 4..at + 8].copy_from_slice(&len.to_le_bytes());
    }
    let answers = calls
        .iter()
        .map(|(name, arguments)| {
            let answer = guest.call(name, arguments);
            assert!(guest.store.data().tree.is_sound(), "{name} {arguments:?}");
            assert_ne!(answer, 29, "tree and descriptors agree: {name}");
            assert!(guest.store.data().descriptors.len() <= 256);
            answer
        })
        .collect();
    let memory = guest.memory().to_vec();
    let tree = format!("{:?}", guest.store.data().tree);
    let logs = guest.store.data_mut().take_logs();
    assert!(logs.len() <= LIMITS.logs);
    (answers, memory, tree, logs)
}

#[test]
fn no_sequence_of_calls_breaks_anything() {
    let (engine, module) = Guest::compile();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    runner
        .run(&calls(), |calls| {
            let first = play(&mut Guest::of(&engine, &module, &LIMITS), &calls);
            let again = play(&mut Guest::of(&engine, &module, &LIMITS), &calls);
            prop_assert_eq!(first, again);
            Ok(())
        })
        .expect("nothing breaks");
}
