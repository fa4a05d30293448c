//! The container image: the gate under chroot, with exactly the files that the Dockerfile copies.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods, reason = "a test")]

#[path = "support/app.rs"]
mod app;
#[path = "support/http.rs"]
mod http;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use app::{App, Folder, HOST, SECRETS};
use http::{Running, send};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository")
}

/// The words after an instruction of the Dockerfile.
fn instruction(dockerfile: &str, name: &str) -> Vec<String> {
    let lines = dockerfile.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    lines.map(str::to_owned).collect()
}

/// A JSON list of the Dockerfile as words.
fn words(lines: &[String]) -> Vec<String> {
    serde_json::from_str(lines.first().expect("the instruction")).expect("a list")
}

/// Runs a program under another root: as root, or as whoever is root in a namespace of its own.
fn chroot(root: &Path) -> Command {
    let is_root = fs::metadata("/proc/self").is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0);
    let mut command = Command::new(if is_root { "chroot" } else { "unshare" });
    if !is_root {
        command.args(["--user", "--map-root-user", "chroot"]);
    }
    command.arg(root);
    command
}

#[test]
fn the_images_files_are_enough_to_serve() {
    let dockerfile = fs::read_to_string(repository().join("Dockerfile")).expect("Dockerfile");
    assert_eq!(instruction(&dockerfile, "FROM"), ["scratch"], "nobody's base image");
    assert_eq!(instruction(&dockerfile, "COPY"), ["target/image/ /"], "the files that scripts/image-root put together");
    assert_eq!(instruction(&dockerfile, "USER"), ["65532:65532"], "not root");
    let folder = Folder::new("image");
    let root = folder.0.join("root");
    let built = Command::new(repository().join("scripts/image-root"))
        .arg(env!("CARGO_BIN_EXE_palisade"))
        .arg(&root)
        .output()
        .expect("scripts/image-root runs");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let listed = String::from_utf8_lossy(&built.stdout).into_owned();
    assert!(listed.lines().any(|line| line == "./palisade"), "{listed}");
    assert!(!listed.contains("/bin/") && listed.lines().count() < 12, "nothing but what is needed: {listed}");

    let app = App::start();
    let policy = format!(
        "[app]\nname = \"shop\"\npublic_origin = \"https://{HOST}\"\nupstream = \"http://localhost:{}\"\n\
         [[route]]\npath = \"/free\"\nkind = \"public-read\"\n",
        app.address.port()
    );
    fs::write(root.join("etc/palisade/palisade.toml"), policy).expect("policy");
    // What a container runtime puts there.
    fs::write(root.join("etc/hosts"), "127.0.0.1 localhost\n").expect("hosts");
    let program = [words(&instruction(&dockerfile, "ENTRYPOINT")), words(&instruction(&dockerfile, "CMD"))].concat();
    let mut command = chroot(&root);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").envs(SECRETS).args(&program);
    let place = instruction(&dockerfile, "WORKDIR").concat();
    command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--policy", &format!("{place}/palisade.toml")]);
    let mut gate = Running::start(&mut command);
    assert_eq!(send(gate.address, HOST, "GET", "/free", &[], "").body, "ok");
    let admin = gate.admin();
    assert_eq!(send(admin, &admin.to_string(), "GET", "/readyz", &[], "").status, 200, "it has just served");
    gate.signal("TERM");
    assert!(gate.wait().success());
}
