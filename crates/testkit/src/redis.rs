//! A private redis-server: on a random loopback port, nothing on disk but an empty folder, stopped with its owner.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::{PATIENCE, eventually};

/// A server of one's own. Debian's package `redis-server` has the program.
#[derive(Debug)]
pub struct Redis {
    port: u16,
    arguments: Vec<String>,
    folder: PathBuf,
    sentinel: bool,
    child: Option<Child>,
    /// One connection for what the test itself asks.
    line: Mutex<Option<BufReader<TcpStream>>>,
}

/// What a server answers, as RESP2 has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A status or a string.
    Text(String),
    /// An error.
    Error(String),
    /// A number.
    Number(i64),
    /// Nothing.
    Nil,
    /// Several.
    List(Vec<Reply>),
}

impl Redis {
    /// Starts one.
    ///
    /// # Panics
    /// If it is not installed, or does not start.
    #[must_use]
    pub fn start() -> Redis {
        Redis::with(&[])
    }

    /// Starts one with these arguments beside.
    ///
    /// # Panics
    /// If it is not installed, or does not start.
    #[must_use]
    pub fn with(arguments: &[&str]) -> Redis {
        // Between finding a free port and taking it, somebody else may.
        for _ in 0..5 {
            let mut redis = Redis::prepared(arguments);
            if redis.try_run() {
                return redis;
            }
        }
        panic!("redis-server does not start; is it installed?")
    }

    /// Starts a Sentinel with these settings.
    ///
    /// # Panics
    /// If it is not installed, or does not start.
    #[must_use]
    pub fn sentinel(settings: &str) -> Redis {
        let mut sentinel = Redis::prepared(&[]);
        sentinel.sentinel = true;
        std::fs::write(sentinel.folder.join("sentinel.conf"), settings).expect("a file");
        sentinel.run();
        sentinel
    }

    /// One that is not running yet.
    ///
    /// # Panics
    /// If no port is to be had.
    #[must_use]
    pub fn prepared(arguments: &[&str]) -> Redis {
        let port = crate::free_port();
        let folder = std::env::temp_dir().join(format!("palisade-redis-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let arguments = arguments.iter().map(|text| (*text).to_owned()).collect();
        Redis { port, arguments, folder, sentinel: false, child: None, line: Mutex::default() }
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// `redis://...`
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// Starts it, or starts it again on its port; it remembers nothing.
    ///
    /// # Panics
    /// If it does not start.
    pub fn run(&mut self) {
        assert!(self.try_run(), "redis-server does not start at {}", self.address());
    }

    fn try_run(&mut self) -> bool {
        let mut command = Command::new("redis-server");
        // A sentinel's configuration file comes first, and what a server keeps is none of its words.
        let words: &[&str] = if self.sentinel { &["sentinel.conf", "--sentinel"] } else { &["--save", ""] };
        command.args(words).args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"]).args(&self.arguments);
        command.current_dir(&self.folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(child) = command.spawn() else { return false };
        let child = self.child.insert(child);
        let deadline = Instant::now() + PATIENCE;
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        while Instant::now() < deadline {
            if child.try_wait().is_ok_and(|ended| ended.is_some()) {
                return false;
            }
            if connect(address)
                .is_some_and(|mut line| ask(&mut line, &["PING"]) == Some(Reply::Text("PONG".to_owned())))
            {
                return true;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        false
    }

    /// Stops it at once, as a crash would.
    ///
    /// # Panics
    /// If it cannot be stopped.
    pub fn stop(&mut self) {
        *self.line() = None;
        if let Some(mut child) = self.child.take() {
            child.kill().expect("kill");
            child.wait().expect("wait");
        }
    }

    /// Asks it something.
    ///
    /// # Panics
    /// If it does not answer.
    pub fn ask(&self, command: &[&str]) -> Reply {
        let mut line = self.line();
        // A server whose role changes closes its connections.
        let answer = line.as_mut().and_then(|open| ask(open, command));
        answer.unwrap_or_else(|| {
            let open = line.insert(connect(self.address()).expect("a connection"));
            ask(open, command).expect("an answer")
        })
    }

    /// How many commands clients have sent it that run a script.
    ///
    /// # Panics
    /// If it does not answer.
    #[must_use]
    pub fn scripts_run(&self) -> u64 {
        let Reply::Text(stats) = self.ask(&["INFO", "commandstats"]) else { panic!("no statistics") };
        let calls = |line: &str| {
            let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            matches!(name, "eval" | "evalsha").then(|| rest.split(',').next()?.parse::<u64>().ok())?
        };
        stats.lines().filter_map(calls).sum()
    }

    /// Waits until so many gates that serve `shop.example` share it, and each has heard of all the others.
    pub fn wait_for_gates(&self, gates: usize) {
        let beats = || {
            let Reply::List(keys) = self.ask(&["KEYS", "palisade:*:nodes"]) else { return Vec::new() };
            let Some(Reply::Text(key)) = keys.first() else { return Vec::new() };
            let Reply::List(beats) = self.ask(&["ZRANGE", key, "0", "-1", "WITHSCORES"]) else { return Vec::new() };
            let score = |pair: &[Reply]| match pair {
                [_, Reply::Text(score)] => score.parse::<f64>().expect("a score"),
                other => panic!("{other:?}"),
            };
            beats.chunks(2).map(score).collect::<Vec<f64>>()
        };
        let mut there = Vec::new();
        eventually("gates come together", || {
            there = beats();
            there.len() == gates
        });
        let newest = there.into_iter().fold(0.0, f64::max);
        eventually("gates hear of each other", || beats().into_iter().all(|beat| beat > newest));
    }

    fn line(&self) -> std::sync::MutexGuard<'_, Option<BufReader<TcpStream>>> {
        self.line.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn connect(address: SocketAddr) -> Option<BufReader<TcpStream>> {
    let stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    Some(BufReader::new(stream))
}

fn ask(line: &mut BufReader<TcpStream>, command: &[&str]) -> Option<Reply> {
    let mut text = format!("*{}\r\n", command.len());
    for word in command {
        text.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    line.get_mut().write_all(text.as_bytes()).ok()?;
    read(line)
}

fn read(line: &mut BufReader<TcpStream>) -> Option<Reply> {
    let mut head = String::new();
    line.read_line(&mut head).ok()?;
    let head = head.trim_end();
    let (kind, rest) = head.split_at_checked(1)?;
    Some(match kind {
        "+" => Reply::Text(rest.to_owned()),
        "-" => Reply::Error(rest.to_owned()),
        ":" => Reply::Number(rest.parse().ok()?),
        "$" if rest == "-1" => Reply::Nil,
        "$" => {
            let mut bytes = vec![0; rest.parse::<usize>().ok()? + 2];
            line.read_exact(&mut bytes).ok()?;
            bytes.truncate(bytes.len() - 2);
            Reply::Text(String::from_utf8_lossy(&bytes).into_owned())
        }
        "*" if rest == "-1" => Reply::Nil,
        "*" => Reply::List((0..rest.parse().ok()?).map(|_| read(line)).collect::<Option<_>>()?),
        _ => return None,
    })
}
