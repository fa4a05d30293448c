//! Every code that can occur, provoked once: it leaves with the protections and one record.

use super::*;

/// How a refusal of each code comes about; `None` where the stage that makes it is not built.
fn cause(code: Code) -> Option<Cause> {
    let ours = |request: http::request::Builder| request.header("origin", "https://shop.example");
    let form = || ours(request("POST", "/form"));
    let urlencoded = || form().header("content-type", "application/x-www-form-urlencoded");
    Some(match code {
        Code::PathMalformed => Cause::Head(request("GET", "/a/../b")),
        Code::HostUnknown => Cause::Head(Request::builder().uri("/").header("host", "evil.example")),
        Code::HeaderMalformed => Cause::Head(request("GET", "/").header("host", "shop.example")),
        Code::BodyMalformed => Cause::Broken(urlencoded()),
        Code::ValidationFailed => Cause::Head(ours(request("POST", "/watched?q=%3Cscript%3Ealert(1)%3C/script%3E"))),
        Code::SignatureMissing => Cause::Head(request("POST", "/hook")),
        Code::AuthRequired => Cause::Head(request("GET", "/me")),
        Code::CsrfTokenMissing => Cause::Head(form()),
        Code::CsrfTokenInvalid => Cause::Head(form().header("x-csrf-token", "garbage")),
        Code::CsrfTokenExpired => Cause::Expired,
        Code::CsrfTokenReused => Cause::Reused,
        Code::CsrfCrossOrigin => Cause::Head(request("POST", "/form").header("origin", "https://evil.example")),
        Code::RouteUndeclared => Cause::Head(request("GET", "/nosuch")),
        Code::MethodNotAllowed => Cause::Head(request("POST", "/me")),
        Code::BodyTooLarge => Cause::Body(ours(request("POST", "/open")), 2 << 20),
        Code::MediaType => Cause::Body(urlencoded().header("content-encoding", "gzip"), 8),
        Code::RateLimited => Cause::Often(request("GET", "/slow"), 1),
        Code::LoginLocked => Cause::Often(ours(request("POST", "/login")), 10),
        Code::Internal => Cause::Fault(Fault::Internal),
        Code::UpstreamUnreachable => Cause::Fault(Fault::Unreachable),
        Code::Overloaded => Cause::Fault(Fault::Overloaded),
        Code::StateUnavailable => Cause::NoState,
        Code::UpstreamTimeout => Cause::Fault(Fault::Timeout),
        Code::FramingMalformed | Code::TargetTooLong | Code::HeadTooLarge => Cause::Early(code),
        Code::SignatureInvalid
        | Code::SignatureStale
        | Code::SignatureReplayed
        | Code::TokenInvalid
        | Code::TokenExpired
        | Code::ForbiddenRole
        | Code::ForbiddenPermission
        | Code::ForbiddenPlan
        | Code::ForbiddenFeature
        | Code::ForbiddenOwner
        | Code::Blocked
        | Code::InFlight
        | Code::LengthRequired => return None,
    })
}

enum Cause {
    /// Whoever reads the message does not let it in.
    Early(Code),
    Head(http::request::Builder),
    Body(http::request::Builder, usize),
    /// The client's body breaks while the gate reads it.
    Broken(http::request::Builder),
    /// After so many that passed.
    Often(http::request::Builder, usize),
    /// The application fails, after the request was admitted.
    Fault(Fault),
    Expired,
    Reused,
    NoState,
}

fn gate_of_codes() -> Gate {
    let row = |kind, wants| row(kind, &["POST"], Proof::Token, wants);
    let at = |path: &str, row: Row, methods: &[&str]| Route { path: path.to_owned(), ..route(&row, methods) };
    let slow = Route::new("/slow", Kind::PublicRead);
    let login = Route {
        success: Some(Success::Status(302)),
        csrf: CsrfStrength::Origin,
        csrf_because: Some("a test".to_owned()),
        ..at("/login", row(Kind::Login, Wants::Nothing), &["POST"])
    };
    Gate::new(
        builder()
            .undeclared(Kind::Page, Undeclared { deny: true, unsafe_origin: false })
            .route(at("/", row(Kind::PublicRead, Wants::Nothing), READ))
            .route(at("/form", row(Kind::PublicForm, Wants::Nothing), &["POST"]))
            .route(Route { signals: Signals::Block, ..at("/watched", row(Kind::Search, Wants::Nothing), &["POST"]) })
            .route(at("/open", row(Kind::Delegated, Wants::Nothing), &["POST"]))
            .route(at("/hook", row(Kind::Webhook, Wants::Signature), &["POST"]))
            .route(at("/me", row(Kind::ProtectedRead, Wants::Identity), READ))
            .route(Route { limit: Limit::parse("1/min").ok(), ..slow })
            .route(login),
    )
}

/// Brings the refusal about, as a program or as a browser that navigates.
fn provoke(cause: Cause, navigates: bool) -> (Response<Bytes>, Record) {
    let mut gate = gate_of_codes();
    let shown = |request: http::request::Builder| {
        if navigates { request.header("sec-fetch-mode", "navigate") } else { request }
    };
    let with_token = |gate: &Gate| {
        let (cookie, token) = gate.token();
        let request = request("POST", "/form").header("origin", "https://shop.example");
        move || shown(request_like(&request).header("cookie", &cookie).header("x-csrf-token", &token))
    };
    let told = |outcome: Outcome| (outcome.response, outcome.record);
    match cause {
        Cause::Early(code) => {
            let (head, ()) = shown(request("GET", "/")).body(()).expect("request").into_parts();
            let answer = gate.plan.turn_away(&view(&head), code, None, &gate.env());
            answer.into_response(&gate.env())
        }
        Cause::Head(request) => told(gate.send(empty(shown(request)))),
        Cause::Body(request, length) => {
            told(gate.send(shown(request).body(Bytes::from(vec![b'x'; length])).expect("request")))
        }
        Cause::Broken(request) => drive(&gate, shown(request), Collected::Broken, Claimed::Unavailable { nodes: 1 }),
        Cause::Often(request, times) => {
            for _ in 0..times {
                assert!(gate.send(empty(request_like(&request))).admitted());
            }
            told(gate.send(empty(shown(request))))
        }
        Cause::Fault(fault) => {
            let (head, _) = empty(shown(request("GET", "/"))).into_parts();
            let admitted = gate.decide(&head, &Bytes::new()).expect("admitted");
            let (head, body, record, _) = admitted.fail(fault, &gate.env());
            (Response::from_parts(head, body), record)
        }
        Cause::Expired => {
            let request = with_token(&gate);
            gate.seconds += 3600;
            told(gate.send(empty(request())))
        }
        Cause::Reused => {
            let request = with_token(&gate);
            assert!(gate.send(empty(request())).admitted());
            told(gate.send(empty(request())))
        }
        Cause::NoState => drive(&gate, with_token(&gate)(), Collected::TooSlow, Claimed::Unavailable { nodes: 1 }),
    }
}

fn request_like(builder: &http::request::Builder) -> http::request::Builder {
    let method = builder.method_ref().expect("method").clone();
    let mut copy = Request::builder().method(method).uri(builder.uri_ref().expect("uri").clone());
    copy.headers_mut().expect("headers").clone_from(builder.headers_ref().expect("headers"));
    copy
}

fn view(head: &http::request::Parts) -> View<'_> {
    View {
        method: &head.method,
        uri: &head.uri,
        version: head.version,
        headers: &head.headers,
        peer: Peer { address: [198, 51, 100, 1].into() },
        body: BodyHint::Chunked,
    }
}

/// Answers every question in the same way, up to the refusal.
fn drive(gate: &Gate, request: http::request::Builder, body: Collected, claimed: Claimed) -> (Response<Bytes>, Record) {
    let (head, ()) = request.body(()).expect("request").into_parts();
    let view = view(&head);
    let env = gate.env();
    let (mut step, mut body) = (gate.plan.inspect(&view, &env), Some(body));
    loop {
        let resume = match step {
            Step::Admit(_) => panic!("admitted"),
            Step::Answer(answer) => return answer.into_response(&env),
            Step::Need(Need::Claim(ask)) => ask.reply(claimed),
            Step::Need(Need::Keys(ask)) => ask.reply(Keys::Unavailable),
            Step::Need(Need::Pause(ask)) => ask.reply(palisade_guard::Paused),
            Step::Need(Need::Fold(ask)) => {
                let folded = ask.question.here();
                ask.reply(folded)
            }
            Step::Need(Need::Lease(ask)) => ask.reply(palisade_guard::shared::Leased::Unavailable { nodes: 1 }),
            Step::Need(Need::Collect(ask)) => ask.reply(body.take().expect("asked once")),
        };
        step = resume.run(&view, &env);
    }
}

#[test]
fn every_code_that_can_occur_leaves_with_the_protections_and_one_record() {
    for code in Code::ALL.iter().copied() {
        for navigates in [false, true] {
            let Some(cause) = cause(code) else { continue };
            let (response, record) = provoke(cause, navigates);
            assert_eq!(record.event().code, Some(code));
            let expect = if code.status() < 500 { Decision::Refuse } else { record.event().decision };
            assert_eq!(record.event().decision, expect, "{code}");
            is_protected(&response, &record, true);
            let (kind, csp) = (&response.headers()["content-type"], &response.headers()["content-security-policy"]);
            let expect = if navigates { "text/html; charset=utf-8" } else { "application/problem+json" };
            assert_eq!(kind, expect, "{code}");
            assert!(!csp.to_str().expect("ascii").contains("script-src"), "{code}: a refusal runs nothing");
            let text = std::str::from_utf8(response.body()).expect("utf-8");
            assert!(navigates == text.starts_with("<!doctype html>") && text.contains(record.event().request_id));
        }
    }
}
