//! `check`, `env` and `secrets`, as typed.

use std::path::PathBuf;

use clap::Subcommand;

use super::probing::LiveArgs;

#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  palisade check                                       the checklist, for production
  palisade check --section environment --section C2    two parts of it
  palisade check --online --format sarif > palisade.sarif
  palisade check --live http://127.0.0.1:8080          with what the running site answers
  palisade check -A deps/outdated -W deps/audit        what does not count, what only warns
  palisade check --wrapper withGuard=csrf+rate-limit   what a wrapper of your own does
  palisade check attest env/secret-manager --by Ann --until 2027-03-31 --note 'Vercel, sensitive'

Nothing of the project is run, and nothing leaves this machine, unless --online, --live or --build
says so.
What cannot be seen is unknown, and unknown is never a pass.
Exit codes: 0 fine (warnings alone too), 1 something failed or is unknown, 2 could not run, 64 usage."
)]
pub(crate) struct Check {
    #[command(subcommand)]
    pub(crate) command: Option<CheckCommand>,
    /// The project's folder.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub(crate) root: PathBuf,
    /// The policy file [default: palisade.toml in the project's folder, if it is there].
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// The environment that is about to be deployed: development, staging or production.
    #[arg(long = "env", value_name = "NAME", default_value = "production")]
    pub(crate) environment: String,
    /// A file with the variables of that environment; may be repeated, the first that sets a name wins.
    #[arg(long = "env-file", value_name = "FILE")]
    pub(crate) env_files: Vec<PathBuf>,
    /// Only this section: environment, dependencies, security, auth, api, payments, testing, final, or C1 to C8.
    #[arg(long, value_name = "SECTION")]
    pub(crate) section: Vec<String>,
    /// Allow a check: it is shown, and does not count.
    #[arg(short = 'A', long = "allow", value_name = "ID")]
    pub(crate) allow: Vec<String>,
    /// Only warn where a check fails or is unknown.
    #[arg(short = 'W', long = "warn", value_name = "ID")]
    pub(crate) warn: Vec<String>,
    /// Fail where a check would warn.
    #[arg(short = 'D', long = "deny", value_name = "ID")]
    pub(crate) deny: Vec<String>,
    /// What a wrapper or a call of the project's own does: withGuard=csrf+rate-limit. Purposes: csrf, rate-limit, identity,
    /// signature, validation, ownership, plan, errors; may be repeated.
    #[arg(long = "wrapper", value_name = "NAME=PURPOSE")]
    pub(crate) wrappers: Vec<String>,
    /// Ask the registry: npm, cargo-audit and osv-scanner run on a copy of the lock file, without scripts, configuration
    /// or variables.
    #[arg(long)]
    pub(crate) online: bool,
    /// The registry that --online asks [default: npm's own].
    #[arg(long, value_name = "URL", requires = "online")]
    pub(crate) registry: Option<String>,
    /// A folder with the OSV database, for advisories without a network.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) osv: Option<PathBuf>,
    /// Also ask the running site: http://127.0.0.1:8080. Off this machine, --i-own says whose it is.
    #[arg(long, value_name = "URL", conflicts_with = "facts")]
    pub(crate) live: Option<String>,
    #[command(flatten)]
    pub(crate) asking: LiveArgs,
    /// Run the project's own production build, and start it. Names the commands and asks first.
    #[arg(long)]
    pub(crate) build: bool,
    /// Do not ask before --build.
    #[arg(long, requires = "build")]
    pub(crate) yes: bool,
    /// Also write what was found out, to be judged again with --facts. Holds no secret.
    #[arg(long, value_name = "FILE")]
    pub(crate) save_facts: Option<PathBuf>,
    /// Judge what was found out before, and look at nothing.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["online", "osv", "build", "save_facts", "env_files", "wrappers"])]
    pub(crate) facts: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CheckCommand {
    /// Confirm an item that no program can see, until a day; written to palisade.attestations.json.
    #[command(after_help = "\
Example:
  palisade check attest env/secret-manager --by ann --until 2027-03-31 --note 'Vercel'")]
    Attest(Attest),
    /// Every check, with its section and its reference.
    #[command(after_help = "Example:\n  palisade check list --json")]
    List,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Attest {
    /// The check: `palisade check list` names them.
    pub(crate) id: String,
    /// Who has looked.
    #[arg(long, value_name = "NAME")]
    pub(crate) by: String,
    /// The last day on which it holds: 2027-03-31. At most a year from now.
    #[arg(long, value_name = "DATE")]
    pub(crate) until: String,
    /// What was looked at.
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: String,
    /// The project's folder.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub(crate) root: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EnvCommand {
    /// Every problem of the variables of an environment, values left out.
    #[command(after_help = "\
Examples:
  palisade env check --env production
  palisade env check --env production --env-file .env.production
  vercel env pull --environment=production /dev/stdout | palisade env check --env-file /dev/stdin

Variables: this process's, then those of --env-file; without one, of the project's env files as Next.js reads them.
Exit codes: 0 fine, 1 findings, 2 could not run.")]
    Check(EnvArgs),
    /// Write keyed fingerprints of the variables to palisade.fingerprints.json, to be committed and compared by `check`.
    #[command(after_help = "\
Examples:
  palisade env fingerprint --env development
  palisade env fingerprint --env production --env-file .env.production

The key lies outside the repository: PALISADE_FINGERPRINT_KEY, or a file in your configuration's folder, made when it is
not there. Machines whose fingerprints are to be compared need the same key.")]
    Fingerprint(EnvArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct EnvArgs {
    /// development, staging or production; else PALISADE_ENV, VERCEL_ENV, NODE_ENV; else production.
    #[arg(long = "env", value_name = "NAME")]
    pub(crate) environment: Option<String>,
    /// Variables from a file; may be repeated, the first that sets a name wins.
    #[arg(long = "env-file", value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The project's folder.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub(crate) root: PathBuf,
    /// The policy file [default: palisade.toml in the project's folder, if it is there].
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SecretsCommand {
    /// Fresh secrets: 32 random bytes each, as base64url.
    #[command(after_help = "\
Examples:
  palisade secrets new
  palisade secrets new CSRF_SECRET SESSION_SECRET --write .env.local")]
    New {
        /// Names of variables: one `NAME=value` line each. Without a name, the value alone.
        names: Vec<String>,
        /// Write them into this env file (0600) instead of showing them; one that is set there stays.
        #[arg(long, value_name = "FILE", requires = "names")]
        write: Option<PathBuf>,
    },
    /// A new secret, with the old one valid for a while: writes NAME, NAME_PREVIOUS and NAME_PREVIOUS_UNTIL.
    #[command(after_help = "\
Examples:
  palisade secrets rotate CSRF_SECRET
  palisade secrets rotate SESSION_SECRET --file .env.production --grace 3d

Nobody is logged out: the gate takes both until the grace is over.")]
    Rotate {
        /// The variable.
        name: String,
        /// The env file it stands in.
        #[arg(long, value_name = "FILE", default_value = ".env.local")]
        file: PathBuf,
        /// How long the old one stays valid: 36h, 7d; at most 90d.
        #[arg(long, value_name = "TIME", default_value = "7d")]
        grace: String,
    },
    /// Secrets in the files, in the history, and in what goes to browsers.
    Scan(super::Scan),
    /// How old each secret is, and which are due: a quarter is the most.
    #[command(
        after_help = "Example:\n  palisade secrets status\n\nDays are those since `env fingerprint` first saw the value."
    )]
    Status {
        /// The project's folder.
        #[arg(long, value_name = "FOLDER", default_value = ".")]
        root: PathBuf,
    },
}
