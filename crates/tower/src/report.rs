use std::fmt;
use std::net::IpAddr;

use palisade_event::rfc3339;
use palisade_guard::WallMicros;
use palisade_policy::Environment;

use crate::problem::Quoted;

/// Something that the app itself has noticed: what the operations guide's `logSecurityEvent` takes. Hand it to
/// [`Gate::log`](crate::Gate::log), or write its [`line`](SecurityEvent::line) wherever events are read.
///
/// ```
/// # use palisade_tower::{SecurityEvent, Noticed, guard::WallMicros, policy::Environment};
/// let event = SecurityEvent { endpoint: Some("/login"), ..SecurityEvent::new(Noticed::AuthFailure) };
/// let line = event.line(WallMicros(0), Environment::Production);
/// assert!(line.starts_with(r#"{"timestamp":"1970-01-01T00:00:00.000000Z","environment":"production","type":"AUTH_FAILURE""#));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecurityEvent<'a> {
    /// What was noticed.
    pub noticed: Noticed,
    /// Who caused it, if that is known.
    pub ip: Option<IpAddr>,
    /// In whose name.
    pub user: Option<&'a str>,
    /// Where.
    pub endpoint: Option<&'a str>,
    /// What else is worth knowing. Of a name like a secret's the value is left out.
    pub details: &'a [(&'a str, &'a str)],
}

/// The guide's types of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noticed {
    /// Somebody asked too often.
    RateLimit,
    /// A request was not meant by who seems to have sent it.
    CsrfFailure,
    /// Somebody could not prove who they are.
    AuthFailure,
    /// Input was not what it should be.
    ValidationFailure,
}

/// Something that people should be told: what the operations guide's `sendAlert` takes. It is an event; whoever watches
/// delivers it, so nothing here waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alert<'a> {
    /// How soon somebody should look.
    pub severity: Severity,
    /// What people read.
    pub message: &'a str,
    /// Who caused it, if that is known.
    pub ip: Option<IpAddr>,
    /// As [`SecurityEvent::details`].
    pub details: &'a [(&'a str, &'a str)],
}

/// How soon somebody should look at an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// In the weekly review.
    Low,
    /// Within a day.
    Medium,
    /// Now.
    High,
}

/// The longest text of a line, in characters.
const MAX_TEXT: usize = 1000;
/// The most details.
const MAX_DETAILS: usize = 50;
/// Names of details whose values are secrets.
const SECRET: [&str; 11] =
    ["pass", "secret", "token", "cookie", "authorization", "card", "cvc", "apikey", "api_key", "api-key", "session"];

// === impl SecurityEvent ===

impl<'a> SecurityEvent<'a> {
    /// An event that says nothing but what it is.
    #[must_use]
    pub const fn new(noticed: Noticed) -> SecurityEvent<'a> {
        SecurityEvent { noticed, ip: None, user: None, endpoint: None, details: &[] }
    }

    /// The event as one line of JSON, with its line feed, in the guide's shape.
    #[must_use]
    pub fn line(&self, now: WallMicros, environment: Environment) -> String {
        let SecurityEvent { noticed, ip, user, endpoint, details } = *self;
        let mut line = Line::begin(now, environment, noticed.id());
        line.ip(ip);
        line.text("userId", user);
        line.text("endpoint", endpoint);
        line.details(details);
        line.end()
    }
}

// === impl Noticed ===

impl Noticed {
    /// The guide's word for it.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Noticed::RateLimit => "RATE_LIMIT",
            Noticed::CsrfFailure => "CSRF_FAILURE",
            Noticed::AuthFailure => "AUTH_FAILURE",
            Noticed::ValidationFailure => "VALIDATION_FAILURE",
        }
    }
}

// === impl Alert ===

impl Alert<'_> {
    /// The alert as one line of JSON, with its line feed. The built-in rules `app-alert-high`, `-medium` and `-low` make
    /// incidents of it, one for each message.
    #[must_use]
    pub fn line(&self, now: WallMicros, environment: Environment) -> String {
        let Alert { severity, message, ip, details } = *self;
        let mut line = Line::begin(now, environment, "ALERT");
        line.text("severity", Some(severity.id()));
        line.text("message", Some(message));
        // The words by which a detector knows both.
        line.text("action", Some(severity.action()));
        line.text("error.type", Some(message));
        line.ip(ip);
        line.details(details);
        line.end()
    }
}

// === impl Severity ===

impl Severity {
    /// The guide's word for it.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Severity::Low => "LOW",
            Severity::Medium => "MEDIUM",
            Severity::High => "HIGH",
        }
    }

    const fn action(self) -> &'static str {
        match self {
            Severity::Low => "alert-low",
            Severity::Medium => "alert-medium",
            Severity::High => "alert-high",
        }
    }
}

/// A JSON object under way.
struct Line(String);

// === impl Line ===

impl Line {
    fn begin(now: WallMicros, environment: Environment, kind: &str) -> Line {
        let mut stamp = Vec::new();
        rfc3339(now.0, &mut stamp);
        let stamp = String::from_utf8_lossy(&stamp);
        Line(format!("{{\"timestamp\":\"{stamp}\",\"environment\":\"{}\",\"type\":\"{kind}\"", environment.id()))
    }

    fn text(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.0.push_str(&format!(",\"{name}\":{}", Quoted(cut(text))));
        }
    }

    fn ip(&mut self, ip: Option<IpAddr>) {
        let text = ip.as_ref().map(ToString::to_string);
        self.text("ip", text.as_deref());
    }

    fn details(&mut self, details: &[(&str, &str)]) {
        let kept = details.iter().filter(|(name, _)| !is_secret(name)).take(MAX_DETAILS);
        let pairs: Vec<String> =
            kept.map(|(name, text)| format!("{}:{}", Quoted(cut(name)), Quoted(cut(text)))).collect();
        if !pairs.is_empty() {
            self.0.push_str(&format!(",\"details\":{{{}}}", pairs.join(",")));
        }
    }

    fn end(mut self) -> String {
        self.0.push_str("}\n");
        self.0
    }
}

fn cut(text: &str) -> &str {
    text.char_indices().nth(MAX_TEXT).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET.iter().any(|part| name.contains(part))
}

impl fmt::Display for Noticed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use palisade_event::{Code, Outcome, decode};

    use super::*;

    const NOW: WallMicros = WallMicros(1_793_577_600_000_000);

    #[test]
    fn a16_an_event_of_the_app_is_a_line_of_the_guides_shape_that_a_watcher_reads() {
        let event = SecurityEvent {
            ip: "203.0.113.9".parse().ok(),
            user: Some("u1"),
            endpoint: Some("/login"),
            details: &[("password", "hunter2"), ("note", "a\nb\u{1b}[2J\"")],
            ..SecurityEvent::new(Noticed::AuthFailure)
        };
        let line = event.line(NOW, Environment::Production);
        assert_eq!(
            line,
            concat!(
                r#"{"timestamp":"2026-11-02T00:00:00.000000Z","environment":"production","type":"AUTH_FAILURE","#,
                r#""ip":"203.0.113.9","userId":"u1","endpoint":"/login","#,
                r#""details":{"note":"a\u000ab\u001b[2J\""}}"#,
                "\n"
            )
        );
        let seen = decode(line.as_bytes()).expect("an event");
        assert_eq!((seen.status, seen.outcome), (Some(401), Some(Outcome::Failure)));
        assert_eq!((seen.path.as_deref(), seen.user.as_deref()), (Some("/login"), Some("u1")));
        assert!(!seen.attributable, "nobody is blocked for it");
        for (noticed, status, code) in [
            (Noticed::RateLimit, 429, Some(Code::RateLimited)),
            (Noticed::CsrfFailure, 403, Some(Code::CsrfTokenInvalid)),
            (Noticed::ValidationFailure, 400, Some(Code::ValidationFailed)),
        ] {
            let line = SecurityEvent::new(noticed).line(NOW, Environment::Development);
            let seen = decode(line.as_bytes()).expect("an event");
            assert_eq!((seen.status, seen.code), (Some(status), code), "{noticed}");
        }
    }

    #[test]
    fn a16_an_alert_is_an_event_that_rules_can_tell() {
        for (severity, action) in
            [(Severity::Low, "alert-low"), (Severity::Medium, "alert-medium"), (Severity::High, "alert-high")]
        {
            let alert = Alert { severity, message: "many refusals", ip: None, details: &[("apiKey", "k"), ("n", "7")] };
            let line = alert.line(NOW, Environment::Production);
            assert!(line.contains(r#""details":{"n":"7"}"#) && line.contains(r#""message":"many refusals""#), "{line}");
            let seen = decode(line.as_bytes()).expect("an event");
            assert_eq!((seen.action.as_deref(), seen.error.as_deref()), (Some(action), Some("many refusals")));
            assert_eq!(seen.kind_of_report.as_deref(), Some("ALERT"));
        }
    }

    #[test]
    fn lines_are_bounded() {
        let long = "é".repeat(5000);
        let details = vec![("n", long.as_str()); 200];
        let line = SecurityEvent { details: &details, ..SecurityEvent::new(Noticed::RateLimit) };
        let line = line.line(NOW, Environment::Production);
        assert!(line.len() < 6 * (MAX_TEXT + 10) * (MAX_DETAILS + 1), "{}", line.len());
        assert_eq!(line.matches("\"n\":").count(), MAX_DETAILS);
    }
}
