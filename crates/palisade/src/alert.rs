//! `alert test|list|retry`, and the notifier beside `serve` and `watch`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use palisade_diag::{Diagnostic, Diagnostics};
use palisade_event::Untrusted;
use palisade_policy::{Environment, Overrides, Policy};
use palisade_watch::notify::{Desk, Names, Notifier, Target, Told};
use palisade_watch::store::{LetterFilter, LetterState, Outcome, Place, Posted};
use serde_json::{Value, json};

use crate::args::{AlertCommand, AlertList, AlertRetry, AlertTest, EnvironmentArgs};
use crate::load;
use crate::output::{self, Exit, Format};
use crate::stored::{self, exact, plain};

/// How long a message that is being sent may take at the end.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn run(command: &AlertCommand, format: Format) -> anyhow::Result<Exit> {
    match command {
        AlertCommand::Test(args) => test(args, format),
        AlertCommand::List(args) => list(args, format),
        AlertCommand::Retry(args) => retry(args),
    }
}

/// The channels of a policy with their addresses and secrets; what is wrong with the others. In production a channel that
/// cannot be used is an error: nobody would notice that nobody is told.
pub(crate) fn targets(policy: &Policy, variables: &BTreeMap<String, String>, found: &mut Diagnostics) -> Vec<Target> {
    let mut targets = Vec::new();
    for channel in &policy.alerting.channels {
        match Target::new(channel, variables) {
            Ok(target) => targets.push(target),
            Err(bad) => {
                let what = format!("channel `{}`: {bad}", channel.name);
                let problem = match policy.environment {
                    Environment::Production => Diagnostic::error("channel-unusable", what),
                    Environment::Staging | Environment::Development => Diagnostic::warning("channel-unusable", what),
                };
                let fix = "set it where the app's variables are, or remove the channel; `palisade alert test` tries it";
                found.push(problem.fix(fix));
            }
        }
    }
    targets
}

/// Starts to tell people what is found, where the policy names a channel.
pub(crate) fn start(policy: &Policy, targets: Vec<Target>, place: &Place) -> anyhow::Result<Option<Arc<Notifier>>> {
    if policy.alerting.channels.is_empty() {
        return Ok(None);
    }
    let notifier = Notifier::start(place, policy.alerting.clone(), names(policy), targets, |told| tell(&told));
    notifier.map(|notifier| Some(Arc::new(notifier))).context("nobody can be told: no thread can be started")
}

/// Ends it; what waits in the outbox goes out with the next start.
pub(crate) fn finish(notifier: &Notifier) {
    notifier.finish(PATIENCE);
}

/// Whose messages they are.
pub(crate) fn names(policy: &Policy) -> Names {
    Names { app: policy.app.name.clone(), environment: policy.environment.id().to_owned() }
}

fn tell(told: &Told<'_>) {
    match told {
        Told::Dead { channel, why } => output::problem(&format!(
            "channel {channel}: a message was given up: {why}; `palisade alert list --state dead` names it"
        )),
        Told::Trouble { channel, why } => {
            output::note(&format!("palisade: channel {channel}: {why}; it is tried again"));
        }
        Told::Recovered { channel } => output::note(&format!("palisade: channel {channel} takes messages again")),
        Told::Store(fault) => output::problem(&format!("nobody can be told of incidents: {fault}")),
        _ => {}
    }
}

/// The policy and the variables that its channels need.
pub(crate) fn policy(path: &Path, args: &EnvironmentArgs) -> anyhow::Result<(Policy, BTreeMap<String, String>)> {
    let surroundings = load::surroundings(args)?;
    let file = load::policy(path)?;
    let texts = file.texts.clone();
    match file.build(&surroundings, Overrides::default()) {
        Ok(built) => Ok((built.policy, surroundings.variables)),
        Err(found) => {
            output::diagnostics(&found, &texts);
            bail!("the policy cannot be used");
        }
    }
}

fn test(args: &AlertTest, format: Format) -> anyhow::Result<Exit> {
    let (policy, variables) = policy(&args.policy.policy, &args.environment)?;
    let channels = &policy.alerting.channels;
    let Some(channel) = channels.iter().find(|channel| channel.name == args.channel) else {
        let known: Vec<&str> = channels.iter().map(|channel| channel.name.as_str()).collect();
        let known = if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
        bail!("the policy has no channel {:?}; {known}", args.channel);
    };
    let target = Target::new(channel, &variables).with_context(|| format!("channel {}", channel.name))?;
    let letter = Desk::test(&names(&policy), policy.alerting.notify.link.as_deref(), &channel.name, stored::now());
    let outcome = target.try_now(&letter).context("nothing can be sent from here")?;
    let (delivered, why) = match &outcome {
        Outcome::Delivered => (true, None),
        Outcome::Again { why, .. } | Outcome::Dead { why } => (false, Some(why)),
    };
    match format {
        Format::Json => {
            let told = json!({ "channel": channel.name, "id": letter.id, "delivered": delivered, "why": why });
            output::result(&serde_json::to_string_pretty(&told)?);
        }
        Format::Human => match why {
            None => output::result(&format!("{}: delivered, as {}", channel.name, letter.id)),
            Some(why) => output::problem(&format!("{}: not delivered: {why}", channel.name)),
        },
    }
    Ok(if delivered { Exit::Fine } else { Exit::CouldNotRun })
}

fn list(args: &AlertList, format: Format) -> anyhow::Result<Exit> {
    let state = LetterState::ALL.into_iter().find(|state| Some(state.id()) == args.state.as_deref());
    let found = stored::open(&args.store)?.letters(LetterFilter { state, limit: args.limit })?;
    match format {
        Format::Json => {
            let messages: Vec<_> = found.iter().map(as_json).collect();
            output::result(&serde_json::to_string_pretty(&json!({ "messages": messages }))?);
        }
        Format::Human => {
            found.iter().for_each(|posted| output::result(&row(posted)));
            output::note(&format!("{} messages, times in UTC", found.len()));
        }
    }
    Ok(Exit::Fine)
}

fn retry(args: &AlertRetry) -> anyhow::Result<Exit> {
    let count = stored::open(&args.store)?.retry_letters(args.id.as_deref(), stored::now())?;
    if count == 0 && args.id.is_some() {
        bail!("no message of that id was given up; `palisade alert list --state dead` names them");
    }
    output::note(&format!("{count} messages are tried again by whoever serves or watches"));
    Ok(Exit::Fine)
}

fn as_json(posted: &Posted) -> Value {
    let Posted { letter, created, due, attempts, state, why } = posted;
    let body: Value = serde_json::from_str(&letter.body).unwrap_or_default();
    json!({
        "id": letter.id, "channel": letter.channel, "thread": letter.thread, "priority": letter.priority.id(),
        "kind": body.get("kind"), "created": exact(*created), "due": exact(*due), "attempts": attempts,
        "state": state.id(), "why": why, "lines": body.get("lines"),
    })
}

fn row(posted: &Posted) -> String {
    let Posted { letter, created, attempts, state, why, .. } = posted;
    let body: Value = serde_json::from_str(&letter.body).unwrap_or_default();
    let kind = body.get("kind").and_then(Value::as_str).unwrap_or_default();
    let rules = body.get("lines").and_then(Value::as_array).into_iter().flatten();
    let rules: Vec<_> = rules.filter_map(|line| line.get("rule")?.as_str()).collect();
    let said = format!(
        "{}  {:<9}  {}  {}  {kind} {}",
        plain(*created),
        state.id(),
        letter.id,
        letter.channel,
        rules.join(" ")
    );
    let why = if why.is_empty() { String::new() } else { format!(": {why}") };
    let said = format!("{said}  {attempts} attempts{why}");
    Untrusted::new(&said).cut(240).terminal().to_string()
}
