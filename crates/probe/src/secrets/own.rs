//! The project's own secrets, from its env files: patterns without noise, searched as they are and in base 64.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::noise;
use crate::root::Root;

/// The env files that are read, in the order of Next.js; examples are made to be shown.
const FILES: [&str; 8] = [
    ".env.local",
    ".env",
    ".env.development.local",
    ".env.development",
    ".env.production.local",
    ".env.production",
    ".env.test.local",
    ".env.staging",
];

/// The largest env file, in bytes.
const SMALL: u64 = 1024 * 1024;

/// Shorter values are found everywhere by chance.
const SHORTEST: usize = 8;

/// The longest part of a value that is searched; its beginning is enough.
const LONGEST: usize = 256;

/// The most values.
const MOST: usize = 500;

/// A value to search for. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct OwnValue {
    pub(super) variable: String,
    pub(super) bytes: Vec<u8>,
    encoded: bool,
}

/// The secrets among the values of the project's env files.
pub(super) fn values(root: &Root) -> Vec<OwnValue> {
    let mut values: BTreeMap<String, String> = BTreeMap::new();
    for file in FILES {
        let Ok(text) = root.read(file, SMALL) else { continue };
        for (name, value) in assignments(&String::from_utf8_lossy(&text)) {
            if is_secret(&name, &value) {
                values.entry(value).or_insert(name);
            }
        }
    }
    values.into_iter().take(MOST).flat_map(|(value, variable)| both(variable, value.as_bytes())).collect()
}

/// As it is, and in base 64 without what hangs on the bytes after it.
fn both(variable: String, value: &[u8]) -> Vec<OwnValue> {
    let value = value.get(..LONGEST).unwrap_or(value);
    let encoded = STANDARD.encode(value.get(..value.len() - value.len() % 3).unwrap_or_default());
    let raw = OwnValue { variable: variable.clone(), bytes: value.to_vec(), encoded: false };
    let mut all = vec![raw];
    if encoded.len() >= 12 {
        all.push(OwnValue { variable, bytes: encoded.into_bytes(), encoded: true });
    }
    all
}

/// `NAME=value` lines. Enough to know what to search for; what a value is in which environment, others decide.
fn assignments(text: &str) -> impl Iterator<Item = (String, String)> {
    text.lines().filter_map(|line| {
        let line = line.trim().strip_prefix("export ").unwrap_or(line.trim());
        let (name, value) = line.split_once('=')?;
        let value = value.trim();
        let quoted = ['"', '\'', '`'].into_iter().find_map(|quote| value.strip_prefix(quote)?.split(quote).next());
        let value = quoted.unwrap_or_else(|| value.split(" #").next().unwrap_or(value).trim());
        let name = name.trim();
        (!name.starts_with('#') && !name.is_empty()).then(|| (name.to_owned(), value.to_owned()))
    })
}

/// Whether a variable is a secret: not public by its name, and told by its name or by the look of its value.
fn is_secret(name: &str, value: &str) -> bool {
    let public = ["NEXT_PUBLIC_", "VITE_", "PUBLIC_", "REACT_APP_", "EXPO_PUBLIC_"]
        .iter()
        .any(|prefix| name.starts_with(prefix));
    let words = ["KEY", "SECRET", "TOKEN", "PASSWORD", "PASSWD", "CREDENTIAL", "PRIVATE", "DSN", "AUTH", "SALT"];
    let told = words.iter().any(|word| name.contains(word)) && noise::entropy(value.as_bytes()) >= 250;
    let public_value = ["pk_live_", "pk_test_", "-----BEGIN PUBLIC", "http://localhost", "whpk_"]
        .iter()
        .any(|start| value.starts_with(start));
    let address = value.contains("://") && !value.contains('@');
    let placeholder = noise::is_placeholder(value.as_bytes());
    let looks = noise::looks_random(value.as_bytes(), false) && value.len() >= 20;
    value.len() >= SHORTEST
        && !public
        && !public_value
        && !address
        && !placeholder
        && !value.contains(' ')
        && (told || looks)
}

// === impl OwnValue ===

impl OwnValue {
    pub(super) fn title(&self) -> &'static str {
        if self.encoded { "secret of the project's own, in base 64" } else { "secret of the project's own" }
    }
}

impl std::fmt::Debug for OwnValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnValue")
            .field("variable", &self.variable)
            .field("encoded", &self.encoded)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_secrets_are_searched() {
        let text = "# A_SECRET=x\nSESSION_SECRET=\"pX9!kd72mQz0aa\"\nexport API_TOKEN=zq81kxPw93 # note\nNEXT_PUBLIC_KEY=pX9kd72mQz0\n\
            PORT=30000000\nNODE_ENV=development\nSITE_URL=https://shop.test/abcd1234\nOTHER=kJ8v2LmQ9xZt4RwY1pBc\nCSRF_SECRET=changeme-please\n";
        let names: Vec<String> =
            assignments(text).filter(|(name, value)| is_secret(name, value)).map(|(name, _)| name).collect();
        assert_eq!(names, ["SESSION_SECRET", "API_TOKEN", "OTHER"]);
        let debug = format!("{:?}", both("A".to_owned(), b"zq81kxPw93"));
        assert!(!debug.contains("zq81"), "{debug}");
    }
}
