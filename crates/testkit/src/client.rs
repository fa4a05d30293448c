use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::PATIENCE;
use crate::message::{Framing, Head, Response, piece};

/// A client that sends what it is told, byte for byte.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
    framing: Framing,
    trailers: Vec<(String, String)>,
}

impl Client {
    /// Connects.
    ///
    /// # Panics
    /// If it cannot.
    #[must_use]
    pub fn connect(address: SocketAddr) -> Client {
        Client::try_connect(address).expect("connect")
    }

    /// Connects.
    ///
    /// # Errors
    /// If nobody listens.
    pub fn try_connect(address: SocketAddr) -> io::Result<Client> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let reader = BufReader::new(stream.try_clone()?);
        Ok(Client { stream, reader, framing: Framing::Length(0), trailers: Vec::new() })
    }

    /// Sends bytes.
    ///
    /// # Panics
    /// If the connection is gone.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("send");
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// If the connection is gone.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Sends a request without body and reads the response.
    pub fn get(&mut self, path: &str) -> Response {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", crate::HOST));
        self.response()
    }

    /// Reads a response, interim ones passed over.
    ///
    /// # Panics
    /// If none comes.
    pub fn response(&mut self) -> Response {
        self.response_to("GET")
    }

    /// Reads the response to a request of that method.
    ///
    /// # Panics
    /// If none comes.
    pub fn response_to(&mut self, method: &str) -> Response {
        let mut response = self.head_to(method);
        loop {
            match self.try_piece() {
                Ok(piece) if piece.is_empty() => break,
                Ok(piece) => response.body.extend(piece),
                Err(_) => {
                    response.complete = false;
                    break;
                }
            }
        }
        response.trailers = std::mem::take(&mut self.trailers);
        response
    }

    /// Reads the head of a response; the body is left to [`Client::piece`].
    pub fn head(&mut self) -> Response {
        self.head_to("GET")
    }

    fn head_to(&mut self, method: &str) -> Response {
        loop {
            let head = Head::read(&mut self.reader).expect("a response").expect("a response, not the end");
            let status = head.start.split(' ').nth(1).and_then(|status| status.parse().ok());
            let status: u16 = status.unwrap_or_else(|| panic!("no status: {}", head.start));
            let empty = method == "HEAD" || matches!(status, 101 | 204 | 304);
            let framing = if empty { Framing::Length(0) } else { head.framing().unwrap_or(Framing::Close) };
            self.framing = framing;
            if status == 101 || status >= 200 {
                return Response { status, head, complete: true, ..Response::default() };
            }
        }
    }

    /// The next piece of the body; empty at its end.
    ///
    /// # Panics
    /// If it breaks off.
    pub fn piece(&mut self) -> Vec<u8> {
        self.try_piece().expect("a piece of the body")
    }

    /// The next piece of the body; empty at its end.
    ///
    /// # Errors
    /// If it breaks off.
    pub fn try_piece(&mut self) -> io::Result<Vec<u8>> {
        piece(&mut self.reader, &mut self.framing, &mut self.trailers)
    }

    /// Reads exactly so many raw bytes.
    ///
    /// # Panics
    /// If they do not come.
    pub fn raw(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.reader.read_exact(&mut bytes).expect("bytes");
        bytes
    }

    /// Everything up to the end of the connection, however it ends.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let _ = self.reader.read_to_end(&mut bytes);
        bytes
    }

    /// The first bytes of whatever is answered, as text; nothing if the connection is closed without a word.
    pub fn rest_or_response(&mut self) -> String {
        let mut bytes = [0; 1024];
        let read = self.reader.read(&mut bytes).unwrap_or_default();
        String::from_utf8_lossy(bytes.get(..read).unwrap_or_default()).into_owned()
    }

    /// Whether the gate closes the connection without another byte.
    ///
    /// # Panics
    /// If it does neither within the patience of a test.
    pub fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        match self.reader.read(&mut byte) {
            Ok(read) => read == 0,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                panic!("the connection stays open")
            }
            Err(_) => true,
        }
    }

    /// Ends the sending side, or all.
    ///
    /// # Panics
    /// If the connection is gone.
    pub fn shutdown(&mut self, how: std::net::Shutdown) {
        self.stream.shutdown(how).expect("shutdown");
    }
}
