//! The functions of `wasi_snapshot_preview1` and their types, in one table.

use wasmtime::{Caller, Extern, Linker};

use super::errno::Errno;
use super::memory::Memory;
use super::{Exit, Wasi};

/// The module that the functions are imported from.
const MODULE: &str = "wasi_snapshot_preview1";

/// Calls a function with the module's memory and gives its error number, 0 for none.
fn answer<T: 'static>(
    caller: &mut Caller<'_, T>,
    of: impl Fn(&mut T) -> &mut Wasi,
    function: impl FnOnce(&mut Wasi, &mut Memory<'_>) -> Result<(), Errno>,
) -> u32 {
    let result = match caller.get_export("memory").and_then(Extern::into_memory) {
        Some(memory) => {
            let (bytes, state) = memory.data_and_store_mut(&mut *caller);
            function(of(state), &mut Memory::new(bytes))
        }
        // Without memory there is no place that a pointer could lead to.
        None => function(of(caller.data_mut()), &mut Memory::new(&mut [])),
    };
    result.map_or_else(|errno| u32::from(errno.number()), |()| 0)
}

/// Each line is a function as WASI has it, and a method of [`Wasi`] that is given the memory first.
macro_rules! functions {
    ($($name:ident($($argument:ident: $type:ty),*);)*) => {
        /// The functions that [`link`] provides.
        pub(in crate::sandbox) const FUNCTIONS: &[&str] = &[$(stringify!($name),)* "proc_exit"];

        /// Adds all of WASI preview 1 to a linker; `of` finds the state of the run.
        ///
        /// # Errors
        /// When the linker has one of the functions already.
        pub(in crate::sandbox) fn link<T: 'static>(
            linker: &mut Linker<T>,
            of: impl Fn(&mut T) -> &mut Wasi + Copy + Send + Sync + 'static,
        ) -> wasmtime::Result<()> {
            $(linker.func_wrap(
                MODULE,
                stringify!($name),
                move |mut caller: Caller<'_, T>, $($argument: $type),*| -> u32 {
                    answer(&mut caller, of, |wasi, memory| wasi.$name(memory, $($argument),*))
                },
            )?;)*
            linker.func_wrap(
                MODULE,
                "proc_exit",
                move |mut caller: Caller<'_, T>, code: u32| -> wasmtime::Result<()> {
                    of(caller.data_mut()).exit = Some(code);
                    Err(Exit(code).into())
                },
            )?;
            Ok(())
        }
    };
}

functions! {
    args_get(argv: u32, argv_buf: u32);
    args_sizes_get(count: u32, size: u32);
    environ_get(environ: u32, environ_buf: u32);
    environ_sizes_get(count: u32, size: u32);
    clock_res_get(id: u32, result: u32);
    clock_time_get(id: u32, precision: u64, result: u32);
    fd_advise(fd: u32, offset: u64, len: u64, advice: u32);
    fd_allocate(fd: u32, offset: u64, len: u64);
    fd_close(fd: u32);
    fd_datasync(fd: u32);
    fd_fdstat_get(fd: u32, result: u32);
    fd_fdstat_set_flags(fd: u32, flags: u32);
    fd_fdstat_set_rights(fd: u32, base: u64, inheriting: u64);
    fd_filestat_get(fd: u32, result: u32);
    fd_filestat_set_size(fd: u32, size: u64);
    fd_filestat_set_times(fd: u32, atim: u64, mtim: u64, flags: u32);
    fd_pread(fd: u32, iovs: u32, iovs_len: u32, offset: u64, result: u32);
    fd_prestat_get(fd: u32, result: u32);
    fd_prestat_dir_name(fd: u32, path: u32, path_len: u32);
    fd_pwrite(fd: u32, iovs: u32, iovs_len: u32, offset: u64, result: u32);
    fd_read(fd: u32, iovs: u32, iovs_len: u32, result: u32);
    fd_readdir(fd: u32, buf: u32, buf_len: u32, cookie: u64, result: u32);
    fd_renumber(fd: u32, to: u32);
    fd_seek(fd: u32, offset: i64, whence: u32, result: u32);
    fd_sync(fd: u32);
    fd_tell(fd: u32, result: u32);
    fd_write(fd: u32, iovs: u32, iovs_len: u32, result: u32);
    path_create_directory(fd: u32, path: u32, path_len: u32);
    path_filestat_get(fd: u32, lookup: u32, path: u32, path_len: u32, result: u32);
    path_filestat_set_times(fd: u32, lookup: u32, path: u32, path_len: u32, atim: u64, mtim: u64, flags: u32);
    path_link(fd: u32, lookup: u32, path: u32, path_len: u32, new_fd: u32, new_path: u32, new_path_len: u32);
    path_open(fd: u32, lookup: u32, path: u32, path_len: u32, oflags: u32, base: u64, inheriting: u64, fdflags: u32, result: u32);
    path_readlink(fd: u32, path: u32, path_len: u32, buf: u32, buf_len: u32, result: u32);
    path_remove_directory(fd: u32, path: u32, path_len: u32);
    path_rename(fd: u32, path: u32, path_len: u32, new_fd: u32, new_path: u32, new_path_len: u32);
    path_symlink(target: u32, target_len: u32, fd: u32, path: u32, path_len: u32);
    path_unlink_file(fd: u32, path: u32, path_len: u32);
    poll_oneoff(subscriptions: u32, events: u32, count: u32, result: u32);
    proc_raise(signal: u32);
    random_get(buf: u32, buf_len: u32);
    sched_yield();
    sock_accept(fd: u32, flags: u32, result: u32);
    sock_recv(fd: u32, iovs: u32, iovs_len: u32, flags: u32, result: u32, result_flags: u32);
    sock_send(fd: u32, iovs: u32, iovs_len: u32, flags: u32, result: u32);
    sock_shutdown(fd: u32, how: u32);
}
