//! nginx and HAProxy as plain reverse proxies, if they are installed: `apt-get install nginx-light haproxy`.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use palisade_policy::Origin;
use palisade_testkit::{HOST, eventually, free_address};

/// A proxy of this test's own. Killed, by its own process id, when dropped.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// Its name and version.
    pub(crate) version: String,
    child: Child,
    folder: PathBuf,
}

pub(crate) struct Nginx;
pub(crate) struct Haproxy;

impl Nginx {
    pub(crate) fn before(upstream: &Origin) -> Option<Peer> {
        let binary = find("nginx")?;
        let version = said(Command::new(&binary).arg("-v")).replace("nginx version: nginx/", "nginx ");
        Some(Peer::start("nginx", &version, |folder, address| {
            let configuration = format!(
                "daemon off; master_process off; pid nginx.pid; error_log errors;
                 events {{ worker_connections 128; }}
                 http {{
                     access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
                     uwsgi_temp_path uwsgi; scgi_temp_path scgi;
                     server {{
                         listen {address}; server_name {HOST};
                         location / {{
                             proxy_pass {upstream}; proxy_http_version 1.1; proxy_set_header Connection '';
                             proxy_set_header Host $host; proxy_read_timeout 2s;
                         }}
                     }}
                 }}"
            );
            fs::write(folder.join("nginx.conf"), configuration).expect("the configuration is written");
            let mut command = Command::new(&binary);
            command.arg("-p").arg(folder).arg("-c").arg("nginx.conf").arg("-e").arg("errors");
            command
        }))
    }
}

impl Haproxy {
    pub(crate) fn before(upstream: &Origin) -> Option<Peer> {
        let binary = find("haproxy")?;
        let version = said(Command::new(&binary).arg("-v"));
        let number = version.split_whitespace().nth(2).unwrap_or("?");
        let number = number.split('-').next().unwrap_or(number);
        Some(Peer::start("haproxy", &format!("HAProxy {number}"), |folder, address| {
            let configuration = format!(
                "defaults\n mode http\n timeout connect 2s\n timeout client 2s\n timeout server 2s\n\
                 frontend f\n bind {address}\n default_backend b\nbackend b\n server s {}\n",
                upstream.authority
            );
            fs::write(folder.join("haproxy.cfg"), configuration).expect("the configuration is written");
            let mut command = Command::new(&binary);
            command.arg("-db").arg("-f").arg(folder.join("haproxy.cfg"));
            command
        }))
    }
}

impl Peer {
    fn start(name: &str, version: &str, command: impl Fn(&std::path::Path, SocketAddr) -> Command) -> Peer {
        let folder = std::env::temp_dir().join(format!("palisade-framing-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a temporary folder");
        let address = free_address();
        let mut command = command(&folder, address);
        let silent = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = silent.spawn().expect("it starts");
        eventually(name, || TcpStream::connect(address).is_ok());
        Peer { address, version: version.to_owned(), child, folder }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The first line a command says, on either stream.
fn said(command: &mut Command) -> String {
    let output = command.output().expect("it runs");
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).lines().next().unwrap_or_default().to_owned()
}
