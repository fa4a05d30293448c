//! `palisade`: declare each route of a web app once; this program enforces it, explains it, and shows it.

mod advise;
mod args;
mod check;
mod demo;
mod detector;
mod env;
mod events;
mod incidents;
mod init;
mod load;
mod notify;
mod output;
mod policy;
mod prepare;
mod reload;
mod replay;
mod rules;
mod secrets;
mod serve;
mod signals;
mod stored;
mod watch;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Args, CheckCommand, Command, EnvCommand, PolicyCommand, RulesCommand};
use crate::output::{Exit, Format};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version are no errors; what was asked for goes to stdout and exits 0.
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
    let report = args.report_format();
    let Some(format) = args.format().or(matches!(args.command, Command::Check(_)).then_some(Format::Human)) else {
        output::problem("this command writes for people or as JSON: --format human or --format json");
        return Ok(Exit::Usage);
    };
    match args.command {
        Command::Demo(listen) => demo::run(&listen),
        Command::Serve(serve) => serve::run(&serve),
        Command::Advise(wanted) => advise::run(&wanted, format),
        Command::Policy { command: PolicyCommand::Check(file) } => policy::check(&file, format),
        Command::Policy { command: PolicyCommand::Explain(request) } => policy::explain(&request, format),
        Command::Watch(wanted) => watch::run(&wanted, format),
        Command::Events(wanted) => events::run(&wanted, format),
        Command::Incidents { command } => incidents::run(&command, format),
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
        Command::Env { command: EnvCommand::Check(wanted) } => env::check(&wanted, format),
        Command::Env { command: EnvCommand::Fingerprint(wanted) } => env::fingerprint(&wanted),
        Command::Secrets { command } => secrets::run(&command, format),
        Command::Completions { shell } => {
            output::completions(shell);
            Ok(Exit::Fine)
        }
    }
}
