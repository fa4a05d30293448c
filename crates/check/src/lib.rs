//! The examiner: what was collected about a project, and what follows from it.

pub mod facts;
