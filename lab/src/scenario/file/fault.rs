//! One entry of `faults`.

use std::ops::Range;

use serde::Deserialize;
use tolerancia_core::fault::{Fault, FaultSpec, MAX_LATENCY_MS, Scope, check_all};
use toml::Spanned;

use super::super::{Case, FaultObjectives};
use super::{FaultObjectivesTable, Placed, within};

/// The most replicas that a system can have.
const MOST_INSTANCES: i64 = 7;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FaultTable {
    fault: Spanned<String>,
    latency_ms: Option<Spanned<i64>>,
    probability: Option<Spanned<f64>>,
    product: Option<Spanned<String>>,
    products: Option<Spanned<Vec<Spanned<String>>>>,
    scope: Option<Spanned<Scope>>,
    #[serde(default)]
    with: Vec<WithTable>,
    instances: Option<Spanned<i64>>,
    #[serde(default)]
    objectives: FaultObjectivesTable,
}

/// A further fault of the same instance.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WithTable {
    fault: Spanned<String>,
    latency_ms: Option<Spanned<i64>>,
    probability: Option<Spanned<f64>>,
    product: Option<Spanned<String>>,
    products: Option<Spanned<Vec<Spanned<String>>>>,
    scope: Option<Spanned<Scope>>,
}

impl FaultTable {
    /// `objectives` are those of the scenario.
    pub(super) fn check(self, objectives: FaultObjectives) -> Result<Case, Placed> {
        let given = self.instances.as_ref().map(Spanned::span);
        let products = self.products.as_ref().map(|products| products.get_ref().len());
        // A product each says how many there are.
        let default = products.and_then(|len| i64::try_from(len).ok()).unwrap_or(1);
        let instances = within("instances", self.instances, default, 1..=MOST_INSTANCES)?;
        let instances = usize::try_from(instances).unwrap_or(1);
        let span = self.fault.span();
        let first = WithTable {
            fault: self.fault,
            latency_ms: self.latency_ms,
            probability: self.probability,
            product: self.product,
            products: self.products,
            scope: self.scope,
        };
        let mut hits = vec![Vec::new(); instances];
        for part in [first].into_iter().chain(self.with) {
            let part = part.check(instances, given.clone())?;
            for (hit, spec) in hits.iter_mut().zip(part) {
                hit.push(spec);
            }
        }
        for hit in &hits {
            check_all(hit).map_err(|message| (Some(span.clone()), message))?;
        }
        Ok(Case {
            hits,
            objectives: self.objectives.check(objectives)?,
        })
    }
}

impl WithTable {
    /// The fault, once for each of the instances. `given` is where their number stands, if it does.
    fn check(self, instances: usize, given: Option<Range<usize>>) -> Result<Vec<FaultSpec>, Placed> {
        self.refuse_strays()?;
        let span = self.fault.span();
        let name = self.fault.into_inner();
        let most = i64::try_from(MAX_LATENCY_MS).unwrap_or(i64::MAX);
        let latency_ms = match self.latency_ms {
            None => None,
            given => Some(within("latency_ms", given, 1, 1..=most)?.unsigned_abs()),
        };
        let faults = match name.as_str() {
            "crash" => vec![Fault::Crash],
            "latency" => vec![Fault::Latency { latency_ms }],
            "intermittent" => vec![Fault::Intermittent {
                probability: within("probability", self.probability, 0.5, 0.000_001..=1.0)?,
            }],
            "incorrect" => lies(span.clone(), self.product, self.products)?,
            "freeze" => vec![Fault::Freeze],
            "stale" => vec![Fault::Stale],
            _ => {
                let known = "crash, latency, intermittent, incorrect, freeze or stale";
                return Err((Some(span), format!("there is no fault {name:?}; write {known}")));
            }
        };
        if faults.len() > 1 && faults.len() != instances {
            let message = format!(
                "{instances} instances cannot lie about {} products, one each",
                faults.len()
            );
            return Err((Some(given.unwrap_or(span)), message));
        }
        let scope = scope(&faults[0], self.scope)?;
        let specs = faults.into_iter().map(|fault| FaultSpec { fault, scope });
        // One for all, or one each.
        let mut specs: Vec<FaultSpec> = specs.collect();
        specs.resize(instances, specs[0].clone());
        Ok(specs)
    }

    /// A parameter of another fault would be ignored; that is never what was meant.
    fn refuse_strays(&self) -> Result<(), Placed> {
        let name = self.fault.get_ref().as_str();
        let strays = [
            ("latency_ms", "latency", self.latency_ms.is_some()),
            ("probability", "intermittent", self.probability.is_some()),
            ("product", "incorrect", self.product.is_some()),
            ("products", "incorrect", self.products.is_some()),
        ];
        let stray = strays.iter().find(|(_, of, given)| *given && name != *of);
        stray.map_or(Ok(()), |(stray, ..)| {
            Err((Some(self.fault.span()), format!("the fault {name} has no {stray}")))
        })
    }
}

/// Lies about one product, or about one each.
fn lies(
    fault: Range<usize>,
    product: Option<Spanned<String>>,
    products: Option<Spanned<Vec<Spanned<String>>>>,
) -> Result<Vec<Fault>, Placed> {
    let names = match (product, products) {
        (Some(product), None) => vec![product],
        (None, Some(products)) if !products.get_ref().is_empty() => products.into_inner(),
        (Some(_), Some(products)) => {
            let message = "write product, for all instances, or products, one for each".to_owned();
            return Err((Some(products.span()), message));
        }
        (None, _) => {
            let message = "the fault incorrect needs a product, for example product = \"PROD-001\"".to_owned();
            return Err((Some(fault), message));
        }
    };
    let lie = |name: Spanned<String>| {
        let product = name.get_ref().parse();
        let wrong = |error: tolerancia_core::id::InvalidId| (Some(name.span()), error.to_string());
        Ok(Fault::Incorrect {
            product: product.map_err(wrong)?,
        })
    };
    names.into_iter().map(lie).collect()
}

/// The scope, unless the replica would refuse it.
fn scope(fault: &Fault, given: Option<Spanned<Scope>>) -> Result<Scope, Placed> {
    let Some(given) = given else { return Ok(Scope::All) };
    let scope = *given.get_ref();
    let why = match (fault, scope) {
        (Fault::Crash | Fault::Freeze | Fault::Stale, Scope::Queries | Scope::Health) => "hits the whole process",
        (Fault::Incorrect { .. }, Scope::Health) => "falsifies stock, which no health answer contains",
        _ => return Ok(scope),
    };
    Err((Some(given.span()), format!("{fault} {why}: leave the scope out")))
}
