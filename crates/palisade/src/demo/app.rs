//! The example app: it checks nothing but its own input, so that whatever is refused was refused by the gate.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use serde_json::{Value, json};

/// What the pages say of their surroundings.
#[derive(Debug)]
pub(crate) struct Shown {
    /// The policy, as the visitor would write it.
    pub(crate) policy: String,
    /// The other site.
    pub(crate) elsewhere: String,
}

const PAGE: &str = include_str!("page.html");
const ELSEWHERE: &str = include_str!("elsewhere.html");
/// The longest title, in characters: the guide's own example.
const TITLE_MAX: usize = 100;

/// The app behind the gate.
pub(crate) fn app(shown: Shown) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/assets/{*file}", get(asset))
        .route("/api/test-rate-limit", get(|| async { Json(json!({ "message": "Rate limit not reached" })) }))
        .route("/api/example-protected", post(example))
        .route("/api/example-account", post(example))
        .route("/contact", post(contact))
        .route("/api/boom", get(boom))
        .with_state(Arc::new(shown))
}

/// The other site: not behind the gate.
pub(crate) fn elsewhere(target: &str) -> Router {
    let page = ELSEWHERE.replace("{{target}}", target);
    Router::new().route("/", get(move || async move { Html(page) }))
}

async fn page(State(shown): State<Arc<Shown>>, headers: HeaderMap) -> Html<String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let nonce = text("content-security-policy").split("'nonce-").nth(1).and_then(|rest| rest.split('\'').next());
    Html(
        PAGE.replace("{{nonce}}", nonce.unwrap_or_default())
            .replace("{{token}}", text("x-palisade-csrf-token"))
            .replace("{{elsewhere}}", &shown.elsewhere)
            .replace("{{policy}}", &escape(&shown.policy)),
    )
}

async fn asset(Path(file): Path<String>) -> Response {
    let (content_type, text) = match file.as_str() {
        "demo.css" => ("text/css; charset=utf-8", include_str!("demo.css")),
        "demo.js" => ("text/javascript; charset=utf-8", include_str!("demo.js")),
        "icon.svg" => ("image/svg+xml", include_str!("icon.svg")),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    ([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "public, max-age=60")], text).into_response()
}

async fn example(Json(input): Json<Value>) -> Response {
    let title = input.get("title").and_then(Value::as_str).unwrap_or_default();
    let length = title.chars().count();
    if (1..=TITLE_MAX).contains(&length) {
        return Json(json!({ "success": true, "title": title })).into_response();
    }
    let details = json!({ "/title": format!("must have 1 to {TITLE_MAX} characters, has {length}") });
    let answer = json!({ "error": "Validation failed", "details": details });
    (StatusCode::BAD_REQUEST, Json(answer)).into_response()
}

async fn contact(Form(fields): Form<Vec<(String, String)>>) -> Html<String> {
    let message = fields.iter().find(|(name, _)| name == "message").map_or("", |(_, value)| value);
    Html(format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Thank you</title>\
         <link rel=\"stylesheet\" href=\"/assets/demo.css\"></head><body><h1>Thank you</h1>\
         <p>The app received: {}</p><p><a href=\"/\">Back</a></p></body></html>",
        escape(message)
    ))
}

async fn boom() -> Response {
    let trace = "TypeError: cannot read 'id' of undefined\n    at loadUser (/srv/shop/lib/users.js:41:17)\n    \
                 at SELECT * FROM users WHERE email = $1\n";
    (StatusCode::INTERNAL_SERVER_ERROR, trace).into_response()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
