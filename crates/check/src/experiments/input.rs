//! Whether input is checked: what is reflected, executed, accepted or fatal.

use serde_json::{Map, Value, json};

use super::seen::{Seen, better_not, excerpt, is_safe, unless};
use super::{Experiment, Next, Step, checks, follow};
use crate::check::Ruled;
use crate::facts::Unknown;
use crate::facts::live::{Aim, Exchanged, Received, Sent};

pub(super) const EXPERIMENT: Experiment =
    Experiment { name: "input", about: "bad input is refused, and never runs", next, checks: CHECKS };

checks! { "input":
    "xss", "Script in a field does not come back as script", High, "A03:2021; ASVS 1.2.1", |seen| of_body(seen, xss);
    "xss-query", "Script in the query does not come back as script", High, "A03:2021; ASVS 1.2.1", xss_query;
    "sql", "Quotes in a field do not reach the database as syntax", Critical, "A03:2021; ASVS 1.2.4", |seen| of_body(seen, sql);
    "traversal", "Dots in a field do not open files", Critical, "A03:2021; ASVS 5.3.2", |seen| of_body(seen, traversal);
    "template", "Braces in a field are not computed", Critical, "A03:2021; ASVS 1.3.7", |seen| of_body(seen, template);
    "command", "Backticks in a field do not start programs", Critical, "A03:2021; ASVS 1.2.5", |seen| of_body(seen, command);
    "header", "Line breaks in the query do not make header fields", High, "A03:2021; ASVS 1.2.1", header;
    "redirect", "A parameter does not lead visitors to another site", Medium, "A01:2021; ASVS 1.2.2", redirect;
    "length", "Overlong fields are refused", Medium, "A04:2021; ASVS 2.2.1", |seen| wrong(seen, "length", "a field of 100,000 characters");
    "required", "Missing fields are refused", Medium, "A04:2021; ASVS 2.2.1", |seen| wrong(seen, "required", "without any field");
    "type", "Wrong types are refused", Medium, "A04:2021; ASVS 2.2.1", |seen| wrong(seen, "type", "an object in place of text");
    "array", "A list in place of an object is refused", Low, "A04:2021; ASVS 2.2.1", |seen| wrong(seen, "array", "a list in place of the object");
    "unknown-field", "Fields that nobody asked for are not taken", Medium, "A08:2021; ASVS 15.3.3", |seen| of_body(seen, unknown_field);
    "malformed", "Broken JSON is refused", Low, "A04:2021; ASVS 2.2.1", |seen| wrong(seen, "malformed", "broken JSON");
    "media-type", "Other types of bodies are refused", Low, "A04:2021; ASVS 4.1.1", |seen| wrong(seen, "media-type", "the same as application/xml");
    "duplicate", "A field that stands there twice is refused", Low, "A04:2021; ASVS 2.2.1", |seen| of_body(seen, duplicate);
    "server-error", "No input makes it fail", Medium, "A05:2021; ASVS 16.5.1", server_error;
}

const STEPS: [Step; 18] = [
    ("usual", |seen| Some(seen.honest())),
    ("xss", |seen| filled(seen, SCRIPT)),
    ("sql", |seen| filled(seen, "x' OR '1'='1' --\"")),
    ("sql-broken", |seen| filled(seen, "'\"\\;--")),
    ("traversal", |seen| filled(seen, "../../../../../../../../etc/passwd")),
    ("template", |seen| filled(seen, "{{1337*7331}}${1337*7331}<%= 1337*7331 %>")),
    ("command", |seen| filled(seen, "x;echo $((1337*7331))|`echo $((1337*7331))`$(echo $((1337*7331)))")),
    ("length", |seen| filled(seen, &"a".repeat(100_000))),
    ("required", |seen| changed(seen, |_| json!({}))),
    ("type", |seen| {
        changed(seen, |fields| {
            Value::Object(fields.into_iter().map(|(name, _)| (name, json!({ "$gt": "" }))).collect())
        })
    }),
    ("array", |seen| changed(seen, |fields| json!([fields]))),
    ("unknown-field", |seen| {
        changed(seen, |fields| {
            let more = [("isAdmin", json!(true)), ("role", json!("admin")), ("palisadeProbe", json!("marker"))];
            Value::Object(fields.into_iter().chain(more.map(|(name, value)| (name.to_owned(), value))).collect())
        })
    }),
    ("malformed", |seen| has_body(seen).then(|| seen.honest().carrying("application/json", "{\"a\":"))),
    ("media-type", |seen| has_body(seen).then(|| seen.honest().carrying("application/xml", "<a>b</a>"))),
    ("duplicate", |seen| {
        let fields = fields(seen)?;
        let (name, value) = fields.iter().next()?;
        let text = format!("{{{}:{value},{}:{value}}}", Value::from(name.as_str()), Value::from(name.as_str()));
        (fields.len() == 1).then(|| seen.honest().carrying("application/json", &text))
    }),
    ("query", |seen| {
        Some(read(seen).to(with_query(
            seen,
            &["q", "search", "name", "message", "error", "id"],
            "%3Cscript%3Ealert(73311337)%3C/script%3E%22%27",
        )))
    }),
    ("header", |seen| Some(read(seen).to(with_query(seen, &["q", "lang", "next"], "a%0d%0aX-Palisade-Injected:%201")))),
    ("redirect", |seen| {
        Some(read(seen).to(with_query(
            seen,
            &["next", "url", "redirect", "redirect_url", "return", "returnTo", "callbackUrl"],
            "https://evil.example/palisade",
        )))
    }),
];

const SCRIPT: &str = "<script>alert(73311337)</script>\"'><img src=x onerror=alert(73311337)>";

fn next(aim: &Aim, exchanges: &[Exchanged]) -> Next {
    follow(&STEPS, aim, exchanges)
}

fn has_body(seen: &Seen<'_>) -> bool {
    !is_safe(&seen.aim.method)
}

/// The fields of the body that was given.
fn fields(seen: &Seen<'_>) -> Option<Map<String, Value>> {
    match serde_json::from_str(seen.aim.body.as_deref()?) {
        Ok(Value::Object(fields)) if has_body(seen) => Some(fields),
        _ => None,
    }
}

fn changed(seen: &Seen<'_>, change: fn(Map<String, Value>) -> Value) -> Option<Sent> {
    let body = change(fields(seen)?).to_string();
    Some(seen.honest().carrying("application/json", &body))
}

/// Every text of the body replaced by one.
fn filled(seen: &Seen<'_>, with: &str) -> Option<Sent> {
    let mut fields = fields(seen)?;
    fields.values_mut().filter(|value| value.is_string()).for_each(|value| *value = Value::from(with));
    Some(seen.honest().carrying("application/json", &Value::Object(fields).to_string()))
}

/// A GET of the path, as a browser that navigates.
fn read(seen: &Seen<'_>) -> Sent {
    let headers = seen.aim.headers.clone();
    Sent { method: "GET".to_owned(), headers, ..Sent::default() }.with("accept", "text/html,*/*;q=0.8")
}

fn with_query(seen: &Seen<'_>, names: &[&str], value: &str) -> String {
    let path = seen.aim.path.split('?').next().unwrap_or_default();
    let query: Vec<_> = names.iter().map(|name| format!("{name}={value}")).collect();
    format!("{path}?{}", query.join("&"))
}

/// Whether a browser would run what stands in the body.
fn as_html(answer: &Received) -> bool {
    let kind = answer.header("content-type").unwrap_or_default().to_ascii_lowercase();
    let sniffed = !answer.header("x-content-type-options").unwrap_or_default().eq_ignore_ascii_case("nosniff");
    kind.contains("html") || kind.is_empty() && sniffed
}

/// A judge of what bodies hold, for routes that take one.
fn of_body(seen: &Seen<'_>, judge: fn(&Seen<'_>) -> Result<Vec<Ruled>, Unknown>) -> Result<Vec<Ruled>, Unknown> {
    if has_body(seen) { judge(seen) } else { Ok(vec![Ruled::not_applicable("the route takes no body")]) }
}

/// The answer to a step, which needs a body to fill.
fn filled_in<'a>(seen: &Seen<'a>, step: &str) -> Result<&'a Received, Unknown> {
    if fields(seen).is_none() {
        return Err(Unknown::new(
            "there is no JSON body to fill",
            "give one that the route accepts: --body '{\"name\":\"x\"}'",
        ));
    }
    seen.told(step)
}

const ESCAPE: &str = "escape on the way out, and validate on the way in";

fn xss(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    let answer = filled_in(seen, "xss")?;
    let back =
        answer.body.contains("<script>alert(73311337)") || answer.body.contains("<img src=x onerror=alert(73311337)>");
    let evidence = format!("comes back as HTML: {}", excerpt(&answer.body, "alert(73311337"));
    Ok(unless(back && as_html(answer), format!("{}, nothing runs", answer.status), evidence, ESCAPE))
}

fn xss_query(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    let answer = seen.told("query")?;
    let back = answer.body.contains("<script>alert(73311337)");
    let evidence = format!("comes back as HTML: {}", excerpt(&answer.body, "alert(73311337"));
    Ok(unless(back && as_html(answer), "nothing runs", evidence, ESCAPE))
}

/// What databases say when they are given half a sentence.
const SQL: [&str; 14] = [
    "sql syntax",
    "syntax error at or near",
    "unterminated quoted string",
    "sqlite_error",
    "sqlite3.",
    "near \"'\": syntax error",
    "unrecognized token",
    "ora-0",
    "psql:",
    "pg_query",
    "mysql_fetch",
    "odbc sql",
    "prismaclientknownrequesterror",
    "sqlstate[",
];

pub(super) fn sql_text(body: &str) -> Option<&'static str> {
    let lower = body.to_ascii_lowercase();
    SQL.into_iter().find(|words| lower.contains(words))
}

fn sql(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    let answers = [filled_in(seen, "sql")?, filled_in(seen, "sql-broken")?];
    let told = answers.iter().find_map(|answer| Some((answer, sql_text(&answer.body)?)));
    let evidence = told.map_or(String::new(), |(answer, words)| {
        format!("the database answers: {}", excerpt(&answer.body.to_ascii_lowercase(), words))
    });
    Ok(unless(told.is_some(), "no word of a database", evidence, "bind parameters; never put input into SQL text"))
}

fn traversal(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    let answer = filled_in(seen, "traversal")?;
    Ok(unless(
        answer.body.contains("root:") && answer.body.contains(":0:0:"),
        "no file comes back",
        "/etc/passwd comes back",
        "never build file names of input",
    ))
}

/// 1337 × 7331, which no answer holds by chance.
const COMPUTED: &str = "9801547";

fn template(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    let answer = filled_in(seen, "template")?;
    Ok(unless(
        answer.body.contains(COMPUTED),
        "not computed",
        "the answer holds what the template computes",
        "never make templates of input",
    ))
}

fn command(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    let answer = filled_in(seen, "command")?;
    Ok(unless(
        answer.body.contains(COMPUTED),
        "not run",
        "the answer holds what the command prints",
        "start programs without a shell, and not by input",
    ))
}

fn header(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    let answer = seen.told("header")?;
    Ok(unless(
        answer.header("x-palisade-injected").is_some(),
        "no field is made",
        "a field of the query's is in the answer",
        "refuse line breaks in values of header fields",
    ))
}

fn redirect(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    let answer = seen.told("redirect")?;
    let to = answer.header("location").unwrap_or_default();
    let away = to.starts_with("https://evil.example") || to.starts_with("//evil.example");
    Ok(unless(
        away && matches!(answer.status, 300..=399),
        "leads nowhere else",
        format!("leads to {to}"),
        "redirect to paths of your own alone",
    ))
}

/// What must not be accepted.
fn wrong(seen: &Seen<'_>, step: &str, how: &str) -> Result<Vec<Ruled>, Unknown> {
    if !has_body(seen) {
        return Ok(vec![Ruled::not_applicable("the route takes no body")]);
    }
    if !matches!(step, "malformed" | "media-type") {
        filled_in(seen, step)?;
    }
    let answer = seen.told(step)?;
    let usual = seen.answer("usual");
    if !answer.accepted() && usual.is_some_and(|usual| usual.status == answer.status) {
        let why = format!("{how}: {}, as the honest request", answer.status);
        return Err(Unknown::new(why, "give a body that the route accepts (--body), and a session where it wants one"));
    }
    let fix = "validate with a schema: type, length, required fields";
    Ok(unless(
        answer.accepted(),
        format!("{how}: {}", answer.status),
        format!("{how}: {} (accepted)", answer.status),
        fix,
    ))
}

fn unknown_field(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    let answer = filled_in(seen, "unknown-field")?;
    let back = answer.accepted() && answer.body.contains("isAdmin");
    Ok(unless(
        back,
        format!("{}, not taken up", answer.status),
        "isAdmin comes back as if it were the visitor's to set",
        "take the fields you know, and no others",
    ))
}

fn duplicate(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    if fields(seen).is_some_and(|fields| fields.len() != 1) {
        return Ok(vec![Ruled::not_applicable("asked of bodies with one field alone")]);
    }
    let answer = filled_in(seen, "duplicate")?;
    Ok(better_not(
        answer.accepted(),
        format!("{}", answer.status),
        "accepted, and who reads it decides which counts",
        "refuse a name that stands there twice",
    ))
}

fn server_error(seen: &Seen<'_>) -> Result<Vec<Ruled>, Unknown> {
    let answers = seen.exchanges.iter().filter(|exchange| exchange.sent.step != "token");
    let failed: Vec<_> = answers
        .filter(|exchange| matches!(&exchange.answer, Ok(answer) if answer.status >= 500 && answer.status != 503))
        .map(|exchange| exchange.sent.step.as_str())
        .collect();
    seen.told("usual").or_else(|_| seen.told("query"))?;
    Ok(unless(
        !failed.is_empty(),
        "no input made it fail",
        format!("answered with a 5xx: {}", failed.join(", ")),
        "refuse what cannot be read with 400",
    ))
}
