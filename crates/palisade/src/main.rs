//! `palisade`: declare each route of a web app once; this program enforces it, explains it, and shows it.

mod about;
mod advise;
mod alert;
mod args;
mod blocks;
mod board;
mod check;
mod child;
mod demo;
mod detector;
mod env;
mod events;
mod export;
mod incidents;
mod init;
mod intake;
mod load;
mod maintenance;
mod mcp;
mod notify;
mod output;
mod policy;
mod prepare;
mod probe;
mod reload;
mod replay;
mod report;
mod rules;
mod secrets;
mod serve;
mod signals;
mod stored;
mod stream;
mod warden;
mod watch;

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;

use crate::args::{Args, CheckCommand, Command, EnvCommand, PolicyCommand, RulesCommand};
use crate::output::{Exit, Format, ReportFormat};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version are no errors; what was asked for goes to stdout and exits 0.
            if error.kind() == ErrorKind::DisplayVersion && std::env::args_os().any(|arg| arg == "--verbose") {
                output::result(&about::text());
                return ExitCode::SUCCESS;
            }
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { ExitCode::SUCCESS };
        }
    };
    match run(args) {
        Ok(exit) => exit.into(),
        Err(error) => {
            output::problem(&format!("{error:#}"));
            Exit::CouldNotRun.into()
        }
    }
}

fn run(args: Args) -> anyhow::Result<Exit> {
    let (named, report) = (args.format, args.report_format());
    if let Some(known) = args.formats_instead() {
        output::problem(&format!("this command does not write in that format: --format takes {known}"));
        return Ok(Exit::Usage);
    }
    let (format, report) = (args.format().unwrap_or(Format::Human), report.unwrap_or(ReportFormat::Human));
    match args.command {
        Command::Demo(listen) => demo::run(&listen),
        Command::Serve(serve) => serve::run(&serve),
        Command::Blocks { command } => blocks::run(&command, format, named),
        Command::Alert { command } => alert::run(&command, format),
        Command::Advise(wanted) => advise::run(&wanted, format),
        Command::Policy { command: PolicyCommand::Check(file) } => policy::check(&file, format),
        Command::Policy { command: PolicyCommand::Explain(request) } => policy::explain(&request, format),
        Command::Policy { command: PolicyCommand::Reference } => {
            output::result(palisade_policy::reference::markdown().trim_end());
            Ok(Exit::Fine)
        }
        Command::Policy { command: PolicyCommand::Answers } => {
            output::result(palisade_guard::answers().trim_end());
            Ok(Exit::Fine)
        }
        Command::Policy { command: PolicyCommand::Schema } => {
            output::result(&serde_json::to_string_pretty(&palisade_policy::reference::schema())?);
            Ok(Exit::Fine)
        }
        Command::Probe(wanted) => probe::run(&wanted, report),
        Command::Watch(wanted) => watch::run(&wanted, format),
        Command::Events(wanted) => events::run(&wanted, format),
        Command::Incidents { command } => incidents::run(&command, format),
        Command::Report(wanted) => report::run(&wanted, report),
        Command::Replay(wanted) => replay::run(&wanted, format),
        Command::Rules { command: RulesCommand::List(files) } => rules::list(&files, format),
        Command::Rules { command: RulesCommand::Test(files) } => rules::test(&files, format),
        Command::Rules { command: RulesCommand::Explain(wanted) } => rules::explain(&wanted, format),
        Command::Check(wanted) => match &wanted.command {
            Some(CheckCommand::Attest(attest)) => check::attest(attest),
            Some(CheckCommand::List) => check::list(report),
            None => check::run(&wanted, report),
        },
        Command::Init(wanted) => init::run(&wanted, format),
        Command::Maintenance(wanted) => maintenance::run(&wanted, format),
        Command::Mcp(wanted) => mcp::run(&wanted),
        Command::Env { command: EnvCommand::Check(wanted) } => env::check(&wanted, format),
        Command::Env { command: EnvCommand::Fingerprint(wanted) } => env::fingerprint(&wanted),
        Command::Secrets { command } => secrets::run(&command, format),
        Command::Completions { shell } => {
            about::completions(shell);
            Ok(Exit::Fine)
        }
        Command::Man => {
            output::result(about::manual()?.trim_end());
            Ok(Exit::Fine)
        }
    }
}
