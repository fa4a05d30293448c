//! One comparison of one column of an event, and how it is decided without any index: the slow, obvious way.

use std::borrow::Cow;
use std::net::IpAddr;

use ipnet::IpNet;
use palisade_event::{Field, Seen, Value};
use regex::Regex;

use crate::column::Column;
use crate::pattern::Pattern;

/// A comparison that rules share: equal ones are decided once for an event.
#[derive(Debug, Clone)]
pub(crate) struct Atom {
    pub(crate) column: Column,
    pub(crate) test: Test,
}

#[derive(Debug, Clone)]
pub(crate) enum Test {
    Text(Pattern),
    Number(Order, f64),
    /// Of how many bytes the text is.
    Length(Order, f64),
    Regex(Box<Regex>),
    Network(IpNet),
    Present,
    /// The text of another field, in the same event.
    Same {
        other: Field,
        open_start: bool,
        open_end: bool,
        cased: bool,
    },
}

/// How two numbers compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Order {
    Less,
    AtMost,
    Equal,
    AtLeast,
    Greater,
    Unequal,
}

// === impl Order ===

impl Order {
    pub(crate) fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Order::Less => left < right,
            Order::AtMost => left <= right,
            #[allow(clippy::float_cmp, reason = "a rule that says equal means equal")]
            Order::Equal => left == right,
            Order::AtLeast => left >= right,
            Order::Greater => left > right,
            #[allow(clippy::float_cmp, reason = "a rule that says unequal means unequal")]
            Order::Unequal => left != right,
        }
    }

    pub(crate) fn of(name: &str) -> Option<Order> {
        Some(match name {
            "lt" => Order::Less,
            "lte" => Order::AtMost,
            "eq" => Order::Equal,
            "gte" => Order::AtLeast,
            "gt" => Order::Greater,
            "neq" => Order::Unequal,
            _ => return None,
        })
    }
}

// === impl Atom ===

impl PartialEq for Atom {
    fn eq(&self, other: &Atom) -> bool {
        self.column == other.column && self.test == other.test
    }
}

impl PartialEq for Test {
    fn eq(&self, other: &Test) -> bool {
        match (self, other) {
            (Test::Text(a), Test::Text(b)) => a == b,
            (Test::Number(a, x), Test::Number(b, y)) | (Test::Length(a, x), Test::Length(b, y)) => {
                a == b && x.to_bits() == y.to_bits()
            }
            (Test::Regex(a), Test::Regex(b)) => a.as_str() == b.as_str(),
            (Test::Network(a), Test::Network(b)) => a == b,
            (Test::Present, Test::Present) => true,
            _ => false,
        }
    }
}

impl Atom {
    /// Whether the event is as the atom says. A missing field is like nothing at all.
    pub(crate) fn holds(&self, seen: &Seen<'_>) -> bool {
        match &self.test {
            Test::Same { other, open_start, open_end, cased } => {
                let (Some(left), Some(right)) = (self.column.text(seen), Column::Field(*other).text(seen)) else {
                    return false;
                };
                Pattern::literal(&right, *cased).open(*open_start, *open_end).matches(&left)
            }
            test => self.column.with(seen, |value| test.holds(value)),
        }
    }
}

impl Test {
    /// Whether a value is as the test says.
    pub(crate) fn holds(&self, value: Value<'_>) -> bool {
        match self {
            Test::Present => true,
            Test::Text(pattern) => match value {
                Value::Text(text) => pattern.matches(text),
                Value::Names(names) => names.iter().any(|name| pattern.matches(name)),
                other => pattern.matches(&spelled(other)),
            },
            Test::Regex(regex) => match value {
                Value::Names(names) => names.iter().any(|name| regex.is_match(name)),
                other => regex.is_match(&spelled(other)),
            },
            Test::Number(order, wanted) => number(value).is_some_and(|number| order.holds(number, *wanted)),
            Test::Length(order, wanted) => match value {
                #[allow(clippy::cast_precision_loss, reason = "no text is longer than 2^52 bytes")]
                Value::Text(text) => order.holds(text.len() as f64, *wanted),
                _ => false,
            },
            Test::Network(network) => address(value).is_some_and(|address| network.contains(&address)),
            Test::Same { .. } => false,
        }
    }
}

/// A value as text.
pub(crate) fn spelled(value: Value<'_>) -> Cow<'_, str> {
    match value {
        Value::Text(text) => Cow::Borrowed(text),
        Value::Number(number) => Cow::Owned(number.to_string()),
        Value::Decimal(number) => Cow::Owned(number.to_string()),
        Value::Flag(flag) => Cow::Borrowed(if flag { "true" } else { "false" }),
        Value::Address(address) => Cow::Owned(address.to_string()),
        Value::Names(names) => Cow::Owned(names.iter().collect::<Vec<_>>().join(" ")),
    }
}

pub(crate) fn number(value: Value<'_>) -> Option<f64> {
    match value {
        #[allow(clippy::cast_precision_loss, reason = "rules compare sizes and codes, not 2^53")]
        Value::Number(number) => Some(number as f64),
        Value::Decimal(number) => Some(number),
        Value::Text(text) => text.parse().ok().filter(|number: &f64| number.is_finite()),
        Value::Flag(_) | Value::Address(_) | Value::Names(_) => None,
    }
}

fn address(value: Value<'_>) -> Option<IpAddr> {
    match value {
        Value::Address(address) => Some(address.to_canonical()),
        Value::Text(text) => text.parse().ok().map(|address: IpAddr| address.to_canonical()),
        _ => None,
    }
}
