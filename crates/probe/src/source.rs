//! What the source does with secrets, errors and cards: log statements, answers, fields.
//!
//! Reads TypeScript and JavaScript by their words, not by their grammar: calls, the names in their arguments, strings apart.
//! It does not follow a value from a variable to another name. `// palisade-ok(logs): reason` on the line of a statement,
//! or on the line before it, takes it out; so do `errors` and `cards`.

mod calls;
mod lexer;
mod walk;

use palisade_check::facts::source::{Source, Statement};
use palisade_check::{Place, Unknown};

use crate::root::Root;
use calls::{Call, calls};
use lexer::Lexed;

/// The largest source file that is read, in bytes: larger ones were made by a program.
const MAX_FILE: u64 = 1 << 20;

/// The most statements of one kind that are kept.
const MAX_STATEMENTS: usize = 500;

/// What writes a log: the last part of the callee, and what stands before it.
const LOGGERS: [&str; 6] = ["console", "logger", "log", "winston", "pino", "Sentry"];
const LEVELS: [&str; 10] =
    ["log", "info", "warn", "error", "debug", "trace", "fatal", "verbose", "captureMessage", "dir"];

/// What answers a request: the callee's last part, and the part before it where that matters.
const ANSWERS: [&str; 3] = ["json", "send", "Response"];

/// Names whose values nobody should read in a log, in lower case without `_`.
const SENSITIVE: [&str; 22] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "secretkey",
    "clientsecret",
    "apikey",
    "apisecret",
    "accesstoken",
    "refreshtoken",
    "idtoken",
    "authtoken",
    "sessiontoken",
    "token",
    "authorization",
    "cookie",
    "cookies",
    "setcookie",
    "privatekey",
    "ssn",
    "socialsecuritynumber",
    "jwt",
];

/// Names of card data, in lower case without `_`.
const CARDS: [&str; 14] = [
    "cardnumber",
    "ccnumber",
    "creditcard",
    "creditcardnumber",
    "cardcvc",
    "cardcvv",
    "cvv",
    "cvv2",
    "cvc",
    "cvc2",
    "cardexpiry",
    "ccexp",
    "cccsc",
    "securitycode",
];

/// Collects the statements of every source file.
///
/// # Errors
/// The project's folder cannot be read.
pub fn collect(root: &Root) -> Result<Source, Unknown> {
    let mut source = Source::default();
    let files =
        walk::sources(root).map_err(|_| Unknown::new("the project's folder cannot be read", "check its rights"))?;
    for file in files {
        match root.text(&file, MAX_FILE) {
            Ok(text) => {
                source.files += 1;
                statements(&file, &text, &mut source);
            }
            Err(_) => source.skipped += 1,
        }
    }
    for list in [
        &mut source.logged,
        &mut source.logged_environment,
        &mut source.raw_errors,
        &mut source.card_fields,
        &mut source.logged_cards,
        &mut source.browser_plans,
    ] {
        list.sort();
        list.dedup();
        list.truncate(MAX_STATEMENTS);
    }
    Ok(source)
}

/// Adds what one file holds. For any text; takes time in proportion to it.
pub fn statements(file: &str, text: &str, source: &mut Source) {
    let lexed = Lexed::new(text);
    for call in calls(&lexed) {
        if is_log(&call) {
            log(file, &lexed, &call, source);
        } else if is_answer(&call) {
            answer(file, &lexed, &call, source);
        }
    }
    fields(file, &lexed, source);
    plans(file, &lexed, source);
}

/// Where code of the browser asks for the visitor's plan: `has({ plan })`, Clerk's `<Protect plan>`, metadata of the user.
/// Read by lines: a call that spans several is seen by the line of its name or not at all.
fn plans(file: &str, lexed: &Lexed<'_>, source: &mut Source) {
    const SIGNS: [&str; 6] =
        ["has({ plan", "has({plan", "has({ feature", "has({feature", "publicMetadata", "unsafeMetadata"];
    const PLAN: [&str; 4] = ["plan", "subscription", "premium", "tier"];
    let mut lines = lexed.text.lines().map(str::trim).filter(|line| !line.is_empty());
    if !lines.next().is_some_and(|line| line.starts_with("'use client'") || line.starts_with("\"use client\"")) {
        return;
    }
    for (at, line) in (1..).zip(lexed.text.lines()) {
        let element = ["<Protect", "<Show"].into_iter().find(|name| {
            line.split_once(name).is_some_and(|(_, rest)| rest.contains("plan=") || rest.contains("feature="))
        });
        let call = SIGNS.into_iter().find(|sign| line.contains(sign)).filter(|sign| {
            let lower = line.to_ascii_lowercase();
            sign.starts_with("has") || PLAN.iter().any(|word| lower.contains(word))
        });
        let call = call.map(|sign| sign.split('(').next().unwrap_or(sign));
        if let Some(what) = element.or(call).filter(|_| !lexed.is_allowed(at, "plan")) {
            source.browser_plans.push(Statement { place: Place::line(file, at), what: what.to_owned() });
        }
    }
}

fn is_log(call: &Call<'_>) -> bool {
    let receiver = call.receiver.rsplit('.').next().unwrap_or_default();
    LEVELS.contains(&call.name) && LOGGERS.iter().any(|logger| receiver.eq_ignore_ascii_case(logger))
        || call.name == "logSecurityEvent"
}

fn is_answer(call: &Call<'_>) -> bool {
    let receiver = call.receiver.rsplit('.').next().unwrap_or_default();
    match call.name {
        "Response" | "NextResponse" => true,
        "json" => {
            ["Response", "NextResponse", "res", "response", "reply", "c", "ctx"].contains(&receiver)
                || receiver.ends_with(')')
        }
        "send" => ["res", "response", "reply"].contains(&receiver) || receiver.ends_with(')'),
        _ => ANSWERS.contains(&call.name) && receiver.is_empty(),
    }
}

fn log(file: &str, lexed: &Lexed<'_>, call: &Call<'_>, source: &mut Source) {
    let line = lexed.line(call.at);
    let place = || Place::line(file, line);
    if lexed.is_allowed(line, "logs") {
        return;
    }
    if let Some(name) = environment(call.arguments) {
        source.logged_environment.push(Statement { place: place(), what: name });
    }
    for name in words(call.arguments) {
        let plain = plain(name);
        if CARDS.contains(&plain.as_str()) {
            source.logged_cards.push(Statement { place: place(), what: name.to_owned() });
        } else if SENSITIVE.contains(&plain.as_str()) {
            source.logged.push(Statement { place: place(), what: name.to_owned() });
        }
    }
}

/// `process.env.NAME`, or all of `process.env`; what is public or harmless may be logged.
fn environment(arguments: &str) -> Option<String> {
    let (_, rest) = arguments.split_once("process.env").or_else(|| arguments.split_once("import.meta.env"))?;
    let name = rest.strip_prefix('.').unwrap_or_default();
    let name = name.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default();
    let harmless = ["NODE_ENV", "VERCEL_ENV", "PORT", "NEXT_RUNTIME", "CI"];
    let harmless = harmless.contains(&name) || name.starts_with("NEXT_PUBLIC_");
    (!harmless).then(|| if name.is_empty() { "process.env".to_owned() } else { format!("process.env.{name}") })
}

/// An error's text, stack or whole, in what goes back to whoever asked.
fn answer(file: &str, lexed: &Lexed<'_>, call: &Call<'_>, source: &mut Source) {
    let line = lexed.line(call.at);
    if lexed.is_allowed(line, "errors") {
        return;
    }
    let caught = lexed.caught(call.at);
    let is_error = |name: &str| ["error", "err", "e", "ex", "exception"].contains(&name) || caught.contains(&name);
    let arguments = call.arguments;
    for (start, name) in word_places(arguments).filter(|(_, name)| is_error(name)) {
        let after = arguments.get(start + name.len()..).unwrap_or_default().trim_start();
        let before = arguments.get(..start).unwrap_or_default().trim_end();
        let text = ["stack", "message", "toString"].iter().find(|part| member(after) == Some(**part));
        let whole = member(after).is_none() && caught.contains(&name) && is_value(before, after);
        if text.is_some() || whole {
            let what = text.map_or_else(|| name.to_owned(), |part| format!("{name}.{part}"));
            source.raw_errors.push(Statement { place: Place::line(file, line), what });
        }
    }
}

/// The member that is asked of what stands before: `.name`, `?.name`.
fn member(after: &str) -> Option<&str> {
    let rest = after.strip_prefix("?.").or_else(|| after.strip_prefix('.'))?;
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
    rest.get(..end)
}

/// Whether a name stands there as a value, and not as the key of one (`error: 'text'`) or as what is compared.
fn is_value(before: &str, after: &str) -> bool {
    let key = after.starts_with(':') && !before.ends_with('?');
    let compared = ["instanceof", "===", "!==", "==", "&&", "?"].iter().any(|word| after.starts_with(word));
    !key && !compared && !before.ends_with('.')
}

/// Fields for card data that a form or a handler of the app names. A provider's own elements are no such fields.
fn fields(file: &str, lexed: &Lexed<'_>, source: &mut Source) {
    for (at, line) in (1..).zip(lexed.text.lines()) {
        let lower = line.to_ascii_lowercase();
        let is_field = ["name=", "autocomplete=", "formdata", ".get(", "body.", "req.body", "id="];
        if !is_field.iter().any(|sign| lower.contains(sign))
            || lower.contains("element")
            || lexed.is_allowed(at, "cards")
        {
            continue;
        }
        let completes = ["cc-number", "cc-csc", "cc-exp"].iter().find(|it| lower.contains(**it));
        let named = words(line).find(|name| CARDS.contains(&plain(name).as_str()));
        if let Some(what) = completes.copied().or(named) {
            source.card_fields.push(Statement { place: Place::line(file, at), what: what.to_owned() });
        }
    }
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| *c != '_' && *c != '-').map(|c| c.to_ascii_lowercase()).collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    word_places(text).map(|(_, word)| word)
}

/// Names in a text, with their places.
fn word_places(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..)?;
        let start = at + rest.find(is_word)?;
        let tail = text.get(start..)?;
        let length = tail.find(|c| !is_word(c)).unwrap_or(tail.len());
        at = start + length;
        Some((start, text.get(start..at)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Source {
        let mut source = Source::default();
        statements("a.ts", text, &mut source);
        source
    }

    fn what(list: &[Statement]) -> Vec<(&str, u32)> {
        list.iter().map(|it| (it.what.as_str(), it.place.line.unwrap_or_default())).collect()
    }

    #[test]
    fn sensitive_names_in_log_statements_are_found_and_words_in_strings_are_not() {
        let source = found(
            "console.log('password reset asked');\nconsole.log('user', user.password);\nlogger.info({ accessToken }, `x ${token}`);\n\
             // console.log(password)\nconsole.log(`token`);\nthis.logger.error(req.headers.authorization);\npage.log(password);\n",
        );
        assert_eq!(what(&source.logged), [("password", 2), ("accessToken", 3), ("token", 3), ("authorization", 6)]);
    }

    #[test]
    fn the_environment_in_a_log_is_found() {
        let source = found(
            "console.log(process.env);\nconsole.log(process.env.CSRF_SECRET)\nconsole.log(process.env.NODE_ENV)\n",
        );
        assert_eq!(what(&source.logged_environment), [("process.env", 1), ("process.env.CSRF_SECRET", 2)]);
    }

    #[test]
    fn an_errors_own_text_in_an_answer_is_found() {
        let source = found(
            "try { a() } catch (problem) {\n  return Response.json({ error: problem.message });\n}\n\
             try { a() } catch (error) {\n  console.error(error);\n  return NextResponse.json({ error: 'Internal server error' });\n}\n\
             try { a() } catch (e) {\n  return new Response(e.stack, { status: 500 });\n}\n\
             try { a() } catch (error) {\n  return Response.json({ error });\n}\n\
             res.status(500).json({ error: err.message });\n",
        );
        assert_eq!(
            what(&source.raw_errors),
            [("problem.message", 2), ("e.stack", 9), ("error", 12), ("err.message", 14)]
        );
    }

    #[test]
    fn card_fields_are_found_and_a_providers_elements_are_not() {
        let source = found(
            "<input name=\"cardNumber\" />\n<input autoComplete=\"cc-number\" />\nelements.create('cardNumber')\n\
             const n = formData.get('cvv');\nconsole.log(cardNumber);\n// name=\"cvc\"\n",
        );
        assert_eq!(what(&source.card_fields), [("cardNumber", 1), ("cc-number", 2), ("cvv", 4)]);
        assert_eq!(what(&source.logged_cards), [("cardNumber", 5)]);
    }

    #[test]
    fn a_plan_that_the_browser_asks_for_is_found_in_the_browsers_code_alone() {
        let text = "'use client';\nconst { has } = useAuth();\nif (has({ plan: 'pro' })) show();\n\
                    <Protect plan=\"pro\"><Offers /></Protect>\nconst paid = user.publicMetadata.plan === 'pro';\n\
                    const name = user.publicMetadata.name;\n<Protect role=\"admin\" />\n// has({ plan: 'x' })\n";
        assert_eq!(what(&found(text).browser_plans), [("has", 3), ("<Protect", 4), ("publicMetadata", 5)]);
        assert_eq!(what(&found(text.split_once('\n').expect("lines").1).browser_plans), []);
    }

    #[test]
    fn a_reason_takes_a_statement_out_and_an_empty_one_does_not() {
        let source = found(
            "// palisade-ok(logs): the token of a test\nconsole.log(token);\nconsole.log(token); // palisade-ok(logs):\n\
             console.log(token); // palisade-ok(errors): another rule\n",
        );
        assert_eq!(what(&source.logged), [("token", 3), ("token", 4)]);
    }

    #[test]
    fn any_text_is_read_to_its_end() {
        for text in
            ["console.log(", "console.log(`${`", "'\\", "`${{{{", "catch (", "/*", "é(console.log(é", "a.b.c(x)("]
        {
            found(text);
        }
    }
}
