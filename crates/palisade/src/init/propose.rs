//! From what the source shows to a kind for each route, with the reason. A proposal, for a person to read.

use std::collections::BTreeMap;

use palisade_check::facts::routes::{Endpoint, Routes, Shown, Stack, Surface};
use palisade_event::Kind;
use palisade_policy::guess;

/// What `init` would write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proposal {
    pub(crate) services: Vec<&'static str>,
    pub(crate) next: bool,
    /// Where the one Next.js app lies, from the root of the project; empty for the root itself.
    pub(crate) directory: String,
    pub(crate) identity: bool,
    pub(crate) routes: Vec<Proposed>,
    /// What the gate will not see, and what covers it.
    pub(crate) unseen: Vec<String>,
    /// What a person should look at.
    pub(crate) notes: Vec<String>,
}

/// One entry of the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proposed {
    pub(crate) path: String,
    pub(crate) methods: Vec<String>,
    pub(crate) kind: Kind,
    pub(crate) because: String,
    pub(crate) file: String,
    /// Lines of the entry beside path, methods and kind.
    pub(crate) more: Vec<String>,
}

/// Kinds for whom somebody must be signed in.
const SIGNED_IN: [Kind; 9] = [
    Kind::ProtectedRead,
    Kind::ProtectedWrite,
    Kind::Bulk,
    Kind::Account,
    Kind::Payment,
    Kind::Export,
    Kind::Report,
    Kind::Expensive,
    Kind::Upload,
];

/// Where the gate itself answers with tokens.
const TOKENS: &str = "/api/csrf";

/// Proposes a policy for a project.
pub(crate) fn propose(routes: &Routes) -> Proposal {
    let has =
        |name: &str| routes.packages.iter().any(|package| package == name || package.starts_with(&format!("{name}/")));
    let all = [
        ("clerk", has("@clerk/nextjs") || has("@clerk/backend") || has("@clerk/express")),
        ("convex", has("convex")),
        ("stripe", has("stripe") || has("@stripe")),
        ("svix", has("svix")),
    ];
    let services: Vec<&'static str> = all.into_iter().filter(|(_, used)| *used).map(|(name, _)| name).collect();
    let identity = services.contains(&"clerk");
    let mut proposal = Proposal {
        next: routes.frameworks.contains(&Stack::NextJs),
        directory: if let [app] = routes.apps.as_slice() { app.clone() } else { String::new() },
        identity,
        routes: Vec::new(),
        unseen: unseen(routes, &services),
        notes: notes(routes, identity),
        services,
    };
    let mut entries: BTreeMap<(String, &'static str), Proposed> = BTreeMap::new();
    for endpoint in
        routes.endpoints.iter().filter(|endpoint| endpoint.surface.has_path() && endpoint.surface.behind_gate())
    {
        if endpoint.path == TOKENS {
            proposal.notes.push(format!(
                "{} answers {TOKENS}, and so does the gate: remove it, or move the gate's by [csrf] path",
                endpoint.file
            ));
            continue;
        }
        for proposed in entries_of(endpoint, identity) {
            // The same path from several documents or routers is one entry.
            let entry = entries.entry((proposed.path.clone(), proposed.kind.id())).or_insert_with(|| proposed.clone());
            for method in proposed.methods {
                if !entry.methods.contains(&method) {
                    entry.methods.push(method);
                }
            }
        }
    }
    proposal.routes = entries.into_values().collect();
    proposal.notes.extend(guessed(&proposal.routes));
    proposal
}

/// The entries of an endpoint: reads and changes are of two kinds, so they are two.
fn entries_of(endpoint: &Endpoint, identity: bool) -> Vec<Proposed> {
    if endpoint.surface == Surface::Page {
        return page(endpoint, identity).into_iter().collect();
    }
    // A handler of `pages/api` answers every method as far as its source is read; a provider posts.
    let posted = endpoint.surface == Surface::ApiRoute && endpoint.shown.signature.is_some();
    let (reads, changes): (Vec<&String>, Vec<&String>) = endpoint
        .methods
        .iter()
        .filter(|method| *method != "OPTIONS" && (!posted || *method == "POST"))
        .partition(|method| matches!(method.as_str(), "GET" | "HEAD"));
    let groups = [reads, changes].into_iter().filter(|methods| !methods.is_empty());
    groups.map(|methods| entry(endpoint, methods, identity)).collect()
}

/// Pages are taken as a whole by `[undeclared]`; only those for people who are signed in are named.
fn page(endpoint: &Endpoint, identity: bool) -> Option<Proposed> {
    let call = endpoint.shown.identity.as_ref().filter(|_| identity)?;
    let more = vec!["csp = \"auto\"                             # a page with scripts, not data".to_owned()];
    Some(Proposed {
        path: endpoint.path.clone(),
        methods: Vec::new(),
        kind: Kind::ProtectedRead,
        because: format!("its source asks who is calling (`{call}`)"),
        file: endpoint.file.clone(),
        more,
    })
}

fn entry(endpoint: &Endpoint, methods: Vec<&String>, identity: bool) -> Proposed {
    let method = methods.iter().find(|method| **method != "HEAD").map_or("GET", |method| method.as_str());
    let (kind, because) = kind(endpoint, method, identity);
    let fixed = matches!(
        kind,
        Kind::Webhook | Kind::ProtectedRead | Kind::PublicRead | Kind::Health | Kind::Static | Kind::Page
    );
    let methods: Vec<String> = if fixed {
        Vec::new()
    } else {
        methods.into_iter().filter(|method| *method != "HEAD" || kind == Kind::Page).cloned().collect()
    };
    Proposed {
        path: endpoint.path.clone(),
        methods,
        kind,
        because,
        file: endpoint.file.clone(),
        more: more(kind, endpoint),
    }
}

/// The kind, by what the source shows first and by the words of the path after it.
fn kind(endpoint: &Endpoint, method: &str, identity: bool) -> (Kind, String) {
    let shown = &endpoint.shown;
    let reads = method == "GET";
    if let Some(call) = shown.signature.as_ref().filter(|_| method == "POST") {
        return (Kind::Webhook, format!("its source verifies a signature (`{call}`)"));
    }
    if let Some(name) = shown.shared_secret.as_ref().filter(|_| shown.identity.is_none()) {
        return (
            Kind::Delegated,
            format!("its source compares a secret of its own ({name}); give it a limit if it is costly"),
        );
    }
    let guessed = guess(method, &endpoint.path);
    let called = shown.identity.as_deref();
    let signed_in = SIGNED_IN.contains(&guessed.kind);
    match (called, signed_in, reads) {
        (Some(call), false, true) if matches!(guessed.kind, Kind::PublicRead | Kind::Page) => {
            (protected(Kind::ProtectedRead, identity), asks(call, identity))
        }
        (Some(call), false, false) if guessed.kind == Kind::PublicForm => (protected(Kind::ProtectedWrite, identity), asks(call, identity)),
        (Some(call), true, _) if identity => (guessed.kind, format!("{}; {}", guessed.because, asks(call, identity))),
        (Some(call), true, _) => (protected(guessed.kind, identity), wants(call, guessed.kind)),
        (None, true, true) => (Kind::PublicRead, "it reads, and its source asks nobody who is calling; if only some may read it, it is a `protected-read`".to_owned()),
        (None, true, false) => {
            (Kind::PublicForm, "it changes something, and its source asks nobody who is calling; if only some may, it is a `protected-write`".to_owned())
        }
        _ => (guessed.kind, guessed.because),
    }
}

fn asks(call: &str, identity: bool) -> String {
    let base = format!("its source asks who is calling (`{call}`)");
    if identity {
        base
    } else {
        format!("{base}, which the gate cannot without [identity]; with it, this is a protected kind")
    }
}

/// As [`asks`], where the kind it should have is known, and the gate knows no issuer.
fn wants(call: &str, kind: Kind) -> String {
    format!(
        "its source asks who is calling (`{call}`), which the gate cannot without [identity]; with it, this is `{kind}`"
    )
}

/// What is a guess that costs somebody something where it is wrong.
fn guessed(routes: &[Proposed]) -> Vec<String> {
    let paths = |kind| routes.iter().filter(move |route| route.kind == kind).map(|route| route.path.clone());
    let logins: Vec<String> = paths(Kind::Login).collect();
    if logins.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "{}: `success` and `identifier` are guesses. Write what the app answers when somebody has signed in: everything else \
         counts as a failed attempt, and enforced, ten of those in an hour lock the client out (docs/logins.md)",
        logins.join(", ")
    )]
}

/// Without an identity provider the gate would refuse everyone: the open kind of the same strength.
fn protected(kind: Kind, identity: bool) -> Kind {
    match (identity, kind) {
        (true, kind) => kind,
        (false, Kind::ProtectedRead | Kind::Export | Kind::Report) => Kind::PublicRead,
        (false, _) => Kind::PublicForm,
    }
}

/// What a kind needs beside its name.
fn more(kind: Kind, endpoint: &Endpoint) -> Vec<String> {
    match kind {
        Kind::Webhook => {
            let scheme = scheme(endpoint);
            vec![format!("signature = {{ scheme = \"{scheme}\", secrets = [\"{}\"] }}", secret(scheme))]
        }
        Kind::Login => vec![
            "success = { status = 302 }                # a guess: what the app answers when somebody has signed in"
                .to_owned(),
            "identifier = \"email\"                      # a guess: the field that names the account".to_owned(),
        ],
        Kind::Upload => vec!["media_types = [\"image/png\", \"image/jpeg\"]  # what the app takes".to_owned()],
        Kind::PublicRead if endpoint.shown.rate_limit.is_some() || endpoint.shown.identity.is_some() => {
            vec!["limit = \"60/min\"".to_owned()]
        }
        _ => Vec::new(),
    }
}

/// Whose signature it is, by the call that verifies it, then by the path.
fn scheme(endpoint: &Endpoint) -> &'static str {
    let Shown { signature, .. } = &endpoint.shown;
    let call = signature.as_deref().unwrap_or_default();
    let path = endpoint.path.to_ascii_lowercase();
    let known = [
        ("stripe", "stripe"),
        ("clerk", "clerk"),
        ("github", "github"),
        ("slack", "slack"),
        ("vercel", "vercel"),
        ("svix", "svix"),
    ];
    if call.contains("constructEvent") {
        return "stripe";
    }
    if let Some((_, scheme)) =
        known.into_iter().find(|(word, _)| path.contains(word) || call.to_ascii_lowercase().contains(word))
    {
        return scheme;
    }
    if call.starts_with("Webhook.") { "svix" } else { "standard" }
}

fn secret(scheme: &str) -> &'static str {
    match scheme {
        "stripe" => "STRIPE_WEBHOOK_SECRET",
        "clerk" => "CLERK_WEBHOOK_SIGNING_SECRET",
        "github" => "GITHUB_WEBHOOK_SECRET",
        "slack" => "SLACK_SIGNING_SECRET",
        "vercel" => "VERCEL_WEBHOOK_SECRET",
        "svix" => "SVIX_WEBHOOK_SECRET",
        _ => "WEBHOOK_SECRET",
    }
}

/// What passes beside the gate, and what covers it instead.
fn unseen(routes: &Routes, services: &[&str]) -> Vec<String> {
    let mut all = Vec::new();
    if services.contains(&"clerk") {
        all.push(
            "browser -> Clerk (sign-in, sign-up): Clerk limits and checks these; its webhooks tell `palisade watch`"
                .to_owned(),
        );
    }
    let functions: Vec<&Endpoint> =
        routes.endpoints.iter().filter(|endpoint| !endpoint.surface.behind_gate()).collect();
    if services.contains(&"convex") || !functions.is_empty() {
        let open =
            functions.iter().filter(|endpoint| endpoint.shown.identity.is_none() && endpoint.shown.signature.is_none());
        let open: Vec<String> = open.map(|endpoint| endpoint.path.clone()).collect();
        let named = open.iter().take(8).cloned().collect::<Vec<_>>().join(", ");
        let more = if open.len() > 8 { format!(" and {} more", open.len() - 8) } else { String::new() };
        let rest = if open.is_empty() {
            "each of them asks who is calling".to_owned()
        } else {
            format!("{} ask nobody who is calling: {named}{more}", open.len())
        };
        all.push(format!("browser -> Convex ({} public functions and HTTP actions): the gate never sees them, only their own code protects them; {rest}", functions.len()));
    }
    all
}

fn notes(routes: &Routes, identity: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if routes.endpoints.iter().any(|endpoint| endpoint.surface == Surface::ApiRoute) {
        notes.push(
            "a handler of pages/api is taken to answer every method: delete from `methods` those that yours refuses"
                .to_owned(),
        );
    }
    if routes.apps.len() > 1 {
        let apps: Vec<String> =
            routes.apps.iter().take(8).map(|app| if app.is_empty() { ".".to_owned() } else { app.clone() }).collect();
        notes.push(format!(
            "{} Next.js apps lie here ({}), and a policy is for one: `palisade init FOLDER` for each is what you want",
            routes.apps.len(),
            apps.join(", ")
        ));
    }
    let actions = routes.endpoints.iter().filter(|endpoint| endpoint.surface == Surface::ServerAction);
    let open: Vec<String> =
        actions.clone().filter(|action| action.shown.identity.is_none()).map(|action| action.path.clone()).collect();
    if !open.is_empty() {
        notes.push(format!(
            "{} of {} server actions ask nobody who is calling, and Next.js runs an action from any path: {}; an action takes the strictest policy of its pages, or its own [[action]]",
            open.len(),
            actions.count(),
            open.iter().take(8).cloned().collect::<Vec<_>>().join(", ")
        ));
    }
    if !identity && routes.endpoints.iter().any(|endpoint| endpoint.shown.identity.is_some()) {
        notes.push("routes ask who is calling, and no identity provider is known here: add [identity] so that the gate can ask too".to_owned());
    }
    for unread in routes.unread.iter().take(8) {
        notes.push(format!("{} was not read: {}", unread.file, unread.why));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(path: &str, methods: &[&str], shown: Shown) -> Endpoint {
        Endpoint {
            surface: Surface::RouteHandler,
            path: path.to_owned(),
            methods: methods.iter().map(|method| (*method).to_owned()).collect(),
            file: "app/route.ts".to_owned(),
            line: 1,
            shown,
            allowances: Vec::new(),
        }
    }

    fn kinds(endpoint: Endpoint, packages: &[&str]) -> Vec<Kind> {
        let packages = packages.iter().map(|name| (*name).to_owned()).collect();
        let routes = Routes { endpoints: vec![endpoint], packages, ..Routes::default() };
        propose(&routes).routes.into_iter().map(|route| route.kind).collect()
    }

    #[test]
    fn what_the_source_shows_decides_before_the_words_of_a_path() {
        let clerk = &["@clerk/nextjs"];
        let asks = || Shown { identity: Some("auth".to_owned()), ..Shown::default() };
        let signed = Shown { signature: Some("stripe.webhooks.constructEvent".to_owned()), ..Shown::default() };
        assert_eq!(kinds(endpoint("/api/stripe", &["POST"], signed), clerk), [Kind::Webhook]);
        assert_eq!(kinds(endpoint("/api/contact", &["POST"], Shown::default()), clerk), [Kind::PublicForm]);
        assert_eq!(kinds(endpoint("/api/contact", &["POST"], asks()), clerk), [Kind::ProtectedWrite]);
        assert_eq!(kinds(endpoint("/api/things", &["POST"], Shown::default()), clerk), [Kind::PublicForm]);
        assert_eq!(
            kinds(endpoint("/api/things", &["GET", "HEAD", "POST"], asks()), clerk),
            [Kind::ProtectedRead, Kind::ProtectedWrite]
        );
        // Nobody could pass a gate that knows no issuer.
        assert_eq!(kinds(endpoint("/api/things", &["GET", "POST"], asks()), &[]), [Kind::PublicForm, Kind::PublicRead]);
        let cron = Shown { shared_secret: Some("CRON_SECRET".to_owned()), ..Shown::default() };
        assert_eq!(kinds(endpoint("/api/cron", &["GET"], cron), clerk), [Kind::Delegated]);
    }
}
