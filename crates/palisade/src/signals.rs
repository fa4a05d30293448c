//! SIGTERM and SIGINT: the first begins the drain, the second ends it, the third ends the process at once.

use palisade_gateway::Control;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::output;

/// Becomes ready at the first signal; calls `listening` once signals are heard. Must run on a runtime with IO.
pub(crate) async fn shutdown(listening: impl FnOnce(), control: Control) {
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        // Without handlers the system's own action ends the process.
        listening();
        return std::future::pending().await;
    };
    listening();
    either(&mut term, &mut int).await;
    tokio::spawn(async move {
        either(&mut term, &mut int).await;
        output::note("palisade: cutting what is still open");
        control.cut();
        either(&mut term, &mut int).await;
        std::process::exit(130);
    });
}

async fn either(term: &mut Signal, int: &mut Signal) {
    tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
}
