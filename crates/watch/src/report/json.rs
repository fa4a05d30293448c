//! The report for machines. Names are stable; numbers are counts unless the name says a unit.

use serde_json::{Value, json};

use super::{Named, Report, Response, Trend};
use crate::dashboard::words::exact;

pub(super) fn report(report: &Report) -> Value {
    let Report { app, made, window, before, requests, folded, auth, limits, csrf, input, errors, .. } = report;
    let Report { incidents, rules, low, overdue, changes, .. } = report;
    let signals: serde_json::Map<String, Value> =
        input.signals.iter().map(|(id, _, count)| ((*id).replace('-', "_"), trend(count))).collect();
    let countries: Vec<_> = auth
        .countries
        .iter()
        .map(|(name, all, bad)| json!({ "country": name, "attempts": all, "failed": bad }))
        .collect();
    let hours: Vec<_> = auth.hours.iter().map(|(now, before)| json!({ "now": now, "before": before })).collect();
    let active: Vec<_> =
        auth.active.iter().map(|(day, count)| json!({ "day": exact(*day), "sessions": count })).collect();
    let routes: Vec<_> = errors
        .routes
        .iter()
        .map(|(route, [all, client, server])| json!({ "route": route, "requests": all, "client_errors": client, "server_errors": server }))
        .collect();
    let statuses: Vec<_> = errors
        .statuses
        .iter()
        .map(|(status, now, before)| json!({ "status": status, "now": now, "before": before }))
        .collect();
    let rules: Vec<_> =
        rules.iter().map(|(rule, now, before)| json!({ "rule": rule, "now": now, "before": before })).collect();
    let low: Vec<_> = low
        .iter()
        .map(|it| json!({ "id": it.id, "title": it.title, "priority": "P3", "events": trend(&it.events), "incidents": it.incidents }))
        .collect();
    let overdue: Vec<_> =
        overdue.iter().map(|it| json!({ "id": it.id, "title": it.title, "priority": "P3", "due": it.due })).collect();
    json!({
        "app": app, "made": exact(*made),
        "window": { "from": exact(window.from), "until": exact(window.until) },
        "before": { "from": exact(before.from), "until": exact(before.until) },
        "requests": trend(requests), "folded": folded,
        "authentication": {
            "failed": trend(&auth.failed), "failed_per_hour": auth.failed_hours, "succeeded": trend(&auth.good),
            "lockouts": trend(&auth.lockouts), "countries": countries,
            "successes_by_hour_of_day": hours, "unusual_hours": auth.unusual_hours,
            "sign_ups": trend(&auth.sign_ups), "sign_ups_per_hour": auth.sign_up_hours,
            "active_sessions": { "all": auth.active_all, "days": active }, "suspicious_clients": named(&auth.suspicious),
        },
        "rate_limits": {
            "violations": trend(&limits.violations), "clients": limits.clients,
            "top_clients": named(&limits.top_clients), "top_routes": named(&limits.top_routes),
        },
        "csrf": {
            "failures": trend(&csrf.failures), "issued": trend(&csrf.issued), "reused": trend(&csrf.reused),
            "missing": trend(&csrf.missing), "invalid": trend(&csrf.invalid), "expired": trend(&csrf.expired),
            "cross_origin": trend(&csrf.cross_origin),
        },
        "input": { "failures": trend(&input.failures), "fields": named(&input.fields), "signals": signals },
        "errors": {
            "client": trend(&errors.client), "server": trend(&errors.server), "routes": routes, "statuses": statuses,
            "countries": named(&errors.countries),
        },
        "incidents": incidents.iter().map(response).collect::<Vec<_>>(),
        "rules": rules, "low": low, "overdue_tasks": overdue, "changes": changes,
    })
}

fn trend(trend: &Trend) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "tenths of a percent")]
    let change = trend.change().map(|tenths| tenths as f64 / 10.0);
    json!({ "now": trend.now, "before": trend.before, "change_percent": change, "days": trend.days })
}

fn named(list: &[Named]) -> Vec<Value> {
    list.iter().map(|(value, count)| json!({ "value": value, "count": count })).collect()
}

fn response(of: &Response) -> Value {
    let seconds = |times: Option<(u64, u64)>| {
        times.map(|(median, most)| json!({ "median": median / 1_000_000, "longest": most / 1_000_000 }))
    };
    json!({
        "priority": of.priority.id(), "count": of.count, "before": of.before, "acknowledged": of.acknowledged,
        "resolved": of.resolved, "ended": of.ended, "late": of.late,
        "seconds_to_acknowledge": seconds(of.acknowledge_micros), "seconds_to_resolve": seconds(of.resolve_micros),
    })
}
