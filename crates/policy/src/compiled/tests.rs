use palisade_diag::FileId;
use proptest::prelude::*;

use crate::{Draft, Environment, Sources, parse};

/// Says something of every table and of every key that a draft keeps.
const FULL: &str = r#"
[app]
name = "shop"
public_origin = ["https://shop.example", "https://www.shop.example"]
services = ["clerk", "stripe"]
framework = "nextjs"
mode = "observe"
directory = "web"
[clients]
trusted_proxies = ["10.0.0.0/8", "2001:db8::/32"]
header = "cf-connecting-ip"
[csrf]
path = "/api/token"
header = "X-Token"
field = "_token"
trusted_origins = ["https://admin.shop.example"]
[cors]
origins = ["https://partner.example"]
methods = ["GET", "POST"]
headers = ["content-type"]
credentials = true
max_age = "10min"
[limits]
buffered = "32MiB"
upstream_timeout = "10s"
[identity]
provider = "oidc"
issuer = "https://id.example"
jwks = "https://id.example/jwks.json"
audience = ["shop"]
authorized_parties = ["https://shop.example"]
sign_in_url = "/sign-in"
[state]
redis = "REDIS_URL"
outage = "closed"
[undeclared]
kind = "page"
unsafe = "origin"
[env.production]
required = ["DATABASE_URL"]
optional = ["SENTRY_DSN"]
[[action]]
name = "save"
kind = "protected-write"
[[route]]
path = "/api/contact"
methods = ["POST"]
kind = "public-form"
schema = "schemas/contact.json"
limit = "7/h"
[[route]]
path = "/api/users/{user}/posts"
methods = ["POST", "DELETE"]
kind = "protected-write"
access = { owner = "user", plan = ["pro"], role = ["admin"] }
[[route]]
path = "/api/hook"
kind = "webhook"
signature = { scheme = "stripe", secrets = ["STRIPE_WEBHOOK_SECRET"] }
[[route]]
path = "/login"
methods = ["POST"]
kind = "login"
success = { location = "/home" }
identifier = "/email"
[[route]]
path = "/up"
methods = ["PUT"]
kind = "upload"
media_types = ["image/png"]
signals = "block"
[[route]]
path = "/free"
methods = ["HEAD", "POST"]
kind = "public-form"
csrf = { strength = "origin", because = "a test" }
"#;

fn draft() -> Draft {
    let (draft, found) = parse(FileId(0), FULL);
    assert!(!found.has_errors(), "{found:?}");
    draft
}

fn shown(draft: &Draft) -> String {
    let Draft { builder, origins, schemas, environments, .. } = draft;
    format!("{builder:#?}{origins:#?}{schemas:#?}{environments:#?}")
}

#[test]
fn a_draft_reads_back_as_it_was_written() {
    let bytes = draft().to_bytes().expect("no errors");
    let back = Draft::from_bytes(&bytes).expect("a draft");
    assert_eq!(shown(&back), shown(&draft()));
    let sources = || {
        let mut sources = Sources::new(Environment::Production);
        sources.files.insert("schemas/contact.json".to_owned(), Ok("{}".to_owned()));
        sources
    };
    let [was, is] = [draft(), back].map(|draft| match draft.build(&sources()) {
        Ok(built) => built.policy.advise("POST", "/api/contact").json(),
        Err(found) => panic!("{found:?}"),
    });
    assert_eq!(was, is);
}

#[test]
fn a_draft_with_an_error_is_not_written() {
    let (draft, _) = parse(FileId(0), "[app]\nname = \"x\"\nnonsense = 1\n");
    assert!(draft.to_bytes().is_err());
}

#[test]
fn bytes_of_another_version_are_refused() {
    let bytes = draft().to_bytes().expect("no errors");
    let mut other = bytes.clone();
    other[9] ^= 1;
    assert!(Draft::from_bytes(&other).is_none());
    assert!(Draft::from_bytes(&[&bytes[..], b"x"].concat()).is_none());
    assert!((0..bytes.len()).all(|end| Draft::from_bytes(&bytes[..end]).is_none()));
}

proptest! {
    #[test]
    fn no_bytes_are_fatal(at in 15usize..400, byte: u8, rest in proptest::collection::vec(any::<u8>(), 0..40)) {
        let mut bytes = draft().to_bytes().expect("no errors");
        bytes[at] = byte;
        let _ = Draft::from_bytes(&bytes);
        bytes.truncate(at);
        bytes.extend(rest);
        let _ = Draft::from_bytes(&bytes);
    }
}
