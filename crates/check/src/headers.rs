//! The headers of a running site, graded as the MDN HTTP Observatory does (algorithm v6), without asking anybody.
//!
//! What is measured stays apart from what is made of it: [`Site`] holds the answers, [`judge`] the arithmetic. Beside the
//! raw grade stands the excused one, where something is by design of a service, with the reason; and for a site that was
//! asked over plain http, the grade that the same answers would have behind https.
//!
//! Not here: the list of preloaded hosts, and the public suffix list (see `docs/probes.md` for what differs from the peer).

mod cookies;
mod excuse;
mod html;
mod outcome;
mod plain;
mod policy;
mod presence;
mod site;
mod sri;
mod transport;

pub use cookies::Cookie;
pub use excuse::Excuse;
pub use html::{Tag, tags};
pub use outcome::{OUTCOMES, Outcome, Test};
pub use presence::{PRESENCE, Presence, presence};
pub use site::{Page, Place, Preflight, Site};
pub use transport::max_age;

/// One test's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tested {
    /// The test.
    pub test: Test,
    /// What it came to.
    pub outcome: &'static Outcome,
    /// Why it does not count in the excused grade.
    pub excuse: Option<Excuse>,
}

/// The twelve tests, and what they add up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Each test, in the Observatory's order.
    pub tests: Vec<Tested>,
    /// The grade as it is.
    pub raw: Grade,
    /// The grade without what is by design of a service.
    pub excused: Grade,
}

/// A score with its letter, and how it came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grade {
    /// `A+` to `F`.
    pub letter: &'static str,
    /// From 0; above 100 with bonuses.
    pub score: i32,
    /// 100 and what was taken off.
    pub uncurved: i32,
    /// What the bonuses are worth; they count from an uncurved score of 90 on.
    pub bonus: i32,
}

/// Judges what a site answered; `None` where nothing answered, or the status says that it is no page: only 2xx, 3xx, 401
/// and 403 are graded.
#[must_use]
pub fn judge(site: &Site) -> Option<Report> {
    let page = site.page().filter(|page| matches!(page.status, 200..=399 | 401 | 403))?;
    let policy = policy::judge(page);
    let framed = policy.merged.as_ref().is_some_and(|merged| merged.has("frame-ancestors"));
    let hsts = transport::hsts(site);
    let found = cookies::all(site);
    let tests: Vec<_> = Test::ALL
        .into_iter()
        .map(|test| {
            let outcome = match test {
                Test::Csp => policy.outcome,
                Test::Cookies => cookies::judge(&found, hsts.pass),
                Test::Coep => plain::embedder(page),
                Test::Coop => plain::opener(page),
                Test::Cors => plain::sharing(site.preflight.as_ref()),
                Test::Redirection => transport::redirection(site),
                Test::Referrer => plain::referrer(page),
                Test::Hsts => hsts,
                Test::Sri => sri::judge(page, &site.host),
                Test::Nosniff => plain::nosniff(page),
                Test::Framing => plain::framing(page, framed),
                Test::Corp => plain::resource(page),
            };
            let excuse = excuse::of(test, outcome, page, &found, hsts.pass);
            Tested { test, outcome, excuse }
        })
        .collect();
    let raw = grade(tests.iter().map(|tested| tested.outcome.modifier));
    let excused =
        grade(tests.iter().map(|tested| tested.excuse.map_or(tested.outcome.modifier, |excuse| excuse.modifier)));
    Some(Report { tests, raw, excused })
}

/// The report for the same answers behind https: HSTS and the redirection, which only https can show, are taken as good.
#[must_use]
pub fn behind_https(site: &Site) -> Option<Report> {
    if site.https.is_some() {
        return judge(site);
    }
    let mut behind = site.behind_https();
    if let Some(page) = behind.https.as_mut() {
        page.headers.retain(|(name, _)| name != "strict-transport-security");
        page.headers.push(("strict-transport-security".to_owned(), "max-age=31536000".to_owned()));
    }
    judge(&behind)
}

/// 100 and every modifier; bonuses count where what is lost is ten at most.
#[must_use]
pub fn grade(modifiers: impl Iterator<Item = i32>) -> Grade {
    let (mut lost, mut bonus) = (0, 0);
    for modifier in modifiers {
        *(if modifier < 0 { &mut lost } else { &mut bonus }) += modifier;
    }
    let uncurved = 100 + lost;
    let score = (if uncurved >= 90 { uncurved + bonus } else { uncurved }).max(0);
    Grade { letter: letter(score), score, uncurved, bonus }
}

fn letter(score: i32) -> &'static str {
    match score {
        100.. => "A+",
        90..=99 => "A",
        85..=89 => "A-",
        80..=84 => "B+",
        70..=79 => "B",
        65..=69 => "B-",
        60..=64 => "C+",
        50..=59 => "C",
        45..=49 => "C-",
        40..=44 => "D+",
        30..=39 => "D",
        25..=29 => "D-",
        _ => "F",
    }
}

#[cfg(test)]
mod tests;
