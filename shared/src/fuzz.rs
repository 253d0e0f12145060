//! Bytes that nobody would write, from a corpus of what somebody did: for parsers of what comes
//! from outside.
//!
//! The corpus is a folder of `tests/fuzz`; an input that ever broke something is put there, so that
//! it is tried first from then on. `FUZZ_RUNS` and `FUZZ_SEED` make a run longer, or another.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// A few seconds for each parser in CI.
const RUNS: u64 = 300_000;
/// Longer than anything a parser here takes.
const BYTES_MAX: usize = 4096;
/// What parsers look out for, and what they might not.
const TELLING: [&[u8]; 24] = [
    b"\0",
    b"\xff",
    b"\x80",
    b"\x7f",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"null",
    b"-1",
    b"1e999",
    b"99999999999999999999",
    b"\r\n",
    b" ",
    b"\xed\xa0\x80",
    b"\xf0\x9f\x91\xa9",
    b"00000000-0000-0000-0000-000000000000",
    b"1970-01-01T00:00:00Z",
];

/// Feeds `target` with the corpus, and then with what becomes of it. A panic names the input.
///
/// `target` says whether it took the input, so that a run that reached nothing can be told.
///
/// # Panics
///
/// When the target does, or when it took none of the corpus.
pub fn run(corpus: &str, also: &[Vec<u8>], target: impl Fn(&[u8]) -> bool) {
    let folder = folder(corpus);
    let mut seeds = also.to_vec();
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|file| file.expect("a file").path())
        .collect();
    files.sort();
    seeds.extend(files.iter().map(|file| fs::read(file).expect("a file")));
    let setting = |name: &str| std::env::var(name).ok()?.parse().ok();
    let runs = setting("FUZZ_RUNS").unwrap_or(RUNS);
    let seed = setting("FUZZ_SEED").unwrap_or(1);

    let known = seeds.iter().filter(|input| tried(input, &target)).count();
    assert!(
        known > 0,
        "{corpus}: the target takes nothing of its corpus"
    );
    let mut dice = Dice(fastrand::Rng::with_seed(seed));
    let mut taken = 0_u64;
    for _ in 0..runs {
        let input = dice.mutate(&seeds);
        if tried(&input, &target) {
            taken += 1;
            // What is taken leads further than what is not.
            if seeds.len() < 1000 && dice.below(100) == 0 {
                seeds.push(input);
            }
        }
    }
    eprintln!("{corpus}: {runs} inputs of seed {seed}, {taken} of them taken");
}

fn folder(corpus: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/fuzz")
        .join(corpus)
}

fn tried(input: &[u8], target: &impl Fn(&[u8]) -> bool) -> bool {
    catch_unwind(AssertUnwindSafe(|| target(input))).unwrap_or_else(|panic| {
        eprintln!("the input was {:?}", String::from_utf8_lossy(input));
        eprintln!("as bytes: {input:02x?}");
        std::panic::resume_unwind(panic)
    })
}

struct Dice(fastrand::Rng);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0.usize(..end)
    }

    fn mutate(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut input = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(6) {
            self.change(&mut input, seeds);
        }
        input.truncate(BYTES_MAX);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let at = self.below(input.len() + 1);
        let to = at + self.below(input.len() + 1 - at);
        match self.below(9) {
            0 if at < input.len() => input[at] ^= 1 << self.below(8),
            1 if at < input.len() => input[at] = self.0.u8(..),
            2 => input.insert(at, self.0.u8(..)),
            3 => drop(input.drain(at..to)),
            4 => input.truncate(at),
            5 => {
                let telling = TELLING[self.below(TELLING.len())];
                input.splice(at..at, telling.iter().copied());
            }
            6 => {
                let telling = TELLING[self.below(TELLING.len())];
                input.splice(at..to, telling.iter().copied());
            }
            7 => {
                let part = input[at..to].to_vec();
                input.splice(at..at, part);
            }
            _ => {
                let other = &seeds[self.below(seeds.len())];
                let from = self.below(other.len() + 1);
                input.splice(at.., other[from..].iter().copied());
            }
        }
    }
}
