//! `init`.

use std::fs;
use std::path::Path;

use crate::folder::{Folder, text};

/// The example shop, without its policy, its packages and what was made in it.
fn shop(name: &str) -> Folder {
    let folder = Folder::new(name);
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/nextjs-shop");
    copy(&from, folder.path());
    fs::remove_file(folder.path().join("palisade.toml")).expect("the policy goes");
    folder
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("folder").map(|entry| entry.expect("entry")) {
        let name = entry.file_name();
        let left_out = ["node_modules", ".next", "palisade.db"].iter().any(|other| name == *other);
        if left_out || name.to_string_lossy().starts_with(".env") {
            continue;
        }
        let (from, to) = (entry.path(), to.join(&name));
        if entry.file_type().expect("type").is_dir() {
            fs::create_dir_all(&to).expect("folder");
            copy(&from, &to);
        } else {
            fs::copy(from, to).expect("copied");
        }
    }
}

#[test]
fn the_shop_gets_a_policy_that_holds_without_a_hand_on_it() {
    let folder = shop("shop");
    // What `npm run keys` writes, as far as the gate reads it.
    let clerk = "NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY=pk_test_Y2xlcmsuc2hvcC5leGFtcGxlJA\nCLERK_SECRET_KEY=not-looked-at-here-1234567890\n";
    folder.file(".env.local", &format!("{clerk}STRIPE_WEBHOOK_SECRET=whsec_{}\n", "9fK2mXq7Lr4Tz8BvWc3Dn6HjPw5Rs1Ty"));
    let output = folder.run(&["init", "--yes"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let policy = folder.read("palisade.toml");
    for entry in [
        "path = \"/api/contact\"\nmethods = [\"POST\"]\nkind = \"public-form\"",
        "path = \"/api/example-account\"\nmethods = [\"POST\"]\nkind = \"account\"",
        "path = \"/api/pro/offers\"\nkind = \"protected-read\"",
        "path = \"/api/users/{user}/posts\"\nmethods = [\"POST\"]\nkind = \"protected-write\"",
        "path = \"/api/webhooks/stripe\"\nkind = \"webhook\"\nsignature = { scheme = \"stripe\", secrets = [\"STRIPE_WEBHOOK_SECRET\"] }",
        "path = \"/account\"\nkind = \"protected-read\"",
        "mode = \"observe\"",
    ] {
        assert!(policy.contains(entry), "{entry}\n---\n{policy}");
    }
    let said = text(&output.stderr);
    assert!(said.contains("browser -> Clerk") && said.contains("restock"), "{said}");
    for (command, wanted) in
        [(&["policy", "check"][..], 0), (&["serve", "--check", "--env", "development", "--env-file", ".env.local"], 0)]
    {
        let output = folder.run(command);
        assert_eq!(output.status.code(), Some(wanted), "{command:?}: {}", text(&output.stderr));
    }
    let ignored = folder.read(".gitignore");
    assert!(ignored.lines().any(|line| line == "palisade.db*"), "{ignored}");
    let secrets = folder.read(".env.local");
    assert!(
        secrets.starts_with(clerk)
            && ["CSRF_SECRET", "SESSION_SECRET", "PALISADE_ADMIN_TOKEN"]
                .iter()
                .all(|name| secrets.contains(&format!("\n{name}="))),
        "{secrets}"
    );
    let about = std::fs::metadata(folder.path().join(".env.local")).expect("file");
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&about.permissions()) & 0o077, 0, "others can read the secrets");
    assert!(
        !said.contains(secrets.lines().last().and_then(|line| line.split_once('=')).expect("a secret").1),
        "a secret is shown"
    );
}

#[test]
fn what_is_there_is_never_replaced_unasked() {
    let folder = Folder::with(
        "kept",
        &[("package.json", "{\"dependencies\":{\"next\":\"16\"}}"), ("palisade.toml", "# mine\n")],
    );
    assert_eq!(folder.run(&["init", "--yes"]).status.code(), Some(2));
    assert_eq!(folder.run(&["init"]).status.code(), Some(2), "nobody is there to ask");
    assert_eq!(folder.read("palisade.toml"), "# mine\n");
    assert_eq!(folder.run(&["init", "--yes", "--overwrite"]).status.code(), Some(0));
    assert!(folder.read("palisade.toml").contains("[app]"));
    let first = folder.read(".env.local");
    assert_eq!(folder.run(&["init", "--yes", "--overwrite"]).status.code(), Some(0));
    assert_eq!(folder.read(".env.local"), first, "secrets that are set stay");
}

#[test]
fn other_apps_and_none_get_a_policy_too() {
    let axum = "use axum::{Router, routing::{get, post}};\nfn app() -> Router { Router::new().route(\"/healthz\", get(ok)).route(\"/api/login\", post(login)) }";
    let openapi = "openapi: 3.1.0\npaths:\n  /search:\n    post: {}\n  /upload:\n    post: {}\n";
    for (name, files) in
        [("axum", vec![("src/main.rs", axum)]), ("openapi", vec![("openapi.yaml", openapi)]), ("nothing", vec![])]
    {
        let folder = Folder::with(name, &files);
        let output = folder.run(&["init", "--json"]);
        assert_eq!(output.status.code(), Some(0), "{name}: {}", text(&output.stderr));
        assert!(!folder.path().join("palisade.toml").exists(), "data alone writes nothing");
        let value: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let kinds: Vec<&str> =
            value["routes"].as_array().expect("routes").iter().filter_map(|route| route["kind"].as_str()).collect();
        let expected: &[&str] = match name {
            "axum" => &["login", "health"],
            "openapi" => &["search", "public-form"],
            _ => &[],
        };
        assert_eq!(kinds, expected, "{name}");
        assert_eq!(folder.run(&["init", "--yes"]).status.code(), Some(0));
        for command in
            [&["policy", "check"][..], &["serve", "--check", "--env", "development", "--env-file", ".env.local"]]
        {
            let output = folder.run(command);
            assert_eq!(output.status.code(), Some(0), "{name} {command:?}: {}", text(&output.stderr));
        }
    }
}

#[test]
fn what_init_says_next_works_for_an_app_in_a_monorepo() {
    let route = "export async function POST(request: Request) { return Response.json({}); }";
    let folder = Folder::with(
        "monorepo",
        &[
            ("package.json", "{\"name\":\"mono\",\"workspaces\":[\"apps/*\"]}"),
            ("apps/web/package.json", "{\"name\":\"web\",\"dependencies\":{\"next\":\"16\"}}"),
            ("apps/web/app/api/contact/route.ts", route),
            ("apps/web/.env.local", "OWN=1\n"),
            ("packages/ui/package.json", "{\"name\":\"ui\",\"peerDependencies\":{\"next\":\"16\"}}"),
        ],
    );
    let output = folder.run(&["init", "--yes"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(folder.read("palisade.toml").contains("directory = \"apps/web\" "), "{}", folder.read("palisade.toml"));
    let serve = said.lines().find_map(|line| line.trim().strip_prefix("palisade serve ")).expect("the command");
    assert_eq!(serve, "--env development --env-file .env.local --env-file apps/web/.env.local");
    let args: Vec<&str> = ["serve", "--check"].into_iter().chain(serve.split(' ')).collect();
    let output = folder.run(&args);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));

    // Two apps want a policy each.
    folder.file("apps/admin/package.json", "{\"name\":\"admin\",\"dependencies\":{\"next\":\"16\"}}");
    folder.file("apps/admin/app/api/users/route.ts", route);
    let (code, found) = folder.json(&["init", "--json"]);
    let notes = found["notes"].to_string();
    assert!(code == Some(0) && notes.contains("2 Next.js apps lie here (apps/admin, apps/web)"), "{notes}");
    let output = folder.run(&["init", "--yes", "apps/admin"]);
    assert!(text(&output.stderr).contains("cd apps/admin"), "{}", text(&output.stderr));
}

#[test]
fn what_init_cannot_know_is_pointed_at() {
    let asks = "import { getServerSession } from \"next-auth\";\nexport async function DELETE() { if (!(await getServerSession())) return new Response(null, { status: 401 }); }";
    let folder = Folder::with(
        "guesses",
        &[
            ("package.json", "{\"dependencies\":{\"next\":\"16\",\"next-auth\":\"4\"}}"),
            ("app/api/login/route.ts", "export async function POST() { return Response.json({}); }"),
            ("app/api/posts/[id]/route.ts", asks),
        ],
    );
    let (_, found) = folder.json(&["init", "--json"]);
    assert!(found["notes"].to_string().contains("/api/login: `success` and `identifier` are guesses"), "{found}");
    let posts = found["routes"].as_array().expect("routes").iter().find(|route| route["path"] == "/api/posts/{id}");
    let because = posts.expect("posts")["because"].as_str().expect("because").to_owned();
    assert!(because.contains("with it, this is `protected-write`") && !because.contains("if anyone may"), "{because}");
    let hook = "export default async function handler(req, res) { stripe.webhooks.constructEvent(req.body, req.headers['stripe-signature'], process.env.STRIPE_WEBHOOK_SECRET); res.json({}); }";
    let pages = Folder::with(
        "pages",
        &[("package.json", "{\"dependencies\":{\"next\":\"13\",\"stripe\":\"12\"}}"), ("pages/api/stripe.js", hook)],
    );
    let (_, found) = pages.json(&["init", "--json"]);
    let kinds: Vec<_> = found["routes"].as_array().expect("routes").iter().map(|route| &route["kind"]).collect();
    assert_eq!(kinds, ["webhook"], "nobody reads a webhook: {found}");
    assert!(found["notes"].to_string().contains("taken to answer every method"), "{found}");
    // What the gate would not start without is named before it is started, and no more than that.
    let said = text(&pages.run(&["init", "--yes"]).stderr);
    assert!(said.contains("  STRIPE_WEBHOOK_SECRET is not set") && !said.contains("CSRF_SECRET is not"), "{said}");
    pages.file(".env", "STRIPE_WEBHOOK_SECRET=whsec_9fK2mXq7Lr4Tz8BvWc3Dn6HjPw5Rs1Ty\n");
    let said = text(&pages.run(&["init", "--yes", "--overwrite"]).stderr);
    assert!(!said.contains("is not set") && said.contains("--env-file .env.local --env-file .env\n"), "{said}");
    let args = ["serve", "--check", "--env", "development", "--env-file", ".env.local", "--env-file", ".env"];
    assert_eq!(pages.run(&args).status.code(), Some(0), "{}", text(&pages.run(&args).stderr));
    let nothing = Folder::with("cargo", &[("Cargo.toml", "[package]\nname = \"notes-api\"\n")]);
    let output = nothing.run(&["init", "--yes"]);
    assert!(text(&output.stderr).contains("Found no route to declare"), "{}", text(&output.stderr));
    assert!(nothing.read("palisade.toml").contains("name = \"notes-api\""));
}
