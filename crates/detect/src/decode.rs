//! Texts made from a request's path and query, for rules to compare.

/// The longest text that is decoded, in bytes; the rest is left out.
const CAP: usize = 4096;

/// Bytes without which no rule over the decoded text has anything to find. Looked for first, as nearly every request has
/// none of them.
const SUSPICIOUS: [bool; 256] = {
    let mut table = [false; 256];
    let bytes = b"%'\"<>;(`\\+$";
    let mut at = 0;
    while at < bytes.len() {
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
        {
            table[bytes[at] as usize] = true;
        }
        at += 1;
    }
    table
};

/// Path and query, decoded at most twice (attackers encode twice; honest clients once), in lower case, with comments of
/// SQL and runs of blanks as one blank. `None` where nothing in them could be code.
pub(crate) fn decoded(path: &str, query: &str) -> Option<String> {
    #[expect(clippy::indexing_slicing, reason = "256 entries for a byte")]
    let suspicious = |text: &str| text.bytes().any(|byte| SUSPICIOUS[usize::from(byte)]);
    if !suspicious(path) && !suspicious(query) && !path.contains("..") && !query.contains("..") {
        return None;
    }
    let mut bytes = Vec::with_capacity(path.len() + query.len() + 1);
    bytes.extend_from_slice(path.as_bytes());
    bytes.push(b'?');
    bytes.extend(query.bytes().map(|byte| if byte == b'+' { b' ' } else { byte }));
    bytes.truncate(CAP);
    for _ in 0..2 {
        if !percent(&mut bytes) {
            break;
        }
    }
    bytes.make_ascii_lowercase();
    Some(plain(&String::from_utf8_lossy(&bytes)))
}

/// Decodes `%xx` in place; whether there was any.
fn percent(bytes: &mut Vec<u8>) -> bool {
    let Some(first) = bytes.iter().position(|byte| *byte == b'%') else { return false };
    let mut out = bytes.get(..first).unwrap_or_default().to_vec();
    let mut rest = bytes.get(first..).unwrap_or_default();
    let mut found = false;
    while let Some((&byte, after)) = rest.split_first() {
        let pair = after.split_at_checked(2).filter(|_| byte == b'%');
        match pair.and_then(|(pair, after)| Some((hex(pair)?, after))) {
            Some((decoded, after)) => {
                out.push(decoded);
                rest = after;
                found = true;
            }
            None => {
                out.push(byte);
                rest = after;
            }
        }
    }
    *bytes = out;
    found
}

fn hex(pair: &[u8]) -> Option<u8> {
    pair.iter().try_fold(0u8, |value, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(value << 4 | u8::try_from(digit).ok()?)
    })
}

/// One blank for each comment and each run of blanks and controls.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let comment = rest.strip_prefix("/*").and_then(|inner| inner.find("*/").and_then(|end| inner.get(end + 2..)));
        if let Some(after) = comment {
            blank(&mut out);
            rest = after;
            continue;
        }
        if c.is_whitespace() || c.is_control() {
            blank(&mut out);
        } else {
            out.push(c);
        }
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    out
}

fn blank(out: &mut String) {
    if !out.ends_with(' ') {
        out.push(' ');
    }
}

/// The path with every segment that looks like an id as `{}`, and no more than its first six segments.
pub(crate) fn shape(path: &str) -> String {
    let mut out = String::with_capacity(path.len().min(128));
    for (at, segment) in path.split('/').skip(1).enumerate() {
        if at == 6 {
            out.push_str("/...");
            break;
        }
        out.push('/');
        out.push_str(if is_id(segment) { "{}" } else { segment });
    }
    out
}

/// Anything with two digits or more, and anything longer than people name things.
fn is_id(segment: &str) -> bool {
    let digits = segment.bytes().filter(u8::is_ascii_digit).count();
    let all = digits > 0 && digits == segment.len();
    all || digits >= 2 || segment.len() > 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_comments_and_case_are_taken_off() {
        for (query, expected) in [
            ("id=1%27%20OR%20%271%27%3D%271", "/?id=1' or '1'='1"),
            ("id=1%2527+or+1%253D1", "/?id=1' or 1=1"),
            ("id=1/**/UNION/*x*/SELECT+1", "/?id=1 union select 1"),
            ("q=%3Cscript%3E", "/?q=<script>"),
            ("q=100%", "/?q=100%"),
            ("q=%zz%4", "/?q=%zz%4"),
        ] {
            assert_eq!(decoded("/", query).as_deref(), Some(expected), "{query}");
        }
        assert_eq!(decoded("/a", "q=shoes"), None);
        assert_eq!(decoded("/../x", "").as_deref(), Some("/../x?"));
        assert!(decoded("/", &"%41".repeat(9000)).expect("decoded").len() <= CAP);
    }

    #[test]
    fn ids_are_taken_out_of_paths() {
        assert_eq!(shape("/api/users/123/posts"), "/api/users/{}/posts");
        assert_eq!(shape("/p/9f8b1c2e-aaaa"), "/p/{}");
        assert_eq!(shape("/v1/shop"), "/v1/shop");
        assert_eq!(shape("/a/b/c/d/e/f/g"), "/a/b/c/d/e/f/...");
    }
}
