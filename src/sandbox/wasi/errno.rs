//! The error numbers that calls answer with.

/// Why a call failed, by the numbers of WASI preview 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Errno {
    /// No open descriptor has this number, or it is not open for this.
    Badf = 8,
    /// The directory cannot be moved or removed: it is where the path begins.
    Busy = 10,
    /// The name is taken.
    Exist = 20,
    /// A pointer leads out of the module's memory.
    Fault = 21,
    /// The offset is beyond what any file may have.
    Fbig = 22,
    /// A path is not UTF-8.
    Ilseq = 25,
    /// An argument makes no sense.
    Inval = 28,
    /// Never seen: the tree and the descriptors disagree.
    Io = 29,
    /// It is a directory.
    Isdir = 31,
    /// Too many symbolic links, or one where none may be.
    Loop = 32,
    /// Too many open descriptors.
    Mfile = 33,
    /// A path or one of its names is too long.
    Nametoolong = 37,
    /// There is no such file or directory.
    Noent = 44,
    /// The files would exceed their limit.
    Nospc = 51,
    /// It is not a directory.
    Notdir = 54,
    /// The directory is not empty.
    Notempty = 55,
    /// There is no such thing here.
    Notsup = 58,
    /// The value does not fit.
    Overflow = 61,
    /// The path leads out of its directory.
    Perm = 63,
    /// The directory is read-only.
    Rofs = 69,
    /// A stream has no position.
    Spipe = 70,
    /// A right was asked for that the descriptor does not have.
    Notcapable = 76,
}

impl Errno {
    /// Its number.
    pub(super) fn number(self) -> u16 {
        self as u16
    }
}
