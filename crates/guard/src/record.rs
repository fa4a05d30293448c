use palisade_event::{Code, Decision, Event, Stage};

use crate::env::Now;
use crate::exchange::Exchange;
use crate::identity::Identity;

/// What happened to one request, complete; an [`Event`] borrows from it.
#[derive(Debug)]
pub struct Record {
    pub(crate) exchange: Box<Exchange>,
    pub(crate) decision: Decision,
    pub(crate) stage: Option<Stage>,
    pub(crate) code: Option<Code>,
    pub(crate) status: u16,
    pub(crate) finished: Now,
    pub(crate) quiet: bool,
    /// Which fields failed validation, as [`Event::fields`] wants them.
    pub(crate) fields: Option<Box<str>>,
}

/// Fields that one event names.
const MAX_FIELDS: usize = 4;
/// The longest name of a field, in bytes.
const FIELD_CAP: usize = 40;

/// The fields of an exchange that failed validation. A schema may let a stranger choose names, so they are cut and made plain.
pub(crate) fn fields(exchange: &Exchange) -> Option<Box<str>> {
    let mut named: Vec<String> = Vec::new();
    for violation in exchange.violations.iter().flat_map(|violations| violations.iter()) {
        let segments = violation.pointer.split('/').map(|segment| {
            let index = !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit());
            if index { "*" } else { segment }
        });
        let plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '/' | '*' | '_' | '-' | '.' | '~');
        let joined = segments.collect::<Vec<_>>().join("/");
        let mut name: String =
            joined.chars().map(|char| if plain(char) { char } else { '?' }).take(FIELD_CAP).collect();
        if name.is_empty() {
            name.push('/');
        }
        if named.len() < MAX_FIELDS && !named.contains(&name) {
            named.push(name);
        }
    }
    (!named.is_empty()).then(|| named.join(" ").into())
}

/// Which lane an event travels in, so that cheap refusals cannot crowd out what matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Has room reserved: what reached the application, faults, blocks, everything that was flagged.
    Reserved,
    /// Refusals: equal ones of a client within a second may be told in one line.
    Crowd,
}

impl Record {
    /// The event of this request.
    #[must_use]
    pub fn event(&self) -> Event<'_> {
        let exchange = &self.exchange;
        let plan = exchange.route.and_then(|_| exchange.route());
        let reported = exchange.reported.as_deref();
        Event {
            time_micros: exchange.started.wall.0,
            service: &exchange.plan.policy.app.name,
            decision: self.decision,
            stage: self.stage,
            code: self.code,
            kind: plan.map(|plan| plan.route.kind),
            route: plan.map(|plan| plan.route.path.as_str()),
            method: exchange.method.as_str(),
            path: exchange.target.path(),
            status: self.status,
            client_address: exchange.address,
            client: exchange.client,
            request_id: exchange.id.as_str(),
            user_agent: exchange.agent.as_ref().and_then(|agent| agent.to_str().ok()),
            session: exchange.session.map(|session| session.in_events(&exchange.plan.keys)),
            user: exchange.identity.as_ref().map(Identity::subject),
            // What the policy declares as a success is worth more than the application's word.
            outcome: exchange.login.as_ref().and_then(|attempt| attempt.outcome).or(reported.and_then(|it| it.outcome)),
            report: reported.map(|reported| &*reported.kind),
            duration_micros: self.finished.mono.0.saturating_sub(exchange.started.mono.0),
            tags: exchange.tags,
            signals: exchange.signals,
            fields: self.fields.as_deref(),
            attributable: !exchange.asks.foreign,
            run: exchange.run,
            count: 1,
        }
    }

    /// The lane it travels in.
    #[must_use]
    pub fn lane(&self) -> Lane {
        // An overload is refused before any stage, and would fill the reserved lane with itself.
        let early = self.stage.is_none();
        // Its own lines are how a probe is told from an attack.
        let plain = self.exchange.tags == 0 && self.exchange.run.is_none();
        let cheap = matches!(self.decision, Decision::Refuse) && (self.status < 500 || early) && plain;
        if cheap && self.code != Some(Code::Blocked) { Lane::Crowd } else { Lane::Reserved }
    }

    /// Whether the client causes such refusals faster than they are worth lines: count it, and tell the sum.
    #[must_use]
    pub fn quiet(&self) -> bool {
        self.quiet && self.exchange.run.is_none()
    }
}
