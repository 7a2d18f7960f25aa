//! What a caller says about a call besides its argument: names and texts that the handler can read.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::BufMut;

use super::cbor::{Reader, Writer};
use super::{WireError, WireErrorKind};

/// Headers of a call, in the order in which they were added. A name may come several times; the first one counts where only one
/// can.
///
/// Names have 1 to 64 bytes of lower-case ASCII letters, digits, `-`, `_` and `.`, so that they can be compared byte by byte; values are UTF-8 of
/// at most 4,096 bytes. There are at most 64 headers of 8,192 bytes in all, names and values together.
///
/// ```
/// use lacewing_core::wire::headers::{HeaderError, Headers};
///
/// let mut headers = Headers::new();
/// headers.push("tenant", "blue")?;
/// assert_eq!(headers.get("tenant"), Some("blue"));
/// assert_eq!(headers.push("Tenant", "red"), Err(HeaderError::Name("Tenant".into())));
/// # Ok::<(), HeaderError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Headers {
    entries: Vec<(Box<str>, Box<str>)>,
}

/// Why a header is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The name is none.
    #[error("the header name {0:?} is not 1 to 64 bytes of a-z, 0-9, '-', '_' and '.'")]
    Name(Box<str>),
    /// The value is too long.
    #[error("the header {name:?} has a value of {length} bytes, the limit is 4096")]
    Value {
        /// The header.
        name: Box<str>,
        /// Bytes of its value.
        length: usize,
    },
    /// There are too many.
    #[error("a call has at most 64 headers of 8192 bytes in all")]
    TooMany,
}

impl Headers {
    /// Most headers of one call.
    pub const COUNT_MAX: usize = 64;
    /// Longest name in bytes.
    pub const NAME_LEN_MAX: usize = 64;
    /// Longest value in bytes.
    pub const VALUE_LEN_MAX: usize = 4_096;
    /// Bytes of all names and values together.
    pub const BYTES_MAX: usize = 8_192;

    /// No headers.
    pub const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// Adds a header behind the others.
    pub fn push(&mut self, name: &str, value: &str) -> Result<(), HeaderError> {
        if !is_name(name) {
            return Err(HeaderError::Name(name.into()));
        }
        if value.len() > Self::VALUE_LEN_MAX {
            return Err(HeaderError::Value { name: name.into(), length: value.len() });
        }
        if self.entries.len() == Self::COUNT_MAX || self.bytes() + name.len() + value.len() > Self::BYTES_MAX
        {
            return Err(HeaderError::TooMany);
        }
        self.entries.push((name.into(), value.into()));
        Ok(())
    }

    /// The value of the first header of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    /// Removes every header of this name. `false` if there was none.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.entries.len();
        self.entries.retain(|(own, _)| &**own != name);
        self.entries.len() < before
    }

    /// Names and values, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|(name, value)| (&**name, &**value))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of all names and values.
    pub fn bytes(&self) -> usize {
        self.entries.iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    /// The most bytes that they can take on the wire.
    pub(crate) fn encoded_len_max(&self) -> usize {
        // The head of each text has at most three bytes at these lengths.
        self.bytes() + 6 * self.entries.len() + 4
    }

    /// Writes them as one array of names and values in turn.
    pub(crate) fn write<B: BufMut>(&self, writer: &mut Writer<'_, B>) {
        writer.array(2 * self.entries.len());
        for (name, value) in self.iter() {
            writer.text(name).text(value);
        }
    }

    /// Reads such an array.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let start = reader.position();
        let out_of_range = |at| WireError { kind: WireErrorKind::OutOfRange, at };
        let texts = reader.array(2 * Self::COUNT_MAX as u64)?;
        if !texts.is_multiple_of(2) {
            return Err(out_of_range(start));
        }
        let mut headers = Self::new();
        for _ in 0..texts / 2 {
            let at = reader.position();
            let name = reader.text_max(Self::NAME_LEN_MAX)?;
            let value = reader.text_max(Self::VALUE_LEN_MAX)?;
            headers.push(name, value).map_err(|_| out_of_range(at))?;
        }
        Ok(headers)
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    (1..=Headers::NAME_LEN_MAX).contains(&name.len()) && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use alloc::string::String;
    use alloc::vec::Vec;

    use super::{HeaderError, Headers, Reader, WireErrorKind, Writer};

    fn read(write: impl FnOnce(&mut Writer<'_, Vec<u8>>)) -> Result<Headers, WireErrorKind> {
        let mut bytes = Vec::new();
        write(&mut Writer::new(&mut bytes));
        Headers::read(&mut Reader::new(&bytes)).map_err(|error| error.kind)
    }

    #[test]
    fn they_come_back_in_their_order_and_the_first_of_a_name_counts() {
        let mut headers = Headers::new();
        for (name, value) in [("b", "1"), ("a", "ä"), ("b", "2")] {
            headers.push(name, value).unwrap();
        }
        let back = read(|writer| headers.write(writer)).unwrap();
        assert_eq!(back, headers);
        assert_eq!(back.get("b"), Some("1"));
        let mut bytes = Vec::new();
        headers.write(&mut Writer::new(&mut bytes));
        assert!(bytes.len() <= headers.encoded_len_max());
    }

    #[test]
    fn what_is_too_much_or_no_name_is_refused_here_and_from_others() {
        let mut headers = Headers::new();
        let long = "v".repeat(Headers::VALUE_LEN_MAX + 1);
        assert!(matches!(headers.push("a", &long), Err(HeaderError::Value { length: 4_097, .. })));
        for name in ["", "A", "a b", "ä", &"n".repeat(65)] {
            assert!(matches!(headers.push(name, ""), Err(HeaderError::Name(_))), "{name:?}");
            assert_eq!(
                read(|writer| {
                    writer.array(2).text(name).text("");
                }),
                Err(WireErrorKind::OutOfRange)
            );
        }
        headers.push("a", &long[1..]).unwrap();
        headers.push("a", &long[3..]).unwrap();
        assert_eq!(headers.bytes(), Headers::BYTES_MAX);
        assert_eq!(headers.push("b", ""), Err(HeaderError::TooMany));
        assert_eq!(
            read(|writer| {
                writer.array(1).text("a");
            }),
            Err(WireErrorKind::OutOfRange)
        );
        let many: Vec<String> = (0..130).map(|_| "a".into()).collect();
        let write = |writer: &mut Writer<'_, Vec<u8>>| {
            writer.array(many.len());
            for text in &many {
                writer.text(text);
            }
        };
        assert_eq!(read(write), Err(WireErrorKind::OutOfRange));
    }
}
