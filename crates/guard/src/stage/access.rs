//! Role, permission, plan, feature, owner: what the verified caller must have. Without a verified caller nothing is had.

use std::borrow::Cow;

use palisade_event::{Code, Stage};

use crate::exchange::Exchange;
use crate::identity::Identity;
use crate::step::Flow;

pub(crate) fn check(exchange: &Exchange) -> Flow {
    let Some(plan) = exchange.route() else { return Flow::refuse(Stage::Access, Code::Internal) };
    let access = &plan.route.access;
    let caller = exchange.identity.as_ref();
    let has = |ask: fn(&Identity, &str) -> bool, name: &String| caller.is_some_and(|caller| ask(caller, name));
    let one = |names: &[String], ask| names.is_empty() || names.iter().any(|name| has(ask, name));
    let all = |names: &[String], ask| names.iter().all(|name| has(ask, name));
    let owns = |parameter: &str| {
        let value = parameter_of(&plan.route.path, exchange.target.path(), parameter);
        value.is_some_and(|value| caller.is_some_and(|caller| caller.owns(&value)))
    };
    let wants = [
        (one(&access.role, Identity::has_role), Code::ForbiddenRole),
        (all(&access.permission, Identity::has_permission), Code::ForbiddenPermission),
        (one(&access.plan, Identity::has_plan), Code::ForbiddenPlan),
        (all(&access.feature, Identity::has_feature), Code::ForbiddenFeature),
        (access.owner.as_deref().is_none_or(owns), Code::ForbiddenOwner),
    ];
    match wants.into_iter().find(|(granted, _)| !granted) {
        Some((_, code)) => Flow::refuse(Stage::Access, code),
        None => Flow::Pass,
    }
}

/// The segment of `path` that stands where the template names the parameter, decoded. Nothing where the path is not
/// written as the template is, which variants of a page and server actions are not: then nobody owns it.
fn parameter_of<'a>(template: &str, path: &'a str, parameter: &str) -> Option<Cow<'a, str>> {
    let (mut parts, mut segments) = (template.split('/'), path.split('/'));
    let mut found = None;
    loop {
        let (part, segment) = match (parts.next(), segments.next()) {
            (None, None) => return found,
            (Some(part), _) if part.starts_with("{*") => return found,
            (Some(part), Some(segment)) => (part, segment),
            _ => return None,
        };
        match part.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) if name == parameter => found = Some(decode(segment)?),
            Some(_) => {}
            None if part == segment => {}
            None => return None,
        }
    }
}

fn decode(segment: &str) -> Option<Cow<'_, str>> {
    if !segment.contains('%') {
        return Some(Cow::Borrowed(segment));
    }
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    let hex = |byte: Option<u8>| {
        byte.and_then(|byte| char::from(byte).to_digit(16)).and_then(|digit| u8::try_from(digit).ok())
    };
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => hex(rest.next())? << 4 | hex(rest.next())?,
            plain => plain,
        });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a8_a_parameter_is_found_where_the_template_has_it() {
        for (template, path, parameter, value) in [
            ("/users/{user}", "/users/u1", "user", Some("u1")),
            ("/users/{user}/posts/{id}", "/users/u1/posts/7", "user", Some("u1")),
            ("/users/{user}/posts/{id}", "/users/u1/posts/7", "id", Some("7")),
            ("/users/{user}/{*rest}", "/users/u1/a/b", "user", Some("u1")),
            ("/users/{user}", "/users/auth0%7C1", "user", Some("auth0|1")),
            ("/users/{user}", "/users/%ff", "user", None),
            ("/users/{user}", "/users/u1/x", "user", None),
            ("/users/{user}", "/_next/data/b/users/u1.json", "user", None),
            ("/users/{user}", "/users/u1", "id", None),
            ("(action) /users/[id]", "/users/u1", "id", None),
        ] {
            assert_eq!(parameter_of(template, path, parameter).as_deref(), value, "{template} {path} {parameter}");
        }
    }
}
