//! Questions that wait for a person, and the one decision that each of them takes (`spec/workflows.md`, section 12).
//!
//! Bounded in number, bytes and time. What a decided question held is let go when room is needed; an open one never is, so
//! that nobody can drive another's question out by asking many.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::bound::Bound;
use super::parts::WorkflowParts;
use super::request::ExecuteRequest;
use super::run::Pause;
use crate::runtime::access::Caller;
use crate::runtime::answer::Answer;
use crate::runtime::error::{Code, ErrorObject};
use crate::runtime::held_bytes;

/// How long a question can be answered.
pub const LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// How long it is remembered after that, so that a late decision learns that it is late.
pub const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);

/// The scope that lets a subject decide what another asked.
const DECIDE: &str = "approval:decide";

/// How a question stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It waits for a decision.
    Open,
    /// It has been decided, or is being decided.
    Used,
    /// Its time is over.
    Expired,
}

/// What an identical repeat of the call that asked comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Repeat {
    /// The same 202 again.
    Same,
    /// A refusal.
    Refuse(ErrorObject),
    /// A call like any other.
    Run,
}

/// Whether a question of this standing takes a decision.
///
/// # Errors
/// `approval_used`, `approval_expired`.
pub fn admit(standing: Standing) -> Result<(), ErrorObject> {
    match standing {
        Standing::Open => Ok(()),
        Standing::Used => Err(used()),
        Standing::Expired => Err(ErrorObject::new(
            Code::ApprovalExpired,
            "the decision came later than expires_at; ask again",
        )),
    }
}

/// What an identical repeat comes to: the earlier nodes must not run twice.
pub fn repeat(standing: Standing) -> Repeat {
    match standing {
        Standing::Open => Repeat::Same,
        Standing::Used => Repeat::Refuse(used()),
        Standing::Expired => Repeat::Run,
    }
}

/// Whether a caller may decide: who asked, and who holds the scope for others' questions.
pub fn may_decide(asker: &str, caller: &Caller) -> bool {
    caller.subject == asker || caller.holds(DECIDE)
}

/// The failure of a rejected action.
pub fn rejected() -> ErrorObject {
    ErrorObject::new(
        Code::HumanRejected,
        "a person rejected the action, so nothing was executed",
    )
}

/// The question has taken its decision.
pub fn used() -> ErrorObject {
    ErrorObject::new(
        Code::ApprovalUsed,
        "the approval has been decided already; ask again for a new one",
    )
}

fn full() -> ErrorObject {
    ErrorObject::new(
        Code::CapacityExceeded,
        "no further question can be kept; decide some of those that wait",
    )
}

/// No question has the id, or it is nothing to this caller.
pub fn not_found() -> ErrorObject {
    ErrorObject::new(Code::ApprovalNotFound, "no approval has this id")
}

/// What a resumed call must have in common with the answer that it resumes; digests of canonical JSON.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kept {
    /// `resume`, as it left.
    pub open_action: String,
    /// The state, as it left.
    pub state: String,
    /// The members of the request that stay as they are, those that were given.
    pub members: BTreeMap<String, String>,
}

impl Kept {
    /// What a resumed call brings.
    pub fn sent(parts: &dyn WorkflowParts, request: &ExecuteRequest) -> Self {
        let open_action = request.body.get("open_action").unwrap_or(&Value::Null);
        let mut members = kept_members(parts, request);
        if request.body.get("replan_max").is_none() {
            members.remove("replan_max");
        }
        Self {
            open_action: parts.kept_digest(open_action),
            state: parts.kept_digest(&Value::Object(request.state.clone())),
            members,
        }
    }

    /// The member that a resumed call has changed.
    fn changed_by<'k>(&'k self, parts: &dyn WorkflowParts, sent: &'k Kept) -> Option<&'k str> {
        let whole = [
            ("open_action", &self.open_action, &sent.open_action),
            ("state", &self.state, &sent.state),
        ];
        let whole = whole
            .into_iter()
            .find(|(member, kept, sent)| parts.is_changed(member, Some(kept), Some(sent)));
        let one = || {
            let mut given = sent.members.iter();
            given.find(|(member, sent)| {
                let kept = self.members.get(*member).map(String::as_str);
                parts.is_changed(member, kept, Some(sent))
            })
        };
        whole
            .map(|(member, ..)| member)
            .or_else(|| one().map(|(member, _)| member.as_str()))
    }
}

/// The members that a question keeps of its request, by name.
pub fn kept_members(
    parts: &dyn WorkflowParts,
    request: &ExecuteRequest,
) -> BTreeMap<String, String> {
    let mut scopes = request.required_scopes.clone();
    scopes.sort_unstable();
    let given = [
        ("manifest", request.manifest.as_ref().map(|v| json!(v))),
        ("intent", request.intent.as_ref().map(|v| json!(v))),
        ("accessControl", (!scopes.is_empty()).then(|| json!(scopes))),
        ("seed", request.seed.map(|v| json!(v))),
        ("timestamp", request.timestamp.as_ref().map(|v| json!(v))),
        ("goal", request.goal.as_ref().map(|v| json!(v))),
        ("replan_max", Some(json!(request.replan_max))),
        ("prune", request.prune.map(|v| json!(v))),
    ];
    let given = given.into_iter();
    given
        .filter_map(|(name, value)| Some((name.to_owned(), parts.kept_digest(&value?))))
        .collect()
}

/// The key of a call that asked, by which a repeat of it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepeatKey {
    /// Subject, path and key.
    pub scope: String,
    /// The body.
    pub fingerprint: String,
}

/// A question on its way into the store.
#[derive(Debug, Clone)]
pub struct Question {
    /// Its id.
    pub id: String,
    /// The subject that asked.
    pub asker: String,
    /// Until when it can be answered.
    pub expires_at: Timestamp,
    /// What a resumed call must bring.
    pub kept: Kept,
    /// How the call goes on.
    pub pause: Pause,
    /// The 202, as it leaves.
    pub answer: Answer,
}

/// What is known about a call that is sent again.
#[derive(Debug, Clone)]
pub enum Known {
    /// Nothing.
    No,
    /// Its key was used with another body.
    Other,
    /// It asked a question, which stands so.
    Asked(Standing, Answer),
}

/// The questions.
#[derive(Debug)]
pub struct Approvals {
    book: Arc<Mutex<Book>>,
    most: usize,
    most_bytes: usize,
}

#[derive(Debug, Default)]
struct Book {
    held: HashMap<String, Held>,
    /// Ids by the call that asked.
    keys: HashMap<String, String>,
    /// Ids in the order of asking.
    order: VecDeque<String>,
    bytes: usize,
}

#[derive(Debug)]
struct Held {
    asker: String,
    expires_at: Timestamp,
    kept: Kept,
    taken: Taken,
    pause: Arc<Pause>,
    repeat: Option<(RepeatKey, Answer)>,
    weight: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    No,
    Deciding,
    Yes,
}

impl Held {
    fn standing(&self, parts: &dyn WorkflowParts, now: Timestamp) -> Standing {
        match self.taken {
            Taken::Deciding | Taken::Yes => Standing::Used,
            Taken::No if parts.is_expired(self.expires_at, now) => Standing::Expired,
            Taken::No => Standing::Open,
        }
    }
}

impl Approvals {
    /// An empty store with these bounds.
    pub fn new(most: usize, most_bytes: usize) -> Self {
        Self {
            book: Arc::default(),
            most,
            most_bytes,
        }
    }

    /// Keeps a question; `repeat` is the key of the call that asks.
    ///
    /// # Errors
    /// `capacity_exceeded` when open questions take up all the room.
    pub fn hold(
        &self,
        question: Question,
        repeat: Option<RepeatKey>,
        now: Timestamp,
    ) -> Result<(), ErrorObject> {
        let weight = question.pause.weight()
            + repeat.as_ref().map_or(0, |key| {
                held_bytes(&question.answer.body) + 2 * key.scope.len() + key.fingerprint.len()
            })
            + 1024;
        let mut book = lock(&self.book);
        book.forget(now);
        if !self.makes_room(&mut book, weight, now)
            || self.has_its_share(&book, &question.asker, weight, now)
        {
            return Err(full());
        }
        let repeat = repeat.map(|key| {
            book.keys.insert(key.scope.clone(), question.id.clone());
            (key, question.answer)
        });
        book.put(
            question.id,
            Held {
                asker: question.asker,
                expires_at: question.expires_at,
                kept: question.kept,
                taken: Taken::No,
                pause: Arc::new(question.pause),
                repeat,
                weight,
            },
        );
        Ok(())
    }

    /// Takes a question in that is kept elsewhere, and was asked before this store was made or by another process.
    ///
    /// # Errors
    /// `capacity_exceeded` when open questions take up all the room.
    pub fn adopt(&self, question: Question, now: Timestamp) -> Result<(), ErrorObject> {
        let weight = question.pause.weight() + 1024;
        let mut book = lock(&self.book);
        book.forget(now);
        if book.held.contains_key(&question.id) {
            return Ok(());
        }
        if !self.makes_room(&mut book, weight, now) {
            return Err(full());
        }
        book.put(
            question.id,
            Held {
                asker: question.asker,
                expires_at: question.expires_at,
                kept: question.kept,
                taken: Taken::No,
                pause: Arc::new(question.pause),
                repeat: None,
                weight,
            },
        );
        Ok(())
    }

    /// Whether a caller may decide a question; `None` when it is not here.
    pub fn may_decide(&self, parts: &dyn WorkflowParts, id: &str, caller: &Caller) -> Option<bool> {
        let book = lock(&self.book);
        let held = book.held.get(id)?;
        Some(parts.may_decide(&held.asker, caller))
    }

    /// Who asked a question, if it is here.
    pub fn asker(&self, id: &str) -> Option<String> {
        let book = lock(&self.book);
        book.held.get(id).map(|held| held.asker.clone())
    }

    /// Lets a question go that is kept elsewhere: what is known of it here may not be what is kept.
    pub fn let_go(&self, id: &str) {
        let mut book = lock(&self.book);
        book.remove(id);
        book.order.retain(|known| known != id);
    }

    /// Whether a question of this weight has room, perhaps after what can be spared was let go.
    fn makes_room(&self, book: &mut Book, weight: usize, now: Timestamp) -> bool {
        let room = |book: &Book| {
            book.order.len() < self.most && book.bytes.saturating_add(weight) <= self.most_bytes
        };
        if !room(book) {
            book.let_go(now, weight, self.most, self.most_bytes);
        }
        room(book)
    }

    /// Whether an asker's open questions take up half of the room: the other half is for everybody else.
    fn has_its_share(&self, book: &Book, asker: &str, weight: usize, now: Timestamp) -> bool {
        let open = book
            .held
            .values()
            .filter(|held| held.asker == asker)
            .filter(|held| held.taken != Taken::Yes && held.expires_at >= now);
        let (count, bytes) = open.fold((0, 0_usize), |(count, bytes), held| {
            (count + 1, bytes.saturating_add(held.weight))
        });
        count >= self.most.div_ceil(2) || bytes.saturating_add(weight) > self.most_bytes.div_ceil(2)
    }

    /// What is known about a call with this key and body.
    pub fn repeated(&self, parts: &dyn WorkflowParts, key: &RepeatKey, now: Timestamp) -> Known {
        let book = lock(&self.book);
        let held = book.keys.get(&key.scope).and_then(|id| book.held.get(id));
        let Some((held, (known, answer))) =
            held.and_then(|held| Some((held, held.repeat.as_ref()?)))
        else {
            return Known::No;
        };
        match held.standing(parts, now) {
            Standing::Expired => Known::No,
            _ if known.fingerprint != key.fingerprint => Known::Other,
            standing => Known::Asked(standing, answer.clone()),
        }
    }

    /// How the call goes on that a decision is about; nothing is taken yet.
    ///
    /// # Errors
    /// `approval_not_found`, `approval_used`, `approval_expired`, `approval_changed`, the first of them that holds.
    pub fn find(
        &self,
        parts: &dyn WorkflowParts,
        id: &str,
        caller: &Caller,
        sent: &Kept,
        now: Timestamp,
    ) -> Result<Arc<Pause>, ErrorObject> {
        let mut book = lock(&self.book);
        book.forget(now);
        let held = book.held.get(id);
        let held = held
            .filter(|held| parts.may_decide(&held.asker, caller))
            .ok_or_else(not_found)?;
        parts.admit_decision(held.standing(parts, now))?;
        if let Some(member) = held.kept.changed_by(parts, sent) {
            return Err(ErrorObject::new(
                Code::ApprovalChanged,
                format!(
                    "`{member}` is not what it was when the question was asked; send resume, state and all else as they were"
                ),
            )
            .with("member", member));
        }
        Ok(Arc::clone(&held.pause))
    }

    /// Takes the one decision of a question.
    ///
    /// # Errors
    /// `approval_used` when another was quicker, `approval_not_found` when the question is gone.
    pub fn claim(
        &self,
        parts: &dyn WorkflowParts,
        id: &str,
        now: Timestamp,
    ) -> Result<Claim, ErrorObject> {
        let mut book = lock(&self.book);
        let held = book.held.get_mut(id).ok_or_else(not_found)?;
        parts.admit_decision(held.standing(parts, now))?;
        held.taken = Taken::Deciding;
        Ok(Claim {
            book: Arc::clone(&self.book),
            id: id.to_owned(),
        })
    }
}

/// A decision under way; dropped without being [used up](Claim::use_up) it leaves the question open.
#[derive(Debug)]
pub struct Claim {
    book: Arc<Mutex<Book>>,
    id: String,
}

impl Claim {
    /// The decision acts: the question takes no other.
    pub fn use_up(&self) {
        self.set(Taken::Yes);
    }

    fn set(&self, taken: Taken) {
        if let Some(held) = lock(&self.book).held.get_mut(&self.id)
            && held.taken == Taken::Deciding
        {
            held.taken = taken;
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.set(Taken::No);
    }
}

impl Book {
    fn put(&mut self, id: String, held: Held) {
        self.bytes += held.weight;
        self.order.push_back(id.clone());
        self.held.insert(id, held);
    }

    /// Forgets what nobody can ask about any more.
    fn forget(&mut self, now: Timestamp) {
        let oldest = now.checked_sub(REMEMBERED).unwrap_or(Timestamp::MIN);
        while let Some(id) = self.order.front() {
            if self
                .held
                .get(id)
                .is_some_and(|held| held.expires_at >= oldest)
            {
                return;
            }
            let id = id.clone();
            self.order.pop_front();
            self.remove(&id);
        }
    }

    /// Makes room by what can be spared, the oldest first: decided and expired questions.
    fn let_go(&mut self, now: Timestamp, wanted: usize, most: usize, most_bytes: usize) {
        let mut left = VecDeque::with_capacity(self.order.len());
        while let Some(id) = self.order.pop_front() {
            let full = self.order.len() + left.len() + 1 > most.saturating_sub(1)
                || self.bytes.saturating_add(wanted) > most_bytes;
            let spared = self.held.get(&id).is_none_or(|held| {
                held.taken == Taken::Yes || (held.taken == Taken::No && held.expires_at < now)
            });
            if full && spared {
                self.remove(&id);
            } else {
                left.push_back(id);
            }
        }
        self.order = left;
    }

    fn remove(&mut self, id: &str) {
        let Some(held) = self.held.remove(id) else {
            return;
        };
        self.bytes = self.bytes.saturating_sub(held.weight);
        if let Some((key, _)) = held.repeat
            && self.keys.get(&key.scope).is_some_and(|known| known == id)
        {
            self.keys.remove(&key.scope);
        }
    }
}

/// Roughly the bytes of memory of nodes that wait to run: each is there as it came and as it was read.
pub fn weight_of(nodes: &[Bound]) -> usize {
    let weights = nodes.iter().map(|node| 3 * held_bytes(node.source()) + 512);
    weights.sum()
}

/// A panic elsewhere leaves the book whole: nothing in here panics half way.
fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
