//! The sentences that every channel says alike. Nothing in here is a stranger's: titles and rules come from files of rules.

use palisade_event::{EventTime, Priority, rfc3339};

use super::notice::{Brief, Line, Notice, NoticeKind};

/// What happened, in a line.
pub(super) fn headline(notice: &Notice) -> String {
    let Notice { kind, app, priority, lines, .. } = notice;
    let priority = priority.id();
    let one = lines.first().map(|line| line.title.as_str()).unwrap_or_default();
    let sum = |read: fn(&Line) -> u64| lines.iter().map(read).sum::<u64>();
    let text = match kind {
        NoticeKind::Opened => match sum(|line| line.opened + line.raised) {
            0 | 1 => format!("{priority} {one}"),
            many => format!("{priority} {one} ({many} incidents)"),
        },
        NoticeKind::Repeated => format!("{priority} still open: {one} ({})", incidents(sum(|line| line.open))),
        NoticeKind::Acknowledged => format!("{priority} acknowledged: {one}"),
        NoticeKind::Resolved => format!("Over: {one}"),
        NoticeKind::Digest => {
            let many = sum(|line| line.opened + line.raised);
            format!("{priority} {} of {} in short", incidents(many), rules(lines.len()))
        }
        NoticeKind::Quiet => "P1 No event comes any more".to_owned(),
        NoticeKind::Heard => "Events come again".to_owned(),
        NoticeKind::Test => "A test of this channel".to_owned(),
    };
    format!("[{app}] {text}")
}

/// What is to be known beside the headline.
pub(super) fn summary(notice: &Notice) -> Vec<String> {
    let mut said = Vec::new();
    match notice.kind {
        NoticeKind::Quiet => said.push(
            "Nothing has come from the gate or the logs for the time that [notify] quiet names: nobody visits, or \
             nobody is heard. Look whether the gate runs and its events reach the detector."
                .to_owned(),
        ),
        NoticeKind::Heard => said.push("The watch goes on.".to_owned()),
        NoticeKind::Test => said.push("Somebody ran `palisade alert test`. Nothing has happened.".to_owned()),
        _ => said.extend(notice.lines.iter().map(|line| counts(line, notice.kind))),
    }
    if notice.inhibited > 0 {
        let (count, verb) = (notice.inhibited, if notice.inhibited == 1 { "is" } else { "are" });
        said.push(format!("{count} less urgent of the same family {verb} left out."));
    }
    if let Some(due) = due(notice) {
        said.push(due);
    }
    said
}

/// What a rule's incidents came to.
pub(super) fn counts(line: &Line, kind: NoticeKind) -> String {
    let Line { rule, title, opened, raised, ended, open, urgent: _ } = line;
    let mut parts = Vec::new();
    if *opened > 0 {
        parts.push(format!("{opened} opened"));
    }
    if *raised > 0 {
        parts.push(format!("{raised} more urgent than before"));
    }
    if *ended > 0 {
        parts.push(format!("{ended} over"));
    }
    if kind != NoticeKind::Resolved {
        parts.push(format!("{open} open now"));
    }
    let name = if kind == NoticeKind::Digest { format!("{rule} ({title})") } else { rule.clone() };
    format!("{name}: {}.", parts.join(", "))
}

/// Until when somebody should have looked.
pub(super) fn due(notice: &Notice) -> Option<String> {
    if !matches!(notice.kind, NoticeKind::Opened | NoticeKind::Repeated | NoticeKind::Digest) {
        return None;
    }
    let first = notice.briefs.iter().map(|brief| brief.due).min()?;
    Some(match notice.priority {
        Priority::P1 => "Look now.".to_owned(),
        Priority::P2 | Priority::P3 => format!("Look until {}.", moment(first)),
    })
}

/// The facts of an incident that no stranger wrote.
pub(super) fn facts(brief: &Brief) -> String {
    let Brief { key, priority, state, count, first_seen, last_seen, .. } = brief;
    let key = key.get(..8).unwrap_or_default();
    let (first, last) = (moment(*first_seen), moment(*last_seen));
    format!("{} {key} {state}: {count} events from {first} to {last}", priority.id())
}

/// To the second, in UTC.
pub(super) fn moment(time: EventTime) -> String {
    let mut text = Vec::new();
    rfc3339(time.micros(), &mut text);
    let text = String::from_utf8(text).unwrap_or_default();
    format!("{} UTC", text.get(..19).unwrap_or_default().replace('T', " "))
}

/// How to see more.
pub(super) fn how(brief: &Brief) -> String {
    format!("palisade incidents show {}", brief.key.get(..12).unwrap_or_default())
}

/// Where to see more, by the link of the policy. The key is ours.
pub(super) fn link(notice: &Notice) -> Option<String> {
    let base = notice.link.as_deref()?;
    Some(match notice.briefs.as_slice() {
        [only] => format!("{base}/incidents/{}", only.key),
        _ => format!("{base}/incidents"),
    })
}

fn incidents(count: u64) -> String {
    if count == 1 { "1 incident".to_owned() } else { format!("{count} incidents") }
}

fn rules(count: usize) -> String {
    if count == 1 { "1 rule".to_owned() } else { format!("{count} rules") }
}
