//! The words every part of Palisade uses: what the gate writes for each request, and what a detector reads from
//! whichever log.
//!
//! [`Kind`] says what a route is for, [`Stage`] names the steps a request passes in [`ORDER`], [`Code`] names every
//! refusal, [`ClientKey`] names who is counted, and [`Event`] is what the gate reports. [`Seen`] is an event from any
//! source, read by [`decode()`] or by a parser of logs; [`Incident`] is what rules made of many. Text that a stranger wrote
//! leaves through [`Untrusted`]. Nothing here reads a clock, a file or a socket, and nothing here depends on another
//! crate of ours.

mod client;
mod code;
mod decode;
mod encode;
mod event;
mod field;
mod incident;
pub mod json;
mod kind;
pub mod ocsf;
mod pack;
mod redact;
mod seen;
mod stage;
mod time;
mod untrusted;
mod value;
mod write;

pub use client::ClientKey;
pub use code::Code;
pub use decode::{BadLine, decode, decode_received};
pub use encode::rfc3339;
pub use event::{Decision, Event, Outcome, Signal, Tag};
pub use field::Field;
pub use incident::{BLOCK_LASTS, Evidence, Incident, IncidentKey, MAX_SAMPLES, MAX_TOP, Priority, State};
pub use kind::Kind;
pub use redact::{REDACTED, is_secret_name, redact_query, redact_referrer, redact_replay};
pub use seen::{Seen, Source};
pub use stage::{ORDER, Stage};
pub use time::{EventTime, days};
pub use untrusted::Untrusted;
pub use value::{Names, Value};
