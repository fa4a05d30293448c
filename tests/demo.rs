//! `palisade demo`, as its visitor meets it.

#[path = "support/http.rs"]
mod http;
#[path = "support/table.rs"]
mod table;

use std::process::Command;

use http::Running;

fn demo() -> Running {
    Running::start(Command::new(env!("CARGO_BIN_EXE_palisade")).args(["demo", "--listen", "127.0.0.1:0"]))
}

#[test]
fn a14_the_guides_example_routes_answer_line_by_line() {
    let demo = demo();
    let quick: Vec<u16> = (0..10).map(|_| demo.send("GET", "/api/test-rate-limit", &[], "").status).collect();
    assert_eq!(quick, [200, 200, 200, 200, 200, 429, 429, 429, 429, 429]);

    let (cookie, token) = demo.token();
    let json = ("content-type", "application/json");
    let cookie = ("cookie", cookie.as_str());
    let post = |token: Option<&str>, title: &str| {
        let mut headers = vec![json, cookie];
        headers.extend(token.map(|token| ("x-csrf-token", token)));
        demo.send("POST", "/api/example-protected", &headers, &format!("{{\"title\":\"{title}\"}}"))
    };
    let missing = post(None, "Hello");
    assert_eq!((missing.status, missing.error().as_str()), (403, "CSRF token missing"));
    let fake = post(Some("fake"), "Hello");
    assert_eq!((fake.status, fake.error().as_str()), (403, "CSRF token invalid"));
    let fresh = post(Some(&token), "Hello");
    assert_eq!(fresh.status, 200, "{}", fresh.body);
    let reused = post(Some(&token), "Hello");
    assert_eq!((reused.status, reused.error().as_str()), (403, "CSRF token already used"));
    let long = post(Some(fresh.header("x-csrf-token")), &"x".repeat(101));
    assert_eq!((long.status, long.error().as_str()), (400, "Validation failed"));

    let (_, token) = demo.token();
    let headers = [json, ("x-csrf-token", token.as_str())];
    assert_ne!(demo.send("POST", "/api/example-account", &headers, "{}").status, 200, "wants an identity");
}

#[test]
fn a14_the_proxy_answers_the_table() {
    table::check(&demo());
}

#[test]
fn a1_a_refusal_leaves_an_event() {
    let demo = demo();
    for _ in 0..6 {
        demo.send("GET", "/api/test-rate-limit", &[], "");
    }
    let event = demo.event(|event| event["palisade.code"] == "rate-limited");
    assert_eq!(event["palisade.stage"], "rate");
    assert_eq!(event["http.response.status_code"], 429);
    assert_eq!(event["http.route"], "/api/test-rate-limit");
    assert_eq!(event["client.key"], "127.0.0.1");
}

#[test]
fn the_page_explains_itself_and_carries_nonce_and_token() {
    let demo = demo();
    let page = demo.send("GET", "/", &[("sec-fetch-dest", "document"), ("sec-fetch-mode", "navigate")], "");
    let nonce = page.header("content-security-policy").split("'nonce-").nth(1).and_then(|rest| rest.split('\'').next());
    assert!(page.body.contains(&format!("<script nonce=\"{}\"", nonce.expect("nonce"))));
    assert!(page.body.contains("public_origin") && page.body.contains(&format!("http://{}", demo.address)));
    let token = page.body.split("name=\"_csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("token");
    let cookie = page.header("set-cookie").split(';').next().expect("cookie").to_owned();
    let headers = [("cookie", cookie.as_str()), ("content-type", "application/x-www-form-urlencoded")];
    let sent = demo.send("POST", "/contact", &headers, &format!("_csrf={token}&message=%3Cb%3E"));
    assert_eq!(sent.status, 200);
    assert!(sent.body.contains("&lt;b&gt;"));
}

#[test]
fn it_ends_cleanly_on_sigterm() {
    let mut demo = demo();
    let told = Command::new("kill").arg(demo.pid().to_string()).status().expect("kill");
    assert!(told.success() && demo.wait().success());
}
