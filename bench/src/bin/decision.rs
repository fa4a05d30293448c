//! decision CASE COUNT: runs one kind of decision COUNT times and prints nanoseconds and allocations of each.
//!
//! CASE: admit (a limited GET: decide, shape the request, finish the response, write the event), decide (the decision
//! alone), rate (a refusal by the limit), origin (a refusal by the origin), path (a refusal by the path), answer (a
//! refusal by the limit with its response and event).

use std::alloc::System;
use std::hint::black_box;
use std::time::Instant;

use http::Method;
use palisade_bench::{Counter, Sample, env, plan};
use palisade_guard::Step;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    let mut args = std::env::args().skip(1);
    let case = args.next().unwrap_or_default();
    let count: u32 = args.next().and_then(|count| count.parse().ok()).unwrap_or(200_000);
    let entropy = Counter::default();
    let plan = plan(&entropy);
    let sample = match case.as_str() {
        "admit" | "decide" => Sample::new(Method::GET, "/api/items", &[]),
        "rate" | "answer" => Sample::new(Method::POST, "/api/contact", &[]),
        "origin" => Sample::new(Method::POST, "/api/orders", &[("origin", "https://evil.example")]),
        "path" => Sample::new(Method::GET, "/api/../items", &[]),
        _ => panic!("no such case: {case}"),
    };
    let mut line = Vec::with_capacity(4096);
    let mut once = |index: u32| {
        // Admitted requests come from many clients and a moving clock; refused ones hammer with one address.
        let (client, seconds) =
            if matches!(case.as_str(), "admit" | "decide") { (index % 1000, u64::from(index)) } else { (1, 0) };
        let env = env(&entropy, seconds);
        let step = plan.inspect(&sample.view(client), &env);
        match (case.as_str(), step) {
            ("admit", Step::Admit(mut admitted)) => {
                let (mut head, ()) = http::Request::builder().uri("/api/items").body(()).expect("request").into_parts();
                head.headers = sample.headers.clone();
                black_box(admitted.forward(&mut head, &env));
                let (mut head, ()) = http::Response::new(()).into_parts();
                let finish = admitted.finish(&mut head, &env);
                line.clear();
                finish.record.event().encode(&mut line);
                black_box(&line);
            }
            ("answer", Step::Answer(answer)) => {
                let (response, record) = answer.into_response(&env);
                line.clear();
                record.event().encode(&mut line);
                black_box((&line, response));
            }
            (_, step) => {
                let _ = black_box(step);
            }
        }
    };
    for index in 0..100 {
        once(index);
    }
    let region = Region::new(ALLOCATOR);
    let start = Instant::now();
    for index in 0..count {
        once(index);
    }
    let nanos = start.elapsed().as_nanos() as f64 / f64::from(count);
    let allocations = region.change().allocations as f64 / f64::from(count);
    println!("{case} ns={nanos:.0} allocations={allocations:.2}");
}
