//! What is watched for, who is told, what answers back, what is sent on.

use std::collections::BTreeMap;
use std::time::Duration;

use palisade_event::{EventTime, Priority};

/// `[[channel]]`, `[[silence]]`, `[notify]`, `[respond]`, `[detect]`, `[export]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Alerting {
    /// Who is told.
    pub channels: Vec<Channel>,
    /// What nobody is told of.
    pub silences: Vec<Silence>,
    /// How messages are grouped and repeated.
    pub notify: Notify,
    /// Whether incidents answer with blocks; none: they never do.
    pub respond: Option<Respond>,
    /// The rules of detection.
    pub detect: Detect,
    /// Where events and metrics are sent on to.
    pub export: Export,
}

/// `[[channel]]`: a place where people read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its name, unique; the outbox keeps messages under it.
    pub name: String,
    /// What it speaks.
    pub kind: ChannelKind,
    /// The least urgent priority that is told: P1 or P2. P3 waits for the weekly report.
    pub priority: Priority,
    /// Rules that are told; empty for all.
    pub rules: Vec<Pattern>,
    /// Whether it is told that something is over.
    pub resolved: bool,
}

/// What a channel speaks, and the variables that hold its addresses and secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelKind {
    /// Slack's incoming webhook.
    Slack {
        /// The variable with the webhook's URL, which is a secret.
        url: String,
    },
    /// Discord's webhook.
    Discord {
        /// The variable with the webhook's URL, which is a secret.
        url: String,
    },
    /// A workflow of Microsoft Teams.
    Teams {
        /// The variable with the workflow's URL, which is a secret.
        url: String,
    },
    /// PagerDuty's Events API v2.
    PagerDuty {
        /// The variable with the routing key.
        key: String,
        /// The variable with another address of the API, as the one of the EU.
        url: Option<String>,
    },
    /// Any receiver, signed by the Standard Webhooks specification.
    Webhook {
        /// The variable with the receiver's URL.
        url: String,
        /// The variable with the secret: `whsec_` and base 64.
        secret: String,
    },
    /// Mail by SMTP.
    Email {
        /// The variable with the server: `smtp://user:password@host:587` (STARTTLS, demanded) or `smtps://...:465`.
        server: String,
        /// The sender.
        from: String,
        /// Those who read.
        to: Vec<String>,
    },
}

/// A rule's id, or how ids begin: `login-*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern(pub String);

/// `[[silence]]`: incidents that are kept, and told to nobody, until a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// Of these rules; none for all.
    pub rule: Option<Pattern>,
    /// Of this client alone: an address, or a network as `client.key` writes it.
    pub client: Option<String>,
    /// Until then.
    pub until: EventTime,
    /// Why.
    pub because: String,
}

/// `[notify]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify {
    /// How long the first incident of a group waits for others. P1 does not wait.
    pub wait: Duration,
    /// Between two messages about a group that changes.
    pub interval: Duration,
    /// How often a group that stays open and that nobody acknowledged is told again.
    pub repeat: Duration,
    /// After how long without any event it is told that nothing comes; none: never.
    pub quiet: Option<Duration>,
    /// Where the dashboard is, for the links of messages.
    pub link: Option<String>,
}

/// `[respond]`: incidents may shut their client out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Respond {
    /// For how long; none where only rules say so.
    pub block: Option<Duration>,
    /// Whether a rule that says by itself for how long is answered so.
    pub by_rule: bool,
    /// Of these rules; empty for every rule whose incidents are urgent enough.
    pub rules: Vec<Pattern>,
    /// The least urgent priority that is answered so.
    pub priority: Priority,
}

/// `[detect]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Detect {
    /// Files and folders of rules beside the built-in ones, below the policy's folder.
    pub rules: Vec<String>,
    /// Other thresholds than the rules have, by their ids.
    pub thresholds: BTreeMap<String, Threshold>,
}

/// From when on a rule fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threshold {
    /// So many.
    Count(u32),
    /// More than this share, in percent.
    Percent(u8),
}

/// `[export]`: places that take events and metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Export {
    /// A collector of OpenTelemetry, by OTLP over HTTP.
    pub otlp: Option<Otlp>,
    /// Datadog's intake of logs.
    pub datadog: Option<Datadog>,
}

/// A collector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Otlp {
    /// The variable with its base address: `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub endpoint: String,
    /// The variable with headers: `name=value,name=value`.
    pub headers: Option<String>,
}

/// An account of Datadog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datadog {
    /// The variable with the API key.
    pub key: String,
    /// `datadoghq.com`, `datadoghq.eu`, `us5.datadoghq.com` ...
    pub site: String,
    /// The variable with another address of the intake, as that of a proxy.
    pub url: Option<String>,
}

// === impl Alerting ===

impl Alerting {
    /// Variables that must be set for channels and exports to work.
    #[must_use]
    pub fn variables(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for channel in &self.channels {
            names.extend(channel.kind.variables());
        }
        let Export { otlp, datadog } = &self.export;
        if let Some(Otlp { endpoint, headers }) = otlp {
            names.push(endpoint);
            names.extend(headers.as_deref());
        }
        if let Some(Datadog { key, site: _, url }) = datadog {
            names.push(key);
            names.extend(url.as_deref());
        }
        names.sort_unstable();
        names.dedup();
        names
    }
}

// === impl ChannelKind ===

impl ChannelKind {
    /// The name in policy files.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        match self {
            ChannelKind::Slack { .. } => "slack",
            ChannelKind::Discord { .. } => "discord",
            ChannelKind::Teams { .. } => "teams",
            ChannelKind::PagerDuty { .. } => "pagerduty",
            ChannelKind::Webhook { .. } => "webhook",
            ChannelKind::Email { .. } => "email",
        }
    }

    /// The variables it needs.
    #[must_use]
    pub fn variables(&self) -> Vec<&str> {
        match self {
            ChannelKind::Slack { url } | ChannelKind::Discord { url } | ChannelKind::Teams { url } => vec![url],
            ChannelKind::PagerDuty { key, url } => std::iter::once(key).chain(url).map(String::as_str).collect(),
            ChannelKind::Webhook { url, secret } => vec![url, secret],
            ChannelKind::Email { server, .. } => vec![server],
        }
    }
}

// === impl Pattern ===

impl Pattern {
    /// Whether it means this rule.
    #[must_use]
    pub fn matches(&self, rule: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(start) => rule.starts_with(start),
            None => rule == self.0,
        }
    }
}

impl Default for Notify {
    /// Those of Alertmanager.
    fn default() -> Notify {
        Notify {
            wait: Duration::from_secs(30),
            interval: Duration::from_secs(300),
            repeat: Duration::from_secs(4 * 3600),
            quiet: None,
            link: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_an_id_or_a_start() {
        let all = Pattern("*".to_owned());
        let login = Pattern("login-*".to_owned());
        let one = Pattern("login-failures-client".to_owned());
        assert!(all.matches("x") && login.matches("login-failures-client") && one.matches("login-failures-client"));
        assert!(!login.matches("log") && !one.matches("login-failures-clients"));
    }
}
