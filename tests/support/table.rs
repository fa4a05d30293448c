//! One table of requests that every face of the gate must answer alike: the proxy, the layer inside an axum app, and, read
//! from JavaScript, the wrappers inside a Next.js app.

use serde_json::Value;

use super::http::{Answer, Running};

/// The requests: data, as the app in JavaScript reads them too. `next` is what Next.js itself makes of a request before
/// the gate within it is asked, and why.
const CASES: &str = include_str!("table.json");

/// Sends every request of the table and compares what came back.
pub(crate) fn check(gate: &Running) {
    let cases: Vec<Value> = serde_json::from_str(CASES).expect("the table");
    assert!(cases.len() > 20);
    for case in &cases {
        let name = &case["name"];
        let answer = send(gate, case);
        assert_eq!(answer.status, case["status"], "{name}: {}", answer.body);
        if let Some(code) = case["code"].as_str() {
            assert_eq!(answer.json()["code"], code, "{name}");
            assert_eq!(answer.header("cache-control"), "no-store", "{name}");
        }
        for field in ["x-content-type-options", "content-security-policy", "x-request-id", "referrer-policy"] {
            assert!(!answer.header(field).is_empty(), "{name}: no {field}");
        }
    }
}

fn send(gate: &Running, case: &Value) -> Answer {
    let (cookie, token) = gate.token();
    let text = |value: &'static str| case[value].as_str().unwrap_or_default();
    let pairs = case["headers"].as_array().into_iter().flatten();
    let mut headers: Vec<_> =
        pairs.map(|pair| (pair[0].as_str().expect("a name"), pair[1].as_str().expect("a value"))).collect();
    let session = text("session");
    if !session.is_empty() {
        headers.push(("cookie", &cookie));
    }
    if session == "token" {
        headers.push(("x-csrf-token", &token));
    }
    // A number stands for a body of so many bytes.
    let large = case["body"].as_u64().map(|bytes| "x".repeat(usize::try_from(bytes).expect("a length")));
    let body = large.unwrap_or_else(|| text("body").to_owned());
    let body = if session == "form-token" { format!("_csrf={token}&{body}") } else { body };
    gate.send(text("method"), text("target"), &headers, &body)
}
