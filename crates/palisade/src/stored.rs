//! What commands over the store have in common.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use palisade_event::{EventTime, rfc3339};
use palisade_watch::store::{Place, Store};

use crate::args::StoreArgs;

/// Opens the store to read it. A file that is not there is not made: nothing would be found in it.
pub(crate) fn open(args: &StoreArgs) -> anyhow::Result<Store> {
    let place = args.place();
    if let Place::File { path, .. } = &place
        && !path.exists()
    {
        bail!("there is no store at {place}: `palisade serve` and `palisade watch` make one; --store says where it is");
    }
    Store::open(&place).with_context(|| format!("the store at {place} cannot be used"))
}

/// Whether a file could be where it is said to be: its folder is there. A server is not called.
pub(crate) fn has_room(place: &Place) -> anyhow::Result<()> {
    let Place::File { path, .. } = place else { return Ok(()) };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder.filter(|folder| !folder.is_dir()) {
        Some(folder) => bail!("the store cannot be at {place}: there is no folder {}; make it first", folder.display()),
        None if path.is_dir() => bail!("the store cannot be at {place}: it is a folder; name a file in it"),
        None => Ok(()),
    }
}

pub(crate) fn now() -> EventTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    EventTime::from_micros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

/// `30m`, `24h`, `7d` before now, or a moment by RFC 3339.
pub(crate) fn moment(text: &str, now: EventTime) -> anyhow::Result<EventTime> {
    if let Some(time) = EventTime::from_rfc3339(text) {
        return Ok(time);
    }
    let unit = text.chars().next_back().and_then(|unit| match unit {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3600),
        'd' => Some(86_400),
        'w' => Some(7 * 86_400),
        _ => None,
    });
    let number = text.get(..text.len().saturating_sub(1)).and_then(|number| number.parse::<u64>().ok());
    match unit.zip(number).and_then(|(unit, number)| number.checked_mul(unit)) {
        Some(seconds) => {
            let before = u64::try_from(Duration::from_secs(seconds).as_micros()).unwrap_or(u64::MAX);
            Ok(EventTime::from_micros(now.micros().saturating_sub(before)))
        }
        None => bail!("{text:?} is no time: write 30m, 24h, 7d, or 2026-11-22T07:00:00Z"),
    }
}

/// To the microsecond, for machines.
pub(crate) fn exact(time: EventTime) -> String {
    let mut text = Vec::new();
    rfc3339(time.micros(), &mut text);
    String::from_utf8(text).unwrap_or_default()
}

/// To the second, for people; in UTC.
pub(crate) fn plain(time: EventTime) -> String {
    exact(time).get(..19).unwrap_or_default().replace('T', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let now = EventTime::from_micros(1_795_330_800_000_000);
        let before = |seconds: u64| EventTime::from_micros(now.micros() - seconds * 1_000_000);
        for (text, expect) in [("30m", 1800), ("24h", 86_400), ("7d", 604_800), ("2w", 1_209_600), ("0s", 0)] {
            assert_eq!(moment(text, now).expect(text), before(expect), "{text}");
        }
        assert_eq!(moment("2026-11-22T06:00:00Z", now).expect("a moment"), before(3600));
        for bad in ["", "d", "7", "7y", "-1d", "1.5h", "99999999999999999999d", "é"] {
            assert!(moment(bad, now).is_err(), "{bad}");
        }
        assert_eq!(plain(now), "2026-11-22 07:00:00");
    }
}
