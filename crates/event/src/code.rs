use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $status:literal, $error:literal, $owasp:literal;)+) => {
        /// Why the gate answered instead of the application. Codes are stable: people filter, alert and test by them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[$doc])* $name,)+ }

        impl Code {
            /// Every code, in the order of the answer table.
            pub const ALL: &'static [Code] = &[$(Code::$name,)+];

            /// The kebab-case name in answers and events.
            #[must_use]
            pub const fn id(self) -> &'static str { match self { $(Code::$name => $id,)+ } }

            /// The HTTP status of the answer.
            #[must_use]
            pub const fn status(self) -> u16 { match self { $(Code::$name => $status,)+ } }

            /// The short text of the `error` field. Where the operations guide fixes a text, it is that text.
            #[must_use]
            pub const fn error(self) -> &'static str { match self { $(Code::$name => $error,)+ } }

            /// The OWASP reference: Top 10 (2021) or API Security Top 10 (2023).
            #[must_use]
            pub const fn owasp(self) -> &'static str { match self { $(Code::$name => $owasp,)+ } }
        }
    };
}

codes! {
    /// The message can be read in more than one way, or in none: refused before any stage, and the connection closes.
    FramingMalformed = "framing-malformed", 400, "Bad request", "A05:2021";
    /// The path is not in canonical form, or spells a declared path in another way.
    PathMalformed = "path-malformed", 400, "Bad request", "A01:2021";
    /// The Host is not an authority of `public_origin`.
    HostUnknown = "host-unknown", 400, "Bad request", "A05:2021";
    /// A header the gate decides by is duplicated, contradictory or unreadable.
    HeaderMalformed = "header-malformed", 400, "Bad request", "A05:2021";
    /// The body cannot be read as what it says it is.
    BodyMalformed = "body-malformed", 400, "Bad request", "A03:2021";
    /// The input does not match the route's schema.
    ValidationFailed = "validation-failed", 400, "Validation failed", "A03:2021";
    /// The webhook carries no signature.
    SignatureMissing = "signature-missing", 400, "Signature missing", "API2:2023";
    /// The webhook's signature is wrong.
    SignatureInvalid = "signature-invalid", 400, "Signature invalid", "API2:2023";
    /// The webhook's time stamp is too far from now.
    SignatureStale = "signature-stale", 400, "Signature stale", "API2:2023";
    /// The very same signed message was accepted before.
    SignatureReplayed = "signature-replayed", 400, "Signature replayed", "API2:2023";
    /// No identity was shown where one is required.
    AuthRequired = "auth-required", 401, "Unauthorized", "A07:2021";
    /// The identity token is not genuine or not for this site.
    TokenInvalid = "token-invalid", 401, "Unauthorized", "A07:2021";
    /// The identity token was good and is over.
    TokenExpired = "token-expired", 401, "Unauthorized", "A07:2021";
    /// A CSRF token is required and none came.
    CsrfTokenMissing = "csrf-token-missing", 403, "CSRF token missing", "A01:2021";
    /// The CSRF token is not ours, or belongs to another session.
    CsrfTokenInvalid = "csrf-token-invalid", 403, "CSRF token invalid", "A01:2021";
    /// The CSRF token is older than an hour.
    CsrfTokenExpired = "csrf-token-expired", 403, "CSRF token expired", "A01:2021";
    /// The CSRF token was used before.
    CsrfTokenReused = "csrf-token-reused", 403, "CSRF token already used", "A01:2021";
    /// The request comes from another origin, or cannot prove that it does not.
    CsrfCrossOrigin = "csrf-cross-origin", 403, "Cross-origin request refused", "A01:2021";
    /// The caller's role is not among those the route wants.
    ForbiddenRole = "forbidden-role", 403, "Forbidden", "API5:2023";
    /// The caller lacks a permission the route wants.
    ForbiddenPermission = "forbidden-permission", 403, "Forbidden", "API5:2023";
    /// The caller's plan does not include the route.
    ForbiddenPlan = "forbidden-plan", 403, "Forbidden", "API5:2023";
    /// The caller's plan lacks the feature.
    ForbiddenFeature = "forbidden-feature", 403, "Forbidden", "API5:2023";
    /// The resource belongs to someone else.
    ForbiddenOwner = "forbidden-owner", 403, "Forbidden", "API1:2023";
    /// Too many failed sign-ins for this identifier from this client.
    LoginLocked = "login-locked", 403, "Forbidden", "A07:2021";
    /// The client is blocked for a time.
    Blocked = "blocked", 403, "Forbidden", "A01:2021";
    /// No route of that path is declared.
    RouteUndeclared = "route-undeclared", 404, "Not found", "API9:2023";
    /// The path is declared, the method is not.
    MethodNotAllowed = "method-not-allowed", 405, "Method not allowed", "A01:2021";
    /// A copy of this message is being handled right now.
    InFlight = "in-flight", 409, "Conflict", "API2:2023";
    /// The request must say how long its body is.
    LengthRequired = "length-required", 411, "Length required", "API4:2023";
    /// The body is larger than the route takes.
    BodyTooLarge = "body-too-large", 413, "Payload too large", "API4:2023";
    /// The request line is longer than the gate reads.
    TargetTooLong = "target-too-long", 414, "URI too long", "API4:2023";
    /// The media type, encoding or charset is not one the route takes.
    MediaType = "media-type", 415, "Unsupported media type", "A03:2021";
    /// The request's head is larger, or has more fields, than the gate reads.
    HeadTooLarge = "head-too-large", 431, "Request header fields too large", "API4:2023";
    /// Too many requests from this client.
    RateLimited = "rate-limited", 429, "Too many requests", "API4:2023";
    /// The gate failed, and failed closed.
    Internal = "internal", 500, "Internal server error", "A05:2021";
    /// The application cannot be reached.
    UpstreamUnreachable = "upstream-unreachable", 502, "Bad gateway", "API4:2023";
    /// The gate has no room for this request now.
    Overloaded = "overloaded", 503, "Service unavailable", "API4:2023";
    /// The shared state cannot be asked, and this route does not go without it.
    StateUnavailable = "state-unavailable", 503, "Service unavailable", "API4:2023";
    /// The application did not answer in time.
    UpstreamTimeout = "upstream-timeout", 504, "Gateway timeout", "API4:2023";
}

impl Code {
    /// The title of the answer: the status' reason phrase.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self.status() {
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            409 => "Conflict",
            411 => "Length Required",
            413 => "Content Too Large",
            414 => "URI Too Long",
            415 => "Unsupported Media Type",
            429 => "Too Many Requests",
            431 => "Request Header Fields Too Large",
            502 => "Bad Gateway",
            503 => "Service Unavailable",
            504 => "Gateway Timeout",
            _ => "Internal Server Error",
        }
    }

    /// The code of that name.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Code> {
        Code::ALL.iter().copied().find(|code| code.id() == id)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_kebab_case_and_read_back() {
        for code in Code::ALL {
            assert_eq!(Code::from_id(code.id()), Some(*code));
            assert!(code.id().bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
        }
    }

    #[test]
    fn every_status_has_its_own_title() {
        for code in Code::ALL {
            assert_eq!(code.title() == "Internal Server Error", code.status() == 500, "{code}");
        }
    }
}
