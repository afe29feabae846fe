#![allow(clippy::unwrap_used)]
use super::*;
use clap::Parser as _;

#[derive(Debug, clap::Parser)]
struct Cli {
    #[command(flatten)]
    service: ServiceArgs,
}

fn parse(args: &[&str]) -> Result<ServiceArgs, clap::Error> {
    Cli::try_parse_from([&["svc"], args].concat()).map(|cli| cli.service)
}

#[test]
fn each_service_has_its_place_after_the_base_port() {
    let port = |name, args: &[&str]| parse(args).unwrap().prepared(name).unwrap().addr().port();
    assert_eq!(port(name::INVENTORY, &["--instance-id", "2"]), 5002);
    assert_eq!(port(name::MONITOR, &[]), 5004);
    assert_eq!(port(name::VOTER, &[]), 5005);
    assert_eq!(port(name::ORDERS, &[]), 5006);
    assert_eq!(port(name::DASHBOARD, &[]), 5007);
    assert_eq!(port(name::ORDERS, &["--replicas", "5", "--base-port", "7001"]), 7008);
    assert_eq!(port(name::VOTER, &["--port", "9"]), 9);
    assert_eq!(port(name::VOTER, &["--service-name", "renamed"]), 5005);
}

#[test]
fn contradictions_are_found_at_start() {
    for (name, args) in [
        (name::INVENTORY, &[][..]),
        (name::INVENTORY, &["--instance-id", "0"]),
        (name::INVENTORY, &["--instance-id", "4"]),
        (name::VOTER, &["--inventory-urls", "a:1,b:2"]),
    ] {
        assert!(parse(args).unwrap().prepared(name).is_err(), "{args:?}");
    }
    for args in [
        &["--replicas", "4"][..],
        &["--fault-injection", "perhaps"],
        &["--port", "70000"],
        &["--bind", "x"],
        &["--max-connections", "7"],
        &["--max-in-flight", "0"],
    ] {
        assert!(parse(args).is_err(), "{args:?}");
    }
}

#[test]
fn no_secret_is_shown_and_a_token_that_cannot_be_right_is_refused() {
    let secrets = [
        "--fault-token",
        "swordfish",
        "--postgres-url",
        "postgres://ann:swordfish@db/lab",
    ];
    let args = parse(&secrets).unwrap().prepared(name::MONITOR).unwrap();
    assert_eq!(args.fault_token.as_deref(), Some("swordfish"));
    assert!(!format!("{args:?} {args:#?}").contains("swordfish"));
    let long = "swordfish".repeat(100);
    let error = parse(&["--fault-token", &long])
        .unwrap()
        .prepared(name::MONITOR)
        .unwrap_err();
    let error = error.to_string();
    assert!(error.contains("FAULT_TOKEN") && !error.contains("swordfish"), "{error}");
    // Empty is not given.
    let empty = parse(&["--fault-token", " ", "--postgres-url", ""]).unwrap();
    let empty = empty.prepared(name::MONITOR).unwrap();
    assert_eq!((empty.fault_token, empty.postgres_url), (None, None));
}

#[test]
fn replicas_may_live_elsewhere() {
    let args = parse(&["--inventory-urls", "http://inventory-1:5001/,b:2, c:3"]).unwrap();
    let args = args.prepared(name::VOTER).unwrap();
    let addrs: Vec<_> = ReplicaId::all(3).map(|id| args.replica_addr(id)).collect();
    assert_eq!(addrs, ["inventory-1:5001", "b:2", "c:3"]);
    let args = parse(&[]).unwrap().prepared(name::VOTER).unwrap();
    assert_eq!(args.replica_addr(ReplicaId::new(3).unwrap()), "127.0.0.1:5003");
}

#[test]
fn only_replicas_carry_their_number_in_the_source() {
    let args = parse(&["--instance-id", "2", "--fault-injection", "on"]).unwrap();
    let args = args.prepared(name::INVENTORY).unwrap();
    assert_eq!(args.source(), "inventory-svc/2");
    assert!(args.fault_injection);
    assert_eq!(
        parse(&[]).unwrap().prepared(name::MONITOR).unwrap().source(),
        "monitor-svc"
    );
}
