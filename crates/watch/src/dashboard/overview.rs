//! The front page: the last hour, and what waits for somebody.

use std::collections::HashMap;

use maud::{Markup, html};
use palisade_event::{Code, EventTime, State};

use super::About;
use super::chart::{Series, bar, columns};
use super::incidents::table;
use super::query::encoded;
use super::words::{clock, number, percent, theirs};
use crate::store::{Cell, IncidentFilter, Share, Store, StoreFault, Window};

const MINUTE: u64 = 60_000_000;
const MINUTES: usize = 60;
/// Names in a list.
const TOP: usize = 8;
/// Incidents that wait, on this page.
const WAITING: usize = 6;

/// The whole page.
pub(super) fn page(store: &mut Store, about: &About, now: EventTime) -> Result<Markup, StoreFault> {
    Ok(html! { div #live { (live(store, about, now)?) } })
}

/// What changes while somebody looks.
pub(super) fn live(store: &mut Store, about: &About, now: EventTime) -> Result<Markup, StoreFault> {
    // The running minute too: what happens now is seen now.
    let until = EventTime::from_micros((now.micros() / MINUTE + 1) * MINUTE);
    let window = Window::before(until, MINUTES as u64 * MINUTE);
    let (cells, clients, routes) = (store.cells(window, 1)?, store.clients(window)?, store.routes(window)?);
    let filter = IncidentFilter { state: Some(State::Open), limit: WAITING, ..IncidentFilter::default() };
    let waiting = store.incidents(&filter)?;
    let sum =
        |wanted: fn(u16) -> bool| cells.iter().filter(|cell| wanted(cell.status)).map(|cell| cell.count).sum::<u64>();
    let (all, refused, failed) = (sum(|status| status != 0), sum(is_refused), sum(|status| status >= 500));
    Ok(html! {
        dl.figures {
            (figure("Requests, last hour", &number(all), None))
            (figure("Refused", &number(refused), Some(&percent(refused, all))))
            (figure("Too many (429)", &number(sum(|status| status == 429)), None))
            (figure("Forbidden (403)", &number(sum(|status| status == 403)), None))
            (figure("Unauthorized (401)", &number(sum(|status| status == 401)), None))
            (figure("Server errors", &number(failed), Some(&percent(failed, all))))
        }
        section aria-labelledby="traffic" {
            h2 #traffic { "Traffic, by minute" }
            (traffic(&cells, window, all, refused, failed))
        }
        section aria-labelledby="waiting" {
            h2 #waiting { "Waiting for somebody" }
            @if waiting.is_empty() {
                p.empty { "No open incident." }
            } @else {
                (table(&waiting, about, now, "Open incidents, the latest first"))
                p { a href="/incidents?state=open" { "All open incidents" } }
            }
        }
        div.columns {
            (codes(&cells))
            (top("Clients refused most", "Client", &clients_top(&clients), "client"))
            (top("Routes refused or failing most", "Route", &routes_top(&routes), "route"))
            (top("Countries refused most", "Country", &countries_top(&cells), ""))
        }
    })
}

fn is_refused(status: u16) -> bool {
    (400..500).contains(&status)
}

fn figure(name: &str, value: &str, share: Option<&str>) -> Markup {
    html! { div { dt { (name) } dd { (value) @if let Some(share) = share { " " span.share { (share) } } } } }
}

fn traffic(cells: &[Cell], window: Window, all: u64, refused: u64, failed: u64) -> Markup {
    let step = |at: usize| EventTime::from_micros(window.from.micros() / MINUTE * MINUTE + at as u64 * MINUTE);
    let labels: Vec<_> = (0..MINUTES).map(|at| clock(step(at))).collect();
    let series = |name, class, wanted: fn(u16) -> bool| {
        let mut values = vec![0; MINUTES];
        for cell in cells.iter().filter(|cell| wanted(cell.status)) {
            let at = cell.time.micros().saturating_sub(step(0).micros()) / MINUTE;
            if let Some(value) = usize::try_from(at).ok().and_then(|at| values.get_mut(at)) {
                *value += cell.count;
            }
        }
        Series { name, class, values }
    };
    let said = format!(
        "Requests of the last hour by minute: {} in all, {} refused, {} server errors",
        number(all),
        number(refused),
        number(failed)
    );
    let passed = series("Passed", "c-pass", |status| status != 0 && status < 400);
    let held = series("Refused", "c-held", is_refused);
    let errors = series("Server errors", "c-bad", |status| status >= 500);
    columns(&said, &labels, &[errors, held, passed])
}

fn codes(cells: &[Cell]) -> Markup {
    let named = cells.iter().filter(|cell| !cell.code.is_empty());
    let codes = ranked(named.map(|cell| (cell.code.as_str(), cell.count)));
    let most = codes.first().map_or(0, |(_, count)| *count);
    html! {
        section {
            table {
                caption { "Refusals and faults by code" }
                thead { tr { th scope="col" { "Code" } th.n scope="col" { "Status" } th.n scope="col" { "Count" } th aria-hidden="true" {} } }
                tbody {
                    @if codes.is_empty() { tr { td.empty colspan="4" { "Nothing was refused." } } }
                    @for (code, count) in codes.iter().take(TOP + 4) {
                        tr {
                            th scope="row" { a href={ "/events?code=" (encoded(code)) } { (theirs(code)) } }
                            td.n { (Code::from_id(code).map_or(0, Code::status)) }
                            td.n { (number(*count)) }
                            td.bars { (bar(*count, most)) }
                        }
                    }
                }
            }
        }
    }
}

/// Names with counts; each leads to its events where these can be asked for.
fn top(caption: &str, what: &str, list: &[(&str, u64)], field: &str) -> Markup {
    let most = list.first().map_or(0, |(_, count)| *count);
    html! {
        section {
            table {
                caption { (caption) }
                thead { tr { th scope="col" { (what) } th.n scope="col" { "Count" } th aria-hidden="true" {} } }
                tbody {
                    @if list.is_empty() { tr { td.empty colspan="3" { "None." } } }
                    @for (name, count) in list.iter().take(TOP) {
                        tr {
                            th scope="row" {
                                @if field.is_empty() { (theirs(name)) }
                                @else { a href={ "/events?" (field) "=" (encoded(name)) } { (theirs(name)) } }
                            }
                            td.n { (number(*count)) }
                            td.bars { (bar(*count, most)) }
                        }
                    }
                }
            }
        }
    }
}

fn clients_top(clients: &[Share]) -> Vec<(&str, u64)> {
    ranked(clients.iter().filter(|share| share.status >= 400).map(|share| (share.name.as_str(), share.count)))
}

fn routes_top(routes: &[Share]) -> Vec<(&str, u64)> {
    ranked(routes.iter().filter(|share| share.status >= 400).map(|share| (share.name.as_str(), share.count)))
}

fn countries_top(cells: &[Cell]) -> Vec<(&str, u64)> {
    let named = cells.iter().filter(|cell| cell.status >= 400 && !cell.country.is_empty());
    ranked(named.map(|cell| (cell.country.as_str(), cell.count)))
}

/// Sums of names, the greatest first, then by name.
pub(crate) fn ranked<'a>(counts: impl Iterator<Item = (&'a str, u64)>) -> Vec<(&'a str, u64)> {
    let mut sums: HashMap<&str, u64> = HashMap::new();
    for (name, count) in counts {
        *sums.entry(name).or_default() += count;
    }
    let mut list: Vec<_> = sums.into_iter().collect();
    list.sort_unstable_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(other.0)));
    list
}
