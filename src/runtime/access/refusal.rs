//! The refusals of this room, and the headers that their answers carry.

use super::caller::Caller;
use crate::runtime::error::{Code, ErrorObject};

/// The scope that registering and deleting manifests needs (access.md 3.11).
pub const MANIFEST_WRITE: &str = "manifest:write";

/// A request without a valid token; nothing is said about what is wrong with it (access.md 1.8).
pub fn unauthenticated() -> ErrorObject {
    ErrorObject::new(
        Code::Unauthenticated,
        "the call needs a valid token; send Authorization: Bearer and the token",
    )
}

/// Refuses a user that is not the token's subject; without auth everybody may name anybody.
///
/// # Errors
/// `user_mismatch`.
pub fn check_user(caller: &Caller, user_id: &str) -> Result<(), ErrorObject> {
    if !caller.authenticated || caller.subject == user_id {
        return Ok(());
    }
    Err(ErrorObject::new(
        Code::UserMismatch,
        "the body names another user than the token's subject; send the subject as the user",
    ))
}

/// A caller that lacks scopes.
pub fn insufficient_scope(missing: &[String]) -> ErrorObject {
    ErrorObject::new(
        Code::InsufficientScope,
        "the subject lacks scopes that are needed; see details.missing",
    )
    .with("missing", missing.to_vec())
}

/// A call beyond the limit; one more is admitted after so many seconds.
pub fn rate_limited(retry_after: u64) -> ErrorObject {
    ErrorObject::new(
        Code::RateLimited,
        format!("the action's rate is used up; try again in {retry_after} s"),
    )
    .with("retry_after", retry_after)
}

/// An endpoint whose host has no address that may be called.
pub fn address_refused() -> ErrorObject {
    ErrorObject::new(
        Code::AddressRefused,
        "the endpoint's host is at an address that the operator does not allow, so nothing was sent",
    )
}

/// A secret that the operator has bound to other hosts.
pub fn bound_elsewhere(name: &str) -> ErrorObject {
    ErrorObject::new(
        Code::MissingCredential,
        format!("${{{name}}} is not granted for this host, so nothing was sent"),
    )
    .with("variable", name)
}

/// The seconds to wait that an error tells, as a header (4.5; `spec/errors.md` 4.2).
pub fn retry_after(error: &ErrorObject) -> Option<String> {
    let seconds = error.details.get("retry_after")?.as_u64()?;
    matches!(error.code, Code::RateLimited | Code::CapacityExceeded).then(|| seconds.to_string())
}

/// How to authenticate, as a header of a 401.
pub fn challenge(error: &ErrorObject) -> Option<String> {
    (error.code == Code::Unauthenticated).then(|| "Bearer".to_owned())
}
