//! `read_file` and `write_file` (`spec/storage.md`).
//!
//! From the action inwards: this file reads the input, asks the store and records the effect; `folder`, `memory` and `buckets`
//! are the stores; [`root`], [`path`] and [`content`] are the rules that need no store; [`parts`] names every decision.

mod buckets;
pub mod content;
pub mod failure;
pub mod folder;
mod lent;
mod memory;
mod objects;
pub mod parts;
pub mod path;
pub mod root;
pub mod settings;
#[cfg(test)]
pub(super) mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Client;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::error::{Code, ErrorObject};
use super::parts::Parts;
use super::runtime::Runtime;
use super::session::transcript::SideEffect;
use super::session::{Call, Execution};
use crate::diagnostic::Violation;
use crate::manifest::{FileRoot, Kind, Manifest};
use buckets::Buckets;
use failure::Failure;
use memory::Memory;
use objects::Object;
pub use parts::StorageParts;
pub use root::{Root, Scheme};
pub use settings::{MemoryBounds, S3, S3Keys, Storage};

/// What is done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// `read_file`.
    Read,
    /// `write_file`.
    Write,
}

impl Verb {
    /// The method of the side effect (transcripts.md 6.1).
    pub fn method(self) -> &'static str {
        match self {
            Verb::Read => "read",
            Verb::Write => "write",
        }
    }
}

/// A file that a store has.
struct Found {
    bytes: Vec<u8>,
    etag: Option<String>,
}

/// A file that a store took.
struct Stored {
    created: bool,
    etag: Option<String>,
}

/// All stores of a runtime.
pub(super) struct Files {
    storage: Storage,
    memory: Memory,
    buckets: Buckets,
    /// Folders are worked on by threads of their own, of which there are so many.
    folder_turns: Arc<Semaphore>,
}

impl Files {
    /// The stores that the operator offers; `client` calls object stores.
    ///
    /// # Errors
    /// When the settings do not fit together; the text says what to change.
    pub(super) fn new(storage: Storage, client: &Client) -> Result<Self, String> {
        Ok(Self {
            memory: Memory::new(storage.memory),
            buckets: Buckets::new(&storage, client)?,
            folder_turns: Arc::new(Semaphore::new(storage.folder_operations.max(1))),
            storage,
        })
    }

    /// What the operator says.
    pub(super) fn storage(&self) -> &Storage {
        &self.storage
    }
}

/// The roots of a manifest that may not be used, each with its place (1.1, 1.2).
pub fn refused_roots(
    parts: &(impl Parts + ?Sized),
    manifest: &Manifest,
    allowed: &[Root],
) -> Vec<Violation> {
    let roots = manifest.actions.iter().filter_map(|action| {
        let (Kind::ReadFile(root) | Kind::WriteFile(root)) = &action.kind else {
            return None;
        };
        let refusal = parts.storage().check_root(&root.root, allowed).err()?;
        Some(Violation::new(
            root.pointer.clone(),
            refusal.rule,
            refusal.message,
        ))
    });
    roots.collect()
}

/// Executes `read_file` or `write_file`.
pub(super) async fn invoke(
    runtime: &Runtime,
    call: &Call,
    verb: Verb,
    root: &FileRoot,
) -> Execution {
    let done = match verb {
        Verb::Read => read(runtime, call, root).await,
        Verb::Write => write(runtime, call, root).await,
    };
    done.unwrap_or_else(Execution::refused)
}

/// # Errors
/// When the store is not even asked.
async fn read(runtime: &Runtime, call: &Call, root: &FileRoot) -> Result<Execution, ErrorObject> {
    let rules = runtime.parts().storage();
    let input = rules.read_input(&call.args)?;
    let target = Target::of(runtime, call, root, &input.path)?;
    let at = runtime.parts().format_time(runtime.now());
    let outcome = target.read().await.and_then(|found| {
        let size = found.bytes.len();
        let content = rules.encode_content(found.bytes, input.encoding)?;
        Ok(rules.read_output(&input.path, content, input.encoding, size, found.etag))
    });
    Ok(target.done(Verb::Read, outcome, at))
}

/// # Errors
/// When the store is not even asked.
async fn write(runtime: &Runtime, call: &Call, root: &FileRoot) -> Result<Execution, ErrorObject> {
    let rules = runtime.parts().storage();
    let input = rules.write_input(&call.args)?;
    let target = Target::of(runtime, call, root, &input.path)?;
    let bytes = rules.decode_content(input.content, input.encoding)?;
    let configured = runtime.files().storage.file_bytes;
    rules.check_size(bytes.len(), rules.write_limit(configured))?;
    let size = bytes.len();
    let object = Object {
        bytes,
        content_type: rules.object_type(input.content_type),
    };
    let at = runtime.parts().format_time(runtime.now());
    let outcome = target.write(object).await.map(|stored| {
        let created = rules.created(stored.created);
        rules.write_output(&input.path, size, created, stored.etag)
    });
    Ok(target.done(Verb::Write, outcome, at))
}

/// One file, and who wants it.
struct Target<'r> {
    runtime: &'r Runtime,
    step_number: u64,
    /// The root as it is read, and the path.
    name: String,
    place: Place,
}

/// Where a file is.
enum Place {
    Memory { space: String, key: String },
    Bucket { bucket: String, key: String },
    Folder(folder::Place),
}

impl<'r> Target<'r> {
    /// # Errors
    /// `path_refused`, told from the path's text.
    fn of(
        runtime: &'r Runtime,
        call: &Call,
        root: &FileRoot,
        path: &str,
    ) -> Result<Self, ErrorObject> {
        let rules = runtime.parts().storage();
        rules.check_path(path)?;
        let stored = rules.stored_path(path);
        // The registration has seen to it that the operator allows the root.
        let read = rules.read_root(&root.root);
        let root = read.map_err(|refusal| path::refused(refusal.message))?;
        let place = match root.scheme() {
            Scheme::Memory => Place::Memory {
                space: rules.memory_space(&call.manifest),
                key: root.key(&stored),
            },
            Scheme::S3 => Place::Bucket {
                bucket: root.bucket().to_owned(),
                key: root.key(&stored),
            },
            Scheme::File => {
                let mut allowed = runtime.files().storage.allowed_roots.iter();
                let allowed = allowed.find(|prefix| prefix.holds(&root));
                let allowed = allowed.ok_or_else(|| rules.store_error(Failure::NoPlace))?;
                Place::Folder(folder::Place::of(allowed, &root, &stored))
            }
        };
        Ok(Self {
            runtime,
            step_number: call.step_number,
            name: format!("{root}{path}"),
            place,
        })
    }

    async fn read(&self) -> Result<Found, ErrorObject> {
        let files = self.runtime.files();
        let limit = self.rules().read_limit(files.storage.file_bytes);
        self.in_time(async {
            match &self.place {
                Place::Memory { space, key } => files.memory.get(space, key, limit).await,
                Place::Bucket { bucket, key } => files.buckets.get(bucket, key, limit).await,
                Place::Folder(place) => {
                    let place = place.clone();
                    self.in_a_thread(move |parts| folder::read(parts.storage(), &place, limit))
                        .await
                }
            }
        })
        .await
    }

    async fn write(&self, object: Object) -> Result<Stored, ErrorObject> {
        let files = self.runtime.files();
        self.in_time(async {
            match &self.place {
                Place::Memory { space, key } => {
                    let living = || self.runtime.registry().living();
                    files.memory.put(space, key, object, &living).await
                }
                Place::Bucket { bucket, key } => files.buckets.put(bucket, key, object).await,
                Place::Folder(place) => {
                    let place = place.clone();
                    let waits = Waits(Arc::new(AtomicBool::new(true)));
                    let wanted = Arc::clone(&waits.0);
                    self.in_a_thread(move |parts| {
                        folder::write(parts.storage(), &place, &object.bytes, &wanted)
                    })
                    .await
                }
            }
        })
        .await
    }

    /// Runs what may block in a thread of its own, as soon as there is a place for it. The thread keeps its place until it
    /// ends, even if nobody waits for it any more.
    async fn in_a_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Parts) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let turns = Arc::clone(&self.runtime.files().folder_turns);
        let turn = turns.acquire_owned().await.map_err(|_| Failure::Broken)?;
        let parts = self.runtime.shared_parts();
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work(&*parts)
        });
        done.await.unwrap_or(Err(Failure::Broken))
    }

    /// Gives a store the action's time and no more (5.1).
    async fn in_time<T>(
        &self,
        asked: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, ErrorObject> {
        let patience = self.rules().patience(self.runtime.files().storage.patience);
        let answered = timeout(patience, asked).await;
        answered
            .unwrap_or(Err(Failure::Silent))
            .map_err(|failure| self.rules().store_error(failure))
    }

    fn done(&self, verb: Verb, outcome: Result<Value, ErrorObject>, at: String) -> Execution {
        let error = outcome.as_ref().err();
        let effect = self
            .rules()
            .side_effect(verb, &self.name, error, self.step_number, at);
        Execution {
            side_effects: effect.into_iter().collect(),
            outcome,
            logs: None,
        }
    }

    fn rules(&self) -> &'r dyn StorageParts {
        self.runtime.parts().storage()
    }
}

/// Tells a thread, by its end, that nobody waits for it any more.
struct Waits(Arc<AtomicBool>);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// The schemes of roots that can be used: memory always, the others where a prefix is allowed.
pub fn schemes(storage: &Storage) -> Vec<&'static str> {
    let offered = |scheme: &Scheme| {
        let mut allowed = storage.allowed_roots.iter();
        *scheme == Scheme::Memory || allowed.any(|root| root.scheme() == *scheme)
    };
    let offered = Scheme::ALL.into_iter().filter(offered);
    offered.map(Scheme::name).collect()
}

/// What is recorded of a read or write (transcripts.md 6): nothing if the path was refused, since nothing was read or written then.
pub fn side_effect(
    verb: Verb,
    target: &str,
    error: Option<&ErrorObject>,
    step_number: u64,
    at: String,
) -> Option<SideEffect> {
    if error.is_some_and(|error| error.code == Code::PathRefused) {
        return None;
    }
    Some(SideEffect {
        step_number: Some(step_number),
        kind: "file",
        method: verb.method().to_owned(),
        target: target.to_owned(),
        status: error.map_or("ok", |error| error.code.name()).into(),
        at,
    })
}
