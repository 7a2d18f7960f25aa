//! What a token may allow.

use core::fmt;

/// One thing that somebody may be allowed to do. None includes another.
///
/// ```
/// use lacewing_core::token::Right;
///
/// assert_eq!(Right::from_name("publish"), Some(Right::Publish));
/// assert_eq!(Right::Publish.number(), 2);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Right {
    /// Call actions.
    Call = 0,
    /// Serve actions to others.
    Serve = 1,
    /// Publish to topics.
    Publish = 2,
    /// Subscribe to topics.
    Subscribe = 3,
    /// Change how a node runs.
    Admin = 4,
    /// Be a member of the network. Of the pattern only the network counts.
    Join = 5,
}

impl Right {
    /// Every right, by number.
    pub const ALL: [Self; 6] =
        [Self::Call, Self::Serve, Self::Publish, Self::Subscribe, Self::Admin, Self::Join];

    /// The number on the wire: which bit of a set it is.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Serve => "serve",
            Self::Publish => "publish",
            Self::Subscribe => "subscribe",
            Self::Admin => "admin",
            Self::Join => "join",
        }
    }

    /// The right of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|right| right.name() == name)
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of rights, as a number with one bit for each. Bits that this version does not know are kept: they allow nothing here,
/// and may not be added by whoever passes a token on.
///
/// ```
/// use lacewing_core::token::{Right, Rights};
///
/// let rights: Rights = [Right::Call, Right::Subscribe].into_iter().collect();
/// assert_eq!(rights.bits(), 0b1001);
/// assert!(rights.contains(Right::Call) && !rights.contains(Right::Admin));
/// assert!(Rights::from(Right::Call).is_within(rights));
/// assert_eq!(rights.to_string(), "call, subscribe");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rights(u32);

impl Rights {
    /// No right at all, which no token has.
    pub const NONE: Self = Self(0);
    /// Every right that this version knows.
    pub const ALL: Self = Self((1 << Right::ALL.len()) - 1);

    /// The set of these bits, whether they are known or not.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The bits.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether there is no bit at all.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether a right is in the set.
    pub const fn contains(self, right: Right) -> bool {
        self.0 & 1 << right.number() != 0
    }

    /// Whether `other` has all bits of this set.
    pub const fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// The rights that this version knows, by number.
    pub fn iter(self) -> impl Iterator<Item = Right> {
        Right::ALL.into_iter().filter(move |right| self.contains(*right))
    }
}

impl From<Right> for Rights {
    fn from(right: Right) -> Self {
        Self(1 << right.number())
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<I: IntoIterator<Item = Right>>(rights: I) -> Self {
        rights.into_iter().fold(Self::NONE, |set, right| Self(set.0 | Self::from(right).0))
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for right in self.iter() {
            write!(f, "{comma}{right}")?;
            comma = ", ";
        }
        Ok(())
    }
}
