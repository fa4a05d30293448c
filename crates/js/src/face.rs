//! One call over bytes: which operation, what it answers, and what waits between two calls.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, Version};
use palisade_diag::{Sources as Texts, json};
use palisade_event::ORDER;
use palisade_guard::shared::{Call, Lease, Leased};
use palisade_guard::{
    Admitted, Ask, BodyFate, BodyHint, Claim, Claimed, Collect, Collected, Fault, Folded, KeySet, Keys, Need, Paused,
    Peer, Plan, Providers, Settle, State, Step, View, Violation,
};
use palisade_policy::{Found, Policy, RouteSource};

use crate::checked::{Checked, Verdict};
use crate::config::{Config, More, Ready, more, other_version};
use crate::parked::{MAX_ROOM, Parked};
use crate::supplied::Supplied;
use crate::together::Together;
use crate::told::{Object, Shape, asking, difference, problems, respond, tell, written};
use crate::wire::{Bad, Head, Reader};

/// A gate behind one call. It starts empty, and refuses to decide anything until it was given a policy.
#[derive(Default)]
pub struct Face {
    base: Option<Base>,
    /// The policy's plan first, then those that wrappers have added to.
    plans: Vec<Decides>,
    parked: Parked<Waiting>,
    checked: Checked,
}

/// What a call is to do. The message of each begins with time and random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Operation {
    /// Start with a compiled policy and what lies around it. Says [`Said::Started`] or [`Said::Problems`].
    Start = 1,
    /// Add a route to the policy, under a plan of its own: its number is in the answer.
    Extend = 2,
    /// Say of a method and a path whether the policy declares them.
    Find = 3,
    /// Decide a request by the plan of that number.
    Inspect = 4,
    /// Answer the question of the request under that number.
    Resume = 5,
    /// Shape the response of the request under that number.
    Finish = 6,
    /// Answer in place of the application.
    Fail = 7,
    /// Forget the request under that number: nobody waits for it any more.
    Drop = 8,
    /// Say what the sign of life is that the shared server is to be given.
    Beat = 9,
    /// Take its answer to that. [`Said::Ask`] asks who is shut out elsewhere.
    Beaten = 10,
    /// Say what the server is to be told of what was decided without it: [`Said::Ask`], or [`Said::Finished`].
    Late = 11,
    /// Take its answer to that.
    Told = 12,
    /// From now on the server is asked (1), or is out (0).
    Reach = 13,
    /// Take the answer to [`Operation::Beaten`]'s question.
    Blocked = 14,
}

/// What an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Said {
    /// The gate is ready.
    Started = 0,
    /// Policy or environment are not right: each with its place and its fix.
    Problems = 1,
    /// What [`Operation::Find`] found.
    Found = 2,
    /// The gate answers: status, fields, body.
    Answer = 3,
    /// The application may answer: which fields of the request change, how large its body may be.
    Admit = 4,
    /// Bytes of the body are wanted.
    Collect = 5,
    /// The issuer's keys are wanted.
    Keys = 6,
    /// A gate before this one has decided this very request.
    Vouched = 7,
    /// The response, shaped.
    Finished = 8,
    /// The message is no such message: a head that no server hands on.
    Bad = 9,
    /// Too many requests wait.
    Full = 10,
    /// Time is wanted.
    Pause = 11,
    /// A script is to be run by the server that gates share: its text and digest, keys, arguments.
    Ask = 12,
    /// What letters are compared as is wanted: all of them, in one text.
    Fold = 13,
}

/// A plan, and whether a gate before this one would decide the same.
struct Decides {
    plan: Arc<Plan>,
    known: bool,
}

struct Base {
    config: Config,
    state: Arc<State>,
    /// Where the policy shares its state, and the app has a client for it.
    together: Option<Together>,
}

/// A request between two calls.
enum Waiting {
    Asked(Box<(Need, Passing)>),
    Admitted(Box<Admitted>),
}

/// What every stage sees of a request.
struct Passing {
    head: Head,
    peer: Peer,
    hint: BodyHint,
    /// Whether the handler has a schema of its own.
    schema: bool,
    /// What it says of the body.
    found: Option<Vec<Violation>>,
}

/// Plans that wrappers add; a wrapper is a line of code, not a request.
const MAX_PLANS: usize = 1_000;
/// The guard tells no more.
const MAX_VIOLATIONS: u32 = 20;

// === impl Face ===

impl Default for Parked<Waiting> {
    fn default() -> Parked<Waiting> {
        // Each holds the head of a request, a few KiB.
        Parked::new(MAX_ROOM)
    }
}

impl Face {
    /// Answers a message. Never panics on what it says.
    pub fn call(&mut self, operation: u32, handle: u32, message: &[u8], out: &mut Vec<u8>) -> u32 {
        let said = self.answer(operation, handle, &mut Reader::new(message), out);
        let said = said.unwrap_or_else(|Bad| tell(out, Said::Bad, Object::default()));
        said as u32
    }

    fn answer(&mut self, operation: u32, handle: u32, m: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<Said, Bad> {
        let supplied = Supplied::read(m)?;
        let operation = Operation::from_id(operation).ok_or(Bad)?;
        match operation {
            Operation::Start => self.start(Config::read(m, supplied.now().wall.seconds())?, &supplied, out),
            Operation::Extend => self.extend(m, out),
            Operation::Find => self.find(m.text()?, m.text()?, out),
            Operation::Inspect => self.inspect(handle, m, &supplied, out),
            Operation::Resume => self.resume(handle, m, &supplied, out),
            Operation::Finish => self.finish(handle, m, &supplied, out),
            Operation::Fail => self.fail(handle, m, &supplied, out),
            Operation::Drop => {
                drop(self.parked.take(handle));
                Ok(tell(out, Said::Finished, Object::default()))
            }
            Operation::Beat
            | Operation::Beaten
            | Operation::Late
            | Operation::Told
            | Operation::Reach
            | Operation::Blocked => self.together(operation, m, &supplied, out),
        }
    }

    /// What passes between this gate and the shared server outside of requests.
    fn together(
        &mut self,
        what: Operation,
        m: &mut Reader<'_>,
        supplied: &Supplied,
        out: &mut Vec<u8>,
    ) -> Result<Said, Bad> {
        let Base { state, together, .. } = self.base.as_mut().ok_or(Bad)?;
        let together = together.as_mut().ok_or(Bad)?;
        let asked = match what {
            Operation::Beat => Some(together.beat(supplied.now().wall.millis())),
            Operation::Late => together.next(state),
            Operation::Reach => {
                let (alone, replayed) = together.reach(m.byte()? == 1);
                return Ok(tell(
                    out,
                    Said::Finished,
                    Object::default().number("alone", alone).number("replayed", replayed),
                ));
            }
            Operation::Blocked => {
                if !together.blocked(&m.integers()?, state, supplied.now().mono) {
                    return Err(Bad);
                }
                None
            }
            Operation::Told => {
                together.told(&m.integers()?);
                None
            }
            _ => {
                if !together.beaten(&m.integers()?) {
                    return Err(Bad);
                }
                together.ask_blocks()
            }
        };
        Ok(match asked {
            Some(call) => tell(out, Said::Ask, asking(&call)),
            None => tell(out, Said::Finished, Object::default()),
        })
    }

    fn start(&mut self, config: Option<Config>, supplied: &Supplied, out: &mut Vec<u8>) -> Result<Said, Bad> {
        let Some(config) = config else { return Ok(problems(out, &other_version(), &Texts::new())) };
        let ready = match config.examine(More::Nothing, &self.checked) {
            Ok(ready) => ready,
            Err(found) => return Ok(problems(out, &found, &Texts::new())),
        };
        let state = State::new(&ready.policy.limits, &supplied.env());
        let Ready { policy, secrets, providers, warnings } = ready;
        let together =
            (config.has_client() && policy.state.redis.is_some()).then(|| Together::new(&policy, &supplied.env()));
        let facts = facts(&policy, &providers, together.is_some()).raw("warnings", &json(&warnings, &Texts::new()));
        match Plan::compile_with(policy, &secrets, &state, &providers) {
            Err(found) => Ok(problems(out, &found, &Texts::new())),
            Ok(plan) => {
                // A second start is a reload: what waits goes on under the plan it began with.
                self.plans = vec![Decides { plan, known: true }];
                self.base = Some(Base { config, state, together });
                Ok(tell(out, Said::Started, facts))
            }
        }
    }

    fn extend(&mut self, m: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<Said, Bad> {
        let Base { config, state, .. } = self.base.as_ref().ok_or(Bad)?;
        if self.plans.len() > MAX_PLANS {
            return Ok(tell(out, Said::Full, Object::default()));
        }
        let more = more(m)?;
        let known = matches!(more, Ok(More::Input { .. }));
        let compiled = more.and_then(|more| config.examine(more, &self.checked)).and_then(|ready| {
            let Ready { policy, secrets, providers, warnings: _ } = ready;
            Plan::compile_with(policy, &secrets, state, &providers)
        });
        match compiled {
            Err(found) => Ok(problems(out, &found, &Texts::new())),
            Ok(plan) => {
                self.plans.push(Decides { plan, known });
                Ok(tell(out, Said::Started, Object::default().number("plan", self.plans.len() as u64 - 1)))
            }
        }
    }

    fn find(&self, method: &str, path: &str, out: &mut Vec<u8>) -> Result<Said, Bad> {
        let Decides { plan, .. } = self.plans.first().ok_or(Bad)?;
        let named = |found: &Found<'_>| match found {
            Found::Route(_, route) => route.source != RouteSource::Undeclared,
            Found::Method(_) | Found::Misspelled => true,
            Found::Undeclared => false,
        };
        let found = plan.policy().find(method, path);
        // A path that nobody declared refuses methods too; what it says of a GET tells it from a declared one.
        let declared = named(&found) && named(&plan.policy().find("GET", path));
        let kind = if let Found::Route(_, route) = found { Some(route.kind.id()) } else { None };
        Ok(tell(out, Said::Found, Object::default().flag("declared", declared).maybe("kind", kind)))
    }

    fn inspect(
        &mut self,
        number: u32,
        m: &mut Reader<'_>,
        supplied: &Supplied,
        out: &mut Vec<u8>,
    ) -> Result<Said, Bad> {
        let Decides { plan, known } = self.plans.get(number as usize).ok_or(Bad)?;
        let (plan, known) = (Arc::clone(plan), *known);
        if !self.parked.has_room(supplied.now().mono) {
            return Ok(tell(out, Said::Full, Object::default()));
        }
        let passing = Passing::read(m, &plan)?;
        let env = supplied.env();
        // Another gate knows the policy, and nothing of the routes that wrappers have added.
        let vouched = if known { plan.vouched(&passing.view(), &env) } else { None };
        if let Some(vouched) = vouched.filter(|word| ORDER.into_iter().all(|stage| word.passed(stage))) {
            return Ok(tell(out, Said::Vouched, Object::default().maybe("subject", vouched.subject())));
        }
        self.checked.set(passing.verdict());
        let step = plan.inspect(&passing.view(), &env);
        self.go_on(step, passing, supplied, out)
    }

    fn resume(&mut self, handle: u32, m: &mut Reader<'_>, supplied: &Supplied, out: &mut Vec<u8>) -> Result<Said, Bad> {
        let (how, bytes, found) = (m.byte()?, m.bytes()?, violations(m)?);
        let Some(Waiting::Asked(asked)) = self.parked.take(handle) else { return Err(Bad) };
        let (need, mut passing) = *asked;
        passing.found = found.or(passing.found);
        let resume = match need {
            Need::Collect(ask) => ask.reply(match how {
                0 | 1 => Collected::Prefix { bytes: Bytes::copy_from_slice(bytes), complete: how == 1 },
                2 => Collected::TooSlow,
                _ => Collected::Broken,
            }),
            Need::Keys(ask) => {
                let state = &self.base.as_ref().ok_or(Bad)?.state;
                let fetched = KeySet::from_jwks(bytes).ok().filter(|_| how == 1).map(Arc::new);
                let keys = fetched.or_else(|| state.keyring.current());
                ask.reply(keys.map_or(Keys::Unavailable, Keys::Are))
            }
            Need::Pause(ask) => ask.reply(Paused),
            Need::Fold(ask) => {
                let texts = std::str::from_utf8(bytes).ok().filter(|_| how == 1);
                ask.reply(Folded(texts.into_iter().flat_map(|texts| texts.split('\n')).map(str::to_owned).collect()))
            }
            Need::Claim(ask) => {
                let together = self.base.as_ref().and_then(|base| base.together.as_ref()).ok_or(Bad)?;
                let claimed = together.claimed(&ask.question, integers(how, bytes).as_deref());
                ask.reply(claimed)
            }
            Need::Lease(ask) => {
                let together = self.base.as_ref().and_then(|base| base.together.as_ref()).ok_or(Bad)?;
                let leased = together.leased(&ask.question, integers(how, bytes).as_deref());
                ask.reply(leased)
            }
        };
        self.checked.set(passing.verdict());
        let step = resume.run(&passing.view(), &supplied.env());
        self.go_on(step, passing, supplied, out)
    }

    /// Parks what waits and tells what it waits for.
    fn go_on(&mut self, mut step: Step, passing: Passing, supplied: &Supplied, out: &mut Vec<u8>) -> Result<Said, Bad> {
        let base = self.base.as_ref().ok_or(Bad)?;
        let mut call = None;
        // What is known without asking anybody.
        loop {
            let resume = match step {
                Step::Need(Need::Claim(ask)) => match base.claim(&ask, supplied) {
                    Err(claimed) => ask.reply(claimed),
                    Ok(question) => {
                        call = Some(question);
                        step = Step::Need(Need::Claim(ask));
                        break;
                    }
                },
                Step::Need(Need::Lease(ask)) => match base.lease(&ask) {
                    Err(leased) => ask.reply(leased),
                    Ok(question) => {
                        call = Some(question);
                        step = Step::Need(Need::Lease(ask));
                        break;
                    }
                },
                other => {
                    step = other;
                    break;
                }
            };
            step = resume.run(&passing.view(), &supplied.env());
        }
        match step {
            Step::Answer(mut answer) => {
                let late = self.settle(answer.settle(), supplied);
                Ok(written(out, answer, late, &supplied.env()))
            }
            Step::Admit(admitted) => self.admit(admitted, passing, &supplied.env(), out),
            Step::Need(need) => {
                let (said, question) = question(&need, call.as_ref());
                let waiting = Waiting::Asked(Box::new((need, passing)));
                let parked = self.parked.park(waiting, supplied.now().mono);
                let Ok(handle) = parked else { return Ok(tell(out, Said::Full, Object::default())) };
                Ok(tell(out, said, question.number("handle", handle.into())))
            }
        }
    }

    fn admit(
        &mut self,
        mut admitted: Admitted,
        passing: Passing,
        env: &palisade_guard::Env<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Said, Bad> {
        let Head { method, uri, headers: before } = passing.head;
        let (mut head, ()) = Request::new(()).into_parts();
        (head.method, head.uri, head.headers) = (method, uri, before.clone());
        let plan = admitted.forward(&mut head, env);
        let changed = difference(&before, &head.headers);
        let Ok(handle) = self.parked.park(Waiting::Admitted(Box::new(admitted)), env.now.mono) else {
            return Ok(tell(out, Said::Full, Object::default()));
        };
        Ok(tell(out, Said::Admit, changed.number("handle", handle.into()).number("cap", plan.cap)))
    }

    fn finish(&mut self, handle: u32, m: &mut Reader<'_>, supplied: &Supplied, out: &mut Vec<u8>) -> Result<Said, Bad> {
        let (status, headers) = (m.length()?, m.headers()?);
        let Some(Waiting::Admitted(admitted)) = self.parked.take(handle) else { return Err(Bad) };
        let (mut head, ()) = Response::new(()).into_parts();
        let status = u16::try_from(status).map_err(|_| Bad)?;
        (head.status, head.headers) = (http::StatusCode::from_u16(status).map_err(|_| Bad)?, headers);
        let finish = admitted.finish(&mut head, &supplied.env());
        let late = self.settle(finish.settle, supplied);
        let (replaced, body) = match finish.body {
            BodyFate::Keep => (false, Bytes::new()),
            BodyFate::Replace(body) => (true, body),
        };
        Ok(respond(out, Said::Finished, &head, Shape { replaced, late }, &body, &finish.record))
    }

    fn fail(&mut self, handle: u32, m: &mut Reader<'_>, supplied: &Supplied, out: &mut Vec<u8>) -> Result<Said, Bad> {
        let fault = match m.byte()? {
            0 => Fault::BodyTooLarge,
            1 => Fault::BodyBroken,
            _ => Fault::Internal,
        };
        let Some(Waiting::Admitted(admitted)) = self.parked.take(handle) else { return Err(Bad) };
        let (head, body, record, settle) = admitted.fail(fault, &supplied.env());
        let late = self.settle(settle, supplied);
        Ok(respond(out, Said::Finished, &head, Shape { replaced: true, late }, &body, &record))
    }

    /// Whether the shared server is to be told.
    fn settle(&self, settle: Option<Settle>, supplied: &Supplied) -> bool {
        let (Some(settle), Some(base)) = (settle, &self.base) else { return false };
        match &base.together {
            Some(_) => base.state.alone.settled(settle),
            None => base.state.settle(&settle, supplied.now()),
        }
        base.together.is_some()
    }
}

// === impl Base ===

impl Base {
    /// What the shared server is asked; or the answer, where nothing is shared or nobody can be asked.
    fn claim(&self, ask: &Ask<Claim>, supplied: &Supplied) -> Result<Call, Claimed> {
        match (&self.together, ask.patience()) {
            (_, None) => Err(self.state.claim(&ask.question, supplied.now())),
            (Some(together), Some(_)) => together.claim(&ask.question),
            // Of a policy with shared state and an app without a client: the server is out.
            (None, Some(_)) => Err(Claimed::Unavailable { nodes: 1 }),
        }
    }

    fn lease(&self, ask: &Ask<Lease>) -> Result<Call, Leased> {
        self.together.as_ref().map_or(Err(Leased::Unavailable { nodes: 1 }), |together| together.lease(&ask.question))
    }
}

impl fmt::Debug for Face {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Face({} plans)", self.plans.len())
    }
}

// === impl Operation ===

impl Operation {
    /// The operation of that number.
    #[must_use]
    pub fn from_id(id: u32) -> Option<Operation> {
        use Operation::{
            Beat, Beaten, Blocked, Drop, Extend, Fail, Find, Finish, Inspect, Late, Reach, Resume, Start, Told,
        };
        let all = [Start, Extend, Find, Inspect, Resume, Finish, Fail, Drop, Beat, Beaten, Late, Told, Reach, Blocked];
        all.into_iter().find(|it| *it as u32 == id)
    }
}

// === impl Passing ===

impl Passing {
    /// The peer's address, what is known of the body and its length, whether the handler has a schema, then the head.
    fn read(m: &mut Reader<'_>, plan: &Plan) -> Result<Passing, Bad> {
        let address = m.text()?;
        let (hint, length) = (m.byte()?, m.number()?);
        let schema = m.byte()? == 1;
        let head = m.head(&plan.policy().csrf.header)?;
        let hint = match hint {
            0 => BodyHint::Empty,
            1 => BodyHint::Sized(length),
            _ => BodyHint::Chunked,
        };
        let address = if address.is_empty() { unknown(plan) } else { address.parse().map_err(|_| Bad)? };
        Ok(Passing { head, peer: Peer { address }, hint, schema, found: None })
    }

    fn verdict(&self) -> Verdict {
        match &self.found {
            Some(found) => Verdict::Found(found.clone()),
            None if self.schema => Verdict::Later,
            None => Verdict::Nobody,
        }
    }

    fn view(&self) -> View<'_> {
        View {
            method: &self.head.method,
            uri: &self.head.uri,
            version: Version::HTTP_11,
            headers: &self.head.headers,
            peer: self.peer,
            body: self.hint,
        }
    }
}

/// Who is at the other end where nobody can see the connection: the proxy that the policy names, as the app must not be
/// reachable around it; where it names none, one address for all, which share a quota.
fn unknown(plan: &Plan) -> IpAddr {
    let proxies = &plan.policy().clients.trusted_proxies;
    let Some(net) = proxies.first() else { return Ipv6Addr::UNSPECIFIED.into() };
    net.addr()
}

/// What JavaScript is asked.
fn question(need: &Need, call: Option<&Call>) -> (Said, Object) {
    let patience = match need {
        Need::Claim(ask) => ask.patience(),
        Need::Lease(ask) => ask.patience(),
        Need::Collect(ask) => {
            let Collect { limit, within } = ask.question;
            return (Said::Collect, Object::default().number("limit", limit as u64).time("within", within));
        }
        Need::Pause(ask) => return (Said::Pause, Object::default().time("time", ask.question.time)),
        Need::Keys(_) => return (Said::Keys, Object::default()),
        Need::Fold(ask) => {
            let letters: String = ask.question.letters.iter().collect();
            return (Said::Fold, Object::default().text("letters", &letters));
        }
    };
    let asked = call.map(asking).unwrap_or_default();
    (Said::Ask, asked.time("within", patience.unwrap_or_default()))
}

/// The server's answer; none where it gave none.
fn integers(how: u8, bytes: &[u8]) -> Option<Vec<i64>> {
    Reader::list(bytes).ok().filter(|_| how == 1)
}

/// What the app's schema found in the body: one more than their number, then pointer and text of each. 0: it did not look.
fn violations(m: &mut Reader<'_>) -> Result<Option<Vec<Violation>>, Bad> {
    let Some(count) = m.length()?.checked_sub(1) else { return Ok(None) };
    let mut found = Vec::new();
    for _ in 0..count.min(MAX_VIOLATIONS) {
        found.push(Violation { pointer: m.text()?.to_owned(), text: m.text()?.to_owned() });
    }
    Ok(Some(found))
}

/// What JavaScript must know of the policy.
fn facts(policy: &Policy, providers: &Providers, shared: bool) -> Object {
    let jwks = policy.identity.as_ref().and_then(|identity| identity.jwks.as_deref());
    let facts = Object::default()
        .text("name", &policy.app.name)
        .text("environment", policy.environment.id())
        .text("csrfPath", &policy.csrf.path)
        .text("csrfHeader", &policy.csrf.header)
        .text("csrfField", &policy.csrf.field)
        .flag("proxies", !policy.clients.trusted_proxies.is_empty())
        .maybe("jwks", jwks.filter(|_| providers.jwt_key.is_none()))
        .maybe("redis", policy.state.redis.as_deref());
    if shared { facts.time("patience", policy.state.timeout) } else { facts.maybe("patience", None) }
}
