//! `[[channel]]`, `[[silence]]`, `[notify]`, `[respond]`, `[detect]`, `[export]`.

use std::collections::BTreeMap;

use palisade_event::{EventTime, Priority};

use crate::file::draft::Draft;
use crate::file::reader::{Reader, Table, Value, Wrong, word};
use crate::file::values;
use crate::model::{Channel, ChannelKind, Datadog, Detect, Notify, Otlp, Pattern, Respond, Silence, Threshold};
use crate::wording::shortened;

const KINDS: [(&str, Spoken); 6] = [
    ("slack", Spoken::Slack),
    ("discord", Spoken::Discord),
    ("teams", Spoken::Teams),
    ("pagerduty", Spoken::PagerDuty),
    ("webhook", Spoken::Webhook),
    ("email", Spoken::Email),
];
/// P3 sends no message, so no channel hears it.
const PRIORITIES: [(&str, Priority); 2] = [("P1", Priority::P1), ("P2", Priority::P2)];

#[derive(Clone, Copy)]
enum Spoken {
    Slack,
    Discord,
    Teams,
    PagerDuty,
    Webhook,
    Email,
}

/// Reads all of it.
pub(super) fn read(r: &mut Reader, root: &mut Table<'_>, draft: &mut Draft) {
    type Section = fn(&mut Reader, &mut Table<'_>, &mut Draft);
    let sections: [(&'static str, Section); 4] =
        [("notify", notify), ("respond", respond), ("detect", detect), ("export", export)];
    for (key, section) in sections {
        if let Some(mut table) = root.table(r, key) {
            section(r, &mut table, draft);
            table.close(r);
        }
    }
    for mut table in root.tables(r, "channel") {
        let channel = channel(r, &mut table);
        table.close(r);
        draft.builder.alerting.channels.extend(channel);
    }
    for mut table in root.tables(r, "silence") {
        let silence = silence(r, &mut table);
        table.close(r);
        draft.builder.alerting.silences.extend(silence);
    }
}

fn channel(r: &mut Reader, table: &mut Table<'_>) -> Option<Channel> {
    let name = demanded(r, table, "name", "a short name, like \"oncall\"", values::plain);
    let kinds = KINDS;
    let spoken = demanded(r, table, "kind", "slack, email, pagerduty, discord, teams or webhook", |text| {
        word(text, "channel-kind-unknown", &kinds)
    });
    let priority = table.word(r, "priority", "priority-unknown", &PRIORITIES).unwrap_or(Priority::P2);
    let rules = table.each(r, "rules", pattern).unwrap_or_default();
    let resolved = table.flag(r, "resolved").unwrap_or(true);
    let kind = kind(r, table, spoken?);
    Some(Channel { name: name?, kind: kind?, priority, rules, resolved })
}

fn kind(r: &mut Reader, table: &mut Table<'_>, spoken: Spoken) -> Option<ChannelKind> {
    const URL: &str = "the name of the variable that holds the URL";
    let variable = values::variable;
    Some(match spoken {
        Spoken::Slack => ChannelKind::Slack { url: demanded(r, table, "url", URL, variable)? },
        Spoken::Discord => ChannelKind::Discord { url: demanded(r, table, "url", URL, variable)? },
        Spoken::Teams => ChannelKind::Teams { url: demanded(r, table, "url", URL, variable)? },
        Spoken::PagerDuty => {
            let url = table.parsed(r, "url", variable);
            let key = demanded(r, table, "key", "the name of the variable that holds the routing key", variable)?;
            ChannelKind::PagerDuty { key, url }
        }
        Spoken::Webhook => {
            let url = demanded(r, table, "url", URL, variable);
            let secret = demanded(r, table, "secret", "the name of the variable that holds `whsec_...`", variable)?;
            ChannelKind::Webhook { url: url?, secret }
        }
        Spoken::Email => {
            let server = demanded(r, table, "server", "the name of the variable that holds smtp://...", variable);
            let from = demanded(r, table, "from", "the sender's address", mailbox);
            let to = table.each(r, "to", mailbox).unwrap_or_default();
            if to.is_empty() {
                let wrong = Wrong::new("channel-incomplete", "nobody is written to", "add to = [\"ann@shop.example\"]");
                table.tell(r, "to", wrong);
                return None;
            }
            ChannelKind::Email { server: server?, from: from?, to }
        }
    })
}

/// A key without which a channel is none.
fn demanded<T>(
    r: &mut Reader,
    table: &mut Table<'_>,
    key: &'static str,
    what: &str,
    read: impl Fn(&str) -> Result<T, Wrong>,
) -> Option<T> {
    let found = table.parsed(r, key, read);
    if found.is_none() {
        let wrong = Wrong::new("channel-incomplete", format!("the channel has no `{key}`"), format!("add {what}"));
        table.tell(r, key, wrong);
    }
    found
}

fn silence(r: &mut Reader, table: &mut Table<'_>) -> Option<Silence> {
    let rule = table.parsed(r, "rule", pattern);
    let client = table.parsed(r, "client", values::client);
    let until = table.parsed(r, "until", moment);
    let because = table.parsed(r, "because", values::plain);
    let mut wrong = |key, what: &str, fix: &str| table.tell(r, key, Wrong::new("silence-incomplete", what, fix));
    if rule.is_none() && client.is_none() {
        wrong("rule", "the silence is about everything", "add rule = \"rate-limit-*\" or client = \"203.0.113.7\"");
    }
    if until.is_none() {
        wrong("until", "the silence has no end", "add until = \"2026-12-01T00:00:00Z\"");
    }
    if because.is_none() {
        wrong("because", "the silence has no reason", "add because = \"a load test\"");
    }
    Some(Silence { rule, client, until: until?, because: because? })
}

fn notify(r: &mut Reader, table: &mut Table<'_>, draft: &mut Draft) {
    let Notify { wait, interval, repeat, quiet, link } = &mut draft.builder.alerting.notify;
    for (key, slot) in [("wait", wait), ("interval", interval), ("repeat", repeat)] {
        if let Some(time) = table.get(r, key).and_then(|value| values::duration(r, value)) {
            *slot = time;
        }
    }
    *quiet = table.get(r, "quiet").and_then(|value| values::duration(r, value));
    *link = table.parsed(r, "link", address);
}

fn respond(r: &mut Reader, table: &mut Table<'_>, draft: &mut Draft) {
    let block = table.get(r, "block").and_then(|value| values::duration(r, value));
    let by_rule = table.flag(r, "by_rule").unwrap_or(false);
    if block.is_none() && !by_rule {
        let fix = "add block = \"10m\", or by_rule = true where rules say so by themselves";
        table.tell(r, "block", Wrong::new("respond-incomplete", "[respond] does not say for how long", fix));
    }
    let rules = table.each(r, "rules", pattern).unwrap_or_default();
    let priority = table.word(r, "priority", "priority-unknown", &PRIORITIES).unwrap_or(Priority::P2);
    draft.builder.alerting.respond =
        (block.is_some() || by_rule).then_some(Respond { block, by_rule, rules, priority });
}

fn detect(r: &mut Reader, table: &mut Table<'_>, draft: &mut Draft) {
    let rules = table.each(r, "rules", values::inside).unwrap_or_default();
    let thresholds = table.get(r, "thresholds").map(|value| thresholds(r, &value)).unwrap_or_default();
    draft.builder.alerting.detect = Detect { rules, thresholds };
}

/// `{ "rate-limit-volume" = 200, "server-error-rate" = "5%" }`.
fn thresholds(r: &mut Reader, value: &Value<'_>) -> BTreeMap<String, Threshold> {
    let mut out = BTreeMap::new();
    for (rule, value) in value.named(r) {
        let threshold = if value.is_number() {
            let number = value.number(r).and_then(|number| u32::try_from(number).ok());
            number.filter(|number| *number > 0).map(Threshold::Count)
        } else {
            let percent = value.text(r).and_then(|text| text.strip_suffix('%')?.trim().parse::<u8>().ok());
            percent.filter(|percent| (1..100).contains(percent)).map(Threshold::Percent)
        };
        match threshold {
            Some(threshold) => drop(out.insert(rule, threshold)),
            None => {
                let what = format!("the threshold of `{}` is none", shortened(&rule));
                let wrong = Wrong::new("threshold-malformed", what, "write a count, like 200, or a share, like \"5%\"");
                r.wrong(value.place, value.span, wrong);
            }
        }
    }
    out
}

fn export(r: &mut Reader, table: &mut Table<'_>, draft: &mut Draft) {
    let export = &mut draft.builder.alerting.export;
    let endpoint = table.parsed(r, "otlp", values::variable);
    let headers = table.parsed(r, "otlp_headers", values::variable);
    export.otlp = endpoint.map(|endpoint| Otlp { endpoint, headers });
    let key = table.parsed(r, "datadog", values::variable);
    let site = table.parsed(r, "datadog_site", site).unwrap_or_else(|| "datadoghq.com".to_owned());
    let url = table.parsed(r, "datadog_url", values::variable);
    export.datadog = key.map(|key| Datadog { key, site, url });
}

/// A rule's id, or how ids begin.
fn pattern(text: &str) -> Result<Pattern, Wrong> {
    let id = text.strip_suffix('*').unwrap_or(text);
    let fits = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if fits && !text.is_empty() && text.len() <= 100 {
        return Ok(Pattern(text.to_owned()));
    }
    let what = format!("`{}` is not a rule's id", shortened(text));
    Err(Wrong::new("rule-malformed", what, "write an id like \"login-failures-client\", or a start like \"login-*\""))
}

fn moment(text: &str) -> Result<EventTime, Wrong> {
    EventTime::from_rfc3339(text).ok_or_else(|| {
        let what = format!("`{}` is not a time", shortened(text));
        Wrong::new("time-malformed", what, "write it by RFC 3339, in quotes: \"2026-12-01T00:00:00Z\"")
    })
}

/// An address of mail, alone or with a name before it. Whether it is one in full, the mailer says.
fn mailbox(text: &str) -> Result<String, Wrong> {
    let bare = text.rsplit('<').next().unwrap_or_default().trim_end_matches('>');
    let fits = bare.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
    if fits && text.len() <= 320 && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Ok(text.to_owned());
    }
    let what = format!("`{}` is not an address of mail", shortened(text));
    Err(Wrong::new("mailbox-malformed", what, "write it like \"security@shop.example\""))
}

/// An address that messages link to.
fn address(text: &str) -> Result<String, Wrong> {
    let fits = text.starts_with("https://") || text.starts_with("http://");
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'<>`|\\()[]".contains(&byte));
    if fits && plain && text.len() <= 500 {
        return Ok(text.trim_end_matches('/').to_owned());
    }
    Err(Wrong::new("link-malformed", "this is not the address of a page", "write it like \"https://ops.example\""))
}

/// Where an account of Datadog lives.
fn site(text: &str) -> Result<String, Wrong> {
    let known = text.ends_with("datadoghq.com") || text.ends_with("datadoghq.eu") || text.ends_with("ddog-gov.com");
    if known && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte)) {
        return Ok(text.to_owned());
    }
    let what = format!("`{}` is not a site of Datadog", shortened(text));
    Err(Wrong::new("site-unknown", what, "write it like \"datadoghq.eu\" or \"us5.datadoghq.com\""))
}
