//! Subnets: a tree of four levels that follows from tags, so that nobody has to configure every node.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Bound;
use core::str::FromStr;

use serde_json::Value as Json;

use super::set::CapabilitySet;

#[cfg(test)]
mod tests;

/// Levels of the tree.
pub const LEVELS: usize = 4;

/// A place in the tree: four levels of one byte, level 0 on top. Zeros at the end make it a prefix, which stands for
/// everything below; all zeros is the whole mesh.
///
/// ```
/// use lacewing_core::capability::SubnetId;
///
/// let fleet: SubnetId = "3.7".parse().unwrap();
/// let car = SubnetId::from_levels([3, 7, 2, 0]);
/// assert_eq!(fleet.to_bits(), 0x0307_0000);
/// assert!(fleet.contains(car) && !car.contains(fleet));
/// assert_eq!(car.parent(), fleet);
/// assert_eq!(SubnetId::GLOBAL.to_string(), "global");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubnetId(u32);

/// Text that is no subnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a subnet is `global` or one to four numbers from 0 to 255 with dots between them, for example 3.7")]
pub struct SubnetIdError;

impl SubnetId {
    /// The whole mesh.
    pub const GLOBAL: Self = Self(0);

    /// The subnet with these levels, from the top.
    pub const fn from_levels(levels: [u8; LEVELS]) -> Self {
        Self(u32::from_be_bytes(levels))
    }

    /// The subnet of these 32 bits, level 0 in the highest eight.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The 32 bits, level 0 in the highest eight.
    pub const fn to_bits(self) -> u32 {
        self.0
    }

    /// The levels from the top.
    pub const fn levels(self) -> [u8; LEVELS] {
        self.0.to_be_bytes()
    }

    /// Levels down to the last one that is not zero: 0 for the whole mesh, 4 at most.
    pub const fn depth(self) -> usize {
        LEVELS - self.0.trailing_zeros() as usize / 8
    }

    /// The subnet around this one: the same without its last level. That of the whole mesh is the whole mesh.
    #[must_use]
    pub const fn parent(self) -> Self {
        Self(self.0 & prefix_mask(self.depth().saturating_sub(1)))
    }

    /// Whether the other subnet is this one or below it.
    pub const fn contains(self, other: Self) -> bool {
        other.0 & prefix_mask(self.depth()) == self.0
    }
}

/// The bits of the upper `depth` levels.
const fn prefix_mask(depth: usize) -> u32 {
    match depth {
        0 => 0,
        depth => u32::MAX << (8 * (LEVELS - depth)),
    }
}

impl fmt::Display for SubnetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::GLOBAL {
            return f.write_str("global");
        }
        for (index, level) in self.levels().iter().take(self.depth()).enumerate() {
            let dot = if index == 0 { "" } else { "." };
            write!(f, "{dot}{level}")?;
        }
        Ok(())
    }
}

impl FromStr for SubnetId {
    type Err = SubnetIdError;

    fn from_str(text: &str) -> Result<Self, SubnetIdError> {
        if text == "global" {
            return Ok(Self::GLOBAL);
        }
        let mut levels = [0; LEVELS];
        for (index, part) in text.split('.').enumerate() {
            let digits = part.bytes().all(|byte| byte.is_ascii_digit());
            let level = levels.get_mut(index).filter(|_| digits).ok_or(SubnetIdError)?;
            *level = part.parse().map_err(|_| SubnetIdError)?;
        }
        Ok(Self::from_levels(levels))
    }
}

/// How the subnet of a node follows from its tags.
///
/// ```
/// use lacewing_core::capability::{CapabilitySet, SubnetId, SubnetPolicy};
///
/// let policy = SubnetPolicy::from_json(
///     r#"{"rules": [{"tag_prefix": "region:", "level": 0, "values": {"eu": 3}},
///                   {"tag_prefix": "fleet:", "level": 1, "values": {"red": 7}}]}"#,
/// );
/// let set = CapabilitySet::from_json(r#"{"tags": ["fleet:red", "region:eu"]}"#).unwrap();
/// assert_eq!(policy.unwrap().subnet_of(&set), SubnetId::from_levels([3, 7, 0, 0]));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubnetPolicy {
    rules: Vec<SubnetRule>,
}

/// What one kind of tag says about one level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubnetRule {
    tag_prefix: String,
    level: usize,
    values: BTreeMap<String, u8>,
}

/// A policy that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubnetPolicyError {
    /// A level that the tree does not have.
    #[error("a subnet has levels 0 to 3, the rule says {0}")]
    Level(u64),
    /// A value of 0, which says that there is no such level.
    #[error("the tag value {0:?} stands for 0, which means no subnet: give it a number from 1 to 255")]
    Zero(String),
    /// JSON of another form.
    #[error("subnet policy at {pointer:?}: expected {expected}")]
    Json {
        /// JSON pointer (RFC 6901) to the place.
        pointer: String,
        /// What would be right there.
        expected: &'static str,
    },
}

impl SubnetRule {
    /// The rule for tags that start with `tag_prefix`: what follows the prefix, where it is in `values`, gives the number
    /// (1 to 255) of the level (0 to 3).
    pub fn new(
        tag_prefix: impl Into<String>,
        level: usize,
        values: BTreeMap<String, u8>,
    ) -> Result<Self, SubnetPolicyError> {
        if level >= LEVELS {
            return Err(SubnetPolicyError::Level(level as u64));
        }
        match values.iter().find(|(_, number)| **number == 0) {
            Some((value, _)) => Err(SubnetPolicyError::Zero(value.clone())),
            None => Ok(Self { tag_prefix: tag_prefix.into(), level, values }),
        }
    }

    /// The number for the level, from the smallest tag with the prefix. Other tags with the prefix do not count, whether
    /// the values know the first or not.
    fn number_of(&self, set: &CapabilitySet) -> Option<u8> {
        let prefix = self.tag_prefix.as_str();
        let mut from_prefix = set.tags().range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        let value = from_prefix.next()?.strip_prefix(prefix)?;
        self.values.get(value).copied()
    }
}

impl SubnetPolicy {
    /// The policy of these rules. Where two rules set one level, the later one wins.
    pub fn new(rules: Vec<SubnetRule>) -> Self {
        Self { rules }
    }

    /// Where a node with these tags is. A level without a match is 0.
    pub fn subnet_of(&self, set: &CapabilitySet) -> SubnetId {
        let mut levels = [0; LEVELS];
        for rule in &self.rules {
            if let Some(number) = rule.number_of(set) {
                levels[rule.level] = number;
            }
        }
        SubnetId::from_levels(levels)
    }

    /// Reads `{"rules": [{"tag_prefix": "region:", "level": 0, "values": {"eu": 3}}]}`.
    pub fn from_json(text: &str) -> Result<Self, SubnetPolicyError> {
        let json = serde_json::from_str(text).unwrap_or(Json::Null);
        let expected =
            r#"JSON of the form {"rules": [{"tag_prefix": "..", "level": 0, "values": {"..": 1}}]}"#;
        let list = fields_of(&json, "", ["rules"], expected)?[0];
        let Json::Array(list) = list else { return Err(wrong("/rules".to_owned(), "a list of rules")) };
        let rules = list.iter().enumerate().map(|(index, rule)| read_rule(rule, &format!("/rules/{index}")));
        Ok(Self::new(rules.collect::<Result<_, _>>()?))
    }
}

fn read_rule(json: &Json, pointer: &str) -> Result<SubnetRule, SubnetPolicyError> {
    let names = ["tag_prefix", "level", "values"];
    let [prefix, level, values] = fields_of(json, pointer, names, "exactly tag_prefix, level and values")?;
    let prefix = prefix.as_str().ok_or_else(|| wrong(format!("{pointer}/tag_prefix"), "a string"))?;
    let level = level.as_u64().ok_or_else(|| wrong(format!("{pointer}/level"), "a number from 0 to 3"))?;
    let expected = "an object of numbers from 1 to 255";
    let entries = values.as_object().ok_or_else(|| wrong(format!("{pointer}/values"), expected))?;
    let mut values = BTreeMap::new();
    for (value, number) in entries {
        let number = number.as_u64().and_then(|number| u8::try_from(number).ok());
        let number = number.ok_or_else(|| wrong(format!("{pointer}/values"), expected))?;
        values.insert(value.clone(), number);
    }
    let level = usize::try_from(level).map_err(|_| SubnetPolicyError::Level(level))?;
    SubnetRule::new(prefix, level, values)
}

/// The values of an object that has exactly these fields.
fn fields_of<'a, const N: usize>(
    json: &'a Json,
    pointer: &str,
    names: [&str; N],
    expected: &'static str,
) -> Result<[&'a Json; N], SubnetPolicyError> {
    let fields = json.as_object().filter(|fields| fields.len() == N);
    let values = names.map(|name| fields.and_then(|fields| fields.get(name)));
    if values.contains(&None) {
        return Err(wrong(pointer.to_owned(), expected));
    }
    Ok(values.map(|value| value.unwrap_or(&Json::Null)))
}

fn wrong(pointer: String, expected: &'static str) -> SubnetPolicyError {
    SubnetPolicyError::Json { pointer, expected }
}

/// How far a channel is seen from the subnet that it belongs to.
///
/// ```
/// use lacewing_core::capability::{SubnetId, Visibility};
///
/// let fleet = SubnetId::from_levels([3, 7, 0, 0]);
/// let region = SubnetId::from_levels([3, 0, 0, 0]);
/// assert!(Visibility::ParentVisible.shows(fleet, region));
/// assert!(!Visibility::ParentVisible.shows(region, fleet));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Visibility {
    /// Everyone sees it.
    #[default]
    Global,
    /// The same subnet sees it.
    SubnetLocal,
    /// The same subnet and those around it see it.
    ParentVisible,
    /// These subnets and all below them see it.
    Exported(Vec<SubnetId>),
}

impl Visibility {
    /// Whether a node in `viewer` sees a channel of `source`.
    pub fn shows(&self, source: SubnetId, viewer: SubnetId) -> bool {
        match self {
            Self::Global => true,
            Self::SubnetLocal => source == viewer,
            Self::ParentVisible => viewer.contains(source),
            Self::Exported(targets) => targets.iter().any(|target| target.contains(viewer)),
        }
    }
}
