//! What one run may cost the site and its visitors.

use std::time::{Duration, Instant};

use palisade_check::facts::live::Sent;

/// The most that is spent.
#[derive(Debug, Clone, Copy)]
pub struct Caps {
    /// Requests of one experiment.
    pub requests: usize,
    /// Time of one experiment, waiting included.
    pub time: Duration,
    /// Time for one answer.
    pub request: Duration,
    /// Bytes of one answer's body that are read; the rest is left.
    pub body: usize,
}

/// What is left of it.
#[derive(Debug)]
pub(super) struct Budget {
    caps: Caps,
    ends: Instant,
    sent: usize,
}

impl Default for Caps {
    fn default() -> Caps {
        Caps { requests: 400, time: Duration::from_secs(300), request: Duration::from_secs(10), body: 256 << 10 }
    }
}

impl Budget {
    pub(super) fn new(caps: Caps) -> Budget {
        Budget { caps, ends: Instant::now() + caps.time, sent: 0 }
    }

    /// Takes one request off, and the time that it waits.
    pub(super) fn spend(&mut self, sent: &Sent) -> Result<(), String> {
        self.sent += 1;
        if self.sent > self.caps.requests {
            return Err(format!("stopped after {} requests", self.caps.requests));
        }
        if Instant::now() + sent.after > self.ends {
            return Err(format!("stopped after {} s: --time gives it more", self.caps.time.as_secs()));
        }
        Ok(())
    }

    pub(super) fn wait(&self, time: Duration) {
        if !time.is_zero() {
            std::thread::sleep(time.min(self.ends.saturating_duration_since(Instant::now())));
        }
    }
}
