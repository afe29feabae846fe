//! `tolerancia load`: the laboratory's load generator on the command line.

use tolerancia_lab::load;
use tolerancia_service::config::Ports;

use crate::outcome::{DONE, INTERRUPTED, Outcome};
use crate::signals;
use crate::up::Place;

/// The ports that the laboratory's default addresses have.
const DEFAULT: Ports = Ports {
    base: 5001,
    replicas: 3,
};

/// Arguments of `tolerancia load`.
#[derive(Debug, clap::Args)]
pub struct LoadCommand {
    #[command(flatten)]
    lab: load::LoadArgs,

    #[command(flatten)]
    place: Place,
}

impl LoadCommand {
    /// The addresses that were not given follow the base port.
    fn placed(self) -> load::LoadArgs {
        let mut lab = self.lab;
        let ports = self.place.ports();
        let at = |port: u16| format!("http://127.0.0.1:{port}");
        for (url, default, port) in [
            (&mut lab.voter_url, DEFAULT.voter(), ports.voter()),
            (&mut lab.orders_url, DEFAULT.orders(), ports.orders()),
            (&mut lab.monitor_url, DEFAULT.monitor(), ports.monitor()),
        ] {
            if *url == at(default) {
                *url = at(port);
            }
        }
        lab
    }
}

/// Sends the load; a signal ends it early, with a report of what was measured until then.
pub async fn run(args: LoadCommand) -> Outcome {
    let signals = signals::watch()?;
    let load = load::run(args.placed(), signals.stop.clone());
    tokio::select! {
        outcome = load => outcome?,
        () = signals.kill.cancelled() => return Ok(INTERRUPTED),
    };
    Ok(if signals.stop.is_cancelled() { INTERRUPTED } else { DONE })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        load: LoadCommand,
    }

    #[test]
    fn addresses_follow_the_base_port_unless_given() {
        let args = [
            "load",
            "both",
            "--base-port",
            "7001",
            "--replicas",
            "5",
            "--voter-url",
            "http://v:1",
        ];
        let lab = Cli::try_parse_from(args).expect("valid").load.placed();
        assert_eq!(lab.voter_url, "http://v:1");
        assert_eq!(lab.orders_url, "http://127.0.0.1:7008");
        assert_eq!(lab.monitor_url, "http://127.0.0.1:7006");
    }
}
