//! Copies of one webhook at once, over gates that share a state: one reaches the application.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods, reason = "a test")]
#![allow(clippy::result_large_err, clippy::too_many_lines, clippy::type_complexity, reason = "tables and doubles")]
#![expect(clippy::disallowed_methods, reason = "the application of a test reads small bodies whole")]

#[path = "support/quiet.rs"]
mod quiet;

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future, pending};
use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::task::{Context, Waker};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::{BodyExt as _, Full};
use palisade_backend::{Local, SystemEntropy, now};
use palisade_event::Kind;
use palisade_guard::{Env, Peer, Plan, Secrets, SigningSecret, State};
use palisade_policy::{Limits, Origin, Policy, PolicyBuilder, Route, Signature, SignatureScheme};
use palisade_tower::{Gate, Guarded};

use quiet::Quiet;

type Request = axum::http::Request<Full<Bytes>>;
type Forwarded = axum::http::Request<Guarded<Full<Bytes>>>;

// GitHub's documented vector: nothing in it is a time.
const SECRET: &str = "It's a Secret to Everybody";
const BODY: &[u8] = b"Hello, World!";
const SIGNATURE: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
const PEER: Peer = Peer { address: IpAddr::V4(Ipv4Addr::LOCALHOST) };

fn builder() -> PolicyBuilder {
    let signature = Some(Signature { scheme: SignatureScheme::GitHub, secrets: vec!["HOOK".to_owned()] });
    Policy::builder("shop", vec![Origin::parse("https://shop.example").expect("origin")])
        .limits(Limits { limiter_slots: 1024, ..Limits::default() })
        .route(Route { signature, limit: None, ..Route::new("/hook", Kind::Webhook) })
}

/// Two gates over one state, each with a plan of its own.
fn gates() -> [Gate<Local, Quiet>; 2] {
    let webhooks = [("HOOK".to_owned(), vec![SigningSecret::from(SECRET.to_owned())])].into();
    let secrets = Secrets { csrf: vec!["c".repeat(32)], session: vec!["s".repeat(32)], webhooks };
    let policy = || builder().build().expect("policy");
    let state = State::new(&policy().limits, &Env { now: now(), entropy: &SystemEntropy });
    [(); 2].map(|()| {
        let plan = Plan::compile(policy(), &secrets, &state).expect("plan");
        Gate::new(plan, Local::new(Arc::clone(&state)), Quiet)
    })
}

fn request() -> Request {
    let builder = axum::http::Request::post("/hook").header("host", "shop.example");
    builder.header("x-hub-signature-256", SIGNATURE).body(Full::new(Bytes::from_static(BODY))).expect("request")
}

fn answer(status: u16) -> Result<axum::http::Response<Body>, Infallible> {
    Ok(axum::http::Response::builder().status(status).body(Body::empty()).expect("response"))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("runtime").block_on(future)
}

#[test]
fn a9_of_a_hundred_copies_over_two_gates_exactly_one_is_admitted() {
    let gates = gates();
    let (admitted, start) = (AtomicUsize::new(0), Barrier::new(100));
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let copy = |index: usize| {
            let (gate, admitted, start) = (&gates[index % 2], &admitted, &start);
            move || {
                let service = async |_: Forwarded| {
                    admitted.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    answer(200)
                };
                start.wait();
                block_on(gate.handle(PEER, request(), service)).status().as_u16()
            }
        };
        let copies: Vec<_> = (0..100).map(|index| scope.spawn(copy(index))).collect();
        copies.into_iter().map(|copy| copy.join().expect("no panic")).collect()
    });
    assert_eq!(admitted.into_inner(), 1);
    let count = |status| statuses.iter().filter(|other| **other == status).count();
    assert_eq!((count(200), count(409) + count(400)), (1, 99), "{statuses:?}");
}

#[test]
fn a9_the_whole_body_is_forwarded_and_a_failed_delivery_passes_on_the_other_gate() {
    let [one, other] = gates();
    let read = Cell::new(Vec::new());
    let service = |status: u16| {
        let read = &read;
        async move |request: Forwarded| {
            read.set(request.into_body().collect().await.expect("a body").to_bytes().to_vec());
            answer(status)
        }
    };
    assert_eq!(block_on(one.handle(PEER, request(), service(500))).status(), 500);
    assert_eq!(block_on(other.handle(PEER, request(), service(200))).status(), 200);
    assert_eq!(read.take(), BODY);
    assert_eq!(block_on(one.handle(PEER, request(), service(200))).status(), 400);
}

/// A body of unknown length, in pieces.
struct Pieces(Vec<Bytes>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        std::task::Poll::Ready(self.0.pop().map(|piece| Ok(http_body::Frame::data(piece))))
    }
}

#[test]
fn a9_a_body_that_is_read_in_steps_arrives_byte_for_byte() {
    const SIGNATURE: &str = "sha256=63eb5b6000369d01fa2b6613b16aa0c592e736021c6e7d875b3946ba06ef16ab";
    let [gate, _] = gates();
    for size in [1_000, 30_000, 60_000, 100_000, 300_000] {
        let pieces: Vec<_> = (0..300_000 / size).map(|_| Bytes::from(vec![b'x'; size])).collect();
        let builder = axum::http::Request::post("/hook").header("host", "shop.example");
        let request = builder.header("x-hub-signature-256", SIGNATURE).body(Pieces(pieces)).expect("request");
        let service = async |request: axum::http::Request<Guarded<Pieces>>| {
            let body = request.into_body().collect().await.expect("a body").to_bytes();
            assert!(body.len() == 300_000 && body.iter().all(|byte| *byte == b'x'));
            answer(500)
        };
        assert_eq!(block_on(gate.handle(PEER, request, service)).status(), 500, "in pieces of {size}");
    }
}

#[test]
fn a9_a_request_that_is_dropped_meanwhile_keeps_its_reservation_until_its_time() {
    let [one, other] = gates();
    let service = async |_: Forwarded| {
        pending::<()>().await;
        answer(200)
    };
    block_on(async {
        let mut held = pin!(one.handle(PEER, request(), service));
        assert!(held.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    });
    let copy = block_on(other.handle(PEER, request(), async |_: Forwarded| answer(200)));
    assert_eq!(copy.status(), 409);
    let seconds: u64 = copy.headers()["retry-after"].to_str().expect("text").parse().expect("a number");
    assert!((60..=65).contains(&seconds), "{seconds}");
}
