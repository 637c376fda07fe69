//! `roadproof watch`

use super::Ended;
use super::choices::{QualityName, ViewName, live_fault, size};
use super::drivers::DriverOption;
use super::scenarios::scenarios;
use crate::host::console::Console;
use clap::Args;
use roadproof_sim::fault::{FaultKind, Severity};
use std::path::{Path, PathBuf};

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  roadproof watch                                        the shipped driver in an everyday scenario
  roadproof watch hardened scenarios/sensor_faults/rain_and_mud.ron
  roadproof watch scenarios/following                    N and P go through the folder's scenarios
  roadproof watch --replay scenarios/regression/hilly_bend.trace
  roadproof watch --train runs/seven                     a run in training, always with its newest weights
  roadproof watch --record film.mp4 --seconds 12         no window and no graphics card needed
  roadproof watch hardened --fault Rain:4 --record rain.gif --size 480x270 --fps 8
  roadproof watch --record drive.mcap --seconds 60       the drive for Foxglove or Lichtblick, and for --replay

H lists the keys. The window is part of the program if it was built with it:
  cargo run --release --features watch -- watch")]
pub(super) struct Arguments {
    /// A run folder, or one of shipped, hardened, scripted, straight, random, blind, odometry [default: shipped]; or the scenario.
    #[arg(value_name = "RUN")]
    first: Option<String>,
    #[command(flatten)]
    _option: DriverOption,
    /// A scenario file, or a folder of them [default: an everyday scenario].
    #[arg(value_parser = scenarios())]
    scenario: Option<PathBuf>,
    /// Play a recording: an MCAP file, or a trace, whose scenario lies beside it or is named.
    #[arg(long, value_name = "FILE", conflicts_with = "train")]
    replay: Option<PathBuf>,
    /// Follow a run in training: the newest weights drive, and each drive that ends is followed by another.
    #[arg(long, value_name = "RUN")]
    train: Option<PathBuf>,
    /// Make a film instead of opening a window: a file ending in .mp4 or .gif, or a folder for PNG pictures. A file ending in .png
    /// gets the last picture alone, one in .mcap the drive itself: frames, truth, percepts, Q-values, controls, rewards, the scene.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Length of the film, which ends a second after the drive does at the latest; a single picture is taken at its end
    /// [default: 15].
    #[arg(long, requires = "record")]
    seconds: Option<f64>,
    /// Pictures per second of the film [default: 20].
    #[arg(long, requires = "record")]
    fps: Option<u32>,
    /// Size of the window or film in pixels [default: 1280x720].
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = size)]
    size: Option<(u32, u32)>,
    /// Full is bevy's own light, simple is faster; auto takes simple where the renderer runs on the processor
    /// [default: auto].
    #[arg(long, value_name = "NAME", value_enum)]
    quality: Option<QualityName>,
    /// The camera to begin with [default: chase].
    #[arg(long, value_name = "NAME", value_enum)]
    camera: Option<ViewName>,
    /// A sensor fault that is switched on from the start, with its severity: Fog:3. `roadproof faults` lists them.
    #[arg(long, value_name = "KIND:SEVERITY", value_parser = live_fault, conflicts_with = "replay")]
    fault: Vec<(FaultKind, Severity)>,
    /// The world alone, without the panel.
    #[arg(long)]
    no_panel: bool,
    /// Saliency over the frame instead of perception.
    #[arg(long)]
    saliency: bool,
}

#[cfg(not(feature = "watch"))]
pub(super) fn run(arguments: &Arguments, _: &mut Console) -> anyhow::Result<Ended> {
    arguments.check()?;
    anyhow::bail!(super::without_renderer("watch"))
}

#[cfg(feature = "watch")]
pub(super) fn run(arguments: &Arguments, console: &mut Console) -> anyhow::Result<Ended> {
    arguments.check()?;
    windowed::run(arguments, console)
}

impl Arguments {
    /// Refuses options that what is recorded takes no notice of.
    fn check(&self) -> anyhow::Result<()> {
        let Some(end) = self.record.as_deref().and_then(Path::extension) else { return Ok(()) };
        let picture = self.size.is_some() || self.no_panel || self.saliency;
        let without_effect = if end == "mcap" {
            // A drive is written down, not a picture of it.
            let looks = [
                (self.fps.is_some(), "--fps"),
                (picture, "--size, --no-panel and --saliency"),
                (self.quality.is_some(), "--quality"),
                (self.camera.is_some(), "--camera"),
            ];
            looks.into_iter().find_map(|(given, name)| given.then_some(name))
        } else if end == "png" {
            self.fps.is_some().then_some("--fps")
        } else {
            None
        };
        match without_effect {
            Some(name) => anyhow::bail!("--record {:?}: {name} has no effect on such a file", self.record),
            None => Ok(()),
        }
    }
}

#[cfg(feature = "watch")]
mod windowed {
    use super::super::scenarios::named;
    use super::super::trained::trained_under;
    use super::{Arguments, Ended, QualityName, ViewName};
    use crate::drive::replay::Case;
    use crate::driver::{Driver, POLICY_FILE, SPEC_FILE};
    use crate::formats::film::FilmSettings;
    use crate::host::console::{Console, note};
    use crate::host::files::write_atomically;
    use crate::host::progress::LongWork;
    use crate::host::run_folder::SETTINGS_FILE;
    use crate::watch::drive::mcap;
    use crate::watch::film::{Format, film};
    use crate::watch::window::app::{self, Quality, Screen};
    use crate::watch::window::display::{Graphics, caught, check_display, check_graphics};
    use crate::watch::window::orders::{CameraMode, Order};
    use crate::watch::window::session::{Choice, Session};
    use anyhow::Context;
    use bevy::app::{AppExit, Last};
    use roadproof_env::reward::RewardSettings;
    use roadproof_sim::{Clock, Controls, Trace};
    use std::path::{Path, PathBuf};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Instant;

    /// The everyday scenario: built in, so that nothing is looked for.
    const EVERYDAY: (&str, &str) = ("cut_in/from_left", include_str!("../../../scenarios/cut_in/from_left.ron"));
    const DEFAULT_SIZE: (u32, u32) = (1280, 720);
    const DEFAULT_FPS: u32 = 20;
    const DEFAULT_SECONDS: f64 = 15.0;

    pub(super) fn run(arguments: &Arguments, console: &mut Console) -> anyhow::Result<Ended> {
        let session = session(arguments)?;
        let size = arguments.size.unwrap_or(DEFAULT_SIZE);
        let Some(path) = &arguments.record else {
            check_display()?;
            let quality = quality(arguments, check_graphics()?);
            let build = || app::build(session, Screen::Window(size.0, size.1), quality);
            let mut app = caught("cannot open a window", build)?;
            let pictures = Arc::new(AtomicU32::new(0));
            let counted = Arc::clone(&pictures);
            app.add_systems(Last, move || {
                counted.fetch_add(1, Ordering::Relaxed);
            });
            let opened = Instant::now();
            let closed = app.run();
            let (count, seconds) = (pictures.load(Ordering::Relaxed), opened.elapsed().as_secs_f64());
            let rate = f64::from(count) / seconds;
            let of = format!("of {} x {}", size.0, size.1);
            note(format_args!("watched: {count} pictures {of} in {seconds:.0} s ({rate:.1} pictures/s)"));
            return Ok(Ended::held(closed == AppExit::Success));
        };
        let seconds = arguments.seconds.unwrap_or(DEFAULT_SECONDS);
        anyhow::ensure!((0.1..=3600.0).contains(&seconds), "--seconds = {seconds}, allowed is 0.1 to 3600");
        if path.extension().is_some_and(|end| end == "mcap") {
            anyhow::ensure!(
                arguments.train.is_none(),
                "--train follows one drive with another, an .mcap file holds one"
            );
            let (made, made_s) = record_mcap(session, seconds, path)?;
            console.line(format_args!("{}: {made} moments of the drive", path.display()));
            tell_end(arguments, made_s, console);
            return Ok(Ended::Held);
        }
        let format = Format::of(path)?;
        let fps = arguments.fps.unwrap_or(DEFAULT_FPS);
        format.check(size, fps)?;
        let settings = FilmSettings { size, fps, seconds };
        let made = film(session, &settings, quality(arguments, check_graphics()?), path)?;
        let of = format!("of {} x {}", size.0, size.1);
        match format {
            Format::Picture => console.line(format_args!("{}: a picture {of}", path.display())),
            _ => {
                console.line(format_args!("{}: {made} pictures {of}, {fps} per second", path.display()));
                tell_end(arguments, made as f64 / f64::from(fps), console);
            }
        }
        Ok(Ended::Held)
    }

    /// Says so where the drive was over before the time that was asked for.
    fn tell_end(arguments: &Arguments, made_s: f64, console: &mut Console) {
        // What is made is whole decisions and pictures, of a second at most.
        if let Some(asked_s) = arguments.seconds.filter(|asked_s| made_s + 1.0 < *asked_s) {
            console
                .line(format_args!("--seconds = {asked_s}, the drive ended before that: {made_s:.1} s were recorded"));
        }
    }

    fn quality(arguments: &Arguments, graphics: Graphics) -> Quality {
        match arguments.quality.unwrap_or(QualityName::Auto) {
            QualityName::Full => Quality::Full,
            QualityName::Simple => Quality::Simple,
            QualityName::Auto => Quality::for_graphics(graphics),
        }
    }

    /// Drives to the end, or for so long, and writes what happened; returns the number of moments, and the seconds.
    fn record_mcap(mut session: Session, seconds: f64, path: &Path) -> anyhow::Result<(usize, f64)> {
        crate::host::files::check_writable(path)?;
        let hz = f64::from(session.drive().scenario().decision_hz);
        let seconds = seconds.min(f64::from(session.drive().scenario().duration_s));
        let clock = Clock::new(session.drive().scenario().decision_hz);
        let count = u64::from(clock.decisions_in(seconds as f32)).max(1);
        let mut progress = LongWork::start("drive", count, "decisions");
        while !session.drive().over() && (session.drive().last() as u64) < count {
            session.advance(1.0 / hz);
            progress
                .set(session.drive().last() as u64, format_args!("score {:.1}", session.moment().score.driving_score));
        }
        let (drivers, chosen) = session.drivers();
        write_atomically(path, &mcap::log(session.drive(), &drivers[chosen], &session.title())?)?;
        let made = session.drive().moments().len();
        progress.finish(format_args!("{made} moments"));
        Ok((made, session.drive().last() as f64 / hz))
    }

    fn session(arguments: &Arguments) -> anyhow::Result<Session> {
        let (driver, scenario) = who_and_where(arguments)?;
        let nobody_asked = driver.is_none();
        let mut driver = driver.unwrap_or_else(|| "shipped".to_owned());
        let (scenarios, recorded) = match &arguments.replay {
            Some(trace) => {
                let (choice, controls) = recording(trace, scenario.as_deref())?;
                // Whoever thinks along must fit the scenario; nobody asked for the shipped one.
                let fits = Driver::named(&driver, None)?.fits(&choice.scenario).is_ok();
                if nobody_asked && !fits {
                    "scripted".clone_into(&mut driver);
                }
                (vec![choice], Some(controls))
            }
            None => (choices(scenario.as_deref())?, None),
        };
        let mut session = Session::new(&driver, scenarios, recorded)?.rewarded_by(reward_of);
        session.shows.panel = !arguments.no_panel;
        session.shows.bare = arguments.no_panel && arguments.record.is_some();
        session.shows.saliency = arguments.saliency;
        session.shows.camera = arguments.camera.map(CameraMode::from).unwrap_or_default();
        if !arguments.fault.is_empty() {
            session.give(Order::Faults(arguments.fault.clone()));
        }
        if let Some(run) = &arguments.train {
            session.follow(run.clone());
        }
        Ok(session)
    }

    /// The reward that a driver was trained with.
    fn reward_of(driver: &str) -> RewardSettings {
        trained_under(driver, None).map_or_else(|_| RewardSettings::default(), |settings| settings.reward)
    }

    /// Both arguments may be left out, and a scenario alone is known by its ending or by holding some.
    fn who_and_where(arguments: &Arguments) -> anyhow::Result<(Option<String>, Option<PathBuf>)> {
        let (first, second) = (arguments.first.clone(), arguments.scenario.clone());
        if let Some(run) = &arguments.train {
            let run = run.display().to_string();
            if let (Some(first), Some(_)) = (&first, &second) {
                anyhow::bail!("--train names the driver already: leave {first:?} out");
            }
            let ready = Path::new(&run).join(POLICY_FILE).exists();
            anyhow::ensure!(Path::new(&run).is_dir(), "no such run folder: {run:?}");
            // Until there is a policy, somebody has to drive.
            let scenario = first.map(|first| named(&first).unwrap_or_else(|| first.into()));
            return Ok((Some(if ready { run } else { "scripted".to_owned() }), scenario));
        }
        let Some(first) = first else { return Ok((None, None)) };
        if second.is_none() && !Driver::NAMES.contains(&first.as_str()) {
            let path = named(&first).unwrap_or_else(|| PathBuf::from(&first));
            let is_scenario = path.extension().is_some_and(|end| end == "ron") || path.is_dir();
            if is_scenario && !holds_a_driver(&path) {
                return Ok((None, Some(path)));
            }
        }
        Ok((Some(first), second))
    }

    fn holds_a_driver(folder: &Path) -> bool {
        [SPEC_FILE, SETTINGS_FILE].iter().any(|name| folder.join(name).exists())
    }

    fn choices(path: Option<&Path>) -> anyhow::Result<Vec<Choice>> {
        let Some(path) = path else {
            let (name, text) = EVERYDAY;
            let scenario = roadproof_sim::parse(text, Path::new(name))?.into_scenario();
            let mut choices = vec![Choice { name: name.to_owned(), scenario }];
            // Beside the built-in one, whatever lies in the usual folder.
            if Path::new("scenarios").is_dir() {
                choices.extend(read(&[PathBuf::from("scenarios")])?.into_iter().filter(|choice| choice.name != name));
            }
            return Ok(choices);
        };
        read(&[path.to_owned()])
    }

    fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<Choice>> {
        let files = roadproof_sim::scenario::find(paths)?;
        files.iter().map(|file| Ok(Case::read(file, false)?.into())).collect()
    }

    fn recording(trace: &Path, scenario: Option<&Path>) -> anyhow::Result<(Choice, Vec<Controls>)> {
        let bytes = std::fs::read(trace).with_context(|| format!("cannot read the recording {trace:?}"))?;
        if mcap::is_mcap(&bytes) {
            if let Some(scenario) = scenario {
                anyhow::bail!("an MCAP file brings its scenario along: leave {scenario:?} out");
            }
            let (scenario, controls) = mcap::read(&bytes, trace)?;
            let name = trace.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
            return Ok((Choice { name, scenario }, controls));
        }
        let text =
            String::from_utf8(bytes).map_err(|_| anyhow::anyhow!("{trace:?} is neither an MCAP file nor a trace"))?;
        let parsed = Trace::parse(&text).with_context(|| format!("{}", trace.display()))?;
        let file = scenario.map_or_else(|| trace.with_extension("ron"), Path::to_owned);
        anyhow::ensure!(
            file.exists(),
            "the scenario of a trace lies beside it; name it if it does not: roadproof watch scripted SCENARIO --replay {trace:?}"
        );
        Ok((Case::read(&file, false)?.into(), parsed.controls().collect()))
    }

    impl From<ViewName> for CameraMode {
        fn from(name: ViewName) -> Self {
            match name {
                ViewName::Chase => Self::Chase,
                ViewName::Seat => Self::Seat,
                ViewName::Free => Self::Free,
                ViewName::Top => Self::Top,
                ViewName::Sensor => Self::Sensor,
            }
        }
    }
}
