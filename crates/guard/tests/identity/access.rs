//! What a verified caller may do, and where one who is none is sent.

use super::*;

#[test]
fn a8_role_permission_plan_feature_and_owner_are_enforced() {
    let gate = gate();
    let good = token(&json!({}));
    for (path, code) in [
        ("/api/admin", None),
        ("/api/owners", Some(Code::ForbiddenRole)),
        ("/api/manage", None),
        ("/api/teams", Some(Code::ForbiddenPermission)),
        ("/api/pro", None),
        ("/api/gold", Some(Code::ForbiddenPlan)),
        ("/api/export", None),
        ("/api/sso", Some(Code::ForbiddenFeature)),
        ("/api/users/user_1", None),
        ("/api/users/user_2", Some(Code::ForbiddenOwner)),
    ] {
        let outcome = gate.send(empty(bearer(path, &good)));
        assert_eq!(outcome.code(), code, "{path}");
        assert_eq!(outcome.status(), if code.is_some() { 403 } else { 200 }, "{path}");
        assert_eq!(gate.send(empty(get(path))).code(), Some(Code::AuthRequired), "{path} anonymously");
    }
    let first = token(
        &json!({ "v": null, "o": null, "org_id": "org_1", "org_role": "org:owner", "org_permissions": ["org:teams:manage"] }),
    );
    assert_eq!(gate.send(empty(bearer("/api/owners", &first))).code(), None);
    assert_eq!(gate.send(empty(bearer("/api/teams", &first))).code(), None);
    assert_eq!(gate.send(empty(bearer("/api/pro", &first))).code(), Some(Code::ForbiddenPlan));
}

#[test]
fn a13_a_browser_is_sent_to_sign_in_and_a_program_is_told() {
    let gate = gate();
    let over = token(&json!({ "exp": NOW - 60 }));
    let cookie = format!("__session={over}");
    for (request, code) in [
        (navigate("/api/me?next=//evil.example").header("cookie", &cookie), Code::TokenExpired),
        (navigate("/api/me"), Code::AuthRequired),
    ] {
        let outcome = gate.send(empty(request));
        assert_eq!((outcome.status(), outcome.code()), (302, Some(code)));
        assert_eq!(
            outcome.header("location"),
            "https://shop.example/sign-in?redirect_url=https%3A%2F%2Fshop.example%2Fapi%2Fme"
        );
        assert_eq!(outcome.header("cache-control"), "no-store");
    }
    let told = gate.send(empty(get("/api/me").header("cookie", &cookie).header("accept", "application/json")));
    assert_eq!((told.status(), told.code()), (401, Some(Code::TokenExpired)));
    assert_eq!(told.json()["error"], "Unauthorized");
    let fetched = navigate("/api/me").header("rsc", "1").header("cookie", &cookie);
    assert_eq!(gate.send(empty(fetched)).status(), 401, "a part of a page is no document");
    let invalid = navigate("/api/me").header("cookie", "__session=x.y.z");
    assert_eq!(gate.send(empty(invalid)).status(), 401);
    let signing_in = Gate::with(policy().route(route(Method::Get, "/sign-in", Kind::ProtectedRead)), &providers());
    assert_eq!(signing_in.send(empty(navigate("/sign-in"))).status(), 401, "never in a circle");
}

#[test]
fn a13_clerks_handshake_passes_untouched() {
    let gate = gate();
    let query =
        "/dashboard?__clerk_handshake_nonce=n&__clerk_db_jwt=dvb_1&__session=x&suffixed_cookies=true&format=nonce";
    let expired = format!("__session={}; __client_uat=5; __refresh_naoXFJnI=r", token(&json!({ "exp": NOW - 60 })));
    let request = navigate(query).header("cookie", &expired).header("referer", "https://accounts.example.com/");
    let outcome = gate.send_to(empty(request), |_| {
        http::Response::builder()
            .status(307)
            .header("location", "https://clerk.example.com/v1/client/handshake?redirect_url=x")
            .header("set-cookie", "__clerk_redirect_count=1; SameSite=Lax; HttpOnly; Max-Age=2")
            .header("set-cookie", "__session=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT")
            .header("set-cookie", "__client_uat=5; Path=/")
            .header("x-clerk-auth-status", "handshake")
            .body(bytes::Bytes::new())
            .expect("response")
    });
    assert_eq!(outcome.status(), 307);
    assert_eq!(outcome.forwarded.as_ref().expect("forwarded").uri.to_string(), query);
    assert_eq!(outcome.up("cookie"), Some(expired.as_str()));
    assert_eq!(outcome.up("sec-fetch-dest"), Some("document"));
    assert_eq!(outcome.up("referer"), Some("https://accounts.example.com/"));
    assert_eq!(outcome.up("x-forwarded-host"), Some("shop.example"));
    let cookies: Vec<_> = support::headers_of(&outcome).get_all("set-cookie").iter().collect();
    assert!(
        cookies.len() >= 3 && cookies[0] == "__clerk_redirect_count=1; SameSite=Lax; HttpOnly; Max-Age=2",
        "{cookies:?}"
    );
    assert!(outcome.header("cache-control").contains("no-store"));
    assert_eq!(outcome.header("location"), "https://clerk.example.com/v1/client/handshake?redirect_url=x");
    let cross = get("/dashboard").header("sec-fetch-site", "cross-site").header("sec-fetch-mode", "navigate");
    assert!(gate.send(empty(cross.header("sec-fetch-dest", "document"))).admitted());
}
