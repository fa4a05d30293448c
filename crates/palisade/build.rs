//! What `palisade --version --verbose` says of its making: compiler, target, and the commit where it is known.

#![allow(clippy::print_stdout, reason = "that is how a build script speaks to cargo")]

use std::process::Command;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=PALISADE_COMMIT");
    let told = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let compiler = told("RUSTC").and_then(|rustc| Command::new(rustc).arg("--version").output().ok());
    let compiler = compiler.and_then(|output| String::from_utf8(output.stdout).ok());
    let known = [
        ("PALISADE_BUILT_COMMIT", told("PALISADE_COMMIT").or_else(packaged)),
        ("PALISADE_BUILT_TARGET", told("TARGET")),
        ("PALISADE_BUILT_PROFILE", told("PROFILE")),
        ("PALISADE_BUILT_RUSTC", compiler),
    ];
    for (name, value) in known {
        println!("cargo::rustc-env={name}={}", value.as_deref().map_or("unknown", str::trim));
    }
}

/// The commit that `cargo package` notes beside the sources. A checkout is not asked: it may have been changed since its
/// commit, and every commit would build the program anew.
fn packaged() -> Option<String> {
    let note = fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let commit = note.split("\"sha1\": \"").nth(1)?.split('"').next()?;
    Some(commit.to_owned())
}
