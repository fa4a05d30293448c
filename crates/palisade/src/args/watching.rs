//! Arguments of what watches: `watch`, `events`, `incidents`, and what `serve` and `demo` have of them.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Subcommand;
use palisade_watch::store::Place;

use super::{GeoArgs, RulesFiles, given};

/// Where events and incidents are kept.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct StoreArgs {
    /// Where events and incidents are kept: a file of SQLite, or postgres://user@host/name [default: palisade.db, in
    /// $STATE_DIRECTORY if that is set].
    #[arg(long, value_name = "PLACE", env = "PALISADE_STORE", hide_env_values = true, value_parser = given::store)]
    pub(crate) store: Option<String>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  palisade watch --log /var/log/nginx/access.log --login /login
  palisade watch --log access.log --log-format caddy --store postgres://palisade@db/palisade
  journalctl -f -o cat -u app | palisade watch --log - --log-format guide
  palisade watch --intake 127.0.0.1:9280
  palisade watch --stream shop-events --store postgres://palisade@db/palisade

Incidents go to stdout. A log goes on where it was left, also after a crash; its rotations are followed.
SIGTERM and Ctrl-C end it, with everything that was read written down.")]
pub(crate) struct Watch {
    /// A log to follow; `-` is standard input, until its end; may be repeated.
    #[arg(long = "log", value_name = "FILE", required_unless_present_any = ["intake", "stream"])]
    pub(crate) logs: Vec<PathBuf>,
    /// Where Vercel's drains, Clerk's webhooks and applications send reports; loopback only.
    #[arg(long, value_name = "ADDR", env = "PALISADE_INTAKE", hide_env_values = true, conflicts_with = "stream", value_parser = given::address)]
    pub(crate) intake: Option<SocketAddr>,
    /// The stream to which gates send (`serve --stream`), on the server of `--redis`. Of several detectors one reads it, and
    /// another takes over when it ends; they share a store.
    #[arg(long, value_name = "NAME", env = "PALISADE_STREAM", hide_env_values = true, conflicts_with = "logs")]
    pub(crate) stream: Option<String>,
    /// The variable that holds the URL of the stream's server.
    #[arg(long, value_name = "VARIABLE", default_value = "REDIS_URL", requires = "stream")]
    pub(crate) redis: String,
    #[command(flatten)]
    pub(crate) geo: GeoArgs,
    /// nginx, apache, caddy, traefik, vercel, alb, clerk, palisade, guide, or nginx's own log_format [default: detected].
    #[arg(long, value_name = "FORMAT")]
    pub(crate) log_format: Option<String>,
    /// A path to which sign-ins are sent, where no policy says so; may be repeated.
    #[arg(long, value_name = "PATH", value_parser = given::path)]
    pub(crate) login: Vec<String>,
    /// The policy file, for routes, kinds and trusted proxies.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) rules: RulesFiles,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Of a log that was never read before, skip what is in it already.
    #[arg(long)]
    pub(crate) from_end: bool,
    /// Read what is there, then end.
    #[arg(long)]
    pub(crate) once: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  palisade events --status 429 --since 7d
  palisade events --client 203.0.113.7 --json
  palisade events --top client --code rate-limited --since 24h

Equal events of a minute are one line with a count. What passes is counted by route and status, without clients.")]
pub(crate) struct Events {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Only with this status.
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(100..=599))]
    pub(crate) status: Option<u16>,
    /// Only with this code of refusal, such as csrf-token-invalid.
    #[arg(long, value_name = "CODE", value_parser = given::code)]
    pub(crate) code: Option<String>,
    /// Only of this client: an IPv4 address, or 2001:db8::/64.
    #[arg(long, value_name = "CLIENT")]
    pub(crate) client: Option<String>,
    /// Only of this route, as the policy writes it.
    #[arg(long, value_name = "ROUTE")]
    pub(crate) route: Option<String>,
    /// Not older than this: 30m, 24h, 7d, or 2026-11-22T07:00:00Z.
    #[arg(long, value_name = "WHEN", default_value = "24h")]
    pub(crate) since: String,
    /// Not newer than this.
    #[arg(long, value_name = "WHEN")]
    pub(crate) until: Option<String>,
    /// Count by this instead of listing.
    #[arg(long, value_enum)]
    pub(crate) top: Option<TopBy>,
    /// At most so many lines.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = given::count)]
    pub(crate) limit: usize,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  palisade report
  palisade report --since 7d --format html > report.html
  palisade report --since 2026-11-16T00:00:00Z --until 2026-11-23T00:00:00Z --json

The time before, of the same length, is what it is compared with. Without --format it is Markdown.")]
pub(crate) struct Report {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Its beginning: 24h, 7d, 4w before its end, or 2026-11-22T07:00:00Z.
    #[arg(long, value_name = "WHEN", default_value = "7d")]
    pub(crate) since: String,
    /// Its end [default: now].
    #[arg(long, value_name = "WHEN")]
    pub(crate) until: Option<String>,
    /// What the application is called in the title.
    #[arg(long, value_name = "NAME")]
    pub(crate) app: Option<String>,
    /// The record of `palisade maintenance`; the report names what is overdue.
    #[arg(long, value_name = "FILE", default_value = "palisade-maintenance.toml")]
    pub(crate) record: PathBuf,
}

/// By what events are counted.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum TopBy {
    Client,
    Route,
    Code,
    Status,
    Country,
    What,
}

#[derive(Debug, Subcommand)]
pub(crate) enum IncidentsCommand {
    /// Incidents, the latest first.
    #[command(after_help = "\
Examples:
  palisade incidents list
  palisade incidents list --state open --priority P1 --since 7d --json")]
    List(IncidentsList),
    /// One incident: what happened, the evidence, what to do.
    #[command(after_help = "Example:\n  palisade incidents show 3f9a")]
    Show(IncidentNamed),
    /// Acknowledge: somebody is working on it.
    #[command(after_help = "Example:\n  palisade incidents ack 3f9a --note 'talking to the customer'")]
    Ack(IncidentDone),
    /// Resolve: it is over, or was nothing.
    #[command(after_help = "Example:\n  palisade incidents resolve 3f9a --note 'a load test'")]
    Resolve(IncidentDone),
}

#[derive(Debug, clap::Args)]
pub(crate) struct IncidentsList {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Only in this state.
    #[arg(long, value_name = "STATE", value_parser = ["open", "acknowledged", "resolved"])]
    pub(crate) state: Option<String>,
    /// Of this priority or a more urgent one.
    #[arg(long, value_name = "PRIORITY", value_parser = ["P1", "P2", "P3"])]
    pub(crate) priority: Option<String>,
    /// Only of this rule.
    #[arg(long, value_name = "RULE")]
    pub(crate) rule: Option<String>,
    /// With an event not older than this: 30m, 24h, 7d, or 2026-11-22T07:00:00Z.
    #[arg(long, value_name = "WHEN", default_value = "7d")]
    pub(crate) since: String,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = given::count)]
    pub(crate) limit: usize,
}

#[derive(Debug, clap::Args)]
pub(crate) struct IncidentNamed {
    /// The incident's key, or the beginning of it.
    pub(crate) key: String,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct IncidentDone {
    /// The incidents' keys, or the beginning of each.
    #[arg(required = true, value_name = "KEY")]
    pub(crate) keys: Vec<String>,
    /// Who says so.
    #[arg(long, value_name = "NAME", env = "USER", hide_env_values = true, default_value = "somebody")]
    pub(crate) by: String,
    /// Why, in a few words.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) note: String,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

// === impl StoreArgs ===

impl StoreArgs {
    /// The place that was asked for; none where the answer was `off`.
    pub(crate) fn place_if_any(&self) -> Option<Place> {
        (self.store.as_deref() != Some("off")).then(|| self.place())
    }

    /// The place that was asked for, or the usual one.
    pub(crate) fn place(&self) -> Place {
        let usual = || {
            let folder = std::env::var_os("STATE_DIRECTORY").map(PathBuf::from).unwrap_or_default();
            Place::from(folder.join("palisade.db"))
        };
        match self.store.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
            Some(text) => text.parse().unwrap_or_else(|_| usual()),
            None => usual(),
        }
    }
}
