//! A gate for targets that drive `Plan::inspect`: one plan, fixed time, bytes that count up, no limits.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header, request};
use palisade_event::Kind;
use palisade_guard::{
    BodyHint, Claimed, Collected, Entropy, Env, Keys, MonoMicros, Need, Now, Peer, Plan, Secrets, Spent, State, Step,
    View, WallMicros,
};
use palisade_policy::{Cors, Csrf, Method as Verb, Origin, Policy, Route};

/// The origin the gate answers for.
pub(crate) const OURS: &str = "https://shop.example";
/// One that may send forms.
pub(crate) const TRUSTED: &str = "https://trusted.example";
/// One that may read answers.
pub(crate) const READER: &str = "https://reader.example";

pub(crate) static GATE: LazyLock<Gate> = LazyLock::new(Gate::new);

pub(crate) struct Gate {
    plan: Arc<Plan>,
    /// Two who fetched a token.
    pub(crate) visitors: [Visitor; 2],
    /// A token that a gate with other secrets made for the first visitor's session id.
    foreign: String,
}

pub(crate) struct Visitor {
    pub(crate) session: String,
    pub(crate) token: String,
}

/// What became of a request.
pub(crate) struct Outcome {
    pub(crate) admitted: bool,
    /// How many tokens were spent on it.
    pub(crate) spent: usize,
    /// The response's.
    pub(crate) headers: HeaderMap,
    body: Bytes,
}

const NOW: u64 = 1_800_000_000_000_000;

struct Counting(AtomicU64);

static ENTROPY: Counting = Counting(AtomicU64::new(1));

impl Entropy for Counting {
    fn fill(&self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            let next = self.0.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            chunk.copy_from_slice(&next.to_le_bytes()[..chunk.len()]);
        }
    }
}

impl Gate {
    fn new() -> Gate {
        let (plan, other) = (plan("c"), plan("x"));
        let visitors = [(); 2].map(|()| visit(&plan));
        let foreign = visit(&other).token;
        let gate = Gate { plan, visitors, foreign };
        gate.takes_what_is_genuine();
        gate
    }

    /// Or the targets would prove nothing.
    fn takes_what_is_genuine(&self) {
        let mut headers = HeaderMap::new();
        let value = |text: &str| HeaderValue::from_str(&self.filled(text)).expect("a value");
        headers.insert(header::ORIGIN, value(OURS));
        headers.insert(header::COOKIE, value("__Host-palisade-sid={s}"));
        assert!(self.ask("/open", &Method::PUT, &headers, b"").admitted);
        assert!(!self.ask("/form", &Method::POST, &headers, b"").admitted);
        headers.insert("x-csrf-token", value("{T}"));
        assert!(!self.ask("/form", &Method::POST, &headers, b"").admitted);
        headers.insert("x-csrf-token", value("{t}"));
        assert!(self.ask("/form", &Method::POST, &headers, b"").admitted);
    }

    /// The text with what stands for sessions and tokens replaced by them.
    pub(crate) fn filled(&self, text: &str) -> String {
        let [one, two] = &self.visitors;
        let marks = [
            ("{s}", &one.session),
            ("{t}", &one.token),
            ("{S}", &two.session),
            ("{T}", &two.token),
            ("{o}", &self.foreign),
        ];
        marks.into_iter().fold(text.to_owned(), |text, (mark, value)| text.replace(mark, value))
    }

    /// Takes a request through the gate; every token counts as unspent.
    pub(crate) fn ask(&self, path: &str, method: &Method, headers: &HeaderMap, body: &[u8]) -> Outcome {
        drive(&self.plan, path, method, headers, body, Spent::First { forgot: false })
    }

    /// The same, when every token was spent before.
    pub(crate) fn ask_again(&self, path: &str, method: &Method, headers: &HeaderMap, body: &[u8]) -> Outcome {
        drive(&self.plan, path, method, headers, body, Spent::Again)
    }
}

fn plan(secret: &str) -> Arc<Plan> {
    let origin = |text| Origin::parse(text).expect("an origin");
    let cors = Cors {
        origins: vec![origin(READER)],
        methods: vec!["PUT".to_owned()],
        headers: vec!["x-custom".to_owned()],
        credentials: true,
        max_age: std::time::Duration::from_secs(60),
    };
    let open = Route { methods: Verb::ALL.into_iter().collect(), ..Route::new("/open", Kind::Delegated) };
    let form = Route::new("/form", Kind::PublicForm);
    let policy = Policy::builder("fuzz", vec![origin(OURS)])
        .csrf(Csrf { trusted_origins: vec![origin(TRUSTED)], ..Csrf::default() })
        .cors(cors)
        .route(open)
        .route(Route { methods: [Verb::Post].into_iter().collect(), limit: None, ..form })
        .build()
        .expect("a policy");
    let state = State::new(&policy.limits, &env());
    let secrets = Secrets { csrf: vec![secret.repeat(32)], session: vec!["s".repeat(32)], ..Secrets::default() };
    Plan::compile(policy, &secrets, &state).expect("a plan")
}

fn env() -> Env<'static> {
    Env { now: Now { wall: WallMicros(NOW), mono: MonoMicros(NOW) }, entropy: &ENTROPY }
}

/// Fetches a token as a page does.
fn visit(plan: &Arc<Plan>) -> Visitor {
    let mut headers = HeaderMap::new();
    headers.insert("sec-fetch-site", HeaderValue::from_static("same-origin"));
    let spent = Spent::First { forgot: false };
    let Outcome { headers, body, .. } = drive(plan, "/api/csrf", &Method::GET, &headers, b"", spent);
    let cookie = headers[header::SET_COOKIE].to_str().expect("text");
    let session = cookie.split(['=', ';']).nth(1).expect("a session").to_owned();
    let answer: serde_json::Value = serde_json::from_slice(&body).expect("json");
    Visitor { session, token: answer["csrfToken"].as_str().expect("a token").to_owned() }
}

fn drive(plan: &Arc<Plan>, path: &str, method: &Method, headers: &HeaderMap, body: &[u8], ledger: Spent) -> Outcome {
    let mut head = head(path, method, headers);
    let env = env();
    let mut spent = 0;
    let mut step = plan.inspect(&view(&head, body), &env);
    loop {
        let resume = match step {
            Step::Answer(answer) => {
                let (response, record) = answer.into_response(&env);
                let (parts, body) = response.into_parts();
                record.event().encode(&mut Vec::new());
                return Outcome { admitted: false, spent, headers: parts.headers, body };
            }
            Step::Admit(mut admitted) => {
                let _ = admitted.forward(&mut head, &env);
                let (mut parts, ()) = Response::new(()).into_parts();
                // An application that is careless about who may read.
                for (name, value) in
                    [("access-control-allow-origin", "*"), ("access-control-allow-credentials", "true")]
                {
                    parts.headers.insert(name, HeaderValue::from_static(value));
                }
                admitted.finish(&mut parts, &env).record.event().encode(&mut Vec::new());
                return Outcome { admitted: true, spent, headers: parts.headers, body: Bytes::new() };
            }
            Step::Need(Need::Claim(ask)) => {
                spent += 1;
                ask.reply(Claimed::Told(ledger))
            }
            Step::Need(Need::Keys(ask)) => ask.reply(Keys::Unavailable),
            Step::Need(Need::Pause(ask)) => ask.reply(palisade_guard::Paused),
            Step::Need(Need::Fold(ask)) => {
                let folded = ask.question.here();
                ask.reply(folded)
            }
            Step::Need(Need::Lease(ask)) => ask.reply(palisade_guard::shared::Leased::Unavailable { nodes: 1 }),
            Step::Need(Need::Collect(ask)) => {
                let limit = ask.question.limit.min(body.len());
                let bytes = Bytes::copy_from_slice(&body[..limit]);
                ask.reply(Collected::Prefix { bytes, complete: limit == body.len() })
            }
        };
        step = resume.run(&view(&head, body), &env);
    }
}

fn head(path: &str, method: &Method, headers: &HeaderMap) -> request::Parts {
    let (mut head, ()) = Request::new(()).into_parts();
    head.method = method.clone();
    head.uri = path.parse().expect("a path");
    head.headers = headers.clone();
    head.headers.insert(header::HOST, HeaderValue::from_static("shop.example"));
    head
}

fn view<'a>(head: &'a request::Parts, body: &[u8]) -> View<'a> {
    View {
        method: &head.method,
        uri: &head.uri,
        version: head.version,
        headers: &head.headers,
        peer: Peer { address: [198, 51, 100, 1].into() },
        body: if body.is_empty() { BodyHint::Empty } else { BodyHint::Sized(body.len() as u64) },
    }
}
