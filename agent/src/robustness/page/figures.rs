//! Figures in words: shares in per cent, budgets, estimates with their intervals.

use crate::drive::interval::Estimate;
use crate::robustness::comfort::CleanDrivingTotals;

/// A share in per cent, without the sign.
pub(in crate::robustness) fn percent(share: f32) -> String {
    if share.is_finite() { format!("{:.0}", 100.0 * share) } else { "–".to_owned() }
}

/// A share in per cent with its interval.
pub(in crate::robustness) fn share(estimate: Estimate) -> String {
    format!("{} % ({} to {})", percent(estimate.value), percent(estimate.low), percent(estimate.high))
}

/// A number with so many places.
pub(in crate::robustness) fn number(value: f32, places: usize) -> String {
    if value.is_finite() { format!("{value:.places$}") } else { "–".to_owned() }
}

/// So many of something, by its name in the singular.
pub(in crate::robustness) fn counted(count: usize, name: &str) -> String {
    format!("{count} {name}{}", if count == 1 { "" } else { "s" })
}

/// Which of nuPlan's bounds most drives broke, and how many of them.
pub(in crate::robustness) fn broken_most(totals: &CleanDrivingTotals) -> String {
    let broken = totals.broken_most();
    broken.map_or_else(|| "none".to_owned(), |(bound, drives)| format!("{}, by {drives}", bound.replace('_', " ")))
}

fn with_interval(estimate: Estimate, places: usize) -> String {
    let [value, low, high] = [estimate.value, estimate.low, estimate.high].map(|value| number(value, places));
    format!("{value} ({low} to {high})")
}

/// A share as a fraction with its interval.
pub(in crate::robustness) fn fraction(estimate: Estimate) -> String {
    with_interval(estimate, 3)
}

/// A score with its interval.
pub(in crate::robustness) fn score(estimate: Estimate) -> String {
    with_interval(estimate, 1)
}

/// How long something takes in what it usually takes; nothing where it never ends.
pub(in crate::robustness) fn slowness(estimate: Option<Estimate>) -> String {
    estimate.map_or_else(|| "–".to_owned(), |estimate| with_interval(estimate, 2))
}

/// A budget that may be none.
pub(in crate::robustness) fn levels(eps_levels: Option<f32>) -> String {
    match eps_levels {
        None => "none".to_owned(),
        Some(eps) if eps < 1.0 => format!("{} level", level(eps)),
        Some(eps) => format!("{eps}/255"),
    }
}

/// A budget as a short label: a fraction below one.
pub(in crate::robustness) fn level(eps_levels: f32) -> String {
    if eps_levels < 1.0 { format!("1/{:.0}", 1.0 / eps_levels) } else { eps_levels.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_as_they_are_meant() {
        let estimate = Estimate { value: 0.25, low: 0.1, high: 0.409 };
        assert_eq!(share(estimate), "25 % (10 to 41)");
        assert_eq!(fraction(estimate), "0.250 (0.100 to 0.409)");
        assert_eq!([levels(None), levels(Some(0.25)), levels(Some(2.0))], ["none", "1/4 level", "2/255"]);
        assert_eq!(percent(f32::NAN), "–");
        assert_eq!(
            [counted(0, "drive"), counted(1, "drive"), counted(2, "drive")],
            ["0 drives", "1 drive", "2 drives"]
        );
        assert_eq!(score(Estimate { value: f32::NAN, ..estimate }), "– (0.1 to 0.4)");
    }
}
