//! The report as a page: a part of the dashboard, or a file of its own.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use palisade_event::{EventTime, Priority};

use super::markdown::{each, limited, overview};
use super::{Named, Report, Trend};
use crate::dashboard::chart::{Series, bar, columns};
use crate::dashboard::words::{clock, date, number, percent, plain, priority, span, status, theirs};

const STYLE: &str = include_str!("../dashboard/style.css");
const HOUR: u64 = 3_600_000_000;

/// A file that refers to nothing; its policy lets it load nothing either.
pub(super) fn file(report: &Report) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { "Security report · " (theirs(&report.app)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { "Security report" @if !report.app.is_empty() { " of " (theirs(&report.app)) } }
                    (section(report))
                }
                footer { p { "Made by Palisade, " (plain(report.made)) " UTC." } }
            }
        }
    }
}

/// Everything but what stands around it.
pub(super) fn section(report: &Report) -> Markup {
    html! {
        p.lead { (plain(report.window.from)) " to " (plain(report.window.until)) " (UTC), beside the time of the same length before." }
        dl.figures { @for (name, trend) in overview(report) { (figure(name, trend)) } }
        section aria-labelledby="changes" {
            h2 #changes { "What changed" }
            @if report.changes.is_empty() { p.empty { "Nothing of note." } }
            ul { @for change in &report.changes { li { (theirs(change)) } } }
        }
        (incidents(report))
        (auth(report))
        (limits(report))
        (csrf(report))
        (input(report))
        (errors(report))
        (low(report))
        @if report.folded > 0 {
            p.hint { (number(report.folded)) " events of floods are counted by status alone; counts by code, client and route may be low by so much." }
        }
    }
}

fn figure(name: &str, trend: &Trend) -> Markup {
    html! { div { dt { (name) } dd { (number(trend.now)) " " span.change.quiet { (trend.told()) } } } }
}

fn trends(caption: &str, rows: &[(&str, &Trend)]) -> Markup {
    html! {
        table {
            caption { (caption) }
            thead { tr { th scope="col" { "What" } th.n scope="col" { "Now" } th.n scope="col" { "Before" } th.n scope="col" { "Change" } } }
            tbody {
                @for (name, trend) in rows {
                    tr { th scope="row" { (name) } td.n { (number(trend.now)) } td.n { (number(trend.before)) } td.n { (trend.told()) } }
                }
            }
        }
    }
}

fn names(caption: &str, what: &str, list: &[Named]) -> Markup {
    let most = list.first().map_or(0, |(_, count)| *count);
    html! {
        table {
            caption { (caption) }
            thead { tr { th scope="col" { (what) } th.n scope="col" { "Count" } th aria-hidden="true" {} } }
            tbody {
                @if list.is_empty() { tr { td.empty colspan="3" { "None." } } }
                @for (name, count) in list { tr { th scope="row" { (theirs(name)) } td.n { (number(*count)) } td.bars { (bar(*count, most)) } } }
            }
        }
    }
}

/// Counts by the days of the window: each is called by its start, with the hour where that is not midnight.
fn days(report: &Report, name: &'static str, class: &str, trend: &Trend) -> Markup {
    let day = |at: usize| {
        let start = EventTime::from_micros(report.window.from.micros() + at as u64 * 24 * HOUR);
        if start.micros().is_multiple_of(24 * HOUR) { date(start) } else { format!("{} {}", date(start), clock(start)) }
    };
    let labels: Vec<_> = (0..trend.days.len()).map(day).collect();
    let sum = format!("{name} by day: {} in all", number(trend.now));
    columns(&sum, &labels, &[Series { name, class, values: trend.days.clone() }])
}

/// Counts by the hours of the window.
fn hours(report: &Report, name: &'static str, class: &str, values: &[u64]) -> Markup {
    let time = |at: usize| EventTime::from_micros(report.window.from.micros() + at as u64 * HOUR);
    let labels: Vec<_> = (0..values.len()).map(|at| format!("{} {}", date(time(at)), clock(time(at)))).collect();
    let sum = format!("{name} by hour: {} in all", number(values.iter().sum()));
    columns(&sum, &labels, &[Series { name, class, values: values.to_vec() }])
}

fn incidents(report: &Report) -> Markup {
    let time = |times: Option<(u64, u64)>| {
        times.map_or("–".to_owned(), |(median, most)| format!("{} · {}", span(median), span(most)))
    };
    html! {
        section aria-labelledby="incidents" {
            h2 #incidents { "Incidents and how they were answered" }
            div.scroll tabindex="0" role="region" aria-label="Incidents by priority" {
                table.wide {
                    caption.quiet { "Times from the record to the answer by somebody: median and longest" }
                    thead { tr {
                        th scope="col" { "Priority" } th.n scope="col" { "Began" } th.n scope="col" { "Before" } th.n scope="col" { "Acknowledged" }
                        th.n scope="col" { "Resolved" } th.n scope="col" { "Ended" } th.n scope="col" { "Late" }
                        th.n scope="col" { "To acknowledge" } th.n scope="col" { "To resolve" }
                    } }
                    tbody {
                        @for it in &report.incidents {
                            tr {
                                th scope="row" { (priority(it.priority)) }
                                td.n data-of="Began" { (number(it.count)) } td.n data-of="Before" { (number(it.before)) }
                                td.n data-of="Acknowledged" { (number(it.acknowledged)) } td.n data-of="Resolved" { (number(it.resolved)) }
                                td.n data-of="Ended" { (number(it.ended)) } td.n data-of="Late" { (number(it.late)) }
                                td.n data-of="To acknowledge" { (time(it.acknowledge_micros)) } td.n data-of="To resolve" { (time(it.resolve_micros)) }
                            }
                        }
                    }
                }
            }
            @if !report.rules.is_empty() {
                h3 { "Rules that fired" }
                table {
                    caption.quiet { "Incidents by rule" }
                    thead { tr { th scope="col" { "Rule" } th.n scope="col" { "Now" } th.n scope="col" { "Before" } } }
                    tbody { @for (rule, now, before) in &report.rules { tr { th scope="row" { (theirs(rule)) } td.n { (number(*now)) } td.n { (number(*before)) } } } }
                }
            }
        }
    }
}

fn auth(report: &Report) -> Markup {
    let auth = &report.auth;
    let of_day = |which: fn(&(u64, u64)) -> u64| auth.hours.iter().map(which).collect::<Vec<_>>();
    let labels: Vec<_> = (0..24).map(|hour| format!("{hour:02}:00")).collect();
    let all = auth.failed_hours.len() as u64;
    html! {
        section aria-labelledby="auth" {
            h2 #auth { "Authentication" }
            (trends("Sign-ins", &[("Failed", &auth.failed), ("Successful", &auth.good), ("Lockouts", &auth.lockouts), ("Sign-ups", &auth.sign_ups)]))
            p { "An hour: " (each(auth.failed.now, all)) " failed sign-ins, at most " (number(auth.failed_hours.iter().max().copied().unwrap_or(0)))
                "; " (each(auth.sign_ups.now, all)) " sign-ups, at most " (number(auth.sign_up_hours.iter().max().copied().unwrap_or(0))) ". "
                "Active sessions: " b { (number(auth.active_all)) } "." }
            h3 { "Failed sign-ins, by hour" }
            (hours(report, "Failed sign-ins", "c-held", &auth.failed_hours))
            h3 { "Successful sign-ins, by hour of the day" }
            (columns("Successful sign-ins by hour of the day", &labels, &[Series { name: "Now", class: "c-plain", values: of_day(|hour| hour.0) }]))
            @if auth.unusual_hours.is_empty() { p { "No hour of the day stands out." } } @else {
                p { b { "Unusual: " } @for hour in &auth.unusual_hours { (labels.get(usize::from(*hour)).map_or("", String::as_str)) " " } "had three times as many as before, or more." }
            }
            div.columns {
                div { table {
                    caption { "Sign-ins by country" }
                    thead { tr { th scope="col" { "Country" } th.n scope="col" { "Attempts" } th.n scope="col" { "Failed" } } }
                    tbody {
                        @if auth.countries.is_empty() { tr { td.empty colspan="3" { "No country is known." } } }
                        @for (name, all, failed) in &auth.countries { tr { th scope="row" { (theirs(name)) } td.n { (number(*all)) } td.n { (number(*failed)) } } }
                    }
                } }
                div { table {
                    caption { "Active sessions by day" }
                    thead { tr { th scope="col" { "Day" } th.n scope="col" { "Sessions" } } }
                    tbody { @if auth.active.is_empty() { tr { td.empty colspan="2" { "None." } } } @for (day, count) in &auth.active { tr { th scope="row" { (date(*day)) } td.n { (number(*count)) } } } }
                } }
                div { (names("Suspicious addresses", "Client", &auth.suspicious)) }
            }
        }
    }
}

fn limits(report: &Report) -> Markup {
    let limits = &report.limits;
    html! {
        section aria-labelledby="limits" {
            h2 #limits { "Rate limits" }
            (trends("Violations", &[("Answers 429", &limits.violations)]))
            p { (limited(limits)) }
            (days(report, "Violations", "c-held", &limits.violations))
            div.columns { div { (names("Clients with most", "Client", &limits.top_clients)) } div { (names("Routes with most", "Route", &limits.top_routes)) } }
        }
    }
}

fn csrf(report: &Report) -> Markup {
    let csrf = &report.csrf;
    html! {
        section aria-labelledby="csrf" {
            h2 #csrf { "CSRF protection" }
            (trends("Tokens", &[
                ("Failures", &csrf.failures), ("Tokens issued", &csrf.issued), ("Reused tokens", &csrf.reused), ("Missing tokens", &csrf.missing),
                ("Invalid tokens", &csrf.invalid), ("Expired tokens", &csrf.expired), ("Other origins", &csrf.cross_origin),
            ]))
            (days(report, "CSRF failures", "c-held", &csrf.failures))
        }
    }
}

fn input(report: &Report) -> Markup {
    let input = &report.input;
    let mut rows = vec![("Validation failures", &input.failures)];
    rows.extend(input.signals.iter().map(|(_, name, trend)| (*name, trend)));
    html! {
        section aria-labelledby="input" {
            h2 #input { "Input" }
            (trends("What was wrong", &rows))
            (names("Validation failures by field", "Field", &input.fields))
        }
    }
}

fn errors(report: &Report) -> Markup {
    let errors = &report.errors;
    html! {
        section aria-labelledby="errors" {
            h2 #errors { "Errors" }
            (trends("Errors", &[("Client errors (4xx)", &errors.client), ("Server errors (5xx)", &errors.server)]))
            (days(report, "Server errors", "c-bad", &errors.server))
            table {
                caption { "Routes with most errors" }
                thead { tr { th scope="col" { "Route" } th.n scope="col" { "Requests" } th.n scope="col" { "4xx" } th.n scope="col" { "5xx" } th.n scope="col" { "Errors" } } }
                tbody {
                    @if errors.routes.is_empty() { tr { td.empty colspan="5" { "None." } } }
                    @for (route, [all, client, server]) in &errors.routes {
                        tr { th scope="row" { (theirs(route)) } td.n { (number(*all)) } td.n { (number(*client)) } td.n { (number(*server)) } td.n { (percent(client + server, *all)) } }
                    }
                }
            }
            div.columns {
                div { table {
                    caption { "By status" }
                    thead { tr { th scope="col" { "Status" } th.n scope="col" { "Now" } th.n scope="col" { "Before" } } }
                    tbody { @for (code, now, before) in &errors.statuses { tr { th scope="row" { (status(*code)) } td.n { (number(*now)) } td.n { (number(*before)) } } } }
                } }
                div { (names("By country", "Country", &errors.countries)) }
            }
        }
    }
}

fn low(report: &Report) -> Markup {
    html! {
        section aria-labelledby="low" {
            h2 #low { "For review (P3)" }
            table.wide {
                caption.quiet { "The guide's low priority: nobody was sent a message for these" }
                thead { tr { th scope="col" { "Class" } th.n scope="col" { "Events" } th.n scope="col" { "Before" } th.n scope="col" { "Change" } th.n scope="col" { "P3 incidents" } } }
                tbody {
                    @for class in &report.low {
                        tr {
                            th scope="row" { (class.title) } td.n data-of="Events" { (number(class.events.now)) } td.n data-of="Before" { (number(class.events.before)) }
                            td.n data-of="Change" { (class.events.told()) } td.n data-of="P3 incidents" { (number(class.incidents)) }
                        }
                    }
                }
            }
            @if !report.overdue.is_empty() {
                table {
                    caption { "Overdue tasks" }
                    thead { tr { th scope="col" { "Priority" } th scope="col" { "Task" } th scope="col" { "Was due until" } } }
                    tbody {
                        @for task in &report.overdue {
                            tr { td { (priority(Priority::P3)) } th scope="row" { (task.title) br; span.quiet { (task.id) } } td.t { (task.due) } }
                        }
                    }
                }
            }
        }
    }
}
