//! `[[route]]`.

use palisade_event::Kind;

use crate::file::draft::{Draft, SchemaSource};
use crate::file::reader::{Reader, Table, Value, Wrong, word};
use crate::file::values;
use crate::model::{
    Access, CspProfile, CsrfStrength, Methods, Mode, Route, Service, Signals, Signature, SignatureScheme, Success,
};
use crate::services;

/// Reads one route. A route that cannot be read whole is kept, so that its other problems are found.
pub(super) fn read(r: &mut Reader, mut table: Table<'_>, index: usize, draft: &mut Draft) {
    let path = table.text(r, "path");
    if path.is_none() {
        table.tell(r, "path", Wrong::new("path-missing", "the route has no path", "add path = \"/api/...\""));
    }
    let kind = table.parsed(r, "kind", values::kind);
    if kind.is_none() {
        let fix = "add kind = \"public-form\", or what the route is for; `palisade advise` proposes one";
        table.tell(r, "kind", Wrong::new("kind-missing", "the route has no kind", fix));
    }
    // A kind without fixed methods stands in, as what follows from the kind is not told.
    let mut route = Route::new(path.unwrap_or_default(), kind.unwrap_or(Kind::Search));
    route.mode = draft.builder.app.mode;
    traffic(r, &mut table, &mut route);
    protection(r, &mut table, &mut route, &draft.builder.app.services);
    if let Some(from) = table.parsed(r, "schema", values::schema) {
        draft.schemas.push(SchemaSource { route: index, from });
    }
    table.close(r);
    draft.builder.routes.push(route);
}

/// What passes, how often, how large.
fn traffic(r: &mut Reader, table: &mut Table<'_>, route: &mut Route) {
    if let Some(methods) = table.each(r, "methods", values::method) {
        let declared: Methods = methods.into_iter().collect();
        // A page answers GET whatever else it declares.
        let fixed = if route.kind == Kind::Page { Methods::READ } else { Methods::NONE };
        route.methods = declared.union(fixed);
    }
    if let Some(limit) = table.parsed(r, "limit", values::limit) {
        route.limit = Some(limit);
    }
    if let Some(cost) = table.get(r, "cost").and_then(|value| value.number(r)) {
        route.cost = u32::try_from(cost).unwrap_or(u32::MAX);
    }
    if let Some(mode) = table.word(r, "mode", "mode-unknown", &Mode::ALL.map(|mode| (mode.id(), mode))) {
        route.mode = mode;
    }
    if let Some(body) = table.get(r, "body").and_then(|value| values::size(r, value)) {
        route.body = body;
    }
    route.media_types = table.each(r, "media_types", |text| Ok(text.to_ascii_lowercase())).unwrap_or_default();
    route.websocket = table.flag(r, "websocket").unwrap_or(false);
    route.trailers = table.flag(r, "trailers").unwrap_or(false);
    let profiles = CspProfile::ALL.map(|profile| (profile.id(), profile));
    if let Some(profile) = table.word(r, "csp", "csp-unknown", &profiles) {
        route.csp = profile;
    }
}

/// What a request must prove.
fn protection(r: &mut Reader, table: &mut Table<'_>, route: &mut Route, services: &[Service]) {
    let mut because = table.text(r, "because");
    csrf(r, table, route, &mut because);
    route.csrf_because.clone_from(&because);
    route.methods_because = because;
    route.access = access(r, table);
    route.signature = signature(r, table, services);
    let signals = Signals::ALL.map(|signals| (signals.id(), signals));
    if let Some(signals) = table.word(r, "signals", "signals-unknown", &signals) {
        route.signals = signals;
    }
    route.success = success(r, table);
    route.identifier = table.parsed(r, "identifier", values::plain);
}

/// `csrf = "origin"`, `csrf = false`, or `csrf = { strength = "origin", because = "..." }`.
fn csrf(r: &mut Reader, table: &mut Table<'_>, route: &mut Route, because: &mut Option<String>) {
    let strength = |text: &str| {
        let words = CsrfStrength::ALL.map(|strength| (strength.id(), strength));
        if text == "off" { Ok(CsrfStrength::None) } else { word(text, "csrf-unknown", &words) }
    };
    let Some(value) = table.get(r, "csrf") else { return };
    let found = match value.as_flag() {
        Some(false) => Some(CsrfStrength::None),
        Some(true) => None,
        None if value.is_text() => table.parsed(r, "csrf", strength),
        None => value.inline(r).and_then(|mut inner| {
            let found = inner.parsed(r, "strength", strength);
            if let Some(text) = inner.text(r, "because") {
                *because = Some(text);
            }
            inner.close(r);
            found
        }),
    };
    if let Some(found) = found {
        route.csrf = found;
    }
}

/// `access = { role = [..], permission = [..], plan = [..], feature = [..], owner = ".." }`.
pub(super) fn access(r: &mut Reader, table: &mut Table<'_>) -> Access {
    let Some(mut inner) = table.get(r, "access").and_then(|value| value.inline(r)) else { return Access::default() };
    let mut list = |key| inner.each(r, key, values::plain).unwrap_or_default();
    let (role, permission, plan, feature) = (list("role"), list("permission"), list("plan"), list("feature"));
    let owner = inner.parsed(r, "owner", values::plain);
    inner.close(r);
    Access { role, permission, plan, feature, owner }
}

/// `signature = { scheme = "stripe", secrets = ["NAME"] }`, or `signature = "stripe"` with the usual variables.
fn signature(r: &mut Reader, table: &mut Table<'_>, services: &[Service]) -> Option<Signature> {
    let value = table.get(r, "signature")?;
    if value.is_text() {
        let (scheme, secrets) =
            table.parsed(r, "signature", |text| Ok((scheme(text)?, services::webhook_secrets(text))))?;
        return Some(Signature { scheme, secrets });
    }
    let mut inner = value.inline(r)?;
    let name = inner.text(r, "scheme");
    let secrets = inner.each(r, "secrets", values::variable);
    inner.close(r);
    let Some(name) = name else {
        let fix = "add scheme = \"stripe\", \"svix\", \"standard\", \"github\", \"slack\" or \"vercel\"";
        missing(r, value, Wrong::new("signature-scheme", "the signature has no scheme", fix));
        return None;
    };
    let scheme = scheme(&name).map_err(|wrong| r.wrong(value.place, value.span, wrong)).ok()?;
    let usual = || services.iter().any(|service| service.id() == name).then(|| services::webhook_secrets(&name));
    Some(Signature { scheme, secrets: secrets.or_else(usual).unwrap_or_default() })
}

fn scheme(text: &str) -> Result<SignatureScheme, Wrong> {
    let known = SignatureScheme::ALL.map(|scheme| (scheme.id(), scheme));
    SignatureScheme::from_id(text).map_or_else(|| word(text, "scheme-unknown", &known), Ok)
}

/// `success = { status = 302 }`, `{ location = "/home" }` or `{ pointer = "/ok" }`.
fn success(r: &mut Reader, table: &mut Table<'_>) -> Option<Success> {
    let value = table.get(r, "success")?;
    let mut inner = value.inline(r)?;
    let status = inner.get(r, "status").and_then(|status| status.number(r));
    let status = status.map(|status| Success::Status(u16::try_from(status).unwrap_or(0)));
    let location = inner.text(r, "location").map(Success::Location);
    let pointer = inner.text(r, "pointer").map(Success::Pointer);
    inner.close(r);
    let mut told = [status, location, pointer].into_iter().flatten();
    match (told.next(), told.next()) {
        (Some(one), None) => Some(one),
        _ => {
            let what = "`success` tells one of `status`, `location` and `pointer`";
            missing(r, value, Wrong::new("success-malformed", what, "write success = { status = 302 }"));
            None
        }
    }
}

/// Tells that a table lacks something, unless something in it was told already.
fn missing(r: &mut Reader, value: Value<'_>, wrong: Wrong) {
    if !r.bad.contains(&value.place) {
        r.wrong(value.place, value.span, wrong);
    }
}
