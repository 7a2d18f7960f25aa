//! Bytes to values.

use lacewing_core::wire::cbor::{Head, Major, Reader};
use lacewing_core::wire::value::{Value, ValueRef, tag};
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde::{Deserializer, forward_to_deserialize_any};

use super::super::failure::Failure;

/// Reads items one after the other. The bytes have been checked: they are well-formed, and nest at most
/// [`DEPTH_MAX`](lacewing_core::wire::cbor::DEPTH_MAX) deep, which bounds the recursion here.
pub(super) struct Item<'de> {
    input: &'de [u8],
    reader: Reader<'de>,
}

impl<'de> Item<'de> {
    pub(super) fn new(input: &'de [u8]) -> Self {
        Self { input, reader: Reader::new(input) }
    }

    fn read_any<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Failure> {
        let head = self.reader.peek()?;
        match head.major {
            Major::Unsigned => {
                self.reader.head()?;
                visitor.visit_u64(head.argument)
            }
            Major::Negative => {
                self.reader.head()?;
                match i64::try_from(head.argument) {
                    Ok(argument) => visitor.visit_i64(-1 - argument),
                    Err(_) => visitor.visit_i128(-1 - i128::from(head.argument)),
                }
            }
            Major::Bytes => visitor.visit_borrowed_bytes(self.reader.bytes()?),
            Major::Text => visitor.visit_borrowed_str(self.reader.text()?),
            Major::Array => {
                self.reader.head()?;
                self.read_items(head.argument, visitor)
            }
            Major::Map => {
                self.reader.head()?;
                self.read_pairs(head.argument, visitor)
            }
            Major::Tag => self.read_tagged(head, visitor),
            Major::Simple => {
                self.reader.head()?;
                match (head.float(), head.argument) {
                    (Some(float), _) => visitor.visit_f64(float),
                    (None, 20 | 21) => visitor.visit_bool(head.argument == 21),
                    (None, 22 | 23) => visitor.visit_unit(),
                    (None, _) => Err(Failure::new("there is no such simple value")),
                }
            }
        }
    }

    fn read_items<V: Visitor<'de>>(&mut self, count: u64, visitor: V) -> Result<V::Value, Failure> {
        let mut items = Run { left: count, of: self };
        let value = visitor.visit_seq(&mut items)?;
        match items.left {
            0 => Ok(value),
            left => Err(Failure::new(format!("expected {} items", count - left))),
        }
    }

    fn read_pairs<V: Visitor<'de>>(&mut self, count: u64, visitor: V) -> Result<V::Value, Failure> {
        let mut pairs = Run { left: count, of: self };
        let value = visitor.visit_map(&mut pairs)?;
        match pairs.left {
            0 => Ok(value),
            left => Err(Failure::new(format!("expected {} pairs", count - left))),
        }
    }

    /// Sets are lists to serde; big integers are those that it knows; other tags are nothing that it has.
    fn read_tagged<V: Visitor<'de>>(&mut self, head: Head, visitor: V) -> Result<V::Value, Failure> {
        let start = self.reader.position();
        match head.argument {
            tag::SET => {
                self.reader.head()?;
                let count = self.reader.expect(Major::Array)?;
                self.read_items(count, visitor)
            }
            tag::BIG_UNSIGNED | tag::BIG_NEGATIVE => {
                self.reader.skip()?;
                let bytes = &self.input[start..self.reader.position()];
                let Value::Int(int) = ValueRef::parse(bytes)?.decode()? else {
                    return Err(Failure::new("expected an integer"));
                };
                match (int.to_i128(), int.to_u128()) {
                    (Some(int), _) => visitor.visit_i128(int),
                    (None, Some(int)) => visitor.visit_u128(int),
                    (None, None) => Err(Failure::new("expected an integer of at most 128 bits")),
                }
            }
            _ => Err(Failure::new("expected no tag")),
        }
    }

    /// Says of a failure where it was, unless it says so itself.
    fn placed<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Failure>) -> Result<T, Failure> {
        let start = self.reader.position();
        read(self).map_err(|failure| failure.at(start))
    }
}

impl<'de> Deserializer<'de> for &mut Item<'de> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.placed(|item| item.read_any(visitor))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let head = self.reader.peek()?;
        if head.major == Major::Simple && head.width == 0 && matches!(head.argument, 22 | 23) {
            self.reader.head()?;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.placed(|item| {
            let head = item.reader.peek()?;
            match (head.major, head.argument) {
                (Major::Text, _) => {
                    let name: StrDeserializer<'_, Failure> = item.reader.text()?.into_deserializer();
                    visitor.visit_enum(name)
                }
                (Major::Map, 1) => {
                    item.reader.head()?;
                    visitor.visit_enum(item)
                }
                _ => Err(Failure::new("expected the name of a variant, or one pair of it and its content")),
            }
        })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.reader.skip()?;
        visitor.visit_unit()
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct map struct identifier
    }
}

/// So many items, or pairs, that come next.
struct Run<'a, 'de> {
    left: u64,
    of: &'a mut Item<'de>,
}

impl Run<'_, '_> {
    fn take_one(&mut self) -> bool {
        let one = self.left > 0;
        self.left -= u64::from(one);
        one
    }

    /// What serde may reserve for: an item has a byte at least, and a pair two.
    fn hint(&self) -> Option<usize> {
        usize::try_from(self.left).ok()
    }
}

impl<'de> SeqAccess<'de> for &mut Run<'_, 'de> {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Failure> {
        if self.take_one() { seed.deserialize(&mut *self.of).map(Some) } else { Ok(None) }
    }

    fn size_hint(&self) -> Option<usize> {
        self.hint()
    }
}

impl<'de> MapAccess<'de> for &mut Run<'_, 'de> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Failure> {
        if self.take_one() { seed.deserialize(&mut *self.of).map(Some) } else { Ok(None) }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Failure> {
        seed.deserialize(&mut *self.of)
    }

    fn size_hint(&self) -> Option<usize> {
        self.hint()
    }
}

impl<'de> EnumAccess<'de> for &mut Item<'de> {
    type Error = Failure;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Failure> {
        let name = seed.deserialize(&mut *self)?;
        Ok((name, self))
    }
}

impl<'de> VariantAccess<'de> for &mut Item<'de> {
    type Error = Failure;

    fn unit_variant(self) -> Result<(), Failure> {
        serde::Deserialize::deserialize(self)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Failure> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.deserialize_any(visitor)
    }
}
