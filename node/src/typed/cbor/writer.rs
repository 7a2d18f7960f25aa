//! Values to bytes.

use lacewing_core::wire::cbor::{DEPTH_MAX, Writer as Cbor};
use lacewing_core::wire::value::{self, Value};
use serde::{Serialize, Serializer, ser};

use super::super::failure::Failure;

/// Writes one item.
pub(super) struct Writer<'a> {
    out: &'a mut Vec<u8>,
    /// How many arrays and maps may still be opened around it.
    depth: usize,
}

impl<'a> Writer<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, depth: DEPTH_MAX }
    }

    fn out(&mut self) -> Cbor<'_, Vec<u8>> {
        Cbor::new(self.out)
    }

    /// Writes an integer, in as many bytes as it takes.
    fn value(self, number: &Value) -> Result<(), Failure> {
        value::encode_into(number, usize::MAX, self.out).map_err(|error| Failure::new(error.to_string()))
    }

    fn inside(&self) -> Result<usize, Failure> {
        self.depth.checked_sub(1).ok_or_else(|| {
            Failure::new(format!("it nests deeper than {DEPTH_MAX} levels of arrays and maps"))
        })
    }

    fn list(self) -> Result<List<'a>, Failure> {
        let depth = self.inside()?;
        Ok(List { out: self.out, items: Vec::new(), count: 0, depth })
    }

    fn map(self) -> Result<Map<'a>, Failure> {
        let depth = self.inside()?;
        Ok(Map { out: self.out, pairs: Vec::new(), key: None, depth })
    }

    /// Begins the one pair that a variant with content is.
    fn variant(self, name: &str) -> Result<Self, Failure> {
        let depth = self.inside()?;
        Cbor::new(self.out).map(1).text(name);
        Ok(Self { out: self.out, depth })
    }
}

/// An array whose length is known at its end.
pub(super) struct List<'a> {
    out: &'a mut Vec<u8>,
    items: Vec<u8>,
    count: usize,
    depth: usize,
}

impl List<'_> {
    fn push<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Failure> {
        self.count += 1;
        item.serialize(Writer { out: &mut self.items, depth: self.depth })
    }

    fn finish(self) {
        let Self { out, items, count, .. } = self;
        Cbor::new(out).array(count).raw(&items);
    }
}

/// A map whose order is known at its end.
pub(super) struct Map<'a> {
    out: &'a mut Vec<u8>,
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
    key: Option<Vec<u8>>,
    depth: usize,
}

impl Map<'_> {
    fn encode<T: Serialize + ?Sized>(&self, item: &T) -> Result<Vec<u8>, Failure> {
        let mut out = Vec::new();
        item.serialize(Writer { out: &mut out, depth: self.depth })?;
        Ok(out)
    }

    fn push<T: Serialize + ?Sized>(&mut self, name: &str, item: &T) -> Result<(), Failure> {
        let pair = (self.encode(name)?, self.encode(item)?);
        self.pairs.push(pair);
        Ok(())
    }

    fn finish(mut self) -> Result<(), Failure> {
        self.pairs.sort_unstable();
        if self.pairs.windows(2).any(|two| two[0].0 == two[1].0) {
            return Err(Failure::new("a key comes twice in a map"));
        }
        let mut out = Cbor::new(self.out);
        out.map(self.pairs.len());
        for (key, item) in &self.pairs {
            out.raw(key).raw(item);
        }
        Ok(())
    }
}

macro_rules! integers {
    ($($method:ident($type:ty);)*) => {$(
        fn $method(self, number: $type) -> Result<(), Failure> {
            self.value(&Value::from(i128::from(number)))
        }
    )*};
}

impl<'a> Serializer for Writer<'a> {
    type Ok = ();
    type Error = Failure;
    type SerializeSeq = List<'a>;
    type SerializeTuple = List<'a>;
    type SerializeTupleStruct = List<'a>;
    type SerializeTupleVariant = List<'a>;
    type SerializeMap = Map<'a>;
    type SerializeStruct = Map<'a>;
    type SerializeStructVariant = Map<'a>;

    integers! {
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_i128(i128);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
    }

    fn serialize_u128(self, number: u128) -> Result<(), Failure> {
        self.value(&Value::from(number))
    }

    fn serialize_bool(mut self, value: bool) -> Result<(), Failure> {
        self.out().bool(value);
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), Failure> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(mut self, value: f64) -> Result<(), Failure> {
        self.out().float(value);
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), Failure> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(mut self, text: &str) -> Result<(), Failure> {
        self.out().text(text);
        Ok(())
    }

    fn serialize_bytes(mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.out().bytes(bytes);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Failure> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Failure> {
        value.serialize(self)
    }

    fn serialize_unit(mut self) -> Result<(), Failure> {
        self.out().null();
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Failure> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Result<(), Failure> {
        self.serialize_str(name)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Failure> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        value: &T,
    ) -> Result<(), Failure> {
        value.serialize(self.variant(name)?)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<List<'a>, Failure> {
        self.list()
    }

    fn serialize_tuple(self, _: usize) -> Result<List<'a>, Failure> {
        self.list()
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<List<'a>, Failure> {
        self.list()
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<List<'a>, Failure> {
        self.variant(name)?.list()
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Map<'a>, Failure> {
        self.map()
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Map<'a>, Failure> {
        self.map()
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Map<'a>, Failure> {
        self.variant(name)?.map()
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

macro_rules! list {
    ($($trait:ident::$push:ident),+) => {$(
        impl ser::$trait for List<'_> {
            type Ok = ();
            type Error = Failure;

            fn $push<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Failure> {
                self.push(item)
            }

            fn end(self) -> Result<(), Failure> {
                self.finish();
                Ok(())
            }
        }
    )+};
}
list!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

macro_rules! fields {
    ($($trait:ident),+) => {$(
        impl ser::$trait for Map<'_> {
            type Ok = ();
            type Error = Failure;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, item: &T) -> Result<(), Failure> {
                self.push(name, item)
            }

            fn end(self) -> Result<(), Failure> {
                self.finish()
            }
        }
    )+};
}
fields!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Map<'_> {
    type Ok = ();
    type Error = Failure;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Failure> {
        self.key = Some(self.encode(key)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Failure> {
        let key = self.key.take().ok_or_else(|| Failure::new("a map has a value without a key"))?;
        let item = self.encode(item)?;
        self.pairs.push((key, item));
        Ok(())
    }

    fn end(self) -> Result<(), Failure> {
        self.finish()
    }
}
