//! The dashboard's parameters. Every flag has an environment variable; the flag wins.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::builder::BoolishValueParser;
use reqwest::Url;
use tolerancia_core::ReplicaId;
use tolerancia_service::config::{ServiceArgs, name};

use crate::gate;
use crate::upstream::Places;

/// What the dashboard can be told.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// What every service can be told.
    #[command(flatten)]
    pub service: ServiceArgs,

    /// The monitor's address; by default on this host after the base port.
    #[arg(long, env = "MONITOR_URL", value_name = "URL")]
    pub monitor_url: Option<String>,

    /// The voter's address; by default on this host after the base port.
    #[arg(long, env = "VOTER_URL", value_name = "URL")]
    pub voter_url: Option<String>,

    /// The address of orders-svc; by default on this host after the base port.
    #[arg(long, env = "ORDERS_URL", value_name = "URL")]
    pub orders_url: Option<String>,

    /// Directory of the experiments' results, one folder each.
    #[arg(long, env = "RESULTS_DIR", default_value = "results")]
    pub results_dir: PathBuf,

    /// Directory of scenario files that can be chosen; if there is none, only the built-in one can.
    #[arg(long, env = "SCENARIOS_DIR", default_value = "scenarios")]
    pub scenarios_dir: PathBuf,

    /// Whether experiments may be started from the page, where it is about the system on the ports of this host: on or off.
    #[arg(long, env = "EXPERIMENTS", default_value = "on", action = clap::ArgAction::Set, value_name = "on|off", value_parser = BoolishValueParser::new())]
    pub experiments: bool,

    /// Host names by which the page may be asked for, beside `localhost` and addresses; separated by commas.
    #[arg(long = "hosts", env = "DASHBOARD_HOSTS", value_name = "NAMES", value_delimiter = ',')]
    pub hosts: Vec<String>,
}

impl Args {
    /// Whether experiments may be started from here. They measure the system on this host's ports after the base port: where
    /// any address was given, that need not be the one which the page is about.
    pub(crate) fn starts_experiments(&self) -> bool {
        let elsewhere = [&self.monitor_url, &self.voter_url, &self.orders_url];
        let is_here = elsewhere.iter().all(|url| url.is_none()) && self.service.inventory_urls.is_empty();
        self.service.fault_injection && self.experiments && is_here
    }

    /// These arguments with everything filled in.
    ///
    /// # Errors
    /// When parameters contradict one another, or an address or a host name is none; the message names them.
    pub(crate) fn prepared(mut self) -> Result<Self> {
        self.service = self.service.prepared(name::DASHBOARD)?;
        for (variable, url) in [
            ("MONITOR_URL", &mut self.monitor_url),
            ("VOTER_URL", &mut self.voter_url),
            ("ORDERS_URL", &mut self.orders_url),
        ] {
            let given = url.take();
            *url = given.and_then(address);
            if let Some(url) = url {
                if !is_address(url) {
                    bail!("{variable} is {url:?}: set it to an address like http://127.0.0.1:5004");
                }
                url.truncate(url.trim_end_matches('/').len());
            }
        }
        self.hosts = gate::hosts(&self.hosts)?;
        Ok(self)
    }

    /// Where the services are.
    pub(crate) fn places(&self) -> Places {
        let ports = self.service.ports();
        let place = |given: &Option<String>, port: u16| {
            let here = || format!("http://127.0.0.1:{port}");
            given.clone().unwrap_or_else(here)
        };
        Places {
            monitor: place(&self.monitor_url, ports.monitor()),
            voter: place(&self.voter_url, ports.voter()),
            orders: place(&self.orders_url, ports.orders()),
        }
    }

    /// Where a replica is, `http://HOST:PORT`.
    pub(crate) fn replica(&self, replica: ReplicaId) -> String {
        format!("http://{}", self.service.replica_addr(replica))
    }
}

/// `http://HOST:PORT` out of what was given, if it is not empty.
fn address(given: String) -> Option<String> {
    let given = given.trim();
    let scheme = if given.contains("://") { "" } else { "http://" };
    (!given.is_empty()).then(|| format!("{scheme}{given}"))
}

fn is_address(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| url.scheme() == "http" && url.has_host())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::Parser as _;

    #[derive(Debug, clap::Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn prepared(flags: &[&str]) -> Result<Args> {
        Cli::try_parse_from([&["dashboard"], flags].concat())
            .unwrap()
            .args
            .prepared()
    }

    #[test]
    fn the_services_are_looked_for_after_the_base_port_or_where_one_says() {
        let args = prepared(&["--base-port", "7001", "--voter-url", "voter:1/", "--monitor-url", " "]).unwrap();
        let places = args.places();
        assert_eq!(places.monitor, "http://127.0.0.1:7004");
        assert_eq!(places.voter, "http://voter:1");
        assert_eq!(places.orders, "http://127.0.0.1:7006");
        assert_eq!(args.replica(ReplicaId::new(2).unwrap()), "http://127.0.0.1:7002");
        assert_eq!(args.service.addr().port(), 7007);
    }

    #[test]
    fn experiments_are_for_the_system_that_the_base_port_names() {
        let on = |flags: &[&str]| {
            let all = [&["--fault-injection", "on"], flags].concat();
            prepared(&all).unwrap().starts_experiments()
        };
        assert!(
            !prepared(&[]).unwrap().starts_experiments(),
            "no faults, no experiments"
        );
        assert!(on(&[]));
        assert!(
            on(&["--monitor-url", "", "--inventory-urls", " "]),
            "empty is not given"
        );
        assert!(!on(&["--experiments", "off"]));
        for given in [
            ["--monitor-url", "http://127.0.0.1:5004"],
            ["--voter-url", "voter:5005"],
            ["--orders-url", "orders:5006"],
            ["--inventory-urls", "a:1,b:1,c:1"],
        ] {
            assert!(!on(&given), "{given:?}");
        }
    }

    #[test]
    fn a_host_that_is_none_is_found_at_start() {
        for hosts in [
            "https://dash.example.org",
            "dash.example.org/x",
            "*.example.org",
            "dash.example.org, a b",
        ] {
            let error = prepared(&["--hosts", hosts]).unwrap_err().to_string();
            let wrong = hosts.rsplit(',').next().unwrap().trim();
            assert!(
                error.contains("DASHBOARD_HOSTS") && error.contains(wrong) && error.contains("like dash.example.org"),
                "{error}"
            );
        }
        let args = prepared(&["--hosts", "Dash.Example.org:80, ,[::1]"]).unwrap();
        assert_eq!(args.hosts, ["dash.example.org", "[::1]"]);
    }

    #[test]
    fn what_is_no_address_is_found_at_start() {
        for url in ["https://monitor", "ftp://monitor", "http://", "a b"] {
            let error = prepared(&["--monitor-url", url]).unwrap_err().to_string();
            assert!(error.contains("MONITOR_URL"), "{error}");
        }
    }
}
