//! Failed sign-ins, counted apart (SECURITY.md 14; OWASP "Slow Down Online Guessing Attacks with Device Cookies").
//!
//! An attempt is charged as it is admitted, so that parallel guesses find the count already taken, and given back when
//! the application says that it succeeded. Three counts:
//!
//! - of an account and a client, which locks that client out of that account (403). A client is an address, or the
//!   browser that signed in to the account before and shows its cookie: who guesses elsewhere, or from the same
//!   address, cannot lock it out;
//! - of an account, wherever the guesses come from, which only slows clients down that never signed in to it;
//! - without a declared account, of a client alone.
//!
//! An attempt that the application did not judge (no answer, or a server error) is given back too, but only as often
//! as an attempt may fail: who finds a way to make the application fail after it has judged gets no free guesses.
//!
//! Where gates share their state, the counts are the server's, which is asked once an attempt and told once of a success.
//!
//! Not done: a browser is known to one account at a time; and the slowed attempts of an account share a few places, those
//! of each gate, so under a distributed attack a new browser may have to try more than once.

mod count;
mod device;
mod fold;
mod name;
mod room;

pub(crate) use device::strip as strip_device;
pub(crate) use fold::Folds;
pub use fold::{Fold, Folded};
pub(crate) use name::{Name, Unnamed, letters, named};
pub(crate) use room::Room;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header, response};
use palisade_event::{Code, Kind, Outcome, Stage, Tag};
use palisade_policy::{Mode, Route, SIGN_IN, Success};

use crate::env::Env;
use crate::exchange::Exchange;
use crate::inbox::Settle;
use crate::limiter::{Charge, Limiter};
use crate::plan::{RoutePlan, scope_number};
use crate::shared::Attempt;
use crate::state::{Reserved, State};
use crate::step::{Collect, Denial, Flow, Pause, Query};
use crate::view::View;
use count::{Charged, Counted};
use device::{Account, Device};
use palisade_policy::json::read_json;
use room::Place;

/// What a login route counts by.
#[derive(Debug)]
pub(crate) struct LoginPlan {
    /// Where the body names the account.
    pub(crate) identifier: Option<String>,
    success: Success,
    /// Tells this route's counts from others' in the same table.
    scope: u32,
    /// The same for attempts that were not judged.
    unjudged: u32,
    lock: Arc<Limiter>,
    slow: Arc<Limiter>,
}

/// One attempt.
#[derive(Debug, Default)]
pub(crate) struct Login {
    /// The account.
    name: Option<Name>,
    /// Whether those who share the counts have been asked.
    asked: bool,
    charged: Option<Charged>,
    /// What they are still to be told.
    owed: Option<Settle>,
    /// Whether the answer's body says that it succeeded.
    told: bool,
    pub(crate) outcome: Option<Outcome>,
    /// A place among those who wait.
    place: Option<Place>,
    /// Whether it waits there, or has.
    waits: bool,
    /// Room for the answer that is to be read.
    room: Option<Reserved>,
}

/// The largest answer that is looked at, in bytes.
const MAX_ANSWER: usize = 64 << 10;
/// How long it may take after its head.
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// When a client may try again that found no place to wait in, in seconds.
const FULL_RETRY: u32 = 10;

// === impl LoginPlan ===

impl LoginPlan {
    /// `None` for routes that are no logins, and for those that do not tell a success: server actions.
    pub(crate) fn of(route: &Route, scope: &str, state: &State) -> Option<LoginPlan> {
        let success = route.success.clone().filter(|_| route.kind == Kind::Login)?;
        Some(LoginPlan {
            success,
            identifier: route.identifier.clone(),
            scope: scope_number(&format!("login {scope}")),
            unjudged: scope_number(&format!("login unjudged {scope}")),
            lock: state.limiter(SIGN_IN.lock),
            slow: state.limiter(SIGN_IN.slow),
        })
    }

    /// Whether the head of an answer is that of a success; `None` where its body tells.
    fn judges(&self, head: &response::Parts, exchange: &Exchange) -> Option<bool> {
        match &self.success {
            Success::Status(status) => Some(head.status.as_u16() == *status),
            Success::Location(path) => Some(head.status.is_redirection() && leads_to(&head.headers, path, exchange)),
            Success::Pointer(_) if !is_plain_json(head) => Some(false),
            Success::Pointer(_) => None,
        }
    }
}

/// The text is compared whole: `/home?error=1` is not `/home`, for many applications tell a failure like that.
fn leads_to(headers: &HeaderMap, path: &str, exchange: &Exchange) -> bool {
    let mut lines = headers.get_all(header::LOCATION).iter();
    let (Some(Ok(location)), None) = (lines.next().map(HeaderValue::to_str), lines.next()) else { return false };
    let origin = exchange.origin().map(ToString::to_string);
    let own = origin.and_then(|origin| location.strip_prefix(&origin));
    own.unwrap_or(location) == path
}

fn is_plain_json(head: &response::Parts) -> bool {
    let text = |name| head.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let essence = text(header::CONTENT_TYPE).and_then(|kind| kind.split(';').next()).map(str::trim);
    let json = essence.is_some_and(|kind| kind == "application/json" || kind.ends_with("+json"));
    head.status.is_success() && json && text(header::CONTENT_ENCODING).is_none_or(|coding| coding == "identity")
}

fn plan_of(exchange: &Exchange) -> Option<&LoginPlan> {
    exchange.route().and_then(|plan: &RoutePlan| plan.login.as_ref())
}

// === the request ===

/// Takes note of the account that the body names.
pub(crate) fn name(exchange: &mut Exchange, name: Name) {
    exchange.login = Some(Box::new(Login { name: Some(name), ..Login::default() }));
}

/// Whether the answer that has come is to the attempt's question.
pub(crate) fn asks(exchange: &Exchange) -> bool {
    exchange.login.as_ref().is_some_and(|attempt| attempt.asked && attempt.charged.is_none())
}

/// Charges the attempt, once: refuses who is locked out, and gives a place to who must wait.
pub(crate) fn charge(exchange: &mut Exchange, view: &View<'_>, env: &Env<'_>) -> Flow {
    let plan = Arc::clone(&exchange.plan);
    let route = exchange.route.and_then(|index| plan.routes.get(usize::from(index)));
    let Some(login) = route.and_then(|route| route.login.as_ref()) else { return Flow::Pass };
    let mut attempt = exchange.login.take().unwrap_or_default();
    let charged = attempt.charged.is_some();
    let flow = if charged { Flow::Pass } else { attempt.charge(login, exchange, view, env) };
    exchange.login = Some(attempt);
    flow
}

/// Lets wait, once, who guesses at an account that many guess at.
pub(crate) fn wait(exchange: &mut Exchange) -> Flow {
    let Some(attempt) = &mut exchange.login else { return Flow::Pass };
    match attempt.place.take() {
        Some(place) if !attempt.waits => {
            (attempt.place, attempt.waits) = (Some(place), true);
            Flow::Ask(Query::Pause(Pause { time: SIGN_IN.pause }))
        }
        // It has waited, or need not.
        _ => Flow::Pass,
    }
}

impl Login {
    fn charge(&mut self, login: &LoginPlan, exchange: &mut Exchange, view: &View<'_>, env: &Env<'_>) -> Flow {
        let plan = Arc::clone(&exchange.plan);
        let keys = &plan.keys;
        let account = self.name.as_ref().map(|name| Account::of(name, login, exchange));
        let device = account.and_then(|account| Device::shown(view.headers, exchange, &account, env));
        let client = exchange.client.bits().to_be_bytes();
        let name = self.name.map_or([0; 32], |name| name.folded);
        let who = device.as_ref().map_or((b'c', client), |device| (b'd', device.id));
        let client = keys.login.number(&[&[who.0], &name, &who.1]);
        let account = self.name.map(|name| keys.login.number(&[b"a", &name.folded]));
        let attempt = Attempt { scope: login.scope, client, account };
        let asked = std::mem::replace(&mut self.asked, true);
        let Counted { lock, slow, charged } = match login.count(exchange, attempt, asked, env) {
            Ok(counted) => counted,
            Err(flow) => return flow,
        };
        if lock.overflow {
            exchange.tag(Tag::LimiterOverflow);
        }
        if !lock.allowed {
            return locked(lock);
        }
        self.charged = Some(charged);
        if matches!(login.success, Success::Pointer(_)) {
            self.room = plan.state.reserve(MAX_ANSWER as u64);
            if self.room.is_none() {
                self.give_back(login, env);
                return later(1);
            }
        }
        let waits = account.filter(|_| slow.is_some_and(|slow| !slow.allowed) && device.is_none());
        match waits {
            Some(account) if exchange.mode() == Mode::Enforce => self.enter(login, exchange, account, env),
            _ => Flow::Pass,
        }
    }

    fn enter(&mut self, login: &LoginPlan, exchange: &Exchange, account: u128, env: &Env<'_>) -> Flow {
        self.place = Room::enter(&exchange.plan.state, account);
        if self.place.is_none() {
            self.give_back(login, env);
            return later(FULL_RETRY);
        }
        Flow::Pass
    }

    fn give_back(&mut self, login: &LoginPlan, env: &Env<'_>) {
        if let Some(charged) = self.charged.take() {
            self.owed = login.give_back(charged, true, env).map(Settle::GiveBack);
        }
    }
}

fn locked(charge: Charge) -> Flow {
    let retry_after = Some(charge.reset_seconds.max(1));
    Flow::Refuse(Denial { retry_after, ..Denial::new(Stage::Claim, Code::LoginLocked) })
}

fn later(seconds: u32) -> Flow {
    Flow::Refuse(Denial { retry_after: Some(seconds), ..Denial::new(Stage::Claim, Code::Overloaded) })
}

/// The attempt was refused after it was charged, and nobody has judged it.
pub(crate) fn release(exchange: &mut Exchange, env: &Env<'_>) {
    let Some(mut attempt) = exchange.login.take() else { return };
    if let Some(login) = plan_of(exchange) {
        attempt.give_back(login, env);
    }
    exchange.login = Some(attempt);
}

/// What those who share the counts are to be told of an attempt that has ended, once.
pub(crate) fn owed(exchange: &mut Exchange) -> Option<Settle> {
    exchange.login.as_mut()?.owed.take()
}

/// An answer that is to be read must not come compressed.
pub(crate) fn forward(exchange: &Exchange, headers: &mut HeaderMap) {
    if plan_of(exchange).is_some_and(|login| matches!(login.success, Success::Pointer(_))) {
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
}

// === the response ===

/// What of the answer's body must be read before it can be judged.
pub(crate) fn wants(exchange: &Exchange, head: &response::Parts) -> Option<Collect> {
    let counted = exchange.login.as_ref().is_some_and(|attempt| attempt.charged.is_some());
    let waits = counted && plan_of(exchange)?.judges(head, exchange).is_none();
    waits.then_some(Collect { limit: MAX_ANSWER, within: ANSWER_TIME })
}

/// Takes note of what the whole body says.
pub(crate) fn read(exchange: &mut Exchange, body: &Bytes) {
    let Some(Success::Pointer(pointer)) = plan_of(exchange).map(|login| &login.success) else { return };
    let told =
        read_json(body).is_ok_and(|answer| answer.pointer(pointer).and_then(serde_json::Value::as_bool) == Some(true));
    if let Some(attempt) = &mut exchange.login {
        attempt.told = told;
    }
}

/// Settles an attempt by the application's answer; `false` where there is none.
pub(crate) fn settle(exchange: &mut Exchange, head: Option<&response::Parts>, fair: bool, env: &Env<'_>) {
    let Some(mut attempt) = exchange.login.take() else { return };
    if let (Some(login), Some(charged)) = (plan_of(exchange), attempt.charged) {
        let success = |head| login.judges(head, exchange).unwrap_or(attempt.told);
        let outcome = match head {
            Some(head) if success(head) => Outcome::Success,
            Some(head) if !head.status.is_server_error() => Outcome::Failure,
            _ => Outcome::Unknown,
        };
        let back = match outcome {
            Outcome::Success => login.give_back(charged, true, env),
            Outcome::Failure => None,
            Outcome::Unknown => fair.then(|| login.give_back(charged, false, env)).flatten(),
        };
        attempt.owed = back.map(Settle::GiveBack);
        attempt.outcome = Some(outcome);
        attempt.room = None;
    }
    exchange.login = Some(attempt);
}

/// After a success the browser is known to the account, under a new number.
pub(crate) fn remember(exchange: &Exchange, env: &Env<'_>) -> Option<HeaderValue> {
    let attempt = exchange.login.as_ref()?;
    let name = attempt.name.filter(|_| attempt.outcome == Some(Outcome::Success))?;
    Device::fresh(env).cookie(exchange, &Account::of(&name, plan_of(exchange)?, exchange))
}
