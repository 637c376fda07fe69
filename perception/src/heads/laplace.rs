//! A quantity with an expected error: a mean, and the scale of a Laplace distribution around it.

use crate::heads::output::Output;

/// Log scales are squashed into plus or minus this: an exact label cannot make the loss infinite.
const LOG_SCALE_MAX: f32 = 5.0;

/// How far off a quantity is expected to be, in the units of its output's scale.
pub(super) fn expected_error(outputs: &[f32], quantity: Output) -> f32 {
    let raw = quantity.expected_error().map_or(0.0, |error| outputs[error.index()]);
    log_scale(raw).exp() * quantity.scale()
}

/// Loss of one quantity; its gradient times `weight` goes to `gradient`. Without a target there is nothing to learn. The mean has the
/// slope of the absolute error alone, the scale that of the likelihood, see `percept_loss`.
pub(super) fn quantity_loss(
    outputs: &[f32],
    quantity: Output,
    target: Option<f32>,
    weight: f32,
    gradient: &mut [f32],
) -> f32 {
    let Some(expected) = quantity.expected_error() else { return 0.0 };
    let weight = if target.is_some() { weight } else { 0.0 };
    let error = outputs[quantity.index()] - target.unwrap_or(0.0);
    let (surprise, slope) = scale_loss(error.abs(), outputs[expected.index()]);
    gradient[quantity.index()] = weight * error.signum();
    gradient[expected.index()] = weight * slope;
    if target.is_some() { error.abs() + surprise } else { 0.0 }
}

/// Negative log likelihood of an absolute error under a predicted scale, and its slope in that output.
fn scale_loss(error: f32, output: f32) -> (f32, f32) {
    let log_scale = log_scale(output);
    let scaled = error * (-log_scale).exp();
    let squash_slope = 1.0 - (log_scale / LOG_SCALE_MAX).powi(2);
    (scaled + log_scale, (1.0 - scaled) * squash_slope)
}

fn log_scale(raw: f32) -> f32 {
    LOG_SCALE_MAX * (raw / LOG_SCALE_MAX).tanh()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Holds a written slope against the loss itself, moved a little each way.
    pub(crate) fn check_slope(at: f32, loss: impl Fn(f32) -> (f32, f32)) {
        let measured = (loss(at + 1e-2).0 - loss(at - 1e-2).0) / 2e-2;
        let written = loss(at).1;
        assert!((measured - written).abs() < 2e-3, "at {at}: measured {measured}, written {written}");
    }

    #[test]
    fn the_written_slope_is_that_of_the_loss() {
        for output in [-4.0, -1.0, 0.5, 3.0] {
            check_slope(output, |output| scale_loss(0.03, output));
        }
    }
}
