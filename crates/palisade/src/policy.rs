//! `policy check` and `policy explain`.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};
use palisade_backend::{SystemEntropy, now, providers};
use palisade_diag::Diagnostics;
use palisade_event::Stage;
use palisade_guard::{BodyHint, Env, Explanation, Peer, Plan, Providers, Ruling, Secrets, State, View};
use palisade_policy::{Mode, Overrides, Policy};
use serde_json::json;

use crate::args::{Explain, PolicyFile};
use crate::load;
use crate::output::{self, Exit, Format};

/// Every problem of the file. Needs no environment: what hangs on variables is left to `serve`.
pub(crate) fn check(args: &PolicyFile, format: Format) -> anyhow::Result<Exit> {
    let file = load::policy(&args.policy)?;
    let texts = file.texts.clone();
    let surroundings = load::without_environment(&file.draft);
    let (found, routes) = match file.build(&surroundings, Overrides::default()) {
        Ok(built) => {
            let routes = built.policy.routes().len();
            let mut found = built.warnings;
            match compile(built.policy, &surroundings.variables) {
                Ok(_) => (found, Some(routes)),
                Err(problems) => {
                    found.append(problems);
                    found.sort();
                    (found, None)
                }
            }
        }
        Err(found) => (found, None),
    };
    match format {
        Format::Json => output::result(&palisade_diag::json(&found, &texts)),
        Format::Human => {
            output::diagnostics(&found, &texts);
            match routes {
                Some(1) => output::result(&format!("{} is valid: 1 route", args.policy.display())),
                Some(routes) => output::result(&format!("{} is valid: {routes} routes", args.policy.display())),
                None => {
                    output::problem(&format!("{} is not valid; mend the above and check again", args.policy.display()));
                }
            }
        }
    }
    Ok(if found.has_errors() { Exit::Findings } else { Exit::Fine })
}

/// Compiles what the policy only names, such as schemas. Tokens of a running gate are not known here: neither checking
/// nor explaining needs a real secret.
fn compile(policy: Policy, variables: &BTreeMap<String, String>) -> Result<Arc<Plan>, Diagnostics> {
    let env = Env { now: now(), entropy: &SystemEntropy };
    let state = State::new(&policy.limits, &env);
    // Whose tokens are believed may hang on a variable that is not set here; then nobody's are.
    let told = policy.identity.as_ref().is_some_and(|identity| identity.issuer.is_some());
    let unknown = Providers { verify: None, ..providers() };
    let providers = if told { load::providers(&policy, variables) } else { unknown };
    Plan::compile_with(policy, &Secrets::ephemeral(&env), &state, &providers)
}

/// What each stage says of a request, and what would be answered.
pub(crate) fn explain(args: &Explain, format: Format) -> anyhow::Result<Exit> {
    let surroundings = load::surroundings(&args.environment)?;
    let file = load::policy(&args.policy.policy)?;
    let texts = file.texts.clone();
    let built = match file.build(&surroundings, Overrides::default()) {
        Ok(built) => built,
        Err(found) => {
            output::diagnostics(&found, &texts);
            bail!("the policy is not valid, so nothing can be explained by it");
        }
    };
    let policy = built.policy;
    if !args.path.starts_with('/') {
        bail!("{} is not a path: write one that begins with /, such as /api/contact", args.path);
    }
    let observes = observes(&policy, &args.method, &args.path);
    let advice = policy.advise(&args.method, args.path.split('?').next().unwrap_or_default());
    let explanation = explanation(policy, args, &surroundings)?;
    let refusal = explanation.refusal();
    let setting = |stage: Stage| {
        let found = advice.protections.iter().find(|protection| protection.stage == stage);
        found.map_or("-".to_owned(), |protection| protection.setting.clone())
    };
    match format {
        Format::Json => {
            let stages: Vec<_> = explanation
                .rulings
                .iter()
                .map(|(stage, ruling)| {
                    let (outcome, code) = outcome(*ruling);
                    json!({ "stage": stage.id(), "ruling": outcome, "code": code, "setting": setting(*stage) })
                })
                .collect();
            let answer =
                refusal.map(|(stage, code)| json!({ "stage": stage.id(), "code": code.id(), "status": code.status(), "reference": code.owasp() }));
            let route = json!({ "path": explanation.route, "kind": explanation.kind.map(palisade_event::Kind::id) });
            output::result(&serde_json::to_string_pretty(&json!({
                "method": args.method, "path": args.path, "route": route, "stages": stages, "refusal": answer,
            }))?);
        }
        Format::Human => people(args, &explanation, setting, observes),
    }
    Ok(Exit::Fine)
}

/// The stages, a line each, and what would be answered.
fn people(args: &Explain, explanation: &Explanation, setting: impl Fn(Stage) -> String, observes: bool) {
    let refusal = explanation.refusal();
    output::result(&format!(
        "{} {} -> {} ({})\n",
        args.method,
        args.path,
        explanation.route.as_deref().unwrap_or("no route"),
        explanation.kind.map_or("no kind", palisade_event::Kind::id)
    ));
    for (stage, ruling) in &explanation.rulings {
        let (outcome, code) = outcome(*ruling);
        let outcome = match code {
            Some(code) => format!("{outcome} {code}"),
            // Without a target that is served the stages behind it have nothing to go by.
            None if refusal.is_some_and(|(stage, _)| stage == Stage::Target) => "not asked".to_owned(),
            None => outcome.to_owned(),
        };
        output::result(&format!("{:<11} {outcome:<28} {}", stage.id(), setting(*stage)));
    }
    let observed = if observes { "; by mode = \"observe\" it passes, and the event says so" } else { "" };
    output::result(&match refusal {
        Some((stage, code)) => {
            format!("\nrefused at {stage}: {} {code} (OWASP {}){observed}", code.status(), code.owasp())
        }
        None => "\nadmitted".to_owned(),
    });
}

fn explanation(policy: Policy, args: &Explain, surroundings: &load::Surroundings) -> anyhow::Result<Explanation> {
    let env = Env { now: now(), entropy: &SystemEntropy };
    let mut headers = HeaderMap::new();
    let host = policy.app.public_origins.first().map(|origin| origin.authority.clone()).unwrap_or_default();
    headers.insert(http::header::HOST, HeaderValue::from_str(&host)?);
    for line in &args.headers {
        let (name, value) = line.split_once(':').with_context(|| format!("{line} is not NAME: VALUE"))?;
        let name = HeaderName::from_bytes(name.trim().as_bytes())?;
        let value = HeaderValue::from_str(value.trim())?;
        if name == http::header::HOST {
            headers.insert(name, value);
        } else {
            headers.append(name, value);
        }
    }
    let method = Method::from_bytes(args.method.as_bytes()).context("that is no method")?;
    // A path the gate refuses may also be one that no URI can hold: it is explained all the same.
    let uri: Uri = args.path.parse().context("that is no path a request could carry")?;
    let peer = Peer { address: args.peer };
    let view =
        View { method: &method, uri: &uri, version: Version::HTTP_11, headers: &headers, peer, body: BodyHint::Empty };
    let plan = compile(policy, &surroundings.variables)?;
    Ok(plan.explain(&view, &env))
}

/// Whether a refusal of this request would only be told.
fn observes(policy: &Policy, method: &str, path: &str) -> bool {
    let advice = policy.advise(method, path.split('?').next().unwrap_or_default());
    let named = policy.routes().iter().find(|route| route.path == advice.route);
    named.map_or(policy.app.mode, |route| route.mode) == Mode::Observe
}

fn outcome(ruling: Ruling) -> (&'static str, Option<&'static str>) {
    match ruling {
        Ruling::Pass => ("pass", None),
        Ruling::Refuse(code) => ("refuse", Some(code.id())),
        Ruling::Answer => ("answered by the gate", None),
        Ruling::ReadBody => ("reads the body", None),
        Ruling::Wait => ("lets the attempt wait", None),
        Ruling::FetchKeys => ("fetches the issuer's keys", None),
        Ruling::AskState => ("asks the shared state", None),
        Ruling::SpendToken => ("spends the token", None),
    }
}
