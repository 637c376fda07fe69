//! Losses of the network's own outputs: how wrong a percept is made.

use super::{Differentiable, Objective, Outcome};
use crate::head::{LEAD, OUTPUTS, percept, percept_units};
use crate::percept::PerceptLabel;

/// One head of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// Offset in the lane.
    LaneOffset,
    /// Heading against the lane.
    Heading,
    /// Curvature ahead.
    Curvature,
    /// Gap to the car ahead, where there is one.
    Gap,
    /// Whether there is a car ahead.
    Lead,
}

impl Head {
    /// Every head.
    pub const ALL: [Self; 5] = [Self::LaneOffset, Self::Heading, Self::Curvature, Self::Gap, Self::Lead];
}

/// The error of one head against the truth. A frame is broken once the error is larger than `bound`, in the head's own
/// units, or, for [`Head::Lead`], once the network is on the wrong side.
pub struct PerceptLoss<'a> {
    /// The network.
    pub network: &'a Differentiable,
    /// The truth of each frame.
    pub labels: &'a [PerceptLabel],
    /// The head to attack.
    pub head: Head,
    /// What counts as broken.
    pub bound: f32,
}

impl PerceptLoss<'_> {
    /// The loss of one frame, and its slopes over the outputs.
    fn loss(&self, frame: usize, outputs: &[f32], slopes: &mut [f32]) -> Outcome {
        slopes.fill(0.0);
        let label = &self.labels[frame];
        let (output, found, truth) = match self.head {
            Head::LaneOffset => (0, percept(outputs).lane_offset_m, label.lane_offset_m),
            Head::Heading => (1, percept(outputs).heading_rad, label.heading_rad),
            Head::Curvature => (2, percept(outputs).curvature_per_m, label.curvature_per_m),
            Head::Gap => {
                let Some(gap_m) = label.lead_gap_m() else { return Outcome { loss: 0.0, broken: false } };
                let found_m = crate::head::gap_m(outputs);
                slopes[3] = (found_m - gap_m).signum();
                return Outcome { loss: (found_m - gap_m).abs(), broken: (found_m - gap_m).abs() > self.bound };
            }
            Head::Lead => {
                let sign = if label.lead_gap_m().is_some() { -1.0 } else { 1.0 };
                slopes[LEAD] = sign;
                let loss = sign * outputs[LEAD];
                return Outcome { loss, broken: loss > 0.0 };
            }
        };
        slopes[output] = (found - truth).signum() * percept_units(output);
        Outcome { loss: (found - truth).abs(), broken: (found - truth).abs() > self.bound }
    }
}

impl Objective for PerceptLoss<'_> {
    fn evaluate(&self, pixels: &[f32]) -> Vec<Outcome> {
        self.network.evaluate(pixels, |frame, outputs| self.loss(frame, outputs, &mut [0.0; OUTPUTS]))
    }

    fn gradients(&self, pixels: &[f32], gradient: &mut [f32]) -> Vec<Outcome> {
        self.network.gradients(pixels, gradient, |frame, outputs, slopes| self.loss(frame, outputs, slopes))
    }
}
