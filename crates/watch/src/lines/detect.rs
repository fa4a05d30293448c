use super::{Enrich, Format, Reader};

/// Lines that are looked at.
const MAX_LINES: usize = 64;

/// The format of a log by its first lines: the one that reads most of them, and at least half. Of formats that read
/// the same lines, the one that says more about them.
#[must_use]
pub fn detect<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Option<Format> {
    let lines: Vec<_> = lines.into_iter().filter(|line| !line.trim_ascii().is_empty()).take(MAX_LINES).collect();
    // Strict ones first: any JSON with a time is an application's.
    let formats = [
        Format::Caddy,
        Format::Traefik,
        Format::Vercel,
        Format::Clerk,
        Format::Palisade,
        Format::Application,
        Format::Combined,
        Format::Alb,
    ];
    let mut best = None;
    for format in formats {
        let read = lines.iter().filter(|line| reads(&format, line)).count();
        if read * 2 >= lines.len().max(1) && best.as_ref().is_none_or(|(_, most)| read > *most) {
            best = Some((format, read));
        }
    }
    best.map(|(format, _)| format)
}

fn reads(format: &Format, line: &[u8]) -> bool {
    let mut fits = false;
    Reader::new(format.clone(), Enrich::default()).read(line, |read| {
        fits |= read.is_ok_and(|seen| match format {
            Format::Palisade => seen.decision.is_some() || seen.notice.is_some(),
            Format::Application => seen.decision.is_none(),
            _ => true,
        });
    });
    fits
}
