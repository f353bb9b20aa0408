//! From a world that fails to the least that still does: parts are taken out, then what is left is made plain.
//!
//! Nothing here knows why a world fails. Whoever shrinks tries the candidates in order, goes on from the first that still fails, and ends
//! when none does or the budget is used up.

use serde_json::{Map, json};

use super::world::{Action, Call, Kind, Reaction, Shape, Turn, World};

/// A search for the least world that fails.
#[derive(Debug)]
pub struct Shrinker {
    world: World,
    /// The candidate to try next.
    place: usize,
    /// Whether anything was adopted since the first candidate was tried.
    adopted: bool,
}

impl Shrinker {
    /// Begins with a world that fails.
    pub fn new(world: World) -> Self {
        Self {
            world,
            place: 0,
            adopted: false,
        }
    }

    /// The smallest world found that fails.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// A smaller world to try; `None`: there is none that was not tried.
    pub fn candidate(&mut self) -> Option<World> {
        loop {
            if let Some(candidate) = candidates(&self.world).into_iter().nth(self.place) {
                return Some(candidate);
            }
            if !self.adopted {
                return None;
            }
            self.place = 0;
            self.adopted = false;
        }
    }

    /// Says whether the last candidate still fails.
    pub fn tried(&mut self, candidate: World, fails: bool) {
        if fails {
            // What stands at this place now was not tried yet.
            self.world = candidate;
            self.adopted = true;
        } else {
            self.place += 1;
        }
    }
}

/// How large a world is: what shrinking makes smaller.
pub fn size(world: &World) -> usize {
    let calls: usize = world.calls.iter().map(Vec::len).sum();
    let replies: usize = world
        .actions
        .iter()
        .map(|action| match &action.kind {
            Kind::Api(api) => api.replies.len(),
            _ => 0,
        })
        .sum();
    calls + world.model.len() + world.actions.len() + world.intents.len() + replies
}

/// Every world that is one cut smaller, the large cuts first.
fn candidates(world: &World) -> Vec<World> {
    let mut found = Vec::new();
    cuts(&mut found, world, world.calls.len(), |world, from, to| {
        world.calls.drain(from..to);
    });
    cuts(&mut found, world, world.model.len(), |world, from, to| {
        world.model.drain(from..to);
    });
    if world.actions.len() > 1 {
        for place in 0..world.actions.len() {
            let mut smaller = world.clone();
            smaller.actions.remove(place);
            tidy(&mut smaller);
            found.push(smaller);
        }
    }
    cuts(&mut found, world, world.intents.len(), |world, from, to| {
        world.intents.drain(from..to);
    });
    change(&mut found, world, |world| world.scopes = None);
    change(&mut found, world, |world| world.environment.clear());
    change(&mut found, world, |world| {
        world.tail = Turn::Finish { summary: None };
    });
    for place in 0..world.calls.len() {
        group(&mut found, world, place);
    }
    for place in 0..world.actions.len() {
        action(&mut found, world, place);
    }
    for place in 0..world.model.len() {
        turn(&mut found, world, place);
    }
    found.retain(|smaller| !smaller.actions.is_empty() && !smaller.calls.is_empty());
    found
}

/// Cuts of half, a quarter and so on down to one of so many things.
fn cuts(
    found: &mut Vec<World>,
    world: &World,
    count: usize,
    cut: impl Fn(&mut World, usize, usize),
) {
    let mut width = count.div_ceil(2);
    while width > 0 {
        let mut from = 0;
        while from < count {
            let mut smaller = world.clone();
            cut(&mut smaller, from, (from + width).min(count));
            found.push(smaller);
            from += width;
        }
        width = if width == 1 { 0 } else { width.div_ceil(2) };
    }
}

/// One change, unless it changes nothing.
fn change(found: &mut Vec<World>, world: &World, change: impl Fn(&mut World)) {
    let mut smaller = world.clone();
    change(&mut smaller);
    if smaller != *world {
        found.push(smaller);
    }
}

/// Takes out what speaks of actions that are gone.
fn tidy(world: &mut World) {
    let names: Vec<String> = world
        .actions
        .iter()
        .map(|action| action.name.clone())
        .collect();
    for intent in &mut world.intents {
        intent.actions.retain(|name| names.contains(name));
    }
    world.intents.retain(|intent| !intent.actions.is_empty());
    let intents: Vec<String> = world
        .intents
        .iter()
        .map(|intent| intent.name.clone())
        .collect();
    for call in world.calls.iter_mut().flatten() {
        if let Call::Open { intent, .. } = call {
            *intent = intent.take().filter(|name| intents.contains(name));
        }
    }
    for action in &mut world.actions {
        action.fallback = action.fallback.take().filter(|name| names.contains(name));
    }
}

/// A group of calls: fewer at the same time, and each of them plainer.
fn group(found: &mut Vec<World>, world: &World, place: usize) {
    let calls = &world.calls[place];
    if calls.len() > 1 {
        for inner in 0..calls.len() {
            change(found, world, |world| {
                world.calls[place].remove(inner);
            });
        }
        // One after another rather than at the same time.
        change(found, world, |world| {
            let group = world.calls.remove(place);
            for (offset, call) in group.into_iter().enumerate() {
                world.calls.insert(place + offset, vec![call]);
            }
        });
    }
    for (inner, call) in calls.iter().enumerate() {
        let mut at = |edit: &dyn Fn(&mut Call)| {
            change(found, world, |world| edit(&mut world.calls[place][inner]));
        };
        at(&without_key);
        match call {
            Call::Open { flags, .. } => {
                at(&|call| {
                    if let Call::Open { max_steps, .. } = call {
                        *max_steps = None;
                    }
                });
                at(&|call| {
                    if let Call::Open { intent, .. } = call {
                        *intent = None;
                    }
                });
                for flag in 0..flags.len() {
                    at(&|call| {
                        if let Call::Open { flags, .. } = call {
                            flags.remove(flag);
                        }
                    });
                }
            }
            Call::Step { .. } => at(&|call| {
                if let Call::Step { body, .. } = call {
                    body.clear();
                }
            }),
            Call::Answer { .. } => at(&|call| {
                if let Call::Answer { reaction, .. } = call {
                    *reaction = Reaction::Decision("reject".to_owned());
                }
            }),
            Call::Execute { nodes, .. } => {
                at(&|call| {
                    if let Call::Execute { state, .. } = call {
                        state.clear();
                    }
                });
                for node in 0..nodes.len() {
                    if nodes.len() > 1 {
                        at(&|call| {
                            if let Call::Execute { nodes, .. } = call {
                                nodes.remove(node);
                            }
                        });
                    }
                    at(&|call| {
                        if let Call::Execute { nodes, .. } = call {
                            nodes[node].conditional = None;
                        }
                    });
                    at(&|call| {
                        if let Call::Execute { nodes, .. } = call {
                            nodes[node].fallback = None;
                        }
                    });
                    at(&|call| {
                        if let Call::Execute { nodes, .. } = call {
                            nodes[node].input = json!({});
                        }
                    });
                }
            }
            Call::BadOpen { .. }
            | Call::Close { .. }
            | Call::Read { .. }
            | Call::Stranger { .. }
            | Call::Register { .. }
            | Call::Raw { .. } => {}
        }
    }
}

fn without_key(call: &mut Call) {
    match call {
        Call::Open { key, .. }
        | Call::Step { key, .. }
        | Call::Answer { key, .. }
        | Call::Close { key, .. }
        | Call::Execute { key, .. }
        | Call::Register { key, .. } => *key = None,
        Call::BadOpen { .. } | Call::Read { .. } | Call::Stranger { .. } | Call::Raw { .. } => {}
    }
}

/// One action, plainer.
fn action(found: &mut Vec<World>, world: &World, place: usize) {
    let mut at = |edit: &dyn Fn(&mut Action)| {
        change(found, world, |world| edit(&mut world.actions[place]));
    };
    at(&|action| {
        action.input = Shape::any(json!({}));
    });
    at(&|action| {
        action.output = Shape::any(json!({}));
    });
    at(&|action| action.result_path = None);
    at(&|action| action.completes_goal = false);
    at(&|action| action.flag = None);
    at(&|action| action.fallback = None);
    at(&|action| action.conditional = None);
    at(&|action| action.scopes.clear());
    at(&|action| action.rate_limit = None);
    at(&|action| action.approval = false);
    if let Kind::Api(api) = &world.actions[place].kind {
        for reply in 0..api.replies.len() {
            at(&|action| {
                if let Kind::Api(api) = &mut action.kind {
                    api.replies.remove(reply);
                }
            });
        }
        at(&|action| {
            if let Kind::Api(api) = &mut action.kind {
                api.auth = None;
            }
        });
        at(&|action| {
            if let Kind::Api(api) = &mut action.kind {
                api.headers.clear();
            }
        });
        at(&|action| {
            if let Kind::Api(api) = &mut action.kind {
                api.request_map = None;
            }
        });
        at(&|action| {
            if let Kind::Api(api) = &mut action.kind {
                api.response_map = None;
            }
        });
        at(&|action| {
            if let Kind::Api(api) = &mut action.kind {
                api.timeout_ms = None;
            }
        });
    }
}

/// One answer of the model, plainer.
fn turn(found: &mut Vec<World>, world: &World, place: usize) {
    let mut at = |edit: &dyn Fn(&mut Turn)| {
        change(found, world, |world| edit(&mut world.model[place]));
    };
    match &world.model[place] {
        Turn::Plan { action, .. } => {
            let plain = world.action(action).map(|action| action.input.first());
            at(&|turn| {
                if let Turn::Plan { extra, .. } = turn {
                    *extra = Map::new();
                }
            });
            at(&|turn| {
                if let (Turn::Plan { args, .. }, Some(plain)) = (turn, &plain) {
                    *args = plain.clone();
                }
            });
        }
        Turn::Finish { .. } => at(&|turn| *turn = Turn::Finish { summary: None }),
        Turn::Text(_) | Turn::Json(_) => at(&|turn| *turn = Turn::Text(String::new())),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::generate::{Offer, draw};
    use crate::requirement::Profile;
    use crate::suite::Capabilities;

    fn shrunk(world: World, fails: impl Fn(&World) -> bool) -> (World, usize) {
        let mut shrinker = Shrinker::new(world);
        let mut tries = 0;
        while let Some(candidate) = shrinker.candidate() {
            tries += 1;
            assert!(tries < 5000, "it comes to an end");
            let fails = fails(&candidate);
            shrinker.tried(candidate, fails);
        }
        (shrinker.world().clone(), tries)
    }

    /// Planted: a plan that names an action which the client steps for, in a session with a limit.
    fn planted(world: &World) -> bool {
        let steps = world
            .calls
            .iter()
            .flatten()
            .filter(|call| matches!(call, Call::Step { session: 0, .. }))
            .count();
        let plans = world
            .model
            .iter()
            .filter(|turn| matches!(turn, Turn::Plan { .. }))
            .count();
        let limited = |call: &Call| {
            matches!(
                call,
                Call::Open {
                    max_steps: Some(_),
                    ..
                }
            )
        };
        steps >= 2 && plans >= 1 && world.calls.iter().flatten().any(limited)
    }

    #[test]
    fn a_planted_failure_comes_down_to_what_it_takes() {
        let offer = Offer::of(&Capabilities::of(Profile::ALL));
        let mut found = 0;
        for index in 0..400 {
            let world = draw(11, index, &offer).expect("a world");
            if !planted(&world) {
                continue;
            }
            found += 1;
            let before = size(&world);
            let (least, _) = shrunk(world, planted);
            assert!(planted(&least));
            assert_eq!(
                least.calls.iter().map(Vec::len).sum::<usize>(),
                3,
                "{least:#?}"
            );
            assert_eq!((least.model.len(), least.actions.len()), (1, 1));
            assert!(least.intents.is_empty() && least.environment.is_empty());
            assert!(least.is_sequential());
            assert_eq!(size(&least), 5);
            assert!(before >= 5);
        }
        assert!(found > 20, "{found} worlds had the planted failure");
    }

    #[test]
    fn what_never_fails_again_stays_as_it_was() {
        let offer = Offer::of(&Capabilities::of(Profile::ALL));
        let world = draw(1, 1, &offer).expect("a world");
        let (same, tries) = shrunk(world.clone(), |_| false);
        assert_eq!(same, world);
        assert!(tries > 0);
    }
}
