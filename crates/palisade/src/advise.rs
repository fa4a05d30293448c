//! `advise`: which protections a route needs, and why.
use crate::args::Advise;
use crate::output::{Exit, Format};
pub(crate) fn run(_: &Advise, _: Format) -> anyhow::Result<Exit> { anyhow::bail!("pending") }
