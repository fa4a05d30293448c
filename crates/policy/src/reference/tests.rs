use std::collections::BTreeSet;

use palisade_diag::FileId;

use super::table::TABLES;
use super::{markdown, schema};

/// The reader names the keys that it knows where one is far from all of them.
fn known(text: &str) -> BTreeSet<String> {
    let (_, found) = crate::parse(FileId(0), text);
    let fixes = found.iter().filter_map(|problem| problem.fix.clone());
    fixes
        .filter_map(|fix| fix.strip_prefix("known here: ").map(str::to_owned))
        .flat_map(|names| names.split(", ").map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

#[test]
fn the_reference_knows_the_keys_that_the_reader_knows() {
    for table in TABLES {
        let text = match table.name {
            "channel" => ["slack", "pagerduty", "webhook", "email"]
                .map(|kind| format!("[[channel]]\nqqqqqqqqqqqq = 1\nkind = \"{kind}\"\n"))
                .concat(),
            name if table.many => format!("[[{name}]]\nqqqqqqqqqqqq = 1\n"),
            name => format!("[{name}]\nqqqqqqqqqqqq = 1\n"),
        };
        let mut documented: BTreeSet<String> = table.keys.iter().map(|key| key.name.to_owned()).collect();
        let reader = known(&text);
        assert!(!reader.is_empty(), "[{}]", table.name);
        documented.retain(|key| !reader.contains(key));
        let undocumented: Vec<_> =
            reader.iter().filter(|key| table.keys.iter().all(|known| known.name != *key)).collect();
        assert!(
            documented.is_empty() && undocumented.is_empty(),
            "[{}]: not read {documented:?}, not told {undocumented:?}",
            table.name
        );
    }
    let mut tables = known("qqqqqqqqqqqq = 1\n");
    tables.retain(|name| TABLES.iter().all(|table| table.name != name));
    // Reserved; nothing is read from them.
    assert_eq!(tables.into_iter().collect::<Vec<_>>(), ["maintenance", "report"]);
}

#[test]
fn the_page_and_the_schema_in_docs_are_current() {
    let page = include_str!("../../../../docs/policy.md");
    assert_eq!(page, markdown(), "run: palisade policy reference > docs/policy.md");
    let editor: serde_json::Value =
        serde_json::from_str(include_str!("../../../../docs/palisade.schema.json")).expect("JSON");
    assert_eq!(editor, schema(), "run: palisade policy schema > docs/palisade.schema.json");
}
