//! The scripts themselves. Each answers with a list of integers.

use std::fmt::Write as _;
use std::sync::LazyLock;

use sha1::{Digest as _, Sha1};

/// A script and the digest that `EVALSHA` names it by.
#[derive(Debug)]
pub struct Script {
    text: &'static str,
    digest: LazyLock<String>,
}

impl Script {
    const fn new(text: &'static str, digest: fn() -> String) -> Script {
        Script { text, digest: LazyLock::new(digest) }
    }

    /// The text, for a server that does not know the digest yet.
    #[must_use]
    pub fn text(&self) -> &'static str {
        self.text
    }

    /// SHA-1 of the text, in hexadecimal.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

impl PartialEq for Script {
    fn eq(&self, other: &Script) -> bool {
        self.text == other.text
    }
}

impl Eq for Script {}

fn digest(text: &str) -> String {
    Sha1::digest(text.as_bytes()).iter().fold(String::with_capacity(40), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The limiter of `limiter.rs`, in the same unit and with the same rounding, so that both decide alike.
///
/// A key holds the time at which the client will owe nothing, and goes at that time. A server whose clock is set back
/// would see debts larger than any can be; they count as a full one, so that nobody is shut out for longer than a window.
pub(super) static GCRA: Script = Script::new(GCRA_TEXT, || digest(GCRA_TEXT));
const GCRA_TEXT: &str = "\
-- KEYS[1]: a client under a limit. ARGV: interval, burst (sixteenths of a millisecond), cost, most.
-- Answers what was charged (0: refused) and what is owed.
local clock = redis.call('TIME')
local now = clock[1] * 16000 + math.floor(clock[2] * 2 / 125)
local interval, burst, cost, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local debt = (tonumber(redis.call('GET', KEYS[1])) or now) - now
if debt < 0 then debt = 0 elseif debt > burst then debt = burst end
local room = math.floor((burst - debt) / interval)
if room < cost then return {0, debt} end
local charge = math.min(room, most, math.floor(debt / interval / 2))
if charge < cost then charge = cost end
debt = debt + charge * interval
redis.call('SET', KEYS[1], string.format('%.0f', now + debt), 'PX', math.floor(debt / 16) + 1)
return {charge, debt}
";

/// The tokens of a session that were used: the newest 32 one by one, and one more that stands for all before it.
pub(super) static SPEND: Script = Script::new(SPEND_TEXT, || digest(SPEND_TEXT));
const SPEND_TEXT: &str = "\
-- KEYS[1]: a session. ARGV: the token, when it was made, how long it is remembered (milliseconds).
-- Answers 0: first; 1: used before; 2: older than what is remembered.
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then return {1} end
if redis.call('ZCARD', KEYS[1]) > 32 then
  local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
  if tonumber(ARGV[2]) <= tonumber(oldest[2]) then return {2} end
  redis.call('ZREMRANGEBYRANK', KEYS[1], 0, 0)
end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {0}
";

/// One signed message: `f` and the ticket of who handles it, or `d` and the hash of the signature it was done with.
pub(super) static MESSAGE: Script = Script::new(MESSAGE_TEXT, || digest(MESSAGE_TEXT));
const MESSAGE_TEXT: &str = "\
-- KEYS[1]: a message. ARGV: reserve, confirm or release; ticket; signature; milliseconds.
-- Answers 0: reserved, or settled; 1: in flight for so many milliseconds; 2: done, same signature; 3: done, another.
local known = redis.call('GET', KEYS[1])
local mine, done = 'f' .. ARGV[2], 'd' .. ARGV[3]
if ARGV[1] == 'confirm' then
  redis.call('SET', KEYS[1], done, 'PX', ARGV[4])
elseif ARGV[1] == 'release' then
  if known == mine then redis.call('DEL', KEYS[1]) end
elseif not known then
  redis.call('SET', KEYS[1], mine, 'PX', ARGV[4])
elseif string.sub(known, 1, 1) == 'f' then
  return {1, redis.call('PTTL', KEYS[1])}
elseif known == done then
  return {2, 0}
else
  return {3, 0}
end
return {0, 0}
";

/// Who is there, and since when the server remembers: the first gate that finds no memory writes down its own time.
pub(super) static BEAT: Script = Script::new(BEAT_TEXT, || digest(BEAT_TEXT));
const BEAT_TEXT: &str = "\
-- KEYS: nodes, since, the blocks' version. ARGV: this node, its time, how long a silent one is counted (milliseconds).
-- Answers how many nodes there are, since when the server remembers, which blocks it has.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], now + 1, '+inf')
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('SET', KEYS[2], ARGV[2], 'NX')
local blocks = tonumber(redis.call('GET', KEYS[3])) or 0
return {redis.call('ZCARD', KEYS[1]), tonumber(redis.call('GET', KEYS[2])), blocks}
";

/// The counts of an attempt to sign in, each by the rule of the limiter. Who is locked out is not counted further.
pub(super) static ATTEMPT: Script = Script::new(ATTEMPT_TEXT, || digest(ATTEMPT_TEXT));
const ATTEMPT_TEXT: &str = "\
-- KEYS: an account and who tries; that account, if one is named. ARGV: interval, burst of each (sixteenths of a
-- millisecond). Answers for each, up to the first that is full: 1 if charged, else 0; what is owed.
local clock = redis.call('TIME')
local now = clock[1] * 16000 + math.floor(clock[2] * 2 / 125)
local answer = {}
for i, key in ipairs(KEYS) do
  local interval, burst = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local debt = (tonumber(redis.call('GET', key)) or now) - now
  if debt < 0 then debt = 0 elseif debt > burst then debt = burst end
  local room = debt + interval <= burst
  if room then
    debt = debt + interval
    redis.call('SET', key, string.format('%.0f', now + debt), 'PX', math.floor(debt / 16) + 1)
  end
  answer[2 * i - 1], answer[2 * i] = room and 1 or 0, debt
  if i == 1 and not room then break end
end
return answer
";

/// Gives back what an attempt was charged: never more than is owed.
pub(super) static GIVE_BACK: Script = Script::new(GIVE_BACK_TEXT, || digest(GIVE_BACK_TEXT));
const GIVE_BACK_TEXT: &str = "\
-- KEYS: those of an attempt that were charged; then, if nobody judged it, the count of such. ARGV: how many were charged;
-- interval, burst of each (sixteenths of a millisecond); the last has those of the first.
-- Answers whether it was given back.
local clock = redis.call('TIME')
local now = clock[1] * 16000 + math.floor(clock[2] * 2 / 125)
local function owed(key, burst)
  local debt = (tonumber(redis.call('GET', key)) or now) - now
  if debt < 0 then return 0 elseif debt > burst then return burst end
  return debt
end
local function owe(key, debt)
  if debt <= 0 then return redis.call('DEL', key) end
  redis.call('SET', key, string.format('%.0f', now + debt), 'PX', math.floor(debt / 16) + 1)
end
local charged = tonumber(ARGV[1])
local unjudged = KEYS[charged + 1]
if unjudged then
  local interval, burst = tonumber(ARGV[2]), tonumber(ARGV[3])
  local debt = owed(unjudged, burst) + interval
  if debt > burst then return {0} end
  owe(unjudged, debt)
end
for i = 1, charged do
  local interval, burst = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  owe(KEYS[i], owed(KEYS[i], burst) - interval)
end
return {1}
";

/// Shuts a network out, or lets it in again.
pub(super) static BLOCK: Script = Script::new(BLOCK_TEXT, || digest(BLOCK_TEXT));
const BLOCK_TEXT: &str = "\
-- KEYS: who is shut out until when, its version. ARGV: a network, for how long (milliseconds; 0 lets it in), how many at most.
-- Answers 1: done; 0: there is no room, or there was nothing to lift.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local time = tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if time == 0 then
  if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then return {0} end
else
  local known = redis.call('ZSCORE', KEYS[1], ARGV[1])
  if not known and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then return {0} end
  redis.call('ZADD', KEYS[1], string.format('%.0f', now + time), ARGV[1])
end
redis.call('INCR', KEYS[2])
-- The version outlives the blocks, so that the last one's end is not taken for the first one's beginning.
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
local ends = tonumber(last[2] or now) + 60000
redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', ends))
redis.call('PEXPIREAT', KEYS[2], string.format('%.0f', ends + 60000))
return {1}
";

/// Who is shut out.
pub(super) static BLOCKS: Script = Script::new(BLOCKS_TEXT, || digest(BLOCKS_TEXT));
const BLOCKS_TEXT: &str = "\
-- KEYS: who is shut out until when, its version. Answers for each 1 if it is a /48, its number in four parts, milliseconds.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local answer = {}
local live = redis.call('ZRANGEBYSCORE', KEYS[1], string.format('(%.0f', now), '+inf', 'WITHSCORES')
for i = 1, #live, 2 do
  answer[#answer + 1] = string.sub(live[i], 1, 1) == 'w' and 1 or 0
  for part = 0, 3 do
    answer[#answer + 1] = tonumber(string.sub(live[i], 2 + part * 8, 9 + part * 8), 16) or -1
  end
  answer[#answer + 1] = tonumber(live[i + 1]) - now
end
return answer
";
