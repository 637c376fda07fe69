//! The driver without a camera: what its own car tells, through a policy that has learnt to drive by it. What a driver who looks has
//! more than this one is what looking is worth.

use crate::driver::{DriverSpec, Drives, LoadError, POLICY_FILE, SPEC_FILE};
use crate::memory::{FEATURES, Memory, MemorySettings};
use crate::policy::{OUTPUTS, QNetwork, QValues};
use burn::tensor::Device;
use roadproof_sim::{Controls, Observations, Seed};
use std::path::Path;

/// What `roadproof train --without-camera` makes.
const SHIPPED_SPEC: &str = include_str!("../../../assets/weights/odometry/driver.ron");
const SHIPPED_POLICY: &[u8] = include_bytes!("../../../assets/weights/odometry/policy.safetensors");

/// Memories of many worlds that no frame gets into.
pub struct Odometer {
    settings: MemorySettings,
    memories: Vec<Memory>,
}

impl Odometer {
    /// Memories of so many worlds.
    #[must_use]
    pub fn new(settings: MemorySettings, worlds: usize) -> Self {
        Self { settings, memories: vec![Memory::new(settings); worlds] }
    }

    /// Takes in what the cars of all worlds tell of themselves and writes each world's policy input.
    ///
    /// # Shapes
    /// - `features`: `worlds × FEATURES`
    ///
    /// # Panics
    /// If there is not one memory for each world.
    pub fn feel(&mut self, seen: &Observations, features: &mut [f32]) {
        assert_eq!(self.memories.len(), seen.sensed.len(), "one memory for each world");
        (0..self.memories.len()).for_each(|world| self.feel_one(seen, world, features));
    }

    /// The same for worlds that have just started.
    pub fn feel_afresh(&mut self, seen: &Observations, worlds: &[usize], features: &mut [f32]) {
        for &world in worlds {
            self.forget(world);
            self.feel_one(seen, world, features);
        }
    }

    fn feel_one(&mut self, seen: &Observations, world: usize, features: &mut [f32]) {
        let row = &mut features[world * FEATURES..][..FEATURES];
        self.memories[world].coast((&seen.sensed[world]).into(), seen.decision_s[world], row);
    }

    /// Forgets one world.
    fn forget(&mut self, world: usize) {
        self.memories[world] = Memory::new(self.settings);
    }
}

/// A memory without frames and a policy.
pub struct OdometryDriver {
    odometer: Odometer,
    policy: QNetwork,
    spec: DriverSpec,
}

impl OdometryDriver {
    /// A driver of a policy that has learnt without percepts.
    #[must_use]
    pub fn new(policy: QNetwork, spec: DriverSpec) -> Self {
        Self { odometer: Odometer::new(spec.memory, 0), policy, spec }
    }

    /// The same driver with a memory of its own.
    #[must_use]
    pub fn twin(&self) -> Self {
        Self::new(self.policy.clone(), self.spec)
    }

    /// The same driver with a memory of its own, its policy on a device.
    #[must_use]
    pub fn on(&self, device: &Device) -> Self {
        Self::new(self.policy.on(device), self.spec)
    }

    /// What it has learnt.
    #[must_use]
    pub fn policy(&self) -> &QNetwork {
        &self.policy
    }

    /// Reads a driver from the folder of a run without a camera, or from any folder with its specification and policy.
    ///
    /// # Errors
    /// [`LoadError`] with the file at fault.
    pub fn load(folder: &Path) -> Result<Self, LoadError> {
        let spec = DriverSpec::read(folder)?;
        Ok(Self::new(QNetwork::load(&folder.join(POLICY_FILE), spec.policy)?, spec))
    }

    /// The driver without a camera that ships with the program; its policy is part of the binary.
    ///
    /// # Errors
    /// [`LoadError`] if it was built in from another version's files.
    pub fn shipped() -> Result<Self, LoadError> {
        let folder = Path::new("assets/weights/odometry");
        let spec = DriverSpec::parse(SHIPPED_SPEC, &folder.join(SPEC_FILE))?;
        let policy = QNetwork::from_bytes(SHIPPED_POLICY, &folder.join(POLICY_FILE), spec.policy)?;
        Ok(Self::new(policy, spec))
    }

    /// What it is made of.
    #[must_use]
    pub fn spec(&self) -> &DriverSpec {
        &self.spec
    }
}

impl Drives for OdometryDriver {
    fn needs_camera(&self) -> bool {
        false
    }

    fn start(&mut self, seeds: &[Seed]) {
        self.odometer = Odometer::new(self.spec.memory, seeds.len());
    }

    fn restart(&mut self, world: usize, _: Seed) {
        self.odometer.forget(world);
    }

    fn act(&mut self, seen: &Observations) -> Vec<Controls> {
        let mut features = vec![0.0; seen.sensed.len() * FEATURES];
        self.odometer.feel(seen, &mut features);
        let heads = self.policy.heads(&features);
        let worlds = heads.as_chunks::<OUTPUTS>().0.iter().zip(seen.sensed.iter().zip(&seen.vehicles));
        worlds.map(|(heads, (sensed, vehicle))| QValues(heads).best().controls(vehicle, &sensed.ego)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::rollout::Rollout;
    use crate::memory::Feature;
    use roadproof_sim::{DriveStyle, Split, generate_drive};

    #[test]
    fn what_ships_is_as_training_writes_it() {
        let driver = OdometryDriver::shipped().expect("the shipped weights are whole");
        assert_eq!(driver.spec().to_ron(), SHIPPED_SPEC);
        assert!(!driver.spec().percepts);
    }

    /// Ten decisions of 0.1 rad/s turn the car by 0.1 rad against the lane it started in; a drive that has just begun by nothing.
    #[test]
    fn who_reckons_is_told_how_far_the_start_is_left_behind() {
        let scenario = generate_drive(Seed::of_split(Split::Validation, 1, 0), &DriveStyle::default());
        let mut driver = crate::driver::Driver::Straight;
        let mut seen = Rollout::start(vec![scenario.clone(), scenario], &mut driver, 1).expect("worlds").seen().clone();
        for sensed in &mut seen.sensed {
            (sensed.ego.speed_mps, sensed.ego.yaw_rate_rad_per_s) = (10.0, 0.1);
        }
        let heading = Feature::<f32>::TABLE.iter().position(|feature| feature.name == "heading").expect("a number");
        let told = |settings: MemorySettings| {
            let mut odometer = Odometer::new(settings, 2);
            let mut features = vec![f32::NAN; 2 * FEATURES];
            (0..11).for_each(|_| odometer.feel(&seen, &mut features));
            odometer.feel_afresh(&seen, &[1], &mut features);
            [features[heading], features[FEATURES + heading]]
        };
        assert_eq!(told(MemorySettings::default()), [0.0, 0.0]);
        let [driven, begun] = told(MemorySettings::RECKONING);
        assert!((driven - 1.0).abs() < 1e-4 && begun == 0.0, "{driven}, {begun}");
    }

    #[test]
    fn frames_and_what_is_ahead_change_nothing() {
        let scenario = generate_drive(Seed::of_split(Split::Validation, 1, 0), &DriveStyle::default());
        let mut driver = OdometryDriver::shipped().expect("it is built in");
        let mut other = OdometryDriver::shipped().expect("it is built in");
        other.start(&[scenario.seed]);
        let mut rollout = Rollout::start(vec![scenario], &mut driver, 1).expect("a world");
        for _ in 0..20 {
            let mut seen = rollout.seen().clone();
            seen.rgb.fill(77);
            (seen.sensed[0].gap_m, seen.sensed[0].lane_offset_m, seen.sensed[0].curvature_per_m) =
                (Some(1.0), 1.0, 0.1);
            assert_eq!(other.act(&seen), rollout.step());
        }
    }
}
