//! Readers of lines, one for each format of logs: from bytes to [`Seen`], without a clock or a file.
//!
//! Whatever a line says about who asked is what the proxy before the application wrote down; forwarding headers count
//! only from proxies that the policy trusts. Nobody may be blocked for a line of a log: `attributable` is false for all.

mod alb;
mod caddy;
mod clerk;
mod clf;
mod clients;
mod combined;
mod custom;
mod detect;
mod enrich;
mod format;
mod tally;
mod text;
mod traefik;
mod vercel;

pub use clerk::clerk;
pub use custom::{BadLogFormat, LogFormat};
pub use detect::detect;
pub use enrich::{Country, Enrich};
pub use format::Format;
use palisade_event::{BadLine, EventTime, Seen, Source, decode};

use crate::recent::Recent;
pub use tally::{MAX_SAMPLES, Sample, Tally};

/// The longest line that is read, in bytes. The rest of a longer one is passed over.
pub const MAX_LINE: usize = 64 << 10;

/// Reads the lines of one log.
///
/// It remembers what makes the next line cheap (the second of the line before) and which requests of a log drain were
/// told already: lines are given in their order.
#[derive(Debug)]
pub struct Reader {
    format: Format,
    enrich: Enrich,
    clock: clf::Clock,
    told: Recent,
}

// === impl Reader ===

impl Reader {
    /// A reader of that format. `enrich` says whose forwarding headers count, and what else is known of requests.
    #[must_use]
    pub fn new(format: Format, enrich: Enrich) -> Reader {
        Reader { format, enrich, clock: clf::Clock::default(), told: Recent::new(vercel::MAX_TOLD) }
    }

    /// The format it reads.
    #[must_use]
    pub fn format(&self) -> &Format {
        &self.format
    }

    /// Forgets that a drain's request was told: nobody took it.
    pub(crate) fn forget(&mut self, request_id: &str) {
        self.told.forget(request_id);
    }

    /// Reads one line, without its line feed, and tells what stands in it: one event, or why there is none; of a log
    /// drain's array, one for each entry.
    pub fn read(&mut self, line: &[u8], mut each: impl FnMut(Result<Seen<'_>, BadLine>)) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > MAX_LINE && self.format != Format::Vercel {
            return each(Err(BadLine::TooLong));
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            return each(Err(BadLine::Empty));
        }
        let enrich = &self.enrich;
        let mut tell = |read: Result<Seen<'_>, BadLine>| {
            each(read.map(|mut seen| {
                enrich.settle(&mut seen);
                seen
            }));
        };
        match &self.format {
            Format::Palisade | Format::Application => tell(decode(line)),
            Format::Combined => {
                // In place: an event is large, and this is the format of most logs.
                let text = text::utf8(line);
                let mut seen = Seen::at(EventTime::default(), Source::Access);
                match combined::read(&mut seen, &text, enrich.clients(), &mut self.clock) {
                    Ok(()) => {
                        enrich.settle(&mut seen);
                        each(Ok(seen));
                    }
                    Err(bad) => each(Err(bad)),
                }
            }
            Format::Custom(format) => tell(format.read(&text::utf8(line), enrich.clients(), &mut self.clock)),
            Format::Caddy => tell(caddy::read(line, enrich.clients())),
            Format::Traefik => tell(traefik::read(line, enrich.clients())),
            Format::Alb => tell(alb::read(&text::utf8(line))),
            Format::Vercel => vercel::read(line, &mut self.told, tell),
            Format::Clerk => tell(clerk(line)),
        }
    }
}

#[cfg(test)]
mod tests;
