//! From a JSON line to what rules look at.

mod own;

use std::borrow::Cow;
use std::fmt;

use crate::json::{Scalar, walk};
use crate::{
    ClientKey, Code, Decision, EventTime, Field, Kind, Outcome, Seen, Signal, Source, Stage, Tag, redact_query,
    redact_referrer, redact_replay,
};

/// Why a line is no event. Says nothing of what stands in the line: that is a stranger's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BadLine {
    /// Not UTF-8.
    NotUtf8,
    /// Not one whole JSON object.
    NotJson,
    /// Objects and arrays nest deeper than [`json::MAX_DEPTH`](crate::json::MAX_DEPTH).
    TooDeep,
    /// It does not have the form of its format: too few fields, a quote that does not end.
    Shape,
    /// It does not say when it happened, or not readably.
    NoTime,
    /// Longer than a line may be.
    TooLong,
    /// Nothing in it.
    Empty,
    /// Well-formed, and not about requests: a start-up message, a metric.
    Unrelated,
}

/// Reads one JSON line: of the gate, of an application, of anybody who names fields by a schema that
/// [`Field::from_name`] knows; keys may be joined by dots or nested. What is unknown is passed over.
///
/// The query is redacted, the referrer loses its query, and the types of the operations guide's `logSecurityEvent` set
/// the status, code and outcome that they stand for. Only lines that say what a gate decided are `attributable`; a line
/// that anybody could have written must have that taken away by whoever knows where it came from.
///
/// # Errors
///
/// [`BadLine`], if it is not one JSON object or does not say when it happened.
pub fn decode(line: &[u8]) -> Result<Seen<'_>, BadLine> {
    read(line)?.finish()
}

/// As [`decode`], for a line that has just come in at `received`: without a readable time, and with one ahead of that, it
/// happened when it came in.
///
/// # Errors
///
/// [`BadLine`], if it is not one JSON object.
pub fn decode_received(line: &[u8], received: EventTime) -> Result<Seen<'_>, BadLine> {
    let mut reading = read(line)?;
    if !reading.timed || reading.seen.time > received {
        reading.take_time(Some(received));
    }
    reading.finish()
}

fn read(line: &[u8]) -> Result<Reading<'_>, BadLine> {
    let mut reading = Reading::nothing();
    match own::fields(line, |field, scalar| reading.take(field, scalar)) {
        Some(()) => Ok(reading),
        None => walked(line),
    }
}

/// The long way, for any line.
fn walked(line: &[u8]) -> Result<Reading<'_>, BadLine> {
    let mut reading = Reading::nothing();
    let mut hint = 0;
    walk(line, |name, scalar| {
        if let Some(field) = Field::from_name_near(name, hint) {
            hint = field as usize + 1;
            reading.take(field, scalar);
        }
    })?;
    Ok(reading)
}

struct Reading<'a> {
    seen: Seen<'a>,
    timed: bool,
    /// Whether the line itself says if it is attributable.
    told: Option<bool>,
}

// === impl Reading ===

impl<'a> Reading<'a> {
    fn nothing() -> Reading<'a> {
        Reading { seen: Seen::at(EventTime::default(), Source::Application), timed: false, told: None }
    }

    fn take(&mut self, field: Field, scalar: Scalar<'a>) {
        match scalar {
            Scalar::Text(text) => self.take_text(field, text),
            Scalar::Number(number) => self.take_number(field, number),
            #[expect(clippy::cast_possible_truncation, reason = "a fraction of a byte or a status is nothing")]
            Scalar::Decimal(number) if field != Field::Timestamp => self.take_number(field, number as i64),
            Scalar::Decimal(number) => self.take_time(EventTime::from_number(number)),
            Scalar::Flag(flag) if field == Field::Attributable => self.told = Some(flag),
            Scalar::Flag(_) | Scalar::Null => {}
        }
    }

    fn take_text(&mut self, field: Field, text: Cow<'a, str>) {
        let seen = &mut self.seen;
        match field {
            Field::Timestamp => self.take_time(EventTime::from_rfc3339(&text)),
            Field::Service => seen.service = Some(text),
            Field::Decision => seen.decision = Decision::from_id(&text),
            Field::Stage => seen.stage = Stage::from_id(&text),
            Field::Code => seen.code = Code::from_id(&text),
            Field::Kind => seen.kind = Kind::from_id(&text),
            Field::Route => seen.route = Some(text),
            Field::Method => seen.method = Some(text),
            Field::Path => seen.path = Some(text),
            Field::ClientAddress => {
                if let Ok(address) = text.parse() {
                    seen.set_client(address);
                }
            }
            Field::ClientKey if seen.client.is_none() => seen.client = ClientKey::from_text(&text),
            Field::RequestId => seen.request_id = Some(text),
            Field::UserAgent => seen.user_agent = Some(text),
            Field::Session => seen.session = Some(text),
            Field::User => seen.user = Some(text),
            Field::Outcome => seen.outcome = Outcome::from_id(&text),
            Field::Tags => seen.tags |= Tag::from_id(&text).map_or(0, Tag::bit),
            Field::Signals => seen.signals |= Signal::from_id(&text).map_or(0, Signal::bit),
            Field::Fields => seen.fields = Some(text),
            Field::Run => seen.run = Some(text),
            Field::Query => seen.query = Some(text),
            Field::Referrer => seen.referrer = Some(redact_referrer(text)),
            Field::Host => seen.host = Some(text),
            Field::Country => seen.country = Some(text),
            Field::Action => seen.action = Some(text),
            Field::Type => seen.kind_of_report = Some(text),
            Field::Error => seen.error = Some(text),
            Field::Replay => seen.replay = redact_replay(text),
            Field::Environment => seen.environment = Some(text),
            Field::Notice => seen.notice = Some(text),
            Field::Source => seen.source = Source::from_id(&text).unwrap_or_default(),
            Field::Id => seen.id = Some(text),
            // Numbers that an application wrote as text.
            Field::Status | Field::Duration | Field::RequestBytes | Field::ResponseBytes | Field::Count => {
                if let Ok(number) = text.parse() {
                    self.take_number(field, number);
                }
            }
            Field::ClientKey | Field::Attributable => {}
        }
    }

    fn take_number(&mut self, field: Field, number: i64) {
        let seen = &mut self.seen;
        let size = u64::try_from(number).ok();
        match field {
            #[expect(clippy::cast_precision_loss, reason = "nanoseconds lose what microseconds do not have")]
            Field::Timestamp => self.take_time(EventTime::from_number(number as f64)),
            Field::Status => seen.status = u16::try_from(number).ok().filter(|status| (100..1000).contains(status)),
            Field::Duration => seen.duration_micros = size,
            Field::RequestBytes => seen.request_bytes = size,
            Field::ResponseBytes => seen.response_bytes = size,
            Field::Count => seen.count = u32::try_from(number.max(0)).unwrap_or(u32::MAX),
            // Ids that an application has as numbers.
            Field::User | Field::Session | Field::RequestId | Field::Id => {
                self.take_text(field, Cow::Owned(number.to_string()));
            }
            _ => {}
        }
    }

    fn take_time(&mut self, time: Option<EventTime>) {
        if let Some(time) = time {
            self.seen.time = time;
            self.timed = true;
        }
    }

    fn finish(mut self) -> Result<Seen<'a>, BadLine> {
        if !self.timed {
            return Err(BadLine::NoTime);
        }
        let seen = &mut self.seen;
        if seen.decision.is_some() || seen.notice.is_some() {
            seen.source = Source::Gate;
        }
        // An application's word takes no event from the detector.
        seen.run = seen.run.take().filter(|_| seen.source == Source::Gate);
        seen.attributable = self.told.unwrap_or(true) && seen.decision.is_some();
        seen.split_target();
        seen.mean_report();
        Ok(self.seen)
    }
}

impl<'a> Seen<'a> {
    /// Takes the query off the path, where somebody wrote both as one, and redacts it.
    pub fn split_target(&mut self) {
        if let Some(path) = &mut self.path
            && let Some(at) = path.find('?')
        {
            let (before, query) = match path {
                Cow::Borrowed(text) => {
                    let (before, query) = text.split_at(at);
                    (Cow::Borrowed(before), Cow::Borrowed(query.get(1..).unwrap_or_default()))
                }
                Cow::Owned(text) => {
                    let query = text.split_off(at);
                    (Cow::Owned(std::mem::take(text)), Cow::Owned(query.get(1..).unwrap_or_default().to_owned()))
                }
            };
            *path = before;
            self.query.get_or_insert(query);
        }
        self.query = self.query.take().map(redact_query);
    }

    /// What the types of the operations guide stand for, where the report does not say so itself.
    fn mean_report(&mut self) {
        let (action, status, code) = match self.kind_of_report.as_deref() {
            Some("RATE_LIMIT") => ("rate-limit", 429, Some(Code::RateLimited)),
            Some("CSRF_FAILURE") => ("csrf-failure", 403, Some(Code::CsrfTokenInvalid)),
            Some("AUTH_FAILURE") => ("auth-failure", 401, None),
            Some("VALIDATION_FAILURE") => ("validation-failure", 400, Some(Code::ValidationFailed)),
            _ => return,
        };
        self.action.get_or_insert(Cow::Borrowed(action));
        self.status.get_or_insert(status);
        self.code = self.code.or(code);
        if action == "auth-failure" {
            self.outcome.get_or_insert(Outcome::Failure);
        }
    }
}

// === impl BadLine ===

impl BadLine {
    /// Every reason, in a fixed order.
    pub const ALL: [BadLine; 8] = [
        BadLine::NotUtf8,
        BadLine::NotJson,
        BadLine::TooDeep,
        BadLine::Shape,
        BadLine::NoTime,
        BadLine::TooLong,
        BadLine::Empty,
        BadLine::Unrelated,
    ];

    /// The kebab-case name, for counters.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            BadLine::NotUtf8 => "not-utf8",
            BadLine::NotJson => "not-json",
            BadLine::TooDeep => "too-deep",
            BadLine::Shape => "shape",
            BadLine::NoTime => "no-time",
            BadLine::TooLong => "too-long",
            BadLine::Empty => "empty",
            BadLine::Unrelated => "unrelated",
        }
    }
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadLine::NotUtf8 => "not UTF-8",
            BadLine::NotJson => "not one whole JSON object",
            BadLine::TooDeep => "nested too deep",
            BadLine::Shape => "not in the form of the format",
            BadLine::NoTime => "no readable time",
            BadLine::TooLong => "too long",
            BadLine::Empty => "empty",
            BadLine::Unrelated => "not about requests",
        })
    }
}

impl std::error::Error for BadLine {}

#[cfg(test)]
mod tests;
