//! Facts about a project: what the arguments ask for, and no more.

use std::collections::BTreeMap;

use anyhow::Context as _;
use palisade_backend::SystemEntropy;
use palisade_check::{Check as Item, Fact, Facts, Section, Unknown};
use palisade_guard::Entropy as _;
use palisade_policy::Environment;
use palisade_probe::dependencies::{self, Registry, Sources};
use palisade_probe::env::{Asked, Keys};
use palisade_probe::routes::{self, Names};
use palisade_probe::secrets::{self, Wanted};
use palisade_probe::{Root, attest, env, git, project, source};

use crate::args::Check;
use crate::output;

/// Everything that the checks may look at.
pub(super) fn facts(
    args: &Check,
    root: &Root,
    environment: Environment,
    checks: &[&'static Item],
    names: &Names,
) -> anyhow::Result<Facts> {
    let has = |section| checks.iter().any(|check| check.section == section);
    let process = process(environment);
    let files = crate::env::named(&args.env_files)?;
    let asked = Asked { environment: environment.id(), files: &files, process: process.as_ref() };
    let registry = args
        .online
        .then(|| Registry { url: args.registry.clone(), path: std::env::var_os("PATH").unwrap_or_default() });
    // Nobody waits for a registry who has not asked about packages.
    let packages = has(Section::Dependencies) || has(Section::Final);
    if registry.is_some() && packages {
        output::note("asking the registry about the packages of the lock file");
    }
    let sources = Sources { registry: registry.as_ref().filter(|_| packages), osv: args.osv.as_deref() };
    let build = (args.build && has(Section::Final)).then(|| super::build::facts(args, root));
    let keys = keys()?;
    let wanted = Wanted { history: true, built: true };
    let leaks = secrets::scan(root, wanted, keys.run).map_err(|why| {
        Unknown::new(
            format!("the scan for secrets did not end: {why}"),
            "run `palisade secrets scan`, without --history",
        )
    });
    Ok(Facts {
        project: Fact::from(project::collect(root)),
        env: Fact::Known(env::collect(root, &asked, &keys)),
        git: Fact::from(git::collect(root)),
        dependencies: Fact::from(dependencies::collect(root, &sources)),
        source: Fact::from(source::collect(root)),
        routes: Fact::Known(routes::collect(root, names)),
        secrets: Fact::from(leaks),
        build: match build {
            Some(build) => Fact::from(build),
            None => super::build::unasked(),
        },
        attestations: Fact::from(attest::read(root)),
        ..Facts::default()
    })
}

/// This process's variables, where they say themselves that they are those of the environment.
fn process(environment: Environment) -> Option<BTreeMap<String, String>> {
    let variables: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let said = ["PALISADE_ENV", "VERCEL_ENV", "NODE_ENV"].iter().any(|name| variables.contains_key(*name));
    let chosen = Environment::choose(None, &variables).ok();
    (said && chosen == Some(environment)).then_some(variables)
}

/// A key for this run, and the one for fingerprints if this machine has it.
fn keys() -> anyhow::Result<Keys> {
    let mut run = [0; 32];
    SystemEntropy.fill(&mut run);
    let fingerprint = crate::env::fingerprint_key(false).context("the key of fingerprints cannot be read")?;
    Ok(Keys { run, fingerprint })
}
