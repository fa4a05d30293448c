//! What is told, and what became of it: the outbox, over both databases.

use std::time::Duration;

use palisade_event::{Priority, State};
use palisade_watch::store::{Blocked, Deal, Letter, LetterFilter, LetterState, Outcome, Place, Store};

use super::{START, at, incident, incidents};

fn letter(id: &str, thread: &str, priority: Priority) -> Letter {
    Letter { id: id.to_owned(), channel: "a".to_owned(), thread: thread.to_owned(), priority, body: "{}".to_owned() }
}

pub(super) fn an_incident_is_new_until_a_message_about_it_is_kept(place: &Place) {
    let mut store = Store::open(place).expect("a store");
    store.commit(&incidents([incident("a", 5), incident("b", 5)]), at(START)).expect("committed");
    let untold = store.untold(10).expect("a list");
    assert_eq!(untold.iter().map(|it| it.before).collect::<Vec<_>>(), [None, None]);
    let told = |state, held| untold.iter().map(|it| (it.kept.key, Priority::P3, state, held)).collect();
    let deal =
        Deal { told: told(State::Open, false), letters: vec![letter("m1", "t", Priority::P2)], ..Deal::default() };
    store.deal(&deal, at(START)).expect("kept");
    assert!(store.untold(10).expect("a list").is_empty());
    // More of the same is nothing new; another state is.
    store.commit(&incidents([incident("a", 9)]), at(START + 1)).expect("committed");
    assert!(store.untold(10).expect("a list").is_empty());
    let key = untold[0].kept.key;
    store.acknowledge(key, "ann", "", at(START + 2)).expect("acknowledged");
    let again = store.untold(10).expect("a list");
    assert_eq!(
        (again.len(), again[0].kept.state, again[0].before),
        (1, State::Acknowledged, Some((Priority::P3, State::Open)))
    );
    // Held back, and looked at anew.
    store.deal(&Deal { told: told(State::Open, true), ..Deal::default() }, at(START + 3)).expect("kept");
    assert!(store.untold(10).expect("a list").is_empty());
    store
        .deal(&Deal { release: true, memory: Some(b"memory".to_vec()), ..Deal::default() }, at(START + 4))
        .expect("kept");
    assert_eq!(store.untold(10).expect("a list").len(), 2);
    assert_eq!(store.memory().expect("a mark").as_deref(), Some(&b"memory"[..]));
}

pub(super) fn messages_go_out_in_order_and_none_a_third_time(place: &Place) {
    let mut store = Store::open(place).expect("a store");
    let letters = vec![letter("m1", "t", Priority::P2), letter("m3", "other", Priority::P1)];
    store.deal(&Deal { letters, ..Deal::default() }, at(START)).expect("kept");
    let letters = vec![letter("m2", "t", Priority::P1), letter("m1", "t", Priority::P1)];
    store.deal(&Deal { letters, ..Deal::default() }, at(START + 1)).expect("kept, and a copy passed over");
    let next = |store: &mut Store, micros| {
        store.next_letter("a", at(START + micros)).expect("a query").map(|posted| posted.letter.id)
    };
    assert_eq!(next(&mut store, 5).as_deref(), Some("m3"), "the most urgent, but none before those of its thread");
    store.settle_letter("m3", &Outcome::Delivered, at(START + 5)).expect("settled");
    assert_eq!(next(&mut store, 5).as_deref(), Some("m1"));
    let again = Outcome::Again { why: "answered 500".to_owned(), after: Duration::from_secs(2) };
    store.begin_letter("m1", at(START + 5)).expect("begun");
    store.settle_letter("m1", &again, at(START + 5)).expect("settled");
    assert_eq!((next(&mut store, 1_000_000), next(&mut store, 2_000_005).as_deref()), (None, Some("m1")));
    // Twice it ends in the middle: it may have been delivered twice, and is never sent again.
    for (ended, expected) in [(1, Some("m1")), (2, Some("m2"))] {
        store.begin_letter("m1", at(START + 3_000_000)).expect("begun");
        store.take_over(at(START + 3_000_000)).expect("taken over");
        assert_eq!(next(&mut store, 3_000_000).as_deref(), expected, "after {ended}");
    }
    let dead = store.letters(LetterFilter { state: Some(LetterState::Dead), limit: 0 }).expect("a list");
    assert_eq!((dead.len(), dead[0].attempts, dead[0].letter.id.as_str()), (1, 3, "m1"));
    assert_eq!(store.retry_letters(Some("m1"), at(START + 4_000_000)).expect("changed"), 1);
    assert_eq!(next(&mut store, 4_000_000).as_deref(), Some("m1"));
    assert_eq!(store.abandon(&["b"], at(START + 5_000_000)).expect("changed"), 2);
    assert_eq!(next(&mut store, 9_000_000), None);
    let counts = store.letter_counts().expect("counts");
    assert_eq!(counts.iter().map(|(_, _, count)| count).sum::<u64>(), 3);
}

pub(super) fn blocks_end_are_lifted_and_are_a_thousand_at_most(place: &Place) {
    let mut store = Store::open(place).expect("a store");
    let block = |net: &str, seconds: u64| Blocked {
        net: net.parse().expect("a net"),
        until: at(START + seconds * 1_000_000),
        since: at(START),
        by: "ann".to_owned(),
        why: "a scraper".to_owned(),
        incident: None,
    };
    assert!(
        store.block(&block("203.0.113.7", 60)).expect("kept")
            && store.block(&block("2001:db8:7::/48", 90)).expect("kept")
    );
    assert!(store.block(&block("203.0.113.7", 120)).expect("prolonged"));
    let live = |store: &mut Store, seconds: u64| {
        let blocks = store.blocks(at(START + seconds * 1_000_000)).expect("a list");
        blocks.iter().map(|block| block.net.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(live(&mut store, 89), ["2001:db8:7::/48", "203.0.113.7"]);
    assert_eq!(live(&mut store, 100), ["203.0.113.7"]);
    assert!(store.unblock("203.0.113.7".parse().expect("a net")).expect("lifted"));
    assert!(!store.unblock("203.0.113.7".parse().expect("a net")).expect("nothing there"));
    let taken = (0..1010_u32).filter(|n| {
        let net = std::net::Ipv4Addr::from(0xc633_0000 + n).to_string();
        store.block(&block(&net, 60)).expect("asked")
    });
    assert_eq!(taken.count(), 999, "and the /48");
}

pub(super) fn one_of_two_sends(place: &Place) {
    use palisade_watch::store::Lock;
    let (mut first, mut second) = (Store::open(place).expect("a store"), Store::open(place).expect("a store"));
    let (mut one, mut two) = (Lock::new(place), Lock::new(place));
    assert!(one.held(&mut first).expect("asked") && !two.held(&mut second).expect("asked"));
    assert!(one.held(&mut first).expect("asked again"));
    drop((one, first));
    palisade_testkit::eventually("the place is free", || two.held(&mut second).expect("asked"));
}
