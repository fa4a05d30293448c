//! A folder of its own for a test, gone at the end, and the program in it.

#![allow(dead_code, reason = "each test file uses a part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// A folder of its own, gone at the end.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    /// An empty one. Names are unique among the tests of one file.
    pub(crate) fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("palisade-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("folder");
        Folder(path)
    }

    /// One with files in it.
    pub(crate) fn with(name: &str, files: &[(&str, &str)]) -> Folder {
        let folder = Folder::new(name);
        for (file, text) in files {
            folder.file(file, text);
        }
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
        fs::write(&path, text).expect("file");
        path
    }

    pub(crate) fn read(&self, file: &str) -> String {
        fs::read_to_string(self.0.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    /// The program here, with nothing of this process's environment but where programs are.
    pub(crate) fn palisade(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_palisade"));
        command.current_dir(&self.0).args(args).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.0.join("home"));
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.palisade(args).output().expect("palisade runs")
    }

    /// Its exit code, and the JSON it writes.
    pub(crate) fn json(&self, args: &[&str]) -> (Option<i32>, Value) {
        let output = self.run(args);
        let answer = serde_json::from_slice(&output.stdout);
        (output.status.code(), answer.unwrap_or_else(|_| panic!("no JSON: {}", text(&output.stderr))))
    }

    /// Runs git here, with nobody's own configuration.
    pub(crate) fn git(&self, args: &[&str]) {
        let own = ["user.name=a", "user.email=a@example.com", "commit.gpgsign=false", "init.defaultBranch=main"];
        let mut command = Command::new("git");
        command.args(own.iter().flat_map(|setting| ["-c", setting])).args(args).current_dir(&self.0);
        let output = command.env("GIT_CONFIG_GLOBAL", "/dev/null").output().expect("git runs");
        assert!(output.status.success(), "git {args:?}: {}", text(&output.stderr));
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a program wrote, whatever it is.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
