//! The files of a run, in memory.
//!
//! Numbers are handed out in the order of making, times come from the caller, and directories are listed in the order in which their
//! entries were made: nothing here differs from one process to the next.

mod directory;

use std::collections::BTreeMap;

use super::errno::Errno;
use super::stat::{FileStat, FileType, Times};
use directory::Directory;

/// The number of a file, directory or link; none is given twice in a run.
pub(super) type Inode = u64;

/// The directory `/lib`, where nothing can be made.
pub(super) const LIB: Inode = 1;
/// The directory `/tmp`.
pub(super) const TMP: Inode = 2;

/// The number of the file system, in `st_dev`.
const DEVICE: u64 = 1;

/// What a new name stands for.
#[derive(Debug)]
pub(super) enum New<'a> {
    /// An empty file.
    File,
    /// An empty directory.
    Directory,
    /// A symbolic link to this path.
    Link(&'a str),
}

#[derive(Debug)]
enum Body {
    File(Vec<u8>),
    Directory(Directory),
    Link(Box<str>),
}

#[derive(Debug)]
struct Node {
    body: Body,
    /// Names that it has. Without one it lives as long as it is open.
    links: u32,
    /// Descriptors that are open on it.
    open: u32,
    accessed: u64,
    modified: u64,
    changed: u64,
}

impl Node {
    fn new(body: Body, now: u64) -> Self {
        Self {
            body,
            links: 1,
            open: 0,
            accessed: now,
            modified: now,
            changed: now,
        }
    }

    /// Bytes that count against the limit.
    fn size(&self) -> usize {
        match &self.body {
            Body::File(bytes) => bytes.len(),
            Body::Link(target) => target.len(),
            Body::Directory(_) => 0,
        }
    }
}

/// All files of a run, and how much of its limits they use.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: BTreeMap<Inode, Node>,
    next: Inode,
    /// Bytes of all files and links, of those too that are open and have no name any more.
    bytes: usize,
    /// Names, and files that are open without one.
    files: usize,
    byte_limit: usize,
    file_limit: usize,
}

impl Tree {
    /// Two empty directories, made `now`, in nanoseconds since 1970.
    pub(super) fn new(byte_limit: usize, file_limit: usize, now: u64) -> Self {
        let root = |inode| {
            (
                inode,
                Node::new(Body::Directory(Directory::below(inode)), now),
            )
        };
        Self {
            nodes: BTreeMap::from([root(LIB), root(TMP)]),
            next: TMP + 1,
            bytes: 0,
            files: 0,
            byte_limit,
            file_limit,
        }
    }

    fn node(&self, inode: Inode) -> Result<&Node, Errno> {
        self.nodes.get(&inode).ok_or(Errno::Io)
    }

    fn node_mut(&mut self, inode: Inode) -> Result<&mut Node, Errno> {
        self.nodes.get_mut(&inode).ok_or(Errno::Io)
    }

    /// A directory.
    pub(super) fn directory(&self, inode: Inode) -> Result<&Directory, Errno> {
        match &self.node(inode)?.body {
            Body::Directory(directory) => Ok(directory),
            _ => Err(Errno::Notdir),
        }
    }

    fn directory_mut(&mut self, inode: Inode) -> Result<&mut Directory, Errno> {
        match &mut self.node_mut(inode)?.body {
            Body::Directory(directory) => Ok(directory),
            _ => Err(Errno::Notdir),
        }
    }

    /// Where a symbolic link leads to; `None` for anything else.
    pub(super) fn link_target(&self, inode: Inode) -> Option<&str> {
        match &self.nodes.get(&inode)?.body {
            Body::Link(target) => Some(target),
            _ => None,
        }
    }

    /// The kind of a file.
    pub(super) fn kind(&self, inode: Inode) -> Result<FileType, Errno> {
        Ok(match self.node(inode)?.body {
            Body::File(_) => FileType::Regular,
            Body::Directory(_) => FileType::Directory,
            Body::Link(_) => FileType::SymbolicLink,
        })
    }

    /// Everything about a file.
    pub(super) fn stat(&self, inode: Inode) -> Result<FileStat, Errno> {
        let node = self.node(inode)?;
        Ok(FileStat {
            device: DEVICE,
            inode,
            kind: self.kind(inode)?,
            links: u64::from(node.links),
            size: node.size() as u64,
            accessed: node.accessed,
            modified: node.modified,
            changed: node.changed,
        })
    }

    /// Sets times.
    pub(super) fn set_times(&mut self, inode: Inode, times: Times, now: u64) -> Result<(), Errno> {
        if inode == LIB {
            return Err(Errno::Rofs);
        }
        let node = self.node_mut(inode)?;
        node.accessed = times.accessed.unwrap_or(node.accessed);
        node.modified = times.modified.unwrap_or(node.modified);
        node.changed = now;
        Ok(())
    }

    /// Counts one more descriptor on a file.
    pub(super) fn opened(&mut self, inode: Inode) -> Result<(), Errno> {
        let node = self.node_mut(inode)?;
        node.open = node.open.saturating_add(1);
        Ok(())
    }

    /// Counts one less; a file without a name goes with its last.
    pub(super) fn closed(&mut self, inode: Inode) {
        if let Some(node) = self.nodes.get_mut(&inode) {
            node.open = node.open.saturating_sub(1);
        }
        self.release(inode);
    }

    fn release(&mut self, inode: Inode) {
        if let Some(node) = self.nodes.get(&inode)
            && node.links == 0
            && node.open == 0
        {
            self.bytes = self.bytes.saturating_sub(node.size());
            self.files = self.files.saturating_sub(1);
            self.nodes.remove(&inode);
        }
    }

    /// A directory that names can be put into and taken from.
    fn writable(&self, parent: Inode) -> Result<&Directory, Errno> {
        if parent == LIB {
            return Err(Errno::Rofs);
        }
        let directory = self.directory(parent)?;
        if self.node(parent)?.links == 0 {
            return Err(Errno::Noent);
        }
        Ok(directory)
    }

    /// A directory that this name can be put into.
    fn vacant(&self, parent: Inode, name: &str) -> Result<(), Errno> {
        if name.is_empty() || self.directory(parent)?.get(name).is_some() {
            return Err(Errno::Exist);
        }
        self.writable(parent)?;
        if self.files >= self.file_limit {
            return Err(Errno::Nospc);
        }
        Ok(())
    }

    fn room(&self) -> usize {
        self.byte_limit.saturating_sub(self.bytes)
    }

    fn touch(&mut self, directory: Inode, now: u64) {
        if let Some(node) = self.nodes.get_mut(&directory) {
            node.modified = now;
            node.changed = now;
        }
    }

    /// Makes something.
    ///
    /// # Errors
    /// `Exist`, `Rofs`, `Noent` in a directory that was removed, `Nospc`.
    pub(super) fn create(
        &mut self,
        parent: Inode,
        name: &str,
        new: &New<'_>,
        now: u64,
    ) -> Result<Inode, Errno> {
        self.vacant(parent, name)?;
        let body = match new {
            New::File => Body::File(Vec::new()),
            New::Directory => Body::Directory(Directory::below(parent)),
            New::Link(target) if target.len() <= self.room() => Body::Link((*target).into()),
            New::Link(_) => return Err(Errno::Nospc),
        };
        let node = Node::new(body, now);
        let inode = self.next;
        self.directory_mut(parent)?.insert(name, inode);
        self.touch(parent, now);
        self.next += 1;
        self.bytes += node.size();
        self.files += 1;
        self.nodes.insert(inode, node);
        Ok(inode)
    }

    /// Gives a file one more name.
    ///
    /// # Errors
    /// Those of [`Tree::create`]; `Perm` for a directory.
    pub(super) fn link(
        &mut self,
        inode: Inode,
        parent: Inode,
        name: &str,
        now: u64,
    ) -> Result<(), Errno> {
        if self.kind(inode)? == FileType::Directory {
            return Err(Errno::Perm);
        }
        self.vacant(parent, name)?;
        let node = self.node_mut(inode)?;
        node.links = node.links.checked_add(1).ok_or(Errno::Nospc)?;
        node.changed = now;
        self.directory_mut(parent)?.insert(name, inode);
        self.touch(parent, now);
        self.files += 1;
        Ok(())
    }

    /// Takes the name of a file or link away.
    pub(super) fn unlink(&mut self, parent: Inode, name: &str, now: u64) -> Result<(), Errno> {
        let inode = self.writable(parent)?.get(name).ok_or(Errno::Noent)?;
        if self.kind(inode)? == FileType::Directory {
            return Err(Errno::Isdir);
        }
        self.detach(parent, name, inode, now)
    }

    /// Removes an empty directory.
    pub(super) fn remove_directory(
        &mut self,
        parent: Inode,
        name: &str,
        now: u64,
    ) -> Result<(), Errno> {
        let inode = self.writable(parent)?.get(name).ok_or(Errno::Noent)?;
        if !self.directory(inode)?.is_empty() {
            return Err(Errno::Notempty);
        }
        self.detach(parent, name, inode, now)
    }

    fn detach(&mut self, parent: Inode, name: &str, inode: Inode, now: u64) -> Result<(), Errno> {
        self.directory_mut(parent)?.remove(name);
        self.touch(parent, now);
        let node = self.node_mut(inode)?;
        node.links = node.links.saturating_sub(1);
        node.changed = now;
        if node.links > 0 {
            self.files = self.files.saturating_sub(1);
        }
        self.release(inode);
        Ok(())
    }

    /// Moves `from` (a directory and a name in it) to `to`, over what stands there.
    ///
    /// # Errors
    /// `Noent`, `Rofs`; `Inval` for a directory into itself; `Notdir`, `Isdir` and `Notempty` when it cannot stand in for what is there.
    pub(super) fn rename(
        &mut self,
        from: (Inode, &str),
        to: (Inode, &str),
        now: u64,
    ) -> Result<(), Errno> {
        let inode = self.writable(from.0)?.get(from.1).ok_or(Errno::Noent)?;
        let there = self.writable(to.0)?.get(to.1);
        if there == Some(inode) {
            return Ok(());
        }
        let moves_directory = self.kind(inode)? == FileType::Directory;
        if moves_directory && self.is_below(to.0, inode) {
            return Err(Errno::Inval);
        }
        if let Some(there) = there {
            match (moves_directory, self.kind(there)? == FileType::Directory) {
                (true, false) => return Err(Errno::Notdir),
                (false, true) => return Err(Errno::Isdir),
                (true, true) if !self.directory(there)?.is_empty() => {
                    return Err(Errno::Notempty);
                }
                _ => self.detach(to.0, to.1, there, now)?,
            }
        }
        self.directory_mut(from.0)?.remove(from.1);
        self.directory_mut(to.0)?.insert(to.1, inode);
        if moves_directory {
            self.directory_mut(inode)?.set_parent(to.0);
        }
        self.node_mut(inode)?.changed = now;
        self.touch(from.0, now);
        self.touch(to.0, now);
        Ok(())
    }

    /// Whether a directory is another one or lies below it.
    fn is_below(&self, directory: Inode, above: Inode) -> bool {
        let mut here = directory;
        loop {
            if here == above {
                return true;
            }
            match self.directory(here).map(Directory::parent) {
                Ok(parent) if parent != here => here = parent,
                _ => return false,
            }
        }
    }

    /// What a file holds.
    pub(super) fn content(&self, inode: Inode) -> Result<&[u8], Errno> {
        match &self.node(inode)?.body {
            Body::File(bytes) => Ok(bytes),
            Body::Directory(_) => Err(Errno::Isdir),
            Body::Link(_) => Err(Errno::Loop),
        }
    }

    /// Writes at an offset as much as there is room for, zeros before it where the file ends earlier; gives the number of bytes.
    ///
    /// # Errors
    /// `Nospc` when there is no room for a single byte, `Fbig`.
    pub(super) fn write(
        &mut self,
        inode: Inode,
        offset: u64,
        parts: &[&[u8]],
        now: u64,
    ) -> Result<u32, Errno> {
        let wanted: usize = parts.iter().map(|part| part.len()).sum();
        if wanted == 0 {
            return Ok(0);
        }
        let len = self.content(inode)?.len();
        let start = usize::try_from(offset).map_err(|_| Errno::Fbig)?;
        let reach = len.saturating_add(self.room());
        if start >= reach {
            return Err(Errno::Nospc);
        }
        let end = start.checked_add(wanted).ok_or(Errno::Fbig)?.min(reach);
        if end > len {
            self.set_len(inode, end)?;
        }
        self.touch(inode, now);
        let Body::File(bytes) = &mut self.node_mut(inode)?.body else {
            return Err(Errno::Io);
        };
        let mut space = bytes.get_mut(start..end).ok_or(Errno::Io)?;
        for part in parts {
            let (now, later) = space.split_at_mut(part.len().min(space.len()));
            now.copy_from_slice(part.get(..now.len()).ok_or(Errno::Io)?);
            space = later;
        }
        u32::try_from(end - start).map_err(|_| Errno::Overflow)
    }

    /// Makes a file exactly so long, with zeros behind its end.
    ///
    /// # Errors
    /// `Nospc`, `Fbig`.
    pub(super) fn resize(&mut self, inode: Inode, size: u64, now: u64) -> Result<(), Errno> {
        let size = usize::try_from(size).map_err(|_| Errno::Fbig)?;
        let len = self.content(inode)?.len();
        if size.saturating_sub(len) > self.room() {
            return Err(Errno::Nospc);
        }
        self.set_len(inode, size)?;
        self.touch(inode, now);
        Ok(())
    }

    fn set_len(&mut self, inode: Inode, size: usize) -> Result<(), Errno> {
        let Body::File(bytes) = &mut self.node_mut(inode)?.body else {
            return Err(Errno::Io);
        };
        let old = bytes.len();
        if size > bytes.capacity() {
            // Small appends shall not copy the file each time, but what it takes up stays close to what is counted.
            bytes.reserve_exact((size - old).max(old / 8));
        }
        bytes.resize(size, 0);
        if size < old {
            bytes.shrink_to_fit();
        }
        self.bytes = self.bytes.saturating_sub(old).saturating_add(size);
        Ok(())
    }

    /// Whether the sums still agree with the files, and both with the limits.
    #[cfg(test)]
    pub(super) fn is_sound(&self) -> bool {
        let roots = [LIB, TMP];
        let bytes: usize = self.nodes.values().map(Node::size).sum();
        let files: usize = self
            .nodes
            .iter()
            .filter(|(inode, _)| !roots.contains(inode))
            .map(|(_, node)| node.links.max(1) as usize)
            .sum();
        let names: usize = self
            .nodes
            .values()
            .map(|node| match &node.body {
                Body::Directory(directory) => directory.len(),
                _ => 0,
            })
            .sum();
        let unnamed = self.nodes.values().filter(|node| node.links == 0).count();
        bytes == self.bytes
            && files == self.files
            && names + unnamed == files
            && bytes <= self.byte_limit
            && files <= self.file_limit
    }
}
