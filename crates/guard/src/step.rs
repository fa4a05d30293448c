//! How a decision is driven: `inspect` runs the stages, and where one needs something from outside it returns a typed
//! question that only its own answer resumes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use palisade_event::{Code, ORDER, Stage};
use palisade_policy::{Methods, Mode};

use crate::admitted::Admitted;
use crate::answer::{Answer, Say};
use crate::env::Env;
use crate::exchange::{Exchange, Gathered};
use crate::identity::KeySet;
use crate::inbox::{Held, Reserve};
use crate::ledger::{Spend, Spent};
use crate::login::{Fold, Folded, Folds};
use crate::plan::Plan;
use crate::shared::{Attempt, Attempted, Lease, Leased};
use crate::stage::check;
use crate::view::View;

/// What becomes of a request next.
#[derive(Debug)]
#[must_use]
#[expect(clippy::large_enum_variant, reason = "a refusal costs no allocation")]
pub enum Step {
    /// It goes to the application.
    Admit(Admitted),
    /// The gate answers.
    Answer(Answer),
    /// A stage asks something that only a driver can find out.
    Need(Need),
}

/// A question to the driver. Every kind must be answered; "unavailable" is an answer, and what follows from it is
/// decided here, never by the driver.
#[derive(Debug)]
#[must_use]
pub enum Need {
    /// The beginning of the body.
    Collect(Ask<Collect>),
    /// A token to be spent, a message to be reserved, an attempt to be charged.
    Claim(Ask<Claim>),
    /// The issuer's keys.
    Keys(Ask<Keyset>),
    /// Time.
    Pause(Ask<Pause>),
    /// Whether a client is within a limit that gates share.
    Lease(Ask<Lease>),
    /// What letters beyond ASCII are compared as.
    Fold(Ask<Fold>),
}

/// A question and the paused request it belongs to. Answering consumes it, so there is no second answer.
#[must_use]
pub struct Ask<Q> {
    /// What is asked.
    pub question: Q,
    paused: Box<Exchange>,
    stage: Stage,
}

/// Read the beginning of the body, up to a number of bytes and a time. Asked again with a higher number, the answer
/// begins with the same bytes.
#[derive(Debug, Clone, Copy)]
pub struct Collect {
    /// Bytes to read at most.
    pub limit: usize,
    /// Time to read them in.
    pub within: Duration,
}

/// The answer to [`Collect`].
#[derive(Debug)]
pub enum Collected {
    /// The first bytes: all of the body, or exactly the limit.
    Prefix {
        /// What was read; it is forwarded byte for byte.
        bytes: Bytes,
        /// Whether that is all of it.
        complete: bool,
    },
    /// The body did not come in time.
    TooSlow,
    /// The connection or its framing broke.
    Broken,
}

/// Claim something for this request alone: atomically, once.
#[derive(Debug, Clone, Copy)]
pub enum Claim {
    /// Spend a token.
    Spend(Spend),
    /// Reserve a signed message, until it is settled.
    Reserve(Reserve),
    /// Charge an attempt to sign in, where gates count them together.
    Attempt(Attempt),
}

/// The answer to [`Claim`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    /// What the ledger said of the token.
    Told(Spent),
    /// What the inbox said of the message.
    Held(Held),
    /// How the counts of the attempt stand.
    Attempted(Attempted),
    /// None of them could be asked.
    Unavailable {
        /// How many gates there were when they last could.
        nodes: u32,
    },
}

/// Get the issuer's keys: there are none yet, or a token names one that is not among them.
///
/// Strangers make up key ids at will: the driver fetches at most once for all who ask at a time, and then not again for
/// a while. It answers with what it has.
#[derive(Debug, Clone, Copy)]
pub struct Keyset {
    /// [`KeySet::digest`] of the keys that were not enough.
    pub known: Option<u64>,
}

/// The answer to [`Keyset`].
#[derive(Debug, Clone)]
pub enum Keys {
    /// The newest there are, changed or not.
    Are(Arc<KeySet>),
    /// There have never been any.
    Unavailable,
}

/// Let some time pass: an attempt to sign in is slowed down.
#[derive(Debug, Clone, Copy)]
pub struct Pause {
    /// How much.
    pub time: Duration,
}

/// The answer to [`Pause`]: the time has passed.
#[derive(Debug, Clone, Copy)]
pub struct Paused;

/// A question with its answer, ready to go on.
#[must_use]
pub struct Resume {
    paused: Box<Exchange>,
    stage: Stage,
    reply: Reply,
}

enum Reply {
    Collect(Collected),
    Claim(Claimed),
    Keys(Keys),
    Pause(Paused),
    Lease(Lease, Leased),
    Fold(Vec<char>, Folded),
}

/// Why the gate refuses. Made by stages only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denial {
    pub(crate) stage: Stage,
    pub(crate) code: Code,
    /// Seconds until it may be tried again.
    pub(crate) retry_after: Option<u32>,
    /// For 405: what the path does answer.
    pub(crate) allow: Methods,
}

/// What a stage came to.
#[derive(Clone, Copy)]
pub(crate) enum Flow {
    /// The next stage.
    Pass,
    /// No further.
    Refuse(Denial),
    /// The gate answers by itself.
    Say(Say),
    /// A question for the driver.
    Ask(Query),
}

/// A question before it is bound to its exchange.
#[derive(Clone, Copy)]
pub(crate) enum Query {
    Collect(Collect),
    Claim(Claim),
    Keys(Keyset),
    Pause(Pause),
    Lease(Lease),
    /// Of the letters that lie with what was read of the body.
    Fold,
}

// === impl Plan ===

impl Plan {
    /// Decides a request. Sans-IO: no clock, no randomness, no waiting; a refusal allocates nothing.
    pub fn inspect(self: &Arc<Self>, view: &View<'_>, env: &Env<'_>) -> Step {
        run(Exchange::begin(Arc::clone(self), view, env), view, env, Stage::Target)
    }

    /// Answers a request that came over plain http with the way to https.
    pub fn to_https(self: &Arc<Self>, view: &View<'_>, env: &Env<'_>) -> Answer {
        let mut exchange = Exchange::begin(Arc::clone(self), view, env);
        exchange.host = host_of(self, view);
        Answer::new(exchange, Say::ToHttps)
    }

    /// Refuses a request before the first stage: its framing is broken, or there is no room for it. It is a complete
    /// answer with its record, and charges nobody. `retry_after` is in seconds.
    pub fn turn_away(self: &Arc<Self>, view: &View<'_>, code: Code, retry_after: Option<u32>, env: &Env<'_>) -> Answer {
        Answer::new(Exchange::begin(Arc::clone(self), view, env), Say::TurnAway(code, retry_after))
    }
}

/// The public origin that a Host names; the first where it names none.
fn host_of(plan: &Plan, view: &View<'_>) -> u16 {
    let named = view.headers.get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = named.strip_suffix(":80").unwrap_or(named);
    let found = plan.hosts.iter().position(|origin| origin.https && origin.authority.eq_ignore_ascii_case(name));
    found.and_then(|index| u16::try_from(index).ok()).unwrap_or(0)
}

/// Runs the stages from `from` on.
fn run(mut exchange: Exchange, view: &View<'_>, env: &Env<'_>, from: Stage) -> Step {
    for stage in ORDER.into_iter().filter(|stage| *stage >= from) {
        let flow = check(stage, &mut exchange, view, env);
        if let Some(end) = judge(&mut exchange, flow) {
            return conclude(exchange, stage, end);
        }
    }
    if exchange.route().is_some_and(|plan| plan.own) {
        return Step::Answer(Answer::new(exchange, Say::CsrfToken));
    }
    Step::Admit(Admitted::new(exchange))
}

/// What ends or pauses the run.
#[derive(Clone, Copy)]
enum End {
    Refuse(Denial),
    Say(Say),
    Ask(Query),
}

/// In observe mode a refusal is noted and the run goes on.
fn judge(exchange: &mut Exchange, flow: Flow) -> Option<End> {
    match flow {
        Flow::Pass => None,
        Flow::Say(say) => Some(End::Say(say)),
        Flow::Ask(query) => Some(End::Ask(query)),
        Flow::Refuse(denial) if exchange.mode() == Mode::Enforce => Some(End::Refuse(denial)),
        Flow::Refuse(denial) => {
            exchange.would.get_or_insert((denial.stage, denial.code));
            None
        }
    }
}

fn conclude(mut exchange: Exchange, stage: Stage, end: End) -> Step {
    match end {
        End::Refuse(denial) => Step::Answer(Answer::new(exchange, Say::Refuse(denial))),
        End::Say(say) => Step::Answer(Answer::new(exchange, say)),
        End::Ask(Query::Collect(question)) => {
            Step::Need(Need::Collect(Ask { question, paused: Box::new(exchange), stage }))
        }
        End::Ask(Query::Claim(question)) => {
            Step::Need(Need::Claim(Ask { question, paused: Box::new(exchange), stage }))
        }
        End::Ask(Query::Keys(question)) => Step::Need(Need::Keys(Ask { question, paused: Box::new(exchange), stage })),
        End::Ask(Query::Pause(question)) => {
            Step::Need(Need::Pause(Ask { question, paused: Box::new(exchange), stage }))
        }
        End::Ask(Query::Lease(question)) => {
            Step::Need(Need::Lease(Ask { question, paused: Box::new(exchange), stage }))
        }
        End::Ask(Query::Fold) => {
            let letters = exchange.gathered.as_mut().map(|gathered| std::mem::take(&mut gathered.letters));
            let question = Fold { letters: letters.unwrap_or_default() };
            Step::Need(Need::Fold(Ask { question, paused: Box::new(exchange), stage }))
        }
    }
}

// === impl Ask ===

impl Ask<Collect> {
    /// Answers the question.
    pub fn reply(self, reply: Collected) -> Resume {
        Resume { paused: self.paused, stage: self.stage, reply: Reply::Collect(reply) }
    }
}

impl Ask<Claim> {
    /// Answers the question.
    pub fn reply(self, reply: Claimed) -> Resume {
        Resume { paused: self.paused, stage: self.stage, reply: Reply::Claim(reply) }
    }
}

impl Ask<Keyset> {
    /// Answers the question.
    pub fn reply(self, reply: Keys) -> Resume {
        Resume { paused: self.paused, stage: self.stage, reply: Reply::Keys(reply) }
    }
}

impl Ask<Pause> {
    /// Answers the question.
    pub fn reply(self, reply: Paused) -> Resume {
        Resume { paused: self.paused, stage: self.stage, reply: Reply::Pause(reply) }
    }
}

impl Ask<Lease> {
    /// Answers the question.
    pub fn reply(self, reply: Leased) -> Resume {
        Resume { paused: self.paused, stage: self.stage, reply: Reply::Lease(self.question, reply) }
    }
}

impl Ask<Fold> {
    /// Answers the question.
    pub fn reply(self, reply: Folded) -> Resume {
        Resume { paused: self.paused, stage: self.stage, reply: Reply::Fold(self.question.letters, reply) }
    }
}

impl<Q> Ask<Q> {
    /// How long the answer may take, where gates share their state: what is left of `[state] timeout`, which no request
    /// exceeds however many questions it asks. `None` where nothing is shared.
    #[must_use]
    pub fn patience(&self) -> Option<Duration> {
        let plan = &self.paused.plan;
        plan.shared?;
        let waited = self.paused.sharing.as_ref().map_or(Duration::ZERO, |sharing| sharing.waited);
        Some(plan.policy.state.timeout.saturating_sub(waited))
    }
}

impl<Q: fmt::Debug> fmt::Debug for Ask<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ask").field(&self.question).finish()
    }
}

// === impl Resume ===

impl Resume {
    /// Goes on with the stage that asked, which finds the answer in the exchange. `view` is the same request's.
    pub fn run(self, view: &View<'_>, env: &Env<'_>) -> Step {
        let mut exchange = *self.paused;
        if let Some(sharing) = &mut exchange.sharing {
            sharing.answered(env.now.mono);
        }
        match self.reply {
            Reply::Collect(collected) => exchange.gathered = Some(Box::new(Gathered::of(&mut exchange, collected))),
            Reply::Claim(claimed) => exchange.claimed = Some(claimed),
            // The attempt was charged before it waited, by which its stage knows.
            Reply::Pause(Paused) => {}
            Reply::Lease(lease, leased) => exchange.sharing.get_or_insert_default().told = Some((lease, leased)),
            Reply::Fold(letters, folded) => {
                if let Some(gathered) = &mut exchange.gathered {
                    gathered.folds = Some(Folds::new(letters, folded));
                }
            }
            Reply::Keys(keys) => {
                exchange.asks.asked_keys = true;
                if let Keys::Are(keys) = keys {
                    exchange.plan.state.keyring.replace(keys);
                }
            }
        }
        run(exchange, view, env, self.stage)
    }
}

impl fmt::Debug for Resume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resume(..)")
    }
}

// === impl Denial ===

impl Denial {
    pub(crate) const fn new(stage: Stage, code: Code) -> Denial {
        Denial { stage, code, retry_after: None, allow: Methods::NONE }
    }

    /// The stage that refused.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        self.stage
    }

    /// Why.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }
}

impl Flow {
    pub(crate) const fn refuse(stage: Stage, code: Code) -> Flow {
        Flow::Refuse(Denial::new(stage, code))
    }
}
