//! One directory: its names, and the order in which they are listed.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::Inode;

/// Places in a listing that `.` and `..` take.
const DOTS: u64 = 2;

/// One line of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Entry<'a> {
    /// Where to go on after it.
    pub(in super::super) next: u64,
    /// Its name.
    pub(in super::super) name: &'a str,
    /// What it names.
    pub(in super::super) inode: Inode,
}

/// A directory.
///
/// A name keeps its place in the listing for as long as it stands, whatever is made or removed meanwhile: code that removes what it
/// lists skips nothing.
#[derive(Debug)]
pub(in super::super) struct Directory {
    parent: Inode,
    names: BTreeMap<Arc<str>, u64>,
    places: BTreeMap<u64, (Arc<str>, Inode)>,
    last: u64,
}

impl Directory {
    /// An empty one.
    pub(super) fn below(parent: Inode) -> Self {
        Self {
            parent,
            names: BTreeMap::new(),
            places: BTreeMap::new(),
            last: DOTS,
        }
    }

    /// The directory above; a root is its own.
    pub(in super::super) fn parent(&self) -> Inode {
        self.parent
    }

    /// Puts it below another directory.
    pub(super) fn set_parent(&mut self, parent: Inode) {
        self.parent = parent;
    }

    /// What a name stands for.
    pub(in super::super) fn get(&self, name: &str) -> Option<Inode> {
        let place = self.names.get(name)?;
        self.places.get(place).map(|(_, inode)| *inode)
    }

    /// Whether there is no name in it.
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Names in it.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// Puts a name that is not there at the end of the listing.
    pub(super) fn insert(&mut self, name: &str, inode: Inode) {
        let name: Arc<str> = name.into();
        self.last += 1;
        self.names.insert(Arc::clone(&name), self.last);
        self.places.insert(self.last, (name, inode));
    }

    /// Takes a name away.
    pub(super) fn remove(&mut self, name: &str) {
        if let Some(place) = self.names.remove(name) {
            self.places.remove(&place);
        }
    }

    /// The listing after a place, from the start with 0; `own` is the number of this directory itself.
    pub(in super::super) fn list(
        &self,
        own: Inode,
        after: u64,
    ) -> impl Iterator<Item = Entry<'_>> + '_ {
        let dots = [(1, ".", own), (DOTS, "..", self.parent)];
        dots.into_iter()
            .filter(move |&(place, _, _)| place > after)
            .map(|(next, name, inode)| Entry { next, name, inode })
            .chain(
                self.places
                    .range((Bound::Excluded(after), Bound::Unbounded))
                    .map(|(&next, (name, inode))| Entry {
                        next,
                        name,
                        inode: *inode,
                    }),
            )
    }
}
