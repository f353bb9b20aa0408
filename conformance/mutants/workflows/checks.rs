//! Mutants of sections 5 and 6: versions, and the checks before anything runs.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::http::Method;
use axum::http::header::AUTHORIZATION;
use serde_json::{Value, json};

use crate::expression::{Error, Expression, Located, Template, Templates};
use crate::manifest::{self, Action, Intent, Manifest};
use crate::mutants::Mutant;
use crate::mutants::proxy::{Request, Response, Tamper};
use crate::runtime::access::Caller;
use crate::runtime::error::ErrorObject;
use crate::workflow::bound::Catalogue;
use crate::workflow::check;
use crate::workflow::node::Condition;
use crate::workflow::parts::Check;
use crate::workflow::reading;

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [versions(), order(), parsing(), existence()]
        .into_iter()
        .flatten()
        .collect()
}

fn versions() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "a-version-must-be-said",
            "WFL-032",
            "refuses what does not say its version",
            fn check_version(&self, version: Option<&Value>) -> Result<(), ErrorObject> {
                reading::check_version(Some(version.unwrap_or(&Value::Null)))
            }
        ),
        swap_workflow!(
            "any-version-is-spoken",
            "WFL-033",
            "does not look at the version",
            fn check_version(&self, _: Option<&Value>) -> Result<(), ErrorObject> {
                Ok(())
            }
        ),
        swap_workflow!(
            "versions-by-their-first-digit",
            "WFL-033",
            "takes everything that begins with a 2 for its version",
            fn check_version(&self, version: Option<&Value>) -> Result<(), ErrorObject> {
                match version.and_then(Value::as_str) {
                    Some(text) if text.starts_with('2') => Ok(()),
                    _ => reading::check_version(version),
                }
            }
        ),
        swap_workflow!(
            "only-two-nought-is-spoken",
            "WFL-033",
            "refuses another minor version",
            fn check_version(&self, version: Option<&Value>) -> Result<(), ErrorObject> {
                match version.and_then(Value::as_str) {
                    None | Some("2.0") => reading::check_version(version),
                    Some(_) => reading::check_version(Some(&json!("3.0"))),
                }
            }
        ),
    ]
}

fn order() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "existence-before-shape",
            "WFL-035",
            "looks for everything that a request names before it says that a conditional does not parse",
            fn parse_condition(&self, text: &str) -> Result<Condition, Error> {
                parsed_late(text)
            }
        ),
        swap_workflow!(
            "size-before-existence",
            "WFL-035",
            "measures the state before it looks for what the request names",
            fn check_order(&self) -> [Check; 3] {
                [Check::StateSize, Check::Existence, Check::Scopes]
            }
        ),
        swap_workflow!(
            "size-before-scopes",
            "WFL-035",
            "measures the state before it looks at the scopes",
            fn check_order(&self) -> [Check; 3] {
                [Check::Existence, Check::StateSize, Check::Scopes]
            }
        ),
        swap_access!(
            "scopes-are-checked-when-reached",
            "WFL-034",
            "looks at the scopes of a node when its turn comes",
            fn check_scopes(&self, _: &Caller, _: &BTreeSet<String>) -> Result<(), ErrorObject> {
                Ok(())
            }
        ),
    ]
}

fn parsing() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "bad-conditionals-are-found-late",
            "WFL-036",
            "says that a conditional does not parse when its node is reached",
            fn parse_condition(&self, text: &str) -> Result<Condition, Error> {
                parsed_late(text)
            }
        ),
        swap_workflow!(
            "broken-templates-are-text",
            "WFL-036",
            "takes a template that does not parse for plain text",
            fn parse_templates(&self, value: &Value) -> Result<Templates, Located> {
                Templates::parse(value).or_else(|_| Templates::parse(&Value::Null))
            }
        ),
        swap_workflow!(
            "broken-prompts-are-shown",
            "WFL-036",
            "asks a person although the prompt's template does not parse",
            fn parse_prompt(&self, text: &str) -> Result<Template, Error> {
                Template::parse(text).or_else(|_| Template::parse("Shall this be done?"))
            }
        ),
    ]
}

fn existence() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "nodes-are-checked-when-reached",
            "WFL-034",
            "looks for the action of a node when its turn comes",
            fn find_definition(
                &self,
                manifest: &Manifest,
                intent: Option<&Intent>,
                name: &str,
            ) -> Option<Arc<Action>> {
                check::find_definition(manifest, intent, name).or_else(|| stand_in(name))
            },
            fn find_plugin(&self, plugins: &dyn Catalogue, name: &str) -> Option<Arc<Action>> {
                plugins.get(name).or_else(|| stand_in("plugin"))
            }
        ),
        swap_workflow!(
            "undeclared-actions-fail-as-nodes",
            "WFL-037",
            "makes of an action that nobody declared a node that fails",
            fn find_definition(
                &self,
                manifest: &Manifest,
                intent: Option<&Intent>,
                name: &str,
            ) -> Option<Arc<Action>> {
                check::find_definition(manifest, intent, name).or_else(|| stand_in(name))
            }
        ),
        swap_workflow!(
            "intents-do-not-bind",
            "WFL-037",
            "runs actions that the named intent does not list",
            fn find_definition(
                &self,
                manifest: &Manifest,
                _: Option<&Intent>,
                name: &str,
            ) -> Option<Arc<Action>> {
                check::find_definition(manifest, None, name)
            }
        ),
        swap_workflow!(
            "unknown-plugins-fail-as-nodes",
            "WFL-038",
            "makes of an unknown plugin a node that fails",
            fn find_plugin(&self, plugins: &dyn Catalogue, name: &str) -> Option<Arc<Action>> {
                plugins.get(name).or_else(|| stand_in("plugin"))
            }
        ),
        swap_workflow!(
            "unknown-intents-are-none",
            "WFL-038",
            "takes an intent that is not there for no restriction",
            fn find_intent<'m>(
                &self,
                manifest: &'m Manifest,
                name: &str,
            ) -> Result<Option<&'m Intent>, ErrorObject> {
                Ok(manifest.intent(name))
            }
        ),
        swap_workflow!(
            "refused-calls-run-what-they-can",
            "WFL-039",
            "runs the nodes before one that it does not know",
            fn find_definition(
                &self,
                manifest: &Manifest,
                intent: Option<&Intent>,
                name: &str,
            ) -> Option<Arc<Action>> {
                check::find_definition(manifest, intent, name).or_else(|| stand_in(name))
            }
        ),
        Mutant::proxy(
            "token-before-shape",
            "WFL-035",
            "asks for a token before it looks at the body",
            TokenFirst,
        )
        .rewriting(),
    ]
}

struct TokenFirst;

impl Tamper for TokenFirst {
    fn response(&self, request: &Request, response: &mut Response) {
        if request.is(Method::POST, "/execute") && !request.headers.contains_key(AUTHORIZATION) {
            response.status = 401;
            response.edit(|body| body["errorCode"] = json!("unauthenticated"));
        }
    }
}

/// An action of this name that fails when its turn comes, and calls nobody.
fn stand_in(name: &str) -> Option<Arc<Action>> {
    let document = json!({"name": "stand-in", "version": "1.0.0", "actions": [{
        "name": name, "type": "invoke_api", "method": "GET", "endpoint": "http://127.0.0.1:9/", "input_schema": false, "output_schema": {}
    }]});
    let manifest = manifest::load(&document).ok()?;
    manifest.actions.first().cloned()
}

/// A conditional; one that does not parse becomes one that cannot be evaluated.
fn parsed_late(text: &str) -> Result<Condition, Error> {
    let expression = Expression::parse(text).or_else(|_| Expression::parse("1 / 0"))?;
    Ok(Condition {
        text: text.to_owned(),
        expression,
    })
}
