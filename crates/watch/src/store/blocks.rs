//! Who is shut out, by hand or by an incident. Whoever serves with this store takes it up.

use palisade_event::EventTime;
use palisade_guard::{MAX_BLOCKS, Net};

use super::Store;
use super::engine::Row;
use super::fault::StoreFault;

/// A network that is shut out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// Who.
    pub net: Net,
    /// Until then.
    pub until: EventTime,
    /// Since then.
    pub since: EventTime,
    /// By whom: a name, or `palisade` for an incident.
    pub by: String,
    /// Why: a rule, or what somebody wrote.
    pub why: String,
    /// The incident, if it was one.
    pub incident: Option<String>,
}

impl Store {
    /// Who is shut out now.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn blocks(&mut self, now: EventTime) -> Result<Vec<Blocked>, StoreFault> {
        let sql = "SELECT net, until, since, by_whom, why, incident FROM block WHERE until > ?1 ORDER BY net";
        Ok(self.engine.query(sql, &[now.micros().into()])?.iter().filter_map(blocked).collect())
    }

    /// Shuts a network out, in place of what was said of it before. Says whether there was room: [`MAX_BLOCKS`] at a time.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn block(&mut self, block: &Blocked) -> Result<bool, StoreFault> {
        let Blocked { net, until, since, by, why, incident } = block;
        let net = net.to_string();
        self.engine.transaction(|engine| {
            engine.execute("DELETE FROM block WHERE until <= ?1", &[since.micros().into()])?;
            let others = engine.number("SELECT count(*) FROM block WHERE net <> ?1", &[net.as_str().into()])?;
            if usize::try_from(others).unwrap_or_default() >= MAX_BLOCKS {
                return Ok(false);
            }
            engine.execute(
                "INSERT INTO block (net, until, since, by_whom, why, incident) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
                 ON CONFLICT (net) DO UPDATE SET until = excluded.until, since = excluded.since, \
                 by_whom = excluded.by_whom, why = excluded.why, incident = excluded.incident",
                &[
                    net.as_str().into(),
                    until.micros().into(),
                    since.micros().into(),
                    by.as_str().into(),
                    why.as_str().into(),
                    incident.as_deref().into(),
                ],
            )?;
            Ok(true)
        })
    }

    /// Lets a network in again. Whether it was shut out.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn unblock(&mut self, net: Net) -> Result<bool, StoreFault> {
        let gone = self.engine.execute("DELETE FROM block WHERE net = ?1", &[net.to_string().as_str().into()])?;
        Ok(gone > 0)
    }
}

/// What no gate could have written is left out.
fn blocked(row: &Row) -> Option<Blocked> {
    let time = |at| EventTime::from_micros(row.count(at));
    let incident = Some(row.text(5)).filter(|key| !key.is_empty());
    let net = row.text(0).parse().ok()?;
    Some(Blocked { net, until: time(1), since: time(2), by: row.text(3), why: row.text(4), incident })
}
