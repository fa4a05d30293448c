//! `--build`: the project's own commands, named before they are run. They are the project's code: nobody should build here
//! what he would not build by hand.

use std::fs::File;
use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use palisade_check::facts::build::{Build, Step};
use palisade_check::{Fact, Unknown};
use palisade_probe::Root;

use crate::args::Check;
use crate::output;

/// How long a build may take.
const BUILD: Duration = Duration::from_secs(15 * 60);

/// How long a start may take.
const START: Duration = Duration::from_secs(60);

pub(super) fn unasked() -> Fact<Build> {
    Fact::Unknown(Unknown::new(
        "nobody asked for a build",
        "run `palisade check --build`, which names the commands and asks",
    ))
}

/// Builds and starts the project, if the user says yes.
pub(super) fn facts(args: &Check, root: &Root) -> Result<Build, Unknown> {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).map_err(|_| no_port())?.port();
    output::note("--build runs the project's own code:");
    output::note("  npm run build");
    output::note(&format!("  NODE_ENV=production PORT={port} npm start"));
    if !(args.yes || agreed()) {
        return Err(Unknown::new("the build was not agreed to", "agree to it, or give --build --yes"));
    }
    let built = step(root, "npm run build", &["run", "build"], None, BUILD);
    let failed = built.failed.is_some();
    let mut steps = vec![built];
    if !failed {
        steps.push(step(root, "NODE_ENV=production npm start", &["start"], Some(port), START));
    }
    Ok(Build { steps })
}

fn no_port() -> Unknown {
    Unknown::new("no port of this machine is free", "try again")
}

/// Asks on the terminal; without one, nobody has agreed.
fn agreed() -> bool {
    if !std::io::stdin().is_terminal() {
        return false;
    }
    let _ = write!(std::io::stderr(), "Run them? [y/N] ");
    let mut line = String::new();
    let read = std::io::stdin().lock().take(16).read_line(&mut line);
    read.is_ok() && matches!(line.trim(), "y" | "yes")
}

/// Runs npm; with a port until it answers there, else until it ends.
fn step(root: &Root, command: &str, arguments: &[&str], port: Option<u16>, patience: Duration) -> Step {
    let result = spawn(root, arguments, port).and_then(|mut child| {
        let result = wait(&mut child, port, patience);
        stop(&mut child);
        result
    });
    let (seen, failed) = match result {
        Ok(seen) => (seen, None),
        Err(why) => (String::new(), Some(why)),
    };
    Step { command: command.to_owned(), seen, failed }
}

fn spawn(root: &Root, arguments: &[&str], port: Option<u16>) -> Result<Child, String> {
    let quiet = File::options().write(true).open(if cfg!(windows) { "NUL" } else { "/dev/null" });
    let quiet = quiet.map_err(|error| error.to_string())?;
    let mut command = Command::new("npm");
    command.args(arguments).current_dir(root.path()).stdin(Stdio::null()).stdout(quiet).env("NODE_ENV", "production");
    if let Some(port) = port {
        command.env("PORT", port.to_string());
    }
    // A group of its own, so that what npm starts ends with it.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn().map_err(|error| format!("npm does not start: {error}"))
}

fn wait(child: &mut Child, port: Option<u16>, patience: Duration) -> Result<String, String> {
    let started = Instant::now();
    loop {
        match (child.try_wait().ok().flatten(), port) {
            (Some(status), None) if status.success() => return Ok("it ended well".to_owned()),
            (Some(status), None) => return Err(format!("it ended with {status}")),
            (Some(status), Some(_)) => return Err(format!("it ended with {status} before it answered")),
            (None, Some(port)) => {
                if let Some(line) = answer(port) {
                    return Ok(format!("it started and answered `{line}`"));
                }
            }
            (None, None) => {}
        }
        if started.elapsed() > patience {
            return Err(format!("nothing came of it within {} s", patience.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The status line of `GET /`, once somebody answers.
fn answer(port: u16) -> Option<String> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").ok()?;
    let mut head = [0; 64];
    let read = stream.read(&mut head).ok()?;
    let line = String::from_utf8_lossy(head.get(..read)?).lines().next()?.to_owned();
    line.starts_with("HTTP/").then_some(line)
}

fn stop(child: &mut Child) {
    #[cfg(unix)]
    {
        // The whole group: npm alone would leave the server behind.
        let _ = Command::new("kill").args(["-TERM", "--", &format!("-{}", child.id())]).status();
    }
    let _ = child.kill();
    let _ = child.wait();
}
