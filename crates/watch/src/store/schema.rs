//! The tables, and how an older store becomes a newer one.

use super::engine::Engine;
use super::fault::{StoreFault, Trouble};

/// Each brings a store from one version to the next. Never change one that was released; add another.
///
/// Times are microseconds since the epoch. BLOB is called BYTEA where the database is PostgreSQL.
const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE event (
    minute BIGINT NOT NULL,
    hash BIGINT NOT NULL,
    lane BIGINT NOT NULL,
    status BIGINT NOT NULL,
    code TEXT NOT NULL,
    decision TEXT NOT NULL,
    kind TEXT NOT NULL,
    route TEXT NOT NULL,
    client TEXT NOT NULL,
    account TEXT NOT NULL,
    what TEXT NOT NULL,
    country TEXT NOT NULL,
    count BIGINT NOT NULL,
    first BIGINT NOT NULL,
    last BIGINT NOT NULL,
    line TEXT NOT NULL,
    PRIMARY KEY (minute, hash)
);
CREATE INDEX event_status ON event (status, minute);
CREATE TABLE incident (
    key TEXT PRIMARY KEY,
    rule TEXT NOT NULL,
    scope TEXT NOT NULL,
    priority BIGINT NOT NULL,
    first BIGINT NOT NULL,
    last BIGINT NOT NULL,
    count BIGINT NOT NULL,
    body TEXT NOT NULL,
    opened BIGINT NOT NULL,
    changed BIGINT NOT NULL,
    acknowledged BIGINT,
    acknowledged_by TEXT,
    resolved BIGINT,
    resolved_by TEXT,
    note TEXT NOT NULL
);
CREATE INDEX incident_last ON incident (last);
CREATE TABLE mark (
    name TEXT PRIMARY KEY,
    body BLOB NOT NULL
);
",
    "
CREATE INDEX event_counts ON event (minute, status, code, kind, route, client, what, country, count);
CREATE INDEX incident_rule ON incident (rule, last);
CREATE TABLE session (
    day BIGINT NOT NULL,
    id BIGINT NOT NULL,
    PRIMARY KEY (day, id)
);
",
    "
ALTER TABLE incident ADD COLUMN told BIGINT NOT NULL DEFAULT 0;
UPDATE incident SET told = priority * 4 + CASE WHEN resolved IS NOT NULL THEN 3 WHEN acknowledged IS NOT NULL THEN 2 ELSE 1 END;
CREATE INDEX incident_untold ON incident (priority, changed) WHERE told >= 0 AND told <> priority * 4 + CASE WHEN resolved IS NOT NULL THEN 3 WHEN acknowledged IS NOT NULL THEN 2 ELSE 1 END;
CREATE INDEX incident_held ON incident (told) WHERE told < 0;
CREATE TABLE outbox (
    id TEXT PRIMARY KEY,
    channel TEXT NOT NULL,
    thread TEXT NOT NULL,
    priority BIGINT NOT NULL,
    body TEXT NOT NULL,
    created BIGINT NOT NULL,
    due BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    unclear BIGINT NOT NULL,
    begun BIGINT,
    state BIGINT NOT NULL,
    ended BIGINT,
    why TEXT NOT NULL
);
CREATE INDEX outbox_waiting ON outbox (channel, due) WHERE state = 0;
CREATE TABLE block (
    net TEXT PRIMARY KEY,
    until BIGINT NOT NULL,
    since BIGINT NOT NULL,
    by_whom TEXT NOT NULL,
    why TEXT NOT NULL,
    incident TEXT
);
",
    "
ALTER TABLE incident ADD COLUMN simulated BIGINT NOT NULL DEFAULT 0;
CREATE INDEX event_client ON event (client, minute) WHERE client <> '';
",
    "
CREATE TABLE event_hour (
    hour BIGINT NOT NULL,
    status BIGINT NOT NULL,
    code TEXT NOT NULL,
    kind TEXT NOT NULL,
    what TEXT NOT NULL,
    country TEXT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (hour, status, code, kind, what, country)
);
INSERT INTO event_hour SELECT minute / 60, status, code, kind, what, country, CAST(sum(count) AS BIGINT) FROM event
    GROUP BY 1, 2, 3, 4, 5, 6;
CREATE TABLE event_day (
    day BIGINT NOT NULL,
    route TEXT NOT NULL,
    status BIGINT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (day, route, status)
);
INSERT INTO event_day SELECT minute / 1440, route, status, CAST(sum(count) AS BIGINT) FROM event GROUP BY 1, 2, 3;
",
    // The plus of `+status` is in the index as it is in the question, or neither database takes this one for it.
    "
CREATE INDEX event_limited ON event (client, minute, status, count) WHERE +status = 429 AND client <> '';
CREATE INDEX event_notable ON event (minute, client, status, code, kind, what, count)
    WHERE client <> '' AND (what <> '' OR code = 'login-locked');
",
];

const VERSION: &str = "SELECT max(version) FROM palisade_version";

/// Makes the tables, or brings them up to date. Of several processes that start at once one does it; where nothing is to be
/// done, nobody waits for who writes.
pub(crate) fn migrate(engine: &mut Engine) -> Result<(), StoreFault> {
    // There is no such table in a new store.
    if engine.number(VERSION, &[]).is_ok_and(|version| usize::try_from(version) == Ok(MIGRATIONS.len())) {
        return Ok(());
    }
    engine.transaction(|engine| {
        if engine.is_postgres() {
            // Held until the end of the transaction; any number will do that no other program takes.
            engine.script("SELECT pg_advisory_xact_lock(8100312245670913)")?;
        }
        engine.script("CREATE TABLE IF NOT EXISTS palisade_version (version BIGINT NOT NULL)")?;
        let version = engine.number(VERSION, &[])?;
        let done = usize::try_from(version).unwrap_or(usize::MAX);
        let Some(wanting) = MIGRATIONS.get(done..) else {
            let text = format!("the store is of version {version}, and this program knows {}", MIGRATIONS.len());
            return Err(StoreFault::new(Trouble::Newer, text));
        };
        for (number, migration) in (done + 1..).zip(wanting) {
            engine.script(migration)?;
            engine.script(&format!("INSERT INTO palisade_version (version) VALUES ({number})"))?;
        }
        Ok(())
    })
}
