//! Whether a route for people who are signed in lets nobody else in.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;

use super::seen::{Seen, better_not, unless};
use super::{Experiment, Next, Step, checks, follow};
use crate::check::Ruled;
use crate::facts::Unknown;
use crate::facts::live::{Aim, Exchanged, Received, Sent};
use crate::headers::Cookie;

pub(super) const EXPERIMENT: Experiment =
    Experiment { name: "auth", about: "only who is signed in gets in", next, checks: CHECKS };

checks! { "auth":
    "anonymous", "Nobody gets in without signing in", Critical, "A01:2021; ASVS 8.2.1", |seen| refused(seen, &["anonymous"], "without a token");
    "garbage", "A made-up token is refused", Critical, "A07:2021; ASVS 9.1.1", |seen| refused(seen, &["garbage"], "with a made-up token");
    "unsigned", "A token without a signature is refused", Critical, "A07:2021; ASVS 9.1.2", |seen| refused(seen, &["alg-none", "alg-none-case"], "with alg: none");
    "weak-key", "A token signed with a key that anybody guesses is refused", Critical, "A02:2021; ASVS 9.1.1", |seen| refused(seen, &["key-empty", "key-secret"], "signed with a guessed key");
    "expired", "A token that has run out is refused", High, "A07:2021; ASVS 9.2.1", |seen| refused(seen, &["expired"], "with a token that ran out");
    "issuer", "A token of another issuer is refused", High, "A07:2021; ASVS 9.2.3", |seen| refused(seen, &["issuer"], "with a token of another issuer");
    "cookie", "A made-up session cookie is refused", Critical, "A07:2021; ASVS 7.2.1", |seen| refused(seen, &["cookie"], "with made-up session cookies");
    "claimed-user", "Nobody becomes somebody by a header field", Critical, "A01:2021; ASVS 8.2.1", |seen| refused(seen, &["claimed"], "with X-User-Id and its like");
    "rewritten-path", "Fields that rewrite the path do not open it", Critical, "A01:2021; ASVS 8.2.1", |seen| refused(seen, &["rewritten"], "with X-Original-URL and its like");
    "subrequest", "x-middleware-subrequest does not skip the check (CVE-2025-29927)", Critical, "A06:2021", |seen| refused(seen, &["subrequest"], "with x-middleware-subrequest");
    "local-address", "Nobody is this machine by a header field", High, "A01:2021; ASVS 8.2.1", |seen| refused(seen, &["local"], "with X-Forwarded-For: 127.0.0.1");
    "spelling", "Another spelling of the path is not another route", Critical, "A01:2021; ASVS 8.2.1", |seen| refused(seen, &["slash", "case", "encoded", "double", "dot", "matrix"], "with another spelling of the path");
    "method", "Another method is not another route", High, "A01:2021; ASVS 8.2.1", |seen| refused(seen, &["head", "override"], "with another method");
    "token-in-url", "A token in the URL does not count", Low, "A07:2021; ASVS 14.2.1", in_url;
    "valid", "A person who is signed in gets in", Low, "A07:2021", valid;
    "other-user", "A person sees their own things alone", Critical, "A01:2021; ASVS 8.2.2", other;
    "cached", "What is for one person is not cached", Medium, "A04:2021; ASVS 14.3.2", cached;
    "session-cookie", "Session cookies are Secure, HttpOnly, SameSite", Medium, "A05:2021; ASVS 3.3.1", session_cookie;
}

const STEPS: [Step; 25] = [
    ("anonymous", |seen| Some(bare(seen))),
    ("garbage", |seen| Some(bearing(seen, "made-up.by.the-probe"))),
    ("alg-none", |seen| Some(bearing(seen, &token(seen, "none", &[], 3600)))),
    ("alg-none-case", |seen| Some(bearing(seen, &token(seen, "nOnE", &[], 3600)))),
    ("key-empty", |seen| Some(bearing(seen, &token(seen, "HS256", b"", 3600)))),
    ("key-secret", |seen| Some(bearing(seen, &token(seen, "HS256", b"secret", 3600)))),
    ("expired", |seen| Some(bearing(seen, &token(seen, "HS256", b"expired", -86_400)))),
    ("issuer", |seen| Some(bearing(seen, &token(seen, "HS256", b"https://evil.example", 3600)))),
    ("cookie", |seen| {
        let token = token(seen, "none", &[], 3600);
        Some(bare(seen).with(
            "cookie",
            &format!(
                "__session={token}; session={token}; next-auth.session-token={token}; authjs.session-token={token}"
            ),
        ))
    }),
    ("claimed", |seen| {
        let names = [
            "x-user-id",
            "x-user",
            "x-authenticated-user",
            "x-palisade-user",
            "x-forwarded-user",
            "x-remote-user",
            "x-clerk-auth-status",
        ];
        Some(names.iter().fold(bare(seen), |sent, name| {
            sent.with(name, if name.ends_with("status") { "signed-in" } else { "admin" })
        }))
    }),
    ("rewritten", |seen| {
        let path = &seen.aim.path;
        Some(bare(seen).to("/").with("x-original-url", path).with("x-rewrite-url", path).with("x-forwarded-uri", path))
    }),
    ("root", |seen| Some(bare(seen).to("/"))),
    ("subrequest", |seen| {
        let five = ["middleware"; 5].join(":");
        Some(bare(seen).with("x-middleware-subrequest", &format!("{five}:{}", ["src/middleware"; 5].join(":"))))
    }),
    ("local", |seen| {
        Some(
            ["x-forwarded-for", "x-real-ip", "x-client-ip"]
                .iter()
                .fold(bare(seen), |sent, name| sent.with(name, "127.0.0.1")),
        )
    }),
    ("slash", |seen| Some(bare(seen).to(format!("{}/", seen.aim.path)))),
    ("case", |seen| Some(bare(seen).to(seen.aim.path.to_ascii_uppercase()))),
    ("encoded", |seen| Some(bare(seen).to(encoded(&seen.aim.path)))),
    ("double", |seen| Some(bare(seen).to(format!("/{}", seen.aim.path)))),
    ("dot", |seen| Some(bare(seen).to(format!("/.{}", seen.aim.path)))),
    ("matrix", |seen| Some(bare(seen).to(format!("{};a=b", seen.aim.path)))),
    ("head", |seen| (seen.aim.method == "GET").then(|| Sent { method: "HEAD".to_owned(), ..bare(seen) })),
    ("override", |seen| {
        (seen.aim.method != "GET").then(|| {
            Sent { method: "GET".to_owned(), body: String::new(), ..bare(seen) }
                .with("x-http-method-override", &seen.aim.method)
        })
    }),
    ("url", |seen| {
        let token = seen.aim.token.as_ref()?;
        Some(bare(seen).to(format!("{}?token={token}&access_token={token}", seen.aim.path)))
    }),
    ("valid", |seen| Some(bearing(seen, seen.aim.token.as_ref()?))),
    ("valid-alone", |seen| alone(seen, "valid", seen.aim.token.as_ref()?)),
];

const OTHERS: [Step; 2] = [
    ("other", |seen| Some(bearing(seen, seen.aim.other_token.as_ref()?))),
    ("other-alone", |seen| alone(seen, "other", seen.aim.other_token.as_ref()?)),
];

/// The bearer token and nothing beside it, where `step` was refused: a CSRF token that was made for nobody is not good for
/// somebody, and what no browser sends by itself needs none.
fn alone(seen: &Seen<'_>, step: &str, token: &str) -> Option<Sent> {
    let refused = seen.answer(step).is_some_and(|answer| !answer.accepted());
    refused.then(|| seen.request().with("authorization", &format!("Bearer {token}")))
}

/// The better answer of a step and the one after it.
fn best<'a>(seen: &Seen<'a>, step: &str, after: &str) -> Result<&'a Received, Unknown> {
    let first = seen.told(step)?;
    Ok(seen.answer(after).filter(|answer| answer.accepted()).unwrap_or(first))
}

fn next(aim: &Aim, exchanges: &[Exchanged]) -> Next {
    let all: Vec<_> = STEPS.into_iter().chain(OTHERS).collect();
    follow(&all, aim, exchanges)
}

/// Without any session, and with a CSRF token where one is to be had, so that it is the session that is missing.
fn bare(seen: &Seen<'_>) -> Sent {
    seen.honest().without("authorization")
}

fn bearing(seen: &Seen<'_>, token: &str) -> Sent {
    bare(seen).with("authorization", &format!("Bearer {token}"))
}

/// A token that no issuer signed. `lives`: seconds from now on.
fn token(seen: &Seen<'_>, alg: &str, key: &[u8], lives: i64) -> String {
    let now = seen.aim.now;
    let issuer = if key.starts_with(b"https:") { "https://evil.example" } else { seen.aim.origin.as_str() };
    let head = json!({ "alg": alg, "typ": "JWT" }).to_string();
    let body =
        json!({ "sub": "admin", "iss": issuer, "iat": now - 60, "nbf": now - 60, "exp": now + lives, "role": "admin" })
            .to_string();
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(head), URL_SAFE_NO_PAD.encode(body));
    let signature = match Hmac::<Sha256>::new_from_slice(key) {
        Ok(mac) if alg == "HS256" => URL_SAFE_NO_PAD.encode(mac.chain_update(text.as_bytes()).finalize().into_bytes()),
        _ => String::new(),
    };
    format!("{text}.{signature}")
}

/// The last letter of a path, percent-encoded.
fn encoded(path: &str) -> String {
    match path.char_indices().rev().find(|(_, c)| c.is_ascii_alphabetic()) {
        Some((at, c)) => format!(
            "{}%{:02x}{}",
            path.get(..at).unwrap_or_default(),
            u32::from(c),
            path.get(at + 1..).unwrap_or_default()
        ),
        None => path.to_owned(),
    }
}

const FIX: &str =
    "require an identity: `kind = \"protected-read\"` or another that does, or the session's check in the handler";

fn refused(seen: &Seen<'_>, steps: &[&str], how: &str) -> Result<Vec<Ruled>, Unknown> {
    // A page that anybody may see, and what an unknown path is answered with, are no way in.
    let root = seen.answer("root");
    let anonymous = steps != ["anonymous"] && seen.answer("anonymous").is_some_and(Received::accepted);
    if anonymous {
        return Ok(vec![Ruled::not_applicable("anybody gets in as it is")]);
    }
    let mut last = Err(Unknown::new(format!("{how}: not asked of this method"), ""));
    for step in steps {
        if seen.of(step).next().is_none() {
            continue;
        }
        let answer = seen.told(step);
        if let Ok(answer) = answer {
            let same = *step == "rewritten"
                && root.is_some_and(|root| root.status == answer.status && similar(&root.body, &answer.body));
            let public =
                matches!(*step, "dot" | "double" | "matrix" | "override") && matches!(answer.status, 300..=399);
            if answer.accepted() && !same && !public && !is_sign_in(answer) {
                return Ok(vec![Ruled::fail(format!("{how} (`{step}`): {}", answer.status), FIX)]);
            }
        }
        last = answer.map(|answer| answer.status);
    }
    match last? {
        500.. => Ok(vec![Ruled::warn(format!("{how}: fails with a 5xx"), "refuse it with 401, rather than fail")]),
        404 if steps == ["anonymous"] => Err(Unknown::new("the route is not there", "name a path that is")),
        status => Ok(vec![Ruled::pass(format!("{how}: {status}"))]),
    }
}

/// Two answers of one page: they differ by what is made afresh at most.
fn similar(a: &str, b: &str) -> bool {
    a == b || a.len().abs_diff(b.len()) <= a.len() / 20 && a.get(..40) == b.get(..40)
}

/// A sign-in page that is served in place of what was asked for.
fn is_sign_in(answer: &Received) -> bool {
    let kind = answer.header("content-type").unwrap_or_default();
    kind.contains("html") && answer.body.contains("type=\"password\"")
}

const NO_TOKEN: &str = "give a session token: --token-env NAME";

fn valid(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    if seen.aim.token.is_none() {
        return Ok(vec![Ruled::not_applicable("no session token was given (--token-env NAME)")]);
    }
    let answer = best(seen, "valid", "valid-alone")?;
    Ok(unless(
        !answer.accepted(),
        format!("{}", answer.status),
        format!("with the token that was given: {}", answer.status),
        NO_TOKEN,
    ))
}

fn in_url(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    if seen.aim.token.is_none() {
        return Ok(vec![Ruled::not_applicable("no session token was given (--token-env NAME)")]);
    }
    let answer = seen.told("url")?;
    let open = seen.answer("anonymous").is_some_and(Received::accepted);
    Ok(better_not(
        answer.accepted() && !open,
        format!("{}", answer.status),
        "a token in the URL lets in",
        "take tokens from a header or a cookie: URLs end in logs",
    ))
}

fn other(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    if seen.aim.other_token.is_none() {
        return Ok(vec![Ruled::not_applicable("no second token was given (--other-token-env NAME)")]);
    }
    if seen.aim.everyone {
        return Ok(vec![Ruled::not_applicable("by the policy, whoever is signed in may")]);
    }
    let answer = best(seen, "other", "other-alone")?;
    let fix = "compare the owner of the thing, or the plan, with who asks (`access = { owner = .. }`)";
    Ok(unless(
        answer.accepted(),
        format!("with the other person's token: {}", answer.status),
        format!("with the other person's token: {}", answer.status),
        fix,
    ))
}

fn cached(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    if seen.aim.token.is_none() {
        return Ok(vec![Ruled::not_applicable("no session token was given (--token-env NAME)")]);
    }
    let answer = best(seen, "valid", "valid-alone")?;
    let control = answer.header("cache-control").unwrap_or_default().to_ascii_lowercase();
    let kept = !control.contains("no-store") && !control.contains("private");
    Ok(unless(
        kept,
        format!("Cache-Control: {control}"),
        format!("Cache-Control: {control:?}"),
        "send `Cache-Control: no-store`",
    ))
}

fn session_cookie(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    let https = seen.aim.origin.starts_with("https:");
    let mut names = Vec::new();
    let mut found = false;
    for answer in seen.exchanges.iter().filter_map(|exchange| exchange.answer.as_ref().ok()) {
        for cookie in
            answer.headers.iter().filter(|(name, _)| name == "set-cookie").filter_map(|(_, value)| Cookie::parse(value))
        {
            let session = cookie.is_session()
                || cookie.name.to_lowercase().contains("sid")
                || cookie.name.to_lowercase().contains("token");
            if !session {
                continue;
            }
            found = true;
            let csrf = cookie.name.to_lowercase().contains("csrf");
            if !cookie.http_only && !csrf || cookie.same_site.is_none() || https && !cookie.secure {
                names.push(cookie.name);
            }
        }
    }
    if !found {
        return Ok(vec![Ruled::not_applicable("no session cookie was set")]);
    }
    names.dedup();
    Ok(unless(
        !names.is_empty(),
        "as they should be",
        format!("{} lacks HttpOnly, SameSite or Secure", names.join(", ")),
        "set HttpOnly, SameSite=Lax and Secure",
    ))
}
