//! Who may ask the admin listener (SECURITY.md 20). A browser on this machine reaches it as well as an operator does, and
//! what runs in that browser may be anybody's.

use std::net::{IpAddr, SocketAddr};

use http::header::{self, HeaderName};
use http::{HeaderMap, Method, Request, StatusCode};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{Answer, said};

/// Whom it lets in.
pub(crate) struct Access {
    /// What `Host` may say: a name that an attacker rebinds to this machine is none of these.
    hosts: Vec<String>,
    /// The digest of the token, so that neither its bytes nor its length show in the time of a comparison.
    token: Option<[u8; 32]>,
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

// === impl Access ===

impl Access {
    pub(crate) fn new(address: SocketAddr, token: Option<&str>) -> Access {
        let port = address.port();
        let own = match address.ip() {
            IpAddr::V4(v4) => format!("{v4}:{port}"),
            IpAddr::V6(v6) => format!("[{v6}]:{port}"),
        };
        let hosts = vec![own, format!("localhost:{port}")];
        Access { hosts, token: token.map(|token| Sha256::digest(token.as_bytes()).into()) }
    }

    /// Lets in what is no other site's doing.
    pub(crate) fn enter<B>(&self, request: &Request<B>) -> Result<(), Answer> {
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
            Ok(None | Some("same-origin")) => Ok(()),
            Ok(Some("none")) if navigation => Ok(()),
            _ => refuse("asked for by another site"),
        }
    }

    /// Lets in who has the token, as a bearer token and nowhere else: addresses end up in logs and histories.
    pub(crate) fn unlock<B>(&self, request: &Request<B>) -> Result<(), Answer> {
        let Some(token) = &self.token else {
            return Err(said(StatusCode::FORBIDDEN, "closed: PALISADE_ADMIN_TOKEN is not set"));
        };
        let told = only(request.headers(), &header::AUTHORIZATION).unwrap_or_default().unwrap_or_default();
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
struct Unclear;

/// The one value of a field, if there is one.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Unclear> {
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
        let access = Access::new("127.0.0.1:9180".parse().expect("address"), None);
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
        ] {
            assert_eq!(access.enter(&asked(method, "/metrics", fields)).is_ok(), enters, "{method} {fields:?}");
        }
        let absolute = |target| access.enter(&asked("GET", target, &[host])).is_ok();
        assert!(absolute("http://127.0.0.1:9180/metrics") && !absolute("http://evil.example/metrics"));
    }

    #[test]
    fn only_the_token_as_a_bearer_token_unlocks() {
        let address = "127.0.0.1:9180".parse().expect("address");
        let access = Access::new(address, Some(TOKEN));
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
            let found = access.unlock(&asked("GET", target, fields)).err().map(|(status, _)| status.as_u16());
            assert_eq!(found, status, "{target} {fields:?}");
        }
        let closed = Access::new(address, None).unlock(&asked("GET", "/metrics", &[field(&bearer)]));
        assert_eq!(closed.map_err(|(status, _)| status.as_u16()), Err(403));
        assert!(!format!("{access:?}").contains("token"));
    }
}
