//! Calls about the process: it has no arguments, no environment, no signals and no sockets.

use super::Wasi;
use super::clock::RESOLUTION_NS;
use super::errno::Errno;
use super::memory::Memory;

/// Random bytes that one call may ask for: no call shall take long.
const RANDOM_BYTES: u32 = 1024 * 1024;

type Done = Result<(), Errno>;

impl Wasi {
    pub(super) fn args_get(&mut self, _memory: &mut Memory<'_>, _argv: u32, _buf: u32) -> Done {
        Ok(())
    }

    pub(super) fn args_sizes_get(&mut self, memory: &mut Memory<'_>, n: u32, size: u32) -> Done {
        memory.check(size, 4)?;
        memory.put_u32(n, 0)?;
        memory.put_u32(size, 0)
    }

    pub(super) fn environ_get(&mut self, memory: &mut Memory<'_>, environ: u32, buf: u32) -> Done {
        self.args_get(memory, environ, buf)
    }

    pub(super) fn environ_sizes_get(&mut self, memory: &mut Memory<'_>, n: u32, size: u32) -> Done {
        self.args_sizes_get(memory, n, size)
    }

    pub(super) fn clock_res_get(&mut self, memory: &mut Memory<'_>, id: u32, result: u32) -> Done {
        self.clock.read(id)?;
        memory.put_u64(result, RESOLUTION_NS)
    }

    pub(super) fn clock_time_get(
        &mut self,
        memory: &mut Memory<'_>,
        id: u32,
        _precision: u64,
        result: u32,
    ) -> Done {
        memory.put_u64(result, self.clock.read(id)?)
    }

    pub(super) fn random_get(&mut self, memory: &mut Memory<'_>, buf: u32, len: u32) -> Done {
        let buffer = memory.bytes_mut(buf, len)?;
        if len > RANDOM_BYTES {
            return Err(Errno::Inval);
        }
        self.random.fill(buffer);
        Ok(())
    }

    pub(super) fn sched_yield(&mut self, _memory: &mut Memory<'_>) -> Done {
        Ok(())
    }

    pub(super) fn proc_raise(&mut self, _memory: &mut Memory<'_>, _signal: u32) -> Done {
        Err(Errno::Notsup)
    }

    fn no_socket(&self, fd: u32) -> Done {
        self.descriptors.get(fd)?;
        Err(Errno::Notsup)
    }

    pub(super) fn sock_accept(
        &mut self,
        _memory: &mut Memory<'_>,
        fd: u32,
        _flags: u32,
        _result: u32,
    ) -> Done {
        self.no_socket(fd)
    }

    #[expect(clippy::too_many_arguments, reason = "the signature is WASI's")]
    pub(super) fn sock_recv(
        &mut self,
        _memory: &mut Memory<'_>,
        fd: u32,
        _iovs: u32,
        _iovs_len: u32,
        _flags: u32,
        _result: u32,
        _result_flags: u32,
    ) -> Done {
        self.no_socket(fd)
    }

    pub(super) fn sock_send(
        &mut self,
        _memory: &mut Memory<'_>,
        fd: u32,
        _iovs: u32,
        _iovs_len: u32,
        _flags: u32,
        _result: u32,
    ) -> Done {
        self.no_socket(fd)
    }

    pub(super) fn sock_shutdown(&mut self, _memory: &mut Memory<'_>, fd: u32, _how: u32) -> Done {
        self.no_socket(fd)
    }
}
