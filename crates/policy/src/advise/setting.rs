//! What each stage does for a route, in words.

use palisade_event::{Kind, Stage};

use crate::defaults::{KindDefaults, SIGN_IN, SignIn};
use crate::model::{
    Access, CsrfStrength, IdentityNeed, Limit, Route, RouteSource, Schema, Signals, Signature, SignatureScheme, Success,
};
use crate::policy::Policy;
use crate::wording::shortened;

/// What is asked about.
pub(super) struct Asked<'a> {
    /// The policy, where there is one.
    pub(super) policy: Option<&'a Policy>,
    pub(super) route: &'a Route,
    /// Whether the method may change something.
    pub(super) changes: bool,
}

/// What a stage does: the setting, and why.
pub(super) enum Ruling {
    Does(String, String),
    /// Something a reader might expect, which is left out.
    Skips(String, String),
    /// Nothing, and nothing to say about it.
    Silent,
}

/// What a stage does for a route.
pub(super) fn of(asked: &Asked<'_>, stage: Stage) -> Ruling {
    match stage {
        Stage::Target => target(asked),
        Stage::Block => Ruling::Does(
            "clients that an operator or an incident has blocked get 403".to_owned(),
            "an attack that was seen once costs nothing the second time (OWASP API4:2023)".to_owned(),
        ),
        Stage::Rate => rate(asked),
        Stage::Origin => origin(asked),
        Stage::CsrfToken => csrf_token(asked),
        Stage::Signature => signature(asked),
        Stage::Identity => identity(asked),
        Stage::Quota => quota(asked),
        Stage::Access => access(asked),
        Stage::Body => body(asked),
        Stage::Claim => claim(asked),
    }
}

fn target(asked: &Asked<'_>) -> Ruling {
    let hosts = asked.policy.map(|policy| {
        policy.app.public_origins.iter().map(|origin| origin.authority.clone()).collect::<Vec<_>>().join(", ")
    });
    let host = hosts.map_or_else(|| "the app's own hosts only".to_owned(), |hosts| format!("host {hosts} only"));
    let path = match asked.route.source {
        RouteSource::Undeclared => "a path that no route names",
        RouteSource::Declared | RouteSource::Preset => asked.route.path.as_str(),
    };
    let setting = format!("{path} in exactly this spelling, by {}, {host}", asked.route.methods);
    Ruling::Does(
        setting,
        "another spelling or method must not reach the app under weaker rules (OWASP API8:2023)".to_owned(),
    )
}

/// `5/min per client, burst 5, then one every 12 s`.
fn limit_in_words(limit: Limit, who: &str, cost: u32) -> String {
    let every = limit.window.as_secs_f64() / f64::from(limit.count.max(1));
    let cost = if cost > 1 { format!(", {cost} units a request") } else { String::new() };
    // Two digits suffice, and whole seconds need none.
    let every = if every >= 1.0 {
        format!("{} s", (every * 100.0).round() / 100.0)
    } else {
        format!("{} ms", (every * 1000.0).round())
    };
    format!("{limit} per {who}, burst {}, then one every {every}{cost}", limit.count)
}

fn rate(asked: &Asked<'_>) -> Ruling {
    let Asked { route, .. } = asked;
    let row = KindDefaults::of(route.kind);
    let because = if route.limit == row.limit {
        row.because_limit.to_string()
    } else {
        let default = row.limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string());
        format!("the policy says so; the default of `{}` is {default}", route.kind)
    };
    match route.limit {
        Some(limit) => Ruling::Does(limit_in_words(limit, "client", route.cost), because),
        None => Ruling::Skips("rate limit".to_owned(), because),
    }
}

fn quota(asked: &Asked<'_>) -> Ruling {
    match asked.route.limit {
        Some(limit) if asked.route.identity != IdentityNeed::None => Ruling::Does(
            limit_in_words(limit, "verified caller", asked.route.cost),
            "who changes addresses is still one caller; what `rate` has charged to a caller is not charged again (OWASP API4:2023)"
                .to_owned(),
        ),
        _ => Ruling::Silent,
    }
}

/// Why CSRF is as it is on this route.
fn csrf_because(route: &Route) -> String {
    let row = KindDefaults::of(route.kind);
    match &route.csrf_because {
        Some(because) if route.csrf < row.csrf => format!("the policy says: {because}"),
        _ if route.csrf > row.csrf => "the policy asks for more than the kind".to_owned(),
        _ => row.because_csrf.to_string(),
    }
}

fn origin(asked: &Asked<'_>) -> Ruling {
    let Asked { policy, route, changes } = asked;
    match (route.csrf, changes) {
        (_, false) => Ruling::Silent,
        (CsrfStrength::None, true) => Ruling::Skips("CSRF protection".to_owned(), csrf_because(route)),
        (CsrfStrength::Origin | CsrfStrength::Token, true) => {
            let trusted =
                policy.map(|policy| policy.csrf.trusted_origins.iter().map(ToString::to_string).collect::<Vec<_>>());
            let trusted = trusted
                .filter(|list| !list.is_empty())
                .map(|list| format!(", or {}", list.join(", ")))
                .unwrap_or_default();
            let setting = format!(
                "Sec-Fetch-Site or Origin proves the request same-origin{trusted}; where both are missing and a cookie comes along, a token must"
            );
            Ruling::Does(setting, csrf_because(route))
        }
    }
}

fn csrf_token(asked: &Asked<'_>) -> Ruling {
    let Asked { policy, route, changes } = asked;
    if !changes {
        return match route.csrf {
            CsrfStrength::Token => Ruling::Skips(
                "CSRF token".to_owned(),
                "a read changes nothing; unsafe methods of this route want a token (operations guide, withCsrf(): skip for)".to_owned(),
            ),
            CsrfStrength::None | CsrfStrength::Origin => Ruling::Silent,
        };
    }
    match route.csrf {
        CsrfStrength::None => Ruling::Silent,
        CsrfStrength::Origin => Ruling::Skips("CSRF token".to_owned(), csrf_because(route)),
        CsrfStrength::Token => {
            let default = crate::model::Csrf::default();
            let csrf = policy.map_or(&default, |policy| &policy.csrf);
            let exempt = if route.identity == IdentityNeed::Required {
                "; a bearer token without any cookie needs none"
            } else {
                ""
            };
            let setting = format!(
                "single-use token in {} or form field {}, from GET {}{exempt}",
                header(&csrf.header),
                csrf.field,
                csrf.path
            );
            Ruling::Does(setting, csrf_because(route))
        }
    }
}

/// A header's name as people write it.
fn header(name: &str) -> String {
    let word = |part: &str| match part {
        "csrf" | "xsrf" => part.to_ascii_uppercase(),
        _ => {
            let (first, rest) = part.split_at_checked(1).unwrap_or((part, ""));
            format!("{}{rest}", first.to_ascii_uppercase())
        }
    };
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}

fn signature(asked: &Asked<'_>) -> Ruling {
    let because = KindDefaults::of(Kind::Webhook).because_csrf.to_string();
    match &asked.route.signature {
        Some(Signature { scheme, secrets }) => {
            let age = match scheme {
                // Neither signs a time; copies are told by the body.
                SignatureScheme::GitHub | SignatureScheme::Vercel => "",
                SignatureScheme::Standard
                | SignatureScheme::Svix
                | SignatureScheme::Stripe
                | SignatureScheme::Slack => "; at most five minutes old",
            };
            let setting =
                format!("{} signature over the raw body, by the secret in {}{age}", scheme.id(), secrets.join(" or "));
            Ruling::Does(setting, because)
        }
        None if asked.route.kind == Kind::Webhook => Ruling::Does(
            "the provider's signature over the raw body; the route names its scheme and secret".to_owned(),
            because,
        ),
        None => Ruling::Silent,
    }
}

fn identity(asked: &Asked<'_>) -> Ruling {
    let route = asked.route;
    let row = KindDefaults::of(route.kind);
    let who = asked.policy.and_then(|policy| policy.identity.as_ref()).map(|identity| identity.provider.id());
    let who = who.map(|provider| format!(" ({provider})")).unwrap_or_default();
    let because = if route.identity == row.identity {
        row.because_identity.to_string()
    } else {
        "`access` is asked of a verified caller".to_owned()
    };
    match route.identity {
        IdentityNeed::Required => Ruling::Does(format!("a verified caller{who}, else 401"), because),
        IdentityNeed::Optional => {
            Ruling::Does(format!("a verified caller{who} is known to the app; others are anonymous"), because)
        }
        IdentityNeed::None => Ruling::Skips("authentication".to_owned(), because),
    }
}

fn access(asked: &Asked<'_>) -> Ruling {
    let Access { role, permission, plan, feature, owner } = &asked.route.access;
    let mut parts: Vec<String> = [
        ("one of the roles", role),
        ("every permission of", permission),
        ("one of the plans", plan),
        ("every feature of", feature),
    ]
    .into_iter()
    .filter(|(_, names)| !names.is_empty())
    .map(|(what, names)| format!("{what} {}", names.join(", ")))
    .collect();
    parts.extend(owner.as_ref().map(|owner| format!("{{{owner}}} of the path is the caller")));
    if parts.is_empty() {
        return Ruling::Silent;
    }
    Ruling::Does(
        format!("{}, else 403", parts.join("; ")),
        "the policy says so (OWASP API1:2023, API5:2023)".to_owned(),
    )
}

fn body(asked: &Asked<'_>) -> Ruling {
    let route = asked.route;
    let row = KindDefaults::of(route.kind);
    let because = if route.body == row.body {
        row.because_body.to_string()
    } else {
        format!("the policy says so; the default of `{}` is {}", route.kind, size(row.body))
    };
    if route.body == 0 {
        return Ruling::Does("no body".to_owned(), KindDefaults::of(Kind::PublicRead).because_body.to_string());
    }
    let mut parts = vec![format!("at most {}", size(route.body))];
    if !route.media_types.is_empty() {
        parts.push(format!("only {}", route.media_types.join(", ")));
    }
    match &route.schema {
        Some(Schema::File { path, .. }) => parts.push(format!("valid by {path}, else 400 with the fields")),
        Some(Schema::Preset(name)) => parts.push(format!("valid by the schema {name}, else 400 with the fields")),
        Some(Schema::Inline { .. }) => {
            parts.push("valid by the schema in the policy, else 400 with the fields".to_owned());
        }
        None => {}
    }
    if route.signals == Signals::Block {
        parts.push("attack signals refuse it".to_owned());
    }
    Ruling::Does(parts.join("; "), because)
}

fn claim(asked: &Asked<'_>) -> Ruling {
    let route = asked.route;
    if route.kind == Kind::Webhook {
        return Ruling::Does(
            "the event's id is reserved: a copy is refused, a retry of what succeeded is acknowledged".to_owned(),
            "a provider sends an event more than once (Standard Webhooks 1.0.0, idempotency)".to_owned(),
        );
    }
    if let Some(login) = login(route) {
        return login;
    }
    if route.csrf == CsrfStrength::Token && asked.changes {
        return Ruling::Does(
            "the token is spent, last of all; the answer carries the next one".to_owned(),
            "a refused request must not use up a token, and of two copies one passes (OWASP CSRF Prevention Cheat Sheet)".to_owned(),
        );
    }
    Ruling::Silent
}

/// How sign-ins are counted, where the route tells which succeed.
fn login(route: &Route) -> Option<Ruling> {
    if route.kind != Kind::Login {
        return None;
    }
    let succeeds = match &route.success {
        Some(Success::Status(status)) => format!("status {status}"),
        Some(Success::Location(location)) => format!("a redirect to {}", shortened(location)),
        Some(Success::Pointer(pointer)) => format!("true at {} of the answer", shortened(pointer)),
        None => "the success that the route declares".to_owned(),
    };
    let SignIn { lock, slow, pause, because_lock, because_slow, .. } = SIGN_IN;
    let token = if route.csrf == CsrfStrength::Token { "the token is spent; " } else { "" };
    let counted = format!("{token}an attempt is counted until it succeeds ({succeeds}):");
    let (setting, because) = match &route.identifier {
        Some(place) => (
            format!(
                "{counted} beyond {lock} per account ({}) and client 403; beyond {slow} per account {} s of delay, but for browsers that signed in before",
                shortened(place),
                pause.as_secs()
            ),
            format!("{because_lock}; {because_slow}"),
        ),
        None => (format!("{counted} beyond {lock} per client 403"), because_lock.to_string()),
    };
    Some(Ruling::Does(setting, because))
}

/// Bytes as people write them.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0 => "none".to_owned(),
        _ if bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 10) => format!("{} KiB", bytes >> 10),
        _ => format!("{bytes} bytes"),
    }
}
