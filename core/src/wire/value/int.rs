//! Integers of any size, in one form each.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;
use core::str::FromStr;

use super::ValueError;
use super::size::{Size, head_len};

/// An integer of up to 8,192 bits and a sign.
///
/// Equal integers are equal whatever type they came from, so `5u8` and `5i128` are the same value.
///
/// ```
/// use lacewing_core::wire::value::Int;
///
/// let big: Int = "-340282366920938463463374607431768211456".parse().unwrap();
/// assert_eq!(big.to_string(), "-340282366920938463463374607431768211456");
/// assert_eq!(Int::from(5_u8), Int::from(5_i128));
/// assert_eq!(Int::from(-1_i64).to_u64(), None);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Int(pub(super) Repr);

/// Mirrors the encoding, which has one form for each integer. The negative ones hold n for -1 - n.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Repr {
    /// Major type 0.
    Unsigned(u64),
    /// Major type 1.
    Negative(u64),
    /// Tag 2: more than eight bytes, big-endian, the first of them not zero.
    BigUnsigned(Arc<[u8]>),
    /// Tag 3, likewise.
    BigNegative(Arc<[u8]>),
}

/// Text that is no integer: anything but `0`, or an optional `-` and digits of which the first is not `0`,
/// or an integer of more than 8,192 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected decimal digits with an optional - in front, no leading zeros, at most 8192 bits")]
pub struct IntError;

impl Int {
    /// Most bytes of a big integer's argument.
    pub const BYTES_MAX: usize = 1_024;
    /// Decimal digits of the greatest integer.
    const DIGITS_MAX: usize = 2_467;

    /// The integer with this sign and big-endian magnitude, which may have leading zeros.
    pub fn from_magnitude(negative: bool, magnitude: &[u8]) -> Result<Self, ValueError> {
        let mut argument = without_leading_zeros(magnitude).to_vec();
        let negative = negative && !argument.is_empty();
        if negative {
            decrement(&mut argument);
        }
        let argument = without_leading_zeros(&argument);
        if argument.len() > Self::BYTES_MAX {
            Err(ValueError::IntTooLarge)
        } else {
            Ok(Self::of(negative, argument))
        }
    }

    /// From an argument (n, or -1 - n where negative) without leading zeros.
    pub(super) fn of(negative: bool, argument: &[u8]) -> Self {
        debug_assert!(argument.first() != Some(&0) && argument.len() <= Self::BYTES_MAX);
        if argument.len() > 8 {
            let argument = Arc::from(argument);
            return Self(if negative { Repr::BigNegative(argument) } else { Repr::BigUnsigned(argument) });
        }
        let word = argument.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
        Self(if negative { Repr::Negative(word) } else { Repr::Unsigned(word) })
    }

    /// Whether it is below zero.
    pub fn is_negative(&self) -> bool {
        matches!(self.0, Repr::Negative(_) | Repr::BigNegative(_))
    }

    /// The distance from zero, big-endian, without leading zeros (zero has no bytes).
    pub fn magnitude(&self) -> Vec<u8> {
        let (Repr::Unsigned(word) | Repr::Negative(word)) = self.0 else {
            let (Repr::BigUnsigned(bytes) | Repr::BigNegative(bytes)) = &self.0 else { unreachable!() };
            let mut bytes = bytes.to_vec();
            if self.is_negative() {
                increment(&mut bytes);
            }
            return bytes;
        };
        let magnitude = u128::from(word) + u128::from(self.is_negative());
        without_leading_zeros(&magnitude.to_be_bytes()).to_vec()
    }

    /// As `i128`, where it fits.
    pub fn to_i128(&self) -> Option<i128> {
        let narrow = |bytes: &[u8]| i128::try_from(word_128(bytes)?).ok();
        match &self.0 {
            Repr::Unsigned(word) => Some(i128::from(*word)),
            Repr::Negative(word) => Some(-1 - i128::from(*word)),
            Repr::BigUnsigned(bytes) => narrow(bytes),
            Repr::BigNegative(bytes) => narrow(bytes).map(|argument| -1 - argument),
        }
    }

    /// As `u128`, where it fits.
    pub fn to_u128(&self) -> Option<u128> {
        match &self.0 {
            Repr::Unsigned(word) => Some(u128::from(*word)),
            Repr::BigUnsigned(bytes) => word_128(bytes),
            Repr::Negative(_) | Repr::BigNegative(_) => None,
        }
    }

    /// As `i64`, where it fits.
    pub fn to_i64(&self) -> Option<i64> {
        self.to_i128().and_then(|value| i64::try_from(value).ok())
    }

    /// As `u64`, where it fits.
    pub fn to_u64(&self) -> Option<u64> {
        if let Repr::Unsigned(word) = self.0 { Some(word) } else { None }
    }

    pub(super) fn size(&self) -> Size {
        match &self.0 {
            Repr::Unsigned(word) | Repr::Negative(word) => Size::flat(head_len(*word)),
            Repr::BigUnsigned(bytes) | Repr::BigNegative(bytes) => Size::string(bytes.len()).inside(0),
        }
    }

    /// The order of the encodings: by sign and width first, so not the numeric order.
    pub(super) fn cmp_encoded(&self, other: &Self) -> Ordering {
        fn key(int: &Int) -> (u8, usize, &[u8], u64) {
            match &int.0 {
                Repr::Unsigned(word) => (0, 0, &[], *word),
                Repr::Negative(word) => (1, 0, &[], *word),
                Repr::BigUnsigned(bytes) => (2, bytes.len(), bytes, 0),
                Repr::BigNegative(bytes) => (3, bytes.len(), bytes, 0),
            }
        }
        key(self).cmp(&key(other))
    }
}

fn without_leading_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    &bytes[zeros..]
}

/// Subtracts one from a big-endian number that is not zero.
fn decrement(bytes: &mut [u8]) {
    for byte in bytes.iter_mut().rev() {
        let borrow = *byte == 0;
        *byte = byte.wrapping_sub(1);
        if !borrow {
            return;
        }
    }
}

/// Adds one to a big-endian number, growing it where it must.
fn increment(bytes: &mut Vec<u8>) {
    for byte in bytes.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            return;
        }
    }
    bytes.insert(0, 1);
}

fn word_128(bytes: &[u8]) -> Option<u128> {
    (bytes.len() <= 16).then(|| bytes.iter().fold(0, |word, byte| word << 8 | u128::from(*byte)))
}

macro_rules! from_primitive {
    ($($type:ty),*) => {$(
        impl From<$type> for Int {
            fn from(value: $type) -> Self {
                #[allow(unused_comparisons, reason = "one body for signed and unsigned types")]
                let negative = value < 0;
                // In two's complement, -1 - n is the complement of n.
                let argument = if negative { !value } else { value };
                Self::of(negative, without_leading_zeros(&argument.to_be_bytes()))
            }
        }
    )*};
}

from_primitive!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize);

impl fmt::Display for Int {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Limbs of nine decimal digits, the least first.
        let mut limbs = vec![0_u32];
        for byte in self.magnitude() {
            let mut carry = u64::from(byte);
            for limb in &mut limbs {
                carry += u64::from(*limb) << 8;
                *limb = (carry % 1_000_000_000) as u32;
                carry /= 1_000_000_000;
            }
            if carry > 0 {
                limbs.push(carry as u32);
            }
        }
        if self.is_negative() {
            f.write_str("-")?;
        }
        let mut limbs = limbs.iter().rev();
        write!(f, "{}", limbs.next().unwrap_or(&0))?;
        limbs.try_for_each(|limb| write!(f, "{limb:09}"))
    }
}

impl fmt::Debug for Int {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Int {
    type Err = IntError;

    fn from_str(text: &str) -> Result<Self, IntError> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let negative = digits.len() < text.len();
        let canonical = match digits.as_bytes() {
            [b'0'] => !negative,
            [first, ..] => *first != b'0',
            [] => false,
        };
        if !canonical
            || digits.len() > Self::DIGITS_MAX
            || !digits.bytes().all(|digit| digit.is_ascii_digit())
        {
            return Err(IntError);
        }
        // Limbs of 32 bits, the least first.
        let mut limbs: Vec<u32> = Vec::new();
        for chunk in digits.as_bytes().chunks(9) {
            let mut carry = chunk.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
            let scale = 10_u64.pow(chunk.len() as u32);
            for limb in &mut limbs {
                carry += u64::from(*limb) * scale;
                *limb = carry as u32;
                carry >>= 32;
            }
            if carry > 0 {
                limbs.push(carry as u32);
            }
        }
        let magnitude: Vec<u8> = limbs.iter().rev().flat_map(|limb| limb.to_be_bytes()).collect();
        Self::from_magnitude(negative, &magnitude).map_err(|_| IntError)
    }
}
