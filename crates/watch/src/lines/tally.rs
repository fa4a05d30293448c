//! How many lines were read, and what became of those that were not.

use palisade_event::{BadLine, Untrusted};

/// Bad lines that are kept as samples.
pub const MAX_SAMPLES: usize = 8;
/// Characters that are kept of each.
const SAMPLE_CHARS: usize = 120;

/// Counts of one log. Nothing is dropped silently.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    lines: u64,
    events: u64,
    bad: [u64; BadLine::ALL.len()],
    samples: Vec<Sample>,
}

/// A line that was no event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Its number in the log, from 1 on.
    pub line: u64,
    /// What is wrong with it.
    pub bad: BadLine,
    text: Box<str>,
}

// === impl Tally ===

impl Tally {
    /// Counts a line.
    pub fn line(&mut self) {
        self.lines += 1;
    }

    /// Counts an event.
    pub fn event(&mut self) {
        self.events += 1;
    }

    /// Counts what was no event, in the line counted last. Keeps the first few as samples; an empty or unrelated line is
    /// none.
    pub fn bad(&mut self, bad: BadLine, line: &[u8]) {
        if let Some(count) = BadLine::ALL.iter().position(|known| *known == bad).and_then(|at| self.bad.get_mut(at)) {
            *count += 1;
        }
        if self.samples.len() < MAX_SAMPLES && !matches!(bad, BadLine::Empty | BadLine::Unrelated) {
            let start = line.get(..line.len().min(4 * SAMPLE_CHARS)).unwrap_or_default();
            let text = String::from_utf8_lossy(start);
            let text = Untrusted::new(&text).cut(SAMPLE_CHARS).as_written().into();
            self.samples.push(Sample { line: self.lines, bad, text });
        }
    }

    /// Lines so far.
    #[must_use]
    pub const fn lines(&self) -> u64 {
        self.lines
    }

    /// Events so far.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// What was no event, by reason, without empty and unrelated lines: what somebody should look at.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.reasons()
            .filter(|(bad, _)| !matches!(bad, BadLine::Empty | BadLine::Unrelated))
            .map(|(_, count)| count)
            .sum()
    }

    /// Every reason that occurred, and how often.
    pub fn reasons(&self) -> impl Iterator<Item = (BadLine, u64)> {
        BadLine::ALL.into_iter().zip(self.bad).filter(|(_, count)| *count > 0)
    }

    /// The first bad lines.
    #[must_use]
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }
}

// === impl Sample ===

impl Sample {
    /// The start of the line: a stranger's text, and it may hold secrets that only a reader of the format would know to
    /// take out. For a terminal, never for a store.
    #[must_use]
    pub fn text(&self) -> Untrusted<'_> {
        Untrusted::new(&self.text)
    }
}
