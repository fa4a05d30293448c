//! What a site says that it should keep to itself: when it fails, and when it is asked for files that nobody should have.

use super::input::sql_text;
use super::seen::{Seen, better_not, excerpt, unless};
use super::{Experiment, Next, Step, checks, follow};
use crate::check::Ruled;
use crate::facts::Unknown;
use crate::facts::live::{Aim, Exchanged, Received, Sent};
use crate::headers::tags;

pub(super) const EXPERIMENT: Experiment =
    Experiment { name: "errors", about: "failures and forgotten files tell nothing", next, checks: CHECKS };

checks! { "errors":
    "stack-trace", "Answers hold no stack traces", Medium, "A05:2021; ASVS 16.5.1", stack_trace;
    "path", "Answers hold no paths of the server's disk", Low, "A05:2021; ASVS 16.5.1", disk_path;
    "sql", "Answers hold no words of a database", Medium, "A05:2021; ASVS 16.5.1", sql;
    "detail", "Failures say no more than that they are", Low, "A05:2021; ASVS 16.5.1", detail;
    "debug-page", "No debugging pages are served", High, "A05:2021; ASVS 13.4.2", debug_page;
    "banner", "Answers do not name the framework", Low, "A05:2021; ASVS 13.4.6", banner;
    "version", "Answers do not name versions", Low, "A05:2021; ASVS 13.4.6", version;
    "source-map", "Source maps are not served", Medium, "A05:2021; ASVS 13.4.2", source_map;
    "env-file", "Files of variables are not served", Critical, "A05:2021; ASVS 13.4.1", |seen| file(seen, &["/.env", "/.env.local", "/.env.production"], looks_like_env, "variables");
    "git", "The repository is not served", Critical, "A05:2021; ASVS 13.4.1", |seen| file(seen, &["/.git/HEAD", "/.git/config"], |body| body.starts_with("ref: ") || body.contains("[core]"), "the repository");
    "manifest", "Manifests are not served", Low, "A05:2021; ASVS 13.4.1", |seen| file(seen, &["/package.json", "/docker-compose.yml"], |body| body.contains("\"dependencies\"") || body.contains("services:"), "a manifest");
    "backup", "Backups are not served", Critical, "A05:2021; ASVS 13.4.1", |seen| file(seen, &["/backup.sql", "/dump.sql"], |body| body.contains("CREATE TABLE") || body.contains("INSERT INTO"), "a database");
    "status-page", "Pages about the server are not served", Medium, "A05:2021; ASVS 13.4.2", |seen| file(seen, &["/server-status", "/actuator/env", "/phpinfo.php", "/debug/vars"], |body| ["Apache Server Status", "propertySources", "phpinfo()", "\"cmdline\""].iter().any(|words| body.contains(words)), "a page about the server");
    "listing", "Folders are not listed", Low, "A05:2021; ASVS 13.4.3", listing;
    "secret", "Pages and scripts hold no secrets", Critical, "A02:2021; ASVS 13.3.1", secret;
    "trace", "TRACE is refused", Low, "A05:2021; ASVS 13.4.4", trace;
    "not-found", "A path that is not there is answered with 404", Low, "A05:2021", not_found;
}

/// What is asked for by its path alone.
const FILES: [&str; 13] = [
    "/.env",
    "/.env.local",
    "/.env.production",
    "/.git/HEAD",
    "/.git/config",
    "/package.json",
    "/docker-compose.yml",
    "/backup.sql",
    "/dump.sql",
    "/server-status",
    "/actuator/env",
    "/phpinfo.php",
    "/debug/vars",
];

const STEPS: [Step; 10] = [
    ("page", |seen| Some(seen.read("/"))),
    ("aim", |seen| (seen.aim.path != "/").then(|| seen.read(&seen.aim.path))),
    ("missing", |seen| Some(seen.read(&format!("/palisade-probe-{}", seen.aim.marker)))),
    ("missing-api", |seen| {
        Some(seen.read(&format!("/api/palisade-probe-{}", seen.aim.marker)).with("accept", "application/json"))
    }),
    ("malformed", |seen| {
        Some(
            Sent { method: "POST".to_owned(), ..seen.read(&seen.aim.path) }
                .with("origin", &seen.aim.origin)
                .carrying("application/json", "{\"a\":"),
        )
    }),
    ("percent", |seen| Some(seen.read("/%c0%ae%c0%ae/%00"))),
    ("listing", |seen| Some(seen.read("/static/"))),
    ("debug", |seen| {
        Some(seen.read("/__nextjs_original-stack-frame?file=a&methodName=a&arguments=a&lineNumber=1&column=1"))
    }),
    ("trace", |seen| {
        Some(Sent { method: "TRACE".to_owned(), ..seen.read("/") }.with("x-palisade-echo", &seen.aim.marker))
    }),
    ("script", |seen| scripts(seen).first().map(|script| seen.read(script))),
];

fn next(aim: &Aim, exchanges: &[Exchanged]) -> Next {
    let seen = Seen { aim, exchanges };
    if let Next::Send(sent) = follow(&STEPS, aim, exchanges) {
        return Next::Send(sent);
    }
    for path in FILES {
        if !seen.is_done(path) {
            return Next::Send(Sent { step: path.to_owned(), after: seen.pause(), ..seen.read(path) });
        }
    }
    let maps: [Step; 1] = [("map", |seen| {
        let script = scripts(seen).into_iter().next()?;
        Some(seen.read(&format!("{}.map", script.split('?').next().unwrap_or_default())))
    })];
    follow(&maps, aim, exchanges)
}

/// The page's own scripts, as paths.
fn scripts(seen: &Seen<'_>) -> Vec<String> {
    let Some(page) = seen.answer("page") else { return Vec::new() };
    let sources = tags(&page.body)
        .into_iter()
        .filter(|tag| tag.name == "script")
        .filter_map(|tag| tag.get("src").map(str::to_owned));
    let own = sources.filter_map(|source| match source.strip_prefix(&seen.aim.origin) {
        Some(path) => Some(path.to_owned()),
        None if source.starts_with('/') && !source.starts_with("//") => Some(source),
        None => None,
    });
    own.filter(|path| path.split('?').next().is_some_and(|path| path.ends_with(".js"))).take(1).collect()
}

/// Every answer that came.
fn answers<'a>(seen: &Seen<'a>) -> Result<Vec<(&'a str, &'a Received)>, Unknown> {
    let all: Vec<_> = seen
        .exchanges
        .iter()
        .filter_map(|exchange| Some((exchange.sent.step.as_str(), exchange.answer.as_ref().ok()?)))
        .collect();
    if all.is_empty() {
        return Err(Unknown::new("nothing was answered", "ask again"));
    }
    Ok(all)
}

/// Fails by the first answer in which something is found.
fn none_of(
    seen: &Seen<'_>,
    find: impl Fn(&Received) -> Option<String>,
    good: &str,
    fix: &str,
) -> Result<Vec<Ruled>, Unknown> {
    let found = answers(seen)?.into_iter().find_map(|(step, answer)| Some((step, answer.status, find(answer)?)));
    Ok(match found {
        Some((step, status, what)) => vec![Ruled::fail(format!("`{step}` is answered with {status}: {what}"), fix)],
        None => vec![Ruled::pass(good)],
    })
}

const GENERIC: &str = "answer failures with one sentence and an id, and log the rest";

fn is_failure(answer: &Received) -> bool {
    answer.status >= 400
}

fn stack_trace(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    let words = [
        "    at ",
        "Traceback (most recent call last)",
        "stack backtrace:",
        "thread 'main' panicked",
        ".rs:",
        "goroutine 1 [running]",
        "at java.",
        "Stack trace:",
        "\\n    at ",
    ];
    let find = |answer: &Received| {
        let word = words.into_iter().find(|word| answer.body.contains(word)).filter(|_| is_failure(answer))?;
        Some(excerpt(&answer.body, word))
    };
    none_of(seen, find, "no stack trace", GENERIC)
}

fn disk_path(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    let words =
        ["/home/", "/var/www/", "/usr/src/", "/app/node_modules/", "/Users/", "C:\\", "webpack-internal:", "file:///"];
    let find = |answer: &Received| {
        let word = words.into_iter().find(|word| answer.body.contains(word)).filter(|_| is_failure(answer))?;
        Some(excerpt(&answer.body, word))
    };
    none_of(seen, find, "no path of a disk", GENERIC)
}

fn sql(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    let find = |answer: &Received| {
        sql_text(&answer.body)
            .filter(|_| is_failure(answer))
            .map(|word| excerpt(&answer.body.to_ascii_lowercase(), word))
    };
    none_of(seen, find, "no word of a database", GENERIC)
}

fn detail(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    let words = [
        "ECONNREFUSED",
        "ENOENT",
        "TypeError:",
        "ReferenceError:",
        "Cannot read propert",
        "is not a function",
        "NullPointerException",
        "undefined is not",
        "getaddrinfo",
        "SyntaxError:",
    ];
    let find = |answer: &Received| {
        let word = words.into_iter().find(|word| answer.body.contains(word)).filter(|_| is_failure(answer))?;
        Some(excerpt(&answer.body, word))
    };
    none_of(seen, find, "nothing of how it failed", GENERIC)
}

fn debug_page(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    let words = [
        "Werkzeug Debugger",
        "DEBUG = True",
        "Whoops, looks like something went wrong",
        "__next_error__\" data-nextjs-dev",
        "originalStackFrame",
        "Symfony Exception",
        "Rails.root:",
        "nextjs__container_errors",
    ];
    let find = |answer: &Received| {
        words.into_iter().find(|word| answer.body.contains(word)).map(|word| excerpt(&answer.body, word))
    };
    none_of(seen, find, "no debugging page", "run the production build, with NODE_ENV=production")
}

fn banner(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    let names = ["x-powered-by", "x-aspnet-version", "x-aspnetmvc-version", "x-generator", "x-runtime"];
    let find = |answer: &Received| names.into_iter().find_map(|name| Some(format!("{name}: {}", answer.header(name)?)));
    none_of(seen, find, "no framework is named", "take it out (`poweredByHeader: false` in next.config)")
}

fn version(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    let find = |answer: &Received| {
        let server = ["server", "via"].into_iter().find_map(|name| {
            answer.header(name).filter(|value| value.contains('/') && value.contains(|c: char| c.is_ascii_digit()))
        });
        server.filter(|value| !value.starts_with("1.")).map(|value| format!("Server: {value}"))
    };
    none_of(seen, find, "no version is named", "take it out (`server_tokens off` in nginx)")
}

fn source_map(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    seen.told("page")?;
    if scripts(seen).is_empty() {
        return Ok(vec![Ruled::not_applicable("the page loads no script of its own")]);
    }
    let answer = seen.told("map")?;
    let served = answer.status == 200 && answer.body.contains("\"mappings\"");
    Ok(unless(
        served,
        format!("{}", answer.status),
        "the source of the page's script is served",
        "do not deploy source maps, or keep them from visitors",
    ))
}

fn looks_like_env(body: &str) -> bool {
    let is_line = |line: &str| {
        let name = line.split_once('=').map_or("", |(name, _)| name.trim_start_matches("export ").trim());
        name.len() > 2 && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    };
    !body.trim_start().starts_with('<') && body.lines().any(is_line)
}

fn file(seen: &Seen<'_>, paths: &[&str], is: fn(&str) -> bool, what: &str) -> Result<Vec<Ruled>, Unknown> {
    let mut last = Err(Unknown::new("not asked", "ask again"));
    for path in paths {
        match seen.told(path) {
            Ok(answer) if answer.status == 200 && is(&answer.body) => {
                return Ok(vec![Ruled::fail(
                    format!("{path} serves {what}"),
                    "take it off the server, and change every secret in it",
                )]);
            }
            answer => last = answer,
        }
    }
    last.map(|_| vec![Ruled::pass(format!("{} and its like are not served", paths.first().unwrap_or(&"")))])
}

fn listing(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    let answer = seen.told("listing")?;
    let listed = answer.status == 200
        && ["<title>Index of", "Directory listing for", "Parent Directory"]
            .iter()
            .any(|word| answer.body.contains(word));
    Ok(unless(listed, "not listed", "/static/ lists its files", "switch listings off (`autoindex off` in nginx)"))
}

fn secret(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    let starts = [
        "sk_live_",
        "sk_test_",
        "rk_live_",
        "whsec_",
        "ghp_",
        "github_pat_",
        "AKIA",
        "xoxb-",
        "-----BEGIN PRIVATE KEY",
        "-----BEGIN RSA PRIVATE KEY",
        "sk-ant-",
        "npm_",
    ];
    let find = |answer: &Received| {
        starts
            .into_iter()
            .find(|start| {
                let long = |rest: &str| {
                    rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "_-".contains(*c)).count() >= 16
                };
                answer
                    .body
                    .match_indices(start)
                    .any(|(at, _)| start.starts_with('-') || answer.body.get(at + start.len()..).is_some_and(long))
            })
            .map(|start| format!("something that begins with {start}"))
    };
    none_of(seen, find, "no secret in the page or its script", "change the secret, and keep it on the server")
}

fn trace(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    let answer = match seen.told("trace") {
        Ok(answer) => answer,
        // Closing the connection is a refusal too.
        Err(_) if seen.of("trace").next().is_some() => return Ok(vec![Ruled::pass("the connection is closed")]),
        Err(unknown) => return Err(unknown),
    };
    let echoed = answer.status == 200 && answer.body.contains(&seen.aim.marker);
    Ok(unless(echoed, format!("{}", answer.status), "the request comes back, cookies and all", "refuse TRACE"))
}

fn not_found(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    let status = seen.told("missing")?.status;
    Ok(better_not(
        status < 400,
        format!("{status}"),
        format!("answered with {status}"),
        "answer 404, so that logs and scanners tell what is there",
    ))
}
