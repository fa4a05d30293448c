//! From logs that exist already, and from a gate's own lines, to events: [`lines`] reads every format that is known.

pub mod lines;
