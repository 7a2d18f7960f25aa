//! Keys and ids as text.

use core::fmt;

/// Text that is no key or id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HexError {
    /// Another number of characters than the type has.
    #[error("expected {expected} hexadecimal digits, found {found} characters")]
    Length {
        /// Digits that belong here.
        expected: usize,
        /// Bytes of the text.
        found: usize,
    },
    /// A character that is no hexadecimal digit.
    #[error("byte {at} is no hexadecimal digit (0-9, a-f)")]
    Digit {
        /// Where it is.
        at: usize,
    },
}

/// Writes bytes as lower-case digits.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Reads exactly `2 * N` digits of either case.
pub(crate) fn unhex<const N: usize>(text: &str) -> Result<[u8; N], HexError> {
    if text.len() != 2 * N {
        return Err(HexError::Length { expected: 2 * N, found: text.len() });
    }
    let mut bytes = [0; N];
    for (at, digit) in text.bytes().enumerate() {
        let value = char::from(digit).to_digit(16).ok_or(HexError::Digit { at })?;
        bytes[at / 2] = bytes[at / 2] << 4 | value as u8;
    }
    Ok(bytes)
}

/// Digits as a string, for tests.
#[cfg(test)]
pub(crate) fn hex(bytes: &[u8]) -> alloc::string::String {
    alloc::format!("{}", Hex(bytes))
}
