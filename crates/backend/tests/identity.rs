//! Identity with real signatures and real keys, fetched over a real socket.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods, reason = "a test")]
#![allow(clippy::print_stdout, reason = "what is skipped is said")]

#[path = "support/quiet.rs"]
mod quiet;

use std::collections::BTreeMap;
use std::future::Future;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA512,
    RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use palisade_backend::{AwsLc, Jwks, JwksTimes, Local, SystemEntropy, now};
use palisade_event::Kind;
use palisade_guard::{Alg, Env, Fault, KeySet, Peer, Plan, Providers, PublicKey, Secrets, State, Verify, open};
use palisade_policy::{
    Identity, IdentityProvider, Limit, Limits, Method, Methods, Origin, Policy, PolicyBuilder, Route,
};
use palisade_tower::{Gate, Guarded};
use serde_json::{Value, json};

use quiet::Quiet;

const LIVE: &str = "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k";
const ISSUER: &str = "https://clerk.example.com";

/// An RSA key of a test.
struct Rsa {
    kid: &'static str,
    pair: RsaKeyPair,
}

impl Rsa {
    fn new(kid: &'static str) -> Rsa {
        Rsa { kid, pair: RsaKeyPair::generate(KeySize::Rsa2048).expect("key") }
    }

    fn jwk(&self) -> Value {
        let (n, e) = (self.pair.public_key().modulus(), self.pair.public_key().exponent());
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (n, e) = (text(n.big_endian_without_leading_zero()), text(e.big_endian_without_leading_zero()));
        json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid, "n": n, "e": e })
    }

    fn pem(&self) -> String {
        let der: PublicKeyX509Der<'_> = self.pair.public_key().as_der().expect("der");
        let text = STANDARD.encode(der.as_ref());
        let lines: Vec<&str> =
            text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("ascii")).collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).expect("signature");
        signature
    }

    fn token(&self, changes: &Value) -> String {
        compact(&json!({ "alg": "RS256", "kid": self.kid, "typ": "JWT" }), &claims(changes), |message| {
            self.sign(message)
        })
    }
}

fn claims(changes: &Value) -> Value {
    let seconds = now().wall.seconds();
    let mut claims = json!({
        "v": 2, "iss": ISSUER, "sub": "user_1", "sid": "sess_1", "azp": "https://shop.example",
        "iat": seconds, "nbf": seconds - 10, "exp": seconds + 60,
    });
    claims.as_object_mut().expect("object").extend(changes.as_object().expect("object").clone());
    claims
}

fn compact(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(message.as_bytes()));
    format!("{message}.{signature}")
}

fn jwks(keys: &[&Rsa]) -> String {
    json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() }).to_string()
}

/// An issuer's key server on loopback.
struct Issuer {
    url: String,
    answer: Arc<Mutex<(u16, String)>>,
    fetches: Arc<AtomicU32>,
    hang: Arc<AtomicBool>,
}

impl Issuer {
    fn start(keys: String) -> Issuer {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("listener");
        let url = format!("http://{}/.well-known/jwks.json", listener.local_addr().expect("address"));
        let answer = Arc::new(Mutex::new((200, keys)));
        let (fetches, hang) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
        let (answers, count, hangs) = (Arc::clone(&answer), Arc::clone(&fetches), Arc::clone(&hang));
        std::thread::spawn(move || {
            let mut held = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.expect("stream");
                count.fetch_add(1, Ordering::SeqCst);
                if hangs.load(Ordering::SeqCst) {
                    held.push(stream);
                    continue;
                }
                let mut head = [0; 4096];
                let _ = stream.read(&mut head);
                let (status, text) = answers.lock().expect("lock").clone();
                let length = text.len();
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status} X\r\nlocation: /elsewhere\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{text}"
                );
            }
        });
        Issuer { url, answer, fetches, hang }
    }

    fn says(&self, status: u16, text: String) {
        *self.answer.lock().expect("lock") = (status, text);
    }

    fn fetches(&self) -> u32 {
        self.fetches.load(Ordering::SeqCst)
    }
}

fn policy(identity: Identity) -> PolicyBuilder {
    let me = Route { limit: Limit::parse("1000/s").ok(), ..Route::new("/api/me", Kind::ProtectedRead) };
    let write = Route { methods: Methods::NONE.with(Method::Post), ..Route::new("/api/posts", Kind::ProtectedWrite) };
    let origins = vec![Origin::parse("https://shop.example").expect("origin")];
    Policy::builder("shop", origins).identity(identity).route(me).route(write)
}

fn clerk() -> Identity {
    Identity {
        provider: IdentityProvider::Clerk,
        issuer: None,
        jwks: None,
        audience: Vec::new(),
        authorized_parties: vec!["https://shop.example".to_owned()],
        sign_in_url: None,
        claims: BTreeMap::new(),
    }
}

struct World {
    gate: Gate<Local, Quiet>,
    state: Arc<State>,
}

fn world(builder: PolicyBuilder, pem: Option<String>, url: Option<&str>, times: JwksTimes) -> World {
    let policy = builder.build().expect("policy");
    let secrets = Secrets { csrf: vec!["c".repeat(32)], session: vec!["s".repeat(32)], ..Secrets::default() };
    let state =
        State::new(&Limits { limiter_slots: 1024, ..Limits::default() }, &Env { now: now(), entropy: &SystemEntropy });
    let clerk =
        (policy.identity.as_ref().expect("identity").provider == IdentityProvider::Clerk).then(|| LIVE.to_owned());
    let providers =
        Providers { verify: Some(Arc::new(AwsLc)), clerk_publishable_key: clerk, jwt_key: pem, schemas: None };
    let plan = Plan::compile_with(policy, &secrets, &state, &providers).expect("plan");
    let jwks = url.map(|url| Jwks::start(url, &state, times).expect("jwks"));
    World { gate: Gate::new(plan, Local::new(Arc::clone(&state)).with_jwks(jwks), Quiet), state }
}

impl World {
    async fn ask(&self, token: &str) -> (u16, Option<String>) {
        let request = Request::get("/api/me")
            .header("host", "shop.example")
            .header("authorization", format!("Bearer {token}"))
            .body(Full::new(Bytes::new()))
            .expect("request");
        let peer = Peer { address: Ipv4Addr::new(198, 51, 100, 1).into() };
        let app = async |request: Request<Guarded<Full<Bytes>>>| -> Result<Response<Full<Bytes>>, Fault> {
            let subject = request.body().identity().map(|who| who.subject().to_owned());
            let mut response = Response::new(Full::new(Bytes::new()));
            if let Some(subject) = subject {
                response.headers_mut().insert("x-who", subject.parse().expect("value"));
            }
            Ok(response)
        };
        let response = self.gate.handle(peer, request, app).await;
        let who = response.headers().get("x-who").map(|who| who.to_str().expect("ascii").to_owned());
        (response.status().as_u16(), who)
    }
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime").block_on(work)
}

fn times() -> JwksTimes {
    JwksTimes { timeout: Duration::from_secs(2), ..JwksTimes::default() }
}

async fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn a7_a_real_token_is_verified_and_the_app_reads_who_it_is() {
    run(async {
        let key = Rsa::new("ins_1");
        let issuer = Issuer::start(jwks(&[&key]));
        let world = world(policy(clerk()), None, Some(&issuer.url), times());
        assert_eq!(world.ask(&key.token(&json!({}))).await, (200, Some("user_1".to_owned())));
        assert_eq!(world.ask(&Rsa::new("ins_1").token(&json!({}))).await.0, 401, "another key of that name");
        let head = json!({ "alg": "HS256", "kid": "ins_1", "typ": "JWT" });
        let pem = key.pem();
        let hmac = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, pem.as_bytes());
        let mixed =
            compact(&head, &claims(&json!({})), |message| aws_lc_rs::hmac::sign(&hmac, message).as_ref().to_vec());
        assert_eq!(world.ask(&mixed).await.0, 401, "HS256 with the public key as secret");
        let none = compact(&json!({ "alg": "none", "typ": "JWT" }), &claims(&json!({})), |_| Vec::new());
        assert_eq!(world.ask(&none).await.0, 401);
        let mut sha512 = vec![0; key.pair.public_modulus_len()];
        let mislabelled = compact(&json!({ "alg": "RS256", "kid": "ins_1" }), &claims(&json!({})), |message| {
            key.pair.sign(&RSA_PKCS1_SHA512, &SystemRandom::new(), message, &mut sha512).expect("signature");
            sha512.clone()
        });
        assert_eq!(world.ask(&mislabelled).await.0, 401, "RS512 under the name RS256");
    });
}

#[test]
fn a7_keys_rotate_without_a_failed_request() {
    run(async {
        let (old, new) = (Rsa::new("ins_1"), Rsa::new("ins_2"));
        let issuer = Issuer::start(jwks(&[&old]));
        let world = world(policy(clerk()), None, Some(&issuer.url), times());
        let old_token = old.token(&json!({}));
        assert_eq!(world.ask(&old_token).await.0, 200);
        issuer.says(200, jwks(&[&old, &new]));
        for round in 0..50 {
            assert_eq!(world.ask(&new.token(&json!({ "jti": round }))).await.0, 200, "round {round}");
            assert_eq!(world.ask(&old_token).await.0, 200, "round {round}");
        }
        assert_eq!(issuer.fetches(), 2, "one at the start, one for the new key");
        assert!(world.state.verified_tokens() > 1);
    });
}

#[test]
fn a7_a_key_that_is_gone_is_gone_for_remembered_tokens_too() {
    run(async {
        let (old, new) = (Rsa::new("ins_1"), Rsa::new("ins_2"));
        let issuer = Issuer::start(jwks(&[&old, &new]));
        let quick = JwksTimes { refresh: Duration::from_millis(20), ..times() };
        let world = world(policy(clerk()), None, Some(&issuer.url), quick);
        let token = old.token(&json!({}));
        assert_eq!(world.ask(&token).await.0, 200);
        issuer.says(200, jwks(&[&new]));
        eventually("the new set", || world.state.keyring.current().is_some_and(|keys| keys.len() == 1)).await;
        assert_eq!(world.ask(&token).await.0, 401);
    });
}

#[test]
fn a7_a_thousand_unknown_keys_cause_one_fetch() {
    run(async {
        let (key, stranger) = (Rsa::new("ins_1"), Rsa::new("ins_x"));
        let issuer = Issuer::start(jwks(&[&key]));
        let world = Arc::new(world(policy(clerk()), None, Some(&issuer.url), times()));
        assert_eq!(world.ask(&key.token(&json!({}))).await.0, 200);
        assert_eq!(issuer.fetches(), 1);
        let local = tokio::task::LocalSet::new();
        let made_up =
            |n: u32| {
                let head = json!({ "alg": "RS256", "kid": format!("ins_{n}"), "typ": "JWT" });
                compact(&head, &claims(&json!({ "jti": n })), |message| {
                    if n == 0 { stranger.sign(message) } else { vec![1; 256] }
                })
            };
        let asked: Vec<_> = (0..1000)
            .map(|n| {
                let (world, token) = (Arc::clone(&world), made_up(n));
                local.spawn_local(async move { world.ask(&token).await.0 })
            })
            .collect();
        local
            .run_until(async {
                for asked in asked {
                    assert_eq!(asked.await.expect("no panic"), 401);
                }
            })
            .await;
        assert_eq!(issuer.fetches(), 2);
        assert_eq!(world.ask(&key.token(&json!({ "jti": "after" }))).await.0, 200, "and nobody else waits");
    });
}

#[test]
fn a7_while_the_issuer_is_down_the_last_good_keys_stay() {
    run(async {
        let key = Rsa::new("ins_1");
        let issuer = Issuer::start(jwks(&[&key]));
        let quick = JwksTimes { refresh: Duration::from_millis(20), cooldown: Duration::from_millis(10), ..times() };
        let world = world(policy(clerk()), None, Some(&issuer.url), quick);
        assert_eq!(world.ask(&key.token(&json!({}))).await.0, 200);
        for (status, text) in [
            (500, String::new()),
            (302, String::new()),
            (200, "<html>".to_owned()),
            (200, format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(300 << 10))),
            (200, "{\"keys\":[],\"keys\":[]}".to_owned()),
        ] {
            issuer.says(status, text);
            let before = issuer.fetches();
            eventually("two more fetches", || issuer.fetches() >= before + 2).await;
            assert_eq!(world.ask(&key.token(&json!({ "jti": before }))).await.0, 200, "{status}");
        }
        issuer.says(200, json!({ "keys": [] }).to_string());
        eventually("the empty set counts", || world.state.keyring.current().is_some_and(|keys| keys.is_empty())).await;
        assert_eq!(world.ask(&key.token(&json!({ "jti": "last" }))).await.0, 401, "an issuer may take back everything");
    });
}

#[test]
fn a7_an_issuer_that_was_never_reached_closes_required_routes() {
    run(async {
        let key = Rsa::new("ins_1");
        let issuer = Issuer::start(String::new());
        issuer.hang.store(true, Ordering::SeqCst);
        let impatient = JwksTimes { timeout: Duration::from_millis(50), ..times() };
        let world = world(policy(clerk()), None, Some(&issuer.url), impatient);
        assert_eq!(world.ask(&key.token(&json!({}))).await.0, 503);
        let begun = Instant::now();
        for n in 0..20 {
            assert_eq!(world.ask(&key.token(&json!({ "jti": n }))).await.0, 503);
        }
        assert!(begun.elapsed() < Duration::from_secs(1), "nobody waits for what has just failed");
        assert_eq!(world.ask("garbage").await.0, 401, "what cannot be verified by any key does not wait for one");
    });
}

#[test]
fn keys_are_fetched_over_https_or_on_loopback_alone() {
    let state =
        State::new(&Limits { limiter_slots: 1024, ..Limits::default() }, &Env { now: now(), entropy: &SystemEntropy });
    for url in [
        "http://id.example/jwks",
        "ftp://127.0.0.1/",
        "127.0.0.1",
        "https://user:pw@id.example/",
        "http://127.0.0.1.evil.example/",
    ] {
        assert!(Jwks::start(url, &state, times()).is_err(), "{url}");
    }
}

#[test]
fn a7_a_key_of_the_configuration_needs_no_network() {
    run(async {
        let key = Rsa::new("ins_1");
        let pem = key.pem();
        let bare: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        for spelling in [pem.clone(), pem.replace('\n', "\\n"), bare] {
            let world = world(policy(clerk()), Some(spelling.clone()), None, times());
            assert_eq!(world.ask(&key.token(&json!({}))).await.0, 200, "{spelling}");
            let nameless = compact(&json!({ "alg": "RS256" }), &claims(&json!({})), |message| key.sign(message));
            assert_eq!(world.ask(&nameless).await.0, 200, "its kid does not matter");
            assert_eq!(world.ask(&Rsa::new("ins_1").token(&json!({}))).await.0, 401);
        }
        assert!(KeySet::from_pem("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----").is_err());
    });
}

#[test]
fn a7_clerks_key_of_the_configuration_signs_with_one_algorithm() {
    run(async {
        let key = Rsa::new("ins_1");
        let world = world(policy(clerk()), Some(key.pem()), None, times());
        let mut signature = vec![0; key.pair.public_modulus_len()];
        let head = json!({ "alg": "RS512", "kid": "ins_1", "typ": "JWT" });
        let token = compact(&head, &claims(&json!({})), |message| {
            key.pair.sign(&RSA_PKCS1_SHA512, &SystemRandom::new(), message, &mut signature).expect("signature");
            signature.clone()
        });
        assert_eq!(world.ask(&token).await.0, 401, "Clerk's SDK takes the key for RS256 alone");
        assert_eq!(world.ask(&key.token(&json!({}))).await.0, 200);
    });
}

#[test]
fn any_issuer_may_sign_with_curves() {
    run(async {
        let random = SystemRandom::new();
        let ed = Ed25519KeyPair::generate().expect("key");
        let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("key");
        let point = ec.public_key().as_ref();
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let keys = json!({ "keys": [
            { "kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": text(ed.public_key().as_ref()) },
            { "kty": "EC", "crv": "P-256", "kid": "ec", "x": text(&point[1..33]), "y": text(&point[33..]) },
        ] });
        let issuer = Issuer::start(keys.to_string());
        let oidc = Identity {
            provider: IdentityProvider::Oidc,
            issuer: Some("https://id.example".to_owned()),
            jwks: Some(issuer.url.clone()),
            audience: vec!["shop".to_owned()],
            authorized_parties: Vec::new(),
            ..clerk()
        };
        let world = world(policy(oidc), None, Some(&issuer.url), times());
        let own = claims(&json!({ "iss": "https://id.example", "aud": "shop", "sub": "auth0|1" }));
        let by_ed =
            compact(&json!({ "alg": "EdDSA", "kid": "ed" }), &own, |message| ed.sign(message).as_ref().to_vec());
        assert_eq!(world.ask(&by_ed).await, (200, Some("auth0|1".to_owned())));
        let sign = |message: &[u8]| ec.sign(&random, message).expect("signature").as_ref().to_vec();
        assert_eq!(world.ask(&compact(&json!({ "alg": "ES256", "kid": "ec" }), &own, sign)).await.0, 200);
        let crossed = compact(&json!({ "alg": "ES256", "kid": "ed" }), &own, sign);
        assert_eq!(world.ask(&crossed).await.0, 401, "the other key's algorithm");
        let der = compact(&json!({ "alg": "ES256", "kid": "ec" }), &own, |_| vec![0x30, 6, 2, 1, 1, 2, 1, 1]);
        assert_eq!(world.ask(&der).await.0, 401);
    });
}

/// Test vectors that lie beside the project where they were laid; they are not part of it.
fn vectors(name: &str) -> Option<Value> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name);
    let text = std::fs::read(path).ok();
    if text.is_none() {
        println!("skipped: {name} of C2SP/wycheproof does not lie in ../shared/data beside the project");
    }
    Some(serde_json::from_slice(&text?).expect("json"))
}

#[test]
fn wycheproofs_tokens_and_keys_are_never_accepted_wrongly() {
    for name in ["wycheproof-json_web_signature_test.json", "wycheproof-json_web_key_test.json"] {
        let Some(vectors) = vectors(name) else { continue };
        let (mut accepted, mut refused) = (0, 0);
        for group in vectors["testGroups"].as_array().expect("groups") {
            // A set with private keys in it is read as what it says of public ones.
            let key = group.get("public").or_else(|| group.get("private")).expect("key");
            let set = if key.get("keys").is_some() { key.clone() } else { json!({ "keys": [key] }) };
            let keys = KeySet::from_jwks(set.to_string().as_bytes()).expect("set");
            // Ours to accept: public keys of algorithms that we take.
            let ours = set["keys"]
                .as_array()
                .expect("keys")
                .iter()
                .all(|key| group.get("public").is_some() && Alg::ALL.iter().any(|alg| key["alg"] == alg.id()));
            for test in group["tests"].as_array().expect("tests") {
                let Some(token) = test["jws"].as_str() else { continue };
                let opened = open(token, &keys, &Alg::ALL, &AwsLc);
                let what = format!("{name} {}: {}", test["tcId"], test["comment"]);
                if test["result"] != "valid" {
                    assert!(opened.is_err(), "{what}");
                    refused += 1;
                } else if ours {
                    assert!(opened.is_ok(), "{what}: {opened:?}");
                    accepted += 1;
                }
            }
        }
        println!("{name}: {accepted} accepted, {refused} refused");
        assert!(accepted > 0 && refused > 0, "{name}");
    }
}

#[test]
fn wycheproofs_ed25519_signatures_are_judged_rightly() {
    let Some(vectors) = vectors("wycheproof-ed25519_test.json") else { return };
    let hex = |text: &Value| -> Vec<u8> {
        let text = text.as_str().expect("text");
        (0..text.len() / 2).map(|at| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).expect("hex")).collect()
    };
    for group in vectors["testGroups"].as_array().expect("groups") {
        let point = hex(&group["publicKey"]["pk"]).try_into().expect("32 bytes");
        for test in group["tests"].as_array().expect("tests") {
            let good = AwsLc.verify(Alg::EdDsa, &PublicKey::Ed25519(point), &hex(&test["msg"]), &hex(&test["sig"]));
            assert_eq!(good, test["result"] == "valid", "{}", test["tcId"]);
        }
    }
}

#[test]
fn every_bit_of_a_token_counts() {
    let key = Rsa::new("ins_1");
    let keys = KeySet::from_jwks(jwks(&[&key]).as_bytes()).expect("keys");
    let token = key.token(&json!({}));
    assert!(open(&token, &keys, &Alg::RSA, &AwsLc).is_ok());
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).expect("ascii");
        assert!(open(&changed, &keys, &Alg::RSA, &AwsLc).is_err(), "character {at}");
    }
}
