//! One client connection, from accept to close.

use std::convert::Infallible;
use std::error::Error;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use palisade_policy::Limits;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::sleep;

use crate::census::Permit;
use crate::framing::Flaw;
use crate::roster::Place;
use crate::watched::{Busy, Phase, Pulse, Watch, Watched};

/// Who answers requests.
pub(crate) trait Answers: 'static {
    /// The body of an answer.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin + 'static;

    /// Answers one. `link` is the connection it came over.
    fn answer(&self, request: Request<Incoming>, link: &Link) -> impl Future<Output = Response<Self::Body>>;

    /// Refuses one that stands for a request of broken framing.
    fn refuse(&self, request: &Request<Incoming>, flaw: Flaw, link: &Link) -> Response<Self::Body>;
}

/// What requests come over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

/// What a request knows of its connection.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) peer: IpAddr,
    /// Held as long as anything of the connection is open.
    pub(crate) permit: Rc<Permit>,
}

/// The body of a response, and with it the knowledge that the request is not over.
#[derive(Debug)]
struct Reply<B> {
    body: B,
    _busy: Busy,
}

/// How long a connection that asks nothing has to do so once the gate drains.
const FIRST_HEAD: Duration = Duration::from_secs(1);
/// How long what a client still sends is thrown away after the last response, so that it can read that response.
const LINGER: Duration = Duration::from_secs(2);
/// hyper takes no less, bytes; and what it takes beyond the longest head.
const MIN_BUFFER: usize = 8 << 10;

/// How hyper serves here.
///
/// `pipeline_flush` stays off: with it hyper 1.12 takes frames of a response without bound while the client takes
/// none, and holds finished frames back as long as unread bytes of the request lie in its buffer. Its header timeout
/// counts the pause between requests too; [`Watch`] tells the two apart.
pub(crate) fn builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.half_close(false).keep_alive(true).header_read_timeout(None);
    let head = usize::try_from(limits.header_bytes).unwrap_or(usize::MAX);
    // What hyper would refuse by itself, without our headers, is refused before it: its own bounds are never reached.
    builder.max_buf_size(head.saturating_add(MIN_BUFFER));
    builder
}

/// Serves a connection until either end closes it, it stands still for too long, or the thread drains.
pub(crate) async fn serve<A: Answers, S: Stream>(
    answers: Rc<A>,
    builder: &http1::Builder,
    stream: S,
    limits: &Limits,
    link: Link,
    mut place: Place,
) {
    let (socket, pulse) = Watched::new(stream, limits);
    let mut watch = Watch::new(pulse.clone(), limits);
    let service = {
        let pulse = pulse.clone();
        service_fn(move |request: Request<Incoming>| {
            let busy = pulse.begin(!request.body().is_end_stream());
            let (answers, link, pulse) = (Rc::clone(&answers), link.clone(), Arc::clone(&pulse));
            async move {
                let response = match pulse.refusal() {
                    None => answers.answer(request, &link).await,
                    Some(flaw) => {
                        pulse.sends_on();
                        answers.refuse(&request, flaw, &link)
                    }
                };
                if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                    pulse.tunnel();
                }
                Ok::<_, Infallible>(response.map(|body| Reply { body, _busy: busy }))
            }
        })
    };
    let mut connection = builder.serve_connection(TokioIo::new(socket), service).with_upgrades();
    let mut drain = Drain::No;
    let ended = poll_fn(|context| {
        if Pin::new(&mut connection).poll(context).is_ready() {
            return Poll::Ready(true);
        }
        if place.closing(context) && drain.ready(&pulse, context) {
            Pin::new(&mut connection).graceful_shutdown();
            context.waker().wake_by_ref();
        }
        watch.poll(context).map(|()| false)
    })
    .await;
    if ended && let Some(parts) = connection.into_parts() {
        linger(parts.io.into_inner().into_stream(), pulse.sends()).await;
    }
}

/// How far a connection is with its end.
enum Drain {
    No,
    /// Nothing is being asked; the client may ask once more.
    FirstHead(Pin<Box<tokio::time::Sleep>>),
    Told,
}

impl Drain {
    /// Whether hyper is to be told now; true once.
    fn ready(&mut self, pulse: &Pulse, context: &mut Context<'_>) -> bool {
        if let Drain::No = self {
            *self = Drain::FirstHead(Box::pin(sleep(FIRST_HEAD)));
        }
        let Drain::FirstHead(sleep) = self else { return false };
        // hyper closes at once what has nothing to answer, though a request may be on its way. Who asks again in time
        // is answered, and told with the answer that the connection closes.
        let over = sleep.as_mut().poll(context).is_ready();
        if pulse.phase() != Phase::Busy && !over {
            return false;
        }
        *self = Drain::Told;
        true
    }
}

/// Closing a socket with unread bytes resets it, and the reset overtakes the response: a refused upload would see a
/// broken connection instead of its refusal. hyper has shut down the sending side; what still comes is thrown away, and
/// waited for where the client `sends`.
async fn linger(mut stream: impl AsyncRead + Unpin, sends: bool) {
    let mut late = pin!(sleep(LINGER));
    let mut waste = vec![0; 4096]; // on the heap: an array would lie in the task of every connection
    poll_fn(|context| {
        if late.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        loop {
            let mut read = ReadBuf::new(&mut waste);
            match Pin::new(&mut stream).poll_read(context, &mut read) {
                Poll::Ready(Ok(())) if !read.filled().is_empty() => {}
                Poll::Pending if sends => return Poll::Pending,
                Poll::Ready(_) | Poll::Pending => return Poll::Ready(()),
            }
        }
    })
    .await;
}

// === impl Reply ===

impl<B: Body<Data = Bytes> + Unpin> Body for Reply<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream as StdStream};

    use palisade_policy::Clients;
    use palisade_tower::GateBody;
    use tokio::task::{LocalSet, spawn_local};

    use crate::census::Census;
    use crate::roster::Roster;

    struct Panics;

    impl Answers for Panics {
        type Body = GateBody<Incoming>;

        async fn answer(&self, request: Request<Incoming>, _: &Link) -> Response<Self::Body> {
            assert_ne!(request.uri().path(), "/panic", "on purpose");
            Response::new(GateBody::Own(Bytes::from_static(b"fine")))
        }

        fn refuse(&self, _: &Request<Incoming>, flaw: Flaw, _: &Link) -> Response<Self::Body> {
            panic!("{flaw:?}")
        }
    }

    /// What the gate says to one request, until it closes.
    fn asked(address: std::net::SocketAddr, path: &str) -> String {
        let mut stream = StdStream::connect(address).expect("connect");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").expect("send");
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    }

    #[test]
    fn a_panic_costs_one_connection_and_nothing_else() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("bind");
        listener.set_nonblocking(true).expect("nonblocking");
        let address = listener.local_addr().expect("address");
        let client = std::thread::spawn(move || ["/a", "/panic", "/panic", "/b"].map(|path| asked(address, path)));
        let limits = Limits::default();
        let census = Census::new(&limits, &Clients::default());
        let (roster, counted) = (Rc::new(Roster::default()), census.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        LocalSet::new().block_on(&runtime, async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("listener");
            for _ in 0..4 {
                let (stream, peer) = listener.accept().await.expect("accept");
                let permit = Rc::new(counted.connection(peer.ip()).expect("room"));
                let (link, place) = (Link { peer: peer.ip(), permit }, roster.enter());
                let limits = limits.clone();
                spawn_local(async move {
                    serve(Rc::new(Panics), &builder(&limits), stream, &limits, link, place).await;
                });
            }
            roster.emptied().await;
        });
        let answers = client.join().expect("client");
        assert!(answers[0].ends_with("fine") && answers[3].ends_with("fine"), "{answers:?}");
        assert_eq!((answers[1].as_str(), answers[2].as_str()), ("", ""));
        assert_eq!(census.totals().open, 0, "permits come back by unwinding");
    }
}
