//! Who is shut out at every gate, for those who are no gate.

use std::fmt;
use std::time::Duration;

use palisade_guard::shared::{Call, Space, read_blocks, was_done};
use palisade_guard::{BadNet, MAX_BLOCKS, Net};
use palisade_policy::{Clients, Policy};
use tokio::time::timeout;

use super::address::Address;
use super::server::{Connection, Failure};

/// The blocks of all gates of an application, by the server they share: for a command, or a response to an incident that
/// was found elsewhere. Each question is a connection of its own. Gates take a change up with their next sign of life,
/// within two seconds. What runs in a gate's process changes [`palisade_guard::State::blocks`] instead, which holds there
/// at once and is told to the others.
#[derive(Debug, Clone)]
pub struct Blocklist {
    address: Address,
    space: Space,
    clients: Clients,
}

/// Why a block could not be changed or asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlockFault {
    /// It must not be shut out.
    Bad(BadNet),
    /// There are [`MAX_BLOCKS`].
    Full,
    /// The server does not answer; for people.
    Unreachable(String),
}

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(2);

// === impl Blocklist ===

impl Blocklist {
    /// The blocks of that policy's application, on the server at `address`.
    #[must_use]
    pub fn new(address: Address, policy: &Policy) -> Blocklist {
        Blocklist { address, space: Space::of(policy), clients: policy.clients.clone() }
    }

    /// Shuts a network out for `time`, at least a millisecond, in place of what was said of it before.
    ///
    /// # Errors
    /// If it must not be shut out, if there are too many, or if the server does not answer.
    pub async fn add(&self, net: Net, time: Duration) -> Result<(), BlockFault> {
        net.check(&self.clients).map_err(BlockFault::Bad)?;
        let answer = self.ask(&self.space.block(net, time.max(Duration::from_millis(1)))).await?;
        if was_done(&answer) == Some(true) { Ok(()) } else { Err(BlockFault::Full) }
    }

    /// Lets a network in again. Whether it was shut out.
    ///
    /// # Errors
    /// If the server does not answer.
    pub async fn remove(&self, net: Net) -> Result<bool, BlockFault> {
        let answer = self.ask(&self.space.block(net, Duration::ZERO)).await?;
        was_done(&answer).ok_or_else(|| Failure::Odd.into())
    }

    /// Who is shut out, and for how long yet.
    ///
    /// # Errors
    /// If the server does not answer.
    pub async fn list(&self) -> Result<Vec<(Net, Duration)>, BlockFault> {
        let answer = self.ask(&self.space.blocks()).await?;
        read_blocks(&answer).ok_or_else(|| Failure::Odd.into())
    }

    async fn ask(&self, call: &Call) -> Result<Vec<i64>, BlockFault> {
        let mut connection = Connection::dial(&self.address, PATIENCE).await?;
        Ok(timeout(PATIENCE, connection.run(call)).await.unwrap_or(Err(Failure::Late))?)
    }
}

// === impl BlockFault ===

impl From<Failure> for BlockFault {
    fn from(failure: Failure) -> BlockFault {
        BlockFault::Unreachable(failure.to_string())
    }
}

impl fmt::Display for BlockFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BlockFault::Bad(bad) => bad.fmt(f),
            BlockFault::Full => write!(f, "there are {MAX_BLOCKS} blocks already"),
            BlockFault::Unreachable(why) => write!(f, "the shared state does not answer: {why}"),
        }
    }
}

impl std::error::Error for BlockFault {}
