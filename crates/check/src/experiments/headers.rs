//! The headers as checks: the Observatory's tests by their names, and what they do not look at.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::csp;
use crate::facts::Unknown;
use crate::headers::{Report, Site, Test, behind_https, judge, presence};

macro_rules! tests {
    ($($test:ident: $name:literal, $title:literal, $severity:ident, $reference:literal, $fix:literal;)*) => {
        pub(super) const CHECKS: &[&Check] = &[$(&Check {
            id: concat!("headers/", $name),
            title: $title,
            item: Item::Beyond,
            section: Section::Testing,
            severity: Severity::$severity,
            reference: $reference,
            judge: |case| one(case, Test::$test, $fix),
        },)* &POLICY, &PERMISSIONS];
    };
}

tests! {
    Csp: "content-security-policy", "A content security policy keeps foreign scripts out", High, "A03:2021; ASVS 3.4.3", "send a policy with nonces; the gate builds one from the declared services";
    Cookies: "cookies", "Cookies are Secure, sessions HttpOnly", High, "A05:2021; ASVS 3.3.1", "set Secure, HttpOnly and SameSite";
    Coep: "cross-origin-embedder-policy", "Cross-Origin-Embedder-Policy can be read", Low, "A05:2021", "send require-corp or credentialless, or leave it out";
    Coop: "cross-origin-opener-policy", "Cross-Origin-Opener-Policy can be read", Low, "A05:2021; ASVS 3.4.8", "send same-origin";
    Cors: "cross-origin-resource-sharing", "Other origins cannot read with the visitor's credentials", Critical, "A01:2021; ASVS 3.4.2", "name the origins that may; never reflect Origin with credentials";
    Redirection: "redirection", "Plain http leads to https", Medium, "A02:2021; ASVS 12.2.1", "answer plain http with a redirect to https on the same host";
    Referrer: "referrer-policy", "Other sites do not learn paths", Low, "A01:2021; ASVS 3.4.5", "send strict-origin-when-cross-origin";
    Hsts: "strict-transport-security", "Browsers keep to https", Medium, "A02:2021; ASVS 3.4.1", "send Strict-Transport-Security: max-age=31536000; includeSubDomains";
    Sri: "subresource-integrity", "Scripts of others are pinned", Medium, "A08:2021; ASVS 3.6.1", "add integrity to scripts of other hosts, or serve them yourself";
    Nosniff: "x-content-type-options", "Types are not guessed", Low, "A05:2021; ASVS 3.4.4", "send X-Content-Type-Options: nosniff";
    Framing: "x-frame-options", "Other origins cannot frame the page", Medium, "A05:2021; ASVS 3.4.6", "send frame-ancestors 'none', or X-Frame-Options: DENY";
    Corp: "cross-origin-resource-policy", "Cross-Origin-Resource-Policy can be read", Low, "A05:2021", "send same-origin";
}

/// The site, and its report: as it would be behind https where it was asked on this machine over plain http.
fn report<'a>(case: &Case<'a>) -> Result<(&'a Site, Report, bool), Unknown> {
    let live = case.facts.live.known()?;
    let site = live.site.known()?;
    let here = site.https.is_none() && is_here(&site.host);
    let report = if here { behind_https(site) } else { judge(site) };
    let status = site.page().map_or(0, |page| page.status);
    let why = || Unknown::new(format!("the page answers {status}, which is not graded"), "name a page that is there");
    report.ok_or_else(why).map(|report| (site, report, here))
}

fn is_here(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost") || host.starts_with("127.") || host == "::1" || host == "[::1]"
}

fn one(case: &Case<'_>, test: Test, fix: &str) -> Result<Vec<Ruled>, Unknown> {
    let (_, report, here) = report(case)?;
    if here && matches!(test, Test::Hsts | Test::Redirection) {
        return Ok(vec![Ruled::not_applicable("plain http on this machine: only a site over https can show it")]);
    }
    let tested = report.tests.iter().find(|tested| tested.test == test);
    let tested = tested.ok_or_else(|| Unknown::new("not tested", "ask again"))?;
    let evidence = format!("{} ({:+}): {}", tested.outcome.name, tested.outcome.modifier, tested.outcome.says);
    Ok(vec![match tested.excuse {
        _ if tested.outcome.pass => Ruled::pass(evidence),
        Some(excuse) => Ruled::warn(format!("{evidence}; {}", excuse.because), fix),
        // What browsers on this machine accept without it costs behind https alone.
        None if here && test == Test::Cookies && tested.outcome.modifier == -5 => {
            Ruled::pass(format!("{evidence}; set Secure behind https"))
        }
        None => Ruled::fail(evidence, fix),
    }])
}

const POLICY: Check = Check {
    id: "headers/policy-depth",
    title: "The content security policy has no holes",
    item: Item::Beyond,
    section: Section::Testing,
    severity: Severity::High,
    reference: "A03:2021; ASVS 3.4.3",
    judge: |case| {
        let (site, ..) = report(case)?;
        let Some(page) = site.page() else { return Ok(Vec::new()) };
        let policies: Vec<_> = page.all("content-security-policy").collect();
        if policies.is_empty() {
            return Ok(vec![Ruled::not_applicable("no policy to look into")]);
        }
        let mut found = Vec::new();
        for weakness in policies.iter().flat_map(|policy| csp::weaknesses(policy)) {
            let value = weakness.value.as_deref().unwrap_or_default();
            let evidence = format!("{} {} {value}: {}", weakness.id, weakness.directive, weakness.says);
            match weakness.severity {
                csp::Severity::High | csp::Severity::Syntax => found.push(Ruled::fail(evidence, "mend the policy")),
                csp::Severity::Medium => found.push(Ruled::warn(evidence, "mend the policy")),
                _ => {}
            }
        }
        if found.is_empty() {
            found.push(Ruled::pass("no way round it is known"));
        }
        Ok(found)
    },
};

const PERMISSIONS: Check = Check {
    id: "headers/permissions-policy",
    title: "The page says which of the browser's powers it uses",
    item: Item::Beyond,
    section: Section::Testing,
    severity: Severity::Low,
    reference: "A05:2021",
    judge: |case| {
        let (site, ..) = report(case)?;
        let Some(page) = site.page() else { return Ok(Vec::new()) };
        let missing = presence(page, true).missing.contains(&"permissions-policy");
        let fix = "send Permissions-Policy: camera=(), microphone=(), geolocation=()";
        Ok(vec![if missing { Ruled::fail("no Permissions-Policy", fix) } else { Ruled::pass("it is there") }])
    },
};
