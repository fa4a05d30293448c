use std::time::Duration;

use palisade_event::{EventTime, Evidence, Field, Incident, IncidentKey, Priority, State};
use palisade_policy::{Alerting, Channel, ChannelKind, Notify, Pattern, Silence};

use super::*;
use crate::store::Kept;

const SECOND: u64 = 1_000_000;
const START: u64 = 1_795_330_800 * SECOND;

fn at(seconds: u64) -> EventTime {
    EventTime::from_micros(START + seconds * SECOND)
}

fn channel(name: &str, priority: Priority) -> Channel {
    let kind = ChannelKind::Slack { url: "URL".to_owned() };
    Channel { name: name.to_owned(), kind, priority, rules: Vec::new(), resolved: true }
}

fn pager() -> Channel {
    let kind = ChannelKind::PagerDuty { key: "KEY".to_owned(), url: None };
    Channel { kind, ..channel("pager", Priority::P2) }
}

fn desk(channels: Vec<Channel>) -> Desk {
    desk_of(Alerting { channels, ..Alerting::default() })
}

fn desk_of(alerting: Alerting) -> Desk {
    Desk::new(alerting, Names { app: "shop".to_owned(), environment: "production".to_owned() }, None)
}

fn kept(rule: &str, client: &str, priority: Priority, state: State, now: EventTime) -> Kept {
    kept_with(rule, client, priority, state, now, 403)
}

fn kept_with(rule: &str, client: &str, priority: Priority, state: State, now: EventTime, status: u16) -> Kept {
    let group = vec![(Field::ClientKey, client.into())];
    let incident = Incident {
        key: IncidentKey::of(rule, 1, &group, at(0)),
        rule: rule.into(),
        title: format!("The rule {rule}").into(),
        owasp: "".into(),
        group,
        priority,
        state,
        first_seen: at(0),
        last_seen: now,
        count: 7,
        attributable: true,
        simulated: false,
        evidence: Evidence {
            samples: vec![format!("{{\"http.response.status_code\":{status}}}").into()],
            ..Evidence::default()
        },
        steps: Vec::new(),
    };
    let mut body = Vec::new();
    incident.encode(&mut body);
    Kept {
        key: incident.key,
        rule: rule.to_owned(),
        priority,
        state,
        first_seen: at(0),
        last_seen: now,
        count: 7,
        body: String::from_utf8(body).expect("text"),
        opened: at(0),
        acknowledged: None,
        resolved: None,
        simulated: false,
        note: String::new(),
    }
}

type Before = Option<(Priority, State)>;

fn note(desk: &mut Desk, kept: Kept, before: Before, now: EventTime) -> bool {
    desk.note(&Untold { kept, before }, now)
}

fn open(desk: &mut Desk, rule: &str, client: &str, priority: Priority, now: EventTime) -> bool {
    note(desk, kept(rule, client, priority, State::Open, now), None, now)
}

/// What every tick tells from one second to another: when, to whom, what, opened, open.
fn told(desk: &mut Desk, seconds: std::ops::Range<u64>) -> Vec<(u64, String, NoticeKind, u64, u64)> {
    let mut all = Vec::new();
    for second in seconds {
        for letter in desk.tick(at(second)) {
            let notice = Notice::from_json(&letter.body).expect("a notice");
            let open = notice.lines.iter().map(|line| line.open).sum();
            all.push((second, letter.channel, notice.kind, notice.opened(), open));
        }
    }
    all
}

fn kinds(told: &[(u64, String, NoticeKind, u64, u64)]) -> Vec<(u64, NoticeKind, u64, u64)> {
    told.iter().map(|(second, _, kind, opened, open)| (*second, *kind, *opened, *open)).collect()
}

#[test]
fn p1_leaves_at_once_p2_waits_for_others_and_p3_is_never_told() {
    let mut desk = desk(vec![channel("a", Priority::P2)]);
    open(&mut desk, "weekly-noise", "1", Priority::P3, at(0));
    open(&mut desk, "slow-thing", "1", Priority::P2, at(0));
    open(&mut desk, "bad-thing", "1", Priority::P1, at(1));
    open(&mut desk, "slow-thing", "2", Priority::P2, at(20));
    assert_eq!(
        kinds(&told(&mut desk, 0..120)),
        [(1, NoticeKind::Opened, 1, 1), (30, NoticeKind::Opened, 2, 2)],
        "the second of a group goes with the first"
    );
}

#[test]
fn a_group_that_changes_keeps_its_distance_and_ends_with_one_message() {
    let mut desk = desk(vec![channel("a", Priority::P2)]);
    open(&mut desk, "slow-thing", "1", Priority::P2, at(0));
    assert_eq!(kinds(&told(&mut desk, 0..60)), [(30, NoticeKind::Opened, 1, 1)]);
    open(&mut desk, "slow-thing", "2", Priority::P2, at(60));
    assert_eq!(kinds(&told(&mut desk, 60..400)), [(330, NoticeKind::Opened, 1, 2)], "interval");
    for client in ["1", "2"] {
        let over = kept("slow-thing", client, Priority::P2, State::Resolved, at(400));
        note(&mut desk, over, Some((Priority::P2, State::Open)), at(400));
    }
    assert_eq!(kinds(&told(&mut desk, 400..2000)), [(630, NoticeKind::Resolved, 0, 0)]);
    assert!(desk.memory.groups.is_empty(), "nothing is left of it");
}

#[test]
fn what_stays_open_is_told_again_until_somebody_is_at_it() {
    let mut desk = desk(vec![channel("a", Priority::P2)]);
    open(&mut desk, "bad-thing", "1", Priority::P1, at(0));
    let mut all = Vec::new();
    for hour in 0..9 {
        desk.alive(&[("bad-thing".to_owned(), 1)], at(hour * 3600));
        all.extend(kinds(&told(&mut desk, hour * 3600..hour * 3600 + 600)));
    }
    let hours: Vec<_> = all.iter().map(|(second, kind, ..)| (second / 3600, *kind)).collect();
    assert_eq!(hours, [(0, NoticeKind::Opened), (4, NoticeKind::Repeated), (8, NoticeKind::Repeated)]);
    let acknowledged = kept("bad-thing", "1", Priority::P1, State::Acknowledged, at(32_400));
    note(&mut desk, acknowledged, Some((Priority::P1, State::Open)), at(32_400));
    for hour in 9..20 {
        desk.alive(&[("bad-thing".to_owned(), 1)], at(hour * 3600));
        assert!(told(&mut desk, hour * 3600..hour * 3600 + 600).is_empty());
    }
}

#[test]
fn what_the_detector_no_longer_speaks_of_is_not_repeated_for_ever() {
    let mut desk = desk(vec![channel("a", Priority::P2)]);
    open(&mut desk, "bad-thing", "1", Priority::P1, at(0));
    let mut all = kinds(&told(&mut desk, 0..10));
    for minute in 0..600 {
        desk.alive(&[], at(minute * 60));
        all.extend(kinds(&told(&mut desk, minute * 60..minute * 60 + 1)));
    }
    let kinds: Vec<_> = all.iter().map(|(_, kind, ..)| *kind).collect();
    assert_eq!(kinds, [NoticeKind::Opened, NoticeKind::Resolved]);
}

#[test]
fn an_on_call_service_hears_trigger_acknowledge_and_resolve_of_one_thread() {
    let mut desk = desk(vec![pager()]);
    open(&mut desk, "bad-thing", "1", Priority::P1, at(0));
    let mut letters = desk.tick(at(0));
    let steps = [(State::Open, State::Acknowledged), (State::Acknowledged, State::Resolved)];
    for (second, (before, after)) in [100, 200].into_iter().zip(steps) {
        let changed = kept("bad-thing", "1", Priority::P1, after, at(second));
        note(&mut desk, changed, Some((Priority::P1, before)), at(second));
        letters.extend(desk.tick(at(second)));
    }
    let said: Vec<_> = letters.iter().filter_map(|letter| Some(Notice::from_json(&letter.body)?.kind)).collect();
    assert_eq!(said, [NoticeKind::Opened, NoticeKind::Acknowledged, NoticeKind::Resolved]);
    assert!(letters.iter().all(|letter| letter.thread == letters[0].thread));
    let ids: std::collections::BTreeSet<_> = letters.iter().map(|letter| &letter.id).collect();
    assert_eq!(ids.len(), 3);
}

#[test]
fn what_opened_and_ended_between_two_looks_is_told_all_the_same() {
    let mut desk = desk(vec![pager(), channel("a", Priority::P2)]);
    note(&mut desk, kept("bad-thing", "1", Priority::P1, State::Resolved, at(0)), None, at(1));
    let all: Vec<_> = told(&mut desk, 1..1000).into_iter().map(|(_, channel, kind, ..)| (channel, kind)).collect();
    assert_eq!(
        all,
        [
            ("pager".to_owned(), NoticeKind::Opened),
            ("a".to_owned(), NoticeKind::Opened),
            ("pager".to_owned(), NoticeKind::Resolved)
        ]
    );
}

#[test]
fn a_storm_of_10_000_incidents_is_two_messages_and_a_digest_a_minute_and_no_count_is_lost() {
    let mut desk = desk(vec![channel("a", Priority::P2), channel("b", Priority::P1)]);
    let mut all = Vec::new();
    // Forty rules, half of them P1, for a minute.
    for step in 0..240_u64 {
        let now = EventTime::from_micros(START + step * 250_000);
        for n in 0..42 {
            let number = step * 42 + n;
            if number < 10_000 {
                let priority = if number % 2 == 0 { Priority::P1 } else { Priority::P2 };
                let kept = kept(&format!("r{}-x", number % 40), &number.to_string(), priority, State::Open, now);
                assert!(!note(&mut desk, kept, None, now));
            }
        }
        for letter in desk.tick(now) {
            all.push((now.micros(), Notice::from_json(&letter.body).expect("a notice"), letter.channel));
        }
    }
    for second in 60..1200 {
        for letter in desk.tick(at(second)) {
            all.push((at(second).micros(), Notice::from_json(&letter.body).expect("a notice"), letter.channel));
        }
    }
    for (name, expected) in [("a", 10_000), ("b", 5000)] {
        let mine: Vec<_> = all.iter().filter(|(.., channel)| channel == name).collect();
        assert_eq!(mine.iter().map(|(_, notice, _)| notice.opened()).sum::<u64>(), expected, "{name}");
        let rate = |wanted: fn(NoticeKind) -> bool| {
            let times: Vec<u64> = mine.iter().filter(|(_, it, _)| wanted(it.kind)).map(|(at, ..)| *at).collect();
            let within = |from: &u64| times.iter().filter(|at| (*from..from + 60 * SECOND).contains(at)).count();
            times.iter().map(within).max().unwrap_or(0)
        };
        assert_eq!(
            (rate(|kind| kind != NoticeKind::Digest), rate(|kind| kind == NoticeKind::Digest)),
            (2, 1),
            "{name}"
        );
        assert!(mine.iter().all(|(_, notice, _)| notice.briefs.len() <= 5 && notice.lines.len() <= 21));
    }
}

#[test]
fn decoys_cannot_use_up_the_place_of_a_p1() {
    let mut desk = desk(vec![channel("a", Priority::P2)]);
    for rule in 0..50 {
        open(&mut desk, &format!("decoy{rule}-x"), "1", Priority::P2, at(0));
    }
    let before = kinds(&told(&mut desk, 0..40));
    assert_eq!(before.iter().filter(|(_, kind, ..)| *kind == NoticeKind::Opened).count(), 1, "{before:?}");
    open(&mut desk, "login-stolen", "1", Priority::P1, at(40));
    assert_eq!(kinds(&told(&mut desk, 40..41)), [(40, NoticeKind::Opened, 1, 1)]);
}

#[test]
fn less_urgent_ones_of_a_family_are_left_out_but_never_a_success() {
    let mut desk = desk(vec![channel("a", Priority::P2)]);
    // Nothing is inhibited where nothing urgent is open.
    assert!(!open(&mut desk, "login-failures-client", "0", Priority::P2, at(0)));
    assert!(!open(&mut desk, "login-failures-massive", "", Priority::P1, at(1)));
    assert!(open(&mut desk, "login-failures-client", "1", Priority::P2, at(2)), "left out");
    assert!(!open(&mut desk, "csrf-client", "1", Priority::P2, at(2)), "another family");
    assert!(!open(&mut desk, "login-spread", "1", Priority::P1, at(2)), "a P1 never");
    let success = kept_with("login-unusual", "1", Priority::P2, State::Open, at(2), 200);
    assert!(!note(&mut desk, success, None, at(2)), "a success never");
    assert!(!desk.releases(at(3)));
    for (rule, client) in [("login-failures-massive", ""), ("login-spread", "1")] {
        let over = kept(rule, client, Priority::P1, State::Resolved, at(4));
        note(&mut desk, over, Some((Priority::P1, State::Open)), at(4));
    }
    assert!(desk.releases(at(5)), "what was left out is looked at anew");
    assert!(!open(&mut desk, "login-failures-client", "1", Priority::P2, at(6)));
}

#[test]
fn a_silence_holds_for_its_rule_client_and_time() {
    let silence = Silence {
        rule: Some(Pattern("rate-limit-*".to_owned())),
        client: Some("203.0.113.7".to_owned()),
        until: at(100),
        because: "a load test".to_owned(),
    };
    let mut desk = desk_of(Alerting {
        channels: vec![channel("a", Priority::P2)],
        silences: vec![silence],
        ..Alerting::default()
    });
    assert!(open(&mut desk, "rate-limit-client", "203.0.113.7", Priority::P1, at(0)));
    assert!(!open(&mut desk, "rate-limit-client", "203.0.113.8", Priority::P1, at(0)));
    assert!(!open(&mut desk, "csrf-client", "203.0.113.7", Priority::P1, at(0)));
    assert!(!desk.releases(at(99)));
    assert!(desk.releases(at(100)) && !desk.releases(at(101)), "once it is over, once");
    assert!(!open(&mut desk, "rate-limit-client", "203.0.113.7", Priority::P1, at(101)));
}

#[test]
fn channels_hear_what_they_asked_for() {
    let only = Channel { rules: vec![Pattern("login-*".to_owned())], ..channel("logins", Priority::P2) };
    let mut desk = desk(vec![only, channel("urgent", Priority::P1)]);
    open(&mut desk, "login-x", "1", Priority::P2, at(0));
    open(&mut desk, "csrf-x", "1", Priority::P2, at(0));
    // More urgent than before: new to who hears P1 alone.
    let raised = kept("login-x", "1", Priority::P1, State::Open, at(40));
    let first = told(&mut desk, 0..40);
    note(&mut desk, raised, Some((Priority::P2, State::Open)), at(40));
    let then = told(&mut desk, 40..60);
    let heard = |all: &[(u64, String, NoticeKind, u64, u64)]| -> Vec<(String, u64)> {
        all.iter().map(|(_, channel, _, opened, _)| (channel.clone(), *opened)).collect()
    };
    assert_eq!(heard(&first), [("logins".to_owned(), 1)]);
    assert_eq!(heard(&then), [("logins".to_owned(), 0), ("urgent".to_owned(), 1)]);
}

#[test]
fn nothing_is_forgotten_over_a_restart_and_history_is_not_told() {
    let alerting = Alerting { channels: vec![channel("a", Priority::P2)], ..Alerting::default() };
    let mut first = desk_of(alerting.clone());
    open(&mut first, "slow-thing", "1", Priority::P2, at(0));
    first.tick(at(1));
    let memory = first.memory().expect("something to keep");
    assert!(first.memory().is_none(), "nothing new");
    let mut second = Desk::new(alerting, Names::default(), Some(&memory));
    assert_eq!(kinds(&told(&mut second, 10..60)), [(30, NoticeKind::Opened, 1, 1)]);
    let later = at(3 * 86_400);
    assert!(!note(&mut second, kept("old-thing", "1", Priority::P1, State::Open, at(0)), None, later));
    assert!(second.tick(later).iter().all(|letter| !letter.body.contains("old-thing")));
}

#[test]
fn it_is_told_when_nothing_comes_and_when_it_comes_again() {
    let notify = Notify { quiet: Some(Duration::from_secs(600)), ..Notify::default() };
    let mut desk = desk_of(Alerting { channels: vec![channel("a", Priority::P1)], notify, ..Alerting::default() });
    assert!(told(&mut desk, 0..2000).is_empty(), "nobody listens here");
    desk.heard(at(0));
    let quiet = kinds(&told(&mut desk, 0..2000));
    desk.heard(at(2000));
    let again = kinds(&told(&mut desk, 2000..2100));
    assert_eq!((quiet, again), (vec![(601, NoticeKind::Quiet, 0, 0)], vec![(2000, NoticeKind::Heard, 0, 0)]));
}
