//! The threshold of [`accrual`](super::Accrual) from a wanted rate of false alarms.
//!
//! While an instance is healthy the sum of a CUSUM is a Markov chain. Its mean run to a false alarm follows from the
//! chain's transition matrix (Brook and Evans, "An approach to the probability distribution of cusum run length",
//! Biometrika 59, 1972). The sum is put on a grid that makes it too high rather than too low: a good answer goes down
//! by a whole number of cells, a miss up by its step rounded up, and the threshold is rounded down. So the computed run
//! is at most the true one, and a calibrated threshold at most about a tenth of a nat too high.
//!
//! The chain is reduced state by state from the top, without subtractions (Grassmann, Taksar and Heyman, "Regenerative
//! analysis and steady state distributions for Markov chains", Operations Research 33, 1985): runs of 10^15 answers
//! come out as exactly as short ones. A reduced state is left downwards by one good answer at most, so a row of the
//! matrix is no longer than that step, and time and memory grow with the number of states, not with its square.
//!
//! The model is independent misses with one probability. Where misses come in bursts it holds for the bursts, which is
//! why they are weighed as one piece of evidence before they get here (see [`Bursts`](super::Bursts)).

use super::AccrualConfig;

/// Cells of the grid per miss, at least, as long as a good answer is not more than [`MOST_DOWN`] of them.
const FINE: f64 = 256.0;
/// Cells of the grid per good answer, at most.
const MOST_DOWN: f64 = 64.0;
/// Cells of the grid, at most.
const MOST_CELLS: f64 = 8192.0;
/// Thresholds are multiples of one tenth of a nat, up to 30.
const GRID: u32 = 10;
const MOST: u32 = 300;
/// How many times p0 the probability p1 must be for a threshold to be computed: closer together the grid is too coarse
/// for the step of a miss, and no threshold up to 30 nats would do anyway.
const APART: f64 = 2.0;
const YEAR_S: f64 = 365.25 * 86_400.0;

/// What is wanted of a threshold, and of what health.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// Probability that an answer of a healthy instance is a miss, above 0, below 1.
    pub miss_rate: f64,
    /// Answers of one instance that are observed per second, above 0.
    pub answers_per_s: f64,
    /// False alarms per instance and year at most, above 0.
    pub false_alarms_per_year: f64,
}

impl Default for Target {
    fn default() -> Self {
        Self {
            miss_rate: 2e-4,
            answers_per_s: 120.0,
            false_alarms_per_year: 1.0,
        }
    }
}

/// The steps of a sum on a grid, in cells.
#[derive(Debug, Clone, Copy)]
struct Steps {
    /// Up, at a miss.
    up: usize,
    /// Down, at a good answer, from 1.
    down: usize,
    /// The probability that a good answer goes down. It is 1, unless its step is less than the smallest cell: then it
    /// stays sometimes. That keeps the mean and adds variance, which makes alarms more frequent, not rarer.
    moves: f64,
    /// From this cell on the sum has reached the threshold; from 1.
    limit: usize,
}

impl Steps {
    fn new(config: &AccrualConfig) -> Self {
        let (on_miss, on_good) = config.steps();
        let good = -on_good;
        let smallest = config.threshold.max(f64::from(MOST) / f64::from(GRID)) / MOST_CELLS;
        let down = (FINE * good / on_miss).ceil().min(MOST_DOWN);
        let down = down.min((good / smallest).floor()).max(1.0);
        let cell = (good / down).max(smallest);
        Self {
            up: (on_miss / cell).ceil() as usize,
            down: down as usize,
            moves: (good / cell).min(down) / down,
            limit: ((config.threshold / cell).floor() as usize).max(1),
        }
    }
}

/// The chain above a level, reduced: what becomes of a sum at each cell until it is below that cell for the first time.
#[derive(Debug)]
struct Reduced {
    steps: Steps,
    /// Row by row: the probability to get below cell x at x − down, x − down + 1, …, x − 1.
    below: Vec<f64>,
    /// The probability of an alarm before that.
    alarm: Vec<f64>,
    /// Answers until the one or the other, in the mean.
    answers: Vec<f64>,
}

impl Reduced {
    /// Follows a sum that a miss has just taken up from cell `from` until it is at `from` or below: the probability of
    /// an alarm and the mean number of answers. Leaves the distribution of where it comes down in the first cells of
    /// `mass`: at `from` − down, …, `from`.
    fn descend(&self, from: usize, mass: &mut [f64]) -> (f64, f64) {
        let Steps { up, down, limit, .. } = self.steps;
        mass.fill(0.0);
        if from + up >= limit {
            return (1.0, 0.0);
        }
        mass[down + up] = 1.0;
        let (mut alarm, mut answers) = (0.0, 0.0);
        for above in (1..=up).rev() {
            let here = mass[down + above];
            if here == 0.0 {
                continue;
            }
            let cell = from + above;
            alarm += here * self.alarm[cell];
            answers += here * self.answers[cell];
            let row = &self.below[cell * down..(cell + 1) * down];
            for (mass, share) in mass[above..above + down].iter_mut().zip(row) {
                *mass += here * share;
            }
        }
        (alarm, answers)
    }
}

/// Answers of a healthy instance until the first false alarm, in the mean, if each is a miss with probability `p`, 0 to
/// 1, on its own. At most the true number; infinite for `p` = 0.
#[must_use]
pub fn mean_run(config: &AccrualConfig, p: f64) -> f64 {
    let steps = Steps::new(config);
    let Steps { up, down, moves, limit } = steps;
    let mut reduced = Reduced {
        steps,
        below: vec![0.0; limit * down],
        alarm: vec![0.0; limit],
        answers: vec![0.0; limit],
    };
    let mut mass = vec![0.0; down + up + 1];
    for cell in (1..limit).rev() {
        let (alarm, answers) = reduced.descend(cell, &mut mass);
        let alarm = p * alarm;
        let row = &mut reduced.below[cell * down..(cell + 1) * down];
        row.iter_mut().zip(&mass).for_each(|(share, mass)| *share = p * mass);
        row[0] += (1.0 - p) * moves;
        // Whoever stays at the cell, or comes back to it, tries again.
        let leave = alarm + row.iter().sum::<f64>();
        row.iter_mut().for_each(|share| *share /= leave);
        reduced.alarm[cell] = alarm / leave;
        reduced.answers[cell] = (1.0 + p * answers) / leave;
    }
    // The sum starts at 0 and, if there is no alarm, is there again: each round is like the first.
    let (alarm, answers) = reduced.descend(0, &mut mass);
    (1.0 + p * answers) / (p * alarm)
}

/// False alarms per instance and year of a detector with these parameters.
#[must_use]
pub fn false_alarms_per_year(config: &AccrualConfig, miss_rate: f64, answers_per_s: f64) -> f64 {
    answers_per_s * YEAR_S / mean_run(config, miss_rate)
}

/// The smallest threshold, in tenths of a nat, that raises no more false alarms than wanted.
///
/// # Errors
/// A message for the operator when a parameter is out of range, p0 and p1 are less than a factor of 2 apart, or no
/// threshold up to 30 nats does.
pub fn threshold(p0: f64, p1: f64, target: Target) -> Result<f64, String> {
    let Target {
        miss_rate,
        answers_per_s,
        false_alarms_per_year: wanted,
    } = target;
    let config = |tenths: u32| AccrualConfig {
        p0,
        p1,
        threshold: f64::from(tenths) / f64::from(GRID),
    };
    config(1).check()?;
    if p1 < APART * p0 {
        return Err(format!(
            "a threshold can only be computed if p1 is at least {APART} times p0, not p0 = {p0}, p1 = {p1}: set them \
             further apart, or set the threshold itself"
        ));
    }
    if !(0.0 < miss_rate && miss_rate < 1.0) {
        return Err(format!(
            "the miss rate of a healthy instance must be above 0 and below 1, not {miss_rate}"
        ));
    }
    for (name, value) in [("answers per second", answers_per_s), ("false alarms per year", wanted)] {
        if !(value > 0.0 && value.is_finite()) {
            return Err(format!("the {name} must be above 0, not {value}"));
        }
    }
    let met = |tenths: u32| false_alarms_per_year(&config(tenths), miss_rate, answers_per_s) <= wanted;
    let (mut low, mut high) = (0, MOST);
    if !met(high) {
        return Err(format!(
            "no accrual threshold keeps an instance that misses {miss_rate} of {answers_per_s} answers/s below \
             {wanted} false alarms a year: raise p0 and p1, or the wanted rate"
        ));
    }
    while low + 1 < high {
        let middle = low.midpoint(high);
        if met(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Ok(config(high).threshold)
}

#[cfg(test)]
mod tests;
