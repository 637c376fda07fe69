//! The attacks on frames by name: which there are, what each can and cannot do, and how each is run.
//!
//! Two kinds stand apart, because they ask for different things. A [`LossMethod`] raises any [`Objective`]; a [`ClassMethod`] attacks
//! the choice among classes and asks for a [`Classifier`].

use roadproof_perception::attack::{
    AutoAttackSettings, Batch, Budget, ClassScore, Classifier, Nearest, Norm, Objective, PgdSettings, apgd, apgd_class,
    apgd_targeted, auto_attack, carlini_wagner, fab_targeted, fgsm, pgd, random_noise, square,
};

/// How the strongest frame is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// By raising the loss of a goal.
    Loss(LossMethod),
    /// By attacking the choice among all classes: wants another one, whatever the goal.
    Class(ClassMethod),
}

/// Methods that raise a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossMethod {
    /// Random noise: what any attack must beat.
    Noise,
    /// Random squares, without gradients.
    Square,
    /// One step as long as the budget.
    Fgsm,
    /// Projected gradient ascent.
    Pgd,
    /// Auto-PGD, which finds its own step length.
    Apgd,
}

/// Methods that attack the choice among classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassMethod {
    /// Auto-PGD on the cross-entropy.
    ApgdCe,
    /// The same on the DLR loss.
    ApgdDlr,
    /// The same, aimed at each of nine other classes.
    ApgdT,
    /// `AutoAttack`: the first, the third, the nearest frame and squares, each where the ones before failed.
    Auto,
    /// The nearest frame of another class, used if it is within the budget.
    Fab,
    /// Carlini and Wagner's attack, the same in L2.
    Cw,
}

/// The frames that are attacked together.
#[derive(Clone, Copy, Debug)]
pub struct Frames<'a> {
    /// As they are, `frames × height × width × 3`, 0 to 1.
    pub clean: &'a [f32],
    /// Width and height of each.
    pub size: (usize, usize),
    /// Seed of the random numbers of each.
    pub seeds: &'a [u64],
}

/// What a method may spend.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// How far a frame may be changed.
    pub budget: Budget,
    /// Steps along gradients, or tries without them. `AutoAttack` gives Square fifty times as many.
    pub steps: usize,
}

/// Way of a PGD walk in budgets: its steps are this over their number, an eighth of the budget for the usual twenty.
///
/// # Source
/// Carlini et al. 2019, arXiv:1902.06705: a walk must be able to cross its budget, however few steps it has; Madry et al. 2018,
/// arXiv:1706.06083, take 2.5 budgets.
const PGD_WAY: f32 = 2.5;

impl Method {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Loss(LossMethod::Noise),
        Self::Loss(LossMethod::Square),
        Self::Loss(LossMethod::Fgsm),
        Self::Loss(LossMethod::Pgd),
        Self::Loss(LossMethod::Apgd),
        Self::Class(ClassMethod::ApgdCe),
        Self::Class(ClassMethod::ApgdDlr),
        Self::Class(ClassMethod::ApgdT),
        Self::Class(ClassMethod::Auto),
        Self::Class(ClassMethod::Fab),
        Self::Class(ClassMethod::Cw),
    ];

    /// The strongest frames it finds: of the objective, or against the classifier's own choice.
    #[must_use]
    pub fn run(
        self,
        objective: &impl Objective,
        classifier: &impl Classifier,
        frames: &Frames<'_>,
        effort: &Effort,
    ) -> Vec<f32> {
        match self {
            Self::Loss(method) => method.run(objective, frames, effort),
            Self::Class(method) => method.run(classifier, frames, effort),
        }
    }

    /// Its name, on the command line and in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Loss(method) => method.name(),
            Self::Class(method) => method.name(),
        }
    }

    /// Whether it attacks the choice among all actions, and so wants another one whatever the goal.
    #[must_use]
    pub fn is_untargeted(self) -> bool {
        matches!(self, Self::Class(_))
    }

    /// Whether the number of its steps can be chosen.
    #[must_use]
    pub fn takes_steps(self) -> bool {
        self != Self::Loss(LossMethod::Fgsm)
    }

    /// Whether it draws random numbers.
    #[must_use]
    pub fn draws(self) -> bool {
        match self {
            Self::Loss(method) => match method {
                LossMethod::Fgsm => false,
                LossMethod::Noise | LossMethod::Square | LossMethod::Pgd | LossMethod::Apgd => true,
            },
            Self::Class(method) => match method {
                ClassMethod::Fab | ClassMethod::Cw => false,
                ClassMethod::ApgdCe | ClassMethod::ApgdDlr | ClassMethod::ApgdT | ClassMethod::Auto => true,
            },
        }
    }

    /// Whether it works in a norm.
    #[must_use]
    pub fn takes(self, norm: Norm) -> bool {
        match norm {
            Norm::Linf => self != Self::Class(ClassMethod::Cw),
            Norm::L2 => self != Self::Loss(LossMethod::Square),
        }
    }
}

impl LossMethod {
    /// All of them, the weakest first.
    pub const ALL: [Self; 5] = [Self::Noise, Self::Square, Self::Fgsm, Self::Pgd, Self::Apgd];

    /// The strongest frames it finds of an objective.
    #[must_use]
    pub fn run(self, objective: &impl Objective, frames: &Frames<'_>, effort: &Effort) -> Vec<f32> {
        let Frames { clean, size, seeds } = *frames;
        let Effort { budget, steps } = *effort;
        let attacked = match self {
            Self::Noise => random_noise(objective, clean, &budget, steps, seeds),
            Self::Square => square(objective, clean, size, &budget, steps, seeds),
            Self::Fgsm => fgsm(objective, clean, seeds.len(), &budget),
            Self::Pgd => {
                let step_share = (PGD_WAY / steps as f32).min(1.0);
                let settings = PgdSettings { steps, step_share, ..PgdSettings::default() };
                pgd(objective, clean, &budget, &settings, seeds)
            }
            Self::Apgd => apgd(objective, clean, &budget, steps, seeds),
        };
        attacked.pixels
    }

    /// Its name, on the command line and in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Noise => "noise",
            Self::Square => "square",
            Self::Fgsm => "fgsm",
            Self::Pgd => "pgd",
            Self::Apgd => "apgd",
        }
    }

    /// Whether it follows gradients.
    #[must_use]
    pub fn uses_gradients(self) -> bool {
        match self {
            Self::Noise | Self::Square => false,
            Self::Fgsm | Self::Pgd | Self::Apgd => true,
        }
    }

    /// Whether it takes many steps along gradients.
    #[must_use]
    pub fn is_iterative(self) -> bool {
        self.uses_gradients() && self != Self::Fgsm
    }
}

impl ClassMethod {
    /// The strongest frames it finds against the classifier's own choice.
    #[must_use]
    pub fn run(self, classifier: &impl Classifier, frames: &Frames<'_>, effort: &Effort) -> Vec<f32> {
        let Frames { clean, size, seeds } = *frames;
        let Effort { budget, steps } = *effort;
        let batch = Batch::new(classifier, clean, seeds);
        let within =
            |found: Nearest| stretch(&found.within(classifier, &batch, &budget).pixels, clean, seeds.len(), &budget);
        match self {
            Self::ApgdCe => apgd_class(classifier, &batch, ClassScore::CrossEntropy, &budget, steps, 1).pixels,
            Self::ApgdDlr => apgd_class(classifier, &batch, ClassScore::Dlr, &budget, steps, 1).pixels,
            Self::ApgdT => apgd_targeted(classifier, &batch, &budget, steps, 1).pixels,
            Self::Auto => {
                let settings = AutoAttackSettings { iterations: steps, queries: 50 * steps };
                auto_attack(classifier, &batch, size, &budget, &settings).attacked.pixels
            }
            Self::Fab => within(fab_targeted(classifier, &batch, budget.norm, steps)),
            Self::Cw => within(carlini_wagner(classifier, &batch, steps)),
        }
    }

    /// Its name, on the command line and in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ApgdCe => "apgd-ce",
            Self::ApgdDlr => "apgd-dlr",
            Self::ApgdT => "apgd-t",
            Self::Auto => "auto",
            Self::Fab => "fab",
            Self::Cw => "cw",
        }
    }
}

/// Frames further along the way they were changed, to the end of the budget: the nearest frame with another action is often less
/// than a grey level away, and a camera that delivers bytes would round it back.
fn stretch(pixels: &[f32], clean: &[f32], frames: usize, budget: &Budget) -> Vec<f32> {
    let length = clean.len() / frames.max(1);
    let stretched = |(frame, clean): (&[f32], &[f32])| {
        let distance = budget.distance(frame, clean);
        let factor = if distance > 0.0 { budget.eps / distance } else { 1.0 };
        let mut frame: Vec<f32> = frame.iter().zip(clean).map(|(new, old)| old + factor * (new - old)).collect();
        budget.project(clean, &mut frame);
        frame
    };
    pixels.chunks_exact(length).zip(clean.chunks_exact(length)).flat_map(stretched).collect()
}
