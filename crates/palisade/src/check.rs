//! `check`: collects facts about a project, has them judged, and writes what came of it.

mod build;
mod collect;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use palisade_check::facts::attestations::Attestation;
use palisade_check::{CHECKS, Case, Check as Item, Fact, Facts, Levels, Report, Section, date, find};
use palisade_policy::Policy;
use palisade_probe::routes::Names;
use palisade_probe::{Root, attest as attested, live, write_regular};

use crate::args::{Attest, Check};
use crate::output::{self, Exit, ReportFormat};
use crate::probe;

/// The largest file of facts that is read, in bytes.
const MAX_FACTS: u64 = 256 << 20;

/// The longest time that a person's word may hold, in days.
const MAX_WORD: i64 = 366;

pub(crate) fn run(args: &Check, format: ReportFormat) -> anyhow::Result<Exit> {
    let checks = match wanted(&args.section) {
        Ok(checks) => checks,
        Err(unknown) => return Ok(usage(&unknown)),
    };
    let levels = match levels(args) {
        Ok(levels) => levels,
        Err(unknown) => return Ok(usage(&unknown)),
    };
    let Some(environment) = palisade_policy::Environment::from_id(&args.environment) else {
        return Ok(usage(&format!("there is no environment `{}`: development, staging, production", args.environment)));
    };
    let names = match names(&args.wrappers) {
        Ok(names) => names,
        Err(wrong) => return Ok(usage(&wrong)),
    };
    let root = Root::new(&args.root).with_context(|| format!("{} cannot be entered", args.root.display()))?;
    let today = today();
    let policy = crate::env::policy(args.policy.as_deref(), &root, environment)?;
    let mut collected = match &args.facts {
        Some(path) => read_facts(path)?,
        None => collect::facts(args, &root, environment, &checks, &names)?,
    };
    if let Some(exit) = ask_site(args, policy.as_ref(), &mut collected)? {
        return Ok(exit);
    }
    if let Some(path) = &args.save_facts {
        let text = serde_json::to_string_pretty(&collected)?;
        write_regular(path, text.as_bytes(), 0o600).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    let case = Case { facts: &collected, policy: policy.as_ref(), environment: environment.id(), today: &today };
    let mut findings = Vec::new();
    palisade_check::run(&case, &checks, &mut |finding| findings.push(finding));
    let environment = environment.id().to_owned();
    let version = env!("CARGO_PKG_VERSION");
    let mut report = Report { findings, environment, site: None, today: today.clone(), version };
    report.apply(&levels);
    output::result(written(&report, format)?.trim_end());
    Ok(if report.is_fine() { Exit::Fine } else { Exit::Findings })
}

/// Asks the running site, where the user has typed which; an exit where that is all there is to do.
fn ask_site(args: &Check, policy: Option<&Policy>, facts: &mut Facts) -> anyhow::Result<Option<Exit>> {
    let Some(typed) = &args.live else { return Ok(None) };
    let target = match probe::target(typed, &args.asking, false) {
        Ok(target) => target,
        Err(refused) => return Ok(Some(usage(&refused.to_string()))),
    };
    let mut plan = probe::everything(&target, policy, &args.asking)?;
    plan.signs = probe::signs(&args.env_files)?;
    if args.asking.dry_run {
        output::result(&format!("{}: nothing is sent\n{}", target.shown(), live::rehearse(&plan).join("\n")));
        return Ok(Some(Exit::Fine));
    }
    probe::told_of_mode(policy);
    facts.live = Fact::Known(probe::ask(&target, &plan, &args.asking));
    Ok(None)
}

/// A report in the format that was asked for.
pub(crate) fn written(report: &Report, format: ReportFormat) -> anyhow::Result<String> {
    Ok(match format {
        ReportFormat::Human => report.human(output::coloured(&std::io::stdout())),
        ReportFormat::Json => serde_json::to_string_pretty(&report.json())?,
        ReportFormat::Sarif => serde_json::to_string_pretty(&report.sarif())?,
        ReportFormat::Junit => report.junit(),
        ReportFormat::Html => report.html(),
        ReportFormat::Markdown => report.markdown(),
    })
}

/// The checks of the sections that were named, or all.
fn wanted(names: &[String]) -> Result<Vec<&'static Item>, String> {
    let sections: Vec<Section> = names
        .iter()
        .map(|name| Section::from_id(name).ok_or_else(|| format!("there is no section `{name}`; {}", sections())))
        .collect::<Result<_, _>>()?;
    Ok(CHECKS.iter().copied().filter(|check| sections.is_empty() || sections.contains(&check.section)).collect())
}

fn sections() -> String {
    format!("there are {}", Section::ALL.map(Section::id).join(", "))
}

fn levels(args: &Check) -> Result<Levels, String> {
    for id in args.allow.iter().chain(&args.warn).chain(&args.deny) {
        if find(id).is_none() {
            return Err(format!("there is no check `{id}`; `palisade check list` names them"));
        }
    }
    let set = |ids: &[String]| ids.iter().cloned().collect();
    Ok(Levels { allow: set(&args.allow), warn: set(&args.warn), deny: set(&args.deny) })
}

/// What the project's own wrappers do, all mistakes at once.
fn names(wrappers: &[String]) -> Result<Names, String> {
    let mut names = Names::default();
    let wrong: Vec<String> = wrappers.iter().filter_map(|text| names.add(text).err()).collect();
    if wrong.is_empty() { Ok(names) } else { Err(format!("--wrapper: {}", wrong.join("; "))) }
}

fn usage(what: &str) -> Exit {
    output::problem(what);
    Exit::Usage
}

fn read_facts(path: &Path) -> anyhow::Result<Facts> {
    let meta = fs::metadata(path).with_context(|| format!("{} cannot be opened", path.display()))?;
    if meta.len() > MAX_FACTS {
        bail!("{} is larger than {} MiB", path.display(), MAX_FACTS >> 20);
    }
    let text = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} holds no facts", path.display()))
}

/// Every check, one line each, or as JSON.
pub(crate) fn list(format: ReportFormat) -> anyhow::Result<Exit> {
    if format == ReportFormat::Json {
        let rows: Vec<_> = CHECKS
            .iter()
            .map(|it| {
                let (id, section, severity) = (it.id, it.section.id(), it.severity.id());
                serde_json::json!({ "id": id, "section": section, "severity": severity, "title": it.title, "reference": it.reference })
            })
            .collect();
        output::result(&serde_json::to_string_pretty(&rows)?);
        return Ok(Exit::Fine);
    }
    for check in CHECKS.iter() {
        output::result(&format!("{:<34} {}", check.id, check.title));
    }
    Ok(Exit::Fine)
}

/// Writes down a person's word.
pub(crate) fn attest(args: &Attest) -> anyhow::Result<Exit> {
    let Attest { id, by, until, note, root } = args;
    if find(id).is_none() {
        return Ok(usage(&format!("there is no check `{id}`; `palisade check list` names them")));
    }
    let today = today();
    let Some((end, now)) = date::days(until).zip(date::days(&today)) else {
        return Ok(usage(&format!("`{until}` is no date like 2027-03-31")));
    };
    if end < now || end > now + MAX_WORD {
        return Ok(usage(&format!("{until} is past, or more than a year away")));
    }
    if [by, note].iter().any(|text| text.trim().is_empty() || text.chars().any(char::is_control)) {
        return Ok(usage("--by and --note want a line of text each"));
    }
    let folder = Root::new(root).with_context(|| format!("{} cannot be entered", root.display()))?;
    let mut known =
        attested::read(&folder).map_err(|unknown| anyhow::anyhow!("{}: {}", unknown.why, unknown.remedy))?;
    known.insert(id.clone(), Attestation { by: by.clone(), until: until.clone(), note: note.clone() });
    folder.write(attested::ATTESTATIONS, attested::written(&known).as_bytes(), 0o644)?;
    output::note(&format!("{id} is confirmed until {until}; commit {}", attested::ATTESTATIONS));
    Ok(Exit::Fine)
}

pub(crate) fn today() -> String {
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    date::written(i64::try_from(seconds / 86_400).unwrap_or_default())
}
