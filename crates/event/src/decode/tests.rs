use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::{Event, Value};

const TIME: u64 = 1_793_577_600_000_001;

fn full() -> Seen<'static> {
    let mut seen = Seen {
        notice: None,
        id: Some("e1".into()),
        service: Some("shop".into()),
        environment: Some("production".into()),
        decision: Some(Decision::Refuse),
        stage: Some(Stage::CsrfToken),
        code: Some(Code::CsrfTokenReused),
        kind: Some(Kind::PublicForm),
        route: Some("/api/contact".into()),
        method: Some("POST".into()),
        host: Some("shop.example".into()),
        path: Some("/api/contact".into()),
        query: Some("q=1".into()),
        referrer: Some("https://shop.example/".into()),
        status: Some(403),
        country: Some("NL".into()),
        request_id: Some("01J00000000000000000000000".into()),
        user_agent: Some("curl/8.1".into()),
        session: Some("00000000000000ab".into()),
        user: Some("user_1".into()),
        outcome: Some(Outcome::Failure),
        action: Some("csrf-failure".into()),
        kind_of_report: Some("CSRF".into()),
        error: Some("TypeError".into()),
        replay: Some("https://app.logrocket.com/o/shop/s/5-7/0".into()),
        duration_micros: Some(12),
        request_bytes: Some(13),
        response_bytes: Some(14),
        tags: Tag::LimiterOverflow.bit() | Tag::ClaimWatermark.bit(),
        signals: Signal::Xss.bit() | Signal::KnownExploit.bit(),
        run: Some("000000000000feed".into()),
        fields: Some("/title".into()),
        attributable: true,
        count: 3,
        ..Seen::at(EventTime::from_micros(TIME), Source::Gate)
    };
    seen.set_client("198.51.100.7".parse().expect("address"));
    seen
}

fn line(seen: &Seen<'_>) -> String {
    let mut line = Vec::new();
    seen.encode(&mut line);
    String::from_utf8(line).expect("utf-8")
}

#[test]
fn golden_line_of_every_field_reads_back() {
    let golden = concat!(
        r#"{"timestamp":"2026-11-02T00:00:00.000001Z","service.name":"shop","palisade.decision":"refuse","#,
        r#""palisade.stage":"csrf-token","palisade.code":"csrf-token-reused","palisade.kind":"public-form","#,
        r#""http.route":"/api/contact","http.request.method":"POST","url.path":"/api/contact","#,
        r#""http.response.status_code":403,"client.address":"198.51.100.7","client.key":"198.51.100.7","#,
        r#""palisade.request_id":"01J00000000000000000000000","user_agent.original":"curl/8.1","#,
        r#""session.id":"00000000000000ab","user.id":"user_1","event.outcome":"failure","http.server.request.duration_us":12,"#,
        r#""palisade.tags":["limiter-overflow","claim-watermark"],"palisade.signals":["xss","known-exploit"],"#,
        r#""palisade.fields":"/title","palisade.attributable":false,"palisade.run":"000000000000feed","url.query":"q=1","http.request.header.referer":"https://shop.example/","#,
        r#""server.address":"shop.example","geo.country.iso_code":"NL","http.request.body.size":13,"#,
        r#""http.response.body.size":14,"event.action":"csrf-failure","palisade.type":"CSRF","error.type":"TypeError","#,
        r#""session.replay.url":"https://app.logrocket.com/o/shop/s/5-7/0","#,
        r#""deployment.environment.name":"production","palisade.notice":"n","event.id":"e1","palisade.count":3}"#,
        "\n"
    );
    let seen = Seen { attributable: false, notice: Some("n".into()), ..full() };
    assert_eq!(line(&seen), golden);
    assert_eq!(decode(golden.as_bytes()), Ok(seen));
    let read = serde_json::from_str::<serde_json::Value>(golden).expect("json");
    let unwritten = Field::ALL.iter().filter(|field| read.get(field.name()).is_none());
    assert_eq!(unwritten.collect::<Vec<_>>(), [&Field::Source], "the gate is the source that needs no name");
}

#[test]
fn every_field_of_a_full_event_can_be_asked_for() {
    let seen = Seen { notice: Some("n".into()), ..full() };
    for field in Field::ALL {
        assert!(seen.field(*field).is_some(), "{}", field.name());
    }
    let empty = Seen::at(EventTime::default(), Source::Access);
    let known: Vec<_> = Field::ALL.iter().filter(|field| empty.field(**field).is_some()).collect();
    assert_eq!(known, [&Field::Timestamp, &Field::Attributable, &Field::Source, &Field::Count]);
    let Some(Value::Names(names)) = seen.field(Field::Signals) else { panic!("signals are names") };
    assert_eq!(names.iter().collect::<Vec<_>>(), ["xss", "known-exploit"]);
}

#[test]
fn the_guides_own_lines_mean_what_the_gates_do() {
    let line =
        br#"{"timestamp":"2026-11-02T00:00:00.000Z","environment":"production","type":"RATE_LIMIT","ip":"192.0.2.1",
        "endpoint":"/api/contact?token=x&a=1","userId":"u1","details":{"limit":5}}"#;
    let seen = decode(line).expect("event");
    assert_eq!((seen.status, seen.code), (Some(429), Some(Code::RateLimited)));
    assert_eq!(seen.client.map(|key| key.to_string()).as_deref(), Some("192.0.2.1"));
    assert_eq!((seen.path.as_deref(), seen.query.as_deref()), (Some("/api/contact"), Some("token=***&a=1")));
    assert_eq!((seen.user.as_deref(), seen.action.as_deref()), (Some("u1"), Some("rate-limit")));
    assert!(!seen.attributable);
    let auth = decode(br#"{"timestamp":1793577600,"type":"AUTH_FAILURE"}"#).expect("event");
    assert_eq!((auth.status, auth.outcome), (Some(401), Some(Outcome::Failure)));
}

#[test]
fn what_comes_in_without_a_time_or_from_the_future_happened_now() {
    let now = EventTime::from_micros(TIME);
    let at = |line: &str| decode_received(line.as_bytes(), now).map(|seen| seen.time.micros());
    assert_eq!(at(r#"{"type":"x"}"#), Ok(TIME));
    assert_eq!(at(r#"{"timestamp":"2036-11-02T00:00:00Z"}"#), Ok(TIME));
    assert_eq!(at(r#"{"timestamp":"2026-11-01T00:00:00Z"}"#), Ok(TIME - 86_400_000_001));
    assert_eq!(at("[]"), Err(BadLine::NotJson));
}

#[test]
fn other_schemas_nested_or_dotted_are_read() {
    let ecs = br#"{"@timestamp":"2026-11-02T00:00:00Z","source":{"ip":"2001:db8::7","geo":{"country_iso_code":"DE"}},
        "http":{"request":{"method":"GET","referrer":"https://a.example/?token=1"},"response":{"status_code":"404"}},
        "url":{"path":"/x","query":"sid=1"},"tags":["a"]}"#;
    let seen = decode(ecs).expect("event");
    assert_eq!(seen.client.map(|key| key.to_string()).as_deref(), Some("2001:db8::/64"));
    assert_eq!((seen.method.as_deref(), seen.status), (Some("GET"), Some(404)));
    assert_eq!((seen.referrer.as_deref(), seen.query.as_deref()), (Some("https://a.example/"), Some("sid=***")));
    assert_eq!(seen.country.as_deref(), Some("DE"));
    let ocsf = br#"{"time":1793577600000,"http_request":{"url":{"path":"/y"},"http_method":"PUT"},"http_response":{"code":500}}"#;
    let seen = decode(ocsf).expect("event");
    assert_eq!((seen.time.micros(), seen.path.as_deref(), seen.status), (TIME - 1, Some("/y"), Some(500)));
}

#[test]
fn notices_of_the_gate_count_what_they_stand_for() {
    let line = br#"{"timestamp":"2026-11-02T00:00:00.000001Z","palisade.notice":"dropped","palisade.lane":"crowd","palisade.count":9}"#;
    let seen = decode(line).expect("event");
    assert_eq!((seen.notice.as_deref(), seen.count, seen.source), (Some("dropped"), 9, Source::Gate));
    assert!(!seen.attributable);
}

#[test]
fn bad_lines_say_why_and_nothing_of_themselves() {
    for (line, why) in [
        (&b"{\"timestamp\":\"2026-11-02T00:00:00Z\""[..], BadLine::NotJson),
        (b"{}", BadLine::NoTime),
        (b"{\"timestamp\":\"yesterday\"}", BadLine::NoTime),
        (b"\xff\xfe", BadLine::NotUtf8),
        (b"", BadLine::NotJson),
    ] {
        assert_eq!(decode(line), Err(why));
    }
    for (at, bad) in BadLine::ALL.iter().enumerate() {
        assert_eq!(BadLine::ALL.iter().position(|other| other.id() == bad.id()), Some(at));
    }
}

fn text() -> impl Strategy<Value = Option<Cow<'static, str>>> {
    // Shorter than the cap at which texts are cut.
    prop_oneof![Just(None), any::<String>().prop_map(|text| Some(Cow::Owned(text.chars().take(200).collect())))]
}

fn pick<T: Copy + fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = Option<T>> {
    prop::option::of(prop::sample::select(all))
}

prop_compose! {
    fn any_seen()(
        texts in prop::array::uniform16(text()),
        numbers in (0..4_102_444_800_000_000_u64, prop::option::of(100..1000_u16), any::<[Option<u32>; 3]>(), any::<u32>()),
        client in any::<Option<IpAddr>>(),
        bits in (any::<u8>(), 0..32_u8, any::<bool>()),
        known in (pick(&[Decision::Admit, Decision::WouldRefuse]), pick(&crate::ORDER), pick(Code::ALL), pick(&Kind::ALL),
            pick(&[Outcome::Success, Outcome::Unknown])),
    ) -> Seen<'static> {
        let [service, route, method, path, request_id, user_agent, session, user, id, referrer, host, country, action,
            error, environment, notice] = texts;
        let path = path.map(|path| Cow::Owned(path.replace('?', "")));
        let (decision, stage, code, kind, outcome) = known;
        let gate = decision.is_some() || notice.is_some();
        let source = if gate { Source::Gate } else { Source::Caddy };
        let [duration_micros, request_bytes, response_bytes] = numbers.2.map(|number| number.map(u64::from));
        let mut seen = Seen {
            service, route, method, path, request_id, user_agent, session, user, id, host, country, action, error,
            environment, notice, decision, stage, code, kind, outcome, duration_micros, request_bytes, response_bytes,
            referrer: referrer.map(redact_referrer), status: numbers.1, tags: bits.0, signals: bits.1,
            attributable: bits.2 && decision.is_some(), count: numbers.3,
            ..Seen::at(EventTime::from_micros(numbers.0), source)
        };
        if let Some(client) = client {
            seen.set_client(client);
        }
        seen
    }
}

proptest! {
    #[test]
    fn what_is_encoded_reads_back(seen in any_seen()) {
        let line = line(&seen);
        prop_assert!(line.trim_end().bytes().all(|byte| (0x20..0x7f).contains(&byte)));
        prop_assert_eq!(decode(line.as_bytes()), Ok(seen));
    }

    #[test]
    fn the_gates_line_and_the_events_own_conversion_agree(seen in any_seen(), session in any::<Option<u64>>(), run in any::<Option<u64>>()) {
        let address = seen.client_address.unwrap_or(IpAddr::from([192, 0, 2, 1]));
        let event = Event {
            time_micros: seen.time.micros(),
            service: seen.service.as_deref().unwrap_or_default(),
            decision: seen.decision.unwrap_or(Decision::Answer),
            stage: seen.stage,
            code: seen.code,
            kind: seen.kind,
            route: seen.route.as_deref(),
            method: seen.method.as_deref().unwrap_or_default(),
            path: seen.path.as_deref().unwrap_or_default(),
            status: seen.status.unwrap_or(200),
            client_address: address,
            client: ClientKey::of(address),
            request_id: seen.request_id.as_deref().unwrap_or_default(),
            user_agent: seen.user_agent.as_deref(),
            session,
            user: seen.user.as_deref(),
            outcome: seen.outcome,
            report: seen.kind_of_report.as_deref(),
            duration_micros: seen.duration_micros.unwrap_or_default(),
            tags: seen.tags,
            signals: seen.signals,
            fields: seen.fields.as_deref(),
            attributable: seen.attributable,
            run,
            count: seen.count.max(1),
        };
        let mut line = Vec::new();
        event.encode(&mut line);
        let read = decode(&line).expect("the gate's line");
        prop_assert_eq!(&read, &Seen::from(&event));
        let mut again = Vec::new();
        read.encode(&mut again);
        prop_assert_eq!(again, line);
    }

    #[test]
    fn any_bytes_are_an_event_or_a_bad_line(line in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&line);
    }
}

fn admitted<'a>(path: &'a str, agent: &'a str, user: Option<&'a str>, count: u32) -> Event<'a> {
    let address = "198.51.100.7".parse().expect("address");
    Event {
        time_micros: TIME,
        service: "shop",
        decision: Decision::Admit,
        stage: None,
        code: None,
        kind: Some(Kind::PublicRead),
        route: Some("/api/items"),
        method: "GET",
        path,
        status: 200,
        client_address: address,
        client: ClientKey::of(address),
        request_id: "01J00000000000000000000000",
        user_agent: Some(agent),
        session: Some(7),
        user,
        outcome: None,
        report: None,
        duration_micros: 12,
        tags: 0,
        signals: 0,
        fields: None,
        attributable: user.is_some(),
        run: None,
        count,
    }
}

fn by_the_long_way(line: &[u8]) -> Result<Seen<'_>, BadLine> {
    walked(line)?.finish()
}

#[test]
fn the_gates_own_lines_go_the_short_way() {
    let mut line = Vec::new();
    admitted("/api/items", "curl/8.1", None, 3).encode(&mut line);
    assert_eq!(own::fields(&line, |_, _| {}), Some(()));
    assert_eq!(own::fields(line.trim_ascii_end(), |_, _| {}), Some(()));
    for other in [&b""[..], b"{", b"{}", b"{\"timestamp\":", b"{\"timestamp\":\"x\"", b"{\"timestamp\":1}x", b"[1]"] {
        assert_eq!(own::fields(other, |_, _| {}), None);
    }
}

proptest! {
    #[test]
    fn the_short_way_and_the_long_way_tell_the_same(
        path in "/[a-z/é\"\\\\?=&]{0,12}",
        agent in "\\PC{0,20}",
        user in prop::option::of("[a-z0-9_]{1,8}"),
        count in 1_u32..4,
        at in any::<prop::sample::Index>(),
        change in prop::sample::select(&b"{}[]\",:\\ 0-9.eft\n\xc3"[..]),
        how in 0..4,
    ) {
        let mut line = Vec::new();
        admitted(&path, &agent, user.as_deref(), count).encode(&mut line);
        let at = at.index(line.len());
        match how {
            0 => {}
            1 => line[at] = change,
            2 => line.insert(at, change),
            _ => line.truncate(at),
        }
        prop_assert_eq!(decode(&line), by_the_long_way(&line));
    }
}
