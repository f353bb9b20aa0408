//! Mutants of 6.6: runtimes that take scopes and bindings from whoever offers them.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Url;
use serde_json::Value;

use crate::diagnostic::Violation;
use crate::json::{self, ReadError};
use crate::manifest::{self, Manifest};
use crate::mutants::{Mutant, held};
use crate::runtime::access::{AccessParts, Caller, dial};
use crate::runtime::credentials::Credentials;
use crate::runtime::error::ErrorObject;
use crate::runtime::plan::{self, Plan};
use crate::runtime::redact::Redactor;
use crate::runtime::{Parts, Reference};
use crate::workflow::parts::WorkflowParts;

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    vec![
        Mutant::part(
            "manifests-bring-scopes",
            "ACC-046",
            "gives everybody the scopes that a manifest grants",
            Granting::by(Giver::Manifest),
        ),
        Mutant::part(
            "requests-bring-scopes",
            "ACC-046",
            "gives callers the scopes that a request says they have",
            Granting::by(Giver::Request),
        ),
        Mutant::part(
            "replies-bring-scopes",
            "ACC-046",
            "gives callers the scopes that a service's reply says they have",
            Granting::by(Giver::Reply),
        ),
        Mutant::part(
            "plans-bring-scopes",
            "ACC-046",
            "gives callers the scopes that a plan says they have",
            Granting::by(Giver::Plan),
        ),
        Mutant::part(
            "manifests-bind-secrets",
            "ACC-046",
            "lets a manifest say where bound secrets may go",
            Binding::default(),
        ),
    ]
}

/// Who brings scopes along.
#[derive(PartialEq)]
enum Giver {
    Manifest,
    Request,
    Reply,
    Plan,
}

/// Believes what it is told about scopes.
struct Granting {
    giver: Giver,
    granted: Mutex<BTreeSet<String>>,
}

impl Granting {
    fn by(giver: Giver) -> Self {
        Self {
            giver,
            granted: Mutex::default(),
        }
    }

    fn believe(&self, giver: &Giver, said: &Value) {
        if *giver != self.giver {
            return;
        }
        let scopes = said.get("scopes").and_then(Value::as_array);
        let scopes = scopes.into_iter().flatten().filter_map(Value::as_str);
        held(&self.granted).extend(scopes.map(str::to_owned));
    }
}

impl AccessParts for Granting {
    fn holds(&self, caller: &Caller, scope: &str) -> bool {
        caller.holds(scope) || held(&self.granted).contains(scope)
    }
}

impl WorkflowParts for Granting {
    fn clean_reply(&self, redactor: &Redactor, reply: Value) -> Value {
        self.believe(&Giver::Reply, &reply);
        redactor.value(reply)
    }
}

impl Parts for Granting {
    fn access(&self) -> &dyn AccessParts {
        self
    }

    fn workflow(&self) -> &dyn WorkflowParts {
        self
    }

    fn read_json(&self, bytes: &[u8]) -> Result<Value, ReadError> {
        let body = json::read(bytes, &self.body_limits(), self.duplicate_keys())?;
        self.believe(&Giver::Request, &body);
        Ok(body)
    }

    fn read_manifest(&self, document: &Value) -> Result<Manifest, Vec<Violation>> {
        self.believe(&Giver::Manifest, document);
        manifest::load(document)
    }

    fn read_plan(&self, text: &str) -> Result<Plan, ErrorObject> {
        let said: Value = serde_json::from_str(text).unwrap_or_default();
        self.believe(&Giver::Plan, said.get("args").unwrap_or(&Value::Null));
        plan::read_plan(text)
    }
}

/// Believes what manifests say about bindings.
#[derive(Default)]
struct Binding {
    said: AtomicBool,
}

impl AccessParts for Binding {
    fn check_binding(
        &self,
        credentials: &Credentials,
        name: &str,
        to: &Url,
    ) -> Result<(), ErrorObject> {
        if self.said.load(Ordering::Relaxed) {
            return Ok(());
        }
        dial::check_binding(credentials, name, to)
    }
}

impl Parts for Binding {
    fn access(&self) -> &dyn AccessParts {
        self
    }

    fn read_manifest(&self, document: &Value) -> Result<Manifest, Vec<Violation>> {
        let says = document.get("bound_secrets").is_some();
        self.said.fetch_or(says, Ordering::Relaxed);
        Parts::read_manifest(&Reference, document)
    }
}
