//! Whose turn it is: round the keys, and within a key round the narrower ones in it (`spec/sandbox.md`, section 3).

use std::collections::{HashMap, VecDeque};

/// Turns that keys have before one of those whose last run met its limit, while both wait.
const PASSES: u32 = 4;

/// Keys of which it is remembered that their last run met its limit.
const MOST_MARKS: usize = 1024;

/// Who waits, from the widest to the narrowest: whoever is named first shares one turn with all that is named below.
///
/// A caller with many sessions and calls has, as a key of its own above them, no more turns than one with a single session.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueKey(Vec<String>);

impl QueueKey {
    /// A key of these names, the widest first.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().collect())
    }

    /// Its names, the widest first.
    pub fn names(&self) -> &[String] {
        &self.0
    }
}

impl From<&str> for QueueKey {
    fn from(name: &str) -> Self {
        Self(vec![name.to_owned()])
    }
}

impl From<&QueueKey> for QueueKey {
    fn from(key: &QueueKey) -> Self {
        key.clone()
    }
}

/// What came of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ran {
    /// It ended by itself.
    InTime,
    /// It was ended by its limit of time.
    TooLong,
    /// It did not run, or was called off.
    Not,
}

/// Tasks that wait. Each key has a lane of its own, so that a long one delays no other.
pub(super) struct Turns<T> {
    root: Node<T>,
    slow: Slow,
}

impl<T> Turns<T> {
    pub(super) fn new() -> Self {
        Self {
            root: Node::default(),
            slow: Slow::default(),
        }
    }

    /// How many tasks wait.
    pub(super) fn waiting(&self) -> usize {
        self.root.waiting
    }

    /// Puts a task at the end of its lane.
    pub(super) fn push(&mut self, key: &QueueKey, task: T) {
        self.root.push(&key.0, 0, &self.slow, task);
    }

    /// Takes the next task of a key that has fewer than `most` running ones; each narrower key in it may have one fewer, so that
    /// it leaves a place to its neighbours. [`Turns::finished`] has to be told of its end.
    pub(super) fn next(&mut self, most: usize) -> Option<(QueueKey, T)> {
        let mut key = Vec::new();
        let task = self.root.next(most, &mut key, &self.slow)?;
        Some((QueueKey(key), task))
    }

    /// A task of this key has ended.
    pub(super) fn finished(&mut self, key: &QueueKey, ran: Ran) {
        for end in 1..=key.0.len() {
            let Some(names) = key.0.get(..end) else { break };
            match ran {
                Ran::TooLong => self.slow.mark(names),
                Ran::InTime => self.slow.forget(names),
                Ran::Not => {}
            }
        }
        self.root.finished(&key.0, 0, &self.slow);
    }
}

/// A key, or with the root all of them.
struct Node<T> {
    below: HashMap<String, Node<T>>,
    order: Order,
    /// Those of this key itself.
    tasks: VecDeque<T>,
    /// All that wait here and below.
    waiting: usize,
    running: usize,
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self {
            below: HashMap::new(),
            order: Order::default(),
            tasks: VecDeque::new(),
            waiting: 0,
            running: 0,
        }
    }
}

impl<T> Node<T> {
    fn push(&mut self, key: &[String], depth: usize, slow: &Slow, task: T) {
        self.waiting += 1;
        let Some(name) = key.get(depth) else {
            return self.tasks.push_back(task);
        };
        let node = self.below.entry(name.clone()).or_default();
        if node.waiting == 0 {
            self.order.push(name.clone(), slow.has(key, depth + 1));
        }
        node.push(key, depth + 1, slow, task);
    }

    /// Whether a task may be taken from here, of which so many may run. What is passed over holds workers, so there is little of it.
    fn has_turn(&self, most: usize) -> bool {
        let below = |name: &String| {
            let node = self.below.get(name);
            node.is_some_and(|node| node.has_turn(narrower(most)))
        };
        self.running < most && (!self.tasks.is_empty() || self.order.names().any(below))
    }

    fn next(&mut self, most: usize, key: &mut Vec<String>, slow: &Slow) -> Option<T> {
        let task = match self.tasks.pop_front() {
            Some(task) => task,
            None => {
                let below = &mut self.below;
                let may = |name: &String| below.get(name).is_some_and(|node| node.has_turn(most));
                let name = self.order.take(may)?;
                let node = below.get_mut(&name)?;
                key.push(name.clone());
                let depth = key.len();
                let task = node.next(narrower(most), key, slow)?;
                if node.waiting > 0 {
                    self.order.push(name, slow.has(key, depth));
                }
                task
            }
        };
        self.waiting -= 1;
        self.running += 1;
        Some(task)
    }

    fn finished(&mut self, key: &[String], depth: usize, slow: &Slow) {
        self.running = self.running.saturating_sub(1);
        let Some(name) = key.get(depth) else { return };
        let Some(node) = self.below.get_mut(name) else {
            return;
        };
        node.finished(key, depth + 1, slow);
        if node.waiting > 0 {
            self.order.sort(name, slow.has(key, depth + 1));
        } else if node.running == 0 {
            self.below.remove(name);
        }
    }
}

/// What a key within one may have, so that it leaves a place to the others in there.
fn narrower(most: usize) -> usize {
    most.saturating_sub(1).max(1)
}

/// Keys with a waiting task, each once; of each kind the first one's turn is next.
#[derive(Default)]
struct Order {
    /// Those whose last run did not meet its limit go first.
    prompt: VecDeque<String>,
    slow: VecDeque<String>,
    /// Turns of the former that the latter have waited for.
    passed: u32,
}

impl Order {
    fn names(&self) -> impl Iterator<Item = &String> {
        self.prompt.iter().chain(&self.slow)
    }

    fn push(&mut self, name: String, slow: bool) {
        if slow {
            self.slow.push_back(name);
        } else {
            self.prompt.push_back(name);
        }
    }

    /// Takes the first that may have its turn; the slow ones are never left out for good.
    fn take(&mut self, may: impl Fn(&String) -> bool) -> Option<String> {
        let overdue = self.passed >= PASSES;
        for slow in [overdue, !overdue] {
            let queue = if slow {
                &mut self.slow
            } else {
                &mut self.prompt
            };
            let Some(place) = queue.iter().position(&may) else {
                continue;
            };
            let name = queue.remove(place);
            self.passed = if slow || self.slow.is_empty() {
                0
            } else {
                self.passed.saturating_add(1)
            };
            return name;
        }
        None
    }

    /// Moves a waiting key to the end of where it belongs now.
    fn sort(&mut self, name: &str, slow: bool) {
        let other = if slow {
            &mut self.prompt
        } else {
            &mut self.slow
        };
        if let Some(place) = other.iter().position(|waiting| waiting == name)
            && let Some(name) = other.remove(place)
        {
            self.push(name, slow);
        }
    }
}

/// Keys whose last run met its limit, as far as they are remembered.
#[derive(Default)]
struct Slow {
    /// When each was marked.
    marks: HashMap<Vec<String>, u64>,
    clock: u64,
}

impl Slow {
    /// Whether the key of the first so many names is marked.
    fn has(&self, key: &[String], names: usize) -> bool {
        key.get(..names)
            .is_some_and(|names| self.marks.contains_key(names))
    }

    fn mark(&mut self, names: &[String]) {
        self.clock += 1;
        self.marks.insert(names.to_vec(), self.clock);
        if self.marks.len() > MOST_MARKS {
            let oldest = self.marks.iter().min_by_key(|(_, at)| **at);
            if let Some(oldest) = oldest.map(|(names, _)| names.clone()) {
                self.marks.remove(&oldest);
            }
        }
    }

    fn forget(&mut self, names: &[String]) {
        self.marks.remove(names);
    }
}
