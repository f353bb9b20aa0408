//! What a target's maker says of it, put over what the target says itself.

use std::collections::{BTreeMap, BTreeSet};

use mock_services::ModelWire;

use super::definition::{Declared, Definition, Delivery};
use crate::requirement::Registry;
use crate::suite::applicability::Capabilities;
use crate::suite::case::Case;

/// What is known of a target besides its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// Its name, for people; told where it does not say itself who it is.
    pub name: Option<String>,
    /// What it can do, where that is declared.
    pub declared: Declared,
    /// Ids of requirements and cases that it is known not to do, with the reason.
    pub cannot: BTreeMap<String, String>,
    /// Whether cases can hand it their manifests.
    pub registers: bool,
    /// Whether it is started with its manifest.
    pub delivered: bool,
    /// Whether it asks the scripted model.
    pub model: bool,
    /// The wire in which it asks.
    pub wire: ModelWire,
}

impl Default for Claims {
    fn default() -> Self {
        Self {
            name: None,
            declared: Declared::default(),
            cannot: BTreeMap::new(),
            registers: true,
            delivered: false,
            model: true,
            wire: ModelWire::default(),
        }
    }
}

impl Claims {
    /// What a definition says.
    pub fn of(definition: &Definition) -> Self {
        let cannot = &definition.cannot;
        Self {
            name: definition.name.clone(),
            declared: definition.capabilities.clone(),
            cannot: cannot
                .requirements
                .iter()
                .chain(&cannot.cases)
                .map(|missing| (missing.id.clone(), missing.reason.clone()))
                .collect(),
            registers: definition.manifest.delivery != Delivery::None,
            delivered: definition.manifest.delivery == Delivery::File,
            model: definition.inject.scripted_model(),
            wire: definition.inject.model_wire,
        }
    }

    /// Whether everything that it cannot do exists.
    ///
    /// # Errors
    /// The first id that does not, with what to do.
    pub fn check(&self, registry: &Registry, cases: &[Case]) -> Result<(), String> {
        let ids: BTreeSet<&str> = cases.iter().map(|case| case.id.as_str()).collect();
        let unknown = |id: &&String| registry.get(id).is_none() && !ids.contains(id.as_str());
        match self.cannot.keys().find(unknown) {
            Some(id) => Err(format!(
                "[cannot] names {id}, and there is no such requirement or case; see oap-conform list"
            )),
            None => Ok(()),
        }
    }

    /// What the target declares, with what its maker says in its place.
    pub fn over(&self, mut found: Capabilities) -> Capabilities {
        if let Some(profiles) = &self.declared.profiles {
            let own = Capabilities::of(profiles.iter().copied());
            found.profiles = own.profiles;
        }
        if let Some(runtimes) = &self.declared.runtimes {
            found.runtimes.clone_from(runtimes);
        }
        if let Some(schemes) = &self.declared.schemes {
            found.schemes = Some(schemes.clone());
        }
        if let Some(extensions) = &self.declared.extensions {
            found.extensions.clone_from(extensions);
        }
        if let (None, Some(name)) = (&found.implementation, &self.name) {
            found.implementation = Some(serde_json::json!({"name": name}));
        }
        found.cannot.extend(self.cannot.clone());
        found.registers &= self.registers;
        found.delivered |= self.delivered;
        found.model &= self.model;
        found.wire = self.wire;
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requirement::Profile;
    use std::path::Path;

    #[test]
    fn what_is_declared_comes_before_what_is_discovered() {
        let text = "name = 'mine'\n[connect]\nbase_url = 'http://127.0.0.1:1'\n[manifest]\ndelivery = 'none'\n[inject]\nmodel = false\n\
                    [capabilities]\nprofiles = ['session']\n\
                    [[cannot.requirements]]\nid = 'STP-001'\nreason = 'later'";
        let definition = Definition::parse(text, Path::new("t.toml")).expect("a definition");
        let claims = Claims::of(&definition);
        let found = claims.over(Capabilities::of([Profile::Human]));
        assert_eq!(found.profiles, [Profile::Core, Profile::Session].into());
        assert_eq!(found.cannot["STP-001"], "later");
        assert!(!found.registers && !found.model);
        assert_eq!(
            found.implementation,
            Some(serde_json::json!({"name": "mine"}))
        );
        let unchanged = Claims::default().over(Capabilities::of([Profile::Human]));
        assert_eq!(unchanged, Capabilities::of([Profile::Human]));
        assert!(
            claims
                .check(&Registry::default(), &[])
                .is_err_and(|e| e.contains("STP-001"))
        );
    }
}
