//! The tables of the file beside `[[route]]`.

use std::collections::BTreeMap;

use crate::defaults::DEFAULT_HEALTH_INTERVAL;
use crate::file::draft::{Draft, OriginSource, VERCEL, Variables};
use crate::file::reader::{Reader, Table, Value, Wrong, word};
use crate::file::{alerting, route, values};
use crate::model::{
    ActionRule, Cors, Environment, Framework, HealthCheck, Identity, IdentityProvider, Limits, Mode, Origin, Outage,
    Service, Tls, Upstream,
};
use crate::place::Place;
use crate::secret;

/// Reads one table into the draft.
type Section = fn(&mut Reader, &mut Table<'_>, &mut Draft);

/// Reads the whole file.
pub(super) fn read(mut reader: Reader, mut root: Table<'_>) -> Draft {
    let r = &mut reader;
    let mut draft = Draft::new(Reader::clone(r));
    let sections: [(&'static str, Section); 10] = [
        ("app", app),
        ("clients", clients),
        ("csrf", csrf),
        ("cors", cors),
        ("limits", limits),
        ("listen", listen),
        ("identity", identity),
        ("state", state),
        ("undeclared", undeclared),
        ("csp", csp),
    ];
    for (key, section) in sections {
        if let Some(mut table) = root.table(r, key) {
            section(r, &mut table, &mut draft);
            table.close(r);
        }
    }
    environments(r, &mut root, &mut draft);
    for (index, table) in root.tables(r, "route").into_iter().enumerate() {
        route::read(r, table, index, &mut draft);
    }
    for table in root.tables(r, "action") {
        action(r, table, &mut draft);
    }
    alerting::read(r, &mut root, &mut draft);
    // The parts that read these check what is inside.
    for key in ["report", "maintenance"] {
        root.get(r, key);
    }
    root.close(r);
    reader.found.sort();
    draft.found = reader.found;
    draft.places = reader.places;
    draft.bad = reader.bad;
    draft.partial = reader.partial;
    draft
}

fn app(r: &mut Reader, table: &mut Table<'_>, draft: &mut Draft) {
    let app = &mut draft.builder.app;
    if let Some(name) = table.parsed(r, "name", values::plain) {
        app.name = name;
    }
    app.upstreams = upstreams(r, table);
    app.health = health(r, table);
    draft.origins = table.each(r, "public_origin", public_origin).unwrap_or_default();
    let services = Service::ALL.map(|service| (service.id(), service));
    let read = |text: &str| word(text, "service-unknown", &services);
    app.services = table.each(r, "services", read).unwrap_or_default();
    app.framework = table.word(r, "framework", "framework-unknown", &Framework::ALL.map(|known| (known.id(), known)));
    if let Some(mode) = table.word(r, "mode", "mode-unknown", &Mode::ALL.map(|mode| (mode.id(), mode))) {
        app.mode = mode;
    }
    app.directory = table.parsed(r, "directory", values::plain);
}

/// One upstream or several: texts, or tables with a weight.
fn upstreams(r: &mut Reader, table: &mut Table<'_>) -> Vec<Upstream> {
    let Some(value) = table.get(r, "upstream") else { return Vec::new() };
    let items = value.items(r);
    let read = |item: &Value<'_>| if item.is_table() { weighted(r, item) } else { plain_upstream(r, item) };
    items.iter().filter_map(read).collect()
}

fn plain_upstream(r: &mut Reader, item: &Value<'_>) -> Option<Upstream> {
    let text = item.text(r)?;
    values::origin(text).map_err(|wrong| r.wrong(item.place, item.span, wrong)).ok().map(Upstream::from)
}

fn weighted(r: &mut Reader, item: &Value<'_>) -> Option<Upstream> {
    let mut table = item.inline(r)?;
    let origin = table.parsed(r, "url", values::origin);
    let weight = table.get(r, "weight").map(|value| values::weight(r, value));
    table.close(r);
    if origin.is_none() && !r.bad.contains(&item.place) {
        let wrong =
            Wrong::new("upstream-incomplete", "this upstream has no `url`", "add url = \"http://10.0.0.2:3000\"");
        r.wrong(item.place, item.span, wrong);
    }
    Some(Upstream { origin: origin?, weight: weight.unwrap_or(Some(1))? })
}

/// A path, or a table with the interval beside it.
fn health(r: &mut Reader, table: &mut Table<'_>) -> Option<HealthCheck> {
    let value = table.get(r, "health")?;
    if !value.is_table() {
        let path = value.text(r)?.to_owned();
        return Some(HealthCheck { path, interval: DEFAULT_HEALTH_INTERVAL });
    }
    let mut inner = value.inline(r)?;
    let path = inner.text(r, "path");
    let interval = inner.get(r, "interval").map(|value| values::duration(r, value));
    inner.close(r);
    if path.is_none() && !r.bad.contains(&value.place) {
        let wrong = Wrong::new("health-incomplete", "`health` has no `path`", "add path = \"/healthz\"");
        r.wrong(value.place, value.span, wrong);
    }
    Some(HealthCheck { path: path?, interval: interval.unwrap_or(Some(DEFAULT_HEALTH_INTERVAL))? })
}

/// An origin, or the variable that holds it.
fn public_origin(text: &str) -> Result<OriginSource, Wrong> {
    if VERCEL.contains(&text) || (secret::is_variable_name(text) && text.contains('_')) {
        return Ok(OriginSource::Variable(text.to_owned()));
    }
    values::origin(text).map(OriginSource::Written)
}

fn clients(r: &mut Reader, table: &mut Table<'_>, draft: &mut Draft) {
    let clients = &mut draft.builder.clients;
    clients.trusted_proxies = table.each(r, "trusted_proxies", values::network).unwrap_or_default();
    if let Some(header) = table.parsed(r, "header", values::forwarding_header) {
        clients.header = header;
    }
}

fn csrf(r: &mut Reader, table: &mut Table<'_>, draft: &mut Draft) {
    let csrf = &mut draft.builder.csrf;
    if let Some(path) = table.text(r, "path") {
        csrf.path = path;
    }
    if let Some(header) = table.parsed(r, "header", values::header) {
        csrf.header = header;
    }
    if let Some(field) = table.text(r, "field") {
        csrf.field = field;
    }
    csrf.trusted_origins = table.each(r, "trusted_origins", values::origin).unwrap_or_default();
}

fn cors(r: &mut Reader, table: &mut Table<'_>, draft: &mut Draft) {
    let default_age = std::time::Duration::from_secs(600);
    draft.builder.cors = Some(Cors {
        origins: table.each(r, "origins", values::origin).unwrap_or_default(),
        methods: table.each(r, "methods", values::plain).unwrap_or_default(),
        headers: table.each(r, "headers", values::header).unwrap_or_default(),
        credentials: table.flag(r, "credentials").unwrap_or(false),
        max_age: table.get(r, "max_age").and_then(|value| values::duration(r, value)).unwrap_or(default_age),
    });
}

fn limits(r: &mut Reader, table: &mut Table<'_>, draft: &mut Draft) {
    let Limits {
        buffered,
        body,
        header_bytes,
        connections,
        connections_per_client,
        header_timeout,
        body_timeout,
        body_rate,
        in_flight,
        in_flight_per_client,
        read_rate,
        idle_timeout,
        upstream_timeout,
        drain_timeout,
        limiter_slots,
    } = &mut draft.builder.limits;
    if let Some(size) = table.get(r, "buffered").and_then(|value| values::size(r, value)) {
        *buffered = size;
    }
    *body = table.get(r, "body").and_then(|value| values::size(r, value));
    for (key, slot) in [("body_rate", body_rate), ("read_rate", read_rate)] {
        if let Some(size) = table.get(r, key).and_then(|value| values::size(r, value)) {
            *slot = size;
        }
    }
    let counts = [
        ("header_bytes", header_bytes),
        ("connections", connections),
        ("connections_per_client", connections_per_client),
        ("in_flight", in_flight),
        ("in_flight_per_client", in_flight_per_client),
        ("limiter_slots", limiter_slots),
    ];
    for (key, slot) in counts {
        if let Some(size) = table.get(r, key).and_then(|value| values::size(r, value)) {
            *slot = u32::try_from(size).unwrap_or(u32::MAX);
        }
    }
    let times = [
        ("header_timeout", header_timeout),
        ("body_timeout", body_timeout),
        ("idle_timeout", idle_timeout),
        ("upstream_timeout", upstream_timeout),
        ("drain_timeout", drain_timeout),
    ];
    for (key, slot) in times {
        if let Some(time) = table.get(r, key).and_then(|value| values::duration(r, value)) {
            *slot = time;
        }
    }
}

fn listen(r: &mut Reader, table: &mut Table<'_>, draft: &mut Draft) {
    let listen = &mut draft.builder.listen;
    listen.address = table.parsed(r, "address", values::listen_address);
    listen.admin = table.parsed(r, "admin", values::admin_address);
    listen.intake = table.parsed(r, "intake", values::listen_address);
    listen.redirect = table.parsed(r, "redirect", values::listen_address);
    listen.proxy_protocol = table.flag(r, "proxy_protocol").unwrap_or(false);
    let Some(value) = table.get(r, "tls") else { return };
    listen.tls = value.items(r).iter().filter_map(|item| certificate(r, item)).collect();
}

/// One certificate and its key.
fn certificate(r: &mut Reader, value: &Value<'_>) -> Option<Tls> {
    let mut tls = value.inline(r)?;
    let cert = tls.parsed(r, "cert", values::plain);
    let key = tls.parsed(r, "key", values::plain);
    tls.close(r);
    if cert.is_none() || key.is_none() {
        let wrong = Wrong::new(
            "tls-incomplete",
            "`tls` needs a certificate and a key",
            "write tls = { cert = \"cert.pem\", key = \"key.pem\" }",
        );
        r.wrong(value.place, value.span, wrong);
    }
    Some(Tls { cert: cert?, key: key? })
}

fn identity(r: &mut Reader, table: &mut Table<'_>, draft: &mut Draft) {
    let providers = IdentityProvider::ALL.map(|provider| (provider.id(), provider));
    let written = table.word(r, "provider", "provider-unknown", &providers);
    let place = Place::key("identity", "provider");
    if written.is_none() && !r.bad.contains(&place) {
        let wrong = Wrong::new(
            "provider-missing",
            "[identity] does not say whose tokens are believed",
            "add provider = \"clerk\" or provider = \"oidc\"",
        );
        if let Some(span) = r.places.get(&Place::key("identity", "")).copied() {
            r.wrong(place, span, wrong);
        }
    }
    draft.builder.identity = Some(Identity {
        // Of the two, Clerk's demands nothing more, so a missing provider is not told twice.
        provider: written.unwrap_or(IdentityProvider::Clerk),
        issuer: table.text(r, "issuer"),
        jwks: table.text(r, "jwks"),
        audience: table.each(r, "audience", values::plain).unwrap_or_default(),
        authorized_parties: table.each(r, "authorized_parties", party).unwrap_or_default(),
        sign_in_url: table.text(r, "sign_in_url"),
        claims: claims(r, table),
    });
}

/// Clerk's parties are origins, which are compared in canonical form; others may be client ids.
fn party(text: &str) -> Result<String, Wrong> {
    Ok(Origin::parse(text).map_or_else(|| text.to_owned(), |origin| origin.to_string()))
}

fn claims(r: &mut Reader, table: &mut Table<'_>) -> BTreeMap<String, String> {
    let Some(value) = table.get(r, "claims") else { return BTreeMap::new() };
    value.pairs(r).into_iter().collect()
}

fn state(r: &mut Reader, table: &mut Table<'_>, draft: &mut Draft) {
    let state = &mut draft.builder.state;
    state.redis = table.parsed(r, "redis", values::variable);
    if let Some(timeout) = table.get(r, "timeout").and_then(|value| values::duration(r, value)) {
        state.timeout = timeout;
    }
    if let Some(outage) = table.word(r, "outage", "outage-unknown", &Outage::ALL.map(|known| (known.id(), known))) {
        state.outage = outage;
    }
}

fn undeclared(r: &mut Reader, table: &mut Table<'_>, draft: &mut Draft) {
    if let Some(kind) = table.parsed(r, "kind", values::kind) {
        draft.builder.undeclared_kind = kind;
    }
    draft.builder.undeclared.deny = table.flag(r, "deny").unwrap_or(false);
    draft.builder.undeclared.unsafe_origin = table.word(r, "unsafe", "unsafe-unknown", &[("origin", ())]).is_some();
}

fn csp(r: &mut Reader, table: &mut Table<'_>, draft: &mut Draft) {
    let csp = &mut draft.builder.csp;
    let directives = [
        ("script", &mut csp.script),
        ("style", &mut csp.style),
        ("connect", &mut csp.connect),
        ("img", &mut csp.img),
        ("font", &mut csp.font),
        ("frame", &mut csp.frame),
        ("worker", &mut csp.worker),
        ("form", &mut csp.form),
    ];
    for (key, slot) in directives {
        *slot = table.each(r, key, |text| Ok(text.to_owned())).unwrap_or_default();
    }
}

/// `[env.production]` and its siblings.
fn environments(r: &mut Reader, root: &mut Table<'_>, draft: &mut Draft) {
    let Some(mut env) = root.table(r, "env") else { return };
    for environment in Environment::ALL {
        let Some(value) = env.get(r, environment.id()) else { continue };
        let Some(mut table) = value.inline(r) else { continue };
        let listed = Variables {
            required: table.each(r, "required", values::variable).unwrap_or_default(),
            optional: table.each(r, "optional", values::variable).unwrap_or_default(),
        };
        table.close(r);
        draft.environments.insert(environment, listed);
    }
    env.close(r);
}

/// One `[[action]]`.
fn action(r: &mut Reader, mut table: Table<'_>, draft: &mut Draft) {
    let id = table.parsed(r, "id", values::plain);
    let name = table.parsed(r, "name", values::plain);
    let kind = table.parsed(r, "kind", values::kind);
    let access = route::access(r, &mut table);
    let told = match (id.is_some(), name.is_some()) {
        (true, true) => Some(("an action has an id or a name, not both", "keep the name: ids change with each build")),
        (false, false) => {
            Some(("the action has neither a name nor an id", "add name = \"...\", the function's exported name"))
        }
        _ => None,
    };
    if let Some((what, fix)) = told {
        table.tell(r, "name", Wrong::new("action-name", what, fix));
    }
    if kind.is_none() {
        let fix = "add kind = \"protected-write\", or what it is for";
        table.tell(r, "kind", Wrong::new("kind-missing", "the action has no kind", fix));
    }
    table.close(r);
    // A nameless action keeps its index, so that problems of later ones find their places.
    let name = id.or(name).unwrap_or_else(|| format!("(action {})", draft.builder.actions.len() + 1));
    let kind = kind.unwrap_or(palisade_event::Kind::ProtectedWrite);
    draft.builder.actions.push(ActionRule { name, kind, access });
}
