//! A folder with a policy, an application to stand behind the gate, and `palisade serve` between.

#![allow(dead_code, unused_imports, reason = "each test file uses a part")]

#[path = "folder.rs"]
mod folder;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

pub(crate) use folder::Folder;

/// The host that policies of tests are for.
pub(crate) const HOST: &str = "shop.example";
/// Opens the metrics.
pub(crate) const TOKEN: &str = "a-token-of-tests-for-the-metrics-0123456789";
pub(crate) const SECRETS: [(&str, &str); 3] = [
    ("CSRF_SECRET", "0f3c6a1b9d8e7f2a4c5b6d7e8f9a0b1c"),
    ("SESSION_SECRET", "9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d"),
    ("PALISADE_ADMIN_TOKEN", TOKEN),
];

/// An application that keeps connections and answers `ok`; a path with `?hang` is never answered, and of one with `?fails` it
/// tells the gate that a sign-in failed.
pub(crate) struct App {
    pub(crate) address: SocketAddr,
    hanging: Arc<AtomicUsize>,
}

impl App {
    pub(crate) fn start() -> App {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let (address, hanging) = (listener.local_addr().expect("address"), Arc::<AtomicUsize>::default());
        let hangs = Arc::clone(&hanging);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let hangs = Arc::clone(&hangs);
                std::thread::spawn(move || talk(stream, &hangs));
            }
        });
        App { address, hanging }
    }

    /// Requests that are not answered.
    pub(crate) fn hanging(&self) -> usize {
        self.hanging.load(Relaxed)
    }
}

fn talk(mut stream: std::net::TcpStream, hangs: &AtomicUsize) {
    let mut reader = BufReader::new(stream.try_clone().expect("clone"));
    loop {
        let (mut length, mut chunked, mut target) = (0, false, String::new());
        loop {
            let mut line = String::new();
            if !reader.read_line(&mut line).is_ok_and(|read| read > 0) {
                return;
            }
            let line = line.trim_end().to_ascii_lowercase();
            if target.is_empty() {
                target = line.split(' ').nth(1).unwrap_or_default().to_owned();
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().expect("a length");
            }
            chunked |= line == "transfer-encoding: chunked";
            if line.is_empty() {
                break;
            }
        }
        if std::io::copy(&mut (&mut reader).take(length), &mut std::io::sink()).is_err()
            || chunked && !unchunk(&mut reader)
        {
            return;
        }
        if target.contains("?hang") {
            hangs.fetch_add(1, Relaxed);
            let _ = std::io::copy(&mut reader, &mut std::io::sink());
            return;
        }
        let told = if target.contains("?fails") { "x-palisade-event: AUTH_FAILURE; outcome=failure\r\n" } else { "" };
        if stream.write_all(format!("HTTP/1.1 200 OK\r\n{told}content-length: 2\r\n\r\nok").as_bytes()).is_err() {
            return;
        }
    }
}

/// Reads a chunked body to its end; whether it came whole.
fn unchunk(reader: &mut impl std::io::BufRead) -> bool {
    loop {
        let mut line = String::new();
        let Ok(1..) = reader.read_line(&mut line) else { return false };
        let Ok(size) = u64::from_str_radix(line.trim_end(), 16) else { return false };
        if !std::io::copy(&mut reader.take(size + 2), &mut std::io::sink()).is_ok_and(|read| read == size + 2) {
            return false;
        }
        if size == 0 {
            return true;
        }
    }
}

/// `palisade serve` by the folder's policy, on free ports.
pub(crate) fn serve(folder: &Folder, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_palisade"));
    command.current_dir(&folder.0).args(["serve", "--listen", "127.0.0.1:0"]).args(args).env_clear().envs(SECRETS);
    if !args.contains(&"--admin") {
        command.args(["--admin", "127.0.0.1:0"]);
    }
    command
}
