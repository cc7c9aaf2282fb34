//! A setting that may be anything, as a [`Value`] with every digit of its numbers. Pure.

use std::fmt;

use serde::{
    Deserialize,
    de::{self, MapAccess, SeqAccess, Visitor},
};

use super::read::{ReadError, Reader};
use crate::{Map, Value};

/// Asks our own reader for exact numbers; any other takes it for a plain newtype.
pub(super) const VALUE_NAME: &str = "$pipeline::Value";
/// The one key of the map that stands for an exact number.
const NUMBER_KEY: &str = "$pipeline::Number";

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_newtype_struct(VALUE_NAME, AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_newtype_struct<D: de::Deserializer<'de>>(self, inner: D) -> Result<Value, D::Error> {
        inner.deserialize_any(self)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        value.to_string().parse().map(Value::Number).map_err(E::custom)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(Value::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::default();
        while let Some(key) = entries.next_key::<String>()? {
            if key == NUMBER_KEY {
                let digits: String = entries.next_value()?;
                return digits.parse().map(Value::Number).map_err(de::Error::custom);
            }
            map.insert(key, entries.next_value()?);
        }
        Ok(Value::Map(map))
    }
}

/// A value whose numbers come as text, so that none of their digits is lost.
pub(super) struct Exact<'a>(pub(super) Reader<'a>);

impl<'de> de::Deserializer<'de> for Exact<'_> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.0.exact_number() {
            Some(text) => visitor
                .visit_map(de::value::MapDeserializer::new(std::iter::once((NUMBER_KEY, text)))),
            None => self.0.deserialize_any(visitor),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
