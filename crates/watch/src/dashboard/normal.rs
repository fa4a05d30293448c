//! What is normal: each hour beside the same hour of the days before.

use maud::{Markup, html};
use palisade_event::EventTime;

use super::chart::{Series, columns};
use super::words::{clock, date, number};
use crate::report::measure::{MEASURES, Measure};
use crate::store::{Cell, Store, StoreFault, Window};

const HOUR: u64 = 3_600_000_000;
/// Days that are compared with.
const DAYS: usize = 14;
/// Above so many times the usual, and at least [`LEAST`], an hour is pointed out.
const FACTOR: u64 = 3;
const LEAST: u64 = 10;

/// One measure's hours.
struct Hours {
    /// By hour, the running one last.
    counts: Vec<u64>,
}

pub(super) fn page(store: &mut Store, now: EventTime) -> Result<Markup, StoreFault> {
    let until = EventTime::from_micros((now.micros() / HOUR + 1) * HOUR);
    let window = Window::before(until, (DAYS as u64 * 24 + 1) * HOUR);
    let cells = store.cells(window, 60)?;
    let last = EventTime::from_micros(until.micros().saturating_sub(2 * HOUR));
    Ok(html! {
        p.lead {
            "The last whole hour, from " (clock(last)) ", beside the same hour of the " (DAYS) " days before. "
            "The detector learns its own baselines, by rule and group; what they compared stands in each incident."
        }
        div.scroll tabindex="0" role="region" aria-label="What is normal" {
            table.wide {
                caption.quiet { "Usual is the median; hours without any event count as zero" }
                thead {
                    tr {
                        th scope="col" { "Measure" } th.n scope="col" { "Last hour" } th.n scope="col" { "Usual" }
                        th.n scope="col" { "Least" } th.n scope="col" { "Most" } th.n scope="col" { "So far this hour" } th scope="col" { "Judgement" }
                    }
                }
                tbody { @for measure in MEASURES { (row(measure, &Hours::of(measure, &cells, window))) } }
            }
        }
        @for measure in MEASURES {
            section { h2 { (measure.name) ", by hour, seven days" } (plot(measure, &Hours::of(measure, &cells, window), window)) }
        }
    })
}

fn row(measure: &Measure, hours: &Hours) -> Markup {
    let (last, mut before) = (hours.ago(1), hours.same_hour());
    before.sort_unstable();
    let usual = before.get(before.len() / 2).copied().unwrap_or(0);
    // A running hour that is above it already is so at its end.
    let most = last.max(hours.ago(0));
    let unusual = most >= LEAST && most > usual.saturating_mul(FACTOR);
    html! {
        tr {
            th scope="row" { (measure.name) }
            td.n data-of="Last hour" { b { (number(last)) } }
            td.n data-of="Usual" { (number(usual)) }
            td.n data-of="Least" { (number(before.first().copied().unwrap_or(0))) }
            td.n data-of="Most" { (number(before.last().copied().unwrap_or(0))) }
            td.n data-of="So far this hour" { (number(hours.ago(0))) }
            td {
                @if unusual && !hours.has_history() { span.quiet { "no history yet" } }
                @else if unusual { span.late { "unusual" } }
                @else { span.quiet { "as usual" } }
            }
        }
    }
}

fn plot(measure: &Measure, hours: &Hours, window: Window) -> Markup {
    let skip = hours.counts.len().saturating_sub(7 * 24);
    let values: Vec<u64> = hours.counts.iter().skip(skip).copied().collect();
    let time = |at: usize| EventTime::from_micros(window.from.micros() + (at + skip) as u64 * HOUR);
    let labels: Vec<_> = (0..values.len()).map(|at| format!("{} {}", date(time(at)), clock(time(at)))).collect();
    let sum = format!("{} by hour over seven days: {} in all", measure.name, number(values.iter().sum()));
    columns(&sum, &labels, &[Series { name: measure.name, class: measure.class, values }])
}

// === impl Hours ===

impl Hours {
    fn of(measure: &Measure, cells: &[Cell], window: Window) -> Hours {
        let mut counts = vec![0; DAYS * 24 + 1];
        for cell in cells.iter().filter(|cell| (measure.counts)(cell)) {
            let at = cell.time.micros().saturating_sub(window.from.micros()) / HOUR;
            if let Some(count) = usize::try_from(at).ok().and_then(|at| counts.get_mut(at)) {
                *count += cell.count;
            }
        }
        Hours { counts }
    }

    /// Whether anything is known of the time before the last whole hour.
    fn has_history(&self) -> bool {
        self.counts.iter().rev().skip(2).any(|count| *count > 0)
    }

    /// So many hours before the running one.
    fn ago(&self, hours: usize) -> u64 {
        self.counts.iter().rev().nth(hours).copied().unwrap_or(0)
    }

    /// The hour before the running one, on each day before.
    fn same_hour(&self) -> Vec<u64> {
        self.counts.iter().rev().skip(1).step_by(24).skip(1).copied().collect()
    }
}
