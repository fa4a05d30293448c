//! SECURITY.md, test 4: nginx with `proxy_cache` before the gate, and two browsers. Whatever one of them is given for
//! itself (session, token, nonce) or told for itself (a refusal), the other never gets from the cache; and what the
//! application prerendered does come from it, or the test would prove nothing.
//!
//! nginx is Debian's package: `apt-get install nginx-light`. It runs as this user, on a port of its own, below a
//! temporary folder, and caches whatever it is not told to leave (`proxy_cache_valid any`).

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests fail the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use palisade_event::Kind;
use palisade_policy::{Clients, Limit, Method, Route, Undeclared};
use palisade_testkit::{
    Client, Exchange, HOST, Response, RunningGate, Upstream, builder, eventually, free_address, route,
};

// === nginx ===

/// A caching proxy. Killed, by its own process id, when dropped.
struct Nginx {
    child: Child,
    address: SocketAddr,
    prefix: PathBuf,
}

impl Nginx {
    fn before(gate: SocketAddr) -> Nginx {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let prefix = std::env::temp_dir().join(format!("palisade-cache-{}-{number}", std::process::id()));
        fs::create_dir_all(&prefix).expect("a temporary folder");
        // Another process may take a port between its choice and its use.
        for _ in 0..10 {
            let address = free_address();
            fs::write(prefix.join("nginx.conf"), configuration(gate, address)).expect("the configuration is written");
            let mut child = start(&prefix);
            let mut ended = false;
            eventually("nginx listens, or ends", || {
                ended = child.try_wait().expect("nginx").is_some();
                ended || Client::try_connect(address).is_ok()
            });
            if !ended {
                return Nginx { child, address, prefix };
            }
        }
        let errors = fs::read_to_string(prefix.join("errors")).unwrap_or_default();
        panic!("nginx does not start:\n{errors}");
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.prefix);
    }
}

fn start(prefix: &Path) -> Child {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let binary = folders.map(|folder| folder.join("nginx")).find(|file| file.is_file());
    let binary = binary.expect("nginx in PATH or /usr/sbin: apt-get install nginx-light");
    let mut command = Command::new(binary);
    command.arg("-p").arg(prefix).arg("-c").arg("nginx.conf").arg("-e").arg("errors");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("nginx starts")
}

fn configuration(gate: SocketAddr, address: SocketAddr) -> String {
    // One process: no master, so that killing it ends everything.
    format!(
        "daemon off; master_process off; pid nginx.pid; error_log errors; worker_rlimit_nofile 512;
         events {{ worker_connections 128; }}
         http {{
             access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
             uwsgi_temp_path uwsgi; scgi_temp_path scgi; proxy_cache_path cache keys_zone=pages:1m;
             server {{
                 listen {address};
                 location / {{
                     proxy_pass http://{gate}; proxy_http_version 1.1; proxy_set_header Connection '';
                     proxy_set_header Host {HOST}; proxy_set_header X-Forwarded-For $http_x_browser;
                     proxy_cache pages; proxy_cache_valid any 10m; add_header X-Cache-Status $upstream_cache_status always;
                 }}
             }}
         }}"
    )
}

// === the application ===

const ETAG: &str = "\"build-1\"";
const NEXT_VARY: (&str, &str) = ("vary", "rsc, next-router-state-tree, next-router-prefetch");
const SHARED: (&str, &str) = ("cache-control", "s-maxage=31536000");
const OWN: (&str, &str) = ("cache-control", "private, no-cache, no-store, max-age=0, must-revalidate");

/// A Next.js application in miniature. It writes into its pages what the gate hands it, as applications do.
fn application(exchange: &mut Exchange) {
    let head = exchange.request.head.clone();
    let field = |name: &str| head.field(name).unwrap_or_default().to_owned();
    let path = exchange.request.target.split('?').next().unwrap_or_default().to_owned();
    let rsc = head.field("rsc").is_some();
    let kind = ("content-type", if rsc { "text/x-component" } else { "text/html; charset=utf-8" });
    match path.as_str() {
        "/about" if field("if-none-match") == ETAG => {
            exchange.reply(304, &[SHARED, NEXT_VARY, ("etag", ETAG), ("x-nextjs-prerender", "1")], "");
        }
        "/about" => {
            let page = if rsc { "0:[\"about\"]" } else { "<!doctype html><p>about us" };
            exchange.reply(200, &[SHARED, NEXT_VARY, kind, ("etag", ETAG), ("x-nextjs-prerender", "1")], page);
        }
        "/api/items" => exchange.reply(200, &[("content-type", "application/json")], "[1,2,3]"),
        "/api/form" => exchange.reply(200, &[OWN], "sent"),
        "/limited" => exchange.reply(200, &[OWN], "counted"),
        _ => {
            let (csp, token) = (field("content-security-policy"), field("x-palisade-csrf-token"));
            let nonce = nonces(&csp).pop().unwrap_or_default();
            let page =
                format!("<!doctype html><script nonce=\"{nonce}\"></script><i>token={token};</i>{}", field("cookie"));
            // Ahead of Cache-Control: nginx before 1.23 believes whichever comes first.
            let accelerated: &[(&str, &str)] = &[("x-accel-expires", "600"), OWN, NEXT_VARY, kind];
            exchange.reply(200, if path == "/lasting" { accelerated } else { &accelerated[1..] }, page);
        }
    }
}

fn policy() -> palisade_policy::PolicyBuilder {
    let trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    let limit = |text| Limit::parse(text).ok();
    builder()
        .clients(Clients { trusted_proxies, ..Clients::default() })
        .undeclared(Kind::Page, Undeclared { deny: true, unsafe_origin: false })
        .route(route("/", Kind::Page, &[]))
        .route(route("/about", Kind::Page, &[]))
        .route(route("/lasting", Kind::Page, &[]))
        .route(route("/api/items", Kind::PublicRead, &[]))
        .route(route("/api/me", Kind::ProtectedRead, &[]))
        .route(Route { limit: limit("2/min"), ..route("/limited", Kind::PublicRead, &[]) })
        .route(Route { limit: limit("60/min"), ..route("/api/form", Kind::PublicForm, &[Method::Post]) })
}

// === browsers ===

struct Browser {
    nginx: SocketAddr,
    address: &'static str,
    jar: BTreeMap<String, String>,
    /// Everything it was given for itself: sessions, tokens, nonces.
    secrets: BTreeSet<String>,
}

/// A page is loaded, by a person.
const DOCUMENT: &[(&str, &str)] = &[
    ("sec-fetch-site", "none"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
    ("accept", "text/html"),
];
/// A page's own script fetches something.
const FETCH: &[(&str, &str)] =
    &[("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty"), ("accept", "*/*")];
const RSC: &[(&str, &str)] = &[("sec-fetch-site", "same-origin"), ("sec-fetch-dest", "empty"), ("rsc", "1")];
const PREFETCH: &[(&str, &str)] = &[
    ("sec-fetch-site", "same-origin"),
    ("sec-fetch-dest", "empty"),
    ("rsc", "1"),
    ("next-router-prefetch", "1"),
    ("sec-purpose", "prefetch"),
];
/// The browser loads the page before anybody has asked for it (speculation rules).
const PRERENDER: &[(&str, &str)] = &[
    ("sec-fetch-site", "none"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
    ("sec-purpose", "prefetch;prerender"),
    ("accept", "text/html"),
];
const OLD: &[(&str, &str)] = &[("accept", "text/html,application/xhtml+xml")];
const CROSS_SITE: &[(&str, &str)] = &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors")];

impl Browser {
    fn new(nginx: &Nginx, address: &'static str) -> Browser {
        Browser { nginx: nginx.address, address, jar: BTreeMap::new(), secrets: BTreeSet::new() }
    }

    fn ask(&mut self, method: &str, path: &str, fields: &[(&str, &str)]) -> Response {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n");
        head += &format!("x-browser: {}\r\n", self.address);
        if !self.jar.is_empty() {
            let pairs: Vec<_> = self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
            head += &format!("cookie: {}\r\n", pairs.join("; "));
        }
        for (name, value) in fields {
            head += &format!("{name}: {value}\r\n");
        }
        let mut client = Client::connect(self.nginx);
        client.send(head + if method == "POST" { "content-length: 0\r\n\r\n" } else { "\r\n" });
        let response = client.response_to(method);
        self.keep(&response);
        response
    }

    fn keep(&mut self, response: &Response) {
        for (name, value) in &response.head.fields {
            if name == "set-cookie" {
                let (name, value) = value.split(';').next().and_then(|pair| pair.split_once('=')).expect("a cookie");
                self.jar.insert(name.to_owned(), value.to_owned());
                self.secrets.insert(value.to_owned());
            }
        }
        // What is personal and new must be new: a nonce that comes twice came from a cache.
        for fresh in personal(response) {
            assert!(self.secrets.insert(fresh.clone()), "{fresh} came twice: {response:?}");
        }
    }
}

/// The nonces of its policy and the tokens in it.
fn personal(response: &Response) -> Vec<String> {
    let policies = response.head.fields.iter().filter(|(name, _)| name == "content-security-policy");
    let mut found: Vec<String> = policies.flat_map(|(_, value)| nonces(value)).collect();
    let text = response.text();
    for (mark, end) in [("\"csrfToken\":\"", '"'), ("token=", ';')] {
        found.extend(text.split(mark).skip(1).filter_map(|rest| rest.split(end).next()).map(str::to_owned));
    }
    found
        .extend(response.head.fields.iter().filter(|(name, _)| name == "x-csrf-token").map(|(_, value)| value.clone()));
    found.retain(|text| !text.is_empty());
    found
}

fn nonces(policy: &str) -> Vec<String> {
    policy.split("'nonce-").skip(1).filter_map(|rest| rest.split('\'').next()).map(str::to_owned).collect()
}

fn cache_status(response: &Response) -> &str {
    response.field("x-cache-status").expect("nginx says where it has it from")
}

/// Both browsers ask the same, one after the other and again; neither sees anything of the other's.
fn both(pair: &mut [Browser; 2], method: &str, path: &str, fields: &[(&str, &str)], judge: impl Fn(usize, &Response)) {
    for round in 0..2 {
        for asking in 0..2 {
            let response = pair[asking].ask(method, path, fields);
            let whole = format!("{:?} {}", response.head, response.text());
            let others = &pair[1 - asking].secrets;
            let leaked: Vec<_> = others.iter().filter(|secret| whole.contains(secret.as_str())).collect();
            assert!(leaked.is_empty(), "{method} {path} {fields:?} shows {leaked:?}: {whole}");
            judge(round * 2 + asking, &response);
        }
    }
}

fn stage() -> (Upstream, RunningGate, Nginx) {
    let upstream = Upstream::start(application);
    let gate = RunningGate::start(policy(), &upstream.origin());
    let nginx = Nginx::before(gate.address);
    (upstream, gate, nginx)
}

fn visitors(nginx: &Nginx) -> [Browser; 2] {
    [Browser::new(nginx, "203.0.113.1"), Browser::new(nginx, "203.0.113.2")]
}

#[test]
fn what_the_gate_gives_one_browser_no_cache_gives_another() {
    let (_upstream, _gate, nginx) = stage();
    let mut pair = visitors(&nginx);
    // HEAD first: nginx turns it into a GET and would keep the answer for everybody.
    for (method, fields) in [
        ("HEAD", DOCUMENT),
        ("HEAD", OLD),
        ("GET", DOCUMENT),
        ("GET", OLD),
        ("GET", PRERENDER),
        ("GET", RSC),
        ("GET", PREFETCH),
    ] {
        both(&mut pair, method, "/", fields, |_, response| {
            // A page of one's own is not fetched ahead at all.
            assert_eq!(response.status, if fields == PRERENDER { 503 } else { 200 });
            assert_ne!(cache_status(response), "HIT", "a page made for one visitor: {response:?}");
        });
    }
    for browser in &pair {
        assert!(browser.jar.contains_key("__Host-palisade-sid") && browser.secrets.len() > 8, "{:?}", browser.secrets);
    }
    let conditional =
        [DOCUMENT, &[("if-none-match", ETAG), ("if-modified-since", "Thu, 01 Jan 2026 00:00:00 GMT")]].concat();
    both(&mut pair, "GET", "/", &conditional, |_, response| assert_eq!(response.status, 200));
    both(&mut pair, "GET", "/api/csrf", FETCH, |_, response| {
        assert_eq!((response.status, cache_status(response)), (200, "MISS"));
    });
    // The tokens are real, and each is its own browser's alone.
    let tokens = [0, 1].map(|index| personal(&pair[index].ask("GET", "/api/csrf", FETCH)).remove(0));
    let mut post = |index: usize, token: &str| {
        let fields = [FETCH, &[("origin", "https://shop.example"), ("x-csrf-token", token)]].concat();
        pair[index].ask("POST", "/api/form", &fields).status
    };
    assert_eq!([post(0, &tokens[1]), post(1, &tokens[0])], [403, 403]);
    assert_eq!([post(0, &tokens[0]), post(1, &tokens[1])], [200, 200]);
}

#[test]
fn what_the_application_prerendered_is_kept_and_has_nothing_personal_in_it() {
    let (upstream, _gate, nginx) = stage();
    let mut pair = visitors(&nginx);
    let bare = |response: &Response| {
        assert_eq!(personal(response), Vec::<String>::new());
        for name in ["set-cookie", "x-palisade-csrf-token", "x-ratelimit-remaining", "ratelimit"] {
            assert_eq!(response.field(name), None, "{name} is somebody's: {response:?}");
        }
    };
    for fields in [DOCUMENT, RSC, PREFETCH] {
        both(&mut pair, "GET", "/about", fields, |turn, response| {
            assert_eq!((response.status, cache_status(response)), (200, if turn == 0 { "MISS" } else { "HIT" }));
            bare(response);
        });
    }
    assert_eq!(upstream.requests().len(), 3, "the application was asked once for each variant");
    let conditional = [DOCUMENT, &[("if-none-match", ETAG)]].concat();
    both(&mut pair, "GET", "/about", &conditional, |_, response| {
        assert_eq!((response.status, cache_status(response)), (304, "HIT"));
        bare(response);
    });
    both(&mut pair, "HEAD", "/about", DOCUMENT, |_, response| {
        assert_eq!((response.status, cache_status(response)), (200, "HIT"));
        bare(response);
    });
    let csp = pair[0].ask("GET", "/about", DOCUMENT);
    let csp = csp.field("content-security-policy").expect("a policy");
    assert!(csp.contains("frame-ancestors 'none'") && nonces(csp).is_empty(), "{csp}");
    both(&mut pair, "GET", "/api/items", FETCH, |_, response| {
        assert_eq!((response.status, response.text().as_str()), (200, "[1,2,3]"));
        bare(response);
    });
}

#[test]
fn a_refusal_of_one_browser_is_never_anothers() {
    let (_upstream, _gate, nginx) = stage();
    let [mut first, mut second] = visitors(&nginx);
    let limited: Vec<u16> = (0..4).map(|_| first.ask("GET", "/limited", FETCH).status).collect();
    assert_eq!(limited, [200, 200, 429, 429]);
    assert_eq!(second.ask("GET", "/limited", FETCH).status, 200, "another's quota is another's");
    assert_eq!(first.ask("GET", "/api/csrf", CROSS_SITE).status, 403);
    assert_eq!(second.ask("GET", "/api/csrf", FETCH).status, 200);
    assert_eq!(first.ask("GET", "/api/csrf", FETCH).status, 200, "nor is the attacker's page's refusal the visitor's");

    let mut ids = BTreeSet::new();
    for (path, status) in [("/nosuch", 404), ("/api/me", 401), ("/about/", 400), ("/limited?again", 429)] {
        for fields in [DOCUMENT, FETCH, CROSS_SITE] {
            let response = first.ask("GET", path, fields);
            assert_eq!((response.status, cache_status(&response)), (status, "MISS"), "{path}");
            assert_eq!(response.field("cache-control"), Some("no-store"));
            let html = response.field("content-type").is_some_and(|kind| kind.starts_with("text/html"));
            assert_eq!(html, fields == DOCUMENT, "{path}: each asker its own shape");
            assert!(ids.insert(response.field("x-request-id").expect("an id").to_owned()), "an answer came twice");
        }
    }
    // A page refused to a flooding client is not refused to the next.
    let last = (0..400).map(|_| first.ask("GET", "/?flood", RSC).status).find(|status| *status != 200);
    assert_eq!(last, Some(429));
    assert_eq!(second.ask("GET", "/?flood", RSC).status, 200);
}

/// The attack of `a_targeted_cache_field_never_keeps_what_is_personal` in the guard's `holes.rs`, played by nginx:
/// `X-Accel-Expires` from the application would outweigh the gate's `Cache-Control`.
#[test]
fn an_applications_word_to_the_cache_does_not_outweigh_the_gates() {
    let (_upstream, _gate, nginx) = stage();
    let mut pair = visitors(&nginx);
    both(&mut pair, "GET", "/", DOCUMENT, |_, _| ());
    both(&mut pair, "GET", "/lasting", DOCUMENT, |_, response| assert_ne!(cache_status(response), "HIT"));
}
