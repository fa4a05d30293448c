//! Every modifier and construct of Sigma that rules for web servers use, by a rule of our own for each.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::sync::Arc;

use palisade_detect::{Engine, Rules, Settings};
use palisade_diag::{Diagnostics, FileId};
use palisade_event::{Seen, decode};

fn rules(text: &str) -> Arc<Rules> {
    match Rules::parse(&[(FileId(0), text)]) {
        Ok((rules, _)) => Arc::new(rules),
        Err(found) => panic!("{found}\n{text}"),
    }
}

fn fires(rules: &Arc<Rules>, seen: &Seen<'_>) -> bool {
    let mut engine = Engine::new(Arc::clone(rules), Settings::default());
    let mut out = Vec::new();
    engine.observe(seen, None, &mut out);
    engine.finish(&mut out);
    !out.is_empty()
}

const EVENT: &str = r#"{"timestamp":"2026-06-01T12:00:00Z","client.address":"203.0.113.7","http.request.method":"POST",
"url.path":"/Admin/Upload.php","url.query":"cmd=ZWNobyBoaQ==&x=a*b&f=C:\\temp","http.response.status_code":200,
"user_agent.original":"sqlmap/1.7 (https://sqlmap.org)","server.address":"203.0.113.7","http.request.header.referer":"https://evil.example/a"}"#;

/// A selection, and whether it matches the event.
const CASES: &[(&str, bool)] = &[
    ("{cs-method: POST}", true),
    ("{cs-method: post}", true),
    ("{cs-method|cased: post}", false),
    ("{cs-method: [GET, POST]}", true),
    ("{cs-uri-stem: /admin/upload.php}", true),
    ("{cs-uri-stem: /admin}", false),
    ("{cs-uri-stem: /admin/*}", true),
    ("{cs-uri-stem: '/admin/u?load.php'}", true),
    ("{cs-uri-stem|startswith: /admin}", true),
    ("{cs-uri-stem|startswith: upload}", false),
    ("{cs-uri-stem|endswith: .PHP}", true),
    ("{cs-uri-stem|endswith|cased: .PHP}", false),
    ("{cs-uri-query|contains: cmd=}", true),
    ("{cs-uri-query|contains: [nothing, cmd=]}", true),
    ("{cs-uri-query|contains|all: [nothing, cmd=]}", false),
    ("{cs-uri-query|contains|all: [x=, cmd=]}", true),
    (r"{cs-uri-query|contains: 'a\*b'}", true),
    (r"{cs-uri-query|contains: 'a\?b'}", false),
    (r"{cs-uri-query|contains: 'C:\temp'}", true),
    (r"{cs-uri-query|contains: 'C:\\temp'}", true),
    ("{cs-uri-query|base64|contains: 'echo hi'}", true),
    ("{cs-uri-query|base64offset|contains: 'cho h'}", true),
    ("{cs-uri-query|base64offset|contains: 'rm -rf'}", false),
    ("{cs-uri|contains: 'upload.php?cmd'}", true),
    ("{cs-user-agent|re: '^sqlmap/\\d'}", true),
    ("{cs-user-agent|re: '^SQLMAP'}", false),
    ("{cs-user-agent|re|i: '^SQLMAP'}", true),
    ("{cs-host|re: '.{150}'}", false),
    ("{cs-user-agent|windash|contains: ' -x'}", false),
    ("{sc-status: 200}", true),
    ("{sc-status: '200'}", true),
    ("{sc-status: [404, 500]}", false),
    ("{sc-status|gte: 200, sc-status|lt: 300}", true),
    ("{sc-status|gt: 200}", false),
    ("{sc-status|lte: 200}", true),
    ("{sc-status|neq: 200}", false),
    ("{c-ip|cidr: 203.0.113.0/24}", true),
    ("{c-ip|cidr: [10.0.0.0/8, '2001:db8::/32']}", false),
    ("{cs-username|exists: false}", true),
    ("{cs-username|exists: true}", false),
    ("{cs-username: null}", true),
    ("{cs-method: null}", false),
    ("{c-ip|fieldref: cs-host}", true),
    ("{cs-method|fieldref: cs-host}", false),
    ("{url.query|length|gt: 10}", true),
    ("{url.query|length|gt: 1000}", false),
    ("{cs-referer|contains: evil.example}", true),
    ("{cs-method: POST, sc-status: 404}", false),
    ("[{cs-method: GET}, {sc-status: 200}]", true),
    ("[sqlmap, nothing]", true),
    ("[nothing]", false),
    ("{'|all': [sqlmap, upload.php]}", true),
    ("{'|all': [sqlmap, nothing]}", false),
    ("{url.decoded|contains: 'cmd='}", true),
    ("{cs-cookie|contains: x}", false),
];

#[test]
fn every_modifier_and_construct_means_what_sigma_says() {
    let line = EVENT.replace('\n', "");
    let seen = decode(line.as_bytes()).expect("an event");
    let wrong: Vec<_> = CASES
        .iter()
        .filter(|(selection, expected)| {
            let text =
                format!("id: x\nlogsource: {{category: webserver}}\ndetection:\n  s: {selection}\n  condition: s\n");
            fires(&rules(&text), &seen) != *expected
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn conditions_join_selections() {
    let line = EVENT.replace('\n', "");
    let seen = decode(line.as_bytes()).expect("an event");
    for (condition, expected) in [
        ("yes_1", true),
        ("not yes_1", false),
        ("yes_1 and yes_2 and not no_1", true),
        ("no_1 or (yes_1 and yes_2)", true),
        ("1 of no_*", false),
        ("1 of yes_*", true),
        ("all of yes_*", true),
        ("all of them", false),
        ("1 of them", true),
        ("2 of them", true),
        ("4 of them", false),
        ("yes_1 and not 1 of no_*", true),
        ("all of yes_* and not all of no_*", true),
    ] {
        let text = format!(
            "id: x\ndetection:\n  yes_1: {{cs-method: POST}}\n  yes_2: {{sc-status: 200}}\n  no_1: {{sc-status: 404}}\n  no_2: {{cs-method: GET}}\n  condition: {condition}\n"
        );
        assert_eq!(fires(&rules(&text), &seen), expected, "{condition}");
    }
}

#[test]
fn correlations_name_other_rules_as_sigma_does() {
    let text = r"
title: Failed
name: failed
logsource: {category: webserver}
detection: {selection: {sc-status: 401}, condition: selection}
---
title: Worked
name: worked
logsource: {category: webserver}
detection: {selection: {sc-status: 200}, condition: selection}
---
title: Guessed
id: guessed
correlation:
  type: temporal_ordered
  rules: [failed, worked]
  group-by: [who]
  aliases: {who: {failed: c-ip, worked: c-ip}}
  timespan: 5m
level: high
";
    let rules = rules(text);
    assert_eq!(rules.rules().len(), 1, "rules that a correlation uses do not speak for themselves");
    let events = |statuses: &[u16]| {
        let mut engine = Engine::new(Arc::clone(&rules), Settings::default());
        let mut out = Vec::new();
        for (second, status) in statuses.iter().enumerate() {
            let line =
                format!(r#"{{"timestamp":"2026-06-01T12:00:{second:02}Z","c-ip":"203.0.113.7","sc-status":{status}}}"#);
            engine.observe(&decode(line.as_bytes()).expect("an event"), None, &mut out);
        }
        engine.finish(&mut out);
        out.len()
    };
    assert_eq!(events(&[401, 200]), 1);
    assert_eq!(events(&[200, 401]), 0);
}

fn problems(text: &str) -> Diagnostics {
    Rules::parse(&[(FileId(0), text)]).expect_err("should be refused")
}

#[test]
fn every_problem_is_named_at_once_with_its_fix() {
    let found = problems(
        r"
id: a
title: A
levl: high
detection:
  s: {url.path|contians: x}
  t: {url.path|re: '(?=x)'}
  condition: s and u
---
id: a
level: urgent
mode: loud
detection: {s: {c-ip|cidr: nowhere}, condition: s | count() > 3}
---
id: b
detection: {s: {sc-status: 1}, condition: s}
correlation: {type: event_count, timespan: 5x, condition: {gte: 0.5x}}
---
id: c
correlation: {type: sometimes}
---
title: nothing
",
    );
    let codes: Vec<_> = found.iter().map(|problem| problem.code).collect();
    for code in [
        "key-unknown",
        "modifier-unknown",
        "regex-malformed",
        "selection-unknown",
        "rule-twice",
        "value-wrong",
        "network-malformed",
        "condition-malformed",
        "correlation-unknown",
        "rule-empty",
    ] {
        assert!(codes.contains(&code), "{code} is missing from {codes:?}");
    }
    for problem in found.iter() {
        assert!(problem.fix.is_some(), "{problem:?} has no fix");
        assert!(!problem.labels.is_empty(), "{problem:?} has no place");
    }
}

#[test]
fn exceptions_and_modes_are_kept() {
    let text = "id: x\nmode: MODE\nexcept: [{c-ip|cidr: 203.0.113.0/24}, {cs-method: GET}]\ndetection: {s: {sc-status: 200}, condition: s}\n";
    let event = |address: &str| {
        let line =
            format!(r#"{{"timestamp":"2026-06-01T12:00:00Z","c-ip":"{address}","cs-method":"POST","sc-status":200}}"#);
        decode(line.as_bytes()).expect("an event").into_owned()
    };
    let alert = rules(&text.replace("MODE", "alert"));
    assert!(fires(&alert, &event("198.51.100.1")));
    assert!(!fires(&alert, &event("203.0.113.1")), "excepted");
    assert!(rules(&text.replace("MODE", "off")).rules().is_empty());
}

/// One event a second, of these sizes.
fn told(condition: &str, kind: &str, sizes: &[u32]) -> usize {
    let rules = rules(&format!(
        "id: x\ndetection: {{x: {{cs-method: GET}}, condition: x}}\n\
         correlation: {{type: {kind}, group-by: [client.key], timespan: 60s, condition: {condition}, min_count: 4}}\n"
    ));
    let mut engine = Engine::new(Arc::clone(&rules), Settings::default());
    let mut out = Vec::new();
    for (second, size) in sizes.iter().enumerate() {
        let line = format!(
            r#"{{"timestamp":"2026-06-01T12:00:{second:02}Z","client.address":"203.0.113.7","http.request.method":"GET","http.response.body.size":{size}}}"#
        );
        engine.observe(&decode(line.as_bytes()).expect("an event"), None, &mut out);
    }
    engine.finish(&mut out);
    out.len()
}

#[test]
fn sums_averages_and_percentiles_are_compared_once_there_are_enough_numbers() {
    let field = "http.response.body.size";
    for (kind, condition, sizes, fires) in [
        ("value_sum", "gte: 1000", &[250, 250, 250, 250][..], true),
        ("value_sum", "gt: 1000", &[250, 250, 250, 250], false),
        ("value_sum", "gte: 1000", &[900, 900, 900], false),
        ("value_avg", "gt: 100", &[10, 10, 10, 380], true),
        ("value_avg", "gt: 100", &[10, 10, 10, 300], false),
        ("value_avg", "lt: 50", &[10, 10, 10, 10], true),
        ("value_percentile", "percentile: 50, gt: 500", &[1, 1000, 1000, 1000], true),
        ("value_percentile", "percentile: 50, gt: 500", &[1, 1, 1, 1000], false),
        ("value_percentile", "percentile: 99, gt: 500", &[1, 1, 1, 1000], true),
    ] {
        let condition = format!("{{field: {field}, {condition}}}");
        assert_eq!(told(&condition, kind, sizes) > 0, fires, "{kind} {condition} {sizes:?}");
    }
    let wrong = problems(
        "id: x\ndetection: {x: {cs-method: GET}, condition: x}\n\
         correlation: {type: value_percentile, timespan: 60s, condition: {field: http.response.body.size, gt: 1}}\n",
    );
    assert!(wrong.to_string().contains("lacks `percentile`"), "{wrong}");
}

#[test]
fn a_rule_may_hear_another_rule_that_counts() {
    let text = r"
id: many-failures
detection: {x: {sc-status: 401}, condition: x}
correlation: {type: event_count, group-by: [client.key], timespan: 1m, condition: {gte: 3}}
---
id: worked
detection: {x: {sc-status: 200}, condition: x}
---
id: broke-in
correlation: {type: temporal_ordered, rules: [many-failures, worked], group-by: [client.key], timespan: 5m}
";
    let rules = rules(text);
    let told = |events: &[(u32, u16)], shards: usize| {
        let mut engine = Engine::new(Arc::clone(&rules), Settings { shards, ..Settings::default() });
        let mut out = Vec::new();
        for (second, (client, status)) in events.iter().enumerate() {
            let line = format!(
                r#"{{"timestamp":"2026-06-01T12:00:{second:02}Z","c-ip":"203.0.113.{client}","sc-status":{status}}}"#
            );
            engine.observe(&decode(line.as_bytes()).expect("an event"), None, &mut out);
        }
        engine.finish(&mut out);
        out.iter().map(|incident| incident.rule.to_string()).collect::<Vec<_>>()
    };
    for shards in [1, 4] {
        assert_eq!(told(&[(7, 401), (7, 401), (7, 401), (7, 200)], shards), ["broke-in"], "and the first is silent");
        assert!(told(&[(7, 200), (7, 401), (7, 401), (7, 401)], shards).is_empty());
        assert!(told(&[(7, 401), (7, 401), (7, 401), (8, 200)], shards).is_empty(), "another client");
        assert!(told(&[(7, 401), (7, 401), (7, 200)], shards).is_empty(), "too few");
    }
    let deep = problems(&format!(
        "{text}---\nid: deeper\ncorrelation: {{type: event_count, rules: [broke-in], timespan: 1h, condition: {{gte: 2}}}}\n"
    ));
    assert!(deep.to_string().contains("hears other rules itself"), "{deep}");
}

#[test]
fn a_rule_may_say_for_how_long_its_client_is_shut_out_and_must_know_whom() {
    let rule = |respond: &str, group: &str| {
        format!(
            "id: x\nrespond: {respond}\ndetection: {{x: {{cs-method: GET}}, condition: x}}\n\
             correlation: {{type: event_count, group-by: [{group}], timespan: 60s, condition: {{gte: 3}}}}\n"
        )
    };
    let known = rules(&rule("{block: 10m}", "client.key"));
    assert_eq!(known.find("x").and_then(palisade_detect::Rule::block), Some(std::time::Duration::from_secs(600)));
    for (respond, group, why) in [
        ("{block: 9s}", "client.key", "from ten seconds to a day"),
        ("{block: 2d}", "client.key", "from ten seconds to a day"),
        ("{}", "client.key", "from ten seconds to a day"),
        ("{block: 10m, who: all}", "client.key", "who"),
        ("{block: 10m}", "url.path", "about no client"),
        ("{block: 10m}", "user.id", "about no client"),
    ] {
        let found = problems(&rule(respond, group)).to_string();
        assert!(found.contains(why), "{respond} by {group}: {found}");
    }
}
