use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use palisade_guard::{Fault, Peer};
use palisade_policy::{Found, RouteSource};
use tower_layer::Layer;
use tower_service::Service;

use crate::ambient::{Ambient, Backend};
use crate::body::{GateBody, Guarded};
use crate::gate::Gate;

/// How the peer's address is found in a request: servers keep it in extensions of their own.
pub type PeerOf = fn(&http::Extensions) -> Option<Peer>;

/// How the framework's own name of the matched route is found in a request.
pub type RouteOf = fn(&http::Extensions) -> Option<&str>;

/// The gate as a tower layer.
///
/// It belongs outside every layer that looks at the request. Requests whose peer cannot be found share one quota, and
/// their forwarding headers are not believed.
#[derive(Debug, Clone)]
pub struct GateLayer<K, A> {
    gate: Gate<K, A>,
    finder: Finder,
}

/// A service behind the gate.
#[derive(Debug, Clone)]
pub struct GateService<S, K, A> {
    inner: S,
    gate: Gate<K, A>,
    finder: Finder,
}

/// Where a request keeps what its server knows.
#[derive(Debug, Clone)]
struct Finder {
    peer: PeerOf,
    route: RouteOf,
    /// Undeclared routes that were reported. Bounded by [`MAX_REPORTED`].
    reported: Arc<Mutex<BTreeSet<String>>>,
}

const MAX_REPORTED: usize = 1000;

// === impl GateLayer ===

impl<K, A> GateLayer<K, A> {
    /// A layer that finds the peer by `peer`, and the framework's name of the route by `route`.
    pub fn new(gate: Gate<K, A>, peer: PeerOf, route: RouteOf) -> GateLayer<K, A> {
        GateLayer { gate, finder: Finder { peer, route, reported: Arc::default() } }
    }
}

impl<S, K: Clone, A: Clone> Layer<S> for GateLayer<K, A> {
    type Service = GateService<S, K, A>;

    fn layer(&self, inner: S) -> Self::Service {
        GateService { inner, gate: self.gate.clone(), finder: self.finder.clone() }
    }
}

// === impl GateService ===

impl<S, K, A, B, R> Service<Request<B>> for GateService<S, K, A>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    S: Service<Request<Guarded<B>>, Response = Response<R>> + Clone + Send + 'static,
    S::Error: Into<Fault>,
    S::Future: Send,
    R: Body<Data = Bytes> + Send + Unpin + 'static,
    K: Backend + Clone + Send + Sync + 'static,
    K::Answer: Send,
    A: Ambient + Clone + Send + Sync + 'static,
    A::Sleep: Send,
{
    type Response = Response<GateBody<R>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    /// Always ready: readiness of the inner service is awaited once the request is admitted, so that a refusal never
    /// waits for the application.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let GateService { mut inner, gate, finder } = self.clone();
        let peer = (finder.peer)(request.extensions());
        finder.report(&gate, &request);
        Box::pin(async move {
            let peer = peer.unwrap_or(Peer { address: std::net::Ipv6Addr::UNSPECIFIED.into() });
            let call = async |mut request: Request<Guarded<B>>| {
                if let Some(identity) = request.body().identity().cloned() {
                    request.extensions_mut().insert(identity);
                }
                std::future::poll_fn(|context| inner.poll_ready(context)).await?;
                inner.call(request).await
            };
            Ok(gate.handle(peer, request, call).await)
        })
    }
}

// === impl Finder ===

impl Finder {
    /// Tells the ambient once of each route the app serves and nobody declared.
    fn report<K: Backend, A: Ambient, B>(&self, gate: &Gate<K, A>, request: &Request<B>) {
        let Some(name) = (self.route)(request.extensions()) else { return };
        let found = gate.plan().policy().find(request.method().as_str(), request.uri().path());
        if !matches!(found, Found::Route(_, route) if route.source == RouteSource::Undeclared) {
            return;
        }
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        if reported.len() < MAX_REPORTED && !reported.contains(name) {
            reported.insert(name.to_owned());
            gate.ambient().undeclared(name);
        }
    }
}
