//! From what a file says to what a world stands on: the road, and what the world looks like.

use crate::fault::Recording;
use crate::road::{self, CrossSection, CurvePiece, Dash, HillWave, Road, RoadError, SpeedLimit};
use crate::scenario::error::CheckError;
use crate::scenario::{RoadSpec, Scenario, Segment, Side};
use crate::scene::Scene;
use crate::scene::light::Light;
use std::ops::Deref;
use std::sync::Arc;

/// A scenario with what was built of it, so that nothing is built twice on its way from a file to a world.
///
/// It reads as the scenario does, and cannot be changed; [`Self::into_scenario`] gives one that can, and is to be built anew.
#[derive(Clone, Debug)]
pub struct BuiltScenario {
    pub(crate) scenario: Arc<Scenario>,
    pub(crate) road: Arc<Road>,
    pub(crate) scene: Arc<Scene>,
}

impl BuiltScenario {
    pub(in crate::scenario) fn new(scenario: Scenario, road: Road, scene: Scene) -> Self {
        Self { scenario: Arc::new(scenario), road: Arc::new(road), scene: Arc::new(scene) }
    }

    /// Its road.
    #[must_use]
    pub fn road(&self) -> &Arc<Road> {
        &self.road
    }

    /// The scenario alone, to be changed.
    #[must_use]
    pub fn into_scenario(self) -> Scenario {
        Arc::unwrap_or_clone(self.scenario)
    }
}

impl Deref for BuiltScenario {
    type Target = Scenario;

    fn deref(&self) -> &Scenario {
        &self.scenario
    }
}

/// What worlds are made of: a scenario, or one that has been built already.
pub trait Build: Send {
    /// What it says.
    fn scenario(&self) -> &Scenario;

    /// Builds it, if that has not been done.
    ///
    /// # Errors
    /// [`CheckError`] if there is no such road, or no such recorded perturbation.
    fn build(self) -> Result<BuiltScenario, CheckError>;
}

impl Build for BuiltScenario {
    fn scenario(&self) -> &Scenario {
        self
    }

    fn build(self) -> Result<BuiltScenario, CheckError> {
        Ok(self)
    }
}

impl Build for Scenario {
    fn scenario(&self) -> &Scenario {
        self
    }

    fn build(self) -> Result<BuiltScenario, CheckError> {
        self.check_recorded()?;
        let road = self.build_road()?;
        let scene = self.build_scene(&road);
        Ok(BuiltScenario::new(self, road, scene))
    }
}

impl Scenario {
    /// Builds the scenario's road.
    ///
    /// # Errors
    /// [`CheckError::Road`] and [`CheckError::Clothoid`].
    pub fn build_road(&self) -> Result<Road, CheckError> {
        self.try_road().map_err(|mut causes| causes.swap_remove(0))
    }

    /// The same with every reason why there is no such road, at least one.
    pub(in crate::scenario) fn try_road(&self) -> Result<Road, Vec<CheckError>> {
        match &self.road {
            RoadSpec::Generated { length_m, seed, style } => {
                let (min_m, max_m) = (road::MIN_LENGTH_M, road::MAX_GENERATED_LENGTH_M);
                if !(min_m..=max_m).contains(length_m) {
                    return Err(vec![RoadError::Length { length_m: *length_m, min_m, max_m }.into()]);
                }
                Ok(road::generate(seed.unwrap_or(self.seed), *length_m, style))
            }
            RoadSpec::Straight { length_m, lanes, oncoming_lanes, lane_width_m, speed_limit_mps } => {
                let section = CrossSection {
                    lanes: *lanes,
                    oncoming_lanes: *oncoming_lanes,
                    lane_width_m: *lane_width_m,
                    shoulder_m: 1.0,
                    kerb: false,
                };
                let piece = CurvePiece { length_m: *length_m, start_curvature_per_m: 0.0, end_curvature_per_m: 0.0 };
                plain_road(&[piece], vec![], section, *speed_limit_mps)
            }
            RoadSpec::Segments {
                segments,
                hills,
                lanes,
                oncoming_lanes,
                lane_width_m,
                shoulder_m,
                kerb,
                speed_limit_mps,
            } => {
                let section = CrossSection {
                    lanes: *lanes,
                    oncoming_lanes: *oncoming_lanes,
                    lane_width_m: *lane_width_m,
                    shoulder_m: *shoulder_m,
                    kerb: *kerb,
                };
                let waves = hills
                    .iter()
                    .map(|hill| HillWave {
                        amplitude_m: hill.amplitude_m,
                        wavelength_m: hill.wavelength_m,
                        phase_rad: 0.0,
                    })
                    .collect();
                plain_road(&curve_pieces(segments)?, waves, section, *speed_limit_mps)
            }
        }
    }

    /// Builds what the scenario's world looks like.
    pub(in crate::scenario) fn build_scene(&self, road: &Road) -> Scene {
        Scene::new(road, self.seed, self.light.unwrap_or_else(|| Light::draw(self.seed)))
    }

    /// Checks that a recorded perturbation is there and of the camera's size.
    ///
    /// # Errors
    /// [`CheckError::RecordedSize`] and [`CheckError::RecordedUnread`].
    pub(in crate::scenario) fn check_recorded(&self) -> Result<(), CheckError> {
        let Some(recorded) = &self.recorded else { return Ok(()) };
        let file = recorded.file().to_owned();
        let camera_px = (self.camera.width_px, self.camera.height_px);
        match recorded.recording().map(Recording::size_px) {
            None => Err(CheckError::RecordedUnread { file }),
            Some(recorded_px) if recorded_px != camera_px => {
                Err(CheckError::RecordedSize { file, recorded_px, camera_px })
            }
            Some(_) => Ok(()),
        }
    }
}

fn plain_road(
    pieces: &[CurvePiece],
    hills: Vec<HillWave>,
    section: CrossSection,
    speed_limit_mps: f32,
) -> Result<Road, Vec<CheckError>> {
    let unbuildable = road::unbuildable(pieces, &hills, &section);
    if !unbuildable.is_empty() {
        return Err(unbuildable.into_iter().map(CheckError::from).collect());
    }
    let dash = Dash { length_m: 3.0, period_m: 9.0 };
    let middle = (section.lanes == 1 && section.oncoming_lanes <= 1).then_some(dash);
    let markings = section.usual_markings(0.14, dash, middle, false);
    let limit = SpeedLimit { from_s_m: f32::NEG_INFINITY, speed_mps: speed_limit_mps };
    Road::new(pieces, hills, section, markings, vec![limit]).map_err(|cause| vec![cause.into()])
}

fn curve_pieces(segments: &[Segment]) -> Result<Vec<CurvePiece>, Vec<CheckError>> {
    let curvature = |segment: Option<&Segment>| match segment {
        None | Some(Segment::Line { .. }) => Some(0.0),
        Some(Segment::Arc { radius_m, to: Side::Left, .. }) => Some(1.0 / radius_m),
        Some(Segment::Arc { radius_m, to: Side::Right, .. }) => Some(-1.0 / radius_m),
        Some(Segment::Clothoid { .. }) => None,
    };
    let (mut pieces, mut unknown) = (Vec::new(), Vec::new());
    for (index, segment) in segments.iter().enumerate() {
        let own = curvature(Some(segment));
        let before = index.checked_sub(1).map_or(Some(0.0), |last| curvature(segments.get(last)));
        let after = curvature(segments.get(index + 1));
        let (Segment::Line { length_m } | Segment::Arc { length_m, .. } | Segment::Clothoid { length_m }) = segment;
        match own.map(|own| (own, own)).or(before.zip(after)) {
            Some((start_curvature_per_m, end_curvature_per_m)) => {
                pieces.push(CurvePiece { length_m: *length_m, start_curvature_per_m, end_curvature_per_m });
            }
            None => unknown.push(CheckError::Clothoid { segment: index }),
        }
    }
    if unknown.is_empty() { Ok(pieces) } else { Err(unknown) }
}
