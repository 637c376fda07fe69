//! What the network's outputs mean: labels to targets, outputs to [`Percept`], and the loss with its gradient.
//!
//! The gradients are written out here rather than left to autodiff: the loss of a batch is one pass over a few numbers
//! for us, and dozens of small strided tensor operations for the backend.

pub(crate) mod output;

mod laplace;

pub(crate) mod lane;

pub(crate) mod lead;

pub(crate) mod segmentation;

use crate::heads::laplace::expected_error;
use crate::heads::output::Output;
use crate::percept::{GAP_MAX_M, Percept, PerceptLabel};

/// Reads the outputs of one frame.
///
/// # Shapes
/// - `outputs`: as many as [`Output::ALL`]
pub fn percept(outputs: &[f32]) -> Percept {
    let lead_probability = lead::probability(outputs);
    Percept {
        lane_offset_m: lane::value(outputs, Output::LaneOffset),
        heading_rad: lane::value(outputs, Output::Heading),
        curvature_per_m: lane::value(outputs, Output::Curvature),
        gap_m: if lead_probability < 0.5 { GAP_MAX_M } else { lead::gap_m(outputs) },
        lead_probability,
        lane_offset_scale_m: expected_error(outputs, Output::LaneOffset),
        heading_scale_rad: expected_error(outputs, Output::Heading),
        curvature_scale_per_m: expected_error(outputs, Output::Curvature),
        gap_scale_m: lead::gap_scale_m(outputs),
    }
}

/// Loss of one frame's outputs; its gradient times `weight` goes to `gradient`.
///
/// For each quantity the absolute error, which the mean descends with a slope of plus or minus one whatever the scale, and the negative
/// log likelihood of a Laplace distribution around that mean, which only the scale descends, each frame with the same weight. Were the
/// mean to descend the likelihood as well, every error would count as much as its scale is small: what is learned early then drowns
/// the gap and the lead, which are learned late. For the lead, the cross-entropy.
///
/// # Shapes
/// - `outputs`, `gradient`: as many as [`Output::ALL`]
///
/// # Source
/// That drowning: Seitzer et al. 2022, arXiv:2203.09168, of a normal distribution. Their loss weighs the likelihood of each sample by
/// its own variance to the power β, taken for a constant, mean and variance alike; at β = 1 the mean's gradient is that of the squared
/// error. Here the mean's is that of the absolute error, which is their remedy at β = 1 carried over to the Laplace distribution, whose
/// likelihood has that gradient over the scale. The scale's gradient is not weighed as theirs would be: it is the likelihood's.
pub(crate) fn percept_loss(outputs: &[f32], label: &PerceptLabel, weight: f32, gradient: &mut [f32]) -> f32 {
    let lane = lane::loss(outputs, label, weight, gradient);
    let gap = lead::gap_loss(outputs, label, weight, gradient);
    lane + gap + lead::lead_loss(outputs, label, weight, gradient)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heads::output::OUTPUTS;

    #[test]
    fn a_free_lane_teaches_nothing_about_the_gap() {
        let outputs = [0.3, -0.4, 0.1, 0.2, -1.0, 0.5, 2.0, -0.3, 0.7];
        let mut label = PerceptLabel { lane_offset_m: 0.6, ..PerceptLabel::default() };
        let mut gradient = [f32::NAN; OUTPUTS];
        let free = percept_loss(&outputs, &label, 0.5, &mut gradient);
        assert_eq!(
            [Output::LaneOffset, Output::Gap, Output::GapScale].map(|output| gradient[output.index()]),
            [-0.5, 0.0, 0.0]
        );
        assert!(gradient[Output::Lead.index()] > 0.0 && free.is_finite());
        label.gap_m = Some(5.0);
        percept_loss(&outputs, &label, 0.5, &mut gradient);
        assert!(gradient[Output::Gap.index()] == 0.5 && gradient[Output::Lead.index()] < 0.0);
    }

    #[test]
    fn outputs_at_the_truth_read_as_the_truth() {
        let mut outputs = [0.0; OUTPUTS];
        outputs[Output::LaneOffset.index()] = -0.9 / 0.6;
        outputs[Output::Gap.index()] = (15.0_f32.ln() - 3.2) / 0.7;
        outputs[Output::Lead.index()] = 3.0;
        let seen = percept(&outputs);
        assert!((seen.lane_offset_m + 0.9).abs() < 1e-6);
        assert!((seen.gap_m - 12.0).abs() < 1e-4);
        assert!((seen.lane_offset_scale_m - 0.6).abs() < 1e-6);
        outputs[Output::Lead.index()] = -0.1;
        assert_eq!(percept(&outputs).gap_m, GAP_MAX_M);
    }
}
