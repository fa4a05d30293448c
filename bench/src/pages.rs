//! How long each page of the dashboard and the weekly report take, over a store with a million rows.
//!
//! `cargo bench -p palisade-watch --bench pages` makes the store in a file of SQLite, in a folder that is gone at the end, and
//! copies it into a PostgreSQL of its own where that is installed.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a measurement")]

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use palisade_detect::Rules;
use palisade_event::{Code, Decision, EventTime, Kind, Outcome, Seen, Source};
use palisade_testkit::Postgres;
use palisade_watch::dashboard::{About, Dashboard, Insight, Reply, Request, Visitor};
use palisade_watch::store::{Commit, Place, Rows, Store, Window};
use rusqlite::types::ValueRef;

const ROWS: u64 = 1_000_000;
/// Fourteen days, so that a week has one before it.
const MINUTES: u64 = 14 * 1440;
const MINUTE: u64 = 60_000_000;
/// Of each page, the median is told.
const RUNS: usize = 10;
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
    let file = folder.join("store.db");
    let place = Place::from(file.clone());
    let began = Instant::now();
    let mut store = Store::open(&place).expect("a store");
    fill(&mut store);
    println!("SQLite: {ROWS} rows, made in {:.0?}", began.elapsed());
    measure(&mut store, &place, None);
    match Postgres::start() {
        Ok(server) => {
            let url = server.database("bench");
            let place = Place::Postgres(url.clone());
            let mut store = Store::open(&place).expect("a store");
            let began = Instant::now();
            copy(&file, &folder.join("table"), &url);
            println!("PostgreSQL: the same rows, copied in {:.0?}", began.elapsed());
            measure(&mut store, &place, server.pid());
        }
        Err(reason) => println!("not over PostgreSQL: {reason}"),
    }
    let _ = std::fs::remove_dir_all(&folder);
}

fn measure(store: &mut Store, place: &Place, server: Option<u32>) {
    let window = Window::before(now(), 15 * 1440 * MINUTE);
    println!("{} different cells of an hour", store.cells(window, 60).expect("cells").len());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let rules = Arc::new(Rules::parse(&[]).expect("no rules").0);
    let about = About { app: "bench".into(), folder: "/nonexistent".into(), rules, insight: Arc::<Insight>::default() };
    let dashboard = Dashboard::start(place.clone(), about).expect("pages");
    println!("| page | queries | ms | CPU ms here | CPU ms of the server |\n|---|---|---|---|---|");
    for page in PAGES {
        let (before, cpu) = (dashboard.asked(), used(server));
        let mut times: Vec<Duration> = (0..RUNS).map(|_| runtime.block_on(asked(&dashboard, page))).collect();
        times.sort_unstable();
        let now = used(server);
        let queries = (dashboard.asked() - before) / RUNS as u64;
        let median = times.get(RUNS / 2).copied().unwrap_or_default();
        let [here, there] = [now.0 - cpu.0, now.1 - cpu.1].map(|millis| millis / RUNS as u64);
        println!("| `{page}` | {queries} | {:.1} | {here} | {there} |", median.as_secs_f64() * 1000.0);
    }
}

/// CPU time of this process, with SQLite in it, and of a server's processes, in milliseconds: on a machine where others run
/// too, the time of the clock says little. Linux counts it in steps of ten.
fn used(server: Option<u32>) -> (u64, u64) {
    let (own, mut here, mut there) = (std::process::id(), 0, 0);
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        // The name of a program may hold anything, so what follows its last bracket is read (proc(5)).
        let Some(((pid, _), (_, rest))) = stat.split_once(' ').zip(stat.rsplit_once(") ")) else { continue };
        let fields: Vec<u64> = rest.split(' ').map(|field| field.parse().unwrap_or(0)).collect();
        let [parent, own_time, of_children] =
            [1..2, 11..13, 13..15].map(|part| fields.get(part).unwrap_or_default().iter().sum::<u64>());
        let pid = pid.parse().unwrap_or(0);
        if pid == own {
            here += own_time;
        }
        match server {
            Some(server) if pid == server => there += own_time + of_children,
            Some(server) if parent == u64::from(server) => there += own_time,
            _ => {}
        }
    }
    (here * 10, there * 10)
}

/// What the file holds into the same tables of an empty store, by COPY from a file that the server reads.
fn copy(from: &Path, through: &Path, url: &str) {
    let connection = rusqlite::Connection::open(from).expect("the file");
    let tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' \
                  AND name <> 'palisade_version'";
    let mut tables = connection.prepare(tables).expect("a query");
    let tables: Vec<String> = tables.query_map([], |row| row.get(0)).expect("names").flatten().collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for table in tables {
        let columns = written(&connection, &table, through);
        let path = through.display();
        // Looked through once, as the server itself does some time after so many rows.
        let copy = [format!("COPY {table} ({columns}) FROM '{path}'"), format!("VACUUM ANALYZE {table}")];
        runtime.block_on(async {
            let (client, link) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("a connection");
            tokio::spawn(link);
            for statement in &copy {
                client.batch_execute(statement).await.expect("copied");
            }
        });
    }
}

/// Writes a table in PostgreSQL's text format; says its columns.
fn written(connection: &rusqlite::Connection, table: &str, path: &Path) -> String {
    let mut out = BufWriter::new(File::create(path).expect("a file"));
    let mut statement = connection.prepare(&format!("SELECT * FROM {table}")).expect("a table");
    let columns = statement.column_names().collect::<Vec<_>>().join(", ");
    let count = statement.column_count();
    let mut rows = statement.query([]).expect("rows");
    while let Some(row) = rows.next().expect("a row") {
        for at in 0..count {
            let end = if at + 1 < count { '\t' } else { '\n' };
            match row.get_ref(at).expect("a value") {
                ValueRef::Integer(number) => write!(out, "{number}{end}"),
                ValueRef::Text(text) => {
                    let text = String::from_utf8_lossy(text).replace('\\', "\\\\");
                    write!(out, "{}{end}", text.replace('\t', "\\t").replace('\n', "\\n"))
                }
                ValueRef::Null => write!(out, "\\N{end}"),
                ValueRef::Real(_) | ValueRef::Blob(_) => panic!("{table} holds what is not written"),
            }
            .expect("written");
        }
    }
    out.flush().expect("written");
    columns
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
