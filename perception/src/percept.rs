//! What the driver is told about a frame: [`Percept`], and the truth it is trained against, [`PerceptLabel`].
//! How the network's outputs become a percept is the business of `heads`.

/// The farthest gap that is told apart from a free lane, in metres.
///
/// # Units
/// Bumper to bumper. At 160 pixels over 65° a car this far away is four pixels wide.
pub const GAP_MAX_M: f32 = 60.0;

/// One frame as the driver understands it. The scales say how far off the network expects each number to be.
///
/// # Units
/// SI and radians. Every `*_scale_*` is a predicted mean absolute error: the scale of a Laplace distribution.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Percept {
    /// Distance of the ego from the centre of its lane, positive to the left.
    pub lane_offset_m: f32,
    /// Heading of the ego minus heading of the lane, positive anticlockwise.
    pub heading_rad: f32,
    /// Mean curvature of the lane over the next 5 to 25 m, positive to the left.
    pub curvature_per_m: f32,
    /// Distance to what is ahead in the lane, [`GAP_MAX_M`] where the lane looks free.
    pub gap_m: f32,
    /// How sure the network is that something is ahead in the lane, `0..=1`; below one half the lane counts as free.
    pub lead_probability: f32,
    /// Expected error of `lane_offset_m`.
    pub lane_offset_scale_m: f32,
    /// Expected error of `heading_rad`.
    pub heading_scale_rad: f32,
    /// Expected error of `curvature_per_m`.
    pub curvature_scale_per_m: f32,
    /// Expected error of the gap, given that something is ahead; it says nothing where the lane is free.
    pub gap_scale_m: f32,
}

/// The truth about a frame, from whoever made it.
///
/// # Units
/// Those of [`Percept`].
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct PerceptLabel {
    /// Distance of the ego from the centre of its lane, positive to the left.
    pub lane_offset_m: f32,
    /// Heading of the ego minus heading of the lane, positive anticlockwise.
    pub heading_rad: f32,
    /// Mean curvature of the lane over the next 5 to 25 m, positive to the left.
    pub curvature_per_m: f32,
    /// Distance to what is ahead in the lane. `None`, or [`GAP_MAX_M`] and more, is a free lane.
    pub gap_m: Option<f32>,
}

impl PerceptLabel {
    /// The gap where there is a lead the percept can express, that is nearer than [`GAP_MAX_M`].
    pub fn lead_gap_m(&self) -> Option<f32> {
        self.gap_m.filter(|&gap_m| gap_m < GAP_MAX_M)
    }
}
