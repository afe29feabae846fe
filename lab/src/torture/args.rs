//! Arguments of `tolerancia torture` that say what is done, not where.

use std::path::PathBuf;

use serde_json::json;

use super::CATALOGUE;
use super::schedule::{Schedule, Topology};
use crate::console;

/// How long it takes, how hard it is, and where the result goes.
#[derive(Debug, Clone, clap::Args)]
pub struct TortureArgs {
    /// How long faults act and clients work, seconds, 10 to 86400. The last 20 s (of a run below 60 s, the last third) are
    /// free of faults.
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(10..=86_400))]
    pub seconds: u32,

    /// Seed of the schedule and of what clients do; without it, another one each time. The same seed gives the same schedule.
    #[arg(long, value_name = "S")]
    seed: Option<u64>,

    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,

    /// A directory for everything that was seen: requests and answers, the log, what was done, as JSON lines.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Requests per second of all clients together, while every answer comes at once; 1 to 10000.
    #[arg(long, value_name = "R", default_value_t = 60.0, value_parser = rate)]
    pub rps: f64,

    /// Print what would be done when, and do nothing.
    #[arg(long)]
    pub plan: bool,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (1.0..=10_000.0).contains(&rate) => Ok(rate),
        _ => Err("a number from 1 to 10000 is needed".to_owned()),
    }
}

impl TortureArgs {
    /// The seed that was given, or one that nobody chose.
    #[must_use]
    pub fn seed(&self) -> u64 {
        // Short enough to be typed.
        self.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()))
    }

    /// What is done in a system with so many replicas.
    #[must_use]
    pub fn schedule(&self, seed: u64, replicas: u8) -> Schedule {
        let products = CATALOGUE
            .iter()
            .filter_map(|(product, _)| product.parse().ok())
            .collect();
        Schedule::new(seed, self.seconds, &Topology { replicas, products })
    }

    /// Prints the schedule.
    pub fn print_plan(&self, replicas: u8) {
        let schedule = self.schedule(self.seed(), replicas);
        if self.json {
            let plan =
                json!({ "schema": 1, "seed": schedule.seed, "seconds": self.seconds, "planned": schedule.planned });
            console::out(plan);
            return;
        }
        for planned in &schedule.planned {
            console::out(planned);
        }
        console::out(format_args!(
            "seed {}: {} actions in {} s",
            schedule.seed,
            schedule.planned.len(),
            self.seconds
        ));
    }
}
