//! The faults that can be injected into one inventory replica, and what each does to an answer.
//!
//! Terms as in Avizienis, Laprie, Randell and Landwehr, "Basic Concepts and Taxonomy of Dependable and
//! Secure Computing", IEEE TDSC 1(1), 2004. Only the description and the arithmetic are here; the layer
//! that applies them to real answers and real processes is `tolerancia_service::fault`.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ProductId, Stock};

/// What is broken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// The process dies at once (SIGKILL).
    Crash,
    /// Every answer sleeps first: uniform 500 to 1500 ms, or `latency_ms` ± 20 %.
    Latency {
        /// Mean of the sleep in milliseconds, 1 to 60,000; absent: uniform 500 to 1500 ms.
        #[serde(
            default,
            deserialize_with = "crate::whole::option",
            skip_serializing_if = "Option::is_none"
        )]
        #[schemars(with = "u64", range(min = 1, max = MAX_LATENCY_MS))]
        latency_ms: Option<u64>,
    },
    /// Answers are 5xx with this probability.
    Intermittent {
        /// 0 < probability ≤ 1.
        #[serde(default = "half")]
        #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1))]
        probability: f64,
    },
    /// The stock of one product is reported wrong.
    Incorrect {
        /// Which product.
        product: ProductId,
    },
    /// The process is stopped (SIGSTOP): sockets stay open, nothing answers.
    Freeze,
    /// The replica stops consuming but keeps answering.
    Stale,
}

/// Which answers a fault touches. The default is all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Queries and health checks.
    #[default]
    All,
    /// Queries only: health looks fine (a gray failure).
    Queries,
    /// Health checks only: queries are fine.
    Health,
}

impl Scope {
    /// Whether the fault touches health answers (`true`) or query answers (`false`).
    #[must_use]
    pub const fn covers(self, health: bool) -> bool {
        match self {
            Self::All => true,
            Self::Queries => !health,
            Self::Health => health,
        }
    }
}

/// A fault and the answers it touches: one injection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("unevaluatedProperties" = false))]
pub struct FaultSpec {
    /// What is broken.
    #[serde(flatten)]
    pub fault: Fault,
    /// Which answers it touches.
    #[serde(default)]
    pub scope: Scope,
}

/// Faults that one instance can have at a time.
pub const MAX_FAULTS: usize = 8;

impl FaultSpec {
    /// Whether the two cannot be there at a time, so that the later one takes the place of the earlier: the same
    /// kind of fault with the same scope. Lies about different products go together; a lie about one product is the
    /// same with either scope, as no health answer contains stock.
    #[must_use]
    pub fn replaces(&self, other: &Self) -> bool {
        match (&self.fault, &other.fault) {
            (Fault::Incorrect { product: one }, Fault::Incorrect { product: two }) => one == two,
            (one, two) => one.name() == two.name() && self.scope == other.scope,
        }
    }
}

/// Checks that an instance can have these faults at a time: one to [`MAX_FAULTS`], each with its parameters in
/// range, none of which takes the place of another.
///
/// # Errors
/// A message for the caller that says what to change.
pub fn check_all(faults: &[FaultSpec]) -> Result<(), String> {
    if !(1..=MAX_FAULTS).contains(&faults.len()) {
        return Err(format!(
            "an instance can have 1 to {MAX_FAULTS} faults at a time, not {}",
            faults.len()
        ));
    }
    for (n, spec) in faults.iter().enumerate() {
        spec.fault.check()?;
        if faults[..n].iter().any(|before| spec.replaces(before)) {
            return Err(format!(
                "{} is there twice for the same answers: leave one out",
                spec.fault
            ));
        }
    }
    let has = |wanted: &Fault| faults.iter().any(|spec| spec.fault == *wanted);
    if has(&Fault::Crash) && has(&Fault::Freeze) {
        return Err("a process cannot die and stand still at a time: choose crash or freeze".to_owned());
    }
    Ok(())
}

const fn half() -> f64 {
    0.5
}

/// The longest latency that can be injected, in milliseconds.
pub const MAX_LATENCY_MS: u64 = 60_000;

impl Fault {
    /// The fault's name as the command line and the report write it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Latency { .. } => "latency",
            Self::Intermittent { .. } => "intermittent",
            Self::Incorrect { .. } => "incorrect",
            Self::Freeze => "freeze",
            Self::Stale => "stale",
        }
    }

    /// Checks the ranges that the types do not hold.
    ///
    /// # Errors
    /// A message for the caller when a probability or a latency is out of range.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self::Intermittent { probability } if !(*probability > 0.0 && *probability <= 1.0) => {
                Err(format!("probability must be above 0 and at most 1, not {probability}"))
            }
            Self::Latency { latency_ms: Some(ms) } if !(1..=MAX_LATENCY_MS).contains(ms) => {
                Err(format!("latency must be 1 to {MAX_LATENCY_MS} ms, not {ms}"))
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How long one answer sleeps, in milliseconds, for a uniform `chance` in [0, 1).
#[must_use]
pub fn latency_ms(mean_ms: Option<u64>, chance: f64) -> f64 {
    let (low, high) = mean_ms.map_or((500.0, 1500.0), |mean| (mean as f64 * 0.8, mean as f64 * 1.2));
    low + (high - low) * chance.clamp(0.0, 1.0)
}

/// A wrong stock that differs from the true one and looks plausible: `chance` in [0, 1) picks it.
#[must_use]
pub fn falsify(truth: Stock, chance: f64) -> Stock {
    let bump = 1 + (chance.clamp(0.0, 1.0) * 100.0) as u64;
    // Only near the end of the range, so there is enough to take away.
    let available = truth
        .available
        .checked_add(bump)
        .unwrap_or_else(|| truth.available - bump);
    Stock {
        available,
        reserved: truth.reserved,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_are_checked() {
        for bad in [0.0, -0.1, 1.5, f64::NAN, f64::INFINITY] {
            assert!(Fault::Intermittent { probability: bad }.check().is_err(), "{bad}");
        }
        assert!(Fault::Intermittent { probability: 1.0 }.check().is_ok());
        assert!(Fault::Latency { latency_ms: Some(0) }.check().is_err());
        assert!(
            Fault::Latency {
                latency_ms: Some(60_001)
            }
            .check()
            .is_err()
        );
        assert!(Fault::Latency { latency_ms: None }.check().is_ok());
    }

    fn spec() -> impl Strategy<Value = FaultSpec> {
        let product = prop::sample::select(vec!["PROD-001", "PROD-002", "PROD-003"]);
        let fault = prop_oneof![
            Just(Fault::Crash),
            Just(Fault::Freeze),
            Just(Fault::Stale),
            prop::option::of(1u64..=MAX_LATENCY_MS).prop_map(|latency_ms| Fault::Latency { latency_ms }),
            (0.01f64..=1.0).prop_map(|probability| Fault::Intermittent { probability }),
            product.prop_map(|product| Fault::Incorrect {
                product: product.parse().unwrap()
            }),
        ];
        let scope = prop::sample::select(vec![Scope::All, Scope::Queries, Scope::Health]);
        (fault, scope).prop_map(|(fault, scope)| FaultSpec { fault, scope })
    }

    #[test]
    fn parameters_do_not_make_another_fault_but_scopes_and_products_do() {
        let latency = |ms, scope| FaultSpec {
            fault: Fault::Latency { latency_ms: ms },
            scope,
        };
        let lie = |product: &str, scope| FaultSpec {
            fault: Fault::Incorrect {
                product: product.parse().unwrap(),
            },
            scope,
        };
        assert!(latency(Some(5), Scope::All).replaces(&latency(None, Scope::All)));
        assert!(!latency(Some(5), Scope::Health).replaces(&latency(Some(5), Scope::Queries)));
        assert!(!latency(Some(5), Scope::Health).replaces(&latency(Some(5), Scope::All)));
        assert!(lie("PROD-001", Scope::All).replaces(&lie("PROD-001", Scope::Queries)));
        assert!(!lie("PROD-001", Scope::All).replaces(&lie("PROD-002", Scope::All)));
    }

    #[test]
    fn a_bad_fault_spoils_the_list() {
        let intermittent = |probability| FaultSpec {
            fault: Fault::Intermittent { probability },
            scope: Scope::Queries,
        };
        let slow = FaultSpec {
            fault: Fault::Latency { latency_ms: Some(9) },
            scope: Scope::Health,
        };
        check_all(&[intermittent(0.5), slow.clone()]).unwrap();
        assert!(check_all(&[]).unwrap_err().contains("1 to 8"));
        assert!(
            check_all(&[slow.clone(), intermittent(1.5)])
                .unwrap_err()
                .contains("1.5")
        );
        assert!(
            check_all(&[intermittent(0.5), slow, intermittent(0.6)])
                .unwrap_err()
                .contains("twice")
        );
    }

    #[test]
    fn a_process_does_not_die_and_stand_still_at_a_time() {
        let whole = |fault| FaultSpec {
            fault,
            scope: Scope::All,
        };
        let problem = check_all(&[whole(Fault::Freeze), whole(Fault::Crash)]).unwrap_err();
        assert!(problem.contains("choose crash or freeze"), "{problem}");
    }

    proptest! {
        #[test]
        fn taking_the_place_of_another_is_an_equivalence(a in spec(), b in spec(), c in spec()) {
            prop_assert!(a.replaces(&a));
            prop_assert_eq!(a.replaces(&b), b.replaces(&a));
            prop_assert!(!(a.replaces(&b) && b.replaces(&c)) || a.replaces(&c));
        }

        #[test]
        fn a_list_is_accepted_if_it_is_short_and_nothing_is_there_twice_or_contradicts(
            faults in prop::collection::vec(spec(), 0..=MAX_FAULTS + 2),
        ) {
            let pairs = faults.iter().enumerate().flat_map(|(n, a)| faults[..n].iter().map(move |b| (a, b)));
            let twice = pairs.filter(|(a, b)| a.replaces(b)).count();
            let fits = (1..=MAX_FAULTS).contains(&faults.len());
            let has = |wanted: Fault| faults.iter().any(|spec| spec.fault == wanted);
            let both = has(Fault::Crash) && has(Fault::Freeze);
            prop_assert_eq!(check_all(&faults).is_ok(), fits && twice == 0 && !both);
        }

        #[test]
        fn a_falsified_stock_is_always_wrong(
            available in prop_oneof![any::<u64>(), 0u64..200, u64::MAX - 200..=u64::MAX],
            reserved: u64,
            chance in 0.0f64..1.0,
        ) {
            let truth = Stock { available, reserved };
            prop_assert_ne!(falsify(truth, chance), truth);
        }

        #[test]
        fn latency_stays_within_its_range(mean in prop::option::of(1u64..60_000), chance in 0.0f64..1.0) {
            let ms = latency_ms(mean, chance);
            match mean {
                None => prop_assert!((500.0..=1500.0).contains(&ms)),
                Some(mean) => prop_assert!((ms - mean as f64).abs() <= mean as f64 * 0.2 + 1e-9),
            }
        }
    }
}
