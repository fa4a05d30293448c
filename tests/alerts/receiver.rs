//! The other side of every channel that speaks HTTP: keeps what it is sent, and answers what it was told to.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A message as it came.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Value,
}

pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl Receiver {
    /// `answer` is the status for the so-manieth message of a path.
    pub(crate) fn start(answer: impl Fn(&str, usize) -> u16 + Send + Sync + 'static) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let sent = Arc::<Mutex<Vec<Sent>>>::default();
        let (kept, answer) = (Arc::clone(&sent), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
                std::thread::spawn(move || one(stream, &kept, &*answer));
            }
        });
        Receiver { address, sent }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn all(&self) -> Vec<Sent> {
        self.sent.lock().expect("lock").clone()
    }

    pub(crate) fn of(&self, path: &str) -> Vec<Sent> {
        self.all().into_iter().filter(|sent| sent.path == path).collect()
    }

    /// The messages of a path, once there is one that `wanted` takes.
    pub(crate) fn wait(&self, path: &str, wanted: impl Fn(&Sent) -> bool) -> Sent {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(found) = self.of(path).into_iter().find(&wanted) {
                return found;
            }
            assert!(Instant::now() < deadline, "nothing at {path}: {:#?}", self.all());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Sent {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

fn one(stream: TcpStream, kept: &Mutex<Vec<Sent>>, answer: &dyn Fn(&str, usize) -> u16) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let status = {
        let mut kept = kept.lock().ok()?;
        let number = kept.iter().filter(|sent| sent.path == path).count();
        kept.push(Sent { path: path.clone(), headers, body: serde_json::from_slice(&body).unwrap_or_default() });
        answer(&path, number)
    };
    let mut stream = stream;
    write!(stream, "HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").ok()
}
