//! JSON read strictly: what two readers could take for two things is refused.
//!
//! The gate reads input, tokens and keys so, and this crate what others have made. An application reads the same bytes with another parser. Where parsers differ (which of two equal keys counts, what
//! a lone surrogate is, how deep is too deep), a schema checked here would say nothing of what is read there.

use std::cell::Cell;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Why a text is not taken as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadJson {
    /// It is not JSON (RFC 8259) in UTF-8: a byte order mark, a lone surrogate, `NaN` and a number beyond a double
    /// included.
    Syntax,
    /// Arrays and objects lie more than [`MAX_JSON_DEPTH`] deep.
    TooDeep,
    /// An object has two keys that are equal once their escapes are read.
    DuplicateKey,
    /// There are more than [`MAX_JSON_VALUES`] values.
    TooManyValues,
}

/// How deep arrays and objects may lie in each other.
pub const MAX_JSON_DEPTH: usize = 64;
/// How many values a text may hold. A value takes some 70 bytes of memory and may be one byte of text.
pub const MAX_JSON_VALUES: usize = 65_536;

/// Reads a JSON text (RFC 8259). Linear in the text.
///
/// # Errors
/// The first reason found.
pub fn read_json(text: &[u8]) -> Result<Value, BadJson> {
    let told = Cell::new(BadJson::Syntax);
    let left = Cell::new(MAX_JSON_VALUES);
    let mut reader = serde_json::Deserializer::from_slice(text);
    let strict = Strict { depth: 0, left: &left, told: &told };
    let value = strict.deserialize(&mut reader).map_err(|_| told.get())?;
    reader.end().map_err(|_| BadJson::Syntax)?;
    Ok(value)
}

/// The object that `text` is; nothing where it is anything else or would be refused. So tokens and key sets are read.
#[must_use]
pub fn object(text: &[u8]) -> Option<Map<String, Value>> {
    match read_json(text) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    }
}

#[derive(Clone, Copy)]
struct Strict<'c> {
    depth: usize,
    left: &'c Cell<usize>,
    told: &'c Cell<BadJson>,
}

impl Strict<'_> {
    fn refuse<T, E: de::Error>(self, why: BadJson) -> Result<T, E> {
        self.told.set(why);
        Err(E::custom("refused"))
    }

    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        if self.depth == MAX_JSON_DEPTH {
            return self.refuse(BadJson::TooDeep);
        }
        Ok(Strict { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let Some(left) = self.left.get().checked_sub(1) else { return self.refuse(BadJson::TooManyValues) };
        self.left.set(left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if map.contains_key(&key) {
                return self.refuse(BadJson::DuplicateKey);
            }
            let value = entries.next_value_seed(inner)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a10_plain_json_is_read_as_any_reader_does() {
        for text in [
            "null",
            " \t\r\n{\"a\" : [1, -0, 1.5e3, true, \"\\ud83d\\ude00 \\u00e9 \\/\"] } ",
            "18446744073709551615",
            "-9223372036854775808",
            "1e308",
            "12345678901234567890123",
            "\"\u{7f}\u{202e}\"",
            "[]",
            "{\"\":0,\" \":0}",
        ] {
            let expect: Value = serde_json::from_str(text).expect("json");
            assert_eq!(read_json(text.as_bytes()), Ok(expect), "{text}");
        }
    }

    #[test]
    fn a10_what_two_readers_could_read_differently_is_refused() {
        let corpus: &[(&[u8], BadJson)] = &[
            (b"", BadJson::Syntax),
            (b" ", BadJson::Syntax),
            (b"{", BadJson::Syntax),
            (b"[1,]", BadJson::Syntax),
            (b"{\"a\":1,}", BadJson::Syntax),
            (b"{a:1}", BadJson::Syntax),
            (b"{'a':1}", BadJson::Syntax),
            (b"[1] 2", BadJson::Syntax),
            (b"[1]\0", BadJson::Syntax),
            (b"1 // no", BadJson::Syntax),
            (b"/* no */ 1", BadJson::Syntax),
            (b"\xef\xbb\xbf{}", BadJson::Syntax),
            (b"\xfe\xff\0{\0}", BadJson::Syntax),
            (b"{\0}\0", BadJson::Syntax),
            (b"NaN", BadJson::Syntax),
            (b"[Infinity]", BadJson::Syntax),
            (b"-Infinity", BadJson::Syntax),
            (b"1e309", BadJson::Syntax),
            (b"-1e400", BadJson::Syntax),
            (b"01", BadJson::Syntax),
            (b"+1", BadJson::Syntax),
            (b".5", BadJson::Syntax),
            (b"1.", BadJson::Syntax),
            (b"0x10", BadJson::Syntax),
            (b"\"\\ud800\"", BadJson::Syntax),
            (b"\"\\ud800x\"", BadJson::Syntax),
            (b"\"\\udc00\"", BadJson::Syntax),
            (b"\"\\ud800\\ud800\"", BadJson::Syntax),
            (b"{\"\\ud800\":1}", BadJson::Syntax),
            (b"\"\\x41\"", BadJson::Syntax),
            (b"\"a\nb\"", BadJson::Syntax),
            (b"\"\x01\"", BadJson::Syntax),
            (b"\"\xff\"", BadJson::Syntax),
            (b"\"\xed\xa0\x80\"", BadJson::Syntax),
            (b"\"\xc0\xaf\"", BadJson::Syntax),
            (b"True", BadJson::Syntax),
            (b"nul", BadJson::Syntax),
            (b"{\"a\":1,\"a\":2}", BadJson::DuplicateKey),
            (b"{\"a\":1,\"\\u0061\":1}", BadJson::DuplicateKey),
            (b"{\"x\":[{\"\":1,\"\":1}]}", BadJson::DuplicateKey),
            (b"{\"__proto__\":1,\"__proto__\":1}", BadJson::DuplicateKey),
        ];
        for (text, why) in corpus {
            assert_eq!(read_json(text), Err(*why), "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn a10_depth_and_number_of_values_are_bounded() {
        let nested = |depth: usize| [b"[".repeat(depth), b"]".repeat(depth)].concat();
        assert!(read_json(&nested(MAX_JSON_DEPTH)).is_ok());
        assert_eq!(read_json(&nested(MAX_JSON_DEPTH + 1)), Err(BadJson::TooDeep));
        assert_eq!(read_json(&b"[".repeat(1 << 20)), Err(BadJson::TooDeep), "and its end is not looked for");
        let objects = [b"{\"a\":".repeat(65), b"1".to_vec(), b"}".repeat(65)].concat();
        assert_eq!(read_json(&objects), Err(BadJson::TooDeep));
        let list = |values: usize| format!("[{}0]", "0,".repeat(values - 1));
        assert!(read_json(list(MAX_JSON_VALUES - 1).as_bytes()).is_ok());
        assert_eq!(read_json(list(MAX_JSON_VALUES).as_bytes()), Err(BadJson::TooManyValues));
    }

    #[test]
    fn a_token_is_an_object_in_which_each_key_stands_once() {
        for (text, good) in [
            (r#"{"a":1,"b":{"a":[true,null,"x",1.5,-1]}}"#, true),
            (r#"{"o":{"per":"a","per":"b"}}"#, false),
            (r#"{"a":1} {}"#, false),
            ("[]", false),
            ("", false),
        ] {
            assert_eq!(object(text.as_bytes()).is_some(), good, "{text}");
        }
    }

    proptest! {
        /// What is read is what the common reader reads; what it cannot read is refused here too.
        #[test]
        fn a10_never_more_lenient_than_the_common_reader(text in "[\\[\\]{},:0-9eE.\"\\\\ua-f \\-+tn]{0,40}") {
            let ours = read_json(text.as_bytes());
            let theirs = serde_json::from_str::<Value>(&text);
            match ours {
                Ok(value) => prop_assert_eq!(Some(value), theirs.ok()),
                Err(BadJson::Syntax) => prop_assert!(theirs.is_err()),
                Err(_) => {}
            }
        }

        #[test]
        fn a10_no_bytes_make_it_panic(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_json(&text);
        }
    }
}
