//! Where tools of others are run (SECURITY 22): in an empty folder of this run, with a copy of the lock file, without any
//! configuration of the repository or the user, with nothing of the environment but PATH, for so long and so much.
//!
//! A tool is looked for on PATH outside the project: `node_modules/.bin` there is the project's word, not the user's. What
//! the tool starts itself is ended with it only where it ends by itself.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use palisade_check::Unknown;

use crate::root::{Root, read_regular};

/// How long a tool may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a tool may write, in bytes.
const MAX_OUTPUT: u64 = 64 << 20;

/// A tool of the user's, found on PATH outside the project.
pub(super) struct Tool {
    name: &'static str,
    program: PathBuf,
    /// The places of PATH that are not the project's.
    path: OsString,
}

/// What a tool wrote, and what it ended with; no number where a signal ended it.
pub(super) struct Ended {
    pub(super) output: Vec<u8>,
    pub(super) code: Option<i32>,
}

/// A folder of this run, gone at its end: `work`, where the tool is started, and `home`, which it takes for the user's.
pub(super) struct Room {
    path: PathBuf,
}

// === impl Tool ===

impl Tool {
    /// The first of that name on PATH. Relative places and those in the project are passed over, and so are links into it.
    pub(super) fn find(name: &'static str, root: &Root, path: &OsStr) -> Option<Tool> {
        let strange = |place: &Path| place.canonicalize().is_ok_and(|real| !real.starts_with(root.path()));
        let places: Vec<PathBuf> =
            env::split_paths(path).filter(|place| place.is_absolute() && strange(place)).collect();
        let file = format!("{name}{}", env::consts::EXE_SUFFIX);
        let program = places.iter().map(|place| place.join(&file)).find(|file| is_program(file) && strange(file))?;
        Some(Tool { name, program, path: env::join_paths(places).ok()? })
    }
}

// === impl Room ===

impl Room {
    pub(super) fn new() -> Result<Room, Unknown> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("palisade-room-{}-{number}", std::process::id()));
        // Fails where somebody else has put something there.
        let made = private(&path)
            .and_then(|()| fs::create_dir(path.join("work")))
            .and_then(|()| fs::create_dir(path.join("home")));
        made.map_err(|_| Unknown::new("no temporary folder can be made", "set TMPDIR to one that can be written"))?;
        Ok(Room { path })
    }

    /// A path in the room, outside the folder where the tool is started.
    pub(super) fn place(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Puts a file where the tool is started.
    pub(super) fn put(&self, name: &str, bytes: &[u8]) -> Result<(), Unknown> {
        fs::write(self.path.join("work").join(name), bytes)
            .map_err(|_| Unknown::new("the copy of the lock file cannot be written", "make room in TMPDIR"))
    }

    /// Runs a tool to its end.
    pub(super) fn run(&self, tool: &Tool, arguments: &[OsString]) -> Result<Ended, Unknown> {
        let name = tool.name;
        let out = self.place("out");
        let file = File::create(&out)
            .map_err(|_| Unknown::new(format!("{name}'s answer cannot be kept"), "make room in TMPDIR"))?;
        let child = Command::new(&tool.program)
            .args(arguments)
            .env_clear()
            .env("PATH", &tool.path)
            .env("HOME", self.place("home"))
            .current_dir(self.place("work"))
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(Stdio::null())
            .spawn();
        let mut child = child
            .map_err(|_| Unknown::new(format!("{name} does not start"), "install it anew, or name --osv FOLDER"))?;
        let ended = wait(name, &mut child, &out)?;
        let output = read_regular(&out, MAX_OUTPUT)
            .map_err(|why| Unknown::new(format!("{name}'s answer: {why}"), "try again"))?;
        Ok(Ended { output, code: ended.code() })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn wait(name: &str, child: &mut Child, out: &Path) -> Result<ExitStatus, Unknown> {
    let started = Instant::now();
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Ok(status);
        }
        let long = started.elapsed() > PATIENCE;
        if long || fs::metadata(out).is_ok_and(|meta| meta.len() > MAX_OUTPUT) {
            let _ = child.kill();
            let _ = child.wait();
            let why = if long { "gave no answer within two minutes" } else { "wrote more than 64 MiB" };
            return Err(Unknown::new(format!("{name} {why}"), "try again, or name --osv FOLDER"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A folder that nobody else can look into.
fn private(path: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn is_program(path: &Path) -> bool {
    let Ok(meta) = fs::metadata(path) else { return false };
    #[cfg(unix)]
    let may_run = std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o111 != 0;
    #[cfg(not(unix))]
    let may_run = true;
    meta.is_file() && may_run
}
