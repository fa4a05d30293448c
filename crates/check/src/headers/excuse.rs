//! What a service or a framework does by design, and a grade would count as a fault.

use super::cookies::{self, Cookie};
use super::outcome::{CSP_INLINE, Outcome, Test};
use super::site::Page;

/// Why a result does not count in the excused grade, and what counts in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Excuse {
    /// The modifier without it.
    pub modifier: i32,
    /// The reason.
    pub because: &'static str,
}

pub(crate) fn of(test: Test, outcome: &'static Outcome, page: &Page, found: &[Cookie], hsts: bool) -> Option<Excuse> {
    match test {
        Test::Cookies if outcome.modifier < 0 => {
            let others: Vec<_> = found.iter().filter(|cookie| !is_clerks(cookie)).cloned().collect();
            let modifier = cookies::judge(&others, hsts).modifier;
            (others.len() < found.len() && modifier > outcome.modifier).then_some(Excuse { modifier, because: CLERK })
        }
        Test::Csp if *outcome == CSP_INLINE => {
            let prerendered = page.first("x-nextjs-prerender").is_some() || page.first("x-nextjs-cache").is_some();
            let policy: Vec<_> = page.all("content-security-policy").collect();
            let by_design = policy.iter().any(|policy| only_inline(policy));
            (prerendered && by_design).then_some(Excuse { modifier: 0, because: PRERENDERED })
        }
        _ => None,
    }
}

/// Cookies that Clerk's own script in the browser must read (clerk.com/docs: how Clerk works, cookies).
fn is_clerks(cookie: &Cookie) -> bool {
    ["__session", "__client_uat", "__clerk_db_jwt", "clerk_active_context"].iter().any(|name| {
        let rest = cookie.name.strip_prefix(name);
        // A suffix of the instance's key may follow.
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    })
}

/// Whether inline scripts are all that the policy's `script-src` opens.
fn only_inline(policy: &str) -> bool {
    let mut directives = policy.split(';').map(str::split_whitespace);
    let script = directives.find_map(|mut words| (words.next() == Some("script-src")).then_some(words));
    script.is_some_and(|mut sources| {
        let open =
            |source: &str| source == "*" || source == "data:" || source.ends_with(':') || source.contains("://*");
        !sources.any(open)
    })
}

const CLERK: &str =
    "Clerk's script in the browser reads its session cookie, which lives for a minute: by design not HttpOnly";
const PRERENDERED: &str = "the page is prerendered, so it can carry no nonce, and Next.js starts it with inline scripts; render it per request for the grade";
