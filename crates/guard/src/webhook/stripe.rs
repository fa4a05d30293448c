//! The one field of a Stripe event that is read: its id. The rest is passed over, however deep it lies.
//!
//! Written by hand: what serde derives tells of any wrong type in words, four thousand bytes of WebAssembly that nobody reads.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The event's id; nothing where the body is no object with one `id` that is a text and not empty.
pub(crate) fn id(body: &[u8]) -> Option<String> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let id = Field { inside: false }.deserialize(&mut reader).ok()??;
    reader.end().ok()?;
    Some(id).filter(|id| !id.is_empty())
}

/// The event, or what stands under its id: a text, or nothing that is one.
struct Field {
    inside: bool,
}

impl<'de> DeserializeSeed<'de> for Field {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<String>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Field {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_str<E>(self, text: &str) -> Result<Option<String>, E> {
        Ok(self.inside.then(|| text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Option<String>, A::Error> {
        let mut id = None;
        let mut stands = false;
        while let Some(name) = fields.next_key::<String>()? {
            if self.inside || name != "id" {
                fields.next_value::<IgnoredAny>()?;
                continue;
            }
            if stands {
                return Err(A::Error::custom("twice"));
            }
            stands = true;
            id = fields.next_value_seed(Field { inside: true })?;
        }
        Ok(id)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Option<String>, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Option<String>, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Option<String>, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Option<String>, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Option<String>, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Option<String>, E> {
        Ok(None)
    }
}
