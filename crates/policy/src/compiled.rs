//! A draft as bytes: a policy file that was read where it is built, and needs no reader where it runs. What lies outside
//! of the file (environment, variables, the framework's manifest) is still looked at there.
//!
//! The bytes are good for the version that wrote them; another one refuses them. Places in the text do not come along.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use palisade_diag::Diagnostics;
use palisade_event::Kind;

use crate::builder::PolicyBuilder;
use crate::file::Draft;
use crate::file::draft::{OriginSource, SchemaFrom, SchemaSource, Variables};
use crate::model::{
    Access, ActionRule, App, Clients, Cors, CspProfile, CspSources, Csrf, CsrfStrength, Environment, ForwardingHeader,
    Framework, HealthCheck, Identity, IdentityNeed, IdentityProvider, Limit, Limits, Listen, Method, Methods, Mode,
    Origin, Outage, Route, RouteSource, Service, SharedState, Signals, Signature, SignatureScheme, Success, Tls,
    Undeclared, Upstream,
};
use crate::policy::Policy;

/// A draft's bytes begin so.
const MAGIC: &[u8] = concat!("palisade ", env!("CARGO_PKG_VERSION"), "\n").as_bytes();

/// Something that can be written and read back. What is read may have been made up: then it is anything, and the reader is
/// bad from there on, never a panic. That is asked once, at the end: to leave at each field is twice the code.
trait Coded: Sized {
    fn write(&self, out: &mut Vec<u8>);
    fn read(from: &mut Bytes<'_>) -> Self;
}

/// What is still to be read, and whether something was not what it should be.
struct Bytes<'a> {
    rest: &'a [u8],
    bad: bool,
}

// === impl Draft ===

impl Draft {
    /// The draft as bytes, for [`Draft::from_bytes`].
    ///
    /// # Errors
    /// What was found in the file, where an error is among it: such a draft becomes no policy.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Diagnostics> {
        let Draft { builder, origins, schemas, environments, found, places: _, bad: _, partial: _, textless: _ } = self;
        if found.has_errors() {
            return Err(found.clone());
        }
        let mut out = MAGIC.to_vec();
        builder.write(&mut out);
        origins.write(&mut out);
        schemas.write(&mut out);
        environments.write(&mut out);
        Ok(out)
    }

    /// The draft that was written; nothing for bytes of another version, or of something else.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Draft> {
        let mut from = Bytes { rest: bytes.strip_prefix(MAGIC)?, bad: false };
        let draft = Draft {
            builder: Coded::read(&mut from),
            origins: Coded::read(&mut from),
            schemas: Coded::read(&mut from),
            environments: Coded::read(&mut from),
            ..Draft::empty()
        };
        (from.rest.is_empty() && !from.bad).then_some(draft)
    }

    /// Adds a route to those of the file.
    #[must_use]
    pub fn with_route(mut self, route: Route) -> Draft {
        self.builder.routes.push(route);
        self
    }
}

// === impl Bytes ===

impl<'a> Bytes<'a> {
    fn take(&mut self, bytes: usize) -> &'a [u8] {
        let Some((taken, rest)) = self.rest.split_at_checked(bytes) else { return self.bad(&[]) };
        self.rest = rest;
        taken
    }

    fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    /// From here on it is bad; the value stands for what is not there.
    fn bad<T>(&mut self, value: T) -> T {
        self.bad = true;
        value
    }
}

// === impl Coded ===

/// Every field, in order. A new field does not compile until it is written here.
macro_rules! record {
    ($($type:ident { $($field:ident),* })*) => {$(
        impl Coded for $type {
            fn write(&self, out: &mut Vec<u8>) {
                let $type { $($field),* } = self;
                $($field.write(out);)*
            }
            fn read(from: &mut Bytes<'_>) -> $type {
                $(let $field = Coded::read(from);)*
                $type { $($field),* }
            }
        }
    )*};
}

/// One of a list, by its place there.
macro_rules! word {
    ($($type:ty = $all:expr),*) => {$(
        impl Coded for $type {
            fn write(&self, out: &mut Vec<u8>) {
                let place = $all.iter().position(|one| one == self).and_then(|place| u8::try_from(place).ok());
                out.push(place.unwrap_or(u8::MAX));
            }
            fn read(from: &mut Bytes<'_>) -> $type {
                let [first, ..] = $all;
                $all.get(usize::from(from.byte())).copied().unwrap_or_else(|| from.bad(first))
            }
        }
    )*};
}

/// One after the other.
macro_rules! in_order {
    ($out:ident: $($field:ident),*) => {
        $($field.write($out);)*
    };
}

/// Numbers, little-endian.
macro_rules! number {
    ($($type:ty),*) => {$(
        impl Coded for $type {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            fn read(from: &mut Bytes<'_>) -> $type {
                from.take(size_of::<$type>()).first_chunk().copied().map(<$type>::from_le_bytes).unwrap_or_default()
            }
        }
    )*};
}

number!(u8, u16, u32, u64);
word!(
    bool = [false, true],
    Kind = Kind::ALL,
    Environment = Environment::ALL,
    Service = Service::ALL,
    Framework = Framework::ALL,
    Mode = Mode::ALL,
    CsrfStrength = CsrfStrength::ALL,
    IdentityNeed = [IdentityNeed::None, IdentityNeed::Optional, IdentityNeed::Required],
    IdentityProvider = IdentityProvider::ALL,
    Signals = Signals::ALL,
    CspProfile = CspProfile::ALL,
    Outage = Outage::ALL,
    SignatureScheme = SignatureScheme::ALL,
    RouteSource = [RouteSource::Declared, RouteSource::Preset, RouteSource::Undeclared]
);
record! {
    Origin { https, authority }
    Upstream { origin, weight }
    HealthCheck { path, interval }
    App { name, upstreams, health, public_origins, services, framework, mode, directory }
    Clients { trusted_proxies, header }
    Csrf { path, header, field, trusted_origins }
    Cors { origins, methods, headers, credentials, max_age }
    Limits {
        buffered, body, header_bytes, connections, connections_per_client, header_timeout, body_timeout, body_rate,
        in_flight, in_flight_per_client, read_rate, idle_timeout, upstream_timeout, drain_timeout, limiter_slots
    }
    Listen { address, admin, intake, tls, redirect, proxy_protocol }
    Tls { cert, key }
    SharedState { redis, timeout, outage }
    Identity { provider, issuer, jwks, audience, authorized_parties, sign_in_url, claims }
    Undeclared { deny, unsafe_origin }
    Signature { scheme, secrets }
    Access { role, permission, plan, feature, owner }
    ActionRule { name, kind, access }
    CspSources { script, style, connect, img, font, frame, worker, form }
    Limit { count, window }
    SchemaSource { route, from }
    Variables { required, optional }
}

impl Coded for usize {
    fn write(&self, out: &mut Vec<u8>) {
        u32::try_from(*self).unwrap_or(u32::MAX).write(out);
    }
    fn read(from: &mut Bytes<'_>) -> usize {
        u32::read(from) as usize
    }
}

impl Coded for String {
    fn write(&self, out: &mut Vec<u8>) {
        self.len().write(out);
        out.extend_from_slice(self.as_bytes());
    }
    fn read(from: &mut Bytes<'_>) -> String {
        let length = usize::read(from);
        let text = std::str::from_utf8(from.take(length));
        text.unwrap_or_else(|_| from.bad("")).to_owned()
    }
}

impl Coded for Duration {
    fn write(&self, out: &mut Vec<u8>) {
        u64::try_from(self.as_micros()).unwrap_or(u64::MAX).write(out);
    }
    fn read(from: &mut Bytes<'_>) -> Duration {
        Duration::from_micros(u64::read(from))
    }
}

impl Coded for IpNet {
    fn write(&self, out: &mut Vec<u8>) {
        self.prefix_len().write(out);
        match self.addr() {
            IpAddr::V4(v4) => Some(u32::from(v4)).write(out),
            IpAddr::V6(v6) => {
                None::<u32>.write(out);
                out.extend_from_slice(&v6.octets());
            }
        }
    }
    fn read(from: &mut Bytes<'_>) -> IpNet {
        let prefix = from.byte();
        let address = match Option::<u32>::read(from) {
            Some(v4) => IpAddr::from(v4.to_be_bytes()),
            None => IpAddr::from(from.take(16).first_chunk::<16>().copied().unwrap_or_default()),
        };
        IpNet::new(address, prefix).unwrap_or_else(|_| from.bad(IpNet::from(address)))
    }
}

impl<T: Coded> Coded for Option<T> {
    fn write(&self, out: &mut Vec<u8>) {
        self.is_some().write(out);
        if let Some(thing) = self {
            thing.write(out);
        }
    }
    fn read(from: &mut Bytes<'_>) -> Option<T> {
        bool::read(from).then(|| T::read(from))
    }
}

impl<T: Coded> Coded for Vec<T> {
    fn write(&self, out: &mut Vec<u8>) {
        self.len().write(out);
        self.iter().for_each(|thing| thing.write(out));
    }
    fn read(from: &mut Bytes<'_>) -> Vec<T> {
        // Nothing is made room for by a number that may have been made up.
        let mut things = Vec::new();
        for _ in 0..usize::read(from) {
            if from.bad {
                break;
            }
            things.push(T::read(from));
        }
        things
    }
}

impl<K: Coded + Ord, V: Coded> Coded for BTreeMap<K, V> {
    fn write(&self, out: &mut Vec<u8>) {
        self.len().write(out);
        for (key, value) in self {
            key.write(out);
            value.write(out);
        }
    }
    fn read(from: &mut Bytes<'_>) -> BTreeMap<K, V> {
        // Not collected: that would sort first, by code of its own for each type.
        let mut map = BTreeMap::new();
        for _ in 0..usize::read(from) {
            if from.bad {
                break;
            }
            map.insert(K::read(from), V::read(from));
        }
        map
    }
}

impl Coded for Methods {
    fn write(&self, out: &mut Vec<u8>) {
        Method::ALL.map(|method| self.has(method)).iter().for_each(|has| has.write(out));
    }
    fn read(from: &mut Bytes<'_>) -> Methods {
        let mut methods = Methods::NONE;
        for method in Method::ALL {
            let has = bool::read(from);
            methods = if has { methods.with(method) } else { methods.without(method) };
        }
        methods
    }
}

impl Coded for ForwardingHeader {
    fn write(&self, out: &mut Vec<u8>) {
        let (place, name) = match self {
            ForwardingHeader::XForwardedFor => (0u8, ""),
            ForwardingHeader::Forwarded => (1, ""),
            ForwardingHeader::Single(name) => (2, name.as_str()),
        };
        place.write(out);
        name.to_owned().write(out);
    }
    fn read(from: &mut Bytes<'_>) -> ForwardingHeader {
        match (from.byte(), String::read(from)) {
            (0, _) => ForwardingHeader::XForwardedFor,
            (1, _) => ForwardingHeader::Forwarded,
            (2, name) => ForwardingHeader::Single(name),
            _ => from.bad(ForwardingHeader::Forwarded),
        }
    }
}

impl Coded for Success {
    fn write(&self, out: &mut Vec<u8>) {
        let (place, status, text) = match self {
            Success::Status(status) => (0u8, *status, ""),
            Success::Location(path) => (1, 0, path.as_str()),
            Success::Pointer(pointer) => (2, 0, pointer.as_str()),
        };
        place.write(out);
        status.write(out);
        text.to_owned().write(out);
    }
    fn read(from: &mut Bytes<'_>) -> Success {
        match (from.byte(), u16::read(from), String::read(from)) {
            (0, status, _) => Success::Status(status),
            (1, _, path) => Success::Location(path),
            (2, _, pointer) => Success::Pointer(pointer),
            _ => from.bad(Success::Status(0)),
        }
    }
}

impl Coded for OriginSource {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            OriginSource::Written(origin) => Some(origin.clone()).write(out),
            OriginSource::Variable(name) => {
                None::<Origin>.write(out);
                name.write(out);
            }
        }
    }
    fn read(from: &mut Bytes<'_>) -> OriginSource {
        match Option::read(from) {
            Some(origin) => OriginSource::Written(origin),
            None => OriginSource::Variable(String::read(from)),
        }
    }
}

impl Coded for SchemaFrom {
    fn write(&self, out: &mut Vec<u8>) {
        let (place, text) = match self {
            SchemaFrom::File(path) => (0u8, path),
            SchemaFrom::Inline(text) => (1, text),
            SchemaFrom::Preset(name) => (2, name),
        };
        place.write(out);
        text.write(out);
    }
    fn read(from: &mut Bytes<'_>) -> SchemaFrom {
        match (from.byte(), String::read(from)) {
            (0, path) => SchemaFrom::File(path),
            (1, text) => SchemaFrom::Inline(text),
            (2, name) => SchemaFrom::Preset(name),
            _ => from.bad(SchemaFrom::Preset(String::new())),
        }
    }
}

impl Coded for PolicyBuilder {
    fn write(&self, out: &mut Vec<u8>) {
        let PolicyBuilder {
            app,
            // Where it runs says the one, and the framework's build the other.
            environment: _,
            manifest: _,
            // Nobody is told anything from inside an app.
            alerting: _,
            clients,
            csrf,
            cors,
            limits,
            listen,
            identity,
            state,
            undeclared,
            undeclared_kind,
            required_variables,
            optional_variables,
            actions,
            csp,
            routes,
        } = self;
        in_order!(
            out: app, clients, csrf, cors, limits, listen, identity, state, undeclared, undeclared_kind,
            required_variables, optional_variables, actions, csp, routes
        );
    }
    fn read(from: &mut Bytes<'_>) -> PolicyBuilder {
        let mut builder = Policy::builder("", Vec::new());
        builder.app = Coded::read(from);
        builder.clients = Coded::read(from);
        builder.csrf = Coded::read(from);
        builder.cors = Coded::read(from);
        builder.limits = Coded::read(from);
        builder.listen = Coded::read(from);
        builder.identity = Coded::read(from);
        builder.state = Coded::read(from);
        builder.undeclared = Coded::read(from);
        builder.undeclared_kind = Coded::read(from);
        builder.required_variables = Coded::read(from);
        builder.optional_variables = Coded::read(from);
        builder.actions = Coded::read(from);
        builder.csp = Coded::read(from);
        builder.routes = Coded::read(from);
        builder
    }
}

impl Coded for Route {
    fn write(&self, out: &mut Vec<u8>) {
        let Route {
            path,
            methods,
            methods_because,
            kind,
            limit,
            cost,
            mode,
            csrf,
            csrf_because,
            identity,
            body,
            // Of a draft, beside its routes.
            schema: _,
            signals,
            access,
            signature,
            media_types,
            websocket,
            trailers,
            csp,
            success,
            identifier,
            source,
        } = self;
        in_order!(
            out: path, kind, methods, methods_because, limit, cost, mode, csrf, csrf_because, identity, body, signals,
            access, signature, media_types, websocket, trailers, csp, success, identifier, source
        );
    }
    fn read(from: &mut Bytes<'_>) -> Route {
        Route {
            path: Coded::read(from),
            kind: Coded::read(from),
            methods: Coded::read(from),
            methods_because: Coded::read(from),
            limit: Coded::read(from),
            cost: Coded::read(from),
            mode: Coded::read(from),
            csrf: Coded::read(from),
            csrf_because: Coded::read(from),
            identity: Coded::read(from),
            body: Coded::read(from),
            signals: Coded::read(from),
            access: Coded::read(from),
            signature: Coded::read(from),
            media_types: Coded::read(from),
            websocket: Coded::read(from),
            trailers: Coded::read(from),
            csp: Coded::read(from),
            success: Coded::read(from),
            identifier: Coded::read(from),
            source: Coded::read(from),
            schema: None,
        }
    }
}

#[cfg(test)]
mod tests;
