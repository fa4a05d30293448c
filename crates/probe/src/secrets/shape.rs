//! What a key looks like: a small language of literal texts and runs of characters, matched at one place without
//! going back. That is all that the formats of keys need, and it cannot be slow on any input.

/// One part of a key.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    /// These very bytes.
    Text(&'static str),
    /// Any of these texts; the first that fits is taken, so longer ones stand first.
    Either(&'static [&'static str]),
    /// At least and at most so many characters of a class, as many as there are.
    Run(Class, usize, usize),
}

/// Characters of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// `A-Z a-z 0-9`
    Alnum,
    /// `A-Z a-z 0-9 _`
    Word,
    /// `A-Z a-z 0-9 _ -`
    Url,
    /// `A-Z a-z 0-9 _ - .`
    Dotted,
    /// `A-Z a-z 0-9 + /`
    Base64,
    /// `0-9 a-f`
    Hex,
    /// `0-9 a-f A-F`
    AnyHex,
    /// `A-Z 2-7`
    Base32,
    /// `A-Z 0-9`
    Upper,
    /// `0-9`
    Digit,
    /// `=`
    Pad,
}

// === impl Class ===

impl Class {
    pub(super) fn has(self, byte: u8) -> bool {
        match self {
            Class::Alnum => byte.is_ascii_alphanumeric(),
            Class::Word => byte.is_ascii_alphanumeric() || byte == b'_',
            Class::Url => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            Class::Dotted => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'),
            Class::Base64 => byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'),
            Class::Hex => byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'),
            Class::AnyHex => byte.is_ascii_hexdigit(),
            Class::Base32 => matches!(byte, b'A'..=b'Z' | b'2'..=b'7'),
            Class::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Class::Digit => byte.is_ascii_digit(),
            Class::Pad => byte == b'=',
        }
    }
}

/// Where the shape that begins at `start` ends; `None` where it does not fit, or goes on past its longest.
pub(super) fn end(shape: &[Part], text: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    let mut last = None;
    for part in shape {
        let rest = text.get(at..)?;
        match part {
            Part::Text(literal) => at += rest.starts_with(literal.as_bytes()).then_some(literal.len())?,
            Part::Either(texts) => at += texts.iter().find(|text| rest.starts_with(text.as_bytes()))?.len(),
            Part::Run(class, least, most) => {
                let length = rest.iter().take(*most).take_while(|byte| class.has(**byte)).count();
                if length < *least {
                    return None;
                }
                at += length;
            }
        }
        last = match part {
            Part::Run(class, ..) => Some(*class),
            Part::Text(_) | Part::Either(_) => last,
        };
    }
    let more =
        text.get(at).is_some_and(|byte| last.is_some_and(|class| class.has(*byte)) || byte.is_ascii_alphanumeric());
    (!more).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: &[Part] =
        &[Part::Either(&["ab_long_", "ab_"]), Part::Run(Class::Alnum, 4, 6), Part::Run(Class::Pad, 0, 2)];

    #[test]
    fn a_shape_ends_where_its_characters_end() {
        for (text, expected) in [
            ("ab_1234", Some(7)),
            ("ab_123456\"", Some(9)),
            ("ab_long_1234==;", Some(14)),
            ("ab_123", None),
            ("ab_1234567", None),
            ("ab_", None),
            ("", None),
        ] {
            assert_eq!(end(SHAPE, text.as_bytes(), 0), expected, "{text}");
        }
        assert_eq!(end(SHAPE, b"ab_1234", 99), None);
    }
}
