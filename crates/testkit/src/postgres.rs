//! A private PostgreSQL: in an empty folder, on a random loopback port, stopped with its owner.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::free_port;

/// A server of one's own. Debian's package `postgresql` has the programs.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    /// It does not run as root; then it runs as the user that its package makes.
    as_postgres: bool,
    child: Option<Child>,
}

/// Making a database takes a second on a quiet machine.
const START: Duration = Duration::from_secs(60);

impl Postgres {
    /// Starts one.
    ///
    /// # Errors
    /// If it is not installed; says what to do.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start() -> Result<Postgres, String> {
        Postgres::begin(None)
    }

    /// Starts one that takes connections by TLS alone, with that certificate and its key, both PEM.
    ///
    /// # Errors
    /// If it is not installed; says what to do.
    ///
    /// # Panics
    /// If it does not start.
    pub fn behind_tls(certificate: &str, key: &str) -> Result<Postgres, String> {
        Postgres::begin(Some((certificate, key)))
    }

    fn begin(tls: Option<(&str, &str)>) -> Result<Postgres, String> {
        let programs = programs().ok_or("PostgreSQL is not installed: apt-get install postgresql")?;
        let as_postgres = is_root();
        if as_postgres && !output(Command::new("id").arg("postgres")).status.success() {
            return Err("PostgreSQL does not run as root, and there is no user postgres".to_owned());
        }
        let port = free_port();
        let folder = std::env::temp_dir().join(format!("palisade-postgres-{}-{port}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        if as_postgres {
            fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).expect("its mode");
        }
        let mut postgres = Postgres { programs, folder, port, as_postgres, child: None };
        postgres.make();
        if let Some((certificate, key)) = tls {
            postgres.tell_tls(certificate, key);
        }
        postgres.run();
        Ok(postgres)
    }

    /// Makes a database, and gives its address: `postgres://...`
    ///
    /// # Panics
    /// If it cannot be made.
    #[must_use]
    pub fn database(&self, name: &str) -> String {
        let mut command = self.command("createdb");
        command.args(["-h", "127.0.0.1", "-U", "postgres", "-p", &self.port.to_string(), name]);
        assert!(output(&mut command).status.success(), "no database {name}");
        format!("postgres://postgres@127.0.0.1:{}/{name}", self.port)
    }

    /// Starts it again after [`Postgres::stop`]; what was committed is there.
    ///
    /// # Panics
    /// If it does not start.
    pub fn run(&mut self) {
        let data = self.folder.join("data");
        let mut command = self.command("postgres");
        command.arg("-D").arg(&data).args(["-p", &self.port.to_string(), "-h", "127.0.0.1"]);
        command.args(["-k", "", "-F", "-c", "log_min_messages=fatal"]);
        if self.folder.join("server.key").exists() {
            let file = |name| self.folder.join(name).display().to_string();
            command.args(["-c", "ssl=on", "-c", &format!("ssl_cert_file={}", file("server.pem"))]);
            command.args(["-c", &format!("ssl_key_file={}", file("server.key"))]);
        }
        self.child = Some(command.spawn().expect("postgres starts"));
        let deadline = Instant::now() + START;
        while !self.is_ready() {
            let ended = self.child.as_mut().is_some_and(|child| child.try_wait().is_ok_and(|ended| ended.is_some()));
            assert!(!ended && Instant::now() < deadline, "postgres does not answer at port {}", self.port);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The server's process, of which all others of it are children.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Stops it at once, as a crash would; connections break.
    pub fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        // SIGQUIT is PostgreSQL's immediate shutdown: its children go with it, and nothing is flushed.
        let pid = fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap_or_default();
        if let Some(pid) = pid.lines().next() {
            let _ = output(Command::new("kill").args(["-QUIT", pid]));
        }
        let _ = child.wait();
    }

    fn make(&self) {
        let data = self.folder.join("data");
        let mut command = self.command("initdb");
        command.arg("-D").arg(data).args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "-N"]);
        let made = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("initdb starts");
        let made = made.wait_with_output().expect("initdb ends");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
    }

    /// It wants its key for itself, and refuses who comes without TLS.
    fn tell_tls(&self, certificate: &str, key: &str) {
        let rules = "hostssl all all 127.0.0.1/32 trust\nhostnossl all all 0.0.0.0/0 reject\n";
        for (name, text) in [("server.pem", certificate), ("server.key", key), ("data/pg_hba.conf", rules)] {
            let path = self.folder.join(name);
            fs::write(&path, text).expect("a file");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its mode");
            if self.as_postgres {
                assert!(output(Command::new("chown").arg("postgres").arg(&path)).status.success(), "chown {name}");
            }
        }
    }

    /// PostgreSQL answers a request for TLS with one letter, once it takes connections; before, it sends an error instead.
    fn is_ready(&self) -> bool {
        if TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            return false;
        }
        let mut command = self.command("pg_isready");
        command.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
        output(&mut command).status.success()
    }

    fn command(&self, program: &str) -> Command {
        let path = self.programs.join(program);
        let mut command = if self.as_postgres {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(path);
            command
        } else {
            Command::new(path)
        };
        // Its programs look for certificates below the home, which must not be that of another user.
        command.current_dir(&self.folder).env("LC_ALL", "C").env("HOME", &self.folder);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Where Debian, or whoever packs it, has put the programs of the newest version.
fn programs() -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|folder| folder.join("initdb").exists())
        .collect();
    found.sort_by_key(|folder| {
        folder.parent().and_then(Path::file_name).and_then(|name| name.to_str()?.parse::<u32>().ok())
    });
    let on_path = std::env::var_os("PATH").and_then(|path| {
        std::env::split_paths(&path).find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
    });
    found.pop().or(on_path)
}

fn is_root() -> bool {
    output(Command::new("id").arg("-u")).stdout.starts_with(b"0\n")
}

fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}
