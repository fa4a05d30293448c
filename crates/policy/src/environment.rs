//! The environment the gate runs in: which one it is, whether its variables are set, whether the policy fits it.

#[cfg(test)]
mod tests;
mod time;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use palisade_diag::{Diagnostic, Diagnostics};

use crate::model::Environment;
use crate::policy::Policy;
use crate::wording::shortened;
use crate::{rules, services};

/// The fewest characters of a secret (operations guide, "Validating Configuration on Startup").
const MIN_SECRET: usize = 32;

// === impl Environment ===

impl Environment {
    /// The environment of that name. Short names and Vercel's `preview` are understood.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Environment> {
        match id {
            "development" | "dev" | "test" => Some(Environment::Development),
            "staging" | "preview" => Some(Environment::Staging),
            "production" | "prod" => Some(Environment::Production),
            _ => None,
        }
    }

    /// The environment that holds: `--env`, else `PALISADE_ENV`, `VERCEL_ENV`, `NODE_ENV`, else production. An empty
    /// variable counts as none.
    ///
    /// # Errors
    /// A flag or a `PALISADE_ENV` that names no environment. What others put into `VERCEL_ENV` and `NODE_ENV` is not
    /// ours to judge: an unknown name there is production, the strictest.
    pub fn choose(flag: Option<&str>, variables: &BTreeMap<String, String>) -> Result<Environment, Diagnostic> {
        let variable = |name: &str| variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
        let ours = [("--env", flag), ("PALISADE_ENV", variable("PALISADE_ENV"))];
        if let Some((name, id)) = ours.into_iter().find_map(|(name, id)| Some((name, id?))) {
            return Environment::from_id(id).ok_or_else(|| {
                let what = format!("{name}: there is no environment `{}`", shortened(id));
                Diagnostic::error("environment-unknown", what).fix("write development, staging or production")
            });
        }
        let theirs = variable("VERCEL_ENV").or_else(|| variable("NODE_ENV"));
        Ok(theirs.and_then(Environment::from_id).unwrap_or(Environment::Production))
    }
}

/// What is wrong with the variables: every missing one, secrets that are short, placeholders or shared, rotations
/// that are over. Values are never repeated. `now_unix_seconds` decides whether a rotation is over.
#[must_use]
pub fn environment_problems(
    policy: &Policy,
    variables: &BTreeMap<String, String>,
    now_unix_seconds: i64,
) -> Diagnostics {
    let mut found = Diagnostics::new();
    let value = |name: &str| variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
    for name in required(policy) {
        match value(&name) {
            None => found.push(missing(&name, policy.environment)),
            Some(text) if is_placeholder(text) => found.push(placeholder(&name)),
            Some(_) => {}
        }
    }
    signatures(policy, &value, &mut found);
    for name in services::ALWAYS {
        secret_length(name, value(name), &mut found);
    }
    let [csrf, session] = services::ALWAYS;
    if value(csrf).is_some() && value(csrf) == value(session) {
        let what = format!("{csrf} and {session} are the same secret");
        found.push(Diagnostic::error("secret-shared", what).fix("run `palisade secrets new` for one of them"));
    }
    rotations(policy, variables, now_unix_seconds, &mut found);
    found
}

/// The values of a secret that hold now: `NAME`, which signs, and after it `NAME_PREVIOUS` until `NAME_PREVIOUS_UNTIL`.
#[must_use]
pub fn live_secrets(variables: &BTreeMap<String, String>, name: &str, now_unix_seconds: i64) -> Vec<String> {
    let live = |(text, ends): (String, Option<i64>)| ends.is_none_or(|end| end > now_unix_seconds).then_some(text);
    dated_secrets(variables, name).into_iter().filter_map(live).collect()
}

/// The values of a secret and when each ends, in seconds since the epoch: `NAME`, which has no end, and after it
/// `NAME_PREVIOUS`, if `NAME_PREVIOUS_UNTIL` says until when.
#[must_use]
pub fn dated_secrets(variables: &BTreeMap<String, String>, name: &str) -> Vec<(String, Option<i64>)> {
    let value = |suffix: &str| variables.get(&format!("{name}{suffix}")).map(|value| value.trim());
    let ends = value("_PREVIOUS_UNTIL").and_then(time::unix_seconds);
    let current = value("").map(|text| (text, None));
    let previous = value("_PREVIOUS").zip(ends).map(|(text, end)| (text, Some(end)));
    let set = current.into_iter().chain(previous).filter(|(text, _)| !text.is_empty());
    set.map(|(text, end)| (text.to_owned(), end)).collect()
}

/// Ours always, also for a policy built in code; then what the policy lists.
fn required(policy: &Policy) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    names.extend(services::ALWAYS.iter().map(|name| (*name).to_owned()));
    names.extend(policy.required_variables.iter().cloned());
    names
}

fn missing(name: &str, environment: Environment) -> Diagnostic {
    let fix = if services::ALWAYS.contains(&name) {
        format!(
            "`palisade secrets new {name}` makes one: put it into the environment, or into a file that --env-file names"
        )
    } else {
        format!("set it in the {} environment", environment.id())
    };
    Diagnostic::error("variable-missing", format!("{name} is not set")).fix(fix)
}

fn placeholder(name: &str) -> Diagnostic {
    Diagnostic::error("variable-placeholder", format!("{name} holds a placeholder")).fix("put the real value there")
}

/// Each webhook needs one live secret.
fn signatures<'v>(policy: &Policy, value: &impl Fn(&str) -> Option<&'v str>, found: &mut Diagnostics) {
    let mut told: Vec<&[String]> = Vec::new();
    for route in policy.routes() {
        let Some(signature) = &route.signature else { continue };
        if told.contains(&signature.secrets.as_slice()) {
            continue;
        }
        told.push(&signature.secrets);
        let set: Vec<&String> = signature.secrets.iter().filter(|name| value(name).is_some()).collect();
        if set.is_empty() {
            let what =
                format!("{} is not set, so every webhook at {} is refused", signature.secrets.join(" or "), route.path);
            let fix = "copy the signing secret from the provider's dashboard";
            found.push(Diagnostic::error("variable-missing", what).fix(fix));
        }
        for name in set.into_iter().filter(|name| value(name).is_some_and(is_placeholder)) {
            found.push(placeholder(name));
        }
    }
}

fn secret_length(name: &str, value: Option<&str>, found: &mut Diagnostics) {
    let Some(text) = value.filter(|text| !is_placeholder(text)) else { return };
    let length = text.chars().count();
    if length < MIN_SECRET {
        let what = format!("{name} has {length} characters; {MIN_SECRET} are the least");
        found.push(Diagnostic::error("secret-short", what).fix("run `palisade secrets new`"));
    }
}

/// `NAME_PREVIOUS` holds until `NAME_PREVIOUS_UNTIL`, for every variable that the policy speaks of.
fn rotations(policy: &Policy, variables: &BTreeMap<String, String>, now: i64, found: &mut Diagnostics) {
    let mut names = required(policy);
    names.extend(policy.optional_variables.iter().cloned());
    names.extend(policy.routes().iter().filter_map(|route| route.signature.as_ref()).flat_map(|it| it.secrets.clone()));
    for name in names {
        let value = |suffix: &str| variables.get(&format!("{name}{suffix}")).map(|value| value.trim());
        let (previous, until) = (value("_PREVIOUS"), value("_PREVIOUS_UNTIL"));
        let Some(previous) = previous.filter(|text| !text.is_empty()) else {
            if until.is_some_and(|text| !text.is_empty()) {
                let what = format!("{name}_PREVIOUS_UNTIL is set, {name}_PREVIOUS is not");
                found
                    .push(Diagnostic::warning("rotation-without-secret", what).fix("remove it, or set the old secret"));
            }
            continue;
        };
        let parsed = until.map(time::unix_seconds);
        let diagnostic = match parsed {
            None => Diagnostic::error("rotation-without-end", format!("{name}_PREVIOUS has no {name}_PREVIOUS_UNTIL"))
                .fix("say until when the old secret holds, like 2027-01-31T00:00:00Z"),
            Some(None) => {
                Diagnostic::error("rotation-malformed", format!("{name}_PREVIOUS_UNTIL is not an RFC 3339 time"))
                    .fix("write it like 2027-01-31T00:00:00Z")
            }
            Some(Some(end)) if end <= now => {
                let what = format!("{name}_PREVIOUS is past its end and is ignored");
                Diagnostic::warning("rotation-over", what)
                    .fix(format!("remove {name}_PREVIOUS and {name}_PREVIOUS_UNTIL"))
            }
            Some(Some(_)) => {
                if services::ALWAYS.contains(&name.as_str()) {
                    secret_length(&format!("{name}_PREVIOUS"), Some(previous), found);
                }
                continue;
            }
        };
        found.push(diagnostic);
    }
}

/// Whether a value was copied from an example: `changeme`, `<...>`, `sk_test_...`, one character over and over.
#[must_use]
pub fn is_placeholder(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let words = [
        "changeme",
        "change-me",
        "change_me",
        "replace-me",
        "replace_me",
        "replaceme",
        "placeholder",
        "your-",
        "your_",
        "xxxx",
        "todo",
    ];
    let first = text.chars().next();
    text.contains("...")
        || text.contains('\u{2026}')
        || (text.starts_with('<') && text.ends_with('>'))
        || words.iter().any(|word| lower.starts_with(word) || (word.len() > 5 && lower.contains(word)))
        || (text.len() > 1 && text.chars().all(|c| Some(c) == first))
}

/// What keeps `serve` from starting (SECURITY.md 12): an environment that says one thing and an address that says
/// another. `listen` is the address the gate is about to bind.
#[must_use]
pub fn start_problems(policy: &Policy, listen: SocketAddr) -> Diagnostics {
    let mut found = Diagnostics::new();
    let local = listen.ip().to_canonical().is_loopback();
    if policy.environment == Environment::Development && !local {
        let what = format!(
            "the environment is development, and {listen} is reachable from other machines: errors would show their details to anyone"
        );
        found.push(
            Diagnostic::error("development-exposed", what).fix("listen on 127.0.0.1, or start with --env production"),
        );
    }
    let plain = policy.app.public_origins.iter().filter(|origin| !origin.https && !origin.is_loopback());
    for origin in plain {
        let what = format!("{origin} has no TLS: cookies and tokens could be read and changed on the way");
        let fix = "write the https origin; TLS may end at a proxy before the gate";
        match policy.environment {
            Environment::Production => found.push(Diagnostic::error("public-origin-http", what).fix(fix)),
            Environment::Staging => found.push(Diagnostic::warning("public-origin-http", what).fix(fix)),
            Environment::Development => {}
        }
    }
    for net in policy.clients.trusted_proxies.iter().filter(|net| rules::is_wide(net)) {
        found.push(Diagnostic::error("trusted-proxies-wide", rules::wide(net)).fix(rules::WIDE_FIX));
    }
    let own = |address| policy.app.upstreams.iter().any(|up| is_same(&up.origin.authority, up.origin.port(), address));
    if own(listen) {
        let what = format!("the upstream is {listen}, the gate itself");
        found.push(Diagnostic::error("upstream-loop", what).fix("set [app] upstream to the address of the app"));
    }
    found
}

/// What keeps the admin listener at `address` from starting (SECURITY.md 20). `token` is `PALISADE_ADMIN_TOKEN`.
#[must_use]
pub fn admin_problems(policy: &Policy, address: SocketAddr, token: Option<&str>) -> Diagnostics {
    let mut found = Diagnostics::new();
    if !address.ip().to_canonical().is_loopback() && policy.listen.tls.is_empty() {
        let what = format!("the admin listener at {address} is reachable from other machines, and has no TLS");
        let fix = "listen on 127.0.0.1 and let a proxy or a tunnel on this machine carry it, give the gate [listen] tls, or turn it \
             off: --admin off";
        found.push(Diagnostic::error("admin-exposed", what).fix(fix));
    }
    if policy.app.upstreams.iter().any(|up| is_same(&up.origin.authority, up.origin.port(), address)) {
        let what = format!("the upstream is {address}, the gate's own admin listener");
        found.push(Diagnostic::error("upstream-loop", what).fix("set [app] upstream to the address of the app"));
    }
    if token.is_some_and(is_placeholder) {
        found.push(placeholder(ADMIN_TOKEN));
    }
    secret_length(ADMIN_TOKEN, token, &mut found);
    found
}

/// The variable that opens `/metrics` and the dashboard.
pub const ADMIN_TOKEN: &str = "PALISADE_ADMIN_TOKEN";

/// Whether an upstream's authority is the address we listen on, by number or as `localhost`.
fn is_same(authority: &str, port: u16, listen: SocketAddr) -> bool {
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let ip: Option<std::net::IpAddr> = host.parse().ok();
    let own = listen.ip().to_canonical();
    let same = match ip.map(|ip| ip.to_canonical()) {
        Some(ip) => ip == own || (own.is_unspecified() && ip.is_loopback()),
        None => host == "localhost" && (own.is_loopback() || own.is_unspecified()),
    };
    same && port == listen.port()
}
