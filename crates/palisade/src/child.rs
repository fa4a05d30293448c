//! Other programs, run to their end.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A command that takes longer is ended: the whole checklist takes seconds, a probe minutes.
const LONGEST: Duration = Duration::from_mins(20);
/// More of its output is not read.
const MOST_BYTES: u64 = 16 << 20;

/// A program that has ended: its exit code, if no signal ended it, and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

// === impl Ended ===

impl Ended {
    /// The first line of its complaint.
    pub(crate) fn complaint(&self) -> &str {
        self.err.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it ended without a word")
    }
}

/// Runs this very program with other arguments: what it tells a person or a machine is what its commands say.
pub(crate) fn palisade(arguments: &[&str]) -> Result<Ended, String> {
    let mut command = Command::new(std::env::current_exe().map_err(|error| error.to_string())?);
    command.args(arguments);
    ended(command)
}

/// Runs a program without input, to its end or the end of our patience.
pub(crate) fn ended(mut command: Command) -> Result<Ended, String> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot be started: {error}"))?;
    let out = collect(child.stdout.take());
    let err = collect(child.stderr.take());
    let code = wait(&mut child)?;
    let joined = |thread: std::thread::JoinHandle<String>| thread.join().unwrap_or_default();
    Ok(Ended { code, out: joined(out), err: joined(err) })
}

fn collect(stream: Option<impl std::io::Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            let _ = (&mut stream).take(MOST_BYTES).read_to_end(&mut bytes);
            // Read on, so that the program is not stopped by a full pipe.
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn wait(child: &mut Child) -> Result<Option<i32>, String> {
    let begun = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status.code()),
            Ok(None) if begun.elapsed() < LONGEST => std::thread::sleep(Duration::from_millis(50)),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("it took longer than {} minutes and was ended", LONGEST.as_secs() / 60));
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}
