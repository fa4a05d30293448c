//! A policy file read once, where the app is built or started, so that the module that decides has no reader in it.

use palisade_diag::{Diagnostics, FileId, Sources as Texts};
use palisade_policy::{Draft, Policy, environment_problems, parse};

use crate::config::Around;
use crate::face::Said;
use crate::supplied::Supplied;
use crate::told::{Object, problems, tell};
use crate::wire::{self, Bad, Reader};

/// What depends on variables that a build may lack, and is judged again at the start.
const LATER: [&str; 2] = ["public-origin-missing", "origin-malformed"];

/// Reads a policy file: the message has time and random bytes, the file's name, its text, then what lies around it. Says
/// [`Said::Started`], with the draft as the answer's body, or [`Said::Problems`]. Never panics on what it is given.
pub fn compile(message: &[u8], out: &mut Vec<u8>) -> u32 {
    let said = answer(&mut Reader::new(message), out).unwrap_or_else(|Bad| tell(out, Said::Bad, Object::default()));
    said as u32
}

fn answer(m: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<Said, Bad> {
    let supplied = Supplied::read(m)?;
    let (name, text) = (m.text()?, m.text()?);
    let around = Around::read(m, supplied.now().wall.seconds())?;
    let texts = Texts::new().with(FileId(0), name, text);
    let (draft, _) = parse(FileId(0), text);
    match examine(&draft, &around) {
        Ok(bytes) => {
            wire::answer(out, b"null", &[], &bytes);
            Ok(Said::Started)
        }
        Err(found) => Ok(problems(out, &found, &texts)),
    }
}

/// The draft as bytes, if a policy can be built of it.
fn examine(draft: &Draft, around: &Around) -> Result<Vec<u8>, Diagnostics> {
    let Err(mut found) = draft.clone().build(&around.sources(draft)?) else { return draft.to_bytes() };
    let later = |code: &str| LATER.contains(&code);
    if found.iter().all(|one| later(one.code) || one.severity == palisade_diag::Severity::Warning) {
        return draft.to_bytes();
    }
    // Everything that is wrong is told at once.
    found.append(environment_problems(&Policy::deny_all(), &around.variables, around.seconds));
    Err(found)
}
