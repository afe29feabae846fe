//! What happened in one trial: the load, its latency, and how the monitor judged the instances.

use tolerancia_wire::status::Phase as Standing;

use super::canvas::{Anchor, Axis, Canvas, Told, fitted, width};
use super::load::seen;
use super::scale::Scale;
use crate::report::model::{Event, Interval, Mark, Timeline};

const WIDTH: f64 = 360.0;
const X: [f64; 2] = [54.0, 346.0];
/// The height of a line of text.
const LINE: f64 = 13.0;
const RATE_HEIGHT: f64 = 34.0;
const LATENCY_HEIGHT: f64 = 62.0;
/// Room for the name of what is below.
const GAP: f64 = 26.0;
const NAME: f64 = 13.0;
const LANE: f64 = 18.0;
/// A timeline has no more buckets, instances and marks than that.
const MOST_BUCKETS: usize = 600;
const MOST_INSTANCES: usize = 16;
const MOST_MARKS: usize = 64;

/// Draws a timeline; `title` names the trial, `numbers` what was measured, `id` is its own on the page.
pub(in super::super) fn draw(timeline: &Timeline, told: &Told, id: &str) -> String {
    let seconds = Scale::linear([timeline.from_ms / 1000.0, timeline.to_ms / 1000.0], X);
    let place = move |ms: f64| seconds.at(ms / 1000.0);
    let labels = labels(timeline, place);
    let rows = labels.iter().map(|label| label.row + 1).max().unwrap_or(0);

    let top = LINE * rows as f64 + NAME + 4.0;
    let rate = [top + RATE_HEIGHT, top];
    let latency = [rate[0] + GAP + LATENCY_HEIGHT, rate[0] + GAP];
    let states = timeline.states.iter().take(MOST_INSTANCES);
    let lanes = latency[0] + NAME;
    let bottom = lanes + LANE * states.len() as f64;
    let mut canvas = Canvas::new(WIDTH, bottom + 34.0);

    let none = || Axis::new(seconds, 0, "");
    // By the full length of the last bucket too: of a few milliseconds one request would make a peak.
    let bucket_s = (timeline.bucket_ms / 1000.0).max(1e-3);
    let per_second = |count: &u64| *count as f64 / bucket_s;
    let scale = Scale::from_zero(timeline.requests.iter().map(per_second), rate);
    canvas.axes(&none(), &Axis::new(scale, 2, ""));
    canvas.text("tick", Anchor::Start, [0.0, rate[1] - NAME], "req/s");
    let buckets = |n: usize| {
        let from = timeline.from_ms + timeline.bucket_ms * n as f64;
        [place(from), place((from + timeline.bucket_ms).min(timeline.to_ms))]
    };
    for (class, counts) in [("sent", &timeline.requests), ("failed", &timeline.failed)] {
        for (n, count) in counts
            .iter()
            .enumerate()
            .take(MOST_BUCKETS)
            .filter(|(_, count)| **count > 0)
        {
            let ([from, to], y) = (buckets(n), seen(*count, scale.at(per_second(count)), rate[0]));
            canvas.rect(class, [from, y], [to - from, rate[0] - y]);
        }
    }

    let ms = Scale::of_times(timeline.p95_ms.iter().copied().flatten(), latency);
    canvas.axes(&none(), &Axis::new(ms, 3, ""));
    canvas.text("tick", Anchor::Start, [0.0, latency[1] - NAME], "p95 ms");
    let points = timeline.p95_ms.iter().enumerate().take(MOST_BUCKETS).map(|(n, value)| {
        let [from, to] = buckets(n);
        value.map(|value| [f64::midpoint(from, to), ms.at(value)])
    });
    canvas.path("s0", points);

    for (n, own) in states.enumerate() {
        let y = lanes + LANE * n as f64;
        let name = format!("inst. {}", own.instance);
        canvas.text("tick", Anchor::End, [X[0] - 5.0, y + 6.0], &name);
        for interval in own.intervals.iter().take(MOST_MARKS) {
            state(&mut canvas, interval, place, y);
        }
    }

    for Label {
        text, at, row, anchor, ..
    } in &labels
    {
        let y = 4.0 + LINE * *row as f64 + LINE / 2.0;
        canvas.line("mark", [*at, y + 1.0 - LINE / 2.0], [*at, bottom]);
        let beside = if *anchor == Anchor::Start { 3.0 } else { -3.0 };
        canvas.text("tick", *anchor, [at + beside, y], text);
    }
    canvas.line("axis", [X[0], bottom], [X[1], bottom]);
    for tick in seconds.ticks(6) {
        let at = seconds.at(tick);
        canvas.line("axis", [at, bottom], [at, bottom + 4.0]);
        canvas.text("tick", Anchor::Middle, [at, bottom + 12.0], &super::scale::number(tick));
    }
    let middle = f64::midpoint(X[0], X[1]);
    canvas.text("tick", Anchor::Middle, [middle, bottom + 26.0], "s from the activation");
    canvas.finish("panel", id, told)
}

fn state(canvas: &mut Canvas, interval: &Interval, place: impl Fn(f64) -> f64, y: f64) {
    let (class, name) = match interval.state {
        Standing::On => ("on", "ON"),
        Standing::Quarantine => ("quarantine", "quarantine"),
        Standing::Probation => ("probation", "probation"),
    };
    let (from, to) = (place(interval.from_ms), place(interval.to_ms));
    canvas.rect(class, [from, y], [to - from, 13.0]);
    if to - from > width(name) + 4.0 {
        canvas.text("tick", Anchor::Middle, [f64::midpoint(from, to), y + 6.5], name);
    }
}

/// The name of something that happened.
struct Label {
    text: String,
    at: f64,
    row: usize,
    anchor: Anchor,
    /// What it covers.
    from: f64,
    to: f64,
}

/// One for each mark, in rows so that none covers another.
fn labels(timeline: &Timeline, place: impl Fn(f64) -> f64) -> Vec<Label> {
    let several = timeline
        .marks
        .first()
        .is_some_and(|first| timeline.marks.iter().any(|mark| mark.instance != first.instance));
    let mut labels: Vec<Label> = Vec::new();
    for mark in timeline.marks.iter().take(MOST_MARKS) {
        let text = fitted(&name(mark, several), X[1] - X[0]);
        let (at, wide) = (place(mark.at_ms), width(&text) + 6.0);
        let (anchor, from, to) = if at + wide <= WIDTH {
            (Anchor::Start, at, at + wide)
        } else {
            (Anchor::End, at - wide, at)
        };
        let is_free = |row: usize| {
            let mut own = labels.iter().filter(|label| label.row == row);
            own.all(|label| to <= label.from || label.to <= from)
        };
        let row = (0..labels.len()).find(|row| is_free(*row)).unwrap_or(labels.len());
        labels.push(Label {
            text,
            at,
            row,
            anchor,
            from,
            to,
        });
    }
    labels
}

fn name(mark: &Mark, several: bool) -> String {
    let what = match mark.what {
        Event::Inject => "inject",
        Event::Detect => "detect",
        Event::Clear => "clear",
        Event::Recover => "recover",
    };
    if several {
        format!("{what} {}", mark.instance)
    } else {
        what.to_owned()
    }
}
