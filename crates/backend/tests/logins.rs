//! Sign-ins through the layer: guesses at once, answers that must be read, attempts that wait.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods, reason = "a test")]
#![allow(clippy::result_large_err, clippy::too_many_lines, clippy::type_complexity, reason = "tables and doubles")]

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use palisade_backend::{Local, SystemEntropy, now};
use palisade_event::{Kind, Outcome};
use palisade_guard::{Entropy, Env, Now, Peer, Plan, Record, Secrets, State};
use palisade_policy::{CsrfStrength, Limit, Limits, Method, Methods, Origin, Policy, Route, Success};
use palisade_tower::{Ambient, Gate, Guarded};

/// Time passes at once, and how often it was asked for is written down.
#[derive(Clone, Default)]
struct Noting {
    pauses: Arc<Mutex<Vec<Duration>>>,
    outcomes: Arc<Mutex<Vec<Option<Outcome>>>>,
}

impl Ambient for Noting {
    type Sleep = Ready<()>;

    fn now(&self) -> Now {
        now()
    }

    fn entropy(&self) -> &dyn Entropy {
        &SystemEntropy
    }

    fn sleep(&self, time: Duration) -> Ready<()> {
        self.pauses.lock().expect("lock").push(time);
        ready(())
    }

    fn record(&self, record: Record) {
        self.outcomes.lock().expect("lock").push(record.event().outcome);
    }
}

fn gate(success: Success) -> Gate<Local, Noting> {
    let login = Route {
        methods: Methods::NONE.with(Method::Post),
        success: Some(success),
        identifier: Some("/user".to_owned()),
        limit: Limit::parse("600/min").ok(),
        csrf: CsrfStrength::None,
        csrf_because: Some("a test".to_owned()),
        ..Route::new("/login", Kind::Login)
    };
    let policy = Policy::builder("shop", vec![Origin::parse("https://shop.example").expect("origin")])
        .limits(Limits { limiter_slots: 1024, ..Limits::default() })
        .route(login)
        .build()
        .expect("policy");
    let secrets = Secrets { csrf: vec!["c".repeat(32)], session: vec!["s".repeat(32)], ..Secrets::default() };
    let state = State::new(&policy.limits, &Env { now: now(), entropy: &SystemEntropy });
    let plan = Plan::compile(policy, &secrets, &state).expect("plan");
    Gate::new(plan, Local::new(state), Noting::default())
}

fn request(user: &str) -> Request<Full<Bytes>> {
    let builder = Request::post("/login").header("host", "shop.example").header("content-type", "application/json");
    builder.body(Full::new(format!(r#"{{"user":"{user}","password":"x"}}"#).into())).expect("request")
}

fn peer(last: u8) -> Peer {
    Peer { address: IpAddr::V4(Ipv4Addr::new(203, 0, 113, last)) }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("runtime").block_on(future)
}

/// Sends one attempt to an application that answers so.
fn send(gate: &Gate<Local, Noting>, from: u8, user: &str, status: u16, body: Frames) -> (u16, Vec<u8>) {
    let service = async |_: Request<Guarded<Full<Bytes>>>| {
        let response = Response::builder().status(status).header("content-type", "application/json");
        Ok::<_, Infallible>(response.body(body).expect("response"))
    };
    block_on(async {
        let response = gate.handle(peer(from), request(user), service).await;
        let status = response.status().as_u16();
        (status, response.into_body().collect().await.map_or(Vec::new(), |body| body.to_bytes().to_vec()))
    })
}

#[test]
fn a_hundred_guesses_in_parallel_reach_the_application_ten_times() {
    let gate = gate(Success::Status(302));
    let (reached, start) = (AtomicUsize::new(0), Barrier::new(100));
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let guess = || {
            let service = async |_: Request<Guarded<Full<Bytes>>>| {
                reached.fetch_add(1, Ordering::Relaxed);
                Ok::<_, Infallible>(Response::builder().status(401).body(Body::empty()).expect("response"))
            };
            start.wait();
            block_on(gate.handle(peer(1), request("anna"), service)).status().as_u16()
        };
        let guesses: Vec<_> = (0..100).map(|_| scope.spawn(guess)).collect();
        guesses.into_iter().map(|guess| guess.join().expect("no panic")).collect()
    });
    assert_eq!(reached.into_inner(), 10);
    let count = |status| statuses.iter().filter(|other| **other == status).count();
    assert_eq!((count(401), count(403)), (10, 90));
}

#[test]
fn an_answer_is_read_judged_and_passed_on_unchanged() {
    let gate = gate(Success::Pointer("/ok".to_owned()));
    let long: &str = format!(r#"ue,"more":"{}"}}"#, "x".repeat(80 << 10)).leak();
    for (rest, outcome) in [("ue}", Outcome::Success), ("ue,}", Outcome::Failure), (long, Outcome::Failure)] {
        let (status, body) = send(&gate, 1, "anna", 200, frames([Ok(r#"{"ok":tr"#), Ok(rest)]));
        assert_eq!((status, body == [r#"{"ok":tr"#, rest].concat().into_bytes()), (200, true));
        assert_eq!(gate.ambient().outcomes.lock().expect("lock").pop(), Some(Some(outcome)));
    }
}

#[test]
fn an_answer_that_breaks_off_does_not_look_whole() {
    let gate = gate(Success::Pointer("/ok".to_owned()));
    let (status, _) = send(&gate, 1, "anna", 200, frames([Ok(r#"{"ok":true}"#), Err(Cut)]));
    assert_eq!(status, 502);
    assert_eq!(gate.ambient().outcomes.lock().expect("lock").pop(), Some(Some(Outcome::Unknown)));
}

#[test]
fn a_stranger_waits_at_an_account_that_many_guess_at() {
    let gate = gate(Success::Status(302));
    for host in 1..=20 {
        assert_eq!(send(&gate, host, "anna", 401, frames([])).0, 401);
    }
    let waits = || gate.ambient().pauses.lock().expect("lock").iter().filter(|time| time.as_secs() == 5).count();
    // Bodies are read within five seconds, too; each of those twenty was.
    let before = waits();
    assert_eq!(send(&gate, 99, "anna", 302, frames([])).0, 302, "it gets in, later");
    assert_eq!(waits(), before + 2);
    assert_eq!(send(&gate, 98, "bert", 302, frames([])).0, 302);
    assert_eq!(waits(), before + 3, "another account does not wait");
}

/// A body of these frames.
struct Frames(VecDeque<Result<&'static str, Cut>>);

/// The connection broke.
#[derive(Debug)]
struct Cut;

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<http_body::Frame<Bytes>, Cut>>> {
        let next = self.0.pop_front();
        Poll::Ready(next.map(|frame| frame.map(|text| http_body::Frame::data(Bytes::from_static(text.as_bytes())))))
    }
}

fn frames<const N: usize>(frames: [Result<&'static str, Cut>; N]) -> Frames {
    Frames(frames.into())
}
