//! Keys whose telling part is not their beginning: from the anchor to where they start and end.

use super::noise;
use super::shape::Class;

/// The longest key block, in bytes.
const PEM: usize = 8 * 1024;

/// How far before an anchor a key may begin, in bytes.
const BACK: usize = 200;

type Found = Option<(usize, usize)>;

/// `sk-proj-...T3BlbkFJ...`: `T3BlbkFJ` is "OpenAI" in base 64, in the middle.
pub(super) fn openai(text: &[u8], start: usize, end: usize) -> Found {
    let first = start - back(text, start, BACK, |byte| Class::Url.has(byte));
    let before = text.get(first..start)?;
    let begin = first + memchr::memmem::find(before, b"sk-")?;
    let last = end + forward(text, end, 120, |byte| Class::Url.has(byte));
    let (left, right) = (start.checked_sub(begin + 3)?, last - end);
    (left >= 20 && right >= 20 && not_inside_word(text, begin)).then_some((begin, last))
}

/// `prod:happy-animal-123|eyJ2...`, `preview:team:project|eyJ2...`, `name|eyJ2...`.
pub(super) fn convex(text: &[u8], start: usize, _: usize) -> Found {
    let begin = start - back(text, start, BACK, |byte| Class::Url.has(byte) || byte == b':');
    let last = start + 1 + forward(text, start + 1, 400, |byte| Class::Base64.has(byte) || byte == b'=');
    let name = text.get(begin..start)?;
    (name.len() >= 3 && last - start >= 24).then_some((begin, last))
}

/// `1234567890:AA...`: an id of digits, a colon, 35 characters.
pub(super) fn telegram(text: &[u8], start: usize, _: usize) -> Found {
    let digits = back(text, start, 12, |byte| byte.is_ascii_digit());
    let begin = start - digits;
    let token = forward(text, start + 1, 40, |byte| Class::Url.has(byte));
    let last = start + 1 + token;
    let body = text.get(start + 1..last)?;
    ((8..=10).contains(&digits) && token == 35 && not_inside_word(text, begin) && noise::entropy(body) >= 400)
        .then_some((begin, last))
}

/// Forty characters of base 64 within the same statement as the name.
pub(super) fn aws_secret(text: &[u8], _: usize, end: usize) -> Found {
    let name = end + forward(text, end, 24, |byte| Class::Url.has(byte));
    let gap =
        forward(text, name, 16, |byte| matches!(byte, b'"' | b'\'' | b'`' | b' ' | b'\t' | b'=' | b':' | b'>' | b'\\'));
    let begin = name + gap;
    let length = forward(text, begin, 48, |byte| Class::Base64.has(byte));
    let body = text.get(begin..begin + length)?;
    let found = gap > 0 && length == 40 && noise::entropy(body) >= 425 && !noise::is_placeholder(body);
    (found && text.get(begin + length) != Some(&b'=')).then_some((begin, begin + length))
}

/// From `-----BEGIN` to `-----END`, on one line with `\n` written out or on many.
pub(super) fn pem(text: &[u8], start: usize, end: usize) -> Found {
    let from = start.saturating_sub(32);
    let begin = from + memchr::memmem::rfind(text.get(from..start)?, b"-----BEGIN")?;
    let window = text.get(end..text.len().min(end + PEM))?;
    let length = memchr::memmem::find(window, b"-----END").unwrap_or(window.len());
    (length >= 64).then_some((begin, end + length))
}

/// `scheme://user:password@host`: the password, where the host is not this machine and the password is one.
pub(super) fn address(text: &[u8], start: usize, end: usize) -> Found {
    let rest = text.get(end..text.len().min(end + 400))?;
    let stop = |byte: &u8| {
        byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'`' | b'<' | b'>' | b'\\' | b'/' | b',' | b')')
    };
    let authority = rest.split(stop).next()?;
    let at = memchr::memrchr(b'@', authority)?;
    let (user, password) = authority.get(..at)?.split_at_checked(memchr::memchr(b':', authority)?)?;
    let (password, host) = (password.get(1..)?, authority.get(at + 1..)?);
    let local = host.is_empty()
        || host.starts_with(b"127.")
        || host.starts_with(b"[::1]")
        || noise::contains(host, b"localhost")
        || noise::contains(host, b"example.")
        || !host.contains(&b'.');
    let lower = password.to_ascii_lowercase();
    let known: [&[u8]; 8] = [b"postgres", b"pass", b"admin", b"root", b"user", b"guest", b"test", b"redis"];
    let said = known.contains(&&lower[..])
        || password.iter().any(|byte| matches!(byte, b'$' | b'{' | b'*' | b'[' | b'%'))
        || (noise::is_placeholder(password) || password == user);
    if local || said || password.len() < 6 || !not_inside_word(text, start) {
        return None;
    }
    let begin = end + user.len() + 1;
    Some((begin, begin + password.len()))
}

/// Three parts with dots between them.
pub(super) fn jwt(text: &[u8], start: usize, _: usize) -> Found {
    if !not_inside_word(text, start) || start.checked_sub(1).and_then(|at| text.get(at)) == Some(&b'.') {
        return None;
    }
    let mut at = start;
    for (part, least) in [17, 17, 20].into_iter().enumerate() {
        if part > 0 {
            at += (text.get(at) == Some(&b'.')).then_some(1)?;
        }
        let length = forward(text, at, 4096, |byte| Class::Url.has(byte));
        at += (length >= least).then_some(length)?;
    }
    Some((start, at))
}

/// How many bytes before `at` fit, at most `most`.
pub(super) fn back(text: &[u8], at: usize, most: usize, fits: impl Fn(u8) -> bool) -> usize {
    text.get(..at).unwrap_or_default().iter().rev().take(most).take_while(|byte| fits(**byte)).count()
}

/// How many bytes from `at` on fit, at most `most`.
pub(super) fn forward(text: &[u8], at: usize, most: usize, fits: impl Fn(u8) -> bool) -> usize {
    text.get(at..).unwrap_or_default().iter().take(most).take_while(|byte| fits(**byte)).count()
}

/// Whether no letter or digit stands right before.
pub(super) fn not_inside_word(text: &[u8], start: usize) -> bool {
    start.checked_sub(1).and_then(|at| text.get(at)).is_none_or(|byte| !byte.is_ascii_alphanumeric())
}
