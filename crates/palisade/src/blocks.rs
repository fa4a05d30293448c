//! `blocks list|add|remove|export`: who is shut out, by whoever serves with the same store.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use palisade_event::{EventTime, Untrusted};
use palisade_guard::{MAX_BLOCKS, Net};
use palisade_policy::{Clients, Policy};
use palisade_watch::store::{Blocked, Store};
use serde_json::json;

use crate::args::{BlocksAdd, BlocksCommand, BlocksExport, BlocksList, BlocksRemove, FormatName};
use crate::load;
use crate::output::{self, Exit, Format};
use crate::stored::{self, exact, plain};

/// How often a file that is followed is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The longest block: a year, as everywhere in the policy.
const LONGEST_SECONDS: u64 = 366 * 86_400;

/// A gate that is not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    Nginx,
    Nft,
}

pub(crate) fn run(command: &BlocksCommand, format: Format, named: FormatName) -> anyhow::Result<Exit> {
    match command {
        BlocksCommand::List(args) => list(args, format),
        BlocksCommand::Add(args) => add(args),
        BlocksCommand::Remove(args) => remove(args),
        BlocksCommand::Export(args) => export(args, named),
    }
}

fn list(args: &BlocksList, format: Format) -> anyhow::Result<Exit> {
    let blocks = stored::open(&args.store)?.blocks(stored::now())?;
    match format {
        Format::Json => {
            let shown = |block: &Blocked| {
                let Blocked { net, until, since, by, why, incident } = block;
                json!({ "net": net.to_string(), "until": exact(*until), "since": exact(*since), "by": by, "why": why,
                        "incident": incident })
            };
            let blocks: Vec<_> = blocks.iter().map(shown).collect();
            output::result(&serde_json::to_string_pretty(&json!({ "blocks": blocks }))?);
        }
        Format::Human => {
            for Blocked { net, until, by, why, incident, .. } in &blocks {
                let key = incident.as_deref().and_then(|key| key.get(..8)).unwrap_or_default();
                let said = Untrusted::new(&format!("{by}: {why} {key}")).cut(120).terminal().to_string();
                output::result(&format!("{:<24} until {}  {}", net.to_string(), plain(*until), said.trim_end()));
            }
            output::note(&format!("{} blocks, times in UTC", blocks.len()));
        }
    }
    Ok(Exit::Fine)
}

fn add(args: &BlocksAdd) -> anyhow::Result<Exit> {
    let net: Net = args.net.parse().map_err(|bad| anyhow::anyhow!("{:?} cannot be blocked: {bad}", args.net))?;
    net.check(&trusted(&args.policy)?).map_err(|bad| anyhow::anyhow!("{net} is never blocked: {bad}"))?;
    let now = stored::now();
    let seconds =
        seconds(&args.time).with_context(|| format!("{:?} is no time: write 30s, 10m, 2h or 1d", args.time))?;
    let until = EventTime::from_micros(now.micros().saturating_add(seconds * 1_000_000));
    let block = Blocked { net, until, since: now, by: args.by.clone(), why: args.because.clone(), incident: None };
    // The gate may not have found anything yet: the store is made.
    let place = args.store.place();
    let mut store = Store::open(&place).with_context(|| format!("the store at {place} cannot be used"))?;
    if !store.block(&block)? {
        bail!("there are {MAX_BLOCKS} blocks already; `palisade blocks remove` makes room");
    }
    output::note(&format!("{net} is blocked until {} UTC", plain(until)));
    Ok(Exit::Fine)
}

fn remove(args: &BlocksRemove) -> anyhow::Result<Exit> {
    let parse = |text: &String| text.parse::<Net>().map_err(|bad| anyhow::anyhow!("{text:?}: {bad}"));
    let nets = args.nets.iter().map(parse).collect::<anyhow::Result<Vec<_>>>()?;
    let mut store = stored::open(&args.store)?;
    for net in nets {
        if !store.unblock(net)? {
            bail!("{net} is not blocked; `palisade blocks list` says who is");
        }
        output::note(&format!("{net} is no longer blocked"));
    }
    Ok(Exit::Fine)
}

fn export(args: &BlocksExport, named: FormatName) -> anyhow::Result<Exit> {
    let gate = match named {
        FormatName::Nft => Gate::Nft,
        FormatName::Nginx => Gate::Nginx,
        _ => bail!("say for which gate: --format nginx, or --format nft"),
    };
    let mut store = stored::open(&args.store)?;
    let Some(path) = &args.to else {
        output::result(gate.text(&store.blocks(stored::now())?, stored::now()).trim_end());
        return Ok(Exit::Fine);
    };
    let mut before = None;
    loop {
        let blocks = store.blocks(stored::now())?;
        let now: Vec<_> = blocks.iter().map(|block| (block.net, block.until)).collect();
        if before.as_ref() != Some(&now) {
            replace(path, &gate.text(&blocks, stored::now()))?;
            output::note(&format!("{}: {} blocks", path.display(), blocks.len()));
            before = Some(now);
        }
        if !args.follow {
            return Ok(Exit::Fine);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Writes beside it and renames: whoever reads sees the whole of one or of the other.
fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let named = || format!("{} cannot be written", path.display());
    let mut file = fs::File::create(&beside).with_context(named)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).with_context(named)?;
    fs::rename(&beside, path).with_context(named)
}

/// The trusted proxies of the policy, where there is one. One that cannot be read is not passed over: it may name a proxy.
fn trusted(path: &Path) -> anyhow::Result<Clients> {
    if !path.exists() {
        return Ok(Clients::default());
    }
    let file = load::policy(path)?;
    let surroundings = load::without_environment(&file.draft);
    let texts = file.texts.clone();
    let built = file.build(&surroundings, palisade_policy::Overrides::default());
    let policy: Policy = match built {
        Ok(built) => built.policy,
        Err(found) => {
            output::diagnostics(&found, &texts);
            bail!("the policy cannot be used, and may name a trusted proxy");
        }
    };
    Ok(policy.clients)
}

fn seconds(text: &str) -> Option<u64> {
    let unit = match text.chars().next_back()? {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    let number: u64 = text.get(..text.len() - 1)?.parse().ok()?;
    number.checked_mul(unit).filter(|seconds| (1..=LONGEST_SECONDS).contains(seconds))
}

// === impl Gate ===

impl Gate {
    /// What that gate reads. Networks are written by our own code alone: digits, colons and dots.
    fn text(self, blocks: &[Blocked], now: EventTime) -> String {
        match self {
            Gate::Nginx => {
                let mut text = "# Written by palisade; included in http, server or location.\n".to_owned();
                for block in blocks {
                    let _ = writeln!(text, "deny {};", block.net);
                }
                text
            }
            Gate::Nft => {
                let elements = |v6: bool| {
                    let of = |block: &&Blocked| block.net.to_string().contains(':') == v6;
                    let shown = |block: &Blocked| {
                        let left = block.until.micros().saturating_sub(now.micros()).div_ceil(1_000_000);
                        format!("{} timeout {left}s", block.net)
                    };
                    blocks.iter().filter(of).map(shown).collect::<Vec<_>>().join(", ")
                };
                nft(&elements(false), &elements(true))
            }
        }
    }
}

/// A script for `nft -f`: it makes the table where there is none, and replaces what was in the sets, in one step.
fn nft(v4: &str, v6: &str) -> String {
    let fill = |set: &str, elements: &str| {
        let flush = format!("flush set inet palisade {set}\n");
        if elements.is_empty() { flush } else { format!("{flush}add element inet palisade {set} {{ {elements} }}\n") }
    };
    format!(
        "# Written by palisade; run by nft -f.\n\
         add table inet palisade\n\
         add set inet palisade blocked4 {{ type ipv4_addr; flags timeout; }}\n\
         add set inet palisade blocked6 {{ type ipv6_addr; flags interval, timeout; }}\n\
         add chain inet palisade input {{ type filter hook input priority -10; policy accept; }}\n\
         flush chain inet palisade input\n\
         add rule inet palisade input ip saddr @blocked4 drop\n\
         add rule inet palisade input ip6 saddr @blocked6 drop\n{}{}",
        fill("blocked4", v4),
        fill("blocked6", v6)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks() -> Vec<Blocked> {
        ["203.0.113.7", "2001:db8:7::/48"]
            .map(|net| Blocked {
                net: net.parse().expect("a net"),
                until: EventTime::from_micros(61_500_000),
                since: EventTime::default(),
                by: "ann\n} evil".to_owned(),
                why: "deny all;".to_owned(),
                incident: None,
            })
            .to_vec()
    }

    #[test]
    fn other_gates_read_networks_and_nothing_else() {
        let now = EventTime::from_micros(1_000_000);
        let nginx = Gate::Nginx.text(&blocks(), now);
        assert!(nginx.ends_with("deny 203.0.113.7;\ndeny 2001:db8:7::/48;\n") && !nginx.contains("evil"), "{nginx}");
        let nft = Gate::Nft.text(&blocks(), now);
        assert!(nft.contains("add element inet palisade blocked4 { 203.0.113.7 timeout 61s }\n"), "{nft}");
        assert!(nft.contains("add element inet palisade blocked6 { 2001:db8:7::/48 timeout 61s }\n"), "{nft}");
        assert!(!nft.contains("evil") && Gate::Nft.text(&[], now).ends_with("flush set inet palisade blocked6\n"));
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        assert_eq!(["30s", "10m", "2h", "1d"].map(seconds), [Some(30), Some(600), Some(7200), Some(86_400)]);
        assert_eq!(["", "m", "0s", "5", "367d", "-1s", "1é"].map(seconds), [None; 7]);
    }
}
