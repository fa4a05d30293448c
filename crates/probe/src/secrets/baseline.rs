//! Secrets that somebody has looked at: which, where, why, and until when.
//!
//! A file of JSON, sorted, one entry a line, without line numbers and times, so that it changes only when a decision does.
//! The hashes are made with a key that is not in it and not in the repository.

use serde_json::{Value, json};

use palisade_check::facts::secrets::Leak;

use super::report::Report;

/// Accepted secrets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Baseline {
    key: String,
    entries: Vec<Entry>,
}

/// One accepted secret in one file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    path: String,
    rule: String,
    hash: String,
    reason: String,
    until: String,
}

/// Why a baseline cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BaselineError {
    /// It is not JSON, or not of this form: where, and what is wrong.
    Malformed(String),
    /// It was written under another key.
    OtherKey,
}

// === impl BaselineError ===

impl std::fmt::Display for BaselineError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BaselineError::Malformed(what) => write!(f, "the baseline is not one: {what}"),
            BaselineError::OtherKey => f.write_str(
                "the baseline was written under another fingerprint key, so nothing in it can be recognised: set \
                 PALISADE_FINGERPRINT_KEY to the key it was written under",
            ),
        }
    }
}

impl std::error::Error for BaselineError {}

// === impl Baseline ===

impl Baseline {
    /// Reads one that [`Baseline::text`] has written. `key` is the fingerprint key.
    ///
    /// # Errors
    /// When it is no baseline, or one of another key.
    pub fn parse(text: &str, key: [u8; 32]) -> Result<Baseline, BaselineError> {
        let malformed = |what: String| BaselineError::Malformed(what);
        let value: Value = serde_json::from_str(text).map_err(|error| malformed(error.to_string()))?;
        let found = value.get("key").and_then(Value::as_str).ok_or_else(|| malformed("it has no `key`".to_owned()))?;
        let rows = value
            .get("accepted")
            .and_then(Value::as_array)
            .ok_or_else(|| malformed("it has no `accepted`".to_owned()))?;
        let mut entries = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            entries.push(Entry::read(row).map_err(|what| malformed(format!("entry {}: {what}", at + 1)))?);
        }
        if found != key_id(key) {
            return Err(BaselineError::OtherKey);
        }
        Ok(Baseline { key: found.to_owned(), entries })
    }

    /// Says of each leak that somebody has accepted why; an entry whose day is over allows nothing. `today` is `YYYY-MM-DD`.
    pub fn apply(&self, leaks: &mut [Leak], today: &str) {
        for leak in leaks.iter_mut().filter(|leak| leak.allowed.is_none()) {
            let entry = self.entries.iter().find(|entry| entry.is(leak) && entry.until.as_str() >= today);
            leak.allowed = entry.map(|entry| format!("{} (baseline, until {})", entry.reason, entry.until));
        }
    }

    /// How many entries allow nothing: their day is over, or their secret is gone.
    #[must_use]
    pub fn lapsed(&self, leaks: &[Leak], today: &str) -> usize {
        self.entries
            .iter()
            .filter(|entry| entry.until.as_str() < today || !leaks.iter().any(|leak| entry.is(leak)))
            .count()
    }

    /// Accepts every leak that is open, and forgets what is no longer found. `until` is `YYYY-MM-DD`.
    #[must_use]
    pub fn accept(&self, leaks: &[Leak], key: [u8; 32], reason: &str, until: &str, today: &str) -> Baseline {
        let mut entries: Vec<Entry> = self
            .entries
            .iter()
            .filter(|entry| entry.until.as_str() >= today && leaks.iter().any(|leak| entry.is(leak)))
            .cloned()
            .collect();
        for leak in leaks.iter().filter(|leak| leak.allowed.is_none()) {
            entries.push(Entry {
                path: leak.path.clone(),
                rule: leak.rule.clone(),
                hash: leak.fingerprint.clone(),
                reason: reason.to_owned(),
                until: until.to_owned(),
            });
        }
        entries.sort();
        entries.dedup_by(|a, b| (&a.path, &a.rule, &a.hash) == (&b.path, &b.rule, &b.hash));
        Baseline { key: key_id(key), entries }
    }

    /// The file.
    #[must_use]
    pub fn text(&self) -> String {
        let row = |entry: &Entry| {
            let Entry { path, rule, hash, reason, until } = entry;
            json!({ "path": path, "rule": rule, "hash": hash, "reason": reason, "until": until }).to_string()
        };
        let rows: Vec<String> = self.entries.iter().map(|entry| format!("  {}", row(entry))).collect();
        let rows = if rows.is_empty() { String::new() } else { format!("\n{}\n", rows.join(",\n")) };
        format!("{{\"key\": \"{}\", \"accepted\": [{rows}]}}\n", self.key)
    }
}

// === impl Entry ===

impl Entry {
    fn read(row: &Value) -> Result<Entry, String> {
        let map = row.as_object().ok_or("it is no object")?;
        if let Some(other) =
            map.keys().find(|name| !["path", "rule", "hash", "reason", "until"].contains(&name.as_str()))
        {
            return Err(format!("`{}` is not known", other.escape_default()));
        }
        let text = |name: &str| {
            let value = map.get(name).and_then(Value::as_str).map(str::trim).unwrap_or_default();
            if value.is_empty() { Err(format!("`{name}` is missing")) } else { Ok(value.to_owned()) }
        };
        let entry = Entry {
            path: text("path")?,
            rule: text("rule")?,
            hash: text("hash")?,
            reason: text("reason")?,
            until: text("until")?,
        };
        if is_day(&entry.until) { Ok(entry) } else { Err("`until` is no day: YYYY-MM-DD".to_owned()) }
    }

    fn is(&self, leak: &Leak) -> bool {
        self.hash == leak.fingerprint && self.rule == leak.rule && self.path == leak.path
    }
}

/// Whether the text is a day as a baseline writes it: `YYYY-MM-DD`.
#[must_use]
pub fn is_day(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let number = |at: usize, digits: usize| {
        parts
            .get(at)
            .filter(|part| part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|part| part.parse::<u32>().ok())
    };
    let within = |number: Option<u32>, most: u32| number.is_some_and(|number| (1..=most).contains(&number));
    parts.len() == 3 && number(0, 4).is_some() && within(number(1, 2), 12) && within(number(2, 2), 31)
}

/// Tells two keys apart, and says nothing of either.
fn key_id(key: [u8; 32]) -> String {
    Report::new(key).fingerprint(b"palisade baseline key").chars().take(8).collect()
}
