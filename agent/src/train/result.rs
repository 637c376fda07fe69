//! What a run comes to.

use crate::about::About;
use crate::drive::result::DriverResult;
use crate::train::checkpoint::Cut;
use serde::Serialize;
use std::collections::BTreeMap;

/// What `result.json` holds.
#[derive(Debug, Serialize)]
pub struct TrainResult {
    /// Where it comes from.
    pub about: About,
    /// Wall-clock seconds of each stage, all sessions together.
    pub wall_clock_s: BTreeMap<String, f64>,
    /// Whether all work was done, in one go or to the bit as in one, and the clock had no say, and on flex, so that the same settings give the same bits;
    /// where a run began with the weights of another or learnt on found scenarios, the same of these as well.
    pub repeatable: bool,
    /// Stages that the clock ended before their work was done.
    pub cut: BTreeMap<String, Cut>,
    /// How well perception sees validation roads, a [`roadproof_perception::PerceptionReport`].
    pub perception: Option<serde_json::Value>,
    /// The drivers on held-out roads; empty if the run was interrupted before.
    pub drivers: Vec<DriverResult>,
}
