//! `probe`: the running site, asked.

use std::path::PathBuf;

use clap::ValueEnum;

/// What a webhook may be signed by.
const SCHEMES: [&str; 8] = ["stripe", "svix", "clerk", "standard", "standard-webhooks", "github", "slack", "vercel"];

/// What to find out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// Too many requests are refused: how many, until when, and what gets round it.
    RateLimit,
    /// Changes need a token and the site's own origin.
    Csrf,
    /// Bad input is refused, and never runs.
    Input,
    /// The security headers, graded as the MDN HTTP Observatory does.
    Headers,
    /// Protocols, ciphers and certificate, rated by the SSL Labs method.
    Tls,
    /// Failures and forgotten files tell nothing.
    Errors,
    /// Only who is signed in gets in.
    Auth,
    /// Only the provider is believed, once.
    Webhook,
    /// Next.js server actions run where they belong alone.
    Actions,
    /// Everything, by the routes of the policy file.
    All,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  palisade probe headers http://127.0.0.1:8080
  palisade probe rate-limit http://127.0.0.1:8080/api/test-rate-limit
  palisade probe csrf http://127.0.0.1:8080/api/example-protected --body '{\"title\":\"Hello\"}'
  palisade probe all https://shop.example --i-own shop.example --policy palisade.toml
  palisade probe webhook http://127.0.0.1:8080/api/stripe --scheme stripe --secret-env STRIPE_WEBHOOK_SECRET

Probe what is yours: this machine is free, any other host wants --i-own HOST.
Exit codes: 0 fine, 1 findings, 2 nothing could be asked, 64 usage.")]
pub(crate) struct Probe {
    /// What to find out.
    #[arg(value_enum)]
    pub(crate) what: What,
    /// The page or route: http://127.0.0.1:8080/api/contact. For tls a host is enough.
    #[arg(value_name = "URL", required_unless_present = "recorded")]
    pub(crate) url: Option<String>,
    #[command(flatten)]
    pub(crate) live: LiveArgs,
    /// The method of the route [default: POST for csrf, input and webhook, else GET].
    #[arg(short = 'X', long, value_name = "METHOD")]
    pub(crate) method: Option<String>,
    /// The signature scheme of a webhook.
    #[arg(long, value_name = "SCHEME", value_parser = SCHEMES)]
    pub(crate) scheme: Option<String>,
    /// The policy file, for its routes [default: palisade.toml, for `all`, where it is there].
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Variables from a file, beneath those of the process: with the gate's SESSION_SECRET among them, requests are signed
    /// as the owner's test, and the gate makes no incident of them; may be repeated.
    #[arg(long = "env-file", value_name = "FILE")]
    pub(crate) env_files: Vec<PathBuf>,
    /// Judge answers that were recorded in a file, as an array of JSON; asks nobody.
    #[arg(long, value_name = "FILE", hide = true)]
    pub(crate) recorded: Option<PathBuf>,
}

/// What every look at a running site may be told.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "The running site")]
pub(crate) struct LiveArgs {
    /// A host off this machine that you own and want probed; may be repeated.
    #[arg(long = "i-own", value_name = "HOST")]
    pub(crate) owned: Vec<String>,
    /// Show what would be sent, and send nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// A body that the route accepts, such as JSON.
    #[arg(long, value_name = "TEXT")]
    pub(crate) body: Option<String>,
    /// A header of every request; may be repeated.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,
    /// Where a CSRF token is fetched.
    #[arg(long, value_name = "PATH", default_value = "/api/csrf")]
    pub(crate) csrf_path: String,
    /// The header that carries it.
    #[arg(long, value_name = "NAME", default_value = "x-csrf-token")]
    pub(crate) csrf_header: String,
    /// The variable that holds a session token.
    #[arg(long, value_name = "VARIABLE")]
    pub(crate) token_env: Option<String>,
    /// The variable that holds a token of somebody else, or of somebody with less.
    #[arg(long, value_name = "VARIABLE")]
    pub(crate) other_token_env: Option<String>,
    /// The variable that holds a webhook's secret.
    #[arg(long, value_name = "VARIABLE")]
    pub(crate) secret_env: Option<String>,
    /// How many requests the search for a limit may take.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(2..=2000))]
    pub(crate) requests: u16,
    /// Seconds that one experiment may take, waiting included.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub(crate) time: u16,
    /// More root certificates to trust, PEM.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
}
