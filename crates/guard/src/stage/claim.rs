//! The last stage: an attempt to sign in is counted, a token is spent, a signed message reserved, in one atomic step, right before the first byte goes to
//! the application. What any stage before refuses spends nothing.

use palisade_event::{Code, Stage, Tag};
use palisade_policy::{Mode, Outage};

use crate::answer::Say;
use crate::env::Env;
use crate::exchange::{CsrfState, Exchange};
use crate::inbox::Held;
use crate::ledger::{Spend, Spent};
use crate::login;
use crate::stage::UNAVAILABLE_RETRY;
use crate::step::{Claim, Claimed, Denial, Flow, Query};
use crate::view::View;

/// When a client whose neighbourhood has used up its share may try again, in seconds.
const CROWDED_RETRY: u32 = 60;

pub(crate) fn check(exchange: &mut Exchange, view: &View<'_>, env: &Env<'_>) -> Flow {
    if !login::asks(exchange)
        && let Some(claimed) = exchange.claimed.take()
    {
        return conclude(exchange, claimed, env);
    }
    // An attempt to sign in is charged before its token is spent, so that who is locked out spends none; and waits after,
    // so that nobody waits for ever with a token that is used up.
    match login::charge(exchange, view, env) {
        Flow::Pass => {}
        other => return other,
    }
    if let Some(message) = exchange.message.as_ref().filter(|message| !message.held) {
        let claim = Claim::Reserve(message.reserve);
        return ask(exchange, claim, env);
    }
    let Some(spend) = spend(exchange) else { return login::wait(exchange) };
    // What is known here costs the others no question.
    let known = exchange.plan.shared.and_then(|_| exchange.plan.state.ledger.known(&spend));
    match known {
        Some(spent) => conclude(exchange, Claimed::Told(spent), env),
        None => ask(exchange, Claim::Spend(spend), env),
    }
}

fn conclude(exchange: &mut Exchange, claimed: Claimed, env: &Env<'_>) -> Flow {
    let flow = if exchange.message.is_some() { held(exchange, claimed) } else { told(exchange, claimed, env) };
    match flow {
        Flow::Pass => login::wait(exchange),
        Flow::Refuse(_) => {
            login::release(exchange, env);
            flow
        }
        other => other,
    }
}

fn ask(exchange: &mut Exchange, claim: Claim, env: &Env<'_>) -> Flow {
    if exchange.plan.shared.is_some() {
        exchange.sharing.get_or_insert_default().asks(env.now.mono);
    }
    Flow::Ask(Query::Claim(claim))
}

fn spend(exchange: &Exchange) -> Option<Spend> {
    let (CsrfState::Verified(token), Some(session)) = (exchange.csrf, exchange.session) else { return None };
    Some(Spend {
        session: session.number(),
        nonce: token.nonce,
        issued_millis: token.issued_millis,
        client: exchange.client,
        // By what the token was made for: one that could be spent in either partition could be spent twice.
        verified: token.identity != [0; 8],
    })
}

/// What the others say is also kept here: to refuse copies without asking, to bound what a neighbourhood has them
/// remember, and to decide alone while they cannot be asked.
fn here(exchange: &Exchange, claimed: Claimed, env: &Env<'_>) -> Claimed {
    let Some((outage, spend)) = exchange.plan.shared.zip(spend(exchange)) else { return claimed };
    let state = &exchange.plan.state;
    let spent = || state.ledger.spend(&spend, env.now.wall.millis());
    match claimed {
        // They forgot what this gate did not.
        Claimed::Told(Spent::First { .. }) if spent() == Spent::Again => Claimed::Told(Spent::Again),
        Claimed::Unavailable { .. } if outage == Outage::ByKind => {
            let spent = spent();
            if matches!(spent, Spent::First { .. }) {
                state.alone.spent(spend);
            }
            Claimed::Told(spent)
        }
        claimed => claimed,
    }
}

fn told(exchange: &mut Exchange, claimed: Claimed, env: &Env<'_>) -> Flow {
    let claimed = here(exchange, claimed, env);
    let CsrfState::Verified(token) = exchange.csrf else { return Flow::Pass };
    exchange.csrf = CsrfState::Spent(token.identity);
    match claimed {
        Claimed::Told(Spent::First { forgot }) => {
            if forgot {
                exchange.tag(Tag::ClaimWatermark);
            }
            Flow::Pass
        }
        Claimed::Told(Spent::Again) => Flow::refuse(Stage::Claim, Code::CsrfTokenReused),
        Claimed::Told(Spent::Forgotten) => Flow::refuse(Stage::Claim, Code::CsrfTokenExpired),
        Claimed::Told(Spent::Crowded) => later(Code::RateLimited, CROWDED_RETRY),
        // The answer to another question is none.
        Claimed::Held(_) | Claimed::Attempted(_) | Claimed::Unavailable { .. } => {
            later(Code::StateUnavailable, UNAVAILABLE_RETRY)
        }
    }
}

fn held(exchange: &mut Exchange, claimed: Claimed) -> Flow {
    match claimed {
        Claimed::Held(Held::First { forgot }) => {
            if forgot {
                exchange.tag(Tag::ClaimWatermark);
            }
            if let Some(message) = exchange.message.as_mut() {
                message.held = true;
            }
            Flow::Pass
        }
        Claimed::Held(Held::InFlight { seconds }) => later(Code::InFlight, u32::from(seconds).max(1)),
        Claimed::Held(Held::DoneSame) => Flow::refuse(Stage::Claim, Code::SignatureReplayed),
        Claimed::Held(Held::DoneFresh) => {
            exchange.tag(Tag::MessageRepeated);
            // Observing, the gate says nothing by itself that the application would have said.
            if exchange.mode() == Mode::Enforce { Flow::Say(Say::Acknowledge) } else { Flow::Pass }
        }
        Claimed::Held(Held::Forgotten | Held::Crowded)
        | Claimed::Told(_)
        | Claimed::Attempted(_)
        | Claimed::Unavailable { .. } => later(Code::StateUnavailable, UNAVAILABLE_RETRY),
    }
}

fn later(code: Code, seconds: u32) -> Flow {
    Flow::Refuse(Denial { retry_after: Some(seconds), ..Denial::new(Stage::Claim, code) })
}
