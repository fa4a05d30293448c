use super::*;

fn page(headers: &[(&str, &str)], body: &str) -> Page {
    let place = Place { https: true, host: "shop.example".to_owned() };
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Page { place, status: 200, verified: true, headers, body: body.to_owned() }
}

fn site(headers: &[(&str, &str)]) -> Site {
    Site { host: "shop.example".to_owned(), https: Some(page(headers, "")), ..Site::default() }
}

fn result(site: &Site, test: Test) -> &'static str {
    let report = judge(site).expect("graded");
    report.tests.iter().find(|tested| tested.test == test).expect("tested").outcome.name
}

#[test]
fn the_arithmetic_gives_bonuses_to_the_good_only() {
    let bare = judge(&site(&[])).expect("graded");
    assert_eq!((bare.raw.score, bare.raw.letter), (30, "D"), "-25 policy, -20 HSTS, -5 types, -20 framing");
    assert_eq!(grade([-10, 5, 5].into_iter()).score, 100, "uncurved 90: bonuses count");
    assert_eq!(grade([-15, 5, 5].into_iter()).score, 85, "uncurved 85: they do not");
    assert_eq!(grade([-200].into_iter()).score, 0);
    let letters: Vec<_> = [100, 99, 89, 84, 79, 69, 64, 59, 49, 44, 39, 29, 24].map(letter).to_vec();
    assert_eq!(letters, ["A+", "A", "A-", "B+", "B", "B-", "C+", "C", "C-", "D+", "D", "D-", "F"]);
}

#[test]
fn policies_have_the_observatorys_results() {
    let cases = [
        ("default-src 'none'; script-src 'self'", "csp-implemented-with-no-unsafe-default-src-none"),
        ("default-src 'self'", "csp-implemented-with-no-unsafe"),
        (
            "default-src 'self'; script-src 'nonce-abcdefgh' 'strict-dynamic' https: 'unsafe-inline'",
            "csp-implemented-with-no-unsafe",
        ),
        ("default-src 'self'; script-src 'strict-dynamic'", "csp-header-invalid"),
        ("default-src 'self'; style-src 'unsafe-inline'", "csp-implemented-with-unsafe-inline-in-style-src-only"),
        (
            "default-src 'self'; img-src http://a.example",
            "csp-implemented-with-insecure-scheme-in-passive-content-only",
        ),
        ("default-src 'self' 'unsafe-eval'", "csp-implemented-with-unsafe-eval"),
        ("default-src 'self' 'unsafe-inline'", "csp-implemented-with-unsafe-inline"),
        ("script-src 'self'", "csp-implemented-with-unsafe-inline"),
        ("default-src 'self'; connect-src http://a.example", "csp-implemented-with-insecure-scheme"),
        ("default-src 'self'; default-src *", "csp-header-invalid"),
        ("default-src 'self'; report-uri /a; report-uri /b", "csp-implemented-but-duplicate-directives"),
        ("x", "csp-header-invalid"),
    ];
    for (policy, expected) in cases {
        assert_eq!(result(&site(&[("content-security-policy", policy)]), Test::Csp), expected, "{policy}");
    }
    let reporting = site(&[("content-security-policy-report-only", "default-src 'self'")]);
    assert_eq!(result(&reporting, Test::Csp), "csp-not-implemented-but-reporting-enabled");
    let meta = "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'\">";
    let in_meta = Site { https: Some(page(&[("content-type", "text/html")], meta)), ..site(&[]) };
    assert_eq!(result(&in_meta, Test::Csp), "csp-implemented-with-no-unsafe-default-src-none");
}

#[test]
fn cookies_are_as_bad_as_the_worst() {
    let hsts = ("strict-transport-security", "max-age=31536000");
    let cases = [
        ("a=1; Secure; SameSite=Lax", "cookies-secure-with-httponly-sessions-and-samesite"),
        ("a=1; Secure", "cookies-secure-with-httponly-sessions"),
        ("a=1", "cookies-without-secure-flag-but-protected-by-hsts"),
        ("a=1; Secure; SameSite=Sometimes", "cookies-samesite-flag-invalid"),
        ("csrf=1; Secure", "cookies-anticsrf-without-samesite-flag"),
        ("sessionid=1; Secure", "cookies-session-without-httponly-flag"),
        ("sessionid=1; HttpOnly", "cookies-session-without-secure-flag-but-protected-by-hsts"),
    ];
    for (cookie, expected) in cases {
        assert_eq!(result(&site(&[hsts, ("set-cookie", cookie)]), Test::Cookies), expected, "{cookie}");
    }
    assert_eq!(
        result(&site(&[("set-cookie", "sessionid=1; HttpOnly")]), Test::Cookies),
        "cookies-session-without-secure-flag"
    );
}

#[test]
fn a_reflected_origin_with_credentials_is_universal() {
    let origin = "https://evil.example";
    let answer = |allowed: &str, credentials: &str| Site {
        preflight: Some(Preflight {
            origin: origin.to_owned(),
            headers: vec![
                ("access-control-allow-origin".to_owned(), allowed.to_owned()),
                ("access-control-allow-credentials".to_owned(), credentials.to_owned()),
            ],
        }),
        ..site(&[])
    };
    let universal = "cross-origin-resource-sharing-implemented-with-universal-access";
    assert_eq!(result(&answer(origin, "true"), Test::Cors), universal);
    let restricted = "cross-origin-resource-sharing-implemented-with-restricted-access";
    assert_eq!(result(&answer(origin, "false"), Test::Cors), restricted);
    assert_eq!(result(&answer("https://shop.example", "true"), Test::Cors), restricted);
}

#[test]
fn plain_http_must_lead_to_https_at_once() {
    let place = |https, host: &str| Place { https, host: host.to_owned() };
    let cases = [
        (vec![place(false, "a")], "redirection-missing"),
        (vec![place(false, "a"), place(true, "a")], "redirection-to-https"),
        (
            vec![place(false, "a"), place(false, "b"), place(true, "b")],
            "redirection-not-to-https-on-initial-redirection",
        ),
        (vec![place(false, "a"), place(true, "b")], "redirection-off-host-from-http"),
        (vec![place(false, "a"), place(false, "b")], "redirection-not-to-https"),
    ];
    for (route, expected) in cases {
        let http = Some(page(&[], ""));
        assert_eq!(result(&Site { http, route, ..site(&[]) }, Test::Redirection), expected);
    }
}

#[test]
fn isolation_headers_are_items_of_one_token() {
    let cases = [
        ("same-origin", "coop-implemented-with-same-origin"),
        ("same-origin; report-to=\"x\"", "coop-implemented-with-same-origin"),
        ("\"same-origin\"", "coop-header-invalid"),
        ("same-origin,", "coop-header-invalid"),
        ("Same-Origin", "coop-header-invalid"),
    ];
    for (value, expected) in cases {
        assert_eq!(result(&site(&[("cross-origin-opener-policy", value)]), Test::Coop), expected, "{value}");
    }
}

#[test]
fn scripts_of_others_want_a_hash() {
    let cases = [
        ("<script src='/a.js'></script>", "sri-not-implemented-but-all-scripts-loaded-from-secure-origin"),
        (
            "<script src='https://cdn.example/a.js'></script>",
            "sri-not-implemented-but-external-scripts-loaded-securely",
        ),
        (
            "<script src='https://cdn.example/a.js' integrity='sha384-x'></script>",
            "sri-implemented-and-external-scripts-loaded-securely",
        ),
        (
            "<script src='http://cdn.example/a.js'></script>",
            "sri-not-implemented-and-external-scripts-not-loaded-securely",
        ),
        (
            "<script src='https://www.shop.example/a.js'></script>",
            "sri-not-implemented-but-all-scripts-loaded-from-secure-origin",
        ),
        ("<p>", "sri-not-implemented-but-no-scripts-loaded"),
    ];
    for (body, expected) in cases {
        let one = Site { https: Some(page(&[("content-type", "text/html")], body)), ..site(&[]) };
        assert_eq!(result(&one, Test::Sri), expected, "{body}");
    }
}

#[test]
fn what_clerk_does_by_design_is_excused_with_its_reason() {
    let clerk =
        site(&[("strict-transport-security", "max-age=31536000"), ("set-cookie", "__session=a; Secure; SameSite=Lax")]);
    let report = judge(&clerk).expect("graded");
    let cookies = report.tests.iter().find(|tested| tested.test == Test::Cookies).expect("tested");
    assert_eq!(cookies.outcome.name, "cookies-session-without-httponly-flag");
    assert_eq!(report.excused.score - report.raw.score, 30);
    let own = site(&[("strict-transport-security", "max-age=31536000"), ("set-cookie", "sessionid=a; Secure")]);
    let report = judge(&own).expect("graded");
    assert_eq!(report.excused, report.raw, "a session of the app's own is not");
}

#[test]
fn what_only_https_can_show_is_taken_as_good_behind_it() {
    let mut plain = site(&[
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ("x-content-type-options", "nosniff"),
    ]);
    let over_https = plain.https.take().expect("a page");
    plain.route = vec![Place { https: false, host: "127.0.0.1".to_owned() }];
    plain.http = Some(Page { place: plain.route[0].clone(), ..over_https });
    assert_eq!(judge(&plain).expect("graded").raw.score, 60, "-20 HSTS, -20 redirection");
    assert_eq!(behind_https(&plain).expect("graded").raw.letter, "A+");
}

#[test]
fn presence_counts_six_headers() {
    let all = [
        ("strict-transport-security", "max-age=1"),
        ("content-security-policy", "default-src 'self'; frame-ancestors 'none'"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("permissions-policy", "camera=()"),
    ];
    assert_eq!(presence(&page(&all, ""), false).letter, "A+");
    let mut inline = all;
    inline[1].1 = "default-src 'self' 'unsafe-inline'; frame-ancestors 'none'";
    assert_eq!(presence(&page(&inline, ""), false).letter, "A");
    assert_eq!(presence(&page(&all[..1], ""), false).letter, "E");
}

#[test]
fn an_error_page_is_not_graded() {
    let mut one = site(&[]);
    one.https.as_mut().expect("a page").status = 500;
    assert_eq!(judge(&one), None);
}
