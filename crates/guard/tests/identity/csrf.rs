//! CSRF tokens and who they were made for.

use super::*;

/// A token bound to whoever `cookie` says, and the cookies to send with it.
fn csrf(gate: &Gate, cookie: &str) -> (String, String) {
    let fetch = get("/api/csrf").header("sec-fetch-site", "same-origin").header("cookie", cookie);
    let outcome = gate.send(empty(fetch));
    let sid = outcome.header("set-cookie").split(';').next().expect("cookie").to_owned();
    (sid, outcome.json()["csrfToken"].as_str().expect("token").to_owned())
}

#[test]
fn a3_a_csrf_token_serves_the_session_it_was_made_for_and_no_other() {
    let gate = gate();
    let one = format!("__session={}", token(&json!({})));
    let two = format!("__session={}", token(&json!({ "sid": "sess_2", "sub": "user_2" })));
    let write = |cookie: &str, sid: &str, token: &str| {
        gate.send(empty(
            same_origin(post("/api/posts")).header("cookie", format!("{cookie}; {sid}")).header("x-csrf-token", token),
        ))
    };
    let (sid, nobodys) = csrf(&gate, "a=1");
    assert_eq!(write(&one, &sid, &nobodys).code(), Some(Code::CsrfTokenInvalid), "made before sign-in");
    let (signed_in, ones) = csrf(&gate, &format!("{one}; {sid}"));
    assert_ne!(signed_in, sid, "signing in replaces the session");
    assert_eq!(write(&two, &signed_in, &ones).code(), Some(Code::CsrfTokenInvalid), "somebody else's");
    let good = write(&one, &signed_in, &ones);
    assert_eq!(good.code(), None);
    let next = good.header("x-csrf-token").to_owned();
    assert_eq!(write(&one, &signed_in, &next).code(), None, "the next token is the same session's");
    assert_eq!(write(&one, &signed_in, &next).code(), Some(Code::CsrfTokenReused));
    let (kept, _) = csrf(&gate, &format!("{one}; {signed_in}"));
    assert_eq!(kept, signed_in, "the same session keeps its own");
    let (replaced, _) = csrf(&gate, &format!("{two}; {signed_in}"));
    assert_ne!(replaced, signed_in, "another one does not");
    // A session that lapses and is renewed within the same sign-in keeps its tokens.
    let (lapsed, _) = csrf(&gate, &format!("a=1; {signed_in}"));
    assert_eq!(lapsed, signed_in);
    // Anybody's form takes the token of whoever is signed in, once.
    let (sid, token) = csrf(&gate, &one);
    let form = |sid: &str| {
        same_origin(post("/api/contact")).header("cookie", format!("{one}; {sid}")).header("x-csrf-token", &token)
    };
    assert_eq!(gate.send(empty(form(&sid))).code(), None);
    assert_eq!(write(&one, &sid, &token).code(), Some(Code::CsrfTokenReused), "in one ledger for both");
}

#[test]
fn a3_the_token_of_a_form_is_compared_too() {
    let gate = gate();
    let one = format!("__session={}", token(&json!({})));
    let (sid, nobodys) = csrf(&gate, "a=1");
    let send = |token: &str, sid: &str| {
        let request = same_origin(post("/api/posts"))
            .header("cookie", format!("{one}; {sid}"))
            .header("content-type", "application/x-www-form-urlencoded");
        gate.send(support::body(request, &format!("_csrf={token}"))).code()
    };
    assert_eq!(send(&nobodys, &sid), Some(Code::CsrfTokenInvalid));
    let (sid, ones) = csrf(&gate, &one);
    assert_eq!(send(&ones, &sid), None);
}

#[test]
fn a3_only_a_verified_bearer_token_without_cookies_needs_no_csrf_token() {
    let gate = gate();
    let good = token(&json!({}));
    let with = |authorization: &str| post("/api/posts").header("authorization", authorization);
    let bearer = format!("Bearer {good}");
    let rows = [
        (with(&bearer), None),
        (with("Bearer x.y.z"), Some(Code::TokenInvalid)),
        (with("Basic dTpw"), Some(Code::CsrfTokenMissing)),
        (with("Negotiate abc"), Some(Code::CsrfTokenMissing)),
        (with("Digest abc"), Some(Code::CsrfTokenMissing)),
        (with(&good), Some(Code::CsrfTokenMissing)),
        (with(&format!("bearer {good}")), Some(Code::CsrfTokenMissing)),
        (with(&bearer).header("authorization", "Basic dTpw"), Some(Code::CsrfTokenMissing)),
        (with(&bearer).header("cookie", "a=1"), Some(Code::CsrfTokenMissing)),
        (with(&bearer).header("sec-fetch-site", "none"), Some(Code::CsrfTokenMissing)),
        (with(&bearer).header("sec-fetch-site", "cross-site"), Some(Code::CsrfCrossOrigin)),
        (with(&bearer).header("origin", "https://evil.example"), Some(Code::CsrfCrossOrigin)),
        (post("/api/contact").header("authorization", &bearer), Some(Code::CsrfTokenMissing)),
    ];
    for (request, code) in rows {
        let request = empty(request);
        let what = format!("{:?}", request.headers());
        assert_eq!(gate.send(request).code(), code, "{what}");
    }
    // Without a verifier nobody is verified, so nobody is exempt.
    let unverified = Gate::new(policy());
    assert_eq!(unverified.send(empty(with(&bearer))).code(), Some(Code::CsrfTokenMissing));
}
