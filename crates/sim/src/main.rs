//! `sim FOLDER [seed] [quiet requests a day] [benign requests] [attack-day requests]`: writes the days as `*.gate.jsonl`
//! and `*.access.log`, what is true of the attack day as `truth.jsonl`, and where addresses live as `countries.csv`.

use std::fs::{File, create_dir_all};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use palisade_sim::{DAY_MICROS, FIRST_DAY, QUIET_DAYS, Request, attack_day, homes, quiet_day};

/// One stretch of time, in both forms.
struct Logs {
    gate: BufWriter<File>,
    combined: BufWriter<File>,
    line: Vec<u8>,
    failed: io::Result<()>,
}

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let Some(folder) = arguments.next().map(PathBuf::from) else {
        return Err(io::Error::other(
            "sim FOLDER [seed] [quiet requests a day] [benign requests] [attack-day requests]",
        ));
    };
    let numbers: Result<Vec<u64>, _> = arguments.map(|text| text.parse()).collect();
    let numbers = numbers.map_err(|_| io::Error::other("after the folder come whole numbers"))?;
    let number = |at: usize, default| numbers.get(at).copied().unwrap_or(default);
    let (seed, quiet, benign, attack) = (number(0, 1), number(1, 100_000), number(2, 1_000_000), number(3, 300_000));
    create_dir_all(&folder)?;

    let mut logs = Logs::create(&folder, "quiet")?;
    for day in 0..QUIET_DAYS {
        quiet_day(seed, FIRST_DAY + day * DAY_MICROS, quiet, |request| logs.write(&request));
    }
    logs.finish()?;
    let mut logs = Logs::create(&folder, "benign")?;
    quiet_day(seed, FIRST_DAY + QUIET_DAYS * DAY_MICROS, benign, |request| logs.write(&request));
    logs.finish()?;
    let mut logs = Logs::create(&folder, "attack")?;
    let midnight = FIRST_DAY + (QUIET_DAYS + 1) * DAY_MICROS;
    let truths = attack_day(seed, midnight, attack, |request| logs.write(&request));
    logs.finish()?;

    let mut text = Vec::new();
    truths.iter().for_each(|truth| truth.encode(&mut text));
    std::fs::write(folder.join("truth.jsonl"), text)?;
    let countries =
        homes().iter().map(|home| format!("100.{}.0.0/16,{}\n", home.second, home.country)).collect::<String>();
    std::fs::write(folder.join("countries.csv"), countries)
}

// === impl Logs ===

impl Logs {
    fn create(folder: &Path, name: &str) -> io::Result<Logs> {
        let open = |end| {
            File::create(folder.join(format!("{name}.{end}"))).map(|file| BufWriter::with_capacity(1 << 20, file))
        };
        Ok(Logs { gate: open("gate.jsonl")?, combined: open("access.log")?, line: Vec::new(), failed: Ok(()) })
    }

    fn write(&mut self, request: &Request) {
        if self.failed.is_err() {
            return;
        }
        self.line.clear();
        request.gate_line(&mut self.line);
        self.failed = self.gate.write_all(&self.line);
        self.line.clear();
        request.combined_line(&mut self.line);
        self.failed = std::mem::replace(&mut self.failed, Ok(())).and_then(|()| self.combined.write_all(&self.line));
    }

    fn finish(mut self) -> io::Result<()> {
        self.failed?;
        self.gate.flush()?;
        self.combined.flush()
    }
}
