use std::time::Duration;

use palisade_event::{Evidence, IncidentKey, Priority};
use palisade_policy::Pattern;

use super::*;

const NOW: EventTime = EventTime::from_micros(1_795_330_800_000_000);

fn respond() -> Respond {
    Respond { block: Some(Duration::from_secs(600)), by_rule: false, rules: Vec::new(), priority: Priority::P2 }
}

fn incident(group: Vec<(Field, Box<str>)>) -> Incident {
    Incident {
        key: IncidentKey::of("login-failures-client", 1, &group, NOW),
        rule: "login-failures-client".into(),
        title: "".into(),
        owasp: "".into(),
        group,
        priority: Priority::P2,
        state: State::Open,
        first_seen: NOW,
        last_seen: NOW,
        count: 20,
        attributable: true,
        simulated: false,
        evidence: Evidence::default(),
        steps: Vec::new(),
    }
}

fn of(client: &str) -> Incident {
    incident(vec![(Field::ClientKey, client.into())])
}

fn clients() -> Clients {
    let nets = ["10.0.0.0/8", "2001:db8:f:1::1/128"];
    Clients { trusted_proxies: nets.map(|net| net.parse().expect("a net")).to_vec(), ..Clients::default() }
}

fn judged(incident: &Incident, live: &BTreeMap<Net, EventTime>, hour: u64) -> Result<Shut, Spared> {
    let respond = respond();
    judge(incident, &Known { respond: Some(&respond), rule: None, clients: &clients(), live, hour }, NOW)
}

fn net(text: &str) -> Net {
    text.parse().expect("a net")
}

fn later(seconds: u64) -> EventTime {
    EventTime::from_micros(NOW.micros() + seconds * 1_000_000)
}

#[test]
fn nobody_is_shut_out_unless_the_policy_says_so() {
    let (guilty, none) = (of("203.0.113.7"), BTreeMap::new());
    let clients = clients();
    let asked = |incident: &Incident, respond: Option<&Respond>, rule| {
        judge(incident, &Known { respond, rule, clients: &clients, live: &none, hour: 0 }, NOW)
    };
    let with = |respond: Option<&Respond>| asked(&guilty, respond, None);
    assert_eq!(with(None), Err(Spared::NotAsked));
    assert_eq!(with(Some(&respond())), Ok(Shut { net: net("203.0.113.7"), until: later(600) }));
    let other = Respond { rules: vec![Pattern("exploit-*".to_owned())], ..respond() };
    let urgent = Respond { priority: Priority::P1, ..respond() };
    for unasked in [other, urgent] {
        assert_eq!(with(Some(&unasked)), Err(Spared::NotAsked));
    }
    // A rule says so by itself, and is heard only where the policy lets it.
    let (hour, shut) =
        (Some(Duration::from_secs(3600)), |seconds| Ok(Shut { net: net("203.0.113.7"), until: later(seconds) }));
    let by_rule = Respond { block: None, by_rule: true, ..respond() };
    assert_eq!(asked(&guilty, None, hour), Err(Spared::NotAsked));
    assert_eq!(asked(&guilty, Some(&respond()), hour), shut(600));
    assert_eq!(asked(&guilty, Some(&by_rule), hour), shut(3600));
    assert_eq!(asked(&guilty, Some(&by_rule), None), Err(Spared::NotAsked));
    assert_eq!(asked(&guilty, Some(&Respond { by_rule: true, ..respond() }), hour), shut(3600));
    // A rule on trial shuts nobody out.
    let trial = Incident { simulated: true, ..of("203.0.113.7") };
    assert_eq!(asked(&trial, Some(&Respond { by_rule: true, ..respond() }), hour), Err(Spared::NotAsked));
}

#[test]
fn who_could_be_framed_is_never_shut_out() {
    let none = BTreeMap::new();
    let spared = |incident: &Incident| judged(incident, &none, 1_000_000).expect_err("spared");
    // A log line or a page of another site named the victim.
    assert_eq!(spared(&Incident { attributable: false, ..of("203.0.113.7") }), Spared::NotAttributable);
    for group in [
        vec![],
        vec![(Field::User, "203.0.113.7".into())],
        vec![(Field::ClientAddress, "203.0.113.7".into())],
        vec![(Field::ClientKey, "".into())],
        vec![(Field::ClientKey, "0.0.0.0/0".into())],
        vec![(Field::ClientKey, "203.0.113.0/24".into())],
        vec![(Field::ClientKey, "2001:db8::/32".into())],
        vec![(Field::ClientKey, "203.0.113.7".into()), (Field::ClientKey, "203.0.113.8".into())],
    ] {
        assert_eq!(spared(&incident(group.clone())), Spared::NoClient, "{group:?}");
    }
    for (client, why) in [
        ("127.0.0.1", BadNet::Loopback),
        ("127.9.9.9", BadNet::Loopback),
        ("::/64", BadNet::Loopback),
        ("10.1.2.3", BadNet::TrustedProxy),
        ("2001:db8:f:1::/64", BadNet::TrustedProxy),
    ] {
        assert_eq!(spared(&of(client)), Spared::Never(why), "{client}");
    }
    assert_eq!(spared(&Incident { state: State::Resolved, ..of("203.0.113.7") }), Spared::Over);
}

#[test]
fn no_more_than_a_thousand_and_one_in_a_hundred() {
    let live = |count: u32| -> BTreeMap<Net, EventTime> {
        (0..count).map(|n| (net(&std::net::Ipv4Addr::from(0xc633_0000 + n).to_string()), later(60))).collect()
    };
    for (blocked, hour, expected) in [
        (9, 0, Ok(())),
        (10, 0, Err(Spared::TooLargeAShare)),
        (10, 1099, Err(Spared::TooLargeAShare)),
        (10, 1100, Ok(())),
        (999, 1_000_000, Ok(())),
        (1000, 1_000_000, Err(Spared::TooMany)),
    ] {
        assert_eq!(judged(&of("203.0.113.7"), &live(blocked), hour).map(drop), expected, "{blocked} of {hour}");
    }
    // Those whose time is over do not count.
    let over: BTreeMap<_, _> = live(1000).into_keys().map(|net| (net, NOW)).collect();
    assert!(judged(&of("203.0.113.7"), &over, 0).is_ok());
}

#[test]
fn a_48_is_shut_out_after_eight_of_its_64s_unless_a_proxy_is_in_it() {
    let of_48 = |prefix: &str, count: u32| -> BTreeMap<Net, EventTime> {
        (2..2 + count).map(|n| (net(&format!("2001:db8:{prefix}:{n:x}::/64")), later(60))).collect()
    };
    let shut =
        |client: &str, live: &BTreeMap<Net, EventTime>| judged(&of(client), live, 1_000_000).expect("shut out").net;
    assert_eq!(shut("2001:db8:7:1::/64", &of_48("7", 7)), net("2001:db8:7:1::/64"));
    assert_eq!(shut("2001:db8:7:1::/64", &of_48("7", 8)), net("2001:db8:7::/48"));
    assert_eq!(shut("2001:db8:8:1::/64", &of_48("7", 8)), net("2001:db8:8:1::/64"), "another /48");
    assert_eq!(shut("2001:db8:f:ff::/64", &of_48("f", 8)), net("2001:db8:f:ff::/64"), "a proxy lives there");
}

#[test]
fn a_block_is_prolonged_and_never_shortened() {
    let live = |seconds| BTreeMap::from([(net("203.0.113.7"), later(seconds))]);
    assert_eq!(judged(&of("203.0.113.7"), &live(60), 0), Ok(Shut { net: net("203.0.113.7"), until: later(600) }));
    assert_eq!(judged(&of("203.0.113.7"), &live(3600), 0), Err(Spared::Already));
}
