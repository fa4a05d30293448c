//! `incidents list|show|ack|resolve`, and how an incident is told to people.

use anyhow::{Context as _, bail};
use palisade_event::{EventTime, Incident, IncidentKey, Priority, State, Untrusted, ocsf};
use palisade_watch::store::{IncidentFilter, Kept, Store};
use serde_json::{Value, json};

use crate::args::{FormatName, IncidentDone, IncidentNamed, IncidentsCommand, IncidentsList};
use crate::output::{self, Exit, Format};
use crate::stored::{self, exact, moment, plain};

/// The longest text of a stranger that is shown in a line, in characters.
const SHOWN: usize = 60;

pub(crate) fn run(command: &IncidentsCommand, format: Format, named: FormatName) -> anyhow::Result<Exit> {
    match command {
        IncidentsCommand::List(args) => list(args, format, named),
        IncidentsCommand::Show(args) => show(args, format, named),
        IncidentsCommand::Ack(args) => done(args, format, Store::acknowledge),
        IncidentsCommand::Resolve(args) => done(args, format, Store::resolve),
    }
}

/// One line for people, of an incident that was found just now.
pub(crate) fn line(incident: &Incident) -> String {
    let group: Vec<_> = incident
        .group
        .iter()
        .map(|(field, value)| format!("{}={}", field.name(), Untrusted::new(value).cut(SHOWN).terminal()))
        .collect();
    let key = incident.key.to_string();
    let (key, time) = (key.get(..8).unwrap_or_default(), plain(incident.last_seen));
    let (priority, rule, title, count) = (incident.priority.id(), &incident.rule, &incident.title, incident.count);
    format!("{time}  {priority}  {key}  {rule}: {title}; {count} events  {}", group.join(" "))
}

fn list(args: &IncidentsList, format: Format, named: FormatName) -> anyhow::Result<Exit> {
    let filter = IncidentFilter {
        state: args.state.as_deref().and_then(State::from_id),
        priority: args.priority.as_deref().and_then(Priority::from_id),
        rule: args.rule.clone(),
        since: moment(&args.since, stored::now())?,
        limit: args.limit,
    };
    let found = stored::open(&args.store)?.incidents(&filter)?;
    if named == FormatName::Ocsf {
        found.iter().for_each(|kept| output::result(&as_finding(kept)));
        return Ok(Exit::Fine);
    }
    match format {
        Format::Json => {
            let incidents: Vec<_> = found.iter().map(as_json).collect();
            output::result(&serde_json::to_string_pretty(&json!({ "incidents": incidents }))?);
        }
        Format::Human => {
            found.iter().for_each(|kept| output::result(&row(kept)));
            output::note(&format!("{} incidents, times in UTC", found.len()));
        }
    }
    Ok(Exit::Fine)
}

fn show(args: &IncidentNamed, format: Format, named: FormatName) -> anyhow::Result<Exit> {
    let mut store = stored::open(&args.store)?;
    let key = find(&mut store, &args.key)?;
    let kept = store.incident(key)?.with_context(|| format!("there is no incident {key}"))?;
    match format {
        _ if named == FormatName::Ocsf => output::result(&as_finding(&kept)),
        Format::Json => output::result(&serde_json::to_string_pretty(&as_json(&kept))?),
        Format::Human => output::result(&whole(&kept)),
    }
    Ok(Exit::Fine)
}

type Change =
    fn(&mut Store, IncidentKey, &str, &str, EventTime) -> Result<Option<Kept>, palisade_watch::store::StoreFault>;

fn done(args: &IncidentDone, format: Format, change: Change) -> anyhow::Result<Exit> {
    let mut store = stored::open(&args.store)?;
    // Every name is looked up before anything is changed.
    let keys = args.keys.iter().map(|key| find(&mut store, key)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut changed = Vec::new();
    for key in keys {
        changed.extend(change(&mut store, key, &args.by, &args.note, stored::now())?);
    }
    match format {
        Format::Json => {
            let incidents: Vec<_> = changed.iter().map(as_json).collect();
            output::result(&serde_json::to_string_pretty(&json!({ "incidents": incidents }))?);
        }
        Format::Human => changed.iter().for_each(|kept| output::result(&row(kept))),
    }
    Ok(Exit::Fine)
}

/// The one incident whose key begins so.
fn find(store: &mut Store, start: &str) -> anyhow::Result<IncidentKey> {
    match store.incident_keys(start, 2)?.as_slice() {
        [key] => Ok(*key),
        [] => bail!("there is no incident {start:?}; `palisade incidents list` names them"),
        _ => bail!("several incidents begin with {start:?}; write more of the key"),
    }
}

/// What the detector told, with what people did about it.
fn as_json(kept: &Kept) -> Value {
    let mut value: Value = serde_json::from_str(&kept.body).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        let by = |done: &Option<(EventTime, String)>| match done {
            Some((time, by)) => json!({ "at": exact(*time), "by": by }),
            None => Value::Null,
        };
        object.insert("state".to_owned(), json!(kept.state.id()));
        object.insert("priority".to_owned(), json!(kept.priority.id()));
        object.insert("due".to_owned(), json!(exact(kept.due())));
        object.insert("acknowledged".to_owned(), by(&kept.acknowledged));
        object.insert("resolved".to_owned(), by(&kept.resolved));
        object.insert("note".to_owned(), json!(kept.note));
    }
    value
}

fn as_finding(kept: &Kept) -> String {
    let told: Value = serde_json::from_str(&kept.body).unwrap_or_default();
    let group = told.get("group").and_then(Value::as_object).into_iter().flatten();
    let finding = ocsf::Finding {
        key: kept.key,
        rule: &kept.rule,
        title: told.get("title").and_then(Value::as_str).unwrap_or_default(),
        priority: kept.priority,
        state: kept.state,
        first_seen: kept.first_seen,
        last_seen: kept.last_seen,
        count: kept.count,
        group: group.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?))).collect(),
        evidence: told.get("evidence").cloned().unwrap_or_else(|| json!({})).to_string(),
    };
    let mut line = Vec::new();
    ocsf::detection_finding(&finding, stored::now().micros() / 1000, &mut line);
    String::from_utf8_lossy(line.trim_ascii_end()).into_owned()
}

fn row(kept: &Kept) -> String {
    let value: Value = serde_json::from_str(&kept.body).unwrap_or_default();
    let key = kept.key.to_string();
    let (key, title) =
        (key.get(..8).unwrap_or_default(), value.get("title").and_then(Value::as_str).unwrap_or_default());
    let (priority, state, time) = (kept.priority.id(), kept.state.id(), plain(kept.last_seen));
    let title = Untrusted::new(title).cut(SHOWN).terminal().to_string();
    format!("{time}  {priority}  {key}  {state:<12}  {}: {title}; {} events  {}", kept.rule, kept.count, group(&value))
}

fn group(value: &Value) -> String {
    let group = value.get("group").and_then(Value::as_object).into_iter().flatten();
    let shown = |(name, value): (&String, &Value)| {
        format!("{name}={}", Untrusted::new(value.as_str().unwrap_or_default()).cut(SHOWN).terminal())
    };
    group.map(shown).collect::<Vec<_>>().join(" ")
}

/// Everything, for somebody who has to judge.
fn whole(kept: &Kept) -> String {
    let value: Value = serde_json::from_str(&kept.body).unwrap_or_default();
    let mut text = row(kept);
    let mut add = |line: String| {
        text.push_str("\n  ");
        text.push_str(&line);
    };
    add(format!("key           {}", kept.key));
    add(format!("seen          {} to {} (UTC)", plain(kept.first_seen), plain(kept.last_seen)));
    add(format!("look until    {}", plain(kept.due())));
    for (what, by) in [("acknowledged", &kept.acknowledged), ("resolved", &kept.resolved)] {
        if let Some((time, by)) = by {
            add(format!("{what:<12}  {} by {}", plain(*time), Untrusted::new(by).cut(SHOWN).terminal()));
        }
    }
    if !kept.note.is_empty() {
        add(format!("note          {}", Untrusted::new(&kept.note).cut(500).terminal()));
    }
    for (name, pointer) in [("paths", "/evidence/paths"), ("clients", "/evidence/clients")] {
        for top in value.pointer(pointer).and_then(Value::as_array).into_iter().flatten() {
            let count = top.get("count").and_then(Value::as_u64).unwrap_or_default();
            let what = top.get("value").and_then(Value::as_str).unwrap_or_default();
            add(format!("{name:<12}  {count:>8} x {}", Untrusted::new(what).cut(SHOWN).terminal()));
        }
    }
    for (name, number) in value.pointer("/evidence/measures").and_then(Value::as_object).into_iter().flatten() {
        add(format!("{:<12}  {number}", Untrusted::new(name).cut(SHOWN).terminal()));
    }
    for sample in value.pointer("/evidence/samples").and_then(Value::as_array).into_iter().flatten() {
        add(format!("sample        {}", Untrusted::new(&sample.to_string()).cut(400).terminal()));
    }
    for step in value.get("steps").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        add(format!("to do         {}", Untrusted::new(step).cut(300).terminal()));
    }
    text
}
