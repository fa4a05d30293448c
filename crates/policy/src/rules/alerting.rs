//! What channels and answers must satisfy.

use std::collections::BTreeSet;
use std::time::Duration;

use palisade_event::BLOCK_LASTS;

use crate::builder::PolicyBuilder;
use crate::place::{Place, Problems};
use crate::wording::shortened;

/// More than anybody reads, and each is a thread.
const MAX_CHANNELS: usize = 16;
const MAX_SILENCES: usize = 200;
/// Less would be asked of nobody's patience.
const LEAST_REPEAT: Duration = Duration::from_secs(60);

pub(super) fn alerting(policy: &PolicyBuilder, problems: &mut Problems) {
    let alerting = &policy.alerting;
    let place = |index, key| Place { table: "channel", index, key };
    if alerting.channels.len() > MAX_CHANNELS {
        let what = format!("{} channels are more than {MAX_CHANNELS}", alerting.channels.len());
        problems.error(place(MAX_CHANNELS, ""), "channels-too-many", what, "join those that the same people read");
    }
    let mut names = BTreeSet::new();
    for (index, channel) in alerting.channels.iter().enumerate() {
        if !names.insert(&channel.name) {
            let what = format!("two channels are named `{}`", shortened(&channel.name));
            problems.error(place(index, "name"), "channel-duplicate", what, "give one another name");
        }
        if channel.name.len() > 60 {
            problems.error(place(index, "name"), "name-malformed", "the channel's name is too long", "shorten it");
        }
    }
    if alerting.silences.len() > MAX_SILENCES {
        let place = Place { table: "silence", index: MAX_SILENCES, key: "" };
        let fix = "remove those that are over";
        problems.error(place, "silences-too-many", format!("more than {MAX_SILENCES} silences"), fix);
    }
    if alerting.notify.repeat < LEAST_REPEAT {
        let what = "open incidents would be told more often than each minute";
        problems.error(Place::key("notify", "repeat"), "repeat-range", what, "write a time like \"4h\"");
    }
    if let Some(block) = alerting.respond.as_ref().and_then(|respond| respond.block)
        && !BLOCK_LASTS.contains(&block)
    {
        let what = "a block lasts from ten seconds to a day";
        problems.error(Place::key("respond", "block"), "block-range", what, "write a time like \"10m\"");
    }
}
