//! Discord's webhooks: <https://docs.discord.com/developers/resources/webhook#execute-webhook>.
//!
//! Limits: 2,000 characters of content, 256 in a title, 4,096 in a description, 6,000 in all embeds. Nobody is mentioned,
//! whatever the text says.

use palisade_event::{Priority, Untrusted};
use serde_json::{Value, json};

use super::Notice;
use crate::notify::words;

pub(super) fn message(notice: &Notice) -> Value {
    let mut lines: Vec<String> = words::summary(notice).iter().map(|text| plain(text)).collect();
    for brief in &notice.briefs {
        lines.push(format!("**{}**", plain(&words::facts(brief))));
        for (name, value) in &brief.group {
            lines.push(format!("{name} {}", Untrusted::new(value).markdown()));
        }
        for (path, count) in &brief.paths {
            lines.push(format!("{count} x {}", Untrusted::new(path).markdown()));
        }
        lines.extend(brief.steps.iter().map(|step| format!("- {}", plain(step))));
        lines.push(format!("`{}`", words::how(brief)));
    }
    let headline = words::headline(notice);
    let mut embed = json!({
        "title": cut(&plain(&headline), 256),
        "description": cut(&lines.join("\n"), 4096),
        "color": colour(notice),
        "footer": { "text": format!("{} · {}", cut(&notice.environment, 100), words::moment(notice.at)) },
    });
    if let (Some(link), Some(embed)) = (words::link(notice), embed.as_object_mut()) {
        embed.insert("url".to_owned(), json!(link));
    }
    json!({
        "content": cut(&plain(&headline), 300),
        "username": "Palisade",
        "embeds": [embed],
        "allowed_mentions": { "parse": [] },
    })
}

fn colour(notice: &Notice) -> u32 {
    match notice.priority {
        _ if notice.is_over() => 0x002e_7d32,
        Priority::P1 => 0x00c6_2828,
        Priority::P2 | Priority::P3 => 0x00ef_6c00,
    }
}

/// Our own words without Markdown's marks.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        if "\\*_~`|>[]()#@<".contains(char) {
            out.push('\\');
        }
        out.push(char);
    }
    out
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}
