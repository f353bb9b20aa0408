//! Every decision of the runtime that `spec/storage.md` pins, as one replaceable method; see [`crate::runtime::parts`].

use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::fs::OFlags;
use serde_json::Value;

use super::content::{self, Encoding, ReadInput, WriteInput};
use super::failure::{self, Failure};
use super::folder::{self, Replacement};
use super::root::{self, Root, RootRefusal};
use super::settings::Storage;
use super::{Verb, path};
use crate::runtime::error::ErrorObject;
use crate::runtime::parts::Reference;
use crate::runtime::session::transcript::SideEffect;

/// The replaceable decisions about storage; each default calls a pure function of this room, or touches what it is told to.
pub trait StorageParts: Send + Sync {
    // --- 1: definition ---

    /// The schemes of roots that are said to be offered (1.1, capabilities.md 3).
    fn schemes(&self, storage: &Storage) -> Vec<&'static str> {
        super::schemes(storage)
    }

    /// The root that a manifest may name, or why it may not (1.1, 1.2).
    fn check_root(&self, text: &str, allowed: &[Root]) -> Result<Root, RootRefusal> {
        let root = self.read_root(text)?;
        self.check_allowed(&root, allowed)?;
        Ok(root)
    }

    /// The form of a root (1.1).
    fn read_root(&self, text: &str) -> Result<Root, RootRefusal> {
        text.parse()
    }

    /// Whether a root lies below what the operator allows (1.2).
    fn check_allowed(&self, root: &Root, allowed: &[Root]) -> Result<(), RootRefusal> {
        root::check_allowed(root, allowed)
    }

    /// Under what the files of a manifest are kept in memory (1.3).
    fn memory_space(&self, manifest: &str) -> String {
        manifest.to_owned()
    }

    // --- 2: reading ---

    /// What a read is asked for (2).
    fn read_input(&self, args: &Value) -> Result<ReadInput, ErrorObject> {
        content::read_input(args)
    }

    /// The largest file that is read, in bytes (2.5).
    fn read_limit(&self, configured: usize) -> usize {
        configured
    }

    /// The content of a file as the output has it (2.2, 2.4).
    fn encode_content(&self, bytes: Vec<u8>, encoding: Encoding) -> Result<String, ErrorObject> {
        content::encode(bytes, encoding)
    }

    /// The output of a read; `size` is that of the file (2.1).
    fn read_output(
        &self,
        path: &str,
        content: String,
        encoding: Encoding,
        size: usize,
        etag: Option<String>,
    ) -> Value {
        content::read_output(path, content, encoding, size, etag)
    }

    // --- 3: writing ---

    /// What a write is asked for (3).
    fn write_input(&self, args: &Value) -> Result<WriteInput, ErrorObject> {
        content::write_input(args)
    }

    /// The bytes that a content stands for (3.1, 3.4).
    fn decode_content(&self, content: String, encoding: Encoding) -> Result<Vec<u8>, ErrorObject> {
        content::decode(content, encoding)
    }

    /// The largest file that is written, in bytes (3.4).
    fn write_limit(&self, configured: usize) -> usize {
        configured
    }

    /// Whether so many bytes may be written (3.4).
    fn check_size(&self, bytes: usize, limit: usize) -> Result<(), ErrorObject> {
        content::check_size(bytes, limit)
    }

    /// The media type that an object gets (3.7).
    fn object_type(&self, content_type: Option<String>) -> Option<String> {
        content_type
    }

    /// Whether every name of a path is short enough for the folder's file system; asked before anything is made (3.5).
    fn names_fit(&self, folder: BorrowedFd<'_>, path: &str) -> bool {
        folder::names_fit(folder, path)
    }

    /// The folder below another in which a file goes; those that are missing are made (3.5).
    fn make_folders(&self, folder: BorrowedFd<'_>, path: &str) -> Result<OwnedFd, Failure> {
        folder::make_folders(self, folder, path)
    }

    /// Puts a file into its folder, and tells whether it is new (3.1 to 3.3).
    fn replace(&self, new: &Replacement<'_>) -> Result<bool, Failure> {
        folder::replace(new)
    }

    /// Whether a file is said to be new; `created` is what the store found (3.2).
    fn created(&self, created: bool) -> bool {
        created
    }

    /// The output of a write (3.2).
    fn write_output(&self, path: &str, size: usize, created: bool, etag: Option<String>) -> Value {
        content::write_output(path, size, created, etag)
    }

    /// What is recorded of a read or write that the store was asked for; `target` is root and path, `error` what it failed
    /// with (3.6).
    fn side_effect(
        &self,
        verb: Verb,
        target: &str,
        error: Option<&ErrorObject>,
        step_number: u64,
        at: String,
    ) -> Option<SideEffect> {
        super::side_effect(verb, target, error, step_number, at)
    }

    // --- 4: paths ---

    /// Whether a path is taken at all, told from its text (4).
    fn check_path(&self, path: &str) -> Result<(), ErrorObject> {
        self.check_length(path)?;
        self.check_segments(path)?;
        self.check_characters(path)?;
        self.check_encoded(path)?;
        self.check_look_alikes(path)
    }

    /// Whether a path has a length that is taken (4).
    fn check_length(&self, path: &str) -> Result<(), ErrorObject> {
        path::check_length(path)
    }

    /// Whether all segments are names (4.1).
    fn check_segments(&self, path: &str) -> Result<(), ErrorObject> {
        path::check_segments(path)
    }

    /// Whether no character has a meaning of its own (4.1).
    fn check_characters(&self, path: &str) -> Result<(), ErrorObject> {
        path::check_characters(path)
    }

    /// Whether no dot or slash is percent-encoded (4.2).
    fn check_encoded(&self, path: &str) -> Result<(), ErrorObject> {
        path::check_encoded(path)
    }

    /// Whether no character is one of those that normalisation makes dots and slashes of (4.3).
    fn check_look_alikes(&self, path: &str) -> Result<(), ErrorObject> {
        path::check_look_alikes(path)
    }

    /// The path at which the store looks: the one that was given (4).
    fn stored_path(&self, path: &str) -> String {
        path.to_owned()
    }

    /// Opens what a path names below a folder, and nothing else (4.4).
    fn open_below(
        &self,
        folder: BorrowedFd<'_>,
        path: &str,
        flags: OFlags,
    ) -> Result<OwnedFd, Failure> {
        folder::open_below(folder, path, flags)
    }

    // --- 5: errors ---

    /// The error of what a store says in place of a file (2.3, 2.5, 4.4 to 4.6, 5).
    fn store_error(&self, failure: Failure) -> ErrorObject {
        failure::error(failure)
    }

    /// How long a store may take (5.1).
    fn patience(&self, configured: Duration) -> Duration {
        configured
    }
}

impl StorageParts for Reference {}
