//! `jsonwebtoken` as an oracle: whatever token we accept it accepts, with the same claims; whatever it accepts and we do
//! not is one of [`STRICTER`]. Tokens are well-formed ones with a few things changed, signed by real keys, and some are
//! then damaged.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods, reason = "a test")]
#![allow(clippy::result_large_err, clippy::too_many_lines, clippy::type_complexity, reason = "tables and doubles")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::{Arc, LazyLock, Mutex};

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA512,
    RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, Method, Uri, Version};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use palisade_backend::{AwsLc, SystemEntropy, now};
use palisade_event::Kind;
use palisade_guard::{BodyHint, Env, Identity, KeySet, Peer, Plan, Providers, Secrets, State, Step, View};
use palisade_policy::{Identity as Declared, IdentityProvider, Limits, Origin, Policy, Route};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Map, Value, json};

const ISSUER: &str = "https://id.example";
/// Enough for every reason to come up many times.
const CASES: u32 = 6000;

/// Where we are stricter, and why.
const STRICTER: [(&str, &str); 10] = [
    ("key", "a token is verified by the key that its `kid` names, and among several keys it must name one"),
    ("algorithm", "a key signs by the algorithm that its issuer publishes it for (RFC 8725 section 3.1)"),
    ("foreign-key", "a header that brings a key, or names where one lies, is an attack (RFC 8725 section 3.10)"),
    ("critical", "what `crit` demands is not understood (RFC 7515 section 4.1.11); `b64` changes what is signed"),
    ("type", "a token of another type was made for another purpose (RFC 8725 section 3.11)"),
    ("doubled-key", "two readers could read two tokens (RFC 8725 section 2.4, RFC 8259 section 4)"),
    ("subject", "who is not named cannot be counted, nor own anything; and a subject goes into a header"),
    ("issued", "a token from the future was made by a clock or a person that cannot be trusted"),
    ("issuer", "`iss` is one text (RFC 7519 section 4.1.1)"),
    (
        "claim-type",
        "a claim of the wrong type is not the claim: `sid`, `sts`, `aud`; and `sts: pending` is not signed in",
    ),
];

static RSA: LazyLock<RsaKeyPair> = LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).expect("key"));
static OTHER_RSA: LazyLock<RsaKeyPair> = LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).expect("key"));
static EC: LazyLock<EcdsaKeyPair> =
    LazyLock::new(|| EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("key"));
static ED: LazyLock<Ed25519KeyPair> = LazyLock::new(|| Ed25519KeyPair::generate().expect("key"));

/// A token to be: what it says, who signs it, and what then happens to it.
#[derive(Debug, Clone)]
struct Case {
    header: Vec<(String, Value)>,
    claims: Vec<(String, Value)>,
    sign: Sign,
    damage: Damage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Rs256,
    Rs512,
    Es256,
    EdDsa,
    /// By a key of the same name that the issuer does not have.
    Stranger,
    /// HS256 with the public key as the secret.
    Mixed,
    Nothing,
}

#[derive(Debug, Clone)]
enum Damage {
    None,
    /// Another character at a place.
    Flip(prop::sample::Index, char),
    Cut(prop::sample::Index),
    Append(&'static str),
    /// The header says another algorithm than the one it was signed by.
    Says(&'static str),
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn rsa_parts(key: &RsaKeyPair) -> (String, String) {
    let (n, e) = (key.public_key().modulus(), key.public_key().exponent());
    (text(n.big_endian_without_leading_zero()), text(e.big_endian_without_leading_zero()))
}

fn ec_parts() -> (String, String) {
    let point = EC.public_key().as_ref();
    (text(&point[1..33]), text(&point[33..]))
}

fn jwks() -> String {
    let ((n, e), (x, y)) = (rsa_parts(&RSA), ec_parts());
    json!({ "keys": [
        { "kty": "RSA", "use": "sig", "alg": "RS256", "kid": "r", "n": n, "e": e },
        { "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "e", "x": x, "y": y },
        { "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": "o", "x": text(ED.public_key().as_ref()) },
    ] })
    .to_string()
}

/// Written by hand, so that a key may stand twice.
fn object(entries: &[(String, Value)]) -> String {
    let entries: Vec<String> = entries.iter().map(|(key, value)| format!("{}:{value}", json!(key))).collect();
    format!("{{{}}}", entries.join(","))
}

impl Sign {
    fn alg(self) -> &'static str {
        match self {
            Sign::Rs256 | Sign::Stranger => "RS256",
            Sign::Rs512 => "RS512",
            Sign::Es256 => "ES256",
            Sign::EdDsa => "EdDSA",
            Sign::Mixed => "HS256",
            Sign::Nothing => "none",
        }
    }

    fn kid(self) -> &'static str {
        match self {
            Sign::Es256 => "e",
            Sign::EdDsa => "o",
            _ => "r",
        }
    }

    fn sign(self, message: &[u8]) -> Vec<u8> {
        let rng = SystemRandom::new();
        let rsa = |key: &RsaKeyPair, padding| {
            let mut signature = vec![0; key.public_modulus_len()];
            key.sign(padding, &rng, message, &mut signature).expect("signature");
            signature
        };
        match self {
            Sign::Rs256 => rsa(&RSA, &RSA_PKCS1_SHA256),
            Sign::Rs512 => rsa(&RSA, &RSA_PKCS1_SHA512),
            Sign::Stranger => rsa(&OTHER_RSA, &RSA_PKCS1_SHA256),
            Sign::Es256 => EC.sign(&rng, message).expect("signature").as_ref().to_vec(),
            Sign::EdDsa => ED.sign(message).as_ref().to_vec(),
            Sign::Mixed => {
                let public: PublicKeyX509Der<'_> = RSA.public_key().as_der().expect("der");
                hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, public.as_ref()), message).as_ref().to_vec()
            }
            Sign::Nothing => Vec::new(),
        }
    }
}

impl Case {
    fn token(&self) -> String {
        let alg = match self.damage {
            Damage::Says(alg) => alg,
            _ => self.sign.alg(),
        };
        let mut header = vec![("alg".to_owned(), json!(alg))];
        header.extend(self.header.iter().cloned());
        let message = format!("{}.{}", text(object(&header).as_bytes()), text(object(&self.claims).as_bytes()));
        let mut token = format!("{message}.{}", text(&self.sign.sign(message.as_bytes())));
        match &self.damage {
            Damage::None | Damage::Says(_) => {}
            Damage::Flip(at, with) => {
                let at = at.index(token.len());
                token.replace_range(at..=at, &with.to_string());
            }
            Damage::Cut(at) => token.truncate(at.index(token.len())),
            Damage::Append(more) => token.push_str(more),
        }
        token
    }
}

/// Mostly the good value, or one of the others.
fn mostly(good: Value, others: Vec<Value>) -> impl Strategy<Value = Option<Value>> {
    prop_oneof![
        24 => Just(Some(good)),
        2 => prop::sample::select(others).prop_map(Some),
        1 => Just(None),
    ]
}

fn cases() -> impl Strategy<Value = Case> {
    let seconds = i64::try_from(now().wall.seconds()).expect("seconds");
    let sign = prop_oneof![
        8 => Just(Sign::Rs256), 6 => Just(Sign::Es256), 6 => Just(Sign::EdDsa),
        1 => Just(Sign::Rs512), 1 => Just(Sign::Stranger), 1 => Just(Sign::Mixed), 1 => Just(Sign::Nothing),
    ];
    let damage = prop_oneof![
        16 => Just(Damage::None),
        3 => (any::<prop::sample::Index>(), prop::sample::select(vec!['A', 'B', 'a', '0', '-', '_', '+', '/', '=', '.', ' ', 'Q']))
            .prop_map(|(at, with)| Damage::Flip(at, with)),
        1 => any::<prop::sample::Index>().prop_map(Damage::Cut),
        1 => prop::sample::select(vec!["=", ".", "A", ".e30", " ", "AA"]).prop_map(Damage::Append),
        1 => prop::sample::select(vec!["none", "HS256", "RS512", "ES256", "EdDSA", "PS256", "rs256"]).prop_map(Damage::Says),
    ];
    let extra = prop_oneof![
        20 => Just(None),
        6 => prop::sample::select(vec![
            ("crit", json!(["exp"])), ("b64", json!(true)), ("jku", json!("https://evil.example/jwks.json")),
            ("x5u", json!("https://evil.example/cert")), ("cty", json!("JWT")), ("x", json!({ "deep": [1] })),
            ("typ", json!("JWT")), ("kid", json!("r")),
        ])
        .prop_map(Some),
    ];
    let kid = prop_oneof![20 => Just(Some(None)), 2 => Just(None), 3 => prop::sample::select(vec!["r", "e", "o", "gone"]).prop_map(|kid| Some(Some(kid)))];
    let typ = mostly(json!("JWT"), vec![json!("at+jwt"), json!("dpop+jwt"), json!("jwt"), json!("logout+jwt")]);
    let times = (
        // Never nearer to now than clocks and leeways could matter.
        mostly(
            json!(seconds + 300),
            vec![json!(seconds - 300), json!(seconds as f64 + 300.5), json!("soon"), json!(0)],
        ),
        mostly(json!(seconds - 60), vec![json!(seconds + 300), json!(seconds - 90), json!(true)]),
        mostly(json!(seconds - 60), vec![json!(seconds + 300), json!("now")]),
    );
    let who = (
        mostly(
            json!("user_1"),
            vec![json!(""), json!(7), json!("us er"), json!("ü"), json!("u".repeat(300)), json!("x")],
        ),
        mostly(
            json!(ISSUER),
            vec![json!("https://id.example/"), json!([ISSUER]), json!("https://evil.example"), json!(1)],
        ),
        mostly(
            json!("shop"),
            vec![json!(["other", "shop"]), json!(["other"]), json!("other"), json!([]), json!(["shop", 1])],
        ),
        mostly(json!("sess_1"), vec![json!(1), json!({ "a": 1 })]),
    );
    let more = prop_oneof![
        20 => Just(None),
        4 => prop::sample::select(vec![
            ("sts", json!("pending")), ("sts", json!("active")), ("sts", json!(1)), ("sub", json!("root")), ("sid", json!("sess_2")), ("exp", json!(seconds + 9000)),
            ("deep", json!({ "list": [1, 1.5, null, "\u{1f600}\\\""] })), ("scope", json!("a b")), ("roles", json!(["admin"])),
        ])
        .prop_map(Some),
    ];
    (sign, damage, extra, kid, typ, times, who, more).prop_map(|(sign, damage, extra, kid, typ, times, who, more)| {
        let named = |name: &str, value: Option<Value>| value.map(|value| (name.to_owned(), value));
        let kid = kid.map(|kid| json!(kid.unwrap_or(sign.kid())));
        let header = [named("kid", kid), named("typ", typ), extra.map(|(name, value)| (name.to_owned(), value))];
        let claims = [
            named("exp", times.0),
            named("nbf", times.1),
            named("iat", times.2),
            named("sub", who.0),
            named("iss", who.1),
            named("aud", who.2),
            named("sid", who.3),
            more.map(|(name, value)| (name.to_owned(), value)),
        ];
        Case {
            header: header.into_iter().flatten().collect(),
            claims: claims.into_iter().flatten().collect(),
            sign,
            damage,
        }
    })
}

/// Our side: the whole gate, over a token in `Authorization`.
struct Ours {
    plan: Arc<Plan>,
}

impl Ours {
    fn new() -> Ours {
        let declared = Declared {
            provider: IdentityProvider::Oidc,
            issuer: Some(ISSUER.to_owned()),
            jwks: Some("https://id.example/jwks.json".to_owned()),
            audience: vec!["shop".to_owned()],
            authorized_parties: Vec::new(),
            sign_in_url: None,
            claims: BTreeMap::new(),
        };
        let policy = Policy::builder("shop", vec![Origin::parse("https://shop.example").expect("origin")])
            .limits(Limits { limiter_slots: 1024, ..Limits::default() })
            .identity(declared)
            .route(Route { limit: None, ..Route::new("/api/me", Kind::ProtectedRead) })
            .build()
            .expect("policy");
        let env = Env { now: now(), entropy: &SystemEntropy };
        let state = State::new(&policy.limits, &env);
        state.keyring.replace(Arc::new(KeySet::from_jwks(jwks().as_bytes()).expect("keys")));
        let providers = Providers { verify: Some(Arc::new(AwsLc)), ..Providers::default() };
        let plan = Plan::compile_with(policy, &Secrets::ephemeral(&env), &state, &providers).expect("plan");
        Ours { plan }
    }

    fn accepts(&self, token: &str) -> Option<Identity> {
        let mut headers = HeaderMap::new();
        headers.insert("host", "shop.example".parse().expect("value"));
        headers.insert("authorization", format!("Bearer {token}").parse().ok()?);
        let (method, uri, env) =
            (Method::GET, Uri::from_static("/api/me"), Env { now: now(), entropy: &SystemEntropy });
        let peer = Peer { address: Ipv4Addr::LOCALHOST.into() };
        let view = View {
            method: &method,
            uri: &uri,
            version: Version::HTTP_11,
            headers: &headers,
            peer,
            body: BodyHint::Empty,
        };
        let mut step = self.plan.inspect(&view, &env);
        loop {
            match step {
                Step::Admit(admitted) => return admitted.identity().cloned(),
                Step::Need(palisade_guard::Need::Keys(ask)) => {
                    let keys = self.plan.state().keyring.current().expect("keys");
                    step = ask.reply(palisade_guard::Keys::Are(keys)).run(&view, &env);
                }
                Step::Answer(_) | Step::Need(_) => return None,
            }
        }
    }
}

/// The oracle, as its documentation has it used: the key by the header's algorithm, everything else by its validation.
fn theirs(token: &str) -> Option<Map<String, Value>> {
    let alg = decode_header(token).ok()?.alg;
    let ((n, e), (x, y)) = (rsa_parts(&RSA), ec_parts());
    let key = match alg {
        Algorithm::RS256 | Algorithm::RS512 => DecodingKey::from_rsa_components(&n, &e).expect("key"),
        Algorithm::ES256 => DecodingKey::from_ec_components(&x, &y).expect("key"),
        Algorithm::EdDSA => DecodingKey::from_ed_components(&text(ED.public_key().as_ref())).expect("key"),
        _ => return None,
    };
    let mut validation = Validation::new(alg);
    validation.leeway = 5;
    validation.validate_nbf = true;
    validation.set_audience(&["shop"]);
    validation.set_issuer(&[ISSUER]);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    decode::<Map<String, Value>>(token, &key, &validation).ok().map(|data| data.claims)
}

/// By which of [`STRICTER`] we may refuse what the oracle accepted. Read from the token itself, whose signature is good.
fn reason(token: &str, claims: &Map<String, Value>) -> Option<&'static str> {
    let mut parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).expect("base64url"));
    let (head, body) = (parts.next().expect("header"), parts.next().expect("claims"));
    let header: Map<String, Value> = serde_json::from_slice(&head).expect("header");
    let doubled = |text: &[u8], object: &Map<String, Value>| {
        text.iter().filter(|byte| **byte == b':').count() != {
            serde_json::to_vec(object).expect("json").iter().filter(|byte| **byte == b':').count()
        }
    };
    let is = |name: &str, test: fn(&Value) -> bool| claims.get(name).is_some_and(test);
    let alg = header["alg"].as_str().unwrap_or_default();
    let kid = match alg {
        "ES256" => "e",
        "EdDSA" => "o",
        _ => "r",
    };
    let subject = claims.get("sub").and_then(Value::as_str);
    let found = [
        ("foreign-key", ["jku", "jwk", "x5u", "x5c"].iter().any(|name| header.contains_key(*name))),
        ("critical", header.contains_key("crit") || header.contains_key("b64")),
        ("doubled-key", doubled(&head, &header) || doubled(&body, claims)),
        ("algorithm", alg == "RS512"),
        ("key", header.get("kid").is_none_or(|named| named != kid)),
        ("type", header.get("typ").is_some_and(|typ| !["JWT", "jwt", "at+jwt"].iter().any(|known| typ == known))),
        ("issuer", is("iss", Value::is_array)),
        ("issued", is("iat", |iat| iat.as_f64().is_none_or(|iat| iat > now().wall.seconds() as f64 + 5.0))),
        (
            "subject",
            subject.is_none_or(|sub| sub.is_empty() || sub.len() > 255 || !sub.bytes().all(|b| b.is_ascii_graphic())),
        ),
        (
            "claim-type",
            is("sid", |sid| !sid.is_string()) || is("sts", |sts| sts != "active") || is("aud", |aud| !aud.is_string()),
        ),
    ];
    found.into_iter().find(|(_, holds)| *holds).map(|(name, _)| name)
}

#[test]
fn whatever_we_accept_the_oracle_accepts_with_the_same_claims() {
    let ours = Ours::new();
    let (both, seen) = (Mutex::new(0_u32), Mutex::new(BTreeSet::new()));
    // The same cases each time but for keys and signatures: a run that fails can be run again.
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new_with_rng(config, rng).run(&cases(), |case| {
        let token = case.token();
        match (ours.accepts(&token), theirs(&token)) {
            (Some(identity), Some(claims)) => {
                prop_assert_eq!(Some(identity.subject()), claims.get("sub").and_then(Value::as_str));
                for (name, value) in &claims {
                    prop_assert_eq!(identity.claim(name), Some(value), "{}", name);
                }
                *both.lock().expect("lock") += 1;
            }
            (Some(_), None) => prop_assert!(false, "we accept what the oracle refuses: {}", token),
            (None, Some(claims)) => match reason(&token, &claims) {
                Some(reason) => drop(seen.lock().expect("lock").insert(reason)),
                None => prop_assert!(false, "the oracle accepts, and we have no reason to refuse: {}", token),
            },
            (None, None) => {}
        }
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(both.into_inner().expect("lock") > CASES / 20, "tokens that are good are part of it");
    let reasons: BTreeSet<&str> = STRICTER.iter().map(|(name, _)| *name).collect();
    assert_eq!(seen.into_inner().expect("lock"), reasons, "each stricter case comes up, and no other");
}
