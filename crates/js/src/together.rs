//! What several gates share, as this gate knows it. JavaScript carries the questions to the server through a client
//! that the app already has; what is asked, and what an answer means, is [`palisade_guard::shared`]'s.

use std::time::Duration;

use palisade_guard::shared::{Beat, Call, Late, Lease, Leased, Space, read_blocks};
use palisade_guard::{Claim, Claimed, Env, MonoMicros, State};
use palisade_policy::Policy;

/// One gate's view of the server.
#[derive(Debug)]
pub(crate) struct Together {
    space: Space,
    /// A number of its own, drawn at its start.
    node: u64,
    /// Whether the server is asked: it has answered, and has been told what was decided without it.
    up: bool,
    nodes: u32,
    since_millis: u64,
    /// Which of the server's blocks it has, and which are known here.
    blocks: i64,
    known: Option<i64>,
    /// What is to be told, the last first.
    late: Late,
    /// Tokens that this gate took alone, and those of them that another gate took too, since that was last told.
    alone: u64,
    replayed: u64,
}

// === impl Together ===

impl Together {
    pub(crate) fn new(policy: &Policy, env: &Env<'_>) -> Together {
        let mut node = [0; 8];
        env.entropy.fill(&mut node);
        Together {
            space: Space::of(policy),
            node: u64::from_le_bytes(node),
            up: false,
            nodes: 1,
            since_millis: 0,
            blocks: 0,
            known: None,
            late: Late::default(),
            alone: 0,
            replayed: 0,
        }
    }

    /// The sign of life that is to be given.
    pub(crate) fn beat(&self, wall_millis: u64) -> Call {
        self.space.beat(self.node, wall_millis)
    }

    /// What the server said to it; whether that was an answer.
    pub(crate) fn beaten(&mut self, answer: &[i64]) -> bool {
        let Some(beat) = Beat::read(answer) else { return false };
        (self.nodes, self.since_millis, self.blocks) = (beat.nodes, beat.since_millis, beat.blocks);
        true
    }

    /// The question who is shut out, where the server has other blocks than those known here.
    pub(crate) fn ask_blocks(&self) -> Option<Call> {
        (self.known != Some(self.blocks)).then(|| self.space.blocks())
    }

    /// Takes in its answer; whether that was one.
    pub(crate) fn blocked(&mut self, answer: &[i64], state: &State, now: MonoMicros) -> bool {
        let Some(list) = read_blocks(answer) else { return false };
        let micros = |left: Duration| u64::try_from(left.as_micros()).unwrap_or(u64::MAX);
        let end = |left| MonoMicros(now.0.saturating_add(micros(left)));
        state.blocks.replace(list.into_iter().map(|(net, left)| (net, end(left))), now);
        self.known = Some(self.blocks);
        true
    }

    /// From now on the server is asked, or is out. Says how many tokens were taken alone before, and how many of them
    /// twice.
    pub(crate) fn reach(&mut self, up: bool) -> (u64, u64) {
        self.up = up;
        if up { (std::mem::take(&mut self.alone), std::mem::take(&mut self.replayed)) } else { (0, 0) }
    }

    /// What the server is asked.
    ///
    /// # Errors
    /// The answer, where there is no use in asking.
    pub(crate) fn lease(&self, lease: &Lease) -> Result<Call, Leased> {
        if self.up { Ok(lease.call(self.space)) } else { Err(self.leased(lease, None)) }
    }

    /// What the server's answer means; none is that it is out.
    pub(crate) fn leased(&self, lease: &Lease, answer: Option<&[i64]>) -> Leased {
        let told = answer.and_then(|answer| lease.read(answer));
        told.map_or(Leased::Unavailable { nodes: self.nodes }, Leased::Told)
    }

    /// What the server is asked.
    ///
    /// # Errors
    /// The answer, where there is no use in asking.
    pub(crate) fn claim(&self, claim: &Claim) -> Result<Call, Claimed> {
        // While the server is out nobody knows what it will remember.
        if self.up { claim.call(self.space, self.since_millis) } else { Err(self.claimed(claim, None)) }
    }

    /// What the server's answer means; none is that it is out.
    pub(crate) fn claimed(&self, claim: &Claim, answer: Option<&[i64]>) -> Claimed {
        answer.and_then(|answer| claim.read(answer)).unwrap_or(Claimed::Unavailable { nodes: self.nodes })
    }

    /// What is to be told next: tokens that were taken without asking, ends of messages.
    pub(crate) fn next(&mut self, state: &State) -> Option<Call> {
        if self.late.spends.is_empty() && self.late.settles.is_empty() {
            self.late = state.alone.take();
            self.alone += std::mem::take(&mut self.late.untold);
        }
        let spend = self.late.spends.last().map(|spend| spend.call(self.space));
        spend.or_else(|| self.late.settles.last().map(|settle| settle.call(self.space)))
    }

    /// The server has answered [`Together::next`].
    pub(crate) fn told(&mut self, answer: &[i64]) {
        let Some(spend) = self.late.spends.pop() else {
            self.late.settles.pop();
            return;
        };
        self.alone += 1;
        self.replayed += u64::from(Claim::Spend(spend).read(answer).is_some_and(|claimed| claimed.is_replay()));
    }
}

#[cfg(test)]
mod tests {
    use palisade_event::ClientKey;
    use palisade_guard::shared::Told;
    use palisade_guard::{Entropy, MonoMicros, Now, Spend, WallMicros};
    use palisade_policy::{Limit, Origin};

    use super::*;

    struct Sevens;

    impl Entropy for Sevens {
        fn fill(&self, out: &mut [u8]) {
            out.fill(7);
        }
    }

    fn together() -> (Together, std::sync::Arc<State>) {
        let origin = Origin::parse("https://shop.example").expect("origin");
        let policy = Policy::builder("shop", vec![origin]).build().expect("policy");
        let env = Env { now: Now { wall: WallMicros(0), mono: MonoMicros(0) }, entropy: &Sevens };
        (Together::new(&policy, &env), State::new(&policy.limits, &env))
    }

    #[test]
    fn a_server_that_has_not_answered_is_not_asked() {
        let (mut shared, _) = together();
        let lease = Lease { limit: Limit::parse("5/min").expect("limit"), scope: 1, client: 2, cost: 1, most: 1 };
        let spend = Claim::Spend(Spend {
            session: 1,
            nonce: 2,
            issued_millis: 100,
            verified: false,
            client: ClientKey::of([192, 0, 2, 1].into()),
        });
        assert_eq!(shared.lease(&lease).err(), Some(Leased::Unavailable { nodes: 1 }));
        assert_eq!(shared.claim(&spend).err(), Some(Claimed::Unavailable { nodes: 1 }));
        assert!(!shared.beaten(&[1]) && shared.beaten(&[3, 50, 1]));
        shared.reach(true);
        assert!(shared.lease(&lease).is_ok() && shared.claim(&spend).is_ok());
        assert_eq!(shared.leased(&lease, Some(&[1, 9])), Leased::Told(Told { granted: 1, debt: 9 }));
        for odd in [None, Some(&[][..]), Some(&[1]), Some(&[-1, 0])] {
            assert_eq!(shared.leased(&lease, odd), Leased::Unavailable { nodes: 3 }, "{odd:?}");
        }
        shared.reach(false);
        assert!(shared.lease(&lease).is_err());
    }

    #[test]
    fn blocks_are_asked_for_when_they_are_others() {
        let (mut shared, state) = together();
        assert!(shared.beaten(&[1, 50, 7]) && shared.ask_blocks().is_some());
        assert!(!shared.blocked(&[1], &state, MonoMicros(0)) && shared.ask_blocks().is_some());
        assert!(shared.blocked(&[], &state, MonoMicros(0)) && shared.ask_blocks().is_none());
        assert!(shared.beaten(&[1, 50, 8]) && shared.ask_blocks().is_some());
    }

    #[test]
    fn nothing_is_told_where_nothing_was_decided_alone() {
        let (mut shared, state) = together();
        assert_eq!(shared.next(&state), None);
        shared.told(&[0]);
        assert_eq!(shared.reach(true), (0, 0));
    }
}
