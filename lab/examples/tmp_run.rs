#![allow(missing_docs, clippy::unwrap_used)]
use clap::Parser;
use tolerancia_lab::experiment::{self, ExperimentArgs, Target};
#[derive(Parser)]
struct A { #[command(flatten)] e: ExperimentArgs, #[arg(long, default_value_t = 17001)] base: u16, #[arg(long)] kafka: String }
#[tokio::main]
async fn main() {
    let a = A::parse();
    let at = |p: u16| format!("http://127.0.0.1:{}", a.base + p);
    let t = Target { voter_url: at(4), orders_url: at(5), monitor_url: at(3), inventory_urls: (0..3).map(at).collect(),
        bus: tolerancia_bus::BusConfig { bootstrap: a.kafka.clone(), client_id: "lab".into(), fetch_wait: std::time::Duration::from_millis(2), partitions: 1, replication: 1, extra: vec![] },
        fault_token: None, kafka: "embedded", database: "sqlite", replicas: 3 };
    let stop = tokio_util::sync::CancellationToken::new();
    let s2 = stop.clone();
    tokio::spawn(async move { tokio::signal::ctrl_c().await.unwrap(); s2.cancel(); });
    let r = experiment::run(a.e, t, stop).await;
    match r { Ok(o) => println!("{o:?}"), Err(e) => println!("ERR {e}") }
}
