//! `$NAME`, `${NAME}` and `${NAME:-default}` in values, as dotenv-expand does it inside `@next/env`: the rightmost first,
//! `\$` stands for itself, and what is not set is empty.

use std::collections::BTreeMap;

/// More steps than any honest value needs: `A=$A` would never end.
const MAX_STEPS: usize = 64;

/// Longer values are left as they are.
const MAX_BYTES: usize = 64 << 10;

/// Expands one value. `environment` is what was set before, `file` what the same file says; a default goes before the
/// latter, as in dotenv-expand.
pub(super) fn expand(value: &str, environment: &BTreeMap<String, String>, file: &BTreeMap<String, String>) -> String {
    let mut text = value.to_owned();
    for _ in 0..MAX_STEPS {
        let Some(group) = last(&text) else { break };
        let set = |from: &BTreeMap<String, String>| from.get(&group.name).filter(|value| !value.is_empty()).cloned();
        let default = (!group.default.is_empty()).then(|| group.default.clone());
        let new = set(environment).or(default).or_else(|| set(file)).unwrap_or_default();
        text.replace_range(group.start..group.end, &new);
        if text.len() > MAX_BYTES {
            return value.to_owned();
        }
    }
    text.replace("\\$", "$")
}

struct Group {
    start: usize,
    end: usize,
    name: String,
    default: String,
}

/// The rightmost `$` that no backslash stands before, if it names something.
fn last(text: &str) -> Option<Group> {
    let unescaped = |at: &usize| !text.get(..*at).is_some_and(|before| before.ends_with('\\'));
    let start = text.match_indices('$').map(|(at, _)| at).rfind(unescaped)?;
    let after = text.get(start + 1..)?;
    let (braced, inner) = match after.strip_prefix('{') {
        Some(inner) => (1, inner),
        None => (0, after),
    };
    let length = inner.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(inner.len());
    let name = inner.get(..length).filter(|name| !name.is_empty())?.to_owned();
    let mut end = start + 1 + braced + length;
    let tail = inner.get(length..)?;
    let mut default = String::new();
    if let Some(rest) = tail.strip_prefix(":-") {
        let length = rest.find(['}', '\\']).unwrap_or(rest.len());
        default = rest.get(..length)?.to_owned();
        end += 2 + length;
    }
    if text.get(end..)?.starts_with('}') {
        end += 1;
    }
    Some(Group { start, end, name, default })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_expand_as_in_next() {
        let environment = BTreeMap::from([("HOST".to_owned(), "db".to_owned())]);
        let file = BTreeMap::from([("PORT".to_owned(), "5432".to_owned()), ("LOOP".to_owned(), "$LOOP".to_owned())]);
        for (value, expect) in [
            ("plain", "plain"),
            ("$HOST:$PORT", "db:5432"),
            ("${HOST}x", "dbx"),
            ("${NONE:-there}", "there"),
            ("${HOST:-there}", "db"),
            ("$NONE.", "."),
            ("cost \\$5", "cost $5"),
            ("100$", "100$"),
        ] {
            assert_eq!(expand(value, &environment, &file), expect, "{value}");
        }
        assert_eq!(expand("$LOOP", &environment, &file), "$LOOP", "what names itself ends");
    }
}
