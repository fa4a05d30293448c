//! `env check` and `env fingerprint`: the variables of one environment, values left out.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use palisade_backend::SystemEntropy;
use palisade_check::{CHECKS, Case, Check, Fact, Facts, Report};
use palisade_guard::Entropy as _;
use palisade_policy::{Built, Environment, Overrides, Policy};
use palisade_probe::env::{Asked, FINGERPRINTS, Keys, collect, committed, key_id, written};
use palisade_probe::{Root, project, write_regular};

use crate::args::EnvArgs;
use crate::check::today;
use crate::load::{self, Surroundings};
use crate::output::{self, Exit, Format};

/// The largest env file that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// The variable that brings the key of fingerprints.
const KEY: &str = "PALISADE_FINGERPRINT_KEY";

/// The checks that variables alone decide.
const ASKED: [&str; 8] = [
    "env/variables-set",
    "env/csrf-secret-length",
    "env/session-secret-length",
    "env/clerk-production-keys",
    "env/convex-production",
    "env/stripe-live-keys",
    "env/test-keys-elsewhere",
    "env/public-exposure",
];

/// The checks that ask for live keys, and so for production.
const LIVE: [&str; 3] = ["env/clerk-production-keys", "env/convex-production", "env/stripe-live-keys"];

pub(crate) fn check(args: &EnvArgs, format: Format) -> anyhow::Result<Exit> {
    let seen = Seen::of(args, None)?;
    let production = seen.environment == Environment::Production;
    let fits = |check: &&'static Check| {
        let live = LIVE.contains(&check.id);
        ASKED.contains(&check.id) && if production { check.id != "env/test-keys-elsewhere" } else { !live }
    };
    let checks: Vec<_> = CHECKS.iter().copied().filter(fits).collect();
    let today = today();
    let environment = seen.environment.id();
    let mut findings = Vec::new();
    let case = Case { facts: &seen.facts, policy: seen.policy.as_ref(), environment, today: &today };
    palisade_check::run(&case, &checks, &mut |finding| findings.push(finding));
    let report = Report {
        findings,
        environment: environment.to_owned(),
        site: None,
        today: today.clone(),
        version: env!("CARGO_PKG_VERSION"),
    };
    match format {
        Format::Json => output::result(&serde_json::to_string_pretty(&report.json())?),
        Format::Human => output::result(report.human(output::coloured(&std::io::stdout())).trim_end()),
    }
    Ok(if report.is_fine() { Exit::Fine } else { Exit::Findings })
}

pub(crate) fn fingerprint(args: &EnvArgs) -> anyhow::Result<Exit> {
    let key = fingerprint_key(true)?.with_context(|| {
        format!("there is no folder for a key: set {KEY} to 32 bytes as `palisade secrets new` prints them")
    })?;
    let seen = Seen::of(args, Some(key))?;
    let count = seen.write(&key)?;
    let environment = seen.environment.id();
    output::note(&format!("{count} variables of {environment} are in {FINGERPRINTS}; commit it"));
    Ok(Exit::Fine)
}

/// Writes down what the files of a folder say of an environment, where this machine can have a key; `false` where not.
pub(crate) fn record(folder: &Path, environment: &str) -> anyhow::Result<bool> {
    let Some(key) = fingerprint_key(true)? else { return Ok(false) };
    let mut run = [0; 32];
    SystemEntropy.fill(&mut run);
    let root = Root::new(folder)?;
    let asked = Asked { environment, files: &[], process: None };
    let facts = collect(&root, &asked, &Keys { run, fingerprint: Some(key) });
    let environment = Environment::from_id(environment).unwrap_or(Environment::Development);
    let facts = Facts { env: Fact::Known(facts), ..Facts::default() };
    Seen { root, environment, policy: None, facts }.write(&key)?;
    Ok(true)
}

/// The variables that were asked for.
struct Seen {
    root: Root,
    environment: Environment,
    policy: Option<Policy>,
    facts: Facts,
}

impl Seen {
    fn of(args: &EnvArgs, fingerprint: Option<[u8; 32]>) -> anyhow::Result<Seen> {
        let process: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let environment = Environment::choose(args.environment.as_deref(), &process).map_err(|problem| {
            anyhow::anyhow!("{}{}", problem.message, problem.fix.map_or(String::new(), |fix| format!(": {fix}")))
        })?;
        let root = Root::new(&args.root).with_context(|| format!("{} cannot be entered", args.root.display()))?;
        let policy = policy(args.policy.as_deref(), &root, environment)?;
        let files = named(&args.files)?;
        let mut run = [0; 32];
        SystemEntropy.fill(&mut run);
        let asked = Asked { environment: environment.id(), files: &files, process: Some(&process) };
        let mut env = collect(&root, &asked, &Keys { run, fingerprint });
        // Asked for one environment alone: what others say of it, and the others, are of no concern.
        env.sets.retain(|name, _| name == environment.id());
        env.committed.clear();
        let facts = Facts { project: Fact::from(project::collect(&root)), env: Fact::Known(env), ..Facts::default() };
        Ok(Seen { root, environment, policy, facts })
    }

    /// Writes the fingerprints, and says how many.
    fn write(&self, key: &[u8; 32]) -> anyhow::Result<usize> {
        let said = |unknown: palisade_check::Unknown| anyhow::anyhow!("{}: {}", unknown.why, unknown.remedy);
        let env = self.facts.env.known().map_err(said)?;
        let set = match env.sets.get(self.environment.id()) {
            Some(set) => set.known().map_err(said)?,
            None => bail!("there are no variables of {}", self.environment.id()),
        };
        let before = committed(&self.root).map_err(said)?;
        let text = written(before, self.environment.id(), set, &key_id(key), &today());
        self.root
            .write(FINGERPRINTS, text.as_bytes(), 0o644)
            .with_context(|| format!("{FINGERPRINTS} cannot be written"))?;
        Ok(set.variables.len())
    }
}

/// The policy, if there is one.
pub(crate) fn policy(named: Option<&Path>, root: &Root, environment: Environment) -> anyhow::Result<Option<Policy>> {
    let path = match named {
        Some(path) => path.to_owned(),
        None if root.has("palisade.toml") => root.path().join("palisade.toml"),
        None => return Ok(None),
    };
    let file = load::policy(&path)?;
    let variables = load::without_environment(&file.draft).variables;
    let texts = file.texts.clone();
    match file.build(&Surroundings { environment, variables }, Overrides::default()) {
        Ok(Built { policy, .. }) => Ok(Some(policy)),
        Err(found) => {
            output::diagnostics(&found, &texts);
            bail!("{} is not valid, so nothing can be judged by it; mend the above and run again", path.display())
        }
    }
}

/// Files that the user named, with their texts. They may lie anywhere, and may be pipes: the user's own choice.
pub(crate) fn named(files: &[PathBuf]) -> anyhow::Result<Vec<(String, String)>> {
    let read = |path: &PathBuf| {
        let mut text = String::new();
        let file = fs::File::open(path).with_context(|| format!("{} cannot be opened", path.display()))?;
        file.take(MAX_FILE).read_to_string(&mut text).with_context(|| format!("{} is no text", path.display()))?;
        Ok((path.display().to_string(), text))
    };
    files.iter().map(read).collect()
}

/// The key of fingerprints: the variable's, else the file's in the user's configuration folder, which is made where
/// `make`. None where there is no such folder, or no key yet.
pub(crate) fn fingerprint_key(make: bool) -> anyhow::Result<Option<[u8; 32]>> {
    let decoded = |text: &str, what: &str| -> anyhow::Result<Option<[u8; 32]>> {
        let bytes = URL_SAFE_NO_PAD.decode(text.trim()).ok().and_then(|bytes| bytes.try_into().ok());
        bytes
            .map(Some)
            .with_context(|| format!("{what} is not 32 bytes as base64url: make one with `palisade secrets new`"))
    };
    if let Some(text) = std::env::var(KEY).ok().filter(|text| !text.trim().is_empty()) {
        return decoded(&text, KEY);
    }
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || folder("HOME").map(|home| home.join(".config"));
    let Some(folder) = folder("XDG_CONFIG_HOME").or_else(home) else { return Ok(None) };
    let (folder, path) = (folder.join("palisade"), folder.join("palisade/fingerprint.key"));
    match fs::read_to_string(&path) {
        Ok(text) => decoded(&text, &path.display().to_string()),
        Err(_) if !make => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let text = crate::secrets::secret();
            fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
            write_regular(&path, text.as_bytes(), 0o600)
                .with_context(|| format!("{} cannot be written", path.display()))?;
            decoded(&text, "the new key")
        }
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
    }
}
