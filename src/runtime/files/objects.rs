//! Files as objects: one way to read and write for each store of that kind.

use std::error::Error as _;

use axum::body::{Body, to_bytes};
use object_store::client::{HttpError, HttpErrorKind};
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, Error, GetOptions, ObjectStore, PutMode, PutOptions, PutPayload,
    PutResult,
};

use super::failure::Failure;
use super::{Found, Stored};

/// What an object becomes.
pub(super) struct Object {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its media type, if it has one.
    pub content_type: Option<String>,
}

/// Reads an object of at most `limit` bytes.
pub(super) async fn get(
    store: &dyn ObjectStore,
    key: &str,
    limit: usize,
) -> Result<Found, Failure> {
    let path = Path::parse(key).map_err(|_| Failure::NotFound)?;
    let got = store
        .get_opts(&path, GetOptions::default())
        .await
        .map_err(|error| failure(&error))?;
    if usize::try_from(got.meta.size).map_or(true, |size| size > limit) {
        return Err(Failure::TooLarge(limit));
    }
    let etag = got.meta.e_tag.clone();
    // Whatever the store says of its size, no more than that is taken.
    let bytes = to_bytes(Body::from_stream(got.into_stream()), limit)
        .await
        .map_err(|_| Failure::Unreachable)?;
    Ok(Found {
        bytes: bytes.into(),
        etag,
    })
}

/// Writes an object, whole or not at all, and tells whether it is new.
pub(super) async fn put(
    store: &dyn ObjectStore,
    key: &str,
    object: Object,
) -> Result<Stored, Failure> {
    let path = Path::parse(key).map_err(|_| Failure::NotFound)?;
    let mut attributes = Attributes::new();
    if let Some(content_type) = object.content_type {
        attributes.insert(Attribute::ContentType, content_type.into());
    }
    let payload = PutPayload::from(object.bytes);
    let put = async |mode: PutMode| -> Result<PutResult, Error> {
        let options = PutOptions {
            mode,
            attributes: attributes.clone(),
            ..PutOptions::default()
        };
        store.put_opts(&path, payload.clone(), options).await
    };
    // A store that knows no conditions overwrites all the same, so what it says of a new object is asked for first.
    let head = GetOptions {
        head: true,
        ..GetOptions::default()
    };
    let known = match store.get_opts(&path, head).await {
        Ok(_) => true,
        Err(Error::NotFound { .. }) => false,
        Err(error) => return Err(failure(&error)),
    };
    let (created, result) = if known {
        (false, put(PutMode::Overwrite).await)
    } else {
        match put(PutMode::Create).await {
            // Somebody else was faster, and theirs is the new one.
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => {
                (false, put(PutMode::Overwrite).await)
            }
            Err(error) if knows_no_conditions(&error) => (true, put(PutMode::Overwrite).await),
            result => (true, result),
        }
    };
    match result {
        Ok(result) => Ok(Stored {
            created,
            etag: result.e_tag,
        }),
        // Only the bucket itself can be missing.
        Err(Error::NotFound { .. }) => Err(Failure::NoPlace),
        Err(error) => Err(failure(&error)),
    }
}

fn knows_no_conditions(error: &Error) -> bool {
    match error {
        Error::NotImplemented { .. } => true,
        _ => {
            let answer = answer(error);
            answer.contains("501 Not Implemented") || answer.contains(&document("NotImplemented"))
        }
    }
}

/// What a store answered, as the client words it.
fn answer(error: &Error) -> String {
    error.source().map(ToString::to_string).unwrap_or_default()
}

/// How a code stands in the error document of a store. A key cannot imitate it: it stands in the answer as part of a URL.
fn document(code: &str) -> String {
    format!("<Code>{code}</Code>")
}

/// What an error of a store means. Its text, which can hold URLs and words of the store, goes no further.
fn failure(error: &Error) -> Failure {
    let answer = answer(error);
    let says = |code: &str| answer.contains(&document(code));
    let denied = ["ExpiredToken", "InvalidToken", "InvalidAccessKeyId"];
    match error {
        Error::NotFound { .. } if says("NoSuchBucket") => Failure::NoPlace,
        Error::NotFound { .. } => Failure::NotFound,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => Failure::KeyRefused,
        _ if denied.into_iter().any(says) => Failure::KeyRefused,
        _ if says("QuotaExceeded") || answer.contains("507 Insufficient") => Failure::Full,
        _ => match transport(error) {
            Some(HttpErrorKind::Timeout) => Failure::Silent,
            Some(_) => Failure::Unreachable,
            None => Failure::Broken,
        },
    }
}

/// How the transport failed, if it did.
fn transport(error: &Error) -> Option<HttpErrorKind> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<HttpError>() {
            return Some(error.kind());
        }
        cause = error.source();
    }
    None
}
