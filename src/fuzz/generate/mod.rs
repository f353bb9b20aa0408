//! Worlds from a seed: proptest's strategies, each over the part of the protocol that the target offers.
//!
//! Every world draws its own subset of the features (a swarm): one that mixes everything with everything rarely gets far, and some
//! faults show only where something is absent.

mod client;
mod feature;
mod manifest;
mod model;
mod service;
mod shape;

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::world::World;
use crate::requirement::Profile;
use crate::suite::Capabilities;

pub use feature::Feature;

/// What a target offers to be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The features that make sense on it.
    pub features: BTreeSet<Feature>,
    /// The code runtimes that generated code is written for.
    pub runtimes: Vec<String>,
}

impl Offer {
    /// What a target with these capabilities offers.
    pub fn of(capabilities: &Capabilities) -> Self {
        let runtimes: Vec<String> = capabilities
            .runtimes
            .iter()
            .filter(|name| name.starts_with("python3") || *name == "javascript")
            .cloned()
            .collect();
        let has = |profile: Profile| capabilities.profiles.contains(&profile);
        let memory = capabilities
            .schemes
            .as_ref()
            .is_none_or(|schemes| schemes.iter().any(|scheme| scheme.starts_with("memory")));
        let features = Feature::ALL
            .into_iter()
            .filter(|feature| feature.profile().is_none_or(has))
            .filter(|feature| match feature {
                Feature::Code => !runtimes.is_empty(),
                Feature::Files => memory,
                Feature::Registrations => capabilities.registers && !capabilities.delivered,
                _ => true,
            })
            .collect();
        Self { features, runtimes }
    }
}

/// What the strategies are told.
#[derive(Debug, Clone)]
struct Brief {
    features: BTreeSet<Feature>,
    runtimes: Vec<String>,
}

impl Brief {
    fn has(&self, feature: Feature) -> bool {
        self.features.contains(&feature)
    }

    /// A value in so many of ten cases, where the world has a feature; else never.
    fn maybe<S>(
        &self,
        feature: Feature,
        tenths: u32,
        strategy: S,
    ) -> BoxedStrategy<Option<S::Value>>
    where
        S: Strategy + 'static,
        S::Value: Clone,
    {
        if self.has(feature) {
            prop::option::weighted(f64::from(tenths) / 10.0, strategy).boxed()
        } else {
            Just(None).boxed()
        }
    }

    /// A weight for a choice of `prop_oneof!` that belongs to a feature; zero without it.
    fn weight(&self, feature: Feature, weight: u32) -> u32 {
        if self.has(feature) { weight } else { 0 }
    }
}

/// The world of a seed and a number: the same for ever, whatever was drawn before it.
///
/// # Errors
/// When a strategy gives up, which the strategies here have no reason to.
pub fn draw(seed: u64, index: u64, offer: &Offer) -> Result<World, String> {
    let sum = Sha256::digest(format!("oap-conform fuzz {seed}/{index}").as_bytes());
    let bytes: [u8; 32] = sum.into();
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, rng);
    let mask = any::<u64>()
        .new_tree(&mut runner)
        .map_err(|reason| reason.to_string())?
        .current();
    let features = Feature::ALL
        .into_iter()
        .enumerate()
        .filter(|(place, feature)| {
            mask & (1 << (place % 64)) != 0 && offer.features.contains(feature)
        })
        .map(|(_, feature)| feature)
        .collect();
    let brief = Brief {
        features,
        runtimes: offer.runtimes.clone(),
    };
    world(brief)
        .new_tree(&mut runner)
        .map(|tree| tree.current())
        .map_err(|reason| reason.to_string())
}

fn world(brief: Brief) -> BoxedStrategy<World> {
    manifest::actions(&brief)
        .prop_flat_map(move |actions| {
            let scopes = if brief.has(Feature::Scopes) {
                proptest::sample::subsequence(manifest::SCOPES.to_vec(), 0..=manifest::SCOPES.len())
                    .prop_map(|held| Some(held.into_iter().map(str::to_owned).collect()))
                    .boxed()
            } else {
                Just(None).boxed()
            };
            let brief_of_world = brief.clone();
            let inner = brief.clone();
            manifest::intents(&brief, &actions).prop_flat_map(move |intents| {
                (
                    scopes.clone(),
                    environment(&inner),
                    model::turns(&inner, &actions),
                    model::tail(&inner, &actions),
                    client::calls(&inner, &actions, &intents),
                    Just((brief_of_world.clone(), actions.clone(), intents)),
                )
            })
        })
        .prop_map(|(scopes, environment, model, tail, calls, rest)| {
            let (brief, actions, intents): (Brief, _, _) = rest;
            World {
                features: brief.features,
                actions,
                intents,
                scopes,
                environment,
                model,
                tail,
                calls,
            }
        })
        .boxed()
}

/// What the client knows of the world when it opens a session.
fn environment(brief: &Brief) -> BoxedStrategy<Map<String, Value>> {
    let some =
        prop::collection::vec((0_usize..4, shape::plain_value()), 0..3).prop_map(|members| {
            let names = ["calendar", "p", "note", "x"];
            members
                .into_iter()
                .filter_map(|(name, value)| Some(((*names.get(name)?).to_owned(), value)))
                .collect::<Map<String, Value>>()
        });
    let secret = model::secret_text()
        .prop_map(|text| Map::from_iter([("note".to_owned(), Value::from(text))]));
    prop_oneof![
        6 => some,
        brief.weight(Feature::Injection, 2) => secret,
    ]
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_a_number_are_a_world_for_ever() {
        let offer = Offer::of(&Capabilities::of(Profile::ALL));
        for index in [0, 1, 17, 400] {
            let once = draw(3, index, &offer).expect("a world");
            // Whatever was drawn in between.
            draw(4, index, &offer).expect("a world");
            assert_eq!(draw(3, index, &offer).expect("a world"), once);
        }
        assert_ne!(draw(3, 0, &offer), draw(4, 0, &offer));
    }

    #[test]
    fn every_feature_is_drawn_and_none_that_is_not_offered() {
        let all = Offer::of(&Capabilities {
            runtimes: vec!["javascript".to_owned()],
            ..Capabilities::of(Profile::ALL)
        });
        let mut seen = BTreeSet::new();
        for index in 0..64 {
            seen.extend(draw(1, index, &all).expect("a world").features);
        }
        assert_eq!(seen, Feature::ALL.into_iter().collect());
        let few = Offer::of(&Capabilities::of([Profile::Session]));
        for index in 0..200 {
            let world = draw(1, index, &few).expect("a world");
            assert_eq!(world.needs(), BTreeSet::from([Profile::Session]));
        }
    }

    #[test]
    fn features_have_names_of_their_own() {
        let names: BTreeSet<&str> = Feature::ALL.iter().map(|feature| feature.name()).collect();
        assert_eq!(names.len(), Feature::ALL.len());
    }
}
