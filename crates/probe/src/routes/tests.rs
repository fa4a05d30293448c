//! Projects of a few files, read as a whole.

use std::fs;
use std::path::PathBuf;

use palisade_check::facts::routes::{Endpoint, Routes, Surface};

use super::*;

/// A folder that goes when it is no longer used.
struct Project(PathBuf);

impl Project {
    fn new(name: &str, files: &[(&str, &str)]) -> Project {
        let folder = std::env::temp_dir().join(format!("palisade-routes-{}-{name}", std::process::id()));
        for (file, text) in files {
            let path = folder.join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
            fs::write(path, text).expect("file");
        }
        Project(folder)
    }

    fn routes(&self) -> Routes {
        collect(&Root::new(&self.0).expect("root"), &Names::default())
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const NEXT: (&str, &str) = ("package.json", r#"{"name":"app","dependencies":{"next":"16.0.0"}}"#);

fn route<'r>(routes: &'r Routes, path: &str) -> &'r Endpoint {
    routes.endpoints.iter().find(|endpoint| endpoint.path == path).unwrap_or_else(|| panic!("{path}: {routes:#?}"))
}

fn methods(routes: &Routes, path: &str) -> String {
    route(routes, path).methods.join(" ")
}

#[test]
fn every_export_form_of_a_route_file_is_read() {
    let project = Project::new(
        "forms",
        &[
            NEXT,
            ("tsconfig.json", "{ // paths\n \"compilerOptions\": { \"paths\": { \"@/*\": [\"./lib/*\"], }, } }"),
            (
                "lib/handlers.ts",
                "export const GET = () => new Response();\nexport async function remove() { return new Response(); }\nexport type PUT = string;",
            ),
            ("lib/all.ts", "export * from './handlers';\nexport const PATCH = async () => new Response();"),
            ("app/api/function/route.ts", "export async function POST(request: Request) { return Response.json({}); }"),
            (
                "app/api/const/route.ts",
                "export const GET = (async () => new Response()) satisfies unknown as any, PUT = () => new Response();",
            ),
            ("app/api/renamed/route.ts", "const h = () => new Response();\nexport { h as POST, h as DELETE };"),
            ("app/api/from/route.js", "export { GET, remove as DELETE } from '@/handlers';"),
            ("app/api/star/route.ts", "export * from '../../../lib/all';"),
            (
                "app/api/destructured/route.ts",
                "const serve = () => ({ GET() {}, POST() {} });\nexport const { GET, POST } = serve();",
            ),
            (
                "app/api/object/route.ts",
                "const handlers = { PUT: () => new Response() };\nexport const PUT = handlers.PUT;",
            ),
            ("app/api/array/route.ts", "export const [GET, , PUT] = [() => new Response(), 1, () => new Response()];"),
            ("app/sitemap.ts", "export default function sitemap() { return []; }"),
            ("app/api/types/route.ts", "export type POST = string;\nexport const dynamic = 'force-dynamic';"),
            ("app/api/_private/route.ts", "export const GET = () => new Response();"),
            ("app/(group)/api/[id]/[[...rest]]/route.tsx", "export const GET = () => new Response();"),
            ("app/page.tsx", "export default function Page() { return <p/>; }"),
            ("pages/api/old.ts", "export default function handler(req, res) { res.json({}); }"),
        ],
    );
    let routes = project.routes();
    for (path, expected) in [
        ("/api/function", "POST"),
        ("/api/const", "GET HEAD PUT"),
        ("/api/renamed", "DELETE POST"),
        ("/api/from", "DELETE GET HEAD"),
        ("/api/star", "GET HEAD PATCH"),
        ("/api/destructured", "GET HEAD POST"),
        ("/api/object", "PUT"),
        ("/api/array", "GET HEAD PUT"),
        ("/sitemap.xml", "GET HEAD"),
        ("/api/{id}", "GET HEAD"),
        ("/api/{id}/{*rest}", "GET HEAD"),
        ("/api/old", "GET HEAD POST PUT DELETE PATCH"),
    ] {
        assert_eq!(methods(&routes, path), expected, "{path}");
    }
    assert_eq!(routes.endpoints.len(), 13, "{routes:#?}");
    assert_eq!(route(&routes, "/").surface, Surface::Page);
    assert_eq!(routes.unread, []);
}

#[test]
fn wrappers_are_followed_one_hop_and_their_order_is_kept() {
    let project = Project::new(
        "wrappers",
        &[
            NEXT,
            (
                "lib/guard.ts",
                "import { verifyCsrfToken } from './csrf';\nexport const guarded = (h) => async (r) => { await verifyCsrfToken(r); return h(r); };",
            ),
            ("lib/csrf.ts", "export async function verifyCsrfToken(r) { return r.headers.get('x'); }"),
            (
                "app/api/good/route.ts",
                "import { withRateLimit, withCsrf } from 'somewhere';\nconst handler = async (request) => { const body = schema.safeParse(await request.json()); };\nexport const POST = withRateLimit(withCsrf(handler));",
            ),
            (
                "app/api/wrong/route.ts",
                "import { withRateLimit, withCsrf } from 'somewhere';\nexport const POST = withCsrf(withRateLimit(async (request) => Response.json(await request.json())));",
            ),
            (
                "app/api/own/route.ts",
                "import { guarded } from '../../../lib/guard';\nexport const POST = guarded(async () => new Response());",
            ),
            (
                "app/api/mixed/route.ts",
                "import { withCsrf } from 'somewhere';\nexport const POST = withCsrf(async () => new Response());\nexport const DELETE = async () => new Response();",
            ),
        ],
    );
    let routes = project.routes();
    let good = &route(&routes, "/api/good").shown;
    assert_eq!(good.wrappers, ["withRateLimit", "withCsrf"]);
    assert_eq!((good.input.as_deref(), good.validation.as_deref()), (Some("request.json"), Some("schema.safeParse")));
    assert_eq!(route(&routes, "/api/wrong").shown.wrappers, ["withCsrf", "withRateLimit"]);
    assert_eq!(route(&routes, "/api/wrong").shown.validation, None);
    assert_eq!(
        route(&routes, "/api/own").shown.csrf.as_deref(),
        Some("verifyCsrfToken"),
        "through the wrapper's own body"
    );
    assert_eq!(route(&routes, "/api/mixed").shown.csrf, None, "what one method lacks, the file lacks");
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table of sources")]
fn signatures_owners_errors_and_secrets_are_seen() {
    let project = Project::new(
        "signs",
        &[
            NEXT,
            (
                "app/api/stripe/route.ts",
                "export async function POST(request) { stripe.webhooks.constructEvent(await request.text(), s, k); }",
            ),
            (
                "app/api/svix/route.ts",
                "import { Webhook } from 'svix';\nexport async function POST(request) { new Webhook(k).verify(await request.text(), h); }",
            ),
            (
                "app/api/hmac/route.ts",
                "export async function POST(request) { const digest = createHmac('sha256', k).update(b).digest('hex'); if (signature !== digest) return; }",
            ),
            (
                "app/api/safe/route.ts",
                "export async function POST(request) { const d = createHmac('sha256', k).update(b).digest(); if (!timingSafeEqual(d, s)) return; }",
            ),
            (
                "app/api/cron/route.ts",
                "export function GET(request) { if (request.headers.get('authorization') !== `Bearer ${process.env.CRON_SECRET}`) return; }",
            ),
            (
                "app/api/posts/route.ts",
                "export async function PUT(request) { const { userId } = await auth(); if (post.ownerId !== userId) return; await db.post.update({}); }",
            ),
            (
                "app/api/rows/route.ts",
                "export async function DELETE() { const { userId } = await auth(); await db.post.deleteMany({ where: { userId } }); }",
            ),
            (
                "app/api/leaky/route.ts",
                "export async function GET() { try { } catch (e) { return Response.json({ error: e.message }, { status: 500 }); } }",
            ),
            (
                "app/api/quiet/route.ts",
                "export async function GET() { try { } catch (e) { console.error(e.message); return Response.json({ error: 'failed' }); } }",
            ),
            (
                "app/api/excused/route.ts",
                "// palisade-ok(csrf, rate-limit): machines call it with a key\nexport async function POST() {}",
            ),
        ],
    );
    let routes = project.routes();
    let shown = |path: &str| &route(&routes, path).shown;
    assert_eq!(shown("/api/stripe").signature.as_deref(), Some("stripe.webhooks.constructEvent"));
    assert_eq!(shown("/api/svix").signature.as_deref(), Some("Webhook.verify"));
    assert!(shown("/api/hmac").signature.is_none() && shown("/api/hmac").weak_signature.is_some());
    assert!(shown("/api/safe").signature.is_some() && shown("/api/safe").weak_signature.is_none());
    assert_eq!(shown("/api/cron").shared_secret.as_deref(), Some("CRON_SECRET"));
    assert!(
        shown("/api/posts").ownership.is_some() && shown("/api/posts").identity.is_some() && shown("/api/posts").writes
    );
    assert_eq!(shown("/api/rows").ownership.as_deref(), Some("where userId"));
    assert_eq!(shown("/api/leaky").raw_error.as_deref(), Some("e.message"));
    assert_eq!(shown("/api/quiet").raw_error, None);
    let excused = route(&routes, "/api/excused");
    assert!(
        excused.excused("csrf").is_some()
            && excused.excused("rate-limit").is_some()
            && excused.excused("validation").is_none()
    );
}

#[test]
fn actions_interceptors_and_convex_are_read() {
    let project = Project::new(
        "more",
        &[
            ("package.json", r#"{"dependencies":{"next":"16.0.0","convex":"1.0.0"}}"#),
            (
                "src/app/page.tsx",
                "export default function Page() { async function save(form) { 'use server'; await auth(); } return <form action={save}/>; }",
            ),
            (
                "src/app/actions.ts",
                "'use server';\nexport async function sign(form: FormData) { await db.insert(form); }\nexport const drop = async () => {};",
            ),
            (
                "src/proxy.ts",
                "export default function proxy() {}\nexport const config = { matcher: ['/account/:path*', { source: '/api/:path*' }] };",
            ),
            ("proxy.ts", "export default function proxy() {}"),
            (
                "convex/http.ts",
                "const http = httpRouter();\nhttp.route({ path: '/hook', method: 'POST', handler: httpAction(async (ctx, request) => { new Webhook(k).verify(await request.text()); }) });\nexport default http;",
            ),
            (
                "convex/messages.ts",
                "export const list = query({ args: {}, handler: async (ctx) => {} });\nexport const send = mutation({ handler: async (ctx) => { await ctx.auth.getUserIdentity(); } });\nexport const purge = internalMutation({ handler: async () => {} });\nexport const mine = authedQuery({ handler: async () => {} });",
            ),
        ],
    );
    let routes = project.routes();
    let of = |surface| {
        routes
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.surface == surface)
            .map(|endpoint| endpoint.path.as_str())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        of(Surface::ServerAction),
        ["src/app/actions.ts#drop", "src/app/actions.ts#sign", "src/app/page.tsx#save"]
    );
    assert!(route(&routes, "src/app/page.tsx#save").shown.identity.is_some());
    assert_eq!(of(Surface::ConvexHttp), ["/hook"]);
    assert!(route(&routes, "/hook").shown.signature.is_some());
    assert_eq!(of(Surface::ConvexFunction), ["messages:list", "messages:mine", "messages:send"]);
    assert!(route(&routes, "messages:list").shown.identity.is_none());
    assert!(
        route(&routes, "messages:send").shown.identity.is_some()
            && route(&routes, "messages:mine").shown.identity.is_some()
    );
    let [proxy] = &routes.interceptors[..] else { panic!("{:?}", routes.interceptors) };
    assert_eq!(proxy.file, "src/proxy.ts", "only beside the app's own folder");
    assert_eq!(proxy.matchers.as_deref(), Some(&["/account/:path*".to_owned(), "/api/:path*".to_owned()][..]));
}

#[test]
fn routers_of_axum_are_nested_and_merged() {
    let project = Project::new(
        "axum",
        &[
            (
                "src/main.rs",
                "use axum::{Router, routing::{get, post}};\n\
                 async fn main() { let app = Router::new().route(\"/\", get(home)).nest(\"/api\", api()).merge(extra()).layer(x); serve(app); }\n\
                 fn api() -> Router { let users = Router::new().route(\"/{id}\", get(one).delete(gone)); Router::new().nest(\"/users\", users).route(\"/old/:id/*rest\", post(add)) }",
            ),
            (
                "src/extra.rs",
                "pub fn extra() -> axum::Router { axum::Router::new().route(\"/health\", axum::routing::any(ok)) }",
            ),
        ],
    );
    let routes = project.routes();
    for (path, expected) in [
        ("/", "GET HEAD"),
        ("/api/users/{id}", "DELETE GET HEAD"),
        ("/api/old/{id}/{*rest}", "POST"),
        ("/health", "DELETE GET HEAD PATCH POST PUT"),
    ] {
        assert_eq!(methods(&routes, path), expected, "{path}");
    }
    assert_eq!(routes.endpoints.len(), 4, "{routes:#?}");
}

#[test]
fn openapi_documents_are_read_in_both_spellings() {
    let json = r#"{"openapi":"3.1.0","servers":[{"url":"https://api.example/v1"}],"security":[{"key":[]}],
        "paths":{"/pets/{id}":{"get":{"security":[]},"delete":{"parameters":[{"name":"id"}]}}}}"#;
    let yaml = "swagger: '2.0'\nbasePath: /old\npaths:\n  /things:\n    post:\n      parameters:\n        - name: a\n";
    let project =
        Project::new("openapi", &[("openapi.json", json), ("docs/swagger.yaml", yaml), ("openapi-notes.json", "{}")]);
    let routes = project.routes();
    assert_eq!(route(&routes, "/old/things").methods, ["POST"]);
    let delete = routes.endpoints.iter().find(|endpoint| endpoint.methods == ["DELETE"]).expect("delete");
    assert_eq!((delete.path.as_str(), delete.shown.identity.is_some()), ("/v1/pets/{id}", true));
    let get = routes.endpoints.iter().find(|endpoint| endpoint.methods == ["GET"]).expect("get");
    assert!(get.shown.identity.is_none(), "`security: []` lets anyone in");
    assert_eq!(routes.unread.len(), 1, "the notes are no document, and that is told");
}

#[test]
fn texts_that_nest_without_end_neither_crash_nor_hide() {
    let many = |text: &str| text.repeat(512 * 1024 / text.len());
    let texts = [
        "!",
        "(",
        "[",
        "a=",
        "x=>",
        "a?b:",
        "new ",
        "await ",
        "typeof ",
        "a.",
        "a+",
        "if(a)",
        "`${",
        "-",
        "a=>{",
        "<a>",
        "async x=>",
        "void ",
        "{a:",
        "f(",
    ];
    for text in texts {
        let _ = read_on_stack("a.tsx", &format!("x = {}1", many(text)));
    }
    let project =
        Project::new("deep", &[NEXT, ("app/api/x/route.ts", &format!("export const GET = {}", "(".repeat(1000)))]);
    let routes = project.routes();
    assert_eq!(routes.unread.len(), 1, "{routes:?}");
}

fn parses(file: &str, text: &str) -> bool {
    parse::module(file, text, &Names::default()).is_ok()
}

fn read_on_stack(file: &str, text: &str) -> bool {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(parse::STACK).spawn_scoped(scope, || parses(file, text));
        thread.expect("a thread").join().expect("no panic")
    })
}

/// A fuzzer's work, the same in every run: parts of sources out of their place neither crash the parser nor hang it.
#[test]
fn sources_in_pieces_do_not_crash() {
    let sources = [
        "import { auth } from '@clerk/nextjs/server';\nexport const { GET, POST: PUT } = await serve({ a: [x, ...y], async b() { 'use server'; } });",
        "'use server'; export default async function* f({ a = `${b}` }: T<X>) { try { if (a.userId !== b?.c!.d) throw e } catch { return <a b={c}>d</a> } }",
        "// palisade-ok(csrf): why\nexport { h as POST, type T } from './x'; export * as y from 'y'; class A { static { await 1 } #p = this.#p }",
    ];
    let mut state = 7_u64;
    let mut below = |most: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).expect("31 bits") % most.max(1)
    };
    for _ in 0..2_000 {
        let mut text: Vec<char> = sources[below(sources.len())].chars().collect();
        for _ in 0..=below(4) {
            let other: Vec<char> = sources[below(sources.len())].chars().collect();
            let (from, at) = (below(other.len()), below(text.len()));
            let part = other[from..(from + below(20)).min(other.len())].to_vec();
            let until = (at + below(10)).min(text.len());
            text.splice(at..until, part);
        }
        let _ = parses("a.tsx", &text.into_iter().collect::<String>());
    }
}
