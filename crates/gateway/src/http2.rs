//! One HTTP/2 connection, from its preface to its end.
//!
//! RFC 9113 by hyper and h2, with every bound set here. What the gate asks of a request over HTTP/1.1 it asks here too:
//! fields of HTTP/1.1 connections, other schemes, CONNECT in both its forms, and values with whitespace around them are
//! refused; crumbs of a cookie are joined (section 8.2.3).

mod flood;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use palisade_policy::Limits;
use tokio::time::{Instant, Sleep, sleep};

use crate::framing::{Flaw, MAX_FIELDS};
use crate::roster::Place;
use crate::serve::{Answers, Link, Stream};
use flood::Dammed;

/// Streams a client may have open at a time. Browsers want about 100 (RFC 9113 section 6.5.2 asks for no fewer).
const STREAMS: u32 = 100;
/// Streams that were reset and not yet looked at, before the connection ends (CVE-2023-44487, rapid reset).
const RESETS: usize = 32;
/// Bytes of a stream and of a connection that may wait for the application.
const STREAM_WINDOW: u32 = 64 << 10;
const CONNECTION_WINDOW: u32 = 256 << 10;
/// Bytes of a response that wait for the client, for each stream.
const SEND_BUFFER: usize = 64 << 10;
/// How long a client may take to answer a ping.
const PING_PATIENCE: Duration = Duration::from_secs(20);
/// How long a connection may still be open once it was told to end and nothing runs.
const GOODBYE: Duration = Duration::from_secs(1);

/// Spawns on this thread.
#[derive(Debug, Clone, Copy)]
struct Here;

/// What goes on in a connection.
#[derive(Debug, Default)]
struct Activity {
    /// Requests being answered.
    running: Cell<u32>,
    /// Grows with everything that moves, wrapping.
    moved: Cell<u32>,
    /// Those responses, by a number of their own: one that moves does not excuse another.
    lags: RefCell<BTreeMap<u32, Lag>>,
    numbered: Cell<u32>,
    /// A request was refused in a way that ends the connection.
    ending: Cell<bool>,
}

/// A response that waits for the client.
#[derive(Debug, Default)]
struct Lag {
    /// Bytes taken since the last look.
    taken: u64,
    /// Looks in a row at which they were too few.
    quiet: u8,
}

/// The body of a response, and what its connection knows of it.
struct Reply<B> {
    body: B,
    running: Running,
    /// Its number, while the client could take more, and does not.
    stuck: Option<u32>,
}

/// A request that is being answered.
struct Running(Rc<Activity>);

/// Ends a connection on which nothing moves, or some response is taken too slowly, by one timer that looks at quarters of
/// `idle_timeout`.
struct Quiet {
    sleep: Pin<Box<Sleep>>,
    quarter: Duration,
    /// Bytes of a response that a client takes in a quarter at least.
    least: u64,
    /// What had moved at the last look.
    moved: u32,
    /// Looks since something did.
    still: u8,
    told: bool,
}

/// How a quiet connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// It is told so, and may finish what runs.
    Politely,
    Cut,
}

/// Serves a connection until either end closes it, nothing moves for too long, or the thread drains.
pub(crate) async fn serve<A: Answers, S: Stream>(
    answers: Rc<A>,
    stream: S,
    limits: &Limits,
    link: Link,
    mut place: Place,
) {
    let activity = Rc::<Activity>::default();
    let service = {
        let (activity, head) = (Rc::clone(&activity), limits.header_bytes);
        service_fn(move |request: Request<Incoming>| {
            let running = Running::new(&activity);
            let (answers, link) = (Rc::clone(&answers), link.clone());
            async move {
                let response = answer(&*answers, request, head, &link, &running).await;
                Ok::<_, Infallible>(response.map(|body| Reply::new(body, running)))
            }
        })
    };
    let connection = builder(limits).serve_connection(TokioIo::new(Dammed::new(stream)), service);
    let mut connection = pin!(connection);
    let mut quiet = Quiet::new(limits);
    let mut told = false;
    poll_fn(|context| {
        if connection.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        let idle = quiet.poll(&activity, context);
        if idle == Some(Ended::Cut) {
            return Poll::Ready(());
        }
        if !told && (idle.is_some() || activity.ending.get() || place.closing(context)) {
            told = true;
            quiet.hurry();
            connection.as_mut().graceful_shutdown();
            context.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await;
}

fn builder(limits: &Limits) -> http2::Builder<Here> {
    let mut builder = http2::Builder::new(Here);
    // Beyond the bound of our own, which answers in our words; h2's is for what must not even be kept.
    let list = limits.header_bytes.saturating_mul(2).max(64 << 10);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(RESETS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(16 << 10)
        .max_header_list_size(list)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(limits.idle_timeout / 2)
        .keep_alive_timeout(PING_PATIENCE);
    builder
}

async fn answer<A: Answers>(
    answers: &A,
    mut request: Request<Incoming>,
    head_bytes: u32,
    link: &Link,
    running: &Running,
) -> Response<A::Body> {
    let mut response = match flaw(&request, head_bytes) {
        Some(flaw) => {
            running.0.ending.set(true);
            answers.refuse(&request, flaw, link)
        }
        None => {
            join_crumbs(&mut request);
            answers.answer(request, link).await
        }
    };
    // Where HTTP/1.1 would close the connection, so does HTTP/2, once what runs has ended.
    if response.headers_mut().remove(header::CONNECTION).is_some_and(|value| value == "close") {
        running.0.ending.set(true);
    }
    response
}

/// What makes a request malformed that h2 let through (RFC 9113 section 8), or too large.
fn flaw<B>(request: &Request<B>, head_bytes: u32) -> Option<Flaw> {
    let (uri, headers) = (request.uri(), request.headers());
    if *request.method() == Method::CONNECT {
        return Some(Flaw::Method);
    }
    if !request.method().as_str().bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-') {
        return Some(Flaw::Method);
    }
    if uri.scheme_str() != Some("https") || uri.path().starts_with("//") {
        return Some(Flaw::Target);
    }
    if uri.authority().is_none_or(|authority| authority.as_str().contains('@')) {
        return Some(Flaw::Host);
    }
    let mut bytes = uri.path_and_query().map_or(0, |target| target.as_str().len());
    for (name, value) in headers {
        // As section 6.5.2 counts.
        bytes += name.as_str().len() + value.len() + 32;
        let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
        if blank(value.as_bytes().first()) || blank(value.as_bytes().last()) {
            return Some(Flaw::Control);
        }
        let forbidden = match name.as_str() {
            "connection" | "keep-alive" | "proxy-connection" | "transfer-encoding" | "upgrade" | "http2-settings" => {
                true
            }
            "te" => value != "trailers",
            _ => false,
        };
        if forbidden {
            return Some(Flaw::FieldName);
        }
    }
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    (headers.len() > MAX_FIELDS as usize || bytes > head_bytes).then_some(Flaw::HeadTooLarge)
}

/// Section 8.2.3: a cookie may come in crumbs, and is whole again before anybody reads it.
fn join_crumbs<B>(request: &mut Request<B>) {
    if request.headers().get_all(header::COOKIE).iter().nth(1).is_some() {
        let all: Vec<&[u8]> = request.headers().get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
        if let Ok(whole) = HeaderValue::from_bytes(&all.join(&b"; "[..])) {
            request.headers_mut().insert(header::COOKIE, whole);
        }
    }
}

impl<F: Future + 'static> hyper::rt::Executor<F> for Here {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

// === impl Running ===

impl Running {
    fn new(activity: &Rc<Activity>) -> Running {
        activity.running.set(activity.running.get() + 1);
        activity.moves();
        Running(Rc::clone(activity))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.set(self.0.running.get().saturating_sub(1));
        self.0.moves();
    }
}

impl Activity {
    fn moves(&self) {
        self.moved.set(self.moved.get().wrapping_add(1));
    }

    /// A response waits for the client from now on, under the number that is returned.
    fn waits(&self) -> u32 {
        let number = self.numbered.get();
        self.numbered.set(number.wrapping_add(1));
        self.lags.borrow_mut().insert(number, Lag::default());
        number
    }

    fn took(&self, number: u32, bytes: usize) {
        if let Some(lag) = self.lags.borrow_mut().get_mut(&number) {
            lag.taken = lag.taken.saturating_add(bytes as u64);
        }
    }

    /// Whether the client has taken less than `least` of some response for four looks; they are counted anew then.
    fn lags_behind(&self, least: u64) -> bool {
        let mut lags = self.lags.borrow_mut();
        for lag in lags.values_mut() {
            lag.quiet = if std::mem::take(&mut lag.taken) < least { lag.quiet + 1 } else { 0 };
        }
        let behind = lags.values().any(|lag| lag.quiet >= 4);
        if behind {
            lags.values_mut().for_each(|lag| lag.quiet = 0);
        }
        behind
    }
}

// === impl Reply ===

impl<B: Body> Reply<B> {
    fn new(body: B, running: Running) -> Reply<B> {
        let mut reply = Reply { stuck: None, running, body };
        reply.stands(!reply.body.is_end_stream());
        reply
    }
}

impl<B> Reply<B> {
    fn stands(&mut self, stuck: bool) {
        let activity = &self.running.0;
        match self.stuck {
            None if stuck => self.stuck = Some(activity.waits()),
            Some(number) if !stuck => {
                activity.lags.borrow_mut().remove(&number);
                self.stuck = None;
            }
            _ => {}
        }
    }
}

impl<B> Drop for Reply<B> {
    fn drop(&mut self) {
        self.stands(false);
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Reply<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        // h2 asks for more only where the client takes more.
        this.running.0.moves();
        let frame = Pin::new(&mut this.body).poll_frame(context);
        if let (Some(number), Poll::Ready(Some(Ok(frame)))) = (this.stuck, &frame) {
            this.running.0.took(number, frame.data_ref().map_or(0, Bytes::len));
        }
        this.stands(matches!(frame, Poll::Ready(Some(Ok(_)))) && !this.body.is_end_stream());
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

// === impl Quiet ===

impl Quiet {
    fn new(limits: &Limits) -> Quiet {
        let quarter = (limits.idle_timeout / 4).max(Duration::from_millis(1));
        // The first request must come as soon as a head over HTTP/1.1 must.
        let least = u128::from(limits.read_rate) * quarter.as_millis() / 1000;
        let least = u64::try_from(least).unwrap_or(u64::MAX).max(1);
        Quiet { sleep: Box::pin(sleep(limits.header_timeout)), quarter, least, moved: 0, still: 3, told: false }
    }

    fn poll(&mut self, activity: &Activity, context: &mut Context<'_>) -> Option<Ended> {
        while self.sleep.as_mut().poll(context).is_ready() {
            self.sleep.as_mut().reset(Instant::now() + self.quarter);
            let (moved, runs) = (activity.moved.get(), activity.running.get() > 0);
            let still = moved == self.moved && (!runs || !activity.lags.borrow().is_empty());
            self.moved = moved;
            self.still = if still { self.still + 1 } else { 0 };
            if self.told && !runs {
                return Some(Ended::Cut);
            }
            // One response that stands still holds an upstream's connection, whatever else goes on.
            if activity.lags_behind(self.least) {
                return Some(if self.told { Ended::Cut } else { Ended::Politely });
            }
            if self.still >= 4 {
                return Some(if self.told || runs { Ended::Cut } else { Ended::Politely });
            }
        }
        None
    }

    /// The connection was told to end.
    fn hurry(&mut self) {
        self.told = true;
        self.sleep.as_mut().reset(Instant::now() + GOODBYE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str, fields: &[(&str, &str)]) -> Request<()> {
        let mut builder = Request::builder().uri(uri);
        for (name, value) in fields {
            builder = builder.header(*name, *value);
        }
        builder.body(()).expect("request")
    }

    #[test]
    fn crumbs_become_one_cookie() {
        let mut whole = request("https://a/", &[("cookie", "a=1"), ("x", "y"), ("cookie", "b=2"), ("cookie", "c=3")]);
        join_crumbs(&mut whole);
        let lines: Vec<_> = whole.headers().get_all("cookie").iter().collect();
        assert_eq!(lines, ["a=1; b=2; c=3"]);
    }

    #[test]
    fn what_has_no_place_in_http2_is_a_flaw() {
        assert_eq!(flaw(&request("https://a/b?c", &[("te", "trailers"), ("x", "y z")]), 1 << 14), None);
        for (uri, fields, expect) in [
            ("http://a/", ("x", "y"), Flaw::Target),
            ("https://a//b", ("x", "y"), Flaw::Target),
            ("/b", ("x", "y"), Flaw::Target),
            ("https://u@a/b", ("x", "y"), Flaw::Host),
            ("https://a/", ("connection", "close"), Flaw::FieldName),
            ("https://a/", ("transfer-encoding", "chunked"), Flaw::FieldName),
            ("https://a/", ("upgrade", "h2c"), Flaw::FieldName),
            ("https://a/", ("te", "gzip"), Flaw::FieldName),
            ("https://a/", ("x", " y"), Flaw::Control),
            ("https://a/", ("x", "y\t"), Flaw::Control),
        ] {
            assert_eq!(flaw(&request(uri, &[fields]), 1 << 14), Some(expect), "{uri} {fields:?}");
        }
        let many: Vec<_> = (0..101).map(|_| ("x", "y")).collect();
        assert_eq!(flaw(&request("https://a/", &many), 1 << 14), Some(Flaw::HeadTooLarge));
        assert_eq!(flaw(&request("https://a/", &[("x", &"y".repeat(2000))]), 1 << 10), Some(Flaw::HeadTooLarge));
    }
}
