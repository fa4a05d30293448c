use redis::{Connection, RedisResult, cmd};

use super::Stream;

/// Appends a gate's lines to a stream.
pub struct Feeder {
    stream: Stream,
    gate: String,
    number: u64,
    connection: Option<Connection>,
}

// === impl Feeder ===

impl Feeder {
    /// The feeder of a gate. `gate` is its own among all and new at each start: with it a batch that is sent twice is
    /// known.
    #[must_use]
    pub fn new(stream: Stream, gate: &str) -> Feeder {
        Feeder { stream, gate: gate.to_owned(), number: 0, connection: None }
    }

    /// Appends whole lines as one batch. After an error call it again with the same lines: they count once.
    ///
    /// # Errors
    ///
    /// If the server cannot be asked, or refuses.
    pub fn send(&mut self, lines: &[u8]) -> RedisResult<()> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.stream.connect()?,
        };
        cmd("XADD")
            .arg(&self.stream.name)
            .arg(&["MAXLEN", "~"])
            .arg(self.stream.keep)
            .arg("*")
            .arg("gate")
            .arg(&self.gate)
            .arg("number")
            .arg(self.number)
            .arg("lines")
            .arg(lines)
            .query::<String>(&mut connection)?;
        self.number += 1;
        self.connection = Some(connection);
        Ok(())
    }
}

impl std::fmt::Debug for Feeder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feeder").field("stream", &self.stream).field("gate", &self.gate).finish_non_exhaustive()
    }
}
