//! What the detector costs a line: all built-in rules over lines of a combined log.
//!
//! `detect days [PAGES [BENIGN [ATTACK]]]`: the simulator's fifteen quiet days, its benign day and its attack day, see `days.rs`.
//! `detect LOG STAGE LINES`: LOG is `mixed` (a shop's day, one line in thirty an attack), `flood` (nineteen in
//! twenty are one address that is refused), `addresses` (every line another address), or a file. STAGE is `none` (only
//! what happens before the first line: take its instructions off), `read` (lines to events), `match` (and what rules they
//! concern), `all` (and counting). Prints nanoseconds a line, lines a second, and the peak of memory.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

mod days;
// The readers of the watch, without its store and sockets.
#[path = "../../../crates/watch/src"]
#[allow(dead_code, unreachable_pub, unused_imports, reason = "not all of it is measured")]
mod watch {
    pub mod lines;
    pub mod recent;
}

use palisade_detect::{BUILT_IN, Engine, Matches, Rules, Settings};
use palisade_diag::FileId;

use crate::watch::lines::{self, Enrich, Format, Reader};
use crate::watch::recent;

/// Lines that are made, and then measured, at once.
const BLOCK: u64 = 100_000;

const AGENTS: [&str; 5] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
    "okhttp/4.12.0",
    "curl/8.8.0",
];

fn main() {
    let mut args = std::env::args().skip(1);
    if std::env::args().nth(1).as_deref() == Some("days") {
        let number = |at, default| std::env::args().nth(at).map_or(default, |text| text.parse().expect("a number"));
        return days::run(number(2, 100_000), number(3, 1_000_000), number(4, 300_000));
    }
    let usage = "detect mixed|flood|addresses|FILE none|read|match|all LINES";
    let (log, stage) = (args.next().expect(usage), args.next().expect(usage));
    let lines: u64 = args.next().expect(usage).parse().expect(usage);
    let files: Vec<_> = BUILT_IN.iter().map(|(_, text)| (FileId(0), *text)).collect();
    let rules = std::sync::Arc::new(Rules::parse(&files).expect("the built-in rules").0);
    let mut bench = Bench {
        reader: Reader::new(Format::Combined, Enrich::default()),
        engine: Engine::new(std::sync::Arc::clone(&rules), Settings::default()),
        incidents: 0,
        events: 0,
    };
    let (mut nanos, mut done) = (0, 0);
    let mut file = std::fs::read(&log).unwrap_or_default().into_boxed_slice();
    let mut random = 1;
    while done < lines {
        let count = BLOCK.min(lines - done);
        let block = match log.as_str() {
            "mixed" | "flood" | "addresses" => made(&log, done, count, &mut random).into_bytes(),
            _ => std::mem::take(&mut file).into_vec(),
        };
        if block.is_empty() {
            break;
        }
        let began = Instant::now();
        done += bench.run(&stage, &rules, &block);
        nanos += began.elapsed().as_nanos();
    }
    #[expect(clippy::cast_precision_loss)]
    let each = nanos as f64 / done as f64;
    let peak = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = peak.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("?").trim().to_owned();
    let Bench { events, incidents, .. } = bench;
    println!(
        "{log} {stage} lines={done} events={events} incidents={incidents} ns={each:.0} lines/s={:.0} peak={peak}",
        1e9 / each
    );
}

struct Bench {
    reader: Reader,
    engine: Engine,
    incidents: usize,
    events: u64,
}

impl Bench {
    /// Takes every line of a text; says how many there were.
    fn run(&mut self, stage: &str, rules: &Rules, text: &[u8]) -> u64 {
        let Bench { reader, engine, incidents, events } = self;
        let (mut out, mut matches, mut matcher) = (Vec::new(), Matches::default(), rules.matcher(1));
        let mut lines = 0;
        let mut from = 0;
        for end in memchr::memchr_iter(b'\n', text) {
            let line = &text[from..end];
            from = end + 1;
            lines += 1;
            if stage == "none" {
                continue;
            }
            reader.read(line, |seen| {
                let Ok(seen) = seen else { return };
                *events += 1;
                match stage {
                    "read" => drop(black_box(seen)),
                    "match" => rules.matches(black_box(&seen), &mut matcher, &mut matches),
                    _ => engine.observe(&seen, None, &mut out),
                }
            });
            *incidents += out.drain(..).count();
        }
        lines
    }
}

/// Lines of a log, the same for the same numbers.
fn made(log: &str, from: u64, count: u64, random: &mut u64) -> String {
    let mut text = String::new();
    let mut draw = |below: u64| {
        *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*random >> 33) % below
    };
    let a_second = if log == "flood" { 2000 } else { 23 };
    for nth in from..from + count {
        let flooding = log == "flood" && draw(20) != 0;
        // Few addresses come often, many seldom.
        let client = match log {
            "addresses" => nth,
            _ if flooding => 7,
            _ => draw(50_000).min(draw(50_000)) + 100,
        };
        let (method, path, status) = if flooding { ("GET", "/api/items/7".to_owned(), 429) } else { asked(&mut draw) };
        let seconds = nth / a_second;
        let agent = AGENTS[usize::try_from(client % 5).unwrap_or(0)];
        let (a, b, c) = (client >> 16 & 255, client >> 8 & 255, client & 255);
        let (day, hour, minute, second) = (1 + seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        writeln!(
            text,
            "93.{a}.{b}.{c} - - [{day:02}/Jun/2026:{hour:02}:{minute:02}:{second:02} +0000] \"{method} {path} HTTP/1.1\" {status} {} \"-\" \"{agent}\"",
            draw(60_000)
        )
        .expect("a string takes it");
    }
    text
}

/// What a shop is asked, as often as it is.
fn asked(draw: &mut impl FnMut(u64) -> u64) -> (&'static str, String, u16) {
    let words = ["shoes", "red+hat", "select", "o%27neil", "script", "blue"];
    let number = draw(100_000);
    match draw(1000) {
        0..450 => ("GET", format!("/static/app.{:03x}.js", number % 4096), if number % 4 == 0 { 304 } else { 200 }),
        450..690 => {
            let word = words[usize::try_from(number % 6).unwrap_or(0)];
            ("GET", format!("/api/items/{number}?page={}&q={word}", number % 20), 200)
        }
        690..840 => ("GET", format!("/product/{number}"), 200),
        840..910 => ("POST", "/api/cart".to_owned(), 201),
        910..930 => ("POST", "/login".to_owned(), if number % 10 == 0 { 401 } else { 200 }),
        930..945 => ("GET", "/favicon.ico".to_owned(), 404),
        945..948 => ("GET", "/api/orders".to_owned(), 500),
        948..950 => ("GET", format!("/api/users/{number}"), 403),
        950..970 => ("GET", "/".to_owned(), 200),
        970..975 => ("POST", "/login".to_owned(), 401),
        975..980 => ("GET", format!("/admin/users/{number}"), 403),
        980..985 => ("GET", format!("/api/items/{number}"), 429),
        985..990 => ("GET", "/.env".to_owned(), 404),
        990..995 => ("GET", "/api/items?id=1%27%20OR%20%271%27%3D%271".to_owned(), 400),
        _ => ("GET", "/search?q=%3Cscript%3Ealert(1)%3C/script%3E".to_owned(), 403),
    }
}
