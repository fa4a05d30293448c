use palisade_event::{Code, EventTime, Field, Kind, Outcome, Signal, Source};
use palisade_policy::Clients;
use proptest::prelude::*;

use super::*;

fn all(format: &Format, enrich: &Enrich, text: &str) -> Vec<Result<Seen<'static>, BadLine>> {
    let mut reader = Reader::new(format.clone(), enrich.clone());
    let mut events = Vec::new();
    for line in text.lines() {
        reader.read(line.as_bytes(), |read| events.push(read.map(Seen::into_owned)));
    }
    events
}

fn one(format: &Format, text: &str) -> Seen<'static> {
    let mut events = all(format, &Enrich::default(), text);
    assert_eq!(events.len(), 1, "{text}");
    events.remove(0).unwrap_or_else(|bad| panic!("{bad}: {text}"))
}

fn trusting() -> Enrich {
    let trusted_proxies = vec!["10.0.0.0/8".parse().expect("net")];
    Enrich::default().with_clients(Clients { trusted_proxies, ..Clients::default() })
}

fn show(seen: &Seen<'_>) -> String {
    let mut line = Vec::new();
    seen.encode(&mut line);
    String::from_utf8(line).expect("ascii").trim_end().to_owned()
}

const COMBINED: &str = r#"192.0.2.1 - frank [22/Nov/2026:07:15:00 +0000] "GET /a/b?q=1&token=x HTTP/1.1" 404 612 "https://a.example/p?s=1" "curl/8.1""#;
const ALB: &str = r#"h2 2026-11-22T07:15:00.123456Z app/my/50dc 192.0.2.1:2817 10.0.0.1:80 0.001 0.048 0.002 200 200 34 366 "GET https://shop.example:443/a?x=1 HTTP/2.0" "curl/7.46.0" ECDHE TLSv1.2 arn:aws:x "Root=1-5833" "shop.example" "arn:cert" 0 2026-11-22T07:14:59.0Z "forward" "-" "-" "10.0.0.1:80" "200" "-" "-" TID_1"#;
const CADDY: &str = r#"{"level":"info","ts":1795331700.5,"logger":"http.log.access","msg":"handled request","request":{"remote_ip":"10.0.0.2","remote_port":"1","client_ip":"10.0.0.2","proto":"HTTP/2.0","method":"POST","host":"shop.example","uri":"/login?x=1","headers":{"User-Agent":["UA"],"X-Forwarded-For":["1.2.3.4, 203.0.113.9"]}},"bytes_read":5,"user_id":"","duration":0.25,"size":10,"status":401}"#;
const TRAEFIK: &str = r#"{"ClientAddr":"192.0.2.1:5","ClientHost":"192.0.2.1","ClientUsername":"-","DownstreamContentSize":19,"DownstreamStatus":429,"Duration":1500000,"RequestHost":"shop.example","RequestMethod":"GET","RequestPath":"/a?b=1","StartUTC":"2026-11-22T07:15:00.1Z","request_User-Agent":"UA","level":"info","msg":"","time":"2026-11-22T07:15:01Z"}"#;

#[test]
fn combined_is_read_whole() {
    assert_eq!(
        show(&one(&Format::Combined, COMBINED)),
        concat!(
            r#"{"timestamp":"2026-11-22T07:15:00.000000Z","http.request.method":"GET","url.path":"/a/b","#,
            r#""http.response.status_code":404,"client.address":"192.0.2.1","client.key":"192.0.2.1","#,
            r#""user_agent.original":"curl/8.1","user.id":"frank","url.query":"q=1&token=***","#,
            r#""http.request.header.referer":"https://a.example/p","http.response.body.size":612,"log.source":"access"}"#
        )
    );
}

#[test]
fn combined_in_the_shapes_people_have() {
    for (line, client, host, status) in [
        (r#"2001:db8::1 - - [22/Nov/2026:07:15:00 +0000] "GET / HTTP/1.1" 200 -"#, "2001:db8::/64", None, Some(200)),
        (
            r#"shop.example:443 192.0.2.1 - - [22/Nov/2026:07:15:00 +0000] "GET / HTTP/1.1" 200 1 "-" "-""#,
            "192.0.2.1",
            Some("shop.example:443"),
            Some(200),
        ),
        (
            r#"192.0.2.1 - - [22/Nov/2026:07:15:00 +0000] "GET / HTTP/1.1" 200 1 "-" "-" 12 "r@file" "http://10.0.0.1" 4ms"#,
            "192.0.2.1",
            None,
            Some(200),
        ),
        (r#"192.0.2.1 - - [22/Nov/2026:07:15:00 +0000] "-" 408 0 "-" "-""#, "192.0.2.1", None, Some(408)),
        (r#"192.0.2.1 - - [22/Nov/2026:07:15:00 +0000] "\x16\x03\x01" 400 150 "-" "-""#, "192.0.2.1", None, Some(400)),
        (r#"192.0.2.1 - - [22/Nov/2026:07:15:00 +0000] "GET / HTTP/1.1" 000 0 "-" "-""#, "192.0.2.1", None, None),
    ] {
        let seen = one(&Format::Combined, line);
        assert_eq!(seen.client.map(|key| key.to_string()).as_deref(), Some(client), "{line}");
        assert_eq!((seen.host.as_deref(), seen.status), (host, status), "{line}");
    }
}

#[test]
fn a_forged_user_name_forges_nothing() {
    let line = r#"192.0.2.1 - x [01/Jan/2020:00:00:00 +0000] \x22GET /admin HTTP/1.1\x22 200 [22/Nov/2026:07:15:00 +0000] "GET /real HTTP/1.1" 401 1 "-" "-""#;
    let seen = one(&Format::Combined, line);
    assert_eq!((seen.path.as_deref(), seen.status), (Some("/real"), Some(401)));
    assert_eq!(Some(seen.time), EventTime::from_rfc3339("2026-11-22T07:15:00Z"));
    let agent =
        r#"192.0.2.1 - - [22/Nov/2026:07:15:00 +0000] "GET / HTTP/1.1" 200 1 "-" "a\" \"10.9.9.9" "203.0.113.9""#;
    let seen = one(&Format::Combined, agent);
    assert_eq!(seen.user_agent.as_deref(), Some("a\" \"10.9.9.9"));
}

#[test]
fn trusted_proxies_apply_to_logs() {
    let line = |peer: &str| {
        format!(r#"{peer} - - [22/Nov/2026:07:15:00 +0000] "GET / HTTP/1.1" 200 1 "-" "-" "1.1.1.1, 203.0.113.9""#)
    };
    let client = |enrich: &Enrich, peer: &str| {
        let seen = all(&Format::Combined, enrich, &line(peer)).remove(0).expect("event");
        seen.client_address.map(|address| address.to_string()).expect("address")
    };
    assert_eq!(client(&trusting(), "10.0.0.1"), "203.0.113.9");
    assert_eq!(client(&trusting(), "192.0.2.1"), "192.0.2.1");
    assert_eq!(client(&Enrich::default(), "10.0.0.1"), "10.0.0.1");
    let seen = all(&Format::Caddy, &trusting(), CADDY).remove(0).expect("event");
    assert_eq!(seen.client_address.map(|address| address.to_string()).as_deref(), Some("203.0.113.9"));
}

#[test]
fn caddy_traefik_and_alb_say_the_same_things() {
    for (format, line, path, status, micros) in [
        (Format::Caddy, CADDY, "/login", 401, 250_000),
        (Format::Traefik, TRAEFIK, "/a", 429, 1500),
        (Format::Alb, ALB, "/a", 200, 51_000),
    ] {
        let seen = one(&format, line);
        assert_eq!((seen.path.as_deref(), seen.status, seen.duration_micros), (Some(path), Some(status), Some(micros)));
        assert!(seen.query.is_some() && seen.user_agent.is_some() && seen.client.is_some() && !seen.attributable);
        assert_eq!(seen.host.as_deref(), Some("shop.example"));
    }
    assert_eq!(
        all(&Format::Caddy, &Enrich::default(), r#"{"level":"info","ts":1,"msg":"serving"}"#),
        [Err(BadLine::Unrelated)]
    );
}

#[test]
fn a_log_format_is_read_by_its_own_words() {
    let format = r#"log_format main escape=default '$remote_addr|$http_x_forwarded_for|$msec|"$request"|$status' '|$request_time|"$http_user_agent"|${host}';"#;
    let format = Format::from_name(format).expect("format");
    let line = r#"10.0.0.1|203.0.113.9|1795331700.250|"POST /a?b=1 HTTP/1.1"|503|0.120|"x\x22|y"|shop.example"#;
    let seen = all(&format, &trusting(), line).remove(0).expect("event");
    assert_eq!(seen.client.map(|key| key.to_string()).as_deref(), Some("203.0.113.9"));
    assert_eq!(
        (seen.status, seen.duration_micros, seen.time.micros()),
        (Some(503), Some(120_000), 1_795_331_700_250_000)
    );
    assert_eq!((seen.user_agent.as_deref(), seen.host.as_deref()), (Some("x\"|y"), Some("shop.example")));
    assert!(format.carries(Field::Status) && !format.carries(Field::Referrer));
    let json = r#"{"t":"$time_iso8601","u":"$request_uri","s":$status,"ua":"$http_user_agent","ip":"$remote_addr"}"#;
    let line =
        r#"{"t":"2026-11-22T07:15:00+00:00","u":"/x?y=1","s":500,"ua":"a\"b,\"ip\":\"9.9.9.9","ip":"192.0.2.1"}"#;
    let seen = one(&Format::from_name(json).expect("format"), line);
    assert_eq!((seen.path.as_deref(), seen.status), (Some("/x"), Some(500)));
    assert_eq!(seen.client.map(|key| key.to_string()).as_deref(), Some("192.0.2.1"));
    for (bad, why) in [
        ("$remote_addr$status $time_local", BadLogFormat::Adjacent),
        ("$remote_addr $status", BadLogFormat::NoTime),
        ("$time_local $remote_addr", BadLogFormat::NothingKnown),
        ("ngnix", BadLogFormat::Unknown),
    ] {
        assert_eq!(Format::from_name(bad), Err(why), "{bad}");
    }
}

#[test]
fn one_request_of_a_drain_counts_once_and_reports_are_unwrapped() {
    let proxy = r#""proxy":{"timestamp":1795331700000,"method":"POST","host":"shop.example","path":"/api/contact?a=1","userAgent":["UA","x"],"statusCode":403,"clientIp":"192.0.2.1","region":"iad1"}"#;
    let middleware = format!(
        r#"{{"id":"1","timestamp":1795331700000,"source":"edge","requestId":"r1","environment":"production",{proxy}}}"#
    );
    let function = format!(r#"{{"id":"2","timestamp":1795331700005,"source":"lambda","requestId":"r1",{proxy}}}"#);
    let report = r#"START RequestId\n{\"timestamp\":\"2026-11-22T07:15:00.000Z\",\"type\":\"CSRF_FAILURE\",\"endpoint\":\"/api/contact\"}\nEND"#;
    let other = format!(
        r#"{{"id":"3","timestamp":1795331700009,"source":"lambda","requestId":"r2","message":"{report}",{proxy}}}"#
    );
    let build = r#"{"id":"4","timestamp":1795331700000,"source":"build","message":"Installing"}"#;
    let background =
        r#"{"id":"5","timestamp":1795331700000,"requestId":"r5","proxy":{"method":"GET","path":"/","statusCode":-1}}"#;
    let array = format!("[{middleware}, {function},{other} ,{build},{background}]");
    let lines = [&middleware, &function, &other, build, background].join("\n");
    for text in [array, lines] {
        let events = all(&Format::Vercel, &Enrich::default(), &text);
        let told: Vec<_> = events.iter().flatten().collect();
        assert_eq!((events.len(), told.len()), (5, 2));
        assert_eq!(
            (told[0].status, told[0].user_agent.as_deref(), told[0].query.as_deref()),
            (Some(403), Some("UA"), Some("a=1"))
        );
        assert_eq!(told[1].code, Some(Code::CsrfTokenInvalid));
        assert_eq!(told[1].client, told[0].client);
        assert_eq!(told[1].source, Source::Application);
    }
    let crashed = all(&Format::Vercel, &Enrich::default(), "[{\"id\":\"1\"},3]");
    assert_eq!(crashed, [Err(BadLine::NoTime), Err(BadLine::NotJson)]);
}

#[test]
fn clerk_tells_sign_ins_without_the_session() {
    let body = r#"{"type":"session.created","object":"event","timestamp":1795331700000,"instance_id":"ins_1","data":{"id":"sess_secret","user_id":"user_1","status":"active"},"event_attributes":{"http_request":{"client_ip":"192.0.2.1","user_agent":"UA"}}}"#;
    let seen = one(&Format::Clerk, body);
    assert_eq!((seen.action.as_deref(), seen.user.as_deref()), (Some("login"), Some("user_1")));
    assert_eq!((seen.outcome, seen.session.as_deref()), (Some(Outcome::Success), None));
    assert!(!show(&seen).contains("sess_secret"));
    let created = body.replace("session.created", "user.created").replace("\"user_id\":\"user_1\",", "");
    assert_eq!(one(&Format::Clerk, &created.replace("sess_secret", "user_2")).user.as_deref(), Some("user_2"));
}

#[test]
fn what_is_known_beside_the_line_is_added_and_claims_are_taken_away() {
    let login = COMBINED.replace("GET /a/b?q=1&token=x", "POST /login").replace("404", "401");
    let enrich = Enrich::default().with_logins([String::from("/login")]);
    let seen = all(&Format::Combined, &enrich, &login).remove(0).expect("event");
    assert_eq!((seen.kind, seen.outcome), (Some(Kind::Login), Some(Outcome::Failure)));
    let attack = COMBINED.replace("q=1", "q=%3Cscript%3Ealert(1)%3C/script%3E");
    assert_ne!(one(&Format::Combined, &attack).signals & Signal::Xss.bit(), 0);
    assert_eq!(one(&Format::Combined, COMBINED).signals, 0);
    let token = COMBINED.replace("token=x", "token='+or+1=1--+-");
    let seen = one(&Format::Combined, &token);
    assert_ne!(seen.signals & Signal::SqlInjection.bit(), 0, "looked for before it is redacted");
    assert_eq!(seen.query.as_deref(), Some("q=1&token=***"));
    let forged = r#"{"timestamp":"2026-11-22T07:15:00Z","palisade.decision":"refuse","client.address":"192.0.2.1"}"#;
    assert!(!one(&Format::Palisade, forged).attributable);
    let session = r#"{"timestamp":"2026-11-22T07:15:00Z","type":"x","session.id":"sess_secret"}"#;
    let seen = one(&Format::Application, session);
    assert!(seen.session.as_deref().is_some_and(|hash| hash.len() == 16 && !hash.contains("sess")));
}

#[test]
fn the_format_is_found_by_the_first_lines() {
    let gate = r#"{"timestamp":"2026-11-22T07:15:00Z","palisade.decision":"admit"}"#;
    let guide = r#"{"timestamp":"2026-11-22T07:15:00Z","type":"RATE_LIMIT","ip":"192.0.2.1"}"#;
    let vercel = r#"[{"id":"1","timestamp":1795331700000,"requestId":"r","proxy":{"method":"GET","path":"/"}}]"#;
    for (line, expect) in [
        (COMBINED, "combined"),
        (ALB, "alb"),
        (CADDY, "caddy"),
        (TRAEFIK, "traefik"),
        (gate, "palisade"),
        (guide, "guide"),
        (vercel, "vercel"),
    ] {
        let lines = [line, "garbage", "", line];
        let found = detect(lines.iter().map(|line| line.as_bytes()));
        assert_eq!(found.map(|format| format.id()), Some(expect), "{line}");
    }
    assert_eq!(detect([&b"garbage"[..], b"more"]), None);
    assert_eq!(detect([]), None);
}

#[test]
fn hostile_lines_are_counted_and_sampled() {
    let mut tally = Tally::default();
    let mut reader = Reader::new(Format::Combined, Enrich::default());
    let long = [b'a'; MAX_LINE + 1];
    let half = &COMBINED.as_bytes()[..70];
    for line in [COMBINED.as_bytes(), &long, half, b"\xff\x00\x1b]52;", b"", COMBINED.as_bytes()] {
        tally.line();
        reader.read(line, |read| match read {
            Ok(_) => tally.event(),
            Err(bad) => tally.bad(bad, line),
        });
    }
    assert_eq!((tally.lines(), tally.events(), tally.skipped()), (6, 2, 3));
    assert_eq!(tally.samples().iter().map(|sample| sample.line).collect::<Vec<_>>(), [2, 3, 4]);
    assert!(tally.samples().iter().all(|sample| sample.text().as_written().chars().count() <= 120));
}

fn formats() -> Vec<Format> {
    let custom = LogFormat::parse(r#"$remote_addr [$time_local] "$request" $status"#).expect("format");
    vec![
        Format::Palisade,
        Format::Application,
        Format::Combined,
        Format::Caddy,
        Format::Traefik,
        Format::Vercel,
        Format::Alb,
        Format::Clerk,
        Format::Custom(custom),
    ]
}

proptest! {
    #[test]
    fn addresses_are_read_as_the_standard_library_reads_them(text in "[0-9.]{1,16}|([0-9]{1,3}\\.){3}[0-9]{1,3}") {
        let known = text.parse::<std::net::Ipv4Addr>().ok();
        prop_assert_eq!(text::address(text.as_bytes()), known.map(std::net::IpAddr::V4), "{}", text);
    }

    #[test]
    fn a_line_without_a_backslash_is_read_as_with_one(path in "/[a-z?&=\".]{0,20}", agent in "[a-z\" -]{0,20}") {
        let line = |before: &str, user: &str| {
            format!("{before} - {user} [22/Nov/2026:07:15:00 +0000] \"GET {path} HTTP/1.1\" 404 612 \"-\" \"{agent}\"")
        };
        let read = |text: &str| all(&Format::Combined, &Enrich::default(), text).remove(0).map(|seen| Seen { user: None, ..seen });
        prop_assert_eq!(read(&line("192.0.2.1", "-")), read(&line("192.0.2.1", "a\\\\b")));
    }

    #[test]
    fn any_bytes_are_an_event_or_counted(line in prop::collection::vec(any::<u8>(), 0..300)) {
        for format in formats() {
            let mut told = 0;
            Reader::new(format, Enrich::default()).read(&line, |_| told += 1);
            prop_assert!(told >= 1 || line.trim_ascii() == b"[]");
        }
    }

    #[test]
    fn a_line_cut_or_changed_anywhere_is_an_event_or_counted(
        which in 0..4_usize, at in 0..700_usize, byte in any::<u8>(), cut in any::<bool>(),
    ) {
        let (line, format) = [(COMBINED, Format::Combined), (ALB, Format::Alb), (CADDY, Format::Caddy),
            (TRAEFIK, Format::Traefik)][which].clone();
        let mut line = line.as_bytes().to_vec();
        let at = at.min(line.len() - 1);
        if cut { line.truncate(at) } else { line[at] = byte }
        let mut told = 0;
        Reader::new(format, trusting()).read(&line, |read| {
            told += 1;
            if let Ok(seen) = read {
                assert!(!seen.attributable);
            }
        });
        prop_assert_eq!(told, 1);
    }

    #[test]
    fn what_nginx_writes_is_read_back(
        path in "/[a-zA-Z0-9/._-]{0,40}", agent in "[ -~]{1,60}", code in 100..600_u16, size in any::<u32>(),
    ) {
        let escaped: String = agent.chars().map(|c| if c == '"' || c == '\\' { format!("\\x{:02X}", c as u32) } else { c.to_string() }).collect();
        let line = format!("192.0.2.1 - - [22/Nov/2026:07:15:00 +0000] \"GET {path} HTTP/1.1\" {code} {size} \"-\" \"{escaped}\"");
        let seen = one(&Format::Combined, &line);
        prop_assert_eq!(seen.path.as_deref(), Some(path.as_str()));
        prop_assert_eq!(seen.status, Some(code));
        prop_assert_eq!(seen.response_bytes, Some(u64::from(size)));
        if agent != "-" {
            prop_assert_eq!(seen.user_agent.as_deref(), Some(agent.as_str()));
        }
    }
}
