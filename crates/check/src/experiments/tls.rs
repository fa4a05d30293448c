//! The handshakes as checks.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;
use crate::tls::{Handshakes, Version, rate};

macro_rules! tls_checks {
    ($($name:literal, $title:literal, $severity:ident, $reference:literal, $judge:expr;)*) => {
        pub(super) const CHECKS: &[&Check] = &[$(&Check {
            id: concat!("tls/", $name),
            title: $title,
            item: Item::Beyond,
            section: Section::Testing,
            severity: Severity::$severity,
            reference: $reference,
            judge: |case| over(case, $judge),
        }),*];
    };
}

tls_checks! {
    "grade", "The SSL Labs rating is A or better", High, "A02:2021; ASVS 12.1.1", grade;
    "old-versions", "TLS 1.1 and older are refused", Medium, "A02:2021; ASVS 12.1.1", old;
    "version-1.3", "TLS 1.3 is offered", Low, "A02:2021; ASVS 12.1.1", |seen| agreed(seen, Version::Tls13);
    "ciphers", "Every cipher is strong", High, "A02:2021; ASVS 12.1.2", ciphers;
    "forward-secrecy", "What was recorded stays secret", Medium, "A02:2021; ASVS 12.1.2", forward;
    "trust", "The certificate leads to a trusted root", High, "A02:2021; ASVS 12.2.2", trust;
    "name", "The certificate names the host", High, "A02:2021; ASVS 12.2.2", name;
    "expiry", "The certificate is valid for two weeks more", High, "A02:2021", expiry;
    "key", "The certificate's key is long enough", Medium, "A02:2021", key;
    "signature", "The certificate is signed with SHA-2", High, "A02:2021", signature;
    "staple", "An answer about revocation is stapled where it must be", Low, "A02:2021; ASVS 12.1.4", staple;
    "hsts", "Browsers keep to https", Medium, "A02:2021; ASVS 3.4.1", hsts;
}

fn over(case: &Case<'_>, judge: fn(&Handshakes) -> Vec<Ruled>) -> Result<Vec<Ruled>, Unknown> {
    let seen = case.facts.live.known()?.tls.known()?;
    if seen.leaf().is_none() {
        return Err(Unknown::new("no handshake came about", "ask a server that speaks TLS"));
    }
    Ok(judge(seen))
}

fn ruled(bad: bool, good: impl Into<String>, evidence: impl Into<String>, fix: &str) -> Vec<Ruled> {
    vec![if bad { Ruled::fail(evidence, fix) } else { Ruled::pass(good) }]
}

fn grade(seen: &Handshakes) -> Vec<Ruled> {
    let Some(rating) = rate(seen) else { return Vec::new() };
    let [protocols, keys, ciphers] = rating.parts;
    let caps: Vec<_> = rating.caps.iter().map(|cap| format!("{} at most, as {}", cap.grade, cap.because)).collect();
    let sum = format!("0.3 x {protocols} + 0.3 x {keys} + 0.4 x {ciphers} = {}", rating.score);
    let text = format!("{}: {}", rating.grade, [vec![sum], caps].concat().join("; "));
    ruled(!rating.grade.starts_with('A'), text.clone(), text, "see what caps it")
}

fn old(seen: &Handshakes) -> Vec<Ruled> {
    let old = [Version::Ssl3, Version::Tls10, Version::Tls11];
    let there: Vec<_> = old.into_iter().filter(|version| seen.speaks(*version)).map(Version::name).collect();
    let mute: Vec<_> = old.into_iter().filter(|version| seen.unknown.contains(version)).map(Version::name).collect();
    if there.is_empty() && !mute.is_empty() {
        return vec![Ruled::unknown(Unknown::new(format!("no answer to {}", mute.join(", ")), "ask again"))];
    }
    ruled(!there.is_empty(), "refused", format!("{} is agreed to", there.join(", ")), "offer TLS 1.2 and 1.3 alone")
}

fn agreed(seen: &Handshakes, version: Version) -> Vec<Ruled> {
    if seen.unknown.contains(&version) {
        return vec![Ruled::unknown(Unknown::new(format!("no answer to {}", version.name()), "ask again"))];
    }
    ruled(!seen.speaks(version), "agreed to", "refused", "offer TLS 1.3")
}

fn ciphers(seen: &Handshakes) -> Vec<Ruled> {
    let weak =
        |suite: &&crate::tls::Suite| suite.bits < 128 || suite.name.contains("RC4") || suite.name.contains("anon");
    let mut weak: Vec<_> = seen.chosen().filter(weak).map(|suite| suite.name).collect();
    weak.dedup();
    ruled(
        !weak.is_empty(),
        format!("{} suites, none weak", seen.suites.len()),
        weak.join(", "),
        "take them out of the server's list",
    )
}

fn forward(seen: &Handshakes) -> Vec<Ruled> {
    let mut without: Vec<_> = seen.chosen().filter(|suite| !suite.forward_secret()).map(|suite| suite.name).collect();
    without.dedup();
    let all = seen.chosen().all(|suite| !suite.forward_secret());
    if !all && !without.is_empty() {
        return vec![Ruled::warn(
            format!("some suites without it: {}", without.join(", ")),
            "offer ECDHE suites alone",
        )];
    }
    ruled(all, "every suite agrees on a fresh key", "no suite has it", "offer ECDHE suites")
}

fn trust(seen: &Handshakes) -> Vec<Ruled> {
    ruled(
        !seen.untrusted.is_empty(),
        "it does",
        seen.untrusted.clone(),
        "send the whole chain, of an authority that browsers trust",
    )
}

fn name(seen: &Handshakes) -> Vec<Ruled> {
    let names = seen.leaf().map(|leaf| leaf.names.join(", ")).unwrap_or_default();
    ruled(
        !seen.named,
        names.clone(),
        format!("it is for {names}, not {}", seen.host),
        "get a certificate for this host",
    )
}

fn expiry(seen: &Handshakes) -> Vec<Ruled> {
    let days = seen.leaf().map_or(0, |leaf| leaf.days_left(seen.now));
    let early = seen.leaf().is_some_and(|leaf| leaf.not_before > seen.now);
    if early {
        return ruled(true, "", "it is not valid yet", "see to the server's clock");
    }
    match days {
        14.. => ruled(false, format!("{days} days left"), "", ""),
        0..=13 => vec![Ruled::warn(format!("{days} days left"), "renew it, and let it renew itself")],
        _ => ruled(true, "", format!("it ran out {} days ago", -days), "renew it, and let it renew itself"),
    }
}

fn key(seen: &Handshakes) -> Vec<Ruled> {
    let Some(leaf) = seen.leaf() else { return Vec::new() };
    let text = format!("{} {} bits", leaf.key, leaf.key_bits);
    ruled(leaf.rsa_bits() < 2048, text.clone(), text, "RSA of 2,048 bits, or a curve of 256")
}

fn signature(seen: &Handshakes) -> Vec<Ruled> {
    let weak = |signature: &str| signature.contains("sha1") || signature.contains("md5");
    let name = seen.leaf().map(|leaf| leaf.signature.clone()).unwrap_or_default();
    ruled(weak(&name.to_ascii_lowercase()), name.clone(), name, "get one signed with SHA-256")
}

fn staple(seen: &Handshakes) -> Vec<Ruled> {
    let must = seen.leaf().is_some_and(|leaf| leaf.must_staple);
    match (must, seen.stapled) {
        (_, true) => ruled(false, "stapled", "", ""),
        (false, false) => vec![Ruled::not_applicable("not stapled, and the certificate does not ask for it")],
        (true, false) => ruled(true, "", "the certificate says that it must be, and it is not", "switch stapling on"),
    }
}

fn hsts(seen: &Handshakes) -> Vec<Ruled> {
    let age = seen.hsts.as_deref().and_then(crate::headers::max_age);
    let text = seen.hsts.clone().unwrap_or_else(|| "none".to_owned());
    ruled(age.is_none_or(|age| age < 15_552_000), text.clone(), text, "send max-age=31536000; includeSubDomains")
}
