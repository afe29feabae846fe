//! The table `[load]`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use tolerancia_core::ProductId;
use toml::Spanned;

use super::super::load::{Load, Products, WARM_UP};
use super::range::{Placed, rate, within};

/// What clients do meanwhile, on a schedule that does not wait for answers.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "load")]
pub(super) struct LoadTable {
    /// Voted queries per second, 0.1 to 100,000, or 0: none. Without it 50.
    #[schemars(with = "Option<f64>", range(max = 100_000.0), extend("anyOf" = [{ "const": 0 }, { "minimum": 0.1 }]))]
    queries_rps: Option<Spanned<f64>>,
    /// Orders per second, 0.1 to 100,000, or 0: none. Without it 10.
    #[schemars(with = "Option<f64>", range(max = 100_000.0), extend("anyOf" = [{ "const": 0 }, { "minimum": 0.1 }]))]
    orders_rps: Option<Spanned<f64>>,
    /// Share of the confirmed orders that are cancelled later; without it 1, so that stock never runs out.
    #[schemars(with = "Option<f64>", range(min = 0.0, max = 1.0))]
    cancel: Option<Spanned<f64>>,
    /// The products that are asked for and ordered: so many of the catalogue, or these, or these as often as their
    /// weights say. Without it all of them, each as often as any other.
    #[schemars(with = "Option<ProductsForm>")]
    products: Option<Spanned<ProductsForm>>,
    /// The load rises evenly from nothing to its rates during the first so many seconds; without it 0.
    #[schemars(with = "Option<f64>", range(min = 0.0, max = 600.0))]
    ramp_s: Option<Spanned<f64>>,
    /// The load runs for so many seconds before anything is measured, at least as long as it rises; without it half a
    /// second longer than that.
    #[schemars(with = "Option<f64>", range(min = 0.0, max = 3600.0))]
    warm_up_s: Option<Spanned<f64>>,
}

/// Which products.
#[derive(Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "products is a number, a list of names, or a table of names and weights, as in { PROD-001 = 3, PROD-002 = 1 }"
)]
#[schemars(inline)]
enum ProductsForm {
    Number(#[schemars(range(min = 1, max = 1_000_000))] i64),
    Names(#[schemars(length(min = 1), inner(length(min = 1)))] Vec<String>),
    Weights(
        #[schemars(extend(
            "minProperties" = 1,
            "additionalProperties" = { "type": "number", "minimum": 0.001, "maximum": 1000 }
        ))]
        BTreeMap<String, f64>,
    ),
}

impl LoadTable {
    pub(super) fn check(self) -> Result<(Load, Products), Placed> {
        let default = Load::default();
        let ramp = within("ramp_s", self.ramp_s, 0.0, 0.0..=600.0)?;
        let span = self.warm_up_s.as_ref().map(Spanned::span);
        let warm_up = within("warm_up_s", self.warm_up_s, ramp + WARM_UP.as_secs_f64(), 0.0..=3600.0)?;
        if warm_up < ramp {
            let message = format!(
                "the load rises for {ramp} s, so that after {warm_up} s the baseline would begin too early: set \
                 warm_up_s to {ramp} or more, or leave it out"
            );
            return Err((span, message));
        }
        let load = Load {
            queries_rps: rate("queries_rps", self.queries_rps, default.queries_rps)?,
            orders_rps: rate("orders_rps", self.orders_rps, default.orders_rps)?,
            cancel: within("cancel", self.cancel, default.cancel, 0.0..=1.0)?,
            ramp: Duration::from_secs_f64(ramp),
            warm_up: Duration::from_secs_f64(warm_up),
        };
        Ok((load, self.products.map_or(Ok(Products::All), products)?))
    }
}

/// The products that are meant.
fn products(given: Spanned<ProductsForm>) -> Result<Products, Placed> {
    let span = given.span();
    match given.into_inner() {
        ProductsForm::Number(count) => {
            let count = within("products", Some(Spanned::new(span, count)), 1, 1..=1_000_000)?;
            Ok(Products::First(usize::try_from(count).unwrap_or(1)))
        }
        ProductsForm::Names(names) => these(span, names.into_iter().map(|name| (name, 1.0)).collect()),
        ProductsForm::Weights(weights) => these(span, weights.into_iter().collect()),
    }
}

/// Named products, each with its weight.
fn these(span: Range<usize>, named: Vec<(String, f64)>) -> Result<Products, Placed> {
    let wrong = |message: String| (Some(span.clone()), message);
    if named.is_empty() {
        return Err(wrong(
            "name at least one product, or leave products out for all".to_owned(),
        ));
    }
    let mut chosen: Vec<(ProductId, f64)> = Vec::new();
    for (name, weight) in named {
        let product: ProductId = name
            .parse()
            .map_err(|error: tolerancia_core::id::InvalidId| wrong(error.to_string()))?;
        if !(0.001..=1000.0).contains(&weight) {
            return Err(wrong(format!(
                "the weight of {product} must be 0.001 to 1000, not {weight}"
            )));
        }
        if chosen.iter().any(|(other, _)| *other == product) {
            return Err(wrong(format!("{product} is there twice: write each product once")));
        }
        chosen.push((product, weight));
    }
    chosen.sort_by(|(one, _), (two, _)| one.cmp(two));
    Ok(Products::These(chosen))
}
