//! Every pattern of the guide once, among people who mean no harm, in traffic of which the truth is known. The same
//! requests are told as events of the gate and as nginx's combined log.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops where its ground is missing, and says why"
)]

use std::sync::{Arc, LazyLock};

use palisade_detect::{BUILT_IN, Engine, Rules, Settings};
use palisade_diag::FileId;
use palisade_event::{Field, Incident, Priority, Seen};
use palisade_sim::{DAY_MICROS, FIRST_DAY, QUIET_DAYS, Request, Truth, attack_day, quiet_day};
use palisade_watch::lines::{Enrich, Format, Reader};

/// Pages that people load on a day. What is notable of a day is the same however many there are.
const PAGES: u64 = 500;
/// On the day without attacks there are more visitors.
const BUSY: u64 = 20_000;
const MINUTE: u64 = 60_000_000;
/// An incident may be told this much after the last request of its pattern.
const AFTER: u64 = 5 * MINUTE;

/// What the rules said of the same traffic, read in two ways.
struct Told {
    truths: Vec<Truth>,
    gate: Vec<Incident>,
    combined: Vec<Incident>,
}

static TOLD: LazyLock<Told> = LazyLock::new(|| {
    let (mut gate, mut combined) = (Listener::new(Format::Palisade), Listener::new(Format::Combined));
    let mut hear = |request: Request| {
        gate.hear(|line| request.gate_line(line));
        combined.hear(|line| request.combined_line(line));
    };
    for day in 0..QUIET_DAYS {
        quiet_day(1, FIRST_DAY + day * DAY_MICROS, PAGES, &mut hear);
    }
    quiet_day(1, FIRST_DAY + QUIET_DAYS * DAY_MICROS, BUSY, &mut hear);
    let truths = attack_day(1, attack_begins(), BUSY, &mut hear);
    Told { truths, gate: gate.finish(), combined: combined.finish() }
});

const fn attack_begins() -> u64 {
    FIRST_DAY + (QUIET_DAYS + 1) * DAY_MICROS
}

/// A detector with the built-in rules, and what it said.
struct Listener {
    reader: Reader,
    engine: Engine,
    line: Vec<u8>,
    told: Vec<Incident>,
}

impl Listener {
    fn new(format: Format) -> Listener {
        let files: Vec<_> = (0..).zip(BUILT_IN).map(|(at, (_, text))| (FileId(at), *text)).collect();
        let (rules, _) = Rules::parse(&files).expect("the built-in rules");
        let reader = Reader::new(format, Enrich::default().with_logins(["/login".to_owned()]));
        let settings = Settings { lateness_seconds: 10, ..Settings::default() };
        Listener { reader, engine: Engine::new(Arc::new(rules), settings), line: Vec::new(), told: Vec::new() }
    }

    fn hear(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.line.clear();
        write(&mut self.line);
        let (engine, told) = (&mut self.engine, &mut self.told);
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        self.reader.read(line, |read| {
            let seen: Seen<'_> = read.expect("a line of ours");
            engine.observe(&seen, None, told);
        });
    }

    /// The last word on each incident.
    fn finish(mut self) -> Vec<Incident> {
        self.engine.finish(&mut self.told);
        let mut last: Vec<Incident> = Vec::new();
        for incident in self.told {
            match last.iter_mut().find(|known| known.key == incident.key) {
                Some(known) => *known = incident,
                None => last.push(incident),
            }
        }
        last
    }
}

/// The incident of that rule while the pattern ran; where the rule looks at single clients, of one that took part.
fn of<'t>(told: &'t [Incident], truth: &Truth, rule: &str, after: u64) -> Option<&'t Incident> {
    told.iter().find(|incident| {
        let client = incident.group.iter().find(|(field, _)| *field == Field::ClientKey);
        &*incident.rule == rule
            && incident.last_seen.micros() >= truth.from
            && incident.last_seen.micros() <= truth.to + after
            && client.is_none_or(|(_, client)| truth.clients.iter().any(|known| **known == **client))
    })
}

/// The pattern's rule speaks of it, on the gate's events and, where an access log can tell it, on that.
fn fires(pattern: &str, rule: &str) -> &'static Incident {
    fires_within(AFTER, pattern, rule)
}

fn fires_within(after: u64, pattern: &str, rule: &str) -> &'static Incident {
    let truth = TOLD.truths.iter().find(|truth| truth.pattern.id == pattern).expect("a pattern of the attack day");
    let names = |told: &[Incident]| {
        let during = told.iter().filter(|incident| incident.last_seen.micros() >= truth.from);
        during.map(|incident| incident.rule.to_string()).collect::<Vec<_>>().join(", ")
    };
    let incident = of(&TOLD.gate, truth, rule, after);
    if truth.pattern.combined {
        assert!(
            of(&TOLD.combined, truth, rule, after).is_some(),
            "combined: {pattern}: from then on {}",
            names(&TOLD.combined)
        );
    }
    incident.unwrap_or_else(|| panic!("gate: {pattern}: from then on {}", names(&TOLD.gate)))
}

#[test]
fn fifteen_quiet_days_and_a_busy_one_give_two_false_incidents_at_most() {
    for (name, told) in [("gate", &TOLD.gate), ("combined", &TOLD.combined)] {
        let early = told.iter().filter(|incident| incident.last_seen.micros() < attack_begins());
        let wrong: Vec<_> = early.map(|incident| (&incident.rule, &incident.group)).collect();
        assert!(wrong.len() <= 2, "{name}: {wrong:?}");
    }
}

#[test]
fn what_an_access_log_can_tell_is_known() {
    let mute: Vec<_> =
        TOLD.truths.iter().filter(|truth| !truth.pattern.combined).map(|truth| truth.pattern.id).collect();
    assert_eq!(mute, ["E12-errors", "E12-new", "E14", "E23", "E4", "E5", "E6"]);
}

#[test]
fn e1_one_address_is_refused_by_limits_again_and_again() {
    fires("E1", "rate-limit-client");
}

#[test]
fn e2_many_addresses_are_refused_by_limits() {
    fires("E2", "rate-limit-distributed");
}

#[test]
fn e3_limits_refuse_sign_ins() {
    fires("E3", "login-rate-limited");
}

#[test]
fn e4_one_client_sends_wrong_csrf_tokens() {
    fires("E4", "csrf-client");
}

#[test]
fn e5_csrf_failures_rise_at_once() {
    fires("E5", "csrf-spike");
}

#[test]
fn e6_a_csrf_failure_of_who_never_fetched_a_token() {
    fires("E6", "csrf-without-fetch");
}

#[test]
fn e7_protected_routes_refuse_strangers_in_bulk() {
    fires("E7", "unauthorized-spike");
}

#[test]
fn e8_refusals_with_403_rise_at_once() {
    fires("E8", "forbidden-spike");
}

#[test]
fn e9_one_client_is_refused_by_401_and_then_by_403() {
    fires("E9", "enumeration");
}

#[test]
fn e10_server_errors_rise_tenfold() {
    fires("E10", "server-error-spike");
}

#[test]
fn e11_bad_input_has_a_rule_for_each_sort() {
    fires("E11-invalid", "validation-bulk");
    fires("E11-xss", "xss-attempts");
    fires("E11-sql", "sqli-attempts");
    fires("E11-length", "excessive-length");
}

#[test]
fn e12_errors_and_traffic_come_from_new_countries() {
    fires("E12-errors", "region-errors");
    fires("E12-new", "region-new");
}

#[test]
fn e13_many_sign_in_at_an_unusual_hour() {
    fires("E13", "login-unusual-hours");
}

#[test]
fn e14_csrf_failures_come_from_many_addresses() {
    fires("E14", "csrf-distributed");
}

#[test]
fn e15_more_than_a_hundred_sign_ins_a_minute_fail() {
    fires("E15", "login-failures-massive");
}

#[test]
fn e16_refusals_by_limits_grow_from_week_to_week() {
    // The rule compares whole days: what comes until midnight counts too.
    fires_within(DAY_MICROS, "E16", "rate-limit-trend");
}

#[test]
fn e17_one_address_fails_to_sign_in_for_hours() {
    fires("E17", "login-failures-client");
}

#[test]
fn e18_an_error_that_was_never_there_comes_up() {
    fires("E18", "error-pattern-new");
}

#[test]
fn e19_known_holes_are_probed_and_an_answer_is_urgent() {
    fires("E19", "exploit-probes");
    assert_eq!(fires("E19", "exploit-answered").priority, Priority::P1);
}

#[test]
fn e20_one_answer_in_ten_is_an_error_for_five_minutes() {
    fires("E20", "server-error-rate");
}

#[test]
fn e21_more_than_a_hundred_refusals_by_limits_a_minute() {
    fires("E21", "rate-limit-volume");
}

#[test]
fn e22_more_than_fifty_server_errors_a_minute() {
    fires("E22", "server-error-volume");
}

#[test]
fn e23_a_csrf_token_is_used_again() {
    fires("E23", "csrf-token-reuse");
}
