//! The simulator's days at full length: fifteen quiet ones for history, a benign one, an attack day with every pattern once; as
//! the gate's events and as an access log. Prints what was found before the attack day, which is false, and which patterns
//! were seen.

use std::collections::HashMap;
use std::sync::Arc;

use palisade_detect::{BUILT_IN, Engine, Rules, Settings};
use palisade_diag::FileId;
use palisade_event::{Field, Incident};
use palisade_sim::{DAY_MICROS, FIRST_DAY, QUIET_DAYS, Truth, attack_day, quiet_day};

use crate::watch::lines::{Enrich, Format, Reader};

const ATTACK: u64 = FIRST_DAY + (QUIET_DAYS + 1) * DAY_MICROS;
/// An incident may be told this much after the last request of its pattern; a trend over weeks within the day.
const AFTER: u64 = 5 * 60_000_000;

/// Which rules speak of a pattern.
const RULES: &[(&str, &str)] = &[
    ("E1", "rate-limit-client"),
    ("E2", "rate-limit-distributed"),
    ("E3", "login-rate-limited"),
    ("E4", "csrf-client"),
    ("E5", "csrf-spike"),
    ("E6", "csrf-without-fetch"),
    ("E7", "unauthorized-spike"),
    ("E8", "forbidden-spike"),
    ("E9", "enumeration"),
    ("E10", "server-error-spike"),
    ("E11-invalid", "validation-bulk"),
    ("E11-xss", "xss-attempts"),
    ("E11-sql", "sqli-attempts"),
    ("E11-length", "excessive-length"),
    ("E12-errors", "region-errors"),
    ("E12-new", "region-new"),
    ("E13", "login-unusual-hours"),
    ("E14", "csrf-distributed"),
    ("E15", "login-failures-massive"),
    ("E16", "rate-limit-trend"),
    ("E17", "login-failures-client"),
    ("E18", "error-pattern-new"),
    ("E19", "exploit-probes"),
    ("E19", "exploit-answered"),
    ("E20", "server-error-rate"),
    ("E21", "rate-limit-volume"),
    ("E22", "server-error-volume"),
    ("E23", "csrf-token-reuse"),
];

pub fn run(pages: u64, benign: u64, attack: u64) {
    for format in [Format::Palisade, Format::Combined] {
        let mut listener = Listener::new(format.clone());
        let mut hear = |request: palisade_sim::Request| {
            listener.line.clear();
            match format {
                Format::Palisade => request.gate_line(&mut listener.line),
                _ => request.combined_line(&mut listener.line),
            }
            listener.hear();
        };
        for day in 0..QUIET_DAYS {
            quiet_day(1, FIRST_DAY + day * DAY_MICROS, pages, &mut hear);
        }
        quiet_day(1, FIRST_DAY + QUIET_DAYS * DAY_MICROS, benign, &mut hear);
        let truths = attack_day(1, ATTACK, attack, &mut hear);
        listener.report(&format, &truths);
    }
}

struct Listener {
    reader: Reader,
    engine: Engine,
    line: Vec<u8>,
    lines: u64,
    out: Vec<Incident>,
    told: HashMap<u128, Incident>,
}

impl Listener {
    fn new(format: Format) -> Listener {
        let files: Vec<_> = (0..).zip(BUILT_IN).map(|(at, (_, text))| (FileId(at), *text)).collect();
        let rules = Arc::new(Rules::parse(&files).expect("the built-in rules").0);
        let reader = Reader::new(format, Enrich::default().with_logins(["/login".to_owned()]));
        let engine = Engine::new(rules, Settings::default());
        Listener { reader, engine, line: Vec::new(), lines: 0, out: Vec::new(), told: HashMap::new() }
    }

    fn hear(&mut self) {
        self.lines += 1;
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        self.reader.read(line, |seen| self.engine.observe(&seen.expect("a line of ours"), None, &mut self.out));
        self.told.extend(self.out.drain(..).map(|incident| (incident.key.bits(), incident)));
    }

    fn report(mut self, format: &Format, truths: &[Truth]) {
        self.engine.finish(&mut self.out);
        self.told.extend(self.out.drain(..).map(|incident| (incident.key.bits(), incident)));
        let wrong: Vec<_> = self.told.values().filter(|it| it.last_seen.micros() < ATTACK).collect();
        println!("{format}: {} lines, {} incidents before the attack day", self.lines, wrong.len());
        wrong.iter().for_each(|it| println!("  false: {} {:?} {} events", it.rule, it.group, it.count));
        let told = RULES.iter().filter(|(id, _)| {
            truths.iter().any(|it| it.pattern.id == *id && (*format == Format::Palisade || it.pattern.combined))
        });
        type Names = Vec<&'static (&'static str, &'static str)>;
        let (seen, missed): (Names, Names) = told.partition(|(id, rule)| {
            let truth = truths.iter().find(|truth| truth.pattern.id == *id);
            truth.is_some_and(|truth| self.told.values().any(|it| speaks(it, truth, rule)))
        });
        println!("  seen {} of {}; missed {missed:?}", seen.len(), seen.len() + missed.len());
    }
}

fn speaks(incident: &Incident, truth: &Truth, rule: &str) -> bool {
    let client = incident.group.iter().find(|(field, _)| *field == Field::ClientKey);
    let after = if rule == "rate-limit-trend" { DAY_MICROS } else { AFTER };
    &*incident.rule == rule
        && (truth.from..=truth.to + after).contains(&incident.last_seen.micros())
        && client.is_none_or(|(_, client)| truth.clients.iter().any(|known| **known == **client))
}
