use std::collections::BTreeMap;

use palisade_diag::{Colour, Diagnostics, FileId, human};
use palisade_event::Kind;
use proptest::prelude::*;

use super::*;
use crate::model::{
    CsrfStrength, Environment, IdentityNeed, Limit, Method, Mode, RouteSource, Schema, SignatureScheme, Success,
};
use crate::policy::{Found, Policy};

const FILE: FileId = FileId(0);

const EXAMPLE: &str = include_str!("../../examples/palisade.toml");
const EXAMPLE_SCHEMA: &str = include_str!("../../examples/schemas/contact.json");

/// Sources that answer the example's questions.
fn sources() -> Sources {
    let mut sources = Sources::new(Environment::Production);
    sources.files.insert("schemas/contact.json".to_owned(), Ok(EXAMPLE_SCHEMA.to_owned()));
    sources
}

fn build(text: &str) -> Result<Built, Diagnostics> {
    parse(FILE, text).0.build(&sources())
}

/// Each problem as `line:column severity code: message (fix)`.
fn list(found: &Diagnostics, text: &str) -> String {
    let sources = palisade_diag::Sources::new().with(FILE, "palisade.toml", text);
    let mut out = String::new();
    for item in found.iter() {
        let at = item.labels.first().and_then(|label| sources.position(label.span));
        let at = at.map_or_else(|| "-".to_owned(), |at| format!("{}:{}", at.line, at.column));
        out.push_str(&format!(
            "{at} {} {}: {} ({})\n",
            item.severity,
            item.code,
            item.message,
            item.fix.as_deref().unwrap_or("-")
        ));
    }
    out
}

/// The codes of what is wrong with a file, in order.
fn codes(text: &str) -> Vec<&'static str> {
    match build(text) {
        Ok(built) => built.warnings.iter().map(|item| item.code).collect(),
        Err(found) => found.iter().map(|item| item.code).collect(),
    }
}

/// A file that is right but for what is added.
fn shop(more: &str) -> String {
    format!("[app]\nname = \"shop\"\npublic_origin = \"https://shop.example\"\n{more}")
}

/// The one route of a file that is right.
fn route(more: &str) -> crate::Route {
    let text = shop(&format!("[[route]]\n{more}"));
    let built = build(&text).unwrap_or_else(|found| panic!("{}", list(&found, &text)));
    built.policy.routes()[0].clone()
}

#[test]
fn the_documented_example_loads_as_it_stands() {
    let built = build(EXAMPLE).unwrap_or_else(|found| panic!("{}", list(&found, EXAMPLE)));
    assert_eq!(built.warnings.iter().map(|item| item.code).collect::<Vec<_>>(), ["manifest-missing"]);
    let policy = built.policy;
    let declared = policy.routes().iter().filter(|route| route.source == RouteSource::Declared);
    assert_eq!(declared.count(), 10);
    let Found::Route(_, contact) = policy.find("POST", "/api/contact") else { panic!("no contact route") };
    assert_eq!(contact.kind, Kind::PublicForm);
    assert!(matches!(&contact.schema, Some(Schema::File { text, .. }) if text == EXAMPLE_SCHEMA));
    let Found::Route(_, posts) = policy.find("POST", "/api/users/ada/posts") else { panic!("no posts route") };
    assert_eq!(posts.limit, Limit::parse("30/min").ok());
    assert_eq!((posts.access.owner.as_deref(), posts.access.plan.as_slice()), (Some("user"), &["pro".to_owned()][..]));
    let Found::Route(_, theme) = policy.find("POST", "/api/preferences/theme") else { panic!("no theme route") };
    assert_eq!((theme.csrf, theme.mode), (CsrfStrength::Origin, Mode::Observe));
    assert_eq!(
        policy.required_variables,
        [
            "CSRF_SECRET",
            "SESSION_SECRET",
            "NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY",
            "CLERK_SECRET_KEY",
            "NEXT_PUBLIC_CONVEX_URL",
            "REDIS_URL",
            "DATABASE_URL"
        ]
    );
}

#[test]
fn the_example_shows_every_key() {
    // A key that the reader asks for and the example does not mention is not documented.
    let readers = [include_str!("tables.rs"), include_str!("route.rs"), include_str!("alerting.rs")].concat();
    for part in readers.split("r, \"").skip(1) {
        let key = part.split('"').next().unwrap_or_default();
        assert!(EXAMPLE.contains(key), "the example does not show `{key}`");
    }
}

#[test]
fn every_mistake_is_named_with_its_place() {
    let text = include_str!("tests/mistakes.toml");
    let found = build(text).expect_err("mistakes");
    let places = found.iter().filter(|item| !item.labels.is_empty()).count();
    assert_eq!(places, found.len(), "a problem of the file has a place");
    insta::assert_snapshot!(list(&found, text));
}

#[test]
fn a_mistake_as_people_see_it() {
    let text = shop("[[route]]\npath = \"/api/contact\"\nmetods = [\"POST\"]\nkind = \"public-form\"\n");
    let found = build(&text).expect_err("mistakes");
    let sources = palisade_diag::Sources::new().with(FILE, "palisade.toml", text.as_str());
    insta::assert_snapshot!(human(&found, &sources, Colour::Off));
}

#[test]
fn syntax_errors_do_not_hide_other_mistakes() {
    let text = shop(
        "mode = \ndirectory = \"x\n\n[[route]]\npath = \"/a\"\nkind = page\nlimit = \"0/min\"\nlimit = \"1/min\"\n",
    );
    let found = build(&text).expect_err("mistakes");
    assert_eq!(
        found.iter().map(|item| item.code).collect::<Vec<_>>(),
        ["syntax", "syntax", "syntax", "limit-zero", "key-duplicate"]
    );
}

#[test]
fn one_mistake_is_told_once() {
    for (text, code) in [
        ("path = \"/a\"\nkind = \"webhok\"", "kind-unknown"),
        ("path = \"/a\"\nkind = \"webhook\"\nsignature = 1", "type"),
        ("path = \"/a\"\nkind = \"webhook\"\nsignature = { scheme = \"nobody\" }", "scheme-unknown"),
        ("path = \"/a\"\nkind = \"webhook\"\nsignature = { scheme = \"stripe\" }", "signature-secrets-missing"),
        ("path = \"/a\"\nkind = \"webhook\"\nsignature = { secrets = [\"A\"] }", "signature-scheme"),
        ("path = 1\nkind = \"page\"", "type"),
        ("kind = \"page\"", "path-missing"),
        ("path = \"/a\"", "kind-missing"),
        ("path = \"/a\"\nkind = \"public-form\"", "methods-missing"),
        ("path = \"/a\"\nkind = \"public-form\"\nmethods = [\"FETCH\"]", "method-unknown"),
        ("path = \"/a\"\nkind = \"public-form\"\nmethods = [\"TRACE\"]", "method-unknown"),
        ("path = \"/a\"\nkind = \"public-form\"\nmethods = \"POST\"\ncsrf = \"none\"", "csrf-weakened"),
        ("path = \"/a\"\nkind = \"public-form\"\nmethods = \"POST\"\ncsrf = false\nbecause = \" \"", "csrf-weakened"),
        (
            "path = \"/a\"\nkind = \"public-form\"\nmethods = \"POST\"\naccess = { role = \"admin\" }",
            "access-without-identity",
        ),
        ("path = \"/a\"\nkind = \"upload\"\nmethods = \"PUT\"\nmedia_types = [\"png\"]", "media-type-malformed"),
        ("path = \"/a\"\nkind = \"login\"\nmethods = \"POST\"\nsuccess = {}", "success-malformed"),
        ("path = \"/a\"\nkind = \"login\"\nmethods = \"POST\"\nsuccess = { status = 99999 }", "success-malformed"),
        ("path = \"/a\"\nkind = \"page\"\nschema = \"/etc/passwd\"", "path-outside"),
        ("path = \"/a\"\nkind = \"page\"\nschema = \"C:\\\\x\"", "path-outside"),
        ("path = \"/a\"\nkind = \"page\"\nschema = \"a/../../b\"", "path-outside"),
        ("path = \"/a\"\nkind = \"page\"\nschema = \"nosuch.json\"", "schema-unreadable"),
        ("path = \"/a\"\nkind = \"page\"\ncolour = \"red\"", "unknown-key"),
    ] {
        let text = shop(&format!("[[route]]\n{text}\n"));
        let mut told = codes(&text);
        told.retain(|code| *code != "identity-missing");
        assert_eq!(told, [code], "{text}");
    }
}

#[test]
fn a_reason_permits_what_it_excuses_and_nothing_else() {
    let weak =
        route("path = \"/a\"\nkind = \"public-form\"\nmethods = [\"POST\"]\ncsrf = \"off\"\nbecause = \"a beacon\"");
    assert_eq!((weak.csrf, weak.csrf_because.as_deref()), (CsrfStrength::None, Some("a beacon")));
    let table = route(
        "path = \"/a\"\nkind = \"search\"\nmethods = [\"POST\"]\ncsrf = { strength = \"none\", because = \"public\" }",
    );
    assert_eq!((table.csrf, table.csrf_because.as_deref()), (CsrfStrength::None, Some("public")));
    let stronger = route("path = \"/a\"\nkind = \"search\"\nmethods = [\"POST\"]\ncsrf = \"token\"");
    assert_eq!(stronger.csrf, CsrfStrength::Token);
    let get = "path = \"/a\"\nkind = \"expensive\"\nmethods = [\"GET\"]";
    assert!(codes(&shop(&format!("[[route]]\n{get}\n"))).contains(&"methods-get"));
    assert!(route(&format!("{get}\nbecause = \"an event stream\"")).methods.has(Method::Head));
    let idle = shop("[[route]]\npath = \"/a\"\nkind = \"page\"\nbecause = \"habit\"\n");
    assert_eq!(codes(&idle), ["because-unused"]);
}

#[test]
fn values_are_read_in_the_forms_people_write() {
    let upload =
        route("path = \"/a\"\nkind = \"upload\"\nmethods = \"PUT\"\nbody = \"5 MiB\"\nmedia_types = \"Image/PNG\"");
    assert_eq!((upload.body, upload.media_types.as_slice()), (5 << 20, &["image/png".to_owned()][..]));
    assert_eq!(route("path = \"/a\"\nkind = \"page\"\nbody = 0x10").body, 16);
    let hook = route("path = \"/a\"\nkind = \"webhook\"\nsignature = \"clerk\"").signature.expect("signature");
    assert_eq!(hook.scheme, SignatureScheme::Svix);
    assert_eq!(hook.secrets, ["CLERK_WEBHOOK_SIGNING_SECRET", "CLERK_WEBHOOK_SECRET"]);
    let login = route("path = \"/a\"\nkind = \"login\"\nmethods = \"POST\"\nsuccess = { pointer = \"/ok\" }");
    assert_eq!(login.success, Some(Success::Pointer("/ok".to_owned())));
    let page = route("path = \"/pro\"\nkind = \"page\"\nmethods = [\"POST\"]\naccess = { plan = \"pro\" }");
    assert!(page.methods.has(Method::Get) && page.methods.has(Method::Post));
    assert_eq!(page.identity, IdentityNeed::Required, "`access` makes an optional identity a required one");
    for (text, code) in
        [("\"1.5MiB\"", "size-malformed"), ("-1", "type"), ("\"99999999999GiB\"", "size-malformed"), ("true", "type")]
    {
        let text = shop(&format!("[limits]\nbody = {text}\n"));
        assert_eq!(codes(&text), [code], "{text}");
    }
    for (text, code) in
        [("\"10 lightyears\"", "duration-malformed"), ("999999999999", "duration-malformed"), ("[]", "type")]
    {
        assert_eq!(codes(&shop(&format!("[limits]\nidle_timeout = {text}\n"))), [code], "{text}");
    }
}

#[test]
fn origins_are_origins_and_nothing_else() {
    // `trusted_origin_config` of data/cross-origin.json.
    for valid in ["https://example.com", "https://example.com:8080", "http://example.com"] {
        let text = shop(&format!("[csrf]\ntrusted_origins = [\"{valid}\"]\n"));
        assert!(build(&text).is_ok(), "{valid}");
    }
    for invalid in [
        "example.com",
        "https://",
        "https://example.com/",
        "https://example.com/path",
        "https://example.com?query=value",
        "https://example.com#fragment",
        "https://ex ample.com",
        "",
        "null",
        "*",
        "https://*.example.com",
    ] {
        let text = shop(&format!("[csrf]\ntrusted_origins = [\"{invalid}\"]\n"));
        assert_eq!(codes(&text), ["origin-malformed"], "{invalid}");
    }
}

#[test]
fn secrets_in_the_file_are_named_and_never_repeated() {
    let secret = ["whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"].concat();
    for more in [
        format!(
            "[[route]]\npath = \"/a\"\nkind = \"webhook\"\nsignature = {{ scheme = \"svix\", secrets = [\"{secret}\"] }}\n"
        ),
        format!("[state]\nredis = \"redis://default:{secret}@cache:6379\"\n"),
        format!("[env.production]\nrequired = [\"API_KEY={secret}\"]\n"),
        format!("# the old one was {secret}\n"),
        format!("[[route]]\npath = \"/a\"\nkind = \"{secret}\"\n"),
        format!("[undeclared]\nkind = \"page\"\n{secret} = 1\n"),
        format!("[csrf]\nsecret = {secret}\n"),
        "[state]\nredis = \"hunter2-is-the-password\"\n".to_owned(),
    ] {
        let text = shop(&more);
        let found = build(&text).expect_err("a secret");
        assert!(found.iter().any(|item| item.code == "secret-in-file"), "{}", list(&found, &text));
        let sources = palisade_diag::Sources::new().with(FILE, "palisade.toml", text.as_str());
        for shown in [human(&found, &sources, Colour::On), palisade_diag::json(&found, &sources), found.to_string()] {
            assert!(!shown.contains("MfKQ9r8GKYqr") && !shown.contains("hunter2"), "{shown}");
        }
    }
}

#[test]
fn the_value_of_a_key_that_names_a_secret_is_not_shown() {
    let text = shop("csrf_secret = \"hunter2\"\n");
    let found = build(&text).expect_err("unknown key");
    let sources = palisade_diag::Sources::new().with(FILE, "palisade.toml", text.as_str());
    let shown = human(&found, &sources, Colour::Off);
    assert!(shown.contains("no key `csrf_secret`") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn vercel_tells_the_origin_where_the_file_does_not() {
    let text = "[app]\nname = \"shop\"\n";
    let with = |environment, variables: &[(&str, &str)]| {
        let mut sources = Sources::new(environment);
        sources.variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        parse(FILE, text)
            .0
            .build(&sources)
            .map(|built| built.policy.app.public_origins.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
    };
    let vercel = [
        ("VERCEL_PROJECT_PRODUCTION_URL", "shop.example"),
        ("VERCEL_URL", "shop-1.vercel.app"),
        ("VERCEL_BRANCH_URL", "shop-b.vercel.app"),
    ];
    assert_eq!(with(Environment::Production, &vercel).as_deref(), Ok("https://shop.example https://shop-1.vercel.app"));
    assert_eq!(
        with(Environment::Staging, &vercel).as_deref(),
        Ok("https://shop-1.vercel.app https://shop-b.vercel.app")
    );
    for environment in Environment::ALL {
        let found = with(environment, &[]).expect_err("no origin");
        assert_eq!(found.iter().map(|item| item.code).collect::<Vec<_>>(), ["public-origin-missing"]);
    }
    let named = text.replace("name =", "public_origin = \"VERCEL_URL\"\nname =");
    let found = parse(FILE, &named).0.build(&sources()).expect_err("not set");
    assert!(found.to_string().contains("VERCEL_URL is not set"), "{found}");
    // Beside an origin that is written it may be missing: nobody is at Vercel's address then. A variable of one's own may not.
    let beside = |name: &str, variables: &[(&str, &str)]| {
        let origins = format!("public_origin = [\"https://shop.example\", \"{name}\"]\nname =");
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let sources = Sources { variables, ..sources() };
        let built = parse(FILE, &text.replace("name =", &origins)).0.build(&sources);
        built.map(|built| built.policy.app.public_origins.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(beside("VERCEL_URL", &[]).expect("one origin"), ["https://shop.example"]);
    let both = beside("VERCEL_URL", &[("VERCEL_URL", "shop-1.vercel.app")]).expect("two origins");
    assert_eq!(both, ["https://shop.example", "https://shop-1.vercel.app"]);
    assert!(beside("SHOP_ORIGIN", &[]).is_err());
}

fn shown(policy: &Policy) -> Vec<String> {
    policy.app.upstreams.iter().map(|up| format!("{} x{}", up.origin, up.weight)).collect()
}

/// A policy whose `[app]` has these lines beside.
fn app(lines: &str) -> String {
    format!("[app]\nname = \"shop\"\npublic_origin = \"https://shop.example\"\n{lines}\n")
}

#[test]
fn upstreams_are_one_or_several_with_weights() {
    for (lines, expect) in [
        ("", &[][..]),
        ("upstream = \"http://a:1\"", &["http://a:1 x1"]),
        ("upstream = [\"http://a:1\", \"http://b:2\"]", &["http://a:1 x1", "http://b:2 x1"]),
        (
            "upstream = [{ url = \"http://a:1\", weight = 3 }, { url = \"http://b:2\" }, \"http://c\"]",
            &["http://a:1 x3", "http://b:2 x1", "http://c x1"],
        ),
    ] {
        assert_eq!(shown(&build(&app(lines)).expect(lines).policy), expect, "{lines}");
    }
    let health = |lines: &str| build(&app(lines)).expect(lines).policy.app.health.map(|it| (it.path, it.interval));
    let seconds = std::time::Duration::from_secs;
    assert_eq!(health("health = \"/up\""), Some(("/up".to_owned(), seconds(10))));
    assert_eq!(health("health = { path = \"/up?x=1\", interval = \"2s\" }"), Some(("/up?x=1".to_owned(), seconds(2))));
}

#[test]
fn mistakes_in_upstreams_are_told_at_their_place() {
    for (lines, expect) in [
        ("upstream = [\"http://a:1\", \"a:2\"]", "4:27 error origin-malformed"),
        ("upstream = \"https://a\"", "4:12 error upstream-https"),
        ("upstream = [\"http://a\", \"http://a:80\"]", "4:12 error upstream-duplicate"),
        ("upstream = [{ url = \"http://a\", weight = 0 }]", "4:42 error weight-range"),
        ("upstream = [{ url = \"http://a\", weight = 1001 }]", "4:42 error weight-range"),
        ("upstream = [{ weight = 2 }]", "4:13 error upstream-incomplete"),
        ("upstream = [{ url = \"http://a\", wieght = 2 }]", "4:33 error unknown-key"),
        ("upstream = 3000", "4:12 error type"),
        ("health = \"up\"", "4:10 error health-malformed"),
        ("health = \"/a b\"", "4:10 error health-malformed"),
        ("health = { interval = \"10s\" }", "4:10 error health-incomplete"),
        ("health = { path = \"/\", interval = \"10ms\" }", "error health-interval"),
    ] {
        let text = app(lines);
        let told = list(&build(&text).expect_err(lines), &text);
        assert!(told.lines().count() == 1 && told.contains(expect), "{lines}: {told}");
    }
    let many: Vec<String> = (0..65).map(|port| format!("\"http://a:{}\"", port + 1)).collect();
    let text = app(&format!("upstream = [{}]", many.join(",")));
    assert!(list(&build(&text).expect_err("too many"), &text).contains("upstreams-too-many"));
}

#[test]
fn flags_move_things_and_nothing_else() {
    let text = shop("[listen]\naddress = \"127.0.0.1:1\"\n");
    let mut sources = sources();
    sources.overrides = Overrides {
        upstream: Some("http://127.0.0.1:9".to_owned()),
        listen: Some("[::1]:8080".to_owned()),
        ..Overrides::default()
    };
    let policy = parse(FILE, &text).0.build(&sources).expect("policy").policy;
    assert_eq!(shown(&policy), ["http://127.0.0.1:9 x1"]);
    assert_eq!(policy.listen.address.as_deref(), Some("[::1]:8080"));
    sources.overrides.upstream = Some("127.0.0.1:9".to_owned());
    sources.overrides.admin = Some("everywhere".to_owned());
    let found = parse(FILE, &text).0.build(&sources).expect_err("two bad flags");
    assert_eq!(found.iter().map(|item| item.code).collect::<Vec<_>>(), ["address-malformed", "address-malformed"]);
}

#[test]
fn clerk_follows_from_its_key() {
    let text = "[app]\nname = \"shop\"\npublic_origin = \"https://shop.example\"\nservices = [\"clerk\"]\n[[route]]\npath = \"/api/me\"\nkind = \"protected-read\"\n";
    let mut sources = sources();
    sources
        .variables
        .insert("NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY".to_owned(), "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k".to_owned());
    let built = parse(FILE, text).0.build(&sources).expect("policy");
    assert!(built.warnings.is_empty(), "{}", built.warnings);
    let identity = built.policy.identity.expect("identity");
    assert_eq!(identity.issuer.as_deref(), Some("https://clerk.example.com"));
    assert_eq!(identity.jwks.as_deref(), Some("https://clerk.example.com/.well-known/jwks.json"));
    assert_eq!(identity.authorized_parties, ["https://shop.example"]);
}

#[test]
fn server_actions_come_from_the_manifest() {
    let text = "[app]\nname = \"shop\"\npublic_origin = \"https://shop.example\"\nframework = \"nextjs\"\ndirectory = \"web/\"\n[[action]]\nname = \"restock\"\nkind = \"protected-write\"\n[[action]]\nid = \"77\"\nkind = \"public-form\"\n";
    let (draft, _) = parse(FILE, text);
    assert!(draft.wants().contains(&Want::Manifest("web/.next/server/server-reference-manifest.json".to_owned())));
    let mut sources = sources();
    sources.manifest = Some(
        "{\"node\": {\"40ce\": {\"workers\": {\"app/admin/page\": {}}, \"exportedName\": \"restock\"}}}".to_owned(),
    );
    let built = draft.clone().build(&sources).expect("policy");
    assert_eq!(built.warnings.iter().map(|item| item.code).collect::<Vec<_>>(), ["action-unknown"]);
    assert_eq!(built.policy.manifest.expect("manifest")["40ce"].pages, ["/admin"]);
    sources.manifest = Some("<html>".to_owned());
    let found = draft.build(&sources).expect_err("no manifest");
    assert_eq!(found.iter().map(|item| item.code).collect::<Vec<_>>(), ["manifest-malformed"]);
}

#[test]
fn what_the_framework_built_and_nobody_declared_is_warned_of() {
    let text = "[app]\nname = \"shop\"\npublic_origin = \"https://shop.example\"\nframework = \"nextjs\"\n\
        [identity]\nprovider = \"oidc\"\nissuer = \"https://id.example\"\njwks = \"https://id.example/k\"\naudience = [\"a\"]\n\
        [[route]]\npath = \"/api/users/{user}/posts\"\nmethods = [\"POST\"]\nkind = \"protected-write\"\n\
        [[route]]\npath = \"/api/read\"\nkind = \"public-read\"\n\
        [[route]]\npath = \"/account\"\nkind = \"protected-read\"\n\
        [[route]]\npath = \"/orders\"\nkind = \"protected-read\"\ncsp = \"auto\"\n";
    let (draft, _) = parse(FILE, text);
    assert!(draft.wants().contains(&Want::Routes(".next/app-path-routes-manifest.json".to_owned())));
    let mut sources = sources();
    sources.manifest = Some("{\"node\": {}}".to_owned());
    sources.routes = Some(
        "{\"/_not-found/page\": \"/_not-found\", \"/page\": \"/\", \"/account/page\": \"/account\", \
         \"/orders/page\": \"/orders\", \"/icon.svg/route\": \"/icon.svg\", \"/api/read/route\": \"/api/read\", \
         \"/api/users/[user]/posts/route\": \"/api/users/[user]/posts\", \"/api/forgotten/route\": \"/api/forgotten\", \
         \"/api/files/[...path]/route\": \"/api/files/[...path]\"}"
            .to_owned(),
    );
    let built = draft.clone().build(&sources).expect("policy");
    let told: Vec<_> = built.warnings.iter().map(|item| (item.code, item.message.clone())).collect();
    let of = |code: &str| told.iter().find(|(found, _)| *found == code).expect(code).1.clone();
    assert!(of("app-route-undeclared").ends_with(": /api/files/[...path], /api/forgotten"), "{told:?}");
    assert!(of("page-without-csp").ends_with(": /account"), "{told:?}");
    assert_eq!(told.len(), 2, "{told:?}");
    sources.routes = Some("<html>".to_owned());
    assert!(
        draft.build(&sources).expect("policy").warnings.iter().next().is_none(),
        "a list that is none says nothing"
    );
}

#[test]
fn a_draft_wants_files_and_variables_once() {
    let wants = parse(FILE, EXAMPLE).0.wants();
    for want in [
        Want::Schema("schemas/contact.json".to_owned()),
        Want::Manifest(".next/server/server-reference-manifest.json".to_owned()),
        Want::Variable("CSRF_SECRET".to_owned()),
        Want::Variable("STRIPE_WEBHOOK_SECRET".to_owned()),
        Want::Variable("REDIS_URL".to_owned()),
        Want::Variable("SENTRY_DSN".to_owned()),
    ] {
        assert_eq!(wants.iter().filter(|other| **other == want).count(), 1, "{want:?}");
    }
    assert!(parse(FILE, "").0.wants().iter().all(|want| matches!(want, Want::Variable(_))));
}

#[test]
fn later_tables_are_taken_and_large_files_are_not() {
    let text = shop("[report]\ny = [1]\n[maintenance]\nz = {}\n");
    assert_eq!(codes(&text), Vec::<&str>::new());
    let huge = format!("# {}\n{}", "x".repeat(MAX_BYTES), shop(""));
    assert_eq!(codes(&huge), ["file-too-large"]);
    assert_eq!(codes("route = 1\napp = []\n"), ["type", "type", "type", "public-origin-missing"]);
}

#[test]
fn the_files_policy_is_the_one_built_in_code() {
    let text = shop("[[route]]\npath = \"/api/contact\"\nmethods = [\"POST\"]\nkind = \"public-form\"\n");
    let from_file = build(&text).expect("policy").policy;
    let mut contact = crate::Route::new("/api/contact", Kind::PublicForm);
    contact.methods = [Method::Post].into_iter().collect();
    let origin = crate::Origin::parse("https://shop.example").expect("origin");
    let from_code = Policy::builder("shop", vec![origin]).route(contact).build().expect("policy");
    let mut from_file = from_file;
    assert_eq!(std::mem::take(&mut from_file.required_variables), ["CSRF_SECRET", "SESSION_SECRET"]);
    assert_eq!(format!("{from_file:?}"), format!("{from_code:?}"));
}

#[test]
fn the_largest_body_of_any_route_holds_for_each() {
    let text =
        shop("[limits]\nbody = \"2KiB\"\n[[route]]\npath = \"/a\"\nkind = \"public-form\"\nmethods = \"POST\"\n");
    let policy = build(&text).expect("policy").policy;
    assert_eq!(policy.routes().iter().map(|route| route.body).collect::<Vec<_>>(), [2048, 2048]);
}

/// Pieces that get past the first lines of the reader more often than arbitrary text does.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "\\PC{0,12}",
        Just("[app]\n".to_owned()),
        Just("[[route]]\n".to_owned()),
        Just("[[action]]\n".to_owned()),
        Just("[env.production]\n".to_owned()),
        Just("[identity]\n".to_owned()),
        "(path|kind|methods|limit|cost|signature|access|success|schema|body|csrf|required|provider|name|id) = ",
        "\"(/[a-z{}*%;./]{0,8}|page|login|webhook|[0-9]{1,12}/(s|min|h|d)|https://[a-z.:0-9]{0,8}|[A-Z_]{1,6})\"\n",
        "(\\[|\\]|\\{|\\}|,|=|\n|#|'|\"|\\\\|1|-|true|1979-05-27)",
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn reading_never_panics(text in prop_oneof![pieces(), ".{0,200}"]) {
        let (draft, first) = parse(FILE, &text);
        prop_assert!(!draft.wants().is_empty());
        let sources = palisade_diag::Sources::new().with(FILE, "f", text.as_str());
        let found = match draft.build(&Sources::new(Environment::Production)) {
            Ok(built) => { prop_assert!(!first.has_errors()); built.warnings }
            Err(found) => { prop_assert!(found.has_errors()); found }
        };
        prop_assert!(found.len() >= first.len(), "building loses no problem");
        prop_assert_eq!(human(&found, &sources, Colour::Off).is_empty(), found.is_empty());
    }
}

#[test]
fn variables_of_the_environment_are_chosen() {
    let build = |environment| {
        let mut sources = sources();
        sources.environment = environment;
        parse(FILE, EXAMPLE).0.build(&sources).expect("policy").policy
    };
    let development = build(Environment::Development);
    assert!(!development.required_variables.contains(&"DATABASE_URL".to_owned()));
    assert!(development.optional_variables.contains(&"DATABASE_URL".to_owned()));
    assert!(build(Environment::Production).optional_variables.contains(&"SENTRY_DSN".to_owned()));
    let empty: BTreeMap<String, String> = BTreeMap::new();
    assert!(crate::environment_problems(&development, &empty, 0).has_errors());
}
