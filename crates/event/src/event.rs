use std::net::IpAddr;

use crate::{ClientKey, Code, Kind, Stage, encode};

/// What the gate did with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// The request went to the application.
    Admit,
    /// The gate refused the request.
    Refuse,
    /// `mode = "observe"`: the request went on, and enforcing would have refused it.
    WouldRefuse,
    /// The gate answered by itself: a CSRF token, a preflight, `Allow`.
    Answer,
}

impl Decision {
    /// The name in events.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Decision::Admit => "admit",
            Decision::Refuse => "refuse",
            Decision::WouldRefuse => "would-refuse",
            Decision::Answer => "answer",
        }
    }

    /// Every decision.
    pub const ALL: [Decision; 4] = [Decision::Admit, Decision::Refuse, Decision::WouldRefuse, Decision::Answer];

    /// The decision of that name.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Decision> {
        Decision::ALL.into_iter().find(|known| known.id() == id)
    }
}

/// How a sign-in ended, as far as the gate can tell. ECS calls it `event.outcome`, and OpenTelemetry has no name for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The application's answer was the one that the policy declares as a success.
    Success,
    /// It was another answer.
    Failure,
    /// The application did not judge the attempt: no answer, or a server error.
    Unknown,
}

impl Outcome {
    /// The name in events.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Outcome::Success => "success",
            Outcome::Failure => "failure",
            Outcome::Unknown => "unknown",
        }
    }

    /// Every outcome.
    pub const ALL: [Outcome; 3] = [Outcome::Success, Outcome::Failure, Outcome::Unknown];

    /// The outcome of that name.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Outcome> {
        Outcome::ALL.into_iter().find(|known| known.id() == id)
    }
}

/// A thing worth knowing beside the decision; an event may carry several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tag {
    /// A trusted proxy sent an address that cannot be read; the last readable hop was counted.
    ForwardedMalformed,
    /// The limiter's set was full of refused clients; a shared cell was charged.
    LimiterOverflow,
    /// The table of used tokens forgot some; older tokens of forgotten sessions are refused. Or that of accepted
    /// messages did.
    ClaimWatermark,
    /// A server action came without a manifest to decide by.
    ActionUnknown,
    /// The upstream's error body was replaced.
    ErrorMasked,
    /// The application answered a route that the policy does not declare.
    RouteUndeclared,
    /// A provider sent a message again that the application had accepted: its answer was lost.
    MessageRepeated,
    /// The visitor was given a CSRF token: by the endpoint for it, or in a page. The one that comes back with an accepted
    /// write is not told.
    CsrfTokenIssued,
}

impl Tag {
    /// Every tag, in the order they are written.
    pub const ALL: [Tag; 8] = [
        Tag::ForwardedMalformed,
        Tag::LimiterOverflow,
        Tag::ClaimWatermark,
        Tag::ActionUnknown,
        Tag::ErrorMasked,
        Tag::RouteUndeclared,
        Tag::MessageRepeated,
        Tag::CsrfTokenIssued,
    ];

    /// The name in events.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Tag::ForwardedMalformed => "forwarded-malformed",
            Tag::LimiterOverflow => "limiter-overflow",
            Tag::ClaimWatermark => "claim-watermark",
            Tag::ActionUnknown => "action-unknown",
            Tag::ErrorMasked => "error-masked",
            Tag::RouteUndeclared => "route-undeclared",
            Tag::MessageRepeated => "message-repeated",
            Tag::CsrfTokenIssued => "csrf-token-issued",
        }
    }

    /// The tag's bit in [`Event::tags`].
    #[must_use]
    pub const fn bit(self) -> u8 {
        1 << self as u8
    }

    /// The tag of that name.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Tag> {
        Tag::ALL.into_iter().find(|known| known.id() == id)
    }
}

/// What an attack looks like that the input of a request resembles. A signal is a hint for the detector, not a verdict:
/// it refuses only on routes that say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signal {
    /// Markup or a scheme that would run as a script.
    Xss,
    /// A value that breaks out of a SQL literal.
    SqlInjection,
    /// A path that climbs out of its folder, or names a system file.
    Traversal,
    /// A path, header or value that scanners of known holes send.
    KnownExploit,
    /// A path, query or value far longer than people send.
    ExcessiveLength,
}

impl Signal {
    /// Every signal, in the order they are written.
    pub const ALL: [Signal; 5] =
        [Signal::Xss, Signal::SqlInjection, Signal::Traversal, Signal::KnownExploit, Signal::ExcessiveLength];

    /// The name in events.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Signal::Xss => "xss",
            Signal::SqlInjection => "sql-injection",
            Signal::Traversal => "traversal",
            Signal::KnownExploit => "known-exploit",
            Signal::ExcessiveLength => "excessive-length",
        }
    }

    /// The signal's bit in [`Event::signals`].
    #[must_use]
    pub const fn bit(self) -> u8 {
        1 << self as u8
    }

    /// The signal of that name.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Signal> {
        Signal::ALL.into_iter().find(|known| known.id() == id)
    }
}

/// One request, or one line of many equal refusals, as the gate saw it.
///
/// Borrowed: made once at the response head, encoded into a buffer of the thread, and gone. Secrets, tokens, cookies,
/// bodies and query strings never enter it; `url.path` is the canonical path that was matched.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// Microseconds since the Unix epoch.
    pub time_micros: u64,
    /// The application's name in the policy.
    pub service: &'a str,
    /// What was done.
    pub decision: Decision,
    /// The stage that refused, or would have.
    pub stage: Option<Stage>,
    /// The code of the refusal, or of the fault.
    pub code: Option<Code>,
    /// The kind of the route, once known.
    pub kind: Option<Kind>,
    /// The template of the route, once known.
    pub route: Option<&'a str>,
    /// The request method, as sent.
    pub method: &'a str,
    /// The path, as sent, without the query.
    pub path: &'a str,
    /// The status that went to the client.
    pub status: u16,
    /// The client's address behind the trusted proxies.
    pub client_address: IpAddr,
    /// Who is counted.
    pub client: ClientKey,
    /// The request's id, also in `X-Request-Id`.
    pub request_id: &'a str,
    /// The user agent, as sent.
    pub user_agent: Option<&'a str>,
    /// Keyed hash of the session, when there is one.
    pub session: Option<u64>,
    /// The verified caller's subject, where the route looks at one.
    pub user: Option<&'a str>,
    /// How a sign-in ended; only of attempts that reached the application. Never which account was named.
    pub outcome: Option<Outcome>,
    /// The type by which the application reported what happened, in `X-Palisade-Event`.
    pub report: Option<&'a str>,
    /// Time from request head to response head, in microseconds.
    pub duration_micros: u64,
    /// Bits of [`Tag`].
    pub tags: u8,
    /// Bits of [`Signal`].
    pub signals: u8,
    /// Which fields of the input failed validation: JSON pointers with spaces between them, indexes as `*`. None but of
    /// `validation-failed`.
    pub fields: Option<&'a str>,
    /// Whether the client's own doing can be told from the request: false for requests another site caused.
    pub attributable: bool,
    /// The run of the owner's probes that it belongs to: no incident is made of it.
    pub run: Option<u64>,
    /// How many equal refusals this line stands for; 1 for a request of its own.
    pub count: u32,
}

impl Event<'_> {
    /// Appends the event to `line` as one JSON object and a line feed.
    ///
    /// Allocates only when `line` must grow. Text from the request is escaped so that a line stays one line and pure
    /// printable ASCII where the text is hostile; paths, user agents and subjects are cut at 1 KiB.
    pub fn encode(&self, line: &mut Vec<u8>) {
        encode::event(self, line);
    }

    /// Whether `tag` is set.
    #[must_use]
    pub const fn has(&self, tag: Tag) -> bool {
        self.tags & tag.bit() != 0
    }
}
