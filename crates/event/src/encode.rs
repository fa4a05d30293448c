//! The JSON line of an event, written by hand so that an event costs no allocation.

use std::io::Write as _;
use std::net::IpAddr;

use crate::{Event, Field, Signal, Tag};

/// The longest text taken from a request, in bytes.
pub(crate) const TEXT_CAP: usize = 1024;

#[expect(clippy::too_many_lines, reason = "one list of fields, in their order")]
pub(crate) fn event(event: &Event<'_>, line: &mut Vec<u8>) {
    // Room for a usual line, looked for once.
    line.reserve(512);
    line.push(b'{');
    line.extend_from_slice(Field::Timestamp.opening().get(1..).unwrap_or_default().as_bytes());
    rfc3339(event.time_micros, line);
    line.push(b'"');
    text(line, Field::Service, event.service);
    plain(line, Field::Decision, event.decision.id());
    if let Some(stage) = event.stage {
        plain(line, Field::Stage, stage.id());
    }
    if let Some(code) = event.code {
        plain(line, Field::Code, code.id());
    }
    if let Some(kind) = event.kind {
        plain(line, Field::Kind, kind.id());
    }
    if let Some(route) = event.route {
        text(line, Field::Route, route);
    }
    text(line, Field::Method, event.method);
    text(line, Field::Path, event.path);
    number(line, Field::Status, u64::from(event.status));
    let spelt = line.len() + Field::ClientAddress.opening().len();
    address(line, Field::ClientAddress, event.client_address);
    match event.client.v4() {
        // Mostly the address that has just been spelt, with the quote after it.
        Some(v4) if event.client_address == v4 => {
            let end = line.len();
            line.extend_from_slice(Field::ClientKey.opening().as_bytes());
            line.extend_from_within(spelt..end);
        }
        Some(v4) => address(line, Field::ClientKey, v4.into()),
        None => display(line, Field::ClientKey, event.client),
    }
    text(line, Field::RequestId, event.request_id);
    if let Some(agent) = event.user_agent {
        text(line, Field::UserAgent, agent);
    }
    if let Some(session) = event.session {
        display(line, Field::Session, format_args!("{session:016x}"));
    }
    if let Some(user) = event.user {
        text(line, Field::User, user);
    }
    if let Some(outcome) = event.outcome {
        plain(line, Field::Outcome, outcome.id());
    }
    number(line, Field::Duration, event.duration_micros);
    names(line, Field::Tags, event.tags, Tag::ALL.map(|tag| (tag.bit(), tag.id())));
    names(line, Field::Signals, event.signals, Signal::ALL.map(|signal| (signal.bit(), signal.id())));
    if let Some(fields) = event.fields {
        text(line, Field::Fields, fields);
    }
    if !event.attributable {
        key(line, Field::Attributable);
        line.extend_from_slice(b"false");
    }
    if let Some(run) = event.run {
        display(line, Field::Run, format_args!("{run:016x}"));
    }
    if let Some(report) = event.report {
        text(line, Field::Type, report);
    }
    if event.count > 1 {
        number(line, Field::Count, u64::from(event.count));
    }
    line.extend_from_slice(b"}\n");
}

/// Appends a time as RFC 3339 in UTC with microseconds.
pub fn rfc3339(micros: u64, line: &mut Vec<u8>) {
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let [a, b] = pair(year / 100);
    let [c, d] = pair(year);
    let [e, f] = pair(month);
    let [g, h] = pair(day);
    let [i, j] = pair(second / 3600);
    let [k, l] = pair(second / 60 % 60);
    let [m, n] = pair(second % 60);
    let [o, p] = pair(fraction / 10_000);
    let [q, r] = pair(fraction / 100);
    let [s, t] = pair(fraction);
    // In one piece: twenty pushes cost more than the calendar.
    line.extend_from_slice(&[
        a, b, c, d, b'-', e, f, b'-', g, h, b'T', i, j, b':', k, l, b':', m, n, b'.', o, p, q, r, s, t, b'Z',
    ]);
}

/// The last two digits.
const fn pair(value: u64) -> [u8; 2] {
    let value = (value % 100) as u8;
    [b'0' + value / 10, b'0' + value % 10]
}

/// Decimal digits. `core::fmt` costs ten times as much, and a line has a dozen numbers.
pub(crate) fn digits(line: &mut Vec<u8>, mut value: u64) {
    if value < 10 {
        return line.push(b'0' + (value % 10) as u8);
    }
    let mut text = [b'0'; 20];
    let mut from = text.len();
    for place in text.iter_mut().rev() {
        *place = b'0' + (value % 10) as u8;
        value /= 10;
        from -= 1;
        if value == 0 {
            break;
        }
    }
    line.extend_from_slice(text.get(from..).unwrap_or_default());
}

/// Days since 1970-01-01 as year, month, day (Howard Hinnant's `civil_from_days`, for days after the epoch).
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

pub(crate) fn key(line: &mut Vec<u8>, field: Field) {
    line.extend_from_slice(field.key().as_bytes());
}

pub(crate) fn number(line: &mut Vec<u8>, field: Field, value: u64) {
    key(line, field);
    digits(line, value);
}

pub(crate) fn address(line: &mut Vec<u8>, field: Field, address: IpAddr) {
    let IpAddr::V4(v4) = address else { return display(line, field, address) };
    line.extend_from_slice(field.opening().as_bytes());
    for (at, octet) in v4.octets().into_iter().enumerate() {
        if at > 0 {
            line.push(b'.');
        }
        let [hundreds, tens, ones] = [b'0' + octet / 100, b'0' + octet / 10 % 10, b'0' + octet % 10];
        match octet {
            0..=9 => line.push(ones),
            10..=99 => line.extend_from_slice(&[tens, ones]),
            100.. => line.extend_from_slice(&[hundreds, tens, ones]),
        }
    }
    line.push(b'"');
}

/// For values that never need an escape.
pub(crate) fn display(line: &mut Vec<u8>, field: Field, value: impl std::fmt::Display) {
    key(line, field);
    let _ = write!(line, "\"{value}\"");
}

/// For our own words, which never need an escape.
#[inline]
fn plain(line: &mut Vec<u8>, field: Field, word: &'static str) {
    line.extend_from_slice(field.opening().as_bytes());
    line.extend_from_slice(word.as_bytes());
    line.push(b'"');
}

/// The name is a constant where this is called, so that it is copied in two or three moves.
#[inline]
pub(crate) fn text(line: &mut Vec<u8>, field: Field, value: &str) {
    line.extend_from_slice(field.opening().as_bytes());
    rest(line, value);
}

/// The text after its quote, and the one that closes it.
fn rest(line: &mut Vec<u8>, value: &str) {
    let value = value.get(..value.floor_char_boundary(TEXT_CAP)).unwrap_or_default();
    // Without an early exit the usual case is a loop over whole vectors.
    if value.bytes().fold(true, |clean, byte| clean & is_plain(byte)) {
        line.extend_from_slice(value.as_bytes());
    } else {
        escaped(line, value);
    }
    line.push(b'"');
}

const fn is_plain(byte: u8) -> bool {
    (byte >= 0x20) & (byte < 0x7f) & (byte != b'"') & (byte != b'\\')
}

fn escaped(line: &mut Vec<u8>, value: &str) {
    let mut clean = 0;
    for (at, byte) in value.bytes().enumerate() {
        if is_plain(byte) {
            continue;
        }
        // Continuation bytes were written with their first byte.
        line.extend_from_slice(value.as_bytes().get(clean..at).unwrap_or_default());
        clean = at + 1;
        if let Some(char) = value.get(at..).and_then(|rest| rest.chars().next()) {
            escape(line, char);
        }
    }
    line.extend_from_slice(value.as_bytes().get(clean..).unwrap_or_default());
}

/// Everything outside printable ASCII is escaped: a terminal that shows the line runs no control sequence.
fn escape(line: &mut Vec<u8>, char: char) {
    match char {
        '"' | '\\' => line.extend_from_slice(&[b'\\', char as u8]),
        _ => {
            for unit in char.encode_utf16(&mut [0; 2]) {
                let _ = write!(line, "\\u{unit:04x}");
            }
        }
    }
}

/// The names of the bits that are set.
pub(crate) fn names<const N: usize>(line: &mut Vec<u8>, field: Field, bits: u8, known: [(u8, &str); N]) {
    if bits == 0 {
        return;
    }
    key(line, field);
    line.push(b'[');
    for (_, name) in known.into_iter().filter(|(bit, _)| bits & bit != 0) {
        if line.last() != Some(&b'[') {
            line.push(b',');
        }
        let _ = write!(line, "\"{name}\"");
    }
    line.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClientKey, Code, Decision, Kind, Outcome, Stage};

    fn sample() -> Event<'static> {
        let address = "198.51.100.7".parse().expect("address");
        Event {
            time_micros: 1_793_577_600_000_001,
            service: "shop",
            decision: Decision::Refuse,
            stage: Some(Stage::CsrfToken),
            code: Some(Code::CsrfTokenReused),
            kind: Some(Kind::PublicForm),
            route: Some("/api/contact"),
            method: "POST",
            path: "/api/contact",
            status: 403,
            client_address: address,
            client: ClientKey::of(address),
            request_id: "01J00000000000000000000000",
            user_agent: Some("curl/8.1"),
            session: Some(0xab),
            user: Some("user_1"),
            outcome: Some(Outcome::Failure),
            report: Some("AUTH_FAILURE"),
            duration_micros: 12,
            tags: Tag::LimiterOverflow.bit() | Tag::ClaimWatermark.bit(),
            signals: Signal::Xss.bit() | Signal::KnownExploit.bit(),
            fields: Some("/title /items/*/name"),
            attributable: false,
            run: Some(0xfeed),
            count: 3,
        }
    }

    fn line(event: &Event<'_>) -> String {
        let mut line = Vec::new();
        event.encode(&mut line);
        String::from_utf8(line).expect("utf-8")
    }

    #[test]
    fn golden_line_names_every_field() {
        assert_eq!(
            line(&sample()),
            concat!(
                r#"{"timestamp":"2026-11-02T00:00:00.000001Z","service.name":"shop","palisade.decision":"refuse","#,
                r#""palisade.stage":"csrf-token","palisade.code":"csrf-token-reused","palisade.kind":"public-form","#,
                r#""http.route":"/api/contact","http.request.method":"POST","url.path":"/api/contact","#,
                r#""http.response.status_code":403,"client.address":"198.51.100.7","client.key":"198.51.100.7","#,
                r#""palisade.request_id":"01J00000000000000000000000","user_agent.original":"curl/8.1","#,
                r#""session.id":"00000000000000ab","user.id":"user_1","event.outcome":"failure","http.server.request.duration_us":12,"#,
                r#""palisade.tags":["limiter-overflow","claim-watermark"],"palisade.signals":["xss","known-exploit"],"#,
                r#""palisade.fields":"/title /items/*/name","palisade.attributable":false,"palisade.run":"000000000000feed","palisade.type":"AUTH_FAILURE","#,
                r#""palisade.count":3}"#,
                "\n"
            )
        );
    }

    #[test]
    fn hostile_text_stays_one_line_of_printable_ascii_and_reads_back() {
        let hostile = "a\"b\\c\n\u{1b}]52;x\u{7f}\u{202e}é😀";
        let line = line(&Event { path: hostile, user_agent: None, ..sample() });
        assert!(line.trim_end().bytes().all(|b| (0x20..0x7f).contains(&b)), "{line}");
        let read: serde_json::Value = serde_json::from_str(&line).expect("json");
        assert_eq!(read["url.path"], hostile);
        assert_eq!(read.get("user_agent.original"), None);
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        let long = "é".repeat(2000);
        let read: serde_json::Value = serde_json::from_str(&line(&Event { path: &long, ..sample() })).expect("json");
        assert_eq!(read["url.path"].as_str().map(str::len), Some(TEXT_CAP));
    }

    #[test]
    fn calendar_is_right_at_its_corners() {
        for (days, expect) in
            [(0, (1970, 1, 1)), (11_016, (2000, 2, 29)), (11_017, (2000, 3, 1)), (20_779, (2026, 11, 22))]
        {
            assert_eq!(civil(days), expect);
        }
    }
}
