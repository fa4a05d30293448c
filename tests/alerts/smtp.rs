//! A server of mail: enough of RFC 5321 and RFC 3207 to be sent to, with or without TLS.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

pub(crate) struct Smtp {
    pub(crate) address: SocketAddr,
    /// The certificate of whoever is to trust it, as PEM.
    pub(crate) root: String,
    said: Arc<Mutex<Vec<String>>>,
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

impl Smtp {
    /// `tls` says whether STARTTLS is offered.
    pub(crate) fn start(tls: bool) -> Smtp {
        let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
        let config = config.with_no_client_auth().with_single_cert(vec![own.cert.der().clone()], key).expect("config");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let (address, said) = (listener.local_addr().expect("an address"), Arc::<Mutex<Vec<String>>>::default());
        let (heard, config) = (Arc::clone(&said), Arc::new(config));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let _ = converse(stream, tls, &config, &heard);
            }
        });
        Smtp { address, root: own.cert.pem(), said }
    }

    /// Everything that was said to it, a line each; `(tls)` where TLS began.
    pub(crate) fn said(&self) -> String {
        self.said.lock().expect("lock").join("\n")
    }
}

fn converse(
    stream: TcpStream,
    tls: bool,
    config: &Arc<ServerConfig>,
    heard: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut plain: Box<dyn Stream> = Box::new(stream.try_clone()?);
    plain.write_all(b"220 mail.test ESMTP\r\n")?;
    if !talk(&mut plain, tls, heard)? {
        return Ok(());
    }
    heard.lock().expect("lock").push("(tls)".to_owned());
    let connection = ServerConnection::new(Arc::clone(config)).map_err(std::io::Error::other)?;
    let mut secure: Box<dyn Stream> = Box::new(StreamOwned::new(connection, stream));
    talk(&mut secure, false, heard).map(drop)
}

/// Answers until QUIT; whether TLS shall begin.
fn talk(stream: &mut Box<dyn Stream>, tls: bool, heard: &Mutex<Vec<String>>) -> std::io::Result<bool> {
    let mut reader = BufReader::new(stream);
    let mut in_data = false;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(false);
        }
        let line = line.trim_end_matches(['\r', '\n']).to_owned();
        heard.lock().expect("lock").push(line.clone());
        let word = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        let answer: &[u8] = match word.as_str() {
            "." if in_data => {
                in_data = false;
                b"250 kept\r\n"
            }
            _ if in_data => continue,
            "EHLO" if tls => b"250-mail.test\r\n250 STARTTLS\r\n",
            "EHLO" => b"250-mail.test\r\n250 AUTH PLAIN LOGIN\r\n",
            "STARTTLS" if tls => b"220 go ahead\r\n",
            "AUTH" => b"235 welcome\r\n",
            "MAIL" | "RCPT" | "RSET" | "NOOP" => b"250 fine\r\n",
            "DATA" => {
                in_data = true;
                b"354 go on\r\n"
            }
            "QUIT" => b"221 bye\r\n",
            _ => b"502 what?\r\n",
        };
        reader.get_mut().write_all(answer)?;
        reader.get_mut().flush()?;
        match word.as_str() {
            "STARTTLS" if tls => return Ok(true),
            "QUIT" => return Ok(false),
            _ => {}
        }
    }
}
