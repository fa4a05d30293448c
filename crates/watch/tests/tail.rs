//! A log under write load, rotated in every way, read by a process that is killed at any moment: every line counts
//! once.
#![cfg(unix)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where its ground is missing, and says why"
)]

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use palisade_event::BadLine;
use palisade_watch::tail::{Begin, Checkpoint, Losses, Tail, Wake, each_line, open};

const MAX_LINE: usize = 64 << 10;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("palisade-tail-{}-{number}-{name}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }

    fn log(&self) -> PathBuf {
        self.0.join("access.log")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a reader made of the lines: how often each number occurred.
#[derive(Default, Debug, PartialEq)]
struct Counts {
    seen: Vec<u8>,
    bad: u32,
}

impl Counts {
    fn take(&mut self, line: Result<&[u8], BadLine>) {
        let number = line
            .ok()
            .and_then(|line| std::str::from_utf8(line).ok()?.strip_prefix("line ")?.split(' ').next()?.parse().ok());
        let Some(number) = number else {
            self.bad += 1;
            return;
        };
        let number: usize = number;
        if self.seen.len() <= number {
            self.seen.resize(number + 1, 0);
        }
        self.seen[number] += 1;
    }

    fn assert_once(&self, lines: usize) {
        let wrong: Vec<_> = (0..lines).filter(|n| self.seen.get(*n) != Some(&1)).take(5).collect();
        assert_eq!((wrong, self.seen.len(), self.bad), (vec![], lines, 0));
    }
}

/// Writes numbered lines as a server does, and rotates them.
struct Server {
    log: PathBuf,
    file: File,
    next: usize,
    rotated: usize,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Rotation {
    Rename,
    CopyTruncate,
    Gzip,
    HardLink,
}

impl Server {
    fn new(folder: &Folder, rotation: Rotation) -> Server {
        let log = folder.log();
        if rotation == Rotation::HardLink {
            File::create(folder.0.join("access.log.0000")).expect("file");
            fs::hard_link(folder.0.join("access.log.0000"), &log).expect("link");
        }
        let file = OpenOptions::new().create(true).append(true).open(&log).expect("log");
        Server { log, file, next: 0, rotated: 0 }
    }

    fn write(&mut self, lines: usize) {
        for _ in 0..lines {
            let line = format!("line {} {}\n", self.next, "x".repeat(self.next % 97));
            self.next += 1;
            // In two pieces, so that half lines are seen.
            let (one, two) = line.split_at(line.len() / 2);
            self.file.write_all(one.as_bytes()).expect("write");
            self.file.write_all(two.as_bytes()).expect("write");
        }
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        PathBuf::from(format!("{}.{:04}{suffix}", self.log.display(), self.rotated))
    }

    fn rotate(&mut self, rotation: Rotation) {
        self.rotated += 1;
        let reopen = |log: &Path| OpenOptions::new().create(true).append(true).open(log).expect("log");
        match rotation {
            Rotation::Rename => {
                fs::rename(&self.log, self.beside("")).expect("rename");
                // Until it is told to open anew, a server writes on.
                self.write(7);
                self.file = reopen(&self.log);
            }
            Rotation::CopyTruncate => {
                fs::copy(&self.log, self.beside("")).expect("copy");
                self.file.set_len(0).expect("truncate");
            }
            Rotation::Gzip => {
                fs::rename(&self.log, self.beside("")).expect("rename");
                self.file = reopen(&self.log);
                let content = fs::read(self.beside("")).expect("rotated");
                let mut gzip = GzEncoder::new(File::create(self.beside(".part")).expect("gz"), Compression::fast());
                gzip.write_all(&content).expect("compress");
                gzip.finish().expect("compress").sync_all().expect("sync");
                fs::rename(self.beside(".part"), self.beside(".gz")).expect("rename");
                fs::remove_file(self.beside("")).expect("remove");
            }
            Rotation::HardLink => {
                self.file = reopen(&self.beside(""));
                let link = self.log.with_extension("new");
                fs::hard_link(self.beside(""), &link).expect("link");
                fs::rename(&link, &self.log).expect("switch");
            }
        }
    }
}

fn drain(tail: &mut Tail, counts: &mut Counts) {
    // Twice nothing: a rotation is seen after the file that it ended.
    let mut quiet = 0;
    while quiet < 2 {
        let mut came = false;
        let more = tail
            .poll(|line| {
                came = true;
                counts.take(line);
            })
            .expect("poll");
        quiet = if came || more { 0 } else { quiet + 1 };
    }
}

fn rotations() -> [Rotation; 4] {
    [Rotation::Rename, Rotation::CopyTruncate, Rotation::Gzip, Rotation::HardLink]
}

#[test]
fn no_line_is_lost_or_doubled_over_any_rotation() {
    for rotation in rotations() {
        let folder = Folder::new("rotate");
        let mut server = Server::new(&folder, rotation);
        let mut tail = Tail::open(&folder.log(), Begin::Start, MAX_LINE, None).expect("tail");
        let mut counts = Counts::default();
        for round in 0..12 {
            server.write(200 + round * 31);
            // Sometimes two rotations happen between two looks.
            if round % 3 != 2 {
                drain(&mut tail, &mut counts);
            }
            server.write(50);
            server.rotate(rotation);
            server.write(3);
        }
        server.write(100);
        drain(&mut tail, &mut counts);
        assert_eq!(tail.losses(), Losses::default(), "{rotation:?}");
        counts.assert_once(server.next);
    }
}

#[test]
fn a_reader_that_was_away_finds_what_was_rotated_meanwhile() {
    for rotation in [Rotation::Rename, Rotation::CopyTruncate, Rotation::Gzip, Rotation::HardLink] {
        let folder = Folder::new("away");
        let mut server = Server::new(&folder, rotation);
        let mut counts = Counts::default();
        server.write(500);
        let mut tail = Tail::open(&folder.log(), Begin::Start, MAX_LINE, None).expect("tail");
        drain(&mut tail, &mut counts);
        let checkpoint = tail.checkpoint().to_string();
        drop(tail);
        for _ in 0..3 {
            server.write(300);
            server.rotate(rotation);
        }
        server.write(10);
        let checkpoint = Checkpoint::from_text(&checkpoint).expect("checkpoint");
        let mut tail = Tail::open(&folder.log(), Begin::End, MAX_LINE, Some(&checkpoint)).expect("tail");
        drain(&mut tail, &mut counts);
        assert_eq!(tail.losses(), Losses::default(), "{rotation:?}");
        counts.assert_once(server.next);
    }
}

#[test]
fn what_cannot_be_found_again_is_said() {
    let folder = Folder::new("lost");
    let mut server = Server::new(&folder, Rotation::Rename);
    server.write(10);
    let mut tail = Tail::open(&folder.log(), Begin::Start, MAX_LINE, None).expect("tail");
    let mut counts = Counts::default();
    drain(&mut tail, &mut counts);
    let checkpoint = tail.checkpoint();
    server.file.set_len(0).expect("truncate");
    server.write(5);
    drain(&mut tail, &mut counts);
    assert_eq!(tail.losses(), Losses { files: 0, truncations: 1 });
    counts.assert_once(15);
    fs::remove_file(folder.log()).expect("remove");
    let tail = Tail::open(&folder.log(), Begin::End, MAX_LINE, Some(&checkpoint)).expect("tail");
    assert_eq!(tail.losses(), Losses { files: 1, truncations: 0 });
}

#[test]
fn a_log_that_is_new_begins_where_it_is_told_to() {
    let folder = Folder::new("begin");
    let mut tail = Tail::open(&folder.log(), Begin::End, MAX_LINE, None).expect("no log yet");
    let mut server = Server::new(&folder, Rotation::Rename);
    server.write(3);
    let mut counts = Counts::default();
    drain(&mut tail, &mut counts);
    counts.assert_once(3);
    // A half line at the end is read when it is whole.
    server.file.write_all(b"line 3 ha").expect("write");
    let mut late = Tail::open(&folder.log(), Begin::End, MAX_LINE, None).expect("tail");
    server.file.write_all(b"lf\n").expect("write");
    let mut lines = Vec::new();
    late.poll(|line| lines.push(line.expect("line").to_vec())).expect("poll");
    assert_eq!(lines, [b"line 3 half".to_vec()]);
}

#[test]
fn compressed_files_and_hostile_lines_are_read_whole() {
    let folder = Folder::new("gz");
    let path = folder.0.join("old.log");
    let mut gzip = GzEncoder::new(File::create(&path).expect("file"), Compression::fast());
    gzip.write_all(b"one\n").expect("write");
    gzip.write_all(&vec![b'x'; MAX_LINE + 1]).expect("write");
    gzip.write_all(b"\n\xff\x00\ntail").expect("write");
    gzip.finish().expect("finish");
    let mut lines = Vec::new();
    let bytes =
        each_line(open(&path).expect("open"), MAX_LINE, |line| lines.push(line.map(<[u8]>::to_vec))).expect("read");
    let expect = [Ok(b"one".to_vec()), Err(BadLine::TooLong), Ok(vec![0xff, 0]), Ok(b"tail".to_vec())];
    assert_eq!((lines.as_slice(), bytes), (&expect[..], 4 + MAX_LINE as u64 + 2 + 3 + 4));
}

#[test]
fn no_line_is_lost_or_doubled_over_kill_9_under_load() {
    for rotation in rotations() {
        let folder = Folder::new("kill");
        let mut server = Server::new(&folder, rotation);
        let state = folder.0.join("state");
        let mut child = spawn(&folder);
        for round in 0..14_usize {
            server.write(700);
            if round % 4 == 3 {
                server.rotate(rotation);
            }
            server.write(100 + round * 13);
            // Kills while it reads: as soon as it has committed something new.
            let before = committed(&state).map_or(0, |(counts, _)| counts.seen.len());
            wait(|| {
                committed(&state)
                    .is_some_and(|(counts, _)| counts.seen.len() > before || counts.seen.len() == server.next)
            });
            child.kill().expect("kill -9");
            child.wait().expect("reap");
            child = spawn(&folder);
        }
        wait(|| committed(&state).is_some_and(|(counts, _)| counts.seen.len() == server.next));
        child.kill().expect("kill -9");
        child.wait().expect("reap");
        let (counts, checkpoint) = committed(&state).expect("state");
        let mut counts = counts;
        let mut tail = Tail::open(&folder.log(), Begin::Start, MAX_LINE, Some(&checkpoint)).expect("tail");
        drain(&mut tail, &mut counts);
        assert_eq!(tail.losses(), Losses::default(), "{rotation:?}");
        counts.assert_once(server.next);
    }
}

/// The process that is killed: it commits what it counted together with the checkpoint, by renaming one file.
#[test]
#[ignore = "is the child process of the test above"]
fn child_that_is_killed() {
    let Ok(folder) = std::env::var("PALISADE_TAIL_FOLDER") else { return };
    let folder = PathBuf::from(folder);
    let (log, state) = (folder.join("access.log"), folder.join("state"));
    let (mut counts, checkpoint) = committed(&state).unwrap_or_default();
    let mut tail = Tail::open(&log, Begin::Start, MAX_LINE, Some(&checkpoint)).expect("tail");
    let wake = Wake::new(&log);
    let until = Instant::now() + Duration::from_secs(120);
    while Instant::now() < until {
        let more = tail.poll(|line| counts.take(line)).expect("poll");
        commit(&folder, &counts, &tail.checkpoint());
        if !more {
            wake.wait(Duration::from_millis(20));
        }
    }
}

fn spawn(folder: &Folder) -> Child {
    Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "child_that_is_killed", "--ignored", "--nocapture"])
        .env("PALISADE_TAIL_FOLDER", &folder.0)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("child")
}

fn commit(folder: &Path, counts: &Counts, checkpoint: &Checkpoint) {
    let text = format!(
        "{checkpoint}\n{}\n{}",
        counts.bad,
        counts.seen.iter().map(|n| char::from(b'0' + n)).collect::<String>()
    );
    fs::write(folder.join("state.new"), text).expect("write");
    fs::rename(folder.join("state.new"), folder.join("state")).expect("commit");
}

fn committed(state: &Path) -> Option<(Counts, Checkpoint)> {
    let mut text = String::new();
    File::open(state).ok()?.read_to_string(&mut text).ok()?;
    let mut lines = text.split('\n');
    let checkpoint = Checkpoint::from_text(lines.next()?).expect("checkpoint");
    let bad = lines.next()?.parse().expect("number");
    let seen = lines.next()?.bytes().map(|digit| digit - b'0').collect();
    Some((Counts { seen, bad }, checkpoint))
}

fn wait(until: impl Fn() -> bool) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !until() {
        assert!(Instant::now() < limit, "it did not happen within a minute");
        std::thread::sleep(Duration::from_millis(2));
    }
}
