//! A drive that is watched. It remembers every moment, so that one can look back, and goes on from any of them with another
//! driver, other faults, or one's own hands on the wheel. Whoever shows or writes down drives begins here.
//!
//! To go on from an earlier moment the drive is driven again from the start with the recorded controls: cheap, exact,
//! and the driver's memory comes back with it. It steps by itself rather than by [`crate::drive::rollout`], which asks its driver
//! and carries that out at once: here the driver thinks before it is known who decides, and is exchanged in the middle.

pub mod mcap;
mod moment;

pub use moment::{BoxInFrame, Moment, Pose, lane_centre_m};

use crate::attack::end_to_end::EndToEnd;
use crate::driver::{Driver, Drives, LearnedDriver, Thought};
use crate::memory::situation::Situation;
use crate::policy::q_gradient;
use moment::boxes;
use roadproof_env::reward::RewardSettings;
use roadproof_sim::clock::Span;
use roadproof_sim::fault::{Fault, FaultKind, Perturbation, Severity};
use roadproof_sim::{Controls, Episode, FleetError, Observations, Scenario, Trace};

/// Who decides.
#[derive(Clone, Debug, PartialEq)]
pub enum Hands {
    /// The driver.
    Driver,
    /// Whoever watches, by [`WatchedDrive::step`]'s argument; the driver thinks along.
    Wheel,
    /// A recording, one set of controls per decision; the driver thinks along.
    Recorded(Vec<Controls>),
}

/// A fault that whoever watches has switched on.
pub type LiveFault = (FaultKind, Severity);

/// One decision that was made.
struct Step {
    controls: Controls,
    faults: Vec<LiveFault>,
}

/// A drive that is watched.
///
/// # Example
/// ```
/// use roadproof_agent::driver::Driver;
/// use roadproof_agent::watch::drive::{Hands, WatchedDrive};
/// use roadproof_sim::{Build, Controls, parse};
///
/// let text = r#"Scenario(format: 1, title: "t", duration_s: 0.5, road: Straight(length_m: 300.0))"#;
/// let scenario = parse(text, "t.ron".as_ref())?.into_scenario();
/// let mut drive = WatchedDrive::new(scenario, Driver::named("shipped", None)?, Hands::Driver)?;
/// while !drive.over() {
///     drive.step(Controls::default());
/// }
/// assert_eq!(drive.moments().len(), 6);
/// assert!(drive.moments()[3].thought.is_some(), "what the driver made of the fourth frame");
/// # Ok::<(), anyhow::Error>(())
/// ```
pub struct WatchedDrive {
    scenario: Scenario,
    episode: Episode,
    driver: Driver,
    hands: Hands,
    reward: RewardSettings,
    faults: Vec<LiveFault>,
    moments: Vec<Moment>,
    steps: Vec<Step>,
    end_to_end: Option<EndToEnd>,
    rebuilt: u64,
}

impl WatchedDrive {
    /// Starts a drive.
    ///
    /// # Errors
    /// [`FleetError`] if the world cannot be built.
    pub fn new(scenario: Scenario, mut driver: Driver, hands: Hands) -> Result<Self, FleetError> {
        let episode = Episode::new(scenario.clone())?;
        let reward = RewardSettings::default();
        driver.start(&[scenario.seed]);
        let (faults, moments, steps) = (Vec::new(), Vec::new(), Vec::new());
        let mut drive =
            Self { scenario, episode, driver, hands, reward, faults, moments, steps, end_to_end: None, rebuilt: 0 };
        drive.note();
        Ok(drive)
    }

    /// The same drive, counted with the reward that its driver was trained with.
    #[must_use]
    pub fn rewarded(mut self, reward: RewardSettings) -> Self {
        self.reward = reward;
        self
    }

    /// The scenario as it was read.
    #[must_use]
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// The drive behind it, at its latest moment.
    #[must_use]
    pub fn episode(&self) -> &Episode {
        &self.episode
    }

    /// Who thinks.
    #[must_use]
    pub fn driver(&self) -> &Driver {
        &self.driver
    }

    /// Who decides.
    #[must_use]
    pub fn hands(&self) -> &Hands {
        &self.hands
    }

    /// Every moment so far; there is always the first.
    #[must_use]
    pub fn moments(&self) -> &[Moment] {
        &self.moments
    }

    /// The latest moment.
    #[must_use]
    pub fn last(&self) -> usize {
        self.moments.len() - 1
    }

    /// The decisions so far, as `replay` compares them.
    #[must_use]
    pub fn trace(&self) -> &Trace {
        self.episode.trace()
    }

    /// How often the moments were made anew: whoever keeps pictures of them draws those again when it changes.
    #[must_use]
    pub fn rebuilt(&self) -> u64 {
        self.rebuilt
    }

    /// Faults that are switched on, beside those of the scenario.
    #[must_use]
    pub fn faults(&self) -> &[LiveFault] {
        &self.faults
    }

    /// Time between two decisions.
    #[must_use]
    pub fn decision_s(&self) -> f32 {
        1.0 / self.scenario.decision_hz
    }

    /// Whether the drive, or the recording it follows, has ended.
    #[must_use]
    pub fn over(&self) -> bool {
        let recording_ends = match &self.hands {
            Hands::Recorded(controls) => self.steps.len() >= controls.len(),
            _ => false,
        };
        recording_ends || self.episode.verdict().outcome.is_some()
    }

    /// One decision; nothing once the drive is over.
    pub fn step(&mut self, wheel: Controls) {
        if self.over() {
            return;
        }
        let controls = match &self.hands {
            Hands::Driver => self.moments[self.last()].proposed,
            Hands::Wheel => wheel,
            Hands::Recorded(controls) => controls[self.steps.len()],
        };
        self.take(Step { controls, faults: self.faults.clone() });
        self.note();
    }

    /// Gives the wheel to somebody else.
    pub fn set_hands(&mut self, hands: Hands) {
        self.hands = hands;
    }

    /// Switches faults on and off: from the first frame on if nothing was decided yet, else from the frame after the next decision.
    ///
    /// # Errors
    /// As [`Self::branch`].
    pub fn set_faults(&mut self, faults: Vec<LiveFault>) -> Result<(), FleetError> {
        let changed = self.faults != faults;
        self.faults = faults;
        if changed && self.steps.is_empty() { self.rebuild() } else { Ok(()) }
    }

    /// Forgets what came after a moment, so that the drive goes on from there. Everything up to it stays to the bit.
    ///
    /// # Errors
    /// [`FleetError`], which a drive that was built before does not meet.
    pub fn branch(&mut self, moment: usize) -> Result<(), FleetError> {
        if moment < self.last() {
            self.steps.truncate(moment);
            self.rebuild()?;
        }
        Ok(())
    }

    /// Puts another driver behind the wheel at the latest moment. He has seen all frames so far.
    ///
    /// # Errors
    /// As [`Self::branch`].
    pub fn set_driver(&mut self, driver: Driver) -> Result<(), FleetError> {
        self.driver = driver;
        self.end_to_end = None;
        self.rebuild()
    }

    /// Drives everything again that was decided so far.
    fn rebuild(&mut self) -> Result<(), FleetError> {
        let mut steps = std::mem::take(&mut self.steps);
        let first = steps.first().map_or(&self.faults, |step| &step.faults);
        self.episode = Episode::new(with_faults(&self.scenario, first))?;
        self.rebuilt += 1;
        self.driver.start(&[self.scenario.seed]);
        self.moments.clear();
        self.note();
        for step in steps.drain(..) {
            self.take(step);
            self.note();
        }
        Ok(())
    }

    /// Carries out one decision.
    fn take(&mut self, step: Step) {
        if self.steps.last().is_some_and(|before| before.faults != step.faults) {
            self.episode.set_perturbations(with_faults(&self.scenario, &step.faults).perturbations);
        }
        self.episode.step(step.controls);
        let latest = self.moments.len() - 1;
        self.moments[latest].taken = Some(step.controls);
        self.steps.push(step);
    }

    /// Remembers the present moment, and lets the driver think about it.
    fn note(&mut self) {
        let (episode, fleet) = (&self.episode, self.episode.fleet());
        let seen = episode.seen();
        let memory = learned(&self.driver).map(|driver| driver.memory(0).clone());
        let (thought, proposed) = decide(&mut self.driver, seen);
        let cells = match (&self.driver, &thought) {
            (Driver::Learned(driver), Some(_)) => driver.perception().segment(&seen.rgb),
            _ => Vec::new(),
        };
        let cars = fleet.traffic(0).cars().iter().map(Pose::of_car).collect();
        let measures = seen.measures[0];
        let (reward, reward_so_far) = match self.moments.last() {
            None => (Vec::new(), 0.0),
            Some(before) => {
                let terms = self.reward.terms(&before.measures, &measures, &seen.verdicts[0]);
                (terms.to_vec(), before.reward_so_far + terms.iter().map(|(_, term)| term).sum::<f32>())
            }
        };
        self.moments.push(Moment {
            measures,
            sensed: seen.sensed[0],
            verdict: seen.verdicts[0],
            score: seen.scores[0],
            frame: seen.rgb.clone(),
            clean: fleet.clean_frame(0),
            boxes: boxes(&seen.instance, usize::from(fleet.camera().width_px)),
            cells,
            cars,
            memory,
            thought,
            proposed,
            taken: None,
            reward,
            reward_so_far,
        });
    }

    /// How much each pixel of a moment's frame moves the Q-value of the action that the driver chose there, 0 to 1; empty if the
    /// driver does not look.
    ///
    /// # Shapes
    /// - returns: `height × width`
    ///
    /// # Source
    /// Simonyan, Vedaldi and Zisserman 2014, "Deep Inside Convolutional Networks", arXiv:1312.6034: the gradient's magnitude,
    /// the largest over the channels.
    #[must_use]
    pub fn saliency(&mut self, moment: usize) -> Vec<f32> {
        let Driver::Learned(driver) = &self.driver else { return Vec::new() };
        let Moment { memory: Some(memory), thought: Some(thought), frame, sensed, .. } = &self.moments[moment] else {
            return Vec::new();
        };
        let end_to_end = self.end_to_end.get_or_insert_with(|| EndToEnd::new(driver));
        let situation = Situation {
            memory: memory.clone(),
            odometry: sensed.into(),
            decision_s: 1.0 / self.scenario.decision_hz,
            frame: frame.clone(),
        };
        let pixels: Vec<f32> = frame.iter().map(|&value| f32::from(value) / 255.0).collect();
        let mut gradient = vec![0.0; pixels.len()];
        let action = thought.action();
        end_to_end.gradients(&[&situation], &pixels, &mut gradient, |_, _, _, heads| q_gradient(action, 1.0, heads));
        let largest = |pixel: &[f32]| pixel.iter().fold(0.0_f32, |largest, slope| largest.max(slope.abs()));
        let mut map: Vec<f32> = gradient.chunks_exact(3).map(largest).collect();
        let most = map.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
        map.iter_mut().for_each(|value| *value /= most);
        map
    }
}

/// A scenario with faults that are always there, beside its own.
fn with_faults(scenario: &Scenario, faults: &[LiveFault]) -> Scenario {
    let mut scenario = scenario.clone();
    scenario.perturbations.extend(faults.iter().map(|&(kind, severity)| Perturbation {
        during_s: Span(0.0, f32::MAX),
        when: None,
        fault: Fault::Graded { kind, severity },
    }));
    scenario
}

/// The trained driver behind this one, if there is one.
fn learned(driver: &Driver) -> Option<&LearnedDriver> {
    match driver {
        Driver::Learned(driver) | Driver::Blind(driver) => Some(driver),
        _ => None,
    }
}

/// What the driver thinks, if he shows it, and the controls he asks for.
fn decide(driver: &mut Driver, seen: &Observations) -> (Option<Thought>, Controls) {
    if let Driver::Learned(driver) = driver {
        let thought = driver.think(seen).swap_remove(0);
        let controls = thought.action().controls(&seen.vehicles[0], &seen.sensed[0].ego);
        return (Some(thought), controls);
    }
    (None, driver.act(seen)[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::replay::closed_loop;
    use crate::driver::RandomDriver;

    fn scenario() -> Scenario {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/cut_in/from_left.ron");
        roadproof_sim::read(path.as_ref()).expect("a scenario of the repository").into_scenario()
    }

    fn shipped() -> Driver {
        Driver::Learned(Box::new(LearnedDriver::shipped().expect("the shipped driver")))
    }

    fn drive(driver: Driver, decisions: usize) -> WatchedDrive {
        let mut drive = WatchedDrive::new(scenario(), driver, Hands::Driver).expect("a world");
        (0..decisions).for_each(|_| drive.step(Controls::default()));
        drive
    }

    #[test]
    fn watching_changes_nothing() {
        let watched = drive(shipped(), 2000);
        let unwatched = closed_loop(scenario(), &mut shipped()).expect("a world");
        assert!(watched.over() && watched.trace() == unwatched.trace());
        assert_eq!(watched.moments().len(), watched.trace().rows.len() + 1);
    }

    #[test]
    fn a_drive_goes_on_from_an_earlier_moment_as_it_went() {
        let mut watched = drive(shipped(), 60);
        let trace = watched.trace().clone();
        watched.branch(25).expect("a world");
        assert_eq!((watched.last(), watched.trace().rows.len()), (25, 25));
        (25..60).for_each(|_| watched.step(Controls::default()));
        assert!(*watched.trace() == trace, "memory and world are those of the first time");
    }

    #[test]
    fn another_driver_takes_over_in_the_middle() {
        let mut watched = drive(Driver::Scripted, 30);
        let before = watched.trace().clone();
        watched.set_driver(shipped()).expect("a world");
        assert!(*watched.trace() == before && watched.moments()[30].thought.is_some());
        watched.set_driver(Driver::Random(RandomDriver::default())).expect("a world");
        (0..10).for_each(|_| watched.step(Controls::default()));
        assert!(watched.trace().rows[..30] == before.rows);
        assert!(watched.trace().rows[30..].iter().any(|row| row.controls.steer.abs() > 0.1));
    }

    #[test]
    fn the_wheel_and_faults_are_taken_and_given_back() {
        let mut watched = drive(shipped(), 5);
        watched.set_hands(Hands::Wheel);
        let braking = Controls { brake: 0.3, ..Controls::default() };
        let noise = (FaultKind::GaussianNoise, Severity::new(3).expect("a severity"));
        watched.set_faults(vec![noise]).expect("the same drive with faults");
        (0..5).for_each(|_| watched.step(braking));
        assert!(watched.trace().rows[5..10].iter().all(|row| row.controls == braking));
        let differs = |moment: &Moment| moment.frame != moment.clean;
        let faulty: Vec<bool> = watched.moments().iter().map(differs).collect();
        assert_eq!(faulty, [vec![false; 6], vec![true; 5]].concat());
        watched.set_faults(Vec::new()).expect("the same drive without faults");
        watched.set_hands(Hands::Driver);
        watched.step(braking);
        let last = watched.last();
        assert!(!differs(&watched.moments()[last]) && watched.trace().rows[10].controls != braking);
        let trace = watched.trace().clone();
        watched.branch(8).expect("a world");
        assert!(watched.trace().rows[..] == trace.rows[..8], "faults come back where they were");
    }

    #[test]
    fn a_recording_is_played_and_ends() {
        let recorded = drive(shipped(), 20).trace().clone();
        let hands = Hands::Recorded(recorded.controls().collect());
        let scripted = Driver::Scripted;
        let mut watched = WatchedDrive::new(scenario(), scripted, hands).expect("a world");
        (0..50).for_each(|_| watched.step(Controls::default()));
        assert!(watched.over() && *watched.trace() == recorded);
    }

    #[test]
    fn saliency_is_where_the_road_is() {
        let mut watched = drive(shipped(), 40);
        let map = watched.saliency(40);
        let (width, half) = (160, map.len() / 2);
        assert_eq!(map.len(), width * 48);
        let sum = |values: &[f32]| values.iter().sum::<f32>();
        assert!(sum(&map[half..]) > sum(&map[..half]), "{} below, {} above", sum(&map[half..]), sum(&map[..half]));
        assert!(map.iter().all(|value| (0.0..=1.0).contains(value)) && map.contains(&1.0));
        assert!(drive(Driver::Scripted, 2).saliency(1).is_empty());
    }
}
