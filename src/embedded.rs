//! The data the binary carries: `spec/`, `conformance/cases/`, `fixtures/` and `assets/`.
//!
//! A release build holds the files themselves, so that an installed binary works without a checkout; a
//! development build reads them from the checkout, so that a changed case needs no rebuild.

use std::borrow::Cow;

use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "spec/"]
#[prefix = "spec/"]
struct Spec;

#[derive(RustEmbed)]
#[folder = "conformance/cases/"]
#[prefix = "conformance/cases/"]
struct Cases;

#[derive(RustEmbed)]
#[folder = "fixtures/"]
#[prefix = "fixtures/"]
struct Fixtures;

#[derive(RustEmbed)]
#[folder = "assets/"]
#[allow_missing = true]
#[prefix = "assets/"]
struct Assets;

/// The bytes of one file of `assets/`.
pub fn asset(path: &str) -> Option<Cow<'static, [u8]>> {
    Assets::get(path).map(|file| file.data)
}

/// The text of one file by its path in the repository; `None` when there is none or it is not UTF-8.
pub fn text(path: &str) -> Option<Cow<'static, str>> {
    let file = if path.starts_with("spec/") {
        Spec::get(path)
    } else if path.starts_with("conformance/cases/") {
        Cases::get(path)
    } else {
        Fixtures::get(path)
    }?;
    match file.data {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
        Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
    }
}

/// The paths that begin with `prefix`, in order.
pub fn list(prefix: &str) -> Vec<String> {
    let mut paths: Vec<String> = Spec::iter()
        .chain(Cases::iter())
        .chain(Fixtures::iter())
        .filter(|path| path.starts_with(prefix))
        .map(Cow::into_owned)
        .collect();
    paths.sort_unstable();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_by_their_repository_path() {
        assert!(list("spec/").contains(&"spec/README.md".to_owned()));
        assert!(text("spec/README.md").is_some());
        assert!(text("spec/../Cargo.toml").is_none());
        assert!(text("absent").is_none());
    }
}
