//! An env file that is changed line by line, so that everything else in it stays as it was.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use palisade_probe::env::assignments;
use palisade_probe::write_regular;

/// The largest env file that is changed, in bytes.
const MAX_FILE: u64 = 1 << 20;

pub(super) struct EnvFile {
    lines: Vec<String>,
}

impl EnvFile {
    pub(super) fn read(path: &Path) -> anyhow::Result<EnvFile> {
        let meta = fs::symlink_metadata(path).with_context(|| format!("{} cannot be opened", path.display()))?;
        if !meta.is_file() || meta.len() > MAX_FILE {
            bail!("{} is not a regular file of at most {} MiB", path.display(), MAX_FILE >> 20);
        }
        let text = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
        Ok(EnvFile { lines: text.lines().map(str::to_owned).collect() })
    }

    pub(super) fn read_or_new(path: &Path) -> anyhow::Result<EnvFile> {
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(EnvFile { lines: Vec::new() }),
            _ => EnvFile::read(path),
        }
    }

    /// The value of a variable; the last line that sets it holds.
    pub(super) fn value(&self, name: &str) -> Option<String> {
        assignments(&self.lines.join("\n")).into_iter().rev().find(|it| it.name == name).map(|it| it.value)
    }

    /// What stands after the `=`, as it is written.
    pub(super) fn raw(&self, name: &str) -> Option<&str> {
        let line = self.lines.get(*self.places(name).last()?)?;
        Some(line.split_once('=')?.1.trim())
    }

    /// Sets a variable on its own line, or on a new one at the end.
    pub(super) fn set(&mut self, name: &str, value: &str) -> anyhow::Result<()> {
        self.set_raw(name, value)
    }

    /// As [`EnvFile::set`], with quotes and comments as they are given.
    pub(super) fn set_raw(&mut self, name: &str, raw: &str) -> anyhow::Result<()> {
        let new = format!("{name}={raw}");
        let places = self.places(name);
        if self.value(name).is_some_and(|value| value.contains('\n')) {
            bail!("{name} has a value of several lines: change it by hand");
        }
        let Some((last, before)) = places.split_last() else {
            self.lines.push(new);
            return Ok(());
        };
        if let Some(line) = self.lines.get_mut(*last) {
            *line = new;
        }
        for place in before.iter().rev() {
            self.lines.remove(*place);
        }
        Ok(())
    }

    /// Writes the file for its owner alone.
    pub(super) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let mut text = self.lines.join("\n");
        text.push('\n');
        write_regular(path, text.as_bytes(), 0o600).with_context(|| format!("{} cannot be written", path.display()))
    }

    fn places(&self, name: &str) -> Vec<usize> {
        let all = assignments(&self.lines.join("\n")).into_iter();
        let own = all.filter(|it| it.name == name);
        own.filter_map(|it| usize::try_from(it.line).ok()?.checked_sub(1)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_lines_of_the_variable_change() {
        let lines = "# keep\nA=1\nexport B='x y' # c\nA=2\n".lines().map(str::to_owned).collect();
        let mut file = EnvFile { lines };
        assert_eq!(file.raw("B"), Some("'x y' # c"));
        file.set("A", "3").expect("set");
        file.set("C", "4").expect("set");
        assert_eq!(file.lines, ["# keep", "export B='x y' # c", "A=3", "C=4"]);
        assert_eq!(file.value("B").as_deref(), Some("x y"));
    }
}
