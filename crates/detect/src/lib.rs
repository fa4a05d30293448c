//! The detector: rules in Sigma's grammar and beyond it, matched without state, correlated on event time.
//!
//! [`Rules`] are read from YAML and matched against [`Seen`](palisade_event::Seen) events by any number of threads. What
//! matches is put in order and counted by [`Engine`], or by [`Shard`]s that share the groups among them; out come
//! [`Incident`](palisade_event::Incident)s. Nothing here reads a clock, a file or a socket; seeds are arguments. The same
//! events give the same incidents, byte for byte, in whatever order they come within the lateness, over any number of
//! shards.

mod atom;
mod baseline;
mod built_in;
mod chain;
mod column;
mod condition;
mod correlation;
mod decode;
mod engine;
mod explain;
mod expr;
mod file;
mod hit;
mod index;
mod keep;
mod measure;
mod modifier;
mod novelty;
mod open;
mod partition;
mod pattern;
mod read;
mod reorder;
mod rule;
mod rules;
mod selection;
mod shard;
mod state;
mod table;
mod trial;
mod tune;
mod window;
mod yaml;

pub use built_in::BUILT_IN;
pub use engine::{BadState, Counters, Engine, Settings, Tables};
pub use explain::{Asked, Compared, Explanation};
pub use hit::{Exhibit, Hit};
pub use rule::{Level, Mode, Rule};
pub use rules::{Matcher, Matches, Rules};
pub use shard::Shard;
pub use trial::{Trial, Tried};
pub use tune::{BadThreshold, Threshold};
