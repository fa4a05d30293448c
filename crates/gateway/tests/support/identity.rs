//! Session tokens without cryptography, and gates that believe them.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use palisade_gateway::Reload;
use palisade_guard::{Alg, KeySet, Plan, Providers, PublicKey, Secrets, Verify};
use palisade_policy::{Identity, IdentityProvider, PolicyBuilder};
use palisade_testkit::{FixedEnv, RunningGate, Upstream};
use serde_json::{Value, json};

const ISSUER: &str = "https://id.example";
/// The time that testkit's gates draw their secrets from.
const SECRETS: u64 = 1_793_577_600;

/// Whose signatures are genuine.
struct Believes;

impl Verify for Believes {
    fn verify(&self, _: Alg, _: &PublicKey, _: &[u8], signature: &[u8]) -> bool {
        signature == b"genuine"
    }
}

/// Who signs the tokens.
pub(crate) fn issuer() -> Identity {
    Identity {
        provider: IdentityProvider::Oidc,
        issuer: Some(ISSUER.to_owned()),
        jwks: Some(format!("{ISSUER}/jwks.json")),
        audience: vec!["shop".to_owned()],
        authorized_parties: Vec::new(),
        sign_in_url: None,
        claims: BTreeMap::new(),
    }
}

/// Puts a policy in force at a gate that verifies tokens, and schemas.
pub(crate) fn verify(gate: &RunningGate, policy: PolicyBuilder, upstream: &Upstream) {
    let policy = policy.build().unwrap_or_else(|problems| panic!("{problems:?}"));
    let jwk = json!({ "kty": "RSA", "kid": "k", "alg": "RS256", "use": "sig", "e": "AQAB",
        "n": URL_SAFE_NO_PAD.encode([0x81; 256]) });
    let keys = KeySet::from_jwks(json!({ "keys": [jwk] }).to_string().as_bytes()).expect("keys");
    gate.state.keyring.replace(Arc::new(keys));
    let mut secrets = Secrets::ephemeral(&FixedEnv::at(SECRETS).env());
    secrets.webhooks.insert("HOOK_SECRET".to_owned(), vec![palisade_testkit::WEBHOOK_SECRET.to_owned().into()]);
    let providers = Providers { verify: Some(Arc::new(Believes)), ..palisade_backend::providers() };
    let plan = Plan::compile_with(policy, &secrets, &gate.state, &providers).expect("plan");
    let upstreams = vec![upstream.origin().into()];
    gate.control.reload(Reload { plan, upstreams, jwks: None });
    palisade_testkit::eventually("its threads take it up", || {
        palisade_testkit::metric(gate.admin, "palisade_policy_generation") > 1
    });
}

/// A token of that subject, good for so many seconds, without the leeway of five.
pub(crate) fn token(subject: &str, seconds: i64) -> String {
    let now = i64::try_from(palisade_backend::now().wall.0 / 1_000_000).expect("a time");
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = part(&json!({ "alg": "RS256", "kid": "k", "typ": "JWT" }));
    let claims = part(&json!({ "iss": ISSUER, "aud": "shop", "sub": subject, "sid": subject, "iat": now - 60,
        "exp": now + seconds }));
    format!("{header}.{claims}.{}", URL_SAFE_NO_PAD.encode("genuine"))
}
