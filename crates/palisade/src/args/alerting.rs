//! Arguments of what tells people and what answers back: `alert`, `blocks`.

use std::path::PathBuf;

use clap::Subcommand;

use super::{EnvironmentArgs, PolicyFile, StoreArgs, given};

#[derive(Debug, Subcommand)]
pub(crate) enum AlertCommand {
    /// Send a test message to a channel of the policy, now, and say what came of it.
    #[command(after_help = "\
Examples:
  palisade alert test security
  palisade alert test oncall --env-file .env.production --env production

Exit codes: 0 delivered, 2 not.")]
    Test(AlertTest),
    /// Messages of the outbox, the latest first: what waits, what was delivered, what was given up.
    #[command(after_help = "Example:\n  palisade alert list --state dead --json")]
    List(AlertList),
    /// Try messages again that were given up.
    #[command(after_help = "Examples:\n  palisade alert retry msg_1f0c...\n  palisade alert retry --all")]
    Retry(AlertRetry),
}

#[derive(Debug, clap::Args)]
pub(crate) struct AlertTest {
    /// The channel's name.
    pub(crate) channel: String,
    #[command(flatten)]
    pub(crate) policy: PolicyFile,
    #[command(flatten)]
    pub(crate) environment: EnvironmentArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct AlertList {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Only in this state; dead: given up.
    #[arg(long, value_name = "STATE", value_parser = ["waiting", "delivered", "dead"])]
    pub(crate) state: Option<String>,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = given::count)]
    pub(crate) limit: usize,
}

#[derive(Debug, clap::Args)]
pub(crate) struct AlertRetry {
    /// The message's id.
    #[arg(required_unless_present = "all")]
    pub(crate) id: Option<String>,
    /// Every message that was given up.
    #[arg(long, conflicts_with = "id")]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BlocksCommand {
    /// Who is blocked, until when, and why.
    #[command(after_help = "Example:\n  palisade blocks list --json")]
    List(BlocksList),
    /// Block a client: one IPv4 address, a /64 or a /48 of IPv6. A running `serve` takes it up within a second.
    #[command(after_help = "\
Examples:
  palisade blocks add 203.0.113.7 --for 1h --because 'scraper'
  palisade blocks add 2001:db8:7::/48 --for 10m --because 'rotates its addresses'")]
    Add(BlocksAdd),
    /// Lift a block.
    #[command(after_help = "Example:\n  palisade blocks remove 203.0.113.7")]
    Remove(BlocksRemove),
    /// Write the blocks for nginx or nftables, to stdout or into a file that is kept up to date.
    #[command(after_help = "\
Examples:
  palisade blocks export --format nginx > /etc/nginx/blocked.conf
  palisade blocks export --format nft --to /run/palisade/blocked.nft --follow")]
    Export(BlocksExport),
}

#[derive(Debug, clap::Args)]
pub(crate) struct BlocksList {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct BlocksAdd {
    /// Who: 203.0.113.7, 2001:db8::/64, 2001:db8::/48.
    pub(crate) net: String,
    /// For how long: 30s, 10m, 2h, 1d; at most 366 days.
    #[arg(long = "for", value_name = "TIME", default_value = "1h")]
    pub(crate) time: String,
    /// Why, in a few words.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) because: String,
    /// Who says so.
    #[arg(long, value_name = "NAME", env = "USER", hide_env_values = true, default_value = "somebody")]
    pub(crate) by: String,
    /// The policy file, for its trusted proxies, which are never blocked.
    #[arg(long, value_name = "FILE", default_value = "palisade.toml")]
    pub(crate) policy: PathBuf,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct BlocksRemove {
    /// Who.
    #[arg(required = true, value_name = "NET")]
    pub(crate) nets: Vec<String>,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct BlocksExport {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Write into this file, replaced as a whole.
    #[arg(long, value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,
    /// Go on, and replace the file whenever a block begins or ends.
    #[arg(long, requires = "to")]
    pub(crate) follow: bool,
}
