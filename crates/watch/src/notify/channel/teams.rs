//! Microsoft Teams, by a workflow that posts an Adaptive Card:
//! <https://learn.microsoft.com/en-us/power-automate/teams/teams-app-create>.
//!
//! A TextBlock knows Markdown, so a stranger's text stands in TextRuns of a RichTextBlock, which do not. About 28 KB at most.

use palisade_event::{Priority, Untrusted};
use serde_json::{Value, json};

use super::Notice;
use crate::notify::words;

pub(super) fn message(notice: &Notice) -> Value {
    let colour = match notice.priority {
        _ if notice.is_over() => "Good",
        Priority::P1 => "Attention",
        Priority::P2 | Priority::P3 => "Warning",
    };
    let headline = json!({ "type": "TextRun", "text": words::headline(notice), "weight": "Bolder", "size": "Medium", "color": colour });
    let mut body = vec![json!({ "type": "RichTextBlock", "inlines": [headline] })];
    body.extend(words::summary(notice).iter().map(|text| run(text, false)));
    for brief in &notice.briefs {
        body.push(run(&words::facts(brief), true));
        for (name, value) in &brief.group {
            body.push(run(&format!("{name} {}", Untrusted::new(value).terminal()), false));
        }
        for (path, count) in &brief.paths {
            body.push(run(&format!("{count} x {}", Untrusted::new(path).terminal()), false));
        }
        body.extend(brief.steps.iter().map(|step| run(&format!("- {step}"), false)));
        body.push(run(&words::how(brief), false));
    }
    body.push(run(&format!("{} · {}", notice.environment, words::moment(notice.at)), false));
    let mut card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.2",
        "body": body,
        "msteams": { "width": "full" },
    });
    if let (Some(link), Some(card)) = (words::link(notice), card.as_object_mut()) {
        let open = json!([{ "type": "Action.OpenUrl", "title": "Open the dashboard", "url": link }]);
        card.insert("actions".to_owned(), open);
    }
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": card,
        }],
    })
}

fn run(text: &str, bold: bool) -> Value {
    let weight = if bold { "Bolder" } else { "Default" };
    json!({ "type": "RichTextBlock", "inlines": [{ "type": "TextRun", "text": text, "weight": weight }] })
}
