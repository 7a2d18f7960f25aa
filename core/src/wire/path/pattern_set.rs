//! Many patterns, and the best one for a path.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::ActionPath;
use super::pattern::{Bindings, PathPattern, Segment};

/// Patterns with a value each. The best match of a path is found by walking down its segments, not by trying all patterns.
///
/// The set grows without a bound of its own: whoever takes patterns from elsewhere counts them with [`len`](Self::len).
///
/// ```
/// use lacewing_core::wire::path::PatternSet;
///
/// let mut set = PatternSet::default();
/// for (pattern, handler) in [("orders/>", 1), ("orders/*/place", 2), ("orders/{region}/place", 3), ("prod:orders/eu/place", 4)] {
///     set.insert(pattern.parse().unwrap(), handler);
/// }
/// let found = set.best("test", "orders/eu/place").unwrap();
/// assert_eq!((*found.value, found.bindings.get("region")), (3, Some("eu")));
/// assert_eq!(*set.best("prod", "orders/eu/place").unwrap().value, 4);
/// assert_eq!(*set.best("test", "orders/eu/cancel").unwrap().value, 1);
/// assert!(set.best("test", "orders").is_none());
/// ```
#[derive(Clone, Debug)]
pub struct PatternSet<V> {
    root: Branch<V>,
    len: usize,
}

/// A pattern of a set that matches a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternMatch<'a, 's, V> {
    /// The pattern.
    pub pattern: &'a PathPattern,
    /// Its value.
    pub value: &'a V,
    /// What its templates stand for.
    pub bindings: Bindings<'a, 's>,
}

/// All patterns that begin with the same segments, where the names of templates do not count.
#[derive(Clone, Debug)]
struct Branch<V> {
    literals: BTreeMap<String, Branch<V>>,
    template: Option<Box<Branch<V>>>,
    any: Option<Box<Branch<V>>>,
    /// Patterns that end here, the most specific one first.
    ends: Vec<(PathPattern, V)>,
    /// Patterns that end here with `>`.
    tails: Vec<(PathPattern, V)>,
}

impl<V> Default for Branch<V> {
    fn default() -> Self {
        Self { literals: BTreeMap::new(), template: None, any: None, ends: Vec::new(), tails: Vec::new() }
    }
}

impl<V> Default for PatternSet<V> {
    fn default() -> Self {
        Self { root: Branch::default(), len: 0 }
    }
}

impl<V> PatternSet<V> {
    /// Number of patterns.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no pattern.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a pattern, or gives it another value; gives the value before.
    pub fn insert(&mut self, pattern: PathPattern, value: V) -> Option<V> {
        let list = self.root.list(&pattern);
        match list.binary_search_by(|(known, _)| known.cmp(&pattern)) {
            Ok(index) => Some(core::mem::replace(&mut list[index].1, value)),
            Err(index) => {
                list.insert(index, (pattern, value));
                self.len += 1;
                None
            }
        }
    }

    /// Takes a pattern away; gives its value.
    pub fn remove(&mut self, pattern: &PathPattern) -> Option<V> {
        let removed = self.root.remove(&mut pattern.segments(), pattern);
        self.len -= usize::from(removed.is_some());
        removed
    }

    /// The value of a pattern, spelled exactly so; put there with `make` where there is none.
    pub fn get_or_insert_with(&mut self, pattern: &PathPattern, make: impl FnOnce() -> V) -> &mut V {
        let list = self.root.list(pattern);
        let index = match list.binary_search_by(|(known, _)| known.cmp(pattern)) {
            Ok(index) => index,
            Err(index) => {
                list.insert(index, (pattern.clone(), make()));
                self.len += 1;
                index
            }
        };
        &mut list[index].1
    }

    /// The value of a pattern, spelled exactly so.
    pub fn get(&self, pattern: &PathPattern) -> Option<&V> {
        let mut branch = &self.root;
        let mut list = None;
        for segment in pattern.segments() {
            branch = match segment {
                Segment::Literal(text) => branch.literals.get(text)?,
                Segment::Template(_) => branch.template.as_deref()?,
                Segment::Any => branch.any.as_deref()?,
                Segment::Tail => {
                    list = Some(&branch.tails);
                    break;
                }
            };
        }
        let list = list.unwrap_or(&branch.ends);
        let index = list.binary_search_by(|(known, _)| known.cmp(pattern)).ok()?;
        Some(&list[index].1)
    }

    /// The most specific pattern for nodes of `network` that matches `path`. Text that is no [`ActionPath`] has none.
    ///
    /// Costs one look-up a segment where at most one kind of segment is possible at each place. At worst every pattern that
    /// begins like the path is looked at once.
    pub fn best<'s>(&self, network: &str, path: &'s str) -> Option<PatternMatch<'_, 's, V>> {
        ActionPath::check(path).ok()?;
        let (pattern, value) = self.root.best(network, Some(path))?;
        let bindings = pattern.bind(path)?;
        Some(PatternMatch { pattern, value, bindings })
    }

    /// Gives every pattern for nodes of `network` that matches `path`, with its value, in no order that means anything.
    ///
    /// Costs as much as [`best`](Self::best) at worst, and no more than the patterns that begin like the path.
    ///
    /// ```
    /// use lacewing_core::wire::path::PatternSet;
    ///
    /// let mut set = PatternSet::default();
    /// for (pattern, value) in [("a/>", 1), ("a/*", 2), ("a/b", 4), ("b/>", 8)] {
    ///     set.insert(pattern.parse().unwrap(), value);
    /// }
    /// let mut sum = 0;
    /// set.for_each("test", &"a/b".parse().unwrap(), &mut |_, value| sum += value);
    /// assert_eq!(sum, 7);
    /// ```
    pub fn for_each<'a>(
        &'a self,
        network: &str,
        path: &ActionPath,
        found: &mut impl FnMut(&'a PathPattern, &'a V),
    ) {
        self.root.for_each(network, Some(path.as_str()), found);
    }

    /// Patterns and values. The order is fixed, and not that of specificity.
    pub fn iter(&self) -> impl Iterator<Item = (&PathPattern, &V)> {
        let mut branches: Vec<&Branch<V>> = Vec::from([&self.root]);
        core::iter::from_fn(move || {
            let branch = branches.pop()?;
            branches.extend(branch.any.as_deref());
            branches.extend(branch.template.as_deref());
            branches.extend(branch.literals.values().rev());
            Some(branch.ends.iter().chain(&branch.tails))
        })
        .flatten()
        .map(|(pattern, value)| (pattern, value))
    }
}

impl<V> Branch<V> {
    /// The list in which a pattern belongs.
    fn list(&mut self, pattern: &PathPattern) -> &mut Vec<(PathPattern, V)> {
        let mut branch = self;
        for segment in pattern.segments() {
            branch = match segment {
                Segment::Literal(text) => branch.literals.entry(text.to_owned()).or_default(),
                Segment::Template(_) => branch.template.get_or_insert_default(),
                Segment::Any => branch.any.get_or_insert_default(),
                Segment::Tail => return &mut branch.tails,
            };
        }
        &mut branch.ends
    }

    /// The first fitting pattern of this branch, kinds of segments tried in the order of their rank. As deep as a path has
    /// segments, which are at most 64.
    fn best(&self, network: &str, path: Option<&str>) -> Option<(&PathPattern, &V)> {
        let Some(path) = path else { return first_for(network, &self.ends) };
        let (here, after) = match path.split_once('/') {
            Some((here, after)) => (here, Some(after)),
            None => (path, None),
        };
        let mut branches =
            [self.literals.get(here), self.template.as_deref(), self.any.as_deref()].into_iter().flatten();
        branches.find_map(|branch| branch.best(network, after)).or_else(|| first_for(network, &self.tails))
    }

    /// All fitting patterns of this branch. As deep as a path has segments.
    fn for_each<'a>(
        &'a self,
        network: &str,
        path: Option<&str>,
        found: &mut impl FnMut(&'a PathPattern, &'a V),
    ) {
        let list = if path.is_some() { &self.tails } else { &self.ends };
        for (pattern, value) in list.iter().filter(|(pattern, _)| pattern.is_for(network)) {
            found(pattern, value);
        }
        let Some(path) = path else { return };
        let (here, after) = match path.split_once('/') {
            Some((here, after)) => (here, Some(after)),
            None => (path, None),
        };
        let branches = [self.literals.get(here), self.template.as_deref(), self.any.as_deref()];
        for branch in branches.into_iter().flatten() {
            branch.for_each(network, after, found);
        }
    }

    /// Takes a pattern out, and the branches that nothing is left in.
    fn remove<'p>(
        &mut self,
        segments: &mut impl Iterator<Item = Segment<'p>>,
        pattern: &PathPattern,
    ) -> Option<V> {
        let list = match segments.next() {
            None => &mut self.ends,
            Some(Segment::Tail) => &mut self.tails,
            Some(Segment::Literal(text)) => {
                let branch = self.literals.get_mut(text)?;
                let removed = branch.remove(segments, pattern);
                if branch.is_empty() {
                    self.literals.remove(text);
                }
                return removed;
            }
            Some(Segment::Template(_)) => return Self::remove_below(&mut self.template, segments, pattern),
            Some(Segment::Any) => return Self::remove_below(&mut self.any, segments, pattern),
        };
        let index = list.binary_search_by(|(known, _)| known.cmp(pattern)).ok()?;
        Some(list.remove(index).1)
    }

    fn remove_below<'p>(
        place: &mut Option<Box<Self>>,
        segments: &mut impl Iterator<Item = Segment<'p>>,
        pattern: &PathPattern,
    ) -> Option<V> {
        let branch = place.as_deref_mut()?;
        let removed = branch.remove(segments, pattern);
        if branch.is_empty() {
            *place = None;
        }
        removed
    }

    fn is_empty(&self) -> bool {
        self.literals.is_empty()
            && self.template.is_none()
            && self.any.is_none()
            && self.ends.is_empty()
            && self.tails.is_empty()
    }
}

fn first_for<'a, V>(network: &str, list: &'a [(PathPattern, V)]) -> Option<(&'a PathPattern, &'a V)> {
    list.iter().find(|(pattern, _)| pattern.is_for(network)).map(|(pattern, value)| (pattern, value))
}
