//! Equal refusals of one second, told once and counted.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use palisade_event::{ClientKey, Code, Event, Field};

use super::notice;

/// Pairs of client and code in a second.
const MAX_PAIRS: usize = 4096;
/// Bytes of lines that are kept until the end of the second.
const MAX_HELD: usize = 1 << 20;
const SECOND_MICROS: u64 = 1_000_000;

/// The crowd lane of one thread. Bounded: beyond [`MAX_PAIRS`] or [`MAX_HELD`] refusals are only counted.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    /// When the second began, by the stopwatch.
    began: u64,
    pairs: HashMap<(ClientKey, Option<Code>), Pair>,
    held: usize,
    other: u64,
    other_since: u64,
}

#[derive(Debug, Default)]
struct Pair {
    /// Requests since the first.
    count: u32,
    /// The line of the first counted.
    line: Box<[u8]>,
}

// === impl Crowd ===

impl Crowd {
    /// Takes note of a refusal; appends its line if it is the first of its pair in this second.
    pub(crate) fn take(&mut self, event: &Event<'_>, quiet: bool, mono_micros: u64, out: &mut Vec<u8>) {
        self.turn(mono_micros, out);
        if self.is_empty() {
            self.began = mono_micros;
        }
        let full = self.pairs.len() >= MAX_PAIRS || self.held >= MAX_HELD;
        match self.pairs.entry((event.client, event.code)) {
            Entry::Occupied(mut pair) => {
                let pair = pair.get_mut();
                if pair.count == 0 {
                    if self.held >= MAX_HELD {
                        return self.count_other(event);
                    }
                    self.held += pair.hold(event);
                }
                pair.count = pair.count.saturating_add(1);
            }
            Entry::Vacant(_) if full => self.count_other(event),
            Entry::Vacant(place) if quiet => {
                let pair = place.insert(Pair { count: 1, line: Box::default() });
                self.held += pair.hold(event);
            }
            Entry::Vacant(place) => {
                place.insert(Pair::default());
                event.encode(out);
            }
        }
    }

    /// Tells what was counted, if the second is over.
    pub(crate) fn turn(&mut self, mono_micros: u64, out: &mut Vec<u8>) {
        if mono_micros.saturating_sub(self.began) >= SECOND_MICROS {
            self.tell(out);
        }
    }

    /// Tells what was counted; a new second begins with the next refusal.
    pub(crate) fn tell(&mut self, out: &mut Vec<u8>) {
        for (_, pair) in self.pairs.drain() {
            pair.tell(out);
        }
        self.held = 0;
        if self.other > 0 {
            notice(out, self.other_since, "\"other\"", self.other);
            self.other = 0;
        }
    }

    /// Whether nothing is remembered of this second.
    pub(crate) fn is_empty(&self) -> bool {
        self.pairs.is_empty() && self.other == 0
    }

    fn count_other(&mut self, event: &Event<'_>) {
        if self.other == 0 {
            self.other_since = event.time_micros;
        }
        self.other += 1;
    }
}

// === impl Pair ===

impl Pair {
    /// Keeps the event's line; says how long it is.
    fn hold(&mut self, event: &Event<'_>) -> usize {
        let mut line = Vec::with_capacity(512);
        // The line will stand for requests of several callers of that client.
        Event { user: None, ..*event }.encode(&mut line);
        self.line = line.into();
        self.line.len()
    }

    fn tell(self, out: &mut Vec<u8>) {
        match self.count {
            0 => {}
            1 => out.extend_from_slice(&self.line),
            count => {
                // The count is the last field of an event, so it can be added when it is known.
                out.extend_from_slice(self.line.strip_suffix(b"}\n").unwrap_or(&self.line));
                out.extend_from_slice(format!(",\"{}\":{count}}}\n", Field::Count.name()).as_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_event::{Decision, Stage};

    fn refusal(client: u32, code: Code, time_micros: u64) -> Event<'static> {
        let address = std::net::IpAddr::V4(client.into());
        Event {
            time_micros,
            service: "shop",
            decision: Decision::Refuse,
            stage: Some(Stage::Target),
            code: Some(code),
            kind: None,
            route: None,
            method: "GET",
            path: "/%61",
            status: 400,
            client_address: address,
            client: ClientKey::of(address),
            request_id: "01J00000000000000000000000",
            user_agent: None,
            session: None,
            duration_micros: 1,
            tags: 0,
            signals: 0,
            user: None,
            outcome: None,
            fields: None,
            report: None,
            attributable: true,
            run: None,
            count: 1,
        }
    }

    fn lines(out: &[u8]) -> Vec<serde_json::Value> {
        let text = std::str::from_utf8(out).expect("utf-8");
        text.lines().map(|line| serde_json::from_str(line).expect("json")).collect()
    }

    fn sum(out: &[u8]) -> u64 {
        lines(out)
            .iter()
            .map(|line| line.get("palisade.count").map_or(1, |count| count.as_u64().expect("number")))
            .sum()
    }

    #[test]
    fn the_first_is_told_at_once_and_the_rest_as_one_line() {
        let (mut crowd, mut out) = (Crowd::default(), Vec::new());
        for at in 0..10 {
            crowd.take(&refusal(1, Code::PathMalformed, 100 + at), false, 5_000_000 + at, &mut out);
        }
        crowd.take(&refusal(1, Code::RouteUndeclared, 200), false, 5_000_000, &mut out);
        crowd.take(&refusal(2, Code::PathMalformed, 300), false, 5_000_000, &mut out);
        assert_eq!(lines(&out).len(), 3);
        crowd.turn(5_999_999, &mut out);
        assert_eq!(lines(&out).len(), 3);
        crowd.turn(6_000_000, &mut out);
        assert!(crowd.is_empty());
        let mut expect = Vec::new();
        Event { count: 9, ..refusal(1, Code::PathMalformed, 101) }.encode(&mut expect);
        assert_eq!(lines(&out)[3], lines(&expect)[0]);
        assert_eq!(sum(&out), 12);
        crowd.take(&refusal(1, Code::PathMalformed, 400), false, 6_000_001, &mut out);
        assert_eq!(lines(&out).len(), 5);
    }

    #[test]
    fn quiet_refusals_are_told_as_a_sum_only() {
        let (mut crowd, mut out) = (Crowd::default(), Vec::new());
        for at in 0..3 {
            crowd.take(&refusal(1, Code::PathMalformed, at), true, at, &mut out);
        }
        assert!(out.is_empty());
        crowd.tell(&mut out);
        assert_eq!((lines(&out).len(), sum(&out)), (1, 3));
    }

    #[test]
    fn beyond_its_bounds_everything_is_still_counted() {
        let (mut crowd, mut out) = (Crowd::default(), Vec::new());
        let clients = 3 * u32::try_from(MAX_PAIRS).expect("small");
        for round in 0..3 {
            for client in 0..clients {
                crowd.take(&refusal(client, Code::PathMalformed, round), false, 0, &mut out);
            }
        }
        assert!(crowd.pairs.len() <= MAX_PAIRS && crowd.held < MAX_HELD + 4096);
        crowd.tell(&mut out);
        assert_eq!(sum(&out), u64::from(3 * clients));
        assert_eq!(lines(&out).iter().filter(|line| line["palisade.notice"] == "other").count(), 1);
    }
}
