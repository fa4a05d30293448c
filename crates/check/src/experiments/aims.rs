//! What a policy gives to aim at: one route of each sort for each experiment.

use palisade_event::Kind;
use palisade_policy::{
    CsrfStrength, IdentityNeed, Limit, Method, Policy, Route, RouteSource, Schema, SignatureScheme, preset_schema,
};
use serde_json::{Map, Value, json};

use super::seen::is_safe;
use super::{Experiment, actions, auth, csrf, errors, input, rate_limit, webhook};
use crate::facts::live::Aim;

/// Routes of one experiment at most: a run is not to take an hour.
const MOST: usize = 3;

/// Every experiment that the policy gives a reason for, with what is known about its route. `base` carries what the run
/// knows: origin, tokens, time. Routes with parameters are left out: nobody here knows a value for them.
#[must_use]
pub fn aims(policy: &Policy, base: &Aim) -> Vec<(&'static Experiment, Aim)> {
    let base = Aim { csrf_path: policy.csrf.path.clone(), csrf_header: policy.csrf.header.clone(), ..base.clone() };
    let declared = |route: &&Route| route.source == RouteSource::Declared && !route.path.contains('{');
    let routes: Vec<_> = policy.routes().iter().filter(declared).collect();
    let mut found = vec![(&errors::EXPERIMENT, Aim { path: "/".to_owned(), ..base.clone() })];
    let mut add = |experiment, wanted: &dyn Fn(&Route) -> bool| {
        let aims = routes.iter().filter(|route| wanted(route)).take(MOST).map(|route| (experiment, aim(route, &base)));
        found.extend(aims.collect::<Vec<_>>());
    };
    let open = |route: &Route| route.identity != IdentityNeed::Required && route.signature.is_none();
    add(&auth::EXPERIMENT, &|route| route.identity == IdentityNeed::Required);
    // What a route accepts is known by its schema; of those without one, one is tried. A sign-in that is tried is one that
    // failed, and locks somebody out.
    let blind = routes
        .iter()
        .find(|route| fills(route) && open(route) && route.schema.is_none())
        .map(|route| route.path.clone());
    let filled =
        |route: &Route| fills(route) && open(route) && (route.schema.is_some() || Some(&route.path) == blind.as_ref());
    add(&csrf::EXPERIMENT, &|route| route.csrf == CsrfStrength::Token && filled(route));
    add(&input::EXPERIMENT, &filled);
    add(&webhook::EXPERIMENT, &|route| route.signature.is_some());
    if policy.app.framework.is_some() {
        found.push((&actions::EXPERIMENT, Aim { path: "/".to_owned(), ..base.clone() }));
    }
    // Last, as what it uses up the others would miss; the tightest first, as it is found soonest.
    let mut limited: Vec<_> =
        routes.iter().filter(|route| route.limit.is_some_and(|limit| limit.count <= 120)).collect();
    limited.sort_by_key(|route| route.limit.map(|limit| limit.count));
    found.extend(limited.into_iter().take(MOST).map(|route| (&rate_limit::EXPERIMENT, aim(route, &base))));
    found
}

/// Whether a form is sent to it.
fn fills(route: &Route) -> bool {
    !is_safe(method(route)) && route.kind != Kind::Login
}

fn method(route: &Route) -> &'static str {
    let all: Vec<_> = route.methods.iter().map(Method::id).collect();
    let safe = all.iter().copied().find(|method| *method == "GET");
    all.into_iter().find(|method| !is_safe(method)).or(safe).unwrap_or("GET")
}

fn aim(route: &Route, base: &Aim) -> Aim {
    let method = method(route);
    let text = route.schema.as_ref().and_then(|schema| match schema {
        Schema::File { text, .. } | Schema::Inline { text, .. } => Some(text.as_str()),
        Schema::Preset(name) => preset_schema(name),
    });
    let schema = text.and_then(|text| serde_json::from_str::<Value>(text).ok());
    let body = schema.map(|schema| sample(&schema, 0).to_string());
    let scheme = route.signature.as_ref().map(|signature| scheme(signature.scheme).to_owned());
    // A few more than it lets through, so that the first refusal is seen.
    let requests = route.limit.map_or(base.requests, |Limit { count, .. }| count as usize + count as usize / 4 + 5);
    Aim {
        method: method.to_owned(),
        path: route.path.clone(),
        body: base.body.clone().or(body),
        everyone: route.access.is_empty(),
        scheme,
        requests,
        ..base.clone()
    }
}

fn scheme(scheme: SignatureScheme) -> &'static str {
    match scheme {
        SignatureScheme::Standard => "standard-webhooks",
        SignatureScheme::Svix => "svix",
        SignatureScheme::Stripe => "stripe",
        SignatureScheme::GitHub => "github",
        SignatureScheme::Slack => "slack",
        SignatureScheme::Vercel => "vercel",
    }
}

/// Something that a schema accepts, in the plain cases: types, enums, lengths, the commonest formats.
fn sample(schema: &Value, depth: usize) -> Value {
    let first = |name: &str| schema.get(name).and_then(Value::as_array).and_then(|all| all.first()).cloned();
    if let Some(value) = schema.get("const").cloned().or_else(|| first("enum")).or_else(|| first("examples")) {
        return value;
    }
    let kind = schema.get("type");
    let kind = kind.and_then(|kind| kind.as_str().or_else(|| kind.get(0)?.as_str())).unwrap_or("object");
    match kind {
        "string" => Value::from(text(schema)),
        "integer" | "number" => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
        "boolean" => json!(true),
        "null" => Value::Null,
        "array" => json!([]),
        _ if depth > 4 => json!({}),
        _ => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let named = properties.into_iter().flatten().map(|(name, inner)| (name.clone(), sample(inner, depth + 1)));
            Value::Object(named.collect::<Map<_, _>>())
        }
    }
}

fn text(schema: &Value) -> String {
    let least = schema.get("minLength").and_then(Value::as_u64).unwrap_or(0).min(1000);
    let text = match schema.get("format").and_then(Value::as_str) {
        Some("email") => "probe@example.com",
        Some("uri" | "url") => "https://example.com/",
        Some("date") => "2026-01-31",
        Some("date-time") => "2026-01-31T00:00:00Z",
        Some("uuid") => "123e4567-e89b-42d3-a456-426614174000",
        _ => "probe",
    };
    let missing = usize::try_from(least).unwrap_or_default().saturating_sub(text.len());
    format!("{text}{}", "e".repeat(missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_gives_a_body() {
        let schema = json!({ "type": "object", "properties": {
            "email": { "type": "string", "format": "email" }, "title": { "type": "string", "minLength": 8 },
            "kind": { "enum": ["a", "b"] }, "count": { "type": "integer", "minimum": 3 } } });
        let expected = json!({ "email": "probe@example.com", "title": "probeeee", "kind": "a", "count": 3 });
        assert_eq!(sample(&schema, 0), expected);
    }
}
