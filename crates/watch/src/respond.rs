//! Whether an incident shuts its client out. Pure: what is known comes in, a ruling comes out.
//!
//! Off unless the policy says so. Who could be framed is never shut out (SECURITY.md 19): only a `client.key` of which a gate
//! itself saw every counted event, never this machine nor a trusted proxy, never more than one client at a time, but for the
//! /48 of IPv6 of which eight /64 are shut out already. At most [`MAX_BLOCKS`] at a time, and no more than one in a hundred of
//! the clients that the gate saw within the hour; a quiet site has [`LEAST`] of them all the same.

mod crowd;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use palisade_event::{ClientKey, EventTime, Field, Incident, State};
use palisade_guard::{BadNet, MAX_BLOCKS, Net};
use palisade_policy::{Clients, Respond};

pub use crowd::Crowd;

/// What is known when an incident is judged.
#[derive(Debug)]
pub struct Known<'k> {
    /// `[respond]`; nobody is shut out without it.
    pub respond: Option<&'k Respond>,
    /// For how long the rule itself would shut out, if it says so.
    pub rule: Option<Duration>,
    /// Who is trusted to speak for others.
    pub clients: &'k Clients,
    /// Who is shut out now, and until when.
    pub live: &'k BTreeMap<Net, EventTime>,
    /// Clients that the gate saw within the hour.
    pub hour: u64,
}

/// A client that is to be shut out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shut {
    /// Who.
    pub net: Net,
    /// Until then.
    pub until: EventTime,
}

/// Why nobody is shut out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Spared {
    /// The policy has no `[respond]`, or does not mean this rule or priority.
    NotAsked,
    /// It is over.
    Over,
    /// A log, a report or another site's page had a part in it: it may be somebody else's doing.
    NotAttributable,
    /// It is about no client, or about what is none.
    NoClient,
    /// That client is never shut out.
    Never(BadNet),
    /// It is shut out already, for as long.
    Already,
    /// So many are shut out that no more may be.
    TooMany,
    /// More than one in a hundred of the hour's clients would be shut out: rather the rule is wrong than they.
    TooLargeAShare,
}

/// As many may be shut out whatever the hour's clients are.
pub const LEAST: usize = 10;
/// Blocked /64 of one /48 after which the /48 is shut out.
const WIDE_AFTER: usize = 8;

/// Judges an incident.
///
/// # Errors
/// Why nobody is shut out for it.
pub fn judge(incident: &Incident, known: &Known<'_>, now: EventTime) -> Result<Shut, Spared> {
    let Known { respond, rule, clients, live, hour } = known;
    let block = respond.and_then(|respond| length(incident, respond, *rule)).ok_or(Spared::NotAsked)?;
    if incident.state == State::Resolved {
        return Err(Spared::Over);
    }
    if !incident.attributable {
        return Err(Spared::NotAttributable);
    }
    let client = client(incident).ok_or(Spared::NoClient)?;
    let live: BTreeMap<Net, EventTime> =
        live.iter().filter(|(_, until)| **until > now).map(|(n, u)| (*n, *u)).collect();
    let net = width(client, &live);
    // The wider one may hold what must never be shut out; then the narrower one is.
    let net = if net.check(clients).is_ok() { net } else { Net::from(client) };
    net.check(clients).map_err(Spared::Never)?;
    let micros = u64::try_from(block.as_micros()).unwrap_or(u64::MAX);
    let until = EventTime::from_micros(now.micros().saturating_add(micros));
    if let Some(known) = live.get(&net) {
        return if *known >= until { Err(Spared::Already) } else { Ok(Shut { net, until }) };
    }
    if live.len() >= MAX_BLOCKS {
        return Err(Spared::TooMany);
    }
    let share = usize::try_from(hour / 100).unwrap_or(usize::MAX).max(LEAST);
    if live.len() >= share {
        return Err(Spared::TooLargeAShare);
    }
    Ok(Shut { net, until })
}

/// For how long the policy, or the rule where the policy lets it, shuts out. A rule on trial shuts nobody out.
fn length(incident: &Incident, respond: &Respond, rule: Option<Duration>) -> Option<Duration> {
    let own = rule.filter(|_| respond.by_rule);
    let named = respond.rules.is_empty() || respond.rules.iter().any(|pattern| pattern.matches(&incident.rule));
    let general = respond.block.filter(|_| named && incident.priority >= respond.priority);
    own.or(general).filter(|_| !incident.simulated)
}

/// The one client that an incident is about.
fn client(incident: &Incident) -> Option<ClientKey> {
    let mut keys = incident.group.iter().filter(|(field, _)| *field == Field::ClientKey);
    let (_, text) = keys.next()?;
    ClientKey::from_text(text).filter(|_| keys.next().is_none())
}

/// The client, or its /48 where many of that are shut out already.
fn width(client: ClientKey, live: &BTreeMap<Net, EventTime>) -> Net {
    let own = Net::from(client);
    let Some(wide) = Net::wide(client) else { return own };
    let beside = live.keys().filter(|net| ClientKey::from_text(&net.to_string()).and_then(Net::wide) == Some(wide));
    if beside.filter(|net| **net != wide).count() >= WIDE_AFTER { wide } else { own }
}

impl fmt::Display for Spared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Spared::NotAsked => f.write_str("the policy does not ask for it"),
            Spared::Over => f.write_str("it is over"),
            Spared::NotAttributable => f.write_str("it may be another's doing than the client's"),
            Spared::NoClient => f.write_str("it is about no client"),
            Spared::Never(bad) => bad.fmt(f),
            Spared::Already => f.write_str("the client is shut out already"),
            Spared::TooMany => write!(f, "there are {MAX_BLOCKS} blocks already"),
            Spared::TooLargeAShare => f.write_str("more than one in a hundred of the hour's clients would be shut out"),
        }
    }
}

#[cfg(test)]
mod tests;
