//! What a few measurements say, and how far they can be trusted.
//!
//! | file | job |
//! | --- | --- |
//! | `quantile` | quantiles, type 7 of Hyndman and Fan |
//! | `summary` | median, 95th percentile and maximum with their intervals |
//! | `bootstrap` | intervals without an assumption about the distribution |
//! | `ecdf` | empirical distributions, with trials that were missed |
//! | `proportion` | shares: Wilson's interval, Newcombe's for a difference, Fisher's exact test |
//! | `permutation` | whether two samples may come from one distribution |
//! | `holm` | the correction for many tests |
//!
//! Times of a few trials are not normally distributed and their mean says little; nothing here assumes that they are.
//! Whatever is random is seeded: the same data and seed give the same result.

mod bootstrap;
mod ecdf;
mod holm;
mod permutation;
mod proportion;
mod quantile;
mod summary;

pub use bootstrap::{difference_interval, quantile_interval};
pub use ecdf::Ecdf;
pub use holm::holm;
pub use permutation::{difference, permutation_test};
pub use proportion::{fisher_exact, share_difference, wilson};
pub use quantile::{mean, median, p95, quantile, sorted};
pub use summary::{Summary, summarize};

/// With fewer values than these a 95th percentile says no more than the maximum: it lies between the two largest.
pub const FEW: usize = 20;

/// The mouse data of Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, table 2.1: survival in days.
#[cfg(test)]
mod mice {
    pub const TREATED: [f64; 7] = [94.0, 197.0, 16.0, 38.0, 99.0, 141.0, 23.0];
    pub const CONTROL: [f64; 9] = [52.0, 104.0, 146.0, 10.0, 51.0, 30.0, 40.0, 27.0, 46.0];
}
