//! Events and incidents in the words of the Open Cybersecurity Schema Framework, version 1.1.0, for tools that read it.

use std::io::Write as _;

use crate::{Decision, EventTime, IncidentKey, Outcome, Priority, Seen, State, Untrusted, Value};

/// The version of the schema that is written.
pub const VERSION: &str = "1.1.0";

/// An incident, as it is kept: what was told of it, and what people did since.
#[derive(Debug)]
pub struct Finding<'a> {
    /// Names it.
    pub key: IncidentKey,
    /// The rule's id.
    pub rule: &'a str,
    /// What happens, in the rule's words.
    pub title: &'a str,
    /// How soon somebody should look.
    pub priority: Priority,
    /// Where it stands.
    pub state: State,
    /// The first event that counts.
    pub first_seen: EventTime,
    /// The last one so far.
    pub last_seen: EventTime,
    /// Requests that count.
    pub count: u64,
    /// What its events have in common: names of fields and their values.
    pub group: Vec<(&'a str, &'a str)>,
    /// Its evidence: one JSON object.
    pub evidence: String,
}

/// Appends an event as an HTTP Activity (class 4002): one JSON object and a line feed.
pub fn http_activity(seen: &Seen<'_>, line: &mut Vec<u8>) {
    let activity = activity(seen.method.as_deref());
    let failed = seen.decision == Some(Decision::Refuse)
        || seen.outcome == Some(Outcome::Failure)
        || seen.status.is_some_and(|status| status >= 400);
    head(line, 4002, 4, activity, if failed { 2 } else { 1 }, seen.time.micros() / 1000);
    let _ = write!(line, ",\"status_id\":{},\"count\":{}", if failed { 2 } else { 1 }, seen.count);
    let mut request = Object::new(line, "http_request");
    request.text("http_method", seen.method.as_deref());
    request.text("user_agent", seen.user_agent.as_deref());
    request.text("referrer", seen.referrer.as_deref());
    request.text("uid", seen.request_id.as_deref());
    let mut url = Object::new(request.line(), "url");
    url.text("hostname", seen.host.as_deref());
    url.text("path", seen.path.as_deref());
    url.text("query_string", seen.query.as_deref());
    url.close();
    request.close();
    if let Some(status) = seen.status {
        let _ = write!(line, ",\"http_response\":{{\"code\":{status}");
        if let Some(Value::Number(length)) = seen.field(crate::Field::ResponseBytes) {
            let _ = write!(line, ",\"length\":{length}");
        }
        line.push(b'}');
    }
    if let Some(address) = seen.client_address {
        let _ = write!(line, ",\"src_endpoint\":{{\"ip\":\"{address}\"");
        if let Some(country) = seen.country.as_deref() {
            let _ = write!(line, ",\"location\":{{\"country\":{}}}", Untrusted::new(country).json());
        }
        line.push(b'}');
    }
    if let Some(user) = seen.user.as_deref() {
        let _ = write!(line, ",\"actor\":{{\"user\":{{\"uid\":{}}}}}", Untrusted::new(user).json());
    }
    let mut rest = Object::new(line, "unmapped");
    rest.text("palisade.decision", seen.decision.map(Decision::id));
    rest.text("palisade.code", seen.code.map(crate::Code::id));
    rest.text("palisade.kind", seen.kind.map(crate::Kind::id));
    rest.text("event.action", seen.action.as_deref());
    rest.close();
    line.extend_from_slice(b"}\n");
}

/// Appends an incident as a Detection Finding (class 2004): one JSON object and a line feed. `now_millis` is when it is
/// told, in milliseconds since the epoch.
pub fn detection_finding(finding: &Finding<'_>, now_millis: u64, line: &mut Vec<u8>) {
    let (activity, status) = match finding.state {
        State::Open => (1, 1),
        State::Acknowledged => (2, 2),
        State::Resolved => (3, 4),
    };
    let severity = match finding.priority {
        Priority::P1 => 5,
        Priority::P2 => 4,
        Priority::P3 => 2,
    };
    head(line, 2004, 2, activity, severity, now_millis);
    let quoted = |text| Untrusted::new(text).json();
    let _ = write!(line, ",\"status_id\":{status},\"count\":{}", finding.count);
    let _ = write!(line, ",\"finding_info\":{{\"uid\":\"{}\",\"title\":{}", finding.key, quoted(finding.title));
    let _ = write!(line, ",\"first_seen_time\":{}", finding.first_seen.micros() / 1000);
    let _ = write!(line, ",\"last_seen_time\":{}", finding.last_seen.micros() / 1000);
    let _ = write!(line, ",\"analytic\":{{\"type_id\":1,\"uid\":{}}}}}", quoted(finding.rule));
    line.extend_from_slice(b",\"observables\":[");
    for (at, (field, value)) in finding.group.iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        // 0: a kind of observable that the schema has no number for.
        let _ = write!(line, "{comma}{{\"name\":{},\"type_id\":0,\"value\":{}}}", quoted(field), quoted(value));
    }
    line.extend_from_slice(b"],\"unmapped\":{\"evidence\":");
    line.extend_from_slice(finding.evidence.as_bytes());
    line.extend_from_slice(b"}}\n");
}

/// What every class begins with.
fn head(line: &mut Vec<u8>, class: u32, category: u32, activity: u32, severity: u32, millis: u64) {
    let type_uid = class * 100 + activity;
    let _ = write!(
        line,
        "{{\"class_uid\":{class},\"category_uid\":{category},\"activity_id\":{activity},\"type_uid\":{type_uid},\
         \"severity_id\":{severity},\"time\":{millis},\"metadata\":{{\"version\":\"{VERSION}\",\
         \"product\":{{\"name\":\"Palisade\",\"vendor_name\":\"Palisade\"}}}}"
    );
}

/// `activity_id` of a method.
fn activity(method: Option<&str>) -> u32 {
    match method {
        None => 0,
        Some("CONNECT") => 1,
        Some("DELETE") => 2,
        Some("GET") => 3,
        Some("HEAD") => 4,
        Some("OPTIONS") => 5,
        Some("POST") => 6,
        Some("PUT") => 7,
        Some("TRACE") => 8,
        Some(_) => 99,
    }
}

/// An object within the line, written only if something stands in it.
struct Object<'l> {
    line: &'l mut Vec<u8>,
    from: usize,
    empty_at: usize,
}

// === impl Object ===

impl<'l> Object<'l> {
    fn new(line: &'l mut Vec<u8>, name: &str) -> Object<'l> {
        let from = line.len();
        let comma = if line.last() == Some(&b'{') { "" } else { "," };
        let _ = write!(line, "{comma}\"{name}\":{{");
        let empty_at = line.len();
        Object { line, from, empty_at }
    }

    fn text(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            let comma = if self.line.len() == self.empty_at { "" } else { "," };
            let _ = write!(self.line, "{comma}\"{name}\":{}", Untrusted::new(value).json());
        }
    }

    fn line(&mut self) -> &mut Vec<u8> {
        self.line
    }

    fn close(self) {
        if self.line.len() == self.empty_at {
            self.line.truncate(self.from);
        } else {
            self.line.push(b'}');
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(write: impl FnOnce(&mut Vec<u8>)) -> Value {
        let mut line = Vec::new();
        write(&mut line);
        serde_json::from_slice(&line).expect("json")
    }

    #[test]
    fn an_event_is_an_http_activity() {
        let line =
            br#"{"timestamp":"2026-11-02T00:00:00Z","http.request.method":"POST","url.path":"/a","url.query":"q=1",
            "http.response.status_code":403,"client.address":"192.0.2.1","geo.country.iso_code":"NL","user.id":"u",
            "palisade.decision":"refuse","palisade.code":"csrf-token-missing","user_agent.original":"<x>"}"#;
        let seen = crate::decode(line).expect("event");
        let event = read(|line| http_activity(&seen, line));
        assert_eq!(event["type_uid"], 400_206);
        assert_eq!(event["time"], 1_793_577_600_000_u64);
        assert_eq!(event["status_id"], 2);
        let request = json!({"http_method":"POST","user_agent":"<x>","url":{"path":"/a","query_string":"q=1"}});
        assert_eq!(event["http_request"], request);
        assert_eq!(event["src_endpoint"], json!({"ip":"192.0.2.1","location":{"country":"NL"}}));
        assert_eq!(event["unmapped"], json!({"palisade.decision":"refuse","palisade.code":"csrf-token-missing"}));
    }

    #[test]
    fn what_is_not_known_is_not_written() {
        let seen = crate::decode(br#"{"timestamp":"2026-11-02T00:00:00Z"}"#).expect("event");
        let event = read(|line| http_activity(&seen, line));
        let keys: Vec<_> = event.as_object().expect("object").keys().map(String::as_str).collect();
        let expect = [
            "class_uid",
            "category_uid",
            "activity_id",
            "type_uid",
            "severity_id",
            "time",
            "metadata",
            "status_id",
            "count",
        ];
        assert_eq!(keys, expect);
    }

    #[test]
    fn an_incident_is_a_detection_finding() {
        let kept = Finding {
            key: IncidentKey::from_bits(7),
            rule: "login-failures-client",
            title: "Many failed sign-ins",
            priority: Priority::P2,
            state: State::Resolved,
            first_seen: EventTime::from_micros(1_000),
            last_seen: EventTime::from_micros(9_000),
            count: 11,
            group: vec![("client.key", "192.0.2.1"), ("url.path", "/<b>\n")],
            evidence: r#"{"paths":[{"value":"/","count":11}]}"#.to_owned(),
        };
        let finding = read(|line| detection_finding(&kept, 5, line));
        assert_eq!(finding["type_uid"], 200_403);
        assert_eq!((&finding["severity_id"], &finding["status_id"]), (&json!(4), &json!(4)));
        assert_eq!(finding["finding_info"]["uid"], kept.key.to_string());
        assert_eq!((&finding["count"], &finding["finding_info"]["last_seen_time"]), (&json!(11), &json!(9)));
        assert_eq!(finding["observables"][1]["value"], "/<b>\n");
        assert_eq!(finding["unmapped"]["evidence"]["paths"][0]["count"], 11);
    }
}
