use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use palisade_guard::shared::{Lease, Leased};
use palisade_guard::{Ask, Claim, Claimed, Keys, Keyset, Resume, Settle, State};
use palisade_tower::Backend;

use crate::jwks::Jwks;
use crate::system;

/// State that lives in this process alone: what restarts forgets, and nodes do not share. Of a policy that names a
/// server for shared state it says that the server is out.
#[derive(Debug, Clone)]
pub struct Local {
    state: Arc<State>,
    jwks: Option<Jwks>,
}

/// An answer, at once where this process knows it.
pub struct Answering(Inner);

enum Inner {
    Known(Option<Resume>),
    Fetching(Pin<Box<dyn Future<Output = Resume> + Send>>),
}

impl Local {
    /// Answers from `state`. Keys of issuers are never to be had.
    #[must_use]
    pub fn new(state: Arc<State>) -> Local {
        Local { state, jwks: None }
    }

    /// Gets the issuer's keys from there.
    #[must_use]
    pub fn with_jwks(self, jwks: Option<Jwks>) -> Local {
        Local { jwks, ..self }
    }
}

impl Backend for Local {
    type Answer = Answering;

    fn claim(&self, ask: Ask<Claim>) -> Answering {
        let claimed = match ask.patience() {
            None => self.state.claim(&ask.question, system::now()),
            // The guard falls back to what is known here, or refuses.
            Some(_) => Claimed::Unavailable { nodes: 1 },
        };
        Answering(Inner::Known(Some(ask.reply(claimed))))
    }

    fn settle(&self, settle: Settle) {
        self.state.settle(&settle, system::now());
    }

    fn lease(&self, ask: Ask<Lease>) -> Answering {
        Answering(Inner::Known(Some(ask.reply(Leased::Unavailable { nodes: 1 }))))
    }

    fn keys(&self, ask: Ask<Keyset>) -> Answering {
        let Some(jwks) = self.jwks.clone() else {
            return Answering(Inner::Known(Some(ask.reply(Keys::Unavailable))));
        };
        Answering(Inner::Fetching(Box::pin(async move {
            let keys = jwks.answer(ask.question).await;
            ask.reply(keys)
        })))
    }
}

impl Future for Answering {
    type Output = Resume;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Resume> {
        match &mut self.0 {
            // Taken once; a future that is asked again after its end never ends.
            Inner::Known(resume) => resume.take().map_or(Poll::Pending, Poll::Ready),
            Inner::Fetching(fetching) => fetching.as_mut().poll(context),
        }
    }
}

impl std::fmt::Debug for Answering {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Answering(..)")
    }
}
