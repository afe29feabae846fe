//! Kafka that asks for a password over TLS, and PostgreSQL that takes TLS connections only. Their certificates live as
//! long as the test.

use std::path::{Path, PathBuf};

use tolerancia_bus::{BusConfig, BusError, ensure_topics};
use tolerancia_store::{StoreError, open_postgres};
use tolerancia_wire::core::OrderId;

use crate::harness::{Kafka, Postgres, System, eventually};

/// The certificate of a CA that has signed nothing here.
fn strange_ca(dir: &Path) -> PathBuf {
    let ca = dir.join("strange-ca.pem");
    let done = std::process::Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ])
        .args(["-days", "2", "-subj", "/CN=a stranger", "-keyout"])
        .arg(dir.join("strange-ca.key"))
        .arg("-out")
        .arg(&ca)
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    ca
}

/// What Kafka's client says that has one property set to something else.
async fn refused(bus: &BusConfig, property: &str, value: &str) -> String {
    let mut bus = bus.clone();
    let known = bus.extra.iter_mut().find(|(name, _)| name == property);
    value.clone_into(&mut known.unwrap_or_else(|| panic!("no {property}")).1);
    match ensure_topics(&bus).await {
        Err(error @ BusError::Unreachable { .. }) => error.to_string(),
        other => panic!("{property}={value}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Apache Kafka and OpenSSL: Java, Maven and openssl"]
async fn passwords_and_tls_are_a_matter_of_variables() {
    let kafka = Kafka::start_with(1, &[("KAFKA_SASL", "plain"), ("KAFKA_TLS", "on")]).await;
    let names: Vec<&str> = kafka.properties().map(|(name, _)| name.as_str()).collect();
    for name in [
        "KAFKA_PROP_SECURITY_PROTOCOL",
        "KAFKA_PROP_SASL_PASSWORD",
        "KAFKA_PROP_SSL_CA_LOCATION",
    ] {
        assert!(names.contains(&name), "nothing is secured: {names:?}");
    }
    let system = System::up_on(&kafka, None, &[]).await;
    let order = system.order("PROD-001", 3).await;
    let stock = system.stock("PROD-001").await;
    assert_eq!(
        (Some(stock.version), stock.stock.reserved),
        (order.version, 3),
        "{stock:?}"
    );
    system.steady().await;
    let (_, password) = kafka.properties().find(|(name, _)| name.ends_with("PASSWORD")).unwrap();
    assert!(!system.log().contains(password), "the password is in the log");

    // Who is not let in is told where to look.
    let mut bus = system.bus();
    bus.extra = kafka
        .properties()
        .filter_map(|(name, value)| {
            let name = name.strip_prefix("KAFKA_PROP_")?;
            Some((name.to_ascii_lowercase().replace('_', "."), value.clone()))
        })
        .collect();
    ensure_topics(&bus).await.unwrap();
    let strange = strange_ca(system.dir());
    let (ca, wrong, plain) = tokio::join!(
        refused(&bus, "ssl.ca.location", strange.to_str().unwrap()),
        refused(&bus, "sasl.password", "MARKED-wrong"),
        refused(&bus, "security.protocol", "SASL_PLAINTEXT"),
    );
    for why in [ca, wrong, plain] {
        assert!(why.contains("KAFKA_PROP_") && !why.contains("MARKED"), "{why}");
    }
    system.down().await;
}

/// What the database's client says.
async fn unusable(url: &str) -> String {
    match open_postgres(url).await {
        Err(StoreError::Unavailable(message)) => message,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL and OpenSSL"]
async fn the_database_is_reached_over_tls_by_those_who_know_its_ca() {
    let postgres = Postgres::alone(&[("POSTGRES_TLS", "on")]);
    let url = postgres.url();
    let (base, parameters) = url.split_once('?').unwrap();
    assert!(parameters.contains("sslmode=verify-full"), "{parameters}");
    let password = base.split([':', '@']).nth(2).unwrap();

    let system = System::up_with(|up| {
        up.env("POSTGRES_URL", url);
    })
    .await;
    let order = system.order("PROD-001", 3).await;
    system.steady().await;
    let store = open_postgres(url).await.unwrap();
    let id: OrderId = order.order_id;
    eventually("the order is in the database", async || store.order(id).await.unwrap()).await;

    let strange = strange_ca(system.dir());
    let strange = strange.to_str().unwrap();
    for (what, url, hint) in [
        (
            "another CA",
            format!("{base}?sslmode=verify-full&sslrootcert={strange}"),
            "sslrootcert",
        ),
        (
            "the CAs of this host",
            format!("{base}?sslmode=verify-full"),
            "sslrootcert",
        ),
        (
            "no such file",
            format!("{base}?sslmode=verify-full&sslrootcert=/no/such.pem"),
            "sslrootcert",
        ),
        ("no TLS", format!("{base}?sslmode=disable"), "sslmode=verify-full"),
        (
            "a wrong password",
            url.replace(password, "MARKED"),
            "check user and password",
        ),
    ] {
        let message = unusable(&url).await;
        assert!(message.contains(hint), "{what}: {message}");
        assert!(
            !message.contains(password) && !message.contains("MARKED"),
            "{what}: {message}"
        );
    }
    let log = system.log();
    assert!(!log.contains(password), "the password is in the log");
    system.down().await;
}
