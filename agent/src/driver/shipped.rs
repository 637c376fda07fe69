//! The drivers that ship with the program: weights and settings built into the binary, so that nothing is looked for at run time.

use crate::driver::{LearnedDriver, LoadError};
use crate::policy::QNetwork;
use crate::train::settings::Settings;
use roadproof_perception::Perception;
use std::path::Path;

/// A driver in the binary.
pub(crate) struct Shipped {
    folder: &'static str,
    settings: &'static str,
    perception: &'static [u8],
    policy: &'static [u8],
}

/// What `roadproof train` makes.
pub(crate) const NOMINAL: Shipped = Shipped {
    folder: "assets/weights",
    settings: include_str!("../../../assets/weights/settings.ron"),
    perception: include_bytes!("../../../assets/weights/perception.safetensors"),
    policy: include_bytes!("../../../assets/weights/policy.safetensors"),
};

/// What `roadproof train --harden` makes.
pub(crate) const HARDENED: Shipped = Shipped {
    folder: "assets/weights/hardened",
    settings: include_str!("../../../assets/weights/hardened/settings.ron"),
    perception: include_bytes!("../../../assets/weights/hardened/perception.safetensors"),
    policy: include_bytes!("../../../assets/weights/hardened/policy.safetensors"),
};

impl Shipped {
    /// Unpacks the driver.
    pub(crate) fn load(&self) -> Result<LearnedDriver, LoadError> {
        let folder = Path::new(self.folder);
        let settings = Settings::parse(self.settings, &folder.join("settings.ron"))?;
        let perception_file = folder.join("perception.safetensors");
        let perception = Perception::from_bytes(self.perception, &perception_file, settings.perception)?;
        let policy = QNetwork::from_bytes(self.policy, &folder.join("policy.safetensors"), settings.policy)?;
        Ok(LearnedDriver::new(perception, policy, settings))
    }
}
