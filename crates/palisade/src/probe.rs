//! `probe`: asks a running site, has the answers judged, and writes what came of it.

mod shown;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use palisade_backend::SystemEntropy;
use palisade_check::experiments::{self, Experiment, LIVE_CHECKS, was_asked};
use palisade_check::facts::live::{Aim, Live};
use palisade_check::headers::Site;
use palisade_check::{Case, Check, Fact, Facts, Finding, Report};
use palisade_guard::{Entropy as _, Run, X_PALISADE_RUN};
use palisade_policy::{Mode, Overrides, Policy};
use palisade_probe::live::{self, Caps, Consent, Plan, Signs, Target};

use crate::args::{EnvironmentArgs, LiveArgs, Probe, What};
use crate::check::{today, written};
use crate::load;
use crate::output::{self, Exit, Format, ReportFormat};

pub(crate) fn run(args: &Probe, format: ReportFormat) -> anyhow::Result<Exit> {
    if let Some(path) = &args.recorded {
        return recorded(path);
    }
    let typed = args.url.as_deref().unwrap_or_default();
    let target = match target(typed, &args.live, args.what == What::Tls) {
        Ok(target) => target,
        Err(refused) => {
            output::problem(&refused.to_string());
            return Ok(Exit::Usage);
        }
    };
    let policy = policy(args)?;
    let mut plan = plan(args, &target, policy.as_ref())?;
    plan.signs = signs(&args.env_files)?;
    if args.live.dry_run {
        output::result(&format!("{}: nothing is sent\n{}", target.shown(), live::rehearse(&plan).join("\n")));
        return Ok(Exit::Fine);
    }
    told_of_mode(policy.as_ref());
    let live = ask(&target, &plan, &args.live);
    if let Some(why) = nothing(&live) {
        bail!(why);
    }
    let own = match format {
        ReportFormat::Human => Some(Format::Human),
        ReportFormat::Json => Some(Format::Json),
        _ => None,
    };
    if let Some(own) = own.filter(|_| args.what == What::Headers) {
        return Ok(shown::headers(&live, own));
    }
    let findings = judged(live, policy.as_ref());
    let fine = !findings.iter().any(Finding::counts);
    match own {
        Some(own) => shown::findings(&target.origin(), &findings, own),
        None => {
            let (environment, site) = ("production".to_owned(), Some(target.origin()));
            let version = env!("CARGO_PKG_VERSION");
            let report = Report { findings, environment, site, today: today(), version };
            output::result(written(&report, format)?.trim_end());
        }
    }
    Ok(if fine { Exit::Fine } else { Exit::Findings })
}

/// Says that a gate with this policy refuses nothing yet: what fails then is no fault of its rules.
pub(crate) fn told_of_mode(policy: Option<&Policy>) {
    if policy.is_some_and(|policy| policy.app.mode == Mode::Observe) {
        output::note(
            "the policy says mode = \"observe\": its gate refuses nothing yet, so what it would refuse fails here. \
             Probe again with mode = \"enforce\".",
        );
    }
}

/// Asks by a plan, and says on a terminal what is being done.
pub(crate) fn ask(target: &Target, plan: &Plan, args: &LiveArgs) -> Live {
    let caps = Caps {
        time: Duration::from_secs(args.time.into()),
        requests: usize::from(args.requests) + 300,
        ..Caps::default()
    };
    let told = std::io::stderr().is_terminal();
    let live = live::collect(target, plan, caps, &mut |line| {
        if told {
            eprint!("\r\x1b[K{line}");
        }
    });
    if told {
        eprint!("\r\x1b[K");
    }
    live
}

/// Signs the requests of this run, where the gate's `SESSION_SECRET` is known here.
pub(crate) fn signs(files: &[PathBuf]) -> anyhow::Result<Option<Box<dyn Signs>>> {
    let known = load::surroundings(&EnvironmentArgs { name: None, files: files.to_owned() })?;
    let Some(secret) = known.variables.get("SESSION_SECRET") else { return Ok(None) };
    let mut id = [0; 8];
    SystemEntropy.fill(&mut id);
    // One that no gate would take is none.
    let run = Run::new(secret, u64::from_le_bytes(id)).ok();
    Ok(run.map(|run| Box::new(Owner(run)) as Box<dyn Signs>))
}

/// The owner of the gate that is asked.
#[derive(Debug)]
struct Owner(Run);

impl Signs for Owner {
    fn field(&self, method: &str, host: &str, target: &str) -> (&'static str, String) {
        (X_PALISADE_RUN, self.0.word(method, host, target, live::now().unsigned_abs()))
    }
}

/// Who may be asked, and whether; `tls` takes a bare host.
pub(crate) fn target(typed: &str, args: &LiveArgs, tls: bool) -> Result<Target, live::Refused> {
    let consent = Consent { owned: args.owned.clone() };
    let typed = if tls && !typed.contains("://") { format!("https://{typed}") } else { typed.to_owned() };
    Target::new(&typed, &consent)
}

/// Everything a policy gives a reason to ask.
pub(crate) fn everything(target: &Target, policy: Option<&Policy>, args: &LiveArgs) -> anyhow::Result<Plan> {
    let base = base(target, args)?;
    let aims = match policy {
        Some(policy) => experiments::aims(policy, &base),
        None => ["errors", "actions"]
            .into_iter()
            .filter_map(experiments::experiment)
            .map(|one| (one, base.clone()))
            .collect(),
    };
    Ok(Plan { headers: true, tls: target.https, aims, ..empty(target, args)? })
}

/// The findings over what was asked.
fn judged(live: Live, policy: Option<&Policy>) -> Vec<Finding> {
    let checks: Vec<&'static Check> = LIVE_CHECKS.iter().copied().filter(|check| was_asked(&live, check)).collect();
    let facts = Facts { live: Fact::Known(live), ..Facts::default() };
    let case = Case { facts: &facts, policy, environment: "production", today: "" };
    let mut findings = Vec::new();
    palisade_check::run(&case, &checks, &mut |finding| findings.push(finding));
    findings
}

/// Why nothing is known, where nothing is.
fn nothing(live: &Live) -> Option<String> {
    let unknown = live.site.known().err().filter(|_| live.trials.is_empty() && live.tls.known().is_err())?;
    let unknown = live.tls.known().err().filter(|tls| !tls.why.starts_with("nobody")).unwrap_or(unknown);
    Some(format!("{}; {}", unknown.why, unknown.remedy))
}

fn plan(args: &Probe, target: &Target, policy: Option<&Policy>) -> anyhow::Result<Plan> {
    let one = |name| aim(args, target, policy).map(|aim| experiments::experiment(name).map(|found| (found, aim)));
    let aims: Vec<(&'static Experiment, Aim)> = match args.what {
        What::All => return everything(target, policy, &args.live),
        What::Headers => return Ok(Plan { headers: true, ..empty(target, &args.live)? }),
        What::Tls => return Ok(Plan { tls: true, ..empty(target, &args.live)? }),
        What::RateLimit => one("rate-limit")?,
        What::Csrf => one("csrf")?,
        What::Input => one("input")?,
        What::Errors => one("errors")?,
        What::Auth => one("auth")?,
        What::Webhook => one("webhook")?,
        What::Actions => one("actions")?,
    }
    .into_iter()
    .collect();
    Ok(Plan { aims, ..empty(target, &args.live)? })
}

fn empty(target: &Target, args: &LiveArgs) -> anyhow::Result<Plan> {
    let roots = match &args.ca {
        Some(path) => std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?,
        None => Vec::new(),
    };
    Ok(Plan { page: target.path.clone(), roots, ..Plan::default() })
}

/// What every aim of a run has.
fn base(target: &Target, args: &LiveArgs) -> anyhow::Result<Aim> {
    let headers = args.headers.iter().map(|line| match line.split_once(':') {
        Some((name, value)) => Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned())),
        None => bail!("a header is written `Name: value`"),
    });
    Ok(Aim {
        origin: target.origin(),
        path: target.path.clone(),
        body: args.body.clone(),
        headers: headers.collect::<anyhow::Result<_>>()?,
        csrf_path: args.csrf_path.clone(),
        csrf_header: args.csrf_header.clone(),
        token: variable(args.token_env.as_deref())?,
        other_token: variable(args.other_token_env.as_deref())?,
        secret: variable(args.secret_env.as_deref())?,
        requests: args.requests.into(),
        now: live::now(),
        marker: live::marker(),
        ..Aim::default()
    })
}

/// A secret by its variable's name, so that it stands in no list of processes.
fn variable(name: Option<&str>) -> anyhow::Result<Option<String>> {
    let Some(name) = name else { return Ok(None) };
    let value = std::env::var(name).ok().filter(|value| !value.is_empty());
    value.with_context(|| format!("the variable {name} is not set")).map(Some)
}

fn aim(args: &Probe, target: &Target, policy: Option<&Policy>) -> anyhow::Result<Aim> {
    let usual = match args.what {
        What::Csrf | What::Input | What::Webhook => "POST",
        What::Errors | What::Actions => "",
        _ => "GET",
    };
    let mut aim = base(target, &args.live)?;
    aim.method = args.method.as_deref().unwrap_or(usual).to_ascii_uppercase();
    if let Some(known) = policy.and_then(|policy| {
        experiments::aims(policy, &aim)
            .into_iter()
            .map(|(_, aim)| aim)
            .find(|one| one.path == target.path && one.method == aim.method)
    }) {
        aim.body = aim.body.or(known.body);
        (aim.scheme, aim.everyone) = (known.scheme, known.everyone);
        (aim.csrf_path, aim.csrf_header) = (known.csrf_path, known.csrf_header);
    }
    aim.scheme = args.scheme.clone().or(aim.scheme);
    Ok(aim)
}

fn policy(args: &Probe) -> anyhow::Result<Option<Policy>> {
    let usual = Path::new("palisade.toml");
    let path = match &args.policy {
        Some(path) => path.as_path(),
        None if args.what == What::All && usual.exists() => usual,
        None => return Ok(None),
    };
    let file = load::policy(path)?;
    let surroundings = load::without_environment(&file.draft);
    let texts = file.texts.clone();
    match file.build(&surroundings, Overrides::default()) {
        Ok(built) => Ok(Some(built.policy)),
        Err(found) => {
            output::diagnostics(&found, &texts);
            bail!("{} is not valid", path.display())
        }
    }
}

/// Grades recorded answers: `[{site}, ..]` in, a report each out.
fn recorded(path: &Path) -> anyhow::Result<Exit> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let sites: Vec<Site> = serde_json::from_str(&text).context("these are no recorded answers")?;
    let reports: Vec<_> = sites.iter().map(shown::report).collect();
    output::result(&serde_json::Value::Array(reports).to_string());
    Ok(Exit::Fine)
}
