//! What follows from naming a service: variables, CSP sources, the issuer of tokens, the usual webhook secrets.
//!
//! Sources: the operations guide's "Required Environment Variables"; Clerk's and Stripe's documented CSP; Convex's
//! client (`convex/src/browser/sync/client.ts`).

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::builder::PolicyBuilder;
use crate::model::{CspSources, Identity, IdentityProvider, Origin, Service};

/// Variables of Palisade itself, wanted in every environment.
pub const ALWAYS: [&str; 2] = ["CSRF_SECRET", "SESSION_SECRET"];

/// Names Clerk's frontend, and with it the issuer of tokens.
pub(crate) const CLERK_KEY: &str = "NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY";

/// Names Convex's deployment.
const CONVEX_URL: &str = "NEXT_PUBLIC_CONVEX_URL";

/// Variables a service wants, the same in each environment; their values differ.
#[derive(Debug, Clone, Copy)]
pub struct Variables {
    /// Without them it does not work.
    pub required: &'static [&'static str],
    /// What it may have beside them.
    pub optional: &'static [&'static str],
}

/// The guide's list: five required ones in all (with [`ALWAYS`]), the others optional.
#[must_use]
pub const fn variables(service: Service) -> Variables {
    match service {
        Service::Clerk => Variables {
            required: &[CLERK_KEY, "CLERK_SECRET_KEY"],
            optional: &[
                "NEXT_PUBLIC_CLERK_FRONTEND_API_URL",
                "CLERK_WEBHOOK_SIGNING_SECRET",
                "CLERK_WEBHOOK_SECRET",
                "CLERK_JWT_KEY",
            ],
        },
        Service::Convex => Variables { required: &[CONVEX_URL], optional: &["CONVEX_DEPLOYMENT"] },
        Service::Stripe => Variables {
            required: &[],
            optional: &["STRIPE_SECRET_KEY", "NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY", "STRIPE_WEBHOOK_SECRET"],
        },
        Service::Svix => Variables { required: &[], optional: &["SVIX_WEBHOOK_SECRET"] },
    }
}

/// The variables in which the secrets of a provider's webhooks usually lie. Clerk renamed its own.
pub(crate) fn webhook_secrets(scheme: &str) -> Vec<String> {
    let names: &[&str] = match scheme {
        "clerk" => &["CLERK_WEBHOOK_SIGNING_SECRET", "CLERK_WEBHOOK_SECRET"],
        "svix" => &["SVIX_WEBHOOK_SECRET"],
        "stripe" => &["STRIPE_WEBHOOK_SECRET"],
        "github" => &["GITHUB_WEBHOOK_SECRET"],
        "slack" => &["SLACK_SIGNING_SECRET"],
        "vercel" => &["VERCEL_WEBHOOK_SECRET"],
        _ => &["WEBHOOK_SECRET"],
    };
    owned(names)
}

/// Clerk's frontend host, as its publishable key tells it: `pk_live_` and base64 of the host and a `$`.
fn clerk_host(variables: &BTreeMap<String, String>) -> Option<String> {
    let key = variables.get(CLERK_KEY)?.trim();
    let encoded = key.strip_prefix("pk_live_").or_else(|| key.strip_prefix("pk_test_"))?;
    let decoded = STANDARD_NO_PAD.decode(encoded.trim_end_matches('=')).ok()?;
    let host = String::from_utf8(decoded).ok()?;
    let host = host.strip_suffix('$')?;
    let origin = Origin::parse(&format!("https://{host}"))?;
    (origin.authority == host && host.contains('.')).then(|| host.to_owned())
}

/// Adds everything that follows from the services of a policy.
pub(crate) fn apply(builder: &mut PolicyBuilder, variables: &BTreeMap<String, String>) {
    let mut required: Vec<String> = owned(&ALWAYS);
    let mut optional: Vec<String> = Vec::new();
    for service in &builder.app.services {
        let preset = self::variables(*service);
        required.extend(owned(preset.required));
        optional.extend(owned(preset.optional));
        add_csp(&mut builder.csp, *service, variables, &builder.app.public_origins);
    }
    required.extend(builder.state.redis.clone());
    required.append(&mut builder.required_variables);
    optional.append(&mut builder.optional_variables);
    let mut seen = BTreeSet::new();
    required.retain(|name| seen.insert(name.clone()));
    optional.retain(|name| seen.insert(name.clone()));
    builder.required_variables = required;
    builder.optional_variables = optional;
    if builder.identity.is_none() && builder.app.services.contains(&Service::Clerk) {
        builder.identity = Some(Identity {
            provider: IdentityProvider::Clerk,
            issuer: None,
            jwks: None,
            audience: Vec::new(),
            authorized_parties: builder.app.public_origins.iter().map(ToString::to_string).collect(),
            sign_in_url: None,
            claims: BTreeMap::new(),
        });
    }
    let identity = builder.identity.as_mut().filter(|identity| identity.provider == IdentityProvider::Clerk);
    if let (Some(identity), Some(host)) = (identity, clerk_host(variables)) {
        identity.issuer.get_or_insert_with(|| format!("https://{host}"));
        identity.jwks.get_or_insert_with(|| format!("https://{host}/.well-known/jwks.json"));
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Adds what the pages of an app that uses the service load. Where the app's own host at the service is not known,
/// the documented wildcard stands for it.
fn add_csp(csp: &mut CspSources, service: Service, variables: &BTreeMap<String, String>, origins: &[Origin]) {
    match service {
        Service::Clerk => clerk(csp, variables, origins),
        Service::Convex => convex(csp, variables),
        Service::Stripe => stripe(csp),
        Service::Svix => {}
    }
}

fn clerk(csp: &mut CspSources, variables: &BTreeMap<String, String>, origins: &[Origin]) {
    let hosts = match clerk_host(variables) {
        Some(host) => vec![format!("https://{host}")],
        None => {
            let own =
                origins.iter().filter(|origin| origin.https).map(|origin| format!("https://clerk.{}", origin.host()));
            std::iter::once("https://*.clerk.accounts.dev".to_owned()).chain(own).collect()
        }
    };
    add(&mut csp.script, &hosts);
    add(&mut csp.connect, &hosts);
    add(&mut csp.script, &["https://challenges.cloudflare.com", "https://*.protect.clerk.com"]);
    add(
        &mut csp.connect,
        &["https://*.protect.clerk.com:*", "https://clerk-telemetry.com", "https://*.clerk-telemetry.com"],
    );
    add(&mut csp.img, &["https://img.clerk.com"]);
    add(&mut csp.worker, &["blob:"]);
    // Clerk's components write their styles at run time.
    add(&mut csp.style, &["'unsafe-inline'"]);
    add(&mut csp.frame, &["https://challenges.cloudflare.com", "https://*.protect.clerk.com"]);
}

fn convex(csp: &mut CspSources, variables: &BTreeMap<String, String>) {
    let url = variables.get(CONVEX_URL).map(|url| url.trim().trim_end_matches('/'));
    let Some(origin) = url.and_then(Origin::parse).filter(|origin| origin.https) else {
        add(&mut csp.connect, &["https://*.convex.cloud", "wss://*.convex.cloud", "https://*.convex.site"]);
        add(&mut csp.img, &["https://*.convex.cloud"]);
        return;
    };
    let host = &origin.authority;
    add(&mut csp.connect, &[format!("https://{host}"), format!("wss://{host}")]);
    // HTTP actions of a deployment lie beside it; a self-hosted one serves both.
    if let Some(name) = host.strip_suffix(".convex.cloud") {
        add(&mut csp.connect, &[format!("https://{name}.convex.site")]);
    }
    add(&mut csp.img, &[format!("https://{host}")]);
}

fn stripe(csp: &mut CspSources) {
    let frames = ["https://js.stripe.com", "https://*.js.stripe.com"];
    add(&mut csp.script, &frames);
    add(&mut csp.script, &["https://maps.googleapis.com"]);
    add(&mut csp.frame, &frames);
    add(&mut csp.frame, &["https://hooks.stripe.com"]);
    add(&mut csp.connect, &["https://api.stripe.com", "https://maps.googleapis.com"]);
    add(&mut csp.form, &["https://checkout.stripe.com"]);
}

/// Adds what is not there yet.
fn add<S: AsRef<str>>(list: &mut Vec<String>, more: &[S]) {
    for source in more {
        if !list.iter().any(|known| known == source.as_ref()) {
            list.push(source.as_ref().to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn clerks_host_is_read_from_its_key() {
        for (key, host) in [
            ("pk_live_Y2xlcmsuZXhhbXBsZS5jb20k", Some("clerk.example.com")),
            ("pk_test_aGFwcHktb3R0ZXItMTIuY2xlcmsuYWNjb3VudHMuZGV2JA", Some("happy-otter-12.clerk.accounts.dev")),
            ("pk_test_aGFwcHktb3R0ZXItMTIuY2xlcmsuYWNjb3VudHMuZGV2JA==", Some("happy-otter-12.clerk.accounts.dev")),
            ("pk_live_...", None),
            ("sk_live_Y2xlcmsuZXhhbXBsZS5jb20k", None),
            ("pk_live_", None),
            // "a;script-src *$" must not reach a header.
            ("pk_live_YTtzY3JpcHQtc3JjICok", None),
        ] {
            assert_eq!(clerk_host(&with(CLERK_KEY, key)).as_deref(), host, "{key}");
        }
        assert_eq!(clerk_host(&BTreeMap::new()), None);
    }

    #[test]
    fn csp_names_the_apps_own_hosts_when_they_are_known() {
        let origins = [Origin::parse("https://shop.example").expect("origin")];
        let mut known = CspSources::default();
        add_csp(&mut known, Service::Clerk, &with(CLERK_KEY, "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k"), &origins);
        assert!(known.script.contains(&"https://clerk.example.com".to_owned()));
        assert!(!known.script.iter().any(|source| source.contains("accounts.dev")));
        let mut unknown = CspSources::default();
        add_csp(&mut unknown, Service::Clerk, &BTreeMap::new(), &origins);
        assert!(unknown.script.contains(&"https://*.clerk.accounts.dev".to_owned()));
        assert!(unknown.script.contains(&"https://clerk.shop.example".to_owned()));
    }

    #[test]
    fn convex_takes_its_deployment_and_nothing_else() {
        for (url, connect) in [
            ("https://happy-animal-1.convex.cloud/", "wss://happy-animal-1.convex.cloud"),
            ("https://happy-animal-1.convex.cloud", "https://happy-animal-1.convex.site"),
            ("https://db.shop.example", "wss://db.shop.example"),
            ("https://x.convex.cloud; script-src *", "wss://*.convex.cloud"),
            ("", "wss://*.convex.cloud"),
        ] {
            let mut csp = CspSources::default();
            add_csp(&mut csp, Service::Convex, &with(CONVEX_URL, url), &[]);
            assert!(csp.connect.contains(&connect.to_owned()), "{url}: {:?}", csp.connect);
        }
    }

    #[test]
    fn the_guides_five_variables_are_required_and_the_others_are_optional() {
        let services = [Service::Clerk, Service::Convex, Service::Stripe, Service::Svix];
        let required: Vec<&str> = ALWAYS
            .into_iter()
            .chain(services.iter().flat_map(|service| variables(*service).required).copied())
            .collect();
        assert_eq!(required, ["CSRF_SECRET", "SESSION_SECRET", CLERK_KEY, "CLERK_SECRET_KEY", CONVEX_URL]);
        let optional: Vec<&str> = services.iter().flat_map(|service| variables(*service).optional).copied().collect();
        for name in ["CLERK_WEBHOOK_SECRET", "CLERK_WEBHOOK_SIGNING_SECRET", "CONVEX_DEPLOYMENT", "STRIPE_SECRET_KEY"] {
            assert!(optional.contains(&name), "{name}");
        }
    }
}
