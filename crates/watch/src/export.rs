//! Events, incidents and metrics on their way to services that keep logs: OTLP over HTTP (which Datadog and most others take) and
//! Datadog's own intake.
//!
//! [`otlp`] and [`datadog`] make bodies of lines, and know no socket. An [`Exporter`] sends them from a thread of its own: nobody
//! waits for it, what it is too slow for is dropped and counted.

pub mod datadog;
pub mod otlp;
mod shipper;

pub use shipper::{BadExport, Exporter, Page};

use palisade_event::{EventTime, rfc3339};
use serde_json::{Map, Value};

/// Whose lines they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The application.
    pub service: String,
    /// Where it runs.
    pub environment: String,
    /// The version of this program.
    pub version: &'static str,
}

/// A line as an object, when it happened, and how bad it is.
struct Entry {
    object: Map<String, Value>,
    time: EventTime,
    severity: Severity,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Severity {
    Info,
    Warn,
    Error,
}

impl Entry {
    /// A line of the gate or of the detector; none where it is no object.
    fn of(line: &[u8]) -> Option<Entry> {
        let Ok(Value::Object(object)) = serde_json::from_slice(line) else { return None };
        let text = |name: &str| object.get(name).and_then(Value::as_str);
        let time = text("timestamp").or_else(|| text("last_seen")).and_then(EventTime::from_rfc3339)?;
        let status = object.get("http.response.status_code").and_then(Value::as_u64);
        let severity = match (text("priority"), status) {
            (Some("P1"), _) | (None, Some(500..)) => Severity::Error,
            (Some(_), _) | (None, Some(400..)) => Severity::Warn,
            _ => Severity::Info,
        };
        Some(Entry { object, time, severity })
    }

    /// What it says in a few words.
    fn message(&self) -> String {
        let text = |name: &str| self.object.get(name).and_then(Value::as_str).unwrap_or_default();
        let status = self.object.get("http.response.status_code").and_then(Value::as_u64).unwrap_or_default();
        match (text("title"), text("palisade.notice")) {
            ("", "") => {
                format!("{} {} {status} {}", text("http.request.method"), text("http.route"), text("palisade.code"))
            }
            ("", notice) => notice.to_owned(),
            (title, _) => format!("{} {title}", text("priority")),
        }
        .trim_end()
        .to_owned()
    }
}

/// To the microsecond.
fn exact(time: EventTime) -> String {
    let mut text = Vec::new();
    rfc3339(time.micros(), &mut text);
    String::from_utf8(text).unwrap_or_default()
}
