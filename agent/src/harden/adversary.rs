//! An adversary in the loop of learning: on some drives it changes every frame so that perception errs one way for a while, to
//! the left, to the right, towards a car that is not there or away from one that is.
//!
//! Pushing one way in every frame is the worst for a driver that filters what it sees; an attack that wants something else in
//! each frame averages out.

use roadproof_perception::Perception;
use roadproof_perception::attack::{Budget, Differentiable, Direction, Effect, Norm, Show, Side, to_bytes, to_numbers};
use roadproof_sim::seed::Stream;
use roadproof_sim::{Purpose, Seed};

/// Chance that the adversary changes its mind in a decision: about every two seconds.
const CHANGE: f32 = 0.05;
/// Length of the one step from a random start, as a share of the budget: a network hardened by adversarial training is nearly
/// linear within it, so more steps find little more.
///
/// # Source
/// Wong, Rice and Kolter 2020, arXiv:2001.03994.
const STEP_SHARE: f32 = 1.25;

/// The adversary of many worlds; it acts in some.
pub struct Adversary {
    network: Differentiable,
    targets: Vec<Option<Aim>>,
}

/// What it wants in one world.
struct Aim {
    stream: Stream,
    push: Direction,
}

impl Adversary {
    /// Of a number of worlds, so far without a target.
    #[must_use]
    pub fn new(perception: &Perception, worlds: usize) -> Self {
        Self { network: Differentiable::new(perception), targets: (0..worlds).map(|_| None).collect() }
    }

    /// A new drive begins in a world, attacked or not.
    pub fn start(&mut self, world: usize, seed: Option<Seed>) {
        self.targets[world] = seed.map(|seed| {
            let mut stream = seed.stream(Purpose::Disturbance);
            let push = draw(&mut stream);
            Aim { stream, push }
        });
    }

    /// Changes the frames of attacked worlds within `eps` of what they are.
    ///
    /// # Shapes
    /// - `rgb`: `worlds × height × width × 3`
    pub fn act(&mut self, eps: f32, rgb: &mut [u8]) {
        let length = self.network.frame_len();
        let Ok(budget) = Budget::new(Norm::Linf, eps) else { return };
        let mut attacked = Vec::new();
        for (world, target) in self.targets.iter_mut().enumerate() {
            if let Some(target) = target {
                if target.stream.chance(CHANGE) {
                    target.push = draw(&mut target.stream);
                }
                attacked.push((world, target.push.slopes(), target.stream.bits()));
            }
        }
        let frame = |world: usize| world * length..(world + 1) * length;
        let clean: Vec<u8> = attacked.iter().flat_map(|(world, _, _)| &rgb[frame(*world)]).copied().collect();
        let numbers = to_numbers(&clean);
        let mut pixels = numbers.clone();
        for (pixels, (_, _, seed)) in pixels.chunks_exact_mut(length).zip(&attacked) {
            // A start of random signs, of half the budget: cheap to draw.
            let mut bits = Bits::new(*seed);
            pixels.iter_mut().for_each(|pixel| *pixel += if bits.next() { 0.5 * eps } else { -0.5 * eps });
        }
        let mut gradient = vec![0.0; pixels.len()];
        self.network.gradients(&pixels, &mut gradient, |index, _, slopes| {
            slopes.copy_from_slice(&attacked[index].1);
            Effect { loss: 0.0, broken: false }
        });
        let frames = pixels.chunks_exact_mut(length).zip(gradient.chunks_exact(length));
        for ((pixels, gradient), clean) in frames.zip(numbers.chunks_exact(length)) {
            budget.advance(pixels, gradient, STEP_SHARE * eps);
            budget.project(clean, pixels);
        }
        let frames = pixels.chunks_exact(length).zip(clean.chunks_exact(length));
        for ((pixels, clean), (world, _, _)) in frames.zip(&attacked) {
            rgb[frame(*world)].copy_from_slice(&to_bytes(pixels, clean, &budget));
        }
    }
}

/// Any of [`Direction::ALL`]: kinds of them alike, and then sides alike.
fn draw(stream: &mut Stream) -> Direction {
    let side = |stream: &mut Stream| if stream.chance(0.5) { Side::Left } else { Side::Right };
    let show = |stream: &mut Stream| if stream.chance(0.5) { Show::NoLead } else { Show::Lead };
    match stream.below(4) {
        0 => Direction::Lane(side(stream)),
        1 => Direction::Lead(show(stream)),
        2 => Direction::Offset(side(stream)),
        _ => {
            let side = side(stream);
            Direction::LaneAndLead(side, show(stream))
        }
    }
}

/// One bit after the other from a seed.
struct Bits {
    stream: Stream,
    bits: u64,
    left: u32,
}

impl Bits {
    fn new(seed: u64) -> Self {
        Self { stream: Seed(seed).stream(Purpose::Disturbance), bits: 0, left: 0 }
    }

    fn next(&mut self) -> bool {
        if self.left == 0 {
            (self.bits, self.left) = (self.stream.bits(), 64);
        }
        self.left -= 1;
        self.bits >> self.left & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::LearnedDriver;

    /// Trainings that were are the same again only with the same directions from the same numbers.
    #[test]
    fn draws_keep_their_bits_and_are_of_every_direction() {
        let mut stream = Seed(7).stream(Purpose::Disturbance);
        let drawn: Vec<Direction> = (0..4000).map(|_| draw(&mut stream)).collect();
        let bits = drawn.iter().flat_map(|push| push.slopes()).flat_map(|slope| slope.to_bits().to_le_bytes());
        let digest = xxhash_rust::xxh3::xxh3_64(&bits.collect::<Vec<u8>>());
        let found = (format!("{digest:016x}"), format!("{:016x}", stream.bits()));
        assert_eq!(found, ("a8405d070a8073d7".to_owned(), "051d80fe93f16743".to_owned()));
        assert!(Direction::ALL.iter().all(|direction| drawn.contains(direction)));
        assert!(drawn.iter().all(|direction| Direction::ALL.contains(direction)));
    }

    #[test]
    fn it_pushes_the_percept_its_way_within_its_budget_and_only_where_it_acts() {
        let driver = LearnedDriver::shipped().expect("the shipped weights are whole");
        let text = "Scenario(format: 1, title: \"t\", duration_s: 9.0, road: Straight(length_m: 300.0))";
        let scenario = roadproof_sim::parse(text, "t.ron".as_ref()).expect("a scenario");
        let episode = roadproof_sim::Episode::new(scenario).expect("a world");
        let clean = [episode.rgb(), episode.rgb()].concat();
        let mut adversary = Adversary::new(driver.perception(), 2);
        adversary.start(1, Some(Seed(4)));
        adversary.targets[1].as_mut().expect("started above").push = Direction::Offset(Side::Left);
        let mut rgb = clean.clone();
        // The chance of another mind in the first decision is small; the seed says that it keeps this one.
        adversary.act(2.0 / 255.0, &mut rgb);
        let (first, second) = rgb.split_at(rgb.len() / 2);
        assert!(first == episode.rgb() && second != episode.rgb());
        assert!(second.iter().zip(episode.rgb()).all(|(a, b)| a.abs_diff(*b) <= 2));
        let seen = driver.perception().see(&rgb);
        assert!(
            seen[1].lane_offset_m > seen[0].lane_offset_m + 0.05,
            "{} {}",
            seen[0].lane_offset_m,
            seen[1].lane_offset_m
        );
    }
}
