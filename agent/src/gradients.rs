//! Clips gradients by their global norm; burn clips each tensor by itself.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::prelude::*;

/// Scales all gradients of a module down so that their common norm is at most `norm`.
pub fn clip_by_global_norm<M: Module>(module: &M, gradients: GradientsParams, norm: f32) -> GradientsParams {
    let mut sum = SquareSum { gradients: &gradients, sum: 0.0 };
    module.visit(&mut sum);
    let total = sum.sum.sqrt();
    if total <= norm {
        return gradients;
    }
    let mut scaled = Scaled { gradients, scale: norm / total };
    module.visit(&mut scaled);
    scaled.gradients
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
