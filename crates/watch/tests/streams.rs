//! Three gates, one stream, two detectors, over a real Redis server (Debian's `redis-server`, or `valkey-server`).
#![cfg(feature = "streams")]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where its ground is missing, and says why"
)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use palisade_testkit::Redis;
use palisade_watch::streams::{Batch, BatchId, Drawer, Feeder, KEEP, Stream};

fn stream(server: &Redis) -> Stream {
    Stream::new(&server.url(), "shop:events", KEEP).expect("url")
}

/// What a detector commits: what it counted, together with the last batch it took.
#[derive(Default, Clone)]
struct Committed {
    lines: BTreeMap<String, u32>,
    last: BatchId,
}

impl Committed {
    fn take(&mut self, batch: &Batch) {
        if batch.id <= self.last {
            return;
        }
        self.last = batch.id;
        for line in String::from_utf8(batch.lines.clone()).expect("text").lines() {
            *self.lines.entry(line.to_owned()).or_default() += 1;
        }
    }
}

const LIFE: Duration = Duration::from_millis(400);

/// Reads until the other detector has let go and nothing is left.
fn drain(drawer: &mut Drawer, committed: &mut Committed) {
    let limit = Instant::now() + Duration::from_secs(30);
    loop {
        assert!(Instant::now() < limit, "the lease does not come");
        match drawer.draw().expect("read") {
            None => std::thread::sleep(Duration::from_millis(10)),
            Some(batches) if batches.is_empty() => return,
            Some(batches) => {
                batches.iter().for_each(|batch| committed.take(batch));
                let ids: Vec<_> = batches.iter().map(|batch| batch.id).collect();
                drawer.acknowledge(&ids).expect("acknowledge");
            }
        }
    }
}

#[test]
fn a_pattern_over_three_gates_is_whole_in_one_detector_and_survives_it() {
    let server = Redis::start();
    let mut gates: Vec<_> = (0..3).map(|gate| Feeder::new(stream(&server), &format!("gate-{gate}"))).collect();
    let mut send = |from: u32, to: u32| {
        for number in from..to {
            let lines = format!("{{\"n\":{number}}}\n{{\"m\":{number}}}\n");
            gates[number as usize % 3].send(lines.as_bytes()).expect("send");
        }
    };
    let (mut one, mut two) = (Drawer::new(stream(&server), "one", LIFE), Drawer::new(stream(&server), "two", LIFE));
    let mut committed = Committed::default();
    send(0, 100);
    drain(&mut one, &mut committed);
    assert_eq!(two.draw().expect("read"), None, "one at a time: windows need all events in one place");
    assert_eq!(committed.lines.len(), 200);

    // It takes more, commits half of it, acknowledges none, and dies.
    send(100, 200);
    let taken = one.draw().expect("read").expect("its turn");
    assert!(taken.len() > 10);
    taken[..taken.len() / 2].iter().for_each(|batch| committed.take(batch));
    drop(one);
    send(200, 300);
    drain(&mut two, &mut committed);
    assert_eq!(committed.lines.len(), 600);
    assert!(committed.lines.values().all(|count| *count == 1), "nothing lost, nothing twice");
    assert_eq!(two.lag().expect("lag"), (300, KEEP));
}

#[test]
fn a_batch_that_was_sent_twice_counts_once_and_one_that_was_not_committed_comes_again() {
    let server = Redis::start();
    Feeder::new(stream(&server), "gate").send(b"a\n").expect("send");
    // The same gate and number: the answer to the first was lost.
    Feeder::new(stream(&server), "gate").send(b"a\n").expect("send");
    let mut drawer = Drawer::new(stream(&server), "one", LIFE);
    let first = drawer.draw().expect("read").expect("its turn");
    let lines: Vec<_> = first.iter().map(|batch| batch.lines.as_slice()).collect();
    assert_eq!(lines, [&b"a\n"[..], b""]);
    // Not acknowledged: to the same detector, started anew, it comes again and is whole.
    drop(drawer);
    let mut drawer = Drawer::new(stream(&server), "one", LIFE);
    assert_eq!(drawer.draw().expect("read"), Some(first));
    drawer.leave().expect("leave");
    let mut other = Drawer::new(stream(&server), "other", LIFE);
    assert!(other.draw().expect("read").is_some(), "at once");
}
