//! WebSocket: the handshake's answer is checked, then bytes are carried both ways, unread. A tunnel ends with the token it
//! was opened with, with a block of its client, and after an hour.

use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Request, Response};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use palisade_event::ClientKey;
use palisade_guard::{Fault, Identity, MonoMicros, Plan};
use palisade_tower::Guarded;
use sha1::{Digest as _, Sha1};
use tokio::io::{AsyncWriteExt as _, copy_bidirectional};
use tokio::time::{Instant, sleep};

use crate::census::Permit;
use crate::roster::Place;
use crate::upload::Upload;
use crate::upstream::{Received, Upgraded, Upstreams};

/// What a tunnel holds as long as it lives.
pub(crate) struct Holds<T> {
    /// Its place in the thread's roster.
    pub(crate) place: Place,
    /// Its leave to be open.
    pub(crate) permit: Permit,
    /// The connection it came over is still counted.
    pub(crate) connection: T,
    pub(crate) leave: Leave,
}

/// How long a tunnel may live.
pub(crate) struct Leave {
    plan: Arc<Plan>,
    client: ClientKey,
    until: MonoMicros,
}

/// The longest life of a tunnel: sessions end, and a tunnel does not notice.
const LIFE: Duration = Duration::from_secs(3600);
/// How often a tunnel looks whether it may live on.
const LOOK: Duration = Duration::from_secs(1);
/// RFC 6455 section 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

// === impl Leave ===

impl Leave {
    /// Leave for the client of an admitted handshake: for an hour, or as long as its token is good.
    pub(crate) fn of<B>(request: &Request<B>, client: IpAddr, plan: Arc<Plan>) -> Leave {
        let now = palisade_backend::now();
        let token = request.extensions().get::<Identity>().map(|identity| identity.life(now.wall));
        let life = token.map_or(LIFE, |life| life.min(LIFE));
        let micros = u64::try_from(life.as_micros()).unwrap_or(u64::MAX);
        Leave { plan, client: ClientKey::of(client), until: MonoMicros(now.mono.0.saturating_add(micros)) }
    }

    fn is_over(&self) -> bool {
        let now = palisade_backend::now().mono;
        now >= self.until || self.plan.blocked(self.client, now).is_some()
    }
}

/// Whether the guard let an upgrade through: it strips the field from every other request.
pub(crate) fn asks<B>(request: &Request<B>) -> bool {
    request.headers().contains_key(header::UPGRADE)
}

/// Takes a handshake to the application; on its 101 a tunnel begins once the client has been told.
///
/// # Errors
/// [`Fault::Unreachable`] for a 101 that is not the answer to this very handshake, and as [`Upstreams::send`].
pub(crate) async fn open<T: 'static>(
    upstreams: &Upstreams,
    mut request: Request<Guarded<Upload>>,
    holds: Holds<T>,
) -> Result<Response<Received>, Fault> {
    let client = hyper::upgrade::on(&mut request);
    let accept = request.headers().get(header::SEC_WEBSOCKET_KEY).and_then(accept);
    let handshake = upstreams.handshake(request).await?;
    let Some(application) = handshake.upgraded else { return Ok(handshake.response) };
    if accept.is_none() || !genuine(handshake.response.headers(), accept.as_ref()) {
        return Err(Fault::Unreachable);
    }
    tokio::task::spawn_local(tunnel(client, application, holds));
    Ok(handshake.response)
}

/// `Sec-WebSocket-Accept` for a key (RFC 6455 section 4.2.2).
fn accept(key: &HeaderValue) -> Option<HeaderValue> {
    let digest = Sha1::new().chain_update(key.as_bytes()).chain_update(GUID).finalize();
    HeaderValue::from_str(&STANDARD.encode(digest)).ok()
}

fn genuine(headers: &HeaderMap, accept: Option<&HeaderValue>) -> bool {
    let mut accepts = headers.get_all(header::SEC_WEBSOCKET_ACCEPT).iter();
    let named = |name: header::HeaderName, token: &str| {
        let mut lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
        lines.any(|line| line.split(',').any(|part| part.trim().eq_ignore_ascii_case(token)))
    };
    accepts.next() == accept
        && accepts.next().is_none()
        && named(header::UPGRADE, "websocket")
        && named(header::CONNECTION, "upgrade")
}

/// Carries bytes until either end closes, the tunnel's leave is over, or the thread drains.
async fn tunnel<T>(client: OnUpgrade, application: Upgraded, mut holds: Holds<T>) {
    let mut carry = pin!(async {
        // It comes or the handshake broke off before the client was told.
        let Ok(client) = client.await else { return };
        let Upgraded { mut stream, ahead } = application;
        let mut client = TokioIo::new(client);
        // A broken end closes the other; nobody is left to be told.
        if client.write_all(&ahead).await.is_ok() && client.flush().await.is_ok() {
            let _ = copy_bidirectional(&mut client, &mut stream).await;
        }
    });
    let mut look = pin!(sleep(LOOK));
    poll_fn(|context| {
        if holds.place.closing(context) {
            return Poll::Ready(());
        }
        while look.as_mut().poll(context).is_ready() {
            if holds.leave.is_over() {
                return Poll::Ready(());
            }
            look.as_mut().reset(Instant::now() + LOOK);
        }
        carry.as_mut().poll(context)
    })
    .await;
    drop((holds.permit, holds.connection));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(lines: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_the_answer_to_this_key_is_genuine() {
        // The example of RFC 6455 section 1.3.
        let wanted = accept(&HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="));
        let right = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
        assert_eq!(wanted, Some(HeaderValue::from_static(right)));
        let upgrade = (header::UPGRADE, "WebSocket");
        let connection = (header::CONNECTION, "keep-alive, Upgrade");
        let good = answer(&[upgrade.clone(), connection.clone(), (header::SEC_WEBSOCKET_ACCEPT, right)]);
        assert!(genuine(&good, wanted.as_ref()));
        let wrong = "s3pPLMBiTxaQ9kYGzzhZRbK+xOp=";
        for bad in [
            answer(&[upgrade.clone(), connection.clone(), (header::SEC_WEBSOCKET_ACCEPT, wrong)]),
            answer(&[upgrade.clone(), connection.clone()]),
            answer(&[(header::UPGRADE, "h2c"), connection, (header::SEC_WEBSOCKET_ACCEPT, right)]),
            answer(&[upgrade, (header::SEC_WEBSOCKET_ACCEPT, right)]),
        ] {
            assert!(!genuine(&bad, wanted.as_ref()), "{bad:?}");
        }
    }
}
