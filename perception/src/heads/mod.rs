//! What the network's outputs mean: labels to targets, outputs to [`Percept`], and the loss with its gradient.
//!
//! The gradients are written out here rather than left to autodiff: the loss of a batch is one pass over a few numbers
//! for us, and dozens of small strided tensor operations for the backend.

use crate::classes::CLASSES;
use crate::percept::{GAP_MAX_M, Percept, PerceptLabel};

/// Quantities that are predicted with a scale: lane offset, heading, curvature, gap.
pub(crate) const QUANTITIES: usize = 4;
/// Index of the gap among them; it counts only where something is ahead.
pub const GAP: usize = 3;
/// Outputs of a frame: a mean and a log scale for each quantity, then the logit of something being ahead.
pub const OUTPUTS: usize = 2 * QUANTITIES + 1;
/// Index of that logit.
pub const LEAD: usize = 2 * QUANTITIES;

/// What one is in training coordinates: about the spread of each quantity on ordinary roads, so that all weigh alike.
const UNITS: [f32; QUANTITIES] = [0.6, 0.12, 0.008, 0.7];
/// The network sees ratios of distances, so its gap coordinate is `ln(gap + GAP_NEAR_M)`, around `GAP_CENTRE_LOG`.
const GAP_NEAR_M: f32 = 3.0;
const GAP_CENTRE_LOG: f32 = 3.2;
/// Log scales are squashed into plus or minus this: an exact label cannot make the loss infinite.
const LOG_SCALE_MAX: f32 = 5.0;

/// Reads the outputs of one frame.
///
/// # Shapes
/// - `outputs`: `OUTPUTS` values
pub fn percept(outputs: &[f32]) -> Percept {
    let scale = |quantity: usize| log_scale(outputs[QUANTITIES + quantity]).exp() * UNITS[quantity];
    let lead_probability = sigmoid(outputs[LEAD]);
    let lead_gap_m = gap_m(outputs);
    Percept {
        lane_offset_m: outputs[0] * UNITS[0],
        heading_rad: outputs[1] * UNITS[1],
        curvature_per_m: outputs[2] * UNITS[2],
        gap_m: if lead_probability < 0.5 { GAP_MAX_M } else { lead_gap_m },
        lead_probability,
        lane_offset_scale_m: scale(0),
        heading_scale_rad: scale(1),
        curvature_scale_per_m: scale(2),
        // A small error of a logarithm is a relative error.
        gap_scale_m: scale(GAP) * (lead_gap_m + GAP_NEAR_M),
    }
}

/// The gap, were there something ahead.
pub(crate) fn gap_m(outputs: &[f32]) -> f32 {
    let shifted_gap_m = (outputs[GAP] * UNITS[GAP] + GAP_CENTRE_LOG).exp();
    (shifted_gap_m - GAP_NEAR_M).clamp(0.0, GAP_MAX_M)
}

/// Slope of that gap over its output.
pub(crate) fn gap_slope(outputs: &[f32]) -> f32 {
    let gap_m = gap_m(outputs);
    if gap_m > 0.0 && gap_m < GAP_MAX_M { (gap_m + GAP_NEAR_M) * UNITS[GAP] } else { 0.0 }
}

/// What one of an output is in the units of a percept, for the outputs that are in proportion.
pub(crate) fn percept_units(output: usize) -> f32 {
    UNITS[output]
}

/// Loss of one frame's outputs; its gradient times `weight` goes to `gradient`.
///
/// For each quantity the absolute error, which the mean descends, and the negative log likelihood of a Laplace
/// distribution around that mean, which only the scale descends. Were the mean to descend the likelihood as well, every
/// error would count as much as its scale is small: what is learned early then drowns the gap and the lead, which are
/// learned late. For the lead, the cross-entropy.
///
/// # Shapes
/// - `outputs`, `gradient`: `OUTPUTS` values
///
/// # Source
/// That drowning, and scaling the mean's gradient against it: Seitzer et al. 2022, arXiv:2203.09168, here with β = 1.
pub(crate) fn percept_loss(outputs: &[f32], label: &PerceptLabel, weight: f32, gradient: &mut [f32]) -> f32 {
    let lead_gap_m = label.lead_gap_m();
    let gap = lead_gap_m.map_or(0.0, |gap_m| (gap_m + GAP_NEAR_M).ln() - GAP_CENTRE_LOG);
    let truth = [label.lane_offset_m, label.heading_rad, label.curvature_per_m, gap];
    let mut loss = 0.0;
    for quantity in 0..QUANTITIES {
        let known = quantity != GAP || lead_gap_m.is_some();
        let weight = if known { weight } else { 0.0 };
        let error = outputs[quantity] - truth[quantity] / UNITS[quantity];
        let (surprise, slope) = scale_loss(error.abs(), outputs[QUANTITIES + quantity]);
        gradient[quantity] = weight * error.signum();
        gradient[QUANTITIES + quantity] = weight * slope;
        if known {
            loss += error.abs() + surprise;
        }
    }
    let (surprise, slope) = lead_loss(outputs[LEAD], lead_gap_m.is_some());
    gradient[LEAD] = weight * slope;
    loss + surprise
}

/// Negative log likelihood of an absolute error under a predicted scale, and its slope in that output.
fn scale_loss(error: f32, output: f32) -> (f32, f32) {
    let log_scale = log_scale(output);
    let scaled = error * (-log_scale).exp();
    let squash_slope = 1.0 - (log_scale / LOG_SCALE_MAX).powi(2);
    (scaled + log_scale, (1.0 - scaled) * squash_slope)
}

/// Cross-entropy of a logit, and its slope.
fn lead_loss(logit: f32, lead: bool) -> (f32, f32) {
    let truth = if lead { 1.0 } else { 0.0 };
    (logit.max(0.0) - logit * truth + (-logit.abs()).exp().ln_1p(), sigmoid(logit) - truth)
}

/// Cross-entropy of one cell's class scores; its gradient times `weight` goes to `gradient`.
///
/// # Shapes
/// - `scores`, `gradient`: [`CLASSES`] values
pub(crate) fn class_loss(scores: &[f32], class: u8, weight: f32, gradient: &mut [f32]) -> f32 {
    let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for (slope, &score) in gradient.iter_mut().zip(scores) {
        *slope = (score - highest).exp();
        sum += *slope;
    }
    for slope in gradient.iter_mut() {
        *slope *= weight / sum;
    }
    gradient[usize::from(class)] -= weight;
    sum.ln() + highest - scores[usize::from(class)]
}

/// The class with the highest score, the lower one on a tie.
pub(crate) fn best_class(scores: &[f32]) -> u8 {
    let mut best = 0;
    for class in 1..CLASSES {
        if scores[class] > scores[best] {
            best = class;
        }
    }
    best as u8
}

fn log_scale(raw: f32) -> f32 {
    LOG_SCALE_MAX * (raw / LOG_SCALE_MAX).tanh()
}

fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds a written slope against the loss itself, moved a little each way.
    fn check_slope(at: f32, loss: impl Fn(f32) -> (f32, f32)) {
        let measured = (loss(at + 1e-2).0 - loss(at - 1e-2).0) / 2e-2;
        let written = loss(at).1;
        assert!((measured - written).abs() < 2e-3, "at {at}: measured {measured}, written {written}");
    }

    #[test]
    fn written_slopes_are_the_slopes_of_the_losses() {
        for output in [-4.0, -1.0, 0.5, 3.0] {
            check_slope(output, |output| scale_loss(0.03, output));
            check_slope(output, |output| lead_loss(output, true));
            check_slope(output, |output| lead_loss(output, false));
        }
        for moved in 0..CLASSES {
            check_slope(0.4, |score| {
                let mut scores = [0.3, -1.0, 2.0, 0.0, 0.5, 1.0];
                scores[moved] = score;
                let mut gradient = [0.0; CLASSES];
                (class_loss(&scores, 4, 1.0, &mut gradient), gradient[moved])
            });
        }
    }

    #[test]
    fn a_free_lane_teaches_nothing_about_the_gap() {
        let outputs = [0.3, -0.4, 0.1, 0.2, -1.0, 0.5, 2.0, -0.3, 0.7];
        let mut label = PerceptLabel { lane_offset_m: 0.6, ..PerceptLabel::default() };
        let mut gradient = [f32::NAN; OUTPUTS];
        let free = percept_loss(&outputs, &label, 0.5, &mut gradient);
        assert_eq!((gradient[0], gradient[GAP], gradient[QUANTITIES + GAP]), (-0.5, 0.0, 0.0));
        assert!(gradient[LEAD] > 0.0 && free.is_finite());
        label.gap_m = Some(5.0);
        percept_loss(&outputs, &label, 0.5, &mut gradient);
        assert!(gradient[GAP] == 0.5 && gradient[LEAD] < 0.0);
    }

    #[test]
    fn outputs_at_the_truth_read_as_the_truth() {
        let mut outputs = [0.0; OUTPUTS];
        outputs[0] = -0.9 / UNITS[0];
        outputs[GAP] = ((12.0 + GAP_NEAR_M).ln() - GAP_CENTRE_LOG) / UNITS[GAP];
        outputs[LEAD] = 3.0;
        let seen = percept(&outputs);
        assert!((seen.lane_offset_m + 0.9).abs() < 1e-6);
        assert!((seen.gap_m - 12.0).abs() < 1e-4);
        assert!((seen.lane_offset_scale_m - UNITS[0]).abs() < 1e-6);
        outputs[LEAD] = -0.1;
        assert_eq!(percept(&outputs).gap_m, GAP_MAX_M);
    }
}
