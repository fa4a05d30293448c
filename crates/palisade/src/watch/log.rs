//! A log that is followed: lines to events, and how far they were read.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use palisade_detect::Rules;
use palisade_event::{BadLine, EventTime, Seen};
use palisade_watch::lines::{Enrich, Format as LogFormat, MAX_LINE, Reader, Tally, detect};
use palisade_watch::pipeline::Pipeline;
use palisade_watch::store::Store;
use palisade_watch::tail::{Begin, Checkpoint, Tail};

use crate::{output, stored};

/// How far back a log is read again at a start, so that the windows are what they were: a day of events, of so many lines.
const LOOK_BACK_MICROS: u64 = 24 * 3_600_000_000;
const LOOK_BACK_LINES: u64 = 5_000_000;
/// How often a place to read again from is noted.
const NOTE_EVERY_MICROS: u64 = 3_600_000_000;

/// So many lines of which none tells the format are told of while the log goes on.
const TELLING: u64 = 100;

/// One log, and how far it was read.
pub(super) struct Log {
    pub(super) path: PathBuf,
    name: String,
    tail: Tail,
    lines: Lines,
    pub(super) tally: Tally,
    /// Places to read again from, the oldest first: when, where, and lines since the log was opened.
    places: Vec<(EventTime, String, u64)>,
    newest: EventTime,
    count: u64,
    failed: Option<Instant>,
    losses: (u64, u64),
    told_unknown: bool,
}

/// Lines to events. The format is told by the first line, where nobody said it.
pub(super) struct Lines {
    pub(super) reader: Option<Reader>,
    enrich: Enrich,
}

// === impl Log ===

impl Log {
    pub(super) fn open(
        path: &Path,
        format: Option<LogFormat>,
        enrich: &Enrich,
        from: Begin,
        store: &mut Store,
        pipeline: &mut Pipeline,
    ) -> anyhow::Result<Log> {
        let shown = path.display().to_string();
        // By its whole path, so that the same log is known from wherever it is watched.
        let name = std::path::absolute(path).with_context(|| shown.clone())?.display().to_string();
        let mark = |store: &mut Store, what: &str| -> anyhow::Result<Option<String>> {
            let text = store.mark(&format!("{what}:{name}"))?;
            Ok(text.and_then(|text| String::from_utf8(text).ok()))
        };
        let checkpoint = mark(store, "log")?.and_then(|text| Checkpoint::from_text(&text).ok());
        let windows = mark(store, "windows")?;
        let mut lines = Lines::new(format, enrich);
        let mut places = Vec::new();
        let mut count = 0;
        if let Some((place, before)) = windows.as_deref().and_then(parse_windows).filter(|_| checkpoint.is_some()) {
            count = lines.read_again(path, &place, before, pipeline).with_context(|| shown.clone())?;
            places.push((EventTime::default(), place.to_string(), 0));
        }
        if !path.exists() {
            output::note(&format!("{shown} is not there yet; it is read as soon as it is"));
        }
        let tail =
            Tail::open(path, from, MAX_LINE, checkpoint.as_ref()).with_context(|| format!("{shown} cannot be read"))?;
        if places.is_empty() {
            places.push((EventTime::default(), tail.checkpoint().to_string(), 0));
        }
        let (path, tally) = (path.to_owned(), Tally::default());
        Ok(Log {
            path,
            name,
            tail,
            lines,
            tally,
            places,
            newest: EventTime::default(),
            count,
            failed: None,
            losses: (0, 0),
            told_unknown: false,
        })
    }

    /// Reads what is there; whether there may be more at once.
    pub(super) fn poll(&mut self, pipeline: &mut Pipeline, rules: &Rules) -> bool {
        let Log { path, tail, lines, tally, newest, count, .. } = self;
        let (now, known) = (stored::now(), lines.reader.is_some());
        let polled = tail.poll(|line| {
            *count += 1;
            tally.line();
            lines.read(line, |read, text| match read {
                Ok(seen) => {
                    tally.event();
                    *newest = (*newest).max(seen.time.min(now));
                    pipeline.observe(&seen, Some(now));
                }
                Err(bad) => tally.bad(bad, text),
            });
        });
        if !known && let Some(reader) = &self.lines.reader {
            say_what_cannot_fire(path, reader, rules);
        }
        if self.unknown() && self.tally.lines() >= TELLING && !self.told_unknown {
            self.told_unknown = true;
            output::problem(&format_unknown(&self.path.display().to_string()));
        }
        let losses = self.tail.losses();
        if (losses.files, losses.truncations) != self.losses {
            self.losses = (losses.files, losses.truncations);
            let (path, files, truncations) = (self.path.display(), losses.files, losses.truncations);
            output::problem(&format!(
                "{path}: {files} rotated files and {truncations} truncated parts could not be found again"
            ));
        }
        match polled {
            Ok(more) => {
                self.failed = None;
                self.note_place();
                more
            }
            Err(error) => {
                // Told once in a while: it may come back.
                if self.failed.is_none_or(|last| last.elapsed() > Duration::from_secs(60)) {
                    self.failed = Some(Instant::now());
                    output::problem(&format!("{} cannot be read: {error}", self.path.display()));
                }
                false
            }
        }
    }

    /// Whether there were lines, and none told the format.
    pub(super) fn unknown(&self) -> bool {
        self.lines.reader.is_none() && self.tally.lines() > 0
    }

    /// How far it was read, and from where the windows can be filled again.
    pub(super) fn marks(&self) -> Vec<(String, Vec<u8>)> {
        let mut marks = vec![(format!("log:{}", self.name), self.tail.checkpoint().to_string().into_bytes())];
        if let Some((_, place, before)) = self.places.first() {
            let text = format!("{}\n{place}", self.count - before);
            marks.push((format!("windows:{}", self.name), text.into_bytes()));
        }
        marks
    }

    fn note_place(&mut self) {
        let last = self.places.last().map_or(0, |(time, ..)| time.micros());
        if last == 0 {
            if let Some(first) = self.places.last_mut() {
                first.0 = self.newest;
            }
        } else if self.newest.micros().saturating_sub(last) >= NOTE_EVERY_MICROS {
            self.places.push((self.newest, self.tail.checkpoint().to_string(), self.count));
        }
        let too_old = |(time, _, before): &(EventTime, String, u64)| {
            self.newest.micros().saturating_sub(time.micros()) > LOOK_BACK_MICROS
                || self.count - before > LOOK_BACK_LINES
        };
        // The next one must reach far enough too, or there is nothing to read again.
        while self.places.get(1).is_some_and(too_old) {
            self.places.remove(0);
        }
    }
}

// === impl Lines ===

impl Lines {
    pub(super) fn new(format: Option<LogFormat>, enrich: &Enrich) -> Lines {
        Lines { reader: format.map(|format| Reader::new(format, enrich.clone())), enrich: enrich.clone() }
    }

    pub(super) fn read(
        &mut self,
        line: Result<&[u8], BadLine>,
        mut each: impl FnMut(Result<Seen<'_>, BadLine>, &[u8]),
    ) {
        let line = match line {
            Ok(line) => line,
            Err(bad) => return each(Err(bad), b""),
        };
        if self.reader.is_none() {
            self.reader = detect(std::iter::once(line)).map(|format| Reader::new(format, self.enrich.clone()));
        }
        match &mut self.reader {
            Some(reader) => reader.read(line, |read| each(read, line)),
            None => each(Err(BadLine::Shape), line),
        }
    }

    /// Reads lines that were counted before the last end, for the windows alone. Says how many there were; where they are
    /// gone, the windows begin empty, and counts are right all the same.
    fn read_again(
        &mut self,
        path: &Path,
        place: &Checkpoint,
        lines: u64,
        pipeline: &mut Pipeline,
    ) -> anyhow::Result<u64> {
        let mut tail = Tail::open(path, Begin::Start, MAX_LINE, Some(place))?;
        let (mut read, mut more) = (0, true);
        while more && read < lines && tail.losses().files == 0 {
            more = tail.poll(|line| {
                read += 1;
                if read <= lines {
                    self.read(line, |seen, _| {
                        if let Ok(seen) = seen {
                            pipeline.match_only(&seen, None);
                        }
                    });
                }
            })?;
        }
        Ok(read.min(lines))
    }
}

/// What is said of a log in which nothing could be read.
pub(super) fn format_unknown(name: &str) -> String {
    format!("the format of {name} is not known: name it by --log-format, or give nginx's log_format")
}

/// Rules that cannot fire on what the log says, told once, as nobody should wait for them.
pub(super) fn say_what_cannot_fire(path: &Path, reader: &Reader, rules: &Rules) {
    let never: Vec<_> = rules.never_fire(|field| reader.format().carries(field)).iter().map(|rule| rule.id()).collect();
    if !never.is_empty() {
        let (path, format) = (path.display(), reader.format().id());
        output::note(&format!("{path}: {format} logs cannot show: {}", never.join(", ")));
    }
}

fn parse_windows(text: &str) -> Option<(Checkpoint, u64)> {
    let (lines, place) = text.split_once('\n')?;
    Some((Checkpoint::from_text(place).ok()?, lines.parse().ok()?))
}
