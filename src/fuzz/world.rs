//! A generated world as plain data: what the manifest declares, what the model says, how the services behave, what the client does.
//!
//! Everything refers to everything else by name, so that any part can be taken out and what is left still is a world.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::generate::Feature;
use crate::requirement::Profile;

/// One world.
#[derive(Debug, Clone, PartialEq)]
pub struct World {
    /// What the generator was allowed to use; for reports only.
    pub features: BTreeSet<Feature>,
    /// The actions of the manifest, at least one.
    pub actions: Vec<Action>,
    /// Its intents.
    pub intents: Vec<Intent>,
    /// Scopes that the caller holds, where the target checks them; `None`: the caller is the plain one of the harness.
    pub scopes: Option<Vec<String>>,
    /// `environment` of every session's first observation.
    pub environment: Map<String, Value>,
    /// What the model says, in order; each entry once.
    pub model: Vec<Turn>,
    /// What it says for ever after.
    pub tail: Turn,
    /// What the client does: groups one after another, the calls of a group at the same time.
    pub calls: Vec<Vec<Call>>,
}

/// A JSON Schema with values that satisfy it and values that do not, by construction.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// The schema.
    pub schema: Value,
    /// Values that satisfy it, at least one.
    pub good: Vec<Value>,
    /// Values that do not; empty where every value does.
    pub bad: Vec<Value>,
}

/// One action.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Its arguments, an object.
    pub input: Shape,
    /// Its output.
    pub output: Shape,
    /// Where the output goes.
    pub result_path: Option<Value>,
    /// Whether success completes the session.
    pub completes_goal: bool,
    /// The flag that it exists for.
    pub flag: Option<String>,
    /// The action that runs when it fails (profile `workflow`).
    pub fallback: Option<String>,
    /// When it runs at all (profile `workflow`).
    pub conditional: Option<String>,
    /// Scopes that it needs (profile `access`).
    pub scopes: Vec<String>,
    /// How often it may run (profile `access`).
    pub rate_limit: Option<String>,
    /// Whether a person has to agree (profile `access`).
    pub approval: bool,
}

/// What an action is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// One HTTP request.
    Api(Box<Api>),
    /// A question to a person.
    Human {
        /// What the person is asked.
        prompt: String,
    },
    /// Code in the sandbox.
    Code {
        /// The `runtime` of the manifest.
        runtime: String,
        /// Its source.
        code: String,
    },
    /// Reads a file below `memory:fuzz/`.
    Read,
    /// Writes one there.
    Write,
}

/// One HTTP request, and how the service behaves.
#[derive(Debug, Clone, PartialEq)]
pub struct Api {
    /// `calendar`, `email` or `crm`.
    pub service: &'static str,
    /// The method.
    pub method: &'static str,
    /// The value of `auth`.
    pub auth: Option<String>,
    /// More headers.
    pub headers: Vec<(String, String)>,
    /// `timeout_ms`.
    pub timeout_ms: Option<u64>,
    /// `request_map`.
    pub request_map: Option<Value>,
    /// `response_map`.
    pub response_map: Option<Value>,
    /// What the service answers, in order; after that the first good output for ever.
    pub replies: Vec<Reply>,
}

/// One answer of a service.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// JSON with this status.
    Json(u16, Value),
    /// A text that is no JSON.
    Text(String),
    /// No body.
    Empty(u16),
    /// A JSON text of so many bytes.
    Big(usize),
    /// A good output after so many milliseconds.
    Late(u64),
    /// `disconnect`, `truncated` or `timeout`.
    Fault(&'static str),
    /// To another path of the same service, or of the named one.
    Redirect(u16, Option<&'static str>),
    /// The caller's credential in this encoding, within a good output.
    Echo(&'static str),
}

/// A named subset of the actions.
#[derive(Debug, Clone, PartialEq)]
pub struct Intent {
    /// Its name.
    pub name: String,
    /// Names of actions.
    pub actions: Vec<String>,
}

/// One answer of the model.
#[derive(Debug, Clone, PartialEq)]
pub enum Turn {
    /// An action plan.
    Plan {
        /// The action that it names, declared or not.
        action: String,
        /// Its arguments, valid or not.
        args: Value,
        /// Members beyond those of a plan.
        extra: Map<String, Value>,
    },
    /// A finish.
    Finish {
        /// Its `summary`.
        summary: Option<String>,
    },
    /// Any other JSON value.
    Json(Value),
    /// Any text.
    Text(String),
    /// A plan whose arguments hold a text of so many bytes.
    Long {
        /// The action that it names.
        action: String,
        /// Length of the text.
        bytes: usize,
    },
    /// A plan whose arguments are nested so deep.
    Deep {
        /// The action that it names.
        action: String,
        /// Levels below the arguments.
        levels: usize,
    },
    /// A finish that was cut off for its length.
    CutOff,
    /// A fault of the model, such as `disconnect`.
    Fault(&'static str),
    /// A status that is no success.
    Status(u16),
}

/// An idempotency key and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The key.
    pub key: String,
    /// In the body as `requestId` rather than in the header.
    pub in_body: bool,
}

/// What a person answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Reaction {
    /// `output`.
    Output(Value),
    /// `decision`.
    Decision(String),
    /// Any other body.
    Body(Value),
}

/// One call of the client. `session` counts the sessions of the world from 0.
#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    /// `POST /sessions`.
    Open {
        /// Which session it makes.
        session: usize,
        /// Most steps.
        max_steps: Option<u64>,
        /// The intent, a declared one.
        intent: Option<String>,
        /// Flags.
        flags: Vec<String>,
        /// The key.
        key: Option<Key>,
    },
    /// `POST /sessions` with a body that has to be refused: a merge patch on a good one.
    BadOpen {
        /// The patch.
        patch: Map<String, Value>,
    },
    /// A step.
    Step {
        /// Of which session.
        session: usize,
        /// The key.
        key: Option<Key>,
        /// Members of the body beyond the key.
        body: Map<String, Value>,
    },
    /// An answer to the question that was asked last, or to none.
    Answer {
        /// Of which session.
        session: usize,
        /// What is answered.
        reaction: Reaction,
        /// The key.
        key: Option<Key>,
    },
    /// A close.
    Close {
        /// Of which session.
        session: usize,
        /// The key.
        key: Option<Key>,
    },
    /// A look at a session: `GET /sessions/{id}` and what follows.
    Read {
        /// Which session.
        session: usize,
        /// `` or `/transcript`.
        below: &'static str,
    },
    /// A call on a session by somebody else.
    Stranger {
        /// Who: a name of [`STRANGERS`].
        who: &'static str,
        /// Which session.
        session: usize,
        /// `step`, `close` or `read`.
        what: &'static str,
    },
    /// `POST /execute`.
    Execute {
        /// The nodes.
        nodes: Vec<Node>,
        /// The state.
        state: Map<String, Value>,
        /// The key.
        key: Option<Key>,
    },
    /// Registers another version of the manifest, or a document that has to be refused.
    Register {
        /// A merge patch on the manifest.
        patch: Map<String, Value>,
        /// The key, in the header.
        key: Option<Key>,
    },
    /// Any request; `{session}` in the path is the first session.
    Raw {
        /// The method.
        method: &'static str,
        /// The path.
        path: String,
        /// `content-type` where it is not the usual one.
        content_type: Option<String>,
        /// The body.
        body: Body,
    },
}

/// One node of a workflow.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The action that it names.
    pub name: String,
    /// Its input.
    pub input: Value,
    /// Its conditional.
    pub conditional: Option<String>,
    /// Its fallback.
    pub fallback: Option<String>,
}

/// The body of a raw request.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// None.
    None,
    /// A text as it is.
    Text(String),
    /// Bytes in base64.
    Base64(&'static str),
    /// An object with one member of so many bytes.
    Long(usize),
}

/// Others than the caller of a world, by the name that a case gives them: somebody with a good token, and those whose token is none.
pub const STRANGERS: [&str; 9] = [
    "bob",
    "nobody",
    "basic",
    "unsigned",
    "forged",
    "confused",
    "late",
    "early",
    "elsewhere",
];

/// The session that a world without sessions speaks of: nobody has it.
pub const NOBODYS_SESSION: &str = "no-such-session-000000";

impl World {
    /// Profiles that a target needs for it.
    pub fn needs(&self) -> BTreeSet<Profile> {
        let mut needs = BTreeSet::from([Profile::Session]);
        for action in &self.actions {
            match &action.kind {
                Kind::Api(_) => {}
                Kind::Human { .. } => {
                    needs.insert(Profile::Human);
                }
                Kind::Code { runtime, .. } => {
                    needs.insert(Profile::Sandbox);
                    needs.insert(if runtime.starts_with("python") {
                        Profile::SandboxPython
                    } else {
                        Profile::SandboxJavascript
                    });
                }
                Kind::Read | Kind::Write => {
                    needs.insert(Profile::Storage);
                }
            }
            if action.fallback.is_some() || action.conditional.is_some() {
                needs.insert(Profile::Workflow);
            }
            if action.approval || action.rate_limit.is_some() || !action.scopes.is_empty() {
                needs.insert(Profile::Access);
            }
        }
        if self
            .calls
            .iter()
            .flatten()
            .any(|call| matches!(call, Call::Execute { .. }))
        {
            needs.insert(Profile::Workflow);
        }
        let strange = |call: &Call| matches!(call, Call::Stranger { .. });
        if self.scopes.is_some() || self.calls.iter().flatten().any(strange) {
            needs.insert(Profile::Access);
        }
        needs
    }

    /// The action of that name.
    pub fn action(&self, name: &str) -> Option<&Action> {
        self.actions.iter().find(|action| action.name == name)
    }

    /// Whether no two calls are made at the same time: then what happens is decided by the world alone.
    pub fn is_sequential(&self) -> bool {
        self.calls.iter().all(|group| group.len() < 2)
    }
}

impl Shape {
    /// The shape that everything satisfies, with one value.
    pub fn any(value: Value) -> Self {
        Self {
            schema: Value::Object(Map::new()),
            good: vec![value],
            bad: Vec::new(),
        }
    }

    /// The first value that satisfies it.
    pub fn first(&self) -> Value {
        self.good.first().cloned().unwrap_or_default()
    }
}
