use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use redis::{Connection, RedisError, RedisResult, Value, cmd, from_redis_value_ref};

use super::Stream;
use super::lease::Lease;

/// Reads a stream, while it is this detector's turn.
pub struct Drawer {
    stream: Stream,
    lease: Lease,
    name: String,
    life: Duration,
    connection: Option<Connection>,
    /// Until when the lease surely holds.
    until: Option<Instant>,
    /// From where on what a reader before left unacknowledged is asked for; `None` once it is all here.
    left_over: Option<String>,
    /// Under which id each batch came, by its gate and number. The oldest are forgotten.
    came: HashMap<Box<str>, BatchId>,
    order: VecDeque<Box<str>>,
}

/// Lines of one gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Grows within the stream.
    pub id: BatchId,
    /// Whole lines. Empty for a batch that came before: acknowledge it all the same.
    pub lines: Vec<u8>,
}

/// Where a batch stands in its stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId(u64, u64);

/// The group of all detectors.
const GROUP: &str = "detectors";
/// Batches at a time.
const COUNT: usize = 64;
/// Batches whose names are remembered.
const MAX_RECENT: usize = 65_536;

// === impl Drawer ===

impl Drawer {
    /// The reader `name`, which is its own among all detectors. A lease of `life` is renewed with every call of
    /// [`Drawer::draw`]: call it at least three times as often.
    #[must_use]
    pub fn new(stream: Stream, name: &str, life: Duration) -> Drawer {
        let lease = Lease::new(&stream.name, name, life);
        let (came, order) = (HashMap::new(), VecDeque::new());
        let name = name.to_owned();
        Drawer { stream, lease, name, life, connection: None, until: None, left_over: Some(start()), came, order }
    }

    /// The next batches, `None` if another detector reads now. Those that a dead reader left come first.
    ///
    /// # Errors
    ///
    /// If the server cannot be asked. The lease may be lost; what was not acknowledged comes again.
    pub fn draw(&mut self) -> RedisResult<Option<Vec<Batch>>> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.begin()?,
        };
        let asked = Instant::now();
        if !self.lease.take(&mut connection)? {
            self.until = None;
            self.connection = Some(connection);
            return Ok(None);
        }
        if self.until.is_none_or(|until| until < asked) {
            // We have not been reading: whoever did may have left something.
            self.left_over = Some(start());
        }
        self.until = Some(asked + self.life);
        let mut entries = Vec::new();
        while let Some(from) = self.left_over.take().filter(|_| entries.is_empty()) {
            (self.left_over, entries) = self.claim(&mut connection, &from)?;
        }
        if entries.is_empty() {
            entries = self.fresh(&mut connection)?;
        }
        self.connection = Some(connection);
        Ok(Some(entries.into_iter().filter_map(|entry| self.batch(&entry)).collect()))
    }

    /// Tells the batches that came within `span` before `last`, and `last` itself, to whoever begins where another ended: what
    /// the windows held then they hold again, and copies of these batches are known.
    ///
    /// # Errors
    ///
    /// If the server cannot be asked.
    pub fn history(&mut self, last: BatchId, span: Duration, mut each: impl FnMut(Batch)) -> RedisResult<()> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.begin()?,
        };
        let before = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let mut from = format!("{}-0", last.0.saturating_sub(before));
        loop {
            let range = [&self.stream.name, &from, &last.to_string()];
            let entries: Vec<Value> = cmd("XRANGE").arg(&range).arg("COUNT").arg(COUNT).query(&mut connection)?;
            for entry in &entries {
                let Some(batch) = self.batch(entry) else { continue };
                from = format!("({}", batch.id);
                each(batch);
            }
            if entries.len() < COUNT {
                break;
            }
            // The lease must outlive a long look back.
            if !self.lease.take(&mut connection)? {
                break;
            }
            self.until = Some(Instant::now() + self.life);
        }
        self.connection = Some(connection);
        Ok(())
    }

    /// Says that what was made of these batches is committed.
    ///
    /// # Errors
    ///
    /// If the server cannot be asked; they come again then.
    pub fn acknowledge(&mut self, batches: &[BatchId]) -> RedisResult<()> {
        if batches.is_empty() {
            return Ok(());
        }
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.begin()?,
        };
        let ids: Vec<_> = batches.iter().map(ToString::to_string).collect();
        cmd("XACK").arg(&self.stream.name).arg(GROUP).arg(&ids).query::<u64>(&mut connection)?;
        self.connection = Some(connection);
        Ok(())
    }

    /// Batches in the stream, and how many it keeps.
    ///
    /// # Errors
    ///
    /// If the server cannot be asked.
    pub fn lag(&mut self) -> RedisResult<(u64, u64)> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.begin()?,
        };
        let length = cmd("XLEN").arg(&self.stream.name).query(&mut connection)?;
        self.connection = Some(connection);
        Ok((length, self.stream.keep))
    }

    /// Lets another detector read at once.
    ///
    /// # Errors
    ///
    /// If the server cannot be asked; the lease runs out by itself.
    pub fn leave(mut self) -> RedisResult<()> {
        match self.connection.take() {
            Some(mut connection) => self.lease.leave(&mut connection),
            None => Ok(()),
        }
    }

    /// Connects, and makes the group where it is the first.
    fn begin(&self) -> RedisResult<Connection> {
        let mut connection = self.stream.connect()?;
        let made =
            cmd("XGROUP").arg(&["CREATE", &self.stream.name, GROUP, "0", "MKSTREAM"]).query::<()>(&mut connection);
        match made {
            Err(error) if error.code() != Some("BUSYGROUP") => Err(error),
            _ => Ok(connection),
        }
    }

    /// What was delivered to anybody and not acknowledged, from an id on; and where to go on. Only who holds the lease
    /// asks.
    fn claim(&self, connection: &mut Connection, from: &str) -> RedisResult<(Option<String>, Vec<Value>)> {
        let reply: Vec<Value> = cmd("XAUTOCLAIM")
            .arg(&[&self.stream.name, GROUP, &self.name, "0", from])
            .arg("COUNT")
            .arg(COUNT)
            .query(connection)?;
        let [next, entries, ..] = reply.as_slice() else { return Ok((None, Vec::new())) };
        let next: String = from_redis_value_ref(next)?;
        Ok((Some(next).filter(|next| next != "0-0"), from_redis_value_ref(entries).map_err(RedisError::from)?))
    }

    fn fresh(&self, connection: &mut Connection) -> RedisResult<Vec<Value>> {
        let reply: Option<Vec<(String, Vec<Value>)>> = cmd("XREADGROUP")
            .arg(&["GROUP", GROUP, &self.name])
            .arg("COUNT")
            .arg(COUNT)
            .arg(&["STREAMS", &self.stream.name, ">"])
            .query(connection)?;
        Ok(reply.into_iter().flatten().flat_map(|(_, entries)| entries).collect())
    }

    /// One entry. One that no gate wrote has no lines; a copy neither.
    fn batch(&mut self, entry: &Value) -> Option<Batch> {
        let (id, fields): (String, Option<Vec<Vec<u8>>>) = from_redis_value_ref(entry).ok()?;
        let id = BatchId::from_text(&id)?;
        let fields = fields.unwrap_or_default();
        let field = |name: &[u8]| {
            let mut pairs = fields.chunks_exact(2);
            pairs.find(|pair| pair.first().is_some_and(|key| key == name)).and_then(|pair| pair.last())
        };
        let text = |name: &[u8]| field(name).and_then(|value| std::str::from_utf8(value).ok());
        let sent = text(b"gate").zip(text(b"number")).map(|(gate, number)| format!("{gate}/{number}"));
        let lines = field(b"lines").cloned().unwrap_or_default();
        let copy = sent.is_some_and(|sent| self.came_before(&sent, id));
        Some(Batch { id, lines: if copy { Vec::new() } else { lines } })
    }

    /// Whether that batch came under another id. Under the same id it is no copy: it comes again because nobody
    /// acknowledged it.
    fn came_before(&mut self, sent: &str, id: BatchId) -> bool {
        if let Some(known) = self.came.get(sent) {
            return *known != id;
        }
        if self.order.len() >= MAX_RECENT
            && let Some(oldest) = self.order.pop_front()
        {
            self.came.remove(&oldest);
        }
        self.order.push_back(sent.into());
        self.came.insert(sent.into(), id);
        false
    }
}

/// The least id.
fn start() -> String {
    String::from("0-0")
}

// === impl BatchId ===

impl BatchId {
    /// Reads what an id prints.
    #[must_use]
    pub fn from_text(text: &str) -> Option<BatchId> {
        let (millis, number) = text.split_once('-')?;
        Some(BatchId(millis.parse().ok()?, number.parse().ok()?))
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

impl fmt::Debug for Drawer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drawer").field("stream", &self.stream).field("name", &self.name).finish_non_exhaustive()
    }
}
