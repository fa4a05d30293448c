//! A client's socket that knows what it is waiting for, so that whoever keeps a connection open for nothing loses it,
//! and that hands on nothing but messages of one meaning.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use palisade_policy::Limits;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::coop::has_budget_remaining;
use tokio::time::{Instant, Sleep, sleep};

use crate::framing::{Bounds, Flaw, Found, Scanner, stand_in};

/// The socket. What comes is looked at where it lies in hyper's buffer; only what must wait is copied: the beginning of
/// a head whose end has not come.
#[derive(Debug)]
pub(crate) struct Watched<S> {
    stream: S,
    pulse: Arc<Pulse>,
    scanner: Scanner,
    /// Bytes that hyper has not been given.
    held: Vec<u8>,
    /// So many of them it may be given.
    ready: usize,
    fate: Fate,
}

/// Whether more may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Open,
    /// A request was refused in its place, and is the last.
    Refused,
    /// A body broke its framing after its request was let through.
    Broken,
}

/// What a connection does. One thread writes and reads it; it is atomic only because hyper wants sockets to be `Send`.
#[derive(Debug)]
pub(crate) struct Pulse {
    phase: AtomicU8,
    /// Requests begun, wrapping.
    served: AtomicU32,
    /// Successful writes, wrapping.
    writes: AtomicU32,
    /// Bytes written, wrapping.
    taken: AtomicU32,
    /// The last write found no room.
    stuck: AtomicBool,
    /// The last request came with a body.
    bodied: AtomicBool,
    /// Another protocol was agreed on.
    tunnel: AtomicBool,
    /// The request that stands for a refused one, by its number, and why.
    refused: OnceLock<(u32, Flaw)>,
    /// Who reads, while what comes waits for an answer.
    reader: Mutex<Option<Waker>>,
    /// Whether there is such a reader.
    read_waits: AtomicBool,
}

/// What the other end owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The first request head; from the start, or the rest of a later one.
    Head,
    /// Nothing: the next request is its own choice.
    Idle,
    /// A request is being answered.
    Busy,
}

/// Set while a request is being answered.
#[derive(Debug)]
pub(crate) struct Busy(Arc<Pulse>);

/// Closes connections that wait for nothing, by one timer a connection that is hardly ever set anew.
///
/// A head must be complete within `header_timeout`. Between requests nothing may stand still for `idle_timeout`, nor, while
/// a response waits for the client, may the client take less than `read_rate` for so long; that is checked at quarters,
/// so it may last a quarter longer.
#[derive(Debug)]
pub(crate) struct Watch {
    pulse: Arc<Pulse>,
    header_timeout: Duration,
    quarter: Duration,
    /// Bytes of a response that a client takes in a quarter at least.
    least: u32,
    sleep: Pin<Box<Sleep>>,
    /// The timer knows whom to wake, and has not gone off: it need not be asked.
    set: bool,
    armed: Armed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Armed {
    /// For the head of the request after that many.
    Head(u32),
    /// For the next look, since when nothing has moved for that many quarters.
    Tick { served: u32, writes: u32, taken: u32, quiet: u8 },
}

// === impl Watched ===

impl<S> Watched<S> {
    pub(crate) fn new(stream: S, limits: &Limits) -> (Watched<S>, Arc<Pulse>) {
        let pulse = Arc::new(Pulse::new());
        let bounds = Bounds { bytes: usize::try_from(limits.header_bytes).unwrap_or(usize::MAX) };
        let scanner = Scanner::new(bounds);
        let watched =
            Watched { stream, pulse: Arc::clone(&pulse), scanner, held: Vec::new(), ready: 0, fate: Fate::Open };
        (watched, pulse)
    }

    /// The socket itself.
    pub(crate) fn into_stream(self) -> S {
        self.stream
    }

    /// Gives hyper what it may have.
    fn deliver(&mut self, read: &mut ReadBuf<'_>) {
        let given = self.ready.min(read.remaining());
        read.put_slice(self.held.get(..given).unwrap_or_default());
        self.ready -= given;
        if given == self.held.len() {
            // Most connections never hold anything; those that did need not keep the room.
            self.held = Vec::new();
        } else {
            self.held.drain(..given);
        }
    }

    /// Looks at what lies in hyper's buffer from `before` on, and takes back what it may not have.
    fn look(&mut self, read: &mut ReadBuf<'_>, before: usize) {
        let fresh = read.filled().get(before..).unwrap_or_default();
        if !self.held.is_empty() || self.scanner.waits() {
            self.held.extend_from_slice(fresh);
            read.set_filled(before);
            self.look_at_held();
            return;
        }
        let given = match self.scanner.scan(fresh) {
            Found::All => return,
            Found::Until(given) => {
                self.held.extend_from_slice(fresh.get(given..).unwrap_or_default());
                given
            }
            Found::Refused(given, flaw) => {
                self.refuse(stand_in(fresh.get(given..).unwrap_or_default()), flaw);
                given
            }
            Found::Broken(given, _) => {
                self.fate = Fate::Broken;
                given
            }
        };
        read.set_filled(before + given);
    }

    fn look_at_held(&mut self) {
        match self.scanner.scan(&self.held) {
            Found::All => self.ready = self.held.len(),
            Found::Until(given) => self.ready = given,
            Found::Refused(given, flaw) => {
                let instead = stand_in(self.held.get(given..).unwrap_or_default());
                self.held.truncate(given);
                self.refuse(instead, flaw);
            }
            Found::Broken(given, _) => {
                self.held.truncate(given);
                self.ready = given;
                self.fate = Fate::Broken;
            }
        }
    }

    fn refuse(&mut self, instead: Vec<u8>, flaw: Flaw) {
        self.fate = Fate::Refused;
        let _ = self.pulse.refused.set((self.scanner.heads().wrapping_add(1), flaw));
        self.held.extend(instead);
        self.ready = self.held.len();
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, read: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = read.filled().len();
        loop {
            let tunnel = this.pulse.tunnel.load(Relaxed);
            if tunnel {
                this.ready = this.held.len();
            }
            if this.ready > 0 {
                this.deliver(read);
                return Poll::Ready(Ok(()));
            }
            match this.fate {
                Fate::Open => {}
                // What else comes is thrown away once the refusal is written.
                Fate::Refused => return Poll::Pending,
                Fate::Broken => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
            }
            if !tunnel && this.scanner.waits() {
                ready!(this.pulse.answered(this.scanner.heads(), context));
                this.scanner.resume();
                this.look_at_held();
                continue;
            }
            ready!(Pin::new(&mut this.stream).poll_read(context, read))?;
            if tunnel || read.filled().len() == before {
                return Poll::Ready(Ok(()));
            }
            if this.pulse.phase() == Phase::Idle {
                this.pulse.enter(Phase::Head);
            }
            this.look(read, before);
            if read.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.pulse.wrote(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.pulse.wrote(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

// === impl Pulse ===

impl Pulse {
    fn new() -> Pulse {
        Pulse {
            phase: AtomicU8::new(Phase::Head as u8),
            served: AtomicU32::new(0),
            writes: AtomicU32::new(0),
            taken: AtomicU32::new(0),
            stuck: AtomicBool::new(false),
            bodied: AtomicBool::new(false),
            tunnel: AtomicBool::new(false),
            refused: OnceLock::new(),
            reader: Mutex::new(None),
            read_waits: AtomicBool::new(false),
        }
    }

    /// Why the request that has just begun is refused, if it stands for one that is.
    pub(crate) fn refusal(&self) -> Option<Flaw> {
        let (number, flaw) = *self.refused.get()?;
        (number == self.served()).then_some(flaw)
    }

    /// What follows is of another protocol, and nobody looks at it.
    pub(crate) fn tunnel(&self) {
        self.tunnel.store(true, Relaxed);
    }

    /// Ready once the request of that number has been answered.
    fn answered(&self, number: u32, context: &Context<'_>) -> Poll<()> {
        if self.served() == number && self.phase() != Phase::Busy {
            return Poll::Ready(());
        }
        *self.reader.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.waker().clone());
        self.read_waits.store(true, Relaxed);
        Poll::Pending
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Relaxed) {
            1 => Phase::Idle,
            2 => Phase::Busy,
            _ => Phase::Head,
        }
    }

    /// A request has come, with a body or without; it lasts until the returned value is dropped.
    pub(crate) fn begin(self: &Arc<Self>, bodied: bool) -> Busy {
        self.bodied.store(bodied, Relaxed);
        self.served.store(self.served.load(Relaxed).wrapping_add(1), Relaxed);
        self.enter(Phase::Busy);
        Busy(Arc::clone(self))
    }

    /// Requests begun, wrapping.
    pub(crate) fn served(&self) -> u32 {
        self.served.load(Relaxed)
    }

    /// Whether the client may still be sending what nobody reads: a body, or a head that was refused.
    pub(crate) fn sends(&self) -> bool {
        self.bodied.load(Relaxed) || self.phase() == Phase::Head
    }

    /// The client may still be sending, though nothing that is read.
    pub(crate) fn sends_on(&self) {
        self.bodied.store(true, Relaxed);
    }

    fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
    }

    fn wrote(&self, written: &Poll<io::Result<usize>>) {
        self.stuck.store(written.is_pending(), Relaxed);
        if let Poll::Ready(written) = written {
            let bytes = written.as_ref().map_or(0, |bytes| u32::try_from(*bytes).unwrap_or(u32::MAX));
            self.taken.store(self.taken.load(Relaxed).wrapping_add(bytes), Relaxed);
            self.writes.store(self.writes.load(Relaxed).wrapping_add(1), Relaxed);
        }
    }

    fn tick(&self, quiet: u8) -> Armed {
        let (writes, taken) = (self.writes.load(Relaxed), self.taken.load(Relaxed));
        Armed::Tick { served: self.served(), writes, taken, quiet }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.enter(Phase::Idle);
        if self.0.read_waits.swap(false, Relaxed)
            && let Some(reader) = self.0.reader.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            reader.wake();
        }
    }
}

// === impl Watch ===

impl Watch {
    pub(crate) fn new(pulse: Arc<Pulse>, limits: &Limits) -> Watch {
        let header_timeout = limits.header_timeout;
        let quarter = (limits.idle_timeout / 4).max(Duration::from_millis(1));
        let least = u128::from(limits.read_rate) * quarter.as_millis() / 1000;
        let least = u32::try_from(least).unwrap_or(u32::MAX).max(1);
        let sleep = Box::pin(sleep(header_timeout));
        Watch { armed: Armed::Head(0), sleep, set: false, header_timeout, quarter, least, pulse }
    }

    /// Ready when the connection is to be closed. Called whenever the connection has been polled, always in its own task.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let (phase, served) = (self.pulse.phase(), self.pulse.served());
        if phase == Phase::Head && self.armed != Armed::Head(served) {
            self.arm(Armed::Head(served), self.header_timeout);
        }
        loop {
            if self.set && !self.sleep.is_elapsed() {
                return Poll::Pending;
            }
            // Without budget it says that it is not over, and takes no note of whom to wake.
            let heard = has_budget_remaining();
            let waits = self.sleep.as_mut().poll(context).is_pending();
            self.set = waits && heard;
            if waits {
                return Poll::Pending;
            }
            match self.armed {
                Armed::Head(of) if phase == Phase::Head && of == served => return Poll::Ready(()),
                Armed::Head(_) => self.arm(self.pulse.tick(0), self.quarter),
                Armed::Tick { .. } if !self.stands_still(phase) => self.arm(self.pulse.tick(0), self.quarter),
                Armed::Tick { quiet, .. } if quiet >= 3 => return Poll::Ready(()),
                Armed::Tick { quiet, .. } => self.arm(self.pulse.tick(quiet + 1), self.quarter),
            }
        }
    }

    /// Whether too little has moved since the last look: nothing between requests; of a response that waits for the client,
    /// less than it must take. Where the application is waited for, nothing need move.
    fn stands_still(&self, phase: Phase) -> bool {
        let Armed::Tick { served, writes, taken, .. } = self.armed else { return false };
        if served != self.pulse.served() {
            return false;
        }
        if self.pulse.stuck.load(Relaxed) {
            return self.pulse.taken.load(Relaxed).wrapping_sub(taken) < self.least;
        }
        phase == Phase::Idle && writes == self.pulse.writes.load(Relaxed)
    }

    fn arm(&mut self, armed: Armed, after: Duration) {
        (self.armed, self.set) = (armed, false);
        self.sleep.as_mut().reset(Instant::now() + after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    fn watch() -> (Watch, Arc<Pulse>) {
        let (header_timeout, idle_timeout) = (Duration::from_millis(20), Duration::from_millis(40));
        let limits = Limits { header_timeout, idle_timeout, ..Limits::default() };
        let pulse = Arc::new(Pulse::new());
        (Watch::new(Arc::clone(&pulse), &limits), pulse)
    }

    async fn closes_within(watch: &mut Watch, time: Duration) -> bool {
        tokio::time::timeout(time, poll_fn(|context| watch.poll(context))).await.is_ok()
    }

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime").block_on(test);
    }

    const LONG: Duration = Duration::from_secs(10);
    const SHORT: Duration = Duration::from_millis(300);

    #[test]
    fn a_head_that_does_not_come_and_an_idle_connection_are_closed() {
        run(async {
            let (mut watch, pulse) = watch();
            assert!(closes_within(&mut watch, LONG).await, "no head at all");
            drop(pulse.begin(false));
            assert!(closes_within(&mut watch, LONG).await, "idle");
            drop(pulse.begin(false));
            pulse.enter(Phase::Head);
            assert!(closes_within(&mut watch, LONG).await, "the second head breaks off");
        });
    }

    #[test]
    fn who_takes_less_than_the_rate_is_closed_and_who_takes_it_is_not() {
        run(async {
            for (bytes, closes) in [(100, true), (200_000, false)] {
                let limits =
                    Limits { idle_timeout: Duration::from_millis(80), read_rate: 10_000_000, ..Limits::default() };
                let pulse = Arc::new(Pulse::new());
                let mut watch =
                    Watch::new(Arc::clone(&pulse), &Limits { header_timeout: limits.idle_timeout, ..limits });
                let _busy = pulse.begin(false);
                let reading = async {
                    // The socket is always full, and always moves.
                    loop {
                        pulse.wrote(&Poll::Ready(Ok(bytes)));
                        pulse.wrote(&Poll::Pending);
                        sleep(Duration::from_millis(1)).await;
                    }
                };
                let closed = tokio::select! {
                    closed = closes_within(&mut watch, if closes { LONG } else { SHORT }) => closed,
                    () = reading => false,
                };
                assert_eq!(closed, closes, "{bytes} bytes a millisecond");
            }
        });
    }

    #[test]
    fn a_request_may_take_its_time_unless_the_client_takes_nothing() {
        run(async {
            let (mut watch, pulse) = watch();
            let busy = pulse.begin(false);
            assert!(!closes_within(&mut watch, SHORT).await, "waits for the application");
            pulse.wrote(&Poll::Pending);
            assert!(closes_within(&mut watch, LONG).await, "takes no byte");
            drop(busy);
        });
    }
}
