//! Where the lane is: offset, heading and curvature, each in proportion to its output.

use crate::heads::laplace::quantity_loss;
use crate::heads::output::Output;
use crate::percept::PerceptLabel;

/// A quantity of the lane as the network sees it.
pub(crate) fn value(outputs: &[f32], quantity: Output) -> f32 {
    outputs[quantity.index()] * quantity.scale()
}

/// Loss of the three quantities; its gradient times `weight` goes to `gradient`.
pub(super) fn loss(outputs: &[f32], label: &PerceptLabel, weight: f32, gradient: &mut [f32]) -> f32 {
    let truth = [
        (Output::LaneOffset, label.lane_offset_m),
        (Output::Heading, label.heading_rad),
        (Output::Curvature, label.curvature_per_m),
    ];
    truth.into_iter().fold(0.0, |sum, (quantity, value)| {
        sum + quantity_loss(outputs, quantity, Some(value / quantity.scale()), weight, gradient)
    })
}
