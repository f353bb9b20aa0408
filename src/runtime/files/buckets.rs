//! Object stores that speak the protocol of S3.

use std::collections::BTreeMap;
use std::time::Duration;

use object_store::RetryConfig;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use reqwest::Client;

use super::failure::Failure;
use super::lent::Lent;
use super::objects::{self, Object};
use super::root::{Root, Scheme};
use super::settings::{S3, Storage, check_endpoint};
use super::{Found, Stored};

/// One client for each bucket that the operator allows.
pub(super) struct Buckets(BTreeMap<String, AmazonS3>);

impl Buckets {
    /// Clients for the buckets of the allowed roots. Nothing is sent yet.
    ///
    /// # Errors
    /// When there are such roots and no keys, or the endpoint is no base URL.
    pub(super) fn new(storage: &Storage, client: &Client) -> Result<Self, String> {
        if storage.lacks_keys() {
            let message = "a root of scheme s3: is allowed, and there are no keys for it; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
            return Err(message.to_owned());
        }
        let lent = Lent::new(client.clone(), storage.file_bytes);
        let mut buckets = BTreeMap::new();
        let roots = storage.allowed_roots.iter();
        let roots = roots.filter(|root| root.scheme() == Scheme::S3);
        for (root, s3) in roots.zip(std::iter::repeat(storage.s3.as_ref())) {
            if let (Some(s3), false) = (s3, buckets.contains_key(root.bucket())) {
                buckets.insert(root.bucket().to_owned(), open(root, s3, &lent)?);
            }
        }
        Ok(Self(buckets))
    }

    pub(super) async fn get(
        &self,
        bucket: &str,
        key: &str,
        limit: usize,
    ) -> Result<Found, Failure> {
        let store = self.0.get(bucket).ok_or(Failure::NoPlace)?;
        objects::get(store, key, limit).await
    }

    pub(super) async fn put(
        &self,
        bucket: &str,
        key: &str,
        object: Object,
    ) -> Result<Stored, Failure> {
        let store = self.0.get(bucket).ok_or(Failure::NoPlace)?;
        objects::put(store, key, object).await
    }
}

fn open(root: &Root, s3: &S3, lent: &Lent) -> Result<AmazonS3, String> {
    let keys = &s3.keys;
    let mut builder = AmazonS3Builder::new()
        .with_http_connector(lent.clone())
        .with_bucket_name(root.bucket())
        .with_region(&s3.region)
        .with_access_key_id(&keys.id)
        .with_secret_access_key(&keys.secret)
        // Whoever calls the action decides whether to try again.
        .with_retry(RetryConfig {
            max_retries: 0,
            retry_timeout: Duration::ZERO,
            ..RetryConfig::default()
        });
    if let Some(token) = &keys.session_token {
        builder = builder.with_token(token);
    }
    if let Some(endpoint) = &s3.endpoint {
        check_endpoint(endpoint)?;
        builder = builder.with_endpoint(endpoint);
    }
    builder
        .build()
        .map_err(|_| format!("the object store for {root} cannot be set up; look at its settings"))
}
