//! The reverse proxy.
//!
//! [`Gateway::bind`] takes the port, [`Gateway::run`] serves until it is told to stop and has drained. One thread a
//! core, each with a runtime, a listener, an upstream pool and an event buffer of its own: on its way a request takes
//! no lock and meets no other thread. Every request passes [`palisade_tower::Gate`]; the upstream takes nothing but
//! the guarded body that only the gate makes.
//!
//! While it serves, [`Control`] puts another plan and other upstreams in force, and [`Admin`] answers operators.
//!
//! What it does not do: TLS towards the upstream.

mod admin;
mod census;
mod control;
mod events;
mod framing;
mod front;
mod gateway;
mod http2;
mod listen;
mod metrics;
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

pub use admin::{Admin, Asked, Content, Form, Page, Pages, Visitor};
pub use control::{Control, MoreMetrics, Reload};
pub use events::{EventSink, Heard, Surroundings, Tap, Told};
pub use front::Front;
pub use gateway::{Config, Drained, Gateway};
pub use tls::{Certificate, CertificateError};
