//! A map with a bound that forgets what was used longest ago.

use alloc::collections::BTreeMap;

/// Values by key, and by when they were last written.
#[derive(Clone, Debug)]
pub(super) struct Recent<K, V> {
    values: BTreeMap<K, (V, u64)>,
    by_use: BTreeMap<u64, K>,
    uses: u64,
    count_max: usize,
}

impl<K: Ord + Clone, V> Recent<K, V> {
    pub(super) const fn new(count_max: usize) -> Self {
        Self { values: BTreeMap::new(), by_use: BTreeMap::new(), uses: 0, count_max }
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: core::borrow::Borrow<Q>,
    {
        self.values.get(key).map(|(value, _)| value)
    }

    /// Writes a value. At the limit the one goes that was written longest ago.
    pub(super) fn put(&mut self, key: K, value: V) {
        self.remove(&key);
        if self.values.len() >= self.count_max
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.values.remove(&oldest);
        }
        self.uses += 1;
        self.by_use.insert(self.uses, key.clone());
        self.values.insert(key, (value, self.uses));
    }

    pub(super) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: core::borrow::Borrow<Q>,
    {
        let (value, used) = self.values.remove(key)?;
        self.by_use.remove(&used);
        Some(value)
    }
}
