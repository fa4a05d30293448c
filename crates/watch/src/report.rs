//! The weekly report: what the operations guide wants to know of a week, beside the week before.
//!
//! [`Report::build`] asks the store a dozen questions, [`Report::json`], [`Report::markdown`] and [`Report::html`] write the
//! answers down. Times and days are UTC. What found no row of its own in a minute of flood ([`Report::folded`]) is counted by
//! status alone: counts by code, client and route may be low by so much.

mod build;
mod html;
mod json;
mod markdown;
pub(crate) mod measure;
mod tasks;

use std::path::Path;

use maud::Markup;
use palisade_event::{EventTime, Priority};

use crate::dashboard::RECORD;
use crate::store::{Store, StoreFault, Window};

/// A count, the same of the time before, and its days.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trend {
    /// In the window.
    pub now: u64,
    /// In the window before.
    pub before: u64,
    /// By days of the window, the first first; the last may be cut short by the window's end.
    pub days: Vec<u64>,
}

/// A name and how often.
pub type Named = (String, u64);

/// Everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The application.
    pub app: String,
    /// When it was made.
    pub made: EventTime,
    /// What it is about.
    pub window: Window,
    /// The window before.
    pub before: Window,
    /// Requests.
    pub requests: Trend,
    /// Events of the window that are counted by status alone.
    pub folded: u64,
    /// Sign-ins.
    pub auth: Auth,
    /// Rate limits.
    pub limits: Limits,
    /// CSRF.
    pub csrf: Csrf,
    /// Input.
    pub input: Input,
    /// Errors.
    pub errors: Errors,
    /// Incidents, by priority from P1.
    pub incidents: Vec<Response>,
    /// Rules that fired, with incidents now and in the window before.
    pub rules: Vec<(String, u64, u64)>,
    /// The guide's four classes for the weekly review.
    pub low: Vec<Low>,
    /// Recurring tasks of which a whole period has gone by: P3, for this review alone. See [`Report::with_tasks`].
    pub overdue: Vec<Overdue>,
    /// What changed, in sentences, the greatest change first.
    pub changes: Vec<String>,
}

/// Who signed in, and who could not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Auth {
    /// Attempts that failed.
    pub failed: Trend,
    /// Attempts that failed, by the hours of the window.
    pub failed_hours: Vec<u64>,
    /// Attempts that succeeded.
    pub good: Trend,
    /// Refusals because an account was locked for a client.
    pub lockouts: Trend,
    /// Attempts of both kinds by country, with those that failed.
    pub countries: Vec<(String, u64, u64)>,
    /// Successes by hour of the day, now and before.
    pub hours: [(u64, u64); 24],
    /// Hours of the day with at least 20 successes and three times as many as before; none where there was nobody before.
    pub unusual_hours: Vec<u8>,
    /// Accounts that were made.
    pub sign_ups: Trend,
    /// Accounts that were made, by the hours of the window.
    pub sign_up_hours: Vec<u64>,
    /// Different sessions, by day.
    pub active: Vec<(EventTime, u64)>,
    /// Different sessions in the whole window.
    pub active_all: u64,
    /// Clients with at least ten failed sign-ins, lockouts, signals and probes together.
    pub suspicious: Vec<Named>,
}

/// Who asked too often.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Answers 429.
    pub violations: Trend,
    /// Different clients that had any.
    pub clients: u64,
    /// Those that had most.
    pub top_clients: Vec<Named>,
    /// Routes that had most.
    pub top_routes: Vec<Named>,
}

/// Who had no good token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Csrf {
    /// Refusals for want of a good token or origin.
    pub failures: Trend,
    /// Tokens given out.
    pub issued: Trend,
    /// Tokens sent a second time.
    pub reused: Trend,
    /// Requests without a token.
    pub missing: Trend,
    /// Tokens that are not ours.
    pub invalid: Trend,
    /// Tokens older than an hour.
    pub expired: Trend,
    /// Requests from another origin.
    pub cross_origin: Trend,
}

/// What was wrong with input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Input {
    /// Requests whose input failed validation.
    pub failures: Trend,
    /// By field; a request may fail by several.
    pub fields: Vec<Named>,
    /// Signals of attacks: id, what it is called, how often.
    pub signals: Vec<(&'static str, &'static str, Trend)>,
}

/// What went wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Errors {
    /// Answers of 400 and more.
    pub client: Trend,
    /// Answers of 500 and more; not among [`Errors::client`].
    pub server: Trend,
    /// By route: requests, client errors, server errors; most server errors first.
    pub routes: Vec<(String, [u64; 3])>,
    /// By status, now and before.
    pub statuses: Vec<(u16, u64, u64)>,
    /// Both kinds of errors by country.
    pub countries: Vec<Named>,
}

/// How incidents of one priority were answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The priority.
    pub priority: Priority,
    /// Incidents that began in the window.
    pub count: u64,
    /// In the window before.
    pub before: u64,
    /// Acknowledged by somebody.
    pub acknowledged: u64,
    /// Resolved by somebody.
    pub resolved: u64,
    /// Over by themselves.
    pub ended: u64,
    /// Neither acknowledged nor over, and past the time to look.
    pub late: u64,
    /// From the record of an incident to its acknowledgement, in microseconds: median and longest.
    pub acknowledge_micros: Option<(u64, u64)>,
    /// From the record of an incident to its resolution by somebody: median and longest.
    pub resolve_micros: Option<(u64, u64)>,
}

/// One of the guide's classes of low priority: P3, for this review alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Low {
    /// Its name in JSON.
    pub id: &'static str,
    /// What the guide calls it.
    pub title: &'static str,
    /// Events.
    pub events: Trend,
    /// Incidents that rules of this class raised as P3.
    pub incidents: u64,
}

/// A recurring task that nobody did in its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overdue {
    /// Its id, as `palisade maintenance` has it.
    pub id: &'static str,
    /// What is to be done.
    pub title: &'static str,
    /// The last day on which it would have been in time.
    pub due: String,
}

/// Names in a list.
pub const TOP: usize = 10;

// === impl Report ===

impl Report {
    /// Asks the store about a window.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn build(store: &mut Store, app: &str, window: Window, made: EventTime) -> Result<Report, StoreFault> {
        build::report(store, app, window, made)
    }

    /// Adds the tasks that are overdue when the report is made, by the record of `palisade maintenance` at that path. Without a
    /// record, or with one that is not understood, there are none: nobody began, or `palisade maintenance` says what is wrong.
    #[must_use]
    pub fn with_tasks(self, record: &Path) -> Report {
        Report { overdue: tasks::overdue(record, self.made), ..self }
    }

    /// For machines.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        json::report(self)
    }

    /// For a wiki, an issue, a chat.
    #[must_use]
    pub fn markdown(&self) -> String {
        markdown::report(self)
    }

    /// One file without any reference to another, which prints well.
    #[must_use]
    pub fn html(&self) -> String {
        html::file(self).into_string()
    }
}

/// The report of the last seven days, as a part of a page.
pub(crate) fn section(store: &mut Store, folder: &Path, now: EventTime) -> Result<Markup, StoreFault> {
    const WEEK: u64 = 7 * 86_400_000_000;
    const MINUTE: u64 = 60_000_000;
    // The running minute too: what happened just now is in it.
    let until = EventTime::from_micros((now.micros() / MINUTE + 1) * MINUTE);
    let report = Report::build(store, "", Window::before(until, WEEK), now)?.with_tasks(&folder.join(RECORD));
    Ok(html::section(&report))
}

// === impl Trend ===

impl Trend {
    /// Tenths of a percent more than before, or less; none where there was nothing before.
    #[must_use]
    pub fn change(&self) -> Option<i64> {
        let (now, before) = (i128::from(self.now), i128::from(self.before));
        (before > 0).then(|| i64::try_from((now - before) * 1000 / before).unwrap_or(i64::MAX))
    }

    /// The change in words.
    #[must_use]
    pub fn told(&self) -> String {
        match (self.now, self.change()) {
            (0, None) => "–".to_owned(),
            (_, None) => "new".to_owned(),
            (_, Some(change)) if change.abs() < 10 => "same".to_owned(),
            (_, Some(change)) => {
                format!("{}{}.{} %", if change < 0 { "−" } else { "+" }, change.abs() / 10, change.abs() % 10)
            }
        }
    }
}
