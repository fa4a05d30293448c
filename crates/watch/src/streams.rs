//! Events between gates and detectors on several machines, over a stream of Redis or Valkey.
//!
//! Every gate appends its lines by a [`Feeder`], in batches that carry the gate's name and a number; a batch that was sent
//! twice, because its answer was lost, is read once. Of the detectors one reads, by a [`Drawer`]: windows over several
//! gates need all events in one place. Whoever reads holds a lease; when it dies another takes the lease over and with it
//! what was delivered and not acknowledged (`XAUTOCLAIM`).
//!
//! At least once: a batch is acknowledged after what was made of it is committed. [`Batch::id`] grows, so a detector that
//! commits the last id together with its state knows a batch that comes again. A batch that was sent twice is known as long as
//! the same detector reads: if another takes over between the two, it counts twice.
//!
//! Bounded: the stream keeps about as many batches as it is told to; what nobody read by then is lost, and
//! [`Drawer::lag`] says how near that is.

mod drawer;
mod feeder;
mod lease;

use std::fmt;
use std::time::Duration;

use redis::{Client, Connection, RedisResult};

pub use drawer::{Batch, BatchId, Drawer};
pub use feeder::Feeder;

/// A stream on a server.
#[derive(Clone)]
pub struct Stream {
    client: Client,
    name: String,
    keep: u64,
}

/// Batches that a stream keeps unless it is told otherwise: at 64 KiB each about 1 GiB.
pub const KEEP: u64 = 16_384;
/// The longest a question may take.
const PATIENCE: Duration = Duration::from_secs(5);

// === impl Stream ===

impl Stream {
    /// The stream `name` on the server at `url` (`redis://`, `rediss://`), of about `keep` batches. Asks nobody yet.
    ///
    /// # Errors
    ///
    /// If the URL cannot be read.
    pub fn new(url: &str, name: &str, keep: u64) -> RedisResult<Stream> {
        Ok(Stream { client: Client::open(url)?, name: name.to_owned(), keep: keep.max(1) })
    }

    fn connect(&self) -> RedisResult<Connection> {
        let connection = self.client.get_connection_with_timeout(PATIENCE)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        connection.set_write_timeout(Some(PATIENCE))?;
        Ok(connection)
    }
}

impl fmt::Debug for Stream {
    /// Without the URL, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("name", &self.name).field("keep", &self.keep).finish_non_exhaustive()
    }
}
