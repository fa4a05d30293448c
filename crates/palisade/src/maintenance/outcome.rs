//! What became of a task: a command's own words, or why a person is needed.

use std::path::Path;
use std::process::Command;

use palisade_check::maintenance::{How, Task};
use serde_json::Value;

use crate::child::{self, Ended};
use crate::output;

/// What became of a task.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A command did it; it found something, or nothing.
    Done { evidence: String, findings: bool },
    /// A command should have done it, and could not: why.
    Failed(String),
    /// A person has to: what to do.
    Person(String),
    /// It would be run like this.
    Planned(String),
}

// === impl Outcome ===

impl Outcome {
    /// A word, and more words.
    pub(super) fn told(&self) -> (&'static str, &str) {
        match self {
            Outcome::Done { evidence, findings: false } => ("done", evidence),
            Outcome::Done { evidence, findings: true } => ("findings", evidence),
            Outcome::Failed(why) => ("failed", why),
            Outcome::Person(what) => ("person", what),
            Outcome::Planned(what) => ("planned", what),
        }
    }
}

pub(super) fn of(task: &Task, live: Option<&str>, dry_run: bool) -> Outcome {
    let by_hand =
        || Outcome::Person(format!("{} Then: palisade maintenance done {} --by NAME --note TEXT", task.steps, task.id));
    let mut arguments: Vec<&str> = match (task.how, live) {
        (How::Run(arguments), _) => arguments.to_vec(),
        (How::Live(arguments), Some(url)) => [arguments, &[url]].concat(),
        (How::Live(_), None) => {
            return Outcome::Person("name the site with --live URL; only a site of yours may be asked".to_owned());
        }
        (How::Dependabot, _) => return dependabot(dry_run).unwrap_or_else(by_hand),
        (How::Person, _) => return by_hand(),
    };
    let line = format!("palisade {}", arguments.join(" "));
    if dry_run {
        return Outcome::Planned(line);
    }
    output::note(&format!("running {line}"));
    arguments.push("--json");
    match child::palisade(&arguments) {
        Ok(Ended { code: Some(code @ (0 | 1)), out, .. }) => {
            let found = serde_json::from_str(&out).ok().and_then(|answer| summary(&answer));
            let words = found.unwrap_or_else(|| if code == 0 { "fine".to_owned() } else { "findings".to_owned() });
            Outcome::Done { evidence: format!("{line}: {words}"), findings: code == 1 }
        }
        Ok(ended) => Outcome::Failed(format!("{line}: {}", ended.complaint())),
        Err(why) => Outcome::Failed(format!("{line}: {why}")),
    }
}

/// What a command's JSON says, in a few words.
fn summary(answer: &Value) -> Option<String> {
    let count = |name: &str| answer.get(name)?.as_array().map(Vec::len);
    if let Some(states) = answer.get("summary").and_then(Value::as_object) {
        let parts: Vec<String> = states
            .iter()
            .filter(|(_, count)| count.as_u64() != Some(0))
            .map(|(state, count)| format!("{count} {state}"))
            .collect();
        return Some(parts.join(", "));
    }
    if let Some(grade) = answer.get("grade").and_then(Value::as_str) {
        return Some(format!("grade {grade}, score {}", answer.get("score").unwrap_or(&Value::Null)));
    }
    if let Some(events) = answer.get("total").and_then(Value::as_u64) {
        return Some(format!("{events} events"));
    }
    ["findings", "incidents", "secrets"].into_iter().find_map(|name| Some(format!("{} {name}", count(name)?)))
}

// === GitHub ===

/// GitHub's open alerts, by its own tool where that is there and signed in; none where a person has to look.
fn dependabot(dry_run: bool) -> Option<Outcome> {
    let repository = github_repository(&std::fs::read_to_string(".git/config").ok()?)?;
    let asked = format!("repos/{repository}/dependabot/alerts?state=open&per_page=100");
    if dry_run {
        return Some(Outcome::Planned(format!("gh api {asked}")));
    }
    let mut command = Command::new("gh");
    // Away from this folder, whose git settings it would read.
    command.args(["api", &asked, "--jq", "length"]).current_dir(Path::new("/"));
    let Ok(Ended { code: Some(0), out, .. }) = child::ended(command) else { return None };
    let open: u64 = out.trim().parse().ok()?;
    let many = if open >= 100 { "100 or more".to_owned() } else { open.to_string() };
    Some(Outcome::Done { evidence: format!("gh: {many} open alerts in {repository}"), findings: open > 0 })
}

/// `owner/name` of the remote that is called origin, where it lies on GitHub.
fn github_repository(config: &str) -> Option<String> {
    let mut in_origin = false;
    for line in config.lines().map(str::trim) {
        if line.starts_with('[') {
            in_origin = line == "[remote \"origin\"]";
        }
        let Some((_, url)) = line.split_once('=').filter(|(name, _)| in_origin && name.trim() == "url") else {
            continue;
        };
        let url = url.trim();
        let path = ["https://github.com/", "git@github.com:", "ssh://git@github.com/"]
            .iter()
            .find_map(|start| url.strip_prefix(start))?;
        let path = path.strip_suffix(".git").unwrap_or(path);
        let (owner, name) = path.split_once('/')?;
        let plain = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        return (plain(owner) && plain(name)).then(|| path.to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_read_from_the_remote_and_nothing_else_is_believed() {
        let config = |url: &str| format!("[core]\n\turl = no\n[remote \"origin\"]\n\turl = {url}\n\tfetch = x\n");
        for url in ["https://github.com/ann/shop.git", "git@github.com:ann/shop.git", "ssh://git@github.com/ann/shop"] {
            assert_eq!(github_repository(&config(url)).as_deref(), Some("ann/shop"), "{url}");
        }
        for url in [
            "https://github.com/ann/shop?x=../..",
            "https://evil.example/ann/shop",
            "git@github.com:ann",
            "git@github.com:ann/shop/x",
        ] {
            assert_eq!(github_repository(&config(url)), None, "{url}");
        }
    }

    #[test]
    fn answers_are_told_in_a_few_words() {
        let table = [
            (r#"{"summary":{"pass":40,"fail":2,"unknown":0},"findings":[]}"#, Some("40 pass, 2 fail")),
            (r#"{"grade":"A+","score":110,"tests":[]}"#, Some("grade A+, score 110")),
            (r#"{"total":7,"events":[]}"#, Some("7 events")),
            (r#"{"incidents":[{},{}]}"#, Some("2 incidents")),
            ("[]", None),
        ];
        for (answer, words) in table {
            assert_eq!(summary(&serde_json::from_str(answer).expect("JSON")).as_deref(), words, "{answer}");
        }
    }
}
