//! Conditions over names: `selection and not 1 of filter_*`.

use std::fmt;

/// A condition as read; names are resolved by whoever knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    Name(String),
    /// At least so many (`None`: all) of the names that match.
    Of(Option<usize>, String),
    Not(Box<Condition>),
    All(Vec<Condition>),
    Any(Vec<Condition>),
}

/// What is wrong with a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// It ends where a name should stand.
    Unfinished,
    /// That word cannot stand there.
    Unexpected(String),
    /// Sigma's old aggregations.
    Pipe,
    /// More brackets inside each other than anyone writes.
    TooDeep,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Unfinished => f.write_str("the condition ends too early"),
            Malformed::Unexpected(word) => write!(f, "`{word}` cannot stand there"),
            Malformed::Pipe => f.write_str("counting in a condition (`|`) is Sigma's old form"),
            Malformed::TooDeep => f.write_str("more than 16 brackets inside each other"),
        }
    }
}

const DEPTH_CAP: usize = 16;

impl Condition {
    /// Reads a condition. `not` binds tighter than `and`, `and` tighter than `or`.
    pub(crate) fn read(text: &str) -> Result<Condition, Malformed> {
        if text.contains('|') {
            return Err(Malformed::Pipe);
        }
        let mut words = Words { words: split(text), at: 0 };
        let condition = words.any(0)?;
        match words.next() {
            None => Ok(condition),
            Some(word) => Err(Malformed::Unexpected(word)),
        }
    }

    /// Every name and name pattern it speaks of.
    pub(crate) fn names(&self) -> Vec<&str> {
        match self {
            Condition::Name(name) | Condition::Of(_, name) => vec![name],
            Condition::Not(inner) => inner.names(),
            Condition::All(items) | Condition::Any(items) => items.iter().flat_map(Condition::names).collect(),
        }
    }
}

/// Whether a name is among those that a pattern (`them`, `filter_*`) speaks of. `_names` are never among `them`.
pub(crate) fn is_among(name: &str, pattern: &str) -> bool {
    if pattern == "them" {
        return !name.starts_with('_');
    }
    crate::pattern::Pattern::wild(pattern, true).matches(name)
}

fn split(text: &str) -> Vec<String> {
    let spaced = text.replace('(', " ( ").replace(')', " ) ");
    spaced.split_whitespace().map(str::to_owned).collect()
}

struct Words {
    words: Vec<String>,
    at: usize,
}

impl Words {
    fn peek(&self, ahead: usize) -> &str {
        self.words.get(self.at + ahead).map_or("", String::as_str)
    }

    fn next(&mut self) -> Option<String> {
        let word = self.words.get(self.at).cloned();
        self.at += 1;
        word
    }

    fn takes(&mut self, word: &str) -> bool {
        let found = self.peek(0).eq_ignore_ascii_case(word);
        self.at += usize::from(found);
        found
    }

    fn any(&mut self, depth: usize) -> Result<Condition, Malformed> {
        let mut items = vec![self.all(depth)?];
        while self.takes("or") {
            items.push(self.all(depth)?);
        }
        Ok(single(items, Condition::Any))
    }

    fn all(&mut self, depth: usize) -> Result<Condition, Malformed> {
        let mut items = vec![self.one(depth)?];
        while self.takes("and") {
            items.push(self.one(depth)?);
        }
        Ok(single(items, Condition::All))
    }

    fn one(&mut self, depth: usize) -> Result<Condition, Malformed> {
        if depth > DEPTH_CAP {
            return Err(Malformed::TooDeep);
        }
        if self.takes("not") {
            return Ok(Condition::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.takes("(") {
            let inner = self.any(depth + 1)?;
            return if self.takes(")") { Ok(inner) } else { Err(self.unexpected()) };
        }
        if self.peek(1).eq_ignore_ascii_case("of") {
            return self.quantified();
        }
        let Some(name) = self.next() else { return Err(Malformed::Unfinished) };
        let reserved = ["and", "or", "of", ")"].iter().any(|word| name.eq_ignore_ascii_case(word));
        if reserved { Err(Malformed::Unexpected(name)) } else { Ok(Condition::Name(name)) }
    }

    fn quantified(&mut self) -> Result<Condition, Malformed> {
        let count = self.next().unwrap_or_default();
        let least = match (count.to_ascii_lowercase().as_str(), count.parse::<usize>()) {
            ("all", _) => None,
            ("any", _) => Some(1),
            (_, Ok(least)) if least > 0 => Some(least),
            _ => return Err(Malformed::Unexpected(count)),
        };
        self.at += 1;
        let names = self.next().ok_or(Malformed::Unfinished)?;
        Ok(Condition::Of(least, names))
    }

    fn unexpected(&self) -> Malformed {
        match self.peek(0) {
            "" => Malformed::Unfinished,
            word => Malformed::Unexpected(word.to_owned()),
        }
    }
}

fn single(mut items: Vec<Condition>, many: fn(Vec<Condition>) -> Condition) -> Condition {
    if items.len() == 1 { items.remove(0) } else { many(items) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Condition {
        Condition::Name(text.into())
    }

    #[test]
    fn not_binds_tighter_than_and_than_or() {
        let expected = Condition::Any(vec![
            name("a"),
            Condition::All(vec![name("b"), Condition::Not(Box::new(Condition::Of(Some(1), "f_*".into())))]),
        ]);
        assert_eq!(Condition::read("a OR b and NOT 1 of f_*"), Ok(expected));
        let expected = Condition::All(vec![Condition::Any(vec![name("a"), name("b")]), name("c")]);
        assert_eq!(Condition::read("(a or b) and c"), Ok(expected));
        assert_eq!(Condition::read("all of them"), Ok(Condition::Of(None, "them".into())));
        assert_eq!(Condition::read("2 of x*"), Ok(Condition::Of(Some(2), "x*".into())));
    }

    #[test]
    fn what_is_no_condition_is_said() {
        for (text, expected) in [
            ("", Malformed::Unfinished),
            ("a and", Malformed::Unfinished),
            ("(a", Malformed::Unfinished),
            ("a b", Malformed::Unexpected("b".into())),
            ("and a", Malformed::Unexpected("and".into())),
            ("0 of x", Malformed::Unexpected("0".into())),
            ("a | count() > 3", Malformed::Pipe),
        ] {
            assert_eq!(Condition::read(text), Err(expected), "{text}");
        }
        assert_eq!(Condition::read(&"(".repeat(50)), Err(Malformed::TooDeep));
    }

    #[test]
    fn them_leaves_out_names_with_an_underscore_before() {
        assert!(is_among("a", "them"));
        assert!(!is_among("_a", "them"));
        assert!(is_among("sel_1", "sel_*"));
        assert!(!is_among("x_sel_1", "sel_*"));
    }
}
