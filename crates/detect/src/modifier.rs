//! What stands behind a field's name: `cs-uri-query|contains|all`.

use palisade_diag::Diagnostic;
use regex::{Regex, RegexBuilder};

use crate::atom::Order;

/// The modifiers of one field.
#[derive(Debug, Clone)]
pub(crate) struct Modifiers {
    pub(crate) shape: Shape,
    /// Whether text may stand before and after.
    pub(crate) open: (bool, bool),
    pub(crate) cased: bool,
    /// Every value must match, not any.
    pub(crate) all: bool,
    pub(crate) encoding: Encoding,
    pub(crate) windash: bool,
    pub(crate) flags: Flags,
}

/// What a value is compared as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Text,
    Regex,
    Network,
    Compare(Order),
    Length(Order),
    Exists,
    Field,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Plain,
    Base64,
    /// As it appears inside a longer base64 text, at any of three offsets.
    Base64Inside,
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Flags {
    ignore_case: bool,
    lines: bool,
    dot_all: bool,
}

/// The most memory that one compiled expression may take, in bytes.
const REGEX_CAP: usize = 1 << 20;

const KNOWN: &str = "contains, startswith, endswith, all, re (i, m, s), cased, cidr, exists, lt, lte, gt, gte, eq, neq, length, \
                     fieldref, base64, base64offset, windash";

impl Modifiers {
    /// Those of a keyword: anywhere in the event's texts.
    pub(crate) fn keyword() -> Modifiers {
        Modifiers {
            shape: Shape::Text,
            open: (true, true),
            cased: false,
            all: false,
            encoding: Encoding::Plain,
            windash: false,
            flags: Flags::default(),
        }
    }

    pub(crate) fn read<'w>(words: impl Iterator<Item = &'w str>) -> Result<Modifiers, Diagnostic> {
        let mut read = Modifiers { open: (false, false), ..Modifiers::keyword() };
        let mut length = false;
        for word in words {
            match word {
                "contains" => read.open = (true, true),
                "startswith" => read.open.1 = true,
                "endswith" => read.open.0 = true,
                "all" => read.all = true,
                "cased" => read.cased = true,
                "re" => read.shape = Shape::Regex,
                "i" => read.flags.ignore_case = true,
                "m" => read.flags.lines = true,
                "s" => read.flags.dot_all = true,
                "cidr" => read.shape = Shape::Network,
                "exists" => read.shape = Shape::Exists,
                "fieldref" => read.shape = Shape::Field,
                "base64" => read.encoding = Encoding::Base64,
                "base64offset" => read.encoding = Encoding::Base64Inside,
                "windash" => read.windash = true,
                "length" => length = true,
                _ => {
                    let order = Order::of(word).ok_or_else(|| {
                        Diagnostic::error("modifier-unknown", format!("`{word}` is no modifier"))
                            .fix(format!("known: {KNOWN}"))
                    })?;
                    read.shape = if length { Shape::Length(order) } else { Shape::Compare(order) };
                }
            }
        }
        if length && !matches!(read.shape, Shape::Length(_)) {
            return Err(Diagnostic::error("modifier-alone", "`length` needs a comparison").fix("write `|length|gt`"));
        }
        Ok(read)
    }

    /// Whether a number means a number, and not a part of a text.
    pub(crate) fn is_plain(&self) -> bool {
        self.open == (false, false) && self.encoding == Encoding::Plain && !self.windash && !self.cased
    }

    /// A regular expression: matched in linear time, without look-around and back references.
    pub(crate) fn regex(&self, text: &str) -> Result<Regex, Diagnostic> {
        let mut builder = RegexBuilder::new(text);
        builder
            .case_insensitive(self.flags.ignore_case)
            .multi_line(self.flags.lines)
            .dot_matches_new_line(self.flags.dot_all);
        builder.size_limit(REGEX_CAP).build().map_err(|error| {
            let what = error.to_string();
            let what = what.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            Diagnostic::error("regex-malformed", format!("this expression cannot be used: {what}"))
                .fix("only what is matched in linear time: no look-around, no back references")
        })
    }

    /// The texts that a value stands for, and whether characters in them mean only themselves.
    pub(crate) fn spellings(&self, text: &str) -> Vec<(String, bool)> {
        let dashed = if self.windash { dashes(text) } else { vec![text.to_owned()] };
        let encoded = |text: String| match self.encoding {
            Encoding::Plain => vec![(text, false)],
            Encoding::Base64 => vec![(base64(text.as_bytes()), true)],
            Encoding::Base64Inside => inside(text.as_bytes()).into_iter().map(|text| (text, true)).collect(),
        };
        dashed.into_iter().flat_map(encoded).collect()
    }
}

/// A text whose first dash of each word may be any that Windows takes for one.
fn dashes(text: &str) -> Vec<String> {
    let mut all = vec![text.to_owned()];
    for dash in ["-", "/", "\u{2013}", "\u{2014}", "\u{2015}"] {
        let mut out = String::with_capacity(text.len());
        let mut before = ' ';
        for c in text.chars() {
            if matches!(c, '-' | '/') && before.is_whitespace() {
                out.push_str(dash);
            } else {
                out.push(c);
            }
            before = c;
        }
        if !all.contains(&out) {
            all.push(out);
        }
    }
    all
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let [a, b, c] = [0, 1, 2].map(|at| chunk.get(at).copied().unwrap_or(0));
        let bits = u32::from(a) << 16 | u32::from(b) << 8 | u32::from(c);
        for at in 0..4 {
            let letter = LETTERS.get((bits >> (18 - 6 * at) & 63) as usize).copied().unwrap_or(b'A');
            out.push(if at > chunk.len() { '=' } else { char::from(letter) });
        }
    }
    out
}

/// What stays the same of the encoded text wherever it begins; letters that share bits with neighbours are left out.
fn inside(bytes: &[u8]) -> Vec<String> {
    let cut = |offset: usize| {
        let padded: Vec<u8> = std::iter::repeat_n(b' ', offset).chain(bytes.iter().copied()).collect();
        let encoded = base64(&padded);
        let start = [0, 2, 3].get(offset).copied().unwrap_or(0);
        let end = match padded.len() % 3 {
            0 => encoded.len(),
            1 => encoded.len().saturating_sub(3),
            _ => encoded.len().saturating_sub(2),
        };
        encoded.get(start..end).unwrap_or_default().to_owned()
    };
    (0..3).map(cut).filter(|text| !text.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (plain, encoded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }

    #[test]
    fn a_text_is_found_in_base64_wherever_it_begins() {
        let inside = inside(b"/bin/bash");
        for before in ["", "a", "ab", "abc", "x = y;"] {
            for after in ["", "z", "zz", "zzz"] {
                let encoded = base64(format!("{before}/bin/bash{after}").as_bytes());
                assert!(inside.iter().any(|part| encoded.contains(part.as_str())), "{before}|{after}");
            }
        }
    }

    #[test]
    fn every_dash_is_a_dash() {
        assert_eq!(dashes("cmd -a").len(), 5);
        assert!(dashes("cmd -a").contains(&"cmd /a".to_owned()));
        assert_eq!(dashes("a-b"), ["a-b"]);
    }

    #[test]
    fn what_is_no_modifier_is_refused() {
        assert!(Modifiers::read(["contians"].into_iter()).is_err());
        assert!(Modifiers::read(["length"].into_iter()).is_err());
        assert!(Modifiers::read(["re"].into_iter()).expect("re").regex("(?=x)").is_err());
        assert!(Modifiers::read(["re"].into_iter()).expect("re").regex("\\d{1000000}").is_err());
    }
}
