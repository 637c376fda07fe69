//! The one loop over drives: worlds and a driver, decision by decision, until they have ended.
//!
//! Evaluation, replay, attacks, the report, searches, benchmarks and the second renderer are users of it. Whoever changes what
//! a driver sees changes `seen.rgb` before the driver acts; whoever has more drives than worlds begins the next where one has ended.

use crate::driver::Drives;
use crate::host::interrupt::Interrupt;
use roadproof_sim::{Build, Controls, Episode, Fleet, FleetError, Observations, Outcome, Scenario, Score, Seed};

/// Worlds and who drives them.
pub struct Rollout<'a, D: Drives> {
    fleet: Fleet,
    seen: Observations,
    driver: &'a mut D,
}

impl<'a, D: Drives> Rollout<'a, D> {
    /// Builds the worlds, for a driver who has seen none of them yet.
    ///
    /// # Errors
    /// [`FleetError`] for a scenario that cannot be built, or whose camera has another size than the first one's.
    pub fn start(scenarios: Vec<Scenario>, driver: &'a mut D, threads: usize) -> Result<Self, FleetError> {
        let seeds: Vec<Seed> = scenarios.iter().map(|scenario| scenario.seed).collect();
        let mut fleet = Fleet::new(scenarios, threads)?;
        fleet.set_camera(driver.needs_camera());
        let seen = fleet.observe();
        driver.start(&seeds);
        Ok(Self { fleet, seen, driver })
    }

    /// The worlds.
    #[must_use]
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// What they show.
    #[must_use]
    pub fn seen(&self) -> &Observations {
        &self.seen
    }

    /// Worlds whose drive goes on.
    #[must_use]
    pub fn running(&self) -> Vec<usize> {
        let verdicts = self.seen.verdicts.iter().enumerate();
        verdicts.filter(|(_, verdict)| verdict.outcome.is_none()).map(|(world, _)| world).collect()
    }

    /// Worlds whose drive has ended.
    #[must_use]
    pub fn ended(&self) -> Vec<usize> {
        let verdicts = self.seen.verdicts.iter().enumerate();
        verdicts.filter(|(_, verdict)| verdict.outcome.is_some()).map(|(world, _)| world).collect()
    }

    /// One decision of every world that goes on; returns what the driver asked for.
    pub fn step(&mut self) -> Vec<Controls> {
        self.step_after(|_, _, _| ())
    }

    /// The same, after something has been done to the worlds and to what is shown of them, by one who knows the driver before it
    /// looks.
    pub fn step_after(&mut self, before: impl FnOnce(&mut Fleet, &D, &mut Observations)) -> Vec<Controls> {
        before(&mut self.fleet, self.driver, &mut self.seen);
        let controls = self.driver.act(&self.seen);
        self.fleet.step(&controls, &mut self.seen);
        controls
    }

    /// Begins other drives in some worlds.
    ///
    /// # Errors
    /// [`FleetError`] for a scenario that does not fit.
    pub fn refill(&mut self, fresh: Vec<(usize, Scenario)>) -> Result<(), FleetError> {
        fresh.iter().for_each(|(world, scenario)| self.driver.restart(*world, scenario.seed));
        self.fleet.restart(fresh, &mut self.seen)
    }

    /// Drives on until every drive has ended.
    pub fn to_the_end(&mut self) {
        while !self.running().is_empty() {
            self.step();
        }
    }
}

/// Drives one scenario to its end with its trace and its worst values; `before` is shown the drive before each decision.
///
/// # Errors
/// [`FleetError`] if the world cannot be built.
pub fn drive_recorded(
    scenario: impl Build,
    driver: &mut impl Drives,
    mut before: impl FnMut(&Episode),
) -> Result<Episode, FleetError> {
    driver.start(&[scenario.scenario().seed]);
    let mut episode = Episode::new(scenario)?;
    while episode.verdict().outcome.is_none() {
        before(&episode);
        let controls = driver.act(episode.seen())[0];
        episode.step(controls);
    }
    Ok(episode)
}

/// What became of a drive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct DriveEnd {
    pub outcome: Outcome,
    pub score: Score,
}

/// Worlds that are driven at once; few for few drives, or most would stand still at the end.
fn worlds(drives: usize) -> usize {
    (drives / 8).clamp(16, 128).min(drives)
}

/// Drives so many scenarios to their end, each given by its number, in a fleet of fixed size: a world whose drive has ended takes
/// the next one at once. `None` if somebody interrupted. All must have a camera of one size.
///
/// # Errors
/// [`FleetError`] for a scenario that cannot be built.
pub(crate) fn drive_many(
    driver: &mut impl Drives,
    drives: usize,
    scenario: impl Fn(usize) -> Scenario,
    threads: usize,
    interrupt: &Interrupt,
    mut report: impl FnMut(usize),
) -> Result<Option<Vec<DriveEnd>>, FleetError> {
    let worlds = worlds(drives);
    let mut ended: Vec<Option<DriveEnd>> = vec![None; drives];
    let mut driven: Vec<Option<usize>> = (0..worlds).map(Some).collect();
    let (mut next, mut done) = (worlds, 0);
    let mut rollout = Rollout::start((0..worlds).map(&scenario).collect(), driver, threads)?;
    while done < drives {
        if interrupt.requested() {
            return Ok(None);
        }
        rollout.step();
        let mut fresh = Vec::new();
        for (world, slot) in driven.iter_mut().enumerate() {
            let (Some(drive), Some(outcome)) = (*slot, rollout.seen().verdicts[world].outcome) else { continue };
            ended[drive] = Some(DriveEnd { outcome, score: rollout.seen().scores[world] });
            done += 1;
            *slot = (next < drives).then_some(next);
            if let Some(drive) = *slot {
                fresh.push((world, scenario(drive)));
                next += 1;
            }
        }
        report(done);
        if !fresh.is_empty() {
            rollout.refill(fresh)?;
        }
    }
    Ok(ended.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::{Driver, LearnedDriver, RandomDriver};

    fn drive(driver: &mut Driver, vehicle: &str) -> Episode {
        let text = format!(
            "Scenario(format: 1, title: \"t\", duration_s: 8.0, road: Segments(segments: [Line(length_m: 30.0), \
             Clothoid(length_m: 20.0), Arc(length_m: 60.0, radius_m: 70.0, to: Left), Line(length_m: 200.0)], \
             speed_limit_mps: 12.0), ego: (speed_mps: 10.0, vehicle: ({vehicle})), \
             actors: [(name: \"lead\", start: (lane: 0, s_m: 45.0, speed_mps: 9.0), \
             script: [Stop(when: At(at_s: 3.0), decel_mps2: 4.0)])])"
        );
        let scenario = roadproof_sim::parse(&text, "t.ron".as_ref()).expect("a scenario");
        drive_recorded(scenario, driver, |_| ()).expect("a world")
    }

    #[test]
    fn every_driver_asks_the_car_that_is_there() {
        let learned = |driver: Result<LearnedDriver, _>| Driver::Learned(Box::new(driver.expect("it is built in")));
        let mut drivers = [
            Driver::Scripted,
            Driver::Random(RandomDriver::default()),
            learned(LearnedDriver::shipped()),
            learned(LearnedDriver::hardened()),
        ];
        for driver in &mut drivers {
            let usual = drive(driver, "");
            for other in ["max_steer_rad: 0.25", "brake_force_n: 21600.0", "drive_force_n: 12000.0"] {
                let other_car = drive(driver, other);
                let rows = usual.trace().rows.iter().zip(&other_car.trace().rows);
                let apart_m = rows.map(|(a, b)| (a.s_m - b.s_m).abs().max((a.d_m - b.d_m).abs())).fold(0.0, f32::max);
                assert!(apart_m < 0.1, "{} with {other}: {apart_m} m beside where it drove before", driver.name());
            }
        }
    }
}
