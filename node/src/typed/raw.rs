//! Raw payloads: a text, bytes, or nothing at all.

use serde::de::value::{BytesDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer, Visitor};
use serde::ser::{Impossible, SerializeSeq};
use serde::{Deserializer, Serialize, Serializer, forward_to_deserialize_any};

use super::failure::Failure;

pub(super) fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Failure> {
    value.serialize(Writer)
}

pub(super) fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    T::deserialize(Reader { bytes })
}

const HOLDS: &str = "it holds a text, bytes or nothing";

struct Writer;

/// Numbers that are bytes.
struct Bytes(Vec<u8>);

/// Everything else is none of the three.
macro_rules! refuse {
    ($($method:ident($($type:ty),*) -> $ok:ty;)*) => {$(
        fn $method(self, $(_: $type),*) -> Result<$ok, Failure> {
            Err(Failure::new(HOLDS))
        }
    )*};
}

type No = Impossible<Vec<u8>, Failure>;

impl Serializer for Writer {
    type Ok = Vec<u8>;
    type Error = Failure;
    type SerializeSeq = Bytes;
    type SerializeTuple = No;
    type SerializeTupleStruct = No;
    type SerializeTupleVariant = No;
    type SerializeMap = No;
    type SerializeStruct = No;
    type SerializeStructVariant = No;

    fn serialize_str(self, text: &str) -> Result<Vec<u8>, Failure> {
        Ok(text.as_bytes().to_vec())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<Vec<u8>, Failure> {
        Ok(bytes.to_vec())
    }

    fn serialize_unit(self) -> Result<Vec<u8>, Failure> {
        Ok(Vec::new())
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Bytes, Failure> {
        Ok(Bytes(Vec::with_capacity(len.unwrap_or(0))))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Vec<u8>, Failure> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Vec<u8>, Failure> {
        Err(Failure::new(HOLDS))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<Vec<u8>, Failure> {
        // Nothing and an empty text could not be told apart.
        Err(Failure::new(HOLDS))
    }

    refuse! {
        serialize_bool(bool) -> Vec<u8>;
        serialize_i8(i8) -> Vec<u8>;
        serialize_i16(i16) -> Vec<u8>;
        serialize_i32(i32) -> Vec<u8>;
        serialize_i64(i64) -> Vec<u8>;
        serialize_u8(u8) -> Vec<u8>;
        serialize_u16(u16) -> Vec<u8>;
        serialize_u32(u32) -> Vec<u8>;
        serialize_u64(u64) -> Vec<u8>;
        serialize_f32(f32) -> Vec<u8>;
        serialize_f64(f64) -> Vec<u8>;
        serialize_char(char) -> Vec<u8>;
        serialize_none() -> Vec<u8>;
        serialize_unit_struct(&'static str) -> Vec<u8>;
        serialize_unit_variant(&'static str, u32, &'static str) -> Vec<u8>;
        serialize_tuple(usize) -> No;
        serialize_tuple_struct(&'static str, usize) -> No;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> No;
        serialize_map(Option<usize>) -> No;
        serialize_struct(&'static str, usize) -> No;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> No;
    }
}

impl SerializeSeq for Bytes {
    type Ok = Vec<u8>;
    type Error = Failure;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failure> {
        self.0.push(value.serialize(Byte)?);
        Ok(())
    }

    fn end(self) -> Result<Vec<u8>, Failure> {
        Ok(self.0)
    }
}

/// A byte among others.
struct Byte;

type NoByte = Impossible<u8, Failure>;

impl Serializer for Byte {
    type Ok = u8;
    type Error = Failure;
    type SerializeSeq = NoByte;
    type SerializeTuple = NoByte;
    type SerializeTupleStruct = NoByte;
    type SerializeTupleVariant = NoByte;
    type SerializeMap = NoByte;
    type SerializeStruct = NoByte;
    type SerializeStructVariant = NoByte;

    fn serialize_u8(self, byte: u8) -> Result<u8, Failure> {
        Ok(byte)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<u8, Failure> {
        Err(Failure::new(HOLDS))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, _: &T) -> Result<u8, Failure> {
        Err(Failure::new(HOLDS))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<u8, Failure> {
        Err(Failure::new(HOLDS))
    }

    refuse! {
        serialize_bool(bool) -> u8;
        serialize_i8(i8) -> u8;
        serialize_i16(i16) -> u8;
        serialize_i32(i32) -> u8;
        serialize_i64(i64) -> u8;
        serialize_u16(u16) -> u8;
        serialize_u32(u32) -> u8;
        serialize_u64(u64) -> u8;
        serialize_f32(f32) -> u8;
        serialize_f64(f64) -> u8;
        serialize_char(char) -> u8;
        serialize_str(&str) -> u8;
        serialize_bytes(&[u8]) -> u8;
        serialize_none() -> u8;
        serialize_unit() -> u8;
        serialize_unit_struct(&'static str) -> u8;
        serialize_unit_variant(&'static str, u32, &'static str) -> u8;
        serialize_seq(Option<usize>) -> NoByte;
        serialize_tuple(usize) -> NoByte;
        serialize_tuple_struct(&'static str, usize) -> NoByte;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> NoByte;
        serialize_map(Option<usize>) -> NoByte;
        serialize_struct(&'static str, usize) -> NoByte;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> NoByte;
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let bytes: BytesDeserializer<'de, Failure> = self.bytes.into_deserializer();
        bytes.deserialize_any(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match std::str::from_utf8(self.bytes) {
            Ok(text) => visitor.visit_borrowed_str(text),
            Err(error) => Err(Failure::new("expected UTF-8").at(error.valid_up_to())),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if self.bytes.is_empty() { visitor.visit_unit() } else { Err(Failure::new("expected nothing").at(0)) }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_seq(SeqDeserializer::<_, Failure>::new(self.bytes.iter().copied()))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf option unit_struct tuple
        tuple_struct map struct enum identifier ignored_any
    }
}
