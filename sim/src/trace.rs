//! What happened, as one number that tells two runs apart, and in words for whoever wants to read.

use std::hash::Hasher;

use crate::queue::Ns;

/// A hash that is the same on every host and in every build.
#[derive(Debug, Clone)]
pub struct Mixer(u64);

impl Default for Mixer {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0.rotate_left(5) ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// The trace of one run.
#[derive(Debug)]
pub struct Trace {
    mixer: Mixer,
    verbose: bool,
    lines: Vec<(Ns, String)>,
}

/// Lines that are kept of a run that is told in words.
const MOST_LINES: usize = 200_000;

impl Trace {
    /// An empty trace; with words if `verbose`.
    #[must_use]
    pub fn new(verbose: bool) -> Self {
        Self {
            mixer: Mixer::default(),
            verbose,
            lines: Vec::new(),
        }
    }

    /// Something happened.
    pub fn mix(&mut self, at: Ns, code: u64) {
        self.mixer.write_u64(at);
        self.mixer.write_u64(code);
    }

    /// The same in words, which are only made when somebody wants them.
    pub fn say(&mut self, at: Ns, words: impl FnOnce() -> String) {
        if self.verbose && self.lines.len() < MOST_LINES {
            self.lines.push((at, words()));
        }
    }

    /// Equal for equal runs.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.mixer.finish()
    }

    /// What was said, oldest first.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let line = |(at, words): &(Ns, String)| format!("{:>12.6} s  {words}", *at as f64 / 1e9);
        self.lines.iter().map(line).collect()
    }

    /// The last `most` lines that speak of one of `subjects`, oldest first.
    #[must_use]
    pub fn about(&self, subjects: &[String], most: usize) -> Vec<String> {
        let lines = self.lines();
        let mut found: Vec<String> = lines
            .into_iter()
            .rev()
            .filter(|line| subjects.iter().any(|subject| line.contains(subject.as_str())))
            .take(most)
            .collect();
        found.reverse();
        found
    }
}
