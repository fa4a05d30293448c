//! One table of requests that every face of the gate must answer alike: the proxy, the layer inside an axum app.

use super::http::{Answer, Running};

struct Case {
    name: &'static str,
    method: &'static str,
    target: &'static str,
    headers: &'static [(&'static str, &'static str)],
    session: Session,
    body: &'static str,
    status: u16,
    code: Option<&'static str>,
}

/// What the request brings along.
#[derive(Clone, Copy, PartialEq)]
enum Session {
    Nothing,
    Cookie,
    Token,
    FormToken,
}

use Session::{Cookie, FormToken, Nothing, Token};

const JSON: (&str, &str) = ("content-type", "application/json");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const TITLE: &str = r#"{"title":"Hello"}"#;

#[rustfmt::skip]
const CASES: &[Case] = &[
    Case { name: "undeclared page", method: "GET", target: "/", headers: &[], session: Nothing, body: "", status: 200, code: None },
    Case { name: "head of a page", method: "HEAD", target: "/", headers: &[], session: Nothing, body: "", status: 200, code: None },
    Case { name: "unsafe on an undeclared path", method: "POST", target: "/nothing", headers: &[], session: Nothing, body: "", status: 405, code: Some("method-not-allowed") },
    Case { name: "undeclared method", method: "DELETE", target: "/api/test-rate-limit", headers: &[], session: Nothing, body: "", status: 405, code: Some("method-not-allowed") },
    Case { name: "trace", method: "TRACE", target: "/", headers: &[], session: Nothing, body: "", status: 405, code: Some("method-not-allowed") },
    Case { name: "another case", method: "GET", target: "/API/test-rate-limit", headers: &[], session: Nothing, body: "", status: 400, code: Some("path-malformed") },
    Case { name: "a trailing slash", method: "GET", target: "/api/test-rate-limit/", headers: &[], session: Nothing, body: "", status: 400, code: Some("path-malformed") },
    Case { name: "a needless escape", method: "GET", target: "/api/%74est-rate-limit", headers: &[], session: Nothing, body: "", status: 400, code: Some("path-malformed") },
    Case { name: "dots", method: "GET", target: "/api/../api/boom", headers: &[], session: Nothing, body: "", status: 400, code: Some("path-malformed") },
    Case { name: "no token", method: "POST", target: "/api/example-protected", headers: &[JSON], session: Nothing, body: TITLE, status: 403, code: Some("csrf-token-missing") },
    Case { name: "a cookie alone", method: "POST", target: "/api/example-protected", headers: &[JSON], session: Cookie, body: TITLE, status: 403, code: Some("csrf-token-missing") },
    Case { name: "a made-up token", method: "POST", target: "/api/example-protected", headers: &[JSON, ("x-csrf-token", "fake")], session: Cookie, body: TITLE, status: 403, code: Some("csrf-token-invalid") },
    Case { name: "two tokens", method: "POST", target: "/api/example-protected", headers: &[JSON, ("x-csrf-token", "a"), ("x-csrf-token", "b")], session: Cookie, body: TITLE, status: 400, code: Some("header-malformed") },
    Case { name: "a fresh token", method: "POST", target: "/api/example-protected", headers: &[JSON], session: Token, body: TITLE, status: 200, code: None },
    Case { name: "a fresh token from elsewhere", method: "POST", target: "/api/example-protected", headers: &[JSON, ("origin", "https://evil.example")], session: Token, body: TITLE, status: 403, code: Some("csrf-cross-origin") },
    Case { name: "same-site is not same-origin", method: "POST", target: "/api/example-protected", headers: &[JSON, ("sec-fetch-site", "same-site")], session: Token, body: TITLE, status: 403, code: Some("csrf-cross-origin") },
    Case { name: "two origins", method: "POST", target: "/api/example-protected", headers: &[JSON, ("origin", "https://a.example"), ("origin", "https://b.example")], session: Token, body: TITLE, status: 400, code: Some("header-malformed") },
    Case { name: "the application's own refusal", method: "POST", target: "/api/example-protected", headers: &[JSON], session: Token, body: r#"{"title":""}"#, status: 400, code: None },
    Case { name: "identity required", method: "POST", target: "/api/example-account", headers: &[JSON], session: Token, body: TITLE, status: 401, code: Some("auth-required") },
    Case { name: "a form's token", method: "POST", target: "/contact", headers: &[FORM], session: FormToken, body: "message=hello", status: 200, code: None },
    Case { name: "a form without", method: "POST", target: "/contact", headers: &[FORM], session: Cookie, body: "message=hello", status: 403, code: Some("csrf-token-missing") },
    Case { name: "a compressed form", method: "POST", target: "/contact", headers: &[FORM, ("content-encoding", "gzip")], session: FormToken, body: "message=hello", status: 415, code: Some("media-type") },
    Case { name: "a body too large", method: "POST", target: "/contact", headers: &[FORM], session: FormToken, body: LARGE, status: 413, code: Some("body-too-large") },
    Case { name: "an error in development", method: "GET", target: "/api/boom", headers: &[], session: Nothing, body: "", status: 500, code: None },
    Case { name: "a token for another site", method: "GET", target: "/api/csrf", headers: &[("sec-fetch-site", "cross-site")], session: Nothing, body: "", status: 403, code: Some("csrf-cross-origin") },
    Case { name: "options", method: "OPTIONS", target: "/api/example-protected", headers: &[], session: Nothing, body: "", status: 204, code: None },
];

const LARGE: &str = match std::str::from_utf8(&[b'x'; 70_000]) {
    Ok(text) => text,
    Err(_) => "",
};

/// Sends every request of the table and compares what came back.
pub(crate) fn check(gate: &Running) {
    for case in CASES {
        let answer = send(gate, case);
        assert_eq!(answer.status, case.status, "{}: {}", case.name, answer.body);
        if let Some(code) = case.code {
            assert_eq!(answer.json()["code"], code, "{}", case.name);
            assert_eq!(answer.header("cache-control"), "no-store", "{}", case.name);
        }
        for name in ["x-content-type-options", "content-security-policy", "x-request-id", "referrer-policy"] {
            assert!(!answer.header(name).is_empty(), "{}: no {name}", case.name);
        }
    }
}

fn send(gate: &Running, case: &Case) -> Answer {
    let (cookie, token) = gate.token();
    let mut headers = case.headers.to_vec();
    if case.session != Nothing {
        headers.push(("cookie", &cookie));
    }
    if case.session == Token {
        headers.push(("x-csrf-token", &token));
    }
    let field = format!("_csrf={token}&");
    let body = if case.session == FormToken { field + case.body } else { case.body.to_owned() };
    gate.send(case.method, case.target, &headers, &body)
}
