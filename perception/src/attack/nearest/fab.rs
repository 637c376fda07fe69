//! Fast Adaptive Boundary: walks along the nearest boundary, drawn to the clean frame, for the nearest frame of another class.
//!
//! # Source
//! Croce and Hein 2020, "Minimally distorted Adversarial Examples with a Fast Adaptive Boundary Attack", arXiv:1907.02044,
//! algorithm 1 with its projections onto a plane within the range of pixels (section 3.1 and appendix); constants and the targeted
//! version as in the authors' code. Without restarts.

use crate::attack::budgeted::apgd::TARGETS;
use crate::attack::nearest::minimum_norm::{Boundaries, crossed, length};
use crate::attack::{Batch, Classifier, Nearest, Norm};
use rayon::prelude::*;

/// Greatest weight of the step from the clean frame.
const ALPHA_MAX: f32 = 0.1;
/// How far beyond the boundary a step goes.
const ETA: f32 = 1.05;
/// How much of the way is kept once a frame has crossed.
const BETA: f32 = 0.9;

/// The nearest frame of any other class: each step goes to the nearest boundary of all classes.
#[must_use]
pub fn fab(classifier: &impl Classifier, batch: &Batch, norm: Norm, iterations: usize) -> Nearest {
    walk(classifier, batch, &batch.rivals(classifier, classifier.classes()), norm, iterations)
}

/// The nearest frame of one of the nine classes that come closest: a walk along the boundary to each.
#[must_use]
pub fn fab_targeted(classifier: &impl Classifier, batch: &Batch, norm: Norm, iterations: usize) -> Nearest {
    let rivals = batch.rivals(classifier, TARGETS);
    let mut nearest = Nearest::begin(batch);
    let length = batch.frame_len();
    for target in 0..TARGETS.min(classifier.classes() - 1) {
        let rivals: Vec<Vec<usize>> = rivals.iter().map(|rivals| vec![rivals[target]]).collect();
        let found = walk(classifier, batch, &rivals, norm, iterations);
        for (row, frame) in found.pixels.chunks_exact(length).enumerate() {
            nearest.keep_nearer(row, frame, found.distances[row]);
        }
    }
    nearest
}

fn walk(classifier: &impl Classifier, batch: &Batch, rivals: &[Vec<usize>], norm: Norm, iterations: usize) -> Nearest {
    let frame_len = batch.frame_len();
    let mut found = Nearest::begin(batch);
    let mut pixels = batch.clean.clone();
    for _ in 0..iterations {
        let boundaries = Boundaries::nearest(classifier, batch, &pixels, rivals, norm);
        pixels
            .par_chunks_mut(frame_len)
            .zip(batch.clean.par_chunks(frame_len))
            .zip(boundaries.slopes.par_chunks(frame_len))
            .zip(&boundaries.leads)
            .for_each(|(((frame, clean), slope), lead)| step(norm, frame, clean, slope, *lead));
        let crossed = crossed(classifier, batch, &pixels);
        let frames = pixels.chunks_exact_mut(frame_len).zip(batch.clean.chunks_exact(frame_len)).zip(crossed);
        for (row, ((frame, clean), _)) in frames.enumerate().filter(|(_, (_, crossed))| *crossed) {
            found.keep_nearer(row, frame, length(norm, frame.iter().zip(clean).map(|(a, b)| a - b)));
            frame.iter_mut().zip(clean).for_each(|(value, clean)| *value = clean + BETA * (*value - clean));
        }
    }
    found
}

/// One step to the plane on which the lead is gone: from here, and with a small weight from the clean frame.
fn step(norm: Norm, frame: &mut [f32], clean: &[f32], slope: &[f32], lead: f32) {
    let way: f64 = frame.iter().zip(clean).zip(slope).map(|((x, c), w)| f64::from(*w) * f64::from(c - x)).sum();
    let here = to_plane(norm, frame, slope, f64::from(lead));
    let from_clean = to_plane(norm, clean, slope, f64::from(lead) + way);
    let near = length(norm, here.iter().copied()).max(1e-8);
    let far = length(norm, from_clean.iter().copied()).max(1e-8);
    let alpha = (near / (near + far)).clamp(0.0, ALPHA_MAX);
    for (((value, clean), here), from_clean) in frame.iter_mut().zip(clean).zip(here).zip(from_clean) {
        *value = ((*value + ETA * here) * (1.0 - alpha) + (clean + ETA * from_clean) * alpha).clamp(0.0, 1.0);
    }
}

/// The least change that takes `frame` to where `lead + slope · change` is zero while every value stays within 0 to 1; if that
/// cannot be, the change that comes closest.
///
/// Every value moves at a rate of its own, one in [`Norm::Linf`] and its slope in [`Norm::L2`], until it meets its bound; so what
/// has been gained is a line with a bend where one does, and the bends are walked in their order.
fn to_plane(norm: Norm, frame: &[f32], slope: &[f32], lead: f64) -> Vec<f32> {
    let way = |slope: f32| if f64::from(slope) * lead > 0.0 { -1.0 } else { 1.0 };
    let room = |value: f32, slope: f32| f64::from(if way(slope) > 0.0 { 1.0 - value } else { value }.max(0.0));
    let rate = |slope: f32| match norm {
        Norm::Linf => 1.0,
        Norm::L2 => f64::from(slope.abs()),
    };
    let moving = frame.iter().zip(slope).filter(|(_, slope)| **slope != 0.0);
    // When each meets its bound, what it gains in a unit of time, and what it has gained by then.
    let mut bends: Vec<(f64, f64, f64)> = moving
        .map(|(value, slope)| {
            let (room, rate, steep) = (room(*value, *slope), rate(*slope), f64::from(slope.abs()));
            (room / rate, steep * rate, steep * room)
        })
        .collect();
    bends.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let mut speed: f64 = bends.iter().map(|bend| bend.1).sum();
    let (mut gained, mut time) = (0.0, f64::INFINITY);
    for (until, own, at_bound) in bends {
        if speed > 0.0 && (lead.abs() - gained) / speed <= until {
            time = (lead.abs() - gained) / speed;
            break;
        }
        gained += at_bound;
        speed -= own;
    }
    let change = |(value, slope): (&f32, &f32)| {
        if *slope == 0.0 { 0.0 } else { way(*slope) * (time * rate(*slope)).min(room(*value, *slope)) as f32 }
    };
    frame.iter().zip(slope).map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::classifier::tests::Planes;
    use crate::attack::nearest::minimum_norm::tests::distances;

    #[test]
    fn the_nearest_point_of_a_plane_is_found_within_the_range() {
        // 2a + b = 1 from (0.1, 0.2): 0.6 are missing.
        let found = to_plane(Norm::Linf, &[0.1, 0.2], &[2.0, 1.0], -0.6);
        assert!(found.iter().all(|change| (change - 0.2).abs() < 1e-6), "{found:?}");
        let found = to_plane(Norm::L2, &[0.1, 0.2], &[2.0, 1.0], -0.6);
        assert!((found[0] - 0.24).abs() < 1e-6 && (found[1] - 0.12).abs() < 1e-6, "{found:?}");
        // The first has room for 0.1 only; the second does the rest.
        for norm in [Norm::Linf, Norm::L2] {
            let found = to_plane(norm, &[0.9, 0.2], &[2.0, 1.0], -0.6);
            assert!((found[0] - 0.1).abs() < 1e-6 && (found[1] - 0.4).abs() < 1e-6, "{norm:?}: {found:?}");
            assert_eq!(to_plane(norm, &[0.5, 0.5], &[1.0, 0.0], 9.0), [-0.5, 0.0]);
        }
    }

    #[test]
    fn a_plane_is_met_where_it_is_nearest() {
        let planes = Planes::new();
        let batch = Batch::new(&planes, &Planes::frames(5), &[0; 5]);
        for norm in [Norm::Linf, Norm::L2] {
            for found in [fab(&planes, &batch, norm, 30), fab_targeted(&planes, &batch, norm, 30)] {
                for (found, least) in found.distances.iter().zip(distances(&planes, &batch, norm)) {
                    assert!(*found >= 0.999 * least && *found < 1.03 * least, "{norm:?}: {found}, nearest {least}");
                }
            }
        }
    }
}
