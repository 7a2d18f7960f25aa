//! Seeds and how people write them.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

/// What a plan is expanded with. Written in decimal, as `0x...`, or as the 40 digits of a git commit, of which the first
/// 16 count. Printed as `0x` and 16 digits.
///
/// ```
/// use lacewing_sim::seed::Seed;
///
/// assert_eq!("0x2a".parse::<Seed>(), "42".parse::<Seed>());
/// let commit: Seed = "00000000000000ffaaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap();
/// assert_eq!(commit, Seed(255));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seed(pub u64);

/// Text that is no seed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no seed: write a decimal number, 0x and up to 16 hexadecimal digits, or the 40 digits of a git commit"
)]
pub struct SeedError(String);

impl FromStr for Seed {
    type Err = SeedError;

    fn from_str(text: &str) -> Result<Self, SeedError> {
        let parsed = if let Some(digits) = text.strip_prefix("0x") {
            u64::from_str_radix(digits, 16).ok()
        } else if text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            u64::from_str_radix(&text[..16], 16).ok()
        } else if text.bytes().all(|byte| byte.is_ascii_digit()) {
            text.parse().ok()
        } else {
            None
        };
        parsed.map(Self).ok_or_else(|| SeedError(text.to_owned()))
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#018x}", self.0)
    }
}

impl Serialize for Seed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Seed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
