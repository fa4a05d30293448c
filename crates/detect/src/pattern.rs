//! Sigma's text patterns: `*` is any text, `?` any one character, `\` takes the meaning from both.

/// A pattern, cut at each `*`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Pattern {
    /// What stands between the stars, in order.
    parts: Vec<Vec<Unit>>,
    /// Whether text may stand before the first part.
    open_start: bool,
    /// Whether text may stand after the last part.
    open_end: bool,
    /// Whether letters must have the same case. Without it, ASCII letters match in either; others as written.
    cased: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Unit {
    Literal(String),
    One,
}

/// A literal at the start of a text, at its end, or at both: then it is the text.
#[derive(Debug, Clone)]
pub(crate) struct Edge {
    literal: Box<str>,
    pub(crate) at_start: bool,
    pub(crate) at_end: bool,
    cased: bool,
}

impl Edge {
    /// The byte, in lower case, at the end that is looked at: the last, if the literal is there.
    pub(crate) fn key(&self) -> u8 {
        let bytes = self.literal.as_bytes();
        let byte = if self.at_end { bytes.last() } else { bytes.first() };
        byte.copied().unwrap_or(0).to_ascii_lowercase()
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        let (text, literal) = (text.as_bytes(), self.literal.as_bytes());
        let Some(longer) = text.len().checked_sub(literal.len()) else { return false };
        if longer > 0 && self.at_start && self.at_end {
            return false;
        }
        let part = if self.at_start { text.get(..literal.len()) } else { text.get(longer..) };
        let part = part.unwrap_or_default();
        if self.cased { part == literal } else { part.eq_ignore_ascii_case(literal) }
    }
}

impl Pattern {
    /// Reads wildcards and escapes.
    pub(crate) fn wild(text: &str, cased: bool) -> Pattern {
        let mut parts = vec![Vec::new()];
        let mut stars = 0;
        let (mut open_start, mut open_end) = (false, false);
        let mut characters = text.chars().peekable();
        while let Some(c) = characters.next() {
            open_end = false;
            match c {
                '*' => {
                    open_end = true;
                    open_start |= stars == 0 && parts.iter().all(Vec::is_empty);
                    stars += 1;
                    if parts.last().is_some_and(|part| !part.is_empty()) {
                        parts.push(Vec::new());
                    }
                }
                '?' => units(&mut parts).push(Unit::One),
                // A backslash before anything else stands for itself.
                '\\' => match characters.next_if(|next| matches!(next, '*' | '?' | '\\')) {
                    Some(escaped) => literal(units(&mut parts), escaped),
                    None => literal(units(&mut parts), '\\'),
                },
                c => literal(units(&mut parts), c),
            }
        }
        parts.retain(|part| !part.is_empty());
        Pattern { parts, open_start, open_end, cased }
    }

    /// A text in which no character means anything else.
    pub(crate) fn literal(text: &str, cased: bool) -> Pattern {
        let part = vec![Unit::Literal(text.to_owned())];
        let parts = if text.is_empty() { Vec::new() } else { vec![part] };
        Pattern { parts, open_start: false, open_end: false, cased }
    }

    /// Allows text before, after, or both.
    pub(crate) fn open(mut self, start: bool, end: bool) -> Pattern {
        self.open_start |= start;
        self.open_end |= end;
        self
    }

    /// The longest text that whatever matches must contain; empty where there is none.
    pub(crate) fn longest_literal(&self) -> &str {
        let literals = self.parts.iter().flatten().filter_map(|unit| match unit {
            Unit::Literal(text) => Some(text.as_str()),
            Unit::One => None,
        });
        literals.max_by_key(|text| text.len()).unwrap_or_default()
    }

    /// Whether finding [`Pattern::longest_literal`] anywhere, in either case, is all there is to match.
    pub(crate) fn is_contains(&self) -> bool {
        let single = matches!(self.parts.as_slice(), [part] if matches!(part.as_slice(), [Unit::Literal(_)]));
        single && self.open_start && self.open_end && !self.cased
    }

    /// The one literal of a pattern that ends with it, begins with it, or is it: no search finds it faster than a look at
    /// that end. `None` for every other pattern.
    pub(crate) fn edge(&self) -> Option<Edge> {
        let [part] = self.parts.as_slice() else { return None };
        let [Unit::Literal(literal)] = part.as_slice() else { return None };
        let (at_start, at_end) = (!self.open_start, !self.open_end);
        (at_start || at_end).then(|| Edge { literal: literal.as_str().into(), at_start, at_end, cased: self.cased })
    }

    /// The pattern as a rule could say it.
    pub(crate) fn described(&self) -> String {
        let unit = |unit: &Unit| match unit {
            Unit::Literal(text) => text.clone(),
            Unit::One => "?".to_owned(),
        };
        let parts: Vec<String> = self.parts.iter().map(|part| part.iter().map(unit).collect()).collect();
        let (start, end) =
            (if self.open_start { "*" } else { "" }, if self.open_end && !parts.is_empty() { "*" } else { "" });
        format!("{start}{}{end}", parts.join("*"))
    }

    /// Whether `text` matches. Takes at most `text` times pattern steps.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let Some((first, rest)) = self.parts.split_first() else {
            return text.is_empty() || self.open_start || self.open_end;
        };
        let Some((last, middle)) = rest.split_last() else { return self.matches_single(first, text) };
        let start = if self.open_start { self.find(first, text) } else { self.at(first, text) };
        let Some(mut left) = start else { return false };
        for part in middle {
            let Some(after) = self.find(part, left) else { return false };
            left = after;
        }
        if self.open_end { self.find(last, left).is_some() } else { self.ends(last, left) }
    }

    fn matches_single(&self, part: &[Unit], text: &str) -> bool {
        match (self.open_start, self.open_end) {
            (false, false) => self.at(part, text).is_some_and(str::is_empty),
            (false, true) => self.at(part, text).is_some(),
            (true, true) => self.find(part, text).is_some(),
            (true, false) => self.ends(part, text),
        }
    }

    /// What is left of `text` after the part at its start.
    fn at<'t>(&self, part: &[Unit], text: &'t str) -> Option<&'t str> {
        let mut left = text;
        for unit in part {
            left = match unit {
                Unit::One => {
                    let mut characters = left.chars();
                    characters.next()?;
                    characters.as_str()
                }
                Unit::Literal(literal) => {
                    let (head, tail) = left.split_at_checked(literal.len())?;
                    self.same(head, literal).then_some(tail)?
                }
            };
        }
        Some(left)
    }

    /// What is left after the first place where the part stands.
    fn find<'t>(&self, part: &[Unit], text: &'t str) -> Option<&'t str> {
        let starts = text.char_indices().map(|(at, _)| at).chain([text.len()]);
        starts.filter_map(|at| text.get(at..)).find_map(|left| self.at(part, left))
    }

    fn ends(&self, part: &[Unit], text: &str) -> bool {
        let starts = text.char_indices().map(|(at, _)| at).chain([text.len()]);
        starts.filter_map(|at| text.get(at..)).any(|left| self.at(part, left).is_some_and(str::is_empty))
    }

    fn same(&self, text: &str, literal: &str) -> bool {
        if self.cased { text == literal } else { text.eq_ignore_ascii_case(literal) }
    }
}

fn units(parts: &mut Vec<Vec<Unit>>) -> &mut Vec<Unit> {
    if parts.is_empty() {
        parts.push(Vec::new());
    }
    let last = parts.len() - 1;
    // Just made sure of.
    #[allow(clippy::indexing_slicing, reason = "the list is not empty")]
    &mut parts[last]
}

fn literal(units: &mut Vec<Unit>, c: char) {
    match units.last_mut() {
        Some(Unit::Literal(text)) => text.push(c),
        _ => units.push(Unit::Literal(c.into())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn wildcards_and_escapes_mean_what_sigma_says() {
        for (pattern, text, expected) in [
            ("abc", "ABC", true),
            ("abc", "abcd", false),
            ("", "", true),
            ("", "x", false),
            ("*", "", true),
            ("*", "x", true),
            ("?", "", false),
            ("?", "é", true),
            ("a*c", "abc", true),
            ("a*c", "ab", false),
            ("a*b*c", "a-b-b-c", true),
            ("*.php?*", "/x.php?id", true),
            ("*.php\\?*", "/x.php?id", true),
            ("*.php\\?*", "/x.phpXid", false),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("a\\\\*", "a\\xyz", true),
            ("c:\\win*", "C:\\Windows", true),
            ("*aab", "aaab", true),
            ("*a?b", "aaxb", true),
        ] {
            assert_eq!(Pattern::wild(pattern, false).matches(text), expected, "{pattern} on {text}");
        }
        assert!(!Pattern::wild("abc", true).matches("ABC"));
        assert!(Pattern::literal("a*b", false).open(true, true).matches("xA*By"));
        assert_eq!(Pattern::wild("*select*from?", false).longest_literal(), "select");
        assert_eq!(Pattern::wild("a*b?", false).described(), "a*b?");
        assert_eq!(Pattern::literal("x", false).open(true, true).described(), "*x*");
    }

    /// The obvious way: try everything.
    fn slow(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|at| slow(rest, &text[at..])),
            Some(('?', rest)) => !text.is_empty() && slow(rest, &text[1..]),
            Some((c, rest)) => text.first().is_some_and(|t| t.eq_ignore_ascii_case(c)) && slow(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn agrees_with_trying_everything(pattern in "[ab?*é]{0,7}", text in "[abBé]{0,9}") {
            let expected = slow(&pattern.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>());
            let pattern = Pattern::wild(&pattern, false);
            prop_assert_eq!(pattern.matches(&text), expected);
            if let Some(edge) = pattern.edge() {
                prop_assert_eq!(edge.matches(&text), expected);
            }
        }
    }
}
