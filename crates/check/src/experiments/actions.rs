//! Next.js server actions: an action runs on any path it is posted to, so the path's protection is none.

use std::collections::BTreeSet;

use super::seen::{Seen, unless};
use super::{Experiment, Next, Step, checks, follow};
use crate::check::Ruled;
use crate::facts::Unknown;
use crate::facts::live::{Aim, Exchanged, Received, Sent};
use crate::headers::tags;

pub(super) const EXPERIMENT: Experiment =
    Experiment { name: "actions", about: "server actions run where they belong alone", next, checks: CHECKS };

checks! { "actions":
    "foreign-path", "An action of a page does not run at another path", Critical, "A01:2021; ASVS 8.2.1", |seen| refused(seen, &["foreign", "nowhere"], "at a path that is not its page's");
    "cross-origin", "An action does not run for another site", High, "A01:2021; ASVS 3.5.2", |seen| refused(seen, &["cross-origin"], "from another origin");
    "no-origin", "An action does not run without an origin", Medium, "A01:2021; ASVS 3.5.2", |seen| refused(seen, &["no-origin"], "without an Origin");
    "unknown", "An id that no action has is refused", Low, "A05:2021", unknown;
}

const STEPS: [Step; 6] = [
    ("page", |seen| Some(seen.read(&seen.aim.path))),
    ("script", |seen| scripts(seen).into_iter().next().map(|path| seen.read(&path))),
    ("foreign", |seen| call(seen, "/", &ids(seen).into_iter().next()?)),
    ("nowhere", |seen| call(seen, &format!("/palisade-probe-{}", seen.aim.marker), &ids(seen).into_iter().next()?)),
    ("cross-origin", |seen| {
        Some(call(seen, &seen.aim.path, &ids(seen).into_iter().next()?)?.with("origin", "https://evil.example"))
    }),
    ("no-origin", |seen| Some(call(seen, &seen.aim.path, &ids(seen).into_iter().next()?)?.without("origin"))),
];

const UNKNOWN: Step = ("unknown", |seen| call(seen, &seen.aim.path, &"7f".repeat(21)));

fn next(aim: &Aim, exchanges: &[Exchanged]) -> Next {
    let all: Vec<_> = STEPS.into_iter().chain([UNKNOWN]).collect();
    follow(&all, aim, exchanges)
}

/// Calls an action with an empty list of arguments. `None` where that path is its own.
fn call(seen: &Seen<'_>, target: &str, id: &str) -> Option<Sent> {
    let sent = Sent { method: "POST".to_owned(), target: target.to_owned(), ..Sent::default() };
    let sent = sent.with("accept", "text/x-component").with("origin", &seen.aim.origin).with("next-action", id);
    Some(sent.carrying("text/plain;charset=UTF-8", "[]"))
}

fn scripts(seen: &Seen<'_>) -> Vec<String> {
    let Some(page) = seen.answer("page") else { return Vec::new() };
    let sources = tags(&page.body)
        .into_iter()
        .filter(|tag| tag.name == "script")
        .filter_map(|tag| tag.get("src").map(str::to_owned));
    // The page's own piece comes last in Next.js, and is named so.
    let own: Vec<_> = sources.filter(|source| source.starts_with("/_next/")).collect();
    let page: Vec<_> =
        own.iter().filter(|source| source.contains("/app/") && source.contains("page")).cloned().collect();
    if page.is_empty() { own.into_iter().rev().collect() } else { page }
}

/// Ids of actions: hidden fields `$ACTION_ID_<id>`, and the quoted 42 hexadecimal digits of the page's script.
fn ids(seen: &Seen<'_>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for answer in ["page", "script"].iter().filter_map(|step| seen.answer(step)) {
        for tag in tags(&answer.body) {
            let name = tag.get("name").unwrap_or_default();
            found.extend(name.strip_prefix("$ACTION_ID_").map(str::to_owned));
        }
        let quoted = answer.body.split(['"', '\'']).filter(|word| matches!(word.len(), 40 | 42));
        found.extend(quoted.filter(|word| word.bytes().all(|byte| byte.is_ascii_hexdigit())).map(str::to_owned));
    }
    found
}

/// An action's own status proves nothing: a path that is not there is answered with 404, and runs it all the same. What
/// tells is the answer's form: Next.js answers a call with a component stream, a refusal never is one.
fn ran(answer: &Received) -> bool {
    let kind = answer.header("content-type").unwrap_or_default();
    kind.starts_with("text/x-component") && answer.header("x-nextjs-action-not-found").is_none()
}

fn refused(seen: &Seen<'_>, steps: &[&str], how: &str) -> Result<Vec<Ruled>, Unknown> {
    seen.told("page")?;
    if ids(seen).is_empty() {
        return Ok(vec![Ruled::not_applicable("the page has no server action")]);
    }
    let mut last = 0;
    for step in steps {
        let answer = seen.told(step)?;
        last = answer.status;
        let own = *step == "foreign" && seen.aim.path == "/";
        if ran(answer) && !own {
            let fix =
                "check the session inside each action, and put the gate before the app: it decides actions by their id";
            return Ok(vec![Ruled::fail(format!("{how}: runs ({})", answer.status), fix)]);
        }
    }
    Ok(vec![Ruled::pass(format!("{how}: {last}, does not run"))])
}

fn unknown(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    let answer = seen.told("unknown")?;
    Ok(unless(
        answer.status >= 500,
        format!("{}", answer.status),
        format!("fails with {}", answer.status),
        "answer 404",
    ))
}
