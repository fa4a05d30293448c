//! Incidents as they are kept: what the detector found, and what people did about it.

use palisade_event::{EventTime, Incident, IncidentKey, Priority, State};

use super::Store;
use super::engine::{Row, Value};
use super::fault::StoreFault;

/// An incident with what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its key.
    pub key: IncidentKey,
    /// The rule's id.
    pub rule: String,
    /// How soon somebody should look.
    pub priority: Priority,
    /// Where it stands.
    pub state: State,
    /// The first event that counts.
    pub first_seen: EventTime,
    /// The last one so far.
    pub last_seen: EventTime,
    /// Requests that count.
    pub count: u64,
    /// The incident as the detector told it last: one JSON object ([`Incident::encode`]), whose `state` is the detector's.
    pub body: String,
    /// When it was stored first.
    pub opened: EventTime,
    /// When and by whom it was acknowledged.
    pub acknowledged: Option<(EventTime, String)>,
    /// When and by whom it was resolved; by [`DETECTOR`] where the detector saw it end.
    pub resolved: Option<(EventTime, String)>,
    /// What was written to it.
    pub note: String,
    /// Whether its rule is on trial: nobody is told or blocked for it, and no report counts it.
    pub simulated: bool,
}

/// Which incidents are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IncidentFilter {
    /// In that state only.
    pub state: Option<State>,
    /// Of that priority or a more urgent one.
    pub priority: Option<Priority>,
    /// Of that rule only.
    pub rule: Option<String>,
    /// With an event at or after it.
    pub since: EventTime,
    /// So many, the latest first; 0 is [`MAX_LISTED`].
    pub limit: usize,
}

/// Who resolves an incident that is over by itself.
pub const DETECTOR: &str = "palisade";
/// Incidents in one answer.
pub const MAX_LISTED: usize = 10_000;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT key, rule, priority, first, last, count, body, opened, acknowledged, acknowledged_by, resolved, \
             resolved_by, note, simulated FROM incident ",
            $rest
        )
    };
}

/// The same incident again adds nothing; more of it counts on. One that somebody resolved opens again only when it goes on
/// for a quarter of an hour after that (900,000,000 us): flapping is held. One that ended by itself opens at once.
pub(super) const UPSERT: &str = "\
INSERT INTO incident (key, rule, scope, priority, first, last, count, body, opened, changed, resolved, resolved_by, note, \
simulated)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9, ?10, ?11, '', ?12)
ON CONFLICT (key) DO UPDATE SET
    priority = CASE WHEN excluded.priority < incident.priority THEN excluded.priority ELSE incident.priority END,
    first = CASE WHEN excluded.first < incident.first THEN excluded.first ELSE incident.first END,
    last = CASE WHEN excluded.last > incident.last THEN excluded.last ELSE incident.last END,
    count = CASE WHEN excluded.count > incident.count THEN excluded.count ELSE incident.count END,
    body = CASE WHEN excluded.count >= incident.count THEN excluded.body ELSE incident.body END,
    changed = excluded.changed,
    simulated = excluded.simulated,
    resolved_by = CASE
        WHEN excluded.resolved IS NOT NULL THEN COALESCE(incident.resolved_by, excluded.resolved_by)
        WHEN incident.resolved_by = 'palisade' AND excluded.count > incident.count THEN NULL
        WHEN excluded.last > incident.resolved + 900000000 THEN NULL
        ELSE incident.resolved_by END,
    resolved = CASE
        WHEN excluded.resolved IS NOT NULL THEN COALESCE(incident.resolved, excluded.resolved)
        WHEN incident.resolved_by = 'palisade' AND excluded.count > incident.count THEN NULL
        WHEN excluded.last > incident.resolved + 900000000 THEN NULL
        ELSE incident.resolved END";

/// The values of [`UPSERT`].
pub(super) fn values(incident: &Incident, now: EventTime) -> Vec<Value> {
    let mut body = Vec::new();
    incident.encode(&mut body);
    let over = incident.state == State::Resolved;
    let scope: Vec<&str> = incident.group.iter().map(|(_, value)| &**value).collect();
    vec![
        incident.key.to_string().as_str().into(),
        (&*incident.rule).into(),
        scope.join(" ").as_str().into(),
        urgency(incident.priority).into(),
        incident.first_seen.micros().into(),
        incident.last_seen.micros().into(),
        incident.count.into(),
        String::from_utf8(body).unwrap_or_default().trim_end().into(),
        now.micros().into(),
        over.then_some(incident.last_seen.micros()).into(),
        over.then_some(DETECTOR).into(),
        i64::from(incident.simulated).into(),
    ]
}

// === impl Store ===

impl Store {
    /// Incidents, the latest first.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn incidents(&mut self, filter: &IncidentFilter) -> Result<Vec<Kept>, StoreFault> {
        let IncidentFilter { state, priority, rule, since, limit } = filter;
        let limit = if *limit == 0 { MAX_LISTED } else { (*limit).min(MAX_LISTED) };
        let rows = self.engine.query(
            select!(
                "WHERE last >= ?1 AND priority <= CAST(?2 AS BIGINT) AND (CAST(?3 AS TEXT) = '' OR rule = ?3) \
                 AND CAST(?4 AS TEXT) IN ('', CASE WHEN resolved IS NOT NULL THEN 'resolved' \
                 WHEN acknowledged IS NOT NULL THEN 'acknowledged' ELSE 'open' END) \
                 ORDER BY last DESC, key LIMIT CAST(?5 AS BIGINT)"
            ),
            &[
                since.micros().into(),
                urgency(priority.unwrap_or(Priority::P3)).into(),
                rule.as_deref().unwrap_or_default().into(),
                state.map_or("", State::id).into(),
                (limit as u64).into(),
            ],
        )?;
        Ok(rows.iter().filter_map(Kept::of).collect())
    }

    /// The incident of that key.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn incident(&mut self, key: IncidentKey) -> Result<Option<Kept>, StoreFault> {
        let rows = self.engine.query(select!("WHERE key = ?1"), &[key.to_string().as_str().into()])?;
        Ok(rows.first().and_then(Kept::of))
    }

    /// The keys that begin so, as people type them: at most `limit`, in order.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn incident_keys(&mut self, start: &str, limit: usize) -> Result<Vec<IncidentKey>, StoreFault> {
        if start.is_empty() || !start.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Vec::new());
        }
        let start = start.to_ascii_lowercase();
        let rows = self.engine.query(
            "SELECT key FROM incident WHERE key >= ?1 AND key < ?2 ORDER BY key LIMIT CAST(?3 AS BIGINT)",
            &[start.as_str().into(), format!("{start}g").as_str().into(), (limit as u64).into()],
        )?;
        Ok(rows.iter().filter_map(|row| IncidentKey::from_text(&row.text(0))).collect())
    }

    /// Somebody is at it. Once acknowledged it stays so, by who was first; resolved ones are left as they are. Returns how
    /// it stands then, or nothing where there is no such incident.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn acknowledge(
        &mut self,
        key: IncidentKey,
        by: &str,
        note: &str,
        now: EventTime,
    ) -> Result<Option<Kept>, StoreFault> {
        self.engine.execute(
            "UPDATE incident SET acknowledged = ?2, acknowledged_by = ?3, changed = ?2, \
             note = CASE WHEN CAST(?4 AS TEXT) = '' THEN note ELSE ?4 END \
             WHERE key = ?1 AND acknowledged IS NULL AND resolved IS NULL",
            &[key.to_string().as_str().into(), now.micros().into(), by.into(), note.into()],
        )?;
        self.incident(key)
    }

    /// It is over, or was nothing. Returns how it stands then, or nothing where there is no such incident.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn resolve(
        &mut self,
        key: IncidentKey,
        by: &str,
        note: &str,
        now: EventTime,
    ) -> Result<Option<Kept>, StoreFault> {
        self.engine.execute(
            "UPDATE incident SET resolved = ?2, resolved_by = ?3, changed = ?2, \
             note = CASE WHEN CAST(?4 AS TEXT) = '' THEN note ELSE ?4 END \
             WHERE key = ?1 AND (resolved IS NULL OR resolved_by = 'palisade')",
            &[key.to_string().as_str().into(), now.micros().into(), by.into(), note.into()],
        )?;
        self.incident(key)
    }
}

// === impl Kept ===

impl Kept {
    pub(super) fn of(row: &Row) -> Option<Kept> {
        let by = |at: usize| Some((time(row, at)?, row.text(at + 1)));
        let (acknowledged, resolved) = (by(8), by(10));
        let state = match (&acknowledged, &resolved) {
            (_, Some(_)) => State::Resolved,
            (Some(_), None) => State::Acknowledged,
            (None, None) => State::Open,
        };
        Some(Kept {
            key: IncidentKey::from_text(&row.text(0))?,
            rule: row.text(1),
            priority: priority_of(row.number(2))?,
            state,
            first_seen: time(row, 3)?,
            last_seen: time(row, 4)?,
            count: row.count(5),
            body: row.text(6),
            opened: time(row, 7)?,
            acknowledged,
            resolved,
            note: row.text(12),
            simulated: row.number(13) != 0,
        })
    }

    /// Until when somebody should have looked.
    #[must_use]
    pub fn due(&self) -> EventTime {
        EventTime::from_micros(self.first_seen.micros().saturating_add(self.priority.due_seconds() * 1_000_000))
    }
}

fn time(row: &Row, at: usize) -> Option<EventTime> {
    row.number_if_any(at).map(|micros| EventTime::from_micros(u64::try_from(micros).unwrap_or_default()))
}

/// What [`urgency`] says, backwards.
pub(super) fn priority_of(urgency_number: i64) -> Option<Priority> {
    Priority::ALL.into_iter().find(|known| urgency(*known) == urgency_number)
}

/// 1 for P1, 3 for P3.
pub(super) fn urgency(priority: Priority) -> i64 {
    match priority {
        Priority::P1 => 1,
        Priority::P2 => 2,
        Priority::P3 => 3,
    }
}
