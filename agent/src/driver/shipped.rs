//! The drivers that ship with the program: built into the binary, so that nothing is looked for at run time.

use crate::driver::{DriverSpec, LearnedDriver, LoadError, PERCEPTION_FILE, POLICY_FILE, SPEC_FILE};
use crate::policy::QNetwork;
use roadproof_perception::Perception;
use std::path::Path;

/// A driver in the binary.
struct Shipped {
    folder: &'static str,
    spec: &'static str,
    perception: &'static [u8],
    policy: &'static [u8],
}

/// What `roadproof train` makes.
const NOMINAL: Shipped = Shipped {
    folder: "assets/weights",
    spec: include_str!("../../../assets/weights/driver.ron"),
    perception: include_bytes!("../../../assets/weights/perception.safetensors"),
    policy: include_bytes!("../../../assets/weights/policy.safetensors"),
};

/// What `roadproof train --harden` makes.
const HARDENED: Shipped = Shipped {
    folder: "assets/weights/hardened",
    spec: include_str!("../../../assets/weights/hardened/driver.ron"),
    perception: include_bytes!("../../../assets/weights/hardened/perception.safetensors"),
    policy: include_bytes!("../../../assets/weights/hardened/policy.safetensors"),
};

impl LearnedDriver {
    /// The driver that ships with the program; its weights are part of the binary.
    ///
    /// # Errors
    /// [`LoadError`] if the weights were built in from another version's files.
    pub fn shipped() -> Result<Self, LoadError> {
        NOMINAL.load()
    }

    /// The hardened driver that ships with the program.
    ///
    /// # Errors
    /// As [`LearnedDriver::shipped`].
    pub fn hardened() -> Result<Self, LoadError> {
        HARDENED.load()
    }
}

impl Shipped {
    /// Unpacks the driver.
    fn load(&self) -> Result<LearnedDriver, LoadError> {
        let folder = Path::new(self.folder);
        let spec = DriverSpec::parse(self.spec, &folder.join(SPEC_FILE))?;
        let perception_file = folder.join(PERCEPTION_FILE);
        let perception = Perception::from_bytes(self.perception, &perception_file, spec.perception)?;
        let policy = QNetwork::from_bytes(self.policy, &folder.join(POLICY_FILE), spec.policy)?;
        Ok(LearnedDriver::new(perception, policy, spec))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ships_is_as_training_writes_it() {
        for shipped in [NOMINAL, HARDENED] {
            let driver = shipped.load().expect("the shipped weights are whole");
            assert_eq!(driver.spec().to_ron(), shipped.spec);
        }
    }
}
