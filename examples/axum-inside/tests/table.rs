//! The layer inside an app answers what the proxy answers.

#[path = "../../../tests/support/http.rs"]
mod http;
#[path = "../../../tests/support/table.rs"]
mod table;

use std::process::Command;

use http::Running;

fn start() -> Running {
    Running::start(Command::new(env!("CARGO_BIN_EXE_axum-inside")).arg("127.0.0.1:0"))
}

#[test]
fn a14_the_layer_answers_the_table() {
    table::check(&start());
}

#[test]
fn a14_ten_quick_requests() {
    let app = start();
    let quick: Vec<u16> = (0..10).map(|_| app.send("GET", "/api/test-rate-limit", &[], "").status).collect();
    assert_eq!(quick, [200, 200, 200, 200, 200, 429, 429, 429, 429, 429]);
}

#[test]
fn a5_a_handlers_own_protection_has_the_same_order() {
    let app = start();
    let (cookie, token) = app.token();
    let send = |token: &str| {
        let headers = [("cookie", cookie.as_str()), ("content-type", "application/json"), ("x-csrf-token", token)];
        app.send("POST", "/api/feedback", &headers, r#"{"title":"Hello"}"#)
    };
    assert_eq!(send(&token).status, 200);
    let refused: Vec<String> = (0..6).map(|_| send(&token).json()["code"].as_str().unwrap_or_default().to_owned()).collect();
    assert_eq!(refused[..4], ["csrf-token-reused"; 4]);
    assert_eq!(refused[4..], ["rate-limited"; 2], "a limited request does no token check");
}
