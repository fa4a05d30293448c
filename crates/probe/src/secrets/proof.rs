//! What proves or refutes a key offline: checksums, structure, the digits that a provider computes. Nothing is ever sent.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use palisade_check::facts::secrets::Certainty;

use super::noise;

/// A candidate in its text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate<'a> {
    pub(super) text: &'a [u8],
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Judges a candidate that has its rule's shape; `None`: it is none.
pub(super) type Proof = fn(&Candidate<'_>) -> Option<Certainty>;

/// How far around a candidate a provider's name counts, in bytes.
const NEAR: usize = 120;

// === impl Candidate ===

impl<'a> Candidate<'a> {
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.text.get(self.start..self.end).unwrap_or_default()
    }

    /// What stands before it, a line or so.
    pub(super) fn before(&self) -> &'a [u8] {
        self.text.get(self.start.saturating_sub(NEAR)..self.start).unwrap_or_default()
    }

    fn previous(&self) -> Option<u8> {
        self.text.get(self.start.checked_sub(1)?).copied()
    }

    fn next(&self) -> Option<u8> {
        self.text.get(self.end).copied()
    }

    /// The key without its prefix.
    fn after(&self, prefix: usize) -> &'a [u8] {
        self.bytes().get(prefix..).unwrap_or_default()
    }
}

/// The format alone.
pub(super) fn format(_: &Candidate<'_>) -> Option<Certainty> {
    Some(Certainty::Format)
}

/// GitHub's last six characters are the CRC-32 of the thirty before them, base 62. One that is wrong is no token.
///
/// Source: GitHub's engineering blog, "Behind GitHub's new authentication token formats" (2021); checked on two
/// published samples.
pub(super) fn github(candidate: &Candidate<'_>) -> Option<Certainty> {
    checksum_holds(candidate.after(4)).then_some(Certainty::Proven)
}

/// npm took the same scheme, but not for all of its tokens: a checksum that holds proves, one that does not says nothing.
pub(super) fn npm(candidate: &Candidate<'_>) -> Option<Certainty> {
    Some(if checksum_holds(candidate.after(4)) { Certainty::Proven } else { Certainty::Format })
}

pub(super) fn checksum_holds(body: &[u8]) -> bool {
    let Some((random, checksum)) = body.split_at_checked(30) else { return false };
    checksum == base62(crc32fast::hash(random))
}

/// Six digits of base 62, with leading zeros.
pub(super) fn base62(mut number: u32) -> [u8; 6] {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS.get((number % 62) as usize).copied().unwrap_or(b'0');
        number /= 62;
    }
    digits
}

/// An id of AWS carries its account's number; larger than twelve digits is impossible. AWS's own example says so.
///
/// Source: A. Bragg, "AWS Access Key ID formats" (2023); checked on the sample published there.
pub(super) fn aws_id(candidate: &Candidate<'_>) -> Option<Certainty> {
    let inside_base64 = |byte: Option<u8>| byte.is_some_and(|byte| matches!(byte, b'+' | b'/'));
    if inside_base64(candidate.previous()) || inside_base64(candidate.next()) || candidate.bytes().ends_with(b"EXAMPLE")
    {
        return None;
    }
    let digits = candidate.after(4).iter().take(10);
    let bits = digits.fold(0_u64, |bits, digit| {
        let value = if digit.is_ascii_digit() { digit - b'2' + 26 } else { digit.wrapping_sub(b'A') };
        (bits << 5) | u64::from(value & 31)
    });
    // Ten digits are fifty bits; the account is in the first forty-eight, without the first and the last seven.
    let account = ((bits >> 2) & 0x7fff_ffff_ff80) >> 7;
    (account < 1_000_000_000_000).then_some(Certainty::Format)
}

/// Forty characters of base 64 are anything, unless AWS is named before them.
pub(super) fn near_aws(candidate: &Candidate<'_>) -> Option<Certainty> {
    (noise::contains(candidate.before(), b"aws") || noise::contains(candidate.before(), b"secretaccesskey"))
        .then_some(Certainty::Likely)
}

/// `SK` and 32 hexadecimal digits are anything, unless Twilio is named before them.
pub(super) fn near_twilio(candidate: &Candidate<'_>) -> Option<Certainty> {
    noise::contains(candidate.before(), b"twilio").then_some(Certainty::Format)
}

/// A secret of Standard Webhooks is base 64 of 24 to 64 bytes; Stripe's is letters and digits.
pub(super) fn webhook(candidate: &Candidate<'_>) -> Option<Certainty> {
    let body = candidate.after(6);
    let decoded = STANDARD.decode(body).or_else(|_| STANDARD_NO_PAD.decode(body)).map_or(0, |bytes| bytes.len());
    let stripe = body.len() >= 32 && body.iter().all(u8::is_ascii_alphanumeric);
    ((24..=64).contains(&decoded) || stripe).then_some(Certainty::Format)
}

/// A JSON Web Token: both halves are JSON, and the first names an algorithm. Supabase's anonymous one is public by design.
pub(super) fn jwt(candidate: &Candidate<'_>) -> Option<Certainty> {
    let mut parts = candidate.bytes().split(|byte| *byte == b'.');
    let head: serde_json::Value = decoded(parts.next()?)?;
    let claims: serde_json::Value = decoded(parts.next()?)?;
    head.get("alg")?.as_str()?;
    match claims.get("role").and_then(serde_json::Value::as_str) {
        Some("anon") => None,
        Some("service_role") => Some(Certainty::Proven),
        _ => Some(Certainty::Likely),
    }
}

fn decoded(part: &[u8]) -> Option<serde_json::Value> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    serde_json::from_slice::<serde_json::Value>(&bytes).ok().filter(serde_json::Value::is_object)
}

/// What follows Convex's `|` is base 64 of JSON: `{"v2": ...}`.
pub(super) fn convex(candidate: &Candidate<'_>) -> Option<Certainty> {
    let bytes = candidate.bytes();
    let at = memchr::memchr(b'|', bytes)?;
    let token = bytes.get(at + 1..)?;
    let whole = token.len() - token.len() % 4;
    let decoded = STANDARD.decode(token.get(..whole)?).ok()?;
    decoded.starts_with(b"{\"v2\"").then_some(Certainty::Proven)
}

/// A key block holds at least 64 characters of base 64.
pub(super) fn pem(candidate: &Candidate<'_>) -> Option<Certainty> {
    let bytes = candidate.bytes();
    let body = bytes.get(memchr::memmem::find(bytes, b"KEY-----")? + 8..)?;
    let characters: Vec<u8> = body
        .iter()
        .copied()
        .filter(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
        .take(2048)
        .collect();
    if characters.len() < 64 || noise::entropy(&characters) < 350 {
        return None;
    }
    // An encrypted one is as safe as its passphrase.
    Some(if noise::contains(bytes, b"encrypted") { Certainty::Likely } else { Certainty::Format })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_base_62_are_padded() {
        assert_eq!(&base62(0), b"000000");
        assert_eq!(&base62(61), b"00000z");
        assert_eq!(&base62(62), b"000010");
        assert_eq!(&base62(u32::MAX), b"4gfFC3");
    }

    #[test]
    fn a_checksum_binds_the_characters_before_it() {
        let random = b"0123456789abcdefghijABCDEFGHIJ";
        let mut token = random.to_vec();
        token.extend(base62(crc32fast::hash(random)));
        assert!(checksum_holds(&token));
        for at in 0..token.len() {
            let mut other = token.clone();
            other[at] = if other[at] == b'q' { b'r' } else { b'q' };
            assert!(!checksum_holds(&other), "{at}");
        }
        assert!(!checksum_holds(b"short"));
    }

    #[test]
    fn an_impossible_account_is_no_id_of_aws() {
        let candidate = |text: &str| aws_id(&Candidate { text: text.as_bytes(), start: 0, end: 20 });
        // The account of the published sample: 609629065308.
        assert_eq!(candidate(&["ASIAY34FZ", "KBOKMUTVV7A"].concat()), Some(Certainty::Format));
        assert_eq!(candidate("AKIA7777777777777777"), None, "an account of thirteen digits");
        assert_eq!(candidate(&["AKIAIOSFODNN7", "EXAMPLE"].concat()), None, "the documentation's own");
    }
}
