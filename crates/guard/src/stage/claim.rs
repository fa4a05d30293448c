//! The last stage: the token is spent, in one atomic step, right before the first byte goes to the application. What
//! any stage before refuses spends nothing.

use palisade_event::{Code, Stage, Tag};

use crate::exchange::{CsrfState, Exchange};
use crate::ledger::{Spend, Spent};
use crate::step::{Claim, Claimed, Denial, Flow, Query};

/// When a client whose neighbourhood has used up its share may try again, in seconds.
const CROWDED_RETRY: u32 = 60;

pub(crate) fn check(exchange: &mut Exchange) -> Flow {
    if let Some(claimed) = exchange.claimed.take() {
        return told(exchange, claimed);
    }
    let (CsrfState::Verified(token), Some(session)) = (exchange.csrf, exchange.session) else { return Flow::Pass };
    Flow::Ask(Query::Claim(Claim {
        spend: Spend {
            session: session.number(),
            nonce: token.nonce,
            issued_millis: token.issued_millis,
            client: exchange.client,
            // By what the token was made for: one that could be spent in either partition could be spent twice.
            verified: token.identity != [0; 8],
        },
    }))
}

fn told(exchange: &mut Exchange, claimed: Claimed) -> Flow {
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
        Claimed::Told(Spent::Crowded) => {
            let denial = Denial::new(Stage::Claim, Code::RateLimited);
            Flow::Refuse(Denial { retry_after: Some(CROWDED_RETRY), ..denial })
        }
        Claimed::Unavailable => Flow::refuse(Stage::Claim, Code::StateUnavailable),
    }
}
