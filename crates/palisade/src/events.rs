//! `events`: what the store has counted, by status, code, client, route and time.

use palisade_event::Untrusted;
use palisade_watch::store::{By, EventFilter, EventRow};
use serde_json::{Value, json};

use crate::args::{Events, TopBy};
use crate::output::{self, Exit, Format};
use crate::stored::{self, exact, moment, plain};

pub(crate) fn run(args: &Events, format: Format) -> anyhow::Result<Exit> {
    let now = stored::now();
    let filter = EventFilter {
        since: moment(&args.since, now)?,
        until: args.until.as_deref().map(|until| moment(until, now)).transpose()?,
        status: args.status,
        code: args.code.clone(),
        client: args.client.clone(),
        route: args.route.clone(),
        lane: None,
    };
    let mut store = stored::open(&args.store)?;
    let total = store.total(&filter)?;
    if let Some(by) = args.top {
        let top = store.top(by.into(), &filter, args.limit)?;
        match format {
            Format::Json => {
                let top: Vec<_> = top.iter().map(|(value, count)| json!({ "value": value, "count": count })).collect();
                output::result(&serde_json::to_string_pretty(&json!({ "total": total, "top": top }))?);
            }
            Format::Human => {
                for (value, count) in &top {
                    output::result(&format!("{count:>10}  {}", Untrusted::new(value).cut(100).terminal()));
                }
                output::note(&format!("{total} events"));
            }
        }
        return Ok(Exit::Fine);
    }
    let rows = store.events(&filter, args.limit)?;
    match format {
        Format::Json => {
            let events: Vec<_> = rows.iter().map(as_json).collect();
            output::result(&serde_json::to_string_pretty(&json!({ "total": total, "events": events }))?);
        }
        Format::Human => {
            rows.iter().rev().for_each(|row| output::result(&shown(row)));
            let told: u64 = rows.iter().map(|row| row.count).sum();
            output::note(&format!("{told} of {total} events in {} lines, times in UTC", rows.len()));
        }
    }
    Ok(Exit::Fine)
}

fn as_json(row: &EventRow) -> Value {
    let EventRow {
        lane,
        status,
        code,
        decision,
        kind,
        route,
        client,
        account,
        what,
        country,
        count,
        first,
        last,
        line,
    } = row;
    let text = |text: &str| if text.is_empty() { Value::Null } else { json!(text) };
    json!({
        "first": exact(*first), "last": exact(*last), "count": count, "status": status, "code": text(code),
        "decision": text(decision), "kind": text(kind), "route": text(route), "client": text(client),
        "user": text(account), "what": text(what), "country": text(country), "lane": lane,
        "sample": serde_json::from_str::<Value>(line).unwrap_or_default(),
    })
}

fn shown(row: &EventRow) -> String {
    let dash =
        |text: &str| if text.is_empty() { "-".to_owned() } else { Untrusted::new(text).cut(60).terminal().to_string() };
    let route = if row.is_other() { "(many)".to_owned() } else { dash(&row.route) };
    // What an observing gate let pass has a code all the same.
    let observed = if row.decision == "would-refuse" { &row.decision } else { "" };
    let (time, what) = (plain(row.last), [observed, &row.code, &row.what, &row.account]);
    let what: Vec<_> = what.into_iter().filter(|text| !text.is_empty()).map(dash).collect();
    format!("{time}  {:>6} x {}  {:<20} {route}  {}", row.count, row.status, dash(&row.client), what.join(" "))
}

impl From<TopBy> for By {
    fn from(by: TopBy) -> By {
        match by {
            TopBy::Client => By::Client,
            TopBy::Route => By::Route,
            TopBy::Code => By::Code,
            TopBy::Status => By::Status,
            TopBy::Country => By::Country,
            TopBy::What => By::What,
        }
    }
}
