//! Who is shut out at one gate is shut out at all that share a server, and let in again (SECURITY.md 19).

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests fail the test")]

#[path = "support/sharing.rs"]
#[allow(dead_code, reason = "each test uses its part")]
mod sharing;

use std::future::Future;
use std::time::Duration;

use palisade_backend::{BlockFault, Blocklist, now};
use palisade_guard::{BadNet, MAX_BLOCKS, MonoMicros, Net};
use palisade_testkit::{Redis, RunningGate, Upstream, eventually};
use sharing::{TIMEOUT, get, pair, policy, status};

const HOUR: Duration = Duration::from_secs(3600);

fn net(text: &str) -> Net {
    text.parse().expect("net")
}

/// The blocks of the gates at `url`, as a command has them.
fn blocklist(url: &str) -> Blocklist {
    Blocklist::new(url.parse().expect("address"), &policy(TIMEOUT).build().expect("policy"))
}

fn run<T>(asking: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    runtime.block_on(asking)
}

fn all_answer(gates: &[RunningGate; 2], client: &str, expected: u16) {
    for gate in gates {
        eventually("taken up", || status(&mut gate.client(), &get("/open", client)) == expected);
    }
}

fn until(seconds: u64) -> (MonoMicros, MonoMicros) {
    let now = now().mono;
    (MonoMicros(now.0 + seconds * 1_000_000), now)
}

#[test]
fn a_command_shuts_out_and_lets_in_at_every_gate() {
    let redis = Redis::start();
    let upstream = Upstream::fixed("ok");
    let gates = pair(&upstream, &redis.url());
    let list = blocklist(&redis.url());
    all_answer(&gates, "192.0.2.1", 200);
    run(list.add(net("192.0.2.1"), HOUR)).expect("added");
    run(list.add(net("2001:db8:7::/48"), HOUR)).expect("added");
    all_answer(&gates, "192.0.2.1", 403);
    all_answer(&gates, "2001:db8:7:9::1", 403);
    all_answer(&gates, "2001:db8:8::1", 200);
    let told = run(list.list()).expect("a list");
    assert_eq!(told.iter().map(|(net, _)| net.to_string()).collect::<Vec<_>>(), ["192.0.2.1", "2001:db8:7::/48"]);
    assert!(told.iter().all(|(_, left)| *left > HOUR - Duration::from_secs(60) && *left <= HOUR));
    assert_eq!(run(list.remove(net("192.0.2.1"))), Ok(true));
    assert_eq!(run(list.remove(net("192.0.2.1"))), Ok(false));
    all_answer(&gates, "192.0.2.1", 200);
    all_answer(&gates, "2001:db8:7:9::1", 403);
}

#[test]
fn what_one_gate_decides_holds_there_at_once_and_at_the_other_soon() {
    let redis = Redis::start();
    let upstream = Upstream::fixed("ok");
    let gates = pair(&upstream, &redis.url());
    let (end, now) = until(3600);
    assert!(gates[0].state.blocks.add(net("192.0.2.1"), end, now));
    assert_eq!(status(&mut gates[0].client(), &get("/open", "192.0.2.1")), 403);
    all_answer(&gates, "192.0.2.1", 403);
    // Lifted at the gate that only heard of it.
    assert!(gates[1].state.blocks.remove(net("192.0.2.1")));
    assert_eq!(status(&mut gates[1].client(), &get("/open", "192.0.2.1")), 200);
    all_answer(&gates, "192.0.2.1", 200);
    assert!(run(blocklist(&redis.url()).list()).expect("a list").is_empty());
}

#[test]
fn a_block_ends_by_itself_at_every_gate() {
    let redis = Redis::start();
    let upstream = Upstream::fixed("ok");
    let gates = pair(&upstream, &redis.url());
    run(blocklist(&redis.url()).add(net("192.0.2.1"), Duration::from_secs(5))).expect("added");
    all_answer(&gates, "192.0.2.1", 403);
    all_answer(&gates, "192.0.2.1", 200);
}

#[test]
fn blocks_survive_a_server_that_forgets_and_those_made_meanwhile_are_told() {
    let mut redis = Redis::start();
    let upstream = Upstream::fixed("ok");
    let gates = pair(&upstream, &redis.url());
    run(blocklist(&redis.url()).add(net("192.0.2.1"), HOUR)).expect("added");
    all_answer(&gates, "192.0.2.1", 403);
    redis.stop();
    for gate in &gates {
        gate.events.until(|event| event["palisade.notice"] == "state-outage");
    }
    let (end, now) = until(3600);
    assert!(gates[0].state.blocks.add(net("192.0.2.2"), end, now));
    assert_eq!(status(&mut gates[1].client(), &get("/open", "192.0.2.1")), 403, "known before");
    assert!(matches!(run(blocklist(&redis.url()).list()), Err(BlockFault::Unreachable(_))));
    redis.run();
    for gate in &gates {
        gate.events.until(|event| event["palisade.notice"] == "state-recovered");
    }
    all_answer(&gates, "192.0.2.1", 403);
    all_answer(&gates, "192.0.2.2", 403);
    eventually("the server knows both again", || run(blocklist(&redis.url()).list()).is_ok_and(|list| list.len() == 2));
}

#[test]
fn nobody_shuts_out_a_proxy_this_machine_or_more_than_there_may_be() {
    let redis = Redis::start();
    let upstream = Upstream::fixed("ok");
    let gates = pair(&upstream, &redis.url());
    let list = blocklist(&redis.url());
    assert_eq!(run(list.add(net("127.0.0.1"), HOUR)), Err(BlockFault::Bad(BadNet::Loopback)));
    let proxied = policy(TIMEOUT).build().expect("policy");
    assert!(net("127.1.2.3").check(&proxied.clients).is_err());
    // Whoever writes to the server itself is not believed either.
    let key = |redis: &Redis| match redis.ask(&["KEYS", "palisade:*:nodes"]) {
        palisade_testkit::Reply::List(keys) => match keys.into_iter().next() {
            Some(palisade_testkit::Reply::Text(key)) => key.replace(":nodes", ":blocks"),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    let key = key(&redis);
    for address in ["c0000000000000000", "c00000000000000000000ffff7f000001", "w00000000000000000000000000000000", "x"]
    {
        redis.ask(&["ZADD", &key, "9999999999999", address]);
    }
    run(list.add(net("192.0.2.9"), HOUR)).expect("added");
    all_answer(&gates, "192.0.2.9", 403);
    assert_eq!(status(&mut gates[0].client(), &get("/open", "192.0.2.1")), 200);
    let mut direct = gates[0].client();
    assert_eq!(direct.get("/open").status, 200, "the proxy itself");
    // The server has no more than there may be.
    let mut full = None;
    for n in 0..=MAX_BLOCKS {
        let client = format!("198.{}.{}.1", 18 + n / 250, n % 250);
        if let Err(fault) = run(list.add(net(&client), HOUR)) {
            full = Some((n, fault));
            break;
        }
    }
    // Five are there before: one of ours, and four that nobody reads.
    assert_eq!(full, Some((MAX_BLOCKS - 5, BlockFault::Full)));
}
