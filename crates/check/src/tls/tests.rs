use super::*;

/// A server that deserves an A+.
fn good() -> Handshakes {
    Handshakes {
        host: "shop.example".to_owned(),
        versions: vec![Version::Tls12, Version::Tls13],
        suites: vec![(Version::Tls12, 0xc030), (Version::Tls13, 0x1302), (Version::Tls13, 0x1301)],
        chain: vec![Certificate {
            names: vec!["shop.example".to_owned()],
            not_after: 90 * 86_400,
            signature: "ecdsa-with-SHA256".to_owned(),
            key: "EC".to_owned(),
            key_bits: 256,
            ..Certificate::default()
        }],
        named: true,
        hsts: Some("max-age=31536000".to_owned()),
        ..Handshakes::default()
    }
}

fn grade(change: impl FnOnce(&mut Handshakes)) -> &'static str {
    let mut seen = good();
    change(&mut seen);
    rate(&seen).expect("rated").grade
}

#[test]
fn the_arithmetic_is_that_of_the_method() {
    let rating = rate(&good()).expect("rated");
    assert_eq!(rating.parts, [100, 90, 90], "mean of 128 and 256 bits: 90");
    assert_eq!((rating.score, rating.grade), (93, "A+"));
}

#[test]
fn each_cap_holds() {
    assert_eq!(grade(|seen| seen.hsts = None), "A");
    assert_eq!(grade(|seen| seen.versions.retain(|version| *version == Version::Tls12)), "A-");
    assert_eq!(grade(|seen| seen.versions.push(Version::Tls10)), "B");
    assert_eq!(grade(|seen| seen.versions.push(Version::Tls11)), "B");
    assert_eq!(grade(|seen| seen.versions = vec![Version::Tls10, Version::Tls11]), "C");
    assert_eq!(grade(|seen| seen.suites = vec![(Version::Tls12, 0x009d)]), "B", "no forward secrecy");
    assert_eq!(grade(|seen| seen.suites = vec![(Version::Tls12, 0xc014)]), "B", "no AEAD");
    assert_eq!(grade(|seen| seen.suites.push((Version::Tls12, 0x0005))), "B", "RC4");
    assert_eq!(grade(|seen| seen.suites.push((Version::Tls12, 0x0009))), "F", "DES");
    assert_eq!(grade(|seen| seen.dh_bits = Some(1024)), "B");
    assert_eq!(grade(|seen| seen.untrusted = "self-signed".to_owned()), "T");
    assert_eq!(grade(|seen| seen.chain[0].not_after = -1), "T");
    assert_eq!(grade(|seen| seen.chain[0].signature = "sha1WithRSAEncryption".to_owned()), "T");
    assert_eq!(grade(|seen| seen.named = false), "M");
}

#[test]
fn a_wildcard_stands_for_one_label() {
    let certificate = Certificate { names: vec!["*.shop.example".to_owned()], ..Certificate::default() };
    assert!(certificate.is_for("www.shop.example"));
    assert!(!certificate.is_for("a.www.shop.example"));
    assert!(!certificate.is_for("shop.example"));
}
