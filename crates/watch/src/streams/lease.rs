use std::time::Duration;

use redis::{Connection, RedisResult, cmd};

/// The right to read, for a time.
#[derive(Debug)]
pub(super) struct Lease {
    key: String,
    holder: String,
    life: Duration,
}

/// Takes the lease if nobody has it, and makes it longer if it is ours.
const TAKE: &str = "local h = redis.call('GET', KEYS[1])
if h == false or h == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 1
end
return 0";

/// Gives the lease back if it is ours.
const LEAVE: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end return 1";

// === impl Lease ===

impl Lease {
    pub(super) fn new(stream: &str, holder: &str, life: Duration) -> Lease {
        Lease { key: format!("{stream}:reader"), holder: holder.to_owned(), life }
    }

    /// Whether we may read, from now on for the lease's life.
    pub(super) fn take(&self, connection: &mut Connection) -> RedisResult<bool> {
        let millis = u64::try_from(self.life.as_millis()).unwrap_or(u64::MAX);
        cmd("EVAL").arg(TAKE).arg(1).arg(&self.key).arg(&self.holder).arg(millis).query(connection)
    }

    pub(super) fn leave(&self, connection: &mut Connection) -> RedisResult<()> {
        cmd("EVAL").arg(LEAVE).arg(1).arg(&self.key).arg(&self.holder).query(connection)
    }
}
