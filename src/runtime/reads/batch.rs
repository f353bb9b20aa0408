//! Calls that share one request: the first waits for others, sends for all, and gives each its part.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{Notify, oneshot};

use super::equal::Key;
use super::share;
use crate::manifest::{Batch, InvokeApi};
use crate::runtime::error::ErrorObject;
use crate::runtime::invoke;
use crate::runtime::parts::Parts;
use crate::runtime::response;
use crate::runtime::runtime::Runtime;
use crate::runtime::session::transcript::SideEffect;
use crate::runtime::session::{Call, Execution};

/// What a call waits beyond the window and the time limit of the request, before it gives the first one up.
const GRACE: Duration = Duration::from_secs(5);

/// The requests that still gather calls.
#[derive(Debug, Default)]
pub(super) struct Batches(Mutex<HashMap<Key, Arc<Gathering>>>);

/// A request that gathers calls until it is sent.
#[derive(Debug)]
struct Gathering {
    state: Mutex<Gathered>,
    /// Told when nobody else can join.
    full: Notify,
}

#[derive(Debug)]
struct Gathered {
    closed: bool,
    arguments: Value,
    /// How many elements each call brought, the first one's before all.
    elements: Vec<usize>,
    others: Vec<oneshot::Sender<Answer>>,
}

/// What one of the others gets.
#[derive(Debug)]
struct Answer {
    outcome: Result<Value, ErrorObject>,
    sent: Arc<[SideEffect]>,
}

/// How a call takes part.
enum Role<'b> {
    /// It sends the request for all.
    First(Sending<'b>),
    /// It waits for what the first one brings.
    Other(oneshot::Receiver<Answer>),
}

/// The first call's hold on its request; dropped early, it sets the others free.
struct Sending<'b> {
    batches: &'b Batches,
    key: Key,
    gathering: Arc<Gathering>,
}

/// Executes a call together with those that can share its request.
pub(super) async fn invoke(
    runtime: &Runtime,
    call: &Call,
    api: &InvokeApi,
    batch: &Batch,
    batches: &Batches,
    key: Key,
) -> Execution {
    let parts = runtime.parts();
    match batches.enter(parts, call, batch, key) {
        Role::First(sending) => send_for_all(runtime, call, api, batch, sending).await,
        Role::Other(answer) => {
            let rules = parts.reads();
            let patience = rules.window(batch) + parts.action_timeout(api) + GRACE;
            match tokio::time::timeout(patience, answer).await {
                Ok(Ok(answer)) if !rules.tries_alone(&answer.outcome) => Execution {
                    side_effects: rules.effects_of_joined(&answer.sent, call.step_number),
                    outcome: answer.outcome,
                    logs: None,
                },
                // The first one went away with its request, and this call is no worse for it: it only reads.
                Ok(_) => alone(runtime, call, api, batch).await,
                Err(_) => Execution::refused(response::timed_out(patience.as_millis())),
            }
        }
    }
}

async fn send_for_all(
    runtime: &Runtime,
    call: &Call,
    api: &InvokeApi,
    batch: &Batch,
    sending: Sending<'_>,
) -> Execution {
    let rules = runtime.parts().reads();
    // Whether the window passed or nobody else fits in, the request is due.
    let _ = tokio::time::timeout(rules.window(batch), sending.gathering.full.notified()).await;
    let (arguments, elements, others) = sending.close();
    let execution = invoke::request(runtime, call, api, &arguments).await;
    let mut shares = rules
        .shares(batch, &elements, execution.outcome)
        .into_iter();
    let own = shares.next().unwrap_or_else(|| Ok(Value::Null));
    let sent: Arc<[SideEffect]> = execution.side_effects.into();
    for (other, outcome) in others.into_iter().zip(shares) {
        let sent = Arc::clone(&sent);
        // Nobody waits any more where the send fails.
        let _ = other.send(Answer { outcome, sent });
    }
    Execution {
        outcome: own,
        side_effects: sent.to_vec(),
        logs: None,
    }
}

/// Executes a call that shares its request with nobody.
async fn alone(runtime: &Runtime, call: &Call, api: &InvokeApi, batch: &Batch) -> Execution {
    let mut execution = invoke::request(runtime, call, api, &call.args).await;
    let elements = [share::elements(&batch.member, &call.args)];
    let shares = runtime
        .parts()
        .reads()
        .shares(batch, &elements, execution.outcome);
    execution.outcome = shares.into_iter().next().unwrap_or(Ok(Value::Null));
    execution
}

impl Batches {
    /// Joins a request that still gathers, or begins one.
    fn enter<'b>(&'b self, parts: &dyn Parts, call: &Call, batch: &Batch, key: Key) -> Role<'b> {
        let first = |gathering| {
            Role::First(Sending {
                batches: self,
                key,
                gathering,
            })
        };
        let found = match self.open().entry(key) {
            Entry::Occupied(found) => Arc::clone(found.get()),
            Entry::Vacant(free) => {
                return first(Arc::clone(free.insert(Gathering::begun(call, batch))));
            }
        };
        if let Some(answer) = found.join(parts, call, batch) {
            return Role::Other(answer);
        }
        // One that is full is left to those in it.
        let gathering = Gathering::begun(call, batch);
        self.open().insert(key, Arc::clone(&gathering));
        first(gathering)
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Key, Arc<Gathering>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gathering {
    fn begun(call: &Call, batch: &Batch) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(Gathered {
                closed: false,
                arguments: call.args.clone(),
                elements: vec![share::elements(&batch.member, &call.args)],
                others: Vec::new(),
            }),
            full: Notify::new(),
        })
    }

    /// Adds a call; `None` when the request is on its way, or has no room for it.
    fn join(
        &self,
        parts: &dyn Parts,
        call: &Call,
        batch: &Batch,
    ) -> Option<oneshot::Receiver<Answer>> {
        let rules = parts.reads();
        let mut state = self.state();
        if state.closed {
            return None;
        }
        let arguments = rules.joined(batch, &state.arguments, &call.args);
        let calls = state.elements.len() + 1;
        if !rules.may_join(&call.action, batch, calls, &arguments) {
            // Whoever comes next fits in hardly better, and the first need not wait for them.
            self.full.notify_one();
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        let brought = share::elements(&batch.member, &call.args);
        state.arguments = arguments;
        state.elements.push(brought);
        state.others.push(sender);
        Some(receiver)
    }

    fn state(&self) -> MutexGuard<'_, Gathered> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sending<'_> {
    /// Lets nobody else in, and says what is sent and for whom.
    fn close(&self) -> (Value, Vec<usize>, Vec<oneshot::Sender<Answer>>) {
        let mut open = self.batches.open();
        if open
            .get(&self.key)
            .is_some_and(|found| Arc::ptr_eq(found, &self.gathering))
        {
            open.remove(&self.key);
        }
        drop(open);
        let mut state = self.gathering.state();
        state.closed = true;
        (
            state.arguments.take(),
            std::mem::take(&mut state.elements),
            std::mem::take(&mut state.others),
        )
    }
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        // What is left in it goes, and whoever waits learns that nobody sends for them.
        drop(self.close());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Kind;
    use crate::runtime::fixture::action;
    use crate::runtime::parts::Reference;
    use jiff::Timestamp;
    use serde_json::json;

    fn call(ids: Value) -> (Call, Batch) {
        let action = action(
            "look",
            &json!({
                "effects": ["read"], "batch": {"window_ms": 1000, "member": "ids"},
                "input_schema": {"required": ["ids"], "properties": {"ids": {"type": "array", "maxItems": 3}}},
            }),
        );
        let batch = match &action.kind {
            Kind::InvokeApi(api) => api.batch.as_deref().cloned().expect("a batch"),
            other => panic!("{} is no call", other.name()),
        };
        let call = Call {
            session_id: "s".to_owned(),
            step_number: 1,
            action,
            args: json!({"ids": ids}),
            manifest: "m".to_owned(),
            digest: "sha256:1".to_owned(),
            subject: "u".to_owned(),
            clock: Timestamp::UNIX_EPOCH,
            seed: None,
        };
        (call, batch)
    }

    fn enter(batches: &Batches, ids: Value) -> Role<'_> {
        let (call, batch) = call(ids);
        batches.enter(&Reference, &call, &batch, [1; 32])
    }

    #[tokio::test]
    async fn whoever_sends_for_others_and_goes_away_leaves_them_free() {
        let batches = Batches::default();
        let Role::First(sending) = enter(&batches, json!([1])) else {
            panic!("the first sends");
        };
        let Role::Other(answer) = enter(&batches, json!([2])) else {
            panic!("the second joins");
        };
        drop(sending);
        assert!(answer.await.is_err());
        assert!(batches.open().is_empty());
        assert!(matches!(enter(&batches, json!([3])), Role::First(_)));
    }

    #[tokio::test]
    async fn a_call_that_does_not_fit_sends_the_others_off_and_begins_anew() {
        let batches = Batches::default();
        let Role::First(sending) = enter(&batches, json!([1])) else {
            panic!("the first sends");
        };
        assert!(matches!(enter(&batches, json!([2, 3])), Role::Other(_)));
        let Role::First(next) = enter(&batches, json!([4])) else {
            panic!("there is no room for it");
        };
        sending.gathering.full.notified().await;
        let (arguments, elements, others) = sending.close();
        assert_eq!(arguments, json!({"ids": [1, 2, 3]}));
        assert_eq!((elements, others.len()), (vec![1, 2], 1));
        // What is sent takes nobody else in, and does not close the next one's door.
        assert!(matches!(enter(&batches, json!([5])), Role::Other(_)));
        drop(next);
        assert!(batches.open().is_empty());
    }
}
