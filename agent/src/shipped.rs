//! The driver that ships with the program: weights and settings built into the binary, so that nothing is looked for at run time.

use crate::drivers::{LearnedDriver, LoadError};
use crate::policy::QNetwork;
use crate::settings::Settings;
use roadproof_perception::Perception;
use std::path::Path;

const SETTINGS: &str = include_str!("../../assets/weights/settings.ron");
const PERCEPTION: &[u8] = include_bytes!("../../assets/weights/perception.safetensors");
const POLICY: &[u8] = include_bytes!("../../assets/weights/policy.safetensors");

/// Unpacks the driver.
pub(crate) fn load() -> Result<LearnedDriver, LoadError> {
    let folder = Path::new("assets/weights");
    let settings = Settings::parse(SETTINGS, &folder.join("settings.ron"))?;
    let perception = Perception::from_bytes(PERCEPTION, &folder.join("perception.safetensors"), settings.perception)?;
    let policy = QNetwork::from_bytes(POLICY, &folder.join("policy.safetensors"), settings.policy)?;
    Ok(LearnedDriver::new(perception, policy, settings))
}
