use std::fmt;

use palisade_event::Code;

/// What is wrong with a token. The client is told the [`Code`]; the fault is for logs and tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TokenFault {
    /// It is longer than any token.
    TooLong,
    /// It has not three parts.
    Shape,
    /// A part is not base64url, or not in its one spelling.
    Encoding,
    /// Its header is no JSON object, has a doubled key, or a `kid` that is no text.
    Header,
    /// Its header makes demands that are not understood (`crit`, `b64`).
    Critical,
    /// Its header brings a key, or names where one lies.
    ForeignKey,
    /// Its `typ` or `cat` is not that of a session.
    Type,
    /// Its algorithm is not one of the issuer's.
    Algorithm,
    /// The issuer has no such key.
    Key,
    /// The signature is not the key's.
    Signature,
    /// Its payload is no JSON object, has a doubled key, or a claim of the wrong type.
    Claims,
    /// Another issuer made it.
    Issuer,
    /// It names nobody.
    Subject,
    /// It belongs to a machine, not to a session.
    Machine,
    /// It is for another audience.
    Audience,
    /// Another party asked for it.
    Party,
    /// It is not good yet.
    NotYet,
    /// It was issued in the future.
    Future,
    /// It is over.
    Expired,
    /// The session waits for something before it counts as signed in.
    Pending,
}

impl TokenFault {
    /// The kebab-case name.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            TokenFault::TooLong => "token-too-long",
            TokenFault::Shape => "token-shape",
            TokenFault::Encoding => "token-encoding",
            TokenFault::Header => "token-header",
            TokenFault::Critical => "token-critical",
            TokenFault::ForeignKey => "token-foreign-key",
            TokenFault::Type => "token-type",
            TokenFault::Algorithm => "token-algorithm",
            TokenFault::Key => "token-key",
            TokenFault::Signature => "token-signature",
            TokenFault::Claims => "token-claims",
            TokenFault::Issuer => "token-issuer",
            TokenFault::Subject => "token-subject",
            TokenFault::Machine => "token-machine",
            TokenFault::Audience => "token-audience",
            TokenFault::Party => "token-party",
            TokenFault::NotYet => "token-not-yet",
            TokenFault::Future => "token-future",
            TokenFault::Expired => "token-expired",
            TokenFault::Pending => "token-pending",
        }
    }

    /// What the client is told.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            TokenFault::Expired => Code::TokenExpired,
            TokenFault::Pending => Code::AuthRequired,
            _ => Code::TokenInvalid,
        }
    }
}

impl fmt::Display for TokenFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl std::error::Error for TokenFault {}
