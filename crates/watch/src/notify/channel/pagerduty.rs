//! PagerDuty's Events API v2: <https://developer.pagerduty.com/docs/events-api-v2/trigger-events/>.
//!
//! A group of incidents is one alert there, by its `dedup_key`: triggered, acknowledged and resolved together. Limits: 1,024
//! characters of summary, 512 KB in all.

use palisade_event::{Priority, Untrusted, rfc3339};
use serde_json::{Map, Value, json};

use super::Notice;
use crate::notify::{Brief, NoticeKind, words};

pub(super) fn message(notice: &Notice, key: &str) -> Value {
    let action = match notice.kind {
        NoticeKind::Acknowledged => "acknowledge",
        NoticeKind::Resolved | NoticeKind::Heard => "resolve",
        _ => "trigger",
    };
    let dedup: String = format!("palisade:{}", notice.thread).chars().take(255).collect();
    if action != "trigger" {
        return json!({ "routing_key": key, "event_action": action, "dedup_key": dedup });
    }
    let severity = match (notice.kind, notice.priority) {
        (NoticeKind::Test, _) => "info",
        (_, Priority::P1) => "critical",
        (_, Priority::P2 | Priority::P3) => "warning",
    };
    let mut at = Vec::new();
    rfc3339(notice.at.micros(), &mut at);
    let details: Map<String, Value> =
        notice.briefs.iter().map(|brief| (brief.key.clone(), Value::Object(details(brief)))).collect();
    let mut message = json!({
        "routing_key": key,
        "event_action": action,
        "dedup_key": dedup,
        "client": "Palisade",
        "payload": {
            "summary": words::headline(notice).chars().take(1024).collect::<String>(),
            "source": notice.app,
            "severity": severity,
            "timestamp": String::from_utf8(at).unwrap_or_default(),
            "component": notice.environment,
            "group": notice.lines.first().map_or("palisade", |line| line.rule.as_str()),
            "class": notice.priority.id(),
            "custom_details": { "summary": words::summary(notice), "incidents": details },
        },
    });
    if let (Some(link), Some(message)) = (words::link(notice), message.as_object_mut()) {
        message.insert("client_url".to_owned(), json!(link));
        message.insert("links".to_owned(), json!([{ "href": link, "text": "The dashboard" }]));
    }
    message
}

fn details(brief: &Brief) -> Map<String, Value> {
    let shown = |text: &str| json!(Untrusted::new(text).terminal().to_string());
    let mut details = Map::new();
    details.insert("facts".to_owned(), json!(words::facts(brief)));
    for (name, value) in &brief.group {
        details.insert(name.clone(), shown(value));
    }
    let paths: Vec<_> =
        brief.paths.iter().map(|(path, count)| json!({ "path": shown(path), "count": count })).collect();
    details.insert("paths".to_owned(), json!(paths));
    details.insert("to do".to_owned(), json!(brief.steps));
    details.insert("show".to_owned(), json!(words::how(brief)));
    details
}
