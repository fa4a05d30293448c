//! What must not stand in an event although a request carried it.

use std::borrow::Cow;

/// What stands where a secret was.
pub const REDACTED: &str = "***";

/// Names of parameters that carry secrets. Compared without case, `-` and `_`.
const NAMES: &[&str] = &[
    "accesskey",
    "accesstoken",
    "apikey",
    "assertion",
    "auth",
    "authorization",
    "awsaccesskeyid",
    "bearer",
    "clientsecret",
    "code",
    "codeverifier",
    "cookie",
    "credential",
    "credentials",
    "csrf",
    "csrftoken",
    "devsession",
    "hmac",
    "idtoken",
    "invitation",
    "invite",
    "jwt",
    "key",
    "magic",
    "nonce",
    "oobcode",
    "otp",
    "pass",
    "passcode",
    "passphrase",
    "passwd",
    "password",
    "pin",
    "privatekey",
    "pwd",
    "refreshtoken",
    "reset",
    "samlrequest",
    "samlresponse",
    "secret",
    "secretkey",
    "session",
    "sessionid",
    "sid",
    "sig",
    "signature",
    "state",
    "ticket",
    "token",
    "xamzcredential",
    "xamzsecuritytoken",
    "xamzsignature",
    "xsrf",
    "xsrftoken",
];

/// Ends of names that carry secrets: `reset_token`, `stripe-secret`.
const ENDS: &[&str] = &["token", "secret", "password", "passwd", "signature", "apikey", "sessionid", "jwt"];

/// How secrets begin, whatever their parameter is called.
const STARTS: &[&str] = &[
    "eyJ",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "whsec_",
    "ghp_",
    "gho_",
    "github_pat_",
    "glpat-",
    "xox",
    "AKIA",
    "ASIA",
    "AIza",
    "npm_",
    "Bearer%20",
    "Bearer+",
];

/// The longest name that is compared; a longer one is no secret's.
const MAX_NAME: usize = 64;

/// The query without the values of parameters that are named like secrets, or look like one. Parameters are separated
/// by `&` or `;`. A query without any is returned as it is.
#[must_use]
pub fn redact_query(query: Cow<'_, str>) -> Cow<'_, str> {
    if pairs(&query).all(|(name, value)| !is_secret(name, value)) {
        return query;
    }
    let mut kept = String::with_capacity(query.len());
    for piece in query.split_inclusive(['&', ';']) {
        let (pair, after) = piece.split_at(piece.trim_end_matches(['&', ';']).len());
        match pair.split_once('=') {
            Some((name, value)) if is_secret(name, Some(value)) => kept.extend([name, "=", REDACTED, after]),
            _ => kept.push_str(piece),
        }
    }
    Cow::Owned(kept)
}

/// The address of a page without its query and fragment, where the secrets of the page before would stand.
#[must_use]
pub fn redact_referrer(referrer: Cow<'_, str>) -> Cow<'_, str> {
    let end = referrer.find(['?', '#']).unwrap_or(referrer.len());
    match referrer {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(..end).unwrap_or_default()),
        Cow::Owned(mut text) => {
            text.truncate(end);
            Cow::Owned(text)
        }
    }
}

/// The address of a recorded visit: https, of printable ASCII, without user, query and fragment; no other.
#[must_use]
pub fn redact_replay(address: Cow<'_, str>) -> Option<Cow<'_, str>> {
    const MAX: usize = 300;
    let address = redact_referrer(address);
    let rest = address.strip_prefix("https://")?;
    let plain = rest.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'@'));
    (plain && !rest.is_empty() && address.len() <= MAX).then_some(address)
}

/// Whether a parameter's name says that its value is a secret.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    if name.len() > MAX_NAME || is_surely_plain(name.as_bytes()) {
        return false;
    }
    let mut plain = [0_u8; MAX_NAME];
    let mut length = 0;
    let mut bytes = name.bytes();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => hex(bytes.next()).zip(hex(bytes.next())).map_or(b'%', |(high, low)| high << 4 | low),
            other => other,
        };
        if matches!(byte, b'-' | b'_' | b'.' | b'[' | b']' | b'+' | b' ') {
            continue;
        }
        if let Some(place) = plain.get_mut(length) {
            *place = byte.to_ascii_lowercase();
            length += 1;
        }
    }
    let plain = plain.get(..length).and_then(|plain| str::from_utf8(plain).ok()).unwrap_or_default();
    NAMES.binary_search(&plain).is_ok() || ENDS.iter().any(|end| plain.ends_with(end)) || plain.starts_with("clerk")
}

/// Whether a name without case or signs begins and ends as no secret's name does: most need no second look.
fn is_surely_plain(name: &[u8]) -> bool {
    let (Some(first), Some(last)) = (name.first(), name.last()) else { return true };
    let place = |byte: &u8| usize::from(byte.wrapping_sub(b'a')).min(26);
    let lasts = LASTS_BY_FIRST.get(place(first)).copied().unwrap_or(u32::MAX) | LASTS;
    lasts >> place(last) & 1 == 0 && name.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// By first letter of [`NAMES`], bits of their last letters; for `clerk...` whatever comes.
const LASTS_BY_FIRST: [u32; 27] = {
    let mut table = [0; 27];
    let mut at = 0;
    while at < NAMES.len() {
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, and no name is empty")]
        {
            let name = NAMES[at].as_bytes();
            table[(name[0] - b'a') as usize] |= 1 << (name[name.len() - 1] - b'a');
        }
        at += 1;
    }
    table[2] = u32::MAX;
    table
};

/// Bits of the last letters of [`ENDS`].
const LASTS: u32 = {
    let (mut bits, mut at) = (0, 0);
    while at < ENDS.len() {
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, and no end is empty")]
        {
            let end = ENDS[at].as_bytes();
            bits |= 1 << (end[end.len() - 1] - b'a');
        }
        at += 1;
    }
    bits
};

fn is_secret(name: &str, value: Option<&str>) -> bool {
    let Some(value) = value.filter(|value| !value.is_empty()) else { return false };
    let begins = |byte: u8| STARTS.iter().any(|start| start.as_bytes().first() == Some(&byte));
    let may_begin = value.bytes().next().is_some_and(begins);
    is_secret_name(name) || (may_begin && STARTS.iter().any(|start| value.starts_with(start)))
}

fn pairs(query: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    query.split(['&', ';']).map(|pair| match pair.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (pair, None),
    })
}

fn hex(byte: Option<u8>) -> Option<u8> {
    byte.and_then(|byte| char::from(byte).to_digit(16)).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_for_the_search() {
        assert!(NAMES.is_sorted());
    }

    #[test]
    fn values_named_like_secrets_do_not_survive() {
        for (query, expect) in [
            ("q=shoes&page=2", "q=shoes&page=2"),
            ("token=abc", "token=***"),
            ("q=1&reset_token=abc;x=2&flag", "q=1&reset_token=***;x=2&flag"),
            ("API-Key=1&apiKey=2&%61pi_key=3", "API-Key=***&apiKey=***&%61pi_key=***"),
            ("user%5Bpassword%5D=1", "user%5Bpassword%5D=***"),
            ("__clerk_db_jwt=x", "__clerk_db_jwt=***"),
            ("next=eyJhbGciOi", "next=***"),
            ("token=", "token="),
            ("keyboard=us&monkey=1&codec=2", "keyboard=us&monkey=1&codec=2"),
            ("code=1=2&é=3", "code=***&é=3"),
            ("pass=1&passes=2&clerkish=3&key2=4&k=5", "pass=***&passes=2&clerkish=***&key2=4&k=5"),
            ("", ""),
        ] {
            assert_eq!(redact_query(Cow::Borrowed(query)), expect, "{query}");
        }
    }

    #[test]
    fn an_address_of_a_visit_is_https_without_a_query_or_nothing() {
        for (address, expect) in [
            ("https://app.logrocket.com/o/shop/s/5-7/0?t=1#x", Some("https://app.logrocket.com/o/shop/s/5-7/0")),
            ("http://app.logrocket.com/o", None),
            ("javascript:alert(1)//https://", None),
            ("https://", None),
            ("https://ann:pw@app.logrocket.com/", None),
            ("https://a.example/<b>", None),
            ("https://a.example/ b", None),
        ] {
            assert_eq!(redact_replay(Cow::Borrowed(address)).as_deref(), expect, "{address}");
        }
    }

    #[test]
    fn no_secret_is_taken_for_surely_plain() {
        for name in NAMES.iter().chain(ENDS) {
            assert!(is_secret_name(name) && is_secret_name(&name.to_ascii_uppercase()), "{name}");
        }
        assert!(ENDS.iter().all(|end| is_secret_name(&format!("my{end}"))));
    }

    #[test]
    fn a_referrer_keeps_its_page_only() {
        assert_eq!(redact_referrer(Cow::Borrowed("https://a.example/b?token=1#c")), "https://a.example/b");
        assert_eq!(redact_referrer(Cow::Owned("/b#access_token=1".to_owned())), "/b");
        assert_eq!(redact_referrer(Cow::Borrowed("-")), "-");
    }
}
