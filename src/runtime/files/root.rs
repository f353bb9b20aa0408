//! The roots that the operator allows (`spec/storage.md`, 1.2).

pub use crate::manifest::{Root, RootRefusal, Scheme};

/// Refuses a root that lies below none of the prefixes that the operator allows; memory is everybody's.
///
/// # Errors
/// For a root of scheme `file:` or `s3:` outside of them all. The message names no prefix, which is a path of the host.
pub fn check_allowed(root: &Root, allowed: &[Root]) -> Result<(), RootRefusal> {
    if root.scheme() == Scheme::Memory || allowed.iter().any(|prefix| prefix.holds(root)) {
        return Ok(());
    }
    let same = |prefix: &Root| prefix.scheme() == root.scheme();
    let message = match (allowed.iter().any(same), root.scheme()) {
        (false, Scheme::File) => {
            "this runtime offers no file: roots; use memory:, or let the operator allow the folder (serve --allow-root)"
        }
        (false, _) => {
            "this runtime offers no s3: roots; use memory:, or let the operator allow the bucket (serve --allow-root)"
        }
        (true, Scheme::File) => {
            "the operator allows other folders only; choose a root below one of them, or let this one be allowed (serve --allow-root)"
        }
        (true, _) => {
            "the operator allows other buckets or folders only; choose a root below one of them, or let this one be allowed (serve --allow-root)"
        }
    };
    Err(RootRefusal {
        rule: "root_not_allowed",
        message,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(text: &str) -> Root {
        text.parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn prefixes_are_compared_by_whole_segments() {
        let allowed = [root("file:///srv/notes"), root("s3://bucket/a/")];
        for text in [
            "file:///srv/notes/",
            "file:///srv/notes/deep/er/",
            "s3://bucket/a/",
            "s3://bucket/a/b",
            "memory:anything/",
        ] {
            assert_eq!(check_allowed(&root(text), &allowed), Ok(()), "{text}");
        }
        for text in [
            "file:///srv/",
            "file:///srv/notes-of-others/",
            "file:///srv/Notes/",
            "file:///",
            "s3://bucket/",
            "s3://bucket/ab/",
            "s3://bucket2/a/",
        ] {
            assert!(check_allowed(&root(text), &allowed).is_err(), "{text}");
        }
        assert!(check_allowed(&root("file:///srv/"), &[]).is_err());
        assert_eq!(check_allowed(&root("memory:a"), &[]), Ok(()));
    }
}
