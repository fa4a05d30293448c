use palisade_event::Priority;

use super::*;
use crate::notify::{Brief, Line, NoticeKind};

const HOSTILE: &[&str] = &[
    "\u{1b}]52;c;ZXZpbA==\u{7}",
    "<script>alert(1)</script>",
    "<!channel> <https://evil.example|click>",
    "[x](javascript:alert(1)) ![i](http://evil.example/p.png)",
    "@everyone `code` ```",
    "a\r\nBcc: evil@example.com\r\n\r\nbody",
    "\u{202e}txt.exe\u{2066}",
    "\"}]} , \\",
];

fn notice(kind: NoticeKind, stranger: &str) -> Notice {
    let at = EventTime::from_micros(1_795_330_800_000_000);
    let brief = Brief {
        key: "0123456789abcdef0123456789abcdef".to_owned(),
        rule: "csrf-client".to_owned(),
        title: "One client fails the CSRF check".to_owned(),
        priority: Priority::P1,
        state: "open".to_owned(),
        group: vec![("url.path".to_owned(), stranger.to_owned())],
        count: 7,
        first_seen: at,
        last_seen: at,
        due: at,
        paths: vec![(stranger.to_owned(), 7)],
        clients: vec![(stranger.to_owned(), 7)],
        steps: vec!["Look at the client.".to_owned()],
        owasp: "A01:2021".to_owned(),
        by: stranger.to_owned(),
    };
    let line =
        Line { rule: brief.rule.clone(), title: brief.title.clone(), opened: 1, open: 1, urgent: 1, ..Line::default() };
    Notice {
        kind,
        app: "shop".to_owned(),
        environment: "production".to_owned(),
        thread: brief.key.clone(),
        priority: Priority::P1,
        at,
        lines: vec![line],
        briefs: vec![brief; 5],
        inhibited: 3,
        link: Some("https://ops.example".to_owned()),
    }
}

fn kinds() -> [NoticeKind; 8] {
    use NoticeKind::{Acknowledged, Digest, Heard, Opened, Quiet, Repeated, Resolved, Test};
    [Opened, Repeated, Acknowledged, Resolved, Digest, Quiet, Heard, Test]
}

type Channel = (&'static str, fn(&Notice) -> Value);

const ALL: [Channel; 5] = [
    ("slack", slack::message),
    ("discord", discord::message),
    ("teams", teams::message),
    ("pagerduty", |notice| pagerduty::message(notice, "key")),
    ("webhook", webhook::message),
];

/// Every text of a value.
fn texts(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::String(text) => out.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, out)),
        Value::Object(object) => object.values().for_each(|item| texts(item, out)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn strangers_text_acts_in_no_channel() {
    for stranger in HOSTILE {
        for (name, message) in ALL {
            let value = message(&notice(NoticeKind::Opened, stranger));
            let body = text(&value);
            assert!(body.chars().all(|char| !char.is_control()), "{name}: {body}");
            assert!(!body.contains(['<', '>', '\u{202e}', '\u{2066}', '\u{1b}']), "{name}: {body}");
            assert_eq!(serde_json::from_str::<Value>(&body).expect("json"), value, "{name}: the same value");
            if name == "webhook" {
                continue; // data for programs: as it was sent, escaped
            }
            let mut all = Vec::new();
            texts(&value, &mut all);
            for shown in all {
                // Slack alone reads these; in the others they are letters.
                let acts = name == "slack" && (shown.contains("<!channel>") || shown.contains("<https://evil"));
                assert!(!acts, "{name}: {shown}");
                assert!(
                    !shown.contains('\u{1b}') && !shown.contains('\r') && !shown.contains('\u{202e}'),
                    "{name}: {shown}"
                );
            }
        }
    }
}

#[test]
fn messages_keep_the_limits_of_their_services() {
    let long = "é<&>`".repeat(400);
    for kind in kinds() {
        for stranger in ["/api", &long] {
            let cut: String = stranger.chars().take(120).collect();
            let notice = notice(kind, &cut);
            let slack = slack::message(&notice);
            let blocks = slack["blocks"].as_array().expect("blocks");
            assert!(blocks.len() <= 50);
            for block in blocks {
                let most = if block["type"] == "header" { 150 } else { 3000 };
                assert!(block["text"]["text"].as_str().is_none_or(|text| text.chars().count() <= most), "{block}");
            }
            let discord = discord::message(&notice);
            let embed = |key: &str| discord["embeds"][0][key].as_str().expect("a text").chars().count();
            assert!(embed("title") <= 256 && embed("description") <= 4096);
            assert!(text(&teams::message(&notice)).len() < 28_000);
            let pager = pagerduty::message(&notice, "key");
            assert!(text(&pager).len() < 512_000 && pager["dedup_key"].as_str().is_some_and(|key| key.len() <= 255));
            assert!(["trigger", "acknowledge", "resolve"].iter().any(|action| pager["event_action"] == *action));
        }
    }
}

#[test]
fn a_signature_is_that_of_the_specification() {
    // The example of the specification's reference libraries.
    let secret = webhook::secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
    let at = EventTime::from_micros(1_614_265_330_000_000);
    let headers = webhook::headers(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, "{\"test\": 2432232314}");
    let values: Vec<_> = headers.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(
        values,
        ["msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="]
    );
    for weak in ["", "whsec_", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_%%%"] {
        assert!(webhook::secret(weak).is_none(), "{weak}");
    }
}

#[test]
fn a_channel_without_its_variables_says_which_and_never_shows_their_values() {
    let channel = |kind| palisade_policy::Channel {
        name: "a".to_owned(),
        kind,
        priority: Priority::P2,
        rules: Vec::new(),
        resolved: true,
    };
    let hook = channel(ChannelKind::Webhook { url: "URL".to_owned(), secret: "SECRET".to_owned() });
    let with = |values: &[(&str, &str)]| {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Target::new(&hook, &values).map(drop)
    };
    assert_eq!(with(&[]), Err(BadTarget::Missing("URL".to_owned())));
    let plain = with(&[("URL", "http://hooks.example/s3cret"), ("SECRET", "x")]).expect_err("plain http");
    assert!(!plain.to_string().contains("s3cret"), "{plain}");
    assert_eq!(with(&[("URL", "https://a.example"), ("SECRET", "x")]), Err(BadTarget::Secret("SECRET".to_owned())));
    let mail = channel(ChannelKind::Email {
        server: "SMTP".to_owned(),
        from: "a@shop.example".to_owned(),
        to: vec!["b@shop.example".to_owned()],
    });
    for (server, fine) in [
        ("smtp://user:p%40ss@mail.example:587", true),
        ("smtps://mail.example", true),
        ("smtp://127.0.0.1:25?tls=none", true),
        ("smtp://mail.example:25?tls=none", false),
        ("smtp://mail.example?tls=opportunistic", false),
        ("http://mail.example", false),
        ("mail.example", false),
    ] {
        let values = [("SMTP".to_owned(), server.to_owned())].into();
        assert_eq!(Target::new(&mail, &values).is_ok(), fine, "{server}");
    }
}
