//! Drives the guard over one request: asks its questions, forwards what is admitted, finishes every response.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use bytes::{Buf, Bytes, BytesMut};
use http::{Request, Response, request};
use http_body::Body;
use palisade_guard::{
    Admitted, Answer, BodyFate, BodyHint, Collect, Collected, Env, Fault, Identity, Need, Peer, Plan, Settle, Step,
    View,
};

use crate::ambient::{Ambient, Backend};
use crate::body::{GateBody, Guarded};

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

    /// Takes a request through the gate, and through `service` if it is admitted.
    ///
    /// The future is `Send` where the backend's, the service's and the body are. Whoever makes the response, it leaves
    /// finished, and exactly one record is made of it.
    pub async fn handle<B, R, S, F, E>(&self, peer: Peer, request: Request<B>, service: S) -> Response<GateBody<R>>
    where
        B: Body<Data = Bytes> + Unpin,
        S: FnOnce(Request<Guarded<B>>) -> F,
        F: Future<Output = Result<Response<R>, E>>,
        E: Into<Fault>,
    {
        let (head, body) = request.into_parts();
        let mut passing = Passing { hint: hint(&body), head, peer, prefix: Bytes::new(), body: Some(body) };
        match self.decide(&mut passing).await {
            Ok(admitted) => self.forward(admitted, passing, service).await,
            Err(answer) => self.answer(answer),
        }
    }

    async fn decide<B: Body<Data = Bytes> + Unpin>(&self, passing: &mut Passing<B>) -> Result<Admitted, Answer> {
        let mut step = self.plan.inspect(&passing.view(), &self.env());
        loop {
            let resume = match step {
                Step::Admit(admitted) => return Ok(admitted),
                Step::Answer(answer) => return Err(answer),
                Step::Need(Need::Claim(ask)) => self.backend.claim(ask).await,
                Step::Need(Need::Keys(ask)) => self.backend.keys(ask).await,
                Step::Need(Need::Lease(ask)) => self.backend.lease(ask).await,
                Step::Need(Need::Collect(ask)) => {
                    let collected = self.collect(passing, ask.question).await;
                    ask.reply(collected)
                }
            };
            step = resume.run(&passing.view(), &self.env());
        }
    }

    async fn forward<B, R, S, F, E>(
        &self,
        mut admitted: Admitted,
        passing: Passing<B>,
        service: S,
    ) -> Response<GateBody<R>>
    where
        B: Body<Data = Bytes>,
        S: FnOnce(Request<Guarded<B>>) -> F,
        F: Future<Output = Result<Response<R>, E>>,
        E: Into<Fault>,
    {
        let Passing { mut head, prefix, body, .. } = passing;
        let plan = admitted.forward(&mut head, &self.env());
        // Whatever a server or an outer layer left there is not the gate's word.
        head.extensions.remove::<Identity>();
        if let Some(identity) = admitted.identity() {
            head.extensions.insert(identity.clone());
        }
        let (guarded, overrun) = Guarded::new(prefix, body, plan);
        match service(Request::from_parts(head, guarded)).await {
            Ok(response) => {
                let (mut head, body) = response.into_parts();
                let finish = admitted.finish(&mut head, &self.env());
                self.settle(finish.settle);
                self.ambient.record(finish.record);
                let body = match finish.body {
                    BodyFate::Keep => GateBody::Inner(body),
                    BodyFate::Replace(bytes) => GateBody::Own(bytes),
                };
                Response::from_parts(head, body)
            }
            Err(error) => {
                let fault = if overrun.happened() { Fault::BodyTooLarge } else { error.into() };
                let (head, body, record, settle) = admitted.fail(fault, &self.env());
                self.settle(settle);
                self.ambient.record(record);
                Response::from_parts(head, GateBody::Own(body))
            }
        }
    }

    fn settle(&self, settle: Option<Settle>) {
        if let Some(settle) = settle {
            self.backend.settle(settle);
        }
    }

    fn answer<R>(&self, answer: Answer) -> Response<GateBody<R>> {
        let (response, record) = answer.into_response(&self.env());
        self.ambient.record(record);
        response.map(GateBody::Own)
    }

    /// Reads the beginning of the body, on from where an earlier question ended; what was read is forwarded later, byte
    /// for byte.
    async fn collect<B: Body<Data = Bytes> + Unpin>(&self, passing: &mut Passing<B>, collect: Collect) -> Collected {
        let mut sleep = pin!(self.ambient.sleep(collect.within));
        let mut read = BytesMut::from(std::mem::take(&mut passing.prefix));
        let outcome = poll_fn(|context| {
            loop {
                if read.len() >= collect.limit {
                    return Poll::Ready(Ok(passing.body.is_none()));
                }
                let Some(body) = passing.body.as_mut() else { return Poll::Ready(Ok(true)) };
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
        // Observing, the request goes on whatever came of the question, and must be whole.
        passing.prefix = read.freeze();
        match outcome {
            Ok(complete) => {
                if complete {
                    passing.body = None;
                }
                let seen = passing.prefix.slice(..passing.prefix.len().min(collect.limit));
                Collected::Prefix { complete: complete && seen.len() == passing.prefix.len(), bytes: seen }
            }
            Err(failed) => failed,
        }
    }

    fn env(&self) -> Env<'_> {
        Env { now: self.ambient.now(), entropy: self.ambient.entropy() }
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

fn hint<B: Body>(body: &B) -> BodyHint {
    if body.is_end_stream() {
        return BodyHint::Empty;
    }
    body.size_hint().exact().map_or(BodyHint::Chunked, BodyHint::Sized)
}
