//! Limits of those who are known.

use super::*;

#[test]
fn a1_an_office_behind_one_address_is_counted_by_subject() {
    let limit = Limit::parse("5/min").ok();
    let gate = || Gate {
        keys: Some(keys(&[("ins_1", 1)])),
        ..Gate::with(
            builder().identity(clerk()).route(Route { limit, ..route(Method::Get, "/api/me", Kind::ProtectedRead) }),
            &providers(),
        )
    };
    let staff = |n: u32| token(&json!({ "sub": format!("user_{n}"), "sid": format!("sess_{n}") }));
    let ask = |gate: &Gate, address: &str, token: &str| gate.send(empty(from(address, bearer("/api/me", token))));
    let office = gate();
    // Each colleague's token becomes known from another address first.
    for n in 0..9 {
        assert!(ask(&office, &format!("198.51.100.{}", n + 10), &staff(n)).admitted());
    }
    for n in 0..9 {
        let passed = (0..10).filter(|_| ask(&office, "203.0.113.7", &staff(n)).admitted()).count();
        assert_eq!(passed, 4, "user {n}: five a minute, one of them spent elsewhere");
    }
    let stranger = office.send(empty(from("203.0.113.7", get("/api/me"))));
    assert_eq!(stranger.code(), Some(Code::AuthRequired), "their traffic leaves an honest newcomer its own quota");
    // One address with ever more accounts meets an end: ten times the limit.
    let mule = gate();
    for n in 0..30 {
        ask(&mule, &format!("198.51.100.{}", n + 10), &staff(n));
    }
    let passed = (0..30)
        .flat_map(|n| (0..4).map(move |_| n))
        .filter(|n| ask(&mule, "203.0.113.7", &staff(*n)).admitted())
        .count();
    assert_eq!(passed, 50);
    // And one account with ever more addresses does, too.
    let roaming = gate();
    let passed = (0..30).filter(|n| ask(&roaming, &format!("198.51.100.{}", n + 10), &staff(1)).admitted()).count();
    assert_eq!(passed, 5);
    let last = ask(&roaming, "198.51.100.99", &staff(1));
    assert_eq!((last.status(), last.code()), (429, Some(Code::RateLimited)));
}

#[test]
fn a1_a_network_of_verified_callers_meets_an_end_too() {
    let limit = Limit::parse("1/min").ok();
    let roomy = builder().limits(Limits { limiter_slots: 1 << 16, ..Limits::default() });
    let gate = Gate {
        keys: Some(keys(&[("ins_1", 1)])),
        ..Gate::with(
            roomy.identity(clerk()).route(Route { limit, ..route(Method::Get, "/api/me", Kind::ProtectedRead) }),
            &providers(),
        )
    };
    let tokens: Vec<String> =
        (0..400).map(|n| token(&json!({ "sub": format!("user_{n}"), "exp": NOW + 600 }))).collect();
    // Each token becomes known, in a minute of its own.
    for (n, token) in tokens.iter().enumerate() {
        let from_afar = from(&format!("198.51.{}.{}", 100 + n / 200, n % 200), bearer("/api/me", token));
        assert!(gate.send(empty(from_afar)).admitted());
    }
    let gate = Gate { seconds: gate.seconds + 60, ..gate };
    // Every caller and every /64 is within its limit; the /48 is not.
    let asked = tokens
        .iter()
        .enumerate()
        .map(|(n, token)| gate.send(empty(from(&format!("2001:db8:1:{n:x}::1"), bearer("/api/me", token)))));
    let passed = asked.filter(support::Outcome::admitted).count();
    assert_eq!(passed, 160, "sixteen times what an address has, which is ten times the limit");
}

#[test]
fn a1_an_unknown_token_is_charged_to_address_and_subject() {
    let limit = Limit::parse("2/min").ok();
    let gate = Gate {
        keys: Some(keys(&[("ins_1", 1)])),
        ..Gate::with(
            builder().identity(clerk()).route(Route { limit, ..route(Method::Get, "/api/me", Kind::ProtectedRead) }),
            &providers(),
        )
    };
    let fresh = |n: u64| token(&json!({ "jti": n }));
    let ask = |n: u64| gate.send(empty(from(&format!("198.51.100.{}", n + 10), bearer("/api/me", &fresh(n)))));
    assert!(ask(0).admitted() && ask(1).admitted());
    let third = ask(2);
    assert_eq!((third.status(), third.stage()), (429, Some(Stage::Quota)), "the subject is known once it is verified");
    assert!(!third.header("retry-after").is_empty());
}
