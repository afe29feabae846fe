//! The results as pictures: one chart per fault, one line per detector. The colours are told apart by colour-blind
//! readers too (Okabe and Ito, "Color Universal Design", 2008).

use std::ops::Range;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::curve::Point;
use super::files::steps;
use super::run::Measured;

const WIDTH: u32 = 640;
const HEIGHT: u32 = 440;
/// A detector has the same colour in every chart.
const COLOURS: [(&str, RGBColor); 4] = [
    ("accrual", RGBColor(0, 114, 178)),
    ("consecutive", RGBColor(213, 94, 0)),
    ("phi", RGBColor(0, 158, 115)),
    ("window", RGBColor(204, 121, 167)),
];
/// A threshold that misses more than this share of the faults is marked.
const MARKED: f64 = 0.01;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Time to detect against false alarms, one point per threshold.
///
/// # Errors
/// When the picture cannot be drawn.
pub(super) fn curve(points: &[Point]) -> Result<String, String> {
    let faults = once(points.iter().map(|point| point.fault.as_str()));
    draw(&faults, |area, fault| {
        let shown: Vec<(&Point, f64)> = points
            .iter()
            .filter(|point| point.fault == fault)
            .filter_map(|point| Some((point, point.ttd_median_ms?)))
            .collect();
        let x_range = decades(shown.iter().map(|(point, _)| alarms(point)));
        let y_range = decades(shown.iter().map(|(_, ms)| *ms));
        let title = format!("{fault}: each point is a threshold");
        let mut chart = ChartBuilder::on(area)
            .caption(title, ("sans-serif", 17))
            .margin(12)
            .margin_right(28)
            .x_label_area_size(48)
            .y_label_area_size(64)
            .build_cartesian_2d(x_range.log_scale(), y_range.log_scale())
            .map_err(told)?;
        chart
            .configure_mesh()
            .x_desc("false alarms per instance-day (hollow: none seen, at its 95 % bound; ×: more than 1 % missed)")
            .y_desc("median time to detect, ms")
            .x_label_formatter(&|x| tick(*x))
            .y_label_formatter(&|y| tick(*y))
            .axis_desc_style(("sans-serif", 13))
            .light_line_style(BLACK.mix(0.06))
            .draw()
            .map_err(told)?;
        for detector in once(shown.iter().map(|(point, _)| point.detector)) {
            let colour = colour(detector);
            let own = || shown.iter().filter(move |(point, _)| point.detector == detector);
            let line = own().map(|(point, ms)| (alarms(point), *ms));
            chart
                .draw_series(LineSeries::new(line, colour.stroke_width(2)))
                .map_err(told)?
                .label(detector)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
            let seen = |point: &Point| point.false_alarms_per_day > 0.0;
            let dots = own().map(|(point, ms)| {
                let style = if seen(point) {
                    colour.filled()
                } else {
                    colour.stroke_width(1)
                };
                Circle::new((alarms(point), *ms), 4, style)
            });
            chart.draw_series(dots).map_err(told)?;
            let missed = own().filter(|(point, _)| point.missed > MARKED);
            let crosses = missed.map(|(point, ms)| Cross::new((alarms(point), *ms), 7, BLACK.stroke_width(1)));
            chart.draw_series(crosses).map_err(told)?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.3))
            .label_font(("sans-serif", 13))
            .draw()
            .map_err(told)
    })
}

/// The share of faults that are detected within a time.
///
/// # Errors
/// When the picture cannot be drawn.
pub(super) fn ttd(results: &[Measured]) -> Result<String, String> {
    let faults = once(results.iter().map(|result| result.pair.fault.as_str()));
    // One axis for all, so that the charts can be compared; the legend has the decade on the left for itself.
    let mut axis = decades(results.iter().flat_map(|result| &result.times.ttd_ms).copied());
    axis.start /= 10.0;
    draw(&faults, |area, fault| {
        let shown: Vec<&Measured> = results.iter().filter(|result| result.pair.fault == fault).collect();
        let mut chart = ChartBuilder::on(area)
            .caption(fault, ("sans-serif", 17))
            .margin(12)
            .margin_right(28)
            .x_label_area_size(48)
            .y_label_area_size(64)
            .build_cartesian_2d(axis.clone().log_scale(), 0.0..1.0)
            .map_err(told)?;
        chart
            .configure_mesh()
            .x_desc("time to detect, ms")
            .y_desc("share of the trials")
            .x_label_formatter(&|x| tick(*x))
            .axis_desc_style(("sans-serif", 13))
            .light_line_style(BLACK.mix(0.06))
            .draw()
            .map_err(told)?;
        for result in shown {
            let colour = colour(result.pair.detector);
            let line = steps(result).into_iter().map(|(ms, share)| (ms.max(LEAST), share));
            chart
                .draw_series(LineSeries::new(line, colour.stroke_width(2)))
                .map_err(told)?
                .label(result.pair.detector)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.3))
            .label_font(("sans-serif", 13))
            .draw()
            .map_err(told)
    })
}

/// A picture with one chart per fault, two in a row.
fn draw(faults: &[&str], mut chart: impl FnMut(&Area<'_>, &str) -> Result<(), String>) -> Result<String, String> {
    let columns = faults.len().clamp(1, 2);
    let rows = faults.len().div_ceil(columns).max(1);
    let size = (WIDTH * columns as u32, HEIGHT * rows as u32);
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        root.fill(&WHITE).map_err(told)?;
        for (area, fault) in root.split_evenly((rows, columns)).iter().zip(faults) {
            chart(area, fault)?;
        }
        root.present().map_err(told)?;
    }
    Ok(svg)
}

fn colour(detector: &str) -> RGBColor {
    let known = COLOURS.iter().find(|(name, _)| *name == detector);
    known.map_or(BLACK, |(_, colour)| *colour)
}

fn told(error: impl std::fmt::Display) -> String {
    format!("a picture cannot be drawn ({error})")
}

/// Where a point lies: false alarms per instance-day, or what they are at most where none was seen.
fn alarms(point: &Point) -> f64 {
    if point.false_alarms_per_day > 0.0 {
        point.false_alarms_per_day
    } else {
        point.false_alarms_per_day_upper95
    }
}

/// A number on a logarithmic axis.
fn tick(value: f64) -> String {
    if (0.001..1e6).contains(&value) {
        format!("{}", (value * 1e3).round() / 1e3)
    } else {
        format!("{value:.0e}")
    }
}

/// Nothing on a logarithmic axis is smaller.
const LEAST: f64 = 1e-9;

/// The decades that hold all values.
fn decades(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (low, high) = values.fold((f64::INFINITY, 0.0), |(low, high): (f64, f64), value| {
        (low.min(value.max(LEAST)), high.max(value))
    });
    if low > high {
        return 1.0..10.0;
    }
    let low = 10_f64.powf(low.log10().floor());
    low..10_f64.powf(high.log10().ceil()).max(low * 10.0)
}

/// Each of them once, in the order in which they come first.
fn once<'a>(all: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut kept = Vec::new();
    for one in all {
        if !kept.contains(&one) {
            kept.push(one);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_holds_whole_decades() {
        assert_eq!(decades([3.0, 250.0].into_iter()), 1.0..1000.0);
        assert_eq!(decades([10.0].into_iter()), 10.0..100.0);
        assert_eq!(decades(std::iter::empty()), 1.0..10.0);
        assert!(decades([0.0, 5.0].into_iter()).start > 0.0);
    }

    #[test]
    fn a_tick_is_short() {
        assert_eq!(
            [1e-9, 0.001, 0.5, 30.0, 1e5, 1e7].map(tick),
            ["1e-9", "0.001", "0.5", "30", "100000", "1e7"]
        );
    }

    #[test]
    fn a_picture_without_data_is_a_picture() {
        assert!(curve(&[]).expect("drawn").starts_with("<svg"));
        assert!(ttd(&[]).expect("drawn").starts_with("<svg"));
        let blind = Point {
            detector: "phi",
            threshold: 2.0,
            unit: "phi",
            fault: "intermittent".to_owned(),
            trials: 5,
            ttd_median_ms: None,
            ttd_p99_ms: None,
            missed: 1.0,
            false_alarms_per_day: 0.0,
            false_alarms_per_day_upper95: 1.0,
        };
        let svg = curve(&[blind]).expect("drawn");
        assert!(svg.contains("intermittent") && !svg.contains("<circle"), "{svg}");
    }
}
