//! The scripts against what decides in the process: a real server, the shipped text, and only its clock replaced.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests fail the test")]

use std::time::Duration;

use palisade_event::ClientKey;
use palisade_guard::shared::{Attempt, Call, GiveBack, Lease, Space};
use palisade_guard::{
    Claim, Claimed, Held, Inbox, Limiter, MonoMicros, Now, Reserve, Seed, Settle, Spend, Spent, WallMicros,
};
use palisade_policy::{Limit, SIGN_IN};
use palisade_testkit::{Redis, Reply, builder};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

fn space() -> Space {
    Space::of(&builder().build().expect("policy"))
}

/// Runs a script as any client may, with another text if one is given.
fn run(redis: &Redis, call: &Call, text: Option<&str>, more: &[String]) -> Vec<i64> {
    let keys = call.keys.len().to_string();
    let mut command = vec!["EVAL", text.unwrap_or(call.script.text()), &keys];
    command.extend(call.keys.iter().chain(&call.arguments).chain(more).map(String::as_str));
    match redis.ask(&command) {
        Reply::List(list) => list
            .into_iter()
            .map(|item| match item {
                Reply::Number(number) => number,
                other => panic!("{other:?}"),
            })
            .collect(),
        other => panic!("{other:?}"),
    }
}

/// Asked at the same times, the script and the table in the process decide the same.
#[test]
fn the_script_and_the_limiter_decide_alike() {
    let redis = Redis::start();
    let limits = prop::sample::select(vec!["5/min", "1/min", "7/min", "100/h", "3/h", "59/min"]);
    let turns = prop::collection::vec((1_u32..4, 0_u64..30_000_000), 1..60);
    let clients = std::cell::Cell::new(0_u128);
    let mut runner = TestRunner::new(Config { cases: 64, failure_persistence: None, ..Config::default() });
    let decided = runner.run(&(limits, turns), |(limit, turns)| {
        let client = clients.get() + 1;
        clients.set(client);
        let limit = Limit::parse(limit).expect("limit");
        let limiter = Limiter::new(limit, 64, Seed::new([7; 16]));
        // Ahead of the server's own clock, by which keys expire, as debts are.
        let mut now = 2_000_000_000_000_000_u64;
        for (cost, pause) in turns {
            now += pause * 16 / 7;
            let cost = cost.min(limit.count);
            let lease = Lease { limit, scope: 1, client, cost, most: cost };
            let call = lease.call(space());
            let clock = call.script.text().replace("redis.call('TIME')", "{ARGV[5], ARGV[6]}");
            assert_ne!(clock, call.script.text(), "the clock is read there");
            let time = [now / 1_000_000, now % 1_000_000].map(|part| part.to_string());
            let told = lease.read(&run(&redis, &call, Some(&clock), &time)).expect("an answer");
            let charge = limiter.charge(1, client, cost, MonoMicros(now));
            prop_assert_eq!(told.granted == cost, charge.allowed, "{:?} at {}", limit, now);
            prop_assert_eq!(told.granted, if charge.allowed { cost } else { 0 });
        }
        Ok(())
    });
    decided.expect("alike");
}

/// The counts of attempts to sign in: charged, given back, and given back unjudged, by the script and by tables alike.
#[test]
fn the_scripts_of_attempts_and_the_limiter_decide_alike() {
    let redis = Redis::start();
    let turns = prop::collection::vec((0_u8..5, 0_u64..900_000_000), 1..80);
    let accounts = std::cell::Cell::new(0_u128);
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    let decided = runner.run(&turns, |turns| {
        accounts.set(accounts.get() + 1);
        let attempt = Attempt { scope: 1, client: 9, account: Some(accounts.get()) };
        let [lock, slow, unjudged] =
            [SIGN_IN.lock, SIGN_IN.slow, SIGN_IN.lock].map(|limit| Limiter::new(limit, 64, Seed::new([7; 16])));
        let mut now = 2_000_000_000_000_000_u64;
        let at = |call: &Call, now: u64| {
            let [seconds, micros] = [now / 1_000_000, now % 1_000_000].map(|part| part.to_string());
            let next = call.arguments.len() + 1;
            let clock = format!("{{ARGV[{next}], ARGV[{}]}}", next + 1);
            let text = call.script.text().replace("redis.call('TIME')", &clock);
            run(&redis, call, Some(&text), &[seconds, micros])
        };
        for (what, pause) in turns {
            now += pause;
            let mono = MonoMicros(now);
            if what < 3 {
                let told = attempt.read(&at(&attempt.call(space()), now)).expect("an answer");
                let here = lock.charge(1, 1, 1, mono).allowed;
                prop_assert_eq!(told.client.charged, here);
                let slowed = here.then(|| slow.charge(1, 1, 1, mono).allowed);
                prop_assert_eq!(told.account.map(|it| it.charged), slowed);
                continue;
            }
            let give_back = GiveBack { attempt, account: true, judged: what == 3 };
            let given = at(&give_back.call(space()), now) == [1];
            let here = what == 3 || unjudged.charge(1, 1, 1, mono).allowed;
            prop_assert_eq!(given, here);
            if here {
                lock.refund(1, 1, 1, mono);
                slow.refund(1, 1, 1, mono);
            }
        }
        Ok(())
    });
    decided.expect("alike");
}

#[test]
fn a_key_of_the_limiter_goes_when_its_client_owes_nothing() {
    let redis = Redis::start();
    let lease = Lease { limit: Limit::parse("5/min").expect("limit"), scope: 1, client: 9, cost: 1, most: 1 };
    let call = lease.call(space());
    assert_eq!(lease.read(&run(&redis, &call, None, &[])).expect("an answer").granted, 1);
    let Reply::Number(left) = redis.ask(&["PTTL", &call.keys[0]]) else { panic!("no number") };
    assert!((11_000..=12_001).contains(&left), "{left}");
    // A debt beyond any that can be: the clock was set back. Nobody is shut out for longer than a window.
    redis.ask(&["SET", &call.keys[0], "99999999999999999"]);
    let refused = lease.read(&run(&redis, &call, None, &[])).expect("an answer");
    assert_eq!((refused.granted, refused.debt), (0, 60 * 16_000));
}

fn spend(session: u128, nonce: u64, issued_millis: u64) -> Spend {
    let client = ClientKey::of(std::net::IpAddr::from([192, 0, 2, 1]));
    Spend { session, nonce, issued_millis, client, verified: false }
}

fn spent(redis: &Redis, spend: Spend) -> Spent {
    match Claim::Spend(spend).read(&run(redis, &spend.call(space()), None, &[])) {
        Some(Claimed::Told(spent)) => spent,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_session_is_remembered_by_its_newest_tokens_and_a_date_for_all_before() {
    let redis = Redis::start();
    let first = Spent::First { forgot: false };
    for n in 0..100 {
        assert_eq!(spent(&redis, spend(1, n, 1000 + n)), first, "{n}");
    }
    for n in 0..100 {
        let again = spent(&redis, spend(1, n, 1000 + n));
        assert_eq!(again, if n < 67 { Spent::Forgotten } else { Spent::Again }, "{n}");
    }
    assert_eq!(spent(&redis, spend(2, 99, 1000)), first, "another session's");
    let verified = Spend { verified: true, ..spend(1, 99, 1099) };
    assert_eq!(spent(&redis, verified), first, "partitions are apart");
    let key = &spend(1, 0, 0).call(space()).keys[0];
    assert_eq!(redis.ask(&["ZCARD", key]), Reply::Number(33));
    let Reply::Number(left) = redis.ask(&["PTTL", key]) else { panic!("no number") };
    assert!((3_600_000..=3_660_000).contains(&left), "{left}");
}

/// The inbox of the process and the script, over the same turns.
#[test]
fn the_script_and_the_inbox_agree_on_messages() {
    let redis = Redis::start();
    let inbox = Inbox::new(1000);
    let now = Now { wall: WallMicros(1_000_000_000), mono: MonoMicros(1_000_000_000) };
    let step = (0_u8..3, 0_u128..4, 0_u128..2, 0_u64..3);
    let mut runner = TestRunner::new(Config { cases: 1, failure_persistence: None, ..Config::default() });
    let decided = runner.run(&prop::collection::vec(step, 300..400), |steps| {
        for (what, message, signed, ticket) in steps {
            let reserve = Reserve {
                message,
                signed,
                ticket,
                signed_seconds: None,
                hold: Duration::from_secs(65),
                keep: Duration::from_secs(3600),
            };
            let settle = if what == 1 { Settle::Confirm(reserve) } else { Settle::Release(reserve) };
            if what > 0 {
                run(&redis, &settle.call(space()), None, &[]);
                inbox.settle(&settle, now);
                continue;
            }
            let claim = Claim::Reserve(reserve);
            let call = claim.call(space(), 0).expect("a question");
            let told = claim.read(&run(&redis, &call, None, &[])).expect("an answer");
            let here = inbox.reserve(&reserve, now);
            // Seconds left are the server's to count.
            let same = match (told, here) {
                (Claimed::Held(Held::InFlight { .. }), Held::InFlight { .. }) => true,
                (Claimed::Held(told), here) => told == here,
                _ => false,
            };
            prop_assert!(same, "{:?} {:?}", told, here);
        }
        Ok(())
    });
    decided.expect("alike");
}

#[test]
fn what_may_have_been_forgotten_is_not_asked_about() {
    let old = Claim::Spend(spend(1, 1, 1000));
    assert_eq!(old.call(space(), 1000), Err(Claimed::Told(Spent::Forgotten)));
    assert!(old.call(space(), 999).is_ok());
}
