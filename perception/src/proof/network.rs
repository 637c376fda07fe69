//! Bounds of what the network says about every frame within an L∞ distance of one: interval bound propagation from the pixels to
//! the nine outputs and to the percept.
//!
//! The box begins as the pixels within `eps`, cut to what a pixel can be. Weakening the mean of a patch and the first layer are
//! one linear map of the pixels, so its radius is taken over their product. After each normalisation the bounds of the next
//! layer are taken in two ways, and of each the better: through the exact range of every normalised value, and as the layer's
//! product before normalisation over the range of the root mean square, which the normalised values share.
//!
//! Bounds are sound for the network as a real function, up to what f64 loses without directed rounding. The network that drives is
//! computed in f32: for that there is a margin on top, many times what it was ever seen to lose, which is a measurement and no
//! proof. Bounds with a worst loss in every layer say nothing: what the layers make of such losses is wider than the bounds for a
//! budget of a tenth of a grey level.
//!
//! A camera delivers bytes: the least change of one is a grey level, `1/255`. Within a smaller budget of a frame of bytes there is no
//! other: bounds for it say something of the network's function and nothing of a camera.
//!
//! # Source
//! Gowal et al. 2018, "On the Effectiveness of Interval Bound Propagation for Training Verifiably Robust Models",
//! arXiv:1810.12715.

use crate::heads::lead::gap_m;
use crate::heads::output::OUTPUTS;
use crate::heads::percept;
use crate::network::MERGE;
use crate::network::patches::{PatchLayout, weaken_mean_exactly};
use crate::percept::Percept;
use crate::perception::Perception;
use crate::proof::interval::{Affine, Interval, ROUNDING, relu};
use rayon::prelude::*;

/// A perception over boxes of frames.
#[derive(Clone, Debug)]
pub struct BoundedPerception {
    layout: PatchLayout,
    stem: Affine,
    /// The first layer and the weakening of means as one: magnitudes of its weights, `patch numbers × stem channels`.
    stem_of_pixels: Affine,
    merge: Affine,
    frame: Affine,
    hidden: Affine,
    head: Affine,
}

impl BoundedPerception {
    /// The same weights.
    #[must_use]
    pub fn new(perception: &Perception) -> Self {
        let [stem, merge, frame, hidden, head] = perception.network().percept_layers().map(Affine::of);
        let stem_of_pixels = of_pixels(&stem);
        Self { layout: PatchLayout::new(perception.settings()), stem, stem_of_pixels, merge, frame, hidden, head }
    }

    /// Bounds of the outputs of every frame whose values are within `eps` of those of a frame and from 0 to 1, one after the
    /// other in parallel. Zero is the frame itself.
    ///
    /// # Shapes
    /// - `pixels`: `frames × height × width × 3`, 0 to 1
    ///
    /// # Panics
    /// If `pixels` is no whole number of frames, or `eps` is negative or not a number.
    #[must_use]
    pub fn outputs(&self, pixels: &[f32], eps: f32) -> Vec<[Interval; OUTPUTS]> {
        let length = self.layout.frame_len();
        assert!(pixels.len().is_multiple_of(length), "{} numbers are no frames of {length}", pixels.len());
        assert!(eps >= 0.0, "eps = {eps}");
        pixels.par_chunks(length).map(|frame| self.frame_outputs(frame, eps)).collect()
    }

    fn frame_outputs(&self, pixels: &[f32], eps: f32) -> [Interval; OUTPUTS] {
        // A pixel that is eps away in f32 may be a rounding further away.
        let eps = f64::from(eps) * (1.0 + ROUNDING) + if eps > 0.0 { ROUNDING } else { 0.0 };
        let mut patches = vec![0.0; pixels.len()];
        self.layout.write_plain(pixels, &mut patches);
        let length = self.stem.inputs();
        let stem = patches.chunks_exact(length).flat_map(|patch| self.patch_stem(patch, eps));
        let stem = relu(stem.collect());
        let blocks = stem.chunks_exact(MERGE * MERGE * self.stem.bias().len());
        let merged = relu(blocks.flat_map(|block| self.merge.bound(block)).collect());
        let frame = relu(after_norm(&self.frame, &merged));
        let hidden = relu(after_norm(&self.hidden, &frame));
        let outputs = after_norm(&self.head, &hidden).into_iter();
        let outputs: Vec<Interval> = outputs.map(|output| output.widened(LOSS * (1.0 + output.magnitude()))).collect();
        outputs.try_into().expect("the head has as many outputs")
    }

    /// Bounds of the stem's sums on one patch of pixels.
    fn patch_stem(&self, pixels: &[f32], eps: f64) -> Vec<Interval> {
        let ends = |pixel: &f32| {
            let pixel = f64::from(*pixel);
            ((pixel - eps).max(0.0), (pixel + eps).min(1.0))
        };
        let boxes: Vec<(f64, f64)> = pixels.iter().map(ends).collect();
        let mut centre: Vec<f64> = boxes.iter().map(|(low, high)| 0.5 * (low + high) - 0.5).collect();
        weaken_mean_exactly(&mut centre);
        let radius = |(low, high): &(f64, f64)| 0.5 * (high - low);
        let reach = self.stem_of_pixels.magnitude_product(boxes.iter().map(radius));
        let sums = self.stem.product(centre).into_iter().zip(reach);
        self.stem.with_bias(sums.map(|(at, reach)| Interval { low: at - reach, high: at + reach }).collect())
    }
}

/// The layer that takes pixels where `stem` takes the same pixels with the patch's mean colour weakened.
fn of_pixels(stem: &Affine) -> Affine {
    let (inputs, outputs) = (stem.inputs(), stem.bias().len());
    let mut weight = stem.weight().to_vec();
    // Weakening the mean is a symmetric map, so the weights of one output are weakened as a patch is.
    for output in 0..outputs {
        let mut column: Vec<f64> = (0..inputs).map(|input| stem.row(input)[output]).collect();
        weaken_mean_exactly(&mut column);
        column.into_iter().enumerate().for_each(|(input, value)| weight[input * outputs + output] = value);
    }
    Affine::new(weight, stem.bias().to_vec())
}

/// What the outputs lose in f32, as a share of one plus their magnitude, with room to spare.
const LOSS: f64 = 2e-5;

/// What `network` adds to a mean square.
const SQUARE_FLOOR: f64 = 1e-6;

/// Bounds of a layer that takes the values of a box, none of them negative, over their root mean square.
fn after_norm(layer: &Affine, input: &[Interval]) -> Vec<Interval> {
    let count = input.len() as f64;
    let squares = |end: fn(&Interval) -> f64| input.iter().map(|value| end(value) * end(value)).sum::<f64>();
    let (low, high) = (squares(|value| value.low), squares(|value| value.high));
    let root = |squares: f64| (squares.max(0.0) / count + SQUARE_FLOOR).sqrt();
    // A value grows with its own pixel's value and falls with all others, so that its ends are at corners of the box.
    let normalised: Vec<Interval> = input
        .iter()
        .map(|value| {
            let (own_low, own_high) = (value.low * value.low, value.high * value.high);
            let ends = (value.low / root(high - own_high + own_low), value.high / root(low - own_low + own_high));
            Interval { low: ends.0, high: ends.1 }
        })
        .collect();
    let by_value = layer.bound_product(&normalised);
    let (least, most) = (root(low), root(high));
    let quotient = |sum: Interval| {
        let low = sum.low / if sum.low < 0.0 { least } else { most };
        let high = sum.high / if sum.high > 0.0 { least } else { most };
        Interval { low, high }
    };
    let by_root = layer.bound_product(input).into_iter().map(quotient);
    layer.with_bias(by_value.into_iter().zip(by_root).map(|(one, other)| one.intersection(other)).collect())
}

/// Bounds of a percept, each of the number of that name in [`Percept`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PerceptBounds {
    /// Distance from the centre of the lane.
    pub lane_offset_m: Interval,
    /// Heading against the lane.
    pub heading_rad: Interval,
    /// Curvature ahead.
    pub curvature_per_m: Interval,
    /// The gap wherever something is seen ahead, that is where the probability of that is one half and more.
    pub lead_gap_m: Interval,
    /// How sure the network is that something is ahead.
    pub lead_probability: Interval,
    /// Expected error of the offset.
    pub lane_offset_scale_m: Interval,
    /// Expected error of the heading.
    pub heading_scale_rad: Interval,
    /// Expected error of the curvature.
    pub curvature_scale_per_m: Interval,
    /// Expected error of the gap.
    pub gap_scale_m: Interval,
}

/// What exponentials and hyperbolic tangents of a percept lose, as a share, with room to spare.
const PERCEPT_LOSS: f64 = 1e-5;

/// Bounds of the percepts of all outputs within bounds: each number of a percept grows with each output it depends on, but for
/// the gap where nothing is seen, which is therefore left out.
#[must_use]
pub fn percept_bounds(outputs: &[Interval; OUTPUTS]) -> PerceptBounds {
    let (low, high) = (outputs.map(|output| output.low as f32), outputs.map(|output| output.high as f32));
    let (least, most) = (percept(&low), percept(&high));
    let between = |number: fn(&Percept) -> f32| {
        let found = Interval { low: f64::from(number(&least)), high: f64::from(number(&most)) };
        found.widened(PERCEPT_LOSS * found.magnitude())
    };
    // A gap is a difference from a few metres, which loses more.
    let gap = Interval { low: f64::from(gap_m(&low)), high: f64::from(gap_m(&high)) };
    let gap = gap.widened(PERCEPT_LOSS * (gap.magnitude() + 3.0)).clamp(0.0, crate::percept::GAP_MAX_M);
    PerceptBounds {
        lane_offset_m: between(|percept| percept.lane_offset_m),
        heading_rad: between(|percept| percept.heading_rad),
        curvature_per_m: between(|percept| percept.curvature_per_m),
        lead_gap_m: gap,
        lead_probability: between(|percept| percept.lead_probability).clamp(0.0, 1.0),
        lane_offset_scale_m: between(|percept| percept.lane_offset_scale_m),
        heading_scale_rad: between(|percept| percept.heading_scale_rad),
        curvature_scale_per_m: between(|percept| percept.curvature_scale_per_m),
        gap_scale_m: between(|percept| percept.gap_scale_m),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::{Budget, Differentiable, Effect, Norm, Objective, PgdSettings, pgd, to_numbers};
    use crate::synthetic;
    use rand::{Rng, RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;

    fn trained() -> Perception {
        let dataset = synthetic::dataset(400, 4);
        let mut trainer = synthetic::trainer(3);
        (0..150).for_each(|_| {
            trainer.train_batch(&dataset, 1e-2);
        });
        trainer.perception()
    }

    /// One output, up or down.
    struct OneOutput<'a>(&'a Differentiable, usize, f32);

    impl Objective for OneOutput<'_> {
        fn evaluate(&self, pixels: &[f32]) -> Vec<Effect> {
            self.0.evaluate(pixels, |_, outputs| Effect { loss: self.2 * outputs[self.1], broken: false })
        }

        fn gradients(&self, pixels: &[f32], gradient: &mut [f32]) -> Vec<Effect> {
            self.0.gradients(pixels, gradient, |_, outputs, slopes| {
                slopes.fill(0.0);
                slopes[self.1] = self.2;
                Effect { loss: self.2 * outputs[self.1], broken: false }
            })
        }
    }

    /// The greatest distance of outputs from within bounds, as a share of each bound's half length; above one is outside.
    fn farthest(bounds: &[Interval; OUTPUTS], outputs: &[f32]) -> f64 {
        let shares = outputs.chunks_exact(OUTPUTS).flat_map(|outputs| {
            bounds
                .iter()
                .zip(outputs)
                .map(|(bound, output)| (f64::from(*output) - bound.centre()).abs() / bound.radius())
        });
        shares.fold(0.0, f64::max)
    }

    /// Random frames of a box: half of them even over it, half at its corners.
    fn random_frames(clean: &[f32], eps: f32, count: usize, random: &mut Pcg64Mcg) -> Vec<f32> {
        let mut frames = Vec::with_capacity(count * clean.len());
        for frame in 0..count {
            for pixel in clean {
                let step = if frame % 2 == 0 {
                    random.random_range(-1.0..=1.0)
                } else {
                    f32::from(random.next_u32() as u16 & 1) * 2.0 - 1.0
                };
                frames.push((pixel + eps * step).clamp(pixel - eps, pixel + eps).clamp(0.0, 1.0));
            }
        }
        frames
    }

    #[test]
    fn no_frame_of_the_box_leaves_the_bounds() {
        let perception = trained();
        let (network, bounded) = (Differentiable::new(&perception), BoundedPerception::new(&perception));
        let dataset = synthetic::dataset(5, 9);
        let mut random = Pcg64Mcg::seed_from_u64(1);
        for (index, eps) in [0.01, 0.2, 1.0, 4.0, 60.0].into_iter().map(|levels| levels / 255.0).enumerate() {
            let clean = to_numbers(dataset.frame(index));
            let bounds = bounded.outputs(&clean, eps)[0];
            // 20,000 frames for each of five budgets.
            for _ in 0..10 {
                let found = network.outputs(&random_frames(&clean, eps, 2_000, &mut random));
                assert!(farthest(&bounds, &found) <= 1.0, "eps {eps}");
            }
            let budget = Budget::new(Norm::Linf, eps).unwrap();
            let mut reached: f64 = 0.0;
            for output in 0..OUTPUTS {
                for sign in [-1.0, 1.0] {
                    let objective = OneOutput(&network, output, sign);
                    let settings = PgdSettings { restarts: 2, ..PgdSettings::default() };
                    let attacked = pgd(&objective, &clean, &budget, &settings, &[5]);
                    let share = farthest(&bounds, &network.outputs(&attacked.pixels));
                    assert!(share <= 1.0, "output {output}, sign {sign}, eps {eps}: {share}");
                    reached = reached.max(share);
                }
            }
            // Bounds half as long would be left: the test can see such a mistake.
            assert!(reached > 0.6 || eps < 0.9 / 255.0, "eps {eps}: attacks reach only {reached} of the bounds");
        }
    }

    /// The first layer alone is linear, so the pixels at its weights' signs reach its bounds: half a radius would be seen.
    #[test]
    fn bounds_of_the_first_layer_are_reached() {
        let perception = trained();
        let bounded = BoundedPerception::new(&perception);
        let (layout, eps) = (PatchLayout::new(perception.settings()), 5.0 / 255.0);
        let clean = to_numbers(synthetic::dataset(1, 9).frame(0));
        let mut laid_out = vec![0.0; clean.len()];
        layout.write_plain(&clean, &mut laid_out);
        let length = bounded.stem.inputs();
        for output in 0..bounded.stem.bias().len() {
            let corner = |sign: f64| -> Vec<f32> {
                let signs = (0..length).map(|input| (sign * bounded.stem_of_pixels.row(input)[output]).signum() as f32);
                let signs: Vec<f32> = signs.collect();
                let pixels = laid_out.iter().enumerate();
                pixels.map(|(index, pixel)| (pixel + eps * signs[index % length]).clamp(0.0, 1.0)).collect()
            };
            for sign in [-1.0, 1.0] {
                // The patches of the corner as the network takes them, mean colours weakened.
                let frame = corner(sign);
                for (patch, clean) in frame.chunks_exact(length).zip(laid_out.chunks_exact(length)) {
                    let bound = bounded.patch_stem(clean, f64::from(eps))[output];
                    let mut patch: Vec<f64> = patch.iter().map(|pixel| f64::from(*pixel) - 0.5).collect();
                    weaken_mean_exactly(&mut patch);
                    let found = bounded.stem.product(patch)[output] + bounded.stem.bias()[output];
                    let end = if sign > 0.0 { bound.high } else { bound.low };
                    assert!((found - end).abs() < 1e-5, "output {output}: {found} at the corner, {bound:?}");
                }
            }
        }
    }

    #[test]
    fn without_a_budget_bounds_are_the_outputs_and_they_grow_with_it() {
        let perception = trained();
        let (network, bounded) = (Differentiable::new(&perception), BoundedPerception::new(&perception));
        let clean = to_numbers(synthetic::dataset(20, 9).frames(0, 20));
        let outputs = network.outputs(&clean);
        let bounds = bounded.outputs(&clean, 0.0);
        for (bounds, outputs) in bounds.iter().zip(outputs.chunks_exact(OUTPUTS)) {
            for (bound, output) in bounds.iter().zip(outputs) {
                assert!(
                    bound.contains(*output) && bound.radius() <= 1.001 * LOSS * (1.0 + bound.magnitude()),
                    "{bound:?} of {output}"
                );
                // The margin is many times what is lost here.
                assert!((bound.centre() - f64::from(*output)).abs() < 0.1 * bound.radius(), "{bound:?} of {output}");
            }
        }
        let mut smaller = bounds;
        for eps in [1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0] {
            let larger = bounded.outputs(&clean, eps);
            for (small, large) in smaller.iter().flatten().zip(larger.iter().flatten()) {
                assert!(
                    large.low <= small.low + 1e-9 && large.high >= small.high - 1e-9,
                    "eps {eps}: {small:?}, {large:?}"
                );
            }
            smaller = larger;
        }
    }

    #[test]
    fn a_normalised_value_is_bounded_by_what_corners_give() {
        let mut random = Pcg64Mcg::seed_from_u64(4);
        let identity = |size: usize| {
            let weight = (0..size * size).map(|index| f64::from(u8::from(index % (size + 1) == 0)));
            Affine::new(weight.collect(), vec![0.0; size])
        };
        for _ in 0..200 {
            let input: Vec<Interval> = (0..4)
                .map(|_| {
                    let low = f64::max(0.0, random.random_range(-0.5..1.0));
                    Interval { low, high: low + random.random_range(0.0..0.5) }
                })
                .collect();
            let bounds = after_norm(&identity(4), &input);
            let mut reached = vec![Interval { low: f64::INFINITY, high: f64::NEG_INFINITY }; 4];
            for corner in 0..16 {
                let values: Vec<f64> = (0..4)
                    .map(|index| if corner >> index & 1 == 1 { input[index].high } else { input[index].low })
                    .collect();
                let root = (values.iter().map(|value| value * value).sum::<f64>() / 4.0 + SQUARE_FLOOR).sqrt();
                for (reached, value) in reached.iter_mut().zip(values) {
                    *reached = Interval { low: reached.low.min(value / root), high: reached.high.max(value / root) };
                }
            }
            for (bound, reached) in bounds.iter().zip(&reached) {
                assert!(bound.low <= reached.low + 1e-9 && bound.low > reached.low - 1e-5, "{bound:?}, {reached:?}");
                assert!(
                    bound.high >= reached.high - 1e-9 && bound.high < reached.high + 1e-5,
                    "{bound:?}, {reached:?}"
                );
            }
        }
    }

    #[test]
    fn percepts_of_bounded_outputs_are_bounded() {
        let mut random = Pcg64Mcg::seed_from_u64(7);
        for _ in 0..500 {
            let outputs: [Interval; OUTPUTS] = std::array::from_fn(|_| {
                let low: f64 = random.random_range(-4.0..3.0);
                Interval { low, high: low + random.random_range(0.0..1.0) }
            });
            let bounds = percept_bounds(&outputs);
            for _ in 0..20 {
                let inside =
                    outputs.map(|bound| (bound.low + (bound.high - bound.low) * random.random::<f64>()) as f32);
                let seen = percept(&inside);
                let pairs = [
                    (bounds.lane_offset_m, seen.lane_offset_m),
                    (bounds.heading_rad, seen.heading_rad),
                    (bounds.curvature_per_m, seen.curvature_per_m),
                    (bounds.lead_probability, seen.lead_probability),
                    (bounds.lane_offset_scale_m, seen.lane_offset_scale_m),
                    (bounds.heading_scale_rad, seen.heading_scale_rad),
                    (bounds.curvature_scale_per_m, seen.curvature_scale_per_m),
                    (bounds.gap_scale_m, seen.gap_scale_m),
                ];
                assert!(pairs.iter().all(|(bound, value)| bound.contains(*value)), "{pairs:?}");
                assert!(seen.lead_probability < 0.5 || bounds.lead_gap_m.contains(seen.gap_m), "{seen:?} {bounds:?}");
            }
        }
    }
}
