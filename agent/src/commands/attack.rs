//! `roadproof attack`

use super::Ended;
use super::choices::{Fraction, GoalName, MethodName, NormName, fraction, named};
use super::devices::DeviceOption;
use super::drivers::{DriverOption, driver_name, note_unfinished};
use super::finds::{Subject, keep};
use crate::about::{About, is_result};
use crate::attack::black_box::{BlackBox, BlackBoxError, Patterns};
use crate::attack::drive::{Drive, DriveAttack, drive};
use crate::attack::found;
use crate::attack::goal::Goal;
use crate::attack::method::{LossMethod, Method};
use crate::drive::replay::closed_loop;
use crate::driver::program::PREFIX;
use crate::driver::{Driver, Drives, LearnedDriver};
use crate::host::console::{self, Console};
use crate::host::files::{check_result, write_atomically};
use crate::host::interrupt::{self, Interrupt};
use crate::host::program::quoted;
use crate::host::progress::LongWork;
use crate::host::threads::all_cores;
use anyhow::Context;
use clap::Args;
use roadproof_perception::attack::{Budget, Norm};
use roadproof_sim::fault::{Recorded, Recording};
use roadproof_sim::{CameraSettings, Outcome, Scenario, Score};
use serde::Serialize;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  roadproof attack shipped scenarios/following/slow_lead.ron --method pgd --eps 2/255
  roadproof attack runs/seven scenarios/cut_in/from_left.ron --method apgd --eps 4/255 --steps 50 --goal worst
  roadproof attack shipped scenarios/lane_keeping/s_bend.ron --method square --steps 500 --share 0.25
  roadproof attack shipped scenarios/following/slow_lead.ron --method apgd --goal hide
  roadproof attack hardened scenarios/lane_keeping/hills.ron --method apgd --goal ghost
  roadproof attack hardened scenarios/lane_keeping/s_bend.ron --method apgd --goal drift-right-hide --starts 3
  roadproof attack hardened scenarios/following/stop_and_go.ron --method apgd --goal critic --ahead 4
  roadproof attack shipped scenarios/lane_keeping/straight.ron --method auto --steps 20
  roadproof attack \"cmd:./my_driver\" scenarios/cut_in/from_left.ron --eps 8/255 --steps 500

The scenario is driven clean, then under attack: in each decision the frame is changed within the budget before the driver
sees it.

A driver that is a program is attacked from outside, and so is any other with --black-box: nothing is asked of it but how its
drives go. Each try is a whole drive with one pattern on all of its frames, stripes and then squares on the most harmful one so
far, or noise. Faults in place of attacks: `roadproof search`.

What broke the drive is kept as a scenario that `roadproof replay` holds every driver against: the perturbation, the bounds
of a driver who holds, and the trace of the drive.

Exit codes: 0 the driver holds, 1 the attacked drive ends otherwise or keeps less than nine tenths of the clean driving score,
2 bad input, 130 stopped by Ctrl-C or another signal.")]
pub(super) struct Arguments {
    /// shipped, hardened, the folder of a run, latest, or cmd:PROGRAM.
    #[arg(value_parser = driver_name())]
    driver: String,
    #[command(flatten)]
    _option: DriverOption,
    #[command(flatten)]
    subject: Subject,
    #[command(flatten)]
    device: DeviceOption,
    /// How the strongest frame is looked for [default: pgd, or square from outside].
    #[arg(long, value_enum)]
    method: Option<MethodName>,
    /// Attack from outside: ask for nothing but how drives go.
    #[arg(long)]
    black_box: bool,
    /// The budget, as a number or a fraction; 2/255 is two grey levels.
    #[arg(long, default_value = "2/255", value_parser = fraction, allow_hyphen_values = true)]
    eps: Fraction,
    /// How the budget is measured.
    #[arg(long, value_enum, default_value_t = NormName::Linf)]
    norm: NormName,
    /// Steps of a gradient method, tries of square and noise, for each decision [default: 20]; from outside, drives that are tried
    /// [default: 256].
    #[arg(long)]
    steps: Option<usize>,
    /// Run the method so often for each decision, each time from another random start, and keep the strongest frame [default: 1].
    #[arg(long)]
    starts: Option<usize>,
    /// Look so many decisions ahead, as if each frame went on being changed like this: what one frame does to a driver who believes
    /// what many frames say shows later.
    #[arg(long, default_value_t = 0)]
    ahead: usize,
    /// Attack at most this share of the decisions, those on which the most hangs of the drive so far.
    #[arg(long, default_value_t = 1.0)]
    share: f32,
    /// What the attack wants [default: worst, or other for methods that want another action whatever the goal].
    #[arg(long, value_enum)]
    goal: Option<GoalName>,
    /// Seed of the attack [default: 0].
    #[arg(long)]
    seed: Option<u64>,
    /// Write there as JSON what became of both drives; - is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Version of the shape of what `--json` writes.
const JSON_FORMAT: u32 = 1;

/// What `--json` writes.
#[derive(Serialize)]
struct AttackFile {
    about: About,
    scenario: String,
    clean: DriveJson,
    attacked: DriveJson,
    /// The share of the clean driving score that is kept.
    kept: f32,
    holds: bool,
}

/// What became of a drive.
#[derive(Serialize)]
struct DriveJson {
    outcome: Option<Outcome>,
    score: Score,
    max_lane_offset_m: f32,
    /// Null where no gap ever closed.
    min_ttc_s: Option<f32>,
    decisions: usize,
    attacked_decisions: usize,
    /// Null where the attack wanted nothing of single decisions.
    goal_reached: Option<usize>,
}

impl DriveJson {
    fn new(drive: &Drive, is_black_box: bool) -> Self {
        Self {
            outcome: drive.outcome,
            score: drive.score,
            max_lane_offset_m: drive.max_lane_offset_m,
            min_ttc_s: drive.min_ttc_s.is_finite().then_some(drive.min_ttc_s),
            decisions: drive.decisions,
            attacked_decisions: drive.attacked,
            goal_reached: (!is_black_box).then_some(drive.changed),
        }
    }
}

/// The most steps of an attack on a decision.
const MAX_STEPS: usize = 1_000_000;

/// The most starts.
const MAX_STARTS: usize = 1000;

/// The most decisions that an attack looks ahead.
const MAX_AHEAD: usize = 100;

/// What is taken where nothing is said.
const DEFAULT_STEPS: usize = 20;

/// The same for drives that are tried from outside.
const DEFAULT_TRIES: usize = 256;

pub(super) fn run(arguments: &Arguments, console: &mut Console) -> anyhow::Result<Ended> {
    attack(arguments, console).map(Ended::held)
}

fn attack(arguments: &Arguments, console: &mut Console) -> anyhow::Result<bool> {
    let budget = arguments.budget()?;
    console.give_way_to(arguments.json.as_deref());
    arguments.json.as_deref().map(|path| check_result(path, is_result)).transpose()?;
    note_unfinished(&arguments.driver)?;
    let mut driver = Driver::named(&arguments.driver, None)?;
    arguments.device.check([&driver])?;
    driver = arguments.device.put(driver)?;
    let subject = arguments.subject.source(&driver);
    let about = About::this(JSON_FORMAT).of(&arguments.driver, &driver);
    arguments.check_driver(&driver)?;
    let (text, scenario) = subject?;
    let place = arguments.subject.place(&arguments.driver, &arguments.way(), arguments.command())?;
    let interrupt = interrupt::install()?;
    let (clean, attacked) = match &mut driver {
        Driver::Learned(learned) if !arguments.is_black_box() => {
            arguments.along_slopes(learned, &scenario, budget, &interrupt)?
        }
        driver => {
            let clean = closed_loop(scenario.clone(), driver)?;
            interrupt.check()?;
            arguments.subject.check_clean(&arguments.driver, clean.verdict().outcome)?;
            arguments.through_drives(driver, &scenario, budget, &interrupt)?
        }
    };
    console.line(table(&clean, &attacked, arguments.is_black_box()));
    let (before, after) = (&clean.score, &attacked.score);
    let kept = if before.driving_score > 0.0 { after.driving_score / before.driving_score } else { 1.0 };
    console.line(format_args!("The attacked drive keeps {:.0} % of the clean driving score.", 100.0 * kept));
    let bounds = clean.outcome.map(|outcome| (outcome, found::bounds(outcome, before)));
    let holds = bounds.as_ref().is_none_or(|(_, bounds)| found::holds(bounds, attacked.outcome, after));
    if let Some(path) = &arguments.json {
        let scenario = arguments.subject.scenario.display().to_string();
        let [clean, attacked] = [&clean, &attacked].map(|drive| DriveJson::new(drive, arguments.is_black_box()));
        let file = AttackFile { about, scenario, clean, attacked, kept, holds };
        write_atomically(path, &serde_json::to_vec_pretty(&file)?)?;
    }
    let Some((_, bounds)) = bounds.filter(|_| !holds) else {
        console.line("The driver holds; nothing is kept.");
        return Ok(true);
    };
    let CameraSettings { width_px, height_px, .. } = scenario.camera;
    let recording = Arc::new(Recording::new(width_px, height_px, &attacked.changes));
    let recorded = Some(Recorded::new(place.recorded_file(), recording));
    let scenario = Scenario { recorded, expect: bounds, ..scenario };
    let repeated = closed_loop(scenario.clone(), &mut driver)?;
    anyhow::ensure!(
        found::same_way(repeated.trace(), &attacked.controls) && repeated.score() == after,
        "the recorded perturbation does not repeat the attacked drive; nothing was kept"
    );
    keep(&place, &text, &scenario, before, &repeated, console)?;
    Ok(false)
}

fn go_on(interrupt: &Interrupt) -> ControlFlow<()> {
    if interrupt.requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

fn under_attack(
    driver: &mut LearnedDriver,
    scenario: &Scenario,
    attack: &DriveAttack,
    interrupt: &Interrupt,
) -> anyhow::Result<Drive> {
    let mut stage = LongWork::start("attack", 100, "");
    let attacked = drive(driver, scenario.clone(), Some(attack), &mut |completion| {
        stage.set((100.0 * completion) as u64, "");
        go_on(interrupt)
    })?;
    interrupt.check()?;
    stage.finish(format_args!("{} of {} decisions attacked", attacked.attacked, attacked.decisions));
    Ok(attacked)
}

/// Grey levels that a camera can show of a budget.
fn whole_levels(budget: Budget) -> u8 {
    // A fraction such as 2/255 need not come back as two.
    (budget.eps * 255.0 + 1e-3) as u8
}

impl Arguments {
    /// The clean drive and the attacked one, by a driver whose decisions can be followed.
    fn along_slopes(
        &self,
        driver: &mut LearnedDriver,
        scenario: &Scenario,
        budget: Budget,
        interrupt: &Interrupt,
    ) -> anyhow::Result<(Drive, Drive)> {
        let clean = drive(driver, scenario.clone(), None, &mut |_| go_on(interrupt))?;
        interrupt.check()?;
        self.subject.check_clean(&self.driver, clean.outcome)?;
        let attack = DriveAttack {
            method: self.method(),
            budget,
            steps: self.steps(),
            starts: self.starts(),
            ahead: self.ahead,
            share: self.share,
            goal: self.goal().into(),
            seed: self.seed(),
            keep_changes: true,
        };
        Ok((clean, under_attack(driver, scenario, &attack, interrupt)?))
    }

    /// The same by any driver that looks, of whom nothing else is known.
    fn through_drives(
        &self,
        driver: &mut Driver,
        scenario: &Scenario,
        budget: Budget,
        interrupt: &Interrupt,
    ) -> anyhow::Result<(Drive, Drive)> {
        let attack = BlackBox {
            driver,
            scenario,
            patterns: self.patterns().context("--method")?,
            levels: whole_levels(budget),
            tries: self.steps(),
            seed: self.seed(),
            threads: all_cores(),
            interrupt,
        };
        match attack.run() {
            Err(BlackBoxError::Stopped(stopped)) => Err(stopped.into()),
            driven => Ok(driven?),
        }
    }

    /// Refuses drivers that cannot be attacked in this way.
    fn check_driver(&self, driver: &Driver) -> anyhow::Result<()> {
        let name = &self.driver;
        anyhow::ensure!(
            driver.needs_camera() || !self.is_black_box(),
            "the driver {name:?} looks at no frame that could be attacked; `roadproof search` tries faults of all sensors"
        );
        anyhow::ensure!(
            matches!(driver, Driver::Learned(_)) || self.is_black_box(),
            "the driver {name:?} has no gradients to attack: allowed are shipped, hardened and run folders, and programs, which \
             are attacked from outside; `roadproof search` takes any"
        );
        Ok(())
    }

    /// Whether nothing is asked of the driver but how its drives go: of a program nothing else can be.
    fn is_black_box(&self) -> bool {
        self.black_box || self.driver.starts_with(PREFIX)
    }

    /// How patterns are found from outside; `None` for methods that ask for more.
    fn patterns(&self) -> Option<Patterns> {
        match self.method() {
            Method::Loss(LossMethod::Square) => Some(Patterns::Square),
            Method::Loss(LossMethod::Noise) => Some(Patterns::Noise),
            _ => None,
        }
    }

    /// Refuses what has no effect on a driver that is attacked from outside.
    fn check_black_box(&self) -> anyhow::Result<()> {
        let name = self.method().name();
        anyhow::ensure!(
            self.patterns().is_some(),
            "--method {name} asks for more than how drives go; from outside allowed are square and noise"
        );
        let without_effect = [
            ("--norm l2", Norm::from(self.norm) == Norm::L2),
            ("--starts", self.starts.is_some()),
            ("--goal", self.goal.is_some()),
            ("--ahead", self.ahead > 0),
            ("--share", self.share != 1.0),
        ];
        match without_effect.into_iter().find(|(_, given)| *given) {
            Some((option, _)) => anyhow::bail!("an attack from outside takes no {option}"),
            None => Ok(()),
        }
    }

    /// The budget, checked together with what else an attack takes.
    fn budget(&self) -> anyhow::Result<Budget> {
        let (method, norm) = (self.method(), Norm::from(self.norm));
        let budget = Budget::new(norm, self.eps.value).map_err(anyhow::Error::msg).context("--eps")?;
        anyhow::ensure!(
            norm == Norm::L2 || budget.eps >= 1.0 / 255.0,
            "--eps = {}, a camera that delivers bytes shows nothing below 1/255",
            self.eps.value
        );
        anyhow::ensure!(
            (1..=MAX_STEPS).contains(&self.steps()),
            "--steps = {}, allowed is 1 to {MAX_STEPS}",
            self.steps()
        );
        if self.is_black_box() {
            return self.check_black_box().map(|()| budget);
        }
        let starts = self.starts();
        anyhow::ensure!((1..=MAX_STARTS).contains(&starts), "--starts = {starts}, allowed is 1 to {MAX_STARTS}");
        let ahead = self.ahead;
        anyhow::ensure!(ahead <= MAX_AHEAD, "--ahead = {ahead}, allowed is 0 to {MAX_AHEAD}");
        anyhow::ensure!(
            ahead == 0 || Goal::from(self.goal()).direction().is_none(),
            "--goal {} takes no --ahead: it wants what each frame shows",
            named(self.goal())
        );
        let share = self.share;
        anyhow::ensure!(share > 0.0 && share <= 1.0, "--share = {share}, allowed is more than 0 and at most 1");
        let only = if norm == Norm::Linf { "l2" } else { "linf" };
        let name = method.name();
        anyhow::ensure!(method.takes(norm), "--method {name} takes --norm {only} only");
        let without_effect = [
            (self.steps.is_some() && !method.takes_steps(), "--steps: it makes one step"),
            (
                self.goal.is_some_and(|goal| goal != self.usual_goal()) && method.is_untargeted(),
                "--goal: it wants another action",
            ),
            (self.starts.is_some() && !method.draws(), "--starts: it draws nothing at random"),
            (self.seed.is_some() && !method.draws(), "--seed: it draws nothing at random"),
        ];
        if let Some((_, why)) = without_effect.iter().find(|(given, _)| *given) {
            anyhow::bail!("--method {name} takes no {why}");
        }
        Ok(budget)
    }

    fn steps(&self) -> usize {
        self.steps.unwrap_or(if self.is_black_box() { DEFAULT_TRIES } else { DEFAULT_STEPS })
    }

    fn starts(&self) -> usize {
        self.starts.unwrap_or(1)
    }

    fn method(&self) -> Method {
        self.method_name().into()
    }

    fn method_name(&self) -> MethodName {
        self.method.unwrap_or(if self.is_black_box() { MethodName::Square } else { MethodName::Pgd })
    }

    fn goal(&self) -> GoalName {
        self.goal.unwrap_or(self.usual_goal())
    }

    fn usual_goal(&self) -> GoalName {
        if self.method().is_untargeted() { GoalName::Other } else { GoalName::Worst }
    }

    fn seed(&self) -> u64 {
        self.seed.unwrap_or(0)
    }

    /// Method, norm and budget in a file's name.
    fn way(&self) -> String {
        let levels = self.eps.value * 255.0;
        let eps = match self.norm {
            NormName::Linf if (levels - levels.round()).abs() < 1e-3 => format!("{}", levels.round()),
            NormName::Linf => format!("{levels:.2}"),
            NormName::L2 => format!("{}", self.eps.value),
        };
        let from = if self.is_black_box() { "black_box_" } else { "" };
        format!("{from}{}_{}_{eps}", named(self.method_name()), named(self.norm))
    }

    /// The command that finds the same again, whatever the defaults will be.
    fn command(&self) -> String {
        let eps = quoted(&self.eps.text);
        let mut how = format!("--method {} --norm {} --eps {eps}", named(self.method_name()), named(self.norm));
        if self.black_box {
            how += " --black-box";
        }
        if self.is_black_box() {
            how += &format!(" --steps {} --seed {}", self.steps(), self.seed());
            return self.subject.command("attack", &self.driver, &how);
        }
        // What has no effect is refused, and so not said.
        if self.method().takes_steps() {
            how += &format!(" --steps {}", self.steps());
        }
        if self.method().draws() {
            how += &format!(" --starts {}", self.starts());
        }
        if self.ahead > 0 {
            how += &format!(" --ahead {}", self.ahead);
        }
        how += &format!(" --share {} --goal {}", self.share, named(self.goal()));
        if self.method().draws() {
            how += &format!(" --seed {}", self.seed());
        }
        self.subject.command("attack", &self.driver, &how)
    }
}

/// Both drives side by side, a row for each figure: it fits a narrow terminal.
fn table(clean: &Drive, attacked: &Drive, is_black_box: bool) -> comfy_table::Table {
    let ttc = |drive: &Drive| match drive.min_ttc_s.is_finite() {
        true => format!("{:.1}", drive.min_ttc_s),
        false => "-".to_owned(),
    };
    let rows: [(&str, &dyn Fn(&Drive) -> String); 8] = [
        ("outcome", &|drive| drive.outcome.map_or_else(String::new, |outcome| format!("{outcome:?}"))),
        ("driving score", &|drive| format!("{:.1}", drive.score.driving_score)),
        ("route completion, %", &|drive| format!("{:.1}", 100.0 * drive.score.route_completion)),
        ("greatest lane offset, m", &|drive| format!("{:.2}", drive.max_lane_offset_m)),
        ("least time to collision, s", &ttc),
        ("decisions", &|drive| drive.decisions.to_string()),
        ("attacked", &|drive| drive.attacked.to_string()),
        ("goal reached", &|drive| drive.changed.to_string()),
    ];
    let mut table = console::table(["", "clean", "attacked"]);
    // From outside nothing is wanted of single decisions.
    let shown = if is_black_box { &rows[..rows.len() - 2] } else { &rows };
    for (name, figure) in shown {
        table.add_row([(*name).to_owned(), figure(clean), figure(attacked)]);
    }
    table
}
