//! A run without a module: its memory is ours, and calls are methods.

use super::super::Wasi;
use super::super::errno::Errno;
use super::super::memory::Memory;
use crate::sandbox::Limits;

/// Descriptor of `/lib`.
pub(super) const LIB: u32 = 3;
/// Descriptor of `/tmp`.
pub(super) const TMP: u32 = 4;

pub(super) const CREATE: u32 = 1;
pub(super) const DIRECTORY: u32 = 2;
pub(super) const EXCLUSIVE: u32 = 4;
pub(super) const TRUNCATE: u32 = 8;

pub(super) const READ: u64 = 1 << 1;
pub(super) const WRITE: u64 = 1 << 6;
pub(super) const BOTH: u64 = READ | WRITE;

/// What the clock shows at the start, in nanoseconds.
pub(super) const START: u64 = 1_700_000_000_000_000_000;

/// Where results go.
const OUT: u32 = 0;
/// Where an `iovec` is put.
const IOVEC: u32 = 64;
const PATH: u32 = 0x1000;
const OTHER: u32 = 0x3000;
const DATA: u32 = 0x10000;
const SIZE: usize = 0x10000 + (1 << 20);

pub(super) struct Run {
    pub(super) wasi: Wasi,
    pub(super) bytes: Vec<u8>,
}

/// An entry of a listing: where to go on after it, its name and its kind.
pub(super) type Listed = (u64, String, u8);

/// What `filestat` says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) inode: u64,
    pub(super) kind: u8,
    pub(super) links: u64,
    pub(super) size: u64,
    pub(super) accessed: u64,
    pub(super) modified: u64,
    pub(super) changed: u64,
}

impl Run {
    pub(super) fn new() -> Self {
        Self::with(&Limits::default())
    }

    /// With room for so many bytes and files.
    pub(super) fn small(file_bytes: usize, files: usize) -> Self {
        Self::with(&Limits {
            file_bytes,
            files,
            ..Limits::default()
        })
    }

    pub(super) fn with(limits: &Limits) -> Self {
        Self {
            wasi: Wasi::new(limits, START, [7; 32]),
            bytes: vec![0; SIZE],
        }
    }

    pub(super) fn call<R>(
        &mut self,
        function: impl FnOnce(&mut Wasi, &mut Memory<'_>) -> Result<R, Errno>,
    ) -> Result<R, Errno> {
        let result = function(&mut self.wasi, &mut Memory::new(&mut self.bytes));
        assert!(self.wasi.tree.is_sound(), "sums and limits hold");
        result
    }

    fn put(&mut self, at: u32, bytes: &[u8]) -> u32 {
        let at = at as usize;
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        bytes.len() as u32
    }

    pub(super) fn u32(&self, at: u32) -> u32 {
        let at = at as usize;
        u32::from_le_bytes(self.bytes[at..at + 4].try_into().expect("inside"))
    }

    pub(super) fn u64(&self, at: u32) -> u64 {
        let at = at as usize;
        u64::from_le_bytes(self.bytes[at..at + 8].try_into().expect("inside"))
    }

    /// Opens and follows a link at the end.
    pub(super) fn open(
        &mut self,
        fd: u32,
        path: &str,
        oflags: u32,
        rights: u64,
    ) -> Result<u32, Errno> {
        self.open_with(fd, 1, path, oflags, rights, 0)
    }

    pub(super) fn open_with(
        &mut self,
        fd: u32,
        lookup: u32,
        path: &str,
        oflags: u32,
        rights: u64,
        flags: u32,
    ) -> Result<u32, Errno> {
        let len = self.put(PATH, path.as_bytes());
        self.call(|wasi, memory| {
            wasi.path_open(
                memory,
                fd,
                lookup,
                PATH,
                len,
                oflags,
                rights,
                u64::MAX,
                flags,
                OUT,
            )
        })?;
        Ok(self.u32(OUT))
    }

    pub(super) fn close(&mut self, fd: u32) -> Result<(), Errno> {
        self.call(|wasi, memory| wasi.fd_close(memory, fd))
    }

    fn iovec(&mut self, len: usize) {
        self.put(IOVEC, &DATA.to_le_bytes());
        self.put(IOVEC + 4, &(len as u32).to_le_bytes());
    }

    pub(super) fn write(&mut self, fd: u32, data: &[u8]) -> Result<u32, Errno> {
        self.put(DATA, data);
        self.iovec(data.len());
        self.call(|wasi, memory| wasi.fd_write(memory, fd, IOVEC, 1, OUT))?;
        Ok(self.u32(OUT))
    }

    pub(super) fn pwrite(&mut self, fd: u32, data: &[u8], offset: u64) -> Result<u32, Errno> {
        self.put(DATA, data);
        self.iovec(data.len());
        self.call(|wasi, memory| wasi.fd_pwrite(memory, fd, IOVEC, 1, offset, OUT))?;
        Ok(self.u32(OUT))
    }

    fn data(&self, len: u32) -> Vec<u8> {
        self.bytes[DATA as usize..(DATA + len) as usize].to_vec()
    }

    pub(super) fn read(&mut self, fd: u32, len: usize) -> Result<Vec<u8>, Errno> {
        self.iovec(len);
        self.call(|wasi, memory| wasi.fd_read(memory, fd, IOVEC, 1, OUT))?;
        Ok(self.data(self.u32(OUT)))
    }

    pub(super) fn pread(&mut self, fd: u32, len: usize, offset: u64) -> Result<Vec<u8>, Errno> {
        self.iovec(len);
        self.call(|wasi, memory| wasi.fd_pread(memory, fd, IOVEC, 1, offset, OUT))?;
        Ok(self.data(self.u32(OUT)))
    }

    pub(super) fn seek(&mut self, fd: u32, offset: i64, whence: u32) -> Result<u64, Errno> {
        self.call(|wasi, memory| wasi.fd_seek(memory, fd, offset, whence, OUT))?;
        Ok(self.u64(OUT))
    }

    pub(super) fn tell(&mut self, fd: u32) -> Result<u64, Errno> {
        self.call(|wasi, memory| wasi.fd_tell(memory, fd, OUT))?;
        Ok(self.u64(OUT))
    }

    pub(super) fn resize(&mut self, fd: u32, size: u64) -> Result<(), Errno> {
        self.call(|wasi, memory| wasi.fd_filestat_set_size(memory, fd, size))
    }

    fn filestat(&self) -> Stat {
        Stat {
            inode: self.u64(OUT + 8),
            kind: self.bytes[(OUT + 16) as usize],
            links: self.u64(OUT + 24),
            size: self.u64(OUT + 32),
            accessed: self.u64(OUT + 40),
            modified: self.u64(OUT + 48),
            changed: self.u64(OUT + 56),
        }
    }

    pub(super) fn fstat(&mut self, fd: u32) -> Result<Stat, Errno> {
        self.call(|wasi, memory| wasi.fd_filestat_get(memory, fd, OUT))?;
        Ok(self.filestat())
    }

    /// Without following a link at the end.
    pub(super) fn lstat(&mut self, fd: u32, path: &str) -> Result<Stat, Errno> {
        self.stat_with(fd, 0, path)
    }

    /// Follows a link at the end.
    pub(super) fn stat(&mut self, fd: u32, path: &str) -> Result<Stat, Errno> {
        self.stat_with(fd, 1, path)
    }

    fn stat_with(&mut self, fd: u32, lookup: u32, path: &str) -> Result<Stat, Errno> {
        let len = self.put(PATH, path.as_bytes());
        self.call(|wasi, memory| wasi.path_filestat_get(memory, fd, lookup, PATH, len, OUT))?;
        Ok(self.filestat())
    }

    pub(super) fn mkdir(&mut self, fd: u32, path: &str) -> Result<(), Errno> {
        let len = self.put(PATH, path.as_bytes());
        self.call(|wasi, memory| wasi.path_create_directory(memory, fd, PATH, len))
    }

    pub(super) fn rmdir(&mut self, fd: u32, path: &str) -> Result<(), Errno> {
        let len = self.put(PATH, path.as_bytes());
        self.call(|wasi, memory| wasi.path_remove_directory(memory, fd, PATH, len))
    }

    pub(super) fn unlink(&mut self, fd: u32, path: &str) -> Result<(), Errno> {
        let len = self.put(PATH, path.as_bytes());
        self.call(|wasi, memory| wasi.path_unlink_file(memory, fd, PATH, len))
    }

    pub(super) fn rename(&mut self, old: &str, new: &str) -> Result<(), Errno> {
        self.rename_between(TMP, old, TMP, new)
    }

    pub(super) fn rename_between(
        &mut self,
        fd: u32,
        old: &str,
        new_fd: u32,
        new: &str,
    ) -> Result<(), Errno> {
        let old_len = self.put(PATH, old.as_bytes());
        let new_len = self.put(OTHER, new.as_bytes());
        self.call(|wasi, memory| {
            wasi.path_rename(memory, fd, PATH, old_len, new_fd, OTHER, new_len)
        })
    }

    pub(super) fn link(&mut self, old: &str, new: &str) -> Result<(), Errno> {
        let old_len = self.put(PATH, old.as_bytes());
        let new_len = self.put(OTHER, new.as_bytes());
        self.call(|wasi, memory| wasi.path_link(memory, TMP, 0, PATH, old_len, TMP, OTHER, new_len))
    }

    pub(super) fn symlink(&mut self, target: &str, path: &str) -> Result<(), Errno> {
        let target_len = self.put(PATH, target.as_bytes());
        let len = self.put(OTHER, path.as_bytes());
        self.call(|wasi, memory| wasi.path_symlink(memory, PATH, target_len, TMP, OTHER, len))
    }

    pub(super) fn readlink(&mut self, path: &str, room: u32) -> Result<String, Errno> {
        let len = self.put(PATH, path.as_bytes());
        self.call(|wasi, memory| wasi.path_readlink(memory, TMP, PATH, len, DATA, room, OUT))?;
        Ok(String::from_utf8(self.data(self.u32(OUT))).expect("utf-8"))
    }

    /// One call of `fd_readdir`: cookie, name and kind of each whole entry, and the bytes used.
    pub(super) fn readdir(
        &mut self,
        fd: u32,
        cookie: u64,
        room: u32,
    ) -> Result<(Vec<Listed>, u32), Errno> {
        self.call(|wasi, memory| wasi.fd_readdir(memory, fd, DATA, room, cookie, OUT))?;
        let used = self.u32(OUT);
        let mut entries = Vec::new();
        let mut at = DATA;
        while at + 24 <= DATA + used {
            let len = self.u32(at + 16);
            if at + 24 + len > DATA + used {
                break;
            }
            let name = &self.bytes[(at + 24) as usize..(at + 24 + len) as usize];
            entries.push((
                self.u64(at),
                String::from_utf8(name.to_vec()).expect("utf-8"),
                self.bytes[(at + 20) as usize],
            ));
            at += 24 + len;
        }
        Ok((entries, used))
    }

    /// All names in a directory but the dots.
    pub(super) fn names(&mut self, path: &str) -> Vec<String> {
        let fd = self.open(TMP, path, DIRECTORY, 0).expect("it succeeds");
        let (entries, _) = self.readdir(fd, 0, 1 << 20).expect("it succeeds");
        self.close(fd).expect("it succeeds");
        entries
            .into_iter()
            .map(|(_, name, _)| name)
            .filter(|name| name != "." && name != "..")
            .collect()
    }

    /// Makes a file with this content.
    pub(super) fn make(&mut self, path: &str, content: &[u8]) {
        let fd = self
            .open(TMP, path, CREATE | TRUNCATE, BOTH)
            .expect("it succeeds");
        assert_eq!(self.write(fd, content), Ok(content.len() as u32));
        self.close(fd).expect("it succeeds");
    }

    /// The content of a file.
    pub(super) fn content(&mut self, path: &str) -> Result<String, Errno> {
        let fd = self.open(TMP, path, 0, READ)?;
        let content = self.read(fd, 1 << 20)?;
        self.close(fd)?;
        Ok(String::from_utf8(content).expect("utf-8"))
    }
}
