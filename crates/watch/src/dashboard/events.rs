//! Events: equal ones of a minute in a row, by status, code, client, route and time.

use maud::{Markup, html};
use palisade_event::{Code, EventTime};

use super::query::{Query, encoded};
use super::words::{long, number, or_dash, plain, status, theirs, when};
use crate::store::{EventFilter, EventRow, Store, StoreFault};

/// Rows of a page.
const ROWS: usize = 100;
/// Pages one may turn.
const PAGES: usize = 100;
/// The statuses that the operations guide looks at daily, and the classes of server errors.
const STATUSES: [u16; 9] = [429, 403, 401, 400, 404, 500, 502, 503, 504];
const SPANS: [(&str, &str, u64); 4] =
    [("1h", "1 hour", 3600), ("24h", "24 hours", 86_400), ("7d", "7 days", 604_800), ("35d", "5 weeks", 3_024_000)];

pub(super) fn page(store: &mut Store, query: &Query, now: EventTime) -> Result<Markup, StoreFault> {
    let at = query.value("page").and_then(|page| page.parse().ok()).unwrap_or(1).clamp(1, PAGES);
    let filter = filter(query, now);
    let mut rows = store.page(&filter, (at - 1) * ROWS, ROWS + 1)?;
    let more = rows.len() > ROWS;
    rows.truncate(ROWS);
    let total = store.total(&filter)?;
    Ok(html! {
        (asked(query, &filter))
        p.lead role="status" { b { (number(total)) } " events" (told(&filter)) "." }
        div.scroll tabindex="0" role="region" aria-label="Events" {
            table.wide {
                caption.quiet { "Events, the latest first; equal ones of a minute are one row" }
                thead {
                    tr {
                        th scope="col" { "Last" } th.n scope="col" { "Status" } th.n scope="col" { "Count" }
                        th scope="col" { "Route" } th scope="col" { "Client" } th scope="col" { "What" }
                        th scope="col" { "Country" } th scope="col" { "Example" }
                    }
                }
                tbody {
                    @if rows.is_empty() { tr { td.empty colspan="8" { "Nothing of that kind." } } }
                    @for row in &rows { (shown(row, now)) }
                }
            }
        }
        nav.pages aria-label="Pages of events" {
            @if at > 1 { a rel="prev" href=(query.with("page", &(at - 1).to_string())) { "Newer" } }
            @if more && at < PAGES { a rel="next" href=(query.with("page", &(at + 1).to_string())) { "Older" } }
        }
    })
}

fn shown(row: &EventRow, now: EventTime) -> Markup {
    html! {
        tr {
            td.t { (when(row.last, now)) }
            td.n { (status(row.status)) }
            td.n data-of="Count" { (number(row.count)) }
            td.path {
                @if row.is_other() { i { "many kinds" } }
                @else if row.route.is_empty() { (or_dash("")) }
                @else { a href={ "/events?route=" (encoded(&row.route)) } { (theirs(&row.route)) } }
            }
            td.t {
                @if row.client.is_empty() { (or_dash("")) }
                @else { a href={ "/events?client=" (encoded(&row.client)) } { (theirs(&row.client)) } }
            }
            td { (theirs(&row.code)) " " @if !row.is_other() { (theirs(&row.what)) } " " (theirs(&row.account)) }
            td data-of="Country" { (or_dash(&row.country)) }
            td { @if !row.line.is_empty() { details { summary { "line" } code.sample { (long(&row.line, 1500)) } } } }
        }
    }
}

fn filter(query: &Query, now: EventTime) -> EventFilter {
    let moment = |name| query.value(name).and_then(|text| EventTime::from_rfc3339(&format!("{text}:00Z")));
    let asked = query.value("since");
    let seconds = SPANS.iter().find(|(id, ..)| Some(*id) == asked).map_or(86_400, |(_, _, seconds)| *seconds);
    let since = EventTime::from_micros(now.micros().saturating_sub(seconds * 1_000_000));
    let own = |name: &str| query.value(name).map(str::to_owned);
    EventFilter {
        since: moment("from").unwrap_or(since),
        until: moment("to"),
        status: query.value("status").and_then(|status| status.parse().ok()),
        code: own("code"),
        client: own("client"),
        route: own("route"),
        lane: None,
    }
}

/// The filter in words.
fn told(filter: &EventFilter) -> Markup {
    let EventFilter { since, until, status, code, client, route, lane: _ } = filter;
    html! {
        @if let Some(status) = status { " with status " b { (status) } }
        @if let Some(code) = code { " with code " b { (theirs(code)) } }
        @if let Some(client) = client { " of " b { (theirs(client)) } }
        @if let Some(route) = route { " on " b { (theirs(route)) } }
        " since " (plain(*since))
        @if let Some(until) = until { " until " (plain(*until)) }
    }
}

fn asked(query: &Query, filter: &EventFilter) -> Markup {
    let value = |name| query.value(name).unwrap_or_default();
    let since = query.value("since").unwrap_or("24h");
    html! {
        nav.quick aria-label="By status" {
            ul {
                @for status in [429_u16, 403, 401] {
                    li { a href={ "/events?status=" (status) "&since=" (encoded(since)) } aria-current=[(filter.status == Some(status)).then_some("true")] {
                        (status) " " (meaning(status))
                    } }
                }
                li { a href={ "/events?since=" (encoded(since)) } aria-current=[filter.status.is_none().then_some("true")] { "All" } }
            }
        }
        form.filter method="get" action="/events" role="search" aria-label="Events" {
            div { label for="f-status" { "Status" }
                select #f-status name="status" {
                    option value="" { "any" }
                    @for status in STATUSES { option value=(status) selected[filter.status == Some(status)] { (status) " " (meaning(status)) } }
                    @if let Some(other) = filter.status.filter(|status| !STATUSES.contains(status)) { option value=(other) selected { (other) } }
                }
            }
            div { label for="f-since" { "Since" }
                select #f-since name="since" { @for (id, name, _) in SPANS { option value=(id) selected[id == since] { (name) } } }
            }
            div { label for="f-from" { "From (UTC)" } input #f-from type="datetime-local" name="from" value=(theirs(value("from"))); }
            div { label for="f-to" { "To (UTC)" } input #f-to type="datetime-local" name="to" value=(theirs(value("to"))); }
            div { label for="f-code" { "Code" }
                select #f-code name="code" {
                    option value="" { "any" }
                    @for code in Code::ALL { option value=(code.id()) selected[filter.code.as_deref() == Some(code.id())] { (code.id()) } }
                }
            }
            div { label for="f-client" { "Client" } input #f-client name="client" size="14" value=(theirs(value("client"))); }
            div { label for="f-route" { "Route" } input #f-route name="route" size="16" value=(theirs(value("route"))); }
            button type="submit" { "Show" }
        }
    }
}

fn meaning(status: u16) -> &'static str {
    match status {
        429 => "too many",
        403 => "forbidden",
        401 => "unauthorized",
        400 => "bad request",
        404 => "not found",
        500 => "server error",
        502 => "bad gateway",
        503 => "unavailable",
        504 => "timeout",
        _ => "",
    }
}
