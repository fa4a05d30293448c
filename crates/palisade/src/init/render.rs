//! The policy as text, with a reason beside each entry.

use std::fmt::Write as _;

use super::propose::{Proposal, Proposed};

/// What the person who runs `init` knows beside the source.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    pub(crate) name: &'a str,
    pub(crate) upstream: &'a str,
}

/// The file.
pub(crate) fn policy(proposal: &Proposal, place: &Place<'_>) -> String {
    let mut out = String::new();
    let services: Vec<String> = proposal.services.iter().map(|service| format!("\"{service}\"")).collect();
    let _ = write!(
        out,
        "# The policy of this app: each route once, by its kind. Proposed from its source; read it, it is yours now.\n\
         # `palisade advise POST /path` says what a kind does; `palisade policy check` finds what is wrong with this file.\n\n\
         [app]\n\
         name = \"{}\"\n\
         upstream = \"{}\"\n\
         public_origin = \"http://127.0.0.1:8080\"    # in production: the https origin that visitors type\n\
         services = [{}]\n",
        place.name,
        place.upstream,
        services.join(", ")
    );
    if proposal.next {
        let directory = if proposal.directory.is_empty() { "." } else { &proposal.directory };
        let _ =
            writeln!(out, "framework = \"nextjs\"\n{:<41} # where .next lies", format!("directory = {directory:?}"));
    }
    out.push_str("mode = \"observe\"                          # refuses nothing yet, tells what it would. The one line to change: \"enforce\"\n");
    for route in &proposal.routes {
        entry(&mut out, route);
    }
    out.push_str(
        "\n# Every path that no [[route]] names: GET and HEAD alone.\n\
         [undeclared]\n\
         kind = \"page\"\n",
    );
    out
}

fn entry(out: &mut String, route: &Proposed) {
    let _ = write!(
        out,
        "\n# {}\n# {}\n[[route]]\npath = \"{}\"\n",
        comment(&route.file),
        comment(&route.because),
        route.path
    );
    if !route.methods.is_empty() {
        let methods: Vec<String> = route.methods.iter().map(|method| format!("\"{method}\"")).collect();
        let _ = writeln!(out, "methods = [{}]", methods.join(", "));
    }
    let _ = writeln!(out, "kind = \"{}\"", route.kind);
    for line in &route.more {
        let _ = writeln!(out, "{line}");
    }
}

/// A file's name and a reason come from the project: neither may end its line.
fn comment(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}
