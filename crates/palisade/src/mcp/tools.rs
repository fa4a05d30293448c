//! The tools: what each takes, and which command answers it.

use palisade_event::Untrusted;
use rmcp::ErrorData;
use rmcp::model::{CallToolRequestParams, CallToolResult, ContentBlock, JsonObject, Tool, ToolAnnotations};
use serde_json::{Map, Value, json};

use crate::child::{self, Ended};

/// Longer arguments are refused: none of ours is a document.
const LONGEST_ARGUMENT: usize = 2048;
/// So much of a stranger's text, where it was asked for.
const UNTRUSTED_CHARS: usize = 80;
/// Longer names of files are not repeated.
const LONGEST_NAME: usize = 200;

struct Offer {
    name: &'static str,
    title: &'static str,
    description: &'static str,
    arguments: &'static [Argument],
    answer: Answering,
    /// What is told of the command's answer.
    told: fn(&Value, bool) -> Value,
}

/// Both from the arguments in their order.
enum Answering {
    /// A command of ours, by its line.
    Command(fn(&[Option<String>]) -> Vec<String>),
    /// Known here.
    Known(fn(&[Option<String>]) -> Option<Value>),
}

struct Argument {
    name: &'static str,
    required: bool,
    description: &'static str,
    /// What JSON Schema calls `pattern`, kept by us too.
    allowed: fn(char) -> bool,
}

const METHOD: Argument = Argument {
    name: "method",
    required: true,
    description: "an HTTP method, such as POST",
    allowed: |char| char.is_ascii_alphabetic(),
};
const PATH: Argument = Argument {
    name: "path",
    required: true,
    description: "a path of the app, such as /api/contact; no URL",
    allowed: |char| char.is_ascii_graphic(),
};

const OFFERS: [Offer; 5] = [
    Offer {
        name: "advise_route",
        title: "Which protections does this route need?",
        description: "Which protections a route needs and why: rate limit, CSRF, identity, validation. By palisade.toml if \
                      there is one, else by what the method and the path suggest.",
        arguments: &[METHOD, PATH],
        answer: Answering::Command(|given| command(&["advise", "--json", "--"], given)),
        told: advice,
    },
    Offer {
        name: "explain_policy",
        title: "What would the gate do with this request?",
        description: "What each stage of the gate says of a request without cookies or headers, by palisade.toml.",
        arguments: &[METHOD, PATH],
        answer: Answering::Command(|given| {
            command(&["policy", "explain", "--env", "development", "--json", "--"], given)
        }),
        told: |answer, _| answer.clone(),
    },
    Offer {
        name: "check_project",
        title: "The checklist before a deployment",
        description: "Examines the project without network and without running anything of it: findings with evidence and fix. \
                      What is unknown is not passed.",
        arguments: &[Argument {
            name: "section",
            required: false,
            description: "only that section: environment, dependencies, security, auth, api, payments, testing, final",
            allowed: |char| char.is_ascii_lowercase() || char == '-',
        }],
        answer: Answering::Command(|given| {
            let section = given.iter().flatten().next();
            let mut line = command(&["check", "--json"], &[]);
            line.extend(section.map(|section| format!("--section={section}")));
            line
        }),
        told: findings,
    },
    Offer {
        name: "explain_finding",
        title: "What does this check mean?",
        description: "What a check looks at, why it matters, how to mend what it finds, and OWASP's reference, by its id.",
        arguments: &[Argument {
            name: "id",
            required: true,
            description: "a finding's id, such as env/csrf-secret-length",
            allowed: |char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '-' || char == '/',
        }],
        answer: Answering::Known(|given| finding(given.iter().flatten().next()?)),
        told: |answer, _| answer.clone(),
    },
    Offer {
        name: "recent_incidents",
        title: "What was found lately?",
        description: "Incidents of the last days: rule, priority, state, counts and times. Without what strangers wrote.",
        arguments: &[Argument {
            name: "since",
            required: false,
            description: "how far back, such as 24h or 7d",
            allowed: |char| char.is_ascii_alphanumeric(),
        }],
        answer: Answering::Command(|given| {
            let since = given.iter().flatten().next().map_or("7d", String::as_str);
            command(&["incidents", "list", "--json", "--since", since], &[])
        }),
        told: incidents,
    },
];

pub(super) fn all() -> Vec<Tool> {
    OFFERS.iter().map(Offer::tool).collect()
}

/// Answers a call. What goes wrong in a command is said in the answer, so that the assistant can read it.
pub(super) fn call(request: &CallToolRequestParams, include_untrusted: bool) -> Result<CallToolResult, ErrorData> {
    let offer = OFFERS
        .iter()
        .find(|offer| offer.name == request.name)
        .ok_or_else(|| ErrorData::invalid_params("there is no such tool; tools/list names them", None))?;
    let empty = Map::new();
    let given = offer
        .given(request.arguments.as_ref().unwrap_or(&empty))
        .map_err(|why| ErrorData::invalid_params(why, None))?;
    let line = match offer.answer {
        Answering::Command(line) => line(&given),
        Answering::Known(answer) => {
            return Ok(
                answer(&given).map_or_else(|| failed("there is nothing of that name"), CallToolResult::structured)
            );
        }
    };
    let arguments: Vec<&str> = line.iter().map(String::as_str).collect();
    Ok(match child::palisade(&arguments) {
        Ok(Ended { code: Some(0 | 1), out, .. }) => match serde_json::from_str(&out) {
            Ok(answer) => CallToolResult::structured((offer.told)(&answer, include_untrusted)),
            Err(_) => failed("the command's answer could not be read"),
        },
        Ok(ended) => failed(&complaint(ended.complaint(), include_untrusted)),
        Err(why) => failed(&why),
    })
}

/// What is wrong. A diagnosis of the policy repeats its text: then its code is told.
fn complaint(why: &str, include_untrusted: bool) -> String {
    let code = why.split_once("]: ").map(|(code, _)| code);
    match code.filter(|code| code.starts_with("error[") || code.starts_with("warning[")) {
        Some(code) if !include_untrusted => format!("{code}]: `palisade policy check` says where"),
        Some(_) => printable(why, UNTRUSTED_CHARS),
        None => why.to_owned(),
    }
}

fn failed(why: &str) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(printable(why, 400))])
}

fn command(fixed: &[&str], given: &[Option<String>]) -> Vec<String> {
    fixed.iter().copied().map(str::to_owned).chain(given.iter().flatten().cloned()).collect()
}

// === impl Offer ===

impl Offer {
    fn tool(&self) -> Tool {
        let properties: Map<String, Value> = self
            .arguments
            .iter()
            .map(|argument| {
                let schema =
                    json!({ "type": "string", "description": argument.description, "maxLength": LONGEST_ARGUMENT });
                (argument.name.to_owned(), schema)
            })
            .collect();
        let required: Vec<&str> =
            self.arguments.iter().filter(|argument| argument.required).map(|argument| argument.name).collect();
        let mut schema = JsonObject::new();
        schema.insert("type".to_owned(), json!("object"));
        schema.insert("properties".to_owned(), Value::Object(properties));
        schema.insert("required".to_owned(), json!(required));
        schema.insert("additionalProperties".to_owned(), json!(false));
        let annotations = ToolAnnotations::with_title(self.title).read_only(true).open_world(false);
        Tool::new(self.name, self.description, schema).with_annotations(annotations)
    }

    /// The arguments in the offer's order, or what is wrong with them.
    fn given(&self, arguments: &JsonObject) -> Result<Vec<Option<String>>, String> {
        if let Some(unknown) =
            arguments.keys().find(|name| self.arguments.iter().all(|known| known.name != name.as_str()))
        {
            return Err(format!("{} takes no argument called {}", self.name, printable(unknown, 40)));
        }
        self.arguments.iter().map(|argument| argument.value(arguments.get(argument.name))).collect()
    }
}

// === impl Argument ===

impl Argument {
    fn value(&self, given: Option<&Value>) -> Result<Option<String>, String> {
        let text = match given {
            None | Some(Value::Null) if !self.required => return Ok(None),
            Some(Value::String(text)) => text,
            _ => return Err(format!("{} must be a text: {}", self.name, self.description)),
        };
        let fine = !text.is_empty() && text.len() <= LONGEST_ARGUMENT && text.chars().all(self.allowed);
        if fine { Ok(Some(text.clone())) } else { Err(format!("{} is not {}", self.name, self.description)) }
    }
}

// === What is told ===

/// What a check is about, by its id.
fn finding(id: &str) -> Option<Value> {
    let check = palisade_check::find(id)?;
    Some(json!({
        "id": check.id,
        "title": check.title,
        "section": check.section.title(),
        "reference": check.reference,
    }))
}

/// Findings without excerpts, which are the project's own text, and may be anybody's.
fn findings(answer: &Value, include_untrusted: bool) -> Value {
    let told = |finding: &Value| {
        let mut kept = kept(finding, &["id", "section", "status", "title", "fix", "reference"]);
        if let Some(location) = finding.get("location").filter(|location| !location.is_null()) {
            kept.insert("location".to_owned(), place(location));
        }
        if include_untrusted {
            kept.insert("untrusted".to_owned(), untrusted(finding.get("evidence")));
        }
        Value::Object(kept)
    };
    let list: Vec<Value> = answer.get("findings").and_then(Value::as_array).into_iter().flatten().map(told).collect();
    json!({ "summary": answer.get("summary"), "findings": list })
}

/// A file and a line. A name with spaces in it could be a sentence, and is not repeated.
fn place(location: &Value) -> Value {
    let mut place = location.clone();
    let plain = |name: &str| {
        let usual = |char: char| char.is_ascii_alphanumeric() || "/._-@()[]+$~".contains(char);
        name.chars().count() <= LONGEST_NAME && name.chars().all(usual)
    };
    if let Some(file) = place.get_mut("file").filter(|file| !file.as_str().is_some_and(plain)) {
        *file = Value::String("(a file whose name is not repeated)".to_owned());
    }
    place
}

/// Advice without the reasons that the policy's own text gives.
fn advice(answer: &Value, include_untrusted: bool) -> Value {
    match answer {
        Value::String(text) => match text.strip_prefix("the policy says: ") {
            Some(_) if !include_untrusted => Value::String("the policy gives a reason of its own".to_owned()),
            Some(because) => json!({ "untrusted": printable(because, UNTRUSTED_CHARS) }),
            None => answer.clone(),
        },
        Value::Array(items) => items.iter().map(|item| advice(item, include_untrusted)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), advice(value, include_untrusted))).collect()
        }
        _ => answer.clone(),
    }
}

/// Incidents by what our own rules say of them.
fn incidents(answer: &Value, include_untrusted: bool) -> Value {
    let told = |incident: &Value| {
        let mut kept =
            kept(incident, &["key", "rule", "title", "priority", "state", "first_seen", "last_seen", "count", "due"]);
        if include_untrusted {
            kept.insert("untrusted".to_owned(), untrusted(incident.get("group")));
        }
        Value::Object(kept)
    };
    let list: Vec<Value> = answer.get("incidents").and_then(Value::as_array).into_iter().flatten().map(told).collect();
    json!({ "incidents": list })
}

fn kept(object: &Value, names: &[&str]) -> JsonObject {
    names.iter().filter_map(|name| Some(((*name).to_owned(), object.get(*name)?.clone()))).collect()
}

/// Every text of a value, cut and made printable.
fn untrusted(value: Option<&Value>) -> Value {
    match value {
        None => Value::Null,
        Some(Value::String(text)) => Value::String(printable(text, UNTRUSTED_CHARS)),
        Some(Value::Array(items)) => items.iter().map(|item| untrusted(Some(item))).collect(),
        Some(Value::Object(fields)) => {
            fields.iter().map(|(name, value)| (printable(name, UNTRUSTED_CHARS), untrusted(Some(value)))).collect()
        }
        Some(other) => other.clone(),
    }
}

/// Printable ASCII, and no more than so many characters of it.
fn printable(text: &str, most: usize) -> String {
    let cut: String = text.chars().take(most).collect();
    Untrusted::new(&cut).terminal().to_string().chars().take(most).collect()
}
