//! What the kernel says of this process, under the names that every Prometheus client uses. Linux only; elsewhere
//! nothing is told.

use std::fmt::Write as _;
use std::fs;

/// Bytes of a page on the machines this is built for; where pages are larger, memory is told too low.
const PAGE: u64 = 4096;

/// Appends the process's own numbers; those that cannot be had are left out.
pub(crate) fn render(out: &mut String) {
    if let Some(pages) = fs::read_to_string("/proc/self/statm").ok().and_then(|text| word(&text, 1)) {
        gauge(out, "process_resident_memory_bytes", "Resident memory size in bytes.", pages * PAGE);
    }
    if let Ok(entries) = fs::read_dir("/proc/self/fd") {
        // One is the listing itself.
        let open = (entries.count() as u64).saturating_sub(1);
        gauge(out, "process_open_fds", "Number of open file descriptors.", open);
    }
    if let Some(limit) = fs::read_to_string("/proc/self/limits").ok().and_then(|text| open_files(&text)) {
        gauge(out, "process_max_fds", "Maximum number of open file descriptors.", limit);
    }
}

fn word(text: &str, index: usize) -> Option<u64> {
    text.split_ascii_whitespace().nth(index)?.parse().ok()
}

fn open_files(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    word(line, 0)
}

fn gauge(out: &mut String, name: &str, help: &str, value: u64) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_numbers_are_read() {
        let mut out = String::new();
        render(&mut out);
        if cfg!(target_os = "linux") {
            let value = |name: &str| {
                let line = out.lines().find(|line| line.starts_with(name)).expect(name);
                word(line, 1).expect("number")
            };
            assert!(value("process_resident_memory_bytes") > 1 << 20, "{out}");
            assert!(value("process_open_fds") >= 3 && value("process_max_fds") >= 3, "{out}");
        }
    }
}
