//! Next.js's list of server actions: which id runs what, and which pages bundle it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::json;
use crate::policy::ManifestAction;

/// Reads `.next/server/server-reference-manifest.json`. Ids of the Node and the edge runtime are one set.
///
/// # Errors
/// Says what is missing when the text is not such a list. A list that is read in part would leave actions unknown,
/// and unknown actions are refused.
pub(crate) fn parse(text: &str) -> Result<BTreeMap<String, ManifestAction>, String> {
    let value = json::object(text.as_bytes()).ok_or_else(|| "it is not JSON, or no object".to_owned())?;
    let mut actions: BTreeMap<String, ManifestAction> = BTreeMap::new();
    let runtimes: Vec<_> = ["node", "edge"].iter().filter_map(|runtime| value.get(*runtime)?.as_object()).collect();
    if runtimes.is_empty() {
        return Err("it has neither `node` nor `edge`".to_owned());
    }
    for (id, entry) in runtimes.into_iter().flatten() {
        let workers = entry.get("workers").and_then(Value::as_object);
        let workers = workers.ok_or_else(|| "an action has no `workers`".to_owned())?;
        let action = actions.entry(id.clone()).or_default();
        if let Some(name) = entry.get("exportedName").and_then(Value::as_str) {
            action.name = Some(name.to_owned());
        }
        for page in workers.keys().map(|worker| page(worker)) {
            if let Err(at) = action.pages.binary_search(&page) {
                action.pages.insert(at, page);
            }
        }
    }
    Ok(actions)
}

/// The path of a worker's page: `app/(shop)/users/[id]/page` is `/users/[id]`.
///
/// Groups `(x)` and slots `@x` leave no trace in a path. Interception marks name the level from which the rest of the
/// path counts: `(.)` this one, `(..)` the one above, `(...)` the root.
fn page(worker: &str) -> String {
    let inner = worker.strip_prefix("app/").or_else(|| worker.strip_prefix("pages/")).unwrap_or(worker);
    let inner = match inner.rsplit_once('/') {
        Some((path, "page" | "route")) => path,
        None if matches!(inner, "page" | "route") => "",
        _ => inner,
    };
    let mut path: Vec<&str> = Vec::new();
    for segment in inner.split('/') {
        let segment = intercepted(segment, &mut path);
        let group = segment.starts_with('(') && segment.ends_with(')');
        if !segment.is_empty() && !group && !segment.starts_with('@') {
            path.push(segment);
        }
    }
    format!("/{}", path.join("/"))
}

/// Takes the interception marks off a segment, and climbs as they say.
fn intercepted<'a>(segment: &'a str, path: &mut Vec<&'a str>) -> &'a str {
    let mut rest = segment;
    loop {
        if let Some(inner) = rest.strip_prefix("(...)") {
            path.clear();
            rest = inner;
        } else if let Some(inner) = rest.strip_prefix("(..)") {
            path.pop();
            rest = inner;
        } else if let Some(inner) = rest.strip_prefix("(.)") {
            rest = inner;
        } else {
            return rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_become_the_paths_of_their_pages() {
        for (worker, path) in [
            ("app/page", "/"),
            ("app/admin/page", "/admin"),
            ("app/(shop)/page", "/"),
            ("app/(shop)/users/[id]/page", "/users/[id]"),
            ("app/@modal/(.)photo/[id]/page", "/photo/[id]"),
            ("app/feed/@modal/(.)photo/page", "/feed/photo"),
            ("app/feed/(..)photo/[id]/page", "/photo/[id]"),
            ("app/a/b/(..)(..)c/page", "/c"),
            ("app/a/b/(...)c/page", "/c"),
            ("app/docs/[...rest]/page", "/docs/[...rest]"),
            ("app/_not-found/page", "/_not-found"),
            ("app/api/pay/route", "/api/pay"),
            ("app/page/page", "/page"),
        ] {
            assert_eq!(page(worker), path, "{worker}");
        }
    }

    #[test]
    fn actions_are_read_with_name_and_pages() {
        // As Next.js 16.4.6 wrote it for examples/nextjs-shop.
        let text = r#"{"node": {"40ce19": {"workers": {"app/admin/page": {"moduleId": 49717, "async": false},
            "app/(shop)/admin/page": 1}, "filename": "app/admin/actions.js", "exportedName": "restock"}},
            "edge": {"60bc64": {"workers": {"app/guestbook/page": {}}}, "40ce19": {"workers": {"app/page": {}}}},
            "encryptionKey": "x"}"#;
        let actions = parse(text).expect("manifest");
        let restock = &actions["40ce19"];
        assert_eq!(restock.name.as_deref(), Some("restock"));
        assert_eq!(restock.pages, ["/", "/admin"]);
        assert_eq!(actions["60bc64"], ManifestAction { name: None, pages: vec!["/guestbook".to_owned()] });
    }

    #[test]
    fn what_is_not_a_manifest_is_refused_whole() {
        for text in
            ["", "[]", "{}", "{\"node\": 1}", "{\"node\": {\"a\": {}}}", "{\"node\": {\"a\": {\"workers\": []}}}"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse("{\"node\": {}, \"edge\": {}}").expect("no actions").is_empty());
    }
}
