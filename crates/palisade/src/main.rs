//! `palisade`: declare each route of a web app once; this program enforces it, explains it, and shows it.

mod advise;
mod alert;
mod args;
mod blocks;
mod demo;
mod detector;
mod events;
mod export;
mod incidents;
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
mod warden;
mod watch;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Args, Command, PolicyCommand, RulesCommand, SecretsCommand};
use crate::output::Exit;

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
    let (format, named) = (args.format(), args.format);
    match args.command {
        Command::Demo(listen) => demo::run(&listen),
        Command::Serve(serve) => serve::run(&serve),
        Command::Blocks { command } => blocks::run(&command, format, named),
        Command::Alert { command } => alert::run(&command, format),
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
        Command::Secrets { command: SecretsCommand::New { names } } => secrets::new(&names),
        Command::Completions { shell } => {
            output::completions(shell);
            Ok(Exit::Fine)
        }
    }
}
