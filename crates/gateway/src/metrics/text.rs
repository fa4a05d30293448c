//! The text format of Prometheus (exposition format 0.0.4).

use std::fmt::{Display, Write as _};
use std::sync::Arc;

use palisade_event::{Code, Kind};
use palisade_guard::Pressure;

use super::counters::{BOUNDS, CLASSES, Counters};
use super::process;
use crate::census::Totals;
use crate::upstream::Fleet;

/// Everything that is told at one time.
pub(crate) struct Scrape<'a> {
    pub(crate) threads: &'a [Arc<Counters>],
    pub(crate) fleet: &'a Fleet,
    pub(crate) now_micros: u64,
    pub(crate) connections: Totals,
    pub(crate) pressure: Pressure,
    pub(crate) buffered_bytes: u64,
    pub(crate) events_dropped: u64,
    pub(crate) reloads: [(&'static str, u64); 2],
    pub(crate) reloaded_seconds: u64,
    pub(crate) ready: bool,
}

/// The page.
pub(crate) fn render(scrape: &Scrape<'_>) -> String {
    let mut page = Page::default();
    requests(&mut page, scrape);
    upstreams(&mut page, scrape);
    connections(&mut page, scrape);
    policy(&mut page, scrape);
    process::render(&mut page.text);
    page.text
}

fn requests(page: &mut Page, scrape: &Scrape<'_>) {
    let sum = |read: &dyn Fn(&Counters) -> u64| scrape.threads.iter().map(|thread| read(thread)).sum::<u64>();
    page.family("palisade_requests_total", "counter", "Requests answered, by kind of route and class of status.");
    for kind in Kind::ALL.into_iter().map(Some).chain([None]) {
        for (index, class) in CLASSES.iter().enumerate() {
            let count = sum(&|thread| thread.requests(kind, index));
            let kind = kind.map_or("none", Kind::id);
            page.counted(&[("kind", kind), ("status", class)], count);
        }
    }
    page.family("palisade_refusals_total", "counter", "Requests that the gate answered with a refusal, by code.");
    for code in Code::ALL {
        page.counted(&[("code", code.id())], sum(&|thread| thread.refusals(*code)));
    }
    page.family("palisade_would_refuse_total", "counter", "Observed requests that enforcing would refuse, by code.");
    for code in Code::ALL {
        page.counted(&[("code", code.id())], sum(&|thread| thread.would_refuse(*code)));
    }
}

fn upstreams(page: &mut Page, scrape: &Scrape<'_>) {
    let threads = scrape.threads;
    page.family("palisade_upstream_duration_seconds", "histogram", "Time to the head of the application's answer.");
    let mut total = 0;
    let bounds = BOUNDS.iter().map(|(_, text)| *text).chain(["+Inf"]);
    for (index, bound) in bounds.enumerate() {
        total += threads.iter().map(|thread| thread.upstream.bucket(index)).sum::<u64>();
        page.suffixed("_bucket", &[("le", bound)], total);
    }
    let micros: u64 = threads.iter().map(|thread| thread.upstream.sum_micros()).sum();
    page.suffixed("_sum", &[], format_args!("{}.{:06}", micros / 1_000_000, micros % 1_000_000));
    page.suffixed("_count", &[], total);
    let retries: u64 = threads.iter().map(|thread| thread.retries.read()).sum();
    page.one("palisade_upstream_retries_total", "counter", "Requests that were sent a second time.", retries);
    let seats = || scrape.fleet.seats.iter().map(|seat| (seat.origin.authority.as_str(), seat));
    page.family("palisade_upstream_up", "gauge", "Whether the upstream may be sent requests.");
    for (name, seat) in seats() {
        page.sample(&[("upstream", name)], u8::from(seat.vital.is_well(scrape.now_micros)));
    }
    page.family(
        "palisade_upstream_requests_total",
        "counter",
        "Requests sent to the upstream, repeated ones included.",
    );
    for (name, seat) in seats() {
        page.sample(&[("upstream", name)], seat.tallies.iter().map(|tally| tally.requests.read()).sum::<u64>());
    }
    page.family("palisade_upstream_connect_failures_total", "counter", "Connections that could not be opened.");
    for (name, seat) in seats() {
        page.sample(&[("upstream", name)], seat.tallies.iter().map(|tally| tally.failures.read()).sum::<u64>());
    }
}

fn connections(page: &mut Page, scrape: &Scrape<'_>) {
    let Totals { open, tunnels, accepted, refused } = scrape.connections;
    page.one("palisade_connections", "gauge", "Client connections that are open.", open);
    page.one("palisade_tunnels", "gauge", "WebSocket tunnels that are open.", tunnels);
    page.one("palisade_connections_total", "counter", "Client connections that were accepted.", accepted);
    let help = "Client connections that were closed at once for want of room.";
    page.one("palisade_connections_refused_total", "counter", help, refused);
    let help = "Bytes that are held in memory for requests.";
    page.one("palisade_buffered_bytes", "gauge", help, scrape.buffered_bytes);
    let Pressure { evictions, overflows } = scrape.pressure;
    let help = "Clients with a debt that gave way to others in a full limiter table.";
    page.one("palisade_limiter_evictions_total", "counter", help, evictions);
    let help = "Requests charged to the shared cell of a limiter table full of refused clients.";
    page.one("palisade_limiter_overflow_total", "counter", help, overflows);
    let help = "Requests whose events were dropped because nobody took them.";
    page.one("palisade_events_dropped_total", "counter", help, scrape.events_dropped);
}

fn policy(page: &mut Page, scrape: &Scrape<'_>) {
    let generation = scrape.threads.iter().map(|thread| thread.generation.read()).min().unwrap_or(0);
    let help = "Which policy every thread serves by at least; 1 is that of the start.";
    page.one("palisade_policy_generation", "gauge", help, generation);
    page.family("palisade_policy_reloads_total", "counter", "Attempts to reload the policy, by outcome.");
    for (outcome, count) in scrape.reloads {
        page.sample(&[("outcome", outcome)], count);
    }
    let help = "When the policy in force was loaded, in seconds since 1970.";
    page.one("palisade_policy_loaded_timestamp_seconds", "gauge", help, scrape.reloaded_seconds);
    page.one("palisade_ready", "gauge", "Whether /readyz says so.", u8::from(scrape.ready));
    page.family("palisade_build_info", "gauge", "Always 1; the label says which version runs.");
    page.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
}

/// The page, and the name of the family that is being written.
#[derive(Default)]
struct Page {
    text: String,
    name: &'static str,
}

impl Page {
    fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.name = name;
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn one(&mut self, name: &'static str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(&[], value);
    }

    /// A sample of the family that was begun last.
    fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.suffixed("", labels, value);
    }

    /// As [`Page::sample`], unless nothing was counted: most kinds and codes never occur.
    fn counted(&mut self, labels: &[(&str, &str)], value: u64) {
        if value > 0 {
            self.sample(labels, value);
        }
    }

    fn suffixed(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.text, "{}{suffix}", self.name);
        for (index, (name, value)) in labels.iter().enumerate() {
            let _ = write!(self.text, "{}{name}=\"{value}\"", if index == 0 { '{' } else { ',' });
        }
        let _ = writeln!(self.text, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}
