//! The token is genuine, of this session, and alive. It is not spent here: later stages may still refuse.

use palisade_event::{Code, Stage};

use crate::env::Env;
use crate::exchange::{CsrfState, Exchange};
use crate::form;
use crate::step::Flow;
use crate::token::{BadToken, Token};
use crate::view::View;

pub(crate) fn check(exchange: &mut Exchange, view: &View<'_>, env: &Env<'_>) -> Flow {
    if exchange.csrf != CsrfState::Needed {
        return Flow::Pass;
    }
    let mut lines = view.headers.get_all(exchange.plan.policy.csrf.header.as_str()).iter();
    match (lines.next(), lines.next()) {
        (Some(line), None) => match line.to_str() {
            Ok(text) => verify(exchange, text, env),
            Err(_) => Flow::refuse(Stage::CsrfToken, Code::CsrfTokenInvalid),
        },
        (Some(_), Some(_)) => Flow::refuse(Stage::CsrfToken, Code::HeaderMalformed),
        // A form carries it in its body, which is read only after every check of the head.
        (None, _) if form::Encoding::of(view.headers).is_some() => Flow::Pass,
        (None, _) => Flow::refuse(Stage::CsrfToken, Code::CsrfTokenMissing),
    }
}

pub(crate) fn verify(exchange: &mut Exchange, text: &str, env: &Env<'_>) -> Flow {
    let Some(session) = exchange.session else {
        return Flow::refuse(Stage::CsrfToken, Code::CsrfTokenInvalid);
    };
    match Token::read(text, &session, &exchange.plan.keys, env.now.wall) {
        Ok(token) => {
            exchange.csrf = CsrfState::Verified(token);
            Flow::Pass
        }
        Err(BadToken::Invalid) => Flow::refuse(Stage::CsrfToken, Code::CsrfTokenInvalid),
        Err(BadToken::Expired) => Flow::refuse(Stage::CsrfToken, Code::CsrfTokenExpired),
    }
}
