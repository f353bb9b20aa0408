//! Options of `serve` about where files may be read and written.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;

use crate::cli::failure::Failure;
use crate::runtime::files::{Root, S3, Scheme, Storage};

/// Where files may be.
#[derive(Debug, Args)]
pub(super) struct StorageOptions {
    /// Folder or bucket below which actions may read and write files, such as file:///srv/notes/ or s3://bucket/notes/; repeat for more
    #[arg(long, value_name = "URI", value_parser = allowed_root)]
    allow_root: Vec<Root>,
    /// Largest file that actions read or write, in bytes
    #[arg(long, value_name = "BYTES", env = "OAP_STORAGE_FILE_BYTES", default_value = "1048576", value_parser = clap::value_parser!(u32).range(1..=67_108_864))]
    file_limit: u32,
    /// Longest wait for one read or write of a file, in milliseconds
    #[arg(long, value_name = "MS", env = "OAP_STORAGE_TIMEOUT_MS", default_value = "10000", value_parser = clap::value_parser!(u64).range(1..=600_000))]
    file_timeout: u64,
}

fn allowed_root(text: &str) -> Result<Root, String> {
    let root: Root = text.parse().map_err(|refusal| format!("{refusal}"))?;
    match root.scheme() {
        Scheme::Memory => Err("leave it out: memory: roots are always allowed".to_owned()),
        Scheme::File | Scheme::S3 => Ok(root),
    }
}

impl StorageOptions {
    /// The settings; keys of an object store are read only when one is allowed.
    pub(super) fn settings(
        &self,
        environment: &BTreeMap<String, String>,
    ) -> Result<Storage, Failure> {
        let mut storage = Storage {
            allowed_roots: self.allow_root.clone(),
            file_bytes: usize::try_from(self.file_limit).unwrap_or(usize::MAX),
            patience: Duration::from_millis(self.file_timeout),
            ..Storage::default()
        };
        if storage.lacks_keys() {
            storage.s3 = S3::from_environment(environment).map_err(Failure::usage)?;
        }
        Ok(storage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::FromArgMatches as _;

    fn options(arguments: &[&str]) -> Result<StorageOptions, clap::Error> {
        let command = StorageOptions::augment_args(clap::Command::new("serve"));
        let matches = command.try_get_matches_from(std::iter::once(&"serve").chain(arguments))?;
        StorageOptions::from_arg_matches(&matches)
    }

    #[test]
    fn nothing_is_allowed_by_default() {
        let storage = options(&[]).expect("options").settings(&BTreeMap::new());
        let storage = storage.map_err(|_| "refused").expect("settings");
        assert!(storage.allowed_roots.is_empty());
        assert_eq!(storage.file_bytes, 1024 * 1024);
    }

    #[test]
    fn keys_are_read_where_a_bucket_is_allowed() {
        let environment = BTreeMap::from([
            ("AWS_ACCESS_KEY_ID".to_owned(), "an-id-of-a-key".to_owned()),
            (
                "AWS_SECRET_ACCESS_KEY".to_owned(),
                "a-secret-key".to_owned(),
            ),
        ]);
        for (root, keys) in [("file:///srv/", false), ("s3://bucket/", true)] {
            let options = options(&["--allow-root", root]).expect("options");
            let storage = options.settings(&environment);
            let storage = storage.map_err(|_| "refused").expect("settings");
            assert_eq!(storage.s3.is_some(), keys, "{root}");
        }
    }

    #[test]
    fn what_is_no_prefix_is_refused() {
        for root in ["/srv/notes", "file://srv/", "memory:a/", "s3://"] {
            assert!(options(&["--allow-root", root]).is_err(), "{root}");
        }
        assert!(options(&["--file-limit", "0"]).is_err());
    }
}
