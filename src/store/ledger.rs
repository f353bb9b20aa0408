//! What outlives the process: a ledger keeps each session as the rows of what came in from outside, and a session is what its
//! rows make of it again (`spec/sessions.md` section 5).
//!
//! A ledger reads no row: rows, answers, documents and transcripts are texts to it. It keeps their order, says which session
//! goes on where, and loses nothing once it has said that something is kept.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;

/// What comes of a ledger's work, later.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = Result<T, LedgerError>> + Send + 'a>>;

/// Why a ledger did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerError {
    /// It cannot be reached, or cannot write. Whether the last thing was kept is not known; reading it anew tells.
    Unavailable(String),
    /// Another process went on with the session, or holds it; nothing was kept.
    Conflict,
    /// What was kept cannot be read.
    Damaged(String),
}

impl fmt::Display for LedgerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LedgerError::Unavailable(reason) => write!(f, "the store is not available: {reason}"),
            LedgerError::Conflict => f.write_str("another process has the session"),
            LedgerError::Damaged(reason) => {
                write!(f, "what the store kept cannot be read: {reason}")
            }
        }
    }
}

impl std::error::Error for LedgerError {}

/// An answer that is repeated to a request with the same key (`spec/idempotency.md`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// Digest of the key's scope.
    pub scope: String,
    /// Digest of the request.
    pub fingerprint: String,
    /// When it was given.
    pub at: Timestamp,
    /// Status, headers and body, as the runtime wrote them.
    pub text: String,
}

/// A session that begins.
#[derive(Debug, Clone)]
pub struct Beginning {
    /// Its id.
    pub id: String,
    /// The subject that opened it.
    pub owner: String,
    /// When.
    pub at: Timestamp,
    /// Digest of its manifest.
    pub digest: String,
    /// The manifest, kept by its digest as long as a session needs it.
    pub document: String,
    /// The first row; its number is 1.
    pub row: String,
    /// The answer that is kept with it, both or neither. [`LedgerError::Conflict`] when the scope has one already.
    pub answer: Option<KeptAnswer>,
}

/// More rows of a session, kept all or none.
#[derive(Debug, Clone)]
pub struct Addition {
    /// The session.
    pub id: String,
    /// Number of the last row before these; another one is [`LedgerError::Conflict`].
    pub after: u64,
    /// The rows; may be none where there is a transcript or an answer.
    pub rows: Vec<String>,
    /// When they came.
    pub at: Timestamp,
    /// Whether a call is under way that may have an effect outside, until the next addition says otherwise.
    pub in_flight: bool,
    /// The answer that is kept with them.
    pub answer: Option<KeptAnswer>,
    /// The transcript, which ends the session: its rows go, and the transcript is kept.
    pub transcript: Option<String>,
}

/// A session as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The subject that opened it.
    pub owner: String,
    /// When it was last called.
    pub touched: Timestamp,
    /// Digest of its manifest.
    pub digest: String,
    /// Rows with their numbers, in order, without gaps.
    pub rows: Vec<(u64, String)>,
}

/// What is left of a closed session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archived {
    /// The subject that opened it.
    pub owner: String,
    /// The transcript.
    pub transcript: String,
}

/// Where an open session stands among those of its owner: the newest first, and of one moment the greatest id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// When the session was opened, to the microsecond.
    pub opened: Timestamp,
    /// Its id.
    pub id: String,
}

/// What became of a manifest that is to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filed {
    /// It is new.
    New,
    /// The same document was there.
    Known,
    /// Another document has the name and version; nothing was kept.
    Other,
}

/// A registered manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its digest.
    pub digest: String,
    /// The document.
    pub document: String,
}

/// A count, or another small text, that processes share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// Digest of what is counted.
    pub scope: String,
    /// The count, as the runtime wrote it.
    pub text: String,
    /// After this nobody needs it.
    pub until: Timestamp,
}

/// How long what is over is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Transcripts of sessions that were closed before go.
    pub transcripts_before: Timestamp,
    /// The most transcripts; the oldest go first.
    pub most_transcripts: u64,
    /// Answers that were given before go.
    pub answers_before: Timestamp,
    /// The most answers; the oldest go first.
    pub most_answers: u64,
}

/// Keeps sessions, answers, manifests and transcripts. Every method that returns `Ok` has made durable what it was given.
pub trait Ledger: fmt::Debug + Send + Sync + 'static {
    /// How long what a process holds stays with it when it dies; `None` where no other process uses the ledger at the same time.
    fn lease(&self) -> Option<Duration>;

    /// Whether other processes use it at the same time.
    fn shared(&self) -> bool {
        self.lease().is_some()
    }

    /// Keeps a new session.
    fn begin(&self, beginning: Beginning) -> Later<'_, ()>;

    /// Keeps more of a session. In a shared ledger the session must be claimed.
    fn add(&self, addition: Addition) -> Later<'_, ()>;

    /// The rows of an open session after this number; all of them after 0. `None` when no open session has the id.
    fn load<'a>(&'a self, id: &'a str, after: u64) -> Later<'a, Option<Kept>>;

    /// Makes this process the only one that goes on with a session, until it lets go of it or dies. Waits for its turn for a
    /// while, then [`LedgerError::Conflict`].
    fn claim<'a>(&'a self, id: &'a str) -> Later<'a, ()>;

    /// Lets go of a session; never fails, since a claim ends by itself.
    fn release(&self, id: &str);

    /// Notes that a session was called.
    fn touch<'a>(&'a self, id: &'a str, at: Timestamp) -> Later<'a, ()>;

    /// The transcript of a closed session.
    fn archived<'a>(&'a self, id: &'a str) -> Later<'a, Option<Archived>>;

    /// The answer kept under a scope.
    fn answer<'a>(&'a self, scope: &'a str) -> Later<'a, Option<KeptAnswer>>;

    /// Keeps an answer alone. [`LedgerError::Conflict`] when the scope has one.
    fn keep_answer(&self, answer: KeptAnswer) -> Later<'_, ()>;

    /// The text of the count kept under a scope.
    fn count<'a>(&'a self, scope: &'a str) -> Later<'a, Option<String>>;

    /// Keeps a count in the place of the one whose text this is, or of none. [`LedgerError::Conflict`] where another one is there.
    fn recount(&self, before: Option<String>, count: Count) -> Later<'_, ()>;

    /// Lets go of counts that nobody needs since before.
    fn forget_counts(&self, before: Timestamp) -> Later<'_, ()>;

    /// A number that grows whenever a manifest is registered or deleted.
    fn manifests_revision(&self) -> Later<'_, u64>;

    /// All registered manifests, in the order in which they were registered.
    fn manifests(&self) -> Later<'_, Vec<Registered>>;

    /// Registers a manifest, with the answer that is kept with it.
    fn file_manifest(&self, manifest: Registered, answer: Option<KeptAnswer>) -> Later<'_, Filed>;

    /// Takes a manifest out; whether it was there.
    fn remove_manifest<'a>(&'a self, name: &'a str, version: &'a str) -> Later<'a, bool>;

    /// The document of this digest, registered or still needed by a session.
    fn document<'a>(&'a self, digest: &'a str) -> Later<'a, Option<String>>;

    /// Up to so many open sessions that this subject opened, in order, after this place or from the first.
    fn owned<'a>(
        &'a self,
        owner: &'a str,
        after: Option<Place>,
        most: usize,
    ) -> Later<'a, Vec<Place>>;

    /// Up to so many sessions that were not called since.
    fn idle(&self, before: Timestamp, most: usize) -> Later<'_, Vec<String>>;

    /// Up to so many sessions in which a call was under way when its process died; in a shared ledger those that nobody holds.
    fn in_flight(&self, most: usize) -> Later<'_, Vec<String>>;

    /// How many sessions are open.
    fn open_sessions(&self) -> Later<'_, u64>;

    /// Lets go of what is over and older than it is kept.
    fn prune(&self, retention: Retention) -> Later<'_, ()>;
}
