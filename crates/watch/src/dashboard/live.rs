//! The front page as it changes, by server-sent events. One question a tick, however many look; none while nobody does.
//!
//! Every event is the whole state, so whoever was away for a while has missed nothing.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::reader::Reader;
use super::{About, now, overview};

/// Who looks at the front page.
pub(crate) struct Live {
    shared: Arc<Shared>,
}

struct Shared {
    reader: Arc<Reader>,
    about: Arc<About>,
    latest: watch::Sender<Bytes>,
    ticking: Mutex<bool>,
}

/// Viewers at a time.
const VIEWERS: usize = 16;
const TICK: Duration = Duration::from_secs(2);
/// Who takes nothing for so long has gone.
const PATIENCE: Duration = Duration::from_secs(20);
/// How soon a browser comes back when the connection ends, in milliseconds.
const RETRY: &[u8] = b"retry: 2000\n\n";

// === impl Live ===

impl Live {
    pub(crate) fn new(reader: Arc<Reader>, about: Arc<About>) -> Live {
        let shared = Shared { reader, about, latest: watch::Sender::new(Bytes::new()), ticking: Mutex::new(false) };
        Live { shared: Arc::new(shared) }
    }

    /// Events from now on; none where there is no room for another viewer.
    pub(crate) fn follow(&self) -> Option<mpsc::Receiver<Bytes>> {
        let shared = &self.shared;
        let mut ticking = shared.ticking.lock().unwrap_or_else(PoisonError::into_inner);
        if shared.latest.receiver_count() >= VIEWERS {
            return None;
        }
        let mut latest = shared.latest.subscribe();
        if !*ticking {
            *ticking = true;
            tokio::spawn(tick(Arc::clone(shared)));
        }
        drop(ticking);
        let (out, pieces) = mpsc::channel(2);
        tokio::spawn(async move {
            let mut piece = Bytes::from_static(RETRY);
            while matches!(timeout(PATIENCE, out.send(piece)).await, Ok(Ok(()))) {
                // Who has gone is noticed at once, not at the next tick.
                tokio::select! {
                    () = out.closed() => break,
                    changed = latest.changed() => if changed.is_err() { break },
                }
                piece = latest.borrow_and_update().clone();
            }
        });
        Some(pieces)
    }
}

async fn tick(shared: Arc<Shared>) {
    loop {
        let about = Arc::clone(&shared.about);
        let made = shared.reader.ask(move |store| {
            let now = now();
            Ok((overview::live(store, &about, now)?.into_string(), store.open_incidents()?, now))
        });
        if let Ok((html, open, now)) = made.await {
            let mut event = format!("id: {}\nevent: live\n", now.micros());
            html.lines().for_each(|line| _ = writeln!(event, "data: {line}"));
            let _ = write!(event, "\nevent: open\ndata: {}\n\n", open.iter().sum::<u64>());
            shared.latest.send_replace(event.into());
        }
        sleep(TICK).await;
        let mut ticking = shared.ticking.lock().unwrap_or_else(PoisonError::into_inner);
        if shared.latest.receiver_count() == 0 {
            *ticking = false;
            return;
        }
    }
}
