//! shared: what gates that share their state ask a server, and what that costs it. Starts a redis-server of its own.
//!
//! First the questions for each admitted request, where one client takes all it may at once and goes on asking. Then
//! the server's CPU time for each script, beside a plain SET in the same run.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Method;
use palisade_bench::{Counter, Sample, env};
use palisade_event::{ClientKey, Kind};
use palisade_guard::shared::{Call, Lease, Leased, Space};
use palisade_guard::{Claim, Need, Plan, Reserve, Secrets, Spend, State, Step};
use palisade_policy::{Limit, Origin, Policy, Route, SharedState};

const PORT: &str = "16391";

struct Server {
    child: Child,
    line: BufReader<TcpStream>,
}

fn main() {
    let mut server = Server::start();
    println!(
        "{:>9} {:>9} {:>10} {:>22} {:>22}",
        "limit", "admitted", "questions", "questions an admission", "questions a refusal"
    );
    for limit in ["5/min", "60/min", "600/min", "6000/min"] {
        server.taken_at_once(limit);
    }
    println!("\n{:>26} {:>12} {:>12}", "script", "server ns", "beside SET");
    server.costs();
}

impl Server {
    fn start() -> Server {
        let mut command = Command::new("redis-server");
        command.args(["--port", PORT, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        let mut child = command.stdout(Stdio::null()).spawn().expect("redis-server is installed");
        let deadline = Instant::now() + Duration::from_secs(10);
        let stream = loop {
            match TcpStream::connect(format!("127.0.0.1:{PORT}")) {
                Ok(stream) => break stream,
                Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
                Err(error) => {
                    let _ = child.kill();
                    let _ = child.wait();
                    panic!("redis-server does not start: {error}");
                }
            }
        };
        Server { child, line: BufReader::new(stream) }
    }

    fn taken_at_once(&mut self, text: &'static str) {
        let limit = Limit::parse(text).expect("limit");
        let entropy = Counter::default();
        let origin = Origin::parse("https://shop.example").expect("origin");
        let route = Route { limit: Some(limit), ..Route::new("/items", Kind::PublicRead) };
        let shared = SharedState { redis: Some("REDIS_URL".to_owned()), ..SharedState::default() };
        let policy = Policy::builder(text, vec![origin]).state(shared).route(route).build().expect("policy");
        let space = Space::of(&policy);
        let state = State::new(&policy.limits, &env(&entropy, 0));
        let plan: Arc<Plan> = Plan::compile(policy, &Secrets::ephemeral(&env(&entropy, 0)), &state).expect("plan");
        let sample = Sample::new(Method::GET, "/items", &[]);
        let (mut admitted, mut for_admitted, mut for_refused, refusals) = (0, 0, 0, 10_000);
        for _ in 0..limit.count + refusals {
            let mut asked = 0;
            let env = env(&entropy, 0);
            let mut step = plan.inspect(&sample.view(1), &env);
            let passed = loop {
                step = match step {
                    Step::Admit(_) => break true,
                    Step::Answer(_) => break false,
                    Step::Need(Need::Lease(ask)) => {
                        asked += 1;
                        let told = ask.question.read(&self.run(&ask.question.call(space))).expect("an answer");
                        ask.reply(Leased::Told(told)).run(&sample.view(1), &env)
                    }
                    Step::Need(_) => panic!("another question"),
                }
            };
            admitted += u32::from(passed);
            *(if passed { &mut for_admitted } else { &mut for_refused }) += asked;
        }
        let part = |asked: u32, of: u32| f64::from(asked) / f64::from(of);
        let (each, refused) = (part(for_admitted, admitted), part(for_refused, refusals));
        println!("{text:>9} {admitted:>9} {for_admitted:>10} {each:>22.3} {refused:>22.4}");
    }

    fn costs(&mut self) {
        let space = Space::of(&Policy::deny_all());
        let lease = |client, count| Lease {
            limit: Limit { count, window: Duration::from_secs(60) },
            scope: 1,
            client,
            cost: 1,
            most: 1,
        };
        let spend = |session: u128, nonce| Spend {
            session,
            nonce,
            issued_millis: 1,
            client: ClientKey::of([192, 0, 2, 1].into()),
            verified: false,
        };
        let reserve = |message| Reserve {
            message,
            signed: 1,
            ticket: 1,
            signed_seconds: None,
            hold: Duration::from_secs(65),
            keep: Duration::from_secs(3600),
        };
        // The server learns the scripts, whose digests are enough from then on.
        for call in [lease(0, 5).call(space), spend(0, 0).call(space)] {
            self.run(&call);
        }
        self.run(&Claim::Reserve(reserve(1 << 40)).call(space, 0).expect("a question"));
        let plain = self.cost(|n| words(&["SET", &format!("key:{n}"), "1"]));
        let told = |name: &str, nanos: f64| println!("{name:>26} {nanos:>12.0} {:>12.2}", nanos / plain);
        told("SET", plain);
        let nanos = self.cost(|n| evalsha(&lease(n.into(), 5).call(space)));
        told("limit, admitted", nanos);
        let nanos = self.cost(|_| evalsha(&lease(1 << 40, 1).call(space)));
        told("limit, refused", nanos);
        let nanos = self.cost(|n| evalsha(&spend(n.into(), 1).call(space)));
        told("token, first", nanos);
        let nanos = self.cost(|_| evalsha(&spend(1 << 40, 1).call(space)));
        told("token, again", nanos);
        let nanos = self.cost(|n| evalsha(&Claim::Reserve(reserve(n.into())).call(space, 0).expect("a question")));
        told("message, reserved", nanos);
    }

    /// Nanoseconds of the server's CPU time for each of many commands, sixteen at a time.
    fn cost(&mut self, command: impl Fn(u32) -> String) -> f64 {
        const COMMANDS: u32 = 100_000;
        let before = self.cpu();
        for start in (0..COMMANDS).step_by(16) {
            let batch: String = (start..start + 16).map(&command).collect();
            self.line.get_mut().write_all(batch.as_bytes()).expect("send");
            for _ in 0..16 {
                self.answer();
            }
        }
        (self.cpu() - before) * 1e9 / f64::from(COMMANDS)
    }

    /// Seconds of CPU time the server has used.
    fn cpu(&mut self) -> f64 {
        self.line.get_mut().write_all(words(&["INFO", "cpu"]).as_bytes()).expect("send");
        let text = self.answer().1;
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.parse::<f64>().ok());
        field("used_cpu_user:").expect("user") + field("used_cpu_sys:").expect("system")
    }

    /// Runs a script in full, so that the server knows it from then on.
    fn run(&mut self, call: &Call) -> Vec<i64> {
        let keys = call.keys.len().to_string();
        let head = ["EVAL", call.script.text(), &keys];
        let all: Vec<&str> =
            head.into_iter().chain(call.keys.iter().chain(&call.arguments).map(String::as_str)).collect();
        self.line.get_mut().write_all(words(&all).as_bytes()).expect("send");
        self.answer().0
    }

    /// An answer: its numbers, or its text.
    fn answer(&mut self) -> (Vec<i64>, String) {
        let mut head = String::new();
        self.line.read_line(&mut head).expect("an answer");
        let rest = head.get(1..).unwrap_or_default().trim_end().to_owned();
        match head.as_bytes().first() {
            Some(b':') => (vec![rest.parse().expect("a number")], String::new()),
            Some(b'*') => ((0..rest.parse().unwrap_or(0)).flat_map(|_| self.answer().0).collect(), String::new()),
            Some(b'$') => {
                let mut bytes = vec![0; rest.parse::<usize>().expect("a length") + 2];
                self.line.read_exact(&mut bytes).expect("text");
                (Vec::new(), String::from_utf8_lossy(&bytes).into_owned())
            }
            Some(b'-') => panic!("{rest}"),
            _ => (Vec::new(), rest),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// By its digest: the server must have seen it.
fn evalsha(call: &Call) -> String {
    let keys = call.keys.len().to_string();
    let head = ["EVALSHA", call.script.digest(), &keys];
    let all: Vec<&str> = head.into_iter().chain(call.keys.iter().chain(&call.arguments).map(String::as_str)).collect();
    words(&all)
}

fn words(all: &[&str]) -> String {
    let mut text = format!("*{}\r\n", all.len());
    for word in all {
        text.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    text
}
