//! Faults, planted one at a time: each is found by its own check, and no other check says anything else than before, but
//! for those that are named beside it with the reason why they must.

use std::collections::BTreeSet;

use crate::project::{Project, Seen, advisory, key, secret};

/// A fault: its name, how it is planted, and which checks see it, with what they come to. The first is its own; what
/// follows from it stands behind, each with its reason.
struct Fault {
    name: &'static str,
    plant: fn(&Project),
    found: &'static [(&'static str, &'static str)],
}

/// What only a person can say, or the running site, the registry or a build; their faults are in tests of their own.
const ELSEWHERE: [&str; 7] = [
    "env/secrets-rotated",
    "env/secrets-not-shared",
    "deps/outdated",
    "deps/framework-current",
    "security/",
    "testing/",
    "final/production-build",
];

/// In the shop itself: two server actions, which it shows on purpose, ask nobody and check nothing.
const SHOWN: [&str; 2] = ["auth/protected-routes", "api/validation"];

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
    // Git keeps its text, so the keys in it lie in the history.
    fault("an env file is tracked", &[("env/file-not-committed", "fail"), ("final/env-file-untracked", "fail"), ("final/secrets-grep", "fail")],
        |it| { it.git(&["add", "--force", ".env.local"]); }),
    fault("an env file was committed once", &[("env/file-not-committed", "fail"), ("final/secrets-grep", "fail")],
        |it| { it.git(&["add", "--force", ".env.local"]); it.commit(); it.git(&["rm", "--cached", "--quiet", ".env.local"]); it.commit(); it.git(&["gc", "--quiet"]); }),
    // What git does not ignore is a file of the project, and keys lie in it.
    fault("an env file is not ignored", &[("env/file-ignored", "fail"), ("final/env-file-untracked", "fail"), ("api/no-hardcoded-secrets", "fail"), ("final/secrets-grep", "fail")],
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
        |it| it.append("lib/journal.ts", "\nexport const entered = (password) => console.log('sign-in', password);\n")),
    fault("the environment in a log", &[("api/no-sensitive-logs", "fail")],
        |it| it.append("lib/journal.ts", "\nconsole.debug(process.env);\n")),
    fault("an error's text in an answer", &[("api/error-handling", "fail")],
        |it| it.append("lib/journal.ts", "\nexport function answer() {\n  try { record('x'); } catch (problem) {\n    return Response.json({ error: problem.message }, { status: 500 });\n  }\n}\n")),
    fault("a card's number in a form of the app", &[("payments/no-card-handling", "fail")],
        |it| it.file("components/Card.tsx", "export const Card = () => <input name=\"cardNumber\" autoComplete=\"cc-number\" />;\n")),
    fault("a card's number in a log", &[("payments/no-card-logs", "fail")],
        |it| it.append("lib/journal.ts", "\nexport const paid = (order) => console.info('paid', order.cardNumber);\n")),
    fault("a handler that asks nobody, let through by its origin alone", &[("auth/protected-routes", "fail")],
        |it| { it.replace("palisade.toml", "[undeclared]\n", "[undeclared]\nunsafe = \"origin\"\n"); it.file("app/api/notes/route.ts", "export async function POST() {\n  return Response.json({});\n}\n"); }),
    fault("a user's things without a look at whose they are", &[("auth/ownership", "fail")],
        |it| { it.replace("palisade.toml", "access = { owner = \"user\" }\n", ""); it.replace("app/api/users/[user]/posts/route.ts", "  if (userId !== user) return Response.json({ error: 'Forbidden' }, { status: 403 });\n", ""); }),
    // Nothing else asks for a plan, so the server's part is no longer shown.
    fault("a premium route that asks for no plan", &[("auth/subscription", "warn"), ("payments/subscription-on-server", "unknown")],
        without_plan),
    // The premium route is open then, too.
    fault("the plan is asked for in the browser alone", &[("payments/subscription-on-server", "fail"), ("auth/subscription", "warn")],
        |it| { without_plan(it); it.file("components/Offers.tsx", "'use client';\nexport const Offers = () => <Protect plan=\"pro\">offers</Protect>;\n"); }),
    // Clerk bills, so that its webhook is one of payments.
    fault("a webhook that verifies nobody", &[("auth/webhook-signatures", "fail"), ("payments/webhooks-verified", "fail")],
        |it| { declare(it, "/api/webhooks/clerk", "kind = \"delegated\""); it.file("app/api/webhooks/clerk/route.ts", "export async function POST(request) {\n  const event = schema.parse(await request.json());\n  return Response.json(event);\n}\n"); }),
    fault("a signature compared in a way that tells time", &[("auth/webhook-signatures", "fail"), ("payments/webhooks-verified", "fail")],
        |it| { declare(it, "/api/billing", "kind = \"delegated\""); it.file("app/api/billing/route.ts", "import { createHmac } from 'node:crypto';\nexport async function POST(request) {\n  const signature = request.headers.get('x-signature');\n  const body = schema.parse(await request.json());\n  const expected = createHmac('sha256', process.env.BILLING_SECRET).update(String(body)).digest('hex');\n  if (signature !== expected) return new Response(null, { status: 400 });\n  return Response.json({});\n}\n"); }),
    fault("whose session expired is not sent to sign in", &[("auth/session-expiry", "warn")],
        |it| it.replace("palisade.toml", "sign_in_url = \"/sign-in\"\n", "")),
    // The last search looks for all of them.
    fault("a password in the source", &[("auth/no-hardcoded-credentials", "fail"), ("final/secrets-grep", "fail")],
        |it| it.file("lib/database.ts", &format!("export const password = '{}';\n", secret()))),
    fault("a live key in a component of the browser", &[("api/no-hardcoded-secrets", "fail"), ("final/secrets-grep", "fail")],
        |it| it.file("components/Pay.tsx", &format!("'use client';\nconst stripe = new Stripe('{}');\n", key("sk_live_").get(..40).expect("ascii")))),
    fault("a key that was taken out again", &[("final/secrets-grep", "fail")],
        |it| { it.file("lib/pay.ts", &format!("const stripe = new Stripe('{}');\n", key("sk_test_").get(..40).expect("ascii"))); it.commit(); it.git(&["rm", "--quiet", "lib/pay.ts"]); it.commit(); }),
    fault("a form without its token", &[("api/csrf", "fail")],
        |it| it.replace("palisade.toml", "kind = \"public-form\"\nlimit = \"60/min\"\n", "kind = \"public-form\"\nlimit = \"60/min\"\ncsrf = { strength = \"none\", because = \"a test\" }\n")),
    fault("the token is checked before the limit", &[("api/rate-limit", "fail")],
        |it| it.replace("app/api/example-protected/route.ts", "export async function POST(request: Request): Promise<Response> {", "export const POST = withCsrf(withRateLimit(handler));\nasync function handler(request: Request): Promise<Response> {")),
    // The gate refuses what nobody has declared, which is a warning for whoever wrote it.
    fault("a handler that nobody declared", &[("api/rate-limit", "warn"), ("api/csrf", "warn")],
        |it| it.file("app/api/notes/route.ts", "export async function POST() {\n  return Response.json({});\n}\n")),
    fault("input that nothing checks", &[("api/validation", "fail")],
        |it| it.file("app/api/example-protected/route.ts", "export async function POST(request: Request): Promise<Response> {\n  return Response.json(await request.json());\n}\n")),
    fault("the policy only observes", &[("env/enforced", "fail")],
        |it| it.replace("palisade.toml", "[app]\n", "[app]\nmode = \"observe\"\n")),
    fault("one route is only observed", &[("env/enforced", "fail")],
        |it| it.replace("palisade.toml", "path = \"/api/contact\"\n", "path = \"/api/contact\"\nmode = \"observe\"\n")),
    fault("what somebody confirmed has lapsed", &[("env/secret-manager", "fail")],
        |it| it.file("palisade.attestations.json", r#"{"env/secret-manager":{"by":"Ann","until":"2026-01-31","note":"seen"}}"#)),
];

/// Takes out both places that ask for a plan.
fn without_plan(it: &Project) {
    it.replace("palisade.toml", "access = { plan = [\"pro\"] }\n", "");
    let asks = "  if (!has({ plan: 'pro' })) return Response.json({ error: 'Forbidden' }, { status: 403 });\n";
    it.replace("app/api/pro/offers/route.ts", asks, "");
}

/// One more route of the policy.
fn declare(it: &Project, path: &str, more: &str) {
    let route = format!("[[route]]\npath = \"{path}\"\nmethods = [\"POST\"]\n{more}\n\n[undeclared]\n");
    it.replace("palisade.toml", "[undeclared]\n", &route);
}

#[test]
fn b1_b4_b8_c1_c2_c4_c5_c6_each_planted_fault_is_found_and_nothing_else_changes() {
    let shop = Project::shop();
    let before = look(&shop);
    for (id, (status, details)) in &before {
        let fine = matches!(status.as_str(), "pass" | "unknown" | "not_applicable");
        assert!(fine || (status == "warn" && SHOWN.contains(&id.as_str())), "the shop itself: {id}: {details:?}");
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
            if (&now.0, open(now)) != (&before[id].0, open(&before[id])) {
                wrong.push(format!("{}: {id} changed to {}: {:?}", fault.name, now.0, now.1));
            }
        }
    }
    assert!(FAULTS.len() >= 30);
    assert!(wrong.is_empty(), "{} of {} faults:\n{}", wrong.len(), FAULTS.len(), wrong.join("\n"));
    // Every check that a file of the project can decide is seen to fail, or to warn.
    let found = FAULTS.iter().flat_map(|fault| fault.found).filter(|(_, status)| matches!(*status, "fail" | "warn"));
    let found: BTreeSet<&str> = found.map(|(id, _)| *id).collect();
    let without: Vec<&String> = before
        .keys()
        .filter(|id| !found.contains(id.as_str()) && !ELSEWHERE.iter().any(|start| id.starts_with(start)))
        .collect();
    assert!(without.is_empty(), "never found: {without:?}");
}

/// All but what passes: that may count other things than before.
fn open(seen: &(String, Vec<String>)) -> Vec<&String> {
    seen.1.iter().filter(|detail| !detail.starts_with("pass ")).collect()
}

fn look(project: &Project) -> Seen {
    project.seen(&["--osv", "osv"])
}
