//! Who drives: the learned driver, and the baselines it is held against.

mod learned;
mod named;
mod odometry;
pub mod program;
mod random;
mod shipped;
mod spec;
mod straight;

pub use learned::{Eyes, LearnedDriver, LoadError, PERCEPTION_FILE, POLICY_FILE, Thought};
pub use odometry::{Odometer, OdometryDriver};
pub use program::{ProgramDriver, ProgramError};
pub use random::RandomDriver;
pub use spec::{DriverSpec, Misfit, SPEC_FILE, SpecError, Unmatched};

use burn::tensor::Device;
use roadproof_env::scripted_controls;
use roadproof_sim::{Controls, Observations, Seed};

/// A driver of many worlds at once.
///
/// # Example
/// ```
/// use roadproof_agent::drive::evaluate::{EvaluateSettings, evaluate};
/// use roadproof_agent::driver::Driver;
/// use roadproof_agent::host::interrupt::Interrupt;
/// use roadproof_sim::DriveStyle;
///
/// let mut driver = Driver::named("scripted", None)?;
/// let style = DriveStyle { length_m: 120.0, max_cars: 0, ..DriveStyle::default() };
/// let roads = EvaluateSettings { roads: 2, ..EvaluateSettings::default() };
/// let result = evaluate("scripted", &mut driver, &roads, &style, 1, &Interrupt::never())?.expect("nobody interrupts");
/// assert_eq!((result.driver.as_str(), result.episodes), ("scripted", 2));
/// assert!(Driver::named("shiped", None).is_err());
/// # Ok::<(), anyhow::Error>(())
/// ```
pub enum Driver {
    /// Camera, perception and policy.
    Learned(Box<LearnedDriver>),
    /// The same, with a black camera.
    Blind(Box<LearnedDriver>),
    /// What the car tells of itself and a policy that has learnt on nothing else.
    Odometry(Box<OdometryDriver>),
    /// Ground truth and control laws.
    Scripted,
    /// Straight on at the speed limit.
    Straight,
    /// Actions at random.
    Random(RandomDriver),
    /// A program of somebody else's.
    Program(Box<ProgramDriver>),
}

impl Driver {
    /// The driver's name in results.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Learned(_) => "learned",
            Self::Blind(_) => "blind",
            Self::Odometry(_) => "odometry",
            Self::Scripted => "scripted",
            Self::Straight => "straight",
            Self::Random(_) => "random",
            Self::Program(_) => "program",
        }
    }

    /// The same driver once more, with a memory of its own.
    ///
    /// # Errors
    /// A program that cannot be started.
    pub fn again(&self) -> Result<Self, ProgramError> {
        Ok(match self {
            Self::Learned(driver) => Self::Learned(Box::new(driver.twin())),
            Self::Blind(driver) => Self::Blind(Box::new(driver.twin())),
            Self::Odometry(driver) => Self::Odometry(Box::new(driver.twin())),
            Self::Scripted => Self::Scripted,
            Self::Straight => Self::Straight,
            Self::Random(_) => Self::Random(RandomDriver::default()),
            Self::Program(driver) => Self::Program(Box::new(driver.again()?)),
        })
    }

    /// The same driver with its networks on a device, if it has some.
    #[must_use]
    pub fn on(self, device: &Device) -> Self {
        match self {
            Self::Learned(driver) => Self::Learned(Box::new(driver.on(device))),
            Self::Blind(driver) => Self::Blind(Box::new(driver.on(device))),
            Self::Odometry(driver) => Self::Odometry(Box::new(driver.on(device))),
            other => other,
        }
    }

    /// Whether it decides by a network.
    #[must_use]
    pub fn has_network(&self) -> bool {
        matches!(self, Self::Learned(_) | Self::Blind(_) | Self::Odometry(_))
    }

    /// The learned driver, if it is one who looks.
    #[must_use]
    pub fn learned(&self) -> Option<&LearnedDriver> {
        match self {
            Self::Learned(driver) => Some(driver),
            _ => None,
        }
    }
}

/// Whoever can drive many worlds at once.
pub trait Drives {
    /// Whether it looks at frames.
    fn needs_camera(&self) -> bool;

    /// Forgets everything and prepares for worlds of these seeds.
    fn start(&mut self, seeds: &[Seed]);

    /// Forgets one world, in which another drive has begun.
    fn restart(&mut self, world: usize, seed: Seed);

    /// Controls for every world, from what is shown of it: whoever changes what a driver sees changes `seen.rgb`.
    fn act(&mut self, seen: &Observations) -> Vec<Controls>;
}

impl Drives for Driver {
    fn needs_camera(&self) -> bool {
        match self {
            Self::Learned(driver) => driver.needs_camera(),
            Self::Program(driver) => driver.needs_camera(),
            _ => false,
        }
    }

    fn start(&mut self, seeds: &[Seed]) {
        match self {
            Self::Learned(driver) | Self::Blind(driver) => driver.start(seeds),
            Self::Scripted | Self::Straight => {}
            Self::Odometry(driver) => driver.start(seeds),
            Self::Random(driver) => driver.start(seeds),
            Self::Program(driver) => driver.start(seeds),
        }
    }

    fn restart(&mut self, world: usize, seed: Seed) {
        match self {
            Self::Learned(driver) | Self::Blind(driver) => driver.restart(world, seed),
            Self::Scripted | Self::Straight => {}
            Self::Odometry(driver) => driver.restart(world, seed),
            Self::Random(driver) => driver.restart(world, seed),
            Self::Program(driver) => driver.restart(world, seed),
        }
    }

    fn act(&mut self, seen: &Observations) -> Vec<Controls> {
        match self {
            Self::Learned(driver) => driver.act(seen),
            Self::Blind(driver) => driver.act_blind(seen),
            Self::Scripted => {
                let worlds = seen.sensed.iter().zip(&seen.vehicles);
                worlds.map(|(sensed, vehicle)| scripted_controls(sensed, vehicle)).collect()
            }
            Self::Straight => {
                let worlds = seen.sensed.iter().zip(&seen.vehicles);
                worlds.map(|(sensed, vehicle)| straight::straight_controls(sensed, vehicle)).collect()
            }
            Self::Odometry(driver) => driver.act(seen),
            Self::Random(driver) => driver.act(seen),
            Self::Program(driver) => driver.act(seen),
        }
    }
}
