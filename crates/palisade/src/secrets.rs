//! `secrets`: making them (32 random bytes, base64url), rotating them, and how old they are.

mod file;
pub(crate) mod scan;
mod status;

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use palisade_backend::SystemEntropy;
use palisade_check::date;
use palisade_guard::Entropy as _;
use palisade_policy::is_placeholder;

use crate::args::SecretsCommand;
use crate::output::{self, Exit, Format};
use file::EnvFile;

const HOUR: u64 = 3600;

/// The longest time for which an old secret is still taken.
const MAX_GRACE: u64 = 90 * 24 * HOUR;

pub(crate) fn run(command: &SecretsCommand, format: Format) -> anyhow::Result<Exit> {
    match command {
        SecretsCommand::New { names, write: None } => new(names),
        SecretsCommand::New { names, write: Some(path) } => add(names, path),
        SecretsCommand::Rotate { name, file, grace } => rotate(name, file, grace),
        SecretsCommand::Scan(wanted) => scan::run(wanted, format),
        SecretsCommand::Status { root } => status::run(root, format),
    }
}

fn new(names: &[String]) -> anyhow::Result<Exit> {
    are_variables(names)?;
    if names.is_empty() {
        output::result(&secret());
    }
    for name in names {
        output::result(&format!("{name}={}", secret()));
    }
    Ok(Exit::Fine)
}

/// Adds secrets to an env file. Their values are shown nowhere.
fn add(names: &[String], path: &Path) -> anyhow::Result<Exit> {
    are_variables(names)?;
    let mut file = EnvFile::read_or_new(path)?;
    for name in names {
        match file.value(name) {
            Some(value) if !value.is_empty() && !is_placeholder(&value) => {
                output::note(&format!(
                    "{name} is set in {} and stays: `palisade secrets rotate {name}` replaces it",
                    path.display()
                ));
            }
            _ => {
                file.set(name, &secret())?;
                output::note(&format!("{name} is written to {}", path.display()));
            }
        }
    }
    file.write(path)?;
    remember(path);
    Ok(Exit::Fine)
}

/// Replaces a secret and keeps the old one for a while.
fn rotate(name: &str, path: &Path, grace: &str) -> anyhow::Result<Exit> {
    are_variables(&[name.to_owned()])?;
    let Some(seconds) = seconds(grace) else {
        output::problem(&format!("`{grace}` is no time from 1h to 90d"));
        return Ok(Exit::Usage);
    };
    let mut file = EnvFile::read(path)?;
    let old = file.raw(name).with_context(|| format!("{name} is not set in {}", path.display()))?.to_owned();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let until = rfc3339(now + seconds);
    file.set(name, &secret())?;
    file.set_raw(&format!("{name}_PREVIOUS"), &old)?;
    file.set(&format!("{name}_PREVIOUS_UNTIL"), &until)?;
    file.write(path)?;
    remember(path);
    output::note(&format!("{name} is new in {}; the old one stays valid until {until}", path.display()));
    output::note(&format!(
        "Set all three where the app runs: {name}, {name}_PREVIOUS, {name}_PREVIOUS_UNTIL; remove the last two after that day"
    ));
    Ok(Exit::Fine)
}

/// Writes down since when the secrets of the file are in use. That is worth having, and no reason to fail.
fn remember(path: &Path) {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let environment = match name.split('.').nth(2) {
        Some("production") => "production",
        Some("staging" | "preview") => "staging",
        _ => "development",
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match crate::env::record(folder, environment) {
        Ok(true) => output::note("Its age is kept in palisade.fingerprints.json; commit it"),
        Ok(false) => output::note("Its age is not kept: there is no folder for a key (set PALISADE_FINGERPRINT_KEY)"),
        Err(error) => output::note(&format!("Its age is not kept: {error:#}")),
    }
}

pub(crate) fn secret() -> String {
    let mut bytes = [0; 32];
    SystemEntropy.fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

fn are_variables(names: &[String]) -> anyhow::Result<()> {
    let is_variable = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
    };
    if let Some(name) = names.iter().find(|name| !is_variable(name)) {
        bail!("{name} is not a variable's name: capitals, digits and _ alone");
    }
    Ok(())
}

/// `36h`, `7d`: from an hour to ninety days.
fn seconds(text: &str) -> Option<u64> {
    let (number, unit) = match text.strip_suffix('d') {
        Some(number) => (number, 24 * HOUR),
        None => (text.strip_suffix('h')?, HOUR),
    };
    let seconds = number.parse::<u64>().ok()?.checked_mul(unit)?;
    (HOUR..=MAX_GRACE).contains(&seconds).then_some(seconds)
}

fn rfc3339(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let day = date::written(i64::try_from(days).unwrap_or_default());
    format!("{day}T{:02}:{:02}:{:02}Z", rest / HOUR, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grace_has_bounds() {
        for (text, expect) in
            [("7d", Some(604_800)), ("36h", Some(129_600)), ("0d", None), ("91d", None), ("7", None), ("-1d", None)]
        {
            assert_eq!(seconds(text), expect, "{text}");
        }
        assert_eq!(rfc3339(1_801_353_600 + 3661), "2027-01-31T01:01:01Z");
    }
}
