//! Whether a change can be made for a visitor by a page that is not the site's own.

use super::seen::{Seen, better_not, token, unless};
use super::{Experiment, Next, Step, checks, follow};
use crate::check::Ruled;
use crate::facts::Unknown;
use crate::facts::live::{Aim, Exchanged, Received, Sent};
use crate::headers::Cookie;

pub(super) const EXPERIMENT: Experiment =
    Experiment { name: "csrf", about: "changes need a token and the site's own origin", next, checks: CHECKS };

checks! { "csrf":
    "missing", "A change without a token is refused", High, "A01:2021; ASVS 3.5.1", |seen| refused(seen, "none", "without a token");
    "fake", "A made-up token is refused", High, "A01:2021; ASVS 3.5.1", |seen| refused(seen, "fake", "with a made-up token");
    "valid", "A fresh token is accepted", Medium, "A01:2021; ASVS 3.5.1", valid;
    "reused", "A token works once", Medium, "A01:2021; ASVS 3.5.1", |seen| with_token(seen, "reused", "with a token that was used");
    "other-session", "A token of another session is refused", High, "A01:2021; ASVS 3.5.1", |seen| with_token(seen, "other", "with a token of another session");
    "cross-origin", "Another site is refused even with a token", High, "A01:2021; ASVS 3.5.2", |seen| refused(seen, "cross-origin", "from another origin, with a token");
    "cross-site-fetch", "Fetch metadata of another site is believed", Medium, "A01:2021; ASVS 3.5.2", |seen| refused(seen, "cross-site", "with Sec-Fetch-Site: cross-site");
    "null-origin", "A sandboxed page is refused", Medium, "A01:2021; ASVS 3.5.2", |seen| refused(seen, "null-origin", "with Origin: null");
    "look-alike-origin", "An origin that only looks like the site's is refused", High, "A01:2021; ASVS 3.5.2", |seen| refused(seen, "look-alike", "from a host that begins as the site's");
    "simple-type", "A form of another site is refused", High, "A01:2021; ASVS 3.5.1", |seen| refused(seen, "simple-type", "as text/plain, which needs no preflight");
    "override", "A GET that claims to be a POST is none", High, "A01:2021; ASVS 3.5.3", overridden;
    "url", "A token in the URL does not count", Low, "A01:2021; ASVS 3.5.1", in_url;
    "length", "Tokens cannot be guessed", High, "A02:2021; ASVS 11.5.1", length;
    "fixed", "Two visitors get two tokens", High, "A02:2021; ASVS 3.5.1", fixed;
    "cached", "Tokens are not cached", Medium, "A01:2021; ASVS 3.5.1", cached;
    "shared", "Other origins cannot read a token", High, "A01:2021; ASVS 3.4.2", shared;
    "cookie", "The cookie that a token belongs to is kept from scripts and other sites", Medium, "A05:2021; ASVS 3.3.4", cookie;
}

const STEPS: [Step; 15] = [
    ("token", |seen| (!seen.aim.csrf_path.is_empty()).then(|| seen.token_request())),
    ("token-other", |seen| {
        let wanted = !seen.aim.csrf_path.is_empty();
        wanted.then(|| seen.token_request().without("cookie").with("origin", EVIL).with("sec-fetch-site", "cross-site"))
    }),
    ("token-again", |seen| {
        let wanted = !seen.aim.csrf_path.is_empty();
        wanted.then(|| {
            Sent { headers: seen.aim.headers.clone(), ..seen.token_request() }.with("accept", "application/json")
        })
    }),
    ("none", |seen| Some(bare(seen))),
    ("fake", |seen| Some(bare(seen).with(&seen.aim.csrf_header, "bWFkZS11cC1ieS10aGUtcHJvYmU"))),
    ("other", |seen| {
        let other = seen.answer("token-again").and_then(token)?;
        Some(bare(seen).with(&seen.aim.csrf_header, &other))
    }),
    ("simple-type", |seen| Some(bare(seen).carrying("text/plain", seen.aim.body.as_deref().unwrap_or("{}")))),
    ("override", |seen| {
        let sent = Sent { method: "GET".to_owned(), body: String::new(), ..bare(seen) };
        Some(
            sent.without("origin")
                .without("content-type")
                .with("x-http-method-override", &seen.aim.method)
                .with("x-method-override", &seen.aim.method),
        )
    }),
    ("get", |seen| {
        Some(
            Sent { method: "GET".to_owned(), body: String::new(), ..bare(seen) }
                .without("origin")
                .without("content-type"),
        )
    }),
    ("cross-origin", |seen| Some(seen.honest().with("origin", EVIL).with("referer", "https://evil.example/"))),
    ("cross-site", |seen| {
        Some(seen.honest().with("origin", EVIL).with("sec-fetch-site", "cross-site").with("sec-fetch-mode", "no-cors"))
    }),
    ("null-origin", |seen| Some(seen.honest().with("origin", "null"))),
    ("look-alike", |seen| Some(seen.honest().with("origin", &format!("{}.evil.example", seen.aim.origin)))),
    ("valid", |seen| Some(seen.honest())),
    ("reused", |seen| {
        let used = seen.of("valid").next_back()?;
        let name = &seen.aim.csrf_header;
        let (_, token) = used.sent.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name))?;
        Some(bare(seen).with(name, token))
    }),
];

const IN_URL: Step = ("url", |seen| {
    let sent = seen.honest();
    let name = &seen.aim.csrf_header;
    let token = sent.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name))?.1.clone();
    if token == super::seen::WANTED {
        return Some(sent);
    }
    let mark = if seen.aim.path.contains('?') { '&' } else { '?' };
    let target = format!("{}{mark}_csrf={token}&csrfToken={token}", seen.aim.path);
    Some(sent.without(name).to(target))
});

const EVIL: &str = "https://evil.example";
const FIX: &str = "protect the route: `withCsrf`, or its kind in palisade.toml";

fn next(aim: &Aim, exchanges: &[Exchanged]) -> Next {
    let all: Vec<_> = STEPS.into_iter().chain([IN_URL]).collect();
    follow(&all, aim, exchanges)
}

/// As the site's own page would send it, without a token.
fn bare(seen: &Seen<'_>) -> Sent {
    let sent = seen.honest();
    sent.without(&seen.aim.csrf_header)
}

/// Whether the request was refused for what it was. Where the valid one fares the same, that is no refusal of it.
fn refused(seen: &Seen<'_>, step: &str, how: &str) -> Result<Vec<Ruled>, Unknown> {
    let answer = seen.told(step)?;
    let valid = seen.answer("valid");
    let same = |valid: &Received| valid.status == answer.status && !valid.accepted();
    if answer.accepted() {
        return Ok(vec![Ruled::fail(format!("{how}: {}", answer.status), FIX)]);
    }
    if matches!(answer.status, 403 | 419) && !valid.is_some_and(same) {
        return Ok(vec![Ruled::pass(format!("{how}: {}", answer.status))]);
    }
    if valid.is_some_and(same) || matches!(answer.status, 400 | 404 | 405 | 413 | 415 | 422) {
        let why = format!("{how}: {}, as an honest request might be", answer.status);
        return Err(Unknown::new(
            why,
            "give a body that the route accepts (--body), and a session where it wants one (--token, --cookie)",
        ));
    }
    match answer.status {
        500.. => Ok(vec![Ruled::fail(format!("{how}: {}", answer.status), "refuse it, rather than fail")]),
        status => Ok(vec![Ruled::pass(format!("{how}: {status}"))]),
    }
}

/// The same for what needs a token of the site's.
fn with_token(seen: &Seen<'_>, step: &str, how: &str) -> Result<Vec<Ruled>, Unknown> {
    tokens(seen)?;
    refused(seen, step, how)
}

/// The tokens of the two sessions.
fn tokens(seen: &Seen<'_>) -> Result<(String, Option<String>), Unknown> {
    let path = &seen.aim.csrf_path;
    let none = || Unknown::new(format!("{path} hands out no token"), "name its path: --csrf-path");
    let first = seen.answer("token").and_then(token).ok_or_else(none)?;
    Ok((first, seen.answer("token-again").and_then(token)))
}

fn valid(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    tokens(seen)?;
    let answer = seen.told("valid")?;
    match answer.status {
        _ if answer.accepted() => Ok(vec![Ruled::pass(format!("with a fresh token: {}", answer.status))]),
        403 | 419 => Ok(vec![Ruled::fail(
            format!("with a fresh token: {}", answer.status),
            "accept the token that the site hands out",
        )]),
        status => Err(Unknown::new(
            format!("with a fresh token: {status}"),
            "give a body that the route accepts (--body), and a session (--token, --cookie)",
        )),
    }
}

fn overridden(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    let (claimed, plain) = (seen.told("override")?, seen.told("get")?);
    let done = claimed.accepted() && (!plain.accepted() || plain.body != claimed.body);
    Ok(unless(
        done,
        "X-HTTP-Method-Override is ignored",
        format!("a GET with X-HTTP-Method-Override: {}", claimed.status),
        "ignore method overrides",
    ))
}

fn in_url(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    tokens(seen)?;
    let answer = seen.told("url")?;
    let fix = "take the token from a header or the body: URLs end in logs";
    let valid = seen.answer("valid").is_some_and(Received::accepted);
    Ok(better_not(
        answer.accepted() && valid,
        format!("in the URL: {}", answer.status),
        format!("in the URL: {}", answer.status),
        fix,
    ))
}

fn length(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    let (token, _) = tokens(seen)?;
    let distinct = token.chars().collect::<std::collections::BTreeSet<_>>().len();
    let evidence = format!("{} characters, {distinct} different", token.len());
    Ok(unless(
        token.len() < 22 || distinct < 8,
        evidence.clone(),
        evidence,
        "128 random bits: 22 characters of base64url",
    ))
}

fn fixed(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    let (first, other) = tokens(seen)?;
    let other = other.ok_or_else(|| Unknown::new("no second token", "ask again"))?;
    Ok(unless(
        first == other,
        "two sessions, two tokens",
        "two sessions got the same token",
        "bind tokens to a session",
    ))
}

fn cached(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    tokens(seen)?;
    let control = seen.told("token")?.header("cache-control").unwrap_or_default().to_ascii_lowercase();
    let kept = !control.contains("no-store") && !control.contains("private");
    Ok(unless(
        kept,
        format!("Cache-Control: {control}"),
        format!("Cache-Control: {control:?}"),
        "send `Cache-Control: no-store` with a token",
    ))
}

fn shared(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    tokens(seen)?;
    let answer = seen.told("token-other")?;
    let allowed = answer.header("access-control-allow-origin").unwrap_or_default();
    let open = allowed == "*" || allowed == EVIL;
    Ok(unless(
        open,
        "not readable by other origins",
        format!("Access-Control-Allow-Origin: {allowed}"),
        "send no CORS fields with a token",
    ))
}

fn cookie(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    tokens(seen)?;
    let answer = seen.told("token")?;
    let set: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, _)| name == "set-cookie")
        .filter_map(|(_, value)| Cookie::parse(value))
        .collect();
    if set.is_empty() {
        return Ok(vec![Ruled::not_applicable("no cookie is set with the token")]);
    }
    let https = seen.aim.origin.starts_with("https:");
    let weak = set.iter().filter(|cookie| {
        !cookie.http_only && !cookie.name.to_lowercase().contains("csrf")
            || cookie.same_site.is_none()
            || https && !cookie.secure
    });
    let weak: Vec<_> = weak.map(|cookie| cookie.name.as_str()).collect();
    Ok(unless(
        weak.is_empty().eq(&false),
        "HttpOnly, SameSite, Secure over https",
        format!("{} lacks HttpOnly, SameSite or Secure", weak.join(", ")),
        "set HttpOnly, SameSite=Lax and Secure",
    ))
}
