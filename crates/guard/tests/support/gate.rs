//! A gate in a box: fixed time, counting entropy, one scripted request at a time.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Version, request};
use palisade_event::{Code, Kind, Stage};
use palisade_guard::{
    Admitted, BodyFate, BodyHint, Collected, Entropy, Env, KeySet, Keys, MonoMicros, Need, Now, Paused, Peer, Plan,
    Providers, Record, Secrets, State, Step, View, WallMicros,
};
use palisade_policy::{Environment, Limits, Method as Verb, Methods, Origin, Policy, PolicyBuilder, Route};

/// Different bytes at each call, the same in each run.
#[derive(Default)]
pub struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            let next = self.0.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            chunk.copy_from_slice(&next.to_le_bytes()[..chunk.len()]);
        }
    }
}

pub struct Gate {
    pub plan: Arc<Plan>,
    pub entropy: Counting,
    /// Seconds since the epoch, and of the stopwatch.
    pub seconds: u64,
    /// What the issuer publishes; nothing while it is down.
    pub keys: Option<Arc<KeySet>>,
    /// How often the gate asked for it.
    pub fetches: AtomicU64,
    /// How often it let a request wait.
    pub pauses: AtomicU64,
}

/// What came of a request.
#[derive(Debug)]
pub struct Outcome {
    /// The head that would have gone to the application.
    pub forwarded: Option<request::Parts>,
    pub response: Response<Bytes>,
    pub record: Record,
}

pub fn origin(text: &str) -> Origin {
    Origin::parse(text).expect("origin")
}

pub fn builder() -> PolicyBuilder {
    Policy::builder("shop", vec![origin("https://shop.example")])
        .environment(Environment::Production)
        .limits(Limits { limiter_slots: 1024, ..Limits::default() })
}

pub fn route(method: Verb, path: &str, kind: Kind) -> Route {
    let fixed = Route::new(path, kind);
    Route { methods: fixed.methods.union(Methods::NONE.with(method)), ..fixed }
}

pub fn secrets() -> Secrets {
    Secrets { csrf: vec!["c".repeat(32)], session: vec!["s".repeat(32)], ..Secrets::default() }
}

impl Gate {
    pub fn new(builder: PolicyBuilder) -> Gate {
        Gate::made(builder, &secrets(), &Providers::default())
    }

    pub fn with(builder: PolicyBuilder, providers: &Providers) -> Gate {
        Gate::made(builder, &secrets(), providers)
    }

    pub fn with_secrets(builder: PolicyBuilder, secrets: &Secrets) -> Gate {
        Gate::made(builder, secrets, &Providers::default())
    }

    fn made(builder: PolicyBuilder, secrets: &Secrets, providers: &Providers) -> Gate {
        let policy = builder.build().expect("policy");
        let entropy = Counting::default();
        let now = Now { wall: WallMicros(0), mono: MonoMicros(0) };
        let state = State::new(&policy.limits, &Env { now, entropy: &entropy });
        let plan = Plan::compile_with(policy, secrets, &state, providers).expect("plan");
        Gate {
            plan,
            entropy,
            seconds: 1_800_000_000,
            keys: None,
            fetches: AtomicU64::new(0),
            pauses: AtomicU64::new(0),
        }
    }

    pub fn env(&self) -> Env<'_> {
        let micros = self.seconds * 1_000_000;
        Env { now: Now { wall: WallMicros(micros), mono: MonoMicros(micros) }, entropy: &self.entropy }
    }

    /// Sends a request; the application answers 200 with `ok`.
    pub fn send(&self, request: Request<Bytes>) -> Outcome {
        self.send_to(request, |_| Response::new(Bytes::from_static(b"ok")))
    }

    /// Sends a request to an application.
    pub fn send_to(&self, request: Request<Bytes>, app: impl FnOnce(&request::Parts) -> Response<Bytes>) -> Outcome {
        let (mut head, body) = request.into_parts();
        match self.decide(&head, &body) {
            Err(answer) => {
                let (response, record) = answer.into_response(&self.env());
                Outcome { forwarded: None, response, record }
            }
            Ok(mut admitted) => {
                let _ = admitted.forward(&mut head, &self.env());
                let (mut parts, body) = app(&head).into_parts();
                if admitted.wants(&parts).is_some() {
                    admitted.read(&body);
                }
                let finish = admitted.finish(&mut parts, &self.env());
                if let Some(settle) = finish.settle {
                    self.plan.state().settle(&settle, self.env().now);
                }
                let body = match finish.body {
                    BodyFate::Keep => body,
                    BodyFate::Replace(bytes) => bytes,
                };
                let response = Response::from_parts(parts, body);
                Outcome { forwarded: Some(head), response, record: finish.record }
            }
        }
    }

    /// Decides only.
    pub fn decide(&self, head: &request::Parts, body: &Bytes) -> Result<Admitted, palisade_guard::Answer> {
        let address = head.extensions.get::<IpAddr>().copied().unwrap_or(IpAddr::from([198, 51, 100, 1]));
        let view = View {
            method: &head.method,
            uri: &head.uri,
            version: head.version,
            headers: &head.headers,
            peer: Peer { address },
            body: if body.is_empty() { BodyHint::Empty } else { BodyHint::Sized(body.len() as u64) },
        };
        let env = self.env();
        let mut step = self.plan.inspect(&view, &env);
        loop {
            let resume = match step {
                Step::Admit(admitted) => return Ok(admitted),
                Step::Answer(answer) => return Err(answer),
                Step::Need(Need::Claim(ask)) => {
                    let claimed = self.plan.state().claim(&ask.question, env.now);
                    ask.reply(claimed)
                }
                Step::Need(Need::Keys(ask)) => {
                    self.fetches.fetch_add(1, Ordering::Relaxed);
                    ask.reply(self.keys.clone().map_or(Keys::Unavailable, Keys::Are))
                }
                Step::Need(Need::Pause(ask)) => {
                    self.pauses.fetch_add(1, Ordering::Relaxed);
                    ask.reply(Paused)
                }
                Step::Need(Need::Fold(ask)) => {
                    let folded = ask.question.here();
                    ask.reply(folded)
                }
                Step::Need(Need::Lease(ask)) => ask.reply(palisade_guard::shared::Leased::Unavailable { nodes: 1 }),
                Step::Need(Need::Collect(ask)) => {
                    let limit = ask.question.limit.min(body.len());
                    ask.reply(Collected::Prefix { bytes: body.slice(..limit), complete: limit == body.len() })
                }
            };
            step = resume.run(&view, &env);
        }
    }

    /// Fetches a token as a page of ours would: the cookie to send, and the token.
    pub fn token(&self) -> (String, String) {
        let outcome =
            self.send(get("/api/csrf").header("sec-fetch-site", "same-origin").body(Bytes::new()).expect("request"));
        let cookie = outcome.header("set-cookie").split(';').next().expect("cookie").to_owned();
        let json: serde_json::Value = serde_json::from_slice(outcome.response.body()).expect("json");
        (cookie, json["csrfToken"].as_str().expect("token").to_owned())
    }
}

impl Outcome {
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    pub fn header(&self, name: &str) -> &str {
        self.response.headers().get(name).map_or("", |value| value.to_str().expect("ascii"))
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(self.response.body()).expect("json")
    }

    /// The code of the refusal, by the event.
    pub fn code(&self) -> Option<Code> {
        self.record.event().code
    }

    pub fn stage(&self) -> Option<Stage> {
        self.record.event().stage
    }

    pub fn admitted(&self) -> bool {
        self.forwarded.is_some()
    }

    pub fn up(&self, name: &str) -> Option<&str> {
        let head = self.forwarded.as_ref().expect("forwarded");
        head.headers.get(name).map(|value| value.to_str().expect("ascii"))
    }
}

pub fn request(method: &str, target: &str) -> request::Builder {
    let method = Method::from_bytes(method.as_bytes()).expect("method");
    Request::builder().method(method).uri(target).version(Version::HTTP_11).header("host", "shop.example")
}

pub fn get(target: &str) -> request::Builder {
    request("GET", target)
}

pub fn post(target: &str) -> request::Builder {
    request("POST", target)
}

/// A GET as a browser loads a page.
pub fn navigate(target: &str) -> request::Builder {
    get(target)
        .header("sec-fetch-site", "none")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "document")
        .header("accept", "text/html")
}

pub fn from(address: &str, builder: request::Builder) -> request::Builder {
    builder.extension(address.parse::<IpAddr>().expect("address"))
}

pub fn empty(builder: request::Builder) -> Request<Bytes> {
    builder.body(Bytes::new()).expect("request")
}

pub fn body(builder: request::Builder, body: &str) -> Request<Bytes> {
    builder.body(Bytes::copy_from_slice(body.as_bytes())).expect("request")
}

pub fn headers_of(outcome: &Outcome) -> &HeaderMap {
    outcome.response.headers()
}
