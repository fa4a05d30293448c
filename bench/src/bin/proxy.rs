//! proxy CASE ADDRESSES SECONDS CORES COMMAND...: CPU time of a proxy for each request, and what its clients wait; and the time
//! from its start to its first answer.
//!
//! CASE: get (no limit on the route), limited (a GET within its limit), identity (a GET with an RS256 session token of one
//! of 100 users, verified before), search (a POST of 60 bytes from the site's own pages), form (a POST with a CSRF token of
//! its own; each is fetched first, and both requests count as one). ADDRESSES is how many clients there are: beyond one
//! they are named by `X-Forwarded-For`. A limit of 1000/s for each holds only with some hundred of them, and one token a
//! second for each with 10,000; `bad` counts what was refused. COMMAND starts the proxy; `{listen}`, `{upstream}`,
//! `{policy}` and `{threads}` in it are replaced.
//!
//! The proxy runs on the first CORES cores; on the last one 64 connections ask it, and a 1 KiB answer awaits it. Loopback
//! alone, for SECONDS after one more of warming up.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use palisade_bench::proxied::{Issuer, ORIGIN, Proxy, answer, connect, message, pin};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

const CONNECTIONS: u32 = 64;
/// How many users sign in; each may ask as much as one address.
const USERS: u32 = 100;

/// What one connection asks.
struct Plan {
    case: String,
    addresses: u32,
    tokens: Vec<String>,
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
    let issuer = Issuer::new()?;
    let tokens = (0..USERS).map(|user| issuer.token(user)).collect::<io::Result<_>>()?;
    let plan = Plan { case, addresses, tokens };
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let upstream = TcpListener::bind("127.0.0.1:0").await?;
        let proxy = Proxy::start(&command, upstream.local_addr()?, cores, &issuer, "")?;
        pin(last..last + 1)?;
        tokio::task::spawn_local(answer(upstream));
        measure(Rc::new(plan), &proxy, seconds).await
    })
}

async fn measure(plan: Rc<Plan>, proxy: &Proxy, seconds: u64) -> io::Result<()> {
    let began = Instant::now();
    let mut stream = connect(proxy.address).await?;
    plan.once(&mut stream, &mut Vec::new(), 0).await.ok_or_else(|| io::Error::other("no answer"))?;
    let start = began.elapsed();
    let (from, to) = (Instant::now() + Duration::from_secs(1), Instant::now() + Duration::from_secs(1 + seconds));
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|number| tokio::task::spawn_local(ask(Rc::clone(&plan), number, proxy.address, from, to)))
        .collect();
    tokio::time::sleep_until(from.into()).await;
    let before = proxy.cpu();
    tokio::time::sleep_until(to.into()).await;
    let cpu = proxy.cpu() - before;
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
            // Each in a network of its own: neighbours share room for used tokens.
            _ => format!("X-Forwarded-For: 10.{}.{}.1\r\n", client >> 8 & 255, client & 255),
        };
        let (get, mut more, body) = match self.case.as_str() {
            "limited" => ("GET /api/limited?id=42&q=hello", String::new(), ""),
            "identity" => {
                ("GET /api/me?id=42&q=hello", format!("Authorization: Bearer {}\r\n", self.token(client)), "")
            }
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

    fn token(&self, client: u32) -> &str {
        &self.tokens[(client % USERS) as usize]
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
