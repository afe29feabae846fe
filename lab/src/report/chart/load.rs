//! The latency of the whole run, with the times in which faults were active.

use super::canvas::{Anchor, Axis, Canvas, Told, fitted};
use super::scale::{Scale, number};
use super::span::{Span, by_fault, joined};
use crate::report::model::{Report, Series};

const WIDTH: f64 = 960.0;
const X: [f64; 2] = [132.0, 946.0];
const LATENCY: [f64; 2] = [222.0, 36.0];
const RATE: [f64; 2] = [300.0, 246.0];
/// The middle of the first lane, and from one to the next.
const LANES: f64 = 322.0;
const LANE: f64 = 17.0;
/// More faults than that have no lane of their own.
const MOST_LANES: usize = 24;
/// More points than that cannot be seen.
const MOST_POINTS: usize = 2400;

/// Units of time, in seconds, and how long a run may be to be told in them.
const UNITS: [(f64, &str, f64); 3] = [(1.0, "s", 600.0), (60.0, "min", 36_000.0), (3600.0, "h", f64::INFINITY)];

/// `None` where there was no load, or an older version has not written about it.
pub(in super::super) fn draw(report: &Report, id: &str) -> Option<String> {
    let series = report.series.as_ref().filter(|series| !series.start_s.is_empty())?;
    let begin = series.start_s.first().copied()?;
    let end = series.start_s.last().copied()? + series.bucket_s;
    let (unit_s, unit, _) = UNITS.into_iter().find(|(_, _, most)| end - begin <= *most)?;
    let time = Scale::linear([begin / unit_s, end / unit_s], X);
    let place = move |second: f64| time.at(second / unit_s);
    let faults: Vec<(&str, Vec<Span>)> = by_fault(report).into_iter().take(MOST_LANES).collect();
    let lanes = faults.len() + usize::from(report.baseline.window_s.is_some());
    let bottom = LANES + LANE * (lanes as f64 - 0.5);
    let mut canvas = Canvas::new(WIDTH, (bottom + 42.0).round());

    // Behind everything else. A pixel is this long:
    let pixel_s = (end - begin) / (X[1] - X[0]);
    let stretch = |canvas: &mut Canvas, class: &str, [from, to]: Span, [top, height]: [f64; 2]| {
        let (from, to) = (place(from), place(to));
        canvas.rect(class, [from, top], [(to - from).max(1.0), height]);
    };
    for span in joined(faults.iter().flat_map(|(_, spans)| spans).copied(), pixel_s) {
        stretch(&mut canvas, "shade", span, [LATENCY[1], RATE[0] - LATENCY[1]]);
    }
    let lines = [&series.p50_ms, &series.p95_ms, &series.p99_ms];
    let values = lines.into_iter().flatten().copied().flatten();
    let ms = Scale::of_times(values, LATENCY);
    canvas.axes(&Axis::new(time, 0, ""), &Axis::new(ms, 7, ""));
    canvas.text("tick", Anchor::Start, [4.0, LATENCY[1]], "latency, ms");
    for (n, line) in lines.into_iter().enumerate() {
        let points = series.start_s.iter().zip(line).take(MOST_POINTS);
        let middle = |start: f64| place(start + series.bucket_s / 2.0);
        let points = points.map(|(start, value)| value.map(|value| [middle(*start), ms.at(value)]));
        canvas.path(&format!("s{n}"), points);
    }
    legend(&mut canvas);
    rates(&mut canvas, series, place);

    let baseline = report.baseline.window_s.map(|window| ("baseline", vec![window]));
    for (n, (name, spans)) in baseline.into_iter().chain(faults).enumerate() {
        let y = LANES + LANE * n as f64;
        canvas.text("tick", Anchor::End, [X[0] - 5.0, y], &fitted(name, X[0] - 9.0));
        canvas.line("grid", [X[0], y], [X[1], y]);
        let class = if name == "baseline" { "calm" } else { "active" };
        for span in joined(spans, pixel_s) {
            stretch(&mut canvas, class, span, [y - 5.0, 10.0]);
        }
    }
    canvas.line("axis", [X[0], bottom], [X[1], bottom]);
    for tick in time.ticks(10) {
        canvas.line("axis", [time.at(tick), bottom], [time.at(tick), bottom + 4.0]);
        canvas.text("tick", Anchor::Middle, [time.at(tick), bottom + 12.0], &number(tick));
    }
    let title = format!("{unit} from the start");
    canvas.text(
        "tick",
        Anchor::Middle,
        [f64::midpoint(X[0], X[1]), bottom + 28.0],
        &title,
    );
    Some(canvas.finish("wide", id, &told(report, series, begin, end)))
}

fn legend(canvas: &mut Canvas) {
    let mut x = X[0];
    for (n, name) in ["median", "95th percentile", "99th percentile"].iter().enumerate() {
        x = canvas.sample(&format!("s{n}"), [x, 14.0], name);
    }
    canvas.rect("shade", [x, 8.0], [24.0, 12.0]);
    canvas.text("tick", Anchor::Start, [x + 29.0, 14.0], "a fault is active");
    canvas.rect("failed", [x + 156.0, 8.0], [24.0, 12.0]);
    canvas.text("tick", Anchor::Start, [x + 185.0, 14.0], "failed requests");
}

/// Requests per second, and those that failed.
fn rates(canvas: &mut Canvas, series: &Series, place: impl Fn(f64) -> f64) {
    let bucket_s = series.bucket_s.max(1e-3);
    let per_second = |count: &u64| *count as f64 / bucket_s;
    let scale = Scale::from_zero(series.requests.iter().map(per_second), RATE);
    canvas.axes(
        &Axis::new(Scale::linear([0.0, 1.0], X), 0, ""),
        &Axis::new(scale, 2, ""),
    );
    canvas.text("tick", Anchor::Start, [4.0, RATE[1]], "requests/s");
    for (class, counts) in [("sent", &series.requests), ("failed", &series.failed)] {
        let buckets = series.start_s.iter().zip(counts).take(MOST_POINTS);
        let tops = buckets.flat_map(|(start, count)| {
            let y = seen(*count, scale.at(per_second(count)), RATE[0]);
            [[place(*start), y], [place(start + bucket_s), y]]
        });
        let tops: Vec<[f64; 2]> = tops.collect();
        let (Some([first, _]), Some([last, _])) = (tops.first().copied(), tops.last().copied()) else {
            continue;
        };
        let around = [[last, RATE[0]], [first, RATE[0]]];
        canvas.path(class, tops.into_iter().chain(around).map(Some));
    }
}

/// The top of a bar: what happened at all can be seen.
pub(super) fn seen(count: u64, top: f64, bottom: f64) -> f64 {
    if count == 0 { top } else { top.min(bottom - 2.0) }
}

fn told(report: &Report, series: &Series, begin: f64, end: f64) -> Told {
    let worst = |line: &[Option<f64>]| {
        let worst = line.iter().copied().flatten().max_by(f64::total_cmp);
        worst.map_or_else(|| "unknown".to_owned(), |ms| format!("{ms:.1} ms"))
    };
    let sum = |counts: &[u64]| counts.iter().fold(0, |sum: u64, count| sum.saturating_add(*count));
    let trials: usize = report.faults.iter().map(|fault| fault.trials_detail.len()).sum();
    Told {
        title: "Latency and load over time, with the times in which faults were active".to_owned(),
        numbers: format!(
            "{} requests from {begin:.0} to {end:.0} s in buckets of {:.0} s, {} of them failed; {trials} trials. The highest \
             median of a bucket was {}, the highest 95th percentile {}, the highest 99th percentile {}.",
            sum(&series.requests),
            series.bucket_s,
            sum(&series.failed),
            worst(&series.p50_ms),
            worst(&series.p95_ms),
            worst(&series.p99_ms),
        ),
    }
}
