//! Mutants of what stores do, told as errors: sections 2.3, 4.6 and 5.

use std::fs;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::sync::Mutex;

use rustix::fs::OFlags;

use crate::mutants::{Mutant, held};
use crate::runtime::Parts;
use crate::runtime::error::{Code, ErrorObject};
use crate::runtime::files::StorageParts;
use crate::runtime::files::failure::{self, Failure};
use crate::runtime::files::folder;

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    vec![
        swap_storage!(
            "what-is-missing-is-unavailable",
            "STO-007",
            "takes a file that is not there for a failure of the store",
            fn store_error(&self, found: Failure) -> ErrorObject {
                failure::error(match found {
                    Failure::NotFound => Failure::Broken,
                    other => other,
                })
            }
        ),
        Mutant::part(
            "host-paths-in-errors",
            "STO-022",
            "says in its errors where on the host it looked",
            Telling(Mutex::default()),
        ),
        swap_storage!(
            "silence-is-nothing-there",
            "STO-023",
            "finds nothing where a store does not answer",
            fn store_error(&self, found: Failure) -> ErrorObject {
                failure::error(match found {
                    Failure::Silent => Failure::NotFound,
                    other => other,
                })
            }
        ),
        swap_storage!(
            "failing-stores-have-nothing",
            "STO-023",
            "finds nothing where a store fails or breaks off",
            fn store_error(&self, found: Failure) -> ErrorObject {
                failure::error(match found {
                    Failure::Broken | Failure::Unreachable | Failure::Full | Failure::Silent => {
                        Failure::NotFound
                    }
                    other => other,
                })
            }
        ),
        swap_storage!(
            "store-failures-are-final",
            "STO-023",
            "says of a store's failure that another try is of no use",
            fn store_error(&self, found: Failure) -> ErrorObject {
                let mut error = failure::error(found);
                error.retryable = false;
                error
            }
        ),
        swap_storage!(
            "refused-keys-are-refused-paths",
            "STO-023",
            "blames the path when a store refuses the runtime's key",
            fn store_error(&self, found: Failure) -> ErrorObject {
                match found {
                    Failure::KeyRefused => {
                        ErrorObject::new(Code::PathRefused, "the store refuses this path")
                    }
                    other => failure::error(other),
                }
            }
        ),
    ]
}

/// Remembers where it looked last, and says it.
struct Telling(Mutex<String>);

impl StorageParts for Telling {
    fn open_below(
        &self,
        above: BorrowedFd<'_>,
        path: &str,
        flags: OFlags,
    ) -> Result<OwnedFd, Failure> {
        let place = fs::read_link(format!("/proc/self/fd/{}", above.as_raw_fd()));
        if let Ok(place) = place {
            *held(&self.0) = place.join(path).display().to_string();
        }
        folder::open_below(above, path, flags)
    }

    fn store_error(&self, found: Failure) -> ErrorObject {
        let mut error = failure::error(found);
        error.message = format!("{}: {}", held(&self.0), error.message);
        error
    }
}

impl Parts for Telling {
    fn storage(&self) -> &dyn StorageParts {
        self
    }
}
