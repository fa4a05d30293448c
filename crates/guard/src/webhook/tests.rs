use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use palisade_event::Kind;
use palisade_policy::Signature;
use proptest::prelude::*;

use super::*;
use crate::testing::{Fixed, at};

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        (HeaderName::from_bytes(name.as_bytes()).expect("name"), HeaderValue::from_str(value).expect("value"))
    };
    pairs.iter().map(pair).collect()
}

fn signing(scheme: SignatureScheme, path: &str, secret: &str) -> Signing {
    let signature = Some(Signature { scheme, secrets: vec!["HOOK".to_owned()] });
    let route = Route { signature, ..Route::new(path, Kind::Webhook) };
    let webhooks = [("HOOK".to_owned(), vec![SigningSecret::from(secret.to_owned())])].into();
    Signing::compile(&route, &Secrets { webhooks, ..Secrets::default() }).expect("a secret").expect("a signature")
}

/// The message a request would be, whether or not its signature is genuine.
fn message(scheme: SignatureScheme, path: &str, pairs: &[(&str, &str)], body: &[u8]) -> Reserve {
    let headers = headers(pairs);
    let head = Head::read(scheme, &headers).expect("a head");
    let signing = signing(scheme, path, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    signing.message(&head, body, Duration::from_secs(30), &at(0).env(&Fixed(1))).reserve
}

const HEX: &str = "4f1cd7feda9826e746b7d482c4badebb657398df1099e1046364f6196a230150";

#[test]
fn a9_a_message_is_known_by_what_its_signature_covers() {
    let stripe = |t: &str, path, body: &str| {
        let header = format!("t={t},v1={HEX}");
        message(SignatureScheme::Stripe, path, &[("stripe-signature", &header)], body.as_bytes())
    };
    let first = stripe("1700000000", "/hook", r#"{"id":"evt_1","pending_webhooks":2}"#);
    let retry = stripe("1700003600", "/hook", r#"{"id":"evt_1","pending_webhooks":1}"#);
    assert_eq!(first.message, retry.message, "a retry may tell another count");
    assert_ne!(first.signed, retry.signed);
    assert_ne!(first.message, stripe("1700000000", "/other", r#"{"id":"evt_1","pending_webhooks":2}"#).message);
    assert_ne!(first.message, stripe("1700000000", "/hook", r#"{"id":"evt_2"}"#).message);
    for body in ["", "[]", "{\"id\":7}", "{\"id\":\"\"}", "{\"id\":\"a\",\"id\":\"b\"}", "\u{1f}\u{8b}"] {
        assert_eq!(stripe("1", "/hook", body).message, stripe("2", "/hook", body).message, "{body}");
        assert_ne!(stripe("1", "/hook", body).message, stripe("1", "/hook", "evt_1").message, "{body}");
    }
    assert_eq!(
        stripe("1", "/", &format!("{{\"x\":{},\"id\":\"e\"}}", "[".repeat(9000) + &"]".repeat(9000))).message,
        { stripe("2", "/", r#"{"id":"e"}"#).message }
    );
}

#[test]
fn a9_headers_outside_the_signature_do_not_make_another_message() {
    let hub = format!("sha256={HEX}");
    let github = |delivery: &str, body: &[u8]| {
        let pairs = [("x-hub-signature-256", hub.as_str()), ("x-github-delivery", delivery)];
        message(SignatureScheme::GitHub, "/hook", &pairs, body)
    };
    assert_eq!(github("1", b"{}").message, github("2", b"{}").message);
    assert_eq!(github("1", b"{}").signed, github("2", b"{}").signed);
    assert_ne!(github("1", b"{}").message, github("1", b"{} ").message);
    assert_eq!(github("1", b"{}").keep, Duration::from_secs(3 * 86_400));
}

#[test]
fn a9_times_and_bodies_tell_slacks_messages_apart_and_ids_svixs() {
    let seal = format!("v0={HEX}");
    let slack = |time: &str, body: &[u8]| {
        let pairs = [("x-slack-signature", seal.as_str()), ("x-slack-request-timestamp", time)];
        message(SignatureScheme::Slack, "/hook", &pairs, body).message
    };
    assert_eq!(slack("1", b"a"), slack("1", b"a"));
    assert!(slack("1", b"a") != slack("2", b"a") && slack("1", b"a") != slack("1", b"b"));
    let svix = |id: &str, time: &str| {
        let pairs = [("svix-id", id), ("svix-timestamp", time), ("svix-signature", "v1,AAAA")];
        message(SignatureScheme::Svix, "/hook", &pairs, b"{}")
    };
    assert_eq!(svix("msg_1", "1").message, svix("msg_1", "2").message);
    assert!(svix("msg_1", "1").message != svix("msg_2", "1").message);
    assert_eq!(svix("msg_1", "1").signed, svix("msg_1", "1").signed);
    assert_ne!(svix("msg_1", "1").signed, svix("msg_1", "2").signed);
    assert_eq!(svix("msg_1", "1").hold, Duration::from_secs(35));
}

#[test]
fn a9_nothing_that_holds_a_secret_shows_it() {
    let signing = signing(SignatureScheme::Svix, "/hook", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    assert_eq!(format!("{signing:?}"), "Signing(svix, 1 keys)");
    let secret = SigningSecret::from("hunter2".to_owned());
    let webhooks = [("HOOK".to_owned(), vec![secret])].into();
    let secrets = Secrets { webhooks, ..Secrets::default() };
    assert!(format!("{secrets:?} {:?}", secrets.webhooks).contains("HOOK"));
    assert!(!format!("{secrets:?} {:?}", secrets.webhooks).contains("hunter2"));
}

const NAMES: [&str; 11] = [
    "svix-id",
    "svix-timestamp",
    "svix-signature",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "stripe-signature",
    "x-hub-signature-256",
    "x-slack-signature",
    "x-slack-request-timestamp",
    "x-vercel-signature",
];

fn field() -> impl Strategy<Value = Vec<u8>> {
    let text = prop_oneof![
        Just("1614265330".to_owned()),
        "[0-9]{0,14}",
        "(t|v1|v0|v1a|sha256)?[=, ]?[0-9a-fA-F+/=,. v]{0,90}",
        "(v1|v1a),[A-Za-z0-9+/]{42,86}={0,2}( (v1|v1a|v2),[A-Za-z0-9+/]{0,44}=?){0,9}",
    ];
    prop_oneof![4 => text.prop_map(String::into_bytes), 1 => prop::collection::vec(any::<u8>(), 0..40)]
}

proptest! {
    #[test]
    fn a9_whatever_headers_and_bodies_say_nothing_panics_and_nothing_passes(
        fields in prop::collection::vec((0..NAMES.len(), field()), 0..8),
        body in prop::collection::vec(any::<u8>(), 0..200),
        public in any::<bool>(),
    ) {
        let mut map = HeaderMap::new();
        for (index, value) in &fields {
            if let Ok(value) = HeaderValue::from_bytes(value) {
                map.append(NAMES[*index], value);
            }
        }
        for scheme in SignatureScheme::ALL {
            let Ok(head) = Head::read(scheme, &map) else { continue };
            prop_assert!(head.signatures.len() <= 8);
            let key = "whpk_iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=";
            let ed25519 = public && matches!(scheme, SignatureScheme::Standard | SignatureScheme::Svix);
            let signing = signing(scheme, "/hook", if ed25519 { key } else { "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" });
            let now = at(1_614_265_330);
            let _ = head.is_stale(now.0.wall);
            prop_assert!(!signing.verifies(&head, &body, now.0.wall));
            let _ = signing.message(&head, &body, Duration::from_secs(30), &now.env(&Fixed(1)));
        }
    }
}
