//! Secrets that lie where they should not: what was found, never the secret itself.

use serde::{Deserialize, Serialize};

/// What a scan of a project found, and what it did not look at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Secrets {
    /// What was found, by source, path, line, column and rule.
    pub leaks: Vec<Leak>,
    /// What was looked at, and what was left out.
    pub coverage: Coverage,
}

/// One secret in one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leak {
    /// Where it lies.
    pub source: LeakSource,
    /// The file, from the root of the project, with `/`.
    pub path: String,
    /// The line, from 1.
    pub line: u32,
    /// The column in bytes, from 1.
    #[serde(default)]
    pub column: u32,
    /// The rule: `stripe-secret-key`.
    pub rule: String,
    /// What it is, for people.
    pub title: String,
    /// Where the provider is known: the start of the secret that says nothing secret, such as `sk_live_`; else empty.
    #[serde(default)]
    pub prefix: String,
    /// The variable whose value it is, for the project's own secrets.
    #[serde(default)]
    pub variable: Option<String>,
    /// Bytes of the secret.
    #[serde(default)]
    pub length: u32,
    /// Hundredths of bits of Shannon entropy for each byte of it.
    #[serde(default)]
    pub entropy: u32,
    /// HMAC of the secret under the key of this run or of the baseline: the same secret has the same one.
    pub fingerprint: String,
    /// How sure it is.
    pub certainty: Certainty,
    /// Whether it opens only what is for testing: `sk_test_`.
    #[serde(default)]
    pub test: bool,
    /// The first bytes of the blob's id, for those in the history.
    #[serde(default)]
    pub blob: Option<String>,
    /// Why it is allowed: an inline `palisade-ok(secret): reason`, or an entry of the baseline.
    #[serde(default)]
    pub allowed: Option<String>,
}

/// Where a secret lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeakSource {
    /// In the files of the project.
    Tree,
    /// In what was built for browsers, or is served as it is.
    Built,
    /// In a file of an earlier commit.
    History,
}

/// How sure it is that something is a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certainty {
    /// A checksum or its structure proves it, or it is a value of the project's own env files.
    Proven,
    /// The format is its provider's alone.
    Format,
    /// A name beside a value without pattern.
    Likely,
}

/// What was looked at, and what was left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Coverage {
    /// Files that were read.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Blobs of the history that were read.
    pub blobs: u64,
    /// Files and blobs that are too large.
    pub too_large: u64,
    /// Files and blobs that are not text.
    pub binary: u64,
    /// Files that could not be read.
    pub unreadable: u64,
    /// Symbolic links, not followed.
    pub links: u64,
    /// Leaks beyond the most that one scan keeps.
    pub dropped: u64,
    /// Whether the history was asked for and read to its end.
    pub history: bool,
    /// Whether the history is shallow: earlier commits are not here.
    pub shallow: bool,
}

// === impl Secrets ===

impl Secrets {
    /// The leaks that nobody has allowed.
    pub fn open(&self) -> impl Iterator<Item = &Leak> {
        self.leaks.iter().filter(|leak| leak.allowed.is_none())
    }
}
