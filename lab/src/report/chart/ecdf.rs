//! Which share of the trials took no longer than so long.

use super::canvas::{Anchor, Axis, Canvas, Told, fitted, width};
use super::scale::Scale;
use crate::statistics::Ecdf;

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 220.0;
const X: [f64; 2] = [44.0, 340.0];
const Y: [f64; 2] = [180.0, 30.0];
/// The height of a line of text.
const LINE: f64 = 15.0;

/// The trials of one fault with one detector.
#[derive(Debug)]
pub(in super::super) struct Curve {
    pub name: String,
    /// Of the line, see [`super::style`].
    pub style: usize,
    /// Milliseconds.
    pub values: Vec<f64>,
    /// Trials that took longer than any.
    pub missed: usize,
    /// In words.
    pub said: String,
}

/// One fault.
#[derive(Debug)]
pub(in super::super) struct Panel<'a> {
    pub fault: &'a str,
    pub curves: Vec<Curve>,
    /// No trial should take longer, milliseconds.
    pub limit_ms: Option<f64>,
}

/// A chart for each fault, all with the same axis so that they can be compared. `what` names what was measured; `id`
/// is their own on the page.
pub(in super::super) fn draw(panels: &[Panel<'_>], what: &str, id: &str) -> Vec<String> {
    let all = panels
        .iter()
        .flat_map(|panel| &panel.curves)
        .flat_map(|curve| &curve.values);
    let axis = Scale::of_times(all.copied(), X);
    let panels = panels.iter().enumerate();
    panels
        .map(|(n, panel)| one(panel, axis, what, &format!("{id}-{n}")))
        .collect()
}

fn one(panel: &Panel<'_>, x: Scale, what: &str, id: &str) -> String {
    let mut canvas = Canvas::new(WIDTH, HEIGHT);
    let y = Scale::linear([0.0, 1.0], Y);
    // Its letters are larger than others.
    let title = fitted(panel.fault, (X[1] - X[0]) / 1.4);
    canvas.text("name", Anchor::Start, [X[0], 12.0], &title);
    let horizontal = format!("{what}, ms");
    let shares = Axis {
        name: |share| format!("{:.0} %", share * 100.0),
        ..Axis::new(y, 4, "")
    };
    canvas.axes(&Axis::new(x, 6, &horizontal), &shares);
    if let Some(limit) = panel.limit_ms.filter(|limit| x.holds(*limit)) {
        let at = x.at(limit);
        canvas.line("limit", [at, Y[0]], [at, Y[1]]);
        canvas.text("tick", Anchor::End, [at - 3.0, Y[1] + 8.0], "limit");
    }
    for curve in &panel.curves {
        let steps = steps(curve, x, y);
        canvas.path(&format!("s{}", curve.style), steps.into_iter().map(Some));
    }
    if panel.curves.len() > 1 {
        legend(&mut canvas, &panel.curves);
    }
    let said: Vec<&str> = panel.curves.iter().map(|curve| curve.said.as_str()).collect();
    let told = Told {
        title: format!("{}: share of the trials by {what}", panel.fault),
        numbers: said.join(" "),
    };
    canvas.finish("panel", id, &told)
}

/// From the left end of the axis to its right end.
fn steps(curve: &Curve, x: Scale, y: Scale) -> Vec<[f64; 2]> {
    let mut height = y.at(0.0);
    let mut steps = vec![[X[0], height]];
    for (value, share) in Ecdf::new(&curve.values, curve.missed).points() {
        let at = x.at(value);
        steps.push([at, height]);
        height = y.at(share);
        steps.push([at, height]);
    }
    steps.push([X[1], height]);
    steps
}

/// At the lower right, where the curves have left by then.
fn legend(canvas: &mut Canvas, curves: &[Curve]) {
    let longest = curves.iter().map(|curve| width(&curve.name)).fold(0.0, f64::max);
    let left = X[1] - longest - 36.0;
    for (n, curve) in curves.iter().rev().enumerate() {
        let y = Y[0] - 10.0 - LINE * n as f64;
        canvas.sample(&format!("s{}", curve.style), [left, y], &curve.name);
    }
}
