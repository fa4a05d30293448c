use std::borrow::Cow;
use std::io::Write as _;
use std::net::Ipv4Addr;

use palisade_event::{Code, Decision, EventTime, Kind, Outcome, Seen, Source, Stage, Tag, rfc3339};

/// A request, as both the gate and a web server before an application would tell it.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Microseconds since the epoch.
    pub time: u64,
    /// Who asks.
    pub client: Ipv4Addr,
    /// Where they live.
    pub country: &'static str,
    /// The method.
    pub method: &'static str,
    /// The path.
    pub path: Cow<'static, str>,
    /// The query; the gate tells only its signals.
    pub query: Option<Cow<'static, str>>,
    /// The template of the route.
    pub route: &'static str,
    /// The kind of the route.
    pub kind: Kind,
    /// The status of the answer.
    pub status: u16,
    /// Why the gate refused, or what failed.
    pub code: Option<Code>,
    /// Who is signed in.
    pub user: Option<u32>,
    /// How a sign-in ended.
    pub outcome: Option<Outcome>,
    /// Bits of signals, as the gate sees them.
    pub signals: u8,
    /// The browser.
    pub agent: &'static str,
    /// Bytes of the answer.
    pub bytes: u32,
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

// === impl Request ===

impl Request {
    /// What is read from the gate's line of it.
    #[must_use]
    pub fn seen(&self) -> Seen<'_> {
        let refused = self.code.filter(|code| code.status() < 500);
        let stage = refused.map(stage);
        let mut seen = Seen {
            service: Some("shop".into()),
            decision: Some(if refused.is_some() { Decision::Refuse } else { Decision::Admit }),
            stage,
            code: self.code,
            kind: Some(self.kind),
            route: Some(self.route.into()),
            method: Some(self.method.into()),
            path: Some(Cow::Borrowed(&self.path)),
            status: Some(self.status),
            country: Some(self.country.into()),
            request_id: Some(format!("{:026}", self.time).into()),
            user_agent: Some(self.agent.into()),
            user: self.user.map(|user| format!("user_{user}").into()),
            session: self.user.map(|user| format!("{:016x}", u64::from(user) * 0x9e37_79b9).into()),
            outcome: self.outcome,
            duration_micros: Some(u64::from(self.bytes) * 3 + 900),
            signals: self.signals,
            tags: if self.route == "/api/csrf" { Tag::CsrfTokenIssued.bit() } else { 0 },
            fields: self.fields().map(Into::into),
            attributable: true,
            ..Seen::at(EventTime::from_micros(self.time), Source::Gate)
        };
        seen.set_client(self.client.into());
        seen
    }

    /// Which fields failed, where input did: mostly the address of a mail, at times more than that.
    #[must_use]
    pub fn fields(&self) -> Option<&'static str> {
        let every = ["/email", "/email", "/message", "/email /message", "/attachments/*/name"];
        let at = usize::try_from(self.time / 1000 % 5).ok()?;
        every.get(at).copied().filter(|_| self.code == Some(Code::ValidationFailed))
    }

    /// Appends the gate's line. The country is in it as a database of addresses would add it.
    pub fn gate_line(&self, line: &mut Vec<u8>) {
        self.seen().encode(line);
    }

    /// Appends the line of nginx's combined format. Times have no fractions there.
    pub fn combined_line(&self, line: &mut Vec<u8>) {
        let mut date = Vec::with_capacity(32);
        rfc3339(self.time, &mut date);
        let date = String::from_utf8_lossy(&date);
        let part = |from, to| date.get(from..to).unwrap_or_default();
        let month = part(5, 7).parse::<usize>().ok().and_then(|month| MONTHS.get(month.wrapping_sub(1)));
        let (day, year, time) = (part(8, 10), part(0, 4), part(11, 19));
        let _ = write!(line, "{} - - [{day}/{}/{year}:{time} +0000] ", self.client, month.unwrap_or(&"Jan"));
        let _ = write!(line, "\"{} {}", self.method, self.path);
        if let Some(query) = &self.query {
            let _ = write!(line, "?{query}");
        }
        let _ = writeln!(line, " HTTP/1.1\" {} {} \"-\" \"{}\"", self.status, self.bytes, self.agent);
    }
}

/// The stage that says a code.
fn stage(code: Code) -> Stage {
    match code.id() {
        "rate-limited" => Stage::Rate,
        "csrf-cross-origin" => Stage::Origin,
        "csrf-token-reused" => Stage::Claim,
        id if id.starts_with("csrf-") => Stage::CsrfToken,
        id if id.starts_with("auth-") || id.starts_with("token-") => Stage::Identity,
        id if id.starts_with("forbidden-") => Stage::Access,
        "validation-failed" => Stage::Body,
        _ => Stage::Target,
    }
}
