//! From the store to the numbers.

use std::collections::{BTreeMap, HashMap};

use palisade_event::{EventTime, Priority, State};

use super::measure::{SIGNALS, fields, is_csrf, is_failed_sign_in, is_good_sign_in, is_invalid, is_suspicious, says};
use super::{Auth, Csrf, Errors, Input, Limits, Low, Named, Report, Response, TOP, Trend};
use crate::store::{Cell, DETECTOR, IncidentFilter, Kept, Share, Store, StoreFault, Window};

const HOUR: u64 = 3_600_000_000;
const DAY: u64 = 24 * HOUR;
/// Failed sign-ins, lockouts, signals and probes of one client that make it suspicious.
const SUSPICIOUS: u64 = 10;
/// Successes in an hour of the day that may be unusual, and how many times those of before.
const UNUSUAL: (u64, u64) = (20, 3);
/// Changes below it, in tenths of a percent, are not told; nor are counts below [`CHANGED_LEAST`].
const CHANGED: i64 = 250;
const CHANGED_LEAST: u64 = 20;
const CHANGES: usize = 8;

/// The cells of both windows.
struct Weeks {
    window: Window,
    now: Vec<Cell>,
    before: Vec<Cell>,
}

pub(super) fn report(store: &mut Store, app: &str, window: Window, made: EventTime) -> Result<Report, StoreFault> {
    let before = window.previous();
    let weeks = Weeks { window, now: store.cells(window, 60)?, before: store.cells(before, 60)? };
    let (notable, limited, routes) = (store.notable(window)?, store.limited(window, TOP)?, store.routes(window)?);
    let (active, active_all) = store.active(window)?;
    let since = IncidentFilter { since: before.from, ..IncidentFilter::default() };
    let mut incidents = store.incidents(&since)?;
    incidents.retain(|kept| !kept.simulated);
    let mut report = Report {
        app: app.to_owned(),
        made,
        window,
        before,
        requests: weeks.trend(|cell| cell.status != 0),
        folded: weeks.now.iter().filter(|cell| cell.is_other()).map(|cell| cell.count).sum(),
        auth: Auth { active, active_all, suspicious: suspicious(&notable), ..weeks.auth() },
        limits: limits(&weeks, limited, &routes),
        csrf: weeks.csrf(),
        input: weeks.input(),
        errors: errors(&weeks, &routes),
        incidents: Priority::ALL
            .into_iter()
            .map(|priority| response(&incidents, priority, window, before, made))
            .collect(),
        rules: rules(&incidents, window, before),
        low: low(&weeks, &incidents, window),
        overdue: Vec::new(),
        changes: Vec::new(),
    };
    report.changes = changes(&report);
    Ok(report)
}

// === impl Weeks ===

impl Weeks {
    fn trend(&self, counts: impl Fn(&Cell) -> bool) -> Trend {
        let sum = |cells: &[Cell]| cells.iter().filter(|cell| counts(cell)).map(|cell| cell.count).sum();
        Trend { now: sum(&self.now), before: sum(&self.before), days: self.steps(DAY, &counts) }
    }

    /// Counts of the window by stretches of `step` from its start.
    fn steps(&self, step: u64, counts: impl Fn(&Cell) -> bool) -> Vec<u64> {
        let mut steps = vec![0; usize::try_from(self.window.length().div_ceil(step)).unwrap_or_default().min(100_000)];
        for cell in self.now.iter().filter(|cell| counts(cell)) {
            // A cell may begin in the hour in which the window does.
            let at = cell.time.micros().saturating_sub(self.window.from.micros()) / step;
            if let Some(count) = usize::try_from(at).ok().and_then(|at| steps.get_mut(at)) {
                *count += cell.count;
            }
        }
        steps
    }

    fn auth(&self) -> Auth {
        let failed = |cell: &Cell| is_failed_sign_in(&cell.kind, &cell.what);
        let good = |cell: &Cell| is_good_sign_in(&cell.kind, &cell.what);
        let sign_up = |cell: &Cell| says(&cell.what, "sign-up");
        let mut countries: HashMap<&str, (u64, u64)> = HashMap::new();
        let mut hours = [(0, 0); 24];
        for cell in &self.now {
            let (bad, fine) = (failed(cell), good(cell));
            if (bad || fine) && !cell.country.is_empty() {
                let sums = countries.entry(&cell.country).or_default();
                sums.0 += cell.count;
                sums.1 += if bad { cell.count } else { 0 };
            }
            if let Some(hour) = hours.get_mut(of_day(cell)).filter(|_| fine) {
                hour.0 += cell.count;
            }
        }
        for cell in self.before.iter().filter(|cell| good(cell)) {
            if let Some(hour) = hours.get_mut(of_day(cell)) {
                hour.1 += cell.count;
            }
        }
        let mut countries: Vec<_> =
            countries.into_iter().map(|(name, (all, bad))| (name.to_owned(), all, bad)).collect();
        countries.sort_unstable_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(&other.0)));
        countries.truncate(TOP);
        // Beside nothing every hour would be.
        let known = hours.iter().any(|(_, before)| *before > 0);
        let unusual = |(now, before): &(u64, u64)| known && *now >= UNUSUAL.0 && *now > before * UNUSUAL.1;
        Auth {
            failed: self.trend(failed),
            failed_hours: self.steps(HOUR, failed),
            good: self.trend(good),
            lockouts: self.trend(|cell| cell.code == "login-locked"),
            countries,
            unusual_hours: (0..24).zip(&hours).filter(|(_, hour)| unusual(hour)).map(|(at, _)| at).collect(),
            hours,
            sign_ups: self.trend(sign_up),
            sign_up_hours: self.steps(HOUR, sign_up),
            ..Auth::default()
        }
    }

    fn csrf(&self) -> Csrf {
        let code = |code: &'static str| self.trend(move |cell| cell.code == code);
        Csrf {
            failures: self.trend(|cell| is_csrf(&cell.code)),
            issued: self.trend(|cell| says(&cell.what, "csrf-token-issued")),
            reused: code("csrf-token-reused"),
            missing: code("csrf-token-missing"),
            invalid: code("csrf-token-invalid"),
            expired: code("csrf-token-expired"),
            cross_origin: code("csrf-cross-origin"),
        }
    }

    fn input(&self) -> Input {
        let named = self.now.iter().flat_map(|cell| fields(&cell.what).map(|field| (field, cell.count)));
        Input {
            failures: self.trend(|cell| is_invalid(&cell.code)),
            fields: top(named),
            signals: SIGNALS.map(|(id, name)| (id, name, self.trend(|cell| says(&cell.what, id)))).to_vec(),
        }
    }
}

fn of_day(cell: &Cell) -> usize {
    usize::try_from(cell.time.micros() % DAY / HOUR).unwrap_or_default()
}

/// The greatest sums, then by name.
fn top<'a>(counts: impl Iterator<Item = (&'a str, u64)>) -> Vec<Named> {
    let mut list = crate::dashboard::ranked(counts);
    list.truncate(TOP);
    list.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
}

fn suspicious(clients: &[Share]) -> Vec<Named> {
    let bad = clients.iter().filter(|share| is_suspicious(share));
    let mut list = top(bad.map(|share| (share.name.as_str(), share.count)));
    list.retain(|(_, count)| *count >= SUSPICIOUS);
    list
}

fn limits(weeks: &Weeks, (clients, top_clients): (u64, Vec<Named>), routes: &[Share]) -> Limits {
    let over = routes.iter().filter(|share| share.status == 429);
    Limits {
        violations: weeks.trend(|cell| cell.status == 429),
        clients,
        top_clients,
        top_routes: top(over.map(|share| (share.name.as_str(), share.count))),
    }
}

fn errors(weeks: &Weeks, shares: &[Share]) -> Errors {
    let mut routes: HashMap<&str, [u64; 3]> = HashMap::new();
    for share in shares.iter().filter(|share| share.status != 0) {
        let [all, client, server] = routes.entry(&share.name).or_default();
        *all += share.count;
        match share.status {
            500.. => *server += share.count,
            400.. => *client += share.count,
            _ => {}
        }
    }
    let mut routes: Vec<_> = routes.into_iter().filter(|(_, [_, client, server])| client + server > 0).collect();
    routes.sort_unstable_by(|(one, a), (other, b)| (b[2], b[1]).cmp(&(a[2], a[1])).then(one.cmp(other)));
    routes.truncate(TOP);
    let mut statuses: BTreeMap<u16, (u64, u64)> = BTreeMap::new();
    for cell in weeks.now.iter().filter(|cell| cell.status >= 400) {
        statuses.entry(cell.status).or_default().0 += cell.count;
    }
    for cell in weeks.before.iter().filter(|cell| cell.status >= 400) {
        statuses.entry(cell.status).or_default().1 += cell.count;
    }
    let placed = weeks.now.iter().filter(|cell| cell.status >= 400 && !cell.country.is_empty());
    Errors {
        client: weeks.trend(|cell| (400..500).contains(&cell.status)),
        server: weeks.trend(|cell| cell.status >= 500),
        routes: routes.into_iter().map(|(name, sums)| (name.to_owned(), sums)).collect(),
        statuses: statuses.into_iter().map(|(status, (now, before))| (status, now, before)).collect(),
        countries: top(placed.map(|cell| (cell.country.as_str(), cell.count))),
    }
}

/// Whether an incident began in a window.
fn began(kept: &Kept, window: Window) -> bool {
    (window.from..window.until).contains(&kept.first_seen)
}

fn response(all: &[Kept], priority: Priority, window: Window, before: Window, made: EventTime) -> Response {
    let of_it = |window| all.iter().filter(move |kept| kept.priority == priority && began(kept, window));
    let own: Vec<_> = of_it(window).collect();
    let after = |kept: &Kept, done: EventTime| done.micros().saturating_sub(kept.opened.micros());
    let by_people = |kept: &&&Kept| kept.resolved.as_ref().is_some_and(|(_, by)| by != DETECTOR);
    let acknowledged = own.iter().filter_map(|kept| Some(after(kept, kept.acknowledged.as_ref()?.0)));
    let resolved = own.iter().filter(by_people).filter_map(|kept| Some(after(kept, kept.resolved.as_ref()?.0)));
    let count = |wanted: &dyn Fn(&Kept) -> bool| own.iter().filter(|kept| wanted(kept)).count() as u64;
    Response {
        priority,
        count: own.len() as u64,
        before: of_it(before).count() as u64,
        acknowledged: count(&|kept| kept.acknowledged.is_some()),
        resolved: own.iter().filter(by_people).count() as u64,
        ended: count(&|kept| kept.resolved.as_ref().is_some_and(|(_, by)| by == DETECTOR)),
        late: count(&|kept| kept.state == State::Open && kept.due() < made),
        acknowledge_micros: median_and_most(acknowledged.collect()),
        resolve_micros: median_and_most(resolved.collect()),
    }
}

fn median_and_most(mut times: Vec<u64>) -> Option<(u64, u64)> {
    times.sort_unstable();
    Some((*times.get(times.len() / 2)?, *times.last()?))
}

fn rules(all: &[Kept], window: Window, before: Window) -> Vec<(String, u64, u64)> {
    let mut rules: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for kept in all {
        let counts = rules.entry(&kept.rule).or_default();
        counts.0 += u64::from(began(kept, window));
        counts.1 += u64::from(began(kept, before));
    }
    let mut list: Vec<_> = rules.into_iter().map(|(rule, (now, then))| (rule.to_owned(), now, then)).collect();
    list.retain(|(_, now, then)| now + then > 0);
    list.sort_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(&other.0)));
    list
}

/// The guide's "Low-Priority (Weekly Review)", in its words.
fn low(weeks: &Weeks, incidents: &[Kept], window: Window) -> Vec<Low> {
    let class = |id, title, events, rule: fn(&str) -> bool| Low {
        id,
        title,
        events,
        incidents: incidents
            .iter()
            .filter(|it| began(it, window) && it.priority == Priority::P3 && rule(&it.rule))
            .count() as u64,
    };
    let failed = weeks.trend(|cell| is_failed_sign_in(&cell.kind, &cell.what) || cell.status == 401);
    vec![
        class("background-auth-failures", "Normal background failed auth attempts", failed, |rule| {
            rule.starts_with("login-failures") || rule.starts_with("unauthorized")
        }),
        class("occasional-rate-limits", "Occasional rate limit hits", weeks.trend(|cell| cell.status == 429), |rule| {
            rule.starts_with("rate-limit")
        }),
        class(
            "standard-validation-failures",
            "Standard input validation failures",
            weeks.trend(|cell| is_invalid(&cell.code)),
            |rule| rule.starts_with("validation"),
        ),
        class(
            "routine-errors",
            "Routine error patterns",
            weeks.trend(|cell| cell.status == 404 || cell.status >= 500),
            |rule| {
                rule.starts_with("error-pattern")
                    || rule.starts_with("server-error")
                    || rule.starts_with("region-errors")
            },
        ),
    ]
}

/// What changed most, in sentences.
fn changes(report: &Report) -> Vec<String> {
    let Report { requests, auth, limits, csrf, input, errors, rules, .. } = report;
    let mut named = vec![
        ("Requests", requests),
        ("Failed sign-ins", &auth.failed),
        ("Lockouts", &auth.lockouts),
        ("Sign-ups", &auth.sign_ups),
        ("Rate limit violations", &limits.violations),
        ("CSRF failures", &csrf.failures),
        ("Validation failures", &input.failures),
        ("Client errors", &errors.client),
        ("Server errors", &errors.server),
    ];
    named.extend(input.signals.iter().map(|(_, name, trend)| (*name, trend)));
    let mut told: Vec<(i64, String)> = named
        .into_iter()
        .filter(|(_, trend)| trend.now.max(trend.before) >= CHANGED_LEAST)
        .filter_map(|(name, trend)| {
            let change = trend.change().unwrap_or(i64::MAX);
            let text = format!("{name}: {} after {} ({})", trend.now, trend.before, trend.told());
            (change.abs() >= CHANGED).then(|| (change.saturating_abs(), capital(&text)))
        })
        .collect();
    told.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
    told.truncate(CHANGES);
    let fresh = rules.iter().filter(|(_, now, before)| *now > 0 && *before == 0).map(|(rule, now, _)| {
        format!(
            "The rule {rule} fired for the first time in two windows ({now} incident{})",
            if *now == 1 { "" } else { "s" }
        )
    });
    told.into_iter().map(|(_, text)| text).chain(fresh).collect()
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
