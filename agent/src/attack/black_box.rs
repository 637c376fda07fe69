//! Attacks that know nothing of a driver but how its drives go: no gradients, no outputs, no second look at the same frame. So they
//! work on any driver with a camera, somebody else's program included.
//!
//! A try is a whole drive, with one pattern added to every frame, and many tries are driven side by side. The worse a drive is for its
//! driver the better for the attack: first by its driving score, then, where scores are alike, by how far it strays from the clean
//! drive. A pattern does not change over time, as dirt on a lens or a sticker before it would not.
//!
//! # Source
//! Square: Andriushchenko et al. 2020, arXiv:1912.00049, with a drive in the place of a query: stripes from top to bottom first, then
//! squares on the best pattern so far, kept where they do more harm. Here some stripes are tried rather than one, since a drive costs
//! far more than a frame, and each later round tries as many squares on the same pattern as there are drives side by side.

use crate::attack::drive::Drive;
use crate::attack::found::breakable;
use crate::drive::rollout::Rollout;
use crate::driver::Drives;
use crate::host::interrupt::{Interrupt, Stopped};
use crate::host::progress::LongWork;
use roadproof_perception::attack::square_side;
use roadproof_sim::seed::Stream;
use roadproof_sim::{FleetError, Purpose, Scenario, Seed};
use std::cmp::Ordering;

/// Drives side by side: more would be faster, and keep fewer squares.
const BATCH: usize = 8;
/// Stripes that are tried, of many tries an eighth at most.
const STRIPES: usize = 16;
/// Values of all frames of a drive, and bytes of a recording that is kept of it.
const MOST_VALUES: u64 = 1 << 28;

/// How patterns are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patterns {
    /// Each value of each pixel up or down at random, anew for each try: what any attack must beat.
    Noise,
    /// Stripes, then squares on the best so far.
    Square,
}

/// A drive that is attacked from outside.
pub struct BlackBox<'a, D: Drives> {
    /// Who drives.
    pub driver: &'a mut D,
    /// What.
    pub scenario: &'a Scenario,
    /// How patterns are found.
    pub patterns: Patterns,
    /// By how many grey levels a value may be changed.
    pub levels: u8,
    /// How many drives may be tried.
    pub tries: usize,
    /// Where randomness begins.
    pub seed: u64,
    /// Threads of the simulator.
    pub threads: usize,
    /// Tells whether the attack is to end before it is done.
    pub interrupt: &'a Interrupt,
}

/// Why an attack ended without an answer.
#[derive(Debug, thiserror::Error)]
pub enum BlackBoxError {
    /// The world cannot be built.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// Somebody stopped it.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// No recording holds what it would find.
    #[error("the frames of the scenario have {values} values in all, an attack is recorded of at most {MOST_VALUES}")]
    TooLarge {
        /// Of all frames, to the end of its time.
        values: u64,
    },
}

/// By how much each value of a frame is changed, in grey levels: `height × width × 3`.
type Pattern = Vec<i16>;

/// Where the car was after each decision: along the road and across it.
type Way = Vec<(f32, f32)>;

/// What a pattern does: the less is left of the drive the better.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Harm {
    driving_score: f32,
    astray_m: f32,
}

impl Harm {
    /// How far a drive has strayed from the clean one in the mean, over the decisions that both have.
    fn of(drive: &Drive, way: &[(f32, f32)], clean: &[(f32, f32)]) -> Self {
        let apart = |((s, d), (clean_s, clean_d)): (&(f32, f32), &(f32, f32))| {
            let (along_m, across_m) = (s - clean_s, d - clean_d);
            (along_m * along_m + across_m * across_m).sqrt()
        };
        let both = way.len().min(clean.len()).max(1);
        let astray_m = way.iter().zip(clean).map(apart).sum::<f32>() / both as f32;
        Self { driving_score: drive.score.driving_score, astray_m }
    }

    fn is_more_than(&self, other: &Self) -> bool {
        let by_score = other.driving_score.total_cmp(&self.driving_score);
        by_score.then(self.astray_m.total_cmp(&other.astray_m)) == Ordering::Greater
    }
}

impl<D: Drives> BlackBox<'_, D> {
    /// The clean drive, and the one under the most harmful pattern that was found, with the changes of its frames. Where the clean drive
    /// leaves nothing to break, or no pattern harms it, that is the clean one again.
    ///
    /// # Errors
    /// [`BlackBoxError`].
    pub fn run(mut self) -> Result<(Drive, Drive), BlackBoxError> {
        let camera = &self.scenario.camera;
        let size = (usize::from(camera.width_px), usize::from(camera.height_px));
        let frames = (self.scenario.duration_s * self.scenario.decision_hz).ceil() as u64;
        let values = 3 * frames * (size.0 * size.1) as u64;
        if values > MOST_VALUES {
            return Err(BlackBoxError::TooLarge { values });
        }
        let nothing: Pattern = vec![0; 3 * size.0 * size.1];
        let (clean, clean_way) = self.drive(std::slice::from_ref(&nothing), false)?.remove(0);
        let mut best = (Harm::of(&clean, &clean_way, &clean_way), nothing);
        if breakable(clean.outcome) {
            best = self.search(best, &clean_way, size)?;
        }
        let (attacked, _) = self.drive(&[best.1], true)?.remove(0);
        Ok((clean, attacked))
    }

    /// The most harmful pattern.
    fn search(
        &mut self,
        nothing: (Harm, Pattern),
        clean: &[(f32, f32)],
        size: (usize, usize),
    ) -> Result<(Harm, Pattern), BlackBoxError> {
        let whole = nothing.0.driving_score;
        let mut stage = LongWork::start("attack", self.tries as u64, "drives");
        let mut stream = Seed(self.seed).stream(Purpose::Fault);
        let stripes = STRIPES.min(self.tries.div_ceil(8));
        let (mut best, mut tried) = (nothing, 0);
        while tried < self.tries {
            // Squares are tried on the best stripes, not on the best of some of them.
            let to_go = if tried < stripes { stripes } else { self.tries } - tried;
            let patterns: Vec<Pattern> = (tried..tried + BATCH.min(to_go))
                .map(|number| {
                    let progress = number.checked_sub(stripes).map(|done| done as f32 / (self.tries - stripes) as f32);
                    self.patterns.draw(&best.1, size, self.levels.into(), progress, &mut stream)
                })
                .collect();
            tried += patterns.len();
            for ((drive, way), pattern) in self.drive(&patterns, false)?.iter().zip(patterns) {
                let harm = Harm::of(drive, way, clean);
                if harm.is_more_than(&best.0) {
                    best = (harm, pattern);
                }
            }
            stage.set(tried as u64, format_args!("a score of {:.1} is left of {whole:.1}", best.0.driving_score));
        }
        stage.finish(format_args!("a score of {:.1} is left of {whole:.1}", best.0.driving_score));
        Ok(best)
    }

    /// Drives to the end under each pattern.
    fn drive(&mut self, patterns: &[Pattern], keep_changes: bool) -> Result<Vec<(Drive, Way)>, BlackBoxError> {
        let mut drives = vec![(Drive::unbegun(), Way::new()); patterns.len()];
        let scenarios = vec![self.scenario.clone(); patterns.len()];
        let mut rollout = Rollout::start(scenarios, self.driver, self.threads)?;
        loop {
            self.interrupt.check()?;
            let running = rollout.running();
            if running.is_empty() {
                break;
            }
            let controls = rollout.step_after(|_, _, seen| {
                for &world in &running {
                    let pattern = &patterns[world];
                    let frame = &mut seen.rgb[world * pattern.len()..][..pattern.len()];
                    let changes = add(frame, pattern);
                    drives[world].0.attacked += usize::from(changes.iter().any(|change| *change != 0));
                    if keep_changes {
                        drives[world].0.changes.push(changes);
                    }
                }
            });
            for world in running {
                let (drive, way) = &mut drives[world];
                drive.went_on(controls[world], rollout.seen(), world);
                let ego = &rollout.seen().measures[world].ego;
                way.push((ego.s_m, ego.d_m));
            }
        }
        for (world, (drive, _)) in drives.iter_mut().enumerate() {
            drive.ended(rollout.seen(), world);
        }
        Ok(drives)
    }
}

/// Adds a pattern to a frame, as far as bytes go; returns what it changed.
fn add(frame: &mut [u8], pattern: &[i16]) -> Vec<i16> {
    let add = |(value, change): (&mut u8, &i16)| {
        let before = i16::from(*value);
        *value = (before + change).clamp(0, 255) as u8;
        i16::from(*value) - before
    };
    frame.iter_mut().zip(pattern).map(add).collect()
}

impl Patterns {
    /// Draws the next pattern to try, on the best so far; `progress` is the share of the squares that were tried, `None` before the first.
    fn draw(
        self,
        best: &[i16],
        (width, height): (usize, usize),
        levels: i16,
        progress: Option<f32>,
        stream: &mut Stream,
    ) -> Pattern {
        let change = |stream: &mut Stream| if stream.below(2) == 0 { levels } else { -levels };
        match (self, progress) {
            (Self::Noise, _) => (0..3 * width * height).map(|_| change(stream)).collect(),
            (Self::Square, None) => {
                let stripes: Vec<i16> = (0..3 * width).map(|_| change(stream)).collect();
                stripes.repeat(height)
            }
            (Self::Square, Some(progress)) => {
                let side = square_side(progress, (width, height));
                let (left, top) = (stream.below(width - side + 1), stream.below(height - side + 1));
                let changes = [0; 3].map(|_| change(stream));
                let mut pattern = best.to_vec();
                for row in top..top + side {
                    let square = &mut pattern[3 * (row * width + left)..][..3 * side];
                    square.iter_mut().enumerate().for_each(|(index, value)| *value = changes[index % 3]);
                }
                pattern
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::{Driver, LearnedDriver};
    use roadproof_sim::{Controls, Observations};

    fn scenario() -> Scenario {
        let text = "Scenario(format: 1, title: \"t\", duration_s: 4.0, road: Straight(length_m: 200.0), \
                    camera: (width_px: 20, height_px: 12), ego: (speed_mps: 9.0))";
        roadproof_sim::parse(text, "t.ron".as_ref()).unwrap().into_scenario()
    }

    /// Goes on the slower the brighter the left half of the frame is against the right one.
    struct Balance;

    impl Drives for Balance {
        fn needs_camera(&self) -> bool {
            true
        }

        fn start(&mut self, _: &[Seed]) {}

        fn restart(&mut self, _: usize, _: Seed) {}

        fn act(&mut self, seen: &Observations) -> Vec<Controls> {
            let drive = |world: usize| {
                let frame = seen.frame(world);
                let row = 3 * usize::from(seen.cameras[world].width_px);
                let signed = |(index, value): (usize, &u8)| {
                    if index % row < row / 2 { f32::from(*value) } else { -f32::from(*value) }
                };
                let tilt = frame.iter().enumerate().map(signed).sum::<f32>() / (frame.len() / 2) as f32;
                Controls { steer: 0.0, throttle: (0.3 - 0.004 * tilt).clamp(0.0, 1.0), brake: 0.0 }
            };
            (0..seen.verdicts.len()).map(drive).collect()
        }
    }

    fn attacked(patterns: Patterns, levels: u8, tries: usize, seed: u64) -> (Drive, Drive) {
        let (scenario, interrupt) = (scenario(), Interrupt::never());
        let (driver, interrupt, scenario) = (&mut Balance, &interrupt, &scenario);
        BlackBox { driver, scenario, patterns, levels, tries, seed, threads: 1, interrupt }.run().unwrap()
    }

    #[test]
    fn stripes_harm_more_than_noise_and_squares_more_than_stripes() {
        let left = |patterns, levels, tries| attacked(patterns, levels, tries, 3).1.score.driving_score;
        let (clean, squares) = attacked(Patterns::Square, 4, 128, 3);
        let (noise, stripes) = (left(Patterns::Noise, 4, 128), left(Patterns::Square, 4, 16));
        let squares_left = squares.score.driving_score;
        let clean_score = clean.score.driving_score;
        assert!(squares_left < stripes && stripes < noise && noise < clean_score, "{squares_left} {stripes} {noise}");
        assert!(left(Patterns::Square, 1, 128) > squares_left, "a smaller budget does less");
        assert_eq!((clean.attacked, squares.attacked), (0, squares.decisions));
        assert_eq!(squares.changes.len(), squares.decisions);
        assert!(squares.changes.iter().flatten().all(|change| change.abs() <= 4));
    }

    #[test]
    fn the_same_seed_finds_the_same_pattern_and_another_another() {
        let changes = |seed| attacked(Patterns::Square, 4, 24, seed).1.changes;
        assert_eq!(changes(1), changes(1));
        assert_ne!(changes(1), changes(2));
    }

    #[test]
    fn harm_is_a_lower_score_and_then_another_way() {
        let harm = |driving_score, astray_m| Harm { driving_score, astray_m };
        assert!(harm(50.0, 0.0).is_more_than(&harm(60.0, 9.0)) && !harm(60.0, 9.0).is_more_than(&harm(50.0, 0.0)));
        assert!(harm(50.0, 0.2).is_more_than(&harm(50.0, 0.1)) && !harm(50.0, 0.1).is_more_than(&harm(50.0, 0.1)));
        let of = Harm::of(&Drive::default(), &[(3.0, 4.0), (0.0, 1.0), (9.0, 9.0)], &[(0.0, 0.0), (0.0, 0.0)]);
        assert_eq!(of.astray_m, 3.0);
    }

    #[test]
    fn squares_fit_into_frames_of_any_size() {
        let mut stream = Seed(1).stream(Purpose::Fault);
        for (width, height) in [(8, 8), (8, 200), (200, 8), (33, 17)] {
            for step in 0..20 {
                let nothing = vec![0; 3 * width * height];
                let pattern =
                    Patterns::Square.draw(&nothing, (width, height), 255, Some(step as f32 / 20.0), &mut stream);
                assert!(pattern.len() == nothing.len() && pattern.iter().any(|change| change.abs() == 255));
            }
        }
    }

    #[test]
    fn bytes_end_where_they_end() {
        let mut frame = [0, 3, 128, 254];
        assert_eq!(add(&mut frame, &[-4, -4, 4, 4]), [0, -3, 4, 1]);
        assert_eq!(frame, [0, 0, 132, 255]);
    }

    #[test]
    fn a_learned_driver_can_be_attacked_from_outside() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/lane_keeping/tight_arc.ron");
        let scenario = roadproof_sim::read(path.as_ref()).unwrap().into_scenario();
        let scenario = Scenario { duration_s: 4.0, ..scenario };
        let interrupt = Interrupt::never();
        let mut driver = Driver::Learned(Box::new(LearnedDriver::shipped().unwrap()));
        let attack = BlackBox {
            driver: &mut driver,
            scenario: &scenario,
            patterns: Patterns::Square,
            levels: 16,
            tries: 32,
            seed: 0,
            threads: 2,
            interrupt: &interrupt,
        };
        let (clean, attacked) = attack.run().unwrap();
        assert_ne!(clean.controls, attacked.controls);
    }
}
