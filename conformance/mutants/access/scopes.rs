//! Mutants of section 3 for requests: which scopes are held, and which are needed.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::manifest::Action;
use crate::mutants::Mutant;
use crate::runtime::access::{AccessParts, Caller, refusal};
use crate::runtime::error::ErrorObject;
use crate::workflow::bound::Catalogue;
use crate::workflow::check::{self, Demand};

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [held(), needed(), told(), manifests()]
        .into_iter()
        .flatten()
        .collect()
}

type Checked = Result<(), ErrorObject>;

fn held() -> Vec<Mutant> {
    vec![
        swap_access!(
            "longer-scopes-hold-shorter",
            "ACC-014",
            "takes a scope for every scope that it begins with",
            fn holds(&self, caller: &Caller, scope: &str) -> bool {
                caller.scopes.iter().any(|held| held.starts_with(scope))
            }
        ),
        swap_access!(
            "shorter-scopes-hold-longer",
            "ACC-014",
            "takes a scope for every scope that begins with it",
            fn holds(&self, caller: &Caller, scope: &str) -> bool {
                caller.scopes.iter().any(|held| scope.starts_with(held))
            }
        ),
        swap_access!(
            "scopes-without-case",
            "ACC-014",
            "compares scopes as if letters had no case",
            fn holds(&self, caller: &Caller, scope: &str) -> bool {
                let mut held = caller.scopes.iter();
                held.any(|held| held.eq_ignore_ascii_case(scope))
            }
        ),
        swap_access!(
            "star-holds-everything",
            "ACC-014",
            "takes a star in a held scope for any text",
            fn holds(&self, caller: &Caller, scope: &str) -> bool {
                let fits = |held: &String| match held.split_once('*') {
                    Some((begin, end)) => scope.starts_with(begin) && scope.ends_with(end),
                    None => held == scope,
                };
                caller.scopes.iter().any(fits)
            }
        ),
        swap_access!(
            "star-is-demanded-of-nobody",
            "ACC-014",
            "takes a demanded star for no demand",
            fn holds(&self, caller: &Caller, scope: &str) -> bool {
                scope == "*" || caller.holds(scope)
            }
        ),
        swap_access!(
            "scopes-mean-nothing",
            "ACC-015",
            "executes every action for everybody",
            fn holds(&self, _: &Caller, _: &str) -> bool {
                true
            }
        ),
    ]
}

fn needed() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "plugins-need-no-scopes",
            "ACC-015",
            "forgets what a plugin's descriptor says of access",
            fn find_plugin(&self, plugins: &dyn Catalogue, name: &str) -> Option<Arc<Action>> {
                let mut plugin = Action::clone(&*plugins.get(name)?);
                plugin.access_control = None;
                Some(Arc::new(plugin))
            }
        ),
        swap_access!(
            "one-scope-is-enough",
            "ACC-016",
            "begins as soon as one of the needed scopes is held, and looks at the others when their actions are reached",
            fn check_scopes(&self, caller: &Caller, needed: &BTreeSet<String>) -> Checked {
                if needed.is_empty() || needed.iter().any(|scope| caller.holds(scope)) {
                    return Ok(());
                }
                Err(refusal::insufficient_scope(&caller.missing(needed)))
            }
        ),
        swap_workflow!(
            "wrapped-actions-need-no-scopes",
            "ACC-016",
            "asks a person before it asks for scopes",
            fn demands(&self, demand: Demand) -> bool {
                demand != Demand::Wrapped
            }
        ),
        swap_workflow!(
            "intents-need-no-scopes",
            "ACC-016",
            "forgets the scopes of the named intent",
            fn demands(&self, demand: Demand) -> bool {
                demand != Demand::Intent
            }
        ),
        swap_workflow!(
            "scopes-of-the-request-are-ignored",
            "ACC-017",
            "demands what the actions need and nothing that the request names",
            fn demands(&self, demand: Demand) -> bool {
                demand != Demand::Request
            }
        ),
        swap_workflow!(
            "nodes-choose-their-scopes",
            "ACC-018",
            "takes the scopes of a node in place of its definition's",
            fn action_scopes(&self, declared: &[String], node: &[String]) -> Vec<String> {
                match node {
                    [] => declared.to_vec(),
                    node => node.to_vec(),
                }
            }
        ),
        swap_workflow!(
            "scopes-of-nodes-are-ignored",
            "ACC-018",
            "demands the scopes of the definition and none that the node adds",
            fn action_scopes(&self, declared: &[String], _: &[String]) -> Vec<String> {
                check::action_scopes(declared, &[])
            }
        ),
        swap_workflow!(
            "fallbacks-need-no-scopes",
            "ACC-019",
            "demands the scopes of a fallback when it runs",
            fn demands(&self, demand: Demand) -> bool {
                demand != Demand::Fallback
            }
        ),
    ]
}

fn told() -> Vec<Mutant> {
    vec![
        swap_access!(
            "all-scopes-are-missing",
            "ACC-020",
            "lists all needed scopes as missing",
            fn check_scopes(&self, caller: &Caller, needed: &BTreeSet<String>) -> Checked {
                if caller.missing(needed).is_empty() {
                    return Ok(());
                }
                let all: Vec<String> = needed.iter().cloned().collect();
                Err(refusal::insufficient_scope(&all))
            }
        )
        .rewriting(),
        swap_access!(
            "missing-scopes-are-not-told",
            "ACC-020",
            "keeps to itself which scopes are missing",
            fn insufficient_scope(&self, missing: &[String]) -> ErrorObject {
                let mut error = refusal::insufficient_scope(missing);
                error.details.clear();
                error
            }
        )
        .rewriting(),
        swap_access!(
            "scopes-are-refused-one-by-one",
            "ACC-025",
            "stops at the first missing scope, so that the next is told in the next refusal",
            fn check_scopes(&self, caller: &Caller, needed: &BTreeSet<String>) -> Checked {
                match caller.missing(needed).first() {
                    None => Ok(()),
                    Some(first) => Err(refusal::insufficient_scope(std::slice::from_ref(first))),
                }
            }
        ),
    ]
}

fn manifests() -> Vec<Mutant> {
    vec![
        swap_access!(
            "anybody-registers",
            "ACC-024",
            "registers and deletes manifests for every valid token",
            fn check_manifest_writer(&self, _: &Caller) -> Checked {
                Ok(())
            }
        ),
        swap_access!(
            "any-scope-registers",
            "ACC-024",
            "registers and deletes manifests for every token with a scope about manifests",
            fn check_manifest_writer(&self, caller: &Caller) -> Checked {
                if caller
                    .scopes
                    .iter()
                    .any(|held| held.starts_with("manifest"))
                {
                    return Ok(());
                }
                AccessParts::check_manifest_writer(&crate::runtime::Reference, caller)
            }
        ),
    ]
}
