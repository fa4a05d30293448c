//! proxy CASE ADDRESSES SECONDS CORES COMMAND...: CPU time of a proxy for each request, and what its clients wait; and the time
//! from its start to its first answer.
//!
//! CASE: get (no limit on the route), limited (a GET within its limit), identity (a GET with an Ed25519 session token,
//! verified before), search (a POST of 60 bytes from the site's own pages), form (a POST with a CSRF token of its own; each
//! is fetched first, and both requests count as one). ADDRESSES is how many clients there are: beyond one they are named by
//! `X-Forwarded-For`. COMMAND starts the proxy; `{listen}`, `{upstream}`, `{policy}` and `{threads}` in it are replaced.
//!
//! The proxy runs on the first CORES cores; on the last one 64 connections ask it, and a 1 KiB answer awaits it. Loopback
//! alone, for SECONDS after one more of warming up.

use std::io;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use palisade_backend::DemoIssuer;
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_setaffinity};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const CONNECTIONS: u32 = 64;
const ORIGIN: &str = "https://bench.example";
const ISSUER: &str = "https://id.example";
const POLICY: &str = r#"
[app]
name = "bench"
upstream = "http://127.0.0.1:9"
public_origin = "https://bench.example"
[clients]
trusted_proxies = ["127.0.0.0/8"]
[identity]
provider = "oidc"
issuer = "https://id.example"
jwks = "https://id.example/jwks.json"
audience = ["shop"]
[[route]]
path = "/api/items"
kind = "public-read"
[[route]]
path = "/api/limited"
kind = "public-read"
limit = "1000/s"
[[route]]
path = "/api/me"
kind = "protected-read"
limit = "1000/s"
[[route]]
path = "/api/search"
methods = ["POST"]
kind = "search"
limit = "1000/s"
[[route]]
path = "/api/contact"
methods = ["POST"]
kind = "public-form"
limit = "1000/s"
"#;

/// What one connection asks.
struct Plan {
    case: String,
    addresses: u32,
    token: String,
}

fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1);
    let (case, mut number) = (args.next().unwrap_or_default(), || args.next().and_then(|text| text.parse().ok()));
    let (addresses, seconds, cores): (u32, u32, u32) =
        (number().unwrap_or(1), number().unwrap_or(3), number().unwrap_or(1));
    let (seconds, cores) = (u64::from(seconds), usize::try_from(cores).unwrap_or(1));
    let command: Vec<String> = args.collect();
    let last = std::thread::available_parallelism()?.get() - 1;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let issuer = DemoIssuer::new(ISSUER, "shop").map_err(io::Error::other)?;
    let token = issuer.token("user_1", Duration::from_secs(3600));
    let plan = Plan { case, addresses, token };
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let upstream = TcpListener::bind("127.0.0.1:0").await?;
        let proxy = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let pem = issuer.pem().unwrap_or_default();
        let mut child = start(&command, proxy, upstream.local_addr()?, cores, &pem)?;
        pin(last..last + 1)?;
        tokio::task::spawn_local(answer(upstream));
        let measured = measure(Rc::new(plan), proxy, child.id(), seconds).await;
        kill_process(Pid::from_child(&child), Signal::TERM)?;
        child.wait()?;
        measured
    })
}

/// Starts the proxy on the first cores, where what it starts itself runs too.
fn start(command: &[String], listen: SocketAddr, upstream: SocketAddr, cores: usize, pem: &str) -> io::Result<Child> {
    let policy = std::env::temp_dir().join(format!("palisade-bench-{}.toml", std::process::id()));
    std::fs::write(&policy, POLICY)?;
    let fill = |word: &String| {
        let word = word.replace("{listen}", &listen.to_string()).replace("{upstream}", &upstream.to_string());
        word.replace("{policy}", &policy.display().to_string()).replace("{threads}", &cores.to_string())
    };
    let words: Vec<String> = command.iter().map(fill).collect();
    let (program, rest) = words.split_first().ok_or_else(|| io::Error::other("no command"))?;
    pin(0..cores)?;
    let mut command = Command::new(program);
    command.args(rest).env("CLERK_JWT_KEY", pem).stdout(Stdio::null()).stdin(Stdio::null());
    command.env("CSRF_SECRET", "c".repeat(32)).env("SESSION_SECRET", "s".repeat(32)).spawn()
}

fn pin(cores: std::ops::Range<usize>) -> io::Result<()> {
    let mut set = CpuSet::new();
    cores.for_each(|core| set.set(core));
    Ok(sched_setaffinity(None, &set)?)
}

/// 1 KiB for every request.
async fn answer(listener: TcpListener) {
    let body = "x".repeat(1024);
    let answer: Rc<str> =
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1024\r\n\r\n{body}").into();
    while let Ok((mut stream, _)) = listener.accept().await {
        let answer = Rc::clone(&answer);
        tokio::task::spawn_local(async move {
            let _ = stream.set_nodelay(true);
            let mut read = Vec::new();
            while message(&mut stream, &mut read).await.is_some() {
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        });
    }
}

async fn measure(plan: Rc<Plan>, proxy: SocketAddr, pid: u32, seconds: u64) -> io::Result<()> {
    let began = Instant::now();
    let mut stream = loop {
        match TcpStream::connect(proxy).await {
            Ok(stream) => break stream,
            Err(error) if began.elapsed() > Duration::from_secs(10) => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    };
    plan.once(&mut stream, &mut Vec::new(), 0).await.ok_or_else(|| io::Error::other("no answer"))?;
    let start = began.elapsed();
    let (from, to) = (Instant::now() + Duration::from_secs(1), Instant::now() + Duration::from_secs(1 + seconds));
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|number| tokio::task::spawn_local(ask(Rc::clone(&plan), number, proxy, from, to)))
        .collect();
    tokio::time::sleep_until(from.into()).await;
    let before = cpu(pid);
    tokio::time::sleep_until(to.into()).await;
    let cpu = cpu(pid) - before;
    let (mut waits, mut bad) = (Vec::new(), 0);
    for client in clients {
        let (took, failed) = client.await.map_err(io::Error::other)?;
        waits.extend(took);
        bad += failed;
    }
    waits.sort_unstable();
    let at =
        |share: f64| waits.get((waits.len() as f64 * share) as usize).copied().unwrap_or_default().as_secs_f64() * 1e3;
    let count = waits.len().max(1);
    println!(
        "{} addresses={} cpu_us={:.1} per_second={:.0} p50_ms={:.2} p99_ms={:.2} start_ms={} bad={bad}",
        plan.case,
        plan.addresses,
        cpu.as_secs_f64() * 1e6 / count as f64,
        count as f64 / seconds as f64,
        at(0.5),
        at(0.99),
        start.as_millis(),
    );
    Ok(())
}

/// One connection's requests until the end; what each took, and how many were not answered by 200.
async fn ask(plan: Rc<Plan>, number: u32, proxy: SocketAddr, from: Instant, to: Instant) -> (Vec<Duration>, u64) {
    let (mut waits, mut bad, mut read) = (Vec::new(), 0, Vec::new());
    let Ok(mut stream) = TcpStream::connect(proxy).await else { return (waits, 1) };
    let _ = stream.set_nodelay(true);
    for turn in 0_u32.. {
        let began = Instant::now();
        if began >= to {
            break;
        }
        let client = turn.wrapping_mul(CONNECTIONS).wrapping_add(number) % plan.addresses;
        let Some(good) = plan.once(&mut stream, &mut read, client).await else {
            bad += 1;
            break;
        };
        if began >= from {
            waits.push(began.elapsed());
            bad += u64::from(!good);
        }
    }
    (waits, bad)
}

impl Plan {
    /// Whether the answer was 200; `None` where there was none.
    async fn once(&self, stream: &mut TcpStream, read: &mut Vec<u8>, client: u32) -> Option<bool> {
        let forwarded = match self.addresses {
            1 => String::new(),
            _ => format!("X-Forwarded-For: 10.{}.{}.{}\r\n", client >> 16 & 255, client >> 8 & 255, client & 255),
        };
        let (get, mut more, body) = match self.case.as_str() {
            "limited" => ("GET /api/limited?id=42&q=hello", String::new(), ""),
            "identity" => ("GET /api/me?id=42&q=hello", format!("Authorization: Bearer {}\r\n", self.token), ""),
            "search" => (
                "POST /api/search",
                format!("Origin: {ORIGIN}\r\n"),
                "{\"q\":\"a text of some length that is looked for by somebody\"}",
            ),
            "form" => (
                "POST /api/contact",
                format!("Origin: {ORIGIN}\r\n"),
                "{\"message\":\"a text of some length that is sent to the shop\"}",
            ),
            _ => ("GET /api/items?id=42&q=hello", String::new(), ""),
        };
        if self.case == "form" {
            let fetched = self.exchange(stream, read, "GET /api/csrf", &forwarded, "").await?;
            let between = |from: &str, to: char| fetched.split_once(from).and_then(|(_, rest)| rest.split(to).next());
            let (sid, token) = (between("__Host-palisade-sid=", ';')?, between("\"csrfToken\":\"", '"')?);
            more += &format!("Cookie: __Host-palisade-sid={sid}\r\nX-CSRF-Token: {token}\r\n");
        } else {
            more += "Cookie: sid=0123456789abcdef0123456789abcdef; theme=dark\r\n";
        }
        let answer = self.exchange(stream, read, get, &(forwarded + &more), body).await?;
        Some(answer.starts_with("HTTP/1.1 200"))
    }

    async fn exchange(
        &self,
        stream: &mut TcpStream,
        read: &mut Vec<u8>,
        start: &str,
        more: &str,
        body: &str,
    ) -> Option<String> {
        let sized = if body.is_empty() {
            String::new()
        } else {
            format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len())
        };
        let request = format!(
            "{start} HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 \
             Firefox/128.0\r\nAccept: application/json\r\nAccept-Language: en\r\n{more}{sized}\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.ok()?;
        let length = message(stream, read).await?;
        String::from_utf8(std::mem::take(read)).ok().filter(|text| text.len() == length)
    }
}

/// Reads one message with its `Content-Length`, and nothing else; its length.
async fn message(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<usize> {
    read.clear();
    loop {
        if stream.read_buf(read).await.ok()? == 0 {
            return None;
        }
        let Some(head) = memchr::memmem::find(read, b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(&read[..head]).to_ascii_lowercase();
        let length =
            text.split("\r\n").find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
        let whole = head + 4 + length.unwrap_or(0);
        if read.len() >= whole {
            return Some(whole);
        }
    }
}

/// CPU time of a process, its threads and its children.
fn cpu(pid: u32) -> Duration {
    let mut total = Duration::ZERO;
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        let file = |name: &str| std::fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let nanos = file("schedstat").split(' ').next().and_then(|text| text.parse().ok()).unwrap_or_default();
        total += Duration::from_nanos(nanos);
        total += file("children").split_whitespace().filter_map(|pid| pid.parse().ok()).map(cpu).sum::<Duration>();
    }
    total
}
