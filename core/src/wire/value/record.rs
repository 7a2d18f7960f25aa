//! Values of our own: errors, references, regular expressions and named structs.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::size::Size;
use super::{Map, Value, ValueError, tag};
use crate::identity::NodeId;
use crate::wire::path::ActionPath;

/// Longest name of an error or a struct in bytes; the shortest has one.
pub const NAME_LEN_MAX: usize = 255;

fn check_name(name: &str) -> Result<(), ValueError> {
    if (1..=NAME_LEN_MAX).contains(&name.len()) { Ok(()) } else { Err(ValueError::BadName) }
}

/// An error as a value, for instance one of several results. An operation that fails ends in an
/// [`Error`](crate::Error), never in one of these.
///
/// ```
/// use lacewing_core::wire::value::{ErrorValue, Value};
///
/// let error = ErrorValue::new("NotFound", "no such order", Value::Undefined).unwrap();
/// assert_eq!(error.name(), "NotFound");
/// ```
#[derive(Clone, Debug)]
pub struct ErrorValue {
    name: String,
    message: String,
    detail: Value,
}

impl ErrorValue {
    /// An error with a name of 1 to 255 bytes, a text for people and a detail, [`Value::Undefined`] for none.
    pub fn new(
        name: impl Into<String>,
        message: impl Into<String>,
        detail: Value,
    ) -> Result<Self, ValueError> {
        let (name, message) = (name.into(), message.into());
        check_name(&name)?;
        Ok(Self { name, message, detail })
    }

    /// Name or code, for machines.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Text for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Anything more, or [`Value::Undefined`].
    pub fn detail(&self) -> &Value {
        &self.detail
    }

    pub(super) fn size(&self) -> Size {
        let texts = Size::string(self.name.len()).beside(Size::string(self.message.len()));
        texts.beside(self.detail.size()).inside(3).inside(tag::ERROR)
    }
}

/// A reference to a node, to a path on whichever node serves it, or to a path on one node.
///
/// ```
/// use lacewing_core::wire::value::{Ref, Value};
///
/// let orders = Value::from(Ref::Path("orders/eu".parse().unwrap()));
/// assert!(matches!(orders, Value::Ref(_)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ref {
    /// A node.
    Node(NodeId),
    /// A path, wherever it is served.
    Path(ActionPath),
    /// A path on one node.
    PathOn(NodeId, ActionPath),
}

impl Ref {
    /// The node, where one is named.
    pub fn node(&self) -> Option<&NodeId> {
        match self {
            Self::Node(node) | Self::PathOn(node, _) => Some(node),
            Self::Path(_) => None,
        }
    }

    /// The path, where there is one.
    pub fn path(&self) -> Option<&ActionPath> {
        match self {
            Self::Path(path) | Self::PathOn(_, path) => Some(path),
            Self::Node(_) => None,
        }
    }

    pub(super) fn size(&self) -> Size {
        let node = self.node().map_or(Size::flat(1), |node| Size::string(node.as_bytes().len()));
        let path = self.path().map_or(Size::flat(1), |path| Size::string(path.as_str().len()));
        node.beside(path).inside(2).inside(tag::REF)
    }
}

/// A regular expression as data: nobody compiles it on the way. Which dialect it is in is up to those who use it.
///
/// ```
/// use lacewing_core::wire::value::Regex;
///
/// assert_eq!(Regex::new("^a+$", "mi").unwrap().flags(), "im");
/// assert!(Regex::new("^a+$", "ii").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regex {
    source: String,
    flags: String,
}

impl Regex {
    /// An expression with flags, which are different ASCII letters in any order.
    pub fn new(source: impl Into<String>, flags: &str) -> Result<Self, ValueError> {
        let mut sorted: Vec<char> = flags.chars().collect();
        sorted.sort_unstable();
        Self::strict(source.into(), sorted.into_iter().collect())
    }

    /// With flags that must be in order already.
    pub(super) fn strict(source: String, flags: String) -> Result<Self, ValueError> {
        let letters = flags.bytes().all(|flag| flag.is_ascii_alphabetic());
        let ascending = flags.as_bytes().windows(2).all(|pair| pair[0] < pair[1]);
        if letters && ascending { Ok(Self { source, flags }) } else { Err(ValueError::BadFlags) }
    }

    /// The expression.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The flags in ascending order.
    pub fn flags(&self) -> &str {
        &self.flags
    }

    pub(super) fn size(&self) -> Size {
        Size::string(self.source.len()).beside(Size::string(self.flags.len())).inside(2).inside(tag::REGEX)
    }
}

/// A named struct with named fields. The names mean what the applications agree on.
///
/// ```
/// use lacewing_core::wire::value::{Struct, Value};
///
/// let point = Struct::new("geo.Point", [("x", Value::from(1)), ("y", Value::from(2))]).unwrap();
/// assert_eq!(point.get("y"), Some(&Value::from(2)));
/// ```
#[derive(Clone, Debug)]
pub struct Struct {
    name: String,
    fields: Map,
}

impl Struct {
    /// A struct with a name of 1 to 255 bytes. [`ValueError::DuplicateKey`] where a field comes twice.
    pub fn new<K: Into<Arc<str>>>(
        name: impl Into<String>,
        fields: impl IntoIterator<Item = (K, Value)>,
    ) -> Result<Self, ValueError> {
        let fields = fields.into_iter().map(|(key, value)| (Value::String(key.into()), value)).collect();
        Self::of(name.into(), Map::new(fields)?)
    }

    /// From a map of which all keys are strings.
    pub(super) fn of(name: String, fields: Map) -> Result<Self, ValueError> {
        debug_assert!(fields.iter().all(|(key, _)| matches!(key, Value::String(_))));
        check_name(&name)?;
        Ok(Self { name, fields })
    }

    /// The name of the struct's type.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The fields as a map with string keys.
    pub fn fields(&self) -> &Map {
        &self.fields
    }

    /// The value of a field.
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.fields.get(&Value::from(field))
    }

    pub(super) fn size(&self) -> Size {
        Size::string(self.name.len()).beside(self.fields.size()).inside(2).inside(tag::STRUCT)
    }
}
