//! What would happen to a request, stage by stage: the same stages, run to the end whatever they say.

use std::sync::Arc;

use palisade_event::{Code, Kind, ORDER, Stage};

use crate::answer::Say;
use crate::env::Env;
use crate::exchange::Exchange;
use crate::plan::Plan;
use crate::stage::check;
use crate::step::{Flow, Query};
use crate::view::View;

/// What every stage says of a request.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The template of the route that was found.
    pub route: Option<String>,
    /// Its kind.
    pub kind: Option<Kind>,
    /// One ruling a stage, in order.
    pub rulings: Vec<(Stage, Ruling)>,
}

/// What one stage says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    /// No objection.
    Pass,
    /// It would refuse, with this code.
    Refuse(Code),
    /// The gate would answer by itself.
    Answer,
    /// It would read the beginning of the body and look for the token there.
    ReadBody,
    /// It would spend the token, or reserve the message.
    SpendToken,
    /// It would let the attempt wait.
    Wait,
    /// It would fetch the issuer's keys.
    FetchKeys,
    /// It would ask the state that gates share.
    AskState,
}

impl Plan {
    /// Explains a request. Unlike [`Plan::inspect`] it does not end at the first refusal.
    ///
    /// It charges limits as `inspect` does: give it a plan over a [`crate::State`] of its own.
    #[must_use]
    pub fn explain(self: &Arc<Self>, view: &View<'_>, env: &Env<'_>) -> Explanation {
        let mut exchange = Exchange::begin(Arc::clone(self), view, env);
        let rulings =
            ORDER.into_iter().map(|stage| (stage, Ruling::of(&check(stage, &mut exchange, view, env)))).collect();
        let plan = exchange.route.and_then(|_| exchange.route());
        Explanation { route: plan.map(|plan| plan.route.path.clone()), kind: plan.map(|plan| plan.route.kind), rulings }
    }
}

impl Explanation {
    /// The first refusal, which is what `inspect` answers.
    #[must_use]
    pub fn refusal(&self) -> Option<(Stage, Code)> {
        self.rulings.iter().find_map(|(stage, ruling)| match ruling {
            Ruling::Refuse(code) => Some((*stage, *code)),
            _ => None,
        })
    }
}

impl Ruling {
    fn of(flow: &Flow) -> Ruling {
        match flow {
            Flow::Pass => Ruling::Pass,
            Flow::Refuse(denial) => Ruling::Refuse(denial.code),
            Flow::Say(Say::Refuse(denial) | Say::SignIn(denial)) => Ruling::Refuse(denial.code),
            Flow::Say(Say::TurnAway(code, _)) => Ruling::Refuse(*code),
            Flow::Say(Say::ToHttps | Say::CsrfToken | Say::Options(_) | Say::Preflight | Say::Acknowledge) => {
                Ruling::Answer
            }
            Flow::Ask(Query::Collect(_) | Query::Fold) => Ruling::ReadBody,
            Flow::Ask(Query::Claim(_)) => Ruling::SpendToken,
            Flow::Ask(Query::Pause(_)) => Ruling::Wait,
            Flow::Ask(Query::Keys(_)) => Ruling::FetchKeys,
            Flow::Ask(Query::Lease(_)) => Ruling::AskState,
        }
    }
}
