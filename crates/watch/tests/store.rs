//! The store, the same tests over both databases, each a real one: SQLite in a file, PostgreSQL as a private server.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test stops where its ground is missing, and says why"
)]

#[path = "store/outbox.rs"]
mod outbox;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use palisade_event::{
    Code, Decision, EventTime, Evidence, Field, Incident, IncidentKey, Priority, Seen, Source, State,
};
use palisade_testkit::{Postgres, eventually};
use palisade_watch::store::{
    By, Commit, EventFilter, IncidentFilter, Keeper, Place, Retention, Rows, Store, Told, Trouble, Window,
};

const MINUTE: u64 = 60_000_000;
/// 2026-11-22 07:00 UTC.
const START: u64 = 1_795_330_800_000_000;

type Test = fn(&Place);

/// What holds over any database: by name, so that one that fails is known.
const OVER_BOTH: &[(&str, Test)] = &[
    ("events", events_are_found_by_status_and_time_and_equal_ones_are_one_row),
    ("flood", a_flood_keeps_the_rows_that_count_most_and_no_count_is_lost),
    ("again", the_same_incident_again_adds_nothing_and_more_of_it_counts_on),
    ("states", an_incident_is_acknowledged_resolved_and_held_while_it_flaps),
    ("retention", what_is_too_old_or_too_much_goes_and_the_oldest_first),
    ("sums", sums_of_hours_and_days_are_what_the_rows_add_up_to),
    ("limited", clients_that_asked_too_often_are_counted_and_named),
    ("marks", marks_are_committed_with_what_they_stand_for_and_two_may_write),
    ("untold", outbox::an_incident_is_new_until_a_message_about_it_is_kept),
    ("letters", outbox::messages_go_out_in_order_and_none_a_third_time),
    ("blocks", outbox::blocks_end_are_lifted_and_are_a_thousand_at_most),
    ("lock", outbox::one_of_two_sends),
];

/// A file of one's own, gone with its owner.
struct Ground {
    place: Place,
    path: PathBuf,
    folder: PathBuf,
}

fn sqlite() -> Ground {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("palisade-store-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("palisade.db");
    Ground { place: Place::from(path.clone()), path, folder }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn at(micros: u64) -> EventTime {
    EventTime::from_micros(micros)
}

fn refusal(time: u64, client: u32, status: u16) -> Seen<'static> {
    let mut seen = Seen::at(at(time), Source::Gate);
    seen.set_client(std::net::IpAddr::V4(client.into()));
    seen.decision = Some(Decision::Refuse);
    seen.code = Some(if status == 429 { Code::RateLimited } else { Code::CsrfTokenInvalid });
    seen.status = Some(status);
    seen.route = Some("/api/contact".into());
    seen
}

fn rows(seen: impl IntoIterator<Item = Seen<'static>>) -> Commit {
    let mut rows = Rows::default();
    seen.into_iter().for_each(|seen| rows.add(&seen));
    Commit { rows, ..Commit::default() }
}

fn incident(group: &str, count: u64) -> Incident {
    let group = vec![(Field::ClientKey, group.into())];
    Incident {
        key: IncidentKey::of("rate-limit-client", 1, &group, at(START)),
        rule: "rate-limit-client".into(),
        title: "One client is refused again and again".into(),
        owasp: "API4:2023".into(),
        group,
        priority: Priority::P3,
        state: State::Open,
        first_seen: at(START),
        last_seen: at(START + count * 1_000_000),
        count,
        attributable: true,
        simulated: false,
        evidence: Evidence::default(),
        steps: vec!["Look at the paths.".into()],
    }
}

fn incidents(incidents: impl IntoIterator<Item = Incident>) -> Commit {
    Commit { incidents: incidents.into_iter().collect(), ..Commit::default() }
}

fn status(status: u16) -> EventFilter {
    EventFilter { status: Some(status), ..EventFilter::default() }
}

#[test]
fn over_sqlite() {
    for (name, test) in OVER_BOTH {
        eprintln!("{name}");
        test(&sqlite().place);
    }
}

#[test]
fn over_postgres() {
    let server = match Postgres::start() {
        Ok(server) => server,
        Err(reason) => return eprintln!("not over PostgreSQL: {reason}"),
    };
    for (name, test) in OVER_BOTH {
        eprintln!("{name}");
        test(&Place::Postgres(server.database(name)));
    }
}

fn events_are_found_by_status_and_time_and_equal_ones_are_one_row(place: &Place) {
    let mut store = Store::open(place).expect("a store");
    let flood = (0..500).map(|n| refusal(START + n * 1000, 1, 429));
    let others = [refusal(START + MINUTE, 2, 403), refusal(START + 2 * MINUTE, 1, 429)];
    store.commit(&rows(flood.chain(others)), at(START)).expect("committed");
    store.commit(&rows([refusal(START + 5, 1, 429)]), at(START)).expect("counted on");
    let found = store.events(&status(429), 100).expect("rows");
    let counts: Vec<_> = found.iter().map(|row| (row.first.micros(), row.count, row.code.as_str())).collect();
    assert_eq!(counts, [(START + 2 * MINUTE, 1, "rate-limited"), (START, 501, "rate-limited")]);
    assert_eq!((found[1].client.as_str(), found[1].route.as_str()), ("0.0.0.1", "/api/contact"));
    assert!(found[1].line.starts_with("{\"timestamp\":\"2026-11-22T07:00:00.000000Z\""), "{}", found[1].line);
    let since = EventFilter { since: at(START + MINUTE), ..EventFilter::default() };
    assert_eq!(store.total(&since).expect("a sum"), 2);
    assert_eq!(store.total(&EventFilter::default()).expect("a sum"), 503);
    let top = store.top(By::Client, &EventFilter::default(), 5).expect("a list");
    assert_eq!(top, [("0.0.0.1".to_owned(), 502), ("0.0.0.2".to_owned(), 1)]);
    let series = store.series(2, &status(429)).expect("a series");
    assert_eq!(series, [(at(START), 501), (at(START + 2 * MINUTE), 1)]);
}

fn a_flood_keeps_the_rows_that_count_most_and_no_count_is_lost(place: &Place) {
    let mut store = Store::open(place).expect("a store");
    let clients: u32 = 20_000;
    for start in (0..clients).step_by(5000) {
        // In parts, as a flood is committed.
        let part = (start..start + 5000).map(|client| refusal(START + u64::from(client), client, 429));
        store.commit(&rows(part), at(START)).expect("committed");
    }
    let loud = (0..50).flat_map(|n| (0..10).map(move |client| refusal(START + n, client, 429)));
    store.commit(&rows(loud), at(START)).expect("committed");
    store.commit(&rows([refusal(START + 1, 7, 403)]), at(START)).expect("another status");
    for later in 1..4 {
        store.commit(&rows([refusal(START + later * MINUTE, 7, 401)]), at(START)).expect("the minute is over");
    }
    let first = EventFilter { until: Some(at(START)), ..EventFilter::default() };
    let found = store.events(&first, 10_000).expect("rows");
    assert_eq!(found.iter().filter(|row| !row.is_other()).count(), 1000);
    let other: Vec<_> = found.iter().filter(|row| row.is_other()).map(|row| (row.status, row.count)).collect();
    assert!(other.iter().any(|(status, count)| *status == 429 && *count > 15_000), "{other:?}");
    assert_eq!(store.total(&first).expect("a sum"), u64::from(clients) + 500 + 1);
    let top = store.top(By::Client, &first, 10).expect("a list");
    assert!(top.iter().all(|(_, count)| *count >= 50), "who counts most stays: {top:?}");
}

fn the_same_incident_again_adds_nothing_and_more_of_it_counts_on(place: &Place) {
    let mut store = Store::open(place).expect("a store");
    for _ in 0..2 {
        store.commit(&incidents([incident("a", 10), incident("b", 20)]), at(START)).expect("committed");
    }
    let all = store.incidents(&IncidentFilter::default()).expect("a list");
    assert_eq!(all.iter().map(|kept| kept.count).collect::<Vec<_>>(), [20, 10]);
    let urgent = Incident { priority: Priority::P1, ..incident("a", 30) };
    store.commit(&incidents([urgent, incident("b", 5)]), at(START)).expect("committed");
    let kept = store.incident(incident("a", 0).key).expect("read").expect("there");
    assert_eq!((kept.count, kept.priority, kept.state), (30, Priority::P1, State::Open));
    assert!(kept.body.contains("\"count\":30"), "{}", kept.body);
    let p1 = IncidentFilter { priority: Some(Priority::P1), ..IncidentFilter::default() };
    assert_eq!(store.incidents(&p1).expect("a list").len(), 1);
    let b = store.incident(incident("b", 0).key).expect("read").expect("there");
    assert_eq!(b.count, 20, "an older word does not take away");
    let start = b.key.to_string();
    assert_eq!(store.incident_keys(&start[..8], 2).expect("keys"), [b.key]);
}

fn an_incident_is_acknowledged_resolved_and_held_while_it_flaps(place: &Place) {
    let mut store = Store::open(place).expect("a store");
    let key = incident("a", 0).key;
    store.commit(&incidents([incident("a", 10)]), at(START)).expect("committed");
    let kept = store.acknowledge(key, "ann", "looking", at(START + 1)).expect("written").expect("there");
    assert_eq!((kept.state, kept.note.as_str()), (State::Acknowledged, "looking"));
    let kept = store.acknowledge(key, "bob", "", at(START + 2)).expect("written").expect("there");
    assert_eq!(kept.acknowledged, Some((at(START + 1), "ann".to_owned())), "the first stays");
    store.commit(&incidents([incident("a", 20)]), at(START)).expect("committed");
    assert_eq!(store.incident(key).expect("read").expect("there").state, State::Acknowledged);
    let kept = store.resolve(key, "ann", "a script", at(START + 30_000_000)).expect("written").expect("there");
    assert_eq!((kept.state, kept.note.as_str()), (State::Resolved, "a script"));
    // It goes on for ten minutes: held. For twenty: open again.
    store.commit(&incidents([incident("a", 600)]), at(START)).expect("committed");
    assert_eq!(store.incident(key).expect("read").expect("there").state, State::Resolved);
    store.commit(&incidents([incident("a", 1200)]), at(START)).expect("committed");
    assert_eq!(store.incident(key).expect("read").expect("there").state, State::Acknowledged);
    let over = Incident { state: State::Resolved, ..incident("a", 1300) };
    store.commit(&incidents([over]), at(START)).expect("committed");
    let kept = store.incident(key).expect("read").expect("there");
    assert_eq!(kept.resolved, Some((at(START + 1_300_000_000), "palisade".to_owned())));
    store.commit(&incidents([incident("a", 1301)]), at(START)).expect("committed");
    let kept = store.incident(key).expect("read").expect("there");
    assert_eq!(kept.resolved, None, "what ended by itself opens at once");
    assert_eq!(store.acknowledge(incident("zz", 0).key, "ann", "", at(START)).expect("asked"), None);
}

fn what_is_too_old_or_too_much_goes_and_the_oldest_first(place: &Place) {
    let mut store = Store::open(place).expect("a store");
    let hour = 60 * MINUTE;
    for hours in 0..48 {
        let clients = (0..50).map(|client| refusal(START + hours * hour, client, 429));
        store.commit(&rows(clients), at(START)).expect("committed");
    }
    store.commit(&incidents([incident("a", 1), incident("b", 2)]), at(START)).expect("committed");
    let now = at(START + 48 * hour);
    let day = Retention { events: Duration::from_secs(24 * 3600), ..Retention::default() };
    assert_eq!(store.retain(&day, now).expect("forgotten"), 24 * 50);
    assert_eq!(store.total(&EventFilter::default()).expect("a sum"), 24 * 50);
    let small = Retention { bytes: 200_000, most_incidents: 1, ..day };
    assert!(store.retain(&small, now).expect("forgotten") > 0);
    let left = store.total(&EventFilter::default()).expect("a sum");
    assert!((100..500).contains(&left), "{left} rows of some 500 bytes");
    let oldest = EventFilter { until: Some(at(START + 30 * hour)), ..EventFilter::default() };
    assert_eq!(store.total(&oldest).expect("a sum"), 0);
    assert_eq!(store.incidents(&IncidentFilter::default()).expect("a list").len(), 1);
}

fn sums_of_hours_and_days_are_what_the_rows_add_up_to(place: &Place) {
    let mut store = Store::open(place).expect("a store");
    let hour = 60 * MINUTE;
    for start in [0, 20, 30, 54].map(|hours| START + hours * hour) {
        // More rows than stay of a minute that is over.
        let status = |client| if client % 3 == 0 { 403 } else { 429 };
        let flood = (0..1500).map(|client| refusal(start + u64::from(client), client, status(client)));
        store.commit(&rows(flood), at(start)).expect("committed");
        for later in 1..4 {
            store.commit(&rows([refusal(start + later * MINUTE, 1, 429)]), at(start)).expect("the minute is over");
        }
        summed(&mut store, Window { from: at(START), until: at(START + 56 * hour) });
    }
    summed(&mut store, Window { from: at(START + MINUTE), until: at(START + 54 * hour + 2 * MINUTE) });
    let all = Window { from: at(START), until: at(START + 56 * hour) };
    let cells = store.cells(all, 60).expect("cells");
    assert!(cells.iter().any(palisade_watch::store::Cell::is_other), "some are folded");
    // Within a day: what is left of it is summed up again.
    let short = Retention { events: Duration::from_secs(36 * 3600), ..Retention::default() };
    store.retain(&short, at(START + 60 * hour)).expect("forgotten");
    assert_eq!(summed(&mut store, all), 2 * 1503);
}

/// That whole hours and days have the counts of their minutes and hours; gives the sum.
fn summed(store: &mut Store, window: Window) -> u64 {
    let hour = 60 * MINUTE;
    let mut cells = |minutes| {
        let mut sums = BTreeMap::new();
        for cell in store.cells(window, minutes).expect("cells") {
            let key = (cell.time.micros() / hour, cell.status, cell.code, cell.kind, cell.what, cell.country);
            *sums.entry(key).or_insert(0) += cell.count;
        }
        sums
    };
    let (hours, minutes) = (cells(60), cells(1));
    assert_eq!(hours, minutes);
    for status in [None, Some(403), Some(429)] {
        let until = Some(at(window.until.micros() - 1));
        let filter = EventFilter { since: window.from, until, status, ..EventFilter::default() };
        let of_it = minutes.iter().filter(|(cell, _)| status.is_none_or(|status| cell.1 == status));
        assert_eq!(store.total(&filter).expect("a sum"), of_it.map(|(_, count)| count).sum::<u64>(), "{filter:?}");
    }
    let mut routes = |windows: Vec<Window>| {
        let mut sums = BTreeMap::new();
        for share in windows.into_iter().flat_map(|window| store.routes(window).expect("routes")) {
            *sums.entry((share.name, share.status)).or_insert(0) += share.count;
        }
        sums
    };
    let parts = (window.from.micros()..window.until.micros()).step_by(usize::try_from(hour).expect("fits"));
    let parts = parts.map(|from| Window { from: at(from), until: at((from + hour).min(window.until.micros())) });
    let (whole, parts) = (routes(vec![window]), routes(parts.collect()));
    assert_eq!(whole, parts);
    hours.values().sum()
}

fn clients_that_asked_too_often_are_counted_and_named(place: &Place) {
    let mut store = Store::open(place).expect("a store");
    let hour = 60 * MINUTE;
    // Client 1 thrice, 2 twice, 3 once within the window; 4 before it, 5 after it, 6 was refused for another reason.
    let refusals = [(1, 0), (1, 1), (1, 2), (2, 1), (2, 5), (3, 5)].map(|(client, hours)| (client, hours * hour, 429));
    let others = [(4, 0, 429), (5, 6 * hour, 429), (6, hour, 403)];
    for (client, later, status) in
        refusals.map(|(client, later, status)| (client, later + MINUTE, status)).into_iter().chain(others)
    {
        store.commit(&rows([refusal(START + later, client, status)]), at(START + later)).expect("committed");
    }
    let window = Window { from: at(START + MINUTE), until: at(START + 6 * hour) };
    let (all, most) = store.limited(window, 2).expect("clients");
    assert_eq!((all, most.iter().map(|(_, count)| *count).collect::<Vec<_>>()), (3, vec![3, 2]));
    assert_eq!(store.limited(window, 9).expect("clients").1.len(), 3);
}

fn marks_are_committed_with_what_they_stand_for_and_two_may_write(place: &Place) {
    let mut one = Store::open(place).expect("a store");
    let mut two = Store::open(place).expect("the same, again");
    let commit = |n: u64| {
        let marks = vec![("log".to_owned(), n.to_string().into_bytes())];
        Commit { marks, ..rows([refusal(START, 1, 429)]) }
    };
    std::thread::scope(|scope| {
        for store in [&mut one, &mut two] {
            scope.spawn(move || (0..50).for_each(|n| store.commit(&commit(n), at(START)).expect("committed")));
        }
    });
    assert_eq!(one.total(&EventFilter::default()).expect("a sum"), 100);
    assert_eq!(two.mark("log").expect("read"), Some(b"49".to_vec()));
    assert_eq!(two.mark("none").expect("read"), None);
}

#[test]
fn a_full_database_loses_nothing_and_says_so() {
    let ground = sqlite();
    // Room for the tables and a little more, as on a disk that is full.
    let tight = Place::File { path: ground.path.clone(), max_pages: Some(40) };
    let (tell, told) = mpsc::channel();
    let keeper = Keeper::start(tight, Retention::default(), move |it| {
        let _ = tell.send(match it {
            Told::Trouble(fault) => Some((fault.trouble(), fault.to_string())),
            Told::Recovered => None,
        });
    });
    let keeper = keeper.expect("a thread");
    for client in 0..3000 {
        keeper.put(rows([refusal(START, client, 429)]));
    }
    keeper.put(incidents([incident("a", 7)]));
    let (trouble, text) = told.recv_timeout(Duration::from_secs(30)).expect("told").expect("trouble");
    assert_eq!(trouble, Trouble::Full, "{text}");
    assert!(text.contains("free some room"), "{text}");
    let health = keeper.health();
    assert!(health.trouble.is_some() && health.events_waiting > 0, "{health:?}");
    let left = keeper.finish(Duration::from_secs(30));
    assert!(left.events_waiting > 0, "it ends in time, and says what it could not write: {left:?}");
    let written = Store::open(&ground.place).expect("whole").total(&EventFilter::default()).expect("a sum");
    assert_eq!(written + left.events_waiting, 3000, "whole commits or none");
}

#[test]
fn a_locked_database_is_waited_for_and_everything_arrives() {
    let ground = sqlite();
    drop(Store::open(&ground.place).expect("a store"));
    let other = rusqlite::Connection::open(&ground.path).expect("another process");
    other.execute_batch("BEGIN IMMEDIATE").expect("its lock");
    let (tell, told) = mpsc::channel();
    let keeper = Keeper::start(ground.place.clone(), Retention::default(), move |it| {
        let _ = tell.send(matches!(it, Told::Trouble(fault) if fault.trouble() == Trouble::Locked));
    });
    let keeper = keeper.expect("a thread");
    for client in 0..100 {
        keeper.put(rows([refusal(START, client, 429)]));
        keeper.put(incidents([incident(&client.to_string(), 1)]));
    }
    assert!(told.recv_timeout(Duration::from_secs(60)).expect("told"), "a lock is called a lock");
    other.execute_batch("COMMIT").expect("its end");
    assert!(!told.recv_timeout(Duration::from_secs(60)).expect("told"), "then it is over");
    let left = keeper.finish(Duration::from_secs(30));
    assert_eq!((left.events_waiting, left.incidents_waiting, left.incidents_lost), (0, 0, 0));
    let mut store = Store::open(&ground.place).expect("a store");
    assert_eq!(store.total(&EventFilter::default()).expect("a sum"), 100);
    assert_eq!(store.incidents(&IncidentFilter::default()).expect("a list").len(), 100);
}

#[test]
fn a_server_that_goes_away_and_comes_back_costs_nothing() {
    let mut server = match Postgres::start() {
        Ok(server) => server,
        Err(reason) => return eprintln!("not over PostgreSQL: {reason}"),
    };
    let place = Place::Postgres(server.database("away"));
    let keeper = Keeper::start(place.clone(), Retention::default(), |_| {}).expect("a thread");
    keeper.put(rows([refusal(START, 0, 429)]));
    eventually("a first commit", || keeper.health().commits > 0);
    server.stop();
    for client in 0..1000 {
        keeper.put(rows([refusal(START, client % 100, 429)]));
    }
    keeper.put(incidents([incident("a", 1)]));
    eventually("it is noticed", || keeper.health().trouble.is_some());
    server.run();
    eventually("it goes on", || keeper.health().trouble.is_none());
    let left = keeper.finish(Duration::from_secs(60));
    assert_eq!((left.events_waiting, left.incidents_waiting), (0, 0), "{left:?}");
    let mut store = Store::open(&place).expect("a store");
    assert_eq!(store.total(&EventFilter::default()).expect("a sum"), 1001);
    assert_eq!(store.incidents(&IncidentFilter::default()).expect("a list").len(), 1);
}

#[test]
fn a_store_of_a_newer_version_is_not_touched_and_its_file_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let ground = sqlite();
    drop(Store::open(&ground.place).expect("a store"));
    assert_eq!(std::fs::metadata(&ground.path).expect("a file").permissions().mode() & 0o777, 0o600);
    let other = rusqlite::Connection::open(&ground.path).expect("a file");
    other.execute_batch("INSERT INTO palisade_version (version) VALUES (999)").expect("a newer version");
    let fault = Store::open(&ground.place).expect_err("refused");
    assert_eq!(fault.trouble(), Trouble::Newer);
    assert!(fault.to_string().contains("version 999"), "{fault}");
}

#[test]
fn an_address_shows_no_password() {
    let place: Place = "postgres://ann:hunter2@db.example:5432/shop?sslmode=require".parse().expect("a place");
    assert_eq!(place.to_string(), "PostgreSQL at db.example:5432/shop");
    assert!(!format!("{place:?}").contains("hunter2"));
    let fault = Store::open(&"postgres://ann:hunter2@[".parse().expect("a place")).expect_err("no address");
    assert!(!fault.to_string().contains("hunter2"), "{fault}");
}
