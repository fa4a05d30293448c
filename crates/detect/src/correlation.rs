//! Sigma's correlation section and the types beyond it.

use std::collections::{BTreeMap, BTreeSet};

use palisade_diag::{Diagnostic, Diagnostics, Span};
use palisade_event::Field;

use crate::atom::Order;
use crate::column::Column;
use crate::condition::Condition;
use crate::expr::Expr;
use crate::file::Draft;
use crate::read::{Map, count, expected};
use crate::rule::{Baseline, Bound, Correlation, Input, Measured, NewValue, Profile, Roles};
use crate::yaml::{Node, Value};

/// The types that there are.
const TYPES: &str = "event_count, value_count, value_sum, value_avg, value_percentile, temporal, temporal_ordered, ratio, baseline, \
     new_value, time_profile, absence";

/// The most events that are remembered for one group to decide a count exactly.
pub(crate) const COUNT_CAP: u32 = 10_000;

/// The most different values that are remembered for one group.
pub(crate) const DISTINCT_CAP: u32 = 1_000;

/// The names that correlations use, so that the rules behind them do not speak for themselves.
pub(crate) fn used<'n>(drafts: &[Draft<'n>], found: &mut Diagnostics) -> BTreeSet<&'n str> {
    let mut used = BTreeSet::new();
    for draft in drafts {
        let Some(node) = draft.correlation else { continue };
        let Some(mut map) = Map::of(node, "correlation", found) else { continue };
        // Read again, with its problems, by `read`.
        used.extend(map.texts("rules", &mut Diagnostics::new()).into_iter().map(|(name, _)| name));
    }
    used
}

/// What a rule takes and how it counts.
pub(crate) fn read(
    draft: &Draft<'_>,
    known: &BTreeMap<String, Expr>,
    found: &mut Diagnostics,
) -> Option<(Vec<Input>, Correlation)> {
    let Some(node) = draft.correlation else { return each(draft, found) };
    let mut map = Map::of(node, "correlation", found)?;
    let kind = map.text("type", found);
    let mut reader = Reader { draft, known, aliases: aliases(&mut map, found), group: Vec::new(), map, found };
    let named = reader.map.texts("group-by", reader.found);
    reader.group = named.into_iter().map(|(name, span)| (name.to_owned(), span)).collect();
    let read = match kind {
        Some("event_count") => reader.counting(),
        Some("value_count") => reader.distinct(),
        Some("value_sum") => reader.measure(Measured::Sum),
        Some("value_avg") => reader.measure(Measured::Average),
        Some("value_percentile") => reader.percentile(),
        Some("temporal") => reader.temporal(),
        Some("temporal_ordered") => reader.ordered(),
        Some("ratio") => reader.ratio(),
        Some("baseline") => reader.baseline(),
        Some("new_value") => reader.new_value(),
        Some("time_profile") => reader.profile(),
        Some("absence") => reader.absence(),
        _ => {
            let problem = Diagnostic::error("correlation-unknown", "there is no such type of correlation");
            reader.found.push(problem.at(node.span, "").fix(format!("`type` is one of {TYPES}")));
            return None;
        }
    };
    reader.map.finish(reader.found);
    read
}

/// A rule without a correlation: every event that matches, by client.
fn each(draft: &Draft<'_>, found: &mut Diagnostics) -> Option<(Vec<Input>, Correlation)> {
    let Some(detection) = &draft.detection else {
        let problem = Diagnostic::error("rule-empty", format!("rule `{}` asks for nothing", draft.id));
        found.push(problem.at(draft.span, "").fix("add a `detection` or a `correlation`"));
        return None;
    };
    let Some(expr) = detection.condition.clone() else {
        let problem = Diagnostic::error("condition-missing", format!("rule `{}` has no `condition`", draft.id));
        found.push(problem.at(draft.span, "").fix("add `condition` to `detection`"));
        return None;
    };
    let input = Input { name: draft.id.into(), expr, group: vec![Column::Field(Field::ClientKey)] };
    Some((vec![input], Correlation::Each))
}

/// `alias -> rule -> field`.
type Aliases = BTreeMap<String, BTreeMap<String, String>>;

fn aliases(map: &mut Map<'_>, found: &mut Diagnostics) -> Aliases {
    let mut aliases = Aliases::new();
    let Some(node) = map.take("aliases") else { return aliases };
    let Value::Map(entries) = &node.value else {
        expected(node, "aliases", "a map of maps", found);
        return aliases;
    };
    for entry in entries {
        let Value::Map(rules) = &entry.node.value else {
            expected(&entry.node, &entry.key, "a map from rule to field", found);
            continue;
        };
        let fields = rules.iter().filter_map(|rule| Some((rule.key.clone(), rule.node.text()?.to_owned())));
        aliases.insert(entry.key.clone(), fields.collect());
    }
    aliases
}

struct Reader<'a, 'n> {
    draft: &'a Draft<'n>,
    known: &'a BTreeMap<String, Expr>,
    aliases: Aliases,
    group: Vec<(String, Span)>,
    map: Map<'n>,
    found: &'a mut Diagnostics,
}

type Read = Option<(Vec<Input>, Correlation)>;

impl<'n> Reader<'_, 'n> {
    fn counting(&mut self) -> Read {
        let inputs = self.single_input()?;
        let bound = self.bound(COUNT_CAP)?;
        let span = self.span()?;
        Some((inputs, Correlation::Count { bound, span }))
    }

    fn distinct(&mut self) -> Read {
        let inputs = self.single_input()?;
        let of = self.value_field()?;
        let bound = self.bound(DISTINCT_CAP)?;
        if !bound.is_rising() {
            let problem = Diagnostic::error("value-count-falling", "values are counted until there are enough of them");
            self.found.push(problem.at(self.map.span, "").fix("write `gte` or `gt`"));
            return None;
        }
        let span = self.span()?;
        Some((inputs, Correlation::Distinct { of, bound, span }))
    }

    fn percentile(&mut self) -> Read {
        let nth = self.inside_condition("percentile").and_then(Node::number);
        match nth.filter(|nth| (0.0..=100.0).contains(nth)) {
            Some(nth) => self.measure(Measured::Percentile(nth)),
            None => self.incomplete("percentile"),
        }
    }

    fn measure(&mut self, measured: Measured) -> Read {
        let inputs = self.single_input()?;
        let of = self.value_field()?;
        let bound = Bound(self.comparisons()?);
        if bound.0.is_empty() {
            return self.incomplete("condition");
        }
        if measured == Measured::Sum && !bound.is_rising() {
            let problem = Diagnostic::error("value-sum-falling", "numbers are added until there is enough of them");
            self.found.push(problem.at(self.map.span, "").fix("write `gte` or `gt`"));
            return None;
        }
        let least = self.map.count("min_count", self.found).unwrap_or(1);
        let span = self.span()?;
        Some((inputs, Correlation::Measure { of, measured, bound, least, span }))
    }

    /// What stands under a key of the condition.
    fn inside_condition(&mut self, key: &str) -> Option<&'n Node> {
        match self.map.take("condition").map(|node| &node.value) {
            Some(Value::Map(entries)) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node),
            _ => None,
        }
    }

    fn ratio(&mut self) -> Read {
        let of = self.named("of")?;
        let over = self.named("over")?;
        let total = self.map.count("min_total", self.found).unwrap_or(50);
        let comparisons = self.comparisons()?;
        let Some((order, wanted)) = comparisons.first().copied() else { return self.incomplete("condition") };
        let span = self.span()?;
        Some((vec![of, over], Correlation::Ratio { order, wanted, total, span }))
    }

    fn temporal(&mut self) -> Read {
        let span = self.span()?;
        let condition = self.map.take("condition").filter(|node| node.text().is_some());
        let mut names: Vec<(String, Span)> =
            self.map.texts("rules", self.found).into_iter().map(|(name, span)| (name.to_owned(), span)).collect();
        let condition = match condition {
            Some(node) => Some(self.condition(node)?),
            None => None,
        };
        if let (Some(condition), true) = (&condition, names.is_empty()) {
            let all: BTreeSet<_> = condition.names().into_iter().map(str::to_owned).collect();
            names = all.into_iter().map(|name| (name, self.map.span)).collect();
        }
        let inputs = self.inputs(&names)?;
        let place = |name: &str| names.iter().position(|(known, _)| known == name);
        let condition = match &condition {
            None => Roles::All((0..inputs.len()).map(Roles::Role).collect()),
            Some(condition) => match Roles::of(condition, &place) {
                Some(roles) => roles,
                None => {
                    let problem =
                        Diagnostic::error("condition-names", "this condition names what is not among `rules`");
                    self.found.push(
                        problem.at(self.map.span, "").fix("name selections of this rule, or other rules, one by one"),
                    );
                    return None;
                }
            },
        };
        let least = self.at_least(&names);
        Some((inputs, Correlation::Temporal { condition, least, span }))
    }

    fn ordered(&mut self) -> Read {
        let span = self.span()?;
        let names: Vec<(String, Span)> =
            self.map.texts("rules", self.found).into_iter().map(|(name, span)| (name.to_owned(), span)).collect();
        if names.is_empty() || names.len() > 8 {
            return self.incomplete("rules");
        }
        let inputs = self.inputs(&names)?;
        let least = self.at_least(&names);
        Some((inputs, Correlation::Ordered { least, span }))
    }

    fn baseline(&mut self) -> Read {
        let inputs = self.single_input()?;
        let metric = self.map.text("metric", self.found).unwrap_or("count");
        let distinct = metric == "distinct";
        let bucket = self.map.span_of_time("bucket", self.found).filter(|bucket| *bucket > 0).unwrap_or(300_000_000);
        let history = self.map.span_of_time("history", self.found).unwrap_or(21_600_000_000);
        let width = self.map.count("buckets", self.found).unwrap_or(1) as usize;
        let buckets = usize::try_from(history / bucket).unwrap_or(usize::MAX);
        if !(1..=336).contains(&buckets) || width > 31 || !(metric == "count" || distinct) {
            let problem = Diagnostic::error("baseline-shape", "this baseline cannot be kept").at(self.map.span, "");
            let fix = "history is 1 to 336 buckets, `buckets` at most 31, `metric` is `count` or `distinct`";
            self.found.push(problem.fix(fix));
            return None;
        }
        let of = if distinct { self.value_field()? } else { vec![Column::Field(Field::ClientKey)] };
        let baseline = Baseline {
            distinct,
            bucket,
            width,
            history: buckets,
            warmup: self.map.count("warmup", self.found).map_or(buckets.min(12), |warmup| warmup as usize),
            factor: self.map.factor("factor", self.found).unwrap_or(5.0),
            least: self.map.count("min_count", self.found).unwrap_or(20),
            ceiling: self.map.count("ceiling", self.found),
            of,
        };
        Some((inputs, Correlation::Baseline(baseline)))
    }

    fn new_value(&mut self) -> Read {
        let inputs = self.single_input()?;
        let new = NewValue {
            of: self.value_field()?,
            subject: self.map.text("subject", self.found).map_or(Column::Field(Field::User), Column::of),
            subjects: self.map.count("subjects", self.found).unwrap_or(3).max(3),
            learn: self.map.span_of_time("learn_for", self.found).unwrap_or(604_800_000_000),
            forget: self.map.span_of_time("forget_after", self.found).unwrap_or(7_776_000_000_000),
            least: self.map.count("min_count", self.found).unwrap_or(1).min(64),
        };
        Some((inputs, Correlation::NewValue(new)))
    }

    fn profile(&mut self) -> Read {
        let inputs = self.single_input()?;
        let season = self.map.text("season", self.found).unwrap_or("hour_of_day");
        let slots = if season == "hour_of_week" { 168 } else { 24 };
        let profile = Profile {
            slots,
            factor: self.map.factor("factor", self.found).unwrap_or(3.0),
            least: self.map.count("min_count", self.found).unwrap_or(20),
            days: self.map.count("min_days", self.found).unwrap_or(7).min(90),
        };
        Some((inputs, Correlation::Profile(profile)))
    }

    fn absence(&mut self) -> Read {
        let span = self.span()?;
        let mut inputs = self.single_input()?;
        let expected = self.map.take("expect").is_some();
        if expected {
            inputs.push(self.named("expect")?);
        }
        Some((inputs, Correlation::Absence { expected, span }))
    }

    /// Any of `rules`, else the rule's own condition.
    fn single_input(&mut self) -> Option<Vec<Input>> {
        let names = self.map.texts("rules", self.found);
        if names.is_empty() {
            let expr = self.draft.detection.as_ref().and_then(|detection| detection.condition.clone());
            let Some(expr) = expr else {
                return self.incomplete("rules").map(|(inputs, _): (Vec<Input>, Correlation)| inputs);
            };
            return Some(vec![Input { name: self.draft.id.into(), expr, group: self.group_of(self.draft.id) }]);
        }
        let names: Vec<_> = names.into_iter().map(|(name, span)| (name.to_owned(), span)).collect();
        let aliased = self.group.iter().any(|(name, _)| self.aliases.contains_key(name));
        let inputs = self.inputs(&names)?;
        if aliased {
            return Some(inputs);
        }
        let group = inputs.first().map(|input| input.group.clone()).unwrap_or_default();
        let expr = Expr::any(inputs.into_iter().map(|input| input.expr).collect());
        Some(vec![Input { name: self.draft.id.into(), expr, group }])
    }

    fn named(&mut self, key: &'static str) -> Option<Input> {
        let node = self.map.take(key);
        let Some((name, span)) = node.and_then(|node| Some((node.text()?.to_owned(), node.span))) else {
            self.incomplete(key);
            return None;
        };
        self.inputs(&[(name, span)])?.pop()
    }

    fn inputs(&mut self, names: &[(String, Span)]) -> Option<Vec<Input>> {
        let mut inputs = Vec::new();
        for (name, span) in names {
            let own = self.draft.detection.as_ref();
            let expr = match name.as_str() {
                "all" => Some(Expr::Always),
                name => own.and_then(|own| own.selections.get(name)).or_else(|| self.known.get(name)).cloned(),
            };
            let Some(expr) = expr else {
                let problem = Diagnostic::error("selection-unknown", format!("there is no selection or rule `{name}`"));
                self.found.push(
                    problem.at(*span, "").fix("name a selection of `detection`, or the id, name or title of a rule"),
                );
                continue;
            };
            inputs.push(Input { name: name.as_str().into(), expr, group: self.group_of(name) });
        }
        (inputs.len() == names.len() && !inputs.is_empty()).then_some(inputs)
    }

    /// By which columns events of an input are grouped.
    fn group_of(&mut self, input: &str) -> Vec<Column> {
        let mut columns = Vec::new();
        for (name, span) in &self.group {
            let field = self.aliases.get(name).map_or(Some(name), |fields| fields.get(input));
            let column = field.map_or_else(|| Column::Unknown(name.clone()), |field| Column::of(field));
            if let Column::Unknown(_) = &column {
                let problem =
                    Diagnostic::error("field-unknown", format!("`{name}` names no field of events to group by"));
                self.found
                    .push(problem.at(*span, "").fix("group by a field, or by an alias that has one for each rule"));
            }
            columns.push(column);
        }
        columns
    }

    fn span(&mut self) -> Option<u64> {
        let span = self.map.span_of_time("timespan", self.found).filter(|span| *span > 0);
        if span.is_none() {
            self.incomplete("timespan");
        }
        span
    }

    fn bound(&mut self, cap: u32) -> Option<Bound> {
        let bound = Bound(self.comparisons()?);
        if bound.0.is_empty() {
            self.incomplete("condition");
            return None;
        }
        if bound.threshold() > cap {
            let problem = Diagnostic::error("count-too-large", format!("counts are decided exactly up to {cap}"));
            self.found.push(problem.at(self.map.span, "").fix("a lower count in a shorter time says the same"));
            return None;
        }
        Some(bound)
    }

    /// `{gte: 10, field: x}`.
    fn comparisons(&mut self) -> Option<Vec<(Order, f64)>> {
        let node = self.map.take("condition")?;
        let Value::Map(entries) = &node.value else {
            expected(node, "condition", "a map such as `{gte: 10}`", self.found);
            return None;
        };
        let mut comparisons = Vec::new();
        for entry in entries.iter().filter(|entry| !matches!(entry.key.as_str(), "field" | "percentile")) {
            match (Order::of(&entry.key), entry.node.number().filter(|number| *number >= 0.0)) {
                (Some(order), Some(number)) => comparisons.push((order, number)),
                _ => expected(&entry.node, &entry.key, "one of gt, gte, lt, lte, eq, neq with a number", self.found),
            }
        }
        Some(comparisons)
    }

    /// `field` of the condition, or beside it.
    fn value_field(&mut self) -> Option<Vec<Column>> {
        let inside = self.inside_condition("field");
        let Some(node) = inside.or_else(|| self.map.take("field")) else {
            self.incomplete("field");
            return None;
        };
        self.map.ignore(&["field"]);
        let items = match &node.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let mut columns = Vec::new();
        for item in items {
            match item.text().map(Column::of) {
                Some(Column::Unknown(_)) | None => expected(item, "field", "a field of events", self.found),
                Some(column) => columns.push(column),
            }
        }
        (columns.len() == items.len()).then_some(columns)
    }

    fn condition(&mut self, node: &'n Node) -> Option<Condition> {
        match Condition::read(node.text().unwrap_or_default()) {
            Ok(condition) => Some(condition),
            Err(malformed) => {
                let problem = Diagnostic::error("condition-malformed", malformed.to_string()).at(node.span, "");
                self.found.push(problem.fix("write names with `and`, `or`, `not`"));
                None
            }
        }
    }

    /// `at_least: {name: 3}`; one of each that is not named.
    fn at_least(&mut self, names: &[(String, Span)]) -> Vec<u32> {
        let mut least = vec![1; names.len()];
        let Some(node) = self.map.take("at_least") else { return least };
        let Value::Map(entries) = &node.value else {
            expected(node, "at_least", "a map from name to count", self.found);
            return least;
        };
        for entry in entries {
            let place = names.iter().position(|(name, _)| *name == entry.key);
            let wanted = count(&entry.node, &entry.key, self.found).filter(|count| *count <= 128);
            match (place.and_then(|place| least.get_mut(place)), wanted) {
                (Some(slot), Some(wanted)) => *slot = wanted,
                _ => expected(&entry.node, &entry.key, "a count up to 128 of a name in this correlation", self.found),
            }
        }
        least
    }

    fn incomplete(&mut self, key: &str) -> Read {
        let problem = Diagnostic::error("correlation-incomplete", format!("this correlation lacks `{key}`"));
        self.found.push(problem.at(self.map.span, "").fix(format!("add `{key}`")));
        None
    }
}
