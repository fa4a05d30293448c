//! A road to a server on which everything takes longer.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// A TCP proxy that holds back every piece of data for a while, both ways.
#[derive(Debug)]
pub struct SlowRoad {
    address: SocketAddr,
    millis: Arc<AtomicU64>,
}

impl SlowRoad {
    /// A road to `there`, at full speed. It ends with the test's process.
    ///
    /// # Panics
    /// If no port is to be had.
    #[must_use]
    pub fn to(there: SocketAddr) -> SlowRoad {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = listener.local_addr().expect("address");
        let millis = Arc::new(AtomicU64::new(0));
        let delay = Arc::clone(&millis);
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let Ok(far) = TcpStream::connect(there) else { continue };
                let pair = near.try_clone().and_then(|near| Ok((near, far.try_clone()?)));
                let Ok((near_too, far_too)) = pair else { continue };
                let (up, down) = (Arc::clone(&delay), Arc::clone(&delay));
                thread::spawn(move || carry(near, far, &up));
                thread::spawn(move || carry(far_too, near_too, &down));
            }
        });
        SlowRoad { address, millis }
    }

    /// Where it begins.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How long each piece takes each way, from now on.
    pub fn takes(&self, time: Duration) {
        self.millis.store(u64::try_from(time.as_millis()).expect("short"), Ordering::Relaxed);
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, delay: &AtomicU64) {
    let mut bytes = [0; 16 << 10];
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        // The delay is what this is for; no test waits by it.
        thread::sleep(Duration::from_millis(delay.load(Ordering::Relaxed)));
        if to.write_all(bytes.get(..read).unwrap_or_default()).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
