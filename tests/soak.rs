//! Ordinary and hostile clients together for a while: memory stays flat, nothing stays open, nothing panics.
//!
//! `SOAK_SECONDS` says for how long (five by default); `scripts/soak` sets it.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods, reason = "a test")]
#![allow(clippy::print_stderr, reason = "a long test says how it goes")]

#[path = "support/app.rs"]
mod app;
#[path = "support/http.rs"]
mod http;

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use app::{App, Folder, HOST, TOKEN, serve};
use http::{Running, send};

const POLICY: &str = r#"
[clients]
trusted_proxies = ["127.0.0.0/8"]

[limits]
header_timeout = "2s"
idle_timeout = "2s"
upstream_timeout = "2s"
limiter_slots = 4096

[[route]]
path = "/free"
kind = "public-read"

[[route]]
path = "/page"
kind = "page"

[[route]]
path = "/form"
methods = ["POST"]
kind = "public-form"
limit = "1000/min"

[[route]]
path = "/in"
methods = ["POST"]
kind = "delegated"
"#;

/// What a gate has at one time.
#[derive(Debug, Clone, Copy)]
struct Holds {
    resident: u64,
    files: u64,
    connections: u64,
    buffered: u64,
}

/// What a client of the soak does, over and over. It is given a number that is never the same.
type Client = fn(SocketAddr, u64) -> std::io::Result<()>;

/// Each runs on threads of its own, as many as the number says.
const CLIENTS: [(Client, usize); 10] = [
    (reads, 2),
    (forms, 1),
    (uploads, 1),
    (strangers, 1),
    (cuts_its_upload_short, 1),
    (sends_half_a_head, 1),
    (sends_garbage, 1),
    (pipelines_and_leaves, 1),
    (waits_in_vain, 1),
    (connects_and_says_nothing, 1),
];

#[test]
fn nothing_grows_nothing_leaks_nothing_panics() {
    let time = std::env::var("SOAK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    let time = Duration::from_secs(time);
    let (folder, app) = (Folder::new("soak"), App::start());
    let head =
        format!("[app]\nname = \"shop\"\npublic_origin = \"https://{HOST}\"\nupstream = \"http://{}\"\n", app.address);
    folder.file("palisade.toml", &format!("{head}{POLICY}"));
    let mut gate = Running::start(&mut serve(&folder, &["--threads", "2"]));
    let (over, rounds) = (Arc::new(AtomicBool::new(false)), Arc::<AtomicU64>::default());
    let threads: Vec<_> = CLIENTS
        .iter()
        .flat_map(|(client, threads)| vec![*client; *threads])
        .map(|client| {
            let (address, over, rounds) = (gate.address, Arc::clone(&over), Arc::clone(&rounds));
            std::thread::spawn(move || {
                while !over.load(Relaxed) {
                    // The gate closes on many of them, which is right; whether it still serves is asked below.
                    let _ = client(address, rounds.fetch_add(1, Relaxed));
                }
            })
        })
        .collect();
    let begun = Instant::now();
    // Tables, pools and arenas have their size after a fifth; what grows from then on leaks.
    let early = watch(&gate, time / 5);
    let late = watch(&gate, time - time / 5);
    over.store(true, Relaxed);
    threads.into_iter().for_each(|thread| thread.join().expect("client"));
    eprintln!("{} rounds in {:?}; {early:?}; {late:?}", rounds.load(Relaxed), begun.elapsed());
    let room = (early.resident / 5).max(16 << 20);
    assert!(late.resident <= early.resident + room, "memory grew from {} to {}", early.resident, late.resident);
    let mut last = holds(&gate);
    let deadline = Instant::now() + Duration::from_secs(30);
    while last.connections > 0 || last.buffered > 0 || last.files > 40 {
        assert!(Instant::now() < deadline, "something stays open: {last:?}");
        std::thread::sleep(Duration::from_millis(100));
        last = holds(&gate);
    }
    assert_eq!(send(gate.address, HOST, "GET", "/free", &[], "").status, 200, "it serves as it did");
    gate.signal("TERM");
    assert!(gate.wait().success());
    assert!(!gate.said().contains("panicked"), "{}", gate.said());
}

/// Looks at the gate until the time is over: it must serve ordinary clients all the while. The most it held.
fn watch(gate: &Running, time: Duration) -> Holds {
    let until = Instant::now() + time;
    let mut most = holds(gate);
    while Instant::now() < until {
        std::thread::sleep(Duration::from_millis(200));
        if let Err(error) = ordinary(gate.address) {
            panic!("an ordinary client is not served: {error}\n{:?}\n{}", holds(gate), gate.said());
        }
        let now = holds(gate);
        most = Holds {
            resident: most.resident.max(now.resident),
            files: most.files.max(now.files),
            connections: most.connections.max(now.connections),
            buffered: most.buffered.max(now.buffered),
        };
    }
    most
}

fn holds(gate: &Running) -> Holds {
    let (admin, bearer) = (gate.admin(), format!("Bearer {TOKEN}"));
    let page = send(admin, &admin.to_string(), "GET", "/metrics", &[("authorization", &bearer)], "").body;
    let value = |sample: &str| {
        let value = page.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {sample} in {page}"))
    };
    Holds {
        resident: value("process_resident_memory_bytes"),
        files: value("process_open_fds"),
        connections: value("palisade_connections"),
        buffered: value("palisade_buffered_bytes"),
    }
}

// === clients ===

/// Asks for something simple, and says what was wrong with the answer.
fn ordinary(address: SocketAddr) -> std::io::Result<()> {
    let mut stream = connect(address)?;
    request(&mut stream, "GET", "/free", "Connection: close\r\n", "")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    if answer.starts_with("HTTP/1.1 200 ") { Ok(()) } else { Err(std::io::Error::other(answer)) }
}

fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.set_write_timeout(Some(Duration::from_secs(5)))?;
    Ok(stream)
}

/// Whatever comes until the gate closes or has said that much.
fn drink(stream: &mut TcpStream, most: u64) -> std::io::Result<u64> {
    std::io::copy(&mut stream.take(most), &mut std::io::sink())
}

fn request(stream: &mut TcpStream, method: &str, path: &str, fields: &str, body: &str) -> std::io::Result<()> {
    let length = body.len();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {length}\r\n{fields}\r\n{body}")
}

fn reads(address: SocketAddr, _: u64) -> std::io::Result<()> {
    let mut stream = connect(address)?;
    for path in ["/free", "/page", "/free", "/nowhere", "/%66ree"] {
        request(&mut stream, "GET", path, "Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\n", "")?;
    }
    stream.shutdown(Shutdown::Write)?;
    drink(&mut stream, 1 << 20).map(drop)
}

fn forms(address: SocketAddr, _: u64) -> std::io::Result<()> {
    let mut stream = connect(address)?;
    request(&mut stream, "GET", "/api/csrf", "Connection: close\r\n", "")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let between = |before: &str, after: &str| Some(answer.split(before).nth(1)?.split(after).next()?.to_owned());
    let cookie = between("set-cookie: ", ";").ok_or(std::io::ErrorKind::InvalidData)?;
    let token = between("\"csrfToken\":\"", "\"").ok_or(std::io::ErrorKind::InvalidData)?;
    for token in [token.as_str(), token.as_str(), "made-up"] {
        let mut stream = connect(address)?;
        let fields =
            format!("Cookie: {cookie}\r\nX-CSRF-Token: {token}\r\nOrigin: https://{HOST}\r\nConnection: close\r\n");
        request(&mut stream, "POST", "/form", &fields, "a=1")?;
        drink(&mut stream, 1 << 16)?;
    }
    Ok(())
}

fn uploads(address: SocketAddr, _: u64) -> std::io::Result<()> {
    let mut stream = connect(address)?;
    let fields = format!("Origin: https://{HOST}\r\nConnection: close\r\n");
    request(&mut stream, "POST", "/in", &fields, &"x".repeat(500_000))?;
    drink(&mut stream, 1 << 20).map(drop)
}

/// Addresses that have never been seen, behind a proxy that is believed.
fn strangers(address: SocketAddr, round: u64) -> std::io::Result<()> {
    let mut stream = connect(address)?;
    for step in 0..50 {
        let from = u32::try_from((round * 50 + step) % (1 << 24)).unwrap_or_default() | 0x5000_0000;
        let from = std::net::Ipv4Addr::from(from);
        request(&mut stream, "GET", "/page", &format!("X-Forwarded-For: {from}\r\n"), "")?;
    }
    stream.shutdown(Shutdown::Write)?;
    drink(&mut stream, 1 << 22).map(drop)
}

fn cuts_its_upload_short(address: SocketAddr, _: u64) -> std::io::Result<()> {
    let mut stream = connect(address)?;
    write!(stream, "POST /in HTTP/1.1\r\nHost: {HOST}\r\nOrigin: https://{HOST}\r\nContent-Length: 900000\r\n\r\nabc")?;
    std::thread::sleep(Duration::from_millis(10));
    stream.shutdown(Shutdown::Both)
}

fn sends_half_a_head(address: SocketAddr, _: u64) -> std::io::Result<()> {
    let mut stream = connect(address)?;
    for byte in format!("GET /free HTTP/1.1\r\nHost: {HOST}\r\nX-A: ").bytes() {
        stream.write_all(&[byte])?;
    }
    // The gate must be the one who gives up.
    drink(&mut stream, 1 << 16).map(drop)
}

fn sends_garbage(address: SocketAddr, round: u64) -> std::io::Result<()> {
    let mut stream = connect(address)?;
    let mut noise = round.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let bytes: Vec<u8> = (0..2000)
        .map(|_| {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            noise.to_le_bytes()[0]
        })
        .collect();
    stream.write_all(&bytes)?;
    drink(&mut stream, 1 << 16).map(drop)
}

fn pipelines_and_leaves(address: SocketAddr, _: u64) -> std::io::Result<()> {
    let mut stream = connect(address)?;
    for _ in 0..30 {
        request(&mut stream, "GET", "/free", "", "")?;
    }
    // Some of the first answer, so that a slow machine is not simply flooded: that is another test.
    drink(&mut stream, 10).map(drop)
}

/// The application hangs, and the client does not wait for the gate to say so.
fn waits_in_vain(address: SocketAddr, _: u64) -> std::io::Result<()> {
    let mut stream = connect(address)?;
    request(&mut stream, "GET", "/free?hang", "", "")?;
    stream.set_read_timeout(Some(Duration::from_millis(200)))?;
    let _ = drink(&mut stream, 1);
    Ok(())
}

fn connects_and_says_nothing(address: SocketAddr, _: u64) -> std::io::Result<()> {
    let held: Vec<TcpStream> = (0..20).filter_map(|_| connect(address).ok()).collect();
    for mut stream in held {
        drink(&mut stream, 1)?;
    }
    Ok(())
}
