use palisade_diag::Diagnostic;

/// Where in a policy a problem lies, whether it was written in a file or in code.
///
/// The file's reader turns it into a span; a policy built in code names it in the message instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// `app`, `route`, `csrf` ...
    pub(crate) table: &'static str,
    /// Which entry of a list of tables; 0 for a plain table.
    pub(crate) index: usize,
    /// The key; empty for the table itself.
    pub(crate) key: &'static str,
}

/// What is wrong, and where.
#[derive(Debug)]
pub(crate) struct Problem {
    /// What it is about. A file that holds something unreadable there has been told so already.
    pub(crate) place: Place,
    /// Another place that the message speaks of, with a word about it.
    pub(crate) related: Option<(Place, &'static str)>,
    /// The problem.
    pub(crate) diagnostic: Diagnostic,
}

/// All problems of one policy.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    pub(crate) items: Vec<Problem>,
}

// === impl Place ===

impl Place {
    /// A key of a plain table.
    pub(crate) const fn key(table: &'static str, key: &'static str) -> Place {
        Place { table, index: 0, key }
    }

    /// A key of the route at `index`.
    pub(crate) const fn route(index: usize, key: &'static str) -> Place {
        Place { table: "route", index, key }
    }
}

// === impl Problems ===

impl Problems {
    /// Adds an error with its fix.
    pub(crate) fn error(&mut self, place: Place, code: &'static str, what: impl Into<String>, fix: impl Into<String>) {
        self.add(place, Diagnostic::error(code, what).fix(fix));
    }

    /// Adds a warning with its fix.
    pub(crate) fn warn(&mut self, place: Place, code: &'static str, what: impl Into<String>, fix: impl Into<String>) {
        self.add(place, Diagnostic::warning(code, what).fix(fix));
    }

    /// Adds a problem.
    pub(crate) fn add(&mut self, place: Place, diagnostic: Diagnostic) {
        self.items.push(Problem { place, related: None, diagnostic });
    }
}
