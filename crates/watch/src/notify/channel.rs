//! The kinds of channels, and how each is spoken to.

mod discord;
mod email;
mod pagerduty;
mod slack;
mod teams;
mod webhook;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use palisade_event::{EventTime, Untrusted};
use palisade_policy::{Channel, ChannelKind};
use serde_json::Value;

use super::{Address, BadAddress, Client, Notice, Request};
use crate::store::{Letter, Outcome, StoreFault};

/// A channel with its addresses and secrets. Neither is ever shown.
pub struct Target {
    name: String,
    way: Way,
}

enum Way {
    Json { service: Service, address: Address },
    Webhook { address: Address, secret: Vec<u8> },
    Email(Box<email::Mailer>),
}

/// Whose JSON it is.
enum Service {
    Slack,
    Discord,
    Teams,
    PagerDuty { key: String },
}

/// Why a channel cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadTarget {
    /// A variable is not set.
    Missing(String),
    /// A variable holds no address that may be spoken to.
    Address(String, BadAddress),
    /// A variable holds no secret of Standard Webhooks: `whsec_` and 24 to 64 bytes in base 64.
    Secret(String),
    /// A variable holds no server of mail.
    Server(String),
    /// An address of mail is none.
    Mailbox(String),
}

/// Where PagerDuty takes events, but for its EU region.
const PAGERDUTY: &str = "https://events.pagerduty.com/v2/enqueue";
/// What a service may ask to wait, at most.
const MAX_WAIT: Duration = Duration::from_secs(3600);

// === impl Target ===

impl Target {
    /// A channel, by the values of its variables.
    ///
    /// # Errors
    /// The first variable that is missing or unfit; its value is not repeated.
    pub fn new(channel: &Channel, variables: &BTreeMap<String, String>) -> Result<Target, BadTarget> {
        let value = |name: &str| {
            let value = variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
            value.ok_or_else(|| BadTarget::Missing(name.to_owned()))
        };
        let address = |name: &str| Address::parse(value(name)?).map_err(|bad| BadTarget::Address(name.to_owned(), bad));
        let json = |service, url: &str| Ok(Way::Json { service, address: address(url)? });
        let way = match &channel.kind {
            ChannelKind::Slack { url } => json(Service::Slack, url)?,
            ChannelKind::Discord { url } => json(Service::Discord, url)?,
            ChannelKind::Teams { url } => json(Service::Teams, url)?,
            ChannelKind::PagerDuty { key, url } => {
                let service = Service::PagerDuty { key: value(key)?.to_owned() };
                let own = || Address::parse(PAGERDUTY).map_err(|bad| BadTarget::Address(key.clone(), bad));
                Way::Json { service, address: url.as_deref().map_or_else(own, address)? }
            }
            ChannelKind::Webhook { url, secret } => {
                let address = address(url)?;
                let bytes = webhook::secret(value(secret)?).ok_or_else(|| BadTarget::Secret(secret.clone()))?;
                Way::Webhook { address, secret: bytes }
            }
            ChannelKind::Email { server, from, to } => {
                Way::Email(Box::new(email::Mailer::new(server, value(server)?, from, to)?))
            }
        };
        Ok(Target { name: channel.name.clone(), way })
    }

    /// The channel's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends a message at once, past the outbox: for somebody who tries the channel.
    ///
    /// # Errors
    /// If nothing can be sent from this process.
    pub fn try_now(&self, letter: &Letter) -> std::io::Result<Outcome> {
        let client = Client::new()?;
        let notice = Notice::from_json(&letter.body).ok_or(std::io::ErrorKind::InvalidData)?;
        Ok(self.send(&client, &letter.id, &notice, notice.at, || Ok(())))
    }

    /// Sends a message. `begin` is called right before the receiver may get it; where it fails nothing is sent.
    pub(crate) fn send(
        &self,
        client: &Client,
        id: &str,
        notice: &Notice,
        now: EventTime,
        begin: impl FnOnce() -> Result<(), StoreFault>,
    ) -> Outcome {
        let (address, body, headers) = match &self.way {
            Way::Email(mailer) => return mailer.send(id, notice, begin),
            Way::Json { service, address } => (address, text(&service.message(notice)), Vec::new()),
            Way::Webhook { address, secret } => {
                let body = text(&webhook::message(notice));
                let headers = webhook::headers(secret, id, now, &body);
                (address, body, headers)
            }
        };
        client.post(address, &Request { headers: &headers, body: body.as_bytes() }, begin).into_outcome(MAX_WAIT)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Service {
    fn message(&self, notice: &Notice) -> Value {
        match self {
            Service::Slack => slack::message(notice),
            Service::Discord => discord::message(notice),
            Service::Teams => teams::message(notice),
            Service::PagerDuty { key } => pagerduty::message(notice, key),
        }
    }
}

// === impl BadTarget ===

impl fmt::Display for BadTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadTarget::Missing(name) => write!(f, "{name} is not set"),
            BadTarget::Address(name, bad) => write!(f, "{name} holds no address that can be used: {bad}"),
            BadTarget::Secret(name) => {
                write!(f, "{name} holds no secret of Standard Webhooks: `whsec_` and 24 to 64 bytes in base 64")
            }
            BadTarget::Server(name) => write!(
                f,
                "{name} holds no server of mail: write smtp://user:password@host:587 or smtps://user:password@host:465"
            ),
            BadTarget::Mailbox(text) => write!(f, "{text:?} is not an address of mail"),
        }
    }
}

impl std::error::Error for BadTarget {}

/// JSON in which nothing acts, whoever shows it: what would be invisible, or markup in a page, is escaped. Such characters
/// stand in texts alone, never in JSON's own syntax, so the value stays the same.
fn text(value: &Value) -> String {
    let plain = value.to_string();
    let mut out = String::with_capacity(plain.len());
    for (at, char) in plain.char_indices() {
        match char {
            '"' | '\\' | ' '..='%' | '('..=';' | '=' | '?'..='~' => out.push(char),
            _ => {
                let one = plain.get(at..at + char.len_utf8()).unwrap_or_default();
                out.push_str(Untrusted::new(one).json().to_string().trim_matches('"'));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests;
