//! The elements that charts are made of.

use std::fmt::Write as _;

use super::scale::{Scale, number};
use crate::report::html::escape;

/// What a letter takes on average, in the units of a canvas.
const LETTER: f64 = 6.1;
/// How far a text's base line is below its middle.
const MIDDLE: f64 = 3.8;

/// Which end of a text is where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// What a chart says to those who cannot see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Told {
    /// What it is about.
    pub title: String,
    /// The numbers that matter.
    pub numbers: String,
}

/// A picture in the making. Its units are pixels of the size at which it is meant to be seen.
#[derive(Debug)]
pub(super) struct Canvas {
    size: [f64; 2],
    body: String,
}

impl Canvas {
    pub const fn new(width: f64, height: f64) -> Self {
        Self {
            size: [width, height],
            body: String::new(),
        }
    }

    pub fn line(&mut self, class: &str, [x1, y1]: [f64; 2], [x2, y2]: [f64; 2]) {
        let (x1, y1, x2, y2) = (short(x1), short(y1), short(x2), short(y2));
        self.add(format_args!(
            "<line class=\"{class}\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"/>"
        ));
    }

    pub fn rect(&mut self, class: &str, [x, y]: [f64; 2], [width, height]: [f64; 2]) {
        let (x, y, width, height) = (short(x), short(y), short(width.max(0.0)), short(height.max(0.0)));
        self.add(format_args!(
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/>"
        ));
    }

    /// A line through the points; where there is none it is interrupted. A point alone is a dot.
    pub fn path(&mut self, class: &str, points: impl IntoIterator<Item = Option<[f64; 2]>>) {
        let mut path = String::new();
        let mut alone = false;
        let mut pen_down = false;
        for point in points {
            match point {
                Some([x, y]) => {
                    let command = if pen_down { 'L' } else { 'M' };
                    // Writing to a String cannot fail.
                    let _ = write!(path, "{command}{} {}", short(x), short(y));
                    (alone, pen_down) = (!pen_down, true);
                }
                None => {
                    if alone {
                        path.push_str("h0");
                    }
                    (alone, pen_down) = (false, false);
                }
            }
        }
        if alone {
            path.push_str("h0");
        }
        if !path.is_empty() {
            self.add(format_args!("<path class=\"{class}\" d=\"{path}\"/>"));
        }
    }

    /// A text in the middle of its line.
    pub fn text(&mut self, class: &str, anchor: Anchor, [x, y]: [f64; 2], text: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let (x, y, text) = (short(x), short(y + MIDDLE), escape(text));
        self.add(format_args!(
            "<text class=\"{class}\" x=\"{x}\" y=\"{y}\"{anchor}>{text}</text>"
        ));
    }

    /// The frame of two axes, with lines at the named values and the values themselves.
    pub fn axes(&mut self, x: &Axis<'_>, y: &Axis<'_>) {
        let ([left, right], [bottom, top]) = (x.scale.range(), y.scale.range());
        for tick in y.scale.ticks(y.most) {
            let at = y.scale.at(tick);
            self.line("grid", [left, at], [right, at]);
            self.text("tick", Anchor::End, [left - 5.0, at], &(y.name)(tick));
        }
        for tick in x.scale.ticks(x.most) {
            let at = x.scale.at(tick);
            self.line("grid", [at, top], [at, bottom]);
            self.text("tick", Anchor::Middle, [at, bottom + 11.0], &(x.name)(tick));
        }
        self.line("axis", [left, bottom], [right, bottom]);
        if !x.title.is_empty() {
            self.text(
                "tick",
                Anchor::Middle,
                [f64::midpoint(left, right), bottom + 25.0],
                x.title,
            );
        }
    }

    /// A sample of a line and its name; returns where the next one may begin.
    pub fn sample(&mut self, class: &str, [x, y]: [f64; 2], name: &str) -> f64 {
        self.line(class, [x, y], [x + 24.0, y]);
        self.text("tick", Anchor::Start, [x + 29.0, y], name);
        x + 29.0 + width(name) + 16.0
    }

    /// The whole picture; `id` is its own on the page.
    pub fn finish(self, class: &str, id: &str, told: &Told) -> String {
        let Self {
            size: [width, height],
            body,
        } = self;
        let (title, numbers) = (escape(&told.title), escape(&told.numbers));
        format!(
            "<svg class=\"{class}\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" \
             aria-labelledby=\"{id}-t {id}-d\"><title id=\"{id}-t\">{title}</title><desc id=\"{id}-d\">{numbers}</desc>\
             {body}</svg>\n"
        )
    }

    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.body.write_fmt(element);
    }
}

/// One of two axes.
pub(super) struct Axis<'a> {
    pub scale: Scale,
    /// Values to be named, at most.
    pub most: usize,
    pub name: fn(f64) -> String,
    /// Only that of the horizontal axis is shown.
    pub title: &'a str,
}

impl<'a> Axis<'a> {
    /// With plain numbers.
    pub fn new(scale: Scale, most: usize, title: &'a str) -> Self {
        Self {
            scale,
            most,
            name: number,
            title,
        }
    }
}

/// About how wide a text is.
pub(super) fn width(text: &str) -> f64 {
    LETTER * text.chars().count() as f64
}

/// A text that is no wider than that: its end gives way.
pub(super) fn fitted(text: &str, width: f64) -> String {
    let most = (width / LETTER) as usize;
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// Tenths of a pixel are all that can be seen.
fn short(value: f64) -> String {
    let text = format!("{value:.1}");
    match text.strip_suffix(".0") {
        Some("-0") => "0".to_owned(),
        Some(whole) => whole.to_owned(),
        None => text,
    }
}
