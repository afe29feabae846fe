//! What the page is made of. Everything that is text is escaped here and nowhere else.

use std::fmt::Write as _;

/// Text as it may stand between tags and in attributes.
pub(in super::super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // HTML has no way to write the others.
            '\t' | '\n' => escaped.push(letter),
            _ if letter.is_control() => escaped.push('\u{fffd}'),
            _ => escaped.push(letter),
        }
    }
    escaped
}

/// A part of the page; one without a body is left out.
pub(super) struct Section {
    /// The anchor.
    pub id: &'static str,
    pub title: &'static str,
    pub body: String,
}

/// A paragraph.
pub(super) fn paragraph(class: &str, text: &str) -> String {
    format!("<p class=\"{class}\">{}</p>\n", escape(text))
}

/// A list; nothing if there is nothing in it.
pub(super) fn list(class: &str, items: impl IntoIterator<Item = String>) -> String {
    let items: String = items
        .into_iter()
        .map(|item| format!("<li>{}</li>", escape(&item)))
        .collect();
    if items.is_empty() {
        return items;
    }
    format!("<ul class=\"{class}\">{items}</ul>\n")
}

/// Names and what they stand for; what is empty is left out.
pub(super) fn terms(terms: &[(&str, String)]) -> String {
    let known = terms.iter().filter(|(_, text)| !text.is_empty());
    let items: String = known
        .map(|(name, text)| format!("<dt>{}</dt><dd>{}</dd>", escape(name), escape(text)))
        .collect();
    format!("<dl>{items}</dl>\n")
}

/// Something that is only shown if asked for; `body` is HTML.
pub(super) fn folded(summary: &str, body: &str) -> String {
    format!("<details><summary>{}</summary>\n{body}</details>\n", escape(summary))
}

/// Charts beside each other as far as there is room, each with its caption.
pub(super) fn panels(charts: impl IntoIterator<Item = (String, Option<String>)>) -> String {
    let figures: String = charts
        .into_iter()
        .map(|(chart, caption)| {
            let caption = caption.map(|text| format!("<figcaption>{}</figcaption>", escape(&text)));
            format!("<figure>{chart}{}</figure>\n", caption.unwrap_or_default())
        })
        .collect();
    format!("<div class=\"panels\">\n{figures}</div>\n")
}

/// A table in the making. Where it is wider than the page it scrolls, and the page does not.
pub(super) struct Table<'a> {
    columns: &'a [&'a str],
    label: &'a str,
    rows: String,
}

impl<'a> Table<'a> {
    /// Columns of numbers are marked with `#`, those of sentences with `~`, those that say how it is with `!`. The label says what it is to those who do
    /// not see it.
    pub const fn new(label: &'a str, columns: &'a [&'a str]) -> Self {
        Self {
            columns,
            label,
            rows: String::new(),
        }
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.marked("", cells);
    }

    /// A row of a class, which shows in the cell that says how it is. Its first cell is its name.
    pub fn marked(&mut self, class: &str, cells: impl IntoIterator<Item = String>) {
        let mut row = String::new();
        for (n, (cell, column)) in cells.into_iter().zip(self.columns).enumerate() {
            let (cell, class) = (escape(&cell), class_of(column));
            // Writing to a String cannot fail.
            let _ = match n {
                0 => write!(row, "<th scope=\"row\"{class}>{cell}</th>"),
                _ => write!(row, "<td{class}>{cell}</td>"),
            };
        }
        let class = if class.is_empty() {
            String::new()
        } else {
            format!(" class=\"{class}\"")
        };
        let _ = writeln!(self.rows, "<tr{class}>{row}</tr>");
    }

    /// Nothing if it has no rows.
    pub fn finish(self) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let heads: String = self
            .columns
            .iter()
            .map(|column| {
                let class = class_of(column);
                let name = escape(column.trim_start_matches(['#', '~', '!']));
                format!("<th scope=\"col\"{class}>{name}</th>")
            })
            .collect();
        format!(
            "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{}\"><table><thead><tr>{heads}</tr></thead>\
             <tbody>\n{}</tbody></table></div>\n",
            escape(self.label),
            self.rows
        )
    }
}

fn class_of(column: &str) -> &'static str {
    match column.chars().next() {
        Some('#') => " class=\"n\"",
        Some('~') => " class=\"words\"",
        Some('!') => " class=\"state\"",
        _ => "",
    }
}
