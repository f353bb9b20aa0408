//! `oap-conform compile`: a plan held against a manifest, without running it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::given::{BOUNDS, Judged, Shown, Source, named_twice, sources, tell, worst};
use super::validate::{MOST_NODES, told};
use crate::cli::failure::{Failure, plural};
use crate::cli::output::show;
use crate::diagnostic::Violation;
use crate::document::{Document, Limits, format};
use crate::lint::{self, DocumentKind, Preset, Selection};
use crate::manifest::{self, Manifest, layout};
use crate::requirement::Profile;
use crate::runtime::PluginFolder;
use crate::runtime::parts::Reference;
use crate::runtime::plan::{self, Wish};
use crate::runtime::plugins::Plugins;
use crate::workflow::bound::Catalogue;
use crate::workflow::compile::{AnyPlugin, Compiled, Start, compile, unknown_members};
use crate::workflow::node::Node;
use crate::workflow::{request, schema};

const AFTER_HELP: &str = "\
Exit codes: 0 it can run as far as can be known, 1 it would be refused or would fail for certain, 2 it cannot be read. \
What is only likely \
to fail, such as the input of a fallback or of a node whose conditional may be false, or has no effect, is a warning.

PLAN is a node or an array of nodes, a body of POST /execute, or what a model answers in a session. Nodes go by whatever \
names their contexts allow, in JSON or YAML; printed is the form that runtimes read: bare names, abbreviated types. \
With --manifest actions, intents and inputs are held against it, and the scopes that the call needs are told. A body of \
POST /execute says which state it begins with, which is empty when it has none: then templates, conditionals and required \
members are also held against what that state and the outputs before them can give. Of nodes alone only what is written out is judged.

The answer of --format json is described by spec/schemas/documents.json.

Examples:
  oap-conform compile plan.yaml --manifest meetbot.json
  oap-conform compile --check --manifest meetbot.json plans/*.json";

/// Options of `compile`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct Compile {
    /// JSON or YAML files; - is the standard input
    #[arg(required = true, value_name = "PLAN")]
    files: Vec<PathBuf>,
    /// The manifest whose actions are used
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// The intent that narrows its actions; else the one that a request names
    #[arg(long, value_name = "NAME", requires = "manifest")]
    intent: Option<String>,
    /// A flag that a session carries; repeat for more
    #[arg(long = "flag", value_name = "NAME", requires = "manifest")]
    flags: Vec<String>,
    /// The folder of installed plugins; without it every plugin is taken for installed
    #[arg(long, value_name = "DIR", requires = "manifest")]
    plugins: Option<PathBuf>,
    /// Print what is wrong, and not what was compiled
    #[arg(long)]
    check: bool,
    /// What stands on standard output
    #[arg(long, value_enum, default_value = "text")]
    format: Shown,
}

/// What plans are held against.
struct Contract {
    manifest: Manifest,
    intent: Option<String>,
    flags: BTreeSet<String>,
    plugins: Box<dyn Catalogue>,
}

/// What a plan came to.
struct Done {
    kind: &'static str,
    value: Value,
    violations: Vec<Violation>,
    warnings: Vec<Violation>,
    compiled: Option<Compiled>,
}

impl Compile {
    /// Compiles every plan, whatever is wrong with those before it.
    pub fn execute(self) -> Result<u8, Failure> {
        let sources = sources(&self.files)?;
        if sources.len() > 1 && !self.check && self.format == Shown::Text {
            return Err(Failure::usage(
                "several plans are compiled with --check or --format json",
            ));
        }
        let contract = self.contract()?;
        let (judged, texts): (Vec<Judged>, Vec<String>) = sources
            .iter()
            .map(|source| self.one(source, contract.as_ref()))
            .unzip();
        if self.check || self.format == Shown::Json {
            return tell(&judged, self.format);
        }
        for (judged, text) in judged.iter().zip(&texts) {
            eprint!("{}", judged.text());
            show(text);
        }
        Ok(worst(&judged))
    }

    fn one(&self, source: &Source, contract: Option<&Contract>) -> (Judged, String) {
        let limits = Limits {
            bytes: request::LARGEST_BODY,
            ..BOUNDS
        };
        let document = match source.read(&limits) {
            Ok(document) => document,
            Err(unread) => return (Judged::unread(source, unread), String::new()),
        };
        let mut done = compiled(&document, contract);
        done.warnings.extend(without_effect(&document));
        done.warnings.truncate(manifest::MAX_VIOLATIONS);
        let mut violations = named_twice(&document);
        violations.extend(done.violations);
        violations.truncate(manifest::MAX_VIOLATIONS);
        let judged = Judged::new(source, &document, violations)
            .warned(&document, &done.warnings)
            .with("kind", done.kind);
        if !judged.is_valid() {
            return (judged, String::new());
        }
        let text = format::value(&done.value, layout::shape_of(&done.value));
        let judged = match (done.compiled, contract) {
            (Some(compiled), Some(_)) => with_facts(judged, &compiled),
            (None, Some(_)) => judged.saying(format!("valid {}", done.kind)),
            (_, None) => {
                let line = format!(
                    "valid {}; name a --manifest to check its actions",
                    done.kind
                );
                judged.saying(line)
            }
        };
        (judged.with("compiled", done.value), text)
    }

    fn contract(&self) -> Result<Option<Contract>, Failure> {
        let Some(path) = &self.manifest else {
            return Ok(None);
        };
        let manifest = read_manifest(path)?;
        if let Some(name) = self
            .intent
            .as_ref()
            .filter(|name| manifest.intent(name).is_none())
        {
            let message = format!("{} declares no intent `{name}`", path.display());
            return Err(Failure::usage(message));
        }
        let declared: BTreeSet<&str> = manifest
            .actions
            .iter()
            .filter_map(|action| action.feature_flag.as_deref())
            .collect();
        if let Some(flag) = self
            .flags
            .iter()
            .find(|flag| !declared.contains(flag.as_str()))
        {
            let known = match declared.len() {
                0 => "it has no action behind a flag".to_owned(),
                _ => format!("its flags are {}", Vec::from_iter(declared).join(", ")),
            };
            let path = path.display();
            let message = format!("no action of {path} is behind the flag `{flag}`; {known}");
            return Err(Failure::usage(message));
        }
        let plugins: Box<dyn Catalogue> = match &self.plugins {
            Some(folder) => {
                let folder = PluginFolder::Directory(folder.clone());
                let plugins = Plugins::known(folder);
                Box::new(plugins.map_err(|error| Failure::usage(error.to_string()))?)
            }
            None => Box::new(AnyPlugin),
        };
        Ok(Some(Contract {
            manifest,
            intent: self.intent.clone(),
            flags: self.flags.iter().cloned().collect(),
            plugins,
        }))
    }
}

fn read_manifest(path: &Path) -> Result<Manifest, Failure> {
    let sources = sources(&[path.to_owned()])?;
    let source = sources
        .first()
        .ok_or_else(|| Failure::usage("name a manifest"))?;
    let wrong = |judged: Judged| {
        Failure::usage(format!(
            "the manifest cannot be used:\n{}",
            judged.complaints().trim_end()
        ))
    };
    let document = source
        .read(&BOUNDS)
        .map_err(|unread| wrong(Judged::unread(source, unread)))?;
    let twice = named_twice(&document);
    if !twice.is_empty() {
        return Err(wrong(Judged::new(source, &document, twice)));
    }
    manifest::load(document.value()).map_err(|found| wrong(Judged::new(source, &document, found)))
}

/// Members that a runtime reads over: a misspelt safeguard guards nothing.
fn without_effect(document: &Document) -> Vec<Violation> {
    let rule = "unknown_node_member";
    let selection = Selection::preset(Preset::Spec).only([rule.to_owned()]);
    let found = lint::check(document, DocumentKind::Plan, &selection).findings;
    let told = found
        .into_iter()
        .map(|found| Violation::new(found.pointer, "unknown_member", found.message));
    told.chain(unknown_members(document.value())).collect()
}

/// Reads a plan for what it looks like, and holds it against the contract.
fn compiled(document: &Document, contract: Option<&Contract>) -> Done {
    let value = document.value();
    let has = |name: &str| value.get(name).is_some();
    if has("open_action") {
        return of_request(value, contract);
    }
    if !value.is_array() && (has("args") || has("finished")) {
        return of_plan(value, contract);
    }
    of_nodes(value, contract)
}

fn of_request(value: &Value, contract: Option<&Contract>) -> Done {
    let mut done = Done {
        kind: "execute-request",
        value: without_contexts(schema::of_request(&Reference, value).value),
        violations: Vec::new(),
        warnings: Vec::new(),
        compiled: None,
    };
    match request::read_execute(&Reference, value, &Profile::ALL) {
        Err(error) => done.violations = told(&error),
        Ok(request) => {
            if let Some(contract) = contract {
                let names = |reference: &str| names(&contract.manifest, reference);
                if request
                    .manifest
                    .as_deref()
                    .is_some_and(|reference| !names(reference))
                {
                    let message = "this is another manifest than the one given with --manifest";
                    let other = Violation::new("/manifest", "manifest_not_found", message);
                    done.violations.push(other);
                }
                let intent = contract.intent.clone().or(request.intent);
                let scopes = &request.required_scopes;
                let state = Value::Object(request.state);
                // After a question the action of the first node runs with the input that it had then.
                let start = match request.approval {
                    Some(_) => Start::Unknown,
                    None => Start::Given(&state),
                };
                done.hold(&request.nodes, contract, intent.as_deref(), scopes, start);
            }
        }
    }
    done
}

fn of_nodes(value: &Value, contract: Option<&Contract>) -> Done {
    let mut done = Done {
        kind: if value.is_array() { "nodes" } else { "node" },
        value: Value::Null,
        violations: Vec::new(),
        warnings: Vec::new(),
        compiled: None,
    };
    let count = value.as_array().map_or(1, Vec::len);
    if count == 0 || count > MOST_NODES {
        let message = format!("write 1 to {MOST_NODES} nodes");
        done.violations
            .push(Violation::new("", "minItems", message));
        return done;
    }
    done.value = without_contexts(schema::of_nodes(&Reference, value).value);
    match request::read_nodes(&Reference, value, &Profile::ALL) {
        Err(error) => done.violations = told(&error),
        Ok(nodes) => {
            if let Some(contract) = contract {
                let intent = contract.intent.as_deref();
                done.hold(&nodes, contract, intent, &[], Start::Unknown);
            }
        }
    }
    done
}

impl Done {
    fn hold(
        &mut self,
        nodes: &[Node],
        contract: &Contract,
        intent: Option<&str>,
        scopes: &[String],
        start: Start<'_>,
    ) {
        let mut compiled = compile(
            &Reference,
            nodes,
            &contract.manifest,
            intent,
            scopes,
            contract.plugins.as_ref(),
            start,
        );
        self.violations.append(&mut compiled.violations);
        self.warnings.append(&mut compiled.warnings);
        self.compiled = Some(compiled);
    }
}

/// What a model answers in a session; its arguments are taken literally.
fn of_plan(value: &Value, contract: Option<&Contract>) -> Done {
    let mut done = Done {
        kind: "plan",
        value: value.clone(),
        violations: Vec::new(),
        warnings: Vec::new(),
        compiled: None,
    };
    let wish = match plan::plan_of(value.clone()) {
        Ok(plan) => plan.wish,
        Err(error) => {
            done.violations = told(&error);
            return done;
        }
    };
    if let (Wish::Act { action, args }, Some(contract)) = (wish, contract) {
        let scope = plan::Scope {
            manifest: &contract.manifest,
            intent: contract.intent.as_deref(),
            flags: &contract.flags,
        };
        let declared = contract.manifest.action(&action);
        match declared.filter(|declared| plan::may_use_action(&scope, declared)) {
            Some(declared) => {
                done.violations = plan::check_arguments(declared, &Value::Object(args));
                for violation in &mut done.violations {
                    violation.pointer.insert_str(0, "/args");
                }
            }
            None => done.violations = told(&plan::undeclared(&action)),
        }
    }
    done
}

/// Nodes whose names are bare need no context. As deep as the document.
fn without_contexts(mut value: Value) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Array(nodes) => nodes.iter_mut().for_each(strip),
            Value::Object(members) => {
                members.shift_remove("@context");
                for name in ["open_action", "action", "fallbackAction", "accessControl"] {
                    members.get_mut(name).into_iter().for_each(strip);
                }
            }
            _ => {}
        }
    }
    strip(&mut value);
    value
}

/// Whether a reference, `name` or `name@version`, is that of a manifest.
fn names(manifest: &Manifest, reference: &str) -> bool {
    match reference.split_once('@') {
        None => reference == manifest.name,
        Some((name, version)) => {
            name == manifest.name
                && manifest::parse_version(version).as_ref() == Some(&manifest.version)
        }
    }
}

fn with_facts(judged: Judged, compiled: &Compiled) -> Judged {
    let nodes: Vec<Value> = compiled
        .nodes
        .iter()
        .map(|node| {
            json!({
                "pointer": node.pointer,
                "action": node.action,
                "approval": node.approval,
                "defaulted": node.defaulted,
                "fallback": node.fallback,
            })
        })
        .collect();
    let scopes: Vec<&str> = compiled.scopes.iter().map(String::as_str).collect();
    let mut line = format!("valid, {}", plural(nodes.len(), "node"));
    if !scopes.is_empty() {
        line.push_str(&format!("; needs the scopes {}", scopes.join(", ")));
    }
    let asked = compiled.nodes.iter().filter(|node| node.approval).count();
    if asked > 0 {
        line.push_str(&format!("; asks a person {}", plural(asked, "time")));
    }
    judged
        .saying(line)
        .with("nodes", nodes)
        .with("scopes", scopes)
}
