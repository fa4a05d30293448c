//! What each route must satisfy. One rule, one function; none stops another.

use std::time::Duration;

use palisade_event::Kind;

use crate::builder::PolicyBuilder;
use crate::defaults::KindDefaults;
use crate::matcher::page_path;
use crate::model::{IdentityNeed, Limit, Method, Methods, Route, Success};
use crate::place::{Place, Problems};
use crate::rules::strength;
use crate::wording::shortened;
use crate::{secret, template};

/// A rule about one route.
type Rule = fn(&PolicyBuilder, usize, &Route, &mut Problems);

/// Every rule about a route.
pub(super) const RULES: [Rule; 12] = [
    path,
    shadowed,
    methods,
    reading_kinds_of_change,
    limit,
    csrf,
    identity,
    login,
    webhook,
    upload,
    websocket,
    reasons,
];

fn path(_: &PolicyBuilder, index: usize, route: &Route, problems: &mut Problems) {
    if let Some((what, fix)) = template::problem(&route.path) {
        problems.error(Place::route(index, "path"), "path-malformed", what, fix);
    }
}

/// A route that no request reaches protects nothing, though its author believes it does.
fn shadowed(policy: &PolicyBuilder, index: usize, route: &Route, problems: &mut Problems) {
    let place = Place::route(index, "path");
    if template::fold(&route.path) == template::fold(&policy.csrf.path) && route.methods.has(Method::Get) {
        let what = format!("the gate itself answers GET {}, so this route is never reached", policy.csrf.path);
        problems.error(place, "route-shadowed", what, "remove the route, or move the gate's token with [csrf] path");
    }
    let page = page_path(policy.app.framework, &route.path);
    if page != route.path {
        let what = format!("Next.js serves the data of page {page} here, and requests are decided as that page");
        problems.error(place, "route-shadowed", what, format!("declare {page} instead"));
    }
}

fn methods(_: &PolicyBuilder, index: usize, route: &Route, problems: &mut Problems) {
    let row = KindDefaults::of(route.kind);
    let place = Place::route(index, "methods");
    if route.methods.is_empty() {
        let what = format!("a route of kind `{}` names its methods", route.kind);
        problems.error(place, "methods-missing", what, "add methods = [\"POST\"], or what the route answers");
        return;
    }
    match row.methods {
        Some(fixed) if row.is_read_only() && route.methods.has_unsafe() => {
            let what =
                format!("`{}` answers {fixed} only; other methods would change something unprotected", route.kind);
            let fix = "declare the other methods as a route of their own, of a kind that protects changes";
            problems.error(place, "methods-fixed", what, fix);
        }
        Some(fixed) if route.kind == Kind::Webhook && route.methods != fixed => {
            problems.error(place, "methods-fixed", "a webhook is sent by POST only", "remove `methods`");
        }
        _ => {}
    }
}

/// A GET carries no token, so a link on any page would run what these kinds do (SECURITY.md 2).
fn reading_kinds_of_change(_: &PolicyBuilder, index: usize, route: &Route, problems: &mut Problems) {
    let changes = matches!(
        route.kind,
        Kind::Payment | Kind::Account | Kind::ProtectedWrite | Kind::Login | Kind::Expensive | Kind::Bulk
    );
    if changes && route.methods.intersection(Methods::READ) != Methods::NONE && route.methods_because.is_none() {
        let what =
            format!("`{}` on GET or HEAD: a link on any page could run it, as a read asks for no token", route.kind);
        let fix = "declare GET as a `protected-read` route, or say why it is safe with because = \"...\"";
        problems.error(Place::route(index, "methods"), "methods-get", what, fix);
    }
}

fn limit(_: &PolicyBuilder, index: usize, route: &Route, problems: &mut Problems) {
    let place = Place::route(index, "limit");
    let Some(limit) = route.limit else {
        if route.cost > 1 {
            let fix = "add a limit, or remove `cost`";
            problems.error(
                Place::route(index, "cost"),
                "cost-without-limit",
                "a cost is taken from a limit, and this route has none",
                fix,
            );
        }
        return;
    };
    if let Some((code, what, fix)) = limit_problem(limit) {
        problems.error(place, code, what, fix);
    } else if route.cost == 0 {
        problems.error(
            Place::route(index, "cost"),
            "cost-zero",
            "a request that costs nothing is not limited",
            "write a cost of at least 1",
        );
    } else if route.cost > limit.count {
        let what =
            format!("one request costs {}, and the limit is {limit}: every request would be refused", route.cost);
        problems.error(Place::route(index, "cost"), "cost-above-limit", what, "lower the cost, or raise the limit");
    }
}

/// What is wrong with a limit made in code; text is checked by [`Limit::parse`].
fn limit_problem(limit: Limit) -> Option<(&'static str, String, &'static str)> {
    let Limit { count, window } = limit;
    if count == 0 || window.is_zero() {
        return Some((
            "limit-zero",
            "a limit of zero would refuse everything".to_owned(),
            "write at least 1, or [undeclared] deny = true to close paths",
        ));
    }
    if window.subsec_nanos() != 0 || window > Duration::from_secs(86_400) {
        return Some((
            "limit-malformed",
            "a limit's window is a whole number of seconds, at most a day".to_owned(),
            "write it like \"5/min\"",
        ));
    }
    (u64::from(count) > 1000 * window.as_secs()).then(|| {
        (
            "limit-too-high",
            format!("{limit} is more than 1,000 a second, which limits nothing"),
            "write a limit that a client could exceed",
        )
    })
}

/// CSRF follows from the kind; weaker than that wants a reason in the policy (row A3).
fn csrf(_: &PolicyBuilder, index: usize, route: &Route, problems: &mut Problems) {
    let row = KindDefaults::of(route.kind);
    let place = Place::route(index, "csrf");
    if route.csrf < row.csrf && route.csrf_because.is_none() {
        let what = format!(
            "`{}` asks for {}; this route asks for {} and does not say why",
            route.kind,
            strength(row.csrf),
            strength(route.csrf)
        );
        problems.error(place, "csrf-weakened", what, "remove `csrf`, or say why with because = \"...\"");
    }
    if route.csrf > row.csrf && route.kind == Kind::Webhook {
        let what = "a provider cannot fetch a CSRF token, so every delivery would be refused";
        problems.error(place, "csrf-on-webhook", what, "remove `csrf`: the signature protects a webhook");
    } else if route.csrf > row.csrf && row.is_read_only() {
        let what = format!("`{}` only reads, so CSRF protection has nothing to do", route.kind);
        problems.warn(place, "csrf-without-effect", what, "remove `csrf`");
    }
}

fn identity(_: &PolicyBuilder, index: usize, route: &Route, problems: &mut Problems) {
    let row = KindDefaults::of(route.kind);
    if route.identity < row.identity {
        let what = format!("`{}` wants a verified caller; nothing in a policy turns that off", route.kind);
        problems.error(Place::route(index, "kind"), "identity-weakened", what, "choose a kind that anyone may use");
    }
    let place = Place::route(index, "access");
    if !route.access.is_empty() && route.identity != IdentityNeed::Required {
        let what = format!("`access` is asked of a verified caller, and `{}` verifies none", route.kind);
        problems.error(
            place,
            "access-without-identity",
            what,
            "choose a kind that wants an identity: `protected-read`, `protected-write` ...",
        );
    }
    if let Some(owner) = &route.access.owner
        && !template::parameters(&route.path).any(|name| name == owner)
    {
        let what = format!("the path has no parameter `{}` for `owner` to compare", shortened(owner));
        problems.error(place, "access-owner", what, "name a parameter of the path, as in /api/users/{user}");
    }
}

fn login(_: &PolicyBuilder, index: usize, route: &Route, problems: &mut Problems) {
    if route.kind == Kind::Login {
        if let Some((code, what, fix)) = success_problem(route.success.as_ref()) {
            problems.error(Place::route(index, "success"), code, what, fix);
        }
        return;
    }
    let what = format!("`{}` has no logins to count", route.kind);
    if route.success.is_some() {
        let fix = "remove `success`, or make the route a `login`";
        problems.error(Place::route(index, "success"), "success-misplaced", &*what, fix);
    }
    if route.identifier.is_some() {
        let fix = "remove `identifier`, or make the route a `login`";
        problems.error(Place::route(index, "identifier"), "identifier-misplaced", what, fix);
    }
}

/// What is wrong with how a login tells its success.
fn success_problem(success: Option<&Success>) -> Option<(&'static str, &'static str, &'static str)> {
    match success {
        None => Some((
            "success-missing",
            "a login says how its success is told, as failures are counted apart",
            "add success = { status = 302 }, { location = \"/home\" } or { pointer = \"/ok\" }",
        )),
        Some(Success::Status(status)) if !(100..=599).contains(status) => Some((
            "success-malformed",
            "a status is a number from 100 to 599",
            "write the status of a login that succeeded",
        )),
        Some(Success::Location(text) | Success::Pointer(text)) if !text.starts_with('/') => {
            Some(("success-malformed", "a location and a JSON pointer start with `/`", "write it from the first `/`"))
        }
        Some(_) => None,
    }
}

fn webhook(_: &PolicyBuilder, index: usize, route: &Route, problems: &mut Problems) {
    let place = Place::route(index, "signature");
    match (&route.signature, route.kind == Kind::Webhook) {
        (None, true) => {
            let fix = "add signature = { scheme = \"stripe\", secrets = [\"STRIPE_WEBHOOK_SECRET\"] }";
            problems.error(place, "signature-missing", "a webhook without a signature takes events from anyone", fix);
        }
        (Some(_), false) => {
            let what = format!("a signature is verified on webhooks, and this is a `{}`", route.kind);
            problems.error(place, "signature-misplaced", what, "make the route a `webhook`, or remove `signature`");
        }
        (Some(signature), true) if signature.secrets.is_empty() => {
            problems.error(
                place,
                "signature-secrets-missing",
                "the signature names no variable with its secret",
                "add secrets = [\"NAME_OF_A_VARIABLE\"]",
            );
        }
        (Some(signature), true) if signature.secrets.iter().any(|name| !secret::is_variable_name(name)) => {
            let what = "`secrets` holds something that is not the name of a variable";
            problems.error(
                place,
                "secret-in-file",
                what,
                "put the secret into a variable, name the variable here, and replace the secret",
            );
        }
        _ => {}
    }
}

fn upload(_: &PolicyBuilder, index: usize, route: &Route, problems: &mut Problems) {
    let place = Place::route(index, "media_types");
    if route.kind == Kind::Upload && route.media_types.is_empty() {
        let fix = "add media_types = [\"image/png\", \"image/jpeg\"], or what the app takes";
        problems.error(place, "media-types-missing", "an upload names the media types it takes", fix);
    }
    for media_type in route.media_types.iter().filter(|media_type| !is_media_type(media_type)) {
        let what = format!("`{}` is not a media type", shortened(media_type));
        problems.error(place, "media-type-malformed", what, "name each as type/subtype, such as image/png");
    }
}

/// `type/subtype` of RFC 9110 tokens, in lower case. No `*`: `image/*` would let in SVG, which runs scripts.
fn is_media_type(text: &str) -> bool {
    let token = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"!#$%&'+-.^_`|~".contains(&b))
    };
    text.split_once('/').is_some_and(|(kind, sub)| token(kind) && token(sub))
}

fn websocket(_: &PolicyBuilder, index: usize, route: &Route, problems: &mut Problems) {
    if route.websocket && !route.methods.has(Method::Get) && !route.methods.is_empty() {
        let what = "a WebSocket starts with a GET, and the route does not answer GET";
        problems.error(Place::route(index, "websocket"), "websocket-method", what, "add \"GET\" to `methods`");
    }
}

/// A reason that excuses nothing is left over from an earlier version of the route.
fn reasons(_: &PolicyBuilder, index: usize, route: &Route, problems: &mut Problems) {
    let row = KindDefaults::of(route.kind);
    let weak_csrf = route.csrf < row.csrf;
    let reads = route.methods.intersection(Methods::READ) != Methods::NONE && row.methods.is_none();
    let excuses_csrf = route.csrf_because.is_some() && !weak_csrf;
    let excuses_methods = route.methods_because.is_some() && !reads;
    // One key of the file fills both, so it is unused only where neither needs it.
    let unused = match (route.csrf_because.is_some(), route.methods_because.is_some()) {
        (true, true) => excuses_csrf && excuses_methods,
        _ => excuses_csrf || excuses_methods,
    };
    if unused {
        problems.warn(Place::route(index, "because"), "because-unused", "`because` excuses nothing here", "remove it");
    }
}
