//! Plots, drawn on the server. Shapes alone: their words stand beside them, as text and as a table.

use maud::{Markup, html};

/// A series of a plot.
#[derive(Debug)]
pub(crate) struct Series<'a> {
    /// What it is called.
    pub(crate) name: &'a str,
    /// Names its colour in the style sheet.
    pub(crate) class: &'a str,
    /// A value for each step.
    pub(crate) values: Vec<u64>,
}

/// Height of the drawing, in its own units.
const HEIGHT: u64 = 100;
const STEP: u64 = 10;

/// Columns, the series on top of each other. `labels` name the steps in the table; `sum` is said to who cannot see.
pub(crate) fn columns(sum: &str, labels: &[String], series: &[Series<'_>]) -> Markup {
    let steps = labels.len();
    let total = |at: usize| series.iter().filter_map(|it| it.values.get(at)).sum::<u64>();
    let most = (0..steps).map(total).max().unwrap_or(0).max(1);
    let width = steps as u64 * STEP;
    html! {
        figure.plot {
            div.scale { span { (super::words::number(most)) } span { "0" } }
            svg role="img" aria-label=(sum) viewBox={ "0 0 " (width) " " (HEIGHT) } preserveAspectRatio="none" {
                @for at in 0..steps {
                    (column(at as u64 * STEP, at, most, series))
                }
            }
            div.ends { span { (labels.first().map_or("", String::as_str)) } span { (labels.last().map_or("", String::as_str)) } }
            figcaption {
                ul.key { @for one in series { li { span.swatch.(one.class) {} (one.name) " " b { (super::words::number(one.values.iter().sum())) } } } }
            }
            details {
                summary { "As a table" }
                div.scroll tabindex="0" role="region" aria-label=(sum) {
                    table {
                        caption.quiet { (sum) }
                        thead { tr { th scope="col" { "From" } @for one in series { th.n scope="col" { (one.name) } } } }
                        tbody {
                            @for (at, label) in labels.iter().enumerate() {
                                @if total(at) > 0 {
                                    tr {
                                        th scope="row" { (label) }
                                        @for one in series { td.n { (super::words::number(one.values.get(at).copied().unwrap_or(0))) } }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn column(x: u64, at: usize, most: u64, series: &[Series<'_>]) -> Markup {
    let mut below = 0;
    let rects = series.iter().filter_map(|one| {
        let value = one.values.get(at).copied().filter(|value| *value > 0)?;
        // What is there is seen, however little it is.
        let height = (value * HEIGHT / most).max(1);
        below = (below + height).min(HEIGHT);
        Some((one.class, HEIGHT - below, height))
    });
    html! {
        @for (class, y, height) in rects {
            rect.(class) x=(x + 1) y=(y) width=(STEP - 2) height=(height) {}
        }
    }
}

/// A bar in a row of a table: how much of the most.
pub(crate) fn bar(value: u64, most: u64) -> Markup {
    let width = value.saturating_mul(100) / most.max(1);
    html! {
        svg.bar aria-hidden="true" viewBox="0 0 100 6" preserveAspectRatio="none" {
            rect x="0" y="0" width=(width) height="6" {}
        }
    }
}
