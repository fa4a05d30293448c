//! What was collected.

pub mod routes;
pub mod secrets;
