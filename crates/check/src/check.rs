//! What a check is: one item of the list, and the function that judges it.

use palisade_policy::Policy;

use crate::facts::{Facts, Place, Unknown};

/// One item of the checklist.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// Stable: `env/csrf-secret-length`. What is before the slash is the section's name on the command line.
    pub id: &'static str,
    /// The item, in our words.
    pub title: &'static str,
    /// Where it stands in the guide.
    pub item: Item,
    /// Which part of the guide's list.
    pub section: Section,
    /// How bad it is where it fails.
    pub severity: Severity,
    /// OWASP Top 10:2021, then ASVS 5.0 where a requirement fits.
    pub reference: &'static str,
    /// Decides by evidence.
    pub judge: Judge,
}

/// Judges one case: what it found, thing by thing, or why it cannot say. An empty list means that there was nothing to
/// judge, and is not a pass.
pub type Judge = fn(&Case<'_>) -> Result<Vec<Ruled>, Unknown>;

/// What is judged.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// What was collected.
    pub facts: &'a Facts,
    /// The app's policy, where it has a valid one.
    pub policy: Option<&'a Policy>,
    /// The environment that is about to be deployed: `production`.
    pub environment: &'a str,
    /// The day of the run, `2027-01-31`.
    pub today: &'a str,
}

/// Where an item stands in the guide's checklist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Item {
    /// One of its 42 boxes, counted within its section from 1.
    Box(u8),
    /// One of its four groups of final checks.
    Final(u8),
    /// Follows from another page of the guide.
    Beyond,
}

/// A section of the guide's checklist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// Environment and configuration.
    Environment,
    /// Dependencies.
    Dependencies,
    /// Security features.
    Security,
    /// Authentication and authorization.
    Authentication,
    /// API security.
    Api,
    /// Payment security.
    Payments,
    /// Testing.
    Testing,
    /// Final checks.
    Final,
}

/// How bad a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Someone can take the app over with it.
    Critical,
    /// A protection is missing.
    High,
    /// It weakens a protection, or hides a failure.
    Medium,
    /// Worth mending.
    Low,
}

/// What a judge says of one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// There is nothing of the kind here.
    NotApplicable,
    /// As it should be.
    Pass,
    /// It works, and should be otherwise.
    Warn,
    /// It could not be seen.
    Unknown,
    /// Not as it should be.
    Fail,
}

/// One thing that was judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruled {
    /// What came of it.
    pub outcome: Outcome,
    /// What was seen, as a sentence without its full stop.
    pub evidence: String,
    /// What to do; empty for a pass.
    pub fix: String,
    /// Where.
    pub place: Option<Place>,
}

// === impl Section ===

impl Section {
    /// Every section in the guide's order.
    pub const ALL: [Section; 8] = [
        Section::Environment,
        Section::Dependencies,
        Section::Security,
        Section::Authentication,
        Section::Api,
        Section::Payments,
        Section::Testing,
        Section::Final,
    ];

    /// The name on the command line.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Section::Environment => "environment",
            Section::Dependencies => "dependencies",
            Section::Security => "security",
            Section::Authentication => "auth",
            Section::Api => "api",
            Section::Payments => "payments",
            Section::Testing => "testing",
            Section::Final => "final",
        }
    }

    /// The name for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Section::Environment => "Environment and configuration",
            Section::Dependencies => "Dependencies",
            Section::Security => "Security features",
            Section::Authentication => "Authentication and authorization",
            Section::Api => "API security",
            Section::Payments => "Payment security",
            Section::Testing => "Testing",
            Section::Final => "Final checks",
        }
    }

    /// The section of that name; the guide's number `C1` and `env` are understood.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Section> {
        let lower = id.to_ascii_lowercase();
        let short = [
            ("env", Section::Environment),
            ("deps", Section::Dependencies),
            ("authentication", Section::Authentication),
        ];
        let numbered = lower.strip_prefix('c').and_then(|number| number.parse::<usize>().ok());
        let numbered = numbered.and_then(|number| Section::ALL.get(number.checked_sub(1)?)).copied();
        let named = Section::ALL.into_iter().find(|section| section.id() == lower);
        numbered.or(named).or_else(|| short.into_iter().find(|(name, _)| *name == lower).map(|(_, section)| section))
    }
}

// === impl Severity ===

impl Severity {
    /// The word for it.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Severity::Critical => "critical",
            Severity::High => "high",
            Severity::Medium => "medium",
            Severity::Low => "low",
        }
    }
}

// === impl Ruled ===

impl Ruled {
    /// As it should be.
    #[must_use]
    pub fn pass(evidence: impl Into<String>) -> Ruled {
        Ruled { outcome: Outcome::Pass, evidence: evidence.into(), fix: String::new(), place: None }
    }

    /// Not as it should be.
    #[must_use]
    pub fn fail(evidence: impl Into<String>, fix: impl Into<String>) -> Ruled {
        Ruled { outcome: Outcome::Fail, evidence: evidence.into(), fix: fix.into(), place: None }
    }

    /// It works, and should be otherwise.
    #[must_use]
    pub fn warn(evidence: impl Into<String>, fix: impl Into<String>) -> Ruled {
        Ruled { outcome: Outcome::Warn, ..Ruled::fail(evidence, fix) }
    }

    /// It could not be seen.
    #[must_use]
    pub fn unknown(unknown: Unknown) -> Ruled {
        Ruled { outcome: Outcome::Unknown, evidence: unknown.why, fix: unknown.remedy, place: None }
    }

    /// There is nothing of the kind here.
    #[must_use]
    pub fn not_applicable(evidence: impl Into<String>) -> Ruled {
        Ruled { outcome: Outcome::NotApplicable, ..Ruled::pass(evidence) }
    }

    /// Says where.
    #[must_use]
    pub fn at(mut self, place: Option<Place>) -> Ruled {
        self.place = place;
        self
    }
}
