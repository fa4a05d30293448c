//! `demo`: an example app, the gate in front of it, and what to try.

mod app;
mod attack;
mod channel;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread;

use anyhow::Context as _;
use axum::Router;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use palisade_backend::{DemoIssuer, SystemEntropy, now, providers};
use palisade_diag::{Diagnostics, FileId, Sources as Texts};
use palisade_gateway::{Admin, Config, EventSink, Gateway};
use palisade_guard::{Env, Plan, Providers, Secrets, State};
use palisade_policy::{Environment, Origin, Overrides, Policy, Sources, parse};
use palisade_watch::store::Place;

use crate::args::Demo;
use crate::detector::{Beside, Detector};
use crate::output::{self, Exit};
use crate::prepare::AdminAt;
use crate::warden::Warden;
use crate::{alert, board, rules, secrets, serve};

const POLICY: &str = include_str!("demo/palisade.toml");
const WRITTEN_ORIGIN: &str = "http://127.0.0.1:8080";

pub(crate) fn run(args: &Demo) -> anyhow::Result<Exit> {
    let probe =
        std::net::TcpListener::bind(args.listen).with_context(|| format!("cannot listen at {}", args.listen))?;
    let listen = probe.local_addr()?;
    drop(probe);
    let text = POLICY.replace(WRITTEN_ORIGIN, &format!("http://{listen}"));
    let policy = policy(&text, listen)?;

    let elsewhere = spawn(app::elsewhere(&format!("http://{listen}")))?;
    let issuer =
        DemoIssuer::new(&format!("http://{listen}"), "palisade-demo").context("no key for the demo's issuer")?;
    let jwt_key = issuer.pem().context("no key for the demo's issuer")?;
    let shown = app::Shown { policy: text, elsewhere: format!("http://{elsewhere}/"), issuer };
    let upstream = spawn(app::app(shown))?;

    let env = Env { now: now(), entropy: &SystemEntropy };
    let state = State::new(&policy.limits, &env);
    let providers = Providers { jwt_key: Some(jwt_key), ..providers() };
    let plan = Plan::compile_with(policy, &Secrets::ephemeral(&env), &state, &providers)?;
    let upstream = Origin { https: false, authority: upstream.to_string() };
    let (sink, tap) = EventSink::new(std::io::stdout()).tapped();
    let kept = Kept::new()?;
    let (rules, place) = (rules::load(&args.rules)?.rules, Place::from(kept.file()));
    let (pages, insight) = board::pages(place.clone(), "the demo", kept.folder.clone(), Arc::clone(&rules))?;
    let beside = Beside { insight, ..beside(&plan, &place)? };
    let told = beside.notifier.clone();
    let detector = Detector::start(tap, &rules, place, beside)?;
    let config = Config { listen, upstreams: vec![upstream.into()], threads: 0, plan, sink };
    let gateway = Gateway::bind(config).with_context(|| format!("cannot listen at {listen}"))?;
    let token = secrets::secret();
    let usual = AdminAt::Usual(SocketAddr::from((Ipv4Addr::LOCALHOST, 9180)));
    let admin = serve::bind_admin(args.admin.map_or(usual, AdminAt::Asked), Some(&token), None)?;
    let admin = admin.map(|admin| admin.with_pages(Some(pages)));
    let operators = admin.as_ref().map(Admin::local_addr);
    let code = admin.as_ref().map(Admin::code).unwrap_or_default();
    let bound = gateway.local_addr();
    let greeting = instructions(bound, operators.unwrap_or(listen), &token, &code, &kept.file());
    let attacked = args.attack;
    let ended = serve::drain(gateway.with_admin(admin), &greeting, move |_| async move {
        if attacked {
            // A thread of its own, as it blocks; it ends by itself, and with the process.
            let _ = thread::Builder::new().name("demo-attack".to_owned()).spawn(move || attack::run(bound));
        }
        std::future::pending::<()>().await;
    });
    detector.finish();
    if let Some(told) = &told {
        alert::finish(told);
    }
    ended
}

/// The demo's own channel, and who answers its attackers.
fn beside(plan: &Plan, place: &Place) -> anyhow::Result<Beside> {
    let receiver = spawn(channel::channel())?;
    let values = [
        ("DEMO_ALERT_URL", format!("http://{receiver}/alerts")),
        ("DEMO_ALERT_SECRET", format!("whsec_{}", STANDARD.encode(secrets::secret()))),
    ];
    let variables = values.map(|(name, value)| (name.to_owned(), value)).into();
    let targets = alert::targets(plan.policy(), &variables, &mut Diagnostics::new());
    let notifier = alert::start(plan.policy(), targets, place)?;
    let warden = Warden::start(place.clone(), Arc::clone(plan.state()), plan.policy())?;
    Ok(Beside { notifier, warden: Some(Arc::new(warden)), ..Beside::default() })
}

/// The folder of the demo's store, gone with the demo.
struct Kept {
    folder: PathBuf,
}

impl Kept {
    fn new() -> anyhow::Result<Kept> {
        use std::os::unix::fs::DirBuilderExt as _;
        // A name that nobody can have laid out before, as the folder for such things is everybody's.
        let folder = std::env::temp_dir().join(format!("palisade-demo-{}", secrets::secret()));
        std::fs::DirBuilder::new().mode(0o700).create(&folder).context("no folder for what is found")?;
        Ok(Kept { folder })
    }

    fn file(&self) -> PathBuf {
        self.folder.join("palisade.db")
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The demo's own policy, read as any policy is.
fn policy(text: &str, listen: SocketAddr) -> anyhow::Result<Policy> {
    let (draft, _) = parse(FileId(0), text);
    let overrides = Overrides { listen: Some(listen.to_string()), ..Overrides::default() };
    let sources = Sources { variables: BTreeMap::new(), overrides, ..Sources::new(Environment::Development) };
    let built = draft.build(&sources).inspect_err(|found| {
        output::diagnostics(found, &Texts::new().with(FileId(0), "the demo's policy", text));
    })?;
    Ok(built.policy)
}

/// Serves a router on a free port of this machine, on a thread of its own.
fn spawn(router: Router) -> anyhow::Result<SocketAddr> {
    let (tell, told) = mpsc::channel();
    thread::Builder::new().name("demo-app".to_owned()).spawn(move || {
        let serve = || -> anyhow::Result<()> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
                let _ = tell.send(listener.local_addr());
                Ok(axum::serve(listener, router).await?)
            })
        };
        if let Err(error) = serve() {
            output::problem(&format!("the example app ended: {error:#}"));
        }
    })?;
    Ok(told.recv().context("the example app did not start")??)
}

fn instructions(listen: SocketAddr, admin: SocketAddr, token: &str, code: &str, store: &Path) -> String {
    let base = format!("http://{listen}");
    let store = store.display();
    format!(
        "\
palisade demo: an example app behind the gate

  open      {base}/
  watch     http://{admin}/sign-in#{code}
            (signs in once; later by the token {token})
  stop      Ctrl-C

Or by hand. Ten quick requests, five a minute are allowed:
  for i in $(seq 10); do curl -s -o /dev/null -w '%{{http_code}} ' {base}/api/test-rate-limit; done; echo

A write without a token, with a made-up one, with a fresh one, and with the same again:
  curl -s -X POST {base}/api/example-protected -H 'content-type: application/json' -d '{{\"title\":\"Hello\"}}'
  curl -s -X POST {base}/api/example-protected -H 'content-type: application/json' -d '{{\"title\":\"Hello\"}}' -H 'x-csrf-token: fake'
  TOKEN=$(curl -s -c /tmp/palisade-demo.jar {base}/api/csrf | sed 's/.*:\"//;s/\".*//')
  curl -s -X POST {base}/api/example-protected -b /tmp/palisade-demo.jar -H 'content-type: application/json' -d '{{\"title\":\"Hello\"}}' -H \"x-csrf-token: $TOKEN\"
  curl -s -X POST {base}/api/example-protected -b /tmp/palisade-demo.jar -H 'content-type: application/json' -d '{{\"title\":\"Hello\"}}' -H \"x-csrf-token: $TOKEN\"

What the gate has counted, for Prometheus:
  curl -s {admin}/metrics -H 'authorization: Bearer {token}'

What was found, and what was refused (`palisade demo --attack` gives it something to find):
  palisade incidents list --store {store}
  palisade events --status 429 --store {store}

Events follow, one JSON object a line (on stdout):"
    )
}
