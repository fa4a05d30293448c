use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::testing::at;

const FIRST: Held = Held::First { forgot: false };
const START: u64 = 1_800_000_000;

fn message(number: u64, signed_at: u64) -> Reserve {
    Reserve {
        message: number.into(),
        signed: (u128::from(number) << 64) | u128::from(signed_at),
        ticket: signed_at ^ number,
        signed_seconds: Some(signed_at),
        hold: Duration::from_secs(35),
        keep: Duration::from_secs(3 * 86_400),
    }
}

fn now(seconds: u64) -> Now {
    at(seconds).0
}

#[test]
fn a9_of_a_hundred_copies_at_once_exactly_one_is_first() {
    let inbox = Inbox::new(64);
    let firsts = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for ticket in 0..100 {
            let (inbox, firsts) = (&inbox, &firsts);
            scope.spawn(move || {
                let copy = Reserve { ticket, ..message(1, START) };
                if inbox.reserve(&copy, now(START)) == FIRST {
                    firsts.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(firsts.into_inner(), 1);
}

#[test]
fn a9_a_done_message_is_told_from_one_in_flight_and_its_retry_from_its_replay() {
    let inbox = Inbox::new(64);
    let first = message(1, START);
    assert_eq!(inbox.reserve(&first, now(START)), FIRST);
    assert_eq!(inbox.reserve(&first, now(START + 5)), Held::InFlight { seconds: 30 });
    inbox.settle(&Settle::Confirm(first), now(START + 6));
    assert_eq!(inbox.reserve(&first, now(START + 7)), Held::DoneSame);
    let retry = message(1, START + 3600);
    assert_eq!(inbox.reserve(&retry, now(START + 3600)), Held::DoneFresh);
    assert_eq!(inbox.reserve(&retry, now(START + 3 * 86_400 + 5)), Held::DoneFresh);
    assert_eq!(inbox.reserve(&retry, now(START + 3 * 86_400 + 6)), FIRST, "its time is over");
}

#[test]
fn a9_a_released_or_deserted_reservation_is_free_and_a_late_release_frees_no_other() {
    let inbox = Inbox::new(64);
    let first = message(1, START);
    assert_eq!(inbox.reserve(&first, now(START)), FIRST);
    inbox.settle(&Settle::Release(first), now(START));
    let second = Reserve { ticket: 7, ..first };
    assert_eq!(inbox.reserve(&second, now(START + 1)), FIRST);
    inbox.settle(&Settle::Release(first), now(START + 2));
    assert_eq!(inbox.reserve(&first, now(START + 3)), Held::InFlight { seconds: 33 });
    assert_eq!(inbox.reserve(&first, now(START + 36)), FIRST, "nobody settled it");
    inbox.settle(&Settle::Confirm(second), now(START + 37));
    assert_eq!(inbox.reserve(&first, now(START + 38)), Held::DoneSame, "the application took it, late");
    inbox.settle(&Settle::Release(first), now(START + 39));
    assert_eq!(inbox.reserve(&first, now(START + 40)), Held::DoneSame, "a release undoes no confirmation");
}

#[test]
fn a9_a_full_room_forgets_nothing_that_could_be_replayed() {
    let inbox = Inbox::new(4);
    for number in 0..4 {
        let one = message(number, START + number);
        assert_eq!(inbox.reserve(&one, now(START + number)), FIRST);
        inbox.settle(&Settle::Confirm(one), now(START + number));
    }
    assert_eq!(inbox.reserve(&message(9, START + 9), now(START + 9)), Held::First { forgot: true });
    assert_eq!(inbox.reserve(&message(0, START), now(START + 10)), Held::Forgotten);
    assert_eq!(inbox.reserve(&message(1, START + 1), now(START + 10)), Held::DoneSame);
    // An hour later the date alone protects what goes, and nobody has to be put off.
    let later = START + 3600;
    assert_eq!(inbox.reserve(&message(10, later - 200), now(later)), FIRST, "the one in flight was never settled");
    assert_eq!(inbox.reserve(&message(12, later - 200), now(later)), Held::First { forgot: true });
    assert_eq!(inbox.reserve(&message(11, later - 200), now(later)), Held::First { forgot: true });
}

#[test]
fn a9_a_room_full_of_messages_in_flight_takes_no_more_and_keeps_its_size() {
    let inbox = Inbox::new(4);
    for number in 0..4 {
        assert_eq!(inbox.reserve(&message(number, START), now(START)), FIRST);
    }
    assert_eq!(inbox.reserve(&message(9, START), now(START)), Held::Crowded);
    let undated = Reserve { signed_seconds: None, ..message(9, 0) };
    assert_eq!(inbox.reserve(&undated, now(START)), FIRST, "the rooms are apart");
    for number in 0..1000 {
        let one = Reserve { signed_seconds: None, ..message(number, 0) };
        let _ = inbox.reserve(&one, now(START));
        inbox.settle(&Settle::Confirm(one), now(START));
    }
    let room = inbox.undated.lock().expect("lock");
    assert!(room.known.len() <= 4 && room.done.len() + room.flying.len() == room.known.len());
}
