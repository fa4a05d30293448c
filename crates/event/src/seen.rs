use std::borrow::Cow;
use std::net::IpAddr;

use crate::{
    ClientKey, Code, Decision, Event, EventTime, Field, Kind, Names, Outcome, Signal, Stage, Tag, Value, write,
};

/// An event from whichever source, for rules to match: the gate's own, a log line, a report of an application.
///
/// Everything but the time may be missing. Borrowed from the line where it can be; text that a stranger wrote is as it
/// was sent, so whoever shows it encodes it with [`Untrusted`](crate::Untrusted).
#[derive(Debug, Clone, PartialEq)]
pub struct Seen<'a> {
    /// When it happened.
    pub time: EventTime,
    /// From what kind of log it was read.
    pub source: Source,
    /// Names the event among all: of two with the same id, one is a copy.
    pub id: Option<Cow<'a, str>>,
    /// Not about one request: what the line says instead (`dropped`, `other`, `reloaded`).
    pub notice: Option<Cow<'a, str>>,
    /// The application.
    pub service: Option<Cow<'a, str>>,
    /// Where it runs: `production`, `preview`.
    pub environment: Option<Cow<'a, str>>,
    /// What a gate did.
    pub decision: Option<Decision>,
    /// The stage that refused.
    pub stage: Option<Stage>,
    /// The code of the refusal or fault.
    pub code: Option<Code>,
    /// The kind of the route.
    pub kind: Option<Kind>,
    /// The template of the route.
    pub route: Option<Cow<'a, str>>,
    /// The method, as sent.
    pub method: Option<Cow<'a, str>>,
    /// The host that was asked.
    pub host: Option<Cow<'a, str>>,
    /// The path, as sent, without the query.
    pub path: Option<Cow<'a, str>>,
    /// The query, without its `?`; values named like secrets are `***`.
    pub query: Option<Cow<'a, str>>,
    /// The page that linked here, without its query.
    pub referrer: Option<Cow<'a, str>>,
    /// The status that went to the client.
    pub status: Option<u16>,
    /// The client's address behind the trusted proxies.
    pub client_address: Option<IpAddr>,
    /// Who is counted.
    pub client: Option<ClientKey>,
    /// ISO 3166-1 alpha-2 of the client's address.
    pub country: Option<Cow<'a, str>>,
    /// The request's id.
    pub request_id: Option<Cow<'a, str>>,
    /// The user agent, as sent.
    pub user_agent: Option<Cow<'a, str>>,
    /// Keyed hash of the session.
    pub session: Option<Cow<'a, str>>,
    /// The caller.
    pub user: Option<Cow<'a, str>>,
    /// How an attempt ended.
    pub outcome: Option<Outcome>,
    /// What happened, in a word: `login`, `admin-action`.
    pub action: Option<Cow<'a, str>>,
    /// The type by which an application reported it.
    pub kind_of_report: Option<Cow<'a, str>>,
    /// What went wrong, as the application names it.
    pub error: Option<Cow<'a, str>>,
    /// Where the visit can be watched again.
    pub replay: Option<Cow<'a, str>>,
    /// Time to the response, in microseconds.
    pub duration_micros: Option<u64>,
    /// Bytes of the request's body.
    pub request_bytes: Option<u64>,
    /// Bytes of the response's body.
    pub response_bytes: Option<u64>,
    /// Bits of [`Tag`].
    pub tags: u8,
    /// Bits of [`Signal`].
    pub signals: u8,
    /// Which fields of the input failed validation: JSON pointers with spaces between them.
    pub fields: Option<Cow<'a, str>>,
    /// Whether a client may be blocked for it: only what a gate itself saw the client do.
    pub attributable: bool,
    /// The run of the owner's probes that it belongs to, as a gate says it: no incident is made of it.
    pub run: Option<Cow<'a, str>>,
    /// How many equal events this one stands for. 0 for a notice that stands for no request.
    pub count: u32,
}

/// From what kind of log an event was read. It says which fields may be expected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The gate's own events.
    Gate,
    /// nginx or Apache, by a format of fields in a line.
    Access,
    /// Caddy's JSON.
    Caddy,
    /// Traefik's JSON.
    Traefik,
    /// A log drain of Vercel.
    Vercel,
    /// AWS Application Load Balancer.
    Alb,
    /// Clerk's webhooks.
    Clerk,
    /// An application: reports to the intake, `logSecurityEvent` lines, any JSON in a schema that is known.
    #[default]
    Application,
}

/// The tags as [`Names`] knows them.
const TAGS: &[(u8, &str)] = &{
    let mut table = [(0, ""); Tag::ALL.len()];
    let mut at = 0;
    while at < table.len() {
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
        {
            table[at] = (Tag::ALL[at].bit(), Tag::ALL[at].id());
        }
        at += 1;
    }
    table
};

/// The signals as [`Names`] knows them.
const SIGNALS: &[(u8, &str)] = &{
    let mut table = [(0, ""); Signal::ALL.len()];
    let mut at = 0;
    while at < table.len() {
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
        {
            table[at] = (Signal::ALL[at].bit(), Signal::ALL[at].id());
        }
        at += 1;
    }
    table
};

// === impl Seen ===

impl<'a> Seen<'a> {
    /// An event of which only the time and the source are known. It counts once and blames nobody.
    #[must_use]
    pub const fn at(time: EventTime, source: Source) -> Seen<'a> {
        Seen {
            time,
            source,
            id: None,
            notice: None,
            service: None,
            environment: None,
            decision: None,
            stage: None,
            code: None,
            kind: None,
            route: None,
            method: None,
            host: None,
            path: None,
            query: None,
            referrer: None,
            status: None,
            client_address: None,
            client: None,
            country: None,
            request_id: None,
            user_agent: None,
            session: None,
            user: None,
            outcome: None,
            action: None,
            kind_of_report: None,
            error: None,
            replay: None,
            duration_micros: None,
            request_bytes: None,
            response_bytes: None,
            tags: 0,
            signals: 0,
            fields: None,
            attributable: false,
            run: None,
            count: 1,
        }
    }

    /// When it happened.
    #[must_use]
    pub const fn time(&self) -> EventTime {
        self.time
    }

    /// What a field holds; `None` where the source did not say.
    #[must_use]
    pub fn field(&self, field: Field) -> Option<Value<'_>> {
        match field {
            Field::Timestamp => i64::try_from(self.time.micros()).ok().map(Value::Number),
            Field::Service => text(&self.service),
            Field::Decision => self.decision.map(|decision| Value::Text(decision.id())),
            Field::Stage => self.stage.map(|stage| Value::Text(stage.id())),
            Field::Code => self.code.map(|code| Value::Text(code.id())),
            Field::Kind => self.kind.map(|kind| Value::Text(kind.id())),
            Field::Route => text(&self.route),
            Field::Method => text(&self.method),
            Field::Path => text(&self.path),
            Field::Status => self.status.map(|status| Value::Number(i64::from(status))),
            Field::ClientAddress => self.client_address.map(Value::Address),
            Field::ClientKey => self.client.map(|client| Value::Address(client.address())),
            Field::RequestId => text(&self.request_id),
            Field::UserAgent => text(&self.user_agent),
            Field::Session => text(&self.session),
            Field::User => text(&self.user),
            Field::Outcome => self.outcome.map(|outcome| Value::Text(outcome.id())),
            Field::Duration => number(self.duration_micros),
            Field::Tags => (self.tags != 0).then(|| Value::Names(Names::new(self.tags, TAGS))),
            Field::Signals => (self.signals != 0).then(|| Value::Names(Names::new(self.signals, SIGNALS))),
            Field::Fields => text(&self.fields),
            Field::Attributable => Some(Value::Flag(self.attributable)),
            Field::Run => text(&self.run),
            Field::Query => text(&self.query),
            Field::Referrer => text(&self.referrer),
            Field::Host => text(&self.host),
            Field::Country => text(&self.country),
            Field::RequestBytes => number(self.request_bytes),
            Field::ResponseBytes => number(self.response_bytes),
            Field::Action => text(&self.action),
            Field::Type => text(&self.kind_of_report),
            Field::Error => text(&self.error),
            Field::Replay => text(&self.replay),
            Field::Environment => text(&self.environment),
            Field::Notice => text(&self.notice),
            Field::Source => Some(Value::Text(self.source.id())),
            Field::Id => text(&self.id),
            Field::Count => Some(Value::Number(i64::from(self.count))),
        }
    }

    /// Sets the address, and with it who is counted.
    pub fn set_client(&mut self, address: IpAddr) {
        let address = address.to_canonical();
        self.client_address = Some(address);
        self.client = Some(ClientKey::of(address));
    }

    /// Appends the event as one JSON object and a line feed, in the form of the gate's own lines: [`decode`](crate::decode())
    /// reads it back. Texts are cut at 1 KiB.
    pub fn encode(&self, line: &mut Vec<u8>) {
        write::seen(self, line);
    }

    /// The same event, owning its text: for those who keep it beyond its line.
    #[must_use]
    pub fn into_owned(self) -> Seen<'static> {
        fn own(text: Option<Cow<'_, str>>) -> Option<Cow<'static, str>> {
            text.map(|text| Cow::Owned(text.into_owned()))
        }
        Seen {
            id: own(self.id),
            notice: own(self.notice),
            service: own(self.service),
            environment: own(self.environment),
            route: own(self.route),
            method: own(self.method),
            host: own(self.host),
            path: own(self.path),
            query: own(self.query),
            referrer: own(self.referrer),
            country: own(self.country),
            request_id: own(self.request_id),
            user_agent: own(self.user_agent),
            session: own(self.session),
            user: own(self.user),
            action: own(self.action),
            kind_of_report: own(self.kind_of_report),
            error: own(self.error),
            replay: own(self.replay),
            fields: own(self.fields),
            run: own(self.run),
            ..self
        }
    }
}

impl<'a> From<&Event<'a>> for Seen<'a> {
    fn from(event: &Event<'a>) -> Seen<'a> {
        Seen {
            service: Some(Cow::Borrowed(event.service)),
            decision: Some(event.decision),
            stage: event.stage,
            code: event.code,
            kind: event.kind,
            route: event.route.map(Cow::Borrowed),
            method: Some(Cow::Borrowed(event.method)),
            path: Some(Cow::Borrowed(event.path)),
            status: Some(event.status),
            client_address: Some(event.client_address),
            client: Some(event.client),
            request_id: Some(Cow::Borrowed(event.request_id)),
            user_agent: event.user_agent.map(Cow::Borrowed),
            session: event.session.map(|session| Cow::Owned(format!("{session:016x}"))),
            user: event.user.map(Cow::Borrowed),
            outcome: event.outcome,
            kind_of_report: event.report.map(Cow::Borrowed),
            duration_micros: Some(event.duration_micros),
            tags: event.tags,
            signals: event.signals,
            fields: event.fields.map(Cow::Borrowed),
            attributable: event.attributable,
            run: event.run.map(|run| Cow::Owned(format!("{run:016x}"))),
            count: event.count,
            ..Seen::at(EventTime::from_micros(event.time_micros), Source::Gate)
        }
    }
}

// === impl Source ===

impl Source {
    /// Every source.
    pub const ALL: [Source; 8] = [
        Source::Gate,
        Source::Access,
        Source::Caddy,
        Source::Traefik,
        Source::Vercel,
        Source::Alb,
        Source::Clerk,
        Source::Application,
    ];

    /// The name in events.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Source::Gate => "gate",
            Source::Access => "access",
            Source::Caddy => "caddy",
            Source::Traefik => "traefik",
            Source::Vercel => "vercel",
            Source::Alb => "alb",
            Source::Clerk => "clerk",
            Source::Application => "application",
        }
    }

    /// The source of that name.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Source> {
        Source::ALL.into_iter().find(|source| source.id() == id)
    }
}

fn text<'a>(text: &'a Option<Cow<'_, str>>) -> Option<Value<'a>> {
    text.as_deref().map(Value::Text)
}

fn number(number: Option<u64>) -> Option<Value<'static>> {
    number.map(|number| Value::Number(i64::try_from(number).unwrap_or(i64::MAX)))
}
