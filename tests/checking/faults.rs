//! Faults, planted one at a time: each is found by its own checks, and no other check says anything else than before.

use std::collections::BTreeSet;

use crate::project::{Project, Seen, advisory, key, secret};

/// A fault: its name, how it is planted, and which checks must see it, with what they come to.
struct Fault {
    name: &'static str,
    plant: fn(&Project),
    found: &'static [(&'static str, &'static str)],
}

const PRODUCTION: &str = ".env.production";

const fn fault(name: &'static str, found: &'static [(&'static str, &'static str)], plant: fn(&Project)) -> Fault {
    Fault { name, plant, found }
}

#[rustfmt::skip]
const FAULTS: &[Fault] = &[
    fault("a secret is missing in production", &[("env/variables-set", "fail"), ("env/csrf-secret-length", "fail")],
        |it| it.unset(PRODUCTION, "CSRF_SECRET")),
    fault("a service's key is missing", &[("env/variables-set", "fail"), ("env/clerk-production-keys", "fail")],
        |it| it.unset(PRODUCTION, "CLERK_SECRET_KEY")),
    fault("a webhook's secret is missing", &[("env/variables-set", "fail"), ("env/stripe-live-keys", "pass")],
        |it| it.unset(PRODUCTION, "STRIPE_WEBHOOK_SECRET")),
    fault("a placeholder was left", &[("env/variables-set", "fail"), ("env/session-secret-length", "fail"), ("env/secrets-differ", "pass")],
        |it| it.set(PRODUCTION, "SESSION_SECRET", "<32-byte-base64url-string>")),
    fault("an optional variable is a placeholder", &[("env/variables-set", "warn")],
        |it| it.set(PRODUCTION, "SENTRY_DSN", "your-dsn-here")),
    fault("a secret is short", &[("env/session-secret-length", "fail")],
        |it| { let text = secret(); it.set(PRODUCTION, "SESSION_SECRET", text.get(..24).expect("ascii")); }),
    fault("a secret is easy to guess", &[("env/csrf-secret-length", "fail")],
        |it| it.set(PRODUCTION, "CSRF_SECRET", &"palisade".repeat(6))),
    fault("a secret of development is short", &[("env/csrf-secret-length", "fail")],
        |it| it.set(".env.local", "CSRF_SECRET", "x7Kq2")),
    fault("one secret for development and production", &[("env/secrets-differ", "fail")],
        |it| { let text = secret(); it.set(PRODUCTION, "SESSION_SECRET", &text); it.set(".env.local", "SESSION_SECRET", &text); }),
    fault("Clerk's test key in production", &[("env/clerk-production-keys", "fail"), ("payments/test-mode-off", "fail")],
        |it| it.set(PRODUCTION, "CLERK_SECRET_KEY", &key("sk_test_"))),
    fault("Clerk's publishable test key in production", &[("env/clerk-production-keys", "fail"), ("payments/test-mode-off", "fail")],
        |it| it.set(PRODUCTION, "NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY", &key("pk_test_"))),
    fault("Clerk's development host in production", &[("env/clerk-production-keys", "fail")],
        |it| it.set(PRODUCTION, "NEXT_PUBLIC_CLERK_FRONTEND_API_URL", "https://happy-otter-1.clerk.accounts.dev")),
    fault("Convex's development deployment in production", &[("env/convex-production", "fail")],
        |it| it.set(PRODUCTION, "CONVEX_DEPLOYMENT", "dev:happy-otter-1")),
    fault("Convex on this machine in production", &[("env/convex-production", "fail")],
        |it| it.set(PRODUCTION, "NEXT_PUBLIC_CONVEX_URL", "http://127.0.0.1:3210")),
    fault("Stripe's test key in production", &[("env/stripe-live-keys", "fail"), ("payments/test-mode-off", "fail")],
        |it| it.set(PRODUCTION, "STRIPE_SECRET_KEY", &key("sk_test_"))),
    fault("a live key in development", &[("env/test-keys-elsewhere", "fail")],
        |it| it.set(".env.local", "STRIPE_SECRET_KEY", &key("sk_live_"))),
    fault("a secret behind a public name, by its form", &[("env/public-exposure", "fail")],
        |it| it.set(PRODUCTION, "NEXT_PUBLIC_PAYMENTS", &key("sk_live_"))),
    fault("a secret behind a public name, by its value", &[("env/public-exposure", "fail")],
        |it| { let text = secret(); it.set(PRODUCTION, "CSRF_SECRET", &text); it.set(PRODUCTION, "NEXT_PUBLIC_NONCE", &text); }),
    fault("a secret behind a public name, by the name", &[("env/public-exposure", "fail")],
        |it| it.set(".env.local", "NEXT_PUBLIC_API_SECRET", &secret())),
    fault("an env file is tracked", &[("env/file-not-committed", "fail"), ("final/env-file-untracked", "fail")],
        |it| { it.git(&["add", "--force", ".env.local"]); }),
    fault("an env file was committed once", &[("env/file-not-committed", "fail")],
        |it| { it.git(&["add", "--force", ".env.local"]); it.commit(); it.git(&["rm", "--cached", "--quiet", ".env.local"]); it.commit(); it.git(&["gc", "--quiet"]); }),
    fault("an env file is not ignored", &[("env/file-ignored", "fail"), ("final/env-file-untracked", "fail")],
        |it| it.append(".gitignore", "!.env.local\n")),
    fault("the lock file is not tracked", &[("deps/lockfile-committed", "fail")],
        |it| it.git(&["rm", "--cached", "--quiet", "package-lock.json"])),
    fault("the lock file does not pin a package", &[("deps/lockfile-committed", "fail")],
        |it| it.replace("package.json", "\"next\":", "\"zod\": \"4.0.0\",\n    \"next\":")),
    fault("the lock file is not whole", &[("deps/lockfile-committed", "unknown"), ("deps/framework-current", "unknown")],
        |it| { let text = it.read("package-lock.json"); it.file("package-lock.json", text.get(..text.len() / 2).expect("ascii")); }),
    fault("a package with a known weakness", &[("deps/audit", "fail"), ("deps/critical-updated", "fail"), ("final/audit", "fail")],
        |it| it.file("osv/stripe.json", &advisory("stripe", "99.0.0"))),
    fault("a password in a log", &[("api/no-sensitive-logs", "fail")],
        |it| it.file("app/api/x/route.ts", "export async function POST(request) {\n  const { password } = await request.json();\n  console.log('sign-in', password);\n}\n")),
    fault("the environment in a log", &[("api/no-sensitive-logs", "fail")],
        |it| it.append("lib/journal.ts", "\nconsole.debug(process.env);\n")),
    fault("an error's text in an answer", &[("api/error-handling", "fail")],
        |it| it.append("lib/journal.ts", "\nexport function answer() {\n  try { record('x'); } catch (problem) {\n    return Response.json({ error: problem.message }, { status: 500 });\n  }\n}\n")),
    fault("a card's number in a form of the app", &[("payments/no-card-handling", "fail")],
        |it| it.file("components/Card.tsx", "export const Card = () => <input name=\"cardNumber\" autoComplete=\"cc-number\" />;\n")),
    fault("a card's number in a log", &[("payments/no-card-logs", "fail")],
        |it| it.append("lib/journal.ts", "\nexport const paid = (order) => console.info('paid', order.cardNumber);\n")),
    fault("the policy only observes", &[("env/enforced", "fail")],
        |it| it.replace("palisade.toml", "[app]\n", "[app]\nmode = \"observe\"\n")),
    fault("one route is only observed", &[("env/enforced", "fail")],
        |it| it.replace("palisade.toml", "path = \"/api/contact\"\n", "path = \"/api/contact\"\nmode = \"observe\"\n")),
    fault("what somebody confirmed has lapsed", &[("env/secret-manager", "fail")],
        |it| it.file("palisade.attestations.json", r#"{"env/secret-manager":{"by":"Ann","until":"2026-01-31","note":"seen"}}"#)),
];

#[test]
fn b1_b4_b8_c1_c2_c6_each_planted_fault_is_found_and_nothing_else_changes() {
    let shop = Project::shop();
    let before = look(&shop);
    for (id, (status, details)) in &before {
        assert!(matches!(status.as_str(), "pass" | "unknown" | "not_applicable"), "the shop itself: {id}: {details:?}");
    }
    let mut wrong = Vec::new();
    for fault in FAULTS {
        let project = shop.again();
        (fault.plant)(&project);
        let after = look(&project);
        let named: BTreeSet<&str> = fault.found.iter().map(|(id, _)| *id).collect();
        for (id, status) in fault.found {
            let now = &after[*id];
            if now.0 != *status || (now == &before[*id] && *status != "pass") {
                wrong.push(format!("{}: {id} is {}: {:?}", fault.name, now.0, now.1));
            }
        }
        for (id, now) in after.iter().filter(|(id, _)| !named.contains(id.as_str())) {
            // What passes may count other things than before.
            if now != &before[id] && (now.0 != "pass" || before[id].0 != "pass") {
                wrong.push(format!("{}: {id} changed to {}: {:?}", fault.name, now.0, now.1));
            }
        }
    }
    assert!(FAULTS.len() >= 30);
    assert!(wrong.is_empty(), "{} of {} faults:\n{}", wrong.len(), FAULTS.len(), wrong.join("\n"));
}

/// What is judged by routes and leaks has tests of its own (tests/project), and changes with reason here: a handler that
/// is planted is a new route, a live key is a live key wherever it is written.
fn look(project: &Project) -> Seen {
    let mut seen = project.seen(&["--osv", "osv"]);
    let elsewhere = [
        "auth/",
        "api/csrf",
        "api/rate-limit",
        "api/validation",
        "api/no-hardcoded",
        "final/secrets",
        "payments/webhooks",
        "payments/subscription",
    ];
    seen.retain(|id, _| !elsewhere.iter().any(|start| id.starts_with(start)));
    seen
}
