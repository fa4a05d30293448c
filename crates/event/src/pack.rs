//! An event in few bytes: for those who keep many for a moment, and show few of them.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr};

use crate::encode::TEXT_CAP;
use crate::{ClientKey, Code, Decision, EventTime, Kind, ORDER, Outcome, Seen, Source};

/// No value of an enum.
const NONE: u8 = u8::MAX;

/// Bits of the numbers that are there.
const STATUS: u8 = 1;
const ADDRESS: u8 = 1 << 1;
const CLIENT: u8 = 1 << 2;
const DURATION: u8 = 1 << 3;
const REQUEST_BYTES: u8 = 1 << 4;
const RESPONSE_BYTES: u8 = 1 << 5;
const ATTRIBUTABLE: u8 = 1 << 6;

/// Texts of an event, in the order in which they are packed.
const TEXTS: usize = 21;

// === impl Seen ===

impl Seen<'_> {
    /// Appends the event in a form of this process alone: equal events give equal bytes. Texts are cut at 1 KiB, as in a
    /// line.
    pub fn pack(&self, out: &mut Vec<u8>) {
        let texts = texts(self);
        let given = texts.iter().enumerate().fold(0_u32, |bits, (at, text)| bits | u32::from(text.is_some()) << at);
        let number = |is: bool, bit: u8| if is { bit } else { 0 };
        let numbers = number(self.status.is_some(), STATUS)
            | number(self.client_address.is_some(), ADDRESS)
            | number(self.client.is_some(), CLIENT)
            | number(self.duration_micros.is_some(), DURATION)
            | number(self.request_bytes.is_some(), REQUEST_BYTES)
            | number(self.response_bytes.is_some(), RESPONSE_BYTES)
            | number(self.attributable, ATTRIBUTABLE);
        out.reserve(160 + texts.iter().flatten().map(|text| text.len()).sum::<usize>());
        out.extend_from_slice(&self.time.micros().to_le_bytes());
        out.extend_from_slice(&self.count.to_le_bytes());
        out.extend_from_slice(&given.to_le_bytes());
        out.extend_from_slice(&self.status.unwrap_or(0).to_le_bytes());
        out.extend_from_slice(&[
            numbers,
            self.tags,
            self.signals,
            self.source as u8,
            self.decision.map_or(NONE, |decision| decision as u8),
            self.stage.map_or(NONE, |stage| stage as u8),
            self.code.map_or(NONE, |code| code as u8),
            self.kind.map_or(NONE, |kind| kind as u8),
            self.outcome.map_or(NONE, |outcome| outcome as u8),
        ]);
        if let Some(address) = self.client_address {
            out.extend_from_slice(&wide(address).to_le_bytes());
        }
        if let Some(client) = self.client {
            out.extend_from_slice(&client.bits().to_le_bytes());
        }
        for number in [self.duration_micros, self.request_bytes, self.response_bytes].into_iter().flatten() {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for text in texts.into_iter().flatten() {
            let text = text.get(..text.floor_char_boundary(TEXT_CAP)).unwrap_or_default();
            out.extend_from_slice(&u16::try_from(text.len()).unwrap_or(0).to_le_bytes());
            out.extend_from_slice(text.as_bytes());
        }
    }

    /// Reads what [`Seen::pack`] wrote. `None` for anything else.
    #[must_use]
    pub fn unpack(packed: &[u8]) -> Option<Seen<'_>> {
        let mut rest = packed;
        let time = EventTime::from_micros(u64::from_le_bytes(take(&mut rest)?));
        let count = u32::from_le_bytes(take(&mut rest)?);
        let given = u32::from_le_bytes(take(&mut rest)?);
        let status = u16::from_le_bytes(take(&mut rest)?);
        let [numbers, tags, signals, source, decision, stage, code, kind, outcome] = take(&mut rest)?;
        let mut seen = Seen::at(time, *Source::ALL.get(usize::from(source))?);
        let has = |bit: u8| numbers & bit != 0;
        seen.decision = Decision::ALL.get(usize::from(decision)).copied();
        seen.stage = ORDER.get(usize::from(stage)).copied();
        seen.code = Code::ALL.get(usize::from(code)).copied();
        seen.kind = Kind::ALL.get(usize::from(kind)).copied();
        seen.outcome = Outcome::ALL.get(usize::from(outcome)).copied();
        (seen.count, seen.tags, seen.signals, seen.attributable) = (count, tags, signals, has(ATTRIBUTABLE));
        seen.status = has(STATUS).then_some(status);
        if has(ADDRESS) {
            let address = Ipv6Addr::from(u128::from_le_bytes(take(&mut rest)?));
            seen.client_address = Some(IpAddr::V6(address).to_canonical());
        }
        if has(CLIENT) {
            let address = Ipv6Addr::from(u128::from_le_bytes(take(&mut rest)?));
            seen.client = Some(ClientKey::of(IpAddr::V6(address)));
        }
        for (bit, slot) in [
            (DURATION, &mut seen.duration_micros),
            (REQUEST_BYTES, &mut seen.request_bytes),
            (RESPONSE_BYTES, &mut seen.response_bytes),
        ] {
            if has(bit) {
                *slot = Some(u64::from_le_bytes(take(&mut rest)?));
            }
        }
        for (at, slot) in texts_mut(&mut seen).into_iter().enumerate() {
            if given >> at & 1 == 1 {
                let length = u16::from_le_bytes(take(&mut rest)?);
                let (text, after) = rest.split_at_checked(usize::from(length))?;
                *slot = Some(Cow::Borrowed(str::from_utf8(text).ok()?));
                rest = after;
            }
        }
        rest.is_empty().then_some(seen)
    }
}

#[expect(clippy::too_many_lines, reason = "a line for each field")]
fn texts<'s>(seen: &'s Seen<'_>) -> [Option<&'s str>; TEXTS] {
    // Every field by name: a new one must be packed too, or this does not compile.
    let Seen {
        id,
        notice,
        service,
        environment,
        route,
        method,
        host,
        path,
        query,
        referrer,
        country,
        request_id,
        user_agent,
        session,
        user,
        action,
        kind_of_report,
        error,
        replay,
        fields,
        run,
        time: _,
        source: _,
        decision: _,
        stage: _,
        code: _,
        kind: _,
        status: _,
        client_address: _,
        client: _,
        outcome: _,
        duration_micros: _,
        request_bytes: _,
        response_bytes: _,
        tags: _,
        signals: _,
        attributable: _,
        count: _,
    } = seen;
    [
        id.as_deref(),
        notice.as_deref(),
        service.as_deref(),
        environment.as_deref(),
        route.as_deref(),
        method.as_deref(),
        host.as_deref(),
        path.as_deref(),
        query.as_deref(),
        referrer.as_deref(),
        country.as_deref(),
        request_id.as_deref(),
        user_agent.as_deref(),
        session.as_deref(),
        user.as_deref(),
        action.as_deref(),
        kind_of_report.as_deref(),
        error.as_deref(),
        replay.as_deref(),
        fields.as_deref(),
        run.as_deref(),
    ]
}

fn texts_mut<'s, 'a>(seen: &'s mut Seen<'a>) -> [&'s mut Option<Cow<'a, str>>; TEXTS] {
    [
        &mut seen.id,
        &mut seen.notice,
        &mut seen.service,
        &mut seen.environment,
        &mut seen.route,
        &mut seen.method,
        &mut seen.host,
        &mut seen.path,
        &mut seen.query,
        &mut seen.referrer,
        &mut seen.country,
        &mut seen.request_id,
        &mut seen.user_agent,
        &mut seen.session,
        &mut seen.user,
        &mut seen.action,
        &mut seen.kind_of_report,
        &mut seen.error,
        &mut seen.replay,
        &mut seen.fields,
        &mut seen.run,
    ]
}

fn wide(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_ipv6_mapped()),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Stage, decode};

    #[test]
    fn every_value_of_every_enum_has_the_number_of_its_place() {
        fn places<T: Copy>(all: &[T], number: impl Fn(T) -> usize) {
            assert!(all.len() < usize::from(NONE));
            assert!(all.iter().enumerate().all(|(at, value)| number(*value) == at));
        }
        places(&Source::ALL, |value| value as usize);
        places(&Decision::ALL, |value| value as usize);
        places(&ORDER, |value: Stage| value as usize);
        places(Code::ALL, |value| value as usize);
        places(&Kind::ALL, |value| value as usize);
        places(&Outcome::ALL, |value| value as usize);
    }

    #[test]
    fn what_is_packed_reads_back_and_nothing_else_does() {
        let line = concat!(
            r#"{"timestamp":"2026-11-02T00:00:00.000001Z","service.name":"shop","palisade.decision":"refuse","#,
            r#""palisade.stage":"claim","palisade.code":"csrf-token-reused","palisade.kind":"public-form","#,
            r#""http.route":"/api/{x}","http.request.method":"POST","url.path":"/api/é","url.query":"","#,
            r#""http.response.status_code":403,"client.address":"2001:db8::7","client.key":"2001:db8::/64","#,
            r#""palisade.request_id":"01J","user_agent.original":"curl","session.id":"ab","user.id":"u","#,
            r#""event.outcome":"unknown","http.server.request.duration_us":12,"palisade.tags":["message-repeated"],"#,
            r#""palisade.signals":["xss"],"server.address":"a.example","geo.country.iso_code":"DE","#,
            r#""http.request.body.size":0,"http.response.body.size":7,"event.action":"login","palisade.type":"X","#,
            r#""error.type":"E","session.replay.url":"https://a.example/s","deployment.environment.name":"p","#,
            r#""palisade.notice":"n","event.id":"i","http.request.header.referer":"https://b.example/","#,
            r#""palisade.fields":"/a /b/*","palisade.run":"000000000000feed","palisade.count":3}"#
        );
        let full = decode(line.as_bytes()).expect("an event");
        for seen in [full, Seen::at(EventTime::from_micros(7), Source::Alb)] {
            let mut packed = Vec::new();
            seen.pack(&mut packed);
            assert_eq!(Seen::unpack(&packed), Some(seen));
            assert_eq!(Seen::unpack(packed.get(..packed.len() - 1).expect("bytes")), None);
            packed.push(0);
            assert_eq!(Seen::unpack(&packed), None);
        }
    }

    #[test]
    fn a_line_of_what_was_packed_is_the_line_of_the_event() {
        let long = "é".repeat(2000);
        let seen = Seen { path: Some(Cow::Borrowed(&long)), ..Seen::at(EventTime::from_micros(7), Source::Access) };
        let (mut packed, mut line, mut again) = (Vec::new(), Vec::new(), Vec::new());
        seen.pack(&mut packed);
        seen.encode(&mut line);
        Seen::unpack(&packed).expect("an event").encode(&mut again);
        assert_eq!(line, again);
    }
}
