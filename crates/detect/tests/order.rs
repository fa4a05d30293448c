//! The same events give the same incidents: in any order within the lateness, over any number of shards, every time.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::sync::Arc;

use palisade_detect::{BUILT_IN, Engine, Rules, Settings};
use palisade_diag::FileId;
use palisade_event::{EventTime, decode};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

const RULES: &str = r"
id: count
detection: {x: {http.response.status_code: 429}, condition: x}
correlation: {type: event_count, group-by: [client.key], timespan: 20s, condition: {gte: 3}}
keep_firing_for: 10s
cooldown: 30s
---
id: few
detection: {x: {http.response.status_code: 429}, condition: x}
correlation: {type: event_count, group-by: [client.key], timespan: 15s, condition: {lt: 2}}
---
id: different
detection: {x: {http.response.status_code|gte: 400}, condition: x}
correlation: {type: value_count, timespan: 20s, condition: {field: url.path, gte: 4}}
---
id: share
detection: {bad: {http.response.status_code|gte: 500}, all_of: {http.response.status_code|gte: 100}}
correlation: {type: ratio, of: bad, over: all_of, timespan: 30s, min_total: 5, condition: {gt: 0.3}}
for: 3s
---
id: steps
detection: {a: {http.response.status_code: 401}, b: {http.response.status_code: 403}}
correlation: {type: temporal_ordered, rules: [a, b], group-by: [client.key], timespan: 20s, at_least: {a: 2, b: 2}}
---
id: missing
detection: {a: {http.response.status_code: 403}, b: {http.response.status_code: 200}}
correlation: {type: temporal, rules: [a, b], group-by: [client.key], timespan: 12s, condition: a and not b, at_least: {a: 2}}
---
id: unanswered
detection: {a: {http.response.status_code: 500}, b: {http.response.status_code: 200}}
correlation: {type: absence, rules: [a], expect: b, group-by: [client.key], timespan: 9s}
---
id: spike
detection: {x: {http.response.status_code: 429}, condition: x}
correlation: {type: baseline, bucket: 10s, history: 60s, warmup: 2, factor: 2, min_count: 5}
---
id: new
detection: {x: {http.response.status_code|gte: 400}, condition: x}
correlation: {type: new_value, field: url.path, learn_for: 20s, min_count: 2}
---
id: sum
detection: {x: {http.response.status_code|gte: 400}, condition: x}
correlation: {type: value_sum, group-by: [client.key], timespan: 20s, condition: {field: http.response.status_code, gt: 1200}}
---
id: average
detection: {x: {http.response.status_code|gte: 100}, condition: x}
correlation: {type: value_avg, timespan: 20s, condition: {field: http.response.status_code, gte: 400}, min_count: 3}
---
id: percentile
detection: {x: {http.response.status_code|gte: 100}, condition: x}
correlation: {type: value_percentile, timespan: 30s, condition: {field: http.response.status_code, percentile: 90, gte: 420}, min_count: 4}
";

const LATENESS: u64 = 10;

/// An event: its second, client, path and status, by number.
type Short = (u64, u8, u8, u16);

fn line(&(second, client, path, status): &Short) -> Vec<u8> {
    let mut line = b"{\"timestamp\":\"".to_vec();
    palisade_event::rfc3339(1_780_315_200_000_000 + second * 1_000_000, &mut line);
    line.extend_from_slice(
        format!("\",\"client.address\":\"203.0.113.{client}\",\"url.path\":\"/p{path}\",\"http.response.status_code\":{status}}}").as_bytes(),
    );
    line
}

fn incidents(rules: &Arc<Rules>, events: &[Short], shards: usize, seed: u64) -> Vec<u8> {
    let settings = Settings { lateness_seconds: LATENESS, shards, seed, ..Settings::default() };
    let mut engine = Engine::new(Arc::clone(rules), settings);
    let mut out = Vec::new();
    for event in events {
        let line = line(event);
        engine.observe(&decode(&line).expect("an event"), None, &mut out);
    }
    engine.finish(&mut out);
    assert_eq!(engine.counters().late, 0);
    let mut bytes = Vec::new();
    out.iter().for_each(|incident| incident.encode(&mut bytes));
    bytes
}

fn events() -> impl Strategy<Value = Vec<Short>> {
    let status = prop::sample::select(vec![200u16, 401, 403, 429, 429, 500]);
    prop::collection::vec((0u64..4, 0u8..4, 0u8..5, status), 1..80).prop_map(|steps| {
        let mut second = 0;
        steps
            .into_iter()
            .map(|(gap, client, path, status)| {
                second += gap;
                (second, client, path, status)
            })
            .collect()
    })
}

fn rules() -> Arc<Rules> {
    Arc::new(Rules::parse(&[(FileId(0), RULES)]).expect("rules").0)
}

/// All that is told if the engine ends before event `at`, and goes on: as it is, or as it was written down and read again.
fn with_an_end(rules: &Arc<Rules>, events: &[Short], at: usize, restart: bool) -> Vec<u8> {
    let settings = Settings { lateness_seconds: LATENESS, shards: 2, ..Settings::default() };
    let mut engine = Engine::new(Arc::clone(rules), settings);
    let mut out = Vec::new();
    for (nth, event) in events.iter().enumerate() {
        if nth == at {
            engine.finish(&mut out);
            if restart {
                let other = Settings { seed: 99, shards: 1, ..settings };
                engine = Engine::restore(Arc::clone(rules), other, &engine.save()).expect("what was saved");
            }
        }
        engine.observe(&decode(&line(event)).expect("an event"), None, &mut out);
    }
    engine.finish(&mut out);
    let mut bytes = Vec::new();
    out.iter().for_each(|incident| incident.encode(&mut bytes));
    bytes
}

#[test]
fn what_is_damaged_or_of_other_rules_is_not_restored() {
    let (rules, settings) = (rules(), Settings::default());
    let mut engine = Engine::new(Arc::clone(&rules), settings);
    for event in [(0, 1, 1, 429), (1, 1, 2, 429), (2, 2, 1, 500)] {
        engine.observe(&decode(&line(&event)).expect("an event"), None, &mut Vec::new());
    }
    engine.finish(&mut Vec::new());
    let saved = engine.save();
    let restore = |bytes: &[u8]| Engine::restore(Arc::clone(&rules), settings, bytes).err();
    assert_eq!(restore(&saved), None);
    for at in (0..saved.len()).step_by(97) {
        assert!(restore(&saved[..at]).is_some(), "cut at {at}");
        let mut changed = saved.clone();
        changed[at] ^= 1;
        assert!(restore(&changed).is_some(), "changed at {at}");
    }
    let other = Arc::new(Rules::parse(&[(FileId(0), &RULES.replace("gte: 3", "gte: 4"))]).expect("rules").0);
    assert_eq!(Engine::restore(other, settings, &saved).err(), Some(palisade_detect::BadState::Rules));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn a_restart_changes_nothing(events in events(), at in 0usize..80) {
        let rules = rules();
        let at = at % events.len();
        prop_assert_eq!(with_an_end(&rules, &events, at, true), with_an_end(&rules, &events, at, false));
    }

    #[test]
    fn shards_and_order_within_the_lateness_change_nothing(events in events(), moves in prop::collection::vec(0u64..LATENESS, 80)) {
        let rules = rules();
        let expected = incidents(&rules, &events, 1, 7);
        prop_assert_eq!(&incidents(&rules, &events, 1, 7), &expected, "again");
        for shards in [2, 4] {
            prop_assert_eq!(&incidents(&rules, &events, shards, 7), &expected, "{} shards", shards);
        }
        // Each event is held up by less than the lateness.
        let mut shuffled: Vec<_> = events.iter().zip(moves).map(|(event, by)| (event.0 + by, *event)).collect();
        shuffled.sort_by_key(|(arrives, _)| *arrives);
        let shuffled: Vec<_> = shuffled.into_iter().map(|(_, event)| event).collect();
        prop_assert_eq!(&incidents(&rules, &shuffled, 4, 7), &expected, "shuffled, over shards");
    }
}

#[test]
fn every_type_fires_on_some_of_these_streams() {
    let rules = rules();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..60 {
        let events = events().new_tree(&mut runner).expect("events").current();
        let text = String::from_utf8(incidents(&rules, &events, 1, 7)).expect("json");
        seen.extend(
            rules
                .rules()
                .iter()
                .map(|rule| rule.id().to_owned())
                .filter(|id| text.contains(&format!("\"rule\":\"{id}\""))),
        );
    }
    let all: Vec<_> = rules.rules().iter().map(|rule| rule.id().to_owned()).collect();
    let silent: Vec<_> = all.iter().filter(|id| !seen.contains(*id)).collect();
    assert!(silent.is_empty(), "the property says nothing of {silent:?}");
}

#[test]
fn a_late_event_is_counted_and_nothing_more() {
    let rules = rules();
    let mut engine = Engine::new(rules, Settings { lateness_seconds: LATENESS, ..Settings::default() });
    let mut out = Vec::new();
    // Two refusals, then the clock goes on by a minute, then three that are a minute old: they would make five.
    for event in
        [(100, 1, 1, 429), (101, 1, 1, 429), (160, 2, 2, 200), (102, 1, 1, 429), (102, 1, 1, 429), (102, 1, 1, 429)]
    {
        engine.observe(&decode(&line(&event)).expect("an event"), None, &mut out);
    }
    engine.finish(&mut out);
    assert_eq!(engine.counters().late, 3);
    assert!(!out.iter().any(|incident| &*incident.rule == "count"), "{out:?}");
}

#[test]
fn a_stamp_ahead_of_the_clock_becomes_the_clock() {
    let rules = rules();
    let mut engine = Engine::new(rules, Settings { lateness_seconds: LATENESS, ..Settings::default() });
    let mut out = Vec::new();
    let now = |second: u64| Some(EventTime::from_micros((1_780_315_200 + second) * 1_000_000));
    // A client that claims to live in the future would otherwise make everybody else late.
    engine.observe(&decode(&line(&(90_000, 9, 1, 200))).expect("an event"), now(5), &mut out);
    for second in 5..8 {
        engine.observe(&decode(&line(&(second, 1, 1, 429))).expect("an event"), now(second), &mut out);
    }
    engine.finish(&mut out);
    assert_eq!((engine.counters().ahead, engine.counters().late), (1, 0));
    assert!(out.iter().any(|incident| &*incident.rule == "count"));
}

#[test]
fn memory_is_bounded_and_what_was_forgotten_is_not_missed() {
    let rules = Arc::new(Rules::parse(&[(FileId(0), RULES)]).expect("rules").0);
    let mut engine = Engine::new(Arc::clone(&rules), Settings { lateness_seconds: 0, ..Settings::default() });
    let mut out = Vec::new();
    // 200,000 clients fetch, so that every table is full; then each of them is refused twice.
    let event = |client: u32, second: u64, status: u16| {
        let mut line = b"{\"timestamp\":\"".to_vec();
        palisade_event::rfc3339(1_780_315_200_000_000 + second * 1_000_000, &mut line);
        let [_, a, b, c] = client.to_be_bytes();
        line.extend_from_slice(
            format!(
                "\",\"client.address\":\"10.{a}.{b}.{c}\",\"url.path\":\"/\",\"http.response.status_code\":{status}}}"
            )
            .as_bytes(),
        );
        line
    };
    for client in 0..100_000 {
        engine.observe(&decode(&event(client, 100, 200)).expect("an event"), None, &mut out);
    }
    for client in 0..100_000 {
        for _ in 0..2 {
            engine.observe(&decode(&event(client, 103, 403)).expect("an event"), None, &mut out);
        }
    }
    engine.finish(&mut out);
    let at = rules.rules().iter().position(|rule| rule.id() == "missing").expect("the rule");
    let tables = engine.tables(at);
    assert!(tables.live <= 65_536, "{tables:?}");
    assert!(tables.evicted + tables.refused > 30_000, "{tables:?}");
    let wrong = out.iter().filter(|incident| &*incident.rule == "missing").count();
    assert_eq!(wrong, 0, "every client had fetched; nobody may be said not to have");
}

#[test]
fn the_built_in_rules_agree_over_shards_on_a_mixed_stream() {
    let files: Vec<_> =
        BUILT_IN.iter().enumerate().map(|(at, (_, text))| (FileId(u16::try_from(at).expect("few")), *text)).collect();
    let rules = Arc::new(Rules::parse(&files).expect("rules").0);
    let mut events = Vec::new();
    for n in 0..20_000u64 {
        let status = [200, 200, 429, 401, 403, 500, 404][usize::try_from(n * n % 7).expect("small")];
        events.push((n / 8, u8::try_from(n * 31 % 97).expect("small"), u8::try_from(n % 11).expect("small"), status));
    }
    let expected = incidents(&rules, &events, 1, 1);
    assert!(expected.len() > 1000, "something is found");
    for shards in [2, 4] {
        assert!(incidents(&rules, &events, shards, 1) == expected, "{shards} shards");
    }
}
