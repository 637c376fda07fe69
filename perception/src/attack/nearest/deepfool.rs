//! `DeepFool`: steps to the nearest boundary, were the scores linear, until the class changes.
//!
//! # Source
//! Moosavi-Dezfooli, Fawzi and Frossard 2016, arXiv:1511.04599, algorithm 2 and section 3.3 for the greatest change; ten classes,
//! fifty steps and the overshoot as in foolbox 3.3.4.

use crate::attack::nearest::minimum_norm::{Boundaries, crossed, dual, length};
use crate::attack::{Batch, Classifier, Nearest, Norm};

/// How far beyond the boundary a frame goes, as a share of the way.
const OVERSHOOT: f32 = 0.02;
/// Classes that are looked at, a frame's own left out.
const RIVALS: usize = 9;

/// The first frame found with another class.
#[must_use]
pub fn deepfool(classifier: &impl Classifier, batch: &Batch, norm: Norm, steps: usize) -> Nearest {
    let frame_len = batch.frame_len();
    let mut found = Nearest::begin(batch);
    let rivals = batch.rivals(classifier, RIVALS);
    let mut open: Vec<usize> = (0..batch.len()).collect();
    let mut moved = vec![0.0; batch.clean.len()];
    for step in 0..=steps {
        let part = batch.part(&open);
        let mut pixels = part.clean.clone();
        for (&row, frame) in open.iter().zip(pixels.chunks_exact_mut(frame_len)) {
            let change = &moved[row * frame_len..(row + 1) * frame_len];
            frame
                .iter_mut()
                .zip(change)
                .for_each(|(value, change)| *value = (*value + (1.0 + OVERSHOOT) * change).clamp(0.0, 1.0));
        }
        let crossed = crossed(classifier, &part, &pixels);
        let frames = pixels.chunks_exact(frame_len).zip(part.clean.chunks_exact(frame_len));
        for ((&row, (frame, clean)), _) in open.iter().zip(frames).zip(&crossed).filter(|(_, crossed)| **crossed) {
            found.keep_nearer(row, frame, length(norm, frame.iter().zip(clean).map(|(a, b)| a - b)));
        }
        if step == steps || crossed.iter().all(|crossed| *crossed) {
            break;
        }
        let rivals: Vec<Vec<usize>> = open.iter().map(|&row| rivals[row].clone()).collect();
        let boundaries = Boundaries::nearest(classifier, &part, &pixels, &rivals, norm);
        for (index, &row) in open.iter().enumerate() {
            let slope = &boundaries.slopes[index * frame_len..(index + 1) * frame_len];
            let size = dual(norm, slope) + 1e-8;
            let distance = boundaries.leads[index].abs() / size;
            for (change, slope) in moved[row * frame_len..(row + 1) * frame_len].iter_mut().zip(slope) {
                *change += match norm {
                    Norm::Linf if *slope == 0.0 => 0.0,
                    Norm::Linf => distance * slope.signum(),
                    Norm::L2 => distance * slope / size,
                };
            }
        }
        open = open.into_iter().zip(crossed).filter(|(_, crossed)| !crossed).map(|(row, _)| row).collect();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::classifier::tests::Planes;
    use crate::attack::nearest::minimum_norm::tests::distances;

    #[test]
    fn a_plane_is_crossed_where_it_is_nearest() {
        let planes = Planes::new();
        let batch = Batch::new(&planes, &Planes::frames(5), &[0; 5]);
        for norm in [Norm::Linf, Norm::L2] {
            let found = deepfool(&planes, &batch, norm, 50);
            for (found, least) in found.distances.iter().zip(distances(&planes, &batch, norm)) {
                assert!(*found >= 0.999 * least && *found < 1.03 * least, "{norm:?}: {found}, nearest {least}");
            }
        }
    }

    #[test]
    fn no_steps_find_nothing() {
        let planes = Planes::new();
        let batch = Batch::new(&planes, &Planes::frames(2), &[0; 2]);
        let found = deepfool(&planes, &batch, Norm::L2, 0);
        assert_eq!((found.distances, found.pixels), (vec![f32::INFINITY; 2], batch.clean));
    }
}
