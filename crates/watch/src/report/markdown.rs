//! The report as Markdown. Strangers' text stands in code spans.

use std::fmt::Write as _;

use palisade_event::Untrusted;

use super::{Errors, Limits, Named, Overdue, Report, Trend};
use crate::dashboard::words::{date, number, percent, plain, span};

pub(super) fn report(report: &Report) -> String {
    let mut out = String::new();
    let name =
        if report.app.is_empty() { String::new() } else { format!(" of {}", Untrusted::new(&report.app).markdown()) };
    let (from, until) = (plain(report.window.from), plain(report.window.until));
    let _ = writeln!(
        out,
        "# Security report{name}\n\n{from} to {until} (UTC), beside the time of the same length before.\n"
    );
    section(
        &mut out,
        "What changed",
        &report.changes.iter().map(|text| format!("- {}", Untrusted::new(text).markdown())).collect::<Vec<_>>(),
    );
    trends(&mut out, "Overview", &overview(report));
    incidents(&mut out, report);
    auth(&mut out, report);
    let Report { limits, csrf, input, errors, .. } = report;
    trends(&mut out, "Rate limits", &[("Violations (429)", &limits.violations)]);
    let _ = writeln!(out, "{}\n", limited(limits));
    names(&mut out, "Client", &limits.top_clients);
    names(&mut out, "Route", &limits.top_routes);
    trends(
        &mut out,
        "CSRF",
        &[
            ("Failures", &csrf.failures),
            ("Tokens issued", &csrf.issued),
            ("Reused tokens", &csrf.reused),
            ("Missing tokens", &csrf.missing),
            ("Invalid tokens", &csrf.invalid),
            ("Expired tokens", &csrf.expired),
            ("Other origins", &csrf.cross_origin),
        ],
    );
    let mut rows = vec![("Validation failures", &input.failures)];
    rows.extend(input.signals.iter().map(|(_, name, trend)| (*name, trend)));
    trends(&mut out, "Input", &rows);
    names(&mut out, "Field", &input.fields);
    errors_by_route(&mut out, errors);
    names(&mut out, "Country", &errors.countries);
    trends(&mut out, "For review (P3)", &report.low.iter().map(|it| (it.title, &it.events)).collect::<Vec<_>>());
    if !report.overdue.is_empty() {
        let task = |it: &Overdue| format!("- P3: {} (`{}`), until {}", it.title, it.id, it.due);
        section(&mut out, "Overdue tasks (P3)", &report.overdue.iter().map(task).collect::<Vec<_>>());
    }
    if report.folded > 0 {
        let _ = writeln!(out, "{} events of floods are counted by status alone.", number(report.folded));
    }
    out
}

fn errors_by_route(out: &mut String, errors: &Errors) {
    trends(out, "Errors", &[("Client errors (4xx)", &errors.client), ("Server errors (5xx)", &errors.server)]);
    let _ = writeln!(out, "| Route | Requests | 4xx | 5xx | Errors |\n|---|---:|---:|---:|---:|");
    for (route, [all, client, server]) in &errors.routes {
        let route = Untrusted::new(route).cut(80).markdown();
        let _ = writeln!(
            out,
            "| {route} | {} | {} | {} | {} |",
            number(*all),
            number(*client),
            number(*server),
            percent(client + server, *all)
        );
    }
    let _ = writeln!(out, "\n| Status | Now | Before |\n|---|---:|---:|");
    for (status, now, before) in &errors.statuses {
        let _ = writeln!(out, "| {status} | {} | {} |", number(*now), number(*before));
    }
    out.push('\n');
}

/// The counts that open every format.
pub(super) fn overview(report: &Report) -> Vec<(&'static str, &Trend)> {
    vec![
        ("Requests", &report.requests),
        ("Failed sign-ins", &report.auth.failed),
        ("Rate limit violations", &report.limits.violations),
        ("CSRF failures", &report.csrf.failures),
        ("Validation failures", &report.input.failures),
        ("Server errors", &report.errors.server),
    ]
}

/// How many each, to a tenth.
pub(super) fn each(all: u64, of: u64) -> String {
    match (all.checked_div(of), (all.checked_rem(of))) {
        (Some(whole), Some(rest)) => format!("{whole}.{}", rest * 10 / of),
        _ => "–".to_owned(),
    }
}

/// How many clients went beyond a limit, and how often.
pub(super) fn limited(limits: &Limits) -> String {
    let clients = limits.clients;
    let who = match clients {
        0 => return "No client had any.".to_owned(),
        1 => "client",
        _ => "clients",
    };
    format!("{} {who} had any, {} each.", number(clients), each(limits.violations.now, clients))
}

fn incidents(out: &mut String, report: &Report) {
    let _ = writeln!(
        out,
        "## Incidents\n\n| Priority | Began | Before | Acknowledged | Resolved | Ended | Late | To acknowledge | To resolve |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|"
    );
    let time = |times: Option<(u64, u64)>| {
        times.map_or("–".to_owned(), |(median, most)| format!("{} (longest {})", span(median), span(most)))
    };
    for it in &report.incidents {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            it.priority.id(),
            it.count,
            it.before,
            it.acknowledged,
            it.resolved,
            it.ended,
            it.late,
            time(it.acknowledge_micros),
            time(it.resolve_micros)
        );
    }
    let _ = writeln!(out, "\n| Rule | Now | Before |\n|---|---:|---:|");
    for (rule, now, before) in &report.rules {
        let _ = writeln!(out, "| {} | {now} | {before} |", Untrusted::new(rule).markdown());
    }
    out.push('\n');
}

fn auth(out: &mut String, report: &Report) {
    let auth = &report.auth;
    trends(
        out,
        "Authentication",
        &[
            ("Failed sign-ins", &auth.failed),
            ("Successful sign-ins", &auth.good),
            ("Lockouts", &auth.lockouts),
            ("Sign-ups", &auth.sign_ups),
        ],
    );
    let hours = auth.failed_hours.len() as u64;
    let most = auth.failed_hours.iter().max().copied().unwrap_or(0);
    let _ = writeln!(out, "Failed sign-ins an hour: {}, at most {}.", each(auth.failed.now, hours), number(most));
    let most = auth.sign_up_hours.iter().max().copied().unwrap_or(0);
    let _ = writeln!(out, "Sign-ups an hour: {}, at most {}.", each(auth.sign_ups.now, hours), number(most));
    let unusual: Vec<_> = auth.unusual_hours.iter().map(|hour| format!("{hour:02}:00")).collect();
    let unusual = if unusual.is_empty() { "none".to_owned() } else { unusual.join(", ") };
    let _ = writeln!(out, "Unusual hours of the day: {unusual}.\nActive sessions: {}.\n", number(auth.active_all));
    let _ = writeln!(out, "| Day | Active sessions |\n|---|---:|");
    for (day, count) in &auth.active {
        let _ = writeln!(out, "| {} | {} |", date(*day), number(*count));
    }
    let _ = writeln!(out, "\n| Country | Sign-ins | Failed |\n|---|---:|---:|");
    for (country, all, failed) in &auth.countries {
        let _ = writeln!(out, "| {} | {} | {} |", Untrusted::new(country).markdown(), number(*all), number(*failed));
    }
    out.push('\n');
    names(out, "Suspicious client", &auth.suspicious);
}

fn section(out: &mut String, title: &str, lines: &[String]) {
    let _ = writeln!(out, "## {title}\n");
    if lines.is_empty() {
        out.push_str("Nothing of note.\n");
    }
    lines.iter().for_each(|line| _ = writeln!(out, "{line}"));
    out.push('\n');
}

fn trends(out: &mut String, title: &str, rows: &[(&str, &Trend)]) {
    let _ = writeln!(out, "## {title}\n\n| | Now | Before | Change |\n|---|---:|---:|---:|");
    for (name, trend) in rows {
        let _ = writeln!(out, "| {name} | {} | {} | {} |", number(trend.now), number(trend.before), trend.told());
    }
    out.push('\n');
}

fn names(out: &mut String, what: &str, list: &[Named]) {
    if list.is_empty() {
        return;
    }
    let _ = writeln!(out, "| {what} | Count |\n|---|---:|");
    for (name, count) in list {
        let _ = writeln!(out, "| {} | {} |", Untrusted::new(name).cut(80).markdown(), number(*count));
    }
    out.push('\n');
}
