//! The examiner: the checklist before a deployment, decided by evidence.
//!
//! Whoever examines a project collects [`Facts`]; every fact is known, or unknown with the reason. [`run`]
//! judges them by the checks of [`CHECKS`] and gives one [`Finding`] for each: what is not known is never a pass. Nothing
//! here reads a file, a clock or a socket, and nothing of the gate is used: the examiner does not share the code that it
//! examines.

mod check;
mod checks;
pub mod csp;
pub mod date;
pub mod experiments;
pub mod facts;
mod finding;
pub mod headers;
pub mod maintenance;
mod report;
mod run;
pub mod tls;

pub use check::{Case, Check, Item, Judge, Outcome, Ruled, Section, Severity};
pub use checks::{CHECKS, find};
pub use facts::{Fact, Facts, Place, Unknown};
pub use finding::{Detail, Finding, Status};
pub use report::{Levels, Report, Summary};
pub use run::run;
