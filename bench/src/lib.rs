//! A gate with a policy like a shop's, and the requests that are measured.

pub mod proxied;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};
use palisade_event::Kind;
use palisade_guard::{BodyHint, Entropy, Env, MonoMicros, Now, Peer, Plan, Secrets, State, View, WallMicros};
use palisade_policy::{Limit, Method as Verb, Methods, Origin, Policy, Route};

/// Cheap bytes: what is measured is the gate, not the generator.
#[derive(Default)]
pub struct Counter(AtomicU64);

impl Entropy for Counter {
    fn fill(&self, out: &mut [u8]) {
        let mut state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        for chunk in out.chunks_mut(8) {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            chunk.copy_from_slice(&state.to_le_bytes()[..chunk.len()]);
        }
    }
}

/// One request, owned.
pub struct Sample {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
}

impl Sample {
    pub fn new(method: Method, path: &'static str, more: &[(&'static str, &str)]) -> Sample {
        let usual = [
            ("host", "shop.example"),
            ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
            ("accept", "application/json"),
            ("accept-language", "en"),
            ("accept-encoding", "gzip, deflate, br"),
            ("cookie", "theme=dark; lang=en"),
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-mode", "cors"),
            ("sec-fetch-dest", "empty"),
        ];
        let mut headers = HeaderMap::new();
        for (name, value) in usual.iter().chain(more) {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).expect("value"));
        }
        Sample { method, uri: Uri::from_static(path), headers }
    }

    pub fn view(&self, client: u32) -> View<'_> {
        View {
            method: &self.method,
            uri: &self.uri,
            version: Version::HTTP_11,
            headers: &self.headers,
            peer: Peer { address: std::net::Ipv4Addr::from(client).into() },
            body: BodyHint::Empty,
        }
    }
}

/// The clock stands still: limits refill only when a benchmark says so.
pub fn env(entropy: &Counter, seconds: u64) -> Env<'_> {
    let micros = 1_800_000_000_000_000 + seconds * 1_000_000;
    Env { now: Now { wall: WallMicros(micros), mono: MonoMicros(micros) }, entropy }
}

pub fn plan(entropy: &Counter) -> Arc<Plan> {
    let post = |path: &str, kind| Route { methods: Methods::NONE.with(Verb::Post), ..Route::new(path, kind) };
    let wide = Limit::parse("1000/s").ok();
    let mut builder = Policy::builder("bench", vec![Origin::parse("https://shop.example").expect("origin")])
        .route(Route { limit: wide, ..Route::new("/api/items", Kind::PublicRead) })
        .route(Route { limit: wide, ..post("/api/orders", Kind::PublicForm) })
        .route(post("/api/contact", Kind::PublicForm))
        .route(post("/api/search", Kind::Search));
    for index in 0..40 {
        builder = builder.route(post(&format!("/api/things/{{id}}/part{index}"), Kind::PublicForm));
    }
    let policy = builder.build().expect("policy");
    let state = State::new(&policy.limits, &env(entropy, 0));
    let secrets = Secrets { csrf: vec!["c".repeat(32)], session: vec!["s".repeat(32)], ..Secrets::default() };
    Plan::compile(policy, &secrets, &state).expect("plan")
}
