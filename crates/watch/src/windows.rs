//! What a detector remembers between two events, over a restart: windows, baselines, open incidents; in a file beside the
//! store.
//!
//! Written at a clean end and now and then. A file that cannot be used (damaged, of another version, of other rules) is left
//! out with a word why, and the detector begins with nothing. With PostgreSQL there is no file: such a detector begins with
//! nothing too, or reads its stream again.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use palisade_detect::{BadState, Engine, Rules, Settings};
use palisade_event::EventTime;

use crate::store::Place;

/// The largest file that is written or read. A detector under an attack from a million addresses takes less.
const MAX_FILE: u64 = 256 << 20;
/// Whoever was away no longer than this has missed nothing that a rule about what did not happen should know.
const SHORT: Duration = Duration::from_secs(600);

/// The file of one detector.
#[derive(Debug, Clone)]
pub struct Windows {
    path: PathBuf,
}

/// Why a detector begins with nothing although there is a file.
#[derive(Debug)]
#[non_exhaustive]
pub enum Unusable {
    /// It cannot be read.
    Unread(io::Error),
    /// It is larger than any that was written.
    TooLarge,
    /// It was read, and is not taken.
    Bad(BadState),
}

// === impl Windows ===

impl Windows {
    /// The file of the detector `name` beside a store; none where the store is no file.
    #[must_use]
    pub fn beside(place: &Place, name: &str) -> Option<Windows> {
        let Place::File { path, .. } = place else { return None };
        let mut file = path.file_name()?.to_owned();
        file.push(format!("-{name}-windows"));
        Some(Windows { path: path.with_file_name(file) })
    }

    /// The engine as it was, where there was one. `now` is the clock: what a long absence hides is not taken for missing.
    ///
    /// # Errors
    ///
    /// Why the file cannot be used.
    pub fn read(&self, rules: &Arc<Rules>, settings: Settings, now: EventTime) -> Result<Option<Engine>, Unusable> {
        let file = match OpenOptions::new().read(true).open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Unusable::Unread(error)),
        };
        let mut bytes = Vec::new();
        file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(Unusable::Unread)?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(Unusable::TooLarge);
        }
        let mut engine = Engine::restore(Arc::clone(rules), settings, &bytes).map_err(Unusable::Bad)?;
        let away = now.micros().saturating_sub(engine.newest().micros());
        if u128::from(away) > SHORT.as_micros() {
            engine.missed(now);
        }
        Ok(Some(engine))
    }

    /// Writes the file anew; the one before stays until the new one is whole. Only its owner may read it: it holds paths and
    /// addresses of visitors.
    ///
    /// # Errors
    ///
    /// If it cannot be written, or would be too large.
    pub fn write(&self, engine: &Engine) -> io::Result<()> {
        let bytes = engine.save();
        if bytes.len() as u64 > MAX_FILE {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the windows would take more than 256 MiB"));
        }
        let mut part = self.path.clone().into_os_string();
        part.push(".part");
        let part = PathBuf::from(part);
        // One that a kill left behind, whoever made it, is not written into.
        let _ = fs::remove_file(&part);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&part, &self.path)
    }
}

impl std::fmt::Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unusable::Unread(error) => error.fmt(f),
            Unusable::TooLarge => f.write_str("it is too large"),
            Unusable::Bad(bad) => bad.fmt(f),
        }
    }
}

impl std::error::Error for Unusable {}
