//! Servers configured as each grade of the rating method, and `palisade probe tls` on them.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use palisade_testkit::{eventually, free_port};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::Value;

/// A program that is killed at the end, and its folder.
struct Server {
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder of certificates: an authority, one for `localhost`, one for another host, one that has run out.
struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    fn new(name: &str) -> Certificates {
        let folder = std::env::temp_dir().join(format!("palisade-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).expect("folder");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("self-signed");
        fs::write(folder.join("ca.pem"), issuer.pem()).expect("file");
        for (file, host, year) in
            [("good", "localhost", 2040), ("other", "shop.example", 2040), ("late", "localhost", 2021)]
        {
            let mut params = CertificateParams::new(vec![host.to_owned()]).expect("params");
            params.not_before = rcgen::date_time_ymd(2020, 1, 1);
            params.not_after = rcgen::date_time_ymd(year, 1, 1);
            let key = KeyPair::generate().expect("key");
            let leaf = params.signed_by(&key, &issuer).expect("leaf");
            fs::write(folder.join(format!("{file}.pem")), leaf.pem()).expect("file");
            fs::write(folder.join(format!("{file}.key")), key.serialize_pem()).expect("file");
        }
        Certificates { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// `openssl s_server` on a free port of its own choice.
    fn openssl(&self, certificate: &str, args: &[&str]) -> Server {
        let mut command = Command::new("openssl");
        command.args([
            "s_server",
            "-accept",
            "127.0.0.1:0",
            "-www",
            "-cert",
            &self.path(&format!("{certificate}.pem")),
        ]);
        command.args(["-key", &self.path(&format!("{certificate}.key"))]).args(args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("openssl");
        let lines = BufReader::new(child.stdout.take().expect("stdout")).lines().map_while(Result::ok);
        let mut ports = lines.filter_map(|line| line.strip_prefix("ACCEPT ")?.rsplit(':').next()?.trim().parse().ok());
        Server { port: ports.next().expect("openssl says where it listens"), child }
    }

    /// nginx with some lines of its own.
    fn nginx(&self, certificate: &str, lines: &str) -> Server {
        let port = free_port();
        let folder = self.folder.display();
        let text = format!(
            "daemon off; master_process off; error_log stderr; pid {folder}/nginx-{port}.pid; events {{}}\n\
             http {{ access_log off; client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;\n\
             uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;\n\
             server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {folder}/{certificate}.pem; ssl_certificate_key {folder}/{certificate}.key;\n\
             {lines} location / {{ return 200 ok; }} }} }}"
        );
        let file = self.folder.join(format!("nginx-{port}.conf"));
        fs::write(&file, text).expect("file");
        let program = if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" };
        let mut command = Command::new(program);
        let child = command.arg("-c").arg(&file).stderr(Stdio::null()).spawn().expect("nginx");
        eventually("nginx listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        Server { child, port }
    }

    /// What the probe says, as JSON; `trusted`: with the authority among the roots.
    fn probe(&self, server: &Server, trusted: bool) -> Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_palisade"));
        command.args(["probe", "tls", &format!("https://localhost:{}", server.port), "--json"]);
        if trusted {
            command.args(["--ca", &self.path("ca.pem")]);
        }
        let output = command.output().expect("the program runs");
        let text = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr)))
    }

    fn grade(&self, server: &Server, trusted: bool) -> String {
        let report = self.probe(server, trusted);
        let text = finding(&report, "tls/grade")["evidence"].as_str().expect("evidence").to_owned();
        text.split(':').next().expect("a grade").to_owned()
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn finding<'a>(report: &'a Value, id: &str) -> &'a Value {
    let all = report["findings"].as_array().expect("findings");
    all.iter().find(|finding| finding["id"] == id).unwrap_or_else(|| panic!("{id} in {report}"))
}

/// What old clients speak, which OpenSSL offers only where it is told that it may.
const OLD: &str = "ssl_ciphers DEFAULT:@SECLEVEL=0;";

#[test]
fn d5_servers_get_the_grades_of_the_rating_method() {
    let certificates = Certificates::new("tls");
    let hsts = "add_header Strict-Transport-Security 'max-age=31536000' always;";
    let nginx = |certificate, lines: &str| certificates.nginx(certificate, &format!("{hsts}{lines}"));
    assert_eq!(
        certificates.grade(&nginx("good", "ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers ECDHE+AESGCM;"), true),
        "A+"
    );
    let modern = certificates.nginx("good", "ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers ECDHE+AESGCM;");
    assert_eq!(certificates.grade(&modern, true), "A", "without HSTS");
    assert_eq!(
        certificates.grade(&nginx("good", "ssl_protocols TLSv1.2; ssl_ciphers ECDHE+AESGCM;"), true),
        "A-",
        "no TLS 1.3"
    );
    let old = nginx("good", &format!("ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3; {OLD}"));
    assert_eq!(certificates.grade(&old, true), "B");
    let oldest = certificates.openssl("good", &["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"]);
    assert_eq!(certificates.grade(&oldest, true), "C");
    assert_eq!(certificates.grade(&modern, false), "T", "no root is trusted for it");
    assert_eq!(certificates.grade(&nginx("late", "ssl_protocols TLSv1.3;"), true), "T", "it has run out");
    assert_eq!(certificates.grade(&nginx("other", "ssl_protocols TLSv1.3;"), true), "M");
}

#[test]
fn d5_each_part_is_named_with_its_evidence() {
    let certificates = Certificates::new("tls-parts");
    let old = certificates.openssl("good", &["-cipher", "ALL:@SECLEVEL=0"]);
    let report = certificates.probe(&old, true);
    let status = |id: &str| finding(&report, id)["status"].as_str().expect("status").to_owned();
    assert_eq!(status("tls/trust"), "pass");
    assert_eq!(status("tls/name"), "pass");
    assert_eq!(status("tls/expiry"), "pass");
    assert_eq!(status("tls/hsts"), "fail");
    assert_eq!(status("tls/old-versions"), "fail", "{report}");
    let evidence = finding(&report, "tls/old-versions")["evidence"].as_str().expect("evidence");
    assert!(evidence.contains("TLS 1.0"), "{evidence}");
    let late = certificates.openssl("late", &[]);
    let report = certificates.probe(&late, true);
    assert_eq!(finding(&report, "tls/expiry")["status"], "fail");
}
