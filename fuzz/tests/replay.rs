//! Every target over its seeds and over mutations of them, the same ones in every run and without libFuzzer.

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use palisade_fuzz::{TARGETS, Target};

/// Mutations of each target's seeds; `PALISADE_FUZZ_ROUNDS` asks for another number.
const ROUNDS: u64 = 5_000;

/// The longest input, in bytes; longer mutations are cut.
const MAX_LEN: usize = 16 * 1024;

#[test]
fn every_target_stands_its_seeds_and_their_mutations() {
    let rounds = std::env::var("PALISADE_FUZZ_ROUNDS").map_or(ROUNDS, |text| text.parse().expect("a number of rounds"));
    for (name, target) in TARGETS {
        let seeds = seeds(name);
        for seed in &seeds {
            try_one(name, *target, seed);
        }
        let mut random = Random(0x70a1_15ad);
        for _ in 0..rounds {
            try_one(name, *target, &random.mutation(&seeds));
        }
    }
}

#[test]
fn every_target_has_a_binary_a_manifest_entry_and_seeds() {
    let names: BTreeSet<_> = TARGETS.iter().map(|(name, _)| String::from(*name)).collect();
    assert_eq!(names.len(), TARGETS.len(), "two targets of one name");
    assert_eq!(names, stems("fuzz_targets"), "TARGETS and fuzz_targets/");
    assert_eq!(names, stems("seeds"), "TARGETS and seeds/");
    let manifest = fs::read_to_string(here().join("Cargo.toml")).expect("the manifest");
    for name in &names {
        let entry = format!("[[bin]]\nname = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"\n");
        assert!(manifest.contains(&entry), "Cargo.toml has no [[bin]] for {name}");
        assert!(!seeds(name).is_empty(), "seeds/{name}/ is empty");
    }
}

/// Keeps the input where cargo-fuzz would, and fails with its name.
fn try_one(name: &str, target: Target, input: &[u8]) {
    if catch_unwind(|| target(input)).is_ok() {
        return;
    }
    let folder = here().join("artifacts").join(name);
    fs::create_dir_all(&folder).expect("a folder for the input");
    let file = folder.join("replay");
    fs::write(&file, input).expect("the input is kept");
    panic!("{name} breaks; the input is in {}", file.display());
}

fn seeds(name: &str) -> Vec<Vec<u8>> {
    entries(&format!("seeds/{name}")).iter().map(|file| fs::read(file).expect("a seed")).collect()
}

fn stems(folder: &str) -> BTreeSet<String> {
    entries(folder).iter().map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned()).collect()
}

/// What the folder holds, by name, so that each run takes the same in the same order.
fn entries(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(here().join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// SplitMix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, or 0 where there is none below it.
    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        start..start + self.below((length - start).min(64) + 1)
    }

    /// A seed with one to eight changes.
    fn mutation(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut input = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(8) {
            self.change(&mut input, seeds);
        }
        input.truncate(MAX_LEN);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        const TELLING: &[u8] = b"\0\t\n\r \"#%&'()*+,-./09:;<=>?@AZ[\\]_az{|}~\x7f\x80\xc0\xed\xff";
        let at = self.below(input.len() + 1);
        match self.below(6) {
            0 if at < input.len() => input[at] ^= 1 << self.below(8),
            1 if at < input.len() => input[at] = TELLING[self.below(TELLING.len())],
            2 => input.insert(at, TELLING[self.below(TELLING.len())]),
            3 => drop(input.drain(self.range(input.len()))),
            4 => {
                let again = input[self.range(input.len())].to_vec();
                input.splice(at..at, again);
            }
            _ => {
                let other = &seeds[self.below(seeds.len())];
                let part = other[self.range(other.len())].to_vec();
                input.splice(at..at, part);
            }
        }
    }
}
