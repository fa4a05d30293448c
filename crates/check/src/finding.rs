//! What a check came to.

use crate::check::{Check, Outcome};
use crate::facts::Place;

/// The result of one check.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The check.
    pub check: &'static Check,
    /// What it came to.
    pub status: Status,
    /// What was seen: the first thing that decided.
    pub evidence: String,
    /// What to do; empty where nothing is.
    pub fix: String,
    /// Where the first thing that decided stands.
    pub location: Option<Place>,
    /// Everything that was judged, the worst first.
    pub details: Vec<Detail>,
    /// Asked for with `-A`: it is shown and does not count.
    pub allowed: bool,
}

/// One thing that was judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    /// What it came to.
    pub status: Status,
    /// What was seen.
    pub evidence: String,
    /// What to do.
    pub fix: String,
    /// Where.
    pub location: Option<Place>,
}

/// What a check came to. What is unknown is never a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// There is nothing of the kind here.
    NotApplicable,
    /// As it should be, by evidence.
    Pass,
    /// A person has confirmed it, until a day that has not come.
    Attested,
    /// It works, and should be otherwise.
    Warn,
    /// It could not be seen.
    Unknown,
    /// Not as it should be.
    Fail,
}

// === impl Finding ===

impl Finding {
    /// Whether it makes the run end with findings: failed, or unknown, and not allowed.
    #[must_use]
    pub fn counts(&self) -> bool {
        !self.allowed && matches!(self.status, Status::Fail | Status::Unknown)
    }
}

// === impl Status ===

impl Status {
    /// Every status, the best first.
    pub const ALL: [Status; 6] =
        [Status::Pass, Status::Fail, Status::Warn, Status::Unknown, Status::Attested, Status::NotApplicable];

    /// The word for machines.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Status::Pass => "pass",
            Status::Fail => "fail",
            Status::Warn => "warn",
            Status::Unknown => "unknown",
            Status::Attested => "attested",
            Status::NotApplicable => "not_applicable",
        }
    }
}

impl From<Outcome> for Status {
    fn from(outcome: Outcome) -> Status {
        match outcome {
            Outcome::NotApplicable => Status::NotApplicable,
            Outcome::Pass => Status::Pass,
            Outcome::Warn => Status::Warn,
            Outcome::Unknown => Status::Unknown,
            Outcome::Fail => Status::Fail,
        }
    }
}
