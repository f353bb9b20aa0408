//! The memory of a module as WASI calls see it: every pointer is checked.

use std::ops::Range;

use super::errno::Errno;

/// Buffers that one call may name (`IOV_MAX`).
const BUFFERS: u32 = 1024;
/// Bytes of a path (`PATH_MAX`).
pub(super) const PATH_BYTES: usize = 4096;

/// A stretch of a module's memory that is known to be inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Buffer {
    start: u32,
    len: u32,
}

/// A module's linear memory during one call.
pub(super) struct Memory<'a>(&'a mut [u8]);

impl<'a> Memory<'a> {
    /// That of a module; an empty one refuses every pointer.
    pub(super) fn new(bytes: &'a mut [u8]) -> Self {
        Self(bytes)
    }

    fn range(&self, at: u32, len: u32) -> Result<Range<usize>, Errno> {
        let start = at as usize;
        let end = start.checked_add(len as usize).ok_or(Errno::Fault)?;
        if end > self.0.len() {
            return Err(Errno::Fault);
        }
        Ok(start..end)
    }

    /// Fails unless so many bytes at this place may be written: for results, before a call has effects.
    pub(super) fn check(&self, at: u32, len: u32) -> Result<(), Errno> {
        self.range(at, len).map(|_| ())
    }

    /// The bytes at a place.
    pub(super) fn bytes(&self, at: u32, len: u32) -> Result<&[u8], Errno> {
        self.0.get(self.range(at, len)?).ok_or(Errno::Fault)
    }

    /// The bytes at a place, to be written.
    pub(super) fn bytes_mut(&mut self, at: u32, len: u32) -> Result<&mut [u8], Errno> {
        let range = self.range(at, len)?;
        self.0.get_mut(range).ok_or(Errno::Fault)
    }

    fn array<const N: usize>(&self, at: u32) -> Result<[u8; N], Errno> {
        let len = u32::try_from(N).map_err(|_| Errno::Fault)?;
        let bytes = self.bytes(at, len)?;
        <[u8; N]>::try_from(bytes).map_err(|_| Errno::Fault)
    }

    /// A `u8` at a place.
    pub(super) fn u8(&self, at: u32) -> Result<u8, Errno> {
        self.array::<1>(at).map(u8::from_le_bytes)
    }

    /// A `u16` at a place.
    pub(super) fn u16(&self, at: u32) -> Result<u16, Errno> {
        self.array(at).map(u16::from_le_bytes)
    }

    /// A `u32` at a place.
    pub(super) fn u32(&self, at: u32) -> Result<u32, Errno> {
        self.array(at).map(u32::from_le_bytes)
    }

    /// A `u64` at a place.
    pub(super) fn u64(&self, at: u32) -> Result<u64, Errno> {
        self.array(at).map(u64::from_le_bytes)
    }

    /// Writes bytes at a place.
    pub(super) fn put(&mut self, at: u32, bytes: &[u8]) -> Result<(), Errno> {
        let len = u32::try_from(bytes.len()).map_err(|_| Errno::Fault)?;
        self.bytes_mut(at, len)?.copy_from_slice(bytes);
        Ok(())
    }

    /// Writes a `u32` at a place.
    pub(super) fn put_u32(&mut self, at: u32, value: u32) -> Result<(), Errno> {
        self.put(at, &value.to_le_bytes())
    }

    /// Writes a `u64` at a place.
    pub(super) fn put_u64(&mut self, at: u32, value: u64) -> Result<(), Errno> {
        self.put(at, &value.to_le_bytes())
    }

    /// A path.
    ///
    /// # Errors
    /// `Nametoolong`, `Fault`, `Ilseq`; `Inval` when it holds a zero.
    pub(super) fn path(&self, at: u32, len: u32) -> Result<String, Errno> {
        let bytes = self.bytes(at, len)?;
        if bytes.len() > PATH_BYTES {
            return Err(Errno::Nametoolong);
        }
        let path = std::str::from_utf8(bytes).map_err(|_| Errno::Ilseq)?;
        if path.contains('\0') {
            return Err(Errno::Inval);
        }
        Ok(path.to_owned())
    }

    /// The buffers that an array of `iovec` or `ciovec` names, all of them checked, `u32::MAX` bytes together at most.
    pub(super) fn buffers(&self, at: u32, count: u32) -> Result<Vec<Buffer>, Errno> {
        if count > BUFFERS {
            return Err(Errno::Inval);
        }
        let list = self.bytes(at, count * 8)?;
        let mut total = 0u32;
        list.chunks_exact(8)
            .map(|entry| {
                let (start, len) = match entry {
                    &[a, b, c, d, e, f, g, h] => (
                        u32::from_le_bytes([a, b, c, d]),
                        u32::from_le_bytes([e, f, g, h]),
                    ),
                    _ => return Err(Errno::Fault),
                };
                self.check(start, len)?;
                total = total.checked_add(len).ok_or(Errno::Inval)?;
                Ok(Buffer { start, len })
            })
            .collect()
    }

    /// What these buffers hold, in their order.
    pub(super) fn gather(&self, buffers: &[Buffer]) -> Result<Vec<&[u8]>, Errno> {
        buffers
            .iter()
            .map(|buffer| self.bytes(buffer.start, buffer.len))
            .collect()
    }

    /// Fills these buffers one after the other as far as the data goes; gives how many bytes were used.
    pub(super) fn scatter(&mut self, buffers: &[Buffer], mut data: &[u8]) -> Result<u32, Errno> {
        let mut used = 0u32;
        for buffer in buffers {
            let space = self.bytes_mut(buffer.start, buffer.len)?;
            let (now, later) = data.split_at(data.len().min(space.len()));
            space
                .get_mut(..now.len())
                .ok_or(Errno::Fault)?
                .copy_from_slice(now);
            used += u32::try_from(now.len()).map_err(|_| Errno::Overflow)?;
            data = later;
            if data.is_empty() {
                break;
            }
        }
        Ok(used)
    }
}
