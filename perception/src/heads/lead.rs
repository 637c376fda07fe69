//! What is ahead in the lane: whether there is something, and the gap to it.

use crate::heads::laplace::{expected_error, quantity_loss};
use crate::heads::output::Output;
use crate::percept::{GAP_MAX_M, PerceptLabel};

/// The network sees ratios of distances, so its gap coordinate is `ln(gap + GAP_NEAR_M)`, around `GAP_CENTRE_LOG`.
const GAP_NEAR_M: f32 = 3.0;
const GAP_CENTRE_LOG: f32 = 3.2;

/// How sure the network is that something is ahead.
pub(super) fn probability(outputs: &[f32]) -> f32 {
    sigmoid(outputs[Output::Lead.index()])
}

/// The gap, were there something ahead.
pub(crate) fn gap_m(outputs: &[f32]) -> f32 {
    let shifted_gap_m = (outputs[Output::Gap.index()] * Output::Gap.scale() + GAP_CENTRE_LOG).exp();
    (shifted_gap_m - GAP_NEAR_M).clamp(0.0, GAP_MAX_M)
}

/// Slope of that gap over its output.
pub(crate) fn gap_slope(outputs: &[f32]) -> f32 {
    let gap_m = gap_m(outputs);
    if gap_m > 0.0 && gap_m < GAP_MAX_M { (gap_m + GAP_NEAR_M) * Output::Gap.scale() } else { 0.0 }
}

/// Expected error of that gap: a small error of a logarithm is a relative error.
pub(super) fn gap_scale_m(outputs: &[f32]) -> f32 {
    expected_error(outputs, Output::Gap) * (gap_m(outputs) + GAP_NEAR_M)
}

/// Loss of the gap, of which a free lane teaches nothing; its gradient times `weight` goes to `gradient`.
pub(super) fn gap_loss(outputs: &[f32], label: &PerceptLabel, weight: f32, gradient: &mut [f32]) -> f32 {
    let target = label.lead_gap_m().map(|gap_m| gap_target(gap_m) / Output::Gap.scale());
    quantity_loss(outputs, Output::Gap, target, weight, gradient)
}

/// Loss of whether something is ahead; its gradient times `weight` goes to `gradient`.
pub(super) fn lead_loss(outputs: &[f32], label: &PerceptLabel, weight: f32, gradient: &mut [f32]) -> f32 {
    let (loss, slope) = cross_entropy(outputs[Output::Lead.index()], label.lead_gap_m().is_some());
    gradient[Output::Lead.index()] = weight * slope;
    loss
}

/// A gap in the unit of its output's scale.
fn gap_target(gap_m: f32) -> f32 {
    (gap_m + GAP_NEAR_M).ln() - GAP_CENTRE_LOG
}

/// Cross-entropy of a logit, and its slope.
fn cross_entropy(logit: f32, lead: bool) -> (f32, f32) {
    let truth = if lead { 1.0 } else { 0.0 };
    (logit.max(0.0) - logit * truth + (-logit.abs()).exp().ln_1p(), sigmoid(logit) - truth)
}

fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heads::laplace::tests::check_slope;
    use crate::heads::output::OUTPUTS;

    #[test]
    fn the_written_slope_is_that_of_the_loss() {
        for output in [-4.0, -1.0, 0.5, 3.0] {
            check_slope(output, |output| cross_entropy(output, true));
            check_slope(output, |output| cross_entropy(output, false));
        }
    }

    #[test]
    fn a_gap_reads_as_the_gap_it_was_learned_from() {
        for gap in [0.5, 12.0, 50.0] {
            let mut outputs = [0.0; OUTPUTS];
            outputs[Output::Gap.index()] = gap_target(gap) / Output::Gap.scale();
            assert!((gap_m(&outputs) - gap).abs() < 1e-4, "{gap}");
        }
    }
}
