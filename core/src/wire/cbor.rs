//! Deterministic CBOR (RFC 8949, section 4.2.1), strict in both directions.
//!
//! The reader accepts exactly what the writer can produce: shortest heads, no indefinite lengths, UTF-8 text,
//! map keys in ascending order of their encoding and none twice. General CBOR crates accept more than one spelling of a
//! value; two spellings would break signatures and fixtures, so the reader is ours, with an offset in every error.

use bytes::BufMut;

use super::{WireError, WireErrorKind};

#[cfg(test)]
mod tests;

/// Deepest nesting that is read or skipped.
pub const DEPTH_MAX: usize = 64;

/// The eight major types of RFC 8949, section 3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Major {
    /// An unsigned integer: the argument itself.
    Unsigned = 0,
    /// A negative integer: -1 minus the argument.
    Negative = 1,
    /// Bytes; the argument is their number.
    Bytes = 2,
    /// UTF-8 text; the argument is its length in bytes.
    Text = 3,
    /// An array; the argument is the number of items.
    Array = 4,
    /// A map; the argument is the number of pairs.
    Map = 5,
    /// A tag; the argument is its number, one item follows.
    Tag = 6,
    /// A simple value (argument below 24) or a float (the argument holds its bits).
    Simple = 7,
}

/// The first bytes of an item: what it is, and its argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The major type.
    pub major: Major,
    /// The argument: a value, a length, a count, a tag number, or the bits of a float.
    pub argument: u64,
    /// Bytes that the argument took after the first: 0, 1, 2, 4 or 8. For [`Major::Simple`] it tells the float widths apart.
    pub width: u8,
}

impl Head {
    /// The value of a float; `None` for everything else.
    pub fn float(self) -> Option<f64> {
        match (self.major, self.width) {
            (Major::Simple, 2) => Some(f16_value(self.argument as u16)),
            (Major::Simple, 4) => Some(f64::from(f32::from_bits(self.argument as u32))),
            (Major::Simple, 8) => Some(f64::from_bits(self.argument)),
            _ => None,
        }
    }
}

/// The bits of a float in the shortest width that keeps its value.
///
/// ```
/// use lacewing_core::wire::cbor::Float;
///
/// assert_eq!(Float::shortest(1.5), Float::Half(0x3e00));
/// assert_eq!(Float::shortest(100_000.0), Float::Single(0x47c3_5000));
/// assert_eq!(Float::shortest(-f64::NAN), Float::Half(0x7e00));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Float {
    /// IEEE 754 binary16.
    Half(u16),
    /// IEEE 754 binary32.
    Single(u32),
    /// IEEE 754 binary64.
    Double(u64),
}

impl Float {
    /// The shortest form of a value; all NaNs have the same.
    pub fn shortest(value: f64) -> Self {
        if value.is_nan() {
            return Self::Half(0x7e00);
        }
        if let Some(bits) = f16_bits(value) {
            return Self::Half(bits);
        }
        let single = value as f32;
        if f64::from(single).to_bits() == value.to_bits() {
            Self::Single(single.to_bits())
        } else {
            Self::Double(value.to_bits())
        }
    }
}

/// Writes deterministic CBOR. The caller keeps counts and map order right; debug builds of the callers' tests
/// read everything back with [`Reader`].
#[derive(Debug)]
pub struct Writer<'a, B: BufMut> {
    out: &'a mut B,
}

impl<'a, B: BufMut> Writer<'a, B> {
    /// A writer that appends to `out`.
    pub fn new(out: &'a mut B) -> Self {
        Self { out }
    }

    /// Writes a head with the shortest argument.
    pub fn head(&mut self, major: Major, argument: u64) -> &mut Self {
        let top = (major as u8) << 5;
        match argument {
            0..=23 => self.out.put_u8(top | argument as u8),
            24..=0xff => {
                self.out.put_u8(top | 0x18);
                self.out.put_u8(argument as u8);
            }
            0x100..=0xffff => {
                self.out.put_u8(top | 0x19);
                self.out.put_u16(argument as u16);
            }
            0x1_0000..=0xffff_ffff => {
                self.out.put_u8(top | 0x1a);
                self.out.put_u32(argument as u32);
            }
            _ => {
                self.out.put_u8(top | 0x1b);
                self.out.put_u64(argument);
            }
        }
        self
    }

    /// An unsigned integer.
    pub fn uint(&mut self, value: u64) -> &mut Self {
        self.head(Major::Unsigned, value)
    }

    /// A byte string.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.head(Major::Bytes, value.len() as u64);
        self.out.put_slice(value);
        self
    }

    /// A text string.
    pub fn text(&mut self, value: &str) -> &mut Self {
        self.head(Major::Text, value.len() as u64);
        self.out.put_slice(value.as_bytes());
        self
    }

    /// The head of an array of `count` items, which follow.
    pub fn array(&mut self, count: usize) -> &mut Self {
        self.head(Major::Array, count as u64)
    }

    /// The head of a map of `count` pairs, which follow in ascending order of their keys.
    pub fn map(&mut self, count: usize) -> &mut Self {
        self.head(Major::Map, count as u64)
    }

    /// A boolean.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.head(Major::Simple, if value { 21 } else { 20 })
    }

    /// Null.
    pub fn null(&mut self) -> &mut Self {
        self.head(Major::Simple, 22)
    }

    /// Undefined.
    pub fn undefined(&mut self) -> &mut Self {
        self.head(Major::Simple, 23)
    }

    /// The head of a tag; the item that it marks follows.
    pub fn tag(&mut self, number: u64) -> &mut Self {
        self.head(Major::Tag, number)
    }

    /// A float, in the shortest width that keeps its value; every NaN becomes `f97e00`.
    pub fn float(&mut self, value: f64) -> &mut Self {
        let top = (Major::Simple as u8) << 5;
        match Float::shortest(value) {
            Float::Half(bits) => {
                self.out.put_u8(top | 0x19);
                self.out.put_u16(bits);
            }
            Float::Single(bits) => {
                self.out.put_u8(top | 0x1a);
                self.out.put_u32(bits);
            }
            Float::Double(bits) => {
                self.out.put_u8(top | 0x1b);
                self.out.put_u64(bits);
            }
        }
        self
    }

    /// Raw bytes that already are deterministic CBOR.
    pub fn raw(&mut self, encoded: &[u8]) -> &mut Self {
        self.out.put_slice(encoded);
        self
    }
}

/// Reads deterministic CBOR from a slice without allocating.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    input: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `input`.
    pub fn new(input: &'a [u8]) -> Self {
        Self { input, at: 0 }
    }

    /// Where the reader stands: bytes from the start.
    pub fn position(&self) -> usize {
        self.at
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        &self.input[self.at..]
    }

    /// Whether everything was read.
    pub fn is_at_end(&self) -> bool {
        self.at == self.input.len()
    }

    /// Ends the reading: anything left is [`WireErrorKind::TrailingBytes`].
    pub fn finish(self) -> Result<(), WireError> {
        if self.is_at_end() { Ok(()) } else { Err(self.error(WireErrorKind::TrailingBytes)) }
    }

    /// An error of this kind at the present position.
    pub fn error(&self, kind: WireErrorKind) -> WireError {
        WireError { kind, at: self.at }
    }

    /// Takes `count` raw bytes.
    pub fn take(&mut self, count: u64) -> Result<&'a [u8], WireError> {
        let left = self.input.len() - self.at;
        let count = usize::try_from(count).ok().filter(|count| *count <= left);
        let Some(count) = count else { return Err(self.error(WireErrorKind::Truncated)) };
        let taken = &self.input[self.at..self.at + count];
        self.at += count;
        Ok(taken)
    }

    /// The next head, without moving.
    pub fn peek(&self) -> Result<Head, WireError> {
        self.clone().head()
    }

    /// Reads a head; its argument must be in the shortest form.
    pub fn head(&mut self) -> Result<Head, WireError> {
        let start = self.at;
        let first = self.take(1)?[0];
        let major = match first >> 5 {
            0 => Major::Unsigned,
            1 => Major::Negative,
            2 => Major::Bytes,
            3 => Major::Text,
            4 => Major::Array,
            5 => Major::Map,
            6 => Major::Tag,
            _ => Major::Simple,
        };
        let width = match first & 0x1f {
            0..=23 => 0,
            24 => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            _ => return Err(WireError { kind: WireErrorKind::NonCanonical, at: start }),
        };
        let argument = if width == 0 {
            u64::from(first & 0x1f)
        } else {
            let bytes = self.take(u64::from(width)).map_err(|error| WireError { at: start, ..error })?;
            bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
        };
        let shortest = match (major, width) {
            (Major::Simple, 1) => argument >= 32,
            (Major::Simple, _) | (_, 0) => true,
            (_, 1) => argument > 23,
            (_, 2) => argument > 0xff,
            (_, 4) => argument > 0xffff,
            _ => argument > 0xffff_ffff,
        };
        if !shortest {
            return Err(WireError { kind: WireErrorKind::NonCanonical, at: start });
        }
        Ok(Head { major, argument, width })
    }

    /// Reads a head that must be of type `major`, and gives its argument.
    pub fn expect(&mut self, major: Major) -> Result<u64, WireError> {
        let start = self.at;
        let head = self.head()?;
        if head.major == major {
            Ok(head.argument)
        } else {
            self.at = start;
            Err(self.error(WireErrorKind::WrongType))
        }
    }

    /// An unsigned integer.
    pub fn uint(&mut self) -> Result<u64, WireError> {
        self.expect(Major::Unsigned)
    }

    /// An unsigned integer of at most `max`.
    pub fn uint_max(&mut self, max: u64) -> Result<u64, WireError> {
        let start = self.at;
        let value = self.uint()?;
        if value <= max { Ok(value) } else { Err(WireError { kind: WireErrorKind::OutOfRange, at: start }) }
    }

    /// A byte string.
    pub fn bytes(&mut self) -> Result<&'a [u8], WireError> {
        let length = self.expect(Major::Bytes)?;
        self.take(length)
    }

    /// A byte string of exactly `N` bytes.
    pub fn byte_array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let start = self.at;
        let bytes = self.bytes()?;
        bytes.try_into().map_err(|_| WireError { kind: WireErrorKind::OutOfRange, at: start })
    }

    /// A text string.
    pub fn text(&mut self) -> Result<&'a str, WireError> {
        let length = self.expect(Major::Text)?;
        self.text_of(length)
    }

    /// The `length` bytes of a text string whose head was read.
    pub fn text_of(&mut self, length: u64) -> Result<&'a str, WireError> {
        let start = self.at;
        let bytes = self.take(length)?;
        core::str::from_utf8(bytes)
            .map_err(|error| WireError { kind: WireErrorKind::InvalidUtf8, at: start + error.valid_up_to() })
    }

    /// A text string of at most `max` bytes.
    pub fn text_max(&mut self, max: usize) -> Result<&'a str, WireError> {
        let start = self.at;
        let text = self.text()?;
        if text.len() <= max {
            Ok(text)
        } else {
            Err(WireError { kind: WireErrorKind::OutOfRange, at: start })
        }
    }

    /// A boolean.
    pub fn bool(&mut self) -> Result<bool, WireError> {
        let start = self.at;
        match self.head()? {
            Head { major: Major::Simple, argument: 20, width: 0 } => Ok(false),
            Head { major: Major::Simple, argument: 21, width: 0 } => Ok(true),
            _ => Err(WireError { kind: WireErrorKind::WrongType, at: start }),
        }
    }

    /// Takes a null, where one is next; otherwise stays where it is.
    pub fn take_null(&mut self) -> bool {
        let null = self.rest().first() == Some(&0xf6);
        self.at += usize::from(null);
        null
    }

    /// The head of an array; gives the number of items, at most `max`.
    pub fn array(&mut self, max: u64) -> Result<u64, WireError> {
        self.count(Major::Array, max)
    }

    fn count(&mut self, major: Major, max: u64) -> Result<u64, WireError> {
        let start = self.at;
        let count = self.expect(major)?;
        if count <= max { Ok(count) } else { Err(WireError { kind: WireErrorKind::OutOfRange, at: start }) }
    }

    /// The head of a map with unsigned integer keys, as all bodies of control frames are.
    ///
    /// ```
    /// use lacewing_core::wire::cbor::Reader;
    ///
    /// // {1: 7, 9: "later version"}: the unknown key is skipped.
    /// let body = [0xa2, 0x01, 0x07, 0x09, 0x6d, b'l', b'a', b't', b'e', b'r', b' ', b'v', b'e', b'r', b's', b'i', b'o', b'n'];
    /// let mut reader = Reader::new(&body);
    /// let mut fields = reader.fields().unwrap();
    /// let mut seven = None;
    /// while let Some(key) = fields.next(&mut reader).unwrap() {
    ///     match key {
    ///         1 => seven = Some(reader.uint().unwrap()),
    ///         _ => reader.skip().unwrap(),
    ///     }
    /// }
    /// assert_eq!(seven, Some(7));
    /// ```
    pub fn fields(&mut self) -> Result<Fields, WireError> {
        let left = self.expect(Major::Map)?;
        Ok(Fields { left, last: None })
    }

    /// Skips one item of any kind, checking that it is deterministic all the same.
    pub fn skip(&mut self) -> Result<(), WireError> {
        self.skip_within(DEPTH_MAX)
    }

    fn skip_within(&mut self, depth: usize) -> Result<(), WireError> {
        let start = self.at;
        let head = self.head()?;
        let nested = matches!(head.major, Major::Array | Major::Map | Major::Tag);
        if nested && depth == 0 {
            return Err(WireError { kind: WireErrorKind::TooDeep, at: start });
        }
        match head.major {
            Major::Unsigned | Major::Negative => {}
            Major::Simple => check_simple(head).map_err(|kind| WireError { kind, at: start })?,
            Major::Bytes => {
                self.take(head.argument)?;
            }
            Major::Text => {
                self.at = start;
                self.text()?;
            }
            Major::Array => {
                for _ in 0..head.argument {
                    self.skip_within(depth - 1)?;
                }
            }
            Major::Map => self.skip_pairs(head.argument, depth - 1)?,
            Major::Tag => self.skip_within(depth - 1)?,
        }
        Ok(())
    }

    fn skip_pairs(&mut self, count: u64, depth: usize) -> Result<(), WireError> {
        let mut last: Option<&[u8]> = None;
        for _ in 0..count {
            let start = self.at;
            self.skip_within(depth)?;
            let key = &self.input[start..self.at];
            if last.is_some_and(|last| last >= key) {
                return Err(WireError { kind: WireErrorKind::KeyOrder, at: start });
            }
            last = Some(key);
            self.skip_within(depth)?;
        }
        Ok(())
    }
}

/// Whether a head of [`Major::Simple`] is a value that deterministic CBOR knows: false, true, null, undefined,
/// or a float in the shortest width that keeps its value, NaN only as `f97e00`.
pub fn check_simple(head: Head) -> Result<(), WireErrorKind> {
    match head.width {
        0 if (20..=23).contains(&head.argument) => Ok(()),
        0 | 1 => Err(WireErrorKind::UnknownType),
        2 => {
            let bits = head.argument as u16;
            let nan = bits & 0x7c00 == 0x7c00 && bits & 0x03ff != 0;
            if nan && bits != 0x7e00 { Err(WireErrorKind::NonCanonical) } else { Ok(()) }
        }
        4 => {
            let value = f32::from_bits(head.argument as u32);
            if value.is_nan() || f16_bits(f64::from(value)).is_some() {
                Err(WireErrorKind::NonCanonical)
            } else {
                Ok(())
            }
        }
        _ => {
            let value = f64::from_bits(head.argument);
            if value.is_nan() || f64::from(value as f32).to_bits() == value.to_bits() {
                Err(WireErrorKind::NonCanonical)
            } else {
                Ok(())
            }
        }
    }
}

/// The half-precision bits (IEEE 754 binary16) of `value`, where they hold it exactly. NaN is not asked here.
pub fn f16_bits(value: f64) -> Option<u16> {
    let single = value as f32;
    if f64::from(single).to_bits() != value.to_bits() {
        return None;
    }
    let bits = single.to_bits();
    let sign = (bits >> 16) as u16 & 0x8000;
    let exponent = (bits >> 23 & 0xff).cast_signed() - 127;
    let mantissa = bits & 0x007f_ffff;
    match exponent {
        -127 if mantissa == 0 => Some(sign),
        128 if mantissa == 0 => Some(sign | 0x7c00),
        -14..=15 if mantissa.trailing_zeros() >= 13 => {
            Some(sign | ((exponent + 15).cast_unsigned() as u16) << 10 | (mantissa >> 13) as u16)
        }
        // Subnormal halves: the hidden bit becomes explicit and moves right.
        -24..=-15 => {
            let full = mantissa | 0x0080_0000;
            let shift = (-exponent - 1).cast_unsigned();
            (full & ((1 << shift) - 1) == 0).then(|| sign | (full >> shift) as u16)
        }
        _ => None,
    }
}

/// The value of half-precision bits.
pub fn f16_value(bits: u16) -> f64 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let exponent = i32::from(bits >> 10 & 0x1f);
    let mantissa = f64::from(bits & 0x03ff);
    let two_to = |power: i32| f64::from_bits(u64::from((power + 1023).cast_unsigned()) << 52);
    match exponent {
        0 => sign * mantissa * two_to(-24),
        31 if mantissa == 0.0 => sign * f64::INFINITY,
        31 => f64::NAN,
        _ => sign * (1024.0 + mantissa) * two_to(exponent - 25),
    }
}

/// Walks the keys of a map with unsigned integer keys, in strictly ascending order.
#[derive(Debug)]
pub struct Fields {
    left: u64,
    last: Option<u64>,
}

impl Fields {
    /// The next key, after which the caller reads or skips one value; `None` at the end of the map.
    pub fn next(&mut self, reader: &mut Reader<'_>) -> Result<Option<u64>, WireError> {
        if self.left == 0 {
            return Ok(None);
        }
        let at = reader.position();
        let key = reader.uint()?;
        if self.last.is_some_and(|last| last >= key) {
            return Err(WireError { kind: WireErrorKind::KeyOrder, at });
        }
        self.left -= 1;
        self.last = Some(key);
        Ok(Some(key))
    }
}
