//! Paths that climb out of their folder, and the files they are after.

use palisade_event::Signal;

use crate::signals::normal::{Normal, has};

const BIT: u8 = Signal::Traversal.bit();

/// What climbing is for.
const TARGETS: &[&str] = &[
    "etc/passwd",
    "etc/shadow",
    "etc/hosts",
    "etc/group",
    "etc/issue",
    "etc/",
    "proc/self",
    "proc/version",
    "windows/",
    "winnt/",
    "win.ini",
    "boot.ini",
    "system32",
    "web.config",
    "web-inf",
    "meta-inf",
    ".ssh/",
    ".aws/",
    ".env",
    ".git/",
    ".htpasswd",
    ".htaccess",
    "wp-config",
    "id_rsa",
    "var/log",
    "var/www",
    "passwd",
    ".bash_history",
];

/// Whole values that name a system file outright.
const FILES: &[&str] = &[
    "/etc/passwd",
    "/etc/shadow",
    "/etc/hosts",
    "/etc/group",
    "/etc/sudoers",
    "/proc/self/",
    "/proc/version",
    "/var/log/",
    "c:/windows",
    "c:/boot.ini",
    "c:/winnt",
    "file:///",
    "file://localhost/",
    "php://",
    "phar://",
    "expect://",
    "zip://",
];

/// In a path, which has none of this once it is canonical.
pub(super) fn path(normal: &Normal<'_>) -> u8 {
    let climbs = climbs(normal.low());
    if climbs > 0 || (normal.hidden_dot && normal.hidden_slash) || text(normal) != 0 { BIT } else { 0 }
}

/// In a value.
pub(super) fn text(normal: &Normal<'_>) -> u8 {
    let low = normal.low();
    let slashed = low.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte });
    // Compared from the start only, so a look at some bytes is enough.
    let start: Start = Start::of(slashed);
    let blank = low.iter().any(|byte| matches!(byte, b' ' | b'\n' | b'\t' | b'\r'));
    if !blank && FILES.iter().any(|file| start.starts_with(file.as_bytes())) {
        return BIT;
    }
    let climbs = climbs(low);
    if climbs == 0 {
        return 0;
    }
    let back = low.contains(&b'\\');
    let quoted = low.iter().any(|byte| matches!(byte, b'"' | b'\'' | b'(' | b'`'));
    let sensitive = climbs > 0 && TARGETS.iter().any(|target| has(low, target) || (back && has_slashed(low, target)));
    let hidden = normal.hidden_dot || normal.hidden_slash || normal.nul || has(low, "..\\") || has(low, "....//");
    let many = climbs > 1 && !blank && !quoted;
    let deep = climbs > 5;
    if (sensitive && !(blank && quoted)) || hidden && !blank || many || deep { BIT } else { 0 }
}

/// How often a path goes up: `../`, `..\`, `..;/`, also at its end.
fn climbs(low: &[u8]) -> usize {
    let slash = |byte: Option<&u8>| matches!(byte, Some(b'/' | b'\\'));
    let mut found = 0;
    for at in memchr::memmem::find_iter(low, b"..") {
        let after = at + 2;
        let closes = slash(low.get(after)) || (low.get(after) == Some(&b';') && slash(low.get(after + 1)));
        let ends = at > 0 && slash(low.get(at - 1)) && low.get(after).is_none();
        found += usize::from(closes || ends);
    }
    found
}

/// `target` written with backslashes.
fn has_slashed(low: &[u8], target: &str) -> bool {
    let mut written = [0; 16];
    let Some(place) = written.get_mut(..target.len()) else { return false };
    for (place, byte) in place.iter_mut().zip(target.bytes()) {
        *place = if byte == b'/' { b'\\' } else { byte };
    }
    target.contains('/') && memchr::memmem::find(low, place).is_some()
}

/// The first bytes of a value.
struct Start {
    bytes: [u8; 24],
    len: usize,
}

impl Start {
    fn of(bytes: impl Iterator<Item = u8>) -> Start {
        let mut start = Start { bytes: [0; 24], len: 0 };
        for (place, byte) in start.bytes.iter_mut().zip(bytes) {
            *place = byte;
            start.len += 1;
        }
        start
    }

    fn starts_with(&self, text: &[u8]) -> bool {
        self.bytes.get(..self.len).is_some_and(|bytes| bytes.starts_with(text))
    }
}
