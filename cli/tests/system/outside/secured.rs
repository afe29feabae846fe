//! Kafka that asks for a password, over TLS.

use crate::harness::{Kafka, System};

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
    system.down().await;
}
