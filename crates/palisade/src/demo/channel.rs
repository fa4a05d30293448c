//! The demo's channel: a receiver on this machine that believes what is signed, and prints it.

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use palisade_event::Untrusted;
use serde_json::Value;

use crate::output;

/// Takes messages at `/alerts`. They are the gate's own, by the one secret that both were given at the start.
pub(crate) fn channel() -> Router {
    Router::new().route("/alerts", post(take))
}

async fn take(headers: HeaderMap, body: Bytes) -> StatusCode {
    let signed =
        ["webhook-id", "webhook-timestamp", "webhook-signature"].iter().all(|name| headers.contains_key(*name));
    let Some(message) = serde_json::from_slice::<Value>(&body).ok().filter(|_| signed) else {
        return StatusCode::BAD_REQUEST;
    };
    let text = |pointer: &str| message.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let shown = |text: &str| Untrusted::new(text).cut(160).terminal().to_string();
    output::note(&format!("channel: message  {} {}", shown(text("/type")), shown(text("/data/title"))));
    for line in message.pointer("/data/text").and_then(Value::as_array).into_iter().flatten() {
        output::note(&format!("channel:          {}", shown(line.as_str().unwrap_or_default())));
    }
    StatusCode::NO_CONTENT
}
