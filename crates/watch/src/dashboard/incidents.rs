//! Incidents: which there are, what is known of each, and what somebody did about it.

use maud::{Markup, html};
use palisade_event::{EventTime, IncidentKey, Priority, State};
use serde_json::Value;

use super::query::{Query, encoded};
use super::words::{exact, long, number, or_dash, plain, priority, span, theirs, when};
use super::{About, Missing, Visitor};
use crate::store::{IncidentFilter, Kept, Store};

/// Incidents of a page.
const LISTED: usize = 200;
const WEEKS: u64 = 5 * 7 * 86_400_000_000;
/// Bytes of a note.
const NOTE: usize = 500;

pub(super) fn list(store: &mut Store, about: &About, query: &Query, now: EventTime) -> Result<Markup, Missing> {
    let state = query.value("state").and_then(State::from_id);
    let urgent = query.value("priority").and_then(Priority::from_id);
    let rule = query.value("rule").map(str::to_owned);
    let since = EventTime::from_micros(now.micros().saturating_sub(WEEKS));
    let filter = IncidentFilter { state, priority: urgent, rule: rule.clone(), since, limit: LISTED };
    let found = store.incidents(&filter)?;
    let link = |name: &str, value: &str, text: &str, current: bool| {
        html! { li { a href={ "/incidents" (query.with(name, value)) } aria-current=[current.then_some("true")] { (text) } } }
    };
    Ok(html! {
        nav.quick aria-label="Which incidents" {
            ul {
                (link("state", "", "Any state", state.is_none()))
                @for known in State::ALL { (link("state", known.id(), known.id(), state == Some(known))) }
            }
            ul {
                (link("priority", "", "Any priority", urgent.is_none()))
                (link("priority", "P1", "P1", urgent == Some(Priority::P1)))
                (link("priority", "P2", "P1 and P2", urgent == Some(Priority::P2)))
            }
        }
        @if let Some(rule) = &rule { p { "Of the rule " b { (theirs(rule)) } ". " a href={ "/incidents" (query.with("rule", "")) } { "Of all rules" } } }
        @if found.is_empty() {
            p.empty { "No incident of that kind in five weeks." }
        } @else {
            (table(&found, about, now, "Incidents of five weeks, the latest first"))
        }
        @if found.len() == LISTED { p.hint { "The latest " (LISTED) "; " code { "palisade incidents list" } " tells all." } }
    })
}

/// Incidents as rows.
pub(super) fn table(found: &[Kept], about: &About, now: EventTime, caption: &str) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(caption) {
            table.wide {
                caption.quiet { (caption) }
                thead {
                    tr {
                        th scope="col" { "Priority" } th scope="col" { "Incident" } th scope="col" { "Who or what" }
                        th.n scope="col" { "Events" } th scope="col" { "Last" } th scope="col" { "State" } th scope="col" { "Look until" }
                    }
                }
                tbody {
                    @for kept in found {
                        tr {
                            td { (priority(kept.priority)) }
                            th scope="row" { a href={ "/incidents/" (kept.key) } { (theirs(&title(kept, about))) } }
                            td { (group(&body(kept))) }
                            td.n data-of="Events" { (number(kept.count)) }
                            td.t data-of="Last" { (when(kept.last_seen, now)) }
                            td { (state(kept)) }
                            td.t data-of="Look until" { (due(kept, now)) }
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn one(
    store: &mut Store,
    about: &About,
    visitor: &Visitor,
    key: &str,
    now: EventTime,
) -> Result<Markup, Missing> {
    let key = IncidentKey::from_text(key).ok_or(Missing::NotFound)?;
    let kept = store.incident(key)?.ok_or(Missing::NotFound)?;
    let body = body(&kept);
    let list = |pointer: &str| body.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default();
    let (steps, samples) = (list("/steps"), list("/evidence/samples"));
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    Ok(html! {
        p.lead { (priority(kept.priority)) " " b { (theirs(&title(&kept, about))) } " " (state(&kept)) }
        div.columns.two {
            section aria-labelledby="what" {
                h2 #what { "What happened" }
                dl.facts {
                    dt { "Who or what" } dd { (group(&body)) }
                    dt { "Events" } dd { (number(kept.count)) }
                    dt { "Seen" } dd { (when(kept.first_seen, now)) " to " (when(kept.last_seen, now)) ", " (span(kept.last_seen.micros().saturating_sub(kept.first_seen.micros()))) }
                    dt { "Look until" } dd { (due(&kept, now)) }
                    dt { "Rule" } dd { a href={ "/incidents?rule=" (encoded(&kept.rule)) } { (theirs(&kept.rule)) } }
                    @if !text("owasp").is_empty() { dt { "OWASP" } dd { (theirs(text("owasp"))) } }
                    @for (name, value) in body.pointer("/evidence/measures").and_then(Value::as_object).into_iter().flatten() {
                        dt { (theirs(name)) } dd { (theirs(&value.to_string())) }
                    }
                    @for (name, done) in [("Acknowledged", &kept.acknowledged), ("Resolved", &kept.resolved)] {
                        @if let Some((time, by)) = done { dt { (name) } dd { (when(*time, now)) " by " (theirs(by)) } }
                    }
                    @if !kept.note.is_empty() { dt { "Note" } dd { (long(&kept.note, NOTE)) } }
                }
            }
            section aria-labelledby="todo" {
                h2 #todo { "What to do" }
                @if steps.is_empty() { p.empty { "The rule names no step." } }
                ol.steps { @for step in steps.iter().filter_map(Value::as_str) { li { (long(step, 400)) } } }
                (actions(&kept, visitor))
            }
        }
        div.columns.two {
            (most("Paths", "Path", &list("/evidence/paths")))
            (most("Clients", "Client", &list("/evidence/clients")))
        }
        section aria-labelledby="samples" {
            h2 #samples { "Examples" }
            @if samples.is_empty() { p.empty { "None was kept." } }
            @for sample in samples.iter().take(1) { (example(sample)) }
            @if samples.len() > 1 { details { summary { (samples.len() - 1) " more" } @for sample in samples.iter().skip(1) { (example(sample)) } } }
        }
    })
}

/// What a visitor posted: `/incidents/KEY/acknowledge` or `/resolve`. Gives where to look then.
pub(super) fn change(
    store: &mut Store,
    path: &str,
    visitor: &Visitor,
    note: &str,
    now: EventTime,
) -> Result<String, Missing> {
    let rest = path.strip_prefix("/incidents/").ok_or(Missing::NotFound)?;
    let (key, verb) = rest.split_once('/').ok_or(Missing::NotFound)?;
    let key = IncidentKey::from_text(key).ok_or(Missing::NotFound)?;
    let note = note.trim();
    let note = note.get(..note.floor_char_boundary(NOTE)).unwrap_or_default();
    let changed = match verb {
        "acknowledge" => store.acknowledge(key, &visitor.name, note, now)?,
        "resolve" => store.resolve(key, &visitor.name, note, now)?,
        _ => None,
    };
    changed.map(|kept| format!("/incidents/{}", kept.key)).ok_or(Missing::NotFound)
}

fn actions(kept: &Kept, visitor: &Visitor) -> Markup {
    let form = |verb: &str, name: &str, class: &str| {
        html! {
            form.act method="post" action={ "/incidents/" (kept.key) "/" (verb) } {
                input type="hidden" name="csrf" value=(visitor.csrf);
                label for={ "note-" (verb) } { "Note" }
                input id={ "note-" (verb) } name="note" maxlength=(NOTE) autocomplete="off";
                button.(class) type="submit" { (name) }
            }
        }
    };
    html! {
        @if kept.state == State::Open { (form("acknowledge", "Acknowledge", "main")) }
        @if kept.state != State::Resolved { (form("resolve", "Resolve", "plain")) }
    }
}

fn most(name: &str, what: &str, list: &[Value]) -> Markup {
    let rows: Vec<_> =
        list.iter().filter_map(|top| Some((top.get("value")?.as_str()?, top.get("count")?.as_u64()?))).collect();
    html! {
        section {
            table {
                caption { (name) }
                thead { tr { th scope="col" { (what) } th.n scope="col" { "Of those kept" } } }
                tbody {
                    @if rows.is_empty() { tr { td.empty colspan="2" { "None." } } }
                    @for (value, count) in rows { tr { th scope="row" { (theirs(value)) } td.n { (number(count)) } } }
                }
            }
        }
    }
}

/// An event, field by field.
fn example(sample: &Value) -> Markup {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    html! {
        dl.facts.sample {
            @for (name, value) in sample.as_object().into_iter().flatten() {
                dt { (theirs(name)) } dd { (long(&text(value), 400)) }
            }
        }
    }
}

/// The title as the rule has it now, or as the incident was told.
pub(crate) fn title(kept: &Kept, about: &About) -> String {
    let known = about.rules.find(&kept.rule).map(|rule| rule.title().to_owned());
    known.unwrap_or_else(|| body(kept).get("title").and_then(Value::as_str).unwrap_or(&kept.rule).to_owned())
}

fn body(kept: &Kept) -> Value {
    serde_json::from_str(&kept.body).unwrap_or_default()
}

fn group(body: &Value) -> Markup {
    let group: Vec<_> = body.get("group").and_then(Value::as_object).into_iter().flatten().collect();
    html! {
        @if group.is_empty() { "the whole site" }
        @for (at, (name, value)) in group.iter().enumerate() {
            @if at > 0 { ", " }
            @let (of_client, value) = (name.as_str() == "client.key", value.as_str().unwrap_or_default());
            span.quiet { @if of_client { "client" } @else { (theirs(name)) } " " }
            @if of_client { a href={ "/events?client=" (encoded(value)) } { (theirs(value)) } }
            @else { (or_dash(value)) }
        }
    }
}

fn state(kept: &Kept) -> Markup {
    html! {
        span.state.(kept.state.id()) { (kept.state.id()) }
        @if kept.simulated { " " span.state.acknowledged { "simulated" } }
    }
}

/// Until when somebody should have looked; late ones say so. P1 is due at once.
fn due(kept: &Kept, now: EventTime) -> Markup {
    let due = kept.due();
    let late = kept.state == State::Open && due < now;
    html! {
        @if kept.priority == Priority::P1 { time datetime=(exact(due)) title=(plain(due)) { "at once" } } @else { (when(due, now)) }
        @if late { " " span.late { "late" } }
    }
}
