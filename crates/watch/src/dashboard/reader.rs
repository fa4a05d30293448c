//! The one thread that reads the store for the pages.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use tokio::sync::oneshot;

use super::Missing;
use crate::store::{Place, Store, StoreFault};

/// Asks the store, one question after the other.
#[derive(Debug)]
pub(crate) struct Reader {
    jobs: SyncSender<Job>,
}

type Job = Box<dyn FnOnce(Result<&mut Store, StoreFault>) + Send>;

/// Questions that may wait; one more is refused.
pub const WAITING: usize = 32;

// === impl Reader ===

impl Reader {
    pub(crate) fn start(place: Place) -> std::io::Result<Reader> {
        let (jobs, todo) = sync_channel(WAITING);
        thread::Builder::new().name("palisade-pages".to_owned()).spawn(move || run(&place, &todo))?;
        Ok(Reader { jobs })
    }

    /// The answer to a question, or why there is none.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> Result<T, Missing> + Send + 'static,
    ) -> Result<T, Missing> {
        let (tell, told) = oneshot::channel();
        let job: Job = Box::new(move |store| {
            let _ = tell.send(store.map_err(Missing::Fault).and_then(work));
        });
        self.jobs.try_send(job).map_err(|_| Missing::Busy)?;
        told.await.unwrap_or(Err(Missing::Busy))
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
