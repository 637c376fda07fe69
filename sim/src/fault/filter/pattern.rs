//! Random patterns that faults are made of: clouds, drops, cracks.

use crate::fault::filter::{Scratch, Size, gaussian_blur_values};
use crate::math;
use crate::seed::Stream;

/// A fractal cloud, 0 to 1; roughness falls by the square of `decay` from each scale to the next.
///
/// # Source
/// Diamond-square on a torus (Fournier, Fussell and Carpenter 1982), as ImageNet-C's fog uses it.
pub(in crate::fault) fn cloud(size: Size, decay: f32, stream: &mut Stream) -> Vec<f32> {
    let side = size.width.max(size.height).next_power_of_two();
    let mut map = vec![0.0_f32; side * side];
    let wrapped = |x: usize, y: usize| (y & (side - 1)) * side + (x & (side - 1));
    let (mut step, mut roughness) = (side, 100.0_f32);
    while step >= 2 {
        let half = step / 2;
        let spread = roughness * roughness;
        for y in (half..side).step_by(step) {
            for x in (half..side).step_by(step) {
                let corners = [(x - half, y - half), (x + half, y - half), (x - half, y + half), (x + half, y + half)];
                let sum: f32 = corners.iter().map(|&(x, y)| map[wrapped(x, y)]).sum();
                map[wrapped(x, y)] = 0.25 * sum + stream.uniform(-spread, spread);
            }
        }
        for y in (0..side).step_by(half) {
            for x in ((half + y) % step..side).step_by(step) {
                let around = [(x + side - half, y), (x + half, y), (x, y + side - half), (x, y + half)];
                let sum: f32 = around.iter().map(|&(x, y)| map[wrapped(x, y)]).sum();
                map[wrapped(x, y)] = 0.25 * sum + stream.uniform(-spread, spread);
            }
        }
        (step, roughness) = (half, roughness / decay);
    }
    let (least, most) = map.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), v| (a.min(*v), b.max(*v)));
    let scale = 1.0 / (most - least).max(1e-6);
    size.places().map(|(x, y)| (map[wrapped(x, y)] - least) * scale).collect()
}

/// Blurred normal noise of zero mean and unit variance.
pub(in crate::fault) fn blurred_noise(
    size: Size,
    sigma_px: f32,
    stream: &mut Stream,
    scratch: &mut Scratch,
) -> Vec<f32> {
    let mut field: Vec<f32> = (0..size.pixels()).map(|_| stream.normal()).collect();
    gaussian_blur_values(size, 1, sigma_px, &mut field, scratch);
    let count = field.len() as f32;
    let mean = field.iter().sum::<f32>() / count;
    let sigma = (field.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / count).sqrt().max(1e-6);
    field.iter_mut().for_each(|value| *value = (*value - mean) / sigma);
    field
}

/// Round spots until they cover a share of the picture; each pixel has the greatest of what the spots give it, 1 well inside
/// and falling to 0 over `softness` of the radius.
///
/// # Units
/// Radii are shares of the picture's height.
pub(in crate::fault) fn spots(
    size: Size,
    share: f32,
    radii: (f32, f32),
    softness: f32,
    stream: &mut Stream,
) -> Vec<f32> {
    let mut mask = vec![0.0_f32; size.pixels()];
    let (width, height) = (size.width as f32, size.height as f32);
    let (mut covered, wanted) = (0.0_f64, f64::from(share) * size.pixels() as f64);
    while covered < wanted {
        let radius = (stream.uniform(radii.0, radii.1) * height).max(0.6);
        let (x, y) = (stream.uniform(0.0, width), stream.uniform(0.0, height));
        let (from, to) = ((y - radius).max(0.0) as usize, ((y + radius) as usize + 1).min(size.height));
        let (left, right) = ((x - radius).max(0.0) as usize, ((x + radius) as usize + 1).min(size.width));
        for row in from..to {
            for column in left..right {
                let (dx, dy) = (column as f32 + 0.5 - x, row as f32 + 0.5 - y);
                let inside = ((radius - (dx * dx + dy * dy).sqrt()) / (softness * radius).max(0.5)).clamp(0.0, 1.0);
                let value = &mut mask[row * size.width + column];
                covered += f64::from((inside - *value).max(0.0));
                *value = value.max(inside);
            }
        }
    }
    mask
}

/// Lines that run from one point outwards, bend at random and branch; 1 on a line, 0 elsewhere.
pub(in crate::fault) fn crack(size: Size, rays: usize, stream: &mut Stream) -> Vec<f32> {
    let mut mask = vec![0.0; size.pixels()];
    let (width, height) = (size.width as f32, size.height as f32);
    let hit = (stream.uniform(0.3, 0.7) * width, stream.uniform(0.3, 0.7) * height);
    let turn = std::f32::consts::TAU / rays as f32;
    let mut open: Vec<(f32, f32, f32)> =
        (0..rays).map(|ray| (hit.0, hit.1, (ray as f32 + stream.uniform(-0.3, 0.3)) * turn)).collect();
    let mut branches = 2 * rays;
    while let Some((mut x, mut y, mut angle)) = open.pop() {
        while (0.0..width).contains(&x) && (0.0..height).contains(&y) {
            mask[y as usize * size.width + x as usize] = 1.0;
            let (sin, cos) = math::sin_cos(angle);
            (x, y) = (x + 0.7 * cos, y + 0.7 * sin);
            angle += stream.uniform(-0.12, 0.12);
            if branches > 0 && stream.chance(0.01) {
                branches -= 1;
                open.push((x, y, angle + stream.uniform(-0.8, 0.8)));
            }
        }
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{Purpose, Seed};

    const SIZE: Size = Size { width: 84, height: 60 };

    #[test]
    fn patterns_are_within_bounds_and_cover_what_they_say() {
        let mut stream = Seed(3).stream(Purpose::Fault);
        let cloud = cloud(SIZE, 2.0, &mut stream);
        assert!(cloud.len() == SIZE.pixels() && cloud.iter().all(|value| (0.0..=1.0).contains(value)));
        let jump = |stride: usize| {
            let pairs = cloud.iter().zip(cloud.iter().skip(stride));
            pairs.map(|(a, b)| (a - b).abs()).sum::<f32>()
        };
        assert!(jump(1) < 0.5 * jump(20), "a cloud is smooth: {} {}", jump(1), jump(20));
        for share in [0.05, 0.3] {
            let spots = spots(SIZE, share, (0.02, 0.1), 0.3, &mut stream);
            let covered = spots.iter().sum::<f32>() / SIZE.pixels() as f32;
            assert!((share..share + 0.05).contains(&covered), "{covered} of {share}");
        }
        let lines = crack(SIZE, 7, &mut stream).iter().sum::<f32>() / SIZE.pixels() as f32;
        assert!((0.01..0.25).contains(&lines), "{lines}");
    }
}
