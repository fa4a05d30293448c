//! From incidents to messages that people read.
//!
//! [`desk`] decides who is told what and when; the store keeps messages in an outbox; [`Notifier`] sends them from there, each
//! channel from a thread of its own. A channel is a file of one shape below [`channel`]: a pure function from a [`Notice`] to
//! what the service documents. Strangers' text passes the encoder of its place on every way out (SECURITY.md 21).

pub mod channel;
mod courier;
pub mod desk;
mod notice;
mod notifier;
mod post;
mod words;

pub use channel::{BadTarget, Target};
pub use desk::{Desk, Names, PER_MINUTE};
pub use notice::{Brief, Line, Notice, NoticeKind};
pub use notifier::{Notifier, Standing, Told};
pub use post::BadAddress;
pub(crate) use post::{Address, Client, Request};
