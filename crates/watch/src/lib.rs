//! From logs that exist already, and from a gate's own lines, to events: [`lines`] reads every format that is known.
//! [`store`] keeps what is made of them.

pub mod lines;
pub mod pipeline;
pub mod store;
