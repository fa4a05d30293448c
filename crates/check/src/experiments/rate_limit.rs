//! Whether too many requests are refused, from when on, how honestly, and what gets round it.

use std::time::Duration;

use super::seen::{Seen, better_not, unless};
use super::{Experiment, Next, Step, checks};
use crate::check::Ruled;
use crate::facts::Unknown;
use crate::facts::live::{Aim, Exchanged, Received, Sent};

pub(super) const EXPERIMENT: Experiment =
    Experiment { name: "rate-limit", about: "too many requests are refused", next, checks: CHECKS };

checks! { "rate-limit":
    "enforced", "Too many requests are refused", High, "A04:2021; ASVS 2.4.1", enforced;
    "status", "A limited request is answered with 429", Low, "A04:2021; ASVS 2.4.1", status;
    "retry-after", "A 429 says when to come back", Low, "A04:2021; ASVS 2.4.1", retry_after;
    "retry-after-true", "Who waits as long as Retry-After says is let in", Low, "A04:2021; ASVS 2.4.1", truthful;
    "fields", "Answers say how much is left", Low, "A04:2021; ASVS 2.4.1", fields;
    "forwarded-for", "X-Forwarded-For of a stranger does not make a new client", High, "A04:2021; ASVS 2.4.1", forwarded_for;
    "address-fields", "Other fields that name an address do not make a new client", High, "A04:2021; ASVS 2.4.1", address_fields;
    "spelling", "Another spelling of the path is not another limit", High, "A04:2021; ASVS 2.4.1", spelling;
    "query", "Another query is not another limit", High, "A04:2021; ASVS 2.4.1", query;
    "agent", "Another browser or cookie is not another client", High, "A04:2021; ASVS 2.4.1", agent;
    "own", "Refused here is not refused everywhere", Medium, "A04:2021", own;
}

/// What is tried once the limit is reached. Each is sent when the limit still holds.
const ROUND: [Step; 8] = [
    ("forwarded-for", |seen| Some(plain(seen).with("x-forwarded-for", "203.0.113.77"))),
    ("forwarded-list", |seen| Some(plain(seen).with("x-forwarded-for", "198.51.100.9, 203.0.113.78"))),
    ("address-fields", |seen| {
        let names =
            ["x-real-ip", "cf-connecting-ip", "true-client-ip", "x-client-ip", "fly-client-ip", "fastly-client-ip"];
        let sent = names.iter().fold(plain(seen), |sent, name| sent.with(name, "203.0.113.79"));
        Some(sent.with("forwarded", "for=203.0.113.79"))
    }),
    ("slash", |seen| Some(plain(seen).to(format!("{}/", path(seen))))),
    ("case", |seen| Some(plain(seen).to(path(seen).to_ascii_uppercase()))),
    ("query", |seen| Some(plain(seen).to(format!("{}?palisade-probe={}", path(seen), seen.aim.marker)))),
    ("agent", |seen| Some(plain(seen).with("user-agent", "Mozilla/5.0 (another)").with("cookie", "visitor=another"))),
    ("elsewhere", |seen| {
        Some(
            Sent { method: "GET".to_owned(), target: "/".to_owned(), ..Sent::default() }
                .with("accept", "text/html")
                .to(if path(seen) == "/" { "/robots.txt" } else { "/" }),
        )
    }),
];

fn plain(seen: &Seen<'_>) -> Sent {
    seen.request()
}

fn path<'a>(seen: &Seen<'a>) -> &'a str {
    seen.aim.path.split('?').next().unwrap_or_default()
}

fn next(aim: &Aim, exchanges: &[Exchanged]) -> Next {
    let seen = Seen { aim, exchanges };
    let send = |step: &str, after, sent: Sent| Next::Send(Sent { step: step.to_owned(), after, ..sent });
    let Some(refused) = refusal(&seen) else {
        let lost = exchanges.iter().any(|exchange| exchange.answer.is_err());
        let most = seen.of("burst").count() >= aim.requests;
        return if lost || most { Next::Done } else { send("burst", Duration::ZERO, plain(&seen)) };
    };
    for (name, make) in ROUND {
        if seen.of(name).next().is_none() {
            return make(&seen).map_or(Next::Done, |sent| send(name, Duration::ZERO, sent));
        }
    }
    // What was tried may have been charged too, so the last word counts, and a second more for rounding.
    if seen.of("still").next().is_none() {
        return send("still", Duration::ZERO, plain(&seen));
    }
    let last = seen.of("still").filter_map(|exchange| exchange.answer.as_ref().ok()).next_back().unwrap_or(refused);
    match last.retry_after().or_else(|| refused.retry_after()) {
        Some(seconds @ 0..=120) if seen.of("waited").next().is_none() => {
            send("waited", Duration::from_secs(seconds + 1), plain(&seen))
        }
        _ => Next::Done,
    }
}

/// The first refusal of the burst: 429, or what differs from the first answer and says no.
fn refusal<'a>(seen: &Seen<'a>) -> Option<&'a Received> {
    let mut answers = seen.of("burst").filter_map(|exchange| exchange.answer.as_ref().ok());
    let first = answers.next()?;
    if first.status == 429 {
        return Some(first);
    }
    answers.find(|answer| {
        answer.status == 429 || answer.status != first.status && matches!(answer.status, 403 | 503 | 420 | 509)
    })
}

/// The refusal.
///
/// # Errors
/// Where there is none.
fn refused<'a>(seen: &Seen<'a>) -> Result<&'a Received, Unknown> {
    refusal(seen).ok_or_else(|| Unknown::new("nothing was refused, so there is nothing to look at", "limit the route"))
}

fn passed(seen: &Seen<'_>) -> usize {
    let refused = refusal(seen);
    let answers = seen.of("burst").filter_map(|exchange| exchange.answer.as_ref().ok());
    answers.take_while(|answer| refused.is_none_or(|refused| !std::ptr::eq(refused, *answer))).count()
}

fn enforced(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    let (passed, sent) = (passed(seen), seen.of("burst").count());
    if sent == 0 || seen.of("burst").all(|exchange| exchange.answer.is_err()) {
        return seen.told("burst").map(|_| Vec::new());
    }
    if refusal(seen).is_none() && sent < seen.aim.requests {
        return Err(Unknown::new(format!("the connection failed after {sent} requests"), "ask again"));
    }
    let refill = refusal(seen)
        .and_then(Received::retry_after)
        .map_or(String::new(), |seconds| format!(", one more after {seconds} s"));
    let fix = "limit the route: `withRateLimit`, or its kind in palisade.toml";
    Ok(unless(
        refusal(seen).is_none(),
        format!("{passed} at once pass, then they are refused{refill}"),
        format!("{passed} requests at once, none refused"),
        fix,
    ))
}

fn status(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    let status = refused(seen)?.status;
    Ok(better_not(status != 429, "429", format!("refused with {status}"), "answer 429, so that clients know to wait"))
}

fn retry_after(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    let answer = refused(seen)?;
    let value = answer.header("retry-after").unwrap_or("nothing");
    let missing = answer.header("retry-after").is_none();
    Ok(unless(missing, format!("Retry-After: {value}"), "no Retry-After", "send Retry-After with every 429"))
}

fn truthful(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    let seconds = refused(seen)?.retry_after();
    let seconds =
        seconds.ok_or_else(|| Unknown::new("no Retry-After to wait for", "send Retry-After with every 429"))?;
    let waited = seen.of("waited").filter_map(|exchange| exchange.answer.as_ref().ok()).next_back();
    let waited =
        waited.ok_or_else(|| Unknown::new(format!("{seconds} s were not waited for"), "give it more time: --time"))?;
    let fix = "let Retry-After name the time until one more is allowed";
    Ok(unless(waited.status == 429, "who waited is let in", "who waited as long as it said is refused again", fix))
}

fn fields(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    let answer = refused(seen)?;
    let names = ["ratelimit", "ratelimit-policy", "x-ratelimit-limit", "ratelimit-limit", "x-rate-limit-limit"];
    let there: Vec<_> = names.into_iter().filter(|name| answer.header(name).is_some()).collect();
    let fix = "send RateLimit-Policy and RateLimit (IETF draft), X-RateLimit-* for older clients";
    Ok(better_not(there.is_empty(), there.join(", "), "none of RateLimit, X-RateLimit-Limit", fix))
}

/// Whether one of the steps passed where the plain request was refused before and after it.
fn round(seen: &Seen<'_>, steps: &[&str], how: &str, fix: &str) -> Result<Vec<Ruled>, Unknown> {
    let refusal = refused(seen)?;
    let first = seen.of("burst").filter_map(|exchange| exchange.answer.as_ref().ok()).next();
    let still = seen.of("still").filter_map(|exchange| exchange.answer.as_ref().ok()).next_back();
    let reached = first.filter(|first| first.status != refusal.status).map(|first| first.status);
    let asked: Vec<_> = steps.iter().flat_map(|step| seen.of(step)).collect();
    let answers: Vec<_> = asked.iter().filter_map(|exchange| exchange.answer.as_ref().ok()).collect();
    if answers.is_empty() {
        return Err(Unknown::new(format!("{how}: not answered"), "ask again"));
    }
    let passed = answers.iter().any(|answer| Some(answer.status) == reached || answer.accepted());
    if passed && still.is_some_and(|still| still.status != refusal.status) {
        return Err(Unknown::new("the limit had refilled meanwhile", "ask again on a quiet machine"));
    }
    Ok(unless(passed, format!("{how}: still refused"), format!("{how}: let in after the limit was reached"), fix))
}

fn forwarded_for(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    let fix = "believe X-Forwarded-For from your own proxies alone (`[clients] trusted_proxies`)";
    round(seen, &["forwarded-for", "forwarded-list"], "with a made-up X-Forwarded-For", fix)
}

fn address_fields(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    let fix = "believe such fields from your own proxies alone";
    round(seen, &["address-fields"], "with a made-up X-Real-IP, Forwarded, CF-Connecting-IP", fix)
}

fn spelling(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    round(
        seen,
        &["slash", "case"],
        "with a slash behind it, or in capitals",
        "count by route, not by the path as typed",
    )
}

fn query(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    round(seen, &["query"], "with a query", "count by route, not by the whole URL")
}

fn agent(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    round(seen, &["agent"], "with another User-Agent and cookie", "count by address, or by who signed in")
}

fn own(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    refused(seen)?;
    let other = seen.of("elsewhere").filter_map(|exchange| exchange.answer.as_ref().ok()).next();
    let other = other.ok_or_else(|| Unknown::new("no answer elsewhere", "ask again"))?;
    let fix = "count by route, so that one form does not shut a visitor out of the site";
    Ok(better_not(other.status == 429, "other paths answer", "other paths are refused with it", fix))
}
