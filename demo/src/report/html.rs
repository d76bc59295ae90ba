//! The page around the report: one file that needs nothing else, readable in light and in dark.

use std::fmt::Write as _;

/// Makes text safe to stand in an element or an attribute.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A page that is written from top to bottom.
pub(crate) struct Page {
    html: String,
    figures: u32,
}

impl Page {
    /// A page with a title, and a line below it that says what this is.
    pub(crate) fn new(title: &str, subtitle: &str) -> Self {
        let (title, subtitle) = (escape(title), escape(subtitle));
        Self {
            html: format!(
                "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
                 <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
                 <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
                 <header><h1>{title}</h1>\n<p class=\"subtitle\">{subtitle}</p></header>\n"
            ),
            figures: 0,
        }
    }

    /// A heading.
    pub(crate) fn heading(&mut self, text: &str) {
        put!(self.html, "<h2>{}</h2>\n", escape(text));
    }

    /// A paragraph of plain text.
    pub(crate) fn paragraph(&mut self, text: &str) {
        put!(self.html, "<p>{}</p>\n", escape(text));
    }

    /// What a hurried reader takes home.
    pub(crate) fn findings(&mut self, sentences: &[String]) {
        if sentences.is_empty() {
            return;
        }
        self.html.push_str("<ul class=\"findings\">\n");
        for sentence in sentences {
            put!(self.html, "<li>{}</li>\n", escape(sentence));
        }
        self.html.push_str("</ul>\n");
    }

    /// The end of a log, below what it is about.
    pub(crate) fn log(&mut self, about: &str, log: &str) {
        let (about, log) = (escape(about), escape(log));
        put!(
            self.html,
            "<p class=\"about\">{about}. Its log ends with</p>\n<pre>{log}</pre>\n"
        );
    }

    /// Pictures side by side, or below each other where there is no room, each with a name; then what one sees in them.
    pub(crate) fn figure(
        &mut self,
        pictures: &[(String, String)],
        legend: &[(&str, &str)],
        caption: &str,
    ) {
        self.figures += 1;
        self.html.push_str("<figure>\n");
        if !legend.is_empty() {
            self.html.push_str("<p class=\"legend\">");
            for (class, text) in legend {
                put!(
                    self.html,
                    "<span><svg aria-hidden=\"true\" viewBox=\"0 0 30 8\" width=\"30\" height=\"8\">\
                     <polyline class=\"{class}\" points=\"1,4 29,4\"/></svg> {}</span> ",
                    escape(text)
                );
            }
            self.html.push_str("</p>\n");
        }
        self.html.push_str("<div class=\"pictures\">\n");
        for (name, svg) in pictures {
            self.html.push_str("<div class=\"picture\">");
            if !name.is_empty() {
                put!(self.html, "<p class=\"picture-name\">{}</p>", escape(name));
            }
            self.html.push_str(svg);
            self.html.push_str("</div>\n");
        }
        put!(
            self.html,
            "</div>\n<figcaption><b>Figure {}.</b> {}</figcaption>\n</figure>\n",
            self.figures,
            escape(caption)
        );
    }

    /// A table: heads, then rows of as many cells. Columns of numbers stand on the right.
    pub(crate) fn table(&mut self, heads: &[&str], rows: &[Vec<String>]) {
        let class = |column: usize| {
            let mut cells = rows.iter().filter_map(|row| row.get(column));
            match cells.all(|cell| cell.is_empty() || is_number(cell)) {
                true => " class=\"number\"",
                false => "",
            }
        };
        self.html
            .push_str("<div class=\"scroll\"><table>\n<thead><tr>");
        for (column, head) in heads.iter().enumerate() {
            put!(
                self.html,
                "<th scope=\"col\"{}>{}</th>",
                class(column),
                escape(head)
            );
        }
        self.html.push_str("</tr></thead>\n<tbody>\n");
        for row in rows {
            self.html.push_str("<tr>");
            for (column, cell) in row.iter().enumerate() {
                put!(self.html, "<td{}>{}</td>", class(column), escape(cell));
            }
            self.html.push_str("</tr>\n");
        }
        self.html.push_str("</tbody>\n</table></div>\n");
    }

    /// The whole page.
    pub(crate) fn finish(mut self) -> String {
        self.html.push_str("</main>\n</body>\n</html>\n");
        self.html
    }
}

/// Whether a cell holds a number, with a unit at most, or says that there is none.
fn is_number(cell: &str) -> bool {
    let bare = cell.trim_end_matches(" points").trim_end_matches('%');
    bare == "–" || bare.replace(',', "").parse::<f64>().is_ok()
}

/// Colours are those of Okabe and Ito, which people who confuse red with green tell apart; darker pages get lighter ones.
const STYLE: &str = "
:root { color-scheme: light dark; --page: #fdfdfc; --text: #1c1d1f; --quiet: #62666d; --rule: #d9dade; --grid: #ececef;
  --cell: #0a5c94; --on-cell: #ffffff; --s0: #0072b2; --s1: #008a64; --s2: #b4558e; --s3: #7a6a00; --s4: #4b4fc4;
  --garbage: #d04a00; }
@media (prefers-color-scheme: dark) { :root { --page: #16181b; --text: #e6e7e9; --quiet: #9ba0a8; --rule: #363a40;
  --grid: #25282d; --cell: #56b4e9; --on-cell: #0b1116; --s0: #56b4e9; --s1: #2fcf9f; --s2: #e59cc9; --s3: #e3cf4a;
  --s4: #a9acff; --garbage: #ff8a4c; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text);
  font: 16px/1.55 system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; }
main { max-width: 1000px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 4px; letter-spacing: -0.01em; }
h2 { font-size: 20px; margin: 44px 0 8px; }
p { max-width: 46em; }
.subtitle { color: var(--quiet); margin: 0 0 24px; }
.findings { margin: 0; padding: 14px 20px 14px 38px; border-left: 3px solid var(--s0); background: var(--grid); }
.findings li { margin: 4px 0; max-width: 52em; }
.about { margin: 20px 0 4px; }
pre { margin: 0; padding: 10px 14px; background: var(--grid); font-size: 13px; overflow-x: auto; }
figure { margin: 20px 0 8px; }
figcaption { color: var(--quiet); font-size: 14px; max-width: 60em; margin-top: 6px; }
figcaption b { color: var(--text); }
.pictures { display: flex; flex-wrap: wrap; gap: 10px 22px; }
.picture svg { max-width: 100%; height: auto; display: block; }
.picture-name, .legend { margin: 0 0 2px; font-size: 13px; font-weight: 600; }
.legend { font-weight: 400; display: flex; flex-wrap: wrap; gap: 2px 20px; margin-bottom: 8px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 14px; margin: 12px 0; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; border-bottom: 2px solid var(--rule); padding: 5px 16px 5px 0; vertical-align: bottom; }
td { border-bottom: 1px solid var(--rule); padding: 5px 16px 5px 0; vertical-align: top; }
td.number, th.number { text-align: right; }
svg text { font: 12px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: var(--text); stroke: none; }
svg .tick { fill: var(--quiet); } svg .label { fill: var(--quiet); } svg .value { font-size: 12px; }
svg .name { font-weight: 600; }
.grid { stroke: var(--grid); } .axis { stroke: var(--quiet); }
.line { fill: none; stroke: var(--colour); stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
svg text.line { fill: var(--colour); stroke: none; } .dot { fill: var(--page); stroke-dasharray: none !important; }
.dashed { stroke-dasharray: 6 5; } .dotted { stroke-dasharray: 1.5 5; }
.s0 { --colour: var(--s0); } .s1 { --colour: var(--s1); } .s2 { --colour: var(--s2); } .s3 { --colour: var(--s3); }
.s4 { --colour: var(--s4); } .garbage { --colour: var(--garbage); } .muted { --colour: var(--quiet); }
.cell { fill: var(--cell); stroke: var(--rule); } svg .on-dark { fill: var(--on-cell); }
@media print { main { padding: 0; } figure, table { break-inside: avoid; } }
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_end_the_element_or_the_attribute_that_it_stands_in() {
        assert_eq!(
            escape("<a href=\"x\">'&'</a>"),
            "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;"
        );
    }

    #[test]
    fn numbers_are_told_from_words() {
        for number in ["12", "1,234.5", "97.2%", "–", "+1.5 points"] {
            assert!(is_number(number), "{number}");
        }
        for word in ["", "0.1.0-abc", "uid 3", "127.0.0.1"] {
            assert!(!is_number(word), "{word}");
        }
    }
}
