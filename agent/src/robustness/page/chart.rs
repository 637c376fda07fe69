//! Curves as inline SVG, and colours of figures.

use crate::formats::html::escape;
use std::fmt::Write;

/// One curve; what is not a number is left out.
pub(in crate::robustness) struct Series {
    pub name: String,
    pub values: Vec<f32>,
    /// Drawn thick, in the colour of the text.
    pub strong: bool,
}

/// A chart over a few places of the x axis, evenly spaced.
pub(in crate::robustness) struct Chart<'a> {
    pub title: &'a str,
    pub x_name: &'a str,
    pub x: Vec<String>,
    pub y_name: &'a str,
    /// Where the y axis ends; it begins at zero.
    pub top: f32,
    pub series: Vec<Series>,
}

const WIDTH: f32 = 560.0;
const HEIGHT: f32 = 330.0;
const LEFT: f32 = 62.0;
const RIGHT: f32 = 16.0;
const TOP: f32 = 14.0;
const BOTTOM: f32 = 54.0;
/// Colours that are told apart on white and on black.
const COLOURS: [&str; 8] = ["#4c8ed9", "#d9853b", "#3fa66b", "#c95d8f", "#8f7ad6", "#a39a2a", "#38a3a5", "#b0695a"];
const DASHES: [&str; 4] = ["", "7 4", "2 4", "10 4 2 4"];

impl Chart<'_> {
    /// The chart with its legend.
    pub fn svg(&self) -> String {
        let mut svg = String::new();
        let (title, width, height) = (escape(self.title), WIDTH, HEIGHT);
        let _ = write!(
            svg,
            "<figure class=\"chart\"><figcaption>{title}</figcaption><svg viewBox=\"0 0 {width} {height}\" role=\"img\" \
             aria-label=\"{title}\">"
        );
        self.axes(&mut svg);
        // A thick curve lies below: it often runs where a thin one does.
        let (strong, plain): (Vec<_>, Vec<_>) = self.series.iter().enumerate().partition(|(_, series)| series.strong);
        for (index, series) in strong.into_iter().chain(plain) {
            self.curve(&mut svg, index, series);
        }
        svg.push_str("</svg><div class=\"legend\">");
        for (index, series) in self.series.iter().enumerate() {
            let name = escape(&series.name);
            let _ = write!(
                svg,
                "<span><svg viewBox=\"0 0 34 10\" class=\"key\"><line x1=\"1\" y1=\"5\" x2=\"33\" y2=\"5\" {}/></svg>{name}</span>",
                stroke(index, series.strong)
            );
        }
        svg.push_str("</div></figure>");
        svg
    }

    fn place(&self, x: usize, y: f32) -> (f32, f32) {
        let across = WIDTH - LEFT - RIGHT;
        let share = if self.x.len() > 1 { x as f32 / (self.x.len() - 1) as f32 } else { 0.5 };
        let up = (y / self.top).clamp(0.0, 1.0);
        (LEFT + 12.0 + share * (across - 24.0), TOP + (1.0 - up) * (HEIGHT - TOP - BOTTOM))
    }

    fn axes(&self, svg: &mut String) {
        const LINES: usize = 5;
        for line in 0..=LINES {
            let value = self.top * line as f32 / LINES as f32;
            let (_, y) = self.place(0, value);
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{value:.0}</text>",
                WIDTH - RIGHT,
                LEFT - 7.0,
                y + 5.0
            );
        }
        for (index, label) in self.x.iter().enumerate() {
            let (x, _) = self.place(index, 0.0);
            let (label, y) = (escape(label), HEIGHT - BOTTOM + 20.0);
            let _ = write!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{label}</text>");
        }
        let (middle, bottom) = (LEFT + 0.5 * (WIDTH - LEFT - RIGHT), HEIGHT - 12.0);
        let across = TOP + 0.5 * (HEIGHT - TOP - BOTTOM);
        let _ = write!(
            svg,
            "<text x=\"{middle:.1}\" y=\"{bottom:.1}\" text-anchor=\"middle\">{}</text>\
             <text transform=\"translate(15 {across:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            escape(self.x_name),
            escape(self.y_name)
        );
    }

    fn curve(&self, svg: &mut String, index: usize, series: &Series) {
        let places: Vec<(f32, f32)> = series
            .values
            .iter()
            .enumerate()
            .filter(|(_, value)| value.is_finite())
            .map(|(x, value)| self.place(x, *value))
            .collect();
        let line: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = write!(svg, "<polyline fill=\"none\" points=\"{}\" {}/>", line.join(" "), stroke(index, series.strong));
        let radius = if series.strong { 4.0 } else { 3.0 };
        let colour = colour(index, series.strong);
        for (x, y) in places {
            let _ = write!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"{colour}\"/>");
        }
    }
}

fn colour(index: usize, strong: bool) -> &'static str {
    if strong { "currentColor" } else { COLOURS[index % COLOURS.len()] }
}

fn stroke(index: usize, strong: bool) -> String {
    let (width, dash) = if strong { (3.5, "") } else { (2.2, DASHES[(index + index / COLOURS.len()) % DASHES.len()]) };
    format!("stroke=\"{}\" stroke-width=\"{width}\" stroke-dasharray=\"{dash}\"", colour(index, strong))
}

/// Background and text colour of a share: red for nothing, pale for a half, blue for all; told apart without red and green.
pub(in crate::robustness) fn heat(share: f32) -> String {
    const STOPS: [[f32; 3]; 3] = [[178.0, 48.0, 42.0], [250.0, 234.0, 180.0], [58.0, 124.0, 178.0]];
    if !share.is_finite() {
        return "background:#8884".to_owned();
    }
    let at = 2.0 * share.clamp(0.0, 1.0);
    let (low, part) = if at < 1.0 { (0, at) } else { (1, at - 1.0) };
    let mix = |channel: usize| STOPS[low][channel] + (STOPS[low + 1][channel] - STOPS[low][channel]) * part;
    let [red, green, blue] = [0, 1, 2].map(mix);
    let light = 0.299 * red + 0.587 * green + 0.114 * blue;
    format!("background:rgb({red:.0},{green:.0},{blue:.0});color:{}", if light > 130.0 { "#111" } else { "#fff" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_stand_where_their_values_are() {
        let series =
            |name: &str, values: &[f32], strong| Series { name: name.to_owned(), values: values.to_vec(), strong };
        let chart = Chart {
            title: "a < b",
            x_name: "x",
            x: vec!["1".to_owned(), "2".to_owned()],
            y_name: "y",
            top: 100.0,
            series: vec![series("low & high", &[0.0, 100.0], false), series("gap", &[f32::NAN, 50.0], true)],
        };
        let svg = chart.svg();
        let (bottom, top) = (HEIGHT - BOTTOM, TOP);
        assert!(svg.contains(&format!(
            "points=\"{:.1},{bottom:.1} {:.1},{top:.1}\"",
            LEFT + 12.0,
            WIDTH - RIGHT - 12.0
        )));
        assert!(svg.contains("a &lt; b") && svg.contains("low &amp; high") && !svg.contains("NaN"), "{svg}");
        assert_eq!(svg.matches("<circle").count(), 3);
    }

    #[test]
    fn heat_goes_from_red_over_pale_to_blue() {
        assert_eq!(heat(0.0), "background:rgb(178,48,42);color:#fff");
        assert_eq!(heat(0.5), "background:rgb(250,234,180);color:#111");
        assert_eq!(heat(1.3), heat(1.0));
        assert!(!heat(f32::NAN).contains("NaN"));
    }
}
