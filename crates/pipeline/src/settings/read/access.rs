//! Lists, maps and choices as serde walks through them. Pure.

use std::cell::Cell;

use serde::de::{self, DeserializeSeed, Visitor};

use super::{Path, error::ReadError, reader::Reader};
use crate::settings::node::Entry;

pub(super) struct ListReader<I>(pub(super) I);

impl<'a, 'de, I: Iterator<Item = Reader<'a>>> de::SeqAccess<'de> for ListReader<I> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ReadError> {
        let Some(reader) = self.0.next() else { return Ok(None) };
        reader.clone().place(seed.deserialize(reader)).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint().1
    }
}

pub(super) struct MapReader<'a, 'b, I> {
    pub(super) map: &'b Reader<'a>,
    pub(super) entries: I,
    /// The entry whose key was read last.
    pub(super) last: &'b Cell<Option<&'a Entry>>,
}

impl<'a, 'de, I: Iterator<Item = &'a Entry>> de::MapAccess<'de> for MapReader<'a, '_, I> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ReadError> {
        let Some(entry) = self.entries.next() else { return Ok(None) };
        self.last.set(Some(entry));
        let key = de::value::StrDeserializer::<ReadError>::new(&entry.key);
        let path = Path::Key(&self.map.path, &entry.key);
        seed.deserialize(key).map(Some).map_err(|error| error.placed(&path, &entry.key_span))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        let Some(entry) = self.last.get() else {
            return Err(ReadError::new("a value without a key"));
        };
        let reader = self.map.value(entry);
        reader.clone().place(seed.deserialize(reader))
    }
}

pub(super) struct EnumReader<'a> {
    pub(super) variant: &'a str,
    pub(super) content: Option<Reader<'a>>,
}

impl<'a, 'de> de::EnumAccess<'de> for EnumReader<'a> {
    type Error = ReadError;
    type Variant = VariantReader<'a>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, VariantReader<'a>), ReadError> {
        let variant = de::value::StrDeserializer::<ReadError>::new(self.variant);
        Ok((seed.deserialize(variant)?, VariantReader(self.content)))
    }
}

pub(super) struct VariantReader<'a>(Option<Reader<'a>>);

impl<'a> VariantReader<'a> {
    fn content(self) -> Result<Reader<'a>, ReadError> {
        self.0.ok_or_else(|| ReadError::new("its settings are missing"))
    }
}

impl<'de> de::VariantAccess<'de> for VariantReader<'_> {
    type Error = ReadError;

    fn unit_variant(self) -> Result<(), ReadError> {
        self.0.map_or(Ok(()), serde::Deserialize::deserialize)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, ReadError> {
        let reader = self.content()?;
        reader.clone().place(seed.deserialize(reader))
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        de::Deserializer::deserialize_seq(self.content()?, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.content()?.visit_map(Some(fields), visitor)
    }
}
