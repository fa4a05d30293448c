//! identity CASE COUNT: decides COUNT requests that show a session token and prints nanoseconds of each.
//!
//! CASE: none (the same route without looking at who asks: take it off the others), known (a token that was verified
//! before), unknown (each token for the first time: Ed25519, by AWS-LC).

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Method;
use palisade_backend::{DemoIssuer, SystemEntropy, now, providers};
use palisade_bench::Sample;
use palisade_event::Kind;
use palisade_guard::{Env, Plan, Providers, Secrets, State, Step};
use palisade_policy::{Identity, IdentityNeed, IdentityProvider, Origin, Policy, Route};

const ISSUER: &str = "https://id.example";

fn main() {
    let mut args = std::env::args().skip(1);
    let case = args.next().unwrap_or_default();
    let count: usize = args.next().and_then(|count| count.parse().ok()).unwrap_or(10_000);
    let issuer = DemoIssuer::new(ISSUER, "shop").expect("issuer");
    let identity = if case == "none" { IdentityNeed::None } else { IdentityNeed::Required };
    let plan = plan(identity, issuer.pem().expect("pem"));
    let tokens = if case == "unknown" { count } else { 1 };
    let samples: Vec<Sample> = (0..tokens)
        .map(|index| {
            let token = issuer.token(&format!("user_{index}"), Duration::from_secs(3600));
            Sample::new(Method::GET, "/api/me", &[("authorization", &format!("Bearer {token}"))])
        })
        .collect();
    let env = Env { now: now(), entropy: &SystemEntropy };
    let once = |sample: &Sample| {
        let step = plan.inspect(&sample.view(1), &env);
        assert!(matches!(black_box(step), Step::Admit(_)), "the token is good");
    };
    if case == "known" {
        once(&samples[0]);
    }
    let start = Instant::now();
    for index in 0..count {
        once(&samples[index % tokens]);
    }
    println!("{case} ns={:.0}", start.elapsed().as_nanos() as f64 / count as f64);
}

fn plan(identity: IdentityNeed, pem: String) -> Arc<Plan> {
    let declared = Identity {
        provider: IdentityProvider::Oidc,
        issuer: Some(ISSUER.to_owned()),
        jwks: Some("https://id.example/jwks.json".to_owned()),
        audience: vec!["shop".to_owned()],
        authorized_parties: Vec::new(),
        sign_in_url: None,
        claims: BTreeMap::new(),
    };
    // Without a limit, so that what is measured is the identity.
    let kind = if identity == IdentityNeed::None { Kind::PublicRead } else { Kind::ProtectedRead };
    let policy = Policy::builder("bench", vec![Origin::parse("https://shop.example").expect("origin")])
        .identity(declared)
        .route(Route { limit: None, ..Route::new("/api/me", kind) })
        .build()
        .expect("policy");
    let env = Env { now: now(), entropy: &SystemEntropy };
    let state = State::new(&policy.limits, &env);
    let providers = Providers { jwt_key: Some(pem), ..providers() };
    Plan::compile_with(policy, &Secrets::ephemeral(&env), &state, &providers).expect("plan")
}
