//! Arguments of `maintenance`.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use palisade_check::maintenance::{Day, Period};

#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  palisade maintenance                                 what is due, overdue, done
  palisade maintenance run weekly                      do and record what commands can do
  palisade maintenance run monthly --live https://staging.shop.example
  palisade maintenance done quarterly/penetration-test --by ann --note 'report of 12 Nov'
  palisade maintenance calendar > security.ics

Days are those of UTC. Exit codes: 0 nothing is overdue, 1 something is, 2 could not run."
)]
pub(crate) struct Maintenance {
    #[command(subcommand)]
    pub(crate) command: Option<MaintenanceCommand>,
    #[command(flatten)]
    pub(crate) record: RecordArgs,
    /// Only tasks of this period.
    #[arg(long, value_enum, value_name = "PERIOD")]
    pub(crate) period: Option<PeriodName>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MaintenanceCommand {
    /// Run those of a period's open tasks that commands can do, and record what they found.
    #[command(after_help = "\
Examples:
  palisade maintenance run daily --by ann
  palisade maintenance run monthly --live https://staging.shop.example --dry-run")]
    Run(MaintenanceRun),
    /// Record that a person did a task.
    #[command(after_help = "\
Example:
  palisade maintenance done quarterly/review-policies --by ann --note 'read in full'")]
    Done(MaintenanceDone),
    /// The schedule as a calendar (iCalendar), on stdout.
    #[command(after_help = "Example:\n  palisade maintenance calendar > security.ics")]
    Calendar(RecordArgs),
}

/// Which record, and which day.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RecordArgs {
    /// The file that records what was done; commit it.
    #[arg(long, value_name = "FILE", default_value = "palisade-maintenance.toml")]
    pub(crate) record: PathBuf,
    /// Pretend that it is this day, such as 2026-11-22 [default: today].
    #[arg(long, value_name = "DAY")]
    pub(crate) on: Option<Day>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct MaintenanceRun {
    /// Whose tasks.
    #[arg(value_enum)]
    pub(crate) period: PeriodName,
    /// Who runs them.
    #[arg(long, value_name = "NAME", env = "USER", hide_env_values = true, default_value = "somebody")]
    pub(crate) by: String,
    /// The site of yours that the probes of this run may ask.
    #[arg(long, value_name = "URL")]
    pub(crate) live: Option<String>,
    /// Show what would be run; run and write nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Also run tasks that are done already.
    #[arg(long)]
    pub(crate) again: bool,
    #[command(flatten)]
    pub(crate) record: RecordArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct MaintenanceDone {
    /// The tasks' ids.
    #[arg(required = true, value_name = "TASK")]
    pub(crate) tasks: Vec<String>,
    /// Who did it.
    #[arg(long, value_name = "NAME")]
    pub(crate) by: String,
    /// What shows it: what was looked at, what was found.
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: String,
    #[command(flatten)]
    pub(crate) record: RecordArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum PeriodName {
    Daily,
    Weekly,
    Monthly,
    Quarterly,
}

// === impl PeriodName ===

impl From<PeriodName> for Period {
    fn from(name: PeriodName) -> Period {
        match name {
            PeriodName::Daily => Period::Daily,
            PeriodName::Weekly => Period::Weekly,
            PeriodName::Monthly => Period::Monthly,
            PeriodName::Quarterly => Period::Quarterly,
        }
    }
}
