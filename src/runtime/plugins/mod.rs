//! Plugins: descriptors in the operator's folder, known from the start, and their code, read at first use (`spec/workflows.md`,
//! section 13).
//!
//! No name of a stranger ever becomes a path: a reference is looked up among the descriptors that were found at the start,
//! and the file of the code is named by the descriptor.

mod code;
mod descriptor;
mod folder;
mod module;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use super::StartError;
use super::error::{Code, ErrorObject};
use crate::json::Limits;
use crate::manifest::{Action, InvokeApi, RunCode};
use crate::workflow::bound::Catalogue;

pub use folder::PluginFolder;

/// Most plugins of one runtime.
const MOST_PLUGINS: usize = 1000;

/// The plugins of a runtime.
pub struct Plugins {
    folder: PluginFolder,
    known: BTreeMap<String, Known>,
}

/// A plugin whose descriptor is known.
struct Known {
    action: Arc<Action>,
    /// The file that the code is in, below the folder.
    code: String,
    /// The function that is called, where the code is a module.
    entrypoint: String,
    /// The code once it was used.
    loaded: OnceLock<PluginCode>,
}

/// What a plugin does; cheap to clone.
#[derive(Debug, Clone)]
pub enum PluginCode {
    /// It calls a service.
    Api(Arc<InvokeApi>),
    /// It is a module that runs in the sandbox.
    Module(Arc<RunCode>),
}

impl Plugins {
    /// Reads all descriptors of a folder, and nothing else of it (13.3).
    ///
    /// # Errors
    /// [`StartError::Plugin`] when the folder or a descriptor cannot be used.
    pub fn known(folder: PluginFolder) -> Result<Self, StartError> {
        let defect = |file: &str, message: String| StartError::Plugin {
            file: file.to_owned(),
            message,
        };
        let files = folder
            .descriptors()
            .map_err(|message| defect(&folder.to_string(), message))?;
        if files.len() > MOST_PLUGINS {
            let message = format!("install at most {MOST_PLUGINS} plugins");
            return Err(defect(&folder.to_string(), message));
        }
        let mut known = BTreeMap::new();
        for file in files {
            let described = folder
                .read(&file, Limits::DOCUMENT.bytes)
                .and_then(|bytes| descriptor::read(&file, &bytes))
                .map_err(|message| defect(&file, message))?;
            let plugin = Known {
                action: Arc::new(described.action),
                code: described.code,
                entrypoint: described.entrypoint,
                loaded: OnceLock::new(),
            };
            known.insert(plugin.action.name.clone(), plugin);
        }
        Ok(Self { folder, known })
    }

    /// The code of a plugin, read when it is first used (13.3). A failure is that of one call: the next one tries again.
    ///
    /// # Errors
    /// `plugin_error` when it cannot be read, or is no code that can be run (13.5).
    pub fn code(&self, name: &str) -> Result<PluginCode, ErrorObject> {
        let failed = |message: &str| ErrorObject::new(Code::PluginError, message);
        let known = self
            .known
            .get(name)
            .ok_or_else(|| failed("the plugin of this action is not installed"))?;
        if let Some(loaded) = known.loaded.get() {
            return Ok(loaded.clone());
        }
        // Names of files and what is in them are the operator's business, not the caller's.
        let unreadable = |_| failed("the code of the plugin cannot be read");
        let unfit = |_| failed("the code of the plugin cannot be run");
        let code = if module::is_module(&known.code) {
            let bytes = self.folder.read(&known.code, module::LARGEST);
            let code = module::read(&bytes.map_err(unreadable)?, &known.entrypoint);
            PluginCode::Module(Arc::new(code))
        } else {
            let bytes = self.folder.read(&known.code, Limits::DOCUMENT.bytes);
            let code = code::read(&bytes.map_err(unreadable)?).map_err(unfit)?;
            PluginCode::Api(Arc::new(code))
        };
        Ok(known.loaded.get_or_init(|| code).clone())
    }

    /// Whether the code of a plugin was read.
    pub fn is_loaded(&self, name: &str) -> bool {
        let known = self.known.get(name);
        known.is_some_and(|known| known.loaded.get().is_some())
    }

    /// The names of all plugins.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.known.keys().map(String::as_str)
    }

    /// Takes a plugin out.
    pub fn remove(&mut self, name: &str) {
        self.known.remove(name);
    }
}

impl Catalogue for Plugins {
    fn get(&self, name: &str) -> Option<Arc<Action>> {
        self.known.get(name).map(|known| Arc::clone(&known.action))
    }
}

impl fmt::Debug for Plugins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugins")
            .field("folder", &self.folder)
            .field("known", &self.known.keys())
            .finish()
    }
}
