//! Sets of slots, small and fast where there are up to some ten thousand of them.
//!
//! A set is a sorted list while that takes less room than a bit for each slot, and words of bits from then on. General
//! compressed bitmaps cut their range into blocks of 65,536, which is more than a mesh has nodes: two tags that half of
//! 10,000 nodes have are then two lists of 5,000, and intersecting those costs twenty times what 157 words do.

use alloc::vec;
use alloc::vec::Vec;
use core::mem;

#[cfg(test)]
mod tests;

/// Longest list that is never turned into bits.
const LIST_MIN: usize = 16;

/// A set of slots.
///
/// ```
/// use lacewing_core::directory::index::SlotSet;
///
/// let set: SlotSet = [70, 3].into_iter().collect();
/// assert!(set.contains(3) && !set.contains(4));
/// assert_eq!(set.iter().collect::<Vec<_>>(), [3, 70]);
/// ```
#[derive(Clone, Debug)]
pub struct SlotSet(Form);

#[derive(Clone, Debug)]
enum Form {
    /// A single slot, which is what most texts have, takes no memory of its own.
    One(u32),
    /// Ascending.
    List(Vec<u32>),
    /// One bit for each slot, and how many are set.
    Bits(Vec<u64>, usize),
}

impl SlotSet {
    /// A set without anything.
    pub const fn new() -> Self {
        Self(Form::List(Vec::new()))
    }

    /// How many slots there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::One(_) => 1,
            Form::List(list) => list.len(),
            Form::Bits(_, len) => *len,
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the slot is in the set.
    pub fn contains(&self, slot: u32) -> bool {
        match &self.0 {
            Form::One(one) => *one == slot,
            Form::List(list) => list.binary_search(&slot).is_ok(),
            Form::Bits(words, _) => words.get(word_of(slot)).is_some_and(|word| word & bit_of(slot) != 0),
        }
    }

    /// The slots in ascending order.
    pub fn iter(&self) -> Iter<'_> {
        match &self.0 {
            Form::One(one) => Iter { list: core::slice::from_ref(one), words: &[], next_word: 0, bits: 0 },
            Form::List(list) => Iter { list, words: &[], next_word: 0, bits: 0 },
            Form::Bits(words, _) => Iter { list: &[], words, next_word: 0, bits: 0 },
        }
    }

    /// Adds a slot. Gives whether it is new.
    pub(super) fn insert(&mut self, slot: u32) -> bool {
        match &mut self.0 {
            Form::One(one) if *one == slot => return false,
            Form::One(one) => {
                let (low, high) = (slot.min(*one), slot.max(*one));
                self.0 = Form::List(vec![low, high]);
            }
            Form::List(list) if list.is_empty() => self.0 = Form::One(slot),
            Form::List(list) => {
                let Err(at) = list.binary_search(&slot) else { return false };
                list.insert(at, slot);
                self.choose_form();
            }
            Form::Bits(words, len) => {
                if words.len() <= word_of(slot) {
                    words.resize(word_of(slot) + 1, 0);
                }
                let word = &mut words[word_of(slot)];
                if *word & bit_of(slot) != 0 {
                    return false;
                }
                *word |= bit_of(slot);
                *len += 1;
            }
        }
        true
    }

    /// Takes a slot out. Gives whether it was there.
    pub(super) fn remove(&mut self, slot: u32) -> bool {
        match &mut self.0 {
            Form::One(one) if *one == slot => self.0 = Form::List(Vec::new()),
            Form::One(_) => return false,
            Form::List(list) => {
                let Ok(at) = list.binary_search(&slot) else { return false };
                list.remove(at);
            }
            Form::Bits(words, len) => {
                let Some(word) = words.get_mut(word_of(slot)) else { return false };
                if *word & bit_of(slot) == 0 {
                    return false;
                }
                *word &= !bit_of(slot);
                *len -= 1;
                self.choose_form();
            }
        }
        true
    }

    /// What is in both sets.
    pub(super) fn and(&self, other: &Self) -> Self {
        match (&self.0, &other.0) {
            (Form::Bits(left, _), Form::Bits(right, _)) => {
                let words: Vec<u64> = left.iter().zip(right).map(|(left, right)| left & right).collect();
                Self::of_words(words)
            }
            _ if self.len() <= other.len() => self.filtered(|slot| other.contains(slot)),
            _ => other.filtered(|slot| self.contains(slot)),
        }
    }

    /// What is in this set and not in the other.
    pub(super) fn without(&self, other: &Self) -> Self {
        match (&self.0, &other.0) {
            (Form::Bits(left, _), Form::Bits(right, _)) => {
                let mut words = left.clone();
                words.iter_mut().zip(right).for_each(|(left, right)| *left &= !right);
                Self::of_words(words)
            }
            _ if other.is_empty() => self.clone(),
            _ => self.filtered(|slot| !other.contains(slot)),
        }
    }

    /// What is in any of the sets. None of them has a slot of `slots` or above.
    pub(super) fn union<'a>(sets: impl Iterator<Item = &'a Self> + Clone, slots: usize) -> Self {
        if sets.clone().map(Self::len).sum::<usize>() <= LIST_MIN {
            let mut list: Vec<u32> = sets.flat_map(Self::iter).collect();
            list.sort_unstable();
            list.dedup();
            return Self(Form::List(list));
        }
        let mut words = vec![0; slots.div_ceil(64)];
        for set in sets {
            match &set.0 {
                Form::Bits(set, _) => words.iter_mut().zip(set).for_each(|(word, more)| *word |= more),
                Form::One(_) | Form::List(_) => {
                    for slot in set {
                        words[word_of(slot)] |= bit_of(slot);
                    }
                }
            }
        }
        Self::of_words(words)
    }

    /// The slots for which `keep` is true.
    pub(super) fn filtered(&self, mut keep: impl FnMut(u32) -> bool) -> Self {
        let Form::Bits(words, _) = &self.0 else {
            return Self(Form::List(self.iter().filter(|slot| keep(*slot)).collect()));
        };
        let mut kept = vec![0; words.len()];
        for slot in self {
            kept[word_of(slot)] |= u64::from(keep(slot)) << (slot % 64);
        }
        Self::of_words(kept)
    }

    /// Bytes that the set takes beside itself.
    pub(super) fn heap_len(&self) -> usize {
        match &self.0 {
            Form::One(_) => 0,
            Form::List(list) => list.capacity() * size_of::<u32>(),
            Form::Bits(words, _) => words.capacity() * size_of::<u64>(),
        }
    }

    fn of_words(words: Vec<u64>) -> Self {
        let len = words.iter().map(|word| word.count_ones() as usize).sum();
        Self(Form::Bits(words, len))
    }

    /// Takes the form that needs less room. Between the two limits both are kept, so that one slot that comes and goes does
    /// not turn the set over each time.
    fn choose_form(&mut self) {
        match &mut self.0 {
            Form::List(list) => {
                let words = list.last().map_or(0, |last| word_of(*last) + 1);
                if list.len() > LIST_MIN && list.len() > 2 * words {
                    let mut bits = vec![0; words];
                    for slot in list.iter() {
                        bits[word_of(*slot)] |= bit_of(*slot);
                    }
                    self.0 = Form::Bits(bits, list.len());
                }
            }
            Form::Bits(words, len) => {
                while words.last() == Some(&0) {
                    words.pop();
                }
                if *len <= LIST_MIN / 2 || *len < words.len() / 2 {
                    let list: Vec<u32> = self.iter().collect();
                    self.0 = Form::List(list);
                }
            }
            Form::One(_) => {}
        }
    }
}

const fn word_of(slot: u32) -> usize {
    slot as usize / 64
}

const fn bit_of(slot: u32) -> u64 {
    1 << (slot % 64)
}

impl Default for SlotSet {
    fn default() -> Self {
        Self::new()
    }
}

/// Sets are equal where they hold the same, in whatever form.
impl PartialEq for SlotSet {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other)
    }
}

impl Eq for SlotSet {}

impl FromIterator<u32> for SlotSet {
    fn from_iter<I: IntoIterator<Item = u32>>(slots: I) -> Self {
        let mut set = Self::new();
        for slot in slots {
            set.insert(slot);
        }
        set
    }
}

impl<'a> IntoIterator for &'a SlotSet {
    type Item = u32;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// The slots of a [`SlotSet`] in ascending order.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    list: &'a [u32],
    words: &'a [u64],
    next_word: usize,
    /// What is left of the word before `next_word`.
    bits: u64,
}

impl Iterator for Iter<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        if let Some((first, rest)) = mem::take(&mut self.list).split_first() {
            self.list = rest;
            return Some(*first);
        }
        while self.bits == 0 {
            self.bits = *self.words.get(self.next_word)?;
            self.next_word += 1;
        }
        let bit = self.bits.trailing_zeros();
        self.bits &= self.bits - 1;
        Some((self.next_word as u32 - 1) * 64 + bit)
    }
}
