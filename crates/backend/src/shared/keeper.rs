//! The thread that says whether the server is out.

use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use palisade_guard::shared::{BEAT_EVERY, Beat, Call, Late, read_blocks};
use palisade_guard::{Change, Claim, MonoMicros};
use rand::Rng as _;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::server::{Connection, Failure};
use super::{Inner, Notice};
use crate::system::now;

/// How often a server that is out is tried.
const PROBE_EVERY: Duration = Duration::from_millis(250);

struct Keeper<T> {
    inner: Arc<Inner>,
    tell: T,
    up: watch::Sender<bool>,
    node: u64,
    connection: Option<Connection>,
    /// Whether the server's being out has been told.
    out: bool,
    /// Tokens taken alone since it is out, as far as they have been told to the server, and those it knew.
    alone: u64,
    replayed: u64,
    /// The eviction policy that has been told.
    evicts: Option<String>,
    /// Which blocks of the server's are known.
    blocks: Option<i64>,
}

/// Starts the keeper, and waits until it has tried once, but no longer than `patience`.
pub(super) fn start(
    inner: Arc<Inner>,
    mut dead: watch::Receiver<()>,
    tell: impl Fn(&Notice) + Send + 'static,
    patience: Duration,
) -> io::Result<watch::Receiver<bool>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (up, is_up) = watch::channel(false);
    let (tried, first) = mpsc::channel();
    thread::Builder::new().name("palisade-state".to_owned()).spawn(move || {
        let node = rand::rng().next_u64();
        let (connection, evicts, blocks) = (None, None, None);
        let mut keeper =
            Keeper { inner, tell, up, node, connection, out: false, alone: 0, replayed: 0, evicts, blocks };
        runtime.block_on(async {
            keeper.turn().await;
            let _ = tried.send(());
            tokio::select! {
                () = keeper.keep() => {}
                // An error means that nobody is left to keep it for.
                _ = dead.changed() => {}
            }
        });
    })?;
    let _ = first.recv_timeout(patience);
    Ok(is_up)
}

// === impl Keeper ===

impl<T: Fn(&Notice)> Keeper<T> {
    async fn keep(&mut self) {
        loop {
            if self.out {
                sleep(PROBE_EVERY).await;
            } else {
                tokio::select! {
                    () = sleep(BEAT_EVERY) => {}
                    () = self.inner.trouble.notified() => {}
                }
            }
            if !self.out && !self.inner.up.load(Relaxed) {
                // Those who ask found it out. It is not asked again in the same moment: it may be under a load that
                // one question more or less does not show.
                self.outage("questions are not answered");
                continue;
            }
            self.turn().await;
        }
    }

    /// Gives the sign of life, and draws the conclusion.
    async fn turn(&mut self) {
        match self.beat().await {
            Ok(beat) => {
                self.inner.nodes.store(beat.nodes, Relaxed);
                let before = self.inner.since_millis.swap(beat.since_millis, Relaxed);
                // What fails here is tried again with the next sign of life.
                let _ = self.blocks(beat, before != 0 && before != beat.since_millis).await;
                if !*self.up.borrow() || !self.inner.up.load(Relaxed) {
                    self.recover(beat).await;
                }
            }
            Err(failure) => {
                self.connection = None;
                if !self.out {
                    self.outage(&failure.to_string());
                }
            }
        }
    }

    async fn beat(&mut self) -> Result<Beat, Failure> {
        if self.connection.is_none() {
            self.connection = Some(Connection::dial(&self.inner.address, self.inner.timeout).await?);
            self.warn().await;
        }
        let call = self.inner.space.beat(self.node, now().wall.millis());
        let answer = self.ask(&call).await?;
        Beat::read(&answer).ok_or(Failure::Odd)
    }

    /// One question, which may take as long as a request may wait: a server that is slower is out.
    async fn ask(&mut self, call: &Call) -> Result<Vec<i64>, Failure> {
        let Some(connection) = &mut self.connection else { return Err(Failure::Late) };
        timeout(self.inner.timeout, connection.run(call)).await.unwrap_or(Err(Failure::Late))
    }

    /// Tells the server who is shut out here, and hears who is elsewhere.
    async fn blocks(&mut self, beat: Beat, forgotten: bool) -> Result<(), Failure> {
        let (space, state) = (self.inner.space, Arc::clone(&self.inner.state));
        if forgotten {
            state.blocks.forgotten();
        }
        let changes = state.blocks.untold(now().mono);
        for change in &changes {
            let call = match change {
                Change::Block(net, until) => space.block(*net, until_from_now(*until)),
                Change::Lift(net) => space.block(*net, Duration::ZERO),
            };
            self.ask(&call).await?;
            state.blocks.told(*change);
        }
        if changes.is_empty() && !forgotten && self.blocks == Some(beat.blocks) {
            return Ok(());
        }
        let answer = self.ask(&space.blocks()).await?;
        let list = read_blocks(&answer).ok_or(Failure::Odd)?;
        let now = now().mono;
        let end =
            |left: Duration| MonoMicros(now.0.saturating_add(u64::try_from(left.as_micros()).unwrap_or(u64::MAX)));
        state.blocks.replace(list.into_iter().map(|(net, left)| (net, end(left))), now);
        self.blocks = Some(beat.blocks);
        Ok(())
    }

    fn outage(&mut self, why: &str) {
        self.inner.up.store(false, Relaxed);
        let _ = self.up.send(false);
        self.out = true;
        (self.tell)(&Notice::Outage { nodes: self.inner.nodes.load(Relaxed), why: why.to_owned() });
    }

    /// First the server hears what was decided without it, then it is asked again.
    async fn recover(&mut self, beat: Beat) {
        if self.catch_up().await.is_err() {
            return;
        }
        self.inner.failures.store(0, Relaxed);
        self.inner.up.store(true, Relaxed);
        let _ = self.up.send(true);
        // Requests that found it out a moment ago may have decided alone since.
        let _ = self.catch_up().await;
        let (alone, replayed) = (std::mem::take(&mut self.alone), std::mem::take(&mut self.replayed));
        if std::mem::take(&mut self.out) {
            (self.tell)(&Notice::Recovered { nodes: beat.nodes, alone, replayed });
        }
    }

    /// Tells the server what was decided without it. What cannot be told is kept for the next time.
    async fn catch_up(&mut self) -> Result<(), Failure> {
        let mut late = self.inner.state.alone.take();
        self.alone += std::mem::take(&mut late.untold);
        let told = self.tell_late(&mut late).await;
        self.inner.state.alone.put_back(late);
        told
    }

    async fn tell_late(&mut self, late: &mut Late) -> Result<(), Failure> {
        let space = self.inner.space;
        while let Some(spend) = late.spends.last().copied() {
            let answer = self.ask(&spend.call(space)).await?;
            late.spends.pop();
            self.alone += 1;
            let claimed = Claim::Spend(spend).read(&answer);
            self.replayed += u64::from(claimed.is_some_and(|claimed| claimed.is_replay()));
        }
        while let Some(settle) = late.settles.last().copied() {
            self.ask(&settle.call(space)).await?;
            late.settles.pop();
        }
        Ok(())
    }

    /// A server that may throw keys away is named once.
    async fn warn(&mut self) {
        let Some(connection) = &mut self.connection else { return };
        // Whoever may not ask is not told.
        let Ok(Ok(evicts)) = timeout(self.inner.timeout, connection.eviction()).await else { return };
        if let Some(policy) = evicts.clone().filter(|_| evicts != self.evicts) {
            (self.tell)(&Notice::Evicts { policy });
        }
        self.evicts = evicts;
    }
}

/// At least a millisecond: none would lift the block.
fn until_from_now(until: MonoMicros) -> Duration {
    Duration::from_micros(until.0.saturating_sub(now().mono.0)).max(Duration::from_millis(1))
}
