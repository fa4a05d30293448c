//! A request's body as it comes from the client, who must not take for ever.

use std::fmt;
use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use palisade_policy::Limits;
use tokio::time::{Instant, Sleep, sleep_until};

/// A body, and how long it was waited for. Whoever sends one byte a second keeps a place in the application (CWE-400):
/// so all waits together may last `body_timeout`, and a second more for every `body_rate` bytes that came. Only the time
/// is counted in which the gate wanted bytes and the client sent none: an application that reads slowly costs nobody.
#[derive(Debug)]
pub(crate) struct Upload {
    body: Incoming,
    pace: Pace,
    timer: Option<Pin<Box<Sleep>>>,
}

/// What a client may still take. Time is an argument, so that it can be tried without waiting.
#[derive(Debug)]
struct Pace {
    patience: Duration,
    bytes_per_second: u64,
    waited: Duration,
    since: Option<Instant>,
    bytes: u64,
}

/// Why an upload ended early.
#[derive(Debug)]
pub(crate) enum UploadError {
    /// Too little came in too long a time.
    Slow,
    Broken(hyper::Error),
}

// === impl Upload ===

impl Upload {
    pub(crate) fn new(body: Incoming, limits: &Limits) -> Upload {
        Upload { body, pace: Pace::new(limits.body_timeout, limits.body_rate), timer: None }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                this.pace.came(frame.data_ref().map_or(0, Bytes::len), Instant::now());
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(UploadError::Broken(error)))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                let end = this.pace.wait(Instant::now());
                let timer = this.timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
                if timer.deadline() != end {
                    timer.as_mut().reset(end);
                }
                timer.as_mut().poll(context).map(|()| Some(Err(UploadError::Slow)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

// === impl Pace ===

impl Pace {
    fn new(patience: Duration, bytes_per_second: u64) -> Pace {
        Pace { patience, bytes_per_second, waited: Duration::ZERO, since: None, bytes: 0 }
    }

    /// Nothing is there: until when to wait.
    fn wait(&mut self, now: Instant) -> Instant {
        let since = *self.since.get_or_insert(now);
        let earned = Duration::from_millis(self.bytes.saturating_mul(1000) / self.bytes_per_second.max(1));
        // A year is as good as ever, and no sum of it overflows.
        let allowed = self.patience.saturating_add(earned).min(Duration::from_secs(365 * 86_400));
        since + allowed.saturating_sub(self.waited)
    }

    fn came(&mut self, bytes: usize, now: Instant) {
        if let Some(since) = self.since.take() {
            self.waited += now.saturating_duration_since(since);
        }
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }
}

// === impl UploadError ===

impl fmt::Display for UploadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UploadError::Slow => f.write_str("the request body came too slowly"),
            UploadError::Broken(error) => write!(f, "the request body broke: {error}"),
        }
    }
}

impl std::error::Error for UploadError {}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_byte_a_second_ends_and_a_slow_line_goes_on() {
        let start = Instant::now();
        let ends_after = |bytes: usize| {
            let mut pace = Pace::new(30 * SECOND, 512);
            let mut now = start;
            for step in 1..=100_000_u32 {
                if pace.wait(now) <= now + SECOND {
                    return Some(step);
                }
                now += SECOND;
                pace.came(bytes, now);
            }
            None
        };
        assert_eq!(ends_after(0), Some(30));
        assert_eq!(ends_after(1), Some(31));
        assert!(ends_after(256).is_some_and(|steps| steps < 70));
        assert_eq!(ends_after(600), None);
    }

    #[test]
    fn time_in_which_nobody_waits_is_not_counted() {
        let mut now = Instant::now();
        let mut pace = Pace::new(SECOND, 1);
        for _ in 0..100 {
            now += 10 * SECOND;
            pace.came(0, now);
        }
        assert_eq!(pace.wait(now), now + SECOND);
    }
}
