//! SECURITY.md 17: cheap refusals never crowd out what matters, and nothing is lost silently.

#![allow(clippy::expect_used, reason = "helpers of tests fail the test")]

use palisade_testkit::{RunningGate, Upstream, open};
use serde_json::Value;

const FLOOD: u64 = 10_000;

fn count(event: &Value) -> u64 {
    event.get("palisade.count").map_or(1, |count| count.as_u64().expect("number"))
}

#[test]
fn a_flood_of_refusals_leaves_room_for_what_matters_and_adds_up() {
    let upstream = Upstream::start(|exchange| exchange.reply(500, &[], "broken"));
    let mut gate = RunningGate::with_threads(open(), &upstream.origin(), 2);
    let address = gate.address;
    let flood = std::thread::spawn(move || {
        let mut sent = 0;
        let mut answered = 0;
        let mut client = palisade_testkit::Client::connect(address);
        while sent < FLOOD {
            // Beyond the noise limit the gate closes after each refusal.
            client.send("GET /%61 HTTP/1.1\r\nHost: shop.example\r\n\r\n");
            let response = client.response();
            assert_eq!((response.status, response.code().as_str()), (400, "path-malformed"));
            sent += 1;
            answered += 1;
            if response.field("connection") == Some("close") {
                client = palisade_testkit::Client::connect(address);
            }
        }
        answered
    });
    assert_eq!(gate.client().get("/free/a").status, 500);
    let told = gate.events.until(|event| event["http.response.status_code"] == 500);
    let answered: u64 = flood.join().expect("every refusal was answered");
    let drained = gate.stop();
    assert_eq!(drained.events_lost, 0);
    let all: Vec<Value> = told.into_iter().chain(gate.events.rest()).collect();
    let refusals: Vec<&Value> = all.iter().filter(|event| event["palisade.code"] == "path-malformed").collect();
    assert_eq!(refusals.iter().map(|event| count(event)).sum::<u64>(), answered);
    assert!(refusals.len() < 200, "{} lines for {answered} refusals", refusals.len());
    assert_eq!(all.iter().map(count).sum::<u64>(), answered + 1);
    for event in refusals {
        assert_eq!((&event["client.address"], &event["palisade.stage"]), (&"127.0.0.1".into(), &"target".into()));
    }
}

#[test]
fn every_admitted_request_has_a_line_of_its_own_with_the_id_the_client_was_told() {
    let upstream = Upstream::fixed("ok");
    let mut gate = RunningGate::start(open(), &upstream.origin());
    let mut client = gate.client();
    let ids: Vec<String> =
        (0..100).map(|_| client.get("/free/a").field("x-request-id").expect("id").to_owned()).collect();
    assert_eq!(gate.stop().events_lost, 0);
    let told: Vec<String> = gate
        .events
        .rest()
        .iter()
        .map(|event| {
            assert_eq!((event.get("palisade.count"), &event["palisade.decision"]), (None, &"admit".into()));
            event["palisade.request_id"].as_str().expect("id").to_owned()
        })
        .collect();
    assert_eq!(told, ids);
}
