//! From a request's bytes to the instance its schema describes.

use std::borrow::Cow;

use bytes::Bytes;
use palisade_event::Code;
use palisade_policy::Route;
use serde_json::{Map, Value};

use crate::form::{self, Encoding};
use crate::multipart::{Part, read_multipart};
use crate::schema::{SchemaPlan, Scope, Shapes, Violation, object, pointer};
use crate::view::View;
use palisade_policy::json::read_json;

/// What a body holds, once it is read.
#[derive(Debug)]
pub(crate) enum Content<'b> {
    /// A JSON text.
    Json(Value),
    /// A form's fields, without the CSRF token; of files there is the field's name and the media type.
    Form(Vec<(String, String)>, Vec<Part<'b>>),
    /// Something else, or nothing.
    Other,
}

/// How a body is written, as far as the guard reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    Json,
    Form,
    Other,
}

/// The most fields of a query or a form.
const MAX_FIELDS: usize = 256;

impl Syntax {
    pub(crate) fn of(view: &View<'_>) -> Syntax {
        let json = |kind: &str| kind == "application/json" || (kind.ends_with("+json") && kind.contains('/'));
        match form::essence(view.headers) {
            Some(kind) if json(kind) => Syntax::Json,
            _ if Encoding::of(view.headers).is_some() => Syntax::Form,
            _ => Syntax::Other,
        }
    }
}

/// Reads a whole body.
pub(crate) fn content<'b>(view: &View<'_>, body: &'b Bytes, csrf_field: &str) -> Result<Content<'b>, Code> {
    if Syntax::of(view) == Syntax::Json {
        return read_json(body).map(Content::Json).map_err(|_| Code::BodyMalformed);
    }
    let mut fields = Vec::new();
    let mut files = Vec::new();
    match Encoding::of(view.headers) {
        None => return Ok(Content::Other),
        Some(Encoding::Urlencoded) => fields = pairs(body, Code::BodyMalformed)?,
        Some(Encoding::Multipart(boundary)) => {
            for part in read_multipart(body, boundary).map_err(|_| Code::BodyMalformed)? {
                if part.filename.is_some() {
                    files.push(part);
                    continue;
                }
                let text = String::from_utf8(part.content.to_vec()).map_err(|_| Code::BodyMalformed)?;
                fields.push((part.name, text));
            }
        }
    }
    fields.retain(|(name, _)| name != csrf_field);
    Ok(Content::Form(fields, files))
}

/// The instance of a route's schema. `content` is `None` where the request has no body.
pub(crate) fn instance<'c>(
    plan: &SchemaPlan,
    route: &Route,
    view: &View<'_>,
    content: Option<&'c Content<'_>>,
    dropped: Option<&str>,
) -> Result<Cow<'c, Value>, Violation> {
    let query = || -> Result<Vec<(String, String)>, Violation> {
        let mut fields = pairs(view.uri.query().unwrap_or_default().as_bytes(), Code::ValidationFailed)
            .map_err(|_| whole("the query cannot be read"))?;
        fields.retain(|(name, _)| Some(name.as_str()) != dropped);
        Ok(fields)
    };
    if plan.scope == Scope::Request {
        let mut parts = Map::new();
        let path = parameters(&route.path, view.uri.path());
        parts.insert("path".to_owned(), Value::Object(object(path, &plan.path).map_err(|at| within("path", &at))?));
        parts.insert(
            "query".to_owned(),
            Value::Object(object(query()?, &plan.query).map_err(|at| within("query", &at))?),
        );
        if let Some(content) = content {
            let body = of_body(content, &plan.body).map_err(|at| within("body", &at))?;
            parts.insert("body".to_owned(), body.into_owned());
        }
        return Ok(Cow::Owned(Value::Object(parts)));
    }
    match content {
        Some(content) => of_body(content, &plan.shapes),
        None => {
            let mut fields = parameters(&route.path, view.uri.path());
            fields.extend(query()?);
            object(fields, &plan.shapes).map(|it| Cow::Owned(Value::Object(it)))
        }
    }
}

fn of_body<'c>(content: &'c Content<'_>, shapes: &Shapes) -> Result<Cow<'c, Value>, Violation> {
    match content {
        Content::Json(value) => Ok(Cow::Borrowed(value)),
        Content::Form(fields, files) => {
            let mut fields = fields.clone();
            // A file stands for its media type, which has been checked against its content where the route names any.
            let kind = |part: &Part<'_>| part.content_type.clone().unwrap_or_else(|| "text/plain".to_owned());
            fields.extend(files.iter().map(|part| (part.name.clone(), kind(part))));
            object(fields, shapes).map(|fields| Cow::Owned(Value::Object(fields)))
        }
        Content::Other => Ok(Cow::Owned(Value::Null)),
    }
}

fn whole(text: &str) -> Violation {
    Violation { pointer: String::new(), text: text.to_owned() }
}

fn within(part: &str, at: &Violation) -> Violation {
    Violation { pointer: format!("/{part}{}", at.pointer), text: at.text.clone() }
}

/// Name and value of each field, decoded once.
pub(crate) fn pairs(text: &[u8], bad: Code) -> Result<Vec<(String, String)>, Code> {
    let mut fields = Vec::new();
    for pair in text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let name = form::decode(halves.next().unwrap_or_default()).ok_or(bad)?;
        let value = form::decode(halves.next().unwrap_or_default()).ok_or(bad)?;
        if fields.len() == MAX_FIELDS {
            return Err(bad);
        }
        fields.push((name, value));
    }
    Ok(fields)
}

/// The parameters of a path by their names in the template, decoded. The path is canonical.
fn parameters(template: &str, path: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = path;
    for part in template.split('/') {
        let (segment, after) = rest.split_once('/').unwrap_or((rest, ""));
        let Some(name) = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) else {
            rest = after;
            continue;
        };
        let (name, text) = name.strip_prefix('*').map_or((name, segment), |name| (name, rest));
        found.push((name.to_owned(), escapes(text).into_owned()));
        rest = after;
    }
    found
}

/// Escapes decoded, `+` left alone.
fn escapes(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let plus = text.replace('+', "%2B");
    form::decode(plus.as_bytes()).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// The texts of a body, names included: what is looked at for signals. Bounded by `most`.
pub(crate) fn texts<'c>(content: &'c Content<'_>, most: usize, look: &mut dyn FnMut(&'c str)) {
    match content {
        Content::Json(value) => {
            let mut queue = vec![value];
            let mut left = most;
            while let Some(value) = queue.pop() {
                match value {
                    Value::String(text) => {
                        let Some(fewer) = left.checked_sub(1) else { return };
                        left = fewer;
                        look(text);
                    }
                    Value::Array(items) => queue.extend(items.iter().rev()),
                    Value::Object(entries) => {
                        for (name, _) in entries {
                            let Some(fewer) = left.checked_sub(1) else { return };
                            left = fewer;
                            look(name);
                        }
                        queue.extend(entries.values().rev());
                    }
                    Value::Null | Value::Bool(_) | Value::Number(_) => {}
                }
            }
        }
        Content::Form(fields, files) => {
            let fields = fields.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
            let names = files.iter().flat_map(|part| [Some(part.name.as_str()), part.filename.as_deref()]).flatten();
            fields.chain(names).take(most).for_each(look);
        }
        Content::Other => {}
    }
}

/// A violation that speaks of one field of a form.
pub(crate) fn field_violation(name: &str, text: &str) -> Violation {
    Violation { pointer: pointer(name), text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a10_path_parameters_are_read_by_their_names() {
        let read = |template: &str, path: &str| {
            let found = parameters(template, path);
            found.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(read("/users/{id}/posts/{post}", "/users/7/posts/a%20b+c"), "id=7 post=a b+c");
        assert_eq!(read("/docs/{*rest}", "/docs/a/b/c"), "rest=a/b/c");
        assert_eq!(read("/plain", "/plain"), "");
    }

    #[test]
    fn a10_fields_are_decoded_once() {
        let read = |text: &str| pairs(text.as_bytes(), Code::BodyMalformed);
        let expect = [("a b", "1+2"), ("c", "%41"), ("d", "")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(read("a+b=1%2B2&&c=%2541&d"), Ok(expect.to_vec()));
        for bad in ["a=%zz", "a=%", "%ff=1", "a=%c3"] {
            assert_eq!(read(bad), Err(Code::BodyMalformed), "{bad}");
        }
        assert!(read(&"a=1&".repeat(MAX_FIELDS)).is_ok());
        assert!(read(&"a=1&".repeat(MAX_FIELDS + 1)).is_err());
    }
}
