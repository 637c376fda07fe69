//! Decisions as a function of the pixels they were made from: through perception, memory and policy, end to end, for many worlds
//! at once.

use crate::driver::LearnedDriver;
use crate::memory::FEATURES;
use crate::memory::situation::Situation;
use crate::policy::{HeadsAre, OUTPUTS as HEADS, QNetwork, QValues, numbers, q_gradient};
use burn::module::Module;
use burn::prelude::*;
use roadproof_env::action::{ACCELERATION_MPS2, Action, STEER_RAD};
use roadproof_perception::attack::{Classifier, Differentiable};
use roadproof_perception::{OUTPUTS, Output, percept};

/// Frames that go through the policy together; a frame has the same bits in any batch.
const BLOCK_FRAMES: usize = EndToEnd::BLOCK_FRAMES;

/// How far the lead's logit is moved each way from nought to see what it leads to: no single frame says more to a driver who
/// believes what many say.
const LEAD_LOGIT: f32 = 3.0;

/// What a frame leads to, on the way to an action.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Outputs of perception.
    pub outputs: Vec<f32>,
    /// Heads of the policy.
    pub heads: Vec<f32>,
}

impl Decision {
    /// The best action.
    #[must_use]
    pub fn best(&self) -> Action {
        QValues(&self.heads).best()
    }

    /// The action with the least Q-value.
    #[must_use]
    pub fn worst(&self) -> Action {
        QValues(&self.heads).worst()
    }

    /// How much hangs on this decision: the greatest Q-value less the least.
    ///
    /// # Source
    /// Liang et al. 2022, "Efficient Adversarial Training without Attacking" (`WocaR`), arXiv:2210.05927.
    #[must_use]
    pub fn importance(&self) -> f32 {
        let q = QValues(&self.heads);
        q.of(q.best()) - q.of(q.worst())
    }
}

/// Perception and policy with gradients of their inputs.
///
/// Whether a car ahead is believed in is a threshold, behind another threshold where many frames decide: over the outputs of one frame
/// that has no slope, and a gradient that is nought says nothing of how a driver holds. Who looks ahead takes a frame for the first
/// of several that all show the same, and for the slope over the lead's logit the difference between a lead that is shown for certain
/// and none.
///
/// # Source
/// Athalye et al. 2018, "Obfuscated Gradients Give a False Sense of Security", arXiv:1802.00420: where a part has no gradient, an
/// attack puts one there that does instead (BPDA).
pub struct EndToEnd {
    /// Decisions after this one in which the frame goes on being shown.
    ahead: usize,
    network: Differentiable,
    policy: QNetwork,
    /// The same weights, with gradients of the input.
    policy_gradients: QNetwork,
    heads_are: HeadsAre,
}

impl EndToEnd {
    /// Frames of a block: one that is not full costs as much as one that is.
    pub const BLOCK_FRAMES: usize = Differentiable::BLOCK_FRAMES;

    /// Those of a driver.
    #[must_use]
    pub fn new(driver: &LearnedDriver) -> Self {
        let policy = driver.policy().clone();
        let policy_gradients = policy.clone().train().no_grad();
        let (network, heads_are) = (Differentiable::new(driver.perception()), driver.spec().heads);
        Self { ahead: 0, network, policy, policy_gradients, heads_are }
    }

    /// The same, for who looks so many decisions ahead: a frame leads to what it does after them.
    #[must_use]
    pub fn looking_ahead(self, decisions: usize) -> Self {
        Self { ahead: decisions, ..self }
    }

    /// What the heads of a decision are.
    #[must_use]
    pub fn heads_are(&self) -> HeadsAre {
        self.heads_are
    }

    /// Width and height of the frames.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        self.network.size()
    }

    /// What each frame leads to.
    ///
    /// # Shapes
    /// - `pixels`: `situations × height × width × 3`, 0 to 1
    #[must_use]
    pub fn decide(&self, situations: &[&Situation], pixels: &[f32]) -> Vec<Decision> {
        let outputs = self.outputs(pixels);
        self.decisions(&outputs, &self.features_of(situations, &outputs))
    }

    /// What perception makes of each frame.
    ///
    /// # Shapes
    /// - `pixels`: `frames × height × width × 3`, 0 to 1; returns `frames × OUTPUTS`
    #[must_use]
    pub fn outputs(&self, pixels: &[f32]) -> Vec<f32> {
        self.network.outputs(pixels)
    }

    /// What the policy makes of features that were made of these outputs, frame by frame.
    ///
    /// # Shapes
    /// - `outputs`: `frames × OUTPUTS`
    #[must_use]
    pub fn decisions(&self, outputs: &[f32], features: &[[f32; FEATURES]]) -> Vec<Decision> {
        let blocks = features.chunks(BLOCK_FRAMES).zip(outputs.chunks(BLOCK_FRAMES * OUTPUTS));
        blocks.flat_map(|(features, outputs)| decisions(outputs, &self.policy.heads(&filled_up(features)))).collect()
    }

    /// The same, with a gradient of each frame over its own pixels: that of outputs and heads, weighed by what `slopes` writes. It
    /// is given the row of a frame, what the frame leads to, and slopes of zero over outputs and heads.
    ///
    /// # Shapes
    /// - `pixels`, `gradient`: `situations × height × width × 3`
    pub fn gradients(
        &self,
        situations: &[&Situation],
        pixels: &[f32],
        gradient: &mut [f32],
        slopes: impl Fn(usize, &Decision, &mut [f32], &mut [f32]) + Sync,
    ) -> Vec<Decision> {
        self.network.block_gradients(pixels, gradient, |first, outputs, output_slopes| {
            let situations = &situations[first..first + outputs.len() / OUTPUTS];
            let device = self.policy_gradients.device();
            let features = filled_up(&self.features_of(situations, outputs));
            let features = TensorData::new(features, [BLOCK_FRAMES, FEATURES]);
            let input = Tensor::<2>::from_data(features, &device).require_grad();
            let heads = self.policy_gradients.forward(input.clone());
            let decisions = decisions(outputs, &numbers(heads.clone().inner()));
            let mut head_slopes = vec![0.0; BLOCK_FRAMES * HEADS];
            let rows = output_slopes.chunks_exact_mut(OUTPUTS).zip(head_slopes.chunks_exact_mut(HEADS));
            for (row, (decision, (output_slopes, head_slopes))) in decisions.iter().zip(rows).enumerate() {
                slopes(first + row, decision, output_slopes, head_slopes);
            }
            if head_slopes.iter().any(|slope| *slope != 0.0) {
                let weights = Tensor::from_data(TensorData::new(head_slopes.clone(), [BLOCK_FRAMES, HEADS]), &device);
                let descent = (heads * weights).sum().backward();
                let feature_slopes = numbers(input.grad(&descent).expect("the input asks for its gradient"));
                let rows = output_slopes.chunks_exact_mut(OUTPUTS).zip(feature_slopes.chunks_exact(FEATURES));
                for ((situation, outputs), (output_slopes, feature_slopes)) in
                    situations.iter().zip(outputs.chunks_exact(OUTPUTS)).zip(rows)
                {
                    self.add_output_slopes(situation, outputs, feature_slopes, output_slopes);
                }
                if self.ahead > 0 {
                    self.add_lead_slopes(situations, outputs, &head_slopes, output_slopes);
                }
            }
            decisions
        })
    }
}

impl EndToEnd {
    /// Policy inputs, one after the other.
    fn features_of(&self, situations: &[&Situation], outputs: &[f32]) -> Vec<[f32; FEATURES]> {
        let rows = situations.iter().zip(outputs.chunks_exact(OUTPUTS));
        rows.map(|(situation, outputs)| situation.features_after(&percept(outputs), 1 + self.ahead)).collect()
    }

    /// Slopes over the network's outputs, from those over the features. What a percept does to the features is a handful of products
    /// and filters: measured rather than written out.
    fn add_output_slopes(&self, situation: &Situation, outputs: &[f32], feature_slopes: &[f32], slopes: &mut [f32]) {
        const STEP: f32 = 1e-2;
        for (index, slope) in slopes.iter_mut().enumerate() {
            let moved = |by: f32| {
                let mut outputs: [f32; OUTPUTS] = outputs.try_into().expect("outputs of one frame");
                outputs[index] += by;
                situation.features_after(&percept(&outputs), 1 + self.ahead)
            };
            let change = moved(STEP).into_iter().zip(moved(-STEP)).zip(feature_slopes);
            *slope += change.map(|((up, down), slope)| (up - down) / (2.0 * STEP) * slope).sum::<f32>();
        }
    }

    /// Slopes over the lead's logit: what the heads say if a lead is shown for certain, less what they say if none is.
    fn add_lead_slopes(&self, situations: &[&Situation], outputs: &[f32], head_slopes: &[f32], slopes: &mut [f32]) {
        let lead = Output::Lead.index();
        let heads_at = |logit: f32| {
            let mut outputs = outputs.to_vec();
            outputs.chunks_exact_mut(OUTPUTS).for_each(|outputs| outputs[lead] = logit);
            self.policy.heads(&filled_up(&self.features_of(situations, &outputs)))
        };
        let (shown, hidden) = (heads_at(LEAD_LOGIT), heads_at(-LEAD_LOGIT));
        let rows = shown.chunks_exact(HEADS).zip(hidden.chunks_exact(HEADS)).zip(head_slopes.chunks_exact(HEADS));
        for (slopes, ((shown, hidden), weights)) in slopes.chunks_exact_mut(OUTPUTS).zip(rows) {
            let changes = shown.iter().zip(hidden).zip(weights);
            let change: f32 = changes.map(|((shown, hidden), weight)| weight * (shown - hidden)).sum();
            slopes[lead] += change / (2.0 * LEAD_LOGIT);
        }
    }
}

/// Policy inputs of a block, filled up with zeros.
fn filled_up(features: &[[f32; FEATURES]]) -> Vec<f32> {
    let mut features = features.as_flattened().to_vec();
    features.resize(BLOCK_FRAMES * FEATURES, 0.0);
    features
}

fn decisions(outputs: &[f32], heads: &[f32]) -> Vec<Decision> {
    let rows = outputs.chunks_exact(OUTPUTS).zip(heads.chunks_exact(HEADS));
    rows.map(|(outputs, heads)| Decision { outputs: outputs.to_vec(), heads: heads.to_vec() }).collect()
}

/// The joint decision as a classification: a class for each pair of a steering angle and an acceleration, its score the Q-value.
pub struct DecisionClassifier<'a> {
    /// The networks.
    pub end_to_end: &'a EndToEnd,
    /// The situation of each frame, by its number.
    pub situations: &'a [&'a Situation],
}

impl DecisionClassifier<'_> {
    /// The action of a class.
    #[must_use]
    pub fn action(class: usize) -> Action {
        Action { steer: class / ACCELERATION_MPS2.len(), acceleration: class % ACCELERATION_MPS2.len() }
    }

    /// The class of an action.
    #[must_use]
    pub fn class(action: Action) -> usize {
        action.steer * ACCELERATION_MPS2.len() + action.acceleration
    }

    fn q_values(heads: &[f32]) -> Vec<f32> {
        let classes = STEER_RAD.len() * ACCELERATION_MPS2.len();
        (0..classes).map(|class| QValues(heads).of(Self::action(class))).collect()
    }

    fn situations_of(&self, frames: &[usize]) -> Vec<&Situation> {
        frames.iter().map(|&frame| self.situations[frame]).collect()
    }
}

impl Classifier for DecisionClassifier<'_> {
    fn classes(&self) -> usize {
        STEER_RAD.len() * ACCELERATION_MPS2.len()
    }

    fn logits(&self, frames: &[usize], pixels: &[f32]) -> Vec<f32> {
        let decisions = self.end_to_end.decide(&self.situations_of(frames), pixels);
        decisions.iter().flat_map(|decision| Self::q_values(&decision.heads)).collect()
    }

    fn gradients(
        &self,
        frames: &[usize],
        pixels: &[f32],
        gradient: &mut [f32],
        slopes: impl Fn(usize, &[f32], &mut [f32]) + Sync,
    ) -> Vec<f32> {
        let situations = self.situations_of(frames);
        let decisions = self.end_to_end.gradients(&situations, pixels, gradient, |row, decision, _, head_slopes| {
            let mut weights = vec![0.0; self.classes()];
            slopes(row, &Self::q_values(&decision.heads), &mut weights);
            let mut one = [0.0; HEADS];
            for (class, weight) in weights.into_iter().enumerate().filter(|(_, weight)| *weight != 0.0) {
                q_gradient(Self::action(class), weight, &mut one);
                head_slopes.iter_mut().zip(one).for_each(|(slope, own)| *slope += own);
            }
        });
        decisions.iter().flat_map(|decision| Self::q_values(&decision.heads)).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::driver::Drives;
    use crate::memory::{Feature, Memory, MemorySettings};
    use roadproof_perception::attack::to_numbers;
    use roadproof_sim::Seed;

    /// Frames and situations of one road with a car ahead, from a few offsets.
    pub(crate) fn frames(count: usize) -> (Vec<Situation>, Vec<f32>) {
        let one = |index: usize| {
            let offset_m = 0.2 * index as f32 - 0.4;
            let text = format!(
                "Scenario(format: 1, title: \"t\", duration_s: 9.0, road: Straight(length_m: 300.0), \
                 ego: (speed_mps: 9.0, offset_m: {offset_m:?}), \
                 actors: [(name: \"lead\", start: (lane: 0, s_m: {:?}, speed_mps: 7.0))])",
                30.0 + 4.0 * index as f32
            );
            let episode = roadproof_sim::Episode::new(roadproof_sim::parse(&text, "t.ron".as_ref()).unwrap()).unwrap();
            (Situation::new(&Memory::default(), episode.seen(), 0), to_numbers(episode.rgb()))
        };
        let (situations, frames): (Vec<_>, Vec<_>) = (0..count).map(one).unzip();
        (situations, frames.concat())
    }

    /// What the hardened driver has before it after some seconds on a straight road, with a car ahead or without one.
    pub(crate) fn driven(with_lead: bool) -> (Situation, Vec<f32>) {
        let actors = "actors: [(name: \"lead\", start: (lane: 0, s_m: 32.0, speed_mps: 8.0))]";
        let text = format!(
            "Scenario(format: 1, title: \"t\", duration_s: 9.0, road: Straight(length_m: 300.0), \
             ego: (speed_mps: 9.0, offset_m: 0.3), {})",
            if with_lead { actors } else { "" }
        );
        let mut episode = roadproof_sim::Episode::new(roadproof_sim::parse(&text, "t.ron".as_ref()).unwrap()).unwrap();
        let mut driver = LearnedDriver::hardened().unwrap();
        assert_eq!(driver.spec().memory, MemorySettings::STEADY);
        driver.start(&[Seed(1)]);
        for _ in 0..30 {
            let controls = driver.act(episode.seen())[0];
            episode.step(controls);
        }
        (Situation::new(driver.memory(0), episode.seen(), 0), to_numbers(episode.rgb()))
    }

    fn place(name: &str) -> usize {
        Feature::<f32>::TABLE.iter().position(|feature| feature.name == name).unwrap()
    }

    /// Each feature's slopes over each output, against changes of a fifth of the size.
    #[test]
    fn slopes_through_the_filters_are_those_of_small_changes() {
        let end_to_end = EndToEnd::new(&LearnedDriver::hardened().unwrap());
        for (with_lead, ahead) in [(false, 0), (true, 0), (true, 4)] {
            let (situation, frame) = driven(with_lead);
            let mut outputs = end_to_end.outputs(&frame);
            // A frame that says what the filter expects anyway says the same with any weight.
            outputs[Output::LaneOffset.index()] += 0.12;
            let end_to_end = EndToEnd::new(&LearnedDriver::hardened().unwrap()).looking_ahead(ahead);
            let features = |outputs: &[f32]| situation.features_after(&percept(outputs), 1 + ahead);
            assert_eq!(features(&outputs)[place("lead")], f32::from(u8::from(with_lead)));
            let slopes: Vec<[f32; OUTPUTS]> = (0..FEATURES)
                .map(|feature| {
                    let (mut only, mut slopes) = ([0.0; FEATURES], [0.0; OUTPUTS]);
                    only[feature] = 1.0;
                    end_to_end.add_output_slopes(&situation, &outputs, &only, &mut slopes);
                    slopes
                })
                .collect();
            for output in Output::ALL {
                let moved = |by: f32| {
                    let mut outputs = outputs.clone();
                    outputs[output.index()] += by;
                    features(&outputs)
                };
                let (up, down) = (moved(2e-3), moved(-2e-3));
                for (feature, slopes) in slopes.iter().enumerate() {
                    let (measured, written) = ((up[feature] - down[feature]) / 4e-3, slopes[output.index()]);
                    let close = (measured - written).abs() < 0.02 * written.abs() + 2e-3;
                    let name = Feature::<f32>::TABLE[feature].name;
                    assert!(close, "{name} over {output:?}, lead {with_lead}: {measured}, {written}");
                }
            }
            let slope = |feature: &str, output: Output| slopes[place(feature)][output.index()];
            assert!(slope("lane_offset", Output::LaneOffset) > 0.05 && slope("lane_offset", Output::Heading) != 0.0);
            assert!(slope("lane_offset", Output::LaneOffsetScale).abs() > 1e-4, "a filter weighs by expected errors");
            assert_eq!(slope("gap", Output::Gap) > 0.01, with_lead);
            assert!((0..FEATURES).all(|feature| slopes[feature][Output::Lead.index()] == 0.0), "a threshold");
        }
    }

    /// A car ahead is a threshold: nothing of it is in the slopes of one frame, but it is in those of who looks ahead.
    #[test]
    fn who_looks_ahead_finds_the_slope_over_the_lead() {
        let driver = LearnedDriver::hardened().unwrap();
        let (lead, brakes) = (Output::Lead.index(), crate::policy::ACCELERATION_HEADS.start);
        for with_lead in [false, true] {
            let (situation, frame) = driven(with_lead);
            let lead_after = |end_to_end: &EndToEnd, logit: f32| {
                let mut outputs = end_to_end.outputs(&frame);
                outputs[lead] = logit;
                end_to_end.features_of(&[&situation], &outputs)[0][place("lead")]
            };
            let ahead = EndToEnd::new(&driver).looking_ahead(4);
            assert_eq!([-LEAD_LOGIT, LEAD_LOGIT].map(|logit| lead_after(&ahead, logit)), [0.0, 1.0]);
            let (mut heads, mut slopes) = ([0.0; HEADS], [0.0; OUTPUTS]);
            heads[brakes] = 1.0;
            ahead.add_lead_slopes(&[&situation], &ahead.outputs(&frame), &heads, &mut slopes);
            assert!(slopes[lead] > 0.0, "a car shown ahead speaks for the brake: {slopes:?}");
            assert!(slopes.iter().enumerate().all(|(index, slope)| index == lead || *slope == 0.0));
        }
    }

    #[test]
    fn classes_are_pairs_of_choices_and_the_best_is_the_best_action() {
        let end_to_end = EndToEnd::new(&LearnedDriver::shipped().unwrap());
        let (situations, clean) = frames(3);
        let situations: Vec<&Situation> = situations.iter().collect();
        let classifier = DecisionClassifier { end_to_end: &end_to_end, situations: &situations };
        let logits = classifier.logits(&[0, 1, 2], &clean);
        for (logits, decision) in logits.chunks_exact(classifier.classes()).zip(end_to_end.decide(&situations, &clean))
        {
            let best = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap();
            assert_eq!(DecisionClassifier::action(best), decision.best());
            assert_eq!(DecisionClassifier::class(decision.best()), best);
        }
    }

    #[test]
    fn a_frame_has_the_same_bits_in_any_batch() {
        let end_to_end = EndToEnd::new(&LearnedDriver::shipped().unwrap());
        let (situations, clean) = frames(6);
        let situations: Vec<&Situation> = situations.iter().collect();
        let length = clean.len() / 6;
        let slopes = |_: usize, _: &Decision, _: &mut [f32], heads: &mut [f32]| heads[3] = 1.0;
        let mut all = vec![0.0; clean.len()];
        let decisions = end_to_end.gradients(&situations, &clean, &mut all, slopes);
        let mut one = vec![0.0; length];
        let part = 5 * length..6 * length;
        let alone = end_to_end.gradients(&situations[5..], &clean[part.clone()], &mut one, slopes);
        assert_eq!((&alone[0], &one[..]), (&decisions[5], &all[part.clone()]));
        let decided =
            (&end_to_end.decide(&situations[5..], &clean[part])[0], &end_to_end.decide(&situations, &clean)[5]);
        assert_eq!(decided.0, decided.1);
    }
}
