//! Keeps the worst roads of an evaluation as files, so that one can see what happened: each as a scenario with the drive's trace
//! beside it, which `watch`, `replay`, `snapshot` and `attack` take, and as MCAP for Foxglove or Lichtblick.
//!
//! A road follows from its seed and a drive from road and driver, to the bit, so nothing is recorded while hundreds are driven: what is
//! to be kept is driven once more.

use crate::drive::replay::closed_loop;
use crate::drive::result::RoadResult;
use crate::driver::Driver;
use crate::host::files::{check_folder, write_atomically};
use crate::watch::drive::mcap;
use anyhow::Context;
use roadproof_env::reward::RewardSettings;
use roadproof_sim::outcome::expectations::Expect;
use roadproof_sim::scenario::to_ron;
use roadproof_sim::{DriveStyle, Scenario, Seed, generate_drive};
use std::path::{Path, PathBuf};

/// Where drives are kept.
pub(super) struct Keeping<'a> {
    /// The folder, made if it is not there.
    pub folder: &'a Path,
    /// The command that drove them, which every file names.
    pub command: String,
    /// How the roads were drawn.
    pub style: DriveStyle,
    /// The driver by the name that was given.
    pub driver: &'a str,
    /// What the MCAP files weigh the drive by.
    pub reward: RewardSettings,
}

impl Keeping<'_> {
    /// Finds out whether drives can be kept in a folder, before the work; it is made when there is something to put into it.
    ///
    /// # Errors
    /// A folder that cannot be made or written to, or that has something in it.
    pub fn check(folder: &Path) -> anyhow::Result<()> {
        check_folder(folder).with_context(|| format!("--keep {folder:?}"))?;
        let folder = if folder == Path::new("") { Path::new(".") } else { folder };
        if !folder.exists() {
            return Ok(());
        }
        // Whoever replays or watches the folder means these roads, not those of another evaluation as well.
        let mut there = std::fs::read_dir(folder).with_context(|| format!("cannot look into the folder {folder:?}"))?;
        anyhow::ensure!(
            there.next().is_none(),
            "--keep {folder:?}: there is something in it already, name another folder"
        );
        Ok(())
    }

    /// Drives a road once more and writes what happened; returns the scenario file.
    ///
    /// # Errors
    /// A world that cannot be built, a drive that does not repeat itself, or a file that cannot be written.
    pub fn keep(&self, road: &RoadResult, driver: impl Fn() -> anyhow::Result<Driver>) -> anyhow::Result<PathBuf> {
        let number = road.road;
        let scenario = self.scenario(road);
        let episode = closed_loop(scenario.clone(), &mut driver()?)?;
        let (outcome, score) = (episode.verdict().outcome, episode.score());
        anyhow::ensure!(
            outcome == Some(road.outcome) && score.driving_score.to_bits() == road.score.driving_score.to_bits(),
            "road {number} ended {:?} with {} at first, and {outcome:?} with {} once more",
            road.outcome,
            road.score.driving_score,
            score.driving_score
        );
        std::fs::create_dir_all(self.folder).with_context(|| format!("cannot make the folder {:?}", self.folder))?;
        let write = |end: &str, bytes: &[u8]| write_atomically(&self.folder.join(file_name(number, end)), bytes);
        write("trace", episode.trace().to_text().as_bytes())?;
        let controls = episode.trace().controls().collect();
        let log =
            mcap::of_controls(scenario.clone(), controls, (self.driver, driver()?), &scenario.title, self.reward)?;
        write("mcap", &log)?;
        // Last: a scenario that is there has its trace beside it.
        write("ron", self.text(&scenario, road)?.as_bytes())?;
        Ok(self.folder.join(file_name(number, "ron")))
    }

    /// The road as a scenario: it is to be driven to its end, and the trace is of a drive that may not have been.
    fn scenario(&self, road: &RoadResult) -> Scenario {
        let title = format!("Road {}, seed {}", road.road, road.seed);
        let expect = Expect { golden_holds: false, ..Expect::default() };
        Scenario { title, expect, ..generate_drive(Seed(road.seed), &self.style) }
    }

    fn text(&self, scenario: &Scenario, road: &RoadResult) -> anyhow::Result<String> {
        let head = format!(
            "// Kept by: {}\n// The drive of {:?} ends {:?} with a driving score of {:.2}; the trace is of this drive.\n",
            self.command, self.driver, road.outcome, road.score.driving_score
        );
        Ok(head + &to_ron(scenario)? + "\n")
    }
}

fn file_name(road: usize, end: &str) -> String {
    format!("road_{road:03}.{end}")
}
