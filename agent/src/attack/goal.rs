//! What attacks want of decisions, as losses over the pixels the decisions were made from.

use crate::attack::end_to_end::{Decision, EndToEnd};
use crate::memory::situation::Situation;
use crate::policy::{ACCELERATION_HEADS, OUTPUTS as HEADS, QValues, STEER_HEADS};
use roadproof_env::action::{ACCELERATION_MPS2, Action, STEER_RAD};
use roadproof_perception::attack::{Direction, Effect, Objective, Show, Side};
use roadproof_perception::{OUTPUTS, Output, percept};
use std::ops::Range;

/// What certainty counts beside what is shown: enough to be believed, without being bought by metres. A convention of ours.
const CERTAINTY_WEIGHT: f32 = 0.3;
/// A perceived offset in the lane that is off by this much counts as pushed away.
const PUSHED_M: f32 = 0.3;

/// What an attack wants of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Another action than the one chosen on the clean frame: the margin of that one is taken away.
    Other,
    /// The action that the clean frame's Q-values rate lowest: Huang et al. 2017, arXiv:1702.02284, aimed as the critic attack
    /// of Zhang et al. 2020, arXiv:2003.08938.
    Worst,
    /// A policy as different as can be: the maximal action difference of Zhang et al. 2020, arXiv:2003.08938, on the softmax of
    /// each head. Its slope is nought on the clean frame, so that it needs a random start.
    Mad,
    /// An action that the clean frame's Q-values rate low: the critic attack of the same authors, with the gradient taken at the
    /// true state, through the softmax of the heads.
    Critic,
    /// The hardest braking there is.
    EmergencyBrake,
    /// The greatest acceleration there is.
    FullThrottle,
    /// The sharpest turn to the left.
    SteerLeft,
    /// The sharpest turn to the right.
    SteerRight,
    /// The car leaves its lane to the left: in each decision it is shown further to the right than it is, turned to the right and
    /// before a bend to the left, and all that with certainty. A driver that filters what it sees over time cannot average away what
    /// always pushes one way, and a filter that weighs each frame by its expected error believes what is certain.
    DriftLeft,
    /// The same to the right.
    DriftRight,
    /// The car leaves its lane to the left, by the offset alone.
    OffsetLeft,
    /// The same to the right.
    OffsetRight,
    /// The car ahead is not seen, or seen far away.
    Hide,
    /// A car is seen that is not there, and right ahead: who believes in it brakes, and stands for as long as it is shown.
    Ghost,
    /// The car leaves its lane to the left, by offset and heading, and the car ahead is not seen.
    DriftLeftHide,
    /// The same to the right.
    DriftRightHide,
    /// The car leaves its lane to the left, by offset and heading, and a car is seen right ahead.
    DriftLeftGhost,
    /// The same to the right.
    DriftRightGhost,
    /// One action.
    Action(Action),
}

impl Goal {
    /// All that have a name of their own, so all but single actions.
    pub const NAMED: [Self; 18] = [
        Self::Other,
        Self::Worst,
        Self::Mad,
        Self::Critic,
        Self::EmergencyBrake,
        Self::FullThrottle,
        Self::SteerLeft,
        Self::SteerRight,
        Self::DriftLeft,
        Self::DriftRight,
        Self::OffsetLeft,
        Self::OffsetRight,
        Self::Hide,
        Self::Ghost,
        Self::DriftLeftHide,
        Self::DriftRightHide,
        Self::DriftLeftGhost,
        Self::DriftRightGhost,
    ];

    /// What it shows the driver in every decision, if that is what it wants: a car that is to leave its lane on the left is shown on
    /// the right.
    #[must_use]
    pub fn direction(self) -> Option<Direction> {
        match self {
            Self::DriftLeft => Some(Direction::Lane(Side::Right)),
            Self::DriftRight => Some(Direction::Lane(Side::Left)),
            Self::OffsetLeft => Some(Direction::Offset(Side::Right)),
            Self::OffsetRight => Some(Direction::Offset(Side::Left)),
            Self::Hide => Some(Direction::Lead(Show::NoLead)),
            Self::Ghost => Some(Direction::Lead(Show::Lead)),
            Self::DriftLeftHide => Some(Direction::LaneAndLead(Side::Right, Show::NoLead)),
            Self::DriftRightHide => Some(Direction::LaneAndLead(Side::Left, Show::NoLead)),
            Self::DriftLeftGhost => Some(Direction::LaneAndLead(Side::Right, Show::Lead)),
            Self::DriftRightGhost => Some(Direction::LaneAndLead(Side::Left, Show::Lead)),
            Self::Other
            | Self::Worst
            | Self::Mad
            | Self::Critic
            | Self::EmergencyBrake
            | Self::FullThrottle
            | Self::SteerLeft
            | Self::SteerRight
            | Self::Action(_) => None,
        }
    }

    /// How it pushes each output of the network, whatever the frame, if it shows something.
    #[must_use]
    pub fn pushes(self) -> Option<[f32; OUTPUTS]> {
        self.direction().map(with_certainty)
    }

    /// The steering angle and the acceleration that are wanted whatever the frame.
    fn wanted(self) -> Option<[Option<usize>; 2]> {
        match self {
            Self::EmergencyBrake => Some([None, Some(0)]),
            Self::FullThrottle => Some([None, Some(ACCELERATION_MPS2.len() - 1)]),
            Self::SteerLeft => Some([Some(STEER_RAD.len() - 1), None]),
            Self::SteerRight => Some([Some(0), None]),
            Self::Action(action) => Some([Some(action.steer), Some(action.acceleration)]),
            _ => None,
        }
    }
}

/// The loss of the decisions of many worlds, each with the situation its driver is in.
pub struct DecisionLoss<'a> {
    /// The networks.
    pub end_to_end: &'a EndToEnd,
    /// Each world's situation.
    pub situations: &'a [&'a Situation],
    /// What each clean frame leads to.
    pub clean: &'a [&'a Decision],
    /// What the attack wants.
    pub goal: Goal,
}

impl DecisionLoss<'_> {
    /// The loss of what a frame leads to, and its slopes over outputs and heads.
    fn outcome(&self, row: usize, decision: &Decision, outputs: &mut [f32], heads: &mut [f32]) -> Effect {
        let clean = self.clean[row];
        if let Some(wanted) = self.goal.wanted() {
            return towards(&decision.heads, wanted, heads);
        }
        if let Some(pushes) = self.goal.pushes() {
            outputs.copy_from_slice(&pushes);
            return push(clean, decision, &pushes);
        }
        let temperature = self.end_to_end.heads_are().temperature();
        match self.goal {
            Goal::Worst => {
                let worst = clean.worst();
                towards(&decision.heads, [Some(worst.steer), Some(worst.acceleration)], heads)
            }
            Goal::Mad => {
                let loss = divergence(clean, decision, temperature, heads);
                Effect { loss, broken: decision.best() != clean.best() }
            }
            Goal::Critic => {
                let q = QValues(&clean.heads);
                let loss = critic(clean, decision, temperature, heads);
                Effect { loss, broken: q.of(decision.best()) < q.of(clean.best()) }
            }
            // The rest wants one action or shows something, and is done with above.
            _ => away(&decision.heads, clean.best(), heads),
        }
    }
}

impl Objective for DecisionLoss<'_> {
    fn evaluate(&self, pixels: &[f32]) -> Vec<Effect> {
        let decisions = self.end_to_end.decide(self.situations, pixels);
        self.outcomes(&decisions)
    }

    fn gradients(&self, pixels: &[f32], gradient: &mut [f32]) -> Vec<Effect> {
        let decisions =
            self.end_to_end.gradients(self.situations, pixels, gradient, |row, decision, outputs, heads| {
                self.outcome(row, decision, outputs, heads);
            });
        self.outcomes(&decisions)
    }
}

impl DecisionLoss<'_> {
    fn outcomes(&self, decisions: &[Decision]) -> Vec<Effect> {
        let outcome = |(row, decision)| self.outcome(row, decision, &mut [0.0; OUTPUTS], &mut [0.0; HEADS]);
        decisions.iter().enumerate().map(outcome).collect()
    }
}

/// The two heads: steering angles and accelerations.
const CHOICES: [Range<usize>; 2] = [STEER_HEADS, ACCELERATION_HEADS];

/// The best choice of a head but one.
fn rival(heads: &[f32], head: Range<usize>, own: usize) -> usize {
    let others = head.filter(|&index| index != own);
    others.max_by(|&a, &b| heads[a].total_cmp(&heads[b])).unwrap_or(own)
}

/// Away from an action, by the head that is nearest to another choice.
fn away(heads: &[f32], action: Action, slopes: &mut [f32]) -> Effect {
    let [steer, acceleration] = CHOICES;
    let [one, two] = [(steer, action.steer), (acceleration, action.acceleration)].map(|(head, own)| {
        let own = head.start + own;
        let other = rival(heads, head, own);
        (heads[other] - heads[own], own, other)
    });
    let (loss, own, other) = if one.0 >= two.0 { one } else { two };
    (slopes[own], slopes[other]) = (-1.0, 1.0);
    Effect { loss, broken: loss > 0.0 }
}

/// Towards the choices that are wanted. A head that already chooses what is wanted needs no more.
fn towards(heads: &[f32], wanted: [Option<usize>; 2], slopes: &mut [f32]) -> Effect {
    let mut outcome = Effect { loss: 0.0, broken: true };
    for (head, wanted) in CHOICES.into_iter().zip(wanted) {
        let Some(wanted) = wanted.map(|wanted| head.start + wanted) else { continue };
        let rival = rival(heads, head, wanted);
        let margin = heads[wanted] - heads[rival];
        if margin <= 0.0 {
            outcome = Effect { loss: outcome.loss + margin, broken: false };
            slopes[wanted] += 1.0;
            slopes[rival] -= 1.0;
        }
    }
    outcome
}

/// The softmax of a head.
fn policy(heads: &[f32], temperature: f32) -> Vec<f32> {
    let highest = heads.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f32> = heads.iter().map(|head| ((head - highest) / temperature).exp()).collect();
    let sum: f32 = weights.iter().sum();
    weights.iter().map(|weight| weight / sum).collect()
}

/// Divergence of Kullback and Leibler from the clean frame's policy to this one's. The heads choose independently, so theirs add
/// up.
fn divergence(clean: &Decision, decision: &Decision, temperature: f32, slopes: &mut [f32]) -> f32 {
    let mut loss = 0.0;
    for head in CHOICES {
        let policy = |decision: &Decision| policy(&decision.heads[head.clone()], temperature);
        let (wanted, found) = (policy(clean), policy(decision));
        for ((slope, wanted), found) in slopes[head].iter_mut().zip(wanted).zip(found) {
            loss += wanted * (wanted.max(f32::MIN_POSITIVE).ln() - found.max(f32::MIN_POSITIVE).ln());
            *slope = (found - wanted) / temperature;
        }
    }
    loss
}

/// How little the clean frame's Q-values think of this frame's policy.
fn critic(clean: &Decision, decision: &Decision, temperature: f32, slopes: &mut [f32]) -> f32 {
    let mut loss = 0.0;
    for head in CHOICES {
        let (values, found) = (&clean.heads[head.clone()], policy(&decision.heads[head.clone()], temperature));
        let mean: f32 = values.iter().zip(&found).map(|(value, found)| value * found).sum();
        loss -= mean;
        for ((slope, value), found) in slopes[head].iter_mut().zip(values).zip(found) {
            *slope = -found * (value - mean) / temperature;
        }
    }
    loss
}

/// Pushes what is perceived, by so much for each output.
fn push(clean: &Decision, decision: &Decision, slopes: &[f32; OUTPUTS]) -> Effect {
    let loss = slopes.iter().zip(&decision.outputs).map(|(slope, output)| slope * output).sum();
    let [lane, lead] = [Output::LaneOffset, Output::Lead].map(|output| slopes[output.index()]);
    let moved_m = percept(&decision.outputs).lane_offset_m - percept(&clean.outputs).lane_offset_m;
    let pushed = lane * moved_m > PUSHED_M;
    let [sees, saw] = [decision, clean].map(|seen| seen.outputs[Output::Lead.index()] >= 0.0);
    let shown = lead == 0.0 || sees == (lead > 0.0);
    // Where the lane is pushed as well, the car ahead may have been as it is wanted before.
    let broken = shown && if lane == 0.0 { sees != saw } else { pushed };
    Effect { loss, broken }
}

/// A direction, with all that it shows to be believed: the expected error goes down of every quantity it pushes.
///
/// Not so where the offset is pushed alone, which is what a driver without filters can be pushed by most; and not that of a gap that
/// nobody is to see.
fn with_certainty(direction: Direction) -> [f32; OUTPUTS] {
    let plain = direction.slopes();
    let mut slopes = plain;
    let alone = matches!(direction, Direction::Offset(_));
    let hides = plain[Output::Lead.index()] < 0.0;
    for quantity in Output::QUANTITIES {
        let believed = plain[quantity.index()] != 0.0 && !alone && !(quantity == Output::Gap && hides);
        if let Some(error) = quantity.expected_error().filter(|_| believed) {
            slopes[error.index()] = -CERTAINTY_WEIGHT;
        }
    }
    slopes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::end_to_end::tests::{driven, frames};
    use crate::driver::LearnedDriver;
    use roadproof_perception::attack::{Budget, Norm, apgd, random_noise};

    fn goals() -> Vec<Goal> {
        let action = Goal::Action(Action { steer: 9, acceleration: 3 });
        Goal::NAMED.into_iter().chain([action]).collect()
    }

    #[test]
    fn slopes_of_every_goal_are_those_of_small_changes() {
        let end_to_end = EndToEnd::new(&LearnedDriver::shipped().unwrap());
        let (situations, clean) = frames(5);
        let situations: Vec<&Situation> = situations.iter().collect();
        let decisions = end_to_end.decide(&situations, &clean);
        // Clean decisions of other frames: the slopes of some goals vanish where nothing has changed.
        let others: Vec<&Decision> = (0..5).map(|row| &decisions[(row + 2) % 5]).collect();
        for goal in goals() {
            let loss = DecisionLoss { end_to_end: &end_to_end, situations: &situations, clean: &others, goal };
            for (row, decision) in decisions.iter().enumerate() {
                let (mut outputs, mut heads) = (vec![0.0; OUTPUTS], vec![0.0; HEADS]);
                loss.outcome(row, decision, &mut outputs, &mut heads);
                let written: Vec<f32> = outputs.into_iter().chain(heads).collect();
                for (index, written) in written.iter().enumerate() {
                    let moved = |by: f32| {
                        let mut decision = decision.clone();
                        if index < OUTPUTS {
                            decision.outputs[index] += by;
                        } else {
                            decision.heads[index - OUTPUTS] += by;
                        }
                        loss.outcome(row, &decision, &mut [0.0; OUTPUTS], &mut [0.0; HEADS]).loss
                    };
                    // Where a maximum changes hands, any slope between those of the two sides is right.
                    let (up, down) = ((moved(1e-3) - moved(0.0)) / 1e-3, (moved(0.0) - moved(-1e-3)) / 1e-3);
                    let bound = 0.02 * written.abs() + 0.02;
                    let right = up.min(down) - bound..up.max(down) + bound;
                    assert!(right.contains(written), "{goal:?}, frame {row}, {index}: {up}, {down}, {written}");
                }
            }
        }
    }

    /// What an attack adds to a direction is certainty and nothing else, and never less of it.
    #[test]
    fn goals_that_show_something_push_along_their_directions() {
        for goal in goals() {
            let Some(plain) = goal.direction().map(Direction::slopes) else { continue };
            let pushed = goal.pushes().unwrap();
            for output in Output::ALL {
                let (pushed, plain) = (pushed[output.index()], plain[output.index()]);
                if Output::PERCEIVED.contains(&output) {
                    assert_eq!(pushed, plain, "{goal:?}, {output:?}");
                } else {
                    assert!(pushed == 0.0 || pushed == -CERTAINTY_WEIGHT, "{goal:?}, {output:?}: {pushed}");
                }
            }
        }
        let drift = with_certainty(Direction::Lane(Side::Right));
        let errors = [Output::LaneOffsetScale, Output::HeadingScale, Output::CurvatureScale];
        assert!(errors.iter().all(|error| drift[error.index()] < 0.0) && drift[Output::GapScale.index()] == 0.0);
    }

    /// Each is reached by what it is named for and by nothing less.
    #[test]
    fn what_is_shown_counts_once_all_of_it_is() {
        let seen = |offset: f32, lead: f32| {
            let mut outputs = vec![0.0; OUTPUTS];
            (outputs[Output::LaneOffset.index()], outputs[Output::Lead.index()]) = (offset, lead);
            Decision { outputs, heads: vec![0.0; HEADS] }
        };
        let reached =
            |goal: Goal, clean: &Decision, decision: &Decision| push(clean, decision, &goal.pushes().unwrap()).broken;
        let (empty, followed) = (seen(0.0, -2.0), seen(0.0, 2.0));
        // One is 0.6 m.
        let (right, right_and_led, right_and_free) = (seen(-0.6, -2.0), seen(-0.6, 2.0), seen(-0.6, -0.1));
        assert!(reached(Goal::DriftLeft, &empty, &right) && reached(Goal::OffsetLeft, &empty, &right));
        assert!(!reached(Goal::DriftRight, &empty, &right) && !reached(Goal::DriftLeft, &empty, &seen(-0.4, 0.0)));
        assert!(reached(Goal::Ghost, &empty, &seen(0.0, 0.1)) && !reached(Goal::Ghost, &followed, &followed));
        assert!(reached(Goal::Hide, &followed, &seen(0.0, -0.1)) && !reached(Goal::Hide, &empty, &empty));
        assert!(reached(Goal::DriftLeftGhost, &empty, &right_and_led));
        assert!(!reached(Goal::DriftLeftGhost, &empty, &right) && !reached(Goal::DriftLeftGhost, &empty, &followed));
        assert!(
            reached(Goal::DriftLeftHide, &followed, &right_and_free) && reached(Goal::DriftLeftHide, &empty, &right)
        );
        assert!(!reached(Goal::DriftLeftHide, &followed, &right_and_led));
    }

    /// Holds the gradient of a goal that is not reached on a clean frame against small changes along it.
    fn check_gradient(end_to_end: &EndToEnd, situation: &Situation, clean: &[f32], goal: Goal) {
        let decision = end_to_end.decide(&[situation], clean).remove(0);
        let (situations, clean_decisions) = ([situation], [&decision]);
        let loss = DecisionLoss { end_to_end, situations: &situations, clean: &clean_decisions, goal };
        let mut gradient = vec![0.0; clean.len()];
        let effect = loss.gradients(clean, &mut gradient)[0];
        assert!(!effect.broken, "{goal:?}");
        let norm = gradient.iter().map(|slope| slope * slope).sum::<f32>().sqrt();
        assert!(norm > 1e-4, "{goal:?}: {norm}");
        let moved = |by: f32| -> Vec<f32> { clean.iter().zip(&gradient).map(|(x, g)| x + by * g / norm).collect() };
        let value = |by: f32| loss.evaluate(&moved(by))[0].loss;
        // Far enough that the loss changes by more than rounding, whatever kernels the processor has.
        let by = (5e-6 / norm).clamp(1e-3, 1e-2);
        let measured = (value(by) - value(-by)) / (2.0 * by);
        assert!((measured - norm).abs() < 0.1 * norm, "{goal:?}: measured {measured}, gradient {norm}");
    }

    #[test]
    fn the_gradient_of_a_decision_is_that_of_small_changes() {
        let end_to_end = EndToEnd::new(&LearnedDriver::shipped().unwrap());
        let (situations, clean) = frames(1);
        let decision = end_to_end.decide(&[&situations[0]], &clean).remove(0);
        assert!(decision.importance() > 0.0);
        let steer = if decision.best().steer == 0 { Goal::SteerLeft } else { Goal::SteerRight };
        for goal in [Goal::Other, Goal::Worst, Goal::Critic, Goal::DriftLeft, steer] {
            check_gradient(&end_to_end, &situations[0], &clean, goal);
        }
    }

    /// The same through the filters of a driver who has been on the way for some seconds, where a gradient that is wrong or nought
    /// would look like a driver that holds.
    #[test]
    fn the_gradient_through_filters_is_that_of_small_changes() {
        let end_to_end = EndToEnd::new(&LearnedDriver::hardened().unwrap());
        for with_lead in [false, true] {
            let (situation, clean) = driven(with_lead);
            let seen = if with_lead { Goal::Hide } else { Goal::Ghost };
            let goals = [Goal::Other, Goal::Worst, Goal::SteerLeft, Goal::SteerRight, Goal::EmergencyBrake];
            for goal in goals.into_iter().chain([Goal::DriftLeft, Goal::OffsetRight, seen]) {
                check_gradient(&end_to_end, &situation, &clean, goal);
            }
        }
    }

    #[test]
    fn every_goal_is_brought_nearer_and_noise_brings_it_less() {
        let end_to_end = EndToEnd::new(&LearnedDriver::shipped().unwrap());
        let (situations, clean) = frames(4);
        let situations: Vec<&Situation> = situations.iter().collect();
        let decisions = end_to_end.decide(&situations, &clean);
        let decisions: Vec<&Decision> = decisions.iter().collect();
        let budget = Budget::new(Norm::Linf, 2.0 / 255.0).unwrap();
        // The driver accelerates here as it is.
        for goal in goals().into_iter().filter(|goal| *goal != Goal::FullThrottle) {
            let loss = DecisionLoss { end_to_end: &end_to_end, situations: &situations, clean: &decisions, goal };
            let sum = |outcomes: &[Effect]| outcomes.iter().map(|outcome| outcome.loss).sum::<f32>();
            let before = sum(&loss.evaluate(&clean));
            let moved = sum(&apgd(&loss, &clean, &budget, 15, &[1, 2, 3, 4]).outcomes);
            let noise = sum(&random_noise(&loss, &clean, &budget, 10, &[1, 2, 3, 4]).outcomes);
            assert!(moved > before && moved - before > 2.0 * (noise - before), "{goal:?}: {before}, {noise}, {moved}");
        }
    }
}
