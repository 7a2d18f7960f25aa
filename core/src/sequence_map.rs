//! A map for keys that mostly come in ascending order and mostly leave in the same order.

use alloc::collections::VecDeque;

/// Ordered by key, backed by a ring: adding the highest key and removing the lowest are O(1), look-up is a binary search,
/// and in the steady state nothing is allocated. Adding in the middle is O(n) and meant to be rare.
#[derive(Debug)]
pub(crate) struct SequenceMap<T> {
    slots: VecDeque<(u64, Option<T>)>,
    live: usize,
}

impl<T> SequenceMap<T> {
    pub(crate) const fn new() -> Self {
        Self { slots: VecDeque::new(), live: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.live
    }

    fn position(&self, key: u64) -> Result<usize, usize> {
        self.slots.binary_search_by_key(&key, |(key, _)| *key)
    }

    pub(crate) fn get(&self, key: u64) -> Option<&T> {
        self.slots[self.position(key).ok()?].1.as_ref()
    }

    pub(crate) fn get_mut(&mut self, key: u64) -> Option<&mut T> {
        let position = self.position(key).ok()?;
        self.slots[position].1.as_mut()
    }

    pub(crate) fn contains(&self, key: u64) -> bool {
        self.get(key).is_some()
    }

    /// Adds a value; the key must not be in the map.
    pub(crate) fn insert(&mut self, key: u64, value: T) {
        match self.position(key) {
            Ok(position) => {
                let vacant = self.slots[position].1.replace(value).is_none();
                debug_assert!(vacant, "key {key} is in the map already");
            }
            Err(position) if position == self.slots.len() => self.slots.push_back((key, Some(value))),
            Err(position) => self.slots.insert(position, (key, Some(value))),
        }
        self.live += 1;
    }

    pub(crate) fn remove(&mut self, key: u64) -> Option<T> {
        let position = self.position(key).ok()?;
        let value = self.slots[position].1.take()?;
        self.live -= 1;
        while self.slots.front().is_some_and(|(_, value)| value.is_none()) {
            self.slots.pop_front();
        }
        // One old entry must not keep the places of all that came and went after it.
        if self.slots.len() > 64 && self.slots.len() > 4 * self.live {
            self.slots.retain(|(_, value)| value.is_some());
        }
        Some(value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        self.slots.iter().filter_map(|(key, value)| Some((*key, value.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::SequenceMap;

    proptest! {
        #[test]
        fn it_behaves_like_a_btree_map(steps in proptest::collection::vec((0_u64..64, any::<bool>()), 0..400)) {
            let (mut ours, mut model) = (SequenceMap::new(), BTreeMap::new());
            for (step, (key, add)) in steps.into_iter().enumerate() {
                if add && !model.contains_key(&key) {
                    ours.insert(key, step);
                    model.insert(key, step);
                } else {
                    prop_assert_eq!(ours.remove(key), model.remove(&key));
                }
                prop_assert_eq!(ours.len(), model.len());
                let left: Vec<_> = ours.iter().map(|(key, value)| (key, *value)).collect();
                let right: Vec<_> = model.iter().map(|(key, value)| (*key, *value)).collect();
                prop_assert_eq!(left, right);
            }
        }
    }

    #[test]
    fn one_old_entry_does_not_hold_the_places_of_the_many_that_follow() {
        let mut map = SequenceMap::new();
        map.insert(0, ());
        for key in 1..10_000 {
            map.insert(key, ());
            map.remove(key);
        }
        assert!(map.slots.len() <= 128);
    }
}
