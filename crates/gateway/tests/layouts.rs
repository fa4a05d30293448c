//! Gates that share by a cluster, and by a server that Sentinels know.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests fail the test")]

#[path = "support/sharing.rs"]
#[allow(dead_code, reason = "each test uses its part")]
mod sharing;

use palisade_testkit::{Redis, Reply, RunningGate, Upstream, eventually};
use sharing::{TIMEOUT, decide_as_one, get, pair, policy, status};

fn text(reply: Reply) -> String {
    match reply {
        Reply::Text(text) => text,
        other => panic!("{other:?}"),
    }
}

/// Two nodes, each with half of the slots.
fn cluster() -> [Redis; 2] {
    let nodes = [(); 2].map(|()| Redis::with(&["--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf"]));
    for (node, slots) in nodes.iter().zip([["0", "8191"], ["8192", "16383"]]) {
        let done = node.ask(&["CLUSTER", "ADDSLOTSRANGE", slots[0], slots[1]]);
        assert_eq!(done, Reply::Text("OK".to_owned()));
    }
    let port = nodes[1].address().port().to_string();
    nodes[0].ask(&["CLUSTER", "MEET", "127.0.0.1", &port]);
    eventually("the cluster forms", || {
        nodes.iter().all(|node| {
            let info = text(node.ask(&["CLUSTER", "INFO"]));
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:2")
        })
    });
    nodes
}

#[test]
fn a_cluster_decides_as_one_server_does() {
    let nodes = cluster();
    let [one, other] = [0, 1].map(|node| nodes[node].address());
    decide_as_one(&format!("redis+cluster://{one},{other}"));
    // One node is enough to find the others.
    let upstream = Upstream::fixed("ok");
    let gate = RunningGate::sharing(policy(TIMEOUT), &upstream.origin(), 1, &format!("redis+cluster://{other}"));
    let mut line = gate.client();
    for n in 0..100 {
        assert_eq!(status(&mut line, &get("/few", &format!("203.0.113.{n}"))), 200);
    }
    for node in &nodes {
        assert!(node.scripts_run() > 20, "both nodes take their part");
    }
}

#[test]
fn the_master_is_who_the_sentinels_say() {
    let mut master = Redis::start();
    let port = master.address().port().to_string();
    let replica = Redis::with(&["--replicaof", "127.0.0.1", &port, "--repl-diskless-sync-delay", "0"]);
    eventually("the replica follows", || text(replica.ask(&["INFO", "replication"])).contains("master_link_status:up"));
    let settings = format!("sentinel monitor shop 127.0.0.1 {port} 1\nsentinel down-after-milliseconds shop 1000\n");
    let sentinel = Redis::sentinel(&settings);
    eventually("the sentinel knows the replica to be well", || {
        let Reply::List(replicas) = sentinel.ask(&["SENTINEL", "REPLICAS", "shop"]) else { return false };
        let Some(Reply::List(fields)) = replicas.first() else { return false };
        let text = |text: &str| Reply::Text(text.to_owned());
        fields.chunks(2).any(|pair| pair == [text("master-link-status"), text("ok")])
    });
    let url = format!("redis+sentinel://{}/shop", sentinel.address());
    decide_as_one(&url);

    let upstream = Upstream::fixed("ok");
    let gates = pair(&upstream, &url);
    let before = replica.scripts_run();
    master.stop();
    let mut client = 0;
    let mut strangers = move || {
        client += 1;
        format!("10.0.{}.{}", client / 250, client % 250)
    };
    eventually("the replica takes over", || {
        for gate in &gates {
            // Not a moment without an answer; each of them a client of whom nothing is known.
            assert_eq!(status(&mut gate.client(), &get("/few", &strangers())), 200);
        }
        replica.scripts_run() >= before + 20
    });
    let mut lines = [gates[0].client(), gates[1].client()];
    eventually("both gates follow", || {
        let request = get("/few", &strangers());
        (0..10).filter(|turn| status(&mut lines[turn % 2], &request) == 200).count() == 5
    });
}
