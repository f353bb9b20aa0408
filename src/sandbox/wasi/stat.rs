//! What calls tell about files, laid out as WASI wants it.

use super::errno::Errno;
use super::memory::Memory;

/// Kinds of files by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum FileType {
    /// A stream.
    CharacterDevice = 2,
    /// A directory.
    Directory = 3,
    /// A file.
    Regular = 4,
    /// A symbolic link.
    SymbolicLink = 7,
}

/// Bytes of a `filestat`.
pub(super) const FILESTAT: u32 = 64;
/// Bytes of an `fdstat`.
pub(super) const FDSTAT: u32 = 24;

/// A `filestat`; times are in nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileStat {
    /// The number of the file system; 0 for streams.
    pub(super) device: u64,
    /// The number of the file.
    pub(super) inode: u64,
    /// Its kind.
    pub(super) kind: FileType,
    /// How many names it has.
    pub(super) links: u64,
    /// Its length in bytes.
    pub(super) size: u64,
    /// When it was last read, as far as the code says so itself.
    pub(super) accessed: u64,
    /// When its content changed.
    pub(super) modified: u64,
    /// When anything about it changed.
    pub(super) changed: u64,
}

impl FileStat {
    /// Writes it to a module's memory.
    pub(super) fn put(&self, memory: &mut Memory<'_>, at: u32) -> Result<(), Errno> {
        let mut bytes = Vec::with_capacity(FILESTAT as usize);
        for value in [
            self.device,
            self.inode,
            u64::from(self.kind as u8),
            self.links,
            self.size,
            self.accessed,
            self.modified,
            self.changed,
        ] {
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        memory.put(at, &bytes)
    }
}

/// Which times a call sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    /// The new time of access.
    pub(super) accessed: Option<u64>,
    /// The new time of modification.
    pub(super) modified: Option<u64>,
}

impl Times {
    /// Reads the arguments of a `set_times` call.
    ///
    /// # Errors
    /// `Inval` for unknown flags, or a time that shall be both given and now.
    pub(super) fn from_call(atim: u64, mtim: u64, flags: u32, now: u64) -> Result<Self, Errno> {
        if flags > 0b1111 {
            return Err(Errno::Inval);
        }
        let choose = |given: u32, time: u64| match (flags >> given) & 0b11 {
            0b00 => Ok(None),
            0b01 => Ok(Some(time)),
            0b10 => Ok(Some(now)),
            _ => Err(Errno::Inval),
        };
        Ok(Self {
            accessed: choose(0, atim)?,
            modified: choose(2, mtim)?,
        })
    }
}
