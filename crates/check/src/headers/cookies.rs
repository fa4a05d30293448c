//! Cookies: what every one must carry, and what sessions must carry beside it.

use super::outcome::{
    COOKIES_CSRF, COOKIES_HSTS, COOKIES_INSECURE, COOKIES_NONE, COOKIES_SAMESITE, COOKIES_SAMESITE_INVALID,
    COOKIES_SECURE, COOKIES_SESSION_HSTS, COOKIES_SESSION_INSECURE, COOKIES_SESSION_SCRIPT, Outcome,
};
use super::site::Site;

/// One `Set-Cookie`, as browsers read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    /// Its name.
    pub name: String,
    /// Sent over https only.
    pub secure: bool,
    /// Kept from scripts.
    pub http_only: bool,
    /// `lax`, `strict`, `none`; `None` where it is not there, or not understood.
    pub same_site: Option<String>,
    /// Whether a SameSite stands there that browsers do not understand.
    pub same_site_unknown: bool,
}

impl Cookie {
    /// Reads a field's value; `None` for one without a name.
    #[must_use]
    pub fn parse(value: &str) -> Option<Cookie> {
        let mut parts = value.split(';').map(str::trim);
        let name = parts.next()?.split_once('=')?.0.trim().to_owned();
        let mut cookie = Cookie { name, secure: false, http_only: false, same_site: None, same_site_unknown: false };
        for part in parts {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            match key.trim().to_ascii_lowercase().as_str() {
                "secure" => cookie.secure = true,
                "httponly" => cookie.http_only = true,
                "samesite" => {
                    let value = value.trim().to_ascii_lowercase();
                    let known = matches!(value.as_str(), "lax" | "strict" | "none");
                    cookie.same_site_unknown |= !known;
                    cookie.same_site = known.then_some(value);
                }
                _ => {}
            }
        }
        (!cookie.name.is_empty()).then_some(cookie)
    }

    /// Whether browsers do not take it at all: by its name it must be Secure, and is not (RFC 6265bis, section 4.1.3).
    fn is_dropped(&self) -> bool {
        let name = self.name.to_ascii_lowercase();
        !self.secure && (name.starts_with("__host-") || name.starts_with("__secure-"))
    }

    /// Whether its name is that of a session, as the Observatory guesses.
    #[must_use]
    pub fn is_session(&self) -> bool {
        let name = self.name.to_lowercase();
        name.contains("login") || name.contains("sess")
    }
}

/// Every cookie that the site set; of two of a name the later one counts, and a SameSite that browsers do not understand counts
/// whatever became of its cookie.
pub(crate) fn all(site: &Site) -> Vec<Cookie> {
    let page = site.page().into_iter().flat_map(|page| page.all("set-cookie"));
    let (mut found, mut unknown) = (Vec::<Cookie>::new(), false);
    for cookie in page.chain(site.cookies.iter().map(String::as_str)).filter_map(Cookie::parse) {
        // See mozilla/http-observatory#282: the load balancer's own.
        unknown |= cookie.same_site_unknown;
        if cookie.name == "heroku-session-affinity" || cookie.is_dropped() {
            continue;
        }
        found.retain(|known| known.name != cookie.name);
        found.push(cookie);
    }
    if let Some(last) = found.last_mut() {
        last.same_site_unknown |= unknown;
    }
    found
}

/// The worst of what the cookies come to. `hsts`: whether that test passed.
pub(crate) fn judge(cookies: &[Cookie], hsts: bool) -> &'static Outcome {
    let found = cookies.iter().flat_map(|cookie| problems(cookie, hsts));
    if let Some(worst) = found.max_by_key(|problem| WORSE.iter().position(|other| other == problem)) {
        return worst;
    }
    match cookies {
        [] => &COOKIES_NONE,
        _ if cookies.iter().all(|cookie| cookie.same_site.is_some()) => &COOKIES_SAMESITE,
        _ => &COOKIES_SECURE,
    }
}

fn problems(cookie: &Cookie, hsts: bool) -> Vec<&'static Outcome> {
    let mut found = Vec::new();
    let insecure = !cookie.secure;
    if cookie.same_site_unknown || insecure && cookie.same_site.as_deref() == Some("none") {
        found.push(&COOKIES_SAMESITE_INVALID);
    }
    if insecure {
        found.push(if hsts { &COOKIES_HSTS } else { &COOKIES_INSECURE });
    }
    if cookie.name.to_lowercase().contains("csrf") && cookie.same_site.is_none() {
        found.push(&COOKIES_CSRF);
    }
    if cookie.is_session() && insecure {
        found.push(if hsts { &COOKIES_SESSION_HSTS } else { &COOKIES_SESSION_INSECURE });
    }
    if cookie.is_session() && !cookie.http_only {
        found.push(&COOKIES_SESSION_SCRIPT);
    }
    found
}

/// From bad to worse.
static WORSE: [&Outcome; 7] = [
    &COOKIES_HSTS,
    &COOKIES_INSECURE,
    &COOKIES_SESSION_HSTS,
    &COOKIES_SAMESITE_INVALID,
    &COOKIES_CSRF,
    &COOKIES_SESSION_SCRIPT,
    &COOKIES_SESSION_INSECURE,
];
