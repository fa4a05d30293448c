//! Path templates by segment.
//!
//! At each level a literal is preferred to a parameter, and a parameter to `{*rest}`, with a way back where the
//! preferred branch ends blind: the order in which Next.js and axum choose. matchit, the usual crate, cannot hold
//! `/docs/{page}` beside `/docs/{*rest}`, which Next.js apps have (`[page]` beside `[...rest]`).

use std::collections::BTreeMap;

/// A set of templates, each with a number. Looking a path up takes no memory, and time linear in its length for
/// each branch that fits; branches are bounded by the number of templates, not by the path.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tree {
    root: Node,
}

#[derive(Debug, Clone, Default)]
struct Node {
    literals: BTreeMap<Box<str>, Node>,
    parameter: Option<Box<Node>>,
    /// What `{*rest}` at this level means.
    rest: Option<u16>,
    /// What a path that ends here means.
    value: Option<u16>,
}

// === impl Tree ===

impl Tree {
    /// Adds a valid template. The names of its parameters do not matter.
    ///
    /// # Errors
    /// The number of the template that matches exactly the same paths already.
    pub(crate) fn insert(&mut self, template: &str, number: u16) -> Result<(), u16> {
        let mut node = &mut self.root;
        for segment in segments(template) {
            if segment.starts_with("{*") {
                return fill(&mut node.rest, number);
            }
            node = match segment.starts_with('{') {
                true => node.parameter.get_or_insert_default(),
                false => node.literals.entry(segment.into()).or_default(),
            };
        }
        fill(&mut node.value, number)
    }

    /// The number of the template that `path` matches.
    pub(crate) fn find(&self, path: &str) -> Option<u16> {
        self.root.find(path.strip_prefix('/')?)
    }

    /// The number of the template that matches exactly the paths which `template` would.
    pub(crate) fn same(&self, template: &str) -> Option<u16> {
        let mut node = &self.root;
        for segment in segments(template) {
            if segment.starts_with("{*") {
                return node.rest;
            }
            node = match segment.starts_with('{') {
                true => node.parameter.as_deref()?,
                false => node.literals.get(segment)?,
            };
        }
        node.value
    }
}

fn segments(template: &str) -> impl Iterator<Item = &str> {
    template.split('/').skip(1)
}

fn fill(slot: &mut Option<u16>, number: u16) -> Result<(), u16> {
    match slot {
        Some(first) => Err(*first),
        None => {
            *slot = Some(number);
            Ok(())
        }
    }
}

// === impl Node ===

impl Node {
    /// `path` is what follows the `/` before this level.
    fn find(&self, path: &str) -> Option<u16> {
        let (segment, more) = path.split_once('/').map_or((path, None), |(segment, more)| (segment, Some(more)));
        let step = |node: &Node| more.map_or(node.value, |more| node.find(more));
        self.literals
            .get(segment)
            .and_then(step)
            .or_else(|| self.parameter.as_deref().filter(|_| !segment.is_empty()).and_then(step))
            .or_else(|| self.rest.filter(|_| !path.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tree(templates: &[&str]) -> Tree {
        let mut tree = Tree::default();
        for (number, template) in (0..).zip(templates) {
            assert_eq!(tree.insert(template, number), Ok(()), "{template}");
        }
        tree
    }

    #[test]
    fn the_more_specific_template_wins_level_by_level() {
        let templates = ["/", "/docs/{page}", "/docs/{*rest}", "/docs/new", "/{x}/b", "/a/{*rest}", "/c/", "/{*all}"];
        let tree = tree(&templates);
        for (path, template) in [
            ("/", "/"),
            ("/docs", "/{*all}"),
            ("/docs/", "/{*all}"),
            ("/docs/x", "/docs/{page}"),
            ("/docs/new", "/docs/new"),
            ("/docs/new/x", "/docs/{*rest}"),
            ("/docs/x/y/z", "/docs/{*rest}"),
            ("/docs/b", "/docs/{page}"),
            ("/a/b", "/a/{*rest}"),
            ("/z/b", "/{x}/b"),
            ("/z/c", "/{*all}"),
            ("/c/", "/c/"),
            ("/c", "/{*all}"),
            ("/{x}", "/{*all}"),
        ] {
            assert_eq!(tree.find(path).map(|at| templates[usize::from(at)]), Some(template), "{path}");
        }
        assert_eq!(tree.find(""), None);
        assert_eq!(tree.find("docs"), None);
    }

    #[test]
    fn templates_that_match_the_same_paths_are_told() {
        let mut tree = tree(&["/a/{x}", "/a/{*r}", "/b"]);
        assert_eq!(tree.insert("/a/{y}", 9), Err(0));
        assert_eq!(tree.insert("/a/{*s}", 9), Err(1));
        assert_eq!(tree.same("/a/{z}"), Some(0));
        assert_eq!(tree.same("/b"), Some(2));
        assert_eq!(tree.same("/b/"), None);
        assert_eq!(tree.same("/{x}"), None);
    }

    /// The obvious way: every template against the path, the most specific by level.
    fn slow(templates: &[String], path: &str) -> Option<usize> {
        let fits = |template: &String| -> Option<Vec<u8>> {
            let mut ranks = Vec::new();
            let mut parts = path.split('/').skip(1);
            for segment in segments(template) {
                let part = parts.next()?;
                match (segment.starts_with("{*"), segment.starts_with('{')) {
                    (true, _) => {
                        let empty = part.is_empty() && parts.next().is_none();
                        ranks.push(0);
                        return (!empty).then_some(ranks);
                    }
                    (_, true) if !part.is_empty() => ranks.push(1),
                    (_, false) if part == segment => ranks.push(2),
                    _ => return None,
                }
            }
            parts.next().is_none().then_some(ranks)
        };
        let found = templates.iter().enumerate().filter_map(|(at, template)| Some((fits(template)?, at)));
        found.max().map(|(_, at)| at)
    }

    proptest! {
        #[test]
        fn finding_agrees_with_the_obvious_way(
            templates in proptest::collection::btree_set("(/(a|b|\\{x\\}|)){1,4}(/\\{\\*r\\})?", 0..12),
            paths in proptest::collection::vec("(/(a|b|c|)){1,5}", 1..20),
        ) {
            let templates: Vec<String> = templates.into_iter().collect();
            let mut tree = Tree::default();
            for (number, template) in (0..).zip(&templates) {
                prop_assert_eq!(tree.insert(template, number), Ok(()));
            }
            for path in paths {
                prop_assert_eq!(tree.find(&path).map(usize::from), slow(&templates, &path), "{} {:?}", path, templates);
            }
        }
    }
}
