//! How an upstream is: what connecting to it and asking after its health has shown, known to all threads.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The state of one upstream. Two sources speak of it, and it is well if neither says otherwise: whoever connects
/// (passive), and the health check if there is one (active).
///
/// A failed connect takes it out for a second, each further one for twice as long, up to [`LONGEST_OUT`]. When that
/// time is over one request is let through to try it; the others go on avoiding it until that one has connected.
#[derive(Debug, Default)]
pub(crate) struct Vital {
    /// Out until then, microseconds of the stopwatch; 0 is well.
    out_until: AtomicU64,
    /// Failed connects in a row.
    failures: AtomicU32,
    /// The health check says so.
    sick: AtomicBool,
    /// Checks in a row that failed. Only the checker writes it.
    missed: AtomicU32,
}

/// Whether a request may go there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outlook {
    Well,
    /// Its time is over: one request may try it.
    Due,
    Out,
}

/// After the first failed connect.
const FIRST_OUT: Duration = Duration::from_secs(1);
/// However often it failed.
pub(crate) const LONGEST_OUT: Duration = Duration::from_secs(30);
/// A trial that has said nothing after that time is over: connecting is given up before.
const TRIAL: Duration = Duration::from_secs(6);
/// Failed health checks that take it out.
const MISSES: u32 = 2;

// === impl Vital ===

impl Vital {
    /// Whether a request may go there now. The stopwatch is read only where something is wrong.
    pub(crate) fn outlook(&self, now: impl FnOnce() -> u64) -> Outlook {
        if self.sick.load(Relaxed) {
            return Outlook::Out;
        }
        match self.out_until.load(Relaxed) {
            0 => Outlook::Well,
            until if until > now() => Outlook::Out,
            _ => Outlook::Due,
        }
    }

    /// Takes the right to try it, if it is due and nobody else has.
    pub(crate) fn begin_trial(&self, now: u64) -> bool {
        let until = self.out_until.load(Relaxed);
        let due = until != 0 && until <= now;
        due && self.out_until.compare_exchange(until, now + micros(TRIAL), Relaxed, Relaxed).is_ok()
    }

    /// Whether traffic may be sent for it: it is well, or it is time to try it again.
    pub(crate) fn is_well(&self, now: u64) -> bool {
        !self.sick.load(Relaxed) && self.out_until.load(Relaxed) <= now
    }

    /// Whether the health check says that it is not well.
    pub(crate) fn is_sick(&self) -> bool {
        self.sick.load(Relaxed)
    }

    /// Somebody has connected.
    pub(crate) fn connected(&self) {
        if self.out_until.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
            self.out_until.store(0, Relaxed);
        }
    }

    /// Somebody could not connect. Of many who fail at once one counts.
    pub(crate) fn failed(&self, trial: bool, now: u64) {
        let until = self.out_until.load(Relaxed);
        if until > now && !trial {
            return;
        }
        let failures = self.failures.load(Relaxed);
        let out = FIRST_OUT.saturating_mul(1 << failures.min(10)).min(LONGEST_OUT);
        if self.out_until.compare_exchange(until, now + micros(out), Relaxed, Relaxed).is_ok() {
            self.failures.store(failures.saturating_add(1), Relaxed);
        }
    }

    /// The health check has an answer. One good answer ends every suspicion.
    pub(crate) fn checked(&self, well: bool) {
        if well {
            self.missed.store(0, Relaxed);
            self.sick.store(false, Relaxed);
            self.connected();
            return;
        }
        let missed = self.missed.load(Relaxed).saturating_add(1);
        self.missed.store(missed, Relaxed);
        if missed >= MISSES {
            self.sick.store(true, Relaxed);
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn a_failed_connect_takes_it_out_for_ever_longer_and_one_request_tries_again() {
        let vital = Vital::default();
        let mut now = 100 * SECOND;
        assert_eq!(vital.outlook(|| unreachable!("the clock is not read")), Outlook::Well);
        vital.failed(false, now);
        for _ in 0..10 {
            vital.failed(false, now + 1);
        }
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            assert!(!vital.is_well(now) && vital.outlook(|| now + seconds * SECOND - 1) == Outlook::Out, "{seconds}");
            now += seconds * SECOND;
            assert!(vital.is_well(now));
            assert_eq!(vital.outlook(|| now), Outlook::Due);
            assert!(vital.begin_trial(now) && !vital.begin_trial(now), "one request only");
            assert_eq!(vital.outlook(|| now), Outlook::Out);
            vital.failed(true, now);
        }
        now += 30 * SECOND;
        assert!(vital.begin_trial(now));
        vital.connected();
        assert_eq!(vital.outlook(|| now), Outlook::Well);
        vital.failed(false, now);
        assert_eq!(vital.outlook(|| now + SECOND), Outlook::Due, "it begins anew");
    }

    #[test]
    fn a_trial_nobody_reports_of_ends() {
        let vital = Vital::default();
        vital.failed(false, SECOND);
        assert!(vital.begin_trial(2 * SECOND));
        assert!(!vital.begin_trial(7 * SECOND));
        assert!(vital.begin_trial(8 * SECOND));
    }

    #[test]
    fn two_bad_checks_take_it_out_and_a_good_one_brings_it_back() {
        let vital = Vital::default();
        vital.checked(false);
        assert!(vital.is_well(0));
        vital.checked(false);
        assert!(!vital.is_well(0) && vital.outlook(|| 0) == Outlook::Out);
        vital.failed(false, SECOND);
        assert!(!vital.begin_trial(SECOND));
        vital.checked(true);
        assert_eq!(vital.outlook(|| SECOND), Outlook::Well);
    }
}
