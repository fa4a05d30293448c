//! The page over https and http, a preflight, `/robots.txt`: what the Observatory asks for.

use palisade_check::Unknown;
use palisade_check::facts::live::Received;
use palisade_check::headers::{Page, Place, Preflight, Site};

use super::budget::Caps;
use super::client::{Client, Trust};
use super::target::Target;
use super::{Plan, plain};

/// What is asked for, for a rehearsal.
pub(super) const REQUESTS: [(&str, &str); 3] = [("GET", "/"), ("GET", "/robots.txt"), ("OPTIONS", "/")];

/// Redirects that are followed, on the host alone.
const HOPS: usize = 10;
/// A host that has nothing to do with the site.
const STRANGER: &str = "https://palisade-probe.example";
const ACCEPT: (&str, &str) = ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");

/// One way through the site.
#[derive(Default)]
struct Walk {
    page: Option<Page>,
    route: Vec<Place>,
    cookies: Vec<String>,
}

pub(super) fn collect(target: &Target, plan: &Plan, caps: Caps) -> Result<Site, Unknown> {
    let path = if plan.page.is_empty() { "/" } else { plan.page.as_str() };
    let other = target.other_scheme();
    let (mut secure, mut open) = (None, None);
    for one in [Some(target.clone()), other].into_iter().flatten() {
        let place = if one.https { &mut secure } else { &mut open };
        *place = Some(one);
    }
    let walk = |from: Option<&Target>| {
        from.map(|from| walk(from, path, secure.as_ref(), open.as_ref(), plan, caps)).unwrap_or_default()
    };
    let (https, http) = (walk(secure.as_ref()), walk(open.as_ref()));
    let main = if https.page.is_some() { secure.as_ref() } else { open.as_ref() };
    let Some(main) = main.filter(|_| https.page.is_some() || http.page.is_some()) else {
        return Err(Unknown::new("the page was not answered", "see whether it is up, and ask again"));
    };
    let mut cookies: Vec<_> = https.cookies.into_iter().chain(http.cookies).collect();
    let verified = https.page.as_ref().is_none_or(|page| page.verified);
    let robots = ask(main, verified, plan, caps, "GET", "/robots.txt", &[("accept", "text/plain,*/*;q=0.8")]);
    cookies.extend(robots.into_iter().flat_map(|answer| set_cookies(&answer)));
    let fields = [("access-control-request-method", "GET"), ("origin", STRANGER)];
    let preflight = ask(main, verified, plan, caps, "OPTIONS", path, &fields);
    let preflight = preflight.map(|answer| Preflight { origin: STRANGER.to_owned(), headers: answer.headers });
    Ok(Site { host: target.host.clone(), https: https.page, http: http.page, route: http.route, preflight, cookies })
}

/// Follows redirects as long as they stay on the host, at the ports that were asked about.
fn walk(from: &Target, path: &str, secure: Option<&Target>, open: Option<&Target>, plan: &Plan, caps: Caps) -> Walk {
    let mut walk = Walk::default();
    let (mut at, mut path) = (from.clone(), path.to_owned());
    for _ in 0..=HOPS {
        let verified = ask(&at, true, plan, caps, "GET", &path, &[ACCEPT]);
        let good = verified.is_some();
        let answer =
            verified.or_else(|| at.https.then(|| ask(&at, false, plan, caps, "GET", &path, &[ACCEPT])).flatten());
        let Some(answer) = answer else { break };
        let place = Place { https: at.https, host: at.host.clone() };
        walk.route.push(place.clone());
        walk.cookies.extend(set_cookies(&answer));
        let next = answer
            .header("location")
            .filter(|_| matches!(answer.status, 301 | 302 | 303 | 307 | 308))
            .and_then(|to| resolve(&at, &path, to));
        walk.page =
            Some(Page { place, status: answer.status, verified: good, headers: answer.headers, body: answer.body });
        let Some((https, authority, to)) = next else { break };
        let known =
            [secure, open].into_iter().flatten().find(|known| known.https == https && known.authority() == authority);
        let Some(known) = known else {
            // Another origin: said, not followed.
            let host = authority.split(':').next().unwrap_or_default().to_owned();
            walk.route.push(Place { https, host });
            break;
        };
        (at, path) = (known.clone(), to);
    }
    // The page's own are read from the page.
    if let Some(page) = &walk.page {
        let own: Vec<_> = page.all("set-cookie").map(str::to_owned).collect();
        walk.cookies.retain(|cookie| !own.contains(cookie));
    }
    walk
}

/// Scheme, authority and path of a `Location`.
fn resolve(at: &Target, path: &str, to: &str) -> Option<(bool, String, String)> {
    let to = to.split('#').next().unwrap_or_default();
    if let Some(rest) = to.strip_prefix("//") {
        return resolve(at, path, &format!("{}://{rest}", if at.https { "https" } else { "http" }));
    }
    if let Some((scheme, rest)) = to.split_once("://") {
        let https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let authority = authority.to_ascii_lowercase();
        let authority = authority.strip_suffix(if https { ":443" } else { ":80" }).unwrap_or(&authority).to_owned();
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        return Some((https, authority, path));
    }
    if to.starts_with('/') {
        return Some((at.https, at.authority(), to.to_owned()));
    }
    let folder = path.split('?').next().unwrap_or_default().rsplit_once('/').map_or("", |(folder, _)| folder);
    Some((at.https, at.authority(), format!("{folder}/{to}")))
}

fn set_cookies(answer: &Received) -> Vec<String> {
    answer.headers.iter().filter(|(name, _)| name == "set-cookie").map(|(_, value)| value.clone()).collect()
}

fn ask(
    at: &Target,
    verified: bool,
    plan: &Plan,
    caps: Caps,
    method: &str,
    path: &str,
    fields: &[(&str, &str)],
) -> Option<Received> {
    let trust = if verified { Trust::Roots } else { Trust::Anything };
    let client = Client::new(at, trust, plan, caps).ok()?;
    let path: String = path.chars().filter(char::is_ascii_graphic).take(2000).collect();
    client.connection().send(&plain(method, &path, fields)).ok()
}
