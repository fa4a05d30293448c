//! The one thread that reads the store for the pages.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use tokio::sync::oneshot;

use super::Missing;
use crate::store::{Place, Store, StoreFault};

/// Asks the store, one question after the other.
#[derive(Debug)]
pub(crate) struct Reader {
    jobs: SyncSender<Job>,
    asked: Arc<AtomicU64>,
}

type Job = Box<dyn FnOnce(Result<&mut Store, StoreFault>) + Send>;

/// Questions that may wait; one more is refused.
pub const WAITING: usize = 32;

// === impl Reader ===

impl Reader {
    pub(crate) fn start(place: Place) -> std::io::Result<Reader> {
        let (jobs, todo) = sync_channel(WAITING);
        thread::Builder::new().name("palisade-pages".to_owned()).spawn(move || run(&place, &todo))?;
        Ok(Reader { jobs, asked: Arc::default() })
    }

    /// The answer to a question, or why there is none.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> Result<T, Missing> + Send + 'static,
    ) -> Result<T, Missing> {
        let (tell, told) = oneshot::channel();
        let asked = Arc::clone(&self.asked);
        let job: Job = Box::new(move |store| {
            let done = store.map_err(Missing::Fault).and_then(|store| {
                let before = store.asked();
                let done = work(store);
                asked.fetch_add(store.asked() - before, Ordering::Relaxed);
                done
            });
            let _ = tell.send(done);
        });
        self.jobs.try_send(job).map_err(|_| Missing::Busy)?;
        told.await.unwrap_or(Err(Missing::Busy))
    }

    /// Statements of all questions that were answered.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

/// Ends when nobody can ask any more.
fn run(place: &Place, todo: &Receiver<Job>) {
    let mut store = None;
    while let Ok(job) = todo.recv() {
        if store.is_none() {
            match Store::open(place) {
                Ok(opened) => store = Some(opened),
                Err(fault) => {
                    job(Err(fault));
                    continue;
                }
            }
        }
        if let Some(store) = &mut store {
            job(Ok(store));
        }
    }
}
