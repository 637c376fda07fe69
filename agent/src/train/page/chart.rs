//! A curve over the steps of a run as inline SVG.

use crate::formats::html::escape;
use std::fmt::Write;

/// One curve.
pub(super) struct Chart<'a> {
    pub title: &'a str,
    pub x_name: &'a str,
    /// Steps and values; what is not a number is left out.
    pub points: &'a [(u64, f32)],
}

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 250.0;
const LEFT: f64 = 74.0;
const RIGHT: f64 = 18.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 50.0;
/// Places along the x axis that a line is drawn through; what lies between is averaged.
const PLACES: usize = 240;
/// Lines across, about.
const LINES: f64 = 4.0;

impl Chart<'_> {
    pub fn svg(&self) -> String {
        let points: Vec<(f64, f64)> = self
            .points
            .iter()
            .filter(|(_, value)| value.is_finite())
            .map(|(step, value)| (*step as f64, f64::from(*value)))
            .collect();
        let title = escape(self.title);
        let mut svg = format!(
            "<figure class=\"chart\"><figcaption>{title}</figcaption>\
             <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">"
        );
        // From the beginning of the run, whenever the curve begins: charts below each other are read together.
        let x = Axis::of(points.iter().map(|(step, _)| *step).chain([0.0]));
        let y = Axis::of(points.iter().map(|(_, value)| *value));
        let across = |step: f64| LEFT + x.share(step) * (WIDTH - LEFT - RIGHT);
        let up = |value: f64| TOP + (1.0 - y.share(value)) * (HEIGHT - TOP - BOTTOM);
        for value in y.ticks() {
            let (at, label) = (up(value), short(value, y.step));
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                WIDTH - RIGHT,
                LEFT - 7.0,
                at + 5.0
            );
        }
        for step in x.ticks() {
            let (at, label, below) = (across(step), short(step, x.step), HEIGHT - BOTTOM + 19.0);
            let _ = write!(svg, "<text x=\"{at:.1}\" y=\"{below:.1}\" text-anchor=\"middle\">{label}</text>");
        }
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            0.5 * (LEFT + WIDTH - RIGHT),
            HEIGHT - 10.0,
            escape(self.x_name)
        );
        let line: Vec<String> =
            thinned(&points).iter().map(|(step, value)| format!("{:.1},{:.1}", across(*step), up(*value))).collect();
        let _ = write!(
            svg,
            "<polyline fill=\"none\" stroke=\"#4c8ed9\" stroke-width=\"2\" points=\"{}\"/></svg></figure>",
            line.join(" ")
        );
        svg
    }
}

/// Fewer points: the means of those that would lie upon each other.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let size = points.len().div_ceil(PLACES).max(1);
    let mean = |part: &[(f64, f64)], of: fn(&(f64, f64)) -> f64| part.iter().map(of).sum::<f64>() / part.len() as f64;
    points.chunks(size).map(|part| (mean(part, |point| point.0), mean(part, |point| point.1))).collect()
}

/// From where to where an axis goes, and in which steps it is marked.
struct Axis {
    from: f64,
    to: f64,
    step: f64,
}

impl Axis {
    fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let least = values.clone().fold(f64::INFINITY, f64::min);
        let most = values.fold(f64::NEG_INFINITY, f64::max);
        let (least, most) = if least <= most { (least, most) } else { (0.0, 1.0) };
        let span = if most > least { most - least } else { least.abs().max(1.0) };
        // One, two or five of a power of ten.
        let rough = span / LINES;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|times| times * power).into_iter().find(|step| *step >= rough);
        let step = step.unwrap_or(rough);
        let from = (least / step).floor() * step;
        let to = (most / step).ceil() * step;
        Self { from, to: if to > from { to } else { from + step }, step }
    }

    fn share(&self, value: f64) -> f64 {
        (value - self.from) / (self.to - self.from)
    }

    fn ticks(&self) -> Vec<f64> {
        let count = ((self.to - self.from) / self.step).round() as usize;
        (0..=count).map(|tick| self.from + tick as f64 * self.step).collect()
    }
}

/// A number of an axis: thousands and millions by their letters, and no more places than its steps have.
fn short(value: f64, step: f64) -> String {
    let (scale, letter) = match step.abs().max(value.abs()) {
        most if most >= 1e6 => (1e6, "M"),
        most if most >= 1e4 => (1e3, "k"),
        _ => (1.0, ""),
    };
    let places = (-(step / scale).log10().floor()).clamp(0.0, 8.0) as usize;
    let text = format!("{:.places$}{letter}", value / scale);
    // Nought has no sign.
    if text.trim_start_matches('-').chars().all(|c| matches!(c, '0' | '.')) {
        text.trim_start_matches('-').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_marked_in_round_steps_around_all_values() {
        let axis = Axis::of([-0.13, 0.31].into_iter());
        assert!((axis.from + 0.2).abs() < 1e-9 && (axis.to - 0.4).abs() < 1e-9 && (axis.step - 0.2).abs() < 1e-9);
        assert_eq!(axis.ticks().len(), 4);
        for values in [vec![3.0, 3.0], vec![0.0], vec![], vec![-1e30, 1e30], vec![1e-12, 2e-12]] {
            let axis = Axis::of(values.iter().copied());
            assert!(axis.to > axis.from && (2..=9).contains(&axis.ticks().len()), "{values:?}");
            assert!(values.iter().all(|value| (0.0..=1.0).contains(&axis.share(*value))), "{values:?}");
        }
        let told: Vec<String> = [(0.0, 0.2), (-0.2, 0.2), (2e6, 5e5), (25_000.0, 5000.0), (-1e-17, 0.2)]
            .map(|(value, step)| short(value, step))
            .into();
        assert_eq!(told, ["0.0", "-0.2", "2.0M", "25k", "0.0"]);
    }

    #[test]
    fn a_long_curve_is_drawn_by_the_means_of_its_parts() {
        let points: Vec<(u64, f32)> = (0..10_000).map(|step| (step, if step == 7 { f32::NAN } else { 2.0 })).collect();
        let svg = Chart { title: "a < b", x_name: "steps", points: &points }.svg();
        let (_, line) = svg.split_once("points=\"").expect("a line");
        let count = line.split('"').next().unwrap_or_default().split(' ').count();
        assert!(count <= PLACES && count > PLACES / 2, "{count}");
        assert!(svg.contains("a &lt; b") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
