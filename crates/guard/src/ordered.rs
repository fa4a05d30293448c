//! Tables in order, for what a client can make grow: sorted runs, one after the other. Looking up takes two searches by halves;
//! to insert or remove moves at most one run, and now and then the list of runs.
//!
//! In place of the standard library's: there each pair of types is five thousand bytes of WebAssembly, of which the guard has
//! more than a dozen.

use std::borrow::Borrow;

/// A map in the order of its keys.
#[derive(Debug, Clone)]
pub(crate) struct Ordered<K, V> {
    /// None of them is empty.
    runs: Vec<Vec<(K, V)>>,
    length: usize,
}

/// A run that grows beyond it becomes two.
const RUN: usize = 64;

// === impl Ordered ===

impl<K, V> Default for Ordered<K, V> {
    fn default() -> Ordered<K, V> {
        Ordered { runs: Vec::new(), length: 0 }
    }
}

impl<K: Ord, V> Ordered<K, V> {
    pub(crate) const fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let run = self.runs.get(self.run_of(key))?;
        let at = place(run, key).ok()?;
        run.get(at).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let at = self.run_of(key);
        let run = self.runs.get_mut(at)?;
        let at = place(run, key).ok()?;
        run.get_mut(at).map(|(_, value)| value)
    }

    pub(crate) fn has<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get(key).is_some()
    }

    /// The value that was there before.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        if let Some(old) = self.get_mut(&key) {
            return Some(std::mem::replace(old, value));
        }
        self.length += 1;
        let which = self.run_of(&key);
        let Some(run) = self.runs.get_mut(which) else {
            self.runs.push(vec![(key, value)]);
            return None;
        };
        let at = place(run, &key).unwrap_or_else(|at| at);
        run.insert(at, (key, value));
        if run.len() > RUN {
            let upper = run.split_off(RUN / 2);
            self.runs.insert(which + 1, upper);
        }
        None
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let which = self.run_of(key);
        let run = self.runs.get_mut(which)?;
        let at = place(run, key).ok()?;
        let (_, value) = run.remove(at);
        self.length -= 1;
        if run.is_empty() {
            self.runs.remove(which);
        }
        // Short ones are put together, so that there are never many more runs than it takes.
        for at in [which, which.saturating_sub(1)] {
            let length = |at: usize| self.runs.get(at).map_or(RUN, Vec::len);
            if length(at) + length(at + 1) <= RUN / 2 {
                let mut next = self.runs.remove(at + 1);
                self.runs.get_mut(at)?.append(&mut next);
            }
        }
        Some(value)
    }

    pub(crate) fn first(&self) -> Option<(&K, &V)> {
        self.iter().next()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.runs.iter().flatten().map(|(key, value)| (key, value))
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.runs.iter().flatten().map(|(_, value)| value)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.runs.iter_mut().flatten().map(|(_, value)| value)
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(&V) -> bool) {
        self.runs.iter_mut().for_each(|run| run.retain(|(_, value)| keep(value)));
        self.runs.retain(|run| !run.is_empty());
        self.length = self.runs.iter().map(Vec::len).sum();
    }

    /// The run that has the key, if any has it: the last that does not begin beyond it.
    fn run_of<Q: Ord + ?Sized>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
    {
        let beyond = self.runs.partition_point(|run| run.first().is_some_and(|(first, _)| first.borrow() <= key));
        beyond.saturating_sub(1)
    }
}

/// Where the key is in a run, or belongs.
fn place<K: Borrow<Q>, V, Q: Ord + ?Sized>(run: &[(K, V)], key: &Q) -> Result<usize, usize> {
    run.binary_search_by(|(other, _)| other.borrow().cmp(key))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Act {
        Insert(u16, u8),
        Remove(u16),
        RemoveFirst,
        Retain(u8),
        Change(u16),
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            8 => (0..900u16, any::<u8>()).prop_map(|(key, value)| Act::Insert(key, value)),
            4 => (0..900u16).prop_map(Act::Remove),
            3 => Just(Act::RemoveFirst),
            1 => (200..=255u8).prop_map(Act::Retain),
            1 => (0..900u16).prop_map(Act::Change),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn it_is_the_standard_librarys_map(acts in prop::collection::vec(act(), 0..1500)) {
            let (mut ours, mut theirs) = (Ordered::default(), BTreeMap::new());
            for act in acts {
                match act {
                    Act::Insert(key, value) => prop_assert_eq!(ours.insert(key, value), theirs.insert(key, value)),
                    Act::Remove(key) => prop_assert_eq!(ours.remove(&key), theirs.remove(&key)),
                    Act::RemoveFirst => {
                        let first = ours.first().map(|(key, _)| *key);
                        prop_assert_eq!(first.and_then(|key| ours.remove(&key)), theirs.pop_first().map(|(_, value)| value));
                    }
                    Act::Retain(below) => {
                        ours.retain(|value| *value < below);
                        theirs.retain(|_, value| *value < below);
                    }
                    Act::Change(key) => {
                        let change = |value: &mut u8| *value = value.wrapping_add(1);
                        prop_assert_eq!(ours.get_mut(&key).map(change), theirs.get_mut(&key).map(change));
                    }
                }
                prop_assert_eq!(ours.len(), theirs.len());
                prop_assert!(ours.runs.iter().all(|run| (1..=RUN).contains(&run.len())));
            }
            prop_assert!(ours.iter().eq(theirs.iter()) && ours.values().eq(theirs.values()));
            prop_assert!((0..900).all(|key| ours.get(&key) == theirs.get(&key) && ours.has(&key) == theirs.contains_key(&key)));
        }
    }

    #[test]
    fn runs_that_were_emptied_do_not_stay() {
        let mut table: Ordered<u32, ()> = Ordered::default();
        (0..10_000).for_each(|key| assert_eq!(table.insert(key, ()), None));
        (0..10_000).filter(|key| key % 32 != 0).for_each(|key| assert_eq!(table.remove(&key), Some(())));
        assert!(table.len() == 313 && table.runs.len() < 40, "{} runs", table.runs.len());
    }
}
