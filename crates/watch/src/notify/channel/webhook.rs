//! Any receiver, signed by the Standard Webhooks specification:
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.
//!
//! `webhook-id` is the same for every attempt, so that a receiver knows a copy.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use palisade_event::{EventTime, rfc3339};
use serde_json::{Value, json};
use sha2::Sha256;

use super::Notice;
use crate::notify::{Brief, Line, words};

pub(super) fn message(notice: &Notice) -> Value {
    let Notice { kind, app, environment, thread, priority, at, lines, briefs, inhibited, link: _ } = notice;
    json!({
        "type": format!("palisade.alert.{}", kind.id()),
        "timestamp": exact(*at),
        "data": {
            "app": app,
            "environment": environment,
            "thread": thread,
            "priority": priority.id(),
            "title": words::headline(notice),
            "text": words::summary(notice),
            "opened": notice.opened(),
            "rules": lines.iter().map(line).collect::<Vec<_>>(),
            "incidents": briefs.iter().map(brief).collect::<Vec<_>>(),
            "inhibited": inhibited,
            "link": words::link(notice),
        },
    })
}

/// The three headers that sign a body.
pub(super) fn headers(secret: &[u8], id: &str, now: EventTime, body: &str) -> Vec<(Cow<'static, str>, String)> {
    let seconds = (now.micros() / 1_000_000).to_string();
    let mac = Hmac::<Sha256>::new_from_slice(secret).map(|mut mac| {
        [id, ".", &seconds, ".", body].iter().for_each(|part| mac.update(part.as_bytes()));
        STANDARD.encode(mac.finalize().into_bytes())
    });
    // HMAC takes keys of any length, so there is always a signature.
    let signature = format!("v1,{}", mac.unwrap_or_default());
    let headers = [("webhook-id", id.to_owned()), ("webhook-timestamp", seconds), ("webhook-signature", signature)];
    headers.map(|(name, value)| (Cow::Borrowed(name), value)).to_vec()
}

/// The bytes of `whsec_...`, 24 to 64 of them as the specification says.
pub(super) fn secret(text: &str) -> Option<Vec<u8>> {
    let bytes = STANDARD.decode(text.strip_prefix("whsec_")?).ok()?;
    (24..=64).contains(&bytes.len()).then_some(bytes)
}

fn line(line: &Line) -> Value {
    let Line { rule, title, opened, raised, ended, open, urgent } = line;
    json!({ "rule": rule, "title": title, "opened": opened, "raised": raised, "ended": ended, "open": open, "urgent": urgent })
}

fn brief(brief: &Brief) -> Value {
    let Brief { key, rule, title, priority, state, group, count, first_seen, last_seen, due, .. } = brief;
    let group: serde_json::Map<_, _> = group.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let top = |list: &[(String, u64)]| -> Vec<Value> {
        list.iter().map(|(value, count)| json!({ "value": value, "count": count })).collect()
    };
    json!({
        "key": key, "rule": rule, "title": title, "priority": priority.id(), "state": state, "group": group, "count": count,
        "first_seen": exact(*first_seen), "last_seen": exact(*last_seen), "due": exact(*due),
        "paths": top(&brief.paths), "clients": top(&brief.clients),
        "steps": brief.steps, "owasp": brief.owasp, "by": brief.by,
    })
}

fn exact(time: EventTime) -> String {
    let mut text = Vec::new();
    rfc3339(time.micros(), &mut text);
    String::from_utf8(text).unwrap_or_default()
}
