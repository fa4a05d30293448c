//! Plain http, answered with the way to https.

use std::rc::Rc;

use http::{Request, Response};
use hyper::body::Incoming;
use palisade_tower::GateBody;

use crate::framing::Flaw;
use crate::serve::{Answers, Link};
use crate::upstream::Received;
use crate::worker::Worker;

/// Answers every request with 308 to the same target under https, on a host of the policy. Nothing reaches the
/// application, and no event is made: the request comes again, over TLS.
pub(crate) struct ToHttps(pub(crate) Rc<Worker>);

impl Answers for ToHttps {
    type Body = GateBody<Received>;

    async fn answer(&self, request: Request<Incoming>, link: &Link) -> Response<Self::Body> {
        self.0.to_https(&request, link)
    }

    fn refuse(&self, request: &Request<Incoming>, flaw: Flaw, link: &Link) -> Response<Self::Body> {
        self.0.refuse(request, flaw, link)
    }
}
