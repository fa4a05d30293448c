//! Frames that cost the gate work and the client nothing, counted before h2 reads them.
//!
//! h2 bounds what such frames make it keep; this bounds what they make it do: floods of SETTINGS, PING, RST_STREAM,
//! CONTINUATION, PRIORITY, empty DATA (CVE-2019-9512, -9513, -9514, -9515, -9518, CVE-2023-44487, CVE-2024-27316).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// A connection that breaks when it is flooded.
pub(super) struct Dammed<S> {
    stream: S,
    dam: Dam,
}

/// What a client may still cost. Time is an argument.
#[derive(Debug)]
struct Dam {
    place: Place,
    credit: u64,
    refilled: Instant,
    /// Bytes sent that have not yet earned credit.
    sent: u64,
}

/// Where among the frames the next byte stands.
#[derive(Debug)]
enum Place {
    Preface(usize),
    /// So many bytes of a frame's head are known.
    Head([u8; 9], usize),
    Payload(usize),
}

/// What a connection may cost at once. A browser that closes a page cancels a hundred streams: 200.
const CREDIT: u64 = 1000;
/// And then each second.
const REFILL: u64 = 100;
/// Bytes sent that earn one more: a client acknowledges what it takes by WINDOW_UPDATE.
const EARNING: u64 = 2048;
const PREFACE: usize = 24;

// === impl Dam ===

impl Dam {
    fn new(now: Instant) -> Dam {
        Dam { place: Place::Preface(PREFACE), credit: CREDIT, refilled: now, sent: 0 }
    }

    /// Looks at what has come: whether it can be paid for.
    fn holds(&mut self, mut bytes: &[u8], now: Instant) -> bool {
        let mut cost = 0;
        while let Some((first, rest)) = bytes.split_first() {
            match &mut self.place {
                Place::Preface(left) | Place::Payload(left) => {
                    let taken = (*left).min(bytes.len());
                    *left -= taken;
                    if *left == 0 {
                        self.place = Place::Head([0; 9], 0);
                    }
                    bytes = bytes.get(taken..).unwrap_or_default();
                }
                Place::Head(head, known) => {
                    if let Some(place) = head.get_mut(*known) {
                        *place = *first;
                    }
                    *known += 1;
                    bytes = rest;
                    if *known == head.len() {
                        let [a, b, c, kind, flags, ..] = *head;
                        let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                        cost += price(kind, flags, length);
                        self.place = if length == 0 { Place::Head([0; 9], 0) } else { Place::Payload(length) };
                    }
                }
            }
        }
        cost == 0 || self.pay(cost, now)
    }

    fn pay(&mut self, cost: u64, now: Instant) -> bool {
        let seconds = now.saturating_duration_since(self.refilled);
        let refill = u64::try_from(seconds.as_millis()).unwrap_or(u64::MAX).saturating_mul(REFILL) / 1000;
        if refill > 0 {
            self.refilled = now;
        }
        let earned = std::mem::take(&mut self.sent) / EARNING;
        let credit = self.credit.saturating_add(refill).saturating_add(earned).min(CREDIT.max(earned));
        self.credit = credit.saturating_sub(cost);
        credit >= cost
    }
}

/// What a frame costs (RFC 9113 section 6). Requests and data with content are bounded elsewhere.
fn price(kind: u8, flags: u8, length: usize) -> u64 {
    let flagged = flags & 1 == 1;
    match kind {
        // DATA: without content it is worth something only as the end.
        0 => {
            if length == 0 && !flagged {
                2
            } else {
                0
            }
        }
        1 => 0,
        // SETTINGS and PING: acknowledgements are of our own making.
        4 => {
            if flagged {
                1
            } else {
                8
            }
        }
        6 => {
            if flagged {
                1
            } else {
                4
            }
        }
        2 | 7 | 8 => 1,
        // RST_STREAM, and what nobody knows.
        3 => 2,
        // CONTINUATION.
        9 => 4,
        _ => 2,
    }
}

// === impl Dammed ===

impl<S> Dammed<S> {
    pub(super) fn new(stream: S) -> Dammed<S> {
        Dammed { stream, dam: Dam::new(Instant::now()) }
    }

    fn sent(&mut self, written: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(bytes)) = written {
            self.dam.sent = self.dam.sent.saturating_add(*bytes as u64);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Dammed<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, read: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = read.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, read))?;
        let fresh = read.filled().get(before..).unwrap_or_default();
        if self.dam.holds(fresh, Instant::now()) {
            return Poll::Ready(Ok(()));
        }
        read.set_filled(before);
        Poll::Ready(Err(io::Error::other("too many frames that ask for nothing")))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Dammed<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.sent(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.sent(&written);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn frame(kind: u8, flags: u8, length: u8) -> Vec<u8> {
        let mut frame = vec![0, 0, length, kind, flags, 0, 0, 0, 1];
        frame.resize(9 + usize::from(length), 0xff);
        frame
    }

    /// How many of a frame pass at once, cut into pieces of seven bytes.
    fn passes(frame: &[u8]) -> usize {
        let now = Instant::now();
        let mut dam = Dam::new(now);
        assert!(dam.holds(&[b'x'; PREFACE], now));
        let all = frame.repeat(2000);
        let held = all.chunks(7).take_while(|piece| dam.holds(piece, now)).count();
        held * 7 / frame.len()
    }

    #[test]
    fn floods_end_and_work_does_not() {
        for (name, flood, most) in [
            ("SETTINGS", frame(4, 0, 6), 126),
            ("PING", frame(6, 0, 8), 252),
            ("RST_STREAM", frame(3, 0, 4), 502),
            ("CONTINUATION", frame(9, 0, 0), 252),
            ("empty DATA", frame(0, 0, 0), 502),
            ("PRIORITY", frame(2, 0, 5), 1002),
        ] {
            assert!(passes(&flood) <= most, "{name}: {}", passes(&flood));
        }
        for (name, work) in [("HEADERS", frame(1, 4, 20)), ("DATA", frame(0, 0, 200)), ("the end", frame(0, 1, 0))] {
            assert!(passes(&work) >= 1999, "{name}");
        }
    }

    #[test]
    fn credit_comes_back_with_time_and_with_what_is_sent() {
        let start = Instant::now();
        let mut dam = Dam::new(start);
        assert!(dam.pay(CREDIT, start));
        assert!(!dam.pay(1, start));
        assert!(dam.pay(100, start + Duration::from_secs(1)));
        dam.sent = 100 * EARNING;
        assert!(dam.pay(100, start + Duration::from_secs(1)));
        assert!(!dam.pay(CREDIT + 1, start + Duration::from_secs(1000)), "never more at once");
    }
}
