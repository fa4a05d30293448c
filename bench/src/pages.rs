//! How long each page of the dashboard and the weekly report take, over a store with a million rows.
//!
//! `cargo bench -p palisade-watch --bench pages` makes the store in a file of SQLite, in a folder that is gone at the end.
//! PostgreSQL too where `PALISADE_BENCH_POSTGRES` names an empty database: `postgres://user@host/name`.

#![allow(clippy::expect_used, clippy::print_stdout, reason = "a measurement")]

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use palisade_detect::Rules;
use palisade_event::{Code, Decision, EventTime, Kind, Outcome, Seen, Source};
use palisade_watch::dashboard::{About, Dashboard, Insight, Reply, Request, Visitor};
use palisade_watch::store::{Commit, Place, Rows, Store, Window};

const ROWS: u64 = 1_000_000;
/// Fourteen days, so that a week has one before it.
const MINUTES: u64 = 14 * 1440;
const MINUTE: u64 = 60_000_000;
/// Of each page, the median is told.
const RUNS: usize = 5;
const PAGES: [&str; 8] = [
    "/",
    "/incidents",
    "/events?status=429&since=24h",
    "/events?since=7d",
    "/events?client=10.0.0.7&since=7d",
    "/normal",
    "/rules",
    "/report",
];

fn main() {
    let folder = std::env::temp_dir().join(format!("palisade-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let mut places = vec![("SQLite", Place::from(folder.join("store.db")))];
    if let Ok(url) = std::env::var("PALISADE_BENCH_POSTGRES") {
        places.push(("PostgreSQL", url.parse().expect("never fails")));
    }
    for (name, place) in places {
        measure(name, &place);
    }
    let _ = std::fs::remove_dir_all(&folder);
}

fn measure(name: &str, place: &Place) {
    let began = Instant::now();
    let mut store = Store::open(place).expect("a store");
    fill(&mut store);
    let window = Window::before(now(), 15 * 1440 * MINUTE);
    let rows: usize = store.cells(window, 60).expect("cells").len();
    println!("{name}: {ROWS} rows ({rows} different cells of an hour), made in {:.0?}", began.elapsed());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let rules = Arc::new(Rules::parse(&[]).expect("no rules").0);
    let about = About { app: "bench".into(), folder: "/nonexistent".into(), rules, insight: Arc::<Insight>::default() };
    let dashboard = Dashboard::start(place.clone(), about).expect("pages");
    for page in PAGES {
        let mut times: Vec<Duration> = (0..RUNS).map(|_| runtime.block_on(asked(&dashboard, page))).collect();
        times.sort_unstable();
        println!("| {page} | {:.1} ms |", times.get(RUNS / 2).copied().unwrap_or_default().as_secs_f64() * 1000.0);
    }
}

async fn asked(dashboard: &Dashboard, target: &str) -> Duration {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let visitor = Visitor { name: "bench".into(), csrf: String::new() };
    let request =
        Request { path: path.into(), query: query.into(), visitor: Some(visitor), refused: None, posted: None };
    let began = Instant::now();
    let reply = dashboard.answer(request).await;
    assert!(matches!(reply, Reply::Page { status: 200, .. }), "{target}");
    began.elapsed()
}

/// Traffic of 400 routes and 50,000 clients: half of the rows are refusals, a tenth sign-ins.
fn fill(store: &mut Store) {
    let (each, start) = (ROWS / MINUTES, now().micros() / MINUTE - MINUTES + 1);
    for hour in 0..MINUTES / 60 {
        let mut rows = Rows::default();
        for minute in hour * 60..hour * 60 + 60 {
            for number in 0..=each {
                one(&mut rows, (start + minute) * MINUTE, minute * (each + 1) + number);
            }
        }
        store.commit(&Commit { rows, ..Commit::default() }, now()).expect("kept");
    }
}

fn one(rows: &mut Rows, time: u64, number: u64) {
    // Splitmix64: the same rows every time.
    let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let pick = |shift: u32, of: u64| (mixed >> shift) % of;
    let (decision, status, code) = match pick(8, 10) {
        0..=2 => (Decision::Refuse, 429, Some(Code::RateLimited)),
        3 => (Decision::Refuse, 403, Some(Code::CsrfTokenInvalid)),
        4 => (Decision::Refuse, 401, Some(Code::AuthRequired)),
        5 => (Decision::Admit, 500, None),
        _ => (Decision::Admit, 200, None),
    };
    let login = pick(16, 10) == 0;
    let mut seen = Seen {
        decision: Some(decision),
        status: Some(status),
        code,
        kind: Some(if login { Kind::Login } else { Kind::Page }),
        outcome: (login && code.is_none()).then_some(Outcome::Failure),
        route: Some(format!("/route/{}", pick(20, 400)).into()),
        path: Some(format!("/route/{}", pick(20, 400)).into()),
        country: Some(
            ["DE", "NL", "US", "FR"].get(usize::try_from(pick(30, 4)).unwrap_or(0)).copied().unwrap_or("DE").into(),
        ),
        user_agent: Some("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0".into()),
        ..Seen::at(EventTime::from_micros(time + pick(3, MINUTE)), Source::Gate)
    };
    let client = u32::try_from(pick(34, 50_000)).unwrap_or(0);
    seen.set_client(std::net::Ipv4Addr::from(0x0a00_0000 + client).into());
    rows.add(&seen);
}

fn now() -> EventTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    EventTime::from_micros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}
