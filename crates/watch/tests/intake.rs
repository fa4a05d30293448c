//! The port for reports, over real sockets: who may report, what, and how much.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where its ground is missing, and says why"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use palisade_event::{Code, Seen};
use palisade_watch::intake::{BadSecret, Full, Intake, IntakeListener, Secrets, Sink};
use palisade_watch::lines::Enrich;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const VERCEL: &str = "a-secret-of-vercel's";
const CLERK: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[derive(Default, Clone)]
struct Kept {
    events: Arc<Mutex<Vec<Seen<'static>>>>,
    full: Arc<AtomicBool>,
}

impl Sink for Kept {
    fn take(&self, events: Vec<Seen<'static>>) -> Result<(), Full> {
        if self.full.load(Ordering::SeqCst) {
            return Err(Full);
        }
        self.events.lock().expect("lock").extend(events);
        Ok(())
    }
}

/// A listener on a port of its own; it ends with the test.
struct Running {
    address: SocketAddr,
    kept: Kept,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    fn start(secrets: Secrets) -> Running {
        let kept = Kept::default();
        let intake = Intake::new(secrets, Enrich::default(), [7; 16], kept.clone()).expect("secrets");
        let listener = IntakeListener::bind("127.0.0.1:0".parse().expect("address")).expect("port");
        let address = listener.local_addr();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
            runtime.block_on(async {
                tokio::select! {
                    served = listener.serve(Arc::new(intake)) => served.expect("serve"),
                    _ = stopped => {}
                }
            });
        });
        Running { address, kept, stop: Some(stop), thread: Some(thread) }
    }

    /// With every secret.
    fn whole() -> Running {
        Running::start(Secrets {
            vercel: vec![VERCEL.to_owned()],
            vercel_verify: Some("code-1".to_owned()),
            clerk: vec![CLERK.to_owned()],
            token: Some(TOKEN.to_owned()),
        })
    }

    fn send(&self, head: &str, body: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).expect("connect");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("timeout");
        let request = format!("{head}\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(request.as_bytes()).expect("head");
        // It may have answered and closed before the body is there.
        let _ = stream.write_all(body);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8(answer).expect("text");
        let status =
            answer.get(9..12).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("answer: {answer}"));
        (status, answer)
    }

    fn events(&self) -> Vec<Seen<'static>> {
        self.kept.events.lock().expect("lock").clone()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn vercel(body: &[u8]) -> String {
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(VERCEL.as_bytes()).expect("key");
    mac.update(body);
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("POST /intake/vercel HTTP/1.1\r\nx-vercel-signature: {hex}")
}

fn clerk(id: &str, body: &[u8]) -> String {
    let key = base64::engine::general_purpose::STANDARD.decode(&CLERK[6..]).expect("key");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("time").as_secs();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).expect("key");
    mac.update(format!("{id}.{now}.").as_bytes());
    mac.update(body);
    let signature = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
    format!("POST /intake/clerk HTTP/1.1\r\nsvix-id: {id}\r\nsvix-timestamp: {now}\r\nsvix-signature: v1,{signature}")
}

fn bearer(path: &str, token: &str) -> String {
    format!("POST /intake/{path} HTTP/1.1\r\nAuthorization: Bearer {token}")
}

const DRAIN: &str = r#"[{"id":"e1","timestamp":1795331700000,"requestId":"r1","source":"edge","proxy":{"method":"GET","path":"/a?token=x","statusCode":429,"clientIp":"192.0.2.1","userAgent":["UA"]}},{"id":"e2","timestamp":1795331700000,"source":"build","message":"x"}]"#;
const SESSION: &str = r#"{"type":"session.created","object":"event","timestamp":1795331700000,"data":{"id":"sess_1","user_id":"user_1"}}"#;

#[test]
fn a_drain_is_taken_once_by_its_signature() {
    let running = Running::whole();
    let (status, answer) = running.send(&vercel(DRAIN.as_bytes()), DRAIN.as_bytes());
    assert_eq!(status, 204, "{answer}");
    assert!(answer.contains("x-vercel-verify: code-1"), "{answer}");
    assert_eq!(running.send(&vercel(DRAIN.as_bytes()), DRAIN.as_bytes()).0, 204, "a copy is no fault of the sender");
    let events = running.events();
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].status, events[0].query.as_deref()), (Some(429), Some("token=***")));
    assert!(!events[0].attributable);
    let (status, answer) = running.send("GET /intake/vercel HTTP/1.1", b"");
    assert_eq!((status, answer.contains("x-vercel-verify: code-1")), (200, true));
}

#[test]
fn nobody_reports_without_a_secret() {
    let running = Running::whole();
    let changed = DRAIN.replace("192.0.2.1", "192.0.2.2");
    for (head, body) in [
        (vercel(DRAIN.as_bytes()), changed.as_str()),
        ("POST /intake/vercel HTTP/1.1".to_owned(), DRAIN),
        (clerk("msg_1", b"{}"), SESSION),
        ("POST /intake/clerk HTTP/1.1".to_owned(), SESSION),
        ("POST /intake/events HTTP/1.1".to_owned(), "{}"),
        (bearer("events", &TOKEN.replace('0', "1")), "{}"),
        (bearer("events", ""), "{}"),
        (vercel(b"{}").replace("/intake/vercel", "/intake/events"), "{}"),
        (format!("{}\r\nAuthorization: Bearer {TOKEN}", bearer("events", TOKEN)), "{}"),
    ] {
        assert_eq!(running.send(&head, body.as_bytes()).0, 401, "{head}");
    }
    let nothing = Running::start(Secrets::default());
    for path in ["vercel", "clerk", "events"] {
        assert_eq!(nothing.send(&bearer(path, ""), b"{}").0, 401, "closed without secrets");
    }
    assert!(running.events().is_empty() && nothing.events().is_empty());
}

#[test]
fn clerks_sign_in_and_an_applications_report_become_events() {
    let running = Running::whole();
    assert_eq!(running.send(&clerk("msg_1", SESSION.as_bytes()), SESSION.as_bytes()).0, 204);
    assert_eq!(running.send(&clerk("msg_1", SESSION.as_bytes()), SESSION.as_bytes()).0, 204);
    let report = "{\"type\":\"RATE_LIMIT\",\"ip\":\"192.0.2.1\"}\n{\"type\":\"AUTH_FAILURE\",\"timestamp\":\"2036-01-01T00:00:00Z\"}\nnonsense";
    assert_eq!(running.send(&bearer("events", TOKEN), report.as_bytes()).0, 204);
    let events = running.events();
    assert_eq!(events.len(), 3);
    assert_eq!((events[0].action.as_deref(), events[0].id.as_deref()), (Some("login"), Some("msg_1")));
    assert_eq!(events[1].code, Some(Code::RateLimited));
    assert!(events[2].time >= events[1].time && events[2].time.micros() < 2_000_000_000_000_000, "the future is now");
    assert_eq!(running.send(&bearer("events", TOKEN), b"nonsense").0, 400);
}

#[test]
fn what_is_too_much_is_refused_and_what_finds_no_room_comes_again() {
    let running = Running::whole();
    for (path, size) in [("events", (1 << 20) + 1), ("clerk", (256 << 10) + 1), ("vercel", (4 << 20) + 1)] {
        assert_eq!(running.send(&bearer(path, TOKEN), &vec![b' '; size]).0, 413, "{path}");
    }
    // Without a length it is counted as it comes.
    let mut stream = TcpStream::connect(running.address).expect("connect");
    let head = format!("{}\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", bearer("clerk", TOKEN));
    stream.write_all(head.as_bytes()).expect("head");
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(65_536));
    for _ in 0..8 {
        let _ = stream.write_all(chunk.as_bytes());
    }
    let mut answer = [0; 12];
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("timeout");
    stream.read_exact(&mut answer).expect("answer");
    assert_eq!(&answer, b"HTTP/1.1 413");

    running.kept.full.store(true, Ordering::SeqCst);
    let (status, answer) = running.send(&vercel(DRAIN.as_bytes()), DRAIN.as_bytes());
    assert_eq!((status, answer.contains("retry-after")), (503, true));
    running.kept.full.store(false, Ordering::SeqCst);
    assert_eq!(running.send(&vercel(DRAIN.as_bytes()), DRAIN.as_bytes()).0, 204);
    assert_eq!(running.events().len(), 1, "a report that was refused is no copy");
    assert_eq!(running.send("POST /elsewhere HTTP/1.1", b"").0, 404);
    assert_eq!(running.send("PUT /intake/events HTTP/1.1", b"").0, 405);
}

#[test]
fn a_peer_that_reports_all_the_time_waits() {
    let running = Running::whole();
    let statuses: Vec<_> = (0..640).map(|_| running.send("POST /intake/events HTTP/1.1", b"").0).collect();
    assert!(statuses[..600].iter().all(|status| *status == 401));
    assert_eq!(statuses.last(), Some(&429));
}

#[test]
fn weak_secrets_and_public_addresses_do_not_start() {
    let with = |secrets| Intake::new(secrets, Enrich::default(), [0; 16], Kept::default()).err();
    assert_eq!(with(Secrets { token: Some("short".into()), ..Secrets::default() }), Some(BadSecret::ShortToken));
    assert_eq!(with(Secrets { clerk: vec!["sk_live_x".into()], ..Secrets::default() }), Some(BadSecret::NotClerks));
    assert_eq!(with(Secrets { vercel: vec!["x".into()], ..Secrets::default() }), Some(BadSecret::ShortVercel));
    assert!(IntakeListener::bind("0.0.0.0:0".parse().expect("address")).is_err());
}
