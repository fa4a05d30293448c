//! A gate that knows one issuer, whose signatures cannot be forged: only what was signed here verifies.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use palisade_event::{Code, Kind};
use palisade_guard::{
    Alg, BodyHint, KeySet, Keys, Need, Peer, Plan, Providers, PublicKey, Secrets, State, Step, Verify, View,
};
use palisade_policy::{Identity, IdentityProvider, Origin, Policy, Route};
use serde_json::json;

use crate::still;

pub(crate) static SESSIONS: LazyLock<Sessions> = LazyLock::new(Sessions::new);

/// When [`still`]'s clock stands, in seconds.
const NOW: u64 = 1_614_265_330;
const ISSUER: &str = "https://clerk.example.com";
const PARTY: &str = "https://shop.example";
const KEY: &str = "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k";
/// Where a token may lie, in the order in which a visitor's are looked at.
pub(crate) const COOKIES: [&str; 2] = ["__session", "__session_naoXFJnI"];
const SIGNATURE: [u8; 256] = [7; 256];

pub(crate) struct Sessions {
    plan: Arc<Plan>,
    keys: Arc<KeySet>,
    signed: Arc<Signed>,
    /// The good token of ann, that of bob, and one of ann's that is over.
    tokens: [String; 3],
}

/// Verifies the messages that it has signed, and nothing else.
#[derive(Default)]
struct Signed(Mutex<HashSet<Vec<u8>>>);

impl Verify for Signed {
    fn verify(&self, alg: Alg, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        let signed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Alg::RSA.contains(&alg)
            && matches!(key, PublicKey::Rsa { .. })
            && signature == SIGNATURE
            && signed.contains(message)
    }
}

impl Signed {
    fn sign(&self, header: &str, claims: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let message = format!("{}.{}", part(header), part(claims));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(message.clone().into_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(SIGNATURE))
    }

    fn forget(&self, token: &str) {
        let Some((message, _)) = token.rsplit_once('.') else { return };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(message.as_bytes());
    }
}

impl Sessions {
    fn new() -> Sessions {
        let signed = Arc::new(Signed::default());
        let header = json!({ "alg": "RS256", "kid": "ins_1", "typ": "JWT" }).to_string();
        let tokens = [("user_ann", NOW + 60), ("user_bob", NOW + 60), ("user_ann", NOW - 60)].map(|(subject, exp)| {
            let claims = json!({
                "iss": ISSUER, "sub": subject, "sid": "sess", "azp": PARTY, "iat": NOW - 90, "nbf": NOW - 90, "exp": exp,
            });
            signed.sign(&header, &claims.to_string())
        });
        let modulus = URL_SAFE_NO_PAD.encode([0x81; 256]);
        let jwk = json!({ "kty": "RSA", "kid": "ins_1", "alg": "RS256", "use": "sig", "e": "AQAB", "n": modulus });
        let keys = KeySet::from_jwks(json!({ "keys": [jwk] }).to_string().as_bytes()).expect("keys");
        let providers = Providers {
            verify: Some(Arc::clone(&signed) as Arc<dyn Verify>),
            clerk_publishable_key: Some(KEY.to_owned()),
            ..Providers::default()
        };
        let sessions = Sessions { plan: plan(&providers), keys: Arc::new(keys), signed, tokens };
        sessions.takes_what_is_genuine();
        sessions
    }

    /// Or the target would prove nothing.
    fn takes_what_is_genuine(&self) {
        let [ann, bob, over] = &self.tokens;
        let bearer = |token: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).expect("a value"));
            self.ask(&headers).map_err(|code| code.id())
        };
        assert_eq!(bearer(ann).as_deref(), Ok("user_ann"));
        assert_eq!(bearer(bob).as_deref(), Ok("user_bob"));
        assert_eq!(bearer(over), Err(Code::TokenExpired.id()));
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_str(&format!("__session={bob}")).expect("a value"));
        assert_eq!(self.ask(&headers).ok().as_deref(), Some("user_bob"));
    }

    /// Signs whatever is written, as an issuer would that has lost its mind, until `work` is done.
    pub(crate) fn with_signed(&self, header: &str, claims: &str, work: impl FnOnce(&str)) {
        let token = self.signed.sign(header, claims);
        work(&token);
        if !self.tokens.contains(&token) {
            self.signed.forget(&token);
        }
    }

    /// The text with what stands for tokens replaced by them; `signed` is the one of this input.
    pub(crate) fn filled(&self, text: &str, signed: &str) -> String {
        let [ann, bob, over] = &self.tokens;
        let marks = [("{a}", ann.as_str()), ("{b}", bob), ("{o}", over), ("{s}", signed)];
        marks.into_iter().fold(text.to_owned(), |text, (mark, value)| text.replace(mark, value))
    }

    /// Whose good token that is, letter by letter.
    pub(crate) fn owner(&self, token: &str) -> Option<&'static str> {
        let [ann, bob, _] = &self.tokens;
        if token == ann { Some("user_ann") } else { (token == bob).then_some("user_bob") }
    }

    /// Who is let through to what only somebody may read.
    pub(crate) fn ask(&self, headers: &HeaderMap) -> Result<String, Code> {
        let (mut head, ()) = Request::new(()).into_parts();
        head.uri = "/mine".parse().expect("a path");
        head.headers = headers.clone();
        head.headers.insert(header::HOST, HeaderValue::from_static("shop.example"));
        let view = View {
            method: &Method::GET,
            uri: &head.uri,
            version: head.version,
            headers: &head.headers,
            peer: Peer { address: [198, 51, 100, 1].into() },
            body: BodyHint::Empty,
        };
        let mut step = self.plan.inspect(&view, &still());
        loop {
            step = match step {
                Step::Need(Need::Keys(ask)) => ask.reply(Keys::Are(Arc::clone(&self.keys))).run(&view, &still()),
                Step::Need(_) => panic!("a read needs nothing else"),
                Step::Answer(answer) => return Err(answer.denial().expect("a refusal").code()),
                Step::Admit(mut admitted) => {
                    let _ = admitted.forward(&mut head, &still());
                    return Ok(head.headers["x-palisade-user"].to_str().expect("a subject is text").to_owned());
                }
            };
        }
    }
}

/// Whether an obvious reading of header and claims finds nothing wrong, and the subject.
pub(crate) fn subject(header: &str, claims: &str) -> Option<String> {
    let read = |text: &str| palisade_guard::read_json(text.as_bytes()).ok();
    let (header, claims) = (read(header)?, read(claims)?);
    let time = |name: &str| claims.get(name).map(|value| value.as_f64().unwrap_or(f64::NAN));
    let past = |name: &str| time(name).is_none_or(|time| time <= NOW as f64 + 5.0);
    let fine = matches!(header["alg"].as_str(), Some("RS256"))
        && ["crit", "b64", "jku", "jwk", "x5u", "x5c"].iter().all(|name| header.get(name).is_none())
        && header.get("typ").is_none_or(|typ| typ == "JWT")
        && header["kid"] == "ins_1"
        && claims["iss"] == ISSUER
        && claims["azp"] == PARTY
        && claims.get("sts").is_none_or(|sts| sts.is_string() && sts != "pending")
        && time("exp")? + 5.0 > NOW as f64
        && past("nbf")
        && past("iat");
    claims["sub"].as_str().filter(|subject| fine && !subject.is_empty() && subject.len() <= 255).map(str::to_owned)
}

fn plan(providers: &Providers) -> Arc<Plan> {
    let identity = Identity {
        provider: IdentityProvider::Clerk,
        issuer: None,
        jwks: None,
        audience: Vec::new(),
        authorized_parties: vec![PARTY.to_owned()],
        sign_in_url: None,
        claims: Default::default(),
    };
    let policy = Policy::builder("fuzz", vec![Origin::parse(PARTY).expect("an origin")])
        .identity(identity)
        .route(Route { limit: None, ..Route::new("/mine", Kind::ProtectedRead) })
        .build()
        .expect("a policy");
    let secrets = Secrets { csrf: vec!["c".repeat(32)], session: vec!["s".repeat(32)], ..Secrets::default() };
    let state = State::new(&policy.limits, &still());
    Plan::compile_with(policy, &secrets, &state, providers).expect("a plan")
}
