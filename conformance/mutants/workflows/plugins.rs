//! Mutants of section 13: plugins.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use crate::diagnostic::Violation;
use crate::manifest::{Action, Intent, Kind};
use crate::mutants::Mutant;
use crate::runtime::error::{Code, ErrorObject};
use crate::runtime::plugins::{PluginCode, PluginFolder, Plugins};
use crate::runtime::{Parts, StartError, plan, response};
use crate::workflow::bound::Catalogue;
use crate::workflow::parts::WorkflowParts;
use crate::workflow::schema;

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [rules(), names(), code()].into_iter().flatten().collect()
}

fn rules() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "plugins-take-anything",
            "WFL-100",
            "does not hold the input of a plugin against its schema",
            fn check_input(&self, action: &Action, input: &Value) -> Vec<Violation> {
                match action.kind {
                    Kind::Plugin(_) => Vec::new(),
                    _ => plan::check_arguments(action, input),
                }
            }
        ),
        swap_workflow!(
            "plugins-give-anything",
            "WFL-100",
            "does not hold the output of a plugin against its schema",
            fn check_output(&self, action: &Action, output: &Value) -> Vec<Violation> {
                match action.kind {
                    Kind::Plugin(_) => Vec::new(),
                    _ => response::check_output(action, output),
                }
            }
        ),
        swap_workflow!(
            "any-plugin-will-do",
            "WFL-100",
            "runs the code of another plugin",
            fn plugin_code(
                &self,
                plugins: &Plugins,
                name: &str,
            ) -> Result<PluginCode, ErrorObject> {
                match name {
                    "oap_test_lookup" => plugins.code("oap_test.note"),
                    _ => plugins.code("oap_test_lookup"),
                }
            }
        ),
        swap_workflow!(
            "plugins-are-for-everybody",
            "WFL-100",
            "demands none of the scopes that a plugin needs",
            fn find_plugin(&self, plugins: &dyn Catalogue, name: &str) -> Option<Arc<Action>> {
                let mut plugin = Arc::unwrap_or_clone(plugins.get(name)?);
                plugin.access_control = None;
                Some(Arc::new(plugin))
            }
        ),
    ]
}

fn names() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "references-of-any-form",
            "WFL-101",
            "looks for a plugin by any text",
            fn check_shape(&self, schema: &str, document: &Value) -> Vec<Violation> {
                let mut found = schema::check_shape(schema, document);
                found.retain(|violation| !violation.pointer.ends_with("/pluginReference"));
                found
            }
        ),
        swap_workflow!(
            "definitions-lead-to-other-plugins",
            "WFL-105",
            "binds every definition of a plugin to the same one",
            fn plugin_name<'a>(&self, _: &'a Action) -> &'a str {
                "oap_test.note"
            }
        ),
        swap_workflow!(
            "intents-do-not-bind-plugins",
            "WFL-106",
            "lets every plugin be used under every intent",
            fn intent_allows_plugin(&self, _: Option<&Intent>, _: &str) -> bool {
                true
            }
        ),
        swap_workflow!(
            "intents-bar-all-plugins",
            "WFL-106",
            "lets no plugin be used under an intent",
            fn intent_allows_plugin(&self, intent: Option<&Intent>, _: &str) -> bool {
                intent.is_none()
            }
        ),
    ]
}

fn code() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "plugins-without-code-are-unknown",
            "WFL-102",
            "loads all code at the start, and knows only the plugins whose code it could load",
            fn install(&self, folder: PluginFolder) -> Result<Plugins, StartError> {
                let mut plugins = Plugins::known(folder)?;
                let names: Vec<String> = plugins.names().map(str::to_owned).collect();
                for name in names {
                    if plugins.code(&name).is_err() {
                        plugins.remove(&name);
                    }
                }
                Ok(plugins)
            }
        ),
        Mutant::part(
            "code-is-loaded-with-the-check",
            "WFL-103",
            "loads the code of the plugins that a request names before it runs the first node",
            LoadsEarly::default(),
        ),
        Mutant::part(
            "a-broken-plugin-breaks-all",
            "WFL-104",
            "runs no plugin any more once the code of one could not be loaded",
            BreaksAll::default(),
        ),
        swap_workflow!(
            "broken-plugins-are-internal-errors",
            "WFL-104",
            "tells code that cannot be loaded as a fault of its own",
            fn plugin_code(
                &self,
                plugins: &Plugins,
                name: &str,
            ) -> Result<PluginCode, ErrorObject> {
                let failed = |_| ErrorObject::new(Code::InternalError, "something went wrong");
                plugins.code(name).map_err(failed)
            }
        ),
    ]
}

/// Has the plugins a second time, to look at their code.
#[derive(Default)]
struct LoadsEarly(OnceLock<Plugins>);

impl WorkflowParts for LoadsEarly {
    fn install(&self, folder: PluginFolder) -> Result<Plugins, StartError> {
        let _ = self.0.set(Plugins::known(folder.clone())?);
        Plugins::known(folder)
    }

    fn find_plugin(&self, plugins: &dyn Catalogue, name: &str) -> Option<Arc<Action>> {
        self.0.get()?.code(name).ok()?;
        plugins.get(name)
    }
}

impl Parts for LoadsEarly {
    fn workflow(&self) -> &dyn WorkflowParts {
        self
    }
}

#[derive(Default)]
struct BreaksAll(AtomicBool);

impl WorkflowParts for BreaksAll {
    fn plugin_code(&self, plugins: &Plugins, name: &str) -> Result<PluginCode, ErrorObject> {
        if self.0.load(Ordering::Relaxed) {
            return Err(ErrorObject::new(
                Code::PluginError,
                "the plugins are broken",
            ));
        }
        plugins
            .code(name)
            .inspect_err(|_| self.0.store(true, Ordering::Relaxed))
    }
}

impl Parts for BreaksAll {
    fn workflow(&self) -> &dyn WorkflowParts {
        self
    }
}
