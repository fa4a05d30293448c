use std::io::{self, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use palisade_policy::Origin;

use crate::message::{Framing, Head, piece};
use crate::{PATIENCE, eventually};

/// A fake application on a loopback port of its own: it records every request and answers by a closure.
///
/// A thread a connection; a closure that panics costs its connection. Connections end with the test's process.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    log: Arc<Mutex<Log>>,
}

#[derive(Debug, Default)]
struct Log {
    connections: usize,
    requests: Vec<Recorded>,
}

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub struct Recorded {
    /// Which connection it came over, from 1.
    pub connection: usize,
    /// The method.
    pub method: String,
    /// The target.
    pub target: String,
    /// The head.
    pub head: Head,
    /// The body, as far as it was read.
    pub body: Vec<u8>,
    /// The trailers.
    pub trailers: Vec<(String, String)>,
}

/// One request and the connection to answer it on.
#[derive(Debug)]
pub struct Exchange {
    /// The request's head.
    pub request: Recorded,
    reader: BufReader<TcpStream>,
    stream: TcpStream,
    framing: Framing,
    index: usize,
    log: Arc<Mutex<Log>>,
    closed: bool,
}

// === impl Upstream ===

impl Upstream {
    /// Starts one that answers by `answer`. A body that it did not read is read, and recorded, after it.
    ///
    /// # Panics
    /// If no port is to be had.
    #[must_use]
    pub fn start(answer: impl Fn(&mut Exchange) + Send + Sync + 'static) -> Upstream {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = listener.local_addr().expect("address");
        let log = Arc::<Mutex<Log>>::default();
        let (answer, kept) = (Arc::new(answer), Arc::clone(&log));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (answer, log) = (Arc::clone(&answer), Arc::clone(&kept));
                let number = {
                    let mut log = lock(&log);
                    log.connections += 1;
                    log.connections
                };
                thread::spawn(move || serve(&stream, number, &log, &*answer));
            }
        });
        Upstream { address, log }
    }

    /// Starts one that answers everything with 200 and `body`.
    #[must_use]
    pub fn fixed(body: &'static str) -> Upstream {
        Upstream::start(move |exchange| exchange.reply(200, &[], body))
    }

    /// A port on which nobody listens.
    ///
    /// # Panics
    /// If no port is to be had.
    #[must_use]
    pub fn nowhere() -> Origin {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        origin(listener.local_addr().expect("address"))
    }

    /// Where it is.
    #[must_use]
    pub fn origin(&self) -> Origin {
        origin(self.address)
    }

    /// What came so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        lock(&self.log).requests.clone()
    }

    /// The only request that came.
    ///
    /// # Panics
    /// If it is not the only one.
    #[must_use]
    pub fn request(&self) -> Recorded {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests.remove(0)
    }

    /// How many connections were opened so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        lock(&self.log).connections
    }

    /// Waits until so many requests have come.
    pub fn wait_for(&self, requests: usize) {
        eventually("requests reach the upstream", || lock(&self.log).requests.len() >= requests);
    }
}

fn origin(address: SocketAddr) -> Origin {
    Origin::parse(&format!("http://{address}")).expect("origin")
}

fn lock(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(stream: &TcpStream, connection: usize, log: &Arc<Mutex<Log>>, answer: &dyn Fn(&mut Exchange)) {
    stream.set_nodelay(true).expect("nodelay");
    let mut reader = BufReader::new(stream.try_clone().expect("clone"));
    while let Ok(Some(head)) = Head::read(&mut reader) {
        let mut words = head.start.split(' ').map(str::to_owned);
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let framing = head.framing().unwrap_or(Framing::Length(0));
        let request = Recorded { connection, method, target, head, ..Recorded::default() };
        let index = {
            let mut log = lock(log);
            log.requests.push(request.clone());
            log.requests.len() - 1
        };
        let stream = stream.try_clone().expect("clone");
        let log = Arc::clone(log);
        let mut exchange = Exchange { request, reader, stream, framing, index, log, closed: false };
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| answer(&mut exchange)));
        if done.is_err() || exchange.closed || exchange.try_body().is_err() {
            // The clones would keep it open.
            let _ = exchange.stream.shutdown(Shutdown::Both);
            return;
        }
        reader = exchange.reader;
    }
}

// === impl Exchange ===

impl Exchange {
    /// Sends a response with a length. HEAD and 204, 304 get none of the body.
    pub fn reply(&mut self, status: u16, fields: &[(&str, &str)], body: impl AsRef<[u8]>) {
        let body = body.as_ref();
        let mut head = format!("HTTP/1.1 {status} Fake\r\n");
        for (name, value) in fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !matches!(status, 204 | 304) {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let bare = self.request.method == "HEAD" || matches!(status, 204 | 304);
        self.raw([head.as_bytes(), if bare { b"" } else { body }].concat());
    }

    /// Sends bytes as they are. A gate that no longer listens is none of our business.
    pub fn raw(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.try_raw(bytes);
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// If the gate has closed.
    pub fn try_raw(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Sends a chunk.
    pub fn chunk(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        self.raw([format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat());
    }

    /// Reads the next piece of the body, and records it; empty at its end.
    ///
    /// # Errors
    /// If it breaks off.
    pub fn piece(&mut self) -> io::Result<Vec<u8>> {
        let mut trailers = Vec::new();
        let piece = piece(&mut self.reader, &mut self.framing, &mut trailers)?;
        if let Some(recorded) = lock(&self.log).requests.get_mut(self.index) {
            recorded.body.extend_from_slice(&piece);
            recorded.trailers.extend(trailers);
        }
        Ok(piece)
    }

    /// Reads the body to its end.
    ///
    /// # Panics
    /// If it breaks off.
    pub fn body(&mut self) -> Vec<u8> {
        self.try_body().expect("a whole body")
    }

    /// Reads the body to its end.
    ///
    /// # Errors
    /// If it breaks off.
    pub fn try_body(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let piece = self.piece()?;
            if piece.is_empty() {
                return Ok(body);
            }
            body.extend(piece);
        }
    }

    /// Reads whatever comes next, unframed; empty at the end.
    ///
    /// # Panics
    /// If the connection fails.
    pub fn bytes(&mut self) -> Vec<u8> {
        piece(&mut self.reader, &mut Framing::Close, &mut Vec::new()).expect("bytes")
    }

    /// Closes the connection once the closure returns.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Closes the connection and waits until the gate has noticed, and closed its side.
    ///
    /// # Panics
    /// If it does not.
    pub fn hang_up(&mut self) {
        self.stream.shutdown(std::net::Shutdown::Write).expect("shutdown");
        self.await_close();
    }

    /// Waits until the gate has closed the connection.
    ///
    /// # Panics
    /// If it does not.
    pub fn await_close(&mut self) {
        self.stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
        loop {
            match piece(&mut self.reader, &mut Framing::Close, &mut Vec::new()) {
                Ok(piece) if piece.is_empty() => break,
                Ok(_) => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    panic!("the gate keeps the connection open")
                }
                Err(_) => break,
            }
        }
        self.closed = true;
    }
}
