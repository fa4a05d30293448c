//! Of all processes that share a store, one sends its messages. Whoever dies gives the place free in that moment.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;

use super::fault::StoreFault;
use super::{Place, Store};

/// The place of the one who sends.
#[derive(Debug)]
pub struct Lock {
    path: Option<PathBuf>,
    file: Option<File>,
}

/// Any number will do that no other program takes.
const NAME: &str = "SELECT CAST(CASE WHEN pg_try_advisory_lock(8100312245670914) THEN 1 ELSE 0 END AS BIGINT)";

// === impl Lock ===

impl Lock {
    /// The lock of the store at `place`; not held yet.
    #[must_use]
    pub fn new(place: &Place) -> Lock {
        let path = match place {
            Place::File { path, .. } => {
                let mut name = path.as_os_str().to_owned();
                name.push("-sender");
                Some(name.into())
            }
            Place::Postgres(_) => None,
        };
        Lock { path, file: None }
    }

    /// Whether the place is ours; takes it if it is free. A lock in a file is let go by the kernel when its process ends, one in
    /// PostgreSQL when the connection of `store` does: so it is asked for again before each round.
    ///
    /// # Errors
    /// If it cannot be asked for.
    pub fn held(&mut self, store: &mut Store) -> Result<bool, StoreFault> {
        let Some(path) = &self.path else { return Ok(store.engine.number(NAME, &[])? == 1) };
        if self.file.is_some() {
            return Ok(true);
        }
        let unusable =
            |error: std::io::Error| StoreFault::new(super::Trouble::Unusable, format!("{}: {error}", path.display()));
        let mut options = OpenOptions::new();
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.write(true).create(true).truncate(false).open(path).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => self.file = Some(file),
            Err(std::fs::TryLockError::WouldBlock) => return Ok(false),
            Err(std::fs::TryLockError::Error(error)) => return Err(unusable(error)),
        }
        Ok(true)
    }
}
