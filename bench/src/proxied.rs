//! A proxy as a process, the application behind it, and the tokens its clients have.

use std::io;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_setaffinity};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Where the site is, as browsers see it.
pub const ORIGIN: &str = "https://bench.example";
const ISSUER: &str = "https://id.example";
const POLICY: &str = r#"
[app]
name = "bench"
upstream = "http://127.0.0.1:9"
public_origin = "https://bench.example"
[clients]
trusted_proxies = ["127.0.0.0/8"]
[identity]
provider = "clerk"
issuer = "https://id.example"
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

/// A proxy that runs; it is told to end when dropped, and waited for.
#[derive(Debug)]
pub struct Proxy {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

/// Who signs session tokens, by RS256 as Clerk does.
#[derive(Debug)]
pub struct Issuer(KeyPair);

// === impl Proxy ===

impl Proxy {
    /// Starts COMMAND on the first cores, where what it starts itself runs too. `{listen}`, `{upstream}`, `{policy}` and
    /// `{threads}` in it are replaced; `more` is added to the policy.
    pub fn start(
        command: &[String],
        upstream: SocketAddr,
        cores: usize,
        issuer: &Issuer,
        more: &str,
    ) -> io::Result<Proxy> {
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let policy = std::env::temp_dir().join(format!("palisade-bench-{}.toml", std::process::id()));
        std::fs::write(&policy, format!("{POLICY}{more}"))?;
        let fill = |word: &String| {
            let word = word.replace("{listen}", &address.to_string()).replace("{upstream}", &upstream.to_string());
            word.replace("{policy}", &policy.display().to_string()).replace("{threads}", &cores.to_string())
        };
        let words: Vec<String> = command.iter().map(fill).collect();
        let (program, rest) = words.split_first().ok_or_else(|| io::Error::other("no command"))?;
        pin(0..cores)?;
        let mut command = Command::new(program);
        command.args(rest).env("CLERK_JWT_KEY", issuer.pem()?).stdout(Stdio::null()).stdin(Stdio::null());
        let child = command.env("CSRF_SECRET", secret()?).env("SESSION_SECRET", secret()?).spawn()?;
        Ok(Proxy { child, address })
    }

    /// CPU time of the process, its threads and its children.
    pub fn cpu(&self) -> Duration {
        cpu(self.child.id())
    }

    /// Memory of the process, its share of what is shared, bytes.
    pub fn resident(&self) -> u64 {
        let path = format!("/proc/{}/smaps_rollup", self.child.id());
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or_default() << 10
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}

// === impl Issuer ===

impl Issuer {
    pub fn new() -> io::Result<Issuer> {
        KeyPair::generate(KeySize::Rsa2048).map(Issuer).map_err(io::Error::other)
    }

    fn pem(&self) -> io::Result<String> {
        let der: PublicKeyX509Der<'_> = self.0.public_key().as_der().map_err(io::Error::other)?;
        Ok(format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der.as_ref())))
    }

    /// A token of the user with that number.
    pub fn token(&self, user: u32) -> io::Result<String> {
        let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","typ":"JWT"}"#);
        let claims = format!(
            r#"{{"iss":"{ISSUER}","azp":"{ORIGIN}","sub":"user_{user}","sid":"sess_{user}","iat":1700000000,"nbf":1700000000,"exp":4102444800}}"#
        );
        let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims));
        let mut signature = vec![0; self.0.public_modulus_len()];
        let random = SystemRandom::new();
        self.0.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).map_err(io::Error::other)?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// 32 hexadecimal digits.
fn secret() -> io::Result<String> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Waits until it listens, for ten seconds at most.
pub async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let began = Instant::now();
    loop {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) if began.elapsed() > Duration::from_secs(10) => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
}

/// Keeps this process, and what it starts, on these cores.
pub fn pin(cores: std::ops::Range<usize>) -> io::Result<()> {
    let mut set = CpuSet::new();
    cores.for_each(|core| set.set(core));
    Ok(sched_setaffinity(None, &set)?)
}

/// The application: 1 KiB for every request, but nothing where `?slow` is asked for.
pub async fn answer(listener: TcpListener) {
    let body = "x".repeat(1024);
    let answer: Rc<str> =
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1024\r\n\r\n{body}").into();
    while let Ok((mut stream, _)) = listener.accept().await {
        let answer = Rc::clone(&answer);
        tokio::task::spawn_local(async move {
            let _ = stream.set_nodelay(true);
            let mut read = Vec::new();
            while message(&mut stream, &mut read).await.is_some() {
                if memchr::memmem::find(&read, b"?slow ").is_some() {
                    std::future::pending::<()>().await;
                }
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// Reads one message with its `Content-Length`, and nothing else; its length.
pub async fn message(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<usize> {
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
