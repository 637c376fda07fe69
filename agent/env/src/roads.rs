//! Which drive the number of a road names: a generated road of a seed's split, on which the drive starts anywhere in the lane.
//! What makes drives hard is mixed in on request: sensors that fail on some, and scenarios that were found to break a driver.

use crate::faults::{late_controls, random_perturbations};
use roadproof_sim::{DriveStyle, Purpose, Scenario, Seed, Split, generate_drive};

/// Seeds of the roads that policies learn on begin here; those before taught perception.
const FIRST: u64 = 1 << 32;

/// Training roads by number.
#[derive(Clone, Debug)]
pub struct Roads {
    /// Which roads of all.
    pub seed: u64,
    /// How they are drawn.
    pub style: DriveStyle,
    /// What makes some of them hard.
    pub hard: Option<HardRoads>,
}

/// What makes drives hard.
#[derive(Clone, Debug, Default)]
pub struct HardRoads {
    /// Scenarios that broke a driver.
    pub found: Vec<Scenario>,
    /// Share of the drives that are one of them, where there are any.
    pub found_share: f32,
    /// Share of the others on which sensors fail.
    pub fault_share: f32,
    /// Share of them on which controls act late, whatever else fails there.
    pub late_share: f32,
    /// How severe faults may be, 0 (the mildest) to 1 (all).
    pub severity: f32,
}

impl Roads {
    /// Everyday roads.
    #[must_use]
    pub fn new(seed: u64, style: DriveStyle) -> Self {
        Self { seed, style, hard: None }
    }

    /// The seed of a road.
    #[must_use]
    pub fn seed_of(&self, road: u64) -> Seed {
        Seed::of_split(Split::Train, self.seed, FIRST + road)
    }

    /// The drive on a road.
    #[must_use]
    pub fn drive(&self, road: u64) -> Scenario {
        let seed = self.seed_of(road);
        let mut scenario = generate_drive(seed, &self.style);
        let mut stream = seed.stream(Purpose::Disturbance);
        scenario.ego.offset_m = 0.4 * stream.normal().clamp(-2.5, 2.5);
        scenario.ego.heading_deg = 2.0 * stream.normal().clamp(-3.0, 3.0);
        let Some(hard) = &self.hard else { return scenario };
        if !hard.found.is_empty() && stream.chance(hard.found_share) {
            return hard.found[stream.below(hard.found.len())].clone();
        }
        if stream.chance(hard.fault_share) {
            scenario.perturbations = random_perturbations(&mut stream, hard.severity, scenario.duration_s);
        }
        if stream.chance(hard.late_share) {
            scenario.perturbations.push(late_controls(&mut stream, hard.severity, scenario.duration_s));
        }
        scenario
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use roadproof_sim::fault::{Fault, FaultKind};

    #[test]
    fn a_road_has_the_same_drive_every_time_and_another_seed_another() {
        let roads = Roads::new(1, DriveStyle::default());
        assert_eq!(roads.drive(7), roads.drive(7));
        assert_ne!(roads.drive(7), roads.drive(8));
        assert_ne!(roads.drive(7), Roads::new(2, DriveStyle::default()).drive(7));
    }

    #[test]
    fn as_many_drives_are_found_faulty_and_late_as_the_shares_say() {
        const ROADS: u64 = 1500;
        let text = "Scenario(format: 1, title: \"found\", duration_s: 9.0, road: Straight(length_m: 300.0))";
        let found = vec![roadproof_sim::parse(text, "t.ron".as_ref()).expect("a scenario").into_scenario()];
        let hard = HardRoads { found, found_share: 0.3, fault_share: 0.25, late_share: 0.0, severity: 1.0 };
        let some = Roads { hard: Some(hard.clone()), ..Roads::new(1, DriveStyle::default()) };
        let count = |roads: &Roads, what: &dyn Fn(&Scenario) -> bool| {
            (0..ROADS).filter(|&road| what(&roads.drive(road))).count() as f64
        };
        // Within four standard deviations of a binomial's mean.
        let near = |count: f64, share: f64| {
            let (mean, spread) = (ROADS as f64 * share, (ROADS as f64 * share * (1.0 - share)).sqrt());
            assert!((count - mean).abs() <= 4.0 * spread, "{count} of {ROADS}, wanted {share}");
        };
        let is_found = |scenario: &Scenario| scenario.title == "found";
        near(count(&some, &is_found), 0.3);
        near(count(&some, &|scenario| !scenario.perturbations.is_empty()), 0.7 * 0.25);
        let is_late = |scenario: &Scenario| {
            let late = |fault: &Fault| matches!(fault, Fault::Graded { kind: FaultKind::ControlDelay, .. });
            scenario.perturbations.iter().any(|perturbation| late(&perturbation.fault))
        };
        let hard = HardRoads { found: Vec::new(), fault_share: 0.0, late_share: 0.2, ..hard };
        near(count(&Roads { hard: Some(hard), ..some.clone() }, &is_late), 0.2);
        let none = Roads { hard: None, ..some };
        assert_eq!(count(&none, &|scenario| is_found(scenario) || !scenario.perturbations.is_empty()), 0.0);
    }
}
