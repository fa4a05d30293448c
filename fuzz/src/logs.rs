//! Lines of logs: what a stranger's requests make a server write, and what strangers send to the intake.

use palisade_event::json::{MAX_DEPTH, walk};
use palisade_event::{BadLine, Seen, decode};

use crate::watch::lines::{Enrich, Format, LogFormat, MAX_LINE, Reader, detect};

/// A JSON line: what serde_json takes for an object is one to us too, and an event that was read is written and read
/// as the same.
pub fn json_line(data: &[u8]) {
    let walked = walk(data, |_, _| {});
    if serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(data).is_ok() {
        let deep = data.iter().filter(|byte| matches!(byte, b'[' | b'{')).count() > MAX_DEPTH;
        assert!(walked.is_ok() || (deep && walked == Err(BadLine::TooDeep)), "{walked:?}");
    }
    let Ok(seen) = decode(data) else { return };
    assert!(walked.is_ok());
    let line = encoded(&seen);
    let again = decode(&line).expect("our own line");
    assert_eq!(encoded(&again), line, "a line says what it says");
}

/// A line in every format: it is an event or counted, the event is nobody's fault, and its own line is printable.
pub fn log_line(data: &[u8]) {
    let custom =
        LogFormat::parse(r#"$remote_addr "$http_x_forwarded_for" [$time_iso8601] "$request" $status $request_time"#);
    let formats = [
        Format::Palisade,
        Format::Application,
        Format::Combined,
        Format::Caddy,
        Format::Traefik,
        Format::Vercel,
        Format::Alb,
        Format::Clerk,
        Format::Custom(custom.expect("a format")),
    ];
    for format in formats {
        let mut told = 0;
        let mut reader = Reader::new(format.clone(), Enrich::default().with_logins([String::from("/login")]));
        reader.read(data, |read| {
            told += 1;
            let Ok(seen) = read else { return };
            assert!(!seen.attributable);
            let line = encoded(&seen);
            assert!(line[..line.len() - 1].iter().all(|byte| (0x20..0x7f).contains(byte)), "a line for terminals");
            if let Some(referrer) = &seen.referrer {
                assert!(!referrer.contains('?'));
            }
        });
        assert!(told > 0 || format == Format::Vercel, "neither told nor counted");
        assert!(data.len() <= MAX_LINE || format == Format::Vercel || told == 1);
    }
    let _ = detect(data.split(|byte| *byte == b'\n'));
    let _ = LogFormat::parse(&String::from_utf8_lossy(data));
}

fn encoded(seen: &Seen<'_>) -> Vec<u8> {
    let mut line = Vec::new();
    seen.encode(&mut line);
    line
}
