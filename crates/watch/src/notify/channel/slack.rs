//! Slack's incoming webhooks, by blocks: <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>.
//!
//! Limits: 50 blocks, 150 characters in a header, 3,000 in a section. Three entities and code spans keep a stranger's text from
//! mentioning or linking anything.

use palisade_event::Untrusted;
use serde_json::{Value, json};

use super::Notice;
use crate::notify::words;

pub(super) fn message(notice: &Notice) -> Value {
    let headline = words::headline(notice);
    let mut blocks = vec![json!({ "type": "header", "text": { "type": "plain_text", "text": cut(&headline, 150) } })];
    let summary = words::summary(notice).join("\n");
    if !summary.is_empty() {
        blocks.push(section(&escaped(&summary)));
    }
    for brief in &notice.briefs {
        let mut lines = vec![format!("*{}*", escaped(&words::facts(brief)))];
        for (name, value) in &brief.group {
            lines.push(format!("{name} {}", Untrusted::new(value).slack()));
        }
        for (path, count) in &brief.paths {
            lines.push(format!("{count} x {}", Untrusted::new(path).slack()));
        }
        lines.extend(brief.steps.iter().map(|step| format!("• {}", escaped(step))));
        lines.push(format!("`{}`", words::how(brief)));
        blocks.push(section(&lines.join("\n")));
    }
    if let Some(link) = words::link(notice) {
        let text = json!({ "type": "plain_text", "text": "Open the dashboard" });
        blocks.push(json!({ "type": "actions", "elements": [{ "type": "button", "text": text, "url": link }] }));
    }
    let context = format!("{} · {}", escaped(&notice.environment), words::moment(notice.at));
    blocks.push(json!({ "type": "context", "elements": [{ "type": "mrkdwn", "text": context }] }));
    json!({ "text": escaped(&headline), "blocks": blocks })
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": cut(text, 3000) } })
}

/// Our own words, in which a rule's author may have written anything.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}
