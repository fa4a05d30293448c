//! Drives the guard over one request: asks its questions, forwards what is admitted, finishes every response.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use bytes::{Buf, Bytes, BytesMut};
use http::{Request, Response, request, response};
use http_body::Body;
use palisade_event::Code;
use palisade_guard::{
    Admitted, Answer, BodyFate, BodyHint, Collect, Collected, Env, Fault, Identity, Need, Now, Paused, Peer, Plan,
    Settle, Step, View,
};

use crate::ambient::{Ambient, Backend};
use crate::body::{GateBody, Guarded, Overrun};
use crate::report::{Alert, SecurityEvent};

/// The gate in front of a service.
#[derive(Debug, Clone)]
pub struct Gate<K, A> {
    plan: Arc<Plan>,
    backend: K,
    ambient: A,
}

/// A request on its way through the stages.
struct Passing<B> {
    head: request::Parts,
    peer: Peer,
    hint: BodyHint,
    prefix: Bytes,
    body: Option<B>,
}

// === impl Gate ===

impl<K: Backend, A: Ambient> Gate<K, A> {
    /// A gate that decides by `plan`.
    pub fn new(plan: Arc<Plan>, backend: K, ambient: A) -> Gate<K, A> {
        Gate { plan, backend, ambient }
    }

    /// The plan it decides by.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// What surrounds it.
    pub fn ambient(&self) -> &A {
        &self.ambient
    }

    /// Reports what the app has noticed by itself, as one of its events.
    pub fn log(&self, event: &SecurityEvent<'_>) {
        self.ambient.report(&event.line(self.ambient.now().wall, self.plan.policy().environment));
    }

    /// Asks whoever watches to tell people.
    pub fn alert(&self, alert: &Alert<'_>) {
        self.ambient.report(&alert.line(self.ambient.now().wall, self.plan.policy().environment));
    }

    /// Takes a request through the gate, and through `service` if it is admitted.
    ///
    /// The future is `Send` where the backend's, the service's and the body are. Whoever makes the response, it leaves
    /// finished, and exactly one record is made of it.
    pub async fn handle<B, R, S, F, E>(&self, peer: Peer, request: Request<B>, service: S) -> Response<GateBody<R>>
    where
        B: Body<Data = Bytes> + Unpin,
        S: FnOnce(Request<Guarded<B>>) -> F,
        F: Future<Output = Result<Response<R>, E>>,
        R: Body<Data = Bytes> + Unpin,
        E: Into<Fault>,
    {
        let (head, body) = request.into_parts();
        let mut passing = Passing { hint: hint(&body), head, peer, prefix: Bytes::new(), body: Some(body) };
        let mut now = self.ambient.now();
        // No future within this one takes the request along, and what needs no waiting is in none: each would move all
        // of it once more.
        let step = self.plan.inspect(&passing.view(), &self.at(now));
        let decided = match step {
            Step::Admit(admitted) => Ok(admitted),
            Step::Answer(answer) => Err(answer),
            Step::Need(need) => {
                let decided = self.resolve(need, &mut passing).await;
                now = self.ambient.now();
                decided
            }
        };
        let mut admitted = match decided {
            Ok(admitted) => admitted,
            Err(answer) => return self.answer(answer),
        };
        let (request, overrun) = self.shape(&mut admitted, passing, now);
        let fault = |error: E| if overrun.happened() { Fault::BodyTooLarge } else { error.into() };
        match service(request).await.map_err(fault) {
            Ok(response) => {
                let (head, body) = response.into_parts();
                match admitted.wants(&head) {
                    None => self.finish(admitted, head, GateBody::Inner(body)),
                    Some(collect) => match self.look(&mut admitted, body, collect).await {
                        Ok(body) => self.finish(admitted, head, body),
                        Err(fault) => self.fail(admitted, fault),
                    },
                }
            }
            Err(fault) => self.fail(admitted, fault),
        }
    }

    /// Refuses a request before the first stage: its framing is broken, or there is no room for it. The answer is as
    /// complete as any, and one record is made of it.
    pub fn turn_away<B: Body, R>(
        &self,
        peer: Peer,
        request: &Request<B>,
        code: Code,
        retry_after: Option<u32>,
    ) -> Response<GateBody<R>> {
        self.answer(self.plan.turn_away(&view(peer, request), code, retry_after, &self.env()))
    }

    /// Answers a request that came over plain http with the way to https. No record is made of it.
    pub fn to_https<B: Body, R>(&self, peer: Peer, request: &Request<B>) -> Response<GateBody<R>> {
        let answer = self.plan.to_https(&view(peer, request), &self.env());
        answer.into_response(&self.env()).0.map(GateBody::Own)
    }

    /// Answers the guard's questions until it has decided.
    async fn resolve<B: Body<Data = Bytes> + Unpin>(
        &self,
        mut need: Need,
        passing: &mut Passing<B>,
    ) -> Result<Admitted, Answer> {
        loop {
            let resume = match need {
                Need::Claim(ask) => self.backend.claim(ask).await,
                Need::Keys(ask) => self.backend.keys(ask).await,
                Need::Pause(ask) => {
                    self.ambient.sleep(ask.question.time).await;
                    ask.reply(Paused)
                }
                Need::Lease(ask) => self.backend.lease(ask).await,
                Need::Fold(ask) => {
                    let folded = ask.question.here();
                    ask.reply(folded)
                }
                Need::Collect(ask) => {
                    let collected = self.collect(passing, ask.question).await;
                    ask.reply(collected)
                }
            };
            need = match resume.run(&passing.view(), &self.env()) {
                Step::Admit(admitted) => return Ok(admitted),
                Step::Answer(answer) => return Err(answer),
                Step::Need(need) => need,
            };
        }
    }

    /// The request as the service gets it.
    fn shape<B: Body<Data = Bytes>>(
        &self,
        admitted: &mut Admitted,
        passing: Passing<B>,
        now: Now,
    ) -> (Request<Guarded<B>>, Overrun) {
        let Passing { mut head, prefix, body, .. } = passing;
        let plan = admitted.forward(&mut head, &self.at(now));
        // Whatever a server or an outer layer left there is not the gate's word.
        head.extensions.remove::<Identity>();
        let (guarded, overrun) = Guarded::new(prefix, body, plan, admitted.identity().cloned());
        (Request::from_parts(head, guarded), overrun)
    }

    fn finish<R>(&self, admitted: Admitted, mut head: response::Parts, body: GateBody<R>) -> Response<GateBody<R>> {
        let finish = admitted.finish(&mut head, &self.env());
        self.settle(finish.settle);
        self.ambient.record(finish.record);
        let body = match finish.body {
            BodyFate::Keep => body,
            BodyFate::Replace(bytes) => GateBody::Own(bytes),
        };
        Response::from_parts(head, body)
    }

    fn fail<R>(&self, admitted: Admitted, fault: Fault) -> Response<GateBody<R>> {
        let (head, body, record, settle) = admitted.fail(fault, &self.env());
        self.settle(settle);
        self.ambient.record(record);
        Response::from_parts(head, GateBody::Own(body))
    }

    /// Lets the guard see the beginning of a response's body, which then goes on as it was, without trailers. An answer
    /// that is too long or too slow is judged without.
    async fn look<R>(&self, admitted: &mut Admitted, body: R, collect: Collect) -> Result<GateBody<R>, Fault>
    where
        R: Body<Data = Bytes> + Unpin,
    {
        let (mut read, mut rest) = (BytesMut::new(), Some(body));
        match self.read(&mut read, &mut rest, collect).await {
            Ok(_) | Err(Collected::TooSlow) => {}
            // What was cut off must not look whole to the client.
            Err(_) => return Err(Fault::Unreachable),
        }
        let read = read.freeze();
        if rest.is_none() {
            admitted.read(&read);
        }
        Ok(GateBody::Ahead(read, rest))
    }

    fn settle(&self, settle: Option<Settle>) {
        if let Some(settle) = settle {
            self.backend.settle(settle);
        }
    }

    fn answer<R>(&self, mut answer: Answer) -> Response<GateBody<R>> {
        self.settle(answer.settle());
        let (response, record) = answer.into_response(&self.env());
        self.ambient.record(record);
        response.map(GateBody::Own)
    }

    /// Reads the beginning of the body, on from where an earlier question ended; what was read is forwarded later, byte
    /// for byte.
    async fn collect<B: Body<Data = Bytes> + Unpin>(&self, passing: &mut Passing<B>, collect: Collect) -> Collected {
        let mut read = BytesMut::from(std::mem::take(&mut passing.prefix));
        let outcome = self.read(&mut read, &mut passing.body, collect).await;
        // Observing, the request goes on whatever came of the question, and must be whole.
        passing.prefix = read.freeze();
        match outcome {
            Ok(complete) => {
                let seen = passing.prefix.slice(..passing.prefix.len().min(collect.limit));
                Collected::Prefix { complete: complete && seen.len() == passing.prefix.len(), bytes: seen }
            }
            Err(failed) => failed,
        }
    }

    /// Reads of a body until there are so many bytes, it ends (and is gone), or its time is over. Says whether it ended.
    async fn read<B: Body<Data = Bytes> + Unpin>(
        &self,
        read: &mut BytesMut,
        rest: &mut Option<B>,
        collect: Collect,
    ) -> Result<bool, Collected> {
        let mut sleep = pin!(self.ambient.sleep(collect.within));
        let outcome = poll_fn(|context| {
            loop {
                if read.len() >= collect.limit {
                    return Poll::Ready(Ok(rest.is_none()));
                }
                let Some(body) = rest.as_mut() else { return Poll::Ready(Ok(true)) };
                match Pin::new(body).poll_frame(context) {
                    Poll::Ready(None) => return Poll::Ready(Ok(true)),
                    Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(Collected::Broken)),
                    Poll::Ready(Some(Ok(frame))) => {
                        // Trailers end a body whose fields nobody asked for.
                        let Ok(data) = frame.into_data() else { return Poll::Ready(Ok(true)) };
                        read.extend_from_slice(data.chunk());
                    }
                    Poll::Pending => {
                        return sleep.as_mut().poll(context).map(|()| Err(Collected::TooSlow));
                    }
                }
            }
        })
        .await;
        if outcome.as_ref().is_ok_and(|ended| *ended) {
            *rest = None;
        }
        outcome
    }

    fn env(&self) -> Env<'_> {
        self.at(self.ambient.now())
    }

    fn at(&self, now: Now) -> Env<'_> {
        Env { now, entropy: self.ambient.entropy() }
    }
}

impl<B> Passing<B> {
    fn view(&self) -> View<'_> {
        View {
            method: &self.head.method,
            uri: &self.head.uri,
            version: self.head.version,
            headers: &self.head.headers,
            peer: self.peer,
            body: self.hint,
        }
    }
}

fn view<B: Body>(peer: Peer, request: &Request<B>) -> View<'_> {
    View {
        method: request.method(),
        uri: request.uri(),
        version: request.version(),
        headers: request.headers(),
        peer,
        body: hint(request.body()),
    }
}

fn hint<B: Body>(body: &B) -> BodyHint {
    if body.is_end_stream() {
        return BodyHint::Empty;
    }
    body.size_hint().exact().map_or(BodyHint::Chunked, BodyHint::Sized)
}
