//! Another policy for a gate that serves: at SIGHUP, and when a file it was read from has changed.
//!
//! Everything `serve` reads is read anew: the policy, its schemas, the framework's manifest of server actions, and the
//! files of variables (the process's own variables stay as they are). All of it must be fine, or nothing changes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::Duration;

use palisade_diag::{Diagnostic, Diagnostics};
use palisade_gateway::{Control, Reload};
use palisade_policy::{Limits, Listen, Policy};
use palisade_watch::notify::Notifier;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use crate::args::Serve;
use crate::prepare::{Before, Fetched, Prepared, Refused, prepare};
use crate::warden::Warden;
use crate::{alert, notify, output};

/// Keeps a gate up to date.
pub(crate) struct Keeper<'a> {
    pub(crate) args: &'a Serve,
    pub(crate) control: Control,
    pub(crate) issuer: Option<Fetched>,
    /// Where the gate listens.
    pub(crate) bound: SocketAddr,
    pub(crate) watched: Watched,
    pub(crate) notifier: Option<&'a Notifier>,
    pub(crate) warden: Option<&'a Warden>,
}

/// The files that were read, as they were then.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Watched(BTreeMap<PathBuf, Option<Stamp>>);

/// What changes when a file is written, or another is put in its place.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Stamp {
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// How often files are looked at. A change is taken up when it has stood still for as long.
const LOOK_EVERY: Duration = Duration::from_millis(500);

// === impl Keeper ===

impl Keeper<'_> {
    /// Reloads whenever it is time, for ever.
    pub(crate) async fn keep(mut self) {
        let mut asked = signal(SignalKind::hangup()).ok();
        loop {
            let hangup = async {
                match &mut asked {
                    Some(signal) => signal.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = hangup => {}
                () = self.watched.settle(), if !self.args.no_watch => {}
            }
            self.reload();
        }
    }

    fn reload(&mut self) {
        notify::reloading();
        let mut files = BTreeSet::new();
        self.watched.look();
        let plan = self.control.plan();
        let before = Before { plan: &plan, issuer: self.issuer.as_ref() };
        let prepared = prepare(self.args, Some(self.bound), Some(&before), &mut files);
        self.watched.add(files);
        match prepared {
            Ok(prepared) => self.adopt(prepared),
            Err(Refused::Found(found, texts)) => {
                output::diagnostics(&found, &texts);
                self.refuse(found.iter().map(|problem| problem.code));
            }
            Err(Refused::Unread(error)) => {
                output::problem(&format!("{error:#}"));
                self.refuse(["unreadable"]);
            }
        }
        notify::ready();
    }

    fn adopt(&mut self, prepared: Prepared) {
        let Prepared { plan, issuer, environment, found, texts, targets, .. } = prepared;
        output::diagnostics(&found, &texts);
        let policy = plan.policy();
        let (name, routes, upstreams) = (&policy.app.name, policy.routes().len(), policy.app.upstreams.clone());
        let what = format!("{name} ({}, {routes} routes)", environment.id());
        if let Some(warden) = self.warden {
            warden.reload(policy);
        }
        if let Some(notifier) = self.notifier
            && let Err(error) = notifier.reload(policy.alerting.clone(), alert::names(policy), targets)
        {
            output::problem(&format!("channels stay as they were: {error}"));
        }
        let jwks = issuer.as_ref().map(|issuer| issuer.jwks.clone());
        self.issuer = issuer;
        let generation = self.control.reload(Reload { plan, upstreams, jwks });
        output::note(&format!("palisade: reloaded {what}, policy {generation}"));
    }

    fn refuse<'c>(&self, codes: impl IntoIterator<Item = &'c str>) {
        output::problem("nothing was changed; the policy before it stays in force");
        self.control.reload_failed(codes);
    }
}

/// What a reload cannot change, or must not. `issuer` is where keys have been fetched from since the start.
pub(crate) fn frozen(before: &Policy, issuer: Option<&str>, after: &Policy) -> Diagnostics {
    let mut found = Diagnostics::new();
    let fix = "restart the gate; with socket activation no connection is refused meanwhile";
    if before.environment != after.environment {
        let what = format!("the environment was {}, and is {} now", before.environment.id(), after.environment.id());
        found.push(Diagnostic::error("reload-environment", what).fix(fix));
    }
    let wanted = after.identity.as_ref().and_then(|identity| identity.jwks.as_deref());
    if let (Some(known), Some(wanted)) = (issuer, wanted)
        && known != wanted
    {
        // Keys of the issuer before it would be believed for a while.
        let what = "the issuer's keys are fetched from another place now";
        found.push(Diagnostic::error("reload-issuer", what).fix(fix));
    }
    for key in settled(before, after) {
        let what = format!("{key} has changed, and holds from the next start on");
        found.push(Diagnostic::warning("reload-later", what).fix(fix));
    }
    found
}

/// Keys that have changed and are looked at only when the gate starts.
fn settled(before: &Policy, after: &Policy) -> Vec<&'static str> {
    let Limits {
        buffered,
        body: _,
        header_bytes,
        connections,
        connections_per_client,
        header_timeout,
        idle_timeout,
        body_timeout,
        body_rate,
        in_flight,
        in_flight_per_client,
        read_rate,
        upstream_timeout: _,
        drain_timeout: _,
        limiter_slots,
    } = &before.limits;
    let Listen { address, admin, intake, tls, redirect, proxy_protocol } = &before.listen;
    let (limits, listen) = (&after.limits, &after.listen);
    let state = |policy: &Policy| (policy.state.redis.clone(), policy.state.timeout, policy.state.outage);
    let all = [
        ("[limits] buffered", *buffered != limits.buffered),
        ("[limits] header_bytes", *header_bytes != limits.header_bytes),
        ("[limits] connections", *connections != limits.connections),
        ("[limits] connections_per_client", *connections_per_client != limits.connections_per_client),
        ("[limits] header_timeout", *header_timeout != limits.header_timeout),
        ("[limits] idle_timeout", *idle_timeout != limits.idle_timeout),
        ("[limits] body_timeout", *body_timeout != limits.body_timeout),
        ("[limits] body_rate", *body_rate != limits.body_rate),
        ("[limits] in_flight", *in_flight != limits.in_flight),
        ("[limits] in_flight_per_client", *in_flight_per_client != limits.in_flight_per_client),
        ("[limits] read_rate", *read_rate != limits.read_rate),
        ("[limits] limiter_slots", *limiter_slots != limits.limiter_slots),
        ("[listen] address", *address != listen.address),
        ("[listen] admin", *admin != listen.admin),
        ("[listen] intake", *intake != listen.intake),
        ("[listen] tls", *tls != listen.tls),
        ("[listen] redirect", *redirect != listen.redirect),
        ("[listen] proxy_protocol", *proxy_protocol != listen.proxy_protocol),
        ("[state]", state(before) != state(after)),
    ];
    all.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key).collect()
}

// === impl Watched ===

impl Watched {
    /// The files as they are.
    pub(crate) fn new(files: BTreeSet<PathBuf>) -> Watched {
        Watched(files.into_iter().map(|file| (file.clone(), stamp(&file))).collect())
    }

    /// Adds files that were read since the last look.
    fn add(&mut self, files: BTreeSet<PathBuf>) {
        self.0.retain(|file, _| files.contains(file));
        for file in files {
            self.0.entry(file).or_insert_with_key(stamp);
        }
    }

    /// Takes note of how the files are now.
    fn look(&mut self) {
        *self = self.now();
    }

    fn now(&self) -> Watched {
        Watched(self.0.keys().map(|file| (file.clone(), stamp(file))).collect())
    }

    /// Ready when a file has changed, and all have stood still since. Files that are gone are waited for: editors and
    /// builds put another in their place.
    async fn settle(&self) {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = self.now();
        loop {
            ticks.tick().await;
            let now = self.now();
            let gone = now.0.iter().any(|(file, is)| is.is_none() && self.0.get(file).is_some_and(Option::is_some));
            if now != *self && now == last && !gone {
                return;
            }
            last = now;
        }
    }
}

fn stamp(file: &PathBuf) -> Option<Stamp> {
    let meta = fs::metadata(file).ok()?;
    Some(Stamp {
        inode: meta.ino(),
        length: meta.len(),
        modified: (meta.mtime(), meta.mtime_nsec()),
        changed: (meta.ctime(), meta.ctime_nsec()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_policy::{Environment, Origin};

    fn policy(change: impl FnOnce(&mut Policy)) -> Policy {
        let origin = Origin::parse("https://shop.example").expect("origin");
        let mut policy = Policy::builder("shop", vec![origin]).build().expect("policy");
        change(&mut policy);
        policy
    }

    #[test]
    fn what_only_a_start_can_change_is_told() {
        let before = policy(|_| {});
        let codes = |change: fn(&mut Policy)| {
            let found = frozen(&before, Some("https://id.example/jwks.json"), &policy(change));
            found.iter().map(|item| item.code).collect::<Vec<_>>()
        };
        assert!(codes(|_| {}).is_empty());
        assert!(codes(|policy| policy.limits.upstream_timeout = Duration::from_secs(1)).is_empty());
        assert_eq!(codes(|policy| policy.environment = Environment::Development), ["reload-environment"]);
        let issuer = |jwks: &str| {
            let identity = format!(
                "provider = \"oidc\"\nissuer = \"https://id.example\"\naudience = [\"shop\"]\njwks = \"{jwks}\"\n"
            );
            let text =
                format!("[app]\nname = \"shop\"\npublic_origin = \"https://shop.example\"\n[identity]\n{identity}");
            let sources = palisade_policy::Sources::new(Environment::Production);
            palisade_policy::parse(palisade_diag::FileId(0), &text).0.build(&sources).expect("policy").policy
        };
        let known = Some("https://id.example/jwks.json");
        assert!(frozen(&before, known, &issuer("https://id.example/jwks.json")).is_empty());
        assert!(frozen(&before, None, &issuer("https://evil.example/jwks.json")).is_empty());
        assert!(frozen(&before, known, &issuer("https://evil.example/jwks.json")).has_errors());
        assert_eq!(codes(|policy| policy.limits.connections = 1), ["reload-later"]);
        let moved = |policy: &mut Policy| {
            policy.listen.address = Some("127.0.0.1:1".to_owned());
            policy.state.redis = Some("REDIS_URL".to_owned());
        };
        assert_eq!(codes(moved), ["reload-later", "reload-later"]);
    }

    #[test]
    fn a_file_that_is_written_or_replaced_is_noticed_when_it_stands_still() {
        let folder = std::env::temp_dir().join(format!("palisade-watch-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("folder");
        let file = folder.join("a");
        fs::write(&file, "1").expect("write");
        let watched = Watched::new(BTreeSet::from([file.clone()]));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("runtime").block_on(async {
            let settles =
                async |watched: &Watched, within| tokio::time::timeout(within, watched.settle()).await.is_ok();
            assert!(!settles(&watched, LOOK_EVERY * 3).await, "nothing has changed");
            fs::remove_file(&file).expect("remove");
            assert!(!settles(&watched, LOOK_EVERY * 3).await, "something will come in its place");
            let other = folder.join("b");
            fs::write(&other, "1").expect("write");
            fs::rename(&other, &file).expect("rename");
            assert!(settles(&watched, Duration::from_secs(20)).await);
        });
        let _ = fs::remove_dir_all(&folder);
    }
}
