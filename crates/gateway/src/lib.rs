//! The reverse proxy.
//!
//! [`Gateway::bind`] takes the port, [`Gateway::run`] serves until it is told to stop and has drained. One thread a
//! core, each with a runtime, a listener, an upstream pool and an event buffer of its own: on its way a request takes
//! no lock and meets no other thread. Every request passes [`palisade_tower::Gate`]; the upstream takes nothing but
//! the guarded body that only the gate makes.
//!
//! What it does not do: TLS towards the upstream, more than one upstream, reloading the plan.

mod census;
mod events;
mod framing;
mod front;
mod gateway;
mod http2;
mod listen;
mod proxy_protocol;
mod redirect;
mod roster;
mod serve;
mod tls;
mod upload;
mod upstream;
mod watched;
mod websocket;
mod worker;

pub use events::{EventSink, Surroundings};
pub use front::Front;
pub use gateway::{Config, Drained, Gateway};
pub use tls::{Certificate, CertificateError};
