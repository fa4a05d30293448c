//! The words every part of Palisade uses, and the one event line the gate writes for each request.
//!
//! [`Kind`] says what a route is for, [`Stage`] names the steps a request passes in [`ORDER`], [`Code`] names every
//! refusal, [`ClientKey`] names who is counted, and [`Event`] is what the gate reports. Nothing here reads a clock,
//! a file or a socket, and nothing here depends on another crate of ours.

mod client;
mod code;
mod encode;
mod event;
mod kind;
mod stage;

pub use client::ClientKey;
pub use code::Code;
pub use encode::rfc3339;
pub use event::{Decision, Event, Field, Outcome, Signal, Tag};
pub use kind::Kind;
pub use stage::{ORDER, Stage};
