use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

/// Wakes whoever follows a log when something happens in its folder.
///
/// Only a hint: network file systems tell nothing, so it is never waited for without a time limit.
#[derive(Debug)]
pub struct Wake {
    events: Receiver<()>,
    /// Kept, as it ends with it. None where the system refuses to watch.
    _watcher: Option<RecommendedWatcher>,
}

// === impl Wake ===

impl Wake {
    /// Watches the folder of a log.
    #[must_use]
    pub fn new(log: &Path) -> Wake {
        let folder = log.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // One event that waits stands for all.
        let (tell, events) = sync_channel(1);
        let watcher = notify::recommended_watcher(move |_| {
            let _ = tell.try_send(());
        });
        let watcher = watcher.ok().and_then(|mut watcher| {
            watcher.watch(folder, RecursiveMode::NonRecursive).ok()?;
            Some(watcher)
        });
        Wake { events, _watcher: watcher }
    }

    /// Waits until something happened, at most `time`.
    pub fn wait(&self, time: Duration) {
        if self.events.recv_timeout(time) == Err(RecvTimeoutError::Disconnected) {
            std::thread::sleep(time);
        }
    }
}
