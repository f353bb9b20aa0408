//! The contract of a session, one text for all sessions that have the same: it may be as large as their manifest.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::transcript::text_digest;

/// From how many entries on those whose contract is gone are looked for.
const FEW: usize = 16;

/// A contract with its digest; cheap to clone, and the same text wherever it came from the same [`Contracts`].
#[derive(Debug, Clone)]
pub struct Contract(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    text: Arc<str>,
    digest: Arc<str>,
    /// The bytes of all texts, this one's among them.
    total: Arc<AtomicUsize>,
}

impl Contract {
    /// The text, which messages share.
    pub fn text(&self) -> &Arc<str> {
        &self.0.text
    }

    /// Under what the text is kept in transcripts.
    pub fn digest(&self) -> &Arc<str> {
        &self.0.digest
    }
}

impl Deref for Contract {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0.text
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.total.fetch_sub(self.text.len(), Ordering::Relaxed);
    }
}

/// The contracts that sessions have at the moment; clones know the same.
#[derive(Debug, Clone, Default)]
pub struct Contracts {
    known: Arc<Mutex<Known>>,
    total: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Known {
    by_digest: HashMap<Arc<str>, Weak<Shared>>,
    /// At how many entries those without a contract are next let go of.
    look_at: usize,
}

impl Contracts {
    /// The contract of this text: that of another session, if one has it.
    pub fn share(&self, text: String) -> Contract {
        let digest: Arc<str> = text_digest(&text).into();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = known.by_digest.get(&digest).and_then(Weak::upgrade) {
            return Contract(shared);
        }
        if known.by_digest.len() >= known.look_at.max(FEW) {
            known
                .by_digest
                .retain(|_, shared| shared.strong_count() > 0);
            known.look_at = 2 * known.by_digest.len();
        }
        self.total.fetch_add(text.len(), Ordering::Relaxed);
        let shared = Arc::new(Shared {
            text: text.into(),
            digest: Arc::clone(&digest),
            total: Arc::clone(&self.total),
        });
        known.by_digest.insert(digest, Arc::downgrade(&shared));
        Contract(shared)
    }

    /// Bytes of the texts that sessions have.
    pub fn held_bytes(&self) -> usize {
        self.total.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_text_is_held_once_and_counted_while_it_is_held() {
        let contracts = Contracts::default();
        let one = contracts.share("one".to_owned());
        let again = contracts.clone().share("one".to_owned());
        assert!(Arc::ptr_eq(one.text(), again.text()));
        let other = contracts.share("another".to_owned());
        assert_eq!((&*other, contracts.held_bytes()), ("another", 10));
        assert_eq!(&**one.digest(), text_digest("one"));
        drop(one);
        assert_eq!(contracts.held_bytes(), 10);
        drop(again);
        assert_eq!(contracts.held_bytes(), 7);
    }

    #[test]
    fn what_nobody_has_any_more_is_forgotten() {
        let contracts = Contracts::default();
        let kept: Vec<_> = (0..20)
            .map(|n| contracts.share(format!("kept {n}")))
            .collect();
        for n in 0..1000 {
            drop(contracts.share(format!("passing {n}")));
        }
        let known = contracts
            .known
            .lock()
            .expect("not poisoned")
            .by_digest
            .len();
        assert!((20..=40).contains(&known), "{known}");
        let total: usize = kept.iter().map(|contract| contract.len()).sum();
        assert_eq!(contracts.held_bytes(), total);
    }
}
