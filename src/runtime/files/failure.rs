//! What can go wrong in a store, and the errors that come of it (`spec/storage.md`, section 5).

use super::path;
use crate::runtime::error::{Code, ErrorObject};

/// What a store says in place of a file. None of them holds a path of the host, or a word of the store's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// There is no file at the path: nothing, a folder, or something that is no file.
    NotFound,
    /// The path leads through a symbolic link that is not followed.
    Link,
    /// A name in the path is longer than the store takes.
    LongName,
    /// The file is larger than the limit, in bytes.
    TooLarge(usize),
    /// The store did not answer in time.
    Silent,
    /// The store cannot be reached, or broke off.
    Unreachable,
    /// The store refuses the runtime's key, or the runtime the access to a file.
    KeyRefused,
    /// The store has no room.
    Full,
    /// There is no such folder or bucket as the operator allows.
    NoPlace,
    /// The store failed for a reason of its own.
    Broken,
}

/// The error of a failed read or write.
pub fn error(failure: Failure) -> ErrorObject {
    let message = match failure {
        Failure::NotFound => {
            let message = "there is no such file below the action's root";
            return ErrorObject::new(Code::FileNotFound, message);
        }
        Failure::Link => {
            return path::refused(
                "the path leads through a symbolic link that is not followed; name the file itself",
            );
        }
        Failure::LongName => {
            return path::refused("a name in the path is longer than the store takes; shorten it");
        }
        Failure::TooLarge(limit) => {
            let message = format!("the file is larger than the limit of {limit} bytes");
            return ErrorObject::new(Code::FileTooLarge, message);
        }
        Failure::Silent => "the store did not answer in time",
        Failure::Unreachable => "the store could not be reached, or broke off",
        Failure::KeyRefused => {
            "the store refuses the runtime's key; the operator has to mend its rights"
        }
        Failure::Full => "the store has no room left",
        Failure::NoPlace => {
            "the folder or bucket that the operator allows is not there; the operator has to make it"
        }
        Failure::Broken => "the store failed",
    };
    ErrorObject::new(Code::StorageUnavailable, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_store_s_own_failures_are_worth_another_try() {
        for (failure, code, retryable) in [
            (Failure::NotFound, Code::FileNotFound, false),
            (Failure::Link, Code::PathRefused, false),
            (Failure::LongName, Code::PathRefused, false),
            (Failure::TooLarge(7), Code::FileTooLarge, false),
            (Failure::Silent, Code::StorageUnavailable, true),
            (Failure::Unreachable, Code::StorageUnavailable, true),
            (Failure::KeyRefused, Code::StorageUnavailable, true),
            (Failure::Full, Code::StorageUnavailable, true),
            (Failure::NoPlace, Code::StorageUnavailable, true),
            (Failure::Broken, Code::StorageUnavailable, true),
        ] {
            let error = error(failure);
            assert_eq!(
                (error.code, error.retryable),
                (code, retryable),
                "{failure:?}"
            );
        }
    }
}
