//! What was seen not long ago.

use std::collections::{HashSet, VecDeque};

/// Names that came lately. Bounded: the oldest are forgotten, and names that are too long are not remembered.
#[derive(Debug)]
pub(crate) struct Recent {
    known: HashSet<Box<str>>,
    order: VecDeque<Box<str>>,
    most: usize,
}

/// The longest name that is remembered, in bytes.
const MAX_NAME: usize = 128;

// === impl Recent ===

impl Recent {
    /// Remembers up to `most` names.
    pub(crate) fn new(most: usize) -> Recent {
        Recent { known: HashSet::new(), order: VecDeque::new(), most }
    }

    /// Whether the name comes for the first time; it is remembered now.
    pub(crate) fn first(&mut self, name: &str) -> bool {
        if name.len() > MAX_NAME {
            return true;
        }
        if self.known.contains(name) {
            return false;
        }
        if self.order.len() >= self.most
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.order.push_back(name.into());
        self.known.insert(name.into())
    }

    /// Forgets a name: what it stood for did not happen.
    pub(crate) fn forget(&mut self, name: &str) {
        if self.known.remove(name) {
            self.order.retain(|known| **known != *name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten_and_copies_are_known() {
        let mut recent = Recent::new(2);
        assert!(recent.first("a") && !recent.first("a") && recent.first("b") && recent.first("c"));
        assert!(!recent.first("b") && recent.first("a"));
        recent.forget("a");
        assert!(recent.first("a"));
        assert_eq!(recent.order.len(), recent.known.len());
    }
}
