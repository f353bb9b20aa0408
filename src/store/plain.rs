//! A ledger without a disk, for tests: what the others have to behave like, and one that can be told to fail.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;

use super::ledger::{
    Addition, Archived, Beginning, Count, Filed, Kept, KeptAnswer, Later, Ledger, LedgerError,
    Place, Registered, Retention,
};

/// Everything in maps; clones see the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plain {
    state: Arc<Mutex<State>>,
    generation: u64,
}

#[derive(Debug, Default)]
struct State {
    sessions: BTreeMap<String, Held>,
    transcripts: BTreeMap<String, (Archived, Timestamp)>,
    answers: BTreeMap<String, KeptAnswer>,
    manifests: Vec<Registered>,
    documents: BTreeMap<String, String>,
    counts: BTreeMap<String, (String, Timestamp)>,
    revision: u64,
    /// The handle that may write; those before it belong to processes that are dead.
    generation: u64,
    /// How often an answer was asked for.
    looked_up: usize,
    /// How many more writes are taken before the ledger is gone; `None`: all.
    writes_left: Option<u64>,
}

#[derive(Debug)]
struct Held {
    kept: Kept,
    opened: i64,
    in_flight: bool,
}

impl Plain {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics in here")
    }

    /// A handle for the next process; those before it write nothing any more.
    pub(crate) fn successor(&self) -> Self {
        let mut state = self.state();
        state.generation += 1;
        Self {
            state: Arc::clone(&self.state),
            generation: state.generation,
        }
    }

    /// Takes so many more writes, and then none until this is called again.
    pub(crate) fn fail_after(&self, writes: Option<u64>) {
        self.state().writes_left = writes;
    }

    /// How often an answer was asked for.
    pub(crate) fn looked_up(&self) -> usize {
        self.state().looked_up
    }

    /// All texts that are kept.
    pub(crate) fn texts(&self) -> Vec<String> {
        let state = self.state();
        let rows = state.sessions.values();
        rows.flat_map(|held| held.kept.rows.iter().map(|(_, row)| row.clone()))
            .chain(state.answers.values().map(|answer| answer.text.clone()))
            .chain(
                state
                    .transcripts
                    .values()
                    .map(|(archived, _)| archived.transcript.clone()),
            )
            .collect()
    }
}

impl State {
    fn write(&mut self, generation: u64) -> Result<(), LedgerError> {
        if generation != self.generation {
            return Err(LedgerError::Unavailable("the process is dead".to_owned()));
        }
        match &mut self.writes_left {
            None => Ok(()),
            Some(0) => Err(LedgerError::Unavailable("told to fail".to_owned())),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    fn free(&self, answer: Option<&KeptAnswer>) -> Result<(), LedgerError> {
        match answer {
            Some(answer) if self.answers.contains_key(&answer.scope) => Err(LedgerError::Conflict),
            _ => Ok(()),
        }
    }

    fn keep(&mut self, answer: Option<KeptAnswer>) {
        if let Some(answer) = answer {
            self.answers.insert(answer.scope.clone(), answer);
        }
    }
}

fn now<'a, T: Send + 'a>(result: Result<T, LedgerError>) -> Later<'a, T> {
    Box::pin(std::future::ready(result))
}

impl Ledger for Plain {
    fn lease(&self) -> Option<Duration> {
        None
    }

    fn begin(&self, beginning: Beginning) -> Later<'_, ()> {
        let mut state = self.state();
        let begun = state
            .write(self.generation)
            .and_then(|()| state.free(beginning.answer.as_ref()))
            .and_then(|()| match state.sessions.contains_key(&beginning.id) {
                true => Err(LedgerError::Conflict),
                false => Ok(()),
            })
            .map(|()| {
                state
                    .documents
                    .insert(beginning.digest.clone(), beginning.document);
                state.keep(beginning.answer);
                let kept = Kept {
                    owner: beginning.owner,
                    touched: beginning.at,
                    digest: beginning.digest,
                    rows: vec![(1, beginning.row)],
                };
                let held = Held {
                    kept,
                    opened: beginning.at.as_microsecond(),
                    in_flight: false,
                };
                state.sessions.insert(beginning.id, held);
            });
        now(begun)
    }

    fn add(&self, addition: Addition) -> Later<'_, ()> {
        let mut state = self.state();
        let added = (|| {
            state.write(self.generation)?;
            // An answer that is there already belongs to the same call: a session's calls come one after another.
            let held = state
                .sessions
                .get_mut(&addition.id)
                .ok_or(LedgerError::Conflict)?;
            let last = held.kept.rows.last().map_or(0, |(number, _)| *number);
            if last != addition.after {
                return Err(LedgerError::Conflict);
            }
            held.kept.rows.extend((last + 1..).zip(addition.rows));
            held.kept.touched = addition.at;
            held.in_flight = addition.in_flight;
            let owner = held.kept.owner.clone();
            if let Some(transcript) = addition.transcript {
                state.sessions.remove(&addition.id);
                let archived = Archived { owner, transcript };
                state
                    .transcripts
                    .insert(addition.id, (archived, addition.at));
            }
            state.keep(addition.answer);
            Ok(())
        })();
        now(added)
    }

    fn load<'a>(&'a self, id: &'a str, after: u64) -> Later<'a, Option<Kept>> {
        let state = self.state();
        let kept = state.sessions.get(id).map(|held| {
            let mut kept = held.kept.clone();
            kept.rows.retain(|(number, _)| *number > after);
            kept
        });
        now(Ok(kept))
    }

    fn claim<'a>(&'a self, _: &'a str) -> Later<'a, ()> {
        now(Ok(()))
    }

    fn release(&self, _: &str) {}

    fn touch<'a>(&'a self, id: &'a str, at: Timestamp) -> Later<'a, ()> {
        if let Some(held) = self.state().sessions.get_mut(id) {
            held.kept.touched = held.kept.touched.max(at);
        }
        now(Ok(()))
    }

    fn archived<'a>(&'a self, id: &'a str) -> Later<'a, Option<Archived>> {
        let state = self.state();
        now(Ok(state
            .transcripts
            .get(id)
            .map(|(archived, _)| archived.clone())))
    }

    fn answer<'a>(&'a self, scope: &'a str) -> Later<'a, Option<KeptAnswer>> {
        let mut state = self.state();
        state.looked_up += 1;
        now(Ok(state.answers.get(scope).cloned()))
    }

    fn keep_answer(&self, answer: KeptAnswer) -> Later<'_, ()> {
        let mut state = self.state();
        let kept = state
            .write(self.generation)
            .and_then(|()| state.free(Some(&answer)))
            .map(|()| state.keep(Some(answer)));
        now(kept)
    }

    fn count<'a>(&'a self, scope: &'a str) -> Later<'a, Option<String>> {
        now(Ok(self
            .state()
            .counts
            .get(scope)
            .map(|(text, _)| text.clone())))
    }

    fn recount(&self, before: Option<String>, count: Count) -> Later<'_, ()> {
        let mut state = self.state();
        let counted = state.write(self.generation).and_then(|()| {
            let known = state.counts.get(&count.scope).map(|(text, _)| text);
            if known != before.as_ref() {
                return Err(LedgerError::Conflict);
            }
            state.counts.insert(count.scope, (count.text, count.until));
            Ok(())
        });
        now(counted)
    }

    fn forget_counts(&self, before: Timestamp) -> Later<'_, ()> {
        self.state().counts.retain(|_, (_, until)| *until >= before);
        now(Ok(()))
    }

    fn manifests_revision(&self) -> Later<'_, u64> {
        now(Ok(self.state().revision))
    }

    fn manifests(&self) -> Later<'_, Vec<Registered>> {
        now(Ok(self.state().manifests.clone()))
    }

    fn file_manifest(&self, manifest: Registered, answer: Option<KeptAnswer>) -> Later<'_, Filed> {
        let mut state = self.state();
        let filed = state
            .write(self.generation)
            .and_then(|()| state.free(answer.as_ref()))
            .map(|()| {
                let known = state.manifests.iter().find(|known| {
                    (&known.name, &known.version) == (&manifest.name, &manifest.version)
                });
                let filed = match known {
                    Some(known) if known.digest != manifest.digest => return Filed::Other,
                    Some(_) => Filed::Known,
                    None => {
                        state.revision += 1;
                        state
                            .documents
                            .insert(manifest.digest.clone(), manifest.document.clone());
                        state.manifests.push(manifest);
                        Filed::New
                    }
                };
                state.keep(answer);
                filed
            });
        now(filed)
    }

    fn remove_manifest<'a>(&'a self, name: &'a str, version: &'a str) -> Later<'a, bool> {
        let mut state = self.state();
        let removed = state.write(self.generation).map(|()| {
            let before = state.manifests.len();
            state
                .manifests
                .retain(|known| (known.name.as_str(), known.version.as_str()) != (name, version));
            let removed = state.manifests.len() < before;
            state.revision += u64::from(removed);
            removed
        });
        now(removed)
    }

    fn document<'a>(&'a self, digest: &'a str) -> Later<'a, Option<String>> {
        now(Ok(self.state().documents.get(digest).cloned()))
    }

    fn owned<'a>(
        &'a self,
        owner: &'a str,
        after: Option<Place>,
        most: usize,
    ) -> Later<'a, Vec<Place>> {
        let state = self.state();
        let mut own: Vec<Place> = state
            .sessions
            .iter()
            .filter(|(_, held)| held.kept.owner == owner)
            .map(|(id, held)| Place {
                opened: Timestamp::from_microsecond(held.opened).expect("a time"),
                id: id.clone(),
            })
            .collect();
        let key = |place: &Place| (place.opened, place.id.clone());
        own.sort_by_key(|place| std::cmp::Reverse(key(place)));
        own.retain(|place| after.as_ref().is_none_or(|after| key(place) < key(after)));
        own.truncate(most);
        now(Ok(own))
    }

    fn idle(&self, before: Timestamp, most: usize) -> Later<'_, Vec<String>> {
        let state = self.state();
        let idle = state.sessions.iter();
        let idle = idle.filter(|(_, held)| held.kept.touched < before);
        now(Ok(idle.map(|(id, _)| id.clone()).take(most).collect()))
    }

    fn in_flight(&self, most: usize) -> Later<'_, Vec<String>> {
        let state = self.state();
        let flying = state.sessions.iter().filter(|(_, held)| held.in_flight);
        now(Ok(flying.map(|(id, _)| id.clone()).take(most).collect()))
    }

    fn open_sessions(&self) -> Later<'_, u64> {
        now(Ok(self.state().sessions.len() as u64))
    }

    fn prune(&self, retention: Retention) -> Later<'_, ()> {
        let mut guard = self.state();
        let state = &mut *guard;
        let times = state.transcripts.iter();
        let times = times.map(|(id, (_, at))| (*at, id.clone()));
        let most = retention.most_transcripts;
        for id in oldest(times.collect(), retention.transcripts_before, most) {
            state.transcripts.remove(&id);
        }
        let times = state.answers.values();
        let times = times.map(|answer| (answer.at, answer.scope.clone()));
        let most = retention.most_answers;
        for scope in oldest(times.collect(), retention.answers_before, most) {
            state.answers.remove(&scope);
        }
        let State {
            sessions,
            manifests,
            documents,
            ..
        } = state;
        documents.retain(|digest, _| {
            sessions.values().any(|held| held.kept.digest == *digest)
                || manifests.iter().any(|known| known.digest == *digest)
        });
        now(Ok(()))
    }
}

/// What is older than this, and the oldest beyond so many.
fn oldest(mut times: Vec<(Timestamp, String)>, before: Timestamp, most: u64) -> Vec<String> {
    times.sort();
    let too_many = times.len().saturating_sub(most as usize);
    let gone = times.into_iter().enumerate();
    gone.filter(|(place, (at, _))| *place < too_many || *at < before)
        .map(|(_, (_, name))| name)
        .collect()
}

#[tokio::test]
async fn it_keeps_what_every_ledger_promises() {
    super::contract::all(&Plain::default()).await;
}
