//! What the embedded broker and its clients can do on this machine: `measure [FETCH_WAIT_MS [PART]]`, where the
//! parts are `one`, `bulk`, `idle`, `orders`. Prints, judges nothing.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use tolerancia_bus::{BusConfig, Consumer, Producer, Start, end_offsets, ensure_topics, read_all};
use tolerancia_wire::time::mono_ns;
use tolerancia_wire::topic::{ERROR_QUEUE, INVENTORY_RESULTS, ORDER_EVENTS};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let [_, role, port, file] = args.as_slice()
        && role == "broker"
    {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().unwrap()));
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime
            .block_on(tolerancia_broker::run(listen, Path::new(file)))
            .unwrap();
    } else {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let wait = args.get(1).map_or(100, |wait| wait.parse().unwrap());
        let part = args.get(2).map_or("", String::as_str);
        runtime.block_on(measure(Duration::from_millis(wait), part));
    }
}

struct Broker(Child);

impl Drop for Broker {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

async fn measure(wait: Duration, part: &str) {
    let wanted = |name| part.is_empty() || part == name;
    let dir = tempfile::tempdir().unwrap();
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let broker = Broker(
        Command::new(std::env::current_exe().unwrap())
            .args(["broker", &port.to_string()])
            .arg(dir.path().join("broker.db"))
            .spawn()
            .unwrap(),
    );
    let config = BusConfig {
        bootstrap: format!("127.0.0.1:{port}"),
        client_id: "measure".to_owned(),
        fetch_wait: wait,
        partitions: 1,
        replication: 1,
        extra: Vec::new(),
    };
    let started = Instant::now();
    ensure_topics(&config).await.unwrap();
    println!(
        "fetch wait {wait:?}; broker up, topics made in {:?}; memory {} MiB",
        started.elapsed(),
        rss(broker.0.id())
    );
    let producer = Producer::new(&config, Duration::from_secs(10)).unwrap();
    producer.send(ERROR_QUEUE, None, None, vec![0]).await.unwrap();

    if wanted("one") {
        ack_latency(&producer).await;
        end_to_end(&config, &producer).await;
    }
    if wanted("bulk") {
        bulk(&config, &producer).await;
    }
    if wanted("idle") {
        for count in [1, 6] {
            for millis in [2, 5, 10, 100] {
                idle(
                    &config.clone().with_fetch_wait(Duration::from_millis(millis)),
                    broker.0.id(),
                    count,
                )
                .await;
            }
        }
    }
    if wanted("orders") {
        for rate in [10, 200, 1000, 2000] {
            for batched in [false, true] {
                orders(&config, broker.0.id(), rate, batched).await;
            }
        }
    }
    println!("memory at the end: broker {} MiB", rss(broker.0.id()));
}

async fn ack_latency(producer: &Producer) {
    let mut times = Vec::new();
    for _ in 0..500 {
        let started = Instant::now();
        producer
            .send(ORDER_EVENTS, None, Some(b"k"), vec![b'x'; 250])
            .await
            .unwrap();
        times.push(started.elapsed());
    }
    println!("acknowledgement, one at a time: {}", spread(times));
}

async fn end_to_end(config: &BusConfig, producer: &Producer) {
    let mut consumer = Consumer::new(config, ORDER_EVENTS, Start::End).await.unwrap();
    let mut times = Vec::new();
    for _ in 0..300 {
        let started = Instant::now();
        producer
            .send_forget(ORDER_EVENTS, None, Some(b"k"), vec![b'x'; 250])
            .unwrap();
        consumer.recv_batch(10).await.unwrap();
        times.push(started.elapsed());
        tokio::time::sleep(Duration::from_millis(7)).await;
    }
    println!("send to receive, one at a time: {}", spread(times));
}

async fn bulk(config: &BusConfig, producer: &Producer) {
    let started = Instant::now();
    for _ in 0..50_000 {
        while producer
            .send_forget(ORDER_EVENTS, None, Some(b"k"), vec![b'x'; 250])
            .is_err()
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    producer.flush(Duration::from_secs(60)).await;
    println!(
        "bulk produce: {:.0} records/s",
        50_000.0 / started.elapsed().as_secs_f64()
    );
    let end = end_offsets(config, ORDER_EVENTS).await.unwrap()[&0];
    let started = Instant::now();
    let mut first = None;
    let mut consumer = Consumer::new(config, ORDER_EVENTS, Start::At([(0, end - 50_000)].into()))
        .await
        .unwrap();
    while consumer.position()[&0] < end {
        consumer.recv_batch(1000).await.unwrap();
        first.get_or_insert_with(|| started.elapsed());
    }
    println!(
        "backlog of 50,000: {:.0} records/s (first after {first:?})",
        50_000.0 / started.elapsed().as_secs_f64()
    );
    let started = Instant::now();
    let all = read_all(config, ORDER_EVENTS).await.unwrap();
    println!("read_all: {} records in {:?}", all.len(), started.elapsed());
}

async fn idle(config: &BusConfig, broker: u32, count: usize) {
    let mut consumers = Vec::new();
    for _ in 0..count {
        let mut consumer = Consumer::new(config, ERROR_QUEUE, Start::End).await.unwrap();
        consumers.push(tokio::spawn(async move { consumer.recv_batch(1).await }));
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = (cpu(broker), cpu(std::process::id()));
    tokio::time::sleep(Duration::from_secs(3)).await;
    println!(
        "idle, {count} consumers at {:?}: broker {:.1} %, all clients {:.1} % of a core",
        config.fetch_wait,
        (cpu(broker) - before.0) / 3.0 * 100.0,
        (cpu(std::process::id()) - before.1) / 3.0 * 100.0
    );
    for consumer in consumers {
        consumer.abort();
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
}

/// `rate` order-events/s, read by three replicas; each writes its outcomes to inventory-results, one record
/// per event or one per batch; one consumer reads those.
async fn orders(config: &BusConfig, broker: u32, rate: u64, batched: bool) {
    let seconds = 5;
    let mut tasks = Vec::new();
    for replica in 0..3 {
        let mut consumer = Consumer::new(config, ORDER_EVENTS, Start::End).await.unwrap();
        let producer = Producer::new(config, Duration::from_secs(10)).unwrap();
        producer.send(ERROR_QUEUE, None, None, vec![0]).await.unwrap();
        tasks.push(tokio::spawn(async move {
            loop {
                let batch = consumer.recv_batch(500).await.unwrap();
                let size = if batched { batch.len() } else { 1 };
                for part in batch.chunks(size) {
                    let mut payload = Vec::new();
                    for event in part {
                        payload.extend(event.payload[..8].iter());
                        payload.resize(payload.len() + if batched { 100 } else { 300 }, b' ');
                    }
                    payload.insert(0, replica);
                    payload.insert(1, u8::from(batched));
                    let _ = producer.send_forget(INVENTORY_RESULTS, None, Some(b"k"), payload);
                }
            }
        }));
    }
    let mut results = Consumer::new(config, INVENTORY_RESULTS, Start::End).await.unwrap();
    let (report, mut latencies) = tokio::sync::mpsc::channel(100_000);
    tasks.push(tokio::spawn(async move {
        let mut seen = std::collections::HashMap::new();
        loop {
            for message in results.recv_batch(1000).await.unwrap() {
                let now = mono_ns();
                let size = if message.payload[1] == 1 { 108 } else { 308 };
                for part in message.payload[2..].chunks(size) {
                    let stamp = u64::from_le_bytes(part[..8].try_into().unwrap());
                    let count = seen.entry(stamp).or_insert(0);
                    *count += 1;
                    if *count == 2 {
                        let _ = report.try_send(Duration::from_nanos(now - stamp));
                    }
                    if *count == 3 {
                        seen.remove(&stamp);
                    }
                }
            }
        }
    }));
    let producer = Producer::new(config, Duration::from_secs(10)).unwrap();
    producer.send(ERROR_QUEUE, None, None, vec![0]).await.unwrap();
    let before = (cpu(broker), cpu(std::process::id()));
    let started = Instant::now();
    let mut tick = tokio::time::interval(Duration::from_millis(2));
    let mut sent = 0;
    while started.elapsed() < Duration::from_secs(seconds) {
        tick.tick().await;
        while sent < u64::try_from(started.elapsed().as_millis()).unwrap() * rate / 1000 {
            let mut payload = mono_ns().to_le_bytes().to_vec();
            payload.resize(280, b'x');
            let _ = producer.send_forget(ORDER_EVENTS, None, Some(b"k"), payload);
            sent += 1;
        }
    }
    let used = (cpu(broker) - before.0, cpu(std::process::id()) - before.1);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut times = Vec::new();
    while let Ok(time) = latencies.try_recv() {
        times.push(time);
    }
    println!(
        "{rate} orders/s, outcomes {}: {} of {sent} had a quorum, after {}; broker {:.0} %, all clients {:.0} % of a core",
        if batched { "per batch" } else { "one by one" },
        times.len(),
        spread(times),
        used.0 / seconds as f64 * 100.0,
        used.1 / seconds as f64 * 100.0,
    );
    for task in tasks {
        task.abort();
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
}

fn spread(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |part: f64| {
        times
            .get((times.len() as f64 * part) as usize)
            .or(times.last())
            .copied()
            .unwrap_or_default()
    };
    format!("p50 {:.1?}, p99 {:.1?}, max {:.1?}", at(0.5), at(0.99), at(1.0))
}

/// Seconds of processor time that a process has used.
fn cpu(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn rss(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}
