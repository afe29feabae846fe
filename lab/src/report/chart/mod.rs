//! Charts as SVG: no script, no font, no colour of their own. Colours and dashes are the page's classes
//! (`html/style.css`), so that they follow light, dark and print. Each chart says in words what it shows.

pub(super) mod canvas;
pub(super) mod ecdf;
pub(super) mod load;
mod scale;
mod span;
pub(super) mod trial;

/// Lines of different class differ in colour and in dash; there are so many of them.
const STYLES: usize = 4;

/// The class of a detector's line: a detector looks the same in every report.
pub(super) fn style(detector: &str, place: usize) -> usize {
    let known = ["accrual", "consecutive", "phi", "window"];
    let found = known.iter().position(|name| *name == detector);
    found.unwrap_or(place) % STYLES
}
