use std::future::{Ready, ready};
use std::sync::Arc;

use palisade_guard::{Ask, Claim, Resume, Settle, State};
use palisade_tower::Backend;

use crate::system;

/// State that lives in this process alone: what restarts forgets, and nodes do not share.
#[derive(Debug, Clone)]
pub struct Local {
    state: Arc<State>,
}

impl Local {
    /// Answers from `state`.
    #[must_use]
    pub fn new(state: Arc<State>) -> Local {
        Local { state }
    }
}

impl Backend for Local {
    type Answer = Ready<Resume>;

    fn claim(&self, ask: Ask<Claim>) -> Ready<Resume> {
        let claimed = self.state.claim(&ask.question, system::now());
        ready(ask.reply(claimed))
    }

    fn settle(&self, settle: Settle) {
        self.state.settle(&settle, system::now());
    }
}
