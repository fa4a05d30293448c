use std::fmt;

use http::HeaderValue;

use crate::env::Env;

/// A request's id: a ULID, 48 bits of time and 80 random bits in Crockford's base 32.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestId([u8; 26]);

const ALPHABET: [u8; 32] = *b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

impl RequestId {
    /// A fresh id.
    #[must_use]
    pub fn new(env: &Env<'_>) -> RequestId {
        let [a, b, c, d, e, f, g, h, i, j] = env.random::<10>();
        let mut text = [b'0'; 26];
        // Words of 64 bits: shifting 128 at a time costs twice as much.
        let (time, random) = text.split_at_mut(10);
        let (first, second) = random.split_at_mut(8);
        spell(env.now.wall.millis(), time);
        spell(u64::from_be_bytes([0, 0, 0, a, b, c, d, e]), first);
        spell(u64::from_be_bytes([0, 0, 0, f, g, h, i, j]), second);
        RequestId(text)
    }

    /// The 26 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn header(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.0).unwrap_or(HeaderValue::from_static("0"))
    }
}

/// The lowest bits in base 32, five for each place.
fn spell(mut bits: u64, places: &mut [u8]) {
    for place in places.iter_mut().rev() {
        *place = ALPHABET.get((bits & 31) as usize).copied().unwrap_or(b'0');
        bits >>= 5;
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fixed, at};

    #[test]
    fn ids_sort_by_time_and_spell_it() {
        let early = RequestId::new(&at(1_469_918_176).env(&Fixed(1)));
        let late = RequestId::new(&at(1_469_918_177).env(&Fixed(0)));
        assert!(early.as_str() < late.as_str());
        assert_eq!(&early.as_str()[..8], "01ARYZ6R", "the ULID specification's time base");
        assert_ne!(early.as_str(), RequestId::new(&at(1_469_918_176).env(&Fixed(2))).as_str());
    }
}
