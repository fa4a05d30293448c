use std::net::IpAddr;

/// What a field of an event holds, for rules to compare.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// Text, possibly a stranger's: encode it with [`Untrusted`](crate::Untrusted) before anybody sees it.
    Text(&'a str),
    /// A whole number.
    Number(i64),
    /// A number with a fraction.
    Decimal(f64),
    /// Yes or no.
    Flag(bool),
    /// An address; of `client.key` the address, or the first of the IPv6 network.
    Address(IpAddr),
    /// Several names at once, of `palisade.tags` and `palisade.signals`: a rule matches if any of them does.
    Names(Names),
}

/// A set of names out of a fixed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Names {
    bits: u8,
    known: &'static [(u8, &'static str)],
}

// === impl Names ===

impl Names {
    pub(crate) const fn new(bits: u8, known: &'static [(u8, &'static str)]) -> Names {
        Names { bits, known }
    }

    /// The names in the set, in a fixed order.
    pub fn iter(self) -> impl Iterator<Item = &'static str> {
        self.known.iter().filter(move |(bit, _)| self.bits & bit != 0).map(|(_, name)| *name)
    }
}
