//! The example app: it checks nothing but its own input, so that whatever is refused was refused by the gate.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use palisade_backend::DemoIssuer;
use serde_json::{Value, json};

/// What the pages say of their surroundings.
#[derive(Debug)]
pub(crate) struct Shown {
    /// The policy, as the visitor would write it.
    pub(crate) policy: String,
    /// The other site.
    pub(crate) elsewhere: String,
    /// Who signs session tokens.
    pub(crate) issuer: DemoIssuer,
}

const PAGE: &str = include_str!("page.html");
const ELSEWHERE: &str = include_str!("elsewhere.html");
/// The longest title, in characters: the guide's own example.
const TITLE_MAX: usize = 100;
/// How long a sign-in lasts.
const SESSION_LIFE: Duration = Duration::from_secs(600);

/// The app behind the gate.
pub(crate) fn app(shown: Shown) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/assets/{*file}", get(asset))
        .route("/api/test-rate-limit", get(|| async { Json(json!({ "message": "Rate limit not reached" })) }))
        .route("/api/example-protected", post(example))
        .route("/api/example-account", post(account))
        .route("/api/sign-in", post(anybody))
        .route("/api/sign-in/password", post(password))
        .route("/api/sign-out", post(sign_out))
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

/// The app trusts what the gate tells it of the caller: nobody else can set that header.
async fn account(headers: HeaderMap, input: Json<Value>) -> Response {
    let user = headers.get("x-palisade-user").and_then(|user| user.to_str().ok()).map(str::to_owned);
    let answer = example(input).await;
    if !answer.status().is_success() {
        return answer;
    }
    Json(json!({ "success": true, "user": user })).into_response()
}

/// Signs anybody in, as a real app would after a password. What is sent along may be nothing, or JSON.
async fn anybody(state: State<Arc<Shown>>, _: Option<Json<Value>>) -> Response {
    sign_in(state).await
}

async fn sign_in(State(shown): State<Arc<Shown>>) -> Response {
    let token = shown.issuer.token("demo-user", SESSION_LIFE);
    let cookie = format!("__session={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={}", SESSION_LIFE.as_secs());
    ([(header::SET_COOKIE, cookie)], Json(json!({ "success": true, "user": "demo-user" }))).into_response()
}

/// Signs in who knows the demo's one account and its password; counting failures is the gate's business.
async fn password(state: State<Arc<Shown>>, Json(input): Json<Value>) -> Response {
    let text = |name: &str| input.get(name).and_then(Value::as_str).unwrap_or_default();
    if (text("user"), text("password")) == ("demo-user", "demo") {
        return sign_in(state).await;
    }
    (StatusCode::UNAUTHORIZED, Json(json!({ "success": false }))).into_response()
}

async fn sign_out() -> Response {
    let cookie = "__session=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0";
    ([(header::SET_COOKIE, cookie)], Json(json!({ "success": true }))).into_response()
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
