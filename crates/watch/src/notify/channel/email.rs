//! Mail by SMTP (RFC 5321), text and HTML (RFC 2046 multipart/alternative).
//!
//! `smtp://` demands STARTTLS and sends nothing where the server does not offer it; `smtps://` speaks TLS from the first byte.
//! Plain text goes to this machine alone: `smtp://127.0.0.1:25?tls=none`.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use lettre::address::Envelope;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{Message, SmtpTransport, Transport as _};
use palisade_event::Untrusted;

use super::{BadTarget, Notice};
use crate::notify::words;
use crate::store::{Outcome, StoreFault};

/// Who writes to whom, by which server.
pub(super) struct Mailer {
    transport: SmtpTransport,
    from: Mailbox,
    to: Vec<Mailbox>,
}

/// For each step of the exchange.
const PATIENCE: Duration = Duration::from_secs(15);
/// Before another attempt, where the server asks for one; the courier makes it longer each time.
const AGAIN: Duration = Duration::ZERO;

impl Mailer {
    pub(super) fn new(variable: &str, server: &str, from: &str, to: &[String]) -> Result<Mailer, BadTarget> {
        let mailbox = |text: &str| text.parse::<Mailbox>().map_err(|_| BadTarget::Mailbox(text.to_owned()));
        let transport = transport(server).ok_or_else(|| BadTarget::Server(variable.to_owned()))?;
        let to = to.iter().map(|text| mailbox(text)).collect::<Result<_, _>>()?;
        Ok(Mailer { transport, from: mailbox(from)?, to })
    }

    /// Sends a message. The connection is made and closed here: alerts are rare.
    pub(super) fn send(&self, id: &str, notice: &Notice, begin: impl FnOnce() -> Result<(), StoreFault>) -> Outcome {
        let Some((envelope, mail)) = self.mail(id, notice) else {
            return Outcome::Dead { why: "no mail can be made of it".to_owned() };
        };
        if begin().is_err() {
            return Outcome::Again { why: "the store cannot be written".to_owned(), after: AGAIN };
        }
        match self.transport.send_raw(&envelope, &mail) {
            Ok(_) => Outcome::Delivered,
            // The text of a server's answer may repeat addresses, and is a stranger's.
            Err(error) if error.is_permanent() => Outcome::Dead { why: said("the server refuses it", &error) },
            Err(error) => Outcome::Again { why: said("the server does not take it now", &error), after: AGAIN },
        }
    }

    fn mail(&self, id: &str, notice: &Notice) -> Option<(Envelope, Vec<u8>)> {
        let host = self.from.email.domain();
        let mut mail = Message::builder()
            .from(self.from.clone())
            .subject(Untrusted::new(&words::headline(notice)).cut(200).terminal().to_string())
            // The same for every attempt, so that a mailbox shows one of two copies; a thread hangs together.
            .message_id(Some(format!("<{id}@{host}>")))
            .references(format!("<{}.thread@{host}>", plain(&notice.thread)));
        for to in &self.to {
            mail = mail.to(to.clone());
        }
        let part = |kind, body| SinglePart::builder().header(kind).body(body);
        let both = MultiPart::alternative()
            .singlepart(part(ContentType::TEXT_PLAIN, as_text(notice)))
            .singlepart(part(ContentType::TEXT_HTML, as_html(notice)));
        let mail = mail.multipart(both).ok()?;
        Some((mail.envelope().clone(), mail.formatted()))
    }
}

fn said(what: &str, error: &lettre::transport::smtp::Error) -> String {
    match error.status() {
        Some(code) => format!("{what}: {code}"),
        None if error.is_tls() => format!("{what}: TLS cannot be had"),
        None if error.is_timeout() => format!("{what}: it took too long"),
        None => format!("{what}: no connection"),
    }
}

/// `smtp://user:password@host:587`, `smtps://user:password@host:465`.
fn transport(text: &str) -> Option<SmtpTransport> {
    let (scheme, rest) = text.split_once("://")?;
    let (rest, query) = rest.split_once('?').map_or((rest, ""), |(rest, query)| (rest, query));
    let (login, place) = rest.rsplit_once('@').map_or((None, rest), |(login, place)| (Some(login), place));
    let place = place.trim_end_matches('/');
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse::<u16>().ok()?)),
        _ => (place, None),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let parameters = || TlsParameters::new(host.to_owned()).ok();
    let (tls, usual) = match (scheme, query) {
        ("smtp", "") => (Tls::Required(parameters()?), 587),
        ("smtps", "") => (Tls::Wrapper(parameters()?), 465),
        ("smtp", "tls=none") if here => (Tls::None, 25),
        _ => return None,
    };
    if host.is_empty() {
        return None;
    }
    let mut builder =
        SmtpTransport::builder_dangerous(host).port(port.unwrap_or(usual)).tls(tls).timeout(Some(PATIENCE));
    if let Some((user, password)) = login.and_then(|login| login.split_once(':')) {
        builder = builder.credentials(Credentials::new(decoded(user)?, decoded(password)?));
    }
    Some(builder.build())
}

/// `%40` for what an address has a meaning for.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let hex = |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        bytes.push(if byte == b'%' { hex(rest.next())? << 4 | hex(rest.next())? } else { byte });
    }
    String::from_utf8(bytes).ok()
}

fn as_text(notice: &Notice) -> String {
    let mut text = format!("{}\n\n", words::headline(notice));
    let mut add = |line: &str| {
        let _ = writeln!(text, "{}", Untrusted::new(line).terminal());
    };
    words::summary(notice).iter().for_each(|line| add(line));
    for brief in &notice.briefs {
        add("");
        add(&words::facts(brief));
        for (name, value) in &brief.group {
            add(&format!("  {name} {value}"));
        }
        for (path, count) in &brief.paths {
            add(&format!("  {count} x {path}"));
        }
        brief.steps.iter().for_each(|step| add(&format!("  - {step}")));
        add(&format!("  {}", words::how(brief)));
    }
    if let Some(link) = words::link(notice) {
        add(&format!("\n{link}").replace('\n', ""));
    }
    add(&format!("{}, {}", notice.environment, words::moment(notice.at)));
    text
}

fn as_html(notice: &Notice) -> String {
    let safe = |text: &str| Untrusted::new(text).html().to_string();
    let mut html = String::from("<!doctype html><html lang=\"en\"><body style=\"font-family:sans-serif\">");
    let _ = write!(html, "<h2>{}</h2>", safe(&words::headline(notice)));
    for line in words::summary(notice) {
        let _ = write!(html, "<p>{}</p>", safe(&line));
    }
    for brief in &notice.briefs {
        let _ = write!(html, "<h3>{}</h3><ul>", safe(&words::facts(brief)));
        for (name, value) in &brief.group {
            let _ = write!(html, "<li>{}: <code>{}</code></li>", safe(name), safe(value));
        }
        for (path, count) in &brief.paths {
            let _ = write!(html, "<li>{count} x <code>{}</code></li>", safe(path));
        }
        html.push_str("</ul><ol>");
        for step in &brief.steps {
            let _ = write!(html, "<li>{}</li>", safe(step));
        }
        let _ = write!(html, "</ol><p><code>{}</code></p>", safe(&words::how(brief)));
    }
    if let Some(link) = words::link(notice) {
        let _ = write!(html, "<p><a href=\"{}\">Open the dashboard</a></p>", safe(&link));
    }
    let _ = write!(html, "<p>{}, {}</p></body></html>", safe(&notice.environment), words::moment(notice.at));
    html
}

/// A thread's name as a part of a message id.
fn plain(text: &str) -> String {
    text.chars().map(|char| if char.is_ascii_alphanumeric() { char } else { '-' }).collect()
}
