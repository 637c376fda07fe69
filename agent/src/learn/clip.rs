//! Clips gradients by their global norm; burn clips each tensor by itself.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::prelude::*;

/// Scales all gradients of a module down so that their common norm is at most `norm`; returns what it was as well.
pub fn clip_by_global_norm<M: Module>(module: &M, gradients: GradientsParams, norm: f32) -> (GradientsParams, f32) {
    let mut sum = SquareSum { gradients: &gradients, sum: 0.0 };
    module.visit(&mut sum);
    let total = sum.sum.sqrt();
    if total <= norm {
        return (gradients, total);
    }
    let mut scaled = Scaled { gradients, scale: norm / total };
    module.visit(&mut scaled);
    (scaled.gradients, total)
}

struct SquareSum<'a> {
    gradients: &'a GradientsParams,
    sum: f32,
}

impl ModuleVisitor for SquareSum<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            self.sum += (gradient.clone() * gradient).sum().into_scalar::<f32>();
        }
    }
}

struct Scaled {
    gradients: GradientsParams,
    scale: f32,
}

impl ModuleVisitor for Scaled {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            self.gradients.register(param.id, gradient * self.scale);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::{Linear, LinearConfig};

    /// Gradients of a layer whose eight weights and two biases all have a gradient of `slope`, clipped.
    fn clipped(slope: f32, norm: f32) -> Vec<f32> {
        let device = roadproof_perception::device::flex().autodiff();
        let layer: Linear = LinearConfig::new(4, 2).init(&device);
        let loss = (layer.forward(Tensor::<2>::ones([1, 4], &device)) * slope).sum();
        let gradients = GradientsParams::from_grads(loss.backward(), &layer);
        let (gradients, total) = clip_by_global_norm(&layer, gradients, norm);
        assert!((total - slope * 10_f32.sqrt()).abs() < 1e-4, "{total}");
        let bias = layer.bias.as_ref().expect("a layer has biases unless it is told not to");
        let weight: Vec<f32> =
            gradients.get::<2>(layer.weight.id).expect("a gradient").into_data().try_to_vec().expect("f32");
        let bias: Vec<f32> = gradients.get::<1>(bias.id).expect("a gradient").into_data().try_to_vec().expect("f32");
        [weight, bias].concat()
    }

    #[test]
    fn all_gradients_share_one_norm() {
        // Ten numbers of 2 have a norm of sqrt(40).
        assert_eq!(clipped(2.0, 7.0), [2.0; 10], "below the norm nothing changes");
        let scaled = clipped(2.0, 1.0);
        let norm = scaled.iter().map(|value| value * value).sum::<f32>().sqrt();
        assert!((norm - 1.0).abs() < 1e-5 && scaled.iter().all(|value| (value - scaled[0]).abs() < 1e-6), "{scaled:?}");
    }
}
