//! Rules: how often each fired, and what it holds in memory.

use maud::{Markup, html};
use palisade_event::EventTime;

use super::About;
use super::query::encoded;
use super::words::{number, priority, theirs, when};
use crate::store::{Store, StoreFault};

const WEEK: u64 = 7 * 86_400_000_000;

pub(super) fn page(store: &mut Store, about: &About, now: EventTime) -> Result<Markup, StoreFault> {
    let fired = store.fired(EventTime::from_micros(now.micros().saturating_sub(WEEK)))?;
    let held = about.insight.held();
    let evicted: u64 = held.iter().flat_map(|held| &held.tables).map(|tables| tables.evicted + tables.refused).sum();
    Ok(html! {
        @match &held {
            Some(held) => p.lead {
                "The detector of this gate has seen " b { (number(held.counters.events)) } " events, "
                (number(held.counters.late)) " of them too late, and gave up the state of " b { (number(evicted)) }
                " groups for others, as of " (when(held.at, now)) "."
            },
            None => p.lead { "No detector runs in this process; what fired is told by the store." },
        }
        div.scroll tabindex="0" role="region" aria-label="Rules" {
            table.wide {
                caption.quiet { "Rules, with incidents of seven days; groups and evictions are of this process" }
                thead {
                    tr {
                        th scope="col" { "Rule" } th scope="col" { "Level" } th scope="col" { "Counts by" } th scope="col" { "Mode" }
                        th.n scope="col" { "Fired" } th.n scope="col" { "Open" } th.n scope="col" { "Events" } th scope="col" { "Last" }
                        th.n scope="col" { "Groups" } th.n scope="col" { "Evicted" }
                    }
                }
                tbody {
                    @for (at, rule) in about.rules.rules().iter().enumerate() {
                        @let fired = fired.iter().find(|fired| fired.rule == rule.id());
                        @let tables = held.as_ref().and_then(|held| held.tables.get(at)).copied().unwrap_or_default();
                        @let evicted = tables.evicted + tables.refused;
                        tr {
                            th scope="row" {
                                (theirs(rule.title())) br;
                                span.quiet { (theirs(rule.id())) @if !rule.owasp().is_empty() { " · OWASP " (theirs(rule.owasp())) } }
                            }
                            td { (priority(rule.priority())) }
                            td data-of="Counts by" { (rule.kind()) }
                            td data-of="Mode" { (rule.mode().id()) }
                            td.n data-of="Fired" { @match fired { Some(fired) => a href={ "/incidents?rule=" (encoded(rule.id())) } { (number(fired.incidents)) }, None => span.none { "0" } } }
                            td.n data-of="Open" { (number(fired.map_or(0, |fired| fired.open))) }
                            td.n data-of="Events" { (number(fired.map_or(0, |fired| fired.events))) }
                            td.t data-of="Last" { @if let Some(fired) = fired { (when(fired.last, now)) } }
                            td.n data-of="Groups" { (number(tables.live)) }
                            td.n data-of="Evicted" { @if evicted > 0 { b.late { (number(evicted)) } } @else { "0" } }
                        }
                    }
                }
            }
        }
        p.hint { code { "palisade rules explain RULE LOG" } " says why a rule did, or did not, fire." }
    })
}
