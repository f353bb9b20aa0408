//! Calls on open descriptors.

use super::Wasi;
use super::descriptors::{Target, rights};
use super::errno::Errno;
use super::memory::{Buffer, Memory};
use super::path_calls::FDFLAGS;
use super::stat::{FDSTAT, FILESTAT, FileStat, FileType, Times};
use super::tree::Inode;

/// `fdflags`: every write goes to the end.
const APPEND: u16 = 1;
/// The last kind of advice.
const ADVICE: u32 = 5;
/// Bytes of a `dirent` before the name.
const DIRENT: usize = 24;

type Done = Result<(), Errno>;

impl Wasi {
    /// A file that may be written to, and the position in it.
    fn writable_file(&self, fd: u32) -> Result<(Inode, u64), Errno> {
        let descriptor = self.descriptors.get(fd)?;
        let file = descriptor.file(Errno::Inval)?;
        descriptor.require(rights::FD_WRITE)?;
        Ok(file)
    }

    fn move_to(&mut self, fd: u32, position: u64) -> Done {
        if let Target::File { offset, .. } = &mut self.descriptors.get_mut(fd)?.target {
            *offset = position;
        }
        Ok(())
    }

    pub(super) fn fd_advise(
        &mut self,
        _memory: &mut Memory<'_>,
        fd: u32,
        offset: u64,
        len: u64,
        advice: u32,
    ) -> Done {
        self.descriptors.get(fd)?.file(Errno::Spipe)?;
        if advice > ADVICE || offset.checked_add(len).is_none() {
            return Err(Errno::Inval);
        }
        Ok(())
    }

    pub(super) fn fd_allocate(
        &mut self,
        _memory: &mut Memory<'_>,
        fd: u32,
        offset: u64,
        len: u64,
    ) -> Done {
        let (inode, _) = self.writable_file(fd)?;
        let end = offset.checked_add(len).ok_or(Errno::Fbig)?;
        if len == 0 {
            return Err(Errno::Inval);
        }
        if end > self.tree.content(inode)?.len() as u64 {
            self.tree.resize(inode, end, self.clock.now())?;
        }
        Ok(())
    }

    pub(super) fn fd_close(&mut self, _memory: &mut Memory<'_>, fd: u32) -> Done {
        let descriptor = self.descriptors.remove(fd)?;
        if let Some(inode) = descriptor.target.inode() {
            self.tree.closed(inode);
        }
        Ok(())
    }

    pub(super) fn fd_datasync(&mut self, memory: &mut Memory<'_>, fd: u32) -> Done {
        self.fd_sync(memory, fd)
    }

    pub(super) fn fd_sync(&mut self, _memory: &mut Memory<'_>, fd: u32) -> Done {
        self.descriptors.get(fd).map(|_| ())
    }

    pub(super) fn fd_fdstat_get(&mut self, memory: &mut Memory<'_>, fd: u32, result: u32) -> Done {
        let descriptor = self.descriptors.get(fd)?;
        let kind = match descriptor.target {
            Target::Input | Target::Output => FileType::CharacterDevice,
            Target::File { .. } => FileType::Regular,
            Target::Directory { .. } => FileType::Directory,
        };
        let mut bytes = Vec::with_capacity(FDSTAT as usize);
        bytes.extend_from_slice(&[kind as u8, 0]);
        bytes.extend_from_slice(&descriptor.flags.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&descriptor.rights.to_le_bytes());
        bytes.extend_from_slice(&descriptor.inheriting.to_le_bytes());
        memory.put(result, &bytes)
    }

    pub(super) fn fd_fdstat_set_flags(
        &mut self,
        _memory: &mut Memory<'_>,
        fd: u32,
        flags: u32,
    ) -> Done {
        let descriptor = self.descriptors.get_mut(fd)?;
        if flags > FDFLAGS {
            return Err(Errno::Inval);
        }
        descriptor.flags = u16::try_from(flags).map_err(|_| Errno::Inval)?;
        Ok(())
    }

    /// Rights can only be given up.
    pub(super) fn fd_fdstat_set_rights(
        &mut self,
        _memory: &mut Memory<'_>,
        fd: u32,
        base: u64,
        inheriting: u64,
    ) -> Done {
        let descriptor = self.descriptors.get_mut(fd)?;
        if base & !descriptor.rights != 0 || inheriting & !descriptor.inheriting != 0 {
            return Err(Errno::Notcapable);
        }
        descriptor.rights = base;
        descriptor.inheriting = inheriting;
        Ok(())
    }

    pub(super) fn fd_filestat_get(
        &mut self,
        memory: &mut Memory<'_>,
        fd: u32,
        result: u32,
    ) -> Done {
        memory.check(result, FILESTAT)?;
        let stat = match self.descriptors.get(fd)?.target.inode() {
            Some(inode) => self.tree.stat(inode)?,
            None => FileStat {
                device: 0,
                inode: 0,
                kind: FileType::CharacterDevice,
                links: 0,
                size: 0,
                accessed: 0,
                modified: 0,
                changed: 0,
            },
        };
        stat.put(memory, result)
    }

    pub(super) fn fd_filestat_set_size(
        &mut self,
        _memory: &mut Memory<'_>,
        fd: u32,
        size: u64,
    ) -> Done {
        let (inode, _) = self.writable_file(fd)?;
        self.tree.resize(inode, size, self.clock.now())
    }

    pub(super) fn fd_filestat_set_times(
        &mut self,
        _memory: &mut Memory<'_>,
        fd: u32,
        atim: u64,
        mtim: u64,
        flags: u32,
    ) -> Done {
        let now = self.clock.now();
        let times = Times::from_call(atim, mtim, flags, now)?;
        let inode = self.descriptors.get(fd)?.target.inode();
        self.tree.set_times(inode.ok_or(Errno::Inval)?, times, now)
    }

    pub(super) fn fd_prestat_get(&mut self, memory: &mut Memory<'_>, fd: u32, result: u32) -> Done {
        let name = self.preopen(fd)?;
        let len = u32::try_from(name.len()).map_err(|_| Errno::Overflow)?;
        memory.check(result, 8)?;
        memory.put_u32(result, 0)?;
        memory.put_u32(result + 4, len)
    }

    pub(super) fn fd_prestat_dir_name(
        &mut self,
        memory: &mut Memory<'_>,
        fd: u32,
        path: u32,
        len: u32,
    ) -> Done {
        let name = self.preopen(fd)?;
        if (len as usize) < name.len() {
            return Err(Errno::Nametoolong);
        }
        memory.put(path, name.as_bytes())
    }

    fn preopen(&self, fd: u32) -> Result<&'static str, Errno> {
        match self.descriptors.get(fd)?.target {
            Target::Directory {
                preopen: Some(name),
                ..
            } => Ok(name),
            _ => Err(Errno::Badf),
        }
    }

    pub(super) fn fd_read(
        &mut self,
        memory: &mut Memory<'_>,
        fd: u32,
        iovs: u32,
        iovs_len: u32,
        result: u32,
    ) -> Done {
        let buffers = memory.buffers(iovs, iovs_len)?;
        memory.check(result, 4)?;
        let descriptor = self.descriptors.get(fd)?;
        if let Target::Directory { .. } = descriptor.target {
            return Err(Errno::Isdir);
        }
        descriptor.require(rights::FD_READ)?;
        let read = match descriptor.target {
            Target::Input => 0,
            _ => {
                let (inode, offset) = descriptor.file(Errno::Badf)?;
                let read = self.read_at(memory, inode, offset, &buffers)?;
                self.move_to(fd, offset.saturating_add(u64::from(read)))?;
                read
            }
        };
        memory.put_u32(result, read)
    }

    pub(super) fn fd_pread(
        &mut self,
        memory: &mut Memory<'_>,
        fd: u32,
        iovs: u32,
        iovs_len: u32,
        offset: u64,
        result: u32,
    ) -> Done {
        let buffers = memory.buffers(iovs, iovs_len)?;
        memory.check(result, 4)?;
        let descriptor = self.descriptors.get(fd)?;
        let (inode, _) = descriptor.file(Errno::Spipe)?;
        descriptor.require(rights::FD_READ)?;
        let read = self.read_at(memory, inode, offset, &buffers)?;
        memory.put_u32(result, read)
    }

    fn read_at(
        &self,
        memory: &mut Memory<'_>,
        inode: Inode,
        offset: u64,
        buffers: &[Buffer],
    ) -> Result<u32, Errno> {
        let content = self.tree.content(inode)?;
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|offset| content.get(offset..))
            .unwrap_or_default();
        memory.scatter(buffers, rest)
    }

    pub(super) fn fd_write(
        &mut self,
        memory: &mut Memory<'_>,
        fd: u32,
        iovs: u32,
        iovs_len: u32,
        result: u32,
    ) -> Done {
        let buffers = memory.buffers(iovs, iovs_len)?;
        memory.check(result, 4)?;
        let descriptor = *self.descriptors.get(fd)?;
        descriptor.require(rights::FD_WRITE)?;
        let parts = memory.gather(&buffers)?;
        let written = if descriptor.target == Target::Output {
            for part in &parts {
                self.output.write(part);
            }
            u32::try_from(parts.iter().map(|part| part.len()).sum::<usize>())
                .map_err(|_| Errno::Overflow)?
        } else {
            let (inode, offset) = descriptor.file(Errno::Badf)?;
            let offset = if descriptor.flags & APPEND == 0 {
                offset
            } else {
                self.tree.content(inode)?.len() as u64
            };
            let written = self.tree.write(inode, offset, &parts, self.clock.now())?;
            self.move_to(fd, offset.saturating_add(u64::from(written)))?;
            written
        };
        memory.put_u32(result, written)
    }

    pub(super) fn fd_pwrite(
        &mut self,
        memory: &mut Memory<'_>,
        fd: u32,
        iovs: u32,
        iovs_len: u32,
        offset: u64,
        result: u32,
    ) -> Done {
        let buffers = memory.buffers(iovs, iovs_len)?;
        memory.check(result, 4)?;
        let descriptor = self.descriptors.get(fd)?;
        let (inode, _) = descriptor.file(Errno::Spipe)?;
        descriptor.require(rights::FD_WRITE)?;
        let parts = memory.gather(&buffers)?;
        let written = self.tree.write(inode, offset, &parts, self.clock.now())?;
        memory.put_u32(result, written)
    }

    /// Lists as many entries as the buffer holds; the last may be cut, which tells the module that there are more.
    pub(super) fn fd_readdir(
        &mut self,
        memory: &mut Memory<'_>,
        fd: u32,
        buf: u32,
        buf_len: u32,
        cookie: u64,
        result: u32,
    ) -> Done {
        memory.check(result, 4)?;
        let directory = self.descriptors.get(fd)?.directory()?;
        let mut space = memory.bytes_mut(buf, buf_len)?;
        let mut used = 0u32;
        for entry in self.tree.directory(directory)?.list(directory, cookie) {
            let mut bytes = Vec::with_capacity(DIRENT + entry.name.len());
            bytes.extend_from_slice(&entry.next.to_le_bytes());
            bytes.extend_from_slice(&entry.inode.to_le_bytes());
            let len = u32::try_from(entry.name.len()).map_err(|_| Errno::Overflow)?;
            bytes.extend_from_slice(&len.to_le_bytes());
            // Of an open directory that was removed, what was above it may be gone as well.
            let kind = self.tree.kind(entry.inode).unwrap_or(FileType::Directory);
            bytes.extend_from_slice(&[kind as u8, 0, 0, 0]);
            bytes.extend_from_slice(entry.name.as_bytes());
            bytes.truncate(space.len());
            let (now, later) = space.split_at_mut(bytes.len());
            now.copy_from_slice(&bytes);
            used += u32::try_from(bytes.len()).map_err(|_| Errno::Overflow)?;
            space = later;
            if space.is_empty() {
                break;
            }
        }
        memory.put_u32(result, used)
    }

    pub(super) fn fd_renumber(&mut self, _memory: &mut Memory<'_>, fd: u32, to: u32) -> Done {
        let replaced = self.descriptors.renumber(fd, to)?;
        if let Some(inode) = replaced.and_then(|descriptor| descriptor.target.inode()) {
            self.tree.closed(inode);
        }
        Ok(())
    }

    pub(super) fn fd_seek(
        &mut self,
        memory: &mut Memory<'_>,
        fd: u32,
        offset: i64,
        whence: u32,
        result: u32,
    ) -> Done {
        memory.check(result, 8)?;
        let (inode, position) = self.descriptors.get(fd)?.file(Errno::Spipe)?;
        let from = match whence {
            0 => 0,
            1 => position,
            2 => self.tree.content(inode)?.len() as u64,
            _ => return Err(Errno::Inval),
        };
        let position = from.checked_add_signed(offset).ok_or(Errno::Inval)?;
        // Modules keep positions as signed numbers.
        i64::try_from(position).map_err(|_| Errno::Overflow)?;
        self.move_to(fd, position)?;
        memory.put_u64(result, position)
    }

    pub(super) fn fd_tell(&mut self, memory: &mut Memory<'_>, fd: u32, result: u32) -> Done {
        let (_, position) = self.descriptors.get(fd)?.file(Errno::Spipe)?;
        memory.put_u64(result, position)
    }
}
