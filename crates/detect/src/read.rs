//! Reading maps of a rule file: every key is taken once, what nobody took is a problem.

use palisade_diag::{Diagnostic, Diagnostics, Span};

use crate::yaml::{Entry, Node, Value};

/// A map that is being read.
pub(crate) struct Map<'n> {
    pub(crate) span: Span,
    entries: &'n [Entry],
    known: Vec<&'static str>,
}

impl<'n> Map<'n> {
    /// The node as a map; otherwise a problem and nothing.
    pub(crate) fn of(node: &'n Node, what: &str, found: &mut Diagnostics) -> Option<Map<'n>> {
        match &node.value {
            Value::Map(entries) => Some(Map { span: node.span, entries, known: Vec::new() }),
            _ => {
                expected(node, what, "a map", found);
                None
            }
        }
    }

    pub(crate) fn entries(&self) -> &'n [Entry] {
        self.entries
    }

    /// The value of a key.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<&'n Node> {
        self.known.push(key);
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node).filter(|node| !node.is_null())
    }

    /// A text.
    pub(crate) fn text(&mut self, key: &'static str, found: &mut Diagnostics) -> Option<&'n str> {
        let node = self.take(key)?;
        let text = node.text();
        if text.is_none() {
            expected(node, key, "a text", found);
        }
        text
    }

    /// A whole number of at least one.
    pub(crate) fn count(&mut self, key: &'static str, found: &mut Diagnostics) -> Option<u32> {
        let node = self.take(key)?;
        count(node, key, found)
    }

    /// A number above zero.
    pub(crate) fn factor(&mut self, key: &'static str, found: &mut Diagnostics) -> Option<f64> {
        let node = self.take(key)?;
        let number = node.number().filter(|number| *number > 0.0);
        if number.is_none() {
            expected(node, key, "a number above zero", found);
        }
        number
    }

    /// A span of time such as `30s`, in microseconds.
    pub(crate) fn span_of_time(&mut self, key: &'static str, found: &mut Diagnostics) -> Option<u64> {
        let node = self.take(key)?;
        let micros = node.text().and_then(micros);
        if micros.is_none() {
            expected(node, key, "a time such as `30s`, `5m`, `1h` or `7d`, at most 400d", found);
        }
        micros
    }

    /// A list of texts; one text is a list of one.
    pub(crate) fn texts(&mut self, key: &'static str, found: &mut Diagnostics) -> Vec<(&'n str, Span)> {
        let Some(node) = self.take(key) else { return Vec::new() };
        let nodes = match &node.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let mut texts = Vec::new();
        for item in nodes {
            match item.text() {
                Some(text) => texts.push((text, item.span)),
                None => expected(item, key, "a text", found),
            }
        }
        texts
    }

    /// Marks keys as known without reading them.
    pub(crate) fn ignore(&mut self, keys: &[&'static str]) {
        self.known.extend(keys);
    }

    /// Whoever wrote a key that nobody took meant something that will not happen.
    pub(crate) fn finish(self, found: &mut Diagnostics) {
        for entry in self.entries.iter().filter(|entry| !self.known.contains(&entry.key.as_str())) {
            let near = self.known.iter().find(|known| similar(known, &entry.key));
            let fix = match near {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("remove it; known here: {}", self.known.join(", ")),
            };
            found.push(
                Diagnostic::error("key-unknown", format!("`{}` is no key here", entry.key)).at(entry.span, "").fix(fix),
            );
        }
    }
}

/// A whole number of at least one.
pub(crate) fn count(node: &Node, what: &str, found: &mut Diagnostics) -> Option<u32> {
    let count = node.text().and_then(|text| text.parse().ok()).filter(|count: &u32| *count > 0);
    if count.is_none() {
        expected(node, what, "a whole number of at least 1", found);
    }
    count
}

/// Says what should have stood there.
pub(crate) fn expected(node: &Node, what: &str, wanted: &str, found: &mut Diagnostics) {
    let message = format!("`{what}` is {}, and should be {wanted}", node.described());
    found.push(Diagnostic::error("value-wrong", message).at(node.span, "").fix(format!("write {wanted}")));
}

/// `90s`, `5m`, `1h`, `7d`, `2w`; Sigma's `M` (30 days) too. `0s` is a time. At most 400 days.
pub(crate) fn micros(text: &str) -> Option<u64> {
    let unit = text.chars().last()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 604_800,
        'M' => 2_592_000,
        _ => return None,
    };
    let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
    number.checked_mul(seconds).filter(|seconds| *seconds <= 400 * 86_400).map(|seconds| seconds * 1_000_000)
}

/// Equal but for one letter, or for `_` and `-`.
fn similar(known: &str, written: &str) -> bool {
    let (known, written) = (known.replace('_', "-"), written.replace('_', "-").to_ascii_lowercase());
    let start = known.chars().zip(written.chars()).take_while(|(a, b)| a == b).count();
    let end = known.chars().rev().zip(written.chars().rev()).take_while(|(a, b)| a == b).count();
    known == written
        || (known.len().abs_diff(written.len()) <= 1 && start + end + 1 >= known.len().max(written.len()))
        || (known.len() > 3 && (written.starts_with(&known) || known.starts_with(&written) && written.len() > 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_their_units() {
        assert_eq!(micros("90s"), Some(90_000_000));
        assert_eq!(micros("5m"), Some(300_000_000));
        assert_eq!(micros("7d"), Some(604_800_000_000));
        for wrong in ["", "5", "m", "5x", "-1s", "1.5h", "500d", "99999999999999999999d", "5 m"] {
            assert_eq!(micros(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_slip_of_one_letter_is_seen() {
        assert!(similar("cooldown", "cooldwn"));
        assert!(similar("group-by", "group_by"));
        assert!(!similar("level", "title"));
    }
}
