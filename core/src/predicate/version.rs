//! Versions of software.

/// A version: major, minor, patch. Versions compare by these three.
///
/// ```
/// use lacewing_core::predicate::Version;
///
/// let version = Version::parse("3.10-rc.1").unwrap();
/// assert_eq!(version, Version::new(3, 10, 0));
/// assert!(Version::parse("3.12.1").unwrap().is_compatible_with(version));
/// assert!(!Version::parse("4.0").unwrap().is_compatible_with(version));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    major: u64,
    minor: u64,
    patch: u64,
}

impl Version {
    /// The version `major.minor.patch`.
    pub const fn new(major: u64, minor: u64, patch: u64) -> Self {
        Self { major, minor, patch }
    }

    /// Reads one to three components of ASCII digits, separated by points; those that are not given are 0. What follows the
    /// first `-` or `+` (a pre-release, a build) is dropped. `None` for everything else and for a component over `u64::MAX`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut components = [0_u64; 3];
        let (mut index, mut has_digits) = (0, false);
        for byte in text.bytes() {
            match byte {
                b'0'..=b'9' => {
                    let digit = u64::from(byte - b'0');
                    components[index] = components[index].checked_mul(10)?.checked_add(digit)?;
                    has_digits = true;
                }
                b'.' if has_digits && index + 1 < components.len() => {
                    (index, has_digits) = (index + 1, false);
                }
                b'-' | b'+' => break,
                _ => return None,
            }
        }
        let [major, minor, patch] = components;
        has_digits.then_some(Self { major, minor, patch })
    }

    /// Whether this version can stand in for `wanted`: it is not less, and of the same major version; where that is 0, of
    /// the same minor version; where both are 0, the very same.
    pub fn is_compatible_with(self, wanted: Self) -> bool {
        let same_series = match (wanted.major, wanted.minor) {
            (0, 0) => self == wanted,
            (0, minor) => self.major == 0 && self.minor == minor,
            (major, _) => self.major == major,
        };
        same_series && self >= wanted
    }
}
