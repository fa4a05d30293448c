//! memory CONNECTIONS COMMAND...: bytes of memory that a proxy takes for each connection: before it asks, between requests,
//! and while it waits for the application.
//!
//! COMMAND starts the proxy, as for `proxy`, on the first core. Connections are opened over loopback, by a peer whose word
//! about its clients is believed; each asks once, then all wait for an application that does not answer. Memory is what
//! the process holds after each step (proportional set size) less what it held before the first, so it holds what an
//! allocator keeps for later, too. Stops by itself.

use std::io;
use std::time::Duration;

use palisade_bench::proxied::{Issuer, Proxy, answer, connect, message, pin};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

/// No limit is met: what is measured is what they would allow.
const LIMITS: &str = "[limits]\nconnections = 100000\nin_flight = 100000\nin_flight_per_client = 100000\n";
/// What the proxy has begun is done by then.
const SETTLED: Duration = Duration::from_secs(2);

fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1);
    let count: u32 = args.next().and_then(|count| count.parse().ok()).unwrap_or(2000);
    let command: Vec<String> = args.collect();
    let last = std::thread::available_parallelism()?.get() - 1;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let upstream = TcpListener::bind("127.0.0.1:0").await?;
        let proxy = Proxy::start(&command, upstream.local_addr()?, 1, &Issuer::new()?, LIMITS)?;
        pin(last..last + 1)?;
        tokio::task::spawn_local(answer(upstream));
        measure(&proxy, count).await
    })
}

async fn measure(proxy: &Proxy, count: u32) -> io::Result<()> {
    // What the first request of all leaves behind is nobody's.
    let mut first = connect(proxy.address).await?;
    ask(&mut first, 0, "/api/items").await?;
    heard(&mut first).await?;
    sleep(SETTLED).await;
    let before = proxy.resident();
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.push(TcpStream::connect(proxy.address).await?);
    }
    sleep(SETTLED).await;
    let opened = proxy.resident();
    for (number, client) in (1..).zip(&mut clients) {
        ask(client, number, "/api/items").await?;
        heard(client).await?;
    }
    sleep(SETTLED).await;
    let between = proxy.resident();
    for (number, client) in (1..).zip(&mut clients) {
        ask(client, number, "/api/items?slow").await?;
    }
    sleep(SETTLED).await;
    let waiting = proxy.resident();
    let each = |after: u64| after.saturating_sub(before) / u64::from(count);
    println!(
        "connections={count} before={} between={} waiting={} all_bytes={waiting}",
        each(opened),
        each(between),
        each(waiting)
    );
    Ok(())
}

async fn ask(stream: &mut TcpStream, client: u32, target: &str) -> io::Result<()> {
    let [_, a, b, c] = client.to_be_bytes();
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 \
         Firefox/128.0\r\nAccept: application/json\r\nX-Forwarded-For: 10.{a}.{b}.{c}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await
}

async fn heard(stream: &mut TcpStream) -> io::Result<()> {
    let heard = message(stream, &mut Vec::new()).await;
    heard.map(drop).ok_or_else(|| io::Error::other("no answer"))
}
