//! Results of evaluations as tables for people: how drives end, and what they are like.

use crate::drive::evaluate::{EvaluateSettings, FAMILIAR_SEED, FIGURES_SEED};
use crate::drive::interval::Estimate;
use crate::drive::result::DriverResult;
use comfy_table::{ContentArrangement, Table};
use roadproof_sim::Split;
use roadproof_sim::outcome::comfort::{EMERGENCY_BRAKING_MPS2, HARD_BRAKING_MPS2, NOTHING_WITHIN_M};

/// Columns of a terminal that a table fits into; names that are too long are broken.
const COLUMNS: u16 = 120;

/// Both tables, and below them what the figures are of.
#[must_use]
pub fn tables(results: &[DriverResult], roads: &EvaluateSettings) -> String {
    let mut score = table(["driver", "driving score", "arrived", "collided", "off road", "blocked or late"]);
    let mut comfort = table([
        "driver",
        "arrived in comfort",
        "bound broken most",
        "hard braking,\ndecisions /km",
        "emergency stops,\nnothing ahead",
        "least TTC\n(of 5 % of drives)",
    ]);
    for result in results {
        let (estimates, felt) = (&result.estimates, &result.comfort);
        let arrived = result.outcomes.get("Arrived").copied().unwrap_or(0);
        let bounds = |of: Estimate| format!("({:.1}–{:.1} %)", 100.0 * of.low, 100.0 * of.high);
        score.add_row([
            result.driver.clone(),
            format!("{:.1} ({})", estimates.driving_score.value, range(estimates.driving_score, 1.0)),
            format!("{arrived} of {} {}", result.episodes, bounds(estimates.arrived)),
            share(estimates.collided),
            share(estimates.off_road),
            share(estimates.blocked_or_late),
        ]);
        let broken = felt.broken_most().map_or("nothing".to_owned(), |(bound, drives)| {
            format!("{}\n{:.0} % of drives", bound.replace('_', " "), 100.0 * drives as f32 / result.episodes as f32)
        });
        let seconds = |least_s: Option<f32>| least_s.map_or("none".to_owned(), |least_s| format!("{least_s:.2} s"));
        comfort.add_row([
            result.driver.clone(),
            share(estimates.arrived_comfortably),
            broken,
            format!("{:.1} ({})", estimates.hard_braking_per_km.value, range(estimates.hard_braking_per_km, 1.0)),
            match felt.needless_emergency_stops {
                0 => "0".to_owned(),
                stops => format!("{stops}, on {} of {}", felt.needless_emergency_drives, result.episodes),
            },
            format!("{} ({})", seconds(felt.min_ttc_s), seconds(felt.min_ttc_5_percent_s)),
        ]);
    }
    let split = match roads.split {
        Split::Train => "Training",
        Split::Validation => "Validation",
        Split::HeldOut => "Held-out",
    };
    format!(
        "{score}\n{comfort}\n{split} roads 0 to {} of seed {}, from the same generator as training. In brackets: intervals of 95 %.\n\
         Arrived in comfort: at the end of the road, and within all of nuPlan's bounds on the way, over all roads.\n\
         Hard braking: over {HARD_BRAKING_MPS2} m/s². Emergency stop: {EMERGENCY_BRAKING_MPS2} m/s² or more. Nothing ahead: no car \
         within {NOTHING_WITHIN_M} m.\nTTC: time to collision with what is ahead.{}",
        roads.roads - 1,
        roads.seed,
        looked_at(roads)
    )
}

/// What is to be said of roads that everybody looks at, in a line of its own.
fn looked_at(roads: &EvaluateSettings) -> String {
    if (roads.split, roads.seed) != (Split::HeldOut, FAMILIAR_SEED) {
        return String::new();
    }
    format!(
        "\nEvery training looks at these roads: figures to quote are those of `roadproof evaluate`, on roads of seed {FIGURES_SEED}."
    )
}

fn table<const N: usize>(header: [impl Into<comfy_table::Cell>; N]) -> Table {
    let mut table = Table::new();
    table.load_preset(comfy_table::presets::UTF8_FULL_CONDENSED).set_header(header);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(COLUMNS);
    table
}

/// The ends of an interval, as exactly as they are worth.
fn range(estimate: Estimate, scale: f32) -> String {
    let places = if scale * estimate.high >= 200.0 { 0 } else { 1 };
    format!("{:.places$}–{:.places$}", scale * estimate.low, scale * estimate.high)
}

/// A share in per cent with its interval.
fn share(estimate: Estimate) -> String {
    format!("{:.1} % ({})", 100.0 * estimate.value, range(estimate, 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::evaluate::evaluate;
    use crate::driver::Driver;
    use crate::host::interrupt::Interrupt;
    use roadproof_sim::DriveStyle;

    #[test]
    fn every_line_fits_a_terminal() {
        let style = DriveStyle { length_m: 120.0, max_cars: 2, ..DriveStyle::default() };
        let roads = EvaluateSettings { roads: 3, ..EvaluateSettings::default() };
        let driven = evaluate(&mut Driver::Scripted, &roads, &style, 1, &Interrupt::never());
        let mut results = vec![driven.expect("a style").expect("nobody interrupts")];
        results.push(DriverResult { driver: "learned, bevy's frames".to_owned(), ..results[0].clone() });
        let shown = tables(&results, &roads);
        for line in shown.lines() {
            assert!(line.chars().count() <= usize::from(COLUMNS), "{} columns: {line}", line.chars().count());
        }
        for said in [
            "│ scripted ",
            " 3 of 3 (",
            "arrived in",
            "Held-out roads 0 to 2 of seed 0, from the same generator as training",
            "figures to quote are those of `roadproof evaluate`, on roads of seed 2026",
        ] {
            assert!(shown.contains(said), "{said:?} is not in {shown}");
        }
        let figures = EvaluateSettings { seed: FIGURES_SEED, ..roads };
        let shown = tables(&results, &figures);
        assert!(shown.contains("of seed 2026") && !shown.contains("figures to quote"), "{shown}");
    }
}
