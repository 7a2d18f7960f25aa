//! Lists, maps and sets. Cloning one shares it.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Deref;

use super::size::Size;
use super::{Value, ValueError, tag};

/// Items and the size of their encoding.
struct Node<T> {
    items: Vec<T>,
    size: Size,
}

/// A list of values.
///
/// ```
/// use lacewing_core::wire::value::{List, Value};
///
/// let list: List = [Value::from(1), Value::from("two")].into_iter().collect();
/// assert_eq!(list[1].as_str(), Some("two"));
/// ```
#[derive(Clone)]
pub struct List(Arc<Node<Value>>);

/// Pairs of any values, in the order of the keys' encodings, no key twice.
///
/// ```
/// use lacewing_core::wire::value::{Map, Value};
///
/// let map = Map::new(vec![(Value::from(2.5), Value::from("x")), (Value::from(7), Value::Null)]).unwrap();
/// assert_eq!(map.get(&Value::from(7)), Some(&Value::Null));
/// assert_eq!(map[0].0, Value::from(7));
/// assert!(Map::new(vec![(Value::Null, Value::from(1)), (Value::Null, Value::from(2))]).is_err());
/// ```
#[derive(Clone)]
pub struct Map(Arc<Node<(Value, Value)>>);

/// Different values, in the order of their encodings.
///
/// ```
/// use lacewing_core::wire::value::{Set, Value};
///
/// let set: Set = [3, 1, 3].into_iter().map(Value::from).collect();
/// assert_eq!(set.len(), 2);
/// assert!(set.contains(&Value::from(3)));
/// ```
#[derive(Clone)]
pub struct Set(Arc<Node<Value>>);

impl List {
    /// A list of these items.
    pub fn new(items: Vec<Value>) -> Self {
        let size = side_by_side(items.iter()).inside(items.len() as u64);
        Self(Arc::new(Node { items, size }))
    }

    pub(super) fn size(&self) -> Size {
        self.0.size
    }

    /// Whether both are the same node in memory.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Map {
    /// A map of these pairs, in any order. [`ValueError::DuplicateKey`] where a key comes twice.
    pub fn new(mut pairs: Vec<(Value, Value)>) -> Result<Self, ValueError> {
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        if pairs.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(ValueError::DuplicateKey);
        }
        Ok(Self::sorted(pairs))
    }

    /// From pairs that are in order already.
    pub(super) fn sorted(items: Vec<(Value, Value)>) -> Self {
        let size =
            side_by_side(items.iter().flat_map(|(key, value)| [key, value])).inside(items.len() as u64);
        Self(Arc::new(Node { items, size }))
    }

    /// The value of a key.
    pub fn get(&self, key: &Value) -> Option<&Value> {
        let found = self.binary_search_by(|(own, _)| own.cmp(key)).ok()?;
        Some(&self[found].1)
    }

    pub(super) fn size(&self) -> Size {
        self.0.size
    }

    /// Whether both are the same node in memory.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Set {
    /// From items that are in order already.
    pub(super) fn sorted(items: Vec<Value>) -> Self {
        let size = side_by_side(items.iter()).inside(items.len() as u64).inside(tag::SET);
        Self(Arc::new(Node { items, size }))
    }

    /// Whether the value is in the set.
    pub fn contains(&self, item: &Value) -> bool {
        self.binary_search(item).is_ok()
    }

    pub(super) fn size(&self) -> Size {
        self.0.size
    }

    /// Whether both are the same node in memory.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

fn side_by_side<'a>(items: impl Iterator<Item = &'a Value>) -> Size {
    items.fold(Size::NOTHING, |size, item| size.beside(item.size()))
}

impl FromIterator<Value> for List {
    fn from_iter<I: IntoIterator<Item = Value>>(items: I) -> Self {
        Self::new(items.into_iter().collect())
    }
}

impl FromIterator<Value> for Set {
    /// Equal items become one.
    fn from_iter<I: IntoIterator<Item = Value>>(items: I) -> Self {
        let mut items: Vec<Value> = items.into_iter().collect();
        items.sort();
        items.dedup();
        Self::sorted(items)
    }
}

impl Deref for List {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        &self.0.items
    }
}

impl Deref for Map {
    type Target = [(Value, Value)];

    fn deref(&self) -> &[(Value, Value)] {
        &self.0.items
    }
}

impl Deref for Set {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        &self.0.items
    }
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(key, value)| (key, value))).finish()
    }
}

impl fmt::Debug for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
