//! signals [attack|benign FILE]...: how many attacks are recognised, how many look-alikes are not left alone, and the
//! worst time for 64 KiB of hostile input. Without arguments: over `corpus/`.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use palisade_guard::{signals_of_path, signals_of_query, signals_of_text};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.is_empty() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus");
        for group in ["attack", "benign"] {
            let mut files: Vec<_> = fs::read_dir(corpus.join(group)).expect("corpus").flatten().collect();
            files.sort_by_key(fs::DirEntry::path);
            for file in files {
                count(group, &file.path());
            }
        }
    }
    for pair in args.chunks(2) {
        if let [group, file] = pair {
            count(group, Path::new(file));
        }
    }
    worst();
    clean();
}

fn count(group: &str, file: &Path) {
    let text = String::from_utf8_lossy(&fs::read(file).expect("a file")).into_owned();
    let paths = file.file_stem().is_some_and(|name| name == "paths");
    let look = |line: &str| if paths { signals_of_path(line) } else { signals_of_text(line) };
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty() && !line.starts_with("# ")).collect();
    let odd = |line: &&&str| (look(line) == 0) == (group == "attack");
    let wrong: Vec<_> = lines.iter().filter(odd).collect();
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let right = lines.len() - wrong.len();
    let share = 100.0 * right as f64 / lines.len().max(1) as f64;
    println!("{group} {name}: {right} of {} right ({share:.1} %)", lines.len());
    for line in wrong.iter().take(if std::env::var_os("SHOW").is_some() { 1000 } else { 0 }) {
        println!("    {line}");
    }
}

/// The slowest of patterns that make careless matchers quadratic, as one query and as many values.
fn worst() {
    const SIZE: usize = 64 << 10;
    let mut slowest = (Duration::ZERO, "");
    for pattern in [
        "a.b.",
        "'",
        "''",
        "' or ",
        "\"'`",
        "(",
        "((((select ",
        "/*",
        "/*/",
        "--\n",
        "<",
        "<a ",
        "<a on",
        "on",
        "on=",
        "../",
        "..%2f",
        "%25",
        "%2525",
        "&#",
        "&#x26;",
        "javascript:",
        "{{",
        "union ",
        "union select ",
        "1,",
        ";",
        "; select ",
        "#",
        "=",
        "\\",
        "\u{ff1c}",
    ] {
        let hostile: String = pattern.chars().cycle().take(SIZE).collect();
        let values: String =
            hostile.as_bytes().chunks(127).map(|part| format!("{}&", String::from_utf8_lossy(part))).collect();
        for input in [hostile.as_str(), values.as_str()] {
            let mut best = Duration::MAX;
            for _ in 0..5 {
                let start = Instant::now();
                black_box((signals_of_text(black_box(input)), signals_of_query(black_box(input))));
                best = best.min(start.elapsed());
            }
            if best > slowest.0 {
                slowest = (best, pattern);
            }
        }
    }
    println!("64 KiB of {:?}: {:?}, the slowest of all", slowest.1, slowest.0);
}

fn clean() {
    for (name, path, query) in [
        ("clean", "/api/items/12345/reviews", "page=2&sort=name-asc&limit=20"),
        ("with blanks and escapes", "/api/search", "q=red+shoes&brand=O%27Neal"),
    ] {
        let rounds = 1_000_000;
        let start = Instant::now();
        for _ in 0..rounds {
            black_box((signals_of_path(black_box(path)), signals_of_query(black_box(query))));
        }
        println!("{name}: {:.0} ns", start.elapsed().as_nanos() as f64 / f64::from(rounds));
    }
}
