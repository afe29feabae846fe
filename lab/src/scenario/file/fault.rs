//! One entry of `faults`.

use std::ops::Range;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use tolerancia_core::ReplicaId;
use tolerancia_core::fault::{Fault, FaultSpec, MAX_LATENCY_MS, Scope, check_all};
use toml::Spanned;

use super::super::{Case, FaultObjectives, Phase};
use super::objectives::FaultObjectivesTable;
use super::range::{Placed, within};

/// What is broken in one trial: one fault, several `with` one another on one instance, or the same on several
/// `instances`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "fault")]
pub(super) struct FaultTable {
    /// What is broken.
    #[schemars(with = "FaultName")]
    fault: Spanned<String>,
    /// latency: how long an answer sleeps, in milliseconds, ± 20 %; without it 500 to 1500 ms.
    #[schemars(with = "Option<i64>", range(min = 1, max = 60_000))]
    latency_ms: Option<Spanned<i64>>,
    /// intermittent: the probability that an answer is an error; without it 0.5.
    #[schemars(with = "Option<f64>", range(min = 0.000_001, max = 1.0))]
    probability: Option<Spanned<f64>>,
    /// incorrect: the product that is lied about, by all instances.
    #[schemars(with = "Option<String>", length(min = 1))]
    product: Option<Spanned<String>>,
    /// incorrect: a product for each of several instances.
    #[schemars(with = "Option<Vec<String>>", length(min = 1, max = 7))]
    products: Option<Spanned<Vec<Spanned<String>>>>,
    /// latency and intermittent: which answers are affected; without it all.
    #[schemars(with = "Option<ScopeName>")]
    scope: Option<Spanned<Scope>>,
    /// Further faults of the same instance at the same time.
    #[serde(default)]
    with: Vec<WithTable>,
    /// How many instances are hit at the same time; without it 1, or as many as there are products.
    #[schemars(with = "Option<i64>", range(min = 1, max = 7))]
    instances: Option<Spanned<i64>>,
    /// The number of the instance that is hit in every trial, or "random", the default: each in turn, in a random
    /// order, so that it has rested when it is hit again.
    #[schemars(with = "Option<Place>")]
    instance: Option<Spanned<Place>>,
    /// When a trial begins: at a "random" moment of a cycle of health checks, the default, or so many milliseconds after
    /// the system was seen to be steady, 0 to 60,000.
    #[schemars(with = "Option<Start>")]
    phase: Option<Spanned<Start>>,
    /// Milliseconds that the fault stays, from the moment that it is active, whether it is detected or not; without it,
    /// as long after its detection as hold_ms says. Not for crash, which lasts until the process is started again.
    #[schemars(with = "Option<i64>", range(min = 1, max = 600_000))]
    duration_ms: Option<Spanned<i64>>,
    /// What must hold for this fault, where that is not what [objectives] says.
    #[serde(default)]
    objectives: FaultObjectivesTable,
}

/// A further fault of the same instance.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "further_fault")]
struct WithTable {
    /// What is broken.
    #[schemars(with = "FaultName")]
    fault: Spanned<String>,
    /// latency: how long an answer sleeps, in milliseconds, ± 20 %; without it 500 to 1500 ms.
    #[schemars(with = "Option<i64>", range(min = 1, max = 60_000))]
    latency_ms: Option<Spanned<i64>>,
    /// intermittent: the probability that an answer is an error; without it 0.5.
    #[schemars(with = "Option<f64>", range(min = 0.000_001, max = 1.0))]
    probability: Option<Spanned<f64>>,
    /// incorrect: the product that is lied about, by all instances.
    #[schemars(with = "Option<String>", length(min = 1))]
    product: Option<Spanned<String>>,
    /// incorrect: a product for each of several instances.
    #[schemars(with = "Option<Vec<String>>", length(min = 1, max = 7))]
    products: Option<Spanned<Vec<Spanned<String>>>>,
    /// latency and intermittent: which answers are affected; without it all.
    #[schemars(with = "Option<ScopeName>")]
    scope: Option<Spanned<Scope>>,
}

/// The names of the faults, for the schema.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", inline)]
#[allow(dead_code)]
enum FaultName {
    Crash,
    Latency,
    Intermittent,
    Incorrect,
    Freeze,
    Stale,
}

/// The names of the scopes, for the schema.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", inline)]
#[allow(dead_code)]
enum ScopeName {
    All,
    Queries,
    Health,
}

/// What is left to chance.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum Chance {
    Random,
}

/// Which instance is hit.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(untagged, expecting = "instance is the number of one, or \"random\"")]
#[schemars(inline)]
enum Place {
    Fixed(#[schemars(range(min = 1, max = 7))] i64),
    Turn(Chance),
}

/// When a trial begins.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(untagged, expecting = "phase is a number of milliseconds, or \"random\"")]
#[schemars(inline)]
enum Start {
    After(#[schemars(range(min = 0, max = 60_000))] i64),
    Any(Chance),
}

impl FaultTable {
    /// `objectives` are those of the scenario, `replicas` the number that the system has at most.
    pub(super) fn check(self, objectives: FaultObjectives, replicas: u8) -> Result<Case, Placed> {
        let given = self.instances.as_ref().map(Spanned::span);
        let products = self.products.as_ref().map(|products| products.get_ref().len());
        // A product each says how many there are.
        let default = products.and_then(|len| i64::try_from(len).ok()).unwrap_or(1);
        let instances = within("instances", self.instances, default, 1..=replicas.into())?;
        let instances = usize::try_from(instances).unwrap_or(1);
        let span = self.fault.span();
        let instance = place(self.instance, instances, replicas)?;
        let phase = start(self.phase)?;
        let duration_span = self.duration_ms.as_ref().map(Spanned::span);
        let duration = match self.duration_ms {
            None => None,
            given => Some(within("duration_ms", given, 1, 1..=600_000)?.unsigned_abs()),
        };
        let further: Vec<Range<usize>> = self.with.iter().map(|with| with.fault.span()).collect();
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
        let case = Case {
            hits,
            instance,
            phase,
            duration: duration.map(Duration::from_millis),
            objectives: self.objectives.check(objectives)?,
        };
        if case.is_crash() {
            if let Some(span) = further.into_iter().next() {
                let message = "these overlap on one instance: a process that dies takes its other faults with it, so \
                               crash stands alone";
                return Err((Some(span), message.to_owned()));
            }
            if let Some(span) = duration_span {
                let message = "a crash lasts until its process is started again: leave duration_ms out";
                return Err((Some(span), message.to_owned()));
            }
        }
        Ok(case)
    }
}

/// The one instance that is hit, if it is always the same.
fn place(given: Option<Spanned<Place>>, instances: usize, replicas: u8) -> Result<Option<ReplicaId>, Placed> {
    let Some(given) = given else { return Ok(None) };
    let span = given.span();
    let Place::Fixed(number) = given.into_inner() else {
        return Ok(None);
    };
    let number = within(
        "instance",
        Some(Spanned::new(span.clone(), number)),
        1,
        1..=replicas.into(),
    )?;
    if instances > 1 {
        let message = format!("{instances} instances are hit at the same time: leave instance out");
        return Err((Some(span), message));
    }
    let id = u8::try_from(number).map_err(|error| error.to_string());
    let id = id.and_then(|number| ReplicaId::new(number).map_err(|error| error.to_string()));
    id.map(Some).map_err(|message| (Some(span), message))
}

/// When a trial begins.
fn start(given: Option<Spanned<Start>>) -> Result<Phase, Placed> {
    let Some(given) = given else { return Ok(Phase::Random) };
    let span = given.span();
    match given.into_inner() {
        Start::Any(Chance::Random) => Ok(Phase::Random),
        Start::After(ms) => {
            let ms = within("phase", Some(Spanned::new(span, ms)), 0, 0..=60_000)?;
            Ok(Phase::After(Duration::from_millis(ms.unsigned_abs())))
        }
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
