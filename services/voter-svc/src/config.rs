//! The voter's parameters. Every flag has an environment variable; the flag wins.

use std::time::Duration;

use anyhow::{Result, bail};
use tolerancia_service::config::ServiceArgs;

use crate::voter::{Patience, Rules};

/// What the voter can be told.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// What every service can be told.
    #[command(flatten)]
    pub service: ServiceArgs,

    /// End of a vote, in milliseconds: without a quorum by then the answer is 503.
    #[arg(long, env = "VOTING_TIMEOUT_MS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    pub voting_timeout_ms: u64,

    /// Lowest value of the adaptive bound after which an answer is late, in milliseconds.
    #[arg(long, env = "LATE_FLOOR_MS", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub late_floor_ms: u64,

    /// Highest value of that bound, in milliseconds; without it 200, or the voting timeout if that is less.
    #[arg(long, env = "LATE_CAP_MS", value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub late_cap_ms: Option<u64>,

    /// How long a version that no other replica reaches may be lag, in milliseconds.
    #[arg(long, env = "LAG_BUDGET_MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub lag_budget_ms: u64,

    /// Products per second that are voted on without a client.
    #[arg(long, env = "SCRUB_RATE", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=300))]
    pub scrub_rate: u32,

    /// Votes per second on behalf of clients for which a replica that is OFF is asked all the same.
    #[arg(long, env = "SHADOW_RATE", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub shadow_rate: u32,
}

/// The cap of the late bound, unless the voting timeout is shorter.
const LATE_CAP_MS: u64 = 200;

impl Args {
    /// The parameters of voting.
    ///
    /// # Errors
    /// When parameters contradict one another; the message names them.
    pub(crate) fn rules(&self) -> Result<Rules> {
        let (floor, timeout) = (self.late_floor_ms, self.voting_timeout_ms);
        let cap = self.late_cap_ms.unwrap_or(LATE_CAP_MS.min(timeout));
        if floor > cap {
            bail!("LATE_FLOOR_MS ({floor}) is above LATE_CAP_MS ({cap}): lower the first or raise the second");
        }
        if cap > timeout {
            bail!("LATE_CAP_MS ({cap}) is above VOTING_TIMEOUT_MS ({timeout}): lower the first or raise the second");
        }
        Ok(Rules {
            patience: Patience {
                late_floor: Duration::from_millis(floor),
                late_cap: Duration::from_millis(cap),
                timeout: Duration::from_millis(timeout),
            },
            lag_budget: Duration::from_millis(self.lag_budget_ms),
            shadow_rate: self.shadow_rate,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn rules(flags: &[&str]) -> Result<Rules> {
        Cli::try_parse_from([&["voter-svc"], flags].concat())
            .unwrap()
            .args
            .rules()
    }

    #[test]
    fn the_late_bound_fits_into_the_vote() {
        let patience = rules(&[]).unwrap().patience;
        assert_eq!(
            [patience.late_floor, patience.late_cap, patience.timeout],
            [50, 200, 300].map(Duration::from_millis)
        );
        assert!(rules(&["--late-floor-ms", "300", "--late-cap-ms", "300"]).is_ok());
        let short = rules(&["--voting-timeout-ms", "150"]).unwrap().patience;
        assert_eq!(short.late_cap, short.timeout, "a cap that was not set gives way");
        for (flags, named) in [
            (["--late-floor-ms", "201"], "LATE_CAP_MS (200)"),
            (["--late-cap-ms", "49"], "LATE_FLOOR_MS (50)"),
            (["--late-cap-ms", "301"], "VOTING_TIMEOUT_MS (300)"),
            (["--voting-timeout-ms", "49"], "LATE_FLOOR_MS (50)"),
        ] {
            let error = rules(&flags).unwrap_err().to_string();
            assert!(error.contains(named), "{flags:?}: {error}");
        }
    }
}
