//! librdkafka's properties from the environment.

use std::ffi::OsString;

use anyhow::{Result, bail};

/// What names a librdkafka property in the environment: `KAFKA_PROP_SECURITY_PROTOCOL` is `security.protocol`.
const KAFKA_PREFIX: &str = "KAFKA_PROP_";

/// Properties that the promises rest on, or that have a variable of their own.
const NOT_FREE: [&str; 17] = [
    "acks",
    "request.required.acks",
    "enable.idempotence",
    "enable.gapless.guarantee",
    "partitioner",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "auto.offset.reset",
    "group.id",
    "isolation.level",
    "bootstrap.servers",
    "metadata.broker.list",
    "delivery.timeout.ms",
    "message.timeout.ms",
    "statistics.interval.ms",
    "transactional.id",
    "allow.auto.create.topics",
];

/// The librdkafka properties among these variables.
pub(super) fn kafka_properties(variables: impl Iterator<Item = (OsString, OsString)>) -> Result<Vec<(String, String)>> {
    let mut properties = Vec::new();
    for (name, value) in variables {
        let Some(property) = name.to_str().and_then(|name| name.strip_prefix(KAFKA_PREFIX)) else {
            continue;
        };
        let name = format!("{KAFKA_PREFIX}{property}");
        let property = property.to_lowercase().replace('_', ".");
        if NOT_FREE.contains(&property.as_str()) {
            bail!(
                "{name} would change {property}, on which rests that nothing is lost or doubled (or which has a variable \
                 of its own): unset it"
            );
        }
        // The value may be a password.
        let Some(value) = value.to_str() else {
            bail!("{name} is not UTF-8: correct it or unset it");
        };
        properties.push((property, value.to_owned()));
    }
    Ok(properties)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn kafka_properties_come_from_the_environment() {
        let read = |name: &str, value: &str| kafka_properties([(name.into(), value.into())].into_iter());
        assert_eq!(
            read("KAFKA_PROP_SECURITY_PROTOCOL", "SASL_SSL").unwrap(),
            [("security.protocol".to_owned(), "SASL_SSL".to_owned())]
        );
        assert_eq!(read("KAFKA_PARTITIONS", "3").unwrap(), []);
        for name in NOT_FREE {
            let variable = format!("{KAFKA_PREFIX}{}", name.to_uppercase().replace('.', "_"));
            let error = read(&variable, "secret").unwrap_err().to_string();
            assert!(error.contains(&variable) && !error.contains("secret"), "{error}");
        }
    }
}
