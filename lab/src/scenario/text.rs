//! A scenario as a file again, with everything spelt out that has a default: what was run, not what was left to it.

use std::time::Duration;

use tolerancia_core::fault::{Fault, FaultSpec, Scope};
use toml::{Table, Value};

use super::case::millis;
use super::{Case, FaultObjectives, Pace, Phase, Products, Scenario, parameters};

impl Scenario {
    /// The text of a scenario file that says the same: read again it gives an equal scenario.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut table = pace(self.pace);
        put(&mut table, "name", self.name.as_str());
        if let Some(replicas) = self.replicas {
            put(&mut table, "replicas", i64::from(replicas));
        }
        if !self.detectors.is_empty() {
            let names: Vec<&str> = self.detectors.iter().map(|kind| kind.name()).collect();
            put(&mut table, "detectors", names);
        }
        if !self.parameters.is_empty() {
            let set = self.parameters.iter();
            let set: Table = set
                .map(|(name, text)| ((*name).to_owned(), parameters::value(name, text)))
                .collect();
            put(&mut table, "parameters", set);
        }
        put(&mut table, "quick", pace(self.quick));
        put(&mut table, "load", load(self));
        let faults: Vec<Value> = self.faults.iter().map(|case| fault(case).into()).collect();
        put(&mut table, "faults", faults);
        let mut wanted = objectives(&self.objectives.each);
        if self.faults.is_empty() {
            // It cannot be asked for where there is no trial.
            wanted.remove("ttd_max_ms");
        }
        put(&mut wanted, "wrong_answers", whole(self.objectives.wrong_answers));
        put(&mut wanted, "false_alarms", whole(self.objectives.false_alarms));
        put(&mut table, "objectives", wanted);
        table.to_string()
    }
}

fn put(table: &mut Table, name: &str, value: impl Into<Value>) {
    table.insert(name.to_owned(), value.into());
}

fn whole(number: u64) -> Value {
    i64::try_from(number).unwrap_or(i64::MAX).into()
}

fn ms(duration: Duration) -> Value {
    whole(millis(duration))
}

fn pace(pace: Pace) -> Table {
    let mut table = Table::new();
    put(&mut table, "trials", whole(pace.trials as u64));
    put(&mut table, "baseline_s", pace.baseline.as_secs_f64());
    put(&mut table, "hold_ms", ms(pace.hold));
    put(&mut table, "settle_ms", ms(pace.settle));
    table
}

fn load(scenario: &Scenario) -> Table {
    let load = scenario.load;
    let mut table = Table::new();
    put(&mut table, "queries_rps", load.queries_rps);
    put(&mut table, "orders_rps", load.orders_rps);
    put(&mut table, "cancel", load.cancel);
    put(&mut table, "ramp_s", load.ramp.as_secs_f64());
    put(&mut table, "warm_up_s", load.warm_up.as_secs_f64());
    match &scenario.products {
        Products::All => {}
        Products::First(count) => put(&mut table, "products", whole(*count as u64)),
        Products::These(named) => {
            let weights = named.iter();
            let weights: Table = weights
                .map(|(product, weight)| (product.to_string(), Value::from(*weight)))
                .collect();
            put(&mut table, "products", weights);
        }
    }
    table
}

fn fault(case: &Case) -> Table {
    let part = |number: usize| {
        let each: Vec<&FaultSpec> = case.hits.iter().filter_map(|hit| hit.get(number)).collect();
        spec(&each)
    };
    let mut table = part(0);
    let faults = case.hits.first().map_or(0, Vec::len);
    if faults > 1 {
        let with: Vec<Value> = (1..faults).map(|number| part(number).into()).collect();
        put(&mut table, "with", with);
    }
    put(&mut table, "instances", whole(case.instances() as u64));
    match case.instance {
        Some(instance) => put(&mut table, "instance", i64::from(instance.number())),
        None => put(&mut table, "instance", "random"),
    }
    match case.phase {
        Phase::Random => put(&mut table, "phase", "random"),
        Phase::After(delay) => put(&mut table, "phase", ms(delay)),
    }
    if let Some(duration) = case.duration {
        put(&mut table, "duration_ms", ms(duration));
    }
    put(&mut table, "objectives", objectives(&case.objectives));
    table
}

/// One fault, as each of the instances has it: they differ in nothing but the product.
fn spec(each: &[&FaultSpec]) -> Table {
    let mut table = Table::new();
    let Some(first) = each.first() else { return table };
    put(&mut table, "fault", first.fault.name());
    match &first.fault {
        Fault::Latency { latency_ms: Some(ms) } => put(&mut table, "latency_ms", whole(*ms)),
        Fault::Intermittent { probability } => put(&mut table, "probability", *probability),
        Fault::Incorrect { product } => {
            let products: Vec<&str> = each.iter().filter_map(|spec| lied_about(spec)).collect();
            if products.iter().all(|other| *other == product.as_str()) {
                put(&mut table, "product", product.as_str());
            } else {
                put(&mut table, "products", products);
            }
        }
        Fault::Latency { latency_ms: None } | Fault::Crash | Fault::Freeze | Fault::Stale => {}
    }
    let scope = match first.scope {
        Scope::All => "all",
        Scope::Queries => "queries",
        Scope::Health => "health",
    };
    put(&mut table, "scope", scope);
    table
}

fn lied_about(spec: &FaultSpec) -> Option<&str> {
    match &spec.fault {
        Fault::Incorrect { product } => Some(product.as_str()),
        _ => None,
    }
}

fn objectives(each: &FaultObjectives) -> Table {
    let mut table = Table::new();
    put(&mut table, "ttd_max_ms", each.ttd_max_ms);
    put(&mut table, "p95_ms", each.p95_ms);
    put(&mut table, "success_rate", each.success_rate);
    put(&mut table, "quorum_rate", each.quorum_rate);
    if let Some(count) = each.transitions_max {
        put(&mut table, "transitions_max", whole(count));
    }
    if let Some(count) = each.readmissions_max {
        put(&mut table, "readmissions_max", whole(count));
    }
    if let Some(over) = each.repair_over_quarantine_ms {
        put(&mut table, "repair_over_quarantine_ms", over);
    }
    table
}
