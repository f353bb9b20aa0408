//! Calls on paths.

use super::Wasi;
use super::descriptors::{Descriptor, Target, rights};
use super::errno::Errno;
use super::memory::Memory;
use super::path::{Place, resolve};
use super::stat::{FILESTAT, FileType, Times};
use super::tree::{Inode, LIB, New};

/// All `fdflags`; how durable a write is makes no difference here.
pub(super) const FDFLAGS: u32 = 0b1_1111;

/// `oflags`.
const CREATE: u32 = 1;
const DIRECTORY: u32 = 1 << 1;
const EXCLUSIVE: u32 = 1 << 2;
const TRUNCATE: u32 = 1 << 3;

type Done = Result<(), Errno>;

impl Wasi {
    /// What a path names that begins at a descriptor.
    fn place(
        &self,
        memory: &Memory<'_>,
        fd: u32,
        path: u32,
        len: u32,
        follow: bool,
    ) -> Result<Place, Errno> {
        let base = self.descriptors.get(fd)?.directory()?;
        resolve(&self.tree, base, &memory.path(path, len)?, follow)
    }

    pub(super) fn path_create_directory(
        &mut self,
        memory: &mut Memory<'_>,
        fd: u32,
        path: u32,
        path_len: u32,
    ) -> Done {
        let place = self.place(memory, fd, path, path_len, false)?;
        self.tree
            .create(place.parent, &place.name, &New::Directory, self.clock.now())
            .map(|_| ())
    }

    pub(super) fn path_filestat_get(
        &mut self,
        memory: &mut Memory<'_>,
        fd: u32,
        lookup: u32,
        path: u32,
        path_len: u32,
        result: u32,
    ) -> Done {
        memory.check(result, FILESTAT)?;
        let place = self.place(memory, fd, path, path_len, follows(lookup)?)?;
        self.tree.stat(place.existing()?)?.put(memory, result)
    }

    #[expect(clippy::too_many_arguments, reason = "the signature is WASI's")]
    pub(super) fn path_filestat_set_times(
        &mut self,
        memory: &mut Memory<'_>,
        fd: u32,
        lookup: u32,
        path: u32,
        path_len: u32,
        atim: u64,
        mtim: u64,
        flags: u32,
    ) -> Done {
        let now = self.clock.now();
        let times = Times::from_call(atim, mtim, flags, now)?;
        let place = self.place(memory, fd, path, path_len, follows(lookup)?)?;
        self.tree.set_times(place.existing()?, times, now)
    }

    #[expect(clippy::too_many_arguments, reason = "the signature is WASI's")]
    pub(super) fn path_link(
        &mut self,
        memory: &mut Memory<'_>,
        fd: u32,
        lookup: u32,
        path: u32,
        path_len: u32,
        new_fd: u32,
        new_path: u32,
        new_path_len: u32,
    ) -> Done {
        let old = self
            .place(memory, fd, path, path_len, follows(lookup)?)?
            .existing()?;
        let new = self.place(memory, new_fd, new_path, new_path_len, false)?;
        if new.directory && new.node.is_none() {
            return Err(Errno::Noent);
        }
        self.tree.link(old, new.parent, &new.name, self.clock.now())
    }

    #[expect(clippy::too_many_arguments, reason = "the signature is WASI's")]
    pub(super) fn path_open(
        &mut self,
        memory: &mut Memory<'_>,
        fd: u32,
        lookup: u32,
        path: u32,
        path_len: u32,
        oflags: u32,
        base: u64,
        inheriting: u64,
        fdflags: u32,
        result: u32,
    ) -> Done {
        memory.check(result, 4)?;
        let creates = oflags & CREATE != 0;
        let exclusive = creates && oflags & EXCLUSIVE != 0;
        if oflags > 0b1111 || fdflags > FDFLAGS || creates && oflags & DIRECTORY != 0 {
            return Err(Errno::Inval);
        }
        let follow = follows(lookup)? && !exclusive;
        let place = self.place(memory, fd, path, path_len, follow)?;
        let from = *self.descriptors.get(fd)?;
        self.descriptors.free()?;
        let base = base & from.inheriting;

        let inode = match place.node {
            Some(_) if exclusive => return Err(Errno::Exist),
            Some(inode) => inode,
            None if !creates => return Err(Errno::Noent),
            None if place.directory => return Err(Errno::Isdir),
            None => self
                .tree
                .create(place.parent, &place.name, &New::File, self.clock.now())?,
        };
        let (target, rights, inheriting) = match self.tree.kind(inode)? {
            FileType::Directory => {
                if creates || oflags & TRUNCATE != 0 || base & rights::FD_WRITE != 0 {
                    return Err(Errno::Isdir);
                }
                let target = Target::Directory {
                    inode,
                    preopen: None,
                };
                let inheriting = inheriting & from.inheriting;
                (target, base & rights::DIRECTORY, inheriting)
            }
            _ if oflags & DIRECTORY != 0 => return Err(Errno::Notdir),
            FileType::Regular => {
                if oflags & TRUNCATE != 0 {
                    self.tree.resize(inode, 0, self.clock.now())?;
                }
                (Target::File { inode, offset: 0 }, base & rights::FILE, 0)
            }
            FileType::SymbolicLink | FileType::CharacterDevice => return Err(Errno::Loop),
        };
        self.tree.opened(inode)?;
        let opened = self.descriptors.insert(Descriptor {
            target,
            rights,
            inheriting,
            flags: u16::try_from(fdflags).map_err(|_| Errno::Inval)?,
        })?;
        memory.put_u32(result, opened)
    }

    #[expect(clippy::too_many_arguments, reason = "the signature is WASI's")]
    pub(super) fn path_readlink(
        &mut self,
        memory: &mut Memory<'_>,
        fd: u32,
        path: u32,
        path_len: u32,
        buf: u32,
        buf_len: u32,
        result: u32,
    ) -> Done {
        memory.check(result, 4)?;
        let link = self.place(memory, fd, path, path_len, false)?.existing()?;
        let target = self.tree.link_target(link).ok_or(Errno::Inval)?.as_bytes();
        let buffer = memory.bytes_mut(buf, buf_len)?;
        let len = target.len().min(buffer.len());
        let (used, _) = buffer.split_at_mut(len);
        used.copy_from_slice(target.get(..len).ok_or(Errno::Io)?);
        memory.put_u32(result, u32::try_from(len).map_err(|_| Errno::Overflow)?)
    }

    pub(super) fn path_remove_directory(
        &mut self,
        memory: &mut Memory<'_>,
        fd: u32,
        path: u32,
        path_len: u32,
    ) -> Done {
        let place = self.place(memory, fd, path, path_len, false)?;
        let (parent, name) = named(&place)?;
        self.tree.remove_directory(parent, name, self.clock.now())
    }

    #[expect(clippy::too_many_arguments, reason = "the signature is WASI's")]
    pub(super) fn path_rename(
        &mut self,
        memory: &mut Memory<'_>,
        fd: u32,
        path: u32,
        path_len: u32,
        new_fd: u32,
        new_path: u32,
        new_path_len: u32,
    ) -> Done {
        let old = self.place(memory, fd, path, path_len, false)?;
        let new = self.place(memory, new_fd, new_path, new_path_len, false)?;
        let moved = self.tree.kind(old.existing()?)?;
        if new.directory && moved != FileType::Directory {
            return Err(Errno::Notdir);
        }
        self.tree
            .rename(named(&old)?, named(&new)?, self.clock.now())
    }

    /// A link that is absolute could only lead out, so none is made.
    pub(super) fn path_symlink(
        &mut self,
        memory: &mut Memory<'_>,
        target: u32,
        target_len: u32,
        fd: u32,
        path: u32,
        path_len: u32,
    ) -> Done {
        let target = memory.path(target, target_len)?;
        let place = self.place(memory, fd, path, path_len, false)?;
        if target.starts_with('/') {
            return Err(Errno::Perm);
        }
        if target.is_empty() || place.directory && place.node.is_none() {
            return Err(Errno::Noent);
        }
        let new = New::Link(&target);
        self.tree
            .create(place.parent, &place.name, &new, self.clock.now())
            .map(|_| ())
    }

    pub(super) fn path_unlink_file(
        &mut self,
        memory: &mut Memory<'_>,
        fd: u32,
        path: u32,
        path_len: u32,
    ) -> Done {
        let place = self.place(memory, fd, path, path_len, false)?;
        if place.name.is_empty() {
            return Err(Errno::Isdir);
        }
        self.tree
            .unlink(place.parent, &place.name, self.clock.now())
    }
}

/// The directory and the name; `Busy` when the path names the directory that it begins in, or one by `..`.
fn named(place: &Place) -> Result<(Inode, &str), Errno> {
    if place.name.is_empty() {
        return Err(if place.parent == LIB {
            Errno::Rofs
        } else {
            Errno::Busy
        });
    }
    Ok((place.parent, &place.name))
}

/// Whether a symbolic link at the end of a path is followed.
fn follows(lookup: u32) -> Result<bool, Errno> {
    match lookup {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Errno::Inval),
    }
}
