//! Standard input as a log: what a service writes to a pipe. It cannot be read twice, so nothing is remembered of how far it was
//! read.

use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;

use palisade_detect::Rules;
use palisade_event::BadLine;
use palisade_watch::lines::{Enrich, Format as LogFormat, MAX_LINE, Tally};
use palisade_watch::pipeline::Pipeline;
use palisade_watch::tail::Splitter;

use super::log::{Lines, say_what_cannot_fire};
use crate::{output, stored};

/// Blocks of lines that wait, of what one read gives. Beyond it whoever writes waits.
const WAITING: usize = 8;

type Block = Vec<Result<Vec<u8>, BadLine>>;

pub(super) struct Piped {
    queue: Receiver<Block>,
    lines: Lines,
    pub(super) tally: Tally,
    ended: bool,
}

// === impl Piped ===

impl Piped {
    /// Reads from a thread of its own, as reading waits.
    pub(super) fn start(format: Option<LogFormat>, enrich: &Enrich) -> std::io::Result<Piped> {
        let (sender, queue) = sync_channel(WAITING);
        thread::Builder::new().name("palisade-stdin".to_owned()).spawn(move || read(&sender))?;
        Ok(Piped { queue, lines: Lines::new(format, enrich), tally: Tally::default(), ended: false })
    }

    /// Takes a block of what came; whether there may be more at once.
    pub(super) fn poll(&mut self, pipeline: &mut Pipeline, rules: &Rules) -> bool {
        let block = match self.queue.try_recv() {
            Ok(block) => block,
            Err(TryRecvError::Empty) => return false,
            Err(TryRecvError::Disconnected) => {
                self.ended = true;
                return false;
            }
        };
        let (now, known) = (stored::now(), self.lines.reader.is_some());
        let Piped { lines, tally, .. } = self;
        for line in &block {
            tally.line();
            lines.read(line.as_deref().map_err(|bad| *bad), |read, text| match read {
                Ok(seen) => {
                    tally.event();
                    pipeline.observe(&seen, Some(now));
                }
                Err(bad) => tally.bad(bad, text),
            });
        }
        if !known && let Some(reader) = &self.lines.reader {
            say_what_cannot_fire(std::path::Path::new("standard input"), reader, rules);
        }
        true
    }

    /// Whether there were lines, and none told the format.
    pub(super) fn unknown(&self) -> bool {
        self.lines.reader.is_none() && self.tally.lines() > 0
    }

    pub(super) fn ended(&self) -> bool {
        self.ended
    }
}

fn read(sender: &SyncSender<Block>) {
    let mut input = std::io::stdin().lock();
    let mut splitter = Splitter::new(MAX_LINE);
    loop {
        let came = splitter.fill(&mut input);
        let mut block = Vec::new();
        while let Some(line) = splitter.line() {
            block.push(line.text.map(<[u8]>::to_vec));
        }
        if matches!(came, Ok(0)) {
            block.extend(splitter.rest().map(|line| line.text.map(<[u8]>::to_vec)));
        }
        if !block.is_empty() && sender.send(block).is_err() {
            return;
        }
        match came {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => return output::problem(&format!("standard input cannot be read: {error}")),
        }
    }
}
