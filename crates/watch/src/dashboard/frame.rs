//! What stands around every page.

use maud::{DOCTYPE, Markup, html};

use super::Visitor;
use super::words::theirs;

/// A page's surroundings.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) app: &'a str,
    pub(crate) visitor: Option<&'a Visitor>,
    pub(crate) tab: Option<Tab>,
    /// Incidents nobody has resolved, by priority.
    pub(crate) open: [u64; 3],
    pub(crate) title: &'a str,
}

/// The pages that the navigation names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tab {
    Overview,
    Incidents,
    Events,
    Normal,
    Rules,
    Readiness,
    Report,
}

const TABS: [(Tab, &str, &str); 7] = [
    (Tab::Overview, "/", "Overview"),
    (Tab::Incidents, "/incidents", "Incidents"),
    (Tab::Events, "/events", "Events"),
    (Tab::Normal, "/normal", "Normal"),
    (Tab::Rules, "/rules", "Rules"),
    (Tab::Readiness, "/readiness", "Readiness"),
    (Tab::Report, "/report", "Report"),
];

// === impl Frame ===

impl Frame<'_> {
    pub(crate) fn around(&self, main: &Markup) -> Markup {
        let Frame { app, visitor, tab, open, title } = self;
        let all: u64 = open.iter().sum();
        html! {
            (DOCTYPE)
            html lang="en" {
                (head(title, app))
                body {
                    a.skip href="#main" { "To the content" }
                    header.top {
                        p.brand { a href="/" { "Palisade" } " " span { (theirs(app)) } }
                        nav aria-label="Pages" {
                            ul {
                                @for (known, path, name) in TABS {
                                    li {
                                        a href=(path) aria-current=[(*tab == Some(known)).then_some("page")] {
                                            (name)
                                            @if known == Tab::Incidents {
                                                " " span.count #open hidden[all == 0] { (all) }
                                                span.quiet { " open" }
                                            }
                                        }
                                    }
                                }
                            }
                        }
                        @if let Some(visitor) = visitor {
                            form.leave method="post" action="/sign-out" {
                                input type="hidden" name="csrf" value=(visitor.csrf);
                                span.who { (theirs(&visitor.name)) }
                                button.plain type="submit" { "Sign out" }
                            }
                        }
                    }
                    main #main tabindex="-1" {
                        h1 { (title) }
                        (main)
                    }
                    footer { p { "Times are UTC. Counts are of requests. " span #link role="status" {} } }
                }
            }
        }
    }
}

pub(crate) fn head(title: &str, app: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            meta name="robots" content="noindex";
            title { (title) " · " (theirs(app)) " · Palisade" }
            link rel="icon" href="/icon.svg" type="image/svg+xml";
            link rel="stylesheet" href="/style.css";
            script src="/script.js" defer {}
        }
    }
}

/// A page that says why there is none.
pub(crate) fn sorry(app: &str, visitor: Option<&Visitor>, title: &str, text: &str) -> Markup {
    let main = html! { p.lead { (theirs(text)) } p { a href="/" { "To the overview" } } };
    Frame { app, visitor, tab: None, open: [0; 3], title }.around(&main)
}
