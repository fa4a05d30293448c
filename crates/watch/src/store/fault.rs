use std::fmt;

/// Why the store did not do it. Nothing of what was asked has happened; it may be asked again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreFault {
    trouble: Trouble,
    text: String,
}

/// What kind of trouble it is, and so what helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble {
    /// No room: a full disk, a quota.
    Full,
    /// Another process holds it.
    Locked,
    /// The server does not answer.
    Away,
    /// It was made by a newer version.
    Newer,
    /// Anything else: no permission, no database, a broken file.
    Unusable,
}

// === impl StoreFault ===

impl StoreFault {
    pub(crate) fn new(trouble: Trouble, text: impl Into<String>) -> StoreFault {
        StoreFault { trouble, text: text.into() }
    }

    /// What kind of trouble it is.
    #[must_use]
    pub fn trouble(&self) -> Trouble {
        self.trouble
    }
}

impl fmt::Display for StoreFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let help = match self.trouble {
            Trouble::Full => "free some room, or keep less",
            Trouble::Locked => "another process holds the store; end it, or give each its own",
            Trouble::Away => "see whether the server runs and can be reached",
            Trouble::Newer => "run the version that made it, or a newer one",
            Trouble::Unusable => "see whether the place exists and may be written",
        };
        write!(f, "{} ({help})", self.text)
    }
}

impl std::error::Error for StoreFault {}
