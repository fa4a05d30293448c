//! What the headers of a message say, read without forgiveness.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::HeaderName;
use palisade_event::Code;
use palisade_policy::SignatureScheme;

use crate::env::WallMicros;
use crate::inbox::TOLERANCE_SECONDS;

/// The strings of the headers as they were sent, and the signatures they list.
#[derive(Debug)]
pub(crate) struct Head<'a> {
    scheme: SignatureScheme,
    pub(crate) id: Option<&'a str>,
    time: Option<&'a str>,
    /// `time` as a number.
    pub(crate) seconds: Option<u64>,
    pub(crate) signatures: Vec<Sealed>,
}

/// A signature, its text decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sealed {
    /// HMAC-SHA256.
    Sha256([u8; 32]),
    /// HMAC-SHA1.
    Sha1([u8; 20]),
    /// Ed25519.
    Ed25519([u8; 64]),
}

/// Signatures in one header, of whatever version.
const MAX_SIGNATURES: usize = 8;
/// Characters of a message's id.
const MAX_ID: usize = 256;
/// Digits of a time: enough for the next 30,000 years.
const MAX_DIGITS: usize = 12;

const SVIX: [HeaderName; 3] = [
    HeaderName::from_static("svix-id"),
    HeaderName::from_static("svix-timestamp"),
    HeaderName::from_static("svix-signature"),
];
const STANDARD_WEBHOOKS: [HeaderName; 3] = [
    HeaderName::from_static("webhook-id"),
    HeaderName::from_static("webhook-timestamp"),
    HeaderName::from_static("webhook-signature"),
];
const STRIPE_SIGNATURE: HeaderName = HeaderName::from_static("stripe-signature");
const X_HUB_SIGNATURE_256: HeaderName = HeaderName::from_static("x-hub-signature-256");
const X_SLACK_SIGNATURE: HeaderName = HeaderName::from_static("x-slack-signature");
const X_SLACK_REQUEST_TIMESTAMP: HeaderName = HeaderName::from_static("x-slack-request-timestamp");
const X_VERCEL_SIGNATURE: HeaderName = HeaderName::from_static("x-vercel-signature");

// === impl Head ===

impl<'a> Head<'a> {
    /// Reads the headers of a scheme.
    ///
    /// # Errors
    /// `signature-missing` where one is absent, `header-malformed` where one comes twice or two contradict each other,
    /// `signature-invalid` where one is not written as its scheme writes it.
    pub(crate) fn read(scheme: SignatureScheme, headers: &'a HeaderMap) -> Result<Head<'a>, Code> {
        match scheme {
            SignatureScheme::Standard | SignatureScheme::Svix => standard(scheme, headers),
            SignatureScheme::Stripe => stripe(headers),
            SignatureScheme::Slack => slack(headers),
            SignatureScheme::GitHub => {
                let text = required(headers, &X_HUB_SIGNATURE_256)?;
                let hex = text.strip_prefix("sha256=").ok_or(Code::SignatureInvalid)?;
                Ok(Head::plain(scheme, Sealed::Sha256(lower_hex(hex).ok_or(Code::SignatureInvalid)?)))
            }
            SignatureScheme::Vercel => {
                let hex = required(headers, &X_VERCEL_SIGNATURE)?;
                Ok(Head::plain(scheme, Sealed::Sha1(lower_hex(hex).ok_or(Code::SignatureInvalid)?)))
            }
        }
    }

    /// One signature over the body alone.
    fn plain(scheme: SignatureScheme, sealed: Sealed) -> Head<'a> {
        Head { scheme, id: None, time: None, seconds: None, signatures: vec![sealed] }
    }

    /// What is signed before the body.
    pub(crate) fn prefix(&self) -> [&'a [u8]; 4] {
        let [id, time] = [self.id, self.time].map(|text| text.unwrap_or_default().as_bytes());
        match self.scheme {
            SignatureScheme::Standard | SignatureScheme::Svix => [id, b".", time, b"."],
            SignatureScheme::Stripe => [time, b".", b"", b""],
            SignatureScheme::Slack => [b"v0:", time, b":", b""],
            SignatureScheme::GitHub | SignatureScheme::Vercel => [b"", b"", b"", b""],
        }
    }

    /// Whether it says a time too far from now, in whichever direction.
    pub(crate) fn is_stale(&self, now: WallMicros) -> bool {
        self.seconds.is_some_and(|seconds| seconds.abs_diff(now.seconds()) > TOLERANCE_SECONDS)
    }
}

/// Both sets of names mean the same to the libraries, which prefer Svix's. Where both are there they must agree, or an
/// application could read what was not verified.
fn standard(scheme: SignatureScheme, headers: &HeaderMap) -> Result<Head<'_>, Code> {
    let (svix, plain) = (three(headers, &SVIX)?, three(headers, &STANDARD_WEBHOOKS)?);
    let pairs = svix.iter().zip(&plain);
    if pairs.into_iter().any(|(one, other)| one.is_some() && other.is_some() && one != other) {
        return Err(Code::HeaderMalformed);
    }
    let branded = scheme == SignatureScheme::Svix && svix.iter().any(Option::is_some);
    let [Some(id), Some(time), Some(list)] = (if branded { svix } else { plain }) else {
        return Err(Code::SignatureMissing);
    };
    let good_id = (1..=MAX_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'.');
    let seconds = decimal(time).filter(|_| good_id).ok_or(Code::SignatureInvalid)?;
    let mut signatures = Vec::new();
    for (index, item) in list.split(' ').enumerate() {
        let (version, text) = item.split_once(',').filter(|_| index < MAX_SIGNATURES).ok_or(Code::SignatureInvalid)?;
        signatures.extend(match version {
            "v1" => base64(text).map(Sealed::Sha256),
            "v1a" => base64(text).map(Sealed::Ed25519),
            _ => None,
        });
    }
    Ok(Head { scheme, id: Some(id), time: Some(time), seconds: Some(seconds), signatures })
}

fn three<'a>(headers: &'a HeaderMap, names: &[HeaderName; 3]) -> Result<[Option<&'a str>; 3], Code> {
    let [id, time, signature] = names;
    Ok([optional(headers, id)?, optional(headers, time)?, optional(headers, signature)?])
}

/// `t=1700000000,v1=<hex>,v1=<hex>,v0=<hex>`
fn stripe(headers: &HeaderMap) -> Result<Head<'_>, Code> {
    let list = required(headers, &STRIPE_SIGNATURE)?;
    let (mut time, mut signatures, mut listed) = (None, Vec::new(), 0);
    for item in list.split(',') {
        let (name, value) = item.split_once('=').ok_or(Code::SignatureInvalid)?;
        let named = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        // Of two times one would be signed and the other believed.
        if !named || (name == "t" && time.replace(value).is_some()) {
            return Err(Code::SignatureInvalid);
        }
        listed += usize::from(name != "t");
        signatures.extend(if name == "v1" { lower_hex(value).map(Sealed::Sha256) } else { None });
    }
    let seconds = time.and_then(decimal).filter(|_| listed <= MAX_SIGNATURES).ok_or(Code::SignatureInvalid)?;
    Ok(Head { scheme: SignatureScheme::Stripe, id: None, time, seconds: Some(seconds), signatures })
}

fn slack(headers: &HeaderMap) -> Result<Head<'_>, Code> {
    let (text, time) = (required(headers, &X_SLACK_SIGNATURE)?, required(headers, &X_SLACK_REQUEST_TIMESTAMP)?);
    let sealed = text.strip_prefix("v0=").and_then(lower_hex).map(Sealed::Sha256).ok_or(Code::SignatureInvalid)?;
    let seconds = decimal(time).ok_or(Code::SignatureInvalid)?;
    let scheme = SignatureScheme::Slack;
    Ok(Head { scheme, id: None, time: Some(time), seconds: Some(seconds), signatures: vec![sealed] })
}

fn required<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a str, Code> {
    optional(headers, name)?.ok_or(Code::SignatureMissing)
}

fn optional<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Code> {
    let mut lines = headers.get_all(name).iter();
    let (first, second) = (lines.next(), lines.next());
    if second.is_some() {
        return Err(Code::HeaderMalformed);
    }
    first.map(|line| line.to_str().map_err(|_| Code::HeaderMalformed)).transpose()
}

/// Seconds in decimal digits: no sign, no space, no leading zero, nothing behind.
fn decimal(text: &str) -> Option<u64> {
    let digits = text.len() <= MAX_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits && !text.starts_with('0');
    plain.then(|| text.parse().ok()).flatten()
}

/// Lower-case hexadecimal digits, exactly as many as the signature has.
fn lower_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

/// Standard base64 with its padding: one spelling for each signature.
fn base64<const N: usize>(text: &str) -> Option<[u8; N]> {
    // The decoder wants room for whole groups, also where the last one is shorter.
    let mut bytes = [0; 68];
    let fits = text.len() <= 88;
    let length = if fits { STANDARD.decode_slice(text, &mut bytes).ok()? } else { return None };
    bytes.get(..length)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a9_times_are_plain_decimal_numbers() {
        assert_eq!(decimal("1614265330"), Some(1_614_265_330));
        for text in
            ["", "0", "01614265330", "+1614265330", "-1", " 1", "1 ", "1614265330abc", "1e9", "1_000", "１", "1.5"]
        {
            assert_eq!(decimal(text), None, "{text}");
        }
        assert_eq!(decimal(&"9".repeat(12)), Some(999_999_999_999));
        assert_eq!(decimal(&"9".repeat(13)), None);
    }

    #[test]
    fn a9_hexadecimal_is_lower_case_and_whole() {
        assert_eq!(lower_hex::<2>("00af"), Some([0, 0xaf]));
        for text in ["", "00", "00AF", "00a", "00aff", "0x0f", " 0af", "g0af", "00afaf"] {
            assert_eq!(lower_hex::<2>(text), None, "{text}");
        }
    }

    #[test]
    fn a9_base64_has_one_spelling() {
        assert_eq!(base64::<2>("AAE="), Some([0, 1]));
        for text in ["", "AAE", "AAF=", "AA_=", "AAE==", " AAE=", "AAE=\n", "AAEA"] {
            assert_eq!(base64::<2>(text), None, "{text}");
        }
        assert_eq!(base64::<64>(&"A".repeat(1000)), None);
        assert!(base64::<64>(&STANDARD.encode([7; 64])).is_some());
    }
}
