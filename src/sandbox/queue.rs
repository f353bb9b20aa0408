//! Whose turn it is: round the keys, and within a key in order (`spec/sandbox.md`, section 3).

use std::collections::{HashMap, VecDeque};

/// Tasks that wait. Each key has a lane of its own, so that a long one delays no other.
pub(super) struct Turns<T> {
    lanes: HashMap<String, Lane<T>>,
    /// Keys with a waiting task, each once; the first one's turn is next.
    order: VecDeque<String>,
    waiting: usize,
}

struct Lane<T> {
    tasks: VecDeque<T>,
    running: usize,
}

impl<T> Turns<T> {
    pub(super) fn new() -> Self {
        Self {
            lanes: HashMap::new(),
            order: VecDeque::new(),
            waiting: 0,
        }
    }

    /// How many tasks wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Puts a task at the end of its lane.
    pub(super) fn push(&mut self, key: &str, task: T) {
        let lane = self.lanes.entry(key.to_owned()).or_insert_with(|| Lane {
            tasks: VecDeque::new(),
            running: 0,
        });
        if lane.tasks.is_empty() {
            self.order.push_back(key.to_owned());
        }
        lane.tasks.push_back(task);
        self.waiting += 1;
    }

    /// Takes the next task of a key that has fewer than `most` running ones. [`Turns::finished`] has to be told of its end.
    pub(super) fn next(&mut self, most: usize) -> Option<(String, T)> {
        // Every key that is passed over holds `most` workers, so there are few of them.
        let place = self
            .order
            .iter()
            .position(|key| self.lanes.get(key).is_some_and(|lane| lane.running < most))?;
        let key = self.order.remove(place)?;
        let lane = self.lanes.get_mut(&key)?;
        let task = lane.tasks.pop_front()?;
        lane.running += 1;
        self.waiting -= 1;
        if !lane.tasks.is_empty() {
            self.order.push_back(key.clone());
        }
        Some((key, task))
    }

    /// A task of this key has ended.
    pub(super) fn finished(&mut self, key: &str) {
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.running = lane.running.saturating_sub(1);
            if lane.running == 0 && lane.tasks.is_empty() {
                self.lanes.remove(key);
            }
        }
    }
}
