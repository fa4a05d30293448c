//! `report`: a week in numbers, beside the week before.

use palisade_watch::report::Report;
use palisade_watch::store::Window;

use crate::args::Report as Args;
use crate::output::{self, Exit, ReportFormat};
use crate::stored::{self, moment};

const MINUTE: u64 = 60_000_000;

pub(crate) fn run(args: &Args, format: ReportFormat) -> anyhow::Result<Exit> {
    let now = stored::now();
    let until = args.until.as_deref().map_or(Ok(now), |until| moment(until, now))?;
    let until = palisade_event::EventTime::from_micros(until.micros().div_ceil(MINUTE) * MINUTE);
    let from = moment(&args.since, until)?;
    if from >= until {
        anyhow::bail!("--since {} is not before the end of the report", args.since);
    }
    let window = Window { from: palisade_event::EventTime::from_micros(from.micros() / MINUTE * MINUTE), until };
    let mut store = stored::open(&args.store)?;
    let report =
        Report::build(&mut store, args.app.as_deref().unwrap_or_default(), window, now)?.with_tasks(&args.record);
    match format {
        ReportFormat::Json => output::result(&serde_json::to_string_pretty(&report.json())?),
        ReportFormat::Html => output::result(&report.html()),
        // The others were refused before anything was read.
        _ => output::result(report.markdown().trim_end()),
    }
    Ok(Exit::Fine)
}
