//! The command line, as typed: nothing is read or resolved here.

mod alerting;
mod checking;
mod given;
mod maintaining;
mod probing;
mod project;
#[cfg(test)]
mod tests;
mod watching;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::output::{Format, ReportFormat};
pub(crate) use alerting::{
    AlertCommand, AlertList, AlertRetry, AlertTest, BlocksAdd, BlocksCommand, BlocksExport, BlocksList, BlocksRemove,
};
pub(crate) use checking::{Attest, Check, CheckCommand, EnvArgs, EnvCommand, SecretsCommand};
pub(crate) use maintaining::{Maintenance, MaintenanceCommand, MaintenanceDone, MaintenanceRun, RecordArgs};
pub(crate) use probing::{LiveArgs, Probe, What};
pub(crate) use project::{Init, Scan};
pub(crate) use watching::{
    Events, IncidentDone, IncidentNamed, IncidentsCommand, IncidentsList, Report, StoreArgs, TopBy, Watch,
};

const EXAMPLES: &str = "\
Examples:
  palisade demo                              an example app behind the gate
  palisade init                              propose a palisade.toml for your project
  palisade serve                             the gate in front of your app
  palisade policy check                      every mistake in ./palisade.toml
  palisade policy explain POST /api/contact  what would happen to this request
  palisade advise POST /api/contact          which protections this route needs
  palisade check                             the checklist before a deployment
  palisade probe all http://127.0.0.1:8080   do a running site's protections hold?
  palisade watch --log access.log            follow a log, find attacks in it
  palisade replay access.log                 find attacks in an old log
  palisade incidents list                    what was found
  palisade report --format html              the week in numbers

`palisade COMMAND --help` has examples of each command.
Exit codes: 0 fine, 1 findings, 2 could not run, 64 usage.";

/// Declare each route of a web app once: Palisade enforces it, proves it, and watches it.
#[derive(Debug, Parser)]
#[command(name = "palisade", version, after_help = EXAMPLES, propagate_version = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// How results are written: human or json; by check and probe also sarif, junit, html, markdown; by report html or
    /// markdown; by `blocks export` nginx or nft.
    #[arg(long, global = true, value_enum, hide_possible_values = true, default_value_t = FormatName::Human)]
    pub(crate) format: FormatName,
    /// Short for `--format json`.
    #[arg(long, global = true, conflicts_with = "format")]
    json: bool,
    /// With `--version`: also the commit if it is known, the target, the compiler, and what is built in.
    #[arg(long)]
    verbose: bool,
}

/// What `--format` may be called; most commands know the first two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormatName {
    Human,
    Json,
    Sarif,
    Junit,
    Html,
    Markdown,
    /// `deny` lines, for `blocks export`.
    #[value(hide = true)]
    Nginx,
    /// A script of nftables, for `blocks export`.
    #[value(hide = true)]
    Nft,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// An example app behind the gate, with a page that lets you try each protection.
    Demo(Demo),
    /// Look at a project, propose its palisade.toml, make development secrets.
    Init(Init),
    /// Run the gate: a reverse proxy in front of the app at `[app] upstream`.
    Serve(Serve),
    /// Check a policy file, explain a request by it, and print its reference.
    Policy {
        #[command(subcommand)]
        command: PolicyCommand,
    },
    /// Which protections a route needs, and why. Works without a policy file.
    Advise(Advise),
    /// Follow logs as they grow, find attacks in them, and keep what was found.
    Watch(Watch),
    /// List or count events, by status, code, client, route and time.
    Events(Events),
    /// Incidents that were found: list, show, acknowledge, resolve.
    Incidents {
        #[command(subcommand)]
        command: IncidentsCommand,
    },
    /// Clients that are blocked: list, add, remove, export.
    Blocks {
        #[command(subcommand)]
        command: BlocksCommand,
    },
    /// Alerts: test a channel, list messages, send again those that were given up.
    Alert {
        #[command(subcommand)]
        command: AlertCommand,
    },
    /// A week in numbers, beside the week before: sign-ins, limits, CSRF, input, errors, incidents.
    Report(Report),
    /// Look for attacks in old logs. Notifies nobody; keeps nothing without --write.
    Replay(Replay),
    /// Ask a running site whether its protections hold: yours, or this machine's.
    Probe(Box<Probe>),
    /// Detection rules: list, test, explain.
    Rules {
        #[command(subcommand)]
        command: RulesCommand,
    },
    /// Go through the pre-deployment checklist, each item by evidence.
    Check(Box<Check>),
    /// Recurring security tasks, daily to quarterly: due, overdue, done with evidence.
    Maintenance(Maintenance),
    /// Advise, explain and check for coding assistants, over stdio; it only reads.
    Mcp(Mcp),
    /// Check the variables of an environment, and write their fingerprints.
    Env {
        #[command(subcommand)]
        command: EnvCommand,
    },
    /// Make and rotate secrets, see how old they are, scan for secrets in files, history and bundles.
    Secrets {
        #[command(subcommand)]
        command: SecretsCommand,
    },
    /// Completions for a shell, on stdout.
    #[command(after_help = "\
Examples:
  palisade completions bash > ~/.local/share/bash-completion/completions/palisade
  palisade completions zsh > ~/.zfunc/_palisade")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// The manual page of all commands, in roff.
    #[command(after_help = "Example:\n  palisade man > palisade.1 && man ./palisade.1")]
    Man,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Every problem of the file at once, with place and fix. Needs no environment.
    #[command(after_help = "\
Examples:
  palisade policy check
  palisade policy check --policy deploy/palisade.toml --json

Exit codes: 0 valid, 1 problems, 2 could not run.")]
    Check(PolicyFile),
    /// What would happen to a request, stage by stage.
    Explain(Explain),
    /// Every key of the file, as Markdown.
    #[command(after_help = "Example:\n  palisade policy reference > docs/policy.md")]
    Reference,
    /// Every answer of the gate's own, with its code, as Markdown.
    #[command(after_help = "Example:\n  palisade policy answers > docs/answers.md")]
    Answers,
    /// A JSON Schema of the file, for editors.
    #[command(after_help = "\
Example:
  palisade policy schema > palisade.schema.json

An editor that knows Taplo's comments takes it from the first line of the file:
  #:schema ./palisade.schema.json")]
    Schema,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// Every rule, with its priority and type.
    #[command(after_help = "Examples:\n  palisade rules list\n  palisade rules list --rules rules/ --json")]
    List(RulesFiles),
    /// Run the tests that stand in the rules.
    #[command(after_help = "\
Examples:
  palisade rules test
  palisade rules test --rules rules/ --no-built-in

Exit codes: 0 every test passed, 1 one failed, 2 could not run.")]
    Test(RulesFiles),
    /// Why a rule did, or did not, fire on a log: what it asked of the last event, and what it remembers.
    Explain(RulesExplain),
}

/// Where rules come from.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RulesFiles {
    /// Rules of your own beside the built-in ones: a file, or a folder of them; may be repeated. One with the id of a
    /// built-in rule replaces it.
    #[arg(long, value_name = "PATH")]
    pub(crate) rules: Vec<PathBuf>,
    /// Only the rules of `--rules`.
    #[arg(long, requires = "rules")]
    pub(crate) no_built_in: bool,
}

/// Which logs are read, and what is known beside them.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct LogArgs {
    /// Logs, gzip too; `-` is standard input. Several are read as one, in the order of time.
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
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
    pub(crate) geo: GeoArgs,
}

/// Where addresses are.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct GeoArgs {
    /// A database of countries by address, in MaxMind's format (.mmdb). Palisade brings none, and fetches none.
    #[arg(long, value_name = "FILE", env = "PALISADE_GEO", hide_env_values = true)]
    pub(crate) geo: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  palisade replay /var/log/nginx/access.log
  palisade replay access.log.1 access.log --login /login --json
  palisade replay access.log.2.gz access.log.1 access.log
  ssh web cat access.log | palisade replay -
  palisade replay access.log.1 access.log --write --store palisade.db

It writes nothing without --write, and tells nobody in any case. Exit codes: 0 no incident, 1 incidents, 2 could not run.")]
pub(crate) struct Replay {
    #[command(flatten)]
    pub(crate) log: LogArgs,
    #[command(flatten)]
    pub(crate) rules: RulesFiles,
    /// Seconds that a line may be older than one before it and still be counted; at most 600.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(..=600))]
    pub(crate) lateness: u64,
    /// Among how many shards groups are shared; the result is the same for any number.
    #[arg(long, value_name = "N", default_value_t = 1, hide = true)]
    pub(crate) shards: usize,
    /// Keep events and incidents in the store. Nobody is told of them, and the same logs a second time add nothing.
    #[arg(long)]
    pub(crate) write: bool,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  palisade rules explain login-failures-client access.log
  palisade rules explain login-failures-client access.log --line 1200")]
pub(crate) struct RulesExplain {
    /// The rule's id.
    pub(crate) rule: String,
    #[command(flatten)]
    pub(crate) log: LogArgs,
    #[command(flatten)]
    pub(crate) files: RulesFiles,
    /// Stop after so many lines.
    #[arg(long, value_name = "N")]
    pub(crate) line: Option<u64>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example, for an assistant that reads .mcp.json:
  { \"mcpServers\": { \"palisade\": { \"command\": \"palisade\", \"args\": [\"mcp\"] } } }

It speaks the Model Context Protocol on stdin and stdout, in the project's folder.")]
pub(crate) struct Mcp {
    /// Include text that strangers wrote: at most 80 printable characters of each, marked as untrusted.
    #[arg(long)]
    pub(crate) include_untrusted: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  palisade demo
  palisade demo --attack
  palisade demo --listen 127.0.0.1:9000")]
pub(crate) struct Demo {
    /// Where the gate listens.
    #[arg(long, value_name = "ADDR", env = "PALISADE_LISTEN", hide_env_values = true, default_value = "127.0.0.1:8080", value_parser = given::address)]
    pub(crate) listen: SocketAddr,
    /// Where the dashboard, /healthz, /readyz and /metrics are [default: 127.0.0.1:9180, or a free port].
    #[arg(long, value_name = "ADDR", env = "PALISADE_ADMIN", hide_env_values = true, value_parser = given::address)]
    pub(crate) admin: Option<SocketAddr>,
    /// Attack it for up to 20 seconds, from made-up clients, so that the detector finds something.
    #[arg(long)]
    pub(crate) attack: bool,
    #[command(flatten)]
    pub(crate) rules: RulesFiles,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  palisade serve
  palisade serve --env development --env-file .env.local --upstream http://localhost:3000
  palisade serve --check

Events go to stdout, one JSON object a line; everything for people, incidents too, goes to stderr.
With --store off nothing is detected and nothing kept.
SIGHUP, or a changed policy, schema, manifest or env file, reloads; a broken one changes nothing.
SIGTERM drains, a second one cuts. PALISADE_ADMIN_TOKEN opens the dashboard and /metrics.")]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) policy: PolicyFile,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) rules: RulesFiles,
    #[command(flatten)]
    pub(crate) environment: EnvironmentArgs,
    /// Where the gate listens [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDR", env = "PALISADE_LISTEN", hide_env_values = true, value_parser = given::address)]
    pub(crate) listen: Option<SocketAddr>,
    /// Where the app is; overrides `[app].upstream`.
    #[arg(long, value_name = "URL", env = "PALISADE_UPSTREAM", hide_env_values = true)]
    pub(crate) upstream: Option<String>,
    /// Where the dashboard, /healthz, /readyz and /metrics are; off loopback only with `[listen] tls`; or `off` [default: 127.0.0.1:9180].
    #[arg(long, value_name = "ADDR", env = "PALISADE_ADMIN", hide_env_values = true)]
    pub(crate) admin: Option<String>,
    /// Where Vercel's drains, Clerk's webhooks and applications send reports; loopback only [default: off].
    #[arg(long, value_name = "ADDR", env = "PALISADE_INTAKE", hide_env_values = true)]
    pub(crate) intake: Option<String>,
    #[command(flatten)]
    pub(crate) geo: GeoArgs,
    /// Send events to the stream of that name, on the server of `[state] redis` or REDIS_URL, instead of detecting here:
    /// `palisade watch --stream` reads it.
    #[arg(long, value_name = "NAME", env = "PALISADE_STREAM", hide_env_values = true)]
    pub(crate) stream: Option<String>,
    /// Reload at SIGHUP alone, not when a file has changed.
    #[arg(long)]
    pub(crate) no_watch: bool,
    /// Threads [default: one for each core].
    #[arg(long, value_name = "N", value_parser = given::count)]
    pub(crate) threads: Option<usize>,
    /// Check everything that serving needs, and exit: 0, or 2 with every problem.
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PolicyFile {
    /// The policy file.
    #[arg(long, value_name = "FILE", default_value = "palisade.toml")]
    pub(crate) policy: PathBuf,
}

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct EnvironmentArgs {
    /// development, staging or production; else PALISADE_ENV, VERCEL_ENV, NODE_ENV; else production.
    #[arg(long = "env", value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Variables from a file; those of the process win, then the first file that sets a name; may be repeated.
    #[arg(long = "env-file", value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  palisade policy explain POST /api/contact
  palisade policy explain POST /api/contact -H 'Origin: https://evil.example' -H 'Cookie: a=1'")]
pub(crate) struct Explain {
    /// The method.
    pub(crate) method: String,
    /// The path, with a query if wanted.
    pub(crate) path: String,
    #[command(flatten)]
    pub(crate) policy: PolicyFile,
    #[command(flatten)]
    pub(crate) environment: EnvironmentArgs,
    /// A request header; may be repeated.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,
    /// The peer's address.
    #[arg(long, value_name = "ADDR", default_value = "192.0.2.1")]
    pub(crate) peer: std::net::IpAddr,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  palisade advise POST /api/contact
  palisade advise --matrix")]
pub(crate) struct Advise {
    /// The method.
    #[arg(required_unless_present = "matrix", requires = "path")]
    pub(crate) method: Option<String>,
    /// The path.
    pub(crate) path: Option<String>,
    /// The decision matrix: every kind with its defaults, and the route types of the operations guide (docs/handbook.md).
    #[arg(long)]
    pub(crate) matrix: bool,
    /// The policy file; without one, the defaults.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
}

impl Args {
    /// The formats of the command, where one was asked for that it does not write.
    pub(crate) fn formats_instead(&self) -> Option<&'static str> {
        let report = self.report_format();
        let (known, fits) = match (&self.command, report) {
            (Command::Report(_), _) => {
                let other = matches!(report, None | Some(ReportFormat::Sarif | ReportFormat::Junit));
                ("markdown, html or json", !other)
            }
            (Command::Check(_) | Command::Probe(_), _) => {
                ("human, json, sarif, junit, html or markdown", report.is_some())
            }
            // It says itself which it wants, also where none was named.
            (Command::Blocks { command: BlocksCommand::Export(_) }, _) => return None,
            _ => ("human or json", self.format().is_some()),
        };
        (!fits).then_some(known)
    }

    /// For what people and programs read; none where another format was asked for.
    pub(crate) fn format(&self) -> Option<Format> {
        match self.report_format()? {
            ReportFormat::Json => Some(Format::Json),
            ReportFormat::Human => Some(Format::Human),
            _ => None,
        }
    }

    /// For a report; none where a gate's format was asked for.
    pub(crate) fn report_format(&self) -> Option<ReportFormat> {
        Some(match self.format {
            _ if self.json => ReportFormat::Json,
            FormatName::Human => ReportFormat::Human,
            FormatName::Json => ReportFormat::Json,
            FormatName::Sarif => ReportFormat::Sarif,
            FormatName::Junit => ReportFormat::Junit,
            FormatName::Html => ReportFormat::Html,
            FormatName::Markdown => ReportFormat::Markdown,
            FormatName::Nginx | FormatName::Nft => return None,
        })
    }
}
