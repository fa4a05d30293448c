//! Every kind by every method, credential, spelling of the path, provenance and token, against a table written by
//! hand: what the table forbids is never forwarded, and every response carries the protections and one record.
//! SECURITY.md, test 2; SIGNATURES.md, "Where it will rot" 2.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods, reason = "a test")]
#![allow(clippy::result_large_err, clippy::too_many_lines, clippy::type_complexity, reason = "tables and doubles")]

#[path = "matrix/codes.rs"]
mod codes;
#[path = "support/gate.rs"]
mod support;

use std::collections::BTreeSet;

use bytes::Bytes;
use http::{Request, Response};
use palisade_event::{Code, Decision, Kind};
use palisade_guard::{BodyHint, Claimed, Collected, Fault, Keys, Need, Peer, Record, Step, View};
use palisade_policy::{
    CsrfStrength, Limit, Method as Verb, Methods, PolicyBuilder, Route, Signals, Signature, SignatureScheme, Success,
    Undeclared,
};
use support::{Gate, Outcome, builder, empty, request};

// === the table ===

/// What a declared route of each kind lets through. Nothing here asks the code under test.
#[derive(Debug, Clone, Copy)]
struct Row {
    kind: Kind,
    /// The largest set of methods that the kind may declare without giving a reason.
    methods: &'static [&'static str],
    proof: Proof,
    wants: Wants,
}

/// What an unsafe request must prove of its origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    Nothing,
    Origin,
    Token,
}

/// What a route wants beyond that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wants {
    Nothing,
    Identity,
    Signature,
}

const READ: &[&str] = &["GET", "HEAD"];
const WRITE: &[&str] = &["POST", "PUT", "PATCH", "DELETE"];
const ALL: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

const fn row(kind: Kind, methods: &'static [&'static str], proof: Proof, wants: Wants) -> Row {
    Row { kind, methods, proof, wants }
}

const TABLE: [Row; 18] = [
    row(Kind::Page, ALL, Proof::Origin, Wants::Nothing),
    row(Kind::Static, READ, Proof::Nothing, Wants::Nothing),
    row(Kind::Health, READ, Proof::Nothing, Wants::Nothing),
    row(Kind::PublicRead, READ, Proof::Nothing, Wants::Nothing),
    row(Kind::ProtectedRead, READ, Proof::Nothing, Wants::Identity),
    row(Kind::PublicForm, ALL, Proof::Token, Wants::Nothing),
    row(Kind::ProtectedWrite, WRITE, Proof::Token, Wants::Identity),
    row(Kind::Bulk, WRITE, Proof::Token, Wants::Identity),
    row(Kind::Account, WRITE, Proof::Token, Wants::Identity),
    row(Kind::Payment, WRITE, Proof::Token, Wants::Identity),
    row(Kind::Login, WRITE, Proof::Token, Wants::Nothing),
    row(Kind::Search, ALL, Proof::Origin, Wants::Nothing),
    row(Kind::Export, ALL, Proof::Token, Wants::Identity),
    row(Kind::Report, ALL, Proof::Token, Wants::Identity),
    row(Kind::Expensive, WRITE, Proof::Token, Wants::Identity),
    row(Kind::Upload, ALL, Proof::Token, Wants::Identity),
    row(Kind::Webhook, &["POST"], Proof::Nothing, Wants::Signature),
    row(Kind::Delegated, ALL, Proof::Origin, Wants::Nothing),
];

/// Paths that nobody declared, and those where `[undeclared]` says `unsafe = "origin"`. Of a kind without limit.
const UNDECLARED: Row = row(Kind::Delegated, READ, Proof::Origin, Wants::Nothing);
const UNDECLARED_UNSAFE: Row = row(Kind::Delegated, ALL, Proof::Origin, Wants::Nothing);

const METHODS: [&str; 11] =
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PURGE", "get"];

/// How the path is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spelling {
    /// As it is declared.
    Exact,
    /// Another path to the gate, perhaps the same to the application: forbidden beside a declared one.
    Alike,
    /// In no canonical form.
    Broken,
}

const SPELLINGS: [(&str, Spelling); 14] = [
    ("/api/thing", Spelling::Exact),
    ("/api/thing?x=%2e%2e%2f&_csrf=1", Spelling::Exact),
    ("/API/thing", Spelling::Alike),
    ("/api/Thing", Spelling::Alike),
    ("/api/thing/", Spelling::Alike),
    ("/api/thing;x=1", Spelling::Alike),
    ("/api;v=1/thing", Spelling::Alike),
    ("/api/%74hing", Spelling::Broken),
    ("/api%2fthing", Spelling::Broken),
    ("/api//thing", Spelling::Broken),
    ("/api/./thing", Spelling::Broken),
    ("/api/x/../thing", Spelling::Broken),
    ("/api/thing%3bx", Spelling::Broken),
    ("/api/thing%00", Spelling::Broken),
];

/// What a request shows of its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Credential {
    None,
    Cookie,
    Basic,
    BadBearer,
    BearerAndCookie,
}

const CREDENTIALS: [Credential; 5] =
    [Credential::None, Credential::Cookie, Credential::Basic, Credential::BadBearer, Credential::BearerAndCookie];

/// Where a request says it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Provenance {
    Silent,
    Ours,
    CrossSite,
    ForeignOrigin,
}

const PROVENANCES: [Provenance; 4] =
    [Provenance::Silent, Provenance::Ours, Provenance::CrossSite, Provenance::ForeignOrigin];

/// One request of the matrix.
#[derive(Debug, Clone, Copy)]
struct Case {
    method: &'static str,
    target: &'static str,
    spelling: Spelling,
    credential: Credential,
    provenance: Provenance,
    /// A good, unspent token of the cookie's session, in its header.
    token: bool,
}

/// What must come of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Forwarded,
    /// OPTIONS: by the gate itself.
    Answered,
    Refused(Code),
}

// === the oracle ===

/// What is proven by a credential: none of the matrix is genuine, so nobody is verified.
fn verified(_: Credential) -> Result<(), Code> {
    Err(Code::AuthRequired)
}

/// What the other checks say: no request of the matrix is signed or shows an identity, so these pass nobody.
fn satisfied(wants: Wants, credential: Credential) -> Result<(), Code> {
    match wants {
        Wants::Nothing => Ok(()),
        Wants::Identity => verified(credential),
        Wants::Signature => Err(Code::SignatureMissing),
    }
}

impl Credential {
    /// Whether a browser sends it along unasked: cookies, and what SECURITY.md 6 counts with them.
    fn is_ambient(self) -> bool {
        self == Credential::Basic || self.has_session()
    }

    /// Whether the session's cookie comes along, without which no token is good.
    fn has_session(self) -> bool {
        matches!(self, Credential::Cookie | Credential::BearerAndCookie)
    }

    /// Exempt from the token alone: no cookie, one Bearer, and that one verified.
    fn is_exempt(self, wants: Wants) -> bool {
        wants == Wants::Identity && self == Credential::BadBearer && verified(self).is_ok()
    }
}

fn expected(row: &Row, declared: bool, case: &Case) -> Verdict {
    if case.spelling == Spelling::Broken || (declared && case.spelling == Spelling::Alike) {
        return Verdict::Refused(Code::PathMalformed);
    }
    if case.method == "OPTIONS" {
        return Verdict::Answered;
    }
    if !row.methods.contains(&case.method) {
        return Verdict::Refused(Code::MethodNotAllowed);
    }
    if !READ.contains(&case.method)
        && let Err(code) = proven(row, case)
    {
        return Verdict::Refused(code);
    }
    match satisfied(row.wants, case.credential) {
        Ok(()) => Verdict::Forwarded,
        Err(code) => Verdict::Refused(code),
    }
}

/// The origin check and the token of an unsafe request.
fn proven(row: &Row, case: &Case) -> Result<(), Code> {
    let foreign = matches!(case.provenance, Provenance::CrossSite | Provenance::ForeignOrigin);
    let silent = case.provenance == Provenance::Silent;
    let token = match row.proof {
        Proof::Nothing => return Ok(()),
        Proof::Origin | Proof::Token if foreign => return Err(Code::CsrfCrossOrigin),
        Proof::Origin => silent && case.credential.is_ambient(),
        Proof::Token => !case.credential.is_exempt(row.wants),
    };
    match (token, case.token, case.credential.has_session()) {
        (false, _, _) | (true, true, true) => Ok(()),
        (true, false, _) => Err(Code::CsrfTokenMissing),
        // A token without the session it belongs to.
        (true, true, false) => Err(Code::CsrfTokenInvalid),
    }
}

// === the requests ===

/// A gate under test with the session of one visitor.
struct Bench {
    gate: Gate,
    cookie: String,
    token: String,
    /// Ids of every record so far: a request has one, and no other has the same.
    ids: BTreeSet<String>,
}

impl Bench {
    fn new(policy: PolicyBuilder) -> Bench {
        let gate = Gate::new(policy);
        let (cookie, token) = gate.token();
        Bench { gate, cookie, token, ids: BTreeSet::new() }
    }

    fn send(&mut self, case: &Case) -> Outcome {
        let mut request = request(case.method, case.target);
        request = match case.credential {
            Credential::None => request,
            Credential::Cookie => request.header("cookie", &self.cookie),
            Credential::Basic => request.header("authorization", "Basic dXNlcjpwYXNz"),
            Credential::BadBearer => request.header("authorization", "Bearer garbage"),
            Credential::BearerAndCookie => {
                request.header("authorization", LOOKS_GOOD).header("cookie", format!("{}; __session=x", self.cookie))
            }
        };
        request = match case.provenance {
            Provenance::Silent => request,
            Provenance::Ours => {
                request.header("origin", "https://shop.example").header("sec-fetch-site", "same-origin")
            }
            Provenance::CrossSite => request.header("sec-fetch-site", "cross-site"),
            Provenance::ForeignOrigin => request.header("origin", "https://evil.example"),
        };
        if case.token {
            request = request.header("x-csrf-token", &self.token);
        }
        let outcome = self.gate.send(empty(request));
        // The next one, where this one was spent. A session remembers 32 tokens and refuses what is as old as the rest.
        let next = outcome.header("x-csrf-token");
        if !next.is_empty() {
            next.clone_into(&mut self.token);
            self.gate.seconds += 1;
        }
        outcome
    }

    /// Sends every request there is, and compares.
    fn walk(&mut self, row: &Row, declared: bool, codes: &mut BTreeSet<Code>) {
        for case in cases() {
            let outcome = self.send(&case);
            let verdict = match (&outcome.forwarded, outcome.code()) {
                (Some(_), None) => Verdict::Forwarded,
                (None, None) => Verdict::Answered,
                (None, Some(code)) => Verdict::Refused(code),
                (Some(_), Some(code)) => panic!("forwarded with {code}: {row:?} {case:?}"),
            };
            assert_eq!(verdict, expected(row, declared, &case), "{row:?} {case:?}");
            codes.extend(outcome.code());
            let Outcome { forwarded, response, record } = &outcome;
            assert!(self.ids.insert(record.event().request_id.to_owned()), "a second record of one request");
            is_protected(response, record, forwarded.is_none());
        }
    }
}

/// Three parts that look like a token of the provider, signed by nobody.
const LOOKS_GOOD: &str = "Bearer eyJhbGciOiJSUzI1NiIsImtpZCI6Imluc18xIn0.eyJzdWIiOiJ1c2VyXzEiLCJpc3MiOiJodHRwczovL2NsZXJr\
                          LnNob3AuZXhhbXBsZSIsImV4cCI6NDEwMjQ0NDgwMH0.c2lnbmF0dXJl";

fn cases() -> impl Iterator<Item = Case> {
    let targets = METHODS.into_iter().flat_map(|method| SPELLINGS.map(|spelling| (method, spelling)));
    let senders = CREDENTIALS.into_iter().flat_map(|credential| PROVENANCES.map(|from| (credential, from)));
    let all = targets.flat_map(move |target| senders.clone().map(move |sender| (target, sender)));
    all.flat_map(|((method, (target, spelling)), (credential, provenance))| {
        [false, true].map(|token| Case { method, target, spelling, credential, provenance, token })
    })
}

fn route(row: &Row, methods: &[&str]) -> Route {
    let fixed = Route::new("/api/thing", row.kind);
    let signature = Signature { scheme: SignatureScheme::Stripe, secrets: vec!["STRIPE_WEBHOOK_SECRET".to_owned()] };
    Route {
        methods: methods.iter().filter_map(|method| Verb::from_id(method)).collect::<Methods>(),
        // The matrix is about the other stages; what is limited stays so, far above what is sent.
        limit: fixed.limit.and_then(|_| Limit::parse("1000/s").ok()),
        signature: (row.kind == Kind::Webhook).then_some(signature),
        media_types: if row.kind == Kind::Upload { vec!["image/png".to_owned()] } else { Vec::new() },
        success: (row.kind == Kind::Login).then_some(Success::Status(200)),
        ..fixed
    }
}

// === what every response carries ===

fn is_protected(response: &Response<Bytes>, record: &Record, own: bool) {
    let event = record.event();
    let one = |name: &str| {
        let mut lines = response.headers().get_all(name).iter();
        let value = lines.next().map_or("", |value| value.to_str().expect("ascii")).to_owned();
        assert!(lines.next().is_none(), "{name} twice");
        value
    };
    let what = || format!("{} {} -> {} {:?}", event.method, event.path, event.status, event.code);
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "strict-origin-when-cross-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("strict-transport-security", "max-age=31536000"),
        ("server", ""),
        ("x-powered-by", ""),
        ("access-control-allow-origin", ""),
        ("x-palisade-csrf-token", ""),
    ] {
        assert_eq!(one(name), value, "{name} of {}", what());
    }
    let (csp, features) = (one("content-security-policy"), one("permissions-policy"));
    for directive in ["default-src 'none'", "base-uri ", "form-action ", "frame-ancestors 'none'"] {
        assert!(csp.contains(directive), "{csp} of {}", what());
    }
    for feature in ["camera=()", "microphone=()", "geolocation=()", "browsing-topics=()"] {
        assert!(features.contains(feature), "{features} of {}", what());
    }
    assert_eq!(one("x-request-id"), event.request_id, "{}", what());
    assert_eq!(response.status().as_u16(), event.status, "{}", what());
    if own {
        assert_eq!(one("cache-control"), "no-store", "{}", what());
        assert_eq!(one("vary"), "Accept, Sec-Fetch-Mode, Sec-Fetch-Site, Cookie", "{}", what());
        assert!(!response.headers().contains_key("set-cookie"), "{}", what());
    }
    if let Some(code) = event.code {
        assert_eq!(code.status(), event.status, "{}", what());
        assert_eq!(code == Code::MethodNotAllowed, !one("allow").is_empty(), "{}", what());
    }
}

#[test]
fn nothing_that_the_table_forbids_is_forwarded_and_every_response_is_protected() {
    let mut codes = BTreeSet::new();
    for row in &TABLE {
        Bench::new(builder().route(route(row, row.methods))).walk(row, true, &mut codes);
    }
    for (row, unsafe_origin) in [(UNDECLARED, false), (UNDECLARED_UNSAFE, true)] {
        let undeclared = Undeclared { deny: false, unsafe_origin };
        Bench::new(builder().undeclared(row.kind, undeclared)).walk(&row, false, &mut codes);
    }
    let reached = [
        Code::PathMalformed,
        Code::SignatureMissing,
        Code::AuthRequired,
        Code::CsrfTokenMissing,
        Code::CsrfTokenInvalid,
        Code::CsrfCrossOrigin,
        Code::MethodNotAllowed,
    ];
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), reached, "the matrix reaches what it is about");
}

#[test]
fn the_table_names_every_kind_with_all_the_methods_it_may_have() {
    let named: BTreeSet<_> = TABLE.iter().map(|row| row.kind).collect();
    assert_eq!(named.len(), Kind::ALL.len());
    for row in &TABLE {
        let beyond = ALL.iter().filter(|method| !row.methods.contains(method));
        for method in beyond {
            let wider: Vec<_> = row.methods.iter().chain([method]).copied().collect();
            let built = builder().route(route(row, &wider)).build();
            assert!(built.is_err(), "{} with {method} needs no reason", row.kind);
        }
    }
}
