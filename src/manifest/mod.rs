//! Manifests: a document in either spelling becomes a typed [`Manifest`], or the list of everything wrong with it.
//!
//! [`load`] takes parsed JSON, [`read`] takes bytes. Both check the whole document and report every
//! violation at once, each with a JSON Pointer into the document as it was given (`spec/manifests.md`).
//! What a document needs beyond the `core` profile is told by [`Manifest::needs`]; whether a runtime
//! has it is the runtime's business.

mod access;
mod action;
pub mod bundle;
mod check;
mod endpoint;
mod fallback;
pub mod generate;
mod invoke;
mod known;
pub mod layout;
mod load;
mod mapping;
mod members;
mod need;
pub mod path_form;
mod pointer;
mod reads;
mod report;
mod respell;
mod result_path;
mod root;
mod schemas;
mod spelling;
mod text;
mod unified;
pub mod vocabulary;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::diagnostic::Violation;
use crate::expression::{Expression, Template};
use crate::json::ReadError;
use crate::schema::Schema;

pub use access::{AccessControl, RateLimit, Verification};
pub use action::is_function;
pub use check::parse_version;
pub use fallback::{Fallback, FallbackNode};
pub use invoke::belongs_to_connection;
pub use known::{action_types, known_members};
pub use load::{load, read};
pub use mapping::{Mapping, Source};
pub use members::is_dotted_name;
pub use need::{CodePlace, Need};
pub use pointer::Pointer;
pub use respell::{CannotRespell, to_json_ld};
pub use result_path::ResultPath;
pub use root::{INVALID_ROOT, Root, RootRefusal, Scheme};
pub use text::{Piece, Text};
pub use unified::{Problems, Unified, unified};

/// The rule under which another major protocol version is reported; answered with its own error code.
pub const UNSUPPORTED_PROTOCOL_VERSION: &str = "unsupported_protocol_version";

/// Most violations one load reports; one more entry then says that others were left out.
pub const MAX_VIOLATIONS: usize = 100;

/// Most actions of one manifest.
pub const MAX_ACTIONS: usize = 1000;

/// Most intents of one manifest.
pub const MAX_INTENTS: usize = 1000;

/// A manifest that satisfies every rule of `spec/manifests.md`.
///
/// Cloning copies the document; share it behind an [`Arc`] where many hold it.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The manifest's own name.
    pub name: String,
    /// Its version; a two-part version has patch 0.
    pub version: semver::Version,
    /// The version as the document writes it.
    pub declared_version: String,
    /// What it is for.
    pub description: Option<String>,
    /// The actions, in the document's order.
    pub actions: Vec<Arc<Action>>,
    /// The intents, in the document's order.
    pub intents: Vec<Intent>,
    /// `sha256:` and 64 hex digits over the canonical snake_case form.
    pub digest: String,
    /// The document in the snake_case spelling.
    pub document: Value,
    needs: Vec<Need>,
    codes: Vec<CodePlace>,
    warnings: Vec<Violation>,
}

impl Manifest {
    /// The action of this name.
    pub fn action(&self, name: &str) -> Option<&Arc<Action>> {
        self.actions.iter().find(|action| action.name == name)
    }

    /// The intent of this name.
    pub fn intent(&self, name: &str) -> Option<&Intent> {
        self.intents.iter().find(|intent| intent.name == name)
    }

    /// The members that belong to a profile beyond `core`, in the document's order.
    ///
    /// A runtime without such a profile must refuse the manifest rather than ignore the member.
    pub fn needs(&self) -> &[Need] {
        &self.needs
    }

    /// Where the code of its `run_code` actions stands, in the document's order.
    pub fn codes(&self) -> &[CodePlace] {
        &self.codes
    }

    /// Findings that do not refuse the manifest: unknown members, a two-part version, effects without approval.
    pub fn warnings(&self) -> &[Violation] {
        &self.warnings
    }
}

/// A goal's kind: which actions a session that names it may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// Unique among the manifest's intents.
    pub name: String,
    /// For the model and for people.
    pub description: Option<String>,
    /// Names of declared actions, no name twice.
    pub actions: Vec<String>,
    /// Scopes that a session with this intent needs (profile `access`).
    pub access_control: Option<AccessControl>,
}

/// One declared action.
#[derive(Debug, Clone)]
pub struct Action {
    /// Unique among the manifest's actions.
    pub name: String,
    /// For the model and for people.
    pub description: Option<String>,
    /// What runs, with the members of that type.
    pub kind: Kind,
    /// The input schema as declared, for the contract shown to the model.
    pub input_schema: Value,
    /// The output schema as declared.
    pub output_schema: Value,
    /// The compiled input schema.
    pub input: Schema,
    /// The compiled output schema.
    pub output: Schema,
    /// Where the output goes in the observation; absent: the default merge.
    pub result_path: Option<ResultPath>,
    /// Success of this action completes the session.
    pub completes_goal: bool,
    /// The action exists only for sessions that carry this flag.
    pub feature_flag: Option<String>,
    /// What the action does to the world, as its author says.
    pub effects: Vec<Effect>,
    /// Scopes, rate and approval (profile `access`).
    pub access_control: Option<AccessControl>,
    /// The expression that must hold (profile `workflow`).
    pub conditional: Option<Expression>,
    /// What runs when this fails (profile `workflow`).
    pub fallback_action: Option<Fallback>,
}

/// An action's type with that type's members.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A call of an HTTP service.
    InvokeApi(InvokeApi),
    /// A question to a person; the answer must satisfy the output schema.
    HumanIntervention {
        /// What the person is asked, as it is written.
        prompt: String,
        /// The same with its templates, which profile `workflow` knows; without that profile it holds none.
        template: Template,
    },
    /// A piece of code run in the sandbox (profile `sandbox`).
    RunCode(RunCode),
    /// A file read below a root (profile `storage`).
    ReadFile(FileRoot),
    /// A file written below a root (profile `storage`).
    WriteFile(FileRoot),
    /// An implementation known to the runtime under a name (profile `workflow`).
    Plugin(Plugin),
}

impl Kind {
    /// The type's name as manifests spell it.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::InvokeApi(_) => "invoke_api",
            Kind::HumanIntervention { .. } => "human_intervention",
            Kind::RunCode(_) => "run_code",
            Kind::ReadFile(_) => "read_file",
            Kind::WriteFile(_) => "write_file",
            Kind::Plugin(_) => "plugin",
        }
    }
}

/// The members of `invoke_api`.
#[derive(Debug, Clone)]
pub struct InvokeApi {
    /// Absolute `http` or `https` URL; its `${VAR}` come from the non-secret configuration.
    pub endpoint: Text,
    /// The HTTP method.
    pub method: Method,
    /// The whole value of the `Authorization` header.
    pub auth: Option<Text>,
    /// Further headers, names as declared, in the document's order; no name twice whatever the case.
    pub headers: Vec<(String, Text)>,
    /// Time limit of the call.
    pub timeout: Duration,
    /// How arguments become the request; absent: as they are.
    pub request_map: Option<Mapping>,
    /// How the reply becomes the output; absent: as it is.
    pub response_map: Option<Mapping>,
    /// How long a reply may be given again (extension `caching`).
    pub cache: Option<Cache>,
    /// How calls are joined in one request (extension `caching`).
    pub batch: Option<Box<Batch>>,
}

/// The member `cache` of a definition that only reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    /// How long a reply may be given again, at most an hour.
    pub ttl: Duration,
    /// Pointer to the member in the document as given.
    pub pointer: String,
}

/// The member `batch` of a definition that only reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// How long a call waits for others, at most a second.
    pub window: Duration,
    /// The argument that is joined; always there, and an array.
    pub member: String,
    /// The member of the reply that is taken apart; absent: the reply itself.
    pub result_member: Option<String>,
    /// Pointer to the member in the document as given.
    pub pointer: String,
}

/// The HTTP methods that an action may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Arguments go into the query.
    Get,
    /// Arguments go into a JSON body.
    Post,
    /// Arguments go into a JSON body.
    Put,
    /// Arguments go into a JSON body.
    Patch,
    /// Arguments go into the query.
    Delete,
}

impl Method {
    /// All methods, in the order in which error texts list them.
    pub const ALL: [Method; 5] = [
        Method::Get,
        Method::Post,
        Method::Put,
        Method::Patch,
        Method::Delete,
    ];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }

    /// Whether arguments travel in the query instead of a body.
    pub fn sends_query(self) -> bool {
        matches!(self, Method::Get | Method::Delete)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The members of `run_code`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunCode {
    /// `wasm`, `javascript` or `python3.x`.
    pub runtime: String,
    /// Source text; for `wasm` the module in base64.
    pub code: String,
    /// The function that is called.
    pub entrypoint: String,
    /// CPU time, milliseconds.
    pub cpu_ms: u64,
    /// Memory, MiB.
    pub memory_mib: u64,
    /// Granted destinations, `host:port`.
    pub network: Vec<String>,
}

/// The members of `read_file` and `write_file`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRoot {
    /// A text that reads as a [`Root`], as it is written.
    pub root: String,
    /// Pointer to it in the document as given.
    pub pointer: String,
}

/// The members of `plugin`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugin {
    /// Where its code is found; absent: under the action's name.
    pub reference: Option<String>,
}

/// What an action does to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Reads only.
    Read,
    /// Changes something.
    Write,
    /// Spends money.
    Cost,
    /// Changes something that cannot easily be mended.
    Critical,
}

impl Effect {
    /// All effects, in the order in which error texts list them.
    pub const ALL: [Effect; 4] = [Effect::Read, Effect::Write, Effect::Cost, Effect::Critical];

    /// The name as manifests spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Effect::Read => "read",
            Effect::Write => "write",
            Effect::Cost => "cost",
            Effect::Critical => "critical",
        }
    }
}

/// Why [`read`] gave no manifest.
#[derive(Debug, Clone)]
pub enum LoadError {
    /// The bytes are not one strict JSON text.
    Json(ReadError),
    /// The document breaks rules; all of them.
    Invalid(Vec<Violation>),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Json(error) if error.pointer.is_empty() => {
                write!(f, "{} [{}]", error.message, error.code)
            }
            LoadError::Json(error) => {
                write!(f, "{}: {} [{}]", error.pointer, error.message, error.code)
            }
            LoadError::Invalid(violations) => {
                for (index, violation) in violations.iter().enumerate() {
                    if index > 0 {
                        f.write_str("\n")?;
                    }
                    write!(f, "{violation}")?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for LoadError {}
