//! What the command line lets one choose from, spelt as it is typed, and the parsers of what is more than a name. The library has
//! types of its own for the same choices and knows no command line.

use crate::attack::goal::Goal;
use crate::attack::method::{ClassMethod, LossMethod, Method};
use crate::learn::Algorithm;
use crate::robustness::Part;
use clap::ValueEnum;
use clap::builder::{StringValueParser, TypedValueParser};
use roadproof_perception::attack::Norm;
use roadproof_perception::device::ComputeBackend;
use roadproof_sim::Split;
use roadproof_sim::fault::{FaultKind, Severity};
use std::ops::RangeInclusive;

/// A choice as the command line spells it.
pub(super) fn named(choice: impl ValueEnum) -> String {
    choice.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

/// How a policy is learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum AlgorithmName {
    /// Q-learning on fresh decisions of many worlds, without replay or target network.
    Pqn,
    /// Proximal policy optimisation.
    Ppo,
    /// Q-learning from a prioritised replay buffer, with a target network.
    Dqn,
    /// Imitation of the scripted driver, which knows the truth.
    Dagger,
}

impl From<AlgorithmName> for Algorithm {
    fn from(name: AlgorithmName) -> Self {
        match name {
            AlgorithmName::Pqn => Self::Pqn,
            AlgorithmName::Ppo => Self::Ppo,
            AlgorithmName::Dqn => Self::Dqn,
            AlgorithmName::Dagger => Self::Dagger,
        }
    }
}

/// How the strongest frame is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum MethodName {
    /// One step as long as the budget.
    Fgsm,
    /// Projected gradient ascent.
    Pgd,
    /// Auto-PGD, which finds its own step length.
    Apgd,
    /// Auto-PGD on the cross-entropy of the pair of choices; wants another action, whatever the goal.
    ApgdCe,
    /// The same on the DLR loss.
    ApgdDlr,
    /// The same, aimed at each of nine other pairs.
    ApgdT,
    /// `AutoAttack`: apgd-ce, apgd-t, fab and square, each where the ones before failed; wants another action, whatever the goal.
    Auto,
    /// The nearest frame with another action, used if it is within the budget.
    Fab,
    /// Carlini and Wagner's attack, the same in L2.
    Cw,
    /// Random squares, without gradients.
    Square,
    /// Random noise: what any attack must beat.
    Noise,
}

impl From<MethodName> for Method {
    fn from(name: MethodName) -> Self {
        match name {
            MethodName::Fgsm => Self::Loss(LossMethod::Fgsm),
            MethodName::Pgd => Self::Loss(LossMethod::Pgd),
            MethodName::Apgd => Self::Loss(LossMethod::Apgd),
            MethodName::ApgdCe => Self::Class(ClassMethod::ApgdCe),
            MethodName::ApgdDlr => Self::Class(ClassMethod::ApgdDlr),
            MethodName::ApgdT => Self::Class(ClassMethod::ApgdT),
            MethodName::Auto => Self::Class(ClassMethod::Auto),
            MethodName::Fab => Self::Class(ClassMethod::Fab),
            MethodName::Cw => Self::Class(ClassMethod::Cw),
            MethodName::Square => Self::Loss(LossMethod::Square),
            MethodName::Noise => Self::Loss(LossMethod::Noise),
        }
    }
}

/// What an attack wants of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum GoalName {
    /// Another action than the one chosen on the clean frame: the margin of that one is taken away.
    Other,
    /// The action that the clean frame's Q-values rate lowest.
    Worst,
    /// A policy as different as can be.
    Mad,
    /// An action that the clean frame's Q-values rate low, through the softmax of the heads.
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
    /// before a bend to the left, with certainty.
    DriftLeft,
    /// The same to the right.
    DriftRight,
    /// The car leaves its lane to the left, by the offset alone.
    OffsetLeft,
    /// The same to the right.
    OffsetRight,
    /// The car ahead is not seen, or seen far away.
    Hide,
    /// A car is seen that is not there, and right ahead.
    Ghost,
    /// The car leaves its lane to the left, by offset and heading, and the car ahead is not seen.
    DriftLeftHide,
    /// The same to the right.
    DriftRightHide,
    /// The car leaves its lane to the left, by offset and heading, and a car is seen right ahead.
    DriftLeftGhost,
    /// The same to the right.
    DriftRightGhost,
}

impl From<GoalName> for Goal {
    fn from(name: GoalName) -> Self {
        match name {
            GoalName::Other => Self::Other,
            GoalName::Worst => Self::Worst,
            GoalName::Mad => Self::Mad,
            GoalName::Critic => Self::Critic,
            GoalName::EmergencyBrake => Self::EmergencyBrake,
            GoalName::FullThrottle => Self::FullThrottle,
            GoalName::SteerLeft => Self::SteerLeft,
            GoalName::SteerRight => Self::SteerRight,
            GoalName::DriftLeft => Self::DriftLeft,
            GoalName::DriftRight => Self::DriftRight,
            GoalName::OffsetLeft => Self::OffsetLeft,
            GoalName::OffsetRight => Self::OffsetRight,
            GoalName::Hide => Self::Hide,
            GoalName::Ghost => Self::Ghost,
            GoalName::DriftLeftHide => Self::DriftLeftHide,
            GoalName::DriftRightHide => Self::DriftRightHide,
            GoalName::DriftLeftGhost => Self::DriftLeftGhost,
            GoalName::DriftRightGhost => Self::DriftRightGhost,
        }
    }
}

/// Where networks are to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum DeviceName {
    /// The fastest that was built in and works here: cuda, a graphics card by wgpu, or flex.
    Auto,
    /// The processor by burn's own, which is always there: the same bits on every machine.
    Flex,
    /// An NVIDIA graphics card; needs a program built with it.
    Cuda,
    /// A graphics card through Vulkan, Metal or DirectX; needs a program built with it.
    Wgpu,
    /// The processor by libtorch; needs a program built with it.
    Tch,
}

impl DeviceName {
    /// The backend of this name, if it is one.
    pub fn backend(self) -> Option<ComputeBackend> {
        match self {
            Self::Auto => None,
            Self::Flex => Some(ComputeBackend::Flex),
            Self::Cuda => Some(ComputeBackend::Cuda),
            Self::Wgpu => Some(ComputeBackend::Wgpu),
            Self::Tch => Some(ComputeBackend::Tch),
        }
    }
}

/// A part of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum PartName {
    /// Sensor faults.
    Faults,
    /// Attacks on whole drives.
    Attacks,
    /// Attacks on single decisions, with most of the check-list.
    Decisions,
}

impl From<PartName> for Part {
    fn from(name: PartName) -> Self {
        match name {
            PartName::Faults => Self::Faults,
            PartName::Attacks => Self::Attacks,
            PartName::Decisions => Self::Decisions,
        }
    }
}

/// How a budget is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum NormName {
    /// The greatest change of any value.
    Linf,
    /// The square root of the sum of all changes squared.
    L2,
}

impl From<NormName> for Norm {
    fn from(name: NormName) -> Self {
        match name {
            NormName::Linf => Self::Linf,
            NormName::L2 => Self::L2,
        }
    }
}

/// Which roads to drive.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum SplitName {
    /// Roads that nothing else drives.
    HeldOut,
    /// Roads of the family that perception is checked on.
    Validation,
}

impl From<SplitName> for Split {
    fn from(roads: SplitName) -> Self {
        match roads {
            SplitName::HeldOut => Self::HeldOut,
            SplitName::Validation => Self::Validation,
        }
    }
}

/// Whose frames the driver gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Camera {
    /// The simulator's own.
    Raster,
    /// Both, one after the other: needs a program built with its window.
    Bevy,
}

/// How much is spent on a pixel of a window or film.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum QualityName {
    /// What suits the renderer.
    Auto,
    /// bevy's own light.
    Full,
    /// A simpler light, for renderers that run on the processor.
    Simple,
}

/// Where a window or film looks from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ViewName {
    /// Behind the car, following smoothly.
    Chase,
    /// From the driver's seat.
    Seat,
    /// Wherever the keys and the mouse take it.
    Free,
    /// From above.
    Top,
    /// Where the car's own camera is, with its angle of view.
    Sensor,
}

/// A number, and how it was typed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fraction {
    pub text: String,
    pub value: f32,
}

/// Parses a whole number within bounds.
pub(super) fn whole(bounds: RangeInclusive<usize>) -> impl TypedValueParser<Value = usize> {
    StringValueParser::new().try_map(move |text| {
        let number = text.parse().ok().filter(|number| bounds.contains(number));
        number.ok_or_else(|| format!("a whole number of {} to {} is wanted", bounds.start(), bounds.end()))
    })
}

/// A number that is not below nought, or two with a stroke between them.
pub(super) fn fraction(text: &str) -> Result<Fraction, String> {
    let number = |text: &str| {
        let number = text.trim().parse::<f32>().ok().filter(|number| number.is_finite());
        number.ok_or_else(|| format!("{text:?} is no number"))
    };
    let value = match text.split_once('/').map(|(over, under)| (number(over), number(under))) {
        None => number(text)?,
        Some((_, Ok(0.0))) => return Err("nothing can be divided by 0; two grey levels are 2/255".to_owned()),
        Some((over, under)) => over? / under?,
    };
    if value < 0.0 {
        return Err("a budget is no less than 0".to_owned());
    }
    Ok(Fraction { text: text.to_owned(), value })
}

/// A fault by its name.
pub(super) fn fault_kind(text: &str) -> Result<FaultKind, String> {
    match text.trim() {
        "" => Err("the name of a fault is missing before or behind a comma".to_owned()),
        name => FaultKind::named(name),
    }
}

/// A severity, 1 to 5.
pub(super) fn severity(text: &str) -> Result<Severity, String> {
    text.parse().ok().and_then(Severity::new).ok_or_else(|| "allowed severities are 1 to 5".to_owned())
}

/// A fault and its severity; 3 where only the fault is named.
pub(super) fn live_fault(text: &str) -> Result<(FaultKind, Severity), String> {
    let (kind, level) = text.split_once(':').unwrap_or((text, "3"));
    Ok((fault_kind(kind)?, severity(level)?))
}

/// Sides of windows and films.
const SIDES: std::ops::RangeInclusive<u32> = 64..=3840;

/// Width and height of a window or film in pixels.
pub(super) fn size(text: &str) -> Result<(u32, u32), String> {
    let sides = text.split_once('x').and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    let size: (u32, u32) = sides.ok_or("wanted is WIDTHxHEIGHT such as 640x360")?;
    let fits = |side: u32| SIDES.contains(&side) && side.is_multiple_of(2);
    if fits(size.0) && fits(size.1) {
        return Ok(size);
    }
    Err(format!("allowed are even sides of {} to {}", SIDES.start(), SIDES.end()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use roadproof_perception::attack::Budget;

    #[test]
    fn budgets_are_numbers_or_fractions() {
        let value = |text| fraction(text).map(|fraction| fraction.value);
        assert_eq!(value("0.5"), Ok(0.5));
        assert_eq!(value("2/255"), Ok(2.0 / 255.0));
        assert!(value("two").is_err() && value("2/").is_err());
        assert!(value("1/0").is_err() && value("inf").is_err() && value("NaN/2").is_err());
        assert!(Budget::new(Norm::Linf, value("2").expect("a number")).expect_err("too much").contains("N/255"));
    }

    #[test]
    fn every_method_can_be_typed_by_the_name_that_reports_give_it() {
        let typed: Vec<Method> = MethodName::value_variants().iter().map(|name| Method::from(*name)).collect();
        for method in Method::ALL {
            assert_eq!(typed.iter().filter(|typed| **typed == method).count(), 1, "{method:?}");
        }
        for name in MethodName::value_variants() {
            assert_eq!(named(*name), Method::from(*name).name());
        }
    }

    #[test]
    fn every_goal_with_a_name_can_be_typed() {
        let typed: Vec<Goal> = GoalName::value_variants().iter().map(|name| Goal::from(*name)).collect();
        assert_eq!(typed, Goal::NAMED);
    }

    #[test]
    fn faults_and_sizes_are_read_as_they_are_typed() {
        assert_eq!(live_fault("Fog").map(|(kind, severity)| (kind, severity.get())), Ok((FaultKind::Fog, 3)));
        assert_eq!(live_fault("Rain:5").map(|(kind, severity)| (kind, severity.get())), Ok((FaultKind::Rain, 5)));
        assert!(live_fault("Fog:6").is_err() && live_fault("Fogg:1").is_err());
        assert_eq!(size("640x360"), Ok((640, 360)));
        assert!(["640", "641x360", "62x64", "640x4000", "x"].iter().all(|text| size(text).is_err()));
    }
}
