//! What is not a secret although it stands where one would: placeholders, words, names, paths.

/// Texts that nobody has in a secret, in lower case.
const PLACEHOLDERS: [&str; 30] = [
    "example",
    "xxxx",
    "****",
    "....",
    "your",
    "placeholder",
    "changeme",
    "change-me",
    "change_me",
    "replace",
    "dummy",
    "sample",
    "redacted",
    "insert",
    "undefined",
    "notreal",
    "not-real",
    "not_real",
    "123456789",
    "abcdef",
    "qwerty",
    "deadbeef",
    "00000000",
    "aaaaaa",
    "lorem",
    "foobar",
    "secret",
    "password",
    "mysecret",
    "localhost",
];

/// The most frequent pairs of letters in English; words are made of them, random letters are not.
const PAIRS: &str = "th he in er an re nd at on nt ha es st en ed to it ou ea hi is or ti as te et ng of al de se le sa si ar ve ra ld ur \
    ll tt ff ss ee oo me ne we be ce ge ke ro ri li la lo ma mo mi na no ni pa pe po pr pl co ca ch ck ct ac ec ic ad id od ai ay \
    am em im om um ap ep ip op up us ut un ul il el ol ag eg ig og wa wi wo sh sc sp sk sw tr ta tu ty ly ry br bl bo ba bi do da di \
    dr fi fo fa fr gr gi ga go gh ht ke ki ev iv ow ew aw rs rt rd rm rn rk";

/// Bits of Shannon entropy for each byte, in hundredths: 0 to 800.
pub(super) fn entropy(bytes: &[u8]) -> u32 {
    let mut counts = [0_u32; 256];
    for byte in bytes {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let length = bytes.len() as f64;
    let bits: f64 =
        counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / length).map(|p| -p * p.log2()).sum();
    // At most 800, and never negative.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 800")]
    let hundredths = (bits * 100.0).round() as u32;
    hundredths
}

/// Whether `text` contains `word`, which is in lower case, in any case.
pub(super) fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word))
}

/// Whether the value stands for a secret instead of being one.
pub(super) fn is_placeholder(value: &[u8]) -> bool {
    PLACEHOLDERS.iter().any(|text| contains(value, text.as_bytes())) || repeats(value) || counts_up(value)
}

/// Six times the same character in a row, or the same four again and again.
fn repeats(value: &[u8]) -> bool {
    value.windows(6).any(|window| window.iter().all(|byte| Some(byte) == window.first()))
        || (value.len() >= 12 && value.windows(5).all(|window| window.first() == window.last()))
}

/// Eight characters of which each is the one after the one before: `12345678`, `ABCDEFGH`.
fn counts_up(value: &[u8]) -> bool {
    value.windows(8).any(|window| window.windows(2).all(|pair| matches!(pair, [a, b] if a.wrapping_add(1) == *b)))
}

/// Whether a value that stands beside a telling name has the look of chance: long enough, mixed, and not made of words.
///
/// Source of the numbers: gitleaks' generic rule (3.5 bits), Betterleaks' filters (words of five letters, 3.5 bits).
pub(super) fn looks_random(value: &[u8], password: bool) -> bool {
    let digits = value.iter().any(u8::is_ascii_digit);
    let letters = value.iter().any(u8::is_ascii_alphabetic);
    let other = value.iter().any(|byte| !byte.is_ascii_alphanumeric());
    let hex = value.iter().all(u8::is_ascii_hexdigit);
    let needed = match value.len() {
        0..8 => return false,
        8..12 if password && digits && letters && other => 250,
        8..12 => return false,
        12..16 => 300,
        _ if hex => 300,
        16..20 => 330,
        _ => 350,
    };
    let long = value.len() >= 32;
    letters
        && (digits || long)
        && entropy(value) >= needed
        && !is_placeholder(value)
        && (hex || !is_wordy(value))
        && !is_label(value)
        && !is_name(value)
}

/// Whether it is words with numbers behind them, joined by signs: `invoice-42`, `apiKey_v2`. Rare words are not told by
/// their pairs of letters, but by that nothing else is there.
fn is_label(value: &[u8]) -> bool {
    let is_word = |run: &[u8]| {
        let vowels = run.iter().filter(|byte| b"aeiouyAEIOUY".contains(byte)).count();
        run.len() >= 3 && vowels * 5 >= run.len()
    };
    value.len() < 24
        && value.split(|byte| b"-_.: ".contains(byte)).all(|part| {
            let digits = part.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
            let letters = part.get(..part.len() - digits).unwrap_or_default();
            digits <= 4 && runs(letters).all(is_word)
        })
}

/// Whether half of the letters stand in words: runs of five or more of one case that are made of frequent pairs.
fn is_wordy(value: &[u8]) -> bool {
    let letters = value.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    let mut in_words = 0;
    for run in runs(value) {
        let pairs = run.windows(2).count();
        let frequent = run.windows(2).filter(|pair| is_frequent(pair)).count();
        if run.len() >= 4 && frequent * 10 >= pairs * 6 {
            in_words += run.len();
        }
    }
    in_words * 2 >= letters
}

/// Runs of letters as words have them: all small, all capital, or one capital before small ones.
fn runs(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.chunk_by(|a, b| {
        a.is_ascii_alphabetic()
            && b.is_ascii_alphabetic()
            && (a.is_ascii_lowercase() == b.is_ascii_lowercase() || (a.is_ascii_uppercase() && b.is_ascii_lowercase()))
    })
}

fn is_frequent(pair: &[u8]) -> bool {
    PAIRS.split_ascii_whitespace().any(|known| known.as_bytes().eq_ignore_ascii_case(pair))
}

/// UUIDs, versions, addresses, paths and the like: they name something.
fn is_name(value: &[u8]) -> bool {
    let uuid = value.len() == 36
        && value.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    let starts = [
        &b"http"[..],
        b"/",
        b"./",
        b"../",
        b"$",
        b"{",
        b"<",
        b"#",
        b"@",
        b"sha256",
        b"sha384",
        b"sha512",
        b"data:",
        b"urn:",
        b"arn:",
    ];
    uuid || starts.iter().any(|start| value.starts_with(start))
        || value.windows(3).any(|window| window == b"://")
        || value.windows(2).any(|window| window == b"${" || window == b"{{")
        || (value.contains(&b'(') && value.contains(&b')'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_is_none_for_one_character_and_most_for_all() {
        assert_eq!(entropy(b""), 0);
        assert_eq!(entropy(b"aaaa"), 0);
        assert_eq!(entropy(b"abab"), 100);
        assert_eq!(entropy(&(0..=255).collect::<Vec<u8>>()), 800);
    }

    #[test]
    fn chance_is_told_from_words() {
        for value in ["9fK2mXq7Lr4Tz8Bv", "b7e23ec29af22b0b4e41da31e868d572", "kJ8v-2LmQ_9xZt4RwY1p", "Zq4!x-Tr9#"] {
            assert!(looks_random(value.as_bytes(), true), "{value}");
        }
        for value in [
            "your-api-key-here-1",
            "changeme12345678",
            "correct-horse-battery-staple-1",
            "process.env.API_KEY",
            "application/json+v2",
            "123e4567-e89b-12d3-a456-426614174000",
            "https://api.example.com/v1/token",
            "UserPasswordResetToken2",
            "abcdefgh12345678",
            "aaaaaaaaaaaa1234",
            "forgot-password-token2",
            "${SECRET_KEY_BASE_1}",
            "short1",
            "invoice-42",
            "currency_17",
            "apiKey-async-1400",
            "sha512-9fK2mXq7Lr4Tz8Bv9fK2mXq7",
        ] {
            assert!(!looks_random(value.as_bytes(), true), "{value}");
        }
    }
}
