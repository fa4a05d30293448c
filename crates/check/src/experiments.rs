//! Experiments: what to ask a running site, and what its answers mean.
//!
//! An experiment is pure. From its [`Aim`] and what was exchanged so far follows what to send next; sockets, caps and consent
//! belong to whoever sends. Most are a list of named steps, sent in their order, and judged by the last answer to each.

mod actions;
mod aims;
mod auth;
mod csrf;
mod errors;
mod headers;
mod input;
mod rate_limit;
mod seen;
mod tls;
mod webhook;

pub use aims::aims;

use std::sync::LazyLock;

use crate::check::{Case, Check, Ruled};
use crate::facts::Unknown;
use crate::facts::live::{Aim, Exchanged, Live, Sent};
use seen::Seen;

/// What to ask of a site, and the checks that judge the answers.
#[derive(Debug, Clone, Copy)]
pub struct Experiment {
    /// The name on the command line; the ids of its checks begin with it.
    pub name: &'static str,
    /// What it finds out, for people.
    pub about: &'static str,
    /// What to do next.
    pub next: fn(&Aim, &[Exchanged]) -> Next,
    /// What is judged by it.
    pub checks: &'static [&'static Check],
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Wait as long as it says, and send it.
    Send(Sent),
    /// Nothing more.
    Done,
}

/// Every experiment, in the order of `probe all`.
pub static EXPERIMENTS: &[&Experiment] = &[
    &errors::EXPERIMENT,
    &auth::EXPERIMENT,
    &csrf::EXPERIMENT,
    &input::EXPERIMENT,
    &webhook::EXPERIMENT,
    &actions::EXPERIMENT,
    &rate_limit::EXPERIMENT,
];

/// The checks over headers and handshakes, which are no experiments: one look tells.
pub static HEADER_CHECKS: &[&Check] = headers::CHECKS;
/// See [`HEADER_CHECKS`].
pub static TLS_CHECKS: &[&Check] = tls::CHECKS;

/// Every check over a running site.
pub static LIVE_CHECKS: LazyLock<Vec<&'static Check>> = LazyLock::new(|| {
    let asked = EXPERIMENTS.iter().flat_map(|experiment| experiment.checks);
    HEADER_CHECKS.iter().chain(TLS_CHECKS).chain(asked).copied().collect()
});

/// The experiment of that name.
#[must_use]
pub fn experiment(name: &str) -> Option<&'static Experiment> {
    EXPERIMENTS.iter().copied().find(|experiment| experiment.name == name)
}

/// Whether anything was asked that the check judges.
#[must_use]
pub fn was_asked(live: &Live, check: &Check) -> bool {
    let name = check.id.split('/').next().unwrap_or_default();
    match name {
        "headers" => live.site.known().is_ok(),
        "tls" => live.tls.known().is_ok(),
        _ => live.trials.iter().any(|trial| trial.experiment == name),
    }
}

/// What a group of checks comes to as one item of the checklist: the worst of each that says something.
///
/// # Errors
/// The site was not asked.
pub(crate) fn summary(case: &Case<'_>, ids: &[&str]) -> Result<Vec<Ruled>, Unknown> {
    let nobody = |_| Unknown::new("nobody has asked the running site", "run `palisade check --live URL`");
    let live = case.facts.live.known().map_err(nobody)?;
    let wanted = |check: &&&Check| ids.iter().any(|id| check.id.starts_with(id));
    let mut found = Vec::new();
    for check in LIVE_CHECKS.iter().filter(wanted).filter(|check| was_asked(live, check)) {
        let named = |ruled: Ruled| Ruled { evidence: format!("{}: {}", check.id, ruled.evidence), ..ruled };
        match (check.judge)(case) {
            Ok(ruled) => found.extend(ruled.into_iter().map(named)),
            Err(unknown) => found.push(named(Ruled::unknown(unknown))),
        }
    }
    if found.is_empty() {
        if let (true, Err(unreached)) = (live.trials.is_empty(), live.site.known()) {
            return Err(unreached);
        }
        return Err(Unknown::new(
            "the running site was not asked this",
            "name a route for it in palisade.toml, or ask by `palisade probe`",
        ));
    }
    Ok(found)
}

/// One judge over every trial of an experiment.
fn over(
    case: &Case<'_>,
    name: &str,
    judge: fn(&Seen<'_>) -> Result<Vec<Ruled>, Unknown>,
) -> Result<Vec<Ruled>, Unknown> {
    let live = case.facts.live.known()?;
    let mut found = Vec::new();
    for trial in live.trials.iter().filter(|trial| trial.experiment == name) {
        let seen = Seen { aim: &trial.aim, exchanges: &trial.exchanges };
        let place = match trial.aim.method.as_str() {
            "" => trial.aim.path.clone(),
            method => format!("{method} {}", trial.aim.path),
        };
        let named = |ruled: Ruled| Ruled { evidence: format!("{place}: {}", ruled.evidence), ..ruled };
        match judge(&seen) {
            Ok(ruled) => found.extend(ruled.into_iter().map(named)),
            Err(Unknown { why, remedy }) => {
                let why = trial.stopped.as_ref().map_or(why.clone(), |stopped| format!("{why} ({stopped})"));
                found.push(named(Ruled::unknown(Unknown { why, remedy })));
            }
        }
    }
    Ok(found)
}

/// A step: its name, and the request; `None` where it cannot be asked.
type Step = (&'static str, fn(&Seen<'_>) -> Option<Sent>);

/// The first step without an answer. An answer of 429 is none: the step is tried again after the wait that was asked for.
fn follow(steps: &[Step], aim: &Aim, exchanges: &[Exchanged]) -> Next {
    let seen = Seen { aim, exchanges };
    for (name, make) in steps {
        if seen.is_done(name) {
            continue;
        }
        let Some(sent) = make(&seen) else { continue };
        // A request that wants a fresh token waits until there is one.
        if sent.headers.iter().any(|(_, value)| value == seen::WANTED) {
            let token = seen.token_request();
            return Next::Send(Sent { after: seen.pause(), ..token });
        }
        return Next::Send(Sent { step: (*name).to_owned(), after: seen.pause(), ..sent });
    }
    Next::Done
}

/// Declares checks: id, title, severity, reference, judge.
macro_rules! checks {
    ($experiment:literal: $($name:literal, $title:literal, $severity:ident, $reference:literal, $judge:expr;)*) => {
        pub(super) const CHECKS: &[&$crate::check::Check] = &[$(&$crate::check::Check {
            id: concat!($experiment, "/", $name),
            title: $title,
            item: $crate::check::Item::Beyond,
            section: $crate::check::Section::Testing,
            severity: $crate::check::Severity::$severity,
            reference: $reference,
            judge: |case| $crate::experiments::over(case, $experiment, $judge),
        }),*];
    };
}
use checks;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_begin_with_their_experiment() {
        let ids: BTreeSet<_> = LIVE_CHECKS.iter().map(|check| check.id).collect();
        assert_eq!(ids.len(), LIVE_CHECKS.len());
        for experiment in EXPERIMENTS {
            let start = format!("{}/", experiment.name);
            assert!(experiment.checks.iter().all(|check| check.id.starts_with(&start)), "{start}");
        }
    }
}
