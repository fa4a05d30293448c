//! The port for reports, beside a gate or beside logs: who may send is told by variables.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use anyhow::{Context as _, bail};
use palisade_event::Seen;
use palisade_watch::intake::{Full, Intake, IntakeListener, Secrets, Sink};
use palisade_watch::lines::Enrich;

use crate::output;

/// Reports that wait for the detector. Beyond it senders are asked to come again.
const WAITING: usize = 256;

/// What came in, for the thread that detects.
pub(crate) struct Reports {
    queue: Receiver<Vec<Seen<'static>>>,
}

// === impl Reports ===

impl Reports {
    /// Takes the port, and serves it from a thread of its own for as long as the process lives.
    pub(crate) fn start(
        address: SocketAddr,
        enrich: Enrich,
        variables: &BTreeMap<String, String>,
    ) -> anyhow::Result<Reports> {
        let secrets = secrets(variables)?;
        let (sender, queue) = sync_channel(WAITING);
        let intake = Arc::new(Intake::new(secrets, enrich, rand::random(), Queue(sender))?);
        let listener = IntakeListener::bind(address).with_context(|| format!("cannot take reports at {address}"))?;
        output::note(&format!("palisade: reports are taken at {}", listener.local_addr()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("palisade-intake".to_owned()).spawn(move || {
            if let Err(error) = runtime.block_on(listener.serve(intake)) {
                output::problem(&format!("the intake ended: {error}"));
            }
        })?;
        Ok(Reports { queue })
    }

    /// Takes what has come; says whether anything had.
    pub(crate) fn each(&self, mut take: impl FnMut(&Seen<'_>)) -> bool {
        let mut any = false;
        for events in self.queue.try_iter() {
            any = true;
            events.iter().for_each(&mut take);
        }
        any
    }
}

struct Queue(SyncSender<Vec<Seen<'static>>>);

impl Sink for Queue {
    fn take(&self, events: Vec<Seen<'static>>) -> Result<(), Full> {
        self.0.try_send(events).map_err(|_| Full)
    }
}

/// Who may send; an error where nobody could. While a secret is changed, the one before holds too, as `NAME_PREVIOUS`.
pub(crate) fn secrets(variables: &BTreeMap<String, String>) -> anyhow::Result<Secrets> {
    let one = |name: &str| variables.get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    let both = |name: &str| [one(name), one(&format!("{name}_PREVIOUS"))].into_iter().flatten().collect();
    let secrets = Secrets {
        vercel: both("VERCEL_DRAIN_SECRET"),
        vercel_verify: one("VERCEL_DRAIN_VERIFY"),
        clerk: both("CLERK_WEBHOOK_SECRET"),
        token: one("PALISADE_INTAKE_TOKEN"),
    };
    if secrets.vercel.is_empty() && secrets.clerk.is_empty() && secrets.token.is_none() {
        bail!(
            "nobody could send anything to the intake: set PALISADE_INTAKE_TOKEN (`palisade secrets new` makes one), \
             VERCEL_DRAIN_SECRET or CLERK_WEBHOOK_SECRET"
        );
    }
    Ok(secrets)
}
