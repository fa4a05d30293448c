//! Which upstream takes the next request.

use std::cell::Cell;
use std::rc::Rc;

use super::member::Member;
use super::vital::Outlook;

/// The upstreams of one thread.
///
/// The one with the least requests for its weight is taken: applications answer in very different times, and taking
/// turns would queue requests behind a slow one while others are idle. Among equals, which under little load all are,
/// turns are taken by weight (smooth weighted round robin), so that weights hold at every load. Each thread counts its
/// own requests only.
#[derive(Debug)]
pub(crate) struct Choice {
    candidates: Vec<Candidate>,
    total: i64,
}

#[derive(Debug)]
struct Candidate {
    member: Rc<Member>,
    weight: u32,
    credit: Cell<i64>,
}

/// What was chosen. As long as it lives, the upstream counts one request more.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) member: Rc<Member>,
    pub(crate) turn: Turn,
    /// The upstream was out, and this request tries it.
    pub(crate) trial: bool,
}

/// A request of an upstream, counted.
#[derive(Debug)]
pub(crate) struct Turn(Rc<Cell<u32>>);

// === impl Choice ===

impl Choice {
    pub(crate) fn new(members: impl IntoIterator<Item = (Rc<Member>, u16)>) -> Choice {
        let candidate = |(member, weight)| Candidate { member, weight: u32::from(weight).max(1), credit: Cell::new(0) };
        let candidates: Vec<Candidate> = members.into_iter().map(candidate).collect();
        let total = candidates.iter().map(|candidate| i64::from(candidate.weight)).sum();
        Choice { candidates, total }
    }

    /// Whom to ask; not `other`, if there is anybody else. Where all are out, it is as if none were: the request fails
    /// anyway if they are, and succeeds if they have come back.
    pub(crate) fn pick(&self, other: Option<&Rc<Member>>, now: impl Fn() -> u64) -> Option<Chosen> {
        if let [only] = self.candidates.as_slice() {
            return Some(only.chosen(false));
        }
        let is_other = |candidate: &Candidate| other.is_some_and(|other| Rc::ptr_eq(other, &candidate.member));
        for candidate in self.candidates.iter().filter(|candidate| !is_other(candidate)) {
            let vital = &candidate.member.seat.vital;
            // Whoever asks a second time wants an answer, not to find out.
            if vital.outlook(&now) == Outlook::Due && other.is_none() && vital.begin_trial(now()) {
                return Some(candidate.chosen(true));
            }
        }
        let well = |candidate: &&Candidate| candidate.member.seat.vital.outlook(&now) == Outlook::Well;
        let others = || self.candidates.iter().filter(|candidate| !is_other(candidate));
        let least = self.least(others().filter(well)).or_else(|| self.least(others()));
        least.map(|candidate| candidate.chosen(false))
    }

    fn least<'c>(&self, among: impl Iterator<Item = &'c Candidate>) -> Option<&'c Candidate> {
        let mut best: Option<&Candidate> = None;
        let mut given = 0;
        for candidate in among {
            given += candidate.earn(self.total);
            let better = best.is_none_or(|best| {
                let (mine, its) = (candidate.load(best.weight), best.load(candidate.weight));
                mine < its || (mine == its && candidate.credit.get() > best.credit.get())
            });
            if better {
                best = Some(candidate);
            }
        }
        let best = best?;
        best.credit.set(best.credit.get() - given);
        Some(best)
    }
}

impl Candidate {
    fn chosen(&self, trial: bool) -> Chosen {
        Chosen { member: Rc::clone(&self.member), turn: Turn::begin(&self.member.busy), trial }
    }

    /// Its requests, times another's weight: what is compared instead of fractions.
    fn load(&self, weight: u32) -> u64 {
        u64::from(self.member.busy.get()) * u64::from(weight)
    }

    /// Takes its share of what is given out, up to a bound, so that nobody saves up while it is slow. Says how much.
    fn earn(&self, total: i64) -> i64 {
        let before = self.credit.get();
        self.credit.set((before + i64::from(self.weight)).min(total));
        self.credit.get() - before
    }
}

// === impl Turn ===

impl Turn {
    fn begin(busy: &Rc<Cell<u32>>) -> Turn {
        busy.set(busy.get().saturating_add(1));
        Turn(Rc::clone(busy))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use palisade_policy::{Origin, Upstream};

    use crate::upstream::fleet::Fleet;

    fn choice(weights: &[u16]) -> (Choice, Fleet) {
        let origin = |port| Origin::parse(&format!("http://127.0.0.1:{port}")).expect("origin");
        let ups: Vec<Upstream> =
            weights.iter().zip(1..).map(|(weight, port)| Upstream { origin: origin(port), weight: *weight }).collect();
        let fleet = Fleet::new(&ups, None, 1, None);
        let members = fleet.seats.iter().map(|seat| (Rc::new(Member::new(seat, 0, Duration::ZERO)), seat.weight));
        (Choice::new(members), fleet)
    }

    fn port(chosen: &Chosen) -> usize {
        usize::from(chosen.member.seat.origin.port())
    }

    #[test]
    fn weights_hold_one_at_a_time_and_many_at_once() {
        let (choice, _) = choice(&[5, 3, 2]);
        let mut counts = [0; 4];
        for _ in 0..100 {
            counts[port(&choice.pick(None, || 0).expect("one"))] += 1;
        }
        assert_eq!(counts, [0, 50, 30, 20]);
        let mut counts = [0; 4];
        let held: Vec<Chosen> = (0..100).filter_map(|_| choice.pick(None, || 0)).collect();
        held.iter().for_each(|chosen| counts[port(chosen)] += 1);
        assert_eq!(counts, [0, 50, 30, 20]);
    }

    #[test]
    fn the_slow_one_gets_less() {
        let (choice, _) = choice(&[1, 1]);
        let slow = choice.pick(None, || 0).expect("one");
        for _ in 0..10 {
            assert_ne!(port(&choice.pick(None, || 0).expect("one")), port(&slow));
        }
        let slow_port = port(&slow);
        drop(slow);
        let after: Vec<usize> = (0..4).filter_map(|_| choice.pick(None, || 0)).map(|chosen| port(&chosen)).collect();
        assert!(after.iter().filter(|port| **port == slow_port).count() <= 3, "it has saved nothing up: {after:?}");
    }

    #[test]
    fn who_is_out_is_avoided_tried_once_and_asked_when_nobody_else_is_there() {
        let (choice, fleet) = choice(&[1, 1]);
        let [first, second] = fleet.seats.as_slice() else { panic!("two") };
        first.vital.failed(false, 1);
        assert!((0..4).filter_map(|_| choice.pick(None, || 2)).all(|chosen| port(&chosen) == 2 && !chosen.trial));
        let trial = choice.pick(None, || 1_000_001).expect("one");
        assert!(port(&trial) == 1 && trial.trial);
        let tried = Rc::clone(&trial.member);
        assert!((0..4).filter_map(|_| choice.pick(None, || 1_000_001)).all(|chosen| port(&chosen) == 2));
        drop(trial);
        second.vital.failed(false, 1_000_001);
        let asked: Vec<usize> = (0..2).filter_map(|_| choice.pick(None, || 1_000_002)).map(|it| port(&it)).collect();
        assert!(asked.contains(&1) && asked.contains(&2), "{asked:?}");
        let other = choice.pick(Some(&tried), || 1_000_002).expect("one");
        assert_eq!(port(&other), 2);
        assert!(Choice::new([]).pick(None, || 0).is_none());
    }
}
