//! What is watched and how: the drive, the place shown, the drivers and scenarios to choose from. It knows no window; the window,
//! films and tests give it orders and time.

use crate::drive::replay::Case;
use crate::driver::Driver;
use crate::watch::drive::{Hands, Moment, Pose, WatchedDrive};
use crate::watch::stage::Tableau;
use crate::watch::window::orders::{CameraMode, Order};
use anyhow::Context;
use bevy::prelude::Resource;
use roadproof_env::reward::RewardSettings;
use roadproof_sim::fault::{FaultKind, Severity};
use roadproof_sim::math::{Quat, Vec3};
use roadproof_sim::{Controls, Scenario, Seed};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A scenario to choose.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Its name for people.
    pub name: String,
    /// What it says.
    pub scenario: Scenario,
}

impl From<Case> for Choice {
    fn from(case: Case) -> Self {
        Self { name: case.title(), scenario: case.scenario.into_scenario() }
    }
}

/// What is on the screen beside the world.
#[derive(Clone, Debug)]
pub struct Shows {
    /// Where the picture is taken from.
    pub camera: CameraMode,
    /// The panel.
    pub panel: bool,
    /// Nothing but the world, not even the button that brings the panel back.
    pub bare: bool,
    /// Perception over the frame.
    pub overlay: bool,
    /// What the decision hangs on, over the frame.
    pub saliency: bool,
    /// Colliders, contacts and wheel rays over the picture.
    pub physics: bool,
    /// The keys.
    pub help: bool,
}

/// A run in training whose newest driver drives.
#[derive(Debug)]
struct Follow {
    run: PathBuf,
    /// Age of the weights that were looked at last.
    seen: Option<SystemTime>,
    /// Whether the run has weights that can drive here.
    ready: bool,
}

/// How fast time can run.
const PACES: [f64; 7] = [0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0];
const REAL_TIME: usize = 3;
/// At most so many decisions in one go by the clock, so that a slow machine shows a slow drive rather than nothing.
const MOST_DECISIONS: f64 = 10.0;

/// What is watched, as a resource: the window's app and the lines of physics both read it.
#[derive(Resource)]
pub struct Watched(pub Session);

/// What is watched.
pub struct Session {
    drive: WatchedDrive,
    /// Place in the drive that is shown, in decisions from its start.
    playhead: f64,
    pace: usize,
    paused: bool,
    /// Where the wheel stands while whoever watches has it.
    pub wheel: Controls,
    scenarios: Vec<Choice>,
    scenario: usize,
    seeds_on: u64,
    drivers: Vec<String>,
    driver: usize,
    /// What is shown.
    pub shows: Shows,
    fault: FaultKind,
    severity: u8,
    /// Of which moment, as [`Session::shown_version`].
    saliency: Option<((u64, u64, usize), Vec<f32>)>,
    message: Option<String>,
    quit: bool,
    drives: u64,
    follow: Option<Follow>,
    reward_of: RewardOf,
}

/// The reward that the driver of a name was trained with.
pub type RewardOf = fn(&str) -> RewardSettings;

impl Session {
    /// Watches a driver in the first of some scenarios, or a recording of it.
    ///
    /// # Errors
    /// A driver that cannot be loaded or does not fit the scenario.
    pub fn new(driver: &str, scenarios: Vec<Choice>, recorded: Option<Vec<Controls>>) -> anyhow::Result<Self> {
        let mut drivers: Vec<String> = Driver::NAMES.iter().map(|name| (*name).to_owned()).collect();
        if !drivers.iter().any(|name| name == driver) {
            drivers.insert(0, driver.to_owned());
        }
        let at = drivers.iter().position(|name| name == driver).unwrap_or(0);
        let first = scenarios.first().context("there is no scenario to watch")?.scenario.clone();
        let hands = recorded.map_or(Hands::Driver, Hands::Recorded);
        let drive = begin(&drivers[at], first, hands)?;
        let shows = Shows {
            camera: CameraMode::Chase,
            panel: true,
            bare: false,
            overlay: true,
            saliency: false,
            physics: false,
            help: false,
        };
        Ok(Self {
            drive,
            playhead: 0.0,
            pace: REAL_TIME,
            paused: false,
            wheel: Controls::default(),
            scenarios,
            scenario: 0,
            seeds_on: 0,
            drivers,
            driver: at,
            shows,
            fault: FaultKind::GaussianNoise,
            severity: 3,
            saliency: None,
            message: None,
            quit: false,
            drives: 0,
            follow: None,
            reward_of: |_| RewardSettings::default(),
        })
    }

    /// The same session, in which drives are counted with the rewards that their drivers were trained with.
    #[must_use]
    pub fn rewarded_by(mut self, reward_of: RewardOf) -> Self {
        self.reward_of = reward_of;
        self.drive = self.drive.rewarded(reward_of(&self.drivers[self.driver]));
        self
    }

    /// The drive.
    #[must_use]
    pub fn drive(&self) -> &WatchedDrive {
        &self.drive
    }

    /// Counts drives: whoever draws worlds builds a new one when it changes.
    #[must_use]
    pub fn drives(&self) -> u64 {
        self.drives
    }

    /// Which drive is shown, how often it had been made anew, and which moment of it: what is drawn of a moment stays the same for
    /// as long as this does.
    #[must_use]
    pub fn shown_version(&self) -> (u64, u64, usize) {
        (self.drives, self.drive.rebuilt(), self.shown())
    }

    /// Which moment is shown.
    #[must_use]
    pub fn shown(&self) -> usize {
        (self.playhead as usize).min(self.drive.last())
    }

    /// The moment that is shown.
    #[must_use]
    pub fn moment(&self) -> &Moment {
        &self.drive.moments()[self.shown()]
    }

    /// Whether an earlier moment than the latest is looked at. While time passes, the picture is one decision late.
    #[must_use]
    pub fn looks_back(&self) -> bool {
        self.shown() + usize::from(!self.paused) < self.drive.last()
    }

    /// Whether time stands still.
    #[must_use]
    pub fn paused(&self) -> bool {
        self.paused
    }

    /// How fast time runs, 1 for real time.
    #[must_use]
    pub fn pace(&self) -> f64 {
        PACES[self.pace]
    }

    /// The fault that [`Order::ToggleFault`] switches, with its severity.
    #[must_use]
    pub fn chosen_fault(&self) -> (FaultKind, u8) {
        (self.fault, self.severity)
    }

    /// Drivers to choose from, and which of them drives.
    #[must_use]
    pub fn drivers(&self) -> (&[String], usize) {
        (&self.drivers, self.driver)
    }

    /// Name of the scenario.
    #[must_use]
    pub fn title(&self) -> String {
        let name = &self.scenarios[self.scenario].name;
        if self.seeds_on == 0 { name.clone() } else { format!("{name}, seed +{}", self.seeds_on) }
    }

    /// The last thing that whoever watches should know.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// Whether the window is to close.
    #[must_use]
    pub fn quit(&self) -> bool {
        self.quit
    }

    /// Drives with the newest weights of a run in training; every drive that ends is followed by one with the next seed.
    pub fn follow(&mut self, run: PathBuf) {
        // If the run drives already, it does so with what lies there now.
        let drives = self.drivers[self.driver] == run.display().to_string();
        let seen = if drives { changed_at(&run) } else { None };
        self.follow = Some(Follow { run, seen, ready: drives });
    }

    /// Lets the time of a clock pass, but no more than a picture's worth of decisions.
    pub fn advance_by_clock(&mut self, seconds: f64) {
        let decisions_per_s = self.pace() * f64::from(self.drive.scenario().decision_hz);
        self.advance(seconds.min(MOST_DECISIONS / decisions_per_s));
    }

    /// Lets time pass; the drive goes on as far as that takes it.
    pub fn advance(&mut self, seconds: f64) {
        if self.paused {
            return;
        }
        let decisions = seconds * self.pace() * f64::from(self.drive.scenario().decision_hz);
        self.playhead += decisions;
        // The picture lies between two moments, so one more than the shown one must be there.
        while self.playhead > self.drive.last() as f64 && !self.drive.over() {
            self.drive.step(self.wheel);
        }
        if self.playhead >= self.drive.last() as f64 {
            self.playhead = self.drive.last() as f64;
            if self.follow.is_some() && self.drive.over() {
                self.give(Order::NextSeed);
            }
        }
    }

    /// Looks for new weights of the run that is followed.
    pub fn look_for_weights(&mut self) {
        let Some(follow) = &mut self.follow else { return };
        let Some(changed) = changed_at(&follow.run) else { return };
        if follow.seen.replace(changed) == Some(changed) {
            return;
        }
        let name = follow.run.display().to_string();
        // A checkpoint that is being written is tried again at the next change.
        let Ok(driver) = Driver::named(&name, None) else { return };
        self.message = Some(format!("new weights of {name}"));
        let fits = driver.fits(self.drive.scenario()).map_err(anyhow::Error::from);
        let changed = fits.and_then(|()| Ok(self.drive.set_driver(driver)?));
        follow.ready = changed.is_ok();
        self.note_failure(changed);
    }

    /// Carries out an order. What cannot be done ends in a message, not in a closed window.
    pub fn give(&mut self, order: Order) {
        let done = self.obey(order);
        self.note_failure(done);
    }

    fn note_failure(&mut self, done: anyhow::Result<()>) {
        if let Err(error) = done {
            self.message = Some(format!("{error:#}"));
        }
    }

    fn obey(&mut self, order: Order) -> anyhow::Result<()> {
        match order {
            Order::Pause => self.paused = !self.paused,
            Order::StepOn => {
                self.paused = true;
                if self.shown() == self.drive.last() {
                    self.drive.step(self.wheel);
                }
                self.playhead = (self.shown() + 1).min(self.drive.last()) as f64;
            }
            Order::StepBack => self.obey(Order::Scrub(self.shown().saturating_sub(1)))?,
            Order::Scrub(moment) => {
                self.paused = true;
                self.playhead = moment.min(self.drive.last()) as f64;
            }
            Order::Slower => self.pace = self.pace.saturating_sub(1),
            Order::Faster => self.pace = (self.pace + 1).min(PACES.len() - 1),
            Order::Restart => self.begin(self.scenario, self.seeds_on)?,
            Order::NextScenario => self.go_to_scenario(1)?,
            Order::PreviousScenario => self.go_to_scenario(self.scenarios.len() - 1)?,
            Order::NextSeed => self.begin(self.scenario, self.seeds_on + 1)?,
            Order::Branch => self.branch()?,
            Order::Wheel => {
                self.branch()?;
                let has_it = *self.drive.hands() == Hands::Wheel;
                self.wheel = Controls::default();
                self.drive.set_hands(if has_it { Hands::Driver } else { Hands::Wheel });
            }
            Order::NextDriver => self.change_driver((self.driver + 1) % self.drivers.len())?,
            Order::Driver(index) => self.change_driver(index.min(self.drivers.len() - 1))?,
            Order::Camera(camera) => self.shows.camera = camera,
            Order::Panel => self.shows.panel = !self.shows.panel,
            Order::Overlay => self.shows.overlay = !self.shows.overlay,
            Order::Saliency => self.shows.saliency = !self.shows.saliency,
            Order::Physics => self.shows.physics = !self.shows.physics,
            Order::Help => self.shows.help = !self.shows.help,
            Order::ToggleFault => {
                let mut faults = self.drive.faults().to_vec();
                let before = faults.len();
                faults.retain(|(kind, _)| *kind != self.fault);
                if faults.len() == before {
                    faults.push((self.fault, severity(self.severity)?));
                }
                self.obey(Order::Faults(faults))?;
            }
            Order::NextFault => self.fault = beside(self.fault, 1),
            Order::PreviousFault => self.fault = beside(self.fault, FaultKind::ALL.len() - 1),
            Order::Severity(asked) => {
                let asked_severity = severity(asked)?;
                self.severity = asked;
                let mut faults = self.drive.faults().to_vec();
                if let Some(fault) = faults.iter_mut().find(|(kind, _)| *kind == self.fault) {
                    fault.1 = asked_severity;
                    self.obey(Order::Faults(faults))?;
                }
            }
            Order::Faults(faults) => {
                self.branch()?;
                self.drive.set_faults(faults)?;
            }
            Order::Quit => self.quit = true,
        }
        Ok(())
    }

    /// What is changed in a drive is changed from the shown moment on.
    fn branch(&mut self) -> anyhow::Result<()> {
        let shown = self.shown();
        if matches!(self.drive.hands(), Hands::Recorded(_)) {
            self.drive.set_hands(Hands::Driver);
        }
        self.drive.branch(shown)?;
        self.playhead = shown as f64;
        Ok(())
    }

    fn change_driver(&mut self, index: usize) -> anyhow::Result<()> {
        let driver = Driver::named(&self.drivers[index], None)?;
        driver.fits(self.drive.scenario())?;
        self.branch()?;
        self.drive.set_driver(driver)?;
        self.driver = index;
        Ok(())
    }

    /// So many places further on in the list, past those that the driver does not fit.
    fn go_to_scenario(&mut self, step: usize) -> anyhow::Result<()> {
        let count = self.scenarios.len();
        let mut at = self.scenario;
        for _ in 0..count {
            at = (at + step) % count;
            if self.drive.driver().fits(&self.scenarios[at].scenario).is_ok() {
                break;
            }
        }
        self.begin(at, 0)
    }

    /// Starts another drive with the same driver and the same faults.
    fn begin(&mut self, scenario: usize, seeds_on: u64) -> anyhow::Result<()> {
        let mut next = self.scenarios[scenario].scenario.clone();
        next.seed = Seed(next.seed.0.wrapping_add(seeds_on));
        let driver = match &self.follow {
            // Until the run has weights, whoever drives goes on.
            Some(follow) if follow.ready => follow.run.display().to_string(),
            _ => self.drivers[self.driver].clone(),
        };
        let same = (scenario, seeds_on) == (self.scenario, self.seeds_on);
        let hands = match self.drive.hands() {
            Hands::Recorded(_) if !same => Hands::Driver,
            hands => hands.clone(),
        };
        let mut drive = begin(&driver, next, hands)?.rewarded((self.reward_of)(&driver));
        drive.set_faults(self.drive.faults().to_vec())?;
        self.drive = drive;
        (self.scenario, self.seeds_on, self.playhead) = (scenario, seeds_on, 0.0);
        self.drives += 1;
        Ok(())
    }

    /// Where everything is at the shown place, between two moments if need be.
    #[must_use]
    pub fn tableau(&self) -> Tableau {
        let moments = self.drive.moments();
        let (from, to) = (self.shown(), (self.shown() + 1).min(self.drive.last()));
        let share = (self.playhead - from as f64) as f32;
        let (from, to) = (&moments[from], &moments[to]);
        let braking = from.taken.unwrap_or(from.proposed).brake > 0.02;
        let pose = |moment: &Moment| Pose {
            position: moment.measures.ego.position,
            rotation: moment.measures.ego.rotation,
            braking,
        };
        let cars = from.cars.iter().zip(&to.cars).map(|(from, to)| between(from, to, share)).collect();
        Tableau { ego: Some(between(&pose(from), &pose(to), share)), cars }
    }

    /// What the decision of the shown moment hangs on, as [`WatchedDrive::saliency`].
    pub fn saliency(&mut self) -> &[f32] {
        let wanted = self.shown_version();
        if self.saliency.as_ref().is_none_or(|(known, _)| *known != wanted) {
            self.saliency = Some((wanted, self.drive.saliency(self.shown())));
        }
        self.saliency.as_ref().map_or(&[], |(_, map)| map)
    }
}

fn begin(driver: &str, scenario: Scenario, hands: Hands) -> anyhow::Result<WatchedDrive> {
    let driver = Driver::named(driver, None)?;
    driver.fits(&scenario)?;
    Ok(WatchedDrive::new(scenario, driver, hands)?)
}

/// When the weights of a run were written.
fn changed_at(run: &Path) -> Option<SystemTime> {
    run.join(crate::driver::POLICY_FILE).metadata().and_then(|data| data.modified()).ok()
}

fn severity(asked: u8) -> anyhow::Result<Severity> {
    Severity::new(asked).with_context(|| format!("severity {asked}, allowed is 1 to 5"))
}

/// The fault so many places further on in the list.
fn beside(fault: FaultKind, places: usize) -> FaultKind {
    let at = FaultKind::ALL.iter().position(|kind| *kind == fault).unwrap_or(0);
    FaultKind::ALL[(at + places) % FaultKind::ALL.len()]
}

fn between(from: &Pose, to: &Pose, share: f32) -> Pose {
    let position: Vec3 = from.position.lerp(to.position, share);
    let rotation: Quat = from.rotation.slerp(to.rotation, share);
    Pose { position, rotation, braking: from.braking }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(name: &str) -> Choice {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scenarios").join(name).with_extension("ron");
        Choice {
            name: name.to_owned(),
            scenario: roadproof_sim::read(&path).expect("a scenario of the repository").into_scenario(),
        }
    }

    fn session(driver: &str) -> Session {
        Session::new(driver, vec![choice("cut_in/from_left"), choice("following/slow_lead")], None).expect("a session")
    }

    #[test]
    fn time_runs_as_fast_as_asked() {
        let mut session = session("scripted");
        (0..20).for_each(|_| session.advance(0.05));
        assert_eq!((session.shown(), session.drive().last()), (10, 10));
        session.give(Order::Faster);
        (0..20).for_each(|_| session.advance(0.05));
        assert_eq!(session.shown(), 30);
        session.give(Order::Slower);
        session.give(Order::Slower);
        (0..20).for_each(|_| session.advance(0.05));
        assert_eq!(session.shown(), 35);
        session.give(Order::Pause);
        session.advance(1.0);
        assert_eq!(session.shown(), 35);
        session.give(Order::StepOn);
        session.give(Order::StepOn);
        session.give(Order::StepBack);
        assert_eq!((session.shown(), session.drive().last()), (36, 37));
    }

    #[test]
    fn the_picture_moves_between_two_moments() {
        let mut session = session("scripted");
        session.advance(0.25);
        let shown = session.tableau().ego.expect("an ego").position.x;
        let moments = session.drive().moments();
        let at = |moment: usize| moments[moment].measures.ego.position.x;
        assert_eq!(session.drive().last(), 3);
        assert!((shown - 0.5 * (at(2) + at(3))).abs() < 1e-3, "{} {shown} {}", at(2), at(3));
    }

    #[test]
    fn what_is_changed_in_the_past_goes_on_from_there() {
        let mut session = session("scripted");
        (0..30).for_each(|_| session.advance(0.1));
        session.give(Order::Scrub(12));
        assert_eq!((session.shown(), session.drive().last(), session.paused()), (12, 30, true));
        session.give(Order::NextDriver);
        assert_eq!(session.drivers().0[session.drivers().1], "straight");
        assert_eq!((session.shown(), session.drive().last()), (12, 12));
        session.give(Order::ToggleFault);
        assert_eq!(session.drive().faults().len(), 1);
        session.give(Order::Severity(5));
        assert_eq!(session.drive().faults()[0].1, Severity::new(5).expect("a severity"));
        session.give(Order::ToggleFault);
        assert!(session.drive().faults().is_empty());
        session.give(Order::Wheel);
        session.wheel.throttle = 1.0;
        session.give(Order::StepOn);
        assert_eq!(session.drive().moments()[12].taken.expect("a decision").throttle, 1.0);
        session.give(Order::Wheel);
        assert_eq!(*session.drive().hands(), Hands::Driver);
    }

    #[test]
    fn scenarios_and_seeds_go_round() {
        let mut session = session("scripted");
        session.give(Order::NextScenario);
        assert_eq!((session.title().as_str(), session.drives()), ("following/slow_lead", 1));
        session.give(Order::NextSeed);
        assert_eq!(session.title(), "following/slow_lead, seed +1");
        session.give(Order::NextScenario);
        session.give(Order::PreviousScenario);
        assert_eq!((session.title().as_str(), session.drives(), session.shown()), ("following/slow_lead", 4, 0));
        session.give(Order::Severity(9));
        assert!(session.message().is_some_and(|message| message.contains("severity 9")));
        session.give(Order::Quit);
        assert!(session.quit());
    }

    #[test]
    fn scenarios_of_another_camera_are_passed_over() {
        let choices = vec![choice("cut_in/from_left"), choice("regression/hilly_bend"), choice("following/slow_lead")];
        let mut session = Session::new("shipped", choices.clone(), None).expect("a session");
        session.give(Order::NextScenario);
        assert_eq!((session.title().as_str(), session.message()), ("following/slow_lead", None));
        session.give(Order::PreviousScenario);
        assert_eq!(session.title(), "cut_in/from_left");
        let mut session = Session::new("scripted", choices, None).expect("a session");
        session.give(Order::NextScenario);
        assert_eq!(session.title(), "regression/hilly_bend");
        let next = |session: &mut Session| {
            session.give(Order::NextDriver);
            session.message().map(str::to_owned)
        };
        let misfit = (0..session.drivers().0.len()).find_map(|_| next(&mut session)).expect("some drivers see");
        assert!(misfit.contains("camera"), "{misfit}");
    }

    #[test]
    fn a_recording_is_shown_and_can_be_left() {
        let mut first = session("scripted");
        (0..15).for_each(|_| first.advance(0.1));
        let controls: Vec<Controls> = first.drive().trace().controls().collect();
        let mut session =
            Session::new("scripted", vec![choice("cut_in/from_left")], Some(controls)).expect("a session");
        (0..40).for_each(|_| session.advance(0.1));
        assert_eq!(session.drive().last(), 15);
        session.give(Order::Restart);
        (0..40).for_each(|_| session.advance(0.1));
        assert_eq!(session.drive().last(), 15, "the recording again");
        session.give(Order::Branch);
        (0..5).for_each(|_| session.advance(0.1));
        assert_eq!(session.drive().last(), 20);
    }
}
