//! Results of evaluations as tables for people: how drives end, and what they are like.

use crate::drive::evaluate::{EvaluateSettings, FAMILIAR_SEED, FIGURES_SEED};
use crate::drive::interval::Estimate;
use crate::drive::result::DriverResult;
use crate::host::console::table;
use roadproof_sim::Split;
use roadproof_sim::outcome::comfort::{EMERGENCY_BRAKING_MPS2, HARD_BRAKING_MPS2, NOTHING_WITHIN_M};

/// Drivers side by side in a table that narrow; more stand below each other.
const SIDE_BY_SIDE: usize = 3;

/// What a table says of each driver: the name of a figure, and how it reads.
type Row = (&'static str, fn(&DriverResult) -> String);

/// What costs points comes first, then what drives are like.
const ROWS: [Row; 13] = [
    ("driving score", |result| with_range(result.estimates.driving_score, 1.0)),
    ("completion, %", |result| format!("{:.1}", 100.0 * result.route_completion)),
    ("arrived, %", |result| with_range(result.estimates.arrived, 100.0)),
    ("collided, %", |result| with_range(result.estimates.collided, 100.0)),
    ("off road, %", |result| with_range(result.estimates.off_road, 100.0)),
    ("blocked or late, %", |result| with_range(result.estimates.blocked_or_late, 100.0)),
    ("out of lane, m/km", |result| per_km(result, "outside_lanes_m")),
    ("too slow, /km", |result| per_km(result, "minimum_speed")),
    ("in comfort, %", |result| with_range(result.estimates.arrived_comfortably, 100.0)),
    ("broken most", |result| {
        result.comfort.broken_most().map_or("nothing".to_owned(), |(bound, drives)| {
            format!("{}, {:.0} %", bound.replace('_', " "), 100.0 * drives as f32 / result.episodes as f32)
        })
    }),
    ("hard braking, /km", |result| with_range(result.estimates.hard_braking_per_km, 1.0)),
    ("needless stops", |result| match result.comfort.needless_emergency_stops {
        0 => "0".to_owned(),
        stops => format!("{stops}, on {} roads", result.comfort.needless_emergency_drives),
    }),
    ("least TTC, s", |result| {
        let seconds = |least_s: Option<f32>| least_s.map_or("none".to_owned(), |least_s| format!("{least_s:.2}"));
        format!("{}, {} in 5 %", seconds(result.comfort.min_ttc_s), seconds(result.comfort.min_ttc_5_percent_s))
    }),
];

/// A row for each figure and a column for each driver, and below what the figures are of.
#[must_use]
pub fn tables(results: &[DriverResult], roads: &EvaluateSettings) -> String {
    let side_by_side = |results: &[DriverResult]| {
        let mut table = table([""].into_iter().chain(results.iter().map(|result| result.driver.as_str())));
        for (name, figures) in rows(results) {
            table.add_row(std::iter::once(name.to_owned()).chain(figures));
        }
        format!("{table}\n")
    };
    let tables: String = results.chunks(SIDE_BY_SIDE).map(side_by_side).collect();
    tables + &legend(roads)
}

/// The figures by their names, of each driver.
pub fn rows(results: &[DriverResult]) -> impl Iterator<Item = (&'static str, Vec<String>)> {
    ROWS.into_iter().map(|(name, figure)| (name, results.iter().map(figure).collect()))
}

/// What the figures are of.
#[must_use]
pub fn legend(roads: &EvaluateSettings) -> String {
    let split = match roads.split {
        Split::Train => "Training",
        Split::Validation => "Validation",
        Split::HeldOut => "Held-out",
    };
    format!(
        "{split} roads 0 to {} of seed {}, from the same generator as training.\n\
         In brackets: intervals of 95 %. Too slow: parts of the route driven slower than\n\
         the traffic, each by its shortfall. In comfort: arrived within nuPlan's bounds;\n\
         broken most: the one that most drives broke. Hard braking: decisions over\n\
         {HARD_BRAKING_MPS2} m/s². Needless stops: {EMERGENCY_BRAKING_MPS2} m/s² or more with no car within {NOTHING_WITHIN_M} m.\n\
         TTC: time to collision with what is ahead; in 5 %: in the closest twentieth.{}",
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
        "\nEvery training looks at these roads: figures to quote are those of\n`roadproof evaluate`, on roads of seed {FIGURES_SEED}."
    )
}

/// The ends of an interval, as exactly as they are worth.
fn range(estimate: Estimate, scale: f32) -> String {
    let places = if scale * estimate.high >= 200.0 { 0 } else { 1 };
    format!("{:.places$}–{:.places$}", scale * estimate.low, scale * estimate.high)
}

/// A figure with its interval.
fn with_range(estimate: Estimate, scale: f32) -> String {
    let places = usize::from(scale * estimate.high < 200.0);
    format!("{:.places$} ({})", scale * estimate.value, range(estimate, scale))
}

/// What happens so often in a kilometre.
fn per_km(result: &DriverResult, infraction: &str) -> String {
    format!("{:.2}", result.infractions_per_km[infraction])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::evaluate::evaluate;
    use crate::driver::Driver;
    use crate::host::console::COLUMNS;
    use crate::host::interrupt::Interrupt;
    use roadproof_sim::DriveStyle;

    #[test]
    fn every_line_fits_a_terminal() {
        let style = DriveStyle { length_m: 120.0, max_cars: 2, ..DriveStyle::default() };
        let roads = EvaluateSettings { roads: 3, ..EvaluateSettings::default() };
        let driven = evaluate("scripted", &mut Driver::Scripted, &roads, &style, 1, &Interrupt::never());
        let mut results = vec![driven.expect("a style").expect("nobody interrupts")];
        let name = "/a/folder/with/a/long/name/runs/20261128T101500Z-1".to_owned();
        results.extend(
            [name, "learned, bevy's frames".to_owned(), "blind".to_owned()]
                .map(|driver| DriverResult { driver, ..results[0].clone() }),
        );
        let shown = tables(&results, &roads);
        for line in shown.lines() {
            assert!(line.chars().count() <= COLUMNS, "{} columns: {line}", line.chars().count());
        }
        for said in [
            "┆ scripted ",
            "│ out of lane, m/km  ┆ ",
            "│ arrived, %         ┆ 100.0 (",
            "Held-out roads 0 to 2 of seed 0, from the same generator as training",
            "figures to quote are those of\n`roadproof evaluate`, on roads of seed 2026",
        ] {
            assert!(shown.contains(said), "{said:?} is not in {shown}");
        }
        let figures = EvaluateSettings { seed: FIGURES_SEED, ..roads };
        let shown = tables(&results, &figures);
        assert!(shown.contains("of seed 2026") && !shown.contains("figures to quote"), "{shown}");
    }
}
