//! Who may ask the admin listener (SECURITY.md 20). A browser on this machine reaches it as well as an operator does, and
//! what runs in that browser may be anybody's.

use std::net::{IpAddr, SocketAddr};

use http::header::{self, HeaderName};
use http::{HeaderMap, Method, Request, StatusCode};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::answer::said;
use super::pages::Page;

/// Whom it lets in.
pub(crate) struct Access {
    /// What `Host` may say: a name that an attacker rebinds to this machine is none of these.
    hosts: Vec<String>,
    /// The digest of the token, so that neither its bytes nor its length show in the time of a comparison.
    token: Option<[u8; 32]>,
    tls: bool,
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const COOKIE: &str = "palisade-admin";
const COOKIE_TLS: &str = "__Host-palisade-admin";

// === impl Access ===

impl Access {
    /// Of a listener at `address`, asked for by that, by `localhost` on this machine, and by `names`.
    pub(crate) fn new(address: SocketAddr, token: Option<&str>, names: &[String], tls: bool) -> Access {
        let port = address.port();
        let own = match address.ip() {
            IpAddr::V4(v4) => format!("{v4}:{port}"),
            IpAddr::V6(v6) => format!("[{v6}]:{port}"),
        };
        let mut hosts = vec![own, format!("localhost:{port}")];
        for name in names {
            hosts.push(format!("{name}:{port}"));
            if port == 443 && tls {
                hosts.push(name.clone());
            }
        }
        Access { hosts, token: token.map(|token| Sha256::digest(token.as_bytes()).into()), tls }
    }

    /// Whether it is asked by TLS.
    pub(crate) fn tls(&self) -> bool {
        self.tls
    }

    /// The digest of the token.
    pub(crate) fn token(&self) -> Option<&[u8; 32]> {
        self.token.as_ref()
    }

    /// What the cookie of a session is called. Cookies do not know ports: the gate takes both names out of what it proxies.
    pub(crate) fn cookie(&self) -> &'static str {
        if self.tls { COOKIE_TLS } else { COOKIE }
    }

    /// Whether a person waits for a page.
    pub(crate) fn navigates(&self, headers: &HeaderMap) -> bool {
        match only(headers, &SEC_FETCH_MODE) {
            Ok(Some(mode)) => mode == "navigate",
            _ => only(headers, &header::ACCEPT).is_ok_and(|accept| accept.is_some_and(|it| it.contains("text/html"))),
        }
    }

    /// Lets in what is no other site's doing.
    pub(crate) fn enter<B>(&self, request: &Request<B>) -> Result<(), Page> {
        let refuse = |text: &str| Err(said(StatusCode::FORBIDDEN, text));
        let headers = request.headers();
        let asked = match request.uri().authority() {
            Some(authority) => Ok(Some(authority.as_str())),
            None => only(headers, &header::HOST),
        };
        let Ok(Some(host)) = asked else { return refuse("one Host is needed") };
        if !self.hosts.iter().any(|own| own.eq_ignore_ascii_case(host)) {
            return refuse("this Host is not served here");
        }
        let navigation = request.method() == Method::GET && only(headers, &SEC_FETCH_MODE) == Ok(Some("navigate"));
        match only(headers, &SEC_FETCH_SITE) {
            Ok(None | Some("same-origin")) => {}
            Ok(Some("none")) if navigation => {}
            _ => return refuse("asked for by another site; type the address yourself"),
        }
        // Browsers that know no Sec-Fetch-Site still name the origin of a form.
        let scheme = if self.tls { "https" } else { "http" };
        match only(headers, &header::ORIGIN) {
            Ok(None) => Ok(()),
            Ok(Some(origin))
                if origin.split_once("://").is_some_and(|(named, rest)| named == scheme && rest == host) =>
            {
                Ok(())
            }
            _ => refuse("asked for by another origin"),
        }
    }

    /// Lets in who has the token, as a bearer token and nowhere else: addresses end up in logs and histories.
    pub(crate) fn unlock(&self, headers: &HeaderMap) -> Result<(), Page> {
        let Some(token) = &self.token else {
            return Err(said(StatusCode::FORBIDDEN, "closed: PALISADE_ADMIN_TOKEN is not set"));
        };
        let told = only(headers, &header::AUTHORIZATION).unwrap_or_default().unwrap_or_default();
        let bearer = told.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let shown = Sha256::digest(bearer.map_or("", |(_, shown)| shown).as_bytes());
        if bearer.is_some() && bool::from(shown.as_slice().ct_eq(token)) {
            return Ok(());
        }
        Err(said(StatusCode::UNAUTHORIZED, "send PALISADE_ADMIN_TOKEN as a bearer token"))
    }
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

/// More than one, or no text.
#[derive(Debug, PartialEq)]
pub(super) struct Unclear;

/// The one value of a field, if there is one.
pub(super) fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Unclear> {
    let mut lines = headers.get_all(name).iter();
    let first = lines.next().map(|line| line.to_str().map_err(|_| Unclear)).transpose()?;
    if lines.next().is_some() { Err(Unclear) } else { Ok(first) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn asked(method: &str, target: &str, fields: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).expect("request")
    }

    #[test]
    fn other_names_and_other_sites_are_kept_out() {
        let access = Access::new("127.0.0.1:9180".parse().expect("address"), None, &[], false);
        let host = ("host", "127.0.0.1:9180");
        let site = |value| ("sec-fetch-site", value);
        let mode = |value| ("sec-fetch-mode", value);
        for (method, fields, enters) in [
            ("GET", &[host][..], true),
            ("GET", &[("host", "LOCALHOST:9180")], true),
            ("POST", &[host], true),
            ("GET", &[], false),
            ("GET", &[host, host], false),
            ("GET", &[("host", "127.0.0.1")], false),
            ("GET", &[("host", "127.0.0.1:9181")], false),
            ("GET", &[("host", "rebound.evil.example:9180")], false),
            ("GET", &[("host", "localhost.:9180")], false),
            ("GET", &[host, site("same-origin")], true),
            ("GET", &[host, site("cross-site")], false),
            ("GET", &[host, site("same-site")], false),
            ("GET", &[host, site("none"), mode("navigate")], true),
            ("GET", &[host, site("none")], false),
            ("GET", &[host, site("none"), mode("no-cors")], false),
            ("POST", &[host, site("none"), mode("navigate")], false),
            ("GET", &[host, site("same-origin"), site("same-origin")], false),
            ("GET", &[host, site("unheard-of")], false),
            ("POST", &[host, site("same-origin"), ("origin", "http://127.0.0.1:9180")], true),
            ("POST", &[host, ("origin", "http://127.0.0.1:8080")], false),
            ("POST", &[host, ("origin", "https://127.0.0.1:9180")], false),
            ("POST", &[host, ("origin", "null")], false),
            ("POST", &[host, ("origin", "http://evil.example")], false),
        ] {
            assert_eq!(access.enter(&asked(method, "/metrics", fields)).is_ok(), enters, "{method} {fields:?}");
        }
        let absolute = |target| access.enter(&asked("GET", target, &[host])).is_ok();
        assert!(absolute("http://127.0.0.1:9180/metrics") && !absolute("http://evil.example/metrics"));
    }

    #[test]
    fn by_tls_it_has_names_and_a_cookie_of_its_own() {
        let address = "192.0.2.1:443".parse().expect("address");
        let access = Access::new(address, None, &["ops.example".to_owned()], true);
        for (host, enters) in
            [("ops.example", true), ("ops.example:443", true), ("192.0.2.1:443", true), ("evil.example", false)]
        {
            assert_eq!(access.enter(&asked("GET", "/", &[("host", host)])).is_ok(), enters, "{host}");
        }
        assert_eq!(access.cookie(), "__Host-palisade-admin");
    }

    #[test]
    fn only_the_token_as_a_bearer_token_unlocks() {
        let address = "127.0.0.1:9180".parse().expect("address");
        let access = Access::new(address, Some(TOKEN), &[], false);
        let field = |value| ("authorization", value);
        let [bearer, lower, basic, longer] = [("Bearer", ""), ("bearer", ""), ("Basic", ""), ("Bearer", "0")]
            .map(|(scheme, more)| format!("{scheme} {TOKEN}{more}"));
        for (target, fields, status) in [
            ("/metrics", &[field(bearer.as_str())][..], None),
            ("/metrics", &[field(&lower)], None),
            ("/metrics", &[], Some(401)),
            ("/metrics", &[field(TOKEN)], Some(401)),
            ("/metrics", &[field("Bearer ")], Some(401)),
            ("/metrics", &[field(&bearer[..30])], Some(401)),
            ("/metrics", &[field(&longer)], Some(401)),
            ("/metrics", &[field(&basic)], Some(401)),
            ("/metrics", &[field(&bearer), field(&bearer)], Some(401)),
            ("/metrics?token=0123456789abcdef0123456789abcdef", &[], Some(401)),
        ] {
            let found = access.unlock(asked("GET", target, fields).headers()).err().map(|page| page.status.as_u16());
            assert_eq!(found, status, "{target} {fields:?}");
        }
        let closed =
            Access::new(address, None, &[], false).unlock(asked("GET", "/metrics", &[field(&bearer)]).headers());
        assert_eq!(closed.map_err(|page| page.status.as_u16()), Err(403));
        assert!(!format!("{access:?}").contains("token"));
    }
}
