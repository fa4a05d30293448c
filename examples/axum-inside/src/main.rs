//! An axum app that carries the gate within: the policy is built in code, the gate is one layer.
//!
//! `cargo run -p axum-inside` listens on 127.0.0.1:3000; another address may be given as the first argument.

use std::net::SocketAddr;

use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use palisade_backend::{Inside, SystemEntropy, now};
use palisade_guard::{Env, Secrets};
use palisade_policy::{Environment, Limit, Method, Methods, Origin, Policy, PolicyBuilder, Route};
use palisade_event::Kind;
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    let address = listener.local_addr()?;

    // The gate: three lines and a policy.
    let gate = Inside::new(policy(address), secrets())?;
    let app = routes().layer(gate.layer());
    // A handler may also bring its own route along, declared right where it is served. It is added after the layer,
    // which covers only what stands before it.
    let feedback = Route { methods: posts(), ..Route::new("/api/feedback", Kind::PublicForm) };
    let app = app.route("/api/feedback", post(example).layer(gate.protect(feedback)?));
    eprintln!("listening on http://{address}");
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}

fn policy(address: SocketAddr) -> PolicyBuilder {
    let origin = Origin { https: false, authority: address.to_string() };
    let sixty = Limit::parse("60/min").ok();
    Policy::builder("axum-inside", vec![origin])
        .environment(Environment::Development)
        .route(Route { limit: Limit::parse("5/min").ok(), ..Route::new("/api/test-rate-limit", Kind::PublicRead) })
        .route(Route { methods: posts(), limit: sixty, ..Route::new("/api/example-protected", Kind::PublicForm) })
        .route(Route { methods: posts(), limit: sixty, ..Route::new("/api/example-account", Kind::Account) })
        .route(Route { methods: posts(), ..Route::new("/contact", Kind::PublicForm) })
}

fn posts() -> Methods {
    Methods::NONE.with(Method::Post)
}

fn routes() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/api/test-rate-limit", get(|| async { Json(json!({ "message": "Rate limit not reached" })) }))
        .route("/api/example-protected", post(example))
        .route("/api/example-account", post(example))
        .route("/contact", post(|| async { "thank you" }))
        .route("/api/boom", get(|| async { (StatusCode::INTERNAL_SERVER_ERROR, "at /srv/app.rs:1") }))
}

async fn example(Json(input): Json<Value>) -> (StatusCode, Json<Value>) {
    let title = input.get("title").and_then(Value::as_str).unwrap_or_default();
    if (1..=100).contains(&title.chars().count()) {
        return (StatusCode::OK, Json(json!({ "success": true, "title": title })));
    }
    (StatusCode::BAD_REQUEST, Json(json!({ "error": "Validation failed", "details": { "/title": "must have 1 to 100 characters" } })))
}

fn secrets() -> Secrets {
    let variable = |name| std::env::var(name).ok();
    match (variable("CSRF_SECRET"), variable("SESSION_SECRET")) {
        (Some(csrf), Some(session)) => Secrets { csrf: vec![csrf], session: vec![session] },
        // An example may do with secrets that end with the process; an app must not.
        _ => Secrets::ephemeral(&Env { now: now(), entropy: &SystemEntropy }),
    }
}
