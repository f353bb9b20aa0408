//! The server as a machine: one message in, those that answer it out.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::members::{self, PlanForm};
use super::position::{Encoding, Positions};
use super::{completion, findings, hover};
use crate::document::{Document, Format, ReadError};
use crate::lint::config::Config;
use crate::lint::{self, DocumentKind, Finding, Preset, Selection, Subject, Told};

/// Most texts that are open at once; more are not looked at.
const MOST_OPEN: usize = 256;

/// Codes of errors in the protocol.
const PARSE_ERROR: i64 = -32700;
const METHOD_NOT_FOUND: i64 = -32601;
const INVALID_REQUEST: i64 = -32600;
const INVALID_PARAMS: i64 = -32602;
const NOT_INITIALIZED: i64 = -32002;

/// A text that an editor has open.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) text: String,
    pub(super) format: Format,
    pub(super) version: Value,
    pub(super) kind: DocumentKind,
    /// Its path below the folder of the configuration; else its address.
    pub(super) path: String,
    pub(super) read: Result<Document, ReadError>,
    pub(super) findings: Vec<Finding>,
    /// Names of actions of the last version that did read: they are wanted while one is written that does not.
    pub(super) action_names: Vec<String>,
    /// The spelling of the last version that did read.
    pub(super) json_ld: bool,
    /// The form of the last version that did read, of a plan.
    pub(super) form: PlanForm,
}

impl Open {
    fn new(text: String, format: Format, version: Value, path: String) -> Self {
        let (kind, form) = members::guess(&text);
        Self {
            read: Document::read(text.as_str(), format),
            json_ld: kind == DocumentKind::Manifest && text.contains("OpenAction:Manifest"),
            text,
            format,
            version,
            kind,
            path,
            findings: Vec::new(),
            action_names: Vec::new(),
            form,
        }
    }

    fn change(&mut self, text: String, version: Value) {
        self.read = Document::read(text.as_str(), self.format);
        self.text = text;
        self.version = version;
    }

    fn look(&mut self, rules: &Rules) {
        self.findings.clear();
        if let Ok(document) = &self.read {
            self.kind = DocumentKind::guess(document.value());
            self.form = PlanForm::guess(document.value());
            // A plan whose first type is just being written.
            if self.kind == DocumentKind::Manifest {
                (self.kind, _) = members::guess(&self.text);
            }
            let subject = Subject::new(document, self.kind);
            self.json_ld = subject.is_json_ld();
            self.action_names = subject
                .action_names()
                .into_iter()
                .map(str::to_owned)
                .collect();
            // What is no file yet has no name that could be wrong.
            let file = Some(self.path.as_str()).filter(|path| !path.starts_with("untitled:"));
            let told = rules
                .loader
                .map(|loader| loader(document, self.kind, file, &rules.selection));
            let judged = lint::judge_with(
                document,
                self.kind,
                &rules.selection,
                &rules.config,
                Some(&self.path),
                told.as_deref(),
            );
            self.findings = judged.findings;
        }
    }
}

/// What rooms that this one does not know refuse of a document of a kind, which is the file of a name.
pub type Loader = fn(&Document, DocumentKind, Option<&str>, &Selection) -> Vec<Told>;

/// What is asked of every text.
#[derive(Debug)]
pub(super) struct Rules {
    /// None where this room is alone.
    pub(super) loader: Option<Loader>,
    pub(super) selection: Selection,
    pub(super) config: Config,
}

/// A language server for manifests, plans, targets and cases.
#[derive(Debug)]
pub struct Server {
    open: BTreeMap<String, Open>,
    encoding: Encoding,
    rules: Rules,
    /// What addresses of files below the configuration's folder begin with.
    folder: String,
    initialized: bool,
    shut_down: bool,
    exited: Option<u8>,
}

impl Server {
    /// A server that nobody has spoken to yet; paths in the configuration are below `folder`.
    pub fn new(config: Config, folder: &Path) -> Self {
        Self {
            open: BTreeMap::new(),
            encoding: Encoding::default(),
            rules: Rules {
                loader: None,
                selection: config.selection(config.preset.unwrap_or(Preset::Recommended)),
                config,
            },
            folder: format!("file://{}/", folder.display()),
            initialized: false,
            shut_down: false,
            exited: None,
        }
    }

    /// The same server that also tells what a loader refuses.
    #[must_use]
    pub fn with_loader(mut self, loader: Loader) -> Self {
        self.rules.loader = Some(loader);
        self
    }

    /// The exit code, once the client said `exit`: 0 after a `shutdown`.
    pub fn exited(&self) -> Option<u8> {
        self.exited
    }

    /// Takes one message and answers with those to send. What is no message of the protocol is answered with an error, or not at all.
    pub fn handle(&mut self, message: &Value) -> Vec<Value> {
        // Lists of messages are not part of the protocol.
        if !message.is_object() {
            let why = "a message is one object; send each by itself";
            return vec![refusal(&Value::Null, INVALID_REQUEST, why)];
        }
        let id = message.get("id").filter(|id| !id.is_null());
        if id.is_some_and(|id| !id.is_string() && !id.is_number()) {
            let why = "an id is a number or a text";
            return vec![refusal(&Value::Null, INVALID_REQUEST, why)];
        }
        let Some(method) = message.get("method").and_then(Value::as_str) else {
            // An answer to something, or no message: this server asks nothing.
            if message.get("result").is_some() || message.get("error").is_some() {
                return Vec::new();
            }
            let why = "a request has a method";
            return vec![refusal(id.unwrap_or(&Value::Null), INVALID_REQUEST, why)];
        };
        let parameters = message.get("params").unwrap_or(&Value::Null);
        match id {
            Some(id) => vec![self.request(id, method, parameters)],
            None => self.notification(method, parameters),
        }
    }

    fn request(&mut self, id: &Value, method: &str, parameters: &Value) -> Value {
        if self.shut_down {
            return refusal(id, INVALID_REQUEST, "the server was shut down");
        }
        if method == "initialize" {
            if self.initialized {
                return refusal(id, INVALID_REQUEST, "'initialize' is sent once");
            }
            self.initialized = true;
            return answer(id, self.initialize(parameters));
        }
        if !self.initialized {
            return refusal(id, NOT_INITIALIZED, "send 'initialize' first");
        }
        match method {
            "shutdown" => {
                self.shut_down = true;
                answer(id, Value::Null)
            }
            "textDocument/hover" => match self.place(parameters) {
                Some((open, positions, offset)) => {
                    answer(id, hover::at(open, &positions, offset).unwrap_or_default())
                }
                None => unknown_text(id),
            },
            "textDocument/completion" => match self.place(parameters) {
                Some((open, positions, offset)) => {
                    let items = completion::at(open, &positions, offset);
                    answer(id, json!({"isIncomplete": false, "items": items}))
                }
                None => unknown_text(id),
            },
            "textDocument/codeAction" => match self.text(parameters) {
                Some((uri, open)) => {
                    let positions = Positions::new(&open.text, self.encoding);
                    let Some(span) = parameters
                        .get("range")
                        .and_then(|range| positions.span(range))
                    else {
                        return refusal(id, INVALID_PARAMS, "give a range");
                    };
                    let only = parameters.pointer("/context/only");
                    let only = only.and_then(Value::as_array).map(Vec::as_slice);
                    let actions = findings::actions(uri, open, &self.rules, &positions, span, only);
                    answer(id, Value::Array(actions))
                }
                None => unknown_text(id),
            },
            _ => refusal(id, METHOD_NOT_FOUND, "this server does not know the method"),
        }
    }

    fn initialize(&mut self, parameters: &Value) -> Value {
        let offered = parameters.pointer("/capabilities/general/positionEncodings");
        self.encoding = Encoding::of_client(offered);
        let wished = match parameters.pointer("/initializationOptions/preset") {
            Some(name) if name == "spec" => Some(Preset::Spec),
            Some(name) if name == "strict" => Some(Preset::Strict),
            Some(name) if name == "recommended" => Some(Preset::Recommended),
            _ => None,
        };
        let preset = self.rules.config.preset.or(wished);
        self.rules.selection = self
            .rules
            .config
            .selection(preset.unwrap_or(Preset::Recommended));
        json!({
            "capabilities": {
                "positionEncoding": self.encoding.name(),
                "textDocumentSync": {"openClose": true, "change": 1, "save": false},
                "hoverProvider": true,
                "completionProvider": {"triggerCharacters": completion::triggers()},
                "codeActionProvider": {"codeActionKinds": ["quickfix", "source.fixAll.oap-conform"]},
            },
            "serverInfo": {"name": "oap-conform", "version": env!("CARGO_PKG_VERSION")},
        })
    }

    fn notification(&mut self, method: &str, parameters: &Value) -> Vec<Value> {
        if method == "exit" {
            self.exited = Some(u8::from(!self.shut_down));
            return Vec::new();
        }
        if !self.initialized || self.shut_down {
            return Vec::new();
        }
        let Some(uri) = parameters
            .pointer("/textDocument/uri")
            .and_then(Value::as_str)
        else {
            return Vec::new();
        };
        let version = parameters
            .pointer("/textDocument/version")
            .cloned()
            .unwrap_or_default();
        match method {
            "textDocument/didOpen" => {
                let member = |name: &str| parameters.pointer(name).and_then(Value::as_str);
                let Some(text) = member("/textDocument/text") else {
                    return Vec::new();
                };
                if self.open.len() >= MOST_OPEN && !self.open.contains_key(uri) {
                    return vec![json!({
                        "jsonrpc": "2.0",
                        "method": "window/logMessage",
                        "params": {"type": 2, "message": format!(
                            "{MOST_OPEN} texts are open; close some before this one is looked at"
                        )},
                    })];
                }
                let language = member("/textDocument/languageId").unwrap_or_default();
                let format = completion::format_of(language, uri);
                let path = uri.strip_prefix(&self.folder).unwrap_or(uri).to_owned();
                let mut open = Open::new(text.to_owned(), format, version, path);
                open.look(&self.rules);
                self.open.insert(uri.to_owned(), open);
                self.publish(uri)
            }
            "textDocument/didChange" => {
                // Changes are whole texts: the last one counts.
                let changes = parameters.get("contentChanges").and_then(Value::as_array);
                let last = changes.and_then(|changes| changes.last());
                let text = last.and_then(|change| change.get("text")?.as_str());
                if let (Some(open), Some(text)) = (self.open.get_mut(uri), text) {
                    open.change(text.to_owned(), version);
                    open.look(&self.rules);
                    return self.publish(uri);
                }
                Vec::new()
            }
            "textDocument/didClose" => {
                if self.open.remove(uri).is_none() {
                    return Vec::new();
                }
                vec![published(uri, &Value::Null, Vec::new())]
            }
            _ => Vec::new(),
        }
    }

    fn publish(&self, uri: &str) -> Vec<Value> {
        let Some(open) = self.open.get(uri) else {
            return Vec::new();
        };
        let positions = Positions::new(&open.text, self.encoding);
        let diagnostics = findings::diagnostics(open, &positions);
        vec![published(uri, &open.version, diagnostics)]
    }

    fn text<'s>(&'s self, parameters: &'s Value) -> Option<(&'s str, &'s Open)> {
        let uri = parameters.pointer("/textDocument/uri")?.as_str()?;
        Some((uri, self.open.get(uri)?))
    }

    fn place<'s>(&'s self, parameters: &'s Value) -> Option<(&'s Open, Positions<'s>, usize)> {
        let (_, open) = self.text(parameters)?;
        let positions = Positions::new(&open.text, self.encoding);
        let offset = positions.offset(parameters.get("position")?)?;
        Some((open, positions, offset))
    }
}

fn published(uri: &str, version: &Value, diagnostics: Vec<Value>) -> Value {
    let mut parameters = json!({"uri": uri, "diagnostics": diagnostics});
    if version.is_i64() {
        parameters["version"] = version.clone();
    }
    json!({
        "jsonrpc": "2.0",
        "method": "textDocument/publishDiagnostics",
        "params": parameters,
    })
}

/// The answer to what is no message; `lost` when nothing behind it can be understood either.
pub(super) fn unreadable(why: &str, lost: bool) -> Value {
    let code = if lost { INVALID_REQUEST } else { PARSE_ERROR };
    refusal(&Value::Null, code, why)
}

fn answer(id: &Value, result: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "result": result})
}

fn refusal(id: &Value, code: i64, message: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
}

fn unknown_text(id: &Value) -> Value {
    refusal(
        id,
        INVALID_PARAMS,
        "no such text is open, or the position is none",
    )
}
