//! What is sent on beside `serve`: events and metrics; and what the notifier adds to the page of metrics.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Weak};
use std::time::Duration;

use anyhow::Context as _;
use palisade_diag::{Diagnostic, Diagnostics};
use palisade_gateway::Control;
use palisade_policy::{Environment, Policy};
use palisade_watch::export::{Exporter, Origin};
use palisade_watch::notify::{Notifier, Standing};

/// How long what waits may take at the end.
const PATIENCE: Duration = Duration::from_secs(5);

/// What keeps anything from being sent on. In production it is an error: a log that is missing is noticed too late.
pub(crate) fn problems(policy: &Policy, variables: &BTreeMap<String, String>, found: &mut Diagnostics) {
    let Err(bad) = Exporter::check(&policy.alerting.export, variables) else { return };
    let what = format!("[export]: {bad}");
    let problem = match policy.environment {
        Environment::Production => Diagnostic::error("export-unusable", what),
        Environment::Staging | Environment::Development => Diagnostic::warning("export-unusable", what),
    };
    found.push(problem.fix("set it where the app's variables are, or remove the key from [export]"));
}

/// Starts to send on what the policy says. What cannot be started was told, and is left out.
pub(crate) fn start(policy: &Policy, variables: &BTreeMap<String, String>) -> anyhow::Result<Option<Arc<Exporter>>> {
    let export = &policy.alerting.export;
    if policy.environment != Environment::Production && Exporter::check(export, variables).is_err() {
        return Ok(None);
    }
    let origin = Origin {
        service: policy.app.name.clone(),
        environment: policy.environment.id().to_owned(),
        version: env!("CARGO_PKG_VERSION"),
    };
    Ok(Exporter::start(export, variables, origin).context("[export]")?.map(Arc::new))
}

/// Joins the gate's page of metrics with what is beside it.
pub(crate) fn connect(control: &Control, notifier: Option<&Arc<Notifier>>, exporter: Option<&Arc<Exporter>>) {
    // The page outlives neither: whoever ends them must be the last to hold them.
    let (told, sent) = (notifier.map(Arc::downgrade), exporter.map(Arc::downgrade));
    control.add_metrics(Box::new(move |page| {
        if let Some(notifier) = told.as_ref().and_then(Weak::upgrade) {
            standing(page, &notifier.standing());
        }
        if let Some(exporter) = sent.as_ref().and_then(Weak::upgrade) {
            let (sent, dropped) = exporter.counts();
            family(page, "palisade_export_lines_total", "counter", "Lines sent on to services, and dropped.");
            let _ = writeln!(page, "palisade_export_lines_total{{outcome=\"sent\"}} {sent}");
            let _ = writeln!(page, "palisade_export_lines_total{{outcome=\"dropped\"}} {dropped}");
        }
    }));
    if let Some(exporter) = exporter {
        let control = control.clone();
        exporter.with_page(Box::new(move || control.metrics()));
    }
}

/// Sends what waits.
pub(crate) fn finish(exporter: Exporter) {
    exporter.finish(PATIENCE);
}

/// The labels are rules and channels: names of files, nothing that a client sends.
fn standing(page: &mut String, standing: &Standing) {
    let Standing { sends, letters, open, failures } = standing;
    let help = "Incidents that are open and unacknowledged, by rule; P3 left out.";
    family(page, "palisade_incidents_open", "gauge", help);
    for (rule, count) in open {
        let _ = writeln!(page, "palisade_incidents_open{{rule=\"{}\"}} {count}", label(rule));
    }
    family(page, "palisade_messages", "gauge", "Messages of the outbox, by channel and state.");
    for (channel, state, count) in letters {
        let _ = writeln!(page, "palisade_messages{{channel=\"{}\",state=\"{}\"}} {count}", label(channel), state.id());
    }
    family(page, "palisade_message_failures_total", "counter", "Attempts to deliver a message that failed.");
    let _ = writeln!(page, "palisade_message_failures_total {failures}");
    family(
        page,
        "palisade_notifier_sends",
        "gauge",
        "Whether it is this process that sends the messages of its store.",
    );
    let _ = writeln!(page, "palisade_notifier_sends {}", u8::from(*sends));
}

fn family(page: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', " ")
}
