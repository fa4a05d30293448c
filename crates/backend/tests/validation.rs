//! Schemas, uploads and signals at the gate: what passes, what is answered, what an event tells.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::result_large_err, reason = "a test may panic")]

#[path = "../../guard/tests/support/gate.rs"]
mod support;

use bytes::Bytes;
use http::request;
use palisade_backend::providers;
use palisade_event::{Code, Kind, Stage};
use palisade_policy::{Limit, Limits, Method, Route, Schema, Signals};
use serde_json::{Value, json};
use support::{Gate, Outcome, body, builder, empty, get, post};

const CONTACT: &str = r#"{
    "type": "object", "additionalProperties": false, "required": ["email", "age"],
    "properties": {
        "email": { "type": "string", "format": "email", "maxLength": 254 },
        "age": { "type": "integer", "minimum": 18 },
        "agree": { "type": "boolean" },
        "tag": { "type": "array", "items": { "type": "string", "maxLength": 5 } }
    }
}"#;
const LIST: &str = r#"{
    "type": "object", "additionalProperties": false,
    "properties": { "id": { "type": "string", "pattern": "^[a-z0-9]+$" }, "page": { "type": "integer", "minimum": 1 } }
}"#;
const WHOLE: &str = r#"{
    "x-palisade-input": "request",
    "type": "object", "required": ["path", "query", "body"],
    "properties": {
        "path": { "properties": { "id": { "type": "integer" } } },
        "query": { "additionalProperties": false, "properties": { "dry": { "type": "boolean" } } },
        "body": { "required": ["a"] }
    }
}"#;

fn inline(text: &str) -> Option<Schema> {
    Some(Schema::Inline { text: text.to_owned(), span: None })
}

fn open(method: Method, path: &str, kind: Kind) -> Route {
    Route { limit: Limit::parse("1000/s").ok(), ..support::route(method, path, kind) }
}

fn gate() -> Gate {
    let policy = builder()
        .route(Route { schema: inline(CONTACT), ..open(Method::Post, "/contact", Kind::Search) })
        .route(Route { schema: inline(CONTACT), ..open(Method::Post, "/form", Kind::PublicForm) })
        .route(Route { schema: inline(LIST), ..open(Method::Get, "/items/{id}", Kind::PublicRead) })
        .route(Route { schema: inline(WHOLE), ..open(Method::Post, "/whole/{id}", Kind::Search) })
        .route(Route { signals: Signals::Block, ..open(Method::Post, "/strict", Kind::Search) })
        .route(Route { signals: Signals::Block, ..open(Method::Get, "/strict", Kind::PublicRead) })
        .route(open(Method::Post, "/loose", Kind::Search));
    Gate::with(policy, &providers())
}

fn ours(builder: request::Builder) -> request::Builder {
    builder.header("origin", "https://shop.example").header("sec-fetch-site", "same-origin")
}

fn send(gate: &Gate, path: &str, content_type: &str, text: &str) -> Outcome {
    gate.send(body(ours(post(path)).header("content-type", content_type), text))
}

fn signals(outcome: &Outcome) -> Value {
    let mut line = Vec::new();
    outcome.record.event().encode(&mut line);
    serde_json::from_slice::<Value>(&line).expect("a line")["palisade.signals"].clone()
}

#[test]
fn a10_bodies_pass_or_are_answered_with_their_fields() {
    let gate = gate();
    let good = r#"{ "email": "jo@shop.example", "age": 40 }"#;
    for content_type in ["application/json", "application/json; charset=UTF-8", "application/vnd.api+json"] {
        assert!(send(&gate, "/contact", content_type, good).admitted(), "{content_type}");
    }
    let bad = send(&gate, "/contact", "application/json", r#"{ "email": "hunter2", "age": 17, "admin": true }"#);
    assert_eq!((bad.code(), bad.stage(), bad.status()), (Some(Code::ValidationFailed), Some(Stage::Body), 400));
    let answer = bad.json();
    assert_eq!(answer["error"], "Validation failed");
    assert_eq!(answer["details"]["/age"], "is less than 18");
    assert_eq!(answer["details"]["/email"], "is not written as email");
    assert_eq!(answer["details"]["/admin"], "is not expected here");
    assert!(!String::from_utf8_lossy(bad.response.body()).contains("hunter2"));
    let mut line = Vec::new();
    bad.record.event().encode(&mut line);
    assert!(!String::from_utf8_lossy(&line).contains("hunter2"), "nor does the event");
}

#[test]
fn a10_what_is_not_json_is_malformed() {
    let gate = gate();
    let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
    let twice = r#"{ "email": "jo@shop.example", "age": 40, "age": 17 }"#;
    for text in ["{", "", "\u{feff}{}", "NaN", r#"{"a":"\ud800"}"#, "{}{}", &deep, twice] {
        let outcome = send(&gate, "/contact", "application/json", text);
        // An empty body is none, and a schema wants one.
        let expect = if text.is_empty() { Code::MediaType } else { Code::BodyMalformed };
        assert_eq!(outcome.code(), Some(expect), "{text}");
    }
}

#[test]
fn a10_other_media_types_encodings_and_charsets_are_415() {
    let gate = gate();
    let good = r#"{ "email": "jo@shop.example", "age": 40 }"#;
    for content_type in
        ["text/plain", "application/xml", "Application/JSON", "application/jsonx", "+json", "text/json", ""]
    {
        assert_eq!(send(&gate, "/contact", content_type, good).code(), Some(Code::MediaType), "{content_type}");
    }
    for charset in ["utf-16", "iso-8859-1", "\"utf-7\""] {
        let content_type = format!("application/json; charset={charset}");
        assert_eq!(send(&gate, "/contact", &content_type, good).code(), Some(Code::MediaType), "{charset}");
    }
    for encoding in ["gzip", "br", "deflate", "identity, gzip", "aws-chunked"] {
        let request = ours(post("/contact")).header("content-type", "application/json");
        let outcome = gate.send(body(request.header("content-encoding", encoding), good));
        assert_eq!(outcome.code(), Some(Code::MediaType), "{encoding}");
    }
    assert_eq!(gate.send(body(ours(post("/contact")), good)).code(), Some(Code::MediaType), "no type at all");
}

#[test]
fn a10_form_fields_become_an_object_and_the_token_is_none_of_them() {
    let gate = gate();
    let form = "application/x-www-form-urlencoded";
    assert!(send(&gate, "/contact", form, "email=jo%40shop.example&age=40&agree=on&tag=a&tag=b").admitted());
    let bad = send(&gate, "/contact", form, "email=jo%40shop.example&age=4e1&agree=yes&tag=toolong");
    let details = bad.json()["details"].clone();
    assert_eq!(
        details,
        json!({ "/age": "is not of type integer", "/agree": "is not of type boolean", "/tag/0": "is longer than 5 characters" })
    );
    let twice = send(&gate, "/contact", form, "email=a%40b.example&email=jo%40shop.example&age=40");
    assert_eq!(twice.json()["details"]["/email"], "is given more than once");
    assert_eq!(send(&gate, "/contact", form, "email=%ff&age=40").code(), Some(Code::BodyMalformed));
    let parts = |age: &str| {
        let part = |name: &str, value: &str| {
            format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        format!("{}{}--B--\r\n", part("email", "jo@shop.example"), part("age", age))
    };
    let multipart = "multipart/form-data; boundary=B";
    assert!(send(&gate, "/contact", multipart, &parts("40")).admitted());
    assert_eq!(send(&gate, "/contact", multipart, &parts("17")).code(), Some(Code::ValidationFailed));
    assert_eq!(send(&gate, "/contact", multipart, &parts("40").replace("--B--", "")).code(), Some(Code::BodyMalformed));
}

#[test]
fn a10_a_token_in_a_form_is_verified_and_spent_beside_a_schema() {
    let gate = gate();
    let (cookie, token) = gate.token();
    let form = |text: String| {
        let head = ours(post("/form")).header("cookie", &cookie);
        gate.send(body(head.header("content-type", "application/x-www-form-urlencoded"), &text))
    };
    let bad = form(format!("_csrf={token}&email=jo%40shop.example&age=17"));
    assert_eq!(bad.code(), Some(Code::ValidationFailed), "refused by the schema, the token unspent");
    assert!(form(format!("_csrf={token}&email=jo%40shop.example&age=40")).admitted());
    assert_eq!(form(format!("_csrf={token}&email=jo%40shop.example&age=40")).code(), Some(Code::CsrfTokenReused));
    assert_eq!(form("email=jo%40shop.example&age=40".to_owned()).code(), Some(Code::CsrfTokenMissing));
    let far = format!("tag={}&_csrf={token}&email=jo%40shop.example&age=40", "x".repeat(17 << 10));
    assert_eq!(form(far).code(), Some(Code::CsrfTokenMissing), "it stands within 16 KiB or not at all");
}

#[test]
fn a10_reads_are_described_by_query_and_path() {
    let gate = gate();
    for (target, code) in [
        ("/items/7", None),
        ("/items/7?page=2", None),
        ("/items/7?page=0", Some(Code::ValidationFailed)),
        ("/items/7?page=x", Some(Code::ValidationFailed)),
        ("/items/7?page=1&page=2", Some(Code::ValidationFailed)),
        ("/items/7?id=8", Some(Code::ValidationFailed)),
        ("/items/7?other=1", Some(Code::ValidationFailed)),
        ("/items/7?page=%ff", Some(Code::ValidationFailed)),
        ("/items/A-B", Some(Code::ValidationFailed)),
    ] {
        assert_eq!(gate.send(empty(get(target))).code(), code, "{target}");
    }
    let with_body = gate.send(body(get("/items/7").header("content-type", "application/json"), "{}"));
    assert!(!with_body.admitted(), "what no schema describes does not pass");
}

#[test]
fn a10_one_schema_may_describe_the_whole_request() {
    let gate = gate();
    let whole = |target: &str, text: &str| send(&gate, target, "application/json", text);
    assert!(whole("/whole/7?dry=true", r#"{"a":1}"#).admitted());
    assert_eq!(whole("/whole/x", r#"{"a":1}"#).json()["details"], json!({ "/path/id": "is not of type integer" }));
    assert_eq!(
        whole("/whole/7?dry=1", r#"{"a":1}"#).json()["details"],
        json!({ "/query/dry": "is not of type boolean" })
    );
    assert_eq!(whole("/whole/7", "{}").json()["details"], json!({ "/body/a": "is required" }));
}

#[test]
fn a10_a_body_is_collected_within_its_cap_and_the_memory_budget() {
    let limits = Limits { limiter_slots: 1024, buffered: 1000, ..Limits::default() };
    let route = Route { schema: inline("{}"), body: 2000, ..open(Method::Post, "/a", Kind::Search) };
    let gate = Gate::with(builder().limits(limits).route(route), &providers());
    let sized = |bytes: usize| send(&gate, "/a", "application/json", &format!("\"{}\"", "x".repeat(bytes - 2)));
    assert!(sized(1000).admitted());
    assert_eq!(sized(1001).code(), Some(Code::Overloaded));
    assert_eq!(sized(2001).code(), Some(Code::BodyTooLarge));
    assert_eq!(gate.plan.state().buffered(), 0, "and all of it came back");
}

#[test]
fn a10_signals_are_told_and_refuse_only_where_the_route_says_so() {
    let gate = gate();
    let attack = r#"{"q":"' or 1=1--"}"#;
    let observed = gate.send(empty(get("/?q=%3Cscript%3Ealert(1)%3C/script%3E")));
    assert!(observed.admitted());
    assert_eq!(signals(&observed), json!(["xss"]));
    let scanned = gate.send(empty(get("/.env").header("x-middleware-subrequest", "middleware")));
    assert_eq!(signals(&scanned), json!(["known-exploit"]));
    let climbed = gate.send(empty(get("/static/../../etc/passwd")));
    assert_eq!((climbed.code(), signals(&climbed)), (Some(Code::PathMalformed), json!(["traversal"])));
    let unread = send(&gate, "/loose", "application/json", attack);
    assert!(unread.admitted() && signals(&unread).is_null(), "nobody asked for the body");
    let read = send(&gate, "/contact", "application/json", r#"{"email":"' or 1=1--","age":1}"#);
    assert_eq!(signals(&read), json!(["sql-injection"]), "read for its schema");
    let blocked = send(&gate, "/strict", "application/json", attack);
    assert_eq!((blocked.code(), blocked.status()), (Some(Code::ValidationFailed), 400));
    assert_eq!(blocked.json().get("details"), None, "which part gave it away is not told");
    assert_eq!(gate.send(empty(get("/strict?q=1+union+select+1,2"))).code(), Some(Code::ValidationFailed));
    assert!(gate.send(empty(get("/strict?q=credit+union+select"))).admitted());
    assert!(send(&gate, "/strict", "application/json", r#"{"name":"O'Neal"}"#).admitted());
    assert_eq!(send(&gate, "/strict", "application/json", "{").code(), Some(Code::BodyMalformed));
}

#[test]
fn a10_uploads_are_what_they_claim() {
    // Of a kind that anybody may use: uploads proper want somebody, who is verified before a body is read.
    let media_types = ["image/png", "image/jpeg", "multipart/form-data"].map(str::to_owned).to_vec();
    let upload = Route { media_types, ..open(Method::Post, "/up", Kind::Search) };
    check_uploads(&Gate::with(builder().route(upload), &providers()));
}

fn raw(gate: &Gate, content_type: &str, bytes: &[u8]) -> Outcome {
    let head = ours(post("/up")).header("content-type", content_type);
    gate.send(head.body(Bytes::copy_from_slice(bytes)).expect("request"))
}

fn check_uploads(gate: &Gate) {
    let file = |name: &str, kind: &str, content: &str| {
        format!(
            "--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"{name}\"\r\nContent-Type: {kind}\r\n\r\n{content}\r\n"
        )
    };
    let form = |parts: &str| raw(gate, "multipart/form-data; boundary=B", format!("{parts}--B--\r\n").as_bytes());
    assert!(raw(gate, "image/png", b"\x89PNG\r\n\x1a\nrest").admitted());
    assert_eq!(raw(gate, "image/png", b"<svg onload=alert(1)>").code(), Some(Code::MediaType));
    assert_eq!(raw(gate, "image/gif", b"GIF89a").code(), Some(Code::MediaType), "not one the route takes");
    let jpeg = "GIF89a";
    assert_eq!(form(&file("a.jpg", "image/jpeg", jpeg)).code(), Some(Code::MediaType));
    assert_eq!(form(&file("a.png", "image/png", "<?php x")).code(), Some(Code::MediaType));
    assert_eq!(form(&file("a.html", "text/html", "<html>")).code(), Some(Code::MediaType));
    assert!(form(&file("", "application/octet-stream", "")).admitted(), "a file input left empty");
    let pdf =
        raw(gate, "multipart/form-data; boundary=B", b"--B\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\nx\r\n");
    assert_eq!(pdf.code(), Some(Code::BodyMalformed), "no end");
    // busboy takes this for a file, and finds other parts behind such a boundary than others do.
    let nameless =
        "--B\r\nContent-Disposition: form-data; name=\"f\"\r\nContent-Type: application/octet-stream\r\n\r\n<html>\r\n";
    assert_eq!(form(nameless).code(), Some(Code::BodyMalformed));
    for odd in ["\"a;b\"".to_owned(), "a; boundary=b".to_owned(), "a".repeat(71)] {
        let kind = format!("multipart/form-data; boundary={odd}");
        assert_eq!(raw(gate, &kind, b"--a--").code(), Some(Code::MediaType), "{kind}");
    }
    let png = "\u{89}PNG";
    assert_eq!(form(&file("../../x.png", "image/png", png)).code(), Some(Code::MediaType), "not the bytes of one");
    let bytes = |parts: usize| {
        let mut whole = Vec::new();
        for _ in 0..parts {
            let head = "--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"SECRET-NAME.png\"\r\nContent-Type: image/png\r\n\r\n";
            whole.extend_from_slice(head.as_bytes());
            whole.extend_from_slice(b"\x89PNG\r\n\x1a\n\r\n");
        }
        whole.extend_from_slice(b"--B--\r\n");
        raw(gate, "multipart/form-data; boundary=B", &whole)
    };
    assert!(bytes(20).admitted());
    let many = bytes(21);
    assert_eq!(many.json()["details"], json!({ "/f": "is one of more than 20 files" }));
    let mut line = Vec::new();
    many.record.event().encode(&mut line);
    assert!(!String::from_utf8_lossy(&line).contains("SECRET-NAME"), "names of files enter no event");
}
