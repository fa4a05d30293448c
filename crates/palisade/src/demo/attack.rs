//! `demo --attack`: bounded bad traffic against the demo's own gate, so that the detector has something to show.
//!
//! It comes from 127.0.0.2, the one proxy that the demo's policy trusts, with addresses that are reserved for documentation
//! (RFC 5737) in X-Forwarded-For: nobody real is named.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::output;

/// After that it stops, whatever is left.
const LONGEST: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two tries of a client that will be shut out.
const PAUSE: Duration = Duration::from_millis(200);
/// Bytes of an answer that are read.
const ANSWER: u64 = 64 << 10;

/// Paths that scanners of known holes ask for.
const PROBES: &[&str] = &[
    "/.env",
    "/.git/config",
    "/wp-login.php",
    "/phpmyadmin/index.php",
    "/.aws/credentials",
    "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php",
];
/// Input that breaks out of a page, and of a SQL literal.
const INPUTS: &[&str] = &[
    "/?q=%3Cscript%3Ealert(1)%3C/script%3E",
    "/?q=%3Cimg%20src=x%20onerror=alert(2)%3E",
    "/?q=%3Csvg/onload=alert(3)%3E",
    "/?q=%22%3E%3Cscript%3Ealert(4)%3C/script%3E",
    "/?id=1%27%20OR%20%271%27=%271",
    "/?id=1%27%20UNION%20SELECT%20password%20FROM%20users--",
    "/?id=1%27;%20DROP%20TABLE%20users;--",
    "/?id=2%27%20OR%202=2--",
];

/// Attacks the gate at `gate`, and says what it did. Returns when it is over.
pub(crate) fn run(gate: SocketAddr) {
    let mut attack = Attack { gate, until: Instant::now() + LONGEST, sent: 0 };
    let steps: [(&str, Step); 7] = [
        ("one client asks for known holes", Attack::probes),
        ("one client tries script and SQL in queries", Attack::inputs),
        ("one client guesses passwords", Attack::guesses),
        ("forms with made-up tokens, from many clients", Attack::forged),
        ("many clients at once, far beyond the limit", Attack::flood),
        ("a handler that fails, again and again", Attack::failures),
        ("the first client comes back", Attack::returns),
    ];
    for (what, step) in steps {
        output::note(&format!("attack: {what}"));
        step(&mut attack);
    }
    output::note(&format!("attack: over after {} requests; the demo goes on (Ctrl-C ends it)", attack.sent));
}

type Step = fn(&mut Attack);

struct Attack {
    gate: SocketAddr,
    until: Instant,
    sent: u32,
}

/// What the gate answered.
struct Answer {
    head: String,
    body: String,
}

// === impl Attack ===

impl Attack {
    fn probes(&mut self) {
        for path in PROBES {
            self.get([203, 0, 113, 9], path);
        }
    }

    fn inputs(&mut self) {
        for path in INPUTS {
            self.get([203, 0, 113, 10], path);
        }
    }

    /// Each attempt has a token of its own, as a script that reads the page would.
    fn guesses(&mut self) {
        let client = [203, 0, 113, 12];
        let Some(first) = self.get(client, "/api/csrf") else { return };
        let cookie =
            first.field("set-cookie").and_then(|cookie| cookie.split(';').next()).unwrap_or_default().to_owned();
        let Some(mut token) = first.body.split('"').nth(3).map(str::to_owned) else { return };
        for attempt in 0..14 {
            let headers = format!("Cookie: {cookie}\r\nX-CSRF-Token: {token}\r\n");
            let body = format!("{{\"user\":\"demo-user\",\"password\":\"guess-{attempt}\"}}");
            let Some(answer) = self.post(client, "/api/sign-in/password", &headers, &body) else { return };
            if let Some(next) = answer.field("x-csrf-token") {
                token = next.to_owned();
            } else if let Some(next) =
                self.get(client, "/api/csrf").and_then(|it| it.body.split('"').nth(3).map(str::to_owned))
            {
                token = next;
            }
        }
    }

    fn forged(&mut self) {
        for client in 0..15 {
            for _ in 0..if client == 0 { 10 } else { 2 } {
                let headers = "X-CSRF-Token: fake\r\n";
                self.post([192, 0, 2, 10 + client], "/api/example-protected", headers, "{\"title\":\"x\"}");
            }
        }
    }

    fn flood(&mut self) {
        for _ in 0..12 {
            for client in 0..25 {
                self.get([198, 51, 100, 10 + client], "/api/test-rate-limit");
            }
        }
        for _ in 0..40 {
            self.get([203, 0, 113, 7], "/api/test-rate-limit");
        }
    }

    fn failures(&mut self) {
        for _ in 0..60 {
            self.get([203, 0, 113, 11], "/api/boom");
        }
    }

    /// Until the gate answers it: what was found in the first step has been told by then, and its client shut out.
    fn returns(&mut self) {
        // Found within seconds; on a machine that has much to do, later.
        self.until = Instant::now() + LONGEST;
        let attacker = [203, 0, 113, 9];
        let (attacker_named, visitor) = (Ipv4Addr::from(attacker), [198, 51, 100, 200]);
        while let Some(answer) = self.get(attacker, "/") {
            if answer.body.contains("\"blocked\"") {
                let served = self.get(visitor, "/").is_some_and(|answer| answer.head.contains(" 200 "));
                let others = if served { "others are served" } else { "others are not served" };
                output::note(&format!("attack: {attacker_named} is answered 403 blocked, {others}"));
                return;
            }
            std::thread::sleep(PAUSE);
        }
        output::note(&format!("attack: {attacker_named} is still served"));
    }

    fn get(&mut self, client: [u8; 4], path: &str) -> Option<Answer> {
        self.send(client, &format!("GET {path} HTTP/1.1\r\n"), "")
    }

    fn post(&mut self, client: [u8; 4], path: &str, headers: &str, body: &str) -> Option<Answer> {
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\n{headers}Content-Type: application/json\r\nContent-Length: {length}\r\n\
             Origin: http://{}\r\n",
            self.gate
        );
        self.send(client, &head, body)
    }

    /// One request by a connection of its own. Nothing comes of it once the time is over, or where the gate is not there.
    fn send(&mut self, client: [u8; 4], head: &str, body: &str) -> Option<Answer> {
        if Instant::now() > self.until {
            return None;
        }
        let mut stream = self.connect().ok()?;
        let (gate, client) = (self.gate, Ipv4Addr::from(client));
        let rest = format!(
            "Host: {gate}\r\nX-Forwarded-For: {client}\r\nUser-Agent: palisade-demo-attack\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(format!("{head}{rest}{body}").as_bytes()).ok()?;
        self.sent += 1;
        let mut answer = Vec::new();
        let _ = stream.take(ANSWER).read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some(Answer { head: head.to_owned(), body: body.to_owned() })
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from(([127, 0, 0, 2], 0)).into())?;
        socket.connect_timeout(&self.gate.into(), PATIENCE)?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    }
}

// === impl Answer ===

impl Answer {
    fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(':'));
        fields.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}
