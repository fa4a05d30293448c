//! `palisade demo`, as its visitor meets it.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods, reason = "a test")]

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
fn a7_signing_in_opens_the_account_route_to_that_session_alone() {
    let demo = demo();
    let json = ("content-type", "application/json");
    let (sid, token) = demo.token();
    let send = |path: &str, cookie: &str, token: &str| {
        let headers = [json, ("cookie", cookie), ("x-csrf-token", token)];
        demo.send("POST", path, &headers, "{\"title\":\"Hello\"}")
    };
    let refused = send("/api/example-account", &sid, &token);
    assert_eq!((refused.status, refused.error().as_str()), (401, "Unauthorized"));
    let signed_in = send("/api/sign-in", &sid, &token);
    assert_eq!(signed_in.status, 200, "{}", signed_in.body);
    let session = signed_in.header("set-cookie").split(';').next().expect("cookie").to_owned();
    let anonymous = signed_in.header("x-csrf-token").to_owned();
    let stale = send("/api/example-account", &format!("{session}; {sid}"), &anonymous);
    assert_eq!((stale.status, stale.error().as_str()), (403, "CSRF token invalid"), "made before the sign-in");
    let fetched = demo.send("GET", "/api/csrf", &[("cookie", &format!("{session}; {sid}"))], "");
    let fresh = fetched.header("set-cookie").split(';').next().expect("cookie").to_owned();
    let token = fetched.body.split('"').nth(3).expect("token");
    let account = send("/api/example-account", &format!("{session}; {fresh}"), token);
    assert_eq!(account.status, 200, "{}", account.body);
    assert!(account.body.contains("demo-user"), "{}", account.body);
}

#[test]
fn guessing_a_password_locks_the_guesser_out_of_that_account_alone() {
    let demo = demo();
    let fetched = demo.send("GET", "/api/csrf", &[], "");
    let sid = fetched.header("set-cookie").split(';').next().expect("cookie").to_owned();
    let mut token = fetched.body.split('"').nth(3).expect("token").to_owned();
    let mut send = |user: &str, password: &str| {
        let headers =
            [("cookie", sid.as_str()), ("x-csrf-token", token.as_str()), ("content-type", "application/json")];
        let body = format!(r#"{{"user":"{user}","password":"{password}"}}"#);
        let answer = demo.send("POST", "/api/sign-in/password", &headers, &body);
        if !answer.header("x-csrf-token").is_empty() {
            answer.header("x-csrf-token").clone_into(&mut token);
        }
        answer
    };
    let statuses: Vec<u16> = (0..12).map(|guess| send("nobody", &format!("guess-{guess}")).status).collect();
    assert_eq!(statuses, [vec![401; 10], vec![403; 2]].concat());
    assert_eq!(send("nobody ", "demo").status, 403, "another spelling is the same account");
    let signed_in = send("demo-user", "demo");
    assert_eq!(signed_in.status, 200, "{}", signed_in.body);
    assert!(signed_in.body.contains("\"success\":true"), "the answer that was read goes on: {}", signed_in.body);
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
    let token =
        page.body.split("name=\"_csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("token");
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
