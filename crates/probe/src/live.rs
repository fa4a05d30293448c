//! The running site: asks it what the examiner's experiments want to know, and brings back what it answered.
//!
//! A [`Target`] is made from what a person typed on this run, with consent; its address is resolved once and pinned. Every
//! request goes to that address, and to no other origin. What is asked, and what the answers mean, is the examiner's.

mod budget;
mod certificate;
mod client;
mod handshakes;
mod hello;
mod site;
mod target;

pub use budget::Caps;
pub use target::{Consent, Refused, Target};

use std::fmt::Debug;
use std::time::{SystemTime, UNIX_EPOCH};

use palisade_check::Fact;
use palisade_check::Unknown;
use palisade_check::experiments::{Experiment, Next};
use palisade_check::facts::live::{Aim, Exchanged, Live, Sent, Trial};

use budget::Budget;
use client::{Client, Trust};

/// What is to be found out on one run.
#[derive(Debug, Default)]
pub struct Plan {
    /// Whether the headers are looked at.
    pub headers: bool,
    /// The page whose headers are judged: `/`.
    pub page: String,
    /// Whether handshakes are made.
    pub tls: bool,
    /// Which experiments are made, on what.
    pub aims: Vec<(&'static Experiment, Aim)>,
    /// A file of roots that are trusted beside those of browsers, PEM.
    pub roots: Vec<u8>,
    /// Signs every request, where the owner's gate shall know its own test.
    pub signs: Option<Box<dyn Signs>>,
}

/// Says of each request that it is the owner's test.
pub trait Signs: Debug {
    /// The name and value of the field that says it.
    fn field(&self, method: &str, host: &str, target: &str) -> (&'static str, String);
}

/// Asks. `progress` is told what is being done, one line at a time.
///
/// A target that cannot be reached leaves every fact unknown.
pub fn collect(target: &Target, plan: &Plan, caps: Caps, progress: &mut dyn FnMut(&str)) -> Live {
    let mut live = Live { target: target.origin(), ..Live::default() };
    progress(&format!("connecting to {}", target.shown()));
    if let Err(why) = client::reachable(target, caps.request) {
        let unknown = Unknown::new(format!("{} cannot be reached: {why}", target.origin()), "start it, and ask again");
        live.site = Fact::Unknown(unknown.clone());
        live.tls = Fact::Unknown(unknown);
        return live;
    }
    let client = match Client::new(target, Trust::Roots, plan, caps) {
        Ok(client) => client,
        Err(why) => {
            live.site = Fact::Unknown(Unknown::new(why, "mend the file of roots"));
            return live;
        }
    };
    if plan.headers || plan.tls {
        progress("headers");
        live.site = site::collect(target, plan, caps).into();
    }
    if plan.tls {
        progress("handshakes");
        let hsts = live
            .site
            .known()
            .ok()
            .and_then(|site| Some(site.https.as_ref()?.first("strict-transport-security")?.to_owned()));
        live.tls = handshakes::collect(target, &plan.roots, hsts, caps).into();
    }
    if !plan.headers {
        live.site = Fact::default();
    }
    live.trials = plan.aims.iter().map(|(experiment, aim)| trial(experiment, aim, &client, caps, progress)).collect();
    live
}

/// What would be sent, with nobody asked: each request as one line. Requests that hang on answers are shown with none.
#[must_use]
pub fn rehearse(plan: &Plan) -> Vec<String> {
    let mut lines = Vec::new();
    if plan.headers {
        lines.extend(site::REQUESTS.iter().map(|(method, path)| format!("headers: {method} {path}")));
    }
    if plan.tls {
        lines.push("tls: hellos of SSL 3.0 to TLS 1.3, up to 60 connections".to_owned());
    }
    for (experiment, aim) in &plan.aims {
        let mut exchanges = Vec::<Exchanged>::new();
        while let Next::Send(sent) = (experiment.next)(aim, &exchanges) {
            let more = if sent.step == "burst" { format!(", up to {} times", aim.requests) } else { String::new() };
            lines.push(format!("{}: {} {} ({}{more})", experiment.name, sent.method, short(&sent.target), sent.step));
            exchanges.push(Exchanged { sent, answer: Err("nobody was asked".to_owned()) });
        }
    }
    if plan.signs.is_some() {
        lines.push("each request is signed as a test of the owner's".to_owned());
    }
    lines
}

/// One experiment: asks for what comes next until nothing does, or a cap ends it.
fn trial(experiment: &Experiment, aim: &Aim, client: &Client<'_>, caps: Caps, progress: &mut dyn FnMut(&str)) -> Trial {
    let mut budget = Budget::new(caps);
    let mut exchanges = Vec::new();
    let mut connection = client.connection();
    let stopped = loop {
        let Next::Send(sent) = (experiment.next)(aim, &exchanges) else { break None };
        if let Err(stopped) = budget.spend(&sent) {
            break Some(stopped);
        }
        if !sent.after.is_zero() {
            progress(&format!("{} {}: waiting {} s, as it asks", experiment.name, aim.path, sent.after.as_secs()));
        }
        progress(&format!("{} {}: {}", experiment.name, aim.path, sent.step));
        budget.wait(sent.after);
        let answer = connection.send(&sent);
        exchanges.push(Exchanged { sent, answer });
    };
    hidden(Trial { experiment: experiment.name.to_owned(), aim: aim.clone(), exchanges, stopped })
}

/// What is kept of a trial: nothing that the user gave to be used holds a place in it.
fn hidden(mut trial: Trial) -> Trial {
    let private =
        |name: &str| ["cookie", "authorization", "x-api-key"].iter().any(|one| name.eq_ignore_ascii_case(one));
    let Aim { token, other_token, secret, headers, .. } = &mut trial.aim;
    let mut secrets = Vec::new();
    for given in [token, other_token, secret].into_iter().flatten() {
        secrets.push(std::mem::replace(given, HIDDEN.to_owned()));
    }
    for (_, value) in headers.iter_mut().filter(|(name, _)| private(name)) {
        secrets.push(std::mem::replace(value, HIDDEN.to_owned()));
    }
    // The longest first: one may hold another.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    let hide = |text: &mut String| {
        for secret in
            secrets.iter().filter(|secret| secret.len() >= 4 && text.contains(secret.as_str())).collect::<Vec<_>>()
        {
            *text = text.replace(secret.as_str(), HIDDEN);
        }
    };
    for Exchanged { sent, answer } in &mut trial.exchanges {
        hide(&mut sent.target);
        hide(&mut sent.body);
        sent.headers.iter_mut().for_each(|(_, value)| hide(value));
        if let Ok(answer) = answer {
            hide(&mut answer.body);
            answer.headers.iter_mut().for_each(|(_, value)| hide(value));
        }
    }
    trial
}

/// Stands in facts where a secret was.
const HIDDEN: &str = "given";

/// Seconds since 1970.
#[must_use]
pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed())
}

fn short(target: &str) -> String {
    match target.char_indices().nth(80) {
        Some((at, _)) => format!("{}…", target.get(..at).unwrap_or_default()),
        None => target.to_owned(),
    }
}

/// Something that no answer holds by chance: twelve hexadecimal digits.
#[must_use]
pub fn marker() -> String {
    let mut bytes = [0; 6];
    // Without randomness the marker is the time, which is good enough to be told apart.
    if getrandom::fill(&mut bytes).is_err() {
        bytes.copy_from_slice(now().to_be_bytes().get(2..).unwrap_or(&[0; 6]));
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One request outside of any experiment.
fn plain(method: &str, target: &str, fields: &[(&str, &str)]) -> Sent {
    let headers = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Sent { method: method.to_owned(), target: target.to_owned(), headers, ..Sent::default() }
}
