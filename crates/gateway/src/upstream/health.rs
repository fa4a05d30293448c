//! Asks each upstream again and again whether it is well.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use http::uri::{Authority, PathAndQuery};
use palisade_policy::HealthCheck;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::connect::Connector;
use super::fleet::{Fleet, Seat};
use super::reply::{Head, Search};

/// However long the interval, an answer that takes longer is none.
const LONGEST_ANSWER: Duration = Duration::from_secs(5);

/// Checks the upstreams of the fleet in force, until nobody can change it any more. `fleet` and `host` look into what is
/// in force; the host is what checks say they are for.
pub(crate) async fn check<T>(mut force: watch::Receiver<Arc<T>>, look: impl Fn(&T) -> (Arc<Fleet>, String)) {
    loop {
        let (fleet, host) = look(&force.borrow_and_update());
        let Some(health) = fleet.health.clone() else {
            if force.changed().await.is_err() {
                return;
            }
            continue;
        };
        let mut ticks = interval(health.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => round(&fleet, &health, &host).await,
                changed = force.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
            }
        }
    }
}

async fn round(fleet: &Fleet, health: &HealthCheck, host: &str) {
    let mut asked = JoinSet::new();
    for seat in fleet.seats.iter().cloned() {
        let (path, host, patience) = (health.path.clone(), host.to_owned(), health.interval.min(LONGEST_ANSWER));
        asked.spawn(async move {
            let well = matches!(timeout(patience, ask(&seat, &path, &host)).await, Ok(Some(true)));
            seat.vital.checked(well);
        });
    }
    while asked.join_next().await.is_some() {}
}

/// Fetches the path over a connection of its own; its status tells.
async fn ask(seat: &Seat, path: &str, host: &str) -> Option<bool> {
    // Neither may hold a line's end.
    let (path, host) = (path.parse::<PathAndQuery>().ok()?, host.parse::<Authority>().ok()?);
    let mut stream = Connector::new(&seat.origin).open().await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let (mut read, mut search) = (BytesMut::new(), Search::default());
    while stream.read_buf(&mut read).await.ok()? > 0 {
        while let Some(length) = search.look(&read).ok()? {
            let status = Head::status(&read).ok()?;
            if !status.is_informational() {
                return Some(status.is_success() || status.is_redirection());
            }
            read.advance(length);
            search = Search::default();
        }
    }
    None
}
