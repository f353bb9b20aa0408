//! The open descriptors of a run.

use super::errno::Errno;
use super::tree::{Inode, LIB, TMP};

/// Descriptors that may be open at once.
const OPEN: usize = 256;

/// Rights by the bits of WASI.
pub(super) mod rights {
    /// Read from it.
    pub(in super::super) const FD_READ: u64 = 1 << 1;
    /// Write to it.
    pub(in super::super) const FD_WRITE: u64 = 1 << 6;
    /// Change the length of files in it.
    const PATH_FILESTAT_SET_SIZE: u64 = 1 << 19;
    /// Every right that there is but those of sockets.
    const ALL: u64 = (1 << 28) - 1;
    /// What can be done with a file: data, position, status, waiting.
    pub(in super::super) const FILE: u64 = 0x1ff
        | 1 << 21 // fd_filestat_get
        | 1 << 22 // fd_filestat_set_size
        | 1 << 23 // fd_filestat_set_times
        | 1 << 27; // poll_fd_readwrite
    /// What can be done with a directory.
    pub(in super::super) const DIRECTORY: u64 =
        ALL & !(FD_READ | 1 << 2 | 1 << 5 | FD_WRITE | 1 << 7 | 1 << 8 | 1 << 22);
    /// What files and directories below a directory can have.
    pub(in super::super) const INHERITED: u64 = ALL;
    /// What a directory that nothing can be written to lacks.
    pub(in super::super) const WRITING: u64 = FD_WRITE
        | 1 << 8 // fd_allocate
        | 1 << 9 // path_create_directory
        | 1 << 10 // path_create_file
        | 1 << 11 // path_link_source
        | 1 << 12 // path_link_target
        | 1 << 16 // path_rename_source
        | 1 << 17 // path_rename_target
        | PATH_FILESTAT_SET_SIZE
        | 1 << 20 // path_filestat_set_times
        | 1 << 22 // fd_filestat_set_size
        | 1 << 23 // fd_filestat_set_times
        | 1 << 24 // path_symlink
        | 1 << 25 // path_remove_directory
        | 1 << 26; // path_unlink_file
    /// What can be done with standard input.
    pub(in super::super) const INPUT: u64 = FD_READ | 1 << 21 | 1 << 27;
    /// What can be done with standard output: without positions, so a C library takes it for a terminal and passes on every line, which
    /// a module that is called and never exits would otherwise keep.
    pub(in super::super) const OUTPUT: u64 = FD_WRITE | 1 << 21 | 1 << 27;
}

/// What a descriptor stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// Standard input, which is at its end.
    Input,
    /// Standard output or standard error.
    Output,
    /// A file and the position in it.
    File {
        /// The file.
        inode: Inode,
        /// Where the next read or write begins.
        offset: u64,
    },
    /// A directory.
    Directory {
        /// The directory.
        inode: Inode,
        /// The name that it was given at the start.
        preopen: Option<&'static str>,
    },
}

impl Target {
    /// The file or directory in the tree.
    pub(super) fn inode(self) -> Option<Inode> {
        match self {
            Self::Input | Self::Output => None,
            Self::File { inode, .. } | Self::Directory { inode, .. } => Some(inode),
        }
    }
}

/// An open descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Descriptor {
    /// What it stands for.
    pub(super) target: Target,
    /// What may be done with it. Of a file, reading and writing are held to it; the rest is only told.
    pub(super) rights: u64,
    /// What may be done with what is opened through it.
    pub(super) inheriting: u64,
    /// `fdflags`.
    pub(super) flags: u16,
}

impl Descriptor {
    /// Fails unless it has this right.
    pub(super) fn require(&self, right: u64) -> Result<(), Errno> {
        if self.rights & right == right {
            Ok(())
        } else {
            Err(Errno::Badf)
        }
    }

    /// The directory.
    pub(super) fn directory(&self) -> Result<Inode, Errno> {
        match self.target {
            Target::Directory { inode, .. } => Ok(inode),
            _ => Err(Errno::Notdir),
        }
    }

    /// The file; a directory is `Isdir`, a stream is the error given.
    pub(super) fn file(&self, stream: Errno) -> Result<(Inode, u64), Errno> {
        match self.target {
            Target::File { inode, offset } => Ok((inode, offset)),
            Target::Directory { .. } => Err(Errno::Isdir),
            Target::Input | Target::Output => Err(stream),
        }
    }
}

/// All of them by their numbers.
pub(super) struct Descriptors(Vec<Option<Descriptor>>);

impl Descriptors {
    /// Those that a run begins with.
    pub(super) fn preopened() -> Self {
        let stream = |target, rights| {
            Some(Descriptor {
                target,
                rights,
                inheriting: 0,
                flags: 0,
            })
        };
        let directory = |inode, name, lacks: u64| {
            Some(Descriptor {
                target: Target::Directory {
                    inode,
                    preopen: Some(name),
                },
                rights: rights::DIRECTORY & !lacks,
                inheriting: rights::INHERITED & !lacks,
                flags: 0,
            })
        };
        Self(vec![
            stream(Target::Input, rights::INPUT),
            stream(Target::Output, rights::OUTPUT),
            stream(Target::Output, rights::OUTPUT),
            directory(LIB, "/lib", rights::WRITING),
            directory(TMP, "/tmp", 0),
        ])
    }

    /// An open one.
    pub(super) fn get(&self, fd: u32) -> Result<&Descriptor, Errno> {
        self.0
            .get(fd as usize)
            .and_then(Option::as_ref)
            .ok_or(Errno::Badf)
    }

    /// An open one, to be changed.
    pub(super) fn get_mut(&mut self, fd: u32) -> Result<&mut Descriptor, Errno> {
        self.0
            .get_mut(fd as usize)
            .and_then(Option::as_mut)
            .ok_or(Errno::Badf)
    }

    /// The lowest number that is free.
    pub(super) fn free(&self) -> Result<u32, Errno> {
        let free = self
            .0
            .iter()
            .position(Option::is_none)
            .unwrap_or(self.0.len());
        if free < OPEN {
            u32::try_from(free).map_err(|_| Errno::Mfile)
        } else {
            Err(Errno::Mfile)
        }
    }

    /// Opens one under the lowest free number.
    pub(super) fn insert(&mut self, descriptor: Descriptor) -> Result<u32, Errno> {
        let fd = self.free()?;
        match self.0.get_mut(fd as usize) {
            Some(slot) => *slot = Some(descriptor),
            None => self.0.push(Some(descriptor)),
        }
        Ok(fd)
    }

    /// Takes one away.
    pub(super) fn remove(&mut self, fd: u32) -> Result<Descriptor, Errno> {
        self.0
            .get_mut(fd as usize)
            .and_then(Option::take)
            .ok_or(Errno::Badf)
    }

    /// Numbers in use, and free ones below them.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Moves one over another; gives the one that stood there.
    pub(super) fn renumber(&mut self, from: u32, to: u32) -> Result<Option<Descriptor>, Errno> {
        self.get(to)?;
        let moved = *self.get(from)?;
        if from == to {
            return Ok(None);
        }
        self.remove(from)?;
        Ok(Some(std::mem::replace(self.get_mut(to)?, moved)))
    }
}
