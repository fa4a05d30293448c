//! What looks at a project's own files, as typed: `init` and `secrets scan`.

use std::path::PathBuf;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  palisade secrets scan
  palisade secrets scan --history --built
  palisade secrets scan --baseline .palisade-secrets.json
  palisade secrets scan --baseline .palisade-secrets.json --accept 'revoked' --until 2027-06-30

Nothing is sent anywhere, and no secret is printed: only its place, its length and its prefix.
A line that carries `palisade-ok(secret): reason`, or follows one, is allowed.
Exit codes: 0 nothing open, 1 findings, 2 could not run.")]
pub(crate) struct Scan {
    /// The project's folder.
    #[arg(value_name = "FOLDER", default_value = ".")]
    pub(crate) root: PathBuf,
    /// Every blob and message of the git history too.
    #[arg(long)]
    pub(crate) history: bool,
    /// What was built for browsers too: .next/static, out, dist, build.
    #[arg(long)]
    pub(crate) built: bool,
    /// Secrets that somebody has looked at: JSON, without lines and times, each with a reason and a last day.
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,
    /// Accept all that is found now: write it into the baseline with this reason.
    #[arg(long, value_name = "REASON", requires_all = ["baseline", "until"])]
    pub(crate) accept: Option<String>,
    /// The last day on which what is accepted holds: 2027-06-30.
    #[arg(long, value_name = "DAY", requires = "accept")]
    pub(crate) until: Option<String>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  palisade init
  palisade init --yes
  palisade init --format json                      what it would write, as data; writes nothing
  palisade init --wrapper withGuard=csrf+rate-limit

It reads the source and runs none of it. A file that is there is never replaced without being asked for.
Exit codes: 0 written or shown, 2 could not run.")]
pub(crate) struct Init {
    /// The project's folder.
    #[arg(value_name = "FOLDER", default_value = ".")]
    pub(crate) root: PathBuf,
    /// Write without asking. Replaces no policy that is there.
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Replace the policy that is there.
    #[arg(long, requires = "yes")]
    pub(crate) overwrite: bool,
    /// Where the app listens [default: http://127.0.0.1:3000].
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: Option<String>,
    /// What a wrapper of your own is for: csrf, rate-limit, identity, signature, validation, ownership, plan, errors;
    /// several with +; may be repeated.
    #[arg(long = "wrapper", value_name = "NAME=PURPOSE")]
    pub(crate) wrappers: Vec<String>,
}
