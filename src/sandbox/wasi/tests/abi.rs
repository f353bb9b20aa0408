//! WASI through modules: names and types, pointers, the end of the program.

use std::collections::BTreeSet;
use std::fmt::Write;

use wasmtime::{Engine, Instance, Linker, Module, Store, Val};

use super::super::{Exit, FUNCTIONS, Wasi, link};
use super::run::START;
use crate::sandbox::Limits;

/// Every function of WASI preview 1 with its parameters, `i` for `i32` and `I` for `i64`, as its definition gives them; each returns
/// an `i32` but `proc_exit`.
pub(super) const SIGNATURES: &[(&str, &str)] = &[
    ("args_get", "ii"),
    ("args_sizes_get", "ii"),
    ("environ_get", "ii"),
    ("environ_sizes_get", "ii"),
    ("clock_res_get", "ii"),
    ("clock_time_get", "iIi"),
    ("fd_advise", "iIIi"),
    ("fd_allocate", "iII"),
    ("fd_close", "i"),
    ("fd_datasync", "i"),
    ("fd_fdstat_get", "ii"),
    ("fd_fdstat_set_flags", "ii"),
    ("fd_fdstat_set_rights", "iII"),
    ("fd_filestat_get", "ii"),
    ("fd_filestat_set_size", "iI"),
    ("fd_filestat_set_times", "iIIi"),
    ("fd_pread", "iiiIi"),
    ("fd_prestat_get", "ii"),
    ("fd_prestat_dir_name", "iii"),
    ("fd_pwrite", "iiiIi"),
    ("fd_read", "iiii"),
    ("fd_readdir", "iiiIi"),
    ("fd_renumber", "ii"),
    ("fd_seek", "iIii"),
    ("fd_sync", "i"),
    ("fd_tell", "ii"),
    ("fd_write", "iiii"),
    ("path_create_directory", "iii"),
    ("path_filestat_get", "iiiii"),
    ("path_filestat_set_times", "iiiiIIi"),
    ("path_link", "iiiiiii"),
    ("path_open", "iiiiiIIii"),
    ("path_readlink", "iiiiii"),
    ("path_remove_directory", "iii"),
    ("path_rename", "iiiiii"),
    ("path_symlink", "iiiii"),
    ("path_unlink_file", "iii"),
    ("poll_oneoff", "iiii"),
    ("proc_exit", "i"),
    ("proc_raise", "i"),
    ("sched_yield", ""),
    ("random_get", "ii"),
    ("sock_accept", "iii"),
    ("sock_recv", "iiiiii"),
    ("sock_send", "iiiii"),
    ("sock_shutdown", "ii"),
];

/// A module that imports every function and exports it again.
fn text(memory: &str) -> String {
    let mut imports = String::new();
    let mut exports = String::new();
    for (name, parameters) in SIGNATURES {
        let types: Vec<_> = parameters
            .chars()
            .map(|letter| if letter == 'i' { "i32" } else { "i64" })
            .collect();
        let types = format!("(param {})", types.join(" "));
        let result = if *name == "proc_exit" {
            ""
        } else {
            "(result i32)"
        };
        writeln!(
            imports,
            r#"(import "wasi_snapshot_preview1" "{name}" (func ${name} {types} {result}))"#
        )
        .expect("a string takes it");
        let arguments: String = (0..parameters.len())
            .map(|index| format!("(local.get {index})"))
            .collect();
        writeln!(
            exports,
            r#"(func (export "{name}") {types} {result} (call ${name} {arguments}))"#
        )
        .expect("a string takes it");
    }
    format!("(module {imports} {memory} {exports})")
}

/// A module in which every function can be called.
pub(super) struct Guest {
    pub(super) store: Store<Wasi>,
    instance: Instance,
}

impl Guest {
    pub(super) fn new(memory: &str) -> Self {
        let engine = Engine::default();
        let module = Module::new(&engine, text(memory)).expect("a module");
        Self::of(&engine, &module, &Limits::default())
    }

    pub(super) fn of(engine: &Engine, module: &Module, limits: &Limits) -> Self {
        let mut linker = Linker::new(engine);
        link(&mut linker, |wasi: &mut Wasi| wasi).expect("no name twice");
        let mut store = Store::new(engine, Wasi::new(limits, START, [1; 32]));
        let instance = linker.instantiate(&mut store, module).expect("all imports");
        Self { store, instance }
    }

    /// A module of one page of memory, for many runs.
    pub(super) fn compile() -> (Engine, Module) {
        let engine = Engine::default();
        let module =
            Module::new(&engine, text(r#"(memory (export "memory") 1)"#)).expect("a module");
        (engine, module)
    }

    /// Calls a function, which does not trap, with arguments cut to the types of its parameters.
    pub(super) fn call(&mut self, name: &str, arguments: &[i64]) -> u32 {
        self.try_call(name, arguments).expect("no trap")
    }

    fn try_call(&mut self, name: &str, arguments: &[i64]) -> wasmtime::Result<u32> {
        let function = self
            .instance
            .get_func(&mut self.store, name)
            .expect("exported");
        let (_, parameters) = SIGNATURES
            .iter()
            .find(|(known, _)| *known == name)
            .expect("known");
        let values: Vec<Val> = parameters
            .chars()
            .zip(arguments)
            .map(|(letter, &value)| match letter {
                'i' => Val::I32(value as i32),
                _ => Val::I64(value),
            })
            .collect();
        if name == "proc_exit" {
            function.call(&mut self.store, &values, &mut [])?;
            return Ok(0);
        }
        let mut results = [Val::I32(0)];
        function.call(&mut self.store, &values, &mut results)?;
        Ok(results[0].unwrap_i32() as u32)
    }

    pub(super) fn memory(&mut self) -> &mut [u8] {
        let memory = self
            .instance
            .get_memory(&mut self.store, "memory")
            .expect("exported");
        memory.data_mut(&mut self.store)
    }
}

const FAULT: u32 = 21;

#[test]
fn every_function_is_there_with_its_type() {
    let names: BTreeSet<_> = SIGNATURES.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), 46);
    assert_eq!(names, FUNCTIONS.iter().copied().collect());
    assert_eq!(FUNCTIONS.len(), 46);
    Guest::new(r#"(memory (export "memory") 1)"#);
}

#[test]
fn proc_exit_ends_the_program() {
    let mut guest = Guest::new(r#"(memory (export "memory") 1)"#);
    assert_eq!(guest.store.data().exit_code(), None);
    let error = guest.try_call("proc_exit", &[0]).expect_err("an exit");
    assert_eq!(error.downcast_ref::<Exit>(), Some(&Exit(0)));
    assert_eq!(guest.store.data().exit_code(), Some(0));
    let error = guest.try_call("proc_exit", &[-1]).expect_err("an exit");
    assert_eq!(error.downcast_ref::<Exit>(), Some(&Exit(u32::MAX)));
    assert_eq!(guest.store.data().exit_code(), Some(u32::MAX));
}

/// Calls that want memory, with the places that they want it at as `None`; the calls are otherwise right.
const POINTERS: &[(&str, &[Option<i64>])] = &[
    ("args_sizes_get", &[None, Some(8)]),
    ("args_sizes_get", &[Some(8), None]),
    ("environ_sizes_get", &[None, Some(8)]),
    ("clock_res_get", &[Some(0), None]),
    ("clock_time_get", &[Some(0), Some(0), None]),
    ("fd_fdstat_get", &[Some(1), None]),
    ("fd_filestat_get", &[Some(4), None]),
    ("fd_prestat_get", &[Some(4), None]),
    ("fd_prestat_dir_name", &[Some(4), None, Some(4)]),
    ("fd_pread", &[Some(5), None, Some(1), Some(0), Some(8)]),
    ("fd_pread", &[Some(5), Some(16), Some(1), Some(0), None]),
    ("fd_pwrite", &[Some(5), None, Some(1), Some(0), Some(8)]),
    ("fd_pwrite", &[Some(5), Some(16), Some(1), Some(0), None]),
    ("fd_read", &[Some(5), None, Some(1), Some(8)]),
    ("fd_read", &[Some(5), Some(16), Some(1), None]),
    ("fd_write", &[Some(1), None, Some(1), Some(8)]),
    ("fd_write", &[Some(1), Some(16), Some(1), None]),
    ("fd_readdir", &[Some(4), None, Some(9), Some(0), Some(8)]),
    ("fd_readdir", &[Some(4), Some(8), Some(9), Some(0), None]),
    ("fd_seek", &[Some(5), Some(1), Some(0), None]),
    ("fd_tell", &[Some(5), None]),
    ("path_create_directory", &[Some(4), None, Some(2)]),
    (
        "path_filestat_get",
        &[Some(4), Some(0), None, Some(1), Some(8)],
    ),
    (
        "path_filestat_get",
        &[Some(4), Some(0), Some(32), Some(1), None],
    ),
    (
        "path_filestat_set_times",
        &[Some(4), Some(0), None, Some(1), Some(0), Some(0), Some(0)],
    ),
    (
        "path_link",
        &[Some(4), Some(0), None, Some(1), Some(4), Some(33), Some(1)],
    ),
    (
        "path_link",
        &[Some(4), Some(0), Some(32), Some(1), Some(4), None, Some(1)],
    ),
    (
        "path_open",
        &[
            Some(4),
            Some(0),
            None,
            Some(1),
            Some(1),
            Some(2),
            Some(0),
            Some(0),
            Some(8),
        ],
    ),
    (
        "path_open",
        &[
            Some(4),
            Some(0),
            Some(33),
            Some(1),
            Some(1),
            Some(2),
            Some(0),
            Some(0),
            None,
        ],
    ),
    (
        "path_readlink",
        &[Some(4), None, Some(1), Some(8), Some(1), Some(8)],
    ),
    (
        "path_readlink",
        &[Some(4), Some(34), Some(1), None, Some(1), Some(8)],
    ),
    (
        "path_readlink",
        &[Some(4), Some(34), Some(1), Some(8), Some(1), None],
    ),
    ("path_remove_directory", &[Some(4), None, Some(1)]),
    (
        "path_rename",
        &[Some(4), None, Some(1), Some(4), Some(33), Some(1)],
    ),
    (
        "path_rename",
        &[Some(4), Some(32), Some(1), Some(4), None, Some(1)],
    ),
    ("path_symlink", &[None, Some(1), Some(4), Some(33), Some(1)]),
    ("path_symlink", &[Some(32), Some(1), Some(4), None, Some(1)]),
    ("path_unlink_file", &[Some(4), None, Some(1)]),
    ("poll_oneoff", &[None, Some(128), Some(1), Some(8)]),
    ("poll_oneoff", &[Some(64), None, Some(1), Some(8)]),
    ("poll_oneoff", &[Some(64), Some(128), Some(1), None]),
    ("random_get", &[None, Some(1)]),
];

/// A run with the file `a` open at 5, the link `c`, and an `iovec` of one byte at 16.
fn prepared(engine: &Engine, module: &Module) -> Guest {
    let mut guest = Guest::of(engine, module, &Limits::default());
    guest.memory()[32..35].copy_from_slice(b"abc");
    guest.memory()[16..24].copy_from_slice(&[40, 0, 0, 0, 1, 0, 0, 0]);
    let opened = guest.call("path_open", &[4, 0, 32, 1, 1, 0x42, 0, 0, 0]);
    assert_eq!(opened, 0);
    assert_eq!(guest.memory()[0], 5);
    assert_eq!(guest.call("path_symlink", &[32, 1, 4, 34, 1]), 0);
    guest
}

#[test]
fn a_pointer_out_of_memory_fails_before_anything_happens() {
    let (engine, module) = Guest::compile();
    let (probe, state) = {
        let mut guest = prepared(&engine, &module);
        let state = format!("{:?}", guest.store.data().tree);
        (guest.memory().to_vec(), state)
    };
    for (name, arguments) in POINTERS {
        for bad in [0x10000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff] {
            let mut guest = prepared(&engine, &module);
            let given: Vec<i64> = arguments
                .iter()
                .map(|argument| argument.unwrap_or(bad))
                .collect();
            assert_eq!(guest.call(name, &given), FAULT, "{name} {given:?}");
            let tree = format!("{:?}", guest.store.data().tree);
            assert_eq!(tree, state, "{name} {given:?}");
            assert_eq!(guest.memory(), probe, "{name} {given:?}");
            assert_eq!(guest.store.data_mut().take_logs(), "");
            assert_eq!(guest.call("fd_close", &[6]), 8, "none opened");
        }
    }
}

#[test]
fn lengths_that_wrap_around_fail() {
    let (engine, module) = Guest::compile();
    let mut guest = prepared(&engine, &module);
    for len in [0x1_0000, 0x7fff_ffff, 0xffff_ffff] {
        assert_eq!(guest.call("random_get", &[8, len]), FAULT);
        assert_eq!(guest.call("path_unlink_file", &[4, 32, len]), FAULT);
        assert_eq!(guest.call("fd_readdir", &[4, 8, len, 0, 0]), FAULT);
    }
    let inval = 28;
    for count in [1025, 0x2000_0001, 0xffff_ffff] {
        assert_eq!(guest.call("fd_write", &[1, 16, count, 8]), inval);
        assert_eq!(guest.call("poll_oneoff", &[64, 128, count, 8]), inval);
    }
    assert_eq!(guest.call("fd_write", &[1, 0xfff8, 2, 8]), FAULT);
}

#[test]
fn a_buffer_of_an_array_that_leads_out_fails_as_a_whole() {
    let (engine, module) = Guest::compile();
    let mut guest = prepared(&engine, &module);
    // Two buffers: "a" and one that ends a byte behind the memory.
    guest.memory()[256..272]
        .copy_from_slice(&[32, 0, 0, 0, 1, 0, 0, 0, 255, 255, 0, 0, 2, 0, 0, 0]);
    for fd in [1, 5] {
        assert_eq!(guest.call("fd_write", &[fd, 256, 2, 8]), FAULT);
        assert_eq!(guest.call("fd_write", &[fd, 256, 1, 8]), 0);
    }
    assert_eq!(guest.store.data_mut().take_logs(), "a");
    guest.call("fd_seek", &[5, 0, 0, 8]);
    assert_eq!(guest.call("fd_read", &[5, 256, 2, 8]), FAULT);
    assert_eq!(guest.call("fd_tell", &[5, 8]), 0);
    assert_eq!(guest.memory()[8], 0);
}

#[test]
fn buffers_that_sum_up_beyond_32_bits_are_refused() {
    let mut guest = Guest::new(r#"(memory (export "memory") 1024)"#);
    // 65 buffers, each of them all of the memory but its first page.
    let entry = [0, 0, 1, 0, 0, 0, 0xff, 3];
    let entries: Vec<u8> = entry.repeat(65);
    guest.memory()[256..256 + entries.len()].copy_from_slice(&entries);
    assert_eq!(guest.call("fd_write", &[1, 256, 65, 8]), 28);
    assert_eq!(guest.call("fd_write", &[1, 256, 64, 8]), 0);
    assert_eq!(guest.store.data_mut().take_logs().len(), 64 * 1024);
}

#[test]
fn several_buffers_are_one_text() {
    let (engine, module) = Guest::compile();
    let mut guest = prepared(&engine, &module);
    guest.memory()[256..280].copy_from_slice(&[
        34, 0, 0, 0, 1, 0, 0, 0, // "c"
        0, 0, 0, 0, 0, 0, 0, 0, // nothing
        32, 0, 0, 0, 2, 0, 0, 0, // "ab"
    ]);
    assert_eq!(guest.call("fd_write", &[5, 256, 3, 8]), 0);
    assert_eq!(guest.memory()[8], 3);
    guest.memory()[32..35].fill(b'-');
    guest.call("fd_seek", &[5, 0, 0, 8]);
    assert_eq!(guest.call("fd_read", &[5, 256, 3, 8]), 0);
    assert_eq!(guest.memory()[8], 3);
    assert_eq!(&guest.memory()[32..35], b"abc");
}

#[test]
fn a_module_without_memory_gets_answers_all_the_same() {
    for memory in [
        "",
        "(memory 1)",
        r#"(global (export "memory") i32 (i32.const 0))"#,
    ] {
        let mut guest = Guest::new(memory);
        assert_eq!(guest.call("random_get", &[0, 1]), FAULT);
        assert_eq!(guest.call("clock_time_get", &[0, 0, 0]), FAULT);
        assert_eq!(guest.call("sched_yield", &[]), 0);
        assert_eq!(guest.call("fd_close", &[4]), 0);
        assert_eq!(guest.call("fd_close", &[4]), 8);
    }
}

#[test]
fn two_runs_share_nothing() {
    let (engine, module) = Guest::compile();
    let draw = |guest: &mut Guest| {
        guest.call("random_get", &[64, 16]);
        guest.memory()[64..80].to_vec()
    };
    let mut one = Guest::of(&engine, &module, &Limits::default());
    one.memory()[32] = b'a';
    assert_eq!(one.call("path_create_directory", &[4, 32, 1]), 0);
    let mut other = Guest::of(&engine, &module, &Limits::default());
    other.memory()[32] = b'a';
    assert_eq!(other.call("path_filestat_get", &[4, 0, 32, 1, 64]), 44);
    assert_eq!(draw(&mut one), draw(&mut other), "of one seed");
}
