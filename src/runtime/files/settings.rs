//! What the operator says about storage.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::root::{Root, Scheme};

/// Bytes of a file unless the operator says otherwise (`spec/storage.md`, 2.5).
pub const DEFAULT_FILE_BYTES: usize = 1024 * 1024;

/// Where files may be, and how large they get.
#[derive(Debug, Clone)]
pub struct Storage {
    /// Prefixes below which roots of the schemes `file:` and `s3:` may lie; by default none.
    pub allowed_roots: Vec<Root>,
    /// How the object store is reached; needed as soon as a root of scheme `s3:` is allowed.
    pub s3: Option<S3>,
    /// Most bytes of a file that is read or written.
    pub file_bytes: usize,
    /// How long a store may take for one read or write.
    pub patience: Duration,
    /// Reads and writes of folders at the same time; others wait for their turn.
    pub folder_operations: usize,
    /// Bounds of roots of scheme `memory:`.
    pub memory: MemoryBounds,
}

/// Bounds of the files that are kept in memory.
#[derive(Debug, Clone, Copy)]
pub struct MemoryBounds {
    /// Most bytes of the files of one manifest.
    pub manifest_bytes: usize,
    /// Most files of one manifest.
    pub manifest_files: usize,
    /// Most bytes of all files. No manifest grows beyond half of what the others leave of them.
    pub bytes: usize,
    /// Most files. No manifest grows beyond half of what the others leave of them.
    pub files: usize,
}

impl Default for Storage {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self {
            allowed_roots: Vec::new(),
            s3: None,
            file_bytes: DEFAULT_FILE_BYTES,
            patience: Duration::from_secs(10),
            folder_operations: 16,
            memory: MemoryBounds {
                manifest_bytes: 32 * MIB,
                manifest_files: 10_000,
                bytes: 256 * MIB,
                files: 100_000,
            },
        }
    }
}

impl Storage {
    /// What no manifest, result, transcript and error may hold.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let keys = self.s3.iter().map(|s3| &s3.keys);
        keys.flat_map(|keys| {
            let always = [&keys.id, &keys.secret].into_iter();
            always.chain(&keys.session_token).map(String::as_str)
        })
    }

    /// Whether a root of scheme `s3:` is allowed without a way to reach it.
    pub fn lacks_keys(&self) -> bool {
        let is_s3 = |root: &Root| root.scheme() == Scheme::S3;
        self.s3.is_none() && self.allowed_roots.iter().any(is_s3)
    }
}

/// How the object store is reached.
#[derive(Debug, Clone)]
pub struct S3 {
    /// Base URL of the store; absent: that of AWS in the region. Plain `http` only where this says so.
    pub endpoint: Option<String>,
    /// The region that requests are signed for.
    pub region: String,
    /// What requests are signed with.
    pub keys: S3Keys,
}

/// Keys of an object store; never shown by `Debug`.
#[derive(Clone)]
pub struct S3Keys {
    /// The access key's id.
    pub id: String,
    /// The secret access key.
    pub secret: String,
    /// The token of a session, where the keys are of that kind.
    pub session_token: Option<String>,
}

impl fmt::Debug for S3Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("S3Keys(..)")
    }
}

impl S3 {
    /// Reads the variables that tools of AWS read; `None` when there is no key.
    ///
    /// # Errors
    /// When one half of the key is missing, or the endpoint is no base URL.
    pub fn from_environment(
        environment: &BTreeMap<String, String>,
    ) -> Result<Option<Self>, String> {
        let set = |name: &str| {
            let value = environment.get(name).map(|value| value.trim());
            value.filter(|value| !value.is_empty()).map(str::to_owned)
        };
        let (id, secret) = (set("AWS_ACCESS_KEY_ID"), set("AWS_SECRET_ACCESS_KEY"));
        let (id, secret) = match (id, secret) {
            (Some(id), Some(secret)) => (id, secret),
            (None, None) => return Ok(None),
            (None, Some(_)) => return Err("set AWS_ACCESS_KEY_ID as well".to_owned()),
            (Some(_), None) => return Err("set AWS_SECRET_ACCESS_KEY as well".to_owned()),
        };
        let endpoint = set("AWS_ENDPOINT_URL_S3").or_else(|| set("AWS_ENDPOINT_URL"));
        if let Some(endpoint) = &endpoint {
            check_endpoint(endpoint)?;
        }
        let region = set("AWS_REGION").or_else(|| set("AWS_DEFAULT_REGION"));
        Ok(Some(Self {
            endpoint,
            region: region.unwrap_or_else(|| "us-east-1".to_owned()),
            keys: S3Keys {
                id,
                secret,
                session_token: set("AWS_SESSION_TOKEN"),
            },
        }))
    }
}

/// Refuses an endpoint that requests cannot be sent to.
///
/// # Errors
/// For anything but a URL of scheme http or https with a host, and without user information, query or fragment.
pub(super) fn check_endpoint(endpoint: &str) -> Result<(), String> {
    let wanted = "write the endpoint of the object store as http://host:port or https://host";
    let url = reqwest::Url::parse(endpoint).map_err(|_| wanted.to_owned())?;
    let plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if matches!(url.scheme(), "http" | "https") && url.has_host() && plain {
        Ok(())
    } else {
        Err(wanted.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Result<Option<S3>, String> {
        let pairs = pairs.iter();
        S3::from_environment(
            &pairs
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    #[test]
    fn keys_come_from_the_usual_variables() {
        assert!(environment(&[]).expect("read").is_none());
        let keys = [
            ("AWS_ACCESS_KEY_ID", "an-id-of-a-key"),
            ("AWS_SECRET_ACCESS_KEY", "a-secret-key"),
        ];
        let s3 = environment(&keys).expect("read").expect("keys");
        assert_eq!(
            (s3.endpoint.as_deref(), s3.region.as_str()),
            (None, "us-east-1")
        );
        let all = [
            keys[0],
            keys[1],
            ("AWS_SESSION_TOKEN", "a-session-token"),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
            ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:2"),
        ];
        let s3 = environment(&all).expect("read").expect("keys");
        assert_eq!(s3.endpoint.as_deref(), Some("http://127.0.0.1:2"));
        let storage = Storage {
            s3: Some(s3),
            ..Storage::default()
        };
        assert_eq!(
            storage.secrets().collect::<Vec<_>>(),
            ["an-id-of-a-key", "a-secret-key", "a-session-token"]
        );
        assert!(!format!("{storage:?}").contains("a-secret-key"));
    }

    #[test]
    fn half_a_key_and_a_wrong_endpoint_are_refused() {
        assert!(environment(&[("AWS_ACCESS_KEY_ID", "id")]).is_err());
        assert!(environment(&[("AWS_SECRET_ACCESS_KEY", "secret")]).is_err());
        for endpoint in [
            "127.0.0.1:9000",
            "ftp://host",
            "http://",
            "http://user:key@host",
            "http://host?x=1",
        ] {
            assert!(check_endpoint(endpoint).is_err(), "{endpoint}");
        }
        assert!(check_endpoint("https://s3.example.com/base").is_ok());
    }

    #[test]
    fn an_allowed_bucket_needs_keys() {
        let mut storage = Storage::default();
        assert!(!storage.lacks_keys());
        storage.allowed_roots = vec!["s3://bucket/".parse().expect("a root")];
        assert!(storage.lacks_keys());
    }
}
