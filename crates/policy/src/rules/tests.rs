use palisade_diag::Diagnostics;
use palisade_event::Kind;

use crate::model::{
    Access, ActionRule, Cors, CspSources, Csrf, CsrfStrength, IdentityNeed, Limit, Method, Methods, Origin, Route,
    Signature, SignatureScheme, Success, Undeclared,
};
use crate::{Policy, PolicyBuilder};

fn start() -> PolicyBuilder {
    Policy::builder("shop", vec![Origin::parse("https://shop.example").expect("origin")])
}

/// A route that is right for its kind.
fn sound(kind: Kind) -> Route {
    let mut route = Route::new("/api/x", kind);
    if route.methods.is_empty() {
        route.methods = [Method::Post].into_iter().collect();
    }
    match kind {
        Kind::Login => route.success = Some(Success::Status(302)),
        Kind::Upload => route.media_types = vec!["image/png".to_owned()],
        Kind::Webhook => {
            route.signature = Some(Signature { scheme: SignatureScheme::Svix, secrets: vec!["HOOK".to_owned()] });
        }
        _ => {}
    }
    route
}

fn codes(builder: PolicyBuilder) -> Vec<&'static str> {
    // A warning beside no error is told by the file's reader only.
    match builder.build() {
        Ok(_) => Vec::new(),
        Err(found) => errors(&found),
    }
}

fn errors(found: &Diagnostics) -> Vec<&'static str> {
    let errors = found.iter().filter(|item| item.severity == palisade_diag::Severity::Error);
    errors.map(|item| item.code).collect()
}

fn of_route(change: impl Fn(&mut Route), kind: Kind) -> Vec<&'static str> {
    let mut route = sound(kind);
    change(&mut route);
    codes(start().route(route))
}

#[test]
fn a_sound_route_of_each_kind_is_taken() {
    for kind in Kind::ALL {
        assert_eq!(codes(start().route(sound(kind))), Vec::<&str>::new(), "{kind}");
    }
}

#[test]
fn kinds_that_only_read_take_no_other_method() {
    for kind in Kind::ALL {
        let told = of_route(|route| route.methods = Methods::READ.with(Method::Post), kind);
        let reads =
            matches!(kind, Kind::Static | Kind::Health | Kind::PublicRead | Kind::ProtectedRead | Kind::Webhook);
        let changes = matches!(
            kind,
            Kind::Payment | Kind::Account | Kind::ProtectedWrite | Kind::Login | Kind::Expensive | Kind::Bulk
        );
        let expected: &[&str] = match (reads, changes) {
            (true, _) => &["methods-fixed"],
            (_, true) => &["methods-get"],
            _ => &[],
        };
        assert_eq!(told, expected, "{kind}");
        let because = of_route(
            |route| {
                route.methods = Methods::READ.with(Method::Post);
                route.methods_because = Some("an event stream".to_owned());
            },
            kind,
        );
        assert_eq!(because.is_empty(), !reads, "{kind}: {because:?}");
    }
}

#[test]
fn a3_csrf_weaker_than_the_kind_wants_a_reason() {
    for kind in Kind::ALL {
        for csrf in CsrfStrength::ALL {
            let told = of_route(|route| route.csrf = csrf, kind);
            let weaker = csrf < crate::KindDefaults::of(kind).csrf;
            assert_eq!(told.contains(&"csrf-weakened"), weaker, "{kind} {csrf:?}");
            let because = |route: &mut Route| {
                route.csrf = csrf;
                route.csrf_because = Some("a beacon".to_owned());
            };
            assert!(!of_route(because, kind).contains(&"csrf-weakened"), "{kind} {csrf:?}");
        }
    }
    assert_eq!(of_route(|route| route.csrf = CsrfStrength::Token, Kind::Webhook), ["csrf-on-webhook"]);
}

#[test]
fn a7_nothing_takes_the_identity_from_a_kind_that_wants_one() {
    for kind in Kind::ALL {
        let told = of_route(|route| route.identity = IdentityNeed::None, kind);
        let wanted = crate::KindDefaults::of(kind).identity != IdentityNeed::None;
        assert_eq!(told.contains(&"identity-weakened"), wanted, "{kind}");
    }
}

#[test]
fn limits_made_in_code_are_checked_as_those_in_files() {
    let window = std::time::Duration::from_secs;
    for (limit, code) in [
        (Limit { count: 0, window: window(60) }, "limit-zero"),
        (Limit { count: 5, window: window(0) }, "limit-zero"),
        (Limit { count: 1001, window: window(1) }, "limit-too-high"),
        (Limit { count: 5, window: std::time::Duration::from_millis(1500) }, "limit-malformed"),
        (Limit { count: 5, window: window(86_401) }, "limit-malformed"),
    ] {
        assert_eq!(of_route(|route| route.limit = Some(limit), Kind::PublicRead), [code], "{limit:?}");
    }
    assert_eq!(of_route(|route| route.cost = 0, Kind::PublicForm), ["cost-zero"]);
    assert_eq!(of_route(|route| route.cost = 6, Kind::PublicForm), ["cost-above-limit"]);
    assert_eq!(of_route(|route| route.cost = 2, Kind::PublicRead), ["cost-without-limit"]);
}

#[test]
fn what_a_kind_needs_is_there_and_nowhere_else() {
    assert_eq!(of_route(|route| route.success = None, Kind::Login), ["success-missing"]);
    assert_eq!(of_route(|route| route.success = Some(Success::Status(42)), Kind::Login), ["success-malformed"]);
    assert_eq!(
        of_route(|route| route.success = Some(Success::Location("home".into())), Kind::Login),
        ["success-malformed"]
    );
    assert_eq!(of_route(|route| route.success = Some(Success::Status(302)), Kind::PublicForm), ["success-misplaced"]);
    assert_eq!(of_route(|route| route.identifier = Some("email".into()), Kind::PublicForm), ["identifier-misplaced"]);
    assert_eq!(of_route(|route| route.signature = None, Kind::Webhook), ["signature-missing"]);
    assert_eq!(of_route(|route| route.media_types.clear(), Kind::Upload), ["media-types-missing"]);
    assert_eq!(of_route(|route| route.media_types.push("image/*".into()), Kind::Upload), ["media-type-malformed"]);
    assert_eq!(of_route(|route| route.methods = Methods::NONE, Kind::Search), ["methods-missing"]);
    assert_eq!(of_route(|route| route.websocket = true, Kind::Search), ["websocket-method"]);
    let signature = Signature { scheme: SignatureScheme::Svix, secrets: vec!["whsec".to_owned()] };
    assert_eq!(of_route(|route| route.signature = Some(signature.clone()), Kind::Webhook), ["secret-in-file"]);
    assert_eq!(of_route(|route| route.signature = Some(signature.clone()), Kind::Page), ["signature-misplaced"]);
}

#[test]
fn a8_access_wants_a_verified_caller_and_an_owner_in_the_path() {
    let access = |route: &mut Route| route.access = Access { plan: vec!["pro".to_owned()], ..Access::default() };
    for kind in Kind::ALL {
        let told = of_route(access, kind);
        let nobody = crate::KindDefaults::of(kind).identity == IdentityNeed::None;
        assert_eq!(told.contains(&"access-without-identity"), nobody, "{kind}");
    }
    let owner = |route: &mut Route| route.access.owner = Some("user".to_owned());
    assert_eq!(of_route(owner, Kind::ProtectedWrite), ["access-owner"]);
    let named = |route: &mut Route| {
        owner(route);
        route.path = "/users/{user}".to_owned();
    };
    assert_eq!(of_route(named, Kind::ProtectedWrite), Vec::<&str>::new());
}

#[test]
fn routes_that_could_be_mistaken_for_each_other_are_refused() {
    let read = |path: &str| Route::new(path, Kind::PublicRead);
    for (one, two, code) in [
        ("/a", "/a", Some("route-duplicate")),
        ("/a/{x}", "/a/{y}", Some("route-parameter-names")),
        ("/a/{*x}", "/a/{*y}", Some("route-parameter-names")),
        ("/a", "/A", Some("route-spelling")),
        ("/a", "/a/", Some("route-spelling")),
        ("/a/{x}/b", "/a/{y}/c", None),
        ("/a/{x}", "/a/b", None),
        ("/a/{x}", "/a/{*y}", None),
        ("/a/{*x}", "/a/b/{y}", None),
    ] {
        let told = codes(start().route(read(one)).route(read(two)));
        assert_eq!(told, code.into_iter().collect::<Vec<_>>(), "{one} {two}");
    }
    assert_eq!(codes(start().route(read("/api/csrf"))), ["route-shadowed"]);
    assert_eq!(codes(start().route(read("/API/csrf/"))), ["route-shadowed"]);
}

#[test]
fn a_preset_gives_way_to_the_apps_own_route() {
    let own = |method| {
        let mut route = Route::new("/favicon.ico", Kind::PublicForm);
        route.methods = [method].into_iter().collect();
        start().framework(crate::Framework::NextJs).route(route).build().expect("policy")
    };
    let policy = own(Method::Post);
    assert!(matches!(policy.find("GET", "/favicon.ico"), crate::Found::Method(methods) if !methods.has(Method::Get)));
    assert!(matches!(policy.find("GET", "/robots.txt"), crate::Found::Route(_, route) if route.kind == Kind::Static));
}

#[test]
fn tables_are_checked() {
    let undeclared = |deny, unsafe_origin| Undeclared { deny, unsafe_origin };
    assert_eq!(codes(Policy::builder("shop", Vec::new())), ["public-origin-missing"]);
    assert_eq!(codes(start().undeclared(Kind::PublicForm, undeclared(false, false))), ["undeclared-kind"]);
    assert_eq!(codes(start().undeclared(Kind::PublicRead, undeclared(false, true))), ["undeclared-unsafe"]);
    assert_eq!(codes(start().undeclared(Kind::Page, undeclared(true, true))), ["undeclared-contradiction"]);
    assert_eq!(codes(start().undeclared(Kind::Page, undeclared(false, true))), Vec::<&str>::new());
    for (path, fine) in
        [("/api/csrf", true), ("/token", true), ("csrf", false), ("/{id}", false), ("/Csrf", false), ("/a//b", false)]
    {
        let csrf = Csrf { path: path.to_owned(), ..Csrf::default() };
        assert_eq!(codes(start().csrf(csrf)).is_empty(), fine, "{path}");
    }
    for (header, fine) in [
        ("x-app-csrf", true),
        ("X-CSRF", false),
        ("cookie", false),
        ("a b", false),
        ("x-palisade-csrf", false),
        ("", false),
    ] {
        let csrf = Csrf { header: header.to_owned(), ..Csrf::default() };
        assert_eq!(codes(start().csrf(csrf)).is_empty(), fine, "{header}");
    }
    let cors = Cors {
        origins: Vec::new(),
        methods: vec!["*".to_owned()],
        headers: vec!["*".to_owned()],
        credentials: true,
        max_age: std::time::Duration::ZERO,
    };
    assert_eq!(codes(start().cors(cors)), ["cors-origins-missing", "header-malformed", "method-unknown"]);
    let action = |name: &str, kind| ActionRule { name: name.to_owned(), kind, access: Access::default() };
    let twice = start().action(action("a", Kind::PublicRead)).action(action("a", Kind::ProtectedWrite));
    assert_eq!(codes(twice), ["action-kind", "action-duplicate"]);
}

#[test]
fn csp_sources_name_places() {
    for (directive, source, fine) in [
        ("script", "https://cdn.example", true),
        ("script", "https://*.cdn.example", true),
        ("script", "https://cdn.example/lib/x.js", true),
        ("script", "http://localhost:3000", true),
        ("connect", "https://*.protect.clerk.com:*", true),
        ("connect", "wss://live.example", true),
        ("style", "'unsafe-inline'", true),
        ("img", "data:", true),
        ("worker", "blob:", true),
        ("script", "'unsafe-inline'", false),
        ("script", "'unsafe-eval'", false),
        ("script", "data:", false),
        ("script", "blob:", false),
        ("script", "*", false),
        ("script", "https:", false),
        ("script", "https://*", false),
        ("script", "https://*.com", false),
        ("script", "http://cdn.example", false),
        ("script", "cdn.example", false),
        ("script", "https://a.example; script-src *", false),
        ("script", "https://a.example *", false),
        ("connect", "https://a.example,https://b.example", false),
        ("form", "https://a.example/?x", false),
    ] {
        let one = vec![source.to_owned()];
        let mut csp = CspSources::default();
        match directive {
            "script" => csp.script = one,
            "connect" => csp.connect = one,
            "style" => csp.style = one,
            "img" => csp.img = one,
            "worker" => csp.worker = one,
            _ => csp.form = one,
        }
        assert_eq!(codes(start().csp(csp)).is_empty(), fine, "{directive} {source}");
    }
}

#[test]
fn problems_in_code_name_their_route() {
    let mut route = sound(Kind::PublicForm);
    route.csrf = CsrfStrength::None;
    let found = start().route(route).build().expect_err("weak");
    assert!(found.to_string().contains("route /api/x csrf:"), "{found}");
}
