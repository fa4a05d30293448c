//! A small shop that does everything well, but for one fault that it is told: what probes are tried on.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use crate::upstream::{Exchange, Upstream};

/// The token of the person who is signed in, and of another.
pub const SHOP_TOKEN: &str = "token-of-ann";
/// See [`SHOP_TOKEN`].
pub const SHOP_OTHER: &str = "token-of-bob";
/// The secret of its webhook, in Stripe's scheme.
pub const SHOP_SECRET: &str = "whsec_shop";

const ACTION: &str = "4075c3a1b2e5d4f60718293a4b5c6d7e8f90a1b2c3";
const PAGE: &str = "<!doctype html><title>Shop</title><script src=\"/static/app.js\"></script>\
    <form method=post><input type=hidden name=\"$ACTION_ID_4075c3a1b2e5d4f60718293a4b5c6d7e8f90a1b2c3\"></form>";
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// What it remembers.
#[derive(Debug, Default)]
struct State {
    /// Tokens by session; false once used.
    tokens: BTreeMap<String, (String, bool)>,
    made: u32,
    /// Requests of each client of the limited route, and when the count began.
    counts: BTreeMap<String, (u32, Option<Instant>)>,
    /// Signatures that were taken.
    taken: Vec<String>,
}

/// An answer in the making.
struct Answer {
    status: u16,
    fields: Vec<(String, String)>,
    body: String,
}

/// One request, and the fault.
struct Visit<'a> {
    fault: &'a str,
    method: String,
    path: String,
    query: String,
    body: String,
    exchange: &'a Exchange,
    state: &'a Mutex<State>,
}

/// Starts it. The fault is the id of the check that must find it; an empty one is none.
#[must_use]
pub fn shop(fault: &'static str) -> Upstream {
    let state = Mutex::<State>::default();
    Upstream::start(move |exchange| {
        let body = String::from_utf8_lossy(&exchange.body()).into_owned();
        let (path, query) = exchange.request.target.split_once('?').unwrap_or((&exchange.request.target, ""));
        let visit = Visit {
            fault,
            method: exchange.request.method.clone(),
            path: path.to_owned(),
            query: query.to_owned(),
            body,
            exchange,
            state: &state,
        };
        let answer = visit.answer();
        let fields: Vec<_> = answer.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        exchange.reply(answer.status, &fields, &answer.body);
    })
}

// === impl Answer ===

impl Answer {
    fn json(status: u16, body: &str) -> Answer {
        let fields = vec![("content-type".to_owned(), "application/json".to_owned())];
        Answer { status, fields, body: body.to_owned() }
    }

    fn html(status: u16, body: &str) -> Answer {
        let fields = vec![("content-type".to_owned(), "text/html".to_owned())];
        Answer { status, fields, body: body.to_owned() }
    }

    fn refused(status: u16) -> Answer {
        Answer::json(status, "{\"error\":\"Refused\"}")
    }

    fn with(mut self, name: &str, value: &str) -> Answer {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }
}

// === impl Visit ===

impl Visit<'_> {
    fn is(&self, fault: &str) -> bool {
        self.fault == fault
    }

    fn header(&self, name: &str) -> &str {
        let found = self.exchange.request.head.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value.as_str())
    }

    fn answer(&self) -> Answer {
        let answer = match (self.method.as_str(), self.path.as_str()) {
            ("TRACE", _) if self.is("errors/trace") => {
                Answer::html(200, &format!("x-palisade-echo: {}", self.header("x-palisade-echo")))
            }
            ("TRACE", _) => Answer::refused(405),
            ("OPTIONS", _) => self.preflight(),
            ("POST", _) if !self.header("next-action").is_empty() => self.action(),
            ("GET" | "HEAD", "/") => self.page(),
            (_, path) if path == "/api/limited" || path.starts_with("/api/limited/") || path == "/API/LIMITED" => {
                self.limited()
            }
            ("GET", "/api/csrf") => self.token(),
            (_, "/api/contact") => self.contact(),
            ("GET", "/search") => self.search(),
            (_, "/api/hook") => self.hook(),
            (_, path)
                if path.to_ascii_lowercase().trim_matches('/').trim_end_matches(";a=b") == "api/me"
                    || path == "/api/m%65" =>
            {
                self.me()
            }
            _ => self.file(),
        };
        self.dressed(answer)
    }

    /// Adds what every answer carries, and what the fault takes out.
    fn dressed(&self, mut answer: Answer) -> Answer {
        let all = [
            ("headers/content-security-policy", "content-security-policy", POLICY),
            ("headers/x-content-type-options", "x-content-type-options", "nosniff"),
            ("headers/referrer-policy", "referrer-policy", "strict-origin-when-cross-origin"),
            ("headers/cross-origin-opener-policy", "cross-origin-opener-policy", "same-origin"),
            ("headers/cross-origin-resource-policy", "cross-origin-resource-policy", "same-origin"),
            ("headers/cross-origin-embedder-policy", "cross-origin-embedder-policy", "require-corp"),
            ("headers/permissions-policy", "permissions-policy", "camera=()"),
        ];
        for (fault, name, value) in all {
            let value = match fault {
                _ if !self.is(fault) => value,
                "headers/content-security-policy" => {
                    "default-src * 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
                }
                "headers/referrer-policy" => "unsafe-url",
                "headers/permissions-policy" | "headers/x-content-type-options" => continue,
                _ => "nonsense",
            };
            let value = match name {
                "content-security-policy" if self.is("headers/x-frame-options") => {
                    "default-src 'none'; script-src 'self'; base-uri 'none'"
                }
                "content-security-policy" if self.is("headers/policy-depth") => {
                    "default-src 'none'; script-src https://cdn.jsdelivr.net; base-uri 'none'; frame-ancestors 'none'"
                }
                _ => value,
            };
            answer = answer.with(name, value);
        }
        if self.is("errors/banner") {
            answer = answer.with("x-powered-by", "Next.js");
        }
        if self.is("errors/version") {
            answer = answer.with("server", "nginx/1.18.0");
        }
        answer
    }

    fn preflight(&self) -> Answer {
        let origin = self.header("origin").to_owned();
        if self.is("headers/cross-origin-resource-sharing") {
            return Answer::refused(204)
                .with("access-control-allow-origin", &origin)
                .with("access-control-allow-credentials", "true");
        }
        Answer::refused(204)
    }

    fn page(&self) -> Answer {
        let secret = if self.is("errors/secret") { "<!-- sk_live_0123456789abcdefghij -->" } else { "" };
        let script = if self.is("headers/subresource-integrity") {
            "<script src=\"http://cdn.example/a.js\"></script>"
        } else {
            ""
        };
        let debug = if self.is("errors/debug-page") { "Werkzeug Debugger" } else { "" };
        let answer = Answer::html(200, &format!("{PAGE}{secret}{script}{debug}"));
        let answer = if self.is("headers/cookies") { answer.with("set-cookie", "sessionid=1; Path=/") } else { answer };
        if self.query.contains("a%0d%0aX-Palisade-Injected") && self.is("input/header") {
            return answer.with("x-palisade-injected", "1");
        }
        answer
    }

    fn search(&self) -> Answer {
        if self.is("input/redirect") && self.query.contains("next=https://evil.example") {
            return Answer::refused(302).with("location", "https://evil.example/palisade");
        }
        if self.is("input/header") && self.query.contains("%0d%0a") {
            return Answer::html(200, "ok").with("x-palisade-injected", "1");
        }
        let found = self.query.contains("%3Cscript%3E") && self.is("input/xss-query");
        Answer::html(200, if found { "Nothing for <script>alert(73311337)</script>" } else { "Nothing found" })
    }

    fn file(&self) -> Answer {
        let served = [
            ("errors/env-file", "/.env", "DATABASE_URL=postgres://shop\n"),
            ("errors/git", "/.git/HEAD", "ref: refs/heads/main\n"),
            ("errors/manifest", "/package.json", "{\"dependencies\":{}}"),
            ("errors/backup", "/backup.sql", "CREATE TABLE users (id int);"),
            ("errors/status-page", "/server-status", "<h1>Apache Server Status</h1>"),
            ("errors/source-map", "/static/app.js.map", "{\"version\":3,\"mappings\":\"AAAA\"}"),
            ("errors/listing", "/static/", "<title>Index of /static/</title>"),
            ("", "/static/app.js", "console.log(1)"),
        ];
        let found = served.iter().find(|(fault, path, _)| self.path == *path && (fault.is_empty() || self.is(fault)));
        if let Some((_, _, body)) = found {
            return Answer {
                fields: vec![("content-type".to_owned(), "text/plain".to_owned())],
                ..Answer::html(200, body)
            };
        }
        let missing = self.path.starts_with("/palisade-probe-");
        match self.fault {
            "errors/not-found" if missing => Answer::html(200, "Home"),
            "errors/stack-trace" if missing => Answer::html(404, "Error: gone\n    at handler (shop.js:1:1)"),
            "errors/path" if missing => Answer::html(404, "cannot open /var/www/shop/index.html"),
            "errors/sql" if missing => Answer::html(404, "You have an error in your SQL syntax"),
            "errors/detail" if missing => Answer::html(404, "connect ECONNREFUSED"),
            _ => Answer::refused(404),
        }
    }

    // === the limited route ===

    fn limited(&self) -> Answer {
        let spelled = self.path != "/api/limited";
        if spelled && !self.is("rate-limit/spelling") {
            return Answer::refused(404);
        }
        let made_up =
            |fault: &str, name: &str| if self.is(fault) { self.header(name).to_owned() } else { String::new() };
        let key = [
            made_up("rate-limit/forwarded-for", "x-forwarded-for"),
            made_up("rate-limit/address-fields", "x-real-ip"),
            made_up("rate-limit/agent", "user-agent"),
            if self.is("rate-limit/query") { self.query.clone() } else { String::new() },
            if spelled { self.path.clone() } else { String::new() },
        ]
        .concat();
        let mut state = self.state.lock().expect("state");
        let (count, began) = state.counts.entry(key).or_insert((0, None));
        if began.is_some_and(|began| began.elapsed() > Duration::from_secs(1))
            && !self.is("rate-limit/retry-after-true")
        {
            (*count, *began) = (0, None);
        }
        *count += 1;
        if *count <= 5 || self.is("rate-limit/enforced") {
            return Answer::json(200, "{}");
        }
        *began = Some(Instant::now());
        let answer = Answer::refused(if self.is("rate-limit/status") { 403 } else { 429 });
        let answer = if self.is("rate-limit/retry-after") { answer } else { answer.with("retry-after", "1") };
        if self.is("rate-limit/fields") { answer } else { answer.with("ratelimit", "\"shop\";r=0;t=1") }
    }

    // === forms ===

    fn token(&self) -> Answer {
        let mut state = self.state.lock().expect("state");
        state.made += 1;
        let session = match self.session() {
            "" => format!("{:08}", state.made),
            known => known.to_owned(),
        };
        let random =
            Hmac::<Sha256>::new_from_slice(b"shop").expect("a key").chain_update(state.made.to_be_bytes()).finalize();
        let mut token: String = random.into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        if self.is("csrf/fixed") {
            token = "0123456789abcdef0123456789abcdef".to_owned();
        }
        if self.is("csrf/length") {
            token = state.made.to_string();
        }
        state.tokens.insert(token.clone(), (session.clone(), true));
        let answer = Answer::json(200, &format!("{{\"csrfToken\":\"{token}\"}}"));
        let flags = if self.is("csrf/cookie") { "" } else { "; HttpOnly; SameSite=Lax" };
        let answer = answer.with("set-cookie", &format!("sid={session}; Path=/{flags}"));
        let answer = if self.is("csrf/shared") { answer.with("access-control-allow-origin", "*") } else { answer };
        if self.is("csrf/cached") { answer } else { answer.with("cache-control", "no-store") }
    }

    fn session(&self) -> &str {
        self.header("cookie").split("sid=").nth(1).and_then(|rest| rest.split(';').next()).unwrap_or_default()
    }

    /// Whether the request may have come from the shop's own page.
    fn same_origin(&self) -> bool {
        let origin = self.header("origin");
        let own = format!("http://{}", self.header("host"));
        origin == own
            || origin.is_empty()
            || self.is("csrf/null-origin") && origin == "null"
            || self.is("csrf/look-alike-origin") && origin.starts_with(&own)
            || self.is("csrf/cross-origin")
                && self.header("sec-fetch-site").is_empty()
                && origin == "https://evil.example"
            || self.is("csrf/cross-site-fetch") && !self.header("sec-fetch-site").is_empty()
    }

    /// Whether the token is one that was handed out to this session, and not used yet.
    fn spends_token(&self) -> bool {
        let header = self.header("x-csrf-token");
        let in_url = self.query.split("csrfToken=").nth(1).unwrap_or_default();
        if header.is_empty() && in_url.is_empty() {
            let simple = self.header("content-type").starts_with("text/plain");
            return self.is("csrf/missing") && !simple && !self.header("content-type").is_empty()
                || self.is("csrf/simple-type") && simple;
        }
        let token = if header.is_empty() && self.is("csrf/url") { in_url } else { header };
        let mut state = self.state.lock().expect("state");
        let Some((session, fresh)) = state.tokens.get_mut(token) else {
            return self.is("csrf/fake") && !header.is_empty();
        };
        let good =
            (*fresh || self.is("csrf/reused")) && (session.as_str() == self.session() || self.is("csrf/other-session"));
        if good {
            *fresh = false;
        }
        good && !self.is("csrf/valid")
    }

    fn contact(&self) -> Answer {
        let method = match self.header("x-http-method-override") {
            "" => self.method.as_str(),
            claimed if self.is("csrf/override") => claimed,
            _ => self.method.as_str(),
        };
        if method != "POST" {
            return Answer::refused(405);
        }
        if self.method == "POST" && !(self.same_origin() && self.spends_token()) {
            return Answer::refused(403);
        }
        if self.is("csrf/override") && self.method == "GET" {
            return Answer::json(200, "{\"ok\":true}");
        }
        self.written()
    }

    /// The form's input: `{"name": text of at most 1,000}`.
    fn written(&self) -> Answer {
        if !self.header("content-type").starts_with("application/json") && !self.is("csrf/simple-type") {
            return Answer::refused(if self.is("input/media-type") { 200 } else { 415 });
        }
        let refused =
            |fault: &str| if self.is(fault) { Answer::json(200, "{\"ok\":true}") } else { Answer::refused(400) };
        let Ok(value) = serde_json::from_str::<Value>(&self.body) else {
            return if self.is("input/server-error") { Answer::refused(500) } else { refused("input/malformed") };
        };
        let Value::Object(fields) = value else { return refused("input/array") };
        if self.body.matches("\"name\"").count() > 1 && !self.is("input/duplicate") {
            return Answer::refused(400);
        }
        if fields.len() > 1 {
            return if self.is("input/unknown-field") { Answer::json(200, &self.body) } else { Answer::refused(400) };
        }
        let name = match fields.get("name") {
            None => return refused("input/required"),
            Some(Value::String(name)) => name,
            Some(_) => return refused("input/type"),
        };
        if name.len() > 1000 {
            return refused("input/length");
        }
        let broken = name.contains('\'');
        match self.fault {
            "input/xss" => Answer::html(200, &format!("Thank you, {name}")),
            "input/sql" if broken && !name.contains("script") => {
                Answer::json(400, "{\"error\":\"unterminated quoted string at or near\"}")
            }
            "input/traversal" if name.contains("etc/passwd") => Answer::json(200, "root:x:0:0:root:/root:/bin/bash"),
            "input/template" if name.contains("{{") => Answer::json(200, "9801547"),
            "input/command" if name.contains("echo") => Answer::json(200, "9801547"),
            _ => Answer::json(200, "{\"ok\":true}"),
        }
    }

    // === people ===

    fn me(&self) -> Answer {
        let bearer = self.header("authorization").strip_prefix("Bearer ").unwrap_or_default();
        let plain = self.path == "/api/me";
        let parts: Vec<_> = bearer.split('.').collect();
        let in_url = self.query.split("token=").nth(1).and_then(|rest| rest.split('&').next()).unwrap_or_default();
        let lets_in = match self.fault {
            "auth/anonymous" => true,
            "auth/garbage" => bearer.contains("made-up"),
            "auth/unsigned" => parts.len() == 3 && parts.last().is_some_and(|signature| signature.is_empty()),
            "auth/weak-key" | "auth/expired" | "auth/issuer" => {
                parts.len() == 3 && parts.iter().all(|part| !part.is_empty()) && !bearer.contains("made-up")
            }
            "auth/cookie" => self.header("cookie").contains("__session="),
            "auth/claimed-user" => !self.header("x-user-id").is_empty(),
            "auth/subrequest" => self.header("x-middleware-subrequest").contains("middleware:middleware"),
            "auth/local-address" => self.header("x-forwarded-for") == "127.0.0.1",
            "auth/spelling" => !plain,
            "auth/method" => self.method == "HEAD",
            "auth/token-in-url" => in_url == SHOP_TOKEN,
            _ => false,
        };
        let known = bearer == SHOP_TOKEN || bearer == SHOP_OTHER && self.is("auth/other-user");
        let right = known && plain;
        if !right && !lets_in {
            return Answer::refused(if plain { 401 } else { 404 });
        }
        let answer = Answer::json(if self.is("auth/valid") && known { 401 } else { 200 }, "{\"name\":\"Ann\"}");
        let answer =
            if self.is("auth/session-cookie") { answer.with("set-cookie", "session=1; Path=/") } else { answer };
        if self.is("auth/cached") { answer } else { answer.with("cache-control", "no-store") }
    }

    // === providers ===

    fn hook(&self) -> Answer {
        if self.body.len() > 1 << 20 {
            return if self.is("webhook/large") { Answer::json(200, "{}") } else { Answer::refused(413) };
        }
        let header = self.header("stripe-signature").to_owned();
        if header.is_empty() {
            return if self.is("webhook/unsigned") { Answer::json(200, "{}") } else { Answer::refused(400) };
        }
        let part =
            |name: &str| header.split(',').find_map(|part| part.strip_prefix(name)).unwrap_or_default().to_owned();
        let (time, signature) = (part("t="), part("v1="));
        let body = if self.is("webhook/changed") { self.body.replace("changes", "changed") } else { self.body.clone() };
        let by = |key: &[u8]| {
            let mac =
                Hmac::<Sha256>::new_from_slice(key).expect("a key").chain_update(format!("{time}.{body}").as_bytes());
            mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>() == signature
        };
        let made_up = signature.starts_with("5f5f") && self.is("webhook/wrong");
        if !(by(SHOP_SECRET.as_bytes()) || made_up || by(b"") && self.is("webhook/empty-key")) {
            return Answer::refused(if self.is("webhook/status") { 500 } else { 400 });
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed());
        let age = now - time.parse::<i64>().unwrap_or_default();
        if age > 300 && !self.is("webhook/stale") || age < -300 && !self.is("webhook/future") {
            return Answer::refused(400);
        }
        let mut state = self.state.lock().expect("state");
        if state.taken.contains(&signature) && !self.is("webhook/replayed") {
            return Answer::refused(400);
        }
        state.taken.push(signature);
        Answer::json(if self.is("webhook/valid") { 400 } else { 200 }, "{}")
    }

    fn action(&self) -> Answer {
        let ran = || Answer {
            fields: vec![("content-type".to_owned(), "text/x-component".to_owned())],
            ..Answer::html(200, "0:{}")
        };
        let origin = self.header("origin");
        match (self.header("next-action") == ACTION, self.path.as_str()) {
            (false, _) => Answer::refused(if self.is("actions/unknown") { 500 } else { 404 }),
            (true, "/") if origin.is_empty() => {
                if self.is("actions/no-origin") {
                    ran()
                } else {
                    Answer::refused(403)
                }
            }
            (true, "/") if origin.contains("evil") => {
                if self.is("actions/cross-origin") {
                    ran()
                } else {
                    Answer::refused(403)
                }
            }
            (true, "/") => ran(),
            (true, _) => {
                if self.is("actions/foreign-path") {
                    Answer { status: 404, ..ran() }
                } else {
                    Answer::refused(404)
                }
            }
        }
    }
}
