//! The types of fields. Pure.

/// The type of a field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Words, by an analyzer.
    Text,
    /// A string as a whole.
    Keyword,
    /// A whole number of 64, 32, 16 or 8 bits.
    Integer(Bits),
    /// A whole number that is never negative.
    UnsignedLong,
    /// A number of 64 bits with a fraction.
    Double,
    /// A number of 32 bits with a fraction.
    Float,
    /// A number of 16 bits with a fraction.
    HalfFloat,
    /// A number with a fraction, kept as a multiple of one part in this many.
    ScaledFloat(f64),
    /// True or false.
    Boolean,
    /// A moment in milliseconds.
    Date,
    /// A moment, written with nanoseconds.
    DateNanos,
    /// An internet address.
    Ip,
    /// Bytes, kept in `_source` only.
    Binary,
    /// Another name for the field at this path.
    Alias(String),
    /// A type that is accepted and kept in `_source`, but cannot be searched yet.
    Opaque(&'static str),
}

/// How wide a whole number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bits {
    /// `byte`
    Byte,
    /// `short`
    Short,
    /// `integer`
    Integer,
    /// `long`
    Long,
}

impl Bits {
    /// The least and the greatest number.
    pub(crate) fn range(self) -> (i64, i64) {
        match self {
            Bits::Byte => (i8::MIN.into(), i8::MAX.into()),
            Bits::Short => (i16::MIN.into(), i16::MAX.into()),
            Bits::Integer => (i32::MIN.into(), i32::MAX.into()),
            Bits::Long => (i64::MIN, i64::MAX),
        }
    }
}

/// Types that are accepted, and not searchable yet.
const OPAQUE: [&str; 14] = [
    "geo_point",
    "geo_shape",
    "flat_object",
    "wildcard",
    "constant_keyword",
    "completion",
    "search_as_you_type",
    "integer_range",
    "long_range",
    "double_range",
    "date_range",
    "token_count",
    "join",
    "knn_vector",
];

impl Kind {
    /// The type called `name`, as far as the name alone says it.
    pub(crate) fn named(name: &str) -> Option<Kind> {
        Some(match name {
            "text" | "match_only_text" => Kind::Text,
            "keyword" => Kind::Keyword,
            "long" => Kind::Integer(Bits::Long),
            "integer" => Kind::Integer(Bits::Integer),
            "short" => Kind::Integer(Bits::Short),
            "byte" => Kind::Integer(Bits::Byte),
            "unsigned_long" => Kind::UnsignedLong,
            "double" => Kind::Double,
            "float" => Kind::Float,
            "half_float" => Kind::HalfFloat,
            "scaled_float" => Kind::ScaledFloat(1.0),
            "boolean" => Kind::Boolean,
            "date" => Kind::Date,
            "date_nanos" => Kind::DateNanos,
            "ip" => Kind::Ip,
            "binary" => Kind::Binary,
            "alias" => Kind::Alias(String::new()),
            _ => Kind::Opaque(OPAQUE.iter().find(|it| **it == name)?),
        })
    }

    /// Its name in a mapping.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Keyword => "keyword",
            Kind::Integer(Bits::Long) => "long",
            Kind::Integer(Bits::Integer) => "integer",
            Kind::Integer(Bits::Short) => "short",
            Kind::Integer(Bits::Byte) => "byte",
            Kind::UnsignedLong => "unsigned_long",
            Kind::Double => "double",
            Kind::Float => "float",
            Kind::HalfFloat => "half_float",
            Kind::ScaledFloat(_) => "scaled_float",
            Kind::Boolean => "boolean",
            Kind::Date => "date",
            Kind::DateNanos => "date_nanos",
            Kind::Ip => "ip",
            Kind::Binary => "binary",
            Kind::Alias(_) => "alias",
            Kind::Opaque(name) => name,
        }
    }

    /// Whether its values are moments.
    pub(crate) fn is_date(&self) -> bool {
        matches!(self, Kind::Date | Kind::DateNanos)
    }

    /// Whether it can be searched.
    pub(crate) fn is_searchable(&self) -> bool {
        !matches!(self, Kind::Binary | Kind::Opaque(_))
    }
}
