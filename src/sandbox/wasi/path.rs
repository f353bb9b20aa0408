//! Finding what a path names, never out of the directory that it begins in.

use super::errno::Errno;
use super::tree::{Inode, Tree};

/// Symbolic links that one path may lead through.
const LINKS: usize = 40;
/// Bytes of one name (`NAME_MAX`).
const NAME_BYTES: usize = 255;

/// What a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The directory that holds it, or would.
    pub(super) parent: Inode,
    /// Its name there; empty when the path ends at a directory that it does not name (`.`, `a/..`).
    pub(super) name: String,
    /// The file itself, if there is one.
    pub(super) node: Option<Inode>,
    /// Whether the path says that it is a directory, by a slash or a dot at its end.
    pub(super) directory: bool,
}

impl Place {
    /// The file, which has to be there.
    pub(super) fn existing(&self) -> Result<Inode, Errno> {
        self.node.ok_or(Errno::Noent)
    }
}

/// Walks a path from a directory; `follow` says whether a symbolic link at its end is followed.
///
/// # Errors
/// `Noent` and `Notdir` for what lies on the way, `Notdir` also for a file with a slash behind it, `Perm` for a path that leads out
/// or is absolute, `Loop`, `Nametoolong`.
pub(super) fn resolve(tree: &Tree, base: Inode, path: &str, follow: bool) -> Result<Place, Errno> {
    if path.is_empty() {
        return Err(Errno::Noent);
    }
    tree.directory(base)?;
    let mut way = vec![base];
    let mut ahead = Vec::new();
    let mut directory = push(&mut ahead, path)?;
    let mut links = 0;
    while let Some(name) = ahead.pop() {
        let &here = way.last().ok_or(Errno::Perm)?;
        if name == ".." {
            way.pop();
            if way.is_empty() {
                return Err(Errno::Perm);
            }
            continue;
        }
        if name.len() > NAME_BYTES {
            return Err(Errno::Nametoolong);
        }
        let last = ahead.is_empty();
        let node = tree.directory(here)?.get(name);
        if let Some(target) = node.and_then(|node| tree.link_target(node))
            && (!last || follow || directory)
        {
            links += 1;
            if links > LINKS {
                return Err(Errno::Loop);
            }
            let slash = push(&mut ahead, target)?;
            directory |= last && slash;
            continue;
        }
        if last {
            if directory && let Some(node) = node {
                tree.directory(node)?;
            }
            return Ok(Place {
                parent: here,
                name: name.to_owned(),
                node,
                directory,
            });
        }
        let node = node.ok_or(Errno::Noent)?;
        tree.directory(node)?;
        way.push(node);
    }
    let &here = way.last().ok_or(Errno::Perm)?;
    Ok(Place {
        parent: here,
        name: String::new(),
        node: Some(here),
        directory: true,
    })
}

/// Puts the names of a path before those that are still ahead; gives whether it says that it ends at a directory.
fn push<'a>(ahead: &mut Vec<&'a str>, path: &'a str) -> Result<bool, Errno> {
    if path.starts_with('/') {
        return Err(Errno::Perm);
    }
    let mut names = path.rsplit('/');
    let end = names.next().unwrap_or_default();
    ahead.extend(
        std::iter::once(end)
            .chain(names)
            .filter(|name| !matches!(*name, "" | ".")),
    );
    Ok(matches!(end, "" | "." | ".."))
}
