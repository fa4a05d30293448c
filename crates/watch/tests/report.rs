//! The weekly report of a made-up week, number by number against what was made up.
//!
//! The truth is counted here from the requests themselves, each number by its own plain loop; the report comes from the rows
//! of a store.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::LazyLock;

use palisade_check::maintenance::{Day, Record};
use palisade_event::{
    Code, Decision, EventTime, Evidence, Incident, IncidentKey, Kind, Outcome, Priority, Seen, Signal, Source, State,
};
use palisade_sim::{DAY_MICROS, FIRST_DAY, Request, attack_day, quiet_day};
use palisade_watch::report::{Report, TOP, Trend};
use palisade_watch::store::{Commit, Place, Rows, Store, Window};

const DAYS: u64 = 7;
const WEEK: u64 = DAYS * DAY_MICROS;
const HOUR: u64 = 3_600_000_000;
/// Pages of a day, beside what is notable on every day.
const REQUESTS: u64 = 800;
/// Sign-ups of each day, in the hour of its number.
const SIGN_UPS: [u64; 14] = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7];
/// Lockouts of the week, by its days.
const LOCKOUTS: [u64; 7] = [0, 2, 0, 1, 0, 0, 11];

/// The requests of both weeks, and the report of the second.
struct World {
    requests: Vec<Request>,
    report: Report,
}

static WORLD: LazyLock<World> = LazyLock::new(World::build);

struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        let path = std::env::temp_dir().join(format!("palisade-report-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("folder");
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl World {
    fn build() -> World {
        let folder = Folder::new();
        let mut store = Store::open(&Place::from(folder.0.join("store.db"))).expect("a store");
        let mut requests = Vec::new();
        for day in 0..2 * DAYS {
            let (from, mut of_day) = (FIRST_DAY + day * DAY_MICROS, Vec::new());
            let mut each = |request: Request| of_day.push(request);
            if day + 1 == 2 * DAYS {
                attack_day(7, from, REQUESTS, &mut each);
            } else {
                quiet_day(7, from, REQUESTS, &mut each);
            }
            // By the hour, as a gate writes more often than once a day: between two commits there is room for 8,192 rows.
            for hour in of_day.chunk_by(|one, other| one.time / HOUR == other.time / HOUR) {
                let mut rows = Rows::default();
                hour.iter().for_each(|request| rows.add(&request.seen()));
                let at = EventTime::from_micros(from + DAY_MICROS);
                store.commit(&Commit { rows, ..Commit::default() }, at).expect("kept");
            }
            requests.append(&mut of_day);
            let mut rows = Rows::default();
            others(&mut rows, day);
            let commit = Commit { rows, incidents: incidents(day), ..Commit::default() };
            store.commit(&commit, EventTime::from_micros(from + DAY_MICROS)).expect("kept");
        }
        answer(&mut store);
        let until = EventTime::from_micros(FIRST_DAY + 2 * WEEK);
        let report = Report::build(&mut store, "shop", Window::before(until, WEEK), until).expect("a report");
        World { requests, report }
    }

    fn week(&self, number: u64) -> impl Iterator<Item = &Request> {
        let from = FIRST_DAY + number * WEEK;
        self.requests.iter().filter(move |request| (from..from + WEEK).contains(&request.time))
    }

    /// What a report must say of the requests that count.
    fn trend(&self, counts: impl Fn(&Request) -> bool) -> Trend {
        let mut days = vec![0; 7];
        for request in self.week(1).filter(|request| counts(request)) {
            days[usize::try_from((request.time - FIRST_DAY - WEEK) / DAY_MICROS).expect("a day")] += 1;
        }
        Trend { now: days.iter().sum(), before: self.week(0).filter(|request| counts(request)).count() as u64, days }
    }

    fn top(&self, name: impl Fn(&Request) -> Option<String>) -> Vec<(String, u64)> {
        top(self.week(1).filter_map(name))
    }
}

fn top(names: impl Iterator<Item = String>) -> Vec<(String, u64)> {
    let mut sums: HashMap<String, u64> = HashMap::new();
    names.for_each(|name| *sums.entry(name).or_default() += 1);
    let mut list: Vec<_> = sums.into_iter().collect();
    list.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    list.truncate(TOP);
    list
}

/// What the made-up traffic has none of: reports of sign-ups, and lockouts.
fn others(rows: &mut Rows, day: u64) {
    let at = |hour: u64| EventTime::from_micros(FIRST_DAY + day * DAY_MICROS + hour * HOUR + 1);
    let number = usize::try_from(day).expect("a day");
    for user in 0..SIGN_UPS[number] {
        let user = Some(format!("fresh_{day}_{user}").into());
        rows.add(&Seen { action: Some("sign-up".into()), user, ..Seen::at(at(day), Source::Clerk) });
    }
    for _ in 0..if day < DAYS { 0 } else { LOCKOUTS[number - 7] } {
        let mut seen = Seen {
            decision: Some(Decision::Refuse),
            code: Some(Code::LoginLocked),
            kind: Some(Kind::Login),
            route: Some("/api/login".into()),
            status: Some(403),
            ..Seen::at(at(2), Source::Gate)
        };
        seen.set_client(Ipv4Addr::new(203, 0, 113, 77).into());
        rows.add(&seen);
    }
}

/// Incidents: one P1 on every second day, one P2 on every day of the second week, a P3 of each low class on the last.
fn incidents(day: u64) -> Vec<Incident> {
    let mut all = Vec::new();
    if day.is_multiple_of(2) {
        all.push(incident("login-failures-massive", Priority::P1, day));
    }
    if day >= DAYS {
        all.push(incident("csrf-spike", Priority::P2, day));
    }
    if day + 1 == 2 * DAYS {
        for rule in ["login-failures-client", "rate-limit-client", "validation-bulk", "error-pattern-new"] {
            all.push(incident(rule, Priority::P3, day));
        }
    }
    all
}

fn key(rule: &str, day: u64) -> IncidentKey {
    IncidentKey::of(rule, 1, &[], EventTime::from_micros(FIRST_DAY + day * DAY_MICROS))
}

fn incident(rule: &str, priority: Priority, day: u64) -> Incident {
    let at = |hours: u64| EventTime::from_micros(FIRST_DAY + day * DAY_MICROS + hours * HOUR);
    Incident {
        key: key(rule, day),
        rule: rule.into(),
        title: rule.into(),
        owasp: "".into(),
        group: Vec::new(),
        priority,
        state: State::Open,
        first_seen: at(10),
        last_seen: at(11),
        count: 5,
        attributable: true,
        simulated: false,
        evidence: Evidence::default(),
        steps: Vec::new(),
    }
}

/// Somebody answers the P2s after 1, 2, 3 ... hours, and resolves the first two of them a day later.
fn answer(store: &mut Store) {
    for number in 0..5 {
        let day = DAYS + number;
        let opened = FIRST_DAY + (day + 1) * DAY_MICROS;
        let at = |hours: u64| EventTime::from_micros(opened + hours * HOUR);
        store.acknowledge(key("csrf-spike", day), "ann", "", at(number + 1)).expect("kept").expect("there");
        if number < 2 {
            store.resolve(key("csrf-spike", day), "ann", "", at(24 + number)).expect("kept").expect("there");
        }
    }
}

fn failed(request: &Request) -> bool {
    request.kind == Kind::Login && request.outcome == Some(Outcome::Failure)
}

fn good(request: &Request) -> bool {
    request.kind == Kind::Login && request.outcome == Some(Outcome::Success)
}

#[test]
fn f1_authentication_is_what_was_made_up() {
    let (world, auth) = (&*WORLD, &WORLD.report.auth);
    assert_eq!(auth.failed, world.trend(failed));
    assert_eq!(auth.good, world.trend(good));
    let mut hours = vec![0; 168];
    for request in world.week(1).filter(|request| failed(request)) {
        hours[usize::try_from((request.time - FIRST_DAY - WEEK) / HOUR).expect("an hour")] += 1;
    }
    assert_eq!(auth.failed_hours, hours);
    assert!(hours.iter().max().is_some_and(|most| *most >= 170), "the flood of one minute stands out: {hours:?}");

    let lockouts = Trend { now: LOCKOUTS.iter().sum(), before: 0, days: LOCKOUTS.to_vec() };
    assert_eq!(auth.lockouts, lockouts);
    let (before, now) = SIGN_UPS.split_at(7);
    assert_eq!(auth.sign_ups, Trend { now: now.iter().sum(), before: before.iter().sum(), days: now.to_vec() });
    assert_eq!(auth.sign_up_hours.iter().sum::<u64>(), now.iter().sum::<u64>());
    assert_eq!(auth.sign_up_hours[6 * 24 + 13], SIGN_UPS[13], "in the hour of the day's number");

    let mut countries: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for request in world.week(1).filter(|request| failed(request) || good(request)) {
        let sums = countries.entry(request.country).or_default();
        *sums = (sums.0 + 1, sums.1 + u64::from(failed(request)));
    }
    let mut countries: Vec<_> = countries.into_iter().map(|(name, (all, bad))| (name.to_owned(), all, bad)).collect();
    countries.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    countries.truncate(TOP);
    assert_eq!(auth.countries, countries);

    let mut day = [(0, 0); 24];
    let hour = |request: &Request| usize::try_from(request.time % DAY_MICROS / HOUR).expect("an hour");
    world.week(1).filter(|it| good(it)).for_each(|it| day[hour(it)].0 += 1);
    world.week(0).filter(|it| good(it)).for_each(|it| day[hour(it)].1 += 1);
    assert_eq!(auth.hours, day);
    assert_eq!(auth.unusual_hours, [3], "the mass sign-ins of the attack day, and no other hour");

    let mut active: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
    for request in world.week(1) {
        let day = request.time / DAY_MICROS * DAY_MICROS;
        active.entry(day).or_default().extend(request.user.map(|user| format!("user {user}")));
    }
    for day in DAYS..2 * DAYS {
        let number = SIGN_UPS[usize::try_from(day).expect("a day")];
        let fresh = (0..number).map(|user| format!("fresh {day} {user}"));
        active.entry(FIRST_DAY + day * DAY_MICROS).or_default().extend(fresh);
    }
    let days: Vec<_> = active.iter().map(|(day, users)| (EventTime::from_micros(*day), users.len() as u64)).collect();
    assert_eq!(auth.active, days);
    let all: BTreeSet<_> = active.values().flatten().collect();
    assert_eq!(auth.active_all, all.len() as u64);

    let bad = |request: &Request| (failed(request) || request.signals != 0).then(|| request.client.to_string());
    let locked = (0..lockouts.now).map(|_| "203.0.113.77".to_owned());
    let mut suspicious = top(world.week(1).filter_map(bad).chain(locked));
    suspicious.retain(|(_, count)| *count >= 10);
    assert_eq!(auth.suspicious, suspicious);
    assert!(suspicious.iter().any(|(_, count)| *count == 72), "the patient one: {suspicious:?}");
}

#[test]
fn f2_rate_limits_are_what_was_made_up() {
    let (world, limits) = (&*WORLD, &WORLD.report.limits);
    let over = |request: &Request| request.status == 429;
    assert_eq!(limits.violations, world.trend(over));
    let clients: BTreeSet<_> = world.week(1).filter(|it| over(it)).map(|it| it.client).collect();
    assert_eq!(limits.clients, clients.len() as u64);
    assert_eq!(limits.top_clients, world.top(|it| over(it).then(|| it.client.to_string())));
    assert_eq!(limits.top_routes, world.top(|it| over(it).then(|| it.route.to_owned())));
    assert!(limits.violations.now > 3000 && limits.top_clients.len() == TOP);
}

#[test]
fn f3_csrf_is_what_was_made_up() {
    let (world, csrf) = (&*WORLD, &WORLD.report.csrf);
    let code = |code: Code| world.trend(move |request| request.code == Some(code));
    assert_eq!(csrf.issued, world.trend(|request| request.path == "/api/csrf"));
    assert_eq!(csrf.reused, code(Code::CsrfTokenReused));
    assert_eq!(csrf.missing, code(Code::CsrfTokenMissing));
    assert_eq!(csrf.invalid, code(Code::CsrfTokenInvalid));
    assert_eq!(csrf.expired, code(Code::CsrfTokenExpired));
    assert_eq!(csrf.cross_origin, code(Code::CsrfCrossOrigin));
    let any = [Code::CsrfTokenReused, Code::CsrfTokenMissing, Code::CsrfTokenInvalid, Code::CsrfTokenExpired];
    assert_eq!(csrf.failures, world.trend(|request| request.code.is_some_and(|code| any.contains(&code))));
    assert_eq!((csrf.reused.now, csrf.missing.now), (6, 6), "as the attack day has them");
}

#[test]
fn f4_input_is_what_was_made_up() {
    let (world, input) = (&*WORLD, &WORLD.report.input);
    assert_eq!(input.failures, world.trend(|request| request.code == Some(Code::ValidationFailed)));
    let fields = world.week(1).filter_map(Request::fields).flat_map(|fields| fields.split(' ').map(str::to_owned));
    assert_eq!(input.fields, top(fields));
    assert_eq!(input.fields.len(), 3);
    for signal in Signal::ALL {
        let told = input.signals.iter().find(|(id, ..)| *id == signal.id()).expect("told");
        assert_eq!(told.2, world.trend(|request| request.signals & signal.bit() != 0), "{}", signal.id());
        assert_eq!(told.2.now > 0, signal != Signal::Traversal);
    }
}

#[test]
fn f5_errors_are_what_was_made_up() {
    let (world, errors) = (&*WORLD, &WORLD.report.errors);
    let with = |requests: Trend, lockouts: bool| {
        let Trend { mut now, before, mut days } = requests;
        for (day, more) in days.iter_mut().zip(LOCKOUTS).filter(|_| lockouts) {
            *day += more;
            now += more;
        }
        Trend { now, before, days }
    };
    assert_eq!(errors.client, with(world.trend(|it| (400..500).contains(&it.status)), true));
    assert_eq!(errors.server, world.trend(|it| it.status >= 500));
    assert_eq!(WORLD.report.requests, with(world.trend(|_| true), true));

    let mut routes: BTreeMap<&str, [u64; 3]> = BTreeMap::new();
    let locked = std::iter::repeat_n(("/api/login", 403), usize::try_from(LOCKOUTS.iter().sum::<u64>()).expect("few"));
    for (route, status) in world.week(1).map(|it| (it.route, it.status)).chain(locked) {
        let sums = routes.entry(route).or_default();
        sums[0] += 1;
        sums[1] += u64::from((400..500).contains(&status));
        sums[2] += u64::from(status >= 500);
    }
    let mut routes: Vec<_> = routes.into_iter().filter(|(_, sums)| sums[1] + sums[2] > 0).collect();
    routes.sort_by(|one, other| (other.1[2], other.1[1]).cmp(&(one.1[2], one.1[1])).then(one.0.cmp(other.0)));
    routes.truncate(TOP);
    assert_eq!(errors.routes, routes.iter().map(|(name, sums)| ((*name).to_owned(), *sums)).collect::<Vec<_>>());

    let mut statuses: BTreeMap<u16, (u64, u64)> = BTreeMap::new();
    world.week(1).filter(|it| it.status >= 400).for_each(|it| statuses.entry(it.status).or_default().0 += 1);
    world.week(0).filter(|it| it.status >= 400).for_each(|it| statuses.entry(it.status).or_default().1 += 1);
    statuses.entry(403).or_default().0 += LOCKOUTS.iter().sum::<u64>();
    assert_eq!(errors.statuses, statuses.into_iter().map(|(status, (a, b))| (status, a, b)).collect::<Vec<_>>());
    assert_eq!(errors.countries, world.top(|it| (it.status >= 400).then(|| it.country.to_owned())));
    assert_eq!(WORLD.report.folded, 0, "no minute was a flood");
}

#[test]
fn incidents_and_how_soon_they_were_answered() {
    let report = &WORLD.report;
    let [p1, p2, p3] = report.incidents.as_slice() else { panic!("three priorities") };
    assert_eq!((p1.count, p1.before, p1.acknowledged, p1.late), (3, 4, 0, 3), "days 8, 10, 12 after 0, 2, 4, 6");
    assert_eq!((p2.count, p2.before, p2.acknowledged, p2.resolved, p2.late), (7, 0, 5, 2, 1));
    assert_eq!(p2.acknowledge_micros, Some((3 * HOUR, 5 * HOUR)), "of 1, 2, 3, 4, 5 hours");
    assert_eq!(p2.resolve_micros, Some((25 * HOUR, 25 * HOUR)), "of 24 and 25 hours");
    assert_eq!((p3.count, p3.before, p3.late), (4, 0, 0));
    assert_eq!(report.rules.first(), Some(&("csrf-spike".to_owned(), 7, 0)));
    // The guide's four classes, each with its incident and its events.
    for class in &report.low {
        assert_eq!(class.incidents, 1, "{}", class.id);
        assert!(class.events.now > 0 && class.events.before > 0, "{}", class.id);
    }
    assert_eq!(report.low.len(), 4);
    assert!(report.changes.iter().any(|text| text.starts_with("Rate limit violations: ")), "{:?}", report.changes);
}

#[test]
fn every_format_says_the_same_and_a_strangers_text_stays_text() {
    let mut report = WORLD.report.clone();
    report.limits.top_clients[0].0 = "<script>alert(1)</script>|`[x](javascript:y)".to_owned();
    let (json, markdown, html) = (report.json(), report.markdown(), report.html());
    assert_eq!(json["rate_limits"]["violations"]["now"], report.limits.violations.now);
    assert_eq!(json["authentication"]["failed_per_hour"].as_array().map(Vec::len), Some(168));
    assert_eq!(json["low"][3]["priority"], "P3");
    assert!(!html.contains("<script") && html.contains("&lt;script&gt;"));
    assert!(!markdown.contains("|`[x]") && markdown.contains("## CSRF"));
    let reused = format!("| Reused tokens | {} |", report.csrf.reused.now);
    assert!(markdown.contains(&reused), "{markdown}");
}

#[test]
fn tasks_that_nobody_did_in_their_time_stand_in_the_report_as_p3() {
    let path = std::env::temp_dir().join(format!("palisade-report-{}-tasks.toml", std::process::id()));
    let none = WORLD.report.clone().with_tasks(&path);
    assert_eq!(none.overdue, [], "nobody began");
    let since = Day::of_unix(i64::try_from(FIRST_DAY / 1_000_000).expect("a time"));
    std::fs::write(&path, Record::head(since)).expect("a record");
    let report = WORLD.report.clone().with_tasks(&path);
    std::fs::remove_file(&path).expect("gone");
    // Two weeks later the tasks of days and weeks are late, those of the quarter are not.
    let ids: Vec<_> = report.overdue.iter().map(|task| task.id).collect();
    assert!(ids.iter().any(|id| id.starts_with("daily/")) && ids.iter().any(|id| id.starts_with("weekly/")), "{ids:?}");
    assert!(!ids.iter().any(|id| id.starts_with("quarterly/")), "{ids:?}");
    let (json, markdown, html) = (report.json(), report.markdown(), report.html());
    assert_eq!(json["overdue_tasks"].as_array().map(Vec::len), Some(ids.len()));
    assert_eq!(json["overdue_tasks"][0]["priority"], "P3");
    for task in &report.overdue {
        assert!(markdown.contains(&format!("P3: {} (`{}`), until {}", task.title, task.id, task.due)), "{markdown}");
        assert!(html.contains(task.id), "{}", task.id);
    }
}
