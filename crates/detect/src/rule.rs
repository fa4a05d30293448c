//! A rule as data: what it asks of events, how it counts them, and what it says to people.

use std::time::Duration;

use palisade_diag::{FileId, Span};
use palisade_event::Priority;

use crate::atom::Order;
use crate::column::Column;
use crate::condition::Condition;
use crate::expr::Expr;
use crate::trial::Trial;

/// One rule.
#[derive(Debug)]
pub struct Rule {
    pub(crate) id: Box<str>,
    pub(crate) title: Box<str>,
    pub(crate) level: Level,
    pub(crate) priority: Priority,
    pub(crate) owasp: Box<str>,
    pub(crate) steps: Vec<Box<str>>,
    pub(crate) tags: Vec<Box<str>>,
    pub(crate) mode: Mode,
    pub(crate) version: u32,
    pub(crate) file: FileId,
    pub(crate) span: Span,
    pub(crate) inputs: Vec<Input>,
    pub(crate) correlation: Correlation,
    /// How long the condition must hold before it fires, in microseconds.
    pub(crate) lasting: u64,
    /// How long an incident stays open after the last time the condition held, in microseconds.
    pub(crate) keep: u64,
    /// How long after an incident's end the same group is not reported anew, in microseconds.
    pub(crate) cooldown: u64,
    /// From how many events on which priority; in rising order.
    pub(crate) escalate: Vec<(u64, Priority)>,
    /// For how long an incident may shut its client out, in microseconds.
    pub(crate) block: Option<u64>,
    pub(crate) tests: Vec<Trial>,
    /// Other rules name it, and it does not speak for itself.
    pub(crate) silent: bool,
}

/// Events that a rule takes in one role.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    /// The name in the rule's own words.
    pub(crate) name: Box<str>,
    pub(crate) expr: Expr,
    /// By what these events are grouped.
    pub(crate) group: Vec<Column>,
    /// The rule whose incidents, as they begin, are the events.
    pub(crate) from: Option<Box<str>>,
}

/// Sigma's levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Worth knowing.
    Informational,
    /// For the weekly review.
    Low,
    /// Within a day.
    Medium,
    /// Now.
    High,
    /// Now.
    Critical,
}

/// Whether a rule speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Its incidents are incidents.
    #[default]
    Alert,
    /// Its incidents are marked, and nobody is told.
    Simulate,
    /// It is not run.
    Off,
}

/// How events become an incident. Times in microseconds.
#[derive(Debug, Clone)]
pub(crate) enum Correlation {
    /// Every event by itself.
    Each,
    Count {
        bound: Bound,
        span: u64,
    },
    Distinct {
        of: Vec<Column>,
        bound: Bound,
        span: u64,
    },
    /// A number that events carry, once so many did.
    Measure {
        of: Vec<Column>,
        measured: Measured,
        bound: Bound,
        least: u32,
        span: u64,
    },
    /// Role 0 among role 1, once there are `total` of role 1.
    Ratio {
        order: Order,
        wanted: f64,
        total: u32,
        span: u64,
    },
    /// The condition over roles; each role holds once it came so often within the span.
    Temporal {
        condition: Roles,
        least: Vec<u32>,
        span: u64,
    },
    /// Each role so often, in this order.
    Ordered {
        least: Vec<u32>,
        span: u64,
    },
    Baseline(Baseline),
    NewValue(NewValue),
    Profile(Profile),
    /// Role 0, and no role 1 within the span; with one role alone, no event for the span.
    Absence {
        expected: bool,
        span: u64,
    },
}

/// What is made of many numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Measured {
    Sum,
    Average,
    /// The number that so many percent do not exceed.
    Percentile(f64),
}

/// A count far above what it usually is.
#[derive(Debug, Clone)]
pub(crate) struct Baseline {
    /// Counts different values instead of events.
    pub(crate) distinct: bool,
    pub(crate) bucket: u64,
    /// How many buckets are compared as one.
    pub(crate) width: usize,
    /// Buckets remembered.
    pub(crate) history: usize,
    /// Buckets that must have passed before it may fire.
    pub(crate) warmup: usize,
    pub(crate) factor: f64,
    pub(crate) least: u32,
    /// Fires at this count whatever is usual.
    pub(crate) ceiling: Option<u32>,
    pub(crate) of: Vec<Column>,
}

/// A value that nobody trustworthy had before.
#[derive(Debug, Clone)]
pub(crate) struct NewValue {
    pub(crate) of: Vec<Column>,
    /// Whose having a value makes it known.
    pub(crate) subject: Column,
    pub(crate) subjects: u32,
    /// Nothing fires so long after the first event.
    pub(crate) learn: u64,
    /// A value reported or known is forgotten so long after it was last seen.
    pub(crate) forget: u64,
    /// How often a new value must come within an hour.
    pub(crate) least: u32,
}

/// A count far above what is usual at this hour.
#[derive(Debug, Clone)]
pub(crate) struct Profile {
    /// 24 hours of a day, or 168 of a week.
    pub(crate) slots: usize,
    pub(crate) factor: f64,
    pub(crate) least: u32,
    pub(crate) days: u32,
}

/// Comparisons of a count, all of which must hold.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bound(pub(crate) Vec<(Order, f64)>);

/// A condition over the places of inputs.
#[derive(Debug, Clone)]
pub(crate) enum Roles {
    Role(usize),
    Not(Box<Roles>),
    All(Vec<Roles>),
    Any(Vec<Roles>),
}

// === impl Rule ===

impl Rule {
    /// The stable id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it finds, in a line.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// How bad it is.
    #[must_use]
    pub const fn level(&self) -> Level {
        self.level
    }

    /// How soon somebody should look.
    #[must_use]
    pub const fn priority(&self) -> Priority {
        self.priority
    }

    /// Whether it speaks.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// The OWASP reference; empty if the rule has none.
    #[must_use]
    pub fn owasp(&self) -> &str {
        &self.owasp
    }

    /// The runbook's steps.
    #[must_use]
    pub fn steps(&self) -> &[Box<str>] {
        &self.steps
    }

    /// Its tags.
    #[must_use]
    pub fn tags(&self) -> &[Box<str>] {
        &self.tags
    }

    /// For how long it would shut a client out. Only a policy that lets rules say so makes it happen.
    #[must_use]
    pub fn block(&self) -> Option<Duration> {
        self.block.map(Duration::from_micros)
    }

    /// Its own tests.
    #[must_use]
    pub fn tests(&self) -> &[Trial] {
        &self.tests
    }

    /// The text it stands in.
    #[must_use]
    pub const fn file(&self) -> FileId {
        self.file
    }

    /// Where it stands.
    #[must_use]
    pub const fn span(&self) -> Span {
        self.span
    }

    /// How it counts: a type of correlation, or `match`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.correlation {
            Correlation::Each => "match",
            Correlation::Count { .. } => "event_count",
            Correlation::Distinct { .. } => "value_count",
            Correlation::Measure { measured: Measured::Sum, .. } => "value_sum",
            Correlation::Measure { measured: Measured::Average, .. } => "value_avg",
            Correlation::Measure { measured: Measured::Percentile(_), .. } => "value_percentile",
            Correlation::Ratio { .. } => "ratio",
            Correlation::Temporal { .. } => "temporal",
            Correlation::Ordered { .. } => "temporal_ordered",
            Correlation::Baseline(_) => "baseline",
            Correlation::NewValue(_) => "new_value",
            Correlation::Profile(_) => "time_profile",
            Correlation::Absence { .. } => "absence",
        }
    }

    /// Whether a missing memory of events makes the rule fire: its state must not be forgotten silently.
    pub(crate) fn trusts_absence(&self) -> bool {
        match &self.correlation {
            Correlation::Temporal { condition, .. } => condition.has_not(),
            Correlation::Absence { .. } => true,
            _ => false,
        }
    }

    /// Whether it hears other rules.
    pub(crate) fn is_chained(&self) -> bool {
        self.inputs.iter().any(|input| input.from.is_some())
    }

    /// How far back its state looks, in microseconds.
    pub(crate) fn span_of_time(&self) -> u64 {
        match &self.correlation {
            Correlation::Each => 0,
            Correlation::Count { span, .. }
            | Correlation::Distinct { span, .. }
            | Correlation::Measure { span, .. }
            | Correlation::Ratio { span, .. }
            | Correlation::Temporal { span, .. }
            | Correlation::Ordered { span, .. }
            | Correlation::Absence { span, .. } => *span,
            Correlation::Baseline(baseline) => {
                let buckets = u64::try_from(baseline.history.max(baseline.width)).unwrap_or(u64::MAX);
                baseline.bucket.saturating_mul(buckets)
            }
            Correlation::NewValue(new) => new.forget,
            Correlation::Profile(profile) => u64::from(profile.days).max(14) * 86_400_000_000,
        }
    }
}

// === impl Level ===

impl Level {
    /// The level of that name.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Level> {
        [Level::Informational, Level::Low, Level::Medium, Level::High, Level::Critical]
            .into_iter()
            .find(|level| level.id() == id)
    }

    /// The name in rules.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Level::Informational => "informational",
            Level::Low => "low",
            Level::Medium => "medium",
            Level::High => "high",
            Level::Critical => "critical",
        }
    }

    /// How soon somebody should look, where the rule does not say.
    #[must_use]
    pub const fn priority(self) -> Priority {
        match self {
            Level::Informational | Level::Low => Priority::P3,
            Level::Medium => Priority::P2,
            Level::High | Level::Critical => Priority::P1,
        }
    }
}

// === impl Mode ===

impl Mode {
    /// The mode of that name.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Mode> {
        [Mode::Alert, Mode::Simulate, Mode::Off].into_iter().find(|mode| mode.id() == id)
    }

    /// The name in rules.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Mode::Alert => "alert",
            Mode::Simulate => "simulate",
            Mode::Off => "off",
        }
    }
}

// === impl Bound ===

impl Bound {
    pub(crate) fn holds(&self, count: u32) -> bool {
        self.is_met(f64::from(count))
    }

    pub(crate) fn is_met(&self, number: f64) -> bool {
        self.0.iter().all(|(order, wanted)| order.holds(number, *wanted))
    }

    /// Whether more never makes it false, so that it can be decided at each event.
    pub(crate) fn is_rising(&self) -> bool {
        self.0.iter().all(|(order, _)| matches!(order, Order::AtLeast | Order::Greater))
    }

    /// The least count that matters: beyond it nothing changes.
    pub(crate) fn threshold(&self) -> u32 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "read from whole numbers of 32 bits"
        )]
        let counts = self.0.iter().map(|(order, wanted)| match order {
            Order::AtLeast | Order::Less => *wanted as u32,
            Order::AtMost | Order::Greater | Order::Equal | Order::Unequal => (*wanted as u32).saturating_add(1),
        });
        counts.max().unwrap_or(1).max(1)
    }
}

// === impl Roles ===

impl Roles {
    pub(crate) fn holds(&self, role: &impl Fn(usize) -> bool) -> bool {
        match self {
            Roles::Role(at) => role(*at),
            Roles::Not(inner) => !inner.holds(role),
            Roles::All(items) => items.iter().all(|item| item.holds(role)),
            Roles::Any(items) => items.iter().any(|item| item.holds(role)),
        }
    }

    pub(crate) fn has_not(&self) -> bool {
        match self {
            Roles::Role(_) => false,
            Roles::Not(_) => true,
            Roles::All(items) | Roles::Any(items) => items.iter().any(Roles::has_not),
        }
    }

    /// A condition over names as one over places; `None` if a name has no place.
    pub(crate) fn of(condition: &Condition, place: &impl Fn(&str) -> Option<usize>) -> Option<Roles> {
        let each = |items: &[Condition]| items.iter().map(|item| Roles::of(item, place)).collect::<Option<Vec<_>>>();
        Some(match condition {
            Condition::Name(name) => Roles::Role(place(name)?),
            Condition::Not(inner) => Roles::Not(Box::new(Roles::of(inner, place)?)),
            Condition::All(items) => Roles::All(each(items)?),
            Condition::Any(items) => Roles::Any(each(items)?),
            Condition::Of(..) => return None,
        })
    }
}
